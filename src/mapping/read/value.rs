//! Values and conditions of a mapping file: read, and checked against the type of what they are for.

use serde_json::Value as Json;

use crate::document::keys::{Keys, Known, Shape};
use crate::document::reader::{Fields, Reader};
use crate::document::report::Report;
use crate::document::suggest::{closest, listed};
use crate::document::yaml::{Key, Node, Yaml, locate};
use crate::event::{Item, Type};
use crate::mapping::condition::{Condition, Test};
use crate::mapping::path::{self, Path};
use crate::mapping::scalar;
use crate::mapping::time::{self, Format};
use crate::mapping::value::{Convert, Function, Place, Value};
use crate::time::{Timestamp, parse_day};

/// What a value is for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target<'t> {
    pub name: &'t str,
    pub kind: Type,
}

/// Bounds of a value, so that no record takes long.
const PLACES_MAX: usize = 16;
/// Rows of a table; beyond this it is a reference table.
const ROWS_MAX: usize = 1000;

const PLACES: [&str; 7] = [
    "from",
    "header",
    "cloud_event",
    "key",
    "const",
    "join",
    "sum",
];
/// Where a value is found; the first keys of [`VALUE`].
macro_rules! places {
    ($($more:expr),* $(,)?) => {
        &[
            Known::optional("from", PATHS, "A path in the record, or several, of which the first that is known counts."),
            Known::optional("header", Shape::Text(256), "A Kafka header."),
            Known::optional("cloud_event", Shape::Text(256), "An attribute of the CloudEvent that the record came in."),
            Known::optional("key", Shape::Bool, "`true`: the Kafka key."),
            Known::optional("const", Shape::Any, "Always this."),
            Known::optional(
                "join",
                Shape::List(&PLACE_SHAPE, 1, PLACES_MAX),
                "Texts with hyphens between them; not known where one is not.",
            ),
            Known::optional("sum", PATH, "Where a list stands whose items are added up."),
            Known::optional("of", PATH, "Beside `sum`, in each item: the number."),
            Known::optional("when", Shape::Values, "Beside `sum`: what must be so of an item that counts."),
            $($more,)*
        ]
    };
}

/// A value, as it may be written.
pub(super) const SHAPE: Shape = Shape::Named(
    "value",
    &Shape::Either(&[
        PATH,
        Shape::List(&PLACE_SHAPE, 1, PLACES_MAX),
        Shape::Mapping(&VALUE),
    ]),
);
/// A path, or several in order of preference.
pub(super) const PATHS: Shape = Shape::Either(&[PATH, Shape::List(&PATH, 1, PLACES_MAX)]);
const PATH: Shape = Shape::Text(1024);
/// A text, or several.
pub(super) const TEXTS: Shape = Shape::Either(&[TEXT, Shape::List(&TEXT, 1, PLACES_MAX)]);
const TEXT: Shape = Shape::Text(256);
static PLACE_SHAPE: Shape = Shape::Either(&[PATH, Shape::Named("place", &Shape::Mapping(&PLACE))]);

const VALUE: Keys = Keys {
    of: "a value",
    known: places![
        Known::optional("default", Shape::Any, "Where nothing is found."),
        Known::optional("divide_by", Shape::Any, "For numbers: 100 for cents."),
        Known::optional("multiply_by", Shape::Any, "For numbers: 60 for minutes."),
        Known::optional(
            "minor_units",
            PATH,
            "For amounts in the smallest unit of a currency: where the code of that stands.",
        ),
        Known::optional("decimal", Shape::Text(16), "`comma`: `1.234,50` is 1234.5."),
        Known::optional(
            "time",
            TEXTS,
            "For times: `rfc3339`, `s`, `ms`, `us`, `ns` since 1970, or a pattern of strptime; or several, of which the first that reads it counts.",
        ),
        Known::optional(
            "zone",
            Shape::Text(64),
            "Where the clock of a pattern without an offset hangs."
        ),
        Known::optional(
            "table",
            Shape::Values,
            "One value for another. What is not in it is not known."
        ),
    ],
    later: &[],
};
// Statics, for a place may hold places.
static PLACE: Keys = Keys {
    of: "a place",
    known: places![],
    later: &[],
};
const TEST: Keys = Keys {
    of: "a condition",
    known: &[
        Known::optional(
            "not",
            Shape::Any,
            "What must not stand there: a value, or a list of them.",
        ),
        Known::optional("known", Shape::Bool, "Whether anything must stand there."),
    ],
    later: &[],
};

/// A value: a path, several in order of preference, or a mapping.
pub(super) fn value(reader: &mut Reader<'_>, node: &Node, target: Target<'_>) -> Option<Value> {
    let Yaml::Map(_) = &node.value else {
        return Some(Value {
            places: places(reader, node, target)?,
            convert: Convert::Nothing,
            default: None,
        });
    };
    let fields = reader.fields(node, VALUE)?;
    let places = place_of(reader, &fields, target)?;
    let convert = convert(reader, &fields, target)?;
    let default = match fields.get("default") {
        Some(node) => Some(constant(reader, node, target)?),
        None => None,
    };
    Some(Value {
        places,
        convert,
        default,
    })
}

/// A path.
pub(super) fn path(reader: &mut Reader<'_>, node: &Node) -> Option<Path> {
    let text = reader.text(node, path::EXPECTED)?;
    match Path::parse(text) {
        Ok(path) => Some(path),
        Err(error) => {
            let span = locate(reader.source.text(), node, error.span);
            reader.fails(&span, error.message, path::EXPECTED.to_owned());
            None
        }
    }
}

/// A path, or several in order of preference.
pub(super) fn paths(reader: &mut Reader<'_>, node: &Node) -> Option<Vec<Path>> {
    let read: Vec<_> = several(reader, node)?
        .iter()
        .map(|node| path(reader, node))
        .collect();
    read.into_iter().collect()
}

/// What must be so of a record: by path, a value, a list of them, null, `not` or `known`.
pub(super) fn conditions(reader: &mut Reader<'_>, node: &Node) -> Option<Vec<Condition>> {
    const EXPECTED: &str =
        "paths with what stands there, such as `{ financial_status: paid, test: false }`";
    let Yaml::Map(entries) = &node.value else {
        reader.unexpected(node, EXPECTED);
        return None;
    };
    let read: Vec<_> = entries
        .iter()
        .map(|(key, node)| condition(reader, key, node))
        .collect();
    read.into_iter().collect()
}

fn condition(reader: &mut Reader<'_>, key: &Key, node: &Node) -> Option<Condition> {
    let path = match Path::parse(&key.text) {
        Ok(path) => path,
        Err(error) => {
            reader.fails(&key.span, error.message, path::EXPECTED.to_owned());
            return None;
        }
    };
    let test = match &node.value {
        _ if node.is_null() => Test::Known(false),
        Yaml::Map(_) => {
            let fields = reader.fields(node, TEST)?;
            match (
                fields.get("not"),
                fields.get("known").map(|node| (node, node.json())),
            ) {
                (Some(not), None) => Test::NoneOf(texts(reader, not)?),
                (None, Some((_, Json::Bool(known)))) => Test::Known(known),
                (_, found) => {
                    let at = found.map_or(node, |(at, _)| at);
                    reader.unexpected(
                        at,
                        "`{ not: value }`, `{ known: true }` or `{ known: false }`",
                    );
                    return None;
                }
            }
        }
        _ => Test::OneOf(texts(reader, node)?),
    };
    Some(Condition { path, test })
}

/// Texts of scalars, one or several.
pub(super) fn texts(reader: &mut Reader<'_>, node: &Node) -> Option<Vec<String>> {
    let read: Vec<_> = several(reader, node)?
        .iter()
        .map(|node| {
            let text = scalar::text(&node.json()).map(std::borrow::Cow::into_owned);
            if text.is_none() {
                reader.unexpected(node, "a text, a number, true or false");
            }
            text
        })
        .collect();
    read.into_iter().collect()
}

/// One node, or those of a list.
fn several<'n>(reader: &mut Reader<'_>, node: &'n Node) -> Option<&'n [Node]> {
    match &node.value {
        Yaml::List(items) if (1..=PLACES_MAX).contains(&items.len()) => Some(items),
        Yaml::List(_) => {
            reader.unexpected(node, format!("a list of 1 to {PLACES_MAX}"));
            None
        }
        _ => Some(std::slice::from_ref(node)),
    }
}

fn places(reader: &mut Reader<'_>, node: &Node, target: Target<'_>) -> Option<Vec<Place>> {
    let read: Vec<_> = several(reader, node)?
        .iter()
        .map(|node| match &node.value {
            Yaml::Map(_) => {
                let fields = reader.fields(node, PLACE)?;
                place_of(reader, &fields, target)
            }
            _ => Some(vec![written(reader, node)?]),
        })
        .collect();
    Some(read.into_iter().collect::<Option<Vec<_>>>()?.concat())
}

/// A path, or a function of one: `lower(trim(customer.email))`.
fn written(reader: &mut Reader<'_>, node: &Node) -> Option<Place> {
    let mut rest = reader.text(node, path::EXPECTED)?.trim();
    let mut functions = Vec::new();
    while let Some((word, inner)) = rest.split_once('(')
        && word.chars().all(|c| c.is_ascii_alphabetic())
    {
        let function = Function::named(word);
        let (Some(function), Some(inner)) = (function, inner.strip_suffix(')')) else {
            let message = match function {
                Some(_) => format!("`{word}(` is not closed"),
                None => format!("there is no function `{word}`"),
            };
            reader.fails(&node.span, message, listed(Function::WORDS));
            return None;
        };
        functions.push(function);
        rest = inner.trim();
    }
    let field = match functions.is_empty() {
        true => path(reader, node)?,
        false => match Path::parse(rest) {
            Ok(path) => path,
            Err(error) => {
                reader.fails(&node.span, error.message, path::EXPECTED.to_owned());
                return None;
            }
        },
    };
    let made = functions.into_iter().rev();
    Some(made.fold(Place::Field(field), |of, function| {
        Place::Made(function, Box::new(of))
    }))
}

/// The place that a mapping names; `from` may name several.
fn place_of(
    reader: &mut Reader<'_>,
    fields: &Fields<'_>,
    target: Target<'_>,
) -> Option<Vec<Place>> {
    let given: Vec<_> = PLACES
        .iter()
        .filter_map(|key| Some((*key, fields.get(key)?)))
        .collect();
    let [(key, node)] = given.as_slice() else {
        let message = match given.len() {
            0 => "it says nothing of where the value comes from",
            _ => "a value comes from one place",
        };
        let span = given
            .get(1)
            .map_or(&fields.node.span, |(_, node)| &node.span);
        reader.fails(span, message, format!("one of {}", listed(PLACES)));
        return None;
    };
    if let Some((beside, _)) = ["of", "when"]
        .iter()
        .filter(|_| *key != "sum")
        .find_map(|beside| fields.entry(beside))
    {
        let message = format!("`{}` belongs to `sum`", beside.text);
        reader.fails(&beside.span, message, "`sum:` with a list".to_owned());
        return None;
    }
    let name = |reader: &mut Reader<'_>, what| reader.text(node, what).map(str::to_owned);
    Some(match *key {
        "from" => return places(reader, node, target),
        "header" => vec![Place::Header(name(reader, "the name of a Kafka header")?)],
        "cloud_event" => vec![Place::CloudEvent(name(
            reader,
            "an attribute, such as `subject`",
        )?)],
        "const" => vec![Place::Constant(constant(reader, node, target)?)],
        "join" => {
            let text = Target {
                kind: Type::Text,
                ..target
            };
            vec![Place::Join(places(reader, node, text)?)]
        }
        "sum" => vec![Place::Sum {
            list: path(reader, node)?,
            of: {
                let of = reader.required(fields, "of", "the number in each item");
                of.and_then(|node| path(reader, node))?
            },
            when: match fields.get("when") {
                Some(node) => conditions(reader, node)?,
                None => Vec::new(),
            },
        }],
        _ if node.json() == Json::Bool(true) => vec![Place::Key],
        _ => {
            reader.unexpected(node, "`key: true`: the record's Kafka key");
            return None;
        }
    })
}

fn convert(reader: &mut Reader<'_>, fields: &Fields<'_>, target: Target<'_>) -> Option<Convert> {
    const KEYS: [&str; 6] = [
        "divide_by",
        "multiply_by",
        "minor_units",
        "decimal",
        "time",
        "table",
    ];
    let given: Vec<_> = KEYS
        .iter()
        .filter_map(|key| Some((*key, fields.get(key)?)))
        .collect();
    if let (Some((key, _)), true) = (fields.entry("zone"), fields.get("time").is_none()) {
        reader.fails(
            &key.span,
            "`zone` belongs to `time`",
            "`time:` with a pattern".to_owned(),
        );
        return None;
    }
    let (key, node) = match given.as_slice() {
        [] => return Some(Convert::Nothing),
        [one] => *one,
        [_, (_, second), ..] => {
            let expected = format!("one of {}", listed(KEYS));
            reader.fails(&second.span, "a value is converted in one way", expected);
            return None;
        }
    };
    let gives = match key {
        // What is a time is a date, too.
        "time" if target.kind == Type::Date => None,
        "time" => Some(Type::Time),
        "table" => None,
        _ => Some(Type::Number),
    };
    if let Some(gives) = gives.filter(|gives| *gives != target.kind) {
        let message = format!(
            "`{key}` gives {}, and `{}` is {}",
            gives.described(),
            target.name,
            target.kind.described()
        );
        reader.fails(&fields.entry(key)?.0.span, message, None);
        return None;
    }
    match key {
        "divide_by" => factor(reader, node).map(Convert::Divide),
        "multiply_by" => factor(reader, node).map(Convert::Multiply),
        "minor_units" => path(reader, node).map(Convert::MinorUnits),
        "decimal" => reader
            .one_of(node, &["comma"])
            .map(|_| Convert::DecimalComma),
        "time" => formats(reader, node, fields.get("zone")).map(Convert::Time),
        _ => table(reader, node, target).map(Convert::Table),
    }
}

fn factor(reader: &mut Reader<'_>, node: &Node) -> Option<f64> {
    const EXPECTED: &str = "a number above 0, such as 100";
    let number = reader.number(node, EXPECTED)?;
    if number > 0.0 && number.is_finite() {
        return Some(number);
    }
    reader.unexpected(node, EXPECTED);
    None
}

/// How a time is written: in one way, or in one of several.
fn formats(reader: &mut Reader<'_>, node: &Node, zone: Option<&Node>) -> Option<Vec<Format>> {
    let nodes = several(reader, node)?;
    let read: Vec<_> = nodes
        .iter()
        .map(|node| format(reader, node, zone))
        .collect();
    let formats: Vec<_> = read.into_iter().collect::<Option<_>>()?;
    let has_clock = |format: &Format| matches!(format, Format::Custom { .. });
    if let Some(zone) = zone.filter(|_| !formats.iter().any(has_clock)) {
        reader.unexpected(zone, "no `zone`: this format is an instant by itself");
        return None;
    }
    Some(formats)
}

fn format(reader: &mut Reader<'_>, node: &Node, zone: Option<&Node>) -> Option<Format> {
    let expected = format!(
        "one of {}, or a pattern such as `%d/%m/%Y %H:%M`",
        listed(time::WORDS)
    );
    let text = reader.text(node, &expected)?;
    if !text.contains('%') {
        let Some(format) = Format::named(text) else {
            let message = format!("no format is called `{text}`");
            let report = Report::at(reader.source, node.span.clone(), message)
                .expected(expected)
                .suggest(closest(text, time::WORDS).map(str::to_owned));
            reader.reports.push(report);
            return None;
        };
        return Some(format);
    }
    let name = match zone {
        Some(zone) => Some(reader.text(zone, "an IANA time zone, such as Europe/Madrid")?),
        None => None,
    };
    match Format::custom(text, name) {
        Ok(format) => Some(format),
        Err(message) => {
            let expected = "a pattern of strptime, such as `%d/%m/%Y %H:%M:%S`, and `zone: Europe/Madrid` where it has no `%z`";
            let at = zone.filter(|_| message.contains("IANA")).unwrap_or(node);
            reader.fails(&at.span, message, expected.to_owned());
            None
        }
    }
}

fn table(reader: &mut Reader<'_>, node: &Node, target: Target<'_>) -> Option<Vec<(String, Json)>> {
    let Yaml::Map(entries) = &node.value else {
        reader.unexpected(node, "a mapping from what they write to what we write");
        return None;
    };
    if entries.len() > ROWS_MAX {
        reader.fails(
            &node.span,
            format!("the table has {} rows", entries.len()),
            format!("at most {ROWS_MAX}"),
        );
        return None;
    }
    let rows: Vec<_> = entries
        .iter()
        .map(|(key, node)| Some((key.text.clone(), constant(reader, node, target)?)))
        .collect();
    rows.into_iter().collect()
}

/// A value that stands in the file, of the type that is asked for.
fn constant(reader: &mut Reader<'_>, node: &Node, target: Target<'_>) -> Option<Json> {
    let json = node.json();
    if fits(&json, target.kind) {
        return Some(json);
    }
    let kind = target.kind.described();
    reader.fails(
        &node.span,
        format!(
            "{} is not valid here: `{}` is {kind}",
            node.described(),
            target.name
        ),
        kind.to_owned(),
    );
    None
}

/// Whether the decoder would read it as that.
fn fits(json: &Json, kind: Type) -> bool {
    let text = json.as_str();
    match kind {
        Type::Bool => {
            json.is_boolean()
                || text.is_some_and(|text| ["true", "false", "granted", "denied"].contains(&text))
        }
        Type::Number => scalar::number(json).is_some(),
        Type::Text => scalar::text(json).is_some_and(|text| !text.is_empty()),
        Type::Time => {
            text.is_some_and(|it| Timestamp::parse(it).is_some() || parse_day(it).is_some())
        }
        Type::Date => text.and_then(parse_day).is_some(),
        Type::List(Item::Text) => match json {
            Json::Array(items) => items.iter().all(|item| scalar::text(item).is_some()),
            other => scalar::text(other).is_some(),
        },
        Type::List(item) => match json {
            Json::Array(items) => items.iter().all(|it| fits(it, item.kind())),
            other => fits(other, item.kind()),
        },
        Type::Duration => false,
    }
}
