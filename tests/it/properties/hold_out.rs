//! Who is held out, of 20,000 made-up customers: one in twenty, the same for ever, and like all others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use moments::decode::Decoder;
use moments::document::report::Source;
use moments::engine::{Effect, Engine, Input};
use moments::event::record::Origin;
use moments::event::{Position, Vocabulary};
use moments::population::{EVERYDAY, Population, PopulationSettings};
use moments::profile::FIELDS;
use moments::profile::section::AsOf;
use moments::time::{DAY_MS, Timestamp, Zone};
use moments::treatment::{Outcome, Reason};
use moments::trigger::plan::Policy;
use moments::trigger::set::{self, Basis};
use moments::value::Value;

const CUSTOMERS: u32 = 20_000;
const BEGINS: Timestamp = Timestamp(1_767_571_200_000);
/// Long enough for everybody to be seen, short enough for a test.
const DAYS: i64 = 8;

fn engine(revision: &str) -> Engine {
    let trigger = |name: &str, event: &str| {
        let text = format!(
            "trigger: {name}\nabout: {revision}\nmoment: {{ event: {event} }}\n\
             treatments: [{{ channel: onsite, template: x }}]\npolicy: {{ good_for: 1000d }}\n"
        );
        Source::new(name, text)
    };
    let sources = [trigger("one", "any"), trigger("another", "Identify")];
    let basis = Basis {
        vocabulary: Arc::new(Vocabulary::standard()),
        // What a company has that configured nothing.
        policy: Policy::default(),
        ..Basis::default()
    };
    Engine::new(Arc::new(set::compile(&sources, &basis).expect("triggers")))
}

/// By trigger: who was held out, and who was treated.
type Arms = BTreeMap<String, [BTreeSet<String>; 2]>;

fn arms(effects: &[Effect]) -> Arms {
    let mut arms = Arms::new();
    for effect in effects {
        let Effect::Decided(decision) = effect else {
            continue;
        };
        let arm = match &decision.outcome {
            Outcome::Treat(_) => 1,
            Outcome::Refuse(Reason::HeldOut, Some(_)) => 0,
            Outcome::Refuse(reason, _) => panic!("{reason:?}"),
            Outcome::Withdraw(_) => continue,
        };
        let arms = arms.entry(decision.trigger.to_string()).or_default();
        arms[arm].insert(decision.customer.to_string());
    }
    arms
}

/// Feeds both, of which the second is restored in the middle.
fn lives() -> (Engine, [Vec<Effect>; 2]) {
    let people = Population::new(&PopulationSettings {
        seed: 13,
        customers: CUSTOMERS,
        shop: EVERYDAY,
        from: BEGINS,
        browsing_from: BEGINS.plus(DAYS * DAY_MS),
        until: BEGINS.plus(DAYS * DAY_MS),
        threads: 1,
    });
    let decoder = Decoder::new(Arc::new(Vocabulary::standard()), Arc::default());
    let mut engines = [engine("of now"), engine("of then")];
    let mut effects = [Vec::new(), Vec::new()];
    let mut offset = 0;
    for window in people {
        for record in window.records().filter(|record| record.topic.is_some()) {
            offset += 1;
            let origin = Origin {
                position: Position { topic: 0, offset },
                ..Origin::default()
            };
            let decoded = decoder.decode(record.value, &origin).expect("an event");
            for (engine, effects) in engines.iter_mut().zip(&mut effects) {
                let event = Input::Event(Box::new(decoded.event.clone()));
                engine.step(event, record.at, effects);
            }
        }
        if offset > 20_000 && engines[1].watermark() == Timestamp::MIN {
            let mut restored = engine("of then");
            for (key, value) in engines[1].seal() {
                restored
                    .restore(&key, value.as_deref())
                    .expect("just packed");
            }
            restored.restored(BEGINS);
            engines[1] = restored;
        }
    }
    let [mut first, _] = engines;
    let until = BEGINS.plus(DAYS * DAY_MS);
    first.step(Input::Watermark(until), until, &mut effects[0]);
    (first, effects)
}

#[test]
fn the_groups_are_alike_and_stay_as_they_are() {
    let (engine, [now, then]) = lives();
    let arms_now = arms(&now);
    assert_eq!(
        arms_now,
        arms(&then),
        "whatever the revision, and after a restart"
    );
    let profiles: BTreeMap<String, _> = engine
        .customers()
        .map(|customer| (customer.profile.settled.id.to_string(), customer.profile))
        .collect();
    assert!(profiles.len() > 15_000, "{}", profiles.len());
    let [one, another] = ["one", "another"].map(|name| &arms_now[name]);
    let mut compared = 0;
    for [out, treated] in [one, another] {
        assert!(out.is_disjoint(treated), "nobody is both");
        let all = (out.len() + treated.len()) as f64;
        // One in twenty, give or take 4.5 deviations.
        let (expected, deviation) = (all * 0.05, (all * 0.05 * 0.95).sqrt());
        assert!(
            (out.len() as f64 - expected).abs() < 4.5 * deviation,
            "{} of {all}",
            out.len()
        );
        let until = BEGINS.plus(DAYS * DAY_MS);
        let as_of = AsOf {
            now: until,
            home: &Zone::Utc,
        };
        for field in FIELDS.iter() {
            let number = |id: &String| match (field.read)(&profiles.get(id)?.settled, as_of) {
                Value::Number(number) => Some(number),
                Value::Bool(is) => Some(f64::from(u8::from(is))),
                Value::Time(at) => Some((until.0 - at.0) as f64 / DAY_MS as f64),
                Value::Null
                | Value::Text(_)
                | Value::Duration(_)
                | Value::List(_)
                | Value::Items(..) => None,
            };
            let of =
                |arm: &BTreeSet<String>| -> Vec<f64> { arm.iter().filter_map(number).collect() };
            let Some(z) = difference(&of(out), &of(treated)) else {
                continue;
            };
            compared += 1;
            // By chance alone, one of 100,000 fields would lie farther apart.
            assert!(z.abs() < 4.5, "{}: {z}", field.path);
        }
    }
    assert!(compared > 10, "{compared}");
    // Who is held out of one is as likely as all others to be held out of another.
    let [one, another] = [&one[0], &another[0]];
    let both = one.intersection(another).count() as f64;
    let expected = one.len() as f64 * 0.05;
    assert!(
        (both - expected).abs() < 4.5 * expected.sqrt(),
        "{both} of {expected}"
    );
}

/// How many standard errors two means lie apart; none where nothing varies, or too few are known.
fn difference(a: &[f64], b: &[f64]) -> Option<f64> {
    let moments = |values: &[f64]| {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares = values.iter().map(|it| (it - mean).powi(2)).sum::<f64>();
        (mean, squares / (n - 1.0) / n)
    };
    if a.len() < 100 || b.len() < 100 {
        return None;
    }
    let ((mean_a, error_a), (mean_b, error_b)) = (moments(a), moments(b));
    let error = (error_a + error_b).sqrt();
    (error > 0.0).then(|| (mean_a - mean_b) / error)
}
