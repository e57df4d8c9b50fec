//! How far the other tasks have come, where ids of one person may lie in two of them.
//!
//! Whatever another task may still tell of before a time has to be here before time passes it: that a visitor of this task bought as a
//! customer of the other, or what a visitor of the other did. So a task that would move time *asks* those who have not come so far, and
//! each *promises* once it has: by what it has taken, or as silence proves. Both are records without a value in the topic between
//! tasks, which is read in order; so a promise is believed once everything before it is taken. None of it is state: who begins anew
//! asks anew, and the journal says how far time moved.
//!
//! An ask may move on faster than the other task comes after it: so that one promises step by step, as far as it has come, but never
//! past what it was asked for. What is told before an ask it has heard by then, what is told later it has not.
//!
//! What must stay true: a promise does not wait for others' promises, so nobody waits for himself. And nobody is waited for longer than
//! [`Between::wait_max_ms`]: a task that is refused must not stop the others; that is counted.

use std::collections::{BTreeMap, VecDeque};

use super::core::{Core, Count, RawRecord};
use super::inbox::Standing;
use super::transaction::{Open, Out, Sink};
use super::{Refusal, Task};
use crate::time::Timestamp;

/// The header of a record that asks for a promise: the task that asks, and up to when, ms.
pub const ASKS: &str = "moments.asks";
/// The header of a promise: the task that gives it, and up to when, ms.
pub const PROMISES: &str = "moments.promises";

/// Who has not answered for so long is asked again: it may have begun anew meanwhile.
const ASK_AGAIN_MS: i64 = 1_000;
/// Somebody is asked once in so long for each task that there is: that all ask all costs a bounded number of records a second.
const ASK_PAUSE_MS: i64 = 25;
/// Who has promised some of what it was asked for promises more when it has come on by so much.
const STEP_MS: i64 = 1_000;
/// Without a deadline to come true, time may stay behind by so much: only tails grow by it.
const BEHIND_MS: i64 = 10_000;

/// The topic between tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Between {
    /// Its number among the task's topics.
    pub topic: usize,
    /// How many tasks there are.
    pub tasks: i32,
    /// For how long time waits for another task, milliseconds by the clock.
    pub wait_max_ms: i64,
}

impl Between {
    /// Between two of what is said to one task, milliseconds.
    fn pause(self) -> i64 {
        ASK_AGAIN_MS.min(ASK_PAUSE_MS * i64::from(self.tasks))
    }
}

/// What was asked of a task.
#[derive(Clone, Copy, Debug)]
struct Asked {
    until: Timestamp,
    /// By the clock.
    at: Timestamp,
    /// Since when it has not answered, by the clock; none: all that was asked for is promised.
    since: Option<Timestamp>,
    /// It is not waited for until it answers.
    overdue: bool,
}

impl Asked {
    /// It promised so much: who promises less than was asked for is there, and on its way.
    fn answered(&mut self, promised: Timestamp, clock: Timestamp) {
        self.since = (promised < self.until).then_some(clock);
        self.overdue = false;
    }
}

/// What another task wants a promise for.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    /// What it is answered at.
    first: Timestamp,
    /// The most that it asked for.
    last: Timestamp,
    /// What it was promised of it.
    promised: Timestamp,
    /// When that was, or it asked first, by the clock.
    told: Timestamp,
}

impl Wanted {
    /// What is promised now by who has come so far, if it is time for it. Who lags says so, as long as it comes on.
    fn promises(&self, reached: Timestamp, pause: i64, clock: Timestamp) -> Option<Timestamp> {
        let is_paused = |pause: i64| self.told.plus(pause) > clock;
        let is_due = reached >= self.last
            || reached >= self.first && !is_paused(pause)
            || reached > self.promised && !is_paused(ASK_AGAIN_MS);
        is_due.then(|| reached.min(self.last))
    }
}

/// What is known of the other tasks.
#[derive(Debug, Default)]
pub(super) struct Others {
    /// Promises that came and are not reached yet: where they stand, whose they are.
    coming: VecDeque<(i64, i32, Timestamp)>,
    promised: BTreeMap<i32, Timestamp>,
    asked: BTreeMap<i32, Asked>,
    /// Who asked for a promise.
    wanted: BTreeMap<i32, Wanted>,
    /// The event that is under way for longest, and since when time waits for it, by the clock.
    waits: Option<(Timestamp, Timestamp, bool)>,
}

impl Others {
    /// A record without a value came.
    fn came(&mut self, record: &RawRecord, clock: Timestamp) {
        for (name, value) in &record.headers {
            let Some((task, at)) = value.as_deref().and_then(said) else {
                continue;
            };
            match name.as_str() {
                ASKS => self.wants(task, at, clock),
                PROMISES => self.coming.push_back((record.offset, task, at)),
                _ => {}
            }
        }
    }

    /// A task wants a promise. What it wanted before it wants still: else who asks for more and more is never answered.
    fn wants(&mut self, task: i32, at: Timestamp, clock: Timestamp) {
        let wanted = self.wanted.entry(task).or_insert(Wanted {
            first: at,
            last: at,
            promised: Timestamp::MIN,
            told: clock,
        });
        wanted.first = at.min(wanted.first);
        wanted.last = at.max(wanted.last);
    }

    /// Everything before this offset is taken.
    fn reach(&mut self, offset: i64, clock: Timestamp) {
        while let Some((_, task, at)) = self.coming.pop_front_if(|(stands, ..)| *stands < offset) {
            let promised = self.promised.entry(task).or_insert(at);
            *promised = at.max(*promised);
            if let Some(asked) = self.asked.get_mut(&task) {
                asked.answered(*promised, clock);
            }
        }
    }

    /// A task was promised so much.
    fn told(&mut self, task: i32, promised: Timestamp, clock: Timestamp) {
        let Some(wanted) = self.wanted.get_mut(&task) else {
            return;
        };
        if wanted.last <= promised {
            self.wanted.remove(&task);
            return;
        }
        if wanted.first <= promised {
            wanted.first = promised.plus(STEP_MS).min(wanted.last);
        }
        (wanted.promised, wanted.told) = (promised, clock);
    }

    /// The least that others want.
    fn wanted_first(&self) -> Option<Timestamp> {
        self.wanted.values().map(|wanted| wanted.first).min()
    }
}

/// The task and the time of a header.
fn said(value: &[u8]) -> Option<(i32, Timestamp)> {
    let (task, at) = std::str::from_utf8(value).ok()?.split_once(' ')?;
    Some((task.parse().ok()?, Timestamp(at.parse().ok()?)))
}

impl<C: Core> Task<C> {
    /// Whether a record of a topic says how far another task has come; then it is heard, and is no event.
    pub(super) fn hears(&mut self, topic: usize, record: &RawRecord) -> bool {
        if !self.is_between(topic) || record.value.is_some() || record.unreadable.is_some() {
            return false;
        }
        self.others.came(record, self.clock);
        self.inbox.passed(topic, record.offset + 1);
        true
    }

    /// Whether a topic is the one between tasks.
    pub(super) fn is_between(&self, topic: usize) -> bool {
        self.settings.between.is_some_and(|it| it.topic == topic)
    }

    /// Refuses for what another task told and this one cannot read.
    pub(super) fn refuse_told(&mut self, offset: i64, detail: &str) {
        let Some(between) = self.settings.between else {
            return;
        };
        let refusal = Refusal::Transfer {
            topic: self.settings.topics[between.topic].name.clone(),
            partition: self.settings.partition,
            offset,
            detail: detail.to_owned(),
        };
        self.refuse(refusal);
    }

    /// As far as time may move that would move to this: not past what is under way, or what others may still tell of.
    pub(super) fn as_far_as_told(&mut self, to: Timestamp) -> Timestamp {
        let task = self.watermarks.task();
        let to = self.as_far_as_held(to);
        let Some(between) = self.settings.between else {
            return to.max(task);
        };
        if let Some(offset) = self.inbox.offset(between.topic) {
            self.others.reach(offset, self.clock);
        }
        let mut told = to;
        let own = self.settings.partition;
        for other in (0..between.tasks).filter(|other| *other != own) {
            let promised = self.others.promised.get(&other).copied();
            let promised = promised.unwrap_or(Timestamp::MIN);
            if promised < to {
                self.ask_other(other, to, between);
                if !self.is_overdue(other, between) {
                    told = told.min(promised);
                }
            }
        }
        told.max(task)
    }

    /// Not past the first event that is under way to another task and back.
    fn as_far_as_held(&mut self, to: Timestamp) -> Timestamp {
        let Some(held) = self.core.held().filter(|held| *held <= to) else {
            return to;
        };
        let wait_max_ms = self.settings.between.map_or(0, |it| it.wait_max_ms);
        let (clock, waits) = (self.clock, self.others.waits);
        let (_, since, overdue) = waits
            .filter(|(at, ..)| *at == held)
            .unwrap_or((held, clock, false));
        let is_overdue = since.plus(wait_max_ms) <= clock;
        self.others.waits = Some((held, since, is_overdue));
        if is_overdue && !overdue {
            self.count_overdue();
        }
        if is_overdue { to } else { held.plus(-1) }
    }

    fn count_overdue(&mut self) {
        let count = Count::Identities("overdue".into());
        *self.tallies.entry(count).or_default() += 1;
    }

    /// Whether a task has not answered for so long that it is not waited for.
    fn is_overdue(&mut self, other: i32, between: Between) -> bool {
        let clock = self.clock;
        let Some(asked) = self.others.asked.get_mut(&other) else {
            return false;
        };
        let is_overdue = asked
            .since
            .is_some_and(|since| since.plus(between.wait_max_ms) <= clock);
        let is_new = is_overdue && !std::mem::replace(&mut asked.overdue, is_overdue);
        if is_new {
            self.count_overdue();
        }
        is_overdue
    }

    /// Asks a task for a promise, where time is waited for.
    fn ask_other(&mut self, other: i32, to: Timestamp, between: Between) {
        let deadline = self.core.next_deadline();
        let is_due = deadline.is_some_and(|deadline| deadline <= to);
        if !is_due && to < self.watermarks.task().plus(BEHIND_MS) {
            return;
        }
        let clock = self.clock;
        let asked = self.others.asked.get(&other).copied();
        let pause = match asked {
            Some(asked) if asked.until >= to => ASK_AGAIN_MS,
            _ => between.pause(),
        };
        if asked.is_some_and(|asked| asked.at.plus(pause) > clock) {
            return;
        }
        let asked = Asked {
            until: to,
            at: clock,
            since: asked.and_then(|asked| asked.since).or(Some(clock)),
            overdue: asked.is_some_and(|asked| asked.overdue),
        };
        self.others.asked.insert(other, asked);
        self.tell_other(other, ASKS, to);
    }

    fn tell_other(&mut self, other: i32, what: &str, at: Timestamp) {
        let said = format!("{} {}", self.settings.partition, at.0).into_bytes();
        let delays = self.settings.delays;
        let open = self.open.get_or_insert_with(|| Open::new(delays));
        let out = Out {
            sink: Sink::Transfers(other),
            key: None,
            value: None,
            headers: vec![(what.to_owned(), Some(said))],
        };
        open.tells(out, self.clock);
    }

    /// Promises what others want, as far as this task has come by what it has taken, or as silence proves; whether it did.
    pub(super) fn promise(&mut self) -> bool {
        let Some(between) = self.settings.between else {
            return false;
        };
        if self.others.wanted.is_empty() {
            return false;
        }
        let by_records = self
            .watermarks
            .reached_by_records(|topic| self.unread(topic));
        // Nor is an event waited for here for ever that does not come back.
        let held = self.as_far_as_held(Timestamp::MAX);
        let reached = by_records.max(self.silent_until()).min(held);
        let (clock, pause) = (self.clock, between.pause());
        let wanted = self.others.wanted.iter();
        let promises: Vec<(i32, Timestamp)> = wanted
            .filter_map(|(other, it)| Some((*other, it.promises(reached, pause, clock)?)))
            .collect();
        for (other, promised) in &promises {
            self.tell_other(*other, PROMISES, *promised);
            self.others.told(*other, *promised, clock);
        }
        !promises.is_empty()
    }

    /// Up to when silence proves that nothing more comes of what this task reads; asks for the ends of its topics where that would say
    /// more.
    fn silent_until(&mut self) -> Timestamp {
        // Their silence proves nothing.
        if self.awaited != 0 {
            return Timestamp::MIN;
        }
        let Some((due, until)) = self.promise_due() else {
            return Timestamp::MIN;
        };
        let mut topics = 0..self.settings.topics.len();
        let is_behind = topics.any(|topic| self.inbox.standing(topic) == Standing::Behind);
        if due > self.clock || is_behind {
            return Timestamp::MIN;
        }
        let mut topics = 0..self.settings.topics.len();
        let caught_up = topics.all(|topic| self.inbox.standing(topic) == Standing::CaughtUp);
        if caught_up && self.inbox.asked_at() >= due {
            let silent = self.watermarks.silent_until(
                &self.settings.clock,
                self.inbox.asked_at(),
                self.quiet_since,
                self.settings.idle_delay_ms,
            );
            return silent.max(until);
        }
        self.ask_ends();
        Timestamp::MIN
    }

    /// When silence leads to the first promise that is wanted, by the clock, and which that is; while no record is at hand.
    fn promise_due(&self) -> Option<(Timestamp, Timestamp)> {
        let until = self.others.wanted_first()?;
        let settings = &self.settings;
        let due = self.watermarks.silent_at(
            &settings.clock,
            until,
            self.quiet_since,
            settings.idle_delay_ms,
        );
        self.inbox.is_empty().then_some((due, until))
    }

    /// When the task has to look at the others again, by the clock, if nothing happens before.
    pub(super) fn others_due(&self) -> Option<Timestamp> {
        let between = self.settings.between?;
        let promise = self.promise_due().map(|(due, _)| due);
        let asked = self.others.asked.values();
        let again = asked.map(|asked| match asked.since {
            Some(_) => asked.at.plus(ASK_AGAIN_MS),
            // By then it may be asked for more.
            None => asked.at.plus(between.pause()),
        });
        let waits = self.others.waits.filter(|(.., overdue)| !overdue);
        let waits = waits.filter(|(at, ..)| self.core.held() == Some(*at));
        let waits = waits.map(|(_, since, _)| since.plus(between.wait_max_ms));
        let all = promise.into_iter().chain(again).chain(waits);
        all.filter(|due| *due > self.clock).min()
    }
}
