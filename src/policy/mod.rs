//! What stands between a moment and a treatment: the gates, asked one after the other until one does not let it pass.
//!
//! A gate is one file and one line of [`GATES`]: what it asks, the reason with which it refuses, what it says of a case, its tests.
//! All are asked as of `decided_at`, the later of the moment and now. All moments of one customer at one instant are decided by
//! one call ([`decide`]), one after the other, each seeing what was sent by those before it.
//!
//! Deliberately absent: whether a channel reaches her, quiet hours, arbitration between triggers, control group and hold-out,
//! suppression lists.

mod audience;
mod cap;
mod case;
mod command;
mod consent;
mod dates;
mod expired;
mod off;
mod shadow;
mod stopped;
mod treatment;

use crate::event::Event;
use crate::moment::Moment;
use crate::profile::{Profile, TailEvent};
use crate::time::Timestamp;
use crate::treatment::{Decision, Outcome, Reason};
use crate::trigger::plan::{Plan, Trigger};

pub use case::Case;

/// What a gate makes of a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The next gate is asked.
    Pass,
    /// It is not treated, for this reason.
    Refuse(Reason),
}

/// A question between a moment and a treatment.
#[derive(Debug)]
pub struct Gate {
    /// The reason with which it does not let a moment pass, and what it is called.
    pub reason: Reason,
    /// What it refuses, for people.
    pub about: &'static str,
    /// Asks it of a case.
    pub ask: fn(&Case<'_>) -> Verdict,
    /// What it goes by in a case, in words.
    pub explain: fn(&Case<'_>) -> String,
}

/// Every gate, in the order in which they are asked.
pub const GATES: &[Gate] = &[
    off::GATE,
    dates::GATE,
    stopped::GATE,
    expired::GATE,
    audience::GATE,
    treatment::GATE,
    consent::GATE,
    cap::GATE,
    // Last of all, so that what shadow refuses is what would have been sent.
    shadow::GATE,
];

/// A moment that is to be decided.
#[derive(Debug)]
pub struct Asked<'a> {
    /// Its trigger.
    pub trigger: &'a Trigger,
    /// The moment.
    pub moment: Moment,
    /// The event of an immediate moment, and the profile before it where somebody asks for it.
    pub cause: Option<(&'a Event, Option<&'a Profile>)>,
}

/// Decides moments of one customer at one instant, in the order in which they stand, and notes on her profile what is sent.
///
/// `profile` is as of the moments; `ahead` is what is known beyond them, of which only a consent taken back counts. The answers
/// stand in the order of what was asked.
#[must_use]
pub fn decide(
    plan: &Plan,
    profile: &mut Profile,
    ahead: &[TailEvent],
    asked: Vec<Asked<'_>>,
    now: Timestamp,
) -> Vec<Decision> {
    let one = |asked: Asked<'_>| {
        let trigger = asked.trigger;
        let outcome = outcome(&Case::new(plan, profile, ahead, &asked, now));
        let decision = decision(plan, profile, asked, now, outcome);
        match &decision.outcome {
            Outcome::Treat(command) => {
                let sent = Some(&command.channel);
                cap::note(&mut profile.contacts, trigger, decision.decided_at, sent);
            }
            Outcome::Refuse(Reason::Shadow, _) => {
                cap::note(&mut profile.contacts, trigger, decision.decided_at, None);
            }
            Outcome::Refuse(..) => {}
        }
        decision
    };
    asked.into_iter().map(one).collect()
}

/// What the gates say of one moment alone, up to the one that stops it: their reason, verdict and words.
#[must_use]
pub fn explained(
    plan: &Plan,
    profile: &Profile,
    ahead: &[TailEvent],
    asked: &Asked<'_>,
    now: Timestamp,
) -> Vec<(Reason, Verdict, String)> {
    let case = Case::new(plan, profile, ahead, asked, now);
    let mut said = Vec::new();
    for gate in GATES {
        let verdict = (gate.ask)(&case);
        said.push((gate.reason, verdict, (gate.explain)(&case)));
        if verdict != Verdict::Pass {
            break;
        }
    }
    said
}

fn outcome(case: &Case<'_>) -> Outcome {
    let verdicts = GATES.iter().map(|gate| (gate.ask)(case));
    let stopped = verdicts
        .into_iter()
        .find(|verdict| *verdict != Verdict::Pass);
    let command = || Some(Box::new(command::command(case, case.choice()?)));
    match stopped {
        Some(Verdict::Refuse(Reason::Shadow)) => Outcome::Refuse(Reason::Shadow, command()),
        Some(Verdict::Refuse(reason)) => Outcome::Refuse(reason, None),
        Some(Verdict::Pass) | None => match command() {
            Some(command) => Outcome::Treat(command),
            None => Outcome::Refuse(Reason::NoTreatmentFits, None),
        },
    }
}

fn decision(
    plan: &Plan,
    profile: &Profile,
    asked: Asked<'_>,
    now: Timestamp,
    outcome: Outcome,
) -> Decision {
    let Asked {
        trigger, moment, ..
    } = asked;
    Decision {
        customer: profile.id.clone(),
        trigger: trigger.name.clone(),
        generation: trigger.generation,
        occurrence: moment.occurrence,
        moment_at: moment.at,
        decided_at: moment.at.max(now),
        outcome,
        evidence: moment.evidence,
        revision: plan.revision.clone(),
    }
}

#[cfg(test)]
mod check;
#[cfg(test)]
mod tests;
