//! Whom she has brought, and whether somebody brought her.

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::section::{Field, Local, Section, field};
use crate::event::{Event, EventName, PropertyId, Type};
use crate::stored::Stored;
use crate::time::Timestamp;
use crate::value::Value;

/// Times of friends that are kept of one referral, the last so many: no more may be asked for.
pub const TIMES_MAX: usize = 100;
/// Referrals of which times are kept: a shop has one or two at a time. The one that nobody came by for longest makes way.
const REFERRALS_MAX: usize = 8;

/// Friends, and whose friend she is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Referrals {
    /// When she was taken for somebody's friend, and the hash of the code that she brought.
    pub accepted: Option<(Timestamp, u64)>,
    /// Friends whom she has brought.
    pub count: u32,
    /// By referral, when the last of them came, in order.
    by: Vec<(u64, Vec<Timestamp>)>,
}

/// By what a referral, or a code as it is read, is known.
#[must_use]
pub fn key(text: &str) -> u64 {
    xxh3_64(text.as_bytes())
}

impl Referrals {
    /// Whether she was taken for somebody's friend by this code, as it is read.
    #[must_use]
    pub fn came_by(&self, code: &str) -> bool {
        self.accepted.is_some_and(|(_, known)| known == key(code))
    }

    /// When the last friends came by a referral, in order.
    #[must_use]
    pub fn times(&self, referral: u64) -> &[Timestamp] {
        let by = self.by.iter().find(|(known, _)| *known == referral);
        by.map_or(&[], |(_, times)| times)
    }

    /// When the last friend came.
    fn last(&self) -> Option<Timestamp> {
        let last = self.by.iter().filter_map(|(_, times)| times.last());
        last.max().copied()
    }

    fn keep(&mut self, referral: u64, at: Timestamp) {
        let place = self.by.iter().position(|(known, _)| *known == referral);
        let place = place.unwrap_or_else(|| {
            if self.by.len() == REFERRALS_MAX {
                let oldest = (0..self.by.len()).min_by_key(|place| self.by[*place].1.last());
                self.by.remove(oldest.unwrap_or_default());
            }
            self.by.push((referral, Vec::new()));
            self.by.len() - 1
        });
        let times = &mut self.by[place].1;
        times.insert(times.partition_point(|time| *time <= at), at);
        if times.len() > TIMES_MAX {
            times.remove(0);
        }
    }
}

impl Stored for Referrals {
    const VERSION: u8 = 1;
}

impl Section for Referrals {
    const TAG: u16 = 18;
    const WRITTEN_BY: &'static [EventName] =
        &[EventName::FRIEND_REFERRED, EventName::REFERRAL_ACCEPTED];
    const FIELDS: &'static [Field<Self>] = &[
        field(
            "referrals.accepted",
            Type::Time,
            "when she came by the code of somebody who referred her",
            |p, _| Value::time(p.accepted.map(|(at, _)| at)),
        ),
        field(
            "referrals.count",
            Type::Number,
            "friends who came by her code and count",
            |p, _| Value::Number(p.count.into()),
        ),
        field("referrals.last", Type::Time, "the last of them", |p, _| {
            Value::time(p.last())
        }),
    ];

    fn apply(&mut self, event: &Event, _local: Local<'_>) {
        if event.name == EventName::FRIEND_REFERRED {
            self.count = self.count.saturating_add(1);
            let referral = event.text(PropertyId::NAME);
            self.keep(referral.map_or(0, |name| key(name)), event.time);
        } else if self.accepted.is_none() {
            let code = event.text(PropertyId::COUPON);
            self.accepted = Some((event.time, code.map_or(0, |code| key(code))));
        }
    }

    fn merge(&mut self, other: Self, _local: Local<'_>) {
        self.accepted = self.accepted.into_iter().chain(other.accepted).min();
        self.count = self.count.saturating_add(other.count);
        for (referral, times) in other.by {
            times.into_iter().for_each(|at| self.keep(referral, at));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_friends_are_kept_in_order() {
        let mut hers = Referrals::default();
        for at in [3, 1, 2] {
            hers.keep(7, Timestamp(at));
        }
        assert_eq!(hers.times(7), [1, 2, 3].map(Timestamp));
        assert_eq!((hers.last(), hers.times(8)), (Some(Timestamp(3)), &[][..]));
        for at in 0..200 {
            hers.keep(7, Timestamp(100 + at));
        }
        assert_eq!(
            (hers.times(7).len(), hers.times(7)[0]),
            (TIMES_MAX, Timestamp(200))
        );
        for referral in 10..10 + REFERRALS_MAX as u64 {
            hers.keep(referral, Timestamp(1_000));
        }
        assert_eq!((hers.by.len(), hers.times(7)), (REFERRALS_MAX, &[][..]));
    }
}
