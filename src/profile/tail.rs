//! Her events beyond the watermark.

use serde::{Deserialize, Serialize};

use super::limits;
use crate::event::Event;
use crate::stored::Stored;
use crate::time::Timestamp;

/// Events that the watermark has not reached, in order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tail {
    /// The events, in the order of a customer's events.
    pub events: Vec<TailEvent>,
}

/// An event that the watermark has not reached.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "Written")]
pub struct TailEvent {
    /// The event; boxed, as it moves about with its neighbours.
    pub event: Box<Event>,
    /// Immediate triggers (by key) that fired on it, so that a replay of the tail adds nothing twice.
    pub fired: Vec<u32>,
    /// As [`Event::weight`] says, so that who weighs all need not look into each.
    #[serde(skip)]
    weight: u32,
    /// The event's, for the same reason.
    #[serde(skip)]
    time: Timestamp,
}

/// What is stored of one, under its name.
#[derive(Deserialize)]
#[serde(rename = "TailEvent")]
struct Written {
    event: Box<Event>,
    fired: Vec<u32>,
}

impl TailEvent {
    /// An event, and the immediate triggers that fired on it.
    #[must_use]
    pub fn new(event: Box<Event>, fired: Vec<u32>) -> Self {
        Self {
            weight: u32::try_from(event.weight()).unwrap_or(u32::MAX),
            time: event.time,
            event,
            fired,
        }
    }

    /// Whether an event comes behind it.
    fn is_before(&self, event: &Event) -> bool {
        self.time < event.time || self.time == event.time && self.event.order() <= event.order()
    }
}

impl From<Written> for TailEvent {
    fn from(Written { event, fired }: Written) -> Self {
        Self::new(event, fired)
    }
}

impl Tail {
    /// What it is stored under.
    pub const TAG: u16 = 64;

    /// Whether it has no place for another event.
    #[must_use]
    pub fn is_full(&self, event: &Event) -> bool {
        let weight = event.weight();
        if self.events.len() < limits::TAIL_UNWEIGHED && weight < limits::LIGHT_BYTES {
            return false;
        }
        let tail = self.events.iter().map(|tail| tail.weight as usize);
        self.events.len() >= limits::TAIL_EVENTS
            || tail.sum::<usize>() + weight > limits::TAIL_BYTES
    }

    /// Whether an event is its last, and it is short: what of it could be settled may wait then, to be settled with others.
    #[must_use]
    pub fn can_wait(&self, event: &Event) -> bool {
        let last = self.events.last();
        self.events.len() < limits::TAIL_WAITING && last.is_none_or(|last| last.is_before(event))
    }

    /// Whether it holds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// The time of the first.
    #[must_use]
    pub fn begins(&self) -> Option<Timestamp> {
        self.events.first().map(|tail| tail.time)
    }

    /// Where an event stands in it: behind those that are not later.
    #[must_use]
    pub fn place(&self, event: &Event) -> usize {
        // Most come last.
        match self.events.last() {
            Some(last) if !last.is_before(event) => {
                self.events.partition_point(|tail| tail.is_before(event))
            }
            _ => self.events.len(),
        }
    }
}

impl Stored for Tail {
    const VERSION: u8 = 1;
}
