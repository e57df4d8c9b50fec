//! Transition: a segment is entered, left, or outstayed.
//!
//! Comes true at the instant at which she enters or leaves, be it by an event or by time alone, or so long after she has entered. What
//! is entered and left at one instant is neither: what counts is where she stands after all that happened then. Each change is an
//! occurrence. A customer begins outside, with her first event.

use serde::{Deserialize, Serialize};

use super::kind::{
    AFTER_WATERMARK, Concerns, Described, Evidence, Found, Kept, Moment, MomentKind, Telling,
};
use crate::document::keys::{Keys, Known, Shape};
use crate::document::reader::Reader;
use crate::document::report::Report;
use crate::document::suggest::{closest, listed};
use crate::document::yaml::{Node, Yaml};
use crate::event::{Event, Text};
use crate::expression::Scope;
use crate::profile::Settled;
use crate::stored::Stored;
use crate::time::Timestamp;

const NAME: Shape = Shape::Form("^[a-z0-9][a-z0-9-]{0,63}$", "gold");

const KEYS: Keys = Keys {
    of: "`transition`",
    known: &[
        Known::optional("enters", NAME, "The segment that she enters."),
        Known::optional("leaves", NAME, "The segment that she leaves."),
        Known::optional(
            "outstays",
            Shape::Mapping(&OUTSTAYS),
            "The segment that she has been in for so long.",
        ),
    ],
    later: &[
        ("label", "`enters`, `leaves` or `outstays` of a segment"),
        ("stage", "`enters`, `leaves` or `outstays` of a segment"),
        ("milestone", "`enters`, `leaves` or `outstays` of a segment"),
        ("reached", "`enters` of a segment"),
        ("overdue", "`outstays` of a segment"),
    ],
};
const OUTSTAYS: Keys = Keys {
    of: "`outstays`",
    known: &[
        Known::required("segment", NAME, "The segment."),
        Known::required(
            "for",
            Shape::Duration,
            "For how long, since she entered it.",
        ),
    ],
    later: &[],
};

/// The compiled form.
#[derive(Debug)]
pub struct Transition {
    /// Of which segment.
    pub segment: Text,
    /// What becomes of it.
    pub change: Change,
}

/// What becomes of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// She enters it.
    Enters,
    /// She leaves it.
    Leaves,
    /// She has been in it for so long, ms; above 0.
    Outstays(i64),
}

/// The change that came true last: when it was.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TransitionState {
    last: Option<Timestamp>,
}

impl Stored for TransitionState {
    const VERSION: u8 = 1;
}

impl MomentKind for Transition {
    type State = TransitionState;

    const TAG: u16 = 9;
    const DESCRIBED: Described = Described {
        word: "transition",
        comes_true: "At the instant at which she enters or leaves a segment, by an event or by time alone, or so long after she has entered it.",
        decided: AFTER_WATERMARK,
        occurrence: "the segment and when it was entered or left",
        again: "at the next change",
        has_event: false,
    };
    const SHAPE: Shape = Shape::OneOf(&KEYS);

    fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        if !matches!(node.value, Yaml::Map(_)) {
            reader.unexpected(node, "a mapping with `enters`, `leaves` or `outstays`");
            return None;
        }
        let before = reader.reports.len();
        let fields = reader.fields(node, KEYS)?;
        let [(key, value)] = fields.entries() else {
            let message = format!(
                "a transition is one thing; here are {}",
                fields.entries().len()
            );
            let expected = "exactly one of `enters`, `leaves` and `outstays`".to_owned();
            reader.fails(&node.span, message, expected);
            return None;
        };
        if reader.reports.len() > before {
            return None;
        }
        let (segment, change) = match key.text.as_str() {
            "enters" => (segment(reader, value), Some(Change::Enters)),
            "leaves" => (segment(reader, value), Some(Change::Leaves)),
            _ => {
                let fields = reader.fields(value, OUTSTAYS)?;
                let of = reader.required(&fields, "segment", "a segment, such as gold");
                let of = of.and_then(|node| segment(reader, node));
                let long = reader.required(&fields, "for", "how long, such as 90d");
                let long = long.and_then(|node| reader.duration(node));
                (of, long.map(Change::Outstays))
            }
        };
        Some(Self {
            segment: segment?,
            change: change?,
        })
    }

    /// Where she stands is asked with each event that may change it, whatever its name.
    fn concerns(&self) -> Concerns {
        Concerns {
            everybody: true,
            segments: true,
            ..Concerns::default()
        }
    }

    fn uses_previous(&self) -> bool {
        false
    }

    /// Nothing of what was so far came true for it: whoever adopts it says whether that is decided.
    fn begin(&self, _settled: &Settled, _decided: Option<Timestamp>) -> Option<TransitionState> {
        Some(TransitionState::default())
    }

    fn event(&self, state: &mut Kept<'_, TransitionState>, _scope: &Scope<'_>, _found: &mut Found) {
        if state.get().is_none() {
            state.get_or_insert_default();
        }
    }

    /// Segments say when one may be entered or left.
    fn looks_again(&self, _event: &Event, _settled: &Settled) -> Option<Timestamp> {
        None
    }

    fn due(&self, state: &TransitionState, settled: &Settled) -> Option<Timestamp> {
        let standing = settled.segments.get(&self.segment)?;
        let since = standing.since.filter(|since| Some(*since) != state.last)?;
        match self.change {
            Change::Enters => standing.is_in.then_some(since),
            Change::Leaves => (!standing.is_in).then_some(since),
            Change::Outstays(for_ms) => standing.is_in.then(|| since.plus(for_ms)),
        }
    }

    fn fire(&self, state: &mut TransitionState, settled: &Settled) -> Option<Moment> {
        let at = self.due(state, settled)?;
        let since = settled.segments.get(&self.segment)?.since?;
        state.last = Some(since);
        let facts = vec![
            ("segment", self.segment.as_str().into()),
            ("since", since.to_string().into()),
        ];
        Some(Moment {
            at,
            occurrence: compact_str::format_compact!("{}@{since}", self.segment),
            evidence: Evidence::of(Vec::new(), facts),
        })
    }

    fn last_decided(state: &TransitionState) -> Option<Timestamp> {
        state.last
    }

    fn told(&self, telling: &Telling<'_>) -> Option<String> {
        let segment = &self.segment;
        Some(match self.change {
            Change::Enters => format!("enters {segment}"),
            Change::Leaves => format!("leaves {segment}"),
            Change::Outstays(for_ms) => format!("{segment} for {}", (telling.long)(for_ms)),
        })
    }
}

/// A segment that is declared.
fn segment(reader: &mut Reader<'_>, node: &Node) -> Option<Text> {
    let text = reader.text(node, "a segment, such as gold")?;
    let declared = &reader.declared.derived.segments;
    if declared.contains(text) {
        return Some(text.into());
    }
    let names = || declared.iter().map(String::as_str);
    let expected = match declared.len() {
        0 => "segments are declared in files of their own, beside the triggers; none is here"
            .to_owned(),
        _ => format!("one of {}", listed(names())),
    };
    let message = format!("no segment is called `{text}`");
    let report = Report::at(reader.source, node.span.clone(), message)
        .expected(expected)
        .suggest(closest(text, names()).map(str::to_owned));
    reader.reports.push(report);
    None
}
