//! How far time has come, for a topic, for the task, and when nothing comes any more.
//!
//! A watermark of T says: nothing at or before T is still expected. A topic's is its largest time seen - lateness - 1 ms, the lateness
//! being the largest of the task's topics: what one of them may still say of a customer, all wait for. The task's is the least over
//! the topics that are not caught up; when all are, the largest time seen by any counts. It never goes back. Topics that do not drive
//! (profile, outcomes) hold time while they are unread, and never move it.
//!
//! A time that runs ahead of all others by more than the lateness is not believed until another customer's event says so, too
//! ([`Lead`]): no clock of one customer moves another's time.

use super::lead::Lead;
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
    lateness_ms: i64,
    topics: Vec<TopicTime>,
    lead: Lead,
    task: Timestamp,
}

/// The largest lateness of topics, milliseconds.
#[must_use]
pub fn lateness(topics: &[TopicSettings]) -> i64 {
    let all = topics.iter().map(|topic| topic.lateness_ms);
    all.max().unwrap_or(0)
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
            lateness_ms: lateness(&settings),
            settings,
            topics,
            lead: Lead::default(),
            task: Timestamp::MIN,
        }
    }

    /// As a task record has it, once its topics are resumed; none: of a build that knew no lead.
    pub fn resume_lead(&mut self, lead: Option<Lead>) {
        let seen = self.driving().filter_map(|topic| topic.seen).max();
        self.lead = lead.unwrap_or_else(|| Lead::of(seen));
    }

    /// Who is furthest, for the task record.
    #[must_use]
    pub fn lead(&self) -> Lead {
        self.lead
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

    /// An event of the customer with this hash was seen.
    pub fn see(&mut self, topic: usize, customer: u64, time: Timestamp, appended: Timestamp) {
        if self.settings[topic].drives {
            self.lead.see(customer, time, self.lateness_ms);
        }
        let believed = self.believed().map_or(time, |believed| time.min(believed));
        let topic = &mut self.topics[topic];
        topic.seen = topic.seen.max(Some(believed));
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
        self.reached_by_records(unread).max(self.task)
    }

    /// The same, wherever the watermark is.
    #[must_use]
    pub fn reached_by_records(&self, unread: impl Fn(usize) -> Unread) -> Timestamp {
        let seen = |topic: usize| self.topics[topic].seen;
        let held = (0..self.topics.len())
            .filter_map(|topic| match unread(topic) {
                Unread::Nothing => None,
                Unread::Next(time) => Some(seen(topic).max(Some(time))),
                Unread::Something => Some(seen(topic)),
            })
            .map(|seen| seen.unwrap_or(Timestamp::MIN))
            .min();
        let reached = self
            .believed()
            .unwrap_or(Timestamp::MIN)
            .min(held.unwrap_or(Timestamp::MAX));
        reached.plus(-self.lateness_ms - 1)
    }

    /// The largest event time of a topic that drives, as far as it is believed.
    #[must_use]
    pub fn believed(&self) -> Option<Timestamp> {
        self.lead.believed()
    }

    /// The same where nothing more comes that could confirm it: the largest seen that nobody contradicted.
    #[must_use]
    pub fn last(&self) -> Option<Timestamp> {
        self.lead.last()
    }

    /// What a clock shows that goes by events alone.
    #[must_use]
    pub fn shown(&self) -> Option<Timestamp> {
        self.believed().or(self.last())
    }

    /// Where the silence since the last record leads the watermark, when the ends of all topics were asked for at `asked_at` and
    /// nothing was unread: it follows the clock at the distance that the last record had, less the lateness, as silence proves no
    /// more than a later event would, and `idle_delay_ms` later. Where time comes from events alone, they are of the past and all
    /// there: it goes to the largest seen after `idle_delay_ms` without a record.
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
            None if behind >= quiet_since => self.last(),
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
                .last()
                .filter(|last| *last >= deadline)
                .map(|_| quiet_since),
            _ => self
                .distance(mode)
                .map(|distance| mode.wall(deadline.plus(distance))),
        };
        silent.map(|silent| silent.plus(idle_delay_ms))
    }

    /// The clock at which silence proves that nothing comes any more up to a time: as [`Watermarks::idle_due`], but where nothing was
    /// ever seen, too. Where time comes from events alone, they are all there by then.
    #[must_use]
    pub fn silent_at(
        &self,
        mode: &ClockMode,
        until: Timestamp,
        quiet_since: Timestamp,
        idle_delay_ms: i64,
    ) -> Timestamp {
        let silent = match mode {
            ClockMode::Event => quiet_since,
            _ => {
                let distance = self.distance(mode).unwrap_or(self.lateness_ms);
                mode.wall(until.plus(distance))
            }
        };
        silent.plus(idle_delay_ms)
    }

    /// Up to when silence proves that nothing comes any more, when the ends of all topics were asked for at `asked_at` and nothing was
    /// unread: the other way round.
    #[must_use]
    pub fn silent_until(
        &self,
        mode: &ClockMode,
        asked_at: Timestamp,
        quiet_since: Timestamp,
        idle_delay_ms: i64,
    ) -> Timestamp {
        let behind = asked_at.plus(-idle_delay_ms);
        match mode.reading(behind) {
            Some(reading) => {
                let distance = self.distance(mode).unwrap_or(self.lateness_ms);
                reading.plus(-distance)
            }
            None if behind >= quiet_since => Timestamp::MAX,
            None => Timestamp::MIN,
        }
    }

    /// How far behind the clock silence keeps: as far as the last record was when it was appended, and the lateness.
    fn distance(&self, mode: &ClockMode) -> Option<i64> {
        let last = self
            .driving()
            .filter_map(|topic| topic.last)
            .max_by_key(|last| (last.appended, last.time))?;
        let appended = mode.reading(last.appended)?;
        let distance = appended.0.saturating_sub(last.time.0).max(0);
        Some(distance.saturating_add(self.lateness_ms))
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
