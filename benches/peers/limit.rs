//! What an event must cost after the consumer: parse it, find its customer, touch four cache lines of her. From files in memory, on
//! one thread.

use std::hash::BuildHasher as _;
use std::hint::black_box;
use std::path::Path;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use moments::time::Timestamp;
use serde::Deserialize;

use crate::generate::TOPICS;

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(rename = "messageId")]
    id: &'a str,
    #[serde(rename = "userId")]
    customer: &'a str,
    event: &'a str,
    timestamp: &'a str,
    #[serde(borrow)]
    properties: Properties<'a>,
}

/// What triggers could ask for.
#[derive(Deserialize)]
#[expect(dead_code, reason = "reading them is what is measured")]
struct Properties<'a> {
    product_id: Option<&'a str>,
    price: Option<f64>,
    category: Option<&'a str>,
    order_id: Option<&'a str>,
    total: Option<f64>,
    currency: Option<&'a str>,
    quantity: Option<f64>,
    priority: Option<&'a str>,
}

/// A customer of seven cache lines.
#[repr(C, align(64))]
struct Profile {
    head: [i64; 8],
    facts: [i64; 16],
    times: [i64; 24],
    id: [u8; 16],
}

/// Prints nanoseconds an event.
pub fn run(folder: &Path) {
    let lines = by_time(folder);
    let per = |what: &str, seconds: f64| {
        println!("{what:28} {:5.0} ns", seconds / lines.len() as f64 * 1e9);
    };
    for _ in 0..2 {
        let start = crate::cpu_seconds();
        for line in &lines {
            black_box(serde_json::from_slice::<Event<'_>>(line).expect("an event"));
        }
        per("parse", crate::cpu_seconds() - start);
        let start = crate::cpu_seconds();
        black_box(touch(&lines));
        per("parse, find, touch", crate::cpu_seconds() - start);
    }
}

/// The lines of all topics as they happened.
fn by_time(folder: &Path) -> Vec<Vec<u8>> {
    let mut lines = Vec::new();
    for topic in TOPICS {
        let text = std::fs::read_to_string(folder.join(format!("{topic}.ndjson"))).expect("a file");
        for line in text.lines() {
            let event: Event<'_> = serde_json::from_str(line).expect("an event");
            lines.push((event.timestamp.to_owned(), line.as_bytes().to_vec()));
        }
    }
    lines.sort();
    lines.into_iter().map(|(_, line)| line).collect()
}

fn touch(lines: &[Vec<u8>]) -> Vec<Profile> {
    let hasher = foldhash::fast::FixedState::with_seed(7);
    let (mut table, mut profiles) = (HashTable::<u32>::new(), Vec::<Profile>::new());
    for line in lines {
        let event: Event<'_> = serde_json::from_slice(line).expect("an event");
        let mut id = [0; 16];
        id[..event.customer.len()].copy_from_slice(event.customer.as_bytes());
        let same = |at: &u32| profiles[*at as usize].id == id;
        let hash = |at: &u32| hasher.hash_one(profiles[*at as usize].id);
        let at = match table.entry(hasher.hash_one(id), same, hash) {
            Entry::Occupied(entry) => *entry.get(),
            Entry::Vacant(entry) => {
                let at = u32::try_from(profiles.len()).expect("few customers");
                entry.insert(at);
                profiles.push(Profile {
                    head: [0; 8],
                    facts: [0; 16],
                    times: [0; 24],
                    id,
                });
                at
            }
        };
        let profile = &mut profiles[at as usize];
        let time: Timestamp = Timestamp::parse(event.timestamp).expect("a time");
        let events = &mut profile.head[1];
        *events += 1;
        profile.times[(*events % 24) as usize] = time.0;
        profile.head[0] = profile.head[0].max(time.0);
        profile.head[7] ^= i64::try_from(event.id.len()).unwrap_or(0);
        profile.facts[event.event.len() % 16] += 1;
        black_box(event.properties);
    }
    profiles
}
