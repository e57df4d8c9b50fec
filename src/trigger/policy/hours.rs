//! Quiet hours: when a customer is left in peace, in her own local time, by channel.
//!
//! The hours of a day begin at the first instant at which her clock shows `start`, and end at the last at which it shows `end`:
//!
//! - An `end` that comes twice, as clocks go back, means the second, and one that her clock leaves out moves on by what is left out
//!   (02:30 becomes 03:30). So nobody is woken before `end` by any reading of it.
//! - A `start` that comes twice means the first. Of one that is left out, the hours begin where her clock goes on.
//!
//! In short: every instant at which her clock shows a time within them is quiet, and so is what lies between two such. Hours may be
//! those of some weekdays, which are the days on which they begin; where several meet, peace ends when none is left.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use jiff::ToSpan;
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize};

use super::channel;
use crate::document::typed;
use crate::event::Text;
use crate::time::{Timestamp, Zone};

/// Minutes of a day.
const DAY: u16 = 24 * 60;

/// Quiet hours by channel; those of `default` for the channels that are not named.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<Text, Hours>", into = "BTreeMap<Text, Hours>")]
pub struct QuietHours(BTreeMap<Text, Hours>);

/// Hours of each day or of some weekdays, local time; none: no hour is quiet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(into = "String")]
pub struct Hours(Vec<Span>);

/// From `start` on and before `end`, minutes after midnight, of the days on which it begins; over midnight where `end` is not the
/// greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    /// From the first to the last, Monday being 0; none: every day.
    days: Option<(u8, u8)>,
    /// The first quiet minute, below 24 h.
    start: u16,
    /// The first that is not any more, below 24 h.
    end: u16,
}

/// Hours of one channel: a night, a weekend and some more.
const SPANS_MAX: usize = 8;
/// How often peace may go on where one span ends within another: beyond some weeks it is for ever, and is asked again then.
const ENDS_MAX: usize = 64;
const WEEKDAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
/// No channel has any.
static NONE: Hours = Hours(Vec::new());

/// Why a text says no hours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not valid here; expected {EXPECTED}")]
pub struct HoursError(String);

/// What hours look like.
const EXPECTED: &str = "`none`, or hours of local time such as `21:00-08:00`, from 00:00 to 24:00, not of the same minute, or of weekdays such as `sat-sun` or `mon-fri 12:00-14:00`; several with commas";

impl QuietHours {
    /// The word for channels that are not named.
    pub const DEFAULT: &str = "default";

    /// The hours of a channel.
    #[must_use]
    pub fn of(&self, channel: &str) -> &Hours {
        let found = self.0.get(channel).or_else(|| self.0.get(Self::DEFAULT));
        found.unwrap_or(&NONE)
    }
}

impl Hours {
    /// Whether no hour is quiet.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.0.is_empty()
    }

    /// Where `at` is quiet in `zone`, the instant at which it no longer is, which is later than `at`.
    #[must_use]
    pub fn end(&self, at: Timestamp, zone: &Zone) -> Option<Timestamp> {
        let ends = |at| self.0.iter().filter_map(|span| span.end(at, zone)).max();
        let mut until = ends(at)?;
        // The hours of one day end for good; a day, and hours that meet others, may go on.
        let goes_on = self.0.len() > 1 || self.0.iter().any(|span| span.start == span.end);
        for _ in 0..ENDS_MAX {
            match ends(until).filter(|end| goes_on && *end > until) {
                Some(end) => until = end,
                None => break,
            }
        }
        Some(until)
    }
}

impl Span {
    fn is_of(&self, day: Date) -> bool {
        let day = day.weekday().to_monday_zero_offset().unsigned_abs();
        match self.days {
            None => true,
            Some((first, last)) if first <= last => (first..=last).contains(&day),
            Some((first, last)) => day >= first || day <= last,
        }
    }

    /// As [`Hours::end`].
    fn end(&self, at: Timestamp, zone: &Zone) -> Option<Timestamp> {
        let Self { start, end, .. } = *self;
        let zone = match zone {
            Zone::Utc => &TimeZone::UTC,
            Zone::Local(zone) => zone,
        };
        let shown = zone.to_datetime(jiff::Timestamp::from_millisecond(at.0).ok()?);
        let today = shown.date();
        let minute = minute(shown.time());
        // Her clock shows a time of the hours that began today, or of those that began yesterday.
        let over_midnight = end <= start;
        let shows_today = minute >= start && (minute < end || over_midnight);
        let shows_yesterday = minute < end && over_midnight;
        let begins = [
            (today, shows_today),
            (today.yesterday().ok()?, shows_yesterday),
        ];
        let begins = begins.into_iter().filter(|(day, _)| self.is_of(*day));
        let ends = begins.filter_map(|(day, shows)| {
            let last = if over_midnight {
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
            return Ok(Self::default());
        }
        let spans: Option<Vec<Span>> = text.split(',').map(span).collect();
        let spans = spans.filter(|spans| spans.len() <= SPANS_MAX);
        spans.map(Self).ok_or_else(wrong)
    }
}

/// `21:00-08:00`, `sat`, `sat-sun`, `mon-fri 12:00-14:00`.
fn span(text: &str) -> Option<Span> {
    let text = text.trim();
    let (days, hours) = match text.split_once(' ') {
        Some((first, rest)) if first.starts_with(|c: char| c.is_alphabetic()) => (first, rest),
        None if text.starts_with(|c: char| c.is_alphabetic()) => (text, "00:00-24:00"),
        _ => ("", text),
    };
    let weekday = |text: &str| {
        let place = WEEKDAYS.iter().position(|day| *day == text)?;
        u8::try_from(place).ok()
    };
    let days = match days.split_once('-') {
        None if days.is_empty() => None,
        None => Some((weekday(days)?, weekday(days)?)),
        Some((first, last)) => Some((weekday(first)?, weekday(last)?)),
    };
    let (start, end) = hours.split_once('-')?;
    let start = clock(start).filter(|start| *start < DAY)?;
    let end = clock(end)?;
    let whole = days.is_some() && (start, end) == (0, DAY);
    let end = end % DAY;
    (start != end || whole).then_some(Span { days, start, end })
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
        if self.0.is_empty() {
            return f.write_str("none");
        }
        for (place, span) in self.0.iter().enumerate() {
            let comma = if place > 0 { ", " } else { "" };
            write!(f, "{comma}{span}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { days, start, end } = *self;
        if let Some((first, last)) = days {
            let [first, last] = [first, last].map(|day| WEEKDAYS[usize::from(day)]);
            f.write_str(first)?;
            if first != last {
                write!(f, "-{last}")?;
            }
            if start == end {
                return Ok(());
            }
            f.write_str(" ")?;
        }
        write!(
            f,
            "{:02}:{:02}-{:02}:{:02}",
            start / 60,
            start % 60,
            end / 60,
            end % 60
        )
    }
}

impl<'de> Deserialize<'de> for Hours {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        typed::text(deserializer, EXPECTED, str::parse)
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
                "pattern": format!(r"^\s*(none|{SPAN}(\s*,\s*{SPAN}){{0,7}})\s*$"),
                "examples": ["21:00-08:00", "21:00-08:00, sat-sun", "none"],
            },
            "propertyNames": channel::schema(),
        })
    }
}

/// One span, as a regular expression.
const SPAN: &str = r"((mon|tue|wed|thu|fri|sat|sun)(-(mon|tue|wed|thu|fri|sat|sun))?|((mon|tue|wed|thu|fri|sat|sun)(-(mon|tue|wed|thu|fri|sat|sun))?\s+)?([01][0-9]|2[0-3]):[0-5][0-9]\s*-\s*(([01][0-9]|2[0-3]):[0-5][0-9]|24:00))";
const _: () = assert!(SPANS_MAX == 8);

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
            ("sat", Some("sat")),
            ("sat 00:00-24:00", Some("sat")),
            ("22:00-08:00,sat-sun", Some("22:00-08:00, sat-sun")),
            (
                "mon-fri 12:00-14:00, fri-mon 20:00-06:00",
                Some("mon-fri 12:00-14:00, fri-mon 20:00-06:00"),
            ),
            ("none, sat", None),
            ("Sat", None),
            ("sat-", None),
            ("sat-sun-mon", None),
            ("sat 08:00-08:00", None),
            ("sat,", None),
            ("sat,sat,sat,sat,sat,sat,sat,sat,sat", None),
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
        assert_eq!(QuietHours::default().of("email"), &Hours::default());
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
        // Weekdays: 6 March 2026 is a Friday.
        ("sat-sun", "UTC", "2026-03-06T23:59:59.999Z", ""),
        ("sat-sun", "UTC", "2026-03-07T00:00:00Z", "2026-03-09T00:00:00Z"),
        ("sat-sun", "UTC", "2026-03-08T23:59:59Z", "2026-03-09T00:00:00Z"),
        ("sat-sun", "UTC", "2026-03-09T00:00:00Z", ""),
        ("fri-mon 20:00-06:00", "UTC", "2026-03-07T05:00:00Z", "2026-03-07T06:00:00Z"),
        ("fri-mon 20:00-06:00", "UTC", "2026-03-06T05:00:00Z", ""),
        ("fri-mon 20:00-06:00", "UTC", "2026-03-10T05:00:00Z", "2026-03-10T06:00:00Z"),
        ("fri-mon 20:00-06:00", "UTC", "2026-03-10T21:00:00Z", ""),
        // Where one ends within another, peace goes on.
        ("21:00-08:00, sat-sun", "UTC", "2026-03-06T22:00:00Z", "2026-03-09T08:00:00Z"),
        ("21:00-08:00, sat-sun", "UTC", "2026-03-05T22:00:00Z", "2026-03-06T08:00:00Z"),
        ("21:00-08:00, sun 08:00-12:00", "UTC", "2026-03-08T07:00:00Z", "2026-03-08T12:00:00Z"),
        // Her own weekday.
        ("sat", "Pacific/Auckland", "2026-03-06T11:00:00Z", "2026-03-07T11:00:00Z"),
        ("sat", "America/Los_Angeles", "2026-03-07T07:59:59Z", ""),
        ("sun", "Europe/Madrid", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"),
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
                let hours = Hours(vec![Span {
                    days: None,
                    start,
                    end,
                }]);
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
