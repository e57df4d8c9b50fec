//! Transition: a segment, a label or a stage is entered, left, or outstayed; a milestone is reached, or overdue.
//!
//! Comes true at the instant at which she enters or leaves, be it by an event or by time alone, or so long after she has entered. What
//! is entered and left at one instant is neither: what counts is where she stands after all that happened then. Each change is an
//! occurrence. A customer begins outside, with her first event.

use serde::{Deserialize, Serialize};

use super::kind::{
    AFTER_WATERMARK, Concerns, Described, Evidence, Found, Kept, Missing, Moment, MomentKind,
    Telling,
};
use crate::document::keys::{Keys, Known, Shape};
use crate::document::reader::Reader;
use crate::document::report::Report;
use crate::document::suggest::{closest, listed};
use crate::document::yaml::{Node, Yaml};
use crate::event::{Event, Text};
use crate::expression::{Expression, Scope};
use crate::profile::Settled;
use crate::profile::segments::Standing;
use crate::stored::Stored;
use crate::table::rows::Rows;
use crate::time::{Timestamp, duration_in_words};

const NAME: Shape = Shape::Form("^[a-z0-9][a-z0-9-]{0,63}$", "gold");
const MILESTONE: Shape = Shape::Form("^[a-z][a-z0-9_]{0,63}$", "first_order");
const LABEL: Shape = Shape::Form("^[a-z0-9_.]{1,128}$", "rfm.recency");

const KEYS: Keys = Keys {
    of: "`transition`",
    known: &[
        Known::optional(
            "label",
            LABEL,
            "Of which label, as it stands behind `profile.`: `rfm.recency`, `stage`, `personas.style`. Without it, `enters`, `leaves` and `outstays` are of segments.",
        ),
        Known::optional(
            "enters",
            NAME,
            "The segment that she enters, or with `label` the value that she gets.",
        ),
        Known::optional(
            "leaves",
            NAME,
            "The segment that she leaves, or with `label` the value that she loses.",
        ),
        Known::optional(
            "outstays",
            Shape::Mapping(&OUTSTAYS),
            "The segment, or with `label` the value, that she has been in for so long.",
        ),
        Known::optional(
            "changes",
            Shape::Either(&[LABEL, Shape::List(&LABEL, 1, CHANGES_MAX)]),
            "A label, or a list of them: it becomes another, whatever it was and is.",
        ),
        Known::optional("reached", MILESTONE, "The milestone that she reaches."),
        Known::optional(
            "overdue",
            MILESTONE,
            "The milestone that she has not reached in time after the one before it: she has fallen off the path.",
        ),
    ],
    later: &[],
};
const OUTSTAYS: Keys = Keys {
    of: "`outstays`",
    known: &[
        Known::optional("segment", NAME, "The segment."),
        Known::optional("is", NAME, "The value, where there is a `label`."),
        Known::required(
            "for",
            Shape::Duration,
            "For how long, since she entered it.",
        ),
    ],
    later: &[],
};
/// Labels of which one trigger watches several: there are three of value, one stage, and a few groups of personas.
const CHANGES_MAX: usize = 8;
const ONE: &str =
    "exactly one of `enters`, `leaves`, `outstays`, `changes`, `reached` and `overdue`";

/// The compiled form.
#[derive(Debug)]
pub struct Transition {
    /// Of what: the full name of a segment, or, where it changes, of labels.
    of: Vec<Text>,
    /// What becomes of it.
    change: Change,
}

/// What becomes of where she stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    /// She enters it.
    Enters,
    /// She leaves it.
    Leaves,
    /// She has been in it for so long, ms; above 0.
    Outstays(i64),
    /// One of the labels becomes another.
    Changes,
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
        comes_true: "At the instant at which she enters or leaves a segment, a label or a stage, reaches a milestone or is overdue for it, by an event or by time alone; or so long after she has entered it.",
        decided: AFTER_WATERMARK,
        occurrence: "the segment, label, stage or milestone, and when it was entered or left",
        again: "at the next change",
        has_event: false,
    };
    const SHAPE: Shape = Shape::Mapping(&KEYS);

    fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        if !matches!(node.value, Yaml::Map(_)) {
            reader.unexpected(node, "a mapping with `enters`, `leaves` or `outstays`");
            return None;
        }
        let before = reader.reports.len();
        let fields = reader.fields(node, KEYS)?;
        let entries = fields.entries().iter();
        let changes: Vec<_> = entries.filter(|(key, _)| key.text != "label").collect();
        let [(key, value)] = changes[..] else {
            let message = format!("a transition is one thing; here are {}", changes.len());
            reader.fails(&node.span, message, ONE.to_owned());
            return None;
        };
        if reader.reports.len() > before {
            return None;
        }
        let group = match fields.entry("label") {
            None => None,
            Some((label, node)) => match key.text.as_str() {
                "enters" | "leaves" | "outstays" => Some(label_of(reader, node)?),
                word => {
                    let message = format!("`{word}` says itself of what it is");
                    reader.fails(&label.span, message, "no `label` beside it".to_owned());
                    return None;
                }
            },
        };
        let one = |name: Option<Text>| name.map(|name| vec![name]);
        let (of, change) = match key.text.as_str() {
            "enters" => (
                one(in_group(reader, value, group.as_ref())),
                Some(Change::Enters),
            ),
            "leaves" => (
                one(in_group(reader, value, group.as_ref())),
                Some(Change::Leaves),
            ),
            "outstays" => {
                let fields = reader.fields(value, OUTSTAYS)?;
                let (word, what) = match group {
                    Some(_) => ("is", "a value of the label"),
                    None => ("segment", "a segment, such as gold"),
                };
                let of = reader.required(&fields, word, what);
                let of = of.and_then(|node| in_group(reader, node, group.as_ref()));
                let long = reader.required(&fields, "for", "how long, such as 90d");
                let long = long.and_then(|node| reader.duration(node));
                (one(of), long.map(Change::Outstays))
            }
            "changes" => (labels(reader, value), Some(Change::Changes)),
            word => (one(milestone(reader, value, word)), Some(Change::Enters)),
        };
        let (of, change) = (of?, change?);
        Some(Self { of, change })
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
        let segments = &settled.segments;
        let standing = match self.change {
            Change::Changes => {
                let groups = self.of.iter().flat_map(|group| segments.of_group(group));
                groups.map(|(_, it)| it).max_by_key(|it| it.since)
            }
            _ => segments.get(&self.of[0]),
        }?;
        let since = standing.since.filter(|since| Some(*since) != state.last)?;
        match self.change {
            Change::Enters => standing.is_in.then_some(since),
            Change::Leaves => (!standing.is_in).then_some(since),
            Change::Outstays(for_ms) => standing.is_in.then(|| since.plus(for_ms)),
            Change::Changes => Some(since),
        }
    }

    fn fire(&self, state: &mut TransitionState, settled: &Settled, _rows: &Rows) -> Option<Moment> {
        let at = self.due(state, settled)?;
        let since = match self.change {
            Change::Outstays(for_ms) => at.plus(-for_ms),
            Change::Enters | Change::Leaves | Change::Changes => at,
        };
        state.last = Some(since);
        let mut facts: Vec<(&'static str, serde_json::Value)> = match self.change {
            Change::Changes => self.changed(settled, since),
            _ => {
                let (group, name) = Standing::parts(&self.of[0]);
                match group {
                    Standing::SEGMENT => vec![("segment", name.into())],
                    Standing::MILESTONE | Standing::OVERDUE => vec![("milestone", name.into())],
                    label => vec![("label", label.into()), ("is", name.into())],
                }
            }
        };
        facts.push(("since", since.to_string().into()));
        Some(Moment {
            at,
            occurrence: compact_str::format_compact!("{}@{since}", self.of.join("+")),
            evidence: Evidence::of(Vec::new(), facts),
        })
    }

    /// Where she stands with the segment is what the later change says, and what came true of that is known.
    fn merge(&self, own: &mut TransitionState, other: TransitionState, _both: &Settled) -> u32 {
        own.last = own.last.max(other.last);
        0
    }

    fn last_decided(state: &TransitionState) -> Option<Timestamp> {
        state.last
    }

    fn said(&self) -> String {
        let of = &self.of[0];
        let (group, name) = Standing::parts(of);
        match (self.change, group) {
            (Change::Changes, _) => format!("when `{}` changes", self.of.join("` or `")),
            (Change::Enters, Standing::MILESTONE) => {
                format!("when she reaches the milestone {name}")
            }
            (Change::Enters, Standing::OVERDUE) => format!("when the milestone {name} is overdue"),
            (Change::Enters, Standing::SEGMENT) => format!("when she enters the segment {name}"),
            (Change::Leaves, Standing::SEGMENT) => format!("when she leaves the segment {name}"),
            (Change::Outstays(for_ms), Standing::SEGMENT) => format!(
                "when she has been in the segment {name} for {}",
                duration_in_words(for_ms)
            ),
            (Change::Enters, label) => format!("when `{label}` becomes {name}"),
            (Change::Leaves, label) => format!("when `{label}` is {name} no more"),
            (Change::Outstays(for_ms), label) => format!(
                "when `{label}` has been {name} for {}",
                duration_in_words(for_ms)
            ),
        }
    }

    fn explain(&self, state: Option<&TransitionState>, scope: &Scope<'_>) -> Vec<Missing> {
        let segments = &scope.profile.segments;
        if self.change == Change::Changes {
            let is = |group: &Text| {
                let mut own = segments.of_group(group).filter(|(_, it)| it.is_in);
                own.next().map_or("not known", |(name, _)| name).to_owned()
            };
            let each = self.of.iter().map(|group| {
                let is = is(group);
                let says = format!("`{group}` is {is}: it has to become another.");
                Missing::event(says)
                    .by("label", group.as_str())
                    .by("is", is)
            });
            return each.collect();
        }
        let of = &self.of[0];
        let standing = segments.get(of);
        let is_in = standing.is_some_and(|it| it.is_in);
        let since = standing.and_then(|it| it.since);
        let word = if is_in { "in" } else { "not in" };
        let stands = match since {
            Some(since) => format!("She is {word} {of} since {since}"),
            None => format!("She is {word} {of}, and never was"),
        };
        let due = state.and_then(|state| self.due(state, scope.profile));
        let asked = standing.and_then(|it| it.due);
        let missing = match (self.change, is_in, due) {
            (Change::Outstays(_), true, Some(due)) => Missing::due(
                due,
                format!("{stands}: it comes true at {due}, unless she leaves it before."),
            ),
            (Change::Enters | Change::Outstays(_), true, _) => Missing::event(format!(
                "{stands}: she has to leave it, and enter it again."
            )),
            (Change::Leaves, true, _) => Missing::event(format!("{stands}: she has to leave it.")),
            (Change::Leaves, false, _) => {
                Missing::event(format!("{stands}: she has to be in it, and leave it."))
            }
            (_, _, _) => Missing::event(format!("{stands}: she has to enter it.")),
        };
        let missing = missing.by("of", of.as_str()).by("in", is_in);
        let missing = match since {
            Some(since) => missing.by("since", since.to_string()),
            None => missing,
        };
        vec![match asked {
            Some(asked) => missing.by("asked_again", asked.to_string()),
            None => missing,
        }]
    }

    /// What segments ask, their own files say.
    fn expressions(&self) -> Vec<&Expression> {
        Vec::new()
    }

    fn told(&self, telling: &Telling<'_>) -> Option<String> {
        let of = self.of.join(" or ");
        Some(match self.change {
            Change::Enters => format!("enters {of}"),
            Change::Leaves => format!("leaves {of}"),
            Change::Outstays(for_ms) => format!("{of} for {}", (telling.long)(for_ms)),
            Change::Changes => format!("{of} changes"),
        })
    }
}

impl Transition {
    /// The full names of the segments that it is of, or of the labels.
    #[must_use]
    pub fn of(&self) -> &[Text] {
        &self.of
    }

    /// What of its labels changed at an instant: what each was, and is.
    fn changed(
        &self,
        settled: &Settled,
        since: Timestamp,
    ) -> Vec<(&'static str, serde_json::Value)> {
        let (mut was, mut is) = (serde_json::Map::new(), serde_json::Map::new());
        for group in &self.of {
            let own = settled.segments.of_group(group);
            for (name, standing) in own.filter(|(_, it)| it.since == Some(since)) {
                let side = if standing.is_in { &mut is } else { &mut was };
                side.insert(group.to_string(), name.into());
            }
        }
        vec![("was", was.into()), ("is", is.into())]
    }
}

/// A label that is declared.
fn label_of(reader: &mut Reader<'_>, node: &Node) -> Option<Text> {
    let labels = &reader.declared.derived.labels;
    named(
        reader,
        node,
        ("label", labels.keys()),
        "labels, personas and paths",
    )
}

/// Labels that are declared.
fn labels(reader: &mut Reader<'_>, node: &Node) -> Option<Vec<Text>> {
    match &node.value {
        Yaml::List(items) if (1..=CHANGES_MAX).contains(&items.len()) => {
            items.iter().map(|item| label_of(reader, item)).collect()
        }
        _ => label_of(reader, node).map(|label| vec![label]),
    }
}

/// The full name of a segment, or of a value of a label.
fn in_group(reader: &mut Reader<'_>, node: &Node, group: Option<&Text>) -> Option<Text> {
    let derived = reader.declared.derived;
    let Some(group) = group else {
        return named(
            reader,
            node,
            ("segment", derived.segments.iter()),
            "segments",
        );
    };
    let names = derived.labels.get(group.as_str()).into_iter().flatten();
    let name = named(reader, node, ("value of it", names), "labels")?;
    Some(Standing::named(group, &name))
}

/// The full name of a milestone that is reached, or may be overdue.
fn milestone(reader: &mut Reader<'_>, node: &Node, word: &str) -> Option<Text> {
    let derived = reader.declared.derived;
    let (group, names, what) = match word {
        "reached" => (Standing::MILESTONE, &derived.milestones, "milestone"),
        _ => (
            Standing::OVERDUE,
            &derived.overdue,
            "milestone that is expected in a time (`next` of the one before it)",
        ),
    };
    let name = named(reader, node, (what, names.iter()), "milestones of a path")?;
    Some(Standing::named(group, &name))
}

/// One of the names that are declared.
fn named<'d>(
    reader: &mut Reader<'_>,
    node: &Node,
    (what, names): (&str, impl Iterator<Item = &'d String> + Clone),
    files: &str,
) -> Option<Text> {
    let text = reader.text(node, &format!("a {what}"))?;
    let names = || names.clone().map(String::as_str);
    if names().any(|name| name == text) {
        return Some(text.into());
    }
    let expected = match names().count() {
        0 => {
            format!("{files} are declared in files of their own, beside the triggers; none is here")
        }
        _ => format!("one of {}", listed(names())),
    };
    let message = format!("no {what} is called `{text}`");
    let report = Report::at(reader.source, node.span.clone(), message)
        .expected(expected)
        .suggest(closest(text, names()).map(str::to_owned));
    reader.reports.push(report);
    None
}
