//! Which events are meant: a name, a list of names or of matchers, or names with a condition.

use super::limits;
use crate::document::keys::{Keys, Known, Shape};
use crate::document::reader::{EVENTS, Reader};
use crate::document::yaml::{Node, Yaml};
use crate::event::EventName;
use crate::expression::Expression;
use crate::expression::read;
use crate::moment::Matcher;

/// One name or several.
const NAMES: Shape = Shape::Either(&[
    Shape::EventName,
    Shape::List(&Shape::EventName, 1, limits::EVENT_NAMES),
]);

/// What a matcher looks like.
pub const SHAPE: Shape = Shape::Either(&[
    Shape::EventName,
    Shape::Mapping(&MATCHER),
    Shape::List(
        &Shape::Either(&[Shape::EventName, Shape::Mapping(&MATCHER)]),
        1,
        limits::EVENT_NAMES,
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

/// What is expected of a matcher, for messages.
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
    if names.len() > limits::EVENT_NAMES {
        reader.fails(
            &node.span,
            format!("{} events are named", names.len()),
            format!("at most {}", limits::EVENT_NAMES),
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
