//! Moments that wait to be asked again: what a gate holds back is not decided, but kept with the customer until then.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::event::{CustomerId, Event, Text};
use crate::moment::{EventRef, Evidence, Moment};
use crate::policy::{Held, Open, Past, Why};
use crate::profile::Settled;
use crate::stored::{Part, Stored, StoredError};
use crate::time::Timestamp;

/// The moments of one customer that wait, in the order in which they were held.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Waiting {
    held: Vec<Waits>,
}

/// A moment that waits, with what it is asked on beside the customer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Waits {
    /// The key of its trigger.
    pub trigger: u32,
    /// When it is asked again.
    pub until: Timestamp,
    /// Why it waits.
    pub why: Why,
    /// By which channel it would have been sent.
    pub channel: Text,
    /// What it has waited for before.
    past: Past,
    /// When its moment came true.
    pub at: Timestamp,
    /// What makes its moment this one.
    pub occurrence: Text,
    events: Vec<EventRef>,
    /// Names, and values as JSON.
    facts: Vec<(Text, String)>,
    /// The event that made it true by itself.
    event: Option<Event>,
    /// What was settled before that event, where somebody asks for it: parts, one behind the other.
    previous: Option<Vec<u8>>,
}

/// What waited in version 2, for quiet hours to end.
#[derive(Deserialize)]
struct WaitsV2 {
    trigger: u32,
    until: Timestamp,
    at: Timestamp,
    occurrence: Text,
    events: Vec<EventRef>,
    facts: Vec<(Text, String)>,
    event: Option<Event>,
    previous: Option<Vec<u8>>,
}

impl From<WaitsV2> for Waits {
    fn from(old: WaitsV2) -> Self {
        Self {
            trigger: old.trigger,
            until: old.until,
            why: Why::QuietHours,
            channel: Text::default(),
            past: Past::default(),
            at: old.at,
            occurrence: old.occurrence,
            events: old.events,
            facts: old.facts,
            event: old.event,
            previous: old.previous,
        }
    }
}

/// Version 1 had no dates in events; version 3 knew of no turn to wait for.
impl Stored for Waiting {
    const VERSION: u8 = 4;

    fn upcast(version: u8, bytes: &[u8]) -> Result<Self, StoredError> {
        match version {
            1 | 2 => {
                let held: Vec<WaitsV2> = postcard::from_bytes(bytes)?;
                let held = held.into_iter().map(Waits::from).collect();
                Ok(Self { held })
            }
            3 => Ok(postcard::from_bytes(bytes)?),
            _ => Err(StoredError::Damaged(format!(
                "there is no version {version} of what waits"
            ))),
        }
    }
}

impl Waiting {
    /// What it is stored under.
    pub const TAG: u16 = 66;
    /// A customer for whom more comes true in a night is not told of all of it in the morning.
    pub const MAX: usize = 32;

    /// When the first is asked again.
    #[must_use]
    pub fn due(&self) -> Option<Timestamp> {
        self.held.iter().map(|waits| waits.until).min()
    }

    /// Those that wait.
    pub fn iter(&self) -> impl Iterator<Item = &Waits> {
        self.held.iter()
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Whether there is no room for one more.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.held.len() >= Self::MAX
    }

    /// Holds one more.
    pub(super) fn hold(&mut self, waits: Waits) {
        self.held.push(waits);
    }

    /// Lets go of those whose time has come.
    pub(super) fn let_go(&mut self, at: Timestamp) -> Vec<Waits> {
        let (due, held) = std::mem::take(&mut self.held)
            .into_iter()
            .partition(|waits| waits.until <= at);
        self.held = held;
        due
    }

    /// It is the turn of a moment by the channel for which it waits, and of what it carries with it.
    pub(super) fn turns(&mut self, trigger: u32, occurrence: &str, at: Timestamp) {
        let waits = |it: &&mut Waits| it.trigger == trigger && it.why == Why::SendRate;
        let is_of = |it: &Waits| it.occurrence == occurrence;
        let carried = self.held.iter().any(|it| {
            it.trigger == trigger && it.why == Why::SendRate && is_of(it) && it.past.digest
        });
        let turned = self.held.iter_mut().filter(waits);
        for it in turned.filter(|it| is_of(it) || carried && it.past.digest) {
            it.until = at;
        }
    }

    /// Takes out those of which `is_undone` says so.
    pub(super) fn take_back(&mut self, is_undone: impl Fn(&Waits) -> bool) -> Vec<Waits> {
        self.held.extract_if(.., |waits| is_undone(waits)).collect()
    }

    /// Whether the moment of an event waits.
    #[must_use]
    pub fn holds(&self, trigger: u32, occurrence: &str) -> bool {
        let mut held = self.held.iter();
        held.any(|it| it.trigger == trigger && it.occurrence == occurrence)
    }

    /// Takes in what waits under another id of hers. What waits under both is one; what has no room is asked again at once, and held
    /// no more.
    pub(super) fn join(&mut self, other: Self, id: &CustomerId) {
        for mut waits in other.held {
            let is_same =
                |own: &Waits| (own.trigger, &own.occurrence) == (waits.trigger, &waits.occurrence);
            if self.held.iter().any(is_same) {
                continue;
            }
            if let Some(event) = &mut waits.event {
                event.customer.clone_from(id);
            }
            if self.is_full() {
                waits.until = waits.at;
            }
            self.held.push(waits);
        }
        self.held.sort_by_key(|waits| waits.at);
    }

    /// Drops those of triggers that are in the set no more.
    pub(super) fn forget(&mut self, is_gone: impl Fn(u32) -> bool) {
        self.held.retain(|waits| !is_gone(waits.trigger));
    }
}

impl Waits {
    /// A moment, with the event that made it true and what was known before that.
    pub(super) fn new(held: Held, cause: Option<(&Event, Option<&Settled>)>) -> Self {
        let moment = held.moment;
        let Evidence { events, facts } = moment.evidence;
        let facts = facts.into_iter();
        let previous = cause.and_then(|(_, previous)| previous).map(|settled| {
            let mut parts = Vec::new();
            settled.write(&mut parts);
            parts
        });
        Self {
            trigger: held.trigger,
            until: held.until,
            why: held.why,
            channel: held.channel,
            past: held.past,
            at: moment.at,
            occurrence: moment.occurrence,
            events,
            facts: facts
                .map(|(name, value)| (Text::from(name), value.to_string()))
                .collect(),
            event: cause.map(|(event, _)| event.clone()),
            previous,
        }
    }

    /// It, as others see it.
    #[must_use]
    pub fn open(&self) -> Open<'_> {
        Open {
            trigger: self.trigger,
            channel: &self.channel,
            why: self.why,
            until: self.until,
        }
    }

    /// What it has waited for once it is let go.
    pub(super) fn past(&self) -> Past {
        self.past.clone().and(self.why, &self.channel)
    }

    /// The moment, as it came true.
    #[must_use]
    pub fn moment(&self) -> Moment {
        let facts = self.facts.iter().map(|(name, value)| {
            let value = serde_json::from_str(value).unwrap_or_default();
            (Cow::Owned(name.to_string()), value)
        });
        Moment {
            at: self.at,
            occurrence: self.occurrence.clone(),
            evidence: Evidence {
                events: self.events.clone(),
                facts: facts.collect(),
            },
        }
    }

    /// The event that made it true, and what was settled of the customer before it.
    pub(super) fn cause(&self, id: &Text) -> Option<(&Event, Option<Settled>)> {
        let event = self.event.as_ref()?;
        let previous = self.previous.as_ref().map(|parts| {
            let mut settled = Settled {
                id: id.clone(),
                ..Settled::default()
            };
            let parts = Part::all(parts[..].into()).unwrap_or_default();
            for part in parts {
                let _family = settled.take(part);
            }
            settled
        });
        Some((event, previous))
    }
}
