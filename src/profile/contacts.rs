//! What was sent to her, as far as caps and expressions ask.

use serde::{Deserialize, Serialize};

use super::section::{Field, Local, Section, field};
use crate::event::{Event, EventName, Text, Type};
use crate::stored::Stored;
use crate::time::Timestamp;
use crate::value::Value;

/// What was sent to a customer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contacts {
    /// Commands ever.
    pub count: u32,
    /// The last command: when and by which channel.
    pub last: Option<(Timestamp, Text)>,
    /// By trigger key: the times of the last commands, as many as its cap asks for, oldest first.
    pub by_trigger: Vec<(u32, Vec<Timestamp>)>,
}

impl Stored for Contacts {
    const VERSION: u8 = 1;
}

impl Section for Contacts {
    const TAG: u16 = 15;
    const WRITTEN_BY: &'static [EventName] = &[];
    const FIELDS: &'static [Field] = &[
        field(
            "contacts.count",
            Type::Number,
            "treatments sent, ever",
            |p, _| Value::Number(p.contacts.count.into()),
        ),
        field(
            "contacts.last",
            Type::Time,
            "last treatment sent",
            |p, _| Value::time(p.contacts.last.as_ref().map(|(at, _)| *at)),
        ),
        field(
            "contacts.last_channel",
            Type::Text,
            "channel of the last treatment",
            |p, _| Value::text(p.contacts.last.as_ref().map(|(_, channel)| channel)),
        ),
    ];

    /// What was sent is noted when it is decided, not when an event comes.
    fn apply(&mut self, _event: &Event, _local: Local<'_>) {}
}
