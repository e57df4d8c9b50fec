//! Quiet hours: when a customer is left in peace, in her own local time, by channel.
//!
//! The hours of a day begin at the first instant at which her clock shows `start`, and end at the last at which it shows `end`:
//!
//! - An `end` that comes twice, as clocks go back, means the second, and one that her clock leaves out moves on by what is left out
//!   (02:30 becomes 03:30). So nobody is woken before `end` by any reading of it.
//! - A `start` that comes twice means the first. Of one that is left out, the hours begin where her clock goes on.
//!
//! In short: every instant at which her clock shows a time within them is quiet, and so is what lies between two such.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use jiff::ToSpan;
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::channel;
use crate::event::Text;
use crate::time::{Timestamp, Zone};

/// Minutes of a day.
const DAY: u16 = 24 * 60;

/// Quiet hours by channel; those of `default` for the channels that are not named.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<Text, Hours>", into = "BTreeMap<Text, Hours>")]
pub struct QuietHours(BTreeMap<Text, Hours>);

/// Hours of each day, local time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Hours {
    /// `none`: no hour is quiet.
    None,
    /// From `start` on and before `end`, minutes after midnight, never equal; over midnight where `end` is the smaller.
    Between {
        /// The first quiet minute, below 24 h.
        start: u16,
        /// The first that is not any more, below 24 h.
        end: u16,
    },
}

/// Why a text says no hours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not valid here; expected `none`, or hours of local time such as `21:00-08:00`, from 00:00 to 24:00, not of the same minute"
)]
pub struct HoursError(String);

impl QuietHours {
    /// The word for channels that are not named.
    pub const DEFAULT: &str = "default";

    /// The hours of a channel.
    #[must_use]
    pub fn of(&self, channel: &str) -> Hours {
        let found = self.0.get(channel).or_else(|| self.0.get(Self::DEFAULT));
        found.copied().unwrap_or(Hours::None)
    }
}

impl Hours {
    /// Where `at` is quiet in `zone`, the instant at which it no longer is, which is later than `at`.
    #[must_use]
    pub fn end(self, at: Timestamp, zone: &Zone) -> Option<Timestamp> {
        let Self::Between { start, end } = self else {
            return None;
        };
        let zone = match zone {
            Zone::Utc => &TimeZone::UTC,
            Zone::Local(zone) => zone,
        };
        let shown = zone.to_datetime(jiff::Timestamp::from_millisecond(at.0).ok()?);
        let today = shown.date();
        let minute = minute(shown.time());
        // Her clock shows a time of the hours that began today, or of those that began yesterday.
        let shows_today = minute >= start && (minute < end || end < start);
        let shows_yesterday = minute < end && end < start;
        let begins = [
            (today, shows_today),
            (today.yesterday().ok()?, shows_yesterday),
        ];
        let ends = begins.into_iter().filter_map(|(day, shows)| {
            let last = if end < start {
                day.tomorrow().ok()?
            } else {
                day
            };
            let (first, last) = (
                instant(day, start, zone, false)?,
                instant(last, end, zone, true)?,
            );
            (at < last && (shows || first <= at)).then_some(last)
        });
        ends.max()
    }
}

fn minute(time: Time) -> u16 {
    u16::from(time.hour().unsigned_abs()) * 60 + u16::from(time.minute().unsigned_abs())
}

/// When a clock in `zone` shows a minute of a day: one that comes twice is the `last` of them, or the first; one that is left out
/// moves on by what is left out.
fn instant(day: Date, minute: u16, zone: &TimeZone, last: bool) -> Option<Timestamp> {
    let shown = day
        .at(0, 0, 0, 0)
        .checked_add(i64::from(minute).minutes())
        .ok()?;
    let at = zone.to_ambiguous_timestamp(shown);
    let at = if last { at.later() } else { at.compatible() };
    Some(Timestamp(at.ok()?.as_millisecond()))
}

impl FromStr for Hours {
    type Err = HoursError;

    fn from_str(text: &str) -> Result<Self, HoursError> {
        let wrong = || HoursError(text.to_owned());
        if text.trim() == "none" {
            return Ok(Self::None);
        }
        let (start, end) = text.split_once('-').ok_or_else(wrong)?;
        let start = clock(start)
            .filter(|start| *start < DAY)
            .ok_or_else(wrong)?;
        let end = clock(end).ok_or_else(wrong)? % DAY;
        if start == end {
            return Err(wrong());
        }
        Ok(Self::Between { start, end })
    }
}

/// `HH:MM`, up to 24:00, in minutes.
fn clock(text: &str) -> Option<u16> {
    let (hours, minutes) = text.trim().split_once(':')?;
    let number = |text: &str| {
        let digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse::<u16>().ok())?
    };
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    let all = hours * 60 + minutes;
    (minutes < 60 && all <= DAY).then_some(all)
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Between { start, end } => write!(
                f,
                "{:02}:{:02}-{:02}:{:02}",
                start / 60,
                start % 60,
                end / 60,
                end % 60
            ),
        }
    }
}

impl TryFrom<String> for Hours {
    type Error = HoursError;

    fn try_from(text: String) -> Result<Self, HoursError> {
        text.parse()
    }
}

impl From<Hours> for String {
    fn from(hours: Hours) -> Self {
        hours.to_string()
    }
}

impl TryFrom<BTreeMap<Text, Hours>> for QuietHours {
    type Error = String;

    fn try_from(hours: BTreeMap<Text, Hours>) -> Result<Self, String> {
        channel::check(hours.keys())?;
        Ok(Self(hours))
    }
}

impl From<QuietHours> for BTreeMap<Text, Hours> {
    fn from(hours: QuietHours) -> Self {
        hours.0
    }
}

impl JsonSchema for QuietHours {
    fn schema_name() -> Cow<'static, str> {
        "QuietHours".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "additionalProperties": {
                "type": "string",
                "pattern": r"^\s*(none|([01][0-9]|2[0-3]):[0-5][0-9]\s*-\s*(([01][0-9]|2[0-3]):[0-5][0-9]|24:00))\s*$",
                "examples": ["21:00-08:00", "none"],
            },
            "propertyNames": channel::schema(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_are_read_and_shown() {
        for (text, shown) in [
            ("21:00-08:00", Some("21:00-08:00")),
            (" 00:00 - 24:00 ", None),
            ("12:00-24:00", Some("12:00-00:00")),
            ("none", Some("none")),
            ("24:00-08:00", None),
            ("08:00-08:00", None),
            ("8:00-9:00", None),
            ("08:60-09:00", None),
            ("08:00-24:01", None),
            ("08:00", None),
            ("", None),
            ("+8:00-09:00", None),
        ] {
            let read = text.parse::<Hours>().map(|hours| hours.to_string());
            assert_eq!(read.ok().as_deref(), shown, "{text}");
        }
    }

    #[test]
    fn channels_that_are_not_named_have_the_hours_of_default() {
        let read = |json| serde_json::from_str::<QuietHours>(json);
        let hours =
            read(r#"{"default":"22:00-08:00","email":"21:00-07:00","onsite":"none"}"#).unwrap();
        for (channel, expected) in [
            ("email", "21:00-07:00"),
            ("push", "22:00-08:00"),
            ("onsite", "none"),
        ] {
            assert_eq!(hours.of(channel).to_string(), expected);
        }
        assert_eq!(QuietHours::default().of("email"), Hours::None);
        assert!(
            read(r#"{"E-Mail":"none"}"#)
                .unwrap_err()
                .to_string()
                .contains("`E-Mail` is not a channel")
        );
    }

    /// Hours, zone, an instant, and when they end there; nothing where it is not quiet.
    #[rustfmt::skip]
    const QUIET: &[(&str, &str, &str, &str)] = &[
        // The first minute is quiet, the last is not.
        ("21:00-08:00", "UTC", "2026-03-02T20:59:59.999Z", ""),
        ("21:00-08:00", "UTC", "2026-03-02T21:00:00Z", "2026-03-03T08:00:00Z"),
        ("21:00-08:00", "UTC", "2026-03-03T00:00:00Z", "2026-03-03T08:00:00Z"),
        ("21:00-08:00", "UTC", "2026-03-03T07:59:59.999Z", "2026-03-03T08:00:00Z"),
        ("21:00-08:00", "UTC", "2026-03-03T08:00:00Z", ""),
        ("13:00-15:00", "UTC", "2026-03-02T12:59:59Z", ""),
        ("13:00-15:00", "UTC", "2026-03-02T13:00:00Z", "2026-03-02T15:00:00Z"),
        ("13:00-15:00", "UTC", "2026-03-02T15:00:00Z", ""),
        ("18:00-24:00", "UTC", "2026-03-02T23:59:59Z", "2026-03-03T00:00:00Z"),
        ("18:00-24:00", "UTC", "2026-03-03T00:00:00Z", ""),
        ("none", "UTC", "2026-03-03T00:00:00Z", ""),
        // Her own clock.
        ("21:00-08:00", "Europe/Madrid", "2026-03-02T20:00:00Z", "2026-03-03T07:00:00Z"),
        ("21:00-08:00", "America/New_York", "2026-03-03T01:59:59Z", ""),
        ("21:00-08:00", "America/New_York", "2026-03-03T02:00:00Z", "2026-03-03T13:00:00Z"),
        // Asia/Kathmandu is 5:45 ahead.
        ("21:00-08:00", "Asia/Kathmandu", "2026-03-02T15:15:00Z", "2026-03-03T02:15:00Z"),
        // 29 March 2026 in Madrid: 02:00 to 03:00 are left out, at 01:00 UTC.
        ("21:00-08:00", "Europe/Madrid", "2026-03-28T20:00:00Z", "2026-03-29T06:00:00Z"),
        ("23:00-02:30", "Europe/Madrid", "2026-03-29T00:59:59Z", "2026-03-29T01:30:00Z"),
        ("23:00-02:30", "Europe/Madrid", "2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z"),
        ("23:00-02:30", "Europe/Madrid", "2026-03-29T01:30:00Z", ""),
        ("02:30-06:00", "Europe/Madrid", "2026-03-29T00:59:59Z", ""),
        ("02:30-06:00", "Europe/Madrid", "2026-03-29T01:00:00Z", "2026-03-29T04:00:00Z"),
        // 25 October 2026 in Madrid: 02:00 to 03:00 come twice, from 00:00 and from 01:00 UTC.
        ("23:00-02:30", "Europe/Madrid", "2026-10-25T00:29:59Z", "2026-10-25T01:30:00Z"),
        ("23:00-02:30", "Europe/Madrid", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"),
        ("23:00-02:30", "Europe/Madrid", "2026-10-25T01:29:59Z", "2026-10-25T01:30:00Z"),
        ("23:00-02:30", "Europe/Madrid", "2026-10-25T01:30:00Z", ""),
        ("02:30-06:00", "Europe/Madrid", "2026-10-25T00:29:59Z", ""),
        ("02:30-06:00", "Europe/Madrid", "2026-10-25T00:30:00Z", "2026-10-25T05:00:00Z"),
        ("02:30-06:00", "Europe/Madrid", "2026-10-25T01:10:00Z", "2026-10-25T05:00:00Z"),
        // Samoa left out the whole of 30 December 2011.
        ("21:00-08:00", "Pacific/Apia", "2011-12-30T08:00:00Z", "2011-12-30T18:00:00Z"),
        ("21:00-08:00", "Pacific/Apia", "2011-12-30T12:00:00Z", "2011-12-30T18:00:00Z"),
    ];

    #[test]
    fn quiet_is_what_her_clock_says_and_what_lies_between() {
        for (hours, zone, at, end) in QUIET.iter().copied() {
            let instant = |text| Timestamp::parse(text);
            let found = hours
                .parse::<Hours>()
                .unwrap()
                .end(instant(at).unwrap(), &Zone::named(zone).unwrap());
            assert_eq!(found, instant(end), "{hours} in {zone} at {at}");
        }
    }

    /// Every instant at which her clock shows a time within the hours is quiet, and the end of it is not.
    #[test]
    fn nobody_is_woken_by_any_reading_of_her_clock() {
        for zone in [
            "Europe/Madrid",
            "Australia/Lord_Howe",
            "America/St_Johns",
            "Africa/Cairo",
            "UTC",
        ] {
            let zone = Zone::named(zone).unwrap();
            for (start, end) in [
                (21 * 60, 8 * 60),
                (150, 360),
                (1380, 150),
                (0, 1439),
                (1439, 0),
            ] {
                let hours = Hours::Between { start, end };
                let begin = Timestamp::parse("2026-01-01T00:00:00Z").unwrap();
                for step in 0..365 * 48 {
                    let at = begin.plus(step * 1_800_000 + 59_999);
                    let shown = |at: Timestamp| match &zone {
                        Zone::Utc => TimeZone::UTC
                            .to_datetime(jiff::Timestamp::from_millisecond(at.0).unwrap()),
                        Zone::Local(zone) => {
                            zone.to_datetime(jiff::Timestamp::from_millisecond(at.0).unwrap())
                        }
                    };
                    let minute = minute(shown(at).time());
                    let within = match start < end {
                        true => (start..end).contains(&minute),
                        false => minute >= start || minute < end,
                    };
                    let until = hours.end(at, &zone);
                    assert!(!within || until.is_some(), "{hours} at {at}");
                    assert!(
                        until.is_none_or(|until| until > at && until < at.plus(2 * 86_400_000))
                    );
                    // Short days apart, what is quiet ends.
                    let again = until.and_then(|until| hours.end(until, &zone));
                    assert!(
                        again.is_none() || end.abs_diff(start) > 1400,
                        "{hours} at {at}"
                    );
                }
            }
        }
    }
}
