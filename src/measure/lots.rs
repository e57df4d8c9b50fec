//! A balance of lots: what is earned is a lot that expires at an instant of its own, and what is spent is taken from the lot that
//! expires first.
//!
//! Amounts are whole millionths. A lot is gone at the instant at which it expires. What is spent beyond what there is, is owed: the
//! balance is below 0 until what is earned next has paid it. A lot that an order earned is known by it until it expires, spent or
//! not, so that the order's return can take it back.
//!
//! Movements count in the order in which they are taken, which of a settled customer is that of event time. One that comes later
//! than what was taken before counts as of then: a lot that has expired by then is none, and what was spent stays spent of what it
//! was.

use serde::{Deserialize, Serialize};

use super::{amount, limits};
use crate::time::Timestamp;
use crate::value::Value;

/// What an event does to a balance. Amounts are millionths, and not below 0.
#[derive(Clone, Debug, PartialEq)]
pub enum Movement {
    /// A lot is earned.
    Earned {
        /// How much.
        micros: i64,
        /// When it is gone; [`Timestamp::MAX`]: never.
        expires: Timestamp,
        /// Hash of the order that earned it, where one did.
        order: Option<u64>,
    },
    /// Something is spent.
    Spent {
        /// How much.
        micros: i64,
    },
    /// What an order earned is taken back.
    Returned {
        /// Hash of the order.
        order: u64,
        /// How much of it, at most what it earned; none: all of it.
        micros: Option<i64>,
    },
}

/// What is asked of a balance beside what it comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ahead {
    /// What of it expires within so many ms: in (now, now + ms].
    Expiring(i64),
    /// When something of it expires next.
    NextExpiry,
}

impl Ahead {
    /// Where nothing was earned or spent.
    #[must_use]
    pub fn nothing(self) -> Value<'static> {
        match self {
            Self::Expiring(_) => Value::Number(0.0),
            Self::NextExpiry => Value::Null,
        }
    }
}

/// What is kept of a balance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lots {
    /// The last movement's instant: what had expired by then is gone.
    as_of: Timestamp,
    /// What was spent or taken back beyond what there was; above 0 only where nothing is left of any lot.
    owed: i64,
    /// In the order in which they expire.
    lots: Vec<Lot>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Lot {
    expires: Timestamp,
    order: Option<u64>,
    /// What was earned, less what was taken back.
    earned: i64,
    /// What of it is not spent.
    left: i64,
}

impl Lots {
    /// Of nothing.
    #[must_use]
    pub fn new(at: Timestamp) -> Self {
        Self {
            as_of: at,
            owed: 0,
            lots: Vec::new(),
        }
    }

    // Taking in.

    /// Takes a movement in; how many lots lost what was known of them by it, because there are too many.
    pub fn take(&mut self, at: Timestamp, movement: &Movement) -> u32 {
        self.pass(at);
        match *movement {
            Movement::Earned {
                micros,
                expires,
                order,
            } => self.earn(Lot {
                expires,
                order,
                earned: micros,
                left: micros,
            }),
            Movement::Spent { micros } => self.spend(micros),
            Movement::Returned { order, micros } => self.give_back(order, micros),
        }
        self.fold()
    }

    /// Takes in the lots of another id of hers: they lie together, and pay what either owed. As [`take`](Self::take).
    pub fn join(&mut self, other: Self) -> u32 {
        self.pass(other.as_of);
        let owed = self.owed.saturating_add(other.owed);
        self.owed = 0;
        for lot in other.lots {
            self.earn(lot);
        }
        self.spend(owed);
        self.fold()
    }

    /// Lets go what has expired.
    fn pass(&mut self, at: Timestamp) {
        self.as_of = self.as_of.max(at);
        self.lots.retain(|lot| lot.expires > self.as_of);
    }

    fn earn(&mut self, mut lot: Lot) {
        if lot.expires <= self.as_of || lot.earned == 0 {
            return;
        }
        let paid = self.owed.min(lot.left);
        self.owed -= paid;
        lot.left -= paid;
        let place = self.lots.partition_point(|it| it.expires <= lot.expires);
        let alike = |it: &&mut Lot| it.expires == lot.expires && it.order == lot.order;
        match self.lots[..place].iter_mut().rev().find(alike) {
            Some(same) => same.add(&lot),
            None => self.lots.insert(place, lot),
        }
        self.forget_spent();
    }

    fn spend(&mut self, micros: i64) {
        let mut rest = micros;
        for lot in &mut self.lots {
            let taken = lot.left.min(rest);
            lot.left -= taken;
            rest -= taken;
        }
        self.owed = self.owed.saturating_add(rest);
        self.forget_spent();
    }

    fn give_back(&mut self, order: u64, micros: Option<i64>) {
        let (mut wanted, mut spent) = (micros.unwrap_or(i64::MAX), 0_i64);
        for lot in self.lots.iter_mut().filter(|it| it.order == Some(order)) {
            let part = lot.earned.min(wanted);
            let taken = lot.left.min(part);
            lot.earned -= part;
            lot.left -= taken;
            wanted -= part;
            spent = spent.saturating_add(part - taken);
        }
        self.lots.retain(|lot| lot.earned > 0);
        // What she had spent of it was of another lot, then.
        self.spend(spent);
    }

    /// What is spent is kept for its order alone.
    fn forget_spent(&mut self) {
        self.lots.retain(|lot| lot.left > 0 || lot.order.is_some());
    }

    /// Holds the bound: what is spent is forgotten with its order; else the two that expire first become one, which expires when the
    /// later does, and which no return takes back.
    fn fold(&mut self) -> u32 {
        let mut folded = 0;
        while self.lots.len() > limits::ENTRIES {
            match self.lots.iter().position(|lot| lot.left == 0) {
                Some(spent) => {
                    self.lots.remove(spent);
                }
                None => {
                    let first = self.lots.remove(0);
                    self.lots[0].add(&first);
                    self.lots[0].order = None;
                }
            }
            folded += 1;
        }
        folded
    }

    // Answers.

    /// What she has, or, below 0, owes.
    #[must_use]
    pub fn balance(&self, now: Timestamp) -> Value<'static> {
        self.sum(|lot| lot.expires > now, self.owed)
    }

    /// What else is asked of it.
    #[must_use]
    pub fn ahead(&self, of: Ahead, now: Timestamp) -> Value<'static> {
        match of {
            Ahead::Expiring(within_ms) => {
                let until = now.plus(within_ms);
                self.sum(|lot| lot.expires > now && lot.expires <= until, 0)
            }
            Ahead::NextExpiry => self.next_expiry(now).map_or(Value::Null, Value::Time),
        }
    }

    /// The next instant after `now` at which time alone changes the balance, or what is asked `of` it.
    #[must_use]
    pub fn next_change(&self, of: Option<Ahead>, now: Timestamp) -> Option<Timestamp> {
        match of {
            None | Some(Ahead::NextExpiry) => self.next_expiry(now),
            Some(Ahead::Expiring(within_ms)) => {
                let at = self.expiries().flat_map(|at| [at.plus(-within_ms), at]);
                at.filter(|at| *at > now).min()
            }
        }
    }

    fn next_expiry(&self, now: Timestamp) -> Option<Timestamp> {
        self.expiries().find(|at| *at > now)
    }

    /// When something is lost, in order.
    fn expiries(&self) -> impl Iterator<Item = Timestamp> {
        let lost = |lot: &&Lot| lot.left > 0 && lot.expires < Timestamp::MAX;
        self.lots.iter().filter(lost).map(|lot| lot.expires)
    }

    fn sum(&self, is_meant: impl Fn(&Lot) -> bool, owed: i64) -> Value<'static> {
        let meant = self.lots.iter().filter(|lot| is_meant(lot));
        let sum: i128 = meant.map(|lot| i128::from(lot.left)).sum();
        let sum = i64::try_from(sum - i128::from(owed));
        Value::Number(amount(sum.unwrap_or(i64::MAX)))
    }
}

impl Lot {
    fn add(&mut self, other: &Self) {
        self.earned = self.earned.saturating_add(other.earned);
        self.left = self.left.saturating_add(other.left);
    }
}
