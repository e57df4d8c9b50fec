//! Histories with everything that can go wrong, where what is decided of one depends on others: over everybody no more is sent than a
//! rate allows, and a journey goes by what its ways have brought. What is sent when depends on the run; that the rate holds, that each
//! moment is decided once, and that everything is counted as the journal says, does not.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use super::alone::Alone;
use super::crash::{changelog, check, decided_once, run_seeds, values};
use super::engine::{self, compiled, decoder};
use super::history::PARTITIONS;
use super::subject::Subject;
use super::world::World;
use moments::engine::Engine;
use moments::task::core::RawRecord;
use moments::task::customers::Customers;
use moments::task::transaction::Sink;
use moments::time::Timestamp;
use moments::trigger::plan::Plan;
use serde_json::Value;

/// They take as long as all others.
const SEEDS: u64 = 40;
/// Of both tasks together, in so long: [`engine::RATES`].
const RATE: usize = 3;
const WINDOW_MS: i64 = 2_000;

pub fn run<S: Subject>(seed: u64) {
    engine::rated(|| {
        let mut world: World<S> = World::new(seed, true, false);
        world.run();
        check(&mut world, false);
        holds(&decided_once::<S>(&world.log));
    });
}

/// No window of time has more that was sent, or withheld that would have been, than the rate says.
fn holds(decisions: &[Value]) {
    let sent = decisions.iter().filter(|it| it["decision"] != "withdraw");
    let sent = sent.filter(|it| it["treatment"].is_object());
    let at = |it: &Value| it["decided_at"].as_str().and_then(Timestamp::parse);
    let mut times: Vec<Timestamp> = sent.filter_map(at).collect();
    times.sort_unstable();
    for (last, first) in times.iter().zip(times.iter().skip(RATE)) {
        assert!(first.0 - last.0 >= WINDOW_MS, "{last} and {first}");
    }
}

#[test]
fn no_more_is_sent_than_the_rate_whatever_crashes() {
    run_seeds(SEEDS, run::<Customers>);
}

/// Histories without a queue, and in which nothing is learnt, would prove nothing.
#[test]
fn moments_wait_for_their_turn_and_ways_are_learnt_of_in_many_histories() {
    let (mut waited, mut learnt) = (BTreeMap::new(), 0);
    for seed in 0..10 {
        engine::rated(|| {
            let mut world: World<Customers> = World::new(seed, false, false);
            world.run();
            let kept = (0..PARTITIONS).flat_map(|it| changelog(&world.log, it));
            learnt += kept.filter(|(key, _)| key.starts_with(b"\0way")).count();
            let all = (0..PARTITIONS).flat_map(|it| values(&world.log, "decisions", it));
            for decision in all {
                let decision: Value = serde_json::from_slice(&decision).expect("a decision");
                let at = |name: &str| decision[name].as_str().and_then(Timestamp::parse);
                let (moment, decided) = (at("moment_at"), at("decided_at"));
                let late = moment
                    .zip(decided)
                    .is_some_and(|(it, then)| it.plus(5_000) < then);
                let sent = decision["treatment"].is_object();
                *waited.entry((sent, late)).or_insert(0) += 1;
            }
        });
    }
    assert!(waited[&(true, true)] > 50, "{waited:?}");
    assert!(learnt > 20, "{learnt} ways");
}

/// As many as a piece of time lets go, and half as many more.
const CUSTOMERS: i64 = 1_500;
/// 2026-03-02 at 10:00.
const START: i64 = 1_772_445_600_000;

static PLAN: LazyLock<Arc<Plan>> = LazyLock::new(|| {
    let minute = "calendar: { date: { every: month, day: 2 }, at: '10:01' }";
    let common = "consent_by_default = ['email']\nsend_rates = { email = '1200 in 1h' }";
    compiled("1-all", common, &[("minute", minute)])
});

fn fresh() -> Customers {
    let engine = Engine::new(Arc::clone(&PLAN));
    Customers::new(engine, decoder(), vec!["cart".to_owned()], 0)
}

/// Everybody does something, and then somebody again, a minute, three and two hours later.
fn records() -> Vec<RawRecord> {
    let all = (0..CUSTOMERS).map(|number| (format!("c{number:05}"), START + number * 2 + 1));
    let later = [120_001, 180_001, 7_200_001].map(|later| ("c00000".to_owned(), START + later));
    let record = |(offset, (id, time)): (i64, (String, i64))| RawRecord {
        offset,
        appended: Timestamp(time),
        key: Some(id.clone().into_bytes()),
        value: Some(Customers::value('x', &id, time)),
        ..RawRecord::default()
    };
    (0..).zip(all.chain(later)).map(record).collect()
}

/// Everybody waits from one instant on.
#[test]
fn more_than_a_piece_of_time_lets_go_have_their_turn_once_whatever_crashes() {
    for crashes in [&[][..], &[2, 1, 1, 1]] {
        let mut alone = Alone::new(vec![("cart", records())], fresh, Arc::clone(&PLAN));
        for most in crashes {
            alone.run(*most);
        }
        alone.run(usize::MAX / 2);
        let got = alone.committed(&Sink::Decisions);
        assert!(got == alone.replayed(), "the journal replays it");
        let got = got
            .iter()
            .map(|it| serde_json::from_slice(it).expect("a decision"));
        let got: Vec<Value> = got.collect();
        let whose: BTreeSet<&str> = got
            .iter()
            .filter_map(|it| it["customer"].as_str())
            .collect();
        assert_eq!((got.len(), whose.len()), (1_500, 1_500), "each once");
        let hour = |it: &Value| it["decided_at"].as_str().map(|at| at[..13].to_owned());
        let first = got
            .iter()
            .filter(|it| hour(it).as_deref() == Some("2026-03-02T10"));
        assert_eq!(first.count(), 1_200, "the others wait for an hour");
        let order: Vec<&str> = got
            .iter()
            .filter_map(|it| it["customer"].as_str())
            .collect();
        assert!(order.is_sorted(), "in the order of the queue");
    }
}
