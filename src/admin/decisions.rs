//! What was decided for a customer, newest first, read from the topic of decisions.
//!
//! The topic is no index: her decisions stand among those of every customer of her partition. So a page reads a bounded piece
//! of it, from its end or from where the page before stopped, and may find little in it.

use std::ops::ControlFlow;

use super::AdminError;
use super::log::{Log, Range};
use crate::config::Config;
use crate::runtime::murmur2;

/// Records that a page reads at most: about a second.
pub const SCAN_MAX: i64 = 100_000;
/// Records read in one piece: the newest page of a customer who was decided on lately takes milliseconds.
const PIECE: i64 = 5_000;

/// A page of decisions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decisions {
    /// JSON of each, newest first.
    pub found: Vec<Vec<u8>>,
    /// What was read: from this offset.
    pub from: i64,
    /// Up to this one.
    pub until: i64,
    /// The offset that the next page begins below; none where there is nothing older.
    pub next: Option<i64>,
}

/// Up to `limit` decisions of a customer below an offset, or the newest.
///
/// # Errors
/// Where Kafka does not answer.
pub fn read(
    log: &Log,
    config: &Config,
    customer: &str,
    below: Option<i64>,
    limit: usize,
) -> Result<Decisions, AdminError> {
    let topic = &config.topics.decisions;
    let partition = murmur2::partition(customer.as_bytes(), log.partitions(topic)?);
    let whole = log.range(topic, partition)?;
    let until = below.unwrap_or(whole.until).clamp(whole.from, whole.until);
    let mut page = Decisions {
        from: until,
        until,
        ..Decisions::default()
    };
    while page.from > whole.from && page.found.len() < limit && until - page.from < SCAN_MAX {
        let piece = Range {
            partition,
            from: (page.from - PIECE).max(whole.from),
            until: page.from,
        };
        let mut hers = Vec::new();
        log.read(topic, &[piece], |read| {
            if read.record.key.as_deref() == Some(customer.as_bytes()) {
                hers.push((read.record.offset, read.record.value.unwrap_or_default()));
            }
            ControlFlow::Continue(())
        })?;
        page.from = piece.from;
        for (offset, value) in hers.into_iter().rev() {
            if page.found.len() == limit {
                // She has more here than the page takes.
                break;
            }
            page.found.push(value);
            if page.found.len() == limit {
                page.from = offset;
            }
        }
    }
    page.next = (page.from > whole.from).then_some(page.from);
    Ok(page)
}
