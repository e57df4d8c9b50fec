//! How a customer goes through her journeys.
//!
//! She enters when a moment is decided, and goes on in three ways: at an instant at which a step is over or time makes a condition
//! true, with an event that settles and is waited for or makes a condition true, and when a step that sends was decided. A step that
//! sends is a moment of its own, decided with all others of its instant; what holds it back is kept at her place. Nothing else of a
//! journey is told.

mod place;

use super::super::Effect;
use super::super::lessons::Turnout;
use super::super::waiting::Waiting;
use super::{Came, Fold};
use crate::event::{Event, Text};
use crate::expression::{Expression, Scope};
use crate::journey::lessons::Lessons;
use crate::journey::{At, Journey, Stop, Trail, Walk};
use crate::moment::Moment;
use crate::policy::{self, Decided, Held, Past, Sends};
use crate::profile::journeys::{Awaits, Hold, Place, Stays, Went};
use crate::profile::{Settled, TailEvent};
use crate::stored::Lazy;
use crate::tally::funnel::{Leaving, Passage, SENT};
use crate::tally::{Change, Outcome as Counted};
use crate::time::Timestamp;
use crate::treatment::{Decision, Outcome, Reason};
use crate::trigger::plan::{Mode, Plan, Trigger};

pub(super) use place::{is_undone, open};
use place::{moment, scope};

/// A step that is decided.
#[derive(Clone)]
pub(super) struct Step<'p> {
    sends: Sends<'p>,
    at: At<'p>,
    began: Text,
    /// When the moment came true that began the journey.
    pub began_at: Timestamp,
}

/// The same, with what it is decided on.
pub(super) struct Sending<'p> {
    trigger: &'p Trigger,
    step: Step<'p>,
    moment: Moment,
    event: Option<Event>,
    past: Past,
    waited: Option<Timestamp>,
}

/// An event that settled at the instant at which she entered a journey, or enters one that is not decided yet.
pub(super) struct Behind {
    event: Event,
    /// The customer before it.
    previous: Option<Settled>,
    /// What it is about was told before.
    again: bool,
    /// The places, by trigger and occurrence, that went on by it.
    passed: Vec<(u32, Text)>,
}

/// What becomes of her place.
enum Turn<'p> {
    Leaves(Leaving),
    /// What is waited for came: she goes on from the first to the second.
    Passes(At<'p>, Option<At<'p>>),
    /// She stays where she is.
    Stays,
    Waits(At<'p>, Timestamp),
    Sends(At<'p>, Sends<'p>),
}

impl<'p> Sending<'p> {
    pub fn came(&self) -> Came<'p, '_> {
        Came {
            cause: self.event.as_ref().map(|event| (event, None)),
            waited: self.waited,
            past: self.past.clone(),
            step: Some(self.step.clone()),
            ..Came::new(self.trigger, self.moment.clone())
        }
    }
}

impl<'p> Step<'p> {
    pub fn sends(&self) -> Sends<'p> {
        self.sends
    }
}

impl Plan {
    /// Whether an event that one of her journeys may wait for is told from others by the profile before it.
    pub(super) fn journeys_ask_previous(&self, settled: &Settled) -> bool {
        let open = settled.journeys.open().iter();
        let mut journeys = open.filter_map(|place| self.by_key(place.key)?.journey.as_ref());
        self.has_journeys && journeys.any(Journey::uses_previous)
    }
}

impl<'a> Fold<'a> {
    // By time.

    /// Goes on with those of her journeys that are due and meant: the steps that are to be decided.
    pub(super) fn go_on(
        &mut self,
        settled: &mut Settled,
        at: Timestamp,
        is_meant: impl Fn(&Place) -> bool,
    ) -> Vec<Sending<'a>> {
        let open = settled.journeys.open().iter();
        let due = open.filter(|place| place.due() <= at && is_meant(place));
        let due: Vec<Place> = due.cloned().collect();
        due.into_iter()
            .filter_map(|place| self.goes_on(settled, &place, at))
            .collect()
    }

    fn goes_on(
        &mut self,
        settled: &mut Settled,
        place: &Place,
        at: Timestamp,
    ) -> Option<Sending<'a>> {
        let plan = self.plan;
        let trigger = plan.by_key(place.key)?;
        let Some(journey) = &trigger.journey else {
            self.leaves(settled, place, Leaving::TakenOut, at);
            return None;
        };
        let mut trail = Trail::default();
        let turn = {
            let scope = scope(place, (settled, &self.plan.rows), at);
            let by = (self.lessons, &mut trail);
            due(plan, (trigger, journey), place, &scope, by)
        };
        for passage in trail.passages {
            self.passes_by(settled, (trigger, place), passage);
        }
        self.takes(settled, (trigger, place), &trail.takes, at);
        let own = settled
            .journeys
            .of_mut(place.key, &place.began.occurrence)?;
        match turn {
            Turn::Leaves(why) => {
                self.leaves(settled, place, why, at);
                return None;
            }
            Turn::Passes(_, to) => own.goes(to.map(stands), at),
            Turn::Stays => {}
            Turn::Waits(step, until) => {
                own.goes(Some(stands(step)), at);
                own.stays = Some(Stays::Until(until));
                self.asks_again(settled, journey, place, at);
                self.tells_of_instant(settled, place.key, &place.began.occurrence);
                return None;
            }
            Turn::Sends(step, sends) => {
                own.goes(Some(stands(step)), at);
                own.asks = None;
                let mut sending = sending(trigger, (step, sends), place, at);
                if let Some(Stays::Held(hold)) = &place.stays {
                    sending.past.turn = self.turn_of(hold.why(), &hold.channel);
                }
                return Some(sending);
            }
        }
        self.asks_again(settled, journey, place, at);
        None
    }

    /// Counts what she does in a journey; of who is held out nothing is.
    fn passes_by(
        &mut self,
        settled: &Settled,
        (trigger, place): (&Trigger, &Place),
        passage: Passage,
    ) {
        if place.held_out {
            return;
        }
        // What it is counted with is hers: `Engine::count`.
        self.effects.push(Effect::Came(Box::new(Counted {
            customer: settled.id.clone(),
            trigger: (trigger.name.clone(), trigger.generation),
            treatment: None,
            segments: Vec::new(),
            change: Change::Passed(passage),
        })));
    }

    /// She entered a journey, where a decision says so.
    pub(super) fn enters(&mut self, settled: &mut Settled, trigger: &Trigger, decision: &Decision) {
        if decision.outcome == Outcome::Refuse(Reason::Entered, None)
            && let Some(place) = settled.journeys.of(trigger.key, &decision.occurrence)
        {
            self.passes_by(settled, (trigger, place), Passage::Enters);
            self.tells_of_instant(settled, trigger.key, &decision.occurrence);
        }
    }

    /// She took ways of adaptive splits, by the keys of step and way: what comes of it is learnt. Who is sent nothing teaches nothing.
    fn takes(
        &mut self,
        settled: &mut Settled,
        (trigger, place): (&Trigger, &Place),
        takes: &[(u32, u32)],
        at: Timestamp,
    ) {
        let goal = trigger.goal.as_ref();
        let goal = goal.filter(|_| !place.held_out && trigger.mode == Mode::Live);
        for ((step, way), goal) in takes.iter().zip(goal.into_iter().cycle()) {
            let went = Went {
                key: trigger.key,
                about: place.about.clone(),
                step: *step,
                way: *way,
                at,
                until: at.plus(goal.within_ms),
            };
            self.went(settled, &went, Turnout::Takes);
            if let Some(first) = settled.journeys.takes(went) {
                self.went(settled, &first, Turnout::Misses);
            }
        }
    }

    /// Goes on with what began at an instant just now, beyond what is settled.
    pub(super) fn go_on_at_once(
        &mut self,
        (settled, waiting): (&mut Settled, &mut Lazy<Waiting>),
        ahead: &[TailEvent],
        at: Timestamp,
    ) {
        if !self.plan.has_journeys {
            return;
        }
        let is_new =
            |place: &Place| place.began.at == at && place.since == at && place.stays.is_none();
        loop {
            let steps = self.go_on(settled, at, is_new);
            if steps.is_empty() {
                return;
            }
            let came = steps.iter().map(Sending::came).collect();
            self.decide(came, (settled, waiting), ahead, self.now);
        }
    }

    /// Says when time alone may make her leave, or go on.
    fn asks_again(&self, settled: &mut Settled, journey: &Journey, place: &Place, at: Timestamp) {
        let Some(place) = settled.journeys.of(place.key, &place.began.occurrence) else {
            return;
        };
        let scope = scope(place, (settled, &self.plan.rows), at);
        let step = place.step.as_ref();
        let step = step.and_then(|step| journey.step(crate::journey::key(step)));
        let awaited = step.filter(|_| matches!(place.stays, Some(Stays::Until(_))));
        let conditions = [journey.until.as_ref(), awaited.and_then(At::awaited)];
        let next = |condition: &Expression| condition.next_change(&scope);
        let asks = conditions.into_iter().flatten().filter_map(next).min();
        if asks == place.asks {
            return;
        }
        let (key, began) = (place.key, place.began.occurrence.clone());
        if let Some(own) = settled.journeys.of_mut(key, &began) {
            own.asks = asks;
        }
    }

    // By decisions.

    /// What was decided of a step: she goes on, or waits there. `asked_at`: as of when.
    pub(super) fn stepped(
        &mut self,
        settled: &mut Settled,
        trigger: &Trigger,
        step: &Step<'_>,
        decided: &Decided,
        asked_at: Timestamp,
    ) {
        if let (Decided::Now(decision), Some(place)) =
            (decided, settled.journeys.of(trigger.key, &step.began))
        {
            let way = match &decision.outcome {
                Outcome::Treat(_) => SENT,
                Outcome::Refuse(reason, _) => reason.word(),
                Outcome::Withdraw(withdrawal) => withdrawal.reason.word(),
            };
            self.passes_by(settled, (trigger, place), step.at.goes(way));
        }
        let Some(place) = settled.journeys.of_mut(trigger.key, &step.began) else {
            return;
        };
        match decided {
            Decided::Now(_) => {
                place.sent.push(step.at.key());
                place.goes(step.at.next().map(stands), asked_at);
            }
            Decided::Held(held) => {
                place.stays = Some(Stays::Held(Hold {
                    until: held.until,
                    at: held.moment.at,
                    channel: held.channel.clone(),
                    awaits: Awaits::of(held.why),
                    window: held.past.window.clone().unwrap_or_default(),
                }));
            }
        }
        if let Some(journey) = &trigger.journey {
            let place = place.clone();
            self.asks_again(settled, journey, &place, asked_at);
        }
    }

    // By events.

    /// An event settles, and the profile has taken it in.
    pub(super) fn tells_journeys(
        &mut self,
        settled: &mut Settled,
        (event, previous): (&Event, Option<&Settled>),
        again: bool,
    ) {
        let begins = self.gathered.iter().any(|it| it.trigger.journey.is_some());
        if !self.plan.has_journeys || settled.journeys.open().is_empty() && !begins {
            return;
        }
        let places: Vec<Place> = settled.journeys.open().to_vec();
        self.behind.retain(|it| it.event.time == event.time);
        let may_wait = |place: &Place| place.began.at == event.time && place.since == event.time;
        let waits = begins || places.iter().any(may_wait);
        let mut passed = Vec::new();
        for place in places.iter().filter(|it| it.began.is_before(event)) {
            if self.tells(settled, place, (event, previous), again) {
                passed.push((place.key, place.began.occurrence.clone()));
            }
        }
        if waits {
            self.behind.push(Behind {
                event: event.clone(),
                previous: previous.cloned(),
                again,
                passed,
            });
        }
    }

    /// Tells a place of an event that came after what began it. Whether she goes on by that.
    fn tells(
        &mut self,
        settled: &mut Settled,
        place: &Place,
        (event, previous): (&Event, Option<&Settled>),
        again: bool,
    ) -> bool {
        let trigger = self.plan.by_key(place.key);
        let Some((trigger, journey)) = trigger.and_then(|it| Some((it, it.journey.as_ref()?)))
        else {
            return false;
        };
        let said = Scope {
            event: Some(event),
            previous,
            ..scope(place, (settled, &self.plan.rows), event.time)
        };
        let turn = told((trigger, journey), place, &said, again);
        let passes = matches!(turn, Turn::Passes(..));
        match turn {
            Turn::Leaves(why) => self.leaves(settled, place, why, event.time),
            Turn::Passes(from, to) => {
                if let Some(passage) = from.waited(true) {
                    self.passes_by(settled, (trigger, place), passage);
                }
                let began = &place.began.occurrence;
                if let Some(own) = settled.journeys.of_mut(place.key, began) {
                    own.goes(to.map(stands), event.time);
                }
            }
            Turn::Stays | Turn::Waits(..) | Turn::Sends(..) => {}
        }
        self.asks_again(settled, journey, place, event.time);
        passes
    }

    /// She has come to where she is at the instant at which she entered: she is told of what settled of that instant meanwhile, behind
    /// the event by which she entered, and the one by which she went on last.
    fn tells_of_instant(&mut self, settled: &mut Settled, key: u32, began: &Text) {
        let mut behind = std::mem::take(&mut self.behind);
        let own = (key, began.clone());
        let last = behind.iter().rposition(|it| it.passed.contains(&own));
        for it in behind.iter_mut().skip(last.map_or(0, |last| last + 1)) {
            let place = settled.journeys.of(key, began).cloned();
            let place = place.filter(|place| place.since == it.event.time);
            if let Some(place) = place.filter(|place| place.began.is_before(&it.event))
                && self.tells(settled, &place, (&it.event, it.previous.as_ref()), it.again)
            {
                it.passed.push(own.clone());
            }
        }
        self.behind = behind;
    }

    // The end.

    /// She leaves a journey; what was held back there is dropped.
    fn leaves(&mut self, settled: &mut Settled, place: &Place, why: Leaving, at: Timestamp) {
        let left = settled
            .journeys
            .leave(|it| it.key == place.key && it.began.occurrence == place.began.occurrence);
        for place in left {
            self.withdraws(settled, &place, at);
            if let Some(trigger) = self.plan.by_key(place.key) {
                self.passes_by(settled, (trigger, &place), Passage::Leaves(why));
            }
        }
    }

    /// What is held back at her place is dropped.
    fn withdraws(&mut self, settled: &Settled, place: &Place, at: Timestamp) {
        let (Some(Stays::Held(hold)), Some(step)) = (&place.stays, &place.step) else {
            return;
        };
        let Some(trigger) = self.plan.by_key(place.key) else {
            return;
        };
        let way = Reason::Withdrawn.word().into();
        let passage = Passage::Goes {
            step: step.clone(),
            way,
        };
        self.passes_by(settled, (trigger, place), passage);
        let held = Held {
            trigger: place.key,
            moment: moment(place, step, hold.at),
            until: hold.until,
            why: hold.why(),
            channel: hold.channel.clone(),
            past: hold.past(),
        };
        let mut decision = policy::refused(self.plan, settled, trigger, held, self.now);
        decision.outcome = Outcome::Refuse(Reason::Withdrawn, None);
        decision.asked_at = at;
        self.effects.push(Effect::Decided(Box::new(decision)));
    }

    /// She leaves those of which an event says that nothing began them.
    pub(super) fn drop_journeys(
        &mut self,
        settled: &mut Settled,
        event: &Event,
        is_undone: impl Fn(&Place) -> bool,
    ) {
        let open = settled.journeys.open().iter();
        let undone: Vec<Place> = open.filter(|it| is_undone(it)).cloned().collect();
        for place in undone {
            self.leaves(settled, &place, Leaving::Undone, event.time);
        }
    }

    /// She took back her yes to channels: what is held back for one of these is dropped, and she goes on.
    pub(super) fn drop_steps(
        &mut self,
        settled: &mut Settled,
        said: &Event,
        is_closed: impl Fn(&Settled, u32, &str) -> bool,
    ) {
        let open = settled.journeys.open().iter();
        let closed = open.filter(|place| match &place.stays {
            Some(Stays::Held(hold)) => is_closed(settled, place.key, &hold.channel),
            Some(Stays::Until(_)) | None => false,
        });
        let closed: Vec<Place> = closed.cloned().collect();
        for place in closed {
            self.withdraws(settled, &place, said.time);
            self.passes_over(settled, &place, said.time);
        }
    }

    /// She goes on behind the step at which she stands, and does not come back to it.
    fn passes_over(&self, settled: &mut Settled, place: &Place, at: Timestamp) {
        let journey = self.plan.by_key(place.key);
        let journey = journey.and_then(|it| it.journey.as_ref());
        let own = settled.journeys.of_mut(place.key, &place.began.occurrence);
        if let (Some(journey), Some(own), Some(step)) = (journey, own, &place.step) {
            let next = match journey.step(crate::journey::key(step)) {
                Some(step) => step.next(),
                None => next_of(journey, &place.way),
            };
            own.sent.push(crate::journey::key(step));
            own.goes(next.map(stands), at);
        }
    }

    /// Other triggers are in force from an instant on: whoever stands at a step that is not there any more goes on at the next that
    /// is, and conditions are asked anew. Whether that changed anything.
    pub(in crate::engine) fn takes_edits(&mut self, settled: &mut Settled, at: Timestamp) -> bool {
        if settled.journeys.open().is_empty() {
            return false;
        }
        let before = settled.journeys.clone();
        for place in before.open() {
            let trigger = self.plan.by_key(place.key);
            let Some(journey) = trigger.and_then(|it| it.journey.as_ref()) else {
                self.leaves(settled, place, Leaving::TakenOut, at);
                continue;
            };
            let step = place.step.as_ref().map(|it| crate::journey::key(it));
            if step.is_some_and(|step| journey.step(step).is_none()) {
                self.withdraws(settled, place, at);
                self.passes_over(settled, place, at);
            }
            self.asks_again(settled, journey, place, at);
            let scope = scope(place, (settled, &self.plan.rows), at);
            let leaves = journey.until.as_ref().is_some_and(|it| it.holds(&scope));
            if leaves {
                self.leaves(settled, place, Leaving::Until, at);
            }
        }
        *before != *settled.journeys
    }
}

/// What becomes of a place whose time has come.
fn due<'p>(
    plan: &'p Plan,
    (trigger, journey): (&'p Trigger, &'p Journey),
    place: &Place,
    scope: &Scope<'_>,
    (lessons, trail): (Option<&Lessons>, &mut Trail),
) -> Turn<'p> {
    if journey.until.as_ref().is_some_and(|it| it.holds(scope)) {
        return Turn::Leaves(Leaving::Until);
    }
    let stands = place.step.as_ref();
    let stands = stands.and_then(|step| journey.step(crate::journey::key(step)));
    let from = match &place.stays {
        None => stands,
        Some(Stays::Until(until)) => match stands {
            Some(step) if step.is_met(scope) => {
                trail.passages.extend(step.waited(true));
                step.came()
            }
            Some(step) if *until <= scope.now => {
                trail.passages.extend(step.waited(false));
                step.next()
            }
            // It was taken out, and she has not gone over yet.
            None if *until <= scope.now => next_of(journey, &place.way),
            Some(_) | None => return Turn::Stays,
        },
        Some(Stays::Held(hold)) if hold.until <= scope.now => stands,
        Some(Stays::Held(_)) => return Turn::Stays,
    };
    let zone = plan.zone(scope.profile);
    let walk = Walk {
        scope: *scope,
        zone: &zone,
        lot: [&plan.policy.draw, &trigger.name, &scope.profile.id],
        sent: &place.sent,
        lessons: lessons.map(|lessons| (lessons, trigger.key)),
        has_come: matches!(place.stays, Some(Stays::Held(_))),
    };
    match journey.walk(from, &walk, trail) {
        Stop::Leaves => Turn::Leaves(Leaving::End),
        Stop::Waits(at, until) => Turn::Waits(at, until),
        Stop::Sends(at, choices) => Turn::Sends(
            at,
            Sends {
                choices,
                held_out: place.held_out,
            },
        ),
    }
}

/// What becomes of a place by an event.
fn told<'p>(
    (trigger, journey): (&Trigger, &'p Journey),
    place: &Place,
    said: &Scope<'_>,
    again: bool,
) -> Turn<'p> {
    let own = Scope {
        event: place.began.event.as_ref(),
        previous: None,
        ..*said
    };
    let concerns = !again && journey.concerns(place.about.as_ref(), said);
    let is_goal = trigger.goal.as_ref().is_some_and(|it| it.of.matches(said));
    if concerns && is_goal {
        return Turn::Leaves(Leaving::Goal);
    }
    if journey.until.as_ref().is_some_and(|it| it.holds(&own)) {
        return Turn::Leaves(Leaving::Until);
    }
    let Some(Stays::Until(until)) = place.stays else {
        return Turn::Stays;
    };
    let step = place.step.as_ref();
    let step = step.and_then(|step| journey.step(crate::journey::key(step)));
    // Whoever has come there at the instant at which she entered is told of nothing but what stands behind that.
    let was_there = place.since < said.now || place.since == place.began.at;
    let is_in_time = was_there && said.now <= until;
    match step {
        Some(step) if is_in_time && (concerns && step.takes(said) || step.is_met(&own)) => {
            Turn::Passes(step, step.came())
        }
        _ => Turn::Stays,
    }
}

/// The first of the steps behind one that was taken out that is still there.
fn next_of<'p>(journey: &'p Journey, way: &[u32]) -> Option<At<'p>> {
    way.iter().find_map(|key| journey.step(*key))
}

/// A step as her place remembers it.
fn stands(at: At<'_>) -> (Text, Vec<u32>) {
    (at.name().clone(), at.way())
}

fn sending<'p>(
    trigger: &'p Trigger,
    (at, sends): (At<'p>, Sends<'p>),
    place: &Place,
    now: Timestamp,
) -> Sending<'p> {
    let (moment_at, past) = match &place.stays {
        Some(Stays::Held(hold)) => (hold.at, hold.past().and(hold.why(), &hold.channel)),
        Some(Stays::Until(_)) | None => (now, Past::default()),
    };
    Sending {
        trigger,
        moment: moment(place, at.name(), moment_at),
        step: Step {
            sends,
            at,
            began: place.began.occurrence.clone(),
            began_at: place.began.at,
        },
        event: place.began.event.clone(),
        past,
        waited: Some(now),
    }
}
