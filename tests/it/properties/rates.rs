//! Send rates over whole histories, held to a naive reference that goes through time step by step with a list of who waits.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use moments::decode::Decoder;
use moments::document::report::Source;
use moments::engine::{Effect, Engine, Input};
use moments::event::Vocabulary;
use moments::event::record::Origin;
use moments::time::Timestamp;
use moments::treatment::{Outcome, Reason};
use moments::trigger::plan::Plan;
use moments::trigger::set::{self, Basis};

use super::cases;

const MINUTE: i64 = 60_000;
/// 2026-03-02 at 10:00.
const START: i64 = 1_772_445_600_000;
const MINUTES: i64 = 60;
const GOOD_FOR: i64 = 25;
/// What customers do, and the priority of the trigger that answers it.
const DEEDS: [(&str, i32); 3] = [
    ("Product Reviewed", 60),
    ("Order Completed", 50),
    ("Support Ticket Opened", 50),
];
const CUSTOMERS: [&str; 4] = ["ana", "ben", "cid", "dan"];

/// The minute, the customer, and the deed.
type Deed = (i64, usize, usize);

/// Whose, when it came true, by which event, and when it was sent; or that it expired.
type Row = (String, i64, String, Option<i64>);

fn plan(count: usize, window: i64) -> Arc<Plan> {
    let file = |(number, (name, priority)): (usize, &(&str, i32))| {
        let text = format!(
            "trigger: t{number}\nmoment: {{ event: {name} }}\ntreatments: [{{ channel: store, template: x }}]\n\
             policy: {{ priority: {priority}, good_for: {GOOD_FOR}m }}\n"
        );
        Source::new("t.yaml", text)
    };
    let sources: Vec<Source> = DEEDS.iter().enumerate().map(file).collect();
    let policy = format!("hold_out = '0%'\nsend_rates = {{ store = '{count} in {window}m' }}");
    let basis = Basis {
        vocabulary: Arc::new(Vocabulary::standard()),
        attributes: BTreeMap::new(),
        policy: toml::from_str(&policy).expect("a policy"),
        mappings: Arc::default(),
    };
    Arc::new(set::compile(&sources, &basis).expect("triggers"))
}

fn id(number: usize) -> String {
    format!("m{number:03}")
}

/// What the engine decides, in pieces of so many customers; written and restored every so many events.
fn decided(plan: &Arc<Plan>, deeds: &[Deed], slice: usize, restores: usize) -> Vec<Row> {
    let decoder = Decoder::new(Arc::new(Vocabulary::standard()), Arc::default());
    let fresh = || Engine::new(Arc::clone(plan)).in_slices_of(slice);
    let (mut engine, mut effects, mut kept) = (fresh(), Vec::new(), BTreeMap::new());
    let run_to = |engine: &mut Engine, end: Timestamp, effects: &mut Vec<Effect>| {
        // Who was just restored may be looked at anew.
        let next = |engine: &Engine| Some(engine.next_look()?.max(engine.watermark().plus(1)));
        while let Some(at) = next(engine).filter(|at| *at < end) {
            engine.step(Input::Watermark(at), at, effects);
        }
        engine.step(Input::Watermark(end), end, effects);
    };
    for (number, (minute, customer, deed)) in deeds.iter().enumerate() {
        let at = Timestamp(START + minute * MINUTE);
        let text = format!(
            r#"{{"event":"{}","userId":"{}","messageId":"{}","timestamp":"{at}"}}"#,
            DEEDS[*deed].0,
            CUSTOMERS[*customer],
            id(number)
        );
        let event = decoder.decode(text.as_bytes(), &Origin::default());
        let event = Box::new(event.expect("an event").event);
        run_to(&mut engine, at.plus(-1), &mut effects);
        engine.step(Input::Event(event), at, &mut effects);
        if number % restores == 0 {
            let watermark = engine.watermark();
            kept.extend(engine.seal());
            engine = fresh();
            for (key, value) in &kept {
                engine.restore(key, value.as_deref()).expect("just written");
            }
            engine.restored(watermark);
        }
    }
    run_to(
        &mut engine,
        Timestamp(START + 9 * MINUTES * MINUTE),
        &mut effects,
    );
    let mut rows: Vec<Row> = effects.iter().filter_map(row).collect();
    rows.sort();
    rows
}

fn row(effect: &Effect) -> Option<Row> {
    let Effect::Decided(decision) = effect else {
        return None;
    };
    let minute = |at: Timestamp| (at.0 - START) / MINUTE;
    let sent = match &decision.outcome {
        Outcome::Treat(_) => Some(minute(decision.decided_at)),
        Outcome::Refuse(Reason::Expired, _) => None,
        other => panic!("{other:?}"),
    };
    let (customer, occurrence) = (&decision.customer, &decision.occurrence);
    Some((
        customer.to_string(),
        minute(decision.moment_at),
        occurrence.to_string(),
        sent,
    ))
}

/// The same, minute by minute.
fn expected(deeds: &[Deed], count: usize, window: i64) -> Vec<Row> {
    let (mut waits, mut sent, mut rows) = (Vec::new(), Vec::<i64>::new(), Vec::new());
    for now in 0..9 * MINUTES {
        for (number, (at, customer, deed)) in deeds.iter().enumerate() {
            if *at == now {
                waits.push((-DEEDS[*deed].1, now, CUSTOMERS[*customer], id(number)));
            }
        }
        waits.sort();
        let (good, late): (Vec<_>, Vec<_>) = waits
            .into_iter()
            .partition(|(_, at, ..)| now <= at + GOOD_FOR);
        waits = good;
        rows.extend(
            late.into_iter()
                .map(|(_, at, who, id)| (who.to_owned(), at, id, None)),
        );
        while !waits.is_empty() && sent.iter().filter(|at| **at > now - window).count() < count {
            let (_, at, who, id) = waits.remove(0);
            sent.push(now);
            rows.push((who.to_owned(), at, id, Some(now)));
        }
    }
    rows.sort();
    rows
}

fn histories() -> impl Strategy<Value = Vec<Deed>> {
    let deed = (0..MINUTES, 0..CUSTOMERS.len(), 0..DEEDS.len());
    prop::collection::vec(deed, 0..30).prop_map(|mut deeds| {
        deeds.sort_by_key(|(minute, ..)| *minute);
        deeds
    })
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn a_rate_lets_through_what_the_reference_says(
        deeds in histories(),
        (count, window) in (1..4usize, 1..20i64),
        (slice, restores) in (1..4usize, 1..9usize),
    ) {
        let plan = plan(count, window);
        let expected = expected(&deeds, count, window);
        prop_assert_eq!(&decided(&plan, &deeds, usize::MAX, usize::MAX), &expected);
        prop_assert_eq!(&decided(&plan, &deeds, slice, restores), &expected);
    }
}
