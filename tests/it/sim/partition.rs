//! One partition of the simulated log.

use super::log::{Offset, Record};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug)]
pub struct Entry {
    pub content: Content,
    /// The transaction it belongs to, where it belongs to one.
    pub transaction: Option<u64>,
}

#[derive(Debug)]
pub enum Content {
    Data(Record),
    /// The end of a transaction; no reader sees it, but it takes an offset.
    Control,
}

#[derive(Debug, Default)]
pub struct Partition {
    pub entries: BTreeMap<Offset, Entry>,
    pub end: Offset,
}

impl Partition {
    /// Appends; the offset that it takes.
    pub fn push(&mut self, content: Content, transaction: Option<u64>) -> Offset {
        let offset = self.end;
        self.entries.insert(
            offset,
            Entry {
                content,
                transaction,
            },
        );
        self.end += 1;
        offset
    }

    /// Of each key below `until` the last committed record stays; with `tombstones` those go too.
    pub fn compact(&mut self, until: Offset, tombstones: bool, committed: &dyn Fn(u64) -> bool) {
        let mut last: BTreeMap<Vec<u8>, Offset> = BTreeMap::new();
        let mut kept = BTreeSet::new();
        for (&offset, entry) in self.entries.range(..until) {
            let Content::Data(record) = &entry.content else {
                continue;
            };
            if !entry.is_committed(committed) {
                continue;
            }
            let key = record.key.clone().expect("a compacted topic has keys");
            last.insert(key, offset);
            if record.value.is_some() || !tombstones {
                kept.insert(offset);
            }
        }
        let last: BTreeSet<Offset> = last.into_values().collect();
        self.entries
            .retain(|offset, _| *offset >= until || kept.contains(offset) && last.contains(offset));
    }
}

impl Entry {
    /// Whether it is of no transaction, or of one that was committed.
    pub fn is_committed(&self, committed: &dyn Fn(u64) -> bool) -> bool {
        self.transaction.is_none_or(committed)
    }
}
