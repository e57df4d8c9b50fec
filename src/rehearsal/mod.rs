//! The same engine, policy included, over files of past events.
//!
//! [`rehearse`] takes each file as a topic in its order of arrival, and merges them as a task does. It has a clock of its own, which
//! runs from record to record (when each arrived: its append time where the file has it, else its own time as far as what stands
//! behind it in the file bears that out) and stops at each deadline in between, as silence leads time there live. At the end of the
//! input time moves to the largest event time. With `time.clock = "event"` the clock is the largest event time instead.
//! [`replay`] takes the runs, watermarks and clock readings of a production journal, and gives what production gave, byte for byte.
//!
//! No result depends on the day on which it is run.

mod arrivals;
mod clock;
pub mod compare;
mod crew;
pub mod gather;
pub mod envelope;
pub mod files;
pub mod expected;
pub mod forecast;
mod homes;
pub mod html;
pub mod recording;
mod replay;
mod shard;
pub mod summary;
mod work;

use std::io;
use std::sync::Arc;
use std::sync::mpsc::channel;

pub use replay::{ReplayError, replay};
pub use summary::Summary;

use self::arrivals::{Arrivals, Read};
use self::clock::Clock;
use self::crew::{Batch, Crew};
use self::homes::Homes;
use self::shard::{Decided, Happening, Heard};
use crate::decode::{Decoded, Decoder};
use crate::engine::{Effect, Engine};
use crate::event::Event;
use crate::event::record::Header;
use crate::registry;
use crate::task::watermark::{ClockMode, TopicSettings};
use crate::time::Timestamp;
use crate::treatment::Decision;
use crate::trigger::plan::Plan;

/// Ticks of a batch: what a shard does in some milliseconds.
const TICKS: usize = 2_048;

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
    fn next(&mut self) -> io::Result<Option<Vec<u8>>>;

    /// What has been added since it ended is read on from; nothing is to a file.
    fn goes_on(&mut self) {}

    /// The same as [`Source::next`], with key and headers.
    ///
    /// # Errors
    /// Where it cannot be read.
    fn next_record(&mut self) -> io::Result<Option<Record>> {
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
    /// How many threads work on it, beside that which reads; by one all is done where it is called. It changes nothing but the speed.
    pub threads: usize,
}

impl RehearsalSettings {
    /// Into how many parts customers are shared out: one, where what is decided of one depends on others.
    fn shards(&self) -> usize {
        match self.plan.parts_customers() {
            true => self.threads.max(1),
            false => 1,
        }
    }
}

/// What a rehearsal tells while it goes on.
pub trait Observer {
    /// A record was read.
    fn record(&mut self) {}

    /// A moment was decided.
    ///
    /// # Errors
    /// Where what was decided cannot be written.
    fn decided(&mut self, decision: &Decision) -> io::Result<()>;

    /// Up to when it looks on: what arrived later is not taken, and time stops there. None: to the end.
    fn until(&self) -> Option<Timestamp> {
        None
    }

    /// It is over, at this reading of the clock: this is how everybody stands. Said of each task of a journal, and of each part of the
    /// customers where several threads share them.
    fn ends(&mut self, _engine: &Engine, _now: Timestamp) {}
}

/// A topic to be rehearsed.
#[derive(Debug)]
pub struct Taken {
    /// How it takes part in time.
    pub settings: TopicSettings,
    /// Whether it tells what happened to everybody.
    pub everybody: bool,
}

/// Rehearses over `sources`: a topic's settings and its records, sorted by name.
///
/// # Errors
/// Where a source cannot be read or the observer cannot write.
pub fn rehearse<S: Source>(
    settings: &RehearsalSettings,
    sources: Vec<(Taken, S)>,
    observer: &mut impl Observer,
) -> io::Result<Summary> {
    let shards = settings.shards();
    let mut teller = Teller::new(settings, sources, shards);
    let mut summary = Summary::new([&*settings.plan]);
    std::thread::scope(|scope| {
        let mut crew = Crew::begin(scope, &settings.plan, (settings.threads, shards));
        let mut is_over = false;
        while !is_over {
            let batch;
            (batch, is_over) = teller.batch(&mut summary, observer)?;
            crew.give(batch)?;
            while let Some(heard) = crew.hear(is_over)? {
                tell(heard, &mut summary, observer)?;
            }
        }
        let ended = crew.end()?;
        let now = ended.iter().map(|it| it.now).max();
        for shard in &ended {
            observer.ends(&shard.engine, now.unwrap_or(shard.now));
            summary.end(&shard.engine, &shard.open);
        }
        Ok(summary)
    })
}

/// Says what all shards heard in a batch, as if there was one.
fn tell(heard: Vec<Heard>, summary: &mut Summary, observer: &mut impl Observer) -> io::Result<()> {
    let several = heard.len() > 1;
    let mut decided = Vec::new();
    for mut heard in heard {
        heard.others.into_iter().for_each(|it| summary.effect(it));
        decided.append(&mut heard.decided);
    }
    if several {
        decided.sort_by(Decided::order);
    }
    for Decided { decision, .. } in decided {
        observer.decided(&decision)?;
        summary.effect(Effect::Decided(decision));
    }
    Ok(())
}

/// Says what happens, and to whom.
struct Teller<'a, S> {
    arrivals: Arrivals<'a, S>,
    clock: Clock,
    homes: Homes,
    shards: usize,
    /// Whether more may come when all sources have ended.
    goes_on: bool,
}

impl<'a, S: Source> Teller<'a, S> {
    fn new(settings: &'a RehearsalSettings, sources: Vec<(Taken, S)>, shards: usize) -> Self {
        let timing = sources.iter().map(|(it, _)| it.settings.clone()).collect();
        Self {
            clock: Clock::new(timing, &settings.clock, settings.idle_delay_ms),
            arrivals: Arrivals::new(settings, sources),
            homes: Homes::new(shards),
            shards,
            goes_on: false,
        }
    }

    /// What happens next, and whether nothing does after it.
    fn batch(
        &mut self,
        summary: &mut Summary,
        observer: &mut impl Observer,
    ) -> io::Result<(Batch, bool)> {
        let mut batch = Batch::new(self.shards);
        let until = observer.until();
        while batch.ticks.len() < TICKS {
            let next = self.arrivals.take()?;
            if next.is_none() && self.goes_on {
                return Ok((batch, true));
            }
            let Some(next) = next.filter(|it| until.is_none() || it.arrived <= until) else {
                batch.ticks.push(match until {
                    Some(until) => self.clock.stops_at(until),
                    None => self.clock.ends(),
                });
                if until.is_some() || self.clock.last().is_some() {
                    summary.until = self.clock.last();
                }
                return Ok((batch, true));
            };
            observer.record();
            match next.head {
                Err(reject) => summary.reject(&reject),
                Ok(Read::Row(told)) => {
                    let of = (next.topic, next.customer);
                    let arrived = next.arrived.unwrap_or(told.at);
                    batch.tells_all(&told);
                    batch.ticks.push(self.clock.arrives(of, told.at, arrived));
                }
                Ok(Read::Event(Decoded {
                    event,
                    defects,
                    set_back_ms,
                })) => {
                    summary.defects(&defects);
                    summary.set_back += u64::from(set_back_ms > 0);
                    let arrived = next.arrived.unwrap_or(event.time);
                    let of = (next.topic, next.customer);
                    let tick = self.clock.arrives(of, event.time, arrived);
                    match next.everybody {
                        true => batch.happens_to_all(event),
                        false => {
                            summary.event(&event);
                            self.happens(event, &mut batch);
                        }
                    }
                    batch.ticks.push(tick);
                }
            }
        }
        Ok((batch, false))
    }

    /// A customer did something; whom it says she is as well comes to her shard before it.
    fn happens(&mut self, event: Event, batch: &mut Batch) {
        for former in &event.formers {
            if let Some(gone) = self.homes.join(&event.customer, &former.id) {
                let (sender, receiver) = channel();
                let to = self.homes.of(&event.customer);
                batch.happens(gone.from, Happening::Go(gone.ids, sender));
                batch.happens(to, Happening::Come(receiver));
            }
        }
        let shard = self.homes.of(&event.customer);
        batch.happens(shard, Happening::Event(Box::new(event)));
    }
}
