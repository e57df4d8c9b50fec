//! Which messages of hers were taken: what comes again is a duplicate.

use serde::{Deserialize, Serialize};

use super::limits;
use super::section::{Field, Local, Section, ThingId, thing_id};
use crate::event::{Event, EventName};
use crate::stored::Stored;

/// The hash of a message id. Of a billion events, one in three thousand such years is taken for a duplicate that is none.
pub type MessageHash = ThingId;

/// The last message ids of a customer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Their hashes, newest last.
    pub messages: Vec<MessageHash>,
}

impl Seen {
    /// The last of these ids, in their order: as many as of a visit.
    #[must_use]
    pub fn last_of<'a>(ids: impl Iterator<Item = &'a str>) -> Self {
        let mut messages: Vec<MessageHash> = ids.map(thing_id).collect();
        messages.drain(..messages.len().saturating_sub(limits::VISIT_MESSAGE_IDS));
        Self { messages }
    }

    /// Whether there is something to forget once her visit is over.
    #[must_use]
    pub fn is_long(&self) -> bool {
        self.messages.len() > limits::MESSAGE_IDS
    }

    /// Her visit is over: the last of them are enough.
    pub fn shorten(&mut self) {
        let spare = self.messages.len().saturating_sub(limits::MESSAGE_IDS);
        self.messages.drain(..spare);
    }

    /// Whether a message id is among the last.
    #[must_use]
    pub fn knows(&self, id: &str) -> bool {
        self.messages.contains(&thing_id(id))
    }

    /// Remembers a message id that is not known.
    pub fn remember(&mut self, id: &str) {
        if self.messages.len() >= limits::VISIT_MESSAGE_IDS {
            self.messages.remove(0);
        }
        self.messages.push(thing_id(id));
    }
}

impl Stored for Seen {
    const VERSION: u8 = 1;
}

impl Section for Seen {
    const TAG: u16 = 16;
    const WRITTEN_BY: &'static [EventName] = &[];
    const FIELDS: &'static [Field<Self>] = &[];

    /// A message is remembered when it is seen, not when it is settled.
    fn apply(&mut self, _event: &Event, _local: Local<'_>) {}

    /// The last of both, in turn: neither knows when the other's came.
    fn merge(&mut self, other: Self, _local: Local<'_>) {
        let (mut own, mut others) = (std::mem::take(&mut self.messages), other.messages);
        others.retain(|message| !own.contains(message));
        while self.messages.len() < limits::VISIT_MESSAGE_IDS {
            let newest = [own.pop(), others.pop()];
            if newest == [None, None] {
                break;
            }
            self.messages.extend(newest.into_iter().flatten());
        }
        self.messages.truncate(limits::VISIT_MESSAGE_IDS);
        self.messages.reverse();
    }
}
