//! The table of what can break, in `docs/operations.md`: it names only lines, metrics, alerts, statuses and answers that there are.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use moments::telemetry::metrics::METRICS;

use super::{path, read};

const HEADING: &str = "## What can break, and what is seen of it";
/// The rows that must be there, by a word of each.
const ROWS: [&str; 22] = [
    "no broker answers at the start",
    "no broker answers later",
    "wrong password",
    "a right is missing",
    "a topic is missing",
    "topics of other sizes",
    "settings are not fit",
    "is made anew",
    "the changelog is missing",
    "not compacted",
    "cut short",
    "a newer program's",
    "offsets have expired",
    "the registry is down or slow",
    "a command is too large",
    "dead letters takes nothing",
    "trigger files are damaged",
    "disk of a broker is full",
    "a connector died",
    "expression of a trigger fails",
    "memory is short",
    "a transaction hangs",
];
/// They tell of what was decided, or of the alarms themselves, not of what broke.
const OF_OUTCOMES: [&str; 6] = [
    "MomentsAbsent",
    "MomentsCommandsSlow",
    "MomentsCommitsSlow",
    "MomentsExpired",
    "MomentsNoTreatments",
    "MomentsSendingStopped",
];
/// What a process ends with: an error of its own, the watchdog's, SIGKILL's.
const STATUSES: [&str; 3] = ["1", "70", "137"];

/// The sources in one, with the parts of texts that go over lines put together.
fn sources(folder: &Path) -> String {
    let mut all = String::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let found = entry.expect("an entry").path();
        if found.is_dir() {
            all.push_str(&sources(&found));
        } else if found.extension().is_some_and(|it| it == "rs") {
            let text = fs::read_to_string(&found).expect("a source");
            let mut parts = text.split("\\\n");
            all.push_str(parts.next().unwrap_or_default());
            for part in parts {
                all.push_str(part.trim_start());
            }
        }
    }
    all
}

fn rows() -> Vec<Vec<String>> {
    let page = read("docs/operations.md");
    let (_, table) = page.split_once(HEADING).expect("the table");
    let (table, _) = table.split_once("\n## ").expect("an end");
    let lines = table.lines().filter(|line| line.starts_with("| "));
    let cells = |line: &str| {
        let cells = line.trim_matches('|').split(" |");
        cells.map(|cell| cell.trim().to_owned()).collect::<Vec<_>>()
    };
    lines.skip(1).map(cells).collect()
}

/// What stands between two marks.
fn between(text: &str, open: char, close: char) -> impl Iterator<Item = &str> {
    text.split(open)
        .skip(1)
        .filter_map(move |rest| rest.split_once(close).map(|it| it.0))
}

#[test]
fn the_table_of_what_can_break_names_only_what_there_is() {
    let (sources, rows) = (sources(&path("src")), rows());
    let metrics: BTreeSet<&str> = METRICS.iter().map(|metric| metric.name).collect();
    let alerts = read("deploy/prometheus/alerts.yml");
    for row in &rows {
        assert!(row.len() >= 4, "four columns: {row:?}");
        let seen = &row[1];
        for line in between(seen, '“', '”') {
            assert!(sources.contains(line), "no line says “{line}”");
        }
        for name in between(seen, '`', '`').filter(|name| name.starts_with("moments_")) {
            assert!(metrics.contains(name), "no metric {name}");
        }
        let words = seen.split(|c: char| !c.is_ascii_alphanumeric());
        for alert in words.filter(|word| word.starts_with("Moments")) {
            assert!(
                alerts.contains(&format!("alert: {alert}\n")),
                "no alert {alert}"
            );
        }
        for status in seen.split("status ").skip(1) {
            let status = status.split(|c: char| !c.is_ascii_digit()).next();
            assert!(status.is_some_and(|it| STATUSES.contains(&it)), "{row:?}");
        }
    }
    for wanted in ROWS {
        assert!(
            rows.iter().any(|row| row[0].contains(wanted)),
            "no row says {wanted}"
        );
    }
    // Each alert that is of something around a process is in it.
    let all: String = rows.concat().concat();
    for alert in alerts
        .split("alert: ")
        .skip(1)
        .filter_map(|it| it.lines().next())
    {
        let is_of_outcomes = OF_OUTCOMES.contains(&alert);
        assert_ne!(all.contains(alert), is_of_outcomes, "{alert}");
    }
}
