//! Reads the expressions of a file: texts that are compiled, with a caret in the file where they are wrong.

use super::{Environment, Expression, ExpressionError};
use crate::document::reader::{Declared, Reader};
use crate::document::report::Report;
use crate::document::yaml::{Node, locate};
use crate::event::{EventName, Type};

/// Where an expression stands that sees these events, whole and not a product at a time.
#[must_use]
pub fn environment<'a>(
    declared: Declared<'a>,
    events: Option<&'a [EventName]>,
    previous: bool,
) -> Environment<'a> {
    Environment {
        vocabulary: declared.vocabulary,
        attributes: declared.attributes,
        derived: declared.derived,
        events,
        each_product: false,
        previous,
    }
}

/// The same, but it may be of a product of the event at a time.
#[must_use]
pub fn environment_of_products<'a>(
    declared: Declared<'a>,
    events: &'a [EventName],
) -> Environment<'a> {
    Environment {
        each_product: true,
        ..environment(declared, Some(events), false)
    }
}

/// A condition.
pub fn condition(
    reader: &mut Reader<'_>,
    node: &Node,
    environment: &Environment<'_>,
) -> Option<Expression> {
    let text = text(reader, node)?;
    compiled(reader, node, 0, Expression::condition(text, environment))
}

/// An expression of a given type.
pub fn of_kind(
    reader: &mut Reader<'_>,
    node: &Node,
    environment: &Environment<'_>,
    kind: Type,
    role: &str,
) -> Option<Expression> {
    let text = text(reader, node)?;
    let expression = Expression::of_kind(text, environment, kind, role);
    compiled(reader, node, 0, expression)
}

/// The text of an expression.
pub fn text<'n>(reader: &mut Reader<'_>, node: &'n Node) -> Option<&'n str> {
    reader.text(node, "an expression, such as `profile.basket.value >= 20`; in quotes where it begins with a quote, `[`, `{` or `!`")
}

/// What became of an expression that stands `offset` bytes into a scalar's text.
pub fn compiled(
    reader: &mut Reader<'_>,
    node: &Node,
    offset: usize,
    compiled: Result<Expression, ExpressionError>,
) -> Option<Expression> {
    match compiled {
        Ok(expression) => Some(expression),
        Err(error) => {
            let part = error.span.start + offset..error.span.end + offset;
            let span = locate(reader.source.text(), node, part);
            let report = Report::at(reader.source, span, error.message)
                .expected(error.expected)
                .suggest(error.suggestion);
            reader.reports.push(report);
            None
        }
    }
}
