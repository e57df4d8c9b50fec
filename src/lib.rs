//! `moments`: customer events in, treatment commands out, each once.
//!
//! The rooms stand in the order in which the data flows, and each knows only those above it: first what is in everybody's hands
//! (time, events, documents), then the way from a record to a command, which is the pure core, then what carries it out, and
//! last what people see. A test (`tests/it/rooms.rs`) holds them to it.

// What is in everybody's hands.
pub mod time;
pub mod stats;
pub mod stored;
pub mod event;
pub mod value;
pub mod table;
pub mod score;
pub mod measure;
pub mod money;
pub mod document;

// From a record to a command, and the protocol of a task: no clock, no waiting, no I/O, no logging, the same for the same input.
pub mod avro;
pub mod mapping;
pub mod decode;
pub mod profile;
pub mod expression;
pub mod moment;
pub mod fact;
pub mod model;
pub mod segment;
pub mod tally;
pub mod treatment;
pub mod journey;
pub mod suppression;
pub mod referral;
pub mod trigger;
pub mod policy;
pub mod lift;
pub mod engine;
pub mod explain;
pub mod report;
pub mod encode;
pub mod task;

// What carries it out: the registry, configuration, Kafka, HTTP.
pub mod registry;
pub mod config;
pub mod telemetry;
pub mod runtime;
pub mod admin;
pub mod http;
pub mod send;
pub mod onsite;

// Events that were, or are made up.
pub mod population;
pub mod rehearsal;
pub mod scenario;
pub mod demo;

// What people see.
pub mod json_schema;
pub mod reference;
pub mod cli;
