//! Instants, durations and calendar days.
//!
//! Time is always an argument here: nothing in the core reads a clock. Zones come from the database
//! bundled into the binary, so that a day begins at the same instant on every machine.

use std::fmt;
use std::sync::LazyLock;

use jiff::civil::Date;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use serde::{Deserialize, Serialize};

/// Milliseconds in a day of 24 hours.
pub const DAY_MS: i64 = 86_400_000;

static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// An instant: milliseconds since 1970-01-01T00:00:00Z.
///
/// Shown, and written to JSON, as RFC 3339 in UTC with milliseconds.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Before every event; the watermark of a task that has seen nothing.
    pub const MIN: Self = Self(i64::MIN / 4);
    /// After every event; "never" for deadlines.
    pub const MAX: Self = Self(i64::MAX / 4);

    /// This instant moved by `ms` milliseconds, held within [`Timestamp::MIN`] and [`Timestamp::MAX`].
    #[must_use]
    pub fn plus(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms).clamp(Self::MIN.0, Self::MAX.0))
    }

    /// Reads RFC 3339 / ISO 8601 with an offset (`2026-03-02T10:00:00.5+01:00`); fractions beyond
    /// milliseconds are cut off. `None` where the text is no instant.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        parse_utc(text.as_bytes()).or_else(|| {
            let instant: jiff::Timestamp = text.parse().ok()?;
            Some(Self(
                instant.as_second() * 1000 + i64::from(instant.subsec_millisecond()),
            ))
        })
    }

    /// The calendar day of this instant in `zone`, as days since 1970-01-01.
    #[must_use]
    pub fn day(self, zone: &Zone) -> i32 {
        match zone {
            Zone::Utc => i32::try_from(self.0.div_euclid(DAY_MS)).unwrap_or(i32::MAX),
            Zone::Local(tz) => match jiff::Timestamp::from_millisecond(self.0) {
                Ok(instant) => {
                    let date = tz.to_datetime(instant).date();
                    let epoch = Date::constant(1970, 1, 1);
                    date.since(epoch).map_or(0, |span| span.get_days())
                }
                Err(_) => Self::day(self, &Zone::Utc),
            },
        }
    }

    /// The hour that clocks in `zone` show at this instant, 0 to 23.
    #[must_use]
    pub fn hour(self, zone: &Zone) -> u8 {
        let local = match zone {
            Zone::Utc => None,
            Zone::Local(tz) => jiff::Timestamp::from_millisecond(self.0)
                .ok()
                .map(|instant| tz.to_datetime(instant).hour()),
        };
        let hour = local.map_or(self.0.rem_euclid(DAY_MS) / (DAY_MS / 24), i64::from);
        u8::try_from(hour).unwrap_or(0)
    }

    /// The instant at which clocks in `zone` show the same so many calendar months on: on the last day of a month that lacks the day;
    /// [`Timestamp::MAX`] where there is none.
    #[must_use]
    pub fn months_on(self, months: i32, zone: &Zone) -> Self {
        let later = self.zoned(zone);
        let later = later.and_then(|it| it.checked_add(jiff::Span::new().months(months)).ok());
        later.map_or(Self::MAX, |it| Self(it.timestamp().as_millisecond()))
    }

    /// The first instant in `zone` that lies behind a period of the calendar: the one of so many months (1, 3 or 12) in which this
    /// instant lies, or so many periods after it; [`Timestamp::MAX`] where there is none.
    #[must_use]
    pub fn behind_period(self, months: i32, after: i32, zone: &Zone) -> Self {
        let behind = self.zoned(zone).and_then(|it| {
            let month = i32::from(it.year()) * 12 + i32::from(it.month()) - 1;
            let behind = (month.div_euclid(months) + 1 + after) * months;
            let year = i16::try_from(behind.div_euclid(12)).ok()?;
            let month = i8::try_from(behind.rem_euclid(12) + 1).ok()?;
            let first = Date::new(year, month, 1).ok()?;
            first.to_zoned(it.time_zone().clone()).ok()
        });
        behind.map_or(Self::MAX, |it| Self(it.timestamp().as_millisecond()))
    }

    fn zoned(self, zone: &Zone) -> Option<jiff::Zoned> {
        let zone = match zone {
            Zone::Utc => TimeZone::UTC,
            Zone::Local(zone) => zone.clone(),
        };
        let instant = jiff::Timestamp::from_millisecond(self.0).ok()?;
        Some(instant.to_zoned(zone))
    }

    /// The first instant of calendar day `day` (days since 1970-01-01) in `zone`.
    #[must_use]
    pub fn start_of_day(day: i32, zone: &Zone) -> Self {
        let utc = Self(i64::from(day) * DAY_MS);
        match zone {
            Zone::Utc => utc,
            Zone::Local(tz) => Date::constant(1970, 1, 1)
                .checked_add(jiff::Span::new().days(day))
                .ok()
                .and_then(|date| date.to_zoned(tz.clone()).ok())
                .map_or(utc, |zoned| Self(zoned.timestamp().as_millisecond())),
        }
    }

    /// The last millisecond of calendar day `day` in `zone`.
    #[must_use]
    pub fn end_of_day(day: i32, zone: &Zone) -> Self {
        Self::start_of_day(day.saturating_add(1), zone).plus(-1)
    }

    /// The instant at which clocks in `zone` show `ms` after midnight on calendar day `day`. A time that does not exist there
    /// moves on by the gap (02:30 becomes 03:30); one that comes twice means the first.
    #[must_use]
    pub fn at_local(day: i32, ms: i64, zone: &Zone) -> Self {
        let utc = Self(i64::from(day) * DAY_MS + ms);
        match zone {
            Zone::Utc => utc,
            Zone::Local(tz) => Date::constant(1970, 1, 1)
                .at(0, 0, 0, 0)
                .checked_add(jiff::Span::new().days(day).milliseconds(ms))
                .ok()
                .and_then(|local| local.to_zoned(tz.clone()).ok())
                .map_or(utc, |zoned| Self(zoned.timestamp().as_millisecond())),
        }
    }
}

/// The days of the week, from Monday on.
pub const WEEKDAYS: &[&str] = &[
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
];

/// The place in the week of a day since 1970-01-01, which was a Thursday; Monday is 0.
#[must_use]
pub fn weekday(day: i32) -> usize {
    usize::try_from((day + 3).rem_euclid(7)).unwrap_or(0)
}

/// A calendar day as `2026-03-02`, in days since 1970-01-01; `None` where the text is none.
#[must_use]
pub fn parse_day(text: &str) -> Option<i32> {
    // A time beside it would be passed over.
    let date: Date = (text.len() == 10).then(|| text.parse().ok()).flatten()?;
    let since = date.since(Date::constant(1970, 1, 1)).ok()?;
    Some(since.get_days())
}

/// A calendar day as [`parse_day`] reads it.
#[must_use]
pub fn show_day(day: i32) -> String {
    let start = Timestamp(i64::from(day) * DAY_MS).to_string();
    start.chars().take(10).collect()
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, ms) = (self.0.div_euclid(DAY_MS), self.0.rem_euclid(DAY_MS));
        let (year, month, day) = civil_from_days(days);
        let (s, ms) = (ms / 1000, ms % 1000);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{ms:03}Z",
            s / 3600,
            s / 60 % 60,
            s % 60
        )
    }
}

/// A customer's time zone.
#[derive(Clone, Debug, Default)]
pub enum Zone {
    /// No zone known, or UTC itself: days are multiples of 24 h.
    #[default]
    Utc,
    /// An IANA zone.
    Local(TimeZone),
}

impl Zone {
    /// The zone of an IANA name (`Europe/Madrid`); `None` where there is no such zone.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        if name == "UTC" || name == "Etc/UTC" {
            return Some(Self::Utc);
        }
        ZONES.get(name).ok().map(Self::Local)
    }
}

/// Reads a duration as trigger files write it: `30m`, `24h`, `7d`, `90s`, `250ms`, or several in
/// a row (`1d 12h`). A day is 24 h, a week (`w`) 7 days. Gives milliseconds.
///
/// # Errors
/// A sentence that says what was expected.
pub fn parse_duration(text: &str) -> Result<i64, String> {
    let expected = || {
        format!(
            "`{text}` is not a duration; write a whole number and a unit: ms, s, m, h, d or w, such as 30m or 7d"
        )
    };
    let mut total: i64 = 0;
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(expected());
    }
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number: i64 = rest[..digits].parse().map_err(|_| expected())?;
        rest = rest[digits..].trim_start();
        let letters = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
        let unit = match &rest[..letters] {
            "ms" => 1,
            "s" => 1000,
            "m" | "min" => 60_000,
            "h" => 3_600_000,
            "d" => DAY_MS,
            "w" => 7 * DAY_MS,
            _ => return Err(expected()),
        };
        total = number
            .checked_mul(unit)
            .and_then(|ms| total.checked_add(ms))
            .ok_or_else(expected)?;
        rest = rest[letters..].trim_start();
    }
    Ok(total)
}

/// Writes a duration as [`parse_duration`] reads it, in one unit: 90s, not 1m 30s; 60s rather than 1m, as the field writes
/// time-outs.
#[must_use]
pub fn format_duration(ms: i64) -> String {
    let units = [(DAY_MS, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")];
    let fits = |(unit, _): &(i64, &str)| ms >= 2 * unit && ms % unit == 0;
    match units.into_iter().find(fits) {
        Some((unit, word)) => format!("{}{word}", ms / unit),
        None => format!("{ms}ms"),
    }
}

/// The nth of several in figures: `1st`, `22nd`, `13th`.
#[must_use]
pub fn ordinal(nth: i32) -> String {
    let ending = match (nth % 10, nth % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{nth}{ending}")
}

/// A length of time, ms, in words: `30 minutes`, `7 days`; in the largest unit of which it is whole.
#[must_use]
pub fn duration_in_words(ms: i64) -> String {
    let units = [
        (DAY_MS, "day"),
        (3_600_000, "hour"),
        (60_000, "minute"),
        (1_000, "second"),
        (1, "ms"),
    ];
    let fits = |(unit, _): &(i64, &str)| ms >= *unit && ms % unit == 0;
    let (unit, word) = units.into_iter().find(fits).unwrap_or((1, "ms"));
    match (ms / unit, word) {
        (many, "ms") => format!("{many} ms"),
        (1, word) => format!("1 {word}"),
        (many, word) => format!("{many} {word}s"),
    }
}

/// The form nearly every producer writes, `YYYY-MM-DDTHH:MM:SS[.fraction]Z`, read without detours.
fn parse_utc(text: &[u8]) -> Option<Timestamp> {
    let (&last, body) = text.split_last()?;
    if last != b'Z' || body.len() < 19 || body[10] != b'T' || body[4] != b'-' || body[7] != b'-' {
        return None;
    }
    if body[13] != b':' || body[16] != b':' {
        return None;
    }
    let number = |range: std::ops::Range<usize>| -> Option<i64> {
        body[range].iter().try_fold(0, |n, b| {
            b.is_ascii_digit().then(|| n * 10 + i64::from(b - b'0'))
        })
    };
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    let mut ms = 0;
    if body.len() > 19 {
        if body[19] != b'.' || body.len() == 20 || body.len() > 29 {
            return None;
        }
        for i in 0..3 {
            ms = ms * 10
                + if 20 + i < body.len() {
                    number(20 + i..21 + i)?
                } else {
                    0
                };
        }
        number(20..body.len())?;
    }
    let in_month = (1..=12).contains(&month) && (1..=days_in_month(year, month)).contains(&day);
    if !in_month || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let days = days_from_civil(year, month, day);
    Some(Timestamp(
        days * DAY_MS + ((hour * 60 + minute) * 60 + second) * 1000 + ms,
    ))
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days since 1970-01-01 of a date of the proleptic Gregorian calendar, by counting in eras of
/// 400 years whose years begin in March, so that the leap day comes last.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// The date (year, month, day) of a day counted from 1970-01-01; the inverse of [`days_from_civil`].
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 {
        march_month + 3
    } else {
        march_month - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_read_and_shown() {
        let table = [
            ("2026-03-02T10:00:00Z", "2026-03-02T10:00:00.000Z"),
            ("2026-03-02T10:00:00.25Z", "2026-03-02T10:00:00.250Z"),
            ("2026-03-02T10:00:00.123456Z", "2026-03-02T10:00:00.123Z"),
            ("2026-03-02T10:00:00+01:00", "2026-03-02T09:00:00.000Z"),
            ("2024-02-29T23:59:59.999Z", "2024-02-29T23:59:59.999Z"),
            ("1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.999Z"),
        ];
        for (text, shown) in table {
            assert_eq!(
                Timestamp::parse(text).map(|t| t.to_string()).as_deref(),
                Some(shown)
            );
        }
        for bad in [
            "",
            "Z",
            "2026-02-30T10:00:00Z",
            "2026-03-02T25:00:00Z",
            "2026-03-02",
            "soon",
        ] {
            assert_eq!(Timestamp::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn dates_agree_with_jiff_over_centuries() {
        for day in (-800_000..800_000).step_by(37) {
            let (y, m, d) = civil_from_days(day);
            assert_eq!(days_from_civil(y, m, d), day);
            let theirs = Date::constant(1970, 1, 1) + jiff::Span::new().days(day);
            assert_eq!(
                (y, m, d),
                (
                    theirs.year().into(),
                    theirs.month().into(),
                    theirs.day().into()
                )
            );
        }
    }

    #[test]
    fn a_day_is_the_customers_own() {
        let madrid = Zone::named("Europe/Madrid").unwrap();
        let late = Timestamp::parse("2026-03-28T23:30:00Z").unwrap();
        assert_eq!(late.day(&madrid), late.day(&Zone::Utc) + 1);
        let start = Timestamp::start_of_day(late.day(&madrid), &madrid);
        assert_eq!(start.to_string(), "2026-03-28T23:00:00.000Z");
        let next = Timestamp::start_of_day(late.day(&madrid) + 1, &madrid);
        assert_eq!(
            next.0 - start.0,
            23 * 3_600_000,
            "the clock goes forward that night"
        );
        assert!(Zone::named("Europe/Madird").is_none());
    }

    #[test]
    fn months_and_periods_are_those_of_the_calendar() {
        let at = |text: &str| Timestamp::parse(text).expect("an instant");
        #[rustfmt::skip]
        let months = [
            ("2026-01-31T10:00:00Z", 1, "UTC", "2026-02-28T10:00:00.000Z"),
            ("2024-02-29T10:00:00Z", 12, "UTC", "2025-02-28T10:00:00.000Z"),
            ("2025-12-15T10:00:00Z", 12, "UTC", "2026-12-15T10:00:00.000Z"),
            // Ten o'clock is ten o'clock in summer, too; half past two that is not is half past three.
            ("2026-01-15T09:00:00Z", 6, "Europe/Madrid", "2026-07-15T08:00:00.000Z"),
            ("2026-02-28T23:30:00Z", 1, "Europe/Madrid", "2026-03-31T22:30:00.000Z"),
            ("2026-02-28T01:30:00Z", 1, "Europe/Madrid", "2026-03-28T01:30:00.000Z"),
            ("2026-02-28T01:30:00Z", 13, "Europe/Madrid", "2027-03-28T01:30:00.000Z"),
        ];
        for (text, on, zone, expected) in months {
            let zone = Zone::named(zone).expect("a zone");
            let found = at(text).months_on(on, &zone);
            assert_eq!(found.to_string(), expected, "{text} and {on} months");
        }
        #[rustfmt::skip]
        let periods = [
            ("2026-03-31T23:59:59.999Z", 1, 0, "UTC", "2026-04-01T00:00:00.000Z"),
            ("2026-04-01T00:00:00Z", 1, 1, "UTC", "2026-06-01T00:00:00.000Z"),
            ("2026-05-01T00:00:00Z", 3, 0, "UTC", "2026-07-01T00:00:00.000Z"),
            ("2026-12-31T00:00:00Z", 12, 0, "UTC", "2027-01-01T00:00:00.000Z"),
            ("2026-01-01T00:00:00Z", 12, 1, "UTC", "2028-01-01T00:00:00.000Z"),
            // It is next year there already.
            ("2026-12-31T23:30:00Z", 12, 0, "Europe/Madrid", "2027-12-31T23:00:00.000Z"),
            ("2026-06-15T00:00:00Z", 12, 0, "Pacific/Honolulu", "2027-01-01T10:00:00.000Z"),
        ];
        for (text, months, after, zone, expected) in periods {
            let zone = Zone::named(zone).expect("a zone");
            let found = at(text).behind_period(months, after, &zone);
            assert_eq!(found.to_string(), expected, "{text}");
        }
    }

    #[test]
    fn durations_are_read_or_explained() {
        for (text, ms) in [
            ("30m", 1_800_000),
            ("7d", 7 * DAY_MS),
            ("1d 12h", 36 * 3_600_000),
            ("250ms", 250),
        ] {
            assert_eq!(parse_duration(text), Ok(ms));
        }
        for bad in ["", "30", "m", "1.5h", "3 years", "99999999999999d"] {
            assert!(
                parse_duration(bad)
                    .unwrap_err()
                    .contains("is not a duration"),
                "{bad}"
            );
        }
    }
}
