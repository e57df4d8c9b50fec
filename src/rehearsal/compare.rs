//! Two rehearsals beside each other: what became of each moment in one and in the other.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::event::{CustomerId, Text};
use crate::time::Timestamp;
use crate::treatment::{Decision, Outcome};

/// Customers who are named as examples of a change.
pub const EXAMPLES: usize = 5;
/// What became of a moment that did not come true.
const NOTHING: &str = "nothing";

/// What became of the moments of a rehearsal.
#[derive(Debug, Default)]
pub struct Fates(BTreeMap<Moment, Fate>);

/// A moment, whatever set of triggers found it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Moment {
    trigger: Text,
    customer: CustomerId,
    occurrence: Text,
}

/// What became of one.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Fate {
    /// `treated`, with channel and template or with why that was taken back; or the reason for which it was not.
    word: Text,
    treated: bool,
    moment_at: Timestamp,
}

/// A moment of which something else became.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference<'f> {
    /// Of which trigger.
    pub trigger: &'f str,
    /// Whose.
    pub customer: &'f str,
    /// What makes this moment this one.
    pub occurrence: &'f str,
    /// When it came true, by the other set where it did; else by the one.
    #[serde(serialize_with = "shown")]
    pub moment_at: Timestamp,
    /// What became of it by the one set: `treated` with channel and template, a reason, or `nothing`.
    pub from: &'f str,
    /// By the other.
    pub to: &'f str,
}

/// What differs of a trigger.
#[derive(Debug, Serialize)]
pub struct TriggerDifference {
    /// Its name.
    pub trigger: String,
    /// Moments by the one set and by the other.
    pub moments: [u64; 2],
    /// Moments treated by the one set and by the other.
    pub treated: [u64; 2],
    /// Moments of which the same became.
    pub same: u64,
    /// Those of which something else became, most first.
    pub changes: Vec<Change>,
}

/// Moments of a trigger of which the same something else became.
#[derive(Debug, Serialize)]
pub struct Change {
    /// By the one set.
    pub from: String,
    /// By the other.
    pub to: String,
    /// How many.
    pub moments: u64,
    /// Of how many customers.
    pub customers: usize,
    /// Some of them, the first by id.
    pub examples: Vec<String>,
}

impl Fates {
    /// Takes a decision in.
    pub fn decided(&mut self, decision: &Decision) {
        let moment = Moment {
            trigger: decision.trigger.clone(),
            customer: decision.customer.clone(),
            occurrence: decision.occurrence.clone(),
        };
        let word: Text = match &decision.outcome {
            Outcome::Treat(command) => {
                format!("treated, {} {}", command.channel, command.template).into()
            }
            Outcome::Refuse(reason, _) => reason.word().into(),
            Outcome::Withdraw(withdrawal) => {
                format!("treated and taken back, {}", withdrawal.reason.word()).into()
            }
        };
        let treated = !matches!(decision.outcome, Outcome::Refuse(..));
        let moment_at = decision.moment_at;
        self.0.insert(
            moment,
            Fate {
                word,
                treated,
                moment_at,
            },
        );
    }

    /// The moments of which by another set something else became; by trigger, customer and occurrence.
    pub fn differences<'f>(&'f self, other: &'f Self) -> impl Iterator<Item = Difference<'f>> {
        let moments: BTreeSet<&Moment> = self.0.keys().chain(other.0.keys()).collect();
        moments.into_iter().filter_map(|moment| {
            let (from, to) = (self.0.get(moment), other.0.get(moment));
            let word = |fate: Option<&'f Fate>| fate.map_or(NOTHING, |fate| fate.word.as_str());
            let differs = word(from) != word(to);
            let moment_at = to.or(from)?.moment_at;
            differs.then(|| Difference {
                trigger: &moment.trigger,
                customer: &moment.customer,
                occurrence: &moment.occurrence,
                moment_at,
                from: word(from),
                to: word(to),
            })
        })
    }

    /// The same by trigger, sorted by name: of all that came true by one of the two.
    #[must_use]
    pub fn compared(&self, other: &Self) -> Vec<TriggerDifference> {
        let mut by_trigger: BTreeMap<&str, TriggerDifference> = BTreeMap::new();
        for (side, fates) in [(0, self), (1, other)] {
            for (moment, fate) in &fates.0 {
                let of = by_trigger.entry(&moment.trigger);
                let of = of.or_insert_with(|| TriggerDifference {
                    trigger: moment.trigger.to_string(),
                    moments: [0; 2],
                    treated: [0; 2],
                    same: 0,
                    changes: Vec::new(),
                });
                of.moments[side] += 1;
                of.treated[side] += u64::from(fate.treated);
            }
        }
        let mut changes: BTreeMap<(&str, &str, &str), (u64, BTreeSet<&str>)> = BTreeMap::new();
        for it in self.differences(other) {
            let of = changes.entry((it.trigger, it.from, it.to)).or_default();
            of.0 += 1;
            of.1.insert(it.customer);
        }
        for ((trigger, from, to), (moments, customers)) in changes {
            let Some(of) = by_trigger.get_mut(trigger) else {
                continue;
            };
            of.changes.push(Change {
                from: from.to_owned(),
                to: to.to_owned(),
                moments,
                customers: customers.len(),
                examples: customers
                    .into_iter()
                    .take(EXAMPLES)
                    .map(str::to_owned)
                    .collect(),
            });
        }
        for of in by_trigger.values_mut() {
            let differing = of.changes.iter().filter(|it| it.from != NOTHING);
            of.same = of.moments[0] - differing.map(|it| it.moments).sum::<u64>();
            of.changes.sort_by_key(|it| std::cmp::Reverse(it.moments));
        }
        by_trigger.into_values().collect()
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks for a reference to the field"
)]
fn shown<S: serde::ser::Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(time)
}
