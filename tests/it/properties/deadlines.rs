//! Deadline kinds: the moments of the naive reference, whatever the order of arrival.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use proptest::prelude::*;

use moments::engine::{Effect, Engine};
use moments::time::{DAY_MS, Timestamp};
use moments::trigger::plan::Plan;

use super::cases;
use super::driver::{Found, Told, customers, found, inputs, plan, tell};
use super::history::{BASE, Grid, Happening, arrivals, history, in_order};
use crate::reference::{Definition, From, RefEvent, RefMoment, moments, open};
use crate::support::facts;

const MINUTE: i64 = 60_000;

/// A cart session: minutes, deadlines of a few of them.
const MINUTES: Grid = Grid {
    step_ms: MINUTE,
    steps: 60,
    lateness: 4,
};
/// Months of orders, in quarters of a day.
const QUARTER_DAYS: Grid = Grid {
    step_ms: DAY_MS / 4,
    steps: 200,
    lateness: 6,
};

/// A definition as the reference and as the trigger file has it.
struct Case {
    name: String,
    definition: Definition,
}

pub struct Cases {
    cases: Vec<Case>,
    plan: Arc<Plan>,
}

impl Cases {
    pub fn new(rows: Vec<(String, Definition, String)>) -> Self {
        let texts: Vec<_> = rows
            .iter()
            .map(|(name, _, text)| (name.clone(), text.clone()))
            .collect();
        let case = |(name, definition, _)| Case { name, definition };
        Self {
            cases: rows.into_iter().map(case).collect(),
            plan: plan(&texts),
        }
    }

    /// What the reference finds, and how many deadlines it leaves open, by trigger.
    fn expected(
        &self,
        history: &[Happening],
        grid: Grid,
        until: i64,
    ) -> (Vec<Found>, BTreeMap<String, usize>) {
        let mut by_customer: BTreeMap<String, Vec<RefEvent>> = BTreeMap::new();
        for (i, happening) in history.iter().enumerate() {
            let events = by_customer.entry(happening.customer().to_string());
            events.or_default().push(happening.reference(i, grid));
        }
        let (mut expected, mut left) = (Vec::new(), BTreeMap::new());
        for case in &self.cases {
            let per_key = matches!(case.definition, Definition::Absence { .. });
            let mut open_in_all = 0;
            for (customer, events) in &mut by_customer {
                events.sort_by_key(|event| (event.time_ms, event.order));
                for moment in moments(&case.definition, events, until) {
                    let occurrence = occurrence(&moment, per_key);
                    let name = case.name.clone();
                    expected.push((customer.clone(), name, moment.moment_at, occurrence));
                }
                open_in_all += open(&case.definition, events, until);
            }
            left.insert(case.name.clone(), open_in_all);
        }
        expected.sort();
        (expected, left)
    }

    pub fn check(&self, history: &[Happening], grid: Grid) -> Result<(), TestCaseError> {
        let mut states = Vec::new();
        for places in [in_order(history, grid), arrivals(history, grid)] {
            let mut engine = Engine::new(Arc::clone(&self.plan));
            let mut effects = Vec::new();
            let told = inputs(history, &places, grid);
            for input in &told {
                tell(&mut engine, input, &mut effects);
            }
            let until = told.last().expect("at least the end").1;
            let late = effects.iter().any(|e| matches!(e, Effect::Late { .. }));
            prop_assert!(!late, "nothing arrives later than the lateness");
            let (expected, left) = self.expected(history, grid, until.0);
            prop_assert_eq!(found(&effects), expected);
            let named = self.plan.triggers.iter().map(|t| t.name.to_string());
            let armed: BTreeMap<_, _> = named.zip(engine.armed()).collect();
            prop_assert_eq!(armed, left);
            let states_of = customers(&mut engine).into_iter().map(|(id, customer)| {
                let passed = customer.profile.tail.is_empty();
                prop_assert!(passed, "time has passed all of it");
                Ok((id, facts(&customer), customer.states))
            });
            states.push(states_of.collect::<Result<Vec<_>, _>>()?);
        }
        prop_assert_eq!(&states[0], &states[1]);
        Ok(())
    }

    /// Of what speaks at once: the union, over arrivals, of what the reference finds in what has arrived.
    pub fn check_at_once(&self, history: &[Happening], grid: Grid) -> Result<(), TestCaseError> {
        let told = inputs(history, &arrivals(history, grid), grid);
        let mut engine = Engine::new(Arc::clone(&self.plan));
        let mut effects = Vec::new();
        let mut arrived: BTreeMap<String, Vec<RefEvent>> = BTreeMap::new();
        let mut expected = BTreeSet::new();
        for input in &told {
            tell(&mut engine, input, &mut effects);
            let Told::Event(event) = &input.0 else {
                continue;
            };
            let place = usize::try_from(event.position.offset).expect("a place in the history");
            let customer = event.customer.to_string();
            let hers = arrived.entry(customer.clone()).or_default();
            if hers.iter().any(|known| known.id == event.id.as_str()) {
                continue;
            }
            hers.push(history[place].reference(place, grid));
            hers.sort_by_key(|event| (event.time_ms, event.order));
            for case in &self.cases {
                for moment in moments(&case.definition, hers, i64::MAX) {
                    let (customer, name) = (customer.clone(), case.name.clone());
                    expected.insert((customer, name, moment.moment_at, moment.event));
                }
            }
        }
        prop_assert_eq!(found(&effects), expected.into_iter().collect::<Vec<_>>());
        Ok(())
    }
}

/// The occurrence of a moment, as the engine writes it.
fn occurrence(moment: &RefMoment, absence: bool) -> String {
    let at = Timestamp(moment.event_ms);
    match &moment.key {
        Some(key) => format!("{key}@{at}"),
        None if absence => at.to_string(),
        None => moment.event.clone(),
    }
}

static SESSIONS: LazyLock<Cases> = LazyLock::new(|| {
    let sets: [(&[&'static str], &[&'static str]); 4] = [
        (&["Order Completed"], &["Product Added"]),
        (
            &["Order Completed", "Product Added"],
            &["Product Added", "Cart Viewed"],
        ),
        (&["Cart Viewed"], &["Cart Viewed"]),
        (&["Product Added", "Order Completed"], &["Product Viewed"]),
    ];
    let mut rows = Vec::new();
    for (n, (of, after)) in sets.into_iter().enumerate() {
        for from in [From::Last, From::First] {
            for (k, per) in ["customer", "event.cart_id", "event.product_id"]
                .into_iter()
                .enumerate()
            {
                // A product that is viewed has no cart, and a cart that is viewed no product.
                let known = match k {
                    1 => n != 3,
                    2 => n == 0 || n == 3,
                    _ => true,
                };
                if !known {
                    continue;
                }
                let word = format!("{from:?}").to_lowercase();
                let text = format!(
                    "absence: {{ of: {of:?}, after: {after:?}, within: 8m, from: {word}, per: {per} }}"
                );
                let definition = Definition::Absence {
                    of: of.to_vec(),
                    after: after.to_vec(),
                    within_ms: 8 * MINUTE,
                    value_ms: 0,
                    from,
                    per_key: k > 0,
                };
                rows.push((format!("absence-{n}-{word}-{k}"), definition, text));
            }
        }
    }
    for (n, (plus, within_ms)) in [("0m", MINUTE), ("+2m", 3 * MINUTE), ("-2m", -MINUTE)]
        .into_iter()
        .enumerate()
    {
        for from in [From::Last, From::First] {
            let word = format!("{from:?}").to_lowercase();
            let definition = Definition::Absence {
                of: vec!["Product Added"],
                after: vec!["Order Completed"],
                within_ms,
                value_ms: 2 * MINUTE,
                from,
                per_key: false,
            };
            let text = format!(
                "absence: {{ of: Product Added, after: Order Completed, until: 'event.time + duration(\"1m\") + duration(\"2m\") * event.total', plus: {plus}, from: {word} }}"
            );
            rows.push((format!("until-{n}-{word}"), definition, text));
        }
    }
    let definition = Definition::Inactivity {
        of: vec!["Product Viewed", "Product Added"],
        for_ms: 10 * MINUTE,
    };
    let text = "inactivity: { of: [Product Viewed, Product Added], for: 10m }";
    rows.push(("inactivity".to_owned(), definition, text.to_owned()));
    Cases::new(rows)
});

static ORDERS: LazyLock<Cases> = LazyLock::new(|| {
    let orders = || vec!["Order Completed"];
    let mut rows = Vec::new();
    for (n, (history_min, deviations)) in [(2, 0.0), (2, 1.0), (3, 2.0), (4, 1.5)]
        .into_iter()
        .enumerate()
    {
        let common = format!("of: Order Completed, history_min: {history_min}");
        let by_day = Definition::GapByDay {
            of: orders(),
            history_min,
            deviations,
        };
        let text = format!("baseline: {{ {common}, measure: gap, deviations: {deviations} }}");
        rows.push((format!("gap-day-{n}"), by_day, text));
        let exact = Definition::GapExact {
            of: orders(),
            history_min,
            deviations,
        };
        let text =
            format!("baseline: {{ {common}, measure: gap, by: exact, deviations: {deviations} }}");
        rows.push((format!("gap-exact-{n}"), exact, text));
        let value = "measure: value, value: event.total";
        for (sign, k) in [("above", deviations), ("below", -deviations)] {
            if k == 0.0 {
                continue;
            }
            let definition = Definition::ValueDeviations {
                of: orders(),
                history_min,
                deviations: k,
            };
            let text = format!("baseline: {{ {common}, {value}, deviations: {k} }}");
            rows.push((format!("value-{sign}-{n}"), definition, text));
        }
        for (last, below) in [(1, 0.5), (2, 0.7), (2, 1.1)] {
            let definition = Definition::ValueRatio {
                of: orders(),
                history_min,
                last,
                below,
            };
            let text = format!(
                "baseline: {{ {common}, {value}, ratio: {{ last: {last}, below: {below} }} }}"
            );
            let tenths = (below * 10.0) as u32;
            rows.push((format!("ratio-{n}-{last}-{tenths}"), definition, text));
        }
    }
    Cases::new(rows)
});

proptest! {
    #![proptest_config(cases(1536))]

    #[test]
    fn absence_and_inactivity_are_the_references(history in history(MINUTES, 50, 0..100)) {
        SESSIONS.check(&history, MINUTES)?;
    }

    #[test]
    fn baselines_are_the_references(history in history(QUARTER_DAYS, 60, 0..100)) {
        ORDERS.check(&history, QUARTER_DAYS)?;
    }
}

#[test]
fn the_grid_has_midnights() {
    assert_eq!(BASE % DAY_MS, 0);
}
