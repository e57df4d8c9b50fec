//! The records of all topics in the order in which they arrived, decoded.

use std::collections::VecDeque;
use std::io;

use xxhash_rust::xxh3::xxh3_64;

use super::{RehearsalSettings, Source, Taken};
use crate::decode::{Decoded, Decoder};
use crate::event::Position;
use crate::event::record::{Origin, Reject};
use crate::registry;
use crate::table::rows::Told;
use crate::task::order::Order;
use crate::task::watermark::{ClockMode, lateness};
use crate::time::Timestamp;

/// Records of a topic that are decoded ahead: what stands behind a record says whether its time is believed.
const AHEAD: usize = 256;

/// The next record of a topic, decoded.
type Head = Result<Read, Reject>;

/// What a record tells of.
#[expect(clippy::large_enum_variant, reason = "nearly all of them are events")]
pub(super) enum Read {
    /// Something happened.
    Event(Decoded),
    /// A row of a table was told.
    Row(Told),
}

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

impl Held {
    /// When it happened, where it is an event.
    fn time(&self) -> Option<Timestamp> {
        let read = self.head.as_ref().ok()?;
        Some(match read {
            Read::Event(read) => read.event.time,
            Read::Row(told) => told.at,
        })
    }
}

/// A record that is next.
pub(super) struct Next {
    /// The number of its topic.
    pub topic: usize,
    /// Whether that tells what happened to everybody.
    pub everybody: bool,
    /// What it is.
    pub head: Head,
    /// A hash of whom it tells of.
    pub customer: u64,
    /// When it arrived; none of what is no event.
    pub arrived: Option<Timestamp>,
}

/// Reads the topics side by side.
pub(super) struct Arrivals<'a, S> {
    decoder: &'a Decoder,
    schemas: &'a registry::Source,
    lateness_ms: i64,
    /// Whether records are taken as they arrived, where their files say when; else by event time.
    by_arrival: bool,
    topics: Vec<Topic<S>>,
}

impl<'a, S: Source> Arrivals<'a, S> {
    /// Nothing is read yet.
    pub fn new(settings: &'a RehearsalSettings, sources: Vec<(Taken, S)>) -> Self {
        let timing: Vec<_> = sources.iter().map(|(it, _)| it.settings.clone()).collect();
        let topic = |(taken, source): (Taken, S)| Topic {
            source,
            name: taken.settings.name,
            everybody: taken.everybody,
            held: VecDeque::new(),
            order: Order::default(),
            read: 0,
            ended: false,
        };
        Self {
            decoder: &settings.decoder,
            schemas: &settings.schemas,
            lateness_ms: lateness(&timing),
            by_arrival: settings.clock != ClockMode::Event,
            topics: sources.into_iter().map(topic).collect(),
        }
    }

    /// Sources that ended are read on.
    pub fn go_on(&mut self) {
        for topic in &mut self.topics {
            topic.source.goes_on();
            topic.ended = false;
        }
    }

    /// Takes the record that arrived next. What is no event has no time, and waits for nobody.
    ///
    /// # Errors
    /// Where a source cannot be read.
    pub fn take(&mut self) -> io::Result<Option<Next>> {
        for topic in 0..self.topics.len() {
            while self.topics[topic].held.len() < AHEAD && !self.topics[topic].ended {
                self.read(topic)?;
            }
        }
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
        Ok(Some(Next {
            topic: number,
            everybody: topic.everybody,
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

    fn read(&mut self, index: usize) -> io::Result<()> {
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
            .map_err(io::Error::other)?;
        let head = match self.decoder.brings_rows(&topic.name) {
            true => {
                let appended = record.appended;
                let origin = Origin { appended, ..origin };
                let told = self.decoder.row(&record.payload, &origin);
                told.map(Read::Row)
            }
            false => {
                let read = self.decoder.decode(&record.payload, &origin);
                read.map(Read::Event)
            }
        };
        let whose = head.as_ref().map_or("", |read| match read {
            Read::Event(read) => read.event.customer.as_str(),
            Read::Row(told) => told.key.as_str(),
        });
        let held = Held {
            customer: xxh3_64(whose.as_bytes()),
            appended: record.appended,
            head,
        };
        topic.order.push(held.time(), held.customer);
        topic.held.push_back(held);
        Ok(())
    }
}
