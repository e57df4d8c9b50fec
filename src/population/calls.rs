//! Calls in Segment's format, as producers write them, gathered by when they happen.

use std::collections::BTreeMap;

use serde::Serialize;

use super::catalogue::{Product, euros};
use super::truth::Truth;
use crate::config::InputKind;
use crate::event::Text;
use crate::time::Timestamp;

/// What happens in one window of time to the customers of one shard, not yet in order.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// Keys and values, one after the other.
    pub bytes: Vec<u8>,
    pub entries: Vec<Entry>,
}

/// Where a call is among the bytes, and its place in the order of time: by time, customer, and call of the customer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub at: Timestamp,
    pub number: u64,
    pub made: u32,
    pub key_bytes: u32,
    pub start: usize,
    pub end: usize,
    /// Which topic; none for a truth.
    pub topic: Option<InputKind>,
}

/// What is to come, by window.
#[derive(Debug)]
pub(super) struct Agenda {
    pub from: Timestamp,
    pub window_ms: i64,
    /// Before this no clicks and no baskets are told.
    pub browsing_from: Timestamp,
    pub batches: BTreeMap<i64, Batch>,
}

impl Agenda {
    /// The number of the window that an instant lies in.
    pub fn window(&self, at: Timestamp) -> i64 {
        (at.0 - self.from.0).div_euclid(self.window_ms)
    }
}

/// One customer's calls, numbered.
pub(super) struct Teller<'a> {
    /// The record's key.
    pub customer: Text,
    /// By a user id; else by an anonymous one.
    pub known: bool,
    pub number: u64,
    /// How many calls she has made.
    pub made: u32,
    pub agenda: &'a mut Agenda,
}

#[derive(Serialize)]
struct Call<'a, P> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<&'static str>,
    #[serde(rename = "userId", skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(rename = "anonymousId", skip_serializing_if = "Option::is_none")]
    visitor: Option<&'a str>,
    #[serde(rename = "messageId")]
    id: &'a str,
    timestamp: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    properties: Option<&'a P>,
    #[serde(skip_serializing_if = "Option::is_none")]
    traits: Option<&'a P>,
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<Context>,
}

/// Where a visit came from.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Context {
    campaign: Campaign,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct Campaign {
    source: &'static str,
    medium: &'static str,
    name: &'static str,
}

impl Context {
    pub const fn new(source: &'static str, medium: &'static str, name: &'static str) -> Self {
        Self {
            campaign: Campaign {
                source,
                medium,
                name,
            },
        }
    }
}

impl Teller<'_> {
    /// Something happened.
    pub fn track(
        &mut self,
        at: Timestamp,
        topic: InputKind,
        event: &'static str,
        of: &impl Serialize,
    ) {
        self.track_from(at, topic, event, of, None);
    }

    /// Something happened, and she came from there.
    pub fn track_from(
        &mut self,
        at: Timestamp,
        topic: InputKind,
        event: &'static str,
        of: &impl Serialize,
        context: Option<Context>,
    ) {
        let is_fleeting = matches!(topic, InputKind::Cart | InputKind::Clickstream);
        self.call(
            at,
            topic,
            is_fleeting,
            "track",
            Some(event),
            (Some(of), None),
            context,
        );
    }

    /// She looks at a page of the site, or a screen of the app.
    pub fn page(
        &mut self,
        at: Timestamp,
        is_app: bool,
        of: &impl Serialize,
        context: Option<Context>,
    ) {
        let kind = if is_app { "screen" } else { "page" };
        self.call(
            at,
            InputKind::Clickstream,
            true,
            kind,
            None,
            (Some(of), None),
            context,
        );
    }

    /// Something is known of the customer.
    pub fn identify(&mut self, at: Timestamp, traits: &impl Serialize) {
        self.call(
            at,
            InputKind::Profile,
            false,
            "identify",
            None,
            (None, Some(traits)),
            None,
        );
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of a call")]
    fn call<P: Serialize>(
        &mut self,
        at: Timestamp,
        topic: InputKind,
        is_fleeting: bool,
        kind: &'static str,
        event: Option<&'static str>,
        (properties, traits): (Option<&P>, Option<&P>),
        context: Option<Context>,
    ) {
        self.made += 1;
        if is_fleeting && at < self.agenda.browsing_from {
            return;
        }
        let customer = self.customer.clone();
        let call = Call {
            kind,
            event,
            user: self.known.then_some(customer.as_str()),
            visitor: (!self.known).then_some(customer.as_str()),
            id: &compact_str::format_compact!("{}-{}", customer, self.made),
            timestamp: &compact_str::format_compact!("{at}"),
            properties,
            traits,
            context,
        };
        self.write(at, Some(topic), &call);
    }

    /// Something is true.
    pub fn truth(&mut self, at: Timestamp, truth: &Truth) {
        self.made += 1;
        let is_fleeting = matches!(truth, Truth::BasketLeft { .. });
        if !is_fleeting || at >= self.agenda.browsing_from {
            self.write(at, None, truth);
        }
    }

    fn write(&mut self, at: Timestamp, topic: Option<InputKind>, value: &impl Serialize) {
        let window = self.agenda.window(at);
        let batch = self.agenda.batches.entry(window).or_default();
        let start = batch.bytes.len();
        batch.bytes.extend_from_slice(self.customer.as_bytes());
        serde_json::to_writer(&mut batch.bytes, value).expect("plain data into memory");
        batch.entries.push(Entry {
            at,
            number: self.number,
            made: self.made,
            key_bytes: u32::try_from(self.customer.len()).unwrap_or(0),
            start,
            end: batch.bytes.len(),
            topic,
        });
    }
}

/// A product, as the properties of a product event.
#[derive(Serialize)]
pub(super) struct ProductOf<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    cart_id: Option<&'a str>,
    product_id: &'a str,
    name: &'a str,
    category: &'static str,
    price: f64,
    quantity: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    currency: Option<&'static str>,
}

impl<'a> ProductOf<'a> {
    /// Looked at.
    pub fn seen(product: &'a Product) -> Self {
        Self {
            cart_id: None,
            product_id: &product.id,
            name: &product.name,
            category: product.category,
            price: euros(product.price),
            quantity: 1,
            currency: Some("EUR"),
        }
    }

    /// In a basket.
    pub fn carted(product: &'a Product, cart_id: &'a str) -> Self {
        Self {
            cart_id: Some(cart_id),
            ..Self::seen(product)
        }
    }

    /// A line of an order.
    pub fn line(product: &'a Product) -> Self {
        Self {
            currency: None,
            ..Self::seen(product)
        }
    }
}
