//! What speaks at once: it sees settled state plus tail when the event arrives.

use super::super::ahead::Ahead;
use super::super::customer::Customer;
use super::super::waiting::Waiting;
use super::{Came, Fold, Turn};
use crate::event::Event;
use crate::moment::{States, Unseen};
use crate::profile::{Profile, Settled, Tail, TailEvent};
use crate::stored::Lazy;
use crate::time::Timestamp;

impl Fold<'_> {
    /// Whether an event may make something true when it is seen, be it because others that were seen follow it.
    pub fn may_speak(&self, customer: &Customer, event: &Event) -> bool {
        let Profile { settled, tail } = &customer.profile;
        let between = tail.events();
        let is_newest = between
            .last()
            .is_none_or(|last| last.event.order() < event.order());
        let unseen = Unseen {
            event,
            settled,
            between,
            rows: &self.plan.rows,
        };
        !is_newest
            || self.plan.expiry(settled) < event.time
            || self.plan.may_speak(&customer.states, unseen)
    }

    /// Takes an event beyond the watermark into the tail, and decides what follows at once; `speaks`: whether
    /// [anything may](Fold::may_speak).
    pub fn take(&mut self, customer: &mut Customer, event: Box<Event>, speaks: bool) {
        let Customer {
            profile: Profile { settled, tail },
            states,
            waiting,
            ahead: aside,
        } = customer;
        let at = tail.take(event);
        let plan = self.plan;
        if at + 1 < tail.events().len() {
            aside.forget();
        }
        let names = |tail: &TailEvent| plan.speaks_at_once(tail.event.name);
        if !tail.events()[at..].iter().any(names) {
            return;
        }
        if !speaks {
            debug_assert!(self.says_nothing(settled, states, tail.events()));
            return;
        }
        let view = aside.take();
        let mut view = view.unwrap_or_else(|| Box::new(Ahead::of(plan, settled, states)));
        view.settled.swap_sent(settled);
        for i in view.covers..tail.events().len() {
            let (until, ahead) = tail.events_mut().split_at_mut(i + 1);
            let TailEvent { event, fired } = &mut until[i];
            self.expire(&mut view, event.time);
            if i < at {
                self.see(&mut view, event);
            } else {
                self.speak(&mut view, waiting, (event, fired), ahead);
            }
        }
        view.settled.swap_sent(settled);
        if !plan.sees_beyond_events {
            view.covers = tail.events().len();
            debug_assert!(self.sees_the_same(&view, settled, states, tail));
            aside.keep(view);
        }
    }

    /// How she is seen once so much of her tail is. What was sent to her is with the view, until it is [given
    /// back](Settled::swap_sent).
    pub(super) fn seen(&self, settled: &mut Settled, states: &States, tail: &[TailEvent]) -> Ahead {
        let mut view = Ahead::of(self.plan, settled, states);
        view.settled.swap_sent(settled);
        for TailEvent { event, .. } in tail {
            self.expire(&mut view, event.time);
            self.see(&mut view, event);
        }
        view
    }

    /// Whether the last event of her tail makes nothing true when it is seen.
    fn says_nothing(&self, settled: &mut Settled, states: &States, tail: &[TailEvent]) -> bool {
        let Some((TailEvent { event, .. }, before)) = tail.split_last() else {
            return true;
        };
        let plan = self.plan;
        let mut view = self.seen(settled, states, before);
        self.expire(&mut view, event.time);
        let previous = view.settled.clone();
        let again = plan.apply(&mut view.settled, event, Some(&previous), |_, _| {});
        let immediate = plan.naming(event.name).filter(|it| it.kind.is_immediate());
        let mut taking = immediate.filter(|it| !again || it.kind.takes_again());
        let Ahead {
            settled: known,
            states,
            ..
        } = &mut view;
        let is_true = |it| {
            plan.shows(it, event, known, Some(&previous), states)
                .moment
                .is_some()
        };
        let says_nothing = !taking.any(is_true);
        view.settled.swap_sent(settled);
        says_nothing
    }

    /// Whether who is seen on is seen as if everything had been looked at anew.
    fn sees_the_same(
        &self,
        kept: &Ahead,
        settled: &mut Settled,
        states: &States,
        tail: &Tail,
    ) -> bool {
        let mut view = self.seen(settled, states, tail.events());
        view.settled.swap_sent(settled);
        view.settled == kept.settled && view.states == kept.states
    }

    /// Takes an event for which the tail has no place into the settled state, before its turn. An
    /// order so still cancels what it came in time for; younger events find it counted already.
    pub fn take_at_once(&mut self, customer: &mut Customer, event: &Event) {
        let Customer {
            profile: Profile { settled, tail },
            states,
            waiting,
            ahead: aside,
        } = customer;
        aside.forget();
        let at = tail
            .events()
            .partition_point(|tail| tail.event.order() < event.order());
        let (before, ahead) = tail.events().split_at(at);
        if self.plan.speaks_at_once(event.name) {
            let mut view = self.seen(settled, states, before);
            self.expire(&mut view, event.time);
            self.speak(&mut view, waiting, (event, &mut Vec::new()), ahead);
            view.settled.swap_sent(settled);
        }
        self.fold_event((settled, states, waiting), (event, Turn::AtOnce), ahead);
        self.decide_gathered((settled, waiting), ahead);
    }

    /// Folds the first event beyond the watermark before its turn.
    pub fn fold_first(&mut self, customer: &mut Customer) {
        let Customer {
            profile: Profile { settled, tail },
            states,
            waiting,
            ahead: aside,
        } = customer;
        aside.forget();
        if let Some(TailEvent { event, fired }) = tail.events().first() {
            let ahead = &tail.events()[1..];
            let turn = Turn::Settles(fired);
            self.fold_event((settled, states, waiting), (event, turn), ahead);
            self.decide_gathered((settled, waiting), ahead);
            tail.drop_first(1);
        }
    }

    /// Takes an event behind the watermark straight into the settled state.
    pub fn take_late(&mut self, customer: &mut Customer, event: &Event) {
        let Customer {
            profile: Profile { settled, tail },
            states,
            waiting,
            ahead: aside,
        } = customer;
        aside.forget();
        if self.plan.speaks_at_once(event.name) {
            let mut view = self.seen(settled, states, &[]);
            self.speak(&mut view, waiting, (event, &mut Vec::new()), tail.events());
            view.settled.swap_sent(settled);
        }
        let ahead = tail.events();
        self.fold_event((settled, states, waiting), (event, Turn::Late), ahead);
        self.decide_gathered((settled, waiting), ahead);
    }

    /// Who has expired before `time` is a new customer then, whether the watermark has reached it or not.
    pub(super) fn expire(&self, view: &mut Ahead, time: Timestamp) {
        if self.plan.expiry(&view.settled) < time {
            view.settled.forget_facts();
            view.states = States::default();
        }
    }

    /// A customer as far as is known at `now`: with her tail taken in by every trigger, though nothing of it is settled, and nothing is
    /// decided.
    pub fn known(&self, customer: &Customer, now: Timestamp) -> Customer {
        let mut known = customer.clone();
        let Profile { settled, tail } = &mut known.profile;
        let plan = self.plan;
        for TailEvent { event, .. } in tail.events() {
            if plan.expiry(settled) < event.time {
                settled.forget_facts();
                known.states = States::default();
            }
            let naming = || plan.naming(event.name);
            let asks = naming().any(|trigger| trigger.kind.uses_previous())
                || plan.measures_previous(event);
            let previous = asks.then(|| settled.clone());
            let again = plan.apply(settled, event, previous.as_ref(), |_, _| {});
            for trigger in naming().filter(|it| !again || it.kind.takes_again()) {
                plan.shows(
                    trigger,
                    event,
                    settled,
                    previous.as_ref(),
                    &mut known.states,
                );
            }
        }
        let taken = tail.events().len();
        tail.drop_first(taken);
        plan.pass(settled, now);
        known
    }

    /// Takes an event in that has spoken already, or stands before those that may.
    pub(super) fn see(&self, view: &mut Ahead, event: &Event) {
        let naming = || self.plan.naming(event.name);
        let remembering = || naming().filter(|it| it.kind.is_immediate() && it.kind.remembers());
        let asks = remembering().any(|trigger| trigger.kind.uses_previous())
            || self.plan.measures_previous(event);
        let previous = asks.then(|| view.settled.clone());
        let plan = self.plan;
        let again = plan.apply(&mut view.settled, event, previous.as_ref(), |_, _| {});
        for trigger in remembering().filter(|it| !again || it.kind.takes_again()) {
            let Ahead {
                settled, states, ..
            } = &mut *view;
            plan.shows(trigger, event, settled, previous.as_ref(), states);
        }
    }

    /// Takes an event in and decides the moments that it makes true at once and that have not fired.
    fn speak(
        &mut self,
        view: &mut Ahead,
        waiting: &mut Lazy<Waiting>,
        (event, fired): (&Event, &mut Vec<u32>),
        ahead: &[TailEvent],
    ) {
        let plan = self.plan;
        let immediate = || plan.naming(event.name).filter(|it| it.kind.is_immediate());
        let asks =
            immediate().any(|trigger| trigger.uses_previous) || plan.measures_previous(event);
        let previous = asks.then(|| view.settled.clone());
        let again = plan.apply(&mut view.settled, event, previous.as_ref(), |_, _| {});
        let mut came = Vec::new();
        for trigger in immediate().filter(|it| !again || it.kind.takes_again()) {
            let Ahead {
                settled, states, ..
            } = &mut *view;
            let found = plan.shows(trigger, event, settled, previous.as_ref(), states);
            if let Some(moment) = found.moment
                && !fired.contains(&trigger.key)
            {
                fired.push(trigger.key);
                if self.was_sent_for((settled, waiting), (trigger, event), ahead) {
                    continue;
                }
                came.push(Came {
                    cause: Some((event, previous.as_ref())),
                    ..Came::new(trigger, moment)
                });
            }
        }
        self.decide(came, (&mut view.settled, waiting), ahead, self.now);
        self.go_on_at_once((&mut view.settled, waiting), ahead, event.time);
    }
}
