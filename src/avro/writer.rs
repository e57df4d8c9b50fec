//! A writer's schema, made ready to read its records, or the reason why these cannot be read.
//!
//! What must stay true: a schema that is readable resolves to ours by the rules of the Avro specification, and no record of it
//! can cost more than its bytes: a recursive schema would take the stack, and lists of nothing would take for ever.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::OnceLock;

use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::schema::{Name, RecordSchema};
use apache_avro::schema_compatibility::SchemaCompatibility;
use apache_avro::{Schema, util};
use serde::de::DeserializeOwned;

use super::local::{self, Version};
use crate::event::limits;

/// The largest schema, bytes of JSON: ours have 7 kB.
pub const SCHEMA_BYTES: usize = 1024 * 1024;
/// Values of one record that take no bytes: each is read all the same, and a list may repeat them.
const VOIDS: usize = 16;

/// A schema whose records can be read.
pub struct WriterSchema {
    reader: GenericDatumReader<'static>,
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
        check(&schema, times)?;
        let schema: &'static Schema = Box::leak(Box::new(schema));
        let reader = GenericDatumReader::builder(schema)
            .human_readable(false)
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Self { reader })
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

/// Whether what `writer` writes can be read as one of our records.
fn check(writer: &Schema, times: &BTreeSet<String>) -> Result<(), String> {
    let Schema::Record(record) = writer else {
        return Err("it is not a record".to_owned());
    };
    let name = record.name.name();
    let Some((_, ours)) = ours().iter().find(|(known, _)| known == name) else {
        let known: Vec<&str> = ours().iter().map(|(name, _)| name.as_str()).collect();
        return Err(format!(
            "the record is called `{name}`; expected one of {}",
            known.join(", ")
        ));
    };
    let mut walk = Walk {
        times,
        within: Vec::new(),
        known: HashMap::new(),
    };
    walk.record(record)?;
    SchemaCompatibility::can_read(writer, ours)
        .map(|_| ())
        .map_err(|error| format!("it cannot be read as our `{name}`: {error}"))
}

/// Our newest input records, by name.
fn ours() -> &'static [(String, Schema)] {
    static OURS: OnceLock<Vec<(String, Schema)>> = OnceLock::new();
    OURS.get_or_init(|| {
        let topics: BTreeSet<&str> = local::INPUTS.iter().map(|version| version.topic).collect();
        topics
            .into_iter()
            .map(|topic| parsed(&local::newest(topic)))
            .collect()
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

/// Goes through a schema once, to see what a record of it may cost.
struct Walk<'a> {
    times: &'a BTreeSet<String>,
    /// The records that this one is part of.
    within: Vec<Name>,
    /// What the named types cost that were seen.
    known: HashMap<Name, Cost>,
}

/// What one value costs to read.
#[derive(Clone, Copy)]
struct Cost {
    /// Values in it that take no bytes.
    voids: usize,
    /// Whether it may take no bytes at all.
    empty: bool,
}

const PLAIN: Cost = Cost {
    voids: 0,
    empty: false,
};
const VOID: Cost = Cost {
    voids: 1,
    empty: true,
};

impl Walk<'_> {
    fn record(&mut self, record: &RecordSchema) -> Result<Cost, String> {
        self.within.push(record.name.clone());
        let mut cost = VOID;
        for field in &record.fields {
            self.time(&field.name, &field.schema)?;
            let of_field = self.schema(&field.schema)?;
            cost.voids = cost.voids.saturating_add(of_field.voids);
            cost.empty &= of_field.empty;
        }
        if !cost.empty {
            cost.voids -= 1;
        }
        if cost.voids > VOIDS {
            return Err(format!(
                "it has more than {VOIDS} fields that take no bytes"
            ));
        }
        self.within.pop();
        self.known.insert(record.name.clone(), cost);
        Ok(cost)
    }

    fn schema(&mut self, schema: &Schema) -> Result<Cost, String> {
        match schema {
            Schema::Record(record) => self.record(record),
            Schema::Ref { name } if self.within.contains(name) => Err(format!(
                "it is recursive: `{}` contains itself",
                name.name()
            )),
            Schema::Ref { name } => Ok(self.known.get(name).copied().unwrap_or(PLAIN)),
            Schema::Null => Ok(VOID),
            Schema::Fixed(fixed) => {
                let cost = if fixed.size == 0 { VOID } else { PLAIN };
                self.known.insert(fixed.name.clone(), cost);
                Ok(cost)
            }
            Schema::Array(array) => {
                let items = self.schema(&array.items)?;
                if items.empty {
                    return Err("it has a list of what takes no bytes".to_owned());
                }
                Ok(PLAIN)
            }
            Schema::Map(map) => {
                self.schema(&map.types)?;
                Ok(PLAIN)
            }
            Schema::Union(union) => {
                let mut voids = 0;
                for variant in union.variants() {
                    let cost = self.schema(variant)?;
                    voids = voids.max(cost.voids - usize::from(cost.empty));
                }
                // The number of the variant takes a byte, so that one value of it is paid for.
                Ok(Cost {
                    voids,
                    empty: false,
                })
            }
            _ => Ok(PLAIN),
        }
    }

    /// The unit of a time is in the schema, not in the record; ours is the millisecond.
    fn time(&self, name: &str, schema: &Schema) -> Result<(), String> {
        let variants = match schema {
            Schema::Union(union) => union.variants(),
            one => std::slice::from_ref(one),
        };
        let in_ms = |schema: &Schema| {
            !matches!(
                schema,
                Schema::TimestampMicros
                    | Schema::TimestampNanos
                    | Schema::LocalTimestampMillis
                    | Schema::LocalTimestampMicros
                    | Schema::LocalTimestampNanos
            )
        };
        if self.times.contains(name) && !variants.iter().all(in_ms) {
            return Err(format!(
                "its `{name}` is in another unit; expected the logical type timestamp-millis"
            ));
        }
        Ok(())
    }
}
