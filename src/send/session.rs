//! The membership in a channel's group, and what is saved there.
//!
//! What must stay true: how far a partition is and what is reported of it are one transaction, of the assignment in which it was read;
//! what is saved is read when older producers are fenced.

use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext, ConsumerGroupMetadata};
use rdkafka::error::KafkaError;
use rdkafka::message::BorrowedMessage;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, PurgeConfig};
use rdkafka::topic_partition_list::TopicPartitionListElem;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Offset, TopicPartitionList};

use super::book::Progress;
use super::report::Report;
use crate::config::Config;
use crate::runtime::clients::{self, Logged};
use crate::runtime::{group, tokens};

/// Between looks at what is still in flight: `flush` would look each 100 ms.
const IN_FLIGHT_PAUSE: Duration = Duration::from_millis(1);
/// What a transaction that nobody ends any more keeps others from: so long at most.
const TRANSACTION_MS: &str = "10000";

/// A membership, and who saves.
pub(super) struct Session {
    config: Arc<Config>,
    consumer: BaseConsumer<Member>,
    saver: Option<(BaseProducer<Logged>, ConsumerGroupMetadata)>,
    paused: BTreeSet<i32>,
    group: String,
    topic: String,
}

/// What librdkafka calls back.
#[derive(Default)]
struct Member {
    /// Partitions given and taken, which are answered between two polls.
    rebalances: Mutex<VecDeque<Rebalance>>,
    /// Nobody answers any more.
    closes: AtomicBool,
}

/// Partitions were given or taken.
pub(super) enum Rebalance {
    /// These are ours: [`Session::take_over`].
    Assigned(Vec<i32>),
    /// None is ours any more: [`Session::give_up`], once everything is saved.
    Revoked,
}

impl Session {
    /// Joins the group of a channel.
    pub fn join(config: &Arc<Config>, channel: &str) -> Result<Self, KafkaError> {
        let group = format!("{}-{channel}", config.send_group());
        let mut client = clients::consumer(config, "read_committed");
        client.set("group.id", &group);
        client.set("group.protocol", "classic");
        client.set("partition.assignment.strategy", "range");
        client.set("auto.offset.reset", "earliest");
        client.set("enable.partition.eof", "true");
        let consumer: BaseConsumer<Member> = client.create_with_context(Member::default())?;
        tokens::let_in(&client, consumer.client())?;
        let this = Self {
            config: Arc::clone(config),
            consumer,
            saver: None,
            paused: BTreeSet::new(),
            group,
            topic: config.topics.treatments_of(channel),
        };
        this.consumer.subscribe(&[&this.topic])?;
        Ok(this)
    }

    fn timeout(&self) -> Duration {
        Duration::from_millis(self.config.kafka.call_timeout.ms.unsigned_abs())
    }

    /// The next record, or what there is instead.
    pub fn poll(&self, patience: Duration) -> Option<Result<BorrowedMessage<'_>, KafkaError>> {
        if let Some((saver, _)) = &self.saver {
            // It asks for another token only where it is polled.
            saver.poll(Duration::ZERO);
        }
        self.consumer.poll(patience)
    }

    /// Whether there is anybody to save what is read.
    pub const fn has_partitions(&self) -> bool {
        self.saver.is_some()
    }

    /// What has been given and taken since this was asked.
    pub fn rebalances(&self) -> VecDeque<Rebalance> {
        let rebalances = &self.consumer.context().rebalances;
        std::mem::take(&mut *rebalances.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Goes on from what is saved, once nobody else can save any more: partition, offset and metadata.
    pub fn take_over(&mut self, partitions: &[i32]) -> Result<Vec<(i32, i64, String)>, KafkaError> {
        let Some(first) = partitions.iter().min() else {
            self.consumer.assign(&TopicPartitionList::new())?;
            return Ok(Vec::new());
        };
        let mut client = clients::outside_producer(&self.config);
        client.set("transactional.id", format!("{}-{first}", self.group));
        client.set("transaction.timeout.ms", TRANSACTION_MS);
        let producer: BaseProducer<Logged> = client.create_with_context(Logged)?;
        tokens::let_in(&client, producer.client())?;
        producer.init_transactions(self.timeout())?;
        let mut asked = TopicPartitionList::with_capacity(partitions.len());
        for partition in partitions {
            asked.add_partition(&self.topic, *partition);
        }
        let begun = self.consumer.committed_offsets(asked, self.timeout())?;
        let mut found = Vec::new();
        for partition in partitions {
            let Some(mut saved) = begun.find_partition(&self.topic, *partition) else {
                continue;
            };
            found.push(match saved.offset() {
                Offset::Offset(offset) => (*partition, offset, saved.metadata().to_owned()),
                _ => {
                    saved.set_offset(Offset::Beginning)?;
                    (*partition, 0, String::new())
                }
            });
        }
        self.consumer.assign(&begun)?;
        let Some(group) = group::pinned(&self.consumer) else {
            // They are taken away at the next poll; until then nothing is begun that nobody could save.
            tracing::warn!("the membership was lost while partitions were assigned");
            return Ok(Vec::new());
        };
        self.saver = Some((producer, group));
        Ok(found)
    }

    /// Lets go of all partitions.
    pub fn give_up(&mut self) -> Result<(), KafkaError> {
        self.close();
        // One that comes back would still be paused otherwise.
        self.pause(BTreeSet::new())?;
        self.consumer.unassign()
    }

    /// Saves how far partitions are and what is reported, in one transaction. Whether there was anybody to do it.
    pub fn save(&self, parts: &[Progress<'_>], reports: &[Report]) -> Result<bool, KafkaError> {
        let Some((producer, group)) = &self.saver else {
            return Ok(false);
        };
        let mut offsets = TopicPartitionList::with_capacity(parts.len());
        for part in parts {
            let mut element = offsets.add_partition(&self.topic, part.partition);
            element.set_offset(Offset::Offset(part.window.offset()))?;
            element.set_metadata(part.window.metadata());
        }
        producer.begin_transaction()?;
        for report in reports {
            let record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(&report.topic)
                .key(report.key.as_bytes())
                .payload(&report.value);
            producer.send(record).map_err(|(error, _)| error)?;
        }
        let start = Instant::now();
        while producer.in_flight_count() > 0 && start.elapsed() < self.timeout() {
            producer.poll(Duration::ZERO);
            thread::park_timeout(IN_FLIGHT_PAUSE);
        }
        producer.send_offsets_to_transaction(&offsets, group, self.timeout())?;
        producer.commit_transaction(self.timeout())?;
        Ok(true)
    }

    /// Reads no more of these partitions, which are full, and on of those that were.
    pub fn pause(&mut self, full: BTreeSet<i32>) -> Result<(), KafkaError> {
        let list = |partitions: &mut dyn Iterator<Item = &i32>| {
            let mut list = TopicPartitionList::new();
            for partition in partitions {
                list.add_partition(&self.topic, *partition);
            }
            list
        };
        let pauses = list(&mut full.difference(&self.paused));
        let resumes = list(&mut self.paused.difference(&full));
        if pauses.count() > 0 {
            self.consumer.pause(&pauses)?;
        }
        if resumes.count() > 0 {
            self.consumer.resume(&resumes)?;
        }
        self.paused = full;
        Ok(())
    }

    /// Lets go of the producer: what it has open is given up.
    fn close(&mut self) {
        if let Some((producer, _)) = self.saver.take() {
            producer.purge(PurgeConfig::default().queue().inflight());
            producer.poll(Duration::ZERO);
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.close();
        self.consumer
            .context()
            .closes
            .store(true, Ordering::Relaxed);
        // One that was not answered yet would keep the consumer from closing.
        let _ = self.consumer.unassign();
    }
}

clients::context!(Member);

impl ConsumerContext for Member {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        code: RDKafkaRespErr,
        list: &mut TopicPartitionList,
    ) {
        if self.closes.load(Ordering::Relaxed) {
            // It ends: what was open is saved by now.
            let _ = consumer.unassign();
            return;
        }
        let partitions = list
            .elements()
            .iter()
            .map(TopicPartitionListElem::partition)
            .collect();
        let rebalance = match code {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => Rebalance::Assigned(partitions),
            _ => Rebalance::Revoked,
        };
        let mut rebalances = self
            .rebalances
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        rebalances.push_back(rebalance);
    }
}
