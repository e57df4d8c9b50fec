//! An installation of `moments` for a test: its own topics, application id, triggers and configuration on the shared broker.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;

use base64::Engine as _;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::broker::KafkaBroker;
use crate::support::kafka::{Isolation, NewRecord, OwnedRecord};
use crate::support::process::ProcessGuard;
use crate::support::{unique, wait_until};

/// How long anything may take; on two busy cores a rebalance takes seconds.
pub const LIMIT: Duration = Duration::from_secs(60);

/// The topics that come in.
pub const INPUTS: [&str; 6] = [
    "cart",
    "clickstream",
    "outcomes",
    "profile",
    "purchase",
    "support",
];

/// What is configured of topics where what happened a millisecond ago is to be settled.
pub fn settled_at_once() -> String {
    INPUTS
        .map(|topic| format!("{topic}.lateness = \"1ms\"\n"))
        .concat()
}

/// An installation.
pub struct Installation {
    broker: &'static KafkaBroker,
    /// Prefix of all its topics.
    prefix: String,
    dir: TempDir,
}

/// A running `moments`, and where it answers.
pub struct Member {
    /// The process.
    pub process: ProcessGuard,
    name: String,
}

impl Installation {
    /// With these trigger files (name, text), time from events, and `extra` lines of configuration. Nothing is created yet.
    pub fn new(
        broker: &'static KafkaBroker,
        partitions: i32,
        triggers: &[(&str, &str)],
        extra: &str,
    ) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        fs::create_dir(dir.path().join("triggers")).expect("a folder for triggers");
        for (name, text) in triggers {
            fs::write(
                dir.path().join("triggers").join(format!("{name}.yaml")),
                text,
            )
            .expect("a trigger file");
        }
        let prefix = unique("run");
        let this = Self {
            broker,
            prefix,
            dir,
        };
        fs::write(this.config(), this.configuration(partitions, extra)).expect("a configuration");
        this
    }

    fn configuration(&self, partitions: i32, extra: &str) -> String {
        let mut text = format!(
            "[application]\nid = \"{0}\"\n[kafka]\nbootstrap = \"{1}\"\n[kafka.consumer]\n\"session.timeout.ms\" = 2000\n\
             \"heartbeat.interval.ms\" = 200\n[http]\nlisten = \"127.0.0.1:0\"\n[triggers]\npath = \"{2}/triggers\"\n[policy]\nhold_out = \"0%\"\n\
             [topics]\npartitions = {partitions}\nrecord_bytes_max = 5242880\ntreatments = \"{0}.treatments\"\ndecisions = \"{0}.decisions\"\n\
             dead_letters = \"{0}.dead-letters\"\nlate_events = \"{0}.late-events\"\nreports = \"{0}.reports\"\n",
            self.prefix,
            self.broker.bootstrap(),
            self.dir.path().display(),
        );
        for input in INPUTS {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{input}.name = \"{}\"", self.topic(input));
        }
        text + extra
    }

    /// The configuration file.
    pub fn config(&self) -> PathBuf {
        self.dir.path().join("moments.toml")
    }

    /// A topic of this installation: `cart`, `decisions`, `treatments.email`; `-changelog` and `-journal`.
    pub fn topic(&self, name: &str) -> String {
        if name.starts_with('-') {
            format!("{}{name}", self.prefix)
        } else {
            format!("{}.{name}", self.prefix)
        }
    }

    /// The application id, which is also the group's.
    pub fn application_id(&self) -> &str {
        &self.prefix
    }

    /// Settings of a client of its broker.
    pub fn client(&self) -> rdkafka::ClientConfig {
        self.broker.client()
    }

    /// The broker.
    pub fn broker(&self) -> &'static KafkaBroker {
        self.broker
    }

    /// A file in its folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Runs a command of `moments` to its end.
    pub fn command(&self, arguments: &[&str]) -> Output {
        let output = Command::new(env!("CARGO_BIN_EXE_moments"))
            .args(arguments)
            .arg("--config")
            .arg(self.config())
            .output();
        output.expect("moments runs")
    }

    /// Runs a command that must succeed; what it printed.
    pub fn succeed(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments);
        let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            said(&output.stderr)
        );
        said(&output.stdout)
    }

    /// Creates the topics.
    pub fn create_topics(&self) {
        let output = self.command(&["topics", "create"]);
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    /// Starts a process.
    pub fn start(&self) -> Member {
        self.start_with(&[])
    }

    /// Starts a process with more arguments.
    pub fn start_with(&self, more: &[&str]) -> Member {
        let name = unique("moments");
        let config = self.config().display().to_string();
        let run = ["run", "--config", &config];
        let arguments = run.iter().chain(more).map(OsString::from);
        Member {
            process: ProcessGuard::moments(&name, arguments),
            name,
        }
    }

    /// Produces events of a customer each, in order, keyed by customer.
    pub fn produce(&self, topic: &str, events: impl IntoIterator<Item = Value>) {
        let records = events.into_iter().map(|event| {
            let customer = event["userId"]
                .as_str()
                .or(event["anonymousId"].as_str())
                .unwrap_or_default()
                .to_owned();
            NewRecord::keyed(customer, event.to_string())
        });
        self.broker.produce(&self.topic(topic), records);
    }

    /// Committed records of a topic.
    pub fn read(&self, topic: &str) -> Vec<OwnedRecord> {
        self.broker
            .read_all(&self.topic(topic), Isolation::ReadCommitted)
    }

    /// Waits until so many committed records are in a topic, and gives them.
    pub fn wait_for(&self, topic: &str, count: usize) -> Vec<OwnedRecord> {
        let mut found = Vec::new();
        wait_until(&format!("{count} records in {topic}"), LIMIT, || {
            found = self.read(topic);
            found.len() >= count
        });
        found
    }

    /// The decisions that `moments rehearse --journal` makes of what is in the topics now.
    pub fn replayed(&self) -> Vec<String> {
        self.replayed_with(&[])
    }

    /// The same, with more topics that tasks take.
    pub fn replayed_with(&self, more: &[&str]) -> Vec<String> {
        let file = |name: &str| self.dir.path().join(name);
        let mut events = String::new();
        for input in INPUTS.iter().chain(more) {
            for record in self.read(input) {
                let headers: Vec<String> = record
                    .headers
                    .iter()
                    .flat_map(|(name, value)| {
                        [name.clone(), String::from_utf8_lossy(value).into_owned()]
                    })
                    .collect();
                let payload = base64::engine::general_purpose::STANDARD
                    .encode(record.value.as_deref().unwrap_or_default());
                let line = json!({"topic": self.topic(input), "partition": record.partition, "offset": record.offset,
                    "headers": headers, "key": record.key_text(), "payload_base64": payload});
                // Writing to a string does not fail.
                let _ = writeln!(events, "{line}");
            }
        }
        fs::write(file("events.jsonl"), events).expect("a file of events");
        let journal: Vec<String> = self
            .read("-journal")
            .iter()
            .map(OwnedRecord::text)
            .collect();
        fs::write(file("journal.jsonl"), journal.join("\n")).expect("a journal");
        let history = self.command(&["triggers", "history", "--format", "json"]);
        fs::write(file("published.jsonl"), history.stdout).expect("a history");
        let paths = [
            "journal.jsonl",
            "published.jsonl",
            "out.jsonl",
            "events.jsonl",
        ]
        .map(|name| file(name).display().to_string());
        let [journal, published, out, events] = paths.each_ref().map(String::as_str);
        let output = self.command(&[
            "rehearse",
            "--journal",
            journal,
            "--published",
            published,
            "--out",
            out,
            events,
        ]);
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        fs::read_to_string(out)
            .expect("decisions")
            .lines()
            .map(str::to_owned)
            .collect()
    }
}

impl Member {
    /// A process of `moments` that was started otherwise; `name` heads what is said of it.
    pub fn new(name: String, process: ProcessGuard) -> Self {
        Self { process, name }
    }

    /// The answer to a GET: status and body.
    pub fn get(&self, path: &str) -> Option<(u16, String)> {
        let (status, _, body) = self.ask(&format!("GET {path}"), &[], "")?;
        Some((status, body))
    }

    /// Where it listens.
    pub fn address(&self) -> Option<String> {
        let output = self.process.output();
        let mut lines = output.lines();
        let address = lines.find_map(|line| line.split("address=").nth(1))?;
        Some(address.trim().to_owned())
    }

    /// The answer to a method and path with these headers and this body: status, headers, body.
    pub fn ask(&self, what: &str, headers: &[&str], body: &str) -> Option<(u16, String, String)> {
        let mut stream = TcpStream::connect(self.address()?).ok()?;
        let length = format!("Content-Length: {}", body.len());
        let lines = ["Host: localhost", "Connection: close", &length];
        let lines = [&lines[..], headers].concat().join("\r\n");
        write!(stream, "{what} HTTP/1.1\r\n{lines}\r\n\r\n{body}").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let status = answer.split(' ').nth(1)?.parse().ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        Some((status, head.to_ascii_lowercase(), body.to_owned()))
    }

    /// Waits until it has joined and everything assigned to it is restored.
    pub fn wait_until_ready(&self) {
        wait_until(&format!("{} to be ready", self.name), LIMIT, || {
            self.get("/health/ready")
                .is_some_and(|(status, _)| status == 200)
        });
    }
}
