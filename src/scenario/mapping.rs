//! Tests of a mapping, in `*.test.yaml` beside it: a foreign record, and the event that it should be.
//!
//! ```yaml
//! - test: an order in cents
//!   record: { id: 7, buyer: { no: 12 }, cents: 1999, at: 1772445600 }
//!   expect: { event: Order Completed, userId: "12", timestamp: 2026-03-02T10:00:00Z, properties: { total: 19.99 } }
//! - test: a heartbeat means nothing
//!   record: { kind: heartbeat }
//!   expect: ignored
//! ```
//!
//! - `record` is the record as YAML, which JSON is a part of, or its text; `headers` and `key` come with it.
//! - `expect` is the event as a producer of our own format would write it (of what is written here, all must be equal; keys
//!   that are not written here are not checked), or `ignored`, or `{ rejected: word }`.
//! - `defects` lists the properties that could not be read; without it there must be none.

use std::path::Path;
use std::sync::Arc;

use serde_json::Value as Json;

use super::{Outcome, limits};
use crate::decode::Decoder;
use crate::decode::shown;
use crate::document::keys::{Keys, Known, Shape};
use crate::document::reader::{Declared, Fields, Reader};
use crate::document::report::{Report, Source};
use crate::document::yaml::{self, Node, Yaml};
use crate::event::record::{Header, Origin};
use crate::mapping::{Mappings, read};
use crate::time::Timestamp;
use crate::trigger::set::Basis;

/// The keys of a test.
pub const TEST: Keys = Keys {
    of: "a test of a mapping",
    known: &[
        Known::required(
            "test",
            Shape::Text(yaml::limits::FILE_BYTES),
            "What it shows, in words.",
        ),
        Known::optional(
            "about",
            Shape::Text(yaml::limits::FILE_BYTES),
            "More words. For people.",
        ),
        Known::required(
            "record",
            Shape::Any,
            "The record as YAML, which JSON is a part of, or its text.",
        ),
        Known::optional("headers", Shape::Values, "Its Kafka headers."),
        Known::optional("key", Shape::Any, "Its Kafka key."),
        Known::required(
            "expect",
            Shape::Either(&[Shape::Words(&["ignored"]), Shape::Mapping(&EXPECT)]),
            "The event, `ignored`, or `{ rejected: word }`.",
        ),
        Known::optional(
            "defects",
            Shape::List(&Shape::Text(256), 0, limits::EXPECTED),
            "The properties that could not be read; without it there must be none.",
        ),
    ],
    later: &[],
};
const EXPECT: Keys = Keys {
    of: "an expected event",
    known: &[
        Known::optional("event", Shape::EventName, "Our event."),
        Known::optional("userId", Shape::Any, "Whose."),
        Known::optional(
            "anonymousId",
            Shape::Any,
            "Whose, where nobody knows her by name.",
        ),
        Known::optional("previousId", Shape::Any, "Another id that she had so far."),
        Known::optional("messageId", Shape::Any, "Its id."),
        Known::optional("timestamp", Shape::Instant, "When it happened."),
        Known::optional("properties", Shape::Any, "All its properties; null: none."),
        Known::optional(
            "traits",
            Shape::Any,
            "All that it says of the customer; null: nothing.",
        ),
        Known::optional("context", Shape::Any, "Its context; null: none."),
        Known::optional(
            "rejected",
            Shape::Text(64),
            "The reason for which it is no event.",
        ),
    ],
    later: &[],
};

/// What should come of a record.
enum Expected {
    Event(Vec<(String, Json)>),
    Rejected(String),
}

/// Runs the tests of `path` against the mapping in the file beside it.
///
/// # Errors
/// Everything that is wrong with the two files.
pub fn run(path: &Path, mapping: &Path, basis: &Basis) -> Result<Vec<Outcome>, Vec<Report>> {
    let declared = Declared::new(&basis.vocabulary, &basis.attributes);
    let one = |report| vec![report];
    let mapping = read(&Source::load(mapping).map_err(one)?, declared)?;
    let decoder = Decoder::new(
        Arc::clone(&basis.vocabulary),
        Arc::new(basis.attributes.clone()),
    )
    .with_mappings(Arc::new(Mappings::one(mapping)));
    let file = Source::load(path).map_err(one)?;
    let mut reader = Reader::new(&file, declared);
    let mut outcomes = Vec::new();
    let root = yaml::parse(&file, &mut reader.reports);
    match root.as_ref().map(|root| (root, &root.value)) {
        Some((_, Yaml::List(items))) if (1..=limits::SCENARIOS).contains(&items.len()) => {
            for item in items {
                if let Some(fields) = reader.fields(item, TEST) {
                    outcomes.extend(scenario(&mut reader, &fields, &decoder));
                }
            }
        }
        Some((root, _)) => {
            let expected = format!(
                "a list of 1 to {} tests, each with `test`",
                limits::SCENARIOS
            );
            reader.unexpected(root, expected);
        }
        None => {}
    }
    if reader.reports.is_empty() {
        Ok(outcomes)
    } else {
        Err(reader.reports)
    }
}

fn scenario(reader: &mut Reader<'_>, fields: &Fields<'_>, decoder: &Decoder) -> Option<Outcome> {
    let named = reader.required(fields, "test", "what it shows");
    let name = named.and_then(|node| reader.text(node, "what it shows"));
    let record = reader.required(fields, "record", "the foreign record");
    let expect = reader.required(
        fields,
        "expect",
        "the event, `ignored`, or `{ rejected: word }`",
    );
    let expected = expect.and_then(|node| expected(reader, node));
    let headers = headers(reader, fields)?;
    let payload = match record? {
        Node {
            value: Yaml::Scalar { text, .. },
            ..
        } => text.clone(),
        node => node.json().to_string(),
    };
    let origin = Origin {
        topic: "test",
        key: fields.get("key").and_then(Node::text).map(str::as_bytes),
        headers: &headers,
        ..Origin::default()
    };
    let defects: Vec<Json> = match fields.get("defects").map(Node::json) {
        Some(Json::Array(names)) => names,
        _ => Vec::new(),
    };
    let failure = match (decoder.decode(payload.as_bytes(), &origin), expected?) {
        (Ok(decoded), Expected::Event(wanted)) => {
            let call = shown::call(&decoded.event, decoder.vocabulary());
            let mut wrong: Vec<_> = wanted
                .iter()
                .filter_map(|(key, wanted)| {
                    difference(key, wanted, call.get(key).unwrap_or(&Json::Null))
                })
                .collect();
            let found: Vec<Json> = decoded
                .defects
                .iter()
                .map(|it| it.name.as_str().into())
                .collect();
            if found != defects {
                wrong.push(format!(
                    "defects: expected {}, got {}",
                    Json::from(defects),
                    Json::from(found)
                ));
            }
            wrong.join("\n")
        }
        (Ok(decoded), Expected::Rejected(word)) => {
            let call = shown::call(&decoded.event, decoder.vocabulary());
            format!("expected no event ({word}), got {call}")
        }
        (Err(reject), Expected::Rejected(word)) if reject.word() == word => String::new(),
        (Err(reject), Expected::Rejected(word)) => {
            format!("expected {word}, got {}: {reject}", reject.word())
        }
        (Err(reject), Expected::Event(_)) => {
            format!("expected an event, got {}: {reject}", reject.word())
        }
    };
    let place = Report::at(reader.source, named?.span.clone(), "");
    Some(Outcome {
        test: name?.to_owned(),
        file: reader.source.name().to_owned(),
        line: place.position().map_or(0, |(_, line, _)| line),
        failure: (!failure.is_empty()).then_some(failure),
    })
}

fn headers(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<Vec<Header>> {
    let Some(node) = fields.get("headers") else {
        return Some(Vec::new());
    };
    let Yaml::Map(entries) = &node.value else {
        reader.unexpected(node, "a mapping from names to texts");
        return None;
    };
    let header = |(key, node): &(yaml::Key, Node)| (key.text.clone(), node.text().map(Into::into));
    Some(entries.iter().map(header).collect())
}

fn expected(reader: &mut Reader<'_>, node: &Node) -> Option<Expected> {
    if node.text() == Some("ignored") {
        return Some(Expected::Rejected("ignored".to_owned()));
    }
    let fields = reader.fields(node, EXPECT)?;
    if let Some(word) = fields.get("rejected") {
        return reader
            .text(word, "the word of a reason")
            .map(|word| Expected::Rejected(word.to_owned()));
    }
    let mut wanted = Vec::new();
    for (key, node) in fields.entries() {
        let value = if key.text == "timestamp" {
            reader.instant(node)?.to_string().into()
        } else {
            node.json()
        };
        wanted.push((key.text.clone(), value));
    }
    Some(Expected::Event(wanted))
}

fn difference(key: &str, wanted: &Json, got: &Json) -> Option<String> {
    (!same(wanted, got)).then(|| format!("{key}: expected {wanted}, got {got}"))
}

/// Equal, where 3 is 3.0, and an instant is the same however it is written.
fn same(wanted: &Json, got: &Json) -> bool {
    match (wanted, got) {
        (Json::Number(a), Json::Number(b)) => a.as_f64() == b.as_f64(),
        (Json::String(a), Json::String(b)) => {
            a == b || Timestamp::parse(a).is_some_and(|a| Timestamp::parse(b) == Some(a))
        }
        (Json::Array(a), Json::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Json::Object(a), Json::Object(b)) => {
            a.len() == b.len()
                && a.iter()
                    .all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        _ => wanted == got,
    }
}
