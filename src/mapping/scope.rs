//! What is being read of a record.

use serde_json::Value as Json;

use super::path::Path;
use crate::event::record::Origin;

/// What is being read: a record, perhaps an item of one of its lists, and what came with it.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'r> {
    /// The whole record.
    pub record: &'r Json,
    /// The item; outside of lists, the record.
    pub item: &'r Json,
    /// Headers, key, CloudEvent.
    pub origin: &'r Origin<'r>,
    /// Texts that stand for null in this record.
    pub null_values: &'r [String],
}

impl<'r> Scope<'r> {
    /// What stands at a path, if it is known.
    #[must_use]
    pub fn find(&self, path: &Path) -> Option<&'r Json> {
        let root = if path.from_record {
            self.record
        } else {
            self.item
        };
        path.of(root).filter(|found| self.is_known(found))
    }

    /// Whether a value says something: null, empty text and what stands for null do not.
    #[must_use]
    pub fn is_known(&self, value: &Json) -> bool {
        match value {
            Json::Null => false,
            Json::String(text) => !text.is_empty() && !self.null_values.contains(text),
            _ => true,
        }
    }
}
