//! Events in, each decision once out, whatever happens to the process in between.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::installation::{Installation, LIMIT};
use crate::support::broker::KafkaBroker;
use crate::support::kafka::OwnedRecord;

const ABANDONED: (&str, &str) = (
    "abandoned-cart",
    "trigger: abandoned-cart\nmoment: { absence: { of: Order Completed, after: Product Added, within: 30m } }\n\
     treatments: [{ channel: onsite, template: basket-reminder, data: { products: profile.basket.products } }]\n\
     policy: { good_for: 1d }\n",
);

/// 2026-03-02T10:00:00Z and minutes.
fn at(minutes: i64) -> String {
    let time = moments::time::Timestamp(1_772_445_600_000).plus(minutes * 60_000);
    time.to_string()
}

fn added(customer: &str, minutes: i64) -> Value {
    json!({"type": "track", "event": "Product Added", "userId": customer, "timestamp": at(minutes), "messageId": format!("a-{customer}-{minutes}"),
        "properties": {"product_id": "p1", "price": 30, "quantity": 1}})
}

fn ordered(customer: &str, minutes: i64) -> Value {
    json!({"type": "track", "event": "Order Completed", "userId": customer, "timestamp": at(minutes), "messageId": format!("o-{customer}-{minutes}"),
        "properties": {"order_id": format!("o-{customer}"), "total": 30}})
}

/// Customers 0 to `count`, every third of whom orders in time; then one event hours later, which lets all deadlines pass.
fn shop(
    installation: &Installation,
    partitions: i32,
    customers: std::ops::Range<usize>,
    minutes: i64,
) {
    let carts = customers.clone().map(|i| added(&format!("c{i}"), minutes));
    installation.produce("cart", carts);
    let orders = customers
        .filter(|i| i % 3 == 0)
        .map(|i| ordered(&format!("c{i}"), minutes + 20));
    installation.produce("purchase", orders);
    // In every partition somebody passes by later.
    for partition in 0..partitions {
        let key = (0..).map(|i| format!("later-{i}")).find(|key| {
            moments::runtime::murmur2::partition(key.as_bytes(), partitions) == partition
        });
        let event = json!({"type": "track", "event": "Product Viewed", "userId": key, "timestamp": at(minutes + 60), "properties": {"product_id": "p9"}});
        installation.produce("clickstream", [event]);
    }
}

/// By customer, how many.
fn customers(records: &[OwnedRecord]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for record in records {
        *counts.entry(record.key_text()).or_default() += 1;
    }
    counts
}

fn expected(customers: std::ops::Range<usize>) -> BTreeMap<String, usize> {
    customers
        .filter(|i| i % 3 != 0)
        .map(|i| (format!("c{i}"), 1))
        .collect()
}

#[test]
fn events_come_in_and_commands_go_out_each_once() {
    let Some(broker) = KafkaBroker::shared() else {
        return;
    };
    let installation = Installation::new(
        broker,
        3,
        &[ABANDONED],
        "[time]\nclock = \"event\"\nidle_delay = \"200ms\"\n",
    );
    installation.create_topics();
    shop(&installation, 3, 0..300, 0);
    let mut member = installation.start();
    member.wait_until_ready();
    let treatments = installation.wait_for("treatments.onsite", 200);
    assert_eq!(customers(&treatments), expected(0..300));
    let command: Value = serde_json::from_str(&treatments[0].text()).expect("JSON");
    let headers: BTreeMap<String, String> = treatments[0]
        .headers
        .iter()
        .map(|(name, value)| (name.clone(), String::from_utf8_lossy(value).into_owned()))
        .collect();
    assert_eq!(headers["id"], command["id"].as_str().expect("an id"));
    assert_eq!(headers["trigger"], "abandoned-cart");
    assert!(headers["traceparent"].starts_with("00-"));
    assert_eq!(command["data"]["products"], json!(["p1"]));

    let (status, profile) = member.get("/customers/c1").expect("an answer");
    let profile: Value = serde_json::from_str(&profile).expect("JSON");
    assert_eq!(
        (status, &profile["profile"]["basket"]["products"]),
        (200, &json!(["p1"]))
    );
    assert_eq!(profile["profile"]["contacts"]["count"], 1);
    assert_eq!(member.get("/customers/nobody").expect("an answer").0, 404);
    let metrics = member.get("/metrics").expect("an answer").1;
    assert!(
        metrics.contains("moments_treatments_total{trigger=\"abandoned-cart\"} 200"),
        "{metrics}"
    );

    assert!(member.process.terminate(LIMIT).success());
    // A second process goes on where the first stopped.
    shop(&installation, 3, 300..360, 600);
    let again = installation.start();
    let treatments = installation.wait_for("treatments.onsite", 240);
    assert_eq!(customers(&treatments), expected(0..360));
    assert_eq!(installation.read("decisions").len(), 240);
    drop(again);
}

/// Anybody else would wait for two minutes.
#[test]
fn a_static_member_that_was_killed_has_its_tasks_at_once_when_it_comes_back() {
    let Some(broker) = KafkaBroker::shared() else {
        return;
    };
    let installation = Installation::new(
        broker,
        4,
        &[ABANDONED],
        "[time]\nclock = \"event\"\nidle_delay = \"200ms\"\n",
    );
    installation.create_topics();
    let member = [
        "--set",
        "kafka.consumer.group.instance.id=moments-0",
        "--set",
        "kafka.consumer.session.timeout.ms=120000",
    ];
    shop(&installation, 4, 0..30, 0);
    let mut first = installation.start_with(&member);
    installation.wait_for("treatments.onsite", 20);
    first.process.kill9();
    shop(&installation, 4, 30..60, 300);
    let again = installation.start_with(&member);
    let treatments = installation.wait_for("treatments.onsite", 40);
    assert_eq!(customers(&treatments), expected(0..60));
    drop(again);
}

#[test]
fn a_process_killed_in_the_middle_leaves_nothing_out_and_nothing_twice() {
    let Some(broker) = KafkaBroker::shared() else {
        return;
    };
    let installation = Installation::new(
        broker,
        4,
        &[ABANDONED],
        "[time]\nclock = \"event\"\nidle_delay = \"200ms\"\n",
    );
    installation.create_topics();
    shop(&installation, 4, 0..3000, 0);
    let mut first = installation.start();
    let second = installation.start();
    // In the middle of catching up.
    installation.wait_for("-journal", 2);
    first.process.kill9();
    shop(&installation, 4, 3000..6000, 300);
    let third = installation.start();
    shop(&installation, 4, 6000..9000, 600);
    let treatments = installation.wait_for("treatments.onsite", 6000);
    assert_eq!(customers(&treatments), expected(0..9000));
    drop((second, third));

    let mut decided: Vec<String> = installation
        .read("decisions")
        .iter()
        .map(OwnedRecord::text)
        .collect();
    let mut replayed = installation.replayed();
    decided.sort_unstable();
    replayed.sort_unstable();
    assert_eq!(
        decided, replayed,
        "the journal replays production byte for byte"
    );
    let mut commands: Vec<Value> = treatments
        .iter()
        .map(|record| serde_json::from_str(&record.text()).expect("JSON"))
        .collect();
    let mut treated: Vec<Value> = decided
        .iter()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON")["treatment"].take())
        .collect();
    let id = |command: &Value| command["id"].to_string();
    commands.sort_by_key(id);
    treated.sort_by_key(id);
    assert_eq!(commands, treated);
}
