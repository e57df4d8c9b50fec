//! OTTO sessions (one JSON object a session) as clickstream, cart and purchase events. A session stands for a customer.
//!
//! Each row of the data is one event, so an order of three products is three `Order Completed` with one `order_id`:
//! counts stay those of the data set.

use std::fs::File;
use std::io::{self, BufRead, BufWriter, Write};
use std::path::Path;

use moments::demo::otto::{Kind, Row, Session, sessions};

use super::{Product, Properties, Track, write_line};

/// The sample's file name, as a fixture and beside the checkout.
pub const FILE: &str = "otto-train-20sessions.jsonl";

/// The topics an OTTO event can belong to, with the file of each as [`convert_to_topics`] names it.
pub const TOPIC_FILES: [&str; 3] = ["cart.jsonl", "clickstream.jsonl", "purchase.jsonl"];

/// Writes every event as a track line, by time over all sessions (then session, then the order of the data).
/// Returns how many.
pub fn convert(raw: impl BufRead, mut out: impl Write) -> io::Result<usize> {
    let events = read(raw)?;
    for (_, track) in &events {
        write_line(&mut out, track)?;
    }
    out.flush()?;
    Ok(events.len())
}

/// The same into `clickstream.jsonl` (views), `cart.jsonl` (adds) and `purchase.jsonl` (orders) of a folder.
pub fn convert_to_topics(raw: impl BufRead, folder: &Path) -> io::Result<usize> {
    let [cart, clickstream, purchase] =
        TOPIC_FILES.map(|name| File::create(folder.join(name)).map(BufWriter::new));
    let (mut cart, mut clickstream, mut purchase) = (cart?, clickstream?, purchase?);
    let events = read(raw)?;
    for (kind, track) in &events {
        let topic = match kind {
            Kind::Clicks => &mut clickstream,
            Kind::Carts => &mut cart,
            Kind::Orders => &mut purchase,
        };
        write_line(topic, track)?;
    }
    for mut topic in [cart, clickstream, purchase] {
        topic.flush()?;
    }
    Ok(events.len())
}

fn read(raw: impl BufRead) -> io::Result<Vec<(Kind, Track)>> {
    let mut rows = Vec::new();
    for Session { session, events } in sessions(raw)? {
        for (n, row) in (1..).zip(events) {
            rows.push((row.ts, session, n, row));
        }
    }
    rows.sort_by_key(|&(ts, session, n, _)| (ts, session, n));
    Ok(rows
        .into_iter()
        .map(|(_, session, n, row)| (row.kind, track(session, n, &row)))
        .collect())
}

fn track(session: u64, n: u64, row: &Row) -> Track {
    let product_id = row.aid.to_string();
    let (event, properties) = match row.kind {
        Kind::Clicks => ("Product Viewed", of_product(product_id)),
        Kind::Carts => ("Product Added", of_product(product_id)),
        Kind::Orders => {
            let product = Product {
                product_id,
                price: None,
                quantity: None,
            };
            let properties = Properties {
                order_id: Some(format!("{session}-{}", row.ts)),
                products: vec![product],
                ..Properties::default()
            };
            ("Order Completed", properties)
        }
    };
    Track::new(
        format!("otto-{session}-{n}"),
        session.to_string(),
        event,
        row.ts,
        properties,
    )
}

fn of_product(product_id: String) -> Properties {
    Properties {
        product_id: Some(product_id),
        ..Properties::default()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{fixture, open};
    use super::*;

    #[test]
    fn every_row_is_one_event_in_the_order_of_time() {
        let mut out = Vec::new();
        let count = convert(open(&fixture(FILE)).expect("fixture"), &mut out).expect("otto");
        assert_eq!(count, 862);
        let lines: Vec<String> = out.lines().map(|line| line.expect("text")).collect();
        assert_eq!(
            lines[0],
            concat!(
                r#"{"type":"track","messageId":"otto-0-1","userId":"0","event":"Product Viewed","#,
                r#""timestamp":"2022-07-31T22:00:00.025Z","properties":{"product_id":"1517085"}}"#
            )
        );
        let order = lines.iter().find(|line| line.contains("Order Completed"));
        assert_eq!(
            order.expect("an order"),
            concat!(
                r#"{"type":"track","messageId":"otto-4-3","userId":"4","event":"Order Completed","#,
                r#""timestamp":"2022-07-31T22:01:40.468Z","properties":{"order_id":"4-1659304900468","#,
                r#""products":[{"product_id":"298827"}]}}"#
            )
        );
        let times: Vec<i64> = lines
            .iter()
            .map(|line| {
                serde_json::from_str::<Track>(line)
                    .expect("track")
                    .time_ms()
            })
            .collect();
        assert!(times.is_sorted());
    }

    #[test]
    fn topics_hold_the_same_events_apart() {
        let folder = tempfile::tempdir().expect("a folder");
        let raw = open(&fixture(FILE)).expect("fixture");
        assert_eq!(convert_to_topics(raw, folder.path()).expect("otto"), 862);
        let lines = TOPIC_FILES.map(|name| {
            let topic = open(&folder.path().join(name)).expect("topic");
            topic.lines().count()
        });
        assert_eq!(lines, [52, 800, 10]);
    }
}
