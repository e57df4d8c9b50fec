//! One task on its own topics, without faults but for a crash where a test wants one: for very many customers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use moments::task::core::{Core as _, Effect, Keep, RawRecord};
use moments::task::customers::Customers;
use moments::task::journal::{Line, Run, Slice};
use moments::task::record::{KEY, TaskRecord};
use moments::task::transaction::{Delays, Sink, Transaction};
use moments::task::watermark::{ClockMode, TopicSettings};
use moments::task::window::Checkpoint;
use moments::task::{Action, Input, Session, Task, TaskSettings};
use moments::time::Timestamp;
use moments::trigger::plan::Plan;

/// Records of one answer.
const BATCH: usize = 512;

/// The topics that come in, and what the task has committed.
pub struct Alone {
    settings: TaskSettings,
    fresh: fn() -> Customers,
    plan: Arc<Plan>,
    inputs: Vec<Vec<RawRecord>>,
    batch: usize,
    pub transactions: Vec<Transaction>,
}

/// A process that has the task.
struct Process<'a> {
    log: &'a mut Alone,
    task: Task<Customers>,
    session: Session,
    /// How many records of each topic were given, and whether it is read.
    given: Vec<(usize, bool)>,
    open_max: usize,
}

impl Alone {
    /// Topics by name and records; none but the first moves time. It is now what events say.
    pub fn new(
        topics: Vec<(&str, Vec<RawRecord>)>,
        fresh: fn() -> Customers,
        plan: Arc<Plan>,
    ) -> Self {
        let settings = topics
            .iter()
            .enumerate()
            .map(|(at, (name, _))| TopicSettings {
                name: (*name).to_owned(),
                lateness_ms: 0,
                drives: at == 0,
            });
        Self {
            settings: TaskSettings {
                partition: 0,
                topics: settings.collect(),
                clock: ClockMode::Event,
                idle_delay_ms: 10,
                future_max_ms: i64::MAX / 2,
                delays: Delays::default(),
                checkpoint: Checkpoint::EACH,
                unrepeatable: BTreeSet::new(),
                ids: Default::default(),
                between: None,
                reports_ms: None,
            },
            fresh,
            plan,
            inputs: topics.into_iter().map(|(_, records)| records).collect(),
            batch: BATCH,
            transactions: Vec::new(),
        }
    }

    /// Customers who changed stay unwritten for so long, so many records come at once, and each step is a transaction.
    pub fn writing(mut self, checkpoint: Checkpoint, batch: usize) -> Self {
        self.settings.checkpoint = checkpoint;
        self.settings.delays = Delays {
            command_ms: 0,
            state_ms: 0,
            behind_ms: 0,
        };
        self.batch = batch;
        self
    }

    /// A process takes the task over and works until nothing is left to do, or until it has committed so many transactions: then
    /// it crashes. The most customers that were unpacked at once when all records were at hand.
    pub fn run(&mut self, most: usize) -> usize {
        let revision = self.plan.revision.to_string();
        let plan = Arc::clone(&self.plan);
        let task = Task::new(self.settings.clone(), (self.fresh)(), revision, plan);
        let given = vec![(0, false); self.inputs.len()];
        let most = self.transactions.len() + most;
        let mut process = Process {
            log: self,
            task,
            session: Session::default(),
            given,
            open_max: 0,
        };
        process.task.assign(Timestamp(0));
        let mut clock = 0;
        let mut quiet = 0;
        while quiet < 5_000 {
            if process.log.transactions.len() >= most {
                break;
            }
            clock += 1;
            quiet += 1;
            if process.turn(Timestamp(clock)) {
                quiet = 0;
            }
        }
        process.open_max
    }

    /// The values of everything committed to a sink, in order.
    pub fn committed(&self, sink: &Sink) -> Vec<Vec<u8>> {
        let records = self.transactions.iter().flat_map(|it| &it.records);
        let of = records.filter(|record| record.sink == *sink);
        of.filter_map(|record| record.value.clone()).collect()
    }

    /// What the journal replays, decision by decision.
    pub fn replayed(&self) -> Vec<Vec<u8>> {
        let mut core = (self.fresh)();
        core.assume(&self.plan);
        let mut effects = Vec::new();
        for line in self.committed(&Sink::Journal) {
            let line = Line::read(&line).expect("a line");
            core.begin(line.transaction);
            for step in line.steps {
                for Run(topic, from, to) in &step.runs {
                    let topics = &self.settings.topics;
                    let at = topics.iter().position(|known| known.name == *topic);
                    let at = at.expect("a topic");
                    let records = self.inputs[at].iter();
                    for record in records.filter(|it| (*from..=*to).contains(&it.offset)) {
                        let event = core.decode(at, record).expect("an event");
                        match step.everybody {
                            None => core.event(event, step.now, &mut effects),
                            Some(Slice { from, to }) => {
                                let slice = (from, Some(to));
                                core.broadcast(&event, slice, step.now, &mut effects);
                            }
                        }
                    }
                }
                core.advance_beyond(step.watermark, step.beyond, step.now, &mut effects);
            }
            core.seal(line.kept.map_or(Keep::NOBODY, Keep::from));
            core.committed();
        }
        decisions(effects)
    }

    /// The task's records, in order.
    pub fn records(&self) -> Vec<TaskRecord> {
        let changelog = self.changelog().into_iter();
        let records = changelog.filter(|(key, _)| key == KEY);
        let values = records.map(|(_, value)| value.expect("no tombstone"));
        values
            .map(|value| TaskRecord::unpack(&value).expect("a record"))
            .collect()
    }

    /// The last of them.
    pub fn last_record(&self) -> TaskRecord {
        self.records().pop().expect("a record")
    }

    fn changelog(&self) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
        let records = self.transactions.iter().flat_map(|it| &it.records);
        let of = records.filter(|record| record.sink == Sink::Changelog);
        of.map(|record| (record.key.clone().expect("keyed"), record.value.clone()))
            .collect()
    }

    /// What compaction leaves, the task's record last.
    fn compacted(&self) -> Vec<(i64, Vec<u8>, Option<Vec<u8>>)> {
        let mut last: BTreeMap<_, _> = self.changelog().into_iter().collect();
        let record = last.remove(KEY);
        let records = last
            .into_iter()
            .chain(record.map(|record| (KEY.to_vec(), record)));
        (0..)
            .zip(records)
            .map(|(offset, (key, value))| (offset, key, value))
            .collect()
    }

    fn end(&self) -> i64 {
        i64::try_from(self.changelog().len()).expect("small")
    }
}

/// The decisions among effects.
pub fn decisions(effects: Vec<Effect>) -> Vec<Vec<u8>> {
    let decision = |effect| match effect {
        Effect::Decided { decision, .. } => Some(decision),
        _ => None,
    };
    effects.into_iter().filter_map(decision).collect()
}

impl Process<'_> {
    fn turn(&mut self, clock: Timestamp) -> bool {
        let mut worked = self.task.step(clock);
        let all = self.given.iter().zip(&self.log.inputs);
        if all.into_iter().all(|((given, _), all)| *given == all.len()) {
            let open = self.task.core().engine().open_customers();
            self.open_max = self.open_max.max(open);
        }
        while let Some((session, command)) = self.task.poll() {
            worked = true;
            self.session = session;
            for input in self.answer(command) {
                self.task.handle(clock, session, input);
            }
        }
        worked | self.fetch(clock)
    }

    fn fetch(&mut self, clock: Timestamp) -> bool {
        let mut fetched = false;
        for (topic, (given, reads)) in self.given.iter_mut().enumerate() {
            let records = &self.log.inputs[topic];
            let to = records.len().min(*given + self.log.batch);
            if *reads && to > *given {
                let input = Input::Fetched {
                    topic,
                    records: records[*given..to].to_vec(),
                };
                self.task.handle(clock, self.session, input);
                (*given, fetched) = (to, true);
            }
        }
        fetched
    }

    fn answer(&mut self, command: Action) -> Vec<Input> {
        vec![match command {
            Action::InitProducer => Input::ProducerReady,
            Action::AskChangelogEnd => Input::ChangelogEnd(self.log.end()),
            Action::ReadChangelog { until, .. } => Input::Changelog {
                records: self.log.compacted(),
                position: until,
            },
            Action::AskGroupOffsets => {
                let last = self.log.transactions.last();
                let offset = |topic| {
                    let offsets = &last?.offsets;
                    let found = offsets.iter().find(|(of, _)| *of == topic);
                    found.map(|(_, offset)| *offset)
                };
                Input::GroupOffsets((0..self.given.len()).map(offset).collect())
            }
            Action::Fetch { topic, from } => {
                let offset = from.unwrap_or(0);
                self.given[topic] = (usize::try_from(offset).expect("small"), true);
                Input::Position { topic, offset }
            }
            Action::Pause(topic) => {
                self.given[topic].1 = false;
                return Vec::new();
            }
            Action::Resume(topic) => {
                self.given[topic].1 = true;
                return Vec::new();
            }
            Action::AskEnds(ask) => Input::Ends {
                ask,
                ends: self
                    .log
                    .inputs
                    .iter()
                    .map(|records| i64::try_from(records.len()).expect("small"))
                    .collect(),
            },
            Action::Transact(transaction) => {
                self.log.transactions.push(transaction);
                Input::CommitSucceeded {
                    changelog: self.log.end(),
                    journal: Some(self.log.transactions.len() as i64),
                }
            }
            Action::ReadJournal { from, .. } => {
                let lines = (0..).zip(self.log.committed(&Sink::Journal));
                Input::Journal(lines.filter(|(offset, _)| *offset >= from).collect())
            }
            Action::Report(_) => return Vec::new(),
            other => panic!("{other:?}"),
        }]
    }
}
