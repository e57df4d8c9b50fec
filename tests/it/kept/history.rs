//! The history that was kept, as it is written down beside the fixture: lines of time, customer, event, properties, context.

use std::fs;

use moments::runtime::murmur2;
use moments::time::{DAY_MS, Timestamp};
use serde_json::{Map, Value, json};

use super::fixture::directory;
use crate::support::kafka::NewRecord;

/// Partitions of every topic.
pub const PARTITIONS: i32 = 3;
/// The day from which on the second set of triggers is in force.
pub const RELOAD_DAY: i64 = 120;
/// Customers whose lives are made up by rule.
const REGULARS: i64 = 14;

/// A record of an input topic.
#[derive(Clone, Debug)]
pub struct Happening {
    /// `cart`, `clickstream` and so on.
    pub topic: &'static str,
    /// Where it stands in the order of production.
    pub place: Timestamp,
    /// Key, value, headers.
    pub record: NewRecord,
}

/// What the second half is made of.
#[derive(Debug)]
pub enum Deed {
    /// A record comes.
    Happening(Happening),
    /// This set of triggers is published.
    Publish(String),
}

impl Happening {
    /// The partition of its key.
    pub fn partition(&self) -> i32 {
        murmur2::partition(self.record.key.as_deref().unwrap_or_default(), PARTITIONS)
    }
}

/// The lines of a file, in order; message ids begin with `prefix`.
pub fn read(file: &str, prefix: &str) -> Vec<Deed> {
    let path = directory().join("history").join(file);
    let text = fs::read_to_string(&path).expect("a history");
    let lines = text.lines().map(str::trim_end);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut place = Timestamp::MIN;
    let mut deeds = Vec::new();
    for (number, line) in (1..).zip(lines) {
        if let Some(set) = line.strip_prefix("publish ") {
            deeds.push(Deed::Publish(set.to_owned()));
            continue;
        }
        let (later, line) = line
            .strip_prefix("later ")
            .map_or((false, line), |line| (true, line));
        let parts: Vec<&str> = line.split('|').collect();
        let time = time(parts[0]);
        if !later {
            place = time;
        }
        for customer in customers(parts[1]) {
            let id = format!(
                "{prefix}-{number}{}",
                customer.strip_prefix("mover").unwrap_or("")
            );
            deeds.push(Deed::Happening(happening(
                &parts, &customer, time, place, &id,
            )));
        }
    }
    deeds
}

/// The records among deeds.
pub fn happenings(deeds: Vec<Deed>) -> Vec<Happening> {
    let record = |deed| match deed {
        Deed::Happening(happening) => Some(happening),
        Deed::Publish(_) => None,
    };
    deeds.into_iter().filter_map(record).collect()
}

/// Everything but the last of the first half, in order of production.
pub fn first() -> Vec<Happening> {
    let mut all = happenings(read("first.txt", "f"));
    for number in 0..REGULARS {
        all.extend(regular(number));
    }
    all.sort_by_key(|happening| happening.place);
    all
}

/// The day of 2060 and the time of it.
fn time(text: &str) -> Timestamp {
    let (day, clock) = text.split_once(' ').expect("a day and a time");
    let clock = Timestamp::parse(&format!("2060-01-01T{clock}Z")).expect("a time");
    clock.plus(day.parse::<i64>().expect("a day") * DAY_MS)
}

/// `mover` stands for one in each partition, so that time moves in all of them.
fn customers(name: &str) -> Vec<String> {
    if name != "mover" {
        return vec![name.to_owned()];
    }
    let mover = |partition| {
        let names = (0..).map(|number| format!("mover-{number}"));
        let mut fitting =
            names.filter(move |name| murmur2::partition(name.as_bytes(), PARTITIONS) == partition);
        fitting.next().expect("one of them is in each partition")
    };
    (0..PARTITIONS).map(mover).collect()
}

fn happening(
    parts: &[&str],
    customer: &str,
    time: Timestamp,
    place: Timestamp,
    id: &str,
) -> Happening {
    let (anonymous, customer) = customer
        .strip_prefix("anon:")
        .map_or((false, customer), |customer| (true, customer));
    let (name, body) = (parts[2], parts[3]);
    if name == "raw" {
        return Happening {
            topic: "purchase",
            place,
            record: NewRecord::keyed(customer, body),
        };
    }
    let mut context: Map<String, Value> = parts
        .get(4)
        .map(|text| serde_json::from_str(text).expect("a context"))
        .unwrap_or_default();
    let id = context.remove("id").unwrap_or_else(|| json!(id));
    let traceparent = context.remove("traceparent");
    let body: Value = serde_json::from_str(body).unwrap_or_else(|_| panic!("JSON: {body}"));
    let mut event = match name {
        "Identify" => json!({"type": "identify", "traits": body}),
        name => json!({"type": "track", "event": name, "properties": body}),
    };
    event[if anonymous { "anonymousId" } else { "userId" }] = json!(customer);
    event["timestamp"] = json!(time);
    if id != "" {
        event["messageId"] = id;
    }
    if !context.is_empty() {
        event["context"] = Value::Object(context);
    }
    let record = NewRecord::keyed(customer, event.to_string());
    Happening {
        topic: topic(name),
        place,
        record: match traceparent.as_ref().and_then(Value::as_str) {
            Some(text) => record.with_header("traceparent", text),
            None => record,
        },
    }
}

fn topic(event: &str) -> &'static str {
    let begins = |words: &[&str]| words.iter().any(|word| event.starts_with(word));
    if event == "Identify" {
        "profile"
    } else if begins(&["Email", "Push", "Unsubscribed"]) {
        "outcomes"
    } else if begins(&[
        "Order Completed",
        "Order Refunded",
        "Order Cancelled",
        "Signed Up",
    ]) {
        "purchase"
    } else if begins(&[
        "Order", "Delivery", "Support", "NPS", "Live", "Call", "Customer",
    ]) {
        "support"
    } else if begins(&["Product Added", "Product Removed", "Cart", "Wishlist"]) {
        "cart"
    } else {
        "clickstream"
    }
}

/// One who buys, looks and opens the application by a rhythm of her own, and falls out of it.
fn regular(number: i64) -> Vec<Happening> {
    let customer = format!("regular-{number:02}");
    let mut count = 0;
    let mut all = Vec::new();
    let mut add = |day: i64, minute: i64, name: &str, body: Value| {
        count += 1;
        let clock = format!("{day} {:02}:{:02}:00", 10 + minute / 60, minute % 60);
        let (id, time) = (format!("r-{number}-{count}"), time(&clock));
        let parts = ["", "", name, &body.to_string()];
        all.push(happening(&parts, &customer, time, time, &id));
    };
    let consents =
        json!({"email": number % 3 != 0, "push": number % 4 == 0, "ad-audience": number % 5 == 0});
    let traits = json!({"email": format!("{number}@example.com"), "consent": consents, "points": number * 3});
    add(number, number, "Identify", traits);
    let gap = 9 + number % 7;
    let until = 239 - (number % 5) * 17;
    let mut day = number;
    for turn in 0.. {
        // Every fifth time she is late, or has gone.
        day += gap + (turn * number) % 3 + if turn % 5 == 4 { 3 * gap } else { 0 };
        if day >= until {
            break;
        }
        let total = 20 + (number * 7 + turn * 13) % 60 + if turn % 6 == 5 { 400 } else { 0 };
        let product = format!("p{}", (number + turn) % 9);
        match (number + turn) % 4 {
            0 => add(day, number, "Cart Viewed", json!({"value": total})),
            1 => add(day, number, "Application Opened", json!({"version": "9"})),
            2 => add(
                day,
                number,
                "Email Delivered",
                json!({"email_id": format!("e{turn}")}),
            ),
            _ => add(day, number, "Page Viewed", json!({"name": "home"})),
        }
        let viewed = json!({"product_id": product, "category": "light", "shelf": if turn % 2 == 0 { "top" } else { "low" }});
        add(day, number + 1, "Product Viewed", viewed);
        add(
            day,
            number + 2,
            "Product Added",
            json!({"product_id": product, "price": total, "quantity": 1}),
        );
        if turn % 3 != 1 {
            let order =
                json!({"order_id": format!("r{number}-{turn}"), "total": total, "currency": "EUR"});
            add(day, number + 3, "Order Completed", order);
        }
    }
    all
}
