//! When a transaction is due, and what it holds.

use super::*;
use crate::task::core::{Count, Treatment};

fn decided(treated: bool) -> Effect {
    let treatment = Treatment {
        channel: "email".to_owned(),
        value: b"hello".to_vec(),
        headers: Vec::new(),
    };
    Effect::Decided {
        customer: b"c1".to_vec(),
        count: Count::Treated("welcome".into()),
        decision: b"why".to_vec(),
        headers: Vec::new(),
        treatment: treated.then_some(treatment),
    }
}

/// A command waits 20 ms.
fn opened() -> Open {
    Open::new(Delays {
        command_ms: 20,
        ..Delays::default()
    })
}

fn step() -> Step {
    Step::begin(Timestamp(0))
}

#[test]
fn it_is_due_by_what_it_holds() {
    let mut open = opened();
    let due = |open: &Open| [false, true].map(|behind| open.due(behind).map(|due| due.0));
    open.end_step(step());
    assert_eq!(due(&open), [None, None], "nothing");
    let appended = |at| RawRecord {
        appended: Timestamp(at),
        ..RawRecord::default()
    };
    open.took(&appended(980), Timestamp(990), Timestamp(1000));
    assert_eq!(due(&open), [Some(1100), Some(3000)], "state only");
    open.effect(decided(false), None, Timestamp(1010));
    assert_eq!(
        due(&open),
        [Some(1100), Some(3000)],
        "a refusal is not urgent"
    );
    open.effect(decided(true), None, Timestamp(1020));
    open.effect(decided(true), None, Timestamp(1035));
    assert_eq!(
        due(&open),
        [Some(1040), Some(1040)],
        "the first command counts"
    );
    let arrivals: Vec<_> = open.causes.iter().map(|cause| cause.arrived).collect();
    assert_eq!(arrivals, [Timestamp(990), Timestamp(990)]);
    let large = RawRecord {
        value: Some(vec![0; TRANSACTION_BYTES]),
        ..RawRecord::default()
    };
    open.took(&large, Timestamp(1036), Timestamp(1036));
    assert_eq!(
        (open.is_full(), due(&open)),
        (true, [Some(1000), Some(1000)]),
        "full: at once"
    );
}

#[test]
fn a_command_that_waits_for_nobody_is_due_at_once() {
    let mut open = Open::new(Delays {
        command_ms: 0,
        ..Delays::default()
    });
    open.took(&RawRecord::default(), Timestamp(990), Timestamp(1000));
    open.effect(decided(true), None, Timestamp(1020));
    assert_eq!(open.due(false), Some(Timestamp(1020)));
}

#[test]
fn what_is_late_already_waits_for_more_while_there_is_more() {
    let mut open = opened();
    let record = |at| RawRecord {
        appended: Timestamp(at),
        ..RawRecord::default()
    };
    let due = |open: &Open| [false, true].map(|behind| open.due(behind).map(|due| due.0));
    open.took(&record(2000), Timestamp(10_000), Timestamp(10_000));
    open.effect(decided(true), None, Timestamp(10_000));
    assert_eq!(due(&open), [Some(10_020), Some(11_000)], "8 s late");
    open.took(&record(10_090), Timestamp(10_100), Timestamp(10_100));
    open.effect(decided(true), None, Timestamp(10_100));
    assert_eq!(due(&open), [Some(10_020), Some(10_120)], "one in time");
    let mut open = opened();
    open.took(&record(0), Timestamp(1_000_000), Timestamp(1_000_000));
    open.effect(decided(true), None, Timestamp(1_000_000));
    assert_eq!(due(&open), [Some(1_000_020), Some(1_002_000)], "at most");
}

#[test]
fn what_is_told_before_anything_was_taken_is_not_late() {
    let mut open = opened();
    let out = Out {
        sink: Sink::Transfers(1),
        key: None,
        value: None,
        headers: Vec::new(),
    };
    open.tells(out, Timestamp(1_000_000));
    assert_eq!(open.due(true), Some(Timestamp(1_000_020)));
}

#[test]
fn time_that_brings_nothing_is_one_step() {
    let mut open = opened();
    open.end_step(step());
    open.end_step(step());
    open.effect(decided(false), None, Timestamp(5));
    open.end_step(step());
    open.end_step(step());
    assert_eq!(
        (open.steps.len(), open.due(false)),
        (3, Some(Timestamp(105)))
    );
}

#[test]
fn a_decision_comes_before_its_command() {
    let mut open = opened();
    open.effect(decided(true), None, Timestamp(0));
    let sinks: Vec<&Sink> = open.records.iter().map(|out| &out.sink).collect();
    assert_eq!(
        sinks,
        [&Sink::Decisions, &Sink::Treatments("email".to_owned())]
    );
}

#[test]
fn what_is_set_aside_keeps_its_bytes_and_says_where_it_was() {
    // What another program said of it before makes way.
    let theirs = ("__connect.errors.topic".to_owned(), Some(b"foo".to_vec()));
    let headers = vec![("trace".to_owned(), None), theirs];
    let record = RawRecord {
        offset: 7,
        key: None,
        value: Some(b"\xff{".to_vec()),
        headers,
        ..RawRecord::default()
    };
    let origin = Origin {
        topic: "cart",
        partition: 3,
    };
    let mut open = opened();
    open.reject(
        origin,
        &record,
        &Rejection {
            stage: "decode",
            reason: "not_json",
            detail: "no".to_owned(),
        },
    );
    open.effect(
        Effect::Late { behind_ms: 3 },
        Some((origin, &record)),
        Timestamp(0),
    );
    open.effect(Effect::Duplicate, Some((origin, &record)), Timestamp(0));
    let sinks: Vec<&Sink> = open.records.iter().map(|out| &out.sink).collect();
    assert_eq!(sinks, [&Sink::DeadLetters, &Sink::Late]);
    let letter = &open.records[0];
    assert_eq!((&letter.key, &letter.value), (&record.key, &record.value));
    let said: Vec<String> = letter
        .headers
        .iter()
        .map(|(name, value)| {
            let value = value.as_deref().map(String::from_utf8_lossy);
            format!(
                "{}={}",
                name.trim_start_matches("__connect.errors."),
                value.unwrap_or_default()
            )
        })
        .collect();
    let expected = "trace= topic=cart partition=3 offset=7 stage=decode exception.class.name=not_json exception.message=no";
    assert_eq!(said.join(" "), expected);
}

#[test]
fn a_command_knows_the_record_whose_trace_it_goes_on_with() {
    let header = |trace: char, span: char| {
        let context = format!(
            "00-{}-{}-01",
            trace.to_string().repeat(32),
            span.to_string().repeat(16)
        );
        (TRACEPARENT.to_owned(), Some(context.into_bytes()))
    };
    let cause = |record: Vec<Header>, command: Vec<Header>| {
        let mut effect = decided(true);
        if let Effect::Decided {
            treatment: Some(treatment),
            ..
        } = &mut effect
        {
            treatment.headers = command;
        }
        let record = RawRecord {
            offset: 7,
            appended: Timestamp(5),
            headers: record,
            ..RawRecord::default()
        };
        let origin = Origin {
            topic: "support",
            partition: 3,
        };
        let mut open = opened();
        open.effect(effect, Some((origin, &record)), Timestamp(10));
        open.causes.remove(0).traced
    };
    let found = cause(vec![header('a', 'b')], vec![header('a', 'c')]).expect("its trace goes on");
    assert_eq!(
        (found.topic.as_str(), found.partition, found.offset),
        ("support", 3, 7)
    );
    assert_eq!(
        (found.appended, found.context.span_id),
        (Timestamp(5), 0xbbbb_bbbb_bbbb_bbbb)
    );
    assert_eq!(
        cause(vec![header('a', 'b')], vec![header('d', 'c')]),
        None,
        "another trace"
    );
    assert_eq!(
        cause(Vec::new(), vec![header('a', 'c')]),
        None,
        "no trace came"
    );
    assert_eq!(
        cause(vec![(TRACEPARENT.to_owned(), None)], vec![header('a', 'c')]),
        None,
        "a null"
    );
}
