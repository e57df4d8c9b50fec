//! What was sent or waits, and turns out not to hold: a command is taken back, what waits is dropped.
//!
//! A late event proves a moment wrong where it would have kept it from coming true. What spoke when its event was seen is asked
//! again when that settles, condition and audience, on all that is known by then. Who takes back her consent, or is erased, is not
//! written to. A command is taken back once, within [`Sent`](crate::profile::sent::Sent); what may be sent no more as it is
//! out of date is taken back only where it was wrong.

use uuid::Uuid;

use super::super::Effect;
use super::super::customer::Customer;
use super::super::waiting::{Waiting, Waits};
use super::Fold;
use super::journeys::is_undone;
use crate::event::Event;
use crate::expression::{Expression, Scope};
use crate::moment::{CameTrue, EventRef, Evidence, Moment, States};
use crate::policy::{self, Asked, Held};
use crate::profile::contacts::Standing;
use crate::profile::journeys::{self, Place};
use crate::profile::sent::SentCommand;
use crate::profile::{Profile, Settled, TailEvent, segments};
use crate::stored::Lazy;
use crate::time::Timestamp;
use crate::treatment::{Decision, Outcome, Reason, Undone, Withdrawal};
use crate::trigger::plan::Trigger;

/// An event that is folded, with what was known before it where somebody asks.
#[derive(Clone, Copy)]
pub(super) struct Folded<'e> {
    pub event: &'e Event,
    pub previous: Option<&'e Settled>,
    /// What it is about was told before.
    pub again: bool,
}

impl Fold<'_> {
    /// An event came too late: what it proves wrong is undone.
    pub(super) fn proves_wrong(
        &mut self,
        (settled, states, waiting): (&mut Settled, &States, &mut Lazy<Waiting>),
        folded: Folded<'_>,
    ) {
        if settled.sent.is_empty() && waiting.is_empty() && settled.journeys.open().is_empty() {
            return;
        }
        let plan = self.plan;
        let scope = Scope::of_event(folded.event, settled, folded.previous, &plan.rows);
        let undone = |key: u32, text: Option<u64>, past: CameTrue<'_>| {
            let mut asked = plan.naming(folded.event.name);
            asked.any(|it| {
                it.key == key
                    && text.is_none_or(|text| text == plan.defined(it))
                    && (!folded.again || it.kind.takes_again())
                    && it.kind.undone(states.get(key), past, &scope)
            })
        };
        let sent = settled.sent.iter();
        let sent = sent.filter(|it| undone(it.key, Some(it.text), it.past()));
        let sent: Vec<[u8; 16]> = sent.map(|it| it.id).collect();
        let held = waiting.iter().filter(|it| {
            let Moment { at, evidence, .. } = it.moment();
            let per = evidence.fact("per").and_then(|per| per.as_str());
            let since = evidence.events.first().map(|event| event.time);
            undone(it.trigger, None, CameTrue { at, since, per })
        });
        let held: Vec<Waits> = held.cloned().collect();
        let open = settled.journeys.open().iter();
        let begun = open.filter(|it| is_undone(it, |past| undone(it.key, None, past)));
        let begun: Vec<Place> = begun.cloned().collect();
        let event = folded.event;
        self.take_back(settled, Undone::LateEvent, event, |it| {
            sent.contains(&it.id)
        });
        self.drop_held(settled, waiting, event, |it| held.contains(it));
        self.drop_journeys(settled, event, |it| begun.contains(it));
    }

    /// An event settles on which these triggers spoke when it was seen: what does not hold is undone. `found`: what it makes true now,
    /// of those who remember anything.
    pub(super) fn settles(
        &mut self,
        (settled, waiting): (&mut Settled, &mut Lazy<Waiting>),
        folded: Folded<'_>,
        (fired, found): (&[u32], &[(u32, Moment)]),
        ahead: &[TailEvent],
    ) {
        let plan = self.plan;
        for trigger in fired.iter().filter_map(|key| plan.by_key(*key)) {
            let occurrence = &folded.event.id;
            let is_it = |it: &SentCommand| is_of(trigger, it, occurrence);
            let sent = settled.sent.iter().find(|it| is_it(it));
            let sent = sent.filter(|it| !it.stands && it.text == plan.defined(trigger));
            let before = sent.map(|it| (it.decided_at, it.before.clone()));
            let place = settled.journeys.of(trigger.key, occurrence);
            let is_begun = place.is_some_and(|it| !it.stands);
            if before.is_none() && !is_begun && !waiting.holds(trigger.key, occurrence) {
                continue;
            }
            if !self.still_holds(settled, trigger, folded, found, (before, ahead)) {
                let event = folded.event;
                self.take_back(settled, Undone::SettledOtherwise, event, is_it);
                self.drop_journeys(settled, event, |it| {
                    it.key == trigger.key && it.began.occurrence == *occurrence
                });
                self.drop_held(settled, waiting, event, |it| {
                    it.trigger == trigger.key && it.occurrence == *occurrence
                });
            }
        }
    }

    /// What an event that settles, or came late, makes true stands for what a later one of the same thing made true before.
    pub(super) fn stands_for_later(
        &mut self,
        settled: &mut Settled,
        folded: Folded<'_>,
        found: &[(u32, Moment)],
        ahead: &[TailEvent],
    ) {
        if folded.again || settled.sent.is_empty() && settled.journeys.open().is_empty() {
            return;
        }
        let later: Vec<&TailEvent> = of_the_same(folded.event, ahead).collect();
        let plan = self.plan;
        for trigger in plan.naming(folded.event.name) {
            let is_it = |it: &SentCommand| {
                let mut later = later.iter();
                later.any(|tail| is_of(trigger, it, &tail.event.id))
            };
            let is_hers = |it: &Place| {
                let mut later = later.iter();
                it.key == trigger.key && later.any(|tail| tail.event.id == it.began.occurrence)
            };
            let before = settled.sent.iter().find(|it| is_it(it));
            let before = before.map(|it| (it.decided_at, it.before.clone()));
            let is_begun = settled.journeys.open().iter().any(is_hers);
            if (before.is_some() || is_begun)
                && self.still_holds(settled, trigger, folded, found, (before, ahead))
            {
                settled.sent.stand(is_it);
                if is_begun {
                    let places = settled.journeys.open_mut().filter(|it| is_hers(it));
                    places.for_each(|it| it.stands = true);
                }
            }
        }
    }

    /// Whether a trigger that speaks at once holds at an event on what is settled: as of `before`, when it was decided and what was
    /// sent until then; none where it waits.
    fn still_holds(
        &self,
        settled: &mut Settled,
        trigger: &Trigger,
        folded: Folded<'_>,
        found: &[(u32, Moment)],
        (before, ahead): (Option<(Timestamp, Standing)>, &[TailEvent]),
    ) -> bool {
        if !trigger.kind.is_immediate() || folded.again && !trigger.kind.takes_again() {
            return false;
        }
        let is_sent = before.is_some();
        let (now, standing) = before.unwrap_or_else(|| (self.now, settled.contacts.standing()));
        let meanwhile = settled.contacts.stand_as(standing);
        let moment = match trigger.kind.remembers() {
            true => {
                let found = found.iter().find(|(key, _)| *key == trigger.key);
                found.map(|(_, moment)| moment.clone())
            }
            false => {
                let Folded {
                    event, previous, ..
                } = folded;
                self.plan
                    .shows(trigger, event, settled, previous, &mut States::default())
                    .moment
            }
        };
        let holds = moment.is_some_and(|moment| {
            let asked = Asked {
                trigger,
                moment,
                cause: Some((folded.event, folded.previous)),
                past: policy::Past::default(),
                step: None,
            };
            let asks = |asked: &Expression| self.asks_what_was_sent(asked, is_sent);
            trigger.audience.as_ref().is_some_and(asks)
                || policy::is_in_audience(self.plan, settled, ahead, &asked, now)
        });
        settled.contacts.stand_as(meanwhile);
        holds
    }

    /// Whether what was sent meanwhile may change what an expression says, and it cannot be told any more what it said without.
    fn asks_what_was_sent(&self, expression: &Expression, is_known: bool) -> bool {
        let asks_standing = |expression: &Expression| {
            let paths = expression.asks().iter();
            let mut paths = paths.filter_map(|path| path.strip_prefix("profile."));
            paths.any(segments::Standing::is_of)
        };
        let mut segments = self.plan.segments.iter();
        !is_known && expression.asks_what_was_sent()
            || asks_standing(expression)
                && segments.any(|segment| segment.conditions().any(|it| it.asks_what_was_sent()))
    }

    /// She said something of consent, and it is taken in: what goes to a channel that she closed by it is undone.
    pub fn closes_channels(&mut self, customer: &mut Customer, said: &Event) {
        let Customer {
            profile: Profile { settled, tail },
            waiting,
            ..
        } = customer;
        if settled.sent.is_empty() && waiting.is_empty() && settled.journeys.open().is_empty() {
            return;
        }
        let (plan, now) = (self.plan, self.now.max(said.time));
        let known = (&*settled, tail.events());
        let closes = |key: u32, channel: &str| {
            policy::closes((plan, plan.by_key(key)), known, said, channel)
        };
        let sent = settled.sent.iter();
        let sent = sent.filter(|it| it.valid_until > now && closes(it.key, &it.channel));
        let sent: Vec<[u8; 16]> = sent.map(|it| it.id).collect();
        let held = waiting.iter();
        let held = held.filter(|it| closes(it.trigger, &it.channel));
        let held: Vec<Waits> = held.cloned().collect();
        self.take_back(settled, Undone::NoConsent, said, |it| sent.contains(&it.id));
        self.drop_held(settled, waiting, said, |it| held.contains(it));
        let ahead = tail.events();
        self.drop_steps(settled, said, |settled, key, channel| {
            policy::closes((plan, plan.by_key(key)), (settled, ahead), said, channel)
        });
    }

    /// She is erased: everything that may still be sent is undone.
    pub fn erases(&mut self, customer: &mut Customer, erased: &Event) {
        let Customer {
            profile, waiting, ..
        } = customer;
        let now = self.now.max(erased.time);
        self.take_back(&mut profile.settled, Undone::Erased, erased, |it| {
            it.valid_until > now
        });
        self.drop_held(&profile.settled, waiting, erased, |_| true);
        self.drop_journeys(&mut profile.settled, erased, |it| {
            it.began.at <= erased.time
        });
    }

    /// A later event of the same thing made the trigger true before an older one came: its command stands for both; what only waits
    /// makes way. Whether there is such a command.
    pub(super) fn was_sent_for(
        &mut self,
        (settled, waiting): (&mut Settled, &mut Lazy<Waiting>),
        (trigger, event): (&Trigger, &Event),
        ahead: &[TailEvent],
    ) -> bool {
        for tail in of_the_same(event, ahead) {
            let later = &tail.event.id;
            let is_sent = settled.sent.iter().any(|it| is_of(trigger, it, later));
            if is_sent || settled.journeys.of(trigger.key, later).is_some() {
                return true;
            }
            self.drop_held(settled, waiting, event, |it| {
                it.trigger == trigger.key && it.occurrence == *later
            });
        }
        false
    }

    /// Takes the commands back of which `is_undone` says so, because of an event.
    fn take_back(
        &mut self,
        settled: &mut Settled,
        reason: Undone,
        event: &Event,
        is_undone: impl Fn(&SentCommand) -> bool,
    ) {
        if !settled.sent.iter().any(&is_undone) {
            return;
        }
        for command in settled.sent.take_back(is_undone) {
            let withdraws = Uuid::from_bytes(command.id);
            let withdrawal = Withdrawal::of(withdraws, command.channel, reason);
            let evidence = Evidence::of(vec![EventRef::of(event)], Vec::new());
            self.effects.push(Effect::Decided(Box::new(Decision {
                customer: settled.id.clone(),
                trigger: command.trigger,
                generation: command.generation,
                occurrence: command.occurrence,
                moment_at: command.moment_at,
                asked_at: event.time,
                decided_at: self.now.max(event.time).max(command.decided_at),
                outcome: Outcome::Withdraw(Box::new(withdrawal)),
                evidence,
                revision: self.plan.revision.clone(),
                segments: Vec::new(),
            })));
        }
    }

    /// Drops what waits of which `is_undone` says so, because of an event.
    fn drop_held(
        &mut self,
        settled: &Settled,
        waiting: &mut Lazy<Waiting>,
        event: &Event,
        is_undone: impl Fn(&Waits) -> bool,
    ) {
        if !waiting.iter().any(&is_undone) {
            return;
        }
        for waits in waiting.take_back(is_undone) {
            let Some(trigger) = self.plan.by_key(waits.trigger) else {
                continue;
            };
            let held = Held {
                trigger: waits.trigger,
                moment: waits.moment(),
                until: waits.until,
                why: waits.why,
                past: waits.past(),
                channel: waits.channel,
            };
            let mut decision = policy::refused(self.plan, settled, trigger, held, self.now);
            decision.outcome = Outcome::Refuse(Reason::Withdrawn, None);
            decision.asked_at = event.time;
            self.effects.push(Effect::Decided(Box::new(decision)));
        }
    }
}

impl SentCommand {
    fn past(&self) -> CameTrue<'_> {
        CameTrue {
            at: self.moment_at,
            since: self.since,
            per: self.per.as_deref(),
        }
    }
}

/// Whether a command is of a moment of a trigger, or of a step of the journey that it began.
fn is_of(trigger: &Trigger, command: &SentCommand, occurrence: &str) -> bool {
    command.key == trigger.key
        && match trigger.journey.is_some() {
            true => journeys::is_of(&command.occurrence, occurrence),
            false => command.occurrence == occurrence,
        }
}

/// Later events that tell of the same thing as one, and on which somebody spoke.
fn of_the_same<'t>(event: &Event, ahead: &'t [TailEvent]) -> impl Iterator<Item = &'t TailEvent> {
    let thing = Settled::thing_of(event);
    let name = event.name;
    let ahead = ahead.iter().filter(|tail| !tail.fired.is_empty());
    ahead.filter(move |tail| {
        thing.is_some() && tail.event.name == name && Settled::thing_of(&tail.event) == thing
    })
}
