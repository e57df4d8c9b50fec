//! How long moments wait for others to compete with, by channel.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::channel;
use crate::event::Text;
use crate::time::{DAY_MS, format_duration, parse_duration};

/// The longest window: whoever waits for more is not answered but forgotten.
const WINDOW_MAX_MS: i64 = 7 * DAY_MS;

/// By channel, ms.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<Text, String>", into = "BTreeMap<Text, String>")]
pub struct Windows(BTreeMap<Text, i64>);

impl Windows {
    /// That of a channel, ms; none: moments do not wait.
    #[must_use]
    pub fn of(&self, channel: &str) -> Option<i64> {
        self.0.get(channel).copied()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl TryFrom<BTreeMap<Text, String>> for Windows {
    type Error = String;

    fn try_from(said: BTreeMap<Text, String>) -> Result<Self, String> {
        channel::check(said.keys())?;
        let read = |(channel, text): (Text, String)| {
            let ms = parse_duration(&text).ok();
            let ms = ms.filter(|ms| (1..=WINDOW_MAX_MS).contains(ms));
            let ms = ms.ok_or_else(|| {
                format!("`{text}` is not valid here; expected a duration such as `30m`, at most 7d")
            })?;
            Ok((channel, ms))
        };
        let read: Result<_, String> = said.into_iter().map(read).collect();
        read.map(Self)
    }
}

impl From<Windows> for BTreeMap<Text, String> {
    fn from(windows: Windows) -> Self {
        let windows = windows.0.into_iter();
        let shown = windows.map(|(channel, ms)| (channel, format_duration(ms)));
        shown.collect()
    }
}

impl JsonSchema for Windows {
    fn schema_name() -> Cow<'static, str> {
        "Windows".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "additionalProperties": {
                "type": "string",
                "pattern": r"^\s*([0-9]+\s*(ms|s|m|min|h|d|w)\s*)+$",
                "examples": ["30m"],
            },
            "propertyNames": channel::schema(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_read_and_written() {
        let read = |json| serde_json::from_str::<Windows>(json);
        let windows = read(r#"{"email":"1h","print":"1d 12h"}"#).unwrap();
        assert_eq!(windows.of("email"), Some(3_600_000));
        assert_eq!(windows.of("push"), None);
        let json = serde_json::to_string(&windows).unwrap();
        assert_eq!(read(&json).unwrap(), windows);
        for wrong in [
            r#"{"email":"0h"}"#,
            r#"{"email":"8d"}"#,
            r#"{"E-Mail":"1h"}"#,
            r#"{"email":1}"#,
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
