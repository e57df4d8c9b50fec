//! Segments: who enters, leaves and outstays them is what looking at every instant of a sorted history says, by events and by time
//! alone, whatever the order of arrival.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use proptest::prelude::*;

use moments::document::report::Source;
use moments::engine::{Effect, Engine};
use moments::time::{DAY_MS, Timestamp};
use moments::trigger::plan::Plan;

use super::cases;
use super::driver::{Found, held_to, inputs, plan_of, tell};
use super::history::{Grid, history, in_order};
use crate::reference::RefEvent;

pub(super) const STEP: i64 = DAY_MS / 4;
pub(super) const GRID: Grid = Grid {
    step_ms: STEP,
    steps: 40,
    lateness: 8,
};
/// How long she has to stay for it to be long.
const LONG_MS: i64 = 3 * STEP;

/// Whether she is meant at an instant, by what had happened by then.
type Meant = fn(&[&RefEvent], i64) -> bool;

const FACTS: &[&str] = &[
    "{ fact: lately, of: Order Completed, measure: count, over: 36h }",
    "{ fact: spent, of: Order Completed, measure: { sum: event.total } }",
    "{ fact: least, of: Order Completed, measure: { min: event.total }, over: 24h }",
];

/// What its file asks, for how long it has to hold, and what that means.
#[rustfmt::skip]
const SEGMENTS: &[(&str, Option<i64>, Meant)] = &[
    ("facts.lately >= 2", None, |events, now| lately(events, now, 6) >= 2),
    ("facts.lately >= 2", Some(2), |events, now| lately(events, now, 6) >= 2),
    ("facts.lately == 1 && profile.orders.count > 1", None, |events, now| lately(events, now, 6) == 1 && orders(events).count() > 1),
    ("facts.least >= 2", None, |events, now| least(events, now) >= 2.0),
    ("facts.least != 2", None, |events, now| least(events, now) != 2.0),
    ("facts.spent > 4 || facts.spent == 0", None, |events, _| spent(events) > 4.0 || spent(events) == 0.0),
    ("now - profile.last_order > duration('18h')", None, |events, now| last(events).is_some_and(|last| now - last > 3 * STEP)),
    ("now - profile.last_order >= duration('18h')", Some(3), |events, now| last(events).is_some_and(|last| now - last >= 3 * STEP)),
    ("!(now < profile.last_order + duration('18h'))", None, |events, now| last(events).is_none_or(|last| now >= last + 3 * STEP)),
    ("days_between(profile.last_order, now) == 2", None, |events, now| last(events).is_some_and(|last| day(now) - day(last) == 2)),
    ("days_between(profile.last_order, now) in [1, 3] ? profile.orders.count > 1 : now - profile.last_order < duration('6h')", None, |events, now| {
        let days = last(events).map(|last| day(now) - day(last));
        match days == Some(1) || days == Some(3) {
            true => orders(events).count() > 1,
            false => last(events).is_some_and(|last| now - last < STEP),
        }
    }),
];

pub(super) fn orders<'e>(events: &'e [&RefEvent]) -> impl Iterator<Item = &'e RefEvent> {
    let meant = |event: &&&RefEvent| event.name == "Order Completed";
    events.iter().filter(meant).copied()
}

pub(super) fn lately(events: &[&RefEvent], now: i64, steps: i64) -> usize {
    orders(events)
        .filter(|order| now - order.time_ms < steps * STEP)
        .count()
}

fn least(events: &[&RefEvent], now: i64) -> f64 {
    let lately = orders(events).filter(|order| now - order.time_ms < 4 * STEP);
    lately
        .map(|order| order.value)
        .reduce(f64::min)
        .unwrap_or(f64::NAN)
}

pub(super) fn spent(events: &[&RefEvent]) -> f64 {
    orders(events).map(|order| order.value).sum()
}

pub(super) fn last(events: &[&RefEvent]) -> Option<i64> {
    orders(events).map(|order| order.time_ms).max()
}

fn day(ms: i64) -> i64 {
    ms.div_euclid(DAY_MS)
}

static PLAN: LazyLock<Arc<Plan>> = LazyLock::new(|| {
    let mut sources: Vec<Source> = FACTS
        .iter()
        .map(|text| Source::new("fact", (*text).to_owned()))
        .collect();
    for (n, (when, held, _)) in SEGMENTS.iter().enumerate() {
        let held = held.map_or(String::new(), |steps| format!("held: {}h\n", 6 * steps));
        let text = format!("segment: s{n}\nwhen: \"{when}\"\n{held}");
        sources.push(Source::new("segment", text));
        for (word, change) in [
            ("enters", format!("enters: s{n}")),
            ("leaves", format!("leaves: s{n}")),
            ("stays", format!("outstays: {{ segment: s{n}, for: 18h }}")),
        ] {
            let text = format!(
                "trigger: {word}-{n}\nmoment: {{ transition: {{ {change} }} }}\ntreatments: none\npolicy: {{ good_for: 1000d }}\n"
            );
            sources.push(Source::new(word, text));
        }
    }
    // Whoever is asked about at once finds her where she is.
    for n in 0..SEGMENTS.len() {
        let text = format!(
            "trigger: asked-{n}\nmoment: {{ event: any }}\naudience: '\"s{n}\" in profile.segments'\ntreatments: none\npolicy: {{ good_for: 1000d }}\n"
        );
        sources.push(Source::new("asked", text));
    }
    let plan = plan_of(&sources);
    Arc::new(plan)
});

/// Every instant at which anything may change: each step, and a millisecond after it.
pub(super) fn instants(from: i64, until: i64) -> impl Iterator<Item = i64> {
    let steps = (from..=until).step_by(STEP as usize);
    steps.flat_map(|at| [at, at + 1])
}

/// What comes true of a customer's sorted history up to an instant, by transitions.
fn expected(customer: &str, events: &[RefEvent], until: i64) -> Vec<Found> {
    let mut expected = Vec::new();
    for (n, (_, held, meant)) in SEGMENTS.iter().enumerate() {
        let held_ms = held.unwrap_or(0) * STEP;
        let (mut holds, mut entered) = (None, None);
        let mut change = |word: &str, at: i64, since: i64| {
            let trigger = format!("{word}-{n}");
            let occurrence = format!("s{n}@{}", Timestamp(since));
            if at <= until {
                expected.push((customer.to_owned(), trigger, at, occurrence));
            }
        };
        for at in instants(events[0].time_ms, until) {
            let known: Vec<&RefEvent> = events.iter().take_while(|e| e.time_ms <= at).collect();
            holds = meant(&known, at).then(|| holds.unwrap_or(at));
            let is_in = holds.is_some_and(|since| at - since >= held_ms);
            match entered {
                None if is_in => {
                    entered = Some(at);
                    change("enters", at, at);
                }
                Some(since) if !is_in => {
                    // What lasts until the very instant has not been outstayed: she has left by then.
                    if since + LONG_MS < at {
                        change("stays", since + LONG_MS, since);
                    }
                    change("leaves", at, at);
                    entered = None;
                }
                _ => {}
            }
        }
        if let Some(since) = entered {
            change("stays", since + LONG_MS, since);
        }
    }
    expected.sort();
    expected
}

proptest! {
    #![proptest_config(cases(384))]

    #[test]
    fn transitions_are_what_looking_at_every_instant_says(history in history(GRID, 30, 0..100)) {
        held_to(&PLAN, (&history, GRID), expected, |(_, trigger, ..)| !trigger.starts_with("asked"))?;
    }

    /// In order, what is asked when an event is seen finds her in the segments that she is in then.
    #[test]
    fn she_is_in_them_when_it_is_asked(history in history(GRID, 30, 0..1)) {
        let mut by_customer: BTreeMap<String, Vec<RefEvent>> = BTreeMap::new();
        for place in in_order(&history, GRID) {
            let customer = by_customer.entry(history[place].customer().to_string());
            customer.or_default().push(history[place].reference(place, GRID));
        }
        let mut engine = Engine::new(Arc::clone(&PLAN));
        let mut effects = Vec::new();
        for input in &inputs(&history, &in_order(&history, GRID), GRID) {
            tell(&mut engine, input, &mut effects);
        }
        for effect in &effects {
            let Effect::Decided(decision) = effect else { continue };
            let Some(n) = decision.trigger.strip_prefix("asked-") else { continue };
            let (_, held, meant) = SEGMENTS[n.parse::<usize>().expect("a number")];
            if held.is_some() {
                continue;
            }
            let events = &by_customer[decision.customer.as_str()];
            // Of several at one instant each sees those that were there when it came.
            let together = events.iter().filter(|event| event.time_ms == decision.moment_at.0);
            if together.count() > 1 {
                continue;
            }
            let last = events.iter().position(|event| event.id == decision.occurrence.as_str());
            let known: Vec<&RefEvent> = events[..=last.expect("an event")].iter().collect();
            // What time alone changes at the instant itself comes behind its events.
            let at = decision.moment_at.0;
            if meant(&known, at) != meant(&known, at - 1) {
                continue;
            }
            let counted = matches!(&decision.outcome, moments::treatment::Outcome::Refuse(reason, _) if reason.word() == "counted");
            prop_assert_eq!(counted, meant(&known, decision.moment_at.0), "{} {:?}", n, decision);
        }
    }
}
