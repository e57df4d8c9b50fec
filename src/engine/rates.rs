//! Send rates: when who waits for a turn by a channel has it.
//!
//! At an instant, when everybody was looked at who was due, those who [wait](super::customers::Turn) are let go one after the other, as
//! many as the rate allows by then: each is asked everything again, and what is sent, or withheld at the very end, uses it up. So the
//! order is that of the queue, whatever the order in which customers are looked at. Time moves from instant to instant therefore, where a
//! plan has a rate.
//!
//! When a task has sent belongs to the transaction that sends, and so does whoever had a turn in it: she is written in it. So what is
//! taken again gives nobody a turn.
//!
//! Several tasks share a rate by [`Rate::part`], without a word between them.

use std::collections::{BTreeMap, VecDeque};

use super::customers::Turn;
use super::erasures::Record;
use super::time::Until;
use super::undo::Undo;
use super::{Effect, Engine};
use crate::event::Text;
use crate::profile::journeys::{self, Stays};
use crate::stored::StoredError;
use crate::time::Timestamp;
use crate::treatment::Outcome;
use crate::trigger::definition::key;
use crate::trigger::plan::Mode;
use crate::trigger::policy::Rate;

/// Those who have a turn in one millisecond: with who is due in it a piece of time. The others have theirs in the next.
const TURNS: usize = 1_000;

/// What the changelog keys of these begin with; the channel follows. No customer id has control characters.
pub const KEY: &[u8] = b"\0sent\0";
/// Version of the value.
const VERSION: u8 = 1;

/// When was sent by each channel that has a rate, as far back as the rate asks.
#[derive(Debug)]
pub(super) struct Rates {
    sent: BTreeMap<Text, VecDeque<Timestamp>>,
    undo: Undo<Text, VecDeque<Timestamp>>,
    /// The engine's own task, and how many there are.
    shared: (u32, u32),
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            sent: BTreeMap::new(),
            undo: Undo::default(),
            shared: (0, 1),
        }
    }
}

impl Rates {
    /// From when on a rate allows one more.
    fn free_at(&self, channel: &Text, rate: Rate) -> Timestamp {
        let count = rate.count as usize;
        let sent = self.sent.get(channel);
        let first = sent.and_then(|sent| sent.get(sent.len().checked_sub(count)?));
        first.map_or(Timestamp::MIN, |first| first.plus(rate.window_ms))
    }

    /// One was sent at an instant, which is never before the last.
    fn note(&mut self, channel: &Text, rate: Rate, at: Timestamp) {
        let before = || self.sent.get(channel).cloned();
        self.undo.note(channel.clone(), before);
        let sent = self.sent.entry(channel.clone()).or_default();
        sent.push_back(at);
        let spare = sent.len().saturating_sub(rate.count as usize);
        sent.drain(..spare);
    }

    // Transactions.

    /// The changelog records of what changed since the last seal.
    pub fn seal(&mut self) -> Vec<Record> {
        let sent = &self.sent;
        let record = |channel: &Text| {
            let sent = sent.get(channel).filter(|sent| !sent.is_empty());
            ([KEY, channel.as_bytes()].concat(), sent.map(written))
        };
        self.undo.seal().map(record).collect()
    }

    pub fn committed(&mut self) {
        self.undo.committed();
    }

    pub fn rollback(&mut self) {
        self.undo.rollback(&mut self.sent);
    }

    /// Takes a changelog record in; `channel` without [`KEY`].
    pub fn restore(&mut self, channel: &[u8], value: Option<&[u8]>) -> Result<(), StoredError> {
        let channel = std::str::from_utf8(channel);
        let channel = channel.map_err(|error| StoredError::Damaged(error.to_string()))?;
        let sent = value.map(read).transpose()?.unwrap_or_default();
        self.sent.insert(channel.into(), sent);
        Ok(())
    }
}

/// The first time, and how much later each of the others is.
fn written(sent: &VecDeque<Timestamp>) -> Vec<u8> {
    let mut last = 0;
    let steps = sent
        .iter()
        .map(|at| at.0 - std::mem::replace(&mut last, at.0));
    let steps: Vec<i64> = steps.collect();
    postcard::to_extend(&steps, vec![VERSION]).unwrap_or_default()
}

fn read(value: &[u8]) -> Result<VecDeque<Timestamp>, StoredError> {
    match value {
        [VERSION, rest @ ..] => {
            let steps: Vec<i64> = postcard::from_bytes(rest)?;
            let times = steps.into_iter().scan(0i64, |last, step| {
                *last = last.saturating_add(step);
                Some(Timestamp(*last))
            });
            Ok(times.collect())
        }
        [found, ..] => Err(StoredError::newer(
            "when was sent by a channel",
            *found,
            VERSION,
        )),
        [] => Err(StoredError::Damaged("times without a version".to_owned())),
    }
}

impl Engine {
    /// The same, as one of several tasks that share what is over everybody: its number, and how many there are.
    #[must_use]
    pub fn sharing(mut self, own: i32, tasks: i32) -> Self {
        let number = |it: i32| u32::try_from(it).unwrap_or_default();
        self.rates.shared = (number(own), number(tasks).max(1));
        self
    }

    /// How many tasks share what is over everybody, where that decides anything here.
    #[must_use]
    pub fn shares(&self) -> Option<i32> {
        let (_, tasks) = self.rates.shared;
        let shares = tasks > 1 && !self.plan.policy.send_rates.is_empty();
        i32::try_from(tasks).ok().filter(|_| shares)
    }

    /// Moments that wait for a turn, by channel.
    pub fn queues(&self) -> impl Iterator<Item = (&Text, usize)> {
        self.customers.queue_lengths()
    }

    /// Whether what is decided of one may depend on others: then it is by what was at that instant, and of what is taken again nothing is.
    pub(super) fn goes_by_instants(&self) -> bool {
        self.again.is_none() && (self.plan.joins_customers() || self.customers.has_turns())
    }

    /// The part of a channel's rate that is this task's.
    fn rate_of(&self, channel: &str) -> Option<Rate> {
        let (own, tasks) = self.rates.shared;
        let rate = self.plan.policy.send_rates.of(channel)?;
        Some(rate.part(own, tasks))
    }

    /// The next instant at which somebody has a turn, later than the watermark; by the clock `now`, which may be beyond it.
    pub(super) fn next_turn_at(&self, now: Timestamp) -> Option<Timestamp> {
        let next = self.watermark.plus(1);
        let turns = self.customers.queues().map(|(channel, first)| {
            let rate = self.rate_of(channel);
            let free_at = rate.map(|rate| self.rates.free_at(channel, rate));
            let free_at = free_at.filter(|free_at| *free_at > now);
            next.max(first).max(free_at.unwrap_or(next))
        });
        turns.min()
    }

    /// The time by which somebody has a turn, whatever the clock says.
    pub(super) fn turn_due(&self) -> Option<Timestamp> {
        self.next_turn_at(Timestamp::MIN)
    }

    /// Lets those go who have a turn at an instant, by the clock `now`; how many they were.
    pub(super) fn give_turns(
        &mut self,
        instant: Timestamp,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) -> usize {
        let mut turns = 0;
        while turns < TURNS
            && let Some(turn) = self.next_turn(instant, now)
        {
            self.give_turn(&turn, instant, now, effects);
            turns += 1;
        }
        turns
    }

    /// Who has a turn at an instant, by the clock `now`.
    fn next_turn(&self, instant: Timestamp, now: Timestamp) -> Option<Turn> {
        // The most important first.
        let rank = |trigger| {
            let trigger = self.plan.by_key(trigger);
            trigger.map_or(i32::MIN, |it| -it.policy.priority)
        };
        let turns = self.customers.queues().filter_map(|(channel, _)| {
            let rate = self.rate_of(channel);
            let is_free = rate.is_none_or(|it| self.rates.free_at(channel, it) <= instant.max(now));
            let first = self.customers.first_in_queue(channel, instant, rank);
            first.filter(|_| is_free)
        });
        turns
            .min_by_key(|turn| (rank(turn.trigger), *turn))
            .cloned()
    }

    /// It is the turn of somebody: everything is asked again.
    fn give_turn(
        &mut self,
        turn: &Turn,
        instant: Timestamp,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        let Some(slot) = self.customers.find(&turn.customer) else {
            return;
        };
        let first = effects.len();
        let plan = std::sync::Arc::clone(&self.plan);
        let working = self.customers.look_at(slot, &plan);
        working.customer.has_turn(turn, instant);
        self.look_and(
            slot,
            (Until::reached(instant), Some(&turn.channel)),
            now,
            effects,
            |_, _| {},
        );
        self.customers.flush.insert(slot);
        for effect in &effects[first..] {
            if let Some(at) = self.sent_at(effect, &turn.channel)
                && let Some(rate) = self.rate_of(&turn.channel)
            {
                self.rates.note(&turn.channel, rate, at);
            }
        }
    }

    /// When something was sent by a channel, or withheld that would have been. What a trigger in shadow would have sent takes nobody's
    /// place.
    fn sent_at(&self, effect: &Effect, channel: &Text) -> Option<Timestamp> {
        let Effect::Decided(decision) = effect else {
            return None;
        };
        let command = match &decision.outcome {
            Outcome::Treat(command) => Some(command),
            Outcome::Refuse(_, command) => command.as_ref(),
            Outcome::Withdraw(_) => None,
        };
        let trigger = self
            .plan
            .by_key(key(&decision.trigger, decision.generation));
        let in_shadow = trigger.is_some_and(|it| it.mode == Mode::Shadow);
        command
            .filter(|it| it.channel == *channel && !in_shadow)
            .map(|_| decision.decided_at)
    }
}

impl super::Customer {
    /// What waits for this turn is asked again at an instant.
    fn has_turn(&mut self, turn: &Turn, at: Timestamp) {
        let places = self.profile.settled.journeys.open();
        let own = places.iter().find(|place| {
            let step = place.step.as_ref();
            let is_it = |step: &Text| {
                journeys::occurrence(&place.began.occurrence, step) == turn.occurrence
            };
            place.key == turn.trigger && step.is_some_and(is_it)
        });
        let own = own.map(|place| place.began.occurrence.clone());
        let place = own.and_then(|began| {
            let journeys = &mut self.profile.settled.journeys;
            journeys.of_mut(turn.trigger, &began)
        });
        match place.and_then(|place| place.stays.as_mut()) {
            Some(Stays::Held(hold)) => hold.until = at,
            Some(Stays::Until(_)) | None => self.waiting.turns(turn.trigger, &turn.occurrence, at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate {
        count: 2,
        window_ms: 100,
    };

    #[test]
    fn one_more_is_allowed_when_the_first_of_so_many_is_out_of_the_window() {
        let mut rates = Rates::default();
        let print = Text::from("print");
        for (at, free_at) in [(5, Timestamp::MIN.0), (7, 105), (105, 107), (107, 205)] {
            rates.note(&print, RATE, Timestamp(at));
            assert_eq!(rates.free_at(&print, RATE), Timestamp(free_at), "{at}");
        }
        // Where fewer are allowed since, the last of them count.
        let fewer = Rate { count: 1, ..RATE };
        assert_eq!(rates.free_at(&print, fewer), Timestamp(207));
        assert_eq!(rates.free_at(&"email".into(), RATE), Timestamp::MIN);
    }

    #[test]
    fn they_belong_to_their_transaction() {
        let mut rates = Rates::default();
        let print = Text::from("print");
        rates.note(&print, RATE, Timestamp(5));
        rates.note(&print, RATE, Timestamp(5));
        let first = rates.seal();
        rates.committed();
        assert!(rates.seal().is_empty(), "nothing changed");
        rates.note(&print, RATE, Timestamp(200));
        rates.seal();
        rates.note(&print, RATE, Timestamp(300));
        rates.note(&"email".into(), RATE, Timestamp(300));
        rates.rollback();
        let mut restored = Rates::default();
        for (key, value) in &first {
            let channel = key.strip_prefix(KEY).expect("its key");
            restored
                .restore(channel, value.as_deref())
                .expect("just written");
        }
        for rates in [&rates, &restored] {
            assert_eq!(rates.free_at(&print, RATE), Timestamp(105));
            assert_eq!(rates.free_at(&"email".into(), RATE), Timestamp::MIN);
        }
        assert!(restored.restore(b"print", Some(&[9])).is_err());
        assert!(restored.restore(b"print", Some(&[])).is_err());
        restored.restore(b"print", None).expect("a tombstone");
        assert_eq!(restored.free_at(&print, RATE), Timestamp::MIN);
    }
}
