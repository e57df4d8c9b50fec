//! What an event costs by what else there is: triggers, customers, baskets, tails, and who comes.
//!
//! The engine is driven as a task that catches up drives it: the time after each 512 events, a transaction after each 8,192, and who
//! changed stays unpacked for six of them. An event costs CPU time of the one thread; the cases of a table take turns, and the
//! median of the rounds counts, beside that of the first case.

use std::collections::BTreeSet;
use std::hint::black_box;
use std::sync::Arc;

use moments::decode::Decoder;
use moments::document::report::Source;
use moments::engine::{Effect, Engine, Input, Keep};
use moments::event::Event;
use moments::time::Timestamp;
use moments::trigger::plan::Plan;
use moments::trigger::set;

use super::{AVRO, JSON, STEP, basis, cpu_seconds, decode, shop, shop_avro};

const TRANSACTION: usize = 8_192;
/// As `checkpoints.records` and `checkpoints.customers` have it for one task: who changed stays for so many transactions, if they are
/// no more.
const WINDOW: u64 = 50_000 / TRANSACTION as u64;
const WINDOW_CUSTOMERS: usize = 32_768;
/// Between two events of the shop.
const APART_MS: i64 = 20;
/// The lateness of a topic, by default.
const LATENESS_MS: i64 = 60_000;
const ROUNDS: usize = 5;
/// Events of a case in a round.
const EVENTS: u64 = 65_536;
/// Events of which copies are made, with another customer and time each.
const PATTERNS: usize = 4_096;

/// An engine and the task around it.
struct Task {
    engine: Engine,
    effects: Vec<Effect>,
    now: Timestamp,
    lateness_ms: i64,
    taken: usize,
    transaction: u64,
}

impl Task {
    fn new(plan: &Arc<Plan>, lateness_ms: i64) -> Self {
        Self {
            engine: Engine::new(Arc::clone(plan)),
            effects: Vec::new(),
            now: shop::time(0, 0),
            lateness_ms,
            taken: 0,
            transaction: 0,
        }
    }

    fn take(&mut self, event: Box<Event>) {
        self.now = self.now.max(event.time);
        self.engine
            .step(Input::Event(event), self.now, &mut self.effects);
        self.taken += 1;
        if self.taken.is_multiple_of(STEP) {
            self.time(self.now.plus(-self.lateness_ms - 1));
        }
        if self.taken.is_multiple_of(TRANSACTION) {
            let keep = Keep {
                from: (self.transaction + 1).saturating_sub(WINDOW),
                most: WINDOW_CUSTOMERS,
            };
            black_box(self.engine.checkpoint(keep));
            self.engine.committed();
            self.transaction += 1;
        }
    }

    /// Nobody stays unpacked.
    fn write_all(&mut self) {
        black_box(self.engine.seal());
        self.engine.committed();
        self.transaction += 1;
    }

    fn time(&mut self, watermark: Timestamp) {
        let input = Input::Watermark(watermark);
        self.engine.step(input, self.now, &mut self.effects);
        black_box(&self.effects);
        self.effects.clear();
    }
}

/// Which event the n-th is, of which customer.
type Next<'a> = Box<dyn FnMut(u64) -> (&'a Event, u64) + 'a>;

/// One line of a table.
struct Case<'a> {
    name: String,
    task: Task,
    next: Next<'a>,
    /// The number of the next event, and when it is.
    number: u64,
    time: Timestamp,
    costs: Vec<f64>,
}

impl<'a> Case<'a> {
    fn new(name: impl Into<String>, task: Task, next: Next<'a>) -> Self {
        Self {
            name: name.into(),
            time: task.now,
            task,
            next,
            number: 0,
            costs: Vec::new(),
        }
    }

    fn event(&mut self, apart_ms: i64) -> Box<Event> {
        let (pattern, customer) = (self.next)(self.number);
        let event = copied(pattern, customer, self.number, self.time);
        self.number += 1;
        self.time = self.time.plus(apart_ms);
        event
    }

    /// So many events that are not measured.
    fn take(&mut self, events: u64) {
        for _ in 0..events {
            let event = self.event(APART_MS);
            self.task.take(event);
        }
    }

    fn round(&mut self) -> f64 {
        let events: Vec<_> = (0..EVENTS).map(|_| self.event(APART_MS)).collect();
        let started = cpu_seconds();
        for event in events {
            self.task.take(event);
        }
        (cpu_seconds() - started) * 1e9 / EVENTS as f64
    }
}

/// The same event of another customer at another time.
fn copied(pattern: &Event, customer: u64, number: u64, time: Timestamp) -> Box<Event> {
    let mut event = Box::new(pattern.clone());
    event.customer = format!("c{customer:07}").as_str().into();
    event.id = format!("{:016x}", shop::mix(number)).as_str().into();
    event.time = time;
    event.position.offset = i64::try_from(number).unwrap_or_default();
    event
}

/// Measures all cases, and prints them beside the first. A mark is how many times the first each may cost.
fn table(title: &str, cases: &mut [Case<'_>], mark: Option<f64>) {
    println!("\n{title}");
    // What is settled and packed is so for everybody from here on.
    cases.iter_mut().for_each(|case| case.take(EVENTS));
    for _ in 0..ROUNDS {
        for case in &mut *cases {
            let cost = case.round();
            case.costs.push(cost);
        }
    }
    let medians: Vec<_> = cases
        .iter_mut()
        .map(|case| median(&mut case.costs))
        .collect();
    for (case, cost) in cases.iter().zip(&medians) {
        println!(
            "  {:44} {cost:>9.0} ns/event  {:>7.2}x",
            case.name,
            cost / medians[0]
        );
    }
    let most = medians.iter().fold(0.0, |most, cost| cost.max(most)) / medians[0];
    match mark {
        Some(mark) if most <= mark => println!("  mark {mark}x: met"),
        Some(mark) => println!("  mark {mark}x: missed"),
        None => println!("  no mark"),
    }
}

fn median(costs: &mut [f64]) -> f64 {
    costs.sort_by(f64::total_cmp);
    costs[costs.len() / 2]
}

/// The shop's events in its mixture.
pub struct Patterns {
    all: Vec<Event>,
    views: Vec<Event>,
    /// As many products put into the basket as it has lines.
    added: Vec<Event>,
}

impl Patterns {
    pub fn new(decoder: &Decoder) -> Self {
        let line = |i: usize| shop::event(i, 1, shop::time(0, 0)).2;
        let event = |(i, line): (usize, String)| decode(decoder, JSON, i, line.as_bytes());
        let all: Vec<Event> = (0..PATTERNS).map(line).enumerate().map(event).collect();
        let views = (0..PATTERNS)
            .map(line)
            .enumerate()
            .filter(|(_, line)| line.contains("Product Viewed"));
        let added = (0..32).map(|i| {
            format!(
                r#"{{"type":"track","event":"Product Added","messageId":"m","userId":"c","timestamp":"{}","properties":{{"product_id":"p{i:05}","category":"cat1","price":9.95,"currency":"EUR","quantity":1,"cart_id":"k"}}}}"#,
                shop::time(0, 0)
            )
        });
        Self {
            all,
            views: views.map(event).collect(),
            added: added.enumerate().map(event).collect(),
        }
    }

    /// The number decides which.
    fn any(events: &[Event], number: u64) -> &Event {
        &events[(shop::mix(number ^ 0xe7) % events.len() as u64) as usize]
    }

    /// Everybody with these events, one after the other, a second before anybody's next; then two hours in which nobody does anything,
    /// so that what is due for a population of any size is due within them.
    fn populated(plan: &Arc<Plan>, customers: u64, events: impl Fn(u64) -> Vec<Event>) -> Task {
        let mut task = Task::new(plan, LATENESS_MS);
        let (mut time, mut number) = (task.now, 1 << 40);
        for customer in 0..customers {
            for event in events(customer) {
                task.take(copied(&event, customer, number, time));
                number += 1;
                time = time.plus(1);
            }
        }
        task.now = time.plus(2 * 3_600_000);
        task.time(task.now.plus(-1));
        task.write_all();
        task
    }

    /// Everybody with four events of the mixture.
    fn population(&self, plan: &Arc<Plan>, customers: u64) -> Task {
        let event = |customer: u64, i: u64| Self::any(&self.all, (customer << 2) | i).clone();
        Self::populated(plan, customers, |customer| {
            (0..4).map(|i: u64| event(customer, i)).collect()
        })
    }
}

/// Whose the n-th event is: visits of ten events, as the shop has them.
fn visitor(number: u64, customers: u64) -> u64 {
    shop::visitor(usize::try_from(number).unwrap_or_default(), customers)
}

/// By how many triggers there are, of which one takes the events.
pub fn triggers(patterns: &Patterns) {
    const COUNTS: [usize; 4] = [1, 10, 100, 1_000];
    let views = |customers| move |n| (Patterns::any(&patterns.views, n), visitor(n, customers));
    let mut cases = COUNTS.map(|count| {
        let task = Task::new(&plan_of(count), LATENESS_MS);
        let next = Box::new(views(10_000));
        Case::new(format!("{count} triggers, one takes the event"), task, next)
    });
    let title = "by triggers, 10,000 customers of whom the others know nothing";
    table(title, &mut cases, Some(1.1));
    // Where each of the others remembers something of each customer, too.
    let mut cases = COUNTS.map(|count| {
        let plan = plan_of(count);
        let others = OTHERS.map(|name| {
            let mut event = patterns.views[0].clone();
            event.name = plan.vocabulary.event_named(name).expect("a name");
            event
        });
        let task = Patterns::populated(&plan, 500, |_| others.to_vec());
        Case::new(
            format!("{count} triggers, one takes the event"),
            task,
            Box::new(views(500)),
        )
    });
    let title = "by triggers, 500 customers of whom each remembers something";
    table(title, &mut cases, None);
}

/// What the other triggers take.
const OTHERS: [&str; 9] = [
    "File Downloaded",
    "Quiz Completed",
    "Form Submitted",
    "Product Shared",
    "Cart Shared",
    "Content Shared",
    "Email Opened",
    "Push Notification Tapped",
    "Support Ticket Opened",
];

/// One trigger that takes views, and others that take something else.
fn plan_of(count: usize) -> Arc<Plan> {
    let trigger = |i: usize| {
        let name = OTHERS[i % OTHERS.len()];
        let moment = match i % 3 {
            _ if i == 0 => {
                "absence: { of: Order Completed, after: Product Viewed, within: 24h }".to_owned()
            }
            0 => format!("absence: {{ of: Order Completed, after: {name}, within: 30d }}"),
            1 => format!("inactivity: {{ of: {name}, for: 90d }}"),
            _ => format!(
                "threshold: {{ of: {name}, measure: count, over: 90d, crosses: {{ at_least: 5 }} }}"
            ),
        };
        let text = format!(
            "trigger: t{i}\nstage: engagement\nabout: One of many.\nmoment:\n  {moment}\ntreatments:\n  - channel: onsite\n    template: t{i}\npolicy:\n  priority: 50\n  cap: 1 in 7d\n  good_for: 1d\n"
        );
        Source::new(&format!("t{i}.yaml"), text)
    };
    let sources: Vec<Source> = (0..count).map(trigger).collect();
    match set::compile(&sources, &basis()) {
        Ok(plan) => Arc::new(plan),
        Err(reports) => panic!("{}", moments::document::report::rendered(&reports)),
    }
}

/// By how many customers there are, in the same visits.
pub fn customers(plan: &Arc<Plan>, patterns: &Patterns, counts: &[u64]) {
    let mut bytes = Vec::new();
    let cases = counts.iter().map(|&count| {
        let task = patterns.population(plan, count);
        bytes.push((count, task.engine.size().1 as u64 / count));
        let next = move |n| (Patterns::any(&patterns.all, n), visitor(n, count));
        Case::new(format!("{count} customers"), task, Box::new(next))
    });
    let mut cases: Vec<_> = cases.collect();
    let title = "by customers, in visits of ten events side by side";
    table(title, &mut cases, Some(1.5));
    for (count, packed) in bytes {
        println!("  {count} customers of four events: {packed} bytes each packed");
    }
}

/// Of the tables below that one.
const CUSTOMERS: u64 = 10_000;

/// By how much there is in a basket.
pub fn baskets(plan: &Arc<Plan>, patterns: &Patterns) {
    let mut cases = [1, 8, 32].map(|lines| {
        let added = &patterns.added[..lines];
        let task = Patterns::populated(plan, CUSTOMERS, |_| added.to_vec());
        let next = move |n| match n % 5 {
            0 => (Patterns::any(added, n), visitor(n, CUSTOMERS)),
            _ => (Patterns::any(&patterns.views, n), visitor(n, CUSTOMERS)),
        };
        Case::new(
            format!("{lines} lines in each basket"),
            task,
            Box::new(next),
        )
    });
    let title = "by basket, a fifth of the events change one";
    table(title, &mut cases, None);
}

/// One customer who has half of all events, with few and with many of them beyond the watermark.
pub fn half(plan: &Arc<Plan>, patterns: &Patterns) {
    for lateness_ms in [5_000, LATENESS_MS] {
        let visits = move |n| (Patterns::any(&patterns.all, n), visitor(n, CUSTOMERS));
        let half = move |n| match n % 2 {
            0 => visits(n),
            _ => (Patterns::any(&patterns.all, n), CUSTOMERS),
        };
        let task = || Task::new(plan, lateness_ms);
        let mut cases = [
            Case::new("10,000 customers", task(), Box::new(visits)),
            Case::new("one more, with half of all events", task(), Box::new(half)),
        ];
        let title = format!(
            "one customer, the watermark {} s behind",
            lateness_ms / 1_000
        );
        table(&title, &mut cases, None);
    }
}

/// By how much there is beyond the watermark: where all of it waits, and where some events speak at once.
pub fn tails(plan: &Arc<Plan>, patterns: &Patterns) {
    tails_of(plan, "views", &patterns.views);
    tails_of(plan, "the shop's mixture", &patterns.all);
}

/// A step of events has one of each of 512 customers, and the watermark is so many of them behind.
fn tails_of(plan: &Arc<Plan>, what: &str, events: &[Event]) {
    const CUSTOMERS: u64 = STEP as u64;
    let mut cases = [1, 16, 128, 1_000].map(|length: i64| {
        let lateness_ms = length * APART_MS * STEP as i64;
        let task = Task::new(plan, lateness_ms);
        let next = move |n| (Patterns::any(events, n), n % CUSTOMERS);
        let name = format!("{length} events beyond the watermark");
        let mut case = Case::new(name, task, Box::new(next));
        case.take(length.unsigned_abs() * CUSTOMERS);
        case
    });
    table(&format!("by tail, {what}"), &mut cases, None);
}

/// Whoever comes again at once, and whoever comes after everybody else; from records and typed.
pub fn heat(plan: &Arc<Plan>, patterns: &Patterns, decoder: &Decoder) {
    const CUSTOMERS: u64 = 1_000_000;
    const RECORDS: usize = 32_768;
    let mut task = patterns.population(plan, CUSTOMERS);
    type Whose = fn(u64) -> u64;
    let ways: [(&str, Whose); 3] = [
        ("hot: 32 events in a row of each", |n| {
            shop::mix(n / 32) % CUSTOMERS
        }),
        ("in visits of ten side by side", |n| visitor(n, CUSTOMERS)),
        // A prime, so that nobody comes twice before all have come.
        ("cold: each of another", |n| n * 611_953 % CUSTOMERS),
    ];
    println!("\nby who comes, {CUSTOMERS} customers");
    let mut costs = vec![[const { Vec::new() }; 3]; ways.len()];
    let (mut number, start) = (0, task.now);
    for round in 0..=ROUNDS {
        for (costs, (_, whose)) in costs.iter_mut().zip(&ways) {
            for (format, costs) in costs.iter_mut().enumerate() {
                let lines: Vec<String> = (number..number + RECORDS)
                    .map(|i| {
                        let time = start.plus(i as i64 * APART_MS);
                        let (_, id, line) = shop::event(i, CUSTOMERS, time);
                        line.replace(&id, &format!("c{:07}", whose(i as u64)))
                    })
                    .collect();
                let cost = taken(&mut task, decoder, format, number, &lines);
                number += RECORDS;
                if round > 0 {
                    costs.push(cost);
                }
            }
        }
    }
    let mut first = None;
    for ((what, _), costs) in ways.iter().zip(&mut costs) {
        let [typed, json, avro] = costs.each_mut().map(|costs| median(costs));
        let first = *first.get_or_insert(typed);
        println!(
            "  {what:34} {typed:>7.0} ns/event typed, {json:>7.0} from JSON, {avro:>7.0} from Avro  {:>6.2}x",
            typed / first
        );
    }
    println!("  no mark");
}

/// What an event costs of these, typed, from JSON or from Avro; those whom they changed are written with them, and not with the next.
fn taken(
    task: &mut Task,
    decoder: &Decoder,
    format: usize,
    number: usize,
    lines: &[String],
) -> f64 {
    let records = match format {
        2 => shop_avro::records(lines),
        _ => lines.iter().map(|line| line.clone().into_bytes()).collect(),
    };
    let topic = if format == 2 { AVRO } else { JSON };
    let event =
        |(i, record): (usize, &Vec<u8>)| Box::new(decode(decoder, topic, number + i, record));
    let started;
    if format == 0 {
        let events: Vec<_> = records.iter().enumerate().map(event).collect();
        started = cpu_seconds();
        events.into_iter().for_each(|event| task.take(event));
    } else {
        started = cpu_seconds();
        for record in records.iter().enumerate() {
            task.take(event(record));
        }
    }
    task.write_all();
    (cpu_seconds() - started) * 1e9 / lines.len() as f64
}

/// The parts that have a name.
pub const PARTS: [&str; 6] = ["triggers", "customers", "baskets", "tails", "half", "heat"];

/// Those that are wanted.
pub fn run(
    plan: &Arc<Plan>,
    decoder: &Decoder,
    wanted: &BTreeSet<String>,
    is_wanted: impl Fn(&str) -> bool,
) {
    if !PARTS.iter().any(|part| is_wanted(part)) {
        return;
    }
    let patterns = Patterns::new(decoder);
    if is_wanted("triggers") {
        triggers(&patterns);
    }
    if is_wanted("customers") {
        let counts = [10_000, 100_000, 1_000_000, 10_000_000];
        let all = if wanted.contains("10m") { 4 } else { 3 };
        customers(plan, &patterns, &counts[..all]);
    }
    if is_wanted("baskets") {
        baskets(plan, &patterns);
    }
    if is_wanted("tails") {
        tails(plan, &patterns);
    }
    if is_wanted("half") {
        half(plan, &patterns);
    }
    if is_wanted("heat") {
        heat(plan, &patterns, decoder);
    }
}
