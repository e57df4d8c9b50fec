use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use super::*;
use crate::decode::Decoder;
use crate::event::Vocabulary;
use crate::event::record::Origin;

/// A record of its own.
type Told = (Timestamp, Option<InputKind>, String, String);

fn settings(seed: u64, customers: u32, days: i64) -> PopulationSettings {
    let from = Timestamp::parse("2026-03-02T00:00:00Z").expect("a time");
    PopulationSettings {
        seed,
        customers,
        shop: EVERYDAY,
        from,
        browsing_from: from,
        until: from.plus(days * DAY_MS),
        threads: 1,
    }
}

fn told(settings: &PopulationSettings) -> Vec<Told> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
    let mut all = Vec::new();
    for window in Population::new(settings) {
        all.extend(window.records().map(|record| {
            (
                record.at,
                record.topic,
                text(record.key),
                text(record.value),
            )
        }));
    }
    all
}

#[test]
fn the_same_seed_gives_the_same_records_in_order_of_time_on_any_number_of_threads() {
    let one = settings(1, 80, 60);
    let records = told(&one);
    assert!(records.is_sorted_by_key(|(at, ..)| *at));
    assert!(records.len() > 5_000, "{}", records.len());
    let three = PopulationSettings {
        threads: 3,
        ..one.clone()
    };
    assert!(records == told(&three), "more threads, other records");
    let other = PopulationSettings { seed: 2, ..one };
    assert!(records != told(&other), "another seed, the same records");
}

#[test]
fn a_longer_time_begins_with_the_shorter_one() {
    let short = told(&settings(4, 40, 20));
    let long = told(&settings(4, 40, 50));
    assert!(long.len() > short.len() && long[..short.len()] == short[..]);
}

#[test]
fn windows_change_nothing() {
    // With so many customers a window lasts some hours; those of the small population lasted a day.
    let many = settings(1, 200_000, 1);
    let mut population = Population::new(&many);
    assert_eq!(population.window_ms, DAY_MS / 4);
    let windows: Vec<_> = population.by_ref().collect();
    assert_eq!(windows.len(), 4);
    let times = windows
        .iter()
        .flat_map(|window| window.records().map(|record| record.at));
    assert!(times.is_sorted());
}

#[test]
fn every_record_is_an_event_of_the_vocabulary_without_defects() {
    let vocabulary = Arc::new(Vocabulary::standard());
    let decoder = Decoder::new(Arc::clone(&vocabulary), Arc::new(BTreeMap::new()));
    let mut names = BTreeSet::new();
    for (at, topic, key, value) in told(&settings(3, 300, 120)) {
        if topic.is_none() {
            let truth: Truth = serde_json::from_str(&value).expect("a truth");
            assert_eq!(serde_json::to_string(&truth).expect("JSON"), value);
            continue;
        }
        let decoded = decoder
            .decode(value.as_bytes(), &Origin::default())
            .unwrap_or_else(|reject| panic!("{reject}: {value}"));
        assert_eq!(decoded.defects, [], "{value}");
        assert_eq!(decoded.event.time, at);
        assert_eq!(decoded.event.customer, key);
        assert_ne!(
            decoded.event.name,
            crate::event::EventName::OTHER,
            "{value}"
        );
        names.insert(
            vocabulary
                .event(decoded.event.name)
                .expect("a name")
                .name
                .clone(),
        );
    }
    for name in [
        "Identify",
        "Signed Up",
        "Page Viewed",
        "Application Opened",
        "Products Searched",
        "Product Viewed",
        "Product Added",
        "Product Added to Wishlist",
        "Product Shared",
        "Product List Filtered",
        "File Downloaded",
        "Calculator Used",
        "Quiz Completed",
        "Form Submitted",
        "Question Answered",
        "Trip Planned",
        "Store Region Entered",
        "Store Visited",
        "Call Ended",
        "Checkout Started",
        "Order Completed",
        "Points Earned",
        "Points Redeemed",
        "Order Shipped",
        "Order Delivered",
        "Delivery Failed",
        "Order Refunded",
        "NPS Answered",
        "Product Reviewed",
        "Support Ticket Opened",
        "Live Chat Conversation Started",
        "Email Delivered",
        "Email Bounced",
        "Email Opened",
        "Email Link Clicked",
        "Unsubscribed",
    ] {
        assert!(names.contains(name), "nobody did: {name}");
    }
}

/// How many orders somebody has, the last of them, and when she lapsed and signed up.
type Known = (u32, Option<Timestamp>, Option<Timestamp>, Option<Timestamp>);

/// What the events say of each customer, and what her [`Truth::Customer`] does.
fn known(settings: &PopulationSettings) -> [BTreeMap<String, Known>; 2] {
    let [mut told, mut summed_up] = [BTreeMap::<_, Known>::new(), BTreeMap::new()];
    let mut population = Population::new(settings);
    for window in population.by_ref() {
        for record in window.records() {
            let key = String::from_utf8(record.key.to_vec()).expect("text");
            let known = told.entry(key).or_default();
            let value: Value = serde_json::from_slice(record.value).expect("JSON");
            match (value["event"].as_str(), value["truth"].as_str()) {
                (Some("Order Completed"), _) => {
                    (known.0, known.1) = (known.0 + 1, Some(record.at));
                }
                (Some("Signed Up"), _) => known.3 = Some(record.at),
                (_, Some("lapsed")) => known.2 = Some(record.at),
                _ => {}
            }
        }
    }
    for truth in population.people() {
        let Truth::Customer {
            customer,
            joined,
            orders,
            last_order,
            lapsed_at,
            ..
        } = truth
        else {
            panic!("{truth:?} is not how a customer is");
        };
        let time = |at: Option<Instant>| at.map(|at| at.0);
        let joined = Some(joined.0).filter(|at| *at > settings.from);
        let known = (orders, time(last_order), time(lapsed_at), joined);
        summed_up.insert(customer.to_string(), known);
    }
    [told, summed_up]
}

#[test]
fn how_customers_are_in_the_end_is_what_their_events_tell() {
    // The time ends with a window, and within one.
    for (customers, days) in [(2_000, 30), (60_000, 3)] {
        let [told, summed_up] = known(&settings(1, customers, days));
        assert!(told.keys().all(|customer| summed_up.contains_key(customer)));
        for (customer, mut known) in summed_up {
            // Visitors without a name come unannounced.
            if customer.starts_with("visitor-") {
                known.3 = None;
            }
            let told = told.get(&customer).copied().unwrap_or_default();
            assert_eq!(known, told, "{customer} of {customers}");
        }
    }
}

#[test]
fn people_browse_by_day_and_only_once_clicks_are_kept() {
    let mut settings = settings(5, 200, 60);
    settings.browsing_from = settings.from.plus(14 * DAY_MS);
    let records = told(&settings);
    let orders = records
        .iter()
        .filter(|(at, topic, ..)| {
            *topic == Some(InputKind::Purchase) && *at < settings.browsing_from
        })
        .count();
    assert!(orders > 50, "{orders}");
    let views: Vec<_> = records
        .iter()
        .filter(|(_, topic, ..)| *topic == Some(InputKind::Clickstream))
        .collect();
    assert!(views.len() > 2_000);
    assert!(views.iter().all(|(at, ..)| *at >= settings.browsing_from));
    // 02:00 to 05:00 UTC is night in Europe; a quarter of the people are elsewhere.
    let night = views.iter().filter(|(at, ..)| {
        let hour = at.0.rem_euclid(DAY_MS) / 3_600_000;
        (2..5).contains(&hour)
    });
    assert!(night.count() * 12 < views.len());
}
