//! (c) From an event's arrival to its committed command, at 5,000 events a second.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use moments::time::Timestamp;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::Message as _;
use rdkafka::producer::BaseProducer;
use rdkafka::{Offset, TopicPartitionList};
use serde_json::Value;

use crate::installation::{self, Installation, client};
use crate::support::broker::KafkaBroker;
use crate::support::wait_until;
use crate::{cost, shop};

const RATE: usize = 5_000;
const SECONDS: usize = 30;
const CUSTOMERS: u64 = 100_000;
/// One event in so many is a parcel that came late, which is answered at once: 50 commands a second.
const LATE_EVERY: usize = 100;
/// Events of the first seconds are not counted: the process warms up.
const WARM_UP: usize = 5 * RATE;
const LIMIT: Duration = Duration::from_secs(120);

/// Produces at an even pace, and sees when the commands come.
pub fn run(broker: &KafkaBroker) {
    let installation = Installation::new(broker, "clock = \"wall\"");
    let consents = installation::producer(broker.bootstrap(), "20");
    let topic = format!("{}.profile", installation.prefix);
    for i in (0..RATE * SECONDS).step_by(LATE_EVERY) {
        let customer = late_customer(i);
        let json = format!(
            r#"{{"type":"identify","messageId":"i-{i}","userId":"{customer}","timestamp":"{}","traits":{{"email":"{customer}@example.com","consent":{{"email":true}}}}}}"#,
            now()
        );
        installation::send(&consents, &topic, &customer, &json);
    }
    installation::flush(&consents);
    let mut process = installation.start();
    let group = installation.group();
    wait_until("the consents to be committed", LIMIT, || {
        assert!(process.is_running(), "{}", process.output());
        installation.is_caught_up(&group)
    });

    let producer = installation::producer(broker.bootstrap(), "5");
    let consumer = commands(broker, &installation.prefix);
    let done = AtomicBool::new(false);
    let java = cost::broker();
    let before = [process.id(), java].map(cost::cpu_seconds);
    let (sent, received) = std::thread::scope(|scope| {
        let receiving = scope.spawn(|| receive(&consumer, &done));
        let sent = produce(&producer, &installation.prefix);
        wait_until("everything to be committed", LIMIT, || {
            installation.is_caught_up(&group)
        });
        done.store(true, Ordering::Relaxed);
        (sent, receiving.join().expect("the consumer's thread"))
    });
    let cpu = |pid, before| (cost::cpu_seconds(pid) - before) / SECONDS as f64 * 100.0;
    let (engine, java) = (cpu(process.id(), before[0]), cpu(java, before[1]));
    let commit = installation::histogram(&process, "moments_commit_duration_seconds");
    let arrival = installation::histogram(&process, "moments_arrival_to_command_seconds");
    process.terminate(LIMIT);
    println!(
        "  as moments sees it: {:.0} transactions of {:.0} ms, command {:.0} ms after fetch, on average",
        commit.0, commit.1, arrival.1
    );
    report(&sent, &received, engine, java);
}

fn report(
    sent: &HashMap<String, (usize, Instant)>,
    received: &[(String, Instant)],
    engine: f64,
    java: f64,
) {
    let mut latencies: Vec<Duration> = received
        .iter()
        .filter_map(|(id, at)| {
            let (i, from) = sent.get(id)?;
            (*i >= WARM_UP).then(|| at.saturating_duration_since(*from))
        })
        .collect();
    let mut at = |percent| cost::percentile(&mut latencies, percent).as_secs_f64() * 1e3;
    let (half, most, all) = (at(50), at(99), at(100));
    println!(
        "(c) from arrival to committed command at {RATE} events a second, {} commands\n  \
         p50 {half:.1} ms (mark 60), p99 {most:.1} ms (mark 250), largest {all:.1} ms\n  \
         of a core: moments {engine:.0} %, the broker {java:.0} %",
        latencies.len()
    );
}

/// Sends each event when it is due; when each was, by id.
fn produce(producer: &BaseProducer, prefix: &str) -> HashMap<String, (usize, Instant)> {
    let mut sent = HashMap::new();
    let start = Instant::now();
    for i in 0..RATE * SECONDS {
        let due = start + Duration::from_secs(1) * u32::try_from(i).unwrap_or(0) / RATE as u32;
        while Instant::now() < due {
            producer.poll(Duration::from_millis(1));
        }
        let (topic, customer, json) = if i.is_multiple_of(LATE_EVERY) {
            late(i)
        } else {
            shop::event(i, CUSTOMERS, now())
        };
        if i.is_multiple_of(LATE_EVERY) {
            sent.insert(format!("late-{i}"), (i, Instant::now()));
        }
        installation::send(producer, &format!("{prefix}.{topic}"), &customer, &json);
    }
    let took = start.elapsed().as_secs_f64();
    println!(
        "  produced {:.0} events a second",
        (RATE * SECONDS) as f64 / took
    );
    installation::flush(producer);
    sent
}

fn late(i: usize) -> (&'static str, String, String) {
    let (customer, now) = (late_customer(i), now());
    let promised = now.plus(-86_400_000);
    let json = format!(
        r#"{{"type":"track","event":"Order Delivered","messageId":"late-{i}","userId":"{customer}","timestamp":"{now}","properties":{{"order_id":"o{i}","promised_at":"{promised}","delivered_at":"{now}"}}}}"#
    );
    ("purchase", customer, json)
}

/// Each once: a second apology within days would be refused.
fn late_customer(i: usize) -> String {
    format!("late{i:07}")
}

fn now() -> Timestamp {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or_default())
}

/// A read-committed consumer of all commands.
fn commands(broker: &KafkaBroker, prefix: &str) -> BaseConsumer {
    let consumer: BaseConsumer = client(broker.bootstrap())
        .set("group.id", "commands")
        .set("enable.auto.commit", "false")
        .set("isolation.level", "read_committed")
        .create()
        .expect("a consumer");
    let metadata = consumer
        .fetch_metadata(None, installation::LIMIT)
        .expect("metadata");
    let mut assignment = TopicPartitionList::new();
    let treatments = format!("{prefix}.treatments.");
    for topic in metadata
        .topics()
        .iter()
        .filter(|topic| topic.name().starts_with(&treatments))
    {
        for partition in topic.partitions() {
            assignment
                .add_partition_offset(topic.name(), partition.id(), Offset::Beginning)
                .expect("a valid offset");
        }
    }
    assert!(assignment.count() > 0, "no topics of treatments");
    consumer.assign(&assignment).expect("an assignment");
    consumer
}

/// The event behind each command, and when the command came; for a moment beyond `done`.
fn receive(consumer: &BaseConsumer, done: &AtomicBool) -> Vec<(String, Instant)> {
    let mut received = Vec::new();
    loop {
        match consumer.poll(Duration::from_millis(500)) {
            Some(Ok(message)) => {
                let at = Instant::now();
                let command: Value =
                    serde_json::from_slice(message.payload().unwrap_or_default()).expect("JSON");
                let cause = command["evidence"]["events"]
                    .as_array()
                    .and_then(|events| events.last());
                if let Some(id) = cause.and_then(|event| event["id"].as_str()) {
                    received.push((id.to_owned(), at));
                }
            }
            Some(Err(error)) => panic!("{error}"),
            None if done.load(Ordering::Relaxed) => return received,
            None => {}
        }
    }
}
