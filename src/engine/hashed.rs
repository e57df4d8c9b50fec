//! What is kept by the salted hash of an id, so that it does not tell whose it is; like a profile it belongs to the transaction that
//! changes it. The salt decides nothing: with another one the same events give the same decisions.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use crate::time::Timestamp;

/// The first 128 bits of a salted SHA-256 of a customer's id.
pub(super) type Hash = [u8; 16];

/// Hashes ids.
#[derive(Clone, Debug)]
pub(super) struct Salt(Sha256);

impl Salt {
    pub fn new(salt: &str) -> Self {
        // The salt's own digest has one length, so that no salt and id run into each other.
        Self(Sha256::new().chain_update(Sha256::digest(salt)))
    }

    pub fn hash(&self, customer: &str) -> Hash {
        let digest = self.0.clone().chain_update(customer).finalize();
        digest.first_chunk().copied().unwrap_or_default()
    }
}

/// What is kept by a hash, until it is so old.
pub(super) trait Aged: Clone {
    fn at(&self) -> Timestamp;

    /// Whose it is to be found by, too.
    fn of(&self) -> Option<Hash> {
        None
    }
}

impl Aged for Timestamp {
    fn at(&self) -> Timestamp {
        *self
    }
}

/// Values by hash, found by age, too.
#[derive(Debug)]
pub(super) struct Hashed<V> {
    values: BTreeMap<Hash, V>,
    by_age: BTreeSet<(Timestamp, Hash)>,
    by_owner: BTreeSet<(Hash, Hash)>,
    /// What entries were before this transaction changed them.
    before: Vec<(Hash, Option<V>)>,
    /// The same of the sealed one.
    sealed: Vec<(Hash, Option<V>)>,
}

impl<V> Default for Hashed<V> {
    fn default() -> Self {
        Self {
            values: BTreeMap::new(),
            by_age: BTreeSet::new(),
            by_owner: BTreeSet::new(),
            before: Vec::new(),
            sealed: Vec::new(),
        }
    }
}

impl<V: Aged> Hashed<V> {
    // Getters.

    pub fn get(&self, hash: &Hash) -> Option<&V> {
        self.values.get(hash)
    }

    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// The oldest, and when that is.
    pub fn oldest(&self) -> Option<(Timestamp, Hash)> {
        self.by_age.first().copied()
    }

    /// When the youngest is.
    pub fn youngest(&self) -> Option<Timestamp> {
        self.by_age.last().map(|(at, _)| *at)
    }

    /// Those that are somebody's.
    pub fn of(&self, owner: Hash) -> impl Iterator<Item = Hash> {
        let all = (owner, Hash::default())..=(owner, [u8::MAX; 16]);
        self.by_owner.range(all).map(|(_, hash)| *hash)
    }

    // Changes.

    /// Keeps a value, or none; what stood there before.
    pub fn change(&mut self, hash: Hash, value: Option<V>) -> Option<V> {
        let before = self.put(hash, value);
        self.before.push((hash, before.clone()));
        before
    }

    /// The same, which no transaction undoes: as it was restored.
    pub fn put(&mut self, hash: Hash, value: Option<V>) -> Option<V> {
        let found_by = value.as_ref().map(|value| (value.at(), value.of()));
        let before = match value {
            Some(value) => self.values.insert(hash, value),
            None => self.values.remove(&hash),
        };
        if let Some(before) = &before {
            self.by_age.remove(&(before.at(), hash));
            before
                .of()
                .map(|owner| self.by_owner.remove(&(owner, hash)));
        }
        if let Some((at, owner)) = found_by {
            self.by_age.insert((at, hash));
            owner.map(|owner| self.by_owner.insert((owner, hash)));
        }
        before
    }

    // Transactions.

    /// What changed since the last seal, and what it is now.
    pub fn seal(&mut self) -> Vec<(Hash, Option<&V>)> {
        self.sealed = std::mem::take(&mut self.before);
        let changed: BTreeSet<Hash> = self.sealed.iter().map(|(hash, _)| *hash).collect();
        let now = changed.into_iter();
        now.map(|hash| (hash, self.values.get(&hash))).collect()
    }

    pub fn committed(&mut self) {
        self.sealed.clear();
    }

    pub fn rollback(&mut self) {
        let mut undone = std::mem::take(&mut self.sealed);
        undone.append(&mut self.before);
        for (hash, before) in undone.into_iter().rev() {
            self.put(hash, before);
        }
    }
}
