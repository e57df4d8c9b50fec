//! Taking again: after a crash, the transactions of the [window](super::window), before anything new.
//!
//! The journal says what was taken, in which order, at which watermark and by which triggers; the records are read again where they
//! were. What must stay true: who was written in a transaction or after it has it behind her, so each customer takes part from her
//! stamp on; what follows was said before, and is dropped; when it is done, everything is as the last transaction left it.
//!
//! Records and lines that are not there any more are never passed over: what they changed would be lost.

use std::collections::VecDeque;

use super::core::Core;
use super::journal::{Line, Run, Step};
use super::others::Others;
use super::window::Mark;
use super::{Action, Phase, Refusal, Report, STEP_RECORDS, Task};
use crate::time::Timestamp;

/// What is still to be taken again.
#[derive(Debug)]
pub(super) struct Again {
    /// How things stood before the line that is next.
    before: Mark,
    /// The last transaction.
    until: u64,
    /// Lines that came, and where they stand.
    lines: VecDeque<(i64, Line)>,
    /// How many steps of the first line are done, and how many runs of the next step.
    done: (usize, usize),
    /// The last record taken of the next run.
    last: Option<i64>,
}

impl Again {
    /// Whether the last transaction is taken.
    fn is_done(&self) -> bool {
        self.before.window.from > self.until
    }
}

impl<C: Core> Task<C> {
    /// Begins, by the triggers of then; they are asked for where this process was given others.
    pub(super) fn begin_again(&mut self) {
        if self.is_offered_another() {
            self.phase = Phase::AskingTriggers;
            self.order(Action::AskTriggers(self.adopted.clone()));
        } else {
            self.take_again(None);
        }
    }

    /// The triggers of a revision that was asked for; none where nobody has them.
    pub fn recall(&mut self, clock: Timestamp, revision: &str, plan: Option<&C::Plan>) {
        self.clock = self.clock.max(clock);
        if self.phase != Phase::AskingTriggers || self.adopted != revision {
            return;
        }
        match plan {
            Some(plan) => self.take_again(Some(plan)),
            None => self.refuse(Refusal::Triggers(revision.to_owned())),
        }
    }

    fn take_again(&mut self, recalled: Option<&C::Plan>) {
        let Some(record) = &self.durable else { return };
        let Some(window) = record.window.clone() else {
            return;
        };
        let until = record.transaction;
        self.core.rollback(window.watermark);
        self.core.assume(recalled.unwrap_or(&self.offered.plan));
        self.core.take_again(window.from);
        let topics = self.settings.topics.iter();
        let offsets: Vec<Option<i64>> = topics
            .map(|topic| window.offsets.get(&topic.name).copied())
            .collect();
        self.others = Others::default();
        self.inbox.seek(&offsets);
        self.phase = Phase::TakingAgain;
        self.order(Action::Report(Report::TakesAgain(window.from, until)));
        self.order(Action::ReadJournal {
            from: window.journal,
            until,
        });
        for (topic, from) in offsets.into_iter().enumerate() {
            self.order(Action::Fetch { topic, from });
        }
        self.again = Some(Again {
            before: Mark {
                window,
                at: self.clock,
                taken: 0,
            },
            until,
            lines: VecDeque::new(),
            done: (0, 0),
            last: None,
        });
    }

    /// Lines of the journal came, with their offsets.
    pub(super) fn journaled(&mut self, lines: Vec<(i64, Vec<u8>)>) {
        for (offset, value) in lines {
            let line = Line::read(&value).map_err(|error| error.to_string());
            if let Err(detail) = line.and_then(|line| self.line_came(offset, line)) {
                self.refuse(Refusal::Journal { offset, detail });
                return;
            }
        }
    }

    /// The journal does not go back so far.
    pub(super) fn journal_gone(&mut self) {
        let Some(again) = &self.again else { return };
        self.refuse(Refusal::Journal {
            offset: again.before.window.journal,
            detail: "there is nothing any more".to_owned(),
        });
    }

    fn line_came(&mut self, offset: i64, line: Line) -> Result<(), String> {
        let Some(again) = &mut self.again else {
            return Ok(());
        };
        let next = again.before.window.from + again.lines.len() as u64;
        if line.task != self.settings.partition || line.transaction < next || next > again.until {
            return Ok(());
        }
        if line.transaction > next {
            return Err(format!("the line of transaction {next} is missing"));
        }
        let mut steps = line.steps.iter();
        if line.revision != self.adopted
            || steps.any(|step| step.adopt.is_some() || step.everybody.is_some())
        {
            return Err("in its transaction every customer was written".to_owned());
        }
        again.lines.push_back((offset, line));
        Ok(())
    }

    /// Takes as much as one step may; `false` when there is nothing to do but wait.
    pub(super) fn step_again(&mut self) -> bool {
        let Some(mut again) = self.again.take() else {
            return false;
        };
        let mut any = false;
        for _ in 0..STEP_RECORDS {
            if again.is_done() {
                self.taken_again();
                return true;
            }
            match self.take_next(&mut again) {
                Ok(true) => any = true,
                Ok(false) => break,
                Err(refusal) => {
                    self.refuse(refusal);
                    return true;
                }
            }
        }
        self.again = Some(again);
        self.steer();
        any
    }

    /// Takes a record, or ends a run, a step or a line; `false` where what comes next is not here yet.
    fn take_next(&mut self, again: &mut Again) -> Result<bool, Refusal> {
        let Some((_, line)) = again.lines.front() else {
            return Ok(false);
        };
        let Some(step) = line.steps.get(again.done.0) else {
            self.end_line(again);
            return Ok(true);
        };
        match step.runs.get(again.done.1) {
            None => {
                self.end_step_again(step);
                again.done = (again.done.0 + 1, 0);
            }
            Some(run) if again.last == Some(run.2) => {
                again.done.1 += 1;
                again.last = None;
            }
            Some(run) => match self.take_of(run, again.last, step.now)? {
                Some(offset) => again.last = Some(offset),
                None => return Ok(false),
            },
        }
        Ok(true)
    }

    /// Takes the record of a run that comes after the one taken last; its offset, where it is here.
    fn take_of(
        &mut self,
        Run(name, first, last): &Run,
        taken: Option<i64>,
        now: Timestamp,
    ) -> Result<Option<i64>, Refusal> {
        let gone = || Refusal::WindowGone {
            topic: name.clone(),
            offset: taken.map_or(*first, |taken| taken + 1),
        };
        let topic = self.settings.topics.iter().position(|it| it.name == *name);
        let topic = topic.ok_or_else(gone)?;
        let head = self.inbox.head(topic).map(|held| held.record.offset);
        let is_there = match (taken, head) {
            (_, None) => self.inbox.offset(topic).is_none_or(|next| next <= *last),
            (None, Some(head)) => head == *first,
            (Some(_), Some(head)) => head <= *last,
        };
        if !is_there {
            return Err(gone());
        }
        if head.is_some() {
            let held = self.inbox.take(topic);
            if let Ok((_, event)) = held.content {
                self.core.event(event, now, &mut Vec::new());
            }
            self.marks.taken += 1;
        }
        Ok(head)
    }

    fn end_step_again(&mut self, step: &Step) {
        let (watermark, beyond) = (step.watermark, step.beyond);
        self.core
            .advance_beyond(watermark, beyond, step.now, &mut Vec::new());
    }

    fn end_line(&mut self, again: &mut Again) {
        let Some((offset, line)) = again.lines.pop_front() else {
            return;
        };
        again.done = (0, 0);
        let mut window = again.before.window.clone();
        window.from += 1;
        window.journal = offset + 1;
        for step in &line.steps {
            window.watermark = step.watermark;
            for Run(topic, _, last) in &step.runs {
                window.offsets.insert(topic.clone(), last + 1);
            }
        }
        self.core.take_again(window.from);
        self.marks.journal = Some(window.journal);
        let next = Mark {
            window,
            at: self.clock,
            taken: self.marks.taken,
        };
        self.marks.push(std::mem::replace(&mut again.before, next));
    }

    /// Everything is as the last transaction left it.
    fn taken_again(&mut self) {
        let Some(record) = &self.durable else { return };
        self.core.begin(record.transaction + 1);
        for (topic, settings) in self.settings.topics.iter().enumerate() {
            // Past what no reader sees.
            if let Some(offset) = record.offset(&settings.name) {
                self.inbox.passed(topic, offset);
            }
        }
        self.running();
    }
}
