//! Copies what happened to everybody, and rows of tables, to each task.
//!
//! A topic for everybody has its own partitions, and no customers' key. A group of its own reads it, and each record goes to every
//! partition of the topic of broadcasts, as it is, with where it stood, and when it was appended there, in headers. What must stay true: a record's copies and its
//! offset are one transaction; the producer of a partition is initialised by whoever is given the partition, so that an older one
//! is fenced; the group's metadata is that of the assignment. What is at hand of a partition goes together: a table is copied in some
//! transactions, not in one a row.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext, ConsumerGroupMetadata};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedHeaders, BorrowedMessage, Header, Message as _, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Offset, TopicPartitionList};

use super::clients::Logged;
use super::{Context, clients, tokens};
use crate::event::record::{APPENDED, SOURCE};

/// How soon a stop is noticed.
const POLL: Duration = Duration::from_millis(100);
/// Between two attempts after an error.
const PAUSE: Duration = Duration::from_secs(1);
/// Copies of one transaction: far fewer than a producer queues.
const COPIES_MAX: usize = 10_000;
/// Their bytes, but for a single record's.
const COPIES_BYTES: usize = 4 * 1024 * 1024;
/// Between looks at what is still in flight: `flush` would look each 100 ms.
const IN_FLIGHT_PAUSE: Duration = Duration::from_micros(200);

/// The thread that copies.
pub(super) struct Copier {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

/// The membership as of the assignment.
#[derive(Default)]
struct Member {
    group: Mutex<Option<ConsumerGroupMetadata>>,
    /// How often partitions were given or taken.
    assigned: AtomicU64,
}

/// Starts copying, where there is anything to copy.
///
/// # Errors
/// Where the thread cannot be started.
pub(super) fn start(context: &Arc<Context>) -> std::io::Result<Option<Copier>> {
    let Some(copies) = context.names.broadcasts.clone() else {
        return Ok(None);
    };
    let stop = Arc::new(AtomicBool::new(false));
    let (context, stopped) = (Arc::clone(context), Arc::clone(&stop));
    let thread = thread::Builder::new().name("copier".to_owned());
    let thread = thread.spawn(move || {
        let _guard = super::watchdog::EndsProcess;
        while !stopped.load(Ordering::Relaxed) {
            // Everything of before is given up: what it had open is aborted, by its successor at the latest.
            if let Err(error) = copy(&context, &copies, &stopped) {
                tracing::warn!(%error, "copying what happened to everybody; it is tried again");
                thread::park_timeout(PAUSE);
            }
        }
    })?;
    Ok(Some(Copier { stop, thread }))
}

impl Copier {
    /// Ends it, between two records.
    pub fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        // One that panicked has said so.
        let _ = self.thread.join();
    }
}

/// By the partition whose records they copy.
type Producers = BTreeMap<(String, i32), BaseProducer<Logged>>;

fn copy(context: &Context, copies: &str, stop: &AtomicBool) -> Result<(), KafkaError> {
    let client = clients::copier(&context.config);
    let consumer: BaseConsumer<Member> = client.create_with_context(Member::default())?;
    tokens::let_in(&client, consumer.client())?;
    let topics: Vec<&str> = context.names.everybody.iter().map(String::as_str).collect();
    consumer.subscribe(&topics)?;
    let mut producers = Producers::new();
    while !stop.load(Ordering::Relaxed) {
        let Some(first) = consumer.poll(POLL) else {
            continue;
        };
        let assigned = consumer.context().assigned.load(Ordering::Relaxed);
        let gathered = gather(&consumer, first?, context.names.partitions)?;
        if consumer.context().assigned.load(Ordering::Relaxed) != assigned {
            // Some of it may be another's by now.
            return Ok(());
        }
        for (of, messages) in gathered {
            copy_all(
                context,
                copies,
                (&consumer, &mut producers),
                (of, &messages),
            )?;
        }
    }
    Ok(())
}

/// What is at hand, by the partition it stands in; as much as a transaction may carry to so many tasks.
fn gather<'c>(
    consumer: &'c BaseConsumer<Member>,
    first: BorrowedMessage<'c>,
    tasks: i32,
) -> Result<BTreeMap<(String, i32), Vec<BorrowedMessage<'c>>>, KafkaError> {
    let tasks = usize::try_from(tasks).unwrap_or(1).max(1);
    let mut gathered: BTreeMap<_, Vec<_>> = BTreeMap::new();
    let (mut copies, mut bytes) = (0, 0);
    let mut next = Some(Ok(first));
    while let Some(message) = next {
        let message = message?;
        copies += tasks;
        bytes += tasks * message.payload_len();
        let of = (message.topic().to_owned(), message.partition());
        gathered.entry(of).or_default().push(message);
        let is_full = copies + tasks > COPIES_MAX || bytes >= COPIES_BYTES;
        next = if is_full {
            None
        } else {
            consumer.poll(Duration::ZERO)
        };
    }
    Ok(gathered)
}

/// Copies what is at hand of a partition; where this process has just been given it, once it has seen what others have copied.
fn copy_all(
    context: &Context,
    copies: &str,
    (consumer, producers): (&BaseConsumer<Member>, &mut Producers),
    (of, messages): ((String, i32), &[BorrowedMessage<'_>]),
) -> Result<(), KafkaError> {
    let Some(first) = messages.first() else {
        return Ok(());
    };
    match producers.entry(of) {
        Entry::Vacant(vacant) => {
            let (topic, partition) = vacant.key();
            let client = clients::copies(&context.config, topic, *partition);
            let producer: BaseProducer<Logged> = client.create_with_context(Logged)?;
            tokens::let_in(&client, producer.client())?;
            producer.init_transactions(timeout(context))?;
            // Another may have committed since this one read.
            seek(consumer, first, timeout(context))?;
            vacant.insert(producer);
        }
        Entry::Occupied(producer) => {
            let group = consumer.context().group();
            if let Some(group) = group.as_ref() {
                transact(context, (producer.get(), group), copies, messages)?;
            }
        }
    }
    Ok(())
}

fn timeout(context: &Context) -> Duration {
    Duration::from_millis(context.config.kafka.call_timeout.ms.unsigned_abs())
}

/// The copies of records of a partition, and the offset behind them.
fn transact(
    context: &Context,
    (producer, group): (&BaseProducer<Logged>, &ConsumerGroupMetadata),
    copies: &str,
    messages: &[BorrowedMessage<'_>],
) -> Result<(), KafkaError> {
    producer.begin_transaction()?;
    let mut offsets = TopicPartitionList::with_capacity(1);
    for message in messages {
        for partition in 0..context.names.partitions {
            send(producer, copies, partition, message)?;
        }
    }
    if let Some(last) = messages.last() {
        let next = Offset::Offset(last.offset() + 1);
        offsets.add_partition_offset(last.topic(), last.partition(), next)?;
    }
    producer.send_offsets_to_transaction(&offsets, group, timeout(context))?;
    while producer.in_flight_count() > 0 {
        producer.poll(Duration::ZERO);
        thread::park_timeout(IN_FLIGHT_PAUSE);
    }
    producer.commit_transaction(timeout(context))
}

/// Reads on from what is committed now that older producers are fenced; where nothing is, from the record at hand.
fn seek(
    consumer: &BaseConsumer<Member>,
    message: &BorrowedMessage<'_>,
    timeout: Duration,
) -> Result<(), KafkaError> {
    let (topic, partition) = (message.topic(), message.partition());
    let mut list = TopicPartitionList::with_capacity(1);
    list.add_partition(topic, partition);
    let committed = consumer.committed_offsets(list, timeout)?;
    let element = committed.find_partition(topic, partition);
    let offset = match element.map(|element| element.offset()) {
        Some(Offset::Offset(offset)) => offset,
        _ => message.offset(),
    };
    consumer.seek(topic, partition, Offset::Offset(offset), timeout)
}

fn send(
    producer: &BaseProducer<Logged>,
    topic: &str,
    partition: i32,
    message: &BorrowedMessage<'_>,
) -> Result<(), KafkaError> {
    let source = format!(
        "{}/{}/{}",
        message.topic(),
        message.partition(),
        message.offset()
    );
    let all = message
        .headers()
        .map_or_else(OwnedHeaders::new, BorrowedHeaders::detach);
    let mut all = all.insert(Header {
        key: SOURCE,
        value: Some(&source),
    });
    if let Some(appended) = message.timestamp().to_millis().filter(|it| *it > 0) {
        all = all.insert(Header {
            key: APPENDED,
            value: Some(&appended.to_string()),
        });
    }
    let mut record: BaseRecord<'_, [u8], [u8]> =
        BaseRecord::to(topic).partition(partition).headers(all);
    record.key = message.key();
    record.payload = message.payload();
    producer.send(record).map_err(|(error, _)| error)
}

clients::context!(Member);

impl ConsumerContext for Member {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        code: RDKafkaRespErr,
        list: &mut TopicPartitionList,
    ) {
        let assigned = code == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        let done = if assigned {
            consumer.assign(list)
        } else {
            consumer.unassign()
        };
        self.assigned.fetch_add(1, Ordering::Relaxed);
        *self.group() = consumer.group_metadata().filter(|_| assigned);
        if let Err(error) = done {
            tracing::error!(%error, "rebalancing");
        }
    }
}

impl Member {
    /// The membership; to be let go of before the next poll.
    fn group(&self) -> MutexGuard<'_, Option<ConsumerGroupMetadata>> {
        self.group.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
