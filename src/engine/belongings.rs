//! What is held of some ids goes over from one engine to another.
//!
//! Both are of one rehearsal that is shared out by customers: they work by the same triggers, stand at the same time and have sealed
//! nothing. Nobody is settled for it and nothing is decided: the other engine goes on as this one would have.

use std::sync::Arc;

use super::Engine;
use super::customer::Customer;
use super::forwarding::Entry;
use super::hashed::Hash;
use crate::event::CustomerId;
use crate::time::Timestamp;

/// What is held of some ids: who they are, which of them were erased, and whose they became.
#[derive(Debug, Default)]
pub struct Belongings {
    #[expect(clippy::vec_box, reason = "they are large, and move from box to box")]
    customers: Vec<Box<Customer>>,
    erased: Vec<(Hash, Timestamp)>,
    forwarded: Vec<(Hash, Entry)>,
}

impl Engine {
    /// Gives all that it holds of these ids away. Those that became theirs, or whose they became, must be among them.
    pub fn give_away(&mut self, ids: &[CustomerId]) -> Belongings {
        let mut belongings = Belongings::default();
        for id in ids {
            belongings.customers.extend(self.customers.take_away(id));
            let erased = self.erasures.take_away(id);
            belongings.erased.extend(erased);
            belongings.forwarded.extend(self.forwarding.take_away(id));
        }
        belongings
    }

    /// Takes what another engine gave away. Nothing is held of those ids here.
    pub fn take_over(&mut self, belongings: Belongings) {
        let plan = Arc::clone(&self.plan);
        for customer in belongings.customers {
            let id = customer.profile.settled.id.clone();
            let working = self.customers.open(&id, &plan);
            debug_assert!(working.customer.is_blank(), "she is in one engine");
            working.customer = customer;
            working.dirty = true;
            let look = plan.next_look(&working.customer);
            self.customers.close(look);
        }
        for (hash, until) in belongings.erased {
            self.erasures.add_hashed(hash, until);
        }
        for (hash, entry) in belongings.forwarded {
            self.forwarding.take_over(hash, entry);
        }
    }
}
