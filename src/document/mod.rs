//! Documents that people write: YAML with the position of every value, keys that are checked, reports with a caret.

pub mod data;
pub mod keys;
pub mod reader;
pub mod report;
pub mod suggest;
pub mod topic;
pub mod typed;
pub mod yaml;
