//! What the customers did, by seed, and how it reaches the log: late within bounds, in transactions or not, with junk between.

use super::engine::is_seeding;
use super::log::{Fate, Log, Place, Producer, Record, place};
use super::random::Random;
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

/// Tasks.
pub const PARTITIONS: usize = 2;
/// Input topics in byte order; `everybody` and `profile` do not drive.
const TOPICS: [&str; 4] = ["cart", EVERYBODY, "profile", "purchase"];
/// The same with the one by which tasks tell each other of ids.
const TOPICS_BETWEEN: [&str; 5] = ["cart", EVERYBODY, IDENTITIES, "profile", "purchase"];
/// What tasks tell each other of ids.
pub const IDENTITIES: &str = "identities";
/// Its number among them.
pub const TOPIC_BETWEEN: usize = 2;
/// What happened to everybody, copied to each partition.
pub const EVERYBODY: &str = "everybody";
thread_local! {
    static ACROSS: Cell<bool> = const { Cell::new(false) };
}

/// Runs a history in which ids of two tasks may become one.
pub fn across<T>(run: impl FnOnce() -> T) -> T {
    struct Until;
    impl Drop for Until {
        fn drop(&mut self) {
            ACROSS.set(false);
        }
    }
    ACROSS.set(true);
    let _until = Until;
    run()
}

/// Whether ids of two tasks may become one.
pub fn is_across() -> bool {
    ACROSS.get()
}

/// The input topics of the history that is run on this thread.
pub fn topics() -> &'static [&'static str] {
    match is_across() {
        true => &TOPICS_BETWEEN,
        false => &TOPICS,
    }
}

/// Those of single customers.
const OWN: [&str; 3] = ["cart", "profile", "purchase"];
/// How late an event may come, by the clock.
pub const LATENESS_MS: i64 = 2_000;

const CUSTOMERS: usize = 7;
const EVENTS: usize = 60;

/// Writes an event of a kind, a customer and a time.
pub type Value = fn(char, &str, i64) -> Vec<u8>;

/// One thing that producers do to the log.
#[derive(Clone, Debug)]
enum Act {
    Append(Place, Record),
    /// Appends in a transaction of this number.
    Open(usize, Place, Record),
    /// Ends that transaction.
    Close(usize, bool),
}

/// What will happen to the input topics, in order of time.
#[derive(Debug)]
pub struct History {
    acts: BTreeMap<(i64, usize), Act>,
    producers: BTreeMap<usize, Producer>,
    /// Places and values of what is no event.
    pub junk: BTreeSet<Vec<u8>>,
}

impl History {
    /// A history that begins at this clock reading, with event times that run so many times as fast as the clock.
    pub fn new(random: &mut Random, start: i64, pace: i64, value: Value) -> Self {
        let mut history = Self {
            acts: BTreeMap::new(),
            producers: BTreeMap::new(),
            junk: BTreeSet::new(),
        };
        let mut time = start;
        // Whoever else is known when something happens to everybody depends on what has come by then.
        for partition in 0..PARTITIONS {
            let customer = format!("k{partition}");
            let record = Record {
                value: Some(value('b', &customer, start)),
                key: Some(customer.into_bytes()),
                headers: Vec::new(),
                appended: start,
            };
            let act = Act::Append(place("purchase", partition), record);
            history.acts.insert((start, 10 * EVENTS + partition), act);
            history.tells(random, partition, start, value);
        }
        for number in 0..EVENTS {
            time += if random.chance(3_000) {
                0
            } else {
                random.ms(800)
            };
            let happened = start + (time - start) * pace;
            history.event(random, number, time, (happened, value));
            if time > start + 4 * LATENESS_MS && random.chance(1_500) {
                let value = value('e', &format!("{number}-"), happened);
                history.everybody(random, number, time, &value);
            }
            if random.chance(1_000) {
                time += random.ms(8 * LATENESS_MS);
            }
        }
        history
    }

    /// Tells now and then what history says of who does nothing more.
    fn tells(&mut self, random: &mut Random, partition: usize, start: i64, value: Value) {
        for number in (0..5).filter(|_| is_seeding()) {
            let customer = format!("k{partition}");
            let told = Record {
                value: Some(value('s', &customer, start)),
                key: Some(customer.into_bytes()),
                headers: Vec::new(),
                appended: start + 3 * LATENESS_MS + random.ms(100 * LATENESS_MS),
            };
            let at = (told.appended, 11 * EVENTS + 10 * partition + number);
            let act = Act::Append(place(IDENTITIES, partition), told);
            self.acts.insert(at, act);
        }
    }

    fn event(
        &mut self,
        random: &mut Random,
        number: usize,
        clock: i64,
        (time, event): (i64, Value),
    ) {
        let customer = random.below(CUSTOMERS);
        let (topic, kind) = match random.below(20) {
            0..8 => ("cart", 'a'),
            8..12 => ("purchase", 'b'),
            12..14 => ("profile", 'b'),
            14..17 => (OWN[random.below(3)], 'c'),
            17 => ("profile", 'x'),
            _ => (OWN[random.below(3)], '?'),
        };
        let at = place(topic, customer % PARTITIONS);
        let appended = clock + random.ms(LATENESS_MS * 3 / 4);
        let partition = customer % PARTITIONS;
        let customer = format!("c{customer}");
        if is_seeding() && random.chance(4_000) {
            let told = Record {
                key: Some(customer.clone().into_bytes()),
                value: Some(event('s', &customer, time)),
                headers: Vec::new(),
                appended: clock + 2 * LATENESS_MS + random.ms(LATENESS_MS),
            };
            let at = (told.appended, number + 3 * EVENTS);
            let act = Act::Append(place(IDENTITIES, partition), told);
            self.acts.insert(at, act);
        }
        let value = match kind {
            '?' => format!("junk {number}!").into_bytes(),
            _ => event(kind, &customer, time),
        };
        let record = Record {
            key: Some(customer.into_bytes()),
            value: Some(value.clone()),
            headers: Vec::new(),
            appended,
        };
        if kind == '?' {
            self.junk.insert(value);
        }
        if !random.chance(2_000) {
            self.acts
                .insert((appended, number), Act::Append(at, record));
            return;
        }
        // Some are open for so long that whoever does not wait for them takes what they hold for late.
        let lasts = random.chance(3_000);
        let ended = appended
            + random.ms(if lasts {
                4 * LATENESS_MS
            } else {
                LATENESS_MS / 5
            });
        let aborted = !lasts && random.chance(3_000);
        self.acts.insert(
            (appended, number),
            Act::Open(number, at.clone(), record.clone()),
        );
        self.acts
            .insert((ended, number + EVENTS), Act::Close(number, !aborted));
        if aborted {
            self.acts
                .insert((ended, number + 2 * EVENTS), Act::Append(at, record));
        }
    }

    /// Something happened to everybody: a copy for each partition.
    fn everybody(&mut self, random: &mut Random, number: usize, clock: i64, value: &[u8]) {
        let appended = clock + random.ms(LATENESS_MS * 3 / 4);
        for partition in 0..PARTITIONS {
            let record = Record {
                key: None,
                value: Some(value.to_vec()),
                headers: Vec::new(),
                appended,
            };
            let act = Act::Append(place(EVERYBODY, partition), record);
            let number = (20 + number) * EVENTS + partition;
            self.acts.insert((appended, number), act);
        }
    }

    /// Does what is due.
    pub fn play(&mut self, log: &mut Log, clock: i64) {
        while let Some(entry) = self
            .acts
            .first_entry()
            .filter(|entry| entry.key().0 <= clock)
        {
            match entry.remove() {
                Act::Append(place, record) => drop(log.append(&place, record)),
                Act::Open(number, place, record) => {
                    let producer = log.init(&format!("input-{number}"));
                    log.begin(&producer).expect("just initialised");
                    log.send(&producer, &place, record).expect("just begun");
                    self.producers.insert(number, producer);
                }
                Act::Close(number, commit) => {
                    let producer = &self.producers[&number];
                    let done = if commit {
                        log.commit(producer, Fate::Answered)
                    } else {
                        log.abort(producer)
                    };
                    done.expect("nobody else has this id");
                }
            }
        }
    }

    /// Whether everything was done.
    pub fn is_over(&self) -> bool {
        self.acts.is_empty()
    }
}
