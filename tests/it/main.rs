//! The integration tests: one binary, so that one link and one real broker serve them all.

mod allocations;
mod asyncapi;
mod clocks;
mod data;
mod demo;
mod deploy;
mod documents;
mod explaining;
mod goldens;
mod kafka;
mod kafka_smoke;
mod kept;
mod mappings;
mod models;
mod outcomes;
mod population;
mod programmes;
mod properties;
mod real_data;
mod reference;
mod rehearsals;
mod rooms;
mod scenarios;
mod schemas;
mod sim;
mod support;
