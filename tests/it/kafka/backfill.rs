//! New triggers that are told what history says, on a real Kafka, while the processor runs: the command is killed half way and run again,
//! and what follows is what a rehearsal of all events says.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use moments::engine::Transfer;
use moments::time::Timestamp;
use serde_json::{Value, json};

use super::fault::events::passers_by;
use super::fault::run::produce;
use super::installation::{Installation, LIMIT, Member};
use crate::support::broker::KafkaBroker;
use crate::support::kafka::OwnedRecord;
use crate::support::process::ProcessGuard;
use crate::support::{unique, wait_until};

const PARTITIONS: i32 = 2;
/// Several times as many as are told at once.
const CUSTOMERS: usize = 2_500;
/// 2026-03-02T10:00:00Z.
const BEGIN_MS: i64 = 1_772_445_600_000;
const MINUTE_MS: i64 = 60_000;

const OLD: &str = "trigger: old\nmoment: { event: Signed Up }\ntreatments: none\n";
const NEW: [(&str, &str); 4] = [
    ("old", OLD),
    (
        "loyal",
        "trigger: loyal\nmoment: { threshold: { of: Order Completed, measure: { sum: event.total }, crosses: { at_least: 90 } } }\n\
         treatments: [{ channel: onsite, template: loyal }]\npolicy: { good_for: 3650d }\n",
    ),
    (
        "spent",
        "fact: spent\nof: Order Completed\nmeasure: { sum: event.total }\n",
    ),
    (
        "rich",
        "trigger: rich\nmoment: { event: { name: Order Completed, where: facts.spent >= 90 } }\n\
         treatments: [{ channel: onsite, template: rich }]\npolicy: { good_for: 3650d }\n",
    ),
];

fn time(minute: i64) -> Timestamp {
    Timestamp(BEGIN_MS + minute * MINUTE_MS)
}

/// Everybody orders for 30 at this minute.
fn orders(minute: i64) -> Vec<Value> {
    let order = |number| {
        json!({"type": "track", "event": "Order Completed", "userId": format!("c{number}"), "timestamp": time(minute),
            "messageId": format!("o-{number}-{minute}"), "properties": {"order_id": format!("o-{number}-{minute}"), "total": 30}})
    };
    (0..CUSTOMERS).map(order).collect()
}

fn pass_by(installation: &Installation, minute: i64) {
    produce(installation, &passers_by(PARTITIONS, time(minute).0), false);
}

fn seeds(member: &Member, outcome: &str) -> u64 {
    let (_, metrics) = member.get("/metrics").expect("it answers");
    let of = format!("moments_seeds_total{{outcome=\"{outcome}\"}} ");
    let line = metrics.lines().find_map(|line| line.strip_prefix(&of));
    line.map_or(0, |line| line.parse().expect("a number"))
}

fn answers(installation: &Installation) -> usize {
    let told = installation.read("-identities").into_iter();
    let told = told.filter_map(|record| Transfer::unpack(&record.value?).ok());
    told.filter(|it| it.answer().is_some()).count()
}

/// Whose decision it is, and what of.
fn told(decision: &Value) -> String {
    let parts = ["customer", "trigger", "occurrence", "moment_at", "decision"];
    parts.map(|part| decision[part].to_string()).join(" ")
}

/// The decisions of the new triggers from an instant on.
fn decided<'l>(lines: impl Iterator<Item = &'l str>, from: Timestamp) -> BTreeSet<String> {
    let read = |line| serde_json::from_str::<Value>(line).expect("a decision");
    let since = |it: &Value| it["moment_at"].as_str().and_then(Timestamp::parse) >= Some(from);
    let new = |it: &Value| ["loyal", "rich"].contains(&it["trigger"].as_str().unwrap_or_default());
    lines
        .map(read)
        .filter(|it| new(it) && since(it))
        .map(|it| told(&it))
        .collect()
}

/// The command is refused, and says this.
fn is_refused(installation: &Installation, backfill: &[&str], word: &str) {
    let refused = installation.command(backfill);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains(word), "{said}");
}

/// Waits until what the process measures says so.
fn until_measured(member: &Member, what: &str, says: impl Fn(&str) -> bool) {
    wait_until(what, LIMIT, || {
        let (_, metrics) = member.get("/metrics").expect("it answers");
        says(&metrics)
    });
}

/// Everybody is told, by a command that is killed half way, and by the same again.
fn tell(installation: &Installation, member: &Member, backfill: &[&str]) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_moments"));
    let command = command
        .args(backfill)
        .arg("--config")
        .arg(installation.config());
    let before = answers(installation);
    let mut process = ProcessGuard::spawn(&unique("backfill"), command);
    wait_until("some to have been told", LIMIT, || {
        answers(installation) > before
    });
    process.kill9();
    let half = process.output();
    assert!(!half.contains("taken:"), "it was not through: {half}");
    let said = installation.succeed(backfill);
    assert!(said.contains("have taken it before"), "{said}");
    // What was sent before it was killed may have been taken after the other has looked, and is told once more.
    let taken = seeds(member, "taken");
    assert!(taken >= CUSTOMERS as u64, "{said}");
    let again = installation.succeed(backfill);
    let before = again.lines().find(|it| it.contains("have taken it before"));
    let before = before.and_then(|it| it.split(' ').next()?.parse().ok());
    assert!(before >= Some(CUSTOMERS), "{again}");
    assert_eq!(seeds(member, "taken"), taken, "{again}");
    assert!(
        installation.read("decisions").is_empty(),
        "nothing old is decided"
    );
}

/// The journal replays what was decided, and a rehearsal of all events by the new set says the same from an instant on.
fn says_the_same(installation: &Installation, set: &str, events: &[Value], from: Timestamp) {
    let live = installation.read("decisions");
    let mut live: Vec<String> = live.iter().map(OwnedRecord::text).collect();
    let mut replayed = installation.replayed_with(&["-identities"]);
    live.sort_unstable();
    replayed.sort_unstable();
    assert_eq!(live, replayed, "the journal replays it");

    let [file, out] = ["all.jsonl", "rehearsed.jsonl"].map(|name| installation.file(name));
    let text: String = events.iter().map(|event| format!("{event}\n")).collect();
    fs::write(&file, text).expect("a file");
    let [file, out_path] = [&file, &out].map(|path| path.display().to_string());
    installation.succeed(&["rehearse", "--triggers", set, "--out", &out_path, &file]);
    let rehearsed = fs::read_to_string(&out).expect("decisions");
    let live = decided(live.iter().map(String::as_str), from);
    assert_eq!(live.len(), 2 * CUSTOMERS);
    let rehearsed = decided(rehearsed.lines(), from);
    assert_eq!(live, rehearsed, "so a rehearsal of all says");
}

#[test]
fn who_is_told_what_history_says_goes_on_by_it_though_the_command_is_killed() {
    let Some(broker) = KafkaBroker::shared() else {
        return;
    };
    let extra =
        "identities = \"{id}-identities\"\n[time]\nclock = \"event\"\nidle_delay = \"200ms\"\n";
    let installation = Installation::new(broker, PARTITIONS, &[("old", OLD)], extra);
    installation.create_topics();
    let set = installation.file("new");
    fs::create_dir(&set).expect("a folder");
    for (name, text) in NEW {
        fs::write(set.join(format!("{name}.yaml")), text).expect("a file of the set");
    }
    let set = set.display().to_string();
    let backfill = [
        "backfill",
        "--triggers",
        &set,
        "--trigger",
        "loyal",
        "--topics",
        "--rounds",
        "2",
    ];
    is_refused(&installation, &backfill, "start `moments run`");
    let mut member = installation.start();
    member.wait_until_ready();
    let history = [orders(0), orders(10)].concat();
    installation.produce("purchase", history.clone());
    pass_by(&installation, 120);
    until_measured(&member, "history to be taken", |metrics| {
        let mut lines = metrics.lines();
        let count =
            lines.find_map(|line| line.strip_prefix("moments_events_total{kind=\"events\"} "));
        count.is_some_and(|it| it.parse::<usize>().expect("a number") >= 2 * CUSTOMERS + 4)
    });
    is_refused(&installation, &backfill, "moments triggers apply");
    installation.succeed(&["triggers", "apply", &set]);
    until_measured(&member, "the set to be in force", |metrics| {
        metrics.contains("moments_triggers_revision 1\n")
    });
    tell(&installation, &member, &backfill);

    let third = orders(200);
    installation.produce("purchase", third.clone());
    pass_by(&installation, 400);
    installation.wait_for("decisions", 2 * CUSTOMERS);
    assert!(member.process.terminate(LIMIT).success());
    let all = [history, third].concat();
    says_the_same(&installation, &set, &all, time(200));
}
