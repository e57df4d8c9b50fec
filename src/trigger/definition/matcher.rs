//! Which events are meant: a name, a list of names or of matchers, or names with a condition.

use super::limits;
use crate::event::EventName;
use crate::moment::Matcher;
use crate::trigger::expression::Expression;
use crate::trigger::keys::{Keys, Known, Shape};
use crate::trigger::reader::Reader;
use crate::trigger::report::Report;
use crate::trigger::suggest::closest;
use crate::trigger::yaml::{Node, Yaml};

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
pub const EVENTS: &str = "an event's name, a list of names, or `{ name: ..., where: ... }`";

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
        return event_name(reader, node).map(|name| vec![(name, None)]);
    }
    let fields = reader.fields(node, MATCHER)?;
    let named = reader.required(&fields, "name", "an event's name, or a list of names")?;
    let nodes: Vec<&Node> = match &named.value {
        Yaml::List(items) => items.iter().collect(),
        _ => vec![named],
    };
    let read: Vec<_> = nodes
        .into_iter()
        .map(|node| event_name(reader, node))
        .collect();
    let names = read
        .into_iter()
        .collect::<Option<Vec<EventName>>>()
        .filter(|names| !names.is_empty())?;
    let Some(condition) = fields.get("where") else {
        return Some(names.into_iter().map(|name| (name, None)).collect());
    };
    let environment = reader.declared.environment(Some(&names), true);
    let conditioned = |name: &EventName| {
        reader
            .condition(condition, &environment)
            .map(|condition| (*name, Some(condition)))
    };
    // Stops at the first that fails: the same text fails the same way for all names.
    names.iter().map(conditioned).collect()
}

/// An event of the vocabulary, by its name.
pub fn event_name(reader: &mut Reader<'_>, node: &Node) -> Option<EventName> {
    let text = reader.text(node, EVENTS)?;
    let vocabulary = reader.declared.vocabulary;
    let found = vocabulary.event_named(text);
    if found.is_none() {
        let names = vocabulary.events().map(|event| event.name.as_str());
        let report = Report::at(
            reader.source,
            node.span.clone(),
            format!("no event is called `{text}`"),
        )
        .expected(
            "an event of Segment's specs, or one declared under [events] in the configuration"
                .to_owned(),
        )
        .suggest(closest(text, names).map(str::to_owned));
        reader.reports.push(report);
    }
    if found == Some(EventName::CUSTOMER_ERASED) {
        reader.fails(
            &node.span,
            format!("`{text}` removes the customer: nobody is left to be treated"),
            "another event".to_owned(),
        );
        return None;
    }
    found
}
