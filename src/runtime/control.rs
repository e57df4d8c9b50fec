//! The control topic: which set of triggers is in force, for every process of the application.
//!
//! A record is a whole set ([`Published`]), and its offset is the set's number. At its start a process takes the newest set that it
//! can read; then it follows the topic, and offers each further set to its tasks, which take it up between two transactions. What
//! cannot be read or used is said and counted, and the set before stays.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message as _;
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer as _, ProducerContext};
use rdkafka::{ClientContext, Offset, TopicPartitionList};

use super::clients::{self, Logged};
use super::topics;
use crate::config::Config;
use crate::trigger::plan::Plan;
use crate::trigger::published::{Entry, Published, PublishedError};
use crate::trigger::report::{Report, rendered};
use crate::trigger::set::Basis;

/// It has one.
const PARTITION: i32 = 0;
/// How long Kafka may take to answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How soon the end of the process is noticed.
const POLL: Duration = Duration::from_millis(100);
/// Between two attempts after an error.
const PAUSE: Duration = Duration::from_secs(1);

/// Why a set cannot be read, used or published.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Kafka.
    #[error("the control topic {topic}: {error}")]
    Kafka {
        /// Its name.
        topic: String,
        /// What Kafka said.
        error: KafkaError,
    },
    /// A record that is no set.
    #[error("record {number} of the control topic: {error}")]
    Record {
        /// Its number.
        number: u64,
        /// What is wrong with it.
        error: PublishedError,
    },
    /// A set that does not pass.
    #[error("set {number} of the control topic:\n{reports}")]
    Set {
        /// Its number.
        number: u64,
        /// Everything that is wrong with it.
        reports: String,
    },
    /// Topics that the set needs.
    #[error("set {number} of the control topic: {error}")]
    Topics {
        /// Its number.
        number: u64,
        /// What is wrong with them.
        error: topics::TopicsError,
    },
}

/// A reader of the control topic.
pub struct Control {
    consumer: BaseConsumer<Logged>,
    topic: String,
}

impl Control {
    /// Nothing is read yet.
    ///
    /// # Errors
    /// Where a client cannot be made.
    pub fn new(config: &Config) -> Result<Self, ControlError> {
        let topic = config.control();
        let client = clients::consumer(config, "read_committed").create_with_context(Logged);
        let consumer = client.map_err(|error| failed(&topic, error))?;
        Ok(Self { consumer, topic })
    }

    /// The newest set that can be read, and its number; none where nothing was published, or there is no such topic. What cannot be
    /// read is passed over, and given beside it.
    ///
    /// # Errors
    /// Where Kafka does not answer.
    pub fn newest(&self) -> Result<(Option<Entry>, Vec<ControlError>), ControlError> {
        let mut passed_over = Vec::new();
        let (begin, end) = self.bounds()?;
        for offset in (begin..end).rev() {
            match self.read(offset)?.map(|value| entry(offset, &value)) {
                Some(Ok(entry)) => return Ok((Some(entry), passed_over)),
                Some(Err(error)) => passed_over.push(error),
                None => {}
            }
        }
        Ok((None, passed_over))
    }

    /// Every set that can be read, oldest first.
    ///
    /// # Errors
    /// Where Kafka does not answer.
    pub fn all(&self) -> Result<Vec<Entry>, ControlError> {
        let (begin, end) = self.bounds()?;
        let mut all = Vec::new();
        for offset in begin..end {
            if let Some(value) = self.read(offset)? {
                all.extend(entry(offset, &value));
            }
        }
        Ok(all)
    }

    /// The number that the next set will have.
    ///
    /// # Errors
    /// Where Kafka does not answer.
    pub fn next_number(&self) -> Result<u64, ControlError> {
        Ok(Published::number(self.bounds()?.1))
    }

    /// Gives each set that comes after the `number`-th to `take`, until it says that it is enough.
    pub fn follow(&self, number: u64, mut take: impl FnMut(Result<Entry, ControlError>) -> bool) {
        let mut offset = i64::try_from(number).unwrap_or(0);
        while let Err(error) = self.assign(offset) {
            if !take(Err(error)) {
                return;
            }
            pause(PAUSE);
        }
        loop {
            let next = match self.consumer.poll(POLL) {
                Some(Ok(message)) if message.offset() >= offset => {
                    offset = message.offset() + 1;
                    entry(message.offset(), message.payload().unwrap_or_default())
                }
                Some(Ok(_)) => continue,
                Some(Err(error)) => {
                    pause(PAUSE);
                    Err(failed(&self.topic, error))
                }
                None => continue,
            };
            if !take(next) {
                return;
            }
        }
    }

    fn assign(&self, offset: i64) -> Result<(), ControlError> {
        let mut list = TopicPartitionList::new();
        let assigned = list
            .add_partition_offset(&self.topic, PARTITION, Offset::Offset(offset))
            .and_then(|()| self.consumer.assign(&list));
        assigned.map_err(|error| failed(&self.topic, error))
    }

    /// The first offset and the next one; none between where there is no such topic. A topic that was just made has no leader yet.
    fn bounds(&self) -> Result<(i64, i64), ControlError> {
        use RDKafkaErrorCode as Code;
        let began = Instant::now();
        loop {
            let asked = self
                .consumer
                .fetch_watermarks(&self.topic, PARTITION, TIMEOUT);
            let code = asked
                .as_ref()
                .err()
                .and_then(KafkaError::rdkafka_error_code);
            match (asked, code) {
                (
                    Err(_),
                    Some(
                        Code::UnknownPartition | Code::UnknownTopicOrPartition | Code::UnknownTopic,
                    ),
                ) => return Ok((0, 0)),
                (Err(_), Some(Code::NotLeaderForPartition | Code::LeaderNotAvailable))
                    if began.elapsed() < TIMEOUT =>
                {
                    pause(POLL);
                }
                (asked, _) => return asked.map_err(|error| failed(&self.topic, error)),
            }
        }
    }

    /// The value at an offset; none where no record is there.
    fn read(&self, offset: i64) -> Result<Option<Vec<u8>>, ControlError> {
        self.assign(offset)?;
        let began = Instant::now();
        loop {
            match self.consumer.poll(POLL) {
                Some(Ok(message)) => {
                    let found = message.offset() == offset;
                    return Ok(found.then(|| message.payload().unwrap_or_default().to_vec()));
                }
                Some(Err(error)) => return Err(failed(&self.topic, error)),
                None if began.elapsed() > TIMEOUT => {
                    let error = KafkaError::MessageConsumption(RDKafkaErrorCode::OperationTimedOut);
                    return Err(failed(&self.topic, error));
                }
                None => {}
            }
        }
    }
}

/// What a process goes by at its start: the newest set that was published and can be used.
///
/// # Errors
/// Where Kafka does not answer, or the newest set that is one does not pass.
pub fn in_force(config: &Config, basis: &Basis) -> Result<Option<Plan>, ControlError> {
    let (newest, passed_over) = Control::new(config)?.newest()?;
    for error in passed_over {
        tracing::error!("{error}; the set before it is taken");
    }
    newest.map(|entry| compiled(&entry, basis)).transpose()
}

/// Checks that a set can be used by this process: that it passes, and that its topics are there.
///
/// # Errors
/// What is wrong.
pub fn usable(entry: &Entry, config: &Config, basis: &Basis) -> Result<Arc<Plan>, ControlError> {
    let plan = compiled(entry, basis)?;
    topics::check(config, &plan).map_err(|error| ControlError::Topics {
        number: entry.number,
        error,
    })?;
    Ok(Arc::new(plan))
}

/// Publishes a set; its number.
///
/// # Errors
/// Where Kafka does not take it.
pub fn publish(config: &Config, set: &Published) -> Result<u64, ControlError> {
    let topic = config.control();
    let sent = send(&clients::publisher(config), &topic, &set.to_json());
    sent.map(Published::number)
        .map_err(|error| failed(&topic, error))
}

fn send(client: &ClientConfig, topic: &str, value: &[u8]) -> Result<i64, KafkaError> {
    let (sender, delivered) = std::sync::mpsc::channel();
    let producer: BaseProducer<Delivery> = client.create_with_context(Delivery(sender))?;
    let record = BaseRecord::<(), [u8]>::to(topic)
        .partition(PARTITION)
        .payload(value);
    producer.send(record).map_err(|(error, _)| error)?;
    producer.flush(TIMEOUT)?;
    let unknown = KafkaError::MessageProduction(RDKafkaErrorCode::OperationTimedOut);
    delivered.try_recv().unwrap_or(Err(unknown))
}

/// Tells where the record went.
struct Delivery(std::sync::mpsc::Sender<Result<i64, KafkaError>>);

impl ClientContext for Delivery {}

impl ProducerContext for Delivery {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let result = match result {
            Ok(message) => Ok(message.offset()),
            Err((error, _)) => Err(error.clone()),
        };
        // Whoever asked may have given up.
        let _ = self.0.send(result);
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "nothing tells when Kafka is better, or when a file changes"
)]
pub(super) fn pause(duration: Duration) {
    std::thread::sleep(duration);
}

fn entry(offset: i64, value: &[u8]) -> Result<Entry, ControlError> {
    let number = Published::number(offset);
    match Published::parse(value) {
        Ok(set) => Ok(Entry { number, set }),
        Err(error) => Err(ControlError::Record { number, error }),
    }
}

fn compiled(entry: &Entry, basis: &Basis) -> Result<Plan, ControlError> {
    let wrong = |reports: Vec<Report>| ControlError::Set {
        number: entry.number,
        reports: rendered(&reports),
    };
    entry.set.compile(entry.number, basis).map_err(wrong)
}

fn failed(topic: &str, error: KafkaError) -> ControlError {
    ControlError::Kafka {
        topic: topic.to_owned(),
        error,
    }
}
