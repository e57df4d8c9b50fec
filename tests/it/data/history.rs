//! Converted events as the histories that the naive reference reads.

use std::collections::BTreeMap;
use std::io::{self, BufRead};

use super::Track;
use crate::reference::RefEvent;

/// Every customer's events, sorted, from track lines. An event's place in the file is its `order`, its `key` the
/// product (of an order: its first product), its `value` the total.
pub fn histories(events: impl BufRead) -> io::Result<BTreeMap<String, Vec<RefEvent>>> {
    let mut histories: BTreeMap<String, Vec<RefEvent>> = BTreeMap::new();
    for (order, line) in (0..).zip(events.lines()) {
        let track: Track = serde_json::from_str(&line?)?;
        let time_ms = track.time_ms();
        let properties = track.properties;
        let key = properties.product_id.or_else(|| {
            let first = properties.products.into_iter().next();
            first.map(|product| product.product_id)
        });
        let event = RefEvent {
            time_ms,
            order,
            name: track.event,
            id: track.message_id,
            key: key.unwrap_or_default(),
            value: properties.total.unwrap_or_default(),
        };
        histories.entry(track.user_id).or_default().push(event);
    }
    for history in histories.values_mut() {
        history.sort_by_key(|event| (event.time_ms, event.order));
    }
    Ok(histories)
}
