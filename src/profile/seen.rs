//! Which messages of hers were taken: what comes again is a duplicate.

use serde::{Deserialize, Serialize};

use super::limits;
use super::section::{Field, Local, Section};
use crate::event::{Event, EventName};
use crate::stored::Stored;

/// The low 48 bits of the hash of a message id. Of a billion events, one in three thousand such
/// years is taken for a duplicate that is none.
pub type MessageHash = [u8; 6];

/// The last message ids of a customer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Their hashes, newest last.
    pub messages: Vec<MessageHash>,
}

impl Seen {
    /// The last of these ids, in their order.
    #[must_use]
    pub fn last_of<'a>(ids: impl Iterator<Item = &'a str>) -> Self {
        let mut messages: Vec<MessageHash> = ids.map(message_hash).collect();
        messages.drain(..messages.len().saturating_sub(limits::MESSAGE_IDS));
        Self { messages }
    }

    /// Whether a message id is among the last.
    #[must_use]
    pub fn knows(&self, id: &str) -> bool {
        self.messages.contains(&message_hash(id))
    }

    /// Remembers a message id that is not known.
    pub fn remember(&mut self, id: &str) {
        if self.messages.len() >= limits::MESSAGE_IDS {
            self.messages.remove(0);
        }
        self.messages.push(message_hash(id));
    }
}

/// As few bits of a message id as tell it from the others.
fn message_hash(id: &str) -> MessageHash {
    let hash = xxhash_rust::xxh3::xxh3_64(id.as_bytes()).to_le_bytes();
    [hash[0], hash[1], hash[2], hash[3], hash[4], hash[5]]
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
}
