//! A task in the hands of its worker: its queues, its thread, and its commands carried out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rdkafka::error::RDKafkaErrorCode;

use super::committer::ToCommitter;
use super::feed::Feed;
use super::message::{About, Assignment, Membership, Question, ToWorker};
use super::progress::Mark;
use super::queue::Waker;
use super::takeover::Takeover;
use super::{Context, State, clock};
use crate::task::core::{Count, RawRecord};
use crate::task::customers::Customers;
use crate::task::{Action, Failure, Input, Report, Session, Task};
use crate::time::Timestamp;
use crate::trigger::plan::Plan;

/// Steps before other tasks of the worker have their turn.
const ROUND_STEPS: usize = 4;
/// Answers with changelog records under way.
const RESTORE_BATCHES: usize = 4;
/// What is wrong with a record that is passed over.
const UNREADABLE: &str =
    "its batch is damaged, or larger than `receive.message.max.bytes` when it is decompressed";
/// Before a seek that failed is tried again.
const SEEK_PAUSE: Duration = Duration::from_secs(1);

/// A task, and what it needs while it is assigned.
pub(super) struct Slot {
    context: Arc<Context>,
    partition: i32,
    task: Task<Customers>,
    lease: Option<Lease>,
    /// When it was given up, to be forgotten a while later.
    pub given_up: Option<Instant>,
    /// Threads that took it over, which may still be reading.
    ended: Vec<JoinHandle<()>>,
}

/// What a task has while it is assigned.
struct Lease {
    feeds: Vec<Feed>,
    membership: Membership,
    /// While it is taken over.
    taking: Option<Taking>,
    since: Instant,
    running: bool,
    /// The tallies as the counters have them.
    counted: BTreeMap<Count, u64>,
    committer: Sender<ToCommitter>,
    worker: Sender<ToWorker>,
    waker: Arc<Waker<ToWorker>>,
}

/// A thread that takes the task over.
struct Taking {
    commands: Sender<(Session, Action)>,
    credits: Receiver<()>,
    thread: JoinHandle<()>,
}

impl Slot {
    pub fn new(context: &Arc<Context>, partition: i32) -> Self {
        let task = context.task(partition);
        Self {
            context: Arc::clone(context),
            partition,
            task,
            lease: None,
            given_up: None,
            ended: Vec::new(),
        }
    }

    /// The group gave the task to this process.
    pub fn assign(
        &mut self,
        assignment: Assignment,
        committer: &Sender<ToCommitter>,
        worker: &Sender<ToWorker>,
        waker: &Arc<Waker<ToWorker>>,
    ) -> std::io::Result<()> {
        // What did not end in time is lost by now.
        self.revoke(true);
        self.given_up = None;
        let feed = |topic: &String| Feed::new(&assignment.consumer, topic, self.partition, waker);
        let feeds: Option<Vec<Feed>> = self.context.names.inputs.iter().map(feed).collect();
        let feeds = feeds
            .ok_or_else(|| std::io::Error::other("librdkafka knows no queue of the partition"))?;
        self.lease = Some(Lease {
            feeds,
            membership: assignment.membership,
            taking: None,
            since: Instant::now(),
            running: false,
            counted: BTreeMap::new(),
            committer: committer.clone(),
            worker: worker.clone(),
            waker: Arc::clone(waker),
        });
        self.context.state(self.partition, State::Restoring);
        self.task.assign(clock());
        self.carry_out();
        Ok(())
    }

    /// The group takes it away.
    pub fn revoke(&mut self, lost: bool) {
        if self.lease.is_some() {
            self.task.revoke(clock(), lost);
            self.carry_out();
        }
    }

    /// Whether nothing of it is assigned here any more.
    pub fn is_closed(&self) -> bool {
        self.lease.is_none()
    }

    /// There are other triggers.
    pub fn offer(&mut self, plan: &Arc<Plan>) {
        let revision = plan.revision.to_string();
        self.task.offer(clock(), revision, Arc::clone(plan));
        self.carry_out();
    }

    /// The triggers of a revision that the task asked for came.
    pub fn recall(&mut self, revision: &str, plan: Option<&Arc<Plan>>) {
        self.task.recall(clock(), revision, plan);
        self.carry_out();
    }

    /// An answer came.
    pub fn answer(&mut self, session: Session, input: Input) {
        let is_read = matches!(
            input,
            Input::Changelog { .. } | Input::Journal(_) | Input::JournalGone
        );
        if let (true, Some(lease)) = (is_read, &self.lease) {
            let taking = lease.taking.as_ref();
            let _ = taking.map(|taking| taking.credits.try_recv());
        }
        let committed = matches!(input, Input::CommitSucceeded { .. });
        self.task.handle(clock(), session, input);
        self.carry_out();
        if committed {
            self.count();
        }
    }

    /// A topic may be read from here on.
    pub fn begin(&mut self, session: Session, topic: usize, offset: i64) {
        let Some(lease) = &mut self.lease else { return };
        let feed = &mut lease.feeds[topic];
        if feed.session != Some(session) {
            return;
        }
        match feed.seek(self.partition, offset) {
            Ok(()) => {
                feed.position = offset;
                self.task
                    .handle(clock(), session, Input::Position { topic, offset });
                self.carry_out();
            }
            Err(error) => {
                tracing::warn!(
                    partition = self.partition,
                    topic = feed.topic,
                    %error,
                    "seeking failed; it is tried again each second, and a restart helps where that does not"
                );
                self.ask_after(SEEK_PAUSE, session, About::Start(topic, Some(offset)));
            }
        }
    }

    /// Takes what came and works on it; whether there may be more.
    pub fn round(&mut self) -> bool {
        self.task.be_frugal(self.context.memory.is_short());
        self.task.await_topics(self.context.awaited.bits());
        let mut worked = self.take();
        for _ in 0..ROUND_STEPS {
            let stepped = self.task.step(clock());
            self.carry_out();
            if !stepped {
                break;
            }
            worked = true;
        }
        self.observe();
        worked
    }

    /// When it must be looked at again.
    pub fn next_wake(&self) -> Option<Timestamp> {
        self.lease.as_ref().and_then(|_| self.task.next_wake())
    }

    /// Where each topic ended when a fetch last came back; none before it did, and while nothing of it is assigned here.
    pub fn ends(&self) -> Vec<Option<i64>> {
        let feeds = self.lease.iter().flat_map(|lease| &lease.feeds);
        feeds
            .map(|feed| {
                // What an earlier assignment has fetched says nothing of now.
                feed.session?;
                feed.queue.end(&feed.topic, self.partition)
            })
            .collect()
    }

    /// How far it is.
    pub fn mark(&self) -> Mark {
        let topics = 0..self.context.names.inputs.len();
        let taken = topics.filter_map(|topic| self.task.progress(topic).0);
        Mark {
            transactions: self.task.durable().map_or(0, |it| it.transaction),
            restored: self.task.restoring().map_or(0, |(restored, _)| restored),
            taken: taken.sum(),
        }
    }

    /// The task.
    pub fn task(&self) -> &Task<Customers> {
        &self.task
    }

    /// Waits for its threads.
    pub fn end(&mut self) {
        self.close();
        for thread in self.ended.drain(..) {
            // A thread that panicked has ended the process.
            let _ = thread.join();
        }
    }

    fn take(&mut self) -> bool {
        let Some(lease) = &mut self.lease else {
            return false;
        };
        let short = self.context.memory.is_short();
        let (mut inputs, mut lost, mut unreadable) = (Vec::new(), Vec::new(), BTreeMap::new());
        for (topic, feed) in lease.feeds.iter_mut().enumerate() {
            let Some(session) = feed.session.filter(|_| !feed.paused && feed.position >= 0) else {
                continue;
            };
            // Of each topic no more than is worked on.
            if short && self.task.holds(topic) {
                continue;
            }
            let batch = feed.take();
            for (error, offset) in batch.errors {
                match error {
                    RDKafkaErrorCode::AutoOffsetReset => lost.push((session, topic, feed.position)),
                    // Asked again meanwhile, it is said again.
                    RDKafkaErrorCode::BadCompression | RDKafkaErrorCode::BadMessage => {
                        unreadable.insert(topic, offset);
                    }
                    _ => {}
                }
                tracing::warn!(partition = self.partition, topic = feed.topic, offset, %error, "reading");
            }
            if let Some(last) = batch.records.last() {
                self.context.telemetry.read(topic, batch.records.len());
                if last.stamped {
                    super::clock::heard(last.appended);
                }
                if self.context.names.is_keyed_by_customer(&feed.topic) {
                    self.context.sample(&feed.topic, self.partition, last);
                }
            }
            feed.held.extend(batch.records);
            let records = feed.readable(&self.context.decoder, &self.context.schemas_wanted);
            if let Some(last) = records.last() {
                feed.position = last.offset + 1;
                inputs.push((session, Input::Fetched { topic, records }));
            } else if !feed.held.is_empty() {
                // They wait for a schema, and what is behind them for them.
            } else if unreadable.contains_key(&topic) {
                // librdkafka's position is behind it already.
            } else if let Some(offset) = feed.queue.position(&feed.topic, self.partition)
                && offset > feed.position
            {
                // Past markers and records of aborted transactions.
                feed.position = offset;
                inputs.push((session, Input::Position { topic, offset }));
            }
        }
        for (topic, offset) in unreadable {
            inputs.extend(self.pass_over(topic, offset));
        }
        for (session, topic, position) in lost {
            // Asks where the topic begins now, and tells the task if that is beyond what it has read.
            self.start(session, topic, Some(position));
        }
        let came = !inputs.is_empty();
        for (session, input) in inputs {
            self.task.handle(clock(), session, input);
        }
        if came {
            self.carry_out();
        }
        came
    }

    /// Goes on behind the record that comes next of a topic, which librdkafka cannot take out of its batch, and would ask for again for
    /// ever. It becomes a dead letter that says where it stands.
    /// `said`: where the batch begins, or a batch before it where several were asked for.
    fn pass_over(&mut self, topic: usize, said: i64) -> Option<(Session, Input)> {
        let feed = &mut self.lease.as_mut()?.feeds[topic];
        let session = feed.session?;
        let next = feed
            .held
            .last()
            .map_or(feed.position, |last| last.offset + 1);
        let offset = next.max(said);
        if let Err(error) = feed.seek(self.partition, offset + 1) {
            tracing::warn!(partition = self.partition, topic = feed.topic, offset, %error, "seeking behind what cannot be read");
            return None;
        }
        tracing::error!(
            partition = self.partition,
            topic = feed.topic,
            offset,
            "a record cannot be taken out of the log, and is passed over: {UNREADABLE}"
        );
        let record = RawRecord {
            offset,
            unreadable: Some(UNREADABLE),
            ..RawRecord::default()
        };
        if feed.held.is_empty() {
            feed.position = offset + 1;
            let records = vec![record];
            return Some((session, Input::Fetched { topic, records }));
        }
        feed.held.push(record);
        None
    }

    fn carry_out(&mut self) {
        while let Some((session, command)) = self.task.poll() {
            let Some(lease) = &mut self.lease else {
                continue;
            };
            match command {
                Action::Fetch { topic, from } => self.start(session, topic, from),
                Action::Pause(topic) => lease.feeds[topic].paused = true,
                Action::Resume(topic) => {
                    lease.feeds[topic].paused = false;
                    // What is there already calls nobody.
                    lease.waker.wake();
                }
                Action::AskEnds(ask) => self.ask(session, About::Ends(ask)),
                Action::Close => self.close(),
                Action::Refuse(refusal) => {
                    tracing::error!(
                        partition = self.partition,
                        "the task does not start: {refusal}"
                    );
                    self.taken_over();
                    self.context.state(self.partition, State::Refused);
                }
                Action::Report(report) => self.report(report),
                Action::Withdraw => {
                    for feed in &mut lease.feeds {
                        feed.session = None;
                        feed.held.clear();
                    }
                    lease.running = false;
                    // The committer ends after its tasks.
                    let _ = lease.committer.send(ToCommitter::Withdraw(self.partition));
                    self.taken_over();
                    self.context.state(self.partition, State::Restoring);
                }
                Action::Transact(transaction) => {
                    let transact = ToCommitter::Transact {
                        partition: self.partition,
                        session,
                        membership: lease.membership.clone(),
                        transaction,
                    };
                    let _ = lease.committer.send(transact);
                }
                Action::InitProducer => self.take_over(session),
                command @ (Action::AskChangelogEnd
                | Action::ReadChangelog { .. }
                | Action::AskGroupOffsets
                | Action::AskTriggers(_)
                | Action::ReadJournal { .. }) => {
                    // A thread that is gone has panicked, and with it the process ends.
                    let taking = lease.taking.as_ref();
                    let _ = taking.map(|taking| taking.commands.send((session, command)));
                }
            }
        }
    }

    /// Begins to take the task over, in a thread of its own.
    fn take_over(&mut self, session: Session) {
        self.taken_over();
        let Some(lease) = &mut self.lease else { return };
        let (commands, receiver) = mpsc::channel();
        let (credits, returned) = mpsc::sync_channel(RESTORE_BATCHES);
        let takeover = Takeover {
            partition: self.partition,
            context: Arc::clone(&self.context),
            membership: lease.membership.clone(),
            committer: lease.committer.clone(),
            worker: lease.worker.clone(),
            credits,
        };
        let thread = std::thread::Builder::new().name(format!("task-{}", self.partition));
        match thread.spawn(move || takeover.run(&receiver)) {
            Ok(thread) => {
                let _ = commands.send((session, Action::InitProducer));
                lease.taking = Some(Taking {
                    commands,
                    credits: returned,
                    thread,
                });
            }
            Err(error) => {
                tracing::error!(partition = self.partition, %error, "there is no thread to take the task over");
                let failed = ToWorker::Answer {
                    partition: self.partition,
                    session,
                    input: Input::Failed(Failure::Failed),
                };
                let _ = lease.worker.send(failed);
            }
        }
    }

    /// The thread that took it over ends, as soon as it sees that nobody tells it anything any more.
    fn taken_over(&mut self) {
        let taking = self.lease.as_mut().and_then(|lease| lease.taking.take());
        if let Some(taking) = taking {
            self.ended.retain(|thread| !thread.is_finished());
            self.ended.push(taking.thread);
        }
    }

    fn report(&self, report: Report) {
        match report {
            Report::GroupOffsetsExpired(topics) => {
                tracing::warn!(
                    partition = self.partition,
                    ?topics,
                    "the group has no offsets any more; the state's were taken"
                );
            }
            Report::TakesAgain(from, to) => {
                tracing::info!(
                    partition = self.partition,
                    from,
                    to,
                    "transactions are taken again, as not every customer was written"
                );
            }
            Report::NewerRevision { log, offered } => {
                tracing::warn!(
                    partition = self.partition,
                    log,
                    offered,
                    "the task's triggers are newer than this process's; it waits for them"
                );
                self.context.state(self.partition, State::Waiting);
            }
        }
    }

    fn start(&mut self, session: Session, topic: usize, from: Option<i64>) {
        if let Some(lease) = &mut self.lease {
            let feed = &mut lease.feeds[topic];
            (feed.session, feed.position, feed.paused) = (Some(session), -1, false);
            feed.held.clear();
        }
        self.ask(session, About::Start(topic, from));
    }

    fn ask(&self, session: Session, about: About) {
        self.ask_after(Duration::ZERO, session, about);
    }

    fn ask_after(&self, pause: Duration, session: Session, about: About) {
        let Some(lease) = &self.lease else { return };
        let question = Question {
            partition: self.partition,
            session,
            about,
            after: Instant::now() + pause,
            worker: lease.worker.clone(),
        };
        let _ = self.context.questions.send(question);
    }

    /// Adds to the counters what the last transaction added to the task's tallies.
    fn count(&mut self) {
        let (Some(lease), Some(record)) = (&mut self.lease, self.task.durable()) else {
            return;
        };
        for (count, tally) in &record.tallies {
            let counted = lease.counted.get(count).copied().unwrap_or(0);
            if *tally > counted {
                self.context.telemetry.counted(count, tally - counted);
                lease.counted.insert(count.clone(), *tally);
            }
        }
    }

    /// Says how it stands.
    fn observe(&mut self) {
        let is_new = |lease: &Lease| !lease.running;
        if self.task.is_running() && self.lease.as_ref().is_some_and(is_new) {
            self.taken_over();
            let Some(lease) = &mut self.lease else { return };
            lease.running = true;
            lease.counted = self
                .task
                .durable()
                .map_or_else(BTreeMap::new, |record| record.tallies.clone());
            self.context.telemetry.restored(lease.since.elapsed());
            self.context.state(self.partition, State::Running);
            tracing::info!(
                partition = self.partition,
                took_ms = lease.since.elapsed().as_millis(),
                "task restored"
            );
        }
    }

    fn close(&mut self) {
        self.taken_over();
        if self.lease.take().is_some() {
            self.given_up = Some(Instant::now());
            self.context.give_up(self.partition);
        }
    }
}
