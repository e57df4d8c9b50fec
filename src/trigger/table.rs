//! The file of a reference table: its rows, the name of a .csv file beside it that has them, or the topic that brings them.

use std::ops::Range;
use std::sync::Arc;

use crate::document::data;
use crate::document::keys::{Keys, Known, Shape};
use crate::document::reader::{self, Declared, Fields, Reader};
use crate::document::report::{Report, Source};
use crate::document::suggest::{closest, listed};
use crate::document::topic;
use crate::document::yaml::{self, Key, Node, Yaml};
use crate::event::limits::TEXT_BYTES;
use crate::event::{Property, Text, Type};
use crate::table::{Table, Written, limits, property};

/// The keys of the file of a table.
pub const KEYS: Keys = Keys {
    of: "a reference table",
    known: &[
        Known::required(
            "table",
            Shape::Form("^[a-z][a-z0-9_]{0,63}$", "companions"),
            "Its name, once in a set: lower-case letters, digits and underscores. Expressions ask for it as `tables.NAME[key].column`.",
        ),
        Known::optional(
            "about",
            Shape::Text(yaml::limits::FILE_BYTES),
            "What it is, in its author's words. For people.",
        ),
        Known::optional(
            "key",
            Shape::Form("^[a-z][a-z0-9_]{0,63}$", "product_id"),
            "What its rows are found by; in a .csv file the heading of the column that has it. Needed with `rows`.",
        ),
        Known::required(
            "columns",
            Shape::Each(&Shape::Words(&Type::NAMES)),
            "What else a row says, with its type: `{ companion: text, price: number }`. A date is, as a time, the end of that day in the customer's zone; a list (of texts; `list of number` and so on) has, in a .csv file, bars between what stands in it: `a|b`.",
        ),
        Known::optional(
            "rows",
            Shape::Either(&[Shape::Each(&Shape::Any), Shape::Text(data::BYTES)]),
            "The rows by key, `p1: { companion: p9 }`; or the name of a file beside it, `companions.csv`, with a heading.",
        ),
        Known::optional(
            "topic",
            Shape::Form(topic::FORM, "catalogue"),
            "Instead of `rows`: the topic that brings them, one of `topics.tables` in the configuration. The key of a record is that of the row, its value a JSON object by the names of columns; a record without a value takes the row out.",
        ),
    ],
    later: &[],
};

/// A checked table.
#[derive(Debug)]
pub struct Named {
    /// Its name.
    pub name: Text,
    /// Hash of its text, and of that of its file of data.
    pub text: u64,
    /// Its rows.
    pub table: Arc<Table>,
}

/// Reads the file of a table; `files`: those of data beside it.
///
/// # Errors
/// Everything that is wrong with it.
pub fn read(
    source: &Source,
    declared: Declared<'_>,
    files: &[&Source],
) -> Result<Named, Vec<Report>> {
    let mut of_data = 0;
    let read = reader::file(source, declared, KEYS, |reader, fields| {
        let (name, table, text) = table(reader, fields, files)?;
        of_data = text;
        Some((name, table))
    });
    read.map(|(name, table)| Named {
        name,
        text: source.digest() ^ of_data,
        table: Arc::new(table),
    })
}

fn table(
    reader: &mut Reader<'_>,
    fields: &Fields<'_>,
    files: &[&Source],
) -> Option<(Text, Table, u64)> {
    let name = reader.required(fields, "table", "its name, such as companions");
    let name = name.and_then(|node| {
        let name = reader.identifier(node, ("a table", "companions"), limits::NAME_BYTES)?;
        Some(Text::from(name))
    });
    if let Some(node) = fields.get("about") {
        reader.text(node, "a sentence on what it is");
    }
    let key = fields.get("key");
    let key = key.map(|node| reader.identifier(node, ("a key", "product_id"), limits::NAME_BYTES));
    let columns = reader.required(
        fields,
        "columns",
        "what a row says, such as { companion: text }",
    );
    let columns = columns.and_then(|node| columns_of(reader, node));
    if let Some(node) = fields.get("topic") {
        let topic = topic::read(reader, (fields, node), "rows")?;
        let table = Table::new(columns?).by_topic(topic);
        return Some((name?, table, 0));
    }
    let rows = reader.required(
        fields,
        "rows",
        "the rows, the name of a .csv file, or `topic`",
    );
    let key = key.or_else(|| {
        let expected = "what rows are found by, such as product_id";
        reader.required(fields, "key", expected).map(|_| None)
    });
    let (name, key, columns, rows) = (name?, key??, columns?, rows?);
    let mut table = Table::new(columns.iter().cloned());
    let mut text = 0;
    match &rows.value {
        Yaml::Map(entries) => {
            for (key, node) in entries {
                written(reader, &mut table, (key, node), &columns);
            }
        }
        Yaml::Scalar { text: named, .. } if data::is_named(named) => {
            let file = data::beside(reader, rows, files)?;
            text = file.digest();
            filed(reader, &mut table, file, key, &columns);
        }
        _ => {
            reader.unexpected(rows, "a mapping of rows by key, or the name of a .csv file");
        }
    }
    if table.len() > limits::ROWS {
        let message = format!("there are {} rows", table.len());
        reader.fails(&rows.span, message, format!("at most {}", limits::ROWS));
    }
    Some((name, table, text))
}

fn columns_of(reader: &mut Reader<'_>, node: &Node) -> Option<Vec<(String, Type)>> {
    let expected = || {
        format!(
            "from 1 to {} columns, such as {{ companion: text }}",
            limits::COLUMNS
        )
    };
    let Yaml::Map(entries) = &node.value else {
        reader.unexpected(node, expected());
        return None;
    };
    if entries.is_empty() || entries.len() > limits::COLUMNS {
        reader.fails(
            &node.span,
            format!("there are {} columns", entries.len()),
            expected(),
        );
        return None;
    }
    let column = |(key, node): &(Key, Node)| {
        let name = Node {
            span: key.span.clone(),
            value: Yaml::Scalar {
                text: key.text.clone(),
                plain: false,
            },
        };
        reader.identifier(&name, ("a column", "companion"), limits::NAME_BYTES)?;
        let kind = reader.one_of(node, &Type::NAMES)?;
        Some((key.text.clone(), Type::named(kind)?))
    };
    let found: Vec<_> = entries.iter().map(column).collect();
    found.into_iter().collect()
}

/// A row that stands in the file itself.
fn written(
    reader: &mut Reader<'_>,
    table: &mut Table,
    (key, node): (&Key, &Node),
    columns: &[(String, Type)],
) {
    let Yaml::Map(entries) = &node.value else {
        reader.unexpected(node, "a row, such as { companion: p9 }");
        return;
    };
    let names = || columns.iter().map(|(name, _)| name.as_str());
    let mut row = vec![None; columns.len()];
    for (name, node) in entries {
        let Some(place) = columns.iter().position(|(known, _)| *known == name.text) else {
            let message = format!("no column is called `{}`", name.text);
            let report = Report::at(reader.source, name.span.clone(), message)
                .expected(format!("one of {}", listed(names())))
                .suggest(closest(&name.text, names()).map(str::to_owned));
            reader.reports.push(report);
            continue;
        };
        let said = match &node.value {
            _ if node.is_null() => continue,
            Yaml::Scalar { text, .. } => Some(Written::Text(text)),
            Yaml::List(items) => {
                let items: Option<Vec<&str>> = items.iter().map(Node::text).collect();
                items.map(Written::List)
            }
            Yaml::Map(_) => None,
        };
        let kind = columns[place].1;
        row[place] = said.and_then(|said| property(&said, kind));
        if row[place].is_none() && node.text() != Some("") {
            reader.unexpected(node, kind.described());
        }
    }
    take(reader, table, (key.text.trim(), &key.span), row);
}

/// The rows of a file of data. What is wrong with it is said at its place.
fn filed(
    reader: &mut Reader<'_>,
    table: &mut Table,
    file: &Source,
    key: &str,
    columns: &[(String, Type)],
) {
    let text = file.text();
    let heading = text.lines().next().unwrap_or_default();
    let mut delimiters = [b',', b';', b'\t'].into_iter();
    let delimiter = delimiters.find(|it| heading.as_bytes().contains(it));
    let mut rows = csv::ReaderBuilder::new()
        .delimiter(delimiter.unwrap_or(b','))
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let headings = rows.headers().cloned().unwrap_or_default();
    let place_of = |name: &str| headings.iter().position(|heading| heading == name);
    let names = columns.iter().map(|(name, _)| name.as_str());
    for missing in names.chain([key]).filter(|name| place_of(name).is_none()) {
        let message = format!("no column is headed `{missing}`");
        let report = Report::at(file, 0..heading.len(), message);
        let headings = listed(headings.iter());
        let expected = format!("it among the headings, which are {headings}");
        reader.reports.push(report.expected(expected));
    }
    let places = columns.iter().filter_map(|(name, _)| place_of(name));
    let places: Vec<usize> = places.collect();
    let Some(key) = place_of(key).filter(|_| places.len() == columns.len()) else {
        return;
    };
    let byte = |at: Option<&csv::Position>| {
        let byte = at.and_then(|at| usize::try_from(at.byte()).ok());
        byte.unwrap_or(0)
    };
    for row in rows.records() {
        let (at, wrong) = match &row {
            Ok(row) => (
                byte(row.position()),
                of_row(table, row, (key, &places), columns),
            ),
            Err(error) => {
                let expected = "as many values as there are headings".to_owned();
                (byte(error.position()), vec![(error.to_string(), expected)])
            }
        };
        for (message, expected) in wrong {
            let report = Report::at(file, line(text, at), message);
            reader.reports.push(report.expected(expected));
        }
    }
}

/// Takes a row of a file in; what is wrong with it, and what was expected.
fn of_row(
    table: &mut Table,
    row: &csv::StringRecord,
    (key, places): (usize, &[usize]),
    columns: &[(String, Type)],
) -> Vec<(String, String)> {
    let mut wrong = Vec::new();
    let values = columns.iter().zip(places).map(|((name, kind), place)| {
        let said = row.get(*place).unwrap_or_default();
        let value = property(&Written::Text(said), *kind);
        if value.is_none() && !said.is_empty() {
            let message = format!("`{said}` in the column {name}");
            wrong.push((message, kind.described().to_owned()));
        }
        value
    });
    let values: Vec<_> = values.collect();
    let key = row.get(key).unwrap_or_default();
    if key.is_empty() || key.len() > TEXT_BYTES {
        let expected = format!("one of 1 to {TEXT_BYTES} bytes");
        wrong.push(("a row has no key, or too long a one".to_owned(), expected));
    } else if !table.insert(key.into(), values) {
        let message = format!("`{key}` is the key of two rows");
        wrong.push((message, "each key once".to_owned()));
    }
    wrong
}

/// The line that begins at a byte, or behind it where that is its end.
fn line(text: &str, at: usize) -> Range<usize> {
    let rest = text.get(at..).unwrap_or_default();
    let begin = at + (rest.len() - rest.trim_start_matches(['\r', '\n']).len());
    let length = text.get(begin..).and_then(|rest| rest.find(['\r', '\n']));
    begin..length.map_or(text.len(), |length| begin + length)
}

fn take(
    reader: &mut Reader<'_>,
    table: &mut Table,
    (key, span): (&str, &Range<usize>),
    row: Vec<Option<Property>>,
) {
    if key.is_empty() || key.len() > TEXT_BYTES {
        let expected = format!("a key of 1 to {TEXT_BYTES} bytes");
        reader.fails(span, "this is no key of a row", expected);
    } else if !table.insert(key.into(), row) {
        reader.fails(
            span,
            format!("`{key}` is the key of two rows"),
            "each key once".to_owned(),
        );
    }
}

#[cfg(test)]
mod tests;
