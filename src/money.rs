//! Amounts of money: exact decimals, each in its currency, and the rates by which they become the company's.
//!
//! A number of an event is a double, read from what its producer wrote; [`Amount::of`] gives back what was written, as long as that
//! has no more than 15 digits. From there on nothing is rounded but an amount that is told, once, to the places that its currency
//! has by ISO 4217. Amounts of different currencies are never added.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::{Add, Neg, Sub};

use rust_decimal::prelude::{FromPrimitive, ToPrimitive};
use rust_decimal::{Decimal, RoundingStrategy};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::event::Text;

/// Amounts beyond this (10^12 major units) are held at it: nobody's order is worth more, and sums of them stay exact.
const AMOUNT_MAX: f64 = 1e12;
/// Places that a price or a quantity may have: those of the smallest unit prices there are.
const PLACES_MAX: u32 = 9;
/// Bytes of a currency: ISO 4217 has three letters, points and coins some more.
const CURRENCY_BYTES: usize = 12;
/// Places of a currency that ISO 4217 does not have: those that most have.
const PLACES_USUAL: u32 = 2;

/// An exact amount, in major units, or a quantity.
#[derive(Clone, Copy, Debug, Default)]
pub struct Amount(Decimal);

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self(Decimal::ZERO);
    /// One.
    pub const ONE: Self = Self(Decimal::ONE);

    /// The number that was written.
    #[must_use]
    pub fn of(number: f64) -> Self {
        let held = number.clamp(-AMOUNT_MAX, AMOUNT_MAX);
        let exact = Decimal::from_f64(held).unwrap_or_default();
        Self(exact.round_dp(PLACES_MAX))
    }

    /// From hundredths, as older builds kept amounts.
    #[must_use]
    pub fn of_hundredths(hundredths: i64) -> Self {
        Self(Decimal::new(hundredths, 2))
    }

    /// So many millionths.
    #[must_use]
    pub fn of_millionths(millionths: i64) -> Self {
        Self(Decimal::new(millionths, 6))
    }

    /// The product of two, exact.
    #[must_use]
    pub fn times(self, by: Self) -> Self {
        let product = self.0.checked_mul(by.0);
        product.map_or_else(|| Self::of(self.number() * by.number()), Self)
    }

    /// One of so many equal parts, to nine places; what does not divide is left out.
    #[must_use]
    pub fn part_of(self, parts: u32) -> Self {
        let part = self.0.checked_div(Decimal::from(parts));
        Self(part.unwrap_or_default().trunc_with_scale(PLACES_MAX))
    }

    /// Rounded to places behind the point, half away from zero, as shops do.
    #[must_use]
    pub fn rounded(self, places: u32) -> Self {
        let away = RoundingStrategy::MidpointAwayFromZero;
        Self(self.0.round_dp_with_strategy(places, away))
    }

    /// How far it is from nothing.
    #[must_use]
    pub fn abs(self) -> Self {
        Self(self.0.abs())
    }

    /// The nearest double.
    #[must_use]
    pub fn number(self) -> f64 {
        self.0.to_f64().unwrap_or_default()
    }
}

impl Add for Amount {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sub for Amount {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Neg for Amount {
    type Output = Self;

    fn neg(self) -> Self {
        Self(-self.0)
    }
}

impl PartialEq for Amount {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for Amount {}

impl PartialOrd for Amount {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Amount {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0)
    }
}

/// As few bytes as tell it: a whole number and how many of its digits stand behind the point.
impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let short = self.0.normalize();
        (short.mantissa(), short.scale().to_le_bytes()[0]).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (whole, places) = <(i128, u8)>::deserialize(deserializer)?;
        let read = Decimal::try_from_i128_with_scale(whole, places.into());
        read.map(Self).map_err(serde::de::Error::custom)
    }
}

/// A currency, by its code in upper case.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Text", into = "Text")]
pub struct Currency(Text);

impl Currency {
    /// What is meant by a code in any case, or by a sign that means one currency alone; none where it can be no currency.
    #[must_use]
    pub fn read(written: &str) -> Option<Self> {
        let written = written.trim();
        let code = match written {
            "€" => "EUR",
            "£" => "GBP",
            _ => written,
        };
        let is_code = (1..=CURRENCY_BYTES).contains(&code.len())
            && code.bytes().all(|it| it.is_ascii_alphanumeric());
        let upper = code.chars().map(|it| it.to_ascii_uppercase());
        is_code.then(|| Self(upper.collect()))
    }

    /// Its code.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.0
    }

    /// The code, as it is kept.
    #[must_use]
    pub fn text(&self) -> &Text {
        &self.0
    }

    /// Whether nothing is said of which it is.
    #[must_use]
    pub fn is_unsaid(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether ISO 4217 has it.
    #[must_use]
    pub fn is_standard(&self) -> bool {
        iso_currency::Currency::from_code(&self.0).is_some()
    }

    /// Places behind the point, by ISO 4217.
    #[must_use]
    pub fn places(&self) -> u32 {
        let known = iso_currency::Currency::from_code(&self.0);
        known.map_or(PLACES_USUAL, |it| it.exponent().unwrap_or_default().into())
    }
}

impl TryFrom<Text> for Currency {
    type Error = String;

    /// Empty is one of which nothing is said.
    fn try_from(written: Text) -> Result<Self, String> {
        if written.is_empty() {
            return Ok(Self::default());
        }
        Self::read(&written).ok_or_else(|| {
            format!("`{written}` is no currency; expected a code of ISO 4217, such as EUR")
        })
    }
}

impl From<Currency> for Text {
    fn from(currency: Currency) -> Self {
        currency.0
    }
}

impl JsonSchema for Currency {
    fn schema_name() -> Cow<'static, str> {
        "Currency".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": format!("^[A-Za-z0-9]{{1,{CURRENCY_BYTES}}}$") })
    }
}

/// What one unit of a currency is worth in another: above 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate(Amount);

/// A number, or a text of one, which is exact to its last digit.
impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Number(f64),
            Text(String),
        }
        let rate = match Written::deserialize(deserializer)? {
            Written::Number(number) => Decimal::from_f64(number),
            Written::Text(text) => text.trim().parse().ok(),
        };
        rate.filter(|rate| *rate > Decimal::ZERO && *rate <= Decimal::from(1_000_000_000))
            .map(|rate| Self(Amount(rate.normalize())))
            .ok_or_else(|| serde::de::Error::custom("a rate is a number above 0, such as 0.92"))
    }
}

impl Serialize for Rate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0.0)
    }
}

impl JsonSchema for Rate {
    fn schema_name() -> Cow<'static, str> {
        "Rate".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [
            { "type": "number", "exclusiveMinimum": 0 },
            { "type": "string", "pattern": r"^[0-9]*\.?[0-9]+$" },
        ] })
    }
}

/// The company's currency, and what others are worth in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Declared")]
#[schemars(!try_from, deny_unknown_fields, default)]
pub struct Currencies {
    /// The currency in which the company reckons: `orders.value` and the like are in it. Without one a customer's are in the currency
    /// of her first order.
    pub reporting: Option<Currency>,
    /// What one unit of another currency is worth in it: `{ USD = 0.92, JPY = 0.0061 }`. An amount in a currency that has none is
    /// counted apart. A rate holds for the orders that come after it.
    pub rates: BTreeMap<Currency, Rate>,
}

/// The same as it is written, unchecked.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Declared {
    reporting: Option<Currency>,
    rates: BTreeMap<Currency, Rate>,
}

impl TryFrom<Declared> for Currencies {
    type Error = String;

    fn try_from(declared: Declared) -> Result<Self, String> {
        let Declared { reporting, rates } = declared;
        let read = Self { reporting, rates };
        read.check().map(|()| read)
    }
}

/// Currencies with a rate: ISO 4217 has fewer.
const RATES_MAX: usize = 256;

impl Currencies {
    /// That they can be reckoned by, or why not.
    fn check(&self) -> Result<(), String> {
        match &self.reporting {
            None if !self.rates.is_empty() => {
                Err("rates are into the `reporting` currency, and none is said".to_owned())
            }
            Some(reporting)
                if self
                    .rates
                    .get(reporting)
                    .is_some_and(|rate| rate.0 != Amount::ONE) =>
            {
                Err(format!("the rate of {} into itself is 1", reporting.code()))
            }
            _ if self.rates.len() > RATES_MAX => {
                Err(format!("at most {RATES_MAX} currencies have a rate"))
            }
            _ => Ok(()),
        }
    }

    /// The currency in which the amounts of a customer are reckoned, `hers` being the first that was said of them.
    #[must_use]
    pub fn main<'a>(&'a self, hers: &'a Currency) -> &'a Currency {
        self.reporting.as_ref().unwrap_or(hers)
    }

    /// What one unit is worth in the main currency; none where nobody said it. An amount of which no currency is said is in the main
    /// one.
    #[must_use]
    pub fn rate(&self, currency: &Currency, hers: &Currency) -> Option<Amount> {
        if currency.is_unsaid() || currency == self.main(hers) {
            return Some(Amount::ONE);
        }
        self.reporting.as_ref()?;
        self.rates.get(currency).map(|rate| rate.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn currency(code: &str) -> Currency {
        Currency::read(code).unwrap_or_default()
    }

    #[test]
    fn a_price_times_a_quantity_is_exact_and_rounded_once() {
        for (price, quantity, code, expected) in [
            (60.0, 0.35, "EUR", "21.00"),
            (60.0, 1.5, "EUR", "90.00"),
            (0.0045, 10_000.0, "EUR", "45.00"),
            (1.234, 2.0, "KWD", "2.468"),
            (0.1, 3.0, "EUR", "0.30"),
            (1.005, 1.0, "EUR", "1.01"),
            (2.675, 1.0, "EUR", "2.68"),
            (-2.675, 1.0, "EUR", "-2.68"),
            (1050.4, 1.0, "JPY", "1050"),
            (1050.5, 1.0, "jpy", "1051"),
            (0.01, 1e6, "usd", "10000.00"),
            (19.99, 3.0, "POINTS", "59.97"),
            (1e300, 1.0, "EUR", "1000000000000.00"),
        ] {
            let sum = Amount::of(price).times(Amount::of(quantity));
            let places = currency(code).places();
            let shown = format!("{:.1$}", sum.rounded(places).0, places as usize);
            assert_eq!(shown, expected, "{quantity} x {price} {code}");
        }
    }

    #[test]
    fn places_are_those_of_iso_4217() {
        for (code, places) in [
            ("EUR", 2),
            ("usd", 2),
            ("JPY", 0),
            ("KRW", 0),
            ("CLP", 0),
            ("ISK", 0),
            ("KWD", 3),
            ("BHD", 3),
            ("TND", 3),
            ("CLF", 4),
            ("XXQ", 2),
            ("", 2),
        ] {
            assert_eq!(currency(code).places(), places, "{code}");
        }
    }

    #[test]
    fn a_code_counts_in_any_case() {
        for (written, code) in [
            ("eur", Some("EUR")),
            (" Eur ", Some("EUR")),
            ("€", Some("EUR")),
            ("points", Some("POINTS")),
            ("", None),
            ("$", None),
            ("a very long name", None),
        ] {
            let read = Currency::read(written);
            assert_eq!(read.as_ref().map(Currency::code), code, "{written}");
        }
    }

    #[test]
    fn an_amount_is_kept_in_few_bytes() {
        for (number, bytes) in [
            (0.0, 2),
            (20.0, 2),
            (30.5, 3),
            (19.99, 3),
            (0.0045, 2),
            (1e12, 7),
            (-1234.567, 5),
        ] {
            let amount = Amount::of(number);
            let kept = postcard::to_allocvec(&amount).unwrap();
            assert_eq!(kept.len(), bytes, "{number}");
            assert_eq!(postcard::from_bytes(&kept), Ok(amount));
        }
        // More than a decimal holds.
        let much = postcard::to_allocvec(&(i128::MAX, 0_u8)).unwrap();
        assert!(postcard::from_bytes::<Amount>(&much).is_err());
    }

    #[test]
    fn rates_are_declared_into_the_reporting_currency() {
        let read = |json: &str| serde_json::from_str::<Currencies>(json);
        let declared = read(r#"{"reporting":"eur","rates":{"USD":0.92,"jpy":"0.0061"}}"#).unwrap();
        let none = Currency::default();
        for (code, rate) in [
            ("EUR", Some(1.0)),
            ("", Some(1.0)),
            ("USD", Some(0.92)),
            ("JPY", Some(0.0061)),
            ("GBP", None),
        ] {
            let found = declared.rate(&currency(code), &none);
            assert_eq!(found, rate.map(Amount::of), "{code}");
        }
        // Without one, hers counts, and nothing is made of another.
        let undeclared = Currencies::default();
        assert_eq!(
            undeclared.rate(&currency("GBP"), &currency("GBP")),
            Some(Amount::ONE)
        );
        assert_eq!(undeclared.rate(&currency("USD"), &currency("GBP")), None);
        for wrong in [
            r#"{"rates":{"USD":0.9}}"#,
            r#"{"reporting":"EUR","rates":{"EUR":2}}"#,
            r#"{"rates":{"USD":0}}"#,
            r#"{"rates":{"USD":-1}}"#,
            r#"{"rates":{"USD":"free"}}"#,
            r#"{"reporting":"a currency"}"#,
            r#"{"report":"EUR"}"#,
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        let kept = serde_json::to_string(&declared).unwrap();
        assert_eq!(
            kept,
            r#"{"reporting":"EUR","rates":{"JPY":"0.0061","USD":"0.92"}}"#
        );
    }
}
