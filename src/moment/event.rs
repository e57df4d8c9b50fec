//! Event: comes true when an event matches, at the event's time; each event is an occurrence.

use super::{Described, EventRef, Evidence, Matcher, Moment};
use crate::event::Event;

/// For people.
pub const DESCRIBED: Described = Described {
    word: "event",
    comes_true: "At each event that matches, at its time.",
    decided: "when the event is seen",
    occurrence: "the event's id",
    again: "at each event",
};

/// The compiled form.
#[derive(Debug)]
pub struct EventMoment {
    /// Which events.
    pub of: Matcher,
}

impl EventMoment {
    /// The moment of an event that matched.
    #[must_use]
    pub fn moment(event: &Event) -> Moment {
        let seen = EventRef {
            id: event.id.clone(),
            time: event.time,
        };
        Moment {
            at: event.time,
            occurrence: event.id.clone(),
            evidence: Evidence {
                events: vec![seen],
                facts: Vec::new(),
            },
        }
    }
}
