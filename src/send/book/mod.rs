//! What of a channel is open, under way, and done but not saved: all that a sender decides, without I/O.
//!
//! In goes what was read ([`Book::take`], [`Book::caught_up`]) and what came of attempts ([`Book::came`]); out come attempts to make
//! ([`Book::next`]) and what is to be saved ([`Book::unsaved`], [`Book::saved`]). What must stay true: a command has one attempt at a
//! time; one that ended has none any more, even where it is read again because saving failed; a withdrawal stays open as long as its
//! command is under way; nothing is begun before what stands behind it was read, as far as there is room, so that a withdrawal
//! that is there is heeded.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::attempt::{Attempt, pause};
use super::command::{Command, NoCommand, Received};
use super::window::Window;
use crate::time::Timestamp;

/// Where a record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Its partition.
    pub partition: i32,
    /// Its offset there.
    pub offset: i64,
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// The receiver has it.
    Delivered,
    /// Nobody is at the address.
    Bounced,
    /// The receiver does not take it, or there is no address.
    Refused,
    /// Its `valid_until` had passed before the first attempt.
    Expired,
    /// It was tried as long as it may be.
    GivenUp,
    /// It was taken back before it was delivered.
    Withdrawn,
    /// The record is no command.
    Unreadable,
}

impl End {
    /// Every end.
    pub const ALL: [Self; 7] = [
        Self::Delivered,
        Self::Bounced,
        Self::Refused,
        Self::Expired,
        Self::GivenUp,
        Self::Withdrawn,
        Self::Unreadable,
    ];

    /// The word for it in the log and in metrics.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Bounced => "bounced",
            Self::Refused => "refused",
            Self::Expired => "expired",
            Self::GivenUp => "given_up",
            Self::Withdrawn => "withdrawn",
            Self::Unreadable => "unreadable",
        }
    }
}

/// A command that ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// The command; none where the record is none.
    pub command: Option<Arc<Command>>,
    /// How.
    pub end: End,
    /// Why, where there is more to say.
    pub why: String,
}

/// An attempt to make.
#[derive(Clone, Debug)]
pub struct Job {
    /// Where the command stands.
    pub place: Place,
    /// The command.
    pub command: Arc<Command>,
}

/// How far a partition is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress<'a> {
    /// Its number.
    pub partition: i32,
    /// What is read and done of it.
    pub window: &'a Window,
}

/// That a command is tried again.
#[derive(Clone, Debug)]
pub struct Again {
    /// The command.
    pub command: Arc<Command>,
    /// Attempts so far.
    pub attempts: u32,
    /// Why.
    pub why: String,
    /// In how long.
    pub after: Duration,
}

#[derive(Debug, Default)]
struct Part {
    window: Window,
    /// Its end was read, as it was then.
    is_caught_up: bool,
    is_unsaved: bool,
}

/// A command that is open.
#[derive(Debug)]
struct Held {
    command: Arc<Command>,
    attempts: u32,
    /// When the next attempt is due.
    due: Timestamp,
    /// When the first was made.
    since: Option<Timestamp>,
    /// Where the withdrawal of it stands, that was read while it was under way.
    withdrawal: Option<i64>,
}

/// What of a channel is open, under way, and done but not saved.
#[derive(Debug)]
pub struct Book {
    parallel: usize,
    give_up_after_ms: i64,
    parts: BTreeMap<i32, Part>,
    held: BTreeMap<Place, Held>,
    places: BTreeMap<Uuid, Place>,
    due: BTreeSet<(Timestamp, Place)>,
    under_way: BTreeSet<Place>,
    ended: BTreeMap<Place, Ended>,
}

impl Book {
    /// Nothing is read yet. At most `parallel` attempts at a time, and of a command for so many milliseconds.
    #[must_use]
    pub fn new(parallel: usize, give_up_after_ms: i64) -> Self {
        Self {
            parallel,
            give_up_after_ms,
            parts: BTreeMap::new(),
            held: BTreeMap::new(),
            places: BTreeMap::new(),
            due: BTreeSet::new(),
            under_way: BTreeSet::new(),
            ended: BTreeMap::new(),
        }
    }

    /// A partition is ours, from this offset on, with the metadata that stands by it.
    pub fn assign(&mut self, partition: i32, offset: i64, metadata: &str) {
        let window = Window::restored(offset, metadata);
        // What is saved need not be saved again.
        self.ended
            .retain(|place, _| place.partition != partition || !window.is_done(place.offset));
        let part = Part {
            window,
            ..Part::default()
        };
        self.parts.insert(partition, part);
    }

    /// No partition is ours any more. What is under way goes on, and what ended is still known.
    pub fn revoke(&mut self) {
        self.parts.clear();
        self.held.clear();
        self.places.clear();
        self.due.clear();
    }

    /// Takes a record that was read.
    pub fn take(&mut self, place: Place, received: Result<Received, NoCommand>) {
        let Some(part) = self.parts.get_mut(&place.partition) else {
            return;
        };
        part.is_unsaved = true;
        if !part.window.take(place.offset) {
            return;
        }
        if self.ended.contains_key(&place) {
            return part.window.finish(place.offset);
        }
        match received {
            Ok(Received::Treatment(command)) => self.hold(place, Arc::from(command)),
            Ok(Received::Withdrawal(id)) => self.withdraw(place, id),
            Err(error) => self.end(
                place,
                Ended {
                    command: None,
                    end: End::Unreadable,
                    why: error.to_string(),
                },
            ),
        }
    }

    fn hold(&mut self, place: Place, command: Arc<Command>) {
        if !self.under_way.contains(&place) {
            self.due.insert((command.good_from, place));
        }
        self.places.insert(command.id, place);
        let held = Held {
            attempts: 0,
            due: command.good_from,
            command,
            since: None,
            withdrawal: None,
        };
        self.held.insert(place, held);
    }

    /// A command is taken back: at once where it is not under way, else when that is over.
    fn withdraw(&mut self, at: Place, id: Uuid) {
        let place = self.places.get(&id).copied();
        let is_under_way = place.is_some_and(|place| self.under_way.contains(&place));
        if let Some(place) = place {
            match self.held.get_mut(&place) {
                // One stays open for it; of more nothing is to be known.
                Some(held) if is_under_way && held.withdrawal.is_none() => {
                    held.withdrawal = Some(at.offset);
                    return;
                }
                _ if is_under_way => {}
                _ => self.finish(place, End::Withdrawn, String::new()),
            }
        }
        if let Some(part) = self.parts.get_mut(&at.partition) {
            part.window.finish(at.offset);
        }
    }

    /// A partition has nothing more to read for now.
    pub fn caught_up(&mut self, partition: i32) {
        if let Some(part) = self.parts.get_mut(&partition) {
            part.is_caught_up = true;
        }
    }

    /// The next attempt to make, if any: it is under way then.
    pub fn next(&mut self, now: Timestamp) -> Option<Job> {
        while self.under_way.len() < self.parallel {
            let mut due = self.due.range(..=(now, LAST));
            let (at, place) = *due.find(|(_, place)| {
                let part = self.parts.get(&place.partition);
                part.is_some_and(|part| {
                    (part.is_caught_up || part.window.is_full())
                        && part.window.reaches(place.offset)
                })
            })?;
            self.due.remove(&(at, place));
            let held = self.held.get_mut(&place)?;
            if now > held.command.valid_until {
                let end = match held.attempts {
                    0 => End::Expired,
                    _ => End::GivenUp,
                };
                self.finish(place, end, String::new());
                continue;
            }
            held.attempts += 1;
            held.since.get_or_insert(now);
            self.under_way.insert(place);
            let command = Arc::clone(&held.command);
            return Some(Job { place, command });
        }
        None
    }

    /// When something is due next, if anything is.
    #[must_use]
    pub fn due(&self) -> Option<Timestamp> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Takes what came of an attempt. What is said where the command is tried again.
    pub fn came(&mut self, job: &Job, attempt: Attempt, now: Timestamp) -> Option<Again> {
        let place = job.place;
        self.under_way.remove(&place);
        let (end, why) = match attempt {
            Attempt::Delivered => (End::Delivered, String::new()),
            Attempt::Bounced(why) => (End::Bounced, why),
            Attempt::Refused(why) => (End::Refused, why),
            Attempt::Later(why, asked) => return self.again(place, why, asked, now),
        };
        match self.held.contains_key(&place) {
            true => self.finish(place, end, why),
            // The partition is not ours any more, or not read again yet.
            false => {
                let command = Some(Arc::clone(&job.command));
                self.ended.insert(place, Ended { command, end, why });
            }
        }
        None
    }

    fn again(
        &mut self,
        place: Place,
        why: String,
        asked: Option<Duration>,
        now: Timestamp,
    ) -> Option<Again> {
        let held = self.held.get_mut(&place)?;
        if held.withdrawal.is_some() {
            self.finish(place, End::Withdrawn, why);
            return None;
        }
        let attempts = held.attempts.max(1);
        let after = pause(held.command.id, attempts, asked);
        let at = now.plus(i64::try_from(after.as_millis()).unwrap_or(i64::MAX));
        let since = held.since.unwrap_or(now);
        if at > held.command.valid_until || at > since.plus(self.give_up_after_ms) {
            self.finish(place, End::GivenUp, why);
            return None;
        }
        self.due.insert((at, place));
        held.due = at;
        Some(Again {
            command: Arc::clone(&held.command),
            attempts,
            why,
            after,
        })
    }

    fn finish(&mut self, place: Place, end: End, why: String) {
        let Some(held) = self.held.remove(&place) else {
            return;
        };
        self.due.remove(&(held.due, place));
        if self.places.get(&held.command.id) == Some(&place) {
            self.places.remove(&held.command.id);
        }
        let command = Some(held.command);
        self.end(place, Ended { command, end, why });
        if let Some(offset) = held.withdrawal
            && let Some(part) = self.parts.get_mut(&place.partition)
        {
            part.window.finish(offset);
        }
    }

    fn end(&mut self, place: Place, ended: Ended) {
        self.ended.insert(place, ended);
        if let Some(part) = self.parts.get_mut(&place.partition) {
            part.window.finish(place.offset);
            part.is_unsaved = true;
        }
    }

    /// What is to be saved together: how far partitions are, and what ended in those that are ours. Nothing, where nothing changed.
    #[must_use]
    pub fn unsaved(&self) -> Option<(Vec<Progress<'_>>, Vec<&Ended>)> {
        let parts = self.parts.iter().filter(|(_, part)| part.is_unsaved);
        let parts: Vec<Progress<'_>> = parts
            .map(|(partition, part)| Progress {
                partition: *partition,
                window: &part.window,
            })
            .collect();
        let ended = self.ended.iter();
        let ended = ended.filter(|(place, _)| self.is_read(**place));
        (!parts.is_empty()).then(|| (parts, ended.map(|(_, ended)| ended).collect()))
    }

    /// Whether a record is in the window of a partition that is ours.
    fn is_read(&self, place: Place) -> bool {
        let part = self.parts.get(&place.partition);
        part.is_some_and(|part| part.window.has_read(place.offset))
    }

    /// What was unsaved is saved; what ended of it.
    pub fn saved(&mut self) -> Vec<Ended> {
        let places = self.ended.keys().copied();
        let saved: Vec<Place> = places.filter(|place| self.is_read(*place)).collect();
        for part in self.parts.values_mut() {
            part.is_unsaved = false;
            part.window.trim();
        }
        let ended = saved.iter().filter_map(|place| self.ended.remove(place));
        ended.collect()
    }

    /// The partitions of which no more should be read for now.
    pub fn full(&self) -> impl Iterator<Item = i32> {
        let full = self.parts.iter().filter(|(_, part)| part.window.is_full());
        full.map(|(partition, _)| *partition)
    }

    /// Attempts that are under way.
    #[must_use]
    pub fn under_way(&self) -> usize {
        self.under_way.len()
    }

    /// Commands that are open, under way or not.
    #[must_use]
    pub fn open(&self) -> usize {
        self.held.len()
    }
}

/// Behind every other place.
const LAST: Place = Place {
    partition: i32::MAX,
    offset: i64::MAX,
};

#[cfg(test)]
mod tests;
