//! What must be in the log after a run: every decision and command once, as the journal and a plain rehearsal have them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;

use serde_json::Value;

use super::events::Event;
use crate::kafka::installation::Installation;
use crate::support::kafka::OwnedRecord;

/// Trigger, customer, occurrence, time of a moment.
pub type Moment = [String; 4];

/// The moments that a rehearsal of the events finds, each once.
pub fn rehearsed(installation: &Installation, events: &[Event]) -> BTreeSet<Moment> {
    let mut topics: BTreeMap<&str, String> = BTreeMap::new();
    for event in events {
        // Writing to a string does not fail.
        let _ = writeln!(topics.entry(event.topic).or_default(), "{}", event.line);
    }
    let out = installation.file("plain.out").display().to_string();
    let files: Vec<String> = topics
        .iter()
        .map(|(topic, lines)| {
            let path = installation.file(&format!("{}.jsonl", installation.topic(topic)));
            fs::write(&path, lines).expect("a file of events");
            path.display().to_string()
        })
        .collect();
    let mut arguments = vec!["rehearse", "--out", &out];
    arguments.extend(files.iter().map(String::as_str));
    let output = installation.command(&arguments);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let lines = fs::read_to_string(&out).expect("decisions");
    moments(lines.lines())
}

/// The moments of decisions; none is there twice.
pub fn moments<'a>(lines: impl Iterator<Item = &'a str>) -> BTreeSet<Moment> {
    let mut moments = BTreeSet::new();
    for line in lines {
        let decision: Value = serde_json::from_str(line).expect("JSON");
        let moment = ["trigger", "customer", "occurrence", "moment_at"]
            .map(|name| decision[name].to_string());
        assert!(!moments.contains(&moment), "decided twice: {moment:?}");
        moments.insert(moment);
    }
    moments
}

/// What is decided is what the journal says, byte for byte and in its order, and so are the commands; each is there once.
/// Gives the decisions.
pub fn committed(installation: &Installation, channels: &[&str]) -> Vec<String> {
    let records = installation.read("decisions");
    let decided: Vec<String> = records.iter().map(OwnedRecord::text).collect();
    let replayed = installation.replayed();
    let differs = decided
        .iter()
        .zip(&replayed)
        .position(|(one, other)| one != other);
    if let Some(at) = differs {
        panic!(
            "decision {at}: {}\nthe journal: {}",
            decided[at], replayed[at]
        );
    }
    assert_eq!(
        decided.len(),
        replayed.len(),
        "decisions, and those of the journal"
    );

    let mut ids = BTreeSet::new();
    let mut count = 0;
    for channel in channels {
        let commands = installation.read(&format!("treatments.{channel}"));
        let treated = records
            .iter()
            .zip(&decided)
            .filter(|(_, line)| treats(line, channel));
        let mut commanded = commands.iter();
        for (record, line) in treated {
            let command = commanded.next().expect("a command for each decision");
            assert_eq!(
                (command.partition, &command.key),
                (record.partition, &record.key),
                "{line}"
            );
            let expected = format!("\"treatment\":{}", command.text());
            let end = line.find(&expected).map(|at| at + expected.len());
            let whole = end.is_some_and(|end| line[end..].starts_with([',', '}']));
            assert!(
                whole,
                "the command {}\nis not in the decision {line}",
                command.text()
            );
            let value: Value = serde_json::from_str(&command.text()).expect("JSON");
            assert!(
                ids.insert(value["id"].to_string()),
                "commanded twice: {line}"
            );
            count += 1;
        }
        assert_eq!(
            commanded.next(),
            None,
            "a command without decision in {channel}"
        );
    }
    let all = decided
        .iter()
        .filter(|line| line.contains("\"decision\":\"treat\""))
        .count();
    assert_eq!(count, all, "commands of all channels");
    decided
}

fn treats(line: &str, channel: &str) -> bool {
    let decision: Value = serde_json::from_str(line).expect("JSON");
    decision["treatment"]["channel"] == *channel
}

/// The least that a difference of two sets says.
pub fn assert_same(found: &BTreeSet<Moment>, expected: &BTreeSet<Moment>) {
    let few =
        |one: &BTreeSet<Moment>, other| one.difference(other).take(5).cloned().collect::<Vec<_>>();
    assert!(
        found == expected,
        "{} moments, not {}; missing {:?}, too many {:?}",
        found.len(),
        expected.len(),
        few(expected, found),
        few(found, expected)
    );
}
