//! What comes true when time has passed, to the millisecond and to the calendar day.

use std::sync::Arc;

use moments::engine::Engine;
use moments::trigger::plan::Policy;

use super::adoption::adopt;
use super::{Bench, check, check_with, onsite, plan};

const CART: &str = "absence: { of: Order Completed, after: Product Added, within: 30m }";
const FIRST: &str =
    "absence: { of: Order Completed, after: Product Added, within: 30m, from: first }";
const PRODUCT: &str =
    "absence: { of: Order Completed, after: Product Added, within: 30m, per: event.product_id }";
const RHYTHM: &str =
    "baseline: { of: Order Completed, measure: gap, history_min: 2, deviations: 2 }";

#[test]
fn an_absence_comes_true_at_its_very_end() {
    let added = "2026-03-02T10:00:00Z Product Added";
    let fires = &["2026-03-02T10:30:00Z treat"][..];
    let table: &[(&[&str], &[&str])] = &[
        (&[added, "until 2026-03-02T10:29:59.999Z"], &[]),
        (&[added, "until 2026-03-02T10:30:00Z"], fires),
        (
            &[
                added,
                "2026-03-02T10:30:00Z Order Completed",
                "until 2026-03-03T00:00:00Z",
            ],
            &[],
        ),
        (
            &[
                added,
                "2026-03-02T10:30:00.001Z Order Completed",
                "until 2026-03-03T00:00:00Z",
            ],
            fires,
        ),
        // At the anchor's own instant the order comes behind it, its topic being later by name.
        (
            &[
                added,
                "2026-03-02T10:00:00Z Order Completed",
                "until 2026-03-03T00:00:00Z",
            ],
            &[],
        ),
        // Read out of order, within the lateness.
        (
            &[
                "2026-03-02T10:00:30Z Order Completed",
                added,
                "until 2026-03-03T00:00:00Z",
            ],
            &[],
        ),
        // Read before the deadline's watermark, though it happened after it.
        (
            &[
                added,
                "2026-03-02T10:30:30Z Order Completed",
                "until 2026-03-03T00:00:00Z",
            ],
            fires,
        ),
        // Too late to be heard: time had gone by, and the reminder is taken back.
        (
            &[
                added,
                "until 2026-03-02T11:00:00Z",
                "2026-03-02T10:10:00Z Order Completed",
            ],
            &[fires[0], "2026-03-02T10:30:00Z back: late_event"],
        ),
    ];
    for (lines, expected) in table {
        check(&onsite(CART), lines, expected);
    }
}

#[test]
fn the_anchor_is_the_last_or_the_first() {
    let lines = [
        "2026-03-02T10:00:00Z Product Added",
        "2026-03-02T10:20:00Z Product Added",
        "2026-03-02T10:40:00Z Product Added",
        "until 2026-03-02T12:00:00Z",
    ];
    check(&onsite(CART), &lines, &["2026-03-02T11:10:00Z treat"]);
    let first = ["2026-03-02T10:30:00Z treat", "2026-03-02T11:10:00Z treat"];
    check(&onsite(FIRST), &lines, &first);
    // A late one moves no anchor back over an order that was in time.
    let late = [
        "2026-03-02T10:15:00Z Order Completed",
        "2026-03-02T10:20:00Z Product Added",
        "2026-03-02T10:25:00Z Cart Viewed",
        "2026-03-02T10:10:00Z Product Added",
        "until 2026-03-02T12:00:00Z",
    ];
    check(&onsite(FIRST), &late, &["2026-03-02T10:50:00Z treat"]);
    // One at the very time of an anchor that was decided is not decided again.
    let again = [
        "2026-03-02T10:00:00Z Product Added",
        "until 2026-03-02T11:00:00Z",
        "2026-03-02T10:00:00Z Product Added",
        "until 2026-03-02T12:00:00Z",
    ];
    check(&onsite(FIRST), &again, &["2026-03-02T10:30:00Z treat"]);
}

#[test]
fn an_order_cancels_the_products_it_lists() {
    let lines = [
        r#"2026-03-02T10:00:00Z Product Added {"product_id":"a"}"#,
        r#"2026-03-02T10:01:00Z Product Added {"product_id":"b"}"#,
        r#"2026-03-02T10:02:00Z Product Added {"product_id":"c"}"#,
        "2026-03-02T10:03:00Z Product Added",
        r#"2026-03-02T10:10:00Z Order Completed {"products":[{"product_id":"a"},{"sku":"c"},{"product_id":"z"},{"price":1}]}"#,
        "until 2026-03-02T12:00:00Z",
    ];
    check(&onsite(PRODUCT), &lines, &["2026-03-02T10:31:00Z b treat"]);
}

#[test]
fn inactivity_counts_from_the_last() {
    let lapsed = onsite("inactivity: { of: Order Completed, for: 90d }");
    let order = "2026-01-01T10:00:00Z Order Completed";
    let at_end = "2026-04-01T10:00:00Z Order Completed";
    let fires = ["2026-04-01T10:00:00Z treat"];
    check(&lapsed, &[order, "until 2026-04-01T09:59:59.999Z"], &[]);
    check(&lapsed, &[order, "until 2026-04-01T10:00:00Z"], &fires);
    check(&lapsed, &[order, at_end, "until 2026-06-30T09:59:59Z"], &[]);
    check(
        &lapsed,
        &[
            "2026-01-01T10:00:00Z Product Viewed",
            "until 2026-06-30T00:00:00Z",
        ],
        &[],
    );
}

/// Three orders at noon, so many days apart, in a zone.
fn rhythm(zone: &str, days: [&str; 3], more: &[&str], expected: &[&str]) {
    let identify = format!(r#"2026-01-01T00:00:00Z identify {{"timezone":"{zone}"}}"#);
    let orders = days.map(|day| format!("{day}T12:00:00Z Order Completed"));
    let mut lines: Vec<&str> = vec![&identify];
    lines.extend(orders.iter().map(String::as_str));
    lines.extend(more);
    check(&onsite(RHYTHM), &lines, expected);
}

#[test]
fn a_gap_by_day_ends_at_her_midnight() {
    // Gaps of 3 and 3: the bound is 3 days, the first day beyond it the fourth.
    let march = ["2026-03-20", "2026-03-23", "2026-03-26"];
    let until = ["until 2026-04-10T00:00:00Z"];
    rhythm("UTC", march, &until, &["2026-03-30T00:00:00Z treat"]);
    // Summer time begins in Madrid on the 29th, and midnight is an hour sooner in UTC.
    rhythm(
        "Europe/Madrid",
        march,
        &until,
        &["2026-03-29T22:00:00Z treat"],
    );
    // In Los Angeles it began on the 8th: the day it began on has 23 hours, 25 when it ends.
    let spring = ["2026-02-27", "2026-03-02", "2026-03-05"];
    rhythm(
        "America/Los_Angeles",
        spring,
        &until,
        &["2026-03-09T07:00:00Z treat"],
    );
    let before = ["2026-02-26", "2026-03-01", "2026-03-04"];
    rhythm(
        "America/Los_Angeles",
        before,
        &until,
        &["2026-03-08T08:00:00Z treat"],
    );
    let autumn = ["2026-10-16", "2026-10-19", "2026-10-22"];
    let year = ["until 2027-01-01T00:00:00Z"];
    rhythm(
        "Europe/Madrid",
        autumn,
        &year,
        &["2026-10-25T23:00:00Z treat"],
    );
    let november = ["2026-10-23", "2026-10-26", "2026-10-29"];
    rhythm(
        "America/Los_Angeles",
        november,
        &year,
        &["2026-11-02T08:00:00Z treat"],
    );
}

#[test]
fn an_order_at_midnight_is_in_time_and_one_later_that_day_is_not() {
    let march = ["2026-03-20", "2026-03-23", "2026-03-26"];
    let fires = ["2026-03-29T22:00:00Z treat"];
    let just = [
        "2026-03-29T22:00:00Z Order Completed",
        "until 2026-03-31T00:00:00Z",
    ];
    rhythm("Europe/Madrid", march, &just, &[]);
    let later = [
        "2026-03-29T22:00:00.001Z Order Completed",
        "until 2026-03-31T00:00:00Z",
    ];
    rhythm("Europe/Madrid", march, &later, &fires);
    // Two orders of one of her days, though of two in UTC, are no gap.
    let twice = [
        "2026-03-26T21:00:00Z Order Completed",
        "2026-03-26T22:59:59Z Order Completed",
        "until 2026-03-31T00:00:00Z",
    ];
    rhythm("Europe/Madrid", march, &twice, &fires);
}

#[test]
fn who_moves_to_another_zone_has_her_midnight_there() {
    let march = ["2026-03-20", "2026-03-23", "2026-03-26"];
    let until = "until 2026-04-10T00:00:00Z";
    let moves = |zone: &str, time: &str| format!(r#"{time} identify {{"timezone":"{zone}"}}"#);
    let west = moves("America/Los_Angeles", "2026-03-28T10:00:00Z");
    rhythm(
        "Europe/Madrid",
        march,
        &[&west, until],
        &["2026-03-30T07:00:00Z treat"],
    );
    let east = moves("Asia/Tokyo", "2026-03-28T10:00:00Z");
    rhythm(
        "Europe/Madrid",
        march,
        &[&east, until],
        &["2026-03-29T15:00:00Z treat"],
    );
    // Already past there when she arrives: then it is when she arrives, whenever time gets there.
    let past = moves("Asia/Tokyo", "2026-03-29T18:00:00Z");
    let steps = [&*past, "until 2026-03-29T18:00:00Z", until];
    rhythm(
        "Europe/Madrid",
        march,
        &steps,
        &["2026-03-29T18:00:00Z treat"],
    );
    let soon = [&*past, "until 2026-03-29T18:00:00Z"];
    rhythm(
        "Europe/Madrid",
        march,
        &soon,
        &["2026-03-29T18:00:00Z treat"],
    );
}

#[test]
fn a_deadline_that_another_definition_brings_nearer_is_not_missed() {
    let lapsed = |days: u32| {
        onsite(&format!(
            "inactivity: {{ of: Order Completed, for: {days}d }}"
        ))
    };
    let mut bench = Bench::new(&lapsed(90), Policy::for_everybody());
    bench.line("2026-01-01T10:00:00Z Order Completed");
    bench.line("until 2026-01-02T00:00:00Z");
    let records = bench.engine.seal();
    let mut engine = Engine::new(Arc::new(plan(&lapsed(30), Policy::for_everybody())));
    for (customer, packed) in &records {
        let read = engine.restore(customer, packed.as_deref());
        read.expect("what it packed itself");
    }
    engine.restored(bench.engine.watermark());
    bench.engine = engine;
    bench.line("until 2026-02-01T00:00:00Z");
    assert_eq!(bench.decisions(), ["2026-01-31T10:00:00Z treat"]);
}

const MADRID: &str = r#"2026-03-01T10:00:00Z identify {"timezone":"Europe/Madrid"}"#;
const MOVED: &str = r#"2026-03-04T10:00:00Z identify {"timezone":"America/New_York"}"#;

/// What the anchor of 2026-03-02T10:00:00Z says, what is added to it, what else happens, and what becomes of it.
type Until<'a> = (&'a str, &'a str, &'a [&'a str], &'a [&'a str]);

#[rustfmt::skip]
const UNTIL: &[Until<'_>] = &[
    // A time.
    ("2026-03-05T12:00:00Z", "0d", &[], &["2026-03-05T12:00:00Z treat"]),
    ("2026-03-05T12:00:00Z", "-1d", &[], &["2026-03-04T12:00:00Z treat"]),
    ("2026-03-05T12:00:00Z", "2h", &[], &["2026-03-05T14:00:00Z treat"]),
    ("2026-03-05T12:00:00Z", "0d", &["2026-03-05T12:00:00Z Order Delivered"], &[]),
    ("2026-03-05T12:00:00Z", "0d", &["2026-03-05T12:00:00.001Z Order Delivered"], &["2026-03-05T12:00:00Z treat"]),
    // A date, until its end where she lives; its first instant after is in time.
    ("2026-03-05T00:00:00Z", "0d", &[], &["2026-03-06T00:00:00Z treat"]),
    ("2026-03-05T00:00:00Z", "0d", &[MADRID], &["2026-03-05T23:00:00Z treat"]),
    ("2026-03-05T00:00:00Z", "0d", &[MADRID, "2026-03-05T23:00:00Z Order Delivered"], &[]),
    ("2026-03-05T00:00:00Z", "0d", &[MADRID, "2026-03-05T23:00:00.001Z Order Delivered"], &["2026-03-05T23:00:00Z treat"]),
    ("2026-03-05", "0d", &[], &["2026-03-06T00:00:00Z treat"]),
    ("2026-03-05", "0d", &[MADRID], &["2026-03-05T23:00:00Z treat"]),
    ("2026-03-05", "0d", &[MADRID, "2026-03-05T23:00:00Z Order Delivered"], &[]),
    ("2026-03-05", "0d", &[MADRID, "2026-03-05T23:00:00.001Z Order Delivered"], &["2026-03-05T23:00:00Z treat"]),
    ("2026-03-28", "1d", &[MADRID], &["2026-03-29T22:00:00Z treat"]),
    ("2026-03-07", "-3d", &[MADRID], &["2026-03-04T23:00:00Z treat"]),
    ("2026-03-05", "0d", &[MADRID, MOVED], &["2026-03-06T05:00:00Z treat"]),
    // Days after it are calendar days: clocks go forward on the 29th.
    ("2026-03-28T00:00:00Z", "1d", &[MADRID], &["2026-03-29T22:00:00Z treat"]),
    ("2026-03-28T00:00:00Z", "24h 1m", &[MADRID], &["2026-03-29T23:01:00Z treat"]),
    ("2026-03-07T00:00:00Z", "-3d", &[MADRID], &["2026-03-04T23:00:00Z treat"]),
    // She moves before.
    ("2026-03-05T00:00:00Z", "0d", &[MADRID, MOVED], &["2026-03-06T05:00:00Z treat"]),
    // What is not after the anchor, or not said, is no deadline.
    ("2026-03-02T10:00:00Z", "0d", &[], &[]),
    ("2026-03-02T10:00:00.001Z", "0d", &[], &["2026-03-02T10:00:00.001Z treat"]),
    ("2026-03-03T09:00:00Z", "-1d", &[], &[]),
    ("2026-03-01T00:00:00Z", "0d", &[], &[]),
];

#[test]
fn an_absence_lasts_until_what_its_anchor_says() {
    let absence = |plus: &str| {
        onsite(&format!(
            "absence: {{ of: Order Delivered, after: Order Shipped, until: event.promised_at{plus} }}"
        ))
    };
    let end = "until 2026-04-30T00:00:00Z";
    for (until, plus, more, expected) in UNTIL {
        let shipped = format!(r#"2026-03-02T10:00:00Z Order Shipped {{"promised_at":"{until}"}}"#);
        let mut lines: Vec<&str> = vec![&shipped];
        lines.extend(*more);
        lines.sort_unstable();
        lines.push(end);
        check(&absence(&format!(", plus: {plus}")), &lines, expected);
    }
    check(
        &absence(""),
        &["2026-03-02T10:00:00Z Order Shipped", end],
        &[],
    );
}

/// By either name, whichever is asked for; where both are said, its own counts.
#[test]
fn a_promise_has_another_name() {
    let times = ["2026-03-03T10:00:00Z", "2026-03-04T10:00:00Z"];
    let said = |[first, second]: [(&str, &str); 2]| {
        let said = format!(
            r#"{{"{}":"{}","{}":"{}"}}"#,
            first.0, first.1, second.0, second.1
        );
        format!("2026-03-02T10:00:00Z Order Shipped {said}")
    };
    let own = ("promised_at", times[0]);
    let other = ("estimated_delivery", times[1]);
    let none = ("carrier", "acme");
    for name in [own.0, other.0] {
        let moment = onsite(&format!(
            "absence: {{ of: Order Delivered, after: Order Shipped, until: event.{name} }}"
        ));
        for (properties, due) in [
            ([none, own], times[0]),
            ([none, other], times[1]),
            ([own, other], times[0]),
            ([other, own], times[0]),
        ] {
            let lines = [&said(properties), "until 2026-04-30T00:00:00Z"];
            check(&moment, &lines, &[&format!("{due} treat")]);
        }
    }
}

/// What is asked where nothing says where she lives; what happens, and what follows where she is taken to live in Madrid, an hour
/// before UTC.
#[rustfmt::skip]
const AT_HOME: &[(&str, &[&str], &[&str])] = &[
    (
        "absence: { of: Order Delivered, after: Order Shipped, until: event.promised_at, plus: 1d }",
        &[r#"2026-03-02T10:00:00Z Order Shipped {"promised_at":"2026-03-04"}"#],
        &["2026-03-05T23:00:00Z treat"],
    ),
    (
        "absence: { of: Order Delivered, after: Order Shipped, until: event.promised_at, plus: 1d }",
        &[r#"2026-03-02T10:00:00Z Order Shipped {"promised_at":"2026-03-04"}"#, MOVED],
        &["2026-03-06T05:00:00Z treat"],
    ),
    // On the 3rd, 5th and 7th: two gaps of two days. By UTC they were of three and one.
    (
        RHYTHM,
        &[
            "2026-03-02T23:30:00Z Order Completed",
            "2026-03-05T10:00:00Z Order Completed",
            "2026-03-06T23:30:00Z Order Completed",
        ],
        &["2026-03-09T23:00:00Z treat"],
    ),
    ("event: { name: Page Viewed, where: hour(event.time) == 0 }", &["2026-03-02T23:30:00Z Page Viewed"], &["2026-03-02T23:30:00Z treat"]),
    (
        "event: { name: Page Viewed, where: weekday(event.time) == \"tuesday\" }",
        &["2026-03-02T22:59:59Z Page Viewed", "2026-03-02T23:00:00Z Page Viewed"],
        &["2026-03-02T23:00:00Z treat"],
    ),
    (
        "event: { name: Order Completed, where: \"days_between(previous.last_order, event.time) == 1\" }",
        &["2026-03-02T22:59:59Z Order Completed", "2026-03-02T23:00:00Z Order Completed"],
        &["2026-03-02T23:00:00Z treat"],
    ),
    // Of a day the parcel is in time until its end.
    (
        "event: { name: Order Delivered, where: profile.deliveries.late == 1 }",
        &[
            r#"2026-03-02T10:00:00Z Order Delivered {"order_id":"o1","promised_at":"2026-03-01","delivered_at":"2026-03-01T22:59:59Z"}"#,
            r#"2026-03-02T11:00:00Z Order Delivered {"order_id":"o2","promised_at":"2026-03-01","delivered_at":"2026-03-01T23:00:00Z"}"#,
        ],
        &["2026-03-02T11:00:00Z treat"],
    ),
];

fn madrid() -> Policy {
    toml::from_str("hold_out = '0%'\ndefault_timezone = 'Europe/Madrid'").expect("a policy")
}

#[test]
fn who_says_no_zone_has_that_of_the_policy() {
    for (moment, lines, expected) in AT_HOME {
        let mut lines = lines.to_vec();
        lines.push("until 2026-03-20T00:00:00Z");
        check_with(&onsite(moment), &madrid(), &lines, expected);
    }
}

/// Deadlines follow, though no trigger is another.
#[test]
fn another_zone_of_the_policy_moves_deadlines() {
    let trigger = onsite(AT_HOME[0].0);
    let mut bench = Bench::new(&trigger, madrid());
    bench.line(AT_HOME[0].1[0]);
    bench.line("until 2026-03-03T00:00:00Z");
    let there = "hold_out = '0%'\ndefault_timezone = 'Asia/Tokyo'";
    adopt(
        &mut bench,
        &trigger,
        toml::from_str(there).expect("a policy"),
    );
    bench.line("until 2026-03-05T15:00:00Z");
    assert_eq!(bench.decisions(), ["2026-03-05T15:00:00Z treat"]);
}
