//! The topics as they should be: created where they are missing, and checked before anything is read.
//!
//! What must stay true: an existing topic is never changed; every problem is said at once, with what to do about it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use rdkafka::admin::{
    AdminClient, AdminOptions, ConfigResource, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::clients::{self, Logged};
use crate::config::Config;
use crate::trigger::plan::Plan;

const TIMEOUT: Duration = Duration::from_secs(30);
/// A day: a changelog that is never compacted grows with traffic rather than with customers.
const COMPACTION_LAG_MS: &str = "86400000";
/// Key, headers and framing of a dead letter.
const OVERHEAD_BYTES: i32 = 65_536;

/// Why topics cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TopicsError {
    /// Kafka does not answer.
    #[error("Kafka at {bootstrap} does not answer as it should: {source}")]
    Kafka {
        /// The brokers asked.
        bootstrap: String,
        /// What it said.
        source: KafkaError,
    },
    /// No thread to ask in.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// Everything that is wrong.
    #[error("{0}")]
    Unfit(Report),
}

/// Everything that is wrong with the topics, each with what to do about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What keeps the application from starting.
    pub problems: Vec<String>,
    /// What it starts with all the same.
    pub warnings: Vec<String>,
}

/// A topic as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Its name.
    pub name: String,
    /// Whether it must have as many partitions as every other such.
    pub copartitioned: bool,
    /// Settings it is created with.
    pub settings: Vec<(&'static str, String)>,
    /// Settings without which the application does not start.
    needed: Vec<Need>,
}

/// What a setting must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    /// State would be deleted otherwise.
    Compacted,
    /// At least so many bytes a record.
    Bytes(i32),
    /// Silence moves time by when records were appended.
    AppendTime,
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the topics are not fit:")?;
        for problem in &self.problems {
            write!(f, "\n  - {problem}")?;
        }
        for warning in &self.warnings {
            write!(f, "\n  - (warning) {warning}")?;
        }
        Ok(())
    }
}

/// Every topic that the configuration and the triggers name.
#[must_use]
pub fn wanted(config: &Config, plan: &Plan) -> Vec<Wanted> {
    let topics = &config.topics;
    let retention = topics.retention.ms.to_string();
    let kept = |name: String| Wanted {
        name,
        copartitioned: false,
        settings: vec![
            ("cleanup.policy", "delete".to_owned()),
            ("retention.ms", retention.clone()),
        ],
        needed: Vec::new(),
    };
    let mut all: Vec<Wanted> = topics
        .inputs()
        .into_iter()
        .map(|input| Wanted {
            name: input.name,
            copartitioned: true,
            settings: vec![("message.timestamp.type", "LogAppendTime".to_owned())],
            needed: vec![Need::AppendTime],
        })
        .collect();
    all.push(Wanted {
        name: config.changelog(),
        copartitioned: true,
        settings: vec![
            ("cleanup.policy", "compact".to_owned()),
            ("max.compaction.lag.ms", COMPACTION_LAG_MS.to_owned()),
        ],
        needed: vec![Need::Compacted],
    });
    all.push(Wanted {
        copartitioned: true,
        ..kept(config.journal())
    });
    all.push(kept(topics.decisions.clone()));
    let channels: BTreeSet<&str> = plan
        .triggers
        .iter()
        .flat_map(|trigger| &trigger.treatments)
        .map(|treatment| treatment.channel.as_str())
        .collect();
    all.extend(
        channels
            .into_iter()
            .map(|channel| kept(topics.treatments_of(channel))),
    );
    for name in [&topics.dead_letters, &topics.late_events] {
        let bytes = topics.dead_letter_bytes_max.saturating_add(OVERHEAD_BYTES);
        let mut wanted = kept(name.clone());
        wanted
            .settings
            .push(("max.message.bytes", bytes.to_string()));
        wanted.needed.push(Need::Bytes(bytes));
        all.push(wanted);
    }
    all
}

/// Creates what is missing, and says for each topic what was done.
///
/// # Errors
/// Where Kafka does not answer, or refuses.
pub fn create(config: &Config, plan: &Plan) -> Result<Vec<String>, TopicsError> {
    let kafka = Cluster::connect(config)?;
    let existing = kafka.partitions()?;
    let wanted = wanted(config, plan);
    // What exists says how many partitions there are; the configuration only where nothing does.
    let partitions = wanted
        .iter()
        .filter(|topic| topic.copartitioned)
        .find_map(|topic| existing.get(&topic.name).copied())
        .unwrap_or(config.topics.partitions);
    let mut said = Vec::new();
    let missing: Vec<&Wanted> = wanted
        .iter()
        .filter(|topic| !existing.contains_key(&topic.name))
        .collect();
    let results = kafka.create(&missing, partitions, config.topics.replication)?;
    for topic in &wanted {
        let line = match (existing.get(&topic.name), results.get(&topic.name)) {
            (Some(count), _) => {
                format!("{}: exists, {count} partitions, left as it is", topic.name)
            }
            (None, Some(Err(RDKafkaErrorCode::TopicAlreadyExists))) => {
                format!("{}: exists, left as it is", topic.name)
            }
            (None, Some(Err(code))) => {
                let source = KafkaError::AdminOp(*code);
                return Err(TopicsError::Kafka {
                    bootstrap: format!("{} ({})", config.kafka.bootstrap, topic.name),
                    source,
                });
            }
            (None, _) => {
                let mut line = format!("{}: created, {partitions} partitions", topic.name);
                for (name, value) in &topic.settings {
                    // Writing to a string does not fail.
                    let _ = write!(line, ", {name}={value}");
                }
                line
            }
        };
        said.push(line);
    }
    Ok(said)
}

/// Checks that the topics are as they must be; the number of partitions of a task's topics, and warnings.
///
/// # Errors
/// Everything that is wrong, at once.
pub fn check(config: &Config, plan: &Plan) -> Result<(i32, Vec<String>), TopicsError> {
    let kafka = Cluster::connect(config)?;
    let existing = kafka.partitions()?;
    let wanted = wanted(config, plan);
    let mut report = Report::default();
    let missing: Vec<&str> = wanted
        .iter()
        .filter(|topic| !existing.contains_key(&topic.name))
        .map(|topic| topic.name.as_str())
        .collect();
    if !missing.is_empty() {
        report.problems.push(format!(
            "missing: {}. `moments topics create` makes them",
            missing.join(", ")
        ));
    }
    let counts: Vec<(&str, i32)> = wanted
        .iter()
        .filter(|topic| topic.copartitioned)
        .filter_map(|topic| Some((topic.name.as_str(), *existing.get(&topic.name)?)))
        .collect();
    let partitions = counts.first().map_or(0, |(_, count)| *count);
    if counts.iter().any(|(_, count)| *count != partitions) {
        let shown: Vec<String> = counts
            .iter()
            .map(|(name, count)| format!("{name} has {count}"))
            .collect();
        report.problems.push(format!(
            "the numbers of partitions differ: {}. Partition p of every topic holds the same customers, so all must have as many; \
             make new topics of one size and move the events over, keyed by customer",
            shown.join(", ")
        ));
    }
    let found: Vec<&Wanted> = wanted
        .iter()
        .filter(|topic| existing.contains_key(&topic.name))
        .collect();
    match kafka.settings(&found) {
        Ok(settings) => {
            for topic in found {
                for need in &topic.needed {
                    need.check(&topic.name, &settings, &mut report);
                }
            }
        }
        Err(error) => report.warnings.push(format!(
            "the settings of the topics cannot be read ({error}), and were not checked"
        )),
    }
    if report.problems.is_empty() {
        Ok((partitions, report.warnings))
    } else {
        Err(TopicsError::Unfit(report))
    }
}

type Settings = BTreeMap<String, BTreeMap<String, String>>;

impl Need {
    fn check(self, topic: &str, settings: &Settings, report: &mut Report) {
        let value = |name: &str| {
            settings
                .get(topic)
                .and_then(|all| all.get(name))
                .map_or("", String::as_str)
        };
        match self {
            Self::Compacted if value("cleanup.policy") != "compact" => report.problems.push(format!(
                "{topic}: cleanup.policy is `{}`, so that the state of customers would be deleted by age; set it to compact: \
                 kafka-configs --alter --topic {topic} --add-config cleanup.policy=compact",
                value("cleanup.policy")
            )),
            Self::Bytes(bytes) if value("max.message.bytes").parse::<i64>().is_ok_and(|max| max < i64::from(bytes)) => {
                report.problems.push(format!(
                    "{topic}: max.message.bytes is {}, so that a large dead letter would stop a task; set it to {bytes}, or \
                     topics.dead_letter_bytes_max to at most {} less",
                    value("max.message.bytes"),
                    OVERHEAD_BYTES
                ));
            }
            Self::AppendTime if value("message.timestamp.type") == "CreateTime" => report.warnings.push(format!(
                "{topic}: message.timestamp.type is CreateTime: when its producers set the event's time, silence leads time to the \
                 present at once, and latency cannot be measured; LogAppendTime is better"
            )),
            _ => {}
        }
    }
}

/// Administration of a cluster, waited for.
struct Cluster {
    admin: AdminClient<Logged>,
    runtime: tokio::runtime::Runtime,
    bootstrap: String,
}

impl Cluster {
    fn connect(config: &Config) -> Result<Self, TopicsError> {
        let bootstrap = config.kafka.bootstrap.clone();
        let made: Result<AdminClient<Logged>, _> =
            clients::common(config).create_with_context(Logged);
        let admin = made.map_err(|source| TopicsError::Kafka {
            bootstrap: bootstrap.clone(),
            source,
        })?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()?;
        Ok(Self {
            admin,
            runtime,
            bootstrap,
        })
    }

    fn failed(&self, source: KafkaError) -> TopicsError {
        TopicsError::Kafka {
            bootstrap: self.bootstrap.clone(),
            source,
        }
    }

    /// How many partitions each topic has.
    fn partitions(&self) -> Result<BTreeMap<String, i32>, TopicsError> {
        let metadata = self
            .admin
            .inner()
            .fetch_metadata(None, TIMEOUT)
            .map_err(|error| self.failed(error))?;
        let count = |topic: &rdkafka::metadata::MetadataTopic| {
            (
                topic.name().to_owned(),
                i32::try_from(topic.partitions().len()).unwrap_or(i32::MAX),
            )
        };
        Ok(metadata.topics().iter().map(count).collect())
    }

    fn create(
        &self,
        topics: &[&Wanted],
        partitions: i32,
        replication: i32,
    ) -> Result<BTreeMap<String, Result<(), RDKafkaErrorCode>>, TopicsError> {
        if topics.is_empty() {
            return Ok(BTreeMap::new());
        }
        let new: Vec<NewTopic<'_>> = topics
            .iter()
            .map(|topic| {
                let mut new = NewTopic::new(
                    &topic.name,
                    partitions,
                    TopicReplication::Fixed(replication),
                );
                new.config = topic
                    .settings
                    .iter()
                    .map(|(name, value)| (*name, value.as_str()))
                    .collect();
                new
            })
            .collect();
        let options = AdminOptions::new().operation_timeout(Some(TIMEOUT));
        let created = self
            .runtime
            .block_on(self.admin.create_topics(&new, &options))
            .map_err(|error| self.failed(error))?;
        Ok(created
            .into_iter()
            .map(|result| match result {
                Ok(name) => (name, Ok(())),
                Err((name, code)) => (name, Err(code)),
            })
            .collect())
    }

    fn settings(&self, topics: &[&Wanted]) -> Result<Settings, KafkaError> {
        let asked: Vec<ResourceSpecifier<'_>> = topics
            .iter()
            .map(|topic| ResourceSpecifier::Topic(&topic.name))
            .collect();
        let options = AdminOptions::new().request_timeout(Some(TIMEOUT));
        let described = self
            .runtime
            .block_on(self.admin.describe_configs(&asked, &options))?;
        let values = |resource: ConfigResource| {
            resource
                .entries
                .into_iter()
                .filter_map(|entry| Some((entry.name, entry.value?)))
                .collect()
        };
        topics
            .iter()
            .zip(described)
            .map(|(topic, resource)| {
                Ok((
                    topic.name.clone(),
                    values(resource.map_err(KafkaError::AdminOp)?),
                ))
            })
            .collect()
    }
}
