//! Which events a trigger means: a name, a list of names or of matchers, or names with a condition.

use xxhash_rust::xxh3::Xxh3;

use super::kind::{Concerns, Telling};
use crate::document::keys::{Keys, Known, Shape};
use crate::document::reader::{EVENTS, Fields, Reader};
use crate::document::yaml::{Node, Yaml};
use crate::event::EventName;
use crate::expression::{Expression, Scope, read};

/// Events of one matcher.
const EVENT_NAMES_MAX: usize = 64;

/// One name or several.
const NAMES: Shape = Shape::Either(&[
    Shape::EventName,
    Shape::List(&Shape::EventName, 1, EVENT_NAMES_MAX),
]);

/// What a matcher looks like.
pub const SHAPE: Shape = Shape::Either(&[
    Shape::EventName,
    Shape::Mapping(&MATCHER),
    Shape::List(
        &Shape::Either(&[Shape::EventName, Shape::Mapping(&MATCHER)]),
        1,
        EVENT_NAMES_MAX,
    ),
]);

const MATCHER: Keys = Keys {
    of: "a matcher",
    known: &[
        Known::required("name", NAMES, "The name of an event, or a list of names."),
        Known::optional(
            "where",
            Shape::Expression,
            "A condition on the event, the customer with it taken in (`profile`), and before it (`previous`).",
        ),
    ],
    later: &[],
};

/// Matches events by name and, where asked, by an expression.
#[derive(Debug, Default)]
pub struct Matcher {
    /// Each name with its condition.
    pub names: Vec<(EventName, Option<Expression>)>,
}

impl Matcher {
    /// Whether the event of `scope` is meant.
    #[must_use]
    pub fn matches(&self, scope: &Scope<'_>) -> bool {
        let Some(event) = scope.event else {
            return false;
        };
        self.names.iter().any(|(name, condition)| {
            *name == event.name
                && condition
                    .as_ref()
                    .is_none_or(|condition| condition.holds(scope))
        })
    }

    /// Adds to a hash what tells it from others.
    pub fn digested(&self, hasher: &mut Xxh3) {
        for (name, condition) in &self.names {
            hasher.update(&name.0.to_le_bytes());
            let condition = condition.as_ref().map_or("", Expression::source);
            hasher.update(condition.as_bytes());
            hasher.update(&[0]);
        }
    }

    /// The names it may match.
    pub fn event_names(&self) -> impl Iterator<Item = EventName> {
        self.names.iter().map(|(name, _)| *name)
    }

    /// What concerns a kind that looks at nothing else.
    #[must_use]
    pub fn concerns(&self) -> Concerns {
        Concerns {
            events: self.event_names().collect(),
            ..Concerns::default()
        }
    }

    /// The name of the first of them, for people.
    #[must_use]
    pub fn first(&self, telling: &Telling<'_>) -> String {
        let first = self.event_names().next();
        first.map_or_else(String::new, telling.name)
    }

    /// Whether it matches every event of this name, and no other.
    #[must_use]
    pub fn is_just(&self, name: EventName) -> bool {
        matches!(self.names.as_slice(), [(only, None)] if *only == name)
    }

    /// Whether a condition asks for `previous`.
    #[must_use]
    pub fn uses_previous(&self) -> bool {
        self.names
            .iter()
            .any(|(_, condition)| condition.as_ref().is_some_and(Expression::uses_previous))
    }
}

/// Reads which events are meant, under a key that must be there.
pub fn required(reader: &mut Reader<'_>, fields: &Fields<'_>, key: &str) -> Option<Matcher> {
    let node = reader.required(fields, key, EVENTS)?;
    matcher(reader, node)
}

/// Reads which events are meant.
pub fn matcher(reader: &mut Reader<'_>, node: &Node) -> Option<Matcher> {
    let parts: Vec<&Node> = match &node.value {
        Yaml::List(items) if items.is_empty() => {
            reader.unexpected(node, EVENTS);
            return None;
        }
        Yaml::List(items) => items.iter().collect(),
        _ => vec![node],
    };
    let read: Vec<_> = parts
        .into_iter()
        .map(|part| matched(reader, part))
        .collect();
    let names: Vec<_> = read
        .into_iter()
        .collect::<Option<Vec<_>>>()?
        .into_iter()
        .flatten()
        .collect();
    if names.len() > EVENT_NAMES_MAX {
        reader.fails(
            &node.span,
            format!("{} events are named", names.len()),
            format!("at most {EVENT_NAMES_MAX}"),
        );
        return None;
    }
    Some(Matcher { names })
}

/// One name, or names with a condition.
fn matched(reader: &mut Reader<'_>, node: &Node) -> Option<Vec<(EventName, Option<Expression>)>> {
    if !matches!(node.value, Yaml::Map(_)) {
        return reader.event_name(node).map(|name| vec![(name, None)]);
    }
    let fields = reader.fields(node, MATCHER)?;
    let named = reader.required(&fields, "name", "an event's name, or a list of names")?;
    let nodes: Vec<&Node> = match &named.value {
        Yaml::List(items) => items.iter().collect(),
        _ => vec![named],
    };
    let read: Vec<_> = nodes
        .into_iter()
        .map(|node| reader.event_name(node))
        .collect();
    let names = read
        .into_iter()
        .collect::<Option<Vec<EventName>>>()
        .filter(|names| !names.is_empty())?;
    let Some(condition) = fields.get("where") else {
        return Some(names.into_iter().map(|name| (name, None)).collect());
    };
    let environment = read::environment(reader.declared, Some(&names), true);
    let conditioned = |name: &EventName| {
        read::condition(reader, condition, &environment).map(|condition| (*name, Some(condition)))
    };
    // Stops at the first that fails: the same text fails the same way for all names.
    names.iter().map(conditioned).collect()
}
