//! A record as `kcat -J` prints it, one JSON object a line: `topic`, `partition`, `offset`, `ts`, `headers`, `key`, `payload`;
//! `payload_base64` instead of `payload` for bytes that are no text.

use base64::Engine as _;
use serde::{Deserialize, Serialize};

use crate::event::record::Header;
use crate::time::Timestamp;

/// A line.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Envelope {
    /// Its topic.
    pub topic: String,
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// Whose time `ts` is: `create` where the producer said it, `logappend` where the broker did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tstype: Option<String>,
    /// Kafka's time of it, milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ts: Option<i64>,
    /// Names and values of its headers, in turn.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<Option<String>>,
    /// Its key.
    #[serde(default)]
    pub key: Option<String>,
    /// Its value, where that is text.
    #[serde(default)]
    pub payload: Option<String>,
    /// Its value, where it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload_base64: Option<String>,
}

impl Envelope {
    /// Reads a line.
    ///
    /// # Errors
    /// Where it is none, in words.
    pub fn read(line: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(line).map_err(|error| error.to_string())
    }

    /// When it was appended, where that is said.
    #[must_use]
    pub fn appended(&self) -> Option<Timestamp> {
        self.ts.filter(|ts| *ts > 0).map(Timestamp)
    }

    /// Whether its producer said so, and not the broker.
    #[must_use]
    pub fn by_producer(&self) -> bool {
        self.tstype.as_deref() == Some("create")
    }

    /// When the broker appended it, where it is said that the broker says so.
    #[must_use]
    pub fn stamped(&self) -> Option<Timestamp> {
        let broker = self.tstype.as_deref() == Some("logappend");
        self.appended().filter(|_| broker)
    }

    /// With this value.
    #[must_use]
    pub fn holding(self, value: Vec<u8>) -> Self {
        match String::from_utf8(value) {
            Ok(text) => Self {
                payload: Some(text),
                ..self
            },
            Err(error) => Self {
                payload_base64: Some(
                    base64::engine::general_purpose::STANDARD.encode(error.as_bytes()),
                ),
                ..self
            },
        }
    }

    /// Its value; empty where there is none.
    ///
    /// # Errors
    /// Where what should be base64 is not, in words.
    pub fn value(&mut self) -> Result<Vec<u8>, String> {
        match self.payload_base64.take() {
            Some(encoded) => base64::engine::general_purpose::STANDARD
                .decode(encoded)
                .map_err(|error| format!("payload_base64: {error}")),
            None => Ok(self.payload.take().unwrap_or_default().into_bytes()),
        }
    }

    /// Its headers, in order.
    #[must_use]
    pub fn headers(&self) -> Vec<Header> {
        let pairs = self.headers.chunks_exact(2).filter_map(|pair| {
            let [name, value] = pair else { return None };
            Some((name.clone()?, value.clone().map(String::into_bytes)))
        });
        pairs.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        for value in [b"{\"a\":1}".to_vec(), vec![0xff, 0x00, 0x80]] {
            let line = Envelope {
                topic: "cart".to_owned(),
                ts: Some(7),
                tstype: Some("create".to_owned()),
                partition: 3,
                offset: 17,
                headers: vec![Some("traceparent".to_owned()), Some("00-1".to_owned())],
                ..Envelope::default()
            };
            let text = serde_json::to_vec(&line.holding(value.clone())).expect("JSON");
            let mut read = Envelope::read(&text).expect("a line");
            assert_eq!(
                read.headers(),
                [("traceparent".to_owned(), Some(b"00-1".to_vec()))]
            );
            assert_eq!(read.value(), Ok(value));
        }
    }
}
