//! Carries out what a task orders, on the simulated log, one small piece at a time.
//!
//! Between any two pieces the process may crash, and between what happened and the task's hearing of it anything may happen.

use super::between::{Between, Heard};
use super::bugs::{self, Bug};
use super::log::{Fault, Log, Place, Producer, Record, place};
use super::random::Random;
use super::subject::Subject;
use super::worker::{Assigned, Share, Worker, transactional_id};
use moments::task::core::RawRecord;
use moments::task::journal::Line;
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
    /// Whether transactional ids fence; else each producer has one of its own, and what is left open must expire.
    pub fences: bool,
    /// Whether revisions say something else each.
    pub varies: bool,
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
    assigned: Option<Assigned>,
    /// To be asked or read, in order.
    asks: VecDeque<(Session, Action)>,
    feeds: Vec<Option<Feed>>,
    /// What happened, and the task was not told yet.
    answers: VecDeque<(Session, Input)>,
    between: Between,
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
            assigned: None,
            asks: VecDeque::new(),
            answers: VecDeque::new(),
            between: Between::default(),
        }
    }

    /// The group gave the task to this process; the membership is pinned.
    pub fn assign(&mut self, clock: Timestamp, assigned: Assigned) {
        self.assigned = Some(assigned);
        self.task.assign(clock);
    }

    /// What was asked of the worker is answered.
    pub fn answer(&mut self, session: Session, input: Input) {
        self.answers.push_back((session, input));
    }

    /// Whether nothing is left to do before a record comes, nor within an hour: a calendar's next date is a month away.
    pub fn is_idle(&self, clock: i64) -> bool {
        let nothing = self.asks.is_empty() && self.answers.is_empty();
        let wake = self.task.next_wake();
        let sleeps = wake.is_none_or(|wake| wake.0 > clock + 3_600_000);
        nothing && sleeps
    }

    /// Does one piece of work, at random.
    pub fn work(&mut self, worker: &mut Worker, around: &mut Surroundings<'_>) {
        match around.random.below(5) {
            0 => drop(self.task.step(around.clock)),
            1 => {
                if let Some((session, command)) = self.task.poll() {
                    self.order(session, command, worker);
                }
            }
            2 => {
                if let Some((session, input)) = self.answers.pop_front() {
                    match self.between.heard(session, input) {
                        Heard::Input(session, input) => {
                            self.task.handle(around.clock, session, input);
                        }
                        Heard::Order(session, command) => self.order(session, command, worker),
                    }
                }
            }
            3 => self.ask(worker, around),
            _ => self.fetch(around),
        }
    }

    fn order(&mut self, session: Session, command: Action, worker: &mut Worker) {
        match self.between.ordered(session, command, &self.settings) {
            Action::Transact(transaction) => {
                let assigned = self.assigned.clone().expect("assigned");
                worker.push(Share::new(&self.settings, assigned, session, transaction));
            }
            Action::Withdraw => {
                worker.withdraw(self.settings.partition);
                self.asks.clear();
            }
            command @ (Action::InitProducer
            | Action::AskChangelogEnd
            | Action::ReadChangelog { .. }
            | Action::AskGroupOffsets
            | Action::AskTriggers(_)
            | Action::ReadJournal { .. }
            | Action::AskEnds(_)) => self.asks.push_back((session, command)),
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
            command @ (Action::Pause(topic) | Action::Resume(topic)) => {
                let feed = self.feeds[topic]
                    .as_mut()
                    .expect("fetched before it is paused");
                feed.paused = command == Action::Pause(topic);
            }
            Action::Close => self.feeds.iter_mut().for_each(|feed| *feed = None),
            Action::Refuse(refusal) => panic!("refused: {refusal}"),
            // It will hear of the newer set.
            Action::Report(Report::NewerRevision { .. } | Report::TakesAgain(..)) => {}
            Action::Report(report) => panic!("nothing to report: {report:?}"),
        }
    }

    /// Fences the task's id, once nothing is under way; until then there is no answer.
    fn init(&self, worker: &mut Worker, around: &mut Surroundings<'_>) -> Option<Input> {
        let partition = self.settings.partition;
        if worker.is_busy() {
            return None;
        }
        let failed = around.faults && around.random.chance(300);
        if failed && around.random.chance(5_000) {
            return Some(Input::Failed(Failure::Failed));
        }
        let assigned = self.assigned.as_ref().expect("assigned");
        worker.ensure(assigned, around);
        if around.fences && assigned.first != partition {
            around.log.init(&transactional_id(partition));
        }
        Some(if failed {
            Input::Failed(Failure::Unknown)
        } else {
            Input::ProducerReady
        })
    }

    /// One piece of what is to be asked or read.
    fn ask(&mut self, worker: &mut Worker, around: &mut Surroundings<'_>) {
        let Some((session, command)) = self.asks.pop_front() else {
            return;
        };
        let changelog = self.own("changelog");
        let topics = 0..self.settings.topics.len();
        let again = command.clone();
        let answer = match command {
            Action::InitProducer => self.init(worker, around),
            Action::AskChangelogEnd => {
                let end = Bug::RestoredToStableEnd.end(around.log, &changelog);
                Some(Input::ChangelogEnd(end))
            }
            Action::ReadChangelog { from, until } => {
                let most = 1 + around.random.below(10);
                let read = bugs::read_changelog(around.log, &changelog, from, most);
                if read.position < until {
                    let rest = Action::ReadChangelog {
                        from: read.position,
                        until,
                    };
                    self.asks.push_front((session, rest));
                }
                let stored = |(offset, record): (i64, Record)| {
                    (offset, record.key.expect("keyed"), record.value)
                };
                let records = read.records.into_iter().map(stored).collect();
                Some(Input::Changelog {
                    records,
                    position: read.position,
                })
            }
            Action::AskTriggers(_) if around.faults && around.random.chance(1_000) => {
                Some(Input::Failed(Failure::Failed))
            }
            Action::AskTriggers(revision) => {
                let plan = S::plan(&revision, around.varies);
                self.task.recall(around.clock, &revision, Some(&plan));
                return;
            }
            Action::ReadJournal { from, until } => {
                let (lines, rest) = self.read_journal(from, until, around);
                self.asks.extend(rest.map(|rest| (session, rest)));
                Some(Input::Journal(lines))
            }
            Action::AskGroupOffsets => {
                let offsets: Result<_, Fault> = topics
                    .map(|topic| bugs::committed_offset(around.log, &self.input(topic)))
                    .collect();
                offsets.ok().map(Input::GroupOffsets)
            }
            Action::AskEnds(ask) => {
                let ends = topics
                    .map(|topic| Bug::EndsOfCommitted.end(around.log, &self.input(topic)))
                    .collect();
                Some(Input::Ends { ask, ends })
            }
            _ => panic!("not an ask"),
        };
        match answer {
            Some(answer) => self.answers.push_back((session, answer)),
            None => self.asks.push_front((session, again)),
        }
    }

    /// Some lines, and what is still to be read.
    fn read_journal(
        &self,
        from: i64,
        until: u64,
        around: &mut Surroundings<'_>,
    ) -> (Vec<(i64, Vec<u8>)>, Option<Action>) {
        let most = 1 + around.random.below(10);
        let read = around.log.read_committed(&self.own("journal"), from, most);
        let value = |(offset, record): (i64, Record)| (offset, record.value.expect("a line"));
        let lines: Vec<(i64, Vec<u8>)> = read.records.into_iter().map(value).collect();
        let last = lines.last();
        let last = last.map(|(_, line)| Line::read(line).expect("a line").transaction);
        let rest = last.is_none_or(|last| last < until).then_some({
            let from = read.position;
            Action::ReadJournal { from, until }
        });
        (lines, rest)
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
            stamped: false,
            unreadable: None,
            offset,
            appended: Timestamp(record.appended),
            key: record.key,
            value: record.value,
            headers: record
                .headers
                .into_iter()
                .map(|(name, value)| (name, Some(value)))
                .collect(),
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
}
