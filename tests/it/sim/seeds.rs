//! Histories with everything that can go wrong, in which tasks are told what history says of customers: whether a seed is taken depends on
//! what has settled by then; that it is answered once, that the journal replays it and that nothing is decided twice does not.

use std::collections::BTreeMap;

use super::crash::{changelog, check, decided_once, run_seeds};
use super::engine;
use super::history::{IDENTITIES, PARTITIONS, across};
use super::log::place;
use super::subject::Subject;
use super::world::World;
use moments::engine::Transfer;
use moments::event::Text;
use moments::task::core::Count;
use moments::task::customers::Customers;
use moments::task::record::{KEY, TaskRecord};

/// They take as long as all others.
const SEEDS: u64 = 40;

/// How many seeds there were, by what became of them.
fn run_any<S: Subject>(seed: u64) -> BTreeMap<Text, u64> {
    let world: World<S> = across(|| {
        engine::seeding(|| {
            let mut world: World<S> = World::new(seed, true, false);
            world.run();
            check(&mut world, false);
            world
        })
    });
    decided_once::<S>(&world.log);
    let (mut outcomes, mut sent, mut answered) = (BTreeMap::new(), 0, 0);
    for partition in 0..PARTITIONS {
        let record = changelog(&world.log, partition).remove(KEY);
        let record = record.map(|value| TaskRecord::unpack(&value).expect("a record"));
        for (count, times) in record.unwrap_or_default().tallies {
            if let Count::Seeds(outcome) = count {
                *outcomes.entry(outcome).or_default() += times;
            }
        }
        for (_, record) in world.log.committed_records(&place(IDENTITIES, partition)) {
            let value = record.value.as_deref();
            let Some(told) = value.map(|it| Transfer::unpack(it).expect("a transfer")) else {
                continue;
            };
            match told.answer() {
                Some(_) => answered += 1,
                // What is told of who was erased is about nobody.
                None => sent += u64::from(!told.about().is_empty()),
            }
        }
    }
    assert_eq!(sent, answered, "each is answered once");
    assert_eq!(outcomes.values().sum::<u64>(), answered, "and counted once");
    outcomes
}

#[test]
fn a_seed_is_answered_once_whatever_crashes() {
    run_seeds(SEEDS, |seed| {
        run_any::<Customers>(seed);
    });
}

/// Else the other shows nothing.
#[test]
fn some_seeds_are_taken_and_some_are_not() {
    let all: Vec<_> = (1..5).flat_map(run_any::<Customers>).collect();
    let is_taken = |(outcome, _): &(Text, u64)| outcome == "taken";
    assert!(all.iter().any(is_taken), "{all:?}");
    assert!(!all.iter().all(is_taken), "{all:?}");
}
