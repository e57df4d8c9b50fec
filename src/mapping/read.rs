//! A mapping file: read, checked against the vocabulary, compiled. All that is wrong with it is told at once.

mod layer;
mod rules;
mod value;

use self::layer::Layer;
use self::rules::Rules;
use self::value::{PATHS, SHAPE as VALUE, TEXTS, Target, texts, value};
use super::{Mapping, Named};
use crate::document::keys::{Keys, Known, Shape};
use crate::document::reader::{Declared, Fields, Reader};
use crate::document::report::{Report, Source};
use crate::document::yaml;
use crate::event::{Text, Type};

/// Declares the keys of a mapping and of an event of it: its own, and those of a layer, which both have.
macro_rules! keys {
    (mapping: [$($own:expr),* $(,)?], rule: [$($of_rule:expr),* $(,)?], layer: [$($field:expr),* $(,)?]) => {
        /// The keys of a mapping file.
        pub const KEYS: Keys = Keys {
            of: "a mapping",
            known: &[$($own,)* $($field,)*],
            later: &[],
        };
        const RULE: Keys = Keys {
            of: "an event of a mapping",
            known: &[$($of_rule,)* $($field,)*],
            later: &[],
        };
    };
}
keys!(
    mapping: [
        Known::required("mapping", Shape::Text(100), "Its name."),
        Known::optional("about", Shape::Text(yaml::limits::FILE_BYTES), "What it is for. For people."),
        Known::optional("name", VALUE, "Where the name of their event stands. Without it, all records are the one `event`."),
        Known::default(
            "names",
            "exact",
            Shape::Words(NAMES),
            "`any_case`: names count by their letters and digits alone, and what is then called as ours is ours.",
        ),
        Known::optional("null_values", TEXTS, "Texts that stand for null: `(not set)`."),
        Known::default(
            "unmapped",
            "dead-letter",
            Shape::Words(UNMAPPED),
            "What becomes of records with another name, or whose `when` does not hold.",
        ),
        Known::optional("event", Shape::EventName, "The event that all records are."),
        Known::optional("events", Shape::Each(&ENTRY), "By the name of their event: ours, `ignore`, or more."),
        WHEN,
    ],
    rule: [
        Known::required("event", Shape::EventName, "Our event."),
        WHEN,
    ],
    layer: [
        Known::optional("userId", VALUE, "Whose event it is; this or `anonymousId`."),
        Known::optional("anonymousId", VALUE, "Whose event it is, where nobody knows her by name; beside a `userId`, who she was so far."),
        Known::optional("previousId", VALUE, "Another id that she had so far: what was known of it becomes hers."),
        Known::optional("messageId", VALUE, "By which a repeated event is recognised."),
        Known::optional("timestamp", VALUE, "When it happened."),
        Known::optional("properties", Shape::Each(&VALUE), "By our names, which the event must have."),
        Known::optional(
            "properties_from",
            PATHS,
            "An object of which every property that the event has by our name is copied.",
        ),
        Known::optional(
            "products",
            Shape::Either(&[PATHS, Shape::Mapping(&layer::PRODUCTS)]),
            "Where the list of products stands.",
        ),
        Known::optional("traits", Shape::Each(&VALUE), "What is said of the customer."),
        Known::optional("traits_from", PATHS, "An object of which every trait is copied that has our name."),
        Known::optional("consent", Shape::Each(&VALUE), "By channel: true or false."),
        Known::optional("campaign", Shape::Each(&VALUE), "`source`, `medium` and `name` of where she came from."),
        Known::optional("context_from", PATHS, "An object that is taken for Segment's `context`."),
    ]
);

const NAMES: &[&str] = &["exact", "any_case"];
const UNMAPPED: &[&str] = &["dead-letter", "ignore"];
const WHEN: Known = Known::optional(
    "when",
    Shape::Values,
    "What must be so of the record: by path, a value, a list of them, null, `not` or `known`.",
);
/// What a foreign name stands for.
const ENTRY: Shape = Shape::Either(&[
    Shape::Words(&["ignore"]),
    Shape::EventName,
    Shape::Named("rule", &Shape::Mapping(&RULE)),
    Shape::List(
        &Shape::Either(&[
            Shape::Words(&["ignore"]),
            Shape::EventName,
            Shape::Named("rule", &Shape::Mapping(&RULE)),
        ]),
        1,
        1000,
    ),
]);

/// Reads a mapping file.
///
/// # Errors
/// Everything that is wrong with it.
pub fn read(source: &Source, declared: Declared<'_>) -> Result<Mapping, Vec<Report>> {
    let mut reader = Reader::new(source, declared);
    let root = yaml::parse(source, &mut reader.reports);
    let mapping = root.and_then(|root| {
        let fields = reader.fields(&root, KEYS)?;
        mapping(&mut reader, &fields)
    });
    match mapping {
        Some(mapping) if reader.reports.is_empty() => Ok(mapping),
        _ => Err(reader.reports),
    }
}

fn mapping(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<Mapping> {
    let name = reader
        .required(fields, "mapping", "its name")
        .and_then(|node| reader.short_text(node, "a name", 100));
    fields.get("about").map(|node| reader.text(node, "a text"));
    let word = |reader: &mut Reader<'_>, key, words: &'static [&'static str]| {
        fields.get(key).map(|node| reader.one_of(node, words))
    };
    let any_case = word(reader, "names", NAMES) == Some(Some("any_case"));
    let ignores = word(reader, "unmapped", UNMAPPED) == Some(Some("ignore"));
    let null_values = fields.get("null_values").map(|node| texts(reader, node));
    let common = Layer::read(reader, fields);
    let event_name = fields.get("name").map(|node| {
        value(
            reader,
            node,
            Target {
                name: "name",
                kind: Type::Text,
            },
        )
    });
    let mut rules = Rules::new(&common, any_case);
    gather(reader, fields, &mut rules);
    if any_case && fields.get("events").is_some() {
        rules.rest(reader, fields.node);
    }
    rules.check_common(reader);
    Some(Mapping {
        name: name?.to_owned(),
        event_name: match event_name {
            Some(value) => Some(value?),
            None => None,
        },
        any_case,
        null_values: null_values.flatten().unwrap_or_default(),
        by_name: rules.by_name,
        ignores_unmapped: ignores,
        text: reader.source.text().to_owned(),
    })
}

/// The rules of a file: of one event, or by foreign name.
fn gather(reader: &mut Reader<'_>, fields: &Fields<'_>, rules: &mut Rules<'_>) {
    match (fields.get("event"), fields.get("events")) {
        (Some(_), None) => {
            if let Some(rule) = rules.rule(reader, fields, &Layer::default()) {
                rules
                    .by_name
                    .insert(Text::default(), Named::Rules(vec![rule]));
            }
            if let Some(node) = fields.get("name") {
                reader.unexpected(
                    node,
                    "no `name` where all records are one `event`; or `events`, by name",
                );
            }
        }
        (None, Some(node)) => {
            if let Some((key, _)) = fields.entry("when") {
                reader.fails(
                    &key.span,
                    "`when` belongs to an event",
                    "it in an entry of `events`".to_owned(),
                );
            }
            rules.events(reader, node);
            reader.required(fields, "name", "where the name of the foreign event stands");
        }
        (Some(_), Some(node)) => reader.fails(
            &node.span,
            "there is both `event` and `events`",
            "one of them".to_owned(),
        ),
        (None, None) => reader.fails(
            &(fields.node.span.start..fields.node.span.start),
            "it says no event",
            "`event`, or `name` and `events`".to_owned(),
        ),
    }
}
