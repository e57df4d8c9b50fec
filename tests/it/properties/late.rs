//! Late events: they may come too late to be told of, but what was in time is never forgotten.

use std::sync::{Arc, LazyLock};

use proptest::prelude::*;

use moments::engine::{Effect, Engine};
use moments::event::{Event, EventName, PropertyId, Text};
use moments::time::Timestamp;
use moments::trigger::plan::Plan;

use super::cases;
use super::driver::{Found, Told, found, inputs, orders, plan, tell};
use super::history::{Grid, arrivals, history};

const MINUTE: i64 = 60_000;
const WITHIN: i64 = 8 * MINUTE;
const GRID: Grid = Grid {
    step_ms: MINUTE,
    steps: 60,
    lateness: 4,
};

/// Name, whether `per: event.cart_id`.
const TRIGGERS: [(&str, bool); 4] = [
    ("last", false),
    ("first", false),
    ("last-per", true),
    ("first-per", true),
];

static PLAN: LazyLock<Arc<Plan>> = LazyLock::new(|| {
    let row = |(name, per): &(&str, bool)| {
        let from = name.trim_end_matches("-per");
        let per = if *per { "event.cart_id" } else { "customer" };
        let text = format!(
            "absence: {{ of: Order Completed, after: Product Added, within: 8m, from: {from}, per: {per} }}"
        );
        ((*name).to_owned(), text)
    };
    plan(&TRIGGERS.iter().map(row).collect::<Vec<_>>())
});

fn cart(event: &Event) -> Option<&Text> {
    event.text(PropertyId::CART_ID)
}

/// Whether an event lies between the anchor of a moment and that, and is about the same thing.
fn is_within((customer, trigger, at, occurrence): &Found, event: &Event) -> bool {
    let key = occurrence.split_once('@').map(|(key, _)| Text::from(key));
    event.customer == *customer
        && (at - WITHIN..=*at).contains(&event.time.0)
        && (!trigger.ends_with("-per") || cart(event) == key.as_ref())
}

proptest! {
    #![proptest_config(cases(4096))]

    #[test]
    fn no_absence_fires_over_an_order_that_was_in_time(history in history(GRID, 50, 0..1000)) {
        let told = inputs(&history, &arrivals(&history, GRID), GRID);
        let mut engine = Engine::new(Arc::clone(&PLAN));
        let (mut effects, mut in_time, mut late) = (Vec::new(), Vec::<Event>::new(), Vec::new());
        for input in &told {
            let before = effects.len();
            tell(&mut engine, input, &mut effects);
            let came = |effect: fn(&Effect) -> bool| effects[before..].iter().any(effect);
            let Told::Event(event) = &input.0 else { continue };
            if came(|it| matches!(it, Effect::Late { .. })) {
                late.push((before, (**event).clone()));
            } else if !came(|it| *it == Effect::Duplicate) {
                in_time.push((**event).clone());
            }
        }
        let (treated, withdrawn) = orders(&effects);
        for moment in &withdrawn {
            let mut within = late.iter().filter(|(_, event)| is_within(moment, event));
            prop_assert!(within.any(|(_, event)| event.name == EventName::ORDER_COMPLETED
                || event.name == EventName::PRODUCT_ADDED && moment.1.starts_with("last")),
                "{:?} holds", moment);
        }
        for (before, order) in late.iter().filter(|(_, event)| event.name == EventName::ORDER_COMPLETED) {
            let (treated, _) = orders(&effects[..*before]);
            for moment in treated.iter().filter(|moment| is_within(moment, order)) {
                prop_assert!(withdrawn.contains(moment), "{:?} does not hold", moment);
            }
        }
        let mut once = withdrawn.clone();
        once.dedup();
        prop_assert_eq!(&once, &withdrawn);
        prop_assert!(withdrawn.iter().all(|it| treated.contains(it)));
        let all = told.iter().filter_map(|(told, _)| match told {
            Told::Event(event) => Some(&**event),
            Told::Everybody(_) | Told::Watermark(_) => None,
        });
        let all: Vec<&Event> = all.collect();
        for (customer, trigger, moment_at, occurrence) in found(&effects) {
            let per = trigger.ends_with("-per");
            let key = occurrence.split_once('@').map(|(key, _)| Text::from(key));
            prop_assert_eq!(per, key.is_some());
            let at = Timestamp(moment_at - WITHIN);
            let mut anchors = all.iter().filter(|e| {
                e.name == EventName::PRODUCT_ADDED && e.customer == customer && e.time == at
                    && (!per || cart(e) == key.as_ref())
            });
            // Of several at one instant, it is enough that one was not followed.
            prop_assert!(anchors.any(|anchor| !in_time.iter().any(|order| {
                order.name == EventName::ORDER_COMPLETED && order.customer == customer
                    && (!per || cart(order) == key.as_ref())
                    && order.order() > anchor.order() && order.time.0 <= moment_at
            })), "{customer} {trigger} {occurrence}");
        }
    }
}
