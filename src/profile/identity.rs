//! Who she is and where she can be reached, as she or a system last said.

use serde::{Deserialize, Serialize};

use super::address::Address;
use super::limits;
use super::section::{
    Field, KeyedField, Local, Section, earlier, earliest, field, fill_in, replace,
};
use crate::event::{Event, EventName, Property, Text, Traits, Type};
use crate::stored::{Stored, StoredError};
use crate::time::{Timestamp, Zone};
use crate::value::Value;

/// Who a customer is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// When she signed up.
    pub signed_up: Option<Timestamp>,
    /// Time of the last identify that was taken; an older one changes nothing it set.
    pub identified: Option<Timestamp>,
    /// Where she can be reached.
    pub addresses: Addresses,
    /// IANA time zone.
    pub timezone: Option<Text>,
    /// BCP 47 language tag.
    pub locale: Option<Text>,
    /// Country.
    pub country: Option<Text>,
    /// The company's own attributes.
    pub attributes: Vec<(Text, Property)>,
}

/// Where a customer can be reached.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addresses {
    /// E-mail.
    pub email: Option<Text>,
    /// Telephone.
    pub phone: Option<Text>,
    /// Device token.
    pub push_token: Option<Text>,
    /// Postal address.
    pub postal: Option<Text>,
}

impl Addresses {
    /// One of them, where it is known.
    #[must_use]
    pub fn get(&self, address: Address) -> Option<&Text> {
        match address {
            Address::Email => self.email.as_ref(),
            Address::Phone => self.phone.as_ref(),
            Address::PushToken => self.push_token.as_ref(),
            Address::Postal => self.postal.as_ref(),
        }
    }

    /// The hash of one of them, where it is known.
    #[must_use]
    pub fn hash(&self, address: Address) -> Option<u64> {
        let known = self.get(address)?;
        Some(xxhash_rust::xxh3::xxh3_64(known.as_bytes()))
    }
}

impl Identity {
    /// Her time zone, or where she is taken to live while none is known.
    #[must_use]
    pub fn zone_or(&self, home: &Zone) -> Zone {
        let own = self.timezone.as_deref().and_then(Zone::named);
        own.unwrap_or_else(|| home.clone())
    }

    /// Leaves of traits what is not known here.
    pub fn take_out_of(&self, traits: &mut Traits) {
        let (own, known) = (&self.addresses, &mut *traits);
        for (own, said) in [
            (&own.email, &mut known.email),
            (&own.phone, &mut known.phone),
            (&own.push_token, &mut known.push_token),
            (&own.postal, &mut known.address),
            (&self.timezone, &mut known.timezone),
            (&self.locale, &mut known.locale),
            (&self.country, &mut known.country),
        ] {
            if own.is_some() {
                *said = None;
            }
        }
        let is_known = |name: &Text| self.attributes.iter().any(|(known, _)| known == name);
        traits.attributes.retain(|(name, _)| !is_known(name));
    }

    /// Traits that are known replace those of before; an older identify changes nothing.
    fn identify(&mut self, traits: &Traits, at: Timestamp) {
        if self.identified.is_some_and(|identified| at < identified) {
            return;
        }
        self.identified = Some(at);
        replace(&mut self.addresses.email, traits.email.as_ref());
        replace(&mut self.addresses.phone, traits.phone.as_ref());
        replace(&mut self.addresses.push_token, traits.push_token.as_ref());
        replace(&mut self.addresses.postal, traits.address.as_ref());
        replace(&mut self.timezone, traits.timezone.as_ref());
        replace(&mut self.locale, traits.locale.as_ref());
        replace(&mut self.country, traits.country.as_ref());
        for (name, value) in &traits.attributes {
            let full = self.attributes.len() >= limits::ATTRIBUTES;
            match self.attributes.iter_mut().find(|(known, _)| known == name) {
                Some((_, known)) => known.clone_from(value),
                None if !full => {
                    self.attributes.push((name.clone(), value.clone()));
                }
                None => {}
            }
        }
    }
}

/// Version 1 had no dates among attributes.
impl Stored for Identity {
    const VERSION: u8 = 2;

    fn upcast(version: u8, bytes: &[u8]) -> Result<Self, StoredError> {
        match version {
            1 => Ok(postcard::from_bytes(bytes)?),
            _ => Err(StoredError::Damaged(format!(
                "there is no version {version} of who she is"
            ))),
        }
    }
}

impl Section for Identity {
    const TAG: u16 = 2;
    const WRITTEN_BY: &'static [EventName] = &[EventName::SIGNED_UP];
    const FIELDS: &'static [Field<Self>] = &[
        field("addresses.email", Type::Text, "e-mail address", |p, _| {
            Value::text(p.addresses.email.as_ref())
        }),
        field("addresses.phone", Type::Text, "telephone number", |p, _| {
            Value::text(p.addresses.phone.as_ref())
        }),
        field("addresses.postal", Type::Text, "postal address", |p, _| {
            Value::text(p.addresses.postal.as_ref())
        }),
        field(
            "addresses.push_token",
            Type::Text,
            "device token for push",
            |p, _| Value::text(p.addresses.push_token.as_ref()),
        ),
        field("country", Type::Text, "country", |p, _| {
            Value::text(p.country.as_ref())
        }),
        field("locale", Type::Text, "language tag", |p, _| {
            Value::text(p.locale.as_ref())
        }),
        field("signed_up", Type::Time, "when she signed up", |p, _| {
            Value::time(p.signed_up)
        }),
        field("timezone", Type::Text, "IANA time zone", |p, _| {
            Value::text(p.timezone.as_ref())
        }),
    ];
    const KEYED_FIELDS: &'static [KeyedField<Self>] = &[KeyedField {
        path: "attributes",
        member: None,
        kind: None,
        about: "the company's own attributes, declared in the configuration under [attributes]",
        keys: |p| {
            let attributes = p.attributes.iter();
            attributes.map(|(name, _)| name.as_str()).collect()
        },
        read: |p, key, as_of| {
            let found = p.attributes.iter().find(|(name, _)| name == key);
            let zone = || p.zone_or(as_of.home);
            found.map_or(Value::Null, |(_, value)| Value::of(value, &zone))
        },
    }];

    fn is_written_by(event: &Event) -> bool {
        event.traits.is_some() || Self::WRITTEN_BY.contains(&event.name)
    }

    fn apply(&mut self, event: &Event, _local: Local<'_>) {
        if let Some(traits) = &event.traits {
            self.identify(traits, event.time);
        }
        if event.name == EventName::SIGNED_UP {
            self.signed_up = earliest(self.signed_up, event.time);
        }
    }

    /// She signed up when she first did.
    fn merge(&mut self, other: Self, _local: Local<'_>) {
        self.signed_up = earlier(self.signed_up, other.signed_up);
        self.identified = self.identified.max(other.identified);
        let (own, addresses) = (&mut self.addresses, other.addresses);
        fill_in(&mut own.email, addresses.email);
        fill_in(&mut own.phone, addresses.phone);
        fill_in(&mut own.push_token, addresses.push_token);
        fill_in(&mut own.postal, addresses.postal);
        fill_in(&mut self.timezone, other.timezone);
        fill_in(&mut self.locale, other.locale);
        fill_in(&mut self.country, other.country);
        for (name, value) in other.attributes {
            let is_known = self.attributes.iter().any(|(known, _)| *known == name);
            if !is_known && self.attributes.len() < limits::ATTRIBUTES {
                self.attributes.push((name, value));
            }
        }
    }
}
