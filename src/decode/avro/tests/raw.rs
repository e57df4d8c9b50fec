//! Values as apache-avro's serde reader gives them, and what only their schema says of them.

use std::borrow::Cow;
use std::fmt;

use apache_avro::Schema;
use apache_avro::schema::{RecordSchema, ResolvedSchema};
use serde::Deserialize;
use serde::de::{Deserializer, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor};

use super::super::{Scalar, Texts};
use crate::event::Text;

/// What only the schema says of a value.
#[derive(Clone, Copy)]
pub enum Unit {
    Decimal(i32),
    Days,
}

/// A field with a unit: that of its record within the record, or of its products.
pub struct Measured {
    pub path: Vec<String>,
    pub unit: Unit,
}

pub fn units(schema: &Schema) -> Vec<Measured> {
    let resolved = ResolvedSchema::new(schema).unwrap();
    let branches = |schema: &'_ Schema| -> Vec<Schema> {
        let all = match schema {
            Schema::Union(union) => union.variants().to_vec(),
            other => vec![other.clone()],
        };
        let known = |it: Schema| match &it {
            Schema::Ref { name } => resolved.get_names()[name].clone(),
            _ => it,
        };
        all.into_iter().map(known).collect()
    };
    let mut found = Vec::new();
    let mut open: Vec<(Vec<String>, RecordSchema)> = Vec::new();
    if let Schema::Record(record) = schema {
        open.push((Vec::new(), record.clone()));
    }
    while let Some((path, record)) = open.pop() {
        for field in &record.fields {
            let path: Vec<String> = path.iter().chain([&field.name]).cloned().collect();
            for branch in branches(&field.schema) {
                let words: Vec<&str> = path.iter().map(String::as_str).collect();
                let unit = match (&branch, words.as_slice()) {
                    (Schema::Record(record), ["properties" | "traits"]) => {
                        open.push((path.clone(), record.clone()));
                        continue;
                    }
                    (Schema::Array(array), ["properties", "products"]) => {
                        for branch in branches(&array.items) {
                            if let Schema::Record(record) = branch {
                                open.push((path.clone(), record));
                            }
                        }
                        continue;
                    }
                    (Schema::Decimal(decimal), _) => Unit::Decimal(decimal.scale as i32),
                    (Schema::Date, _) => Unit::Days,
                    _ => continue,
                };
                // In the branches of a union, it is one field.
                if found.iter().all(|known: &Measured| known.path != path) {
                    let path = path.clone();
                    found.push(Measured { path, unit });
                }
            }
        }
    }
    found
}

/// A value as it was read.
pub enum Raw {
    Said(Scalar<'static>),
    /// Bytes that are no text.
    Bytes(Vec<u8>),
}

impl Default for Raw {
    fn default() -> Self {
        Self::Said(Scalar::Null)
    }
}

impl Raw {
    pub fn plain(self) -> Scalar<'static> {
        match self {
            Self::Said(value) => value,
            Self::Bytes(_) => Scalar::Bytes,
        }
    }

    pub fn converted(self, unit: Unit) -> Self {
        match (self, unit) {
            (Self::Said(Scalar::Text(digits)), Unit::Decimal(scale)) => {
                Self::Said(Scalar::of_decimal(digits.as_bytes(), scale))
            }
            (Self::Bytes(digits), Unit::Decimal(scale)) => {
                Self::Said(Scalar::of_decimal(&digits, scale))
            }
            (Self::Said(Scalar::Whole(days)), Unit::Days) => {
                Self::Said(Scalar::of_days(i32::try_from(days).expect("an int")))
            }
            (other, _) => other,
        }
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::default())
    }

    fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Said(Scalar::Bool(value)))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Raw, E> {
        Ok(Raw::Said(Scalar::of_double(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Said(Scalar::Whole(value.into())))
    }

    fn visit_str<E>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::Said(Scalar::Text(Cow::Owned(value.to_owned()))))
    }

    fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Raw, E> {
        Ok(match String::from_utf8(bytes) {
            Ok(text) => Raw::Said(Scalar::Text(Cow::Owned(text))),
            Err(error) => Raw::Bytes(error.into_bytes()),
        })
    }

    fn visit_enum<A: EnumAccess<'de>>(self, symbol: A) -> Result<Raw, A::Error> {
        let (Name(name), variant) = symbol.variant()?;
        variant.unit_variant()?;
        Ok(Raw::Said(Scalar::Text(Cow::Owned(name.into()))))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Raw, A::Error> {
        let mut texts = Texts::default();
        while let Some(item) = items.next_element::<Raw>()? {
            texts.push(&item.plain());
        }
        Ok(Raw::Said(texts.into()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
        while map.next_entry::<Name, Raw>()?.is_some() {}
        Ok(Raw::Said(Scalar::Object))
    }
}

/// The name of a field.
pub struct Name(pub Text);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NameVisitor)
    }
}

struct NameVisitor;

impl Visitor<'_> for NameVisitor {
    type Value = Name;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a field")
    }

    fn visit_str<E>(self, name: &str) -> Result<Name, E> {
        Ok(Name(name.into()))
    }
}
