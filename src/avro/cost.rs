//! What a record may cost to read, by its schema alone: its depth of stack, its memory, its time.
//!
//! What must stay true: no record of a schema that passes costs more than its bytes. A recursive schema, or a long chain of named
//! types, would take the stack; lists of nothing would take for ever; a `fixed` larger than a record is in none.

use std::collections::HashMap;

use apache_avro::Schema;
use apache_avro::schema::{FixedSchema, InnerDecimalSchema, Name, RecordSchema, UuidSchema};

use crate::event::limits;

/// Values of one record that take no bytes: each is read all the same, and a list may repeat them.
const VOIDS: usize = 16;
/// Types within types: ours have 7, and each is a call within a call when a record is read.
const DEPTH: usize = 64;

/// Whether records of these schemas can be read within bounds; those that others refer to come first.
pub fn check<'a>(schemas: impl IntoIterator<Item = &'a Schema>) -> Result<(), String> {
    let mut walk = Walk::default();
    schemas
        .into_iter()
        .try_for_each(|schema| walk.schema(schema).map(drop))
}

/// Goes through schemas once, to see what a record of them may cost.
#[derive(Default)]
struct Walk {
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
    /// Types within types.
    depth: usize,
}

const PLAIN: Cost = Cost {
    voids: 0,
    empty: false,
    depth: 1,
};
const VOID: Cost = Cost {
    voids: 1,
    empty: true,
    depth: 1,
};

impl Cost {
    /// Of what takes bytes of its own, around one of these.
    fn around(self) -> Result<Self, String> {
        PLAIN.with(self)
    }

    /// The same with this one inside.
    fn with(self, inner: Self) -> Result<Self, String> {
        let depth = self.depth.max(inner.depth + 1);
        if depth > DEPTH {
            return Err(format!("it has more than {DEPTH} types within each other"));
        }
        Ok(Self { depth, ..self })
    }
}

impl Walk {
    fn schema(&mut self, schema: &Schema) -> Result<Cost, String> {
        match schema {
            Schema::Record(record) => self.record(record),
            Schema::Ref { name } if self.within.contains(name) => Err(format!(
                "it is recursive: `{}` contains itself",
                name.name()
            )),
            Schema::Ref { name } => Ok(self.known.get(name).copied().unwrap_or(PLAIN)),
            Schema::Null => Ok(VOID),
            Schema::Fixed(fixed) | Schema::Duration(fixed) => self.fixed(fixed),
            Schema::Uuid(UuidSchema::Fixed(fixed)) => self.fixed(fixed),
            Schema::Decimal(decimal) => match &decimal.inner {
                InnerDecimalSchema::Fixed(fixed) => self.fixed(fixed),
                InnerDecimalSchema::Bytes => Ok(PLAIN),
            },
            Schema::Array(array) => {
                let items = self.schema(&array.items)?;
                if items.empty {
                    return Err("it has a list of what takes no bytes".to_owned());
                }
                items.around()
            }
            Schema::Map(map) => self.schema(&map.types)?.around(),
            Schema::Union(union) => {
                // The number of the variant takes a byte, so that one value of it is paid for.
                let mut cost = PLAIN;
                for variant in union.variants() {
                    let of_variant = self.schema(variant)?;
                    let voids = of_variant.voids - usize::from(of_variant.empty);
                    cost.voids = cost.voids.max(voids);
                    cost = cost.with(of_variant)?;
                }
                Ok(cost)
            }
            _ => Ok(PLAIN),
        }
    }

    fn record(&mut self, record: &RecordSchema) -> Result<Cost, String> {
        self.within.push(record.name.clone());
        let mut cost = VOID;
        for field in &record.fields {
            let of_field = self.schema(&field.schema)?;
            cost.voids = cost.voids.saturating_add(of_field.voids);
            cost.empty &= of_field.empty;
            cost = cost.with(of_field)?;
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

    /// A value of it has all its bytes in the record.
    fn fixed(&mut self, fixed: &FixedSchema) -> Result<Cost, String> {
        if fixed.size > limits::RECORD_BYTES {
            return Err(format!(
                "`{}` has {} bytes, more than a record may have, {}",
                fixed.name.name(),
                fixed.size,
                limits::RECORD_BYTES
            ));
        }
        let cost = if fixed.size == 0 { VOID } else { PLAIN };
        self.known.insert(fixed.name.clone(), cost);
        Ok(cost)
    }
}
