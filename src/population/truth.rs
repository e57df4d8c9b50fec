//! What is true of the customers and no event says: the answers, by which what triggers find can be scored.

use serde::{Deserialize, Serialize};

use crate::event::Text;
use crate::time::Timestamp;

/// One line of the truth file, by its field `truth`. Times are RFC 3339 in UTC.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "truth", rename_all = "snake_case")]
pub enum Truth {
    /// She put things in her basket and went without ordering; no order follows within half an hour.
    BasketLeft {
        /// Who.
        customer: Text,
        /// When she put the last thing in.
        at: Instant,
        /// Which basket.
        cart_id: Text,
        /// What it holds together, earlier visits included.
        value: f64,
    },
    /// A parcel came later than promised, or could not be handed over.
    ParcelLate {
        /// Who.
        customer: Text,
        /// When it came, or did not.
        at: Instant,
        /// Of which order.
        order_id: Text,
        /// Nobody was at home; it comes another day.
        failed: bool,
    },
    /// She has ordered for the last time and will not again.
    Lapsed {
        /// Who.
        customer: Text,
        /// When: with her last order.
        at: Instant,
    },
    /// She is back: an order after 60 days or more.
    Returned {
        /// Who.
        customer: Text,
        /// The order.
        at: Instant,
        /// The order before.
        last_order: Instant,
    },
    /// From now on she comes and orders more seldom.
    SlowedDown {
        /// Who.
        customer: Text,
        /// When.
        at: Instant,
        /// So many times as long from order to order.
        factor: f64,
    },
    /// From now on she looks for what is cheap.
    TurnedThrifty {
        /// Who.
        customer: Text,
        /// When.
        at: Instant,
    },
    /// She took back her consent.
    ConsentWithdrawn {
        /// Who.
        customer: Text,
        /// When.
        at: Instant,
        /// For which channel.
        channel: Text,
    },
    /// How she is, written when all is over.
    Customer {
        /// Who.
        customer: Text,
        /// When she signed up, or the beginning where she was on file.
        joined: Instant,
        /// Orders.
        orders: u32,
        /// Mean days from one order to the next, as she is now; none for a visitor without a name.
        order_every_days: Option<f64>,
        /// The Erlang shape of those days: 1 is at random, more is more regular.
        regularity: u8,
        /// The chance to leave for good after an order.
        leaves: f64,
        /// Her last order, if any.
        last_order: Option<Instant>,
        /// When she lapsed, if she has: with her last order.
        lapsed_at: Option<Instant>,
        /// When she means to order next; whoever has lapsed does not.
        next_order: Option<Instant>,
    },
}

/// An instant, written as RFC 3339.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant(pub Timestamp);

impl Serialize for Instant {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Instant {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Text::deserialize(deserializer)?;
        let at = Timestamp::parse(&text).ok_or_else(|| {
            serde::de::Error::custom(format_args!("`{text}` is no time; expected RFC 3339"))
        })?;
        Ok(Self(at))
    }
}
