//! What comes next, and who waits for whom, as scripts.

use super::*;

/// Topics `a`, `b`, `c`. `a7@3`: the record of topic `a` at time 7, offset 3; `a!3`: no event at offset 3; `a>3`: position 3;
/// `ask`; `ends 3 0 0`: the answer; `take`: what comes next, or why nothing does.
fn check(script: &str, expected: &str) {
    let mut inbox: Inbox<()> = Inbox::new(3, 1_000);
    let mut seen = Vec::new();
    for line in script.split(';').map(str::trim) {
        let topic = line
            .bytes()
            .next()
            .map_or(0, |b| usize::from(b.wrapping_sub(b'a')));
        let number = |text: &str| text.parse::<i64>().expect("a number");
        if line == "take" {
            seen.push(match inbox.next() {
                Next::Take(topic) => {
                    let held = inbox.take(topic);
                    format!("{}{}", ["a", "b", "c"][topic], held.record.offset)
                }
                other => format!("{other:?}"),
            });
        } else if line == "ask" {
            seen.extend(
                inbox
                    .ask(Timestamp(0))
                    .is_none()
                    .then(|| "pending".to_owned()),
            );
        } else if line == "standing" {
            seen.extend((0..3).map(|topic| format!("{:?}", inbox.standing(topic))));
        } else if let Some(ends) = line.strip_prefix("ends ") {
            inbox.answer(inbox.asks, ends.split(' ').map(number).collect());
        } else if let Some((_, position)) = line.split_once('>') {
            inbox.passed(topic, number(position));
        } else {
            let (time, offset) = line[1..].split_once(['@', '!']).expect("a record");
            let record = RawRecord {
                offset: number(offset),
                ..RawRecord::default()
            };
            let rejection = Rejection {
                stage: "decode",
                reason: "bad",
                detail: String::new(),
            };
            let content = if time.is_empty() {
                Err(rejection)
            } else {
                Ok((Timestamp(number(time)), ()))
            };
            inbox.push(topic, (record, 0), content, Timestamp(0), Timestamp::MAX);
        }
    }
    assert_eq!(seen.join(" "), expected, "{script}");
}

#[test]
fn records_are_taken_in_order_when_nobody_can_come_before() {
    let table = [
        ("by time", "a7@0; b5@0; c6@0; take", "b0"),
        ("ties by topic", "b5@0; a5@0; c5@0; take", "a0"),
        (
            "in a topic by offset, whatever the time",
            "a7@0; a5@1; b6@0; c9@0; take; take",
            "b0 Ask",
        ),
        (
            "what is no event waits for no time",
            "a7@0; b!0; c6@0; take",
            "b0",
        ),
        (
            "what runs ahead of those behind it by more than the lateness does not keep them waiting",
            "a5000@0; a3@1; b4@0; c9@0; take; take; take",
            "a0 a1 Ask",
        ),
        ("nothing at hand", "take", "Empty"),
        (
            "others that never said where they are",
            "a7@0; take",
            "Wait",
        ),
        (
            "others whose end nobody asked for",
            "a7@0; b>0; c>0; take",
            "Ask",
        ),
        (
            "others at their end",
            "a7@0; b>0; c>4; ask; ends 1 0 4; take",
            "a0",
        ),
        (
            "another behind its end",
            "a7@0; b>0; c>3; ask; ends 1 0 4; take; c>4; take",
            "Wait a0",
        ),
        (
            "an end asked for before the record came",
            "b>0; c>0; ask; a7@0; ends 0 0 0; take",
            "Ask",
        ),
        (
            "one ask at a time",
            "b>0; c>0; ask; ask; ends 0 0 0; ask",
            "pending",
        ),
        (
            "behind is behind, however old the answer",
            "b>0; c>0; ask; ends 0 1 0; a7@0; take",
            "Wait",
        ),
        (
            "read beyond the end that was asked for",
            "b>5; c>0; a7@0; ask; ends 1 4 0; take",
            "a0",
        ),
    ];
    for (_, script, expected) in table {
        check(script, expected);
    }
}

#[test]
fn a_topic_is_caught_up_against_an_end_asked_for_in_time() {
    let table = [
        ("standing", "Behind Behind Behind"),
        ("a>0; b>0; c>0; standing", "Unsure Unsure Unsure"),
        (
            "a>0; b>0; c>0; ask; ends 0 1 0; standing",
            "CaughtUp Behind CaughtUp",
        ),
        (
            "a1@0; b>0; c>0; ask; ends 1 0 0; standing",
            "Behind CaughtUp CaughtUp",
        ),
        (
            "a1@0; b>0; c>0; ask; ends 1 0 0; take; standing",
            "a0 CaughtUp CaughtUp CaughtUp",
        ),
        (
            "a1@0; b2@0; c3@0; take; standing",
            "a0 Unsure Behind Behind",
        ),
        (
            "a1@0; b>0; c>0; ask; ends 1 0 0; a2@1; take; take; standing",
            "a0 Ask Behind CaughtUp CaughtUp",
        ),
    ];
    for (script, expected) in table {
        check(script, expected);
    }
}

#[test]
fn a_full_queue_stops_fetching_until_it_is_half_empty() {
    let mut inbox: Inbox<()> = Inbox::new(1, 1_000);
    let mut changes = Vec::new();
    for offset in 0..i64::try_from(QUEUE_RECORDS).expect("small") {
        inbox.push(
            0,
            (
                RawRecord {
                    offset,
                    ..RawRecord::default()
                },
                0,
            ),
            Ok((Timestamp(0), ())),
            Timestamp(0),
            Timestamp::MAX,
        );
        changes.extend(inbox.flow().into_iter().map(|change| (change, offset + 1)));
    }
    for _ in 0..QUEUE_RECORDS {
        let offset = inbox.take(0).record.offset;
        changes.extend(inbox.flow().into_iter().map(|change| (change, offset)));
    }
    assert_eq!(changes, [((0, true), 2048), ((0, false), 1024)]);
}

#[test]
fn one_large_record_fills_a_queue() {
    let mut inbox: Inbox<()> = Inbox::new(1, 1_000);
    let record = RawRecord {
        value: Some(vec![0; QUEUE_BYTES]),
        ..RawRecord::default()
    };
    inbox.push(
        0,
        (record, 0),
        Ok((Timestamp(0), ())),
        Timestamp(0),
        Timestamp::MAX,
    );
    assert_eq!(inbox.flow(), [(0, true)]);
    inbox.take(0);
    assert_eq!(inbox.flow(), [(0, false)]);
}

#[test]
fn what_lies_in_the_future_waits_for_nobody_and_holds_no_time() {
    let mut inbox = Inbox::new(2, 10_000);
    inbox.seek(&[Some(0), Some(0)]);
    for (topic, customer, time) in [(0, 0, 10), (0, 1, 20), (1, 0, 9_000)] {
        let content = Ok((Timestamp(time), ()));
        inbox.push(
            topic,
            (RawRecord::default(), customer),
            content,
            Timestamp(0),
            Timestamp(1_000),
        );
    }
    assert_eq!(inbox.unread(0), Unread::Next(Timestamp(10)));
    assert_eq!(inbox.unread(1), Unread::Something);
    assert_eq!(inbox.next(), Next::Take(1));
    assert!(inbox.take(1).future);
}

/// Whoever is alone with her records may have a wrong clock: what may be behind them is waited for.
#[test]
fn records_of_one_customer_say_nothing_of_what_may_be_behind_them() {
    let at = |inbox: &mut Inbox<()>, offset, customer, time| {
        let record = RawRecord {
            offset,
            ..RawRecord::default()
        };
        let content = Ok((Timestamp(time), ()));
        inbox.push(0, (record, customer), content, Timestamp(0), Timestamp::MAX);
    };
    let mut inbox = Inbox::new(1, 10);
    inbox.seek(&[Some(0)]);
    at(&mut inbox, 0, 7, 5_000);
    assert_eq!(inbox.unread(0), Unread::Something, "the end is not known");
    let ask = inbox.ask(Timestamp(0)).expect("the first");
    inbox.answer(ask, vec![1]);
    assert_eq!(
        inbox.unread(0),
        Unread::Next(Timestamp(5_000)),
        "nothing is behind it"
    );
    let ask = inbox.ask(Timestamp(0)).expect("the second");
    inbox.answer(ask, vec![2]);
    assert_eq!(inbox.unread(0), Unread::Something, "something is");
    at(&mut inbox, 1, 8, 30);
    assert_eq!(
        inbox.unread(0),
        Unread::Next(Timestamp(30)),
        "it came after her, and tells otherwise"
    );
}
