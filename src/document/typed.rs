//! A part of a file that a type of serde reads: what is wrong with it, at its place.

use std::fmt::{self, Display};

use serde::de::{Deserializer, Visitor};
use serde_path_to_error::{Error, Segment};

use super::reader::Reader;
use super::report::Report;
use super::suggest::meant;
use super::yaml::{Node, Yaml};

/// Notes what serde found wrong with the JSON of `node`.
pub fn fails(reader: &mut Reader<'_>, node: &Node, error: &Error<serde_json::Error>) {
    let message = error.inner().to_string();
    let suggestion = meant(&message).map(str::to_owned);
    let mut span = node.span.clone();
    let mut at = Some(node);
    for segment in error.path() {
        let found = match (segment, at.map(|node| &node.value)) {
            (Segment::Map { key }, Some(Yaml::Map(entries))) => {
                entries.iter().find(|(known, _)| known.text == *key)
            }
            _ => None,
        };
        let Some((key, value)) = found else { break };
        // A name that nobody knows is wrong itself, not its value.
        let is_unknown = message.starts_with("unknown field");
        span = if is_unknown { &key.span } else { &value.span }.clone();
        at = Some(value);
    }
    let report = Report::at(reader.source, span, message).suggest(suggestion);
    reader.reports.push(report);
}

/// Reads a value that people write as a text. Where it is none, as a number without its unit is none, the error says what was expected, as
/// where `read` refuses the text.
///
/// # Errors
/// That it is no text, or as `read` says.
pub fn text<'de, T, E: Display, D: Deserializer<'de>>(
    deserializer: D,
    expected: &'static str,
    read: impl FnOnce(&str) -> Result<T, E>,
) -> Result<T, D::Error> {
    deserializer.deserialize_str(Written { expected, read })
}

struct Written<R> {
    expected: &'static str,
    read: R,
}

impl<T, E: Display, R: FnOnce(&str) -> Result<T, E>> Visitor<'_> for Written<R> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_str<W: serde::de::Error>(self, text: &str) -> Result<T, W> {
        (self.read)(text).map_err(W::custom)
    }
}
