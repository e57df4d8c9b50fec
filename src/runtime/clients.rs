//! How each librdkafka client is configured: our own defaults, what the configuration says over them, and over that what the
//! guarantees rest on.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::config::Config;
use crate::config::properties::INSTANCE;
use crate::config::secret::is_secret;

/// Beyond the value of a record: key, headers and framing.
const RECORD_OVERHEAD_BYTES: i32 = 65_536;

/// How fetches of events are gathered. One for each record or two costs the broker and us more than the records do; gathered for so
/// long they cost a fifth, and a lone event waits no longer. The price is a fetch each 10 ms where nothing happens: what is read
/// seldom, state and the control topic, is waited for by the broker.
const GATHERED: [(&str, &str); 2] = [("fetch.min.bytes", "200000"), ("fetch.wait.max.ms", "10")];
/// A few compressed bytes of somebody else's become as much in memory as these allow: the first for a batch, the others for how many
/// are fetched at once. A thousandfold is easily made; a batch of ordinary records is no larger than a MiB or two.
const BOUNDED: [(&str, &str); 3] = [
    (RECEIVED, "33554432"),
    ("fetch.max.bytes", "8388608"),
    ("max.partition.fetch.bytes", "524288"),
];
/// The largest that is received, and that a batch may become.
const RECEIVED: &str = "receive.message.max.bytes";

/// After what a member is missed.
const SESSION: &str = "session.timeout.ms";
/// How long it is listened for why nobody is reached.
const WHY: Duration = Duration::from_secs(2);
/// How long a reason explains what fails.
const REASON: Duration = Duration::from_secs(30);

/// Why librdkafka last reached nobody: its calls say only that they did not.
static REASONS: Mutex<Option<(Instant, String)>> = Mutex::new(None);

/// Passes librdkafka's log on to ours.
#[derive(Clone, Debug, Default)]
pub struct Logged;

impl ClientContext for Logged {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        failed(&error, reason);
    }
}

impl ConsumerContext for Logged {}

/// What librdkafka says goes wrong; that nobody can log in, at error.
pub(super) fn failed(error: &KafkaError, reason: &str) {
    use RDKafkaErrorCode as Code;
    let code = error.rdkafka_error_code();
    let advice = match code {
        Some(Code::Authentication | Code::SaslAuthenticationFailed) => Some(
            "the brokers do not let this process in: look at sasl.mechanism, sasl.username and sasl.password in [kafka.properties]",
        ),
        Some(Code::SSL) => Some(
            "no secure connection: look at security.protocol and ssl.ca.location in [kafka.properties], and at the port",
        ),
        Some(Code::Resolve) => {
            Some("a name leads nowhere: look at kafka.bootstrap, and at what the brokers advertise")
        }
        Some(
            Code::TopicAuthorizationFailed
            | Code::GroupAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::TransactionalIdAuthorizationFailed,
        ) => Some("a right is missing: `moments topics acls` prints those that are needed"),
        _ => None,
    };
    let mut known = REASONS.lock().unwrap_or_else(PoisonError::into_inner);
    let is_known = known.as_ref().is_some_and(|(at, _)| at.elapsed() < REASON);
    if let Some(advice) = advice {
        let said = format!("{reason}: {advice}");
        if !is_known || known.as_ref().is_some_and(|(_, known)| *known != said) {
            tracing::error!(target: "rdkafka", %error, "{said}");
        }
        *known = Some((Instant::now(), said));
    } else {
        if !is_known && code == Some(Code::BrokerTransportFailure) {
            *known = Some((Instant::now(), reason.to_owned()));
        }
        tracing::warn!(target: "rdkafka", %error, "{reason}");
    }
}

/// An error, and why, where librdkafka has said that lately.
#[must_use]
pub(crate) fn explained(error: &KafkaError) -> String {
    let known = REASONS.lock().unwrap_or_else(PoisonError::into_inner);
    match known.as_ref().filter(|(at, _)| at.elapsed() < REASON) {
        Some((_, reason)) => format!("{error}: {reason}"),
        None => error.to_string(),
    }
}

/// The largest record that the member can take in, bytes.
#[must_use]
pub(super) fn receivable(config: &Config) -> i64 {
    of_member(config, RECEIVED).unwrap_or(i64::MAX)
}

/// After how long without a sign of life the group goes on without a member.
#[must_use]
pub(super) fn session(config: &Config) -> Duration {
    Duration::from_millis(of_member(config, SESSION).unwrap_or(6_000))
}

/// A number that the member is configured with.
fn of_member<N: std::str::FromStr>(config: &Config, name: &str) -> Option<N> {
    member(config).get(name)?.parse().ok()
}

/// What librdkafka does not take of the properties that are configured.
///
/// # Errors
/// The first of them, and why.
pub(super) fn check(config: &Config) -> Result<(), String> {
    let clients = [
        ("kafka.properties", common(config)),
        ("kafka.consumer", member(config)),
        ("kafka.producer", producer(config, 0)),
    ];
    for (section, client) in clients {
        match client.create_native_config() {
            Err(KafkaError::ClientConfig(_, why, name, _)) if !is_secret(&name) => {
                return Err(format!("[{section}] \"{name}\": {why}"));
            }
            Err(KafkaError::ClientConfig(_, _, name, _)) => {
                return Err(format!(
                    "[{section}] \"{name}\": not a value that it can have (not shown)"
                ));
            }
            Err(error) => return Err(format!("[{section}]: {error}")),
            Ok(_) => {}
        }
    }
    Ok(())
}

/// Finds out why nobody is reached, of a client whose errors can be heard: it is [explained] then.
pub(super) fn ask_why(config: &Config) {
    let asked: Result<BaseConsumer<Logged>, _> =
        consumer(config, "read_committed").create_with_context(Logged);
    if let Ok(client) = asked {
        let _ = client.fetch_metadata(None, WHY);
        let since = Instant::now();
        while since.elapsed() < WHY && client.poll(Duration::from_millis(100)).is_some() {}
    }
}

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

/// Between the client id of a member and where its process is reached.
const AT: char = '@';

/// Where the process of a member is reached, as its client id says.
#[must_use]
pub(super) fn reached_at(client_id: &str) -> Option<&str> {
    client_id.rsplit_once(AT).map(|(_, address)| address)
}

/// The client id by which a member tells the others where its process is reached.
#[must_use]
pub(super) fn telling(config: &Config, address: &str) -> String {
    format!("{}{AT}{address}", client_id(config))
}

/// The member of the group, which reads the topics that come in.
#[must_use]
pub(super) fn member(config: &Config) -> ClientConfig {
    let defaults = [&GATHERED[..], &BOUNDED].concat();
    let mut client = reader(config, "read_committed", &defaults);
    client.set("group.protocol", "classic");
    client.set("partition.assignment.strategy", "range");
    if let Some(name) = config.kafka.consumer.0.get(INSTANCE) {
        client.set(INSTANCE, name);
    }
    client
}

/// A consumer that is assigned by hand, of this isolation.
#[must_use]
pub(crate) fn consumer(config: &Config, isolation: &str) -> ClientConfig {
    reader(config, isolation, &[])
}

fn reader(config: &Config, isolation: &str, defaults: &[(&str, &str)]) -> ClientConfig {
    let mut client = ClientConfig::new();
    let common = [
        // The least that brokers allow by their own default.
        (SESSION, "6000"),
        ("heartbeat.interval.ms", "500"),
        // The default of 1 s leaves a full queue empty for as long.
        ("fetch.queue.backoff.ms", "5"),
        // A partition whose queue was full joins the next fetch: at most this much later.
        ("fetch.wait.max.ms", "100"),
        // Per partition, as the queues are split; a few fetches.
        ("queued.max.messages.kbytes", "2048"),
        ("reconnect.backoff.ms", "50"),
        ("reconnect.backoff.max.ms", "2000"),
    ];
    for (name, value) in common.iter().chain(defaults) {
        client.set(*name, *value);
    }
    overlay(&mut client, config, &config.kafka.consumer.0);
    client.set("group.id", &config.application.id);
    client.set("enable.auto.commit", "false");
    client.set("enable.auto.offset.store", "false");
    client.set("auto.offset.reset", "error");
    client.set("enable.partition.eof", "false");
    client.set("isolation.level", isolation);
    // The member's alone.
    client.remove(INSTANCE);
    client
}

/// The producer with a task's transactional id: of the worker whose first task it is, or to fence that.
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
    fn the_name_of_a_static_member_is_the_members_alone() {
        let mut config = Config::default();
        let name = (INSTANCE.to_owned(), "moments-0".to_owned());
        config.kafka.consumer.0.extend([name]);
        assert_eq!(member(&config).get(INSTANCE), Some("moments-0"));
        let others = [consumer(&config, "read_committed"), producer(&config, 0)];
        assert!(others.iter().all(|other| other.get(INSTANCE).is_none()));
    }

    #[test]
    fn the_members_fetches_are_gathered_unless_it_is_said_otherwise() {
        let mut config = Config::default();
        let gathered = |config: &Config| {
            let member = member(config);
            GATHERED.map(|(name, _)| member.get(name).unwrap_or_default().to_owned())
        };
        assert_eq!(gathered(&config), ["200000", "10"]);
        let other = consumer(&config, "read_committed");
        assert_eq!(other.get("fetch.min.bytes"), None);
        let name = GATHERED[0].0.to_owned();
        config.kafka.consumer.0.insert(name, "1".to_owned());
        assert_eq!(gathered(&config), ["1", "10"]);
    }

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
