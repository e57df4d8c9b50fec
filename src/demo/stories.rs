//! The stories of two customers: what each did, which moment came true, and what was decided.
//!
//! One seat is for the people who were made up, one for the real sessions. Whoever has the most to tell sits there, and stays a
//! while, so that one can read.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap, VecDeque};

use super::decided::Decided;
use super::deeds::{Deed, Told};
use super::programmes::Programmes;
use crate::event::Text;
use crate::time::{DAY_MS, Timestamp};

/// Seats at the front.
pub const SEATS: usize = 2;
/// What is kept of somebody: more than a screen shows.
const CHAPTERS_MAX: usize = 40;
/// For so long somebody keeps her seat, in event time: some seconds on the wall.
const SEATED_MS: i64 = 6 * DAY_MS;
/// Whoever was asked for keeps it longer by this.
const ASKED_FOR_MS: i64 = 6 * DAY_MS;
/// So many stories can be asked for in turn.
const TURNS: usize = 12;
/// By so much a story must be better to take the seat of another.
const BETTER: usize = 4;

/// Everybody's stories.
#[derive(Debug)]
pub struct Stories {
    from: Timestamp,
    people: HashMap<Text, Story>,
    seats: [Option<Seat>; SEATS],
}

#[derive(Clone, Debug)]
struct Seat {
    customer: Text,
    since: Timestamp,
}

/// What is known of one customer's days.
#[derive(Debug, Default)]
struct Story {
    reachable: Vec<Text>,
    orders_before: u32,
    chapters: VecDeque<Chapter>,
    treated: BTreeSet<Text>,
    refused: BTreeSet<Text>,
}

#[derive(Debug)]
enum Chapter {
    Did(Told),
    Decided(Box<Decided>),
}

/// A line of a story.
#[derive(Clone, Debug, PartialEq)]
pub enum Line {
    /// What she did.
    Did(Timestamp, String),
    /// A moment that came true: when, its trigger, and why.
    Moment(Timestamp, Text, String),
    /// What was sent for it.
    Sent(String),
    /// Why nothing was.
    Refused(String),
}

impl Stories {
    /// Nothing told yet; what happened before `from` is known, not told.
    #[must_use]
    pub fn new(from: Timestamp) -> Self {
        Self {
            from,
            people: HashMap::new(),
            seats: [const { None }; SEATS],
        }
    }

    /// Somebody did something.
    pub fn told(&mut self, told: Told) {
        let Some(deed) = &told.deed else { return };
        let story = self.people.entry(told.customer.clone()).or_default();
        if let Deed::Known(reachable) = deed {
            story.reachable.clone_from(reachable);
        }
        if told.at < self.from {
            story.orders_before += u32::from(matches!(deed, Deed::Ordered { .. }));
            return;
        }
        if let Some(Chapter::Did(last)) = story.chapters.back_mut()
            && last.goes_on(&told)
        {
            return;
        }
        story.add(Chapter::Did(told));
    }

    /// Something was decided.
    pub fn decided(&mut self, decided: Decided) {
        if decided.at() < self.from {
            return;
        }
        let (customer, at) = (decided.customer.clone(), decided.at());
        let story = self.people.entry(customer.clone()).or_default();
        match decided.refusal() {
            _ if decided.is_withdrawal() => false,
            None => story.treated.insert(decided.trigger.clone()),
            Some(_) => story.refused.insert(decided.trigger.clone()),
        };
        story.add(Chapter::Decided(Box::new(decided)));
        self.offer_seat(customer, at);
    }

    fn offer_seat(&mut self, customer: Text, at: Timestamp) {
        let worth = self.worth(&customer);
        let seat = seat_of(&customer);
        let taken = self.seats[seat].as_ref().is_some_and(|sitting| {
            sitting.customer == customer
                || at.0 - sitting.since.0 < SEATED_MS
                || worth < self.worth(&sitting.customer) + BETTER
        });
        if !taken && worth > 0 {
            self.seats[seat] = Some(Seat {
                customer,
                since: at,
            });
        }
    }

    /// Gives the first seat to the next of those who have most to tell, until another asks or her story is over.
    pub fn seat_another(&mut self, now: Timestamp) {
        let mut best: Vec<(usize, &Text)> = self
            .people
            .keys()
            .filter(|customer| seat_of(customer) == 0)
            .map(|customer| (self.worth(customer), customer))
            .filter(|(worth, _)| *worth > 0)
            .collect();
        best.sort_unstable_by_key(|(worth, customer)| (Reverse(*worth), *customer));
        best.truncate(TURNS);
        let sitting = self.seats[0].as_ref().map(|seat| &seat.customer);
        let place = best
            .iter()
            .position(|(_, customer)| Some(*customer) == sitting);
        let next = place.map_or(0, |place| (place + 1) % best.len());
        if let Some((_, customer)) = best.get(next) {
            self.seats[0] = Some(Seat {
                customer: (*customer).clone(),
                since: now.plus(ASKED_FOR_MS),
            });
        }
    }

    /// At the end the best have the seats, however long the others sat.
    pub fn seat_best(&mut self) {
        for seat in 0..SEATS {
            let here = self
                .people
                .keys()
                .filter(|customer| seat_of(customer) == seat);
            let best = here
                .max_by_key(|customer| (self.worth(customer), Reverse(*customer)))
                .cloned();
            if let Some(customer) = best.filter(|customer| self.worth(customer) > 0) {
                self.seats[seat] = Some(Seat {
                    customer,
                    since: self.from,
                });
            }
        }
    }

    /// How much there is to tell: different treatments, and different reasons for none.
    fn worth(&self, customer: &str) -> usize {
        self.people.get(customer).map_or(0, |story| {
            let both = !story.treated.is_empty() && !story.refused.is_empty();
            3 * story.treated.len() + 2 * story.refused.len() + 3 * usize::from(both)
        })
    }

    /// Whoever sits at the front.
    pub fn seated(&self) -> impl Iterator<Item = &str> {
        self.seats
            .iter()
            .flatten()
            .map(|seat| seat.customer.as_str())
    }

    /// How many customers there are.
    #[must_use]
    pub fn customers(&self) -> usize {
        self.people.len()
    }

    /// Who somebody is, and her story, chapter by chapter.
    #[must_use]
    pub fn of(&self, customer: &str, programmes: &Programmes) -> Option<(String, Vec<Vec<Line>>)> {
        let story = self.people.get(customer)?;
        let chapters = story
            .chapters
            .iter()
            .map(|chapter| chapter.lines(programmes))
            .collect();
        Some((story.who(customer), chapters))
    }
}

/// The real sessions have a seat of their own.
fn seat_of(customer: &str) -> usize {
    usize::from(customer.starts_with("otto-"))
}

impl Story {
    /// Adds a chapter where it belongs by time: a deadline is told after what was done meanwhile.
    fn add(&mut self, chapter: Chapter) {
        let later = self
            .chapters
            .iter()
            .rev()
            .take_while(|other| other.at() > chapter.at())
            .count();
        self.chapters.insert(self.chapters.len() - later, chapter);
        if self.chapters.len() > CHAPTERS_MAX {
            self.chapters.pop_front();
        }
    }

    fn who(&self, customer: &str) -> String {
        let (name, _) = customer.split_once('-').unwrap_or((customer, ""));
        let mut letters = name.chars();
        let name: String = letters
            .next()
            .map(|first| first.to_uppercase().chain(letters).collect())
            .unwrap_or_default();
        let who = match name.as_str() {
            "Otto" => "A real shopper".to_owned(),
            "Visitor" => "Somebody without a name".to_owned(),
            _ => name,
        };
        let reachable = match self.reachable.as_slice() {
            [] => "said yes to no channel".to_owned(),
            channels => format!("said yes to {}", channels.join(", ")),
        };
        let orders = match self.orders_before {
            0 => String::new(),
            1 => ", 1 order before".to_owned(),
            orders => format!(", {orders} orders before"),
        };
        format!("{who} ({customer}){orders}, {reachable}")
    }
}

impl Chapter {
    fn at(&self) -> Timestamp {
        match self {
            Self::Did(told) => told.at,
            Self::Decided(decided) => decided.at(),
        }
    }

    fn lines(&self, programmes: &Programmes) -> Vec<Line> {
        match self {
            Self::Did(told) => {
                let words = told.deed.as_ref().map(Deed::words);
                words
                    .map(|words| Line::Did(told.at, words))
                    .into_iter()
                    .collect()
            }
            Self::Decided(decided) => {
                let moment = Line::Moment(
                    decided.at(),
                    decided.trigger.clone(),
                    decided.why(programmes),
                );
                let outcome = match decided.refusal() {
                    None => Line::Sent(decided.what()),
                    Some(_) => Line::Refused(decided.what()),
                };
                vec![moment, outcome]
            }
        }
    }
}
