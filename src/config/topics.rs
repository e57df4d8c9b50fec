//! The topics: what comes in, what goes out, and what is kept.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ConfigError, Span};
use crate::document::topic;
use crate::task::ids::{TopicIds, shown};
use crate::task::watermark::TopicSettings;

/// The topics. Those that come in have the same number of partitions and are keyed by customer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Topics {
    /// What a rehearsal says of lateness, over everything below: of a topic, or of all, ms; the last counts.
    #[serde(skip)]
    pub lateness_said: Vec<(Option<String>, i64)>,
    /// Partitions of what `moments topics create` makes; every input and internal topic has as many. Default 12.
    pub partitions: i32,
    /// Replicas of what `moments topics create` makes; -1: what the broker does by default. Default -1.
    pub replication: i32,
    /// Prefix of the topics of commands: `<prefix>.<channel>`. Default `treatments`.
    pub treatments: String,
    /// Whether commands are JSON or Avro. Default `json`.
    pub treatments_format: Format,
    /// Every decision, with its reason. Default `decisions`.
    pub decisions: String,
    /// Whether decisions are JSON or Avro. Default `json`.
    pub decisions_format: Format,
    /// What was no event, with its original bytes. Default `dead-letters`.
    pub dead_letters: String,
    /// What came at or behind the watermark. Default `late-events`.
    pub late_events: String,
    /// What triggers did and brought, by trigger, treatment, segment and partition, compacted: for a warehouse. Empty, or where there is
    /// no such topic: it is not written. Default empty; usually `reports`.
    pub reports: String,
    /// After how long figures that have changed are written there. Default `1m`.
    pub reports_every: Span,
    /// The state, compacted; `{id}` stands for the application's id. Default `{id}-changelog`.
    pub changelog: String,
    /// What each transaction took, to be replayed. Default `{id}-journal`.
    pub journal: String,
    /// The sets of triggers that were published, which every process follows; one partition. Default `{id}-triggers`.
    pub triggers: String,
    /// What happened to everybody, and rows of tables, copied to each task: only where a topic of either is declared. Default
    /// `{id}-broadcasts`.
    pub broadcasts: String,
    /// By which tasks tell each other that two ids are one person's, where the ids lie in two partitions. Default empty: such ids stay
    /// apart. Usually `{id}-identities`; one partition needs none.
    pub identities: String,
    /// The largest record of what goes out and of the state, bytes. A dead letter that is larger is cut off, and a header says
    /// so. Default 33554432: a wholesale customer's minute of events, or a transaction's runs, each its own.
    pub record_bytes_max: i32,
    /// How long treatments, decisions, dead letters, late events and the journal are kept. Default `30d`.
    pub retention: Span,
    /// Product Added and what else happens to baskets.
    pub cart: Source,
    /// Page views and product views.
    pub clickstream: Source,
    /// What senders report: delivered, opened, clicked. Never drives time forward.
    pub outcomes: Source,
    /// Identify calls. Never drives time forward.
    pub profile: Source,
    /// Orders.
    pub purchase: Source,
    /// Tickets, chats, answers to surveys.
    pub support: Source,
    /// Topics that tell what happened to everybody, by name: prices that fell, spots that ran. They need no key, and any number of
    /// partitions. Default none.
    pub everybody: BTreeMap<String, Everybody>,
    /// Topics whose records are rows of reference tables, or entries of suppression lists, by key, in JSON; compacted, with any number of
    /// partitions. Tables and lists of the set name them. Default none.
    pub tables: BTreeSet<String>,
}

/// A topic that tells what happened to everybody.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Everybody {
    /// The mapping file by which its foreign records become events. Default empty: they are written as ours, without a customer.
    pub mapping: PathBuf,
    /// `json`; or `avro`, in Confluent's wire format, JSON objects still being read among it. Default `json`.
    pub format: Format,
}

/// Of whom the records of a topic tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// Of one customer each, who is the key.
    #[default]
    Customers,
    /// Of everybody.
    Everybody,
    /// Of things: they are rows.
    Things,
}

/// A topic that comes in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Its name. Default: the section's. Empty: there is no such topic.
    pub name: Option<String>,
    /// How long after a later event an earlier one may still come. Default `60s`.
    #[serde(default = "lateness")]
    pub lateness: Span,
    /// The mapping file by which its foreign records become events. Default empty: they are written as ours.
    #[serde(default)]
    pub mapping: PathBuf,
    /// `json`; or `avro`, in Confluent's wire format, JSON objects still being read among it. Default `json`.
    #[serde(default)]
    pub format: Format,
    /// The id, as Kafka shows it, of a topic that was made anew and is to be read from its beginning. Default empty: a topic that was
    /// made anew is refused.
    #[serde(default)]
    pub accept_id: String,
    /// After how long without a record, in any partition, while other topics have some, time waits for this one, as whoever fills it may
    /// be broken: what follows from something *not* being there is not decided meanwhile. Default `0ms`: never.
    #[serde(default = "never")]
    pub silence_max: Span,
}

/// How records are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// JSON objects.
    #[default]
    Json,
    /// Avro, in Confluent's wire format.
    Avro,
}

/// Which of the topics that come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum InputKind {
    /// `[topics.cart]`
    Cart,
    /// `[topics.clickstream]`
    Clickstream,
    /// `[topics.outcomes]`
    Outcomes,
    /// `[topics.profile]`
    Profile,
    /// `[topics.purchase]`
    Purchase,
    /// `[topics.support]`
    Support,
}

/// A topic that comes in, as a task takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// Which.
    pub kind: InputKind,
    /// Its name in Kafka.
    pub name: String,
    /// Milliseconds.
    pub lateness_ms: i64,
    /// Whether its events move time.
    pub drives: bool,
    /// How its records are written.
    pub format: Format,
}

fn never() -> Span {
    Span { ms: 0 }
}

fn lateness() -> Span {
    Span { ms: 60_000 }
}

fn source(name: &str) -> Source {
    Source {
        name: Some(name.to_owned()),
        lateness: lateness(),
        mapping: PathBuf::new(),
        format: Format::Json,
        accept_id: String::new(),
        silence_max: never(),
    }
}

impl Default for Topics {
    fn default() -> Self {
        Self {
            lateness_said: Vec::new(),
            partitions: 12,
            replication: -1,
            treatments: "treatments".to_owned(),
            treatments_format: Format::Json,
            decisions: "decisions".to_owned(),
            decisions_format: Format::Json,
            dead_letters: "dead-letters".to_owned(),
            late_events: "late-events".to_owned(),
            reports: String::new(),
            reports_every: Span { ms: 60_000 },
            changelog: "{id}-changelog".to_owned(),
            journal: "{id}-journal".to_owned(),
            triggers: "{id}-triggers".to_owned(),
            record_bytes_max: 32 * 1024 * 1024,
            retention: Span {
                ms: 30 * 86_400_000,
            },
            cart: source("cart"),
            clickstream: source("clickstream"),
            outcomes: source("outcomes"),
            profile: source("profile"),
            purchase: source("purchase"),
            support: source("support"),
            broadcasts: "{id}-broadcasts".to_owned(),
            identities: String::new(),
            everybody: BTreeMap::new(),
            tables: BTreeSet::new(),
        }
    }
}

impl InputKind {
    /// Whether events of such a topic move time.
    #[must_use]
    pub fn drives(self) -> bool {
        !matches!(self, Self::Outcomes | Self::Profile)
    }

    /// Its section of `[topics]`, which is its folder of `schemas/`, and the topic's name where none is set.
    #[must_use]
    pub fn section(self) -> &'static str {
        match self {
            Self::Cart => "cart",
            Self::Clickstream => "clickstream",
            Self::Outcomes => "outcomes",
            Self::Profile => "profile",
            Self::Purchase => "purchase",
            Self::Support => "support",
        }
    }
}

impl Source {
    fn name_as(&self, kind: InputKind) -> String {
        self.name
            .clone()
            .unwrap_or_else(|| kind.section().to_owned())
    }
}

impl Topics {
    /// The topics that come in, in byte order of name, which breaks ties between events of one instant.
    #[must_use]
    pub fn inputs(&self) -> Vec<Input> {
        let sources = self.sources().into_iter();
        let mut inputs: Vec<Input> = sources
            .map(|(kind, source)| Input {
                kind,
                name: source.name_as(kind),
                lateness_ms: source.lateness.ms,
                drives: kind.drives(),
                format: source.format,
            })
            .filter(|input| !input.name.is_empty())
            .collect();
        inputs.sort_by(|a, b| a.name.cmp(&b.name));
        inputs
    }

    /// That of a kind, where there is one.
    #[must_use]
    pub fn input(&self, kind: InputKind) -> Option<Input> {
        self.inputs().into_iter().find(|input| input.kind == kind)
    }

    fn sources(&self) -> [(InputKind, &Source); 6] {
        [
            (InputKind::Cart, &self.cart),
            (InputKind::Clickstream, &self.clickstream),
            (InputKind::Outcomes, &self.outcomes),
            (InputKind::Profile, &self.profile),
            (InputKind::Purchase, &self.purchase),
            (InputKind::Support, &self.support),
        ]
    }

    /// The topics whose records are foreign, by name, with the mapping file of each.
    pub fn mappings(&self) -> impl Iterator<Item = (String, &Path)> {
        let foreign = self.sources().into_iter();
        let foreign =
            foreign.map(|(kind, source)| (source.name_as(kind), source.mapping.as_path()));
        let everybody = self.everybody.iter();
        let everybody = everybody.map(|(name, topic)| (name.clone(), topic.mapping.as_path()));
        foreign
            .chain(everybody)
            .filter(|(_, mapping)| !mapping.as_os_str().is_empty())
    }

    /// How long the topic of this name may be silent, milliseconds; none: for ever.
    #[must_use]
    pub fn silence_max_ms(&self, name: &str) -> Option<u64> {
        let mut sources = self.sources().into_iter();
        let (_, source) = sources.find(|(kind, source)| source.name_as(*kind) == name)?;
        u64::try_from(source.silence_max.ms)
            .ok()
            .filter(|ms| *ms > 0)
    }

    /// The topics as they were found, by name, and those that are said to be read from their beginning.
    #[must_use]
    pub fn ids(&self, found: BTreeMap<String, u128>) -> TopicIds {
        let sources = self.sources().into_iter();
        let said = sources.map(|(kind, source)| (source.name_as(kind), source.accept_id.trim()));
        let accepted =
            said.filter(|(name, id)| found.get(name).is_some_and(|found| shown(*found) == *id));
        TopicIds {
            accepted: accepted.map(|(name, _)| name).collect(),
            found,
        }
    }

    /// Of whom the records of a topic of this name tell.
    #[must_use]
    pub fn role(&self, name: &str) -> Role {
        match self.everybody.contains_key(name) {
            true => Role::Everybody,
            false if self.tables.contains(name) => Role::Things,
            false => Role::Customers,
        }
    }

    /// The topics that are copied to each task.
    pub fn copied(&self) -> impl Iterator<Item = &String> + Clone {
        self.everybody.keys().chain(&self.tables)
    }

    /// The same, as the task protocol takes them.
    #[must_use]
    pub fn settings(&self) -> Vec<TopicSettings> {
        let settings = |input: Input| TopicSettings {
            lateness_ms: self.said(&input.name).unwrap_or(input.lateness_ms),
            name: input.name,
            drives: input.drives,
        };
        self.inputs().into_iter().map(settings).collect()
    }

    /// The names of the topics that come in in Avro.
    #[must_use]
    pub fn in_avro(&self) -> BTreeSet<String> {
        let inputs = self.inputs().into_iter();
        let inputs = inputs.map(|input| (input.name, input.format));
        let everybody = self.everybody.iter();
        inputs
            .chain(everybody.map(|(name, topic)| (name.clone(), topic.format)))
            .filter(|(_, format)| *format == Format::Avro)
            .map(|(name, _)| name)
            .collect()
    }

    /// How a topic of this name takes part in time; one that is not configured has the default lateness, and drives unless it is
    /// named as those that do not.
    #[must_use]
    pub fn timing(&self, name: &str) -> TopicSettings {
        let configured = self.settings().into_iter().find(|topic| topic.name == name);
        configured.unwrap_or_else(|| TopicSettings {
            name: name.to_owned(),
            lateness_ms: self.said(name).unwrap_or(lateness().ms),
            drives: !["outcomes", "profile"].contains(&name) && self.role(name) == Role::Customers,
        })
    }

    /// The lateness that a rehearsal says a topic has, ms.
    fn said(&self, name: &str) -> Option<i64> {
        let of = |said: &&(Option<String>, i64)| said.0.as_deref().is_none_or(|it| it == name);
        let said = self.lateness_said.iter().rev().find(of);
        said.map(|(_, lateness_ms)| *lateness_ms)
    }

    /// The topic of a channel's commands.
    #[must_use]
    pub fn treatments_of(&self, channel: &str) -> String {
        format!("{}.{channel}", self.treatments)
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if self.partitions < 1 {
            return Err(ConfigError::invalid(
                "topics.partitions",
                "must be at least 1",
            ));
        }
        if self.replication < 1 && self.replication != -1 {
            return Err(ConfigError::invalid(
                "topics.replication",
                "must be at least 1, or -1 for the broker's default",
            ));
        }
        if self.record_bytes_max < 1_048_576 {
            return Err(ConfigError::invalid(
                "topics.record_bytes_max",
                "must be at least 1048576, what an event may have",
            ));
        }
        if !self.inputs().iter().any(|input| input.drives) {
            return Err(ConfigError::invalid(
                "topics",
                "no topic comes in that drives time: name cart, clickstream, purchase or support",
            ));
        }
        let sources = self.sources().into_iter().map(|(kind, source)| {
            let at = format!("topics.{}", kind.section());
            (at, source.format, &source.mapping)
        });
        let everybody = self.everybody.iter().map(|(name, topic)| {
            let at = format!("topics.everybody.{name}");
            (at, topic.format, &topic.mapping)
        });
        for (at, format, mapping) in sources.chain(everybody) {
            if format == Format::Avro && !mapping.as_os_str().is_empty() {
                let detail = "has a mapping, which reads JSON, and format = \"avro\"; expected one of the two";
                return Err(ConfigError::invalid(at, detail));
            }
        }
        check_name(&self.treatments)
    }
}

/// What Kafka takes for the name of a topic.
pub(super) fn check_name(name: &str) -> Result<(), ConfigError> {
    if !topic::is_name(name) {
        let expected = format!(
            "`{name}` is no name for a topic; expected 1 to 249 ASCII letters, digits, `.`, `_` or `-`"
        );
        return Err(ConfigError::invalid("topics", expected));
    }
    Ok(())
}
