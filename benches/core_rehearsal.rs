//! (h): events a second that a rehearsal takes, on the clock, by threads: with the shipped triggers, and with three.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::time::Instant;

use moments::decode::Decoder;
use moments::document::report::Source as File;
use moments::registry;
use moments::rehearsal::{self, Observer, RehearsalSettings, Source, Taken};
use moments::task::watermark::{ClockMode, TopicSettings};
use moments::treatment::Decision;
use moments::trigger::plan::Plan;
use moments::trigger::set;

use super::{CUSTOMERS, EVENTS, JSON};

/// What the peers of `./dev bench peers` do.
const THREE: [&str; 3] = [
    "trigger: abandoned-basket\nmoment: { absence: { of: Order Completed, after: Product Added, within: 1h } }\n\
     treatments: [{ channel: onsite, template: t }]\n",
    "trigger: first-order\nmoment: { event: { name: Order Completed, where: previous.orders.count == 0 } }\n\
     treatments: [{ channel: onsite, template: t }]\n",
    "trigger: keen\nmoment: { threshold: { of: Product Viewed, measure: count, over: 1h, crosses: { at_least: 10 }, when: settled } }\n\
     treatments: [{ channel: onsite, template: t }]\n",
];

pub fn run(shipped: &Arc<Plan>, decoder: &Decoder) {
    let lines: Vec<Vec<u8>> = (0..EVENTS)
        .map(|i| super::line(i, CUSTOMERS, 20).into_bytes())
        .collect();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let three: Vec<File> = THREE
        .iter()
        .map(|text| File::new("three", (*text).to_owned()))
        .collect();
    let three = set::compile(&three, &super::basis());
    let three =
        three.unwrap_or_else(|reports| panic!("{}", moments::document::report::rendered(&reports)));
    for (name, plan) in [("shipped", shipped), ("three", &Arc::new(three))] {
        let mut counted = BTreeSet::new();
        for threads in [1, 2, cores].into_iter().collect::<BTreeSet<_>>() {
            let started = Instant::now();
            let decided = rehearse(plan, decoder, &lines, threads);
            let seconds = started.elapsed().as_secs_f64();
            counted.insert(decided);
            println!(
                "rehearsal, {name} ({} triggers), {threads} threads: {:.0} events/s on the clock, {decided} decisions",
                plan.triggers.len(),
                EVENTS as f64 / seconds
            );
        }
        assert_eq!(counted.len(), 1, "the same, by however many");
    }
}

/// How many were decided.
fn rehearse(plan: &Arc<Plan>, decoder: &Decoder, lines: &[Vec<u8>], threads: usize) -> usize {
    let settings = RehearsalSettings {
        plan: Arc::clone(plan),
        published: Vec::new(),
        decoder: decoder.clone(),
        schemas: registry::Source::ours(),
        clock: ClockMode::Wall,
        idle_delay_ms: 1_000,
        threads,
    };
    let topic = TopicSettings {
        name: JSON.to_owned(),
        lateness_ms: 60_000,
        drives: true,
    };
    let taken = Taken {
        settings: topic,
        everybody: false,
    };
    let mut counts = Counts(0);
    let sources = vec![(taken, Lines(lines.iter()))];
    rehearsal::rehearse(&settings, sources, &mut counts).expect("what is made up is read");
    counts.0
}

/// The shop's events, made before it is measured.
struct Lines<'a>(std::slice::Iter<'a, Vec<u8>>);

impl Source for Lines<'_> {
    fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        Ok(self.0.next().cloned())
    }
}

/// Counts what is decided.
struct Counts(usize);

impl Observer for Counts {
    fn decided(&mut self, _decision: &Decision) -> io::Result<()> {
        self.0 += 1;
        Ok(())
    }
}
