//! The declared rule: file, checked definition, compiled plan; and the expression language.

pub mod plan;
pub mod value;
