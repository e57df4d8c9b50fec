//! Reads a topic on, from as far back as treatments are kept, into the board.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::{Offset, TopicPartitionList};

use super::error::OnsiteError;
use super::report::{Told, told};
use super::site::Site;
use crate::admin::Log;
use crate::config::Config;
use crate::runtime::clients::{self, Logged};
use crate::send::command::Received;
use crate::time::Timestamp;

/// Between two looks at what time brings.
const LOOK: Duration = Duration::from_millis(100);
/// Between two looks whether the topic has more partitions.
const GROWS: Duration = Duration::from_secs(30);
/// For such a look.
const ASKED: Duration = Duration::from_secs(2);

/// What a topic holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holds {
    /// Commands, in transactions.
    Commands,
    /// What became of them. Read as it is written: a transaction that a sender has open hides nothing, and what it takes back is of
    /// its own channel.
    Outcomes,
}

/// Who reads a topic.
pub(super) struct Reader {
    topic: String,
    holds: Holds,
    consumer: BaseConsumer<Logged>,
    /// How many partitions are read.
    partitions: usize,
    /// Partitions whose end was not reached yet.
    behind: BTreeSet<i32>,
}

impl Reader {
    /// Assigns every partition of a topic, from records on that were appended at `since`.
    pub fn new(
        config: &Config,
        topic: &str,
        holds: Holds,
        since: Timestamp,
    ) -> Result<Self, OnsiteError> {
        let isolation = match holds {
            Holds::Commands => "read_committed",
            Holds::Outcomes => "read_uncommitted",
        };
        let ranges = Log::new(config)?.ranges(topic, Some(since))?;
        let mut client = clients::consumer(config, isolation);
        client
            .set("auto.offset.reset", "earliest")
            .set("enable.partition.eof", "true")
            // Somebody waits in front of the page.
            .set("fetch.wait.max.ms", "50");
        let consumer = clients::asking(&client)?;
        let mut assignment = TopicPartitionList::with_capacity(ranges.len());
        for range in &ranges {
            let from = Offset::Offset(range.from);
            assignment.add_partition_offset(topic, range.partition, from)?;
        }
        consumer.assign(&assignment)?;
        Ok(Self {
            topic: topic.to_owned(),
            holds,
            consumer,
            partitions: ranges.len(),
            behind: ranges.iter().map(|range| range.partition).collect(),
        })
    }

    /// Reads until `stop` is set.
    pub fn run(mut self, site: &Site, stop: &AtomicBool) {
        let mut looked = Timestamp::MIN;
        let mut asked = Instant::now();
        while !stop.load(Ordering::Relaxed) {
            let read = self.consumer.poll(LOOK);
            let now = crate::runtime::clock();
            match read {
                Some(Ok(message)) => self.take(site, &message, now),
                Some(Err(KafkaError::PartitionEOF(partition))) => self.reached(site, partition),
                // librdkafka goes on by itself.
                Some(Err(error)) => {
                    tracing::warn!(%error, topic = self.topic, "reading; it is tried again");
                }
                None => {}
            }
            // One of them does it for all.
            if self.holds == Holds::Outcomes
                && looked.plus(i64::try_from(LOOK.as_millis()).unwrap_or(0)) <= now
            {
                looked = now;
                site.tick(now);
            }
            if asked.elapsed() >= GROWS {
                asked = Instant::now();
                self.grows();
            }
        }
    }

    /// Reads partitions that have come to the topic, from their begin.
    fn grows(&mut self) {
        // What does not answer now is asked again.
        let Ok(metadata) = self.consumer.fetch_metadata(Some(&self.topic), ASKED) else {
            return;
        };
        let topic = metadata.topics().first();
        let there = topic.map_or(0, |topic| topic.partitions().len());
        let mut more = TopicPartitionList::new();
        for partition in self.partitions..there {
            let partition = i32::try_from(partition).unwrap_or(i32::MAX);
            // It knows of none of them yet, so it refuses none.
            let _ = more.add_partition_offset(&self.topic, partition, Offset::Beginning);
        }
        if more.count() == 0 {
            return;
        }
        match self.consumer.incremental_assign(&more) {
            Ok(()) => {
                tracing::info!(topic = self.topic, partitions = there, "has grown");
                self.partitions = there;
            }
            Err(error) => {
                tracing::warn!(%error, topic = self.topic, "has grown; it is tried again");
            }
        }
    }

    fn reached(&mut self, site: &Site, partition: i32) {
        if self.behind.remove(&partition) && self.behind.is_empty() {
            site.reached_an_end(&self.topic);
        }
    }

    fn take(&self, site: &Site, message: &BorrowedMessage<'_>, now: Timestamp) {
        let Some(value) = message.payload() else {
            return;
        };
        // What became of a command is kept as from then, however long ago that was when a process reads it.
        let appended = message.timestamp().to_millis();
        let at = appended.map_or(now, |at| now.min(Timestamp(at)));
        match self.holds {
            Holds::Commands => match Received::read(value) {
                Ok(Received::Treatment(command)) => site.treatment(*command, now),
                Ok(Received::Withdrawal(id)) => site.board().withdrawal(id, at),
                Err(error) => {
                    let (partition, offset) = (message.partition(), message.offset());
                    tracing::error!(topic = self.topic, partition, offset, %error, "passed over");
                }
            },
            Holds::Outcomes => match told(value) {
                Some(Told::Shown(id, by)) => site.board().shown(id, &by, at),
                Some(Told::Dismissed(id)) => site.board().dismissed(id, at),
                None => {}
            },
        }
    }
}
