//! Faults on a real Kafka: processes killed at random moments, topics that lag, a crash in the middle of catching up.
//!
//! `MOMENTS_KILLS` says how often (5), `MOMENTS_SEED` repeats a run.

pub mod checks;
pub mod events;
mod lag;
mod progress;
pub mod run;

use std::fmt::Write as _;

use self::events::{Event, copies, history, passers_by};
use self::run::{Run, customers, number, produce, seeded};
use super::installation::{Installation, LIMIT};
use crate::support::broker::KafkaBroker;

const PARTITIONS: i32 = 4;
const KILLS: u64 = 5;
const CHANNELS: [&str; 2] = ["email", "onsite"];
/// Time comes from events; what was treated a year ago in their time is not expired.
const TIME: &str = "[time]\nclock = \"event\"\nidle_delay = \"300ms\"\n";

/// Moments of all kinds, and the numbers that are known of them in `tests/fixtures/expected.json`.
const MOMENTS: &[(&str, &str)] = &[
    (
        "cart-no-order-30m",
        "absence: { of: Order Completed, after: Product Added, within: 30m }",
    ),
    (
        "cart-no-order-24h-per-product",
        "absence: { of: Order Completed, after: Product Added, within: 24h, per: event.product_id }",
    ),
    (
        "click-no-cart-24h-first",
        "absence: { of: [Product Added, Order Completed], after: Product Viewed, within: 24h, from: first }",
    ),
    (
        "frequency-drop",
        "baseline: { of: Order Completed, measure: gap, history_min: 4, deviations: 2 }",
    ),
    (
        "frequency-drop-exact",
        "baseline: { of: Order Completed, measure: gap, by: exact, history_min: 4, deviations: 2 }",
    ),
    (
        "falling-ticket",
        "baseline: { of: Order Completed, measure: value, value: event.total, history_min: 6, ratio: { last: 3, below: 0.7 } }",
    ),
    (
        "win-back-180d",
        "event: { name: Order Completed, where: 'days_between(previous.last_order, event.time) > 180' }",
    ),
    (
        "inactivity-90d",
        "inactivity: { of: Order Completed, for: 90d }",
    ),
];

/// Trigger files: e-mail where there is consent, else on the site, and not more than so often.
fn triggers() -> Vec<(String, String)> {
    let of = |(number, (name, moment)): (usize, &(&str, &str))| {
        let mut text = format!("trigger: {name}\nmoment:\n  {moment}\ntreatments:\n");
        // Writing to a string does not fail.
        let _ = match number % 3 {
            0 => writeln!(
                text,
                "  - {{ channel: email, template: t, data: {{ orders: profile.orders.count }} }}"
            ),
            1 => writeln!(
                text,
                "  - {{ channel: onsite, template: t, data: {{ value: profile.orders.value }} }}"
            ),
            _ => writeln!(
                text,
                "  - {{ if: profile.orders.count > 3, channel: email, template: t }}\n  - {{ channel: onsite, template: u }}"
            ),
        };
        let cap = if number % 2 == 0 {
            "  cap: 1 in 60d\n"
        } else {
            ""
        };
        let _ = write!(text, "policy:\n  good_for: 365d\n{cap}");
        ((*name).to_owned(), text)
    };
    MOMENTS.iter().enumerate().map(of).collect()
}

fn installation(broker: &'static KafkaBroker) -> Installation {
    let triggers = triggers();
    let triggers: Vec<(&str, &str)> = triggers
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .collect();
    let installation = Installation::new(broker, PARTITIONS, &triggers, TIME);
    installation.create_topics();
    installation
}

/// The last event of all, in every partition.
fn with_end(mut events: Vec<Event>) -> Vec<Event> {
    let end = events.last().expect("events").time_ms;
    events.extend(passers_by(PARTITIONS, end));
    events
}

#[test]
fn killed_again_and_again_two_processes_decide_everything_once() {
    let Some(broker) = KafkaBroker::shared() else {
        return;
    };
    let kills = number("MOMENTS_KILLS").unwrap_or(KILLS);
    let installation = installation(broker);
    let events = with_end(history());
    let expected = checks::rehearsed(&installation, &events);
    let mut run = Run::start(&installation, PARTITIONS, seeded());
    run.kill_while_producing(&events, usize::try_from(kills).expect("small"));
    run.settle(expected.len());

    // Of the last minutes time goes only as far as a deadline needs it, and what brought no decision is not committed. So
    // those are compared whose last event is long past: the customers of Online Retail.
    let past = events.last().expect("events").time_ms - 365 * 86_400_000;
    let before = events.iter().take_while(|event| event.time_ms < past);
    let mut ids: Vec<String> = before.map(|event| event.customer.clone()).collect();
    ids.sort_unstable();
    ids.dedup();
    let sample: Vec<String> = ids.iter().step_by(ids.len() / 200 + 1).cloned().collect();
    let live = run.customers(&sample);
    run.stop();
    let restored = installation.start();
    restored.wait_until_ready();
    let members = [restored];
    for (was, is) in live.iter().zip(customers(&members, &sample)) {
        assert_eq!(*was, is, "the state that was live, and what was restored");
    }
    let [mut restored] = members;
    assert!(restored.process.terminate(LIMIT).success());

    let decided = checks::committed(&installation, &CHANNELS);
    let found = checks::moments(decided.iter().map(String::as_str));
    checks::assert_same(&found, &expected);
}

#[test]
fn a_crash_in_the_middle_of_catching_up_leaves_nothing_unsent() {
    let Some(broker) = KafkaBroker::shared() else {
        return;
    };
    let installation = installation(broker);
    let events = with_end(copies(20));
    let expected = checks::rehearsed(&installation, &events);
    let (first, rest) = events.split_at(events.len() / 2);
    produce(&installation, first, true);
    let mut run = Run::start(&installation, PARTITIONS, seeded());
    let decided = run.kill_in_the_middle(rest);
    assert!(decided < expected.len(), "it was in the middle");
    run.settle(expected.len());
    run.stop();
    let decided = checks::committed(&installation, &CHANNELS);
    let found = checks::moments(decided.iter().map(String::as_str));
    checks::assert_same(&found, &expected);
}
