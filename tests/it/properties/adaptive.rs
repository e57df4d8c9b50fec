//! Adaptive splits, on customers of whom it is known how many meet the goal after each way.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64;

use moments::decode::Decoder;
use moments::document::report::Source;
use moments::engine::{Effect, Engine, Input};
use moments::event::Vocabulary;
use moments::event::record::Origin;
use moments::time::Timestamp;
use moments::treatment::Outcome;
use moments::trigger::plan::Plan;
use moments::trigger::set::{self, Basis};

const MINUTE: i64 = 60_000;
/// 2026-03-02 at 10:00.
const START: i64 = 1_772_445_600_000;
const CUSTOMERS: i64 = 2_000;
/// Of 100 after each way.
const RATES: [(&str, u64); 3] = [("bold", 20), ("plain", 8), ("silent", 4)];

fn plan() -> Arc<Plan> {
    let ways = RATES.map(|(way, _)| {
        format!("{{ name: {way}, then: [{{ send: {{ channel: store, template: {way} }} }}] }}")
    });
    let text = format!(
        "trigger: welcome\nmoment: {{ event: Signed Up }}\njourney: [{{ split: adaptive, ways: [{}] }}]\n\
         goal: {{ event: Order Completed, within: 30m }}\npolicy: {{ good_for: 1d }}\n",
        ways.join(", ")
    );
    let basis = Basis {
        vocabulary: Arc::new(Vocabulary::standard()),
        policy: toml::from_str("hold_out = '10%'").expect("a policy"),
        ..Basis::default()
    };
    let sources = [Source::new("welcome.yaml", text)];
    Arc::new(set::compile(&sources, &basis).expect("a trigger"))
}

/// An engine with all that was decided, written and restored again and again where it `restores`.
struct Bench {
    plan: Arc<Plan>,
    decoder: Decoder,
    engine: Engine,
    kept: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    effects: Vec<Effect>,
}

impl Bench {
    fn new(slice: usize) -> Self {
        let plan = plan();
        Self {
            decoder: Decoder::new(Arc::new(Vocabulary::standard()), Arc::default()),
            engine: Engine::new(Arc::clone(&plan)).in_slices_of(slice),
            plan,
            kept: BTreeMap::new(),
            effects: Vec::new(),
        }
    }

    fn tell(&mut self, customer: &str, event: &str, at: i64) {
        let at = Timestamp(at);
        self.engine.step(
            Input::Watermark(at.plus(-1)),
            at.plus(-1),
            &mut self.effects,
        );
        let text = format!(r#"{{"event":"{event}","userId":"{customer}","timestamp":"{at}"}}"#);
        let event = self.decoder.decode(text.as_bytes(), &Origin::default());
        let event = Box::new(event.expect("an event").event);
        self.engine.step(Input::Event(event), at, &mut self.effects);
        self.engine
            .step(Input::Watermark(at), at, &mut self.effects);
    }

    fn restore(&mut self) {
        let watermark = self.engine.watermark();
        self.kept.extend(self.engine.seal());
        self.engine = Engine::new(Arc::clone(&self.plan));
        for (key, value) in &self.kept {
            let read = self.engine.restore(key, value.as_deref());
            read.expect("just written");
        }
        self.engine.restored(watermark);
    }
}

/// The ways that customers were sent on, in their order, and the engine. A minute after one another they sign up, and some order ten
/// minutes later.
fn lived(seed: u64, slice: usize, restores: bool) -> (Vec<String>, Engine) {
    let mut bench = Bench::new(slice);
    let (mut ways, mut seen) = (Vec::new(), 0);
    let mut orders: BTreeMap<i64, String> = BTreeMap::new();
    for n in 0..CUSTOMERS + 60 {
        let at = START + n * MINUTE;
        if let Some(customer) = orders.remove(&n) {
            bench.tell(&customer, "Order Completed", at + 1);
        }
        if n < CUSTOMERS {
            bench.tell(&format!("s{seed}-{n}"), "Signed Up", at);
        }
        for effect in &bench.effects[seen..] {
            let Effect::Decided(decision) = effect else {
                continue;
            };
            let Outcome::Treat(command) = &decision.outcome else {
                continue;
            };
            let rate = RATES.iter().find(|(way, _)| *way == command.template);
            let orders_too = format!("{} orders", decision.customer);
            if xxh3_64(orders_too.as_bytes()) % 100 < rate.expect("a way").1 {
                orders.insert(n + 10, decision.customer.to_string());
            }
            ways.push(command.template.to_string());
        }
        seen = bench.effects.len();
        if restores && n % 97 == 0 {
            bench.restore();
        }
    }
    let end = Timestamp(START + (CUSTOMERS + 60) * MINUTE);
    bench
        .engine
        .step(Input::Watermark(end), end, &mut bench.effects);
    (ways, bench.engine)
}

#[test]
fn in_the_end_the_better_way_is_gone_by_most() {
    for seed in 0..6 {
        let (ways, engine) = lived(seed, usize::MAX, false);
        assert!(ways.len() > 1_700, "who is held out is sent nothing");
        // At first all are tried.
        let tried: BTreeSet<&String> = ways[..60].iter().collect();
        assert_eq!(tried.len(), RATES.len(), "seed {seed}: {tried:?}");
        let last = &ways[ways.len() - 500..];
        let bold = last.iter().filter(|way| *way == "bold").count();
        assert!(bold > 400, "seed {seed}: {bold} of the last 500");
        // Whoever was sent anything is counted once.
        let lessons = engine.lessons().0.values();
        let known: u64 = lessons.map(|it| it.met + it.missed).sum();
        assert_eq!(known, ways.len() as u64);
    }
}

#[test]
fn the_same_history_goes_the_same_ways_however_it_is_cut() {
    let (ways, engine) = lived(9, usize::MAX, false);
    for (slice, restores) in [(usize::MAX, false), (1, false), (2, true)] {
        let (again, other) = lived(9, slice, restores);
        assert_eq!(again, ways, "in pieces of {slice}");
        assert_eq!(other.lessons(), engine.lessons());
    }
}
