//! How far processes have come, seen from outside: what is in the log, and the group's committed offsets.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::{Offset, TopicPartitionList};

use crate::kafka::installation::{INPUTS, Installation, LIMIT};
use crate::support::wait_until;

const CALL: Duration = Duration::from_secs(30);

/// Asks; it never joins the group.
pub struct Progress {
    consumer: BaseConsumer,
    written: Vec<String>,
    inputs: Vec<String>,
    partitions: i32,
}

impl Progress {
    /// Of the processes of an installation.
    pub fn of(installation: &Installation, partitions: i32) -> Self {
        let consumer = installation
            .client()
            .set("group.id", installation.application_id())
            .set("enable.auto.commit", "false")
            .set("isolation.level", "read_uncommitted")
            .create()
            .expect("a consumer");
        Self {
            consumer,
            written: ["-journal", "-changelog", "decisions"]
                .map(|name| installation.topic(name))
                .to_vec(),
            inputs: INPUTS.map(|name| installation.topic(name)).to_vec(),
            partitions,
        }
    }

    /// Records written by transactions so far, undecided and aborted ones included.
    pub fn written(&self) -> i64 {
        self.written
            .iter()
            .map(|topic| self.ends(topic).iter().sum::<i64>())
            .sum()
    }

    /// The end of each partition, undecided records included.
    fn ends(&self, topic: &str) -> Vec<i64> {
        (0..self.partitions)
            .map(|partition| {
                let marks = self.consumer.fetch_watermarks(topic, partition, CALL);
                marks.expect("watermarks").1
            })
            .collect()
    }

    /// How many offsets of the input topics are not committed by the group; markers of transactions count.
    pub fn uncommitted(&self) -> i64 {
        let mut list = TopicPartitionList::new();
        for topic in &self.inputs {
            list.add_partition_range(topic, 0, self.partitions - 1);
        }
        let committed = self
            .consumer
            .committed_offsets(list, CALL)
            .expect("offsets");
        let mut ends = self.inputs.iter().map(|topic| (topic, self.ends(topic)));
        ends.by_ref()
            .flat_map(|(topic, ends)| {
                (0..)
                    .zip(ends)
                    .map(move |(partition, end)| (topic, partition, end))
            })
            .map(|(topic, partition, end)| {
                let offset = committed
                    .find_partition(topic, partition)
                    .map(|found| found.offset());
                match offset {
                    Some(Offset::Offset(offset)) => end - offset,
                    _ => end,
                }
            })
            .sum()
    }

    /// Waits until so much more is written than `before`, or nothing is left to read.
    pub fn wait_for_more(&self, before: i64, more: i64) {
        wait_until(&format!("{more} more records"), LIMIT, || {
            self.written() >= before + more || self.uncommitted() <= self.markers_max()
        });
    }

    /// After a transaction of the inputs' producer a marker may stay uncommitted at each end, as nothing follows it.
    fn markers_max(&self) -> i64 {
        i64::from(self.partitions) * INPUTS.len() as i64 * 2
    }
}
