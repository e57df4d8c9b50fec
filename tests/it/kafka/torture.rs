//! Faults of every kind, drawn from a seed, while two processes work under load on a broker of their own; and what is true afterwards.
//!
//! `./dev torture --faults N` runs as many as it is told (`MOMENTS_FAULTS`, `MOMENTS_SEED`), and writes a report where
//! `MOMENTS_REPORT` says. Deliberately absent: a coordinator that moves, which takes more brokers than one; that one is killed moves all
//! of its coordinators to their next life.

mod faults;
mod load;
mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use serde_json::Value;

use self::faults::{Fault, World};
use self::load::Load;
use self::wire::Wire;
use super::fault::checks;
use super::fault::run::{customers, number, seeded};
use super::installation::{Installation, LIMIT, Member};
use crate::support::broker::KafkaBroker;
use crate::support::kafka::OwnedRecord;
use crate::support::wait_until;

const PARTITIONS: i32 = 4;
/// Those of a short run: what takes no more than some seconds, each once.
const SHORT: usize = 8;
/// Until everything is answered again.
const RECOVERY: Duration = Duration::from_secs(120);

const TRIGGERS: [(&str, &str); 2] = [
    (
        "beat",
        "trigger: beat\nmoment: { event: Product Viewed }\n\
         treatments: [{ channel: onsite, template: t, data: { beat: event.product_id } }]\npolicy: { good_for: 3650d }\n",
    ),
    (
        "left",
        "trigger: left\nmoment: { absence: { of: Order Completed, after: Product Added, within: 30m } }\n\
         treatments: [{ channel: onsite, template: left }]\npolicy: { good_for: 3650d }\n",
    ),
];
const CONFIG: &str = "[time]\nclock = \"event\"\nidle_delay = \"300ms\"\n[kafka.producer]\n\"transaction.timeout.ms\" = 6000\n";

fn installation(broker: &'static KafkaBroker) -> Installation {
    let installation = Installation::new(broker, PARTITIONS, &TRIGGERS, CONFIG);
    installation.create_topics();
    installation
}

/// Every process is ready, and each task has one of them.
fn all_are_back(members: &[Member]) -> bool {
    let mut owned: BTreeMap<i64, usize> = BTreeMap::new();
    for member in members {
        if member
            .get("/health/ready")
            .is_none_or(|(status, _)| status != 200)
        {
            return false;
        }
        let Some((_, body)) = member.get("/api/v1/tasks") else {
            return false;
        };
        let body: Value = serde_json::from_str(&body).expect("JSON");
        let tasks = body["items"].as_array().expect("tasks");
        if tasks.is_empty() {
            return false;
        }
        for task in tasks {
            *owned
                .entry(task["partition"].as_i64().expect("a number"))
                .or_default() += 1;
        }
    }
    owned.len() == usize::try_from(PARTITIONS).expect("small")
        && owned.values().all(|count| *count == 1)
}

#[test]
fn whatever_happens_everything_is_decided_once() {
    let wires = [Wire::new(), Wire::new()];
    let Some(broker) = KafkaBroker::start_behind([wires[0].port, wires[1].port]) else {
        return;
    };
    // Ended by its pipe, with this process.
    let broker: &'static KafkaBroker = Box::leak(Box::new(broker));
    for (wire, port) in wires.iter().zip(broker.behind()) {
        wire.lead_to(port);
    }
    let mut random = seeded();
    let asked = number("MOMENTS_FAULTS").map(|faults| usize::try_from(faults).expect("small"));
    let installation = installation(broker);
    let mut world = World::new(broker, &installation, wires);
    world.members.iter().for_each(Member::wait_until_ready);
    let load = Load::start(&installation, PARTITIONS);
    let mut took: BTreeMap<Fault, Vec<Duration>> = BTreeMap::new();
    let began = Instant::now();
    for round in 0..asked.unwrap_or(SHORT) {
        let fault = match asked {
            Some(_) => Fault::ALL[random.below(Fault::ALL.len())],
            None => Fault::ALL[round],
        };
        let victim = random.below(2);
        wait_until("an answer before the fault", RECOVERY, || {
            load.answered_after(Instant::now() - Duration::from_secs(5))
                .is_some()
        });
        let from = world.suffer(fault, victim);
        let mut answered = None;
        wait_until("everything to be answered again", RECOVERY, || {
            world.begin_those_that_ended();
            answered = answered.or_else(|| load.answered_after(from));
            answered.is_some() && all_are_back(&world.members)
        });
        let unavailable = answered.map_or(Duration::ZERO, |at| at.saturating_duration_since(from));
        eprintln!(
            "{:?}: {fault:?} of {victim}: {unavailable:?}",
            began.elapsed()
        );
        took.entry(fault).or_default().push(unavailable);
    }
    let events = load.end();
    holds(&installation, world, &events);
    let report = report(&took, events.len());
    eprintln!("{report}");
    if let Ok(path) = std::env::var("MOMENTS_REPORT") {
        std::fs::write(path, report).expect("a report");
    }
    broker.signal("KILL");
}

/// Decisions equal the journal's replay and a plain rehearsal; each task's transactions follow each other; the state that was live is the
/// one that is restored.
fn holds(installation: &Installation, world: World<'_>, events: &[super::fault::events::Event]) {
    let mut sorted = events.to_vec();
    sorted.sort_by_key(|event| event.time_ms);
    let expected = checks::rehearsed(installation, &sorted);
    let mut decided = BTreeSet::new();
    wait_until("everything to be decided", RECOVERY, || {
        let records = installation.read("decisions");
        let texts: Vec<String> = records.iter().map(OwnedRecord::text).collect();
        decided = checks::moments(texts.iter().map(String::as_str));
        decided.is_superset(&expected)
    });
    let mut ids: Vec<String> = events.iter().map(|event| event.customer.clone()).collect();
    ids.sort_unstable();
    ids.dedup();
    ids.retain(|id| id.starts_with('c'));
    let sample: Vec<String> = ids.iter().step_by(ids.len() / 100 + 1).cloned().collect();
    let live = customers(&world.members, &sample);
    for member in world.members {
        let mut member = member;
        assert!(member.process.terminate(LIMIT).success());
    }
    let restored = [installation.start()];
    restored[0].wait_until_ready();
    for (was, is) in live.iter().zip(customers(&restored, &sample)) {
        assert_eq!(*was, is, "the state that was live, and what was restored");
    }
    let [mut restored] = restored;
    assert!(restored.process.terminate(LIMIT).success());
    let decided = checks::committed(installation, &["onsite"]);
    let found = checks::moments(decided.iter().map(String::as_str));
    // An order that the broker took late, after its basket counted as left, is the only thing that may be decided beyond.
    let ordered: BTreeSet<String> = events
        .iter()
        .filter(|event| event.topic == "purchase")
        .map(|event| format!("\"{}\"", event.customer))
        .collect();
    for moment in found.difference(&expected) {
        assert!(ordered.contains(&moment[1]), "too many: {moment:?}");
    }
    let none = expected.difference(&found).next();
    assert_eq!(none, None, "missing");
    let mut last: BTreeMap<i32, u64> = BTreeMap::new();
    for line in installation.read("-journal") {
        let value: Value = serde_json::from_str(&line.text()).expect("JSON");
        let transaction = value["transaction"].as_u64().expect("a number");
        let before = last.insert(line.partition, transaction).unwrap_or(0);
        assert_eq!(
            transaction,
            before + 1,
            "one owner commits after the other: {}",
            line.text()
        );
    }
}

fn report(took: &BTreeMap<Fault, Vec<Duration>>, events: usize) -> String {
    let count: usize = took.values().map(Vec::len).sum();
    let mut text = format!(
        "{count} faults, {events} events; seconds until every partition answered, from what is said on:\n\n\
         | fault | times | counted from | median | p99 | max |\n|---|---|---|---|---|---|\n"
    );
    for (fault, all) in took {
        let mut all = all.clone();
        all.sort_unstable();
        let at = |percent: usize| all[(all.len() * percent / 100).min(all.len() - 1)].as_secs_f64();
        let (words, from) = fault.words();
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "| {words} | {} | {from} | {:.1} | {:.1} | {:.1} |",
            all.len(),
            at(50),
            at(99),
            at(100)
        );
    }
    text
}
