//! How events and deadlines become state and decisions.
//!
//! *Settling* folds the tail up to the watermark into the settled state, in time order, an event
//! before a deadline at the same time. Kinds that wait see nothing else. Those that speak at once see settled
//! state plus tail when the event arrives; one that arrives out of order replays the tail, and may
//! add an occurrence only where none was emitted. What comes true at one instant is decided together.
//! What turns out not to hold is [taken back](taken_back).

mod at_once;
mod deciding;
mod everybody;
mod journeys;
mod outcomes;
mod taken_back;

pub(super) use self::outcomes::treatment;
use super::Effect;
use super::customer::Customer;
use super::waiting::Waiting;
use crate::event::{Event, Text};
use crate::expression::Scope;
use crate::journey::lessons::Lessons;
use crate::moment::{Found, Moment, States};
use crate::policy::{Past, Why};
use crate::profile::{Profile, Settled, TailEvent};
use crate::stored::Lazy;
use crate::time::Timestamp;
use crate::trigger::plan::{Plan, Trigger};

use journeys::{Behind, Sending, Step};
use taken_back::Folded;

/// One input being worked in.
pub(super) struct Fold<'a> {
    pub plan: &'a Plan,
    pub now: Timestamp,
    pub effects: &'a mut Vec<Effect>,
    /// What comes true lies in the past: what of it is let go.
    lets_go: LetsGo<'a>,
    /// Something that came true was not decided therefore.
    pub let_go: bool,
    /// A deadline was reached at which nothing came true.
    pub asked_in_vain: bool,
    /// Nothing is due before, not even by what is folded next: of the next settling alone.
    undue_before: Timestamp,
    /// What settled events made true at the instant that is being settled.
    gathered: Vec<Gathered<'a>>,
    /// The events of that instant that a journey which began at it may wait for.
    behind: Vec<Behind>,
    /// The channel by which it is her turn.
    turn: Option<&'a Text>,
    /// What was learnt of the ways of adaptive splits; none where nobody goes on for good.
    lessons: Option<&'a Lessons>,
}

/// A moment that a settled event made true, with that event where it has one: decided with all others of its instant.
struct Gathered<'a> {
    trigger: &'a Trigger,
    moment: Moment,
    cause: Option<(Event, Option<Settled>)>,
}

impl<'a> Fold<'a> {
    /// For a usual step.
    pub fn new(plan: &'a Plan, now: Timestamp, effects: &'a mut Vec<Effect>) -> Self {
        Self {
            plan,
            now,
            effects,
            lets_go: LetsGo::Nothing,
            let_go: false,
            asked_in_vain: false,
            undue_before: Timestamp::MIN,
            gathered: Vec::new(),
            behind: Vec::new(),
            turn: None,
            lessons: None,
        }
    }

    /// The same, by what was learnt.
    pub fn learnt(self, lessons: &'a Lessons) -> Self {
        Self {
            lessons: Some(lessons),
            ..self
        }
    }

    /// For her turn by a channel: what waited for it is asked again.
    pub fn with_turn(self, channel: &'a Text) -> Self {
        Self {
            turn: Some(channel),
            ..self
        }
    }

    /// The same, where the customer's look says that nothing is due before it: what settles next asks nobody for deadlines then.
    pub fn undue_before(self, look: Timestamp) -> Self {
        Self {
            undue_before: look,
            ..self
        }
    }

    /// For going over to `plan`: what comes true is decided where the trigger fills its past in, and otherwise let go.
    pub fn adopting(plan: &'a Plan, now: Timestamp, effects: &'a mut Vec<Effect>) -> Self {
        Self {
            lets_go: LetsGo::UnlessBackfilled,
            ..Self::new(plan, now, effects)
        }
    }

    /// For what history says: what comes true is decided where the trigger fills its past in and is among these keys, and otherwise let
    /// go.
    pub fn seeding(
        plan: &'a Plan,
        now: Timestamp,
        effects: &'a mut Vec<Effect>,
        new: &'a [u32],
    ) -> Self {
        Self {
            lets_go: LetsGo::UnlessBackfilledOf(new),
            ..Self::new(plan, now, effects)
        }
    }
}

/// What of the moments that come true is not decided.
#[derive(Clone, Copy, Debug)]
enum LetsGo<'a> {
    /// All are.
    Nothing,
    /// Those of triggers that do not fill their past in: customers go over to other triggers.
    UnlessBackfilled,
    /// Those, and all of triggers but of these keys: history says what they know of a customer.
    UnlessBackfilledOf(&'a [u32]),
}

impl LetsGo<'_> {
    fn spares(self, trigger: &Trigger) -> bool {
        match self {
            Self::Nothing => true,
            Self::UnlessBackfilled => trigger.backfill,
            Self::UnlessBackfilledOf(keys) => trigger.backfill && keys.contains(&trigger.key),
        }
    }
}

/// What waits for the watermark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// The deadline of the trigger with this key.
    Deadline(u32),
    /// Moments that wait are to be asked again, or journeys go on.
    Waiting,
    /// The customer was idle for too long.
    Expiry,
}

/// How an event comes to be folded.
#[derive(Clone, Copy, Debug)]
enum Turn<'f> {
    /// In its turn. These have decided it when it was seen; one that waits is among them where its definition has changed meanwhile.
    Settles(&'f [u32]),
    /// Before its turn.
    AtOnce,
    /// Behind the watermark.
    Late,
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

/// A moment that came true, and the event that made it true where it did so by itself.
struct Came<'p, 'e> {
    trigger: &'p Trigger,
    moment: Moment,
    cause: Option<(&'e Event, Option<&'e Settled>)>,
    /// It came true before, and waited until then.
    waited: Option<Timestamp>,
    /// For what.
    past: Past,
    /// The step of a journey that it is.
    step: Option<Step<'p>>,
}

impl<'a> Fold<'a> {
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
                Some((at, Due::Deadline(_) | Due::Waiting)) => self.fire(customer, at),
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

    /// Folds the events up to `watermark` that nothing else precedes. Whether there were any, and what is next, if the watermark
    /// has reached it.
    pub fn settle_events(
        &mut self,
        customer: &mut Customer,
        watermark: Timestamp,
    ) -> (bool, Option<(Timestamp, Due)>) {
        let Customer {
            profile: Profile { settled, tail },
            states,
            waiting,
            ahead: aside,
        } = customer;
        let mut view = aside.take();
        let undue_before = std::mem::replace(&mut self.undue_before, Timestamp::MIN);
        let (mut taken, mut passed) = (0, false);
        let due = loop {
            let next = tail.events().get(taken).map(|tail| &*tail.event);
            let next = next.filter(|event| event.time <= watermark);
            let due = match undue_before > watermark {
                true => None,
                false => self.next_due(settled, states, waiting),
            };
            let due = due.filter(|(at, _)| *at <= watermark);
            // Segments first: what else is due at the instant finds them as they are then.
            let passes = self.passes(settled);
            if passes < Timestamp::MAX
                && passes <= watermark
                && next.is_none_or(|event| passes < event.time)
                && due.is_none_or(|(at, _)| passes <= at)
            {
                if self.gathered_at().is_some_and(|at| at < passes) {
                    // A journey that it begins may be due before.
                    self.decide_gathered((settled, waiting), &tail.events()[taken..]);
                    continue;
                }
                if self.plan.closes(settled) <= passes {
                    self.close(settled, passes);
                } else {
                    self.plan.pass_one(settled, passes);
                }
                passed = true;
                continue;
            }
            match next {
                Some(event) if due.is_none_or(|(at, _)| event.time <= at) => {
                    let fired = &tail.events()[taken].fired;
                    if self.gathered_at().is_some_and(|at| at < event.time) {
                        self.decide_gathered((settled, waiting), &tail.events()[taken..]);
                        continue;
                    }
                    let ahead = &tail.events()[taken + 1..];
                    let turn = Turn::Settles(fired);
                    view = view.filter(|view| view.covers > taken);
                    self.fold_event((settled, states, waiting), (event, turn), ahead);
                    taken += 1;
                }
                _ => break due,
            }
        };
        let fires = match due {
            Some((at, Due::Deadline(_) | Due::Waiting)) => Some(at),
            Some((_, Due::Expiry)) | None => None,
        };
        // What is due at the same instant is decided with it.
        let due = match self.gathered_at() {
            Some(at) if fires != Some(at) => {
                self.decide_gathered((settled, waiting), &tail.events()[taken..]);
                // It may have begun a journey.
                let due = self.next_due(settled, states, waiting);
                due.filter(|(at, _)| *at <= watermark)
            }
            _ => due,
        };
        if taken > 0 {
            tail.drop_first(taken);
        }
        aside.keep_beyond(taken, view);
        (taken > 0 || passed, due)
    }

    /// When a segment may be entered or left by time alone, or a goal counts no more; never where there is none.
    pub(super) fn passes(&self, settled: &Settled) -> Timestamp {
        let segments = match self.plan.segments.is_empty() {
            true => Timestamp::MAX,
            false => settled.segments.due(),
        };
        segments.min(self.plan.closes(settled))
    }

    /// What comes next but for events, and when: the first deadline, by the trigger it belongs to, moments that wait, or the
    /// customer's expiry. Of several at one time, the deadline of the most important trigger; the expiry is last.
    fn next_due(
        &self,
        settled: &Settled,
        states: &States,
        waiting: &Waiting,
    ) -> Option<(Timestamp, Due)> {
        let due = states.iter().filter_map(|(key, state)| {
            let rank = self.plan.rank(key)?;
            let at = self.plan.triggers[rank].kind.due(state, settled)?;
            Some((at, rank, key))
        });
        let deadline = due.min().map(|(at, _, key)| (at, Due::Deadline(key)));
        let waits = waiting.due().into_iter().chain(settled.journeys.due());
        let waits = waits.min().map(|at| (at, Due::Waiting));
        let deadline = deadline.into_iter().chain(waits).min_by_key(|(at, _)| *at);
        let expiry = self.plan.expiry(settled);
        match deadline {
            Some((at, _)) if at <= expiry => deadline,
            _ => (expiry < Timestamp::MAX).then_some((expiry, Due::Expiry)),
        }
    }

    /// Everything that is due at this instant: deadlines, and the moments that waited until then. It is asked as of that instant
    /// at the earliest.
    fn fire(&mut self, customer: &mut Customer, at: Timestamp) {
        let Customer {
            profile: Profile { settled, tail },
            states,
            waiting,
            ahead: aside,
        } = customer;
        aside.forget();
        let plan = self.plan;
        let gathered = std::mem::take(&mut self.gathered);
        let mut came: Vec<Came<'_, '_>> = gathered.iter().map(Gathered::came).collect();
        while let Some((due, Due::Deadline(key))) = self.next_due(settled, states, waiting)
            && due == at
        {
            let Some((trigger, state)) = plan.by_key(key).zip(states.get_mut(key)) else {
                break;
            };
            match trigger.kind.fire(state, settled, &plan.rows) {
                Some(moment) => came.push(Came::new(trigger, moment)),
                None => self.asked_in_vain = true,
            }
        }
        let waited = match waiting.due() {
            Some(due) if due <= at => waiting.let_go(at),
            _ => Vec::new(),
        };
        let causes: Vec<_> = waited.iter().map(|it| it.cause(&settled.id)).collect();
        for (waits, cause) in waited.iter().zip(&causes) {
            if let Some(trigger) = plan.by_key(waits.trigger) {
                let cause = cause.as_ref();
                let turn = self.turn_of(waits.why, &waits.channel);
                came.push(Came {
                    trigger,
                    moment: waits.moment(),
                    cause: cause.map(|(event, previous)| (*event, previous.as_ref())),
                    waited: Some(at),
                    past: Past {
                        turn,
                        ..waits.past()
                    },
                    step: None,
                });
            }
        }
        if settled.journeys.due().is_some_and(|due| due <= at) {
            // Where she stands may change without anything being told.
            self.asked_in_vain = true;
        }
        let steps = self.go_on(settled, at, |_| true);
        came.extend(steps.iter().map(Sending::came));
        came.sort_by_key(|came| plan.rank(came.trigger.key));
        self.decide(came, (settled, waiting), tail.events(), self.now.max(at));
    }

    /// The turn of what has waited for that, and is let go.
    fn turn_of(&self, why: Why, channel: &Text) -> Option<Text> {
        let turn = self.turn.filter(|turn| *turn == channel);
        turn.filter(|_| why == Why::SendRate).cloned()
    }

    /// Applies a settled event, shows it to the triggers that take it, gathers what it makes true, and undoes what it shows to be
    /// wrong.
    fn fold_event(
        &mut self,
        (settled, states, waiting): (&mut Settled, &mut States, &mut Lazy<Waiting>),
        (event, turn): (&Event, Turn<'_>),
        ahead: &[TailEvent],
    ) {
        let plan = self.plan;
        let fired = match turn {
            Turn::Settles(fired) => fired,
            Turn::AtOnce | Turn::Late => &[],
        };
        let spoke = |trigger: &Trigger| fired.contains(&trigger.key);
        let folding = || plan.naming(event.name).filter(|it| it.kind.folds());
        let asks = folding().any(|trigger| trigger.uses_previous)
            || plan
                .naming(event.name)
                .any(|it| spoke(it) && it.uses_previous)
            || plan.measures_previous(event)
            || plan.goals_ask_previous(event.name)
            || plan.journeys_ask_previous(settled);
        let previous = asks.then(|| settled.clone());
        let again = plan.apply(settled, event, previous.as_ref(), |fact, refused| {
            self.effects.push(Effect::OpenLimit {
                trigger: compact_str::format_compact!("facts.{fact}"),
                refused,
            });
        });
        if plan.has_goals {
            self.come_of(settled, (event, previous.as_ref()), again);
        }
        self.tells_journeys(settled, (event, previous.as_ref()), again);
        let mut held_true = Vec::new();
        for trigger in folding().filter(|it| !again || it.kind.takes_again()) {
            let found = plan.shows(trigger, event, settled, previous.as_ref(), states);
            if found.refused > 0 {
                self.effects.push(Effect::OpenLimit {
                    trigger: trigger.name.clone(),
                    refused: found.refused,
                });
            }
            let Some(moment) = found.moment else { continue };
            // What speaks at once has done so when the event was seen.
            if trigger.kind.is_immediate() {
                held_true.push((trigger.key, moment));
            } else if !spoke(trigger) {
                let has_event = trigger.kind.has_event();
                self.gathered.push(Gathered {
                    trigger,
                    moment,
                    cause: has_event.then(|| (event.clone(), previous.clone())),
                });
            }
        }
        let folded = Folded {
            event,
            previous: previous.as_ref(),
            again,
        };
        match turn {
            Turn::Settles(fired) => {
                self.settles((settled, waiting), folded, (fired, &held_true), ahead);
            }
            Turn::Late => self.proves_wrong((settled, states, waiting), folded),
            Turn::AtOnce => {}
        }
        self.stands_for_later(settled, folded, &held_true, ahead);
    }

    /// Whether nothing that came true is still to be decided.
    pub fn has_decided_all(&self) -> bool {
        self.gathered.is_empty()
    }

    /// The instant of the moments that are gathered.
    fn gathered_at(&self) -> Option<Timestamp> {
        self.gathered.first().map(|it| it.moment.at)
    }

    /// Decides what settled events made true at one instant.
    fn decide_gathered(
        &mut self,
        (settled, waiting): (&mut Settled, &mut Lazy<Waiting>),
        ahead: &[TailEvent],
    ) {
        let gathered = std::mem::take(&mut self.gathered);
        let mut came: Vec<Came<'_, '_>> = gathered.iter().map(Gathered::came).collect();
        came.sort_by_key(|came| self.plan.rank(came.trigger.key));
        self.decide(came, (settled, waiting), ahead, self.now);
    }
}

impl<'p> Came<'p, '_> {
    /// Without an event at hand.
    fn new(trigger: &'p Trigger, moment: Moment) -> Self {
        Self {
            trigger,
            moment,
            cause: None,
            waited: None,
            past: Past::default(),
            step: None,
        }
    }
}

impl<'p> Gathered<'p> {
    fn came(&self) -> Came<'p, '_> {
        let cause = self.cause.as_ref();
        Came {
            cause: cause.map(|(event, previous)| (event, previous.as_ref())),
            ..Came::new(self.trigger, self.moment.clone())
        }
    }
}

impl Plan {
    /// Shows an event that the profile has taken in to a trigger that takes it.
    fn shows(
        &self,
        trigger: &Trigger,
        event: &Event,
        settled: &Settled,
        previous: Option<&Settled>,
        states: &mut States,
    ) -> Found {
        let scope = Scope::of_event(event, settled, previous, &self.rows);
        let mut found = Found::default();
        trigger.kind.event(trigger.key, states, &scope, &mut found);
        found
    }
}
