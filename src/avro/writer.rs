//! A writer's schema, made ready to read its records, or the reason why these cannot be read.
//!
//! What must stay true: a schema that is readable resolves to ours ([`fit`]), and no record of it costs more than its bytes
//! ([`cost`]). Both are seen once a schema, so that nothing of it is asked of a record.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::OnceLock;

use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::{Schema, util};
use serde::de::DeserializeOwned;

use super::fit::{Measured, Shape};
use super::local::{self, Version};
use super::{cost, fit};
use crate::event::limits;

/// The largest schema, bytes of JSON: ours have 7 kB.
pub const SCHEMA_BYTES: usize = 1024 * 1024;

/// A schema whose records can be read.
pub struct WriterSchema {
    reader: GenericDatumReader<'static>,
    units: Vec<Measured>,
}

impl fmt::Debug for WriterSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WriterSchema")
    }
}

impl WriterSchema {
    /// Parses and checks a schema. `times` are the names of fields that are instants. The schema is never freed: it is needed as
    /// long as the process may meet its records, and [`super::SCHEMAS_MAX`] bounds how many there are.
    ///
    /// # Errors
    /// Why its records cannot be read, in a sentence.
    pub fn parse(text: &str, times: &BTreeSet<String>) -> Result<Self, String> {
        // A length in a record may say anything; this is apache-avro's bound on what it allocates for one. It can be set once.
        util::max_allocation_bytes(limits::RECORD_BYTES);
        if text.len() > SCHEMA_BYTES {
            return Err(format!(
                "the schema has {} bytes, more than {SCHEMA_BYTES}",
                text.len()
            ));
        }
        let schema =
            Schema::parse_str(text).map_err(|error| format!("it is no Avro schema: {error}"))?;
        let units = check(&schema, times)?;
        let schema: &'static Schema = Box::leak(Box::new(schema));
        let reader = GenericDatumReader::builder(schema)
            .human_readable(false)
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Self { reader, units })
    }

    /// The fields whose values are in a unit that the records do not say: mostly none.
    #[must_use]
    pub fn units(&self) -> &[Measured] {
        &self.units
    }

    /// Reads one datum, all of it.
    ///
    /// # Errors
    /// Where the bytes are not of this schema.
    pub fn read<T: DeserializeOwned>(&self, mut datum: &[u8]) -> Result<T, String> {
        let value = self.reader.read_deser(&mut datum);
        let value = value.map_err(|error| shortened(&error.to_string()))?;
        match datum.len() {
            0 => Ok(value),
            left => Err(format!("{left} bytes are left after the record")),
        }
    }
}

/// Errors of the library show whole schemas.
fn shortened(text: &str) -> String {
    const ENOUGH: usize = 200;
    if text.len() <= ENOUGH {
        return text.to_owned();
    }
    format!("{}...", &text[..text.floor_char_boundary(ENOUGH)])
}

/// Whether what `writer` writes can be read as one of our records, and the units of what it writes.
fn check(writer: &Schema, times: &BTreeSet<String>) -> Result<Vec<Measured>, String> {
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
