//! The shapes of Segment's calls, read in one pass without a tree in between.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use smallvec::SmallVec;

use super::{Decoded, Decoder, Defect, Origin, Reject, TIME_MAX, TIME_MIN};
use crate::event::{
    CustomerId, Event, EventName, Product, Property, PropertyId, Text, Touchpoint, Traits, Type,
    limits,
};
use crate::time::Timestamp;

/// Beyond this (2^53) doubles are no longer every whole number: two customers would become one.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;
/// A W3C traceparent has 55 bytes; a later version of it may have some more.
const TRACEPARENT_BYTES: usize = 128;

/// Amounts and counts that cannot be below zero.
const NEVER_NEGATIVE: [(PropertyId, &str); 5] = [
    (PropertyId::PRICE, "price"),
    (PropertyId::QUANTITY, "quantity"),
    (PropertyId::TOTAL, "total"),
    (PropertyId::SUBTOTAL, "subtotal"),
    (PropertyId::REVENUE, "revenue"),
];

pub(super) fn decode(
    decoder: &Decoder,
    text: &str,
    origin: &Origin<'_>,
) -> Result<Decoded, Reject> {
    if !text.trim_start().starts_with('{') {
        return Err(Reject::BadJson("an event is an object".to_owned()));
    }
    let mut reader = serde_json::Deserializer::from_str(text);
    let mut call = Call::default();
    let seed = CallSeed {
        decoder,
        call: &mut call,
    };
    seed.deserialize(&mut reader)
        .and_then(|()| reader.end())
        .map_err(|error| Reject::BadJson(error.to_string()))?;
    call.into_event(decoder, origin)
}

/// A call as it was read: nothing checked yet.
#[derive(Default)]
struct Call<'de> {
    kind: Scalar<'de>,
    event: Scalar<'de>,
    user_id: Scalar<'de>,
    anonymous_id: Scalar<'de>,
    message_id: Scalar<'de>,
    timestamp: Scalar<'de>,
    properties: SmallVec<[(PropertyId, Property); 4]>,
    products: Vec<Product>,
    negative: Option<&'static str>,
    traits: Option<Box<Traits>>,
    touchpoint: Option<Box<Touchpoint>>,
    defects: Vec<Defect>,
}

impl Call<'_> {
    fn into_event(self, decoder: &Decoder, origin: &Origin<'_>) -> Result<Decoded, Reject> {
        let name = self.name(decoder)?;
        let (customer, known) = self.customer()?;
        let time = self.time()?;
        let negative = NEVER_NEGATIVE.iter().find(|(id, _)| {
            self.properties.iter().any(|(property, value)| {
                property == id && matches!(value, Property::Number(n) if *n < 0.0)
            })
        });
        if let Some(name) = self.negative.or(negative.map(|(_, name)| *name)) {
            return Err(Reject::Negative(name));
        }
        let message_id = self
            .message_id
            .text()
            .filter(|id| id.len() <= limits::ID_BYTES);
        let event = Event {
            customer,
            time,
            position: origin.position,
            has_message_id: message_id.is_some(),
            id: message_id.unwrap_or_else(|| {
                compact_str::format_compact!(
                    "{}/{}/{}",
                    origin.topic,
                    origin.partition,
                    origin.position.offset
                )
            }),
            name,
            known,
            properties: self.properties,
            products: self.products,
            traits: self.traits,
            touchpoint: self.touchpoint,
            traceparent: origin
                .traceparent
                .filter(|parent| parent.len() <= TRACEPARENT_BYTES)
                .map(Text::from),
        };
        Ok(Decoded {
            event,
            defects: self.defects,
        })
    }

    fn name(&self, decoder: &Decoder) -> Result<EventName, Reject> {
        match &self.kind {
            Scalar::Null => {}
            Scalar::Text(kind) => match kind.as_ref() {
                "track" => {}
                "identify" => return Ok(EventName::IDENTIFY),
                "page" => return Ok(EventName::PAGE_VIEWED),
                "screen" => return Ok(EventName::SCREEN_VIEWED),
                _ => return Err(Reject::UnknownType(format!("`{}`", shortened(kind)))),
            },
            other => return Err(Reject::UnknownType(other.described())),
        }
        match &self.event {
            Scalar::Text(name) if !name.is_empty() => Ok(decoder
                .vocabulary
                .event_named(name)
                .unwrap_or(EventName::OTHER)),
            _ => Err(Reject::NoEventName),
        }
    }

    fn customer(&self) -> Result<(CustomerId, bool), Reject> {
        for (id, known) in [(&self.user_id, true), (&self.anonymous_id, false)] {
            if matches!(id, Scalar::Null) || matches!(id, Scalar::Text(text) if text.is_empty()) {
                continue;
            }
            if matches!(id, Scalar::Number(number) if number.abs() > WHOLE_MAX) {
                return Err(Reject::InvalidCustomer("is a number too large to be exact"));
            }
            let id = id.text().ok_or(Reject::InvalidCustomer("is no text"))?;
            if id.len() > limits::ID_BYTES {
                return Err(Reject::InvalidCustomer("is longer than 256 bytes"));
            }
            if id.chars().any(char::is_control) {
                return Err(Reject::InvalidCustomer("has a control character in it"));
            }
            return Ok((id, known));
        }
        Err(Reject::NoCustomer)
    }

    fn time(&self) -> Result<Timestamp, Reject> {
        if matches!(self.timestamp, Scalar::Null) {
            return Err(Reject::NoTime);
        }
        let time = self
            .timestamp
            .time()
            .ok_or_else(|| Reject::InvalidTime(self.timestamp.described()))?;
        if time < TIME_MIN || time >= TIME_MAX {
            return Err(Reject::AbsurdTime(time));
        }
        Ok(time)
    }
}

/// A value whose type is not known yet.
#[derive(Default)]
enum Scalar<'de> {
    #[default]
    Null,
    Bool(bool),
    Number(f64),
    /// A whole number, to its last digit: ids are written so.
    Whole(i128),
    Text(Cow<'de, str>),
    List(Vec<Text>),
    Object,
}

impl Scalar<'_> {
    /// As text: numbers and truth values in their JSON form, empty text not at all.
    fn text(&self) -> Option<Text> {
        match self {
            Self::Text(text) if !text.is_empty() => Some(Text::from(text.as_ref())),
            Self::Number(number) => Some(Text::from(number_text(*number))),
            Self::Whole(number) => Some(Text::from(number.to_string())),
            Self::Bool(value) => Some(Text::from(value.to_string())),
            _ => None,
        }
    }

    /// As an instant: RFC 3339 text, or a number of ms since 1970.
    fn time(&self) -> Option<Timestamp> {
        match self {
            Self::Text(text) => Timestamp::parse(text),
            #[expect(
                clippy::cast_possible_truncation,
                reason = "saturates, and is checked against bounds"
            )]
            Self::Number(ms) => Some(Timestamp(
                (*ms as i64).clamp(Timestamp::MIN.0, Timestamp::MAX.0),
            )),
            Self::Whole(ms) => {
                let ms = i64::try_from(*ms).unwrap_or(i64::MAX);
                Some(Timestamp(ms.clamp(Timestamp::MIN.0, Timestamp::MAX.0)))
            }
            _ => None,
        }
    }

    fn truth(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            Self::Text(text) => match text.as_ref() {
                "true" | "granted" => Some(true),
                "false" | "denied" => Some(false),
                _ => None,
            },
            _ => None,
        }
    }

    fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            #[expect(clippy::cast_precision_loss, reason = "amounts are doubles")]
            Self::Whole(number) => Some(*number as f64),
            Self::Text(text) => text
                .trim()
                .parse()
                .ok()
                .filter(|number: &f64| number.is_finite()),
            _ => None,
        }
    }

    /// As a property of a declared type. `Ok(None)`: not known. `Err`: it cannot be read as that.
    fn typed(self, kind: Type) -> Result<Option<Property>, &'static str> {
        if matches!(&self, Self::Null) || matches!(&self, Self::Text(text) if text.is_empty()) {
            return Ok(None);
        }
        let property = match kind {
            Type::Bool => self.truth().map(Property::Bool),
            Type::Number => self.number().map(Property::Number),
            Type::Text => self.text().map(|text| Property::Text(cut(text))),
            Type::Time => self.time().map(Property::Time),
            Type::List => match self {
                Self::List(items) => Some(Property::List(items)),
                other => other.text().map(|text| Property::List(vec![cut(text)])),
            },
            Type::Duration => None,
        };
        property.map(Some).ok_or(kind.described())
    }

    fn described(&self) -> String {
        match self {
            Self::Null => "null".to_owned(),
            Self::Bool(value) => value.to_string(),
            Self::Number(number) => number.to_string(),
            Self::Whole(number) => number.to_string(),
            Self::Text(text) => format!("`{}`", shortened(text)),
            Self::List(_) => "a list".to_owned(),
            Self::Object => "an object".to_owned(),
        }
    }
}

fn number_text(number: f64) -> String {
    serde_json::Value::from(&crate::trigger::value::Value::Number(number)).to_string()
}

/// Text within its bound, cut between characters.
fn cut(text: Text) -> Text {
    if text.len() <= limits::TEXT_BYTES {
        text
    } else {
        Text::from(&text[..text.floor_char_boundary(limits::TEXT_BYTES)])
    }
}

fn shortened(text: &str) -> &str {
    &text[..text.floor_char_boundary(40)]
}

impl<'de> Deserialize<'de> for Scalar<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Scalar::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Scalar::Bool(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Scalar::Number(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Scalar::Whole(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Scalar::Whole(value.into()))
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Borrowed(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Owned(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut texts = Vec::new();
        let mut only_texts = true;
        while let Some(item) = items.next_element::<Scalar<'de>>()? {
            match item.text() {
                Some(text) if texts.len() < limits::LIST_ITEMS => texts.push(cut(text)),
                Some(_) => {}
                None => only_texts = false,
            }
        }
        Ok(if only_texts {
            Scalar::List(texts)
        } else {
            Scalar::Object
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<Skipped, Skipped>()?.is_some() {}
        Ok(Scalar::Object)
    }
}

/// What a visitor does with a value that is not what it reads: it passes over it. (PHP writes an
/// empty object as `[]`; that is no reason to lose the event.)
macro_rules! passes_over {
    (scalars) => {
        fn visit_bool<E>(self, _: bool) -> Result<(), E> {
            Ok(())
        }

        fn visit_i64<E>(self, _: i64) -> Result<(), E> {
            Ok(())
        }

        fn visit_u64<E>(self, _: u64) -> Result<(), E> {
            Ok(())
        }

        fn visit_f64<E>(self, _: f64) -> Result<(), E> {
            Ok(())
        }
    };
    (texts) => {
        fn visit_str<E>(self, _: &str) -> Result<(), E> {
            Ok(())
        }
    };
    (lists) => {
        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
            while items.next_element::<Skipped>()?.is_some() {}
            Ok(())
        }
    };
}

/// Implements a seed that reads an object field by field, and takes anything else for nothing.
macro_rules! object_seed {
    ($seed:ident, $self:ident, $key:ident, $map:ident, $body:expr) => {
        impl<'de> DeserializeSeed<'de> for $seed<'_, 'de> {
            type Value = ();

            fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
                deserializer.deserialize_any(self)
            }
        }

        impl<'de> Visitor<'de> for $seed<'_, 'de> {
            type Value = ();

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_unit<E>(self) -> Result<(), E> {
                Ok(())
            }

            passes_over!(scalars);
            passes_over!(texts);
            passes_over!(lists);

            fn visit_map<A: MapAccess<'de>>($self, mut $map: A) -> Result<(), A::Error> {
                while let Some($key) = $map.next_key::<Key<'de>>()? {
                    $body
                }
                Ok(())
            }
        }
    };
}

/// A field name, borrowed where it has no escapes.
struct Key<'de>(Cow<'de, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Scalar::deserialize(deserializer)? {
            Scalar::Text(text) => Ok(Self(text)),
            _ => Ok(Self(Cow::Borrowed(""))),
        }
    }
}

struct CallSeed<'a, 'de> {
    decoder: &'a Decoder,
    call: &'a mut Call<'de>,
}

object_seed!(CallSeed, self, key, map, {
    let (decoder, call) = (self.decoder, &mut *self.call);
    match key.0.as_ref() {
        "type" => call.kind = map.next_value()?,
        "event" => call.event = map.next_value()?,
        "userId" => call.user_id = map.next_value()?,
        "anonymousId" => call.anonymous_id = map.next_value()?,
        "messageId" => call.message_id = map.next_value()?,
        "timestamp" => call.timestamp = map.next_value()?,
        "properties" => map.next_value_seed(PropertiesSeed { decoder, call })?,
        "traits" => map.next_value_seed(TraitsSeed { decoder, call })?,
        "context" => map.next_value_seed(ContextSeed { call })?,
        _ => skip(&mut map)?,
    }
});

struct PropertiesSeed<'a, 'de> {
    decoder: &'a Decoder,
    call: &'a mut Call<'de>,
}

object_seed!(PropertiesSeed, self, key, map, {
    let call = &mut *self.call;
    if key.0 == "products" {
        map.next_value_seed(ProductsSeed { call })?;
        continue;
    }
    let Some(id) = self.decoder.vocabulary.property_named(&key.0) else {
        skip(&mut map)?;
        continue;
    };
    let spec = self.decoder.vocabulary.property(id);
    match map.next_value::<Scalar<'de>>()?.typed(spec.kind) {
        Ok(Some(value)) => {
            call.properties.retain(|(known, _)| *known != id);
            call.properties.push((id, value));
        }
        Ok(None) => {}
        Err(expected) => call.defects.push(Defect {
            name: spec.name.as_str().into(),
            expected,
        }),
    }
});

struct ProductsSeed<'a, 'de> {
    call: &'a mut Call<'de>,
}

impl<'de> DeserializeSeed<'de> for ProductsSeed<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ProductsSeed<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of products")
    }

    passes_over!(scalars);
    passes_over!(texts);

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while map.next_entry::<Skipped, Skipped>()?.is_some() {}
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let call = self.call;
        let mut product = Product::default();
        while items
            .next_element_seed(ProductSeed {
                call,
                product: &mut product,
            })?
            .is_some()
        {
            if call.products.len() < limits::PRODUCTS {
                call.products.push(std::mem::take(&mut product));
            } else if call
                .defects
                .last()
                .is_none_or(|defect| defect.name != "products")
            {
                call.defects.push(Defect {
                    name: "products".into(),
                    expected: "at most 256 products",
                });
            }
        }
        Ok(())
    }
}

struct ProductSeed<'a, 'de> {
    call: &'a mut Call<'de>,
    product: &'a mut Product,
}

object_seed!(ProductSeed, self, key, map, {
    let (call, product) = (&mut *self.call, &mut *self.product);
    match key.0.as_ref() {
        "product_id" => {
            if let Some(id) = map.next_value::<Scalar<'de>>()?.text() {
                product.id = cut(id);
            }
        }
        "sku" => {
            let sku = map.next_value::<Scalar<'de>>()?.text();
            if product.id.is_empty() {
                product.id = cut(sku.unwrap_or_default());
            }
        }
        "category" => product.category = map.next_value::<Scalar<'de>>()?.text().map(cut),
        "price" => product.price = call.amount("price", map.next_value()?),
        "quantity" => product.quantity = call.amount("quantity", map.next_value()?),
        _ => skip(&mut map)?,
    }
});

impl Call<'_> {
    fn amount(&mut self, name: &'static str, value: Scalar<'_>) -> Option<f64> {
        match value.typed(Type::Number) {
            Ok(Some(Property::Number(number))) => {
                if number < 0.0 {
                    self.negative = Some(name);
                }
                Some(number)
            }
            Ok(_) => None,
            Err(expected) => {
                self.defects.push(Defect {
                    name: name.into(),
                    expected,
                });
                None
            }
        }
    }
}

struct TraitsSeed<'a, 'de> {
    decoder: &'a Decoder,
    call: &'a mut Call<'de>,
}

object_seed!(TraitsSeed, self, key, map, {
    let Call {
        traits, defects, ..
    } = &mut *self.call;
    let traits = traits.get_or_insert_default();
    match key.0.as_ref() {
        "email" => traits.email = map.next_value::<Scalar<'de>>()?.text().map(cut),
        "phone" => traits.phone = map.next_value::<Scalar<'de>>()?.text().map(cut),
        "push_token" => traits.push_token = map.next_value::<Scalar<'de>>()?.text().map(cut),
        "timezone" => traits.timezone = zone(&map.next_value()?, defects),
        "locale" | "language" => traits.locale = map.next_value::<Scalar<'de>>()?.text().map(cut),
        "country" => traits.country = map.next_value::<Scalar<'de>>()?.text().map(cut),
        "address" => {
            let mut address = serde_json::Map::new();
            if let Some(line) = map.next_value_seed(AddressSeed {
                address: &mut address,
            })? {
                traits.address = Some(cut(line));
            }
            if let Some(serde_json::Value::String(country)) = address.get("country") {
                traits.country = Some(cut(country.as_str().into()));
            }
        }
        "consent" => map.next_value_seed(ConsentSeed {
            consent: &mut traits.consent,
            defects,
        })?,
        name => {
            let Some(kind) = self.decoder.attributes.get(name) else {
                skip(&mut map)?;
                continue;
            };
            match map.next_value::<Scalar<'de>>()?.typed(*kind) {
                Ok(Some(value)) => {
                    traits.attributes.retain(|(known, _)| known != name);
                    traits.attributes.push((name.into(), value));
                }
                Ok(None) => {}
                Err(expected) => defects.push(Defect {
                    name: name.into(),
                    expected,
                }),
            }
        }
    }
});

/// A time zone that exists, or a defect.
fn zone(value: &Scalar<'_>, defects: &mut Vec<Defect>) -> Option<Text> {
    let name = value.text()?;
    if crate::time::Zone::named(&name).is_some() {
        return Some(name);
    }
    defects.push(Defect {
        name: "timezone".into(),
        expected: "an IANA time zone",
    });
    None
}

/// Segment's address object, or one line of text.
struct AddressSeed<'a> {
    address: &'a mut serde_json::Map<String, serde_json::Value>,
}

impl<'de> DeserializeSeed<'de> for AddressSeed<'_> {
    type Value = Option<Text>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::String(line) if !line.is_empty() => Ok(Some(line.into())),
            serde_json::Value::Object(parts) => {
                *self.address = parts;
                let known = ["street", "postalCode", "city", "state", "country"];
                let parts = known
                    .iter()
                    .filter_map(|part| self.address.get(*part)?.as_str());
                let line = parts
                    .filter(|part| !part.is_empty())
                    .collect::<Vec<_>>()
                    .join(", ");
                Ok((!line.is_empty()).then(|| line.into()))
            }
            _ => Ok(None),
        }
    }
}

/// Consent: an object of channels and truth values, or a list of the channels consented to.
struct ConsentSeed<'a> {
    consent: &'a mut Vec<(Text, bool)>,
    defects: &'a mut Vec<Defect>,
}

impl<'de> DeserializeSeed<'de> for ConsentSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ConsentSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("channels with true or false")
    }

    passes_over!(scalars);

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, channel: &str) -> Result<(), E> {
        say(self.consent, channel, true);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut channels: A) -> Result<(), A::Error> {
        while let Some(channel) = channels.next_element::<Scalar<'de>>()? {
            if let Some(channel) = channel.text() {
                say(self.consent, &channel, true);
            }
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(channel) = map.next_key::<Key<'de>>()? {
            let value = map.next_value::<Scalar<'de>>()?;
            match value.truth() {
                Some(given) => say(self.consent, &channel.0, given),
                None if matches!(value, Scalar::Null) => {}
                None => self.defects.push(Defect {
                    name: "consent".into(),
                    expected: "true or false",
                }),
            }
        }
        Ok(())
    }
}

/// Notes what was said of a channel. Beyond the bound it is no list of channels; a no is kept.
fn say(consent: &mut Vec<(Text, bool)>, channel: &str, given: bool) {
    let channel = cut(channel.into());
    consent.retain(|(known, _)| *known != channel);
    if consent.len() >= limits::LIST_ITEMS {
        if given {
            return;
        }
        consent.remove(0);
    }
    consent.push((channel, given));
}

struct ContextSeed<'a, 'de> {
    call: &'a mut Call<'de>,
}

object_seed!(ContextSeed, self, key, map, {
    let Call {
        traits,
        defects,
        touchpoint,
        ..
    } = &mut *self.call;
    match key.0.as_ref() {
        "timezone" => {
            if let Some(zone) = zone(&map.next_value()?, defects) {
                traits.get_or_insert_default().timezone = Some(zone);
            }
        }
        "locale" => {
            if let Some(locale) = map.next_value::<Scalar<'de>>()?.text() {
                traits.get_or_insert_default().locale = Some(cut(locale));
            }
        }
        "campaign" => {
            let touchpoint = touchpoint.get_or_insert_default();
            map.next_value_seed(CampaignSeed {
                touchpoint,
                marker: std::marker::PhantomData,
            })?;
        }
        "device" => {
            let mut token = None;
            map.next_value_seed(DeviceSeed {
                token: &mut token,
                marker: std::marker::PhantomData,
            })?;
            if token.is_some() {
                traits.get_or_insert_default().push_token = token;
            }
        }
        _ => skip(&mut map)?,
    }
});

struct CampaignSeed<'a, 'de> {
    touchpoint: &'a mut Touchpoint,
    marker: std::marker::PhantomData<&'de ()>,
}

object_seed!(CampaignSeed, self, key, map, {
    let value = map.next_value::<Scalar<'de>>()?.text().map(cut);
    match key.0.as_ref() {
        "source" => self.touchpoint.source = value,
        "medium" => self.touchpoint.medium = value,
        "name" => self.touchpoint.campaign = value,
        _ => {}
    }
});

struct DeviceSeed<'a, 'de> {
    token: &'a mut Option<Text>,
    marker: std::marker::PhantomData<&'de ()>,
}

object_seed!(DeviceSeed, self, key, map, {
    let value = map.next_value::<Scalar<'de>>()?;
    if key.0 == "token" {
        *self.token = value.text().map(cut);
    }
});

/// Passes over a value that means nothing here.
fn skip<'de, A: MapAccess<'de>>(map: &mut A) -> Result<(), A::Error> {
    map.next_value::<Skipped>().map(|_| ())
}

/// A value that means nothing here. Unlike serde's `IgnoredAny` it keeps to the reader's limit of
/// nesting, so that a bomb is refused wherever it stands.
struct Skipped;

impl<'de> Deserialize<'de> for Skipped {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Skipped {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self, A::Error> {
        while items.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        while map.next_entry::<Self, Self>()?.is_some() {}
        Ok(self)
    }
}
