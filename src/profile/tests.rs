//! What the tests of families have in common.

use std::sync::Arc;

use crate::decode::Decoder;
use crate::event::record::Origin;
use crate::event::{Event, Vocabulary};
use crate::time::Timestamp;

/// An event of `ana`, so many minutes into 2 March 2026, with these properties in JSON.
pub fn told(name: &str, minute: i64, properties: &str) -> Event {
    let midnight = Timestamp::parse("2026-03-02T00:00:00Z").unwrap();
    let time = midnight.plus(minute * 60_000);
    let text = format!(
        r#"{{"event":"{name}","userId":"ana","timestamp":"{time}","properties":{properties}}}"#
    );
    let decoder = Decoder::new(Arc::new(Vocabulary::standard()), Arc::default());
    let decoded = decoder.decode(text.as_bytes(), &Origin::default());
    decoded.unwrap().event
}
