//! The protocol of a task: what happened goes in, what to do comes out. No I/O, no clock, no threads.
//!
//! A task is partition p of every input topic, its customers, and partition p of the changelog. Its owner
//!
//! 1. says what happened: [`Task::assign`], [`Task::revoke`], [`Task::handle`], [`Task::offer`], [`Task::tick`], each with the clock
//!    reading;
//! 2. calls [`Task::step`] until there is nothing more to do;
//! 3. carries out what [`Task::poll`] gives, in order, and answers with the [`Session`] that came with it;
//! 4. comes back when something happened, at the latest at [`Task::next_wake`].
//!
//! What must stay true, whatever fails wherever: per (customer, trigger, generation, occurrence) exactly one decision is
//! committed; the state goes on from what the log says, never from what was hoped; answers of an earlier session change
//! nothing. Everything of a transaction is in [`Action::Transact`], so an abort has nothing to undo outside.
//!
//! Deliberately absent: Kafka, retries of single calls, metrics, and what a customer is.

mod adoption;
mod again;
pub mod batch;
mod broadcast;
pub mod core;
pub mod count;
pub mod customers;
pub mod ids;
mod inbox;
pub mod journal;
pub mod lead;
pub mod order;
pub mod others;
pub mod record;
mod takeover;
pub mod transaction;
pub mod watermark;
pub mod window;
mod work;

use self::adoption::Offer;
use self::again::Again;
use self::core::{Core, RawRecord};
use self::count::Count;
use self::ids::TopicIds;
use self::inbox::Inbox;
use self::others::{Between, Others};
use self::record::{Disagreement, RecordError, Sweep, TaskRecord};
use self::transaction::{Delays, Open, Transaction};
use self::watermark::{ClockMode, TopicSettings, Watermarks};
use self::window::{Checkpoint, Marks};
use crate::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Records of one step, before time moves: enough to spread the cost of moving it, little enough to be short.
pub const STEP_RECORDS: usize = 512;

/// What a task is told once.
#[derive(Clone, Debug)]
pub struct TaskSettings {
    /// The partition number.
    pub partition: i32,
    /// The input topics in byte order of name.
    pub topics: Vec<TopicSettings>,
    /// Where `now` comes from.
    pub clock: ClockMode,
    /// How long nothing must come before silence moves time, milliseconds.
    pub idle_delay_ms: i64,
    /// How far ahead of the clock an event may be and still move time, milliseconds.
    pub future_max_ms: i64,
    /// How long a transaction gathers.
    pub delays: Delays,
    /// How long customers who changed may stay unwritten.
    pub checkpoint: Checkpoint,
    /// Topics, by number, whose records cannot be read again as they were: they are compacted, or mapped. Whoever they change is
    /// written at once.
    pub unrepeatable: BTreeSet<usize>,
    /// Which topics they are.
    pub ids: TopicIds,
    /// The topic between tasks; none where ids of one person are in one task.
    pub between: Option<Between>,
    /// After how long figures that have changed are reported, milliseconds; none: they are not.
    pub reports_ms: Option<i64>,
}

/// Commands and their answers belong to a session; a new one begins whenever the task starts over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Session(u64);

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// [`Action::InitProducer`] succeeded.
    ProducerReady,
    /// The end of the changelog, uncommitted records included.
    ChangelogEnd(i64),
    /// Committed changelog records in order, and where reading goes on, past what no reader sees.
    Changelog {
        /// Offset, key and value.
        records: Vec<(i64, Vec<u8>, Option<Vec<u8>>)>,
        /// The next offset.
        position: i64,
    },
    /// Committed lines of the journal and their offsets, in order.
    Journal(Vec<(i64, Vec<u8>)>),
    /// The journal does not go back to where it was to be read from.
    JournalGone,
    /// The group's committed offset of each topic; "no answer" is not "none", and must be asked again.
    GroupOffsets(Vec<Option<i64>>),
    /// Committed records of a topic, in order.
    Fetched {
        /// Which topic.
        topic: usize,
        /// The records.
        records: Vec<RawRecord>,
    },
    /// The next offset to be fetched, past what no reader sees. To be said after each [`Action::Fetch`] and whenever it moves.
    Position {
        /// Which topic.
        topic: usize,
        /// The next offset.
        offset: i64,
    },
    /// Where every topic ends, uncommitted records included; asked after [`Action::AskEnds`] was given.
    Ends {
        /// The number of the ask.
        ask: u64,
        /// By topic.
        ends: Vec<i64>,
    },
    /// The transaction is durable.
    CommitSucceeded {
        /// The offset after its last changelog record.
        changelog: i64,
        /// The offset after its line in the journal, where the broker said it.
        journal: Option<i64>,
    },
    /// What was last asked for failed.
    Failed(Failure),
    /// The offset to read on from is not in the log any more (or not yet).
    OffsetGone {
        /// Which topic.
        topic: usize,
        /// The first offset that is there.
        earliest: i64,
    },
}

/// How something failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It did not happen, and may be tried again.
    Failed,
    /// It happened or it did not: a time-out.
    Unknown,
    /// Another producer took the task over.
    Fenced,
    /// The group went on without this member: the task is somebody else's.
    NotMember,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Wait until nothing of the task is under way here, make sure that its worker has a producer, and fence the task's transactional
    /// id: what another had open under it is finished then.
    InitProducer,
    /// Ask for the end of the changelog, uncommitted records included.
    AskChangelogEnd,
    /// Read committed changelog records up to an end.
    ReadChangelog {
        /// From this offset on.
        from: i64,
        /// Up to this one, which is not read.
        until: i64,
    },
    /// Ask for the group's committed offsets.
    AskGroupOffsets,
    /// Ask for the triggers of a revision, to be answered by [`Task::recall`].
    AskTriggers(String),
    /// Read committed lines of the journal.
    ReadJournal {
        /// From this offset on.
        from: i64,
        /// Up to the line of this transaction, which is there or will be soon.
        until: u64,
    },
    /// Seek, and fetch until further notice; what was fetched before is void.
    Fetch {
        /// Which topic.
        topic: usize,
        /// From this offset on, else from the beginning.
        from: Option<i64>,
    },
    /// Stop fetching for a while.
    Pause(usize),
    /// Fetch again.
    Resume(usize),
    /// Ask for the end of every topic, uncommitted records included.
    AskEnds(u64),
    /// Carry a whole transaction out, alone or with others of the worker: begin, send, wait until all of it is acknowledged, send
    /// offsets with the group metadata pinned at the assignment, commit.
    Transact(Transaction),
    /// Whatever of it waits to be carried out is void; how what is under way ends is read from the log.
    Withdraw,
    /// Everything that could be committed is; the task is given up.
    Close,
    /// Tell a person: the task does not start.
    Refuse(Refusal),
    /// Tell whoever reads the log.
    Report(Report),
}

/// Why a task does not start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The task record cannot be read.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A customer's state cannot be read.
    #[error(
        "the changelog at offset {offset}, state of customer {customer:?}: {detail}. Bring the changelog back from before; or set this \
         one page aside with `moments state quarantine --partition {partition} --offset {offset}`, which says what is lost with it \
         (--dry-run says it only), and start the process again"
    )]
    State {
        /// The task's partition.
        partition: i32,
        /// Where it stands.
        offset: i64,
        /// Whose.
        customer: String,
        /// What is wrong with it.
        detail: String,
    },
    /// The group's offsets and the task record contradict each other.
    #[error(transparent)]
    Disagreement(#[from] Disagreement),
    /// The triggers by which transactions are to be taken again are not to be had.
    #[error(
        "the process before this one did not end well, and some of the customers that it changed last can only be restored by the \
         triggers of then, revision {0}, which this process was not given and the control topic does not have: start once with those \
         triggers and stop with SIGTERM; after that any may be given"
    )]
    Triggers(String),
    /// The journal does not tell what is to be taken again.
    #[error(
        "the journal at offset {offset}: {detail}; without it the customers changed last cannot be restored. Keep the journal for \
         longer than a process may stand still, and bring back its records"
    )]
    Journal {
        /// Where it was read.
        offset: i64,
        /// What is wrong.
        detail: String,
    },
    /// Records that are to be taken again are gone.
    #[error(
        "topic {topic}: the record at offset {offset} was deleted before the customers that it changed were written, which takes \
         seconds while a process runs and as long as none does after a crash. Keep the topic for longer than that, and bring back its \
         records, or restore the changelog and the offsets of before"
    )]
    WindowGone {
        /// The topic.
        topic: String,
        /// The first that is missing.
        offset: i64,
    },
    /// What another task told cannot be read: a customer's whole profile may be in it.
    #[error(
        "topic {topic}, partition {partition}, the record at offset {offset}: {detail}. It is what another task told this one, and the \
         profile of a customer may be in it. Start the build that sent it, or bring the topic back from before"
    )]
    Transfer {
        /// The topic between tasks.
        topic: String,
        /// The task's partition.
        partition: i32,
        /// Where it stands.
        offset: i64,
        /// What is wrong with it.
        detail: String,
    },
    /// A topic of the same name is another.
    #[error(
        "topic {topic} was deleted and made anew: the state has read the one with the id {known} up to offset {offset}, and this one has \
         the id {found}, so what stands in it is not what comes next. Bring the old one back; or, to read this one from its beginning, say \
         so in its section of the configuration: accept_id = \"{found}\""
    )]
    MadeAnew {
        /// The topic.
        topic: String,
        /// The id of the one that was read.
        known: String,
        /// The id of the one that is there.
        found: String,
        /// Up to where it was read.
        offset: i64,
    },
    /// Records that were never read are gone.
    #[error(
        "topic {topic}: the state goes up to offset {offset:?}, but the first record there is has offset {earliest}: \
         records were deleted before they were read, or the topic was made anew"
    )]
    OffsetGone {
        /// The topic.
        topic: String,
        /// Where the task would read on.
        offset: Option<i64>,
        /// The first that is there.
        earliest: i64,
    },
}

/// What is worth a line in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// The group has no offset any more for these topics; the task record's were taken.
    GroupOffsetsExpired(Vec<String>),
    /// Transactions of before a crash are taken again, as not every customer was written: from this one to that one.
    TakesAgain(u64, u64),
    /// The log has seen a newer set of triggers than this process: the task waits for it.
    NewerRevision {
        /// The log's.
        log: String,
        /// The newest that this process knows.
        offered: String,
    },
}

/// Where a task is in its life.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Phase {
    /// Not assigned; the state is kept, to be caught up when it is assigned again.
    Standby,
    /// Waiting before it takes over again.
    Waiting(Timestamp),
    Fencing,
    AskingEnd,
    Restoring {
        until: i64,
    },
    Comparing,
    /// The group's offsets contradict the record: was the changelog written meanwhile?
    Doubting(Disagreement),
    /// The triggers of the last transaction are not this process's.
    AskingTriggers,
    TakingAgain,
    Running,
    /// Revoked: what is open is committed, nothing more is taken.
    Draining,
    /// Waiting for a person, or to be revoked.
    Refused,
}

/// The protocol of one task around its customers.
#[derive(Debug)]
pub struct Task<C: Core> {
    settings: TaskSettings,
    core: C,
    phase: Phase,
    session: Session,
    clock: Timestamp,
    commands: VecDeque<(Session, Action)>,
    inbox: Inbox<C::Event>,
    watermarks: Watermarks,
    now: Timestamp,
    tallies: BTreeMap<Count, u64>,
    /// What is committed; none before the first transaction.
    durable: Option<TaskRecord>,
    /// The changelog is taken in up to this offset.
    restored: i64,
    /// What could not be read up to there and has nothing behind it that stands for it: by key, the offset and why.
    unread: BTreeMap<Vec<u8>, (i64, String)>,
    open: Option<Open>,
    /// The record of the transaction that is being committed.
    in_flight: Option<TaskRecord>,
    /// When the last record came.
    quiet_since: Timestamp,
    /// How often the task started over without a commit.
    failures: u32,
    /// The newest set of triggers that is known.
    offered: Offer<C::Plan>,
    /// The revision that all customers are decided by.
    adopted: String,
    /// Where time moves to, before anything else is taken.
    moving_to: Option<Timestamp>,
    /// Work on everybody that is under way, and the number of the next customer.
    sweeps: BTreeMap<Sweep, u64>,
    /// Of which transactions somebody is not written.
    marks: Marks,
    /// What is taken again.
    again: Option<Again>,
    /// Memory is short.
    frugal: bool,
    /// The topics that time waits for though nothing is unread, a bit each.
    awaited: u64,
    /// How far the other tasks have come.
    others: Others,
    /// The clock when figures were last reported.
    reported: Timestamp,
}

impl<C: Core> Task<C> {
    /// A task that nobody has been given yet, its core made with the same plan.
    pub fn new(settings: TaskSettings, core: C, revision: String, plan: C::Plan) -> Self {
        let topics = settings.topics.clone();
        assert!(
            topics.is_sorted_by(|a, b| a.name < b.name),
            "topics stand in byte order of name"
        );
        Self {
            inbox: Inbox::new(topics.len(), watermark::lateness(&topics)),
            watermarks: Watermarks::new(topics),
            settings,
            core,
            phase: Phase::Standby,
            session: Session::default(),
            clock: Timestamp::MIN,
            commands: VecDeque::new(),
            now: Timestamp::MIN,
            tallies: BTreeMap::new(),
            durable: None,
            restored: 0,
            unread: BTreeMap::new(),
            open: None,
            in_flight: None,
            quiet_since: Timestamp::MIN,
            failures: 0,
            offered: Offer::new(revision, plan),
            adopted: String::new(),
            moving_to: None,
            sweeps: BTreeMap::new(),
            marks: Marks::default(),
            again: None,
            frugal: false,
            awaited: 0,
            others: Others::default(),
            reported: Timestamp::MIN,
        }
    }

    // Inputs.

    /// Something happened that was asked for in this session.
    pub fn handle(&mut self, clock: Timestamp, session: Session, input: Input) {
        self.clock = self.clock.max(clock);
        if session != self.session {
            return;
        }
        match (&self.phase, input) {
            (Phase::Running | Phase::TakingAgain, Input::Fetched { topic, records }) => {
                self.fetched(topic, records);
            }
            (Phase::Running | Phase::TakingAgain, Input::Position { topic, offset }) => {
                self.inbox.passed(topic, offset);
            }
            (Phase::TakingAgain, Input::Journal(lines)) => self.journaled(lines),
            (Phase::TakingAgain, Input::JournalGone) => self.journal_gone(),
            (Phase::Running, Input::Ends { ask, ends }) => self.inbox.answer(ask, ends),
            (Phase::Running | Phase::TakingAgain, Input::OffsetGone { topic, earliest }) => {
                self.offset_gone(topic, earliest);
            }
            (Phase::Running | Phase::Draining, Input::CommitSucceeded { changelog, journal }) => {
                self.committed(changelog, journal);
            }
            (Phase::Standby | Phase::Waiting(_) | Phase::Refused, _) => {}
            (_, Input::Failed(failure)) => self.failed(failure),
            (_, input) => self.taking_over(input),
        }
        self.commit_if_due();
    }

    /// Memory is short, or is not any more: while it is, what is taken is committed at once and nothing gathers beside it, and every
    /// customer who changed is written.
    pub fn be_frugal(&mut self, frugal: bool) {
        self.frugal = frugal;
    }

    /// Time waits for these topics, a bit each by number: nothing comes on them though something should, so that what did not come
    /// proves nothing.
    pub fn await_topics(&mut self, awaited: u64) {
        self.awaited = awaited;
    }

    /// Time passed.
    pub fn tick(&mut self, clock: Timestamp) {
        self.clock = self.clock.max(clock);
        self.wait_over();
        self.commit_if_due();
    }

    /// Takes up to [`STEP_RECORDS`] records, or moves time, where that was begun before anything else; `false` when there is nothing
    /// to do but wait.
    pub fn step(&mut self, clock: Timestamp) -> bool {
        self.tick(clock);
        if self.phase == Phase::TakingAgain {
            return self.step_again();
        }
        if self.phase != Phase::Running || self.open.as_ref().is_some_and(Open::is_full) {
            return false;
        }
        if self.frugal && self.in_flight.is_some() {
            return false;
        }
        if self.is_offered_another() {
            return self.adopt();
        }
        let worked = if let Some(to) = self.moving_to {
            self.move_to(to);
            true
        } else if self.sweeps.contains_key(&Sweep::Broadcast) {
            self.go_on_telling()
        } else {
            let promised = self.promise();
            self.take_records() || self.move_time() || promised
        };
        self.commit_if_due();
        worked
    }

    // Commands.

    /// What to do next, and the session to answer in.
    pub fn poll(&mut self) -> Option<(Session, Action)> {
        self.commands.pop_front()
    }

    /// When [`Task::step`] should be called at the latest, if nothing happens before.
    pub fn next_wake(&self) -> Option<Timestamp> {
        match self.phase {
            Phase::Waiting(until) => Some(until),
            Phase::Running => {
                let commit = self.open_due().filter(|_| self.in_flight.is_none());
                let idle = self.idle_due().filter(|due| *due > self.clock);
                let others = self.others_due();
                commit.into_iter().chain(idle).chain(others).min()
            }
            _ => None,
        }
    }

    // Getters.

    /// Whether the state is restored and records are taken.
    pub fn is_running(&self) -> bool {
        self.phase == Phase::Running && !self.is_behind()
    }

    /// Whether the task is given up: nothing of it is under way, and it may be assigned (again).
    pub fn is_standby(&self) -> bool {
        self.phase == Phase::Standby
    }

    /// The customers.
    pub fn core(&self) -> &C {
        &self.core
    }

    /// What is committed; none before the first transaction.
    pub fn durable(&self) -> Option<&TaskRecord> {
        self.durable.as_ref()
    }

    /// Nothing at or before this is still expected.
    pub fn watermark(&self) -> Timestamp {
        self.watermarks.task()
    }

    /// How far the watermark of the last commit is behind what the task's clock shows when the wall's shows `clock`, milliseconds;
    /// where time comes from events alone, behind the largest time seen. None while nothing has moved it.
    pub fn lag_ms(&self, clock: Timestamp) -> Option<i64> {
        let watermark = self.durable.as_ref()?.watermark;
        if watermark == Timestamp::MIN {
            return None;
        }
        let shown = self.settings.clock.reading(clock);
        let shown = shown.or_else(|| self.watermarks.shown())?;
        Some(shown.0.saturating_sub(watermark.0).max(0))
    }

    /// Whether a record of a topic is at hand.
    pub fn holds(&self, topic: usize) -> bool {
        self.inbox.head(topic).is_some()
    }

    /// The offset of a topic's next record to be taken, and where the topic ended when that was last asked.
    pub fn progress(&self, topic: usize) -> (Option<i64>, Option<i64>) {
        (self.inbox.offset(topic), self.inbox.end(topic))
    }

    /// While the state is restored: up to which changelog offset it is, and up to which it must be.
    pub fn restoring(&self) -> Option<(i64, i64)> {
        match self.phase {
            Phase::Restoring { until } => Some((self.restored, until)),
            _ => None,
        }
    }
}
