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

#[cfg(test)]
mod tests {
    use super::*;

    /// Of 30,000 customers each way gets its share, whoever is held out, and however another split goes.
    #[test]
    fn ways_get_their_shares() {
        let way = |name: &str, weight, first| (Text::from(name), weight, first);
        let split = Split {
            ways: vec![
                way("a", 1, Some(1)),
                way("b", 2, Some(2)),
                way("c", 3, None),
            ],
        };
        let mut counts = [[0_u32; 3]; 3];
        for n in 0..30_000 {
            let customer = format!("c{n}");
            let way = |step: &str| split.way(step, ["", "t", &customer]).map_or(0, usize::from);
            assert_eq!(way("first"), way("first"));
            counts[way("first")][way("second")] += 1;
        }
        let of = |parts: &[u32]| parts.iter().sum::<u32>();
        let shares = [(1, 5_000), (2, 10_000), (0, 15_000)];
        for (first, expected) in shares {
            assert!(of(&counts[first]).abs_diff(expected) < 300, "{counts:?}");
            for (second, share) in shares {
                let both = expected * share / 30_000;
                assert!(counts[first][second].abs_diff(both) < 300, "{counts:?}");
            }
        }
    }
}
