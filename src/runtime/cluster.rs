//! Administration of a cluster, waited for.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::admin::{
    AdminClient, AdminOptions, ConfigResource, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::clients::{self, Logged};
use super::described::{self, Topics};
use super::tokens;
use super::wanted::{TopicsError, Wanted};
use crate::config::Config;

/// How long Kafka may take to answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Between two looks at whether topics have leaders.
const LEADERS_PAUSE: Duration = Duration::from_millis(20);

/// Settings by topic and name.
pub(super) type TopicConfigs = BTreeMap<String, BTreeMap<String, String>>;

/// Administration of a cluster, waited for.
pub(super) struct Cluster {
    admin: AdminClient<Logged>,
    runtime: tokio::runtime::Runtime,
    bootstrap: String,
}

impl Cluster {
    /// Once brokers answer.
    pub fn connect(config: &Config) -> Result<Self, TopicsError> {
        clients::check(config).map_err(TopicsError::Property)?;
        let bootstrap = config.kafka.bootstrap.clone();
        let client = clients::common(config);
        let failed = |error| TopicsError::Kafka {
            bootstrap: bootstrap.clone(),
            error,
        };
        clients::reach(config, TIMEOUT).map_err(failed)?;
        let admin: AdminClient<Logged> = client.create_with_context(Logged).map_err(failed)?;
        tokens::let_in(&client, admin.inner()).map_err(failed)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()?;
        Ok(Self {
            admin,
            runtime,
            bootstrap,
        })
    }

    /// A failure of what it was asked.
    pub fn failed(&self, error: KafkaError) -> TopicsError {
        TopicsError::Kafka {
            bootstrap: self.bootstrap.clone(),
            error,
        }
    }

    /// How many partitions each topic has.
    pub fn partitions(&self) -> Result<BTreeMap<String, i32>, TopicsError> {
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

    /// What is said of each topic of these names, or why nothing is.
    pub fn described(&self, names: &[&str]) -> Result<Topics, TopicsError> {
        let described = described::describe(self.admin.inner(), names, TIMEOUT);
        described.map_err(|error| self.failed(error))
    }

    /// Creates topics; for each whether it was.
    pub fn create(
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
                    topic.partitions.unwrap_or(partitions),
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
        let made = created.iter().filter_map(|result| result.as_deref().ok());
        self.wait_for_leaders(&made.collect::<Vec<_>>())?;
        Ok(created
            .into_iter()
            .map(|result| match result {
                Ok(name) => (name, Ok(())),
                Err((name, code)) => (name, Err(code)),
            })
            .collect())
    }

    /// The controller creates topics; brokers hear of it a moment later, and until then say that there are none. Whoever starts
    /// right after the creation should find them.
    fn wait_for_leaders(&self, topics: &[&str]) -> Result<(), TopicsError> {
        let deadline = Instant::now() + TIMEOUT;
        loop {
            let metadata = self.admin.inner().fetch_metadata(None, TIMEOUT);
            let metadata = metadata.map_err(|error| self.failed(error))?;
            let led = |name: &&str| {
                let topic = metadata.topics().iter().find(|topic| topic.name() == *name);
                topic.is_some_and(|topic| {
                    let mut partitions = topic.partitions().iter();
                    partitions.len() > 0 && partitions.all(|partition| partition.leader() >= 0)
                })
            };
            if topics.iter().all(led) {
                return Ok(());
            }
            if Instant::now() >= deadline {
                let late = KafkaError::AdminOp(RDKafkaErrorCode::OperationTimedOut);
                return Err(self.failed(late));
            }
            self.runtime
                .block_on(async { tokio::time::sleep(LEADERS_PAUSE).await });
        }
    }

    /// What each topic is set to, and of which this process is not told.
    pub fn settings(&self, topics: &[&Wanted]) -> Result<(TopicConfigs, Vec<String>), KafkaError> {
        let (mut told, mut untold) = (TopicConfigs::new(), Vec::new());
        if topics.is_empty() {
            return Ok((told, untold));
        }
        let asked: Vec<ResourceSpecifier<'_>> = topics
            .iter()
            .map(|topic| ResourceSpecifier::Topic(&topic.name))
            .collect();
        let options = AdminOptions::new().request_timeout(Some(TIMEOUT));
        let described = self
            .runtime
            .block_on(self.admin.describe_configs(&asked, &options))?;
        let values = |resource: ConfigResource| {
            let entries = resource.entries.into_iter();
            let entries = entries.filter_map(|entry| Some((entry.name, entry.value?)));
            entries.collect::<BTreeMap<String, String>>()
        };
        for (topic, resource) in topics.iter().zip(described) {
            let values = resource.map(values).unwrap_or_default();
            // A topic has some dozens of them: without the right to be told, none is.
            match values.is_empty() {
                true => untold.push(topic.name.clone()),
                false => drop(told.insert(topic.name.clone(), values)),
            }
        }
        Ok((told, untold))
    }
}
