//! Records at hand, one bounded queue a topic, and which of them is next.
//!
//! The queues are merged by (event time, topic, offset), the time of one that runs ahead being that of those behind it ([`Order`]).
//! What must stay true: a record is taken only when every other topic
//! has a record at hand too, or had none left at an end that was asked for *after* the record came. So a topic whose
//! broker is slow holds the others, and no clock is trusted for it: asks are numbered.

use super::core::{RawRecord, Rejection};
use super::order::Order;
use super::watermark::Unread;
use crate::time::Timestamp;
use std::collections::VecDeque;

/// Records of one topic at hand: four steps, so that a step seldom waits for a fetch.
pub const QUEUE_RECORDS: usize = 2048;
/// Bytes of one topic at hand: with six topics and 32 tasks, 200 MB at most.
pub const QUEUE_BYTES: usize = 1024 * 1024;

/// What a record says, and when that happened; else why it is no event.
pub type Content<E> = Result<(Timestamp, E), Rejection>;

/// A record at hand.
#[derive(Debug)]
pub struct Held<E> {
    /// As it was read.
    pub record: RawRecord,
    /// A hash of whom it tells of.
    pub customer: u64,
    /// What it says, and when that happened.
    pub content: Content<E>,
    /// When it came.
    pub arrived: Timestamp,
    /// Whether it lies further ahead of the clock than an event may and still move time.
    pub future: bool,
    /// The first ask that was made after it came.
    ask: u64,
}

impl<E> Held<E> {
    /// When it happened. What is no event has no time, and what lies in the future none to go by.
    fn time(&self) -> Option<Timestamp> {
        let (time, _) = self.content.as_ref().ok()?;
        (!self.future).then_some(*time)
    }
}

/// What to do to get the next record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Take it from this topic.
    Take(usize),
    /// Some topic is known to have unread records that are not here yet.
    Wait,
    /// Nobody knows whether the other topics have unread records: ask where they end.
    Ask,
    /// No record is at hand.
    Empty,
}

/// How far a topic was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// There are unread records.
    Behind,
    /// There were none, as far as was asked.
    Unsure,
    /// There are none.
    CaughtUp,
}

/// The answer to an ask.
#[derive(Debug)]
struct Ends {
    ask: u64,
    asked_at: Timestamp,
    offsets: Vec<i64>,
}

#[derive(Debug)]
struct Queue<E> {
    held: VecDeque<Held<E>>,
    order: Order,
    bytes: usize,
    /// The next offset to be fetched; not known right after a seek to the beginning.
    position: Option<i64>,
    paused: bool,
}

/// The records at hand of all topics of a task.
#[derive(Debug)]
pub struct Inbox<E> {
    queues: Vec<Queue<E>>,
    lateness_ms: i64,
    ends: Option<Ends>,
    /// How many asks were made.
    asks: u64,
    /// Whether the last of them is not answered yet.
    asking: bool,
    asked_at: Timestamp,
    /// The greatest [`Held::ask`] of what was taken.
    taken_ask: u64,
}

impl<E> Inbox<E> {
    /// Nothing at hand, of so many topics, whose largest lateness is this.
    #[must_use]
    pub fn new(topics: usize, lateness_ms: i64) -> Self {
        let queue = || Queue {
            held: VecDeque::new(),
            order: Order::default(),
            bytes: 0,
            position: None,
            paused: false,
        };
        let queues = (0..topics).map(|_| queue()).collect();
        Self {
            queues,
            lateness_ms,
            ends: None,
            asks: 0,
            asking: false,
            asked_at: Timestamp::MIN,
            taken_ask: 0,
        }
    }

    /// Forgets everything, to read on from these offsets.
    pub fn seek(&mut self, offsets: &[Option<i64>]) {
        let asks = self.asks;
        *self = Self::new(offsets.len(), self.lateness_ms);
        self.asks = asks;
        for (queue, offset) in self.queues.iter_mut().zip(offsets) {
            queue.position = *offset;
        }
    }

    /// A record came, of the customer with this hash. An event after `latest` lies in the future: it does not wait for its turn, and
    /// time does not go by it.
    pub fn push(
        &mut self,
        topic: usize,
        (record, customer): (RawRecord, u64),
        content: Content<E>,
        arrived: Timestamp,
        latest: Timestamp,
    ) {
        let future = matches!(&content, Ok((time, _)) if *time > latest);
        let queue = &mut self.queues[topic];
        queue.bytes += size(&record);
        queue.position = Some(record.offset + 1);
        let held = Held {
            record,
            customer,
            content,
            arrived,
            future,
            ask: self.asks + 1,
        };
        queue.order.push(held.time(), customer);
        queue.held.push_back(held);
    }

    /// The fetch position passed what no reader sees.
    pub fn passed(&mut self, topic: usize, position: i64) {
        let queue = &mut self.queues[topic];
        queue.position = Some(queue.position.unwrap_or(0).max(position));
    }

    /// Numbers a new ask for the ends of all topics; none while one is under way.
    pub fn ask(&mut self, clock: Timestamp) -> Option<u64> {
        if self.asking {
            return None;
        }
        self.asking = true;
        self.asks += 1;
        self.asked_at = clock;
        Some(self.asks)
    }

    /// The answer to an ask; one that is not the last is ignored.
    pub fn answer(&mut self, ask: u64, offsets: Vec<i64>) {
        if ask == self.asks && offsets.len() == self.queues.len() {
            self.asking = false;
            self.ends = Some(Ends {
                ask,
                asked_at: self.asked_at,
                offsets,
            });
        }
    }

    /// What is to be done for the next record.
    #[must_use]
    pub fn next(&self) -> Next {
        let heads =
            self.queues.iter().enumerate().filter_map(|(topic, queue)| {
                Some((self.believed(queue)?, topic, queue.held.front()?))
            });
        let Some((_, topic, head)) = heads.min_by_key(|(time, topic, _)| (*time, *topic)) else {
            return Next::Empty;
        };
        let mut next = Next::Take(topic);
        for other in (0..self.queues.len()).filter(|other| self.queues[*other].held.is_empty()) {
            match self.standing_since(other, head.ask) {
                Standing::Behind => return Next::Wait,
                Standing::Unsure => next = Next::Ask,
                Standing::CaughtUp => {}
            }
        }
        next
    }

    /// The next record of a topic, where it is at hand.
    #[must_use]
    pub fn head(&self, topic: usize) -> Option<&Held<E>> {
        self.queues[topic].held.front()
    }

    /// Takes what [`Inbox::next`] said.
    pub fn take(&mut self, topic: usize) -> Held<E> {
        let queue = &mut self.queues[topic];
        let held = queue.held.pop_front().expect("next said so");
        queue.order.pop(held.time());
        queue.bytes -= size(&held.record);
        self.taken_ask = self.taken_ask.max(held.ask);
        held
    }

    /// How far a topic was read, against an end asked for after everything that was taken came.
    #[must_use]
    pub fn standing(&self, topic: usize) -> Standing {
        self.standing_since(topic, self.taken_ask)
    }

    /// What is unread of a topic, as far as time goes by it.
    #[must_use]
    pub fn unread(&self, topic: usize) -> Unread {
        let queue = &self.queues[topic];
        match (self.standing(topic), self.believed(queue).flatten()) {
            (Standing::CaughtUp, _) => Unread::Nothing,
            // What is behind may say that it is not so late yet.
            (_, Some(_)) if queue.order.is_of_one() && self.has_more(topic) => Unread::Something,
            (_, Some(time)) => Unread::Next(time),
            (_, None) => Unread::Something,
        }
    }

    /// The time that the next record of a topic is taken to have, where it has one to go by; none without a record.
    fn believed(&self, queue: &Queue<E>) -> Option<Option<Timestamp>> {
        let time = queue.held.front()?.time();
        Some(time.map(|time| queue.order.believed(time, self.lateness_ms)))
    }

    /// Whether there may be records behind those at hand.
    fn has_more(&self, topic: usize) -> bool {
        let position = self.queues[topic].position;
        let end = self.ends.as_ref().map(|ends| ends.offsets[topic]);
        position
            .zip(end)
            .is_none_or(|(position, end)| position < end)
    }

    /// When the ends that [`Inbox::standing`] compares with were asked for.
    #[must_use]
    pub fn asked_at(&self) -> Timestamp {
        self.ends
            .as_ref()
            .map_or(Timestamp::MIN, |ends| ends.asked_at)
    }

    /// Whether no record is at hand.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queues.iter().all(|queue| queue.held.is_empty())
    }

    /// The offset from which on a topic has not been taken; not known where nothing was ever read.
    #[must_use]
    pub fn offset(&self, topic: usize) -> Option<i64> {
        let queue = &self.queues[topic];
        queue
            .held
            .front()
            .map(|held| held.record.offset)
            .or(queue.position)
    }

    /// Where a topic ended, when that was last asked.
    #[must_use]
    pub fn end(&self, topic: usize) -> Option<i64> {
        Some(self.ends.as_ref()?.offsets[topic])
    }

    /// The topics whose fetching should stop (`true`) or go on (`false`): stop when full, go on when half empty.
    pub fn flow(&mut self) -> Vec<(usize, bool)> {
        let mut changes = Vec::new();
        for (topic, queue) in self.queues.iter_mut().enumerate() {
            let share = if queue.paused { 2 } else { 1 };
            let full =
                queue.held.len() >= QUEUE_RECORDS / share || queue.bytes >= QUEUE_BYTES / share;
            if full != queue.paused {
                queue.paused = full;
                changes.push((topic, full));
            }
        }
        changes
    }

    fn standing_since(&self, topic: usize, ask: u64) -> Standing {
        let queue = &self.queues[topic];
        let (Some(position), true) = (queue.position, queue.held.is_empty()) else {
            return Standing::Behind;
        };
        match &self.ends {
            Some(ends) if position < ends.offsets[topic] => Standing::Behind,
            Some(ends) if ends.ask >= ask => Standing::CaughtUp,
            _ => Standing::Unsure,
        }
    }
}

/// What a record takes in memory, about.
#[must_use]
pub fn size(record: &RawRecord) -> usize {
    let bytes = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(0, Vec::len);
    let headers: usize = record
        .headers
        .iter()
        .map(|(name, value)| name.len() + bytes(value))
        .sum();
    size_of::<RawRecord>() + bytes(&record.key) + bytes(&record.value) + headers
}

#[cfg(test)]
mod tests;
