//! The declared rule: file, checked definition, compiled plan; and the expression language.

pub mod definition;
pub mod needs;
pub mod plan;
pub mod policy;
pub mod published;
pub mod revision;
pub mod said;
pub mod set;
pub mod table;
pub mod warnings;
