//! How events and deadlines become state and decisions.
//!
//! *Settling* folds the tail up to the watermark into the settled state, in time order, an event
//! before a deadline at the same time. Deadline kinds see nothing else. Immediate kinds see settled
//! state plus tail when the event arrives; one that arrives out of order replays the tail, and may
//! add an occurrence only where none was emitted.

use std::mem;

use super::Effect;
use crate::event::Event;
use crate::expression::Scope;
use crate::moment::EventMoment;
use crate::moment::{Moment, MomentState};
use crate::policy::{self, Asked, Decided};
use crate::profile::{Facts, Profile, TailEvent};
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
    /// The deadline of the state with this index.
    Deadline(usize),
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
pub(super) struct Settled {
    /// Whether there was anything.
    pub any: bool,
    /// Whether the customer has expired and is left as she is.
    pub expires: bool,
}

impl Fold<'_> {
    /// Folds everything up to `watermark` into the settled state.
    pub fn settle(
        &mut self,
        profile: &mut Profile,
        watermark: Timestamp,
        expiry: Expiry,
    ) -> Settled {
        let mut any = false;
        loop {
            let (settled, due) = self.settle_events(profile, watermark);
            any |= settled || due.is_some();
            match due {
                Some(Due::Deadline(index)) => self.fire(profile, index),
                Some(Due::Expiry) if expiry == Expiry::Later && profile.tail.is_empty() => {
                    return Settled { any, expires: true };
                }
                Some(Due::Expiry) => {
                    profile.begin_anew();
                    self.effects.push(Effect::Expired(1));
                }
                None => {
                    return Settled {
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
        profile: &mut Profile,
        watermark: Timestamp,
    ) -> (bool, Option<Due>) {
        let mut settled = 0;
        let due = loop {
            let event = profile
                .tail
                .get(settled)
                .map(|tail| tail.event.time)
                .filter(|time| *time <= watermark);
            let due = self.next_due(profile).filter(|(at, _)| *at <= watermark);
            match (event, due) {
                (Some(time), due) if due.is_none_or(|(at, _)| time <= at) => {
                    let mut tail = mem::take(&mut profile.tail);
                    let (event, ahead) = (&tail[settled].event, &tail[settled + 1..]);
                    self.fold_event(profile, event, ahead);
                    mem::swap(&mut profile.tail, &mut tail);
                    settled += 1;
                }
                (_, due) => break due.map(|(_, due)| due),
            }
        };
        profile.tail.drain(..settled);
        (settled > 0, due)
    }

    /// What comes next but for events, and when: the first deadline, by the index of the state it belongs
    /// to, or the customer's expiry. Of several deadlines at one time, the most important trigger's; the
    /// expiry is last.
    fn next_due(&self, profile: &Profile) -> Option<(Timestamp, Due)> {
        let due = profile
            .moments
            .iter()
            .enumerate()
            .filter_map(|(i, (key, state))| {
                let trigger = self.plan.by_key(*key)?;
                Some((
                    trigger.kind.due(state, &profile.facts)?,
                    self.plan.rank(*key),
                    i,
                ))
            });
        let deadline = due.min().map(|(at, _, i)| (at, Due::Deadline(i)));
        let expiry = self.plan.expiry(profile);
        match deadline {
            Some((at, _)) if at <= expiry => deadline,
            _ => (expiry < Timestamp::MAX).then_some((expiry, Due::Expiry)),
        }
    }

    fn fire(&mut self, profile: &mut Profile, index: usize) {
        let (key, state) = &mut profile.moments[index];
        let Some(trigger) = self.plan.by_key(*key) else {
            return;
        };
        if let Some(moment) = trigger.kind.fire(state, &profile.facts) {
            let ahead = mem::take(&mut profile.tail);
            self.decide(trigger, moment, profile, &ahead, None);
            profile.tail = ahead;
        }
    }

    /// Applies a settled event and shows it to the triggers that wait for deadlines.
    fn fold_event(&mut self, profile: &mut Profile, event: &Event, ahead: &[TailEvent]) {
        let plan = self.plan;
        let waiting = || {
            plan.naming(event.name)
                .filter(|trigger| !trigger.kind.is_immediate())
        };
        let previous = waiting()
            .any(|trigger| trigger.uses_previous)
            .then(|| profile.view());
        profile.facts.apply(event);
        let mut came_true = Vec::new();
        for trigger in waiting() {
            let at = profile
                .moments
                .iter()
                .position(|(key, _)| *key == trigger.key);
            let mut state = at.map(|i| profile.moments.remove(i).1);
            let scope = Scope {
                event: Some(event),
                product: None,
                profile,
                previous: previous.as_ref(),
                now: event.time,
            };
            let taken = trigger.kind.event(&mut state, &scope);
            if taken.refused > 0 {
                self.effects.push(Effect::OpenLimit {
                    trigger: trigger.name.clone(),
                    refused: taken.refused,
                });
            }
            if let Some(moment) = taken.moment {
                came_true.push((trigger, moment));
            }
            if let Some(state) = state {
                profile.keep(trigger.key, state);
            }
        }
        for (trigger, moment) in came_true {
            self.decide(trigger, moment, profile, ahead, None);
        }
    }

    /// Takes an event beyond the watermark into the tail, and decides what follows at once.
    pub fn take(&mut self, profile: &mut Profile, event: Event) {
        let at = profile
            .tail
            .partition_point(|tail| tail.event.order() <= event.order());
        profile.tail.insert(
            at,
            TailEvent {
                event,
                fired: Vec::new(),
            },
        );
        let plan = self.plan;
        let immediate = |event: &Event| {
            plan.naming(event.name)
                .any(|trigger| trigger.kind.is_immediate())
        };
        if !profile.tail[at..].iter().any(|tail| immediate(&tail.event)) {
            return;
        }
        let mut tail = mem::take(&mut profile.tail);
        let mut view = profile.view();
        for i in 0..tail.len() {
            let (until, ahead) = tail.split_at_mut(i + 1);
            let TailEvent { event, fired } = &mut until[i];
            self.expire(&mut view, event.time);
            if i < at {
                view.facts.apply(event);
            } else {
                self.take_immediate(&mut view, event, fired, ahead);
            }
        }
        profile.tail = tail;
        profile.contacts = view.contacts;
    }

    /// Who has expired before `time` is a new customer then, whether the watermark has reached it or not.
    fn expire(&self, view: &mut Profile, time: Timestamp) {
        if self.plan.expiry(view) < time {
            view.facts = Facts::default();
        }
    }

    /// Takes an event for which the tail has no place into the settled state, before its turn. An
    /// order so still cancels what it came in time for; younger events find it counted already.
    pub fn take_at_once(&mut self, profile: &mut Profile, event: &Event) {
        let tail = mem::take(&mut profile.tail);
        let at = tail.partition_point(|tail| tail.event.order() < event.order());
        let (before, ahead) = tail.split_at(at);
        let mut view = profile.view();
        for tail in before {
            self.expire(&mut view, tail.event.time);
            view.facts.apply(&tail.event);
        }
        self.expire(&mut view, event.time);
        self.take_immediate(&mut view, event, &mut Vec::new(), ahead);
        profile.contacts = view.contacts;
        self.fold_event(profile, event, ahead);
        profile.tail = tail;
    }

    /// Takes an event behind the watermark straight into the settled state.
    pub fn take_late(&mut self, profile: &mut Profile, event: &Event) {
        let ahead = mem::take(&mut profile.tail);
        let mut view = profile.view();
        self.take_immediate(&mut view, event, &mut Vec::new(), &ahead);
        profile.contacts = view.contacts;
        self.fold_event(profile, event, &ahead);
        profile.tail = ahead;
    }

    /// Applies an event to a view and decides the immediate triggers that match and have not fired.
    fn take_immediate(
        &mut self,
        view: &mut Profile,
        event: &Event,
        fired: &mut Vec<u32>,
        ahead: &[TailEvent],
    ) {
        let plan = self.plan;
        let immediate = || {
            plan.naming(event.name)
                .filter(|trigger| trigger.kind.is_immediate())
        };
        let previous = immediate()
            .any(|trigger| trigger.uses_previous)
            .then(|| view.view());
        view.facts.apply(event);
        for trigger in immediate() {
            let crate::moment::Kind::Event(moment) = &trigger.kind else {
                continue;
            };
            let scope = Scope {
                event: Some(event),
                product: None,
                profile: view,
                previous: previous.as_ref(),
                now: event.time,
            };
            if fired.contains(&trigger.key) || !moment.of.matches(&scope) {
                continue;
            }
            fired.push(trigger.key);
            let cause = Some((event, previous.as_ref()));
            self.decide(trigger, EventMoment::moment(event), view, ahead, cause);
        }
    }

    fn decide(
        &mut self,
        trigger: &Trigger,
        moment: Moment,
        profile: &mut Profile,
        ahead: &[TailEvent],
        cause: Option<(&Event, Option<&Profile>)>,
    ) {
        if self.adopting && !trigger.backfill {
            self.let_go = true;
            return;
        }
        let asked = Asked {
            trigger,
            moment,
            cause,
        };
        for decided in policy::decide(self.plan, profile, ahead, vec![asked], self.now) {
            // Nothing is held yet: a trigger that asks for it is not read.
            if let Decided::Now(decision) = decided {
                self.effects.push(Effect::Decided(decision));
            }
        }
    }
}

impl Profile {
    /// What expressions may see of a profile: facts and contacts.
    fn view(&self) -> Self {
        Self {
            id: self.id.clone(),
            facts: self.facts.clone(),
            contacts: self.contacts.clone(),
            ..Self::default()
        }
    }

    /// Keeps a trigger's state. States stand sorted by key, so that equal profiles have equal bytes.
    pub(super) fn keep(&mut self, key: u32, state: MomentState) {
        let at = self.moments.partition_point(|(known, _)| *known < key);
        self.moments.insert(at, (key, state));
    }
}
