//! A seed, and what may become of it: see [`super::seeding`].

use serde::{Deserialize, Serialize};

use super::customer::Customer;
use super::packed;
use crate::event::CustomerId;
use crate::profile::Settled;
use crate::stored::StoredError;
use crate::time::Timestamp;

/// What history says of a customer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Seed {
    pub customer: CustomerId,
    /// Who sends it: its answer says the same.
    pub run: u64,
    /// When it is sent.
    pub sent: Timestamp,
    /// Of which triggers: the key of each, and what it means.
    pub triggers: Vec<(u32, u64)>,
    /// When she was there, what these triggers remember, all facts and segments: as of her last event, packed and sealed.
    pub page: Vec<u8>,
}

/// What becomes of a seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Seeded {
    /// It is what the triggers know of her now.
    Taken,
    /// What it says cannot be read: a newer build has sent it.
    Unreadable,
    /// Nothing is known of her but by history.
    Unknown,
    /// She was erased since it begins.
    Erased,
    /// A trigger means something else here, or is not there.
    Defined,
    /// History begins later than what is known of her.
    Short,
    /// More has settled since: her last event was then.
    Behind(Timestamp),
    /// Its last event has not settled yet: the last that has was then.
    Ahead(Timestamp),
}

impl Seeded {
    /// All that may become of one, in the order in which it is asked.
    pub const ALL: [Self; 8] = [
        Self::Unreadable,
        Self::Defined,
        Self::Unknown,
        Self::Erased,
        Self::Short,
        Self::Behind(Timestamp::MIN),
        Self::Ahead(Timestamp::MIN),
        Self::Taken,
    ];

    /// The word for it in metrics and summaries.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Unreadable => "unreadable",
            Self::Unknown => "unknown",
            Self::Erased => "erased",
            Self::Defined => "other_definition",
            Self::Short => "history_too_short",
            Self::Behind(_) => "behind",
            Self::Ahead(_) => "ahead",
        }
    }
}

impl Seed {
    /// What it says, and whether that can be read.
    ///
    /// # Errors
    /// Where a newer build has packed it, or the bytes are damaged.
    pub fn says(&self) -> Result<Customer, StoredError> {
        packed::check(packed::unsealed(&self.customer, &self.page)?)
    }
}

/// What became of a seed, for who has sent it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answered {
    /// Of whom it was.
    pub customer: CustomerId,
    /// Who has sent it.
    pub run: u64,
    /// When that was.
    pub sent: Timestamp,
    /// What became of it.
    pub seeded: Seeded,
}

/// Whether a history says of somebody who is known what is settled of her.
pub(super) fn fits(settled: &Settled, page: &Settled) -> Seeded {
    let (known, told) = (&settled.presence, &page.presence);
    match (known.first_seen, known.last_seen) {
        (_, None) => Seeded::Ahead(Timestamp::MIN),
        (first, _) if told.first_seen > first => Seeded::Short,
        (_, Some(last)) if told.last_seen < Some(last) => Seeded::Behind(last),
        (_, Some(last)) if told.last_seen > Some(last) => Seeded::Ahead(last),
        _ => Seeded::Taken,
    }
}
