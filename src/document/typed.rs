//! A part of a file that a type of serde reads: what is wrong with it, at its place.

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
