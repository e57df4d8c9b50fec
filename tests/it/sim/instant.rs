//! Everybody is due at one instant, and no transaction carries them all.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use moments::engine::Engine;
use moments::task::core::{Core as _, RawRecord};
use moments::task::customers::Customers;
use moments::task::transaction::{Sink, Transaction};
use moments::time::Timestamp;
use moments::trigger::plan::Plan;

use super::alone::{Alone, decisions};
use super::engine::{compiled, decoder};
use super::subject::Subject as _;

/// More than a hundred transactions could not carry at once, few enough for every run of the tests.
const CUSTOMERS: i64 = 50_000;
/// 2026-03-02 at 10:00.
const START: i64 = 1_772_445_600_000;
/// What closes a transaction, and what one more piece of time brings.
const BYTES_MAX: usize = 8 * 1024 * 1024 + 4 * 1024 * 1024;

static PLAN: LazyLock<Arc<Plan>> = LazyLock::new(|| {
    let minute = "calendar: { date: { every: month, day: 2 }, at: '10:01' }";
    // Many instants, beside the one.
    let idle = "inactivity: { of: Product Viewed, for: 58s }";
    compiled(
        "1-all",
        "consent_by_default = ['email']",
        &[("minute", minute), ("idle", idle)],
    )
});

fn fresh() -> Customers {
    let engine = Engine::new(Arc::clone(&PLAN));
    Customers::new(engine, decoder(), vec!["cart".to_owned()], 0)
}

/// Everybody looks at a product within two seconds; a while later somebody does again, which moves time.
fn records() -> Vec<RawRecord> {
    let viewed = |number: i64| {
        // Their order in the topic is not that of their ids.
        let id = format!("c{:05}", number * 7_919 % CUSTOMERS);
        // An odd time: what is even erases.
        let time = START + number % 1_000 * 2 + 1;
        (id, time)
    };
    let last = ("c00000".to_owned(), START + 120_001);
    let all = (0..CUSTOMERS).map(viewed).chain([last]);
    let record = |(offset, (id, time)): (i64, (String, i64))| RawRecord {
        stamped: false,
        unreadable: None,
        offset,
        appended: Timestamp(time),
        key: Some(id.clone().into_bytes()),
        value: Some(Customers::value('x', &id, time)),
        headers: Vec::new(),
    };
    // In order of time: nobody is late.
    let mut all: Vec<_> = all.collect();
    all.sort_by_key(|(_, time)| *time);
    (0..).zip(all).map(record).collect()
}

/// What an engine decides that takes everything in and moves time at once.
fn at_once(records: &[RawRecord]) -> Vec<Vec<u8>> {
    let engine = Engine::new(Arc::clone(&PLAN)).in_slices_of(usize::MAX);
    let mut core = Customers::new(engine, decoder(), vec!["cart".to_owned()], 0);
    let mut effects = Vec::new();
    let (mut now, mut end) = (Timestamp::MIN, Timestamp::MIN);
    for record in records {
        let event = core.decode(0, record).expect("an event");
        (now, end) = (end, Customers::time(&event));
        core.event(event, now, &mut effects);
    }
    let moved = core.advance(end.plus(-1), now, &mut effects);
    assert!(moved.done);
    decisions(effects)
}

fn bytes(transaction: &Transaction) -> usize {
    let records = transaction.records.iter();
    let bytes = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(0, Vec::len);
    records
        .map(|record| bytes(&record.key) + bytes(&record.value))
        .sum()
}

#[test]
fn everybody_is_decided_once_in_bounded_transactions_whatever_crashes() {
    let records = records();
    let expected = at_once(&records);
    let expected_count = 2 * usize::try_from(CUSTOMERS).expect("small");
    assert!(expected.len() >= expected_count, "{}", expected.len());
    // It crashes in the middle of the instant, and somewhere else, and not at all.
    for crashes in [&[][..], &[14, 3, 1, 2]] {
        let mut alone = Alone::new(vec![("cart", records.clone())], fresh, Arc::clone(&PLAN));
        for most in crashes {
            alone.run(*most);
        }
        let open = alone.run(usize::MAX / 2);
        assert!(open < 20_000, "{open} customers are unpacked at once");
        for transaction in &alone.transactions {
            let bytes = bytes(transaction);
            assert!(bytes < BYTES_MAX, "{} has {bytes}", transaction.number);
        }
        let got = alone.committed(&Sink::Decisions);
        let once: BTreeSet<&Vec<u8>> = got.iter().collect();
        assert_eq!((got.len(), once.len()), (expected.len(), expected.len()));
        assert!(
            got == expected,
            "decided as if all were at once, in that order"
        );
        assert!(got == alone.replayed(), "the journal replays it");
        let journal = alone.committed(&Sink::Journal).concat();
        let journal = String::from_utf8(journal).expect("text");
        assert!(journal.contains("\"beyond\":"), "the instant was cut");
    }
}
