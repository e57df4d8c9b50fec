//! How a task stands, for those who ask from outside.

use super::Context;
use crate::task::Task;
use crate::task::customers::Customers;
use crate::time::Timestamp;

/// A task as of its last commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskView {
    /// Transactions committed over its life.
    pub transactions: u64,
    /// The revision of the triggers in the last of them.
    pub revision: String,
    /// Nothing at or before this event time is still expected; none before the first commit.
    pub watermark: Option<Timestamp>,
    /// The clock reading of the last commit; none before it.
    pub now: Option<Timestamp>,
    /// By topic that comes in.
    pub topics: Vec<TopicView>,
    /// Customers known.
    pub customers: usize,
    /// Bytes of their packed profiles.
    pub bytes: usize,
    /// Erasures that still drop what is older.
    pub erasures: usize,
    /// While the state is read: changelog offsets done, and to be done.
    pub restoring: Option<(i64, i64)>,
}

/// How far a task is in a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicView {
    /// Its name.
    pub topic: String,
    /// The offset to read on from; none where nothing was read yet.
    pub offset: Option<i64>,
    /// Records that are not committed, of the end last asked for, some seconds ago.
    pub lag: i64,
}

impl Context {
    /// Records that wait for a task, of all topics, as far as is known.
    pub(super) fn waits(&self, partition: i32) -> i64 {
        let topics = self.names.inputs.iter();
        topics
            .map(|topic| self.telemetry.lag_of(topic, partition))
            .sum()
    }

    pub(super) fn view(&self, partition: i32, task: &Task<Customers>) -> TaskView {
        let durable = task.durable();
        let engine = task.core().engine();
        let (customers, bytes) = engine.size();
        let topics = self.names.inputs.iter().map(|topic| TopicView {
            topic: topic.clone(),
            offset: durable.and_then(|record| record.offset(topic)),
            lag: self.telemetry.lag_of(topic, partition),
        });
        TaskView {
            transactions: durable.map_or(0, |record| record.transaction),
            revision: durable.map_or(String::new(), |record| record.revision.clone()),
            watermark: durable.map(|record| record.watermark),
            now: durable.map(|record| record.now),
            topics: topics.collect(),
            customers,
            bytes,
            erasures: engine.erasures(),
            restoring: task.restoring(),
        }
    }
}
