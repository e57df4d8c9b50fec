//! The brand's path: its milestones, each reached by one of several ways, and its stages.
//!
//! A milestone is reached once and stays so; when is asked as `profile.milestones.first_order`. It is overdue where the one before it
//! was reached so long ago, and neither it nor any behind it was: she has fallen off the path. How long that is depends on the
//! segments she is in. Her stage, `profile.stage`, is the last one whose condition holds; she may go back.

use std::fmt::Write as _;
use std::sync::Arc;

use super::{File, Segment, condition, items};
use crate::document::keys::{Keys, Known, Shape};
use crate::document::reader::{Declared, Fields, Reader};
use crate::document::report::Report;
use crate::document::suggest::{closest, listed};
use crate::document::yaml::{self, Node, Yaml};
use crate::expression::{Expression, read};
use crate::measure::Declarations;
use crate::profile::segments::Standing;

/// Milestones: a path with more is a map.
const MILESTONES_MAX: usize = 32;
/// Stages.
const STAGES_MAX: usize = 16;
/// Ways to one of them.
const WAYS_MAX: usize = 16;
/// Segments with a time of their own for the next milestone.
const SEGMENTS_MAX: usize = 8;

const KEYS: Keys = Keys {
    of: "a path",
    known: &[
        Known::required(
            "path",
            Shape::Form("^[a-z0-9][a-z0-9-]{0,63}$", "brand"),
            "Its name. A set has one path.",
        ),
        Known::optional(
            "about",
            Shape::Text(yaml::limits::FILE_BYTES),
            "What it is, in its author's words. For people.",
        ),
        Known::optional(
            "milestones",
            Shape::List(&Shape::Mapping(&MILESTONE), 1, MILESTONES_MAX),
            "Its milestones, in their order.",
        ),
        Known::optional(
            "stages",
            Shape::List(&Shape::Mapping(&STAGE), 1, STAGES_MAX),
            "Its stages, in their order; hers is the last that she has reached.",
        ),
    ],
    later: &[],
};
const REACHED: Known = Known::required(
    "reached",
    Shape::Either(&[
        Shape::Expression,
        Shape::List(&Shape::Expression, 1, WAYS_MAX),
    ]),
    "A condition on the customer, or a list of them: the ways to it, of which one is enough. It may ask for segments, labels, personas and the milestones before it.",
);
const MILESTONE: Keys = Keys {
    of: "a milestone",
    known: &[
        Known::required(
            "milestone",
            Shape::Form("^[a-z][a-z0-9_]{0,63}$", "first_order"),
            "Its name, once in the path. When it was reached is `profile.milestones.NAME`.",
        ),
        REACHED,
        Known::optional(
            "next",
            Shape::Either(&[Shape::Duration, Shape::Mapping(&NEXT)]),
            "In what time the next milestone is expected: a duration, or one for each segment.",
        ),
    ],
    later: &[],
};
const NEXT: Keys = Keys {
    of: "`next`",
    known: &[
        Known::required("within", Shape::Duration, "In what time, for everybody."),
        Known::optional(
            "segments",
            Shape::Each(&Shape::Duration),
            "By the names of segments: the time of the first that she is in.",
        ),
    ],
    later: &[],
};
const STAGE: Keys = Keys {
    of: "a stage",
    known: &[
        Known::required(
            "stage",
            Shape::Form("^[a-z0-9][a-z0-9-]{0,63}$", "engagement"),
            "Its name, once in the path.",
        ),
        REACHED,
    ],
    later: &[],
};

/// Files that declare it.
pub const FILE: File = File {
    word: "path",
    title: "A path of moments",
    about: "The brand's path: stages and milestones, one file a set.",
    keys: &KEYS,
    is_single: true,
    more: &[&MILESTONE, &NEXT, &STAGE],
    read: path,
};

fn path(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<Vec<Segment>> {
    let name = reader.required(fields, "path", "its name, such as brand");
    let name = name.and_then(|node| reader.name(node, ("a path", "brand"), super::NAME_BYTES));
    if let Some(node) = fields.get("about") {
        reader.text(node, "a sentence on what it is");
    }
    let (milestones, stages) = (fields.get("milestones"), fields.get("stages"));
    if milestones.is_none() && stages.is_none() {
        let expected = "`milestones`, `stages`, or both".to_owned();
        reader.fails(&fields.node.span, "this path leads nowhere", expected);
    }
    let mut known = reader.declared.derived.clone();
    let mut made = match milestones {
        Some(node) => self::milestones(reader, node, &mut known)?,
        None => Vec::new(),
    };
    if let Some(node) = stages {
        made.extend(self::stages(reader, node, &known)?);
    }
    name?;
    Some(made)
}

/// A milestone as it is read.
struct Milestone<'n> {
    name: &'n str,
    next: Option<&'n Node>,
}

fn milestones(
    reader: &mut Reader<'_>,
    node: &Node,
    known: &mut Declarations,
) -> Option<Vec<Segment>> {
    let mut made = Vec::new();
    let mut path: Vec<Milestone<'_>> = Vec::new();
    for item in items(reader, node, MILESTONES_MAX)? {
        let fields = reader.fields(item, MILESTONE)?;
        let name = reader.required(&fields, "milestone", "its name, such as first_order")?;
        let name = reader.identifier(name, ("a milestone", "first_order"), super::NAME_BYTES);
        let reached = ways(reader, &fields, known);
        let (name, reached) = (name?, reached?);
        let milestone = Segment::new(Standing::MILESTONE, name, reached).kept();
        milestone.declare(known);
        made.push(milestone);
        let next = fields.get("next");
        path.push(Milestone { name, next });
    }
    if let Some(Milestone {
        next: Some(node), ..
    }) = path.last()
    {
        let expected = "no `next` at the last milestone".to_owned();
        reader.fails(
            &node.span,
            "there is no milestone behind this one",
            expected,
        );
    }
    for (place, pair) in path.windows(2).enumerate() {
        let [before, it] = pair else { continue };
        let Some(next) = before.next else { continue };
        let behind = path[place + 1..].iter().map(|it| it.name);
        made.push(overdue(
            reader,
            (before.name, next),
            it.name,
            behind,
            known,
        )?);
    }
    Some(made)
}

/// The next milestone is overdue: the one before it was reached so long ago, and none behind that was.
fn overdue<'n>(
    reader: &mut Reader<'_>,
    (before, next): (&str, &Node),
    name: &str,
    behind: impl Iterator<Item = &'n str>,
    known: &Declarations,
) -> Option<Segment> {
    let within = within(reader, next)?;
    let since = format!("now - profile.milestones.{before} >= {within}");
    let mut compiled = |text: &str| {
        let declared = Declared {
            derived: known,
            ..reader.declared
        };
        let environment = read::environment(declared, None, false);
        let compiled = Expression::condition(text, &environment);
        match compiled {
            Ok(compiled) => Some(Arc::new(compiled)),
            Err(error) => {
                reader.fails(&next.span, error.message, error.expected);
                None
            }
        }
    };
    let when = compiled(&since)?;
    let reached: Option<Vec<_>> = behind
        .map(|name| compiled(&format!("has(profile.milestones.{name})")))
        .collect();
    Some(Segment::new(Standing::OVERDUE, name, vec![when]).unless(reached?))
}

/// In what time the next is expected, as an expression.
fn within(reader: &mut Reader<'_>, node: &Node) -> Option<String> {
    let written = |ms: i64| format!("duration(\"{ms}ms\")");
    if !matches!(node.value, Yaml::Map(_)) {
        return reader.duration(node).map(written);
    }
    let fields = reader.fields(node, NEXT)?;
    let within = reader.required(&fields, "within", "in what time, such as 30d");
    let within = within.and_then(|node| reader.duration(node));
    let mut text = String::new();
    if let Some(segments) = fields.get("segments") {
        let Yaml::Map(entries) = &segments.value else {
            reader.unexpected(
                segments,
                "segments with their times, such as `{ gold: 14d }`",
            );
            return None;
        };
        if entries.len() > SEGMENTS_MAX {
            reader.unexpected(segments, format!("at most {SEGMENTS_MAX} segments"));
        }
        for (key, value) in entries {
            let declared = &reader.declared.derived.segments;
            if !declared.contains(&key.text) {
                let names = || declared.iter().map(String::as_str);
                let message = format!("no segment is called `{}`", key.text);
                let report = Report::at(reader.source, key.span.clone(), message)
                    .expected(format!("one of {}", listed(names())))
                    .suggest(closest(&key.text, names()).map(str::to_owned));
                reader.reports.push(report);
            }
            let ms = reader.duration(value)?;
            let _infallible = write!(
                text,
                "\"{}\" in profile.segments ? {} : ",
                key.text,
                written(ms)
            );
        }
    }
    text.push_str(&written(within?));
    Some(format!("({text})"))
}

fn stages(reader: &mut Reader<'_>, node: &Node, known: &Declarations) -> Option<Vec<Segment>> {
    let mut made = Vec::new();
    for item in items(reader, node, STAGES_MAX)? {
        let fields = reader.fields(item, STAGE)?;
        let name = reader.required(&fields, "stage", "its name, such as engagement")?;
        let name = reader.name(name, ("a stage", "engagement"), super::NAME_BYTES);
        let reached = ways(reader, &fields, known);
        made.push((name?, reached?));
    }
    let segment = |place: usize, (name, reached): &(&str, Vec<Arc<Expression>>)| {
        let behind = made[place + 1..].iter().flat_map(|(_, reached)| reached);
        Segment::new(Standing::STAGE, name, reached.clone()).unless(behind.cloned().collect())
    };
    let made = made.iter().enumerate();
    Some(made.map(|(place, it)| segment(place, it)).collect())
}

/// The ways to a milestone or a stage.
fn ways(
    reader: &mut Reader<'_>,
    fields: &Fields<'_>,
    known: &Declarations,
) -> Option<Vec<Arc<Expression>>> {
    let node = reader.required(fields, "reached", "a condition, or a list of them")?;
    let declared = Declared {
        derived: known,
        ..reader.declared
    };
    let nodes = match &node.value {
        Yaml::List(_) => items(reader, node, WAYS_MAX)?,
        _ => std::slice::from_ref(node),
    };
    let ways = nodes.iter().map(|node| condition(reader, node, declared));
    ways.collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::document::report::{Source, rendered};
    use crate::event::Vocabulary;

    /// What is read, and what is said of it; there is a segment `gold`.
    #[rustfmt::skip]
    const ERRORS: &[(&str, &str)] = &[
        ("path: brand, milestones: [{ milestone: a, reached: profile.known, next: { within: 3d, segments: { gold: 2d } } }, { milestone: b, reached: '\"gold\" in profile.segments' }]", ""),
        ("path: brand, stages: [{ stage: a, reached: [profile.known, profile.nps.score > 3] }]", ""),
        ("path: brand", "this path leads nowhere"),
        ("path: Brand, stages: [{ stage: a, reached: profile.known }]", "is not a path's name"),
        ("path: brand, stages: [{ stage: a }]", "`reached` is missing"),
        ("path: brand, stages: [{ stage: A, reached: profile.known }]", "is not a stage's name"),
        ("path: brand, stages: [{ stage: a, reached: [] }]", "a list of 1 to 16"),
        ("path: brand, stages: [{ stage: a, reached: profile.orders.count }]", "a condition is a bool"),
        ("path: brand, stages: [{ stage: a, reached: profile.orders.count % 2 == 0 }]", ""),
        ("path: brand, stages: [{ stage: a, reached: 'days_between(profile.last_order, now) % 2 == 0' }]", "cannot be foreseen"),
        ("path: brand, milestones: [{ milestone: a-b, reached: profile.known }]", "is not a milestone's name"),
        ("path: brand, milestones: [{ milestone: a, reached: profile.known, next: 3d }]", "there is no milestone behind this one"),
        ("path: brand, milestones: [{ milestone: a, reached: has(profile.milestones.b) }, { milestone: b, reached: profile.known }]", "`profile.milestones.b` is not declared"),
        ("path: brand, milestones: [{ milestone: a, reached: profile.known, next: soon }, { milestone: b, reached: profile.known }]", "is not a duration"),
        ("path: brand, milestones: [{ milestone: a, reached: profile.known, next: { segments: { gold: 2d } } }, { milestone: b, reached: profile.known }]", "`within` is missing"),
        ("path: brand, milestones: [{ milestone: a, reached: profile.known, next: { within: 3d, segments: { gild: 2d } } }, { milestone: b, reached: profile.known }]", "did you mean `gold`?"),
    ];

    #[test]
    fn what_cannot_be_meant_is_said() {
        let (vocabulary, attributes) = (Vocabulary::standard(), BTreeMap::new());
        let mut derived = Declarations::default();
        derived.segments.insert("gold".to_owned());
        for (text, expected) in ERRORS {
            let source = Source::new("p.yaml", format!("{{ {text} }}"));
            let declared = Declared {
                derived: &derived,
                ..Declared::new(&vocabulary, &attributes)
            };
            let read = super::super::read(&FILE, &source, declared);
            let said = read
                .err()
                .map(|reports| rendered(&reports))
                .unwrap_or_default();
            assert!(
                said.contains(expected) && said.is_empty() == expected.is_empty(),
                "{text}: {said}"
            );
        }
    }
}
