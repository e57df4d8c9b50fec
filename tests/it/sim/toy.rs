//! Customers small enough to be checked by hand, in place of the engine.
//!
//! A value is `KIND TIME`. `a` opens an absence: no `b` within [`WITHIN_MS`] of the last `a` is a moment. `c` is a moment at
//! once. `x` erases the customer. `e` happens to everybody, and is a moment of each who is known by then. Every event is mixed into a chain in event-time order, so a state tells
//! whether each event counted once and in its place. Time moves by two customers at a time.

use super::bugs::Bug;
use super::random::mix;
use super::subject::{States, Subject};
use moments::task::core::{
    Core, Count, Effect, Keep, Moved, RawRecord, Rejection, Sealed, Swept, Treatment,
};
use moments::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// So many customers in a slice, and in a piece of time.
const SLICE: usize = 2;
/// A page that cannot be read.
pub const DAMAGED: &[u8] = b"damaged";
/// How long an `a` waits for a `b`.
pub const WITHIN_MS: i64 = 3_000;

/// Time, topic, offset: the order in which a customer's events count.
type Order = (i64, usize, i64);

/// One event.
#[derive(Clone, Debug)]
pub struct Happened {
    customer: Vec<u8>,
    kind: u8,
    order: Order,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Customer {
    chain: u64,
    settled: u32,
    /// The revision she was last decided by, or taken over to.
    revision: String,
    /// The `a` that waits for a `b`.
    anchor: Option<i64>,
    /// Events beyond the watermark, and what they are.
    tail: BTreeMap<Order, u8>,
}

/// All customers of a task.
#[derive(Debug)]
pub struct Toy {
    watermark: Timestamp,
    revision: String,
    committed: BTreeMap<Vec<u8>, Vec<u8>>,
    sealed: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    /// Not written yet, and the transaction that changed each first.
    touched: BTreeMap<Vec<u8>, (u64, Customer)>,
    /// The open one.
    transaction: u64,
    /// It is taken again.
    again: bool,
    /// Whose timers are not set, by [`Bug::TimerNotRebuilt`].
    without_timer: BTreeSet<Vec<u8>>,
}

impl Toy {
    fn touch(&mut self, name: &[u8], customer: Customer) {
        let known = self.touched.get(name).map(|(since, _)| *since);
        let since = known.unwrap_or(self.transaction);
        self.touched.insert(name.to_vec(), (since, customer));
    }

    /// Whether she has what is taken again behind her.
    fn has_behind(&self, name: &[u8]) -> bool {
        let written = self.committed.get(name).filter(|_| self.again);
        !self.touched.contains_key(name)
            && written.is_some_and(|packed| stamp(packed) >= self.transaction)
    }

    fn load(&self, customer: &[u8]) -> Customer {
        if let Some((_, touched)) = self.touched.get(customer) {
            return touched.clone();
        }
        let packed = match self.sealed.get(customer) {
            Some(sealed) => sealed.as_ref(),
            None => self.committed.get(customer),
        };
        let new = Customer {
            revision: self.revision.clone(),
            ..Customer::default()
        };
        packed.map_or(new, |packed| unpacked(packed))
    }

    /// To be decided by one set of triggers at a time. Who was fenced while it restored may have read a part of a transaction, and
    /// go on until it hears of it; what it does then is never committed, so neither is this decision, which no history has.
    fn check_revision(
        &self,
        name: &[u8],
        customer: &Customer,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        if customer.revision != self.revision {
            effects.push(decided(name, "mixed", 0, now, &self.revision));
        }
    }

    /// When the first deadline of each customer who has one by then comes true, and whose it is.
    fn due(&self, to: i64) -> Vec<(i64, Vec<u8>)> {
        let first = |name: Vec<u8>| {
            if self.has_behind(&name) {
                return None;
            }
            let fired = self.load(&name).settle(to);
            Some((fired.first()? + WITHIN_MS, name))
        };
        let mut due: Vec<_> = self.with_timers().into_iter().filter_map(first).collect();
        due.sort_unstable();
        due
    }

    fn reach(&mut self, watermark: i64, now: Timestamp, effects: &mut Vec<Effect>) {
        self.watermark = Timestamp(watermark);
        for name in self.with_timers() {
            self.look(&name, watermark, now, effects);
        }
    }

    fn look(&mut self, name: &[u8], watermark: i64, now: Timestamp, effects: &mut Vec<Effect>) {
        if self.has_behind(name) {
            return;
        }
        let mut customer = self.load(name);
        let fired = customer.settle(watermark);
        for anchor in &fired {
            effects.push(decided(name, "absent", *anchor, now, &self.revision));
        }
        if !fired.is_empty() {
            self.check_revision(name, &customer, now, effects);
            self.touch(name, customer);
        }
    }

    fn with_timers(&self) -> Vec<Vec<u8>> {
        let mut all = self.customers();
        all.retain(|name| !self.without_timer.contains(name));
        all
    }

    fn customers(&self) -> Vec<Vec<u8>> {
        let mut all: Vec<Vec<u8>> = self
            .committed
            .keys()
            .chain(self.sealed.keys())
            .chain(self.touched.keys())
            .cloned()
            .collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}

impl Customer {
    fn is_blank(&self) -> bool {
        let blank = Self {
            revision: self.revision.clone(),
            ..Self::default()
        };
        *self == blank
    }

    fn deadline(&self) -> Option<i64> {
        self.anchor.map(|anchor| anchor + WITHIN_MS)
    }

    /// No deadline is earlier.
    fn look(&self) -> Option<i64> {
        let opening = self.tail.iter().find(|(_, kind)| **kind == b'a');
        let opening = opening.map(|(order, _)| order.0 + WITHIN_MS);
        self.deadline().into_iter().chain(opening).min()
    }

    fn fold(&mut self, order: Order, kind: u8) {
        if kind == b'x' {
            let tail = std::mem::take(&mut self.tail);
            let revision = std::mem::take(&mut self.revision);
            *self = Self {
                tail,
                revision,
                ..Self::default()
            };
            return;
        }
        let position = u64::try_from(order.0).expect("positive") << 20
            | u64::try_from(order.1).expect("small") << 16
            | u64::try_from(order.2).expect("positive");
        self.chain = mix(self.chain ^ position).wrapping_add(u64::from(kind));
        self.settled += 1;
        match kind {
            b'a' => self.anchor = Some(order.0),
            b'b' => self.anchor = None,
            _ => {}
        }
    }

    /// Folds events and deadlines up to a watermark in order, an event before a deadline of the same time.
    fn settle(&mut self, watermark: i64) -> Vec<i64> {
        let mut fired = Vec::new();
        loop {
            let event = self.tail.first_key_value().map(|(order, _)| order.0);
            let (event, deadline) = (
                event.unwrap_or(i64::MAX),
                self.deadline().unwrap_or(i64::MAX),
            );
            if event.min(deadline) > watermark || event.min(deadline) == i64::MAX {
                return fired;
            }
            if event <= deadline {
                let (order, kind) = self.tail.pop_first().expect("just seen");
                self.fold(order, kind);
            } else {
                fired.extend(self.anchor.take());
            }
        }
    }
}

/// Two of three moments are treated, by their time.
fn decided(customer: &[u8], moment: &str, time: i64, now: Timestamp, revision: &str) -> Effect {
    let name = String::from_utf8_lossy(customer);
    let what = format!("{name} {moment} {time}");
    let treated = time % 3 != 2;
    let treatment = Treatment {
        channel: "email".to_owned(),
        value: format!("{what} do now={}", now.0).into_bytes(),
        headers: Vec::new(),
    };
    Effect::Decided {
        customer: customer.to_vec(),
        count: Count::Treated(moment.to_string().into()),
        decision: format!("{what} treated={treated} now={} by={revision}", now.0).into_bytes(),
        headers: Vec::new(),
        treatment: treated.then_some(treatment),
    }
}

impl Core for Toy {
    type Event = Happened;
    type Plan = String;

    fn decode(&self, topic: usize, record: &RawRecord) -> Result<Happened, Rejection> {
        let bad = || Rejection {
            stage: "decode",
            reason: "toy",
            detail: "not KIND TIME".to_owned(),
        };
        let text =
            std::str::from_utf8(record.value.as_deref().ok_or_else(bad)?).map_err(|_| bad())?;
        let (kind, time) = text.split_once(' ').ok_or_else(bad)?;
        let time = time.parse().map_err(|_| bad())?;
        let customer = match kind {
            "e" => Vec::new(),
            _ => record.key.clone().ok_or_else(bad)?,
        };
        Ok(Happened {
            customer,
            kind: kind.as_bytes()[0],
            order: (time, topic, record.offset),
        })
    }

    fn time(event: &Happened) -> Timestamp {
        Timestamp(event.order.0)
    }

    fn customer(event: &Happened) -> u64 {
        let bytes = event.customer.iter();
        bytes.fold(0, |hash, byte| mix(hash ^ u64::from(*byte)))
    }

    fn restore(&mut self, customer: &[u8], packed: Option<&[u8]>) -> Result<(), String> {
        if Bug::TimerNotRebuilt.is_on() {
            self.without_timer.insert(customer.to_vec());
        }
        match packed {
            Some(DAMAGED) => return Err("it is damaged".to_owned()),
            Some(packed) => drop(self.committed.insert(customer.to_vec(), packed.to_vec())),
            None => drop(self.committed.remove(customer)),
        }
        Ok(())
    }

    fn event(&mut self, event: Happened, now: Timestamp, effects: &mut Vec<Effect>) {
        if self.has_behind(&event.customer) {
            return;
        }
        self.without_timer.remove(&event.customer);
        let mut customer = self.load(&event.customer);
        self.check_revision(&event.customer, &customer, now, effects);
        let (time, topic, offset) = event.order;
        let watermark = self.watermark.0;
        let fired = customer.settle(watermark);
        assert!(fired.is_empty(), "what was due came true when time moved");
        if time <= watermark {
            effects.push(Effect::Late {
                behind_ms: watermark - time,
            });
            customer.fold(event.order, event.kind);
        } else {
            let before = customer.tail.insert(event.order, event.kind);
            assert!(before.is_none(), "an event counts once");
        }
        if event.kind == b'c' {
            effects.push(decided(
                &event.customer,
                &format!("seen {topic}/{offset}"),
                time,
                now,
                &self.revision,
            ));
        }
        self.touch(&event.customer, customer);
    }

    fn is_for_everybody(event: &Happened) -> bool {
        event.kind == b'e'
    }

    fn broadcast(
        &mut self,
        event: &Happened,
        (from, to): (u64, Option<u64>),
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) -> Swept {
        let mut names = self.customers();
        names.retain(|name| !self.load(name).is_blank());
        let from = usize::try_from(from).expect("small");
        let most = to.map_or(from + SLICE, |to| usize::try_from(to).expect("small"));
        let to = most.min(names.len());
        let (time, _, offset) = event.order;
        for name in &names[from..to] {
            let customer = self.load(name);
            self.check_revision(name, &customer, now, effects);
            if customer.settled > 0 || customer.tail.range(..event.order).next().is_some() {
                let moment = format!("told {offset}");
                effects.push(decided(name, &moment, time, now, &self.revision));
            }
        }
        Swept {
            to: to as u64,
            done: to == names.len(),
            changed: true,
        }
    }

    fn advance(&mut self, to: Timestamp, now: Timestamp, effects: &mut Vec<Effect>) -> Moved {
        assert!(to >= self.watermark, "time never goes back");
        let due = self.due(to.0);
        let mut beyond = 0;
        let reached = match due.get(SLICE) {
            None => to.0,
            Some((instant, _)) if due[0].0 < *instant || self.watermark.0 + 1 < *instant => {
                instant - 1
            }
            Some(_) => {
                beyond = SLICE as u64;
                self.watermark.0
            }
        };
        if beyond == 0 {
            self.reach(reached, now, effects);
        } else {
            self.advance_beyond(self.watermark, beyond, now, effects);
        }
        Moved {
            watermark: self.watermark,
            beyond,
            done: self.watermark >= to,
        }
    }

    fn advance_beyond(
        &mut self,
        watermark: Timestamp,
        beyond: u64,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        self.reach(watermark.0.max(self.watermark.0), now, effects);
        let instant = self.watermark.0 + 1;
        let beyond = usize::try_from(beyond).expect("small");
        for (_, name) in self.due(instant).into_iter().take(beyond) {
            self.look(&name, instant, now, effects);
        }
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        let look = |name: &Vec<u8>| {
            let mut customer = self.load(name);
            customer.settle(self.watermark.0);
            customer.look()
        };
        self.with_timers()
            .iter()
            .filter_map(look)
            .min()
            .map(Timestamp)
    }

    fn adopt(&mut self, plan: &String, from: u64, _: Timestamp, _: &mut Vec<Effect>) -> Swept {
        assert!(self.touched.is_empty() && self.sealed.is_empty());
        self.revision.clone_from(plan);
        let from = usize::try_from(from).expect("small");
        let names: Vec<Vec<u8>> = self
            .committed
            .keys()
            .skip(from)
            .take(SLICE)
            .cloned()
            .collect();
        let (to, done) = (from + names.len(), from + SLICE >= self.committed.len());
        for name in names {
            let mut customer = self.load(&name);
            if customer.revision != *plan {
                customer.revision.clone_from(plan);
                self.touch(&name, customer);
            }
        }
        Swept {
            to: to as u64,
            done,
            changed: !self.touched.is_empty(),
        }
    }

    fn assume(&mut self, plan: &String) {
        self.revision.clone_from(plan);
    }

    fn begin(&mut self, transaction: u64) {
        (self.transaction, self.again) = (transaction, false);
    }

    fn take_again(&mut self, transaction: u64) {
        (self.transaction, self.again) = (transaction, true);
    }

    fn seal(&mut self, keep: Keep) -> Sealed {
        assert!(self.sealed.is_empty(), "one sealed transaction at a time");
        let stamp = self.transaction;
        let pack = |customer: Customer| {
            let packed = (!customer.is_blank()).then(|| postcard::to_stdvec(&(stamp, customer)));
            packed.transpose().expect("plain data into memory")
        };
        let mut since: Vec<u64> = self.touched.values().map(|(since, _)| *since).collect();
        since.sort_unstable();
        let spare = since.len().saturating_sub(keep.most);
        let last = spare.checked_sub(1).map(|last| since[last] + 1);
        let from = keep.from.max(last.unwrap_or(0));
        let touched = std::mem::take(&mut self.touched);
        let (kept, written) = touched
            .into_iter()
            .partition(|(_, (since, _))| *since >= from);
        self.touched = kept;
        self.sealed = BTreeMap::into_iter(written)
            .map(|(name, (_, customer))| (name, pack(customer)))
            .collect();
        self.transaction += 1;
        let kept = self.touched.values().map(|(since, _)| *since).min();
        (self.sealed.clone().into_iter().collect(), kept)
    }

    fn committed(&mut self) {
        for (name, packed) in std::mem::take(&mut self.sealed) {
            match packed {
                Some(packed) => drop(self.committed.insert(name, packed)),
                None => drop(self.committed.remove(&name)),
            }
        }
    }

    fn rollback(&mut self, watermark: Timestamp) {
        self.sealed.clear();
        self.touched.clear();
        self.watermark = watermark;
    }
}

impl Subject for Toy {
    fn fresh(_: &[&str], _: usize) -> Self {
        Self {
            watermark: Timestamp::MIN,
            revision: "0".to_owned(),
            committed: BTreeMap::new(),
            sealed: BTreeMap::new(),
            touched: BTreeMap::new(),
            transaction: 0,
            again: false,
            without_timer: BTreeSet::new(),
        }
    }

    fn plan(revision: &str, _: bool) -> String {
        revision.to_owned()
    }

    fn revision(decision: &[u8]) -> String {
        let text = std::str::from_utf8(decision).expect("text");
        text.split(" by=").nth(1).expect("a revision").to_owned()
    }

    fn value(kind: char, _: &str, time: i64) -> Vec<u8> {
        format!("{kind} {time}").into_bytes()
    }

    fn moment(decision: &[u8]) -> String {
        let text = std::str::from_utf8(decision).expect("text");
        text.split(" now=").next().expect("a word").to_owned()
    }

    fn committed_states(&self) -> BTreeMap<String, String> {
        words(
            self.committed
                .iter()
                .map(|(name, packed)| (name, unpacked(packed))),
        )
    }

    fn replayed(states: &States) -> BTreeMap<String, String> {
        words(states.iter().map(|(name, packed)| (name, unpacked(packed))))
    }

    fn settled(states: &States) -> BTreeMap<String, String> {
        let settled = states.iter().map(|(name, packed)| {
            let mut customer = unpacked(packed);
            customer.settle(i64::MAX);
            customer.revision.clear();
            (name, customer)
        });
        words(settled.filter(|(_, customer)| !customer.is_blank()))
    }
}

fn unpacked(packed: &[u8]) -> Customer {
    let (_, customer): (u64, _) = postcard::from_bytes(packed).expect("packed here");
    customer
}

/// The transaction up to which she is true.
fn stamp(packed: &[u8]) -> u64 {
    let (stamp, _) = postcard::take_from_bytes(packed).expect("packed here");
    stamp
}

fn words<'a>(customers: impl Iterator<Item = (&'a Vec<u8>, Customer)>) -> BTreeMap<String, String> {
    customers
        .map(|(name, customer)| {
            (
                String::from_utf8_lossy(name).into_owned(),
                format!("{customer:?}"),
            )
        })
        .collect()
}
