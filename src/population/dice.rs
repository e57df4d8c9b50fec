//! Chance that can be repeated: a stream of its own for each name (a customer's number, say), so that what one does shifts
//! nothing of another.

use rand::{RngExt as _, SeedableRng as _};
use rand_distr::Distribution;
use rand_pcg::Pcg64Mcg;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Throws in a row, from a seed. 16 bytes.
#[derive(Clone, Debug)]
pub(super) struct Dice(Pcg64Mcg);

impl Dice {
    /// The dice of `name` in the world of `seed`.
    pub fn new(seed: u64, name: u64) -> Self {
        Self(Pcg64Mcg::seed_from_u64(xxh3_64_with_seed(
            &name.to_le_bytes(),
            seed,
        )))
    }

    /// Evenly from 0 up to, but not reaching, 1.
    pub fn unit(&mut self) -> f64 {
        self.0.random()
    }

    /// Evenly from `low` to `high`.
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// A whole number, evenly from `low` to `high`, both included.
    pub fn whole(&mut self, low: u32, high: u32) -> u32 {
        self.0.random_range(low..=high)
    }

    /// True so often.
    pub fn chance(&mut self, share: f64) -> bool {
        self.unit() < share
    }

    /// Waiting times of what happens at random: exponential with this mean.
    pub fn waiting(&mut self, mean: f64) -> f64 {
        -mean * libm::log(1.0 - self.unit())
    }

    /// A draw from a distribution.
    pub fn draw(&mut self, from: impl Distribution<f64>) -> f64 {
        from.sample(&mut self.0)
    }

    /// One of several.
    ///
    /// # Panics
    /// If there is none.
    pub fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.0.random_range(0..of.len())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn throws_are_repeated_by_seed_and_name_alone() {
        let throws = |seed, name| {
            let mut dice = Dice::new(seed, name);
            (0..8).map(|_| dice.whole(1, 6)).collect::<Vec<_>>()
        };
        assert_eq!(throws(1, 7), throws(1, 7));
        assert_ne!(throws(1, 7), throws(1, 8));
        assert_ne!(throws(1, 7), throws(2, 7));
    }
}
