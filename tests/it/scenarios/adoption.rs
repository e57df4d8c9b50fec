//! Other triggers while customers are known: what is kept, what is let go, and what is decided afterwards.

use std::sync::Arc;

use moments::engine::{Engine, packed};
use moments::trigger::plan::Policy;

use super::{Bench, onsite, plan};

/// Goes over to another definition; whether anybody changed.
pub fn adopt(bench: &mut Bench, trigger: &str, policy: Policy) -> bool {
    bench.engine.seal();
    bench.engine.committed();
    let plan = Arc::new(plan(trigger, policy));
    let (now, effects) = (bench.now, &mut bench.effects);
    let adopted = bench.engine.adopt(&plan, 0, now, effects);
    assert!(adopted.done);
    bench.engine.seal();
    bench.engine.committed();
    let again = bench.engine.adopt(&plan, 0, now, effects);
    assert!(!again.changed, "going over again changes nothing");
    adopted.changed
}

fn check(what: &str, before: &str, lines: &[&str], after: &str, then: &[&str], expected: &[&str]) {
    let mut bench = Bench::new(before, Policy::for_everybody());
    lines.iter().for_each(|line| bench.line(line));
    adopt(&mut bench, after, Policy::for_everybody());
    then.iter().for_each(|line| bench.line(line));
    assert_eq!(bench.decisions(), expected, "{what}");
}

const ORDER: &str = "2026-01-01T10:00:00Z Order Completed";

fn lapsed(days: u32) -> String {
    onsite(&format!(
        "inactivity: {{ of: Order Completed, for: {days}d }}"
    ))
}

fn backfilled(trigger: &str) -> String {
    format!("backfill: true\n{trigger}")
}

#[test]
fn a_new_trigger_knows_her_orders() {
    let other = onsite("event: Signed Up");
    let until = "until 2026-02-15T00:00:00Z";
    let rhythm =
        onsite("baseline: { of: Order Completed, measure: gap, history_min: 2, deviations: 2 }");
    let weekly = [
        "2026-01-01T10:00:00Z Order Completed",
        "2026-01-08T10:00:00Z Order Completed",
        "2026-01-15T10:00:00Z Order Completed",
        "until 2026-01-17T00:00:00Z",
    ];
    let later = &["until 2026-02-05T00:00:00Z"][..];
    type Row<'a> = (
        &'a str,
        &'a str,
        &'a [&'a str],
        &'a str,
        &'a [&'a str],
        &'a [&'a str],
    );
    let table: [Row<'_>; 5] = [
        (
            "a deadline that is still to come",
            &other,
            &[ORDER, "until 2026-01-20T00:00:00Z"],
            &lapsed(30),
            &[until],
            &["2026-01-31T10:00:00Z treat"],
        ),
        (
            "one that is past",
            &other,
            &[ORDER, until],
            &lapsed(30),
            &["until 2026-03-01T00:00:00Z"],
            &[],
        ),
        (
            "one that is past, to be made up for",
            &other,
            &[ORDER, until],
            &backfilled(&lapsed(30)),
            &["until 2026-03-01T00:00:00Z"],
            &["2026-01-31T10:00:00Z treat"],
        ),
        (
            "an order after the adoption",
            &other,
            &[ORDER, "until 2026-01-20T00:00:00Z"],
            &lapsed(30),
            &[
                "2026-01-25T10:00:00Z Order Completed",
                until,
                "until 2026-03-01T00:00:00Z",
            ],
            &["2026-02-24T10:00:00Z treat"],
        ),
        (
            "her rhythm",
            &other,
            &weekly,
            &rhythm,
            later,
            &["2026-01-23T00:00:00Z treat"],
        ),
    ];
    for (what, before, lines, after, then, expected) in table {
        check(what, before, lines, after, then, expected);
    }
}

#[test]
fn a_deadline_that_is_brought_behind_the_watermark_is_let_go() {
    let cart = |minutes: u32| {
        onsite(&format!(
            "absence: {{ of: Order Completed, after: Product Added, within: {minutes}m }}"
        ))
    };
    let added = [
        "2026-01-01T10:00:00Z Product Added",
        "until 2026-01-01T10:20:00Z",
    ];
    let end = &["until 2026-01-01T12:00:00Z"][..];
    check("let go", &cart(30), &added, &cart(10), end, &[]);
    check(
        "made up for",
        &cart(30),
        &added,
        &backfilled(&cart(10)),
        end,
        &["2026-01-01T10:10:00Z treat"],
    );
    check(
        "nearer",
        &cart(30),
        &added,
        &cart(25),
        end,
        &["2026-01-01T10:25:00Z treat"],
    );
    check(
        "farther",
        &cart(30),
        &added,
        &cart(45),
        end,
        &["2026-01-01T10:45:00Z treat"],
    );
}

#[test]
fn a_trigger_that_comes_back_does_not_decide_again() {
    let other = onsite("event: Signed Up");
    let mut bench = Bench::new(&lapsed(30), Policy::for_everybody());
    bench.line(ORDER);
    bench.line("until 2026-02-15T00:00:00Z");
    // Of another name.
    let gone = other.replace("moment:", "generation: 2\nmoment:");
    assert!(adopt(&mut bench, &gone, Policy::for_everybody()));
    adopt(
        &mut bench,
        &backfilled(&lapsed(30)),
        Policy::for_everybody(),
    );
    bench.line("until 2026-03-01T00:00:00Z");
    assert_eq!(bench.decisions(), ["2026-01-31T10:00:00Z treat"]);
    // The next silence is another.
    bench.line("2026-03-02T10:00:00Z Order Completed");
    bench.line("until 2026-05-01T00:00:00Z");
    assert_eq!(bench.decisions().len(), 2);
}

#[test]
fn a_pause_is_a_matter_of_policy_and_changes_nobody() {
    let paused = Policy {
        paused: vec!["t".into()],
        ..Policy::for_everybody()
    };
    let cart = onsite("absence: { of: Order Completed, after: Product Added, within: 30m }");
    let mut bench = Bench::new(&cart, Policy::for_everybody());
    bench.line("2026-01-01T10:00:00Z Product Added");
    assert!(!adopt(&mut bench, &cart, paused));
    bench.line("until 2026-01-01T11:00:00Z");
    bench.line("2026-01-01T12:00:00Z Product Added");
    assert!(!adopt(&mut bench, &cart, Policy::for_everybody()));
    bench.line("until 2026-01-01T13:00:00Z");
    let expected = ["2026-01-01T10:30:00Z off", "2026-01-01T12:30:00Z treat"];
    assert_eq!(bench.decisions(), expected);
}

#[test]
fn many_customers_go_over_some_at_a_time() {
    let engine = &mut Engine::new(Arc::new(plan(
        &onsite("event: Signed Up"),
        Policy::for_everybody(),
    )));
    let bench = Bench::new(&lapsed(30), Policy::for_everybody());
    let count = moments::engine::sweep::SLICE + 10;
    let mut source = Bench::new(&onsite("event: Signed Up"), Policy::for_everybody());
    source.line(ORDER);
    source.line("2026-01-10T10:00:00Z Product Viewed");
    source.line("2026-01-20T10:00:00Z Product Viewed");
    let (id, page) = source.engine.seal().remove(0);
    let (id, page) = (String::from_utf8(id), page.expect("a page"));
    let packed = packed::unsealed(&id.expect("text"), &page).expect("just sealed");
    for number in 0..count {
        let id = format!("c{number}");
        let page = packed::seal(&id, packed.to_vec());
        let read = engine.restore(id.as_bytes(), Some(&page));
        read.expect("what it packed itself");
    }
    let effects = &mut Vec::new();
    let first = engine.adopt(bench.engine.plan(), 0, bench.now, effects);
    assert_eq!(
        (first.to, first.done, first.changed),
        (count - 10, false, true)
    );
    assert_eq!(engine.seal().len(), count - 10);
    engine.committed();
    let second = engine.adopt(bench.engine.plan(), first.to, bench.now, effects);
    assert_eq!((second.to, second.done), (count, true));
    assert_eq!(engine.seal().len(), 10);
}

#[test]
fn a_calendar_begins_with_everybody_who_is_known() {
    let other = onsite("event: Signed Up");
    let day = |day: u8| {
        onsite(&format!(
            "calendar: {{ date: {{ every: month, day: {day} }} }}"
        ))
    };
    let known = &[ORDER, "until 2026-01-20T00:00:00Z"][..];
    let then = &["until 2026-02-20T00:00:00Z"][..];
    check(
        "to come",
        &other,
        known,
        &day(25),
        then,
        &["2026-01-25T00:00:00Z treat"],
    );
    let next = ["2026-02-10T00:00:00Z treat"];
    check("one that is past", &other, known, &day(10), then, &next);
    let made_up = ["2026-01-10T00:00:00Z treat", next[0]];
    let backfill = backfilled(&day(10));
    check(
        "to be made up for",
        &other,
        known,
        &backfill,
        then,
        &made_up,
    );
    // Another day of a month that was decided is not decided; that of the next is.
    let told = &[ORDER, "until 2026-01-15T00:00:00Z"][..];
    let changed = ["2026-01-10T00:00:00Z treat", "2026-02-18T00:00:00Z treat"];
    check("another day", &day(10), told, &day(18), then, &changed);
}

#[test]
fn a_calendar_that_comes_back_does_not_decide_again() {
    let monthly = onsite("calendar: { date: { every: month, day: 10 } }");
    let mut bench = Bench::new(&monthly, Policy::for_everybody());
    bench.line(ORDER);
    bench.line("until 2026-01-10T00:00:00Z");
    let other = "moment: { event: Signed Up }\ntreatments: [{ channel: onsite, template: x }]\ngeneration: 2";
    adopt(&mut bench, other, Policy::for_everybody());
    bench.line("until 2026-01-11T00:00:00Z");
    adopt(&mut bench, &backfilled(&monthly), Policy::for_everybody());
    bench.line("until 2026-02-20T00:00:00Z");
    assert_eq!(
        bench.decisions(),
        ["2026-01-10T00:00:00Z treat", "2026-02-10T00:00:00Z treat"]
    );
}

#[test]
fn a_segment_that_is_new_or_another_makes_no_transition() {
    let other = onsite("event: Signed Up");
    let lapses = |change: &str, days: u32| {
        let segment =
            format!("segment: lapsing\nwhen: now - profile.last_order > duration(\"{days}d\")");
        format!(
            "{}\n===\n{segment}",
            onsite(&format!("transition: {{ {change}: lapsing }}"))
        )
    };
    let until = "until 2026-02-15T00:00:00Z";
    let lines = &[ORDER, until][..];
    let end = "until 2026-06-01T00:00:00Z";
    let back = &["2026-02-20T10:00:00Z Order Completed", end][..];
    let adopted = &["2026-02-15T00:00:00Z lapsing treat"][..];
    let lapsed = &["2026-03-22T10:00:00.001Z lapsing treat"][..];
    let rest = &[adopted, lapsed].concat()[..];
    type Row<'a> = (&'a str, String, String, &'a [&'a str], &'a [&'a str]);
    let table: [Row<'_>; 6] = [
        (
            "she is in it",
            other.clone(),
            lapses("enters", 30),
            &[end],
            &[],
        ),
        (
            "and leaves it later",
            other.clone(),
            lapses("leaves", 30),
            back,
            &["2026-02-20T10:00:00Z lapsing treat"],
        ),
        (
            "and comes back",
            other.clone(),
            lapses("enters", 30),
            back,
            lapsed,
        ),
        (
            "to be made up for",
            other.clone(),
            backfilled(&lapses("enters", 30)),
            back,
            rest,
        ),
        (
            "another definition",
            lapses("enters", 90),
            lapses("enters", 30),
            back,
            lapsed,
        ),
        (
            "another, to be made up for",
            lapses("enters", 90),
            backfilled(&lapses("enters", 30)),
            &[end],
            adopted,
        ),
    ];
    for (what, before, after, then, expected) in table {
        check(what, &before, lines, &after, then, expected);
    }
}

#[test]
fn a_fact_that_is_new_begins_when_it_is_declared() {
    let other = onsite("event: Signed Up");
    let third = |more: &str| {
        let trigger = onsite("event: { name: Order Completed, where: facts.orders == 2 }");
        format!("{trigger}\n===\nfact: orders\nof: Order Completed\nmeasure: count\n{more}")
    };
    let order = |day: u32| format!("2026-01-{day:02}T10:00:00Z Order Completed");
    let (first, second, last) = (order(1), order(2), order(3));
    let before = [first.as_str(), "until 2026-01-01T12:00:00Z"];
    let then = [second.as_str(), last.as_str(), "until 2026-02-01T00:00:00Z"];
    let (at_second, at_last) = (
        ["2026-01-02T10:00:00Z treat"],
        ["2026-01-03T10:00:00Z treat"],
    );
    for (what, before_it, after, expected) in [
        ("it is new", &other, third(""), &at_last),
        ("it was there", &third(""), third(""), &at_second),
        (
            "it says the same",
            &third(""),
            third("about: Orders.\n"),
            &at_second,
        ),
        (
            "it has another window",
            &third(""),
            third("over: 30d\n"),
            &at_last,
        ),
    ] {
        check(what, before_it, &before, &after, &then, expected);
    }
}
