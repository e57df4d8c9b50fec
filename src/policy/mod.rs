//! What stands between a moment and a treatment: the gates, asked one after the other until one does not let it pass.
//!
//! A gate is one file and one line of [`GATES`]: what it asks, the reason with which it refuses or holds, what it says of a case,
//! its tests. All are asked as of `decided_at`, the later of the moment and now. All moments of one customer at one instant are
//! decided by one call ([`decide`]): one after the other, each seeing what was sent by those before it; or, where the policy
//! arbitrates, together. What a gate holds is not decided: it is asked again when the hold ends, everything and afresh.
//!
//! Deliberately absent: what is sent by others than these triggers.

mod again;
mod arbitration;
mod audience;
mod cap;
mod case;
mod command;
mod consent;
mod control_group;
mod counted;
mod dates;
mod digest;
mod expired;
mod hold;
mod hold_out;
mod journey;
mod off;
mod quiet_hours;
mod reachable;
mod send_rate;
mod shadow;
mod step;
mod stopped;
mod suppressed;
mod treatment;

use cap::Counted;

use crate::event::{Event, Text};
use crate::moment::{EventRef, Evidence, Moment};
use crate::profile::{Settled, TailEvent};
use crate::tally::limits::SEGMENTS;
use crate::time::Timestamp;
use crate::treatment::{Decision, Outcome, Reason};
use crate::trigger::plan::{Mode, Plan, Trigger};
use crate::trigger::policy::Arbitration;

pub use case::Case;
pub use hold::{Open, Past, Why};
pub use step::Sends;

/// What a gate makes of a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The next gate is asked.
    Pass,
    /// It is not treated, for this reason.
    Refuse(Reason),
    /// It is asked again, everything and afresh.
    Hold {
        /// When, later than it is decided.
        until: Timestamp,
        /// Why not now.
        why: Why,
    },
}

/// A question between a moment and a treatment.
#[derive(Debug)]
pub struct Gate {
    /// The reason with which it refuses or holds a moment, and what it is called.
    pub reason: Reason,
    /// When it refuses, for people.
    pub about: &'static str,
    /// Asks it of a case, one of those that passed every gate before.
    pub ask: fn(&Case<'_>, &[&Case<'_>]) -> Verdict,
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
    counted::GATE,
    again::GATE,
    journey::GATE,
    treatment::GATE,
    consent::GATE,
    reachable::GATE,
    suppressed::GATE,
    digest::GATE,
    quiet_hours::GATE,
    cap::GATE,
    arbitration::GATE,
    send_rate::GATE,
    control_group::GATE,
    hold_out::GATE,
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
    pub cause: Option<(&'a Event, Option<&'a Settled>)>,
    /// What it has waited for before.
    pub past: Past,
    /// The step of a journey that it is, where it is one.
    pub step: Option<Sends<'a>>,
}

/// What became of a moment.
#[derive(Clone, Debug, PartialEq)]
pub enum Decided {
    /// It was decided.
    Now(Box<Decision>),
    /// It waits.
    Held(Held),
}

/// A moment that waits to be asked again.
#[derive(Clone, Debug, PartialEq)]
pub struct Held {
    /// The key of its trigger.
    pub trigger: u32,
    /// The moment.
    pub moment: Moment,
    /// When it is asked again: later than it was asked, and at the latest at the first instant at which it makes no sense any more.
    pub until: Timestamp,
    /// Why it waits.
    pub why: Why,
    /// By which channel it would have been sent.
    pub channel: Text,
    /// What it has waited for before.
    pub past: Past,
}

/// Decides moments of one customer at one instant, and notes on her profile what is sent.
///
/// Without arbitration they are decided in the order in which they stand, the most important first, and each sees what was sent
/// by those before it. With it, all are asked on what was sent before the instant, and of those that would be sent one is. Those of a
/// digest, or that have waited for each other, are asked together anyway.
///
/// `profile` is as of the moments; `ahead` is what is known beyond them, of which only what stops a message counts; `open` is what
/// waits of hers. The answers stand in the order of what was asked.
#[must_use]
pub fn decide(
    plan: &Plan,
    profile: &mut Settled,
    (ahead, open): (&[TailEvent], &[Open<'_>]),
    asked: Vec<Asked<'_>>,
    now: Timestamp,
) -> Vec<Decided> {
    let mut rounds: Vec<Vec<(usize, Asked<'_>)>> = Vec::new();
    for (place, asked) in asked.into_iter().enumerate() {
        let joins = |round: &&mut Vec<(usize, Asked<'_>)>| {
            let mut members = round.iter();
            members.any(|(_, other)| are_asked_together(plan, other, &asked))
        };
        match rounds.iter_mut().find(joins) {
            Some(round) => round.push((place, asked)),
            None => rounds.push(vec![(place, asked)]),
        }
    }
    let mut decided = Vec::new();
    for asked in rounds {
        let (places, asked): (Vec<usize>, Vec<Asked<'_>>) = asked.into_iter().unzip();
        let answers = round(plan, profile, (ahead, open), asked, now);
        decided.extend(places.into_iter().zip(answers));
    }
    decided.sort_by_key(|(place, _)| *place);
    decided.into_iter().map(|(_, decided)| decided).collect()
}

fn are_asked_together(plan: &Plan, a: &Asked<'_>, b: &Asked<'_>) -> bool {
    match plan.policy.arbitration {
        Arbitration::Instant => true,
        Arbitration::None => {
            let of_a_digest = a.past.digest && b.past.digest && a.trigger.key == b.trigger.key;
            let of_a_window = a.past.window.is_some() && a.past.window == b.past.window;
            of_a_digest || of_a_window
        }
    }
}

/// Decides moments together: each gate is asked of all that stand before the next is asked of any, and what is sent is noted
/// when all are decided.
fn round(
    plan: &Plan,
    profile: &mut Settled,
    (ahead, open): (&[TailEvent], &[Open<'_>]),
    asked: Vec<Asked<'_>>,
    now: Timestamp,
) -> Vec<Decided> {
    let found: Vec<Found> = {
        let views = asked
            .iter()
            .map(|asked| of_its_own_basket(profile, &asked.moment));
        let views: Vec<Option<Settled>> = views.collect();
        let cases = asked.iter().zip(&views).map(|(asked, view)| {
            let profile = view.as_ref().unwrap_or(profile);
            Case::new(plan, profile, (ahead, open), asked, now)
        });
        let cases: Vec<Case<'_>> = cases.collect();
        ask(&cases);
        // While it is known still what was gathered.
        let gathered = cases.iter().map(|case| digest::carrier(case, &cases));
        let channels: Vec<Text> = gathered
            .zip(&cases)
            .map(|(carrier, case)| carrier.unwrap_or(case).channel().into())
            .collect();
        digest::follow(&cases);
        let found = cases.iter().zip(channels);
        found
            .map(|(case, channel)| self::found(case, &cases, channel))
            .collect()
    };
    // What was passed over at this instant was so before anything of it is sent.
    for (asked, found) in asked.iter().zip(&found) {
        if let Found::Outcome(Outcome::Refuse(Reason::Capped, None), counted, _) = found
            && !profile.contacts.passed_over.is_empty()
        {
            cap::pass_over(&mut profile.contacts, asked.trigger, counted);
        }
    }
    let decided = asked
        .into_iter()
        .zip(found)
        .map(|(mut asked, found)| match found {
            Found::Outcome(outcome, counted, gathered) => {
                let trigger = asked.trigger;
                gathered.told_in(&mut asked.moment.evidence);
                if outcome == Outcome::Refuse(Reason::Entered, None) {
                    journey::enter(plan, profile, &asked);
                }
                let decision = decision(plan, profile, asked, now, outcome);
                note(plan, profile, (trigger, &counted), &decision, now);
                Decided::Now(Box::new(decision))
            }
            Found::Hold(until, why, channel) => Decided::Held(Held {
                trigger: asked.trigger.key,
                moment: asked.moment,
                until,
                why,
                channel,
                past: asked.past.held_again(),
            }),
        });
    decided.collect()
}

/// A customer as a moment sees her that is of one of her baskets: that one is the basket. None where it is so already.
fn of_its_own_basket(profile: &Settled, moment: &Moment) -> Option<Settled> {
    let per = moment.evidence.fact("per")?.as_str()?;
    if !profile.basket.has_another(per) {
        return None;
    }
    let mut view = profile.clone();
    view.basket.put_last(per);
    Some(view)
}

/// What the gates found.
enum Found {
    Outcome(Outcome, Counted, Gathered),
    Hold(Timestamp, Why, Text),
}

/// The events of the moments that one carries; none of one that is of no digest.
#[derive(Default)]
struct Gathered(Vec<EventRef>, usize);

impl Gathered {
    fn told_in(self, evidence: &mut Evidence) {
        let Self(events, moments) = self;
        if moments == 0 {
            return;
        }
        for event in events {
            if !evidence.events.contains(&event) {
                evidence.events.push(event);
            }
        }
        evidence.facts.push(("digest".into(), moments.into()));
    }
}

fn ask(cases: &[Case<'_>]) {
    let mut standing: Vec<&Case<'_>> = cases.iter().collect();
    for gate in GATES {
        for case in &standing {
            case.verdict.set((gate.ask)(case, &standing));
        }
        standing.retain(|case| case.verdict.get() == Verdict::Pass);
    }
}

fn found<'a>(case: &Case<'a>, cases: &[Case<'a>], channel: Text) -> Found {
    let gathered = digest::gathered(case, cases);
    let command = || Some(Box::new(command::command(case, case.choice()?, &gathered)));
    let outcome = match case.verdict.get() {
        Verdict::Hold { until, why } => return Found::Hold(until, why, channel),
        Verdict::Refuse(reason) if reason.withholds() => Outcome::Refuse(reason, command()),
        Verdict::Refuse(reason) => Outcome::Refuse(reason, None),
        Verdict::Pass => match command() {
            Some(command) => Outcome::Treat(command),
            None => Outcome::Refuse(Reason::NoTreatmentFits, None),
        },
    };
    let events = gathered.iter().flat_map(|it| &it.moment.evidence.events);
    let gathered = Gathered(events.cloned().collect(), gathered.len());
    Found::Outcome(outcome, Counted::of(case), gathered)
}

/// Notes what was sent, or withheld; and, for the figures of a trigger in shadow, what would have been.
fn note(
    plan: &Plan,
    profile: &mut Settled,
    whose: (&Trigger, &Counted),
    decision: &Decision,
    now: Timestamp,
) {
    let sent = match &decision.outcome {
        Outcome::Treat(_) => true,
        // Who is held out uses up what she would have used up.
        Outcome::Refuse(_, Some(_)) => whose.0.mode != Mode::Shadow,
        Outcome::Refuse(_, None) | Outcome::Withdraw(_) => return,
    };
    let when = (decision.decided_at, now);
    cap::note(&mut profile.contacts, &plan.policy, whose, when, sent);
}

/// Refuses a moment that cannot be held, for the reason for which it should be.
#[must_use]
pub fn refused(
    plan: &Plan,
    profile: &Settled,
    trigger: &Trigger,
    held: Held,
    now: Timestamp,
) -> Decision {
    let asked = Asked {
        trigger,
        moment: held.moment,
        cause: None,
        past: held.past,
        step: None,
    };
    let outcome = Outcome::Refuse(held.why.reason(), None);
    decision(plan, profile, asked, now, outcome)
}

/// What a gate says of one moment alone.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    /// Which gate.
    pub gate: Reason,
    /// What it makes of the moment.
    pub verdict: Verdict,
    /// Until when it stands in the way, where time alone moves it.
    pub until: Option<Timestamp>,
    /// What it goes by, in words.
    pub says: String,
}

/// What each gate says of one moment alone, in their order and whatever those before it say; up to the one where it turns out that
/// there is no treatment, without which the others have nothing to go by.
#[must_use]
pub fn explained(
    plan: &Plan,
    profile: &Settled,
    (ahead, open): (&[TailEvent], &[Open<'_>]),
    asked: &Asked<'_>,
    now: Timestamp,
) -> Vec<Said> {
    let case = Case::new(plan, profile, (ahead, open), asked, now);
    let mut all = Vec::new();
    for gate in GATES {
        let verdict = (gate.ask)(&case, &[&case]);
        let until = match verdict {
            Verdict::Hold { until, .. } => Some(until),
            Verdict::Refuse(Reason::Capped) => cap::free_again(&case),
            Verdict::Refuse(_) | Verdict::Pass => None,
        };
        all.push(Said {
            gate: gate.reason,
            verdict,
            until,
            says: (gate.explain)(&case),
        });
        let nothing = [Reason::Counted, Reason::NoTreatmentFits].map(Verdict::Refuse);
        if nothing.contains(&verdict) {
            break;
        }
    }
    all
}

/// Whether a moment is of somebody for whom its trigger is.
#[must_use]
pub fn is_in_audience(
    plan: &Plan,
    profile: &Settled,
    ahead: &[TailEvent],
    asked: &Asked<'_>,
    now: Timestamp,
) -> bool {
    let case = Case::new(plan, profile, (ahead, &[]), asked, now);
    case.holds(asked.trigger.audience.as_ref())
}

/// The segments that she is in, as many as reports are by.
fn segments(profile: &Settled) -> Vec<Text> {
    let within = profile.segments.within();
    within.take(SEGMENTS).cloned().collect()
}

/// Whether an event takes back her yes to a channel for what a trigger sends, as far as is known with what stands `ahead` of the
/// profile. The trigger is none where it is in the set no more.
#[must_use]
pub fn closes(
    trigger: (&Plan, Option<&Trigger>),
    known: (&Settled, &[TailEvent]),
    event: &Event,
    channel: &str,
) -> bool {
    consent::closes(trigger, known, event, channel)
}

fn decision(
    plan: &Plan,
    profile: &Settled,
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
        asked_at: moment.at,
        decided_at: moment.at.max(now),
        outcome,
        evidence: moment.evidence,
        revision: plan.revision.clone(),
        segments: segments(profile),
    }
}

#[cfg(test)]
mod check;
#[cfg(test)]
mod tests;
