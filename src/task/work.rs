//! A task at work: taking records, moving time, committing.

use super::core::{Core, Count, Effect, Keep, RawRecord, Rejection};
use super::inbox::{Next, Standing};
use super::journal::{Between, Line, Step};
use super::record::{self, Beyond, TaskRecord, TopicRecord, Unfinished};
use super::transaction::{Open, Origin, Out, Sink, Transaction};
use super::watermark::{Unread, Watermarks};
use super::{Action, Phase, STEP_RECORDS, Task};
use crate::time::Timestamp;
use std::collections::BTreeMap;

impl<C: Core> Task<C> {
    /// Records came.
    pub(super) fn fetched(&mut self, topic: usize, records: Vec<RawRecord>) {
        let latest = self.latest();
        for record in records {
            if self.hears(topic, &record) {
                continue;
            }
            let read = self.core.decode(topic, &record);
            if let Err(rejection) = &read
                && self.is_between(topic)
            {
                self.refuse_told(record.offset, &rejection.detail);
                return;
            }
            let customer = read.as_ref().map_or(0, C::customer);
            let content = read.map(|event| (C::time(&event), event));
            let record = (record, customer);
            self.inbox.push(topic, record, content, self.clock, latest);
            self.quiet_since = self.clock;
        }
        self.steer();
    }

    /// Takes what is next, as much as one step may.
    pub(super) fn take_records(&mut self) -> bool {
        let mut step = Step::begin(self.read_clock());
        for _ in 0..STEP_RECORDS {
            match self.inbox.next() {
                Next::Take(topic) if self.is_for_everybody(topic) => {
                    if step.runs.is_empty() {
                        return self.tell_everybody(topic);
                    }
                    break;
                }
                Next::Take(topic) => self.take(topic, &mut step),
                Next::Ask => {
                    self.ask_ends();
                    break;
                }
                Next::Wait | Next::Empty => break,
            }
        }
        if step.runs.is_empty() {
            return false;
        }
        let watermark = self.reached();
        self.finish(step, watermark);
        self.steer();
        true
    }

    /// Where time may move to by the records at hand, as far as other tasks let it.
    pub(super) fn reached(&mut self) -> Timestamp {
        let reached = self.watermarks.reached(|topic| self.unread(topic));
        self.as_far_as_told(reached)
    }

    /// What is unread of a topic: of one that time waits for, always something.
    pub(super) fn unread(&self, topic: usize) -> Unread {
        let is_awaited = self.awaited >> topic & 1 == 1;
        match self.inbox.unread(topic) {
            Unread::Nothing if is_awaited => Unread::Something,
            unread => unread,
        }
    }

    /// Moves time without a record, where that changes something: because the last unread record is taken, or because nothing comes.
    pub(super) fn move_time(&mut self) -> bool {
        let Some(deadline) = self.deadline() else {
            return false;
        };
        let standing: Vec<Standing> = (0..self.settings.topics.len())
            .map(|topic| self.inbox.standing(topic))
            .collect();
        let by_records = self.watermarks.reached(|topic| self.unread(topic));
        let reached = self.as_far_as_told(by_records);
        if reached >= deadline {
            return self.move_as_told(reached);
        }
        // Others are waited for, and who asks for the ends again learns nothing.
        if by_records >= deadline {
            return false;
        }
        if standing.contains(&Standing::Behind) || self.awaited != 0 {
            return false;
        }
        let idle_due = self.idle_due().filter(|due| *due <= self.clock);
        if let Some(due) = idle_due
            && self.inbox.asked_at() >= due
        {
            let (asked_at, quiet_since) = (self.inbox.asked_at(), self.quiet_since);
            let idle = self.watermarks.idle(
                &self.settings.clock,
                asked_at,
                quiet_since,
                self.settings.idle_delay_ms,
            );
            return self.move_as_told(idle);
        }
        let if_caught_up = self.watermarks.reached(|_| Unread::Nothing);
        if idle_due.is_some() || if_caught_up >= deadline {
            self.ask_ends();
        }
        false
    }

    /// Moves time, as far as other tasks let it; whether it moves.
    fn move_as_told(&mut self, to: Timestamp) -> bool {
        let to = self.as_far_as_told(to);
        let moves = to > self.watermarks.task();
        if moves {
            self.move_to(to);
        }
        moves
    }

    /// The next deadline, while no record is at hand that would move time. A core that was rolled back may name one that is
    /// past: the next millisecond will tell.
    fn deadline(&self) -> Option<Timestamp> {
        let deadline = self
            .core
            .next_deadline()
            .filter(|_| self.inbox.is_empty())?;
        Some(deadline.max(self.watermarks.task().plus(1)))
    }

    /// The clock at which silence leads time to the next deadline.
    pub(super) fn idle_due(&self) -> Option<Timestamp> {
        let deadline = self.deadline()?;
        let settings = &self.settings;
        self.watermarks.idle_due(
            &settings.clock,
            deadline,
            self.quiet_since,
            settings.idle_delay_ms,
        )
    }

    /// Hands the open transaction over when it is due and no other is under way.
    pub(super) fn commit_if_due(&mut self) {
        if self.in_flight.is_some() {
            return;
        }
        let due = self.open_due();
        match (&self.phase, due) {
            (Phase::Running, Some(due)) if due <= self.clock => self.commit(),
            (Phase::Draining, Some(_)) => self.commit(),
            (Phase::Draining, None) => self.close(),
            _ => {}
        }
    }

    /// When the open transaction should be committed; not before there is an offset to go with it.
    pub(super) fn open_due(&self) -> Option<Timestamp> {
        let due = [self.content_due(), self.checkpoint_due(), self.report_due()];
        due.into_iter().flatten().min()
    }

    /// When figures that have changed are to be reported. While customers go over to other triggers, no transaction comes in between;
    /// and who gives the task up leaves them to the next.
    fn report_due(&self) -> Option<Timestamp> {
        let every = self
            .settings
            .reports_ms
            .filter(|_| self.phase == Phase::Running)?;
        let is_needed =
            self.core.has_to_report() && self.has_offset() && !self.is_offered_another();
        is_needed.then(|| self.reported.plus(every))
    }

    /// The reports of what was sealed, where they are due.
    fn reports(&mut self, now: Timestamp) -> Vec<Out> {
        if self.report_due().is_none_or(|due| due > self.clock) {
            return Vec::new();
        }
        self.reported = self.clock;
        let reports = self.core.report(now).into_iter();
        let reports = reports.map(|(key, value)| Out {
            sink: Sink::Reports,
            key: Some(key),
            value: Some(value),
            headers: Vec::new(),
        });
        reports.collect()
    }

    fn content_due(&self) -> Option<Timestamp> {
        let open = self.open.as_ref().filter(|_| self.has_offset())?;
        if (self.frugal || self.is_offered_another()) && !open.is_idle() {
            return Some(self.clock);
        }
        let mut topics = 0..self.settings.topics.len();
        let unread = topics.any(|topic| self.inbox.standing(topic) == Standing::Behind);
        open.due(unread)
    }

    /// Whether it is known of any topic where it is read: a transaction without an offset is fenced by nobody.
    pub(super) fn has_offset(&self) -> bool {
        (0..self.settings.topics.len()).any(|topic| self.inbox.offset(topic).is_some())
    }

    /// The transaction under way is durable.
    pub(super) fn committed(&mut self, changelog: i64, journal: Option<i64>) {
        let Some(record) = self.in_flight.take() else {
            return;
        };
        self.core.committed();
        self.durable = Some(record);
        self.restored = changelog;
        self.marks.journal = journal.or(self.marks.journal);
        self.failures = 0;
    }

    /// The latest time that an event may have and still move time. Where time comes from events alone, no event can be later
    /// than the wall's clock either.
    fn latest(&self) -> Timestamp {
        let reading = self.settings.clock.reading(self.clock);
        reading
            .unwrap_or(self.clock)
            .plus(self.settings.future_max_ms)
    }

    fn take(&mut self, topic: usize, step: &mut Step) {
        let held = self.inbox.take(topic);
        let origin = Origin {
            topic: &self.settings.topics[topic].name,
            partition: self.settings.partition,
        };
        step.take(origin.topic, held.record.offset);
        let delays = self.settings.delays;
        let open = self.open.get_or_insert_with(|| Open::new(delays));
        open.took(&held.record, held.arrived, self.clock);
        open.writes_all |= self.settings.unrepeatable.contains(&topic);
        self.marks.taken += 1;
        let (time, event) = match held.content {
            Ok(content) => content,
            Err(rejection) if rejection.reason == Rejection::IGNORED => {
                count(&mut self.tallies, Count::Ignored);
                return;
            }
            Err(rejection) => {
                open.reject(origin, &held.record, &rejection);
                count(&mut self.tallies, Count::Rejected(rejection.reason.into()));
                return;
            }
        };
        seen(
            &mut self.tallies,
            &mut self.watermarks,
            topic,
            (time, held.customer),
            (&held.record, held.future),
        );
        let mut effects = Vec::new();
        self.core.event(event, step.now, &mut effects);
        for effect in effects {
            tally(&mut self.tallies, &effect);
            open.effect(effect, Some((origin, &held.record)), self.clock);
        }
    }

    pub(super) fn move_to(&mut self, watermark: Timestamp) {
        let step = Step::begin(self.read_clock());
        let delays = self.settings.delays;
        self.open
            .get_or_insert_with(|| Open::new(delays))
            .waited(self.clock);
        self.finish(step, watermark);
    }

    /// Ends a step: time moves, as far as one step may, and what that brings is gathered.
    pub(super) fn finish(&mut self, mut step: Step, to: Timestamp) {
        let mut effects = Vec::new();
        let moved = self.core.advance(to, step.now, &mut effects);
        self.moving_to = Some(to).filter(|_| !moved.done);
        self.watermarks.set_task(moved.watermark);
        (step.watermark, step.beyond) = (moved.watermark, moved.beyond);
        self.end(step, effects);
    }

    /// Gathers what a step brought beside its records.
    pub(super) fn end(&mut self, step: Step, effects: Vec<Effect>) {
        let delays = self.settings.delays;
        let open = self.open.get_or_insert_with(|| Open::new(delays));
        for effect in effects {
            tally(&mut self.tallies, &effect);
            open.effect(effect, None, self.clock);
        }
        open.writes_all |= step.beyond > 0 || step.everybody.is_some() || step.adopt.is_some();
        open.end_step(step);
    }

    /// `now`, which never goes back. Where time comes from events alone it is the largest seen before this step, so that what
    /// the step decides is not taken for late by its own last record; and for all steps of one move of time the same.
    pub(super) fn read_clock(&mut self) -> Timestamp {
        let seen = self.watermarks.shown();
        let reading = self
            .settings
            .clock
            .reading(self.clock)
            .or(seen.filter(|_| self.moving_to.is_none()));
        self.now = self.now.max(reading.unwrap_or(Timestamp::MIN));
        self.now
    }

    pub(super) fn ask_ends(&mut self) {
        if let Some(ask) = self.inbox.ask(self.clock) {
            self.order(Action::AskEnds(ask));
        }
    }

    /// Stops the topics that have enough at hand, lets the others go on.
    pub(super) fn steer(&mut self) {
        for (topic, full) in self.inbox.flow() {
            self.order(if full {
                Action::Pause(topic)
            } else {
                Action::Resume(topic)
            });
        }
    }

    pub(super) fn commit(&mut self) {
        let delays = self.settings.delays;
        let open = self.open.take();
        let open = open.unwrap_or_else(|| Open::new(delays));
        let mut record = self.record();
        // Where nothing comes, all are written with the first who must be.
        let keep = match open.since() {
            Some(since) if !open.writes_all && !self.frugal && self.phase == Phase::Running => {
                self.keeps(record.transaction, since)
            }
            _ => Keep::NOBODY,
        };
        let (customers, kept) = self.core.seal(keep);
        record.window = self.kept(kept);
        let reports = self.reports(record.now);
        let changelog = |key, value| Out {
            sink: Sink::Changelog,
            key: Some(key),
            value,
            headers: Vec::new(),
        };
        let mut records = open.records;
        let customers = customers.into_iter();
        records.extend(customers.map(|(customer, packed)| changelog(customer, packed)));
        records.push(changelog(record::KEY.to_vec(), Some(record.pack())));
        records.extend(reports);
        let line = Line::new(
            self.settings.partition,
            record.transaction,
            self.deciding().to_owned(),
            record.now,
            open.steps,
        )
        .keeping(kept)
        .beside(self.between())
        .sharing(self.core.shares());
        records.push(Out {
            sink: Sink::Journal,
            key: None,
            value: Some(line.to_json()),
            headers: Vec::new(),
        });
        let topics = 0..self.settings.topics.len();
        let offsets = topics
            .filter_map(|topic| Some((topic, self.inbox.offset(topic)?)))
            .collect();
        self.order(Action::Transact(Transaction {
            number: record.transaction,
            records,
            offsets,
            causes: open.causes,
        }));
        self.in_flight = Some(record);
    }

    /// What the journal says of the topic between tasks.
    fn between(&self) -> Option<Between> {
        let between = self.settings.between?;
        let topic = self.settings.topics.get(between.topic)?;
        Some(Between {
            topic: topic.name.clone(),
            tasks: between.tasks,
        })
    }

    /// Where the task stands once the open transaction is committed.
    fn record(&self) -> TaskRecord {
        let durable = self.durable.clone().unwrap_or_default();
        let mut topics = durable.topics;
        for (topic, settings) in self.settings.topics.iter().enumerate() {
            let (seen, last) = self.watermarks.topic(topic);
            topics.insert(
                settings.name.clone(),
                TopicRecord {
                    offset: self.inbox.offset(topic),
                    seen,
                    last,
                },
            );
        }
        TaskRecord {
            transaction: durable.transaction + 1,
            revision: self.recorded(),
            now: self.now,
            watermark: self.watermarks.task(),
            topics,
            tallies: self.tallies.clone(),
            unfinished: Unfinished {
                moving_to: self.moving_to,
                sweeps: self.sweeps.clone(),
            },
            window: None,
            beyond: Some(Beyond {
                lead: self.watermarks.lead(),
                ids: {
                    let mut ids = durable.beyond.unwrap_or_default().ids;
                    ids.extend(self.settings.ids.found.clone());
                    ids
                },
            }),
        }
    }
}

/// An event is taken: time may go by it.
pub(super) fn seen(
    tallies: &mut BTreeMap<Count, u64>,
    watermarks: &mut Watermarks,
    topic: usize,
    (time, customer): (Timestamp, u64),
    (record, future): (&RawRecord, bool),
) {
    count(tallies, Count::Events);
    if future {
        count(tallies, Count::Future);
    } else {
        watermarks.see(topic, customer, time, record.appended);
    }
}

/// Counts what the core said, where it is worth a tally.
pub(super) fn tally(tallies: &mut BTreeMap<Count, u64>, effect: &Effect) {
    match effect {
        Effect::Late { .. } => count(tallies, Count::Late),
        Effect::Transferred { .. } => {}
        Effect::Rejected(rejection) => count(tallies, Count::Rejected(rejection.reason.into())),
        Effect::Duplicate => count(tallies, Count::Duplicates),
        Effect::Counted { count, times } => *tallies.entry(count.clone()).or_default() += times,
        Effect::Decided { count: of, .. } => count(tallies, of.clone()),
    }
}

fn count(tallies: &mut BTreeMap<Count, u64>, count: Count) {
    *tallies.entry(count).or_default() += 1;
}
