//! A file of records as `kcat -J` prints them, of several topics and partitions, taken apart for a rehearsal.

use std::collections::{BTreeMap, VecDeque};
use std::io;

use super::envelope::Envelope;
use super::{Record, Source};

/// A rehearsal tells so many sources apart.
const SOURCES_MAX: usize = 255;

/// One partition of a topic, in memory.
#[derive(Debug, Default)]
pub struct Partition {
    records: VecDeque<Record>,
}

impl Source for Partition {
    fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        Ok(self.records.pop_front().map(|record| record.payload))
    }

    fn next_record(&mut self) -> io::Result<Option<Record>> {
        Ok(self.records.pop_front())
    }
}

/// The topic, partition and values of each partition of `topics` that the lines hold, by topic and partition. All of it is held
/// in memory: within a partition records stand in their order, between partitions in none.
///
/// # Errors
/// Where a line cannot be read, or is no such record, with its number.
pub fn read(
    mut lines: impl Source,
    topics: &[String],
) -> io::Result<Vec<(String, i32, Partition)>> {
    let mut partitions: BTreeMap<(String, i32), Partition> = BTreeMap::new();
    let mut number = 0_u64;
    while let Some(line) = lines.next()? {
        number += 1;
        let invalid = |detail: String| {
            let message = format!("line {number}: {detail}; expected the output of `kcat -J`");
            io::Error::new(io::ErrorKind::InvalidData, message)
        };
        let mut envelope = Envelope::read(&line).map_err(invalid)?;
        if !topics.contains(&envelope.topic) {
            continue;
        }
        let record = Record {
            payload: envelope.value().map_err(invalid)?,
            headers: envelope.headers(),
            appended: envelope.appended(),
            by_producer: envelope.by_producer(),
            key: envelope.key.map(String::into_bytes),
        };
        let of = (envelope.topic, envelope.partition);
        partitions.entry(of).or_default().records.push_back(record);
    }
    if partitions.len() > SOURCES_MAX {
        let message = format!(
            "it holds {} partitions of all topics together; at most {SOURCES_MAX} can be rehearsed at once",
            partitions.len()
        );
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    Ok(partitions
        .into_iter()
        .map(|((topic, partition), values)| (topic, partition, values))
        .collect())
}

/// Whether a line is a record as `kcat -J` prints it, and so the file a recording.
#[must_use]
pub fn is_one(first_line: &[u8]) -> bool {
    Envelope::read(first_line).is_ok()
}
