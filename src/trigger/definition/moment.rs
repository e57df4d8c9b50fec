//! `moment:` exactly one kind, with its parameters.

use super::baseline;
use super::matcher::{SHAPE as EVENTS_SHAPE, matcher};
use crate::document::keys::{Keys, Known, Shape};
use crate::document::reader::{Declared, EVENTS, Fields, Reader};
use crate::document::yaml::{Node, Yaml};
use crate::event::Type;
use crate::expression::read;
use crate::expression::{Environment, Expression};
use crate::moment::absence::{From, Per};
use crate::moment::{self, absence, event, inactivity};
use crate::moment::{Absence, EventMoment, Inactivity, Kind, Matcher};

/// What this version knows, for messages.
const INSTEAD: &str = "one of `event`, `absence`, `inactivity` and `baseline`";

/// The kinds, each with its parameters.
pub const KINDS: Keys = Keys {
    of: "a moment",
    known: &[
        Known::optional(
            "event",
            Shape::Either(&[EVENTS_SHAPE, Shape::Mapping(&EVENT)]),
            event::DESCRIBED.comes_true,
        ),
        Known::optional(
            "absence",
            Shape::Mapping(&ABSENCE),
            absence::DESCRIBED.comes_true,
        ),
        Known::optional(
            "inactivity",
            Shape::Mapping(&INACTIVITY),
            inactivity::DESCRIBED.comes_true,
        ),
        Known::optional(
            "baseline",
            Shape::Mapping(&baseline::BASELINE),
            moment::baseline::DESCRIBED.comes_true,
        ),
    ],
    later: &[
        ("sequence", INSTEAD),
        ("threshold", INSTEAD),
        ("transition", INSTEAD),
        ("calendar", INSTEAD),
        ("prediction", INSTEAD),
        ("broadcast", INSTEAD),
    ],
};
const FROM: &[&str] = &["last", "first"];
const EVENT: Keys = Keys {
    of: "`event`",
    known: &[Known::required("of", EVENTS_SHAPE, "Which events.")],
    later: &[],
};
const ABSENCE: Keys = Keys {
    of: "`absence`",
    known: &[
        Known::required("of", EVENTS_SHAPE, "The events that do not come."),
        Known::required(
            "after",
            EVENTS_SHAPE,
            "The events that they were to follow: the anchor.",
        ),
        Known::required(
            "within",
            Shape::Duration,
            "In what time. An `of` exactly at its end is in time.",
        ),
        Known::default(
            "per",
            "customer",
            Shape::Expression,
            "`customer`, or an expression on both events: a deadline of its own for each product, cart, order.",
        ),
        Known::default(
            "from",
            "last",
            Shape::Words(FROM),
            "`last`: each further `after` moves the anchor. `first`: it stays until fired or cancelled.",
        ),
    ],
    later: &[],
};
const INACTIVITY: Keys = Keys {
    of: "`inactivity`",
    known: &[
        Known::required(
            "of",
            EVENTS_SHAPE,
            "The events that stopped. Whoever never did one is not meant.",
        ),
        Known::required(
            "for",
            Shape::Duration,
            "For how long, since the last of them. An event exactly then is in time.",
        ),
    ],
    later: &[],
};

/// Reads the kind of a moment.
pub fn kind(reader: &mut Reader<'_>, node: &Node) -> Option<Kind> {
    let before = reader.reports.len();
    let fields = reader.fields(node, KINDS)?;
    if fields.entries().len() != 1 {
        let expected = format!("exactly {INSTEAD}");
        reader.fails(
            &node.span,
            format!("a moment has one kind; here are {}", fields.entries().len()),
            expected,
        );
        return None;
    }
    if reader.reports.len() > before {
        return None;
    }
    let (key, value) = fields.entries().first()?;
    match key.text.as_str() {
        "event" => event(reader, value),
        "absence" => reader
            .fields(value, ABSENCE)
            .and_then(|fields| absence(reader, &fields)),
        "inactivity" => reader
            .fields(value, INACTIVITY)
            .and_then(|fields| inactivity(reader, &fields)),
        _ => reader
            .fields(value, baseline::BASELINE)
            .and_then(|fields| baseline::read(reader, &fields)),
    }
}

/// Whether the kind, readable or not, is one that comes true when time has passed.
pub fn waits(fields: &Fields<'_>) -> bool {
    let kinds = match fields.get("moment").map(|node| &node.value) {
        Some(Yaml::Map(kinds)) => kinds.as_slice(),
        _ => &[],
    };
    let waiting = ["absence", "inactivity", "baseline"];
    kinds
        .iter()
        .any(|(kind, _)| waiting.contains(&kind.text.as_str()))
}

fn event(reader: &mut Reader<'_>, node: &Node) -> Option<Kind> {
    let of = match &node.value {
        Yaml::Map(entries) if entries.iter().any(|(key, _)| key.text == "of") => {
            let fields = reader.fields(node, EVENT)?;
            reader.required(&fields, "of", EVENTS)?
        }
        _ => node,
    };
    Some(Kind::Event(EventMoment {
        of: matcher(reader, of)?,
    }))
}

fn inactivity(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<Kind> {
    let of = reader
        .required(fields, "of", EVENTS)
        .and_then(|node| matcher(reader, node));
    let for_ms = reader
        .required(fields, "for", "how long, such as 90d")
        .and_then(|node| reader.duration(node));
    Some(Kind::Inactivity(Inactivity {
        of: of?,
        for_ms: for_ms?,
    }))
}

fn absence(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<Kind> {
    let of = reader
        .required(fields, "of", EVENTS)
        .and_then(|node| matcher(reader, node));
    let after = reader
        .required(fields, "after", EVENTS)
        .and_then(|node| matcher(reader, node));
    let within_ms = reader
        .required(fields, "within", "in what time, such as 30m")
        .and_then(|node| reader.duration(node));
    let from = match fields.get("from") {
        None => Some(From::Last),
        Some(node) => reader.one_of(node, FROM).map(|word| {
            if word == "first" {
                From::First
            } else {
                From::Last
            }
        }),
    };
    let (of, after) = (of?, after?);
    let per = fields
        .get("per")
        .map_or(Some(Per::Customer), |node| per(reader, node, &of, &after));
    Some(Kind::Absence(Absence {
        of,
        after,
        within_ms: within_ms?,
        per: per?,
        from: from?,
    }))
}

/// `customer`, or an expression that the events of both matchers can answer.
fn per(reader: &mut Reader<'_>, node: &Node, of: &Matcher, after: &Matcher) -> Option<Per> {
    let text = reader.text(node, "`customer`, or an expression such as `event.cart_id`")?;
    if text == "customer" {
        return Some(Per::Customer);
    }
    let Declared {
        vocabulary,
        attributes,
    } = reader.declared;
    let mut compiled = None;
    for matcher in [of, after] {
        let names: Vec<_> = matcher.event_names().collect();
        let environment = Environment {
            vocabulary,
            attributes,
            events: Some(&names),
            each_product: true,
            previous: false,
        };
        let expression = Expression::compile(text, &environment);
        compiled = Some(read::compiled(reader, node, 0, expression)?);
    }
    let key = compiled
        .filter(|key| key.uses_event() && !matches!(key.kind(), Type::List | Type::Duration));
    if key.is_none() {
        let expected =
            "`customer`, or a text, number or time of the event, such as `event.cart_id`"
                .to_owned();
        reader.fails(
            &node.span,
            "this does not tell one deadline of a customer from another",
            expected,
        );
    }
    key.map(Per::Key)
}
