//! How much memory the process may take.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::ConfigError;

const MIB: u64 = 1024 * 1024;
/// With less, not even clients and threads have room.
const LEAST: Bytes = Bytes { bytes: 160 * MIB };
const UNITS: [(&str, u64); 3] = [("GiB", 1024 * MIB), ("MiB", MIB), ("KiB", 1024)];

/// What is divided among fetched records, customers who are unpacked, transactions and HTTP. Near it less is taken in, and that is said.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Memory {
    /// The ceiling of resident memory, such as `2GiB`; `auto`: nine tenths of the least limit that is set (cgroup, `ulimit -v`), where
    /// there is none half of the machine's memory. Default `auto`.
    pub max: Max,
}

/// A ceiling.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Max {
    /// As the system says it.
    #[default]
    Auto,
    /// So much.
    Bytes(Bytes),
}

/// A number of bytes, written `512MiB`, `3GiB`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes {
    /// How many.
    pub bytes: u64,
}

impl Memory {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        match self.max {
            Max::Bytes(found) if found < LEAST => {
                let said = format!("`{found}` is too little to run with; at least `{LEAST}`");
                Err(ConfigError::invalid("memory.max", said))
            }
            Max::Bytes(_) | Max::Auto => Ok(()),
        }
    }
}

/// Reads a number of bytes.
fn parse(text: &str) -> Result<Bytes, String> {
    let read = || {
        let (unit, size) = UNITS.iter().find(|(unit, _)| text.ends_with(unit))?;
        let number: u64 = text.strip_suffix(unit)?.trim().parse().ok()?;
        let bytes = number.checked_mul(*size)?;
        Some(Bytes { bytes })
    };
    read().ok_or_else(|| {
        format!(
            "`{text}` is no size; write a whole number and KiB, MiB or GiB, such as 2GiB, or auto"
        )
    })
}

impl fmt::Display for Bytes {
    /// In the largest unit that leaves no rest; rounded to MiB where none does.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = UNITS
            .iter()
            .find(|(_, size)| self.bytes.is_multiple_of(*size));
        let (unit, size) = whole.unwrap_or(&UNITS[1]);
        write!(f, "{}{unit}", self.bytes / size)
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Max {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Auto => serializer.serialize_str("auto"),
            Self::Bytes(bytes) => serializer.collect_str(bytes),
        }
    }
}

impl<'de> Deserialize<'de> for Max {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.trim() {
            "auto" => Ok(Self::Auto),
            size => parse(size).map(Self::Bytes).map_err(D::Error::custom),
        }
    }
}

impl JsonSchema for Max {
    fn schema_name() -> Cow<'static, str> {
        "Max".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A number of bytes with its unit (KiB, MiB, GiB), or `auto`.",
            "type": "string",
            "pattern": r"^\s*(auto|[0-9]+\s*(KiB|MiB|GiB))\s*$",
            "examples": ["auto", "512MiB", "3GiB"],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_a_number_and_a_unit() {
        for (text, bytes) in [("512MiB", 512 * MIB), ("3 GiB", 3072 * MIB), ("8KiB", 8192)] {
            assert_eq!(parse(text), Ok(Bytes { bytes }), "{text}");
        }
        for wrong in [
            "",
            "3",
            "GiB",
            "3GB",
            "-1GiB",
            "1.5GiB",
            "99999999999999GiB",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
        assert_eq!(Bytes { bytes: 3072 * MIB }.to_string(), "3GiB");
        assert_eq!(Bytes { bytes: 3 * MIB + 1 }.to_string(), "3MiB");
    }

    #[test]
    fn too_little_is_refused() {
        let with = |mib| Memory {
            max: Max::Bytes(Bytes { bytes: mib * MIB }),
        };
        assert!(with(159).check().is_err() && with(160).check().is_ok());
    }
}
