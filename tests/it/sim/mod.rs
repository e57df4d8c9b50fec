//! A simulated Kafka, and what is tried on it: one thread, no I/O, everything by seed.
//!
//! Deliberately absent: brokers, replication, batches, retention by time. What a client of one healthy cluster can
//! observe is here; what happens inside the cluster is not.
mod alone;
mod beside;
mod between;
mod broadcast;
mod bugs;
mod careless;
mod conversation;
mod crash;
mod engine;
mod group;
mod hand;
mod history;
mod instant;
mod log;
mod meanings;
mod partition;
mod protocol;
pub mod random;
mod rates;
mod referrals;
mod rows;
mod script;
mod seeds;
mod subject;
mod toy;
mod united;
mod worker;
mod world;
