//! Work on everybody, in slices.
//!
//! Customers are numbered from 0 in byte order of ids. A slice is those from one number to another, and fits a transaction. While
//! a sweep goes on no event is taken and time does not move, so nobody comes or goes: the number of the next customer is all that
//! has to be kept to go on after a crash.

use super::Engine;
use super::customers::Slot;

/// Customers of a slice: what is written of them fits a transaction.
pub const SLICE: usize = 4_096;

/// How far a sweep has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Swept {
    /// The number of the first customer who is still to be worked on.
    pub to: usize,
    /// There is none.
    pub done: bool,
    /// Somebody was changed, or decided.
    pub changed: bool,
}

/// The customers of the sweep that is under way.
#[derive(Debug)]
pub(super) struct Sweeping {
    /// In order; none before its first slice.
    slots: Vec<Slot>,
    /// [`SLICE`], but in tests.
    pub slice: usize,
}

impl Default for Sweeping {
    fn default() -> Self {
        Self {
            slots: Vec::new(),
            slice: SLICE,
        }
    }
}

impl Sweeping {
    /// The next slice is of another sweep, or of other customers.
    pub fn begin_anew(&mut self) {
        self.slots = Vec::new();
    }

    /// Whether a slice was worked on since.
    pub fn is_under_way(&self) -> bool {
        !self.slots.is_empty()
    }
}

impl Engine {
    /// Works on the slice from the `from`-th customer on; `work` says whether it changed anything.
    pub(super) fn sweep(
        &mut self,
        from: usize,
        mut work: impl FnMut(&mut Self, Slot) -> bool,
    ) -> Swept {
        if from == 0 || !self.sweeping.is_under_way() {
            self.sweeping.slots = self.customers.in_order();
        }
        let all = self.sweeping.slots.len();
        let to = all.min(from.saturating_add(self.sweeping.slice));
        let slots = self.sweeping.slots.get(from..to).unwrap_or_default();
        let mut changed = false;
        for slot in slots.to_vec() {
            changed |= work(self, slot);
        }
        let done = to == all;
        if done {
            self.sweeping.begin_anew();
        }
        Swept { to, done, changed }
    }
}
