//! What happened: one thing a customer did, or that was done to her, with the time it happened.
//!
//! Parsed once ([`decode`]) into the types below; from there on nobody looks at JSON again.

pub mod record;
pub mod vocabulary;

use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

pub use vocabulary::{EventName, Item, PropertyId, Type, Vocabulary};

use crate::time::{Timestamp, Zone};

/// A string that is kept without an allocation up to 24 bytes.
pub type Text = CompactString;

/// Who an event is about: Segment's `userId`, else its `anonymousId`; also the Kafka key.
/// At most [`limits::ID_BYTES`] bytes, no control characters, not empty.
pub type CustomerId = Text;

/// Bounds of what one event may carry, each with its reason.
pub mod limits {
    /// Ids: a UUID has 36 bytes, a hashed e-mail 64; beyond this it is no id.
    pub const ID_BYTES: usize = 256;
    /// One text property: beyond this it is a document, not a fact.
    pub const TEXT_BYTES: usize = 1024;
    /// Entries of a list property.
    pub const LIST_ITEMS: usize = 64;
    /// Products of one event: a wholesale order fits; what is beyond is counted as a defect.
    pub const PRODUCTS: usize = 256;
    /// One record: Kafka's own default for `max.message.bytes`.
    pub const RECORD_BYTES: usize = 1024 * 1024;
}

/// The channel of an unsubscribe event that names none: Segment's is an e-mail event.
pub const UNSUBSCRIBED_CHANNEL: &str = "email";

/// What stands for all channels where consent is said of them.
pub const EVERY_CHANNEL: &str = "*";

/// What stands, with a no, for the channels that a list leaves out: no yes of before holds for them. Channels that need no yes stay
/// open.
pub const OTHER_CHANNELS: &str = "";

/// One event of one customer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Whose.
    pub customer: CustomerId,
    /// When it happened (event time).
    pub time: Timestamp,
    /// Where it stood: topic and offset break ties between events of one instant.
    pub position: Position,
    /// The producer's `messageId`, or one derived from the position where it gave none.
    pub id: Text,
    /// Whether the producer gave the id: only then are duplicates recognised.
    pub has_message_id: bool,
    /// What happened.
    pub name: EventName,
    /// Whether `userId` was given; otherwise the customer is known by `anonymousId` only.
    pub known: bool,
    /// Properties that the vocabulary names, typed; what is not there is not known.
    pub properties: SmallVec<[(PropertyId, Property); 4]>,
    /// The `products` of an order, a list or a checkout.
    pub products: Vec<Product>,
    /// What an identify call, or the context of any call, says of the customer.
    pub traits: Option<Box<Traits>>,
    /// Where the interaction came from, when the context names a campaign or referrer.
    pub touchpoint: Option<Box<Touchpoint>>,
    /// W3C trace context of the record that brought it.
    pub traceparent: Option<Text>,
    /// The other ids that it says she had so far. They are acted on when it is taken, and not kept.
    #[serde(skip)]
    pub formers: Vec<Former>,
}

/// An id that somebody had so far, as an event of hers says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Former {
    /// The id: a `previousId`, or the `anonymousId` beside a `userId`.
    pub id: CustomerId,
    /// Whether it is a `previousId`: then whoever had it becomes her, be she known or not.
    pub is_alias: bool,
}

/// Where an event stood in its log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Position {
    /// Index of the topic, topics being sorted by name.
    pub topic: u8,
    /// Offset in the partition (of a file: the line, from 0).
    pub offset: i64,
}

/// The typed value of a property.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Property {
    /// true or false
    Bool(bool),
    /// any number
    Number(f64),
    /// text, not empty
    Text(Text),
    /// an instant
    Time(Timestamp),
    /// a list of texts; of other values, each as it is written: what it is, is declared
    List(Vec<Text>),
    /// a day in the customer's zone, in days since 1970-01-01
    Date(i32),
}

/// One product of an event. Price in major units of the event's currency.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Product {
    /// `product_id`, else `sku`; empty where neither was given.
    pub id: Text,
    /// `category`.
    pub category: Option<Text>,
    /// `price` of one; below 0 for a discount.
    pub price: Option<f64>,
    /// `quantity`.
    pub quantity: Option<f64>,
}

/// A product that an event is about.
#[derive(Clone, Copy, Debug)]
pub struct Line<'e> {
    /// Its id, where it has one.
    pub id: Option<&'e Text>,
    /// Its category.
    pub category: Option<&'e Text>,
    /// The price of one.
    pub price: Option<f64>,
    /// How many, or how much.
    pub quantity: Option<f64>,
}

/// What is said of the customer herself. `None` changes nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Traits {
    /// E-mail address.
    pub email: Option<Text>,
    /// Telephone number.
    pub phone: Option<Text>,
    /// Token that reaches her device.
    pub push_token: Option<Text>,
    /// Postal address in one line.
    pub address: Option<Text>,
    /// IANA time zone.
    pub timezone: Option<Text>,
    /// BCP 47 language tag.
    pub locale: Option<Text>,
    /// ISO 3166 country.
    pub country: Option<Text>,
    /// Consent given (`true`) or taken back (`false`) by channel.
    pub consent: Vec<(Text, bool)>,
    /// The company's own attributes, as declared in the configuration.
    pub attributes: Vec<(Text, Property)>,
}

/// Where an interaction happened or came from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Touchpoint {
    /// Campaign source (`newsletter`, `google`) or the referring site.
    pub source: Option<Text>,
    /// Campaign medium (`email`, `cpc`).
    pub medium: Option<Text>,
    /// Campaign name.
    pub campaign: Option<Text>,
}

impl Event {
    /// The order of a customer's events: time, then topic, then offset.
    #[must_use]
    pub fn order(&self) -> (Timestamp, Position) {
        (self.time, self.position)
    }

    /// What it takes packed, in bytes, roughly.
    #[must_use]
    pub fn weight(&self) -> usize {
        let property = |value: &Property| match value {
            Property::Text(text) => text.len(),
            Property::List(items) => items.iter().map(|item| item.len() + 1).sum(),
            _ => 8,
        };
        let text = |text: &Option<Text>| text.as_deref().map_or(0, str::len);
        let properties = self.properties.iter().map(|(_, value)| property(value));
        let products = self.products.iter();
        let products = products.map(|it| it.id.len() + text(&it.category) + 20);
        let traits = self.traits.as_ref().map_or(0, |it| {
            let texts = [
                &it.email,
                &it.phone,
                &it.push_token,
                &it.address,
                &it.timezone,
                &it.locale,
                &it.country,
            ];
            let attributes = it.attributes.iter();
            let consent = it.consent.iter().map(|(channel, _)| channel.len());
            texts.into_iter().map(text).sum::<usize>()
                + attributes
                    .map(|(name, value)| name.len() + property(value))
                    .sum::<usize>()
                + consent.sum::<usize>()
        });
        let touchpoint = self.touchpoint.as_ref();
        let touchpoint = touchpoint.map_or(0, |it| {
            text(&it.source) + text(&it.medium) + text(&it.campaign)
        });
        let ids = self.customer.len() + self.id.len() + text(&self.traceparent);
        ids + properties.sum::<usize>() + products.sum::<usize>() + traits + touchpoint + 32
    }

    /// The channel of which the event is a no by what it is, in lower case; [`EVERY_CHANNEL`] for all.
    #[must_use]
    pub fn refused_channel(&self) -> Option<Text> {
        match self.name {
            EventName::UNSUBSCRIBED => {
                let channel = self.text(PropertyId::CHANNEL);
                let channel = channel.map_or(UNSUBSCRIBED_CHANNEL, |it| it.trim());
                Some(match channel.to_ascii_lowercase().as_str() {
                    "all" | "any" | "every" | EVERY_CHANNEL => EVERY_CHANNEL.into(),
                    "e-mail" => "email".into(),
                    channel => channel.into(),
                })
            }
            EventName::EMAIL_MARKED_AS_SPAM => Some("email".into()),
            _ => None,
        }
    }

    /// What the event says of consent to a channel, if anything.
    #[must_use]
    pub fn consent_said(&self, channel: &str) -> Option<bool> {
        let is_it = |said: &str| said == EVERY_CHANNEL || said.eq_ignore_ascii_case(channel);
        if self.refused_channel().is_some_and(|said| is_it(&said)) {
            return Some(false);
        }
        // What is said of all stands before what is said of one.
        let said = &self.traits.as_ref()?.consent;
        let last = said.iter().rev().find(|(said, _)| is_it(said));
        last.map(|(_, given)| *given)
    }

    /// Whether it says anything of consent.
    #[must_use]
    pub fn says_consent(&self) -> bool {
        let traits = self.traits.as_ref();
        traits.is_some_and(|traits| !traits.consent.is_empty()) || self.refused_channel().is_some()
    }

    /// Whether it takes back every yes to a channel that it does not name.
    #[must_use]
    pub fn says_all_of_consent(&self) -> bool {
        let consent = self.traits.iter().flat_map(|traits| &traits.consent);
        consent.into_iter().any(|(said, _)| said == OTHER_CHANNELS)
    }

    /// The value of a property; `None` where the event does not have it.
    #[must_use]
    pub fn property(&self, id: PropertyId) -> Option<&Property> {
        self.properties
            .iter()
            .find(|(property, _)| *property == id)
            .map(|(_, value)| value)
    }

    /// A number property.
    #[must_use]
    pub fn number(&self, id: PropertyId) -> Option<f64> {
        match self.property(id)? {
            Property::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// A text property.
    #[must_use]
    pub fn text(&self, id: PropertyId) -> Option<&Text> {
        match self.property(id)? {
            Property::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The product it is about: `product_id`, else `sku`.
    #[must_use]
    pub fn product(&self) -> Option<&Text> {
        self.text(PropertyId::PRODUCT_ID)
            .or_else(|| self.text(PropertyId::SKU))
    }

    /// The products it is about: those of its list, or else the one that its own properties say.
    pub fn lines(&self) -> impl Iterator<Item = Line<'_>> {
        let listed = self.products.iter().map(|product| Line {
            id: Some(&product.id).filter(|id| !id.is_empty()),
            category: product.category.as_ref(),
            price: product.price,
            quantity: product.quantity,
        });
        let own = || Line {
            id: self.product(),
            category: self.text(PropertyId::CATEGORY),
            price: self.number(PropertyId::PRICE),
            quantity: self.number(PropertyId::QUANTITY),
        };
        let own = self.products.is_empty().then(own);
        let says_any = |line: &Line<'_>| line.id.is_some() || line.price.is_some();
        own.filter(says_any).into_iter().chain(listed)
    }

    /// When what a time or a date property says begins, in her zone.
    #[must_use]
    pub fn beginning(&self, id: PropertyId, zone: &dyn Fn() -> Zone) -> Option<Timestamp> {
        match self.property(id)? {
            Property::Time(time) => Some(*time),
            Property::Date(day) => Some(Timestamp::start_of_day(*day, &zone())),
            _ => None,
        }
    }

    /// Until when what a time or a date property says is in time: a day until its end in her zone.
    #[must_use]
    pub fn deadline(&self, id: PropertyId, zone: &dyn Fn() -> Zone) -> Option<Timestamp> {
        match self.property(id)? {
            Property::Time(time) => Some(*time),
            Property::Date(day) => Some(Timestamp::end_of_day(*day, &zone())),
            _ => None,
        }
    }
}
