//! The configuration: one TOML file, the environment over it, flags over both.
//!
//! Every field has a default, is documented with its unit, and stands in `deploy/moments.toml` with that default (a test holds
//! the two equal). An unknown field is an error with its line and a suggestion. A field is overridden by the variable
//! `MOMENTS__SECTION__FIELD`; a dot in the name of a Kafka property is `_` there (`MOMENTS__KAFKA__PROPERTIES__SASL_PASSWORD`).
//!
//! Deliberately absent: reading triggers, and talking to Kafka.

mod checkpoints;
mod cloudevents;
mod codes;
mod layers;
pub mod memory;
mod onsite;
mod place;
pub mod properties;
pub mod schema_registry;
pub mod secret;
pub mod send;
mod time;
mod token;
pub mod topics;
mod transactions;
mod types;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::document::suggest::{self, closest};
use crate::encode::cloud_event::{Mode, Publishing};
use crate::event::record::PLACEHOLDERS;
use crate::event::{Text, Type, Vocabulary};
use crate::task::watermark::TopicSettings;
use crate::trigger::policy::Policy;

pub use checkpoints::Checkpoints;
pub use cloudevents::{CloudEvents, Output};
pub use codes::Codes;
pub use layers::ConfigError;
pub use memory::Memory;
pub use onsite::Onsite;
pub use properties::{Kafka, Properties};
pub use schema_registry::SchemaRegistry;
pub use send::Sending;
pub use time::{Clock, Span, Time};
pub use topics::{Format, Input, InputKind, Topics};
pub use transactions::Transactions;
pub use types::Types;

/// Everything that can be configured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// What this installation is called.
    pub application: Application,
    /// How Kafka is reached.
    pub kafka: Kafka,
    /// The topics.
    pub topics: Topics,
    /// How treatments and decisions are published.
    pub cloudevents: CloudEvents,
    /// Where schemas of records in Avro come from.
    pub schema_registry: SchemaRegistry,
    /// Where time comes from.
    pub time: Time,
    /// How long transactions gather what they commit.
    pub transactions: Transactions,
    /// How long customers who changed stay unwritten.
    pub checkpoints: Checkpoints,
    /// How much memory the process may take.
    pub memory: Memory,
    /// What is common to all triggers.
    pub policy: Policy,
    /// Of what coupon codes are derived.
    pub codes: Codes,
    /// How long customers are kept.
    pub profiles: Profiles,
    /// Where the trigger files are.
    pub triggers: Triggers,
    /// The HTTP server.
    pub http: Http,
    /// The threads that work.
    pub workers: Workers,
    /// How `moments send` delivers.
    pub send: Sending,
    /// How `moments onsite` answers sites.
    pub onsite: Onsite,
    /// The log.
    pub log: Log,
    /// Traces.
    pub telemetry: Telemetry,
    /// The company's own profile attributes: name and type (`bool`, `number`, `text`, `time`, `date`, `list`). Known without being
    /// declared are `birthday`, a date, and `region`, a text. Of an object, names and types of what stands in it.
    pub attributes: Types,
    /// The company's own events, or more properties of known ones: by event name, property and type.
    pub events: BTreeMap<String, Types>,
}

/// What this installation is called.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Application {
    /// The consumer group, the prefix of transactional ids and of internal topics. Another id is another installation, with a state
    /// of its own. Default `moments`.
    pub id: String,
}

/// How long customers are kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Profiles {
    /// A customer who does nothing for so long, in event time, is removed; `0ms`: nobody is. Default `0ms`.
    pub expire_after: Span,
    /// For so long after an erasure, in event time, events from before it are dropped; at least as long as what is older may
    /// still come. Default `30d`.
    pub erasure_memory: Span,
    /// A secret of your own with which the ids of erased customers are hashed; empty: the application's id. With another one
    /// earlier erasures do not drop anything any more. Default empty.
    pub erasure_salt: String,
    /// Ids that stand for nobody, in any case: what programs write that have none. An event of such a customer is a dead letter,
    /// `placeholder_customer`. Blanks and UUIDs of zeros are always among them. Default `["undefined", "null", "(null)", "nil",
    /// "none", "nan", "[object object]", "0", "n/a", "(not set)", "00000000-0000-0000-0000-000000000000"]`.
    #[schemars(with = "Vec<String>")]
    pub placeholder_ids: Vec<Text>,
}

/// Where the trigger files are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Triggers {
    /// A file, or a folder that is read with its subfolders. Default `triggers`.
    pub path: PathBuf,
    /// Whether this process publishes what changes there, as `moments triggers apply` does; of several processes, one. Default `false`.
    pub watch: bool,
}

/// The HTTP server: metrics, health, customers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Http {
    /// Address and port. Another address than the machine's own needs a token. Default `127.0.0.1:9464`.
    #[schemars(with = "String")]
    pub listen: SocketAddr,
    /// Address and port by which the other processes reach it, to be asked for customers that it has. Default: the one it listens to, unless that is any (`0.0.0.0`).
    pub advertised: String,
    /// Names by which it may be asked where there is no token, besides `localhost` and addresses. Default none.
    pub hosts: Vec<String>,
    /// Connections at a time; of those beyond, one that asks nothing makes way. At most a quarter of the file descriptors, whatever is said here. Default 64.
    pub connections: usize,
    /// How long a task may stand still though records wait for it, or while it restores, before `/health/useful` says so. Default `60s`.
    pub useful_within: Span,
    /// Whether it may change something: erase customers. Default `false`.
    pub write: bool,
    /// A file whose content is asked for as a bearer token by every path but `/health/...`; empty: none is. Default empty.
    pub token_file: String,
}

/// The threads that work on tasks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Workers {
    /// How many; 0: as many as there are cores. Default 0.
    pub threads: usize,
}

/// The log, on standard error.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// `text` for people, `json` for machines. Default `text`.
    pub format: LogFormat,
    /// `error`, `warn`, `info`, `debug`, `trace`, or directives such as `info,rdkafka=debug`. Default `info`.
    pub level: String,
}

/// Traces, from an event to the commands it caused.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Telemetry {
    /// The address of a collector that takes OTLP over HTTP, such as `http://127.0.0.1:4318`; empty: no traces are sent.
    /// Headers that it asks for come from the variable `OTEL_EXPORTER_OTLP_HEADERS`. Default empty.
    pub otlp_endpoint: String,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl Default for Application {
    fn default() -> Self {
        Self {
            id: "moments".to_owned(),
        }
    }
}

impl Default for Profiles {
    fn default() -> Self {
        let day_ms = 86_400_000;
        Self {
            expire_after: Span { ms: 0 },
            erasure_memory: Span { ms: 30 * day_ms },
            erasure_salt: String::new(),
            placeholder_ids: PLACEHOLDERS.map(Text::from).into(),
        }
    }
}

impl Default for Triggers {
    fn default() -> Self {
        Self {
            path: PathBuf::from("triggers"),
            watch: false,
        }
    }
}

impl Default for Http {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 9464)),
            useful_within: Span { ms: 60_000 },
            advertised: String::new(),
            hosts: Vec::new(),
            connections: 64,
            write: false,
            token_file: String::new(),
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self {
            format: LogFormat::Text,
            level: "info".to_owned(),
        }
    }
}

impl Config {
    /// Reads the file, where there is one, and the environment of this process.
    ///
    /// # Errors
    /// What cannot be read or is not allowed, with where it stands.
    pub fn load(path: Option<&Path>) -> Result<Self, ConfigError> {
        Self::load_with(path, std::env::vars(), &[])
    }

    /// As [`Config::load`], with `environment` given, and `overrides` (dotted field, value) over both.
    ///
    /// # Errors
    /// What cannot be read or is not allowed, with where it stands.
    pub fn load_with(
        path: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
        overrides: &[(String, String)],
    ) -> Result<Self, ConfigError> {
        let config = layers::load(path, environment, overrides)?;
        match config.check() {
            Ok(()) => Ok(config),
            Err(error) => Err(place::in_file(error, path)),
        }
    }

    /// The events and properties that triggers may name.
    ///
    /// # Errors
    /// A type nobody knows, or a property declared with two types.
    pub fn vocabulary(&self) -> Result<Vocabulary, ConfigError> {
        let mut vocabulary = Vocabulary::standard();
        for (event, properties) in &self.events {
            let typed: Vec<(String, Type)> = properties
                .iter()
                .map(|(name, kind)| {
                    Ok((
                        name.clone(),
                        typed(&format!("events.{event:?}.{name}"), kind)?,
                    ))
                })
                .collect::<Result<_, ConfigError>>()?;
            vocabulary
                .declare(event, &typed)
                .map_err(|error| ConfigError::invalid(format!("events.{event:?}"), error))?;
        }
        Ok(vocabulary)
    }

    /// The company's own profile attributes. [`Config::load`] has checked them.
    #[must_use]
    pub fn attributes(&self) -> BTreeMap<String, Type> {
        self.attributes
            .iter()
            .filter_map(|(name, kind)| Some((name.clone(), Type::named(kind)?)))
            .collect()
    }

    /// What is common to all triggers.
    #[must_use]
    pub fn policy(&self) -> Policy {
        Policy {
            expire_after_ms: Some(self.profiles.expire_after.ms).filter(|ms| *ms > 0),
            erasure_memory_ms: self.profiles.erasure_memory.ms,
            code_key: self.codes.key.clone(),
            ..self.policy.clone()
        }
    }

    /// With what the ids of erased customers are hashed.
    #[must_use]
    pub fn erasure_salt(&self) -> &str {
        match self.profiles.erasure_salt.as_str() {
            "" => &self.application.id,
            salt => salt,
        }
    }

    /// How treatments and decisions are published.
    #[must_use]
    pub fn publishing(&self) -> Publishing {
        Publishing {
            mode: match self.cloudevents.output {
                Output::None => Mode::Plain,
                Output::Binary => Mode::Binary,
                Output::Structured => Mode::Structured,
            },
            source: self
                .cloudevents
                .source
                .replace("{id}", &self.application.id),
            type_prefix: self.cloudevents.type_prefix.clone(),
        }
    }

    /// How many threads work on tasks.
    #[must_use]
    pub fn threads(&self) -> usize {
        match self.workers.threads {
            0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            threads => threads,
        }
    }

    /// The name of the changelog topic.
    #[must_use]
    pub fn changelog(&self) -> String {
        self.topics.changelog.replace("{id}", &self.application.id)
    }

    /// The name of the journal topic.
    #[must_use]
    pub fn journal(&self) -> String {
        self.topics.journal.replace("{id}", &self.application.id)
    }

    /// The name of the topic that brings what happened to everybody, and rows of tables, to each task; none where no topic tells either.
    #[must_use]
    pub fn broadcasts(&self) -> Option<String> {
        let name = || self.topics.broadcasts.replace("{id}", &self.application.id);
        self.topics.copied().next().map(|_| name())
    }

    /// The name of the topic by which tasks tell each other of ids; none where they do not.
    #[must_use]
    pub fn identities(&self) -> Option<String> {
        let name = self.topics.identities.replace("{id}", &self.application.id);
        (!name.is_empty()).then_some(name)
    }

    /// Everything that a task takes, in byte order of name.
    #[must_use]
    pub fn taken(&self) -> Vec<TopicSettings> {
        let mut taken = self.topics.settings();
        // What is copied came no later than its copy, and is decided when it is seen. What another task tells is waited for.
        let internal = self.broadcasts().into_iter().chain(self.identities());
        taken.extend(internal.map(|name| TopicSettings {
            name,
            lateness_ms: 0,
            drives: false,
        }));
        taken.sort_by(|a, b| a.name.cmp(&b.name));
        taken
    }

    /// The names of the topics that a task takes, or that are copied for it, in Avro.
    #[must_use]
    pub fn in_avro(&self) -> BTreeSet<String> {
        let mut in_avro = self.topics.in_avro();
        let mut everybody = self.topics.everybody.keys();
        let copies = everybody.any(|name| in_avro.contains(name));
        in_avro.extend(self.broadcasts().filter(|_| copies));
        in_avro
    }

    /// The name of the control topic.
    #[must_use]
    pub fn control(&self) -> String {
        self.topics.triggers.replace("{id}", &self.application.id)
    }

    /// Prefix of the consumer groups and transactional ids of `moments send`.
    #[must_use]
    pub fn send_group(&self) -> String {
        self.send.group.replace("{id}", &self.application.id)
    }

    fn check(&self) -> Result<(), ConfigError> {
        self.vocabulary()?;
        for (name, kind) in self.attributes.iter() {
            typed(&format!("attributes.{name}"), kind)?;
        }
        check_id(&self.application.id)?;
        self.http.check()?;
        self.log.check()?;
        self.topics.check()?;
        self.check_names()?;
        self.time.check()?;
        self.transactions.check()?;
        self.checkpoints.check()?;
        self.memory.check()?;
        self.cloudevents.check(&self.topics)?;
        self.schema_registry.check()?;
        if secret::holds_login(&self.telemetry.otlp_endpoint) {
            let detail = "holds a password, and is shown in the log; use the variable OTEL_EXPORTER_OTLP_HEADERS";
            return Err(ConfigError::invalid("telemetry.otlp_endpoint", detail));
        }
        self.send.check(&self.topics)?;
        self.onsite.check()?;
        self.kafka.check()
    }

    /// No topic has two roles.
    fn check_names(&self) -> Result<(), ConfigError> {
        let inputs = self.topics.inputs().into_iter().map(|input| input.name);
        let outputs = [
            self.topics.decisions.clone(),
            self.topics.dead_letters.clone(),
            self.topics.late_events.clone(),
            self.changelog(),
            self.journal(),
            self.control(),
        ];
        let everybody = self.topics.copied().cloned();
        let everybody = everybody.chain(self.broadcasts()).chain(self.identities());
        let mut names = BTreeSet::new();
        let reports = Some(self.topics.reports.clone()).filter(|name| !name.is_empty());
        for name in inputs.chain(outputs).chain(reports).chain(everybody) {
            topics::check_name(&name)?;
            if !names.insert(name.clone()) {
                return Err(ConfigError::invalid(
                    "topics",
                    format!("`{name}` has two roles"),
                ));
            }
        }
        Ok(())
    }
}

impl Http {
    /// Where others reach the server that listens there, if they do.
    #[must_use]
    pub fn reached_at(&self, listens: SocketAddr) -> Option<String> {
        match self.advertised.is_empty() {
            true => (!listens.ip().is_unspecified()).then(|| listens.to_string()),
            false => Some(self.advertised.clone()),
        }
    }

    /// The bearer token that is asked for, if any.
    ///
    /// # Errors
    /// Where the file cannot be read, or holds nothing.
    pub fn token(&self) -> Result<Option<String>, ConfigError> {
        token::read("http.token_file", &self.token_file)
    }

    fn check(&self) -> Result<(), ConfigError> {
        if !self.listen.ip().is_loopback() && self.token_file.is_empty() {
            return Err(ConfigError::invalid(
                "http.listen",
                format!(
                    "anybody who reaches {} could read profiles{}; set http.token_file, or listen on 127.0.0.1",
                    self.listen,
                    if self.write {
                        " and erase customers"
                    } else {
                        ""
                    },
                ),
            ));
        }
        if self.connections == 0 {
            return Err(ConfigError::invalid("http.connections", "must be above 0"));
        }
        Ok(())
    }
}

impl Log {
    /// A word that is no level would be taken for the name of a part of the program, and everything else would be silent.
    fn check(&self) -> Result<(), ConfigError> {
        const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];
        let is_level = |word: &str| {
            LEVELS
                .iter()
                .any(|level| level.eq_ignore_ascii_case(word.trim()))
        };
        for directive in self.level.split(',') {
            let level = directive
                .rsplit_once('=')
                .map_or(directive, |(_, level)| level);
            if !is_level(level) {
                let meant = suggest::or_meant(level, LEVELS);
                let detail = format!(
                    "`{level}` is no level; expected {}, or directives such as `info,rdkafka=debug`{meant}",
                    LEVELS.join(", ")
                );
                return Err(ConfigError::invalid("log.level", detail));
            }
        }
        Ok(())
    }
}

fn check_id(id: &str) -> Result<(), ConfigError> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if id.is_empty() || id.len() > 100 || !id.chars().all(fits) {
        let expected =
            "1 to 100 ASCII letters, digits, `.`, `_` or `-`, as it becomes part of topic names";
        return Err(ConfigError::invalid("application.id", expected));
    }
    Ok(())
}

fn typed(key: &str, kind: &str) -> Result<Type, ConfigError> {
    Type::named(kind).ok_or_else(|| {
        let meant = closest(kind, Type::NAMES)
            .map_or(String::new(), |name| format!(", did you mean `{name}`?"));
        ConfigError::invalid(
            key,
            format!(
                "`{kind}` is no type{meant} Types are {}",
                crate::document::suggest::listed(Type::NAMES)
            ),
        )
    })
}

#[cfg(test)]
mod tests;
