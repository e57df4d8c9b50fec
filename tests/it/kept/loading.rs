//! Puts the kept records back into topics, each at the offset that it had.
//!
//! In the topics of a task a transaction's end takes an offset of its own, which no reader sees. So what stands between two such
//! gaps is a transaction here too. The topics that come in, and the control topic, have none.

use std::collections::{BTreeMap, VecDeque};

use super::fixture::{CHANGELOG, CONTROL, INPUTS, Kept, Places, Record};
use super::shop::Shop;
use crate::kafka::installation::LIMIT;
use crate::support::kafka::{Isolation, NewRecord};
use crate::support::producing::Transactions;
use crate::support::wait_until;

/// Records of a topic's partition in a row.
type Piece<'a> = Vec<&'a Record>;

/// Loads what was there at the stop.
pub fn load(shop: &Shop<'_>, kept: &Kept) {
    let before = || kept.log.iter().filter(|record| kept.is_before_stop(record));
    let plain = |topic: &str| INPUTS.contains(&topic) || topic == CONTROL;
    for topic in INPUTS.into_iter().chain([CONTROL]) {
        let records = before().filter(|record| record.topic == topic);
        shop.produce(topic, records.map(again));
    }
    let transactions = Transactions::new(&shop.broker.client(), "loads-what-was-kept");
    let mut pieces = pieces(before().filter(|record| !plain(&record.topic)));
    while pieces.values().any(|pieces| !pieces.is_empty()) {
        let next = pieces.values_mut().filter_map(VecDeque::pop_front);
        let records = next.flatten().map(|it| (it.topic.as_str(), again(it)));
        transactions.commit(records);
    }
    check(shop, kept, &kept.told.stop.ends);
}

/// Kafka's time of it is now: a topic that keeps its records for some days would drop it else.
fn again(record: &Record) -> NewRecord {
    NewRecord {
        timestamp: None,
        ..record.again()
    }
}

/// By topic and partition, what was a transaction each.
fn pieces<'a>(
    records: impl Iterator<Item = &'a Record>,
) -> BTreeMap<(&'a str, i32), VecDeque<Piece<'a>>> {
    let mut all: BTreeMap<(&str, i32), VecDeque<Piece<'_>>> = BTreeMap::new();
    for record in records {
        let place = (record.topic.as_str(), record.record.partition);
        let pieces = all.entry(place).or_default();
        let last = pieces.back().and_then(|piece| piece.last());
        match last.map(|last| record.record.offset - last.record.offset) {
            Some(1) => pieces.back_mut().expect("it was just seen").push(record),
            None | Some(2) => pieces.push_back(vec![record]),
            Some(gap) => {
                panic!("a gap of {gap} in {place:?}: the run that was kept had no failures")
            }
        }
    }
    all
}

/// Everything is where it was: in number everywhere, and to the byte where the state is.
fn check(shop: &Shop<'_>, kept: &Kept, ends: &Places) {
    for (topic, ends) in ends {
        // A marker is written a moment after its transaction is committed.
        let what = format!("{topic} to end at {ends:?}");
        wait_until(&what, LIMIT, || shop.ends(topic) == *ends);
    }
    for topic in [CHANGELOG, CONTROL] {
        let read = shop.broker.read_all(topic, Isolation::ReadCommitted);
        let read = read
            .iter()
            .map(|it| (it.partition, it.offset, &it.key, &it.value));
        let expected = kept.of(topic).filter(|it| kept.is_before_stop(it));
        let expected = expected.map(|it| &it.record);
        let expected = expected.map(|it| (it.partition, it.offset, &it.key, &it.value));
        assert!(read.eq(expected), "{topic}");
    }
}
