//! Makes the fixture, by a run of the build that is to be kept.
//!
//! The first half of the history is taken in two pieces with another set of triggers between, each in whatever steps it is taken;
//! then a trigger is paused, and the last records before the stop come one by one. The process is asked of every customer and stopped. Another goes on with the second
//! half, one record a partition at a time, a third set of triggers in the midst of it, and is asked again.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::fixture::{
    ASIDE, CHANGELOG, CONTROL, DECISIONS, INPUTS, JOURNAL, Kept, Record, Told, directory,
};
use super::history::{self, Deed, Happening, PARTITIONS, RELOAD_DAY};
use super::shop::Shop;
use crate::kafka::installation::{LIMIT, Member};
use crate::support::broker::KafkaBroker;
use crate::support::kafka::Isolation;
use moments::time::{DAY_MS, Timestamp};

/// Channels of the triggers.
const CHANNELS: [&str; 9] = [
    "ad-audience",
    "call-centre",
    "email",
    "onsite",
    "phone",
    "print",
    "push",
    "sms",
    "store",
];

#[test]
#[ignore = "makes the fixture anew, by the build that MOMENTS_KEPT_BINARY names"]
fn make() {
    let binary = std::env::var("MOMENTS_KEPT_BINARY").expect("the build that is to be kept");
    let broker = KafkaBroker::start().expect("a broker");
    let shop = Shop::new(&broker, Path::new(&binary));
    gather(&shop, "first");
    shop.succeed(&["topics", "create"]);
    publish(&shop, "first");
    let mut member = first_half(&shop);
    let topics = topics();
    let names = || topics.iter().map(String::as_str);
    let customers = customers();
    let stop = shop.said(&member, names(), &customers);
    member.process.terminate(LIMIT);
    assert_eq!(
        stop.ends,
        shop.all_ends(names()),
        "the stop commits nothing"
    );

    let mut member = shop.start();
    second_half(&shop, &member);
    let end = shop.said(&member, names(), &customers);
    member.process.terminate(LIMIT);
    let log = topics.iter().flat_map(|topic| {
        let records = broker.read_all(topic, Isolation::ReadCommitted);
        let record = move |record| Record {
            topic: topic.clone(),
            record,
        };
        records.into_iter().map(record)
    });
    let kept = Kept {
        log: log.collect(),
        told: Told { stop, end },
    };
    kept.save();
}

/// Puts the shipped triggers and those of a set into the installation's folder.
fn gather(shop: &Shop<'_>, set: &str) {
    let to = shop.triggers();
    std::fs::remove_dir_all(&to).expect("a folder");
    std::fs::create_dir(&to).expect("a folder");
    let own = directory().join("triggers");
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/triggers");
    let stages = std::fs::read_dir(shipped).expect("a folder");
    let stages = stages.map(|stage| stage.expect("a folder").path());
    for folder in stages.chain([own.join("common"), own.join(set)]) {
        for file in std::fs::read_dir(folder).expect("a folder") {
            let file: PathBuf = file.expect("a file").path();
            let name = file.file_name().expect("a name").to_owned();
            if !name.to_string_lossy().contains(".test.") {
                std::fs::copy(&file, to.join(name)).expect("a copy");
            }
        }
    }
}

fn publish(shop: &Shop<'_>, set: &str) {
    gather(shop, set);
    let folder = shop.triggers().display().to_string();
    shop.succeed(&["triggers", "apply", &folder, "--remove"]);
}

/// What is loaded at once is loaded while no process runs: it would move time by the topic that is loaded first.
fn first_half(shop: &Shop<'_>) -> Member {
    let reload = Timestamp::parse("2060-01-01T00:00:00Z").expect("a time");
    let reload = reload.plus(RELOAD_DAY * DAY_MS);
    let (before, after): (Vec<_>, Vec<_>) = history::first()
        .into_iter()
        .partition(|happening| happening.place < reload);
    load(shop, &before);
    let mut member = shop.start();
    shop.wait_until_taken(&member);
    publish(shop, "second");
    shop.wait_for_set(&member, 2);
    member.process.terminate(LIMIT);
    load(shop, &after);
    let member = shop.start();
    shop.wait_until_taken(&member);
    shop.succeed(&["triggers", "pause", "kept-shadow"]);
    shop.wait_for_set(&member, 3);
    let last = history::happenings(history::read("stop.txt", "s"));
    one_by_one(shop, &member, last);
    member
}

fn load(shop: &Shop<'_>, happenings: &[Happening]) {
    for topic in INPUTS {
        let of = |it: &&Happening| topic.strip_prefix("kept.") == Some(it.topic);
        let records = happenings.iter().filter(of);
        shop.produce(topic, records.map(|it| it.record.clone()));
    }
}

fn second_half(shop: &Shop<'_>, member: &Member) {
    let mut some = Vec::new();
    for deed in history::read("second.txt", "t") {
        match deed {
            Deed::Happening(happening) => some.push(happening),
            Deed::Publish(set) => {
                one_by_one(shop, member, std::mem::take(&mut some));
                publish(shop, &set);
                shop.wait_for_set(member, 4);
            }
        }
    }
    one_by_one(shop, member, some);
}

/// In rounds of one record a partition.
fn one_by_one(shop: &Shop<'_>, member: &Member, happenings: Vec<Happening>) {
    let mut rounds: Vec<Vec<Happening>> = Vec::new();
    let mut next = vec![0; usize::try_from(PARTITIONS).expect("few")];
    for happening in happenings {
        let round = &mut next[super::fixture::index(happening.partition())];
        if rounds.len() <= *round {
            rounds.resize_with(*round + 1, Vec::new);
        }
        rounds[*round].push(happening);
        *round += 1;
    }
    for round in rounds {
        let records = round.into_iter();
        shop.round(
            member,
            records.map(|it| (format!("kept.{}", it.topic), it.record)),
        );
    }
}

/// Every topic of the installation.
fn topics() -> Vec<String> {
    let fixed = INPUTS.into_iter().chain(ASIDE);
    let fixed = fixed.chain([CHANGELOG, JOURNAL, CONTROL, DECISIONS]);
    let channels = CHANNELS.map(|channel| format!("kept.treatments.{channel}"));
    let mut topics: Vec<String> = fixed.map(str::to_owned).chain(channels).collect();
    topics.sort();
    topics
}

/// Everybody of whom there are records.
fn customers() -> BTreeSet<String> {
    let last = ["stop.txt", "second.txt"].map(|file| history::happenings(history::read(file, "")));
    let all = history::first()
        .into_iter()
        .chain(last.into_iter().flatten());
    let key = |it: Happening| String::from_utf8(it.record.key.unwrap_or_default()).expect("text");
    all.map(key).collect()
}
