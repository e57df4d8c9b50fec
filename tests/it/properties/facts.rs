//! Facts: what a treatment is filled with is what the reference finds in all that happened up to then, at each event and where time
//! alone has passed, whatever the order of arrival.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use proptest::prelude::*;
use serde_json::Value as Json;

use moments::document::report::Source;
use moments::engine::{Effect, Engine};
use moments::time::{DAY_MS, Timestamp};
use moments::treatment::Outcome;
use moments::trigger::plan::Plan;

use super::cases;
use super::driver::{customers, inputs, plan_of, tell};
use super::history::{Grid, Happening, arrivals, history, in_order};
use crate::reference::RefEvent;
use crate::reference::facts::{Comes, Fact, Measured, comes_to};
use crate::support::facts;

const STEP: i64 = DAY_MS / 4;
const GRID: Grid = Grid {
    step_ms: STEP,
    steps: 60,
    lateness: 12,
};
/// A silence after which nothing but time has passed: three steps.
const SILENCE_MS: i64 = 3 * STEP;

const ORDERS: &[&str] = &["Order Completed"];
const BASKETS: &[&str] = &["Product Added", "Cart Viewed"];
const ALL: &[&str] = &[
    "Order Completed",
    "Product Added",
    "Product Viewed",
    "Cart Viewed",
];

/// What it measures, of which events, as its file says it, and how it is asked: what has a key is of `k1`.
type Row = (Measured, &'static [&'static str], &'static str, bool);

#[rustfmt::skip]
const ROWS: &[Row] = &[
    (Measured::Count, ORDERS, "of: Order Completed, measure: count", false),
    (Measured::Count, ALL, "of: { name: any, where: 'event.name != \"Identify\"' }, measure: count", false),
    (Measured::Sum, ORDERS, "of: Order *, measure: { sum: event.total }", false),
    (Measured::Mean, ORDERS, "of: Order Completed, measure: { mean: event.total }", false),
    (Measured::Min, ORDERS, "of: Order Completed, measure: { min: event.total }", false),
    (Measured::Max, ORDERS, "of: Order Completed, measure: { max: event.total }", false),
    (Measured::DistinctKeys, BASKETS, "of: [Product Added, Cart Viewed], measure: { distinct: event.cart_id }", false),
    (Measured::FirstTime, ORDERS, "of: Order Completed, measure: first", false),
    (Measured::LastTime, BASKETS, "of: [Product Added, Cart Viewed], measure: last", false),
    (Measured::PreviousTime, BASKETS, "of: [Product Added, Cart Viewed], measure: previous", false),
    (Measured::FirstKey, BASKETS, "of: [Product Added, Cart Viewed], measure: { first: event.cart_id }", false),
    (Measured::LastValue, ORDERS, "of: Order Completed, measure: { last: event.total }", false),
    (Measured::Keys(3), BASKETS, "of: [Product Added, Cart Viewed], measure: { list: { of: event.cart_id, last: 3 } }", false),
    (Measured::Keys(2), ORDERS, "of: Order Completed, measure: { list: { of: event.product_id, last: 2 } }", false),
    (Measured::Count, BASKETS, "of: [Product Added, Cart Viewed], measure: count, per: event.cart_id", true),
    (Measured::Count, ORDERS, "of: Order Completed, measure: count, per: event.product_id", true),
    (Measured::Sum, ORDERS, "of: Order Completed, measure: { sum: event.total }, per: event.product_id", true),
];

/// Those that fade, which have no window.
#[rustfmt::skip]
const SCORES: &[Row] = &[
    (Measured::Score(STEP), ORDERS, "of: Order Completed, measure: { score: { weight: event.total, half_life: 6h } }", false),
    (Measured::Score(7 * STEP), ORDERS, "of: Order Completed, measure: { score: { weight: event.total, half_life: 42h } }, per: event.product_id", true),
];

/// Balances, of which several things are asked; one lives for nine steps, one for ever.
#[rustfmt::skip]
const BALANCES: &[(Measured, &str, &str)] = &[
    (Measured::Balance(None), "", "facts.NAME"),
    (Measured::Balance(Some(9 * STEP)), "expires: 54h, ", "facts.NAME"),
    (Measured::Expiring(Some(9 * STEP), 2 * STEP), "expires: 54h, ", "expiring(facts.NAME, duration('12h'))"),
    (Measured::Expiring(Some(9 * STEP), 12 * STEP), "expires: 54h, ", "expiring(facts.NAME, duration('72h'))"),
    (Measured::NextExpiry(Some(9 * STEP)), "expires: 54h, ", "next_expiry(facts.NAME)"),
];

/// A balance of the history: a basket spends 2, a cart that is viewed takes back what its order earned.
const BALANCE: &str = "of: Order Completed, measure: { balance: { earned: event.total, order: event.cart_id, EXPIRES\
     spent: { of: Product Added, amount: '2.0' }, returned: { of: Cart Viewed, order: event.cart_id } } }";

/// Each ever, and in a window of eight steps, and balances; how it is asked.
fn rows() -> Vec<(Fact, String, String)> {
    let ever = ROWS.iter().chain(SCORES).map(|row| (row, None));
    let windows = ROWS.iter().map(|row| (row, Some(8)));
    let named = ever.chain(windows).enumerate();
    let row = |(n, ((measured, of, text, keyed), over)): (usize, (&Row, Option<i64>))| {
        let fact = Fact {
            of: of.to_vec(),
            measured: *measured,
            over_ms: over.map(|steps| steps * STEP),
            key: keyed.then_some("k1"),
        };
        let over = over.map_or(String::new(), |steps| format!(", over: {}h", 6 * steps));
        let asked = match keyed {
            true => format!("facts.f{n}.k1"),
            false => format!("facts.f{n}"),
        };
        (fact, format!("{{ fact: f{n}, {text}{over} }}"), asked)
    };
    let mut rows: Vec<_> = named.map(row).collect();
    for (measured, expires, asked) in BALANCES {
        let name = format!("f{}", rows.len());
        let fact = Fact {
            of: ALL.to_vec(),
            measured: *measured,
            over_ms: None,
            key: None,
        };
        let balance = BALANCE.replace("EXPIRES", expires);
        let asked = asked.replace("NAME", &name);
        rows.push((fact, format!("{{ fact: {name}, {balance} }}"), asked));
    }
    rows
}

struct Facts {
    rows: Vec<Fact>,
    plan: Arc<Plan>,
}

static FACTS: LazyLock<Facts> = LazyLock::new(|| {
    let rows = rows();
    let asked = rows.iter().enumerate();
    let asked = asked.map(|(n, (_, _, asked))| format!("v{n}: \"${{ {asked} }}\""));
    // No more fit into one.
    let asked: Vec<_> = asked.collect();
    let data: Vec<_> = asked.chunks(30).map(|some| some.join(", ")).collect();
    let mut sources = Vec::new();
    for (n, (_, text, _)) in rows.iter().enumerate() {
        sources.push(Source::new(&format!("f{n}"), text.clone()));
    }
    for (n, data) in data.iter().enumerate() {
        for (word, moment) in [
            ("event", "event: { of: any, when: settled }"),
            ("still", "inactivity: { of: any, for: 18h }"),
        ] {
            let text = format!(
                "trigger: {word}-{n}\nmoment: {{ {moment} }}\ntreatments: [{{ channel: onsite, template: t, data: {{ {data} }} }}]\n\
                 policy: {{ good_for: 1000d }}\n"
            );
            sources.push(Source::new(word, text));
        }
    }
    let plan = plan_of(&sources);
    Facts {
        rows: rows.into_iter().map(|(fact, ..)| fact).collect(),
        plan: Arc::new(plan),
    }
});

fn same(found: &Json, comes: &Comes) -> bool {
    match comes {
        Comes::Unknown => found.is_null(),
        Comes::Number(number) => found
            .as_f64()
            .is_some_and(|found| (found - number).abs() <= 1e-9 * number.abs().max(1.0)),
        Comes::Time(ms) => found.as_str() == Some(&Timestamp(*ms).to_string()),
        Comes::Text(text) => found.as_str() == Some(text),
        Comes::Texts(texts) => *found == Json::from(texts.clone()),
    }
}

/// Holds everything that treatments are filled with to the reference; how many values were.
fn check(
    effects: &[Effect],
    by_customer: &BTreeMap<String, Vec<RefEvent>>,
) -> Result<usize, TestCaseError> {
    let mut held = 0;
    for effect in effects {
        let Effect::Decided(decision) = effect else {
            continue;
        };
        let Outcome::Treat(command) = &decision.outcome else {
            return Err(TestCaseError::fail(format!("refused: {decision:?}")));
        };
        let all = &by_customer[decision.customer.as_str()];
        // The customer is known as of the moment, and asked about as of the decision.
        let (at_ms, asked_ms) = (decision.moment_at.0, decision.decided_at.0);
        // What is settled at one instant is decided together.
        let last = all.iter().rposition(|event| event.time_ms <= at_ms);
        let history: Vec<&RefEvent> = all[..=last.expect("an event")].iter().collect();
        for (name, found) in &command.data.0 {
            let fact: usize = name[1..].parse().expect("a number");
            let fact = &FACTS.rows[fact];
            let comes = comes_to(fact, &history, asked_ms);
            prop_assert!(
                same(found, &comes),
                "{} at {}: {fact:?} is {found} and should be {comes:?}",
                decision.trigger,
                decision.moment_at
            );
            held += 1;
        }
    }
    Ok(held)
}

proptest! {
    #![proptest_config(cases(384))]

    #[test]
    fn facts_are_the_references(history in history(GRID, 40, 0..100)) {
        let mut by_customer: BTreeMap<String, Vec<RefEvent>> = BTreeMap::new();
        for place in in_order(&history, GRID) {
            let happening: &Happening = &history[place];
            let customer = by_customer.entry(happening.customer().to_string());
            customer.or_default().push(happening.reference(place, GRID));
        }
        let mut states = Vec::new();
        for places in [in_order(&history, GRID), arrivals(&history, GRID)] {
            let mut engine = Engine::new(Arc::clone(&FACTS.plan));
            let mut effects = Vec::new();
            for input in &inputs(&history, &places, GRID) {
                tell(&mut engine, input, &mut effects);
            }
            let held = check(&effects, &by_customer)?;
            prop_assert!(held >= history.len() * FACTS.rows.len());
            let states_of = customers(&mut engine).into_iter();
            states.push(states_of.map(|(id, it)| (id, facts(&it))).collect::<Vec<_>>());
        }
        prop_assert_eq!(&states[0], &states[1]);
    }
}

#[test]
fn the_silence_is_that_of_the_trigger() {
    assert_eq!(SILENCE_MS, 18 * 3_600_000);
}
