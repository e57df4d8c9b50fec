//! An engine at work on files.

use std::io;
use std::sync::Arc;

use crate::engine::{Effect, Engine, Input};
use crate::event::Event;
use crate::time::Timestamp;
use crate::trigger::plan::Plan;

/// Customers unpacked at once before they are packed again: some tens of MB.
const OPEN_CUSTOMERS_MAX: usize = 16_384;

/// Is told what follows.
pub(super) trait Hears {
    /// Something followed.
    ///
    /// # Errors
    /// Where what was decided cannot be written.
    fn effect(&mut self, effect: Effect) -> io::Result<()>;
}

/// An engine, and what its clock shows.
pub(super) struct Work {
    pub engine: Engine,
    pub now: Timestamp,
    effects: Vec<Effect>,
}

impl Work {
    pub fn new(engine: Engine) -> Self {
        Self {
            engine,
            now: Timestamp::MIN,
            effects: Vec::new(),
        }
    }

    pub fn step(&mut self, input: Input, heard: &mut impl Hears) -> io::Result<()> {
        match input {
            Input::Event(_) | Input::Transferred(_) | Input::Row(_) => {
                self.engine.step(input, self.now, &mut self.effects);
                self.worked(heard)
            }
            Input::Everybody(event) => {
                let (mut from, mut done) = (0, false);
                while !done {
                    (from, done) = self.everybody(&event, (from, None), heard)?;
                }
                Ok(())
            }
            Input::Watermark(to) => self.advance(to, heard),
        }
    }

    /// Shows what happened to everybody to some of them; who is next, and whether there is nobody.
    pub fn everybody(
        &mut self,
        event: &Event,
        slice: (usize, Option<usize>),
        heard: &mut impl Hears,
    ) -> io::Result<(usize, bool)> {
        let now = self.now;
        let swept = self.engine.broadcast(event, slice, now, &mut self.effects);
        self.worked(heard)?;
        Ok((swept.to, swept.done))
    }

    /// Moves time piece by piece, so that no more is held than one piece brings.
    fn advance(&mut self, to: Timestamp, heard: &mut impl Hears) -> io::Result<()> {
        let mut done = false;
        while !done {
            done = self.engine.advance(to, self.now, &mut self.effects).done;
            self.worked(heard)?;
        }
        Ok(())
    }

    /// What the journal says of the millisecond after a watermark.
    pub fn beyond(
        &mut self,
        watermark: Timestamp,
        beyond: u64,
        heard: &mut impl Hears,
    ) -> io::Result<()> {
        self.engine
            .advance_beyond(watermark, beyond, self.now, &mut self.effects);
        self.worked(heard)
    }

    fn worked(&mut self, heard: &mut impl Hears) -> io::Result<()> {
        self.tell(heard)?;
        if self.engine.open_customers() >= OPEN_CUSTOMERS_MAX {
            self.engine.seal();
            self.engine.committed();
        }
        Ok(())
    }

    /// Customers go over to other triggers, from the `from`-th on; where the next go on, none when all have.
    pub fn adopt(
        &mut self,
        plan: &Arc<Plan>,
        from: usize,
        heard: &mut impl Hears,
    ) -> io::Result<Option<usize>> {
        let now = self.now;
        let adopted = self.engine.adopt(plan, from, now, &mut self.effects);
        self.tell(heard)?;
        Ok((!adopted.done).then_some(adopted.to))
    }

    fn tell(&mut self, heard: &mut impl Hears) -> io::Result<()> {
        self.effects
            .drain(..)
            .try_for_each(|effect| heard.effect(effect))
    }
}
