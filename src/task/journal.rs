//! The journal: one line a transaction that says what it took and when, so that it can be done again byte for byte.
//!
//! `{"task":0,"transaction":7,"revision":"..","now":ms,"steps":[{"runs":[["cart",10,14]],"watermark":ms,"now":ms}]}`.
//! A run is what was taken of one topic in a row, offsets inclusive; who replays it reads the committed records between. A step is the events
//! of its runs in order, each at the step's `now`, and then the watermark. `"adopt":{"from":0,"to":n}` in a step: customers went over to
//! the triggers of this revision; a line of another revision than the one before it, without such a step, changed no customer.
//! `"beyond":n` in a step: more customers were due in the millisecond after its watermark than one step may decide; for the first n of
//! those for whom something came true, in byte order of their ids, it did. `"everybody":{"from":0,"to":n}` in a step: the record of its
//! only run happened to everybody, and was shown to those customers; it stands in a step for each slice of them.
//! `"kept":n` in a line: customers who changed in transaction n or later, and not before, were not written in it. Without it everybody
//! was.
//!
//! `"between":{"topic":"..","tasks":n}` in a line: ids of one person may lie in two of n tasks, which tell each other of it in that
//! topic. Its records without a value are no events, and stand in no run by themselves.
//!
//! `"tasks":n` in a line: the task is one of so many that share the send rates of its triggers.
//!
//! A line says nothing of its version where it is the first; `"version":2` has a step that says `beyond` or `everybody`, which a
//! program that does not know them would do otherwise, `"version":3` a `kept`, `"version":4` a `between`, and `"version":5` a `tasks`.

use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// The newest version that is written and read.
pub const VERSION: u8 = 5;
const FOURTH: u8 = 4;
const THIRD: u8 = 3;
const SECOND: u8 = 2;
const FIRST: u8 = 1;

/// One transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Its version, as [`Line::new`] finds it.
    #[serde(default = "first", skip_serializing_if = "is_first")]
    version: u8,
    /// The partition number.
    pub task: i32,
    /// Counted from 1.
    pub transaction: u64,
    /// Of the triggers.
    pub revision: String,
    /// The last clock reading.
    pub now: Timestamp,
    /// In order.
    pub steps: Vec<Step>,
    /// Of those who changed, the ones who did first in this transaction or later are not written yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<u64>,
    /// Where ids of one person may lie in two tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub between: Option<Between>,
    /// Where triggers have send rates: how many tasks share them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tasks: Option<i32>,
}

/// By what tasks tell each other of ids.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Between {
    /// The topic.
    pub topic: String,
    /// How many tasks there are.
    pub tasks: i32,
}

/// Some events and a watermark.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// In order; none where only time moved.
    pub runs: Vec<Run>,
    /// The watermark after them.
    pub watermark: Timestamp,
    /// The clock reading.
    pub now: Timestamp,
    /// Customers decided in the millisecond after the watermark; a later step goes on with the others.
    #[serde(default, skip_serializing_if = "is_none")]
    pub beyond: u64,
    /// Where customers went over to the line's triggers: nothing was taken, and the watermark had been reached before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adopt: Option<Slice>,
    /// Where the record of the only run happened to everybody: which customers it was shown to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub everybody: Option<Slice>,
}

fn first() -> u8 {
    FIRST
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_first(version: &u8) -> bool {
    *version == FIRST
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_none(beyond: &u64) -> bool {
    *beyond == 0
}

/// Some of all customers, counted in byte order of their ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slice {
    /// The first.
    pub from: u64,
    /// The first who is not in it.
    pub to: u64,
}

/// Topic, first offset, last offset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run(pub String, pub i64, pub i64);

/// Why a line of a journal cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// It is written otherwise.
    #[error("it is no line of a journal: {0}")]
    Broken(#[from] serde_json::Error),
    /// Written by a newer program.
    #[error(
        "the line has version {0}, this program knows versions up to {VERSION}: run the newer program"
    )]
    Newer(u8),
}

impl Line {
    /// The line of a transaction of a task; `now` is its last clock reading.
    #[must_use]
    pub fn new(
        task: i32,
        transaction: u64,
        revision: String,
        now: Timestamp,
        steps: Vec<Step>,
    ) -> Self {
        let is_second = |step: &Step| step.beyond > 0 || step.everybody.is_some();
        let version = match steps.iter().any(is_second) {
            true => SECOND,
            false => FIRST,
        };
        Self {
            version,
            task,
            transaction,
            revision,
            now,
            steps,
            kept: None,
            between: None,
            tasks: None,
        }
    }

    /// The same of a transaction that did not write those who changed in this one or later.
    #[must_use]
    pub fn keeping(self, kept: Option<u64>) -> Self {
        let version = if kept.is_some() { THIRD } else { self.version };
        Self {
            version,
            kept,
            ..self
        }
    }

    /// The same of a task that tells others of ids, and is told by them.
    #[must_use]
    pub fn beside(self, between: Option<Between>) -> Self {
        let version = if between.is_some() {
            FOURTH
        } else {
            self.version
        };
        Self {
            version,
            between,
            ..self
        }
    }

    /// The same of a task that shares send rates with others.
    #[must_use]
    pub fn sharing(self, tasks: Option<i32>) -> Self {
        let version = if tasks.is_some() {
            VERSION
        } else {
            self.version
        };
        Self {
            version,
            tasks,
            ..self
        }
    }

    /// Reads the value of a journal record.
    ///
    /// # Errors
    /// What is no line, or one of a newer version.
    pub fn read(json: &[u8]) -> Result<Self, LineError> {
        #[derive(Deserialize)]
        struct Version {
            #[serde(default = "first")]
            version: u8,
        }
        let Version { version } = serde_json::from_slice(json)?;
        if version > VERSION {
            return Err(LineError::Newer(version));
        }
        Ok(serde_json::from_slice(json)?)
    }

    /// The value of the journal record.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("plain data into memory")
    }
}

impl Step {
    /// A step that has taken nothing yet.
    #[must_use]
    pub fn begin(now: Timestamp) -> Self {
        Self {
            runs: Vec::new(),
            watermark: Timestamp::MIN,
            now,
            beyond: 0,
            adopt: None,
            everybody: None,
        }
    }

    /// One more record was taken.
    pub fn take(&mut self, topic: &str, offset: i64) {
        match self.runs.last_mut() {
            Some(run) if run.0 == topic => run.2 = offset,
            _ => self.runs.push(Run(topic.to_owned(), offset, offset)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_reads_as_documented() {
        let mut step = Step::begin(Timestamp(5));
        for (topic, offset) in [("cart", 10), ("cart", 12), ("purchase", 3), ("cart", 13)] {
            step.take(topic, offset);
        }
        step.watermark = Timestamp(4);
        let line = Line::new(2, 7, "r1".to_owned(), step.now, vec![step.clone()]);
        let json = String::from_utf8(line.to_json()).expect("text");
        let expected = r#"{"task":2,"transaction":7,"revision":"r1","now":5,"steps":[{"runs":[["cart",10,12],["purchase",3,3],["cart",13,13]],"watermark":4,"now":5}]}"#;
        assert_eq!(json, expected);
        assert_eq!(Line::read(json.as_bytes()).expect("a line"), line);
        step.beyond = 3;
        let line = Line::new(2, 7, "r1".to_owned(), step.now, vec![step]);
        let json = String::from_utf8(line.to_json()).expect("text");
        assert!(json.starts_with(r#"{"version":2,"task":2,"#), "{json}");
        assert_eq!(Line::read(json.as_bytes()).expect("a line"), line);
        let keeps = line.clone().keeping(Some(5)).to_json();
        assert!(keeps.starts_with(br#"{"version":3,"#) && keeps.ends_with(br#","kept":5}"#));
        let between = Between {
            topic: "shop-identities".to_owned(),
            tasks: 4,
        };
        let beside = line.clone().beside(Some(between)).to_json();
        assert!(beside.starts_with(br#"{"version":4,"#));
        assert!(beside.ends_with(br#","between":{"topic":"shop-identities","tasks":4}}"#));
        let shares = line.clone().sharing(Some(4)).to_json();
        assert!(shares.starts_with(br#"{"version":5,"#) && shares.ends_with(br#","tasks":4}"#));
        for (wrong, expected) in [
            (json.replacen('2', "6", 1), "run the newer program"),
            (json.replacen("task", "tusk", 1), "missing field `task`"),
        ] {
            let said = Line::read(wrong.as_bytes()).unwrap_err().to_string();
            assert!(said.contains(expected), "{wrong}: {said}");
        }
    }
}
