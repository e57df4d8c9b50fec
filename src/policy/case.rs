//! A moment as the gates see it.

use std::cell::{Cell, OnceCell};

use super::hold::{Open, Past};
use super::step::Sends;
use super::{Asked, Verdict};
use crate::expression::{Expression, Scope};
use crate::moment::Moment;
use crate::profile::{Settled, TailEvent};
use crate::time::{Timestamp, Zone};
use crate::treatment::choice::TreatmentChoice;
use crate::trigger::plan::{Plan, Trigger};
use crate::trigger::policy::Policy;
use crate::value::Value;

/// A moment with all that is asked about it.
pub struct Case<'a> {
    /// The triggers, and what is common to them.
    pub plan: &'a Plan,
    /// Its trigger.
    pub trigger: &'a Trigger,
    /// The moment.
    pub moment: &'a Moment,
    /// What expressions are asked about; its `now` is when the moment is decided.
    pub scope: Scope<'a>,
    /// What is known beyond the moment.
    pub ahead: &'a [TailEvent],
    /// What waits of hers.
    pub open: &'a [Open<'a>],
    /// The step of a journey that it is, where it is one.
    pub step: Option<Sends<'a>>,
    past: &'a Past,
    /// Others of its digest share its fate.
    pub(super) carries: Cell<bool>,
    pub(super) verdict: Cell<Verdict>,
    choice: OnceCell<Option<&'a TreatmentChoice>>,
    value: OnceCell<f64>,
}

impl<'a> Case<'a> {
    /// A moment that is decided at the later of itself and now.
    #[must_use]
    pub fn new(
        plan: &'a Plan,
        profile: &'a Settled,
        (ahead, open): (&'a [TailEvent], &'a [Open<'a>]),
        asked: &'a Asked<'a>,
        now: Timestamp,
    ) -> Self {
        Self {
            plan,
            trigger: asked.trigger,
            moment: &asked.moment,
            scope: Scope {
                event: asked.cause.map(|(event, _)| event),
                previous: asked.cause.and_then(|(_, previous)| previous),
                ..Scope::of(profile, asked.moment.at.max(now), &plan.rows)
            },
            ahead,
            open,
            step: asked.step,
            past: &asked.past,
            carries: Cell::new(false),
            verdict: Cell::new(Verdict::Pass),
            choice: OnceCell::new(),
            value: OnceCell::new(),
        }
    }

    /// When it is decided.
    #[must_use]
    pub fn decided_at(&self) -> Timestamp {
        self.scope.now
    }

    /// Until when a treatment makes sense.
    #[must_use]
    pub fn valid_until(&self) -> Timestamp {
        let policy = &self.trigger.policy;
        let digest_ms = policy.digest_ms.unwrap_or(0);
        self.moment.at.plus(digest_ms).plus(policy.good_for_ms)
    }

    /// What it has waited for.
    #[must_use]
    pub fn past(&self) -> &'a Past {
        self.past
    }

    /// What is common to all triggers.
    #[must_use]
    pub fn policy(&self) -> &'a Policy {
        &self.plan.policy
    }

    /// Where she lives.
    #[must_use]
    pub fn zone(&self) -> Zone {
        self.plan.zone(self.scope.profile)
    }

    /// Whether a condition holds; one that is absent does.
    #[must_use]
    pub fn holds(&self, condition: Option<&Expression>) -> bool {
        condition.is_none_or(|condition| condition.holds(&self.scope))
    }

    /// The first treatment whose condition holds.
    #[must_use]
    pub fn choice(&self) -> Option<&'a TreatmentChoice> {
        *self.choice.get_or_init(|| {
            let choices = self.step.map(|step| step.choices);
            let mut choices = choices.unwrap_or(&self.trigger.treatments).iter();
            choices.find(|choice| self.holds(choice.condition.as_ref()))
        })
    }

    /// What a treatment is expected to be worth; 0 where nobody says, or where it is not known.
    #[must_use]
    pub fn value(&self) -> f64 {
        *self.value.get_or_init(|| {
            let value = self.trigger.policy.value.as_ref();
            match value.map(|value| value.eval(&self.scope)) {
                Some(Value::Number(value)) => value,
                _ => 0.0,
            }
        })
    }

    /// The channel of that treatment; empty where there is none, which is refused before anybody asks for it.
    #[must_use]
    pub fn channel(&self) -> &'a str {
        self.choice().map_or("", |choice| &choice.channel)
    }
}
