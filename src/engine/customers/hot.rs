//! Customers who changed and are not written yet: they stay unpacked, so that who comes again is not packed in between.
//!
//! Whoever changed first is written first. What must stay true: of those who are not written it is known since which transaction, as
//! everything from there on is taken again after a crash; and who is written has behind her all of the transactions up to the one that
//! she is [stamped](packed) with, whoever else is not.

use std::collections::VecDeque;

use super::{Customers, NONE, Slot};
use crate::engine::customer::Customer;
use crate::engine::erasures::Record;
use crate::engine::packed;
use crate::time::Timestamp;

/// Who may stay unwritten when a transaction is sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// Those who have not been changed before the transaction with this number.
    pub from: u64,
    /// No more than so many; the rest is written, a whole transaction's at a time.
    pub most: usize,
}

impl Keep {
    /// Everybody is written.
    pub const NOBODY: Self = Self {
        from: u64::MAX,
        most: 0,
    };

    /// All who have not been changed before this transaction.
    #[must_use]
    pub const fn from(transaction: u64) -> Self {
        Self {
            from: transaction,
            most: usize::MAX,
        }
    }
}

/// Customers who are unpacked.
#[derive(Debug, Default)]
pub(super) struct Hot {
    working: Vec<Working>,
    /// Those who changed, and in which transaction they did first, in that order.
    changed: VecDeque<(u64, Slot)>,
    /// The number of the open transaction.
    pub transaction: u64,
}

/// A profile that is unpacked.
#[derive(Debug)]
pub(in crate::engine) struct Working {
    /// Boxed: it is large, and moves about with its neighbours.
    pub customer: Box<Customer>,
    /// When she must be looked at, at the latest: no deadline of hers is earlier, nor one that her tail may bring.
    pub look: Timestamp,
    /// She may have to be looked at later than that only, after what was settled since.
    pub look_is_early: bool,
    /// There is something to be written.
    pub dirty: bool,
    /// She stands among those who changed.
    listed: bool,
    pub(super) slot: Slot,
}

impl Working {
    pub(super) fn new(customer: Box<Customer>, slot: Slot, look: Timestamp) -> Self {
        Self {
            customer,
            look,
            look_is_early: false,
            dirty: false,
            listed: false,
            slot,
        }
    }
}

impl Hot {
    /// Takes one in; her place, until somebody is taken out.
    pub fn put(&mut self, working: Working) -> u32 {
        let place = u32::try_from(self.working.len()).unwrap_or(NONE);
        self.working.push(working);
        place
    }

    pub fn at(&mut self, place: usize) -> &mut Working {
        &mut self.working[place]
    }

    pub fn get(&self, place: u32) -> &Customer {
        &self.working[place as usize].customer
    }

    pub fn len(&self) -> usize {
        self.working.len()
    }

    /// Work on her has ended: if it has changed her, she is among those to be written from now on.
    pub fn changed(&mut self, place: usize) {
        let working = &mut self.working[place];
        if working.dirty && !working.listed {
            working.listed = true;
            self.changed.push_back((self.transaction, working.slot));
        }
    }

    /// Drops her who was unpacked last, where there is nothing to be written of her.
    pub fn drop_if_clean(&mut self, place: usize) -> Option<Slot> {
        let just_unpacked = place + 1 == self.working.len();
        if !just_unpacked || self.working[place].dirty {
            return None;
        }
        self.working.pop().map(|clean| clean.slot)
    }

    /// Drops all.
    pub fn drop_all(&mut self) -> Vec<Slot> {
        self.changed.clear();
        let all = self.working.drain(..);
        all.map(|working| working.slot).collect()
    }

    /// The first transaction whose customers may stay.
    fn kept_from(&self, keep: Keep) -> u64 {
        let spare = self.changed.len().saturating_sub(keep.most);
        let last = spare.checked_sub(1).and_then(|last| self.changed.get(last));
        keep.from.max(last.map_or(0, |(since, _)| since + 1))
    }

    /// Whoever changed first, if it was before this transaction.
    fn pop(&mut self, before: u64) -> Option<Slot> {
        let (_, slot) = self.changed.pop_front_if(|(since, _)| *since < before)?;
        Some(slot)
    }
}

impl Customers {
    /// The open transaction has this number.
    pub fn begin(&mut self, transaction: u64) {
        self.hot.transaction = transaction;
    }

    /// Ends the open transaction: packs those who may not stay unpacked, after `settle` was done with them, and begins the next. The
    /// changelog records; and since which transaction, of all so far, somebody is not written.
    pub fn seal(
        &mut self,
        keep: Keep,
        mut settle: impl FnMut(&mut Working),
    ) -> (Vec<Record>, Option<u64>) {
        assert!(
            self.sealed.is_empty(),
            "one transaction is sealed at a time"
        );
        let mut records = Vec::new();
        let from = self.hot.kept_from(keep);
        let mut flushed = std::mem::take(&mut self.flush).into_iter();
        while let Some(slot) = flushed.next().or_else(|| self.hot.pop(from)) {
            let Some(mut working) = self.take_out(slot) else {
                continue;
            };
            settle(&mut working);
            let (customer, look) = (&working.customer, working.look);
            let stamp = self.hot.transaction;
            let page = (!customer.is_blank()).then(|| packed::pack(customer, look, stamp));
            // Not earlier than it was, so what stands in the queue does.
            let entry = &mut self.entries[slot as usize];
            entry.look = look;
            entry.sealed = u32::try_from(self.sealed.len()).unwrap_or(NONE);
            self.sealed.push((slot, page.as_deref().map(Box::from)));
            let id = &customer.profile.settled.id;
            let record = page.map(|page| packed::seal(id, page));
            records.push((id.as_bytes().to_vec(), record));
        }
        self.hot.transaction += 1;
        (records, self.hot.changed.front().map(|(since, _)| *since))
    }

    pub(super) fn take_out(&mut self, slot: Slot) -> Option<Working> {
        let entry = &mut self.entries[slot as usize];
        let place = std::mem::replace(&mut entry.working, NONE);
        if place == NONE {
            return None;
        }
        let working = self.hot.working.swap_remove(place as usize);
        if let Some(moved) = self.hot.working.get(place as usize) {
            self.entries[moved.slot as usize].working = place;
        }
        Some(working)
    }

    /// Whether a customer as she was last written has a transaction behind her, and nothing was done with her since.
    pub fn is_beyond(&self, slot: Slot, transaction: u64) -> bool {
        let entry = &self.entries[slot as usize];
        entry.working == NONE && packed::stamp(&entry.packed) >= transaction
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(customers: &mut Customers, id: &str) {
        let slot = customers.slot(id);
        if customers.entries[slot as usize].working == NONE {
            let customer = customers.entries[slot as usize].unpacked(&[]);
            let working = Working::new(customer, slot, Timestamp::MAX);
            customers.entries[slot as usize].working = customers.hot.put(working);
        }
        customers.current = customers.entries[slot as usize].working as usize;
        let working = customers.hot.at(customers.current);
        working.dirty = true;
        working.customer.profile.settled.presence.last_seen = Some(Timestamp(1));
        customers.close(Timestamp::MAX);
    }

    /// Three transactions that change `ana` and `ben`, `ben` and `cid`, and `dan`; who is written, and since when somebody is not.
    fn seal(keep: Keep) -> (Vec<String>, Option<u64>) {
        let mut customers = Customers::default();
        customers.begin(7);
        let mut last = (Vec::new(), None);
        for changed in [&["ana", "ben"][..], &["ben", "cid"], &["dan"]] {
            for id in changed {
                change(&mut customers, id);
            }
            let keep = if changed.len() == 1 {
                keep
            } else {
                Keep::from(0)
            };
            last = customers.seal(keep, |_| {});
            customers.commit();
        }
        let ids = last.0.into_iter();
        let text = |id| String::from_utf8(id).expect("text");
        (ids.map(|(id, _)| text(id)).collect(), last.1)
    }

    #[test]
    fn who_changed_first_is_written_first() {
        let most = |most| Keep { from: 0, most };
        for (keep, written, since) in [
            (Keep::NOBODY, "ana ben cid dan", None),
            (Keep::from(0), "", Some(7)),
            (Keep::from(8), "ana ben", Some(8)),
            (Keep::from(9), "ana ben cid", Some(9)),
            (most(4), "", Some(7)),
            (most(3), "ana ben", Some(8)),
            (most(1), "ana ben cid", Some(9)),
            (most(0), "ana ben cid dan", None),
        ] {
            let (got, kept) = seal(keep);
            assert_eq!((got.join(" ").as_str(), kept), (written, since), "{keep:?}");
        }
    }
}
