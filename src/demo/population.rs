//! A shop's customers, made up: who visits, looks, leaves baskets, buys, waits for parcels, answers and complains, when.
//!
//! [`Population`] is an endless iterator of [`Call`]s in order of event time, the same for the same [`Settings`], whatever
//! machine it runs on. People have a rhythm and keep it, until some of them thin out, turn thrifty or leave; others join.
//! They shop by day, in their own time zone.
//!
//! Deliberately absent: a clock, and Kafka. Whoever takes the calls decides when they are sent and where.

mod calls;
mod catalogue;
mod dice;
mod person;
mod shopping;

use std::collections::{BTreeMap, HashMap};

pub use calls::{Call, Caller};
pub use catalogue::{Article, article_of};
pub use dice::Dice;

use crate::config::InputKind;
use crate::time::{DAY_MS, Timestamp};
use person::Person;

/// New customers a year, as a share of the population; about as many leave.
const NEWCOMERS_A_YEAR: f64 = 0.8;
/// Name of the dice that decide when newcomers come; customers' are their numbers.
const NEWCOMERS: u64 = u64::MAX;

/// What the population is made from.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Another seed, other people.
    pub seed: u64,
    /// How many there are at the beginning.
    pub customers: u32,
    /// When it begins.
    pub from: Timestamp,
    /// Before this only orders, deliveries, answers and sign-ups are told: a shop has those on file, and not every click.
    pub browsing_from: Timestamp,
}

/// The calls of everybody, in order of time.
#[derive(Debug)]
pub struct Population {
    settings: Settings,
    arrivals: Dice,
    people: HashMap<u64, Person>,
    next_number: u64,
    /// What is to come, by time; things of one instant in the order in which they were put here.
    agenda: BTreeMap<(Timestamp, u64), Item>,
    put: u64,
}

#[derive(Debug)]
enum Item {
    /// A call that is to be made then.
    Call(Box<Call>),
    /// Somebody comes by.
    Visit(u64),
    /// Somebody new comes.
    Newcomer,
}

impl Population {
    /// The people of `settings`, on the day they begin.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let mut population = Self {
            settings,
            arrivals: Dice::new(settings.seed, NEWCOMERS),
            people: HashMap::new(),
            next_number: 0,
            agenda: BTreeMap::new(),
            put: 0,
        };
        for _ in 0..settings.customers {
            population.join(settings.from, false);
        }
        population.expect_newcomer(settings.from);
        population
    }

    /// Somebody joins at `at`: newly signed up, or on file already.
    fn join(&mut self, at: Timestamp, is_new: bool) {
        let number = self.next_number;
        self.next_number += 1;
        let mut person = Person::new(self.settings.seed, number, at, is_new);
        let mut calls = Vec::new();
        person.introduce(at, is_new, &mut calls);
        let visit = person.first_visit(at, is_new);
        self.people.insert(number, person);
        self.tell(calls);
        self.put(visit, Item::Visit(number));
    }

    fn expect_newcomer(&mut self, after: Timestamp) {
        let a_day = f64::from(self.settings.customers.max(1)) * NEWCOMERS_A_YEAR / 365.0;
        let wait = self.arrivals.waiting(1.0 / a_day);
        self.put(after.plus(days(wait)), Item::Newcomer);
    }

    fn visit(&mut self, number: u64, at: Timestamp) {
        let Some(person) = self.people.get_mut(&number) else {
            return;
        };
        let mut calls = Vec::new();
        let next = person.visit(at, &mut calls);
        match next {
            Some(next) => self.put(next, Item::Visit(number)),
            None => {
                self.people.remove(&number);
            }
        }
        self.tell(calls);
    }

    fn tell(&mut self, calls: Vec<Call>) {
        for call in calls {
            let browsing = matches!(call.topic, InputKind::Cart | InputKind::Clickstream);
            if call.at >= self.settings.browsing_from || !browsing {
                self.put(call.at, Item::Call(Box::new(call)));
            }
        }
    }

    fn put(&mut self, at: Timestamp, item: Item) {
        self.put += 1;
        self.agenda.insert((at, self.put), item);
    }
}

impl Iterator for Population {
    type Item = Call;

    fn next(&mut self) -> Option<Call> {
        loop {
            let ((at, _), item) = self.agenda.pop_first()?;
            match item {
                Item::Call(call) => return Some(*call),
                Item::Visit(number) => self.visit(number, at),
                Item::Newcomer => {
                    self.join(at, true);
                    self.expect_newcomer(at);
                }
            }
        }
    }
}

/// Days as milliseconds.
fn days(days: f64) -> i64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "a few years in ms"
    )]
    let ms = (days * DAY_MS as f64) as i64;
    ms
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Vocabulary;
    use crate::event::decode::{Decoder, Origin};
    use std::collections::{BTreeMap, BTreeSet};
    use std::sync::Arc;

    fn population(seed: u64) -> Population {
        let from = Timestamp::parse("2026-03-02T00:00:00Z").expect("a time");
        Population::new(Settings {
            seed,
            customers: 60,
            from,
            browsing_from: from.plus(14 * DAY_MS),
        })
    }

    fn until(seed: u64, days: i64) -> Vec<Call> {
        let population = population(seed);
        let until = population.settings.from.plus(days * DAY_MS);
        population.take_while(|call| call.at < until).collect()
    }

    #[test]
    fn the_same_seed_gives_the_same_calls_in_order_of_time() {
        let calls = until(1, 60);
        assert!(calls.is_sorted_by_key(|call| call.at));
        assert_eq!(calls, until(1, 60));
        assert_ne!(calls, until(2, 60));
    }

    #[test]
    fn every_call_is_an_event_of_the_vocabulary_without_defects() {
        let vocabulary = Arc::new(Vocabulary::standard());
        let decoder = Decoder::new(Arc::clone(&vocabulary), Arc::new(BTreeMap::new()));
        let mut names = BTreeSet::new();
        for call in until(3, 120) {
            let text = call.value.to_string();
            let decoded = decoder
                .decode(text.as_bytes(), &Origin::default())
                .unwrap_or_else(|reject| panic!("{reject}: {text}"));
            assert_eq!(decoded.defects, [], "{text}");
            assert_eq!(decoded.event.time, call.at);
            assert_eq!(decoded.event.customer, call.customer);
            let name = call.value["event"].as_str().unwrap_or("Identify");
            assert!(vocabulary.event_named(name).is_some(), "{name}");
            names.insert(name.to_owned());
        }
        for name in [
            "Identify",
            "Signed Up",
            "Product Viewed",
            "Product Added",
            "Order Completed",
            "Order Delivered",
            "NPS Answered",
            "Support Ticket Opened",
            "Unsubscribed",
        ] {
            assert!(names.contains(name), "nobody did: {name}");
        }
    }

    #[test]
    fn people_browse_by_day_and_only_once_clicks_are_kept() {
        let calls = until(5, 60);
        let views: Vec<_> = calls
            .iter()
            .filter(|call| call.topic == InputKind::Clickstream)
            .collect();
        assert!(views.len() > 500);
        let from = population(5).settings.browsing_from;
        assert!(views.iter().all(|call| call.at >= from));
        // 02:00 to 05:00 UTC is night in Europe and late evening in New York.
        let night = views.iter().filter(|call| {
            let hour = call.at.0.rem_euclid(DAY_MS) / 3_600_000;
            (2..5).contains(&hour)
        });
        assert!(night.count() * 20 < views.len());
    }
}
