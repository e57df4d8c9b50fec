//! The installation whose state is kept, on a broker: the one that is run when the fixture is made, and the one that goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::{Offset, TopicPartitionList};
use serde_json::Value;
use tempfile::TempDir;

use super::fixture::{CONTROL, INPUTS, Places, Said, directory, index};
use super::history::PARTITIONS;
use crate::kafka::installation::{LIMIT, Member};
use crate::support::broker::KafkaBroker;
use crate::support::kafka::NewRecord;
use crate::support::process::ProcessGuard;
use crate::support::producing::Producer;
use crate::support::{unique, wait_until};

/// How long Kafka may take to answer.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Metrics of what a process takes and decides.
const COUNTED: [&str; 7] = [
    "moments_moments_total",
    "moments_treatments_total",
    "moments_refusals_total",
    "moments_rejected_total",
    "moments_customers_removed_total",
    "moments_open_limit_total",
    "moments_events_total",
];

/// An installation by the kept configuration.
pub struct Shop<'a> {
    /// Where it is.
    pub broker: &'a KafkaBroker,
    binary: PathBuf,
    dir: TempDir,
    producer: Producer,
    /// Of the application's group, without joining it.
    group: BaseConsumer,
}

impl<'a> Shop<'a> {
    /// An installation of this build of `moments`.
    pub fn new(broker: &'a KafkaBroker, binary: &Path) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let mut client = broker.client();
        client
            .set("group.id", "kept")
            .set("isolation.level", "read_uncommitted");
        std::fs::create_dir(dir.path().join("triggers")).expect("a folder for triggers");
        Self {
            broker,
            binary: binary.to_owned(),
            dir,
            producer: broker.producer(),
            group: client.create().expect("a consumer"),
        }
    }

    /// The folder of its triggers.
    pub fn triggers(&self) -> PathBuf {
        self.dir.path().join("triggers")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        let triggers = format!("triggers.path={}", self.triggers().display());
        let bootstrap = format!("kafka.bootstrap={}", self.broker.bootstrap());
        let settings = [&triggers, &bootstrap, "http.listen=127.0.0.1:0"];
        command.args(arguments).arg("--config");
        command.arg(directory().join("moments.toml"));
        for setting in settings {
            command.args(["--set", setting].map(OsString::from));
        }
        command
    }

    /// Runs a command that must succeed.
    pub fn succeed(&self, arguments: &[&str]) {
        let output = self.command(arguments).output().expect("moments runs");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {error}");
    }

    /// Starts a process, and waits until it takes records.
    pub fn start(&self) -> Member {
        self.start_with(&[])
    }

    /// The same, with more settings.
    pub fn start_with(&self, settings: &[&str]) -> Member {
        let name = unique("kept");
        let mut command = self.command(&["run"]);
        for setting in settings {
            command.args(["--set", setting]);
        }
        let process = ProcessGuard::spawn(&name, &mut command);
        let member = Member::new(name, process);
        member.wait_until_ready();
        member
    }

    /// Produces to a topic, in order.
    pub fn produce(&self, topic: &str, records: impl IntoIterator<Item = NewRecord>) {
        self.producer.send(topic, records);
    }

    /// Where each partition of a topic ends, markers of transactions included.
    pub fn ends(&self, topic: &str) -> Vec<i64> {
        let partitions = if topic == CONTROL { 1 } else { PARTITIONS };
        let end = |partition| self.group.fetch_watermarks(topic, partition, TIMEOUT);
        let ends = (0..partitions).map(|partition| end(partition).expect("bounds").1);
        ends.collect()
    }

    /// Waits until everything that is in the input topics now is taken and committed.
    pub fn wait_until_taken(&self, member: &Member) {
        let mut expected = BTreeMap::new();
        for topic in INPUTS {
            for (partition, end) in (0..).zip(self.ends(topic)).filter(|(_, end)| *end > 0) {
                expected.insert((topic.to_owned(), partition), end);
            }
        }
        wait_until("everything to be committed", LIMIT, || {
            let tasks = member.get("/api/v1/tasks");
            let taken = tasks.map(|(_, tasks)| taken(&tasks)).unwrap_or_default();
            let mut places = expected.iter();
            places.all(|(place, end)| taken.get(place) == Some(end))
        });
    }

    /// Produces one record a partition at most, and waits until they are taken: what is decided of them, and when, depends on
    /// nothing but the records.
    pub fn round(&self, member: &Member, records: impl IntoIterator<Item = (String, NewRecord)>) {
        for (topic, record) in records {
            self.produce(&topic, [record]);
        }
        self.wait_until_taken(member);
    }

    /// Waits until the set of this number is in force.
    pub fn wait_for_set(&self, member: &Member, number: u64) {
        let line = format!("moments_triggers_revision {number}");
        wait_until(&line, LIMIT, || {
            let metrics = member.get("/metrics");
            metrics.is_some_and(|(_, text)| text.lines().any(|it| it == line))
        });
    }

    /// What is said of the customers and counted, and where the topics end.
    pub fn said<'b>(
        &self,
        member: &Member,
        topics: impl IntoIterator<Item = &'b str>,
        customers: &BTreeSet<String>,
    ) -> Said {
        let customers = customers
            .iter()
            .map(|id| (id.clone(), customer(member, id)));
        Said {
            customers: customers.collect(),
            counted: counted(member),
            ends: self.all_ends(topics),
            offsets: self.offsets(),
        }
    }

    /// By topic, where each partition ends.
    pub fn all_ends<'b>(&self, topics: impl IntoIterator<Item = &'b str>) -> Places {
        let topics = topics.into_iter();
        topics
            .map(|topic| (topic.to_owned(), self.ends(topic)))
            .collect()
    }

    /// The group's offsets.
    fn offsets(&self) -> Places {
        let mut list = TopicPartitionList::new();
        for topic in INPUTS {
            list.add_partition_range(topic, 0, PARTITIONS - 1);
        }
        let offsets = self.group.committed_offsets(list, TIMEOUT);
        let mut places = Places::new();
        for element in offsets.expect("offsets").elements() {
            let partitions = places
                .entry(element.topic().to_owned())
                .or_insert_with(|| vec![-1; index(PARTITIONS)]);
            if let Offset::Offset(offset) = element.offset() {
                partitions[index(element.partition())] = offset;
            }
        }
        places
    }

    /// Sets the group's offsets, while nobody is in it.
    pub fn commit(&self, offsets: &Places) {
        let mut list = TopicPartitionList::new();
        for (topic, partitions) in offsets {
            for (partition, offset) in (0..).zip(partitions).filter(|(_, offset)| **offset >= 0) {
                let offset = Offset::Offset(*offset);
                list.add_partition_offset(topic, partition, offset)
                    .expect("a valid offset");
            }
        }
        let committed = self.group.commit(&list, CommitMode::Sync);
        committed.expect("the group takes its offsets");
    }
}

/// The answer to `GET /customers/{id}`; null where she is not known.
pub fn customer(member: &Member, id: &str) -> Value {
    let encoded: String = id.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let (status, body) = member
        .get(&format!("/customers/{encoded}?settled"))
        .expect("an answer");
    match status {
        200 => serde_json::from_str(&body).expect("JSON"),
        404 => Value::Null,
        _ => panic!("{id}: {status} {body}"),
    }
}

/// The lines of `/metrics` that count what the process took and decided.
pub fn counted(member: &Member) -> BTreeSet<String> {
    let (_, metrics) = member.get("/metrics").expect("metrics");
    let counts = |line: &&str| COUNTED.iter().any(|name| line.starts_with(name));
    metrics.lines().filter(counts).map(str::to_owned).collect()
}

/// Of the answer to `GET /api/v1/tasks`, up to where each topic and partition is committed.
fn taken(tasks: &str) -> BTreeMap<(String, u64), i64> {
    let tasks: Value = serde_json::from_str(tasks).unwrap_or_default();
    let mut taken = BTreeMap::new();
    for task in tasks["items"].as_array().into_iter().flatten() {
        let partition = task["partition"].as_u64().unwrap_or_default();
        for topic in task["topics"].as_array().into_iter().flatten() {
            let name = topic["topic"].as_str().unwrap_or_default().to_owned();
            let offset = topic["offset"].as_i64().unwrap_or(-1);
            taken.insert((name, partition), offset);
        }
    }
    taken
}
