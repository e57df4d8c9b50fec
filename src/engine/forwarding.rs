//! Who is somebody else by now: an id that became another's, as [`super::unite`] says, and whose that is.
//!
//! The old id is kept as a salted hash; what comes under it goes on to the new one. An entry is kept until nothing has come under the
//! old id for [`MEMORY_MS`]: then it is a stranger's, who may become her once more. Like a profile it belongs to the transaction that
//! changes it.

use super::erasures::Record;
use super::hashed::{Aged, Hash, Hashed, Salt};
use crate::event::CustomerId;
use crate::stored::StoredError;
use crate::time::{DAY_MS, Timestamp};

/// What the changelog keys of entries begin with. No customer id has control characters.
pub const KEY: &[u8] = b"\0moved\0";

/// For so long the id of a device is one: browsers keep no cookie for longer.
pub const MEMORY_MS: i64 = 400 * DAY_MS;

/// That something came under an old id is noted once in so long: a profile page a day, not one an event.
const NOTED_MS: i64 = DAY_MS;

/// Entries of a task: about 200 MB, and some devices for each of its customers. Beyond it the one makes way of which nothing came for
/// longest.
const ENTRIES_MAX: usize = 1 << 20;

/// Ids that one may have been, one after the other: more in a row are a mistake of whoever says them.
const CHAIN_MAX: usize = 32;

/// Version of the value.
const VERSION: u8 = 1;

/// Whose an old id is.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    /// When something was last known to come under it.
    at: Timestamp,
    /// The new id.
    to: CustomerId,
    to_hash: Hash,
}

impl Aged for Entry {
    fn at(&self) -> Timestamp {
        self.at
    }

    fn of(&self) -> Option<Hash> {
        Some(self.to_hash)
    }
}

#[derive(Debug)]
pub(super) struct Forwarding {
    salt: Salt,
    entries: Hashed<Entry>,
    /// [`ENTRIES_MAX`], but for files.
    pub most: usize,
}

impl Forwarding {
    pub fn new(salt: Salt) -> Self {
        Self {
            salt,
            entries: Hashed::default(),
            most: ENTRIES_MAX,
        }
    }

    // Getters.

    /// Whether nobody is somebody else.
    pub fn is_empty(&self) -> bool {
        self.entries.len() == 0
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// By what an id is kept.
    pub fn hash(&self, id: &str) -> Hash {
        self.salt.hash(id)
    }

    /// Whose an id is by now, where it is not its own: at the end of a chain.
    pub fn whose(&self, id: &str) -> Option<&CustomerId> {
        if self.is_empty() {
            return None;
        }
        let mut to = self.entries.get(&self.salt.hash(id)).map(|it| &it.to)?;
        for _ in 1..CHAIN_MAX {
            match self.entries.get(&self.salt.hash(to)) {
                Some(next) => to = &next.to,
                None => break,
            }
        }
        Some(to)
    }

    // Changes.

    /// An id is another's from now on; whether an older entry had to make way.
    pub fn add(&mut self, id: &str, to: &CustomerId, at: Timestamp) -> bool {
        let entry = Entry {
            at,
            to: to.clone(),
            to_hash: self.salt.hash(to),
        };
        self.entries.change(self.salt.hash(id), Some(entry));
        let is_full = self.entries.len() > self.most;
        if is_full {
            self.remove_first();
        }
        is_full
    }

    /// Something came under an old id.
    pub fn used(&mut self, id: &str, at: Timestamp) {
        let hash = self.salt.hash(id);
        if let Some(entry) = self.entries.get(&hash)
            && entry.at.plus(NOTED_MS) <= at
        {
            let entry = Entry {
                at,
                ..entry.clone()
            };
            self.entries.change(hash, Some(entry));
        }
    }

    /// Forgets whatever led to an id: the hashes of the ids that she had.
    pub fn forget(&mut self, id: &str) -> Vec<Hash> {
        self.forget_of(self.salt.hash(id))
    }

    /// The same, of somebody of whom only the hash is known.
    pub fn forget_of(&mut self, owner: Hash) -> Vec<Hash> {
        let mut hers = Vec::new();
        let mut owners = vec![owner];
        while let Some(owner) = owners.pop() {
            let old: Vec<Hash> = self.entries.of(owner).collect();
            for hash in old {
                self.entries.change(hash, None);
                owners.push(hash);
                hers.push(hash);
            }
        }
        hers
    }

    /// Forgets whose an old id is; by what that is kept, and what it was.
    pub fn take_away(&mut self, id: &str) -> Option<(Hash, Entry)> {
        if self.is_empty() {
            return None;
        }
        let hash = self.salt.hash(id);
        let entry = self.entries.change(hash, None)?;
        Some((hash, entry))
    }

    /// Knows whose an old id is, as it was known elsewhere.
    pub fn take_over(&mut self, hash: Hash, entry: Entry) {
        self.entries.change(hash, Some(entry));
    }

    /// Time has come so far.
    pub fn reach(&mut self, watermark: Timestamp) {
        let up_to = watermark.plus(-MEMORY_MS);
        while self.entries.oldest().is_some_and(|(at, _)| at <= up_to) {
            self.remove_first();
        }
    }

    fn remove_first(&mut self) {
        if let Some((_, hash)) = self.entries.oldest() {
            self.entries.change(hash, None);
        }
    }

    // Transactions.

    /// The changelog records of what changed since the last seal.
    pub fn seal(&mut self) -> Vec<Record> {
        let record =
            |(hash, entry): (Hash, Option<&Entry>)| ([KEY, &hash].concat(), entry.map(value));
        self.entries.seal().into_iter().map(record).collect()
    }

    pub fn committed(&mut self) {
        self.entries.committed();
    }

    pub fn rollback(&mut self) {
        self.entries.rollback();
    }

    /// Takes a changelog record in; `key` without [`KEY`].
    pub fn restore(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<(), StoredError> {
        let damaged = |what: &str| StoredError::Damaged(format!("where an id went, {what}"));
        let hash = key.try_into().map_err(|_| damaged("without its hash"))?;
        let entry = match value {
            None => None,
            Some([VERSION, rest @ ..]) => {
                let (at, to) = rest.split_first_chunk().ok_or_else(|| damaged("cut off"))?;
                let to = std::str::from_utf8(to).map_err(|_| damaged("as no text"))?;
                Some(Entry {
                    at: Timestamp(i64::from_le_bytes(*at)),
                    to: to.into(),
                    to_hash: self.salt.hash(to),
                })
            }
            Some([found, ..]) => {
                return Err(StoredError::newer("where an id went", *found, VERSION));
            }
            Some([]) => return Err(damaged("without a version")),
        };
        self.entries.put(hash, entry);
        Ok(())
    }
}

fn value(entry: &Entry) -> Vec<u8> {
    [
        &[VERSION][..],
        &entry.at.0.to_le_bytes(),
        entry.to.as_bytes(),
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forwarding() -> Forwarding {
        Forwarding::new(Salt::new("salt"))
    }

    fn add(forwarding: &mut Forwarding, pairs: &[(&str, &str, i64)]) {
        for (id, to, at) in pairs {
            forwarding.add(id, &CustomerId::from(*to), Timestamp(*at));
        }
    }

    #[test]
    fn a_chain_is_followed_to_its_end() {
        let mut all = forwarding();
        add(&mut all, &[("a", "b", 1), ("d", "b", 2), ("b", "c", 3)]);
        for (id, whose) in [
            ("a", Some("c")),
            ("b", Some("c")),
            ("d", Some("c")),
            ("c", None),
        ] {
            assert_eq!(all.whose(id).map(CustomerId::as_str), whose, "{id}");
        }
        // Whatever led to her is forgotten with her.
        assert_eq!(all.forget("c").len(), 3);
        assert!(all.is_empty() && all.entries.of(all.salt.hash("c")).next().is_none());
    }

    #[test]
    fn what_nothing_comes_under_is_forgotten() {
        let mut all = forwarding();
        add(&mut all, &[("a", "c", 0), ("b", "c", 0)]);
        all.seal();
        all.committed();
        all.used("a", Timestamp(NOTED_MS - 1));
        assert!(all.seal().is_empty(), "noted once a day");
        all.used("a", Timestamp(NOTED_MS));
        all.reach(Timestamp(MEMORY_MS));
        assert_eq!((all.whose("a").is_some(), all.whose("b")), (true, None));
        assert_eq!(all.seal().len(), 2);
        all.rollback();
        assert!(all.whose("b").is_some());
    }

    #[test]
    fn what_is_written_comes_back_and_tells_no_old_id() {
        let mut all = forwarding();
        add(&mut all, &[("device-77", "ana", 5)]);
        let records = all.seal();
        let [(key, Some(value))] = &records[..] else {
            panic!("{records:?}");
        };
        assert!(!key.windows(6).any(|it| it == b"device"));
        let mut restored = forwarding();
        let hash = key.strip_prefix(KEY).expect("its prefix");
        restored.restore(hash, Some(value)).expect("just written");
        assert_eq!(
            restored.whose("device-77").map(CustomerId::as_str),
            Some("ana")
        );
        assert_eq!(restored.forget("ana").len(), 1);
        restored.restore(hash, None).expect("a tombstone");
        assert!(restored.is_empty());
        for broken in [&[][..], &[1, 2], &[9, 0]] {
            assert!(restored.restore(hash, Some(broken)).is_err());
        }
    }
}
