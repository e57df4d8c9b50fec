//! How records were read before there were plans: by apache-avro's serde reader, field by field and by name, into owned values.

use std::{fmt, slice};

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use smallvec::SmallVec;

use super::raw::{Measured, Name, Raw, units};
use super::*;
use crate::event::Text;

/// The event of a datum, as it was read then.
pub fn decode(
    decoder: &Decoder,
    schema: &Schema,
    mut datum: &[u8],
    origin: &Origin<'_>,
) -> Result<Decoded, Reject> {
    apache_avro::util::max_allocation_bytes(limits::RECORD_BYTES);
    let reader = GenericDatumReader::builder(schema).human_readable(false);
    let read = reader.build().unwrap().read_deser(&mut datum);
    let mut record: Record = read.map_err(|error| Reject::BadAvro(error.to_string()))?;
    if !datum.is_empty() {
        return Err(Reject::BadAvro(format!("{} bytes are left", datum.len())));
    }
    record.convert(&units(schema));
    record.into_call(decoder).into_event(decoder, origin)
}

/// Fields of one record, by name; nulls are left out.
type Fields = SmallVec<[(Text, Raw); 4]>;

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
        for Measured { path, unit } in units {
            let words: Vec<&str> = path.iter().map(String::as_str).collect();
            let (records, name) = match words.as_slice() {
                ["properties", name] => (slice::from_mut(&mut self.properties.fields), name),
                ["properties", _, name] => (self.properties.products.as_mut_slice(), name),
                ["traits", name] => (slice::from_mut(&mut self.traits.fields), name),
                _ => continue,
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
                call.property(decoder, id, value.plain());
            }
        }
        for fields in self.properties.products {
            let mut product = Product::default();
            for (name, value) in fields {
                call.product_field(&mut product, &name, value.plain());
            }
            call.product(product);
        }
        for (name, value) in self.traits.fields {
            call.say_trait(decoder, &name, value.plain());
        }
        if !self.traits.address.is_empty() {
            let parts = self.traits.address.into_iter();
            let parts = parts.filter_map(|(name, value)| Some((name, value.plain().text()?)));
            let parts: Vec<_> = parts.collect();
            let part = |name| Some(parts.iter().find(|(known, _)| known == name)?.1.as_str());
            set_parts(call.traits.get_or_insert_default(), ADDRESS.map(part));
        }
        for (channel, value) in self.traits.consent {
            let consent = &mut call.traits.get_or_insert_default().consent;
            set_consent(consent, &mut call.defects, &channel, &value.plain());
        }
        for (name, value) in self.context.fields {
            call.say_context(&name, &value.plain());
        }
        for (name, value) in self.context.campaign {
            call.say_campaign(&name, &value.plain());
        }
        if let Some(token) = self.context.token {
            call.say_token(&token.plain());
        }
        call
    }

    fn field<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        let call = &mut self.call;
        match name {
            "type" => call.kind = map.next_value::<Raw>()?.plain(),
            "event" => call.event = map.next_value::<Raw>()?.plain(),
            "userId" => call.user_id = map.next_value::<Raw>()?.plain(),
            "anonymousId" => call.anonymous_id = map.next_value::<Raw>()?.plain(),
            "previousId" => call.previous_id = map.next_value::<Raw>()?.plain(),
            "messageId" => call.message_id = map.next_value::<Raw>()?.plain(),
            "timestamp" => call.timestamp = map.next_value::<Raw>()?.plain(),
            "properties" => self.properties = map.next_value_seed(Place::Properties)?,
            "traits" => self.traits = map.next_value_seed(Place::Traits)?,
            "context" => self.context = map.next_value_seed(Place::Context)?,
            _ => {
                map.next_value::<Raw>()?;
            }
        }
        Ok(())
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
    token: Option<Raw>,
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
                self.products = map.next_value::<ProductList>()?.0;
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
                let value = map.next_value::<Raw>()?;
                if !matches!(value, Raw::Said(Scalar::Null)) {
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
struct ProductList(Vec<Fields>);

impl<'de> Deserialize<'de> for ProductList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ProductsVisitor)
    }
}

struct ProductsVisitor;

impl<'de> Visitor<'de> for ProductsVisitor {
    type Value = ProductList;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of products")
    }

    fn visit_unit<E>(self) -> Result<ProductList, E> {
        Ok(ProductList(Vec::new()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<ProductList, A::Error> {
        let mut products = Vec::new();
        while products.len() <= limits::PRODUCTS {
            match items.next_element_seed(Place::Flat)? {
                Some(level) => products.push(level.fields),
                None => return Ok(ProductList(products)),
            }
        }
        while items.next_element::<Raw>()?.is_some() {}
        Ok(ProductList(products))
    }
}
