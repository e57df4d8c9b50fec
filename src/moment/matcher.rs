//! Which events a trigger means: a name, several names, or a name with a condition.

use crate::event::EventName;
use crate::expression::{Expression, Scope};

/// Matches events by name and, where asked, by an expression.
#[derive(Debug, Default)]
pub struct Matcher {
    /// Each name with its condition.
    pub names: Vec<(EventName, Option<Expression>)>,
}

impl Matcher {
    /// Whether the event of `scope` is meant.
    #[must_use]
    pub fn matches(&self, scope: &Scope<'_>) -> bool {
        let Some(event) = scope.event else {
            return false;
        };
        self.names.iter().any(|(name, condition)| {
            *name == event.name
                && condition
                    .as_ref()
                    .is_none_or(|condition| condition.holds(scope))
        })
    }

    /// The names it may match.
    pub fn event_names(&self) -> impl Iterator<Item = EventName> {
        self.names.iter().map(|(name, _)| *name)
    }

    /// Whether it matches every event of this name, and no other.
    #[must_use]
    pub fn is_just(&self, name: EventName) -> bool {
        matches!(self.names.as_slice(), [(only, None)] if *only == name)
    }

    /// Whether a condition asks for `previous`.
    #[must_use]
    pub fn uses_previous(&self) -> bool {
        self.names
            .iter()
            .any(|(_, condition)| condition.as_ref().is_some_and(Expression::uses_previous))
    }
}
