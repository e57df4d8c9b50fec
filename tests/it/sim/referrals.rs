//! Histories with everything that can go wrong, in which customers of two tasks bring each other: whoever comes by a code is told so
//! once, and so is whose it is. Whose friend she is depends on what had come by then; that both are told, or none, does not.

use std::collections::BTreeSet;

use super::crash::{check, decided_once, run_seeds, values};
use super::engine;
use super::history::{PARTITIONS, across};
use super::subject::Subject;
use super::world::World;
use moments::task::customers::Customers;
use serde_json::Value;

/// They take as long as all others.
const SEEDS: u64 = 60;

/// In two tasks, which tell each other.
pub fn run<S: Subject>(seed: u64) {
    across(|| {
        engine::referring(|| run_any::<S>(seed));
    });
}

/// In two that do not hear of each other: a code of the other is nobody's.
fn run_apart<S: Subject>(seed: u64) {
    engine::referring(|| run_any::<S>(seed));
}

/// How many were taken for friends.
fn run_any<S: Subject>(seed: u64) -> usize {
    let mut world: World<S> = World::new(seed, true, false);
    world.run();
    check(&mut world, false);
    let decisions = decided_once::<S>(&world.log);
    let told = (0..PARTITIONS).flat_map(|it| values(&world.log, "profile", it));
    let erases = told.into_iter().any(|it| S::erasure(&it).is_some());
    both_are_told(&decisions, erases)
}

/// Each friend once, and for each of them whose code she brought; where anybody is erased, she may come anew, or whose code it was be
/// gone.
fn both_are_told(decisions: &[Value], erases: bool) -> usize {
    let of = |trigger: &str| -> Vec<&str> {
        let all = decisions.iter().filter(|it| it["decision"] != "withdraw");
        let its = all.filter(|it| it["trigger"] == trigger);
        its.map(|it| it["customer"].as_str().expect("text"))
            .collect()
    };
    let friends = of("is-friend");
    let once: BTreeSet<&&str> = friends.iter().collect();
    if !erases {
        assert_eq!(once.len(), friends.len(), "a friend once: {friends:?}");
        assert_eq!(of("brought-friend").len(), friends.len(), "both or none");
    }
    friends.len()
}

#[test]
fn a_friend_and_who_brought_her_are_told_once_whatever_crashes() {
    run_seeds(SEEDS, run::<Customers>);
}

#[test]
fn a_code_of_one_task_is_kept_whatever_crashes() {
    run_seeds(SEEDS, run_apart::<Customers>);
}

/// Else the others show nothing.
#[test]
fn there_are_friends_in_these_histories() {
    let friends = |seed| across(|| engine::referring(|| run_any::<Customers>(seed)));
    let friends: usize = (1..8).map(friends).sum();
    assert!(friends > 0);
}
