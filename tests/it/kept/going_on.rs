//! A process of this build, started on the topics as the kept build left them, goes on as that one did.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;

use moments::task::journal::Line;
use moments::trigger::revision;

use super::fixture::{ASIDE, CONTROL, DECISIONS, INPUTS, JOURNAL, Kept, Record, TREATMENTS};
use super::history::PARTITIONS;
use super::loading::load;
use super::shop::{Shop, customer};
use super::{fixture, lacks, without_baskets};
use crate::kafka::installation::{LIMIT, Member};
use crate::support::broker::KafkaBroker;
use crate::support::kafka::{Isolation, OwnedRecord};

/// The number of the set that was published after the stop.
const THIRD: u64 = 4;

#[test]
fn a_process_goes_on_from_the_kept_topics_as_the_kept_build_did() {
    let Some(broker) = KafkaBroker::shared() else {
        return;
    };
    let kept = Kept::load();
    let shop = Shop::new(broker, Path::new(env!("CARGO_BIN_EXE_moments")));
    kept.write_triggers(&shop.triggers());
    // The kept events lie years ahead, which brokers that stamp their log do not let them.
    for topic in INPUTS {
        broker.create_topic(
            topic,
            PARTITIONS,
            &[("message.timestamp.type", "CreateTime")],
        );
    }
    shop.succeed(&["topics", "create"]);
    load(&shop, &kept);
    shop.commit(&kept.told.stop.offsets);
    // As the kept build did: how far a customer is settled when she goes over to other triggers depends on when she was written.
    let mut member = shop.start_with(&["checkpoints.interval=0ms"]);
    compare(&member, "at the stop", &kept.told.stop);
    go_on(&shop, &member, &kept);
    published(&shop, &kept);
    assert!(member.process.terminate(LIMIT).success());
}

fn compare(member: &Member, when: &str, said: &fixture::Said) {
    for (id, expected) in &said.customers {
        let found = customer(member, id);
        assert_eq!(lacks(expected, &found), None, "{id} {when}: {found}");
    }
}

/// Produces what came after the stop, as it came: a record a partition at a time, the other set between the same two.
fn go_on(shop: &Shop<'_>, member: &Member, kept: &Kept) {
    let (before, after): (Vec<_>, Vec<_>) = taken(kept)
        .into_iter()
        .map(|taken| taken.into_iter().partition(|(number, _)| *number < THIRD))
        .unzip();
    in_rounds(shop, member, before);
    let sets = kept.of(CONTROL).filter(|it| !kept.is_before_stop(it));
    shop.produce(CONTROL, sets.map(Record::again));
    shop.wait_for_set(member, THIRD);
    in_rounds(shop, member, after);
}

fn in_rounds(shop: &Shop<'_>, member: &Member, mut taken: Vec<VecDeque<(u64, &Record)>>) {
    while taken.iter().any(|taken| !taken.is_empty()) {
        let round = taken.iter_mut().filter_map(VecDeque::pop_front);
        let round: Vec<_> = round
            .map(|(_, it)| (it.topic.clone(), it.again()))
            .collect();
        shop.round(member, round);
    }
}

/// By partition, what came after the stop in order, each with the number of the set that it was taken by.
fn taken(kept: &Kept) -> Vec<VecDeque<(u64, &Record)>> {
    let records: BTreeMap<(&str, i32, i64), &Record> = kept
        .log
        .iter()
        .map(|it| {
            (
                (it.topic.as_str(), it.record.partition, it.record.offset),
                it,
            )
        })
        .collect();
    let mut all = Vec::new();
    for partition in 0..PARTITIONS {
        let lines = kept
            .of(JOURNAL)
            .filter(|it| it.record.partition == partition);
        let lines = lines.filter(|it| !kept.is_before_stop(it));
        let lines = lines.map(|it| serde_json::from_str(&it.record.text()).expect("a line"));
        let mut taken = VecDeque::new();
        for line in lines {
            let Line {
                revision, steps, ..
            } = line;
            let number = revision::number(&revision);
            for run in steps.into_iter().flat_map(|step| step.runs) {
                assert_eq!(run.1, run.2, "one at a time");
                taken.push_back((number, records[&(run.0.as_str(), partition, run.1)]));
            }
        }
        all.push(taken);
    }
    all
}

/// Holds what was published to what the kept build published: place, key, value and headers. The kept build believed any time at once;
/// this one asks another customer, so that its last moments, for which nobody was there to ask, are still to come.
fn published(shop: &Shop<'_>, kept: &Kept) {
    let topics: BTreeSet<&str> = kept.topics();
    let topics = topics.into_iter().filter(|topic| {
        *topic == DECISIONS || ASIDE.contains(topic) || topic.starts_with(TREATMENTS)
    });
    for topic in topics {
        let expected: Vec<_> = kept.of(topic).map(|it| &it.record).collect();
        if expected.is_empty() {
            assert!(shop.ends(topic).iter().all(|end| *end == 0), "{topic}");
            continue;
        }
        let found = shop.broker.read_all(topic, Isolation::ReadCommitted);
        let said = |it: &OwnedRecord| {
            let text = without_baskets(&it.text());
            (it.partition, it.key_text(), text, it.headers.clone())
        };
        let then: Vec<_> = expected.iter().map(|it| said(it)).collect();
        for record in &found {
            assert!(then.contains(&said(record)), "{topic}: {record:?}");
        }
        let (found, of) = (found.len(), then.len());
        assert!(found * 2 >= of, "{topic}: {found} of {of}");
    }
}
