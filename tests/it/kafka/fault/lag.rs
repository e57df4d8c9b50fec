//! Topics that lag each other: no absence is found where what cancels it was on time.

use std::collections::BTreeSet;

use serde_json::json;

use super::events::{Event, of_partition, passers_by};
use super::run::produce;
use crate::kafka::installation::{Installation, LIMIT, Member};
use crate::support::broker::KafkaBroker;
use crate::support::kafka::NewRecord;
use crate::support::wait_until;

const PARTITIONS: i32 = 3;
const ABANDONED: (&str, &str) = (
    "abandoned-cart",
    "trigger: abandoned-cart\nmoment: { absence: { of: Order Completed, after: Product Added, within: 30m } }\n\
     treatments: [{ channel: onsite, template: basket-reminder }]\npolicy: { good_for: 30d }\n",
);
/// 2026-03-02T10:00:00Z.
const BEGIN_MS: i64 = 1_772_445_600_000;
const MINUTE_MS: i64 = 60_000;

fn event(topic: &'static str, name: &str, customer: &str, minutes: i64) -> Event {
    let time_ms = BEGIN_MS + minutes * MINUTE_MS;
    let line = json!({"type": "track", "event": name, "messageId": format!("{topic}-{customer}-{minutes}"), "userId": customer,
        "timestamp": moments::time::Timestamp(time_ms).to_string(), "properties": {"order_id": customer, "product_id": "p", "total": 5}});
    Event {
        topic,
        customer: customer.to_owned(),
        time_ms,
        line: line.to_string(),
    }
}

fn cart(customer: &str, minutes: i64) -> Event {
    event("cart", "Product Added", customer, minutes)
}

fn order(customer: &str, minutes: i64) -> Event {
    event("purchase", "Order Completed", customer, minutes)
}

fn reminded(installation: &Installation) -> BTreeSet<String> {
    let commands = installation.read("treatments.onsite");
    let customers: BTreeSet<String> = commands
        .iter()
        .map(crate::support::kafka::OwnedRecord::key_text)
        .collect();
    assert_eq!(customers.len(), commands.len(), "each once");
    customers
}

/// Records that a process has read of a topic.
fn taken(member: &Member, topic: &str) -> u64 {
    metric(
        member,
        &format!("moments_events_read_total{{topic=\"{topic}\"}} "),
    )
}

/// A whole number that `/metrics` shows behind this name and its labels; 0 where it does not stand there.
fn metric(member: &Member, name: &str) -> u64 {
    let metrics = member
        .get("/metrics")
        .map(|(_, text)| text)
        .unwrap_or_default();
    let line = metrics.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|count| count.parse().ok()).unwrap_or(0)
}

#[test]
fn carts_read_ahead_of_orders_that_nobody_can_read_yet_abandon_nothing() {
    let Some(broker) = KafkaBroker::shared() else {
        return;
    };
    let time = "[time]\nclock = \"event\"\nidle_delay = \"100ms\"\n";
    let installation = Installation::new(broker, PARTITIONS, &[ABANDONED], time);
    installation.create_topics();
    // Of partition 2 nobody ever buys anything: its purchase topic is silent.
    let silent =
        |customer: &str| moments::runtime::murmur2::partition(customer.as_bytes(), PARTITIONS) == 2;
    let names: Vec<String> = (0..600).map(|number| format!("c{number}")).collect();
    let carts: Vec<Event> = (0..)
        .zip(&names)
        .map(|(number, name)| cart(name, number / 4))
        .collect();
    let bought = |number: usize, name: &str| !number.is_multiple_of(3) && !silent(name);
    let orders: Vec<Event> = (0..)
        .zip(&names)
        .filter(|(number, name)| bought(*number, name))
        .map(|(number, name)| order(name, i64::try_from(number / 4).expect("small") + 29))
        .collect();
    // The orders are in the topic, their transaction is open.
    let topic = installation.topic("purchase");
    let records = orders.iter().map(|event| {
        (
            topic.as_str(),
            NewRecord::keyed(event.customer.clone(), event.line.clone()),
        )
    });
    let undecided = broker.begin(
        &format!("{}-orders", installation.application_id()),
        records,
    );
    produce(&installation, &carts, false);
    let later = passers_by(PARTITIONS, BEGIN_MS + 600 * MINUTE_MS);
    produce(&installation, &later, false);

    let members = [installation.start(), installation.start()];
    wait_until("all carts to be read", LIMIT, || {
        let cart = installation.topic("cart");
        members
            .iter()
            .map(|member| taken(member, &cart))
            .sum::<u64>()
            >= 600
    });
    // Where nothing is unread time goes on, past the idle delay too, and silence alone holds nobody.
    let of_silent: BTreeSet<String> = names.iter().filter(|name| silent(name)).cloned().collect();
    installation.wait_for("treatments.onsite", of_silent.len());
    assert_eq!(reminded(&installation), of_silent);

    undecided.commit();
    let expected: BTreeSet<String> = (0..)
        .zip(&names)
        .filter(|(number, name)| !bought(*number, name))
        .map(|(_, name)| name.clone())
        .collect();
    installation.wait_for("treatments.onsite", expected.len());
    assert_eq!(reminded(&installation), expected);
    drop(members);
    assert_eq!(reminded(&installation), expected);
}

#[test]
fn orders_that_are_produced_minutes_later_cancel_within_the_lateness() {
    let Some(broker) = KafkaBroker::shared() else {
        return;
    };
    // What drives time is trusted only ten minutes later, and silence never.
    let config = "cart.lateness = \"10m\"\n[time]\nclock = \"event\"\nidle_delay = \"1h\"\n";
    let installation = Installation::new(broker, PARTITIONS, &[ABANDONED], config);
    installation.create_topics();
    let members = [installation.start(), installation.start()];
    // What is taken while a task changes hands is counted by neither.
    wait_until("each to have tasks", LIMIT, || {
        let running = |member| metric(member, "moments_tasks{state=\"running\"} ");
        let tasks: Vec<u64> = members.iter().map(running).collect();
        !tasks.contains(&0) && tasks.iter().sum::<u64>() == u64::try_from(PARTITIONS).expect("some")
    });
    // A basket in each partition every two minutes. Two of three are ordered 29 minutes later, and these orders are produced
    // seven minutes after carts of that time.
    let customer =
        |minute: i64, partition: i32| of_partition(&format!("m{minute}-"), partition, PARTITIONS);
    let in_each = |of: &dyn Fn(i32) -> Event| (0..PARTITIONS).map(of).collect::<Vec<_>>();
    let producer = broker.producer();
    let send = |topic: &str, events: &[Event]| {
        let records = events
            .iter()
            .map(|event| NewRecord::keyed(&*event.customer, &*event.line));
        producer.send(&installation.topic(topic), records);
    };
    let (mut expected, mut produced) = (BTreeSet::new(), 0);
    for minute in (0..120).step_by(2) {
        let carts = in_each(&|partition| cart(&customer(minute, partition), minute));
        expected.extend(carts.iter().map(|event| event.customer.clone()));
        produced += carts.len() as u64;
        send("cart", &carts);
        wait_until(
            &format!("the carts of minute {minute} to be read"),
            LIMIT,
            || {
                let topic = installation.topic("cart");
                members
                    .iter()
                    .map(|member| taken(member, &topic))
                    .sum::<u64>()
                    >= produced
            },
        );
        let ordered = minute - 36;
        if ordered >= 0 && ordered % 3 != 0 {
            let orders = in_each(&|partition| order(&customer(ordered, partition), ordered + 29));
            send("purchase", &orders);
            for event in &orders {
                expected.remove(&event.customer);
            }
        }
    }
    let end = passers_by(PARTITIONS, BEGIN_MS + 600 * MINUTE_MS);
    send("clickstream", &end);
    installation.wait_for("treatments.onsite", expected.len());
    drop(members);
    assert_eq!(reminded(&installation), expected);
}
