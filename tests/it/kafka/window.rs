//! Customers who were not written yet when their process was killed: what changed them is taken again from the log.

use std::time::Duration;

use moments::time::Timestamp;
use serde_json::{Value, json};

use super::fault::events::passers_by;
use super::fault::run::produce;
use super::installation::{Installation, LIMIT, Member};
use crate::support::broker::KafkaBroker;
use crate::support::kafka::OwnedRecord;
use crate::support::wait_until;

const PARTITIONS: i32 = 2;
const CUSTOMERS: usize = 30;
/// 2026-03-02T10:00:00Z.
const BEGIN_MS: i64 = 1_772_445_600_000;
const MINUTE_MS: i64 = 60_000;
/// Nobody is written before the process ends.
const CONFIG: &str =
    "[time]\nclock = \"event\"\nidle_delay = \"200ms\"\n[checkpoints]\ninterval = \"1h\"\n";

/// Baskets that are left, and views that speak at once.
fn triggers(template: &str) -> [(&'static str, String); 2] {
    let left = format!(
        "trigger: left\nmoment: {{ absence: {{ of: Order Completed, after: Product Added, within: 30m }} }}\n\
         treatments: [{{ channel: onsite, template: {template} }}]\npolicy: {{ good_for: 30d }}\n"
    );
    let viewed = format!(
        "trigger: viewed\nmoment: {{ event: Product Viewed }}\n\
         treatments: [{{ channel: onsite, template: {template} }}]\npolicy: {{ good_for: 30d }}\n"
    );
    [("left", left), ("viewed", viewed)]
}

fn installation(broker: &'static KafkaBroker) -> Installation {
    let triggers = triggers("first");
    let triggers = triggers
        .each_ref()
        .map(|(name, text)| (*name, text.as_str()));
    let installation = Installation::new(broker, PARTITIONS, &triggers, CONFIG);
    installation.create_topics();
    installation
}

/// Each puts something in a basket at this minute and looks at something; somebody passes by so much later that each basket is left.
fn shop(installation: &Installation, minute: i64) {
    let time = |minutes: i64| Timestamp(BEGIN_MS + minutes * MINUTE_MS);
    let event = |number: usize, name: &str, topic: &str| {
        json!({"type": "track", "event": name, "userId": format!("c{number}"), "timestamp": time(minute),
            "messageId": format!("{topic}-{number}-{minute}"), "properties": {"product_id": "p1", "price": 30, "quantity": 1}})
    };
    for (name, topic) in [("Product Added", "cart"), ("Product Viewed", "clickstream")] {
        installation.produce(
            topic,
            (0..CUSTOMERS).map(|number| event(number, name, topic)),
        );
    }
    produce(
        installation,
        &passers_by(PARTITIONS, time(minute + 60).0),
        false,
    );
}

/// Triggers and occurrences of the decisions, once there are so many of both triggers; no more of one than of the other.
fn decided(installation: &Installation, each: usize) {
    let mut decided = Vec::new();
    wait_until("all to be decided", LIMIT, || {
        let records = installation.read("decisions");
        let decisions = records
            .iter()
            .map(|it| serde_json::from_str(&it.text()).expect("JSON"));
        let words = |decision: Value| {
            ["trigger", "customer", "occurrence"].map(|name| decision[name].to_string())
        };
        let of_shoppers = |words: &[String; 3]| words[1].starts_with("\"c");
        decided = decisions.map(words).filter(of_shoppers).collect();
        decided.len() >= 2 * each * CUSTOMERS
    });
    let all = decided.len();
    decided.sort();
    decided.dedup();
    assert_eq!(
        (decided.len(), all),
        (2 * each * CUSTOMERS, 2 * each * CUSTOMERS),
        "each once"
    );
}

fn profiles(member: &Member) -> Vec<Value> {
    let profile = |number: usize| {
        let (status, body) = member.get(&format!("/api/v1/customers/c{number}"))?;
        let shown: Value = serde_json::from_str(&body).ok()?;
        (status == 200).then(|| shown["profile"].clone())
    };
    (0..CUSTOMERS)
        .map(|number| profile(number).expect("she is known"))
        .collect()
}

/// Changelog records of customers.
fn written(installation: &Installation) -> usize {
    let records = installation.read("-changelog");
    records
        .iter()
        .filter(|record| record.key_text().starts_with("c"))
        .count()
}

#[test]
fn who_was_not_written_is_restored_by_the_triggers_of_then() {
    let Some(broker) = KafkaBroker::shared() else {
        return;
    };
    let installation = installation(broker);
    let publish = |template: &str| {
        let directory = installation.file(template);
        std::fs::create_dir(&directory).expect("a folder");
        for (name, text) in triggers(template) {
            std::fs::write(directory.join(format!("{name}.yaml")), text).expect("a file");
        }
        installation.succeed(&["triggers", "apply", &directory.display().to_string()]);
    };
    publish("first");
    let mut member = installation.start();
    member.wait_until_ready();
    shop(&installation, 0);
    decided(&installation, 1);
    // The first transaction of a process writes all.
    let at_first = written(&installation);
    shop(&installation, 150);
    decided(&installation, 2);
    assert_eq!(written(&installation), at_first, "nobody is written yet");
    let before = profiles(&member);
    member.process.kill9();
    // They say something else, so what was decided by the others must be done again by those.
    publish("second");
    let mut member = installation.start();
    member.wait_until_ready();
    assert_eq!(profiles(&member), before);
    shop(&installation, 300);
    decided(&installation, 3);
    assert!(member.process.terminate(LIMIT).success());
    assert!(
        written(&installation) >= at_first + CUSTOMERS,
        "who ends well writes all"
    );
    let decisions: Vec<String> = installation
        .read("decisions")
        .iter()
        .map(OwnedRecord::text)
        .collect();
    assert_eq!(
        sorted(installation.replayed()),
        sorted(decisions),
        "the journal replays it"
    );
}

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}

#[test]
fn without_the_triggers_of_then_a_task_refuses_and_says_what_to_do() {
    let Some(broker) = KafkaBroker::shared() else {
        return;
    };
    let installation = installation(broker);
    let mut member = installation.start();
    member.wait_until_ready();
    shop(&installation, 0);
    decided(&installation, 1);
    // The first transaction of a process writes all.
    shop(&installation, 150);
    decided(&installation, 2);
    let before = profiles(&member);
    member.process.kill9();
    for (name, text) in triggers("second") {
        let path = installation.file("triggers").join(format!("{name}.yaml"));
        std::fs::write(path, text).expect("a file");
    }
    let mut member = installation.start();
    wait_until("the tasks to refuse", LIMIT, || {
        member
            .process
            .output()
            .contains("start once with those triggers")
    });
    assert!(member.process.terminate(Duration::from_secs(30)).success());
    for (name, text) in triggers("first") {
        let path = installation.file("triggers").join(format!("{name}.yaml"));
        std::fs::write(path, text).expect("a file");
    }
    let member = installation.start();
    member.wait_until_ready();
    assert_eq!(profiles(&member), before);
}
