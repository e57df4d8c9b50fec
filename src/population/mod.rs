//! A shop's customers, made up: who visits, looks, leaves baskets, buys, waits for parcels, answers and complains, when;
//! with what is true of them and no event says.
//!
//! [`Population`] is an iterator of [`Window`]s, each with the [`Record`]s of a stretch of event time in order of time, the
//! same for the same [`PopulationSettings`] however many threads make them. Each customer has chance of her own, buys by the BG/NBD
//! model (`rhythm`), browses by day in her own time zone and more on Sundays than on Fridays (`hours`), and prefers what is
//! popular (`catalogue`). What is kept is a few hundred bytes a customer, and what is to come of the orders under way.
//!
//! Deliberately absent: a clock, and Kafka. Whoever takes the records decides when they are sent and where. Nobody here reacts
//! to treatments: a customer lapses or returns whatever is sent to her, so that what triggers find can be compared with it.

mod after;
mod besides;
mod calls;
mod catalogue;
mod dice;
pub mod files;
mod hours;
pub mod kafka;
mod letters;
mod person;
mod rhythm;
pub mod score;
mod shard;
mod shop;
mod truth;
mod visit;

use std::thread;

pub use shop::{EVERYDAY, OCCASIONAL, SHOPS, Shop};
pub use truth::{Instant, Truth};

use crate::config::InputKind;
use crate::time::{DAY_MS, Timestamp, Zone};
use calls::{Batch, Entry};
use catalogue::Catalogue;
use dice::Dice;
use shard::{SHARDS, Shard};

/// A window is so long that about so many customers come in it: some MB of records.
const CUSTOMERS_A_WINDOW: i64 = 50_000;
/// The shortest window: with millions of customers, less is more work than the records.
const WINDOW_MS_MIN: i64 = 10 * 60_000;
/// Newsletters go out from nine o'clock in the morning, UTC, for this long.
const LETTER_HOUR_MS: i64 = 9 * 3_600_000;
const LETTER_SPREAD_DAYS: f64 = 0.75 / 24.0;

/// What the population is made from.
#[derive(Clone, Debug)]
pub struct PopulationSettings {
    /// Another seed, other people.
    pub seed: u64,
    /// How many there are at the beginning.
    pub customers: u32,
    /// What kind of shop it is.
    pub shop: Shop,
    /// When it begins.
    pub from: Timestamp,
    /// Before this no clicks and no baskets are told: a shop has orders, deliveries, answers and sign-ups on file, and not those.
    pub browsing_from: Timestamp,
    /// When it ends: nothing at or after it is told.
    pub until: Timestamp,
    /// How many threads work; it changes nothing but the speed.
    pub threads: usize,
}

/// What all people have in common.
#[derive(Debug)]
struct World {
    seed: u64,
    shop: Shop,
    catalogue: Catalogue,
    zones: Vec<Zone>,
    letters_from: Timestamp,
}

impl World {
    fn new(settings: &PopulationSettings) -> Self {
        let zones = person::HOMES
            .iter()
            .map(|home| Zone::named(home.zone).unwrap_or_default());
        Self {
            seed: settings.seed,
            shop: settings.shop,
            catalogue: Catalogue::new(),
            zones: zones.collect(),
            letters_from: Timestamp(settings.from.0.div_euclid(DAY_MS) * DAY_MS + LETTER_HOUR_MS),
        }
    }

    /// Which newsletter was sent last.
    fn letter_number(&self, at: Timestamp) -> i64 {
        (at.0 - self.letters_from.0).div_euclid(self.shop.letter_days * DAY_MS)
    }

    /// When somebody gets the next newsletter after `at`.
    fn letter_after(&self, at: Timestamp, dice: &mut Dice) -> Timestamp {
        let next = (self.letter_number(at) + 1) * self.shop.letter_days * DAY_MS;
        let spread = days(dice.between(0.0, LETTER_SPREAD_DAYS));
        self.letters_from.plus(next + spread)
    }
}

/// Everybody, and how far they are.
#[derive(Debug)]
pub struct Population {
    world: World,
    shards: Vec<Shard>,
    from: Timestamp,
    until: Timestamp,
    window_ms: i64,
    next: i64,
    threads: usize,
}

impl Population {
    /// The people of `settings`, at the beginning.
    #[must_use]
    pub fn new(settings: &PopulationSettings) -> Self {
        let world = World::new(settings);
        let window_ms = DAY_MS * CUSTOMERS_A_WINDOW / i64::from(settings.customers.max(1));
        let window_ms = window_ms.clamp(WINDOW_MS_MIN, DAY_MS);
        let shards = (0..SHARDS).map(|index| Shard::new(settings, &world, index, window_ms));
        Self {
            shards: shards.collect(),
            world,
            from: settings.from,
            until: settings.until,
            window_ms,
            next: 0,
            threads: settings.threads.clamp(1, 16),
        }
    }

    /// How everybody is by now, in the order of their numbers: [`Truth::Customer`] of each of whom something can be known.
    pub fn people(&self) -> impl Iterator<Item = Truth> {
        let now = self.told_until();
        let most = self
            .shards
            .iter()
            .map(|shard| shard.people().len())
            .max()
            .unwrap_or(0);
        let all = (0..most).flat_map(|position| {
            self.shards
                .iter()
                .filter_map(move |shard| shard.people().get(position))
        });
        all.filter_map(move |person| person.summary(now))
    }

    /// How far it is: everything before this has been told.
    #[must_use]
    pub fn told_until(&self) -> Timestamp {
        self.from
            .plus(self.next.saturating_mul(self.window_ms))
            .min(self.until)
    }
}

impl Iterator for Population {
    type Item = Window;

    fn next(&mut self) -> Option<Window> {
        if self.told_until() >= self.until {
            return None;
        }
        let (window, world) = (self.next, &self.world);
        self.next += 1;
        let end = self.told_until();
        let each = self.shards.len().div_ceil(self.threads);
        let work = |shards: &mut [Shard]| -> Vec<Batch> {
            shards
                .iter_mut()
                .map(|shard| shard.advance(window, end, world))
                .collect()
        };
        let batches = if self.threads == 1 {
            work(&mut self.shards)
        } else {
            thread::scope(|scope| {
                let parts: Vec<_> = self
                    .shards
                    .chunks_mut(each)
                    .map(|part| scope.spawn(|| work(part)))
                    .collect();
                parts
                    .into_iter()
                    .flat_map(|part| {
                        part.join()
                            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
                    })
                    .collect()
            })
        };
        Some(Window::new(batches, self.until))
    }
}

/// What happens in one stretch of time.
#[derive(Debug)]
pub struct Window {
    batches: Vec<Batch>,
    order: Vec<(u8, Entry)>,
}

/// One record, as a producer writes it; or a truth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Record<'a> {
    /// When it happened.
    pub at: Timestamp,
    /// Which topic it belongs on; none for a [`Truth`].
    pub topic: Option<InputKind>,
    /// The record's key: the customer.
    pub key: &'a [u8],
    /// The record's value: JSON.
    pub value: &'a [u8],
}

impl Window {
    fn new(batches: Vec<Batch>, until: Timestamp) -> Self {
        let entries = (0_u8..)
            .zip(&batches)
            .flat_map(|(shard, batch)| batch.entries.iter().map(move |entry| (shard, *entry)));
        let mut order: Vec<_> = entries.filter(|(_, entry)| entry.at < until).collect();
        order.sort_unstable_by_key(|(_, entry)| (entry.at, entry.number, entry.made));
        Self { batches, order }
    }

    /// Its records, in order of time; of one instant, in the order of customers and of what each did.
    pub fn records(&self) -> impl Iterator<Item = Record<'_>> {
        self.order.iter().map(|(shard, entry)| {
            let bytes = &self.batches[usize::from(*shard)].bytes[entry.start..entry.end];
            let (key, value) = bytes.split_at(entry.key_bytes as usize);
            Record {
                at: entry.at,
                topic: entry.topic,
                key,
                value,
            }
        })
    }
}

/// Days as milliseconds.
fn days(days: f64) -> i64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "some years in ms"
    )]
    let ms = (days * DAY_MS as f64) as i64;
    ms
}

#[cfg(test)]
mod tests;
