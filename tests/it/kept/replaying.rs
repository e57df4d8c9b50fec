//! The kept journal, replayed over the kept records by this build: the kept decisions, byte for byte.

use std::fs;
use std::process::Command;

use super::fixture::{DECISIONS, INPUTS, JOURNAL, Kept, directory};
use super::without_baskets;
use crate::support::kafka::OwnedRecord;

#[test]
fn the_kept_journal_replays_to_the_kept_decisions() {
    let kept = Kept::load();
    let dir = tempfile::tempdir().expect("a temporary folder");
    let file = |name: &str| dir.path().join(name);
    let write = |name: &str, lines: Vec<String>| {
        fs::write(file(name), lines.join("\n") + "\n").expect("a file");
    };
    let inputs = kept.log.iter();
    let inputs = inputs.filter(|it| INPUTS.contains(&it.topic.as_str()));
    write(
        "events.jsonl",
        inputs.map(super::fixture::Record::line).collect(),
    );
    let text = |record: &OwnedRecord| record.text();
    let texts = |topic| -> Vec<String> { kept.of(topic).map(|it| text(&it.record)).collect() };
    // The log is in order of partitions: task by task.
    write("journal.jsonl", texts(JOURNAL));
    let published = kept.published();
    write(
        "published.jsonl",
        published.iter().map(ToString::to_string).collect(),
    );
    fs::create_dir(file("triggers")).expect("a folder");
    kept.write_triggers(&file("triggers"));
    let output = Command::new(env!("CARGO_BIN_EXE_moments"))
        .current_dir(dir.path())
        .args([
            "rehearse",
            "--journal",
            "journal.jsonl",
            "--published",
            "published.jsonl",
        ])
        .args([
            "--triggers",
            "triggers",
            "--out",
            "replayed.jsonl",
            "--config",
        ])
        .arg(directory().join("moments.toml"))
        .arg("events.jsonl")
        .output()
        .expect("moments runs");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    let replayed = fs::read_to_string(file("replayed.jsonl")).expect("decisions");
    let replayed = replayed
        .lines()
        .filter(|line| !is_of_a_record_refused_then(line));
    let (taken_back, replayed): (Vec<&str>, Vec<&str>) = replayed.partition(|it| takes_back(it));
    // Nothing was taken back then; by the same journal this build takes back what waits to be carried out for those who are erased.
    let of = |who: &str| format!("{{\"customer\":\"{who}\",\"trigger\":\"kept-backfill\"");
    let by_whom = taken_back.iter().zip(["eva", "erik"].map(of));
    assert!(by_whom.into_iter().all(|(line, of)| line.starts_with(&of)));
    assert_eq!(taken_back.len(), 2);
    let replayed: Vec<String> = replayed.into_iter().map(without_baskets).collect();
    let kept: Vec<String> = texts(DECISIONS)
        .iter()
        .map(|it| without_baskets(&read_now(it)))
        .collect();
    assert_eq!(replayed, kept);
}

/// Whether it is a withdrawal.
fn takes_back(decision: &str) -> bool {
    let read: serde_json::Value = serde_json::from_str(decision).expect("a decision");
    read["decision"] == "withdraw"
}

/// An order below 0 was a dead letter then, and so nothing was decided of it.
fn is_of_a_record_refused_then(decision: &str) -> bool {
    decision.starts_with(r#"{"customer":"bad","#)
        && decision.contains(r#""time":"2060-04-01T10:00:00.000Z""#)
}

/// What is read otherwise than then: an address is taken whole, its `postal_code` too.
fn read_now(decision: &str) -> String {
    decision.replace("1-2 Ginza, Tokyo, JP", "1-2 Ginza, 104-0061, Tokyo, JP")
}
