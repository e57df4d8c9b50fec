//! Whether she is known, and when she was there.

use serde::{Deserialize, Serialize};

use super::section::{Field, Local, Section, earlier, earliest, field};
use crate::event::{Event, EventName, Type};
use crate::stored::Stored;
use crate::time::Timestamp;
use crate::value::Value;

/// Whether a customer is known, and when she was there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Presence {
    /// Known by `userId`, not only by an anonymous id.
    pub known: bool,
    /// Time of the first event.
    pub first_seen: Option<Timestamp>,
    /// Time of the last event.
    pub last_seen: Option<Timestamp>,
}

impl Stored for Presence {
    const VERSION: u8 = 1;
}

impl Section for Presence {
    const TAG: u16 = 1;
    const WRITTEN_BY: &'static [EventName] = &[];
    const FIELDS: &'static [Field<Self>] = &[
        field("first_seen", Type::Time, "first event", |p, _| {
            Value::time(p.first_seen)
        }),
        field(
            "known",
            Type::Bool,
            "known by a user id, not only an anonymous one",
            |p, _| Value::Bool(p.known),
        ),
        field("last_seen", Type::Time, "last event", |p, _| {
            Value::time(p.last_seen)
        }),
    ];

    /// Any event says that she is there.
    fn is_written_by(_event: &Event) -> bool {
        true
    }

    fn apply(&mut self, event: &Event, _local: Local<'_>) {
        self.known |= event.known;
        self.first_seen = earliest(self.first_seen, event.time);
        self.last_seen = self.last_seen.max(Some(event.time));
    }

    fn merge(&mut self, other: Self, _local: Local<'_>) {
        self.known |= other.known;
        self.first_seen = earlier(self.first_seen, other.first_seen);
        self.last_seen = self.last_seen.max(other.last_seen);
    }
}
