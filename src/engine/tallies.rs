//! The figures of a task ([`crate::tally`]): like a profile they belong to the transaction that changes them.
//!
//! What was decided is counted with the decision. What came of a treatment is counted with the customer on whose ledger it stands: she
//! is written in the same transaction, so that the two agree after a crash, whatever is taken again.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::erasures::Record;
use super::fold::treatment;
use super::undo::Undo;
use super::{Effect, Engine};
use crate::event::Text;
use crate::money::Amount;
use crate::profile::ledger::Arm;
use crate::stored::StoredError;
use crate::tally::funnel::Funnel;
use crate::tally::kpi::Kpi;
use crate::tally::{Credits, Customers, Figures, Of, Reaction, Touch, limits};
use crate::treatment::{Decision, Outcome as Decided, Reason};
use crate::trigger::definition::key;
use crate::trigger::plan::Trigger;

/// What the changelog keys of figures begin with. No customer id has control characters.
pub const KEY: &[u8] = b"\0tally\0";
/// Version of the key. It stays: a row has one record, whatever its figures are written in.
const OF: u8 = 2;
/// Version of the value.
const VERSION: u8 = 3;

/// Figures as version 1 and 2 had them: before journeys were counted.
#[derive(Deserialize)]
struct WithoutJourneys {
    treated: u64,
    refused: BTreeMap<Text, u64>,
    withdrawn: u64,
    cost: Amount,
    reactions: BTreeMap<Reaction, u64>,
    credits: BTreeMap<Touch, Credits>,
    arms: BTreeMap<Arm, Customers>,
}

/// Rows of figures.
#[derive(Debug, Default)]
pub(super) struct Tallies {
    rows: BTreeMap<Of, Figures>,
    undo: Undo<Of, Figures>,
    /// Rows that are otherwise than they were reported; none where nobody is to be told.
    unreported: Option<BTreeSet<Of>>,
    /// Rows that are reported in the sealed transaction.
    reported: BTreeSet<Of>,
    /// There may be more than [`limits::ROWS`].
    pub is_unlimited: bool,
}

impl Tallies {
    /// Changes the rows of a trigger, of one of its treatments, and of both by each segment.
    fn change(
        &mut self,
        (trigger, generation): (&Text, u32),
        treatment: Option<&Text>,
        segments: &[Text],
        change: impl Fn(&mut Figures),
    ) {
        let segments = || std::iter::once(None).chain(segments.iter().map(Some));
        let treatments = std::iter::once(None).chain(treatment.map(Some));
        for treatment in treatments {
            for segment in segments() {
                let of = Of {
                    trigger: trigger.clone(),
                    generation,
                    treatment: treatment.cloned(),
                    segment: segment.cloned(),
                };
                let full = self.rows.len() >= limits::ROWS && !self.is_unlimited;
                if let Some(figures) = self.rows.get_mut(&of) {
                    self.undo.note(of, || Some(figures.clone()));
                    change(figures);
                } else if !full {
                    self.undo.note(of.clone(), || None);
                    change(self.rows.entry(of).or_default());
                }
            }
        }
    }

    fn decided(&mut self, decision: &Decision, cost: impl Fn(&Text) -> crate::money::Amount) {
        let (reason, command) = match &decision.outcome {
            Decided::Treat(command) => (None, Some(command)),
            Decided::Refuse(reason, command) => (Some(reason), command.as_ref()),
            Decided::Withdraw(_) => {
                let own = (&decision.trigger, decision.generation);
                return self.change(own, None, &[], |figures| figures.withdrawn += 1);
            }
        };
        let treatment = command.map(|command| treatment(command));
        let own = (&decision.trigger, decision.generation);
        let cost = treatment.as_ref().map(cost).unwrap_or_default();
        self.change(
            own,
            treatment.as_ref(),
            &decision.segments,
            |figures| match reason.map(|it: &Reason| it.word()) {
                None => {
                    figures.treated += 1;
                    figures.cost = figures.cost + cost;
                }
                Some(word) => *figures.refused.entry(word.into()).or_default() += 1,
            },
        );
    }

    // Transactions.

    /// The changelog records of what changed since the last seal.
    pub fn seal(&mut self) -> Vec<Record> {
        let (rows, unreported) = (&self.rows, &mut self.unreported);
        let record = |of: &Of| {
            if let Some(unreported) = unreported {
                unreported.insert(of.clone());
            }
            let value = rows.get(of);
            let value = value.and_then(|it| written(it, vec![VERSION]));
            Some((written(of, [KEY, &[OF]].concat())?, value))
        };
        self.undo.seal().filter_map(record).collect()
    }

    /// The rows that are otherwise than they were reported, to be reported in the sealed transaction.
    pub fn report(&mut self) -> impl Iterator<Item = (&Of, &Figures)> {
        let unreported = self.unreported.as_mut();
        self.reported = unreported.map(std::mem::take).unwrap_or_default();
        // A row that is not there was never committed.
        self.reported
            .iter()
            .filter_map(|of| self.rows.get_key_value(of))
    }

    pub fn committed(&mut self) {
        self.undo.committed();
        self.reported.clear();
    }

    pub fn rollback(&mut self) {
        if let Some(unreported) = &mut self.unreported {
            unreported.append(&mut self.reported);
        }
        self.undo.rollback(&mut self.rows);
    }

    /// Takes a changelog record in; `key` without [`KEY`].
    pub fn restore(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<(), StoredError> {
        let of: Of = match key {
            [1 | OF, rest @ ..] => read(rest)?,
            other => return Err(unknown(other, OF)),
        };
        // Whoever had it before may not have reported it.
        if let Some(unreported) = &mut self.unreported {
            unreported.insert(of.clone());
        }
        match value {
            Some(value) => self.rows.insert(of, figures(value)?),
            None => self.rows.remove(&of),
        };
        Ok(())
    }
}

impl Engine {
    /// The figures so far, committed or not, by what they count.
    pub fn figures(&self) -> impl Iterator<Item = (&Of, &Figures)> {
        self.tallies.rows.iter()
    }

    /// What triggers are measured by, with the figures of those who have any.
    pub fn kpis(&self) -> impl Iterator<Item = (&Trigger, &Kpi, Option<&Figures>)> {
        let triggers = self.plan.triggers.iter();
        triggers.filter_map(|trigger| {
            let of = Of {
                trigger: trigger.name.clone(),
                generation: trigger.generation,
                treatment: None,
                segment: None,
            };
            let kpi = trigger.kpi.as_ref()?;
            Some((trigger, kpi, self.tallies.rows.get(&of)))
        })
    }

    /// This engine, where its figures are to be [reported](Self::report_figures). For an engine that nothing was told yet.
    #[must_use]
    pub fn reporting(mut self, reports: bool) -> Self {
        self.tallies.unreported = reports.then(BTreeSet::new);
        self
    }

    /// Whether there are figures otherwise than they were reported.
    pub fn has_figures_to_report(&self) -> bool {
        let unreported = self.tallies.unreported.as_ref();
        unreported.is_some_and(|unreported| !unreported.is_empty())
    }

    /// The figures that are otherwise than they were reported, as they belong to what was sealed last.
    pub fn report_figures(&mut self) -> impl Iterator<Item = (&Of, &Figures)> {
        self.tallies.report()
    }

    /// Counts what follows from an input, from the `first` effect on, and notes whose the codes are that it gave.
    pub(super) fn count(&mut self, first: usize, effects: &mut Vec<Effect>) {
        self.give_codes(first, effects);
        self.learn(&effects[first..]);
        for effect in &effects[first..] {
            match effect {
                // What is taken again was counted when it was decided.
                Effect::Decided(decision) if self.again.is_none() => {
                    let plan = &self.plan;
                    self.tallies.decided(decision, |treatment| {
                        let trigger = plan.by_key(key(&decision.trigger, decision.generation));
                        let mut choices = trigger.into_iter().flat_map(Trigger::choices);
                        let is_it = |channel: &str, template: &str| {
                            treatment.split_once('/') == Some((channel, template))
                        };
                        let choice = choices.find(|it| is_it(&it.channel, &it.template));
                        choice.map(|it| it.cost).unwrap_or_default()
                    });
                }
                // Of who is not written yet, nothing that came was counted for good.
                Effect::Came(outcome) => {
                    let (trigger, generation) = &outcome.trigger;
                    self.tallies.change(
                        (trigger, *generation),
                        outcome.treatment.as_ref(),
                        &outcome.segments,
                        |figures| figures.take(&outcome.change),
                    );
                    self.customers
                        .flush
                        .extend(self.customers.find(&outcome.customer));
                }
                Effect::Decided(_)
                | Effect::Held { .. }
                | Effect::Went { .. }
                | Effect::Duplicate
                | Effect::Referred(_)
                | Effect::Transferred { .. }
                | Effect::Seeded(_)
                | Effect::Late { .. }
                | Effect::Erased
                | Effect::DroppedAsErased
                | Effect::Expired(_)
                | Effect::TailFull
                | Effect::OutsideAudience { .. }
                | Effect::Orphaned(_)
                | Effect::United
                | Effect::KeptApart(_)
                | Effect::FormerForgotten
                | Effect::Rejected(_)
                | Effect::OpenLimit { .. } => {}
            }
        }
    }
}

fn written(value: &impl Serialize, before: Vec<u8>) -> Option<Vec<u8>> {
    postcard::to_extend(value, before).ok()
}

fn figures(bytes: &[u8]) -> Result<Figures, StoredError> {
    match bytes {
        // Version 1 knew of no codes that were redeemed.
        [1 | 2, rest @ ..] => Ok(read::<WithoutJourneys>(rest)?.into()),
        [VERSION, rest @ ..] => read(rest),
        other => Err(unknown(other, VERSION)),
    }
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, StoredError> {
    Ok(postcard::from_bytes(bytes)?)
}

fn unknown(bytes: &[u8], known: u8) -> StoredError {
    match bytes {
        [found, ..] => StoredError::newer("the figures of a task", *found, known),
        [] => StoredError::Damaged("figures without a version".to_owned()),
    }
}

impl From<WithoutJourneys> for Figures {
    fn from(before: WithoutJourneys) -> Self {
        Self {
            treated: before.treated,
            refused: before.refused,
            withdrawn: before.withdrawn,
            cost: before.cost,
            reactions: before.reactions,
            credits: before.credits,
            arms: before.arms,
            journey: Funnel::default(),
        }
    }
}
