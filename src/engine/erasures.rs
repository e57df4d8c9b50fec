//! Who was erased, as salted hashes: so that what is still unread of her from before does not bring her back.
//!
//! An entry is the hash of an id and the time up to which her events are dropped. It is kept until the watermark has passed
//! that time by [`Policy::erasure_memory_ms`](crate::trigger::plan::Policy). Like a profile it belongs to the transaction that
//! changes it. The salt decides nothing: with another one the same events give the same decisions.

use super::hashed::{Hash, Hashed, Salt};
use crate::stored::StoredError;
use crate::time::Timestamp;

/// What the changelog keys of erasures begin with. No customer id has control characters.
pub const KEY: &[u8] = b"\0erased\0";

/// Entries of a task: about 100 MB, and more erasures than a shop has in a month. Beyond it the oldest makes way.
const ERASURES_MAX: usize = 1 << 20;

/// Version of the value.
const VERSION: u8 = 1;

/// A changelog record: key, and value; none is a tombstone.
pub type Record = (Vec<u8>, Option<Vec<u8>>);

#[derive(Debug)]
pub(super) struct Erasures {
    salt: Salt,
    /// Up to when events are dropped.
    until: Hashed<Timestamp>,
    /// [`ERASURES_MAX`], but for files.
    pub most: usize,
}

impl Erasures {
    pub fn new(salt: Salt) -> Self {
        Self {
            salt,
            until: Hashed::default(),
            most: ERASURES_MAX,
        }
    }

    /// Whether a customer was erased at or after this time. Costs nothing for what is younger than every erasure.
    pub fn covers(&self, customer: &str, time: Timestamp) -> bool {
        self.until
            .youngest()
            .is_some_and(|youngest| time <= youngest)
            && self
                .until
                .get(&self.salt.hash(customer))
                .is_some_and(|until| time <= *until)
    }

    /// Up to when events of a customer are dropped.
    pub fn until(&self, customer: &str) -> Option<Timestamp> {
        self.until.get(&self.salt.hash(customer)).copied()
    }

    /// From now on events of hers up to `until` are dropped.
    pub fn add(&mut self, customer: &str, until: Timestamp) {
        self.add_hashed(self.salt.hash(customer), until);
    }

    /// The same, of somebody of whom only the hash is known. Who was erased up to later stays so.
    pub fn add_hashed(&mut self, hash: Hash, until: Timestamp) {
        let known = self.until.get(&hash).copied();
        let until = known.map_or(until, |known| known.max(until));
        self.until.change(hash, Some(until));
        if self.until.len() > self.most {
            self.remove_first();
        }
    }

    /// Forgets up to when events of a customer are dropped; by what that is kept, and the time.
    pub fn take_away(&mut self, customer: &str) -> Option<(Hash, Timestamp)> {
        let hash = self.salt.hash(customer);
        let until = self.until.get(&hash).copied()?;
        self.until.change(hash, None);
        Some((hash, until))
    }

    /// Forgets erasures up to this time.
    pub fn forget(&mut self, up_to: Timestamp) {
        while self.until.oldest().is_some_and(|(until, _)| until <= up_to) {
            self.remove_first();
        }
    }

    fn remove_first(&mut self) {
        if let Some((_, hash)) = self.until.oldest() {
            self.until.change(hash, None);
        }
    }

    // Transactions.

    /// The changelog records of what changed since the last seal.
    pub fn seal(&mut self) -> Vec<Record> {
        let record = |(hash, until): (Hash, Option<&Timestamp>)| {
            (key(&hash), until.map(|until| value(*until)))
        };
        self.until.seal().into_iter().map(record).collect()
    }

    pub fn committed(&mut self) {
        self.until.committed();
    }

    pub fn rollback(&mut self) {
        self.until.rollback();
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
        self.until.put(hash, until);
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
        let mut erasures = Erasures::new(Salt::new("salt"));
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
        erasures.add("ben", Timestamp(200));
        assert!(covered(&erasures, "ben", 300), "the greater stays");
        erasures.forget(Timestamp(100));
        assert!(!covered(&erasures, "ana", 50));
        assert!(covered(&erasures, "ben", 50));
    }

    #[test]
    fn it_belongs_to_its_transaction() {
        let mut erasures = Erasures::new(Salt::new("salt"));
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

        let mut restored = Erasures::new(Salt::new("salt"));
        for (key, value) in &first {
            let hash = key.strip_prefix(KEY).unwrap();
            restored.restore(hash, value.as_deref()).unwrap();
        }
        let until = |erasures: &Erasures| {
            ["ana", "ben"].map(|id| erasures.until.get(&erasures.salt.hash(id)).copied())
        };
        assert_eq!(until(&restored), until(&erasures));
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
            let mut erasures = Erasures::new(Salt::new(salt));
            erasures.add("ana@example.com", Timestamp(100));
            erasures.seal()
        };
        assert_ne!(records("a"), records("b"));
        let (key, _) = &records("a")[0];
        assert_eq!(key.len(), KEY.len() + 16);
        assert!(!key.windows(3).any(|bytes| bytes == b"ana"));
    }
}
