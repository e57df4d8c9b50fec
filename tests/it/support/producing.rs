//! Producers of a test: what is sent is with the broker when the call returns.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, FromClientConfigAndContext};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::{DeliveryResult, Header, OwnedHeaders};
use rdkafka::producer::{
    BaseProducer, BaseRecord, NoCustomPartitioner, Producer as _, ProducerContext,
};

use super::kafka::NewRecord;

/// How long one call may take altogether.
const LIMIT: Duration = Duration::from_secs(60);

/// Produces outside of transactions.
pub struct Producer {
    producer: BaseProducer<Deliveries>,
    deliveries: Deliveries,
}

impl Producer {
    pub fn new(config: &ClientConfig) -> Self {
        let deliveries = Deliveries::default();
        let producer = batch_producer(config, deliveries.clone());
        Self {
            producer,
            deliveries,
        }
    }

    /// Produces the records in order, and waits until the broker has them all.
    pub fn send(&self, topic: &str, records: impl IntoIterator<Item = NewRecord>) {
        for record in records {
            send(&self.producer, topic, &record);
        }
        self.flush();
    }

    /// Begins a transaction, and waits until the broker has these records of it.
    fn begin<'a>(&self, records: impl IntoIterator<Item = (&'a str, NewRecord)>) {
        self.producer
            .begin_transaction()
            .expect("a transaction begins");
        for (topic, record) in records {
            send(&self.producer, topic, &record);
        }
        self.flush();
    }

    fn flush(&self) {
        self.producer
            .flush(LIMIT)
            .expect("everything is delivered in time");
        self.deliveries.check();
    }
}

/// A transaction that is neither committed nor aborted.
pub struct Undecided(Producer);

impl Undecided {
    pub(super) fn begin<'a>(
        config: &ClientConfig,
        records: impl IntoIterator<Item = (&'a str, NewRecord)>,
    ) -> Self {
        let this = Producer::new(config);
        this.producer
            .init_transactions(LIMIT)
            .expect("a producer epoch");
        this.begin(records);
        Self(this)
    }

    /// Its records are there.
    pub fn commit(self) {
        self.0
            .producer
            .commit_transaction(LIMIT)
            .expect("the transaction ends");
    }

    /// Its records never were.
    pub fn abort(self) {
        self.0
            .producer
            .abort_transaction(LIMIT)
            .expect("the transaction ends");
    }
}

/// One transaction after the other, by one producer.
pub struct Transactions(Producer);

impl Transactions {
    /// Fences whoever had this id before.
    pub fn new(client: &ClientConfig, transactional_id: &str) -> Self {
        let mut client = client.clone();
        let this = Producer::new(client.set("transactional.id", transactional_id));
        this.producer
            .init_transactions(LIMIT)
            .expect("a producer epoch");
        Self(this)
    }

    /// Produces the records in a transaction, and commits it.
    pub fn commit<'a>(&self, records: impl IntoIterator<Item = (&'a str, NewRecord)>) {
        self.0.begin(records);
        self.0
            .producer
            .commit_transaction(LIMIT)
            .expect("the transaction ends");
    }
}

/// Delivery failures of one producer, gathered by its callback.
#[derive(Debug, Clone, Default)]
struct Deliveries(Arc<Mutex<Vec<String>>>);

impl Deliveries {
    #[track_caller]
    fn check(&self) {
        let failed = self.0.lock().expect("no callback panicked");
        assert!(failed.is_empty(), "records were not delivered: {failed:?}");
    }
}

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, delivery: &DeliveryResult<'_>, (): ()) {
        if let Err((error, _)) = delivery {
            self.0
                .lock()
                .expect("no check panicked")
                .push(error.to_string());
        }
    }
}

fn batch_producer(config: &ClientConfig, deliveries: Deliveries) -> BaseProducer<Deliveries> {
    let config = config
        .clone()
        .set("partitioner", "murmur2_random")
        .set("enable.idempotence", "true")
        .set("linger.ms", "5")
        // What a topic takes is the topic's to say.
        .set("message.max.bytes", "67108864")
        .clone();
    BaseProducer::<Deliveries, NoCustomPartitioner>::from_config_and_context(&config, deliveries)
        .expect("a producer")
}

/// Queues one record, making room first where there is none.
fn send(producer: &BaseProducer<Deliveries>, topic: &str, record: &NewRecord) {
    let mut message = BaseRecord::<[u8], [u8]>::to(topic);
    message.partition = record.partition;
    message.key = record.key.as_deref();
    message.payload = record.value.as_deref();
    message.timestamp = record.timestamp;
    if !record.headers.is_empty() {
        let headers = OwnedHeaders::new_with_capacity(record.headers.len());
        let insert = |headers: OwnedHeaders, (name, value): &(String, Vec<u8>)| {
            headers.insert(Header {
                key: name,
                value: Some(value),
            })
        };
        message.headers = Some(record.headers.iter().fold(headers, insert));
    }
    let start = Instant::now();
    while let Err((error, unsent)) = producer.send(message) {
        assert_eq!(
            error.rdkafka_error_code(),
            Some(RDKafkaErrorCode::QueueFull),
            "producing to {topic}: {error}"
        );
        assert!(start.elapsed() < LIMIT, "the queue of {topic} stays full");
        producer.poll(Duration::from_millis(10));
        message = unsent;
    }
}
