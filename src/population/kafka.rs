//! Sends records to Kafka, keyed by customer, in the partitions where Java's producers put them.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::client::{ClientContext, OAuthToken};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseRecord, Producer as _, ProducerContext, ThreadedProducer};

use super::Record;
use crate::config::Config;
use crate::config::topics::Input;
use crate::runtime::tokens;

/// How long it rests when librdkafka's queue is full.
const FULL: Duration = Duration::from_millis(5);
/// How long what was sent last may take to be acknowledged.
const LAST: Duration = Duration::from_secs(60);

/// Why records cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// Kafka.
    #[error("Kafka: {0}")]
    Kafka(#[from] KafkaError),
    /// Some were not taken.
    #[error(
        "Kafka took all records but {count}; the first of them failed with: {first}. Do the topics exist? `moments topics create` makes them"
    )]
    Lost {
        /// How many.
        count: u64,
        /// What Kafka said of the first.
        first: String,
    },
}

/// Counts what Kafka does not take.
#[derive(Clone, Debug, Default)]
struct Failures {
    count: Arc<AtomicU64>,
    first: Arc<std::sync::OnceLock<String>>,
}

impl ClientContext for Failures {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn generate_oauth_token(&self, config: Option<&str>) -> Result<OAuthToken, Box<dyn Error>> {
        tokens::brought(config)
    }
}

impl ProducerContext for Failures {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, _)) = result {
            self.count.fetch_add(1, Ordering::Relaxed);
            let _ = self.first.set(error.to_string());
        }
    }
}

/// A producer for the topics of a configuration.
pub struct Sender {
    producer: ThreadedProducer<Failures>,
    failures: Failures,
    topics: Vec<Input>,
}

impl Sender {
    /// With the brokers, the properties and the names of topics that `config` has.
    ///
    /// # Errors
    /// Where the configuration makes no producer.
    pub fn new(config: &Config) -> Result<Self, KafkaError> {
        let failures = Failures::default();
        let mut client: ClientConfig = crate::runtime::clients::common(config);
        for (name, value) in &config.kafka.producer.0 {
            client.set(name, value);
        }
        client
            .set("enable.idempotence", "true")
            .set("partitioner", "murmur2_random")
            .set("linger.ms", "20")
            .set("compression.type", "lz4");
        let producer: ThreadedProducer<Failures> = client.create_with_context(failures.clone())?;
        tokens::let_in(&client, producer.client())?;
        Ok(Self {
            producer,
            failures,
            topics: config.topics.inputs(),
        })
    }

    /// Sends an event to its topic, unless the configuration has none of that kind.
    ///
    /// # Errors
    /// Where Kafka takes no more.
    pub fn event(&self, record: &Record<'_>) -> Result<(), SendError> {
        let mut topics = self.topics.iter();
        let Some(topic) = topics.find(|topic| Some(topic.kind) == record.topic) else {
            return Ok(());
        };
        // Kafka's own time of the record stays the time it is sent: by the event's, Kafka would take last year's for old.
        let mut sending = BaseRecord::to(&topic.name)
            .key(record.key)
            .payload(record.value);
        loop {
            match self.producer.send(sending) {
                Ok(()) => return self.lost(),
                Err((error, unsent)) => {
                    if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
                        return Err(error.into());
                    }
                    std::thread::park_timeout(FULL);
                    sending = unsent;
                }
            }
        }
    }

    /// Waits until Kafka has all.
    ///
    /// # Errors
    /// Where it has not.
    pub fn finish(self) -> Result<(), SendError> {
        self.producer.flush(LAST)?;
        self.lost()
    }

    fn lost(&self) -> Result<(), SendError> {
        match self.failures.count.load(Ordering::Relaxed) {
            0 => Ok(()),
            count => Err(SendError::Lost {
                count,
                first: self.failures.first.get().cloned().unwrap_or_default(),
            }),
        }
    }
}
