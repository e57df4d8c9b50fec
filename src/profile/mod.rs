//! The customer: one living profile, in one place.
//!
//! [`Profile`] is *settled* state, everything up to the watermark, plus a bounded *tail* of the
//! events beyond it. [`Facts`] is what events say of the customer; [`Profile::moments`] is where
//! each trigger stands with her; [`Contacts`] is what was sent. [`schema`] names every fact for
//! expressions; [`packed`] is the encoding at rest.

pub mod apply;
mod contacts;
pub mod facts;
pub mod packed;
pub mod schema;

use serde::{Deserialize, Serialize};

pub use contacts::{Contacts, ContactsV1, Keep, Of};
pub use facts::Facts;

use crate::event::{CustomerId, Event};
use crate::moment::MomentState;

/// Bounds of a profile, each with its reason.
pub mod limits {
    /// Lines of the basket: beyond this nobody reads the reminder.
    pub const BASKET_LINES: usize = 32;
    /// Products of the wish list.
    pub const WISHLIST_PRODUCTS: usize = 32;
    /// Products viewed lately: what a reminder can show.
    pub const VIEWED_PRODUCTS: usize = 8;
    /// Orders kept one by one; totals go on beyond.
    pub const RECENT_ORDERS: usize = 4;
    /// Categories of interest, the weakest making way.
    pub const INTERESTS: usize = 8;
    /// A company's own attributes.
    pub const ATTRIBUTES: usize = 64;
    /// Channels with consent given or refused.
    pub const CONSENTS: usize = 16;
    /// Triggers that are in the set no more, of which the last decision is remembered.
    pub const GONE: usize = 16;
    /// Orders on their way.
    pub const DELIVERIES: usize = 8;
    /// Message ids remembered for duplicates: a producer that retries repeats what it sent last.
    pub const MESSAGE_IDS: usize = 32;
    /// Events beyond the watermark. 60 s of lateness hold no more of a human being.
    pub const TAIL_EVENTS: usize = 1024;
    /// Their bytes, roughly: a profile is one record of the changelog, and Kafka takes 1 MiB of one.
    pub const TAIL_BYTES: usize = 256 * 1024;
    /// So many events, each lighter than [`LIGHT_BYTES`], are within [`TAIL_BYTES`] unweighed.
    pub const TAIL_UNWEIGHED: usize = TAIL_BYTES / LIGHT_BYTES;
    /// An event lighter than this is what producers send.
    pub const LIGHT_BYTES: usize = 4096;
}

/// Everything known of one customer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// Whose; not packed, for it is the key.
    #[serde(skip)]
    pub id: CustomerId,
    /// What her events up to the watermark say.
    pub facts: Facts,
    /// Where each trigger stands with her: (key of trigger and generation, state).
    pub moments: Vec<(u32, MomentState)>,
    /// What was sent, for caps.
    pub contacts: Contacts,
    /// Hashes (48 bits) of the last message ids, newest last.
    pub seen: Vec<MessageHash>,
    /// Events beyond the watermark, in order.
    pub tail: Vec<TailEvent>,
}

/// The low 48 bits of the hash of a message id. Of a billion events, one in three thousand such
/// years is taken for a duplicate that is none.
pub type MessageHash = [u8; 6];

/// An event that the watermark has not reached.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TailEvent {
    /// The event.
    pub event: Event,
    /// Immediate triggers (by key) that fired on it, so that a replay of the tail adds nothing twice.
    pub fired: Vec<u32>,
}

impl Profile {
    /// Whether the tail has no place for another event.
    #[must_use]
    pub fn is_tail_full(&self, event: &Event) -> bool {
        let weight = event.weight();
        if self.tail.len() < limits::TAIL_UNWEIGHED && weight < limits::LIGHT_BYTES {
            return false;
        }
        let tail = self.tail.iter().map(|tail| tail.event.weight());
        self.tail.len() >= limits::TAIL_EVENTS || tail.sum::<usize>() + weight > limits::TAIL_BYTES
    }

    /// The state of one trigger, if it has any.
    #[must_use]
    pub fn moment(&self, key: u32) -> Option<&MomentState> {
        self.moments
            .iter()
            .find(|(k, _)| *k == key)
            .map(|(_, state)| state)
    }
}
