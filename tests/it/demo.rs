//! The demo, small and short, as a person would start it; and what it keeps, rehearsed.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use super::support::process::ProcessGuard;

#[test]
fn it_ends_by_itself_has_shown_treatments_and_can_be_rehearsed() {
    let dir = TempDir::new().expect("a folder");
    let path = |name: &str| dir.path().join(name).to_str().expect("text").to_owned();
    let (record, svg) = (path("demo.jsonl"), path("demo.svg"));
    let length = ["demo", "--once", "--seconds", "4", "--customers", "150"];
    let kept = ["--record", &record, "--svg", &svg];
    let mut demo = ProcessGuard::moments("demo", [&length[..], &kept[..]].concat());
    let ended = demo.wait(Duration::from_secs(90));
    let output = demo.output();
    assert!(ended.success(), "{output}");
    check_output(&output);
    let picture = fs::read_to_string(&svg).expect("a picture");
    assert!(picture.contains("moments, a demo") && picture.contains("abandoned-basket"));
    check_rehearsals(dir.path(), &record);
}

fn check_output(output: &str) {
    assert!(output.contains("OTTO dataset"), "{output}");
    assert!(output.contains("kcat -b 127.0.0.1:"), "{output}");
    let all = output.lines().find(|line| line.starts_with("all "));
    let counts: Vec<u64> = all
        .expect("a line of totals")
        .split_whitespace()
        .filter_map(|word| word.replace(',', "").parse().ok())
        .collect();
    let [moments, treated, ..] = counts[..] else {
        panic!("{output}")
    };
    assert!(moments >= treated && treated > 0, "{output}");
    assert!(output.contains("  → "), "a treatment in a story: {output}");
}

/// By its journal the recording gives the decisions that were made, byte for byte. Rehearsed as past events, the same moments
/// come true, and those that time had not come to yet.
fn check_rehearsals(folder: &Path, record: &str) {
    let text = fs::read_to_string(record).expect("a recording");
    let mut decided: Vec<String> = Vec::new();
    for line in text.lines() {
        let line: Value = serde_json::from_str(line).expect("JSON");
        if line["topic"] == "decisions" {
            decided.push(line["payload"].as_str().expect("text").to_owned());
        }
    }
    decided.sort();
    assert!(decided.len() > 500, "{}", decided.len());
    let mut replayed = rehearse(folder, &["--journal", record, record]);
    replayed.sort();
    assert!(
        decided == replayed,
        "{} decided, {} replayed",
        decided.len(),
        replayed.len()
    );
    let (live, rehearsed) = (moments(&decided), moments(&rehearse(folder, &[record])));
    let lost: Vec<_> = live.difference(&rehearsed).collect();
    let [alone, shared] =
        ["1", "3"].map(|threads| rehearse(folder, &["--threads", threads, record]));
    assert!(alone == shared, "by one thread and by three");
    // A record that came late on a busy machine may have cost or given a moment.
    assert!(lost.len() * 100 <= live.len(), "{lost:?}");
    assert!(rehearsed.len() < live.len() + live.len() / 5);
}

fn rehearse(folder: &Path, arguments: &[&str]) -> Vec<String> {
    let out = folder.join("decisions.jsonl");
    let output = Command::new(env!("CARGO_BIN_EXE_moments"))
        .args(["rehearse", "--triggers"])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/triggers"))
        .arg("--out")
        .arg(&out)
        .args(arguments)
        .output()
        .expect("moments runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let text = fs::read_to_string(&out).expect("decisions");
    text.lines().map(str::to_owned).collect()
}

/// What came true, whenever it was decided.
fn moments(decisions: &[String]) -> BTreeSet<[String; 4]> {
    let names = ["trigger", "customer", "occurrence", "moment_at"];
    decisions
        .iter()
        .map(|line| {
            let decision: Value = serde_json::from_str(line).expect("a decision");
            names.map(|name| decision[name].to_string())
        })
        .collect()
}
