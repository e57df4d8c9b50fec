//! A partition of a topic as history: what is in it, and what is added to it.

use std::collections::VecDeque;
use std::io;
use std::ops::ControlFlow;
use std::rc::Rc;

use crate::admin::{AdminError, Log, Range};
use crate::rehearsal::{Record, Source};
use crate::time::Timestamp;

/// Records of a partition that are read at once: some MB.
const AT_ONCE: i64 = 20_000;

/// A partition, read as far as it went when it was asked last.
pub(super) struct Topic {
    log: Rc<Log>,
    name: String,
    /// What is not read of it.
    unread: Range,
    held: VecDeque<Record>,
}

impl Topic {
    /// The partitions of a topic, from records on that were appended at `since`.
    ///
    /// # Errors
    /// Where it is not there, or Kafka does not answer.
    pub fn all(
        log: &Rc<Log>,
        name: &str,
        since: Option<Timestamp>,
    ) -> Result<Vec<Self>, AdminError> {
        let ranges = log.ranges(name, since)?.into_iter();
        let partition = |unread| Self {
            log: Rc::clone(log),
            name: name.to_owned(),
            unread,
            held: VecDeque::new(),
        };
        Ok(ranges.map(partition).collect())
    }

    fn fetch(&mut self) -> Result<(), AdminError> {
        let until = self.unread.until.min(self.unread.from + AT_ONCE);
        let some = Range {
            until,
            ..self.unread
        };
        let held = &mut self.held;
        self.log.read(&self.name, &[some], |read| {
            held.push_back(Record {
                payload: read.record.value.unwrap_or_default(),
                key: read.record.key,
                headers: read.record.headers,
                appended: Some(read.record.appended),
                by_producer: !read.record.stamped,
            });
            ControlFlow::Continue(())
        })?;
        self.unread.from = until;
        Ok(())
    }
}

impl Source for Topic {
    fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        Ok(self.next_record()?.map(|record| record.payload))
    }

    fn next_record(&mut self) -> io::Result<Option<Record>> {
        while self.held.is_empty() && self.unread.from < self.unread.until {
            self.fetch().map_err(io::Error::other)?;
        }
        Ok(self.held.pop_front())
    }

    /// Where it cannot be asked how far it goes now, it went no further.
    fn goes_on(&mut self) {
        if let Ok(now) = self.log.range(&self.name, self.unread.partition) {
            self.unread.until = now.until.max(self.unread.until);
        }
    }
}
