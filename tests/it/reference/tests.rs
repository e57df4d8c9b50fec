//! The reference on cases small enough to work out by hand.

use super::{DAY_MS, Definition, From, Inside, Measured, RefEvent, moments, open};

const HOUR: i64 = 3_600_000;
const FOREVER: i64 = i64::MAX;

/// Events from (name, time, key, value); the id of each is its place in the list.
fn history(rows: &[(&str, i64, &str, f64)]) -> Vec<RefEvent> {
    (0..)
        .zip(rows)
        .map(|(order, &(name, time_ms, key, value))| RefEvent {
            time_ms,
            order,
            name: name.to_owned(),
            id: order.to_string(),
            key: key.to_owned(),
            value,
        })
        .collect()
}

/// Checks (key, event, moment) of each moment up to `until`, and how many deadlines are open then.
fn check(
    definition: &Definition,
    rows: &[(&str, i64, &str, f64)],
    until: i64,
    expected: &[(&str, &str, i64)],
    open_expected: usize,
) {
    let history = history(rows);
    let found = moments(definition, &history, until);
    let found: Vec<(&str, &str, i64)> = found
        .iter()
        .map(|m| (m.key.as_deref().unwrap_or(""), &*m.event, m.moment_at))
        .collect();
    assert_eq!(found, expected, "{definition:?} of {rows:?}");
    assert_eq!(open(definition, &history, until), open_expected, "open");
}

fn absence(from: From, per_key: bool) -> Definition {
    Definition::Absence {
        of: vec!["bought", "both"],
        after: vec!["added", "both"],
        within_ms: 10,
        value_ms: 0,
        from,
        per_key,
    }
}

#[test]
fn absence_fires_when_its_time_has_passed() {
    use From::{First, Last};
    let a = |time| ("added", time, "k", 0.0);
    let b = |time| ("bought", time, "k", 0.0);
    let both = |time| ("both", time, "k", 0.0);
    let any = |time| ("other", time, "k", 0.0);
    for from in [Last, First] {
        let definition = absence(from, false);
        check(&definition, &[a(0)], 9, &[], 1);
        check(&definition, &[a(0)], 10, &[("", "0", 10)], 0);
        check(&definition, &[a(0), any(5), b(10)], FOREVER, &[], 0);
        check(&definition, &[a(0), b(11)], FOREVER, &[("", "0", 10)], 0);
        check(&definition, &[b(0), a(0)], FOREVER, &[("", "1", 10)], 0);
        check(&definition, &[a(0), b(0)], FOREVER, &[], 0);
        check(&definition, &[both(0)], FOREVER, &[("", "0", 10)], 0);
        check(&definition, &[a(0), both(4)], FOREVER, &[("", "1", 14)], 0);
        let twice = [("", "0", 10), ("", "1", 21)];
        check(&definition, &[a(0), a(11)], FOREVER, &twice, 0);
        check(&definition, &[a(0), a(11)], 20, &twice[..1], 1);
    }
    let renewed = [a(0), a(10), a(20)];
    check(
        &absence(Last, false),
        &renewed,
        FOREVER,
        &[("", "2", 30)],
        0,
    );
    let kept = [("", "0", 10), ("", "2", 30)];
    check(&absence(First, false), &renewed, FOREVER, &kept, 0);
    let cancelled = [a(0), a(5), b(6), a(7)];
    for from in [Last, First] {
        check(&absence(from, false), &cancelled, 17, &[("", "3", 17)], 0);
    }
}

#[test]
fn absence_per_key_keeps_keys_apart() {
    let rows = [
        ("added", 0, "x", 0.0),
        ("added", 1, "y", 0.0),
        ("added", 2, "", 0.0),
        ("bought", 3, "x", 0.0),
        ("bought", 4, "", 0.0),
        ("added", 5, "z", 0.0),
    ];
    let expected = [("y", "1", 11), ("z", "5", 15)];
    check(&absence(From::Last, true), &rows, 15, &expected, 0);
    check(&absence(From::Last, true), &rows, 14, &expected[..1], 1);
}

#[test]
fn inactivity_counts_from_the_last_event() {
    let definition = Definition::Inactivity {
        of: vec!["order"],
        for_ms: 10,
    };
    let order = |time| ("order", time, "", 0.0);
    let rows = [
        order(0),
        order(10),
        ("view", 12, "", 0.0),
        order(21),
        order(21),
    ];
    let expected = [("", "1", 20), ("", "4", 31)];
    check(&definition, &rows, 31, &expected, 0);
    check(&definition, &rows, 30, &expected[..1], 1);
}

#[test]
fn a_gap_by_day_is_past_on_the_first_day_beyond_the_bound() {
    let definition = Definition::GapByDay {
        of: vec!["order"],
        history_min: 2,
        deviations: 2.0,
    };
    let at = |time| ("order", time, "", 0.0);
    let noon = |day: i64| at(day * DAY_MS + 12 * HOUR);
    // Gaps 3 and 3: the bound is 3 exactly, so day 10 = 6 + 4 is the first beyond it.
    let steady = [noon(0), noon(3), noon(6)];
    let fires = [("", "2", 10 * DAY_MS)];
    check(&definition, &steady, 10 * DAY_MS, &fires, 0);
    check(&definition, &steady, 10 * DAY_MS - 1, &[], 1);
    check(&definition, &steady[1..], FOREVER, &[], 0);
    // Two orders of one day are one day; the occurrence is the later.
    let doubled = [noon(0), noon(3), noon(6), at(6 * DAY_MS + 13 * HOUR)];
    check(
        &definition,
        &doubled,
        10 * DAY_MS,
        &[("", "3", 10 * DAY_MS)],
        0,
    );
    // An order later on the day does not undo it, one at its very start was in time. Gaps 3, 3, 4: the bound is
    // 3.33 + 2 x 0.577 = 4.49, so the next deadline is 10 + 5.
    let with = |next| [noon(0), noon(3), noon(6), next];
    let until = 14 * DAY_MS;
    check(&definition, &with(at(10 * DAY_MS + 1)), until, &fires, 1);
    check(&definition, &with(at(10 * DAY_MS)), until, &[], 1);
    let next = [("", "3", 15 * DAY_MS)];
    check(&definition, &with(at(10 * DAY_MS)), 15 * DAY_MS, &next, 0);
}

#[test]
fn an_exact_gap_is_past_at_the_instant_of_the_bound() {
    let definition = Definition::GapExact {
        of: vec!["order"],
        history_min: 2,
        deviations: 1.0,
    };
    let order = |time| ("order", time, "", 0.0);
    // Gaps 10 and 12: 11 + 1.414, rounded up 13.
    let rows = [order(0), order(10), order(22), order(35)];
    check(&definition, &rows[..3], 35, &[("", "2", 35)], 0);
    check(&definition, &rows[..3], 34, &[], 1);
    check(&definition, &rows, 35, &[], 1);
    // Gaps 10 and 10: the bound is a whole number and is not rounded.
    let steady = [order(0), order(10), order(20)];
    check(&definition, &steady, 30, &[("", "2", 30)], 0);
}

#[test]
fn a_value_departs_from_those_before_it() {
    let orders = |values: &[f64]| -> Vec<(&'static str, i64, &'static str, f64)> {
        let order = |(time, &value)| ("order", time, "", value);
        (0..).zip(values).map(order).collect()
    };
    let deviations = Definition::ValueDeviations {
        of: vec!["order"],
        history_min: 3,
        deviations: 2.0,
    };
    // Of 1, 2, 3 the mean is 2 and the deviation 1: above 4 departs, 4 does not.
    let rows = orders(&[1.0, 2.0, 3.0, 4.0]);
    check(&deviations, &rows, FOREVER, &[], 0);
    let rows = orders(&[1.0, 2.0, 3.0, 4.0001]);
    check(&deviations, &rows, FOREVER, &[("", "3", 3)], 0);
    // And below 0.5 with a negative factor of 1.5; 0.5 does not.
    let falls = Definition::ValueDeviations {
        of: vec!["order"],
        history_min: 3,
        deviations: -1.5,
    };
    let rows = orders(&[1.0, 2.0, 3.0, 0.5]);
    check(&falls, &rows, FOREVER, &[], 0);
    let rows = orders(&[1.0, 2.0, 3.0, 0.4999]);
    check(&falls, &rows, FOREVER, &[("", "3", 3)], 0);

    let ratio = Definition::ValueRatio {
        of: vec!["order"],
        history_min: 3,
        last: 2,
        below: 0.7,
    };
    // At the fourth order: (6 + 8) / 2 against 0.7 x 10, equal and then a little less; then every order that is.
    let rows = orders(&[10.0, 10.0, 6.0, 8.0]);
    check(&ratio, &rows, FOREVER, &[], 0);
    let rows = orders(&[10.0, 10.0, 6.0, 7.9999, 0.0, 9.0]);
    check(
        &ratio,
        &rows,
        FOREVER,
        &[("", "3", 3), ("", "4", 4), ("", "5", 5)],
        0,
    );
    let rows = orders(&[10.0, 10.0, 1.0]);
    check(&ratio, &rows, FOREVER, &[], 0);
}

#[test]
fn a_threshold_is_crossed_at_an_event() {
    let threshold = |measured, over_ms, inside| Definition::Threshold {
        of: vec!["order"],
        measured,
        over_ms,
        inside,
    };
    let order = |time, key, value| ("order", time, key, value);
    // The first has left the window when the third comes ten later.
    let count = threshold(Measured::Count, Some(10), Inside::AtLeast(2.0));
    let rows = [
        order(0, "", 0.0),
        order(10, "", 0.0),
        order(11, "", 0.0),
        order(12, "", 0.0),
        order(30, "", 0.0),
    ];
    check(&count, &rows, FOREVER, &[("", "2", 11)], 0);
    let sum = threshold(Measured::Sum, None, Inside::AtLeast(0.3));
    let rows = [order(0, "", 0.1), order(1, "", 0.2), order(2, "", 0.2)];
    check(&sum, &rows, FOREVER, &[("", "1", 1)], 0);
    let mean = threshold(Measured::Mean, Some(10), Inside::AtMost(5.0));
    let rows = [
        order(0, "", 5.0),
        order(1, "", 6.0),
        order(2, "", 4.0),
        order(20, "", 4.0),
    ];
    check(
        &mean,
        &rows,
        FOREVER,
        &[("", "0", 0), ("", "2", 2), ("", "3", 20)],
        0,
    );
    let keys = threshold(Measured::DistinctKeys, None, Inside::AtLeast(2.0));
    let rows = [
        order(0, "x", 0.0),
        order(1, "", 0.0),
        order(2, "x", 0.0),
        order(3, "y", 0.0),
    ];
    check(&keys, &rows, FOREVER, &[("", "3", 3)], 0);
    // 4, then 2 + 4, then 3 + 4 after it had faded to 3.
    let score = threshold(Measured::Score(10), None, Inside::AtLeast(6.0));
    let rows = [order(0, "", 4.0), order(10, "", 4.0), order(20, "", 4.0)];
    check(&score, &rows, FOREVER, &[("", "1", 10), ("", "2", 20)], 0);
}
