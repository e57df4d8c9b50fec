//! What was sent or waits, and turns out not to hold, is taken back, once.

use moments::engine::Effect;
use moments::treatment::{Order, Outcome, command_id};
use moments::trigger::plan::Policy;

use super::{Bench, check, check_with, onsite};

const LEFT: &str = "absence: { of: Order Completed, after: Product Added, within: 30m }";
const ADDED: &str = r#"2026-03-02T10:00:00Z Product Added {"product_id":"a"}"#;
const REMINDED: &str = "2026-03-02T10:30:00Z treat";
const BACK: &str = "2026-03-02T10:30:00Z back: late_event";
/// The reminder is out.
const NOON: &str = "until 2026-03-02T12:00:00Z";

#[test]
fn a_late_order_takes_back_the_reminder_that_it_proves_wrong() {
    let order = |time: &str| format!("2026-03-02T{time}Z Order Completed");
    // When the late order was, and whether it was in time.
    for (time, undone) in [
        ("09:59:59.999", false),
        ("10:00:00", true),
        ("10:00:00.001", true),
        ("10:29:59", true),
        ("10:30:00", true),
        ("10:30:00.001", false),
        ("11:59:59", false),
    ] {
        let lines = [ADDED, NOON, &order(time)];
        let expected = if undone {
            &[REMINDED, BACK][..]
        } else {
            &[REMINDED][..]
        };
        check(&onsite(LEFT), &lines, expected);
    }
    // Once, whatever else comes late.
    let (first, second) = (order("10:10:00"), order("10:20:00"));
    let lines = [ADDED, NOON, &first, &second];
    check(&onsite(LEFT), &lines, &[REMINDED, BACK]);
    // What is late with respect to nothing of hers undoes nothing.
    check(&onsite(LEFT), &[NOON, &first], &[]);
    // A late anchor takes the place of the first, where the last counts.
    let added = ADDED.replace("10:00:00", "10:10:00");
    let anew = [REMINDED, BACK, "2026-03-02T10:40:00Z treat"];
    check(&onsite(LEFT), &[ADDED, NOON, &added], &anew);
    let first = onsite(&LEFT.replace("30m", "30m, from: first"));
    let both = [REMINDED, "2026-03-02T10:40:00Z treat"];
    check(&first, &[ADDED, NOON, &added], &both);
}

#[test]
fn it_takes_back_what_is_about_the_same_thing() {
    let per = onsite(&LEFT.replace("30m", "30m, per: event.cart_id"));
    let added = |cart: &str, time: &str| {
        format!(r#"2026-03-02T{time}Z Product Added {{"product_id":"p","cart_id":"{cart}"}}"#)
    };
    let order =
        |cart: &str| format!(r#"2026-03-02T10:10:00Z Order Completed {{"cart_id":"{cart}"}}"#);
    let (a, b) = (added("a", "10:00:00"), added("b", "10:05:00"));
    let both = [
        "2026-03-02T10:30:00Z a treat",
        "2026-03-02T10:35:00Z b treat",
    ];
    for (cart, back) in [
        ("a", Some("2026-03-02T10:30:00Z back: late_event")),
        ("b", Some("2026-03-02T10:35:00Z back: late_event")),
        ("c", None),
    ] {
        let expected: Vec<&str> = both.into_iter().chain(back).collect();
        check(&per, &[&a, &b, NOON, &order(cart)], &expected);
    }
    // An order told again, late, of which the first message did not say enough.
    let paid = onsite(
        "absence: { of: { name: Order Completed, where: event.total > 0 }, after: Product Added, within: 30m }",
    );
    let lines = [
        ADDED,
        r#"2026-03-02T10:01:00Z Order Completed {"order_id":"o1"}"#,
        NOON,
        r#"2026-03-02T10:02:00Z Order Completed {"order_id":"o1","total":3}"#,
    ];
    check(&paid, &lines, &[REMINDED, BACK]);
}

#[test]
fn whoever_was_active_after_all_was_not_silent() {
    let silent = onsite("inactivity: { of: Order Completed, for: 2d }");
    let order = |time: &str| format!("2026-03-0{time}Z Order Completed");
    let told = "2026-03-04T10:00:00Z treat";
    let back = "2026-03-04T10:00:00Z back: late_event";
    for (time, expected) in [
        ("2T09:00:00", &[told][..]),
        // Read behind the last, it is the last: the silence is another.
        ("2T10:00:00", &[told, back, told]),
        ("3T10:00:00", &[told, back, "2026-03-05T10:00:00Z treat"]),
        ("4T10:00:00", &[told, back]),
        ("4T10:00:00.001", &[told]),
    ] {
        let lines = [
            &*order("2T10:00:00"),
            "until 2026-03-05T10:00:00Z",
            &order(time),
        ];
        check(&silent, &lines, expected);
    }
    // By her own rhythm: every day, and then from the third day of silence on.
    let rhythm =
        onsite("baseline: { of: Order Completed, measure: gap, history_min: 3, deviations: 2 }");
    let days = ["1T10:00:00", "2T10:00:00", "3T10:00:00", "4T10:00:00"].map(order);
    let told = "2026-03-06T00:00:00Z treat";
    let back = "2026-03-06T00:00:00Z back: late_event";
    for (time, expected) in [
        ("4T09:00:00", &[told][..]),
        ("4T23:00:00", &[told, back, told]),
        ("5T00:00:00", &[told, back, "2026-03-07T00:00:00Z treat"]),
        ("6T00:00:00", &[told, back]),
        ("6T00:00:01", &[told]),
    ] {
        let late = order(time);
        let mut lines: Vec<&str> = days.iter().map(String::as_str).collect();
        lines.extend(["until 2026-03-07T10:00:00Z", &late]);
        check(&rhythm, &lines, expected);
    }
}

const FIRST: &str = "event: { name: Order Completed, where: previous.orders.count == 0 }";

/// An order with an id, told at a minute.
fn order(minute: u32, id: &str) -> String {
    format!(r#"2026-03-02T10:{minute:02}:30Z Order Completed {{"order_id":"{id}"}}"#)
}

fn treat(minute: u32) -> String {
    format!("2026-03-02T10:{minute:02}:30Z treat")
}

fn back(minute: u32) -> String {
    format!("2026-03-02T10:{minute:02}:30Z back: settled_otherwise")
}

#[test]
fn what_settles_otherwise_is_taken_back() {
    let by_condition = onsite(FIRST);
    let by_audience = format!(
        "{}\naudience: previous.orders.count == 0",
        onsite("event: Order Completed")
    );
    for trigger in [&by_condition, &by_audience] {
        let (first, second) = (order(0, "o1"), order(1, "o2"));
        let refused = "2026-03-02T10:01:30Z audience".to_owned();
        let in_order = match trigger == &by_condition {
            true => vec![treat(0)],
            false => vec![treat(0), refused],
        };
        let strs = |all: &[String]| -> Vec<String> { all.to_vec() };
        for (lines, expected) in [
            ([&*first, &second, NOON], strs(&in_order)),
            // The second is told first, and found not to have been the first when it settles.
            ([&*second, &first, NOON], vec![treat(1), treat(0), back(1)]),
        ] {
            let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
            check(trigger, &lines, &expected);
        }
    }
    // When settled, it is the first, and nothing is taken back.
    let settled = onsite(
        "event: { of: { name: Order Completed, where: previous.orders.count == 0 }, when: settled }",
    );
    let (first, second) = (order(0, "o1"), order(1, "o2"));
    check(&settled, &[&second, &first, NOON], &[&*treat(0)]);
    check(&settled, &[&first, &second, NOON], &[&*treat(0)]);
}

#[test]
fn kinds_that_remember_are_asked_again_too() {
    // Views in a row, and nothing bought in between.
    let sequence = onsite(
        "sequence: { steps: [{ of: Product Viewed, times: 2 }], within: 1h, without: Order Completed, when: seen }",
    );
    let at = |minute: u32, what: &str| format!("2026-03-02T10:{minute:02}:30Z {what}");
    let (a, b) = (at(0, "Product Viewed"), at(2, "Product Viewed"));
    let between = at(1, "Order Completed");
    check(&sequence, &[&a, &b, NOON], &[&*treat(2)]);
    let lines = [&*a, &b, &between, NOON];
    check(&sequence, &lines, &[&*treat(2), &*back(2)]);
    // The third in a minute: it was the second that crossed.
    let threshold = onsite(
        "threshold: { of: Product Viewed, measure: count, over: 1h, crosses: { at_least: 2 }, when: seen }",
    );
    let late = at(1, "Product Viewed");
    let lines = [&*a, &b, &late, NOON];
    check(&threshold, &lines, &[&*treat(2), &*treat(1), &*back(2)]);
}

#[test]
fn one_order_is_treated_once() {
    let each = onsite("event: Order Completed");
    let (early, late) = (order(0, "o1"), order(1, "o1"));
    check(&each, &[&early, &late, NOON], &[&*treat(0)]);
    // Whichever was told first was treated, and stands for both.
    check(&each, &[&late, &early, NOON], &[&*treat(1)]);
    // Beyond the lateness too.
    let far = "2026-03-02T10:05:00Z Product Viewed";
    check(&each, &[&late, far, &early, NOON], &[&*treat(1)]);
    // Another order is another.
    let other = order(0, "o2");
    check(&each, &[&late, &other, NOON], &[&*treat(1), &*treat(0)]);
    // If only the later one was big enough, history does not say so: an order is the one that was told first.
    let big = onsite("event: { name: Order Completed, where: event.total > 10 }");
    let of = |minute: u32, total: u32| {
        format!(
            r#"2026-03-02T10:{minute:02}:30Z Order Completed {{"order_id":"o1","total":{total}}}"#
        )
    };
    let lines = [of(1, 20), of(0, 20), NOON.to_owned()];
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    check(&big, &lines, &[&*treat(1)]);
    let lines = [of(1, 20), of(0, 5), NOON.to_owned()];
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    check(&big, &lines, &[&*treat(1), &*back(1)]);
}

#[test]
fn what_was_sent_itself_undoes_nothing() {
    // After it was sent, she has been sent something.
    for trigger in [
        onsite("event: { name: Order Completed, where: profile.contacts.count == 0 }"),
        format!(
            "{}\naudience: profile.contacts.count == 0",
            onsite("event: Order Completed")
        ),
        format!(
            "{}\naudience: '\"new\" in profile.segments'\n===\nsegment: new\nwhen: profile.contacts.count == 0",
            onsite("event: Order Completed")
        ),
    ] {
        check(&trigger, &[&order(0, "o1"), NOON], &[&*treat(0)]);
    }
}

/// At night e-mails wait.
fn nights() -> Policy {
    toml::from_str("quiet_hours = { default = '22:00-08:00' }\ndefault_timezone = 'UTC'\n")
        .expect("a policy")
}

fn by_email(moment: &str) -> String {
    format!(
        "moment: {{ {moment} }}\ntreatments: [{{ channel: email, template: x }}]\n\
         policy: {{ quiet_hours: hold, good_for: 2d }}"
    )
}

const YES: &str = r#"2026-03-02T09:00:00Z identify {"consent":["email","sms"]}"#;

#[test]
fn what_waits_is_dropped() {
    let night = "until 2026-03-02T23:30:00Z";
    let morning = "until 2026-03-03T09:00:00Z";
    let added = r#"2026-03-02T22:00:00Z Product Added {"product_id":"a"}"#;
    let order = "2026-03-02T22:10:00Z Order Completed";
    let dropped = "2026-03-02T22:30:00Z withdrawn";
    let lines = [YES, added, night, order, morning];
    check_with(&by_email(LEFT), &nights(), &lines, &[dropped]);
    let erased = "2026-03-02T23:00:00Z Customer Erased";
    let lines = [YES, added, night, erased, morning];
    check_with(&by_email(LEFT), &nights(), &lines, &[dropped]);
    // A no to its channel; not one to another.
    for (said, expected) in [
        (r#"identify {"consent":{"email":false}}"#, dropped),
        (r#"identify {"consent":false}"#, dropped),
        (r#"identify {"consent":["sms"]}"#, dropped),
        ("Unsubscribed", dropped),
        (
            r#"identify {"consent":{"sms":false}}"#,
            "2026-03-02T22:30:00Z treat",
        ),
    ] {
        let said = format!("2026-03-02T23:31:00Z {said}");
        let lines = [YES, added, night, &said, morning];
        check_with(&by_email(LEFT), &nights(), &lines, &[expected]);
    }
    // Held when it was seen, and settled otherwise: the first order waits on.
    let lines = [
        YES,
        r#"2026-03-02T23:01:30Z Order Completed {"order_id":"o2"}"#,
        r#"2026-03-02T23:00:30Z Order Completed {"order_id":"o1"}"#,
        morning,
    ];
    let expected = [
        "2026-03-02T23:01:30Z withdrawn",
        "2026-03-02T23:00:30Z treat",
    ];
    check_with(&by_email(FIRST), &nights(), &lines, &expected);
    // And of one order that was told twice, one waits.
    let lines = lines.map(|line| line.replace("o2", "o1"));
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let each = by_email("event: Order Completed");
    check_with(&each, &nights(), &lines, &expected);
}

#[test]
fn who_says_no_or_is_erased_is_not_written_to_any_more() {
    let each = by_email("event: Order Completed");
    let order = "2026-03-02T10:00:00Z Order Completed";
    let treated = "2026-03-02T10:00:00Z treat";
    let no = "2026-03-02T10:00:00Z back: no_consent";
    for (said, expected) in [
        (
            r#"11:00:00Z identify {"consent":{"email":false}}"#,
            Some(no),
        ),
        (r#"11:00:00Z identify {"consent":["sms"]}"#, Some(no)),
        ("11:00:00Z Unsubscribed", Some(no)),
        // Said before it was sent, and told after.
        (
            r#"09:59:30Z identify {"consent":{"email":false}}"#,
            Some(no),
        ),
        (r#"11:00:00Z identify {"consent":{"sms":false}}"#, None),
        (r#"11:00:00Z identify {"consent":["email"]}"#, None),
        (
            "11:00:00Z Customer Erased",
            Some("2026-03-02T10:00:00Z back: erased"),
        ),
    ] {
        let said = format!("2026-03-02T{said}");
        let lines = [YES, order, &said, &said, "until 2026-03-03T09:00:00Z"];
        let expected: Vec<&str> = [treated].into_iter().chain(expected).collect();
        check_with(&each, &Policy::default(), &lines, &expected);
    }
    // A no that a later yes has overtaken is none.
    let lines = [
        YES,
        order,
        r#"2026-03-02T10:02:00Z identify {"consent":["email"]}"#,
        r#"2026-03-02T10:01:30Z identify {"consent":{"email":false}}"#,
        NOON,
    ];
    check_with(&each, &Policy::default(), &lines, &[treated]);
    // Out of date, nobody sends it any more.
    let lines = [
        YES,
        order,
        r#"2026-03-04T10:00:00Z identify {"consent":false}"#,
    ];
    check_with(&each, &Policy::default(), &lines, &[treated]);
}

#[test]
fn a_withdrawal_names_what_it_takes_back() {
    let mut bench = Bench::new(&onsite(LEFT), Policy::default());
    for line in [ADDED, NOON, "2026-03-02T10:10:00Z Order Completed #late"] {
        bench.line(line);
    }
    let decided = bench.effects.iter().filter_map(|effect| match effect {
        Effect::Decided(decision) => Some(decision),
        _ => None,
    });
    let [treated, withdrawn] = decided.collect::<Vec<_>>()[..] else {
        panic!("{:?}", bench.effects)
    };
    let (Some(command), Outcome::Withdraw(withdrawal)) = (treated.command(), &withdrawn.outcome)
    else {
        panic!("{withdrawn:?}")
    };
    assert_eq!(withdrawal.withdraws, command.id);
    assert_eq!(
        command.id,
        command_id("t", 1, "ana", "2026-03-02T10:00:00.000Z")
    );
    assert_ne!(withdrawal.id, command.id);
    assert_eq!(withdrawal.channel, command.channel);
    assert!(matches!(withdrawn.order(), Some(Order::Withdrawal(_))));
    assert_eq!(withdrawn.moment_at, treated.moment_at);
    assert_eq!(withdrawn.evidence.events[0].id, "late");
}

#[test]
fn no_more_is_kept_than_there_is_room_for() {
    let mut bench = Bench::new(&onsite("event: Order Completed"), Policy::default());
    for minute in 0..33 {
        bench.line(&order(minute, &minute.to_string()));
    }
    bench.line("2026-03-02T11:00:00Z Customer Erased");
    let made_way = Effect::OpenLimit {
        trigger: "t".into(),
        refused: 1,
    };
    assert_eq!(
        bench.effects.iter().filter(|it| **it == made_way).count(),
        1
    );
    let erased = bench.decisions();
    let erased = erased.iter().filter(|line| line.ends_with("back: erased"));
    assert_eq!(erased.count(), 32);
}
