//! (b) Catching up with two million events that are in the topics already.

use std::process::Command;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::{Offset, TopicPartitionList};

use crate::installation::{self, Installation, client, ends};
use crate::support::broker::KafkaBroker;
use crate::support::wait_until;
use crate::{cost, shop};

const EVENTS: usize = 2_000_000;
const CUSTOMERS: u64 = 100_000;
const APART_MS: i64 = 20;
/// A machine that is far slower than ours.
const LIMIT: Duration = Duration::from_secs(900);

/// Loads the topics, and reads them bare, with `moments`, and bare again.
pub fn run(broker: &KafkaBroker) {
    let count = std::env::var("MOMENTS_BENCH_EVENTS")
        .ok()
        .and_then(|count| count.parse().ok())
        .unwrap_or(EVENTS);
    // Events of the past: silence must not move time to today.
    let installation = Installation::new(broker, "clock = \"event\"");
    let producer = installation::producer(broker.bootstrap(), "20");
    for i in 0..count {
        let (topic, customer, json) = shop::event(i, CUSTOMERS, shop::time(i, APART_MS));
        let topic = format!("{}.{topic}", installation.prefix);
        installation::send(&producer, &topic, &customer, &json);
    }
    installation::flush(&producer);
    drop(producer);
    let millions = count as f64 / 1e6;
    println!("(b) catching up with {count} events, CPU seconds a million of them");
    let before = consume(broker, &installation, millions);
    let engine = engine(&installation, millions);
    let after = consume(broker, &installation, millions);
    let bare = before.midpoint(after);
    println!(
        "  ratio to the bare consumer: {:.1} (mark 4)",
        engine / bare
    );
}

fn engine(installation: &Installation<'_>, millions: f64) -> f64 {
    let group = installation.group();
    let (java, started) = (cost::broker(), Instant::now());
    let broker_before = cost::cpu_seconds(java);
    let mut process = installation.start();
    let mut asked = Instant::now();
    wait_until("everything to be committed", LIMIT, || {
        assert!(process.is_running(), "{}", process.output());
        // Asking is not free.
        let ask = asked.elapsed() > Duration::from_millis(250);
        if ask {
            asked = Instant::now();
        }
        ask && installation.is_caught_up(&group)
    });
    let cpu = cost::cpu_seconds(process.id()) / millions;
    println!(
        "  moments run         {cpu:6.2}, of the broker {:.2}; {:.1} s on the clock, {} threads, {} MB at most",
        (cost::cpu_seconds(java) - broker_before) / millions,
        started.elapsed().as_secs_f64(),
        cost::status(process.id(), "Threads"),
        cost::status(process.id(), "VmHWM") / 1024,
    );
    let (transactions, mean) = installation::histogram(&process, "moments_commit_duration_seconds");
    println!("                      {transactions:.0} transactions of {mean:.0} ms");
    process.terminate(LIMIT);
    cpu
}

/// Reads all of it in a process that does nothing else.
fn consume(broker: &KafkaBroker, installation: &Installation<'_>, millions: f64) -> f64 {
    let output = Command::new(std::env::current_exe().expect("this program"))
        .args(["as-consumer", broker.bootstrap(), &installation.prefix])
        .output()
        .expect("this program runs again");
    let text = String::from_utf8_lossy(&output.stdout);
    let cpu: f64 = text.trim().parse().unwrap_or_else(|_| panic!("{output:?}"));
    println!("  bare BaseConsumer   {:6.2}", cpu / millions);
    cpu / millions
}

/// The bare consumer: prints its CPU seconds.
pub fn bare(bootstrap: &str, prefix: &str) {
    let consumer: BaseConsumer = client(bootstrap)
        .set("group.id", "bare")
        .set("enable.auto.commit", "false")
        .set("isolation.level", "read_committed")
        // The default of 1 s leaves a full queue empty for as long.
        .set("fetch.queue.backoff.ms", "5")
        .create()
        .expect("a consumer");
    let ends = ends(&consumer, prefix);
    let mut left = 0;
    let mut assignment = TopicPartitionList::new();
    for end in ends.elements() {
        left += end.offset().to_raw().unwrap_or_default();
        assignment
            .add_partition_offset(end.topic(), end.partition(), Offset::Beginning)
            .expect("a valid offset");
    }
    consumer.assign(&assignment).expect("an assignment");
    let mut bytes = 0;
    while left > 0 {
        match consumer.poll(Duration::from_secs(1)) {
            Some(Ok(message)) => {
                bytes += message.payload_len();
                left -= 1;
            }
            Some(Err(error)) => panic!("{error}"),
            None => {}
        }
    }
    assert!(bytes > 0, "nothing was there to be read");
    println!("{}", cost::cpu_seconds(std::process::id()));
}
