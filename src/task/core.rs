//! What a task drives, and the values that pass between them.
//!
//! [`Core`] is implemented by the engine, and in tests by something small enough to be checked by hand.

pub use super::count::Count;
pub use crate::engine::{Keep, Moved};
pub use crate::event::record::Header;
use crate::time::Timestamp;

/// A record as it was read, before anybody looked into it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawRecord {
    /// Where it stands in its partition.
    pub offset: i64,
    /// When it was appended to the log, as the record says.
    pub appended: Timestamp,
    /// Whether the broker said that, and not the producer.
    pub stamped: bool,
    /// Why nobody can read it, where the client could not; there is nothing else of it then.
    pub unreadable: Option<&'static str>,
    /// Kafka key.
    pub key: Option<Vec<u8>>,
    /// Kafka value.
    pub value: Option<Vec<u8>>,
    /// Kafka headers, in order.
    pub headers: Vec<Header>,
}

/// Why a record is no event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Where it failed: `decode`, `validate`, `apply`.
    pub stage: &'static str,
    /// One word for counters and headers, of a fixed set.
    pub reason: &'static str,
    /// A sentence for people.
    pub detail: String,
}

impl Rejection {
    /// The reason of records that the client cannot take out of the log.
    pub const UNREADABLE: &str = "unreadable";
    /// The reason of a customer's page that was set aside.
    pub const DAMAGED_PAGE: &str = "damaged_page";
    /// The reason of records that somebody chose to mean nothing: they are counted, and set aside nowhere.
    pub const IGNORED: &str = "ignored";
}

/// What the core has to say to an event or to time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The event came at or behind the watermark; it counted as far as it still could.
    Late {
        /// By how much, milliseconds.
        behind_ms: i64,
    },
    /// The event was seen before, and nothing else.
    Duplicate,
    /// Something worth a tally happened so often.
    Counted {
        /// What, of a bounded set.
        count: Count,
        /// How often.
        times: u64,
    },
    /// The record that it was made of is set aside.
    Rejected(Rejection),
    /// Another task is told something.
    Transferred {
        /// The task.
        to: i32,
        /// Whom it is about, where that is known.
        key: Vec<u8>,
        /// What it is told.
        value: Vec<u8>,
    },
    /// A moment was decided.
    Decided {
        /// Whose moment; the key of what is sent.
        customer: Vec<u8>,
        /// What it counts as, of a bounded set.
        count: Count,
        /// The decision, ready to be sent.
        decision: Vec<u8>,
        /// Its headers.
        headers: Vec<Header>,
        /// The command, where the decision was to treat.
        treatment: Option<Treatment>,
    },
}

/// A command, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Treatment {
    /// The channel, which names the topic.
    pub channel: String,
    /// The command.
    pub value: Vec<u8>,
    /// Its headers.
    pub headers: Vec<Header>,
}

/// How far a sweep over everybody has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Swept {
    /// The number of the first customer that it has not come to.
    pub to: u64,
    /// There is none.
    pub done: bool,
    /// There is something to be committed.
    pub changed: bool,
}

/// Changelog records: customers and their packed states; none is a tombstone. And the first transaction of which somebody is not
/// written.
pub type Sealed = (Vec<(Vec<u8>, Option<Vec<u8>>)>, Option<u64>);

/// The customers of one task: deterministic, without I/O, with three layers of state: written and committed, sealed, touched.
pub trait Core {
    /// One thing that happened, decoded.
    type Event;

    /// What moments are decided by.
    type Plan;

    /// Reads a record of the `topic`-th topic.
    ///
    /// # Errors
    /// What makes it undecodable or invalid.
    fn decode(&self, topic: usize, record: &RawRecord) -> Result<Self::Event, Rejection>;

    /// When an event happened.
    fn time(event: &Self::Event) -> Timestamp;

    /// A hash of whom it happened to.
    fn customer(event: &Self::Event) -> u64;

    /// Takes a committed changelog record in, in order; no value is a tombstone.
    ///
    /// # Errors
    /// What cannot be read: another version's, or broken.
    fn restore(&mut self, customer: &[u8], packed: Option<&[u8]>) -> Result<(), String>;

    /// One event happened.
    fn event(&mut self, event: Self::Event, now: Timestamp, effects: &mut Vec<Effect>);

    /// Whether an event happened to everybody.
    fn is_for_everybody(event: &Self::Event) -> bool;

    /// Shows an event that happened to everybody to a slice of the customers, in an order that is always the same: from a number on
    /// to as many as one step may carry, or where somebody replays, up to another number. Called again, without anything in between but
    /// commits, until it is done.
    fn broadcast(
        &mut self,
        event: &Self::Event,
        slice: (u64, Option<u64>),
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) -> Swept;

    /// Nothing at or before `to` is expected any more: time moves towards it, as far as one step may. Called again until it is
    /// done; no event is taken before, though work may be sealed and committed. Once it is, what was done is not due any more.
    fn advance(&mut self, to: Timestamp, now: Timestamp, effects: &mut Vec<Effect>) -> Moved;

    /// Time moves to a watermark, and beyond it as far as [`Moved::beyond`] said before: for who replays.
    fn advance_beyond(
        &mut self,
        watermark: Timestamp,
        beyond: u64,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    );

    /// The time of the earliest event that is under way to another task and back, and still expected; none: none is.
    fn held(&self) -> Option<Timestamp> {
        None
    }

    /// How many tasks share what is over everybody, where that decides anything in this one.
    fn shares(&self) -> Option<i32> {
        None
    }

    /// No watermark before this one would bring anything; none: no watermark would.
    fn next_deadline(&self) -> Option<Timestamp>;

    /// Goes over to another plan, from the `from`-th customer on in an order that is always the same, for as many as one transaction
    /// may carry. Nothing is touched or sealed. Where it was done before, it changes nothing.
    fn adopt(
        &mut self,
        plan: &Self::Plan,
        from: u64,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) -> Swept;

    /// The committed customers have all gone over to this plan.
    fn assume(&mut self, plan: &Self::Plan);

    /// The open transaction, to which everything belongs that is done until the next seal, has this number.
    fn begin(&mut self, transaction: u64);

    /// The same, of a transaction that is committed: who was written in it or later has behind her what comes next. After the last,
    /// [`Core::begin`].
    fn take_again(&mut self, transaction: u64);

    /// Ends the open transaction and packs customers who changed, but for those who may be kept: its changelog records, and the first
    /// transaction of which somebody is kept. Work may go on on top.
    fn seal(&mut self, keep: Keep) -> Sealed;

    /// Whether there are figures otherwise than they were reported.
    fn has_to_report(&self) -> bool {
        false
    }

    /// Records with the figures that are otherwise than they were reported, of what was sealed: they belong to its transaction. Key and
    /// value.
    fn report(&mut self, _now: Timestamp) -> Vec<(Vec<u8>, Vec<u8>)> {
        Vec::new()
    }

    /// What was sealed is committed.
    fn committed(&mut self);

    /// Drops what was sealed or is kept: back to what is written and committed, at this watermark.
    fn rollback(&mut self, watermark: Timestamp);
}
