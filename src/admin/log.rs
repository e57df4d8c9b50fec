//! Topics read from outside a consumer group: committed records of some ranges, to where the topic ends now.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};
use rdkafka::{Offset, TopicPartitionList};

use super::AdminError;
use crate::config::Config;
use crate::runtime::clients::{self, Logged};
use crate::task::core::RawRecord;
use crate::time::Timestamp;

/// How long a poll waits.
const POLL: Duration = Duration::from_millis(100);

/// How long a transaction of others is waited for: longer than one lives whose process is dead.
const OPEN_MAX: Duration = Duration::from_secs(90);

/// Reads topics.
pub struct Log {
    consumer: BaseConsumer<Logged>,
    timeout: Duration,
}

/// Part of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The partition.
    pub partition: i32,
    /// From this offset on.
    pub from: i64,
    /// Up to this one, which is not read.
    pub until: i64,
}

/// A record and its partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// The partition.
    pub partition: i32,
    /// The record.
    pub record: RawRecord,
}

impl Log {
    /// Nothing is asked yet.
    ///
    /// # Errors
    /// Where the client cannot be made.
    pub fn new(config: &Config) -> Result<Self, AdminError> {
        Self::reading(config, "read_committed")
    }

    /// The same, of what is not committed, too.
    pub(super) fn uncommitted(config: &Config) -> Result<Self, AdminError> {
        Self::reading(config, "read_uncommitted")
    }

    fn reading(config: &Config, isolation: &str) -> Result<Self, AdminError> {
        let mut client = clients::consumer(config, isolation);
        client
            .set("auto.offset.reset", "earliest")
            .set("enable.partition.eof", "true");
        let consumer = clients::asking(&client).map_err(AdminError::kafka("making a consumer"))?;
        let timeout = Duration::from_millis(config.kafka.call_timeout.ms.unsigned_abs());
        Ok(Self { consumer, timeout })
    }

    /// The state of a group, and how many members it has.
    pub(super) fn group(&self, id: &str) -> Result<(String, usize), AdminError> {
        let groups = self
            .consumer
            .fetch_group_list(Some(id), self.timeout)
            .map_err(AdminError::kafka(format!("asking for group {id}")))?;
        let found = groups.groups().iter().find(|group| group.name() == id);
        Ok(found.map_or_else(Default::default, |group| {
            (group.state().to_owned(), group.members().len())
        }))
    }

    /// The first record of a partition at an offset or after it.
    pub(super) fn first(
        &self,
        topic: &str,
        partition: i32,
        from: i64,
    ) -> Result<Option<RawRecord>, AdminError> {
        let behind = Range {
            from,
            ..self.range(topic, partition)?
        };
        let mut first = None;
        self.read(topic, &[behind], |read| {
            first = Some(read.record);
            ControlFlow::Break(())
        })?;
        Ok(first)
    }

    /// How many partitions a topic has.
    ///
    /// # Errors
    /// Where Kafka does not answer, or there is no such topic.
    pub fn partitions(&self, topic: &str) -> Result<i32, AdminError> {
        let metadata = self
            .consumer
            .fetch_metadata(Some(topic), self.timeout)
            .map_err(AdminError::kafka(format!("asking for topic {topic}")))?;
        let found = metadata.topics().iter().find(|it| it.name() == topic);
        let count = found.map_or(0, |it| it.partitions().len());
        match i32::try_from(count) {
            Ok(count) if count > 0 => Ok(count),
            _ => Err(AdminError::NoTopic(topic.to_owned())),
        }
    }

    /// What a partition holds now that is committed.
    ///
    /// # Errors
    /// Where Kafka does not answer.
    pub fn range(&self, topic: &str, partition: i32) -> Result<Range, AdminError> {
        let (from, until) = self
            .consumer
            .fetch_watermarks(topic, partition, self.timeout)
            .map_err(AdminError::kafka(format!(
                "asking where {topic}/{partition} ends"
            )))?;
        Ok(Range {
            partition,
            from,
            until,
        })
    }

    /// Waits until the transactions have ended that are open in a topic now, so that all is read that came before: an open one
    /// hides what others have committed behind it.
    ///
    /// # Errors
    /// Where Kafka does not answer, or one stays open.
    pub fn wait_for_open_transactions(
        &self,
        config: &Config,
        topic: &str,
    ) -> Result<(), AdminError> {
        let ends = Self::uncommitted(config)?.ranges(topic, None)?;
        let began = Instant::now();
        for end in ends {
            while self.range(topic, end.partition)?.until < end.until {
                if began.elapsed() > OPEN_MAX {
                    return Err(AdminError::Refused(format!(
                        "a transaction has been open in {topic}/{} for {} s, and may hide what was sent again already; see who \
                         writes there (kafka-transactions find-hanging), and try again",
                        end.partition,
                        OPEN_MAX.as_secs()
                    )));
                }
                std::thread::park_timeout(POLL);
            }
        }
        Ok(())
    }

    /// What a topic holds now that is committed, from records on that were appended at `since`.
    ///
    /// # Errors
    /// Where Kafka does not answer.
    pub fn ranges(&self, topic: &str, since: Option<Timestamp>) -> Result<Vec<Range>, AdminError> {
        let partitions = 0..self.partitions(topic)?;
        let mut ranges: Vec<Range> = partitions
            .map(|partition| self.range(topic, partition))
            .collect::<Result<_, _>>()?;
        let Some(since) = since else {
            return Ok(ranges);
        };
        let mut asked = TopicPartitionList::new();
        for range in &ranges {
            asked
                .add_partition_offset(topic, range.partition, Offset::Offset(since.0))
                .map_err(AdminError::kafka("asking for offsets by time"))?;
        }
        let found = self
            .consumer
            .offsets_for_times(asked, self.timeout)
            .map_err(AdminError::kafka("asking for offsets by time"))?;
        for range in &mut ranges {
            let at = found.find_partition(topic, range.partition);
            range.from = match at.map(|it| it.offset()) {
                Some(Offset::Offset(offset)) => offset.max(range.from),
                // Nothing is as young.
                _ => range.until,
            };
        }
        Ok(ranges)
    }

    /// The group's committed offset of a partition.
    ///
    /// # Errors
    /// Where Kafka does not answer.
    pub fn committed(&self, topic: &str, partition: i32) -> Result<Option<i64>, AdminError> {
        let mut asked = TopicPartitionList::new();
        asked.add_partition(topic, partition);
        let found = clients::patiently(&self.consumer, self.timeout, |timeout| {
            self.consumer.committed_offsets(asked.clone(), timeout)
        });
        let found = found.map_err(AdminError::kafka("asking for the group's offsets"))?;
        let found = found.find_partition(topic, partition);
        Ok(found.and_then(|it| match it.offset() {
            Offset::Offset(offset) => Some(offset),
            _ => None,
        }))
    }

    /// Gives the records of these ranges to `each`, each partition's in order, until it breaks.
    ///
    /// # Errors
    /// Where Kafka does not answer, or does not give what there is.
    pub fn read(
        &self,
        topic: &str,
        ranges: &[Range],
        mut each: impl FnMut(Read) -> ControlFlow<()>,
    ) -> Result<(), AdminError> {
        let mut open: BTreeMap<i32, i64> = ranges
            .iter()
            .filter(|range| range.from < range.until)
            .map(|range| (range.partition, range.until))
            .collect();
        let mut assignment = TopicPartitionList::new();
        for range in ranges.iter().filter(|range| range.from < range.until) {
            assignment
                .add_partition_offset(topic, range.partition, Offset::Offset(range.from))
                .map_err(AdminError::kafka(format!("reading {topic}")))?;
        }
        let failed = || AdminError::kafka(format!("reading {topic}"));
        self.consumer.assign(&assignment).map_err(failed())?;
        let mut last = Instant::now();
        while !open.is_empty() {
            match self.consumer.poll(POLL) {
                Some(Ok(message)) => {
                    last = Instant::now();
                    let read = Read::from(&message);
                    let (partition, offset) = (read.partition, read.record.offset);
                    let Some(until) = open.get(&partition).copied() else {
                        continue;
                    };
                    if offset < until && each(read).is_break() {
                        break;
                    }
                    if offset + 1 >= until {
                        open.remove(&partition);
                    }
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => drop(open.remove(&partition)),
                Some(Err(error)) => return Err(failed()(error)),
                None if last.elapsed() > self.timeout => {
                    return Err(AdminError::Late {
                        what: format!("reading {topic}"),
                        ms: i64::try_from(self.timeout.as_millis()).unwrap_or(i64::MAX),
                    });
                }
                None => {}
            }
        }
        self.consumer.unassign().map_err(failed())
    }
}

impl From<&BorrowedMessage<'_>> for Read {
    fn from(message: &BorrowedMessage<'_>) -> Self {
        let headers = message.headers().map(|headers| {
            let owned = headers.iter();
            owned
                .map(|it| (it.key.to_owned(), it.value.map(<[u8]>::to_vec)))
                .collect()
        });
        Self {
            partition: message.partition(),
            record: RawRecord {
                offset: message.offset(),
                unreadable: None,
                stamped: matches!(message.timestamp(), rdkafka::Timestamp::LogAppendTime(_)),
                appended: Timestamp(message.timestamp().to_millis().unwrap_or_default()),
                key: message.key().map(<[u8]>::to_vec),
                value: message.payload().map(<[u8]>::to_vec),
                headers: headers.unwrap_or_default(),
            },
        }
    }
}
