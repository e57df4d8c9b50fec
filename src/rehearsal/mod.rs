//! The same engine, policy included, over files of past events.
//!
//! [`rehearse`] takes each file as a topic in its order of arrival, merges them as a task does, and
//! lets the end of the input move time to the largest event time. `now` is the largest event time
//! seen. [`replay`] takes the runs, watermarks and clock readings of a production journal instead,
//! and gives what production gave, byte for byte.

pub mod envelope;
pub mod files;
pub mod recording;
mod replay;
pub mod summary;

use std::sync::Arc;

pub use replay::{ReplayError, replay};
pub use summary::Summary;

use crate::decode::{Decoded, Decoder};
use crate::engine::{Effect, Engine, Input};
use crate::event::record::{Header, Origin, Reject};
use crate::event::{Event, Position};
use crate::registry;
use crate::task::watermark::{TopicSettings, Unread, Watermarks};
use crate::time::Timestamp;
use crate::treatment::Decision;
use crate::trigger::plan::Plan;

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
    /// Events later than this do not move time.
    pub future: Timestamp,
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

/// A topic being read: its next record is decoded ahead, so that the topics can be merged by time.
struct Topic<S> {
    source: S,
    name: String,
    everybody: bool,
    next: Option<Head>,
    read: i64,
    ended: bool,
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
    let mut merge = Merge {
        decoder: &settings.decoder,
        schemas: &settings.schemas,
        future: settings.future,
        topics: topics
            .iter()
            .zip(sources)
            .map(|(topic, source)| Topic {
                source,
                name: topic.settings.name.clone(),
                everybody: topic.everybody,
                next: None,
                read: 0,
                ended: false,
            })
            .collect(),
    };
    let timed = topics.into_iter().map(|topic| topic.settings);
    let mut watermarks = Watermarks::new(timed.collect());
    let mut work = Work {
        engine: Engine::new(Arc::clone(&settings.plan)),
        summary: Summary::new([&*settings.plan]),
        effects: Vec::new(),
        now: Timestamp::MIN,
        future: settings.future,
    };
    merge.fill()?;
    while let Some((topic, head)) = merge.take()? {
        observer.record();
        match head {
            Err(reject) => work.summary.reject(&reject),
            Ok(Decoded { event, defects }) => {
                work.summary.defects(&defects);
                let (time, event) = (event.time, Box::new(event));
                if time <= settings.future {
                    watermarks.see(topic, time, time);
                    work.now = watermarks.seen().unwrap_or(work.now).max(work.now);
                }
                let input = match merge.topics[topic].everybody {
                    true => Input::Everybody(event),
                    false => Input::Event(event),
                };
                work.step(input, observer)?;
            }
        }
        let watermark = watermarks.reached(|topic| merge.topics[topic].unread(settings.future));
        watermarks.set_task(watermark);
        work.step(Input::Watermark(watermark), observer)?;
    }
    let end = watermarks.seen().unwrap_or(Timestamp::MIN);
    work.step(Input::Watermark(end), observer)?;
    Ok(work.end())
}

/// An engine at work on files.
struct Work {
    engine: Engine,
    summary: Summary,
    effects: Vec<Effect>,
    now: Timestamp,
    future: Timestamp,
}

impl Work {
    fn step(&mut self, input: Input, observer: &mut impl Observer) -> std::io::Result<()> {
        if let Input::Event(event) = &input {
            self.summary.event(event, self.future);
        }
        match input {
            Input::Event(_) => {
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
    future: Timestamp,
    topics: Vec<Topic<S>>,
}

/// The time that a record is merged by.
fn time(head: &Head, future: Timestamp) -> Option<Timestamp> {
    let time = head.as_ref().ok()?.event.time;
    (time <= future).then_some(time)
}

impl<S: Source> Merge<'_, S> {
    fn fill(&mut self) -> std::io::Result<()> {
        (0..self.topics.len()).try_for_each(|topic| self.read(topic))
    }

    /// Takes the record that a task would take next: the earliest of the topics' next ones. What is no
    /// event has no time, and one of the future none to go by: they wait for nobody.
    fn take(&mut self) -> std::io::Result<Option<(usize, Head)>> {
        let future = self.future;
        let heads = self.topics.iter().enumerate();
        let first = heads
            .filter_map(|(i, topic)| topic.next.as_ref().map(|head| (time(head, future), i)))
            .min();
        let Some((_, topic)) = first else {
            return Ok(None);
        };
        let head = self.topics[topic].next.take();
        self.read(topic)?;
        Ok(head.map(|head| (topic, head)))
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
            everybody: topic.everybody,
            ..Origin::default()
        };
        self.schemas
            .load_for(self.decoder, &topic.name, &record.payload)
            .map_err(std::io::Error::other)?;
        topic.next = Some(self.decoder.decode(&record.payload, &origin));
        Ok(())
    }
}

impl<S> Topic<S> {
    fn unread(&self, future: Timestamp) -> Unread {
        match &self.next {
            None if self.ended => Unread::Nothing,
            None => Unread::Something,
            Some(head) => time(head, future).map_or(Unread::Something, Unread::Next),
        }
    }
}
