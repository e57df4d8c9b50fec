//! Inactivity: nothing that matches for a time.
//!
//! Comes true at the last matching event + `for`; an event exactly then was in time. The occurrence
//! is that last event; the next one arms it again. Who never had a matching event is not inactive.

use serde::{Deserialize, Serialize};

use super::kind::{
    AFTER_WATERMARK, CameTrue, Concerns, Described, EventRef, Evidence, Found, Kept, Missing,
    Moment, MomentKind, Telling,
};
use super::matcher::{self, Matcher};
use crate::document::keys::{Keys, Known, Shape};
use crate::document::reader::Reader;
use crate::document::yaml::Node;
use crate::event::{Event, EventName};
use crate::expression::{Expression, Scope};
use crate::profile::Settled;
use crate::stored::Stored;
use crate::table::rows::Rows;
use crate::time::{Timestamp, duration_in_words};

const KEYS: Keys = Keys {
    of: "`inactivity`",
    known: &[
        Known::required(
            "of",
            matcher::SHAPE,
            "The events that stopped. Whoever never did one is not meant.",
        ),
        Known::required(
            "for",
            Shape::Duration,
            "For how long, since the last of them. An event exactly then is in time.",
        ),
    ],
    later: &[],
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

impl Stored for InactivityState {
    const VERSION: u8 = 1;
}

impl MomentKind for Inactivity {
    type State = InactivityState;

    const TAG: u16 = 3;
    const DESCRIBED: Described = Described {
        word: "inactivity",
        comes_true: "At the last matching event + `for`, when none has followed it by then.",
        decided: AFTER_WATERMARK,
        occurrence: "the id of that last event",
        again: "after the next matching event",
        has_event: false,
    };
    const SHAPE: Shape = Shape::Mapping(&KEYS);

    fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        let fields = reader.fields(node, KEYS)?;
        let of = matcher::required(reader, &fields, "of");
        let for_ms = reader
            .required(&fields, "for", "how long, such as 90d")
            .and_then(|node| reader.duration(node));
        Some(Self {
            of: of?,
            for_ms: for_ms?,
        })
    }

    fn concerns(&self) -> Concerns {
        self.of.concerns()
    }

    fn uses_previous(&self) -> bool {
        self.of.uses_previous()
    }

    /// `Order Completed` is known by the time of the last, whose id is not kept.
    fn begin(&self, settled: &Settled, decided: Option<Timestamp>) -> Option<InactivityState> {
        let meant = self.of.is_just(EventName::ORDER_COMPLETED);
        let last = settled.orders.last.filter(|_| meant)?;
        Some(InactivityState {
            last: EventRef::at(last),
            fired: decided >= Some(last),
        })
    }

    /// An event older than the last changes nothing.
    fn event(&self, state: &mut Kept<'_, InactivityState>, scope: &Scope<'_>, _found: &mut Found) {
        let Some(event) = scope.event.filter(|_| self.of.matches(scope)) else {
            return;
        };
        let begun = || InactivityState {
            last: EventRef::of(event),
            fired: false,
        };
        let state = state.get_or_insert_with(begun);
        if state.last.time <= event.time {
            *state = begun();
        }
    }

    fn looks_again(&self, event: &Event, _settled: &Settled) -> Option<Timestamp> {
        Some(event.time.plus(self.for_ms))
    }

    fn due(&self, state: &InactivityState, _settled: &Settled) -> Option<Timestamp> {
        (!state.fired).then(|| state.last.time.plus(self.for_ms))
    }

    fn fire(&self, state: &mut InactivityState, settled: &Settled, _rows: &Rows) -> Option<Moment> {
        let at = self.due(state, settled)?;
        state.fired = true;
        Some(Moment {
            at,
            occurrence: state.last.id.clone(),
            evidence: Evidence::of(vec![state.last.clone()], Vec::new()),
        })
    }

    fn undone(
        &self,
        _state: Option<&InactivityState>,
        past: CameTrue<'_>,
        scope: &Scope<'_>,
    ) -> bool {
        let matching = scope.event.filter(|_| self.of.matches(scope));
        matching.is_some_and(|event| past.covers(event.time))
    }

    /// The last event of both is the last.
    fn merge(&self, own: &mut InactivityState, other: InactivityState, _both: &Settled) -> u32 {
        if other.last.time > own.last.time {
            *own = other;
        } else if other.last.time == own.last.time {
            own.fired |= other.fired;
        }
        0
    }

    fn last_decided(state: &InactivityState) -> Option<Timestamp> {
        state.fired.then_some(state.last.time)
    }

    fn said(&self) -> String {
        let long = duration_in_words(self.for_ms);
        format!("when no {} has come for {long}", self.of.said())
    }

    fn explain(&self, state: Option<&InactivityState>, _scope: &Scope<'_>) -> Vec<Missing> {
        let of = self.of.said();
        let Some(InactivityState { last, fired }) = state else {
            let says = format!("She never did what would have to stop: it waits for {of}.");
            return vec![Missing::event(says)];
        };
        let (last, due) = (last.time, last.time.plus(self.for_ms));
        let missing = match fired {
            true => Missing::event(format!(
                "It came true of her silence since {last}: it waits for {of}, and for silence after it."
            )),
            false => Missing::due(
                due,
                format!(
                    "It comes true at {due}, unless {of} comes by then: the last was at {last}."
                ),
            ),
        };
        vec![missing.by("last", last.to_string())]
    }

    fn expressions(&self) -> Vec<&Expression> {
        self.of.expressions().collect()
    }

    fn told(&self, telling: &Telling<'_>) -> Option<String> {
        Some(format!(
            "no {} for {}{}",
            self.of.first(telling),
            (telling.long)(self.for_ms),
            (telling.since)(", since %e %b %Y")
        ))
    }
}
