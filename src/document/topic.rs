//! The topic that brings what may stand in a file as well.

use super::reader::{Fields, Reader};
use super::yaml::Node;
use crate::event::Text;

/// What the name of a topic looks like, as Kafka takes it.
pub const FORM: &str = "^[A-Za-z0-9._-]{1,249}$";
const BYTES: usize = 249;

/// Whether Kafka takes it for the name of a topic.
#[must_use]
pub fn is_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    (1..=BYTES).contains(&name.len()) && name.chars().all(fits) && !matches!(name, "." | "..")
}

/// The topic that brings what otherwise stands under the key `instead`.
pub fn read(
    reader: &mut Reader<'_>,
    (fields, node): (&Fields<'_>, &Node),
    instead: &str,
) -> Option<Text> {
    if let Some(other) = fields.get(instead) {
        let message = format!("`{instead}` stands beside `topic`");
        reader.fails(&other.span, message, "one of the two".to_owned());
        return None;
    }
    let text = node.text().filter(|text| is_name(text));
    if text.is_none() {
        reader.unexpected(
            node,
            "the name of a topic, one of `topics.tables` in the configuration",
        );
    }
    text.map(Text::from)
}
