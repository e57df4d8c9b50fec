//! What the engine asks of the plan: when to look at a customer again.

use super::customer::Customer;
use crate::event::Event;
use crate::profile::Settled;
use crate::time::Timestamp;
use crate::trigger::plan::Plan;

impl Plan {
    /// The earliest that a deadline may follow `event`, which is not settled yet. Another time zone
    /// may bring any day nearer.
    pub(super) fn looks_again(&self, event: &Event, settled: &Settled) -> Timestamp {
        let zone = event.traits.as_ref().and_then(|it| it.timezone.as_ref());
        if self.counts_days && zone.is_some() && zone != settled.identity.timezone.as_ref() {
            return event.time;
        }
        if self.moves_segments(event, settled) {
            return event.time;
        }
        // The rows of then are not kept for long.
        if !self.tables.is_empty() {
            return event.time;
        }
        if self.may_come_of(event, settled) {
            return event.time;
        }
        // Whatever she does may take her on, or out.
        if self.has_journeys && !settled.journeys.open().is_empty() {
            return event.time;
        }
        let looks = self
            .naming(event.name)
            .filter_map(|trigger| trigger.kind.looks_again(event, settled));
        let expiry = self.policy.expiry(event.time);
        looks.min().unwrap_or(Timestamp::MAX).min(expiry)
    }

    /// When a customer must be looked at next: no deadline of hers is earlier.
    pub(super) fn next_look(&self, customer: &Customer) -> Timestamp {
        let Customer {
            profile,
            states,
            waiting,
            ..
        } = customer;
        let due = states.iter().filter_map(|(key, state)| {
            let trigger = self.by_key(key)?;
            trigger.kind.due(state, &profile.settled)
        });
        let tail = profile.tail.events().iter();
        let tail = tail.map(|tail| {
            let looks = self.looks_again(&tail.event, &profile.settled);
            match customer.may_be_undone(tail) {
                true => looks.min(tail.event.time),
                false => looks,
            }
        });
        let passes = self
            .watches_segments
            .then(|| profile.settled.segments.due());
        let next = due
            .chain(tail)
            .chain(passes)
            .chain(waiting.due())
            .chain(profile.settled.journeys.due())
            .min()
            .unwrap_or(Timestamp::MAX);
        let closes = self.closes(&profile.settled);
        next.min(closes).min(self.expiry(&profile.settled))
    }

    /// When a goal counts no more for her; never where none is declared.
    pub(super) fn closes(&self, settled: &Settled) -> Timestamp {
        match self.has_goals {
            true => settled.ledger.due().min(settled.journeys.closes()),
            false => Timestamp::MAX,
        }
    }

    /// When a customer expires if she does nothing beyond what is settled.
    pub(super) fn expiry(&self, settled: &Settled) -> Timestamp {
        let last = settled.presence.last_seen;
        last.map_or(Timestamp::MAX, |last| self.policy.expiry(last))
    }
}
