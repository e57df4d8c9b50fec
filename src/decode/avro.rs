//! Events in Avro, in Confluent's wire format: byte 0, the id of the writer's schema in 4 bytes, big-endian, and the datum.
//!
//! The datum is read by the plan of its writer's schema, straight into what a [`Call`] is filled from. Fields are found by name,
//! numbers are widened, and what the writer does not have is not known: that is what resolving it to our schema gives, as ours has
//! no default but null and empty ([`crate::avro`] refuses a writer that does not resolve). Decimals and dates are made what they
//! stand for by what their schema says. Fields that a company added to
//! its properties are taken up where the vocabulary declares them. Null counts as not said.

use std::borrow::Cow;

use super::json::{Call, Scalar, Texts, is_trait, set_consent, set_parts};
use super::{Decoded, Decoder, Origin, Reject};
use crate::avro::datum::{Blocks, Datum, Fault};
use crate::avro::layout::Layout;
use crate::avro::plan::{Choice, LATER_MAX, Part, Plan, Products, Target};
use crate::avro::{self, Schemas, Verdict};
use crate::event::record::ADDRESS;
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
    let mut reader = Reader::new(decoder, Datum::new(datum));
    reader
        .record(schema.plan())
        .and_then(|()| reader.datum.end())
        .map_err(|fault| Reject::BadAvro(fault.to_string()))?;
    reader.call.into_event(decoder, origin)
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

/// Follows a plan.
struct Reader<'d, 'a> {
    decoder: &'d Decoder,
    datum: Datum<'a>,
    call: Call<'a>,
    /// The product that is being read.
    product: Product,
    /// The parts of the address that is being read, once something is said of it.
    address: Option<[Option<Text>; ADDRESS.len()]>,
}

impl<'d, 'a> Reader<'d, 'a> {
    fn new(decoder: &'d Decoder, datum: Datum<'a>) -> Self {
        Self {
            decoder,
            datum,
            call: Call::default(),
            product: Product::default(),
            address: None,
        }
    }

    fn record(&mut self, plan: &'a Plan) -> Result<(), Fault> {
        let mut waiting = [None; LATER_MAX];
        for step in &plan.steps {
            match &step.later {
                None => self.part(&step.part)?,
                Some(later) => {
                    let before = self.datum;
                    later.layout.skip(&mut self.datum)?;
                    waiting[later.turn] = Some((&step.part, before.until(self.datum)));
                }
            }
        }
        for (part, datum) in waiting.into_iter().flatten() {
            let rest = std::mem::replace(&mut self.datum, datum);
            self.part(part)?;
            self.datum = rest;
        }
        Ok(())
    }

    fn part(&mut self, part: &'a Part) -> Result<(), Fault> {
        match part {
            Part::Skipped(layout) => layout.skip(&mut self.datum),
            Part::Value(target, layout) => match layout.chosen(&mut self.datum)? {
                Layout::Null => Ok(()),
                said => self.value(target, said),
            },
            Part::Record(choice) => self.choice(choice),
            Part::Address(choice) => {
                self.choice(choice)?;
                if let Some(parts) = self.address.take() {
                    let traits = self.call.traits.get_or_insert_default();
                    set_parts(traits, parts.each_ref().map(Option::as_deref));
                }
                Ok(())
            }
            Part::Products(choice) => match choice.chosen(&mut self.datum)? {
                Some(items) => self.products(items),
                None => Ok(()),
            },
            Part::Consent(layout) => self.consent(layout),
        }
    }

    fn choice(&mut self, choice: &'a Choice<Plan>) -> Result<(), Fault> {
        match choice.chosen(&mut self.datum)? {
            Some(plan) => self.record(plan),
            None => Ok(()),
        }
    }

    /// A value that is not null.
    fn value(&mut self, target: &'a Target, layout: &'a Layout) -> Result<(), Fault> {
        match target {
            Target::Type => self.call.kind = self.scalar(layout)?,
            Target::Event => self.call.event = self.scalar(layout)?,
            Target::UserId => self.call.user_id = self.scalar(layout)?,
            Target::AnonymousId => self.call.anonymous_id = self.scalar(layout)?,
            Target::PreviousId => self.call.previous_id = self.scalar(layout)?,
            Target::MessageId => self.call.message_id = self.scalar(layout)?,
            Target::Timestamp => self.call.timestamp = self.scalar(layout)?,
            Target::Property(id) => {
                let value = self.scalar(layout)?;
                self.call.property(self.decoder, *id, value);
            }
            Target::OwnProperty(name) => match self.decoder.vocabulary.property_named(name) {
                Some(id) => {
                    let value = self.scalar(layout)?;
                    self.call.named(self.decoder, (name, id), value);
                }
                None => layout.skip(&mut self.datum)?,
            },
            Target::Product(name) => {
                let value = self.scalar(layout)?;
                self.call.product_field(&mut self.product, name, value);
            }
            _ => self.of_customer(target, layout)?,
        }
        Ok(())
    }

    /// A value that says something of the customer herself, or of where she came from.
    fn of_customer(&mut self, target: &'a Target, layout: &'a Layout) -> Result<(), Fault> {
        match target {
            Target::Trait(name) if !is_trait(self.decoder, name) => {
                self.call.traits.get_or_insert_default();
                layout.skip(&mut self.datum)?;
            }
            Target::Trait(name) => {
                let value = self.scalar(layout)?;
                self.call.say_trait(self.decoder, name, value);
            }
            Target::Address(place) => {
                self.address.get_or_insert_default();
                match *place {
                    Some(place) => self.address_part(place, layout)?,
                    None => layout.skip(&mut self.datum)?,
                }
            }
            Target::Campaign(None) => {
                self.call.touchpoint.get_or_insert_default();
                layout.skip(&mut self.datum)?;
            }
            Target::Campaign(Some(name)) => {
                let value = self.scalar(layout)?;
                self.call.say_campaign(name, &value);
            }
            Target::Context(name) => {
                let value = self.scalar(layout)?;
                self.call.say_context(name, &value);
            }
            _ => {
                let value = self.scalar(layout)?;
                self.call.say_token(&value);
            }
        }
        Ok(())
    }

    fn address_part(&mut self, place: usize, layout: &'a Layout) -> Result<(), Fault> {
        if let Some(text) = self.scalar(layout)?.text() {
            self.address.get_or_insert_default()[place] = Some(text);
        }
        Ok(())
    }

    /// One product more than may be kept is read, so that it is seen that there were more; the others are passed over.
    fn products(&mut self, products: &'a Products) -> Result<(), Fault> {
        let mut blocks = Blocks::default();
        for _ in 0..=limits::PRODUCTS {
            if !blocks.next(&mut self.datum)? {
                return Ok(());
            }
            self.choice(&products.items)?;
            self.call.product(std::mem::take(&mut self.product));
        }
        while blocks.next(&mut self.datum)? {
            products.layout.skip(&mut self.datum)?;
        }
        Ok(())
    }

    fn consent(&mut self, layout: &'a Layout) -> Result<(), Fault> {
        let values = match layout.chosen(&mut self.datum)? {
            Layout::Map(values) => values,
            other => return other.skip(&mut self.datum),
        };
        let mut blocks = Blocks::default();
        while blocks.next(&mut self.datum)? {
            let channel = self.datum.string()?;
            let value = self.scalar(values)?;
            if !matches!(value, Scalar::Null) {
                let consent = &mut self.call.traits.get_or_insert_default().consent;
                set_consent(consent, &mut self.call.defects, channel, &value);
            }
        }
        Ok(())
    }

    fn scalar(&mut self, layout: &'a Layout) -> Result<Scalar<'a>, Fault> {
        scalar(layout, &mut self.datum)
    }
}

/// Reads a plain value. What is none, as a map, is passed over.
fn scalar<'a>(layout: &'a Layout, datum: &mut Datum<'a>) -> Result<Scalar<'a>, Fault> {
    Ok(match layout.chosen(datum)? {
        Layout::Null => Scalar::Null,
        Layout::Boolean => Scalar::Bool(datum.boolean()?),
        Layout::Int => Scalar::Whole(datum.int()?.into()),
        Layout::Long => Scalar::Whole(datum.long()?.into()),
        Layout::Days => Scalar::of_days(datum.int()?),
        Layout::Float => Scalar::of_double(datum.float()?.into()),
        Layout::Double => Scalar::of_double(datum.double()?),
        Layout::Bytes => Scalar::of_bytes(datum.bytes()?),
        Layout::Fixed(size) => Scalar::of_bytes(datum.fixed(*size)?),
        Layout::Decimal { scale, size } => Scalar::of_decimal(datum.sized(*size)?, *scale),
        Layout::String => Scalar::Text(Cow::Borrowed(datum.string()?)),
        Layout::Enum(symbols) => {
            let symbol = datum.one_of(symbols, Fault::Symbol)?;
            Scalar::Text(Cow::Borrowed(symbol))
        }
        Layout::Array(items) => {
            let (mut blocks, mut texts) = (Blocks::default(), Texts::default());
            while blocks.next(datum)? {
                texts.push(&scalar(items, datum)?);
            }
            texts.into()
        }
        other => {
            other.skip(datum)?;
            Scalar::Object
        }
    })
}

#[cfg(test)]
mod tests;
