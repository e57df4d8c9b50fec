//! Which way of a split a customer goes.
//!
//! By a stable hash of the draw, the trigger, the step and the customer: the same on every machine and for ever, and independent of
//! who is held out and of every other split.

use xxhash_rust::xxh3::Xxh3;

use crate::event::Text;

/// One of several ways, by weight.
#[derive(Debug)]
pub struct Split {
    /// What each is called, its weight, which is above 0, and its first step.
    pub ways: Vec<(Text, u32, Option<u16>)>,
}

impl Split {
    /// The first step of the way that she goes.
    #[must_use]
    pub fn way(&self, step: &str, [draw, trigger, customer]: [&str; 3]) -> Option<u16> {
        let mut hasher = Xxh3::new();
        for part in [draw, trigger, step, customer] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        let all: u64 = self
            .ways
            .iter()
            .map(|(_, weight, _)| u64::from(*weight))
            .sum();
        let drawn = (u128::from(hasher.digest()) * u128::from(all)) >> 64;
        let mut below = 0;
        let way = self.ways.iter().find(|(_, weight, _)| {
            below += u128::from(*weight);
            drawn < below
        });
        way.and_then(|(.., first)| *first)
    }
}
