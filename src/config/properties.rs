//! How Kafka is reached: any librdkafka property, but for the few that the guarantees rest on.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use super::secret::is_secret;
use super::{ConfigError, Span};

/// How Kafka is reached.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Kafka {
    /// Brokers to begin with: `host:port`, several with commas. Default `127.0.0.1:9092`.
    pub bootstrap: String,
    /// What brokers' logs call this process. A number at its end is padded with zeros, so that partitions stay where they are over
    /// restarts. Empty: the application's id and the host's name. Default empty.
    pub client_id: String,
    /// How long a call to Kafka may take before this process takes it for hung and ends itself, for another to take over. Default `60s`.
    pub call_timeout: Span,
    /// How long a transaction may be open in what is read here before it is said to hang, as its producer is gone: longer than the
    /// producers' `transaction.timeout.ms`. Default `90s`.
    pub hanging_transaction: Span,
    /// Any librdkafka property, for every client. One that ends in `.file` is read from that file. Default none.
    pub properties: Properties,
    /// The same, for consumers only. Default none.
    pub consumer: Properties,
    /// The same, for producers only. Default none.
    pub producer: Properties,
}

/// librdkafka properties. Shown without what may be secret.
#[derive(Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Properties(pub BTreeMap<String, String>);

/// A property whose value names the file that holds it.
const FILE: &str = ".file";

/// The name of a member that has its tasks again when it comes back: each process has another.
pub const INSTANCE: &str = "group.instance.id";

/// What the guarantees rest on, and why.
const REFUSED: &[(&str, &str)] = &[
    ("bootstrap.servers", "it is `kafka.bootstrap`"),
    ("metadata.broker.list", "it is `kafka.bootstrap`"),
    ("client.id", "it is `kafka.client_id`"),
    (
        "group.id",
        "it is `application.id`, which the state belongs to",
    ),
    (
        "group.protocol",
        "partitions are assigned by range, which the classic protocol does",
    ),
    (
        "group.remote.assignor",
        "partitions are assigned by range, which the classic protocol does",
    ),
    (
        "partition.assignment.strategy",
        "partition p of every topic must be in one hand, which `range` does",
    ),
    (
        "enable.auto.commit",
        "offsets are committed with what follows from the events, in one transaction",
    ),
    (
        "enable.auto.offset.store",
        "offsets are committed with what follows from the events, in one transaction",
    ),
    ("auto.offset.reset", "where to read on is part of the state"),
    (
        "isolation.level",
        "events of aborted transactions never happened",
    ),
    ("enable.partition.eof", "it does not name its topic"),
    (
        "transactional.id",
        "it is `application.id` and the partition: that is what fences a dead owner",
    ),
    ("enable.idempotence", "transactions need it"),
    ("acks", "transactions need `all`"),
    ("request.required.acks", "transactions need `all`"),
    (
        "partitioner",
        "treatments lie in the partition that Java's producers choose, `murmur2_random`",
    ),
    (
        "message.max.bytes",
        "it follows from `topics.record_bytes_max`",
    ),
];

impl Default for Kafka {
    fn default() -> Self {
        Self {
            bootstrap: "127.0.0.1:9092".to_owned(),
            client_id: String::new(),
            call_timeout: Span { ms: 60_000 },
            hanging_transaction: Span { ms: 90_000 },
            properties: Properties::default(),
            consumer: Properties::default(),
            producer: Properties::default(),
        }
    }
}

impl Kafka {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if self.bootstrap.trim().is_empty() {
            return Err(ConfigError::invalid(
                "kafka.bootstrap",
                "no broker is named",
            ));
        }
        let sections = [
            ("kafka.properties", &self.properties),
            ("kafka.consumer", &self.consumer),
            ("kafka.producer", &self.producer),
        ];
        for (section, properties) in sections {
            if section != "kafka.consumer" && properties.0.contains_key(INSTANCE) {
                return Err(ConfigError::invalid(
                    format!("{section}.\"{INSTANCE}\""),
                    "it names the member of the group; set it in [kafka.consumer]",
                ));
            }
            for name in properties.0.keys() {
                if let Some((_, reason)) = REFUSED.iter().find(|(refused, _)| refused == name) {
                    return Err(ConfigError::invalid(
                        format!("{section}.\"{name}\""),
                        format!("cannot be set here: {reason}"),
                    ));
                }
            }
        }
        Ok(())
    }

    /// Replaces each `X.file` by `X`, read from that file, without the line end.
    pub(super) fn read_files(&mut self) -> Result<(), ConfigError> {
        for properties in [&mut self.properties, &mut self.consumer, &mut self.producer] {
            let files: Vec<String> = properties
                .0
                .keys()
                .filter(|name| name.ends_with(FILE))
                .cloned()
                .collect();
            for name in files {
                let path = properties.0.remove(&name).unwrap_or_default();
                let content = std::fs::read_to_string(Path::new(&path)).map_err(|error| {
                    ConfigError::invalid(format!("kafka: {name} = {path:?}"), error)
                })?;
                let name = name.trim_end_matches(FILE).to_owned();
                properties
                    .0
                    .insert(name, content.trim_end_matches(['\r', '\n']).to_owned());
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Properties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |(name, value): (&String, &String)| {
            let value = if is_secret(name) {
                "(not shown)".to_owned()
            } else {
                value.clone()
            };
            (name.clone(), value)
        };
        f.debug_map().entries(self.0.iter().map(shown)).finish()
    }
}

impl JsonSchema for Properties {
    fn schema_name() -> Cow<'static, str> {
        "Properties".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let refused: Vec<_> = REFUSED.iter().map(|(name, _)| *name).collect();
        json_schema!({
            "description": "librdkafka properties by name. Names have dots and so stand in quotes.",
            "type": "object",
            "propertyNames": { "not": { "enum": refused } },
            "additionalProperties": { "type": ["string", "number", "boolean"] },
        })
    }
}

impl<'de> Deserialize<'de> for Properties {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let values = BTreeMap::<String, toml::Value>::deserialize(deserializer)?;
        let texts = values.into_iter().map(|(name, value)| match value {
            toml::Value::String(text) => Ok((name, text)),
            toml::Value::Integer(number) => Ok((name, number.to_string())),
            toml::Value::Float(number) => Ok((name, number.to_string())),
            toml::Value::Boolean(is) => Ok((name, is.to_string())),
            _ => Err(D::Error::custom(format!(
                "`{name}` is not a text, a number or a bool; a name with dots is written in quotes: \"socket.keepalive.enable\" = true"
            ))),
        });
        Ok(Self(texts.collect::<Result<_, _>>()?))
    }
}
