//! Two processes crash, hang, lose their group and wake as zombies at every step, by seed. In the end everything must be as if
//! one process had run undisturbed: decided once and committed once, replayed by the journal, restored as it lives.
//!
//! `MOMENTS_SEED=n` runs one seed; `MOMENTS_SEEDS=n` runs so many.

use super::hand::GROUP;
use super::history::{EVERYBODY, PARTITIONS, topics};
use super::log::{Log, Record, place};
use super::subject::{States, Subject};
use super::toy::Toy;
use super::world::World;
use moments::task::core::{Effect, Keep, RawRecord};
use moments::task::customers::Customers;
use moments::task::journal::{Line, Run, Slice};
use moments::task::record::{KEY, TaskRecord};
use moments::time::Timestamp;
use moments::trigger::revision;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Enough to meet each fault at many steps within a few seconds; a night's run takes a million.
const SEEDS: u64 = 200;
/// The engine takes longer.
pub const ENGINE_SEEDS: u64 = 120;

pub fn values(log: &Log, topic: &str, partition: usize) -> Vec<Vec<u8>> {
    let records = log.committed_records(&place(topic, partition)).into_iter();
    records
        .map(|(_, record)| record.value.expect("a value"))
        .collect()
}

/// Up to when each customer is erased.
fn erased<S: Subject>(log: &Log) -> BTreeMap<String, i64> {
    let mut erased = BTreeMap::new();
    let all = (0..PARTITIONS).flat_map(|partition| values(log, "profile", partition));
    for (customer, at) in all.filter_map(|value| S::erasure(&value)) {
        let known = erased.entry(customer).or_insert(at);
        *known = at.max(*known);
    }
    erased
}

/// All decisions, of which, as of the treatments, each is there once.
pub fn decided_once<S: Subject>(log: &Log) -> Vec<Value> {
    for topic in ["decisions", "treatments"] {
        let (got, _) = moments::<S>(log, topic);
        let once: BTreeSet<&String> = got.iter().collect();
        assert_eq!(once.len(), got.len(), "{topic}: each once");
    }
    let decisions = (0..PARTITIONS).flat_map(|it| values(log, "decisions", it));
    let decisions = decisions.map(|it| serde_json::from_slice(&it).expect("a decision"));
    decisions.collect()
}

/// What was decided, without what depends on the run; first what does not, then of who was erased since, or told what happened to
/// everybody.
pub fn moments<S: Subject>(log: &Log, topic: &str) -> (Vec<String>, Vec<String>) {
    let erased = erased::<S>(log);
    let values = (0..PARTITIONS).flat_map(|partition| values(log, topic, partition));
    let (gone, stay): (Vec<_>, Vec<_>) = values.partition(|value| {
        let (customer, at) = S::moment_at(value);
        depends_on_arrival(value) || erased.get(&customer).is_some_and(|until| at <= *until)
    });
    let sorted = |values: Vec<Vec<u8>>| {
        let mut moments: Vec<String> = values.iter().map(|value| S::moment(value)).collect();
        moments.sort_unstable();
        moments
    };
    (sorted(stay), sorted(gone))
}

/// Whether it is of what happened to everybody, and of a customer who may not have been known by then; of a condition that was
/// asked when its event was seen; or takes back, for an erasure, what was out by the time that it came.
fn depends_on_arrival(value: &[u8]) -> bool {
    let text = String::from_utf8_lossy(value);
    let known = text.starts_with('k') || text.contains(r#""customer":"k"#);
    text.contains("told") && !known || text.contains("seen-first") || text.contains(r#""erased""#)
}

/// The last committed value of each key of a changelog.
pub fn changelog(log: &Log, partition: usize) -> States {
    let mut state = BTreeMap::new();
    for (_, Record { key, value, .. }) in log.committed_records(&place("changelog", partition)) {
        let key = key.expect("keyed");
        match value {
            Some(value) => drop(state.insert(key, value)),
            None => drop(state.remove(&key)),
        }
    }
    state
}

/// A record of a report: its key, and its value without when it was written.
fn in_words((key, value): (Vec<u8>, Vec<u8>)) -> (String, Value) {
    let mut value: Value = serde_json::from_slice(&value).expect("JSON");
    value.as_object_mut().expect("an object").remove("as_of");
    (String::from_utf8(key).expect("text"), value)
}

/// The last report of each row.
fn reported(log: &Log, partition: usize) -> BTreeMap<String, Value> {
    let records = log.committed_records(&place("reports", partition));
    let keyed = |record: Record| Some((record.key?, record.value?));
    let records = records.into_iter().filter_map(|(_, record)| keyed(record));
    records.map(in_words).collect()
}

/// What a journal gives.
#[derive(Default)]
struct Replayed {
    decisions: Vec<Vec<u8>>,
    commands: Vec<Vec<u8>>,
    states: States,
}

/// The records of a run, and the number of their topic.
fn taken(log: &Log, partition: usize, run: &Run) -> Vec<(usize, RawRecord)> {
    let mut all = topics().iter();
    let topic = all.position(|name| *name == run.0);
    let topic = topic.expect("an input topic");
    let read = log.read_committed(&place(&run.0, partition), run.1, usize::MAX);
    let records = read.records.into_iter();
    records
        .take_while(|(offset, _)| *offset <= run.2)
        .map(|(offset, Record { key, value, .. })| {
            let raw = RawRecord {
                offset,
                key,
                value,
                ..RawRecord::default()
            };
            (topic, raw)
        })
        .collect()
}

/// Everybody goes over to triggers that change nobody.
fn adopt_unseen<S: Subject>(core: &mut S, plan: &S::Plan, line: &Line) {
    let mut effects = Vec::new();
    let (mut from, mut done) = (0, false);
    while !done {
        let adopted = core.adopt(plan, from, line.now, &mut effects);
        (from, done) = (adopted.to, adopted.done);
        assert!(!adopted.changed, "what changed somebody was journaled");
    }
    assert!(effects.is_empty(), "what decided something was journaled");
}

/// Ends a transaction whose line says who was not written.
fn seal<S: Subject>(core: &mut S, kept: Option<u64>, states: &mut States) {
    let (records, found) = core.seal(kept.map_or(Keep::NOBODY, Keep::from));
    assert_eq!(found, kept, "the same customers stay unwritten");
    for (customer, packed) in records {
        match packed {
            Some(packed) => drop(states.insert(customer, packed)),
            None => drop(states.remove(&customer)),
        }
    }
    core.committed();
}

/// Takes the journal through a fresh core.
fn replay<S: Subject>(log: &Log, partition: usize, varies: bool) -> Replayed {
    let mut core = S::fresh(topics(), partition);
    let mut replayed = Replayed::default();
    let mut revision = String::new();
    // The watermark before an instant that time is moving through.
    let mut crowded = None;
    for (number, line) in (1..).zip(values(log, "journal", partition)) {
        let line = Line::read(&line).expect("a line");
        assert_eq!(
            line.transaction, number,
            "the journal has each transaction once"
        );
        let mut effects = Vec::new();
        core.begin(number);
        let adopts = line.steps.iter().any(|step| step.adopt.is_some());
        if !adopts && line.revision != revision {
            adopt_unseen(&mut core, &S::plan(&line.revision, varies), &line);
            revision.clone_from(&line.revision);
        }
        for step in line.steps {
            if let Some(Slice { from, to }) = step.adopt {
                core.advance_beyond(step.watermark, 0, step.now, &mut effects);
                let plan = S::plan(&line.revision, varies);
                let adopted = core.adopt(&plan, from, step.now, &mut effects);
                assert_eq!(adopted.to, to, "the same customers go over");
                revision.clear();
                crowded = crowded.filter(|before| step.watermark <= *before);
                continue;
            }
            assert!(
                crowded.is_none() || step.runs.is_empty(),
                "nothing is taken while time moves through an instant"
            );
            crowded = (step.beyond > 0).then_some(step.watermark);
            for run in &step.runs {
                for (topic, raw) in taken(log, partition, run) {
                    match (core.decode(topic, &raw), step.everybody) {
                        (Ok(event), None) => core.event(event, step.now, &mut effects),
                        (Ok(event), Some(Slice { from, to })) => {
                            let slice = (from, Some(to));
                            core.broadcast(&event, slice, step.now, &mut effects);
                        }
                        (Err(_), _) => {}
                    }
                }
            }
            core.advance_beyond(step.watermark, step.beyond, step.now, &mut effects);
        }
        for effect in effects {
            if let Effect::Decided {
                decision,
                treatment,
                ..
            } = effect
            {
                replayed.decisions.push(decision);
                replayed
                    .commands
                    .extend(treatment.map(|treatment| treatment.value));
            }
        }
        seal(&mut core, line.kept, &mut replayed.states);
    }
    replayed
}

/// Byte for byte; in words where they differ first.
fn same(got: &[Vec<u8>], expected: &[Vec<u8>], what: &str) {
    let words = |value: &Vec<u8>| String::from_utf8_lossy(value).into_owned();
    for (number, (got, expected)) in got.iter().zip(expected).enumerate() {
        assert_eq!(words(got), words(expected), "{what}: {number}");
    }
    let more = |all: &[Vec<u8>], than: &[Vec<u8>]| all.get(than.len()).map(words);
    let (got, expected) = (more(got, expected), more(expected, got));
    assert_eq!(got, expected, "{what}: the first that is too many");
}

/// Nothing is decided by older triggers than what was decided before it.
fn check_revisions<S: Subject>(log: &Log, partition: usize) {
    let numbers: Vec<u64> = values(log, "decisions", partition)
        .iter()
        .map(|decision| revision::number(&S::revision(decision)))
        .collect();
    assert!(numbers.is_sorted(), "{numbers:?}");
}

/// The log says what each task knows.
fn check_tasks<S: Subject>(world: &World<S>) {
    for (partition, hand) in world.tasks() {
        let mut restored = S::fresh(topics(), partition);
        let states = changelog(&world.log, partition);
        for (customer, packed) in states.iter().filter(|(key, _)| *key != KEY) {
            restored
                .restore(customer, Some(packed))
                .expect("packed by a task");
        }
        assert_eq!(
            reported(&world.log, partition),
            restored
                .report(Timestamp(0))
                .into_iter()
                .map(in_words)
                .collect(),
            "what is reported is what was counted"
        );
        let live = hand.task.core().committed_states();
        assert_eq!(
            live,
            restored.committed_states(),
            "restored state equals live state"
        );
    }
}

/// What holds at the end of any run.
pub fn check<S: Subject>(world: &mut World<S>, varies: bool) {
    for partition in 0..PARTITIONS {
        let log = &mut world.log;
        let replayed = replay::<S>(log, partition, varies);
        same(
            &values(log, "decisions", partition),
            &replayed.decisions,
            "the journal replays the decisions",
        );
        same(
            &values(log, "treatments", partition),
            &replayed.commands,
            "the journal replays the commands",
        );
        check_revisions::<S>(log, partition);
        let mut states = changelog(log, partition);
        let record = states
            .remove(KEY)
            .map(|value| TaskRecord::unpack(&value).expect("a record"));
        assert_eq!(
            S::replayed(&states),
            S::replayed(&replayed.states),
            "the journal replays the states"
        );
        let record = record.unwrap_or_default();
        for &topic in topics() {
            let group = log
                .committed_offset(GROUP, &place(topic, partition))
                .expect("no transaction is open");
            assert_eq!(
                record.offset(topic),
                group,
                "the record and the group agree"
            );
        }
    }
    check_tasks(world);
    let all = |topic| {
        (0..PARTITIONS)
            .flat_map(|partition| values(&world.log, topic, partition))
            .collect::<Vec<_>>()
    };
    let letters = all("dead-letters");
    assert_eq!(
        letters.len(),
        world.history.junk.len(),
        "each dead letter once"
    );
    assert_eq!(
        letters.into_iter().collect::<BTreeSet<_>>(),
        world.history.junk
    );
    assert_eq!(
        all("late").len(),
        0,
        "nothing came late, however the topics lagged"
    );
}

/// One history undisturbed, and again with everything that can go wrong.
pub fn run<S: Subject>(seed: u64) {
    let mut calm: World<S> = World::new(seed, false, false);
    calm.run();
    check(&mut calm, false);
    let mut wild: World<S> = World::new(seed, true, false);
    wild.run();
    check(&mut wild, false);
    for topic in ["decisions", "treatments"] {
        let (expected, gone) = moments::<S>(&calm.log, topic);
        let (got, also_gone) = moments::<S>(&wild.log, topic);
        for moments in [&expected, &gone, &also_gone] {
            let once: BTreeSet<&String> = moments.iter().collect();
            assert_eq!(once.len(), moments.len(), "{topic}: each is there once");
        }
        assert_eq!(got, expected, "{topic}: each once, none missing");
    }
    let told = |world: &World<S>| {
        let (stay, _) = moments::<S>(&world.log, "decisions");
        stay.iter().filter(|moment| moment.contains("told")).count()
    };
    let spots = calm.log.committed_records(&place(EVERYBODY, 0)).len();
    assert_eq!(
        told(&wild),
        spots * PARTITIONS,
        "each who was known was told"
    );
    for partition in 0..PARTITIONS {
        let settled = |world: &World<S>| {
            let mut states = changelog(&world.log, partition);
            states.remove(KEY);
            S::settled(&states)
        };
        assert_eq!(
            settled(&wild),
            settled(&calm),
            "each customer is as if nothing had happened"
        );
    }
}

/// One history with everything that can go wrong, while triggers come that say something else.
fn run_varied<S: Subject>(seed: u64) {
    let mut world: World<S> = World::new(seed, true, true);
    world.run();
    check(&mut world, true);
    for topic in ["decisions", "treatments"] {
        let (got, _) = moments::<S>(&world.log, topic);
        let once: BTreeSet<&String> = got.iter().collect();
        assert_eq!(once.len(), got.len(), "{topic}: each once");
    }
}

pub fn run_seeds(seeds: u64, run: fn(u64)) {
    let number = |name: &str| {
        std::env::var(name)
            .ok()
            .map(|text| text.parse::<u64>().expect("a number"))
    };
    let seeds = match number("MOMENTS_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("MOMENTS_SEEDS").unwrap_or(seeds),
    };
    for seed in seeds {
        let outcome = std::panic::catch_unwind(|| run(seed));
        assert!(outcome.is_ok(), "failed with MOMENTS_SEED={seed}");
    }
}

#[test]
fn small_customers_are_decided_once_whatever_crashes() {
    run_seeds(SEEDS, run::<Toy>);
}

#[test]
fn the_engines_customers_are_decided_once_whatever_crashes() {
    run_seeds(ENGINE_SEEDS, run::<Customers>);
}

#[test]
fn other_triggers_are_taken_up_between_two_transactions_whatever_crashes() {
    run_seeds(ENGINE_SEEDS, run_varied::<Customers>);
}
