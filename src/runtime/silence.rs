//! Topics on which nothing comes though something should: whoever fills them may be broken, and what did not come there proves nothing.
//!
//! What must stay true: a topic is silent from then on that it had no record in any partition for its `silence_max` while another had
//! some, until it has one again. Where all are silent nobody knows better, and it is a night.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The topics that come in, by number.
#[derive(Debug)]
pub(super) struct Silences(Vec<Topic>);

#[derive(Debug)]
struct Topic {
    /// None: it may be silent for ever.
    limit: Option<Duration>,
    /// Where its partitions end, together.
    end: Option<i64>,
    /// When that was seen to rise.
    rose: Instant,
    silent: bool,
}

/// What is seen of a topic, and was not so at the last look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// It is silent, for so long.
    Silent(Duration),
    /// It has records again.
    Again,
}

impl Silences {
    /// With how long each topic may be silent.
    pub fn new(limits: impl IntoIterator<Item = Option<Duration>>, now: Instant) -> Self {
        let topic = |limit| Topic {
            limit,
            end: None,
            rose: now,
            silent: false,
        };
        Self(limits.into_iter().map(topic).collect())
    }

    /// Whether any topic may not be silent for ever.
    pub fn any(&self) -> bool {
        self.0.iter().any(|topic| topic.limit.is_some())
    }

    /// The topics end there; what changed by that, with the number of each topic.
    pub fn look(&mut self, ends: &[i64], now: Instant) -> Vec<(usize, Heard)> {
        let mut rose = vec![false; self.0.len()];
        for ((topic, end), rose) in self.0.iter_mut().zip(ends).zip(&mut rose) {
            *rose = topic.end.is_some_and(|before| before < *end);
            if *rose {
                topic.rose = now;
            }
            topic.end = Some(*end);
        }
        let last: Vec<Instant> = self.0.iter().map(|topic| topic.rose).collect();
        let mut changed = Vec::new();
        for (number, topic) in self.0.iter_mut().enumerate() {
            let Some(limit) = topic.limit else { continue };
            let silence = now.duration_since(topic.rose);
            // One of the others rose after the silence had lasted for as long.
            let others = last.iter().any(|other| *other > topic.rose + limit);
            if rose[number] && topic.silent {
                topic.silent = false;
                changed.push((number, Heard::Again));
            } else if !topic.silent && others {
                topic.silent = true;
                changed.push((number, Heard::Silent(silence)));
            }
        }
        changed
    }
}

/// A set of topics by number, which workers read while it changes.
#[derive(Debug, Default)]
pub(super) struct Awaited(AtomicU64);

impl Awaited {
    /// Puts a topic in, or takes it out. There are far fewer than 64.
    pub fn set(&self, topic: usize, awaited: bool) {
        let bit = 1 << topic;
        match awaited {
            true => self.0.fetch_or(bit, Ordering::Relaxed),
            false => self.0.fetch_and(!bit, Ordering::Relaxed),
        };
    }

    /// All of them, a bit each.
    pub fn bits(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_silent_while_others_are_not_until_it_speaks() {
        let start = Instant::now();
        let at = |s| start + Duration::from_secs(s);
        let limit = Duration::from_secs(60);
        let mut silences = Silences::new([None, Some(limit), Some(limit * 10)], start);
        let silent = |s| Heard::Silent(Duration::from_secs(s));
        for (s, ends, heard) in [
            (0, [5, 5, 5], vec![]),
            (50, [6, 6, 6], vec![]),
            // All are silent.
            (300, [6, 6, 6], vec![]),
            (310, [7, 6, 6], vec![(1, silent(260))]),
            (320, [8, 6, 6], vec![]),
            // The others' night does not end it.
            (500, [8, 6, 6], vec![]),
            (510, [8, 7, 6], vec![(1, Heard::Again)]),
            (560, [9, 7, 6], vec![]),
            (571, [10, 7, 6], vec![(1, silent(61))]),
            (651, [11, 7, 6], vec![(2, silent(601))]),
        ] {
            assert_eq!(silences.look(&ends, at(s)), heard, "{s}");
        }
    }

    #[test]
    fn what_is_awaited_is_a_set() {
        let awaited = Awaited::default();
        awaited.set(1, true);
        awaited.set(3, true);
        awaited.set(1, false);
        assert_eq!(awaited.bits(), 0b1000);
    }
}
