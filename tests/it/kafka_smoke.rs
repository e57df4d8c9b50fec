//! The test support itself: what is committed is read, what is aborted is not, and children end.

use std::process::Command;
use std::time::Duration;

use crate::support::broker::KafkaBroker;
use crate::support::kafka::{Isolation, NewRecord, OwnedRecord};
use crate::support::process::ProcessGuard;
use crate::support::{unique, wait_until};

const LIMIT: Duration = Duration::from_secs(10);

fn texts(records: &[OwnedRecord]) -> Vec<String> {
    records.iter().map(OwnedRecord::text).collect()
}

#[test]
fn a_committed_reader_sees_what_was_committed_and_nothing_else() {
    let Some(broker) = KafkaBroker::shared() else {
        return;
    };
    let topic = unique("smoke");
    broker.create_topic(&topic, 1, &[]);

    let record = |value: &str| NewRecord::keyed("c1", value);
    broker.produce_in_transaction(&topic, &topic, [record("committed")], true);
    broker.produce_in_transaction(&topic, &topic, [record("aborted")], false);

    // Each transaction ends with a marker, which has an offset but is no record.
    assert_eq!(
        broker.watermarks(&topic, Isolation::ReadCommitted),
        [(0, 4)]
    );
    assert_eq!(
        texts(&broker.read_all(&topic, Isolation::ReadCommitted)),
        ["committed"]
    );
    assert_eq!(
        texts(&broker.read_all(&topic, Isolation::ReadUncommitted)),
        ["committed", "aborted"]
    );
}

#[test]
fn a_record_comes_back_as_it_was_produced() {
    let Some(broker) = KafkaBroker::shared() else {
        return;
    };
    let topic = unique("smoke");
    broker.create_topic(&topic, 3, &[("retention.ms", "-1")]);
    assert_eq!(broker.read_all(&topic, Isolation::ReadCommitted), []);

    let long_ago = 1_293_840_000_000;
    let whole = NewRecord::keyed("21", "value")
        .in_partition(2)
        .with_header("id", "h1")
        .at(long_ago);
    let tombstone = NewRecord {
        value: None,
        ..NewRecord::keyed("21", "")
    }
    .at(long_ago);
    // Java's murmur2 puts "21" into partition 0 of 3, librdkafka's CRC32 into 1.
    broker.produce(&topic, [whole, tombstone]);

    let read = broker.read_all(&topic, Isolation::ReadCommitted);
    let expected = |partition, value: Option<&str>, headers| OwnedRecord {
        partition,
        offset: 0,
        key: Some(b"21".to_vec()),
        value: value.map(|value| value.as_bytes().to_vec()),
        headers,
        timestamp: Some(long_ago),
    };
    let header = vec![("id".to_owned(), b"h1".to_vec())];
    assert_eq!(
        read,
        [
            expected(0, None, vec![]),
            expected(2, Some("value"), header)
        ]
    );
    assert_eq!(read[0].key_text(), "21");
}

#[test]
fn a_broker_of_ones_own_goes_with_its_guard() {
    let Some(broker) = KafkaBroker::start() else {
        return;
    };
    let address = broker.bootstrap().to_owned();
    let answers = || std::net::TcpStream::connect(&address).is_ok();
    assert!(answers());
    drop(broker);
    assert!(!answers());
}

#[test]
fn children_end_when_asked_to_when_killed_and_by_themselves() {
    let by_itself = ProcessGuard::moments("moments", ["--version"]).wait(LIMIT);
    assert!(by_itself.success());

    let script = "trap 'echo stopping; exit 7' TERM; echo ready; while :; do sleep 0.01; done";
    let start = || {
        let mut child = ProcessGuard::spawn("a script", Command::new("sh").args(["-c", script]));
        wait_until("the script to be ready", LIMIT, || {
            child.output().contains("ready")
        });
        assert!(child.is_running());
        child
    };
    let mut asked = start();
    assert_eq!(asked.terminate(LIMIT).code(), Some(7));
    assert_eq!(asked.output(), "ready\nstopping\n");

    let mut killed = start();
    assert_eq!(killed.kill9().code(), None);
    assert!(!killed.is_running());
}
