//! The declared rule: file, checked definition, compiled plan; and the expression language.

pub mod definition;
pub mod expression;
pub mod keys;
pub mod plan;
pub mod published;
pub mod reader;
pub mod report;
pub mod revision;
pub mod scenario;
pub mod set;
pub mod suggest;
pub mod value;
pub mod yaml;
