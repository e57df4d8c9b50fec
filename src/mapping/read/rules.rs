//! The rules of a mapping file: what each foreign event says, laid over what is common, and checked to be whole.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::RULE;
use super::layer::{Layer, Set};
use super::value::conditions;
use crate::document::reader::{Declared, Fields, Reader};
use crate::document::report::Report;
use crate::document::suggest::{closest, listed};
use crate::document::yaml::{Node, Yaml};
use crate::event::record::{PRODUCT_FIELDS, TRAITS};
use crate::event::vocabulary::EventSpec;
use crate::event::{Text, Vocabulary};
use crate::mapping::condition::Condition;
use crate::mapping::path::Path;
use crate::mapping::rule::{self, Names, Object, Products, Rule};
use crate::mapping::value::Value;
use crate::mapping::{Named, counted};

/// Foreign names of one mapping: more than any tool has.
const NAMES_MAX: usize = 1000;
/// The rules of a file, as they are gathered.
pub(super) struct Rules<'l> {
    common: &'l Layer,
    any_case: bool,
    pub by_name: HashMap<Text, Named>,
    /// Our events that are made.
    events: BTreeSet<String>,
}

impl<'l> Rules<'l> {
    pub(super) fn new(common: &'l Layer, any_case: bool) -> Self {
        Self {
            common,
            any_case,
            by_name: HashMap::new(),
            events: BTreeSet::new(),
        }
    }

    pub(super) fn events(&mut self, reader: &mut Reader<'_>, node: &Node) {
        const EXPECTED: &str = "by foreign name, the name of our event, `ignore`, a mapping with `event`, or a list of such mappings";
        let entries = match &node.value {
            Yaml::Map(entries) if (1..=NAMES_MAX).contains(&entries.len()) => entries,
            _ => return reader.unexpected(node, EXPECTED),
        };
        for (key, node) in entries {
            let named = match &node.value {
                Yaml::Scalar { text, .. } if text == "ignore" => Some(Named::Ignore),
                Yaml::Scalar { .. } => self
                    .plain(reader, node)
                    .map(|rule| Named::Rules(vec![rule])),
                Yaml::List(items) => {
                    let rules: Vec<_> = items
                        .iter()
                        .map(|item| self.written(reader, item))
                        .collect();
                    rules.into_iter().collect::<Option<_>>().map(Named::Rules)
                }
                Yaml::Map(_) => self
                    .written(reader, node)
                    .map(|rule| Named::Rules(vec![rule])),
            };
            let (Some(named), name) = (named, counted(&key.text, self.any_case)) else {
                continue;
            };
            if self.by_name.insert(name, named).is_some() {
                let message = format!("`{}` counts as the same name as another here", key.text);
                reader.fails(
                    &key.span,
                    message,
                    "each name once; `names: any_case` counts letters and digits alone".to_owned(),
                );
            }
        }
    }

    fn plain(&mut self, reader: &mut Reader<'_>, node: &Node) -> Option<Rule> {
        let name = reader.any_event_name(node)?;
        let spec = reader.declared.vocabulary.event(name)?;
        self.finished(reader, node, spec, Vec::new(), &Layer::default())
    }

    fn written(&mut self, reader: &mut Reader<'_>, node: &Node) -> Option<Rule> {
        let fields = reader.fields(node, RULE)?;
        let own = Layer::read(reader, &fields);
        self.rule(reader, &fields, &own)
    }

    pub(super) fn rule(
        &mut self,
        reader: &mut Reader<'_>,
        fields: &Fields<'_>,
        own: &Layer,
    ) -> Option<Rule> {
        let node = reader.required(fields, "event", "the name of our event")?;
        let name = reader.any_event_name(node)?;
        let when = match fields.get("when") {
            Some(node) => conditions(reader, node)?,
            None => Vec::new(),
        };
        let spec = reader.declared.vocabulary.event(name)?;
        self.finished(reader, node, spec, when, own)
    }

    /// Lays what an event says over what is common, and checks that it is whole.
    fn finished(
        &mut self,
        reader: &mut Reader<'_>,
        node: &Node,
        spec: &EventSpec,
        when: Vec<Condition>,
        own: &Layer,
    ) -> Option<Rule> {
        let vocabulary = reader.declared.vocabulary;
        self.events.insert(spec.name.clone());
        for set in own
            .properties
            .iter()
            .filter(|set| !carries(vocabulary, spec, &set.name))
        {
            let known: Vec<_> = names_of(vocabulary, spec).collect();
            let report = Report::at(
                reader.source,
                set.span.clone(),
                format!("`{}` has no property `{}`", spec.name, set.name),
            )
            .expected(format!(
                "one of {}, or one declared under [events] in the configuration",
                listed(known.iter().copied())
            ))
            .suggest(closest(&set.name, known.iter().copied()).map(str::to_owned));
            reader.reports.push(report);
        }
        let fields = self.fields(reader.declared, spec, own);
        for (found, what) in [
            (
                fields.user_id.is_some() || fields.anonymous_id.is_some(),
                "`userId` or `anonymousId`: whose event it is",
            ),
            (fields.timestamp.is_some(), "`timestamp`: when it happened"),
        ] {
            if !found {
                let message = format!(
                    "nothing says {} of `{}`",
                    what.split(": ").nth(1).unwrap_or_default(),
                    spec.name
                );
                reader.fails(&node.span, message, what.to_owned());
            }
        }
        Some(Rule {
            event: spec.name.clone(),
            when,
            fields,
        })
    }

    fn fields(&self, declared: Declared<'_>, spec: &EventSpec, own: &Layer) -> rule::Fields {
        let common = self.common;
        let (vocabulary, any_case) = (declared.vocabulary, self.any_case);
        let one =
            |own: &Option<Value>, common: &Option<Value>| own.clone().or_else(|| common.clone());
        let from = |own: &Vec<Path>, common: &Vec<Path>| {
            if own.is_empty() {
                common.clone()
            } else {
                own.clone()
            }
        };
        let laid = |own: &[Set], common: &[Set]| -> Vec<(String, Value)> {
            let rest = common
                .iter()
                .filter(|set| own.iter().all(|own| own.name != set.name));
            own.iter()
                .chain(rest)
                .map(|set| (set.name.clone(), set.value.clone()))
                .collect()
        };
        let carried = |set: &(String, Value)| carries(vocabulary, spec, &set.0);
        let properties: Vec<_> = laid(&own.properties, &common.properties)
            .into_iter()
            .filter(carried)
            .collect();
        let traits = laid(&own.traits, &common.traits);
        let products = own.products.as_ref().or(common.products.as_ref());
        // What is set is not copied as well.
        let copied = |names: &mut dyn Iterator<Item = &str>, set: &[(String, Value)]| {
            let kept = names.filter(|name| set.iter().all(|(known, _)| known != name));
            Arc::new(Names::new(kept, any_case))
        };
        let known_traits = TRAITS
            .iter()
            .copied()
            .chain(declared.attributes.keys().map(String::as_str));
        rule::Fields {
            user_id: one(&own.user_id, &common.user_id),
            anonymous_id: one(&own.anonymous_id, &common.anonymous_id),
            previous_id: one(&own.previous_id, &common.previous_id),
            message_id: one(&own.message_id, &common.message_id),
            timestamp: one(&own.timestamp, &common.timestamp),
            properties: Object {
                from: from(&own.properties_from, &common.properties_from),
                names: copied(&mut names_of(vocabulary, spec), &properties),
                set: properties,
            },
            products: products.map(|listed| {
                let set = laid(&listed.set, &[]);
                Products {
                    from: listed.from.clone(),
                    item: Object {
                        from: vec![Path::itself()],
                        names: copied(&mut PRODUCT_FIELDS.iter().map(|(name, _)| *name), &set),
                        set,
                    },
                }
            }),
            traits: Object {
                from: from(&own.traits_from, &common.traits_from),
                names: copied(&mut known_traits.into_iter(), &traits),
                set: traits,
            },
            consent: laid(&own.consent, &common.consent),
            campaign: laid(&own.campaign, &common.campaign),
            context_from: from(&own.context_from, &common.context_from),
        }
    }

    /// Where case does not count, an event that is called as ours is ours.
    pub(super) fn rest(&mut self, reader: &mut Reader<'_>, node: &Node) {
        let (declared, common) = (reader.declared, self.common);
        if common.timestamp.is_none() || common.user_id.is_none() && common.anonymous_id.is_none() {
            let message = "`names: any_case` takes events that are not listed, and nothing says whose and when they are";
            let start = node.span.start..node.span.start;
            reader.fails(
                &start,
                message,
                "`timestamp`, and `userId` or `anonymousId`, for all events".to_owned(),
            );
        }
        for spec in declared.vocabulary.events() {
            let name = counted(&spec.name, true);
            if self.by_name.contains_key(&name) {
                continue;
            }
            self.events.insert(spec.name.clone());
            let rule = Rule {
                event: spec.name.clone(),
                when: Vec::new(),
                fields: self.fields(declared, spec, &Layer::default()),
            };
            self.by_name.insert(name, Named::Rules(vec![rule]));
        }
    }

    /// A common property that no event has is a mistake.
    pub(super) fn check_common(&self, reader: &mut Reader<'_>) {
        let vocabulary = reader.declared.vocabulary;
        for set in &self.common.properties {
            let carried = vocabulary.events().any(|spec| {
                self.events.contains(&spec.name) && carries(vocabulary, spec, &set.name)
            });
            if !carried {
                let events = listed(self.events.iter().map(String::as_str));
                reader.fails(
                    &set.span,
                    format!("no event of this mapping has a property `{}`", set.name),
                    format!("a property of {events}"),
                );
            }
        }
    }
}

fn carries(vocabulary: &Vocabulary, spec: &EventSpec, property: &str) -> bool {
    let id = vocabulary.property_of(spec, property);
    id.is_some_and(|id| spec.properties.contains(&id))
}

/// The names of the properties that an event carries.
fn names_of<'v>(vocabulary: &'v Vocabulary, spec: &'v EventSpec) -> impl Iterator<Item = &'v str> {
    let properties = spec.properties.iter();
    properties.map(|id| vocabulary.property(*id).name.as_str())
}
