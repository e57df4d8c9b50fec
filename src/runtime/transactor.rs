//! The thread of a task that waits for Kafka, so that its worker does not: it fences, restores and commits.
//!
//! It carries commands out in order. What must stay true: the group metadata is the one of the assignment; a producer that failed
//! is thrown away with whatever it has open; what is not sure to have failed is said to be unknown.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerGroupMetadata};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};

use super::clients::{self, Logged};
use super::message::ToWorker;
use super::producer::TaskProducer;
use super::queue::{PartitionQueue, split};
use super::watchdog::{EndsProcess, Watchdog};
use super::{Names, asker};
use crate::config::Config;
use crate::task::transaction::{Sink, Transaction};
use crate::task::{Action, Failure, Input, Session};
use crate::telemetry::traces::Traces;
use crate::telemetry::{Outcome, Telemetry};

/// Changelog records in one answer.
const RESTORE_RECORDS: usize = 2_000;

/// What a task's thread is made with.
pub(super) struct Setup {
    pub partition: i32,
    pub config: Arc<Config>,
    pub names: Arc<Names>,
    pub ends: Arc<BaseConsumer<Logged>>,
    pub offsets: Arc<BaseConsumer<Logged>>,
    pub group: ConsumerGroupMetadata,
    pub worker: Sender<ToWorker>,
    /// One is put in for each answer with changelog records, and taken out by the worker: so few are under way.
    pub credits: SyncSender<()>,
    pub watchdog: Watchdog,
    pub telemetry: Telemetry,
    /// Where they are asked for.
    pub traces: Option<Arc<Traces>>,
}

struct Transactor {
    setup: Setup,
    timeout: Duration,
    producer: Option<TaskProducer>,
}

/// Carries commands out until the task is given up.
pub(super) fn run(setup: Setup, commands: &Receiver<(Session, Action)>) {
    let _guard = EndsProcess;
    let timeout = Duration::from_millis(setup.config.kafka.call_timeout.ms.unsigned_abs());
    let mut transactor = Transactor {
        setup,
        timeout,
        producer: None,
    };
    for (session, command) in commands {
        let Some(input) = transactor.carry_out(session, command) else {
            continue;
        };
        let partition = transactor.setup.partition;
        if transactor
            .setup
            .worker
            .send(ToWorker::Answer {
                partition,
                session,
                input,
            })
            .is_err()
        {
            break;
        }
    }
    transactor.drop_producer();
}

impl Transactor {
    fn carry_out(&mut self, session: Session, command: Action) -> Option<Input> {
        match command {
            Action::InitProducer => Some(self.init()),
            Action::AskChangelogEnd => Some(self.ask_changelog_end()),
            Action::ReadChangelog { from, until } => self.restore(session, from, until),
            Action::AskGroupOffsets => Some(self.ask_group_offsets()),
            Action::Transact(transaction) => Some(self.transact(&transaction)),
            Action::DropProducer => {
                self.drop_producer();
                None
            }
            // The worker's.
            _ => None,
        }
    }

    fn init(&mut self) -> Input {
        self.drop_producer();
        let setup = &self.setup;
        match TaskProducer::new(
            &setup.config,
            &setup.names,
            &setup.watchdog,
            setup.partition,
        ) {
            Ok(producer) => {
                self.producer = Some(producer);
                Input::ProducerReady
            }
            Err(error) => self.failed("taking over", &error),
        }
    }

    fn ask_changelog_end(&self) -> Input {
        let changelog = self.setup.names.changelog.as_str();
        let partition = self.setup.partition;
        let asked = asker::query(
            &self.setup.ends,
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
        let (partition, topic) = (self.setup.partition, self.setup.names.changelog.clone());
        let config = clients::consumer(&self.setup.config, "read_committed");
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
                if since.elapsed() > self.timeout {
                    return Err(KafkaError::MessageConsumption(
                        RDKafkaErrorCode::OperationTimedOut,
                    ));
                }
                continue;
            }
            (reached, since) = (position, Instant::now());
            self.setup
                .telemetry
                .restore_remaining(partition, (until - reached).max(0));
            let records = batch
                .records
                .into_iter()
                .map(|record| (record.key.unwrap_or_default(), record.value))
                .collect();
            let input = Input::Changelog { records, position };
            let answered = self.setup.credits.send(()).is_ok()
                && self
                    .setup
                    .worker
                    .send(ToWorker::Answer {
                        partition,
                        session,
                        input,
                    })
                    .is_ok();
            if !answered {
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
        for topic in &self.setup.names.inputs {
            list.add_partition(topic, self.setup.partition);
        }
        let committed = self.setup.offsets.committed_offsets(list, self.timeout)?;
        let offset = |topic: &String| {
            let element = committed.find_partition(topic, self.setup.partition);
            let element =
                element.ok_or(KafkaError::OffsetFetch(RDKafkaErrorCode::UnknownPartition))?;
            element.error()?;
            Ok(match element.offset() {
                Offset::Offset(offset) => Some(offset),
                _ => None,
            })
        };
        self.setup.names.inputs.iter().map(offset).collect()
    }

    fn transact(&self, transaction: &Transaction) -> Input {
        let Some(producer) = &self.producer else {
            return Input::Failed(Failure::Failed);
        };
        let began = Instant::now();
        match producer.transact(transaction, &self.setup.group) {
            Ok(changelog) => {
                self.committed(transaction, began.elapsed());
                Input::CommitSucceeded { changelog }
            }
            Err(error) => {
                let outcome = match failure(&error) {
                    Failure::Unknown => Outcome::Unknown,
                    Failure::Fenced | Failure::NotMember => Outcome::Fenced,
                    Failure::Failed => Outcome::Failed,
                };
                self.setup.telemetry.transaction(outcome, began.elapsed());
                self.failed("a transaction", &error)
            }
        }
    }

    fn committed(&self, transaction: &Transaction, took: Duration) {
        let telemetry = &self.setup.telemetry;
        telemetry.transaction(Outcome::Committed, took);
        let now = super::clock();
        for cause in &transaction.causes {
            telemetry.arrival_to_command(now.0 - cause.arrived.0);
        }
        if let Some(traces) = &self.setup.traces {
            let names = &self.setup.names;
            traces.committed(transaction, |sink| names.of(sink).into_owned(), now);
        }
        for record in &transaction.records {
            if let Sink::Treatments(channel) = &record.sink {
                telemetry.command(channel);
            }
        }
    }

    /// What a failure means to the task, and a line in the log.
    fn failed(&self, what: &str, error: &KafkaError) -> Input {
        let failure = failure(error);
        let partition = self.setup.partition;
        tracing::warn!(partition, %error, ?failure, "{what} failed");
        Input::Failed(failure)
    }

    fn drop_producer(&mut self) {
        if let Some(producer) = self.producer.take() {
            producer.close();
        }
    }
}

/// What a failure means to the task.
fn failure(error: &KafkaError) -> Failure {
    use RDKafkaErrorCode as Code;
    let (code, fatal) = match error {
        KafkaError::Transaction(error) => (error.code(), error.is_fatal()),
        other => (other.rdkafka_error_code().unwrap_or(Code::Unknown), false),
    };
    match code {
        Code::ProducerFenced | Code::Fenced | Code::InvalidProducerEpoch => Failure::Fenced,
        Code::IllegalGeneration
        | Code::UnknownMemberId
        | Code::FencedInstanceId
        | Code::RebalanceInProgress => Failure::NotMember,
        Code::OperationTimedOut | Code::RequestTimedOut | Code::MessageTimedOut => Failure::Unknown,
        _ if fatal => Failure::Unknown,
        _ => Failure::Failed,
    }
}
