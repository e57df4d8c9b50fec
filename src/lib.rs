//! `moments`: customer events in, treatment commands out, each once.
//!
//! The modules stand in the order the data flows.

pub mod admin;
pub mod avro;
pub mod cli;
pub mod config;
pub mod demo;
pub mod engine;
pub mod event;
pub mod http;
pub mod json_schema;
pub mod mapping;
pub mod moment;
pub mod policy;
pub mod population;
pub mod profile;
pub mod reference;
pub mod rehearsal;
pub mod runtime;
pub mod task;
pub mod telemetry;
pub mod time;
pub mod treatment;
pub mod trigger;
