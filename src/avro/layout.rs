//! How the values of a schema lie in a datum: enough to read one, or to pass over it.
//!
//! Names are looked up once, here. A type that is used in many places is laid out once and shared, so that a schema's layout is as
//! large as the schema. [`cost`](super::cost) has seen before that no type contains itself, how deep types lie within each other,
//! and that no list is of what takes no bytes.

use std::collections::HashMap;
use std::sync::Arc;

use apache_avro::Schema;
use apache_avro::schema::{DecimalSchema, InnerDecimalSchema, Name, NamesRef, UuidSchema};

use super::datum::{Blocks, Datum, Fault};
use crate::event::Text;

/// How the values of one schema lie in a datum.
#[derive(Clone, Debug)]
pub enum Layout {
    /// No bytes.
    Null,
    /// One byte.
    Boolean,
    /// A varint of 32 bits.
    Int,
    /// A varint of 64 bits.
    Long,
    /// An int that counts days since 1970.
    Days,
    /// 4 bytes.
    Float,
    /// 8 bytes.
    Double,
    /// A length and bytes.
    Bytes,
    /// So many bytes.
    Fixed(usize),
    /// A whole number in the two's complement, big-endian.
    Decimal {
        /// Digits after the point.
        scale: i32,
        /// So many bytes; none: a length stands before them.
        size: Option<usize>,
    },
    /// A length and UTF-8.
    String,
    /// The place of a symbol.
    Enum(Box<[Text]>),
    /// The place of a branch, and its value.
    Union(Box<[Self]>),
    /// Blocks of items.
    Array(Box<Self>),
    /// Blocks of strings and values.
    Map(Box<Self>),
    /// One field after the other.
    Record(Box<[Self]>),
    /// A type with a name, which others may use too.
    Named(Arc<Self>),
}

impl Layout {
    /// The one that a value has: a union's branch is read, a name is followed.
    ///
    /// # Errors
    /// Where the union has no such branch.
    #[inline]
    pub fn chosen(&self, datum: &mut Datum<'_>) -> Result<&Self, Fault> {
        let mut chosen = self;
        loop {
            chosen = match chosen {
                Self::Union(branches) => datum.one_of(branches, Fault::Branch)?,
                Self::Named(named) => named,
                other => return Ok(other),
            }
        }
    }

    /// Passes over a value, as strictly as if it were read.
    ///
    /// # Errors
    /// Where it is none of this schema.
    pub fn skip(&self, datum: &mut Datum<'_>) -> Result<(), Fault> {
        match self {
            Self::Null => {}
            Self::Boolean => drop(datum.boolean()?),
            Self::Int | Self::Days => drop(datum.int()?),
            Self::Long => drop(datum.long()?),
            Self::Float => drop(datum.float()?),
            Self::Double => drop(datum.double()?),
            Self::Bytes => drop(datum.bytes()?),
            Self::Fixed(size) => drop(datum.fixed(*size)?),
            Self::Decimal { size, .. } => drop(datum.sized(*size)?),
            Self::String => drop(datum.string()?),
            Self::Enum(symbols) => drop(datum.one_of(symbols, Fault::Symbol)?),
            Self::Union(_) | Self::Named(_) => self.chosen(datum)?.skip(datum)?,
            Self::Array(items) => {
                let mut blocks = Blocks::default();
                while blocks.next(datum)? {
                    items.skip(datum)?;
                }
            }
            Self::Map(values) => {
                let mut blocks = Blocks::default();
                while blocks.next(datum)? {
                    datum.string()?;
                    values.skip(datum)?;
                }
            }
            Self::Record(fields) => fields.iter().try_for_each(|field| field.skip(datum))?,
        }
        Ok(())
    }
}

/// Makes layouts of the types of one schema.
#[derive(Debug)]
pub(super) struct Layouts<'a> {
    names: &'a NamesRef<'a>,
    known: HashMap<&'a Name, Layout>,
}

impl<'a> Layouts<'a> {
    /// Of a schema with these types.
    pub fn new(names: &'a NamesRef<'a>) -> Self {
        let known = HashMap::new();
        Self { names, known }
    }

    /// The type that a name stands for.
    pub fn resolved(&self, schema: &'a Schema) -> Result<&'a Schema, String> {
        let Schema::Ref { name } = schema else {
            return Ok(schema);
        };
        let known = self.names.get(name).copied();
        known.ok_or_else(|| format!("it has no type `{}`", name.name()))
    }

    /// Values that are read in a unit that the schema says: decimals and days are what they stand for.
    pub fn measured(&mut self, schema: &'a Schema) -> Result<Layout, String> {
        match self.resolved(schema)? {
            Schema::Date => Ok(Layout::Days),
            Schema::Decimal(DecimalSchema { scale, inner, .. }) => Ok(Layout::Decimal {
                scale: i32::try_from(*scale).unwrap_or(i32::MAX),
                size: size(inner),
            }),
            Schema::Union(union) => {
                let branches = union.variants().iter();
                let branches = branches.map(|branch| self.measured(branch));
                branches.collect::<Result<_, _>>().map(Layout::Union)
            }
            _ => self.plain(schema),
        }
    }

    /// Values as they are written.
    pub fn plain(&mut self, schema: &'a Schema) -> Result<Layout, String> {
        Ok(match schema {
            Schema::Null => Layout::Null,
            Schema::Boolean => Layout::Boolean,
            Schema::Int | Schema::Date | Schema::TimeMillis => Layout::Int,
            Schema::Long
            | Schema::TimeMicros
            | Schema::TimestampMillis
            | Schema::TimestampMicros
            | Schema::TimestampNanos
            | Schema::LocalTimestampMillis
            | Schema::LocalTimestampMicros
            | Schema::LocalTimestampNanos => Layout::Long,
            Schema::Float => Layout::Float,
            Schema::Double => Layout::Double,
            Schema::Bytes | Schema::BigDecimal | Schema::Uuid(UuidSchema::Bytes) => Layout::Bytes,
            Schema::String | Schema::Uuid(UuidSchema::String) => Layout::String,
            Schema::Fixed(fixed)
            | Schema::Uuid(UuidSchema::Fixed(fixed))
            | Schema::Duration(fixed) => Layout::Fixed(fixed.size),
            Schema::Decimal(decimal) => size(&decimal.inner).map_or(Layout::Bytes, Layout::Fixed),
            Schema::Array(array) => Layout::Array(Box::new(self.plain(&array.items)?)),
            Schema::Map(map) => Layout::Map(Box::new(self.plain(&map.types)?)),
            Schema::Union(union) => {
                let branches = union.variants().iter();
                let branches = branches.map(|branch| self.plain(branch));
                Layout::Union(branches.collect::<Result<_, _>>()?)
            }
            Schema::Enum(of) => self.named(&of.name, |_| {
                Ok(Layout::Enum(of.symbols.iter().map(Text::from).collect()))
            })?,
            Schema::Record(record) => self.named(&record.name, |this| {
                let fields = record.fields.iter();
                let fields = fields.map(|field| this.plain(&field.schema));
                Ok(Layout::Record(fields.collect::<Result<_, _>>()?))
            })?,
            Schema::Ref { .. } => self.plain(self.resolved(schema)?)?,
        })
    }

    /// A type with a name: made once, then shared.
    fn named(
        &mut self,
        name: &'a Name,
        make: impl FnOnce(&mut Self) -> Result<Layout, String>,
    ) -> Result<Layout, String> {
        if let Some(known) = self.known.get(name) {
            return Ok(known.clone());
        }
        let layout = Layout::Named(Arc::new(make(self)?));
        self.known.insert(name, layout.clone());
        Ok(layout)
    }
}

fn size(inner: &InnerDecimalSchema) -> Option<usize> {
    match inner {
        InnerDecimalSchema::Bytes => None,
        InnerDecimalSchema::Fixed(fixed) => Some(fixed.size),
    }
}
