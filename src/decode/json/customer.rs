//! What a call says of the customer: traits, consent, addresses, context.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::scalar::{Key, Scalar, Skipped, cut, skip};
use super::{Call, Decoder, Defect, HeldSeed, address, consent};
use crate::event::{Text, Traits, Type, vocabulary};

pub(super) struct TraitsSeed<'a, 'de> {
    pub(super) decoder: &'a Decoder,
    pub(super) call: &'a mut Call<'de>,
}

odd!(TraitsSeed, "traits");
object_seed!(TraitsSeed, self, key, map, {
    let call = &mut *self.call;
    match key.0.as_ref() {
        "address" => {
            let address = map.next_value::<serde_json::Value>()?;
            let traits = call.traits.get_or_insert_default();
            address::take(traits, &mut call.defects, &address);
            if is_object(self.decoder, "address") && address.is_object() {
                let seed = HeldSeed {
                    decoder: self.decoder,
                    call,
                    of: "address",
                    say: Call::say_trait,
                };
                seed.deserialize(address)
                    .map_err(serde::de::Error::custom)?;
            }
        }
        "consent" => {
            let said = map.next_value::<serde_json::Value>()?;
            let consent = &mut call.traits.get_or_insert_default().consent;
            consent::take(consent, &mut call.defects, &said);
        }
        name if is_trait(self.decoder, name) => {
            call.say_trait(self.decoder, name, map.next_value()?);
        }
        of if is_object(self.decoder, of) => {
            call.traits.get_or_insert_default();
            let (decoder, say) = (self.decoder, Call::say_trait);
            map.next_value_seed(HeldSeed {
                decoder,
                call,
                of,
                say,
            })?;
        }
        _ => {
            call.traits.get_or_insert_default();
            skip(&mut map)?;
        }
    }
});

fn is_object(decoder: &Decoder, name: &str) -> bool {
    vocabulary::attribute_is_object(&decoder.attributes, name)
}

/// Whether a trait is read.
pub(in crate::decode) fn is_trait(decoder: &Decoder, name: &str) -> bool {
    matches!(
        name,
        "email" | "phone" | "push_token" | "timezone" | "locale" | "language" | "country"
    ) || vocabulary::attribute(&decoder.attributes, name).is_some()
}

impl Call<'_> {
    /// A trait that has one value.
    pub(in crate::decode) fn say_trait(
        &mut self,
        decoder: &Decoder,
        name: &str,
        value: Scalar<'_>,
    ) {
        let traits = self.traits.get_or_insert_default();
        let defects = &mut self.defects;
        let mut text = || text(name, &value, defects);
        match name {
            "email" => traits.email = text(),
            "phone" => traits.phone = text(),
            "push_token" => traits.push_token = text(),
            "timezone" => traits.timezone = zone(&value, &mut self.defects),
            "locale" | "language" => traits.locale = text(),
            "country" => traits.country = text(),
            _ => {}
        }
        // A company may declare an attribute of such a name, and then it is both.
        let Some(kind) = vocabulary::attribute(&decoder.attributes, name) else {
            return;
        };
        match value.typed(kind) {
            Ok(Some(value)) => {
                traits.attributes.retain(|(known, _)| known != name);
                traits.attributes.push((name.into(), value));
            }
            Ok(None) => {}
            Err(unreadable) => self.defects.push(unreadable.of(name)),
        }
    }

    /// What the context says that has one value: `timezone` and `locale`; the rest is passed over.
    pub(in crate::decode) fn say_context(&mut self, name: &str, value: &Scalar<'_>) {
        match name {
            "timezone" => {
                if let Some(zone) = zone(value, &mut self.defects) {
                    self.traits.get_or_insert_default().timezone = Some(zone);
                }
            }
            "locale" => {
                if let Some(locale) = value.text() {
                    self.traits.get_or_insert_default().locale = Some(cut(locale));
                }
            }
            _ => {}
        }
    }

    /// What the context says of the campaign.
    pub(in crate::decode) fn say_campaign(&mut self, name: &str, value: &Scalar<'_>) {
        let touchpoint = self.touchpoint.get_or_insert_default();
        let value = value.text().map(cut);
        match name {
            "source" => touchpoint.source = value,
            "medium" => touchpoint.medium = value,
            "name" => touchpoint.campaign = value,
            _ => {}
        }
    }

    /// An identify call may say its traits in the context, as RudderStack's does; what `traits` says goes before. In other calls
    /// they are a copy of what was said before, which may be true no more.
    pub(super) fn say_traits_of_context(&mut self) {
        let Some((said, defects)) = self.context_traits.take() else {
            return;
        };
        self.defects.extend(defects);
        let traits = self.traits.get_or_insert_default();
        let Traits {
            email,
            phone,
            push_token,
            address,
            timezone,
            locale,
            country,
            consent,
            attributes,
        } = *said;
        for (own, said) in [
            (&mut traits.email, email),
            (&mut traits.phone, phone),
            (&mut traits.push_token, push_token),
            (&mut traits.address, address),
            (&mut traits.timezone, timezone),
            (&mut traits.locale, locale),
            (&mut traits.country, country),
        ] {
            if own.is_none() {
                *own = said;
            }
        }
        // What stands behind goes before.
        traits.consent = [consent, std::mem::take(&mut traits.consent)].concat();
        for (name, value) in attributes {
            if traits.attributes.iter().all(|(known, _)| *known != name) {
                traits.attributes.push((name, value));
            }
        }
    }

    /// The token of the context's device.
    pub(in crate::decode) fn say_token(&mut self, value: &Scalar<'_>) {
        if let Some(token) = value.text() {
            self.traits.get_or_insert_default().push_token = Some(cut(token));
        }
    }
}

/// A time zone that exists, or a defect.
fn zone(value: &Scalar<'_>, defects: &mut Vec<Defect>) -> Option<Text> {
    let name = value.text()?;
    if crate::time::Zone::named(&name).is_some() {
        return Some(name);
    }
    defects.push(Defect::new("timezone", "an IANA time zone", value));
    None
}

/// A text, or a defect.
pub(super) fn text(name: &str, value: &Scalar<'_>, defects: &mut Vec<Defect>) -> Option<Text> {
    let text = value.text();
    if text.is_none() && !value.is_empty() {
        defects.push(Defect::new(name, Type::Text.described(), value));
    }
    text.map(cut)
}

pub(super) struct ContextSeed<'a, 'de> {
    pub(super) decoder: &'a Decoder,
    pub(super) call: &'a mut Call<'de>,
}

odd!(ContextSeed, "context");
object_seed!(ContextSeed, self, key, map, {
    match key.0.as_ref() {
        "campaign" => {
            self.call.touchpoint.get_or_insert_default();
            map.next_value_seed(CampaignSeed { call: self.call })?;
        }
        "device" => map.next_value_seed(DeviceSeed { call: self.call })?,
        "traits" => {
            let (decoder, call) = (self.decoder, &mut *self.call);
            let own = (call.traits.take(), std::mem::take(&mut call.defects));
            map.next_value_seed(TraitsSeed { decoder, call })?;
            let (traits, defects) = (call.traits.take(), std::mem::take(&mut call.defects));
            call.context_traits = traits.map(|traits| (traits, defects));
            (call.traits, call.defects) = own;
        }
        name @ ("timezone" | "locale") => self.call.say_context(name, &map.next_value()?),
        _ => skip(&mut map)?,
    }
});

struct CampaignSeed<'a, 'de> {
    call: &'a mut Call<'de>,
}

odd!(CampaignSeed, "campaign");
object_seed!(CampaignSeed, self, key, map, {
    let value = map.next_value::<Scalar<'de>>()?;
    self.call.say_campaign(&key.0, &value);
});

struct DeviceSeed<'a, 'de> {
    call: &'a mut Call<'de>,
}

odd!(DeviceSeed, "device");
object_seed!(DeviceSeed, self, key, map, {
    let value = map.next_value::<Scalar<'de>>()?;
    if key.0 == "token" {
        self.call.say_token(&value);
    }
});
