//! What a real Kafka adds: `./dev bench kafka [catching-up] [latency] [producers]`, all three where none is named.
//!
//! (b) catching up: CPU seconds a million events, beside a bare librdkafka consumer of the same topics;
//! (c) latency from arrival to committed command at 5,000 events a second;
//! (e) a transactional producer a task against one a worker.
//!
//! The broker is a real one on this machine, and shares its cores. Nothing is asserted: the figures are printed.

mod catching_up;
mod cost;
mod installation;
mod latency;
mod producers;
#[path = "../shop.rs"]
mod shop;
#[expect(dead_code, reason = "the tests use more of it")]
#[path = "../../tests/it/support/mod.rs"]
mod support;

use support::broker::KafkaBroker;

/// As in the binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    // Cargo adds an argument of its own.
    let args: Vec<String> = std::env::args()
        .skip(1)
        .filter(|arg| arg != "--bench")
        .collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words[..] {
        // What is measured as a process of its own is this one again.
        ["as-consumer", bootstrap, prefix] => return catching_up::bare(bootstrap, prefix),
        ["as-producers", bootstrap, tasks, producers] => {
            return producers::measure(bootstrap, number(tasks), number(producers));
        }
        _ => {}
    }
    let Some(broker) = KafkaBroker::shared() else {
        return;
    };
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("load of the machine before: {}", load.trim());
    let wanted = |name| words.is_empty() || words.contains(&name);
    if wanted("catching-up") {
        catching_up::run(broker);
    }
    if wanted("latency") {
        latency::run(broker);
    }
    if wanted("producers") {
        producers::run(broker);
    }
}

fn number(text: &str) -> usize {
    text.parse().expect("a number")
}
