//! What customers do while processes are tortured, and when it is answered: a beat in each partition again and again, baskets that are
//! left and baskets that are not.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use moments::time::Timestamp;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::Message as _;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use serde_json::json;

use crate::kafka::fault::events::{Event, of_partition, passers_by};
use crate::kafka::installation::Installation;

/// Between two beats.
const BEAT: Duration = Duration::from_millis(50);
/// 2026-03-02T10:00:00Z.
const BEGIN_MS: i64 = 1_772_445_600_000;
/// How much later it is at each beat in the time of events.
const BEAT_MS: i64 = 1_000;
const DAY_MS: i64 = 86_400_000;
/// For the broker to take the last.
const LAST: Duration = Duration::from_secs(120);

/// The load of an installation.
pub struct Load {
    shared: Arc<Shared>,
    producing: JoinHandle<Vec<Event>>,
    listening: JoinHandle<()>,
}

struct Shared {
    partitions: i32,
    ended: AtomicBool,
    /// When each beat was sent.
    sent: Mutex<Vec<Instant>>,
    /// By partition, the beats that were answered, and when.
    answered: Mutex<BTreeMap<i32, Vec<(usize, Instant)>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Load {
    /// Begins.
    pub fn start(installation: &Installation, partitions: i32) -> Self {
        let shared = Arc::new(Shared {
            partitions,
            ended: AtomicBool::new(false),
            sent: Mutex::default(),
            answered: Mutex::default(),
        });
        let producer: BaseProducer = installation
            .client()
            .set("enable.idempotence", "true")
            .set("partitioner", "murmur2_random")
            .set("linger.ms", "2")
            .set("message.timeout.ms", "600000")
            .create()
            .expect("a producer");
        let consumer: BaseConsumer = installation
            .client()
            .set(
                "group.id",
                format!("{}-listener", installation.application_id()),
            )
            .set("enable.auto.commit", "false")
            .set("auto.offset.reset", "earliest")
            .set("isolation.level", "read_committed")
            .create()
            .expect("a consumer");
        let topic = |name: &str| installation.topic(name);
        let topics = ["cart", "clickstream", "purchase"].map(|name| (name, topic(name)));
        consumer
            .subscribe(&[&topic("treatments.onsite")])
            .expect("a subscription");
        let (sends, hears) = (Arc::clone(&shared), Arc::clone(&shared));
        Self {
            shared,
            producing: thread::spawn(move || sends.produce(&producer, &topics)),
            listening: thread::spawn(move || hears.listen(&consumer)),
        }
    }

    /// When the last partition answered a beat that was sent after this instant; none while one has not.
    pub fn answered_after(&self, instant: Instant) -> Option<Instant> {
        let first = lock(&self.shared.sent).partition_point(|sent| *sent <= instant);
        let answered = lock(&self.shared.answered);
        let times = (0..self.shared.partitions).map(|partition| {
            let all = answered.get(&partition)?;
            let next = all.partition_point(|(beat, _)| *beat < first);
            all.get(next).map(|(_, at)| *at)
        });
        times.collect::<Option<Vec<_>>>()?.into_iter().max()
    }

    /// Lets all that is left come to its end; every event that was sent.
    pub fn end(self) -> Vec<Event> {
        self.shared.ended.store(true, Ordering::Relaxed);
        let sent = self.producing.join().expect("the load");
        self.listening.join().expect("the listener");
        sent
    }
}

impl Shared {
    fn produce(&self, producer: &BaseProducer, topics: &[(&'static str, String)]) -> Vec<Event> {
        let mut all = Vec::new();
        let mut send = |events: Vec<Event>| {
            for event in &events {
                let topic = topics.iter().find(|(name, _)| *name == event.topic);
                let (_, topic) = topic.expect("a topic of the load");
                let record = BaseRecord::to(topic)
                    .key(&event.customer)
                    .payload(&event.line);
                producer
                    .send(record)
                    .map_err(|(error, _)| error)
                    .expect("room");
            }
            all.extend(events);
        };
        let beats: Vec<String> = (0..self.partitions)
            .map(|partition| of_partition("beat", partition, self.partitions))
            .collect();
        let mut number = 0;
        while !self.ended.load(Ordering::Relaxed) {
            lock(&self.sent).push(Instant::now());
            send(beat(number, &beats));
            send(baskets(number));
            number += 1;
            producer.poll(BEAT);
        }
        let end = at(number) + DAY_MS;
        send(passers_by(self.partitions, end));
        producer.flush(LAST).expect("all of it with the broker");
        all
    }

    fn listen(&self, consumer: &BaseConsumer) {
        while !self.ended.load(Ordering::Relaxed) {
            let Some(Ok(message)) = consumer.poll(Duration::from_millis(50)) else {
                continue;
            };
            let command: serde_json::Value =
                serde_json::from_slice(message.payload().unwrap_or_default()).expect("JSON");
            let text = command["data"]["beat"].as_str();
            let Some(beat) = text.and_then(|text| text.strip_prefix("beat ")?.parse().ok()) else {
                continue;
            };
            let key = message.key().unwrap_or_default();
            let partition = moments::runtime::murmur2::partition(key, self.partitions);
            let mut answered = lock(&self.answered);
            let all = answered.entry(partition).or_default();
            all.push((beat, Instant::now()));
        }
    }
}

fn at(number: usize) -> i64 {
    BEGIN_MS + i64::try_from(number).expect("small") * BEAT_MS
}

fn event(topic: &'static str, name: &str, customer: &str, number: usize, product: &str) -> Event {
    let time_ms = at(number);
    let line = json!({"type": "track", "event": name, "userId": customer, "timestamp": Timestamp(time_ms).to_string(),
        "messageId": format!("{topic}-{customer}-{number}"),
        "properties": {"product_id": product, "price": 30, "quantity": 1, "order_id": format!("o-{customer}"), "total": 30}});
    Event {
        topic,
        customer: customer.to_owned(),
        time_ms,
        line: line.to_string(),
    }
}

fn beat(number: usize, customers: &[String]) -> Vec<Event> {
    let product = format!("beat {number}");
    let all = customers.iter();
    all.map(|customer| event("clickstream", "Product Viewed", customer, number, &product))
        .collect()
}

/// Somebody fills a basket; of three, one orders ten seconds later.
fn baskets(number: usize) -> Vec<Event> {
    let added = event("cart", "Product Added", &format!("c{number}"), number, "p1");
    let orders = number.checked_sub(10).filter(|before| before % 3 == 0);
    let ordered = orders.map(|before| {
        event(
            "purchase",
            "Order Completed",
            &format!("c{before}"),
            number,
            "p1",
        )
    });
    [added].into_iter().chain(ordered).collect()
}
