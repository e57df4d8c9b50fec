//! Whoever was erased, or has expired, is a new customer: what follows is as if nothing had been before.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use proptest::prelude::*;

use moments::engine::{Effect, Engine};
use moments::event::{Event, EventName, Text};
use moments::time::{DAY_MS, Timestamp};
use moments::trigger::plan::{Plan, Policy};

use super::cases;
use super::driver::{Found, Told, customers, found, inputs, plan, plan_with, tell};
use super::history::{Grid, Happening, arrivals, history};
use super::restore::rows;
use crate::support::facts;

const GRID: Grid = Grid {
    step_ms: DAY_MS / 4,
    steps: 60,
    lateness: 8,
};
const IDLE_MS: i64 = 3 * DAY_MS;

/// Those that wait for the watermark: what follows from an event is decided by what is known when it comes.
static DEADLINES: LazyLock<Arc<Plan>> = LazyLock::new(|| plan(&rows_that(waits)));

/// The same with customers who expire.
static EXPIRING: LazyLock<Arc<Plan>> = LazyLock::new(|| plan_with(&rows_that(waits), expiring()));

fn waits(moment: &str) -> bool {
    let speaks = ["event", "sequence"]
        .iter()
        .any(|kind| moment.starts_with(kind));
    !moment.contains("when: seen")
        && (!speaks || moment.contains("when: settled") || moment.contains("without"))
}

fn rows_that(are_meant: fn(&str) -> bool) -> Vec<(String, String)> {
    let rows = rows().into_iter();
    rows.filter(|(_, moment)| are_meant(moment)).collect()
}

fn expiring() -> Policy {
    Policy {
        expire_after_ms: Some(IDLE_MS),
        ..Policy::for_everybody()
    }
}

type Inputs = [(Told, Timestamp)];

fn run(plan: &Arc<Plan>, told: &Inputs) -> (Engine, Vec<Effect>) {
    let mut engine = Engine::new(Arc::clone(plan));
    let mut effects = Vec::new();
    for input in told {
        tell(&mut engine, input, &mut effects);
    }
    (engine, effects)
}

fn told(history: &[Happening]) -> Vec<(Told, Timestamp)> {
    // A repetition of what was before is not recognised by a new customer.
    let mut once = history.to_vec();
    once.iter_mut().for_each(|happening| happening.again = None);
    inputs(&once, &arrivals(&once, GRID), GRID)
}

fn events(told: &Inputs) -> impl Iterator<Item = &Event> {
    told.iter().filter_map(|(told, _)| match told {
        Told::Event(event) => Some(&**event),
        Told::Everybody(_) | Told::Watermark(_) => None,
    })
}

/// Facts and deadlines by customer. What was sent is not compared: it is forgotten with the rest.
fn states(engine: &mut Engine) -> BTreeMap<String, String> {
    let profiles = customers(engine).into_iter();
    let shown = profiles.map(|(id, it)| {
        let mut known = facts(&it);
        // Each life has an id of its own.
        known.id = Text::default();
        (id, format!("{known:?} {:?}", it.states))
    });
    shown.collect()
}

/// The same inputs, each life of a customer being a customer of its own: `c0`, `c0+`, `c0++`; and when each ends.
fn lives(told: &Inputs) -> (Vec<(Told, Timestamp)>, BTreeMap<String, i64>) {
    let mut times: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
    for event in events(told) {
        times.entry(&event.customer).or_default().push(event.time.0);
    }
    times.values_mut().for_each(|times| times.sort_unstable());
    let mut ends = BTreeMap::new();
    let mut renamed = told.to_vec();
    for (told, _) in &mut renamed {
        let Told::Event(event) = told else { continue };
        let times = &times[event.customer.as_str()];
        let breaks: Vec<i64> = times
            .windows(2)
            .filter(|pair| pair[1] > pair[0] + IDLE_MS)
            .map(|pair| pair[0])
            .collect();
        let life = breaks.iter().filter(|last| **last < event.time.0).count();
        let last = breaks
            .get(life)
            .or(times.last())
            .copied()
            .unwrap_or_default();
        event.customer = Text::from(format!("{}{}", event.customer, "+".repeat(life)));
        ends.insert(event.customer.to_string(), last + IDLE_MS);
    }
    (renamed, ends)
}

fn reborn((customer, trigger, at, occurrence): Found) -> Found {
    let customer = customer.trim_end_matches('+').to_owned();
    (customer, trigger, at, occurrence)
}

proptest! {
    #![proptest_config(cases(768))]

    #[test]
    fn who_has_expired_is_a_new_customer(history in history(GRID, 40, 0..100)) {
        let told = told(&history);
        let (mut engine, effects) = run(&EXPIRING, &told);
        let (separate, ends) = lives(&told);
        let (mut naive, expected) = run(&DEADLINES, &separate);
        let in_life = |moment: &Found| moment.2 <= ends[&moment.0];
        let mut expected: Vec<Found> = found(&expected).into_iter().filter(in_life).map(reborn).collect();
        expected.sort();
        prop_assert_eq!(found(&effects), expected);
        let now = engine.watermark().0;
        let alive: BTreeMap<String, String> = states(&mut naive)
            .into_iter()
            .filter(|(customer, _)| ends[customer] > now)
            .map(|(customer, state)| (customer.trim_end_matches('+').to_owned(), state))
            .collect();
        prop_assert_eq!(states(&mut engine), alive);
    }

    #[test]
    fn who_was_erased_is_a_new_customer(
        history in history(GRID, 40, 0..100),
        (erased, step) in (any::<prop::sample::Index>(), 0..3i64),
    ) {
        let mut with = told(&history);
        // One event becomes an erasure, now and then at another time than it was.
        let places: Vec<usize> = (0..with.len()).filter(|i| matches!(with[*i].0, Told::Event(_))).collect();
        let place = places[erased.index(places.len())];
        let Told::Event(event) = &mut with[place].0 else { unreachable!("a place of an event") };
        event.name = EventName::CUSTOMER_ERASED;
        event.time = event.time.plus(-step * GRID.step_ms);
        let (customer, until) = (event.customer.clone(), event.time);
        let late = {
            let mut engine = Engine::new(Arc::clone(&DEADLINES));
            with[..place].iter().for_each(|input| tell(&mut engine, input, &mut Vec::new()));
            engine.watermark() >= until
        };
        prop_assume!(!late);
        let (mut engine, effects) = run(&DEADLINES, &with);
        let without: Vec<_> = with
            .iter()
            .filter(|(told, _)| !matches!(told, Told::Event(event) if event.customer == customer && event.time <= until))
            .cloned()
            .collect();
        let (mut naive, expected) = run(&DEADLINES, &without);
        let after = |moment: &Found| moment.0 != customer || moment.2 > until.0;
        let after = |effects: &[Effect]| found(effects).into_iter().filter(after).collect::<Vec<_>>();
        prop_assert_eq!(after(&effects), after(&expected));
        prop_assert_eq!(states(&mut engine), states(&mut naive));
        // And what is sealed is free of her, where she did nothing since.
        if !events(&without).any(|event| event.customer == customer) {
            prop_assert!(engine.customer(&customer).is_none());
        }
    }
}

#[test]
fn many_who_expire_together_are_removed_in_slices() {
    let plan = plan_with(&rows_that(|moment| moment.starts_with("event")), expiring());
    let (customers, slice) = (2_500, 1_000);
    let mut engine = Engine::new(plan);
    let mut effects = Vec::new();
    let start = Timestamp(super::history::BASE);
    for customer in 0..customers {
        let mut event = Event {
            customer: Text::from(format!("c{customer}")),
            time: start,
            ..events(&told(&[Happening::sample()]))
                .next()
                .expect("an event")
                .clone()
        };
        event.has_message_id = false;
        tell(
            &mut engine,
            &(Told::Event(Box::new(event)), start),
            &mut effects,
        );
    }
    engine.seal();
    engine.committed();
    let mut left = vec![engine.size().0];
    for step in 0..4 {
        let watermark = start.plus(IDLE_MS + step);
        assert!(engine.next_look().is_none_or(|next| next <= watermark));
        tell(
            &mut engine,
            &(Told::Watermark(watermark), watermark),
            &mut effects,
        );
        let tombstones = engine.seal();
        assert!(tombstones.len() <= slice);
        assert!(tombstones.iter().all(|(_, value)| value.is_none()));
        engine.committed();
        left.push(engine.size().0);
    }
    assert_eq!(left, [2_500, 1_500, 500, 0, 0]);
    assert_eq!(engine.next_look(), None);
}
