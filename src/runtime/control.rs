//! The control topic: which set of triggers is in force, for every process of the application.
//!
//! A record is a whole set ([`Published`]), and its offset is the set's number. At its start a process takes the newest set that it
//! can read; then it follows the topic, and offers each further set to its tasks, which take it up between two transactions. What
//! cannot be read or used is said and counted, and the set before stays; what cannot be used yet, as a topic is not there or Kafka
//! does not answer, is tried again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message as _;
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer as _, ProducerContext};
use rdkafka::{ClientContext, Offset, TopicPartitionList};

use super::clients::{self, Logged, explained};
use super::{tokens, topics};
use crate::config::Config;
use crate::document::report::{Report, rendered};
use crate::trigger::plan::Plan;
use crate::trigger::published::{Chain, Entry, Published, PublishedError};
use crate::trigger::revision;
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
    #[error("the control topic {topic}: {}", explained(error))]
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

impl ControlError {
    /// The number of the set; 0 where it is of none.
    #[must_use]
    pub fn number(&self) -> u64 {
        match self {
            Self::Kafka { .. } => 0,
            Self::Record { number, .. }
            | Self::Set { number, .. }
            | Self::Topics { number, .. } => *number,
        }
    }
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
        let client = clients::asking(&clients::consumer(config, "read_committed"));
        let consumer = client.map_err(|error| failed(&topic, error))?;
        Ok(Self { consumer, topic })
    }

    /// What was published last.
    ///
    /// # Errors
    /// Where Kafka does not answer.
    pub fn newest(&self) -> Result<Newest, ControlError> {
        let mut newest = Newest::default();
        let (begin, end) = self.bounds()?;
        newest.head = self.read(begin, end, Chain::default(), |entry| match entry {
            Ok(entry) => newest.entry = Some(entry),
            Err(error) => newest.passed_over.push(error),
        })?;
        let known = newest.entry.as_ref().map_or(0, |entry| entry.number);
        newest.passed_over.retain(|error| error.number() > known);
        Ok(newest)
    }

    /// Every set that counts and can be read, oldest first.
    ///
    /// # Errors
    /// Where Kafka does not answer.
    pub fn all(&self) -> Result<Vec<Entry>, ControlError> {
        let mut all = Vec::new();
        let (begin, end) = self.bounds()?;
        self.read(begin, end, Chain::default(), |entry| all.extend(entry))?;
        Ok(all)
    }

    /// Gives each set that comes after the `number`-th to `take`, or why it cannot be read. One that has to wait is given again each second, until it was
    /// taken or another came.
    pub fn follow(&self, number: u64, mut take: impl FnMut(Result<&Entry, ControlError>) -> Taken) {
        let mut chain = Chain::behind(number);
        let mut offset = i64::try_from(number).unwrap_or(0);
        let mut waiting: Option<(Entry, Instant)> = None;
        while let Err(error) = self.assign(offset) {
            tracing::warn!("{error}");
            pause(PAUSE);
        }
        loop {
            let polled = self.consumer.poll(POLL).map(|polled| match polled {
                Ok(message) => Ok((
                    message.offset(),
                    message.payload().unwrap_or_default().to_vec(),
                )),
                Err(error) => Err(error),
            });
            match polled {
                Some(Ok((at, value))) if at >= offset => {
                    offset = at + 1;
                    match entry(&mut chain, at, &value) {
                        Some(Ok(entry)) => waiting = Some((entry, Instant::now())),
                        Some(Err(error)) => _ = take(Err(error)),
                        None => {}
                    }
                }
                Some(Err(error)) => {
                    tracing::warn!("{}", failed(&self.topic, error));
                    pause(PAUSE);
                }
                Some(Ok(_)) | None => {}
            }
            let now = Instant::now();
            if let Some((entry, after)) = waiting.take_if(|(_, after)| *after <= now)
                && take(Ok(&entry)) == Taken::Later
            {
                waiting = Some((entry, after.max(now) + PAUSE));
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
            let asked = clients::patiently(&self.consumer, TIMEOUT, |timeout| {
                let consumer = &self.consumer;
                consumer.fetch_watermarks(&self.topic, PARTITION, timeout)
            });
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

    /// Gives what counts of the records in [begin, end) to `take`; the number of the newest that does.
    fn read(
        &self,
        begin: i64,
        end: i64,
        mut chain: Chain,
        mut take: impl FnMut(Result<Entry, ControlError>),
    ) -> Result<u64, ControlError> {
        if begin >= end {
            return Ok(chain.head);
        }
        self.assign(begin)?;
        let mut heard = Instant::now();
        loop {
            match self.consumer.poll(POLL) {
                Some(Ok(message)) => {
                    heard = Instant::now();
                    let offset = message.offset();
                    if offset < end
                        && let Some(entry) =
                            entry(&mut chain, offset, message.payload().unwrap_or_default())
                    {
                        take(entry);
                    }
                    if offset + 1 >= end {
                        return Ok(chain.head);
                    }
                }
                Some(Err(error)) => return Err(failed(&self.topic, error)),
                None if heard.elapsed() > TIMEOUT => {
                    let error = KafkaError::MessageConsumption(RDKafkaErrorCode::OperationTimedOut);
                    return Err(failed(&self.topic, error));
                }
                None => {}
            }
        }
    }

    /// Publishes a set that changes the `head`-th; its number, and none where somebody else published meanwhile: then it is void.
    ///
    /// # Errors
    /// Where Kafka does not take it.
    pub fn publish(
        &self,
        config: &Config,
        set: &Published,
        head: u64,
    ) -> Result<Option<u64>, ControlError> {
        let value = set.changing(head).to_json();
        let sent = send(&clients::publisher(config), &self.topic, &value);
        let offset = sent.map_err(|error| failed(&self.topic, error))?;
        let begin = i64::try_from(head).unwrap_or(0);
        let newest = self.read(begin, offset + 1, Chain::behind(head), |_| {})?;
        let number = Published::number(offset);
        Ok((newest == number).then_some(number))
    }
}

/// What was published last.
#[derive(Debug, Default)]
pub struct Newest {
    /// The newest set that can be read; none where nothing was published, or there is no such topic.
    pub entry: Option<Entry>,
    /// What is newer and cannot be read.
    pub passed_over: Vec<ControlError>,
    /// The number of the newest that counts, readable or not; 0: there is none.
    pub head: u64,
}

/// What became of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It was taken, or never will be.
    Done,
    /// It is to be given again.
    Later,
}

/// What a process goes by at its start: the newest set that was published and can be used.
///
/// # Errors
/// Where Kafka does not answer, or the newest set that is one does not pass.
pub fn in_force(config: &Config, basis: &Basis) -> Result<Option<Plan>, ControlError> {
    let newest = Control::new(config)?.newest()?;
    for error in newest.passed_over {
        tracing::error!("{error}; the set before it is taken");
    }
    let entry = newest.entry.as_ref();
    entry.map(|entry| compiled(entry, basis)).transpose()
}

/// The triggers of a revision, whenever it was published; none where it was not, or where it says something else by what this process
/// is configured with.
///
/// # Errors
/// Where Kafka does not answer.
pub fn recalled(
    config: &Config,
    basis: &Basis,
    revision: &str,
) -> Result<Option<Plan>, ControlError> {
    let all = Control::new(config)?.all()?;
    let number = revision::number(revision);
    let entry = all.iter().find(|entry| entry.number == number);
    let plan = entry.and_then(|entry| compiled(entry, basis).ok());
    Ok(plan.filter(|plan| plan.revision == revision))
}

/// Checks that a set can be used by this process: that it passes, and that the topics are there that it needs beyond those of
/// `before`.
///
/// # Errors
/// What is wrong.
pub fn usable(
    entry: &Entry,
    config: &Config,
    basis: &Basis,
    before: &Plan,
) -> Result<Arc<Plan>, ControlError> {
    let plan = compiled(entry, basis)?;
    let names = |plan| -> Vec<String> {
        let wanted = topics::wanted(config, plan).into_iter();
        wanted.map(|topic| topic.name).collect()
    };
    let known = names(before);
    if names(&plan).iter().any(|name| !known.contains(name)) {
        topics::check(config, &plan).map_err(|error| ControlError::Topics {
            number: entry.number,
            error,
        })?;
    }
    Ok(Arc::new(plan))
}

fn send(client: &ClientConfig, topic: &str, value: &[u8]) -> Result<i64, KafkaError> {
    let (sender, delivered) = std::sync::mpsc::channel();
    let producer: BaseProducer<Delivery> = client.create_with_context(Delivery(sender))?;
    tokens::let_in(client, producer.client())?;
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

fn entry(chain: &mut Chain, offset: i64, value: &[u8]) -> Option<Result<Entry, ControlError>> {
    let number = Published::number(offset);
    let set = chain.read(number, value)?;
    Some(match set {
        Ok(set) => Ok(Entry { number, set }),
        Err(error) => Err(ControlError::Record { number, error }),
    })
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
