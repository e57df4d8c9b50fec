//! The table of customers: packed at rest, unpacked while a transaction works on them.
//!
//! A customer is one entry: her id, the packed bytes of her last *committed* profile, when she must be
//! looked at, and where her unpacked or sealed profile is, if any. Who changes stays unpacked, over many transactions, until she is
//! written ([`hot`]); so undoing is dropping, and what was dropped is taken again from the log. The queue of looks holds at most about two
//! entries a customer: she is put in anew only to be earlier, and what that leaves behind is swept out.
//! A profile that is blank when it is packed is a tombstone; once that is committed, the entry is free
//! for another customer.

mod due;
mod entry;
mod hot;
mod turns;

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, VecDeque};
use std::hash::BuildHasher;

use hashbrown::HashTable;

use self::entry::Entry;
use self::hot::Hot;
pub use self::hot::Keep;
pub(super) use self::hot::Working;
pub use self::turns::Turn;
use self::turns::Turns;
use super::customer::Customer;
use super::packed;
use crate::event::CustomerId;
use crate::stored::StoredError;
use crate::time::Timestamp;
use crate::trigger::plan::Plan;

/// Index of an entry.
pub(super) type Slot = u32;

/// No place in `working` or `sealed`.
const NONE: u32 = u32::MAX;

#[derive(Debug, Default)]
pub(super) struct Customers {
    entries: Vec<Entry>,
    by_id: HashTable<Slot>,
    hasher: foldhash::fast::FixedState,
    hot: Hot,
    /// Packed profiles of the sealed transaction; none for a tombstone.
    sealed: Vec<(Slot, Option<Box<[u8]>>)>,
    /// Entries of nobody.
    free: Vec<Slot>,
    /// Who has expired and is not removed yet.
    expired: VecDeque<Slot>,
    /// Who is still to be looked at of those that are due at one instant, the last first.
    instant: Vec<Slot>,
    queue: BinaryHeap<Reverse<(Timestamp, Slot)>>,
    /// The one being worked on, between `open` and `close`.
    current: usize,
    bytes: usize,
    turns: Turns,
    /// Who must be written when the open transaction is sealed: what came of her is counted in it.
    pub flush: BTreeSet<Slot>,
}

impl Customers {
    // Finding.

    /// The profile of a customer, unpacked; [`Customers::close`] ends the work on it.
    pub fn open(&mut self, id: &CustomerId, plan: &Plan) -> &mut Working {
        let slot = self.slot(id);
        self.unpack(slot, plan)
    }

    /// As [`Customers::open`], by slot; [`Customers::looked_at`] ends the work.
    pub fn look_at(&mut self, slot: Slot, plan: &Plan) -> &mut Working {
        self.unpack(slot, plan)
    }

    fn slot(&mut self, id: &str) -> Slot {
        if let Some(slot) = self.find(id) {
            return slot;
        }
        let hash = self.hasher.hash_one(id);
        let entry = Entry {
            id: id.into(),
            ..Entry::default()
        };
        self.bytes += entry.bytes();
        let slot = match self.free.pop() {
            Some(slot) => {
                self.entries[slot as usize] = entry;
                slot
            }
            None => {
                let slot = Slot::try_from(self.entries.len()).unwrap_or(NONE);
                assert!(slot < NONE, "a task holds fewer than 2^32 customers");
                self.entries.push(entry);
                slot
            }
        };
        let (entries, hasher) = (&self.entries, &self.hasher);
        self.by_id.insert_unique(hash, slot, |slot| {
            hasher.hash_one(entries[*slot as usize].id.as_str())
        });
        slot
    }

    /// The entry of a customer of whom something is held.
    pub fn find(&self, id: &str) -> Option<Slot> {
        let hash = self.hasher.hash_one(id);
        let is_hers = |slot: &Slot| self.entries[*slot as usize].id == id;
        self.by_id.find(hash, is_hers).copied()
    }

    /// Whether anything is held of a customer.
    pub fn knows(&self, id: &str) -> bool {
        self.find(id).is_some()
    }

    /// Whether there is a profile of somebody, committed or not.
    pub fn has_profile(&self, id: &str) -> bool {
        let slot = self.find(id);
        slot.is_some_and(|slot| self.is_there(&self.entries[slot as usize]))
    }

    fn unpack(&mut self, slot: Slot, plan: &Plan) -> &mut Working {
        let entry = &self.entries[slot as usize];
        if entry.working == NONE {
            let mut customer = self.latest(slot);
            customer.forget(|key| plan.by_key(key).is_none());
            let place = self.hot.put(Working::new(customer, slot, entry.look));
            self.entries[slot as usize].working = place;
        }
        self.current = self.entries[slot as usize].working as usize;
        self.hot.at(self.current)
    }

    /// The last packed profile: sealed if there is one, else committed.
    fn latest(&self, slot: Slot) -> Box<Customer> {
        let entry = &self.entries[slot as usize];
        let packed = match entry.sealed {
            NONE => &entry.packed,
            place => self.sealed[place as usize].1.as_deref().unwrap_or_default(),
        };
        entry.unpacked(packed)
    }

    /// Everybody with a profile as the work so far leaves them, committed or not, in byte order of ids.
    pub fn in_order(&self) -> Vec<Slot> {
        let mut slots: Vec<Slot> = (0u32..)
            .zip(&self.entries)
            .filter(|(_, entry)| self.is_there(entry))
            .map(|(slot, _)| slot)
            .collect();
        slots.sort_unstable_by_key(|slot| self.entries[*slot as usize].id.as_str());
        slots
    }

    /// Their ids, in byte order.
    pub fn ids_in_order(&self) -> Vec<CustomerId> {
        let slots = self.in_order().into_iter();
        slots
            .map(|slot| self.entries[slot as usize].id.clone())
            .collect()
    }

    fn is_there(&self, entry: &Entry) -> bool {
        match (entry.working, entry.sealed) {
            (NONE, NONE) => !entry.packed.is_empty(),
            (NONE, place) => self.sealed[place as usize].1.is_some(),
            (place, _) => !self.hot.get(place).is_blank(),
        }
    }

    /// As [`Customers::look_at`], and whether `plan` lacks a trigger that knew something of her; [`Customers::gone_over`] ends the work.
    pub fn go_over(&mut self, slot: Slot, plan: &Plan) -> (&mut Working, bool) {
        let forgotten = self.latest(slot).forget(|key| plan.by_key(key).is_none());
        (self.unpack(slot, plan), forgotten)
    }

    /// Takes everything out that is held of a customer, as the work so far leaves her. Nothing is sealed.
    pub fn take_away(&mut self, id: &str) -> Option<Box<Customer>> {
        let slot = self.find(id)?;
        let customer = match self.take_out(slot) {
            Some(working) => working.customer,
            None => self.latest(slot),
        };
        let entry = &mut self.entries[slot as usize];
        self.bytes -= entry.packed.len();
        entry.packed = Box::default();
        self.free_if_empty(slot);
        (!customer.is_blank()).then_some(customer)
    }

    // Closing.

    /// Ends the work on an opened profile, which must be looked at again at `look`.
    pub fn close(&mut self, look: Timestamp) {
        let working = self.hot.at(self.current);
        working.look = look;
        let slot = working.slot;
        self.hot.changed(self.current);
        self.schedule(slot, look);
        self.current_queues_up();
    }

    /// The customer being worked on is written in this transaction, whoever else is not.
    pub fn write_soon(&mut self) {
        let slot = self.hot.at(self.current).slot;
        self.flush.insert(slot);
    }

    /// Ends a look. A profile that was unpacked for it and has nothing to write is dropped.
    pub fn looked_at(&mut self, look: Timestamp) {
        self.close(look);
        self.leave();
    }

    /// Ends the work on a profile. One that was unpacked for it and has nothing to write is dropped.
    pub fn leave(&mut self) {
        if let Some(slot) = self.hot.drop_if_clean(self.current) {
            self.entries[slot as usize].working = NONE;
            self.free_if_empty(slot);
        }
    }

    /// Ends a look at a customer who has expired: she is not looked at again before [`Customers::expired`] gives her.
    pub fn expires(&mut self, look: Timestamp) {
        let working = self.hot.at(self.current);
        working.look = look;
        let slot = working.slot;
        self.hot.changed(self.current);
        self.entries[slot as usize].look = look;
        self.expired.push_back(slot);
        self.current_queues_up();
        self.leave();
    }

    /// Up to `most` of those who have expired, in the order in which they were found.
    pub fn expired(&mut self, most: usize) -> Vec<Slot> {
        let most = most.min(self.expired.len());
        let slots = self.expired.drain(..most);
        slots
            .filter(|slot| !self.entries[*slot as usize].is_nobodys())
            .collect()
    }

    /// Whether anybody has expired who is not removed yet.
    pub fn any_expired(&self) -> bool {
        !self.expired.is_empty()
    }

    /// Ends the work on a customer who has gone over to another plan. What is committed of her is looked at by that plan, too.
    pub fn gone_over(&mut self, look: Timestamp) {
        let slot = self.hot.at(self.current).slot;
        packed::set_look(&mut self.entries[slot as usize].packed, look);
        self.looked_at(look);
    }

    /// Looks at everybody when `plan` wants it, at the latest.
    pub fn schedule_all(&mut self, plan: &Plan) {
        for slot in self.in_order() {
            let entry = &mut self.entries[slot as usize];
            let customer = entry.unpacked(&entry.packed);
            let look = entry.look.min(plan.next_look(&customer));
            packed::set_look(&mut entry.packed, look);
            self.schedule(slot, look);
        }
    }

    /// A customer as what is not written yet has changed her so far, if it has.
    pub fn changed_already(&self, slot: Slot) -> Option<Box<Customer>> {
        let place = self.entries[slot as usize].working;
        (place != NONE).then(|| Box::new(self.hot.get(place).clone()))
    }

    /// Undoes what a look at a customer has changed, but for when she is looked at again.
    pub fn put_back_as(&mut self, slot: Slot, customer: Box<Customer>) {
        let place = self.entries[slot as usize].working;
        if place != NONE {
            self.hot.at(place as usize).customer = customer;
            self.queue_up(slot);
        }
    }

    pub fn commit(&mut self) {
        for (slot, bytes) in std::mem::take(&mut self.sealed) {
            let entry = &mut self.entries[slot as usize];
            entry.sealed = NONE;
            self.bytes -= entry.bytes();
            entry.packed = bytes.unwrap_or_default();
            self.bytes += entry.bytes();
            self.free_if_empty(slot);
        }
    }

    pub fn rollback(&mut self) {
        self.scatter();
        self.flush.clear();
        let working = self.hot.drop_all();
        let sealed = std::mem::take(&mut self.sealed)
            .into_iter()
            .map(|(slot, _)| slot);
        // Whoever was removed from it without a commit is found again by her look.
        let expired = std::mem::take(&mut self.expired);
        for slot in working
            .into_iter()
            .chain(sealed)
            .chain(expired)
            .collect::<Vec<_>>()
        {
            let entry = &mut self.entries[slot as usize];
            (entry.working, entry.sealed) = (NONE, NONE);
            if !self.free_if_empty(slot) {
                let packed = &self.entries[slot as usize].packed;
                let look = packed::look(packed).unwrap_or(Timestamp::MAX);
                self.schedule(slot, look);
                self.queue_up(slot);
            }
        }
    }

    /// Frees an entry that holds nothing; whether it did.
    fn free_if_empty(&mut self, slot: Slot) -> bool {
        let entry = &self.entries[slot as usize];
        if entry.working != NONE || entry.sealed != NONE || !entry.packed.is_empty() {
            return false;
        }
        if entry.is_nobodys() {
            return true;
        }
        let hash = self.hasher.hash_one(entry.id.as_str());
        if let Ok(found) = self.by_id.find_entry(hash, |known| *known == slot) {
            found.remove();
        }
        let entry = &mut self.entries[slot as usize];
        self.bytes -= entry.bytes();
        // What is left of hers among the looks is passed over.
        *entry = Entry::default();
        self.free.push(slot);
        self.queue_up(slot);
        true
    }

    /// Takes a changelog record in. Other triggers than those that wrote it may have earlier deadlines.
    pub fn restore(
        &mut self,
        id: &str,
        sealed: Option<&[u8]>,
        plan: &Plan,
    ) -> Result<(), StoredError> {
        let Some(sealed) = sealed else {
            if let Some(slot) = self.find(id) {
                let entry = &mut self.entries[slot as usize];
                self.bytes -= entry.packed.len();
                entry.packed = Box::default();
                self.free_if_empty(slot);
            }
            return Ok(());
        };
        let mut bytes = packed::unsealed(id, sealed)?.to_vec();
        let customer = packed::check(&bytes)?;
        let look = packed::look(&bytes)?.min(plan.next_look(&customer));
        packed::set_look(&mut bytes, look);
        let slot = self.slot(id);
        let entry = &mut self.entries[slot as usize];
        self.bytes -= entry.bytes();
        entry.packed = bytes.into();
        self.bytes += entry.bytes();
        self.schedule(slot, look);
        self.restored_queues_up(slot, &customer);
        Ok(())
    }

    // Getters.

    pub fn size(&self) -> (usize, usize) {
        (self.by_id.len(), self.bytes)
    }

    /// Customers who are unpacked.
    pub fn hot(&self) -> usize {
        self.hot.len()
    }

    /// A customer as the work so far leaves her, committed or not.
    pub fn as_she_is(&self, id: &str) -> Option<Box<Customer>> {
        let slot = self.find(id)?;
        let customer = self.changed_already(slot);
        let customer = customer.unwrap_or_else(|| self.latest(slot));
        (!customer.is_blank()).then_some(customer)
    }

    /// Everybody as they are committed.
    pub fn all_committed(&self) -> impl Iterator<Item = Box<Customer>> {
        let known = self.entries.iter().filter(|entry| !entry.packed.is_empty());
        known.map(|entry| entry.unpacked(&entry.packed))
    }

    /// Everybody as the work so far leaves them, committed or not.
    pub fn all_latest(&self) -> impl Iterator<Item = Box<Customer>> {
        (0u32..)
            .zip(&self.entries)
            .filter(|(_, entry)| !entry.is_nobodys())
            .map(|(slot, entry)| match entry.working {
                NONE => self.latest(slot),
                place => Box::new(self.hot.get(place).clone()),
            })
    }
}
