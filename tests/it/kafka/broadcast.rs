//! What happens to everybody, on a real Kafka: copied to each task, and each customer told once, though the process is killed in the
//! middle.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write as _;

use serde_json::{Value, json};

use super::installation::Installation;
use crate::support::broker::KafkaBroker;
use crate::support::kafka::{NewRecord, OwnedRecord};
use crate::support::wait_until;

use super::installation::LIMIT;

/// In each of three partitions more than a slice holds.
const CUSTOMERS: usize = 15_000;
const PARTITIONS: i32 = 3;

const TRIGGERS: [(&str, &str); 2] = [
    (
        "back-in-stock",
        "trigger: back-in-stock\nmoment: { broadcast: Product Restocked }\naudience: event.product_id in profile.wishlist.products\n\
         treatments: [{ channel: onsite, template: back, data: { product: event.product_id } }]\npolicy: { good_for: 3650d }\n",
    ),
    (
        "last",
        "trigger: last\nmoment: { event: Product Viewed }\ntreatments: [{ channel: sms, template: seen }]\npolicy: { good_for: 3650d }\n",
    ),
];

/// 2026-03-02T10:00:00Z and minutes.
fn at(minutes: i64) -> String {
    moments::time::Timestamp(1_772_445_600_000)
        .plus(minutes * 60_000)
        .to_string()
}

/// Every third wishes for the teapot; then, in each partition, somebody looks at something.
fn wish(installation: &Installation) {
    let wishes = (0..CUSTOMERS).map(|i| {
        let product = if i % 3 == 0 { "teapot" } else { "cup" };
        json!({"type": "track", "event": "Product Added to Wishlist", "userId": format!("c{i}"), "timestamp": at(0),
            "messageId": format!("w-{i}"), "properties": {"product_id": product}})
    });
    installation.produce("cart", wishes);
    for partition in 0..PARTITIONS {
        let key = (0..).map(|i| format!("last-{i}")).find(|key| {
            moments::runtime::murmur2::partition(key.as_bytes(), PARTITIONS) == partition
        });
        let event = json!({"type": "track", "event": "Product Viewed", "userId": key, "timestamp": at(1),
            "messageId": format!("v-{partition}"), "properties": {"product_id": "p9"}});
        installation.produce("cart", [event]);
    }
}

fn restocked(id: &str, minutes: i64) -> NewRecord {
    // It names nobody, and has no key.
    let event = json!({"type": "track", "event": "Product Restocked", "timestamp": at(minutes), "messageId": id,
        "properties": {"product_id": "teapot"}});
    NewRecord::unkeyed(event.to_string())
}

/// By customer and occurrence, how many.
fn told(records: &[OwnedRecord]) -> BTreeMap<(String, String), usize> {
    let mut counts = BTreeMap::new();
    for record in records {
        let command: Value = serde_json::from_str(&record.text()).expect("JSON");
        let occurrence = command["occurrence"].as_str().expect("text").to_owned();
        *counts.entry((record.key_text(), occurrence)).or_default() += 1;
    }
    counts
}

#[test]
fn each_customer_is_told_once_though_the_process_is_killed() {
    let Some(broker) = KafkaBroker::shared() else {
        return;
    };
    let installation = Installation::new(broker, PARTITIONS, &TRIGGERS, "");
    let news = installation.topic("news");
    let extra = format!(
        "[topics.everybody.\"{news}\"]\n[time]\nclock = \"event\"\nidle_delay = \"200ms\"\n"
    );
    let config = OpenOptions::new().append(true).open(installation.config());
    let mut config = config.expect("the configuration");
    config.write_all(extra.as_bytes()).expect("written");
    installation.create_topics();
    let checked = installation.succeed(&["topics", "check"]);
    assert!(!checked.contains("problem"), "{checked}");

    let mut first = installation.start();
    wish(&installation);
    // Without consent that is refused, which shows that everything was taken.
    installation.wait_for("decisions", 3);
    // Told twice, the second time in another partition perhaps.
    broker.produce(
        &news,
        [restocked("s1", 2), restocked("s1", 2), restocked("s2", 3)],
    );
    // In the middle of it: some slice was committed.
    wait_until("the first slice", LIMIT, || {
        let journal = installation.read("-journal");
        journal
            .iter()
            .any(|line| line.text().contains("\"everybody\""))
    });
    first.process.kill9();
    let mut second = installation.start();
    let third = installation.start();
    broker.produce(&news, [restocked("s3", 4)]);
    let count = CUSTOMERS / 3 * 3;
    let treatments = installation.wait_for("treatments.onsite", count);
    let mut expected = BTreeMap::new();
    for i in (0..CUSTOMERS).step_by(3) {
        for spot in ["s1", "s2", "s3"] {
            expected.insert((format!("c{i}"), spot.to_owned()), 1);
        }
    }
    assert!(told(&treatments) == expected, "each once, and nobody else");
    // Each record has one copy a task.
    let copies = installation.read("-broadcasts");
    assert_eq!(copies.len(), 4 * 3, "copied once each");
    second.process.kill9();

    let mut decided: Vec<String> = installation
        .read("decisions")
        .iter()
        .map(OwnedRecord::text)
        .collect();
    let mut replayed = installation.replayed_with(&["-broadcasts"]);
    decided.sort_unstable();
    replayed.sort_unstable();
    assert_eq!(decided.len(), count + 3);
    assert!(
        decided == replayed,
        "the journal replays production byte for byte"
    );
    drop(third);
}
