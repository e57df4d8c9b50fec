//! `moments` on a real Kafka.

mod dead_letters;
mod installation;
mod once;
mod topics;
