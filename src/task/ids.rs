//! The ids that Kafka gave topics when they were made: a topic that was deleted and made anew has the same name, and other records.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;

/// What is known of the topics that come in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicIds {
    /// The id of each, by name, as far as the brokers say it.
    pub found: BTreeMap<String, u128>,
    /// Those that are to be read from their beginning where they were made anew: somebody said so, of the id that they have.
    pub accepted: BTreeSet<String>,
}

/// An id as Kafka shows it: 22 letters of base 64 for addresses.
#[must_use]
pub fn shown(id: u128) -> String {
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(id.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_shown_as_kafka_does() {
        assert_eq!(shown(0), "AAAAAAAAAAAAAAAAAAAAAA");
        assert_eq!(shown(u128::MAX), "_____________________w");
    }
}
