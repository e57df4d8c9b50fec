//! The floor: a bare librdkafka consumer of the four topics, which looks at nothing but lengths.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use crate::generate::TOPICS;

const LIMIT: Duration = Duration::from_secs(10);

/// Reads all there is where `seconds` is 0, else what comes while they last; then says what that took. `properties` are
/// librdkafka's, `name=value`.
pub fn run(bootstrap: &str, prefix: &str, partitions: i32, seconds: u64, properties: &[&str]) {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", bootstrap)
        .set("group.id", "floor")
        .set("enable.auto.commit", "false");
    for property in properties {
        let (name, value) = property.split_once('=').expect("name=value");
        config.set(name, value);
    }
    let consumer: BaseConsumer = config.create().expect("a consumer");
    let from = if seconds == 0 {
        Offset::Beginning
    } else {
        Offset::End
    };
    let (mut assignment, mut expected) = (TopicPartitionList::new(), 0);
    for topic in TOPICS {
        let topic = format!("{prefix}{topic}");
        for partition in 0..partitions {
            if seconds == 0 {
                let (_, end) = consumer
                    .fetch_watermarks(&topic, partition, LIMIT)
                    .expect("watermarks");
                expected += end;
            }
            assignment
                .add_partition_offset(&topic, partition, from)
                .expect("a valid offset");
        }
    }
    let (start, cpu) = (Instant::now(), crate::cpu_seconds());
    consumer.assign(&assignment).expect("an assignment");
    let (mut records, mut bytes) = (0, 0);
    let going_on = |records| match seconds {
        0 => records < expected,
        _ => start.elapsed().as_secs() < seconds,
    };
    while going_on(records) {
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => {
                records += 1;
                bytes += message.payload_len() + message.key_len();
            }
            Some(Err(error)) => eprintln!("{error}"),
            None => {}
        }
    }
    println!(
        "records={records} bytes={bytes} took_ms={} cpu_ms={:.0} peak_kb={}",
        start.elapsed().as_millis(),
        (crate::cpu_seconds() - cpu) * 1e3,
        peak_kb()
    );
}

fn peak_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("/proc");
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|line| line.split_whitespace().next()?.parse().ok())
        .unwrap_or_default()
}
