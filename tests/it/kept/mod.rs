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

/// Where `found` lacks something of `expected` or says otherwise; what it says beyond is fine.
fn lacks(expected: &Value, found: &Value) -> Option<String> {
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => {
            expected.iter().find_map(|(name, expected)| {
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
