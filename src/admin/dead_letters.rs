//! Dead letters: listed, looked into, mended and sent again.
//!
//! What must stay true: a letter is sent again once. Replaying appends, in one transaction, the record to its topic and a *mark* to the
//! letter's own partition: a record without a value, whose header [`MARK`] names the letter. A letter with a mark is replayed.
//! Whoever replays first fences every other who does, and then looks for marks.

mod letter;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

pub use self::letter::{Address, Letter, Mended, Unfit};
use super::AdminError;
use super::log::{Log, Range, Read};
use super::producing::{Outgoing, Sender};
use crate::config::Config;
use crate::task::transaction::{CUT_HEADER, ERROR_HEADERS};
use crate::time::Timestamp;

/// The header of a record that was sent again: the topic, partition and offset of the letter it was.
pub const REPLAYED_FROM: &str = "moments.replayed.from";
/// The header of a mark: partition and offset of the letter that was replayed.
pub const MARK: &str = "moments.replayed.letter";
/// Letters of one transaction.
const BATCH: usize = 500;

/// Which letters are meant; all that is given must fit.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// The topic they came from.
    pub topic: Option<String>,
    /// The reason: `bad_json`, `no_time`, ...
    pub reason: Option<String>,
    /// The stage: `decode`, `validate`.
    pub stage: Option<String>,
    /// Set aside at or after this time.
    pub since: Option<Timestamp>,
    /// These and no others; none: all.
    pub addresses: Option<Vec<Address>>,
    /// Those that were sent again, too.
    pub replayed: bool,
}

impl Filter {
    fn fits(&self, letter: &Letter) -> bool {
        let is = |wanted: &Option<String>, name: &str| {
            wanted
                .as_deref()
                .is_none_or(|it| letter.error(name) == Some(it))
        };
        (self.replayed || !letter.replayed)
            && is(&self.topic, "topic")
            && is(&self.reason, "exception.class.name")
            && is(&self.stage, "stage")
            && self
                .addresses
                .as_ref()
                .is_none_or(|all| all.contains(&letter.address))
    }
}

/// The last `limit` letters that fit, oldest first by when they were set aside. Reads the topic, or what of it is since
/// then, from one end to the other.
///
/// # Errors
/// Where Kafka does not answer.
pub fn list(
    log: &Log,
    config: &Config,
    filter: &Filter,
    limit: usize,
) -> Result<Vec<Letter>, AdminError> {
    let topic = &config.topics.dead_letters;
    let ranges = log.ranges(topic, filter.since)?;
    // Marks stand behind their letters: all of them first, or a letter would be kept in place of an open one.
    let marks = marks(log, topic, &ranges)?;
    let mut letters: BTreeMap<(Timestamp, Address), Letter> = BTreeMap::new();
    log.read(topic, &ranges, |read| {
        if let Entry::Letter(mut letter) = entry(read) {
            letter.replayed = marks.contains(&letter.address);
            if filter.fits(&letter) {
                letters.insert((letter.record.appended, letter.address), letter);
            }
        }
        if letters.len() > limit {
            letters.pop_first();
        }
        ControlFlow::Continue(())
    })?;
    Ok(letters.into_values().collect())
}

/// One letter, and whether it was replayed.
///
/// # Errors
/// Where there is none, or Kafka does not answer.
pub fn find(log: &Log, config: &Config, address: Address) -> Result<Letter, AdminError> {
    let topic = &config.topics.dead_letters;
    let none = || AdminError::Refused(format!("{topic} has no letter {address}"));
    if address.partition >= log.partitions(topic)? {
        return Err(none());
    }
    let range = log.range(topic, address.partition)?;
    if !(range.from..range.until).contains(&address.offset) {
        return Err(none());
    }
    let behind = Range {
        from: address.offset,
        ..range
    };
    let (mut found, mut replayed) = (None, false);
    log.read(topic, &[behind], |read| {
        match entry(read) {
            Entry::Letter(letter) if letter.address == address => found = Some(letter),
            Entry::Mark(marked) => replayed |= marked == Some(address),
            Entry::Letter(_) => {}
        }
        ControlFlow::Continue(())
    })?;
    let letter = found.ok_or_else(none)?;
    Ok(Letter { replayed, ..letter })
}

/// Sends records again that letters became, each with its mark, unless it was replayed meanwhile or is `again`. How many were.
///
/// # Errors
/// Where Kafka does not answer, or another replay began meanwhile. Whole batches of 500 are sent, or not.
pub fn replay(
    log: &Log,
    config: &Config,
    records: &[(Letter, Outgoing)],
    again: bool,
) -> Result<usize, AdminError> {
    let id = format!("{}-dead-letters", config.application.id);
    // From here on nobody else replays; what they did is marked, as soon as it can be read.
    let sender = Sender::transactional(config, &id)?;
    let topic = &config.topics.dead_letters;
    log.wait_for_open_transactions(config, topic)?;
    let marked = match again {
        true => BTreeSet::new(),
        false => marks(log, topic, &log.ranges(topic, None)?)?,
    };
    let open: Vec<_> = records
        .iter()
        .filter(|(letter, _)| !marked.contains(&letter.address))
        .collect();
    for batch in open.chunks(BATCH) {
        let sent: Vec<Outgoing> = batch
            .iter()
            .flat_map(|(letter, record)| [record.clone(), letter.mark(config)])
            .collect();
        sender.transact(&sent)?;
    }
    Ok(open.len())
}

fn marks(log: &Log, topic: &str, ranges: &[Range]) -> Result<BTreeSet<Address>, AdminError> {
    let mut marks = BTreeSet::new();
    log.read(topic, ranges, |read| {
        if let Entry::Mark(Some(address)) = entry(read) {
            marks.insert(address);
        }
        ControlFlow::Continue(())
    })?;
    Ok(marks)
}

enum Entry {
    Letter(Letter),
    /// Of the letter there; none where the header is none of ours.
    Mark(Option<Address>),
}

fn entry(read: Read) -> Entry {
    let headers = &read.record.headers;
    let is_letter = headers
        .iter()
        .any(|(name, _)| name.starts_with(ERROR_HEADERS));
    let mark = headers.iter().find(|(name, _)| name == MARK && !is_letter);
    if let Some((_, value)) = mark {
        let text = std::str::from_utf8(value.as_deref().unwrap_or_default());
        return Entry::Mark(text.ok().and_then(|text| text.parse().ok()));
    }
    Entry::Letter(Letter {
        address: Address {
            partition: read.partition,
            offset: read.record.offset,
        },
        record: read.record,
        replayed: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::core::RawRecord;

    #[test]
    fn a_letter_that_brought_the_header_of_a_mark_is_a_letter() {
        let header = |name: &str, value: &str| (name.to_owned(), Some(value.as_bytes().to_vec()));
        let read = |headers| Read {
            partition: 3,
            record: RawRecord {
                headers,
                ..RawRecord::default()
            },
        };
        let mark = vec![header(MARK, "3:17")];
        assert!(matches!(
            entry(read(mark)),
            Entry::Mark(Some(Address {
                partition: 3,
                offset: 17
            }))
        ));
        let letter = vec![
            header(MARK, "3:17"),
            header("__connect.errors.topic", "cart"),
        ];
        assert!(matches!(entry(read(letter)), Entry::Letter(_)));
    }
}
