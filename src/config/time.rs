//! Where time comes from, and durations as people write them.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::ConfigError;
use crate::document::typed;
use crate::task::watermark::ClockMode;
use crate::time::{Timestamp, format_duration, parse_duration};

/// A length of time, written `30m`, `24h`, `7d`, `250ms`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// In milliseconds.
    pub ms: i64,
}

/// Where time comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Time {
    /// `wall`: the machine's clock. `event`: the largest event time seen, for loads of the past. `accelerated`: a clock of its
    /// own (`origin`, `start`, `factor`), for demonstrations. Default `wall`.
    pub clock: Clock,
    /// How long nothing must come before silence moves time. Default `5s`.
    pub idle_delay: Span,
    /// How far ahead of the clock an event may be and still move time. Default `10m`.
    pub future_tolerance: Span,
    /// With `accelerated`: what the clock showed at `start`, RFC 3339. Default 1970.
    pub origin: String,
    /// With `accelerated`: the wall's time at which it showed `origin`, RFC 3339. Default 1970.
    pub start: String,
    /// With `accelerated`: how many times as fast it runs. Default 1.0.
    pub factor: f64,
}

/// Which clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Clock {
    /// The machine's.
    #[default]
    Wall,
    /// Events alone.
    Event,
    /// One of its own.
    Accelerated,
}

impl Default for Time {
    fn default() -> Self {
        let epoch = "1970-01-01T00:00:00Z".to_owned();
        Self {
            clock: Clock::Wall,
            idle_delay: Span { ms: 5_000 },
            future_tolerance: Span { ms: 600_000 },
            origin: epoch.clone(),
            start: epoch,
            factor: 1.0,
        }
    }
}

impl Time {
    /// The clock as a task takes it. [`super::Config::load`] has checked it.
    #[must_use]
    pub fn mode(&self) -> ClockMode {
        let instant = |text: &str| Timestamp::parse(text).unwrap_or_default();
        match self.clock {
            Clock::Wall => ClockMode::Wall,
            Clock::Event => ClockMode::Event,
            Clock::Accelerated => ClockMode::Accelerated {
                origin: instant(&self.origin),
                start: instant(&self.start),
                factor: self.factor,
            },
        }
    }

    /// How far ahead of the clock an event may be and still move time, milliseconds.
    #[must_use]
    pub fn future_tolerance_ms(&self) -> i64 {
        self.future_tolerance.ms
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        for (key, text) in [("time.origin", &self.origin), ("time.start", &self.start)] {
            if Timestamp::parse(text).is_none() {
                let expected =
                    format!("`{text}` is no time; expected RFC 3339, such as 2026-03-02T10:00:00Z");
                return Err(ConfigError::invalid(key, expected));
            }
        }
        if !(self.factor > 0.0 && self.factor.is_finite()) {
            return Err(ConfigError::invalid("time.factor", "must be above 0"));
        }
        Ok(())
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&format_duration(self.ms))
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for Span {
    fn schema_name() -> Cow<'static, str> {
        "Span".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A length of time: whole numbers, each with a unit (ms, s, m, h, d, w).",
            "type": "string",
            "pattern": r"^\s*([0-9]+\s*(ms|s|m|min|h|d|w)\s*)+$",
            "examples": ["250ms", "30m", "7d"],
        })
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expected =
            "a length of time with a unit (ms, s, m, h, d or w), such as \"5s\" or \"7d\"";
        typed::text(deserializer, expected, |text| {
            parse_duration(text).map(|ms| Self { ms })
        })
    }
}
