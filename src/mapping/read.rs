//! A mapping file: read, checked against the vocabulary, compiled. All that is wrong with it is told at once.

mod layer;
mod rules;
mod value;

use self::layer::Layer;
use self::rules::Rules;
use self::value::{Target, value};
use super::{Mapping, Named};
use crate::event::{Text, Type};
use crate::trigger::reader::{Declared, Fields, Keys, Reader};
use crate::trigger::report::{Report, Source};
use crate::trigger::yaml;

/// Declares the keys of a layer, and those of a mapping and a rule around them.
macro_rules! keys {
    ($($field:literal),*) => {
        const MAPPING: Keys = Keys {
            of: "a mapping",
            known: &["mapping", "about", "name", "names", "unmapped", "event", "events", "when", $($field),*],
            later: &[],
        };
        const RULE: Keys = Keys {
            of: "an event of a mapping",
            known: &["event", "when", $($field),*],
            later: &[],
        };
    };
}
keys!(
    "userId",
    "anonymousId",
    "messageId",
    "timestamp",
    "properties",
    "properties_from",
    "products",
    "traits",
    "traits_from",
    "consent",
    "campaign",
    "context_from"
);
/// Reads a mapping file.
///
/// # Errors
/// Everything that is wrong with it.
pub fn read(source: &Source, declared: Declared<'_>) -> Result<Mapping, Vec<Report>> {
    let mut reader = Reader::new(source, declared);
    let root = yaml::parse(source, &mut reader.reports);
    let mapping = root.and_then(|root| {
        let fields = reader.fields(&root, MAPPING)?;
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
    let any_case = word(reader, "names", &["exact", "any_case"]) == Some(Some("any_case"));
    let ignores = word(reader, "unmapped", &["dead-letter", "ignore"]) == Some(Some("ignore"));
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
