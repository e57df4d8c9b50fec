//! Histories with everything that can go wrong, in which customers become one, by twos, in chains and in circles: in one task, or in
//! two, which then tell each other of it.
//!
//! Under which id something is decided depends on when that was seen. That it is decided once, and that what one id did is known of the
//! other from then on, does not.

use std::collections::{BTreeMap, BTreeSet};

use super::crash::{ENGINE_SEEDS, changelog, check, moments, run_seeds, values};
use super::engine;
use super::history::{PARTITIONS, across, topics};
use super::log::{Log, place};
use super::subject::Subject;
use super::world::World;
use moments::event::record::Origin;
use moments::event::{Event, EventName, Position};
use moments::task::core::Count;
use moments::task::customers::Customers;
use moments::task::record::{KEY, TaskRecord};
use moments::time::Timestamp;
use serde_json::Value;

/// They take as long as all others.
const ACROSS_SEEDS: u64 = 60;

/// How long after her basket a reminder is due, if she does not order.
const CART_WITHIN_MS: i64 = 3_000;

/// In one task.
pub fn run<S: Subject>(seed: u64) {
    run_any::<S>(seed);
}

/// In two.
pub fn run_across<S: Subject>(seed: u64) {
    across(|| {
        let world = run_any::<S>(seed);
        for partition in 0..PARTITIONS {
            let record = changelog(&world.log, partition).remove(KEY);
            let record = record.map(|value| TaskRecord::unpack(&value).expect("a record"));
            let tallies = record.unwrap_or_default().tallies;
            for outcome in ["late", "overdue"] {
                let count = tallies.get(&Count::Identities(outcome.into()));
                assert_eq!(count, None, "task {partition}: {outcome}");
            }
        }
    });
}

fn run_any<S: Subject>(seed: u64) -> World<S> {
    let mut world: World<S> = engine::uniting(|| World::new(seed, true, false));
    world.run();
    check(&mut world, false);
    for topic in ["decisions", "treatments"] {
        let (got, _) = moments::<S>(&world.log, topic);
        let mut pairs = got.iter().zip(got.iter().skip(1));
        let twice = pairs.find(|(one, next)| one == next);
        assert_eq!(twice, None, "{topic}: each once");
    }
    let events = events(&world.log);
    let decisions = decisions(&world.log);
    each_review_is_decided_once(&events, &decisions);
    nobody_is_reminded_who_bought(&events, &decisions);
    world
}

/// What customers did.
fn events(log: &Log) -> Vec<Event> {
    let mut events = Vec::new();
    let own = topics()
        .iter()
        .filter(|topic| ["cart", "profile", "purchase"].contains(topic));
    for topic in own {
        for partition in 0..PARTITIONS {
            for (offset, record) in log.committed_records(&place(topic, partition)) {
                let origin = Origin {
                    topic,
                    partition: i32::try_from(partition).expect("few"),
                    position: Position { topic: 0, offset },
                    ..Origin::default()
                };
                let value = record.value.unwrap_or_default();
                let decoded = engine::decoder().decode(&value, &origin);
                events.extend(decoded.ok().map(|decoded| decoded.event));
            }
        }
    }
    events
}

fn decisions(log: &Log) -> Vec<Value> {
    let all = (0..PARTITIONS).flat_map(|partition| values(log, "decisions", partition));
    let all = all.map(|value| serde_json::from_slice(&value).expect("a decision"));
    all.filter(|decision: &Value| decision["decision"] != "withdraw")
        .collect()
}

fn erases(events: &[Event]) -> bool {
    events
        .iter()
        .any(|event| event.name == EventName::CUSTOMER_ERASED)
}

/// What each event itself makes true, under whatever id; of who is erased meanwhile perhaps not.
fn each_review_is_decided_once(events: &[Event], decisions: &[Value]) {
    let mut decided = BTreeSet::new();
    for decision in decisions.iter().filter(|it| it["trigger"] == "review") {
        let occurrence = decision["occurrence"].as_str().expect("text").to_owned();
        assert!(decided.insert(occurrence), "{decision} again");
    }
    let reviews = events
        .iter()
        .filter(|event| event.name == EventName::PRODUCT_REVIEWED);
    let expected: BTreeSet<String> = reviews.map(|event| event.id.to_string()).collect();
    if !erases(events) {
        assert_eq!(decided, expected, "none missing");
    }
}

/// Two ids that are nobody else's are one from the first event on that says so. From then on an order under one of them ends what
/// waits for it under the other.
fn nobody_is_reminded_who_bought(events: &[Event], decisions: &[Value]) {
    if erases(events) {
        return;
    }
    let mut said: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut since: BTreeMap<(&str, &str), Timestamp> = BTreeMap::new();
    for event in events {
        // A device is nobody else's who does anything.
        for former in event.formers.iter().filter(|it| it.is_alias) {
            let (one, other) = (event.customer.as_str(), former.id.as_str());
            for (one, other) in [(one, other), (other, one)] {
                said.entry(one).or_default().insert(other);
                let first = since.entry((one, other)).or_insert(event.time);
                *first = event.time.min(*first);
            }
        }
    }
    for decision in decisions.iter().filter(|it| it["trigger"] == "cart") {
        let customer = decision["customer"].as_str().expect("text");
        let at = decision["moment_at"].as_str().and_then(Timestamp::parse);
        let at = at.expect("a time");
        let Some(other) = said.get(customer).and_then(|others| others.first()) else {
            continue;
        };
        if said[customer].len() > 1 || said[other].len() > 1 {
            continue;
        }
        let ordered = events
            .iter()
            .filter(|event| event.name == EventName::ORDER_COMPLETED);
        let mut ordered = ordered.filter(|event| event.customer == *other);
        let is_one = |event: &Event| since[&(customer, *other)] <= event.time;
        let is_within = |event: &Event| event.time > at.plus(-CART_WITHIN_MS) && event.time <= at;
        let bought = ordered.find(|event| is_one(event) && is_within(event));
        assert_eq!(bought, None, "{decision}, who is {other}");
    }
}

#[test]
fn customers_who_become_one_are_decided_once_whatever_crashes() {
    run_seeds(ENGINE_SEEDS, run::<Customers>);
}

#[test]
fn customers_of_two_tasks_who_become_one_are_decided_once_whatever_crashes() {
    run_seeds(ACROSS_SEEDS, run_across::<Customers>);
}
