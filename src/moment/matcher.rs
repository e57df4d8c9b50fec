//! Which events a trigger means: a name, a prefix of names, a list of them or of matchers, `any`, each with a condition where asked.

use xxhash_rust::xxh3::Xxh3;

use super::kind::{Concerns, Telling, Unseen};
use crate::document::keys::{Keys, Known, Shape};
use crate::document::reader::{EVENTS, Fields, Reader};
use crate::document::report::Report;
use crate::document::suggest::closest;
use crate::document::yaml::{Node, Yaml};
use crate::event::{Event, EventName};
use crate::expression::{Expression, Scope, read};
use crate::profile::section::Writer;

/// Names of one matcher, a prefix counting as one.
const EVENT_NAMES_MAX: usize = 64;

/// Every event, of whatever name.
const ANY: &str = "any";

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
        Known::required(
            "name",
            NAMES,
            "The name of an event, or a list of names. `Order *` is all that begin so, `any` is every event.",
        ),
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
    parts: Vec<Part>,
}

/// Names with one condition.
#[derive(Debug)]
struct Part {
    /// As their author wrote them.
    written: Vec<String>,
    /// All that are known of those that are meant.
    names: Vec<EventName>,
    /// Every event is meant, also one whose name nobody declared.
    any: bool,
    condition: Option<Expression>,
    /// See [`Expression::written_by`], of the condition.
    written_by: Option<Vec<Writer>>,
}

impl Part {
    fn may_match(&self, name: EventName) -> bool {
        self.any || self.names.contains(&name)
    }

    /// Whether its condition may hold of an event that nobody has taken in: what nothing unsettled may change is known.
    fn may_hold(&self, unseen: Unseen<'_>) -> bool {
        let Some((condition, written_by)) = self.condition.as_ref().zip(self.written_by.as_ref())
        else {
            return true;
        };
        // Another time zone moves her days.
        let may_change =
            |event: &Event| event.traits.is_some() || written_by.iter().any(|writes| writes(event));
        unseen.unsettled().any(may_change) || condition.holds(&unseen.scope())
    }
}

impl Matcher {
    /// Whether the event of `scope` is meant.
    #[must_use]
    pub fn matches(&self, scope: &Scope<'_>) -> bool {
        let Some(event) = scope.event else {
            return false;
        };
        let holds = |condition: &Expression| condition.holds(scope);
        self.parts
            .iter()
            .any(|part| part.may_match(event.name) && part.condition.as_ref().is_none_or(holds))
    }

    /// Whether an event that nobody has taken in may be meant.
    #[must_use]
    pub fn may_mean(&self, unseen: Unseen<'_>) -> bool {
        let mut parts = self.parts.iter();
        parts.any(|part| part.may_match(unseen.event.name) && part.may_hold(unseen))
    }

    /// Whether an event of this name may be meant.
    #[must_use]
    pub fn may_match(&self, event: &Event) -> bool {
        self.parts.iter().any(|part| part.may_match(event.name))
    }

    /// Adds to a hash what tells it from others.
    pub fn digested(&self, hasher: &mut Xxh3) {
        for part in &self.parts {
            hasher.update(&[u8::from(part.any)]);
            // Of every event, another name makes no other matcher.
            for name in part.names.iter().filter(|_| !part.any) {
                hasher.update(&name.0.to_le_bytes());
            }
            let condition = part.condition.as_ref().map_or("", Expression::source);
            hasher.update(condition.as_bytes());
            hasher.update(&[0]);
        }
    }

    /// The names it may match, as far as they are known.
    pub fn event_names(&self) -> impl Iterator<Item = EventName> {
        self.parts
            .iter()
            .flat_map(|part| part.names.iter().copied())
    }

    /// What concerns a kind that looks at nothing else.
    #[must_use]
    pub fn concerns(&self) -> Concerns {
        concerns([self])
    }

    /// The name of the first of them, for people.
    #[must_use]
    pub fn first(&self, telling: &Telling<'_>) -> String {
        match self.parts.first() {
            Some(part) if part.any => "event".to_owned(),
            Some(part) => part
                .names
                .first()
                .map_or_else(String::new, |name| (telling.name)(*name)),
            None => String::new(),
        }
    }

    /// It, for people: `Order Completed or Order Refunded where ...`.
    #[must_use]
    pub fn said(&self) -> String {
        let names = |part: &Part| {
            let words = part.written.iter().map(|word| match word.as_str() {
                ANY => "any event",
                word => word,
            });
            listed_or(words)
        };
        let parts = self.parts.iter().map(|part| match &part.condition {
            Some(condition) => format!("{} where `{}`", names(part), condition.source()),
            None => names(part),
        });
        listed_or(parts)
    }

    /// The expressions in it.
    pub fn expressions(&self) -> impl Iterator<Item = &Expression> {
        self.parts.iter().filter_map(|part| part.condition.as_ref())
    }

    /// Whether it matches every event of this name, and no other.
    #[must_use]
    pub fn is_just(&self, name: EventName) -> bool {
        let only = |part: &Part| part.names == [name] && !part.any && part.condition.is_none();
        !self.parts.is_empty() && self.parts.iter().all(only)
    }

    /// Whether a condition asks for `previous`.
    #[must_use]
    pub fn uses_previous(&self) -> bool {
        let mut conditions = self.parts.iter().filter_map(|part| part.condition.as_ref());
        conditions.any(Expression::uses_previous)
    }
}

/// Several, with commas and an `or`.
fn listed_or(words: impl IntoIterator<Item: Into<String>>) -> String {
    let mut words: Vec<String> = words.into_iter().map(Into::into).collect();
    match (words.pop(), words.is_empty()) {
        (Some(last), false) => format!("{} or {last}", words.join(", ")),
        (last, _) => last.unwrap_or_default(),
    }
}

/// What concerns a kind that looks at the events of these.
pub fn concerns<'m>(matchers: impl IntoIterator<Item = &'m Matcher>) -> Concerns {
    let mut concerns = Concerns::default();
    for matcher in matchers {
        concerns.events.extend(matcher.event_names());
        concerns.everybody |= matcher.parts.iter().any(|part| part.any);
    }
    concerns
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
    let mut written = 0;
    let read: Vec<_> = parts
        .into_iter()
        .map(|node| part(reader, node, &mut written))
        .collect();
    let parts = read.into_iter().collect::<Option<Vec<_>>>()?;
    if written > EVENT_NAMES_MAX {
        reader.fails(
            &node.span,
            format!("{written} events are named"),
            format!("at most {EVENT_NAMES_MAX}"),
        );
        return None;
    }
    Some(Matcher { parts })
}

/// One name, or names with a condition; counts the names as they are written.
fn part(reader: &mut Reader<'_>, node: &Node, written: &mut usize) -> Option<Part> {
    if !matches!(node.value, Yaml::Map(_)) {
        *written += 1;
        return named(reader, &[node]);
    }
    let fields = reader.fields(node, MATCHER)?;
    let names = reader.required(&fields, "name", "an event's name, or a list of names")?;
    let nodes: Vec<&Node> = match &names.value {
        Yaml::List(items) if items.is_empty() => {
            reader.unexpected(names, EVENTS);
            return None;
        }
        Yaml::List(items) => items.iter().collect(),
        _ => vec![names],
    };
    *written += nodes.len();
    let part = named(reader, &nodes)?;
    let Some(condition) = fields.get("where") else {
        return Some(part);
    };
    let environment = read::environment(reader.declared, Some(&part.names), true);
    let condition = read::condition(reader, condition, &environment)?;
    Some(Part {
        written_by: condition.written_by(),
        condition: Some(condition),
        ..part
    })
}

/// Names as they are written: each a name, a prefix, or `any`.
fn named(reader: &mut Reader<'_>, nodes: &[&Node]) -> Option<Part> {
    let words = nodes.iter().filter_map(|node| node.text());
    let mut part = Part {
        written: words.map(str::to_owned).collect(),
        names: Vec::new(),
        any: false,
        condition: None,
        written_by: None,
    };
    // All that are wrong are said.
    let mut right = true;
    for node in nodes {
        match meant(reader, node) {
            Some((names, any)) => {
                let known = |name: &EventName| !part.names.contains(name);
                let new: Vec<_> = names.into_iter().filter(known).collect();
                part.names.extend(new);
                part.any |= any;
            }
            None => right = false,
        }
    }
    right.then_some(part)
}

/// The names that one word stands for, and whether it is every event.
fn meant(reader: &mut Reader<'_>, node: &Node) -> Option<(Vec<EventName>, bool)> {
    let text = reader.text(node, EVENTS)?;
    let vocabulary = reader.declared.vocabulary;
    let beginning = |start: &str| -> Vec<EventName> {
        let named = |name: &&str| name.starts_with(start);
        let names = vocabulary.events().map(|event| event.name.as_str());
        let meant = names
            .filter(named)
            .filter_map(|name| vocabulary.event_named(name));
        // Whoever is removed is not there to be treated.
        meant
            .filter(|name| *name != EventName::CUSTOMER_ERASED)
            .collect()
    };
    if text == ANY {
        return Some((beginning(""), true));
    }
    let Some(start) = text.strip_suffix('*') else {
        return reader.event_name(node).map(|name| (vec![name], false));
    };
    let names = beginning(start);
    if start.is_empty() || names.is_empty() {
        let first_word = |name: &str| name.split(' ').next().map(|word| format!("{word} *"));
        let known: Vec<String> = vocabulary
            .events()
            .filter_map(|event| first_word(&event.name))
            .collect();
        let (message, suggestion) = match start.is_empty() {
            true => ("`*` alone is no beginning of a name".to_owned(), Some(ANY)),
            false => (
                format!("no event's name begins with `{start}`"),
                closest(text, known.iter().map(String::as_str)),
            ),
        };
        let report = Report::at(reader.source, node.span.clone(), message)
            .expected("a beginning of names, such as `Order *`; every event is `any`".to_owned())
            .suggest(suggestion.map(str::to_owned));
        reader.reports.push(report);
        return None;
    }
    Some((names, false))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Property, PropertyId, Vocabulary};
    use crate::moment::EventMoment;
    use crate::moment::kind::tests::{reading, said};
    use crate::profile::Settled;
    use crate::time::Timestamp;

    /// What is written; names of events, those that are meant with a `!`; an event that nobody declared is `Other`.
    #[rustfmt::skip]
    const MEANS: &[(&str, &str)] = &[
        ("Order Completed", "Order Completed! Order Updated Product Viewed Other"),
        ("Order *", "Order Completed! Order Updated! Product Viewed Other"),
        ("Order*", "Order Completed! Order Shipped! Product Viewed"),
        ("[Order *, Product Viewed]", "Order Completed! Order Updated! Product Viewed! Cart Viewed"),
        ("any", "Order Completed! Identify! Other!"),
        ("{ name: any, where: event.total > 3 }", "Order Completed! Product Viewed Other"),
        ("{ name: Order *, where: event.total > 3 }", "Order Completed! Order Shipped Other"),
        ("{ name: any, where: 'event.event != \"Identify\"' }", "Order Completed! Identify Other!"),
        ("[{ name: Order *, where: event.total > 30 }, Order Completed]", "Order Completed! Order Updated"),
    ];

    #[test]
    fn it_means_these() {
        let vocabulary = Vocabulary::standard();
        let profile = Settled::default();
        for (text, expected) in MEANS {
            let kind: EventMoment = reading(text).unwrap_or_else(|reports| panic!("{reports}"));
            let mut words = expected.split(' ').peekable();
            while let Some(first) = words.next() {
                let mut name = first.to_owned();
                // Names are two words, but for two.
                if !name.starts_with("Other") && !name.starts_with("Identify") {
                    name = format!("{name} {}", words.next().expect("another word"));
                }
                let meant = name.ends_with('!');
                let name = name.trim_end_matches('!');
                let known = vocabulary.event_named(name).unwrap_or(EventName::OTHER);
                let mut event = said(known, Timestamp(5));
                if name == "Order Completed" {
                    let total = (PropertyId::TOTAL, Property::Number(5.0));
                    event.properties.push(total);
                }
                let scope = Scope::of_event(&event, &profile, None, &crate::table::rows::NONE);
                assert_eq!(kind.of.matches(&scope), meant, "{text}: {name}");
                assert!(!meant || kind.of.may_match(&event), "{text}: {name}");
            }
        }
    }

    /// What is read, and what is said of it.
    #[rustfmt::skip]
    const ERRORS: &[(&str, &str)] = &[
        ("Order *", ""),
        ("[Order *, any]", ""),
        ("Ordr *", "did you mean `Order *`?"),
        ("'*'", "`*` alone is no beginning of a name"),
        ("Customer E*", "no event's name begins with `Customer E`"),
        ("Any", "no event is called `Any`"),
        ("{ name: Order *, where: event.rating > 3 }", "it is a property of"),
        ("{ name: [], where: event.total > 3 }", "is not valid here"),
        ("[Ordr *, Product Veiwed]", "Product Viewed"),
    ];

    #[test]
    fn what_cannot_be_meant_is_said() {
        for (text, expected) in ERRORS {
            let said = reading::<EventMoment>(text).err().unwrap_or_default();
            assert!(
                said.contains(expected) && said.is_empty() == expected.is_empty(),
                "{text}: {said}"
            );
        }
    }
}
