//! Support tickets and chats.

use serde::{Deserialize, Serialize};

use super::section::{Field, Local, Section, field};
use crate::event::{Event, EventName, Type};
use crate::stored::Stored;
use crate::time::Timestamp;
use crate::value::Value;

/// Support tickets and chats.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Support {
    /// Tickets opened.
    pub tickets: u32,
    /// Of those, solved.
    pub solved: u32,
    /// Chats.
    pub chats: u32,
    /// The last ticket or chat.
    pub last: Option<Timestamp>,
}

impl Stored for Support {
    const VERSION: u8 = 1;
}

impl Section for Support {
    const TAG: u16 = 10;
    const WRITTEN_BY: &'static [EventName] = &[
        EventName::SUPPORT_TICKET_OPENED,
        EventName::SUPPORT_TICKET_SOLVED,
        EventName::LIVE_CHAT_CONVERSATION_STARTED,
    ];
    const FIELDS: &'static [Field<Self>] = &[
        field("support.chats", Type::Number, "live chats", |p, _| {
            Value::Number(p.chats.into())
        }),
        field("support.last", Type::Time, "last ticket or chat", |p, _| {
            Value::time(p.last)
        }),
        field(
            "support.open",
            Type::Number,
            "tickets opened and not solved",
            |p, _| Value::Number(p.tickets.saturating_sub(p.solved).into()),
        ),
        field("support.tickets", Type::Number, "tickets opened", |p, _| {
            Value::Number(p.tickets.into())
        }),
    ];

    fn apply(&mut self, event: &Event, _local: Local<'_>) {
        let counted = match event.name {
            EventName::SUPPORT_TICKET_OPENED => &mut self.tickets,
            EventName::SUPPORT_TICKET_SOLVED => &mut self.solved,
            _ => &mut self.chats,
        };
        *counted = counted.saturating_add(1);
        if event.name != EventName::SUPPORT_TICKET_SOLVED {
            self.last = self.last.max(Some(event.time));
        }
    }
}
