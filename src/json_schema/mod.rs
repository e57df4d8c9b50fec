//! JSON Schemas of the files that people write, for editors: made from the tables and types that read those files.
//!
//! Draft 7, which the language servers of YAML and TOML have in common. A schema says less than the reader, which also
//! knows expressions, events and what fits together; what a schema refuses, the reader refuses too.

mod shape;

use clap::ValueEnum;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::config::Config;
use crate::document::keys::Shape;
use crate::event::Vocabulary;
use crate::fact;
use crate::mapping;
use crate::model;
use crate::referral;
use crate::scenario::mapping::TEST;
use crate::scenario::{self, SCENARIO};
use crate::segment;
use crate::suppression;
use crate::trigger::definition;
use crate::trigger::policy::file;
use crate::trigger::table;

/// Which files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// a trigger, `NAME.yaml`
    Trigger,
    /// what is measured, a fact, `NAME.yaml`
    Fact,
    /// what scores customers, a model, `NAME.yaml`
    Model,
    /// who is meant by a name, a segment, `NAME.yaml`
    Segment,
    /// who is sent nothing, a suppression list, `NAME.yaml`
    Suppression,
    /// by what customers bring friends, a referral, `NAME.yaml`
    Referral,
    /// what is looked up, a reference table, `NAME.yaml`
    Table,
    /// labels of recency, frequency and monetary value, `NAME.yaml`
    Labels,
    /// a group of personas, `NAME.yaml`
    Personas,
    /// the path: stages and milestones, `NAME.yaml`
    Path,
    /// the scenarios of a trigger, `NAME.test.yaml`
    Scenario,
    /// how foreign records become events, of a mapping
    Mapping,
    /// the tests of a mapping, `NAME.test.yaml`
    MappingTest,
    /// the configuration, `moments.toml`
    Config,
    /// what is common to all triggers, `policy.yaml`
    Policy,
}

impl Kind {
    /// The file below the checkout that keeps its schema.
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Self::Trigger => "schemas/json/trigger.json",
            Self::Fact => "schemas/json/fact.json",
            Self::Model => "schemas/json/model.json",
            Self::Segment => "schemas/json/segment.json",
            Self::Suppression => "schemas/json/suppression.json",
            Self::Referral => "schemas/json/referral.json",
            Self::Table => "schemas/json/table.json",
            Self::Labels => "schemas/json/labels.json",
            Self::Personas => "schemas/json/personas.json",
            Self::Path => "schemas/json/path.json",
            Self::Scenario => "schemas/json/scenario.json",
            Self::Mapping => "schemas/json/mapping.json",
            Self::MappingTest => "schemas/json/mapping-test.json",
            Self::Config => "schemas/json/config.json",
            Self::Policy => "schemas/json/policy.json",
        }
    }

    /// Its schema.
    #[must_use]
    pub fn schema(self) -> Value {
        match self {
            Self::Trigger => rooted("A trigger of moments", &Shape::Mapping(&definition::KEYS)),
            Self::Fact => rooted("A fact of moments", &Shape::Mapping(&fact::KEYS)),
            Self::Model => rooted("A model of moments", &Shape::Mapping(&model::KEYS)),
            Self::Suppression => rooted(
                "A suppression list of moments",
                &Shape::Mapping(&suppression::KEYS),
            ),
            Self::Referral => rooted("A referral of moments", &Shape::Mapping(&referral::KEYS)),
            Self::Table => rooted(
                "A reference table of moments",
                &Shape::Mapping(&table::KEYS),
            ),
            Self::Labels => standing(&segment::LABELS),
            Self::Segment => standing(&segment::SEGMENT),
            Self::Personas => standing(&segment::PERSONAS),
            Self::Path => standing(&segment::PATH),
            Self::Scenario => rooted("Scenarios of a trigger of moments", &SCENARIOS),
            Self::Mapping => rooted("A mapping of moments", &Shape::Mapping(&mapping::KEYS)),
            Self::MappingTest => rooted("Tests of a mapping of moments", &TESTS),
            Self::Config => typed::<Config>("Configuration of moments"),
            Self::Policy => rooted("The policy of moments", &Shape::Mapping(&file::KEYS)),
        }
    }

    /// Its schema as it is kept and printed.
    #[must_use]
    pub fn text(self) -> String {
        format!("{:#}\n", self.schema())
    }
}

/// Of a file that declares where customers stand.
fn standing(file: &segment::File) -> Value {
    rooted(file.title, &Shape::Mapping(file.keys))
}

/// A file of scenarios.
const SCENARIOS: Shape = Shape::List(&Shape::Mapping(&SCENARIO), 1, scenario::limits::SCENARIOS);
/// A file of tests of a mapping.
const TESTS: Shape = Shape::List(&Shape::Mapping(&TEST), 1, scenario::limits::SCENARIOS);

/// A schema with what only the root has: its draft, its title, and the shapes that are referred to.
fn rooted(title: &str, root: &Shape) -> Value {
    let mut definitions = Map::new();
    let mut schema = shape::shape(root, &mut definitions);
    schema["$schema"] = "http://json-schema.org/draft-07/schema#".into();
    schema["title"] = title.into();
    let vocabulary = Vocabulary::standard();
    let names: Vec<_> = vocabulary
        .events()
        .map(|event| event.name.as_str())
        .collect();
    // A company's own events are not known here; `moments check` knows them.
    let event = json!({
        "description": "The name of an event.",
        "anyOf": [{ "enum": names }, { "type": "string", "minLength": 1 }],
    });
    definitions.insert("event".to_owned(), event);
    schema["definitions"] = definitions.into();
    schema
}

/// The schema of a type that serde reads.
fn typed<T: JsonSchema>(title: &str) -> Value {
    let generator = SchemaSettings::draft07().into_generator();
    let mut schema = generator.into_root_schema_for::<T>().to_value();
    schema["title"] = title.into();
    schema
}
