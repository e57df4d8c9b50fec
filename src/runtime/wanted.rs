//! A topic as it should be, and what may be wrong with those that are.

use rdkafka::error::KafkaError;

use super::clients::explained;
use super::described::Right;

/// Why topics cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TopicsError {
    /// Kafka does not answer.
    #[error(
        "Kafka at {bootstrap} does not answer as it should: {}",
        explained(error)
    )]
    Kafka {
        /// The brokers asked.
        bootstrap: String,
        /// What it said.
        error: KafkaError,
    },
    /// A property that librdkafka does not take.
    #[error("{0}")]
    Property(String),
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
    /// Whether the application starts without it, and says so.
    pub optional: bool,
    /// How many partitions it has; as many as the others where it is not said.
    pub partitions: Option<i32>,
    /// Settings it is created with.
    pub settings: Vec<(&'static str, String)>,
    /// What this process has to be allowed to do with it.
    pub(super) rights: &'static [Right],
    /// Settings without which the application does not start.
    pub(super) needed: Vec<Need>,
}

/// What a setting must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// State would be deleted otherwise.
    Compacted,
    /// Restoring reads little more than there is: segments of at most so many bytes.
    CleanedSoon(i32),
    /// Who begins later has every row of a table.
    Rows,
    /// At least so many bytes a record.
    Bytes(i32),
    /// Silence moves time by when records were appended.
    AppendTime,
    /// Events outlast an outage.
    Retained,
    /// No record is larger than so many bytes, which are received.
    Received(i64),
}

impl Wanted {
    /// Whether the application does not start without it; where it does, that it is missing is said.
    pub(super) fn is_needed(&self, report: &mut Report) -> bool {
        if self.optional {
            report.warnings.push(format!(
                "{}: missing, or not to be seen for want of the right Write on it. Nothing is written to it; `moments topics create` makes it, \
                 `moments topics acls` prints every right that is needed",
                self.name
            ));
        }
        !self.optional
    }
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
