//! A real schema registry for tests: Apicurio, by its interface that is Confluent's, over HTTP and HTTPS.
//!
//! `./dev test` says in `MOMENTS_REGISTRY_JAR` where it is. Without it a test is skipped, saying so; with `CI=true` it fails.

use std::env;
use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use moments::registry::{Registry, RegistrySettings};
use tempfile::TempDir;

use super::process::ProcessGuard;
use super::wait_until;

/// How long it may take to come up; it needs 5 s on an idle machine.
const START_LIMIT: Duration = Duration::from_secs(180);
/// Where its interface is that is Confluent's.
const BASE: &str = "/apis/ccompat/v7";
const PASSWORD: &str = "changeit";

/// A running registry.
#[derive(Debug)]
pub struct TestRegistry {
    _process: ProcessGuard,
    http: u16,
    https: u16,
    dir: TempDir,
}

impl TestRegistry {
    /// The registry that the tests of this binary share; each test has subjects of its own. `None`: the test should return.
    pub fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<TestRegistry>> = OnceLock::new();
        let shared = SHARED
            .get_or_init(|| installed("MOMENTS_REGISTRY_JAR").map(|jar| Self::start(&jar)))
            .as_ref();
        if shared.is_none() {
            say_skipped("schema registry");
        }
        shared
    }

    fn start(jar: &str) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        keytool(
            &dir,
            &[
                "-genkeypair",
                "-keyalg",
                "EC",
                "-dname",
                "CN=localhost",
                "-validity",
                "2",
                "-ext",
                "san=ip:127.0.0.1",
                "-ext",
                "bc=ca:true",
            ],
        );
        keytool(
            &dir,
            &[
                "-exportcert",
                "-rfc",
                "-file",
                &dir.path().join("ca.pem").display().to_string(),
            ],
        );
        let [http, https] = free_ports();
        let mut java = Command::new("java");
        java.args([
            "-Xms64m",
            "-Xmx256m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
        ])
        .arg("-Dquarkus.http.host=127.0.0.1")
        .arg(format!("-Dquarkus.http.port={http}"))
        .arg(format!("-Dquarkus.http.ssl-port={https}"))
        .arg(format!(
            "-Dquarkus.http.ssl.certificate.key-store-file={}",
            keystore(&dir).display()
        ))
        .arg(format!(
            "-Dquarkus.http.ssl.certificate.key-store-password={PASSWORD}"
        ))
        .arg("-Dquarkus.log.level=WARN")
        .args(["-jar", jar]);
        let this = Self {
            _process: ProcessGuard::spawn("the schema registry", &mut java),
            http,
            https,
            dir,
        };
        wait_until("the schema registry to serve", START_LIMIT, || {
            let answer = ureq::get(format!("{}/subjects", this.url())).call();
            answer.is_ok_and(|answer| answer.status() == 200)
        });
        this
    }

    /// Its base.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}{BASE}", self.http)
    }

    /// Its base over TLS.
    pub fn secure_url(&self) -> String {
        format!("https://127.0.0.1:{}{BASE}", self.https)
    }

    /// The certificate to trust.
    pub fn ca_file(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    /// Its port, for a proxy.
    pub fn port(&self) -> u16 {
        self.http
    }

    /// Its base, as seen through something on another port.
    pub fn url_through(&self, port: u16) -> String {
        format!("http://127.0.0.1:{port}{BASE}")
    }

    /// Registers a schema; its id.
    pub fn register(&self, subject: &str, schema: &str) -> u32 {
        let registry = Registry::new(RegistrySettings {
            url: self.url(),
            ca: None,
            authorization: None,
            timeout: Duration::from_secs(30),
        });
        let id = registry.expect("a client").id(subject, schema, true);
        id.expect("an id")
    }

    /// From now on a subject takes only schemas that read what its last one wrote.
    pub fn be_strict(&self, subject: &str) {
        let answer = ureq::put(format!("{}/config/{subject}", self.url()))
            .content_type("application/vnd.schemaregistry.v1+json")
            .send(r#"{"compatibility": "BACKWARD"}"#);
        assert!(answer.is_ok_and(|answer| answer.status() == 200));
    }
}

fn keystore(dir: &TempDir) -> PathBuf {
    dir.path().join("keys.p12")
}

fn keytool(dir: &TempDir, arguments: &[&str]) {
    let output = Command::new("keytool")
        .args(arguments)
        .args([
            "-alias",
            "registry",
            "-storetype",
            "PKCS12",
            "-storepass",
            PASSWORD,
        ])
        .arg("-keystore")
        .arg(keystore(dir))
        .output()
        .expect("keytool, which comes with Java");
    assert!(output.status.success(), "{output:?}");
}

fn free_ports() -> [u16; 2] {
    let held = [(); 2].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port"));
    held.map(|listener| listener.local_addr().expect("a bound port").port())
}

/// What `./dev test` says of a part that is installed.
pub fn installed(variable: &str) -> Option<String> {
    let value = env::var(variable).ok().filter(|value| !value.is_empty());
    let in_ci = env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(
        value.is_some() || !in_ci,
        "{variable} is not set, and in CI no test may be skipped; use ./dev test"
    );
    value
}

/// Past the capture of test output, so that it is seen although the test passes; `./dev test` counts these lines.
pub fn say_skipped(what: &str) {
    let thread = thread::current();
    let test = thread.name().unwrap_or("a test");
    let _ = writeln!(
        std::io::stderr(),
        "skipped: {test}: no {what} (./dev test brings it)"
    );
}
