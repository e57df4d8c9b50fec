//! A code that one customer was given and another brings: of whose friend it makes her, and what both are told.
//!
//! Whose a code is, is kept as whose a former id is ([`super::forwarding`]), in the task where the code would live were it an id: it is
//! told so in the transaction of the command that gives the code. The task of an event that brings a code asks that one, and goes on with
//! the event when it has the answer; meanwhile time does not pass it ([`super::transfer`]). Then it is decided here, where all is known of
//! the friend, and what follows is an event of each of the two: hers is taken at once, the other's travels to its task in the same
//! transaction. So both are told, or none, and each once.
//!
//! What must stay true: nobody is taken for a friend twice. That she was is known by the event that says so, settled or not.

use std::sync::Arc;

use super::customer::Customer;
use super::{Effect, Engine};
use crate::event::{CustomerId, Event, EventName, PropertyId, Text};
use crate::expression::Scope;
use crate::profile::{Settled, Tail};
use crate::referral::{Referral, Refusal, following, place};
use crate::time::Timestamp;
use crate::treatment::Outcome;
use crate::trigger::plan::Plan;

/// What follows for whoever brought a code, and for whose it is.
struct Follows {
    friend: Event,
    referrer: Option<Event>,
    refused: Option<Refusal>,
}

impl Engine {
    // Whose a code is.

    /// Notes whose the codes are that commands carry, from the `first` effect on.
    pub(super) fn give_codes(&mut self, first: usize, effects: &mut Vec<Effect>) {
        if self.again.is_some() || self.plan.referrals.is_empty() {
            return;
        }
        let plan = Arc::clone(&self.plan);
        let given = effects[first..].iter().filter_map(|effect| {
            let Effect::Decided(decision) = effect else {
                return None;
            };
            let Outcome::Treat(command) = &decision.outcome else {
                return None;
            };
            plan.referred_by(&decision.customer, command)?;
            let code = place(command.code()?);
            Some((code, decision.customer.clone(), decision.asked_at))
        });
        for (code, whose, at) in given.collect::<Vec<_>>() {
            if self.is_elsewhere(&code) {
                self.tell_of_code(code, whose, at, effects);
            } else {
                self.keep_code(&code, &whose, at, effects);
            }
        }
    }

    /// A code of this task was given to a customer.
    pub(super) fn keep_code(
        &mut self,
        code: &CustomerId,
        whose: &CustomerId,
        at: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        if self.again.is_some() {
            return;
        }
        if self.forwarding.whose(code) == Some(whose) {
            self.forwarding.used(code, at);
            return;
        }
        // Who brought it before found that it is nobody's, and would not when that is taken again.
        self.writes_all = true;
        if self.forwarding.add(code, whose, at) {
            effects.push(Effect::FormerForgotten);
        }
    }

    /// Whose a code of this task is.
    pub(super) fn whose_code(&mut self, code: &CustomerId, at: Timestamp) -> Option<CustomerId> {
        self.forwarding.used(code, at);
        self.forwarding.whose(code).cloned()
    }

    /// Where the code that an event brings lies, if it brings one.
    pub(super) fn brings(&self, event: &Event) -> Option<CustomerId> {
        let (_, code) = self.plan.brought(event, &self.plan.rows)?;
        Some(place(&code))
    }

    // What follows.

    /// Takes an event that brings a code which is of `whose`, and tells both what follows.
    pub(super) fn refer(
        &mut self,
        event: Box<Event>,
        code: &CustomerId,
        whose: Option<CustomerId>,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        // She may be somebody else by now, here where that is known.
        let whose = whose.map(|it| self.whose(&it).unwrap_or(it));
        let follows = self.follows(&event, code, whose.as_ref());
        if !self.take(event, now, effects) {
            return;
        }
        let Some(follows) = follows else { return };
        effects.push(Effect::Referred(follows.refused));
        let friend = follows.friend.customer.clone();
        self.say(follows.friend, now, effects);
        if let Some(event) = follows.referrer {
            let referrer = event.customer.clone();
            self.reward(Box::new(event), 0, now, effects);
            // Both are written together: of what is taken again, one alone would have it behind her.
            for id in [friend, referrer] {
                self.customers.flush.extend(self.customers.find(&id));
            }
        }
    }

    /// What follows from an event that brings a code of `whose`; nothing, where it does not count for other reasons, or was told
    /// before.
    fn follows(
        &self,
        event: &Event,
        code: &CustomerId,
        whose: Option<&CustomerId>,
    ) -> Option<Follows> {
        let plan = &self.plan;
        let (referral, said) = plan.brought(event, &plan.rows)?;
        let mut before = self.before(event);
        // Whose friend she is she is for good, be it said of a time before the event or after it.
        before.referrals = self.known(&event.customer, |_| (), event.time).referrals;
        if place(&said) != *code
            || !means(plan, referral, event, &before)
            || before.referrals.came_by(&said)
        {
            return None;
        }
        let refused = Referral::refuses(event, whose, &before);
        let name = match refused {
            None => EventName::REFERRAL_ACCEPTED,
            Some(_) => EventName::REFERRAL_REFUSED,
        };
        let says = |reason| says(Some(&referral.name), Some(&said), reason);
        let friend = following(
            event,
            &event.customer,
            name,
            says(refused.map(Refusal::word)),
        );
        let whose = whose.filter(|_| refused.is_none());
        let referrer =
            whose.map(|whose| following(event, whose, EventName::FRIEND_REFERRED, says(None)));
        Some(Follows {
            friend: Event {
                known: event.known,
                ..friend
            },
            referrer,
            refused,
        })
    }

    /// Tells whoever referred somebody of it, in her task; nobody, where she is not known any more.
    pub(super) fn reward(
        &mut self,
        mut event: Box<Event>,
        hops: u8,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        if let Some(whose) = self.whose(&event.customer) {
            event.customer = whose;
        }
        if self.is_elsewhere(&event.customer) {
            if Self::may_go_on(hops) {
                self.send_reward(*event, hops, effects);
            }
            return;
        }
        let slot = self.customers.find(&event.customer);
        if self.again.is_some() && self.has_behind(slot)
            || !self.customers.has_profile(&event.customer)
        {
            return;
        }
        if self.is_full(&event) {
            let full = Refusal::AtMost;
            *event = turned_down(&event, full);
            effects.push(Effect::Referred(Some(full)));
        }
        self.say(*event, now, effects);
    }

    /// Whether whoever referred somebody, as this event says, has brought as many as count.
    fn is_full(&self, event: &Event) -> bool {
        let name = event.text(PropertyId::NAME);
        let mut referrals = self.plan.referrals.iter();
        let referral = referrals.find(|it| Some(&it.name) == name);
        referral.is_some_and(|it| it.is_full(&self.before(event), event.time))
    }

    /// Takes an event that follows from another; that it is late is that one's.
    fn say(&mut self, event: Event, now: Timestamp, effects: &mut Vec<Effect>) {
        let mut said = Vec::new();
        self.event(Box::new(event), 0, now, &mut said);
        said.retain(|effect| !matches!(effect, Effect::Late { .. }));
        effects.append(&mut said);
    }

    /// What is known of a customer before an event of hers, settled or not.
    fn before(&self, event: &Event) -> Settled {
        self.known(&event.customer, |tail| tail.drop_from(event), event.time)
    }

    /// What is known of a customer at a time, settled or not, where of her tail is only so much.
    fn known(&self, id: &CustomerId, cut: impl FnOnce(&mut Tail), at: Timestamp) -> Settled {
        let customer = self.customers.as_she_is(id);
        let mut customer = customer.map_or_else(Customer::default, |it| *it);
        customer.profile.settled.id = id.clone();
        cut(&mut customer.profile.tail);
        Self::as_known(&self.plan, &customer, at).profile.settled
    }
}

/// What is said of a referral to both.
fn says<'a>(
    referral: Option<&'a Text>,
    code: Option<&'a Text>,
    reason: Option<&'a str>,
) -> [(PropertyId, Option<&'a str>); 3] {
    [
        (PropertyId::NAME, referral.map(Text::as_str)),
        (PropertyId::COUPON, code.map(Text::as_str)),
        (PropertyId::REASON, reason),
    ]
}

/// What whoever referred somebody is told instead, where that does not count.
fn turned_down(event: &Event, refused: Refusal) -> Event {
    let (name, code) = (event.text(PropertyId::NAME), event.text(PropertyId::COUPON));
    let said = says(name, code, Some(refused.word()));
    following(event, &event.customer, EventName::REFERRAL_REFUSED, said)
}

/// Whether a referral means an event of a customer who was this before.
fn means(plan: &Plan, referral: &Referral, event: &Event, before: &Settled) -> bool {
    let mut after = before.clone();
    plan.apply(&mut after, event, Some(before), |_, _| {});
    let scope = Scope::of_event(event, &after, Some(before), &plan.rows);
    referral.of.matches(&scope)
}
