//! A part of the customers, with what is still to come of them. Parts share nothing, and so are worked on side by side.

use std::collections::BTreeMap;

use super::calls::{Agenda, Batch, Teller};
use super::dice::Dice;
use super::person::Person;
use super::{PopulationSettings, World, days};
use crate::time::Timestamp;

/// Customers are dealt to so many parts. Another number would give other newcomers.
pub(super) const SHARDS: u64 = 16;
/// Name of the dice that decide when newcomers come to the first part; customers' are their numbers.
const NEWCOMERS: u64 = u64::MAX - SHARDS;

#[derive(Debug)]
pub(super) struct Shard {
    index: u64,
    people: Vec<Person>,
    arrivals: Dice,
    arrives_every: f64,
    newcomer: Timestamp,
    /// Who has something to do in a window: positions among the people.
    due: BTreeMap<i64, Vec<u32>>,
    agenda: Agenda,
}

impl Shard {
    /// The part of this index, with those of its people who are on file at the beginning.
    pub fn new(settings: &PopulationSettings, world: &World, index: u64, window_ms: i64) -> Self {
        let a_year = f64::from(settings.customers.max(1)) * world.shop.newcomers_a_year;
        let mut shard = Self {
            index,
            people: Vec::new(),
            arrivals: Dice::new(settings.seed, NEWCOMERS + index),
            arrives_every: 365.0 * SHARDS as f64 / a_year,
            newcomer: settings.from,
            due: BTreeMap::new(),
            agenda: Agenda {
                from: settings.from,
                window_ms,
                browsing_from: settings.browsing_from,
                batches: BTreeMap::new(),
            },
        };
        let on_file = (u64::from(settings.customers) + SHARDS - 1 - index) / SHARDS;
        for _ in 0..on_file {
            shard.join(settings.from, false, world);
        }
        shard.expect_newcomer();
        shard
    }

    /// Does everything before `end`, the end of a window. Returns what happens in it, in no order.
    pub fn advance(&mut self, window: i64, end: Timestamp, world: &World) -> Batch {
        while self.newcomer < end {
            self.join(self.newcomer, true, world);
            self.expect_newcomer();
        }
        for position in self.due.remove(&window).unwrap_or_default() {
            self.act(position, end, world);
        }
        self.agenda.batches.remove(&window).unwrap_or_default()
    }

    /// The people, in the order in which they joined.
    pub fn people(&self) -> &[Person] {
        &self.people
    }

    fn expect_newcomer(&mut self) {
        let wait = self.arrivals.waiting(self.arrives_every);
        self.newcomer = self.newcomer.plus(days(wait).max(1));
    }

    fn join(&mut self, at: Timestamp, is_new: bool, world: &World) {
        let position = self.people.len() as u64;
        let mut person = Person::new(world, position * SHARDS + self.index, at, is_new);
        let at = if is_new {
            person.first_hour(at, world)
        } else {
            at
        };
        let mut teller = teller(&person, &mut self.agenda);
        person.introduce(at, is_new, world, &mut teller);
        person.made = teller.made;
        let due = person.due();
        self.people.push(person);
        self.expect(u32::try_from(position).unwrap_or(u32::MAX), due);
    }

    /// Everything that somebody does before `end`.
    fn act(&mut self, position: u32, end: Timestamp, world: &World) {
        let person = &mut self.people[position as usize];
        let mut teller = teller(person, &mut self.agenda);
        while person.due().is_some_and(|due| due < end) {
            person.act(world, &mut teller);
        }
        person.made = teller.made;
        let due = person.due();
        self.expect(position, due);
    }

    fn expect(&mut self, position: u32, due: Option<Timestamp>) {
        if let Some(due) = due {
            let window = self.agenda.window(due);
            self.due.entry(window).or_default().push(position);
        }
    }
}

fn teller<'a>(person: &Person, agenda: &'a mut Agenda) -> Teller<'a> {
    Teller {
        customer: person.customer(),
        known: person.known,
        number: person.number,
        made: person.made,
        agenda,
    }
}
