//! A time zone by its name.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::event::Text;
use crate::time::Zone;

/// The name of a time zone that there is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Text", into = "Text")]
pub struct ZoneName(Text);

impl ZoneName {
    /// The zone.
    #[must_use]
    pub fn zone(&self) -> Zone {
        Zone::named(&self.0).unwrap_or_default()
    }
}

impl Default for ZoneName {
    fn default() -> Self {
        Self("UTC".into())
    }
}

impl TryFrom<Text> for ZoneName {
    type Error = String;

    fn try_from(name: Text) -> Result<Self, String> {
        match Zone::named(&name) {
            Some(_) => Ok(Self(name)),
            None => Err(format!(
                "there is no time zone `{name}`; expected one such as `Europe/Madrid`"
            )),
        }
    }
}

impl From<ZoneName> for Text {
    fn from(name: ZoneName) -> Self {
        name.0
    }
}

impl JsonSchema for ZoneName {
    fn schema_name() -> Cow<'static, str> {
        "ZoneName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "minLength": 1, "examples": ["UTC", "Europe/Madrid"] })
    }
}
