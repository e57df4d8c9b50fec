//! The engine and its decoder, as a task drives them.

use std::sync::Arc;

use super::core::{
    Core, Count, Effect, Keep, Moved, RawRecord, Rejection, Sealed, Swept, Treatment,
};
use crate::decode::{Decoder, Defect};
use crate::encode::{Encoder, figures};
use crate::engine::{self, Engine, Input, Transfer, sweep};
use crate::event::Event;
use crate::event::Position;
use crate::event::record::{Origin, Reject};
use crate::referral::Refusal;
use crate::table::rows;
use crate::tally::Change;
use crate::time::Timestamp;
use crate::treatment::{Decision, Outcome};
use crate::trigger::plan::Plan;

/// The header of a decision and a command that an event caused whose time lay ahead of its own append: by how much it was set back,
/// milliseconds.
pub const SET_BACK: &str = "moments.set_back_ms";

/// The customers of one task.
#[derive(Debug)]
pub struct Customers {
    engine: Engine,
    decoder: Decoder,
    encoder: Encoder,
    topics: Vec<String>,
    /// Of them, the one that tells what happened to everybody.
    everybody: Option<String>,
    /// Of them, the one by which tasks tell each other of ids.
    transfers: Option<String>,
    partition: i32,
    /// Kept from step to step for its memory.
    effects: Vec<engine::Effect>,
}

/// What a record tells of.
#[derive(Debug)]
enum Told {
    Event(Box<Event>),
    Transfer(Box<Transfer>),
    Row(Box<rows::Told>),
}

/// What a record tells of, and what of it could not be read.
#[derive(Debug)]
pub struct Read {
    told: Told,
    /// A hash of whom it is about.
    customer: u64,
    defects: Vec<Defect>,
    set_back_ms: i64,
    everybody: bool,
}

impl Customers {
    /// An engine without customers, fed by partition `partition` of these topics.
    #[must_use]
    pub fn new(engine: Engine, decoder: Decoder, topics: Vec<String>, partition: i32) -> Self {
        Self {
            engine,
            decoder,
            encoder: Encoder::default(),
            topics,
            everybody: None,
            transfers: None,
            partition,
            effects: Vec::new(),
        }
    }

    /// The same, writing its decisions so.
    #[must_use]
    pub fn with_encoder(mut self, encoder: Encoder) -> Self {
        self.encoder = encoder;
        self
    }

    /// The same, with a topic among its own that tells what happened to everybody.
    #[must_use]
    pub fn telling_everybody(mut self, topic: Option<String>) -> Self {
        self.everybody = topic;
        self
    }

    /// The same, with a topic among its own by which tasks tell each other of ids; its engine is [beside](Engine::beside) others.
    #[must_use]
    pub fn told_by_others(mut self, topic: Option<String>) -> Self {
        self.transfers = topic;
        self
    }

    /// The engine.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Does something with the engine, and says what follows in the task's words.
    fn work<T>(
        &mut self,
        effects: &mut Vec<Effect>,
        work: impl FnOnce(&mut Engine, &mut Vec<engine::Effect>) -> T,
    ) -> T {
        let done = work(&mut self.engine, &mut self.effects);
        let encoder = &self.encoder;
        effects.extend(self.effects.drain(..).map(|it| effect(it, encoder)));
        done
    }
}

impl Core for Customers {
    type Event = Read;
    type Plan = Arc<Plan>;

    fn decode(&self, topic: usize, record: &RawRecord) -> Result<Read, Rejection> {
        if let Some(detail) = record.unreadable {
            return Err(Rejection {
                stage: "read",
                reason: Rejection::UNREADABLE,
                detail: detail.to_owned(),
            });
        }
        let mut origin = Origin {
            topic: &self.topics[topic],
            partition: self.partition,
            position: Position {
                topic: u8::try_from(topic).unwrap_or(u8::MAX),
                offset: record.offset,
            },
            key: record.key.as_deref(),
            headers: &record.headers,
            appended: record.stamped.then_some(record.appended),
            ..Origin::default()
        };
        if self.transfers.as_ref() == Some(&self.topics[topic]) {
            return transfer(record);
        }
        let everybody = self.everybody.as_ref() == Some(&self.topics[topic]);
        if everybody {
            origin = origin.of_everybody();
        }
        let rejected = |reject: &Reject| Rejection {
            stage: reject.stage(),
            reason: match reject {
                // Each task has a copy; one letter is enough.
                _ if everybody && self.partition != 0 => Rejection::IGNORED,
                Reject::Ignored(_) => Rejection::IGNORED,
                _ => reject.word(),
            },
            detail: reject.to_string(),
        };
        let payload = record.value.as_deref().unwrap_or_default();
        if everybody && self.decoder.brings_rows(origin.topic) {
            let told = self.decoder.row(payload, &origin);
            return told.map(row).map_err(|reject| rejected(&reject));
        }
        match self.decoder.decode(payload, &origin) {
            Ok(decoded) => Ok(Read {
                customer: hashed(&decoded.event.customer),
                told: Told::Event(Box::new(decoded.event)),
                defects: decoded.defects,
                set_back_ms: decoded.set_back_ms,
                everybody,
            }),
            Err(reject) => Err(rejected(&reject)),
        }
    }

    fn time(read: &Read) -> Timestamp {
        match &read.told {
            Told::Event(event) => event.time,
            Told::Transfer(transfer) => transfer.time(),
            Told::Row(told) => told.at,
        }
    }

    fn customer(read: &Read) -> u64 {
        read.customer
    }

    fn restore(&mut self, customer: &[u8], packed: Option<&[u8]>) -> Result<(), String> {
        self.engine
            .restore(customer, packed)
            .map_err(|error| error.to_string())
    }

    fn event(&mut self, read: Read, now: Timestamp, effects: &mut Vec<Effect>) {
        defective(&read.defects, effects);
        let first = effects.len();
        let input = match read.told {
            Told::Event(event) => Input::Event(event),
            Told::Transfer(transfer) => Input::Transferred(transfer),
            Told::Row(told) => Input::Row(told),
        };
        let is_transfer = matches!(input, Input::Transferred(_));
        self.work(effects, |engine, said| engine.step(input, now, said));
        if is_transfer {
            // Whether an event is late was said where its record was taken.
            let late = |effect: &Effect| matches!(effect, Effect::Late { .. });
            let said = effects.split_off(first);
            let of_late = |effect| match late(&effect) {
                true => counted(Count::Identities("late".into()), 1),
                false => effect,
            };
            effects.extend(said.into_iter().map(of_late));
        }
        if self.partition != 0 {
            // Each task has a copy of what it is said of; one letter is enough.
            let said = effects.iter_mut().skip(first);
            let said = said.filter(|effect| matches!(effect, Effect::Rejected(_)));
            said.for_each(|effect| *effect = counted(Count::Ignored, 1));
        }
        if read.set_back_ms > 0 {
            effects[first..]
                .iter_mut()
                .for_each(|effect| says_set_back(effect, read.set_back_ms));
            effects.push(counted(Count::SetBack, 1));
        }
    }

    fn is_for_everybody(read: &Read) -> bool {
        read.everybody
    }

    fn broadcast(
        &mut self,
        read: &Read,
        (from, to): (u64, Option<u64>),
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) -> Swept {
        if from == 0 {
            defective(&read.defects, effects);
        }
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        let to = to.map(|to| usize::try_from(to).unwrap_or(usize::MAX));
        let Told::Event(event) = &read.told else {
            return Swept {
                to: 0,
                done: true,
                changed: false,
            };
        };
        let swept = self.work(effects, |engine, said| {
            engine.broadcast(event, (from, to), now, said)
        });
        Swept::from(swept)
    }

    fn advance(&mut self, to: Timestamp, now: Timestamp, effects: &mut Vec<Effect>) -> Moved {
        self.work(effects, |engine, said| engine.advance(to, now, said))
    }

    fn advance_beyond(
        &mut self,
        watermark: Timestamp,
        beyond: u64,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        self.work(effects, |engine, said| {
            engine.advance_beyond(watermark, beyond, now, said);
        });
    }

    fn held(&self) -> Option<Timestamp> {
        self.engine.held()
    }

    fn shares(&self) -> Option<i32> {
        self.engine.shares()
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        self.engine.next_look()
    }

    fn adopt(
        &mut self,
        plan: &Arc<Plan>,
        from: u64,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) -> Swept {
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        let swept = self.work(effects, |engine, said| engine.adopt(plan, from, now, said));
        Swept::from(swept)
    }

    fn assume(&mut self, plan: &Arc<Plan>) {
        self.engine.assume(plan);
    }

    fn begin(&mut self, transaction: u64) {
        self.engine.begin(transaction);
    }

    fn take_again(&mut self, transaction: u64) {
        self.engine.take_again(transaction);
    }

    fn seal(&mut self, keep: Keep) -> Sealed {
        self.engine.checkpoint(keep)
    }

    fn has_to_report(&self) -> bool {
        self.engine.has_figures_to_report()
    }

    fn report(&mut self, now: Timestamp) -> Vec<(Vec<u8>, Vec<u8>)> {
        let partition = self.partition;
        let rows = self.engine.report_figures();
        let records = rows.map(|(of, row)| {
            let value = figures::value(of, row, partition, now);
            (figures::key(of, partition), value)
        });
        records.collect()
    }

    fn committed(&mut self) {
        self.engine.committed();
    }

    fn rollback(&mut self, watermark: Timestamp) {
        self.engine.rollback(watermark);
    }
}

impl From<sweep::Swept> for Swept {
    fn from(swept: sweep::Swept) -> Self {
        Self {
            to: swept.to as u64,
            done: swept.done,
            changed: swept.changed,
        }
    }
}

fn hashed(customer: &str) -> u64 {
    xxhash_rust::xxh3::xxh3_64(customer.as_bytes())
}

/// What another task told.
fn transfer(record: &RawRecord) -> Result<Read, Rejection> {
    let value = record.value.as_deref().unwrap_or_default();
    let transfer = Transfer::unpack(value).map_err(|error| Rejection {
        stage: "decode",
        reason: Rejection::UNREADABLE,
        detail: error.to_string(),
    })?;
    Ok(Read {
        customer: hashed(transfer.about()),
        told: Told::Transfer(Box::new(transfer)),
        defects: Vec::new(),
        set_back_ms: 0,
        everybody: false,
    })
}

/// A row of a table.
fn row(told: rows::Told) -> Read {
    Read {
        customer: hashed(&told.key),
        told: Told::Row(Box::new(told)),
        defects: Vec::new(),
        set_back_ms: 0,
        everybody: false,
    }
}

fn effect(effect: engine::Effect, encoder: &Encoder) -> Effect {
    match effect {
        engine::Effect::Decided(decision) => decided(&decision, encoder),
        engine::Effect::Held { trigger, reason } => {
            counted(Count::Held(trigger, reason.word().into()), 1)
        }
        engine::Effect::Transferred { to, transfer } => Effect::Transferred {
            to,
            key: transfer.about().as_bytes().to_vec(),
            value: transfer.pack(),
        },
        engine::Effect::Duplicate => Effect::Duplicate,
        engine::Effect::Rejected(reject) => Effect::Rejected(Rejection {
            stage: reject.stage(),
            reason: reject.word(),
            detail: reject.to_string(),
        }),
        engine::Effect::Late { behind_ms } => Effect::Late { behind_ms },
        engine::Effect::Erased => counted(Count::Erased, 1),
        engine::Effect::DroppedAsErased => counted(Count::DroppedAsErased, 1),
        engine::Effect::Came(outcome) => {
            let (word, times) = outcome.change.counted();
            let trigger = outcome.trigger.0;
            match outcome.change {
                Change::Passed(_) => counted(Count::Journey(trigger, word.into()), times),
                _ => counted(Count::Outcome(trigger, word.into()), times),
            }
        }
        engine::Effect::Went {
            trigger, turnout, ..
        } => counted(Count::Outcome(trigger, turnout.word().into()), 1),
        engine::Effect::Orphaned(reaction) => counted(Count::Orphaned(reaction.word().into()), 1),
        engine::Effect::Expired(customers) => counted(Count::Expired, customers),
        engine::Effect::United => counted(Count::Identities("united".into()), 1),
        engine::Effect::KeptApart(why) => counted(Count::Identities(why.word().into()), 1),
        engine::Effect::Referred(refused) => {
            let outcome = refused.map_or("accepted", Refusal::word);
            counted(Count::Referrals(outcome.into()), 1)
        }
        engine::Effect::Seeded(seeded) => counted(Count::Seeds(seeded.word().into()), 1),
        engine::Effect::FormerForgotten => counted(Count::Identities("forgotten".into()), 1),
        engine::Effect::OutsideAudience { trigger, customers } => {
            counted(Count::OutsideAudience(trigger), customers)
        }
        engine::Effect::TailFull => counted(Count::TailFull, 1),
        engine::Effect::OpenLimit { trigger, refused } => {
            counted(Count::OpenLimit(trigger), refused.into())
        }
    }
}

/// Counts what could not be read, all together and by name.
fn defective(defects: &[Defect], effects: &mut Vec<Effect>) {
    if defects.is_empty() {
        return;
    }
    effects.push(counted(Count::Defects, defects.len() as u64));
    let by_name = defects
        .iter()
        .map(|it| counted(Count::Defect(it.name.clone()), 1));
    effects.extend(by_name);
}

/// Says on what was decided at an event, and on its command, that the event was set back.
fn says_set_back(effect: &mut Effect, ms: i64) {
    if let Effect::Decided {
        headers, treatment, ..
    } = effect
    {
        let header = || (SET_BACK.to_owned(), Some(ms.to_string().into_bytes()));
        headers.push(header());
        if let Some(treatment) = treatment {
            treatment.headers.push(header());
        }
    }
}

fn counted(count: Count, times: u64) -> Effect {
    Effect::Counted { count, times }
}

fn decided(decision: &Decision, encoder: &Encoder) -> Effect {
    let trigger = decision.trigger.clone();
    let count = match &decision.outcome {
        Outcome::Treat(_) => Count::Treated(trigger),
        Outcome::Refuse(reason, _) => Count::Refused(trigger, reason.word().into()),
        Outcome::Withdraw(withdrawal) => Count::Withdrawn(trigger, withdrawal.reason.word().into()),
    };
    let order = decision.order().zip(encoder.treatment(decision));
    let treatment = order.map(|(order, (value, headers))| Treatment {
        channel: order.channel().to_string(),
        value,
        headers,
    });
    let (value, headers) = encoder.decision(decision);
    Effect::Decided {
        customer: decision.customer.as_bytes().to_vec(),
        count,
        decision: value,
        headers,
        treatment,
    }
}
