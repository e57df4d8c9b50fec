//! The declared rule: file, checked definition, compiled plan; and the expression language.

pub mod expression;
pub mod plan;
pub mod suggest;
pub mod value;
