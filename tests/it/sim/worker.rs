//! The producer that some tasks of a process share, and their transactions carried out, several as one.
//!
//! What is in flight to the log is not modelled: a record is acknowledged when it is sent. So offsets go when all records have.

use super::bugs::{self, Bug};
use super::group::Membership;
use super::hand::Surroundings;
use super::history::{IDENTITIES, LATENESS_MS};
use super::log::{Fate, Fault, Place, Producer, Record, place};
use moments::task::batch::Batches;
use moments::task::transaction::{Out, Sink, Transaction};
use moments::task::{Failure, Input, Session, TaskSettings};
use moments::time::Timestamp;

/// What the ids of workers begin with: by a task, or each its own.
pub const PREFIXES: [&str; 2] = ["moments-", "worker-"];

/// The longest that a call hangs: others take over and commit meanwhile.
const HANG_MS: i64 = LATENESS_MS;

/// With what a task was assigned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assigned {
    pub membership: Membership,
    /// Its number among those of the process.
    pub number: u64,
    /// The first task of the worker.
    pub first: i32,
}

/// What a task has in a transaction of the worker.
pub struct Share {
    partition: i32,
    assigned: Assigned,
    session: Session,
    records: Vec<(Place, Out)>,
    offsets: Vec<(Place, i64)>,
    /// How many of the records are sent.
    sent: usize,
    changelog: i64,
    journal: Option<i64>,
}

/// A transaction that is being carried out.
struct Transacting {
    shares: Vec<Share>,
    offsets_sent: bool,
}

/// One worker.
#[derive(Default)]
pub struct Worker {
    batches: Batches<Share>,
    producer: Option<(u64, Producer)>,
    transacting: Option<Transacting>,
    /// A call of it hangs until then.
    hangs_until: Timestamp,
    /// The newest of its process.
    membership: Membership,
}

/// An answer to a task.
pub type Answer = (i32, Session, Input);

impl Share {
    pub fn new(
        settings: &TaskSettings,
        assigned: Assigned,
        session: Session,
        transaction: Transaction,
    ) -> Self {
        let partition = usize::try_from(settings.partition).expect("a partition");
        assert!(!transaction.offsets.is_empty(), "it would not be fenced");
        let records = transaction.records.into_iter();
        let offsets = transaction.offsets.into_iter();
        Self {
            partition: settings.partition,
            assigned,
            session,
            records: records
                .map(|out| (place_of(&out, partition), out))
                .collect(),
            offsets: offsets
                .map(|(topic, offset)| (place(&settings.topics[topic].name, partition), offset))
                .collect(),
            sent: 0,
            changelog: 0,
            journal: None,
        }
    }

    /// Sends the next record; whether there was one.
    fn send(&mut self, producer: &Producer, around: &mut Surroundings<'_>) -> Result<bool, Fault> {
        let Some((to, out)) = self.records.get(self.sent) else {
            return Ok(false);
        };
        let record = sent(out, around.clock);
        let offset = bugs::send(around.log, producer, (to, &out.sink), record)?;
        self.sent += 1;
        match out.sink {
            Sink::Changelog => self.changelog = offset + 1,
            Sink::Journal => self.journal = Some(offset + 1),
            _ => {}
        }
        Ok(true)
    }
}

impl Worker {
    /// The process is assigned tasks.
    pub fn assign(&mut self, membership: Membership) {
        self.membership = membership;
    }

    /// A task has a transaction.
    pub fn push(&mut self, share: Share) {
        let (partition, mut number) = (share.partition, share.assigned.number);
        if Bug::AssignmentsMixed.is_on() {
            number = 0;
        }
        self.batches.push(partition, number, share);
    }

    /// A task starts over.
    pub fn withdraw(&mut self, partition: i32) {
        if !Bug::AssignmentsMixed.is_on() {
            self.batches.withdraw(partition);
        }
    }

    /// Whether a transaction is being carried out.
    pub fn is_busy(&self) -> bool {
        self.transacting.is_some()
    }

    /// Whether there is nothing to do.
    pub fn is_idle(&self) -> bool {
        self.batches.is_empty() && self.transacting.is_none()
    }

    /// Sees to it that the worker has the producer of this assignment.
    pub fn ensure(&mut self, assigned: &Assigned, around: &mut Surroundings<'_>) -> Producer {
        if let Some((number, producer)) = &self.producer
            && *number == assigned.number
        {
            return producer.clone();
        }
        let producer = around.log.init(&if around.fences {
            transactional_id(assigned.first)
        } else {
            format!("{}{:x}", PREFIXES[1], around.random.next())
        });
        self.producer = Some((assigned.number, producer.clone()));
        producer
    }

    /// The process dies: a commit request may already be on its way.
    pub fn abandon(&mut self, around: &mut Surroundings<'_>) {
        let sent = |transacting: &Transacting| transacting.offsets_sent;
        if self.transacting.as_ref().is_some_and(sent) && around.random.chance(5_000) {
            let producer = self.producer.take();
            around.adrift.extend(producer.map(|(_, producer)| producer));
        }
    }

    /// Does one piece of work.
    pub fn work(&mut self, around: &mut Surroundings<'_>) -> Vec<Answer> {
        if self.hangs(around) {
            return Vec::new();
        }
        let Some(mut transacting) = self.transacting.take() else {
            return self.begin(around);
        };
        if around.faults && around.random.chance(20) {
            return self.failed(transacting, Failure::Failed);
        }
        match self.transact(&mut transacting, around) {
            Ok(false) => {
                self.transacting = Some(transacting);
                Vec::new()
            }
            Ok(true) => self.committed(transacting),
            Err(fault) => self.failed(transacting, failure(fault)),
        }
    }

    /// Whether a call hangs. Most do before anything of a transaction is sent: whoever takes over does not wait for that one.
    fn hangs(&mut self, around: &mut Surroundings<'_>) -> bool {
        let has_sent = |it: &Transacting| it.shares.iter().any(|share| share.sent > 0);
        let share = match &self.transacting {
            Some(transacting) if !has_sent(transacting) => 3_000,
            _ => 20,
        };
        if around.faults && around.random.chance(share) {
            self.hangs_until = around.clock.plus(around.random.ms(HANG_MS));
        }
        around.faults && around.clock < self.hangs_until
    }

    fn begin(&mut self, around: &mut Surroundings<'_>) -> Vec<Answer> {
        let shares: Vec<Share> = self.batches.take().into_iter().map(|it| it.1).collect();
        let Some(first) = shares.first() else {
            return Vec::new();
        };
        let producer = self.ensure(&first.assigned.clone(), around);
        let transacting = Transacting {
            shares,
            offsets_sent: false,
        };
        match around.log.begin(&producer) {
            Ok(()) => {
                self.transacting = Some(transacting);
                Vec::new()
            }
            Err(fault) => self.failed(transacting, failure(fault)),
        }
    }

    /// One piece of a transaction; whether it was the last.
    fn transact(
        &self,
        transacting: &mut Transacting,
        around: &mut Surroundings<'_>,
    ) -> Result<bool, Fault> {
        let (_, producer) = self.producer.as_ref().expect("it has begun");
        for share in &mut transacting.shares {
            if share.send(producer, around)? {
                return Ok(false);
            }
        }
        if !transacting.offsets_sent {
            transacting.offsets_sent = true;
            let pinned = &transacting.shares[0].assigned.membership;
            let offsets = transacting.shares.iter().flat_map(|it| it.offsets.clone());
            let offsets: Vec<(Place, i64)> = offsets.collect();
            let memberships = (pinned, &self.membership);
            bugs::send_offsets(around.log, producer, memberships, &offsets)?;
            return Ok(false);
        }
        let lost = around.faults && around.random.chance(1_000);
        let fate = match around.random.below(3) {
            _ if !lost => Fate::Answered,
            0 => Fate::AnswerLost,
            1 => Fate::RequestLost,
            _ => {
                around.adrift.push(producer.clone());
                Fate::RequestLost
            }
        };
        around.log.commit(producer, fate).map(|()| true)
    }

    fn committed(&mut self, transacting: Transacting) -> Vec<Answer> {
        let answer = |share: Share| {
            self.batches.ended(share.partition, true);
            let input = Input::CommitSucceeded {
                changelog: share.changelog,
                journal: share.journal,
            };
            (share.partition, share.session, input)
        };
        transacting.shares.into_iter().map(answer).collect()
    }

    fn failed(&mut self, transacting: Transacting, failure: Failure) -> Vec<Answer> {
        self.producer = None;
        let answer = |share: Share| {
            if matches!(failure, Failure::Failed | Failure::Unknown) {
                self.batches.ended(share.partition, false);
            }
            (share.partition, share.session, Input::Failed(failure))
        };
        transacting.shares.into_iter().map(answer).collect()
    }
}

/// The id that fences what others have of a task.
pub fn transactional_id(partition: i32) -> String {
    format!("{}{partition}", PREFIXES[0])
}

fn failure(fault: Fault) -> Failure {
    match fault {
        Fault::Fenced => Failure::Fenced,
        Fault::TimedOut => Failure::Unknown,
        Fault::IllegalGeneration | Fault::UnknownMember => Failure::NotMember,
        Fault::InvalidState | Fault::Unstable => {
            panic!("not while this is carried out: {fault:?}")
        }
    }
}

/// The simulated sinks have as many partitions as the inputs, so a task's output is in order.
fn place_of(out: &Out, partition: usize) -> Place {
    let topic = match &out.sink {
        Sink::Treatments(_) => "treatments",
        Sink::Decisions => "decisions",
        Sink::DeadLetters => "dead-letters",
        Sink::Late => "late",
        Sink::Reports => "reports",
        Sink::Changelog => "changelog",
        Sink::Journal => "journal",
        Sink::Transfers(to) => {
            return place(IDENTITIES, usize::try_from(*to).expect("a partition"));
        }
    };
    place(topic, partition)
}

fn sent(out: &Out, clock: Timestamp) -> Record {
    let text = |(name, value): &(String, Option<Vec<u8>>)| {
        (name.clone(), value.clone().unwrap_or_default())
    };
    let headers = out.headers.iter().map(text).collect();
    Record {
        key: out.key.clone(),
        value: out.value.clone(),
        headers,
        appended: clock.0,
    }
}
