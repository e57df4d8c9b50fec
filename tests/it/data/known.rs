//! The known results of the real data, which were computed elsewhere, hold for the naive reference.
//!
//! So a test that holds the engine equal to the reference holds it equal to them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::history::histories;
use super::{fixture, open, otto, retail, shared_data};
use crate::reference::{self, Definition, From, RefEvent, RefMoment};

type Histories = BTreeMap<String, Vec<RefEvent>>;

const DAY_MS: i64 = 86_400_000;

/// Checks moments, customers, open deadlines and, where it is given, the list of moments.
fn check(name: &str, definition: &Definition, histories: &Histories, expected: &Value) {
    let until = expected["until"].as_i64().expect("until");
    let expected = &expected[name];
    let mut list: Vec<(String, RefMoment)> = Vec::new();
    let mut open = 0;
    for (customer, events) in histories {
        let moments = reference::moments(definition, events, until);
        list.extend(moments.into_iter().map(|m| (customer.clone(), m)));
        open += reference::open(definition, events, until);
    }
    let mut customers: Vec<&String> = list.iter().map(|(customer, _)| customer).collect();
    customers.dedup();
    assert_eq!(json!(list.len()), expected["moments"], "moments of {name}");
    assert_eq!(
        json!(customers.len()),
        expected["customers"],
        "customers of {name}"
    );
    if let Some(expected) = expected.get("open") {
        assert_eq!(&json!(open), expected, "open of {name}");
    }
    if let Some(expected) = expected.get("list") {
        let mut rows: Vec<Value> = list.into_iter().map(row).collect();
        let mut expected = expected.as_array().expect("a list").clone();
        rows.sort_by_key(Value::to_string);
        expected.sort_by_key(Value::to_string);
        assert_eq!(rows, expected, "list of {name}");
    }
}

/// A moment as `expected.json` writes it: customer, event, time, and the key where there is one.
fn row((customer, moment): (String, RefMoment)) -> Value {
    let event = moment.event.trim_start_matches("retail-");
    let mut row = vec![json!(customer), json!(event), json!(moment.moment_at)];
    row.extend(moment.key.map(|key| json!(key)));
    Value::Array(row)
}

fn expected(of: &str) -> Value {
    let text = std::fs::read_to_string(fixture("expected.json")).expect("expected.json");
    let all: Value = serde_json::from_str(&text).expect("JSON");
    all[of].clone()
}

#[test]
fn otto_absences() {
    let mut events = Vec::new();
    otto::convert(open(&fixture(otto::FILE)).expect("fixture"), &mut events).expect("otto");
    let histories = histories(&events[..]).expect("histories");
    let expected = expected("otto");
    assert_eq!(json!(histories.len()), expected["customers"]);
    let of_cart = (vec!["Order Completed"], vec!["Product Added"]);
    let of_click = (
        vec!["Product Added", "Order Completed"],
        vec!["Product Viewed"],
    );
    for (what, (of, after)) in [
        ("cart_no_order", of_cart),
        ("click_no_cart_or_order", of_click),
    ] {
        for (window, within_ms) in [("30m", 1_800_000), ("24h", DAY_MS)] {
            for (per, per_key) in [("", false), ("_per_product", true)] {
                for (last, from) in [("last", From::Last), ("first", From::First)] {
                    let definition = Definition::Absence {
                        of: of.clone(),
                        after: after.clone(),
                        within_ms,
                        value_ms: 0,
                        from,
                        per_key,
                    };
                    let name = format!("{what}_{window}{per}_{last}");
                    check(&name, &definition, &histories, &expected);
                }
            }
        }
    }
}

#[test]
fn retail_sample() {
    check_retail(&fixture(retail::SAMPLE), &expected("retail_sample"));
}

#[test]
fn retail_full() {
    if let Some(path) = shared_data(retail::FILE) {
        check_retail(&path, &expected("retail_full"));
    }
}

fn check_retail(path: &std::path::Path, expected: &Value) {
    let mut events = Vec::new();
    let orders = retail::convert(open(path).expect("raw file"), &mut events).expect("retail");
    assert_eq!(json!(orders), expected["orders"]);
    let histories = histories(&events[..]).expect("histories");
    assert_eq!(json!(histories.len()), expected["customers"]);
    let parts: i64 = histories
        .values()
        .flatten()
        .map(|order| (order.value * 10_000.0).round() as i64)
        .sum();
    let value = format!("{}.{:04}", parts / 10_000, parts % 10_000);
    assert_eq!(json!(value), expected["value"]);

    let of = || vec!["Order Completed"];
    let by_day = Definition::GapByDay {
        of: of(),
        history_min: 4,
        deviations: 2.0,
    };
    check("frequency_drop", &by_day, &histories, expected);
    let exact = Definition::GapExact {
        of: of(),
        history_min: 4,
        deviations: 2.0,
    };
    check("frequency_drop_exact", &exact, &histories, expected);
    let ticket = Definition::ValueRatio {
        of: of(),
        history_min: 6,
        last: 3,
        below: 0.7,
    };
    check("falling_ticket", &ticket, &histories, expected);
    for days in [60, 90, 180] {
        let inactive = Definition::Inactivity {
            of: of(),
            for_ms: days * DAY_MS,
        };
        check(
            &format!("inactivity_{days}d"),
            &inactive,
            &histories,
            expected,
        );
    }
    check_overdue(&by_day, &histories, expected);
}

/// Who had fallen silent at the end of a day: of those with enough history, the ones with a moment since their last order.
fn check_overdue(definition: &Definition, histories: &Histories, expected: &Value) {
    let days = expected["eligible_overdue"].as_object().expect("days");
    for (day, expected) in days {
        let day: jiff::Timestamp = format!("{day}T00:00:00Z").parse().expect("a day");
        let end = day.as_millisecond() + DAY_MS - 1;
        let (mut eligible, mut overdue) = (0, 0);
        for events in histories.values() {
            let until_then = events.partition_point(|event| event.time_ms <= end);
            let events = &events[..until_then];
            let last = events.last().map(|event| &event.id);
            let fired = reference::moments(definition, events, end)
                .last()
                .is_some_and(|moment| Some(&moment.event) == last);
            let armed = reference::open(definition, events, end) > 0;
            overdue += u32::from(fired);
            eligible += u32::from(fired || armed);
        }
        assert_eq!(
            &json!([eligible, overdue]),
            expected,
            "eligible and overdue on {day}"
        );
    }
}
