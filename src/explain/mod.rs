//! Why something was decided for a customer, and why something was not: for each trigger what is missing for it to come true, and
//! what each gate would say if it came true now.
//!
//! All of it is of one instant, and of what is known then: events that are not settled yet are taken in as if they were, and nothing
//! is decided by that. A moment that an event has to make true has none here; what depends on the event is said to.
//!
//! Deliberately absent: decisions, which whoever asks has from where they stand.

pub mod text;

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::engine::{Customer, Engine};
use crate::expression::{Expression, Scope};
use crate::moment::{Evidence, Kind, Missing, Moment};
use crate::policy::{self, Asked, Open, Past, Said, Verdict, Why};
use crate::profile::Settled;
use crate::segment::Segment;
use crate::time::Timestamp;
use crate::treatment::Reason;
use crate::trigger::plan::{Mode, Plan, Trigger};
use crate::trigger::said;

/// What there is to say about a customer.
#[derive(Debug, Serialize, ToSchema)]
pub struct Explanation {
    /// Her id; another than the one that was asked for, where that one has become hers.
    pub customer: String,
    /// As of when, RFC 3339.
    pub now: String,
    /// The watermark up to which her events are settled, RFC 3339; none before there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub as_of: Option<String>,
    /// Events beyond the watermark: they are taken into account, but what waits for the watermark is not decided.
    pub unsettled_events: usize,
    /// What was decided for her, newest first, each as it stands on the topic of decisions.
    #[schema(value_type = Vec<Object>)]
    pub decided: Vec<Value>,
    /// Moments that came true and wait to be asked again.
    pub held: Vec<Held>,
    /// Each trigger, the most important first.
    pub triggers: Vec<Stands>,
}

/// A moment that waits.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = HeldMoment)]
pub struct Held {
    /// The trigger.
    pub trigger: String,
    /// When it came true, RFC 3339.
    pub moment_at: String,
    /// What makes it this one and no other.
    pub occurrence: String,
    /// Why it waits: `quiet_hours`, `digested` for its digest to end, or `outranked` for others to compete with.
    pub reason: String,
    /// When everything is asked again, RFC 3339.
    pub until: String,
    /// The same in a sentence.
    pub says: String,
}

/// Where a trigger stands with her.
#[derive(Debug, Serialize, ToSchema)]
pub struct Stands {
    /// Its name.
    pub trigger: String,
    /// `live`, `shadow` or `off`.
    pub mode: &'static str,
    /// What it is, in sentences.
    pub about: Vec<String>,
    /// What would have to be true for it to come true; several where several things stand open, the nearest first.
    pub missing: Vec<Lacks>,
    /// What each gate would say if it came true now, in the order in which they are asked. Where one leaves no treatment, it is the last.
    pub gates: Vec<GateSays>,
}

/// What is missing for a moment.
#[derive(Debug, Serialize, ToSchema)]
pub struct Lacks {
    /// A sentence.
    pub says: String,
    /// When it comes true if nothing more happens, RFC 3339; none: something has to happen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due: Option<String>,
    /// What it goes by: `per`, `anchor`, `last`, `step`, `measured`, `bound`, `score`, `contributions`, as its kind has them.
    #[schema(value_type = Object)]
    pub by: Map<String, Value>,
}

/// What a gate would say.
#[derive(Debug, Serialize, ToSchema)]
pub struct GateSays {
    /// The gate, by the reason with which it refuses.
    pub gate: &'static str,
    /// `passes`, `refuses`, `holds`, or `depends` on the event that makes it true.
    pub verdict: &'static str,
    /// What it goes by, in words.
    pub says: String,
    /// Until when it stands in the way, RFC 3339, where time alone moves it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// Of the audience: each of the parts that must all hold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}

/// A part of a condition.
#[derive(Debug, Serialize, ToSchema)]
pub struct Condition {
    /// As its author wrote it.
    pub condition: String,
    /// Whether it holds; none where that depends on the event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holds: Option<bool>,
    /// What stands behind each name in it; what is not known is null.
    #[schema(value_type = Object)]
    pub values: Map<String, Value>,
}

/// Explains how a customer stands at `now` with all triggers, or with one of this name. She is settled up to `watermark`. What was
/// decided is left out.
#[must_use]
pub fn explained(
    plan: &Plan,
    customer: &Customer,
    (watermark, now): (Timestamp, Timestamp),
    name: Option<&str>,
) -> Explanation {
    let known = Engine::as_known(plan, customer, now);
    let open: Vec<Open<'_>> = known.waiting.iter().map(|waits| waits.open()).collect();
    let meant = plan.triggers.iter();
    let meant = meant.filter(|trigger| name.is_none_or(|name| trigger.name == name));
    let triggers = meant.map(|trigger| Stands {
        trigger: trigger.name.to_string(),
        mode: match trigger.mode {
            Mode::Live => "live",
            Mode::Shadow => "shadow",
            Mode::Off => "off",
        },
        about: said::sentences(trigger),
        missing: missing(plan, trigger, &known, now),
        gates: gates(plan, trigger, (&known.profile.settled, &open), now),
    });
    Explanation {
        customer: known.profile.settled.id.to_string(),
        now: now.to_string(),
        as_of: (watermark > Timestamp::MIN).then(|| watermark.to_string()),
        unsettled_events: customer.profile.tail.events().len(),
        decided: Vec::new(),
        held: held(plan, &known, name),
        triggers: triggers.collect(),
    }
}

fn held(plan: &Plan, known: &Customer, name: Option<&str>) -> Vec<Held> {
    let held = known.waiting.iter().filter_map(|waits| {
        let trigger = plan.by_key(waits.trigger)?;
        let moment = waits.moment();
        let reason = waits.why.reason().word();
        let says = match waits.why {
            Why::SendRate => format!(
                "It came true at {}, and waits ({reason}) for its turn by {}, until {} at the latest; then everything is asked again.",
                moment.at, waits.channel, waits.until
            ),
            Why::QuietHours | Why::Digest | Why::Window => format!(
                "It came true at {}, and waits ({reason}) until {}; then everything is asked again.",
                moment.at, waits.until
            ),
        };
        Some(Held {
            trigger: trigger.name.to_string(),
            moment_at: moment.at.to_string(),
            occurrence: moment.occurrence.to_string(),
            reason: reason.to_owned(),
            until: waits.until.to_string(),
            says,
        })
    });
    held.filter(|held| name.is_none_or(|name| held.trigger == name))
        .collect()
}

fn missing(plan: &Plan, trigger: &Trigger, known: &Customer, now: Timestamp) -> Vec<Lacks> {
    let scope = Scope::of(&known.profile.settled, now, &plan.rows);
    let state = known.states.get(trigger.key);
    let missing = trigger.kind.explain(state, &scope).into_iter();
    let mut lacks: Vec<Lacks> = missing.map(Lacks::from).collect();
    if let Kind::Transition(transition) = &trigger.kind {
        let asked = plan.segments.iter();
        let asked = asked.filter(|segment| transition.of().contains(&segment.name));
        let conditions = asked.flat_map(Segment::conditions);
        let conditions = conditions.flat_map(|condition| parts(condition, &scope));
        let conditions: Vec<Value> = conditions
            .filter_map(|it| serde_json::to_value(it).ok())
            .collect();
        if let Some(first) = lacks.first_mut() {
            first.by.insert("conditions".to_owned(), conditions.into());
        }
    }
    lacks
}

impl From<Missing> for Lacks {
    fn from(missing: Missing) -> Self {
        let by = missing.facts.into_iter();
        Self {
            says: missing.says,
            due: missing.due.map(|due| due.to_string()),
            by: by.map(|(name, value)| (name.to_owned(), value)).collect(),
        }
    }
}

/// The parts of a condition that must all hold, with what they ask.
fn parts(condition: &Expression, scope: &Scope<'_>) -> Vec<Condition> {
    let parts = condition.conjuncts();
    let parts = parts.iter().map(|part| Condition {
        condition: part.text.to_owned(),
        holds: (!part.asks_event()).then(|| part.holds(scope)),
        values: part.values(scope).into_iter().collect(),
    });
    parts.collect()
}

/// What the gates would say of a moment of it at `now`.
fn gates(
    plan: &Plan,
    trigger: &Trigger,
    (profile, open): (&Settled, &[Open<'_>]),
    now: Timestamp,
) -> Vec<GateSays> {
    let asked = Asked {
        trigger,
        moment: Moment {
            at: now,
            occurrence: Default::default(),
            evidence: Evidence::default(),
        },
        cause: None,
        past: Past::default(),
        step: None,
    };
    let scope = Scope::of(profile, now, &plan.rows);
    let said = policy::explained(plan, profile, (&[], open), &asked, now);
    said.into_iter()
        .map(|said| gate(trigger, &scope, said))
        .collect()
}

fn gate(trigger: &Trigger, scope: &Scope<'_>, said: Said) -> GateSays {
    let conditions = match (&trigger.audience, said.gate) {
        (Some(audience), Reason::Audience) => parts(audience, scope),
        _ => Vec::new(),
    };
    let depends = match said.gate {
        Reason::Audience => {
            let depends = conditions.iter().any(|it| it.holds.is_none());
            depends && conditions.iter().all(|it| it.holds != Some(false))
        }
        Reason::NoTreatmentFits => {
            let conditions = trigger.treatments.iter();
            let mut conditions = conditions.filter_map(|choice| choice.condition.as_ref());
            conditions.any(|it| it.uses_event() || it.uses_previous())
        }
        _ => false,
    };
    let verdict = match said.verdict {
        _ if depends => "depends",
        Verdict::Pass => "passes",
        Verdict::Refuse(_) => "refuses",
        Verdict::Hold { .. } => "holds",
    };
    GateSays {
        gate: said.gate.word(),
        verdict,
        says: match depends {
            true => "it depends on the event".to_owned(),
            false => said.says,
        },
        until: said.until.map(|until| until.to_string()),
        conditions,
    }
}
