//! Which way of a split a customer goes.
//!
//! By a stable hash of the draw, the trigger, the step and the customer: the same on every machine and for ever, and independent of
//! who is held out and of every other split.
//!
//! One that is adaptive goes by what its ways have brought, too: of each a rate of those who meet the goal is drawn that may be the
//! true one, Beta(1 + met, 1 + missed), and she goes where it is highest (Thompson, "On the likelihood that one unknown probability
//! exceeds another", 1933). So each way is gone as often as it is likely to be the best. The hash is where the numbers come from: by the
//! same lessons she goes the same way.

use xxhash_rust::xxh3::{Xxh3, xxh3_64_with_seed};

use super::key;
use super::lessons::Lesson;
use crate::event::Text;
use crate::stats::beta;

/// One of several ways, by weight.
#[derive(Debug)]
pub struct Split {
    /// What each is called, its weight, which is above 0, and its first step.
    pub ways: Vec<(Text, u32, Option<u16>)>,
    /// It goes by what they have brought, and not by weight.
    pub is_adaptive: bool,
}

impl Split {
    /// The way that she goes by what is known of each, and its first step.
    #[must_use]
    pub fn learnt(
        &self,
        step: &str,
        [draw, trigger, customer]: [&str; 3],
        known: impl Fn(u32) -> Lesson,
    ) -> Option<(&Text, Option<u16>)> {
        let ways = self.ways.iter().map(|(name, _, first)| {
            let Lesson { met, missed } = known(key(name));
            let mut number = 0_u64;
            let mut uniform = || {
                number += 1;
                let hasher = hashed(&[draw, trigger, step, customer, name]);
                let drawn = xxh3_64_with_seed(&number.to_le_bytes(), hasher.digest());
                #[expect(clippy::cast_precision_loss, reason = "53 bits are a double's own")]
                let drawn = (drawn >> 11) as f64;
                (drawn + 0.5) / 9_007_199_254_740_992.0
            };
            #[expect(clippy::cast_precision_loss, reason = "nobody counts so far")]
            let rate = beta(1.0 + met as f64, 1.0 + missed as f64, &mut uniform);
            (rate, (name, *first))
        });
        // Of two that are the same, the one that stands first.
        let best = ways.reduce(|best, next| if next.0 > best.0 { next } else { best });
        best.map(|(_, way)| way)
    }

    /// The way that she goes, and its first step.
    #[must_use]
    pub fn way(
        &self,
        step: &str,
        [draw, trigger, customer]: [&str; 3],
    ) -> Option<(&Text, Option<u16>)> {
        let hasher = hashed(&[draw, trigger, step, customer]);
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
        way.map(|(name, _, first)| (name, *first))
    }
}

fn hashed(parts: &[&str]) -> Xxh3 {
    let mut hasher = Xxh3::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    hasher
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of 4,000 customers go each of two ways of which so many met the goal and so many did not.
    fn gone(lessons: [(u64, u64); 2]) -> [u32; 2] {
        let split = Split {
            ways: vec![("a".into(), 1, Some(0)), ("b".into(), 1, Some(1))],
            is_adaptive: true,
        };
        let known = |way| {
            let (met, missed) = lessons[usize::from(way == key("b"))];
            Lesson { met, missed }
        };
        let mut counts = [0; 2];
        for n in 0..4_000 {
            let lot = ["", "t", &format!("c{n}")];
            let way = split.learnt("split", lot, known);
            assert_eq!(way, split.learnt("split", lot, known));
            let first = way.and_then(|(_, first)| first).map_or(0, usize::from);
            counts[first] += 1;
        }
        counts
    }

    /// As often as a way is likely to be the best: of Beta(a, b) and Beta(c, d), P(the second is greater).
    #[test]
    fn a_way_is_gone_as_often_as_it_is_likely_to_be_the_best() {
        for (lessons, share) in [
            ([(0, 0), (0, 0)], 0.5),
            ([(50, 50), (50, 50)], 0.5),
            // Beta(1, 1) and Beta(2, 1): 2/3. Beta(1, 1) and Beta(1, 3): 1/4.
            ([(0, 0), (1, 0)], 2.0 / 3.0),
            ([(0, 0), (0, 2)], 0.25),
            // Beta(2, 2) and Beta(3, 1): 0.8.
            ([(1, 1), (2, 0)], 0.8),
            ([(10, 990), (200, 800)], 1.0),
            ([(900, 100), (100, 900)], 0.0),
        ] {
            let [_, second] = gone(lessons);
            let got = f64::from(second) / 4_000.0;
            assert!(
                (got - share).abs() < 0.025,
                "{lessons:?}: {got} and {share}"
            );
        }
    }

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
            is_adaptive: false,
        };
        let mut counts = [[0_u32; 3]; 3];
        for n in 0..30_000 {
            let customer = format!("c{n}");
            let way = |step: &str| {
                let way = split.way(step, ["", "t", &customer]);
                way.and_then(|(_, first)| first).map_or(0, usize::from)
            };
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
