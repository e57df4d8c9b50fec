//! The thread of a worker that commits, so that the worker does not wait for Kafka: the transactions of its tasks, several as one.
//!
//! What must stay true: those of one transaction were assigned together, and go with the group metadata of that assignment; nothing
//! of a task is under way when it is said to be settled; a producer that failed is thrown away with whatever it has open; what is not
//! sure to have failed is said to be unknown.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::Context;
use super::message::{Membership, ToWorker};
use super::producer::WorkerProducer;
use super::watchdog::EndsProcess;
use crate::task::batch::Batches;
use crate::task::transaction::{Sink, Transaction};
use crate::task::{Failure, Input, Session};
use crate::telemetry::Outcome;

/// What a committer is told.
pub(super) enum ToCommitter {
    /// A task has a transaction.
    Transact {
        partition: i32,
        session: Session,
        membership: Membership,
        transaction: Transaction,
    },
    /// A task starts over: what waits of it is void.
    Withdraw(i32),
    /// A task is taken over. `done` is answered when nothing of it is under way and there is a producer of this assignment; it is
    /// dropped where there is a later one.
    Settle {
        membership: Membership,
        done: Sender<Result<(), KafkaError>>,
    },
}

/// What a task has in a transaction.
struct Share {
    session: Session,
    membership: Membership,
    transaction: Transaction,
}

struct Commits {
    context: Arc<Context>,
    worker: Sender<ToWorker>,
    batches: Batches<Share>,
    /// Of the latest assignment.
    producer: Option<WorkerProducer>,
    assignment: u64,
}

/// A committer, and its thread, which ends when nobody can tell it anything any more.
pub(super) struct Committer {
    pub sender: Sender<ToCommitter>,
    pub thread: JoinHandle<()>,
}

impl Committer {
    /// Of the worker of this number; its answers go to `worker`.
    ///
    /// # Errors
    /// If there is no thread for it.
    pub fn start(
        number: usize,
        context: &Arc<Context>,
        worker: Sender<ToWorker>,
    ) -> std::io::Result<Self> {
        let (sender, receiver) = mpsc::channel();
        let commits = Commits {
            context: Arc::clone(context),
            worker,
            batches: Batches::default(),
            producer: None,
            assignment: 0,
        };
        let thread = thread::Builder::new().name(format!("commit-{number}"));
        let thread = thread.spawn(move || commits.run(&receiver))?;
        Ok(Self { sender, thread })
    }
}

impl Commits {
    fn run(mut self, receiver: &Receiver<ToCommitter>) {
        let _guard = EndsProcess;
        while let Ok(message) = receiver.recv() {
            self.take(message);
            loop {
                // What came during a transaction goes together in the next.
                while let Ok(message) = receiver.try_recv() {
                    self.take(message);
                }
                let batch = self.batches.take();
                if batch.is_empty() {
                    break;
                }
                self.transact(batch);
            }
        }
        self.drop_producer();
    }

    fn take(&mut self, message: ToCommitter) {
        match message {
            ToCommitter::Transact {
                partition,
                session,
                membership,
                transaction,
            } => {
                let assignment = membership.assignment;
                let share = Share {
                    session,
                    membership,
                    transaction,
                };
                self.batches.push(partition, assignment, share);
            }
            ToCommitter::Withdraw(partition) => self.batches.withdraw(partition),
            ToCommitter::Settle { membership, done } => {
                if membership.assignment >= self.assignment {
                    // Whoever asked may have been given up.
                    let _ = done.send(self.ensure(&membership).map(|_| ()));
                }
            }
        }
    }

    /// The producer of an assignment; of the one before it nothing is left open here.
    fn ensure(&mut self, membership: &Membership) -> Result<&WorkerProducer, KafkaError> {
        if self.assignment != membership.assignment {
            self.drop_producer();
            self.assignment = membership.assignment;
        }
        let producer = match self.producer.take() {
            Some(producer) => producer,
            None => WorkerProducer::new(
                &self.context.config,
                &self.context.names,
                &self.context.watchdog,
                membership.first,
            )?,
        };
        Ok(self.producer.insert(producer))
    }

    fn transact(&mut self, batch: Vec<(i32, Share)>) {
        let Some((_, first)) = batch.first() else {
            return;
        };
        let membership = first.membership.clone();
        if membership.assignment < self.assignment {
            for (partition, share) in batch {
                self.answer(partition, share.session, Input::Failed(Failure::NotMember));
            }
            return;
        }
        let began = Instant::now();
        let transactions: Vec<(i32, &Transaction)> = batch
            .iter()
            .map(|(partition, share)| (*partition, &share.transaction))
            .collect();
        let done = self
            .ensure(&membership)
            .and_then(|producer| producer.transact(&transactions, &membership.group));
        match done {
            Ok(ends) => {
                self.committed(&transactions, began.elapsed());
                for (partition, share) in batch {
                    let ends = ends.get(&partition).copied().unwrap_or_default();
                    self.batches.ended(partition, true);
                    let input = Input::CommitSucceeded {
                        changelog: ends.changelog.unwrap_or(0),
                        journal: ends.journal,
                    };
                    self.answer(partition, share.session, input);
                }
            }
            Err(error) => self.failed(batch, &error, began.elapsed()),
        }
    }

    fn committed(&self, transactions: &[(i32, &Transaction)], took: Duration) {
        let telemetry = &self.context.telemetry;
        telemetry.transaction(Outcome::Committed, took);
        let now = super::clock();
        for (_, transaction) in transactions {
            for cause in &transaction.causes {
                telemetry.arrival_to_command(now.0 - cause.arrived.0);
            }
            if let Some(traces) = &self.context.traces {
                let names = &self.context.names;
                traces.committed(transaction, |sink| names.of(sink).into_owned(), now);
            }
            for record in &transaction.records {
                if let Sink::Treatments(channel) = &record.sink {
                    telemetry.command(channel);
                }
            }
        }
    }

    fn failed(&mut self, batch: Vec<(i32, Share)>, error: &KafkaError, took: Duration) {
        self.drop_producer();
        let failure = failure(error);
        let (outcome, suspect) = match failure {
            Failure::Unknown => (Outcome::Unknown, true),
            Failure::Fenced | Failure::NotMember => (Outcome::Fenced, false),
            Failure::Failed => (Outcome::Failed, true),
        };
        self.context.telemetry.transaction(outcome, took);
        let partitions: Vec<i32> = batch.iter().map(|(partition, _)| *partition).collect();
        tracing::warn!(?partitions, %error, ?failure, "a transaction failed");
        for (partition, share) in batch {
            if suspect {
                self.batches.ended(partition, false);
            }
            self.answer(partition, share.session, Input::Failed(failure));
        }
    }

    fn answer(&self, partition: i32, session: Session, input: Input) {
        // A worker that is gone needs no answer.
        let _ = self.worker.send(ToWorker::Answer {
            partition,
            session,
            input,
        });
    }

    fn drop_producer(&mut self) {
        if let Some(producer) = self.producer.take() {
            producer.close();
        }
    }
}

/// What a failure means to a task.
pub(super) fn failure(error: &KafkaError) -> Failure {
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
