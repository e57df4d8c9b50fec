//! Where in the file a field stands whose value is not allowed.
//!
//! A value is checked when all layers are one, which has no lines. So the path of the field is followed through the file
//! once more, and the complaint is made there: `toml` then shows its line as it does for what it cannot read.

use std::fmt;
use std::path::Path;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use toml::Table;

use super::layers::without_secrets;
use super::{Config, ConfigError};

/// The error with its line, where the file by itself has it too; else a variable or a flag is to blame, and it stays as it is.
pub(super) fn in_file(error: ConfigError, path: Option<&Path>) -> ConfigError {
    let found = path.and_then(|path| Some((path, complaint(&error, path)?)));
    match found {
        Some((path, detail)) => ConfigError::File {
            path: path.to_owned(),
            detail,
        },
        None => error,
    }
}

fn complaint(error: &ConfigError, path: &Path) -> Option<String> {
    let ConfigError::Invalid { key, .. } = error else {
        return None;
    };
    let said = error.to_string();
    let text = std::fs::read_to_string(path).ok()?;
    let alone: Config = toml::from_str(&text).ok()?;
    alone.check().err().filter(|own| own.to_string() == said)?;
    let complaint = Complaint {
        keys: &keys(key)?,
        said: &said,
    };
    let document = toml::Deserializer::parse(&text).ok()?;
    let placed = complaint.deserialize(document).err()?;
    Some(without_secrets(placed.to_string().trim_end()))
}

/// The keys of a field as errors name it: with dots, and quotes where a key has some itself.
fn keys(field: &str) -> Option<Vec<String>> {
    let mut table: Table = toml::from_str(&format!("{field} = 0")).ok()?;
    let mut keys = Vec::new();
    while let Some((key, value)) = table.into_iter().next() {
        keys.push(key);
        table = value.try_into().unwrap_or_default();
    }
    Some(keys)
}

/// Says something of the value that the keys lead to, and nothing if there is none.
struct Complaint<'a> {
    keys: &'a [String],
    said: &'a str,
}

impl<'de> DeserializeSeed<'de> for Complaint<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<(), D::Error> {
        if self.keys.is_empty() {
            return Err(D::Error::custom(self.said));
        }
        value.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Complaint<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a section")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            match self.keys {
                [wanted, keys @ ..] if *wanted == key => map.next_value_seed(Complaint {
                    keys,
                    said: self.said,
                })?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}
