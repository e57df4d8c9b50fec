//! Points: a fact that is the sum of what each of some conditions is worth, as long as it holds. Nothing is kept of it: it follows
//! from what the conditions ask, and changes with them, by events and by time.

use super::KEYS;
use crate::document::keys::{Keys, Known, Shape};
use crate::document::reader::{self, Declared, Fields, Reader};
use crate::document::report::{Report, Source};
use crate::document::yaml::{self, Node, Yaml};
use crate::event::{Text, Type};
use crate::expression::read;
use crate::measure::{AMOUNT_MAX, Point};

/// Conditions of one fact.
pub const POINTS_MAX: usize = 64;

/// The keys of one condition.
pub const POINT: Keys = Keys {
    of: "a condition that is worth points",
    known: &[
        Known::required(
            "while",
            Shape::Expression,
            "A condition on the customer: `profile`, `facts`, `now`.",
        ),
        Known::required(
            "points",
            Shape::Number(-AMOUNT_MAX, AMOUNT_MAX),
            "What it is worth as long as it holds.",
        ),
    ],
    later: &[],
};

/// A checked fact of points.
#[derive(Debug)]
pub struct Points {
    /// Its name.
    pub name: Text,
    /// Hash of its definition's text.
    pub text: u64,
    /// What is worth how much.
    pub of: Vec<Point>,
}

/// Whether a file of a fact is one of points.
#[must_use]
pub fn is_points(source: &Source) -> bool {
    let Some(Yaml::Map(entries)) = yaml::parse(source, &mut Vec::new()).map(|root| root.value)
    else {
        return false;
    };
    let measure = entries.iter().find(|(key, _)| key.text == "measure");
    matches!(measure, Some((_, Node { value: Yaml::Map(of), .. })) if of.iter().any(|(key, _)| key.text == "points"))
}

/// Reads the file of one; `declared`: the other facts among it.
///
/// # Errors
/// Everything that is wrong with it.
pub fn read(source: &Source, declared: Declared<'_>) -> Result<Points, Vec<Report>> {
    reader::file(source, declared, KEYS, points).map(|points| Points {
        text: source.digest(),
        ..points
    })
}

fn points(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<Points> {
    let name = super::name(reader, fields);
    for key in ["of", "over", "per"] {
        if let Some((key, _)) = fields.entry(key) {
            let message = format!("points have no `{}`", key.text);
            let expected = "conditions on the customer, each with `while` and `points`".to_owned();
            reader.fails(&key.span, message, expected);
        }
    }
    let measure = fields.get("measure")?;
    let (_, list) = reader.only(measure, super::MEASURES)?;
    let Yaml::List(items) = &list.value else {
        reader.unexpected(
            list,
            "a list such as `[{ while: profile.orders.count > 0, points: 20 }]`",
        );
        return None;
    };
    if items.is_empty() || items.len() > POINTS_MAX {
        let message = format!("there are {} conditions", items.len());
        reader.fails(&list.span, message, format!("from 1 to {POINTS_MAX}"));
        return None;
    }
    let of: Vec<_> = items.iter().map(|item| point(reader, item)).collect();
    Some(Points {
        name: name?,
        text: 0,
        of: of.into_iter().collect::<Option<_>>()?,
    })
}

fn point(reader: &mut Reader<'_>, node: &Node) -> Option<Point> {
    let fields = reader.fields(node, POINT)?;
    let environment = read::environment(reader.declared, None, false);
    let condition = reader.required(
        &fields,
        "while",
        "a condition, such as profile.orders.count > 0",
    );
    let condition = condition.and_then(|node| {
        let of = read::of_kind(reader, node, &environment, Type::Bool, "a condition")?;
        Some(of.source().to_owned())
    });
    let points = reader.required(&fields, "points", "what it is worth, such as 20");
    let points = points.and_then(|node| {
        let points = reader.number(node, "what it is worth, such as 20")?;
        if points.abs() > AMOUNT_MAX {
            reader.unexpected(node, format!("at most {AMOUNT_MAX}"));
            return None;
        }
        Some(points)
    });
    Some(Point {
        condition: condition?,
        points: points?,
    })
}
