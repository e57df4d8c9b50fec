//! The window: transactions that are committed, and of whose customers some are not written yet.
//!
//! A customer who changes stays unpacked for a while, so that who comes again is packed once and not once a transaction. What must stay
//! true: the task's record says from where on transactions have to be taken again for it ([`Window`]); the window holds no more than
//! [`Checkpoint`] says; and nothing is in it that could not be taken again as it was. So in a transaction everybody is written
//! where it took what cannot be read again, showed something to everybody, or ended within an instant; before customers go over to
//! other triggers; and in the last before the task is given up, so that nothing is taken again where all goes well.

use std::collections::VecDeque;

use super::Task;
use super::core::{Core, Keep};
use super::record::{TaskRecord, Window};
use crate::time::Timestamp;

/// How long customers who changed may stay unwritten; after a crash so much is taken again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// So many records taken since.
    pub records: u64,
    /// So many milliseconds since.
    pub ms: i64,
    /// So many customers: what they take in memory.
    pub customers: usize,
}

impl Checkpoint {
    /// Everybody is written in the transaction that changes her.
    pub const EACH: Self = Self {
        records: 0,
        ms: i64::MIN / 2,
        customers: 0,
    };
}

/// How things stood before a transaction.
#[derive(Clone, Debug)]
pub(super) struct Mark {
    /// As a window that begins with it says it.
    pub window: Window,
    /// When it began, by the clock of this process.
    pub at: Timestamp,
    /// Records taken before it since the task was taken over.
    pub taken: u64,
}

/// The transactions that may have to be taken again.
#[derive(Debug, Default)]
pub(super) struct Marks {
    /// In order; the first is of the first transaction of which somebody is not written.
    marks: VecDeque<Mark>,
    /// Records taken since the task was taken over.
    pub taken: u64,
    /// The same when the last transaction was sealed.
    sealed: u64,
    /// The last line of the journal stands before this offset; none where that is not known.
    pub journal: Option<i64>,
}

impl Marks {
    /// A transaction begins here.
    pub fn push(&mut self, mark: Mark) {
        self.marks.push_back(mark);
    }

    /// Everything before this transaction is written.
    pub fn forget_before(&mut self, transaction: u64) {
        while self
            .marks
            .pop_front_if(|mark| mark.window.from < transaction)
            .is_some()
        {}
    }

    /// What a record says where somebody is not written since this transaction.
    fn window(&self, transaction: u64) -> Option<Window> {
        let mut marks = self.marks.iter();
        let mark = marks.find(|mark| mark.window.from == transaction)?;
        Some(mark.window.clone())
    }
}

impl<C: Core> Task<C> {
    /// A transaction of this number, begun at `at`, is sealed: who may stay unwritten.
    pub(super) fn keeps(&mut self, transaction: u64, at: Timestamp) -> Keep {
        let taken = std::mem::replace(&mut self.marks.sealed, self.marks.taken);
        let Some(journal) = self.marks.journal else {
            return Keep::NOBODY;
        };
        let window = Window::after(self.durable.as_ref(), transaction, journal);
        self.marks.push(Mark { window, at, taken });
        let Checkpoint {
            records,
            ms,
            customers,
        } = self.settings.checkpoint;
        let mut marks = self.marks.marks.iter();
        let kept = marks.find(|mark| {
            let is_young = mark.at.plus(ms) > self.clock;
            is_young && self.marks.taken - mark.taken <= records
        });
        kept.map_or(Keep::NOBODY, |mark| Keep {
            from: mark.window.from,
            most: customers,
        })
    }

    /// What the record says of who stays unwritten, since this transaction.
    pub(super) fn kept(&mut self, from: Option<u64>) -> Option<Window> {
        self.marks.forget_before(from.unwrap_or(u64::MAX));
        self.marks.window(from?)
    }

    /// When those who have been unwritten the longest must be written.
    pub(super) fn checkpoint_due(&self) -> Option<Timestamp> {
        self.unwritten()?;
        let first = self.marks.marks.front()?;
        Some(first.at.plus(self.settings.checkpoint.ms))
    }

    /// Which of the committed transactions begins the window; none where everybody is written.
    pub(super) fn unwritten(&self) -> Option<&Window> {
        self.durable.as_ref()?.window.as_ref()
    }
}

impl Window {
    /// Begins after what a record says, with this transaction, whose line stands in the journal at this offset or after it.
    fn after(record: Option<&TaskRecord>, transaction: u64, journal: i64) -> Self {
        let topics = record.iter().flat_map(|record| &record.topics);
        let offsets = topics.filter_map(|(name, topic)| Some((name.clone(), topic.offset?)));
        Self {
            from: transaction,
            journal,
            watermark: record.map_or(Timestamp::MIN, |record| record.watermark),
            offsets: offsets.collect(),
        }
    }
}
