//! Her events beyond the watermark.

use serde::{Deserialize, Serialize, Serializer};

use super::limits;
use crate::event::{CustomerId, Event, Traits};
use crate::stored::{Stored, StoredError};
use crate::time::Timestamp;

/// Events that the watermark has not reached, in order.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(from = "Vec<TailEvent>")]
pub struct Tail {
    /// The events, in the order of a customer's events.
    events: Vec<TailEvent>,
    /// What they weigh together, so that who has many is not weighed anew for each that comes; none where nobody has asked.
    weight: Option<usize>,
}

/// An event that the watermark has not reached.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TailEvent {
    /// The event; boxed, as it moves about with its neighbours.
    pub event: Box<Event>,
    /// Immediate triggers (by key) that fired on it, so that a replay of the tail adds nothing twice.
    pub fired: Vec<u32>,
}

impl Tail {
    /// What it is stored under.
    pub const TAG: u16 = 64;

    /// Whether it has no place for another event.
    #[must_use]
    pub fn is_full(&mut self, event: &Event) -> bool {
        let weight = event.weight();
        if self.events.len() < limits::TAIL_UNWEIGHED && weight < limits::LIGHT_BYTES {
            return false;
        }
        let events = &self.events;
        let weigh = || events.iter().map(|tail| tail.event.weight()).sum();
        let all = *self.weight.get_or_insert_with(weigh);
        events.len() >= limits::TAIL_EVENTS || all + weight > limits::TAIL_BYTES
    }

    /// Whether an event is its last, and it is short: what of it could be settled may wait then, to be settled with others.
    #[must_use]
    pub fn can_wait(&self, event: &Event) -> bool {
        let last = self.events.last();
        self.events.len() < limits::TAIL_WAITING
            && last.is_none_or(|last| last.event.order() <= event.order())
    }

    /// Whether it holds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// The events, in the order of a customer's events.
    #[must_use]
    pub fn events(&self) -> &[TailEvent] {
        &self.events
    }

    /// The same, to say what fired on them; they stay as they are.
    pub fn events_mut(&mut self) -> &mut [TailEvent] {
        &mut self.events
    }

    /// The time of the first.
    #[must_use]
    pub fn begins(&self) -> Option<Timestamp> {
        self.events.first().map(|tail| tail.event.time)
    }

    /// Takes an event in, on which nothing has fired; where it stands: behind those that are not later.
    pub fn take(&mut self, event: Box<Event>) -> usize {
        let is_before = |tail: &TailEvent| tail.event.order() <= event.order();
        // Most come in order, and each that is asked lies elsewhere.
        let at = match self.events.last() {
            Some(last) if !is_before(last) => self.events.partition_point(is_before),
            _ => self.events.len(),
        };
        if let Some(all) = &mut self.weight {
            *all += event.weight();
        }
        let fired = Vec::new();
        self.events.insert(at, TailEvent { event, fired });
        at
    }

    /// Takes in the events under another id of hers, which are under this one from now on. They may be more together than either may
    /// be alone.
    pub fn join(&mut self, other: Self, id: &CustomerId) {
        for mut tail in other.events {
            tail.event.customer.clone_from(id);
            let at = self.take(tail.event);
            self.events[at].fired = tail.fired;
        }
    }

    /// What the events say of her, to be changed.
    pub fn traits_mut(&mut self) -> impl Iterator<Item = &mut Traits> {
        self.weight = None;
        let events = self.events.iter_mut();
        events.filter_map(|tail| tail.event.traits.as_deref_mut())
    }

    /// Drops the first so many.
    pub fn drop_first(&mut self, count: usize) {
        if self.events.len() - count < limits::TAIL_UNWEIGHED {
            self.weight = None;
        }
        for tail in self.events.drain(..count) {
            if let Some(all) = &mut self.weight {
                *all -= tail.event.weight();
            }
        }
    }

    /// Drops those that do not stand before an event.
    pub fn drop_from(&mut self, event: &Event) {
        let is_before = |tail: &TailEvent| tail.event.order() < event.order();
        self.events.truncate(self.events.partition_point(is_before));
        self.weight = None;
    }

    /// Drops those up to a time.
    pub fn drop_until(&mut self, time: Timestamp) {
        self.drop_first(self.events.partition_point(|tail| tail.event.time <= time));
    }
}

impl From<Vec<TailEvent>> for Tail {
    fn from(events: Vec<TailEvent>) -> Self {
        Self {
            events,
            weight: None,
        }
    }
}

/// The same events, whether somebody has weighed them or not.
impl PartialEq for Tail {
    fn eq(&self, other: &Self) -> bool {
        self.events == other.events
    }
}

/// The events alone.
impl Serialize for Tail {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.events.serialize(serializer)
    }
}

/// Version 1 had no dates in events.
impl Stored for Tail {
    const VERSION: u8 = 2;

    fn upcast(version: u8, bytes: &[u8]) -> Result<Self, StoredError> {
        match version {
            1 => Ok(postcard::from_bytes(bytes)?),
            _ => Err(StoredError::Damaged(format!(
                "there is no version {version} of a tail"
            ))),
        }
    }
}
