//! Why a schema cannot be had.

use std::path::PathBuf;

/// Why the registry did not answer the question.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// Its settings make no client.
    #[error("schema_registry: {0}")]
    Settings(String),
    /// No answer.
    #[error("the schema registry at {url} does not answer: {detail}")]
    Unreachable {
        /// Where it should be.
        url: String,
        /// What went wrong.
        detail: String,
    },
    /// Its own word: asking again gives the same.
    #[error("{url}: {detail}")]
    Refused {
        /// What was asked.
        url: String,
        /// What it says.
        detail: String,
    },
    /// An answer that is none.
    #[error("the schema registry at {url} answers {status}{detail}")]
    Answer {
        /// What was asked.
        url: String,
        /// The HTTP status.
        status: u16,
        /// What it says.
        detail: String,
    },
}

/// Why the schemas cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SchemasError {
    /// A file.
    #[error("{}: {source}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The registry.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}
