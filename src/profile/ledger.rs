//! Her ledger: what was sent to her, or withheld from her by lot, and what came of it so far.
//!
//! Only what a trigger with a `goal` decided stands on it. An entry is there for as long as its goal may be met, and at least
//! [`REACTIONS_MS`], so that a message that is opened late is still known.

use serde::{Deserialize, Serialize};

use super::section::{Field, Local, Section, ThingId, field};
use crate::event::{Event, EventName, Text, Type};
use crate::money::Amount;
use crate::stored::{Stored, StoredError};
use crate::time::Timestamp;
use crate::value::Value;

/// How long a reaction to a message is told apart from another message's, at least, ms: 30 days.
pub const REACTIONS_MS: i64 = 30 * 24 * 60 * 60 * 1000;
/// Entries of one customer: one a day for a month. Beyond it the oldest makes way, counted as it stands.
const ENTRIES_MAX: usize = 32;
/// Goals of one entry whose refund would still be known: who buys more often than that after one message keeps what is sold.
const CREDITS_MAX: usize = 8;

/// What was sent and what came of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ledger {
    entries: Vec<Entry>,
    /// Triggers that she was exposed to before, by key, sorted: she counts as one customer of each, from the first time on.
    exposed: Vec<u32>,
}

/// Whether she was treated, or held out by lot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Arm {
    /// She was.
    Treated,
    /// She would have been.
    HeldOut,
}

/// One treatment, sent or withheld.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The key of its trigger.
    pub trigger: u32,
    /// The first 64 bits of the command's id.
    pub id: u64,
    /// `channel/template`.
    pub treatment: Text,
    /// When it was decided.
    pub at: Timestamp,
    /// The last instant at which its goal counts.
    pub until: Timestamp,
    /// Sent or withheld.
    pub arm: Arm,
    /// The segments that she was in.
    pub segments: Vec<Text>,
    /// Her first of the trigger, while its goal still counts.
    pub is_first: bool,
    /// Goals met since.
    pub met: u32,
    /// What they were worth together, in the main currency.
    pub value: Amount,
    /// One bit for each reaction that was told.
    pub reactions: u8,
    /// Goals that a refund would take back; where she was held out, credited to nobody.
    pub credits: Vec<Credit>,
    /// By what the code of its offer is known, where it has one ([`crate::treatment::code`]).
    pub code: Option<u64>,
}

/// One goal that was credited to a treatment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Credit {
    /// The order, where the goal was one.
    pub order: ThingId,
    /// What is left of its value, in the main currency.
    pub left: Amount,
    /// Whether the treatment was the first whose goal it met.
    pub is_first: bool,
    /// Whether it was the last.
    pub is_last: bool,
    /// Its linear share, in millionths.
    pub share: i64,
}

impl Ledger {
    /// Enters a treatment as of `at`; whoever has to make way for it.
    pub fn expose(&mut self, mut entry: Entry) -> Option<Entry> {
        let now = entry.at;
        self.entries.retain(|it| it.is_first || it.is_known(now));
        if let Err(place) = self.exposed.binary_search(&entry.trigger) {
            self.exposed.insert(place, entry.trigger);
            entry.is_first = true;
        }
        let after = self.entries.partition_point(|it| it.at <= entry.at);
        self.entries.insert(after, entry);
        (self.entries.len() > ENTRIES_MAX).then(|| self.entries.remove(0))
    }

    /// When the goal of her first exposure to a trigger counts no more; never where there is none.
    #[must_use]
    pub fn due(&self) -> Timestamp {
        let first = self.entries.iter().filter(|it| it.is_first);
        // At the last instant itself it still counts.
        let due = first.map(|it| it.until.plus(1)).min();
        due.unwrap_or(Timestamp::MAX)
    }

    /// Closes those that are due by an instant: what she has done until then is what came of it.
    pub fn close(&mut self, by: Timestamp) -> Vec<Entry> {
        let due = self
            .entries
            .iter_mut()
            .filter(|it| it.is_first && it.until < by);
        let closed = due.map(|it| {
            let closed = it.clone();
            it.is_first = false;
            closed
        });
        closed.collect()
    }

    /// The entries, oldest first.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    /// The entries, oldest first.
    pub fn entries_mut(&mut self) -> impl Iterator<Item = &mut Entry> {
        self.entries.iter_mut()
    }

    /// Whether nothing stands on it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether triggers have left anything that are in the set no more.
    #[must_use]
    pub fn has_any_of(&self, is_gone: impl Fn(u32) -> bool) -> bool {
        // Whoever has an entry was exposed.
        self.exposed.iter().any(|key| is_gone(*key))
    }

    /// Drops what triggers have left that are in the set no more.
    pub fn forget(&mut self, is_gone: impl Fn(u32) -> bool) {
        self.entries.retain(|it| !is_gone(it.trigger));
        self.exposed.retain(|key| !is_gone(*key));
    }
}

impl Entry {
    /// Whether a reaction at `now` is still known to be to this.
    fn is_known(&self, now: Timestamp) -> bool {
        self.until.max(self.at.plus(REACTIONS_MS)) >= now
    }

    /// Whether a goal at this time counts for it.
    #[must_use]
    pub fn counts(&self, at: Timestamp) -> bool {
        self.at < at && at <= self.until
    }

    /// Notes what was credited.
    pub fn credit(&mut self, credit: Credit) {
        if self.credits.len() >= CREDITS_MAX {
            self.credits.remove(0);
        }
        self.credits.push(credit);
    }
}

/// Version 1 knew of no codes.
impl Stored for Ledger {
    const VERSION: u8 = 2;

    fn upcast(version: u8, bytes: &[u8]) -> Result<Self, StoredError> {
        match version {
            1 => Ok(postcard::from_bytes::<WithoutCodes>(bytes)?.into()),
            _ => Err(StoredError::Damaged(format!(
                "there is no version {version} of her ledger"
            ))),
        }
    }
}

#[derive(Deserialize)]
struct WithoutCodes {
    entries: Vec<WithoutCode>,
    exposed: Vec<u32>,
}

#[derive(Deserialize)]
struct WithoutCode {
    trigger: u32,
    id: u64,
    treatment: Text,
    at: Timestamp,
    until: Timestamp,
    arm: Arm,
    segments: Vec<Text>,
    is_first: bool,
    met: u32,
    value: Amount,
    reactions: u8,
    credits: Vec<Credit>,
}

impl From<WithoutCodes> for Ledger {
    fn from(old: WithoutCodes) -> Self {
        let entries = old.entries.into_iter().map(|old| Entry {
            trigger: old.trigger,
            id: old.id,
            treatment: old.treatment,
            at: old.at,
            until: old.until,
            arm: old.arm,
            segments: old.segments,
            is_first: old.is_first,
            met: old.met,
            value: old.value,
            reactions: old.reactions,
            credits: old.credits,
            code: None,
        });
        Self {
            entries: entries.collect(),
            exposed: old.exposed,
        }
    }
}

impl Section for Ledger {
    const TAG: u16 = 50;
    const WRITTEN_BY: &'static [EventName] = &[];
    const FIELDS: &'static [Field<Self>] = &[field(
        "ledger.conversions",
        Type::Number,
        "goals met after the treatments that are still on her ledger (those of the last 30 days at least)",
        |p, _| {
            let treated = p.entries.iter().filter(|it| it.arm == Arm::Treated);
            Value::Number(treated.map(|it| f64::from(it.met)).sum())
        },
    )];

    /// What was sent is noted when it is decided, what comes of it where the goals are known.
    fn apply(&mut self, _event: &Event, _local: Local<'_>) {}

    /// What was sent to either was sent to her, and may have its goal still. She was counted under both ids by then.
    fn merge(&mut self, other: Self, _local: Local<'_>) {
        self.entries.extend(other.entries);
        self.entries.sort_by_key(|entry| entry.at);
        while self.entries.len() > ENTRIES_MAX
            && let Some(spare) = self.entries.iter().position(|entry| !entry.is_first)
        {
            self.entries.remove(spare);
        }
        self.exposed.extend(other.exposed);
        self.exposed.sort_unstable();
        self.exposed.dedup();
    }
}
