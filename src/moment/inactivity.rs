//! Inactivity: nothing that matches for a time.
//!
//! Comes true at the last matching event + `for`; an event exactly then was in time. The occurrence
//! is that last event; the next one arms it again. Who never had a matching event is not inactive.

use serde::{Deserialize, Serialize};

use super::{AFTER_WATERMARK, Described, EventRef, Evidence, Matcher, Moment};
use crate::event::EventName;
use crate::expression::Scope;
use crate::profile::facts::Orders;
use crate::time::Timestamp;

/// For people.
pub const DESCRIBED: Described = Described {
    word: "inactivity",
    comes_true: "At the last matching event + `for`, when none has followed it by then.",
    decided: AFTER_WATERMARK,
    occurrence: "the id of that last event",
    again: "after the next matching event",
};

/// The compiled form.
#[derive(Debug)]
pub struct Inactivity {
    /// Which events.
    pub of: Matcher,
    /// For how long, ms; above 0.
    pub for_ms: i64,
}

/// The last matching event of one customer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InactivityState {
    last: EventRef,
    fired: bool,
}

impl InactivityState {
    pub(super) fn last_decided(&self) -> Option<Timestamp> {
        self.fired.then_some(self.last.time)
    }
}

impl Inactivity {
    /// Takes an event in; an older one than the last changes nothing.
    pub fn event(
        &self,
        state: Option<InactivityState>,
        scope: &Scope<'_>,
    ) -> Option<InactivityState> {
        let Some(event) = scope.event.filter(|_| self.of.matches(scope)) else {
            return state;
        };
        match state {
            Some(state) if event.time < state.last.time => Some(state),
            _ => Some(InactivityState {
                last: EventRef {
                    id: event.id.clone(),
                    time: event.time,
                },
                fired: false,
            }),
        }
    }

    /// What a customer's orders say to a trigger that is new. The occurrence is the time of the last, whose id is not kept.
    #[must_use]
    pub fn known(&self, orders: &Orders, decided: Option<Timestamp>) -> Option<InactivityState> {
        let last = orders
            .last
            .filter(|_| self.of.is_just(EventName::ORDER_COMPLETED))?;
        Some(InactivityState {
            last: EventRef::at(last),
            fired: decided >= Some(last),
        })
    }

    /// The next deadline.
    #[must_use]
    pub fn due(&self, state: &InactivityState) -> Option<Timestamp> {
        (!state.fired).then(|| state.last.time.plus(self.for_ms))
    }

    /// What comes true at the deadline.
    pub fn fire(&self, state: &mut InactivityState) -> Option<Moment> {
        let at = self.due(state)?;
        state.fired = true;
        Some(Moment {
            at,
            occurrence: state.last.id.clone(),
            evidence: Evidence {
                events: vec![state.last.clone()],
                facts: Vec::new(),
            },
        })
    }
}
