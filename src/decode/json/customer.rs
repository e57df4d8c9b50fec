//! What a call says of the customer: traits, consent, addresses, context.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::scalar::{Key, Scalar, Skipped, cut, skip};
use super::{Call, Decoder, Defect};
use crate::event::record::ADDRESS;
use crate::event::{Text, Traits, limits};

pub(super) struct TraitsSeed<'a, 'de> {
    pub(super) decoder: &'a Decoder,
    pub(super) call: &'a mut Call<'de>,
}

object_seed!(TraitsSeed, self, key, map, {
    let call = &mut *self.call;
    match key.0.as_ref() {
        "address" => {
            let address = map.next_value::<serde_json::Value>()?;
            set_address(call.traits.get_or_insert_default(), &address);
        }
        "consent" => {
            let consent = &mut call.traits.get_or_insert_default().consent;
            map.next_value_seed(ConsentSeed {
                consent,
                defects: &mut call.defects,
            })?;
        }
        name if is_trait(self.decoder, name) => {
            call.say_trait(self.decoder, name, map.next_value()?);
        }
        _ => {
            call.traits.get_or_insert_default();
            skip(&mut map)?;
        }
    }
});

/// Whether a trait is read.
pub(in crate::decode) fn is_trait(decoder: &Decoder, name: &str) -> bool {
    matches!(
        name,
        "email" | "phone" | "push_token" | "timezone" | "locale" | "language" | "country"
    ) || decoder.attributes.contains_key(name)
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
        let text = || value.text().map(cut);
        match name {
            "email" => traits.email = text(),
            "phone" => traits.phone = text(),
            "push_token" => traits.push_token = text(),
            "timezone" => traits.timezone = zone(&value, &mut self.defects),
            "locale" | "language" => traits.locale = text(),
            "country" => traits.country = text(),
            name => {
                let Some(kind) = decoder.attributes.get(name) else {
                    return;
                };
                match value.typed(*kind) {
                    Ok(Some(value)) => {
                        traits.attributes.retain(|(known, _)| known != name);
                        traits.attributes.push((name.into(), value));
                    }
                    Ok(None) => {}
                    Err(expected) => self.defects.push(Defect {
                        name: name.into(),
                        expected,
                    }),
                }
            }
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
    defects.push(Defect {
        name: "timezone".into(),
        expected: "an IANA time zone",
    });
    None
}

/// Segment's address object, or one line of text.
fn set_address(traits: &mut Traits, address: &serde_json::Value) {
    match address {
        serde_json::Value::String(line) if !line.is_empty() => {
            traits.address = Some(cut(line.as_str().into()));
        }
        serde_json::Value::Object(parts) => {
            set_parts(traits, ADDRESS.map(|name| parts.get(name)?.as_str()));
        }
        _ => {}
    }
}

/// An address by its parts, which are those of [`ADDRESS`]; the last of them is a trait of its own too.
pub(in crate::decode) fn set_parts(traits: &mut Traits, parts: [Option<&str>; ADDRESS.len()]) {
    let shown = parts.iter().flatten().copied();
    let shown: Vec<_> = shown.filter(|part| !part.is_empty()).collect();
    if !shown.is_empty() {
        traits.address = Some(cut(shown.join(", ").into()));
    }
    if let [.., Some(country)] = parts {
        traits.country = Some(cut(country.into()));
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
            set_consent(self.consent, self.defects, &channel.0, &value);
        }
        Ok(())
    }
}

/// Notes what was said of a channel in a value.
pub(in crate::decode) fn set_consent(
    consent: &mut Vec<(Text, bool)>,
    defects: &mut Vec<Defect>,
    channel: &str,
    value: &Scalar<'_>,
) {
    match value.truth() {
        Some(given) => say(consent, channel, given),
        None if matches!(value, Scalar::Null) => {}
        None => defects.push(Defect {
            name: "consent".into(),
            expected: "true or false",
        }),
    }
}

/// Notes what was said of a channel, which triggers write in lower case. Beyond the bound it is no list of channels; a no is kept.
fn say(consent: &mut Vec<(Text, bool)>, channel: &str, given: bool) {
    let channel = cut(Text::from_str_to_lowercase(channel));
    consent.retain(|(known, _)| *known != channel);
    if consent.len() >= limits::LIST_ITEMS {
        if given {
            return;
        }
        consent.remove(0);
    }
    consent.push((channel, given));
}

pub(super) struct ContextSeed<'a, 'de> {
    pub(super) call: &'a mut Call<'de>,
}

object_seed!(ContextSeed, self, key, map, {
    match key.0.as_ref() {
        "campaign" => {
            self.call.touchpoint.get_or_insert_default();
            map.next_value_seed(CampaignSeed { call: self.call })?;
        }
        "device" => map.next_value_seed(DeviceSeed { call: self.call })?,
        name @ ("timezone" | "locale") => self.call.say_context(name, &map.next_value()?),
        _ => skip(&mut map)?,
    }
});

struct CampaignSeed<'a, 'de> {
    call: &'a mut Call<'de>,
}

object_seed!(CampaignSeed, self, key, map, {
    let value = map.next_value::<Scalar<'de>>()?;
    self.call.say_campaign(&key.0, &value);
});

struct DeviceSeed<'a, 'de> {
    call: &'a mut Call<'de>,
}

object_seed!(DeviceSeed, self, key, map, {
    let value = map.next_value::<Scalar<'de>>()?;
    if key.0 == "token" {
        self.call.say_token(&value);
    }
});
