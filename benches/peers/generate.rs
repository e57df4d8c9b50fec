//! The workload: four files of events in order of time, the same for the same numbers.
//!
//! 85 % views, 8 % things put into baskets, 4 % orders, 3 % tickets. One to three things a basket, half a minute to 20 minutes apart;
//! seven baskets of ten are ordered, one to 40 minutes after the last thing; the other orders come from nowhere. How active a
//! customer is falls with the power 0.85 of her rank.
//!
//! Deliberately absent: `moments generate`, whose customers are truer, and whose events would change with it.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use moments::time::Timestamp;

/// The topics, each a file.
pub const TOPICS: [&str; 4] = ["clickstream", "cart", "purchase", "support"];
const NAMES: [&str; 4] = [
    "Product Viewed",
    "Product Added",
    "Order Completed",
    "Support Ticket Opened",
];
const SEED: u64 = 42;
/// 2026-01-01.
const START_MS: u64 = 1_767_225_600_000;
const DAY_MS: u64 = 86_400_000;
const PRIORITIES: [&str; 10] = [
    "urgent", "low", "normal", "low", "normal", "normal", "high", "low", "normal", "low",
];
const CHANNELS: [&str; 3] = ["chat", "mail", "phone"];
/// Views, baskets begun, orders from nowhere and tickets, of all events: the rest follows from the baskets.
const DRAWN: f64 = 0.85 + 0.04 + 0.012 + 0.03;

const VIEW: usize = 0;
const BASKET: usize = 1;
const ORDER: usize = 2;
const TICKET: usize = 3;

const _: () = assert!(TICKET < TOPICS.len());

/// An event to come: its time, its place among those of the same time, its topic and its customer.
type Coming = Reverse<(u64, u64, usize, u32)>;

/// `SplitMix64`.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// From 0 on, below 1.
    fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

/// Customers, each as likely as she is active.
struct Customers {
    sums: Vec<f64>,
    ids: Vec<u32>,
}

impl Customers {
    fn new(count: u64, chance: &mut Chance) -> Self {
        let mut sum = 0.0;
        let weights = (0..count).map(|rank| {
            sum += ((rank + 20) as f64).powf(-0.85);
            sum
        });
        let sums = weights.collect();
        let mut ids: Vec<u32> = (0..u32::try_from(count).expect("few customers")).collect();
        for i in (1..ids.len()).rev() {
            ids.swap(i, chance.below(i as u64 + 1) as usize);
        }
        Self { sums, ids }
    }

    fn draw(&self, chance: &mut Chance) -> u32 {
        let at = chance.share() * self.sums.last().expect("somebody");
        let rank = self.sums.partition_point(|sum| *sum < at);
        self.ids[rank.min(self.ids.len() - 1)]
    }
}

/// Writes so many events of so many customers and days into files of a folder.
pub fn write(events: u64, customers: u64, days: u64, folder: &Path) {
    let mut chance = Chance(SEED);
    let customers = Customers::new(customers, &mut chance);
    let mut files = TOPICS.map(|topic| {
        let file = File::create(folder.join(format!("{topic}.ndjson"))).expect("a file");
        BufWriter::with_capacity(1 << 20, file)
    });
    let step = (days * DAY_MS) as f64 / (events as f64 * DRAWN);
    let mut coming: BinaryHeap<Coming> = BinaryHeap::new();
    let (mut place, mut written) = (0, 0);
    for k in 0.. {
        let time = START_MS + (k as f64 * step + chance.share() * step) as u64;
        let customer = customers.draw(&mut chance);
        let mut add = |time, topic| {
            place += 1;
            coming.push(Reverse((time, place, topic, customer)));
        };
        draw(time, &mut chance, &mut add);
        // All that are drawn later are at or after this.
        let bound = START_MS + ((k + 1) as f64 * step) as u64;
        while let Some(Reverse((time, _, topic, customer))) = coming.peek().copied() {
            if time >= bound {
                break;
            }
            if written == events {
                return files
                    .iter_mut()
                    .for_each(|file| file.flush().expect("room"));
            }
            coming.pop();
            line(&mut files[topic], topic, customer, time, &mut chance).expect("room");
            written += 1;
        }
    }
}

/// What somebody does at a time, and what follows of it.
fn draw(time: u64, chance: &mut Chance, add: &mut impl FnMut(u64, usize)) {
    let kind = chance.share() * DRAWN;
    if kind < 0.85 {
        add(time, VIEW);
    } else if kind < 0.89 {
        let (mut time, things) = (time, 1 + chance.below(3));
        add(time, BASKET);
        for _ in 1..things {
            time += 30_000 + chance.below(1_170_000);
            add(time, BASKET);
        }
        if chance.share() < 0.7 {
            add(time + 60_000 + chance.below(2_340_000), ORDER);
        }
    } else if kind < 0.902 {
        add(time, ORDER);
    } else {
        add(time, TICKET);
    }
}

fn line(
    file: &mut impl Write,
    topic: usize,
    customer: u32,
    time: u64,
    chance: &mut Chance,
) -> std::io::Result<()> {
    let (id, product, price) = (
        chance.next(),
        chance.below(20_000),
        1 + chance.below(30_000),
    );
    let (euros, cents, category) = (price / 100, price % 100, product % 97);
    let short = id as u32;
    let time = Timestamp(time as i64);
    write!(
        file,
        r#"{{"messageId":"m-{id:016x}","type":"track","userId":"c{customer:06}","event":"{}","timestamp":"{time}","properties":"#,
        NAMES[topic]
    )?;
    match topic {
        VIEW => write!(
            file,
            r#"{{"product_id":"p{product}","price":{euros}.{cents:02},"category":"cat-{category}","url":"https://shop.example/p/{product}"}}"#
        )?,
        BASKET => write!(
            file,
            r#"{{"product_id":"p{product}","price":{euros}.{cents:02},"quantity":{},"cart_id":"k{short:08x}","category":"cat-{category}"}}"#,
            1 + id % 3
        )?,
        ORDER => write!(
            file,
            r#"{{"order_id":"o{short:08x}","total":{}.{:02},"currency":"EUR","products":[{{"product_id":"p{product}","quantity":{}}}]}}"#,
            price / 10,
            price % 10 * 10,
            1 + id % 3
        )?,
        _ => write!(
            file,
            r#"{{"ticket_id":"t{short:08x}","priority":"{}","channel":"{}","subject":"order o{product:06x}"}}"#,
            PRIORITIES[(id % 10) as usize],
            CHANNELS[(id % 3) as usize]
        )?,
    }
    writeln!(file, "}}")
}
