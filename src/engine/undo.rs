//! What entries of a map were before a transaction changed them: what a task keeps beside its customers belongs to the transaction, as a
//! profile does.

use std::collections::BTreeMap;

/// The entries that the open and the sealed transaction have changed, as they were; none: there was none.
#[derive(Debug)]
pub(super) struct Undo<K, V> {
    open: BTreeMap<K, Option<V>>,
    sealed: BTreeMap<K, Option<V>>,
}

impl<K, V> Default for Undo<K, V> {
    fn default() -> Self {
        Self {
            open: BTreeMap::new(),
            sealed: BTreeMap::new(),
        }
    }
}

impl<K: Ord, V> Undo<K, V> {
    /// An entry is about to be changed; what it is until then counts the first time.
    pub fn note(&mut self, key: K, before: impl FnOnce() -> Option<V>) {
        self.open.entry(key).or_insert_with(before);
    }

    /// Ends the open transaction; which entries it has changed.
    pub fn seal(&mut self) -> impl Iterator<Item = &K> {
        self.sealed = std::mem::take(&mut self.open);
        self.sealed.keys()
    }

    /// The sealed transaction has happened.
    pub fn committed(&mut self) {
        self.sealed.clear();
    }

    /// Neither has: what entries were before both; of one that is named twice, the last counts.
    pub fn undone(&mut self) -> impl Iterator<Item = (K, Option<V>)> {
        let open = std::mem::take(&mut self.open);
        open.into_iter().chain(std::mem::take(&mut self.sealed))
    }

    /// Neither has: entries are what they were before both.
    pub fn rollback(&mut self, entries: &mut BTreeMap<K, V>) {
        for (key, before) in self.undone() {
            match before {
                Some(before) => entries.insert(key, before),
                None => entries.remove(&key),
            };
        }
    }
}
