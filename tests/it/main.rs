//! The integration tests: one binary, so that there is one link and one real broker for all.

mod kafka_smoke;
mod support;
