//! Types that a company declares of its attributes and of the properties of its events.

use std::collections::BTreeMap;
use std::ops::Deref;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::event::Type;

/// Names and the names of their types; of an object, those of what stands in it, as `guest.country`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "BTreeMap<String, Declared>")]
pub struct Types(BTreeMap<String, String>);

#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "expected the name of a type, or an object of names and types"
)]
enum Declared {
    Value(String),
    Object(BTreeMap<String, String>),
}

impl From<BTreeMap<String, Declared>> for Types {
    fn from(declared: BTreeMap<String, Declared>) -> Self {
        let mut types = BTreeMap::new();
        for (name, declared) in declared {
            match declared {
                Declared::Value(kind) => drop(types.insert(name, kind)),
                Declared::Object(held) => types.extend(
                    held.into_iter()
                        .map(|(held, kind)| (format!("{name}.{held}"), kind)),
                ),
            }
        }
        Self(types)
    }
}

impl Deref for Types {
    type Target = BTreeMap<String, String>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl JsonSchema for Types {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Types".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let value = json_schema!({ "type": "string", "enum": Type::NAMES });
        let object = json_schema!({ "type": "object", "additionalProperties": value });
        json_schema!({ "type": "object", "additionalProperties": { "anyOf": [value, object] } })
    }
}
