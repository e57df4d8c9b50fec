//! Whose clock moves time: one customer's wrong clock changes nobody else's moments, and silence proves no more than a later event.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use moments::time::Timestamp;
use serde_json::{Value, json};
use tempfile::TempDir;

/// 2026-03-02 at 10:00.
const START: i64 = 1_772_445_600_000;
const MINUTE: i64 = 60_000;
const DAY: i64 = 24 * 60 * MINUTE;

const BASKET: &str = "trigger: basket\nmoment: { absence: { of: Order Completed, after: Product Added, within: 30m } }\n\
    treatments: [{ channel: onsite, template: basket }]\npolicy: { good_for: 1d }\n";

/// An event, and where it stands.
#[derive(Clone)]
struct Told {
    customer: String,
    name: &'static str,
    time: i64,
    /// When it was appended, and who said so.
    appended: Option<(i64, Option<&'static str>)>,
}

fn told(customer: &str, name: &'static str, time: i64) -> Told {
    Told {
        customer: customer.to_owned(),
        name,
        time,
        appended: None,
    }
}

impl Told {
    fn line(&self, number: usize) -> String {
        let event = json!({"event": self.name, "userId": self.customer, "messageId": format!("m{number}"),
            "timestamp": Timestamp(self.time).to_string(), "properties": {"product_id": "p", "order_id": format!("o{number}")}});
        match self.appended {
            None => event.to_string(),
            Some((at, by)) => {
                let mut line = json!({"topic": "cart", "partition": 0, "offset": number, "ts": at,
                    "key": self.customer, "payload": event.to_string()});
                if let Some(by) = by {
                    line["tstype"] = by.into();
                }
                line.to_string()
            }
        }
    }
}

/// The decisions of a rehearsal over one file: customer, reason or `treat`, minutes from the start to the moment and to the decision.
fn rehearsed(trigger: &str, config: &str, events: &[Told]) -> Vec<(String, String, i64, i64)> {
    let folder = TempDir::new().expect("a folder");
    let file = |name: &str| folder.path().join(name).display().to_string();
    fs::write(file("basket.yaml"), trigger).expect("a trigger");
    fs::write(file("moments.toml"), config).expect("a configuration");
    let mut lines = String::new();
    for (number, event) in events.iter().enumerate() {
        // Writing to a string does not fail.
        let _ = writeln!(lines, "{}", event.line(number));
    }
    fs::write(file("cart.jsonl"), lines).expect("events");
    let output = Command::new(env!("CARGO_BIN_EXE_moments"))
        .args([
            "rehearse",
            "--config",
            &file("moments.toml"),
            "--triggers",
            &file("basket.yaml"),
        ])
        .args(["--out", &file("out.jsonl"), &file("cart.jsonl")])
        .output()
        .expect("moments runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let decisions = fs::read_to_string(file("out.jsonl")).expect("decisions");
    let minutes = |decision: &Value, name: &str| {
        let at = Timestamp::parse(decision[name].as_str().expect("a time")).expect("a time");
        (at.0 - START) / MINUTE
    };
    let read = |line: &str| {
        let decision: Value = serde_json::from_str(line).expect("JSON");
        let text = |name: &str| decision[name].as_str().map(str::to_owned);
        (
            text("customer").expect("a customer"),
            text("reason").unwrap_or("treat".to_owned()),
            minutes(&decision, "moment_at"),
            minutes(&decision, "decided_at"),
        )
    };
    decisions.lines().map(read).collect()
}

/// Ten customers an hour for two days; each third buys within the half hour.
fn shop(appended: impl Fn(i64) -> Option<(i64, Option<&'static str>)>) -> Vec<Told> {
    let mut all = Vec::new();
    for number in 0..480 {
        let (customer, at) = (format!("c{number}"), START + number * 6 * MINUTE);
        all.push(told(&customer, "Product Added", at));
        if number % 3 == 0 {
            all.push(told(&customer, "Order Completed", at + 20 * MINUTE));
        }
    }
    all.sort_by_key(|event| event.time);
    for event in &mut all {
        event.appended = appended(event.time + 100);
    }
    all
}

/// One customer's event in the midst bears another time: everybody else's moments are as if it were not there.
#[test]
fn one_wrong_clock_changes_nobody_elses_moments() {
    let by = |by: Option<&'static str>| move |at| Some((at, by));
    for (what, events, ahead) in [
        ("a plain file, a year ahead", shop(|_| None), 365 * DAY),
        ("a plain file, an hour ahead", shop(|_| None), 60 * MINUTE),
        (
            "a plain file, five minutes ahead",
            shop(|_| None),
            5 * MINUTE,
        ),
        ("a recording, three months ahead", shop(by(None)), 90 * DAY),
        (
            "a recording that brokers stamped",
            shop(by(Some("logappend"))),
            90 * DAY,
        ),
        (
            "a recording that producers stamped",
            shop(by(Some("create"))),
            90 * DAY,
        ),
    ] {
        for config in ["", "[time]\nclock = \"event\"\n"] {
            let wrong = events.len() / 2;
            let (mut with, mut without) = (events.clone(), events.clone());
            without.remove(wrong);
            with[wrong].customer = "wrong".to_owned();
            with[wrong].time += ahead;
            let of_others = |events: &[Told]| {
                let all = rehearsed(BASKET, config, events);
                let others = all.into_iter().filter(|(customer, ..)| customer != "wrong");
                others.collect::<Vec<_>>()
            };
            let (with, without) = (of_others(&with), of_others(&without));
            assert!(with.len() > 250, "{what}: {}", with.len());
            let moments = |all: &[(String, String, i64, i64)]| {
                let moments = all
                    .iter()
                    .map(|(customer, reason, at, _)| (customer.clone(), reason.clone(), *at));
                moments.collect::<Vec<_>>()
            };
            assert_eq!(moments(&with), moments(&without), "{what} {config}");
        }
    }
}

/// The broker's stamp bounds an event's own time, too: her basket is not left in three months, but half an hour from now.
#[test]
fn no_event_happens_after_it_was_appended() {
    let mut events = shop(|at| Some((at, Some("logappend"))));
    let wrong = events.len() / 2;
    events[wrong] = Told {
        customer: "wrong".to_owned(),
        name: "Product Added",
        time: events[wrong].time + 90 * DAY,
        ..events[wrong].clone()
    };
    let (appended, _) = events[wrong].appended.expect("stamped");
    let decided = rehearsed(BASKET, "", &events);
    let hers: Vec<_> = decided
        .iter()
        .filter(|(customer, ..)| customer == "wrong")
        .collect();
    let at = (appended + 1_000 - START) / MINUTE + 30;
    assert_eq!(hers.len(), 1);
    assert_eq!((hers[0].1.as_str(), hers[0].2), ("treat", at));
}

/// A rehearsal's clock stops at each deadline, so nothing is refused as expired that would have been sent live.
#[test]
fn sparse_orders_are_decided_when_they_would_have_been() {
    let drop = "trigger: basket\nmoment: { baseline: { of: Order Completed, measure: gap, history_min: 3, deviations: 2 } }\n\
        treatments: [{ channel: onsite, template: drop }]\npolicy: { good_for: 1d }\n";
    let month = |customer: &str, from: i64, count: i64| {
        let orders = (0..count).map(move |number| from + number * 30 * DAY + number % 2 * DAY);
        orders
            .map(|at| told(customer, "Order Completed", at))
            .collect::<Vec<_>>()
    };
    let mut events = month("ana", START, 6);
    events.extend(month("ben", START + 7 * DAY, 12));
    events.sort_by_key(|event| event.time);
    let decided = rehearsed(drop, "", &events);
    let hers: Vec<_> = decided
        .iter()
        .filter(|(customer, ..)| customer == "ana")
        .collect();
    assert_eq!(hers.len(), 1, "{decided:?}");
    let (_, reason, at, decided_at) = hers[0];
    assert_eq!(reason, "treat");
    assert!(
        (0..=2).contains(&(decided_at - at)),
        "a minute of lateness after it: {hers:?}"
    );
}

/// As silence does live, at the lateness and the delay after the deadline.
#[test]
fn a_rehearsal_decides_at_each_deadline_on_the_way() {
    let events = [
        told("ana", "Product Added", START),
        told("ben", "Product Added", START + 300 * MINUTE),
    ];
    for (config, decided_at) in [
        ("", 31),
        ("[topics]\ncart.lateness = \"10m\"\n", 40),
        ("[topics]\npurchase.lateness = \"10m\"\n", 40),
    ] {
        let decided = rehearsed(BASKET, config, &events);
        assert_eq!(
            decided,
            [("ana".to_owned(), "treat".to_owned(), 30, decided_at)],
            "{config}"
        );
    }
}
