//! placeholder
use serde::{Deserialize, Serialize};
use super::Matcher;
use crate::trigger::expression::Expression;
use crate::event::Text;
use crate::time::Timestamp;

/// The compiled form: `after` was not followed by `of` within a time.
#[derive(Debug)]
pub struct Absence {
    /// What should have come.
    pub of: Matcher,
    /// What it should have followed.
    pub after: Matcher,
    /// In what time, ms; above 0.
    pub within_ms: i64,
    /// What both must share.
    pub per: Per,
    /// Which `after` counts when there are several.
    pub from: From,
}

/// What `of` and `after` must share.
#[derive(Debug)]
pub enum Per {
    /// Nothing but the customer.
    Customer,
    /// The value of an expression on the event: one deadline for each value.
    Key(Expression),
}

/// Which `after` the time runs from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum From {
    /// The last: each moves the anchor.
    #[default]
    Last,
    /// The first: it stays until fired or cancelled.
    First,
}

/// The open deadlines of one customer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AbsenceState {
    open: Vec<(Text, Timestamp, Text)>,
}
