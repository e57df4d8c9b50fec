//! An installation of `moments` with the shipped triggers: four topics of four partitions that come in.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use moments::runtime::murmur2;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use tempfile::TempDir;

use crate::support::broker::KafkaBroker;
use crate::support::process::ProcessGuard;
use crate::support::unique;

/// The topics that come in.
pub const INPUTS: [&str; 4] = ["cart", "clickstream", "profile", "purchase"];
/// Partitions of each.
pub const PARTITIONS: i32 = 4;
/// How long a call to Kafka may take.
pub const LIMIT: Duration = Duration::from_secs(60);

/// An installation.
pub struct Installation<'a> {
    broker: &'a KafkaBroker,
    /// Prefix of its topics, and its application id.
    pub prefix: String,
    dir: TempDir,
}

impl<'a> Installation<'a> {
    /// Its topics are made; `time` is its section `[time]`.
    pub fn new(broker: &'a KafkaBroker, time: &str) -> Self {
        let this = Self {
            broker,
            prefix: unique("bench"),
            dir: tempfile::tempdir().expect("a temporary folder"),
        };
        std::fs::write(this.config(), this.configuration(time)).expect("a configuration");
        let created = Command::new(env!("CARGO_BIN_EXE_moments"))
            .args(["topics", "create", "--config"])
            .arg(this.config())
            .output()
            .expect("moments runs");
        assert!(created.status.success(), "{created:?}");
        this
    }

    fn configuration(&self, time: &str) -> String {
        let inputs: String = INPUTS
            .iter()
            .map(|input| format!("{input}.name = \"{}.{input}\"\n", self.prefix))
            .collect();
        format!(
            "[application]\nid = \"{0}\"\n[kafka]\nbootstrap = \"{1}\"\n[http]\nlisten = \"127.0.0.1:0\"\n\
             [triggers]\npath = \"{2}/deploy/triggers\"\n[policy]\nhold_out = \"0%\"\n[topics]\npartitions = {PARTITIONS}\nrecord_bytes_max = 5242880\n\
             treatments = \"{0}.treatments\"\ndecisions = \"{0}.decisions\"\ndead_letters = \"{0}.dead-letters\"\n\
             late_events = \"{0}.late-events\"\nreports = \"{0}.reports\"\n{inputs}support.name = \"\"\noutcomes.name = \"\"\n[time]\n{time}\n",
            self.prefix,
            self.broker.bootstrap(),
            env!("CARGO_MANIFEST_DIR"),
        )
    }

    fn config(&self) -> PathBuf {
        self.dir.path().join("moments.toml")
    }

    /// Starts `moments run`.
    pub fn start(&self) -> ProcessGuard {
        let config = self.config();
        ProcessGuard::moments(
            "moments",
            ["run".as_ref(), "--config".as_ref(), config.as_os_str()],
        )
    }

    /// Whether everything that came in is committed.
    pub fn is_caught_up(&self, group: &BaseConsumer) -> bool {
        let ends = ends(group, &self.prefix);
        let committed = group.committed_offsets(ends.clone(), LIMIT);
        committed.is_ok_and(|committed| {
            ends.elements().iter().all(|end| {
                let found = committed.find_partition(end.topic(), end.partition());
                end.offset() == Offset::Offset(0)
                    || found.is_some_and(|found| found.offset() == end.offset())
            })
        })
    }

    /// Asks on behalf of the group, without being a member.
    pub fn group(&self) -> BaseConsumer {
        client(self.broker.bootstrap())
            .set("group.id", &self.prefix)
            .create()
            .expect("a consumer")
    }
}

/// What `/metrics` says of a histogram: how many, and their mean in ms.
pub fn histogram(process: &ProcessGuard, name: &str) -> (f64, f64) {
    let output = process.output();
    let address = output
        .lines()
        .find_map(|line| line.split("address=").nth(1))
        .expect("the address is logged");
    let mut stream = TcpStream::connect(address.trim()).expect("it listens");
    write!(
        stream,
        "GET /metrics HTTP/1.1\r\nHost: moments\r\nConnection: close\r\n\r\n"
    )
    .expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    // Over all labels.
    let total = |suffix| {
        let name = format!("{name}_{suffix}");
        let values = answer
            .lines()
            .filter(|line| line.starts_with(&name))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        values.sum::<f64>()
    };
    (total("count"), total("sum") / total("count") * 1e3)
}

/// A client of the broker.
pub fn client(bootstrap: &str) -> ClientConfig {
    let mut client = ClientConfig::new();
    client.set("bootstrap.servers", bootstrap);
    client
}

/// A producer of events.
pub fn producer(bootstrap: &str, linger_ms: &str) -> BaseProducer {
    client(bootstrap)
        .set("enable.idempotence", "true")
        .set("compression.type", "lz4")
        .set("linger.ms", linger_ms)
        .create()
        .expect("a producer")
}

/// Queues an event for its customer's partition, making room where there is none.
pub fn send(producer: &BaseProducer, topic: &str, customer: &str, json: &str) {
    let partition = murmur2::partition(customer.as_bytes(), PARTITIONS);
    let mut record = BaseRecord::to(topic)
        .partition(partition)
        .key(customer)
        .payload(json);
    while let Err((error, unsent)) = producer.send(record) {
        assert_eq!(
            error.rdkafka_error_code(),
            Some(RDKafkaErrorCode::QueueFull)
        );
        producer.poll(Duration::from_millis(5));
        record = unsent;
    }
}

/// Waits until the broker has everything.
pub fn flush(producer: &BaseProducer) {
    producer.flush(LIMIT).expect("everything is delivered");
}

/// Where the topics that come in end.
pub fn ends(consumer: &BaseConsumer, prefix: &str) -> TopicPartitionList {
    let mut ends = TopicPartitionList::new();
    for input in INPUTS {
        let topic = format!("{prefix}.{input}");
        for partition in 0..PARTITIONS {
            let (_, end) = consumer
                .fetch_watermarks(&topic, partition, LIMIT)
                .expect("watermarks");
            ends.add_partition_offset(&topic, partition, Offset::Offset(end))
                .expect("a valid offset");
        }
    }
    ends
}
