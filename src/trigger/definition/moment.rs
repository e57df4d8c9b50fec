//! `moment:` exactly one kind, with its parameters.

use super::limits;
use crate::event::{EventName, Type};
use crate::moment::absence::{From, Per};
use crate::moment::baseline::{Departure, Measure};
use crate::moment::{Absence, Baseline, EventMoment, Inactivity, Kind, Matcher};
use crate::trigger::expression::{Environment, Expression};
use crate::trigger::reader::{Declared, Fields, Keys, Reader};
use crate::trigger::report::Report;
use crate::trigger::suggest::closest;
use crate::trigger::yaml::{Node, Yaml};

/// What this version knows, for messages.
const INSTEAD: &str = "one of `event`, `absence`, `inactivity` and `baseline`";

const KINDS: Keys = Keys {
    of: "a moment",
    known: &["event", "absence", "inactivity", "baseline"],
    later: &[
        ("sequence", INSTEAD),
        ("threshold", INSTEAD),
        ("transition", INSTEAD),
        ("calendar", INSTEAD),
        ("prediction", INSTEAD),
        ("broadcast", INSTEAD),
    ],
};
const MATCHER: Keys = Keys { of: "a matcher", known: &["name", "where"], later: &[] };
const EVENT: Keys = Keys { of: "`event`", known: &["of"], later: &[] };
const ABSENCE: Keys = Keys { of: "`absence`", known: &["of", "after", "within", "per", "from"], later: &[] };
const INACTIVITY: Keys = Keys { of: "`inactivity`", known: &["of", "for"], later: &[] };
const BASELINE: Keys = Keys {
    of: "`baseline`",
    known: &["of", "measure", "by", "value", "history_min", "deviations", "ratio"],
    later: &[],
};
const RATIO: Keys = Keys { of: "`ratio`", known: &["last", "below"], later: &[] };

const EVENTS: &str = "an event's name, a list of names, or `{ name: ..., where: ... }`";

/// Reads the kind of a moment.
pub fn kind(reader: &mut Reader<'_>, node: &Node) -> Option<Kind> {
    let before = reader.reports.len();
    let fields = reader.fields(node, KINDS)?;
    if fields.entries().len() != 1 {
        let expected = format!("exactly {INSTEAD}");
        reader.fails(&node.span, format!("a moment has one kind; here are {}", fields.entries().len()), expected);
        return None;
    }
    if reader.reports.len() > before {
        return None;
    }
    let (key, value) = fields.entries().first()?;
    match key.text.as_str() {
        "event" => event(reader, value),
        "absence" => reader.fields(value, ABSENCE).and_then(|fields| absence(reader, &fields)),
        "inactivity" => reader.fields(value, INACTIVITY).and_then(|fields| inactivity(reader, &fields)),
        _ => reader.fields(value, BASELINE).and_then(|fields| baseline(reader, &fields)),
    }
}

fn event(reader: &mut Reader<'_>, node: &Node) -> Option<Kind> {
    let of = match &node.value {
        Yaml::Map(entries) if entries.iter().any(|(key, _)| key.text == "of") => {
            let fields = reader.fields(node, EVENT)?;
            reader.required(&fields, "of", EVENTS)?
        }
        _ => node,
    };
    Some(Kind::Event(EventMoment { of: matcher(reader, of)? }))
}

fn inactivity(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<Kind> {
    let of = reader.required(fields, "of", EVENTS).and_then(|node| matcher(reader, node));
    let for_ms = reader.required(fields, "for", "how long, such as 90d").and_then(|node| reader.duration(node));
    Some(Kind::Inactivity(Inactivity { of: of?, for_ms: for_ms? }))
}

fn absence(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<Kind> {
    let of = reader.required(fields, "of", EVENTS).and_then(|node| matcher(reader, node));
    let after = reader.required(fields, "after", EVENTS).and_then(|node| matcher(reader, node));
    let within_ms = reader.required(fields, "within", "in what time, such as 30m").and_then(|node| reader.duration(node));
    let from = match fields.get("from") {
        None => Some(From::Last),
        Some(node) => reader.one_of(node, &["last", "first"]).map(|word| if word == "first" { From::First } else { From::Last }),
    };
    let (of, after) = (of?, after?);
    let per = fields.get("per").map_or(Some(Per::Customer), |node| per(reader, node, &of, &after));
    Some(Kind::Absence(Absence { of, after, within_ms: within_ms?, per: per?, from: from? }))
}

/// `customer`, or an expression that the events of both matchers can answer.
fn per(reader: &mut Reader<'_>, node: &Node, of: &Matcher, after: &Matcher) -> Option<Per> {
    let text = reader.text(node, "`customer`, or an expression such as `event.cart_id`")?;
    if text == "customer" {
        return Some(Per::Customer);
    }
    let Declared { vocabulary, attributes } = reader.declared;
    let mut compiled = None;
    for matcher in [of, after] {
        let names: Vec<_> = matcher.event_names().collect();
        let environment = Environment { vocabulary, attributes, events: Some(&names), each_product: true, previous: false };
        let expression = Expression::compile(text, &environment);
        compiled = Some(reader.compiled(node, 0, expression)?);
    }
    let key = compiled.filter(|key| key.uses_event() && !matches!(key.kind(), Type::List | Type::Duration));
    if key.is_none() {
        let expected = "`customer`, or a text, number or time of the event, such as `event.cart_id`".to_owned();
        reader.fails(&node.span, "this does not tell one deadline of a customer from another", expected);
    }
    key.map(Per::Key)
}

fn baseline(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<Kind> {
    let of = reader.required(fields, "of", EVENTS).and_then(|node| matcher(reader, node));
    let history_min = reader
        .required(fields, "history_min", "how many gaps, or values before the event, must be known")
        .and_then(|node| reader.whole(node, 1..=limits::HISTORY));
    let measured = reader.required(fields, "measure", "`gap`, or `value` with the `value` that is measured");
    let is_gap = measured.and_then(|node| node.text()) == Some("gap");
    let departs = departure(reader, fields, is_gap);
    let of = of?;
    let measure = measured.and_then(|node| measure(reader, fields, node, &of));
    let (history_min, departs) = (history_min?, departs?);
    // A sample standard deviation needs two values; a ratio needs values before the last ones.
    let needed = match departs {
        Departure::Deviations(_) => 2,
        Departure::Ratio { last, .. } => last,
    };
    if let Some(node) = fields.get("history_min").filter(|_| history_min < needed) {
        reader.fails(&node.span, format!("a history of {history_min} is too short for this comparison"), format!("at least {needed}"));
        return None;
    }
    Some(Kind::Baseline(Baseline { of, measure: measure?, history_min, departs }))
}

fn measure(reader: &mut Reader<'_>, fields: &Fields<'_>, node: &Node, of: &Matcher) -> Option<Measure> {
    let text = reader.text(node, "`gap`, `value`, or a number expression on the event")?;
    if text == "gap" {
        if let Some((key, _)) = fields.entry("value") {
            reader.fails(&key.span, "a gap has no `value`", "`measure: value`, or no `value`".to_owned());
        }
        let by = fields.get("by").map_or(Some("calendar_day"), |node| reader.one_of(node, &["calendar_day", "exact"]))?;
        return Some(if by == "exact" { Measure::GapExact } else { Measure::GapDays });
    }
    if let Some((key, _)) = fields.entry("by") {
        reader.fails(&key.span, "`by` says how gaps are counted, and a value has none", "no `by`, or `measure: gap`".to_owned());
    }
    let value = match (text, fields.get("value")) {
        ("value", Some(value)) => value,
        ("value", None) => {
            reader.fails(&node.span, "`measure: value` does not say which value", "`value: event.total`, or another number expression".to_owned());
            return None;
        }
        (_, Some(_)) => {
            reader.unexpected(node, "`value`, as there is a `value`");
            return None;
        }
        (_, None) => node,
    };
    let names: Vec<_> = of.event_names().collect();
    let Declared { vocabulary, attributes } = reader.declared;
    let environment = Environment { vocabulary, attributes, events: Some(&names), each_product: false, previous: false };
    reader.expression_of(value, &environment, Type::Number, "what is measured").map(Measure::Value)
}

fn departure(reader: &mut Reader<'_>, fields: &Fields<'_>, is_gap: bool) -> Option<Departure> {
    const EXPECTED: &str = "`deviations: 2`, or for values `ratio: { last: 3, below: 0.7 }`";
    match (fields.get("deviations"), fields.get("ratio")) {
        (Some(node), None) => {
            let number = reader.number(node, "how many sample standard deviations, such as 2")?;
            let fits = if is_gap { number >= 0.0 } else { number != 0.0 };
            if !fits || number.abs() > 100.0 {
                let expected = if is_gap { "0 to 100: a gap departs by being longer" } else { "-100 to 100, below 0 for values that fall, and not 0" };
                reader.unexpected(node, expected);
                return None;
            }
            Some(Departure::Deviations(number))
        }
        (None, Some(node)) if is_gap => {
            let message = "`ratio` compares values, and a gap has departed as soon as it is too long";
            reader.fails(&node.span, message, "`deviations: 2`, or `measure: value`".to_owned());
            None
        }
        (None, Some(node)) => {
            let ratio = reader.fields(node, RATIO)?;
            let last = reader.required(&ratio, "last", "how many of the last values").and_then(|node| reader.whole(node, 1..=limits::RATIO_LAST));
            let below = reader.required(&ratio, "below", "the factor, such as 0.7");
            let below = below.and_then(|node| {
                let number = reader.number(node, "a factor above 0, such as 0.7")?;
                if !(number > 0.0 && number <= 100.0) {
                    reader.unexpected(node, "a factor above 0, such as 0.7");
                    return None;
                }
                Some(number)
            });
            Some(Departure::Ratio { last: last?, below: below? })
        }
        (Some(_), Some(node)) => {
            reader.fails(&node.span, "`deviations` and `ratio` exclude each other", EXPECTED.to_owned());
            None
        }
        (None, None) => {
            reader.fails(&fields.node.span, "nothing says when it has departed", EXPECTED.to_owned());
            None
        }
    }
}

/// Reads which events are meant.
fn matcher(reader: &mut Reader<'_>, node: &Node) -> Option<Matcher> {
    let parts: Vec<&Node> = match &node.value {
        Yaml::List(items) if items.is_empty() => {
            reader.unexpected(node, EVENTS);
            return None;
        }
        Yaml::List(items) => items.iter().collect(),
        _ => vec![node],
    };
    let read: Vec<_> = parts.into_iter().map(|part| matched(reader, part)).collect();
    let names: Vec<_> = read.into_iter().collect::<Option<Vec<_>>>()?.into_iter().flatten().collect();
    if names.len() > limits::EVENT_NAMES {
        reader.fails(&node.span, format!("{} events are named", names.len()), format!("at most {}", limits::EVENT_NAMES));
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
    let read: Vec<_> = nodes.into_iter().map(|node| event_name(reader, node)).collect();
    let names = read.into_iter().collect::<Option<Vec<EventName>>>().filter(|names| !names.is_empty())?;
    let Some(condition) = fields.get("where") else {
        return Some(names.into_iter().map(|name| (name, None)).collect());
    };
    let Declared { vocabulary, attributes } = reader.declared;
    let environment = Environment { vocabulary, attributes, events: Some(&names), each_product: false, previous: true };
    let conditioned = |name: &EventName| reader.condition(condition, &environment).map(|condition| (*name, Some(condition)));
    // Stops at the first that fails: the same text fails the same way for all names.
    names.iter().map(conditioned).collect()
}

fn event_name(reader: &mut Reader<'_>, node: &Node) -> Option<EventName> {
    let text = reader.text(node, EVENTS)?;
    let vocabulary = reader.declared.vocabulary;
    let found = vocabulary.event_named(text);
    if found.is_none() {
        let names = vocabulary.events().map(|event| event.name.as_str());
        let report = Report::at(reader.source, node.span.clone(), format!("no event is called `{text}`"))
            .expected("an event of Segment's specs, or one declared under [events] in the configuration".to_owned())
            .suggest(closest(text, names).map(str::to_owned));
        reader.reports.push(report);
    }
    found
}
