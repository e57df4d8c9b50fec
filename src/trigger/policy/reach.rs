//! Which address a channel needs to reach a customer.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::channel;
use crate::event::Text;
use crate::profile::Address;

/// By channel, the address that it needs. What is said is beside what is so anyway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<Text, Needs>", into = "BTreeMap<Text, Needs>")]
pub struct Addresses(BTreeMap<Text, Needs>);

/// What a channel needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Needs {
    /// None of her addresses.
    None,
    /// This one.
    #[serde(untagged)]
    Address(Address),
}

/// The channel's word that stands for every one that needs an address.
pub const ALL: &str = "all";

impl Addresses {
    /// The address that a channel needs; none where it needs none.
    #[must_use]
    pub fn of(&self, channel: &str) -> Option<Address> {
        match self.0.get(channel)? {
            Needs::None => None,
            Needs::Address(address) => Some(*address),
        }
    }

    /// The channels that need an address.
    pub fn channels(&self, address: Address) -> impl Iterator<Item = &str> {
        let channels = self.0.iter();
        let channels = channels.filter(move |(_, needs)| **needs == Needs::Address(address));
        channels.map(|(channel, _)| channel.as_str())
    }
}

impl Default for Addresses {
    fn default() -> Self {
        let usual = [
            ("email", Address::Email),
            ("phone", Address::Phone),
            ("print", Address::Postal),
            ("push", Address::PushToken),
            ("sms", Address::Phone),
        ];
        let usual = usual.map(|(channel, address)| (channel.into(), Needs::Address(address)));
        Self(usual.into())
    }
}

impl TryFrom<BTreeMap<Text, Needs>> for Addresses {
    type Error = String;

    fn try_from(said: BTreeMap<Text, Needs>) -> Result<Self, String> {
        channel::check(said.keys())?;
        let mut all = Self::default();
        all.0.extend(said);
        Ok(all)
    }
}

impl From<Addresses> for BTreeMap<Text, Needs> {
    fn from(addresses: Addresses) -> Self {
        addresses.0
    }
}

impl JsonSchema for Addresses {
    fn schema_name() -> Cow<'static, str> {
        "Addresses".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let words = Address::ALL.map(Address::word);
        let words: Vec<&str> = words.into_iter().chain(["none"]).collect();
        json_schema!({
            "type": "object",
            "additionalProperties": { "type": "string", "enum": words },
            "propertyNames": channel::schema(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_stands_beside_what_is_so_anyway() {
        let said = r#"{"newsletter":"email","sms":"none","print":"postal"}"#;
        let addresses: Addresses = serde_json::from_str(said).unwrap();
        for (channel, expected) in [
            ("newsletter", Some(Address::Email)),
            ("email", Some(Address::Email)),
            ("push", Some(Address::PushToken)),
            ("phone", Some(Address::Phone)),
            ("sms", None),
            ("onsite", None),
        ] {
            assert_eq!(addresses.of(channel), expected, "{channel}");
        }
        let email: Vec<&str> = addresses.channels(Address::Email).collect();
        assert_eq!(email, ["email", "newsletter"]);
        let json = serde_json::to_string(&addresses).unwrap();
        assert_eq!(serde_json::from_str::<Addresses>(&json).unwrap(), addresses);
        for wrong in [
            r#"{"E-Mail":"email"}"#,
            r#"{"email":"e-mail"}"#,
            r#"{"email":1}"#,
        ] {
            assert!(serde_json::from_str::<Addresses>(wrong).is_err(), "{wrong}");
        }
    }
}
