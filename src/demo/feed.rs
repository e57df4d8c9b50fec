//! Sends calls to Kafka when the demo's clock says that they happen.

use std::iter::Peekable;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::thread;
use std::time::Duration;

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};

use super::call::Call;
use super::deeds::Told;
use crate::config::Topics;
use crate::config::topics::Input;
use crate::time::Timestamp;

/// How long it rests when nothing is due: short beside the half hour of an abandoned basket, as the demo's clock runs.
const PAUSE: Duration = Duration::from_millis(4);
/// How long what was sent may take to be acknowledged.
const LAST: Duration = Duration::from_secs(30);

/// Two streams of calls, each in order of time, as one.
#[derive(Debug)]
pub struct Merged<A: Iterator<Item = Call>, B: Iterator<Item = Call>> {
    a: Peekable<A>,
    b: Peekable<B>,
}

impl<A: Iterator<Item = Call>, B: Iterator<Item = Call>> Merged<A, B> {
    /// Of one instant, those of `a` come first.
    pub fn new(a: A, b: B) -> Self {
        Self {
            a: a.peekable(),
            b: b.peekable(),
        }
    }
}

impl<A: Iterator<Item = Call>, B: Iterator<Item = Call>> Iterator for Merged<A, B> {
    type Item = Call;

    fn next(&mut self) -> Option<Call> {
        match (self.a.peek(), self.b.peek()) {
            (Some(a), Some(b)) if b.at < a.at => self.b.next(),
            (Some(_), _) => self.a.next(),
            _ => self.b.next(),
        }
    }
}

/// Sends calls, in order of time, to the topics of a configuration.
pub struct Feed<I: Iterator<Item = Call>> {
    producer: BaseProducer,
    topics: Vec<Input>,
    calls: Peekable<I>,
    told: Sender<Told>,
}

impl<I: Iterator<Item = Call>> Feed<I> {
    /// Through `producer`; what was sent is told to `told`.
    pub fn new(producer: BaseProducer, topics: &Topics, calls: I, told: Sender<Told>) -> Self {
        Self {
            producer,
            topics: topics.inputs(),
            calls: calls.peekable(),
            told,
        }
    }

    /// Sends all that happened before `until`, and waits until Kafka has it. Nobody reads yet: read while it is written, the
    /// past would come to its reader by topics of which one runs days ahead of another.
    ///
    /// # Errors
    /// Where Kafka takes no more.
    pub fn load(&mut self, until: Timestamp) -> Result<(), KafkaError> {
        self.send_until(until)?;
        self.producer.flush(LAST)
    }

    /// Sends each call once `now` has come to it; until `stop`, also when nothing is left to send.
    ///
    /// # Errors
    /// Where Kafka takes no more.
    pub fn run(
        &mut self,
        now: impl Fn() -> Timestamp,
        stop: &AtomicBool,
    ) -> Result<(), KafkaError> {
        while !stop.load(Ordering::Relaxed) {
            self.send_until(now())?;
            self.producer.poll(Duration::ZERO);
            thread::park_timeout(PAUSE);
        }
        self.producer.flush(LAST)
    }

    fn send_until(&mut self, until: Timestamp) -> Result<(), KafkaError> {
        while let Some(call) = self.calls.next_if(|call| call.at <= until) {
            self.send(&call)?;
            // When nobody listens any more, it is about to end.
            let _ = self.told.send(Told::of(&call));
        }
        Ok(())
    }

    fn send(&self, call: &Call) -> Result<(), KafkaError> {
        let mut topics = self.topics.iter();
        let Some(topic) = topics.find(|topic| topic.kind == call.topic) else {
            return Ok(());
        };
        let mut record = BaseRecord::to(&topic.name)
            .key(call.customer.as_str())
            .payload(&call.value);
        loop {
            match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err((error, unsent))
                    if error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull) =>
                {
                    self.producer.poll(PAUSE);
                    record = unsent;
                }
                Err((error, _)) => return Err(error),
            }
        }
    }
}
