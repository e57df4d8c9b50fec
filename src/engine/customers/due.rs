//! When customers must be looked at: the queue of looks, and those who are due at one instant.

use std::cmp::Reverse;

use super::{Customers, Slot};
use crate::time::Timestamp;

/// Entries of the queue that are not worth a sweep.
const QUEUE_SPARE: usize = 1024;

impl Customers {
    /// Looks at a customer at `look`, at the latest.
    pub fn schedule(&mut self, slot: Slot, look: Timestamp) {
        let entry = &mut self.entries[slot as usize];
        entry.look = look;
        if look < entry.queued {
            entry.queued = look;
            self.queue.push(Reverse((look, slot)));
            if self.queue.len() > QUEUE_SPARE + 2 * self.entries.len() {
                self.sweep();
            }
        }
    }

    /// Rebuilds the queue without what was put in anew since: at most once in as many looks as there
    /// are customers.
    fn sweep(&mut self) {
        let queued = (0u32..).zip(&self.entries);
        let queued = queued.filter(|(_, entry)| entry.queued < Timestamp::MAX);
        self.queue = queued
            .map(|(slot, entry)| Reverse((entry.queued, slot)))
            .collect();
    }

    /// Up to `most` customers who must be looked at, in no order that a restart would keep, and the time, at most `to`, by which
    /// they are all. None: more are due in the millisecond after `watermark` alone, and [`Customers::next_of_instant`] gives them.
    pub fn due(
        &mut self,
        watermark: Timestamp,
        to: Timestamp,
        most: usize,
    ) -> Option<(Timestamp, Vec<Slot>)> {
        let soonest = watermark.plus(1);
        let mut due = Vec::new();
        while due.len() <= most
            && let Some((look, slot)) = self.next_due(to)
        {
            due.push((look.max(soonest), slot));
        }
        let slots = |due: &[(Timestamp, Slot)]| due.iter().map(|(_, slot)| *slot).collect();
        let Some((instant, _)) = due.get(most).copied() else {
            return Some((to, slots(&due)));
        };
        let few = due.partition_point(|(look, _)| *look < instant);
        let many = due.split_off(few);
        if few > 0 || instant > soonest {
            for (_, slot) in many {
                self.put_back(slot);
            }
            return Some((instant.plus(-1), slots(&due)));
        }
        self.instant = slots(&many);
        self.gather(instant);
        None
    }

    /// Takes the next who must be looked at by `to` out of the queue.
    fn next_due(&mut self, to: Timestamp) -> Option<(Timestamp, Slot)> {
        while let Some(Reverse((time, slot))) = self.queue.peek().copied()
            && time <= to
        {
            self.queue.pop();
            let entry = &mut self.entries[slot as usize];
            if entry.queued != time {
                continue;
            }
            entry.queued = Timestamp::MAX;
            if entry.look <= time {
                return Some((time, slot));
            }
            self.put_back(slot);
        }
        None
    }

    /// Puts her into the queue again, as of her look.
    pub fn put_back(&mut self, slot: Slot) {
        let look = self.entries[slot as usize].look;
        self.schedule(slot, look);
    }

    /// Gathers all who are due at `instant`, to be looked at in byte order of ids. Nobody is due before.
    pub fn gather(&mut self, instant: Timestamp) {
        while let Some((_, slot)) = self.next_due(instant) {
            self.instant.push(slot);
        }
        let entries = &self.entries;
        let id = |slot: &Slot| Reverse(entries[*slot as usize].id.as_str());
        self.instant.sort_unstable_by(|a, b| id(a).cmp(&id(b)));
    }

    /// The next of those that were gathered.
    pub fn next_of_instant(&mut self) -> Option<Slot> {
        self.instant.pop()
    }

    /// Whether somebody is still to be looked at who is due in the millisecond after the watermark.
    pub fn is_within_instant(&self) -> bool {
        !self.instant.is_empty()
    }

    /// Those that were gathered and not looked at are due as before.
    pub fn scatter(&mut self) {
        for slot in std::mem::take(&mut self.instant) {
            if !self.entries[slot as usize].is_nobodys() {
                self.put_back(slot);
            }
        }
    }

    /// The earliest look.
    pub fn next_look(&self) -> Option<Timestamp> {
        let gathered = self.instant.last();
        if let Some(slot) = gathered {
            return Some(self.entries[*slot as usize].look);
        }
        self.queue
            .peek()
            .map(|Reverse((time, _))| *time)
            .filter(|time| *time < Timestamp::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(customers: &mut Customers, to: i64) -> Vec<Slot> {
        let to = Timestamp(to);
        let (reached, due) = customers.due(to.plus(-1), to, 9).expect("few");
        assert_eq!(reached, to);
        due
    }

    #[test]
    fn a_piece_ends_where_too_many_are_due() {
        let mut customers = Customers::default();
        let slots: Vec<Slot> = ["eva", "ben", "dan", "ana", "cid"]
            .map(|id| customers.slot(id))
            .into();
        for (slot, look) in slots.iter().zip([50, 50, 30, 50, 10]) {
            customers.schedule(*slot, Timestamp(look));
        }
        let few =
            |customers: &mut Customers, from, to| customers.due(Timestamp(from), Timestamp(to), 2);
        let (dan, cid) = (slots[2], slots[4]);
        assert_eq!(
            few(&mut customers, 0, 60),
            Some((Timestamp(49), vec![cid, dan]))
        );
        assert_eq!(few(&mut customers, 49, 60), None);
        let mut order = Vec::new();
        while let Some(slot) = customers.next_of_instant() {
            order.push(customers.entries[slot as usize].id.to_string());
        }
        assert_eq!(order, ["ana", "ben", "eva"]);
        assert_eq!(few(&mut customers, 50, 60), Some((Timestamp(60), vec![])));
    }

    #[test]
    fn the_queue_holds_no_more_than_its_customers() {
        let mut customers = Customers::default();
        let slot = customers.slot("ana");
        for minute in 0..100_000 {
            // Every minute something near is looked at, and then something far off again.
            customers.schedule(slot, Timestamp(minute));
            assert_eq!(due(&mut customers, minute), [slot]);
            customers.schedule(slot, Timestamp(1_000_000));
        }
        assert!(customers.queue.len() <= QUEUE_SPARE + 2);
        assert!(due(&mut customers, 999_999).is_empty());
        assert_eq!(due(&mut customers, 1_000_000), [slot]);
        assert_eq!(customers.next_look(), None);
    }
}
