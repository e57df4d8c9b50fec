//! Customers that do what others do, but for a deliberate bug ([`super::bugs`]).

use super::bugs::Bug;
use super::random::mix;
use super::subject::{States, Subject};
use moments::task::core::{Core, Effect, Keep, Moved, RawRecord, Rejection, Sealed, Swept};
use moments::time::Timestamp;
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

/// Customers within.
#[derive(Debug)]
pub struct Careless<S> {
    within: S,
    /// Whom time changed since the last seal.
    by_time: BTreeSet<Vec<u8>>,
    /// How often the clock was read.
    readings: Cell<i64>,
}

impl<S: Subject> Careless<S> {
    /// What time alone brought.
    fn moved(&mut self, effects: &[Effect]) {
        let whom = |effect: &Effect| match effect {
            Effect::Decided { customer, .. } => Some(customer.clone()),
            _ => None,
        };
        self.by_time.extend(effects.iter().filter_map(whom));
    }

    /// A clock's own time, which no step has.
    fn clock(&self, now: Timestamp) -> Timestamp {
        if !Bug::NowReadAgain.is_on() {
            return now;
        }
        self.readings.set(self.readings.get() + 1);
        now.plus(self.readings.get() % 2)
    }
}

/// Ids that depend on when they are made.
fn identify(effects: &mut [Effect], now: Timestamp) {
    if !Bug::IdFromClock.is_on() {
        return;
    }
    for effect in effects {
        if let Effect::Decided {
            treatment: Some(treatment),
            ..
        } = effect
        {
            let mut json: serde_json::Value =
                serde_json::from_slice(&treatment.value).expect("a command");
            json["id"] = format!("{:x}", mix(now.0.unsigned_abs())).into();
            treatment.value = json.to_string().into_bytes();
        }
    }
}

impl<S: Subject> Core for Careless<S> {
    type Event = S::Event;
    type Plan = S::Plan;

    fn decode(&self, topic: usize, record: &RawRecord) -> Result<S::Event, Rejection> {
        self.within.decode(topic, record)
    }

    fn time(event: &S::Event) -> Timestamp {
        S::time(event)
    }

    fn customer(event: &Self::Event) -> u64 {
        S::customer(event)
    }

    fn restore(&mut self, customer: &[u8], packed: Option<&[u8]>) -> Result<(), String> {
        if Bug::TombstonesIgnored.is_on() && packed.is_none() {
            return Ok(());
        }
        self.within.restore(customer, packed)
    }

    fn event(&mut self, event: S::Event, now: Timestamp, effects: &mut Vec<Effect>) {
        let before = effects.len();
        self.within.event(event, self.clock(now), effects);
        identify(&mut effects[before..], now);
    }

    fn is_for_everybody(event: &S::Event) -> bool {
        S::is_for_everybody(event)
    }

    fn broadcast(
        &mut self,
        event: &S::Event,
        slice: (u64, Option<u64>),
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) -> Swept {
        self.within.broadcast(event, slice, now, effects)
    }

    fn advance(&mut self, to: Timestamp, now: Timestamp, effects: &mut Vec<Effect>) -> Moved {
        let before = effects.len();
        let moved = self.within.advance(to, now, effects);
        self.moved(&effects[before..]);
        identify(&mut effects[before..], now);
        moved
    }

    fn advance_beyond(
        &mut self,
        watermark: Timestamp,
        beyond: u64,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        let before = effects.len();
        self.within.advance_beyond(watermark, beyond, now, effects);
        self.moved(&effects[before..]);
        identify(&mut effects[before..], now);
    }

    fn held(&self) -> Option<Timestamp> {
        self.within.held().filter(|_| !Bug::ClaimsNotHeld.is_on())
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        self.within.next_deadline()
    }

    fn adopt(
        &mut self,
        plan: &S::Plan,
        from: u64,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) -> Swept {
        self.within.adopt(plan, from, now, effects)
    }

    fn assume(&mut self, plan: &S::Plan) {
        self.within.assume(plan);
    }

    fn begin(&mut self, transaction: u64) {
        self.within.begin(transaction);
    }

    fn take_again(&mut self, transaction: u64) {
        if Bug::StampIgnored.is_on() {
            return self.within.begin(transaction);
        }
        let late = u64::from(Bug::StampedLate.is_on());
        self.within.take_again(transaction - late);
    }

    fn seal(&mut self, keep: Keep) -> Sealed {
        let by_time = std::mem::take(&mut self.by_time);
        let keep = match Bug::AlwaysKept.is_on() {
            true => Keep::from(0),
            false => keep,
        };
        let mut sealed = self.within.seal(keep);
        if Bug::TimeNotWritten.is_on() {
            sealed.0.retain(|(customer, _)| !by_time.contains(customer));
        }
        if Bug::WentNotWritten.is_on() {
            sealed.0.retain(|(key, _)| !key.starts_with(b"\0moved"));
        }
        if Bug::SealedIsCommitted.is_on() {
            self.within.committed();
        }
        sealed
    }

    fn committed(&mut self) {
        if !Bug::SealedIsCommitted.is_on() {
            self.within.committed();
        }
    }

    fn rollback(&mut self, watermark: Timestamp) {
        self.by_time.clear();
        if Bug::UndoForgotten.is_on() {
            self.within.committed();
            self.within.seal(Keep::NOBODY);
            self.within.committed();
        }
        self.within.rollback(watermark);
    }
}

impl<S: Subject> Subject for Careless<S> {
    fn fresh(topics: &[&str], partition: usize) -> Self {
        Self {
            within: S::fresh(topics, partition),
            by_time: BTreeSet::new(),
            readings: Cell::new(0),
        }
    }

    fn plan(revision: &str, varies: bool) -> S::Plan {
        S::plan(revision, varies)
    }

    fn value(kind: char, customer: &str, time: i64) -> Vec<u8> {
        S::value(kind, customer, time)
    }

    fn moment(decision: &[u8]) -> String {
        S::moment(decision)
    }

    fn erasure(value: &[u8]) -> Option<(String, i64)> {
        S::erasure(value)
    }

    fn moment_at(decision: &[u8]) -> (String, i64) {
        S::moment_at(decision)
    }

    fn revision(decision: &[u8]) -> String {
        S::revision(decision)
    }

    fn committed_states(&self) -> BTreeMap<String, String> {
        self.within.committed_states()
    }

    fn replayed(states: &States) -> BTreeMap<String, String> {
        S::replayed(states)
    }

    fn settled(states: &States) -> BTreeMap<String, String> {
        S::settled(states)
    }
}
