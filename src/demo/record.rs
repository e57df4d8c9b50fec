//! Keeps every record of the demo in a file, as `kcat -J` writes them: events, decisions and the journal.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::{Offset, TopicPartitionList};

use super::{DemoError, client};
use crate::config::Config;
use crate::rehearsal::envelope::Envelope;
use crate::task::journal::Line;

/// How long it waits for news.
const WAIT: Duration = Duration::from_millis(100);
/// How long the last records may take to be read.
const LAST: Duration = Duration::from_secs(20);

/// Reads all topics and writes them down.
pub struct Recorder {
    consumer: BaseConsumer,
    out: BufWriter<File>,
    topics: Vec<String>,
    partitions: i32,
    prefix: String,
    journal: String,
}

impl Recorder {
    /// Into a file at `path`. What names begin with on a broker that others use, too, is left out.
    ///
    /// # Errors
    /// Where the file cannot be made, or Kafka not be read.
    pub fn new(path: &Path, config: &Config, prefix: &str) -> Result<Self, DemoError> {
        let file = File::create(path).map_err(|error| {
            std::io::Error::new(error.kind(), format!("{}: {error}", path.display()))
        })?;
        let consumer: BaseConsumer = client(config)
            .set("group.id", "demo-recorder")
            .set("enable.auto.commit", "false")
            .set("isolation.level", "read_committed")
            .set("fetch.wait.max.ms", "20")
            .create()?;
        let journal = config.journal();
        let mut topics: Vec<_> = config
            .topics
            .inputs()
            .into_iter()
            .map(|it| it.name)
            .collect();
        topics.extend([config.topics.decisions.clone(), journal.clone()]);
        let mut all = TopicPartitionList::new();
        for topic in &topics {
            for partition in 0..config.topics.partitions {
                all.add_partition_offset(topic, partition, Offset::Beginning)?;
            }
        }
        consumer.assign(&all)?;
        Ok(Self {
            consumer,
            out: BufWriter::new(file),
            topics,
            partitions: config.topics.partitions,
            prefix: prefix.to_owned(),
            journal,
        })
    }

    /// Writes until `ended`, and then what is still to be read.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn run(mut self, ended: &AtomicBool) -> Result<(), DemoError> {
        while !ended.load(Ordering::Relaxed) {
            self.take()?;
        }
        let since = Instant::now();
        while since.elapsed() < LAST && !self.has_all()? {
            self.take()?;
        }
        Ok(self.out.flush()?)
    }

    /// Writes what there is, at most for a while.
    fn take(&mut self) -> Result<(), DemoError> {
        // An error here is news of a connection, which librdkafka mends by itself.
        let lines: Vec<_> = std::iter::once(self.consumer.poll(WAIT))
            .chain(std::iter::from_fn(|| Some(self.consumer.poll(Duration::ZERO))).take(1000))
            .map_while(|record| record)
            .filter_map(|record| Some(self.line(&record.ok()?)))
            .collect();
        for line in lines {
            serde_json::to_writer(&mut self.out, &line).map_err(std::io::Error::from)?;
            self.out.write_all(b"\n")?;
        }
        Ok(())
    }

    fn line(&self, record: &BorrowedMessage<'_>) -> Envelope {
        let plain = |name: &str| name.strip_prefix(&self.prefix).unwrap_or(name).to_owned();
        let mut value = record.payload().unwrap_or_default().to_vec();
        // The journal names topics as well.
        if record.topic() == self.journal
            && let Ok(mut line) = serde_json::from_slice::<Line>(&value)
        {
            for run in line.steps.iter_mut().flat_map(|step| &mut step.runs) {
                run.0 = plain(&run.0);
            }
            value = line.to_json();
        }
        let key = record.key().map(String::from_utf8_lossy);
        let envelope = Envelope {
            topic: plain(record.topic()),
            partition: record.partition(),
            offset: record.offset(),
            ts: record.timestamp().to_millis(),
            key: key.map(std::borrow::Cow::into_owned),
            ..Envelope::default()
        };
        envelope.holding(value)
    }

    /// Whether it has read all that was written.
    fn has_all(&self) -> Result<bool, DemoError> {
        let positions = self.consumer.position()?;
        for topic in &self.topics {
            for partition in 0..self.partitions {
                let (_, end) = self.consumer.fetch_watermarks(topic, partition, LAST)?;
                let found = positions.find_partition(topic, partition);
                let read = match found.map(|it| it.offset()) {
                    Some(Offset::Offset(offset)) => offset,
                    // Nothing was ever read of it.
                    _ => 0,
                };
                if read < end {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }
}
