//! Why nothing is shown.

use rdkafka::error::KafkaError;

use crate::admin::AdminError;
use crate::config::ConfigError;

/// Why nothing is shown.
#[derive(Debug, thiserror::Error)]
pub enum OnsiteError {
    /// Something that is configured does not fit.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The same, in words.
    #[error("{0}")]
    Settings(String),
    /// The port cannot be had, or no thread.
    #[error("onsite.listen = {listen}: {error}")]
    Listen {
        /// The address.
        listen: String,
        /// Why not.
        error: std::io::Error,
    },
    /// A topic is missing, or Kafka does not answer.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// A client cannot be made.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// No thread.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}
