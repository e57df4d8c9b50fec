//! Who is let in, and what she may do: SASL over TLS, and the least set of rights.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::installation::{Installation, LIMIT, Member};
use crate::support::acls::Acl;
use crate::support::broker::KafkaBroker;
use crate::support::process::ProcessGuard;
use crate::support::receivers::{Does, Hook};
use crate::support::{unique, wait_until};

const WELCOME: (&str, &str) = (
    "welcome",
    "trigger: welcome\nmoment: { event: Order Completed }\ntreatments: [{ channel: onsite, template: thanks }]\n\
     policy: { good_for: 3650d }\n",
);
const PASSWORD: &str = "pass-of-moments";
/// A certificate of another machine.
const OTHER: &str = "-----BEGIN CERTIFICATE-----\n\
     MIIBezCCASGgAwIBAgIUBQSP46lMc6R8CA9NJpJcdfL58EEwCgYIKoZIzj0EAwIw\n\
     EjEQMA4GA1UEAwwHYW5vdGhlcjAgFw0yNjExMzAyMDA3MDRaGA8yMTI2MTEwNjIw\n\
     MDcwNFowEjEQMA4GA1UEAwwHYW5vdGhlcjBZMBMGByqGSM49AgEGCCqGSM49AwEH\n\
     A0IABLz6m2+O0eUeCDEFimj8yhNi1mP/iGFBfpsZlBtuoEfqQxZVO1Ifrt3Fa6ds\n\
     Mf2m7QYfT9NTpoSrWOjaRR2lZ2CjUzBRMB0GA1UdDgQWBBQYDnGkK2uRgL7kB+1R\n\
     pl+Gg4PSuTAfBgNVHSMEGDAWgBQYDnGkK2uRgL7kB+1Rpl+Gg4PSuTAPBgNVHRMB\n\
     Af8EBTADAQH/MAoGCCqGSM49BAMCA0gAMEUCIGEjTY3NLCO3cVRA8mAAJwyXKSai\n\
     9kNG1nIRCdQd4BGIAiEAxVB8V+cgAIKRdQcQji3lhdkr5AFFFOw9KIQFXxuBjKw=\n\
     -----END CERTIFICATE-----\n";
/// What a token is good for, seconds: a client asks for the next before.
const LIFE_S: u64 = 4;

/// The broker that these tests share.
fn guarded() -> Option<&'static KafkaBroker> {
    static GUARDED: OnceLock<Option<KafkaBroker>> = OnceLock::new();
    let broker = GUARDED.get_or_init(|| KafkaBroker::start_guarded(PASSWORD));
    broker.as_ref()
}

/// An installation whose topics are there, and whose rights `moments` has been given.
fn installation(broker: &'static KafkaBroker, more: &str) -> (Installation, Vec<Acl>) {
    let extra = format!("[time]\nclock = \"event\"\nidle_delay = \"200ms\"\n{more}");
    let installation = Installation::new(broker, 2, &[WELCOME], &extra);
    let config = std::fs::read_to_string(installation.config()).expect("a configuration");
    let config = config.replace("[http]\n", "[http]\nwrite = true\n");
    std::fs::write(installation.config(), config).expect("a configuration");
    installation.create_topics();
    let printed = installation.succeed(&["topics", "acls"]);
    let acls: Vec<Acl> = printed.lines().flat_map(Acl::of_command).collect();
    for acl in &acls {
        broker.give(acl);
    }
    (installation, acls)
}

/// What follows in its configuration `[kafka.properties]` from now on, at the port that asks.
fn log_in(installation: &Installation, properties: &[(&str, &str)]) {
    let broker = installation.broker();
    let config = std::fs::read_to_string(installation.config()).expect("a configuration");
    let config = config.replace(broker.bootstrap(), broker.guarded());
    let config = config
        .split("[kafka.properties]")
        .next()
        .unwrap_or_default();
    let certificate = broker.certificate().display().to_string();
    let common = [
        ("security.protocol", "SASL_SSL"),
        ("ssl.ca.location", certificate.as_str()),
    ];
    // Those that are given win.
    let common = common
        .iter()
        .filter(|(name, _)| properties.iter().all(|(given, _)| given != name));
    let lines = common.chain(properties);
    let lines: String = lines
        .map(|(name, value)| format!("\"{name}\" = {value:?}\n"))
        .collect();
    let config = format!("{config}[kafka.properties]\n{lines}");
    std::fs::write(installation.config(), config).expect("a configuration");
}

fn by(mechanism: &'static str, password: &'static str) -> [(&'static str, &'static str); 3] {
    [
        ("sasl.mechanism", mechanism),
        ("sasl.username", "moments"),
        ("sasl.password", password),
    ]
}

fn order(customer: &str) -> Value {
    json!({"event": "Order Completed", "userId": customer, "messageId": unique("order"),
        "timestamp": "2026-03-02T10:00:00Z", "properties": {"total": 10}})
}

/// What a command says that must not succeed.
fn failure(installation: &Installation, arguments: &[&str]) -> String {
    let output = installation.command(arguments);
    let said = [&output.stdout[..], &output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
    said
}

/// It decides and commits, and ends well.
fn decides(installation: &Installation, while_it_runs: impl FnOnce(&Member)) {
    let before = installation.read("treatments.onsite").len();
    let mut member = installation.start();
    member.wait_until_ready();
    installation.produce("purchase", [order("ana")]);
    installation.wait_for("treatments.onsite", before + 1);
    for path in ["decisions", "explain"] {
        let path = format!("/api/v1/customers/ana/{path}");
        wait_until(&path, LIMIT, || {
            member.get(&path).is_some_and(|it| it.0 == 200)
        });
    }
    let erased = member.ask(
        "POST /api/v1/customers/nobody/erasure",
        &["Content-Type: application/json"],
        "{}",
    );
    assert_eq!(erased.map(|it| it.0), Some(202));
    while_it_runs(&member);
    installation.produce("purchase", [order("ben")]);
    installation.wait_for("treatments.onsite", before + 2);
    assert!(member.process.terminate(LIMIT).success());
    assert!(!member.process.output().contains(PASSWORD));
}

#[test]
fn it_comes_in_by_password_over_tls() {
    let Some(broker) = guarded() else {
        return;
    };
    let (installation, _) = installation(broker, "");
    for mechanism in ["SCRAM-SHA-512", "PLAIN"] {
        log_in(&installation, &by(mechanism, PASSWORD));
        decides(&installation, |_| {});
        log_in(&installation, &by(mechanism, "wrong-password"));
        for command in [&["topics", "check"][..], &["run"], &["doctor"]] {
            let said = failure(&installation, command);
            let expected = "look at sasl.mechanism, sasl.username and sasl.password";
            assert!(said.contains(expected), "{mechanism} {command:?}: {said}");
            assert!(!said.contains("wrong-password"), "{said}");
        }
    }
    let right = by("SCRAM-SHA-512", PASSWORD);
    let other = installation.file("other.pem");
    std::fs::write(&other, OTHER).expect("written");
    let other = other.display().to_string();
    for (property, value) in [
        ("ssl.ca.location", other.as_str()),
        ("security.protocol", "SSL"),
    ] {
        log_in(&installation, &[&right[..], &[(property, value)]].concat());
        let said = failure(&installation, &["topics", "check"]);
        // Where the broker hangs up first, that is all that is known.
        let is_told = said.contains("[kafka.properties]") || said.contains("SSL transport error");
        assert!(is_told, "{property}: {said}");
        assert!(!said.contains(PASSWORD), "{said}");
    }
}

#[test]
fn it_comes_in_by_tokens_that_are_fetched_again_before_they_end() {
    let Some(broker) = guarded() else {
        return;
    };
    let takes = Hook::start(|_, _| Does::Answers(200, ""));
    let secret = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(&secret, format!("whsec_{}", STANDARD.encode([7; 32]))).expect("written");
    let sends = format!(
        "[send]\ngroup = \"of-{{id}}\"\n[send.channels.onsite.web_hook]\nurl = {:?}\nsecret_file = {:?}\n",
        takes.url,
        secret.path()
    );
    let (installation, _) = installation(broker, &sends);
    let provider = Provider::start();
    let with = |secret: &str, url: &str| {
        let properties = [
            ("sasl.mechanism", "OAUTHBEARER"),
            ("sasl.oauthbearer.method", "oidc"),
            ("sasl.oauthbearer.client.id", "moments"),
            ("sasl.oauthbearer.client.secret", secret),
            ("sasl.oauthbearer.token.endpoint.url", url),
        ];
        log_in(&installation, &properties);
    };
    with(PASSWORD, &provider.url);
    let config = installation.config().display().to_string();
    let mut sender = ProcessGuard::moments(&unique("send"), ["send", "--config", &config]);
    decides(&installation, |_| {
        // Each is good for less than it takes both processes to have two more.
        let before = provider.given();
        wait_until("more tokens", LIMIT, || provider.given() >= before + 4);
    });
    wait_until("both commands to be sent", LIMIT, || {
        sender.output().matches("end=\"delivered\"").count() == 2
    });
    assert_eq!(takes.told().len(), 2);
    assert!(sender.terminate(LIMIT).success());
    let said = sender.output();
    assert!(
        !said.contains("no token") && !said.contains(PASSWORD),
        "{said}"
    );
    assert!(installation.succeed(&["doctor"]).contains("agree"));
    with("wrong-secret", &provider.url);
    let nobody = "http://127.0.0.1:1/token";
    let said = failure(&installation, &["run"]);
    let expected = format!(
        "no token for OAUTHBEARER from {}: it answers 401",
        provider.url
    );
    assert!(
        said.contains(&expected) && !said.contains("wrong-secret"),
        "{said}"
    );
    with(PASSWORD, nobody);
    let said = failure(&installation, &["topics", "check"]);
    assert!(
        said.contains(&format!("no token for OAUTHBEARER from {nobody}: ")),
        "{said}"
    );
    with("", nobody);
    let said = failure(&installation, &["topics", "check"]);
    let expected = "\"sasl.oauthbearer.client.secret\" is missing";
    assert!(said.contains(expected), "{said}");
}

#[test]
fn the_rights_that_are_printed_are_enough_and_each_is_needed() {
    let Some(broker) = guarded() else {
        return;
    };
    let (installation, acls) = installation(broker, "");
    let printed = installation.succeed(&["topics", "acls"]);
    log_in(&installation, &by("SCRAM-SHA-512", PASSWORD));
    decides(&installation, |_| {});
    let found = installation.succeed(&["topics", "check"]);
    assert!(!found.contains("warning"), "{found}");
    let reports = installation.topic("reports");
    for acl in &acls {
        broker.take(acl);
        if (acl.name.as_str(), acl.operation.as_str()) == (reports.as_str(), "Write") {
            // Without it the rest goes on.
            let found = installation.succeed(&["topics", "check"]);
            assert!(
                found.contains(&format!("{reports}: missing, or not to be seen")),
                "{found}"
            );
            broker.give(acl);
            continue;
        }
        let commands: &[&str] = match acl.kind.as_str() {
            "--topic" => &["run"],
            _ => &["run", "doctor"],
        };
        for command in commands {
            let said = failure(&installation, &[command]);
            let named = |line: &str| line.contains(&acl.name) && line.contains(&acl.operation);
            assert!(said.lines().any(named), "{command} without {acl:?}: {said}");
            assert!(said.contains("`moments topics acls`"), "{said}");
        }
        broker.give(acl);
    }
    decides(&installation, |_| {});
    // As Kafka's own script takes them, too.
    broker.script(printed.lines().next().expect("a line"));
}

/// An identity provider of one client, whose tokens say who it is and are signed by nobody.
struct Provider {
    url: String,
    given: Arc<AtomicUsize>,
}

impl Provider {
    /// Until the tests end.
    fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let url = format!("http://{}/token", listener.local_addr().expect("a port"));
        let given = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&given);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if let Some(true) = answer(stream) {
                    count.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        Self { url, given }
    }

    /// How many tokens it has given.
    fn given(&self) -> usize {
        self.given.load(Ordering::Relaxed)
    }
}

/// Answers one request; whether it gave a token.
fn answer(mut stream: TcpStream) -> Option<bool> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let (mut length, mut login, mut line) = (0, String::new(), String::new());
    while reader.read_line(&mut line).ok()? > 2 {
        let (name, value) = line.split_once(": ").unwrap_or_default();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().ok()?,
            "authorization" => value.trim().clone_into(&mut login),
            _ => {}
        }
        line.clear();
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let known = format!("Basic {}", STANDARD.encode(format!("moments:{PASSWORD}")));
    let fits = login == known && body == b"grant_type=client_credentials";
    let (status, body) = match fits {
        true => (
            "200 OK",
            json!({"access_token": token(), "token_type": "Bearer", "expires_in": LIFE_S}),
        ),
        false => ("401 Unauthorized", json!({"error": "invalid_client"})),
    };
    let body = body.to_string();
    let head =
        format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nConnection: close\r\n");
    write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len()).ok()?;
    Some(fits)
}

fn token() -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970")
        .as_secs();
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let claims = json!({"sub": "moments", "scope": "kafka", "iat": now, "exp": now + LIFE_S});
    format!("{}.{}.", part(json!({"alg": "none"})), part(claims))
}
