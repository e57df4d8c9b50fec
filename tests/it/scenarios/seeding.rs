//! What history says of a customer, told to whoever works on what happens now: when it is taken, and what is decided of it.

use std::sync::Arc;

use moments::engine::{Effect, Engine, Input, Transfer};
use moments::time::Timestamp;
use moments::trigger::plan::Policy;

use super::adoption::adopt;
use super::{Bench, onsite, plan};

struct Row<'a> {
    what: &'a str,
    /// What whoever has the history works by.
    trigger: &'a str,
    history: &'a [&'a str],
    /// What happened before the triggers were taken up, by these.
    before: &'a [&'a str],
    /// And between that and the seed.
    between: &'a [&'a str],
    outcome: &'a str,
    then: &'a [&'a str],
    decisions: &'a [&'a str],
}

const ADDED: &str = "2026-01-10T10:00:00Z Product Added";
const ORDERED: &str = "2026-01-11T10:00:00Z Order Completed";
const UNTIL: &str = "until 2026-01-12T00:00:00Z";
const LATER: &[&str] = &["until 2026-03-01T00:00:00Z"];

/// Takes `live` up, and is told what history says by `trigger`.
fn check(live: &str, row: &Row<'_>) {
    let policy = Policy::for_everybody;
    let mut told = Bench::new(row.trigger, policy());
    let history = Arc::new(plan(row.trigger, policy()));
    told.engine = Engine::new(Arc::clone(&history)).gathering();
    row.history.iter().for_each(|line| told.line(line));
    let keys: Vec<u32> = history.triggers.iter().map(|it| it.key).collect();
    let seed = told
        .engine
        .seed(&"ana".into(), &keys, None, (1, Timestamp(0)));
    let seed = seed.expect("history knows her").pack();
    let mut bench = Bench::new(&onsite("event: Signed Up"), policy());
    row.before.iter().for_each(|line| bench.line(line));
    adopt(&mut bench, live, policy());
    row.between.iter().for_each(|line| bench.line(line));
    for _ in 0..2 {
        let seed = Transfer::unpack(&seed).expect("just packed");
        bench.step(Input::Transferred(Box::new(seed)));
    }
    let outcomes = bench.effects.iter().filter_map(|effect| match effect {
        Effect::Seeded(seeded) => Some(seeded.word()),
        _ => None,
    });
    let outcomes: Vec<_> = outcomes.collect();
    assert_eq!(outcomes, [row.outcome; 2], "{}", row.what);
    row.then.iter().for_each(|line| bench.line(line));
    assert_eq!(bench.decisions(), row.decisions, "{}", row.what);
}

#[test]
fn a_seed_is_taken_as_of_her_last_event() {
    let cart = onsite("absence: { of: Order Completed, after: Product Added, within: 3d }");
    let backfilled = format!("backfill: true\n{cart}");
    let fits = Row {
        what: "",
        trigger: &cart,
        history: &[ADDED],
        before: &[ADDED, "until 2026-01-11T00:00:00Z"],
        between: &[],
        outcome: "taken",
        then: LATER,
        decisions: &[],
    };
    let past = &[ADDED, "until 2026-01-15T00:00:00Z"][..];
    let table = [
        Row {
            what: "a deadline that is still to come",
            decisions: &["2026-01-13T10:00:00Z treat"],
            ..fits
        },
        Row {
            what: "one that is past",
            before: past,
            ..fits
        },
        Row {
            what: "one that is past, to be made up for",
            trigger: &backfilled,
            before: past,
            decisions: &["2026-01-13T10:00:00Z treat"],
            ..fits
        },
        Row {
            what: "one that came true without it",
            trigger: &backfilled,
            before: &["2026-01-09T10:00:00Z Signed Up"],
            history: &["2026-01-09T10:00:00Z Signed Up", ADDED],
            between: past,
            decisions: &["2026-01-09T10:00:00Z treat", "2026-01-13T10:00:00Z treat"],
            ..fits
        },
        Row {
            what: "one that an order has ended since",
            then: &[ORDERED, "until 2026-03-01T00:00:00Z"],
            ..fits
        },
    ];
    for row in table {
        check(row.trigger, &row);
    }
}

#[test]
fn a_seed_that_does_not_fit_is_refused() {
    let cart = onsite("absence: { of: Order Completed, after: Product Added, within: 3d }");
    let other = onsite("absence: { of: Order Completed, after: Product Added, within: 4d }");
    let refused = |what, trigger, history, before, outcome| Row {
        what,
        trigger,
        history,
        before,
        between: &[],
        outcome,
        then: LATER,
        decisions: &[],
    };
    let table = [
        refused(
            "more has settled",
            &*cart,
            &[ADDED][..],
            &[ADDED, ORDERED, UNTIL][..],
            "behind",
        ),
        refused(
            "less has settled",
            &cart,
            &[ADDED, ORDERED],
            &[ADDED, UNTIL],
            "ahead",
        ),
        refused(
            "it begins later",
            &cart,
            &[ORDERED],
            &[ADDED, ORDERED, UNTIL],
            "history_too_short",
        ),
        refused(
            "nobody knows her",
            &cart,
            &[ADDED],
            &["2026-01-10T10:00:00Z userId=ben Product Added", UNTIL],
            "unknown",
        ),
        refused(
            "she was erased",
            &cart,
            &["2026-01-02T10:00:00Z Signed Up", ADDED],
            &["2026-01-05T10:00:00Z Customer Erased", ADDED, UNTIL],
            "erased",
        ),
        refused(
            "the trigger means something else",
            &other,
            &[ADDED],
            &[ADDED, UNTIL],
            "other_definition",
        ),
    ];
    for row in table {
        check(&cart, &row);
    }
}

#[test]
fn facts_and_segments_go_with_the_triggers() {
    let rich = format!(
        "{}\n===\nfact: spent\nof: Order Completed\nmeasure: {{ sum: event.total }}\n===\nsegment: spender\nwhen: facts.spent >= 40\n===\n{}",
        onsite("event: { name: Order Completed, where: facts.spent >= 50 }"),
        "trigger: stays\nmoment: { transition: { outstays: { segment: spender, for: 10d } } }\ntreatments: none\npolicy: { good_for: 1000d }"
    );
    let orders = [
        "2026-01-10T10:00:00Z Order Completed {\"order_id\":\"o1\",\"total\":20}",
        "2026-01-12T10:00:00Z Order Completed {\"order_id\":\"o2\",\"total\":20}",
        "until 2026-01-13T00:00:00Z",
    ];
    check(
        &rich,
        &Row {
            what: "what she spent since ever",
            trigger: &rich,
            history: &orders,
            before: &orders,
            between: &[],
            outcome: "taken",
            then: &[
                "2026-01-20T10:00:00Z Order Completed {\"order_id\":\"o3\",\"total\":20}",
                "until 2026-03-01T00:00:00Z",
            ],
            decisions: &[
                "2026-01-20T10:00:00Z treat",
                "2026-01-22T10:00:00Z spender counted",
            ],
        },
    );
}
