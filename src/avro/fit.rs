//! Whether what a writer writes can be read as our records: field by field, by name, as the Avro specification resolves it.
//!
//! What must stay true: of a schema that fits, every value of every field that we have can be read, in whatever branch of a union
//! it stands, but for what only a value tells (bytes that are no text). So nothing is lost that nobody sees. Null always
//! fits: it says nothing. The names of records within the record say nothing either.
//!
//! Some values cannot be read without their schema: the digits of a decimal, the days of a date. A field has one [`Unit`], whatever
//! record or branch it is written in.

use std::collections::{BTreeMap, BTreeSet};

use apache_avro::Schema;
use apache_avro::schema::{NamesRef, RecordSchema, ResolvedSchema, UuidSchema};

/// Branches of one union: a field has two or three ways to be written. Each is looked into, and those within it.
const BRANCHES: usize = 16;

/// What is read in a place.
#[derive(Debug)]
pub(super) enum Shape {
    /// Text.
    Text,
    /// A double.
    Number,
    /// A truth value.
    Truth,
    /// An instant in ms.
    Time,
    /// Fields by name.
    Record(BTreeMap<String, Self>),
    /// A list of one shape.
    List(Box<Self>),
    /// Values of one shape, by name.
    Map(Box<Self>),
}

/// What only the writer's schema says of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    /// A whole number in the two's complement, big-endian, with so many digits after its point.
    Decimal {
        /// Digits after the point.
        scale: i32,
    },
    /// Days since 1970.
    Days,
}

/// The records within a record whose fields may have a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    /// `properties`.
    Properties,
    /// Each of `properties.products`.
    Products,
    /// `traits`.
    Traits,
}

impl Place {
    /// The place of a field and its name.
    fn of<'a>(path: &[&'a str]) -> Option<(Self, &'a str)> {
        match path {
            ["properties", name] => Some((Self::Properties, name)),
            ["properties", "products", name] => Some((Self::Products, name)),
            ["traits", name] => Some((Self::Traits, name)),
            _ => None,
        }
    }
}

impl Shape {
    /// The shape of a schema of ours.
    pub(super) fn of(schema: &Schema) -> Self {
        match schema {
            Schema::Boolean => Self::Truth,
            Schema::Double => Self::Number,
            Schema::TimestampMillis => Self::Time,
            Schema::Array(array) => Self::List(Box::new(Self::of(&array.items))),
            Schema::Map(map) => Self::Map(Box::new(Self::of(&map.types))),
            Schema::Record(record) => {
                let fields = record.fields.iter();
                let shaped = fields.map(|field| (field.name.clone(), Self::of(&field.schema)));
                Self::Record(shaped.collect())
            }
            // Null, or the one thing that it is.
            Schema::Union(union) => union.variants().last().map_or(Self::Text, Self::of),
            _ => Self::Text,
        }
    }

    /// Takes up the fields of another: any of our records may be on any topic.
    pub(super) fn merge(&mut self, other: Self) {
        let (Self::Record(fields), Self::Record(others)) = (self, other) else {
            return;
        };
        for (name, shape) in others {
            match fields.get_mut(&name) {
                Some(known) => known.merge(shape),
                None => drop(fields.insert(name, shape)),
            }
        }
    }

    /// Whether values of this schema, which has none within it, can be read so.
    fn takes(&self, writer: &Schema) -> bool {
        match self {
            Self::Text => matches!(
                writer,
                Schema::String
                    | Schema::Uuid(UuidSchema::String)
                    | Schema::Enum(_)
                    | Schema::Bytes
                    | Schema::Int
                    | Schema::Long
            ),
            Self::Number => matches!(
                writer,
                Schema::Int | Schema::Long | Schema::Float | Schema::Double | Schema::Decimal(_)
            ),
            Self::Truth => matches!(writer, Schema::Boolean),
            // An int holds no ms of this century.
            Self::Time => matches!(
                writer,
                Schema::TimestampMillis | Schema::Long | Schema::Date
            ),
            Self::Record(_) | Self::List(_) | Self::Map(_) => false,
        }
    }

    fn word(&self) -> &'static str {
        match self {
            Self::Text => "string",
            Self::Number => "double",
            Self::Truth => "boolean",
            Self::Time => "timestamp-millis",
            Self::Record(_) => "record",
            Self::List(_) => "array",
            Self::Map(_) => "map",
        }
    }
}

/// Whether records of `writer` can be read as `ours`. `times` are the names of the company's own fields that are instants.
pub(super) fn check(writer: &Schema, ours: &Shape, times: &BTreeSet<String>) -> Result<(), String> {
    let resolved = ResolvedSchema::new(writer).map_err(|error| error.to_string())?;
    let mut fit = Fit {
        names: resolved.get_names(),
        times,
        path: Vec::new(),
        units: BTreeMap::new(),
    };
    fit.value(writer, ours)
}

/// Goes through a schema beside ours.
struct Fit<'a> {
    names: &'a NamesRef<'a>,
    times: &'a BTreeSet<String>,
    path: Vec<&'a str>,
    /// Of each field seen; none where the value says all itself.
    units: BTreeMap<(Place, &'a str), Option<Unit>>,
}

impl<'a> Fit<'a> {
    fn value(&mut self, writer: &'a Schema, shape: &Shape) -> Result<(), String> {
        match (self.resolved(writer), shape) {
            (Schema::Null, _) => Ok(()),
            (Schema::Union(union), _) if union.variants().len() > BRANCHES => Err(format!(
                "`{}` is a union of more than {BRANCHES}",
                self.path.join(".")
            )),
            (Schema::Union(union), _) => {
                let mut branches = union.variants().iter();
                branches.try_for_each(|branch| self.value(branch, shape))
            }
            (Schema::Record(record), Shape::Record(shapes)) => self.record(record, shapes),
            (Schema::Array(array), Shape::List(items)) => self.value(&array.items, items),
            (Schema::Map(map), Shape::Map(values)) => self.value(&map.types, values),
            // When something happened must be known better than by the day.
            (writer @ Schema::Date, Shape::Time) if self.path.len() == 1 => {
                Err(self.unfit(writer, shape))
            }
            (writer, shape) if shape.takes(writer) => self.measure(writer),
            (writer, shape) => Err(self.unfit(writer, shape)),
        }
    }

    fn record(
        &mut self,
        record: &'a RecordSchema,
        shapes: &BTreeMap<String, Shape>,
    ) -> Result<(), String> {
        for field in &record.fields {
            self.path.push(&field.name);
            match shapes.get(&field.name) {
                Some(shape) => self.value(&field.schema, shape)?,
                None => self.own(&field.schema)?,
            }
            self.path.pop();
        }
        Ok(())
    }

    /// A field that ours do not have. The configuration may declare it; then what cannot be read of it is a defect of its event.
    fn own(&mut self, writer: &'a Schema) -> Result<(), String> {
        let Some((_, name)) = Place::of(&self.path) else {
            return Ok(());
        };
        match self.resolved(writer) {
            Schema::Null => Ok(()),
            Schema::Union(union) => {
                let mut branches = union.variants().iter();
                branches.try_for_each(|branch| self.own(branch))
            }
            writer if self.times.contains(name) && is_in_another_unit(writer) => {
                Err(self.unfit(writer, &Shape::Time))
            }
            writer => self.measure(writer),
        }
    }

    /// Notes the unit of a field. Where it has several the values do not tell which is theirs.
    fn measure(&mut self, writer: &Schema) -> Result<(), String> {
        let Some((place, name)) = Place::of(&self.path) else {
            return Ok(());
        };
        let unit = match writer {
            // No value of these can be taken for one of a decimal or a date.
            Schema::Boolean | Schema::Float | Schema::Double => return Ok(()),
            Schema::Decimal(decimal) => Some(Unit::Decimal {
                scale: i32::try_from(decimal.scale).unwrap_or(i32::MAX),
            }),
            Schema::Date => Some(Unit::Days),
            _ => None,
        };
        match self.units.insert((place, name), unit) {
            Some(other) if other != unit => Err(format!(
                "`{}` is {} here and something else there; expected one of them",
                self.path.join("."),
                word(writer)
            )),
            _ => Ok(()),
        }
    }

    fn resolved(&self, schema: &'a Schema) -> &'a Schema {
        match schema {
            Schema::Ref { name } => self.names.get(name).copied().unwrap_or(schema),
            other => other,
        }
    }

    fn unfit(&self, writer: &Schema, shape: &Shape) -> String {
        format!(
            "`{}` is {}; expected {}",
            self.path.join("."),
            word(writer),
            shape.word()
        )
    }
}

/// Numbers that would be taken for ms and are none.
fn is_in_another_unit(schema: &Schema) -> bool {
    matches!(
        schema,
        Schema::Int
            | Schema::TimeMillis
            | Schema::TimeMicros
            | Schema::TimestampMicros
            | Schema::TimestampNanos
            | Schema::LocalTimestampMillis
            | Schema::LocalTimestampMicros
            | Schema::LocalTimestampNanos
    )
}

/// The type of a schema, as its JSON has it.
fn word(schema: &Schema) -> String {
    let json = serde_json::to_value(schema).unwrap_or_default();
    let word = json.get("logicalType").or_else(|| json.get("type"));
    let word = word.unwrap_or(&json).as_str();
    word.unwrap_or("unknown").to_owned()
}
