//! Where time stands, as tables.

use super::*;

/// Topics a (lateness 10), b (lateness 20) and p, which does not drive (lateness 10).
fn watermarks(seen: [Option<i64>; 3]) -> Watermarks {
    let topic = |name: &str, lateness_ms, drives| TopicSettings {
        name: name.to_owned(),
        lateness_ms,
        drives,
    };
    let mut watermarks = Watermarks::new(vec![
        topic("a", 10, true),
        topic("b", 20, true),
        topic("p", 10, false),
    ]);
    for (topic, time) in seen.into_iter().enumerate() {
        if let Some(time) = time {
            // Two say so: it is believed.
            for customer in [1, 2] {
                watermarks.see(topic, customer, Timestamp(time), Timestamp(time + 1000));
            }
        }
    }
    watermarks
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn the_watermark_of_a_task() {
    const MIN: i64 = Timestamp::MIN.0;
    let table = [
        ("nothing seen", [None; 3], [false; 3], MIN),
        ("nothing seen, nothing there", [None; 3], [true; 3], MIN),
        (
            "the least of those behind",
            [Some(100), Some(50), Some(90)],
            [false; 3],
            29,
        ),
        (
            "who is caught up holds nobody",
            [Some(100), Some(50), Some(90)],
            [false, true, false],
            69,
        ),
        (
            "all caught up: the largest",
            [Some(100), Some(50), Some(90)],
            [true; 3],
            79,
        ),
        (
            "the largest lateness counts, whoever came furthest",
            [Some(105), Some(100), None],
            [true; 3],
            84,
        ),
        (
            "unseen and behind holds all",
            [Some(100), None, Some(90)],
            [true, false, true],
            MIN,
        ),
        (
            "unseen and caught up does not",
            [Some(100), None, None],
            [true; 3],
            79,
        ),
        (
            "the profile holds while unread",
            [Some(100), Some(100), Some(5)],
            [true, true, false],
            -16,
        ),
        (
            "the profile never drives",
            [Some(100), None, Some(900)],
            [true; 3],
            79,
        ),
        (
            "not even when it is behind",
            [Some(100), None, Some(900)],
            [true, true, false],
            79,
        ),
        ("nor alone", [None, None, Some(900)], [true; 3], MIN),
    ];
    for (what, seen, caught_up, expected) in table {
        assert_eq!(
            watermarks(seen).reached(|topic| unread(caught_up[topic])).0,
            expected,
            "{what}"
        );
    }
    let mut watermarks = watermarks([Some(100), Some(50), None]);
    watermarks.set_task(Timestamp(70));
    assert_eq!(
        watermarks.reached(|_| Unread::Something).0,
        70,
        "never back"
    );
}

#[test]
fn silence_leads_time_on_at_the_distance_it_had() {
    let fast = ClockMode::Accelerated {
        origin: Timestamp(0),
        start: Timestamp(1000),
        factor: 10.0,
    };
    let late = [Some(100), Some(50), Some(900)];
    // The last record has time 100 and came at 1100 (fast: 1000, at the distance of 900). The delay is 30.
    let table = [
        (
            "wall: clock - 1000 - 30 - the lateness",
            ClockMode::Wall,
            late,
            1300,
            0,
            250,
        ),
        (
            "events: the largest seen",
            ClockMode::Event,
            late,
            1300,
            1270,
            100,
        ),
        (
            "events: not before the delay",
            ClockMode::Event,
            late,
            1300,
            1271,
            Timestamp::MIN.0,
        ),
        (
            "fast: (clock - 30 - 1000) * 10 - 900 - the lateness",
            fast,
            late,
            1300,
            0,
            1780,
        ),
        (
            "nothing seen, nothing moves",
            ClockMode::Wall,
            [None, None, Some(7)],
            1300,
            0,
            Timestamp::MIN.0,
        ),
    ];
    for (what, mode, seen, asked, quiet, expected) in table {
        let watermarks = watermarks(seen);
        let idle = watermarks.idle(&mode, Timestamp(asked), Timestamp(quiet), 30);
        assert_eq!(idle.0, expected, "{what}");
        if expected > 0 {
            let due = watermarks
                .idle_due(&mode, idle, Timestamp(quiet), 30)
                .expect("something seen");
            assert!(
                (0..=1).contains(&(due.0 - asked)),
                "{what}: due at {due:?}, asked at {asked}"
            );
            assert!(
                watermarks.idle(&mode, due, Timestamp(quiet), 30) >= idle,
                "{what}: reached when due"
            );
        }
    }
}

#[test]
fn an_event_ahead_of_the_clock_does_not_lead_silence_ahead_of_it() {
    let mut watermarks = watermarks([None; 3]);
    watermarks.see(0, 1, Timestamp(500), Timestamp(400));
    assert_eq!(
        watermarks
            .idle(&ClockMode::Wall, Timestamp(1000), Timestamp(0), 30)
            .0,
        950
    );
}

/// What is unread of a topic that is caught up, or is not.
fn unread(caught_up: bool) -> Unread {
    if caught_up {
        Unread::Nothing
    } else {
        Unread::Something
    }
}

#[test]
fn a_record_at_hand_is_as_good_as_seen() {
    let watermarks = watermarks([Some(5_000), Some(100), None]);
    let reached = |next: Timestamp| {
        watermarks.reached(|topic| {
            if topic == 1 {
                Unread::Next(next)
            } else {
                Unread::Nothing
            }
        })
    };
    let something = watermarks.reached(|topic| unread(topic != 1));
    assert!(
        reached(Timestamp(4_000)) > something,
        "it does not hold time at its record before"
    );
    assert!(
        reached(Timestamp(4_000)) < Timestamp(4_000),
        "it is still in time itself"
    );
    assert_eq!(
        reached(Timestamp(50)),
        something,
        "an older one changes nothing"
    );
}

/// Events as `ana@100`; what is believed after each, and at the end what is left where nothing more comes. The lateness is 20.
#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn a_time_that_runs_ahead_is_believed_when_another_customer_says_so() {
    for (what, events, expected) in [
        (
            "one customer alone moves nothing",
            "ana@100 ana@500",
            "- - last 500",
        ),
        ("two", "ana@100 ben@110", "- 110 last 110"),
        ("a time behind", "ana@100 ben@90", "- 100 last 100"),
        ("ahead by the lateness", "ana@100 ben@120", "- 120 last 120"),
        ("ahead by more", "ana@100 ben@121", "- 100 last 121"),
        (
            "as somebody says later",
            "ana@100 ben@500 eva@490",
            "- 100 500 last 500",
        ),
        (
            "as nobody says later",
            "ana@100 ben@500 eva@110",
            "- 100 110 last 110",
        ),
        (
            "she says it twice",
            "ana@100 ben@500 ben@505",
            "- 100 100 last 505",
        ),
        (
            "she is back where all are",
            "ana@100 ben@500 ben@105 ana@106",
            "- 100 100 106 last 106",
        ),
        (
            "the others go on",
            "ana@100 ben@500 ana@130 eva@140",
            "- 100 130 140 last 140",
        ),
        (
            "the others come as far",
            "ana@100 ben@500 ana@300 eva@480",
            "- 100 300 500 last 500",
        ),
        (
            "two run ahead together",
            "ana@100 ben@500 eva@505",
            "- 100 505 last 505",
        ),
        (
            "two run ahead, each by herself",
            "ana@100 ben@500 eva@900 ana@110",
            "- 100 500 500 last 500",
        ),
        (
            "it goes back for nobody",
            "ana@100 ben@110 ben@400 eva@120 ana@30",
            "- 110 110 120 120 last 120",
        ),
    ] {
        let mut watermarks = watermarks([None; 3]);
        let mut seen: Vec<String> = Vec::new();
        for event in events.split(' ') {
            let (customer, time) = event.split_once('@').expect("customer@time");
            let customer = u64::from(customer.as_bytes()[0]);
            let time = Timestamp(time.parse().expect("a time"));
            watermarks.see(0, customer, time, time);
            seen.push(
                watermarks
                    .believed()
                    .map_or("-".to_owned(), |it| it.0.to_string()),
            );
            let mut resumed = watermarks.clone();
            resumed.resume_lead(Some(watermarks.lead()));
            assert_eq!(resumed.believed(), watermarks.believed(), "{what}");
        }
        let last = watermarks.last().map_or(0, |it| it.0);
        assert_eq!(
            format!("{} last {last}", seen.join(" ")),
            expected,
            "{what}"
        );
    }
}

#[test]
fn what_a_build_before_saw_is_believed() {
    let mut watermarks = watermarks([Some(100), None, None]);
    watermarks.resume_lead(None);
    assert_eq!(watermarks.believed(), Some(Timestamp(100)));
    watermarks.see(0, 7, Timestamp(110), Timestamp(110));
    assert_eq!(watermarks.believed(), Some(Timestamp(110)));
}
