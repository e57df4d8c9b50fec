//! Journeys where tables of events are not enough: edits with people inside, what began one being undone, restarts, bounds. The
//! steps themselves are shown by `tests/fixtures/journeys/`.

use moments::engine::Effect;
use moments::profile::journeys::OPEN_MAX;
use moments::trigger::plan::Policy;

use super::adoption::adopt;
use super::{Bench, check_with};

/// On the site, which needs no consent.
fn journey(moment: &str, steps: &str) -> String {
    let steps = steps.replace("SEND ", "send: { channel: onsite, template: x }, name: ");
    format!("moment: {{ {moment} }}\njourney: {steps}\npolicy: {{ good_for: 1000d }}")
}

fn check(trigger: &str, lines: &[&str], expected: &[&str]) {
    check_with(trigger, &Policy::for_everybody(), lines, expected);
}

const SIGNED_UP: &str = "2026-03-02T10:00:00Z Signed Up #m1";

/// Each is also asked of an engine that is restored after every line.
#[test]
fn a_place_outlives_a_restart() {
    let trigger = journey(
        "event: Signed Up",
        "{ until: profile.orders.count > 1, steps: [{ SEND a }, { wait: 1d }, { SEND b }, \
         { wait_for: { event: Order Completed, within: 2d }, then: [{ SEND c }] }, { SEND d }] }",
    );
    let first = [
        "2026-03-02T10:00:00Z entered",
        "2026-03-02T10:00:00Z treat",
        "2026-03-03T10:00:00Z treat",
    ];
    let with = |more: &[&'static str]| [&first[..], more].concat();
    check(
        &trigger,
        &[
            SIGNED_UP,
            "until 2026-03-03T12:00:00Z",
            "until 2026-03-09T00:00:00Z",
        ],
        &with(&["2026-03-05T10:00:00Z treat"]),
    );
    check(
        &trigger,
        &[
            SIGNED_UP,
            "2026-03-04T10:00:00Z Order Completed",
            "until 2026-03-09T00:00:00Z",
        ],
        &with(&["2026-03-04T10:00:00Z treat", "2026-03-04T10:00:00Z treat"]),
    );
    check(
        &trigger,
        &[
            SIGNED_UP,
            r#"2026-03-03T11:00:00Z Order Completed {"order_id":"o1"}"#,
            r#"2026-03-04T11:00:00Z Order Completed {"order_id":"o2"}"#,
            "until 2026-03-09T00:00:00Z",
        ],
        &with(&["2026-03-03T11:00:00Z treat", "2026-03-03T11:00:00Z treat"]),
    );
}

#[test]
fn a_step_that_is_waited_for_may_come_late() {
    let trigger = journey(
        "event: Signed Up",
        "[{ wait_for: { event: Order Completed, within: 2d }, then: [{ SEND c }, exit] }, { SEND d }]",
    );
    let late = "2026-03-03T10:00:00Z Order Completed";
    // Behind the watermark, while it is waited for; and when that is over.
    check(
        &trigger,
        &[
            SIGNED_UP,
            "until 2026-03-03T12:00:00Z",
            late,
            "until 2026-03-09T00:00:00Z",
        ],
        &["2026-03-02T10:00:00Z entered", "2026-03-03T10:00:00Z treat"],
    );
    check(
        &trigger,
        &[
            SIGNED_UP,
            "until 2026-03-05T12:00:00Z",
            late,
            "until 2026-03-09T00:00:00Z",
        ],
        &["2026-03-02T10:00:00Z entered", "2026-03-04T10:00:00Z treat"],
    );
}

/// At one instant the order of the log counts: an order stands behind, what goes into the basket before.
#[test]
fn what_stands_behind_her_entry_at_its_instant_is_waited_for() {
    const ORDER: &str = "2026-03-02T10:00:00Z Order Completed";
    const ADDED: &str = "2026-03-02T10:00:00Z Product Added";
    const TWICE: &str = "[{ wait_for: { event: [Order Completed, Order Cancelled], within: 1d }, else: [exit] }, { SEND a }, \
         { wait_for: { event: [Order Completed, Order Cancelled], within: 2d }, then: [{ SEND b }] }, { SEND c }]";
    const ONCE: &str = "[{ wait_for: { event: [Order Completed, Product Added], within: 1d }, else: [exit] }, { SEND a }]";
    const END: &str = "until 2026-03-09T00:00:00Z";
    let (a, c) = ("2026-03-02T10:00:00Z treat", "2026-03-04T10:00:00Z treat");
    let cancelled = "2026-03-02T10:00:00Z Order Cancelled";
    let table: &[(&str, &[&str], &[&str])] = &[
        (ONCE, &[SIGNED_UP, ORDER, END], &[a]),
        (ONCE, &[ORDER, SIGNED_UP, END], &[a]),
        (ONCE, &[SIGNED_UP, ADDED, END], &[]),
        (
            ONCE,
            &[SIGNED_UP, END, ORDER, "until 2026-03-10T00:00:00Z"],
            &[],
        ),
        (TWICE, &[SIGNED_UP, ORDER, END], &[a, c]),
        (TWICE, &[SIGNED_UP, ORDER, cancelled, END], &[a, a, a]),
    ];
    for moment in [
        "event: Signed Up",
        "event: { of: Signed Up, when: settled }",
    ] {
        for (steps, lines, decided) in table {
            let entered = ["2026-03-02T10:00:00Z entered"];
            check(
                &journey(moment, steps),
                lines,
                &[&entered[..], decided].concat(),
            );
        }
        let goal = "\ngoal: { event: Order Completed, within: 3d }";
        let left = journey(moment, "[{ wait: 1d }, { SEND a }]") + goal;
        let entered = "2026-03-02T10:00:00Z entered";
        check(&left, &[SIGNED_UP, ORDER, END], &[entered]);
        check(
            &left,
            &[SIGNED_UP, END],
            &[entered, "2026-03-03T10:00:00Z treat"],
        );
    }
}

/// What happens, the triggers' edit, and what happens then.
#[test]
fn an_edit_applies_from_the_next_step_on() {
    let lines = [SIGNED_UP, "until 2026-03-02T12:00:00Z"];
    let before = "[{ SEND a }, { name: long, wait: 2d }, { SEND b }, { SEND c }]";
    let entered = ["2026-03-02T10:00:00Z entered", "2026-03-02T10:00:00Z treat"];
    let table: &[(&str, &str, &[&str])] = &[
        (
            "the wait in which she is lasts as it did; what follows is new",
            "[{ SEND a }, { name: long, wait: 5d }, { wait: 1d }, { SEND new }]",
            &["2026-03-05T10:00:00Z treat"],
        ),
        (
            "a step that was taken out lets her go on at the next that is there",
            "[{ SEND a }, { SEND new }, { wait: 1d }, { SEND c }]",
            &["2026-03-02T12:00:00Z treat"],
        ),
        (
            "where none is, she leaves",
            "[{ SEND a }, { SEND new }]",
            &[],
        ),
        (
            "what was sent is not sent again",
            "[{ name: long, wait: 2d }, { SEND a }, { SEND c }]",
            &["2026-03-04T10:00:00Z treat"],
        ),
        (
            "whoever meets the new `until` leaves",
            "{ until: profile.known, steps: [{ SEND a }, { name: long, wait: 2d }, { SEND b }] }",
            &[],
        ),
    ];
    for (what, after, expected) in table {
        let mut bench = Bench::new(
            &journey("event: Signed Up", before),
            Policy::for_everybody(),
        );
        lines.iter().for_each(|line| bench.line(line));
        adopt(
            &mut bench,
            &journey("event: Signed Up", after),
            Policy::for_everybody(),
        );
        bench.line("until 2026-03-09T00:00:00Z");
        assert_eq!(
            bench.decisions(),
            [&entered[..], expected].concat(),
            "{what}"
        );
    }
    // Treatments instead, or another generation: nobody is inside any more.
    let treatments = "moment: { event: Signed Up }\ntreatments: [{ channel: onsite, template: x }]";
    let anew = format!("generation: 2\n{}", journey("event: Signed Up", before));
    for after in [treatments, &anew] {
        let mut bench = Bench::new(
            &journey("event: Signed Up", before),
            Policy::for_everybody(),
        );
        lines.iter().for_each(|line| bench.line(line));
        adopt(&mut bench, after, Policy::for_everybody());
        bench.line("until 2026-03-09T00:00:00Z");
        assert_eq!(bench.decisions(), entered);
    }
}

#[test]
fn what_began_it_is_undone() {
    // The order that was first when it was seen is not when it settles.
    let first = journey(
        "event: { name: Order Completed, where: previous.orders.count == 0 }",
        "[{ SEND a }, { wait: 1h }, { SEND b }]",
    );
    let order = |time: &str, id: &str| {
        format!(r#"2026-03-02T{time}Z Order Completed {{"order_id":"{id}"}} #{id}"#)
    };
    let (second, earlier) = (order("10:00:00", "o2"), order("09:59:30", "o1"));
    check(
        &first,
        &[&second, &earlier, "until 2026-03-02T14:00:00Z"],
        &[
            "2026-03-02T10:00:00Z entered",
            "2026-03-02T10:00:00Z treat",
            "2026-03-02T09:59:30Z not_again",
            "2026-03-02T10:00:00Z back: settled_otherwise",
        ],
    );
    // A late order proves the absence wrong that began it: what waits is dropped, what was sent is taken back.
    let left = journey(
        "absence: { of: Order Completed, after: Product Added, within: 30m }",
        "[{ SEND a }, { wait: 1h }, { SEND b }, { wait: 1h }, { SEND c }]",
    );
    let added = r#"2026-03-02T10:00:00Z Product Added {"product_id":"a"}"#;
    let late = order("10:10:00", "o1");
    check(
        &left,
        &[
            added,
            "until 2026-03-02T12:00:00Z",
            &late,
            "until 2026-03-02T14:00:00Z",
        ],
        &[
            "2026-03-02T10:30:00Z entered",
            "2026-03-02T10:30:00Z treat",
            "2026-03-02T11:30:00Z treat",
            "2026-03-02T10:30:00Z back: late_event",
            "2026-03-02T10:30:00Z back: late_event",
        ],
    );
}

#[test]
fn she_is_inside_as_many_as_one_may_be() {
    let trigger = journey(
        "event: Order Shipped",
        "{ per: event.order_id, steps: [{ wait: 30d }, { SEND a }] }",
    );
    let mut bench = Bench::new(&trigger, Policy::for_everybody());
    for n in 0..=OPEN_MAX {
        bench.line(&format!(
            r#"2026-03-02T10:{n:02}:00Z Order Shipped {{"order_id":"o{n}"}}"#
        ));
    }
    let decided = bench.decisions();
    assert_eq!(
        decided.iter().filter(|it| it.ends_with("entered")).count(),
        OPEN_MAX
    );
    assert!(decided[OPEN_MAX].ends_with("not_again"), "{decided:?}");
    let limits = bench.effects.iter();
    let limits = limits.filter(|it| matches!(it, Effect::OpenLimit { refused: 1, .. }));
    assert_eq!(limits.count(), 1);
    // Others find her in them.
    let customer = bench.engine.customer("ana").expect("she is known");
    assert_eq!(customer.profile.settled.journeys.open().len(), OPEN_MAX);
}

#[test]
fn another_trigger_asks_where_she_is() {
    let trigger = format!(
        "{}\n===\ntrigger: other\nmoment: {{ event: Product Viewed }}\naudience: '!(\"t\" in profile.journeys)'\ntreatments: none",
        journey("event: Signed Up", "[{ wait: 1d }, { SEND a }]"),
    );
    check(
        &trigger,
        &[
            SIGNED_UP,
            "2026-03-02T11:00:00Z Product Viewed",
            // When her event is seen, she has left.
            "until 2026-03-04T00:00:00Z",
            "2026-03-04T11:00:00Z Product Viewed",
        ],
        &[
            "2026-03-02T10:00:00Z entered",
            "2026-03-02T11:00:00Z audience",
            "2026-03-03T10:00:00Z treat",
            "2026-03-04T11:00:00Z counted",
        ],
    );
}
