//! Reads a topic on, from as far back as treatments are kept, into the board.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

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
            behind: ranges.iter().map(|range| range.partition).collect(),
        })
    }

    /// Reads until `stop` is set.
    pub fn run(mut self, site: &Site, stop: &AtomicBool) {
        let mut looked = Timestamp::MIN;
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
        match self.holds {
            Holds::Commands => match Received::read(value) {
                Ok(Received::Treatment(command)) => site.treatment(*command, now),
                Ok(Received::Withdrawal(id)) => site.board().withdrawal(id, now),
                Err(error) => {
                    let (partition, offset) = (message.partition(), message.offset());
                    tracing::error!(topic = self.topic, partition, offset, %error, "passed over");
                }
            },
            Holds::Outcomes => match told(value) {
                Some(Told::Shown(id, by)) => site.board().shown(id, &by, now),
                Some(Told::Dismissed(id)) => site.board().dismissed(id, now),
                None => {}
            },
        }
    }
}
