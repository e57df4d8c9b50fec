//! How events and deadlines become state and decisions.
//!
//! *Settling* folds the tail up to the watermark into the settled state, in time order, an event
//! before a deadline at the same time. Kinds that wait see nothing else. Those that speak at once see settled
//! state plus tail when the event arrives; one that arrives out of order replays the tail, and may
//! add an occurrence only where none was emitted. What comes true at one instant is decided together.

use super::Effect;
use super::customer::Customer;
use crate::event::Event;
use crate::expression::Scope;
use crate::moment::{Found, Moment, States};
use crate::policy::Asked;
use crate::profile::{Profile, Settled, TailEvent};
use crate::time::Timestamp;
use crate::trigger::plan::{Plan, Trigger};

/// One input being worked in.
pub(super) struct Fold<'a> {
    pub plan: &'a Plan,
    pub now: Timestamp,
    pub effects: &'a mut Vec<Effect>,
    /// Customers go over to other triggers: what comes true lies in the past.
    adopting: bool,
    /// Something that came true was not decided therefore.
    pub let_go: bool,
}

impl<'a> Fold<'a> {
    /// For a usual step.
    pub fn new(plan: &'a Plan, now: Timestamp, effects: &'a mut Vec<Effect>) -> Self {
        Self {
            plan,
            now,
            effects,
            adopting: false,
            let_go: false,
        }
    }

    /// For going over to `plan`: what comes true is decided where the trigger fills its past in, and otherwise let go.
    pub fn adopting(plan: &'a Plan, now: Timestamp, effects: &'a mut Vec<Effect>) -> Self {
        Self {
            adopting: true,
            ..Self::new(plan, now, effects)
        }
    }
}

/// What waits for the watermark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// The deadline of the trigger with this key.
    Deadline(u32),
    /// The customer was idle for too long.
    Expiry,
}

/// Whether a customer who has expired, and has done nothing since, is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expiry {
    /// She is.
    Now,
    /// It is only said.
    Later,
}

/// What settling did.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settling {
    /// Whether there was anything.
    pub any: bool,
    /// Whether the customer has expired and is left as she is.
    pub expires: bool,
}

/// A customer as she is seen beyond the watermark: settled state and so much of her tail.
struct Ahead {
    settled: Settled,
    /// Of those that speak at once.
    states: States,
}

/// A moment that came true, and the event that made it true where it did so by itself.
struct Came<'a> {
    trigger: &'a Trigger,
    moment: Moment,
    cause: Option<(&'a Event, Option<&'a Settled>)>,
}

impl Fold<'_> {
    // Settling.

    /// Folds everything up to `watermark` into the settled state.
    pub fn settle(
        &mut self,
        customer: &mut Customer,
        watermark: Timestamp,
        expiry: Expiry,
    ) -> Settling {
        let mut any = false;
        loop {
            let (settled, due) = self.settle_events(customer, watermark);
            any |= settled || due.is_some();
            match due {
                Some((at, Due::Deadline(_))) => self.fire(customer, at),
                Some((_, Due::Expiry))
                    if expiry == Expiry::Later && customer.profile.tail.is_empty() =>
                {
                    return Settling { any, expires: true };
                }
                Some((_, Due::Expiry)) => {
                    customer.begin_anew();
                    self.effects.push(Effect::Expired(1));
                }
                None => {
                    return Settling {
                        any,
                        expires: false,
                    };
                }
            }
        }
    }

    /// Folds the events up to `watermark` that nothing else precedes. Whether there were any, and what
    /// is next, if the watermark has reached it.
    pub fn settle_events(
        &mut self,
        customer: &mut Customer,
        watermark: Timestamp,
    ) -> (bool, Option<(Timestamp, Due)>) {
        let Customer {
            profile: Profile { settled, tail },
            states,
        } = customer;
        let mut taken = 0;
        let due = loop {
            let next = tail.events.get(taken).map(|tail| &tail.event);
            let next = next.filter(|event| event.time <= watermark);
            let due = self
                .next_due(settled, states)
                .filter(|(at, _)| *at <= watermark);
            match next {
                Some(event) if due.is_none_or(|(at, _)| event.time <= at) => {
                    let fired = &tail.events[taken].fired;
                    taken += 1;
                    self.fold_event(settled, states, (event, fired), &tail.events[taken..]);
                }
                _ => break due,
            }
        };
        if taken > 0 {
            tail.events.drain(..taken);
        }
        (taken > 0, due)
    }

    /// What comes next but for events, and when: the first deadline, by the trigger it belongs to, or the customer's expiry. Of
    /// several deadlines at one time, the most important trigger's; the expiry is last.
    fn next_due(&self, settled: &Settled, states: &States) -> Option<(Timestamp, Due)> {
        let due = states.iter().filter_map(|(key, state)| {
            let trigger = self.plan.by_key(key)?;
            Some((trigger.kind.due(state, settled)?, self.plan.rank(key), key))
        });
        let deadline = due.min().map(|(at, _, key)| (at, Due::Deadline(key)));
        let expiry = self.plan.expiry(settled);
        match deadline {
            Some((at, _)) if at <= expiry => deadline,
            _ => (expiry < Timestamp::MAX).then_some((expiry, Due::Expiry)),
        }
    }

    /// Everything that is due at this instant.
    fn fire(&mut self, customer: &mut Customer, at: Timestamp) {
        let Customer {
            profile: Profile { settled, tail },
            states,
        } = customer;
        let plan = self.plan;
        let mut came = Vec::new();
        while let Some((due, Due::Deadline(key))) = self.next_due(settled, states)
            && due == at
        {
            let trigger = plan.by_key(key);
            let state = states.get_mut(key);
            let moment = trigger.zip(state).and_then(|(trigger, state)| {
                let moment = trigger.kind.fire(state, settled)?;
                Some(Came {
                    trigger,
                    moment,
                    cause: None,
                })
            });
            let Some(moment) = moment else { break };
            came.push(moment);
        }
        self.decide(came, settled, &tail.events);
    }

    /// Applies a settled event and shows it to the triggers that take it. Those in `fired` have decided it when it was seen;
    /// one that waits is among them where its definition has changed meanwhile.
    fn fold_event(
        &mut self,
        settled: &mut Settled,
        states: &mut States,
        (event, fired): (&Event, &[u32]),
        ahead: &[TailEvent],
    ) {
        let plan = self.plan;
        let folding = || plan.naming(event.name).filter(|it| it.kind.folds());
        let asks = folding().any(|trigger| trigger.uses_previous);
        let previous = asks.then(|| settled.clone());
        settled.apply(event);
        let mut came = Vec::new();
        for trigger in folding() {
            let found = shown(trigger, event, settled, previous.as_ref(), states);
            if found.refused > 0 {
                self.effects.push(Effect::OpenLimit {
                    trigger: trigger.name.clone(),
                    refused: found.refused,
                });
            }
            // What speaks at once has done so when the event was seen.
            let waits = !trigger.kind.is_immediate() && !fired.contains(&trigger.key);
            if let Some(moment) = found.moment.filter(|_| waits) {
                let has_event = trigger.kind.described().has_event;
                came.push(Came {
                    trigger,
                    moment,
                    cause: has_event.then_some((event, previous.as_ref())),
                });
            }
        }
        self.decide(came, settled, ahead);
    }

    // At once.

    /// Takes an event beyond the watermark into the tail, and decides what follows at once.
    pub fn take(&mut self, customer: &mut Customer, event: Event) {
        let Customer {
            profile: Profile { settled, tail },
            states,
        } = customer;
        let at = tail.place(&event);
        let fired = Vec::new();
        tail.events.insert(at, TailEvent { event, fired });
        let plan = self.plan;
        let speaks = |tail: &TailEvent| {
            let mut named = plan.naming(tail.event.name);
            named.any(|trigger| trigger.kind.is_immediate())
        };
        if !tail.events[at..].iter().any(speaks) {
            return;
        }
        let mut view = self.ahead(settled, states);
        for i in 0..tail.events.len() {
            let (until, ahead) = tail.events.split_at_mut(i + 1);
            let TailEvent { event, fired } = &mut until[i];
            self.expire(&mut view, event.time);
            if i < at {
                self.see(&mut view, event);
            } else {
                self.speak(&mut view, event, fired, ahead);
            }
        }
        settled.contacts = view.settled.contacts;
    }

    /// Takes an event for which the tail has no place into the settled state, before its turn. An
    /// order so still cancels what it came in time for; younger events find it counted already.
    pub fn take_at_once(&mut self, customer: &mut Customer, event: &Event) {
        let Customer {
            profile: Profile { settled, tail },
            states,
        } = customer;
        let at = tail
            .events
            .partition_point(|tail| tail.event.order() < event.order());
        let (before, ahead) = tail.events.split_at(at);
        let mut view = self.ahead(settled, states);
        for tail in before {
            self.expire(&mut view, tail.event.time);
            self.see(&mut view, &tail.event);
        }
        self.expire(&mut view, event.time);
        self.speak(&mut view, event, &mut Vec::new(), ahead);
        settled.contacts = view.settled.contacts;
        self.fold_event(settled, states, (event, &[]), ahead);
    }

    /// Takes an event behind the watermark straight into the settled state.
    pub fn take_late(&mut self, customer: &mut Customer, event: &Event) {
        let Customer {
            profile: Profile { settled, tail },
            states,
        } = customer;
        let mut view = self.ahead(settled, states);
        self.speak(&mut view, event, &mut Vec::new(), &tail.events);
        settled.contacts = view.settled.contacts;
        self.fold_event(settled, states, (event, &[]), &tail.events);
    }

    /// What those who speak at once see before the tail.
    fn ahead(&self, settled: &Settled, states: &States) -> Ahead {
        let speaks = |key| {
            let trigger = self.plan.by_key(key);
            trigger.is_some_and(|trigger| trigger.kind.is_immediate())
        };
        Ahead {
            settled: settled.clone(),
            states: states.only(speaks),
        }
    }

    /// Who has expired before `time` is a new customer then, whether the watermark has reached it or not.
    fn expire(&self, view: &mut Ahead, time: Timestamp) {
        if self.plan.expiry(&view.settled) < time {
            view.settled.forget_facts();
            view.states = States::default();
        }
    }

    /// Takes an event in that has spoken already, or stands before those that may.
    fn see(&self, view: &mut Ahead, event: &Event) {
        let naming = || self.plan.naming(event.name);
        let remembering = || naming().filter(|it| it.kind.is_immediate() && it.kind.remembers());
        let asks = remembering().any(|trigger| trigger.kind.uses_previous());
        let previous = asks.then(|| view.settled.clone());
        view.settled.apply(event);
        for trigger in remembering() {
            let Ahead { settled, states } = &mut *view;
            shown(trigger, event, settled, previous.as_ref(), states);
        }
    }

    /// Takes an event in and decides the moments that it makes true at once and that have not fired.
    fn speak(
        &mut self,
        view: &mut Ahead,
        event: &Event,
        fired: &mut Vec<u32>,
        ahead: &[TailEvent],
    ) {
        let plan = self.plan;
        let immediate = || plan.naming(event.name).filter(|it| it.kind.is_immediate());
        let asks = immediate().any(|trigger| trigger.uses_previous);
        let previous = asks.then(|| view.settled.clone());
        view.settled.apply(event);
        let mut came = Vec::new();
        for trigger in immediate() {
            let Ahead { settled, states } = view;
            let found = shown(trigger, event, settled, previous.as_ref(), states);
            if let Some(moment) = found.moment
                && !fired.contains(&trigger.key)
            {
                fired.push(trigger.key);
                came.push(Came {
                    trigger,
                    moment,
                    cause: Some((event, previous.as_ref())),
                });
            }
        }
        self.decide(came, &mut view.settled, ahead);
    }

    // Deciding.

    /// Decides what came true at one instant, the most important first.
    fn decide(&mut self, came: Vec<Came<'_>>, settled: &mut Settled, ahead: &[TailEvent]) {
        for Came {
            trigger,
            moment,
            cause,
        } in came
        {
            if self.adopting && !trigger.backfill {
                self.let_go = true;
                continue;
            }
            let asked = Asked {
                trigger,
                moment,
                profile: settled,
                ahead,
                cause,
                now: self.now,
            };
            let decision = self.plan.decide(asked);
            settled.contacts.note(trigger, &decision);
            self.effects.push(Effect::Decided(Box::new(decision)));
        }
    }
}

/// Shows an event that the profile has taken in to a trigger that takes it.
fn shown(
    trigger: &Trigger,
    event: &Event,
    settled: &Settled,
    previous: Option<&Settled>,
    states: &mut States,
) -> Found {
    let scope = Scope {
        event: Some(event),
        product: None,
        profile: settled,
        previous,
        now: event.time,
    };
    let mut found = Found::default();
    states.change(trigger.key, |state| {
        trigger.kind.event(state, &scope, &mut found);
    });
    found
}
