//! How far time has come, for a topic, for the task, and when nothing comes any more.
//!
//! A watermark of T says: nothing at or before T is still expected. A topic's is its largest time seen - lateness - 1 ms. The
//! task's is the least over the topics that are not caught up; when all are, the largest time seen by any counts. It never
//! goes back. Topics that do not drive (profile, outcomes) hold time while they are unread, and never move it.

use super::record::{Last, TopicRecord};
use crate::time::Timestamp;

/// How a topic takes part in time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicSettings {
    /// Its name. Topics stand in byte order of name.
    pub name: String,
    /// How long after a later event an earlier one may still come, milliseconds.
    pub lateness_ms: i64,
    /// Whether its events move time.
    pub drives: bool,
}

/// Where `now` comes from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ClockMode {
    /// The clock on the wall.
    Wall,
    /// The largest event time seen: for rehearsals and loads of the past.
    Event,
    /// A clock that showed `origin` when the wall's showed `start`, and runs `factor` times as fast: for demonstrations.
    Accelerated {
        /// What it showed at the start.
        origin: Timestamp,
        /// When that was.
        start: Timestamp,
        /// How many times as fast it runs; above 0.
        factor: f64,
    },
}

impl ClockMode {
    /// What the clock shows when the wall's shows `clock`; nothing where time comes from events alone.
    #[must_use]
    pub fn reading(&self, clock: Timestamp) -> Option<Timestamp> {
        match *self {
            Self::Wall => Some(clock),
            Self::Event => None,
            Self::Accelerated {
                origin,
                start,
                factor,
            } => Some(origin.plus(scale(clock.0.saturating_sub(start.0), factor))),
        }
    }

    /// What the wall's clock shows when this one shows `reading`, or a little later.
    fn wall(&self, reading: Timestamp) -> Timestamp {
        match *self {
            Self::Wall | Self::Event => reading,
            Self::Accelerated {
                origin,
                start,
                factor,
            } => start
                .plus(scale(reading.0.saturating_sub(origin.0), 1.0 / factor).saturating_add(1)),
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "spans of at most centuries in ms"
)]
fn scale(ms: i64, factor: f64) -> i64 {
    (ms as f64 * factor) as i64
}

/// What is still unread of a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unread {
    /// Nothing: it holds nobody back.
    Nothing,
    /// A record at hand, of this time: as good as seen, so that a topic in which little happens does not hold time at its
    /// record before.
    Next(Timestamp),
    /// Something that is not here yet, or that nobody knows of for sure.
    Something,
}

/// What is known of the time of each topic, and of the task.
#[derive(Clone, Debug)]
pub struct Watermarks {
    settings: Vec<TopicSettings>,
    topics: Vec<TopicTime>,
    task: Timestamp,
}

#[derive(Clone, Copy, Debug, Default)]
struct TopicTime {
    seen: Option<Timestamp>,
    last: Option<Last>,
}

impl Watermarks {
    /// Nothing seen yet.
    #[must_use]
    pub fn new(settings: Vec<TopicSettings>) -> Self {
        let topics = vec![TopicTime::default(); settings.len()];
        Self {
            settings,
            topics,
            task: Timestamp::MIN,
        }
    }

    /// As a task record has it.
    pub fn resume(&mut self, topic: usize, record: Option<&TopicRecord>) {
        let time = record.map(|record| TopicTime {
            seen: record.seen,
            last: record.last,
        });
        self.topics[topic] = time.unwrap_or_default();
    }

    /// The largest time seen of a topic and the last record that moved time, for the task record.
    #[must_use]
    pub fn topic(&self, topic: usize) -> (Option<Timestamp>, Option<Last>) {
        (self.topics[topic].seen, self.topics[topic].last)
    }

    /// An event was seen.
    pub fn see(&mut self, topic: usize, time: Timestamp, appended: Timestamp) {
        let topic = &mut self.topics[topic];
        topic.seen = topic.seen.max(Some(time));
        topic.last = Some(Last { appended, time });
    }

    /// The task's watermark.
    #[must_use]
    pub fn task(&self) -> Timestamp {
        self.task
    }

    /// Sets the task's watermark: as a task record has it, or as it moved.
    pub fn set_task(&mut self, watermark: Timestamp) {
        self.task = watermark;
    }

    /// Where the task's watermark may move to, given what is unread of each topic.
    #[must_use]
    pub fn reached(&self, unread: impl Fn(usize) -> Unread) -> Timestamp {
        let own = |topic: usize, seen: Option<Timestamp>| {
            Some(seen?.plus(-self.settings[topic].lateness_ms - 1))
        };
        let seen = |topic: usize| self.topics[topic].seen;
        let all = 0..self.topics.len();
        let driven = all
            .clone()
            .filter(|topic| self.settings[*topic].drives)
            .filter_map(|topic| own(topic, seen(topic)))
            .max();
        let held = all
            .filter_map(|topic| match unread(topic) {
                Unread::Nothing => None,
                Unread::Next(time) => Some(own(topic, seen(topic).max(Some(time)))),
                Unread::Something => Some(own(topic, seen(topic))),
            })
            .map(|own| own.unwrap_or(Timestamp::MIN))
            .min();
        let reached = driven
            .unwrap_or(Timestamp::MIN)
            .min(held.unwrap_or(Timestamp::MAX));
        reached.max(self.task)
    }

    /// The largest event time seen of a topic that drives.
    #[must_use]
    pub fn seen(&self) -> Option<Timestamp> {
        self.driving().filter_map(|topic| topic.seen).max()
    }

    /// Where the silence since the last record leads the watermark, when the ends of all topics were asked for at `asked_at` and
    /// nothing was unread: it follows the clock at the distance that the last record had, `idle_delay_ms` later.
    /// Where time comes from events alone, it goes to the largest seen after `idle_delay_ms` without a record.
    #[must_use]
    pub fn idle(
        &self,
        mode: &ClockMode,
        asked_at: Timestamp,
        quiet_since: Timestamp,
        idle_delay_ms: i64,
    ) -> Timestamp {
        let behind = asked_at.plus(-idle_delay_ms);
        let target = match mode.reading(behind) {
            Some(reading) => self.distance(mode).map(|distance| reading.plus(-distance)),
            None if behind >= quiet_since => self.seen(),
            None => None,
        };
        target.unwrap_or(Timestamp::MIN).max(self.task)
    }

    /// The clock at which silence leads the watermark to a deadline; never, where nothing was seen.
    #[must_use]
    pub fn idle_due(
        &self,
        mode: &ClockMode,
        deadline: Timestamp,
        quiet_since: Timestamp,
        idle_delay_ms: i64,
    ) -> Option<Timestamp> {
        let silent = match mode {
            ClockMode::Event => self
                .seen()
                .filter(|seen| *seen >= deadline)
                .map(|_| quiet_since),
            _ => self
                .distance(mode)
                .map(|distance| mode.wall(deadline.plus(distance))),
        };
        silent.map(|silent| silent.plus(idle_delay_ms))
    }

    /// How far behind the clock the last record was when it was appended.
    fn distance(&self, mode: &ClockMode) -> Option<i64> {
        let last = self
            .driving()
            .filter_map(|topic| topic.last)
            .max_by_key(|last| (last.appended, last.time))?;
        let appended = mode.reading(last.appended)?;
        Some(appended.0.saturating_sub(last.time.0).max(0))
    }

    fn driving(&self) -> impl Iterator<Item = &TopicTime> {
        self.settings
            .iter()
            .zip(&self.topics)
            .filter(|(settings, _)| settings.drives)
            .map(|(_, topic)| topic)
    }
}

#[cfg(test)]
mod tests;
