//! Whether records stand where their customers are: one record of each batch is looked at.
//!
//! A customer's task is `murmur2(key) mod partitions`, as Java's producers choose. A producer with another partitioner, or
//! without keys, tears a customer's events apart, and nothing else would ever show it.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::murmur2;

/// A line a topic and minute: enough to be found, too little to fill a disk.
const SILENCE: Duration = Duration::from_secs(60);

/// What was looked at of each topic since its last alarm.
#[derive(Debug, Default)]
pub(super) struct Placement {
    topics: HashMap<String, Topic>,
}

#[derive(Debug, Default)]
struct Topic {
    since: Counts,
    told: Option<Instant>,
}

/// Records that were looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// All of them.
    pub sampled: u64,
    /// Of them, in another partition than their key says.
    pub misplaced: u64,
    /// Of them, without a key.
    pub without_key: u64,
}

/// How one record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stands {
    /// Where its key says.
    Right,
    /// Elsewhere.
    Misplaced,
    /// Anywhere: it has no key.
    WithoutKey,
}

impl Stands {
    /// Looks at a record's key. With one partition everything is right.
    pub fn of(key: Option<&[u8]>, partition: i32, partitions: i32) -> Self {
        match key {
            _ if partitions == 1 => Self::Right,
            None => Self::WithoutKey,
            Some(key) if murmur2::partition(key, partitions) == partition => Self::Right,
            Some(_) => Self::Misplaced,
        }
    }
}

impl Placement {
    /// Notes a record; what is to be told of its topic, if anything is, and that not too often.
    pub fn note(&mut self, topic: &str, stands: Stands, now: Instant) -> Option<Counts> {
        if !self.topics.contains_key(topic) {
            self.topics.insert(topic.to_owned(), Topic::default());
        }
        let topic = self.topics.get_mut(topic)?;
        let counts = &mut topic.since;
        counts.sampled += 1;
        match stands {
            Stands::Right => return None,
            Stands::Misplaced => counts.misplaced += 1,
            Stands::WithoutKey => counts.without_key += 1,
        }
        if topic
            .told
            .is_some_and(|told| now.duration_since(told) < SILENCE)
        {
            return None;
        }
        topic.told = Some(now);
        Some(std::mem::take(&mut topic.since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::runtime::Names;

    #[test]
    fn a_record_stands_where_its_key_says() {
        // Kafka's own table: murmur2("21") is -973932308, so 21 is in partition 0 of 3.
        for (key, partition, partitions, expected) in [
            (Some("21"), 0, 3, Stands::Right),
            (Some("21"), 1, 3, Stands::Misplaced),
            (None, 0, 3, Stands::WithoutKey),
            (None, 0, 1, Stands::Right),
        ] {
            let stands = Stands::of(key.map(str::as_bytes), partition, partitions);
            assert_eq!(stands, expected, "{key:?} in {partition} of {partitions}");
        }
    }

    #[test]
    fn an_alarm_is_told_once_a_minute_with_all_that_came_since() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let counts = |sampled, misplaced, without_key| {
            Some(Counts {
                sampled,
                misplaced,
                without_key,
            })
        };
        let mut placement = Placement::default();
        for (topic, stands, second, expected) in [
            ("cart", Stands::Right, 0, None),
            ("cart", Stands::Misplaced, 1, counts(2, 1, 0)),
            ("cart", Stands::Misplaced, 2, None),
            ("purchase", Stands::WithoutKey, 3, counts(1, 0, 1)),
            ("cart", Stands::WithoutKey, 59, None),
            ("cart", Stands::Right, 62, None),
            ("cart", Stands::Misplaced, 63, counts(4, 2, 1)),
        ] {
            assert_eq!(
                placement.note(topic, stands, at(second)),
                expected,
                "{topic} at {second}"
            );
        }
    }

    #[test]
    fn what_we_write_ourselves_is_keyed_otherwise() {
        let mut config = Config::default();
        config.topics.identities = "{id}-identities".to_owned();
        config.topics.tables.insert("catalogue".to_owned());
        let names = Names::new(&config, 3);
        for topic in &names.inputs {
            let ours = ["moments-identities", "moments-broadcasts"].contains(&topic.as_str());
            assert_eq!(names.is_keyed_by_customer(topic), !ours, "{topic}");
        }
        assert_eq!(names.inputs.len(), 8);
    }
}
