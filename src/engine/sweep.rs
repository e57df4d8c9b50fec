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

/// What is done with everybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    /// They go over to other triggers.
    Adoption,
    /// They are shown what happened to them all.
    Broadcast,
}

/// The customers of the sweep that is under way.
#[derive(Debug)]
pub(super) struct Sweeping {
    /// In order; none before its first slice.
    slots: Vec<Slot>,
    of: Of,
    /// The number of the customer whom the next slice begins with.
    next: usize,
    /// [`SLICE`], but in tests.
    pub slice: usize,
}

impl Default for Sweeping {
    fn default() -> Self {
        Self {
            slots: Vec::new(),
            of: Of::Adoption,
            next: 0,
            slice: SLICE,
        }
    }
}

impl Sweeping {
    /// The next slice is of another sweep, or of other customers.
    pub fn begin_anew(&mut self) {
        self.slots = Vec::new();
    }

    /// Whether a slice of such a sweep was worked on since.
    fn is_under_way(&self, of: Of) -> bool {
        !self.slots.is_empty() && self.of == of
    }

    /// Whether all before the `from`-th customer were worked on here.
    pub fn goes_on(&self, of: Of, from: usize) -> bool {
        self.is_under_way(of) && self.next == from
    }
}

impl Engine {
    /// Works on the slice from the `from`-th customer on, or up to the `to`-th; `work` says whether it changed anything.
    pub(super) fn sweep(
        &mut self,
        of: Of,
        (from, to): (usize, Option<usize>),
        mut work: impl FnMut(&mut Self, Slot) -> bool,
    ) -> Swept {
        if from == 0 || !self.sweeping.is_under_way(of) {
            self.sweeping.slots = self.customers.in_order();
            self.sweeping.of = of;
        }
        let all = self.sweeping.slots.len();
        let most = from.saturating_add(self.sweeping.slice);
        let to = all.min(to.unwrap_or(most));
        let mut changed = false;
        for number in from..to {
            if let Some(slot) = self.sweeping.slots.get(number).copied() {
                changed |= work(self, slot);
            }
        }
        let done = to == all;
        self.sweeping.next = to;
        if done {
            self.sweeping.begin_anew();
        }
        Swept { to, done, changed }
    }
}
