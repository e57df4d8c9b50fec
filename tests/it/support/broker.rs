//! A real Apache Kafka broker for tests, started by `deploy/kafka/broker.sh`.
//!
//! It is tied to this process by a pipe: however the process ends, kill -9 included, the pipe closes, and the script kills
//! the broker and removes its folder. So the shared broker may live in a static, which is never dropped.
//!
//! `./dev test` says in `MOMENTS_KAFKA_LIBS` where Kafka's jars are. Without it a test is skipped, saying so; with
//! `CI=true` it fails.

use std::env;
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};

/// How long a broker may take to come up; it needs 3 s on an idle machine.
const START_LIMIT: Duration = Duration::from_secs(90);
/// Another process may take a port between our choosing it and Kafka's binding it.
const START_ATTEMPTS: usize = 3;

/// What a guarded broker shows, and keeps, in its folder.
const CERTIFICATE: &str = "certificate.pem";
const KEYS: &str = "keys.p12";
const KEYS_PASSWORD: &str = "of-the-keys";

/// A running broker. Dropping it kills it and waits until its folder is gone.
#[derive(Debug)]
pub struct KafkaBroker {
    script: Child,
    bootstrap: String,
    guarded: String,
    behind: [u16; 2],
    dir: PathBuf,
}

/// On which ports it listens beside its first.
#[derive(Clone, Copy, Debug)]
enum Ports<'a> {
    /// On no others.
    First,
    /// On one on which it asks `moments` for this password.
    Guarded(&'a str),
    /// On two, each of which is reached by another that leads to it.
    Behind([u16; 2]),
}

impl KafkaBroker {
    /// The broker that the tests of this binary share. `None`: there is no Kafka here, and the test should return.
    pub fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<KafkaBroker>> = OnceLock::new();
        let shared = SHARED
            .get_or_init(|| libs().map(|libs| Self::start_from(&libs, Ports::First)))
            .as_ref();
        if shared.is_none() {
            say_skipped();
        }
        shared
    }

    /// A broker of a test's own, for those that stop or overload it.
    pub fn start() -> Option<Self> {
        Self::start_with(Ports::First)
    }

    /// One that asks who somebody is on a second port, by SASL over TLS (SCRAM-SHA-512, PLAIN, and OAUTHBEARER with tokens that nobody
    /// signed), and what she may do: `moments` with this password, nothing at first. On the first port everything is allowed.
    pub fn start_guarded(password: &str) -> Option<Self> {
        Self::start_with(Ports::Guarded(password))
    }

    /// One that is reached over two networks: it says of itself that it is at these ports, which lead to [`KafkaBroker::behind`].
    pub fn start_behind(ports: [u16; 2]) -> Option<Self> {
        Self::start_with(Ports::Behind(ports))
    }

    fn start_with(ports: Ports<'_>) -> Option<Self> {
        let started = libs().map(|libs| Self::start_from(&libs, ports));
        if started.is_none() {
            say_skipped();
        }
        started
    }

    /// `host:port`, as `bootstrap.servers` wants it.
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// The port on which it asks who somebody is.
    pub fn guarded(&self) -> &str {
        &self.guarded
    }

    /// The certificate, PEM, that it shows on that port.
    pub fn certificate(&self) -> PathBuf {
        self.dir.join(CERTIFICATE)
    }

    /// Its ports that others lead to.
    pub fn behind(&self) -> [u16; 2] {
        self.behind
    }

    /// Kills it as the kernel kills, and starts it again with what it had written. Returns when it serves.
    pub fn kill_and_start_again(&self) {
        let again = self.dir.join("again");
        std::fs::write(&again, "").expect("written");
        self.signal("KILL");
        // It may be served by the one that dies, for a moment.
        let start = Instant::now();
        while again.exists() && start.elapsed() < START_LIMIT {
            thread::park_timeout(Duration::from_millis(5));
        }
        self.serves().expect("a broker that is back");
    }

    /// Runs a line that begins with `kafka-acls` or `kafka-configs`, as Kafka's own scripts of these names do.
    pub fn script(&self, line: &str) {
        let mut words = line.split_whitespace();
        let class = match words.next() {
            Some("kafka-acls") => "org.apache.kafka.tools.AclCommand",
            Some("kafka-configs") => "kafka.admin.ConfigCommand",
            _ => panic!("{line}"),
        };
        let classes = format!("{}/*", libs().expect("Kafka"));
        let mut java = Command::new("java");
        java.args([
            "-Xshare:auto",
            "-XX:TieredStopAtLevel=1",
            "-cp",
            &classes,
            class,
        ]);
        let output = java.args(words).output().expect("java");
        assert!(
            output.status.success(),
            "{line}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    /// Sends the broker itself a signal: `STOP` freezes it, `CONT` lets it go on.
    pub fn signal(&self, name: &str) {
        let pid = std::fs::read_to_string(self.dir.join("pid")).expect("a broker that runs");
        let sent = Command::new("kill").args(["-s", name, pid.trim()]).status();
        assert!(sent.is_ok_and(|status| status.success()), "{name}");
    }

    fn start_from(libs: &str, ports: Ports<'_>) -> Self {
        let mut failure = String::new();
        for _ in 0..START_ATTEMPTS {
            match Self::attempt(libs, ports) {
                Ok(broker) => return broker,
                Err(log) => failure = log,
            }
        }
        panic!("Kafka did not start; its last words:\n{failure}");
    }

    /// One start on fresh ports; the broker's log if it fails.
    fn attempt(libs: &str, more: Ports<'_>) -> Result<Self, String> {
        // The script removes the folder, which has to outlast this process by a moment.
        let dir = tempfile::Builder::new()
            .prefix("moments-kafka-")
            .tempdir()
            .expect("a temporary folder")
            .keep();
        let mut log = OpenOptions::new()
            .create(true)
            .read(true)
            .append(true)
            .open(dir.join("broker.log"))
            .expect("a log file");
        let [port, controller_port, guarded, other] = free_ports();
        let properties = match more {
            Ports::First => None,
            Ports::Guarded(password) => {
                certify(&dir);
                Some(guarding(&dir, [port, controller_port, guarded], password))
            }
            Ports::Behind(known) => Some(behind(port, controller_port, [guarded, other], known)),
        };
        let properties = properties.map(|text| {
            let file = dir.join("more.properties");
            std::fs::write(&file, text).expect("written");
            file
        });
        let ports = (port, controller_port);
        let scram = match more {
            Ports::Guarded(password) => {
                Some(format!("SCRAM-SHA-512=[name=moments,password={password}]"))
            }
            _ => None,
        };
        let more = [
            ("KAFKA_PROPERTIES", properties.map(PathBuf::into_os_string)),
            ("KAFKA_SCRAM", scram.map(OsString::from)),
        ];
        let script = spawn_script(libs, &dir, ports, more, &log);
        let mut broker = Self {
            script,
            bootstrap: format!("127.0.0.1:{port}"),
            guarded: format!("127.0.0.1:{guarded}"),
            behind: [guarded, other],
            dir,
        };
        broker.wait_until_serving().map_err(|why| {
            // By the handle: the file's name may be gone already.
            let mut words = String::new();
            let _ = log.rewind().and_then(|()| log.read_to_string(&mut words));
            format!("{why}\n{words}")
        })?;
        Ok(broker)
    }

    fn wait_until_serving(&mut self) -> Result<(), String> {
        if let Ok(Some(status)) = self.script.try_wait() {
            return Err(format!("the broker ended with {status}"));
        }
        self.serves()
    }

    /// Asks for metadata until there is an answer.
    fn serves(&self) -> Result<(), String> {
        let client: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", &self.bootstrap)
            .set("reconnect.backoff.ms", "20")
            .set("reconnect.backoff.max.ms", "100")
            .set_log_level(rdkafka::config::RDKafkaLogLevel::Emerg)
            .create()
            .map_err(|error| error.to_string())?;
        let start = Instant::now();
        while client
            .fetch_metadata(None, Duration::from_millis(200))
            .is_err()
        {
            if !self.dir.exists() {
                return Err("the broker ended".to_owned());
            }
            if start.elapsed() > START_LIMIT {
                return Err(format!("no answer within {START_LIMIT:?}"));
            }
        }
        Ok(())
    }
}

impl Drop for KafkaBroker {
    fn drop(&mut self) {
        drop(self.script.stdin.take());
        let _ = self.script.wait();
    }
}

fn spawn_script(
    libs: &str,
    dir: &Path,
    (port, controller_port): (u16, u16),
    more: [(&str, Option<OsString>); 2],
    log: &File,
) -> Child {
    let mut script = Command::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/deploy/kafka/broker.sh"
    ));
    for (name, value) in more {
        if let Some(value) = value {
            script.env(name, value);
        }
    }
    script
        .args(["--tied".as_ref(), libs.as_ref(), dir.as_os_str()])
        .args([port.to_string(), controller_port.to_string()])
        .stdin(Stdio::piped())
        .stdout(log.try_clone().expect("a second handle on the log"))
        .stderr(log.try_clone().expect("a third handle on the log"))
        // Ctrl-C at the terminal ends the tests, and by the pipe the broker, in this order.
        .process_group(0)
        .spawn()
        .expect("sh runs deploy/kafka/broker.sh")
}

/// Makes a key and a certificate for this machine.
fn certify(dir: &Path) {
    let keytool = |arguments: &[&str]| {
        let keys = [
            "-alias",
            "broker",
            "-storetype",
            "PKCS12",
            "-keystore",
            KEYS,
        ];
        let output = Command::new("keytool")
            .current_dir(dir)
            .args(arguments)
            .args(keys)
            .args(["-storepass", KEYS_PASSWORD])
            .output();
        let output = output.expect("keytool, which comes with Java");
        assert!(output.status.success(), "{output:?}");
    };
    let name = ["-dname", "CN=localhost", "-ext", "san=ip:127.0.0.1"];
    keytool(
        &[
            &["-genkeypair", "-keyalg", "RSA", "-validity", "2"],
            &name[..],
        ]
        .concat(),
    );
    keytool(&["-exportcert", "-rfc", "-file", CERTIFICATE]);
}

/// What makes a broker ask, on its third port.
fn guarding(dir: &Path, [port, controller_port, guarded]: [u16; 3], password: &str) -> String {
    let security = "org.apache.kafka.common.security";
    let login = "listener.name.login";
    format!(
        "listeners=PLAINTEXT://127.0.0.1:{port},LOGIN://127.0.0.1:{guarded},CONTROLLER://127.0.0.1:{controller_port}\n\
         listener.security.protocol.map=PLAINTEXT:PLAINTEXT,LOGIN:SASL_SSL,CONTROLLER:PLAINTEXT\n\
         {login}.sasl.enabled.mechanisms=SCRAM-SHA-512,PLAIN,OAUTHBEARER\n\
         {login}.ssl.keystore.type=PKCS12\n{login}.ssl.keystore.location={}\n{login}.ssl.keystore.password={KEYS_PASSWORD}\n\
         {login}.scram-sha-512.sasl.jaas.config={security}.scram.ScramLoginModule required;\n\
         {login}.plain.sasl.jaas.config={security}.plain.PlainLoginModule required user_moments=\"{password}\";\n\
         {login}.oauthbearer.sasl.jaas.config={security}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub=\"broker\";\n\
         {login}.oauthbearer.connections.max.reauth.ms=3600000\n\
         authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\n\
         super.users=User:ANONYMOUS\nallow.everyone.if.no.acl.found=false\n",
        dir.join(KEYS).display()
    )
}

/// What makes a broker listen behind two ports that lead to its own.
fn behind(port: u16, controller_port: u16, own: [u16; 2], known: [u16; 2]) -> String {
    let listeners = |[one, other]: [u16; 2]| {
        format!("PLAINTEXT://127.0.0.1:{port},ONE://127.0.0.1:{one},OTHER://127.0.0.1:{other}")
    };
    format!(
        "listeners={},CONTROLLER://127.0.0.1:{controller_port}\nadvertised.listeners={}\n\
         listener.security.protocol.map=PLAINTEXT:PLAINTEXT,ONE:PLAINTEXT,OTHER:PLAINTEXT,CONTROLLER:PLAINTEXT\n",
        listeners(own),
        listeners(known)
    )
}

/// All are held while choosing, so that they differ.
fn free_ports() -> [u16; 4] {
    let held = [(); 4].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port"));
    held.map(|listener| listener.local_addr().expect("a bound port").port())
}

fn libs() -> Option<String> {
    let libs = env::var("MOMENTS_KAFKA_LIBS")
        .ok()
        .filter(|libs| !libs.is_empty());
    let in_ci = env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(
        libs.is_some() || !in_ci,
        "MOMENTS_KAFKA_LIBS is not set, and in CI no test may be skipped; use ./dev test"
    );
    libs
}

/// Past the capture of test output, so that it is seen although the test passes; `./dev test` counts these lines.
fn say_skipped() {
    let thread = thread::current();
    let test = thread.name().unwrap_or("a test");
    let _ = writeln!(
        std::io::stderr(),
        "skipped: {test}: no Kafka (./dev test brings it)"
    );
}
