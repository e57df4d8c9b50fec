//! The transactional producer of a worker.
//!
//! What must stay true: offsets are sent when every record is acknowledged, with the group metadata of the assignment, as a later
//! owner finds in the log whatever the group let through ([`crate::task`]); nothing is in flight when a transaction is committed, as
//! librdkafka would look for it each 100 ms; what is in flight is purged before the producer goes, or that would hang.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, Message as _, OwnedHeaders};
use rdkafka::producer::{
    BaseProducer, BaseRecord, NoCustomPartitioner, Producer as _, ProducerContext, PurgeConfig,
};
use rdkafka::{Offset, TopicPartitionList};

use super::watchdog::Watchdog;
use super::{Names, clients, clock, tokens};
use crate::config::Config;
use crate::task::transaction::{CUT_HEADER, Out, Sink, Transaction};
use crate::time::Timestamp;

/// Between looks at what is still in flight: `flush` would look each 100 ms.
const IN_FLIGHT_PAUSE: Duration = Duration::from_millis(1);
/// A queue that is full is served for so long.
const FULL_PAUSE: Duration = Duration::from_millis(1);
/// What is purged is reported at once.
const PURGE_LIMIT: Duration = Duration::from_secs(1);

/// A producer that has fenced all others of its transactional id.
pub(super) struct WorkerProducer {
    first: i32,
    names: Arc<Names>,
    watchdog: Watchdog,
    timeout: Duration,
    producer: BaseProducer<Deliveries>,
}

/// Where what a transaction wrote of a task ends: the offset after its last record in each.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ends {
    pub changelog: Option<i64>,
    pub journal: Option<i64>,
}

/// By task.
pub(super) type EndsOf = BTreeMap<i32, Ends>;

/// What a delivered record is, as its opaque says.
const CHANGELOG: usize = 1;
const JOURNAL: usize = 2;

/// What became of the records of a transaction.
#[derive(Debug, Default)]
struct Deliveries(Mutex<Delivered>);

#[derive(Debug, Default)]
struct Delivered {
    ends: EndsOf,
    /// Why the first of those that failed did.
    failed: Option<KafkaError>,
}

impl Deliveries {
    fn lock(&self) -> MutexGuard<'_, Delivered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

clients::context!(Deliveries);

impl ProducerContext<NoCustomPartitioner> for Deliveries {
    /// [`CHANGELOG`], [`JOURNAL`], or anything else.
    type DeliveryOpaque = usize;

    fn delivery(&self, delivered: &DeliveryResult<'_>, opaque: usize) {
        match delivered {
            Ok(message) if matches!(opaque, CHANGELOG | JOURNAL) => {
                if let rdkafka::Timestamp::LogAppendTime(broker) = message.timestamp() {
                    clock::heard(Timestamp(broker));
                }
                let end = Some(message.offset() + 1);
                let mut delivered = self.lock();
                let ends = delivered.ends.entry(message.partition()).or_default();
                let known = match opaque {
                    CHANGELOG => &mut ends.changelog,
                    _ => &mut ends.journal,
                };
                *known = end.max(*known);
            }
            Ok(_) => {}
            Err((error, message)) => {
                tracing::debug!(%error, topic = message.topic(), "a record was not delivered");
                self.lock().failed.get_or_insert_with(|| error.clone());
            }
        }
    }
}

/// Fences whoever has the transactional id of this task; what they had open is aborted.
pub(super) fn fence(
    config: &Config,
    watchdog: &Watchdog,
    partition: i32,
) -> Result<(), KafkaError> {
    initialised(config, watchdog, partition).map(drop)
}

fn initialised(
    config: &Config,
    watchdog: &Watchdog,
    partition: i32,
) -> Result<BaseProducer<Deliveries>, KafkaError> {
    let timeout = Duration::from_millis(config.kafka.call_timeout.ms.unsigned_abs());
    let client = clients::producer(config, partition);
    let producer: BaseProducer<Deliveries> = client.create_with_context(Deliveries::default())?;
    tokens::let_in(&client, producer.client())?;
    let call = watchdog.watch(format!("init_transactions of task {partition}"));
    producer.init_transactions(timeout)?;
    drop(call);
    Ok(producer)
}

impl WorkerProducer {
    /// With the transactional id of the worker's first task, whose older producers it fences.
    pub fn new(
        config: &Config,
        names: &Arc<Names>,
        watchdog: &Watchdog,
        first: i32,
    ) -> Result<Self, KafkaError> {
        Ok(Self {
            first,
            names: Arc::clone(names),
            watchdog: watchdog.clone(),
            timeout: Duration::from_millis(config.kafka.call_timeout.ms.unsigned_abs()),
            producer: initialised(config, watchdog, first)?,
        })
    }

    /// Carries the transactions of some tasks, by partition, out as one. Gives where each ends, as far as the broker said it.
    pub fn transact(
        &self,
        transactions: &[(i32, &Transaction)],
        group: &ConsumerGroupMetadata,
    ) -> Result<EndsOf, KafkaError> {
        *self.producer.context().lock() = Delivered::default();
        self.producer.begin_transaction()?;
        let mut offsets = TopicPartitionList::new();
        for (partition, transaction) in transactions {
            for record in &transaction.records {
                self.send(*partition, record)?;
            }
            for (topic, offset) in &transaction.offsets {
                let topic = &self.names.inputs[*topic];
                offsets.add_partition_offset(topic, *partition, Offset::Offset(*offset))?;
            }
        }
        self.deliver(self.timeout);
        if let Some(error) = self.producer.context().lock().failed.take() {
            return Err(error);
        }
        if self.producer.in_flight_count() > 0 {
            let late = RDKafkaErrorCode::MessageTimedOut;
            return Err(KafkaError::MessageProduction(late));
        }
        self.watched("send_offsets_to_transaction", || {
            self.producer
                .send_offsets_to_transaction(&offsets, group, self.timeout)
        })?;
        self.watched("commit_transaction", || {
            self.producer.commit_transaction(self.timeout)
        })?;
        Ok(std::mem::take(&mut self.producer.context().lock().ends))
    }

    /// Throws it away with whatever it has open.
    pub fn close(self) {
        self.producer
            .purge(PurgeConfig::default().queue().inflight());
        self.deliver(PURGE_LIMIT);
        let call = self
            .watchdog
            .watch(format!("dropping the producer of task {}", self.first));
        drop(self.producer);
        drop(call);
    }

    fn send(&self, partition: i32, out: &Out) -> Result<(), KafkaError> {
        let topic = self.names.of(&out.sink);
        let mut record: BaseRecord<'_, [u8], [u8], usize> = BaseRecord::with_opaque_to(&topic, 0);
        if let Sink::Transfers(to) = out.sink {
            record = record.partition(to);
        }
        if matches!(out.sink, Sink::Changelog | Sink::Journal) {
            record = record.partition(partition);
            record.delivery_opaque = match out.sink {
                Sink::Changelog => CHANGELOG,
                _ => JOURNAL,
            };
        }
        record.key = out.key.as_deref();
        record.payload = out.value.as_deref();
        let set_aside = matches!(out.sink, Sink::DeadLetters | Sink::Late);
        let room = self.names.record_bytes_max;
        let cut = record
            .payload
            .map(<[u8]>::len)
            .filter(|length| set_aside && *length > room);
        if cut.is_some() {
            record.payload = record.payload.map(|value| &value[..room]);
        }
        if !out.headers.is_empty() || cut.is_some() {
            record.headers = Some(headers(out, cut));
        }
        while let Err((error, unsent)) = self.producer.send(record) {
            if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
                return Err(error);
            }
            self.producer.poll(FULL_PAUSE);
            record = unsent;
        }
        Ok(())
    }

    /// Serves delivery reports until none is due.
    fn deliver(&self, limit: Duration) {
        let start = Instant::now();
        self.producer.poll(Duration::ZERO);
        while self.producer.in_flight_count() > 0 && start.elapsed() < limit {
            thread::park_timeout(IN_FLIGHT_PAUSE);
            self.producer.poll(Duration::ZERO);
        }
    }

    fn watched<T>(&self, what: &str, call: impl FnOnce() -> T) -> T {
        let _call = self
            .watchdog
            .watch(format!("{what} of task {}", self.first));
        call()
    }
}

fn headers(out: &Out, cut: Option<usize>) -> OwnedHeaders {
    let made = OwnedHeaders::new_with_capacity(out.headers.len() + 1);
    let made = out.headers.iter().fold(made, |made, (name, value)| {
        made.insert(Header {
            key: name,
            value: value.as_deref(),
        })
    });
    match cut {
        Some(bytes) => made.insert(Header {
            key: CUT_HEADER,
            value: Some(&bytes.to_string()),
        }),
        None => made,
    }
}
