//! What must be so of a record, or of an item of one of its lists.

use super::path::Path;
use super::scalar;
use super::scope::Scope;

/// What must be so.
#[derive(Clone, Debug)]
pub struct Condition {
    /// Of what.
    pub path: Path,
    /// What is asked.
    pub test: Test,
}

/// What is asked of a value.
#[derive(Clone, Debug)]
pub enum Test {
    /// It has one of these texts.
    OneOf(Vec<String>),
    /// It has none of them.
    NoneOf(Vec<String>),
    /// It is known, or is not.
    Known(bool),
}

impl Condition {
    /// Whether it is.
    #[must_use]
    pub fn holds(&self, scope: &Scope<'_>) -> bool {
        let found = scope.find(&self.path);
        let among = |texts: &[String]| {
            found.is_some_and(|found| texts.iter().any(|text| scalar::is_text(found, text)))
        };
        match &self.test {
            Test::OneOf(texts) => among(texts),
            Test::NoneOf(texts) => !among(texts),
            Test::Known(known) => found.is_some() == *known,
        }
    }
}
