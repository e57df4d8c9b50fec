//! The engine as a task drives it, with what it does counted: what is decided is counted once it is committed.

use std::collections::HashMap;
use std::sync::Arc;

use crate::engine::{self, Engine};
use crate::event::decode::{Decoder, Origin, Reject};
use crate::event::{Event, Position, Text};
use crate::policy::Reason;
use crate::task::core::{Core, Effect, RawRecord, Rejection, Treatment};
use crate::telemetry::Telemetry;
use crate::time::Timestamp;
use crate::treatment::Decision;
use crate::trigger::plan::Plan;

/// What every task of a process shares.
#[derive(Debug)]
pub struct Shared {
    /// The triggers.
    pub plan: Arc<Plan>,
    /// Reads the records.
    pub decoder: Decoder,
    /// The topics that come in, in byte order of name.
    pub topics: Vec<String>,
    /// Counters.
    pub telemetry: Telemetry,
}

/// The customers of one task.
#[derive(Debug)]
pub struct Customers {
    shared: Arc<Shared>,
    partition: i32,
    engine: Engine,
    effects: Vec<engine::Effect>,
    open: Tally,
    sealed: Tally,
}

/// An event, and when its record was appended.
#[derive(Debug)]
pub struct Arrived {
    event: Box<Event>,
    appended: Timestamp,
}

/// What is counted once it is committed.
#[derive(Debug, Default)]
struct Tally {
    decided: HashMap<(Text, Option<Reason>), u64>,
    treated: HashMap<(Text, Text), u64>,
    /// When the records that caused commands were appended.
    caused: Vec<Timestamp>,
}

impl Customers {
    /// Nobody yet.
    #[must_use]
    pub fn new(shared: Arc<Shared>, partition: i32) -> Self {
        let engine = Engine::new(Arc::clone(&shared.plan));
        Self { shared, partition, engine, effects: Vec::new(), open: Tally::default(), sealed: Tally::default() }
    }

    /// The engine.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// `source`: the topic of the record and when it was appended.
    fn step(&mut self, input: engine::Input, now: Timestamp, source: Option<(usize, Timestamp)>, effects: &mut Vec<Effect>) {
        self.engine.step(input, now, &mut self.effects);
        let mut found = std::mem::take(&mut self.effects);
        for effect in found.drain(..) {
            match effect {
                engine::Effect::Decided(decision) => {
                    self.open.note(&decision, source.map(|(_, appended)| appended));
                    effects.push(decided(&decision));
                }
                engine::Effect::Duplicate => {
                    self.shared.telemetry.duplicate(source.map_or(0, |(topic, _)| topic));
                    effects.push(Effect::Duplicate);
                }
                engine::Effect::Late { .. } => {
                    self.shared.telemetry.late(source.map_or(0, |(topic, _)| topic));
                    effects.push(Effect::Late);
                }
                engine::Effect::TailFull => self.shared.telemetry.bounded("tail"),
                engine::Effect::OpenLimit { .. } => self.shared.telemetry.bounded("open_deadlines"),
            }
        }
        self.effects = found;
    }
}

impl Tally {
    fn note(&mut self, decision: &Decision, caused: Option<Timestamp>) {
        *self.decided.entry((decision.trigger.clone(), decision.refusal())).or_default() += 1;
        if let Some(command) = decision.command() {
            *self.treated.entry((decision.trigger.clone(), command.channel.clone())).or_default() += 1;
            self.caused.extend(caused);
        }
    }

    fn merge(&mut self, other: Self) {
        for (key, count) in other.decided {
            *self.decided.entry(key).or_default() += count;
        }
        for (key, count) in other.treated {
            *self.treated.entry(key).or_default() += count;
        }
        self.caused.extend(other.caused);
    }
}

fn decided(decision: &Decision) -> Effect {
    let treatment = decision.command().zip(decision.command_json()).map(|(command, value)| {
        let header = |name: &str, value: &str| (name.to_owned(), Some(value.as_bytes().to_vec()));
        Treatment {
            channel: command.channel.to_string(),
            value,
            headers: vec![
                header("id", &command.id.hyphenated().to_string()),
                header("trigger", &decision.trigger),
                header("traceparent", &command.traceparent),
            ],
        }
    });
    let customer = decision.customer.as_bytes().to_vec();
    Effect::Decided { customer, decision: decision.to_json(), treatment }
}

fn rejection(reject: &Reject) -> Rejection {
    Rejection { stage: reject.stage(), reason: reject.word(), detail: reject.to_string() }
}

impl Core for Customers {
    type Event = Arrived;

    fn decode(&self, topic: usize, record: &RawRecord) -> Result<Arrived, Rejection> {
        let name = &self.shared.topics[topic];
        let traceparent = record
            .headers
            .iter()
            .find(|(name, _)| name == "traceparent")
            .and_then(|(_, value)| std::str::from_utf8(value.as_deref()?).ok());
        let position = Position { topic: u8::try_from(topic).unwrap_or(u8::MAX), offset: record.offset };
        let origin = Origin { topic: name, partition: self.partition, position, traceparent };
        let decoded = self.shared.decoder.decode(record.value.as_deref().unwrap_or_default(), &origin);
        self.shared.telemetry.read(topic, decoded.as_ref().map(|decoded| decoded.defects.len()).map_err(Reject::word));
        match decoded {
            Ok(decoded) => Ok(Arrived { event: Box::new(decoded.event), appended: record.appended }),
            Err(reject) => Err(rejection(&reject)),
        }
    }

    fn time(event: &Arrived) -> Timestamp {
        event.event.time
    }

    fn restore(&mut self, customer: &[u8], packed: Option<&[u8]>) -> Result<(), String> {
        let customer = std::str::from_utf8(customer).map_err(|error| error.to_string())?;
        self.engine.restore(customer, packed).map_err(|error| error.to_string())
    }

    fn event(&mut self, event: Arrived, now: Timestamp, effects: &mut Vec<Effect>) {
        let source = (usize::from(event.event.position.topic), event.appended);
        self.step(engine::Input::Event(event.event), now, Some(source), effects);
    }

    fn advance(&mut self, watermark: Timestamp, now: Timestamp, effects: &mut Vec<Effect>) {
        self.step(engine::Input::Watermark(watermark), now, None, effects);
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        self.engine.next_look()
    }

    fn seal(&mut self) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
        let open = std::mem::take(&mut self.open);
        self.sealed.merge(open);
        let sealed = self.engine.seal().into_iter();
        sealed.map(|(customer, packed)| (customer.as_bytes().to_vec(), Some(packed))).collect()
    }

    fn committed(&mut self) {
        self.engine.committed();
        let sealed = std::mem::take(&mut self.sealed);
        let telemetry = &self.shared.telemetry;
        for ((trigger, refusal), count) in &sealed.decided {
            telemetry.decided(trigger, *refusal, *count);
        }
        for ((trigger, channel), count) in &sealed.treated {
            telemetry.treated(trigger, channel, *count);
        }
        let now = super::clock();
        for appended in sealed.caused {
            telemetry.arrival_to_command(now.0 - appended.0);
        }
    }

    fn rollback(&mut self, watermark: Timestamp) {
        self.open = Tally::default();
        self.sealed = Tally::default();
        self.engine.rollback(watermark);
    }
}
