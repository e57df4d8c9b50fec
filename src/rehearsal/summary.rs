//! What a rehearsal counted.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde::Serialize;
use serde::ser::Serializer;

use super::expected::Expected;
use super::forecast::Forecast;
use crate::decode::{Defect, EVENT_NAME};
use crate::engine::{Effect, Engine};
use crate::event::record::Reject;
use crate::event::{CustomerId, Event};
use crate::population::score::Score;
use crate::referral::Refusal;
use crate::tally::{Figures, Of};
use crate::time::Timestamp;
use crate::treatment::{Outcome, Reason, Undone};
use crate::trigger::plan::Plan;

/// The counts of a rehearsal; as JSON, what scripts read.
#[derive(Debug, Serialize)]
pub struct Summary {
    /// Records that are events, duplicates and late ones among them.
    pub events: u64,
    /// Distinct customers of those events.
    pub customers: usize,
    /// The earliest event time.
    #[serde(serialize_with = "shown")]
    pub from: Option<Timestamp>,
    /// The latest that is believed.
    #[serde(serialize_with = "shown")]
    pub until: Option<Timestamp>,
    /// Events whose message id was seen before.
    pub duplicates: u64,
    /// Events at or behind the watermark.
    pub late: u64,
    /// Erasures of customers.
    pub erased: u64,
    /// Events that were not after the erasure of their customer, and dropped.
    pub dropped_as_erased: u64,
    /// Customers who were removed because they were idle for so long.
    pub expired: u64,
    /// Former ids of which what was known became a customer's.
    pub united: u64,
    /// Former ids that were not taken for the customer's, by reason.
    pub kept_apart: BTreeMap<&'static str, u64>,
    /// Codes of others that customers brought, by what became of it.
    pub referrals: BTreeMap<&'static str, u64>,
    /// Records that are no events, by reason.
    pub rejected: BTreeMap<&'static str, u64>,
    /// What stood in the first of them that says who or what it was of, by reason.
    pub rejected_examples: BTreeMap<&'static str, String>,
    /// Parts of events that could not be read, by name.
    pub defects: BTreeMap<String, DefectSummary>,
    /// Events by a name that nobody declared, by that name; of more than [`NAMES`] names the first.
    pub undeclared_events: BTreeMap<String, u64>,
    /// Events that lay ahead of their own append, and were set back to it.
    pub set_back: u64,
    /// How long it took.
    pub elapsed_seconds: f64,
    /// By trigger, sorted by name.
    pub triggers: Vec<TriggerSummary>,
    /// What is hardly meant, in sentences.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// How well triggers do, where the truth is known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scores: Vec<Score>,
    /// What would be sent when, by channel; where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forecast: Option<Vec<Forecast>>,
    /// What treatments may bring by what was measured, by trigger; where a report was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<Vec<Expected>>,
    /// What triggers did and what came of it.
    #[serde(skip)]
    pub figures: BTreeMap<Of, Figures>,
    #[serde(skip)]
    seen: HashSet<CustomerId>,
}

/// The most names of events that nobody declared, as a producer may make them up.
pub const NAMES: usize = 100;

/// Parts of events of one name that could not be read.
#[derive(Debug, Serialize)]
pub struct DefectSummary {
    /// How many.
    pub count: u64,
    /// What was expected.
    pub expected: &'static str,
    /// What stood where the first of them was.
    pub example: String,
}

/// The counts of one trigger.
#[derive(Debug, Serialize)]
pub struct TriggerSummary {
    /// Its name.
    pub trigger: String,
    /// Moments that came true.
    pub moments: u64,
    /// Distinct customers of those moments.
    pub customers: usize,
    /// Deadlines armed beyond the end of the input.
    pub open: usize,
    /// Moments treated.
    pub treatments: u64,
    /// Moments refused, by reason.
    #[serde(serialize_with = "by_reason")]
    pub refused: BTreeMap<Reason, u64>,
    /// Treatments taken back, by reason.
    #[serde(serialize_with = "by_why")]
    pub withdrawn: BTreeMap<Undone, u64>,
    #[serde(skip)]
    seen: HashSet<CustomerId>,
}

impl TriggerSummary {
    /// Whether its audience was asked, and nobody met it.
    fn is_met_by_nobody(&self) -> bool {
        let before = self.refused.range(..Reason::Audience);
        let before = before.map(|(_, count)| count).sum();
        let asked = self.moments.saturating_sub(before);
        asked > 0 && self.refused.get(&Reason::Audience) == Some(&asked)
    }
}

impl Summary {
    /// Nothing counted yet.
    pub(super) fn new<'a>(plans: impl IntoIterator<Item = &'a Plan>) -> Self {
        let names: BTreeSet<&str> = plans
            .into_iter()
            .flat_map(|plan| &plan.triggers)
            .map(|trigger| trigger.name.as_str())
            .collect();
        let triggers = names
            .into_iter()
            .map(|name| TriggerSummary {
                trigger: name.to_owned(),
                moments: 0,
                customers: 0,
                open: 0,
                treatments: 0,
                refused: BTreeMap::new(),
                withdrawn: BTreeMap::new(),
                seen: HashSet::new(),
            })
            .collect();
        Self {
            events: 0,
            customers: 0,
            from: None,
            until: None,
            duplicates: 0,
            late: 0,
            erased: 0,
            dropped_as_erased: 0,
            expired: 0,
            united: 0,
            kept_apart: BTreeMap::new(),
            referrals: BTreeMap::new(),
            rejected: BTreeMap::new(),
            rejected_examples: BTreeMap::new(),
            defects: BTreeMap::new(),
            undeclared_events: BTreeMap::new(),
            set_back: 0,
            elapsed_seconds: 0.0,
            triggers,
            warnings: Vec::new(),
            scores: Vec::new(),
            forecast: None,
            expected: None,
            figures: BTreeMap::new(),
            seen: HashSet::new(),
        }
    }

    /// Counts an event.
    pub(super) fn event(&mut self, event: &Event) {
        self.events += 1;
        self.from = Some(self.from.map_or(event.time, |from| from.min(event.time)));
        self.until = self.until.max(Some(event.time));
        if !self.seen.contains(&event.customer) {
            self.seen.insert(event.customer.clone());
        }
    }

    pub(super) fn reject(&mut self, reject: &Reject) {
        *self.rejected.entry(reject.word()).or_default() += 1;
        let example = self.rejected_examples.entry(reject.word());
        example.or_insert_with(|| reject.to_string());
    }

    pub(super) fn defects(&mut self, defects: &[Defect]) {
        for defect in defects {
            let known = self.defects.entry(defect.name.to_string());
            let known = known.or_insert_with(|| DefectSummary {
                count: 0,
                expected: defect.expected,
                example: defect.found.to_string(),
            });
            known.count += 1;
            if defect.name == EVENT_NAME {
                self.undeclared(defect.found.trim_matches('`'));
            }
        }
    }

    fn undeclared(&mut self, name: &str) {
        if let Some(count) = self.undeclared_events.get_mut(name) {
            *count += 1;
        } else if self.undeclared_events.len() < NAMES {
            self.undeclared_events.insert(name.to_owned(), 1);
        }
    }

    pub(super) fn effect(&mut self, effect: Effect) {
        match effect {
            Effect::Duplicate => self.duplicates += 1,
            Effect::Rejected(reject) => self.reject(&reject),
            Effect::Late { .. } => self.late += 1,
            Effect::Erased => self.erased += 1,
            Effect::DroppedAsErased => self.dropped_as_erased += 1,
            Effect::Expired(customers) => self.expired += customers,
            Effect::United => self.united += 1,
            Effect::Referred(refused) => {
                let outcome = refused.map_or("accepted", Refusal::word);
                *self.referrals.entry(outcome).or_default() += 1;
            }
            Effect::KeptApart(why) => *self.kept_apart.entry(why.word()).or_default() += 1,
            // What waits is counted when it is decided.
            Effect::TailFull
            | Effect::FormerForgotten
            | Effect::Transferred { .. }
            | Effect::Seeded(_)
            | Effect::OpenLimit { .. }
            | Effect::OutsideAudience { .. }
            | Effect::Came(_)
            | Effect::Went { .. }
            | Effect::Orphaned(_)
            | Effect::Held { .. } => {}
            Effect::Decided(decision) => {
                let Ok(at) = self
                    .triggers
                    .binary_search_by(|t| t.trigger.as_str().cmp(&decision.trigger))
                else {
                    return;
                };
                let trigger = &mut self.triggers[at];
                match decision.outcome {
                    Outcome::Treat(_) => trigger.treatments += 1,
                    Outcome::Refuse(reason, _) => *trigger.refused.entry(reason).or_default() += 1,
                    Outcome::Withdraw(withdrawal) => {
                        *trigger.withdrawn.entry(withdrawal.reason).or_default() += 1;
                        return;
                    }
                }
                trigger.moments += 1;
                trigger.seen.insert(decision.customer);
            }
        }
    }

    /// An engine has [ended](Engine::ends), with so many deadlines armed by trigger. There may be others.
    pub(super) fn end(&mut self, engine: &Engine, open: &[usize]) {
        self.customers = self.seen.len();
        for (of, figures) in engine.figures() {
            self.figures.entry(of.clone()).or_default().add(figures);
        }
        for (trigger, open) in engine.plan().triggers.iter().zip(open) {
            if let Some(summary) = self
                .triggers
                .iter_mut()
                .find(|t| t.trigger == trigger.name.as_str())
            {
                summary.open += open;
            }
        }
        for trigger in &mut self.triggers {
            trigger.customers = trigger.seen.len();
        }
        let unmet = self.triggers.iter().filter(|it| it.is_met_by_nobody());
        self.warnings = unmet
            .map(|it| {
                let (name, moments) = (&it.trigger, it.moments);
                format!("{name}: nobody of those for whom it came true, {moments} in all, was in its audience")
            })
            .collect();
    }
}

#[expect(clippy::ref_option, reason = "serde asks for a reference to the field")]
fn shown<S: Serializer>(time: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => serializer.collect_str(time),
        None => serializer.serialize_none(),
    }
}

fn by_reason<S: Serializer>(
    refused: &BTreeMap<Reason, u64>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(refused.iter().map(|(reason, count)| (reason.word(), count)))
}

fn by_why<S: Serializer>(
    withdrawn: &BTreeMap<Undone, u64>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(withdrawn.iter().map(|(why, count)| (why.word(), count)))
}
