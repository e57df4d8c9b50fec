//! What an event brings: at once or when it is settled, in any order of arrival.

use moments::trigger::plan::Policy;

use super::{Bench, check, onsite};

const TWICE: &str =
    "threshold: { of: Product Added, measure: count, over: 10m, crosses: { at_least: 2 }";

fn twice(when: &str) -> String {
    onsite(&format!("{TWICE}, when: {when} }}"))
}

const UNTIL: &str = "until 2026-03-03T00:00:00Z";

#[test]
fn a_window_ends_at_the_event_and_leaves_out_what_is_as_old_as_it() {
    let added = "2026-03-02T10:00:00Z Product Added";
    let table: &[(&[&str], &[&str])] = &[
        (
            &[added, "2026-03-02T10:09:59.999Z Product Added"],
            &["2026-03-02T10:09:59.999Z treat"],
        ),
        (&[added, "2026-03-02T10:10:00Z Product Added"], &[]),
        // Inside it stays; it is armed again when the window has moved on.
        (
            &[
                added,
                "2026-03-02T10:05:00Z Product Added",
                "2026-03-02T10:06:00Z Product Added",
                "2026-03-02T10:16:00Z Product Added",
                "2026-03-02T10:17:00Z Product Added",
            ],
            &["2026-03-02T10:05:00Z treat", "2026-03-02T10:17:00Z treat"],
        ),
    ];
    for (lines, expected) in table {
        let lines: Vec<&str> = lines.iter().copied().chain([UNTIL]).collect();
        for when in ["seen", "settled"] {
            check(&twice(when), &lines, expected);
        }
    }
}

#[test]
fn what_comes_out_of_order_is_taken_at_its_place() {
    let lines = [
        "2026-03-02T10:00:20Z Product Added",
        "2026-03-02T10:00:40Z Product Added",
        "2026-03-02T10:00:00Z Product Added",
        UNTIL,
    ];
    // At once it is what is known then, and what is known later: both were the second.
    let seen = [
        "2026-03-02T10:00:40Z treat",
        "2026-03-02T10:00:20Z treat",
        "2026-03-02T10:00:40Z back: settled_otherwise",
    ];
    check(&twice("seen"), &lines, &seen);
    check(&twice("settled"), &lines, &["2026-03-02T10:00:20Z treat"]);
}

#[test]
fn what_comes_too_late_makes_nothing_true_and_counts() {
    let late = [
        "2026-03-02T10:05:00Z Product Added",
        "until 2026-03-02T10:06:00Z",
        "2026-03-02T10:00:00Z Product Added",
        "2026-03-02T10:07:00Z Product Added",
        "2026-03-02T10:20:00Z Product Added",
        "2026-03-02T10:21:00Z Product Added",
        UNTIL,
    ];
    for when in ["seen", "settled"] {
        // With the late one it was inside before, and so what follows does not cross.
        check(&twice(when), &late, &["2026-03-02T10:21:00Z treat"]);
    }
    // One that nothing newer was counted after is late for the watermark alone.
    let behind = [
        "2026-03-02T10:00:00Z Product Added",
        "until 2026-03-02T10:06:00Z",
        "2026-03-02T10:05:00Z Product Added",
        UNTIL,
    ];
    for when in ["seen", "settled"] {
        check(&twice(when), &behind, &["2026-03-02T10:05:00Z treat"]);
    }
}

#[test]
fn the_event_is_at_hand_when_it_is_settled() {
    let trigger = |kind: &str| {
        format!(
            "moment: {{ {kind} }}\naudience: event.product_id == \"p2\" && previous.basket.items == 1\n\
             treatments: [{{ channel: onsite, template: x }}]\npolicy: {{ good_for: 1000d }}"
        )
    };
    let lines = [
        r#"2026-03-02T10:00:00Z Product Added {"product_id":"p1","quantity":1}"#,
        r#"2026-03-02T10:01:00Z Product Added {"product_id":"p2","quantity":1}"#,
        UNTIL,
    ];
    for when in ["seen", "settled"] {
        let threshold = trigger(&format!("{TWICE}, when: {when} }}"));
        check(&threshold, &lines, &["2026-03-02T10:01:00Z treat"]);
        let event = trigger(&format!("event: {{ of: Product Added, when: {when} }}"));
        let both = [
            "2026-03-02T10:00:00Z audience",
            "2026-03-02T10:01:00Z treat",
        ];
        check(&event, &lines, &both);
    }
}

#[test]
fn a_condition_on_what_was_before_is_asked_again_where_the_tail_is_replayed() {
    // Of the first two additions: the second replay must find `previous` as it was.
    let trigger = onsite(
        "threshold: { of: { name: Product Added, where: previous.basket.items == 0 }, measure: count, crosses: { at_least: 2 } }",
    );
    let lines = [
        r#"2026-03-02T10:00:00Z Product Added {"product_id":"p1","quantity":1}"#,
        r#"2026-03-02T10:00:10Z Product Added {"product_id":"p2","quantity":1}"#,
        r#"2026-03-02T10:00:20Z Product Added {"product_id":"p3","quantity":1}"#,
        UNTIL,
    ];
    check(&trigger, &lines, &[]);
}

#[test]
fn an_event_that_waits_is_decided_once_with_history_complete() {
    let first = |when: &str| {
        onsite(&format!(
            "event: {{ of: {{ name: Order Completed, where: previous.orders.count == 0 }}, when: {when} }}"
        ))
    };
    let lines = [
        "2026-03-02T10:00:40Z Order Completed",
        "2026-03-02T10:00:20Z Order Completed",
        UNTIL,
    ];
    let seen = [
        "2026-03-02T10:00:40Z treat",
        "2026-03-02T10:00:20Z treat",
        "2026-03-02T10:00:40Z back: settled_otherwise",
    ];
    check(&first("seen"), &lines, &seen);
    check(&first("settled"), &lines, &["2026-03-02T10:00:20Z treat"]);
    // Not before its watermark.
    let mut bench = Bench::new(&first("settled"), Policy::for_everybody());
    bench.line("2026-03-02T10:00:20Z Order Completed");
    bench.line("until 2026-03-02T10:00:19.999Z");
    assert!(bench.decisions().is_empty());
    bench.line("until 2026-03-02T10:00:20Z");
    assert_eq!(bench.decisions(), ["2026-03-02T10:00:20Z treat"]);
}

#[test]
fn points_come_and_go_with_their_conditions() {
    let trigger = "moment: { transition: { enters: warm } }\n\
         treatments: [{ channel: onsite, template: x }]\npolicy: { good_for: 1000d }\n===\n\
         segment: warm\nwhen: facts.lead >= 30\n===\n\
         fact: lately\nof: Product Viewed\nmeasure: count\nover: 1h\n===\n\
         fact: lead\nmeasure:\n  points:\n    - { while: profile.orders.count > 0, points: 20 }\n    - { while: facts.lately >= 2, points: 10 }\n";
    let lines = [
        "2026-03-01T10:00:00Z Product Viewed {\"product_id\":\"a\"}",
        "2026-03-01T10:10:00Z Product Viewed {\"product_id\":\"b\"}",
        "2026-03-01T10:20:00Z Order Completed {\"order_id\":\"o1\"}",
        // At 11:00 the first view leaves its hour, and the ten points are gone.
        "2026-03-01T11:05:00Z Product Viewed {\"product_id\":\"c\"}",
        "2026-03-01T11:30:00Z Product Viewed {\"product_id\":\"d\"}",
        "2026-03-01T13:00:00Z Page Viewed",
    ];
    let expected =
        ["10:20:00Z", "11:05:00Z", "11:30:00Z"].map(|it| format!("2026-03-01T{it} warm treat"));
    let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    check(trigger, &lines, &expected);
}
