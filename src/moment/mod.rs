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

use crate::event::{Event, EventName, Text};
use crate::expression::Scope;
use crate::profile::Facts;
use crate::time::{DAY_MS, Timestamp};

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

/// A kind, for people who declare one.
#[derive(Clone, Copy, Debug)]
pub struct Described {
    /// Its word in trigger files.
    pub word: &'static str,
    /// When it comes true.
    pub comes_true: &'static str,
    /// When it is decided.
    pub decided: &'static str,
    /// What makes a moment this one and no other, within trigger, generation and customer.
    pub occurrence: &'static str,
    /// When it can come true again.
    pub again: &'static str,
}

/// Every kind.
pub const DESCRIBED: [Described; 4] = [
    event::DESCRIBED,
    absence::DESCRIBED,
    inactivity::DESCRIBED,
    baseline::DESCRIBED,
];

const AFTER_WATERMARK: &str = "when the watermark has reached it";

/// Where a trigger stands with one customer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum MomentState {
    /// Open absences.
    Absence(AbsenceState),
    /// The last matching event.
    Inactivity(InactivityState),
    /// Sums over her history.
    Baseline(BaselineState),
    /// The trigger is in the set no more; the last it decided was about what happened then. Should it come back, it does not
    /// decide that again.
    Gone(Timestamp),
}

impl MomentState {
    /// What the last decision was about, where it might be decided again: the time of the last event before it.
    #[must_use]
    pub fn last_decided(&self) -> Option<Timestamp> {
        match self {
            Self::Absence(_) => None,
            Self::Inactivity(state) => state.last_decided(),
            Self::Baseline(state) => state.last_decided(),
            Self::Gone(at) => Some(*at),
        }
    }
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

impl EventRef {
    /// An event of which only the time is known.
    #[must_use]
    pub fn at(time: Timestamp) -> Self {
        let id = compact_str::format_compact!("{time}");
        Self { id, time }
    }
}

/// What an event did to a trigger's state.
#[derive(Debug, Default)]
pub struct Taken {
    /// A moment that came true at the event itself, now that it is settled.
    pub moment: Option<Moment>,
    /// Deadlines that could not be opened for a bound.
    pub refused: u32,
}

impl Kind {
    /// The events it names.
    #[must_use]
    pub fn event_names(&self) -> Vec<EventName> {
        match self {
            Self::Event(moment) => moment.of.event_names().collect(),
            Self::Absence(moment) => moment
                .of
                .event_names()
                .chain(moment.after.event_names())
                .collect(),
            Self::Inactivity(moment) => moment.of.event_names().collect(),
            Self::Baseline(moment) => moment.of.event_names().collect(),
        }
    }

    /// Its word in trigger files.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Event(_) => "event",
            Self::Absence(_) => "absence",
            Self::Inactivity(_) => "inactivity",
            Self::Baseline(_) => "baseline",
        }
    }

    /// Whether it is decided when the event is seen, and not when the watermark has passed.
    #[must_use]
    pub fn is_immediate(&self) -> bool {
        matches!(self, Self::Event(_))
    }

    /// Whether its deadlines depend on the customer's time zone.
    #[must_use]
    pub fn counts_days(&self) -> bool {
        matches!(self, Self::Baseline(moment) if matches!(moment.measure, baseline::Measure::GapDays))
    }

    /// The earliest that a deadline may follow an event at `time`: when the customer must be looked
    /// at again. Too early costs a look, too late would delay a decision.
    #[must_use]
    pub fn looks_again(&self, event: &Event) -> Option<Timestamp> {
        match self {
            Self::Event(_) => None,
            Self::Absence(moment) => moment
                .after
                .event_names()
                .any(|name| name == event.name)
                .then(|| event.time.plus(moment.within_ms)),
            Self::Inactivity(moment) => Some(event.time.plus(moment.for_ms)),
            Self::Baseline(moment) => match moment.measure {
                // Gaps between distinct days are at least one, so the first day in question is the
                // day after tomorrow; two hours for the longest change of a clock.
                baseline::Measure::GapDays => Some(event.time.plus(DAY_MS - 2 * 3_600_000)),
                baseline::Measure::GapExact | baseline::Measure::Value(_) => Some(event.time),
            },
        }
    }

    /// Takes a settled event into `state`, which begins to exist when an event concerns it.
    pub fn event(&self, state: &mut Option<MomentState>, scope: &Scope<'_>) -> Taken {
        match self {
            Self::Event(_) => Taken::default(),
            Self::Absence(moment) => {
                let mut inner = match state.take() {
                    Some(MomentState::Absence(inner)) => inner,
                    _ => AbsenceState::default(),
                };
                let refused = moment.event(&mut inner, scope);
                *state = (inner != AbsenceState::default()).then_some(MomentState::Absence(inner));
                Taken {
                    moment: None,
                    refused,
                }
            }
            Self::Inactivity(moment) => {
                let inner = match state.take() {
                    Some(MomentState::Inactivity(inner)) => Some(inner),
                    _ => None,
                };
                *state = moment.event(inner, scope).map(MomentState::Inactivity);
                Taken::default()
            }
            Self::Baseline(moment) => {
                let mut inner = match state.take() {
                    Some(MomentState::Baseline(inner)) => inner,
                    _ => BaselineState::default(),
                };
                let came_true = moment.event(&mut inner, scope);
                *state =
                    (inner != BaselineState::default()).then_some(MomentState::Baseline(inner));
                Taken {
                    moment: came_true,
                    refused: 0,
                }
            }
        }
    }

    /// The next deadline of `state`.
    #[must_use]
    pub fn due(&self, state: &MomentState, facts: &Facts) -> Option<Timestamp> {
        match (self, state) {
            (Self::Absence(moment), MomentState::Absence(state)) => moment.due(state),
            (Self::Inactivity(moment), MomentState::Inactivity(state)) => moment.due(state),
            (Self::Baseline(moment), MomentState::Baseline(state)) => moment.due(state, facts),
            // A state of another kind is left from an older definition.
            _ => None,
        }
    }

    /// What comes true at the next deadline of `state`.
    pub fn fire(&self, state: &mut MomentState, facts: &Facts) -> Option<Moment> {
        match (self, state) {
            (Self::Absence(moment), MomentState::Absence(state)) => moment.fire(state),
            (Self::Inactivity(moment), MomentState::Inactivity(state)) => moment.fire(state),
            (Self::Baseline(moment), MomentState::Baseline(state)) => moment.fire(state, facts),
            _ => None,
        }
    }

    /// What a trigger that is new would know of a customer had it always been there, as far as her facts tell it exactly: the
    /// inactivity and the gap by calendar day of `Order Completed`, whatever the order. Nothing for the rest, which counts
    /// from its first event on. `decided`: what it was about that the trigger decided last, where it was in the set before.
    #[must_use]
    pub fn known(&self, facts: &Facts, decided: Option<Timestamp>) -> Option<MomentState> {
        let orders = &facts.orders;
        match self {
            Self::Event(_) | Self::Absence(_) => None,
            Self::Inactivity(moment) => moment.known(orders, decided).map(MomentState::Inactivity),
            Self::Baseline(moment) => moment.known(orders, decided).map(MomentState::Baseline),
        }
    }

    /// How many deadlines `state` has armed.
    #[must_use]
    pub fn armed(&self, state: &MomentState, facts: &Facts) -> usize {
        match state {
            MomentState::Absence(state) => Absence::open(state),
            _ => usize::from(self.due(state, facts).is_some()),
        }
    }
}
