//! Who was erased, as salted hashes: so that what is still unread of her from before does not bring her back.
//!
//! An entry is the hash of an id and the time up to which her events are dropped. It is kept until the watermark has passed
//! that time by [`Policy::erasure_memory_ms`](crate::trigger::plan::Policy). Like a profile it belongs to the transaction that
//! changes it. The salt decides nothing: with another one the same events give the same decisions.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use crate::stored::StoredError;
use crate::time::Timestamp;

/// What the changelog keys of erasures begin with. No customer id has control characters.
pub const KEY: &[u8] = b"\0erased\0";

/// Entries of a task: about 100 MB, and more erasures than a shop has in a month. Beyond it the oldest makes way.
const ERASURES_MAX: usize = 1 << 20;
/// Version of the value.
const VERSION: u8 = 1;

/// The first 128 bits of a salted SHA-256 of the customer's id.
type Hash = [u8; 16];

/// A changelog record: key, and value; none is a tombstone.
pub type Record = (Vec<u8>, Option<Vec<u8>>);

#[derive(Debug)]
pub(super) struct Erasures {
    salted: Sha256,
    /// By hash, up to when events are dropped.
    until: BTreeMap<Hash, Timestamp>,
    by_age: BTreeSet<(Timestamp, Hash)>,
    /// What entries were before this transaction changed them.
    before: Vec<(Hash, Option<Timestamp>)>,
    /// The same of the sealed one.
    sealed: Vec<(Hash, Option<Timestamp>)>,
}

impl Erasures {
    pub fn new(salt: &str) -> Self {
        // The salt's own digest has one length, so that no salt and id run into each other.
        let salted = Sha256::new().chain_update(Sha256::digest(salt));
        Self {
            salted,
            until: BTreeMap::new(),
            by_age: BTreeSet::new(),
            before: Vec::new(),
            sealed: Vec::new(),
        }
    }

    fn hash(&self, customer: &str) -> Hash {
        let digest = self.salted.clone().chain_update(customer).finalize();
        digest.first_chunk().copied().unwrap_or_default()
    }

    /// Whether a customer was erased at or after this time. Costs nothing for what is younger than every erasure.
    pub fn covers(&self, customer: &str, time: Timestamp) -> bool {
        let latest = self.by_age.last();
        latest.is_some_and(|(latest, _)| time <= *latest)
            && self
                .until
                .get(&self.hash(customer))
                .is_some_and(|until| time <= *until)
    }

    /// From now on events of hers up to `until` are dropped.
    pub fn add(&mut self, customer: &str, until: Timestamp) {
        let hash = self.hash(customer);
        self.change(hash, Some(until));
        if self.until.len() > ERASURES_MAX {
            self.remove_first();
        }
    }

    /// Forgets erasures up to this time.
    pub fn forget(&mut self, up_to: Timestamp) {
        while self
            .by_age
            .first()
            .is_some_and(|(until, _)| *until <= up_to)
        {
            self.remove_first();
        }
    }

    fn remove_first(&mut self) {
        if let Some((_, hash)) = self.by_age.first().copied() {
            self.change(hash, None);
        }
    }

    fn change(&mut self, hash: Hash, until: Option<Timestamp>) {
        let before = self.put(hash, until);
        self.before.push((hash, before));
    }

    fn put(&mut self, hash: Hash, until: Option<Timestamp>) -> Option<Timestamp> {
        let before = match until {
            Some(until) => self.until.insert(hash, until),
            None => self.until.remove(&hash),
        };
        if let Some(before) = before {
            self.by_age.remove(&(before, hash));
        }
        if let Some(until) = until {
            self.by_age.insert((until, hash));
        }
        before
    }

    // Transactions.

    /// The changelog records of what changed since the last seal.
    pub fn seal(&mut self) -> Vec<Record> {
        self.sealed = std::mem::take(&mut self.before);
        let changed: BTreeSet<Hash> = self.sealed.iter().map(|(hash, _)| *hash).collect();
        let record = |hash: Hash| (key(&hash), self.until.get(&hash).map(|until| value(*until)));
        changed.into_iter().map(record).collect()
    }

    pub fn committed(&mut self) {
        self.sealed.clear();
    }

    pub fn rollback(&mut self) {
        let undone = [
            std::mem::take(&mut self.sealed),
            std::mem::take(&mut self.before),
        ];
        for (hash, before) in undone.concat().into_iter().rev() {
            self.put(hash, before);
        }
    }

    /// Takes a changelog record in; `key` without [`KEY`].
    pub fn restore(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<(), StoredError> {
        let hash = key
            .try_into()
            .map_err(|_| StoredError::Damaged("an erasure without its hash".to_owned()))?;
        let until = match value {
            None => None,
            Some([VERSION, rest @ ..]) => {
                let bytes = rest
                    .try_into()
                    .map_err(|_| StoredError::Damaged("an erasure that is cut off".to_owned()))?;
                Some(Timestamp(i64::from_le_bytes(bytes)))
            }
            Some([found, ..]) => return Err(StoredError::newer("an erasure", *found, VERSION)),
            Some([]) => {
                return Err(StoredError::Damaged(
                    "an erasure without its time".to_owned(),
                ));
            }
        };
        self.put(hash, until);
        Ok(())
    }

    pub fn len(&self) -> usize {
        self.until.len()
    }
}

fn key(hash: &Hash) -> Vec<u8> {
    [KEY, hash].concat()
}

fn value(until: Timestamp) -> Vec<u8> {
    [&[VERSION][..], &until.0.to_le_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn older_events_are_covered_until_the_erasure_is_forgotten() {
        let mut erasures = Erasures::new("salt");
        erasures.add("ana", Timestamp(100));
        erasures.add("ben", Timestamp(300));
        let covered =
            |erasures: &Erasures, customer, time| erasures.covers(customer, Timestamp(time));
        for (customer, time, expected) in [
            ("ana", 100, true),
            ("ana", 101, false),
            ("ben", 101, true),
            ("eva", 50, false),
            ("ben", 301, false),
        ] {
            assert_eq!(
                covered(&erasures, customer, time),
                expected,
                "{customer} {time}"
            );
        }
        erasures.forget(Timestamp(100));
        assert!(!covered(&erasures, "ana", 50));
        assert!(covered(&erasures, "ben", 50));
    }

    #[test]
    fn it_belongs_to_its_transaction() {
        let mut erasures = Erasures::new("salt");
        erasures.add("ana", Timestamp(100));
        let first = erasures.seal();
        erasures.committed();
        erasures.add("ana", Timestamp(200));
        erasures.seal();
        erasures.add("ben", Timestamp(300));
        erasures.forget(Timestamp(250));
        erasures.rollback();
        assert!(erasures.covers("ana", Timestamp(100)));
        assert!(!erasures.covers("ana", Timestamp(101)));
        assert!(!erasures.covers("ben", Timestamp(1)));

        let mut restored = Erasures::new("salt");
        for (key, value) in &first {
            let hash = key.strip_prefix(KEY).unwrap();
            restored.restore(hash, value.as_deref()).unwrap();
        }
        assert_eq!(restored.until, erasures.until);
        erasures.forget(Timestamp(100));
        for (key, value) in erasures.seal() {
            assert_eq!(value, None);
            restored.restore(&key[KEY.len()..], None).unwrap();
        }
        assert_eq!(restored.len(), 0);
    }

    #[test]
    fn the_hash_tells_no_id_and_depends_on_the_salt() {
        let records = |salt| {
            let mut erasures = Erasures::new(salt);
            erasures.add("ana@example.com", Timestamp(100));
            erasures.seal()
        };
        assert_ne!(records("a"), records("b"));
        let (key, _) = &records("a")[0];
        assert_eq!(key.len(), KEY.len() + 16);
        assert!(!key.windows(3).any(|bytes| bytes == b"ana"));
    }
}
