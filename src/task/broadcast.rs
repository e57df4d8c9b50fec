//! What happened to everybody: one record, shown to every customer of the task.
//!
//! What must stay true: the record's offset is passed in the transaction of its last slice; until then nothing else is taken and time
//! does not move; the task's record says who is next, and whoever takes the task over goes on there, by the same record, which is
//! the next of its topic. The journal has a step for each slice.

use super::Task;
use super::core::{Core, Swept};
use super::journal::{Slice, Step};
use super::record::Sweep;
use super::transaction::{Open, Origin};
use super::work::{seen, tally};

impl<C: Core> Task<C> {
    /// Whether the record of a topic that is next happened to everybody.
    pub(super) fn is_for_everybody(&self, topic: usize) -> bool {
        let content = self.inbox.head(topic).map(|held| &held.content);
        content.is_some_and(|it| matches!(it, Ok((_, event)) if C::is_for_everybody(event)))
    }

    /// The number of the customer from whom on a sweep goes on.
    pub(super) fn swept(&self, of: Sweep) -> u64 {
        self.sweeps.get(&of).copied().unwrap_or(0)
    }

    /// Goes on where a sweep was left; `false` where the record is not at hand yet.
    pub(super) fn go_on_telling(&mut self) -> bool {
        let mut topics = 0..self.settings.topics.len();
        let topic = topics.find(|topic| self.is_for_everybody(*topic));
        topic.is_some_and(|topic| self.tell_everybody(topic))
    }

    /// Shows the next record of a topic to the next slice of customers.
    pub(super) fn tell_everybody(&mut self, topic: usize) -> bool {
        let mut step = Step::begin(self.read_clock());
        let from = self.swept(Sweep::Broadcast);
        let Some(held) = self.inbox.head(topic) else {
            return false;
        };
        let Ok((time, event)) = &held.content else {
            return false;
        };
        let mut effects = Vec::new();
        let Swept { to, done, changed } =
            self.core
                .broadcast(event, (from, None), step.now, &mut effects);
        let origin = Origin {
            topic: &self.settings.topics[topic].name,
            partition: self.settings.partition,
        };
        step.take(origin.topic, held.record.offset);
        step.everybody = Some(Slice { from, to });
        let delays = self.settings.delays;
        let open = self.open.get_or_insert_with(|| Open::new(delays));
        if done {
            open.took(&held.record, held.arrived, self.clock);
            let (time, record) = ((*time, held.customer), (&held.record, held.future));
            seen(&mut self.tallies, &mut self.watermarks, topic, time, record);
        } else {
            open.works_on(&held.record, held.arrived);
            if changed {
                open.changed(self.clock);
            }
        }
        for effect in effects {
            tally(&mut self.tallies, &effect);
            open.effect(effect, Some((origin, &held.record)), self.clock);
        }
        self.sweeps.insert(Sweep::Broadcast, to);
        if done {
            self.sweeps.remove(&Sweep::Broadcast);
            self.inbox.take(topic);
            let watermark = self.reached();
            self.finish(step, watermark);
            self.steer();
        } else {
            step.watermark = self.watermarks.task();
            self.end(step, Vec::new());
        }
        true
    }
}
