//! Something happens to everybody of a large task, whatever crashes in the middle.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use moments::engine::Engine;
use moments::task::core::RawRecord;
use moments::task::customers::Customers;
use moments::task::record::TaskRecord;
use moments::task::transaction::Sink;
use moments::time::Timestamp;
use moments::trigger::plan::Plan;

use super::alone::Alone;
use super::engine::{compiled, decoder};
use super::subject::Subject as _;

/// Five slices.
const CUSTOMERS: i64 = 20_000;
/// 2026-03-02 at 10:00.
const START: i64 = 1_772_445_600_000;

static PLAN: LazyLock<Arc<Plan>> = LazyLock::new(|| {
    let all = "broadcast: Spot Aired";
    let few = "broadcast: Spot Aired\naudience: profile.sessions.count > 1";
    compiled(
        "1-all",
        "consent_by_default = ['email']",
        &[("all", all), ("few", few)],
    )
});

fn fresh() -> Customers {
    let engine = Engine::new(Arc::clone(&PLAN));
    let topics = vec!["cart".to_owned(), "everybody".to_owned()];
    Customers::new(engine, decoder(), topics, 0).telling_everybody(Some("everybody".to_owned()))
}

fn record(offset: i64, key: Option<&str>, time: i64) -> RawRecord {
    let kind = if key.is_some() { 'x' } else { 'e' };
    RawRecord {
        stamped: false,
        unreadable: None,
        offset,
        appended: Timestamp(time),
        key: key.map(|key| key.as_bytes().to_vec()),
        value: Some(Customers::value(kind, key.unwrap_or_default(), time)),
        headers: Vec::new(),
    }
}

/// Everybody looks at a product; a minute later a spot runs, and is told twice; then somebody comes whom it was not told, and another
/// spot runs.
fn topics() -> Vec<(&'static str, Vec<RawRecord>)> {
    // An odd time: what is even erases.
    let time = |number: i64| START + number % 1_000 * 2 + 1;
    let mut seen: Vec<(String, i64)> = (0..CUSTOMERS)
        .map(|number| (format!("c{:05}", number * 7_919 % CUSTOMERS), time(number)))
        .collect();
    seen.push(("new".to_owned(), START + 90_001));
    seen.push(("c00000".to_owned(), START + 200_001));
    seen.sort_by_key(|(_, time)| *time);
    let seen = (0..).zip(&seen);
    let own = seen.map(|(offset, (id, time))| record(offset, Some(id), *time));
    let spots = [60_000, 60_000, 120_000];
    let everybody = (0..).zip(spots);
    let everybody = everybody.map(|(offset, after)| record(offset, None, START + after));
    vec![("cart", own.collect()), ("everybody", everybody.collect())]
}

#[test]
fn each_customer_is_told_once_whatever_crashes() {
    let mut whole = Vec::new();
    // Not at all; and in the middle of slices, as each transaction is given up after one or two.
    for crashes in [&[][..], &[3, 1, 1, 2, 1, 1]] {
        let mut alone = Alone::new(topics(), fresh, Arc::clone(&PLAN));
        for most in crashes {
            alone.run(*most);
        }
        alone.run(usize::MAX / 2);
        let got = alone.committed(&Sink::Decisions);
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for decision in &got {
            let json: serde_json::Value = serde_json::from_slice(decision).expect("a decision");
            let spot = json["occurrence"].as_str().expect("text");
            let key = format!("{} {spot}", json["trigger"].as_str().expect("text"));
            *counts.entry(key).or_default() += 1;
        }
        let (first, second) = (START + 60_000, START + 120_000);
        let all = usize::try_from(CUSTOMERS).expect("small");
        let expected = BTreeMap::from([
            (format!("all spot-{first}"), all),
            (format!("all spot-{second}"), all + 1),
        ]);
        assert_eq!(counts, expected);
        assert!(got == alone.replayed(), "the journal replays it");
        if whole.is_empty() {
            whole.clone_from(&got);
        }
        assert!(
            got == whole,
            "the same, in the same order, wherever it was cut"
        );
        let record = alone.last_record();
        assert_eq!(record.offset("everybody"), Some(3));
        let outside = |(count, n): (&moments::task::count::Count, &u64)| {
            (count.to_string() == "outside_audience.few").then_some(*n)
        };
        let outside = record.tallies.iter().find_map(outside);
        // Counted, and not decided.
        assert_eq!(outside, Some(2 * CUSTOMERS.unsigned_abs() + 1));
        unfinished(&alone, !crashes.is_empty());
    }
}

/// Whether some transaction was committed in the middle of a sweep: its record says who is next, and not that the spot was taken.
fn unfinished(alone: &Alone, crashed: bool) {
    let halfway = |record: &&TaskRecord| !record.unfinished.sweeps.is_empty();
    let records = alone.records();
    let halfway: Vec<_> = records.iter().filter(halfway).collect();
    assert!(!crashed || !halfway.is_empty(), "it crashed in the middle");
    for record in halfway {
        assert!(record.offset("everybody") < Some(3), "{record:?}");
    }
}
