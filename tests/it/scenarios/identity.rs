//! Anonymous and known become one: what was known of a visitor is the customer's, nothing is decided twice, nothing is lost.

use moments::engine::{Apart, Effect, Neighbours};
use moments::trigger::plan::Policy;

use super::{Bench, check, check_with, onsite};

const ABSENCE: &str = "absence: { of: Order Completed, after: Product Added, within: 30m }";
const PRODUCT: &str =
    "absence: { of: Order Completed, after: Product Added, within: 30m, per: event.product_id }";

const ADDED: &str = "2026-03-02T10:00:00Z anonymousId=d1 Product Added {\"product_id\":\"p\"}";
const LATER: &str = "until 2026-03-02T12:00:00Z";

/// Line by line: what happens, and what is decided.
#[rustfmt::skip]
const BASKETS: &[(&str, &[&str], &[&str])] = &[
    ("nobody registers", &[ADDED], &["2026-03-02T10:30:00Z d1 treat"]),
    ("a guest registers and buys", &[
        ADDED,
        "2026-03-02T10:10:00Z userId=ana anonymousId=d1 identify {\"email\":\"ana@example.com\"}",
        "2026-03-02T10:20:00Z Order Completed {\"order_id\":\"o1\"}",
    ], &[]),
    ("a guest registers and goes", &[
        ADDED,
        "2026-03-02T10:10:00Z userId=ana anonymousId=d1 identify {\"email\":\"ana@example.com\"}",
    ], &["2026-03-02T10:30:00Z treat"]),
    ("the order itself carries both", &[
        ADDED,
        "2026-03-02T10:30:00Z userId=ana anonymousId=d1 Order Completed {\"order_id\":\"o1\"}",
    ], &[]),
    ("a login carries both, and she buys on another device", &[
        ADDED,
        "2026-03-02T10:05:00Z userId=ana anonymousId=d1 Signed In {}",
        "2026-03-02T10:20:00Z userId=ana anonymousId=d2 Order Completed {\"order_id\":\"o1\"}",
    ], &[]),
    ("she had bought on another device before she was known on this one", &[
        ADDED,
        "2026-03-02T10:20:00Z Order Completed {\"order_id\":\"o1\"}",
        "2026-03-02T10:25:00Z userId=ana anonymousId=d1 identify {}",
    ], &[]),
    ("what she does on the device later is hers", &[
        "2026-03-02T09:00:00Z userId=ana anonymousId=d1 identify {}",
        ADDED,
        "2026-03-02T10:20:00Z anonymousId=d1 Order Completed {\"order_id\":\"o1\"}",
    ], &[]),
    ("what was decided of the visitor is not decided again", &[
        ADDED,
        "until 2026-03-02T10:31:00Z",
        "2026-03-02T10:40:00Z userId=ana anonymousId=d1 identify {}",
    ], &["2026-03-02T10:30:00Z d1 treat"]),
    ("a later anchor under either id is the one", &[
        ADDED,
        "2026-03-02T10:10:00Z Product Added {\"product_id\":\"q\"}",
        "2026-03-02T10:20:00Z userId=ana anonymousId=d1 identify {}",
    ], &["2026-03-02T10:40:00Z treat"]),
    ("alias says it of whoever she was", &[
        "2026-03-02T10:00:00Z userId=old Product Added {\"product_id\":\"p\"}",
        "2026-03-02T10:10:00Z userId=ana previousId=old alias {}",
    ], &["2026-03-02T10:30:00Z treat"]),
    ("a chain, and what comes under its first link", &[
        ADDED,
        "2026-03-02T10:05:00Z userId=guest anonymousId=d1 identify {}",
        "2026-03-02T10:10:00Z userId=ana previousId=guest alias {}",
        "2026-03-02T10:20:00Z anonymousId=d1 Order Completed {\"order_id\":\"o1\"}",
    ], &[]),
    ("an alias again, and one that goes round", &[
        "2026-03-02T10:00:00Z userId=old Product Added {\"product_id\":\"p\"}",
        "2026-03-02T10:10:00Z userId=ana previousId=old alias {}",
        "2026-03-02T10:11:00Z userId=ana previousId=old alias {}",
        "2026-03-02T10:12:00Z userId=old previousId=ana alias {}",
        "2026-03-02T10:13:00Z userId=ana previousId=ana alias {}",
    ], &["2026-03-02T10:30:00Z treat"]),
    ("two devices", &[
        ADDED,
        "2026-03-02T10:01:00Z anonymousId=d2 Product Added {\"product_id\":\"q\"}",
        "2026-03-02T10:10:00Z userId=ana anonymousId=d1 identify {}",
        "2026-03-02T10:10:00Z userId=ana anonymousId=d2 identify {}",
    ], &["2026-03-02T10:31:00Z treat"]),
    ("the device of another stays the other's", &[
        "2026-03-02T09:00:00Z userId=ben anonymousId=d1 identify {}",
        ADDED,
        "2026-03-02T10:10:00Z userId=ana anonymousId=d1 identify {}",
        "2026-03-02T10:20:00Z Order Completed {\"order_id\":\"o1\"}",
    ], &["2026-03-02T10:30:00Z ben treat"]),
    ("two who are known stay two", &[
        "2026-03-02T10:00:00Z userId=d1 Product Added {\"product_id\":\"p\"}",
        "2026-03-02T10:10:00Z userId=ana anonymousId=d1 identify {}",
    ], &["2026-03-02T10:30:00Z d1 treat"]),
    ("an event of before that comes after", &[
        "2026-03-02T10:10:00Z userId=ana anonymousId=d1 identify {}",
        "2026-03-02T10:09:30Z anonymousId=d1 Product Added {\"product_id\":\"p\"}",
    ], &["2026-03-02T10:39:30Z treat"]),
    ("a message that was taken of the visitor is one", &[
        "2026-03-02T10:00:00Z anonymousId=d1 Product Added {\"product_id\":\"p\"} #m1",
        "2026-03-02T10:01:00Z userId=ana anonymousId=d1 Order Completed {\"order_id\":\"o1\"}",
        "2026-03-02T10:00:00Z userId=ana anonymousId=d1 Product Added {\"product_id\":\"p\"} #m1",
    ], &[]),
];

#[test]
fn a_basket_is_hers_whoever_she_was() {
    for (what, lines, expected) in BASKETS {
        println!("{what}");
        let lines: Vec<&str> = lines.iter().copied().chain([LATER]).collect();
        check(&onsite(ABSENCE), &lines, expected);
    }
}

/// Other kinds: the moment, what happens, what is decided.
#[rustfmt::skip]
const KINDS: &[(&str, &[&str], &[&str])] = &[
    // Each product on its own: one was bought on another device.
    (PRODUCT, &[
        "2026-03-02T10:00:00Z anonymousId=d1 Product Added {\"product_id\":\"p\"}",
        "2026-03-02T10:01:00Z anonymousId=d1 Product Added {\"product_id\":\"q\"}",
        "2026-03-02T10:02:00Z Product Added {\"product_id\":\"r\"}",
        "2026-03-02T10:05:00Z Order Completed {\"products\":[{\"product_id\":\"p\"}]}",
        "2026-03-02T10:10:00Z userId=ana anonymousId=d1 identify {}",
    ], &["2026-03-02T10:31:00Z q treat", "2026-03-02T10:32:00Z r treat"]),
    ("event: Product Added", &[
        ADDED,
        "2026-03-02T10:00:30Z userId=ana anonymousId=d1 identify {}",
    ], &["2026-03-02T10:00:00Z d1 treat"]),
    ("event: { of: Product Added, when: settled }", &[
        ADDED,
        "2026-03-02T10:00:30Z userId=ana anonymousId=d1 identify {}",
    ], &["2026-03-02T10:00:00Z treat"]),
    // The order at which she becomes one finds what she did before.
    ("event: { name: Order Completed, where: profile.basket.items == 0 && previous.basket.items == 1 && previous.orders.count == 1 }", &[
        "2026-02-02T10:00:00Z Order Completed {\"order_id\":\"o1\"}",
        ADDED,
        "2026-03-02T10:05:00Z userId=ana anonymousId=d1 Order Completed {\"order_id\":\"o2\"}",
    ], &["2026-03-02T10:05:00Z treat"]),
    ("sequence: { steps: [Product Viewed, Product Added, Order Completed], within: 1h }", &[
        "2026-03-02T10:00:00Z anonymousId=d1 Product Viewed {\"product_id\":\"p\"}",
        "2026-03-02T10:05:00Z anonymousId=d1 Product Added {\"product_id\":\"p\"}",
        "2026-03-02T10:20:00Z userId=ana anonymousId=d1 Order Completed {\"order_id\":\"o1\"}",
    ], &["2026-03-02T10:20:00Z treat"]),
    ("threshold: { of: Support Ticket Opened, measure: count, over: 7d, crosses: { at_least: 3 } }", &[
        "2026-03-01T10:00:00Z anonymousId=d1 Support Ticket Opened {\"ticket_id\":\"t1\"}",
        "2026-03-01T11:00:00Z Support Ticket Opened {\"ticket_id\":\"t2\"}",
        "2026-03-01T12:00:00Z userId=ana anonymousId=d1 identify {}",
        "2026-03-01T13:00:00Z Support Ticket Opened {\"ticket_id\":\"t3\"}",
    ], &["2026-03-01T13:00:00Z treat"]),
    ("threshold: { of: Product Viewed, measure: { score: { weight: 1, half_life: 1h } }, crosses: { above: 1.7 } }", &[
        "2026-03-02T10:00:00Z anonymousId=d1 Product Viewed {\"product_id\":\"p\"}",
        "2026-03-02T10:10:00Z userId=ana anonymousId=d1 Product Viewed {\"product_id\":\"p\"}",
    ], &["2026-03-02T10:10:00Z treat"]),
    // The last order of both is the last.
    ("inactivity: { of: Order Completed, for: 2d }", &[
        "2026-02-27T10:00:00Z Order Completed {\"order_id\":\"o1\"}",
        "2026-02-28T10:00:00Z anonymousId=d1 Order Completed {\"order_id\":\"o2\"}",
        "2026-03-01T09:00:00Z userId=ana anonymousId=d1 identify {}",
    ], &["2026-03-02T10:00:00Z treat"]),
    // Every two days under one id, then under the other: the rhythm is one.
    ("baseline: { of: Order Completed, measure: gap, history_min: 3, deviations: 0 }", &[
        "2026-02-18T10:00:00Z anonymousId=d1 Order Completed {\"order_id\":\"o1\"}",
        "2026-02-20T10:00:00Z anonymousId=d1 Order Completed {\"order_id\":\"o2\"}",
        "2026-02-22T10:00:00Z Order Completed {\"order_id\":\"o3\"}",
        "2026-02-24T10:00:00Z Order Completed {\"order_id\":\"o4\"}",
        "2026-02-24T11:00:00Z userId=ana anonymousId=d1 identify {}",
    ], &["2026-02-27T00:00:00Z treat"]),
    // Her birthday was congratulated on as a visitor.
    ("calendar: { date: 03-02, at: '10:00' }", &[
        "2026-03-01T10:00:00Z anonymousId=d1 identify {\"timezone\":\"Europe/Madrid\"}",
        "2026-03-01T10:00:00Z identify {\"timezone\":\"America/New_York\"}",
        "until 2026-03-02T10:00:00Z",
        "2026-03-02T11:00:00Z userId=ana anonymousId=d1 identify {}",
        "until 2026-03-03T10:00:00Z",
    ], &["2026-03-02T09:00:00Z d1 treat"]),
    ("transition: { enters: buyer }", &[
        "2026-03-01T10:00:00Z anonymousId=d1 Order Completed {\"order_id\":\"o1\"}",
        "2026-03-01T10:00:00Z Order Completed {\"order_id\":\"o2\"}",
        "until 2026-03-01T12:00:00Z",
        "2026-03-02T10:00:00Z userId=ana anonymousId=d1 identify {}",
    ], &["2026-03-02T10:00:00Z buyer treat"]),
];

#[test]
fn what_began_under_one_id_goes_on_under_the_other() {
    for (moment, lines, expected) in KINDS {
        let lines: Vec<&str> = lines.iter().copied().chain([LATER]).collect();
        let trigger = onsite(moment) + "\n===\nsegment: buyer\nwhen: profile.orders.count >= 2";
        check(&trigger, &lines, expected);
    }
}

/// What is said under both ids, and what holds of her then.
#[rustfmt::skip]
const PROFILES: &[(&[&str], &str)] = &[
    // An order that both tell of is one, of what was told of it last.
    (&[
        "2026-03-01T10:00:00Z anonymousId=d1 Order Completed {\"order_id\":\"o1\",\"total\":20,\"currency\":\"EUR\"}",
        "2026-03-01T10:05:00Z Order Completed {\"order_id\":\"o1\",\"total\":25,\"currency\":\"EUR\"}",
        "2026-03-01T11:00:00Z anonymousId=d1 Order Completed {\"order_id\":\"o2\",\"total\":10,\"currency\":\"EUR\"}",
    ], "profile.orders.count == 2 && profile.orders.value == 35 && profile.rhythm.gaps == 0"),
    (&[
        "2026-03-01T10:00:00Z anonymousId=d1 Order Completed {\"order_id\":\"o1\",\"total\":20,\"currency\":\"USD\"}",
        "2026-03-01T10:05:00Z Order Completed {\"order_id\":\"o2\",\"total\":25,\"currency\":\"EUR\"}",
    ], "profile.orders.count == 2 && profile.orders.values.USD == 20 && profile.orders.values.EUR == 25 && profile.orders.unrated == 1"),
    // A refund of the visitor's order, told under her name.
    (&[
        "2026-03-01T10:00:00Z anonymousId=d1 Order Completed {\"order_id\":\"o1\",\"total\":20,\"currency\":\"EUR\"}",
        "2026-03-01T10:05:00Z Order Refunded {\"order_id\":\"o1\",\"total\":5}",
    ], "profile.orders.count == 1 && profile.orders.value == 15 && profile.orders.undone == 1"),
    (&[
        "2026-03-01T10:00:00Z anonymousId=d1 Support Ticket Opened {\"ticket_id\":\"t1\"}",
        "2026-03-01T10:05:00Z Support Ticket Solved {\"ticket_id\":\"t1\"}",
        "2026-03-01T10:06:00Z anonymousId=d1 Support Ticket Opened {}",
    ], "profile.support.tickets == 2 && profile.support.open == 1"),
    (&[
        "2026-03-01T10:00:00Z anonymousId=d1 Order Shipped {\"order_id\":\"o1\",\"promised_at\":\"2026-03-01T11:00:00Z\"}",
        "2026-03-01T12:00:00Z Order Delivered {\"order_id\":\"o1\"}",
    ], "profile.deliveries.count == 1 && profile.deliveries.late == 1 && profile.deliveries.under_way == 0"),
    (&[
        "2026-03-01T10:00:00Z anonymousId=d1 Product Reviewed {\"review_id\":\"r1\",\"rating\":2}",
        "2026-03-01T12:00:00Z Product Reviewed {\"review_id\":\"r1\",\"rating\":4}",
    ], "profile.reviews.count == 1 && profile.reviews.rating == 4"),
    // A no is a no, whoever said it when.
    (&[
        "2026-03-01T10:00:00Z anonymousId=d1 identify {\"consent\":{\"email\":false,\"push\":true}}",
        "2026-03-01T12:00:00Z identify {\"consent\":{\"email\":true,\"sms\":true}}",
    ], "!(\"email\" in profile.consent) && \"push\" in profile.consent && \"sms\" in profile.consent"),
    (&[
        "2026-03-01T10:00:00Z anonymousId=d1 identify {\"consent\":{\"push\":true}}",
        "2026-03-01T12:00:00Z identify {\"consent\":[\"sms\"]}",
    ], "!(\"push\" in profile.consent) && \"sms\" in profile.consent"),
    // What is known by name goes before what is not; what is only known there is taken over.
    (&[
        "2026-03-01T12:00:00Z identify {\"email\":\"ana@example.com\"}",
        "2026-03-01T13:00:00Z anonymousId=d1 identify {\"email\":\"x@example.com\",\"country\":\"ES\"}",
    ], "profile.addresses.email == \"ana@example.com\" && profile.country == \"ES\""),
    // Baskets by cart; what she had ordered in between is bought.
    (&[
        "2026-03-01T10:00:00Z anonymousId=d1 Product Added {\"cart_id\":\"c1\",\"product_id\":\"p\",\"price\":3,\"quantity\":2}",
        "2026-03-01T10:10:00Z Product Added {\"cart_id\":\"c1\",\"product_id\":\"p\",\"price\":3,\"quantity\":1}",
        "2026-03-01T10:20:00Z Product Added {\"cart_id\":\"c2\",\"product_id\":\"q\",\"price\":5,\"quantity\":1}",
    ], "profile.baskets.c1.items == 3 && profile.basket.cart_id == \"c2\""),
    (&[
        "2026-03-01T10:00:00Z anonymousId=d1 Product Added {\"product_id\":\"p\",\"price\":3}",
        "2026-03-01T10:10:00Z Order Completed {\"order_id\":\"o1\"}",
        "2026-03-01T10:20:00Z anonymousId=d1 Product Viewed {\"product_id\":\"p\"}",
    ], "profile.basket.items == 0 && \"p\" in profile.viewed"),
    (&[
        "2026-03-01T10:00:00Z anonymousId=d1 Page Viewed {}",
        "2026-03-01T10:10:00Z Page Viewed {}",
        "2026-03-01T15:00:00Z anonymousId=d1 Page Viewed {}",
    ], "profile.known && profile.sessions.count >= 2 && profile.first_seen == timestamp(\"2026-03-01T10:00:00Z\")"),
];

#[test]
fn a_profile_is_true_of_both() {
    for (lines, asked) in PROFILES {
        let trigger = onsite(&format!(
            "event: {{ name: NPS Answered, where: '{asked}' }}"
        ));
        let behind = [
            "until 2026-03-01T23:00:00Z",
            "2026-03-02T10:00:00Z userId=ana anonymousId=d1 identify {}",
            "2026-03-02T10:01:00Z NPS Answered {\"score\":9}",
        ];
        // What is settled is merged; what is not is settled together.
        for behind in [&behind[..], &behind[1..]] {
            let lines: Vec<&str> = lines.iter().chain(behind).copied().collect();
            check(&trigger, &lines, &["2026-03-02T10:01:00Z treat"]);
        }
    }
}

#[test]
fn what_was_sent_to_a_visitor_uses_up_her_caps() {
    let capped = onsite("event: Product Added").replace("good_for", "cap: 1 in 7d, good_for");
    for (former, expected) in [("anonymousId=d1 ", "capped"), ("", "treat")] {
        let identify = format!("2026-03-02T10:00:30Z userId=ana {former}identify {{}}");
        let lines = [
            ADDED,
            &identify,
            "2026-03-03T10:00:00Z Product Added {\"product_id\":\"p\"}",
        ];
        let second = format!("2026-03-03T10:00:00Z {expected}");
        check(&capped, &lines, &["2026-03-02T10:00:00Z d1 treat", &second]);
    }
}

#[test]
fn she_stays_in_the_group_that_she_is_in_by_name() {
    let trigger = onsite(ABSENCE).replace("good_for", "hold_out: 50%, good_for");
    let mut groups = Vec::new();
    for number in 0..20 {
        let added = format!("2026-03-02T10:00:00Z anonymousId=d{number} Product Added {{}}");
        let named = format!("2026-03-02T10:00:00Z userId=u{number} Product Added {{}}");
        let identify =
            format!("2026-03-02T10:10:00Z userId=u{number} anonymousId=d{number} identify {{}}");
        let policy = Policy::default();
        let by_name = super::decisions(&trigger, &policy, &[&named, LATER]);
        let united = super::decisions(&trigger, &policy, &[&added, &identify, LATER]);
        assert_eq!(by_name, united);
        groups.extend(united);
    }
    assert!(
        groups.iter().any(|it| it.contains("held_out"))
            && groups.iter().any(|it| it.contains("treat"))
    );
}

#[test]
fn what_waits_for_the_morning_is_asked_of_her() {
    let trigger = onsite("event: Product Added").replace("good_for", "quiet_hours: hold, good_for");
    let policy = Policy {
        quiet_hours: serde_json::from_str(r#"{"default":"22:00-08:00"}"#).expect("quiet hours"),
        ..Policy::default()
    };
    let lines = [
        "2026-03-02T23:00:00Z anonymousId=d1 Product Added {\"product_id\":\"p\"}",
        "2026-03-02T23:10:00Z Product Added {\"product_id\":\"p\"}",
        "2026-03-02T23:20:00Z userId=ana anonymousId=d1 identify {}",
        "until 2026-03-03T09:00:00Z",
    ];
    let expected = ["2026-03-02T23:00:00Z treat", "2026-03-02T23:10:00Z treat"];
    check_with(&trigger, &policy, &lines, &expected);
}

/// What happens to whoever was erased under either id.
#[rustfmt::skip]
const ERASED: &[(&str, &[&str], &[&str])] = &[
    ("by her name, she is gone under both", &[
        ADDED,
        "2026-03-02T10:05:00Z userId=ana anonymousId=d1 identify {}",
        "2026-03-02T10:10:00Z Customer Erased {}",
        // From before.
        "2026-03-02T10:09:00Z anonymousId=d1 Product Added {\"product_id\":\"p\"}",
    ], &[]),
    ("by the former id, too", &[
        ADDED,
        "2026-03-02T10:05:00Z userId=ana anonymousId=d1 identify {}",
        "2026-03-02T10:06:00Z Product Added {\"product_id\":\"p\"}",
        "2026-03-02T10:10:00Z anonymousId=d1 Customer Erased {}",
        "2026-03-02T10:09:00Z Product Added {\"product_id\":\"p\"}",
    ], &[]),
    ("what comes after under the former id is a stranger's", &[
        "2026-03-02T09:05:00Z userId=ana anonymousId=d1 identify {}",
        "2026-03-02T09:10:00Z Customer Erased {}",
        ADDED,
    ], &["2026-03-02T10:30:00Z d1 treat"]),
    ("and may become her once more", &[
        "2026-03-02T09:05:00Z userId=ana anonymousId=d1 identify {}",
        "2026-03-02T09:10:00Z Customer Erased {}",
        ADDED,
        "2026-03-02T10:05:00Z userId=ana anonymousId=d1 identify {}",
    ], &["2026-03-02T10:30:00Z treat"]),
    ("an alias from before the erasure of whom it names", &[
        ADDED,
        "2026-03-02T10:10:00Z Customer Erased {}",
        "2026-03-02T10:09:00Z userId=ana previousId=d1 alias {}",
    ], &["2026-03-02T10:30:00Z d1 treat"]),
    ("an alias of somebody erased brings nothing", &[
        ADDED,
        "2026-03-02T10:10:00Z anonymousId=d1 Customer Erased {}",
        "2026-03-02T10:15:00Z userId=ana previousId=d1 alias {}",
        "2026-03-02T10:05:00Z anonymousId=d1 Product Added {\"product_id\":\"p\"}",
    ], &[]),
];

#[test]
fn an_erasure_reaches_every_id_of_hers() {
    for (what, lines, expected) in ERASED {
        println!("{what}");
        let lines: Vec<&str> = lines.iter().copied().chain([LATER]).collect();
        check(&onsite(ABSENCE), &lines, expected);
    }
}

#[test]
fn an_id_of_another_partition_is_said_once_where_nobody_tells_of_it() {
    let neighbours = |talk| Neighbours {
        own: 0,
        tasks: 2,
        of: |id, _| i32::from(id.starts_with('d')),
        talk,
    };
    let lines = [
        "2026-03-02T10:01:00Z userId=ben anonymousId=d1 identify {}",
        "2026-03-02T10:02:00Z userId=ben anonymousId=d1 identify {}",
        "2026-03-02T10:03:00Z userId=ben anonymousId=a1 identify {}",
    ];
    for (talk, times) in [(false, 1), (true, 0)] {
        let bench = Bench::new(&onsite(ABSENCE), Policy::default());
        let engine = bench.engine.beside(Some(neighbours(talk)));
        let mut bench = Bench { engine, ..bench };
        lines.iter().for_each(|line| bench.line(line));
        let apart = Effect::KeptApart(Apart::Elsewhere);
        let said = bench.effects.iter().filter(|it| **it == apart).count();
        assert_eq!(said, times, "told: {talk}");
    }
}

#[test]
fn who_is_kept_apart_is_said() {
    let lines = [
        ADDED,
        "2026-03-02T10:01:00Z userId=ben anonymousId=d1 identify {}",
        "2026-03-02T10:02:00Z userId=ana anonymousId=d1 identify {}",
        "2026-03-02T10:03:00Z userId=ana anonymousId=ben identify {}",
        "2026-03-02T10:04:00Z userId=ana previousId=d1 alias {}",
        "2026-03-02T10:05:00Z userId=ben anonymousId=d1 identify {}",
    ];
    let mut bench = Bench::new(&onsite(ABSENCE), Policy::default());
    lines.iter().for_each(|line| bench.line(line));
    let said: Vec<&Effect> = bench
        .effects
        .iter()
        .filter(|it| matches!(it, Effect::United | Effect::KeptApart(_)))
        .collect();
    let expected = [
        Effect::United,
        Effect::KeptApart(Apart::Anothers),
        Effect::KeptApart(Apart::BothKnown),
        Effect::KeptApart(Apart::Anothers),
    ];
    assert_eq!(said, expected.iter().collect::<Vec<_>>());
    assert_eq!(bench.engine.went_to("d1").as_deref(), Some("ben"));
}
