//! When something happened, as others write it.

use jiff::civil::DateTime;
use jiff::fmt::strtime::{self, BrokenDownTime};
use jiff::tz::TimeZone;
use serde_json::Value as Json;

use crate::time::{Timestamp, Zone};

/// How a time is written.
#[derive(Clone, Debug)]
pub enum Format {
    /// RFC 3339, with an offset.
    Rfc3339,
    /// So many of these since 1970-01-01T00:00:00Z; a number, or a text of one.
    Epoch(Unit),
    /// In the words of `strptime`.
    Custom {
        /// As written.
        pattern: String,
        /// Where the clock hangs, if the pattern has no offset.
        zone: Option<TimeZone>,
    },
}

/// What an epoch counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// `s`
    Seconds,
    /// `ms`
    Millis,
    /// `us`
    Micros,
    /// `ns`
    Nanos,
}

/// The words for formats that need no pattern.
pub const WORDS: [&str; 5] = ["rfc3339", "s", "ms", "us", "ns"];

impl Format {
    /// The format of a word.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        Some(match word {
            "rfc3339" => Self::Rfc3339,
            "s" => Self::Epoch(Unit::Seconds),
            "ms" => Self::Epoch(Unit::Millis),
            "us" => Self::Epoch(Unit::Micros),
            "ns" => Self::Epoch(Unit::Nanos),
            _ => return None,
        })
    }

    /// A pattern, with the zone of the clock where it has no offset. It is tried on an instant of its own first.
    ///
    /// # Errors
    /// Why it can give no instant.
    pub fn custom(pattern: &str, zone: Option<&str>) -> Result<Self, String> {
        let zone = match zone.map(|name| (name, Zone::named(name))) {
            None => None,
            Some((_, Some(Zone::Utc))) => Some(TimeZone::UTC),
            Some((_, Some(Zone::Local(zone)))) => Some(zone),
            Some((name, None)) => return Err(format!("`{name}` is no IANA time zone")),
        };
        let sample = DateTime::constant(2026, 3, 2, 10, 20, 30, 0)
            .to_zoned(TimeZone::UTC)
            .map_err(|error| error.to_string())?;
        let written = strtime::format(pattern, &sample).map_err(|error| error.to_string())?;
        let read = BrokenDownTime::parse(pattern, &written).map_err(|error| error.to_string())?;
        if read.offset().is_none() && read.timestamp().is_none() && zone.is_none() {
            return Err("the pattern has no offset (`%z`), so it needs `zone`".to_owned());
        }
        let format = Self::Custom {
            pattern: pattern.to_owned(),
            zone,
        };
        match format.read(&Json::from(written)) {
            Some(_) => Ok(format),
            None => Err("the pattern gives no instant: year, month, day are needed, and an hour with its minutes".to_owned()),
        }
    }

    /// The instant that is meant; `None` where it is not written so.
    #[must_use]
    pub fn read(&self, value: &Json) -> Option<Timestamp> {
        match self {
            Self::Rfc3339 => Timestamp::parse(value.as_str()?),
            Self::Epoch(unit) => unit.read(value),
            Self::Custom { pattern, zone } => {
                let text = super::scalar::text(value)?;
                let read = BrokenDownTime::parse(pattern, text.as_bytes()).ok()?;
                let instant = match (read.to_timestamp(), zone) {
                    (Ok(instant), _) => instant,
                    (Err(_), Some(zone)) => {
                        let local = read.to_datetime().ok()?;
                        zone.to_ambiguous_zoned(local)
                            .compatible()
                            .ok()?
                            .timestamp()
                    }
                    (Err(_), None) => return None,
                };
                Some(Timestamp(instant.as_millisecond()))
            }
        }
    }

    /// For messages.
    #[must_use]
    pub fn described(&self) -> String {
        match self {
            Self::Rfc3339 => "RFC 3339, such as 2026-03-02T10:00:00Z".to_owned(),
            Self::Epoch(unit) => format!("{} since 1970", unit.described()),
            Self::Custom { pattern, .. } => format!("the form `{pattern}`"),
        }
    }
}

impl Unit {
    fn described(self) -> &'static str {
        match self {
            Self::Seconds => "seconds",
            Self::Millis => "milliseconds",
            Self::Micros => "microseconds",
            Self::Nanos => "nanoseconds",
        }
    }

    /// Whole numbers to their last digit; seconds may have a fraction.
    fn read(self, value: &Json) -> Option<Timestamp> {
        let whole = match value {
            Json::Number(number) => number.as_i64(),
            Json::String(text) => text.trim().parse().ok(),
            _ => return None,
        };
        let ms = match (whole, self) {
            (Some(n), Self::Seconds) => n.checked_mul(1000)?,
            (Some(n), Self::Millis) => n,
            (Some(n), Self::Micros) => n.div_euclid(1000),
            (Some(n), Self::Nanos) => n.div_euclid(1_000_000),
            (None, _) => {
                let number = super::scalar::number(value)?;
                let ms = match self {
                    Self::Seconds => number * 1e3,
                    Self::Millis => number,
                    Self::Micros => number / 1e3,
                    Self::Nanos => number / 1e6,
                };
                #[expect(
                    clippy::cast_possible_truncation,
                    reason = "saturates, and is held to bounds"
                )]
                let ms = ms.floor() as i64;
                ms
            }
        };
        Some(Timestamp(ms.clamp(Timestamp::MIN.0, Timestamp::MAX.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn times_are_read_as_others_write_them() {
        let custom = |pattern, zone| Format::custom(pattern, zone).unwrap();
        let word = |word| Format::named(word).unwrap();
        let ten = Some("2026-03-02T10:00:00.000Z");
        for (format, value, expected) in [
            (word("rfc3339"), json!("2026-03-02T11:00:00+01:00"), ten),
            (word("rfc3339"), json!("2026-03-02 11:00"), None),
            (word("rfc3339"), json!(1_772_445_600), None),
            (word("s"), json!(1_772_445_600), ten),
            (word("s"), json!("1772445600"), ten),
            (
                word("s"),
                json!(1_772_445_600.25),
                Some("2026-03-02T10:00:00.250Z"),
            ),
            (word("s"), json!("soon"), None),
            (word("s"), json!(true), None),
            (word("ms"), json!(1_772_445_600_000_i64), ten),
            (word("us"), json!("1772445600000999"), ten),
            (word("ns"), json!(1_772_445_600_000_000_000_i64), ten),
            (
                custom("%d/%m/%Y %H:%M", Some("Europe/Madrid")),
                json!("02/03/2026 11:00"),
                ten,
            ),
            (
                custom("%d/%m/%Y %H:%M", Some("UTC")),
                json!("02/03/2026 10:00"),
                ten,
            ),
            (
                custom("%d/%m/%Y %H:%M", Some("UTC")),
                json!("2026-03-02T10:00:00Z"),
                None,
            ),
            (
                custom("%Y%m%d%H%M%S %z", None),
                json!("20260302110000 +0100"),
                ten,
            ),
            // The clock goes from 02:00 to 03:00; what does not exist moves on by the gap.
            (
                custom("%F %T", Some("Europe/Madrid")),
                json!("2026-03-29 02:30:00"),
                Some("2026-03-29T01:30:00.000Z"),
            ),
            // What comes twice means the first.
            (
                custom("%F %T", Some("Europe/Madrid")),
                json!("2026-10-25 02:30:00"),
                Some("2026-10-25T00:30:00.000Z"),
            ),
        ] {
            let read = format.read(&value).map(|time| time.to_string());
            assert_eq!(
                read.as_deref(),
                expected,
                "{value} as {}",
                format.described()
            );
        }
    }

    #[test]
    fn a_pattern_that_gives_no_instant_is_told() {
        for (pattern, zone, part) in [
            ("%d/%m/%Y %H:%M", None, "needs `zone`"),
            (
                "%d/%m/%Y %H:%M",
                Some("Europe/Nowhere"),
                "`Europe/Nowhere` is no IANA time zone",
            ),
            ("%d/%m %H:%M", Some("UTC"), "year, month, day are needed"),
            ("%Q!", Some("UTC"), ""),
        ] {
            let error = Format::custom(pattern, zone).unwrap_err();
            assert!(error.contains(part), "{pattern}: {error}");
        }
    }
}
