//! Twenty real shop sessions, four weeks of 2022, as if they happened in the four weeks of the demo.
//!
//! What people looked at, put in their basket and bought, and when, is theirs; the data holds no names, prices or consent, so
//! those are made up.

use serde::Deserialize;
use serde_json::json;
use xxhash_rust::xxh3::xxh3_64;

use super::population::{Call, Caller};
use crate::config::InputKind;
use crate::time::Timestamp;

/// Where the data is from; it must be named where it is used.
pub const ATTRIBUTION: &str = "OTTO dataset (otto-de/recsys-dataset), CC-BY 4.0";
/// When the four weeks of the data begin: midnight of a Monday, where the shop is.
pub const BEGINS: Timestamp = Timestamp(1_659_304_800_000);

const DATA: &str = include_str!("../../tests/fixtures/otto-train-20sessions.jsonl");
const MINUTE_MS: i64 = 60_000;

#[derive(Deserialize)]
struct Session {
    session: u64,
    events: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    aid: u64,
    ts: i64,
    #[serde(rename = "type")]
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Clicks,
    Carts,
    Orders,
}

/// The calls of all sessions in order of time, the first at `begins`.
///
/// # Errors
/// Where the data, which is part of the program, is not what it should be.
pub fn calls(begins: Timestamp) -> Result<Vec<Call>, serde_json::Error> {
    let shift = begins.0 - BEGINS.0;
    let mut calls = Vec::new();
    for line in DATA.lines() {
        let Session { session, events } = serde_json::from_str(line)?;
        let mut caller = Caller::new(compact_str::format_compact!("otto-{session}"), true);
        calls.push(caller.identify(begins.plus(-MINUTE_MS), traits(session)));
        // What was ordered at one instant is one order.
        for rows in
            events.chunk_by(|a, b| a.kind == Kind::Orders && b.kind == Kind::Orders && a.ts == b.ts)
        {
            calls.push(call(&mut caller, rows, Timestamp(rows[0].ts + shift)));
        }
    }
    calls.sort_by_key(|call| call.at);
    Ok(calls)
}

fn call(caller: &mut Caller, rows: &[Row], at: Timestamp) -> Call {
    let row = &rows[0];
    let (topic, event) = match row.kind {
        Kind::Clicks => (InputKind::Clickstream, "Product Viewed"),
        Kind::Carts => (InputKind::Cart, "Product Added"),
        Kind::Orders => {
            let total: u64 = rows.iter().map(|row| price(row.aid)).sum();
            let products: Vec<_> = rows.iter().map(|row| of_article(row.aid)).collect();
            let order = format!("{}-{}", caller.customer, row.ts);
            let of = json!({ "order_id": order, "total": total, "currency": "EUR", "products": products });
            return caller.track(at, InputKind::Purchase, "Order Completed", of);
        }
    };
    caller.track(at, topic, event, of_article(row.aid))
}

fn of_article(article: u64) -> serde_json::Value {
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
fn traits(session: u64) -> serde_json::Value {
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
        let orders: Vec<_> = calls
            .iter()
            .filter(|call| call.topic == InputKind::Purchase)
            .collect();
        let things = orders
            .iter()
            .filter_map(|call| Some(call.value["properties"]["products"].as_array()?.len()));
        assert_eq!(things.sum::<usize>(), 10);
        let last = calls.last().expect("calls").at;
        assert!(last > Timestamp(27 * DAY_MS) && last < Timestamp(28 * DAY_MS));
    }
}
