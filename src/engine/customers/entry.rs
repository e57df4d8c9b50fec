//! A customer in the table: her id and the packed bytes of her last committed profile in one allocation.

use super::NONE;
use crate::engine::customer::Customer;
use crate::engine::packed;
use crate::time::Timestamp;

#[derive(Debug)]
pub(super) struct Entry {
    /// Two bytes length of the id, the id, the packed profile (none before the first commit).
    pub record: Box<[u8]>,
    pub look: Timestamp,
    /// The time of this customer's entry in the queue.
    pub queued: Timestamp,
    pub working: u32,
    pub sealed: u32,
}

impl Default for Entry {
    /// An entry of nobody.
    fn default() -> Self {
        Self {
            record: record(&[], &[]),
            look: Timestamp::MAX,
            queued: Timestamp::MAX,
            working: NONE,
            sealed: NONE,
        }
    }
}

impl Entry {
    fn split(&self) -> (&[u8], &[u8]) {
        let len = usize::from(u16::from_le_bytes([self.record[0], self.record[1]]));
        self.record[2..].split_at(len)
    }

    pub fn id(&self) -> &[u8] {
        self.split().0
    }

    pub fn id_text(&self) -> &str {
        std::str::from_utf8(self.id()).unwrap_or_default()
    }

    /// No customer has an empty id.
    pub fn is_nobodys(&self) -> bool {
        self.id().is_empty()
    }

    pub fn packed(&self) -> &[u8] {
        self.split().1
    }
}

pub(super) fn record(id: &[u8], packed: &[u8]) -> Box<[u8]> {
    let len = u16::try_from(id.len()).unwrap_or(u16::MAX);
    let mut bytes = Vec::with_capacity(2 + id.len() + packed.len());
    bytes.extend_from_slice(&len.to_le_bytes());
    bytes.extend_from_slice(&id[..usize::from(len)]);
    bytes.extend_from_slice(packed);
    bytes.into_boxed_slice()
}

/// Unpacks a customer whom this engine packed, or checked when she was restored.
pub(super) fn unpacked(entry: &Entry, packed: &[u8]) -> Customer {
    let mut customer = if packed.is_empty() {
        Customer::default()
    } else {
        packed::unpack(packed).unwrap_or_default()
    };
    customer.profile.settled.id = entry.id_text().into();
    customer
}
