//! Topics of a test's broker: create, produce in batches, read everything back.

use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Header, Headers as _, Message as _};
use rdkafka::{Offset, TopicPartitionList};

use super::broker::KafkaBroker;
use super::producing::{Producer, Undecided};
use super::wait_until;

/// How long one helper may take altogether.
const LIMIT: Duration = Duration::from_secs(60);

/// Whose records a reader sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// All of them, those of aborted transactions included.
    ReadUncommitted,
    /// Those of committed transactions, and those outside any, up to the first that is undecided.
    ReadCommitted,
}

/// A record to produce.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewRecord {
    /// `None`: by the key, as Java's producers do it (`murmur2_random`).
    pub partition: Option<i32>,
    /// The record's key.
    pub key: Option<Vec<u8>>,
    /// The record's value; `None` is a tombstone.
    pub value: Option<Vec<u8>>,
    /// Headers in order.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Milliseconds since the epoch; `None`: now.
    pub timestamp: Option<i64>,
}

impl NewRecord {
    /// A record with a key and a value, and nothing else.
    pub fn keyed(key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Self {
        Self {
            key: Some(key.into()),
            value: Some(value.into()),
            ..Self::default()
        }
    }

    /// A record with a value, and nothing else.
    pub fn unkeyed(value: impl Into<Vec<u8>>) -> Self {
        Self {
            value: Some(value.into()),
            ..Self::default()
        }
    }

    /// The same, for this partition.
    pub fn in_partition(self, partition: i32) -> Self {
        Self {
            partition: Some(partition),
            ..self
        }
    }

    /// The same, with one more header.
    pub fn with_header(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// The same, of this time in milliseconds since the epoch.
    pub fn at(self, timestamp: i64) -> Self {
        Self {
            timestamp: Some(timestamp),
            ..self
        }
    }
}

/// A record that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedRecord {
    /// Where it was.
    pub partition: i32,
    /// Where it was in the partition.
    pub offset: i64,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value.
    pub value: Option<Vec<u8>>,
    /// Its headers in order.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Milliseconds since the epoch.
    pub timestamp: Option<i64>,
}

impl OwnedRecord {
    /// The value as text; empty for a tombstone.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(self.value.as_deref().unwrap_or_default()).into_owned()
    }

    /// The key as text; empty where there is none.
    pub fn key_text(&self) -> String {
        String::from_utf8_lossy(self.key.as_deref().unwrap_or_default()).into_owned()
    }
}

impl From<&BorrowedMessage<'_>> for OwnedRecord {
    fn from(message: &BorrowedMessage<'_>) -> Self {
        let owned = |header: Header<'_, &[u8]>| {
            (
                header.key.to_owned(),
                header.value.unwrap_or_default().to_vec(),
            )
        };
        Self {
            partition: message.partition(),
            offset: message.offset(),
            key: message.key().map(<[u8]>::to_vec),
            value: message.payload().map(<[u8]>::to_vec),
            headers: message
                .headers()
                .map(|headers| headers.iter().map(owned).collect())
                .unwrap_or_default(),
            timestamp: message.timestamp().to_millis(),
        }
    }
}

impl KafkaBroker {
    /// A client configuration that points here, to which a test adds its own properties.
    pub fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.bootstrap());
        config
    }

    /// Creates a topic of one replica, and waits until each partition has its leader.
    pub fn create_topic(&self, name: &str, partitions: i32, config: &[(&str, &str)]) {
        let admin: AdminClient<DefaultClientContext> =
            self.client().create().expect("an admin client");
        let mut topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
        topic.config = config.to_vec();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime");
        let created = runtime
            .block_on(admin.create_topics([&topic], &AdminOptions::new()))
            .expect("an answer");
        assert_eq!(created, [Ok(name.to_owned())], "creating topic {name}");
        wait_until(&format!("leaders of {name}"), LIMIT, || {
            let metadata = admin.inner().fetch_metadata(Some(name), LIMIT);
            metadata.is_ok_and(|metadata| {
                let leaders = metadata.topics()[0]
                    .partitions()
                    .iter()
                    .filter(|partition| partition.leader() >= 0);
                i32::try_from(leaders.count()) == Ok(partitions)
            })
        });
    }

    /// Deletes a topic, and waits until it is gone.
    pub fn delete_topic(&self, name: &str) {
        let admin: AdminClient<DefaultClientContext> =
            self.client().create().expect("an admin client");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime");
        runtime
            .block_on(admin.delete_topics(&[name], &AdminOptions::new()))
            .expect("an answer");
        wait_until(&format!("{name} to be gone"), LIMIT, || {
            let metadata = admin.inner().fetch_metadata(None, LIMIT).expect("metadata");
            !metadata.topics().iter().any(|topic| topic.name() == name)
        });
    }

    /// Produces the records in order, outside any transaction, and waits until the broker has them all.
    pub fn produce(&self, topic: &str, records: impl IntoIterator<Item = NewRecord>) {
        self.producer().send(topic, records);
    }

    /// A producer to be used more than once: each costs half a second to begin.
    pub fn producer(&self) -> Producer {
        Producer::new(&self.client())
    }

    /// Produces the records in one transaction of `transactional_id`, and commits or aborts it.
    pub fn produce_in_transaction(
        &self,
        transactional_id: &str,
        topic: &str,
        records: impl IntoIterator<Item = NewRecord>,
        commit: bool,
    ) {
        let records = records.into_iter().map(|record| (topic, record));
        let undecided = self.begin(transactional_id, records);
        if commit {
            undecided.commit();
        } else {
            undecided.abort();
        }
    }

    /// A transaction of `transactional_id` in which records of any topics are; they are with the broker when this returns.
    pub fn begin<'a>(
        &self,
        transactional_id: &str,
        records: impl IntoIterator<Item = (&'a str, NewRecord)>,
    ) -> Undecided {
        Undecided::begin(
            self.client().set("transactional.id", transactional_id),
            records,
        )
    }

    /// Everything from the beginning of the topic to the ends as they are now, by partition and offset.
    pub fn read_all(&self, topic: &str, isolation: Isolation) -> Vec<OwnedRecord> {
        let consumer = self.reader(isolation);
        let mut ends = open_ends(&consumer, topic);
        let mut assignment = TopicPartitionList::new();
        for (partition, _) in &ends {
            assignment
                .add_partition_offset(topic, *partition, Offset::Beginning)
                .expect("a valid offset");
        }
        consumer.assign(&assignment).expect("an assignment");

        let start = Instant::now();
        let mut records = Vec::new();
        while !ends.is_empty() {
            assert!(
                start.elapsed() < LIMIT,
                "reading {topic} took too long; still open: {ends:?}"
            );
            match consumer.poll(Duration::from_millis(100)) {
                Some(Ok(message)) => {
                    let record = OwnedRecord::from(&message);
                    let Some(at) = ends
                        .iter()
                        .position(|(partition, _)| *partition == record.partition)
                    else {
                        continue;
                    };
                    let end = ends[at].1;
                    if record.offset + 1 >= end {
                        ends.swap_remove(at);
                    }
                    if record.offset < end {
                        records.push(record);
                    }
                }
                // What is left before the end is no record: a transaction's marker, or a gap of compaction.
                Some(Err(KafkaError::PartitionEOF(done))) => {
                    ends.retain(|(partition, _)| *partition != done);
                }
                Some(Err(error)) => panic!("reading {topic}: {error}"),
                None => {}
            }
        }
        records.sort_by_key(|record| (record.partition, record.offset));
        records
    }

    /// The first and the next offset of each partition; with `ReadCommitted` the next is the last stable one.
    pub fn watermarks(&self, topic: &str, isolation: Isolation) -> Vec<(i64, i64)> {
        watermarks(&self.reader(isolation), topic)
    }

    fn reader(&self, isolation: Isolation) -> BaseConsumer {
        let level = match isolation {
            Isolation::ReadUncommitted => "read_uncommitted",
            Isolation::ReadCommitted => "read_committed",
        };
        self.client()
            .set("group.id", "never-joined")
            .set("enable.auto.commit", "false")
            .set("enable.partition.eof", "true")
            .set("isolation.level", level)
            .set("fetch.queue.backoff.ms", "5")
            .create()
            .expect("a consumer")
    }
}

fn watermarks(consumer: &BaseConsumer, topic: &str) -> Vec<(i64, i64)> {
    let metadata = consumer
        .fetch_metadata(Some(topic), LIMIT)
        .expect("metadata");
    let partitions =
        i32::try_from(metadata.topics()[0].partitions().len()).expect("a number of partitions");
    assert!(partitions > 0, "no topic {topic}");
    (0..partitions)
        .map(|partition| {
            consumer
                .fetch_watermarks(topic, partition, LIMIT)
                .expect("watermarks")
        })
        .collect()
}

/// The partitions that hold anything, each with its end.
fn open_ends(consumer: &BaseConsumer, topic: &str) -> Vec<(i32, i64)> {
    let numbered = (0..).zip(watermarks(consumer, topic));
    numbered
        .filter(|(_, (low, end))| low < end)
        .map(|(partition, (_, end))| (partition, end))
        .collect()
}
