//! Goldens: the task records and journal lines as they were written.

use std::collections::BTreeMap;

use moments::task::journal::Line;
use moments::task::record::{self, Last, TaskRecord};
use moments::time::Timestamp;
use serde_json::Value;

use super::fixture::{ASIDE, CHANGELOG, DECISIONS, INPUTS, JOURNAL, Kept, index};
use super::history::PARTITIONS;
use super::lacks;

/// Topics that never move time.
const STILL: [&str; 2] = ["kept.outcomes", "kept.profile"];
/// As the kept configuration leaves it.
const LATENESS_MS: i64 = 60_000;

fn task_records(kept: &Kept, partition: i32) -> Vec<(bool, TaskRecord)> {
    let records = kept
        .of(CHANGELOG)
        .filter(|it| it.record.partition == partition);
    let records = records.filter(|it| it.record.key.as_deref() == Some(record::KEY));
    let unpacked = records.map(|it| {
        let value = it.record.value.as_deref().expect("no tombstone");
        let record = TaskRecord::unpack(value).expect("a task record that is still read");
        (kept.is_before_stop(it), record)
    });
    unpacked.collect()
}

fn lines(kept: &Kept, partition: i32) -> Vec<String> {
    let records = kept
        .of(JOURNAL)
        .filter(|it| it.record.partition == partition);
    records.map(|it| it.record.text()).collect()
}

#[test]
fn a_journal_line_is_read_and_written_as_it_was() {
    let kept = Kept::load();
    for text in (0..PARTITIONS).flat_map(|partition| lines(&kept, partition)) {
        let line = Line::read(text.as_bytes()).expect("a line that is still read");
        let expected: Value = serde_json::from_str(&text).expect("JSON");
        let written: Value = serde_json::from_slice(&line.to_json()).expect("JSON");
        assert_eq!(lacks(&expected, &written), None);
    }
}

#[test]
fn each_task_record_says_what_its_journal_line_says() {
    let kept = Kept::load();
    for partition in 0..PARTITIONS {
        let (records, lines) = (task_records(&kept, partition), lines(&kept, partition));
        assert_eq!(records.len(), lines.len());
        let mut offsets: BTreeMap<String, i64> = BTreeMap::new();
        for ((_, record), text) in records.iter().zip(&lines) {
            let line = Line::read(text.as_bytes()).expect("a line");
            assert_eq!(record.transaction, line.transaction);
            assert_eq!((&record.revision, record.now), (&line.revision, line.now));
            let watermark = line.steps.last().map(|step| step.watermark);
            assert_eq!(Some(record.watermark), watermark);
            let runs = line.steps.into_iter().flat_map(|step| step.runs);
            offsets.extend(runs.map(|run| (run.0, run.2 + 1)));
            for topic in INPUTS {
                let taken = offsets.get(topic).copied();
                assert_eq!(
                    record.offset(topic).unwrap_or(0),
                    taken.unwrap_or(0),
                    "{topic}"
                );
            }
        }
    }
}

/// When the last event of a topic that a task took happened, and when it was appended. What is no event has no number for its time
/// in this history.
fn last_taken(kept: &Kept, partition: i32, topic: &str, offset: i64) -> Option<Last> {
    let records = kept.of(topic).map(|it| &it.record);
    let taken = records.filter(|it| it.partition == partition && it.offset < offset);
    let last = taken.filter_map(|it| {
        let event: Value = serde_json::from_str(&it.text()).ok()?;
        Some(Last {
            appended: Timestamp(it.timestamp?),
            time: Timestamp(event["timestamp"].as_i64()?),
        })
    });
    last.last()
}

#[test]
fn a_task_record_says_how_far_time_has_come() {
    let kept = Kept::load();
    for partition in 0..PARTITIONS {
        let records = task_records(&kept, partition);
        let at_stop = records.iter().rfind(|(before, _)| *before);
        for (_, record) in [at_stop, records.last()].into_iter().flatten() {
            let mut seen = None;
            for topic in INPUTS {
                let Some(found) = record.topics.get(topic) else {
                    panic!("{topic} has its place");
                };
                let offset = found.offset.unwrap_or(0);
                let last = last_taken(&kept, partition, topic, offset);
                assert_eq!(found.last, last, "{topic}");
                assert!(found.seen >= last.map(|last| last.time), "{topic}");
                if !STILL.contains(&topic) {
                    seen = seen.max(found.seen);
                }
            }
            let watermark = seen.map(|seen| seen.plus(-LATENESS_MS - 1));
            assert_eq!(Some(record.watermark), watermark);
        }
    }
}

#[test]
fn a_task_record_says_what_the_topics_say() {
    let kept = Kept::load();
    for partition in 0..PARTITIONS {
        let records = task_records(&kept, partition);
        let at_stop = records.iter().rfind(|(before, _)| *before);
        let stops = [(at_stop, &kept.told.stop), (records.last(), &kept.told.end)];
        for (record, said) in stops {
            let (before, record) = record.expect("a record");
            for topic in INPUTS {
                let offset = said.offsets[topic][index(partition)];
                assert_eq!(record.offset(topic).unwrap_or(0), offset.max(0), "{topic}");
            }
            let count = |topic| {
                let records = kept.of(topic).filter(|it| it.record.partition == partition);
                records
                    .filter(|it| !before || kept.is_before_stop(it))
                    .count() as u64
            };
            let tallied = |begin: &str| {
                let tallies = record.tallies.iter();
                let tallies = tallies.filter(|(name, _)| name.to_string().starts_with(begin));
                tallies.map(|(_, count)| *count).sum::<u64>()
            };
            assert_eq!(tallied("decided."), count(DECISIONS));
            assert_eq!(tallied("rejected."), count(ASIDE[0]));
            assert_eq!(tallied("late"), count(ASIDE[1]));
            let taken: i64 = said
                .offsets
                .values()
                .map(|it| it[index(partition)].max(0))
                .sum();
            let counted = tallied("events") + tallied("rejected.");
            assert_eq!(i64::try_from(counted), Ok(taken));
        }
    }
}
