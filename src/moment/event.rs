//! Event: comes true when an event matches, at the event's time; each event is an occurrence.

use serde::{Deserialize, Serialize};

use super::kind::{Concerns, Described, Found, Moment, MomentKind, Sees};
use super::matcher::{self, Matcher};
use crate::document::keys::{Keys, Known, Shape};
use crate::document::reader::{EVENTS, Reader};
use crate::document::yaml::{Node, Yaml};
use crate::event::Event;
use crate::expression::Scope;
use crate::profile::Settled;
use crate::stored::Stored;
use crate::time::Timestamp;

const KEYS: Keys = Keys {
    of: "`event`",
    known: &[Known::required("of", matcher::SHAPE, "Which events.")],
    later: &[],
};

/// The compiled form.
#[derive(Debug)]
pub struct EventMoment {
    /// Which events.
    pub of: Matcher,
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
        decided: "when the event is seen",
        occurrence: "the event's id",
        again: "at each event",
        has_event: true,
    };
    const SHAPE: Shape = Shape::Either(&[matcher::SHAPE, Shape::Mapping(&KEYS)]);

    fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        let of = match &node.value {
            Yaml::Map(entries) if entries.iter().any(|(key, _)| key.text == "of") => {
                let fields = reader.fields(node, KEYS)?;
                reader.required(&fields, "of", EVENTS)?
            }
            _ => node,
        };
        let of = matcher::matcher(reader, of)?;
        Some(Self { of })
    }

    fn concerns(&self) -> Concerns {
        Concerns {
            events: self.of.event_names().collect(),
            ..Concerns::default()
        }
    }

    fn sees(&self) -> Sees {
        Sees::SoFar
    }

    fn uses_previous(&self) -> bool {
        self.of.uses_previous()
    }

    fn event(&self, _state: &mut Option<Nothing>, scope: &Scope<'_>, found: &mut Found) {
        let event = scope.event.filter(|_| self.of.matches(scope));
        found.moment = event.map(|event| Moment::of_event(event, Vec::new()));
    }

    fn looks_again(&self, _event: &Event) -> Option<Timestamp> {
        None
    }

    fn due(&self, _state: &Nothing, _settled: &Settled) -> Option<Timestamp> {
        None
    }

    fn fire(&self, _state: &mut Nothing, _settled: &Settled) -> Option<Moment> {
        None
    }
}
