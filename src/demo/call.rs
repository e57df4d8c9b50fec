//! One call of a customer: what a producer puts on a topic.

use crate::config::InputKind;
use crate::event::Text;
use crate::population::Record;
use crate::time::Timestamp;

/// A record that is to be sent when the demo's clock comes to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// When it happened.
    pub at: Timestamp,
    /// Which topic it belongs on.
    pub topic: InputKind,
    /// Whose: the record's key.
    pub customer: Text,
    /// The record's value: JSON.
    pub value: Vec<u8>,
}

impl Call {
    /// What is generated; none of a truth, which nobody sends.
    #[must_use]
    pub fn of(record: &Record<'_>) -> Option<Self> {
        Some(Self {
            at: record.at,
            topic: record.topic?,
            customer: String::from_utf8_lossy(record.key).as_ref().into(),
            value: record.value.to_vec(),
        })
    }
}
