//! Immediate kinds: what matches is what matched at any time in the sorted history so far.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use proptest::prelude::*;

use moments::engine::Engine;
use moments::event::{Event, EventName};
use moments::time::DAY_MS;
use moments::trigger::plan::Plan;

use super::cases;
use super::driver::{Found, Told, found, inputs, orders, plan, tell};
use super::history::{Grid, arrivals, history};

const GRID: Grid = Grid {
    step_ms: DAY_MS / 4,
    steps: 60,
    lateness: 20,
};

static PLAN: LazyLock<Arc<Plan>> = LazyLock::new(|| {
    let order =
        |condition: &str| format!("event: {{ name: Order Completed, where: '{condition}' }}");
    plan(&[
        ("first".to_owned(), order("previous.orders.count == 0")),
        (
            "win-back".to_owned(),
            order("days_between(previous.last_order, event.time) > 3"),
        ),
        (
            "each".to_owned(),
            "event: [Product Added, Cart Viewed]".to_owned(),
        ),
    ])
});

/// The same, decided when their events are settled.
static SETTLED: LazyLock<Arc<Plan>> = LazyLock::new(|| {
    let settled = |(name, of): (&str, &str)| {
        let moment = format!("event: {{ of: {of}, when: settled }}");
        (name.to_owned(), moment)
    };
    let rows = [
        (
            "first",
            "{ name: Order Completed, where: previous.orders.count == 0 }",
        ),
        (
            "win-back",
            "{ name: Order Completed, where: 'days_between(previous.last_order, event.time) > 3' }",
        ),
        ("each", "[Product Added, Cart Viewed]"),
    ];
    plan(&rows.map(settled))
});

/// Whether each trigger holds for the last of these events, sorted, by scanning all before it.
fn holding(events: &[Event]) -> Vec<&'static str> {
    let Some((event, before)) = events.split_last() else {
        return Vec::new();
    };
    if matches!(
        event.name,
        EventName::PRODUCT_ADDED | EventName::CART_VIEWED
    ) {
        return vec!["each"];
    }
    if event.name != EventName::ORDER_COMPLETED {
        return Vec::new();
    }
    let orders = before
        .iter()
        .filter(|e| e.name == EventName::ORDER_COMPLETED);
    match orders.map(|order| order.time.0.div_euclid(DAY_MS)).max() {
        None => vec!["first"],
        Some(last) if event.time.0.div_euclid(DAY_MS) - last > 3 => vec!["win-back"],
        Some(_) => Vec::new(),
    }
}

/// What holds in the sorted scan of all that has arrived, once.
fn once(told: &[(Told, moments::time::Timestamp)]) -> Vec<Found> {
    let mut all: Vec<Event> = Vec::new();
    for (told, _) in told {
        if let Told::Event(event) = told
            && !all.iter().any(|known| known.id == event.id)
        {
            all.push((**event).clone());
        }
    }
    all.sort_by_key(Event::order);
    let mut found = Vec::new();
    for (n, at) in all.iter().enumerate() {
        let hers = all[..=n].iter().filter(|e| e.customer == at.customer);
        let hers: Vec<Event> = hers.cloned().collect();
        for trigger in holding(&hers) {
            let id = at.id.to_string();
            found.push((at.customer.to_string(), trigger.to_owned(), at.time.0, id));
        }
    }
    found.sort();
    found
}

/// The union, over arrivals, of what holds in the sorted scan of what has arrived.
fn expected(told: &[(Told, moments::time::Timestamp)]) -> Vec<Found> {
    let mut expected = BTreeSet::new();
    let mut arrived: Vec<Event> = Vec::new();
    for (told, _) in told {
        let Told::Event(event) = told else { continue };
        if arrived.iter().any(|known| known.id == event.id) {
            continue;
        }
        arrived.push((**event).clone());
        let mut hers: Vec<Event> = arrived.clone();
        hers.retain(|e| e.customer == event.customer);
        hers.sort_by_key(Event::order);
        for n in 1..=hers.len() {
            for trigger in holding(&hers[..n]) {
                let at = &hers[n - 1];
                expected.insert((
                    at.customer.to_string(),
                    trigger.to_owned(),
                    at.time.0,
                    at.id.to_string(),
                ));
            }
        }
    }
    expected.into_iter().collect()
}

proptest! {
    #![proptest_config(cases(1024))]

    #[test]
    fn an_event_counts_once_it_has_matched(history in history(GRID, 40, 0..100)) {
        let told = inputs(&history, &arrivals(&history, GRID), GRID);
        let mut engine = Engine::new(Arc::clone(&PLAN));
        let mut effects = Vec::new();
        for input in &told {
            tell(&mut engine, input, &mut effects);
        }
        prop_assert_eq!(found(&effects), expected(&told));
        // What the sorted history does not say is taken back, once.
        let (treated, withdrawn) = orders(&effects);
        let says = once(&told);
        let wrong: Vec<Found> = treated.into_iter().filter(|it| !says.contains(it)).collect();
        prop_assert_eq!(withdrawn, wrong);
    }

    #[test]
    fn when_settled_it_is_what_history_says(history in history(GRID, 40, 0..100)) {
        let told = inputs(&history, &arrivals(&history, GRID), GRID);
        let mut engine = Engine::new(Arc::clone(&SETTLED));
        let mut effects = Vec::new();
        for input in &told {
            tell(&mut engine, input, &mut effects);
        }
        prop_assert_eq!(found(&effects), once(&told));
    }
}
