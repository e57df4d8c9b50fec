//! How many commands a customer is sent at most: of one trigger, by a channel, of all.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize};

use super::channel;
use crate::document::reader::DURATION_MAX_MS;
use crate::document::typed;
use crate::event::Text;
use crate::profile::{Contacts, Keep, Of};
use crate::time::{DAY_MS, Timestamp, Zone, format_duration, ordinal, parse_duration};

/// At most so many commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cap {
    /// `N in D`: in any D, the rolling window (t - D, t].
    Rolling {
        /// N, 1 to [`Cap::COUNT_MAX`].
        count: u32,
        /// D, ms.
        window_ms: i64,
    },
    /// `N a day`: in a calendar day of hers.
    Day {
        /// N, 1 to [`Cap::COUNT_MAX`].
        count: u32,
    },
    /// `once`: once ever.
    Once,
    /// `every Nth`: after each command the next N - 1 moments that come to the cap are passed over.
    Every {
        /// N, 2 to [`Cap::COUNT_MAX`].
        nth: u32,
    },
}

/// A text in the form of a cap, its duration unread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Form {
    /// A cap without a duration.
    Whole(Cap),
    /// `N in D`: N, and where D stands.
    Rolling(u32, Range<usize>),
}

/// Caps over all triggers: by channel, and of `all` channels together. Of each, several may hold at once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<Text, Several>", into = "BTreeMap<Text, Several>")]
pub struct Caps(BTreeMap<Text, Several>);

/// Several caps, with commas.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(into = "String")]
pub struct Several(Vec<Cap>);

/// Why a text is no cap.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not valid here; expected {EXPECTED}")]
pub struct CapError(String);

/// What a cap looks like.
pub const EXPECTED: &str = "`N in D`, such as `1 in 7d`, `N a day`, `once`, or `every Nth`, such as `every 3rd`; N is from 1 to 100";

impl Cap {
    /// A profile keeps the times of this many commands for a cap.
    pub const COUNT_MAX: u32 = 100;

    /// Reads a text but for its duration. `None` where it is no cap.
    #[must_use]
    pub fn form(text: &str) -> Option<Form> {
        let counted = |text: &str| {
            let count = text.trim().parse().ok();
            count.filter(|count| (1..=Self::COUNT_MAX).contains(count))
        };
        if text.trim() == "once" {
            return Some(Form::Whole(Self::Once));
        }
        if let Some(nth) = text.trim().strip_prefix("every ") {
            let nth = nth.trim_end_matches(|c: char| c.is_ascii_lowercase());
            let nth = counted(nth).filter(|nth| *nth > 1)?;
            let every = Self::Every { nth };
            let written: Vec<&str> = text.split_whitespace().collect();
            return (written.join(" ") == every.to_string()).then_some(Form::Whole(every));
        }
        if let Some(count) = text.trim_end().strip_suffix(" a day") {
            return Some(Form::Whole(Self::Day {
                count: counted(count)?,
            }));
        }
        let (count, window) = text.split_once(" in ")?;
        Some(Form::Rolling(
            counted(count)?,
            text.len() - window.len()..text.len(),
        ))
    }

    /// Whether it is used up at `at` by these commands that she was sent, for a customer who lives in `zone`.
    #[must_use]
    pub fn is_reached(self, sent: &Contacts, of: Of<'_>, at: Timestamp, zone: &Zone) -> bool {
        let times = sent.times(of);
        match self {
            Self::Rolling { count, window_ms } => {
                let after = at.0.saturating_sub(window_ms);
                times.iter().filter(|time| time.0 > after).count() >= count as usize
            }
            Self::Day { count } => {
                let today = at.day(zone);
                times.iter().filter(|time| time.day(zone) >= today).count() >= count as usize
            }
            Self::Once => !times.is_empty(),
            Self::Every { .. } => sent.to_pass_over(of) > 0,
        }
    }

    /// When time alone lets more through, where it is used up at `at`; none where time does not: it is once ever, or counts moments.
    #[must_use]
    pub fn free_again(
        self,
        sent: &Contacts,
        of: Of<'_>,
        at: Timestamp,
        zone: &Zone,
    ) -> Option<Timestamp> {
        match self {
            Self::Rolling { count, window_ms } => {
                let mut times = sent.times(of).to_vec();
                times.sort_unstable_by(|a, b| b.cmp(a));
                let last = times.get(count as usize - 1)?;
                Some(last.plus(window_ms))
            }
            Self::Day { .. } => Some(Timestamp::start_of_day(
                at.day(zone).saturating_add(1),
                zone,
            )),
            Self::Once | Self::Every { .. } => None,
        }
    }

    /// How many moments it passes over after a command.
    #[must_use]
    pub fn passes_over(self) -> u32 {
        match self {
            Self::Every { nth } => nth - 1,
            Self::Rolling { .. } | Self::Day { .. } | Self::Once => 0,
        }
    }

    /// What must be kept of the times of commands, that it can be asked.
    #[must_use]
    pub fn keep(self) -> Keep {
        match self {
            Self::Rolling { count, window_ms } => Keep {
                count: count as usize,
                for_ms: window_ms,
            },
            // A day has 25 hours where clocks go back, and another place where she moves: two are enough for any.
            Self::Day { count } => Keep {
                count: count as usize,
                for_ms: 2 * DAY_MS,
            },
            Self::Once => Keep {
                count: 1,
                for_ms: i64::MAX,
            },
            Self::Every { .. } => Keep::default(),
        }
    }
}

impl Caps {
    /// The word for all channels together.
    pub const ALL: &str = "all";

    /// The caps on the commands of a channel, or on all.
    #[must_use]
    pub fn on(&self, of: Of<'_>) -> &[Cap] {
        let name = match of {
            Of::Channel(channel) => channel,
            Of::All => Self::ALL,
            Of::Trigger(_) | Of::Key(..) => return &[],
        };
        self.0.get(name).map_or(&[], |several| &several.0)
    }

    /// What must be kept of the times of commands, that they can be asked.
    #[must_use]
    pub fn keep(&self, of: Of<'_>) -> Keep {
        keep(self.on(of))
    }

    /// How many moments they pass over after a command.
    #[must_use]
    pub fn passes_over(&self, of: Of<'_>) -> u32 {
        passes_over(self.on(of))
    }
}

/// What must be kept of the times of commands, that each of these caps can be asked.
#[must_use]
pub fn keep(caps: &[Cap]) -> Keep {
    let each = caps.iter().map(|cap| cap.keep());
    each.fold(Keep::default(), Keep::or)
}

/// How many moments these caps pass over after a command.
#[must_use]
pub fn passes_over(caps: &[Cap]) -> u32 {
    let each = caps.iter().map(|cap| cap.passes_over());
    each.max().unwrap_or(0)
}

impl FromStr for Cap {
    type Err = CapError;

    fn from_str(text: &str) -> Result<Self, CapError> {
        let wrong = || CapError(text.to_owned());
        match Self::form(text).ok_or_else(wrong)? {
            Form::Whole(cap) => Ok(cap),
            Form::Rolling(count, duration) => {
                let window_ms = parse_duration(&text[duration]).ok();
                let window_ms = window_ms.filter(|ms| (1..=DURATION_MAX_MS).contains(ms));
                Ok(Self::Rolling {
                    count,
                    window_ms: window_ms.ok_or_else(wrong)?,
                })
            }
        }
    }
}

impl fmt::Display for Cap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rolling { count, window_ms } => {
                write!(f, "{count} in {}", format_duration(*window_ms))
            }
            Self::Day { count } => write!(f, "{count} a day"),
            Self::Once => f.write_str("once"),
            Self::Every { nth } => {
                let nth = ordinal(i32::try_from(*nth).unwrap_or(i32::MAX));
                write!(f, "every {nth}")
            }
        }
    }
}

impl<'de> Deserialize<'de> for Several {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        typed::text(deserializer, EXPECTED, |text| {
            let caps: Result<Vec<Cap>, CapError> = text.split(',').map(str::parse).collect();
            caps.map(Self)
        })
    }
}

impl From<Several> for String {
    fn from(several: Several) -> Self {
        let caps: Vec<Self> = several.0.iter().map(ToString::to_string).collect();
        caps.join(", ")
    }
}

impl TryFrom<BTreeMap<Text, Several>> for Caps {
    type Error = String;

    fn try_from(caps: BTreeMap<Text, Several>) -> Result<Self, String> {
        channel::check(caps.keys())?;
        Ok(Self(caps))
    }
}

impl From<Caps> for BTreeMap<Text, Several> {
    fn from(caps: Caps) -> Self {
        caps.0
    }
}

impl JsonSchema for Caps {
    fn schema_name() -> Cow<'static, str> {
        "Caps".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let one = r"\s*(once|every\s+[0-9]{1,3}(st|nd|rd|th)|[0-9]{1,3}\s+a day|[0-9]{1,3}\s+in\s+([0-9]+\s*(ms|s|m|min|h|d|w)\s*)+)\s*";
        json_schema!({
            "type": "object",
            "additionalProperties": {
                "type": "string",
                "pattern": format!("^{one}(,{one})*$"),
                "examples": ["1 in 1d, 3 in 7d", "2 a day", "once"],
            },
            "propertyNames": channel::schema(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caps_are_read_and_shown() {
        for (text, shown) in [
            ("1 in 7d", Some("1 in 7d")),
            (" 2  in  1d 12h ", Some("2 in 36h")),
            ("3 a day", Some("3 a day")),
            ("once", Some("once")),
            ("every 2nd", Some("every 2nd")),
            (" every  3rd ", Some("every 3rd")),
            ("every 11th", Some("every 11th")),
            ("every 22nd", Some("every 22nd")),
            ("every 100th", Some("every 100th")),
            ("every 1st", None),
            ("every 2th", None),
            ("every 101st", None),
            ("every", None),
            ("every 2nd order", None),
            ("100 in 1h", Some("100 in 60m")),
            ("101 in 1h", None),
            ("0 in 1h", None),
            ("0 a day", None),
            ("1 per 7d", None),
            ("1 in 7days", None),
            ("1 in 0d", None),
            ("twice", None),
            ("", None),
        ] {
            let read = text.parse::<Cap>().map(|cap| cap.to_string());
            assert_eq!(read.ok().as_deref(), shown, "{text}");
        }
    }

    #[test]
    fn several_caps_stand_with_commas() {
        let read = |json| serde_json::from_str::<Caps>(json);
        let caps = read(r#"{"all":"5 in 7d","email":"2 in 1d, once"}"#).unwrap();
        assert_eq!(caps.on(Of::Channel("email")).len(), 2);
        assert_eq!(caps.on(Of::Channel("push")), []);
        let json = serde_json::to_string(&caps).unwrap();
        assert_eq!(json, r#"{"all":"5 in 7d","email":"2 in 24h, once"}"#);
        assert_eq!(read(&json).unwrap(), caps);
        for wrong in [
            r#"{"all":"5 in 7d,"}"#,
            r#"{"all":""}"#,
            r#"{"E-Mail":"once"}"#,
            r#"{"all":["once"]}"#,
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    /// A cap, the times of what was sent, an instant of asking, and whether it is used up.
    #[rustfmt::skip]
    const REACHED: &[(&str, &[&str], &str, bool)] = &[
        ("1 in 7d", &[], "2026-03-08T10:00:00Z", false),
        ("1 in 7d", &["2026-03-01T10:00:00Z"], "2026-03-08T09:59:59.999Z", true),
        ("1 in 7d", &["2026-03-01T10:00:00Z"], "2026-03-08T10:00:00Z", false),
        ("2 in 7d", &["2026-03-01T10:00:00Z"], "2026-03-01T10:00:00Z", false),
        ("2 in 7d", &["2026-03-01T10:00:00Z", "2026-03-01T10:00:00Z"], "2026-03-01T10:00:00Z", true),
        // In Madrid the day ends at 23:00 UTC.
        ("1 a day", &["2026-03-01T22:59:59Z"], "2026-03-01T22:59:59.999Z", true),
        ("1 a day", &["2026-03-01T22:59:59Z"], "2026-03-01T23:00:00Z", false),
        ("1 a day", &["2026-03-01T23:00:00Z"], "2026-03-02T22:59:59Z", true),
        ("2 a day", &["2026-03-01T23:00:00Z"], "2026-03-02T22:59:59Z", false),
        // 25 October has 25 hours.
        ("1 a day", &["2026-10-24T22:00:00Z"], "2026-10-25T22:59:59Z", true),
        ("1 a day", &["2026-10-24T22:00:00Z"], "2026-10-25T23:00:00Z", false),
        ("once", &[], "2026-03-01T10:00:00Z", false),
        ("once", &["2006-03-01T10:00:00Z"], "2026-03-01T10:00:00Z", true),
    ];

    #[test]
    fn a_cap_counts_what_lies_in_its_window() {
        let madrid = Zone::named("Europe/Madrid").unwrap();
        let instant = |text: &&str| Timestamp::parse(text).unwrap();
        for (cap, times, at, reached) in REACHED {
            let sent = Contacts {
                all: times.iter().map(instant).collect(),
                ..Contacts::default()
            };
            let cap: Cap = cap.parse().unwrap();
            assert_eq!(
                cap.is_reached(&sent, Of::All, instant(at), &madrid),
                *reached,
                "{cap} at {at} after {times:?}"
            );
        }
    }
}
