//! `moments` on a real Kafka.

mod dead_letters;
mod fault;
mod foreign;
mod installation;
mod once;
mod reload;
mod topics;
mod traces;
