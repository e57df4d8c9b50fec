//! From bytes to a row of a table: the key of the record is that of the row, its value a JSON object by the names of columns. Where the
//! value cannot be read, the key still may: it may be somebody on a suppression list.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::{TIME_MIN, slips};
use crate::event::record::{APPENDED, Origin, Reject};
use crate::event::{Text, limits};
use crate::table::rows::{Cell, Cells, Told, limits::CELLS};
use crate::time::Timestamp;

/// Reads a record of a topic of rows. One without a value takes its row out.
///
/// # Errors
/// Why it is no row.
pub fn read(payload: &[u8], origin: &Origin<'_>) -> Result<Told, Reject> {
    Ok(Told {
        topic: origin.topic.into(),
        key: key(origin.key)?,
        at: told_at(origin),
        cells: match payload.is_empty() {
            true => None,
            false => Some(cells(payload)),
        },
    })
}

/// When the record was appended to the topic that it was copied from, where it was; else when it was itself; else since ever.
fn told_at(origin: &Origin<'_>) -> Timestamp {
    let copied = origin.header(APPENDED).and_then(|text| text.parse().ok());
    let times = [copied.map(Timestamp), origin.appended];
    times.into_iter().flatten().min().unwrap_or(TIME_MIN)
}

/// The key of a row, where it is one. Connectors write texts as JSON: `"p1"`.
fn key(key: Option<&[u8]>) -> Result<Text, Reject> {
    let bad = |detail: &str| Reject::BadRow(detail.to_owned());
    let key = key.ok_or_else(|| bad("the record has no key; expected that of the row"))?;
    let key = std::str::from_utf8(key).map_err(|_| bad("its key is not UTF-8"))?;
    let key = key.trim();
    let unquoted: Option<String> = match key.starts_with('"') {
        true => serde_json::from_str(key).ok(),
        false => None,
    };
    let key = unquoted.as_deref().map_or(key, str::trim);
    if key.is_empty() || key.len() > limits::TEXT_BYTES {
        let expected = format!(
            "its key has {} bytes; expected 1 to {}",
            key.len(),
            limits::TEXT_BYTES
        );
        return Err(Reject::BadRow(expected));
    }
    match key.chars().any(char::is_control) {
        true => Err(bad("its key has control characters")),
        false => Ok(key.into()),
    }
}

fn cells(payload: &[u8]) -> Result<Cells, Reject> {
    if payload.len() > limits::RECORD_BYTES {
        return Err(Reject::Oversized(payload.len()));
    }
    let (said, _) = slips::read(slips::unmarked(payload), |text| {
        serde_json::from_str(text).map_err(|error| Reject::BadJson(error.to_string()))
    })?;
    let Json::Object(said) = said else {
        let detail = "its value is no JSON object; expected one by the names of columns";
        return Err(Reject::BadRow(detail.to_owned()));
    };
    if said.len() > CELLS {
        let detail = format!("it says {} things; expected at most {CELLS}", said.len());
        return Err(Reject::BadRow(detail));
    }
    let cells = said.into_iter().filter_map(|(name, value)| {
        let cell = match value {
            Json::Array(items) => Some(Cell::List(items.into_iter().filter_map(written).collect())),
            value => written(value).map(Cell::Text),
        };
        Some((Text::from(name), cell?))
    });
    Ok(Cells::new(cells.collect::<BTreeMap<_, _>>()))
}

/// A value as it is written; none of what says nothing.
fn written(value: Json) -> Option<Text> {
    match value {
        Json::Null => None,
        Json::String(text) => Some(text.into()),
        value => Some(value.to_string().into()),
    }
    .filter(|text: &Text| !text.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(key: &str, value: &str) -> Result<Told, Reject> {
        let origin = Origin {
            topic: "catalogue",
            key: Some(key.as_bytes()),
            ..Origin::default()
        };
        read(value.as_bytes(), &origin)
    }

    /// Key and value of a record; the key of the row and what it says of `price`, or why it is none.
    #[rustfmt::skip]
    const ROWS: &[(&str, &str, &str)] = &[
        ("p1", r#"{"price":3.50}"#, "p1 `3.5`"),
        (" p1 ", r#"{"price":"3.50","more":{"a":1}}"#, "p1 `3.50`"),
        ("\"p1\"", r#"{"price":true}"#, "p1 `true`"),
        ("p1", r#"{"price":[1,2,null]}"#, "p1 a list of 2"),
        ("p1", r#"{"price":null}"#, "p1 -"),
        ("p1", r#"{"price":" "}"#, "p1 -"),
        ("p1", "", "p1 gone"),
        ("", r#"{"price":1}"#, "0 bytes"),
        ("a\u{0}b", r#"{"price":1}"#, "control characters"),
        ("p1", "[1]", "no JSON object"),
        ("p1", "{", "not JSON"),
        // As of events, what is plain is read.
        ("p1", "\u{feff}{\"price\":1}", "p1 `1`"),
        ("p1", r#"{"price":NaN,"name":"a\ud83d"}"#, "p1 -"),
        ("p1", "{\"price\":\"1\t2\"}", "p1 `1\t2`"),
        ("p1", "\u{feff}", "not JSON"),
    ];

    #[test]
    fn a_record_is_a_row_or_it_is_said_why_not() {
        for (key, value, expected) in ROWS {
            let said = match reading(key, value) {
                Err(reject) => reject.to_string(),
                Ok(told) => match told.cells {
                    None => format!("{} gone", told.key),
                    Some(Err(reject)) => reject.to_string(),
                    Some(Ok(cells)) => {
                        let price = cells.get("price").map_or("-".to_owned(), Cell::to_string);
                        format!("{} {price}", told.key)
                    }
                },
            };
            assert!(said.contains(expected), "{key} {value}: {said}");
        }
        let none = read(b"{}", &Origin::default()).map_err(|reject| reject.to_string());
        assert!(none.is_err_and(|said| said.contains("no key")));
    }

    #[test]
    fn a_copy_says_when_its_record_was_appended() {
        let headers = [(APPENDED.to_owned(), Some(b"1772445600000".to_vec()))];
        for (appended, expected) in [
            (None, 1_772_445_600_000),
            (Some(5), 5),
            (Some(i64::MAX), 1_772_445_600_000),
        ] {
            let origin = Origin {
                key: Some(b"p1"),
                headers: &headers,
                appended: appended.map(Timestamp),
                ..Origin::default()
            };
            assert_eq!(read(b"{}", &origin).expect("a row").at, Timestamp(expected));
        }
        assert_eq!(reading("p1", "{}").expect("a row").at, TIME_MIN);
    }
}
