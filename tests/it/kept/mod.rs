//! State and topics that an earlier build wrote, held to by this one: `tests/fixtures/kept-dfad214`, whose README says how they
//! were made.
//!
//! What is compared is what that build published and said of its customers, never how this one keeps it: the engine restored from
//! the kept changelog, the kept journal replayed, and a process started on the kept topics.

mod fixture;
mod going_on;
mod history;
mod loading;
mod make;
mod records;
mod replaying;
mod restoring;
mod shop;

use serde_json::Value;

/// What is told of baskets otherwise than then: each cart has its own now, and a list of products in one event is in it.
fn is_counted_otherwise(expected: &Value, found: &serde_json::Map<String, Value>) -> bool {
    let carts = found.get("baskets").and_then(Value::as_object);
    carts.is_some_and(|carts| carts.len() > 1 || !carts.is_empty() && expected["items"] == 0)
}

/// What a decision or a command says, but for the data of those triggers that show the basket.
fn without_baskets(text: &str) -> String {
    const SHOW_BASKETS: [&str; 3] = ["abandoned-basket", "kept-per-product", "remarketing"];
    let Ok(mut said) = serde_json::from_str::<Value>(text) else {
        return text.to_owned();
    };
    let shows = |trigger: &str| SHOW_BASKETS.contains(&trigger);
    if !said["trigger"].as_str().is_some_and(shows) {
        return text.to_owned();
    }
    for place in ["/data", "/treatment/data"] {
        if let Some(data) = said.pointer_mut(place) {
            *data = Value::Null;
        }
    }
    said.to_string()
}

/// Whether it is of what fades, which was shown as of the clock on the wall by then and is by the clock that decides; of the same
/// things.
fn fades(name: &str, expected: &Value, interests: Option<&Value>) -> bool {
    let Some(interests) = interests.and_then(Value::as_object) else {
        return false;
    };
    match expected {
        Value::Object(expected) => name == "interests" && expected.keys().eq(interests.keys()),
        Value::String(top) => name == "top_interest" && interests.contains_key(top),
        _ => false,
    }
}

/// Where `found` lacks something of `expected` or says otherwise; what it says beyond is fine.
fn lacks(expected: &Value, found: &Value) -> Option<String> {
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => {
            let mut expected = expected.iter();
            expected.find_map(|(name, expected)| {
                if name == "basket" && is_counted_otherwise(expected, found)
                    || fades(name, expected, found.get("interests"))
                {
                    return None;
                }
                let inner = match found.get(name) {
                    Some(found) => lacks(expected, found)?,
                    None => format!(" is not there, expected {expected}"),
                };
                Some(format!(".{name}{inner}"))
            })
        }
        (Value::Array(expected), Value::Array(found)) if expected.len() == found.len() => {
            let mut pairs = (0..).zip(expected.iter().zip(found));
            pairs.find_map(|(at, (expected, found)): (usize, _)| {
                Some(format!("[{at}]{}", lacks(expected, found)?))
            })
        }
        _ if expected == found => None,
        _ => Some(format!(" is {found}, expected {expected}")),
    }
}

#[test]
fn what_is_added_is_fine_and_what_is_changed_is_not() {
    let kept = serde_json::json!({"a": {"b": [1, {"c": "x"}]}, "d": 2.5});
    let table = [
        (kept.clone(), None),
        (
            serde_json::json!({"a": {"b": [1, {"c": "x", "new": 1}]}, "d": 2.5, "e": 1}),
            None,
        ),
        (
            serde_json::json!({"a": {"b": [1, {"c": "y"}]}, "d": 2.5}),
            Some(".a.b[1].c is \"y\", expected \"x\""),
        ),
        (
            serde_json::json!({"a": {"b": [1]}, "d": 2.5}),
            Some(".a.b is [1], expected [1,{\"c\":\"x\"}]"),
        ),
        (
            serde_json::json!({"a": {"b": [1, {"c": "x"}]}}),
            Some(".d is not there, expected 2.5"),
        ),
    ];
    for (found, expected) in table {
        assert_eq!(lacks(&kept, &found).as_deref(), expected);
    }
}
