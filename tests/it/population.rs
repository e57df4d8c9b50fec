//! A generated population, rehearsed with the shipped triggers and scored by what is true of it.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

use moments::runtime::murmur2::partition;

use crate::data::open;
use crate::support::broker::KafkaBroker;
use crate::support::kafka::{Isolation, OwnedRecord};
use crate::support::unique;

const TOPICS: [&str; 6] = [
    "cart",
    "clickstream",
    "outcomes",
    "profile",
    "purchase",
    "support",
];

fn moments(arguments: &[&str]) -> Output {
    let output = Command::new(env!("CARGO_BIN_EXE_moments"))
        .args(arguments)
        .output()
        .expect("moments runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}");
    output
}

fn generate(folder: &Path, more: &[&str]) {
    let folder = folder.to_str().expect("a path of text");
    let people = [
        "--shop",
        "everyday",
        "--seed",
        "11",
        "--start",
        "2026-01-05",
    ];
    moments(&[&["generate", "--out", folder], &people[..], more].concat());
}

fn read(path: &Path) -> String {
    std::io::read_to_string(open(path).expect("a file")).expect("text")
}

/// Paths of the files of events in a folder.
fn events(folder: &Path, ending: &str) -> Vec<PathBuf> {
    TOPICS
        .iter()
        .map(|topic| folder.join(format!("{topic}.{ending}")))
        .collect()
}

#[test]
fn triggers_find_what_is_true_and_nothing_else() {
    let dir = TempDir::new().expect("a folder");
    let folder = dir.path().join("shop");
    generate(&folder, &["--customers", "300", "--days", "280"]);
    let truth = dir.path().join("shop-truth.jsonl");
    let triggers = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/triggers");
    let mut arguments = vec!["rehearse", "--format", "json", "--triggers"];
    arguments.push(triggers.to_str().expect("text"));
    arguments.extend(["--truth", truth.to_str().expect("text")]);
    let files = events(&folder, "jsonl");
    arguments.extend(files.iter().map(|file| file.to_str().expect("text")));
    let output = moments(&arguments);
    let summary: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(summary["rejected"], serde_json::json!({}));
    assert_eq!(summary["duplicates"], 0);
    assert_eq!(summary["late"], 0);
    let score = |trigger: &str| {
        let scores = summary["scores"].as_array().expect("scores");
        let score = scores.iter().find(|score| score["trigger"] == trigger);
        let score = score.unwrap_or_else(|| panic!("no score of {trigger}: {summary}"));
        ["moments", "right", "all", "found"].map(|count| score[count].as_u64().expect("a count"))
    };
    println!("{}", summary["scores"]);
    each_comes_true(&summary);
    // Facts: each basket left and each late parcel is found, and no other.
    for (trigger, at_least) in [("abandoned-basket", 2_000), ("late-delivery", 400)] {
        let [moments, right, all, found] = score(trigger);
        assert!(all > at_least, "{trigger}: {all}");
        assert_eq!((moments, right, found), (all, all, all), "{trigger}");
    }
    // Nobody who has lapsed orders again: the customer who did 90 or 180 days ago is always found.
    let [moments, right, all, found] = score("win-back");
    assert_eq!(found, all);
    assert!(right * 2 > moments, "{right} of {moments}");
    let [moments, right, all, found] = score("lapsed");
    assert!(found * 10 > all * 9, "{found} of {all}");
    assert!(right * 10 > moments * 7, "{right} of {moments}");
    // A departure from one's own rhythm is a guess, made sooner: better than chance, worse than certainty.
    let [moments, right, ..] = score("frequency-drop");
    assert!(right * 5 > moments, "{right} of {moments}");
}

/// What comes true of nobody in these 280 days, from a January on, and why.
const ELSEWHERE: [(&str, &str); 5] = [
    (
        "anniversary",
        "who signs up has been here for less than a year",
    ),
    ("back-in-stock", "nothing happens to everybody"),
    ("broadcast-sync", "nothing happens to everybody"),
    ("loyalty-expiry", "what makes her gold counts for a year"),
    ("special-dates", "Christmas is not in it"),
];

/// Every other shipped trigger treats somebody, or counts her where that is all that it does.
fn each_comes_true(summary: &Value) {
    let triggers = summary["triggers"].as_array().expect("triggers");
    assert!(triggers.len() > 40);
    for row in triggers {
        let name = row["trigger"].as_str().expect("a name");
        let did = row["treatments"].as_u64().expect("a count");
        let did = did + row["refused"]["counted"].as_u64().unwrap_or(0);
        let elsewhere = ELSEWHERE.iter().find(|(other, _)| *other == name);
        assert_eq!(did == 0, elsewhere.is_some(), "{row}, {elsewhere:?}");
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes_gzipped_or_not_on_any_number_of_threads() {
    let dir = TempDir::new().expect("a folder");
    let [one, two] = ["one", "two"].map(|name| dir.path().join(name));
    let small = ["--customers", "150", "--days", "20", "--threads"];
    generate(&one, &[&small[..], &["1"]].concat());
    generate(&two, &[&small[..], &["3", "--gzip"]].concat());
    for (plain, gzipped) in events(&one, "jsonl").iter().zip(events(&two, "jsonl.gz")) {
        let text = read(plain);
        assert!(text == read(&gzipped), "{}", plain.display());
        let times: Vec<_> = text.lines().map(time).collect();
        assert!(times.is_sorted() && times.len() > 20, "{}", plain.display());
    }
    let truths = ["one-truth.jsonl", "two-truth.jsonl"].map(|name| read(&dir.path().join(name)));
    assert!(truths[0] == truths[1]);
    // All topics on standard output are the same lines, in order of time.
    let people = [
        "--shop",
        "everyday",
        "--seed",
        "11",
        "--start",
        "2026-01-05",
    ];
    let output = moments(&[&["generate", "--out", "-"], &people[..], &small[..], &["2"]].concat());
    let all = String::from_utf8(output.stdout).expect("text");
    assert!(all.lines().map(time).is_sorted());
    let mut lines: Vec<_> = all.lines().map(str::to_owned).collect();
    let mut files: Vec<_> = events(&one, "jsonl")
        .iter()
        .flat_map(|file| {
            let lines = fs::read_to_string(file).expect("a file");
            lines.lines().map(str::to_owned).collect::<Vec<_>>()
        })
        .collect();
    lines.sort();
    files.sort();
    assert!(lines == files);
    let gzipped = moments(
        &[
            &["generate", "--gzip", "--out", "-"],
            &people[..],
            &small[..],
            &["2"],
        ]
        .concat(),
    );
    let mut text = String::new();
    let mut reader = flate2::read::GzDecoder::new(gzipped.stdout.as_slice());
    reader.read_to_string(&mut text).expect("a stream of gzip");
    assert!(text == all);
}

#[test]
fn times_that_no_event_may_have_are_refused() {
    let dir = TempDir::new().expect("a folder");
    for (start, days, is_taken) in [
        ("1989-12-31", "1", false),
        ("1990-01-01", "1", true),
        ("2099-12-31", "1", true),
        ("2099-12-31", "2", false),
        ("9999-12-30", "2", false),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_moments"))
            .current_dir(dir.path())
            .args(["generate", "--customers", "3", "--out", start])
            .args(["--start", start, "--days", days])
            .output()
            .expect("moments runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.success(), is_taken, "{start}: {said}");
        assert_eq!(said.contains("1990 to 2099"), !is_taken, "{start}: {said}");
    }
}

#[test]
fn kafka_gets_the_same_events_in_the_partitions_of_javas_producers() {
    let Some(broker) = KafkaBroker::shared() else {
        return;
    };
    let prefix = unique("population");
    let topic = |name: &str| format!("{prefix}-{name}");
    let mut names = Vec::new();
    for name in TOPICS {
        broker.create_topic(&topic(name), 4, &[]);
        names.extend([
            "--set".to_owned(),
            format!("topics.{name}.name={}", topic(name)),
        ]);
    }
    let dir = TempDir::new().expect("a folder");
    let folder = dir.path().join("shop");
    let people = ["--customers", "60", "--days", "15"];
    generate(&folder, &people);
    let truth = dir.path().join("kafka-truth.jsonl");
    let mut arguments = vec!["generate", "--shop", "everyday", "--seed", "11"];
    arguments.extend(["--start", "2026-01-05", "--kafka", broker.bootstrap()]);
    arguments.extend(people);
    arguments.extend(["--truth", truth.to_str().expect("text")]);
    arguments.extend(names.iter().map(String::as_str));
    moments(&arguments);
    assert_eq!(read(&truth), read(&dir.path().join("shop-truth.jsonl")));
    for (name, file) in TOPICS.iter().zip(events(&folder, "jsonl")) {
        let mut sent = broker.read_all(&topic(name), Isolation::ReadCommitted);
        for record in &sent {
            let key = record.key_text();
            assert!(record.text().contains(&format!("\"{key}\"")), "{record:?}");
            assert_eq!(record.partition, partition(key.as_bytes(), 4), "{key}");
        }
        sent.sort_by_key(|record| (record.partition, record.offset));
        let times: Vec<_> = sent
            .iter()
            .map(|r| (r.partition, time(&r.text())))
            .collect();
        assert!(times.is_sorted(), "each partition in order of time");
        let mut sent: Vec<_> = sent.iter().map(OwnedRecord::text).collect();
        let mut made: Vec<_> = read(&file).lines().map(str::to_owned).collect();
        sent.sort();
        made.sort();
        assert!(sent == made, "{name}");
    }
    // A topic that is not there is an error, and says what to do.
    let output = Command::new(env!("CARGO_BIN_EXE_moments"))
        .args(["generate", "--days", "5", "--customers", "50"])
        .args(["--kafka", broker.bootstrap()])
        .args([
            "--set",
            &format!("topics.profile.name={}", topic("nowhere")),
        ])
        .output()
        .expect("moments runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(said.contains("`moments topics create`"), "{said}");
}

fn time(line: &str) -> String {
    let event: Value = serde_json::from_str(line).expect("JSON");
    event["timestamp"].as_str().expect("a time").to_owned()
}
