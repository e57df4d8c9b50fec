//! How she takes our messages.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use super::section::{Field, Local, Section, field};
use crate::event::{Event, EventName, Type};
use crate::stored::Stored;
use crate::time::Timestamp;
use crate::value::Value;

/// Reactions to messages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Messages {
    /// Opened (e-mail opened, push tapped).
    pub opened: u32,
    /// Clicked.
    pub clicked: u32,
    /// The last reaction.
    pub last: Option<Timestamp>,
    /// Messages that were delivered since the last reaction to one.
    pub unanswered: u32,
}

impl Stored for Messages {
    const VERSION: u8 = 1;
}

impl Section for Messages {
    const TAG: u16 = 13;
    const WRITTEN_BY: &'static [EventName] = &[
        EventName::EMAIL_DELIVERED,
        EventName::PUSH_NOTIFICATION_RECEIVED,
        EventName::EMAIL_OPENED,
        EventName::EMAIL_LINK_CLICKED,
        EventName::PUSH_NOTIFICATION_TAPPED,
    ];
    const FIELDS: &'static [Field<Self>] = &[
        field(
            "messages.clicked",
            Type::Number,
            "messages clicked",
            |p, _| Value::Number(p.clicked.into()),
        ),
        field(
            "messages.last",
            Type::Time,
            "last reaction to a message",
            |p, _| Value::time(p.last),
        ),
        field(
            "messages.opened",
            Type::Number,
            "messages opened",
            |p, _| Value::Number(p.opened.into()),
        ),
        field(
            "messages.unanswered",
            Type::Number,
            "messages delivered since the last reaction to one",
            |p, _| Value::Number(p.unanswered.into()),
        ),
    ];

    fn apply(&mut self, event: &Event, _local: Local<'_>) {
        let counted = match event.name {
            EventName::EMAIL_DELIVERED | EventName::PUSH_NOTIFICATION_RECEIVED => {
                if self.last.is_none_or(|last| last < event.time) {
                    self.unanswered = self.unanswered.saturating_add(1);
                }
                return;
            }
            EventName::EMAIL_OPENED => &mut self.opened,
            _ => &mut self.clicked,
        };
        *counted = counted.saturating_add(1);
        if self.last.is_none_or(|last| last <= event.time) {
            self.last = Some(event.time);
            self.unanswered = 0;
        }
    }

    /// What was delivered under an id since a reaction under the other one is not known: what counts is said where she reacted last.
    fn merge(&mut self, other: Self, _local: Local<'_>) {
        self.opened = self.opened.saturating_add(other.opened);
        self.clicked = self.clicked.saturating_add(other.clicked);
        self.unanswered = match self.last.cmp(&other.last) {
            Ordering::Less => other.unanswered,
            Ordering::Equal => self.unanswered.saturating_add(other.unanswered),
            Ordering::Greater => self.unanswered,
        };
        self.last = self.last.max(other.last);
    }
}
