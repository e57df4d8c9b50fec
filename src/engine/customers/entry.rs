//! An entry of the table: a customer's id, the packed bytes of her last committed profile, and where else she is.

use super::NONE;
use crate::engine::customer::Customer;
use crate::engine::packed;
use crate::event::CustomerId;
use crate::time::Timestamp;

/// As long as a line of the cache: whoever compares the id has fetched the rest.
#[derive(Debug)]
#[repr(align(64))]
pub(super) struct Entry {
    /// Nobody's where it is empty: no customer has an empty id.
    pub id: CustomerId,
    /// None before the first commit.
    pub packed: Box<[u8]>,
    pub look: Timestamp,
    /// The time of this customer's entry in the queue.
    pub queued: Timestamp,
    pub working: u32,
    pub sealed: u32,
}

const _: () = assert!(size_of::<Entry>() == 64);

impl Default for Entry {
    /// An entry of nobody.
    fn default() -> Self {
        Self {
            id: CustomerId::default(),
            packed: Box::default(),
            look: Timestamp::MAX,
            queued: Timestamp::MAX,
            working: NONE,
            sealed: NONE,
        }
    }
}

impl Entry {
    pub fn is_nobodys(&self) -> bool {
        self.id.is_empty()
    }

    /// Bytes of the id and the packed profile.
    pub fn bytes(&self) -> usize {
        self.id.len() + self.packed.len()
    }

    /// Unpacks a customer whom this engine packed, or checked when she was restored.
    pub fn unpacked(&self, packed: &[u8]) -> Box<Customer> {
        let mut customer = if packed.is_empty() {
            Box::default()
        } else {
            packed::unpack(packed).unwrap_or_default()
        };
        customer.profile.settled.id = self.id.clone();
        customer
    }
}
