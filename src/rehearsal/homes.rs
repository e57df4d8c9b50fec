//! Which shard each customer is of.
//!
//! A hash of her id says so. Who was ever said to be one with another is of the same shard as that one from then on, whether she was
//! taken for hers or not: whoever is concerned by what comes of one of them is there.

use std::collections::HashMap;

use xxhash_rust::xxh3::xxh3_64;

use crate::event::CustomerId;

/// Some of one person, as far as anybody said.
#[derive(Debug)]
struct Household {
    shard: usize,
    ids: Vec<CustomerId>,
}

/// Ids that go from one shard to another.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Move {
    pub from: usize,
    pub ids: Vec<CustomerId>,
}

/// The shards of all customers.
#[derive(Debug)]
pub(super) struct Homes {
    shards: usize,
    /// Of those that were said to be one with another, the number of their household.
    of: HashMap<CustomerId, usize>,
    households: Vec<Household>,
}

impl Homes {
    /// Everybody is by herself.
    pub fn new(shards: usize) -> Self {
        Self {
            shards,
            of: HashMap::new(),
            households: Vec::new(),
        }
    }

    /// The shard of a customer.
    pub fn of(&self, id: &CustomerId) -> usize {
        let household = match self.of.is_empty() {
            true => None,
            false => self.of.get(id),
        };
        match household {
            Some(number) => self.households[*number].shard,
            None => self.by_hash(id),
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "less than `shards`")]
    fn by_hash(&self, id: &str) -> usize {
        (xxh3_64(id.as_bytes()) % self.shards as u64) as usize
    }

    /// Two ids are said to be one: who moves for that.
    pub fn join(&mut self, one: &CustomerId, other: &CustomerId) -> Option<Move> {
        if self.shards == 1 {
            return None;
        }
        let [one, other] = [one, other].map(|id| self.household(id));
        if one == other {
            return None;
        }
        let size = |number: usize| self.households[number].ids.len();
        let (stays, goes) = match size(one) < size(other) {
            true => (other, one),
            false => (one, other),
        };
        let ids = std::mem::take(&mut self.households[goes].ids);
        for id in &ids {
            self.of.insert(id.clone(), stays);
        }
        let (from, to) = (self.households[goes].shard, self.households[stays].shard);
        self.households[stays].ids.extend_from_slice(&ids);
        (from != to).then_some(Move { from, ids })
    }

    fn household(&mut self, id: &CustomerId) -> usize {
        if let Some(number) = self.of.get(id) {
            return *number;
        }
        let shard = self.by_hash(id);
        self.households.push(Household {
            shard,
            ids: vec![id.clone()],
        });
        self.of.insert(id.clone(), self.households.len() - 1);
        self.households.len() - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_one_is_of_one_shard_and_the_fewer_move() {
        let ids: Vec<CustomerId> = (0..100)
            .map(|n| compact_str::format_compact!("c{n}"))
            .collect();
        let mut homes = Homes::new(7);
        let alone: Vec<usize> = ids.iter().map(|id| homes.of(id)).collect();
        assert!((0..7).all(|shard| alone.contains(&shard)));
        let other = |shard: usize| (1..100).find(|n| alone[*n] != shard).expect("one");
        let (a, b) = (0, other(alone[0]));
        let moves = homes.join(&ids[a], &ids[b]);
        let expected = Move {
            from: alone[b],
            ids: vec![ids[b].clone()],
        };
        assert_eq!(moves, Some(expected), "of as many the second");
        assert_eq!(homes.join(&ids[b], &ids[a]), None, "they are one");
        let c = (1..100).find(|n| alone[*n] != alone[a] && *n != b);
        let c = c.expect("one more");
        let moves = homes.join(&ids[c], &ids[b]).expect("she moves");
        assert_eq!((moves.from, moves.ids), (alone[c], vec![ids[c].clone()]));
        let together = [a, b, c].map(|n| homes.of(&ids[n]));
        assert_eq!(together, [alone[a]; 3]);
        let others = (0..100).filter(|n| ![a, b, c].contains(n));
        assert!(others.into_iter().all(|n| homes.of(&ids[n]) == alone[n]));
    }

    #[test]
    fn nobody_moves_where_there_is_one() {
        let mut homes = Homes::new(1);
        let (ana, ben) = (CustomerId::from("ana"), CustomerId::from("ben"));
        assert_eq!(homes.join(&ana, &ben), None);
        assert_eq!((homes.of(&ana), homes.households.len()), (0, 0));
    }
}
