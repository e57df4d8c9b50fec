//! The simulated log's own meanings, as tables: a script, and what is seen after it.

use super::log::Fault;
use super::script::{Script, t};

/// What, script, what is read of the topic and its two ends, faults.
const READING: [(&str, &str, &str, &str); 12] = [
    (
        "plain records at once",
        "plain x; plain y",
        "0:x 1:y | 2 2",
        "",
    ),
    (
        "nothing of an open transaction",
        "plain x; init a; begin a; send a y",
        "0:x | 1 2",
        "",
    ),
    (
        "nothing beyond an open transaction",
        "init a; begin a; send a y; plain x",
        "| 0 2",
        "",
    ),
    (
        "a committed one; its marker takes an offset",
        "init a; begin a; send a y; commit a; plain x",
        "0:y 2:x | 3 3",
        "",
    ),
    (
        "nothing of an aborted one",
        "init a; begin a; send a y; abort a; plain x",
        "2:x | 3 3",
        "",
    ),
    (
        "no marker where nothing was written",
        "init a; begin a; commit a",
        "| 0 0",
        "",
    ),
    (
        "the least of two open transactions",
        "init a; begin a; init c; begin c; send c x; send a y; commit a",
        "| 0 3",
        "",
    ),
    (
        "a commit whose answer was lost",
        "init a; begin a; send a y; answer-lost a",
        "0:y | 2 2",
        "TimedOut",
    ),
    (
        "no commit that was lost",
        "init a; begin a; send a y; request-lost a",
        "| 0 1",
        "TimedOut",
    ),
    (
        "that one aborted by the successor",
        "init a; begin a; send a y; request-lost a; init b",
        "| 2 2",
        "TimedOut",
    ),
    (
        "a lost commit that arrives after all",
        "init a; begin a; send a y; request-lost a; commit a",
        "0:y | 2 2",
        "TimedOut",
    ),
    (
        "one that expired as aborted",
        "init a; begin a; send a y; expire a; commit a",
        "| 2 2",
        "Fenced",
    ),
];

#[test]
fn a_reader_of_committed_records_sees() {
    for (what, script, expected, faults) in READING {
        let run = Script::run(script);
        assert_eq!(
            (run.reading().as_str(), run.faults.join(" ").as_str()),
            (expected, faults),
            "{what}"
        );
    }
}

#[test]
fn the_older_producer_is_fenced() {
    let table = [
        ("in begin", "init a; init b; begin a", "Fenced"),
        ("in send", "init a; begin a; init b; send a x", "Fenced"),
        (
            "in commit, even when its request was late",
            "init a; begin a; send a x; request-lost a; init b; commit a",
            "TimedOut Fenced",
        ),
        (
            "in commit of the successor's transaction",
            "init a; begin a; init b; begin b; send b x; commit a",
            "Fenced",
        ),
        (
            "in abort of the successor's transaction",
            "init a; begin a; init b; begin b; send b x; abort a",
            "Fenced",
        ),
        (
            "but not another id",
            "init a; init c; begin a; send a x; commit a",
            "",
        ),
        (
            "one transaction at a time",
            "init a; begin a; begin a; abort a; abort a; commit a",
            "InvalidState InvalidState InvalidState",
        ),
    ];
    for (what, script, faults) in table {
        assert_eq!(Script::run(script).faults.join(" "), faults, "{what}");
    }
}

#[test]
fn offsets_belong_to_the_transaction() {
    let table = [
        ("none before", "plain x", Ok(None), ""),
        (
            "with the commit",
            "join m; pin m; init a; begin a; offset a m 3; commit a",
            Ok(Some(3)),
            "",
        ),
        (
            "unstable while open",
            "join m; pin m; init a; begin a; offset a m 3",
            Err(Fault::Unstable),
            "",
        ),
        (
            "not with an abort",
            "join m; pin m; init a; begin a; offset a m 3; abort a",
            Ok(None),
            "",
        ),
        (
            "of the right generation",
            "join m; pin m; join n; join m; init a; begin a; offset a m 3; commit a",
            Ok(None),
            "IllegalGeneration",
        ),
        (
            "the old one, while others join",
            "join m; pin m; join n; init a; begin a; offset a m 3; commit a",
            Ok(Some(3)),
            "",
        ),
        (
            "not of who was removed",
            "join m; pin m; join n; expel; init a; begin a; offset a m 3; commit a",
            Ok(None),
            "UnknownMember",
        ),
        (
            "of who does not say who it is",
            "join m; pin m; join n; expel; init a; begin a; offset a nobody 3; commit a",
            Ok(Some(3)),
            "",
        ),
        (
            "sent in time, committed after the rebalance",
            "join m; pin m; init a; begin a; offset a m 3; join n; join m; commit a",
            Ok(Some(3)),
            "",
        ),
    ];
    for (what, script, expected, faults) in table {
        let mut run = Script::run(script);
        let offset = run.log.committed_offset("g", &t());
        assert_eq!(
            (offset, run.faults.join(" ").as_str()),
            (expected, faults),
            "{what}"
        );
    }
}

#[test]
fn members_own_consecutive_partitions() {
    let table = [
        ("alone: all", "join m", "m@1:0123"),
        (
            "a second asks the first to join again",
            "join m; join n",
            "m:asked n:waits",
        ),
        ("two: half each", "join m; join n; join m", "m@2:01 n@2:23"),
        (
            "three: the first gets one more",
            "join m; join n; join o; join m",
            "m@2:01 n@2:2 o@2:3",
        ),
        (
            "who leaves asks the others",
            "join m; join n; join m; leave m",
            "n:asked",
        ),
        (
            "who is absent is expelled",
            "join m; join n; expel",
            "n@2:0123",
        ),
        (
            "who leaves last leaves nobody waiting",
            "join m; join n; leave m",
            "n@2:0123",
        ),
        (
            "five share four",
            "join m; join n; join o; join p; join q; join m",
            "m@2:0 n@2:1 o@2:2 p@2:3 q@2:",
        ),
    ];
    for (what, script, expected) in table {
        let mut run = Script::run(script);
        assert_eq!(run.beats(), expected, "{what}");
    }
}

#[test]
fn compaction_keeps_what_counts() {
    let table = [
        (
            "the last of each key",
            "plain k=1; plain l=2; plain k=3; compact 3",
            "1:2 2:3 | 3 3",
        ),
        (
            "all above the bound",
            "plain k=1; plain k=2; plain k=3; compact 2",
            "1:2 2:3 | 3 3",
        ),
        (
            "tombstones for a while",
            "plain k=1; plain k=; compact 2",
            "1: | 2 2",
        ),
        ("then not", "plain k=1; plain k=; sweep 2", "| 2 2"),
        (
            "a swept key that lives again",
            "plain k=; plain k=1; sweep 2",
            "1:1 | 2 2",
        ),
        (
            "not the aborted one",
            "plain k=1; init a; begin a; send a k=2; abort a; compact 3",
            "0:1 | 3 3",
        ),
        (
            "nothing beyond an open transaction",
            "plain k=1; init a; begin a; send a k=2; plain k=3; compact 3",
            "0:1 | 1 3",
        ),
    ];
    for (what, script, expected) in table {
        assert_eq!(Script::run(script).reading(), expected, "{what}");
    }
}

#[test]
fn a_reader_reads_on_where_it_stopped() {
    let run =
        Script::run("plain x; init a; begin a; send a y; abort a; plain z; plain k; compact 1");
    let mut position = 0;
    let mut seen = Vec::new();
    while position < run.log.end(&t()) {
        let read = run.log.read_committed(&t(), position, 1);
        seen.push((read.records.len(), read.position));
        position = read.position;
    }
    assert_eq!(seen, [(1, 1), (1, 4), (1, 5)]);
}
