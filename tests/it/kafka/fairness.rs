//! Overload of one task, and what the others see of it that share its worker.

use std::time::{Duration, Instant};

use moments::runtime::murmur2::partition;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::{Offset, TopicPartitionList};
use serde_json::{Value, json};

use super::installation::{Installation, LIMIT, Member};
use crate::support::broker::KafkaBroker;
use crate::support::kafka::NewRecord;
use crate::support::{unique, wait_until};

const WELCOME: (&str, &str) = (
    "welcome",
    "trigger: welcome\nmoment: { event: Order Completed }\ntreatments: [{ channel: onsite, template: thanks }]\n\
     policy: { good_for: 3650d }\n",
);
const REMINDER: (&str, &str) = (
    "reminder",
    "trigger: reminder\nmoment: { absence: { of: Order Completed, after: Product Added, within: 1h } }\n\
     treatments: [{ channel: onsite, template: basket }]\npolicy: { good_for: 3650d }\n",
);
/// Customers of the task that has too much, whose reminders are all due at one instant.
const EVERYBODY: usize = 15_000;
/// How long an order of the other task may wait for its command: 2 s of `transactions.behind_delay`, and what a busy machine adds.
const BOUND: Duration = Duration::from_secs(5);

fn event(name: &str, customer: &str, time: &str) -> Value {
    json!({"event": name, "userId": customer, "messageId": unique("message"),
        "timestamp": format!("2026-03-02T{time}:00Z"), "properties": {"product_id": "p", "total": 10}})
}

fn record(name: &str, customer: &str, time: &str) -> NewRecord {
    NewRecord::keyed(customer, event(name, customer, time).to_string())
}

/// Customers of one of two tasks.
fn customers(task: i32) -> impl Iterator<Item = String> {
    let all = (0..).map(|number| format!("c{number}"));
    all.filter(move |name| partition(name.as_bytes(), 2) == task)
}

/// Reads the commands of the second task.
fn following(installation: &Installation, topic: &str) -> BaseConsumer {
    let consumer: BaseConsumer = installation
        .client()
        .set("group.id", "never-joined")
        .set("isolation.level", "read_committed")
        .create()
        .expect("a consumer");
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, 1, Offset::Beginning)
        .expect("an offset");
    consumer.assign(&list).expect("an assignment");
    consumer
}

fn reminders(member: &Member) -> Option<f64> {
    let (_, text) = member.get("/metrics")?;
    let of = |line: &&str| {
        line.starts_with("moments_treatments_total{") && line.contains("\"reminder\"")
    };
    text.lines().find(of)?.rsplit(' ').next()?.parse().ok()
}

#[test]
fn a_task_with_too_much_does_not_starve_another_of_its_worker() {
    let Some(broker) = KafkaBroker::shared() else {
        return;
    };
    let extra = "[time]\nclock = \"event\"\nidle_delay = \"200ms\"\n[workers]\nthreads = 1\n";
    let installation = Installation::new(broker, 2, &[WELCOME, REMINDER], extra);
    installation.create_topics();
    let producer = broker.producer();
    let mut names = customers(0);
    let heavy = names.next().expect("one of many");
    let everybody: Vec<String> = names.take(EVERYBODY).collect();
    // Half of all events are one customer's; then time jumps, and a trigger comes true for all others at once.
    let events = everybody.iter().flat_map(|name| {
        [
            record("Product Added", name, "10:00"),
            record("Product Added", &heavy, "10:00"),
        ]
    });
    producer.send(&installation.topic("cart"), events);
    let jump = everybody[..2]
        .iter()
        .map(|name| record("Product Viewed", name, "13:00"));
    producer.send(&installation.topic("clickstream"), jump);

    let light = customers(1).next().expect("one of many");
    let reader = following(&installation, &installation.topic("treatments.onsite"));
    let member = installation.start();
    member.wait_until_ready();
    let purchase = installation.topic("purchase");
    let (mut waits, mut done) = (Vec::new(), false);
    let start = Instant::now();
    while !done && start.elapsed() < LIMIT {
        let asked = Instant::now();
        producer.send(&purchase, [record("Order Completed", &light, "10:00")]);
        wait_until("the command of an order", LIMIT, || {
            let message = reader.poll(Duration::from_millis(20));
            message.is_some_and(|it| it.is_ok())
        });
        waits.push(asked.elapsed());
        #[expect(clippy::cast_precision_loss, reason = "some thousands")]
        let all = EVERYBODY as f64;
        done = reminders(&member).is_some_and(|count| count >= all);
    }
    waits.sort();
    let most = waits.last().copied().unwrap_or_default();
    println!(
        "{} orders: median {:?}, most {most:?}; the other task had enough to do for {:?}",
        waits.len(),
        waits[waits.len() / 2],
        start.elapsed()
    );
    assert!(
        done,
        "the other task did not get through: {:?}",
        reminders(&member)
    );
    assert!(
        waits.len() >= 5,
        "the other task had too little to do: {waits:?}"
    );
    assert!(most < BOUND, "{waits:?}");
    // Nobody was dropped.
    assert!(installation.read("decisions").len() >= EVERYBODY + waits.len());
}
