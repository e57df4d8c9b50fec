//! The integration tests: one binary, so that one link and one broker serve them all.

mod data;
mod reference;
mod sim;
