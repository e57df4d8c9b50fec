//! Going over to other triggers.
//!
//! A customer keeps what triggers know of her that are in both sets, and loses what others knew. What a new trigger would know
//! had it always been there is filled in as far as her facts tell it ([`Kind::begin`](crate::moment::Kind::begin)). A deadline of a
//! new or changed trigger that the watermark has passed already is let go, unless the trigger says `backfill: true`: then
//! it comes true now. Going over again changes nothing.

use std::sync::Arc;

use super::customer::Customer;
use super::fold::{Expiry, Fold};
use super::sweep::{Of, Swept};
use super::{Effect, Engine};
use crate::moment::State;
use crate::time::Timestamp;
use crate::trigger::plan::Plan;

impl Engine {
    /// Goes over to `plan` with the [slice](super::sweep) from the `from`-th customer on. Nothing must be open or sealed; the engine
    /// works by the new plan as a whole once this was called until it is done. `now` as in [`Engine::step`].
    pub fn adopt(
        &mut self,
        plan: &Arc<Plan>,
        from: usize,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) -> Swept {
        let same = self.plan.waits_for_the_same(plan);
        let seen = self.is_adopted && same;
        self.works_by_plan(plan);
        if seen {
            return Swept {
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
        } else if !(same && self.sweeping.goes_on(Of::Adoption, from)) {
            // Somebody else began, or a replay passes over who had nothing to be written: they are looked at as of the triggers
            // before.
            self.customers.schedule_all(plan);
        }
        let first = effects.len();
        let swept = self.sweep(Of::Adoption, (from, None), |engine, slot| {
            engine.go_over(slot, now, effects)
        });
        effects[first..].sort_by(|a, b| a.order().cmp(&b.order()));
        self.count(first, effects);
        (self.is_adopted, self.is_halfway) = (swept.done, !swept.done);
        if swept.done {
            let plan = Arc::clone(&self.plan);
            self.learning
                .forget(|trigger| plan.by_key(trigger).is_none());
        }
        swept
    }

    /// Whether all customers have gone over to this revision.
    #[must_use]
    pub fn works_by(&self, revision: &str) -> bool {
        self.is_adopted && self.plan.revision == revision
    }

    /// The customers, as they were restored, have all gone over to `plan` before.
    pub fn assume(&mut self, plan: &Arc<Plan>) {
        if self.is_halfway || !self.plan.waits_for_the_same(plan) {
            self.customers.schedule_all(plan);
        }
        self.works_by_plan(plan);
        (self.is_adopted, self.is_halfway) = (true, false);
    }

    /// From now on it works by `plan`, and goes on with the rows that came to it.
    fn works_by_plan(&mut self, plan: &Arc<Plan>) {
        if !self.plan.is_same(plan) {
            let rows = std::mem::take(&mut Arc::make_mut(&mut self.plan).rows);
            self.plan = Arc::new(plan.with_rows(rows));
        }
    }

    fn go_over(&mut self, slot: u32, now: Timestamp, effects: &mut Vec<Effect>) -> bool {
        let plan = Arc::clone(&self.plan);
        let before = effects.len();
        let (working, forgotten) = self.customers.go_over(slot, &plan);
        let customer = &mut working.customer;
        customer.ahead.forget();
        let filled_in = plan.fill_in(customer);
        // Of the millisecond after the watermark she may have been looked at, and others not: she is asked as she was then.
        let asked_last = customer.profile.settled.segments.changed();
        let at = asked_last.map_or(self.watermark, |last| last.max(self.watermark));
        let mut fold = Fold::adopting(&plan, now, effects).learnt(&self.learning.learnt);
        let edited = fold.takes_edits(&mut customer.profile.settled, at);
        fold.settle(customer, at, Expiry::Later);
        let asked = plan.ask_all_segments(&mut customer.profile.settled, at);
        if asked {
            // Who enters and leaves as definitions change does so now.
            fold.settle(customer, at, Expiry::Later);
        }
        let let_go = fold.let_go;
        let changed = forgotten || filled_in || edited || asked || let_go || effects.len() > before;
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
            said.extend(plan.facts.iter().map(|it| (it.spec.key, it.text)));
            said.extend(plan.models.iter().map(|it| (0, it.text)));
            said.extend(plan.segments.iter().map(|it| (0, it.text)));
            said.sort_unstable();
            said
        };
        let home = |plan: &Self| plan.policy.default_timezone.clone();
        self.is_same(other) || said(self) == said(other) && home(self) == home(other)
    }

    /// Fills in what triggers that know nothing of her would know; whether there was anything.
    fn fill_in(&self, customer: &mut Customer) -> bool {
        let Customer {
            profile, states, ..
        } = customer;
        let mut any = self.forget_facts(&mut profile.settled);
        any |= self.forget_segments(&mut profile.settled);
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
