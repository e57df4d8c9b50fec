//! How many commands are sent over everybody, by channel.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::channel;
use crate::document::reader::DURATION_MAX_MS;
use crate::event::Text;
use crate::time::{format_duration, parse_duration};

/// At most so many commands over everybody in any time of a length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many, 1 to [`Rate::COUNT_MAX`].
    pub count: u32,
    /// In how long, ms: the rolling window (t - D, t].
    pub window_ms: i64,
}

/// By channel.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<Text, String>", into = "BTreeMap<Text, String>")]
pub struct SendRates(BTreeMap<Text, Rate>);

impl Rate {
    /// A task keeps the times of this many commands for a rate, some ten kilobytes that are written when one is sent.
    pub const COUNT_MAX: u32 = 10_000;

    /// The part of one of several tasks, counted from 0. The parts add up to the rate, exactly: where there are fewer commands than
    /// tasks, each has one in a longer time.
    #[must_use]
    pub fn part(self, own: u32, tasks: u32) -> Self {
        let (own, tasks) = (u64::from(own), u64::from(tasks.max(1)));
        let times = tasks.div_ceil(u64::from(self.count));
        let count = u64::from(self.count) * times;
        let part = count / tasks + u64::from(own < count % tasks);
        Self {
            count: u32::try_from(part).unwrap_or(Self::COUNT_MAX),
            window_ms: i64::try_from(times)
                .map_or(i64::MAX, |it| self.window_ms.saturating_mul(it)),
        }
    }
}

impl SendRates {
    /// That of a channel.
    #[must_use]
    pub fn of(&self, channel: &str) -> Option<Rate> {
        self.0.get(channel).copied()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = || {
            let (count, window) = text.split_once(" in ")?;
            let count = count.trim().parse().ok();
            let window_ms = parse_duration(window).ok();
            Some(Self {
                count: count.filter(|count| (1..=Self::COUNT_MAX).contains(count))?,
                window_ms: window_ms.filter(|ms| (1..=DURATION_MAX_MS).contains(ms))?,
            })
        };
        read().ok_or_else(|| {
            format!(
                "`{text}` is not valid here; expected `N in D`, such as `20 in 1h`; N is from 1 to {}",
                Self::COUNT_MAX
            )
        })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {}", self.count, format_duration(self.window_ms))
    }
}

impl TryFrom<BTreeMap<Text, String>> for SendRates {
    type Error = String;

    fn try_from(said: BTreeMap<Text, String>) -> Result<Self, String> {
        channel::check(said.keys())?;
        let read = |(channel, text): (Text, String)| Ok((channel, text.parse()?));
        let read: Result<_, String> = said.into_iter().map(read).collect();
        read.map(Self)
    }
}

impl From<SendRates> for BTreeMap<Text, String> {
    fn from(rates: SendRates) -> Self {
        let rates = rates.0.into_iter();
        rates.map(|(it, rate)| (it, rate.to_string())).collect()
    }
}

impl JsonSchema for SendRates {
    fn schema_name() -> Cow<'static, str> {
        "SendRates".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "additionalProperties": {
                "type": "string",
                "pattern": r"^\s*[0-9]{1,5}\s+in\s+([0-9]+\s*(ms|s|m|min|h|d|w)\s*)+$",
                "examples": ["20 in 1h", "500 in 1d"],
            },
            "propertyNames": channel::schema(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_and_written() {
        let read = |json| serde_json::from_str::<SendRates>(json);
        let rates = read(r#"{"call-centre":"20 in 1h","print":" 10000  in 1d 12h"}"#).unwrap();
        let shown = |channel| rates.of(channel).map(|it| it.to_string());
        assert_eq!(shown("call-centre").as_deref(), Some("20 in 60m"));
        assert_eq!(shown("print").as_deref(), Some("10000 in 36h"));
        assert_eq!(rates.of("email"), None);
        let json = serde_json::to_string(&rates).unwrap();
        assert_eq!(read(&json).unwrap(), rates);
        for wrong in [
            r#"{"print":"0 in 1h"}"#,
            r#"{"print":"10001 in 1h"}"#,
            r#"{"print":"20 in 0h"}"#,
            r#"{"print":"20 a day"}"#,
            r#"{"print":"20 in an hour"}"#,
            r#"{"print":"once"}"#,
            r#"{"Call Centre":"20 in 1h"}"#,
            r#"{"print":20}"#,
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_parts_of_tasks_add_up_to_the_rate() {
        for tasks in 1..=70 {
            for count in [1, 2, 3, 7, 20, 31, 32, 33, 500, Rate::COUNT_MAX] {
                let rate = Rate {
                    count,
                    window_ms: 60_000,
                };
                let parts: Vec<Rate> = (0..tasks).map(|own| rate.part(own, tasks)).collect();
                let window_ms = parts[0].window_ms;
                let of_all: i64 = parts.iter().map(|it| i64::from(it.count)).sum();
                // So many in the window are as many as the rate says: n / w = count / 60 s.
                assert_eq!(
                    of_all * 60_000,
                    i64::from(count) * window_ms,
                    "{count} {tasks}"
                );
                let even = parts
                    .iter()
                    .all(|it| it.window_ms == window_ms && it.count > 0);
                assert!(even, "{count} {tasks}: {parts:?}");
                // Where it can be, no window over everybody holds more than the rate says.
                assert!(count < tasks || window_ms == 60_000, "{count} {tasks}");
            }
        }
    }
}
