//! The points at which a trigger's condition comes true: one file a kind.
//!
//! Each kind has a compiled form (what the trigger file declared), a state on the profile (only for
//! customers whom it concerns), and three questions: what an event does to the state, when its next
//! deadline is, and what comes true there.

pub mod absence;
pub mod baseline;
pub mod event;
pub mod inactivity;
pub mod matcher;

use serde::{Deserialize, Serialize};

pub use absence::{Absence, AbsenceState};
pub use baseline::{Baseline, BaselineState};
pub use event::EventMoment;
pub use inactivity::{Inactivity, InactivityState};
pub use matcher::Matcher;

use crate::event::Text;
use crate::time::Timestamp;

/// How a trigger's condition comes true.
#[derive(Debug)]
pub enum Kind {
    /// An event matches.
    Event(EventMoment),
    /// A was not followed by B in time.
    Absence(Absence),
    /// Nothing of a kind for a time.
    Inactivity(Inactivity),
    /// A departure from the customer's own history.
    Baseline(Baseline),
}

/// Where a trigger stands with one customer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum MomentState {
    /// Open absences.
    Absence(AbsenceState),
    /// The last matching event.
    Inactivity(InactivityState),
    /// Sums over her history.
    Baseline(BaselineState),
}

/// A moment: the condition of a trigger came true for a customer.
#[derive(Clone, Debug, PartialEq)]
pub struct Moment {
    /// When it came true, in event time.
    pub at: Timestamp,
    /// What makes it this one and no other, within (trigger, generation, customer).
    pub occurrence: Text,
    /// The events and facts that made it true.
    pub evidence: Evidence,
}

/// What made a moment true.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evidence {
    /// The events.
    pub events: Vec<EventRef>,
    /// Named facts, such as the bound that was passed.
    pub facts: Vec<(&'static str, serde_json::Value)>,
}

/// An event as evidence remembers it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventRef {
    /// Its id.
    pub id: Text,
    /// When it happened.
    pub time: Timestamp,
}
