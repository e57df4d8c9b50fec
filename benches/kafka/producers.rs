//! (e) A transactional producer a task, each with a thread, as the runtime has it, against one a worker that commits for all its
//! tasks: the same records, each task's committed every 100 ms.

use std::process::Command;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerGroupMetadata};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::{Offset, TopicPartitionList};

use crate::cost;
use crate::installation::{LIMIT, client};
use crate::support::broker::KafkaBroker;

const INPUT: &str = "bench-producers-in";
const OUTPUT: &str = "bench-producers-out";
const TASKS: [usize; 3] = [4, 32, 128];
const WORKERS: usize = 2;
/// Of all tasks together.
const RECORDS_A_SECOND: usize = 5_000;
const RECORD: [u8; 200] = [b'x'; 200];
const PERIOD: Duration = Duration::from_millis(100);
const ROUNDS: usize = 80;

/// Each case in a process of its own.
pub fn run(broker: &KafkaBroker) {
    for topic in [INPUT, OUTPUT] {
        broker.create_topic(topic, 128, &[]);
    }
    println!(
        "(e) {RECORDS_A_SECOND} records a second, each task's committed every {} ms",
        PERIOD.as_millis()
    );
    for tasks in TASKS {
        for producers in [tasks, WORKERS] {
            let java = cost::broker();
            let before = cost::cpu_seconds(java);
            let output = Command::new(std::env::current_exe().expect("this program"))
                .args(["as-producers", broker.bootstrap()])
                .args([tasks.to_string(), producers.to_string()])
                .output()
                .expect("this program runs again");
            assert!(output.status.success(), "{output:?}");
            let text = String::from_utf8_lossy(&output.stdout);
            println!(
                "  {tasks:3} tasks, {producers:3} producers: {}, the broker's CPU {:5.2} s",
                text.trim(),
                cost::cpu_seconds(java) - before
            );
        }
    }
}

/// What one producer is for.
struct Share {
    partitions: Vec<i32>,
    records: usize,
    producer: BaseProducer,
}

/// One case: prints what it cost.
pub fn measure(bootstrap: &str, tasks: usize, producers: usize) {
    let group: BaseConsumer = client(bootstrap)
        .set("group.id", format!("bench-{tasks}-{producers}"))
        .create()
        .expect("a consumer");
    let group = group.group_metadata().expect("a group's metadata");
    let ready = Barrier::new(producers + 1);
    let started = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..producers)
            .map(|number| {
                let partitions: Vec<i32> = (0..tasks)
                    .filter(|task| task % producers == number)
                    .filter_map(|task| i32::try_from(task).ok())
                    .collect();
                let (group, ready) = (&group, &ready);
                scope.spawn(move || {
                    let share = share(bootstrap, tasks, partitions, producers);
                    ready.wait();
                    work(&share, group)
                })
            })
            .collect();
        ready.wait();
        let (cpu, at) = (cost::cpu_seconds(std::process::id()), Instant::now());
        let mut commits: Vec<Duration> = Vec::new();
        let mut threads_most = 0;
        for thread in threads {
            threads_most = threads_most.max(cost::status(std::process::id(), "Threads"));
            commits.extend(thread.join().expect("a producer's thread"));
        }
        (cpu, at, commits, threads_most)
    });
    let (cpu, at, mut commits, threads) = started;
    let seconds = at.elapsed().as_secs_f64();
    let mut ms = |percent| cost::percentile(&mut commits, percent).as_secs_f64() * 1e3;
    let (half, most) = (ms(50), ms(99));
    println!(
        "commit p50 {half:6.1} p99 {most:6.1} ms, {:5.0} transactions a second, took {seconds:4.1} s of {:.1}, \
         CPU {:5.2} s, {threads:3} threads, {:4} MB",
        commits.len() as f64 / seconds,
        PERIOD.as_secs_f64() * ROUNDS as f64,
        cost::cpu_seconds(std::process::id()) - cpu,
        cost::status(std::process::id(), "VmHWM") / 1024,
    );
}

fn share(bootstrap: &str, tasks: usize, partitions: Vec<i32>, producers: usize) -> Share {
    let producer: BaseProducer = client(bootstrap)
        .set(
            "transactional.id",
            format!("bench-{tasks}-{producers}-{}", partitions[0]),
        )
        .set("linger.ms", "5")
        .set("compression.type", "lz4")
        .create()
        .expect("a producer");
    producer.init_transactions(LIMIT).expect("a producer epoch");
    let records = (RECORDS_A_SECOND as f64 * PERIOD.as_secs_f64() / tasks as f64).ceil() as usize;
    Share {
        partitions,
        records,
        producer,
    }
}

/// Commits every period, or as soon as it can; how long each took, the waiting for its turn excluded.
fn work(share: &Share, group: &ConsumerGroupMetadata) -> Vec<Duration> {
    let start = Instant::now();
    // Producers begin at different times of the period, as tasks do.
    let offset = PERIOD / 128 * u32::try_from(share.partitions[0]).unwrap_or(0);
    let mut commits = Vec::with_capacity(ROUNDS);
    for round in 0..ROUNDS {
        let due = start + offset + PERIOD * u32::try_from(round).unwrap_or(0);
        while let Some(wait) = due.checked_duration_since(Instant::now()) {
            std::thread::park_timeout(wait);
        }
        let began = Instant::now();
        transact(share, group, round);
        commits.push(began.elapsed());
    }
    commits
}

/// As the runtime does it.
fn transact(share: &Share, group: &ConsumerGroupMetadata, round: usize) {
    let producer = &share.producer;
    producer.begin_transaction().expect("a transaction begins");
    let mut offsets = TopicPartitionList::new();
    for partition in &share.partitions {
        for _ in 0..share.records {
            let record = BaseRecord::<(), [u8]>::to(OUTPUT)
                .partition(*partition)
                .payload(&RECORD);
            assert!(producer.send(record).is_ok(), "the queue has room");
        }
        let offset = Offset::Offset(i64::try_from(round * share.records).unwrap_or(0));
        offsets
            .add_partition_offset(INPUT, *partition, offset)
            .expect("a valid offset");
    }
    producer
        .send_offsets_to_transaction(&offsets, group, LIMIT)
        .expect("offsets are sent");
    producer.poll(Duration::ZERO);
    while producer.in_flight_count() > 0 {
        std::thread::park_timeout(Duration::from_micros(200));
        producer.poll(Duration::ZERO);
    }
    producer
        .commit_transaction(LIMIT)
        .expect("the transaction commits");
}
