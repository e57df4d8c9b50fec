//! The thread that takes a task over, so that its worker does not wait for Kafka: it fences and restores, and ends.
//!
//! It carries commands out in order, each of which says for itself what must stay true ([`crate::task::Action`]).

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer as _;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};

use super::clients;
use super::committer::{ToCommitter, failure};
use super::message::{Membership, ToWorker};
use super::queue::{PartitionQueue, split};
use super::watchdog::EndsProcess;
use super::{Context, asker, control, producer};
use crate::task::core::RawRecord;
use crate::task::journal::Line;
use crate::task::{Action, Failure, Input, Session};

/// Records in one answer.
const READ_RECORDS: usize = 2_000;

/// What the thread is made with.
pub(super) struct Takeover {
    pub partition: i32,
    pub context: Arc<Context>,
    pub membership: Membership,
    pub committer: Sender<ToCommitter>,
    pub worker: Sender<ToWorker>,
    /// One is put in for each answer with records, and taken out by the worker: so few are under way.
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
        match command {
            Action::InitProducer => self.init(),
            Action::AskChangelogEnd => Some(self.ask_changelog_end()),
            Action::ReadChangelog { from, until } => {
                let read = self.read_changelog(session, *from, *until);
                read.err()
                    .map(|error| self.failed("reading the changelog", &error))
            }
            Action::AskGroupOffsets => Some(self.ask_group_offsets()),
            Action::AskTriggers(revision) => self.recall(revision),
            Action::ReadJournal { from, until } => {
                let gone = RDKafkaErrorCode::AutoOffsetReset;
                match self.read_journal(session, *from, *until) {
                    Ok(()) => None,
                    Err(KafkaError::MessageConsumption(code)) if code == gone => {
                        // Where it counts as one with lines.
                        _ = self.piece(session, Input::JournalGone);
                        None
                    }
                    Err(error) => Some(self.failed("reading the journal", &error)),
                }
            }
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

    /// Answers in pieces.
    fn read_changelog(&self, session: Session, from: i64, until: i64) -> Result<(), KafkaError> {
        let topic = self.context.names.changelog.clone();
        self.read(&topic, from, |records, position| {
            self.context
                .telemetry
                .restore_remaining(self.partition, (until - position).max(0));
            let records = records
                .into_iter()
                .map(|it| (it.offset, it.key.unwrap_or_default(), it.value))
                .collect();
            let goes_on = self.piece(session, Input::Changelog { records, position });
            goes_on && position < until
        })
    }

    /// Answers in pieces, up to the line of a transaction, which may not be stable yet when the changelog is.
    fn read_journal(&self, session: Session, from: i64, until: u64) -> Result<(), KafkaError> {
        let topic = self.context.names.journal().to_owned();
        self.read(&topic, from, |records, _| {
            let line = |record: RawRecord| (record.offset, record.value.unwrap_or_default());
            let lines: Vec<(i64, Vec<u8>)> = records.into_iter().map(line).collect();
            let ends = |(_, line): &(i64, Vec<u8>)| {
                // What cannot be read is the task's to say.
                Line::read(line).is_ok_and(|line| line.transaction >= until)
            };
            let ended = lines.iter().any(ends);
            self.piece(session, Input::Journal(lines)) && !ended
        })
    }

    /// Answers, when few answers are under way; whether anybody is there still.
    fn piece(&self, session: Session, input: Input) -> bool {
        self.credits.send(()).is_ok() && self.answer(session, input)
    }

    /// Gives committed records of the task's partition of a topic, and how far it has read, until `take` has enough.
    fn read(
        &self,
        topic: &str,
        from: i64,
        mut take: impl FnMut(Vec<RawRecord>, i64) -> bool,
    ) -> Result<(), KafkaError> {
        let partition = self.partition;
        let config = clients::consumer(&self.context.config, "read_committed");
        let reader = Arc::new(clients::asking(&config)?);
        let start = if from == 0 {
            Offset::Beginning
        } else {
            Offset::Offset(from)
        };
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, partition, start)?;
        split(&reader, topic, partition);
        reader.assign(&list)?;
        let Some(mut queue) = PartitionQueue::new(Arc::clone(&reader), topic, partition, None)
        else {
            return Err(KafkaError::Subscription(topic.to_owned()));
        };
        let mut reached = from;
        let mut since = Instant::now();
        loop {
            let batch = queue.take(READ_RECORDS, 100);
            // Its log and its errors.
            let _ = reader.poll(Duration::ZERO);
            if let Some((code, _)) = batch.errors.first() {
                return Err(KafkaError::MessageConsumption(*code));
            }
            let position = queue
                .position(topic, partition)
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
            if !take(batch.records, position) {
                break;
            }
        }
        drop(queue);
        reader.unassign()
    }

    /// Looks a revision up in the control topic.
    fn recall(&self, revision: &str) -> Option<Input> {
        let found = control::recalled(&self.context.config, &self.context.basis, revision);
        match found {
            Ok(plan) => {
                let answer = ToWorker::Recall {
                    partition: self.partition,
                    revision: revision.to_owned(),
                    plan: plan.map(Arc::new),
                };
                // A worker that is gone needs no answer.
                let _ = self.worker.send(answer);
                None
            }
            Err(error) => {
                tracing::warn!(partition = self.partition, revision, "{error}");
                Some(Input::Failed(Failure::Failed))
            }
        }
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
        tracing::warn!(
            partition,
            error = clients::explained(error),
            ?failure,
            "{what} failed"
        );
        Input::Failed(failure)
    }
}
