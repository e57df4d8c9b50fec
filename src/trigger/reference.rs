//! The reference pages, made from the tables that the language is checked against: what a profile
//! and an event have, which operators and functions there are. A test holds the pages to them.

use std::fmt::Write as _;

use super::expression::{FUNCTIONS, OPERATORS};
use crate::event::{Type, Vocabulary};
use crate::profile::schema::{FIELDS, KEYED_FIELDS};

/// Stands at the head of each page.
const MADE: &str = "<!-- Made from the code by `MOMENTS_UPDATE_DOCS=1 cargo test reference_pages`; do not edit. -->";

/// Every page: its path below the checkout, and its text.
#[must_use]
pub fn pages() -> [(&'static str, String); 3] {
    [
        ("docs/reference/profile.md", profile()),
        ("docs/reference/events.md", events(&Vocabulary::standard())),
        ("docs/reference/expressions.md", expressions()),
    ]
}

/// What expressions may name of a customer.
fn profile() -> String {
    let plain = FIELDS.iter().map(|field| {
        [
            code(&format!("profile.{}", field.path)),
            kind(field.kind),
            field.about.to_owned(),
        ]
    });
    let keyed = KEYED_FIELDS.iter().map(|field| {
        let kind = field.kind.map_or("as declared".to_owned(), kind);
        [
            code(&format!("profile.{}[\"...\"]", field.path)),
            kind,
            field.about.to_owned(),
        ]
    });
    page(
        "Fields of the profile",
        "What expressions may name of the customer. In a trigger whose moment is an event, `previous.` in \
         the place of `profile.` is the customer as she was before it. What is not known is null.",
        &[("field", "type", "meaning", plain.chain(keyed).collect())],
    )
}

/// The events and the properties they may carry.
fn events(vocabulary: &Vocabulary) -> String {
    let rows = vocabulary.events().map(|event| {
        let property = |id: &_| {
            let property = vocabulary.property(*id);
            format!("{} {}", code(&property.name), kind(property.kind))
        };
        let properties: Vec<_> = event.properties.iter().map(property).collect();
        [event.name.clone(), properties.join(", "), String::new()]
    });
    page(
        "Events",
        "Names and properties are those of Segment's specs as far as they have them. Every event may carry \
         `products`, a list of `{ product_id, sku, category, price, quantity }`, and has `event.id`, \
         `event.name`, `event.time` and `event.products` (the product ids). An event of another name counts as a \
         sign of life; to name it in a trigger, declare it under `[events]` in the configuration.",
        &[("event", "properties", "", rows.collect())],
    )
}

/// Operators and functions.
fn expressions() -> String {
    let operators = OPERATORS.iter().map(|operator| {
        [
            code(operator.symbol),
            operator.types.to_owned(),
            operator.about.to_owned(),
        ]
    });
    let functions = FUNCTIONS.iter().map(|function| {
        [
            code(function.call),
            kind(function.gives),
            function.about.to_owned(),
        ]
    });
    page(
        "Operators and functions",
        "The language is CEL (Common Expression Language) as far as it stands here.",
        &[
            ("operator", "types", "meaning", operators.collect()),
            ("function", "gives", "meaning", functions.collect()),
        ],
    )
}

/// A table: the heads of its columns (an empty one: there is no such column), and its rows.
type Table = (&'static str, &'static str, &'static str, Vec<[String; 3]>);

fn page(title: &str, about: &str, tables: &[Table]) -> String {
    let mut text = format!("{MADE}\n\n# {title}\n\n{about}\n");
    for (first, second, third, rows) in tables {
        let columns = if third.is_empty() { 2 } else { 3 };
        text.push('\n');
        row(&mut text, &[*first, *second, *third][..columns]);
        row(&mut text, &["---"; 3][..columns]);
        for cells in rows {
            row(&mut text, &cells.each_ref().map(String::as_str)[..columns]);
        }
    }
    text
}

fn row(text: &mut String, cells: &[&str]) {
    let cells: Vec<_> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
    let _infallible = writeln!(text, "| {} |", cells.join(" | "));
}

fn code(text: &str) -> String {
    format!("`{text}`")
}

/// The word for a type, without its article.
fn kind(kind: Type) -> String {
    kind.described().trim_start_matches("a ").to_owned()
}
