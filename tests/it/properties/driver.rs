//! Feeds a history to an engine as a task would.

use std::collections::BTreeMap;
use std::sync::Arc;

use moments::document::report::{Source, rendered};
use moments::engine::Customer;
use moments::engine::{Effect, Engine, Input};
use moments::event::{Event, Vocabulary};
use moments::tally::funnel::Funnel;
use moments::time::Timestamp;
use moments::treatment::{Order, Outcome, Reason};
use moments::trigger::plan::{Plan, Policy};
use moments::trigger::set::{self, Basis};

use proptest::prelude::*;

use super::history::{Grid, Happening, arrivals, in_order};
use crate::reference::RefEvent;
use crate::support::facts;

/// Compiles triggers (name, moment) that treat on the site, which needs no consent.
pub fn plan(moments: &[(String, String)]) -> Arc<Plan> {
    plan_with(moments, Policy::for_everybody())
}

/// The same with this policy.
pub fn plan_with(moments: &[(String, String)], policy: Policy) -> Arc<Plan> {
    let source = |(name, moment): &(String, String)| {
        let text = format!(
            "trigger: {name}\nmoment: {{ {moment} }}\ntreatments: [{{ channel: onsite, template: t }}]\npolicy: {{ good_for: 1000d, cap: 2 in 10d }}\n"
        );
        Source::new(name, text)
    };
    let sources: Vec<_> = moments.iter().map(source).collect();
    Arc::new(compiled(&sources, policy))
}

/// Compiles files of a set, for whom everybody may be sent to.
pub fn plan_of(sources: &[Source]) -> Plan {
    compiled(sources, Policy::for_everybody())
}

fn compiled(sources: &[Source], policy: Policy) -> Plan {
    let basis = Basis {
        vocabulary: Arc::new(Vocabulary::standard()),
        attributes: BTreeMap::new(),
        policy,
        mappings: Arc::default(),
    };
    let plan = set::compile(sources, &basis);
    plan.unwrap_or_else(|reports| panic!("{}", rendered(&reports)))
}

/// What an engine is told, as a value that can be told again.
#[derive(Clone, Debug)]
pub enum Told {
    Event(Box<Event>),
    Everybody(Box<Event>),
    Watermark(Timestamp),
}

/// The inputs, each with `now`, of a history that arrives in the order of `places`. The watermark
/// never passes the largest time seen - lateness - 1; at the end it moves to the largest time.
pub fn inputs(history: &[Happening], places: &[usize], grid: Grid) -> Vec<(Told, Timestamp)> {
    let lateness = grid.lateness * grid.step_ms;
    let mut told = Vec::new();
    let mut seen = Timestamp::MIN;
    for (n, &place) in places.iter().enumerate() {
        let event = history[place].event(place, grid);
        seen = seen.max(event.time);
        told.push((Told::Event(Box::new(event)), seen));
        if history[place].advances {
            told.push((Told::Watermark(seen.plus(-lateness - 1)), seen));
        }
        if let Some(back) = history[place].again {
            let place = places[n.saturating_sub(back)];
            let event = history[place].event(place, grid);
            told.push((Told::Event(Box::new(event)), seen));
        }
    }
    told.push((Told::Watermark(seen), seen));
    told
}

pub fn tell(engine: &mut Engine, (told, now): &(Told, Timestamp), effects: &mut Vec<Effect>) {
    let input = match told {
        Told::Event(event) => Input::Event(event.clone()),
        Told::Everybody(event) => Input::Everybody(event.clone()),
        Told::Watermark(watermark) => Input::Watermark(*watermark),
    };
    engine.step(input, *now, effects);
}

/// Customer, trigger, time, occurrence.
pub type Found = (String, String, i64, String);

fn is_treatment(order: Order<'_>) -> bool {
    matches!(order, Order::Treatment(_))
}

/// Those of effects that treat, and those that take a treatment back, sorted.
pub fn orders(effects: &[Effect]) -> (Vec<Found>, Vec<Found>) {
    let decisions = effects.iter().filter_map(|effect| match effect {
        Effect::Decided(decision) => Some((decision.order()?, decision)),
        _ => None,
    });
    let (mut treated, mut withdrawn) = (Vec::new(), Vec::new());
    for (order, decision) in decisions {
        let found = (
            decision.customer.to_string(),
            decision.trigger.to_string(),
            decision.moment_at.0,
            decision.occurrence.to_string(),
        );
        match order {
            Order::Treatment(_) => treated.push(found),
            Order::Withdrawal(_) => withdrawn.push(found),
        }
    }
    treated.sort();
    withdrawn.sort();
    (treated, withdrawn)
}

/// The moments among effects, sorted.
pub fn found(effects: &[Effect]) -> Vec<Found> {
    let mut found: Vec<Found> = effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Decided(decision) if decision.order().is_none_or(is_treatment) => Some((
                decision.customer.to_string(),
                decision.trigger.to_string(),
                decision.moment_at.0,
                decision.occurrence.to_string(),
            )),
            _ => None,
        })
        .collect();
    found.sort();
    found
}

/// Every committed customer, by id.
pub fn customers(engine: &mut Engine) -> BTreeMap<String, Customer> {
    engine.seal();
    engine.committed();
    engine
        .customers()
        .map(|customer| (customer.profile.settled.id.to_string(), customer))
        .collect()
}

/// What was counted of journeys, by trigger.
fn funnels(engine: &Engine) -> BTreeMap<String, Funnel> {
    let whole = engine
        .figures()
        .filter(|(of, _)| of.treatment.is_none() && of.segment.is_none());
    let walked = whole.filter(|(_, figures)| !figures.journey.is_empty());
    let funnels = walked.map(|(of, figures)| (of.trigger.to_string(), figures.journey.clone()));
    funnels.collect()
}

/// Funnels have everybody who entered once, inside or left, and of what is sent what was decided.
fn add_up(
    funnels: &BTreeMap<String, Funnel>,
    effects: &[Effect],
    known: &BTreeMap<String, Customer>,
) -> Result<(), TestCaseError> {
    let mut entered: BTreeMap<&str, u64> = BTreeMap::new();
    let mut sent: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for effect in effects {
        let Effect::Decided(decision) = effect else {
            continue;
        };
        let trigger = decision.trigger.as_str();
        match (&decision.outcome, decision.occurrence.split_once('#')) {
            (Outcome::Refuse(Reason::Entered, _), None) => {
                *entered.entry(trigger).or_default() += 1;
            }
            (Outcome::Treat(_), Some((_, step))) => *sent.entry((trigger, step)).or_default() += 1,
            _ => {}
        }
    }
    for (trigger, funnel) in funnels {
        let places = known
            .values()
            .flat_map(|it| it.profile.settled.journeys.open());
        let inside = places.filter(|it| it.trigger == *trigger).count() as u64;
        let left: u64 = funnel.left.values().sum();
        prop_assert_eq!(Some(&funnel.entered), entered.get(trigger.as_str()));
        prop_assert_eq!(funnel.entered, left + inside, "{}: {:?}", trigger, funnel);
        for (step, passed) in &funnel.steps {
            let by_decisions = sent.remove(&(trigger.as_str(), step.as_str()));
            prop_assert_eq!(passed.ways.get("sent").copied(), by_decisions, "{}", step);
        }
    }
    prop_assert!(sent.is_empty() && entered.len() == funnels.len());
    Ok(())
}

/// Holds an engine to what is expected of each customer's events until an instant (ms), in whatever order they arrive: what is
/// found, but for the triggers that are no part of it, and what is known in the end.
pub fn held_to(
    plan: &Arc<Plan>,
    (history, grid): (&[Happening], Grid),
    expected: impl Fn(&str, &[RefEvent], i64) -> Vec<Found>,
    is_part: impl Fn(&Found) -> bool,
) -> Result<(), TestCaseError> {
    let mut by_customer: BTreeMap<String, Vec<RefEvent>> = BTreeMap::new();
    for place in in_order(history, grid) {
        let customer = by_customer.entry(history[place].customer().to_string());
        customer
            .or_default()
            .push(history[place].reference(place, grid));
    }
    let mut states = Vec::new();
    for places in [in_order(history, grid), arrivals(history, grid)] {
        let mut engine = Engine::new(Arc::clone(plan));
        let mut effects = Vec::new();
        let told = inputs(history, &places, grid);
        for input in &told {
            tell(&mut engine, input, &mut effects);
        }
        let until = told.last().expect("at least the end").1;
        let each = by_customer.iter();
        let mut all: Vec<Found> = each
            .flat_map(|(customer, events)| expected(customer, events, until.0))
            .collect();
        all.sort();
        let mut found = found(&effects);
        found.retain(&is_part);
        prop_assert_eq!(found, all);
        let known = customers(&mut engine);
        let funnels = funnels(&engine);
        add_up(&funnels, &effects, &known)?;
        let states_of = known.into_iter();
        let states_of = states_of.map(|(id, it)| (id, facts(&it), it.states));
        states.push((states_of.collect::<Vec<_>>(), funnels));
    }
    prop_assert_eq!(&states[0], &states[1]);
    Ok(())
}
