//! What comes of one topic for a task: its partition's queue, and what is held back.

use std::sync::mpsc::Sender;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::{Offset, TopicPartitionList};

use super::Context;
use super::message::{Member, ToWorker};
use super::placement::Stands;
use super::queue::{Batch, PartitionQueue, Waker};
use crate::decode::Decoder;
use crate::event::record::SchemaId;
use crate::task::Session;
use crate::task::core::RawRecord;

/// Records taken of a topic at once: a step's worth.
const TAKE_RECORDS: usize = 512;
/// A seek takes a millisecond.
const SEEK_TIMEOUT: Duration = Duration::from_secs(5);

/// One topic's partition.
pub(super) struct Feed {
    pub topic: String,
    pub queue: PartitionQueue<Member>,
    /// In which session it is read; none before it is sought.
    pub session: Option<Session>,
    pub paused: bool,
    /// As last said to the task.
    pub position: i64,
    /// Records that came, from the first on whose schema is not had yet. To the task it is as if they were not fetched.
    pub held: Vec<RawRecord>,
}

impl Feed {
    /// The partition of a topic, not read yet; `waker` is told when something comes. None where librdkafka does not know it.
    pub fn new(
        consumer: &Arc<BaseConsumer<Member>>,
        topic: &str,
        partition: i32,
        waker: &Arc<Waker<ToWorker>>,
    ) -> Option<Self> {
        let waker = Arc::clone(waker);
        let wake = Box::new(move || waker.wake());
        Some(Self {
            topic: topic.to_owned(),
            queue: PartitionQueue::new(Arc::clone(consumer), topic, partition, Some(wake))?,
            session: None,
            paused: false,
            position: -1,
            held: Vec::new(),
        })
    }

    /// What came, if nothing is held back.
    pub fn take(&mut self) -> Batch {
        if self.held.is_empty() {
            self.queue.take(TAKE_RECORDS, 0)
        } else {
            Batch::default()
        }
    }

    /// The records that can be read, up to the first whose schema must be asked for.
    pub fn readable(&mut self, decoder: &Decoder, wanted: &Sender<SchemaId>) -> Vec<RawRecord> {
        let missing = |record: &RawRecord| {
            let payload = record.value.as_deref().unwrap_or_default();
            decoder.missing_schema(&self.topic, payload)
        };
        let waiting = self.held.iter().map(missing).enumerate();
        match waiting.filter_map(|(at, id)| Some((at, id?))).next() {
            None => std::mem::take(&mut self.held),
            Some((at, id)) => {
                // The thread that is asked ends with the process.
                let _ = wanted.send(id);
                let waiting = self.held.split_off(at);
                std::mem::replace(&mut self.held, waiting)
            }
        }
    }

    /// Reads on from here.
    pub fn seek(&self, partition: i32, offset: i64) -> Result<(), rdkafka::error::KafkaError> {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&self.topic, partition, Offset::Offset(offset))?;
        let sought = self.queue.consumer().seek_partitions(list, SEEK_TIMEOUT)?;
        for element in sought.elements() {
            element.error()?;
        }
        self.queue.consumer().resume(&sought)
    }
}

impl Context {
    /// Looks at one record of a batch: is it where its key says?
    pub(super) fn sample(&self, topic: &str, partition: i32, record: &RawRecord) {
        let stands = Stands::of(record.key.as_deref(), partition, self.names.partitions);
        let mut placement = self
            .placement
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let alarm = placement.note(topic, stands, Instant::now());
        drop(placement);
        self.telemetry.sampled(topic, stands != Stands::Right);
        if let Some(counts) = alarm {
            tracing::warn!(
                topic,
                sampled = counts.sampled,
                misplaced = counts.misplaced,
                without_key = counts.without_key,
                "records are in other partitions than their customers: a producer of this topic does not key by customer, or \
                 not by murmur2; give it partitioner=murmur2_random (librdkafka; Java's default is right) and the customer's id \
                 as key"
            );
        }
    }
}
