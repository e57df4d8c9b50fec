//! How old the records at hand of a topic are.
//!
//! A record whose time runs ahead of those that stand behind it in its topic is not believed: they came after it. So a topic is as
//! old as the oldest record at hand, where its first runs ahead of that by more than the lateness. Otherwise one wrong clock would
//! keep all behind it waiting until the other topics have come as far, and they would be late.

use std::collections::VecDeque;

use crate::time::Timestamp;

/// The times of the records at hand, in the order of their topic.
#[derive(Debug, Default)]
pub struct Order {
    /// Of the records that no later one is older than, their times: they rise.
    least: VecDeque<Timestamp>,
    /// Of whom the records tell.
    customers: VecDeque<u64>,
    /// How often one tells of another customer than the one before.
    changes: usize,
}

impl Order {
    /// A record comes: its time, where it has one to go by, and a hash of its customer.
    pub fn push(&mut self, time: Option<Timestamp>, customer: u64) {
        if let Some(time) = time {
            while self.least.back().is_some_and(|least| *least > time) {
                self.least.pop_back();
            }
            self.least.push_back(time);
        }
        self.changes += usize::from(self.customers.back().is_some_and(|last| *last != customer));
        self.customers.push_back(customer);
    }

    /// The first is taken; its time is as it was pushed.
    pub fn pop(&mut self, time: Option<Timestamp>) {
        if time.is_some() && self.least.front() == time.as_ref() {
            self.least.pop_front();
        }
        let first = self.customers.pop_front();
        self.changes -= usize::from(
            first.is_some()
                && self
                    .customers
                    .front()
                    .is_some_and(|next| Some(*next) != first),
        );
    }

    /// The time that the first, which happened at `first`, is taken to have.
    #[must_use]
    pub fn believed(&self, first: Timestamp, lateness_ms: i64) -> Timestamp {
        let least = self.least.front().copied().unwrap_or(first);
        if first <= least.plus(lateness_ms) {
            first
        } else {
            least
        }
    }

    /// Whether all tell of one customer: then none says whether her clock is right.
    #[must_use]
    pub fn is_of_one(&self) -> bool {
        self.changes == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `100a`: at 100, of customer a; `-a`: without a time. What the first is taken to have at each pop, lateness 10.
    #[test]
    fn a_topic_is_as_old_as_its_oldest_record() {
        for (what, records, expected) in [
            ("in order", "1a 2b 3a", "1 2 3"),
            ("a little out of order", "12a 5b 7c", "12 5 7"),
            ("one runs ahead", "1a 500b 3a 4c", "1 3 3 4"),
            ("two run ahead", "1a 500b 600b 4c", "1 4 4 4"),
            ("the last has nobody behind it", "1a 500b", "1 500"),
            ("twice the same", "500a 3b 3c 9a", "3 3 3 9"),
            ("what has no time says nothing", "500a -b 400c", "400 - 400"),
        ] {
            let parsed = |record: &str| {
                let (time, customer) = record.split_at(record.len() - 1);
                (
                    time.parse().ok().map(Timestamp),
                    u64::from(customer.as_bytes()[0]),
                )
            };
            let records: Vec<_> = records.split(' ').map(parsed).collect();
            let mut order = Order::default();
            for (time, customer) in &records {
                order.push(*time, *customer);
            }
            let mut seen = Vec::new();
            for (i, (time, _)) in records.iter().enumerate() {
                let customers = records[i..].iter().map(|(_, customer)| customer);
                let of_one = customers.clone().all(|it| *it == records[i].1);
                assert_eq!(order.is_of_one(), of_one, "{what} at {i}");
                seen.push(time.map_or("-".to_owned(), |time| {
                    order.believed(time, 10).0.to_string()
                }));
                order.pop(*time);
            }
            assert_eq!(seen.join(" "), expected, "{what}");
        }
    }
}
