//! What is held in quiet hours: asked again when they end, everything and afresh.

use std::sync::Arc;

use moments::engine::{Effect, packed};
use moments::trigger::policy::Policy;

use super::{Bench, check_with, plan};

/// 22:00 to 08:00 for all, 21:00 to 07:00 for e-mail.
fn nights(more: &str) -> Policy {
    let text = format!(
        "hold_out = '0%'\n{more}\n[quiet_hours]\ndefault = '22:00-08:00'\nemail = '21:00-07:00'\n"
    );
    toml::from_str(&text).unwrap_or_else(|error| panic!("{error}"))
}

fn trigger(moment: &str, rest: &str) -> String {
    format!(
        "moment: {moment}\n{rest}\ntreatments: [{{ channel: onsite, template: x }}]\n\
         policy: {{ quiet_hours: hold, good_for: 2d }}"
    )
}

const ORDER: &str = "{ event: Order Completed }";
const LEFT: &str = "{ absence: { of: Order Completed, after: Product Added, within: 30m } }";
const ADDED: &str =
    r#"2026-03-02T22:00:00Z Product Added {"product_id":"a","price":30,"quantity":1}"#;

#[test]
fn what_comes_true_at_night_is_decided_in_the_morning() {
    // The trigger, what happens, and what is decided.
    let table: [(&str, &[&str], &[&str]); 8] = [
        // By day nothing is held.
        (
            ORDER,
            &["2026-03-02T21:59:59.999Z Order Completed"],
            &["2026-03-02T21:59:59.999Z treat"],
        ),
        // At night it waits; nothing is decided before the hours end.
        (
            ORDER,
            &[
                "2026-03-02T22:00:00Z Order Completed",
                "until 2026-03-03T07:59:59.999Z",
            ],
            &[],
        ),
        // It is decided when they have ended, and stays what it was.
        (
            ORDER,
            &[
                "2026-03-02T22:00:00Z Order Completed",
                "until 2026-03-03T08:00:00Z",
            ],
            &["2026-03-02T22:00:00Z treat"],
        ),
        (LEFT, &[ADDED, "until 2026-03-03T07:00:00Z"], &[]),
        (
            LEFT,
            &[ADDED, "until 2026-03-03T08:00:00Z"],
            &["2026-03-02T22:30:00Z treat"],
        ),
        // Her own clock: 06:30 in Madrid is 05:30.
        (
            ORDER,
            &[
                r#"2026-03-01T10:00:00Z identify {"timezone":"Europe/Madrid"}"#,
                "2026-03-03T05:30:00Z Order Completed",
                "until 2026-03-03T06:59:59.999Z",
            ],
            &[],
        ),
        (
            ORDER,
            &[
                r#"2026-03-01T10:00:00Z identify {"timezone":"Europe/Madrid"}"#,
                "2026-03-03T05:30:00Z Order Completed",
                "until 2026-03-03T07:00:00Z",
            ],
            &["2026-03-03T05:30:00Z treat"],
        ),
        // Two nights on it would make no sense any more.
        (
            ORDER,
            &[
                "now 2026-03-04T22:00:00Z",
                "2026-03-02T22:30:00Z Order Completed",
                "until 2026-03-05T08:00:00Z",
            ],
            &["2026-03-02T22:30:00Z expired"],
        ),
    ];
    for (moment, lines, expected) in table {
        check_with(&trigger(moment, ""), &nights(""), lines, expected);
    }
}

#[test]
fn everything_is_asked_again() {
    let night = "2026-03-02T23:00:00Z Order Completed";
    let morning = "until 2026-03-03T08:00:00Z";
    let held = "2026-03-02T23:00:00Z";
    // The audience as it is by then: a complaint came in the night; one of before is solved.
    let calm = trigger(ORDER, "audience: profile.support.open == 0");
    let complaint = "2026-03-03T03:00:00Z Support Ticket Opened";
    let refused = [&*format!("{held} audience")];
    check_with(&calm, &nights(""), &[night, complaint, morning], &refused);
    let calmed = [&*format!("{held} treat")];
    let lines = [
        "2026-03-02T20:00:00Z Support Ticket Opened",
        night,
        "2026-03-03T03:00:00Z Support Ticket Solved",
        morning,
    ];
    check_with(
        &calm,
        &nights(""),
        &lines,
        // At night she was not in the audience, and what is refused is not held.
        &[&*format!("{held} audience")],
    );
    let at_any_time = trigger(ORDER, "audience: profile.orders.count > 0");
    check_with(&at_any_time, &nights(""), &[night, morning], &calmed);
    // The event is that of the moment, and so is what was before it.
    let first = trigger(
        ORDER,
        "audience: event.total == 7 && previous.orders.count == 0",
    );
    let lines = [
        r#"2026-03-02T23:00:00Z Order Completed {"order_id":"o1","total":7}"#,
        r#"2026-03-03T01:00:00Z Order Completed {"order_id":"o2","total":7}"#,
        morning,
    ];
    let expected = [
        "2026-03-03T01:00:00Z audience",
        "2026-03-02T23:00:00Z treat",
    ];
    check_with(&first, &nights(""), &lines, &expected);
}

#[test]
fn held_ones_compete_when_they_are_let_go() {
    // Three orders of one night are one instant in the morning.
    let orders = [
        "2026-03-02T23:00:00Z Order Completed",
        "2026-03-03T01:00:00Z Order Completed",
        "2026-03-03T03:00:00Z Order Completed",
        "until 2026-03-03T08:00:00Z",
    ];
    let all = [
        "2026-03-02T23:00:00Z treat",
        "2026-03-03T01:00:00Z treat",
        "2026-03-03T03:00:00Z treat",
    ];
    check_with(&trigger(ORDER, ""), &nights(""), &orders, &all);
    let one = nights("arbitration = 'instant'");
    let decided = super::decisions(&trigger(ORDER, ""), &one, &orders);
    let treated = decided.iter().filter(|line| line.ends_with("treat"));
    let outranked = decided.iter().filter(|line| line.ends_with("outranked"));
    assert_eq!((treated.count(), outranked.count()), (1, 2), "{decided:?}");
    // A cap counts one after the other.
    let capped = trigger(ORDER, "").replace("good_for", "cap: 1 in 7d, good_for");
    let expected = [
        "2026-03-02T23:00:00Z treat",
        "2026-03-03T01:00:00Z capped",
        "2026-03-03T03:00:00Z capped",
    ];
    check_with(&capped, &nights(""), &orders, &expected);
}

/// What each says besides its moment, the policy, what happens, and what is decided.
#[rustfmt::skip]
const DIGESTS: &[(&str, &str, &[&str], &[&str])] = &[
    // The first opens it, and it is decided a day later.
    ("digest: 1d", "", &["2026-03-02T10:00:00Z Order Completed", "2026-03-02T20:00:00Z Order Completed", "until 2026-03-03T09:59:59.999Z"], &[]),
    ("digest: 1d", "", &["2026-03-02T10:00:00Z Order Completed", "2026-03-02T20:00:00Z Order Completed", "until 2026-03-03T10:00:00Z"], &["2026-03-02T10:00:00Z treat", "2026-03-02T20:00:00Z digested"]),
    // What comes when it ends opens another.
    ("digest: 1d", "", &["2026-03-02T10:00:00Z Order Completed", "2026-03-03T10:00:00Z Order Completed", "until 2026-03-04T10:00:00Z"], &["2026-03-02T10:00:00Z treat", "2026-03-03T10:00:00Z treat"]),
    // It is one for a cap.
    ("digest: 1h, cap: 1 in 7d", "", &["2026-03-02T10:00:00Z Order Completed", "2026-03-02T10:30:00Z Order Completed", "2026-03-02T20:00:00Z Order Completed", "until 2026-03-03T10:00:00Z"], &["2026-03-02T10:00:00Z treat", "2026-03-02T10:30:00Z digested", "2026-03-02T20:00:00Z capped"]),
    // One that ends at night waits for the morning, whole.
    ("digest: 10h, quiet_hours: hold", NIGHT, &["2026-03-02T14:00:00Z Order Completed", "2026-03-02T20:00:00Z Order Completed", "until 2026-03-03T07:59:00Z"], &[]),
    ("digest: 10h, quiet_hours: hold", NIGHT, &["2026-03-02T14:00:00Z Order Completed", "2026-03-02T20:00:00Z Order Completed", "until 2026-03-03T08:00:00Z"], &["2026-03-02T14:00:00Z treat", "2026-03-02T20:00:00Z digested"]),
    // At night nothing is sent yet, so nothing is dropped before it ends.
    ("digest: 10h, quiet_hours: drop", NIGHT, &["2026-03-02T23:00:00Z Order Completed", "until 2026-03-03T10:00:00Z"], &["2026-03-02T23:00:00Z treat"]),
    // Without a window two are sent; with it one, an hour after the first.
    ("priority: 50", "", &["2026-03-02T10:00:00Z Order Completed", "2026-03-02T10:30:00Z Order Completed"], &["2026-03-02T10:00:00Z treat", "2026-03-02T10:30:00Z treat"]),
    ("priority: 50", "arbitration_window = { onsite = '1h' }", &["2026-03-02T10:00:00Z Order Completed", "2026-03-02T10:30:00Z Order Completed", "until 2026-03-02T10:59:59.999Z"], &[]),
    ("priority: 50", "arbitration_window = { store = '1h' }", &["2026-03-02T10:00:00Z Order Completed", "2026-03-02T10:30:00Z Order Completed"], &["2026-03-02T10:00:00Z treat", "2026-03-02T10:30:00Z treat"]),
];
const NIGHT: &str = "quiet_hours = { default = '22:00-08:00' }";

fn policy(said: &str) -> Policy {
    toml::from_str(&format!("hold_out = '0%'\n{said}")).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn moments_are_gathered_and_wait_for_others() {
    for (says, said, lines, expected) in DIGESTS {
        let trigger = format!(
            "moment: {ORDER}\ntreatments: [{{ channel: onsite, template: x }}]\npolicy: {{ good_for: 5d, {says} }}"
        );
        check_with(&trigger, &policy(said), lines, expected);
    }
}

/// Of two triggers and three moments within the window of a channel one is sent, when it ends.
#[test]
fn those_that_waited_for_each_other_compete() {
    let orders = "moment: { event: Order Completed }\ntreatments: [{ channel: onsite, template: x }]\npolicy: { priority: 40, good_for: 2d }";
    let views = "trigger: views\nmoment: { event: Product Viewed }\ntreatments: [{ channel: onsite, template: y }]\npolicy: { priority: 60, good_for: 2d }";
    let both = format!("{orders}\n===\n{views}");
    let lines = [
        "2026-03-02T10:00:00Z Order Completed",
        "2026-03-02T10:30:00Z Product Viewed",
        "2026-03-02T10:40:00Z Order Completed",
        // As it ends: this one waits for others.
        "2026-03-02T11:00:00Z Product Viewed",
        "until 2026-03-02T11:30:00Z",
    ];
    let mut decided = super::decisions(
        &both,
        &policy("arbitration_window = { onsite = '1h' }"),
        &lines,
    );
    decided.sort();
    let expected = [
        "2026-03-02T10:00:00Z outranked",
        "2026-03-02T10:30:00Z treat",
        "2026-03-02T10:40:00Z outranked",
    ];
    assert_eq!(decided, expected);
}

/// One command with what is said of each; who is not in the audience any more is left out.
#[test]
fn a_digest_says_what_it_gathered() {
    let trigger = "moment: { event: Order Completed }\naudience: event.total > profile.nps.score || !has(profile.nps.score)\n\
        treatments: [{ channel: onsite, template: x, data: { order: event.order_id, spent: profile.orders.count } }]\n\
        policy: { digest: 1d, quiet_hours: hold, good_for: 1d }";
    let mut bench = Bench::new(trigger, policy(NIGHT));
    for line in [
        r#"2026-03-02T23:00:00Z Order Completed {"order_id":"o1","total":9}"#,
        r#"2026-03-03T01:00:00Z Order Completed {"order_id":"o2","total":3}"#,
        r#"2026-03-03T10:00:00Z Order Completed {"order_id":"o3","total":8}"#,
        r#"2026-03-03T11:00:00Z NPS Answered {"score":5}"#,
        "until 2026-03-04T08:00:00Z",
    ] {
        bench.line(line);
    }
    let decided = bench.effects.iter().filter_map(|effect| match effect {
        Effect::Decided(decision) => Some(decision),
        _ => None,
    });
    let mut commands = decided.filter_map(|decision| Some((decision, decision.command()?)));
    let (decision, command) = commands.next().expect("one command");
    assert!(commands.next().is_none());
    assert_eq!(decision.moment_at.to_string(), "2026-03-02T23:00:00.000Z");
    assert_eq!(decision.decided_at.to_string(), "2026-03-04T08:00:00.000Z");
    let said = serde_json::to_value(&command.data).expect("JSON");
    let moment =
        |at: &str, order: &str| serde_json::json!({ "at": at, "order": order, "spent": 3 });
    let expected = [
        moment("2026-03-02T23:00:00.000Z", "o1"),
        moment("2026-03-03T10:00:00.000Z", "o3"),
    ];
    assert_eq!(said, serde_json::json!({ "moments": expected }));
    assert_eq!(decision.evidence.events.len(), 2);
    assert_eq!(decision.evidence.fact("digest"), Some(&2.into()));
    let mut lines = bench.decisions();
    lines.sort();
    let expected = [
        "2026-03-02T23:00:00Z treat",
        "2026-03-03T01:00:00Z audience",
        "2026-03-03T10:00:00Z digested",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn who_is_erased_in_the_night_is_not_told_in_the_morning() {
    let lines = [
        "2026-03-02T23:00:00Z Order Completed",
        "2026-03-03T03:00:00Z Customer Erased",
        "until 2026-03-04T08:00:00Z",
    ];
    let expected = ["2026-03-02T23:00:00Z withdrawn"];
    check_with(&trigger(ORDER, ""), &nights(""), &lines, &expected);
}

#[test]
fn no_more_is_held_than_there_is_room_for() {
    let mut bench = Bench::new(&trigger(ORDER, ""), nights(""));
    for minute in 0..40 {
        bench.line(&format!("2026-03-02T23:{minute:02}:00Z Order Completed"));
    }
    let held = |effect: &&Effect| matches!(effect, Effect::Held { .. });
    assert_eq!(bench.effects.iter().filter(held).count(), 32);
    assert_eq!(bench.decisions().len(), 8);
    assert!(
        bench
            .decisions()
            .iter()
            .all(|line| line.ends_with("quiet_hours"))
    );
}

#[test]
fn what_waits_is_restored() {
    let mut live = Bench::new(&trigger(ORDER, "audience: event.total == 7"), nights(""));
    live.line(r#"2026-03-02T23:00:00Z Order Completed {"order_id":"o1","total":7}"#);
    let records = live.engine.seal();
    let mut restored = Bench::new(&trigger(ORDER, "audience: event.total == 7"), nights(""));
    for (key, value) in &records {
        let (id, sealed) = (std::str::from_utf8(key), value.as_deref());
        let page = packed::unsealed(id.expect("text"), sealed.expect("a customer"));
        packed::check(page.expect("just sealed")).expect("just packed");
        restored
            .engine
            .restore(key, value.as_deref())
            .expect("just packed");
    }
    restored.engine.restored(live.engine.watermark());
    restored.line("until 2026-03-03T08:00:00Z");
    assert_eq!(restored.decisions(), ["2026-03-02T23:00:00Z treat"]);
    // Taken out meanwhile, it decides nothing.
    let other = plan(
        "generation: 2\nmoment: { event: Order Completed }\ntreatments: [{ channel: onsite, template: x }]",
        nights(""),
    );
    live.engine.committed();
    let mut effects = Vec::new();
    let now = live.engine.watermark();
    live.engine.adopt(&Arc::new(other), 0, now, &mut effects);
    live.line("until 2026-03-03T08:00:00Z");
    let decided = live.decisions();
    assert!(decided.is_empty(), "{decided:?}");
}
