//! Seeds: what a new trigger would know of a customer had it been there from the start, told by who has her history.
//!
//! An engine that [gathers](Engine::gathering) folds the history, and [tells](Engine::seed) of each customer what triggers, facts and
//! segments know of her as of her last event. The engine that works on what happens now takes it in place of what it has gathered
//! itself, where her last settled event is the one with which the seed ends, and the history begins no later than what is known of
//! her. Nothing has happened in between then, but that time has passed: that is made up for, and what came true meanwhile is let go,
//! unless the trigger says `backfill: true` and knew nothing of her.
//!
//! What must stay true: taking a seed once more changes nothing. So who sends seeds need not know which of them came.

use std::sync::Arc;

use super::customer::Customer;
use super::fold::{Expiry, Fold};
use super::seed::{Seed, Seeded, fits};
use super::transfer::Transfer;
use super::{Effect, Engine, packed};
use crate::event::{CustomerId, Event};
use crate::profile::Settled;
use crate::time::Timestamp;

impl Engine {
    // Whoever has the history.

    /// The same, to fold a history and nothing more: nobody is looked at as time passes, but when she does something next. So each is
    /// known as of her last event. What comes true is decided as ever, for the caller to forget.
    #[must_use]
    pub fn gathering(mut self) -> Self {
        self.gathers = true;
        self
    }

    /// Everybody of whom something is known, in byte order of ids.
    #[must_use]
    pub fn ids(&self) -> Vec<CustomerId> {
        self.customers.ids_in_order()
    }

    /// What the triggers with these keys know of a customer, as of the last of her events, or of the last until `until`, sent at `sent`
    /// by a `run`. None: nothing is known of her, or more than until then.
    #[must_use]
    pub fn seed(
        &self,
        id: &CustomerId,
        triggers: &[u32],
        until: Option<Timestamp>,
        (run, sent): (u64, Timestamp),
    ) -> Option<Transfer> {
        let mut customer = self.customers.as_she_is(id)?;
        let ahead = customer.profile.tail.events();
        let last = ahead.last().map(|tail| tail.event.time);
        let last = until.or(last).unwrap_or(Timestamp::MIN);
        let settled = last_seen(&customer.profile.settled);
        if until.is_some_and(|until| until < settled) {
            return None;
        }
        let mut effects = Vec::new();
        let mut fold = Fold::new(&self.plan, self.watermark, &mut effects);
        fold.settle(&mut customer, last.max(settled), Expiry::Later);
        let mut page = Customer::default();
        let from = customer.profile.settled;
        let to = &mut page.profile.settled;
        (to.presence, to.derived, to.segments) = (from.presence, from.derived, from.segments);
        page.states = customer.states.only(|key| triggers.contains(&key));
        let defined = |key: &u32| {
            let trigger = self.plan.by_key(*key)?;
            Some((*key, self.plan.defined(trigger)))
        };
        Some(Transfer::seed(Seed {
            customer: id.clone(),
            run,
            sent,
            triggers: triggers.iter().filter_map(defined).collect(),
            page: packed::seal(id, packed::pack(&page, Timestamp::MAX, 0)),
        }))
    }

    // Whoever works on what happens now.

    /// Takes a seed in, and answers it.
    pub(super) fn seeded(&mut self, seed: &Seed, now: Timestamp, effects: &mut Vec<Effect>) {
        if self.again.is_some() && self.has_behind(self.customers.find(&seed.customer)) {
            return;
        }
        let seeded = self.take_seed(seed, now, effects);
        effects.push(Effect::Seeded(seeded));
        self.answer_seed(seed, seeded, effects);
    }

    fn take_seed(&mut self, seed: &Seed, now: Timestamp, effects: &mut Vec<Effect>) -> Seeded {
        let plan = Arc::clone(&self.plan);
        let Ok(page) = seed.says() else {
            return Seeded::Unreadable;
        };
        let is_defined = |(key, defined): &(u32, u64)| {
            let trigger = plan.by_key(*key);
            trigger.is_some_and(|it| plan.defined(it) == *defined)
        };
        if !seed.triggers.iter().all(is_defined) {
            return Seeded::Defined;
        }
        if !self.customers.has_profile(&seed.customer) {
            return Seeded::Unknown;
        }
        let began = page.profile.settled.presence.first_seen;
        if self
            .erasures
            .covers(&seed.customer, began.unwrap_or(Timestamp::MIN))
        {
            return Seeded::Erased;
        }
        let working = self.customers.open(&seed.customer, &plan);
        let customer = &mut *working.customer;
        let mut fold = Fold::new(&plan, now, effects).learnt(&self.learning.learnt);
        fold.settle(customer, self.watermark, Expiry::Now);
        let seeded = match customer.is_blank() {
            true => Seeded::Unknown,
            false => fits(&customer.profile.settled, &page.profile.settled),
        };
        if seeded == Seeded::Taken {
            let keys: Vec<u32> = seed.triggers.iter().map(|(key, _)| *key).collect();
            let new = customer.sow(page, &keys);
            let mut fold = Fold::seeding(&plan, now, effects, &new).learnt(&self.learning.learnt);
            fold.settle(customer, self.watermark, Expiry::Later);
            if plan.ask_all_segments(&mut customer.profile.settled, self.watermark) {
                fold.settle(customer, self.watermark, Expiry::Later);
            }
        }
        working.dirty = true;
        let look = plan.next_look(&working.customer);
        self.customers.close(look);
        seeded
    }
}

impl Customer {
    /// Knows what `page` does of these triggers, and of all facts and segments; of which of the triggers nothing was known.
    fn sow(&mut self, page: Customer, keys: &[u32]) -> Vec<u32> {
        let settled = &mut self.profile.settled;
        let from = page.profile.settled;
        (settled.derived, settled.segments) = (from.derived, from.segments);
        let known: Vec<bool> = keys
            .iter()
            .map(|key| self.states.take(*key).is_some())
            .collect();
        for (key, state) in page.states {
            self.states.keep(key, state);
        }
        self.ahead.forget();
        let new = keys.iter().zip(known).filter(|(_, known)| !known);
        new.map(|(key, _)| *key).collect()
    }
}

/// Up to when somebody is settled at most before an event of hers: she is known as of one that has come, and no deadline behind it.
pub(super) fn settles_until(settled: &Settled, event: &Event) -> Timestamp {
    event.time.plus(-1).max(last_seen(settled))
}

fn last_seen(settled: &Settled) -> Timestamp {
    settled.presence.last_seen.unwrap_or(Timestamp::MIN)
}
