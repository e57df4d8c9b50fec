//! The journal: one line a transaction that says what it took and when, so that it can be done again byte for byte.
//!
//! `{"task":0,"transaction":7,"revision":"..","now":ms,"steps":[{"runs":[["cart",10,14]],"watermark":ms,"now":ms}]}`.
//! A run is what was taken of one topic in a row, offsets inclusive; who replays it reads the committed records between. A step is the events
//! of its runs in order, each at the step's `now`, and then the watermark. `"adopt":{"from":0,"to":n}` in a step: customers went over to
//! the triggers of this revision; a line of another revision than the one before it, without such a step, changed no customer.
//! `"beyond":n` in a step: more customers were due in the millisecond after its watermark than one step may decide; for the first n of
//! those for whom something came true, in byte order of their ids, it did. `"everybody":{"from":0,"to":n}` in a step: the record of its
//! only run happened to everybody, and was shown to those customers; it stands in a step for each slice of them.

use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// One transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
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

impl Line {
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
        let line = Line {
            task: 2,
            transaction: 7,
            revision: "r1".to_owned(),
            now: step.now,
            steps: vec![step],
        };
        let json = String::from_utf8(line.to_json()).expect("text");
        let expected = r#"{"task":2,"transaction":7,"revision":"r1","now":5,"steps":[{"runs":[["cart",10,12],["purchase",3,3],["cart",13,13]],"watermark":4,"now":5}]}"#;
        assert_eq!(json, expected);
        assert_eq!(serde_json::from_str::<Line>(&json).expect("a line"), line);
    }
}
