//! The one documented schema of the profile: what expressions may name, with type, unit and meaning.
//!
//! A field is one row: its path after `profile.`, its type, its sentence, and how it is read. The
//! trigger language is checked against these rows and the reference page is made from them.

use super::Profile;
use super::apply::decayed;
use super::facts::Minor;
use crate::event::Type;
use crate::time::Timestamp;
use crate::value::Value;

/// Reads one field of a profile as of `now`.
pub type Read = for<'a> fn(&'a Profile, now: Timestamp) -> Value<'a>;

/// One field that expressions may name as `profile.PATH` (and `previous.PATH`).
#[derive(Debug)]
pub struct Field {
    /// Path after `profile.`
    pub path: &'static str,
    /// Type.
    pub kind: Type,
    /// What it is, with its unit.
    pub about: &'static str,
    /// How it is read.
    pub read: Read,
}

/// One family of fields with a key of the author's choice: `profile.PATH["key"]` or `profile.PATH.key`.
#[derive(Debug)]
pub struct KeyedField {
    /// Path after `profile.`
    pub path: &'static str,
    /// Type of every member; `None` where each key has its own, declared in the configuration.
    pub kind: Option<Type>,
    /// What it is, with its unit.
    pub about: &'static str,
    /// How the member of a key is read.
    pub read: for<'a> fn(&'a Profile, key: &str, now: Timestamp) -> Value<'a>,
}

macro_rules! field {
    ($path:literal, $kind:ident, $about:literal, $read:expr) => {
        Field {
            path: $path,
            kind: Type::$kind,
            about: $about,
            read: $read,
        }
    };
}

/// Every plain field, sorted by path.
pub static FIELDS: &[Field] = &[
    field!("addresses.email", Text, "e-mail address", |p, _| {
        Value::text(p.facts.addresses.email.as_ref())
    }),
    field!("addresses.phone", Text, "telephone number", |p, _| {
        Value::text(p.facts.addresses.phone.as_ref())
    }),
    field!("addresses.postal", Text, "postal address", |p, _| {
        Value::text(p.facts.addresses.postal.as_ref())
    }),
    field!(
        "addresses.push_token",
        Text,
        "device token for push",
        |p, _| Value::text(p.facts.addresses.push_token.as_ref())
    ),
    field!(
        "basket.cart_id",
        Text,
        "id of the cart last changed",
        |p, _| Value::text(p.facts.basket.cart_id.as_ref())
    ),
    field!(
        "basket.changed",
        Time,
        "last change of the basket",
        |p, _| Value::time(p.facts.basket.changed)
    ),
    field!("basket.items", Number, "pieces in the basket", |p, _| {
        Value::Number(
            p.facts
                .basket
                .lines
                .iter()
                .map(|l| f64::from(l.quantity))
                .sum(),
        )
    }),
    field!(
        "basket.products",
        List,
        "product ids in the basket, oldest first",
        |p, _| Value::List(
            p.facts
                .basket
                .lines
                .iter()
                .map(|l| l.product.as_str())
                .collect()
        )
    ),
    field!(
        "basket.value",
        Number,
        "value of the basket, major currency units",
        |p, _| Value::Number(major(p.facts.basket.value()))
    ),
    field!("consent", List, "channels with consent given", |p, _| {
        Value::List(
            p.facts
                .consent
                .iter()
                .filter(|c| c.given)
                .map(|c| c.channel.as_str())
                .collect(),
        )
    }),
    field!(
        "consent_refused",
        List,
        "channels with consent refused or taken back",
        |p, _| Value::List(
            p.facts
                .consent
                .iter()
                .filter(|consent| !consent.given)
                .map(|consent| consent.channel.as_str())
                .collect()
        )
    ),
    field!("contacts.count", Number, "treatments sent, ever", |p, _| {
        Value::Number(p.contacts.count.into())
    }),
    field!("contacts.last", Time, "last treatment sent", |p, _| {
        Value::time(p.contacts.last.as_ref().map(|(at, _)| *at))
    }),
    field!(
        "contacts.last_channel",
        Text,
        "channel of the last treatment",
        |p, _| Value::text(p.contacts.last.as_ref().map(|(_, channel)| channel))
    ),
    field!("country", Text, "country", |p, _| Value::text(
        p.facts.country.as_ref()
    )),
    field!("deliveries.count", Number, "parcels delivered", |p, _| {
        Value::Number(p.facts.deliveries.delivered.into())
    }),
    field!(
        "deliveries.last",
        Time,
        "last delivery",
        |p, _| Value::time(p.facts.deliveries.last)
    ),
    field!(
        "deliveries.late",
        Number,
        "parcels delivered after the time promised, or failed",
        |p, _| Value::Number(p.facts.deliveries.late.into())
    ),
    field!(
        "deliveries.under_way",
        Number,
        "parcels shipped and not delivered",
        |p, _| Value::Number(count(p.facts.deliveries.under_way.len()))
    ),
    field!("first_seen", Time, "first event", |p, _| Value::time(
        p.facts.first_seen
    )),
    field!(
        "known",
        Bool,
        "known by a user id, not only an anonymous one",
        |p, _| Value::Bool(p.facts.known)
    ),
    field!(
        "last_order",
        Time,
        "last order; the same as orders.last",
        |p, _| Value::time(p.facts.orders.last)
    ),
    field!("last_seen", Time, "last event", |p, _| Value::time(
        p.facts.last_seen
    )),
    field!("locale", Text, "language tag", |p, _| Value::text(
        p.facts.locale.as_ref()
    )),
    field!("messages.clicked", Number, "messages clicked", |p, _| {
        Value::Number(p.facts.messages.clicked.into())
    }),
    field!(
        "messages.last",
        Time,
        "last reaction to a message",
        |p, _| Value::time(p.facts.messages.last)
    ),
    field!("messages.opened", Number, "messages opened", |p, _| {
        Value::Number(p.facts.messages.opened.into())
    }),
    field!(
        "messages.unanswered",
        Number,
        "messages delivered since the last reaction to one",
        |p, _| Value::Number(p.facts.unanswered.into())
    ),
    field!("nps.at", Time, "last NPS answer", |p, _| Value::time(
        p.facts.nps.map(|(_, at)| at)
    )),
    field!(
        "nps.score",
        Number,
        "score (0 to 10) of the last NPS answer",
        |p, _| Value::number(p.facts.nps.map(|(score, _)| score.into()))
    ),
    field!(
        "orders.average",
        Number,
        "average order value, major currency units",
        |p, _| {
            let orders = &p.facts.orders;
            Value::number((orders.count > 0).then(|| major(orders.value) / f64::from(orders.count)))
        }
    ),
    field!("orders.count", Number, "orders", |p, _| Value::Number(
        p.facts.orders.count.into()
    )),
    field!(
        "orders.currency",
        Text,
        "currency of the order values",
        |p, _| Value::text(p.facts.orders.currency.as_ref())
    ),
    field!("orders.first", Time, "first order", |p, _| Value::time(
        p.facts.orders.first
    )),
    field!("orders.last", Time, "last order", |p, _| Value::time(
        p.facts.orders.last
    )),
    field!(
        "orders.last_value",
        Number,
        "value of the last order, major currency units",
        |p, _| Value::number(p.facts.orders.recent.last().map(|(_, value)| major(*value)))
    ),
    field!(
        "orders.undone",
        Number,
        "orders refunded or cancelled",
        |p, _| Value::Number(p.facts.orders.undone.into())
    ),
    field!(
        "orders.value",
        Number,
        "value of all orders, major currency units",
        |p, _| Value::Number(major(p.facts.orders.value))
    ),
    field!(
        "rhythm.gaps",
        Number,
        "gaps between distinct purchase days",
        |p, _| Value::Number(p.facts.orders.rhythm.gaps.into())
    ),
    field!(
        "rhythm.mean",
        Number,
        "mean gap between purchase days, days",
        |p, _| Value::number(p.facts.orders.rhythm.mean())
    ),
    field!(
        "rhythm.deviation",
        Number,
        "sample standard deviation of those gaps, days",
        |p, _| Value::number(p.facts.orders.rhythm.deviation())
    ),
    field!(
        "sessions.count",
        Number,
        "visits; events half an hour apart belong to two",
        |p, _| Value::Number(p.facts.sessions.count.into())
    ),
    field!(
        "sessions.last",
        Time,
        "last event of the last visit",
        |p, _| Value::time(p.facts.sessions.last)
    ),
    field!(
        "sessions.started",
        Time,
        "start of the last visit",
        |p, _| Value::time(p.facts.sessions.started)
    ),
    field!(
        "shares.count",
        Number,
        "times she passed a product, a basket or content on to others",
        |p, _| Value::Number(p.facts.shares.count.into())
    ),
    field!("shares.last", Time, "the last of them", |p, _| Value::time(
        p.facts.shares.last
    )),
    field!("signed_up", Time, "when she signed up", |p, _| Value::time(
        p.facts.signed_up
    )),
    field!("support.chats", Number, "live chats", |p, _| Value::Number(
        p.facts.support.chats.into()
    )),
    field!("support.last", Time, "last ticket or chat", |p, _| {
        Value::time(p.facts.support.last)
    }),
    field!(
        "support.open",
        Number,
        "tickets opened and not solved",
        |p, _| Value::Number(
            p.facts
                .support
                .tickets
                .saturating_sub(p.facts.support.solved)
                .into()
        )
    ),
    field!("support.tickets", Number, "tickets opened", |p, _| {
        Value::Number(p.facts.support.tickets.into())
    }),
    field!("timezone", Text, "IANA time zone", |p, _| Value::text(
        p.facts.timezone.as_ref()
    )),
    field!(
        "top_interest",
        Text,
        "category of the highest interest",
        |p, now| {
            let best = p
                .facts
                .interests
                .iter()
                .max_by(|a, b| decayed(a, now).total_cmp(&decayed(b, now)));
            Value::text(best.map(|interest| &interest.category))
        }
    ),
    field!(
        "touchpoints.first.campaign",
        Text,
        "campaign of the first touchpoint",
        |p, _| Value::text(
            p.facts
                .touchpoints
                .first
                .as_ref()
                .and_then(|(_, t)| t.campaign.as_ref())
        )
    ),
    field!(
        "touchpoints.first.medium",
        Text,
        "medium of the first touchpoint",
        |p, _| Value::text(
            p.facts
                .touchpoints
                .first
                .as_ref()
                .and_then(|(_, t)| t.medium.as_ref())
        )
    ),
    field!(
        "touchpoints.first.source",
        Text,
        "source of the first touchpoint",
        |p, _| Value::text(
            p.facts
                .touchpoints
                .first
                .as_ref()
                .and_then(|(_, t)| t.source.as_ref())
        )
    ),
    field!(
        "touchpoints.last.campaign",
        Text,
        "campaign of the last touchpoint",
        |p, _| Value::text(
            p.facts
                .touchpoints
                .last
                .as_ref()
                .and_then(|(_, t)| t.campaign.as_ref())
        )
    ),
    field!(
        "touchpoints.last.medium",
        Text,
        "medium of the last touchpoint",
        |p, _| Value::text(
            p.facts
                .touchpoints
                .last
                .as_ref()
                .and_then(|(_, t)| t.medium.as_ref())
        )
    ),
    field!(
        "touchpoints.last.source",
        Text,
        "source of the last touchpoint",
        |p, _| Value::text(
            p.facts
                .touchpoints
                .last
                .as_ref()
                .and_then(|(_, t)| t.source.as_ref())
        )
    ),
    field!(
        "viewed",
        List,
        "products viewed lately, newest last",
        |p, _| Value::texts(&p.facts.viewed)
    ),
    field!(
        "wishlist.count",
        Number,
        "products on the wish list",
        |p, _| Value::Number(count(p.facts.wishlist.len()))
    ),
    field!(
        "wishlist.products",
        List,
        "product ids on the wish list, oldest first",
        |p, _| Value::texts(&p.facts.wishlist)
    ),
];

/// Every keyed field.
pub static KEYED_FIELDS: &[KeyedField] = &[
    KeyedField {
        path: "attributes",
        kind: None,
        about: "the company's own attributes, declared in the configuration under [attributes]",
        read: |p, key, _| {
            let found = p.facts.attributes.iter().find(|(name, _)| name == key);
            found.map_or(Value::Null, |(_, value)| Value::of(value))
        },
    },
    KeyedField {
        path: "interests",
        kind: Some(Type::Number),
        about: "interest in a category: a view adds 1, a product put in the basket 3, and it halves every 30 days",
        read: |p, key, now| {
            let found = p
                .facts
                .interests
                .iter()
                .find(|interest| interest.category == key);
            Value::Number(found.map_or(0.0, |interest| decayed(interest, now)))
        },
    },
];

/// Minor units as major ones.
#[must_use]
pub fn major(minor: Minor) -> f64 {
    #[expect(
        clippy::cast_precision_loss,
        reason = "amounts stay far below 2^53 hundredths"
    )]
    let minor = minor as f64;
    minor / 100.0
}

fn count(len: usize) -> f64 {
    u32::try_from(len).map_or(f64::MAX, f64::from)
}
