//! Real data as events: raw files turned into the JSON Lines that producers send (Segment track and identify).
//!
//! The fixtures are in the project and have known results (`tests/fixtures/README.md`). The full files lie beside the
//! checkout where somebody put them there; a test that wants one asks [`shared_data`] and passes without it.

pub mod history;
mod known;
pub mod otto;
pub mod retail;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A file of `tests/fixtures`.
pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

/// A file of `../shared/data`, seen from the checkout; says that the test is skipped where there is none.
pub fn shared_data(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()?
        .join("shared/data")
        .join(name);
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: {} is not on this machine", path.display());
    None
}

/// Opens a file for reading, unpacking it when its name ends in `.gz`.
pub fn open(path: &Path) -> io::Result<Box<dyn BufRead>> {
    let file = File::open(path)?;
    if path.extension().is_some_and(|extension| extension == "gz") {
        Ok(Box::new(BufReader::new(MultiGzDecoder::new(file))))
    } else {
        Ok(Box::new(BufReader::new(file)))
    }
}

/// A Segment track call; the fields stand in the order in which they are written.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Track {
    #[serde(rename = "type")]
    kind: String,
    pub message_id: String,
    pub user_id: String,
    pub event: String,
    pub timestamp: String,
    pub properties: Properties,
}

/// What the two data sets say of an event, in the words of Segment's e-commerce spec.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Properties {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub product_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub products: Vec<Product>,
}

/// One line of an order.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Product {
    pub product_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantity: Option<i64>,
}

impl Track {
    /// An event at `time_ms` since the epoch.
    fn new(
        message_id: String,
        user_id: String,
        event: &str,
        time_ms: i64,
        properties: Properties,
    ) -> Self {
        Self {
            kind: "track".to_owned(),
            message_id,
            user_id,
            event: event.to_owned(),
            timestamp: format_time(time_ms),
            properties,
        }
    }

    /// When it happened, in ms since the epoch.
    pub fn time_ms(&self) -> i64 {
        let time: Timestamp = self.timestamp.parse().expect("a time we wrote ourselves");
        time.as_millisecond()
    }
}

/// Writes an identify line with consent to e-mail for each customer of `events` (lines of track calls, in the order of
/// time), all of them a second before the first event. Returns how many.
pub fn identify_all(events: impl BufRead, mut out: impl Write) -> io::Result<usize> {
    let mut seen = BTreeSet::new();
    let mut before_first_ms = None;
    for line in events.lines() {
        let track: Track = serde_json::from_str(&line?)?;
        let at = *before_first_ms.get_or_insert_with(|| track.time_ms() - 1_000);
        if seen.insert(track.user_id.clone()) {
            let id = &track.user_id;
            let identify = serde_json::json!({
                "type": "identify",
                "messageId": format!("identify-{id}"),
                "userId": id,
                "timestamp": format_time(at),
                "traits": { "email": format!("{id}@example.com"), "consent": { "email": true } },
            });
            write_line(&mut out, &identify)?;
        }
    }
    out.flush()?;
    Ok(seen.len())
}

fn write_line(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    out.write_all(b"\n")
}

fn format_time(time_ms: i64) -> String {
    let time = Timestamp::from_millisecond(time_ms).expect("a time within jiff's range");
    format!("{time:.3}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_is_identified_once_before_the_first_event() {
        let mut events = Vec::new();
        otto::convert(open(&fixture(otto::FILE)).expect("fixture"), &mut events).expect("otto");
        let mut lines = Vec::new();
        assert_eq!(identify_all(&events[..], &mut lines).expect("identify"), 20);
        let first = lines.lines().next().expect("a line").expect("text");
        assert_eq!(
            first,
            concat!(
                r#"{"messageId":"identify-0","timestamp":"2022-07-31T21:59:59.025Z","#,
                r#""traits":{"consent":{"email":true},"email":"0@example.com"},"type":"identify","userId":"0"}"#
            )
        );
    }
}
