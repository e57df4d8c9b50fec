//! What a call says of the customer: traits, consent, addresses, context.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::scalar::{Key, Scalar, Skipped, cut, skip};
use super::{Call, Decoder, Defect};
use crate::event::{Text, Touchpoint, limits};

pub(super) struct TraitsSeed<'a, 'de> {
    pub(super) decoder: &'a Decoder,
    pub(super) call: &'a mut Call<'de>,
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
pub(super) fn zone(value: &Scalar<'_>, defects: &mut Vec<Defect>) -> Option<Text> {
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
pub(super) struct AddressSeed<'a> {
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
pub(super) struct ConsentSeed<'a> {
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
pub(super) fn say(consent: &mut Vec<(Text, bool)>, channel: &str, given: bool) {
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

pub(super) struct ContextSeed<'a, 'de> {
    pub(super) call: &'a mut Call<'de>,
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

pub(super) struct CampaignSeed<'a, 'de> {
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

pub(super) struct DeviceSeed<'a, 'de> {
    token: &'a mut Option<Text>,
    marker: std::marker::PhantomData<&'de ()>,
}

object_seed!(DeviceSeed, self, key, map, {
    let value = map.next_value::<Scalar<'de>>()?;
    if key.0 == "token" {
        *self.token = value.text().map(cut);
    }
});
