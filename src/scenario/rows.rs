//! The rows that topics of tables and of suppression lists have brought before a scenario begins.

use crate::decode::Decoder;
use crate::document::keys::Shape;
use crate::document::reader::Reader;
use crate::document::yaml::{Node, Yaml};
use crate::event::record::Origin;
use crate::table::rows::Told;

/// What `rows` looks like.
pub const SHAPE: Shape = Shape::Each(&Shape::Each(&Shape::Values));

/// A record of a topic of rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The topic.
    pub topic: String,
    /// Its key.
    pub key: String,
    /// Its value, as a producer writes it.
    pub value: String,
    /// What it tells: since ever.
    pub told: Told,
}

/// Reads them, by topic and key.
pub fn read(reader: &mut Reader<'_>, node: &Node, decoder: &Decoder) -> Option<Vec<Row>> {
    let mut rows = Vec::new();
    for (topic, of) in entries(reader, node)? {
        for (key, node) in entries(reader, of)? {
            entries(reader, node)?;
            let value = node.json().to_string();
            let origin = Origin {
                topic: &topic.text,
                key: Some(key.text.as_bytes()),
                ..Origin::default()
            };
            match decoder.row(value.as_bytes(), &origin) {
                Ok(told) => rows.push(Row {
                    topic: topic.text.clone(),
                    key: key.text.clone(),
                    value,
                    told,
                }),
                Err(reject) => {
                    reader.fails(&key.span, reject.to_string(), None);
                    return None;
                }
            }
        }
    }
    Some(rows)
}

fn entries<'n>(
    reader: &mut Reader<'_>,
    node: &'n Node,
) -> Option<&'n [(crate::document::yaml::Key, Node)]> {
    match &node.value {
        Yaml::Map(entries) => Some(entries),
        Yaml::Scalar { .. } | Yaml::List(_) => {
            let expected = "rows by topic and key, such as `{ catalogue: { p1: { price: 5 } } }`";
            reader.unexpected(node, expected);
            None
        }
    }
}
