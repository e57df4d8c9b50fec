//! Whether each task of this process gets on: what it has taken, restored and committed, and since when that is all.
//!
//! A task that runs and has nothing to take gets on. One that waits, whatever for, does not; how long that may last is for whoever asks.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How far a task is, in numbers that only rise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Mark {
    /// Transactions committed.
    pub transactions: u64,
    /// The offset of the changelog that is restored.
    pub restored: i64,
    /// The sum of the offsets of what is at hand.
    pub taken: i64,
}

/// A task, as it was last seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moved {
    /// Since when it has not moved.
    pub since: Instant,
    /// Records that wait for it.
    pub waits: i64,
    mark: Mark,
}

/// Every task of this process.
#[derive(Debug, Default)]
pub(super) struct Progress(Mutex<BTreeMap<i32, Moved>>);

impl Progress {
    /// A task is so far, and so many records wait for it; `idle`: there is nothing that it should do.
    pub fn seen(&self, task: i32, mark: Mark, waits: i64, idle: bool, now: Instant) {
        let mut all = self.lock();
        let moved = all.entry(task).or_insert(Moved {
            since: now,
            waits,
            mark,
        });
        if idle || moved.mark != mark {
            moved.since = now;
        }
        (moved.mark, moved.waits) = (mark, waits);
    }

    /// It is not here any more.
    pub fn forget(&self, task: i32) {
        self.lock().remove(&task);
    }

    /// All of them.
    pub fn all(&self) -> BTreeMap<i32, Moved> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<i32, Moved>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Moved {
    /// For how long it has not moved.
    #[must_use]
    pub fn still(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_still_while_nothing_rises_and_something_waits() {
        let (progress, start) = (Progress::default(), Instant::now());
        let at = |s| start + Duration::from_secs(s);
        let mark = |transactions| Mark {
            transactions,
            ..Mark::default()
        };
        let still = |now| progress.all()[&3].still(now).as_secs();
        progress.seen(3, mark(1), 5, false, at(0));
        progress.seen(3, mark(1), 9, false, at(10));
        assert_eq!((still(at(12)), progress.all()[&3].waits), (12, 9));
        progress.seen(3, mark(2), 9, false, at(13));
        assert_eq!(still(at(14)), 1);
        progress.seen(3, mark(2), 0, true, at(50));
        assert_eq!(still(at(50)), 0);
        // Nobody looks any more: its worker hangs.
        assert_eq!(still(at(90)), 40);
        progress.forget(3);
        assert!(progress.all().is_empty());
    }
}
