//! Carries out what a task orders, on the simulated log, one small piece at a time.
//!
//! Between any two pieces the process may crash, and between what happened and the task's hearing of it anything may happen.

use super::group::Membership;
use super::log::{Fate, Fault, Log, Place, Producer, Record, place};
use super::random::Random;
use super::subject::Subject;
use moments::task::core::RawRecord;
use moments::task::transaction::{Out, Sink, Transaction};
use moments::task::{Action, Failure, Input, Report, Session, Task, TaskSettings};
use moments::time::Timestamp;
use std::collections::VecDeque;

/// The consumer group.
pub const GROUP: &str = "moments";

/// What a piece of work sees of the world.
pub struct Surroundings<'a> {
    pub log: &'a mut Log,
    pub random: &'a mut Random,
    pub clock: Timestamp,
    /// Whether things may go wrong.
    pub faults: bool,
    /// Input topics whose fetches bring nothing at the moment.
    pub stalled: &'a [String],
    /// Commit requests that were given up by their senders, and are still on their way.
    pub adrift: &'a mut Vec<Producer>,
}

/// A transaction that is being carried out.
struct Transacting {
    session: Session,
    transaction: Transaction,
    sent: usize,
    offsets_sent: bool,
    changelog: i64,
}

/// How a topic is fetched.
struct Feed {
    session: Session,
    position: i64,
    paused: bool,
}

/// One task in one process.
pub struct Hand<S: Subject> {
    pub task: Task<S>,
    settings: TaskSettings,
    membership: Option<Membership>,
    producer: Option<Producer>,
    /// To be done with the producer, in order.
    lane: VecDeque<(Session, Action)>,
    /// To be asked or read, in order.
    asks: VecDeque<(Session, Action)>,
    transacting: Option<Transacting>,
    feeds: Vec<Option<Feed>>,
    /// What happened, and the task was not told yet.
    answers: VecDeque<(Session, Input)>,
}

impl<S: Subject> Hand<S> {
    pub fn new(settings: TaskSettings, revision: &str, plan: S::Plan) -> Self {
        let topics: Vec<&str> = settings
            .topics
            .iter()
            .map(|topic| topic.name.as_str())
            .collect();
        let partition = usize::try_from(settings.partition).expect("a partition");
        Self {
            task: Task::new(
                settings.clone(),
                S::fresh(&topics, partition),
                revision.to_owned(),
                plan,
            ),
            feeds: settings.topics.iter().map(|_| None).collect(),
            settings,
            membership: None,
            producer: None,
            lane: VecDeque::new(),
            asks: VecDeque::new(),
            transacting: None,
            answers: VecDeque::new(),
        }
    }

    /// The group gave the task to this process; the membership is pinned.
    pub fn assign(&mut self, clock: Timestamp, membership: Membership) {
        self.membership = Some(membership);
        self.task.assign(clock);
    }

    /// Whether nothing is left to do before a record comes, nor within an hour: a calendar's next date is a month away.
    pub fn is_idle(&self, clock: i64) -> bool {
        let nothing = self.lane.is_empty() && self.asks.is_empty() && self.answers.is_empty();
        let wake = self.task.next_wake();
        let sleeps = wake.is_none_or(|wake| wake.0 > clock + 3_600_000);
        nothing && self.transacting.is_none() && sleeps
    }

    /// Does one piece of work, at random.
    pub fn work(&mut self, around: &mut Surroundings<'_>) {
        match around.random.below(6) {
            0 => drop(self.task.step(around.clock)),
            1 => {
                if let Some((session, command)) = self.task.poll() {
                    self.order(session, command, around);
                }
            }
            2 => {
                if let Some((session, input)) = self.answers.pop_front() {
                    self.task.handle(around.clock, session, input);
                }
            }
            3 => self.produce(around),
            4 => self.ask(around),
            _ => self.fetch(around),
        }
    }

    /// The process dies: a commit request may already be on its way.
    pub fn abandon(&mut self, around: &mut Surroundings<'_>) {
        let sent = |transacting: &Transacting| transacting.offsets_sent;
        if self.transacting.as_ref().is_some_and(sent) && around.random.chance(5_000) {
            around.adrift.extend(self.producer.take());
        }
        self.producer = None;
        self.transacting = None;
        self.lane.clear();
        self.asks.clear();
    }

    fn order(&mut self, session: Session, command: Action, around: &mut Surroundings<'_>) {
        match command {
            Action::InitProducer | Action::Transact(_) => self.lane.push_back((session, command)),
            Action::AskChangelogEnd
            | Action::ReadChangelog { .. }
            | Action::AskGroupOffsets
            | Action::AskEnds(_) => self.asks.push_back((session, command)),
            Action::Fetch { topic, from } => {
                let position = from.unwrap_or(0);
                self.feeds[topic] = Some(Feed {
                    session,
                    position,
                    paused: false,
                });
                self.answers.push_back((
                    session,
                    Input::Position {
                        topic,
                        offset: position,
                    },
                ));
            }
            Action::Pause(topic) | Action::Resume(topic) => {
                let feed = self.feeds[topic]
                    .as_mut()
                    .expect("fetched before it is paused");
                feed.paused = command == Action::Pause(topic);
            }
            Action::DropProducer => self.abandon(around),
            Action::Close => self.feeds.iter_mut().for_each(|feed| *feed = None),
            Action::Refuse(refusal) => panic!("refused: {refusal}"),
            // It will hear of the newer set.
            Action::Report(Report::NewerRevision { .. }) => {}
            Action::Report(report) => panic!("nothing to report: {report:?}"),
        }
    }

    /// One piece of what is to be done with the producer.
    fn produce(&mut self, around: &mut Surroundings<'_>) {
        if let Some(transacting) = self.transacting.take() {
            self.transact(transacting, around);
            return;
        }
        match self.lane.pop_front() {
            Some((session, Action::InitProducer)) => {
                let failed = around.faults && around.random.chance(300);
                if !failed || around.random.chance(5_000) {
                    self.producer = Some(
                        around
                            .log
                            .init(&format!("moments-{}", self.settings.partition)),
                    );
                }
                let failure = if self.producer.is_some() {
                    Failure::Unknown
                } else {
                    Failure::Failed
                };
                let answer = if failed {
                    Input::Failed(failure)
                } else {
                    Input::ProducerReady
                };
                self.answers.push_back((session, answer));
            }
            Some((session, Action::Transact(transaction))) => {
                let (sent, offsets_sent, changelog) = (0, false, 0);
                let transacting = Transacting {
                    session,
                    transaction,
                    sent,
                    offsets_sent,
                    changelog,
                };
                match around
                    .log
                    .begin(self.producer.as_ref().expect("initialised"))
                {
                    Ok(()) => self.transacting = Some(transacting),
                    Err(fault) => self.fail(session, fault),
                }
            }
            _ => {}
        }
    }

    fn transact(&mut self, mut transacting: Transacting, around: &mut Surroundings<'_>) {
        let session = transacting.session;
        if around.faults && around.random.chance(20) {
            self.answers
                .push_back((session, Input::Failed(Failure::Failed)));
            return;
        }
        let producer = self.producer.as_ref().expect("initialised");
        let done = if let Some(out) = transacting.transaction.records.get(transacting.sent) {
            let to = self.place_of(out);
            around
                .log
                .send(producer, &to, sent(out, around.clock))
                .map(|offset| {
                    transacting.sent += 1;
                    if out.sink == Sink::Changelog {
                        transacting.changelog = offset + 1;
                    }
                    false
                })
        } else if transacting.offsets_sent {
            self.commit(around).map(|()| true)
        } else {
            let named = |(topic, offset): &(usize, i64)| (self.input(*topic), *offset);
            let offsets: Vec<(Place, i64)> =
                transacting.transaction.offsets.iter().map(named).collect();
            let membership = self.membership.as_ref().expect("pinned at the assignment");
            transacting.offsets_sent = true;
            around
                .log
                .send_offsets(producer, GROUP, membership, &offsets)
                .map(|()| false)
        };
        match done {
            Ok(true) => {
                let changelog = transacting.changelog;
                self.answers
                    .push_back((session, Input::CommitSucceeded { changelog }));
            }
            Ok(false) => self.transacting = Some(transacting),
            Err(fault) => self.fail(session, fault),
        }
    }

    fn commit(&self, around: &mut Surroundings<'_>) -> Result<(), Fault> {
        let producer = self.producer.as_ref().expect("initialised");
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
        around.log.commit(producer, fate)
    }

    fn fail(&mut self, session: Session, fault: Fault) {
        let failure = match fault {
            Fault::Fenced => Failure::Fenced,
            Fault::TimedOut => Failure::Unknown,
            Fault::IllegalGeneration | Fault::UnknownMember => Failure::NotMember,
            Fault::InvalidState | Fault::Unstable => {
                panic!("not while this is carried out: {fault:?}")
            }
        };
        self.answers.push_back((session, Input::Failed(failure)));
    }

    /// One piece of what is to be asked or read.
    fn ask(&mut self, around: &mut Surroundings<'_>) {
        let Some((session, command)) = self.asks.pop_front() else {
            return;
        };
        let changelog = self.own("changelog");
        let topics = 0..self.settings.topics.len();
        let answer = match command {
            Action::AskChangelogEnd => Some(Input::ChangelogEnd(around.log.end(&changelog))),
            Action::ReadChangelog { from, until } => {
                let read = around
                    .log
                    .read_committed(&changelog, from, 1 + around.random.below(10));
                if read.position < until {
                    let rest = Action::ReadChangelog {
                        from: read.position,
                        until,
                    };
                    self.asks.push_front((session, rest));
                }
                let pair = |(_, record): (i64, Record)| (record.key.expect("keyed"), record.value);
                let records = read.records.into_iter().map(pair).collect();
                Some(Input::Changelog {
                    records,
                    position: read.position,
                })
            }
            Action::AskGroupOffsets => {
                let offsets: Result<_, Fault> = topics
                    .map(|topic| around.log.committed_offset(GROUP, &self.input(topic)))
                    .collect();
                offsets.ok().map(Input::GroupOffsets)
            }
            Action::AskEnds(ask) => {
                let ends = topics
                    .map(|topic| around.log.end(&self.input(topic)))
                    .collect();
                Some(Input::Ends { ask, ends })
            }
            _ => panic!("not an ask"),
        };
        match answer {
            Some(answer) => self.answers.push_back((session, answer)),
            None => self.asks.push_front((session, Action::AskGroupOffsets)),
        }
    }

    /// One fetch of a topic.
    fn fetch(&mut self, around: &mut Surroundings<'_>) {
        let topic = around.random.below(self.feeds.len());
        let from = self.input(topic);
        let Some(feed) = self.feeds[topic].as_mut().filter(|feed| !feed.paused) else {
            return;
        };
        if around.stalled.contains(&from.topic) {
            return;
        }
        let read = around
            .log
            .read_committed(&from, feed.position, 1 + around.random.below(5));
        let raw = |(offset, record): (i64, Record)| RawRecord {
            offset,
            appended: Timestamp(record.appended),
            key: record.key,
            value: record.value,
            headers: Vec::new(),
        };
        if !read.records.is_empty() {
            let records = read.records.into_iter().map(raw).collect();
            self.answers
                .push_back((feed.session, Input::Fetched { topic, records }));
        }
        if read.position > feed.position {
            feed.position = read.position;
            let offset = read.position;
            self.answers
                .push_back((feed.session, Input::Position { topic, offset }));
        }
    }

    fn input(&self, topic: usize) -> Place {
        self.own(&self.settings.topics[topic].name)
    }

    fn own(&self, topic: &str) -> Place {
        place(
            topic,
            usize::try_from(self.settings.partition).expect("a partition"),
        )
    }

    /// The simulated sinks have as many partitions as the inputs, so a task's output is in order.
    fn place_of(&self, out: &Out) -> Place {
        self.own(match &out.sink {
            Sink::Treatments(_) => "treatments",
            Sink::Decisions => "decisions",
            Sink::DeadLetters => "dead-letters",
            Sink::Late => "late",
            Sink::Changelog => "changelog",
            Sink::Journal => "journal",
        })
    }
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
