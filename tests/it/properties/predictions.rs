//! Predictions: what asking a score at every evaluation of a sorted history says, by events and by time alone, whatever the order of
//! arrival.

use std::sync::{Arc, LazyLock};

use proptest::prelude::*;

use moments::document::report::Source;
use moments::time::{DAY_MS, Timestamp};
use moments::trigger::plan::Plan;

use super::cases;
use super::driver::{Found, held_to, plan_of};
use super::history::{Grid, history};
use crate::reference::RefEvent;

const STEP: i64 = DAY_MS / 4;
const GRID: Grid = Grid {
    step_ms: STEP,
    steps: 40,
    lateness: 8,
};

/// A score in quarters, which doubles hold exactly: so many for each order of a day, less one for each six hours since the last. Whoever
/// has not ordered has none.
const FILES: [&str; 2] = [
    "{ fact: lately, of: Order Completed, measure: count, over: 24h }",
    "{ model: keen, logistic: { intercept: 0.25, inputs: { lately: { of: facts.lately, weight: 0.75 }, idle: { of: (now - profile.last_order) / duration('6h'), weight: -0.25 } } } }",
];

/// When it is asked: the events, and how many steps after the last time. Then the bound on the score: 0.5 is where its log-odds are 0.
const ROWS: &[(Option<&str>, Option<i64>, &str)] = &[
    (Some("Product Viewed"), None, "at_least"),
    (Some("Order Completed"), Some(3), "below"),
    (None, Some(2), "above"),
    (Some("Order Completed"), Some(1), "at_most"),
    (None, Some(5), "below"),
];

static PLAN: LazyLock<Arc<Plan>> = LazyLock::new(|| {
    let files = FILES.iter();
    let mut sources: Vec<Source> = files
        .map(|text| Source::new("file", (*text).to_owned()))
        .collect();
    for (n, (on, every, side)) in ROWS.iter().enumerate() {
        let on = on.map(|name| format!("on: {name}"));
        let every = every.map(|steps| format!("every: {}h", 6 * steps));
        let evaluate: Vec<String> = on.into_iter().chain(every).collect();
        let text = format!(
            "trigger: p{n}\nmoment: {{ prediction: {{ model: keen, crosses: {{ {side}: 0.5 }}, evaluate: {{ {} }}, when: settled }} }}\n\
             treatments: none\npolicy: {{ good_for: 1000d }}\n",
            evaluate.join(", ")
        );
        sources.push(Source::new("trigger", text));
    }
    let plan = plan_of(&sources);
    Arc::new(plan)
});

/// Quarters of log-odds, by what had happened.
fn score(events: &[RefEvent], now: i64) -> Option<i64> {
    let orders = events.iter().filter(|it| it.name == "Order Completed");
    let last = orders.clone().map(|it| it.time_ms).max()?;
    let lately = orders.filter(|it| now - it.time_ms < DAY_MS).count();
    Some(1 + 3 * lately as i64 - (now - last) / STEP)
}

/// What comes true of a customer's sorted history up to an instant.
fn expected(customer: &str, events: &[RefEvent], until: i64) -> Vec<Found> {
    let mut expected = Vec::new();
    for (n, (on, every, side)) in ROWS.iter().enumerate() {
        let (mut asked, mut inside) = (events[0].time_ms, false);
        let mut ask = |known: &[RefEvent], at: i64, occurrence: String| {
            let is_inside = score(known, at).is_some_and(|score| match *side {
                "at_least" => score >= 0,
                "above" => score > 0,
                "at_most" => score <= 0,
                _ => score < 0,
            });
            if is_inside && !inside {
                expected.push((customer.to_owned(), format!("p{n}"), at, occurrence));
            }
            inside = is_inside;
        };
        for (i, event) in events.iter().enumerate() {
            // By time alone, up to the event; one at the same instant comes first.
            while let Some(every) = every.filter(|every| asked + every * STEP < event.time_ms) {
                asked += every * STEP;
                ask(&events[..i], asked, Timestamp(asked).to_string());
            }
            if *on == Some(event.name.as_str()) {
                asked = event.time_ms;
                ask(&events[..=i], asked, event.id.clone());
            }
        }
        while let Some(every) = every.filter(|every| asked + every * STEP <= until) {
            asked += every * STEP;
            ask(events, asked, Timestamp(asked).to_string());
        }
    }
    expected
}

proptest! {
    #![proptest_config(cases(512))]

    #[test]
    fn predictions_are_what_asking_at_each_evaluation_says(history in history(GRID, 40, 0..100)) {
        held_to(&PLAN, (&history, GRID), expected, |_| true)?;
    }
}
