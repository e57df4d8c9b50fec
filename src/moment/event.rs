//! Event: comes true when an event matches, at the event's time; each event is an occurrence.
//!
//! With `when: seen` its condition is asked on what is known when the event comes, and again where an older one comes in
//! between. With `when: settled` it is asked once, with everything before the event there: whatever the order of arrival.

use serde::{Deserialize, Serialize};

use super::kind::{
    Concerns, Described, Found, Kept, Missing, Moment, MomentKind, Sees, Unseen, WHEN, WHEN_SEEN,
    when,
};
use super::matcher::{self, Matcher};
use crate::document::keys::{Keys, Known, Shape};
use crate::document::reader::{EVENTS, Reader};
use crate::document::yaml::{Node, Yaml};
use crate::event::Event;
use crate::expression::{Expression, Scope};
use crate::profile::Settled;
use crate::stored::Stored;
use crate::table::rows::Rows;
use crate::time::Timestamp;

const KEYS: Keys = Keys {
    of: "`event`",
    known: &[Known::required("of", matcher::SHAPE, "Which events."), WHEN],
    later: &[],
};

/// The compiled form.
#[derive(Debug)]
pub struct EventMoment {
    /// Which events.
    pub of: Matcher,
    /// When it is decided.
    pub sees: Sees,
}

/// Nothing is remembered: each event is a moment by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nothing;

impl Stored for Nothing {
    const VERSION: u8 = 1;
}

impl MomentKind for EventMoment {
    type State = Nothing;

    const TAG: u16 = 1;
    const DESCRIBED: Described = Described {
        word: "event",
        comes_true: "At each event that matches, at its time.",
        decided: WHEN_SEEN,
        occurrence: "the event's id",
        again: "at each event",
        has_event: true,
    };
    const SHAPE: Shape = Shape::Either(&[matcher::SHAPE, Shape::Mapping(&KEYS)]);

    fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        let is_key = |name: &str| KEYS.names().any(|key| key == name);
        let (of, sees) = match &node.value {
            Yaml::Map(entries) if entries.iter().any(|(key, _)| is_key(&key.text)) => {
                let fields = reader.fields(node, KEYS)?;
                let sees = when(reader, &fields);
                (reader.required(&fields, "of", EVENTS)?, sees)
            }
            _ => (node, Some(Sees::SoFar)),
        };
        let of = matcher::matcher(reader, of)?;
        Some(Self { of, sees: sees? })
    }

    fn concerns(&self) -> Concerns {
        self.of.concerns()
    }

    fn sees(&self) -> Sees {
        self.sees
    }

    fn uses_previous(&self) -> bool {
        self.of.uses_previous()
    }

    fn event(&self, _state: &mut Kept<'_, Nothing>, scope: &Scope<'_>, found: &mut Found) {
        let event = scope.event.filter(|_| self.of.matches(scope));
        found.moment = event.map(|event| Moment::of_event(event, Vec::new()));
    }

    fn may_come_true(&self, _state: Option<&Nothing>, unseen: Unseen<'_>) -> bool {
        self.of.may_mean(unseen)
    }

    fn looks_again(&self, event: &Event, _settled: &Settled) -> Option<Timestamp> {
        (self.sees == Sees::Settled).then_some(event.time)
    }

    fn due(&self, _state: &Nothing, _settled: &Settled) -> Option<Timestamp> {
        None
    }

    fn fire(&self, _state: &mut Nothing, _settled: &Settled, _rows: &Rows) -> Option<Moment> {
        None
    }

    fn said(&self) -> String {
        format!("at each {}", self.of.said())
    }

    fn explain(&self, _state: Option<&Nothing>, _scope: &Scope<'_>) -> Vec<Missing> {
        vec![Missing::event(format!(
            "It comes true at the next {}.",
            self.of.said()
        ))]
    }

    fn expressions(&self) -> Vec<&Expression> {
        self.of.expressions().collect()
    }

    fn merge(&self, _own: &mut Nothing, _other: Nothing, _both: &Settled) -> u32 {
        0
    }
}
