//! The customer: one living profile, in one place.
//!
//! [`Profile`] is what is *settled*, everything up to the watermark, and apart from it a bounded *tail* of the events beyond.
//! [`Settled`] is made of families ([`section::Section`]), a file each: what it holds, how events change it, what expressions may
//! name of it. A new family is a file here and a line in [`settled`].

pub mod address;
pub mod basket;
pub mod browsing;
pub mod consent;
pub mod contacts;
pub mod deliveries;
pub mod derived;
pub mod identity;
pub mod journeys;
pub mod ledger;
pub mod messages;
pub mod nps;
pub mod orders;
pub mod presence;
pub mod reach;
pub mod referrals;
pub mod reviews;
pub mod section;
pub mod seen;
pub mod segments;
pub mod sent;
pub mod sessions;
pub mod settled;
pub mod shares;
pub mod support;
pub mod tail;
#[cfg(test)]
mod tests;
pub mod touchpoints;
pub mod wishlist;

pub use address::Address;
pub use contacts::{Contacts, Keep, Of};
pub use settled::{FIELDS, KEYED_FIELDS, KeyedField, Settled};
pub use tail::{Tail, TailEvent};

use crate::stored::Lazy;

/// Bounds of a profile, each with its reason.
pub mod limits {
    /// Lines of the basket: beyond this nobody reads the reminder.
    pub const BASKET_LINES: usize = 32;
    /// Products of the wish list.
    pub const WISHLIST_PRODUCTS: usize = 32;
    /// Products viewed lately: what a reminder can show.
    pub const VIEWED_PRODUCTS: usize = 8;
    /// Categories of interest, the weakest making way.
    pub const INTERESTS: usize = 8;
    /// A company's own attributes.
    pub const ATTRIBUTES: usize = 64;
    /// Channels with consent given or refused.
    pub const CONSENTS: usize = 16;
    /// Triggers that are in the set no more, of which the last decision is remembered.
    pub const GONE: usize = 16;
    /// Message ids remembered for duplicates once a visit is over: a producer that retries repeats what it sent last.
    pub const MESSAGE_IDS: usize = 32;
    /// The same within a visit: a batch that a producer sends again is that of some minutes.
    pub const VISIT_MESSAGE_IDS: usize = 512;
    /// Events beyond the watermark. 60 s of lateness hold no more of a human being.
    pub const TAIL_EVENTS: usize = 1024;
    /// Their bytes, roughly: a profile is one record of the changelog, and Kafka takes 1 MiB of one.
    pub const TAIL_BYTES: usize = 256 * 1024;
    /// Events that may wait to be settled together: so many are in the cache when the first is read.
    pub const TAIL_WAITING: usize = 16;
    /// So many events, each lighter than [`LIGHT_BYTES`], are within [`TAIL_BYTES`] unweighed.
    pub const TAIL_UNWEIGHED: usize = TAIL_BYTES / LIGHT_BYTES;
    /// An event lighter than this is what producers send.
    pub const LIGHT_BYTES: usize = 4096;
}

/// Everything that her events say of one customer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Profile {
    /// What those up to the watermark say.
    pub settled: Settled,
    /// Those beyond it.
    pub tail: Lazy<Tail>,
}
