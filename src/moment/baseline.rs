//! placeholder
use serde::{Deserialize, Serialize};
use super::Matcher;
use crate::trigger::expression::Expression;

/// The compiled form: something departs from the customer's own history.
#[derive(Debug)]
pub struct Baseline {
    /// Which events.
    pub of: Matcher,
    /// What is measured.
    pub measure: Measure,
    /// How much history is asked for: gaps, or values before the event.
    pub history_min: u32,
    /// When it has departed.
    pub departs: Departure,
}

/// What is measured of the matching events.
#[derive(Debug)]
pub enum Measure {
    /// Days between distinct calendar days with a matching event, in the customer's zone.
    GapDays,
    /// Time between matching events, to the millisecond.
    GapExact,
    /// The value of a number expression on the event.
    Value(Expression),
}

/// When a measure has departed from its history.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Departure {
    /// Beyond mean + k sample standard deviations (n - 1). For values, a negative k means below.
    Deviations(f64),
    /// The mean of the last `last` values lies below `below` times the mean of those before them.
    Ratio {
        /// How many of the last values.
        last: u32,
        /// The factor.
        below: f64,
    },
}

/// Sums over one customer's history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BaselineState {}
