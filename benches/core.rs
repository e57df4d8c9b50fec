//! What the core costs, without Kafka: `./dev bench core`.
//!
//! (a) events a second of one core, with the shipped triggers, from typed events, from JSON and from Avro;
//! (d) resident bytes a customer, at a million customers;
//! (g) events a second that `moments generate` makes, by one core and by all;
//! (h) events a second that a rehearsal takes, on the clock, by threads;
//! (p) what a prediction costs, by each of the ONNX files in `tests/fixtures/onnx`;
//!
//! and what an event costs by triggers, by customers, by the length of what a customer has, and by who comes ([`scale`]).
//!
//! Arguments name the parts: `core`, `generate`, `rehearsal`, `predict`, `resident`, `triggers`, `customers`, `baskets`, `tails`, `half`, `heat`. Without any it is
//! all but `resident`; `10m` adds ten million customers to `customers`, which takes minutes and GBs.
//!
//! The events are a shop's: 85 % views, carts, orders, sign-ups and a few complaints of 100,000
//! customers, in time order, 20 ms apart, in visits of ten events. Seconds are CPU seconds of the one thread that works.
//! Nothing is asserted: the figures are printed.

use std::collections::BTreeSet;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use moments::avro::Schemas;
use moments::decode::Decoder;
use moments::engine::{Effect, Engine, Input};
use moments::event::record::Origin;
use moments::event::{Event, Position, Vocabulary};
use moments::population::{OCCASIONAL, Population, PopulationSettings};
use moments::score::Given;
use moments::score::onnx::Onnx;
use moments::time::{DAY_MS, Timestamp};
use moments::trigger::plan::{Plan, Policy};
use moments::trigger::set::{self, Basis};

#[path = "core_rehearsal.rs"]
mod rehearsal;
#[path = "core_scale.rs"]
mod scale;
#[path = "shop.rs"]
mod shop;
#[path = "shop_avro.rs"]
mod shop_avro;

/// As in the binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The names of the topics: which format they bring.
const JSON: &str = "json";
const AVRO: &str = "avro";
const EVENTS: usize = 1_000_000;
const CUSTOMERS: u64 = 100_000;
/// Events between two movements of time, and between two transactions: a task catching up.
const STEP: usize = 512;
const TRANSACTION: usize = 32_768;

fn main() {
    let arguments = std::env::args().skip(1);
    let wanted: BTreeSet<String> = arguments.filter(|arg| !arg.starts_with('-')).collect();
    let parts = wanted.iter().filter(|arg| *arg != "10m").count();
    let is_wanted = |part: &str| parts == 0 || wanted.contains(part);
    let plan = plan();
    let decoder = Decoder::new(Arc::clone(&plan.vocabulary), Arc::default());
    let schemas = Schemas::ours(decoder.times());
    let decoder = decoder.with_avro(BTreeSet::from([AVRO.to_owned()]), schemas);
    if is_wanted("core") {
        core(&plan, &decoder);
    }
    if is_wanted("generate") {
        generate();
    }
    if is_wanted("rehearsal") {
        rehearsal::run(&plan, &decoder);
    }
    if is_wanted("predict") {
        predict();
    }
    scale::run(&plan, &decoder, &wanted, is_wanted);
    if wanted.contains("resident") {
        resident(&plan, &decoder);
    }
}

/// (a).
fn core(plan: &Arc<Plan>, decoder: &Decoder) {
    println!(
        "sizes: profile {}, event {}",
        size_of::<moments::profile::Profile>(),
        size_of::<Event>()
    );
    println!(
        "{} triggers, {EVENTS} events of {CUSTOMERS} customers",
        plan.triggers.len()
    );
    let lines: Vec<String> = (0..EVENTS).map(|i| line(i, CUSTOMERS, 20)).collect();
    let bytes: usize = lines.iter().map(String::len).sum();
    println!("JSON: {} bytes an event", bytes / EVENTS);
    let records = shop_avro::records(&lines);
    let bytes: usize = records.iter().map(Vec::len).sum();
    println!("Avro: {} bytes an event", bytes / EVENTS);
    let decode_avro = |(i, record): (usize, &Vec<u8>)| decode(decoder, AVRO, i, record);
    let decode = |(i, line): (usize, &String)| decode(decoder, JSON, i, line.as_bytes());
    let typed: Vec<Event> = lines.iter().enumerate().map(decode).collect();

    for round in 1..=3 {
        let started = cpu_seconds();
        for event in lines.iter().enumerate().map(decode) {
            black_box(event);
        }
        report(round, "decode only, JSON", started);
        let started = cpu_seconds();
        for event in records.iter().enumerate().map(decode_avro) {
            black_box(event);
        }
        report(round, "decode only, Avro", started);
        let events = typed.clone();
        let started = cpu_seconds();
        run(plan, events.into_iter());
        report(round, "core, typed events", started);
        let started = cpu_seconds();
        run(plan, lines.iter().enumerate().map(decode));
        report(round, "core, from JSON", started);
        let started = cpu_seconds();
        run(plan, records.iter().enumerate().map(decode_avro));
        report(round, "core, from Avro", started);
    }
}

fn basis() -> Basis {
    Basis {
        vocabulary: Arc::new(Vocabulary::standard()),
        attributes: std::collections::BTreeMap::new(),
        policy: Policy::for_everybody(),
        mappings: Arc::default(),
    }
}

fn plan() -> Arc<Plan> {
    let path = std::env::var_os("MOMENTS_BENCH_TRIGGERS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/triggers"),
        std::path::PathBuf::from,
    );
    match set::load(&path, &basis()) {
        Ok(plan) => Arc::new(plan),
        Err(reports) => panic!("{}", moments::document::report::rendered(&reports)),
    }
}

fn run(plan: &Arc<Plan>, events: impl Iterator<Item = Event>) -> Engine {
    let mut engine = Engine::new(Arc::clone(plan));
    let mut effects: Vec<Effect> = Vec::new();
    let mut now = Timestamp::MIN;
    for (i, event) in events.enumerate() {
        now = now.max(event.time);
        engine.step(Input::Event(Box::new(event)), now, &mut effects);
        if i % STEP == STEP - 1 {
            engine.step(Input::Watermark(now.plus(-60_001)), now, &mut effects);
            black_box(&effects);
            effects.clear();
        }
        if i % TRANSACTION == TRANSACTION - 1 {
            black_box(engine.seal());
            engine.committed();
        }
    }
    engine.seal();
    engine.committed();
    engine
}

fn report(round: u32, what: &str, started: f64) {
    let seconds = cpu_seconds() - started;
    println!(
        "round {round}: {what:20} {:>10.0} events/s  {:>7.0} ns/event",
        EVENTS as f64 / seconds,
        seconds * 1e9 / EVENTS as f64
    );
}

/// (d): a million customers with twelve events each, a transaction at a time.
fn resident(plan: &Arc<Plan>, decoder: &Decoder) {
    const MANY: u64 = 1_000_000;
    let before = resident_bytes();
    let events = (0..12 * 1_000_000).map(|i| decode(decoder, JSON, i, line(i, MANY, 2).as_bytes()));
    let engine = run(plan, events);
    let after = resident_bytes();
    let (customers, packed) = engine.size();
    println!(
        "{customers} customers, {} resident bytes each, {} of them packed profile and id",
        (after - before) / customers as u64,
        packed / customers
    );
}

/// (g): a shop of 100,000 customers, thrown away as it is made.
fn generate() {
    let from = shop::time(0, 0);
    let mut settings = PopulationSettings {
        seed: 1,
        customers: 100_000,
        shop: OCCASIONAL,
        from,
        browsing_from: from,
        until: from.plus(60 * DAY_MS),
        threads: 1,
    };
    let (started, (events, bytes)) = (cpu_seconds(), made(&settings));
    let seconds = cpu_seconds() - started;
    println!(
        "generate, one core: {:.0} events/s of CPU time, {} bytes each, {events} events",
        events as f64 / seconds,
        bytes / events
    );
    settings.threads = std::thread::available_parallelism().map_or(1, usize::from);
    let (started, (events, _)) = (Instant::now(), made(&settings));
    println!(
        "generate, {} threads: {:.0} events/s on the clock",
        settings.threads,
        events as f64 / started.elapsed().as_secs_f64()
    );
}

/// (p): a row of zeros, 100,000 times.
fn predict() {
    const TIMES: u32 = 100_000;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/onnx");
    let files = set::files(&folder, set::is_set_file).expect("the fixtures");
    for file in files
        .iter()
        .filter(|file| file.extension().is_some_and(|it| it == "onnx"))
    {
        let bytes = std::fs::read(file).expect("a file");
        let model = Onnx::compile(&bytes, None, None).expect("a model");
        let nothing = model.inputs().iter().flat_map(|port| {
            let nothing = if port.is_text {
                Given::Text("")
            } else {
                Given::Number(0.0)
            };
            std::iter::repeat_n(nothing, port.width.unwrap_or(1))
        });
        let nothing: Vec<Given<'_>> = nothing.collect();
        let started = cpu_seconds();
        for _ in 0..TIMES {
            black_box(model.score(black_box(&nothing)).expect("a score"));
        }
        let seconds = cpu_seconds() - started;
        let name = file.file_stem().unwrap_or_default().to_string_lossy();
        println!(
            "{name:20} {:>7.0} ns/prediction",
            seconds * 1e9 / f64::from(TIMES)
        );
    }
}

/// How many events a population has, and how many bytes.
fn made(settings: &PopulationSettings) -> (u64, u64) {
    let (mut events, mut bytes) = (0, 0);
    for window in Population::new(settings) {
        for record in window.records().filter(|record| record.topic.is_some()) {
            events += 1;
            bytes += black_box(record.value).len() as u64;
        }
    }
    (events, bytes)
}

/// CPU time of this thread, so that neighbours on the machine do not count.
fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos: u64 = text
        .split_whitespace()
        .next()
        .and_then(|ns| ns.parse().ok())
        .unwrap_or_default();
    nanos as f64 / 1e9
}

/// Resident set of this process, bytes.
fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = statm
        .split_whitespace()
        .nth(1)
        .and_then(|pages| pages.parse().ok())
        .unwrap_or_default();
    pages * 4096
}

fn decode(decoder: &Decoder, topic: &str, i: usize, record: &[u8]) -> Event {
    let position = Position {
        topic: 0,
        offset: i64::try_from(i).unwrap_or_default(),
    };
    let origin = Origin {
        topic,
        partition: 0,
        position,
        ..Origin::default()
    };
    match decoder.decode(record, &origin) {
        Ok(decoded) => decoded.event,
        Err(reject) => panic!("{}: {reject}", String::from_utf8_lossy(record)),
    }
}

fn line(i: usize, customers: u64, apart_ms: i64) -> String {
    let (_, _, line) = shop::event(i, customers, shop::time(i, apart_ms));
    line
}
