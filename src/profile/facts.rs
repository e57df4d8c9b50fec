//! What events say of a customer. Every list is bounded in [`super::limits`].

use serde::{Deserialize, Serialize};

use crate::event::{Property, Text, Touchpoint};
use crate::time::{Timestamp, Zone};

/// An amount in minor units (hundredths) of the currency beside it.
pub type Minor = i64;

/// The facts of a profile.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// Known by `userId`, not only by an anonymous id.
    pub known: bool,
    /// Time of the first event.
    pub first_seen: Option<Timestamp>,
    /// Time of the last event.
    pub last_seen: Option<Timestamp>,
    /// When she signed up.
    pub signed_up: Option<Timestamp>,
    /// Time of the last identify that was taken; an older one changes nothing it set.
    pub identified: Option<Timestamp>,
    /// Where she can be reached.
    pub addresses: Addresses,
    /// IANA time zone.
    pub timezone: Option<Text>,
    /// BCP 47 language tag.
    pub locale: Option<Text>,
    /// Country.
    pub country: Option<Text>,
    /// Consent by channel, with the time it was given or taken back.
    pub consent: Vec<Consent>,
    /// The company's own attributes.
    pub attributes: Vec<(Text, Property)>,
    /// What is in the basket.
    pub basket: Basket,
    /// Products on the wish list, newest last.
    pub wishlist: Vec<Text>,
    /// Products viewed lately, newest last.
    pub viewed: Vec<Text>,
    /// Visits.
    pub sessions: Sessions,
    /// First and last touchpoint.
    pub touchpoints: Touchpoints,
    /// What she bought.
    pub orders: Orders,
    /// Categories by decaying interest.
    pub interests: Vec<Interest>,
    /// Support tickets and chats.
    pub support: Support,
    /// The last NPS answer: score and when.
    pub nps: Option<(u8, Timestamp)>,
    /// Parcels.
    pub deliveries: Deliveries,
    /// Reactions to messages.
    pub messages: Messages,
    /// Messages that were delivered since the last reaction to one.
    pub unanswered: u32,
    /// What she passed on to others.
    pub shares: Shares,
}

/// Where a customer can be reached.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addresses {
    /// E-mail.
    pub email: Option<Text>,
    /// Telephone.
    pub phone: Option<Text>,
    /// Device token.
    pub push_token: Option<Text>,
    /// Postal address.
    pub postal: Option<Text>,
}

/// Consent for one channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consent {
    /// The channel.
    pub channel: Text,
    /// Given or taken back.
    pub given: bool,
    /// When.
    pub at: Timestamp,
}

/// The basket as the events since the last order leave it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Basket {
    /// `cart_id` of the last change.
    pub cart_id: Option<Text>,
    /// Lines, oldest first.
    pub lines: Vec<Line>,
    /// Last change.
    pub changed: Option<Timestamp>,
    /// When an order last emptied it; older additions are void.
    pub emptied: Option<Timestamp>,
}

/// One line of the basket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// The product.
    pub product: Text,
    /// Price of one.
    pub price: Minor,
    /// How many.
    pub quantity: u32,
}

/// Visits: events no further apart than half an hour are one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sessions {
    /// How many.
    pub count: u32,
    /// Start of the last one.
    pub started: Option<Timestamp>,
    /// Its last event.
    pub last: Option<Timestamp>,
}

/// First and last touchpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Touchpoints {
    /// The first that named a source, medium or campaign.
    pub first: Option<(Timestamp, Touchpoint)>,
    /// The last.
    pub last: Option<(Timestamp, Touchpoint)>,
}

/// Orders: recency, frequency and monetary value, and the customer's own rhythm and ticket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Orders {
    /// How many.
    pub count: u32,
    /// Their value together.
    pub value: Minor,
    /// Currency of the values.
    pub currency: Option<Text>,
    /// The first.
    pub first: Option<Timestamp>,
    /// The last.
    pub last: Option<Timestamp>,
    /// The last few, oldest first: time and value.
    pub recent: Vec<(Timestamp, Minor)>,
    /// Gaps between distinct purchase days.
    pub rhythm: Rhythm,
    /// How many were refunded or cancelled.
    pub undone: u32,
}

/// Running sums of the gaps, in days, between distinct purchase days.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rhythm {
    /// The last purchase day (days since 1970-01-01 in her zone).
    pub last_day: Option<i32>,
    /// Gaps.
    pub gaps: u32,
    /// Their sum.
    pub sum: i64,
    /// The sum of their squares.
    pub squares: i64,
}

/// Interest in one category: the score halves every [`super::apply::INTEREST_HALF_LIFE_MS`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interest {
    /// The category.
    pub category: Text,
    /// The score at `at`.
    pub score: f32,
    /// When it last rose.
    pub at: Timestamp,
}

/// Support tickets and chats.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Support {
    /// Tickets opened.
    pub tickets: u32,
    /// Of those, solved.
    pub solved: u32,
    /// Chats.
    pub chats: u32,
    /// The last ticket or chat.
    pub last: Option<Timestamp>,
}

/// Parcels: promised, arrived, late.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deliveries {
    /// On their way: order and the time promised.
    pub under_way: Vec<(Text, Timestamp)>,
    /// Arrived.
    pub delivered: u32,
    /// Of those, after the time promised; and those that failed.
    pub late: u32,
    /// The last that arrived.
    pub last: Option<Timestamp>,
}

/// Reactions to messages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Messages {
    /// Opened (e-mail opened, push tapped).
    pub opened: u32,
    /// Clicked.
    pub clicked: u32,
    /// The last reaction.
    pub last: Option<Timestamp>,
}

/// Products, baskets and contents passed on to others.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shares {
    /// How many times.
    pub count: u32,
    /// The last.
    pub last: Option<Timestamp>,
}

impl Facts {
    /// Her time zone; UTC where none is known.
    #[must_use]
    pub fn zone(&self) -> Zone {
        self.timezone
            .as_deref()
            .and_then(Zone::named)
            .unwrap_or_default()
    }

    /// Consent for `channel` as she last said; `None` where she never said.
    #[must_use]
    pub fn consents(&self, channel: &str) -> Option<bool> {
        self.consent
            .iter()
            .find(|c| c.channel == channel)
            .map(|c| c.given)
    }
}

impl Basket {
    /// Value of all lines.
    #[must_use]
    pub fn value(&self) -> Minor {
        self.lines.iter().fold(0, |sum: i64, line| {
            sum.saturating_add(line.price.saturating_mul(i64::from(line.quantity)))
        })
    }
}
