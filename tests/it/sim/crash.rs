//! Two processes crash, hang, lose their group and wake as zombies at every step, by seed. In the end everything must be as if
//! one process had run undisturbed: decided once and committed once, replayed by the journal, restored as it lives.
//!
//! `MOMENTS_SEED=n` runs one seed; `MOMENTS_SEEDS=n` runs so many.

use super::history::{PARTITIONS, TOPICS};
use super::log::{Log, Record, place};
use super::toy::Toy;
use super::world::World;
use moments::task::core::{Core, Effect, RawRecord};
use moments::task::journal::Line;
use moments::task::record::{KEY, TaskRecord};
use moments::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// Enough to meet each fault at many steps within a few seconds; a night's run takes a million.
const SEEDS: u64 = 300;

fn values(log: &Log, topic: &str, partition: usize) -> Vec<Vec<u8>> {
    let records = log.committed_records(&place(topic, partition)).into_iter();
    records.map(|(_, record)| record.value.expect("a value")).collect()
}

/// What was decided, without when: that depends on the run.
fn moments(log: &Log, topic: &str) -> Vec<String> {
    let values = (0..PARTITIONS).flat_map(|partition| values(log, topic, partition));
    let text = values.map(|value| String::from_utf8(value).expect("text"));
    let mut moments: Vec<String> = text.map(|text| text.split(" now=").next().expect("a word").to_owned()).collect();
    moments.sort_unstable();
    moments
}

/// The last committed value of each key of a changelog.
fn changelog(log: &Log, partition: usize) -> BTreeMap<Vec<u8>, Vec<u8>> {
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

/// Takes the journal through a fresh core: decisions and commands in order, and the states.
fn replay(log: &Log, partition: usize) -> (Vec<Vec<u8>>, Vec<Vec<u8>>, BTreeMap<Vec<u8>, Vec<u8>>) {
    let mut core = Toy::default();
    let (mut decisions, mut commands) = (Vec::new(), Vec::new());
    let mut keep = |effects: Vec<Effect>| {
        for effect in effects {
            if let Effect::Decided { decision, treatment, .. } = effect {
                decisions.push(decision);
                commands.extend(treatment.map(|treatment| treatment.value));
            }
        }
    };
    core.rollback(Timestamp::MIN);
    for (number, line) in (1..).zip(values(log, "journal", partition)) {
        let line: Line = serde_json::from_slice(&line).expect("a line");
        assert_eq!(line.transaction, number, "the journal has each transaction once");
        for step in line.steps {
            let mut effects = Vec::new();
            for run in step.runs {
                let topic = TOPICS.iter().position(|name| *name == run.0).expect("an input topic");
                let records = log.read_committed(&place(&run.0, partition), run.1, usize::MAX).records;
                for (offset, record) in records.into_iter().take_while(|(offset, _)| *offset <= run.2) {
                    let Record { key, value, .. } = record;
                    let raw = RawRecord { offset, key, value, ..RawRecord::default() };
                    if let Ok(event) = core.decode(topic, &raw) {
                        core.event(event, step.now, &mut effects);
                    }
                }
            }
            core.advance(step.watermark, step.now, &mut effects);
            keep(effects);
        }
        core.seal();
        core.committed();
    }
    (decisions, commands, core.committed_states().clone())
}

/// What holds at the end of any run.
fn check_log(log: &mut Log) {
    for partition in 0..PARTITIONS {
        let (decisions, commands, states) = replay(log, partition);
        assert_eq!(values(log, "decisions", partition), decisions, "the journal replays the decisions");
        assert_eq!(values(log, "treatments", partition), commands, "the journal replays the commands");
        let mut restored = changelog(log, partition);
        let record = restored.remove(KEY).map(|value| TaskRecord::unpack(&value).expect("a record"));
        assert_eq!(restored, states, "the journal replays the states");
        let record = record.unwrap_or_default();
        for topic in TOPICS {
            let group = log.committed_offset("moments", &place(topic, partition)).expect("no transaction is open");
            assert_eq!(record.offset(topic), group, "the record and the group agree");
        }
    }
}

fn run(seed: u64) {
    let mut calm = World::new(seed, false);
    calm.run();
    check_log(&mut calm.log);
    let mut wild = World::new(seed, true);
    wild.run();
    check_log(&mut wild.log);
    for topic in ["decisions", "treatments"] {
        let moments_of = |world: &World| moments(&world.log, topic);
        let (expected, got) = (moments_of(&calm), moments_of(&wild));
        let once: BTreeSet<&String> = expected.iter().collect();
        assert_eq!(once.len(), expected.len(), "{topic}: undisturbed, each is there once");
        assert_eq!(got, expected, "{topic}: each once, none missing");
    }
    for (partition, hand) in wild.tasks() {
        let mut restored = changelog(&wild.log, partition);
        restored.remove(KEY);
        assert_eq!(hand.task.core().committed_states(), &restored, "restored state equals live state");
        let undisturbed: BTreeMap<_, _> = calm.tasks().collect();
        assert_eq!(&restored, undisturbed[&partition].task.core().committed_states(), "and the undisturbed one");
    }
    let letters = |partition| values(&wild.log, "dead-letters", partition);
    let junk: Vec<Vec<u8>> = (0..PARTITIONS).flat_map(letters).collect();
    assert_eq!(junk.len(), wild.history.junk.len(), "each dead letter once");
    assert_eq!(junk.into_iter().collect::<BTreeSet<_>>(), wild.history.junk);
    let late = |partition| values(&wild.log, "late", partition);
    assert_eq!((0..PARTITIONS).flat_map(late).count(), 0, "nothing came late, however the topics lagged");
}

#[test]
fn everything_is_committed_once_whatever_crashes() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let seeds = match number("MOMENTS_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("MOMENTS_SEEDS").unwrap_or(SEEDS),
    };
    for seed in seeds {
        let outcome = std::panic::catch_unwind(|| run(seed));
        assert!(outcome.is_ok(), "failed with MOMENTS_SEED={seed}");
    }
}
