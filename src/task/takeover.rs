//! Taking a task over and giving it up.
//!
//! The tasks of a worker share a producer, and what they have at one time may be one transaction ([`super::batch`]). What keeps a
//! former owner from committing is the group, not the producer: each transaction has offsets of each of its tasks, sent with the
//! member and the generation pinned at the assignment, and the group takes them only while that generation is the newest. They are
//! sent when every record of the transaction is acknowledged. So when a task is assigned, all that former owners can still commit
//! is in the log.
//!
//! The order matters: fence first, so that nothing of us is under way and what others left open ends soon; then the end of the
//! changelog with uncommitted records, below which is all that former owners can still commit; then the committed records up to
//! it, which waits for what is open; then the task's record says where to go on, and the group's offsets, once no transaction
//! holds them, are compared with it. After any failure the same again, from where the changelog is taken in: whether a commit of
//! unknown outcome was carried out is read there.
//!
//! The task's transactional id is that of the worker whose first task it is. So whoever takes over the first task of a worker that
//! died ends what that worker had open for all of its tasks, and nobody waits for it to time out.

use super::core::Core;
use super::ids;
use super::others::Others;
use super::record::{self, Agreement, TaskRecord};
use super::window::Marks;
use super::{Action, Failure, Input, Phase, Refusal, Report, Task};
use crate::time::Timestamp;

/// First wait before taking over again, ms.
const WAIT_MS: i64 = 100;
/// Longest wait is `WAIT_MS` doubled this often: 12.8 s, about a session time-out.
const WAIT_DOUBLINGS: u32 = 7;
/// Records that cannot be read before reading ends: these are not single pages any more, and each is kept with its key.
const UNREAD_MAX: usize = 1_000;

impl<C: Core> Task<C> {
    /// The group gave this process the task, which is on standby or was refused.
    pub fn assign(&mut self, clock: Timestamp) {
        assert!(
            matches!(self.phase, Phase::Standby | Phase::Refused),
            "given up before it is assigned again"
        );
        self.clock = self.clock.max(clock);
        self.failures = 0;
        self.fence();
    }

    /// The group takes the task away; `lost` when it already has. Ends with [`Action::Close`].
    pub fn revoke(&mut self, clock: Timestamp, lost: bool) {
        self.clock = self.clock.max(clock);
        match self.phase {
            Phase::Running if !lost => {
                self.phase = Phase::Draining;
                self.commit_if_due();
            }
            Phase::Draining if !lost => {}
            _ => self.close(),
        }
    }

    /// Whatever is not committed is dropped; the task is given up.
    pub(super) fn close(&mut self) {
        self.withdraw();
        self.phase = Phase::Standby;
        self.order(Action::Close);
    }

    /// The wait before taking over again may be over.
    pub(super) fn wait_over(&mut self) {
        if matches!(self.phase, Phase::Waiting(until) if until <= self.clock) {
            self.fence();
        }
    }

    /// Something failed: back to what is committed, and again from the start.
    pub(super) fn failed(&mut self, failure: Failure) {
        if self.phase == Phase::Draining {
            self.close();
            return;
        }
        self.withdraw();
        self.phase = Phase::Standby;
        if failure == Failure::NotMember {
            return;
        }
        self.failures += 1;
        let first = self.failures == 1 && failure != Failure::Fenced;
        let wait = WAIT_MS << self.failures.saturating_sub(1).min(WAIT_DOUBLINGS);
        self.phase = Phase::Waiting(self.clock.plus(if first { 0 } else { wait }));
        self.wait_over();
    }

    /// A step of taking over was done.
    pub(super) fn taking_over(&mut self, input: Input) {
        match (self.phase.clone(), input) {
            (Phase::Fencing, Input::ProducerReady) => {
                self.phase = Phase::AskingEnd;
                self.order(Action::AskChangelogEnd);
            }
            (Phase::AskingEnd, Input::ChangelogEnd(until)) if until > self.restored => {
                self.phase = Phase::Restoring { until };
                self.order(Action::ReadChangelog {
                    from: self.restored,
                    until,
                });
            }
            (Phase::AskingEnd, Input::ChangelogEnd(_)) => self.ask_group(),
            (Phase::Restoring { until }, Input::Changelog { records, position }) => {
                self.restore(records, position, until);
            }
            (Phase::Comparing, Input::GroupOffsets(offsets)) => self.compare(&offsets),
            // Somebody who took over since wrote both: nothing is wrong but our knowledge.
            (Phase::Doubting(_), Input::ChangelogEnd(end)) if end > self.restored => {
                self.failed(Failure::Fenced);
            }
            (Phase::Doubting(disagreement), Input::ChangelogEnd(_)) => {
                self.refuse(disagreement.into());
            }
            _ => {}
        }
    }

    /// The records to go on from are not there.
    pub(super) fn offset_gone(&mut self, topic: usize, earliest: i64) {
        let name = self.settings.topics[topic].name.clone();
        let offset = self.inbox.offset(topic);
        if let (Phase::TakingAgain, Some(offset)) = (&self.phase, offset) {
            let topic = name;
            self.refuse(Refusal::WindowGone { topic, offset });
            return;
        }
        self.refuse(Refusal::OffsetGone {
            topic: name,
            offset,
            earliest,
        });
    }

    pub(super) fn order(&mut self, command: Action) {
        self.commands.push_back((self.session, command));
    }

    fn fence(&mut self) {
        self.session.0 += 1;
        self.phase = Phase::Fencing;
        self.order(Action::InitProducer);
    }

    /// What cannot be read is nobody's business where something else stands behind it: only the last of a key counts.
    fn restore(
        &mut self,
        records: Vec<(i64, Vec<u8>, Option<Vec<u8>>)>,
        position: i64,
        until: i64,
    ) {
        for (offset, key, value) in records {
            if key == record::KEY {
                match value.as_deref().map(TaskRecord::unpack).transpose() {
                    Ok(record) => self.durable = record,
                    Err(error) => return self.refuse(error.into()),
                }
                continue;
            }
            match self.core.restore(&key, value.as_deref()) {
                Ok(()) => drop(self.unread.remove(&key)),
                Err(detail) => drop(self.unread.insert(key, (offset, detail))),
            }
            if self.unread.len() > UNREAD_MAX {
                return self.refuse_unread();
            }
        }
        self.restored = self.restored.max(position);
        if self.restored >= until {
            self.ask_group();
        }
    }

    /// Refuses for the first that cannot be read.
    fn refuse_unread(&mut self) {
        let first = self.unread.iter().min_by_key(|(_, (offset, _))| *offset);
        if let Some((key, (offset, detail))) = first {
            let refusal = Refusal::State {
                partition: self.settings.partition,
                offset: *offset,
                customer: String::from_utf8_lossy(key).into_owned(),
                detail: detail.clone(),
            };
            self.refuse(refusal);
        }
    }

    fn ask_group(&mut self) {
        if !self.unread.is_empty() {
            self.refuse_unread();
            return;
        }
        self.phase = Phase::Comparing;
        self.order(Action::AskGroupOffsets);
    }

    fn compare(&mut self, offsets: &[Option<i64>]) {
        let names = self.settings.topics.iter().map(|topic| topic.name.as_str());
        let group: Vec<(&str, Option<i64>)> = names.zip(offsets.iter().copied()).collect();
        match record::compare(self.durable.as_ref(), &group) {
            Agreement::Agreed => self.run(),
            Agreement::Expired(topics) => {
                self.order(Action::Report(Report::GroupOffsetsExpired(topics)));
                self.run();
            }
            Agreement::Disagreed(disagreement) => {
                self.phase = Phase::Doubting(disagreement);
                self.order(Action::AskChangelogEnd);
            }
        }
    }

    /// Goes on from what is committed, once everything of it is there.
    fn run(&mut self) {
        if let Some(refusal) = self.made_anew() {
            self.refuse(refusal);
            return;
        }
        self.resume();
        if self.unwritten().is_some() {
            self.begin_again();
            return;
        }
        let record = self.durable.clone().unwrap_or_default();
        let offsets: Vec<Option<i64>> = self
            .settings
            .topics
            .iter()
            .map(|topic| record.offset(&topic.name))
            .collect();
        self.others = Others::default();
        self.inbox.seek(&offsets);
        self.running();
        for (topic, from) in offsets.into_iter().enumerate() {
            self.order(Action::Fetch { topic, from });
        }
    }

    /// What keeps a topic from being gone on with that is another than the one that was read. One that is to be read from its beginning
    /// has not been read.
    fn made_anew(&mut self) -> Option<Refusal> {
        let ids = &self.settings.ids;
        let record = self.durable.as_mut()?;
        let beyond = record.beyond.as_ref()?;
        let mut accepted = Vec::new();
        for (topic, known) in &beyond.ids {
            let found = ids.found.get(topic).filter(|found| *found != known);
            let (Some(found), Some(offset)) = (found, record.offset(topic)) else {
                continue;
            };
            if !ids.accepted.contains(topic) {
                return Some(Refusal::MadeAnew {
                    topic: topic.clone(),
                    known: ids::shown(*known),
                    found: ids::shown(*found),
                    offset,
                });
            }
            let window = record.window.as_ref();
            if let Some(offset) = window.and_then(|window| window.offsets.get(topic)) {
                return Some(Refusal::WindowGone {
                    topic: topic.clone(),
                    offset: *offset,
                });
            }
            accepted.push(topic.clone());
        }
        for topic in accepted {
            record.topics.remove(&topic);
        }
        None
    }

    pub(super) fn running(&mut self) {
        self.quiet_since = self.clock;
        self.phase = Phase::Running;
    }

    pub(super) fn refuse(&mut self, refusal: Refusal) {
        self.withdraw();
        self.phase = Phase::Refused;
        self.order(Action::Refuse(refusal));
    }

    /// Back to what is committed, and no answer of before counts any more. A transaction that nobody has carried out yet is not to
    /// be: whoever did it later would do it in the name of a later assignment.
    fn withdraw(&mut self) {
        self.commands
            .retain(|(_, command)| !matches!(command, Action::Transact(_)));
        if !matches!(
            self.phase,
            Phase::Standby | Phase::Waiting(_) | Phase::Refused
        ) {
            self.order(Action::Withdraw);
        }
        self.session.0 += 1;
        self.resume();
        self.others = Others::default();
        self.inbox.seek(&vec![None; self.settings.topics.len()]);
    }

    /// Sets everything in memory to what is committed.
    fn resume(&mut self) {
        self.open = None;
        self.in_flight = None;
        self.marks = Marks::default();
        self.again = None;
        let record = self.durable.clone().unwrap_or_default();
        self.core.rollback(record.watermark);
        self.core.begin(record.transaction + 1);
        self.watermarks.set_task(record.watermark);
        for (topic, settings) in self.settings.topics.iter().enumerate() {
            self.watermarks
                .resume(topic, record.topics.get(&settings.name));
        }
        self.watermarks
            .resume_lead(record.beyond.map(|beyond| beyond.lead));
        self.now = record.now;
        self.tallies = record.tallies;
        self.moving_to = record.unfinished.moving_to;
        self.assume();
    }
}
