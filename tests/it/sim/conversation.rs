//! Scripts for the task protocol: words for what happened in, words for what is ordered out.
//!
//! Topics are `cart` (0), `profile` (1) and `purchase` (2), lateness and idle delay 2 s, the clock is the wall's. `now` is the
//! clock reading. The customers are [`Toy`]'s: an `a` waits 3 s for a `b`, a `c` is a command at once.

use super::subject::Subject;
use super::toy::{DAMAGED, Toy};
use moments::task::core::RawRecord;
use moments::task::journal::{Line, Step};
use moments::task::record::{KEY, TaskRecord, TopicRecord, Window};
use moments::task::transaction::{Delays, Sink, Transaction};
use moments::task::watermark::{ClockMode, TopicSettings};
use moments::task::window::Checkpoint;
use moments::task::{Action, Failure, Input, Session, Task, TaskSettings};
use moments::time::Timestamp;
use std::collections::BTreeSet;

const NAMES: [&str; 3] = ["cart", "profile", "purchase"];

struct Script {
    task: Task<Toy>,
    clock: Timestamp,
    session: Session,
    ordered: Vec<String>,
}

/// Runs a script and compares what is ordered. `=` before a word empties what was ordered until then: only the rest counts. `by events;` at the
/// beginning: time comes from events alone.
pub fn check(what: &str, script: &str, expected: &str) {
    let topic = |name: &&str| TopicSettings {
        name: (*name).to_owned(),
        lateness_ms: 2_000,
        drives: *name != "profile",
    };
    let (mode, script) = match script.strip_prefix("by events;") {
        Some(script) => (ClockMode::Event, script),
        None => (ClockMode::Wall, script),
    };
    let settings = TaskSettings {
        partition: 0,
        topics: NAMES.iter().map(topic).collect(),
        clock: mode,
        idle_delay_ms: 2_000,
        checkpoint: Checkpoint::EACH,
        unrepeatable: BTreeSet::new(),
        ids: Default::default(),
        between: None,
        reports_ms: None,
        delays: Delays {
            command_ms: 20,
            ..Delays::default()
        },
        future_max_ms: 60_000,
    };
    let plan = Toy::plan("r1", false);
    let task = Task::new(settings, Toy::fresh(&NAMES, 0), "r1".to_owned(), plan);
    let mut run = Script {
        task,
        clock: Timestamp(0),
        session: Session::default(),
        ordered: Vec::new(),
    };
    for line in script.split(';').map(str::trim) {
        run.line(line);
    }
    assert_eq!(run.ordered.join(", "), expected, "{what}: {script}");
}

fn record(partition_offset: i64) -> Vec<u8> {
    let mut record = TaskRecord {
        transaction: 4,
        ..TaskRecord::default()
    };
    let topic = TopicRecord {
        offset: Some(partition_offset),
        ..TopicRecord::default()
    };
    record.topics.insert("cart".to_owned(), topic);
    record.pack()
}

/// Transactions 3 and 4, by triggers of this revision, took a record of `cart` each, 3 and 4, and are to be taken again.
fn window(revision: &str) -> Vec<u8> {
    let mut record = TaskRecord::unpack(&record(5)).expect("a record");
    record.revision = revision.to_owned();
    record.window = Some(Window {
        from: 3,
        journal: 40,
        watermark: Timestamp::MIN,
        offsets: [("cart".to_owned(), 3)].into(),
    });
    record.pack()
}

/// The line of one of them.
fn line(transaction: i64) -> Input {
    let mut step = Step::begin(Timestamp(0));
    step.take("cart", transaction);
    let number = transaction.unsigned_abs();
    let line = Line::new(0, number, "r1".to_owned(), step.now, vec![step]);
    Input::Journal(vec![(40 + transaction, line.to_json())])
}

impl Script {
    fn line(&mut self, line: &str) {
        let line = line.strip_prefix('=').map_or(line, |rest| {
            self.ordered.clear();
            rest.trim()
        });
        let words: Vec<&str> = line.split_whitespace().collect();
        let clock = self.clock;
        match words.as_slice() {
            [] => {}
            ["assign"] => self.task.assign(clock),
            ["revoke"] => self.task.revoke(clock, false),
            ["lose"] => self.task.revoke(clock, true),
            ["step"] => while self.task.step(clock) {},
            ["wait", until] => self.clock = Timestamp(number(until)),
            ["wake"] => {
                let wake = self.task.next_wake();
                let wake = wake.map_or("never".to_owned(), |wake| wake.0.to_string());
                self.ordered.push(format!("wake {wake}"));
            }
            ["recall", "nothing"] => self.task.recall(clock, "r0", None),
            ["recall", revision] => {
                let plan = Toy::plan(revision, false);
                self.task.recall(clock, revision, Some(&plan));
            }
            ["lag"] => {
                let lag = self.task.lag_ms(clock);
                self.ordered.push(format!("lag {lag:?}"));
            }
            ["watermark"] => {
                let watermark = self.task.watermark();
                self.ordered.push(format!("watermark {}", watermark.0));
            }
            words => self.task.handle(clock, self.session, input(words, clock)),
        }
        while let Some((session, command)) = self.task.poll() {
            self.session = session;
            self.ordered.push(told(&command));
        }
    }
}

fn number(text: &str) -> i64 {
    text.parse().expect("a number")
}

fn topic(text: &str) -> usize {
    text.parse().expect("a topic")
}

fn input(words: &[&str], clock: Timestamp) -> Input {
    match words {
        ["ready"] => Input::ProducerReady,
        ["end", end] => Input::ChangelogEnd(number(end)),
        ["log", position, offset] => logged(record(number(offset)), number(position)),
        ["page", position, what] => {
            let value = match *what {
                "damaged" => Some(DAMAGED.to_vec()),
                "gone" => None,
                other => panic!("unknown: {other}"),
            };
            let position = number(position);
            let records = vec![(position - 1, b"ana".to_vec(), value)];
            Input::Changelog { records, position }
        }
        ["log-newer"] => logged(vec![99], 9),
        ["log-window", revision] => logged(window(revision), 9),
        ["line", transaction] => line(number(transaction)),
        ["journal-gone"] => Input::JournalGone,
        ["group", offsets @ ..] => {
            let offset = |text: &&str| text.parse::<i64>().ok();
            Input::GroupOffsets(offsets.iter().map(offset).collect())
        }
        ["at", of, offset] => Input::Position {
            topic: topic(of),
            offset: number(offset),
        },
        ["ends", ask, ends @ ..] => {
            let ask = ask.parse().expect("an ask");
            Input::Ends {
                ask,
                ends: ends.iter().map(|end| number(end)).collect(),
            }
        }
        ["fetched", of, offset, kind, time] => fetched(
            topic(of),
            number(offset)..number(offset) + 1,
            kind,
            time,
            clock,
        ),
        ["full", of] => fetched(topic(of), 0..2048, "c", "1", clock),
        ["committed", changelog] => Input::CommitSucceeded {
            changelog: number(changelog),
            journal: None,
        },
        ["failed"] => Input::Failed(Failure::Failed),
        ["unknown"] => Input::Failed(Failure::Unknown),
        ["fenced"] => Input::Failed(Failure::Fenced),
        ["not-member"] => Input::Failed(Failure::NotMember),
        ["gone", of, earliest] => Input::OffsetGone {
            topic: topic(of),
            earliest: number(earliest),
        },
        other => panic!("unknown: {other:?}"),
    }
}

fn logged(record: Vec<u8>, position: i64) -> Input {
    Input::Changelog {
        records: vec![(position - 1, KEY.to_vec(), Some(record))],
        position,
    }
}

fn fetched(
    topic: usize,
    offsets: std::ops::Range<i64>,
    kind: &str,
    time: &str,
    appended: Timestamp,
) -> Input {
    let record = |offset| RawRecord {
        stamped: false,
        unreadable: None,
        offset,
        appended,
        // From here on they are another customer's.
        key: Some(if offset < 50 { b"ann" } else { b"ben" }.to_vec()),
        value: Some(format!("{kind} {time}").into_bytes()),
        headers: Vec::new(),
    };
    Input::Fetched {
        topic,
        records: offsets.map(record).collect(),
    }
}

fn told(command: &Action) -> String {
    match command {
        Action::InitProducer => "init".to_owned(),
        Action::AskChangelogEnd => "end?".to_owned(),
        Action::ReadChangelog { from, until } => format!("read {from}-{until}"),
        Action::AskGroupOffsets => "group?".to_owned(),
        Action::AskTriggers(revision) => format!("triggers? {revision}"),
        Action::ReadJournal { from, until } => format!("journal {from}-#{until}"),
        Action::Fetch { topic, from } => format!(
            "fetch {topic}@{}",
            from.map_or("-".to_owned(), |from| from.to_string())
        ),
        Action::Pause(topic) => format!("pause {topic}"),
        Action::Resume(topic) => format!("resume {topic}"),
        Action::AskEnds(ask) => format!("ends? {ask}"),
        Action::Transact(transaction) => transacted(transaction),
        Action::Withdraw => "withdraw".to_owned(),
        Action::Close => "close".to_owned(),
        Action::Refuse(refusal) => format!(
            "refuse: {}",
            refusal.to_string().chars().take(60).collect::<String>()
        ),
        Action::Report(report) => format!("{report:?}"),
    }
}

/// Number, how many records of each sink, offsets.
fn transacted(transaction: &Transaction) -> String {
    let count = |sink: &dyn Fn(&Sink) -> bool| {
        transaction
            .records
            .iter()
            .filter(|out| sink(&out.sink))
            .count()
    };
    let offsets: Vec<String> = transaction
        .offsets
        .iter()
        .map(|(topic, offset)| format!("{topic}@{offset}"))
        .collect();
    format!(
        "transact {}: {} commands {} decisions {} states {}",
        transaction.number,
        count(&|sink| matches!(sink, Sink::Treatments(_))),
        count(&|sink| *sink == Sink::Decisions),
        count(&|sink| *sink == Sink::Changelog) - 1,
        offsets.join(" ")
    )
}
