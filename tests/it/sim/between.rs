//! What passes between a task and its hand, and is changed on its way by a deliberate bug ([`super::bugs`]).

use super::bugs::{self, Bug};
use moments::task::journal::Line;
use moments::task::record::{KEY, Sweep, TaskRecord, TopicRecord, Unfinished};
use moments::task::transaction::{Out, Sink, Transaction};
use moments::task::{Action, Failure, Input, Session, TaskSettings};
use moments::time::Timestamp;

/// Who passes it on. Without a bug nothing is changed.
#[derive(Debug, Default)]
pub struct Between {
    /// That of the last order.
    session: Session,
    /// A transaction is ordered, and how it ended not heard yet.
    transacts: bool,
    /// What is left of it, to be ordered when the first part is done.
    later: Option<Transaction>,
    /// Up to where the changelog was to be read last.
    until: i64,
    /// Whether something of it was ever taken in.
    restored: bool,
    /// The last answer to an ask.
    ends: Option<Vec<i64>>,
    /// The offset after what came of each topic.
    fetched: Vec<i64>,
    /// The revision of the first record.
    revision: Option<String>,
}

/// What comes of an answer.
pub enum Heard {
    /// The task is told.
    Input(Session, Input),
    /// Something more is to be carried out first.
    Order(Session, Action),
}

impl Between {
    /// A task orders something.
    pub fn ordered(&mut self, session: Session, action: Action, settings: &TaskSettings) -> Action {
        if !bugs::is_any_on() {
            return action;
        }
        self.session = session;
        match action {
            Action::ReadChangelog { from, until } => {
                let read = std::mem::replace(&mut self.until, until);
                let from = match Bug::RestoreCutShort.is_on() {
                    true => from.max(read),
                    false => from,
                };
                Action::ReadChangelog { from, until }
            }
            Action::Fetch { topic, from } => {
                self.fetched.resize(settings.topics.len(), 0);
                self.fetched[topic] = from.unwrap_or(0);
                Action::Fetch { topic, from }
            }
            Action::Withdraw => {
                (self.transacts, self.later) = (false, None);
                Action::Withdraw
            }
            Action::Transact(mut transaction) => {
                self.transacts = true;
                edit_record(&mut transaction, |record| self.record(record, settings));
                edit_line(&mut transaction, |line| self.journal(line));
                if Bug::OffsetsOfFetched.is_on() {
                    for (topic, offset) in &mut transaction.offsets {
                        *offset = self.fetched[*topic].max(*offset);
                    }
                }
                self.split(&mut transaction);
                Action::Transact(transaction)
            }
            other => other,
        }
    }

    /// A hand has an answer.
    pub fn heard(&mut self, session: Session, input: Input) -> Heard {
        if !bugs::is_any_on() {
            return Heard::Input(session, input);
        }
        let session = match Bug::SessionsIgnored.is_on() {
            true => self.session,
            false => session,
        };
        let is_current = session == self.session;
        match &input {
            Input::Position { topic, offset } if is_current => self.came(*topic, *offset),
            Input::Fetched { topic, records } if is_current => {
                let last = records.last().map_or(0, |record| record.offset + 1);
                self.came(*topic, last);
            }
            Input::CommitSucceeded { .. } => {
                if let Some(later) = self.later.take() {
                    return Heard::Order(session, Action::Transact(later));
                }
                (self.transacts, self.restored) = (false, true);
            }
            Input::Changelog { .. } => self.restored = true,
            _ => {}
        }
        Heard::Input(session, self.misheard(input))
    }

    fn misheard(&mut self, input: Input) -> Input {
        match input {
            Input::GroupOffsets(mut offsets) => {
                if Bug::NoOffsetIsZero.is_on() {
                    offsets.iter_mut().for_each(|it| *it = it.or(Some(0)));
                }
                Input::GroupOffsets(offsets)
            }
            Input::ChangelogEnd(_) if Bug::NotRestoredAgain.is_on() && self.restored => {
                Input::ChangelogEnd(0)
            }
            Input::Ends { ask, ends } => {
                let before = self.ends.replace(ends.clone());
                let ends = if Bug::WatermarkAsMaximum.is_on() {
                    vec![0; ends.len()]
                } else if Bug::EndsOfBefore.is_on() {
                    before.unwrap_or(ends)
                } else {
                    ends
                };
                Input::Ends { ask, ends }
            }
            Input::Failed(failure) => {
                let transacts = std::mem::replace(&mut self.transacts, false);
                if Bug::OutcomeGuessed.is_on() && failure == Failure::Unknown && transacts {
                    return Input::CommitSucceeded {
                        changelog: 0,
                        journal: None,
                    };
                }
                Input::Failed(failure)
            }
            other => other,
        }
    }

    fn came(&mut self, topic: usize, offset: i64) {
        self.fetched[topic] = offset.max(self.fetched[topic]);
    }

    /// What a journal line does not say.
    fn journal(&self, line: &mut Line) {
        if Bug::IdleNotJournaled.is_on() {
            line.steps
                .retain(|step| !step.runs.is_empty() || step.adopt.is_some());
        }
        if Bug::CrowdNotJournaled.is_on() {
            line.steps.iter_mut().for_each(|step| step.beyond = 0);
        }
        if Bug::ReloadNotJournaled.is_on() {
            line.steps.retain(|step| step.adopt.is_none());
            if let Some(first) = &self.revision {
                line.revision.clone_from(first);
            }
        }
    }

    /// What a task record does not say.
    fn record(&mut self, record: &mut TaskRecord, settings: &TaskSettings) {
        let revision = record.revision.trim_end_matches('*').to_owned();
        let first = self.revision.get_or_insert_with(|| revision.clone());
        if Bug::ReloadNotRecorded.is_on() {
            record.revision.clone_from(first);
            record.unfinished.sweeps.remove(&Sweep::Adoption);
        }
        if Bug::ReloadRecordedEarly.is_on() {
            record.revision = revision;
            record.unfinished.sweeps.remove(&Sweep::Adoption);
        }
        if Bug::SweepNotRecorded.is_on() {
            record.unfinished.sweeps.remove(&Sweep::Broadcast);
        }
        if Bug::MoveNotRecorded.is_on() {
            record.unfinished = Unfinished {
                moving_to: None,
                ..std::mem::take(&mut record.unfinished)
            };
        }
        if Bug::WindowNotRecorded.is_on() {
            record.window = None;
        }
        if let Some(window) = &mut record.window {
            if Bug::WindowShort.is_on() {
                window.from += 1;
            }
            if Bug::WindowWatermarkLate.is_on() {
                window.watermark = record.watermark;
            }
        }
        if Bug::WatermarkNotRecorded.is_on() {
            record.watermark = Timestamp::MIN;
        }
        if Bug::SeenNotRecorded.is_on() {
            record.beyond = None;
            for topic in record.topics.values_mut() {
                *topic = TopicRecord {
                    offset: topic.offset,
                    ..TopicRecord::default()
                };
            }
        }
        if Bug::OffsetsOfFetched.is_on() {
            for (topic, fetched) in settings.topics.iter().zip(&self.fetched) {
                let known = record
                    .topics
                    .get_mut(&topic.name)
                    .and_then(|it| it.offset.as_mut());
                if let Some(offset) = known {
                    *offset = *fetched.max(offset);
                }
            }
        }
    }

    /// Keeps the changelog for later.
    fn split(&mut self, transaction: &mut Transaction) {
        let is_later = |out: &Out| out.sink == Sink::Changelog;
        if !Bug::ChangelogAfterCommit.is_on() || transaction.records.iter().all(is_later) {
            return;
        }
        let later = Transaction {
            records: transaction
                .records
                .extract_if(.., |out| is_later(out))
                .collect(),
            ..transaction.clone()
        };
        self.later = Some(later);
    }
}

fn edit_line(transaction: &mut Transaction, edit: impl FnOnce(&mut Line)) {
    let journal = |out: &&mut Out| out.sink == Sink::Journal;
    if let Some(out) = transaction.records.iter_mut().find(journal) {
        let value = out.value.as_ref().expect("a line");
        let mut line = Line::read(value).expect("a line");
        edit(&mut line);
        out.value = Some(line.to_json());
    }
}

fn edit_record(transaction: &mut Transaction, edit: impl FnOnce(&mut TaskRecord)) {
    let own = |out: &&mut Out| out.key.as_deref() == Some(KEY);
    if let Some(out) = transaction.records.iter_mut().find(own) {
        let value = out.value.as_ref().expect("no tombstone");
        let mut record = TaskRecord::unpack(value).expect("a record");
        edit(&mut record);
        out.value = Some(record.pack());
    }
}
