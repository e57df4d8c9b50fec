//! What people do from outside the tasks: erase a customer, say her consent, look into dead letters and send them again, look
//! decisions up, tell tasks what history says of customers, set a page aside that nobody can read, and find out what is wrong.
//!
//! Everything goes through Kafka: what changes a customer is an event on a topic that comes in, so it is ordered, committed,
//! restored and replayed as every event is. But for a page that cannot be read ([`state`]), the state of a task is never changed.

pub mod customers;
pub mod dead_letters;
pub mod decisions;
pub mod doctor;
mod log;
mod producing;
pub mod seeding;
pub mod state;

use rdkafka::error::KafkaError;

pub use log::{Log, Range, Read};
pub use producing::Sender;

/// Why something could not be done.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// Kafka does not answer as it should.
    #[error("Kafka: {what}: {error}")]
    Kafka {
        /// What was tried.
        what: String,
        /// What it said.
        error: KafkaError,
    },
    /// It took too long.
    #[error("{what} took longer than {ms} ms")]
    Late {
        /// What was waited for.
        what: String,
        /// For how long, milliseconds.
        ms: i64,
    },
    /// There is no such topic.
    #[error("there is no topic `{0}`; `moments topics create` makes what the configuration names")]
    NoTopic(String),
    /// What was asked for cannot be.
    #[error("{0}")]
    Refused(String),
}

impl AdminError {
    fn kafka(what: impl Into<String>) -> impl FnOnce(KafkaError) -> Self {
        let what = what.into();
        move |error| Self::Kafka { what, error }
    }
}
