//! Not again: she is inside the journey, or was, and may not enter it again; or she is inside as many as one may be.

use super::{Case, Gate, Verdict};
use crate::event::Text;
use crate::profile::journeys::OPEN_MAX;
use crate::treatment::Reason;

pub(super) const GATE: Gate = Gate {
    reason: Reason::NotAgain,
    about: "She is inside the trigger's `journey` (of this `per`), `re_enter` does not let her in again, or she is inside as many journeys as one may be.",
    ask,
    explain,
};

/// What moments of one instant begin before a case counts as begun.
fn ask(case: &Case<'_>, standing: &[&Case<'_>]) -> Verdict {
    let Some(journey) = case
        .trigger
        .journey
        .as_ref()
        .filter(|_| case.step.is_none())
    else {
        return Verdict::Pass;
    };
    let own = (case.trigger.key, about(case));
    let place = |it: &Case<'_>| std::ptr::from_ref(it).cast::<()>();
    let before = standing.iter().take_while(|it| place(it) != place(case));
    let before = before.filter(|it| it.step.is_none() && it.trigger.journey.is_some());
    let before: Vec<(u32, Option<Text>)> = before.map(|it| (it.trigger.key, about(it))).collect();
    let journeys = &case.scope.profile.journeys;
    let at = case.moment.at;
    let is_admitted =
        journey.admits((journeys, own.0), own.1.as_ref(), at) && !before.contains(&own);
    match is_admitted && journeys.open().len() + before.len() < OPEN_MAX {
        true => Verdict::Pass,
        false => Verdict::Refuse(Reason::NotAgain),
    }
}

/// What the journey of a case would be about.
fn about(case: &Case<'_>) -> Option<Text> {
    let journey = case.trigger.journey.as_ref()?;
    journey.about(&case.scope)
}

fn explain(case: &Case<'_>) -> String {
    let (journeys, key) = (&case.scope.profile.journeys, case.trigger.key);
    let about = about(case);
    match (&case.trigger.journey, journeys.entered(key, about.as_ref())) {
        (None, _) => "it begins no journey".to_owned(),
        _ if journeys.is_inside(key, about.as_ref()) => "she is inside it".to_owned(),
        (Some(_), Some(at)) => format!("she entered it at {at}"),
        (Some(_), None) if journeys.is_full() => "she is inside many others".to_owned(),
        (Some(_), None) => "she is not inside it".to_owned(),
    }
}
