//! Records sent from outside a task, and waited for.

use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rdkafka::client::{ClientContext, OAuthToken};
use rdkafka::error::KafkaError;
use rdkafka::message::{DeliveryResult, Header, Message as _, OwnedHeaders};
use rdkafka::producer::{
    BaseProducer, BaseRecord, NoCustomPartitioner, Producer as _, ProducerContext,
};

use super::AdminError;
use crate::config::Config;
use crate::runtime::{clients, tokens};
use crate::task::core::Header as OwnHeader;
use crate::time::Timestamp;

/// Sends records by Java's partitioner, and waits until the brokers have them.
pub struct Sender {
    producer: BaseProducer<Deliveries>,
    deliveries: Deliveries,
    timeout: Duration,
}

/// What became of a record.
type Delivering = Result<(i32, i64, Option<Timestamp>), AdminError>;

/// A record to be sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outgoing {
    /// Which topic.
    pub topic: String,
    /// None: by murmur2 of the key.
    pub partition: Option<i32>,
    /// Kafka key.
    pub key: Option<Vec<u8>>,
    /// Kafka value; none is a tombstone.
    pub value: Option<Vec<u8>>,
    /// Kafka headers.
    pub headers: Vec<OwnHeader>,
}

/// Partition and offset of a record, and when the broker says that it was appended; or why there are none.
type Delivered = Result<(i32, i64, Option<Timestamp>), KafkaError>;

#[derive(Clone, Default)]
struct Deliveries(Arc<Mutex<Vec<Delivered>>>);

impl ClientContext for Deliveries {
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::warn!(target: "rdkafka", %error, "{reason}");
    }

    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn generate_oauth_token(&self, config: Option<&str>) -> Result<OAuthToken, Box<dyn Error>> {
        tokens::brought(config)
    }
}

impl ProducerContext<NoCustomPartitioner> for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, delivered: &DeliveryResult<'_>, (): ()) {
        let result = match delivered {
            Ok(message) => {
                let appended = match message.timestamp() {
                    rdkafka::Timestamp::LogAppendTime(ms) => Some(Timestamp(ms)),
                    _ => None,
                };
                Ok((message.partition(), message.offset(), appended))
            }
            Err((error, _)) => Err(error.clone()),
        };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(result);
    }
}

impl Sender {
    /// One that sends records as they come.
    ///
    /// # Errors
    /// Where the client cannot be made.
    pub fn new(config: &Config) -> Result<Self, AdminError> {
        Self::with(config, None)
    }

    /// One that sends in transactions, and fences every other of this id.
    ///
    /// # Errors
    /// Where Kafka does not answer.
    pub fn transactional(config: &Config, id: &str) -> Result<Self, AdminError> {
        let this = Self::with(config, Some(id))?;
        this.producer
            .init_transactions(this.timeout)
            .map_err(AdminError::kafka("beginning transactions"))?;
        Ok(this)
    }

    fn with(config: &Config, transactional_id: Option<&str>) -> Result<Self, AdminError> {
        let mut client = clients::outside_producer(config);
        if let Some(id) = transactional_id {
            client.set("transactional.id", id);
        }
        let deliveries = Deliveries::default();
        let producer: BaseProducer<Deliveries> = client
            .create_with_context(deliveries.clone())
            .map_err(AdminError::kafka("making a producer"))?;
        tokens::let_in(&client, producer.client()).map_err(AdminError::kafka("letting it in"))?;
        let timeout = Duration::from_millis(config.kafka.call_timeout.ms.unsigned_abs());
        Ok(Self {
            producer,
            deliveries,
            timeout,
        })
    }

    /// Sends one record; where it stands.
    ///
    /// # Errors
    /// Where the brokers do not take it.
    pub fn send(&self, record: &Outgoing) -> Result<(i32, i64), AdminError> {
        let (partition, offset, _) = self.delivered(record)?;
        Ok((partition, offset))
    }

    /// Sends a record that nobody is to read, as its transaction is aborted; when the broker says that it was appended.
    ///
    /// # Errors
    /// Where the brokers do not take it.
    pub fn appended(&self, record: &Outgoing) -> Result<Option<Timestamp>, AdminError> {
        self.producer
            .begin_transaction()
            .map_err(AdminError::kafka("beginning a transaction"))?;
        let delivered = self.delivered(record);
        let aborted = self.producer.abort_transaction(self.timeout);
        let (_, _, appended) = delivered?;
        aborted.map_err(AdminError::kafka("aborting a transaction"))?;
        Ok(appended)
    }

    fn delivered(&self, record: &Outgoing) -> Delivering {
        let failed = || AdminError::kafka(format!("sending to {}", record.topic));
        self.queue(record)?;
        self.producer.flush(self.timeout).map_err(failed())?;
        let mut delivered = self
            .deliveries
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match delivered.pop() {
            Some(result) => result.map_err(failed()),
            None => Err(AdminError::Refused(format!(
                "{} did not answer",
                record.topic
            ))),
        }
    }

    /// Sends records in one transaction: all of them, or none.
    ///
    /// # Errors
    /// Where it is not committed; another sender of the same id is the usual reason.
    pub fn transact(&self, records: &[Outgoing]) -> Result<(), AdminError> {
        self.producer
            .begin_transaction()
            .map_err(AdminError::kafka("beginning a transaction"))?;
        records.iter().try_for_each(|record| self.queue(record))?;
        // What could not be delivered makes the commit fail.
        self.producer
            .commit_transaction(self.timeout)
            .map_err(AdminError::kafka("committing; nothing was sent"))
    }

    fn queue(&self, record: &Outgoing) -> Result<(), AdminError> {
        let headers = OwnedHeaders::new_with_capacity(record.headers.len());
        let headers = record.headers.iter().fold(headers, |all, (key, value)| {
            all.insert(Header {
                key,
                value: value.as_deref(),
            })
        });
        let message = BaseRecord::<[u8], [u8]> {
            partition: record.partition,
            payload: record.value.as_deref(),
            key: record.key.as_deref(),
            headers: Some(headers),
            ..BaseRecord::to(&record.topic)
        };
        let sent = self.producer.send(message);
        sent.map_err(|(error, _)| AdminError::kafka(format!("sending to {}", record.topic))(error))
    }
}
