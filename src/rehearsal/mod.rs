//! The same engine, policy included, over files of past events.
//!
//! [`rehearse`] takes each file as a topic in its order of arrival, and merges them as a task does. It has a clock of its own, which
//! runs from record to record (when each arrived: its append time where the file has it, else its own time as far as what stands
//! behind it in the file bears that out) and stops at each deadline in between, as silence leads time there live. At the end of the
//! input time moves to the largest event time. With `time.clock = "event"` the clock is the largest event time instead.
//! [`replay`] takes the runs, watermarks and clock readings of a production journal, and gives what production gave, byte for byte.
//!
//! No result depends on the day on which it is run.

pub mod compare;
pub mod envelope;
pub mod files;
pub mod expected;
pub mod forecast;
pub mod html;
pub mod recording;
mod replay;
pub mod summary;

use std::collections::VecDeque;
use std::sync::Arc;

pub use replay::{ReplayError, replay};
pub use summary::Summary;

use crate::decode::{Decoded, Decoder};
use crate::engine::{Effect, Engine, Input};
use crate::event::record::{Header, Origin, Reject};
use crate::event::{Event, Position};
use crate::registry;
use crate::task::order::Order;
use crate::task::watermark::{ClockMode, TopicSettings, Unread, Watermarks, lateness};
use crate::time::Timestamp;
use crate::treatment::Decision;
use crate::trigger::plan::Plan;
use xxhash_rust::xxh3::xxh3_64;

/// Customers unpacked at once before they are packed again: some tens of MB.
const OPEN_CUSTOMERS_MAX: usize = 16_384;

/// A record of a file, and what came with it where the file says so.
#[derive(Debug, Default)]
pub struct Record {
    /// Its value.
    pub payload: Vec<u8>,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its headers, in order.
    pub headers: Vec<Header>,
    /// When it was appended.
    pub appended: Option<Timestamp>,
    /// Whether its producer said that, and not the broker.
    pub by_producer: bool,
}

/// One file of events: a topic in its order of arrival.
pub trait Source {
    /// The next record; `None` at the end. A line end is no part of it.
    ///
    /// # Errors
    /// Where it cannot be read.
    fn next(&mut self) -> std::io::Result<Option<Vec<u8>>>;

    /// The same, with key and headers.
    ///
    /// # Errors
    /// Where it cannot be read.
    fn next_record(&mut self) -> std::io::Result<Option<Record>> {
        let record = |payload| Record {
            payload,
            ..Record::default()
        };
        Ok(self.next()?.map(record))
    }
}

/// What a rehearsal is told.
#[derive(Debug)]
pub struct RehearsalSettings {
    /// The triggers.
    pub plan: Arc<Plan>,
    /// The sets that were published, for a journal that went from one to another.
    pub published: Vec<Arc<Plan>>,
    /// Reads the records.
    pub decoder: Decoder,
    /// Where schemas that the decoder does not know come from.
    pub schemas: registry::Source,
    /// Where time comes from.
    pub clock: ClockMode,
    /// How long nothing must come before silence moves time, milliseconds.
    pub idle_delay_ms: i64,
}

/// What a rehearsal tells while it goes on.
pub trait Observer {
    /// A record was read.
    fn record(&mut self) {}

    /// A moment was decided.
    ///
    /// # Errors
    /// Where what was decided cannot be written.
    fn decided(&mut self, decision: &Decision) -> std::io::Result<()>;

    /// Up to when it looks on: what arrived later is not taken, and time stops there. None: to the end.
    fn until(&self) -> Option<Timestamp> {
        None
    }

    /// It is over, at this reading of the clock: this is how everybody stands. Of a journal, said of each task.
    fn ends(&mut self, _engine: &Engine, _now: Timestamp) {}
}

/// The next record of a topic, decoded.
type Head = Result<Decoded, Reject>;

/// A topic to be rehearsed.
#[derive(Debug)]
pub struct Taken {
    /// How it takes part in time.
    pub settings: TopicSettings,
    /// Whether it tells what happened to everybody.
    pub everybody: bool,
}

/// Records of a topic that are decoded ahead: what stands behind a record says whether its time is believed.
const AHEAD: usize = 256;

/// A topic being read: its next records are decoded ahead, so that the topics can be merged by time.
struct Topic<S> {
    source: S,
    name: String,
    everybody: bool,
    held: VecDeque<Held>,
    order: Order,
    read: i64,
    ended: bool,
}

/// A record that is decoded, and when it was appended, where its file says so.
struct Held {
    head: Head,
    /// A hash of whom it tells of.
    customer: u64,
    appended: Option<Timestamp>,
}

/// A record that is next.
struct Next {
    topic: usize,
    head: Head,
    customer: u64,
    /// When it arrived; none of what is no event.
    arrived: Option<Timestamp>,
}

/// Rehearses over `sources`: a topic's settings and its records, sorted by name.
///
/// # Errors
/// Where a source cannot be read or the observer cannot write.
pub fn rehearse<S: Source>(
    settings: &RehearsalSettings,
    sources: Vec<(Taken, S)>,
    observer: &mut impl Observer,
) -> std::io::Result<Summary> {
    let (topics, sources): (Vec<_>, Vec<_>) = sources.into_iter().unzip();
    let timing: Vec<TopicSettings> = topics.iter().map(|topic| topic.settings.clone()).collect();
    let mut merge = Merge {
        decoder: &settings.decoder,
        schemas: &settings.schemas,
        lateness_ms: lateness(&timing),
        by_arrival: settings.clock != ClockMode::Event,
        topics: topics
            .into_iter()
            .zip(sources)
            .map(|(topic, source)| Topic {
                source,
                name: topic.settings.name,
                everybody: topic.everybody,
                held: VecDeque::new(),
                order: Order::default(),
                read: 0,
                ended: false,
            })
            .collect(),
    };
    let mut time = Time {
        watermarks: Watermarks::new(timing),
        idle_delay_ms: settings.idle_delay_ms,
        is_event: settings.clock == ClockMode::Event,
    };
    let mut work = Work::new(
        Engine::new(Arc::clone(&settings.plan)),
        Summary::new([&*settings.plan]),
    );
    merge.fill()?;
    let until = observer.until();
    while let Some(next) = merge.take()? {
        if until.is_some_and(|until| next.arrived > Some(until)) {
            break;
        }
        observer.record();
        match next.head {
            Err(reject) => work.summary.reject(&reject),
            Ok(Decoded {
                event,
                defects,
                set_back_ms,
            }) => {
                work.summary.defects(&defects);
                work.summary.set_back += u64::from(set_back_ms > 0);
                let (arrived, event) = (next.arrived.unwrap_or(event.time), Box::new(event));
                time.runs_to(arrived, &mut work, observer)?;
                time.see(next.topic, next.customer, event.time, arrived, &mut work);
                let input = match merge.topics[next.topic].everybody {
                    true => Input::Everybody(event),
                    false => Input::Event(event),
                };
                work.step(input, observer)?;
            }
        }
        // Whatever else stands in the files has not arrived yet.
        let watermark = time.watermarks.reached(|_| Unread::Nothing);
        time.watermarks.set_task(watermark);
        work.step(Input::Watermark(watermark), observer)?;
    }
    match until {
        Some(until) => time.stops_at(until, &mut work, observer)?,
        None => time.ends(&mut work, observer)?,
    }
    observer.ends(&work.engine, work.now);
    Ok(work.end())
}

/// The clock of a rehearsal, and what it says of time.
struct Time {
    watermarks: Watermarks,
    idle_delay_ms: i64,
    is_event: bool,
}

impl Time {
    /// The clock runs to the arrival of the next record: what silence brings until then is decided on the way.
    fn runs_to(
        &mut self,
        arrived: Timestamp,
        work: &mut Work,
        observer: &mut impl Observer,
    ) -> std::io::Result<()> {
        if !self.is_event && arrived > work.now.plus(self.idle_delay_ms) {
            let silent =
                self.watermarks
                    .idle(&ClockMode::Wall, arrived, work.now, self.idle_delay_ms);
            self.silence(silent, work, observer)?;
        }
        Ok(())
    }

    /// Silence leads time to `to`, and the clock to each deadline before.
    fn silence(
        &mut self,
        to: Timestamp,
        work: &mut Work,
        observer: &mut impl Observer,
    ) -> std::io::Result<()> {
        while let Some(look) = work.engine.next_look().filter(|look| *look <= to) {
            let look = look.max(work.engine.watermark().plus(1));
            let due =
                self.watermarks
                    .idle_due(&ClockMode::Wall, look, work.now, self.idle_delay_ms);
            work.now = work.now.max(due.unwrap_or(look));
            work.step(Input::Watermark(look), observer)?;
        }
        self.watermarks.set_task(to.max(self.watermarks.task()));
        work.step(Input::Watermark(self.watermarks.task()), observer)
    }

    fn see(
        &mut self,
        topic: usize,
        customer: u64,
        time: Timestamp,
        arrived: Timestamp,
        work: &mut Work,
    ) {
        self.watermarks.see(topic, customer, time, arrived);
        let now = match self.is_event {
            true => self.watermarks.shown(),
            false => Some(arrived),
        };
        work.now = work.now.max(now.unwrap_or(Timestamp::MIN));
    }

    /// The clock runs to where somebody looks on no more.
    fn stops_at(
        &mut self,
        until: Timestamp,
        work: &mut Work,
        observer: &mut impl Observer,
    ) -> std::io::Result<()> {
        self.runs_to(until, work, observer)?;
        work.now = work.now.max(until);
        work.summary.until = self.watermarks.last();
        Ok(())
    }

    /// Nothing comes any more: time moves to the largest event time that may be believed.
    fn ends(&mut self, work: &mut Work, observer: &mut impl Observer) -> std::io::Result<()> {
        let Some(last) = self.watermarks.last() else {
            return Ok(());
        };
        work.summary.until = Some(last);
        match self.is_event {
            true => work.step(Input::Watermark(last), observer),
            false => self.silence(last.min(work.now), work, observer),
        }
    }
}

/// An engine at work on files.
struct Work {
    engine: Engine,
    summary: Summary,
    effects: Vec<Effect>,
    now: Timestamp,
}

impl Work {
    fn new(engine: Engine, summary: Summary) -> Self {
        Self {
            engine,
            summary,
            effects: Vec::new(),
            now: Timestamp::MIN,
        }
    }

    fn step(&mut self, input: Input, observer: &mut impl Observer) -> std::io::Result<()> {
        if let Input::Event(event) = &input {
            self.summary.event(event);
        }
        match input {
            Input::Event(_) | Input::Transferred(_) => {
                self.engine.step(input, self.now, &mut self.effects);
                self.worked(observer)
            }
            Input::Everybody(event) => {
                let (mut from, mut done) = (0, false);
                while !done {
                    let slice = (from, None);
                    (from, done) = self.everybody(&event, slice, observer)?;
                }
                Ok(())
            }
            Input::Watermark(to) => self.advance(to, observer),
        }
    }

    /// Shows what happened to everybody to some of them; who is next, and whether there is nobody.
    fn everybody(
        &mut self,
        event: &Event,
        slice: (usize, Option<usize>),
        observer: &mut impl Observer,
    ) -> std::io::Result<(usize, bool)> {
        let now = self.now;
        let swept = self.engine.broadcast(event, slice, now, &mut self.effects);
        self.worked(observer)?;
        Ok((swept.to, swept.done))
    }

    /// Moves time piece by piece, so that no more is held than one piece brings.
    fn advance(&mut self, to: Timestamp, observer: &mut impl Observer) -> std::io::Result<()> {
        let mut done = false;
        while !done {
            done = self.engine.advance(to, self.now, &mut self.effects).done;
            self.worked(observer)?;
        }
        Ok(())
    }

    /// What the journal says of the millisecond after a watermark.
    fn beyond(
        &mut self,
        watermark: Timestamp,
        beyond: u64,
        observer: &mut impl Observer,
    ) -> std::io::Result<()> {
        self.engine
            .advance_beyond(watermark, beyond, self.now, &mut self.effects);
        self.worked(observer)
    }

    fn worked(&mut self, observer: &mut impl Observer) -> std::io::Result<()> {
        self.heed(observer)?;
        if self.engine.open_customers() >= OPEN_CUSTOMERS_MAX {
            self.engine.seal();
            self.engine.committed();
        }
        Ok(())
    }

    /// Customers go over to other triggers, from the `from`-th on; where the next go on, none when all have.
    fn adopt(
        &mut self,
        plan: &Arc<Plan>,
        from: usize,
        observer: &mut impl Observer,
    ) -> std::io::Result<Option<usize>> {
        let now = self.now;
        let adopted = self.engine.adopt(plan, from, now, &mut self.effects);
        self.heed(observer)?;
        Ok((!adopted.done).then_some(adopted.to))
    }

    fn heed(&mut self, observer: &mut impl Observer) -> std::io::Result<()> {
        for effect in self.effects.drain(..) {
            if let Effect::Decided(decision) = &effect {
                observer.decided(decision)?;
            }
            self.summary.effect(effect);
        }
        Ok(())
    }

    fn end(self) -> Summary {
        let mut summary = self.summary;
        summary.end(&self.engine);
        summary
    }
}

struct Merge<'a, S> {
    decoder: &'a Decoder,
    schemas: &'a registry::Source,
    lateness_ms: i64,
    /// Whether records are taken as they arrived, where their files say when; else by event time.
    by_arrival: bool,
    topics: Vec<Topic<S>>,
}

impl<S: Source> Merge<'_, S> {
    fn fill(&mut self) -> std::io::Result<()> {
        for topic in 0..self.topics.len() {
            while self.topics[topic].held.len() < AHEAD && !self.topics[topic].ended {
                self.read(topic)?;
            }
        }
        Ok(())
    }

    /// Takes the record that arrived next. What is no event has no time, and waits for nobody.
    fn take(&mut self) -> std::io::Result<Option<Next>> {
        let topics = self.topics.iter().enumerate();
        let first = topics
            .filter_map(|(number, topic)| Some((self.arrived(topic)?, number)))
            .min();
        let Some((arrived, number)) = first else {
            return Ok(None);
        };
        let topic = &mut self.topics[number];
        let Some(held) = topic.held.pop_front() else {
            return Ok(None);
        };
        topic.order.pop(held.time());
        if !topic.ended {
            self.read(number)?;
        }
        Ok(Some(Next {
            topic: number,
            head: held.head,
            customer: held.customer,
            arrived,
        }))
    }

    /// When the next record of a topic arrived, where it is an event; none where there is none.
    fn arrived(&self, topic: &Topic<S>) -> Option<Option<Timestamp>> {
        let held = topic.held.front()?;
        let time = held
            .time()
            .map(|time| topic.order.believed(time, self.lateness_ms));
        let appended = held.appended.filter(|_| self.by_arrival);
        Some(time.map(|time| appended.unwrap_or(time)))
    }

    fn read(&mut self, index: usize) -> std::io::Result<()> {
        let topic = &mut self.topics[index];
        let Some(record) = topic.source.next_record()? else {
            topic.ended = true;
            return Ok(());
        };
        let offset = topic.read;
        topic.read += 1;
        let position = Position {
            topic: u8::try_from(index).unwrap_or(u8::MAX),
            offset,
        };
        let origin = Origin {
            topic: &topic.name,
            partition: 0,
            position,
            key: record.key.as_deref(),
            headers: &record.headers,
            appended: record.appended.filter(|_| !record.by_producer),
            everybody: topic.everybody,
            ..Origin::default()
        };
        self.schemas
            .load_for(self.decoder, &topic.name, &record.payload)
            .map_err(std::io::Error::other)?;
        let head = self.decoder.decode(&record.payload, &origin);
        let customer = head
            .as_ref()
            .map(|read| xxh3_64(read.event.customer.as_bytes()));
        let held = Held {
            customer: customer.unwrap_or(0),
            appended: record.appended,
            head,
        };
        topic.order.push(held.time(), held.customer);
        topic.held.push_back(held);
        Ok(())
    }
}

impl Held {
    /// When it happened, where it is an event.
    fn time(&self) -> Option<Timestamp> {
        self.head.as_ref().ok().map(|read| read.event.time)
    }
}
