//! A part of the customers, and what is decided of them.
//!
//! Every shard goes the same way through time; of what happens it is told what is its customers'. What it hears says where it belongs
//! among what the others hear, so that all of it together stands as if there was one.

use std::cmp::Ordering;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};

use super::clock::{Silence, Tick};
use super::work::{Hears, Work};
use crate::engine::belongings::Belongings;
use crate::engine::{Effect, Engine, Input};
use crate::event::{CustomerId, Event};
use crate::table::rows;
use crate::time::Timestamp;
use crate::treatment::Decision;
use crate::trigger::plan::Plan;

/// What happens to the customers of a shard.
#[derive(Debug)]
pub(super) enum Happening {
    /// One of them did something.
    Event(Box<Event>),
    /// Something happened to everybody.
    Everybody(Arc<Event>),
    /// A row of a table was told.
    Row(Box<rows::Told>),
    /// These are another shard's from now on.
    Go(Vec<CustomerId>, Sender<Belongings>),
    /// Those whom another shard gives away are its own.
    Come(Receiver<Belongings>),
}

/// What happens at which tick of a batch, in order.
pub(super) type Happenings = Vec<(u32, Happening)>;

/// At which step of a tick something was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    /// Before it, in silence, at a deadline.
    Silence(Timestamp),
    /// By an event: of one shard alone, in the order in which it did.
    Event,
    /// By what happened to everybody: in byte order of ids.
    Everybody,
    /// As the watermark moved.
    Watermark,
}

/// What was decided, and where that stands among all of a batch.
pub(super) struct Decided {
    tick: u32,
    step: Step,
    pub decision: Box<Decision>,
}

impl Decided {
    /// The order in which one engine alone decides: [`Effect::Decided`] of one customer stay as they were.
    pub fn order(&self, other: &Self) -> Ordering {
        let place = |it: &Self| (it.tick, it.step);
        let (one, another) = (&self.decision, &other.decision);
        let within = || match self.step {
            Step::Event => Ordering::Equal,
            Step::Everybody => one.customer.cmp(&another.customer),
            Step::Silence(_) | Step::Watermark => {
                let asked = one.asked_at.cmp(&another.asked_at);
                asked.then_with(|| one.customer.cmp(&another.customer))
            }
        };
        place(self).cmp(&place(other)).then_with(within)
    }
}

/// What a shard heard in a batch.
#[derive(Default)]
pub(super) struct Heard {
    /// What was decided, in order.
    pub decided: Vec<Decided>,
    /// What else followed; where it stands makes no difference.
    pub others: Vec<Effect>,
    /// Where it is.
    at: Option<(u32, Step)>,
}

impl Hears for Heard {
    fn effect(&mut self, effect: Effect) -> io::Result<()> {
        match (effect, self.at) {
            (Effect::Decided(decision), Some((tick, step))) => self.decided.push(Decided {
                tick,
                step,
                decision,
            }),
            (other, _) => self.others.push(other),
        }
        Ok(())
    }
}

/// A part of the customers.
pub(super) struct Shard {
    work: Work,
    /// Where the watermark is, whether the engine had to be told or not.
    watermark: Timestamp,
    /// Whether it says what each of them would.
    first: bool,
}

impl Shard {
    /// Nobody is there yet. The first says what each of them would.
    pub fn new(plan: &Arc<Plan>, first: bool) -> Self {
        Self {
            work: Work::new(Engine::new(Arc::clone(plan)).unlimited()),
            watermark: Timestamp::MIN,
            first,
        }
    }

    /// The same, alone, to [fold](Engine::gathering) and nothing more.
    pub fn gathering(plan: &Arc<Plan>) -> Self {
        let engine = Engine::new(Arc::clone(plan)).unlimited().gathering();
        Self {
            work: Work::new(engine),
            ..Self::new(plan, true)
        }
    }

    /// Its customers.
    pub fn engine(&self) -> &Engine {
        &self.work.engine
    }

    /// Goes through a batch; what it heard. None: another shard is gone.
    pub fn goes_through(&mut self, ticks: &[Tick], happenings: Happenings) -> Option<Heard> {
        let mut heard = Heard::default();
        let mut happenings = happenings.into_iter().peekable();
        for (number, tick) in (0..).zip(ticks) {
            if let Some(silence) = tick.silence {
                self.silence(number, silence, &mut heard);
            }
            self.work.now = self.work.now.max(tick.now);
            while let Some((_, happening)) = happenings.next_if(|(at, _)| *at == number) {
                self.takes(number, happening, &mut heard)?;
            }
            heard.at = Some((number, Step::Watermark));
            self.reaches(tick.watermark, &mut heard);
        }
        Some(heard)
    }

    /// Silence leads time to `to`, and the clock to each deadline before.
    fn silence(&mut self, number: u32, silence: Silence, heard: &mut Heard) {
        let Silence { to, lag_ms } = silence;
        while let Some(look) = self.next_look(to) {
            heard.at = Some((number, Step::Silence(look)));
            self.work.now = self.work.now.max(look.plus(lag_ms));
            self.step(Input::Watermark(look), heard);
        }
        self.watermark = self.watermark.max(to);
    }

    /// The next instant, at most `to`, at which somebody must be looked at.
    fn next_look(&self, to: Timestamp) -> Option<Timestamp> {
        let look = self.work.engine.next_look().filter(|look| *look <= to)?;
        Some(look.max(self.work.engine.watermark().plus(1)))
    }

    /// Takes what happens. None: another shard is gone.
    fn takes(&mut self, number: u32, happening: Happening, heard: &mut Heard) -> Option<()> {
        match happening {
            Happening::Event(event) => {
                heard.at = Some((number, Step::Event));
                self.step(Input::Watermark(self.watermark), heard);
                self.step(Input::Event(event), heard);
            }
            Happening::Everybody(event) => {
                heard.at = Some((number, Step::Everybody));
                self.step(Input::Watermark(self.watermark), heard);
                let before = heard.others.len();
                self.step(Input::Everybody(Box::new(Event::clone(&event))), heard);
                if !self.first {
                    let twice = heard
                        .others
                        .extract_if(before.., |it| *it == Effect::Duplicate);
                    twice.for_each(drop);
                }
            }
            Happening::Row(told) => {
                self.step(Input::Watermark(self.watermark), heard);
                let before = heard.others.len();
                self.step(Input::Row(told), heard);
                if !self.first {
                    heard.others.truncate(before);
                }
            }
            Happening::Go(ids, to) => {
                // What is forgotten by now does not go along.
                self.step(Input::Watermark(self.watermark), heard);
                to.send(self.work.engine.give_away(&ids)).ok()?;
            }
            Happening::Come(from) => self.work.engine.take_over(from.recv().ok()?),
        }
        Some(())
    }

    /// The watermark moves. Where nobody must be looked at, the engine is told when somebody must, or does something.
    fn reaches(&mut self, watermark: Timestamp, heard: &mut Heard) {
        self.watermark = self.watermark.max(watermark);
        if self.next_look(self.watermark).is_some() {
            self.step(Input::Watermark(self.watermark), heard);
        }
    }

    fn step(&mut self, input: Input, heard: &mut Heard) {
        let told = self.work.step(input, heard);
        debug_assert!(told.is_ok(), "what is heard is kept");
    }

    /// Nothing comes any more.
    pub fn ends(mut self) -> Ended {
        // What follows was said when somebody had to be looked at.
        self.step(Input::Watermark(self.watermark), &mut Heard::default());
        let open = self.work.engine.ends();
        Ended {
            engine: self.work.engine,
            now: self.work.now,
            open,
        }
    }
}

/// A shard to which nothing comes any more.
pub(super) struct Ended {
    pub engine: Engine,
    /// What its clock shows.
    pub now: Timestamp,
    /// Armed deadlines, by trigger.
    pub open: Vec<usize>,
}
