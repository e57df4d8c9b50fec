//! Going over to other triggers.
//!
//! A customer keeps what triggers know of her that are in both sets, and loses what others knew. What a new trigger would know
//! had it always been there is filled in as far as her facts tell it ([`Kind::begin`](crate::moment::Kind::begin)). A deadline of a
//! new or changed trigger that the watermark has passed already is let go, unless the trigger says `backfill: true`: then
//! it comes true now. Going over again changes nothing.

use std::sync::Arc;

use super::customer::Customer;
use super::fold::{Expiry, Fold};
use super::{Effect, Engine};
use crate::moment::State;
use crate::time::Timestamp;
use crate::trigger::plan::Plan;

/// Customers of one call: what is written of them fits a transaction.
pub const CUSTOMERS: usize = 4_096;

/// How far a set of triggers is adopted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Adopted {
    /// The number of the first customer who has not gone over, in byte order of ids.
    pub to: usize,
    /// All have.
    pub done: bool,
    /// Somebody was changed, or decided.
    pub changed: bool,
}

impl Engine {
    /// Goes over to `plan` with up to [`CUSTOMERS`] customers from the `from`-th on. Nothing must be open or sealed; the engine
    /// works by the new plan as a whole once this was called until it is done. `now` as in [`Engine::step`].
    pub fn adopt(
        &mut self,
        plan: &Arc<Plan>,
        from: usize,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) -> Adopted {
        let seen = self.is_adopted && self.plan.waits_for_the_same(plan);
        self.plan = Arc::clone(plan);
        if seen {
            return Adopted {
                to: 0,
                done: true,
                changed: false,
            };
        }
        self.is_adopted = false;
        if from == 0 {
            // Whose tail was folded and brought nothing has not been written. She goes over as she was written, or it would
            // depend on who has looked at her by which triggers, and a restored task has not.
            self.customers.rollback();
        }
        if from == 0 || self.adopting.is_empty() {
            self.adopting = self.customers.in_order();
        }
        let first = effects.len();
        let to = self.adopting.len().min(from.saturating_add(CUSTOMERS));
        let slots = self.adopting.get(from..to).unwrap_or_default().to_vec();
        let mut changed = false;
        for slot in slots {
            changed |= self.go_over(slot, now, effects);
        }
        effects[first..].sort_by(|a, b| a.order().cmp(&b.order()));
        let done = to == self.adopting.len();
        if done {
            self.adopting = Vec::new();
            self.is_adopted = true;
        }
        Adopted { to, done, changed }
    }

    /// Whether all customers have gone over to this revision.
    #[must_use]
    pub fn works_by(&self, revision: &str) -> bool {
        self.is_adopted && self.plan.revision == revision
    }

    /// The customers, as they were restored, have all gone over to `plan` before.
    pub fn assume(&mut self, plan: &Arc<Plan>) {
        if !self.plan.waits_for_the_same(plan) {
            self.customers.schedule_all(plan);
        }
        self.plan = Arc::clone(plan);
        self.is_adopted = true;
    }

    fn go_over(&mut self, slot: u32, now: Timestamp, effects: &mut Vec<Effect>) -> bool {
        let plan = Arc::clone(&self.plan);
        let before = effects.len();
        let (working, forgotten) = self.customers.go_over(slot, &plan);
        let filled_in = plan.fill_in(&mut working.customer);
        let mut fold = Fold::adopting(&plan, now, effects);
        fold.settle(
            &mut working.customer,
            self.watermark,
            Expiry::Later,
            Timestamp::MIN,
        );
        let let_go = fold.let_go;
        let changed = forgotten || filled_in || let_go || effects.len() > before;
        working.dirty = changed;
        let look = plan.next_look(&working.customer);
        self.customers.gone_over(look);
        changed
    }
}

impl Plan {
    /// Whether the triggers are the same as far as a customer's state goes.
    fn waits_for_the_same(&self, other: &Self) -> bool {
        let said = |plan: &Self| -> Vec<(u32, u64)> {
            let mut said: Vec<_> = plan.triggers.iter().map(|it| (it.key, it.text)).collect();
            said.sort_unstable();
            said
        };
        std::ptr::eq(self, other) || said(self) == said(other)
    }

    /// Fills in what triggers that know nothing of her would know; whether there was anything.
    fn fill_in(&self, customer: &mut Customer) -> bool {
        let Customer {
            profile, states, ..
        } = customer;
        let mut any = false;
        for trigger in &self.triggers {
            let decided = match states.get(trigger.key) {
                Some(State::Gone(decided)) => Some(*decided),
                Some(_) => continue,
                None => None,
            };
            any |= states.take(trigger.key).is_some();
            if let Some(state) = trigger.kind.begin(&profile.settled, decided) {
                states.keep(trigger.key, state);
                any = true;
            }
        }
        any
    }
}
