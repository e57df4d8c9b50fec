//! Events in Avro, in Confluent's wire format: byte 0, the id of the writer's schema in 4 bytes, big-endian, and the datum.
//!
//! The datum is read by its writer's schema, straight into what a [`Call`] is filled from. Fields are found by name, numbers are
//! widened, and what the writer does not have is not known: that is what resolving it to our schema gives, as ours has no
//! default but null and empty ([`crate::avro`] refuses a writer that does not resolve). Decimals and dates are made what they
//! stand for by what their schema says. Fields that a company added to
//! its properties are taken up where the vocabulary declares them. Null counts as not said.

use std::{fmt, slice};

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use smallvec::SmallVec;

use super::json::{Call, Owned, Scalar, Skipped, set_address, set_consent};
use super::{Decoded, Decoder, Origin, Reject};
use crate::avro::fit::{self, Measured};
use crate::avro::{self, Schemas, Verdict};
use crate::event::{Product, Text, limits};

/// Reads a record in wire format.
pub(super) fn decode(
    decoder: &Decoder,
    schemas: &Schemas,
    payload: &[u8],
    origin: &Origin<'_>,
) -> Result<Decoded, Reject> {
    let (id, datum) =
        avro::wire::split(payload).ok_or_else(|| Reject::BadWireFormat(described(payload)))?;
    let schema = match schemas.get(id) {
        Some(Verdict::Readable(schema)) => schema,
        Some(Verdict::Refused(detail)) => {
            return Err(Reject::IncompatibleSchema(id, detail.to_string()));
        }
        Some(Verdict::Unknown) | None => return Err(Reject::UnknownSchema(id)),
    };
    let mut record: Record = schema.read(datum).map_err(Reject::BadAvro)?;
    record.convert(schema.units());
    record.into_call(decoder).into_event(decoder, origin)
}

/// What a payload begins with that is no record in wire format.
pub(super) fn described(payload: &[u8]) -> String {
    match payload {
        [0, _, _, _, _, ..] => "the id of its schema is above 2147483647".to_owned(),
        [0, ..] => format!("it has {} bytes, the head alone has 5", payload.len()),
        [first, ..] => format!("its first byte is {first:#04x}"),
        [] => "it is empty".to_owned(),
    }
}

/// Fields of one record, by name; nulls are left out.
type Fields = SmallVec<[(Text, Scalar<'static>); 4]>;

/// A record as it was read.
#[derive(Default)]
struct Record {
    call: Call<'static>,
    properties: Level,
    traits: Level,
    context: Level,
}

impl Record {
    /// Makes values what they stand for, where only the schema says it.
    fn convert(&mut self, units: &[Measured]) {
        for Measured { place, name, unit } in units {
            let records = match place {
                fit::Place::Properties => slice::from_mut(&mut self.properties.fields),
                fit::Place::Products => self.properties.products.as_mut_slice(),
                fit::Place::Traits => slice::from_mut(&mut self.traits.fields),
            };
            let fields = records.iter_mut().flatten();
            for (_, value) in fields.filter(|(known, _)| known == name) {
                *value = std::mem::take(value).converted(*unit);
            }
        }
    }

    fn into_call(self, decoder: &Decoder) -> Call<'static> {
        let mut call = self.call;
        for (name, value) in self.properties.fields {
            if let Some(id) = decoder.vocabulary.property_named(&name) {
                call.property(decoder, id, value);
            }
        }
        for fields in self.properties.products {
            let mut product = Product::default();
            for (name, value) in fields {
                call.product_field(&mut product, &name, value);
            }
            call.product(product);
        }
        for (name, value) in self.traits.fields {
            call.say_trait(decoder, &name, value);
        }
        if !self.traits.address.is_empty() {
            let parts = self.traits.address.into_iter();
            let parts = parts.filter_map(|(name, value)| Some((name.into(), value.into_text()?)));
            let address = serde_json::Value::Object(parts.collect());
            set_address(call.traits.get_or_insert_default(), address);
        }
        for (channel, value) in self.traits.consent {
            let consent = &mut call.traits.get_or_insert_default().consent;
            set_consent(consent, &mut call.defects, &channel, &value);
        }
        for (name, value) in self.context.fields {
            call.say_context(&name, &value);
        }
        for (name, value) in self.context.campaign {
            call.say_campaign(&name, &value);
        }
        if let Some(token) = self.context.token {
            call.say_token(&token);
        }
        call
    }

    fn field<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        let call = &mut self.call;
        match name {
            "type" => call.kind = scalar(map)?,
            "event" => call.event = scalar(map)?,
            "userId" => call.user_id = scalar(map)?,
            "anonymousId" => call.anonymous_id = scalar(map)?,
            "messageId" => call.message_id = scalar(map)?,
            "timestamp" => call.timestamp = scalar(map)?,
            "properties" => self.properties = map.next_value_seed(Place::Properties)?,
            "traits" => self.traits = map.next_value_seed(Place::Traits)?,
            "context" => self.context = map.next_value_seed(Place::Context)?,
            _ => {
                map.next_value::<Skipped>()?;
            }
        }
        Ok(())
    }
}

fn scalar<'de, A: MapAccess<'de>>(map: &mut A) -> Result<Scalar<'static>, A::Error> {
    map.next_value::<Owned>().map(|value| value.0)
}

/// The name of a field.
struct Name(Text);

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

impl<'de> Deserialize<'de> for Record {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RecordVisitor)
    }
}

struct RecordVisitor;

impl<'de> Visitor<'de> for RecordVisitor {
    type Value = Record;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a record")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Record, A::Error> {
        let mut record = Record::default();
        while let Some(Name(name)) = map.next_key()? {
            record.field(&name, &mut map)?;
        }
        Ok(record)
    }
}

/// Which record within the record: each has other fields that are no plain values.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Properties,
    Traits,
    Context,
    /// Plain values only.
    Flat,
}

/// A record within the record, or null for an empty one.
#[derive(Default)]
struct Level {
    fields: Fields,
    products: Vec<Fields>,
    address: Fields,
    consent: Fields,
    campaign: Fields,
    token: Option<Scalar<'static>>,
}

impl Level {
    fn field<'de, A: MapAccess<'de>>(
        &mut self,
        place: Place,
        name: Text,
        map: &mut A,
    ) -> Result<(), A::Error> {
        match (place, name.as_str()) {
            (Place::Properties, "products") => {
                self.products = map.next_value::<Products>()?.0;
            }
            (Place::Traits, "address") => self.address = map.next_value_seed(Place::Flat)?.fields,
            (Place::Traits, "consent") => self.consent = map.next_value_seed(Place::Flat)?.fields,
            (Place::Context, "campaign") => {
                self.campaign = map.next_value_seed(Place::Flat)?.fields;
            }
            (Place::Context, "device") => {
                let device = map.next_value_seed(Place::Flat)?.fields;
                let mut tokens = device.into_iter().filter(|(name, _)| name == "token");
                self.token = tokens.next().map(|(_, token)| token);
            }
            _ => {
                let value = scalar(map)?;
                if !matches!(value, Scalar::Null) {
                    self.fields.push((name, value));
                }
            }
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Place {
    type Value = Level;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Level, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Place {
    type Value = Level;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a record or null")
    }

    fn visit_unit<E>(self) -> Result<Level, E> {
        Ok(Level::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Level, A::Error> {
        let mut level = Level::default();
        while let Some(Name(name)) = map.next_key()? {
            level.field(self, name, &mut map)?;
        }
        Ok(level)
    }
}

/// The products of an event, one more than may be kept, so that it is seen that there were more.
struct Products(Vec<Fields>);

impl<'de> Deserialize<'de> for Products {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ProductsVisitor)
    }
}

struct ProductsVisitor;

impl<'de> Visitor<'de> for ProductsVisitor {
    type Value = Products;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of products")
    }

    fn visit_unit<E>(self) -> Result<Products, E> {
        Ok(Products(Vec::new()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Products, A::Error> {
        let mut products = Vec::new();
        while products.len() <= limits::PRODUCTS {
            match items.next_element_seed(Place::Flat)? {
                Some(level) => products.push(level.fields),
                None => return Ok(Products(products)),
            }
        }
        while items.next_element::<Skipped>()?.is_some() {}
        Ok(Products(products))
    }
}
