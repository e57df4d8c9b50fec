//! The shapes of Segment's calls, read in one pass without a tree in between. What their fields mean
//! is said by [`Call`], which Avro records fill too.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use smallvec::SmallVec;

use super::{Decoded, Decoder, Defect, EVENT_NAME, TIME_MAX, TIME_MIN};
use crate::event::record::{
    Attributes, Origin, PRODUCT_FIELDS, Reject, TRACEPARENT, is_placeholder,
};
use crate::event::{
    CustomerId, EVERY_CHANNEL, Event, EventName, Former, Product, Property, PropertyId, Text,
    Touchpoint, Traits, Type, limits,
};
use crate::time::Timestamp;

/// A W3C traceparent has 55 bytes; a later version of it may have some more.
const TRACEPARENT_BYTES: usize = 128;

/// What a visitor does with a value that is not what it reads: it says so (`odd`), and passes over it. (PHP writes an
/// empty object as `[]`; that is no reason to lose the event, and no defect.)
macro_rules! passes_over {
    (scalars) => {
        fn visit_bool<E>(self, value: bool) -> Result<(), E> {
            self.odd(&Scalar::Bool(value));
            Ok(())
        }

        fn visit_i64<E>(self, value: i64) -> Result<(), E> {
            self.odd(&Scalar::Whole(value.into()));
            Ok(())
        }

        fn visit_u64<E>(self, value: u64) -> Result<(), E> {
            self.odd(&Scalar::Whole(value.into()));
            Ok(())
        }

        fn visit_f64<E>(self, value: f64) -> Result<(), E> {
            self.odd(&Scalar::of_double(value));
            Ok(())
        }

        fn visit_str<E>(self, value: &str) -> Result<(), E> {
            self.odd(&Scalar::Text(std::borrow::Cow::Borrowed(value)));
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

/// What a seed says of a value that is not the object it reads.
macro_rules! odd {
    ($seed:ident, $name:literal) => {
        impl $seed<'_, '_> {
            fn odd(self, found: &Scalar<'_>) {
                self.call.odd($name, "an object", found);
            }
        }
    };
}

mod address;
mod consent;
mod customer;
mod scalar;

pub(super) use address::set_parts;
pub(super) use consent::set as set_consent;
pub(super) use customer::is_trait;
use customer::{ContextSeed, TraitsSeed, text};
pub(super) use scalar::{Key, Scalar, Skipped, Texts};
use scalar::{WHOLE_MAX, cut, shortened, skip};

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
    if call.is_envelope && origin.cloud_event.is_none() {
        return decoder.envelope(text.as_bytes(), origin);
    }
    call.into_event(decoder, origin)
}

/// Reads a call that is a tree already.
pub(super) fn read(
    decoder: &Decoder,
    tree: &serde_json::Value,
    origin: &Origin<'_>,
) -> Result<Decoded, Reject> {
    let mut call = Call::default();
    let seed = CallSeed {
        decoder,
        call: &mut call,
    };
    seed.deserialize(tree)
        .map_err(|error| Reject::BadJson(error.to_string()))?;
    call.into_event(decoder, origin)
}

/// A call as it was read: nothing checked yet.
#[derive(Default)]
pub(super) struct Call<'de> {
    pub(super) kind: Scalar<'de>,
    pub(super) event: Scalar<'de>,
    pub(super) user_id: Scalar<'de>,
    pub(super) anonymous_id: Scalar<'de>,
    pub(super) previous_id: Scalar<'de>,
    pub(super) message_id: Scalar<'de>,
    pub(super) timestamp: Scalar<'de>,
    /// Of a page or a screen, where they stand beside `properties`.
    name: Scalar<'de>,
    category: Scalar<'de>,
    properties: SmallVec<[(PropertyId, Property); 4]>,
    products: Vec<Product>,
    pub(super) traits: Option<Box<Traits>>,
    /// What the context says as traits, with what is wrong with them.
    context_traits: Option<(Box<Traits>, Vec<Defect>)>,
    pub(super) touchpoint: Option<Box<Touchpoint>>,
    pub(super) defects: Vec<Defect>,
    /// Whether it has what a CloudEvent has and an event has not.
    is_envelope: bool,
}

impl Call<'_> {
    /// Where the event says no id, time or customer, the envelope that it was in may.
    fn stand_in(&mut self, attributes: &Attributes<'_>) {
        if self.message_id.is_empty()
            && let Some(id) = attributes.identity()
        {
            self.message_id = Scalar::Text(Cow::Owned(id));
        }
        let stand_in = |field: &mut Scalar<'_>, name: &str| {
            if let (true, Some(value)) = (field.is_empty(), attributes.get(name)) {
                *field = Scalar::Text(Cow::Owned(value.to_owned()));
            }
        };
        stand_in(&mut self.timestamp, "time");
        if self.anonymous_id.is_empty() {
            stand_in(&mut self.user_id, "subject");
        }
    }

    pub(super) fn into_event(
        mut self,
        decoder: &Decoder,
        origin: &Origin<'_>,
    ) -> Result<Decoded, Reject> {
        if let Some(attributes) = origin.cloud_event {
            self.stand_in(attributes);
        }
        let name = self.name(decoder)?;
        let (customer, known) = match origin.everybody {
            true => (CustomerId::default(), false),
            false => self.customer(decoder)?,
        };
        let formers = match origin.everybody {
            true => Vec::new(),
            false => self.formers(decoder, &customer, known),
        };
        let time = self.time()?;
        if name == EventName::IDENTIFY {
            self.say_traits_of_context();
        }
        self.fit(name, decoder);
        if name == EventName::UNSUBSCRIBED && self.defects.iter().any(|it| it.name == "channel") {
            // Which channel cannot be read: it is a no to all.
            let consent = &mut self.traits.get_or_insert_default().consent;
            consent::say(consent, EVERY_CHANNEL, false);
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
                .header(TRACEPARENT)
                .filter(|parent| parent.len() <= TRACEPARENT_BYTES)
                .map(Text::from),
            formers,
        };
        Ok(Decoded {
            event,
            defects: self.defects,
            set_back_ms: 0,
        })
    }

    /// What is read of a property once it is known of what event it is.
    fn fit(&mut self, name: EventName, decoder: &Decoder) {
        if [EventName::PAGE_VIEWED, EventName::SCREEN_VIEWED].contains(&name) {
            for (id, value) in [
                (PropertyId::NAME, std::mem::take(&mut self.name)),
                (PropertyId::CATEGORY, std::mem::take(&mut self.category)),
            ] {
                if self.properties.iter().all(|(known, _)| *known != id) {
                    self.property(decoder, id, value);
                }
            }
        }
        // The place of a promotion has a name, that of a product a number.
        let is_promotion =
            [EventName::PROMOTION_VIEWED, EventName::PROMOTION_CLICKED].contains(&name);
        let number = self
            .properties
            .iter()
            .position(|it| it.0 == PropertyId::POSITION);
        let text = self
            .properties
            .iter()
            .position(|it| it.0 == PropertyId::PROMOTION_POSITION);
        match (number, text) {
            (Some(number), _) if is_promotion => {
                if let Property::Number(place) = self.properties[number].1 {
                    let text = Scalar::of_double(place).text().unwrap_or_default();
                    self.properties[number] =
                        (PropertyId::PROMOTION_POSITION, Property::Text(text));
                }
            }
            (_, Some(text)) if !is_promotion => {
                let (_, found) = self.properties.remove(text);
                if let Property::Text(found) = found {
                    let found = Scalar::Text(Cow::Borrowed(&found));
                    self.defects
                        .push(Defect::new("position", Type::Number.described(), &found));
                }
            }
            _ => {}
        }
    }

    fn name(&mut self, decoder: &Decoder) -> Result<EventName, Reject> {
        match &self.kind {
            Scalar::Null => {}
            Scalar::Text(kind) => match kind.as_ref() {
                "track" => {}
                "identify" => return Ok(EventName::IDENTIFY),
                "alias" => return Ok(EventName::ALIAS),
                "page" => return Ok(EventName::PAGE_VIEWED),
                "screen" => return Ok(EventName::SCREEN_VIEWED),
                _ => return Err(Reject::UnknownType(format!("`{}`", shortened(kind)))),
            },
            other => return Err(Reject::UnknownType(other.described())),
        }
        match &self.event {
            Scalar::Text(name) if !name.is_empty() => {
                let known = decoder.vocabulary.event_named(name);
                if known.is_none() {
                    let defect = Defect::new(EVENT_NAME, "one that is declared", &self.event);
                    self.defects.push(defect);
                }
                Ok(known.unwrap_or(EventName::OTHER))
            }
            _ => Err(Reject::NoEventName),
        }
    }

    /// The first of `userId` and `anonymousId` that stands for somebody.
    fn customer(&mut self, decoder: &Decoder) -> Result<(CustomerId, bool), Reject> {
        let mut nobody = None;
        for (name, known) in [("userId", true), ("anonymousId", false)] {
            let id = if known {
                &self.user_id
            } else {
                &self.anonymous_id
            };
            if id.is_empty() {
                continue;
            }
            if matches!(id, Scalar::Number(number) if number.abs() > WHOLE_MAX) {
                return Err(Reject::InvalidCustomer("is a number too large to be exact"));
            }
            let id = id.text().ok_or(Reject::InvalidCustomer("is no text"))?;
            if is_placeholder(&id, &decoder.placeholders) {
                let found = Scalar::Text(Cow::Owned(id.to_string()));
                self.defects
                    .push(Defect::new(name, "an id of somebody", &found));
                nobody = nobody.or(Some(id));
                continue;
            }
            if id.len() > limits::ID_BYTES {
                return Err(Reject::InvalidCustomer("is longer than 256 bytes"));
            }
            if id.chars().any(char::is_control) {
                return Err(Reject::InvalidCustomer("has a control character in it"));
            }
            return Ok((id, known));
        }
        Err(nobody.map_or(Reject::NoCustomer, |id| {
            Reject::PlaceholderCustomer(shortened(&id).into())
        }))
    }

    /// The other ids that the call says she had: what cannot be one is a defect, or told as one with the customer's.
    fn formers(&mut self, decoder: &Decoder, customer: &CustomerId, known: bool) -> Vec<Former> {
        let mut formers: Vec<Former> = Vec::new();
        for (name, is_alias) in [("previousId", true), ("anonymousId", false)] {
            let id = match is_alias {
                true => &self.previous_id,
                // Without a `userId` it is who she is.
                false if known => &self.anonymous_id,
                false => continue,
            };
            if id.is_empty() {
                continue;
            }
            let is_exact = !matches!(id, Scalar::Number(number) if number.abs() > WHOLE_MAX);
            let is_id = |id: &Text| {
                id.len() <= limits::ID_BYTES
                    && !id.chars().any(char::is_control)
                    && !is_placeholder(id, &decoder.placeholders)
            };
            match id.text().filter(|id| is_exact && is_id(id)) {
                Some(id) if id == *customer || formers.iter().any(|it| it.id == id) => {}
                Some(id) => formers.push(Former { id, is_alias }),
                None => self
                    .defects
                    .push(Defect::new(name, "an id of somebody", id)),
            }
        }
        formers
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

/// What a program writes where it has no id of an order, a cart or a product: taken for one, all would be one.
fn is_no_id(name: &str, text: &str) -> bool {
    const NONE: [&str; 7] = [
        "undefined",
        "null",
        "(null)",
        "none",
        "nan",
        "[object object]",
        "(not set)",
    ];
    (name.ends_with("_id") || name == "sku") && is_placeholder(text, &NONE)
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
        "previousId" => call.previous_id = map.next_value()?,
        "messageId" => call.message_id = map.next_value()?,
        "timestamp" => call.timestamp = map.next_value()?,
        "name" => call.name = map.next_value()?,
        "category" => call.category = map.next_value()?,
        "properties" => map.next_value_seed(PropertiesSeed { decoder, call })?,
        "traits" => map.next_value_seed(TraitsSeed { decoder, call })?,
        "context" => map.next_value_seed(ContextSeed { decoder, call })?,
        "specversion" => {
            call.is_envelope = true;
            skip(&mut map)?;
        }
        _ => skip(&mut map)?,
    }
});

odd!(CallSeed, "call");

struct PropertiesSeed<'a, 'de> {
    decoder: &'a Decoder,
    call: &'a mut Call<'de>,
}

odd!(PropertiesSeed, "properties");

object_seed!(PropertiesSeed, self, key, map, {
    let call = &mut *self.call;
    if key.0 == "products" {
        map.next_value_seed(ProductsSeed { call })?;
        continue;
    }
    let (decoder, of) = (self.decoder, &*key.0);
    match decoder.vocabulary.property_named(of) {
        Some(id) => call.named(decoder, (of, id), map.next_value()?),
        None if decoder.vocabulary.is_object(of) => {
            let say: Say<'de> = |call, decoder, name, value| {
                if let Some(id) = decoder.vocabulary.property_named(name) {
                    call.property(decoder, id, value);
                }
            };
            map.next_value_seed(HeldSeed {
                decoder,
                call,
                of,
                say,
            })?;
        }
        None => skip(&mut map)?,
    }
});

/// Takes what is said under a name.
type Say<'de> = fn(&mut Call<'de>, &Decoder, &str, Scalar<'de>);

/// What stands in an object, each as `guest.country`.
struct HeldSeed<'a, 'de> {
    decoder: &'a Decoder,
    call: &'a mut Call<'de>,
    /// The name of the object.
    of: &'a str,
    say: Say<'de>,
}

impl HeldSeed<'_, '_> {
    fn odd(self, found: &Scalar<'_>) {
        self.call.odd(self.of, "an object", found);
    }
}

object_seed!(HeldSeed, self, key, map, {
    let name = compact_str::format_compact!("{}.{}", self.of, key.0);
    (self.say)(self.call, self.decoder, &name, map.next_value()?);
});

struct ProductsSeed<'a, 'de> {
    call: &'a mut Call<'de>,
}

const PRODUCTS_EXPECTED: &str = "a list of products";

impl ProductsSeed<'_, '_> {
    fn odd(self, found: &Scalar<'_>) {
        self.call.odd("products", PRODUCTS_EXPECTED, found);
    }
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

    /// One product that is no list of one.
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        let call = self.call;
        let mut product = Product::default();
        let seed = ProductSeed {
            call,
            product: &mut product,
        };
        seed.visit_map(map)?;
        if product == Product::default() {
            call.odd("products", PRODUCTS_EXPECTED, &Scalar::Object);
        } else {
            call.product(product);
        }
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
            call.product(std::mem::take(&mut product));
        }
        Ok(())
    }
}

struct ProductSeed<'a, 'de> {
    call: &'a mut Call<'de>,
    product: &'a mut Product,
}

impl ProductSeed<'_, '_> {
    /// A product by its id alone.
    fn odd(self, found: &Scalar<'_>) {
        match found {
            Scalar::Text(_) | Scalar::Whole(_) => {
                self.product.id = found.text().map(cut).unwrap_or_default();
            }
            _ => self.call.odd("products", "an object of a product", found),
        }
    }
}

object_seed!(ProductSeed, self, key, map, {
    if PRODUCT_FIELDS.iter().any(|(name, _)| *name == key.0) {
        let value = map.next_value()?;
        self.call.product_field(self.product, &key.0, value);
    } else {
        skip(&mut map)?;
    }
});

impl Call<'_> {
    /// Notes what stands where something else should; empty text says nothing.
    fn odd(&mut self, name: &str, expected: &'static str, found: &Scalar<'_>) {
        if !found.is_empty() {
            self.defects.push(Defect::new(name, expected, found));
        }
    }

    /// A property of the vocabulary by a name that it has.
    pub(super) fn named(
        &mut self,
        decoder: &Decoder,
        (name, id): (&str, PropertyId),
        value: Scalar<'_>,
    ) {
        let is_said = |(known, _): &(PropertyId, Property)| *known == id;
        if !decoder.vocabulary.is_other_name(name, id) || !self.properties.iter().any(is_said) {
            self.property(decoder, id, value);
        }
    }

    /// A property of the vocabulary.
    pub(super) fn property(&mut self, decoder: &Decoder, id: PropertyId, value: Scalar<'_>) {
        let spec = decoder.vocabulary.property(id);
        // Of what event it is may be said later.
        let is_named_place = id == PropertyId::POSITION && value.number().is_none();
        let (id, kind) = match is_named_place && value.text().is_some() {
            true => (PropertyId::PROMOTION_POSITION, Type::Text),
            false => (id, spec.kind),
        };
        match value.typed(kind) {
            Ok(Some(Property::Text(text))) if is_no_id(&spec.name, &text) => {
                let found = Scalar::Text(Cow::Borrowed(&text));
                self.defects
                    .push(Defect::new(&spec.name, "an id of something", &found));
            }
            Ok(Some(value)) => {
                self.properties.retain(|(known, _)| *known != id);
                self.properties.push((id, value));
            }
            Ok(None) => {}
            Err(unreadable) => self.defects.push(unreadable.of(&spec.name)),
        }
    }

    /// One more product, within the bound.
    pub(super) fn product(&mut self, product: Product) {
        if self.products.len() < limits::PRODUCTS {
            self.products.push(product);
        } else if self
            .defects
            .last()
            .is_none_or(|defect| defect.name != "products")
        {
            self.defects.push(Defect {
                name: "products".into(),
                expected: "at most 256 products",
                found: "more".into(),
            });
        }
    }

    /// A field of a product; one that nobody reads is passed over.
    pub(super) fn product_field(&mut self, product: &mut Product, name: &str, value: Scalar<'_>) {
        let defects = &mut self.defects;
        match name {
            "product_id" => {
                if let Some(id) = text(name, &value, defects).filter(|id| !is_no_id(name, id)) {
                    product.id = id;
                }
            }
            "sku" if product.id.is_empty() => {
                let id = text(name, &value, defects).filter(|id| !is_no_id(name, id));
                product.id = id.unwrap_or_default();
            }
            "category" => product.category = text(name, &value, defects),
            "price" => product.price = self.amount(name, value),
            "quantity" => product.quantity = self.amount(name, value),
            _ => {}
        }
    }

    fn amount(&mut self, name: &str, value: Scalar<'_>) -> Option<f64> {
        match value.typed(Type::Number) {
            Ok(Some(Property::Number(number))) => Some(number),
            Ok(_) => None,
            Err(unreadable) => {
                self.defects.push(unreadable.of(name));
                None
            }
        }
    }
}
