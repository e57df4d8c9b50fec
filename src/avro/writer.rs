//! A writer's schema, made ready to read its records, or the reason why these cannot be read.
//!
//! What must stay true: a schema that is readable resolves to ours ([`fit`]), and no record of it costs more than its bytes
//! ([`cost`]). Both are seen once a schema, and how its records are read is found then ([`Plan`]), so that nothing of it is asked
//! of a record.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use apache_avro::Schema;

use super::fit::Shape;
use super::local::{self, Version};
use super::plan::Plan;
use super::{cost, fit};

/// The largest schema, bytes of JSON: ours have 7 kB.
pub const SCHEMA_BYTES: usize = 1024 * 1024;

/// A schema whose records can be read.
#[derive(Debug)]
pub struct WriterSchema {
    plan: Plan,
}

impl WriterSchema {
    /// Parses and checks a schema. `times` are the names of fields that are instants.
    ///
    /// # Errors
    /// Why its records cannot be read, in a sentence.
    pub fn parse(text: &str, times: &BTreeSet<String>) -> Result<Self, String> {
        if text.len() > SCHEMA_BYTES {
            return Err(format!(
                "the schema has {} bytes, more than {SCHEMA_BYTES}",
                text.len()
            ));
        }
        let schema =
            Schema::parse_str(text).map_err(|error| format!("it is no Avro schema: {error}"))?;
        check(&schema, times)?;
        let plan = Plan::of(&schema)?;
        Ok(Self { plan })
    }

    /// How its records are read.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }
}

/// Whether what `writer` writes can be read as one of our records.
fn check(writer: &Schema, times: &BTreeSet<String>) -> Result<(), String> {
    cost::check([writer])?;
    let Schema::Record(record) = writer else {
        return Err("it is not a record".to_owned());
    };
    let (names, ours) = ours();
    let name = record.name.name();
    if !names.iter().any(|known| known == name) {
        return Err(format!(
            "the record is called `{name}`; expected one of {}",
            names.join(", ")
        ));
    }
    let unfit = |detail| format!("it cannot be read as our `{name}`: {detail}");
    if !record.fields.iter().any(|field| field.name == "timestamp") {
        return Err(unfit("it has no field `timestamp`".to_owned()));
    }
    fit::check(writer, ours, times).map_err(unfit)
}

/// The names of our newest input records, and what is read of each of them.
fn ours() -> &'static (Vec<String>, Shape) {
    static OURS: OnceLock<(Vec<String>, Shape)> = OnceLock::new();
    OURS.get_or_init(|| {
        let topics: BTreeSet<&str> = local::INPUTS.iter().map(|version| version.topic).collect();
        let mut names = Vec::new();
        let mut shape = Shape::Record(BTreeMap::new());
        for topic in topics {
            let (name, schema) = parsed(&local::newest(topic));
            names.push(name);
            shape.merge(Shape::of(&schema));
        }
        (names, shape)
    })
}

/// A schema of ours and the name of its record.
pub(super) fn parsed(version: &Version) -> (String, Schema) {
    #[expect(clippy::expect_used, reason = "a test parses all of them")]
    let schema = Schema::parse_str(version.text).expect("our own schema");
    #[expect(clippy::expect_used, reason = "a test parses all of them")]
    let name = schema.name().expect("a record").name().to_owned();
    (name, schema)
}
