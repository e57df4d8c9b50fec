//! Broadcast: something happened to everybody, and each customer who is in the audience is meant.
//!
//! Comes true at the broadcast's time, on what is known of the customer up to then when it is taken: what is settled, and those of her
//! later events that came before it. Who is not in the audience is counted, and not decided: else each broadcast would make a
//! refusal of every customer.

use super::event::Nothing;
use super::kind::{Concerns, Described, Found, Kept, Missing, Moment, MomentKind, Sees, Telling};
use super::matcher::{self, Matcher};
use crate::document::keys::{Keys, Known, Shape};
use crate::document::reader::{EVENTS, Reader};
use crate::document::yaml::{Node, Yaml};
use crate::event::Event;
use crate::expression::{Expression, Scope};
use crate::profile::Settled;
use crate::table::rows::Rows;
use crate::time::Timestamp;

const KEYS: Keys = Keys {
    of: "`broadcast`",
    known: &[Known::required(
        "of",
        matcher::SHAPE,
        "What happened to everybody, on a topic for everybody. Alone, it may stand under `broadcast` itself.",
    )],
    later: &[],
};

/// The compiled form.
#[derive(Debug)]
pub struct Broadcast {
    /// Which broadcasts.
    pub of: Matcher,
}

impl MomentKind for Broadcast {
    type State = Nothing;

    const TAG: u16 = 7;
    const DESCRIBED: Described = Described {
        word: "broadcast",
        comes_true: "At what happened to everybody, at its time, for each customer in the audience.",
        decided: "when the broadcast is seen",
        occurrence: "the broadcast's id",
        again: "at each broadcast",
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

    /// No event of hers.
    fn concerns(&self) -> Concerns {
        Concerns {
            broadcasts: self.of.event_names().collect(),
            ..Concerns::default()
        }
    }

    fn sees(&self) -> Sees {
        Sees::SoFar
    }

    fn uses_previous(&self) -> bool {
        self.of.uses_previous()
    }

    /// Shown broadcasts instead of events.
    fn event(&self, _state: &mut Kept<'_, Nothing>, scope: &Scope<'_>, found: &mut Found) {
        let event = scope.event.filter(|_| self.of.matches(scope));
        found.moment = event.map(|event| Moment::of_event(event, Vec::new()));
    }

    fn looks_again(&self, _event: &Event, _settled: &Settled) -> Option<Timestamp> {
        None
    }

    fn due(&self, _state: &Nothing, _settled: &Settled) -> Option<Timestamp> {
        None
    }

    fn fire(&self, _state: &mut Nothing, _settled: &Settled, _rows: &Rows) -> Option<Moment> {
        None
    }

    fn merge(&self, _own: &mut Nothing, _other: Nothing, _both: &Settled) -> u32 {
        0
    }

    fn said(&self) -> String {
        format!("at each {} that happens to everybody", self.of.said())
    }

    fn explain(&self, _state: Option<&Nothing>, _scope: &Scope<'_>) -> Vec<Missing> {
        vec![Missing::event(format!(
            "It comes true at the next {} that happens to everybody, for whoever is in the audience then.",
            self.of.said()
        ))]
    }

    fn expressions(&self) -> Vec<&Expression> {
        self.of.expressions().collect()
    }

    fn told(&self, telling: &Telling<'_>) -> Option<String> {
        let since = (telling.since)(", on %e %b %Y at %H:%M");
        Some(format!("{}{since}", self.of.first(telling)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::EventName;
    use crate::moment::kind::tests::{reading, said};

    #[test]
    fn it_is_a_matcher_of_what_happened_to_everybody() {
        let kind: Broadcast = reading("Product Viewed").expect("a broadcast");
        let concerns = kind.concerns();
        assert_eq!(concerns.broadcasts, [EventName::PRODUCT_VIEWED]);
        assert_eq!(concerns.events, []);
        let event = said(EventName::PRODUCT_VIEWED, Timestamp(5));
        let settled = Settled::default();
        let scope = Scope::of_event(&event, &settled, None, &crate::table::rows::NONE);
        let mut found = Found::default();
        kind.event(&mut Kept::New(&mut None), &scope, &mut found);
        let moment = found.moment.expect("it came true");
        assert_eq!((moment.at, moment.occurrence), (event.time, event.id));
    }

    #[test]
    fn what_cannot_be_meant_is_said() {
        for (text, expected) in [
            ("{ name: Product Viewed, where: event.price > 3 }", ""),
            ("[Product Viewed, Product Added]", ""),
            ("{ of: Product Viewed }", ""),
            ("{ of: Product Viewed, when: settled }", "when"),
            ("Product Veiwed", "did you mean"),
            ("{ name: Product Viewed, when: settled }", "where"),
            ("[]", "an event"),
        ] {
            let said = reading::<Broadcast>(text).err().unwrap_or_default();
            assert!(
                said.contains(expected) && said.is_empty() == expected.is_empty(),
                "{text}: {said}"
            );
        }
    }
}
