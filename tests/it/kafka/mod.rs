//! `moments` on a real Kafka.

mod installation;
mod once;
