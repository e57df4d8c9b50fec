//! Two tasks that ask each other how far they have come: one has events all the time, the other never has any.

use std::collections::BTreeSet;

use moments::task::core::{Count, RawRecord};
use moments::task::others::Between;
use moments::task::transaction::{Delays, Sink, Transaction};
use moments::task::watermark::{ClockMode, TopicSettings};
use moments::task::window::Checkpoint;
use moments::task::{Action, Input, Session, Task, TaskSettings};
use moments::time::Timestamp;

use super::subject::Subject as _;
use super::toy::Toy;

const CART: usize = 0;
const IDENTITIES: usize = 1;
const NAMES: [&str; 2] = ["cart", "identities"];
/// Lateness, and how long silence lasts before it proves something.
const WITHIN_MS: i64 = 2_000;
/// What one tells the other is there so much later: longer than the pause between two asks.
const WAY_MS: i64 = 300;
const WAIT_MAX_MS: i64 = 10_000;
const UNTIL: i64 = 40_000;

/// A task and its partition of the topics.
struct Side {
    task: Task<Toy>,
    /// Records, and when they can be fetched.
    logs: [Vec<(i64, RawRecord)>; 2],
    fetched: [usize; 2],
    /// What the other is told.
    told: Vec<RawRecord>,
    refused: Option<String>,
}

impl Side {
    fn new(partition: i32) -> Self {
        let topic = |name: &&str| TopicSettings {
            name: (*name).to_owned(),
            lateness_ms: if *name == "cart" { WITHIN_MS } else { 0 },
            drives: *name == "cart",
        };
        let settings = TaskSettings {
            partition,
            topics: NAMES.iter().map(topic).collect(),
            clock: ClockMode::Wall,
            idle_delay_ms: WITHIN_MS,
            checkpoint: Checkpoint::EACH,
            unrepeatable: BTreeSet::new(),
            ids: Default::default(),
            reports_ms: None,
            between: Some(Between {
                topic: IDENTITIES,
                tasks: 2,
                wait_max_ms: WAIT_MAX_MS,
            }),
            delays: Delays::default(),
            future_max_ms: 60_000,
        };
        let plan = Toy::plan("r1", false);
        let mut task = Task::new(settings, Toy::fresh(&NAMES, 0), "r1".to_owned(), plan);
        task.assign(Timestamp(0));
        Self {
            task,
            logs: Default::default(),
            fetched: [0; 2],
            told: Vec::new(),
            refused: None,
        }
    }

    fn append(&mut self, topic: usize, at: i64, record: RawRecord) {
        let log = &mut self.logs[topic];
        let offset = i64::try_from(log.len()).expect("few");
        log.push((at, RawRecord { offset, ..record }));
    }

    /// Does all that can be done by now.
    fn work(&mut self, clock: i64, session: &mut Session) {
        if self.task.is_running() {
            self.fetch(clock, *session);
        }
        loop {
            while self.task.step(Timestamp(clock)) {}
            let Some((of, action)) = self.task.poll() else {
                return;
            };
            *session = of;
            if let Some(input) = self.carry_out(action) {
                self.task.handle(Timestamp(clock), of, input);
            }
        }
    }

    fn fetch(&mut self, clock: i64, session: Session) {
        for (topic, log) in self.logs.iter().enumerate() {
            let new = log[self.fetched[topic]..].iter();
            let there = new.take_while(|(at, _)| *at <= clock);
            let records: Vec<RawRecord> = there.map(|(_, record)| record.clone()).collect();
            self.fetched[topic] += records.len();
            let fetched = Input::Fetched { topic, records };
            self.task.handle(Timestamp(clock), session, fetched);
        }
    }

    fn carry_out(&mut self, action: Action) -> Option<Input> {
        match action {
            Action::InitProducer => Some(Input::ProducerReady),
            Action::AskChangelogEnd => Some(Input::ChangelogEnd(0)),
            Action::AskGroupOffsets => Some(Input::GroupOffsets(vec![None; 2])),
            Action::Fetch { topic, .. } => Some(Input::Position { topic, offset: 0 }),
            Action::AskEnds(ask) => {
                let end = |log: &Vec<_>| i64::try_from(log.len()).expect("few");
                let ends = self.logs.iter().map(end).collect();
                Some(Input::Ends { ask, ends })
            }
            Action::Transact(transaction) => Some(self.transact(transaction)),
            Action::Refuse(refusal) => {
                self.refused = Some(refusal.to_string());
                None
            }
            Action::Pause(_) | Action::Resume(_) | Action::Withdraw => None,
            other => panic!("{other:?}"),
        }
    }

    fn transact(&mut self, transaction: Transaction) -> Input {
        let told = transaction.records.into_iter();
        let told = told.filter(|out| matches!(out.sink, Sink::Transfers(_)));
        self.told.extend(told.map(|out| RawRecord {
            value: out.value,
            headers: out.headers,
            ..RawRecord::default()
        }));
        Input::CommitSucceeded {
            changelog: i64::try_from(transaction.number).expect("few"),
            journal: None,
        }
    }

    fn overdue(&self) -> Option<u64> {
        let count = Count::Identities("overdue".into());
        self.task.durable()?.tallies.get(&count).copied()
    }
}

/// Runs both; `check` sees the busy one at each moment.
fn run(is_there: bool, check: impl Fn(i64, Timestamp)) -> Side {
    let (mut busy, mut quiet) = (Side::new(0), Side::new(1));
    let mut sessions = [Session::default(); 2];
    for clock in (0..UNTIL).step_by(20) {
        if clock % 200 == 0 {
            let record = RawRecord {
                appended: Timestamp(clock),
                key: Some(format!("c{clock}").into_bytes()),
                value: Some(Toy::value('a', "", clock)),
                ..RawRecord::default()
            };
            busy.append(CART, clock, record);
        }
        busy.work(clock, &mut sessions[0]);
        if is_there {
            quiet.work(clock, &mut sessions[1]);
        }
        let asked = std::mem::take(&mut busy.told).into_iter();
        let said = std::mem::take(&mut quiet.told).into_iter();
        asked.for_each(|record| quiet.append(IDENTITIES, clock + WAY_MS, record));
        said.for_each(|record| busy.append(IDENTITIES, clock + WAY_MS, record));
        check(clock, busy.task.watermark());
    }
    busy
}

#[test]
fn a_quiet_task_answers_a_busy_one_that_asks_for_more_and_more() {
    // The busy one's lateness, the quiet one's silence, a step of what is promised, and the way there and back.
    let behind = 2 * WITHIN_MS + 1_000 + 2 * WAY_MS + 1_000;
    let busy = run(true, |clock, watermark| {
        let is_near = clock < 2 * behind || watermark >= Timestamp(clock - behind);
        assert!(is_near, "{watermark:?} at {clock}");
    });
    assert_eq!(busy.overdue(), None, "it is never given up");
    let asks = busy.logs[IDENTITIES].len();
    assert!(asks < 200, "{asks} promises in 40 s");
}

#[test]
fn a_task_that_is_away_is_waited_for_so_long() {
    let busy = run(false, |clock, watermark| {
        let waits = clock < 2 * WAIT_MAX_MS || watermark > Timestamp(clock - WAIT_MAX_MS);
        assert!(waits, "{watermark:?} at {clock}");
    });
    assert_eq!(busy.overdue(), Some(1), "it is given up once");
}

#[test]
fn what_another_told_is_not_passed_over_where_it_cannot_be_read() {
    let mut side = Side::new(0);
    let mut session = Session::default();
    side.work(0, &mut session);
    let record = RawRecord {
        value: Some(b"of a newer build".to_vec()),
        ..RawRecord::default()
    };
    side.append(IDENTITIES, 10, record);
    side.work(10, &mut session);
    let refused = side.refused.unwrap_or_default();
    let expected = "topic identities, partition 0, the record at offset 0: ";
    assert!(refused.starts_with(expected), "{refused}");
    assert!(side.task.durable().is_none(), "no dead letter");
}
