//! A dead letter: what its headers say, and the record it is sent again as.

use std::fmt;
use std::str::FromStr;

use super::{CUT_HEADER, ERROR_HEADERS, MARK, REPLAYED_FROM};
use crate::admin::producing::Outgoing;
use crate::config::Config;
use crate::decode::Decoder;
use crate::event::record::Origin;
use crate::registry::Source;
use crate::task::core::{Header, RawRecord};

/// Where a letter stands: `partition:offset` of the topic of dead letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address {
    /// Partition of the topic of dead letters.
    pub partition: i32,
    /// Offset there.
    pub offset: i64,
}

/// A dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// Where it stands.
    pub address: Address,
    /// Its record, headers of the error included.
    pub record: RawRecord,
    /// Whether it was sent again.
    pub replayed: bool,
}

/// What is to be sent instead of what a letter holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mended {
    /// Another value.
    pub value: Option<Vec<u8>>,
    /// Another key.
    pub key: Option<Vec<u8>>,
}

/// Why a letter is not sent again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// Nothing says where it came from.
    #[error("its headers do not say which topic it came from")]
    NoOrigin,
    /// That topic is none that comes in.
    #[error("it came from `{0}`, which is not a topic that comes in now")]
    OtherTopic(String),
    /// It was too large for the topic of dead letters.
    #[error(
        "it was cut off and holds {held} of {whole} bytes; give the whole value with --payload"
    )]
    Cut {
        /// What is there.
        held: usize,
        /// What it had.
        whole: String,
    },
    /// It would come back at once.
    #[error(
        "it would be a dead letter again: {0}; mend it with --edit or --payload, or send it all the same with --force"
    )]
    StillDead(String),
    /// Its events would stand apart from the others of the customer.
    #[error(
        "its key is {key:?}, its customer {customer:?}; the key must be the customer's id, give it with --key"
    )]
    OtherKey {
        /// The key.
        key: String,
        /// The customer.
        customer: String,
    },
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.partition, self.offset)
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = || {
            let (partition, offset) = text.split_once(':')?;
            Some(Self {
                partition: partition.parse().ok().filter(|number| *number >= 0)?,
                offset: offset.parse().ok().filter(|number| *number >= 0)?,
            })
        };
        read().ok_or_else(|| {
            format!("`{text}` is no letter; expected PARTITION:OFFSET, such as 3:17")
        })
    }
}

impl Letter {
    /// What a header of the error says: `topic`, `partition`, `offset`, `stage`, `exception.class.name`, `exception.message`.
    #[must_use]
    pub fn error(&self, name: &str) -> Option<&str> {
        let wanted = |header: &&Header| header.0.strip_prefix(ERROR_HEADERS) == Some(name);
        let (_, value) = self.record.headers.iter().find(wanted)?;
        std::str::from_utf8(value.as_deref()?).ok()
    }

    fn header(&self, name: &str) -> Option<String> {
        let (_, value) = self
            .record
            .headers
            .iter()
            .find(|(known, _)| known == name)?;
        Some(String::from_utf8_lossy(value.as_deref()?).into_owned())
    }

    /// The record as it is to be sent again. `force`: though it would be a dead letter again.
    ///
    /// # Errors
    /// Why it is not.
    pub fn mended(
        &self,
        config: &Config,
        (decoder, schemas): (&Decoder, &Source),
        mended: &Mended,
        force: bool,
    ) -> Result<Outgoing, Unfit> {
        let topic = self.error("topic").ok_or(Unfit::NoOrigin)?.to_owned();
        if !config
            .topics
            .inputs()
            .iter()
            .any(|input| input.name == topic)
        {
            return Err(Unfit::OtherTopic(topic));
        }
        if let (Some(whole), None) = (self.header(CUT_HEADER), &mended.value) {
            let held = self.record.value.as_ref().map_or(0, Vec::len);
            return Err(Unfit::Cut { held, whole });
        }
        let mut record = self.record.clone();
        record.headers.retain(|(name, _)| {
            !name.starts_with(ERROR_HEADERS) && name != CUT_HEADER && name != REPLAYED_FROM
        });
        record.value = mended.value.clone().or(record.value);
        record.key = mended.key.clone().or(record.key);
        match check((decoder, schemas), &topic, &mut record) {
            Err(Unfit::StillDead(_)) if force => {}
            checked => checked?,
        }
        let from = format!(
            "{}/{}/{}",
            config.topics.dead_letters, self.address.partition, self.address.offset
        );
        record
            .headers
            .push((REPLAYED_FROM.to_owned(), Some(from.into_bytes())));
        let origin = self.error("partition").and_then(|text| text.parse().ok());
        Ok(Outgoing {
            topic,
            partition: if record.key.is_none() { origin } else { None },
            key: record.key,
            value: record.value,
            headers: record.headers,
        })
    }

    pub(super) fn mark(&self, config: &Config) -> Outgoing {
        Outgoing {
            topic: config.topics.dead_letters.clone(),
            partition: Some(self.address.partition),
            key: self.record.key.clone(),
            value: None,
            headers: vec![(MARK.to_owned(), Some(self.address.to_string().into_bytes()))],
        }
    }
}

/// Holds a record to be an event whose key is its customer; a record without a key gets it.
fn check(
    (decoder, schemas): (&Decoder, &Source),
    topic: &str,
    record: &mut RawRecord,
) -> Result<(), Unfit> {
    let origin = Origin {
        topic,
        key: record.key.as_deref(),
        headers: &record.headers,
        ..Origin::default()
    };
    let value = record.value.as_deref().unwrap_or_default();
    let loaded = schemas.load_for(decoder, topic, value);
    loaded.map_err(|error| Unfit::StillDead(error.to_string()))?;
    let decoded = decoder.decode(value, &origin);
    let event = decoded
        .map_err(|reject| Unfit::StillDead(reject.to_string()))?
        .event;
    match &record.key {
        Some(key) if key != event.customer.as_bytes() => Err(Unfit::OtherKey {
            key: String::from_utf8_lossy(key).into_owned(),
            customer: event.customer.to_string(),
        }),
        Some(_) => Ok(()),
        None => {
            record.key = Some(event.customer.as_bytes().to_vec());
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::event::Vocabulary;

    fn letter(topic: &str, key: Option<&str>, value: &str) -> Letter {
        let text = |text: &str| Some(text.as_bytes().to_vec());
        let header = |name: &str, value: &str| (name.to_owned(), text(value));
        Letter {
            address: Address {
                partition: 3,
                offset: 17,
            },
            record: RawRecord {
                key: key.and_then(text),
                value: text(value),
                headers: vec![
                    header("source", "shop"),
                    header("__connect.errors.topic", topic),
                    header("__connect.errors.partition", "2"),
                ],
                ..RawRecord::default()
            },
            replayed: false,
        }
    }

    #[test]
    fn a_letter_is_sent_where_it_came_from_if_it_is_an_event_now() {
        let decoder = Decoder::new(Arc::new(Vocabulary::standard()), Arc::default());
        let (config, schemas) = (Config::default(), Source::ours());
        let read = (&decoder, &schemas);
        let good =
            r#"{"event":"Order Completed","userId":"ana","timestamp":"2026-03-02T10:00:00Z"}"#;
        let value = |text: &str| Mended {
            value: Some(text.as_bytes().to_vec()),
            ..Mended::default()
        };
        let key = Mended {
            key: Some(b"ana".to_vec()),
            ..Mended::default()
        };
        let as_it_was = Mended::default();
        let table = [
            (
                letter("purchase", Some("ana"), "nonsense"),
                &as_it_was,
                "it would be a dead letter again",
            ),
            (
                letter("purchase", Some("ana"), "nonsense"),
                &value(good),
                "sent",
            ),
            (
                letter("purchase", Some("ben"), good),
                &as_it_was,
                "the key must be the customer's id",
            ),
            (letter("purchase", Some("ben"), good), &key, "sent"),
            (letter("purchase", None, good), &as_it_was, "sent"),
            (
                letter("other", Some("ana"), good),
                &as_it_was,
                "not a topic that comes in",
            ),
        ];
        for (letter, mended, expected) in table {
            let said = match letter.mended(&config, read, mended, false) {
                Ok(record) => {
                    let names: Vec<&str> = record
                        .headers
                        .iter()
                        .map(|(name, _)| name.as_str())
                        .collect();
                    assert_eq!(names, ["source", REPLAYED_FROM]);
                    assert_eq!(
                        record.headers[1].1.as_deref(),
                        Some(&b"dead-letters/3/17"[..])
                    );
                    assert_eq!(
                        (record.topic.as_str(), record.partition),
                        ("purchase", None)
                    );
                    assert_eq!(record.key.as_deref(), Some(&b"ana"[..]));
                    "sent".to_owned()
                }
                Err(unfit) => unfit.to_string(),
            };
            assert!(said.contains(expected), "{expected}: {said}");
        }
        let forced = letter("purchase", None, "nonsense").mended(&config, read, &as_it_was, true);
        assert_eq!(forced.unwrap().partition, Some(2));
        // To be an event of another partition is never meant.
        let forced = letter("purchase", Some("ben"), good).mended(&config, read, &as_it_was, true);
        assert!(matches!(forced, Err(Unfit::OtherKey { .. })));
    }

    #[test]
    fn an_address_is_a_partition_and_an_offset() {
        let address = Address {
            partition: 3,
            offset: 17,
        };
        assert_eq!("3:17".parse(), Ok(address));
        assert_eq!(address.to_string(), "3:17");
        for wrong in ["3", "3:", "-1:2", "3:x", ""] {
            assert!(wrong.parse::<Address>().is_err(), "{wrong}");
        }
    }
}
