//! `moments rehearse` over real data gives the numbers that were computed elsewhere (pandas, SQL):
//! counts, not estimates. What scripts read of it, its JSON and its decisions, is held with them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::data::{fixture, open, otto, retail, shared_data};

/// Trigger files, with no other purpose than to count moments.
const TRIGGERS: &[(&str, &str)] = &[
    (
        "cart_no_order_30m_last",
        "absence: { of: Order Completed, after: Product Added, within: 30m }",
    ),
    (
        "cart_no_order_24h_last",
        "absence: { of: Order Completed, after: Product Added, within: 24h }",
    ),
    (
        "cart_no_order_30m_first",
        "absence: { of: Order Completed, after: Product Added, within: 30m, from: first }",
    ),
    (
        "cart_no_order_24h_first",
        "absence: { of: Order Completed, after: Product Added, within: 24h, from: first }",
    ),
    (
        "cart_no_order_24h_per_product_last",
        "absence: { of: Order Completed, after: Product Added, within: 24h, per: event.product_id }",
    ),
    (
        "click_no_cart_or_order_30m_last",
        "absence: { of: [Product Added, Order Completed], after: Product Viewed, within: 30m }",
    ),
    (
        "click_no_cart_or_order_24h_last",
        "absence: { of: [Product Added, Order Completed], after: Product Viewed, within: 24h }",
    ),
    (
        "click_no_cart_or_order_24h_first",
        "absence: { of: [Product Added, Order Completed], after: Product Viewed, within: 24h, from: first }",
    ),
    (
        "frequency_drop",
        "baseline: { of: Order Completed, measure: gap, history_min: 4, deviations: 2 }",
    ),
    (
        "frequency_drop_exact",
        "baseline: { of: Order Completed, measure: gap, by: exact, history_min: 4, deviations: 2 }",
    ),
    (
        "falling_ticket",
        "baseline: { of: Order Completed, measure: value, value: event.total, history_min: 6, ratio: { last: 3, below: 0.7 } }",
    ),
    (
        "win_back_60d",
        "event: { name: Order Completed, where: 'days_between(previous.last_order, event.time) > 60' }",
    ),
    (
        "win_back_90d",
        "event: { name: Order Completed, where: 'days_between(previous.last_order, event.time) > 90' }",
    ),
    (
        "win_back_180d",
        "event: { name: Order Completed, where: 'days_between(previous.last_order, event.time) > 180' }",
    ),
    (
        "inactivity_60d",
        "inactivity: { of: Order Completed, for: 60d }",
    ),
    (
        "inactivity_90d",
        "inactivity: { of: Order Completed, for: 90d }",
    ),
    (
        "inactivity_180d",
        "inactivity: { of: Order Completed, for: 180d }",
    ),
];

/// Session 0 is somebody there.
const CONFIGURATION: &[u8] = b"[profiles]\nplaceholder_ids = []\n";

/// A rehearsal by the command line: the printed summary and the decisions it wrote.
struct Rehearsal {
    summary: Value,
    decisions: Vec<Value>,
}

struct Bench {
    dir: TempDir,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let triggers = dir.path().join("triggers");
        fs::create_dir(&triggers).expect("a folder");
        for (name, moment) in TRIGGERS {
            let name = name.replace('_', "-");
            let text = format!(
                "trigger: {name}\nstage: engagement\nabout: counts moments\nmoment:\n  {moment}\ntreatments:\n  - {{ channel: email, template: none }}\n"
            );
            fs::write(triggers.join(format!("{name}.yaml")), text).expect("a trigger file");
        }
        Self { dir }
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::write(&path, bytes).expect("a file of events");
        path
    }

    fn rehearse(&self, events: &[PathBuf]) -> Rehearsal {
        let out = self.dir.path().join("decisions.jsonl");
        let output = Command::new(env!("CARGO_BIN_EXE_moments"))
            .args(["rehearse", "--format", "json", "--config"])
            .arg(self.file("moments.toml", CONFIGURATION))
            .arg("--triggers")
            .arg(self.dir.path().join("triggers"))
            .arg("--out")
            .arg(&out)
            .args(events)
            .output()
            .expect("moments runs");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let lines = fs::read_to_string(&out).expect("the decisions");
        Rehearsal {
            summary: serde_json::from_slice(&output.stdout).expect("one JSON object"),
            decisions: lines
                .lines()
                .map(|line| serde_json::from_str(line).expect("JSON"))
                .collect(),
        }
    }
}

impl Rehearsal {
    fn trigger(&self, name: &str) -> &Value {
        let name = name.replace('_', "-");
        let triggers = self.summary["triggers"].as_array().expect("triggers");
        triggers
            .iter()
            .find(|t| t["trigger"] == json!(name))
            .expect("the trigger")
    }

    fn of(&self, name: &str) -> impl Iterator<Item = &Value> {
        let name = json!(name.replace('_', "-"));
        self.decisions
            .iter()
            .filter(move |decision| decision["trigger"] == name)
    }

    /// What came true, whenever it was decided.
    fn moments(&self) -> BTreeSet<[String; 4]> {
        let names = ["trigger", "customer", "occurrence", "moment_at"];
        self.decisions
            .iter()
            .map(|decision| names.map(|name| decision[name].to_string()))
            .collect()
    }

    /// Every number of `expected` that a trigger of the same name has.
    fn check(&self, expected: &Value) -> usize {
        let mut checked = 0;
        for (name, _) in TRIGGERS {
            let Some(expected) = expected.get(name) else {
                continue;
            };
            let trigger = self.trigger(name);
            for count in ["moments", "customers", "open"] {
                if let Some(expected) = expected.get(count) {
                    assert_eq!(&trigger[count], expected, "{count} of {name}");
                }
            }
            let treated = trigger["treatments"].as_u64().expect("a count");
            let refused: u64 = trigger["refused"]
                .as_object()
                .expect("reasons")
                .values()
                .filter_map(Value::as_u64)
                .sum();
            assert_eq!(
                json!(treated + refused),
                trigger["moments"],
                "every moment of {name} is decided"
            );
            assert_eq!(
                json!(self.of(name).count()),
                trigger["moments"],
                "decisions of {name}"
            );
            if let Some(list) = expected.get("list") {
                self.check_list(name, list.as_array().expect("a list"));
            }
            checked += 1;
        }
        checked
    }

    fn check_list(&self, name: &str, expected: &[Value]) {
        let times: BTreeSet<(String, i64)> = self
            .of(name)
            .map(|decision| {
                let at: jiff::Timestamp = decision["moment_at"]
                    .as_str()
                    .expect("text")
                    .parse()
                    .expect("a time");
                (
                    decision["customer"].as_str().expect("text").to_owned(),
                    at.as_millisecond(),
                )
            })
            .collect();
        let expected: BTreeSet<(String, i64)> = expected
            .iter()
            .map(|row| {
                (
                    row[0].as_str().expect("text").to_owned(),
                    row[2].as_i64().expect("ms"),
                )
            })
            .collect();
        assert_eq!(times, expected, "moments of {name}");
    }
}

fn expected(of: &str) -> Value {
    let text = fs::read_to_string(fixture("expected.json")).expect("expected.json");
    let all: Value = serde_json::from_str(&text).expect("JSON");
    all[of].clone()
}

#[test]
fn otto_absences() {
    let bench = Bench::new();
    let mut events = Vec::new();
    otto::convert(open(&fixture(otto::FILE)).expect("fixture"), &mut events).expect("converted");
    let whole = bench.rehearse(&[bench.file("all.jsonl", &events)]);
    let expected = expected("otto");
    assert_eq!(whole.summary["events"], expected["events"]);
    assert_eq!(whole.summary["customers"], expected["customers"]);
    assert_eq!(whole.summary["until"], json!("2022-08-28T21:59:57.885Z"));
    assert_eq!(whole.check(&expected), 8);

    // The same in one file a topic: merged as a task merges, to the same decisions.
    otto::convert_to_topics(
        open(&fixture(otto::FILE)).expect("fixture"),
        bench.dir.path(),
    )
    .expect("converted");
    let files = otto::TOPIC_FILES.map(|name| bench.dir.path().join(name));
    let merged = bench.rehearse(&files);
    assert_eq!(merged.check(&expected), 8);
    assert!(
        merged.moments() == whole.moments(),
        "the same moments, however the topics lie"
    );
}

#[test]
fn online_retail_sample() {
    check_retail(&fixture(retail::SAMPLE), &expected("retail_sample"));
}

#[test]
fn online_retail_full() {
    let Some(path) = shared_data(retail::FILE) else {
        return;
    };
    check_retail(&path, &expected("retail_full"));
}

fn check_retail(path: &Path, expected: &Value) {
    let bench = Bench::new();
    let mut events = Vec::new();
    retail::convert(open(path).expect("data"), &mut events).expect("converted");
    let rehearsal = bench.rehearse(&[bench.file("purchase.jsonl", &events)]);
    assert_eq!(rehearsal.summary["events"], expected["orders"]);
    assert_eq!(rehearsal.summary["customers"], expected["customers"]);
    assert_eq!(rehearsal.check(expected), 9);
    for (day, counts) in expected["eligible_overdue"].as_object().expect("days") {
        assert_eq!(
            &eligible_overdue(&bench, &events, day),
            counts,
            "eligible / overdue on {day}"
        );
    }
}

/// Customers with at least four gaps at the end of a day, and of those the ones whose silence is
/// longer than their rhythm explains: the deadline after their last order has come true.
fn eligible_overdue(bench: &Bench, events: &[u8], day: &str) -> Value {
    let text = std::str::from_utf8(events).expect("text");
    let time = |line: &str| -> String {
        let event: Value = serde_json::from_str(line).expect("JSON");
        event["timestamp"].as_str().expect("text")[..10].to_owned()
    };
    let past: Vec<&str> = text
        .lines()
        .filter(|line| time(line).as_str() <= day)
        .collect();
    // An event of nobody in particular takes time to the last instant of the day.
    let last = format!(
        r#"{{"type":"track","event":"Product Viewed","userId":"nobody","messageId":"end","timestamp":"{day}T23:59:59Z"}}"#
    );
    let file = bench.file(
        "purchase.jsonl",
        format!("{}\n{last}\n", past.join("\n")).as_bytes(),
    );
    let rehearsal = bench.rehearse(&[file]);
    let mut last_order = BTreeMap::new();
    for line in &past {
        let event: Value = serde_json::from_str(line).expect("JSON");
        last_order.insert(
            event["userId"].clone().to_string(),
            event["messageId"].clone(),
        );
    }
    let overdue = rehearsal
        .of("frequency_drop")
        .filter(|decision| decision["occurrence"] == last_order[&decision["customer"].to_string()])
        .count();
    let open = rehearsal.trigger("frequency_drop")["open"]
        .as_u64()
        .expect("a count");
    json!([open + overdue as u64, overdue])
}
