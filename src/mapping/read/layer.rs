//! What a mapping file, or one event of it, says of our fields.

use std::ops::Range;

use super::value::{PATHS, SHAPE as VALUE, Target, paths, value};
use crate::document::keys::{Keys, Known};
use crate::document::reader::{Fields, Reader};
use crate::document::report::Report;
use crate::document::suggest::{closest, listed};
use crate::document::yaml::{Node, Yaml};
use crate::event::record::{PRODUCT_FIELDS, TRAITS};
use crate::event::{Type, vocabulary};
use crate::mapping::path::Path;
use crate::mapping::value::Value;

const CAMPAIGN: [&str; 3] = ["source", "medium", "name"];

/// The keys of `products`, where they are found otherwise than by our names.
pub(super) const PRODUCTS: Keys = Keys {
    of: "products",
    known: &[
        Known::required("from", PATHS, "Where the list stands."),
        Known::optional("product_id", VALUE, "In each item: the product."),
        Known::optional("sku", VALUE, "In each item: its stock-keeping unit."),
        Known::optional("category", VALUE, "In each item: its category."),
        Known::optional(
            "price",
            VALUE,
            "In each item: the price of one, in major units.",
        ),
        Known::optional("quantity", VALUE, "In each item: how many."),
    ],
    later: &[],
};

/// What a file, or one event of it, says of fields.
#[derive(Debug, Default)]
pub(super) struct Layer {
    pub user_id: Option<Value>,
    pub anonymous_id: Option<Value>,
    pub previous_id: Option<Value>,
    pub message_id: Option<Value>,
    pub timestamp: Option<Value>,
    pub properties: Vec<Set>,
    pub properties_from: Vec<Path>,
    pub products: Option<Listed>,
    pub traits: Vec<Set>,
    pub traits_from: Vec<Path>,
    pub consent: Vec<Set>,
    pub campaign: Vec<Set>,
    pub context_from: Vec<Path>,
}

/// A field that is set, and where its name stands.
#[derive(Clone, Debug)]
pub(super) struct Set {
    pub name: String,
    pub span: Range<usize>,
    pub value: Value,
}

#[derive(Clone, Debug)]
pub(super) struct Listed {
    pub from: Vec<Path>,
    pub set: Vec<Set>,
}

impl Layer {
    pub(super) fn read(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Self {
        // One that cannot be read is told as such, and is not missing besides.
        let single = |reader: &mut Reader<'_>, name: &'static str, kind| {
            let node = fields.get(name)?;
            Some(value(reader, node, Target { name, kind }).unwrap_or_default())
        };
        let copied = |reader: &mut Reader<'_>, name| {
            fields
                .get(name)
                .and_then(|node| paths(reader, node))
                .unwrap_or_default()
        };
        let declared = reader.declared;
        let trait_kind = |name: &str| {
            let own = vocabulary::attribute(declared.attributes, name);
            own.or_else(|| TRAITS.contains(&name).then_some(Type::Text))
        };
        let vocabulary = declared.vocabulary;
        let property_kind =
            |name: &str| Some(vocabulary.property(vocabulary.property_named(name)?).kind);
        let properties: Vec<_> = vocabulary.properties().map(|it| it.name.as_str()).collect();
        let traits = TRAITS
            .iter()
            .copied()
            .chain(vocabulary::attributes(declared.attributes).map(|(name, _)| name));
        let traits: Vec<_> = traits.filter(|name| *name != "consent").collect();
        Self {
            user_id: single(reader, "userId", Type::Text),
            anonymous_id: single(reader, "anonymousId", Type::Text),
            previous_id: single(reader, "previousId", Type::Text),
            message_id: single(reader, "messageId", Type::Text),
            timestamp: single(reader, "timestamp", Type::Time),
            properties: sets(
                reader,
                fields.get("properties"),
                "property",
                &properties,
                property_kind,
            ),
            properties_from: copied(reader, "properties_from"),
            products: fields
                .get("products")
                .and_then(|node| products(reader, node)),
            traits: sets(
                reader,
                fields.get("traits"),
                "trait or attribute",
                &traits,
                trait_kind,
            ),
            traits_from: copied(reader, "traits_from"),
            consent: sets(reader, fields.get("consent"), "channel", &[], |_| {
                Some(Type::Bool)
            }),
            campaign: sets(
                reader,
                fields.get("campaign"),
                "field of a campaign",
                &CAMPAIGN,
                |name| CAMPAIGN.contains(&name).then_some(Type::Text),
            ),
            context_from: copied(reader, "context_from"),
        }
    }
}

/// A mapping from names of ours to values; `known` for suggestions, `kind` says the type of one that exists.
fn sets(
    reader: &mut Reader<'_>,
    node: Option<&Node>,
    what: &str,
    known: &[&str],
    kind: impl Fn(&str) -> Option<Type>,
) -> Vec<Set> {
    let Some(node) = node else { return Vec::new() };
    let Yaml::Map(entries) = &node.value else {
        reader.unexpected(node, "a mapping from our names to where their values stand");
        return Vec::new();
    };
    let mut found = Vec::new();
    for (key, node) in entries {
        let name = key.text.as_str();
        let Some(kind) = kind(name) else {
            let report = Report::at(
                reader.source,
                key.span.clone(),
                format!("we have no {what} `{name}`"),
            )
            .expected(expected(what, known))
            .suggest(closest(name, known.iter().copied()).map(str::to_owned));
            reader.reports.push(report);
            continue;
        };
        if let Some(value) = value(reader, node, Target { name, kind }) {
            found.push(Set {
                name: name.to_owned(),
                span: key.span.clone(),
                value,
            });
        }
    }
    found
}

fn expected(what: &str, known: &[&str]) -> String {
    match what {
        "property" => "a property of docs/reference/events.md, or one declared under [events] in the configuration".to_owned(),
        "trait or attribute" => format!(
            "one of {}, or one declared under [attributes] in the configuration",
            listed(known.iter().copied())
        ),
        _ => listed(known.iter().copied()),
    }
}

fn products(reader: &mut Reader<'_>, node: &Node) -> Option<Listed> {
    if !matches!(node.value, Yaml::Map(_)) {
        return Some(Listed {
            from: paths(reader, node)?,
            set: Vec::new(),
        });
    }
    let fields = reader.fields(node, PRODUCTS)?;
    let from = reader.required(&fields, "from", "where the list stands");
    let from = from.and_then(|node| paths(reader, node));
    let mut set = Vec::new();
    for (name, kind) in PRODUCT_FIELDS {
        let Some((key, node)) = fields.entry(name) else {
            continue;
        };
        if let Some(value) = value(reader, node, Target { name, kind }) {
            let (name, span) = (name.to_owned(), key.span.clone());
            set.push(Set { name, span, value });
        }
    }
    Some(Listed { from: from?, set })
}
