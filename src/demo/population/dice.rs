//! Chance that can be repeated: the n-th throw is a hash of a seed and n, the same on every machine and in every version.

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Throws in a row, from a seed.
#[derive(Clone, Debug)]
pub struct Dice {
    seed: u64,
    thrown: u64,
}

impl Dice {
    /// The dice of `name` (a customer's number, say) in the world of `seed`: throws of one do not shift those of another.
    #[must_use]
    pub fn new(seed: u64, name: u64) -> Self {
        Self {
            seed: xxh3_64_with_seed(&name.to_le_bytes(), seed),
            thrown: 0,
        }
    }

    /// Evenly from 0 up to, but not reaching, 1.
    pub fn unit(&mut self) -> f64 {
        self.thrown += 1;
        let bits = xxh3_64_with_seed(&self.thrown.to_le_bytes(), self.seed) >> 11;
        #[expect(
            clippy::cast_precision_loss,
            reason = "53 bits, as many as a double holds"
        )]
        let bits = bits as f64;
        bits / 9_007_199_254_740_992.0
    }

    /// Evenly from `low` to `high`.
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// A whole number, evenly from `low` to `high`, both included.
    pub fn whole(&mut self, low: u32, high: u32) -> u32 {
        let drawn = self.between(f64::from(low), f64::from(high) + 1.0).floor();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between low and high + 1"
        )]
        let drawn = drawn as u32;
        drawn.min(high)
    }

    /// True so often.
    pub fn chance(&mut self, share: f64) -> bool {
        self.unit() < share
    }

    /// Waiting times of what happens at random: exponential with this mean.
    pub fn waiting(&mut self, mean: f64) -> f64 {
        -mean * libm::log(1.0 - self.unit())
    }

    /// Around `mean`, nearly always within two `deviation`s: the normal distribution, by Irwin and Hall's sum of twelve.
    pub fn around(&mut self, mean: f64, deviation: f64) -> f64 {
        let sum: f64 = (0..12).map(|_| self.unit()).sum();
        mean + deviation * (sum - 6.0)
    }

    /// One of several.
    ///
    /// # Panics
    /// If there is none.
    pub fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        let drawn = self.between(0.0, of.len() as f64).floor();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "not below 0, and below the length"
        )]
        let index = drawn as usize;
        &of[index.min(of.len() - 1)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn throws_are_repeated_by_seed_and_name_alone() {
        let throws = |seed, name| {
            let mut dice = Dice::new(seed, name);
            (0..4).map(|_| dice.whole(1, 6)).collect::<Vec<_>>()
        };
        assert_eq!(throws(1, 7), throws(1, 7));
        assert_ne!(throws(1, 7), throws(1, 8));
        assert_ne!(throws(1, 7), throws(2, 7));
    }

    #[test]
    fn they_fall_as_they_should() {
        let mut dice = Dice::new(4, 2);
        let mut mean = |throw: fn(&mut Dice) -> f64| {
            (0..20_000).map(|_| throw(&mut dice)).sum::<f64>() / 20_000.0
        };
        assert!((mean(Dice::unit) - 0.5).abs() < 0.01);
        assert!((mean(|dice| dice.waiting(3.0)) - 3.0).abs() < 0.1);
        assert!((mean(|dice| dice.around(10.0, 2.0)) - 10.0).abs() < 0.1);
        assert!((mean(|dice| f64::from(dice.whole(1, 6))) - 3.5).abs() < 0.05);
    }
}
