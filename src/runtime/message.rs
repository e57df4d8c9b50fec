//! What the threads of a process tell each other.

use std::collections::BTreeSet;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, ConsumerGroupMetadata};

use super::Context;
use super::view::TaskView;
use crate::engine::Customer;
use crate::event::CustomerId;
use crate::tally::Rows;
use crate::task::{Input, Session};
use crate::time::Timestamp;
use crate::trigger::plan::Plan;

/// A customer of a task that runs here.
#[derive(Debug)]
pub struct Asked {
    /// She.
    pub customer: Box<Customer>,
    /// Up to when she is settled.
    pub watermark: Timestamp,
    /// What her task decides by, the rows of tables that have come to it included. Whoever holds it has them copied when the next comes.
    pub plan: Arc<Plan>,
}

/// A customer; else to whom of another task the id went, if it did.
pub(super) type Found = Result<Asked, Option<CustomerId>>;

/// What others tell a worker.
pub(super) enum ToWorker {
    /// Something came into a queue.
    Wake,
    /// A task is its own.
    Assign(Box<Assignment>),
    /// A task is not any more; `done` is dropped when everything that can be committed is.
    Revoke {
        partition: i32,
        lost: bool,
        done: Sender<()>,
    },
    /// A command was carried out.
    Answer {
        partition: i32,
        session: Session,
        input: Input,
    },
    /// The triggers of a revision that a task asked for; none where nobody has them.
    Recall {
        partition: i32,
        revision: String,
        plan: Option<Arc<Plan>>,
    },
    /// What the tasks here have counted of triggers?
    Figures {
        reply: tokio::sync::oneshot::Sender<Vec<(i32, Rows)>>,
    },
    /// A topic may be read from here on.
    Begin {
        partition: i32,
        session: Session,
        topic: usize,
        offset: i64,
    },
    /// Where the topics of a task end, for its lag.
    Lag { partition: i32, ends: Vec<i64> },
    /// Somebody asks for a customer, be it by a former id; the answer says up to which watermark she is settled, or to whom of another
    /// task the id went.
    Customer {
        partition: i32,
        customer: String,
        reply: tokio::sync::oneshot::Sender<Found>,
    },
    /// There are other triggers.
    Offer(Arc<Plan>),
    /// Somebody asks how a task stands.
    View {
        partition: i32,
        reply: tokio::sync::oneshot::Sender<Option<Box<TaskView>>>,
    },
    /// The process ends.
    Stop,
}

/// What a task is assigned with.
pub(super) struct Assignment {
    pub partition: i32,
    pub consumer: Arc<BaseConsumer<Member>>,
    pub membership: Membership,
}

/// As whom a worker's tasks commit what they take.
#[derive(Clone)]
pub(super) struct Membership {
    /// The member and the generation of the assignment.
    pub group: Arc<ConsumerGroupMetadata>,
    /// Counted in this process: a group that was forgotten begins its generations anew.
    pub assignment: u64,
    /// The first of the worker's tasks, whose transactional id the worker's producer has.
    pub first: i32,
}

/// What librdkafka calls back.
pub(super) struct Member {
    pub context: Arc<Context>,
    pub workers: Vec<Sender<ToWorker>>,
    /// How long tasks may take to commit what is open.
    pub timeout: Duration,
    pub owned: Mutex<BTreeSet<i32>>,
    /// Assigned, and not yet handed to workers.
    pub assigned: Mutex<Vec<(i32, Membership)>>,
}

/// A question of a task.
#[derive(Debug)]
pub(super) struct Question {
    pub partition: i32,
    pub session: Session,
    pub about: About,
    /// Not to be asked before.
    pub after: Instant,
    /// Where the answer goes.
    pub worker: Sender<ToWorker>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum About {
    /// Where every topic ends; the number of the ask.
    Ends(u64),
    /// Where every topic ends, to say how far behind the task is.
    Lag,
    /// Whether a topic can be read from this offset on, or where it begins.
    Start(usize, Option<i64>),
}
