//! Scalars of foreign records, read leniently.

use std::borrow::Cow;

use serde_json::Value as Json;

/// A scalar as text; whole numbers to their last digit.
pub fn text(value: &Json) -> Option<Cow<'_, str>> {
    match value {
        Json::String(text) => Some(Cow::Borrowed(text)),
        Json::Number(number) => Some(Cow::Owned(number.to_string())),
        Json::Bool(value) => Some(Cow::Borrowed(if *value { "true" } else { "false" })),
        _ => None,
    }
}

/// Whether a scalar has this text.
pub fn is_text(value: &Json, wanted: &str) -> bool {
    text(value).is_some_and(|text| text == wanted)
}

/// A number, or a text that is one.
pub fn number(value: &Json) -> Option<f64> {
    match value {
        Json::Number(number) => number.as_f64(),
        Json::String(text) => text.trim().parse().ok().filter(|n: &f64| n.is_finite()),
        _ => None,
    }
}
