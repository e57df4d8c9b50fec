//! How each librdkafka client is configured: our own defaults, what the configuration says over them, and over that what the
//! guarantees rest on.

use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::KafkaError;

use crate::config::Config;

/// Beyond the value of a record: key, headers and framing.
const RECORD_OVERHEAD_BYTES: i32 = 65_536;

/// Passes librdkafka's log on to ours.
#[derive(Clone, Debug, Default)]
pub struct Logged;

impl ClientContext for Logged {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::warn!(target: "rdkafka", %error, "{reason}");
    }
}

impl ConsumerContext for Logged {}

/// One line of librdkafka's log.
pub(super) fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    match level {
        RDKafkaLogLevel::Emerg
        | RDKafkaLogLevel::Alert
        | RDKafkaLogLevel::Critical
        | RDKafkaLogLevel::Error => {
            tracing::error!(target: "rdkafka", facility, "{message}");
        }
        RDKafkaLogLevel::Warning => tracing::warn!(target: "rdkafka", facility, "{message}"),
        RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => {
            tracing::info!(target: "rdkafka", facility, "{message}");
        }
        RDKafkaLogLevel::Debug => tracing::debug!(target: "rdkafka", facility, "{message}"),
    }
}

/// A client of no particular kind: administration.
#[must_use]
pub fn common(config: &Config) -> ClientConfig {
    let mut client = ClientConfig::new();
    for (name, value) in &config.kafka.properties.0 {
        client.set(name, value);
    }
    client.set("bootstrap.servers", &config.kafka.bootstrap);
    client.set("client.id", client_id(config));
    client
}

/// The member of the group, which reads the topics that come in.
#[must_use]
pub(super) fn member(config: &Config) -> ClientConfig {
    let mut client = consumer(config, "read_committed");
    client.set("group.protocol", "classic");
    client.set("partition.assignment.strategy", "range");
    client
}

/// A consumer that is assigned by hand, of this isolation.
#[must_use]
pub(crate) fn consumer(config: &Config, isolation: &str) -> ClientConfig {
    let mut client = ClientConfig::new();
    let defaults = [
        // A member that is gone is missed after 6 s at the soonest, by the broker's default.
        ("session.timeout.ms", "10000"),
        ("heartbeat.interval.ms", "500"),
        // The default of 1 s leaves a full queue empty for as long.
        ("fetch.queue.backoff.ms", "5"),
        // A partition whose queue was full joins the next fetch: at most this much later.
        ("fetch.wait.max.ms", "100"),
        // Per partition, as the queues are split; two fetches.
        ("queued.max.messages.kbytes", "2048"),
        ("reconnect.backoff.ms", "50"),
        ("reconnect.backoff.max.ms", "2000"),
    ];
    for (name, value) in defaults {
        client.set(name, value);
    }
    overlay(&mut client, config, &config.kafka.consumer.0);
    client.set("group.id", &config.application.id);
    client.set("enable.auto.commit", "false");
    client.set("enable.auto.offset.store", "false");
    client.set("auto.offset.reset", "error");
    client.set("enable.partition.eof", "false");
    client.set("isolation.level", isolation);
    client
}

/// The producer of a task.
#[must_use]
pub(super) fn producer(config: &Config, partition: i32) -> ClientConfig {
    let mut client = outside_producer(config);
    client.set(
        "transactional.id",
        format!("{}-{partition}", config.application.id),
    );
    client
}

/// The member of the group that copies what happened to everybody.
#[must_use]
pub(super) fn copier(config: &Config) -> ClientConfig {
    let mut client = member(config);
    client.set("group.id", format!("{}-broadcasts", config.application.id));
    // As a task begins. What is old is refused by `good_for`, what is told again known by its id.
    client.set("auto.offset.reset", "earliest");
    client
}

/// The producer of the copies of one partition.
#[must_use]
pub(super) fn copies(config: &Config, topic: &str, partition: i32) -> ClientConfig {
    let mut client = outside_producer(config);
    let id = &config.application.id;
    client.set(
        "transactional.id",
        format!("{id}-broadcasts-{topic}-{partition}"),
    );
    client
}

/// A producer of no task.
#[must_use]
pub(crate) fn outside_producer(config: &Config) -> ClientConfig {
    let mut client = ClientConfig::new();
    let defaults = [
        ("linger.ms", "5"),
        ("compression.type", "lz4"),
        ("queue.buffering.max.messages", "1000000"),
        ("transaction.timeout.ms", "60000"),
        ("reconnect.backoff.ms", "50"),
        ("reconnect.backoff.max.ms", "2000"),
    ];
    for (name, value) in defaults {
        client.set(name, value);
    }
    overlay(&mut client, config, &config.kafka.producer.0);
    client.set("enable.idempotence", "true");
    client.set("acks", "all");
    client.set("partitioner", "murmur2_random");
    let largest = config
        .topics
        .record_bytes_max
        .saturating_add(RECORD_OVERHEAD_BYTES);
    client.set("message.max.bytes", largest.to_string());
    client
}

/// The producer of the control topic.
#[must_use]
pub(super) fn publisher(config: &Config) -> ClientConfig {
    let mut client = producer(config, 0);
    client.remove("transactional.id");
    client
}

fn overlay(
    client: &mut ClientConfig,
    config: &Config,
    own: &std::collections::BTreeMap<String, String>,
) {
    for (name, value) in config.kafka.properties.0.iter().chain(own) {
        client.set(name, value);
    }
    client.set("bootstrap.servers", &config.kafka.bootstrap);
    client.set("client.id", client_id(config));
}

/// The range assignor sorts members by an id that begins with this.
fn client_id(config: &Config) -> String {
    if !config.kafka.client_id.is_empty() {
        return padded(&config.kafka.client_id);
    }
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    padded(&format!("{}-{}", config.application.id, host.trim()))
}

/// `moments-7` becomes `moments-00007`.
fn padded(name: &str) -> String {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let number = &name[stem.len()..];
    if number.is_empty() {
        name.to_owned()
    } else {
        format!("{stem}{number:0>5}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_sort_by_their_number() {
        for (name, expected) in [
            ("moments-7", "moments-00007"),
            ("moments", "moments"),
            ("a-123456", "a-123456"),
        ] {
            assert_eq!(padded(name), expected);
        }
    }
}
