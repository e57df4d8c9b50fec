//! A history, folded and nothing more: what triggers would know of everybody had they been there from the start.
//!
//! [`Gatherer`] reads its sources as a rehearsal does, by event time, to where they end, and may be asked to [read](Gatherer::read) on
//! when more was added to them. What happened to everybody is passed over: no trigger remembers anything of it.

use std::io;

use super::shard::{Happening, Shard};
use super::{Observer, RehearsalSettings, Source, Summary, Taken, Teller};
use crate::engine::Engine;

/// Folds a history.
pub struct Gatherer<'a, S> {
    teller: Teller<'a, S>,
    shard: Shard,
    summary: Summary,
}

impl<'a, S: Source> Gatherer<'a, S> {
    /// Nothing is read yet. Moments are decided as the settings' triggers say, and forgotten: with all of them off, nothing else is known
    /// of anybody than what her events say.
    #[must_use]
    pub fn new(settings: &'a RehearsalSettings, sources: Vec<(Taken, S)>) -> Self {
        let teller = Teller::new(settings, sources, 1);
        Self {
            teller: Teller {
                goes_on: true,
                ..teller
            },
            shard: Shard::gathering(&settings.plan),
            summary: Summary::new([&*settings.plan]),
        }
    }

    /// Reads on to where all sources end now.
    ///
    /// # Errors
    /// Where one cannot be read.
    pub fn read(&mut self, observer: &mut impl Observer) -> io::Result<()> {
        self.teller.arrivals.go_on();
        let mut is_over = false;
        while !is_over {
            let batch;
            (batch, is_over) = self.teller.batch(&mut self.summary, observer)?;
            for happenings in batch.happenings {
                let hers = |it: &Happening| !matches!(it, Happening::Everybody(_));
                let happenings = happenings.into_iter().filter(|(_, it)| hers(it));
                self.shard.goes_through(&batch.ticks, happenings.collect());
            }
        }
        Ok(())
    }

    /// Everybody, as of her last event.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        self.shard.engine()
    }

    /// What was read: events, and what is none.
    #[must_use]
    pub fn summary(&self) -> &Summary {
        &self.summary
    }
}
