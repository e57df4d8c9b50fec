//! How each librdkafka client is configured: our own defaults, what the configuration says over them, and over that what the
//! guarantees rest on.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::ProducerContext;

use super::tokens;
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
/// How soon it is heard why nobody is reached.
const HEARD: Duration = Duration::from_millis(500);
/// How long it is listened to what a client says.
const LISTENED: Duration = Duration::from_millis(50);
/// How long a reason explains what fails.
const REASON: Duration = Duration::from_secs(30);

/// Why librdkafka last reached nobody: its calls say only that they did not.
static REASONS: Mutex<Option<Reason>> = Mutex::new(None);

#[derive(Debug)]
struct Reason {
    at: Instant,
    code: RDKafkaErrorCode,
    said: String,
}

/// Makes a type the context of a client: librdkafka's log and errors are passed on to ours, and tokens are brought.
macro_rules! context {
    ($Type:ty) => {
        impl rdkafka::client::ClientContext for $Type {
            fn log(&self, level: rdkafka::config::RDKafkaLogLevel, facility: &str, message: &str) {
                $crate::runtime::clients::log(level, facility, message);
            }

            fn error(&self, error: rdkafka::error::KafkaError, reason: &str) {
                $crate::runtime::clients::failed(&error, reason);
            }

            const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

            fn generate_oauth_token(
                &self,
                config: Option<&str>,
            ) -> Result<rdkafka::client::OAuthToken, Box<dyn std::error::Error>> {
                $crate::runtime::tokens::brought(config)
            }
        }
    };
}
pub(crate) use context;

/// Passes librdkafka's log on to ours.
#[derive(Clone, Debug, Default)]
pub struct Logged;

context!(Logged);

impl ConsumerContext for Logged {}

impl ProducerContext for Logged {
    type DeliveryOpaque = ();

    fn delivery(&self, _: &DeliveryResult<'_>, (): ()) {}
}

/// What librdkafka says goes wrong; that nobody can log in, at error. That a partition is read to its end goes not wrong: whoever
/// hears of it has asked for it.
pub(crate) fn failed(error: &KafkaError, reason: &str) {
    let code = error.rdkafka_error_code();
    let code = code.unwrap_or(RDKafkaErrorCode::Unknown);
    if code == RDKafkaErrorCode::PartitionEOF {
        return;
    }
    let advice = advice(code);
    let said = advice.map_or_else(|| reason.to_owned(), |advice| format!("{reason}: {advice}"));
    let mut known = REASONS.lock().unwrap_or_else(PoisonError::into_inner);
    let before = known.as_ref().filter(|it| it.at.elapsed() < REASON);
    if code == RDKafkaErrorCode::AllBrokersDown {
        // Why, was said of each of them, and this comes some dozen times a second.
        tracing::debug!(target: "rdkafka", %error, "{reason}");
    } else if advice.is_none() {
        tracing::warn!(target: "rdkafka", %error, "{reason}");
    } else if before.is_none_or(|before| before.said != said) {
        tracing::error!(target: "rdkafka", %error, "{said}");
    }
    if advice.is_some() || before.is_none() && code == RDKafkaErrorCode::BrokerTransportFailure {
        let at = Instant::now();
        *known = Some(Reason { at, code, said });
    }
}

/// What to do about an error of access.
fn advice(code: RDKafkaErrorCode) -> Option<&'static str> {
    use RDKafkaErrorCode as Code;
    Some(match code {
        Code::Authentication | Code::SaslAuthenticationFailed => {
            "the brokers do not let this process in: look at sasl.mechanism, sasl.username and sasl.password in [kafka.properties]"
        }
        Code::SSL => {
            "no secure connection: look at security.protocol and ssl.ca.location in [kafka.properties], and at the port"
        }
        Code::Resolve => {
            "a name leads nowhere: look at kafka.bootstrap, and at what the brokers advertise"
        }
        Code::GroupAuthorizationFailed => {
            "a right is missing: Read on the group, which is application.id, and of `moments send` begins with send.group; `moments topics acls` prints every right that is needed"
        }
        Code::TransactionalIdAuthorizationFailed => {
            "a right is missing: Write on the transactional ids that begin with application.id, and those of `moments send` with \
             send.group; `moments topics acls` prints every right that is needed"
        }
        Code::TopicAuthorizationFailed | Code::ClusterAuthorizationFailed => {
            "a right is missing: `moments topics acls` prints every right that is needed"
        }
        _ => return None,
    })
}

/// What to do about nobody having answered, and not having said why.
const NOBODY: &str = "look at kafka.bootstrap, at whether brokers run there, and at security.protocol in [kafka.properties], which is to be \
                      what that port speaks";

/// An error, and why, where librdkafka has said that lately or the error itself does.
#[must_use]
pub(crate) fn explained(error: &KafkaError) -> String {
    if let KafkaError::ClientConfig(_, _, name, _) = error {
        return format!("\"{name}\": not a property, or not a value that it can have (not shown)");
    }
    let known = REASONS.lock().unwrap_or_else(PoisonError::into_inner);
    match known.as_ref().filter(|it| it.at.elapsed() < REASON) {
        Some(reason) => format!("{error}: {}", reason.said),
        None => match error.rdkafka_error_code() {
            _ if is_no_answer(error) => format!("{error}: {NOBODY}"),
            Some(code) if let Some(advice) = advice(code) => format!("{error}: {advice}"),
            _ => error.to_string(),
        },
    }
}

/// A consumer that asks for what is known of topics and groups, or is assigned by hand.
///
/// # Errors
/// Where it cannot be made, or has no token where it needs one.
pub(crate) fn asking(client: &ClientConfig) -> KafkaResult<BaseConsumer<Logged>> {
    let consumer: BaseConsumer<Logged> = client.create_with_context(Logged)?;
    tokens::let_in(client, consumer.client())?;
    Ok(consumer)
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
pub(crate) fn check(config: &Config) -> Result<(), String> {
    let clients = [
        ("kafka.properties", common(config)),
        ("kafka.consumer", member(config)),
        ("kafka.producer", producer(config, 0)),
    ];
    for (section, client) in clients {
        tokens::check(&client).map_err(|(name, why)| format!("[{section}] \"{name}\" {why}"))?;
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

/// Asks brokers for nothing but an answer: how many there are.
///
/// # Errors
/// Where there is none in time, or it is known before that there will not be, as they do not let this process in. Why is [explained].
pub(crate) fn reach(config: &Config, timeout: Duration) -> KafkaResult<usize> {
    let client = asking(&consumer(config, "read_committed"))?;
    let metadata = patiently(&client, timeout, |timeout| {
        client.fetch_metadata(None, timeout)
    })?;
    Ok(metadata.brokers().len())
}

/// Asks until there is an answer, again and again, as it is heard in between whether there will be none.
///
/// # Errors
/// The last, once it is out of time, or brokers refuse. Why is [explained].
pub(crate) fn patiently<T>(
    client: &BaseConsumer<Logged>,
    timeout: Duration,
    ask: impl Fn(Duration) -> KafkaResult<T>,
) -> KafkaResult<T> {
    let (since, mut patience) = (Instant::now(), HEARD);
    loop {
        let error = match ask(patience) {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        // What it says of errors is heard here; it may not end.
        let listened = Instant::now();
        while listened.elapsed() < LISTENED && client.poll(LISTENED).is_some() {}
        if !is_no_answer(&error) || is_refused(since) || since.elapsed() >= timeout {
            return Err(error);
        }
        patience = (patience * 2).min(timeout.saturating_sub(since.elapsed()).max(HEARD));
    }
}

/// Whether an error says no more than that nobody answered.
fn is_no_answer(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        error.rdkafka_error_code(),
        Some(Code::OperationTimedOut | Code::AllBrokersDown | Code::BrokerTransportFailure)
    )
}

/// Whether brokers have refused what was asked since then.
fn is_refused(since: Instant) -> bool {
    use RDKafkaErrorCode as Code;
    let known = REASONS.lock().unwrap_or_else(PoisonError::into_inner);
    known.as_ref().is_some_and(|reason| {
        let is_final = advice(reason.code).is_some() && reason.code != Code::Resolve;
        is_final && reason.at >= since
    })
}

/// Whether this is what went wrong last, a moment ago.
pub(super) fn is_known(code: RDKafkaErrorCode) -> bool {
    let known = REASONS.lock().unwrap_or_else(PoisonError::into_inner);
    known
        .as_ref()
        .is_some_and(|reason| reason.code == code && reason.at.elapsed() < REASON)
}

/// One line of librdkafka's log.
pub(crate) fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
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
    tokens::adapt(&mut client);
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
    tokens::adapt(client);
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
    fn what_a_property_was_set_to_is_not_told() {
        for (name, value) in [
            ("sasl.pasword", "hunter2"),
            ("security.protocol", "hunter2"),
        ] {
            let error = ClientConfig::new()
                .set(name, value)
                .create_native_config()
                .map(|_| ())
                .unwrap_err();
            let said = explained(&error);
            assert!(said.contains(name) && !said.contains(value), "{said}");
        }
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
