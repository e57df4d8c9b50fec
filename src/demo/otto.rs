//! Twenty real shop sessions, four weeks of 2022, as if they happened in the four weeks of the demo.
//!
//! What people looked at, put in their basket and bought, and when, is theirs; the data holds no names, prices or consent, so
//! those are made up.

use std::io::{self, BufRead};

use serde::Deserialize;
use serde_json::{Value, json};
use xxhash_rust::xxh3::xxh3_64;

use super::call::Call;
use crate::config::InputKind;
use crate::event::Text;
use crate::time::Timestamp;

/// Where the data is from; it must be named where it is used.
pub const ATTRIBUTION: &str = "OTTO dataset (otto-de/recsys-dataset), CC-BY 4.0";
/// When the four weeks of the data begin: midnight of a Monday, where the shop is.
pub const BEGINS: Timestamp = Timestamp(1_659_304_800_000);

const DATA: &str = include_str!("../../tests/fixtures/otto-train-20sessions.jsonl");
const MINUTE_MS: i64 = 60_000;

/// A line of the data: what one visitor did.
#[derive(Debug, Deserialize)]
pub struct Session {
    /// Whose.
    pub session: u64,
    /// In order of time.
    pub events: Vec<Row>,
}

/// Something done to one article.
#[derive(Debug, Deserialize)]
pub struct Row {
    /// The article.
    pub aid: u64,
    /// Milliseconds since 1970.
    pub ts: i64,
    /// What.
    #[serde(rename = "type")]
    pub kind: Kind,
}

/// What is done to an article.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Looked at.
    Clicks,
    /// Put into the basket.
    Carts,
    /// Ordered.
    Orders,
}

/// Reads sessions, one JSON object a line.
///
/// # Errors
/// Where a line cannot be read, or is none.
pub fn sessions(raw: impl BufRead) -> io::Result<Vec<Session>> {
    raw.lines()
        .map(|line| Ok(serde_json::from_str(&line?)?))
        .collect()
}

/// The calls of all sessions in order of time, the first at `begins`.
///
/// # Errors
/// Where the data, which is part of the program, is not what it should be.
pub(super) fn calls(begins: Timestamp) -> io::Result<Vec<Call>> {
    let shift = begins.0 - BEGINS.0;
    let mut calls = Vec::new();
    for Session { session, events } in sessions(DATA.as_bytes())? {
        let mut visitor = Visitor {
            customer: compact_str::format_compact!("otto-{session}"),
            made: 0,
        };
        calls.push(visitor.call(
            begins.plus(-MINUTE_MS),
            InputKind::Profile,
            json!({ "type": "identify", "traits": traits(session) }),
        ));
        // What was ordered at one instant is one order.
        for rows in
            events.chunk_by(|a, b| a.kind == Kind::Orders && b.kind == Kind::Orders && a.ts == b.ts)
        {
            calls.push(visitor.does(rows, Timestamp(rows[0].ts + shift)));
        }
    }
    calls.sort_by_key(|call| call.at);
    Ok(calls)
}

/// Numbers the calls of one session.
struct Visitor {
    customer: Text,
    made: u32,
}

impl Visitor {
    fn does(&mut self, rows: &[Row], at: Timestamp) -> Call {
        let row = &rows[0];
        let (topic, event, of) = match row.kind {
            Kind::Clicks => (
                InputKind::Clickstream,
                "Product Viewed",
                of_article(row.aid),
            ),
            Kind::Carts => (InputKind::Cart, "Product Added", of_article(row.aid)),
            Kind::Orders => {
                let total: u64 = rows.iter().map(|row| price(row.aid)).sum();
                let products: Vec<_> = rows.iter().map(|row| of_article(row.aid)).collect();
                let order = format!("{}-{}", self.customer, row.ts);
                let of = json!({ "order_id": order, "total": total, "currency": "EUR", "products": products });
                (InputKind::Purchase, "Order Completed", of)
            }
        };
        let track = json!({ "type": "track", "event": event, "properties": of });
        self.call(at, topic, track)
    }

    fn call(&mut self, at: Timestamp, topic: InputKind, mut value: Value) -> Call {
        self.made += 1;
        value["userId"] = self.customer.as_str().into();
        value["messageId"] = format!("{}-{}", self.customer, self.made).into();
        value["timestamp"] = at.to_string().into();
        Call {
            at,
            topic,
            customer: self.customer.clone(),
            value: value.to_string().into_bytes(),
        }
    }
}

fn of_article(article: u64) -> Value {
    json!({
        "product_id": article.to_string(),
        "name": format!("article {article}"),
        "price": price(article),
        "quantity": 1,
    })
}

/// Made up: from 5 to 99, always the same for one article.
fn price(article: u64) -> u64 {
    5 + xxh3_64(&article.to_le_bytes()) % 95
}

/// Made up: two of three say yes to e-mail.
fn traits(session: u64) -> Value {
    json!({
        "email": format!("otto-{session}@example.com"),
        "timezone": "Europe/Berlin",
        "country": "DE",
        "consent": { "email": !session.is_multiple_of(3) },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::DAY_MS;

    #[test]
    fn it_is_all_of_the_data_in_four_weeks() {
        let calls = calls(Timestamp(0)).expect("the data");
        assert!(calls.is_sorted_by_key(|call| call.at));
        let of = |kind| calls.iter().filter(|call| call.topic == kind).count();
        assert_eq!(
            (
                of(InputKind::Clickstream),
                of(InputKind::Cart),
                of(InputKind::Profile)
            ),
            (800, 52, 20)
        );
        // Ten things in so many orders.
        let orders = calls
            .iter()
            .filter(|call| call.topic == InputKind::Purchase);
        let things = orders.map(|call| {
            let value: Value = serde_json::from_slice(&call.value).expect("JSON");
            value["properties"]["products"]
                .as_array()
                .map_or(0, Vec::len)
        });
        assert_eq!(things.sum::<usize>(), 10);
        let last = calls.last().expect("calls").at;
        assert!(last > Timestamp(27 * DAY_MS) && last < Timestamp(28 * DAY_MS));
    }
}
