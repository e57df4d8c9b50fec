//! `moments` on a real Kafka.

mod access;
mod api;
mod bad_days;
mod broadcast;
mod crowds;
mod dead_letters;
mod doctor;
mod erasure;
mod examples;
mod fairness;
mod fault;
mod foreign;
mod identity;
pub mod installation;
mod memory;
mod once;
mod onsite;
mod referral;
mod reload;
mod replaying;
mod schemas;
mod silence;
mod sending;
mod topics;
mod torture;
mod traces;
mod window;
