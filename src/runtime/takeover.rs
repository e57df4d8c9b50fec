//! The thread that takes a task over, so that its worker does not wait for Kafka: it fences and restores, and ends.
//!
//! It carries commands out in order, each of which says for itself what must stay true ([`crate::task::Action`]).

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};

use super::clients::{self, Logged};
use super::committer::{ToCommitter, failure};
use super::message::{Membership, ToWorker};
use super::queue::{PartitionQueue, split};
use super::watchdog::EndsProcess;
use super::{Context, asker, producer};
use crate::task::{Action, Input, Session};

/// Changelog records in one answer.
const RESTORE_RECORDS: usize = 2_000;

/// What the thread is made with.
pub(super) struct Takeover {
    pub partition: i32,
    pub context: Arc<Context>,
    pub membership: Membership,
    pub committer: Sender<ToCommitter>,
    pub worker: Sender<ToWorker>,
    /// One is put in for each answer with changelog records, and taken out by the worker: so few are under way.
    pub credits: SyncSender<()>,
}

impl Takeover {
    /// Carries commands out until there are no more.
    pub fn run(&self, commands: &Receiver<(Session, Action)>) {
        let _guard = EndsProcess;
        for (session, command) in commands {
            let Some(input) = self.carry_out(session, &command) else {
                continue;
            };
            if !self.answer(session, input) {
                break;
            }
        }
    }

    /// Whether the worker is still there.
    fn answer(&self, session: Session, input: Input) -> bool {
        let answer = ToWorker::Answer {
            partition: self.partition,
            session,
            input,
        };
        self.worker.send(answer).is_ok()
    }

    fn carry_out(&self, session: Session, command: &Action) -> Option<Input> {
        match *command {
            Action::InitProducer => self.init(),
            Action::AskChangelogEnd => Some(self.ask_changelog_end()),
            Action::ReadChangelog { from, until } => self.restore(session, from, until),
            Action::AskGroupOffsets => Some(self.ask_group_offsets()),
            // The worker's, and the committer's.
            _ => None,
        }
    }

    /// No answer where the process was assigned anew meanwhile.
    fn init(&self) -> Option<Input> {
        let (done, ready) = mpsc::channel();
        let settle = ToCommitter::Settle {
            membership: self.membership.clone(),
            done,
        };
        self.committer.send(settle).ok()?;
        let fenced = ready.recv().ok()?.and_then(|()| {
            let (config, watchdog) = (&self.context.config, &self.context.watchdog);
            if self.membership.first == self.partition {
                return Ok(());
            }
            producer::fence(config, watchdog, self.partition)
        });
        Some(match fenced {
            Ok(()) => Input::ProducerReady,
            Err(error) => self.failed("taking over", &error),
        })
    }

    fn ask_changelog_end(&self) -> Input {
        let changelog = self.context.names.changelog.as_str();
        let partition = self.partition;
        let asked = asker::query(
            &self.context.ends,
            std::iter::once((changelog, partition)),
            Offset::End,
        );
        match asked {
            Ok(ends) => Input::ChangelogEnd(ends.into_values().next().unwrap_or(0)),
            Err(error) => self.failed("the end of the changelog", &error),
        }
    }

    /// Answers in pieces; the last one too.
    fn restore(&self, session: Session, from: i64, until: i64) -> Option<Input> {
        match self.read_changelog(session, from, until) {
            Ok(()) => None,
            Err(error) => Some(self.failed("reading the changelog", &error)),
        }
    }

    fn read_changelog(&self, session: Session, from: i64, until: i64) -> Result<(), KafkaError> {
        let (partition, topic) = (self.partition, self.context.names.changelog.clone());
        let config = clients::consumer(&self.context.config, "read_committed");
        let reader: Arc<BaseConsumer<Logged>> = Arc::new(config.create_with_context(Logged)?);
        let start = if from == 0 {
            Offset::Beginning
        } else {
            Offset::Offset(from)
        };
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&topic, partition, start)?;
        split(&reader, &topic, partition);
        reader.assign(&list)?;
        let Some(mut queue) = PartitionQueue::new(Arc::clone(&reader), &topic, partition, None)
        else {
            return Err(KafkaError::Subscription(topic));
        };
        let mut reached = from;
        let mut since = Instant::now();
        while reached < until {
            let batch = queue.take(RESTORE_RECORDS, 100);
            // Its log and its errors.
            let _ = reader.poll(Duration::ZERO);
            if let Some(code) = batch.errors.first() {
                return Err(KafkaError::MessageConsumption(*code));
            }
            let position = queue
                .position(&topic, partition)
                .unwrap_or(reached)
                .max(reached);
            if position == reached && batch.records.is_empty() {
                if since.elapsed() > self.context.timeout() {
                    return Err(KafkaError::MessageConsumption(
                        RDKafkaErrorCode::OperationTimedOut,
                    ));
                }
                continue;
            }
            (reached, since) = (position, Instant::now());
            self.context
                .telemetry
                .restore_remaining(partition, (until - reached).max(0));
            let records = batch
                .records
                .into_iter()
                .map(|record| (record.key.unwrap_or_default(), record.value))
                .collect();
            let input = Input::Changelog { records, position };
            if self.credits.send(()).is_err() || !self.answer(session, input) {
                // Given up meanwhile.
                break;
            }
        }
        drop(queue);
        reader.unassign()
    }

    fn ask_group_offsets(&self) -> Input {
        match self.group_offsets() {
            Ok(offsets) => Input::GroupOffsets(offsets),
            Err(error) => self.failed("the group's offsets", &error),
        }
    }

    fn group_offsets(&self) -> Result<Vec<Option<i64>>, KafkaError> {
        let mut list = TopicPartitionList::new();
        for topic in &self.context.names.inputs {
            list.add_partition(topic, self.partition);
        }
        let committed = self
            .context
            .offsets
            .committed_offsets(list, self.context.timeout())?;
        let offset = |topic: &String| {
            let element = committed.find_partition(topic, self.partition);
            let element =
                element.ok_or(KafkaError::OffsetFetch(RDKafkaErrorCode::UnknownPartition))?;
            element.error()?;
            Ok(match element.offset() {
                Offset::Offset(offset) => Some(offset),
                _ => None,
            })
        };
        self.context.names.inputs.iter().map(offset).collect()
    }

    /// What a failure means to the task, and a line in the log.
    fn failed(&self, what: &str, error: &KafkaError) -> Input {
        let failure = failure(error);
        let partition = self.partition;
        tracing::warn!(partition, %error, ?failure, "{what} failed");
        Input::Failed(failure)
    }
}
