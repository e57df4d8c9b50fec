//! Whose time runs ahead of all others.
//!
//! A time that is ahead of all others by more than the lateness is believed once another customer's event says so, too: a clock that
//! is wrong is that of one.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// Who is furthest in time, of those whose events move it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lead {
    /// The customer, by a hash, and the largest time seen of her.
    first: Option<(u64, Timestamp)>,
    /// The largest time seen of all others.
    others: Option<Timestamp>,
    /// The largest time that is believed.
    believed: Option<Timestamp>,
    /// Since she took the lead, an event of another customer came whose time is behind it by more than the lateness.
    contradicted: bool,
}

impl Lead {
    /// What a build that knew no lead had seen: it is believed.
    #[must_use]
    pub fn of(seen: Option<Timestamp>) -> Self {
        Self {
            others: seen,
            believed: seen,
            ..Self::default()
        }
    }

    /// An event of the customer with this hash was seen.
    pub fn see(&mut self, customer: u64, time: Timestamp, lateness_ms: i64) {
        match &mut self.first {
            Some((first, most)) if *first == customer => *most = (*most).max(time),
            Some((_, most)) if *most >= time => {
                self.others = self.others.max(Some(time));
                self.contradicted |= time < most.plus(-lateness_ms);
            }
            first => {
                self.others = self.others.max(first.map(|(_, time)| time));
                (*first, self.contradicted) = (Some((customer, time)), false);
            }
        }
        let said_by_two = match (self.first, self.others) {
            (Some((_, most)), Some(others)) if most <= others.plus(lateness_ms) => Some(most),
            (_, others) => others,
        };
        self.believed = self.believed.max(said_by_two);
    }

    /// The largest time that is believed.
    #[must_use]
    pub fn believed(&self) -> Option<Timestamp> {
        self.believed
    }

    /// The largest time, where nothing more comes that could confirm it: unless somebody contradicted it.
    #[must_use]
    pub fn last(&self) -> Option<Timestamp> {
        let first = self.first.filter(|_| !self.contradicted);
        first.map(|(_, time)| time).max(self.believed)
    }
}
