//! Entered: the moment begins a journey. Each of its steps that sends something is a moment of its own then, asked here like all
//! others, but for the audience, which is asked of who enters.

use super::{Asked, Case, Gate, Verdict, hold_out};
use crate::event::Text;
use crate::expression::Scope;
use crate::journey::{At, ReEnter};
use crate::profile::Settled;
use crate::profile::journeys::{Began, Place};
use crate::treatment::Reason;
use crate::trigger::plan::Plan;

pub(super) const GATE: Gate = Gate {
    reason: Reason::Entered,
    about: "It begins the trigger's `journey`: the steps of that are decided each by itself.",
    ask,
    explain,
};

fn ask(case: &Case<'_>, _: &[&Case<'_>]) -> Verdict {
    match (&case.trigger.journey, case.step) {
        (Some(_), None) => Verdict::Refuse(Reason::Entered),
        (Some(_), Some(_)) | (None, _) => Verdict::Pass,
    }
}

fn explain(case: &Case<'_>) -> String {
    match (&case.trigger.journey, case.step) {
        (None, _) => "it begins no journey".to_owned(),
        (Some(_), None) => "it begins a journey".to_owned(),
        (Some(_), Some(_)) => "it is a step of a journey".to_owned(),
    }
}

/// She enters the journey that a moment begins.
pub(super) fn enter(plan: &Plan, profile: &mut Settled, asked: &Asked<'_>) {
    let trigger = asked.trigger;
    let Some(journey) = &trigger.journey else {
        return;
    };
    let moment = &asked.moment;
    let event = asked.cause.map(|(event, _)| event);
    let about = journey.about(&Scope {
        event,
        ..Scope::of(profile, moment.at, &plan.rows)
    });
    let events = moment.evidence.events.iter();
    let facts = moment.evidence.facts.iter();
    let first = journey.first();
    let place = Place {
        key: trigger.key,
        trigger: trigger.name.clone(),
        about,
        began: Began {
            at: moment.at,
            occurrence: moment.occurrence.clone(),
            events: events.map(|it| (it.id.clone(), it.time)).collect(),
            facts: facts
                .map(|(name, value)| (Text::from(&**name), value.to_string()))
                .collect(),
            event: event.cloned(),
        },
        held_out: hold_out::is_drawn(plan, trigger, &profile.id),
        stands: false,
        step: first.map(|at| at.name().clone()),
        way: first.map(At::way).unwrap_or_default(),
        since: moment.at,
        stays: None,
        asks: None,
        sent: Vec::new(),
    };
    let is_remembered = journey.re_enter != ReEnter::Always;
    profile.journeys.enter(place, is_remembered);
}
