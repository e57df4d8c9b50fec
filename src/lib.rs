//! `moments`: customer events in, treatment commands out, each once.
//!
//! The modules stand in the order the data flows.

pub mod event;
pub mod moment;
pub mod profile;
pub mod time;
pub mod trigger;
