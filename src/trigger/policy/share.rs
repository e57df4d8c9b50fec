//! A share of customers, drawn by a stable hash.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize};
use xxhash_rust::xxh3::Xxh3;

use crate::document::typed;

/// How fine a share is: hundredths of a percent.
const WHOLE: u64 = 10_000;

/// So many hundredths of a percent, 0 to 10,000.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(into = "String")]
pub struct Share(u16);

/// Why a text is no share.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not valid here; expected {EXPECTED}")]
pub struct ShareError(String);

/// What a share looks like.
pub const EXPECTED: &str = "a share such as `5%` or `2.5%`, from 0% to 100%";
/// The same as a regular expression.
pub const FORM: &str = "^[0-9]{1,3}(\\.[0-9]{1,2})?%$";

impl Share {
    /// Nobody.
    pub const NOBODY: Self = Self(0);
    /// Everybody.
    pub const EVERYBODY: Self = Self(10_000);
    /// One in twenty: few enough to be missed by nobody, and of a thousand treated customers enough to be compared with.
    pub const USUAL: Self = Self(500);

    /// Whether whoever these parts stand for is in it: always the same, on any machine; independent of what other parts say. The
    /// hash is the XXH3 of the parts, each with its length before it.
    #[must_use]
    pub fn takes(self, parts: &[&str]) -> bool {
        let mut hasher = Xxh3::new();
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        hasher.digest() % WHOLE < u64::from(self.0)
    }

    /// Whether nobody is in it.
    #[must_use]
    pub fn is_nobody(self) -> bool {
        self.0 == 0
    }
}

impl FromStr for Share {
    type Err = ShareError;

    fn from_str(text: &str) -> Result<Self, ShareError> {
        let wrong = || ShareError(text.to_owned());
        let number = text.trim().strip_suffix('%').ok_or_else(wrong)?;
        let (whole, parts) = number.split_once('.').unwrap_or((number, "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(parts) || parts.len() > 2 {
            return Err(wrong());
        }
        let whole: u16 = whole.parse().map_err(|_| wrong())?;
        let hundredths: u16 = format!("{parts:0<2}").parse().map_err(|_| wrong())?;
        let all = whole
            .checked_mul(100)
            .and_then(|it| it.checked_add(hundredths));
        let all = all.filter(|all| u64::from(*all) <= WHOLE);
        all.map(Self).ok_or_else(wrong)
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0 / 100, self.0 % 100) {
            (whole, 0) => write!(f, "{whole}%"),
            (whole, parts) if parts % 10 == 0 => write!(f, "{whole}.{}%", parts / 10),
            (whole, parts) => write!(f, "{whole}.{parts:02}%"),
        }
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        typed::text(deserializer, EXPECTED, str::parse)
    }
}

impl From<Share> for String {
    fn from(share: Share) -> Self {
        share.to_string()
    }
}

impl JsonSchema for Share {
    fn schema_name() -> Cow<'static, str> {
        "Share".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": FORM, "examples": ["5%", "2.5%"] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_read_and_written() {
        for (text, written) in [
            ("5%", Some("5%")),
            ("0%", Some("0%")),
            ("100%", Some("100%")),
            ("2.5%", Some("2.5%")),
            ("2.50%", Some("2.5%")),
            ("0.05%", Some("0.05%")),
            ("100.01%", None),
            ("101%", None),
            ("999%", None),
            ("5", None),
            ("%", None),
            ("-5%", None),
            ("1.%", None),
            ("0.005%", None),
        ] {
            let read = text.parse::<Share>().ok().map(|share| share.to_string());
            assert_eq!(read.as_deref(), written, "{text}");
        }
    }

    #[test]
    fn it_is_stable_of_its_size_and_independent() {
        let share: Share = "5%".parse().unwrap();
        let customers: Vec<String> = (0..20_000).map(|n| format!("customer-{n}")).collect();
        let taken = |salt: &str, trigger: &str| -> Vec<bool> {
            let takes = |customer: &String| share.takes(&[salt, trigger, customer]);
            customers.iter().map(takes).collect()
        };
        let count = |taken: &[bool]| taken.iter().filter(|it| **it).count();
        let (a, b, salted) = (taken("", "a"), taken("", "b"), taken("x", "a"));
        // 1,000 are expected, give or take 4.5 deviations of 30.8.
        for taken in [&a, &b, &salted] {
            assert!((862..=1138).contains(&count(taken)), "{}", count(taken));
        }
        // Of those that one takes, another takes its share too: 50, give or take as many deviations.
        for other in [&b, &salted] {
            let both: Vec<bool> = a.iter().zip(other).map(|(a, b)| *a && *b).collect();
            assert!((19..=81).contains(&count(&both)), "{}", count(&both));
        }
        // The same for ever.
        let first: Vec<&str> = customers
            .iter()
            .zip(&a)
            .filter(|(_, taken)| **taken)
            .map(|(id, _)| id.as_str())
            .take(3)
            .collect();
        assert_eq!(first, FIRST);
        let all: Share = "100%".parse().unwrap();
        assert!(customers.iter().all(|customer| all.takes(&[customer])));
        assert!(
            !customers
                .iter()
                .any(|customer| Share::default().takes(&[customer]))
        );
    }

    /// The first of 20,000 that 5 % for the trigger `a` take.
    const FIRST: [&str; 3] = ["customer-28", "customer-64", "customer-76"];
}
