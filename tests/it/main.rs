//! The integration tests: one binary, so one link.
mod sim;
