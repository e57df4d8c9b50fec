//! How well triggers do, measured by what is true: of the moments they found how many were right, and of what was to be found
//! how much they found.
//!
//! Known are the shipped triggers whose moment the population knows the truth of. A basket left and a late parcel are facts: a
//! trigger that does not find each of them, and no other, is wrong. Who has lapsed nobody can see: there the figures say how
//! good the guess is, with these thresholds, for these customers.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::truth::{Instant, Truth};
use crate::time::{DAY_MS, Timestamp};

/// What a trigger is to find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sought {
    /// A basket, so long after the last thing was put in, ms.
    Basket(i64),
    /// A late parcel, when it comes or does not.
    Parcel,
    /// A customer who has lapsed at least so long ago, ms; or, where it says so, one who has slowed down.
    Lapsed { for_ms: i64, or_slowed: bool },
}

/// Each trigger that can be scored, what it is to find, and that in words.
const SOUGHT: [(&str, Sought, &str); 5] = [
    (
        "abandoned-basket",
        Sought::Basket(30 * 60_000),
        "baskets left",
    ),
    ("late-delivery", Sought::Parcel, "parcels late or failed"),
    (
        "frequency-drop",
        Sought::Lapsed {
            for_ms: 0,
            or_slowed: true,
        },
        "customers lapsed or slowed down",
    ),
    (
        "win-back",
        Sought::Lapsed {
            for_ms: 90 * DAY_MS,
            or_slowed: false,
        },
        "customers lapsed 90 days ago",
    ),
    (
        "lapsed",
        Sought::Lapsed {
            for_ms: 180 * DAY_MS,
            or_slowed: false,
        },
        "customers lapsed 180 days ago",
    ),
];

/// How well one trigger does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Score {
    /// Its name.
    pub trigger: &'static str,
    /// What it is to find, in words.
    pub sought: &'static str,
    /// Moments it found.
    pub moments: u64,
    /// Of those, how many were right.
    pub right: u64,
    /// What was to be found.
    pub all: u64,
    /// Of that, how much was found.
    pub found: u64,
}

/// Gathers moments, and scores them.
#[derive(Debug, Default)]
pub struct Scorer {
    moments: BTreeMap<&'static str, BTreeSet<(String, Timestamp)>>,
}

impl Scorer {
    /// Takes a moment in, if its trigger can be scored.
    pub fn moment(&mut self, trigger: &str, customer: &str, at: Timestamp) {
        if let Some((name, ..)) = SOUGHT.iter().find(|(name, ..)| *name == trigger) {
            let moments = self.moments.entry(name).or_default();
            moments.insert((customer.to_owned(), at));
        }
    }

    /// The score of each trigger that found anything, where events end at `until`: what lies beyond it is not looked at.
    #[must_use]
    pub fn scores(&self, truths: &[Truth], until: Timestamp) -> Vec<Score> {
        let of = |(trigger, sought, words): &(&'static str, Sought, &'static str)| {
            let moments = self.moments.get(trigger)?;
            let moments: Moments = moments
                .iter()
                .filter(|(_, at)| *at <= until)
                .cloned()
                .collect();
            let (right, all, found) = match *sought {
                Sought::Basket(after_ms) => facts(&moments, truths, until, |truth| match truth {
                    Truth::BasketLeft { customer, at, .. } => Some((customer, at.0.plus(after_ms))),
                    _ => None,
                }),
                Sought::Parcel => facts(&moments, truths, until, |truth| match truth {
                    Truth::ParcelLate { customer, at, .. } => Some((customer, at.0)),
                    _ => None,
                }),
                Sought::Lapsed { for_ms, or_slowed } => {
                    guesses(&moments, truths, until.plus(-for_ms), or_slowed)
                }
            };
            Some(Score {
                trigger,
                sought: words,
                moments: moments.len() as u64,
                right,
                all,
                found,
            })
        };
        SOUGHT.iter().filter_map(of).collect()
    }
}

type Moments = BTreeSet<(String, Timestamp)>;

/// Right ones among the moments, truths, and found ones among them; a truth later than `until` could not be found.
fn facts<'t>(
    moments: &Moments,
    truths: &'t [Truth],
    until: Timestamp,
    fact: impl Fn(&'t Truth) -> Option<(&'t crate::event::Text, Timestamp)>,
) -> (u64, u64, u64) {
    let facts: Moments = truths
        .iter()
        .filter_map(fact)
        .filter(|(_, at)| *at <= until)
        .map(|(customer, at)| (customer.to_string(), at))
        .collect();
    let both = moments.intersection(&facts).count() as u64;
    (both, facts.len() as u64, both)
}

/// Moments of customers who had lapsed by then (or slowed down); customers who had lapsed at `by`; and those found among them.
fn guesses(moments: &Moments, truths: &[Truth], by: Timestamp, or_slowed: bool) -> (u64, u64, u64) {
    let mut since: BTreeMap<&str, Timestamp> = BTreeMap::new();
    for truth in truths {
        let (customer, Instant(at)) = match truth {
            Truth::Lapsed { customer, at } => (customer, *at),
            Truth::SlowedDown { customer, at, .. } if or_slowed => (customer, *at),
            _ => continue,
        };
        let first = since.entry(customer).or_insert(at);
        *first = at.min(*first);
    }
    let is_right = |(customer, at): &&(String, Timestamp)| {
        since
            .get(customer.as_str())
            .is_some_and(|since| since <= at)
    };
    let right: Vec<_> = moments.iter().filter(is_right).collect();
    let found: BTreeSet<&str> = right
        .iter()
        .map(|(customer, _)| customer.as_str())
        .filter(|customer| since.get(customer).is_some_and(|since| *since <= by))
        .collect();
    let all = since.values().filter(|since| **since <= by).count();
    (right.len() as u64, all as u64, found.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn right_and_found_are_told_apart() {
        let at = |day: i64| Instant(Timestamp(day * DAY_MS));
        let lapsed = |customer: &str, day| Truth::Lapsed {
            customer: customer.into(),
            at: at(day),
        };
        let truths = [lapsed("ana", 10), lapsed("bea", 20), lapsed("eva", 150)];
        let mut scorer = Scorer::default();
        // Ana had lapsed; Clara never did; Bea is found before she had.
        for (customer, day) in [("ana", 100), ("clara", 100), ("bea", 15)] {
            scorer.moment("win-back", customer, at(day).0);
        }
        scorer.moment("welcome", "ana", at(1).0);
        let score = Score {
            trigger: "win-back",
            sought: "customers lapsed 90 days ago",
            moments: 3,
            right: 1,
            all: 2,
            found: 1,
        };
        assert_eq!(scorer.scores(&truths, at(200).0), [score]);
    }

    #[test]
    fn a_basket_is_found_half_an_hour_later_or_not_at_all() {
        let minute = |n: i64| Timestamp(n * 60_000);
        let left = |n| Truth::BasketLeft {
            customer: "ana".into(),
            at: Instant(minute(n)),
            cart_id: "c".into(),
            value: 1.0,
        };
        let mut scorer = Scorer::default();
        for n in [40, 131] {
            scorer.moment("abandoned-basket", "ana", minute(n));
        }
        // The third basket's half an hour is not over when events end.
        let scores = scorer.scores(&[left(10), left(100), left(200)], minute(220));
        let [score] = &scores[..] else {
            panic!("{scores:?}")
        };
        assert_eq!(
            (score.moments, score.right, score.all, score.found),
            (2, 1, 2, 1)
        );
    }
}
