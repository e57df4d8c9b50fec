//! placeholder
use serde::{Deserialize, Serialize};
use super::Matcher;

/// The compiled form: nothing that matches for a time.
#[derive(Debug)]
pub struct Inactivity {
    /// Which events.
    pub of: Matcher,
    /// For how long, ms; above 0.
    pub for_ms: i64,
}

/// The last matching event of one customer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InactivityState {}
