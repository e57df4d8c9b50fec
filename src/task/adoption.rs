//! Going over to another set of triggers, between two transactions.
//!
//! What must stay true: no transaction is decided by two sets; a task never goes back to an older set than its log has seen; what
//! is journaled replays the same. So nothing is open or under way when it begins, no record is taken until it is done, and each
//! transaction of it says which customers it went over, and the task record says how far it is. Where the record does not say (an
//! older program's), or says it of another set, it begins again: it changes nothing where it was done before.

use super::core::{Core, Swept};
use super::journal::{Slice, Step};
use super::record::Sweep;
use super::transaction::Open;
use super::{Action, Report, Task};
use crate::time::Timestamp;
use crate::trigger::revision;

/// Behind a revision in the task record: not every customer has gone over to it.
const HALFWAY: char = '*';

/// A set of triggers to go over to.
#[derive(Debug)]
pub(super) struct Offer<P> {
    pub revision: String,
    pub plan: P,
    /// It was said that the log has seen a newer one.
    reported: bool,
}

impl<P> Offer<P> {
    pub fn new(revision: String, plan: P) -> Self {
        Self {
            revision,
            plan,
            reported: false,
        }
    }
}

impl<C: Core> Task<C> {
    /// There is another set of triggers: it is taken up as soon as nothing is open or under way.
    pub fn offer(&mut self, clock: Timestamp, revision: String, plan: C::Plan) {
        self.clock = self.clock.max(clock);
        if revision::number(&revision) >= revision::number(&self.offered.revision) {
            self.offered = Offer::new(revision, plan);
            self.sweeps.remove(&Sweep::Adoption);
            // The log was ahead.
            if !self.is_offered_another() {
                self.core.assume(&self.offered.plan);
            }
        }
        self.commit_if_due();
    }

    /// The revision that customers are decided by; before the first transaction of a task none.
    pub fn revision(&self) -> &str {
        &self.adopted
    }

    /// Whether the log has seen a newer set than this process was offered: the task waits for it.
    pub fn is_behind(&self) -> bool {
        revision::number(&self.adopted) > revision::number(&self.offered.revision)
    }

    /// The revision that decides what is in the open transaction.
    pub(super) fn deciding(&self) -> &str {
        if self.is_going_over() {
            &self.offered.revision
        } else {
            &self.adopted
        }
    }

    /// What the task record says: while customers go over, what they go over to, marked, so that nobody goes back and the next goes
    /// on.
    pub(super) fn recorded(&self) -> String {
        if self.is_going_over() {
            self.halfway()
        } else {
            self.adopted.clone()
        }
    }

    fn is_going_over(&self) -> bool {
        self.sweeps.contains_key(&Sweep::Adoption)
    }

    fn halfway(&self) -> String {
        format!("{}{HALFWAY}", self.offered.revision)
    }

    pub(super) fn is_offered_another(&self) -> bool {
        self.adopted != self.offered.revision
    }

    /// The state is the log's: which set it was adopted by is in the record.
    pub(super) fn assume(&mut self) {
        let record = self.durable.as_ref();
        self.adopted = record
            .map(|record| record.revision.clone())
            .unwrap_or_default();
        let unfinished = record.map(|record| record.unfinished.sweeps.clone());
        self.sweeps = unfinished.unwrap_or_default();
        if self.adopted != self.halfway() {
            self.sweeps.remove(&Sweep::Adoption);
        }
        if !self.is_offered_another() {
            self.core.assume(&self.offered.plan);
        }
    }

    /// Goes over to what is offered, for as many customers as one transaction may carry; `false` when that has to wait.
    pub(super) fn adopt(&mut self) -> bool {
        if self.is_behind() {
            if !std::mem::replace(&mut self.offered.reported, true) {
                self.order(Action::Report(Report::NewerRevision {
                    log: self.adopted.clone(),
                    offered: self.offered.revision.clone(),
                }));
            }
            return false;
        }
        let open = self.open.as_ref().is_some_and(|open| !open.is_idle());
        if self.in_flight.is_some() || open || !self.has_offset() {
            return false;
        }
        let journaled = self.durable.as_ref().map(|record| record.revision.as_str());
        if self.open.is_some() && journaled.unwrap_or_default() != self.adopted {
            // Time moved by triggers that the journal has not named, as going over to them changed nobody. What they did not
            // decide then, the set before might have: they are named first.
            self.commit();
            return true;
        }
        if self.unwritten().is_some() {
            // They go over as they are written.
            self.commit();
            return true;
        }
        let mut step = Step::begin(self.read_clock());
        let mut effects = Vec::new();
        let from = self.swept(Sweep::Adoption);
        let Swept { to, done, changed } =
            self.core
                .adopt(&self.offered.plan, from, step.now, &mut effects);
        self.sweeps.insert(Sweep::Adoption, to);
        if done {
            self.sweeps.remove(&Sweep::Adoption);
            self.adopted = self.offered.revision.clone();
        }
        if changed {
            step.watermark = self.watermarks.task();
            step.adopt = Some(Slice { from, to });
            let delays = self.settings.delays;
            let open = self.open.get_or_insert_with(|| Open::new(delays));
            open.waited(self.clock);
            self.end(step, effects);
            self.commit();
        }
        true
    }
}
