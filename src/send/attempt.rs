//! One attempt to deliver, what came of it, and when the next is due.

use std::time::Duration;

use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_64;

use super::command::Command;
use super::template::Message;

/// Before the second attempt; then twice as long each time.
const FIRST: Duration = Duration::from_secs(1);
/// The longest between two attempts of our own choice: a receiver that is back is not waited for longer.
const LONGEST: Duration = Duration::from_secs(300);
/// The longest that a receiver's `Retry-After` is followed.
const LONGEST_ASKED: Duration = Duration::from_secs(3_600);

/// What came of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// The receiver has it.
    Delivered,
    /// Nobody is at the address.
    Bounced(String),
    /// The receiver does not take it, and will not.
    Refused(String),
    /// It may go well later: in so long, where the receiver says it.
    Later(String, Option<Duration>),
}

/// Delivers commands. An attempt ends within a bounded time.
pub trait Carrier: Send + Sync {
    /// One attempt.
    fn deliver(&self, command: &Command, message: Option<&Message>) -> Attempt;

    /// Whether it delivers nothing but what a template says.
    fn needs_message(&self) -> bool;
}

/// How long to wait after so many attempts: doubling, and of that a part by lot, so that those that failed together do not come
/// together again; at least what the receiver asked for.
#[must_use]
pub fn pause(id: Uuid, attempts: u32, asked: Option<Duration>) -> Duration {
    let doubled = FIRST.saturating_mul(1 << attempts.saturating_sub(1).min(16));
    let most = doubled.min(LONGEST);
    let mut name = id.as_u128().to_le_bytes().to_vec();
    name.extend(attempts.to_le_bytes());
    let lot = u32::try_from(xxh3_64(&name) % 1_000).unwrap_or_default();
    let drawn = most / 2 + (most / 2).saturating_mul(lot) / 1_000;
    drawn.max(asked.unwrap_or_default().min(LONGEST_ASKED))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_bound_and_differ() {
        let id = Uuid::from_u128(7);
        let bounds = [
            (1, 1.0),
            (2, 2.0),
            (3, 4.0),
            (9, 256.0),
            (10, 300.0),
            (60, 300.0),
        ];
        for (attempts, most) in bounds {
            let drawn = pause(id, attempts, None).as_secs_f64();
            assert!((most / 2.0..=most).contains(&drawn), "{attempts}: {drawn}");
        }
        let others = (0..50).map(|number| pause(Uuid::from_u128(number), 5, None));
        let others: std::collections::BTreeSet<_> = others.collect();
        assert!(others.len() > 40, "by lot: {}", others.len());
    }

    #[test]
    fn what_the_receiver_asks_for_is_heeded() {
        let id = Uuid::from_u128(7);
        let asked = |seconds| pause(id, 1, Some(Duration::from_secs(seconds)));
        assert_eq!(asked(40), Duration::from_secs(40));
        assert_eq!(asked(1_000_000), LONGEST_ASKED);
        assert_eq!(asked(0), pause(id, 1, None));
    }
}
