//! Two ids become one person: what is known of a former id goes over to the one that is hers.
//!
//! Both are settled up to the watermark first, so that what came true of either is decided. Then each family of facts, each state
//! of a trigger and what waits is merged by its own rule; the events beyond the watermark are settled together when it passes them.
//! What came true of both together before they were one is not made up for, as nothing that comes late is: so nothing is decided
//! twice. From then on whatever comes under the former id is hers ([`super::forwarding`]).
//!
//! An `anonymousId` beside a `userId` makes one of a visitor and a customer, never of two customers: a device that changes its user
//! stays with the first. A `previousId` says so itself.

use std::sync::Arc;

use super::customer::Customer;
use super::fold::{Expiry, Fold};
use super::{Effect, Engine};
use crate::event::{CustomerId, Event, Former, Text};
use crate::moment::State;
use crate::profile::consent::Consents;
use crate::profile::identity::Identity;
use crate::profile::section::{Local, Section};
use crate::profile::{Profile, limits};
use crate::time::{Timestamp, Zone};
use crate::trigger::plan::Plan;

/// Why two ids stay two persons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Apart {
    /// The former id is somebody else's already: a device that was another customer's first.
    Anothers,
    /// Somebody is known by the former id herself.
    BothKnown,
    /// The former id is in another partition, and tasks do not tell each other of ids: whatever is known of it there stays apart.
    Elsewhere,
}

impl Apart {
    /// The word for it in metrics and summaries.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Anothers => "anothers",
            Self::BothKnown => "both_known",
            Self::Elsewhere => "elsewhere",
        }
    }
}

impl Engine {
    /// Whose what comes under an id is by now, where that is another: a profile is nobody else's.
    pub(super) fn whose(&self, id: &str) -> Option<CustomerId> {
        if self.forwarding.is_empty() || self.customers.has_profile(id) {
            return None;
        }
        self.forwarding.whose(id).cloned()
    }

    /// An event says that she had another id so far.
    pub(super) fn unite(
        &mut self,
        event: &Event,
        former: &Former,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        let (to, at) = (&event.customer, event.time);
        match self.whose(&former.id) {
            // What comes under an id of another task is noted there.
            Some(whose) if whose == *to && self.is_elsewhere(&former.id) => {}
            Some(whose) if whose == *to => self.forwarding.used(&former.id, at),
            Some(_) => effects.push(Effect::KeptApart(Apart::Anothers)),
            None if former.id == *to => {}
            None if !former.is_alias && self.is_known(&former.id) => {
                effects.push(Effect::KeptApart(Apart::BothKnown));
            }
            None => {
                let gone = self.departs(&former.id, now, effects);
                if self.forwarding.add(&former.id, to, at) {
                    effects.push(Effect::FormerForgotten);
                }
                if let Some(mut gone) = gone {
                    gone.profile.settled.presence.known |= event.known;
                    self.arrives(to, gone, now, effects);
                    effects.push(Effect::United);
                } else if self.is_out_of_reach(&former.id) {
                    effects.push(Effect::KeptApart(Apart::Elsewhere));
                }
            }
        }
    }

    /// Whether an event said of an id that it is a customer's own.
    pub(super) fn is_known(&self, id: &str) -> bool {
        let customer = self.customers.as_she_is(id);
        customer.is_some_and(|customer| {
            let mut ahead = customer.profile.tail.events().iter();
            customer.profile.settled.presence.known || ahead.any(|tail| tail.event.known)
        })
    }

    /// Takes everything of somebody out, settled up to the watermark; none: nothing is known of her.
    pub(super) fn departs(
        &mut self,
        id: &CustomerId,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) -> Option<Customer> {
        if !self.customers.has_profile(id) {
            return None;
        }
        let plan = Arc::clone(&self.plan);
        let working = self.customers.open(id, &plan);
        let mut fold = Fold::new(&plan, now, effects).learnt(&self.learning.learnt);
        fold.settle(&mut working.customer, self.watermark, Expiry::Now);
        let mut gone = Customer::default();
        gone.profile.settled.id = working.customer.profile.settled.id.clone();
        std::mem::swap(&mut *working.customer, &mut gone);
        working.dirty = true;
        self.customers.write_soon();
        self.customers.close(Timestamp::MAX);
        (!gone.is_blank()).then_some(gone)
    }

    /// Everything that was known of another id is hers.
    pub(super) fn arrives(
        &mut self,
        id: &CustomerId,
        other: Customer,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        let plan = Arc::clone(&self.plan);
        let working = self.customers.open(id, &plan);
        let mut fold = Fold::new(&plan, now, effects).learnt(&self.learning.learnt);
        fold.settle(&mut working.customer, self.watermark, Expiry::Now);
        plan.unite(&mut working.customer, other, fold.effects);
        fold.make_room(&mut working.customer);
        fold.settle(&mut working.customer, self.watermark, Expiry::Now);
        working.dirty = true;
        let look = plan.next_look(&working.customer);
        self.customers.write_soon();
        self.customers.close(look);
    }
}

impl Plan {
    /// What was known of another id of a customer is hers; both are settled as far as time has come.
    fn unite(&self, customer: &mut Customer, mut other: Customer, effects: &mut Vec<Effect>) {
        customer.ahead.forget();
        let mut refused = |name: Text, refused: u32| {
            if refused > 0 {
                let trigger = name;
                effects.push(Effect::OpenLimit { trigger, refused });
            }
        };
        let (who, mut consent) = self.says_ahead(&customer.profile);
        let (_, others) = self.says_ahead(&other.profile);
        consent.merge(others, self.local());
        let settled = &mut customer.profile.settled;
        let facts = std::mem::take(&mut other.profile.settled.derived);
        settled.merge(other.profile.settled, &self.policy.currencies, &self.home);
        settled.consent.refuse_as(&consent);
        for fact in &self.facts {
            let made_way = settled.derived.join(&fact.spec, &facts);
            refused(
                compact_str::format_compact!("facts.{}", fact.name),
                made_way,
            );
        }
        for (key, state) in other.states {
            let (own, trigger) = (customer.states.get_mut(key), self.by_key(key));
            match (own, trigger) {
                (Some(own), Some(trigger)) => {
                    let made_way = trigger.kind.merge(own, state, settled);
                    refused(trigger.name.clone(), made_way);
                }
                (Some(State::Gone(own)), None) => {
                    *own = state.last_decided().map_or(*own, |at| at.max(*own));
                }
                (Some(_), None) => {}
                (None, _) => customer.states.keep(key, state),
            }
        }
        let id = settled.id.clone();
        if !settled.journeys.open().is_empty() {
            settled.journeys.are_of(&id);
        }
        let mut ahead = other.profile.tail.into_inner();
        // What she is known by goes before what was said of a visitor, however late.
        for traits in ahead.traits_mut() {
            who.take_out_of(traits);
        }
        customer.profile.tail.join(ahead, &id);
        customer.waiting.join(other.waiting.into_inner(), &id);
    }
}

impl Plan {
    /// What somebody says of herself, settled or not.
    fn says_ahead(&self, profile: &Profile) -> (Identity, Consents) {
        let mut who = Identity::clone(&profile.settled.identity);
        let mut consent = Consents::clone(&profile.settled.consent);
        for tail in profile.tail.events() {
            if Identity::is_written_by(&tail.event) {
                who.apply(&tail.event, self.local());
            }
            if Consents::is_written_by(&tail.event) {
                consent.apply(&tail.event, self.local());
            }
        }
        (who, consent)
    }

    fn local(&self) -> Local<'_> {
        let currencies = &self.policy.currencies;
        let (zone, address) = (&Zone::default, &|_| None);
        Local {
            zone,
            currencies,
            address,
        }
    }
}

impl Fold<'_> {
    /// Settles events before their turn, the oldest first, until no more wait than may.
    fn make_room(&mut self, customer: &mut Customer) {
        while customer.profile.tail.events().len() > limits::TAIL_EVENTS {
            self.effects.push(Effect::TailFull);
            self.fold_first(customer);
        }
    }
}
