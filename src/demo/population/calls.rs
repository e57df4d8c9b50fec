//! Calls in Segment's format, as producers write them.

use serde_json::{Value, json};

use super::catalogue::{Article, euros};
use crate::config::InputKind;
use crate::event::Text;
use crate::time::Timestamp;

/// One call: what a producer puts on a topic.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// When it happened.
    pub at: Timestamp,
    /// Which topic it belongs on.
    pub topic: InputKind,
    /// Whose: the record's key.
    pub customer: Text,
    /// The record's value.
    pub value: Value,
}

/// Numbers the calls of one customer.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Whose.
    pub customer: Text,
    /// By a user id; else by an anonymous one.
    pub known: bool,
    made: u32,
}

impl Caller {
    /// Has made no call yet.
    #[must_use]
    pub fn new(customer: Text, known: bool) -> Self {
        Self {
            customer,
            known,
            made: 0,
        }
    }

    /// Something happened.
    pub fn track(&mut self, at: Timestamp, topic: InputKind, event: &str, of: Value) -> Call {
        let mut call = self.call(at, topic, "track");
        call.value["event"] = event.into();
        call.value["properties"] = of;
        call
    }

    /// Something is known of the customer.
    pub fn identify(&mut self, at: Timestamp, traits: Value) -> Call {
        let mut call = self.call(at, InputKind::Profile, "identify");
        call.value["traits"] = traits;
        call
    }

    fn call(&mut self, at: Timestamp, topic: InputKind, kind: &str) -> Call {
        self.made += 1;
        let id = if self.known { "userId" } else { "anonymousId" };
        Call {
            at,
            topic,
            customer: self.customer.clone(),
            value: json!({
                "type": kind,
                "messageId": format!("{}-{}", self.customer, self.made),
                id: self.customer.as_str(),
                "timestamp": at.to_string(),
            }),
        }
    }
}

/// An article as the properties of a product event.
#[must_use]
pub fn of_article(article: &Article) -> Value {
    json!({
        "product_id": article.id,
        "name": article.name,
        "category": article.category,
        "price": euros(article.price),
        "quantity": 1,
        "currency": "EUR",
    })
}
