//! Moments and treatments, counted by trigger.

use std::collections::BTreeMap;

use super::decided::{Decided, reason_words};
use crate::event::Text;
use crate::time::Timestamp;
use crate::trigger::plan::Plan;

/// The counts of all triggers.
#[derive(Debug)]
pub struct Tally {
    from: Timestamp,
    /// In the order in which they stand in the plan.
    pub triggers: Vec<Count>,
    /// Moments before the demo began: in the history that it was given.
    pub before: u64,
    /// Of those, how many were decided in time to be treated.
    pub before_treated: u64,
}

/// The counts of one trigger.
#[derive(Debug)]
pub struct Count {
    /// Its name.
    pub trigger: Text,
    /// Moments that came true.
    pub moments: u64,
    /// Of those, how many were treated.
    pub treated: u64,
    refused: BTreeMap<Text, u64>,
}

impl Tally {
    /// Nothing counted; moments before `from` are counted apart.
    #[must_use]
    pub fn new(plan: &Plan, from: Timestamp) -> Self {
        let none = |trigger: &Text| Count {
            trigger: trigger.clone(),
            moments: 0,
            treated: 0,
            refused: BTreeMap::new(),
        };
        Self {
            from,
            triggers: plan
                .triggers
                .iter()
                .map(|trigger| none(&trigger.name))
                .collect(),
            before: 0,
            before_treated: 0,
        }
    }

    /// Counts a decision.
    pub fn add(&mut self, decided: &Decided) {
        if decided.is_withdrawal() {
            return;
        }
        if decided.at() < self.from {
            self.before += 1;
            self.before_treated += u64::from(decided.refusal().is_none());
            return;
        }
        let Some(count) = self
            .triggers
            .iter_mut()
            .find(|count| count.trigger == decided.trigger)
        else {
            return;
        };
        count.moments += 1;
        match decided.refusal() {
            None => count.treated += 1,
            Some(reason) => *count.refused.entry(reason.into()).or_default() += 1,
        }
    }

    /// Moments of all triggers.
    #[must_use]
    pub fn moments(&self) -> u64 {
        self.triggers.iter().map(|count| count.moments).sum()
    }

    /// Treatments of all triggers.
    #[must_use]
    pub fn treated(&self) -> u64 {
        self.triggers.iter().map(|count| count.treated).sum()
    }
}

impl Count {
    /// Why moments were not treated, the most frequent reason first.
    #[must_use]
    pub fn why_not(&self) -> String {
        let mut reasons: Vec<_> = self.refused.iter().collect();
        reasons.sort_by(|(a, n), (b, m)| m.cmp(n).then(a.cmp(b)));
        let words: Vec<_> = reasons
            .iter()
            .map(|(reason, n)| format!("{} {n}", reason_words(reason)))
            .collect();
        words.join(", ")
    }
}
