//! Time moves, in pieces.
//!
//! A calendar makes everybody of a time zone due at one instant, and an outage leaves many instants to be caught up with. So time
//! moves as far as [`Engine::due_max`] customers are due; where more are due in one millisecond, they are looked at in byte order of
//! ids, and the watermark stays before it until all were. Who was looked at is not due any more: what was committed in between needs
//! no place kept. What is decided, and in which order, does not depend on where a piece ended.

use std::sync::Arc;

use super::customer::Customer;
use super::customers::Slot;
use super::fold::{Expiry, Fold};
use super::{Effect, Engine};
use crate::event::Text;
use crate::tally::Change;
use crate::time::Timestamp;

/// How far time has moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moved {
    /// Where it stands: nothing at or before is still to be done.
    pub watermark: Timestamp,
    /// For so many customers something came true in the millisecond after it, in byte order of ids; there are more.
    pub beyond: u64,
    /// It is where it was to move.
    pub done: bool,
}

/// How far a customer is looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Until {
    /// Up to here.
    pub watermark: Timestamp,
    /// Whether one who has expired is removed.
    pub expiry: Expiry,
    /// It lies beyond the engine's watermark, and others are still to be looked at by then: a replay may not come so far.
    is_within: bool,
}

impl Until {
    /// All who are due by then are looked at.
    pub fn reached(watermark: Timestamp) -> Self {
        Self {
            watermark,
            expiry: Expiry::Later,
            is_within: false,
        }
    }

    fn within(instant: Timestamp) -> Self {
        Self {
            is_within: true,
            ..Self::reached(instant)
        }
    }
}

impl Engine {
    /// Moves time towards `to` by one piece. To be called again until it is done, and no event is to be taken before that, though
    /// transactions may be sealed. `now` as in [`Engine::step`].
    pub fn advance(&mut self, to: Timestamp, now: Timestamp, effects: &mut Vec<Effect>) -> Moved {
        let mut beyond = 0;
        if self.gathers {
            self.watermark = self.watermark.max(to);
        } else if self.goes_by_instants() {
            beyond = self.advance_by_instants(to, now, effects);
        } else if to > self.watermark {
            let first = effects.len();
            if !self.customers.is_within_instant()
                && let Some((reached, due)) = self.customers.due(self.watermark, to, self.due_max)
            {
                for slot in due {
                    self.look(slot, Until::reached(reached), now, effects);
                }
                self.reach(reached, now, effects);
            } else {
                beyond = self.look_within_instant(self.due_max, u64::MAX, now, effects);
                if !self.customers.is_within_instant() {
                    beyond = 0;
                    self.reach(self.watermark.plus(1), now, effects);
                }
            }
            // However the customers were found.
            effects[first..].sort_by(|a, b| a.order().cmp(&b.order()));
            self.count(first, effects);
        }
        Moved {
            watermark: self.watermark,
            beyond,
            done: self.watermark >= to,
        }
    }

    /// Moves time towards `to` from one instant to the next at which anybody is due, or has a turn, as far as one piece may; of the last
    /// instant, where it is not over, for how many something came true.
    fn advance_by_instants(
        &mut self,
        to: Timestamp,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) -> u64 {
        let mut looks = 0;
        while to > self.watermark && looks < self.due_max {
            let Some(instant) = self.next_instant(now).filter(|instant| *instant <= to) else {
                self.reach(to, now, effects);
                break;
            };
            self.watermark = instant.plus(-1);
            let first = effects.len();
            let due = match self.customers.is_within_instant() {
                true => None,
                false => self.customers.due(self.watermark, instant, self.due_max),
            };
            if let Some((_, due)) = due {
                looks += due.len();
                for slot in due {
                    self.look(slot, Until::reached(instant), now, effects);
                }
                // However the customers were found.
                effects[first..].sort_by(|a, b| a.order().cmp(&b.order()));
            } else {
                let came = self.look_within_instant(self.due_max, u64::MAX, now, effects);
                if self.customers.is_within_instant() {
                    self.count(first, effects);
                    return came;
                }
                looks = self.due_max;
            }
            self.count(first, effects);
            let first = effects.len();
            looks += self.give_turns(instant, now, effects);
            self.count(first, effects);
            self.reach(instant, now, effects);
        }
        0
    }

    /// The next instant at which anybody is due, or by the clock `now` has a turn.
    fn next_instant(&self, now: Timestamp) -> Option<Timestamp> {
        let look = self.customers.next_look().into_iter();
        let next = look.chain(self.next_turn_at(now)).min();
        next.map(|next| next.max(self.watermark.plus(1)))
    }

    /// Moves time to `watermark`, and beyond it as far as [`Moved::beyond`] said: what a replay does.
    pub fn advance_beyond(
        &mut self,
        watermark: Timestamp,
        beyond: u64,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        while !self.advance(watermark, now, effects).done {}
        if beyond > 0 && !self.customers.is_within_instant() {
            self.customers.gather(self.watermark.plus(1));
        }
        let first = effects.len();
        self.look_within_instant(usize::MAX, beyond, now, effects);
        self.count(first, effects);
    }

    /// Looks at up to `most` of those who are due in the millisecond after the watermark, until something came true for `came` of
    /// them; for how many it did.
    fn look_within_instant(
        &mut self,
        most: usize,
        came: u64,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) -> u64 {
        let instant = self.watermark.plus(1);
        let (mut looks, mut found) = (0, 0);
        while looks < most
            && found < came
            && let Some(slot) = self.customers.next_of_instant()
        {
            looks += 1;
            let before = effects.len();
            let changed = self.customers.changed_already(slot);
            self.look(slot, Until::within(instant), now, effects);
            // What else may come of a look depends on when she was looked at before.
            if effects[before..].iter().any(Effect::is_of_a_moment) {
                found += 1;
            } else if let Some(customer) = changed {
                // What is written of her now is settled up to the watermark and no further, as a replay writes it, which does
                // not know of this look.
                self.customers.put_back_as(slot, customer);
                effects.truncate(before);
            }
        }
        found
    }

    /// All who were due by `watermark` were looked at.
    fn reach(&mut self, watermark: Timestamp, now: Timestamp, effects: &mut Vec<Effect>) {
        self.watermark = self.watermark.max(watermark);
        for slot in self.customers.expired(self.expiries_max) {
            let until = Until {
                expiry: Expiry::Now,
                ..Until::reached(self.watermark)
            };
            self.look(slot, until, now, effects);
        }
        let memory = self.plan.policy.erasure_memory_ms;
        self.erasures.forget(self.watermark.plus(-memory));
        self.forwarding.reach(self.watermark);
    }

    /// Looks at a customer whose time may have come.
    fn look(&mut self, slot: Slot, until: Until, now: Timestamp, effects: &mut Vec<Effect>) {
        self.look_and(slot, (until, None), now, effects, |_, _| {});
    }

    /// The same, where it is her turn by a channel, with that, and then shows her what `show` does, unless she is to be removed;
    /// whether anything came of it.
    pub(super) fn look_and(
        &mut self,
        slot: Slot,
        (until, turn): (Until, Option<&Text>),
        now: Timestamp,
        effects: &mut Vec<Effect>,
        show: impl FnOnce(&mut Fold<'_>, &mut Customer),
    ) -> bool {
        if self.has_behind(Some(slot)) {
            // She is due since, if she is at all.
            self.customers.put_back(slot);
            return false;
        }
        let plan = Arc::clone(&self.plan);
        let working = self.customers.look_at(slot, &plan);
        let before = effects.len();
        let fold = Fold::new(&plan, now, effects).learnt(&self.learning.learnt);
        let mut fold = match turn {
            Some(channel) => fold.with_turn(channel),
            None => fold,
        };
        let settling = fold.settle(&mut working.customer, until.watermark, until.expiry);
        if !settling.expires {
            show(&mut fold, &mut working.customer);
        }
        // What only folded its tail is folded again when it is next opened: nothing to write. What was asked in vain would be asked
        // again each time.
        let asked = fold.asked_in_vain && !until.is_within;
        let changed = effects.len() > before;
        // But where it asked for rows of tables: those of then are not kept for long.
        let asked_rows = settling.any && !plan.tables.is_empty();
        working.dirty |= changed || asked || asked_rows && !until.is_within;
        let mut look = plan.next_look(&working.customer);
        if asked_rows && until.is_within && !changed {
            look = look.min(until.watermark.plus(1));
        }
        if settling.expires {
            self.customers.expires(look);
        } else {
            self.customers.looked_at(look);
        }
        changed
    }
}

impl Effect {
    /// Whether a moment came true, or somebody went on in a journey, took a way, or met a goal or not after one.
    fn is_of_a_moment(&self) -> bool {
        match self {
            Self::Decided(_) | Self::Held { .. } | Self::Went { .. } => true,
            Self::Came(outcome) => matches!(outcome.change, Change::Passed(_)),
            _ => false,
        }
    }

    /// Where an effect of an advance stands: decisions by when they were asked and by customer, before them what
    /// could not be opened, by trigger and number.
    pub(super) fn order(&self) -> (Option<Timestamp>, &str, u32) {
        match self {
            Self::Decided(decision) => (Some(decision.asked_at), &decision.customer, 0),
            Self::OpenLimit { trigger, refused } => (None, trigger, *refused),
            Self::Came(outcome) => (None, &outcome.customer, 0),
            Self::Went { customer, .. } => (None, customer, 1),
            _ => (None, "", 0),
        }
    }
}
