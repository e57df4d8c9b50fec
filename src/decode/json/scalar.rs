//! Values whose type is not known yet, and those that are passed over. Avro's are among them, which JSON does not have: bytes,
//! decimals and days.

use std::borrow::Cow;
use std::fmt;

use compact_str::ToCompactString as _;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};

use crate::decode::{Defect, TIME_MAX, TIME_MIN};
use crate::event::{Item, Property, Text, Type, limits};
use crate::time::{DAY_MS, Timestamp, Zone, parse_day, show_day};

/// Beyond this (2^53) doubles are no longer every whole number: two customers would become one.
pub(super) const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

/// A value whose type is not known yet.
#[derive(Default)]
pub(in crate::decode) enum Scalar<'de> {
    #[default]
    Null,
    Bool(bool),
    Number(f64),
    /// A whole number, to its last digit: ids are written so.
    Whole(i128),
    Text(Cow<'de, str>),
    List(Vec<Text>),
    /// Bytes that are no text.
    Bytes,
    /// A calendar day, in days since 1970-01-01.
    Day(i32),
    Object,
}

/// What a property says of time.
enum Told {
    At(Timestamp),
    Day(i32),
}

/// Times of properties are from 1900 on, as birthdays are; and none are from 2100 on.
const TOLD_MIN: Timestamp = Timestamp(-2_208_988_800_000);
const TOLD_MAX: Timestamp = TIME_MAX;
/// Seconds of a year, without its last day.
const YEAR_S: i128 = 364 * 86_400;
/// Seconds of this century, taken for ms, are before this.
const MISTAKEN_MS: i64 = TIME_MAX.0 / 1000;

impl Scalar<'_> {
    /// Whether it says nothing.
    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::Null) || matches!(self, Self::Text(text) if text.is_empty())
    }

    /// As text: numbers and truth values in their JSON form, empty text not at all.
    pub(in crate::decode) fn text(&self) -> Option<Text> {
        match self {
            Self::Text(text) if !text.is_empty() => Some(Text::from(text.as_ref())),
            Self::Number(number) => Some(number_text(*number)),
            Self::Whole(number) => Some(number.to_compact_string()),
            Self::Bool(value) => Some(value.to_compact_string()),
            Self::Day(day) => Some(show_day(*day).into()),
            _ => None,
        }
    }

    /// As an instant: RFC 3339 text, or a number since 1970, of ms; or of s, us or ns where it would be an absurd one of ms.
    pub(super) fn time(&self) -> Option<Timestamp> {
        match self {
            Self::Text(text) => {
                let number = || match text.trim().parse::<i64>() {
                    Ok(whole) => Some(since_1970(whole.into())),
                    Err(_) => decimal(text.trim()).map(fraction_since_1970),
                };
                Timestamp::parse(text).or_else(number)
            }
            Self::Number(number) => Some(fraction_since_1970(*number)),
            Self::Whole(number) => Some(since_1970(*number)),
            _ => None,
        }
    }

    /// The same of a property, which may be older than any event, or a day. What falls into the first weeks of 1970 is a number in
    /// another unit that somebody took for ms, or none at all.
    fn told(&self) -> Option<Told> {
        let day = match self {
            Self::Day(day) => Some(*day),
            Self::Text(text) => parse_day(text.trim()),
            _ => None,
        };
        if let Some(day) = day {
            let may_be = (TOLD_MIN.day(&Zone::Utc)..TOLD_MAX.day(&Zone::Utc)).contains(&day);
            return may_be.then_some(Told::Day(day));
        }
        let time = self.time()?;
        let is_text = matches!(self, Self::Text(_));
        let is_birthday = is_text && time.0 > 0 && time.0 % DAY_MS == 0;
        let is_mistaken = (0..MISTAKEN_MS).contains(&time.0) && !is_birthday;
        let may_be = (TOLD_MIN..TOLD_MAX).contains(&time) && !is_mistaken;
        may_be.then_some(Told::At(time))
    }

    pub(super) fn truth(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            Self::Whole(0) => Some(false),
            Self::Whole(1) => Some(true),
            Self::Text(text) => match text.trim().to_ascii_lowercase().as_str() {
                "true" | "yes" | "y" | "on" | "1" | "granted" => Some(true),
                "false" | "no" | "n" | "off" | "0" | "denied" => Some(false),
                _ => None,
            },
            _ => None,
        }
    }

    pub(super) fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            #[expect(clippy::cast_precision_loss, reason = "amounts are doubles")]
            Self::Whole(number) => Some(*number as f64),
            Self::Text(text) => text
                .trim()
                .parse()
                .ok()
                .filter(|number: &f64| number.is_finite()),
            _ => None,
        }
    }

    /// As a property of a declared type. `Ok(None)`: not known. `Err`: it cannot be read as that.
    pub(super) fn typed(self, kind: Type) -> Result<Option<Property>, Unreadable> {
        if self.is_empty() {
            return Ok(None);
        }
        let property = match kind {
            Type::Bool => self.truth().map(Property::Bool),
            Type::Number => self.number().map(Property::Number),
            Type::Text => self.text().map(|text| Property::Text(cut(text))),
            Type::Time => self.told().map(|told| match told {
                Told::At(time) => Property::Time(time),
                Told::Day(day) => Property::Date(day),
            }),
            // The day that is written, whatever the offset behind it.
            Type::Date => self.told().map(|told| match (told, &self) {
                (Told::Day(day), _) => Property::Date(day),
                (Told::At(time), Self::Text(text)) => {
                    let written = text.trim().get(..10).and_then(parse_day);
                    Property::Date(written.unwrap_or_else(|| time.day(&Zone::Utc)))
                }
                (Told::At(time), _) => Property::Date(time.day(&Zone::Utc)),
            }),
            Type::List(item) => self.list(item).map(Property::List),
            Type::Duration => None,
        };
        property.map(Some).ok_or_else(|| Unreadable {
            expected: kind.described(),
            found: self.described().into(),
        })
    }

    /// As a list, be it of one; what is no text is written in the form of its type. None: one of it cannot be read so.
    fn list(&self, item: Item) -> Option<Vec<Text>> {
        let items = match self {
            Self::List(items) => items.clone(),
            _ => vec![cut(self.text()?)],
        };
        if item == Item::Text {
            return Some(items);
        }
        let read = |text: &Text| {
            let read = Scalar::Text(Cow::Borrowed(text)).typed(item.kind());
            Some(match read.ok()?? {
                Property::Bool(value) => value.to_compact_string(),
                Property::Number(number) => number_text(number),
                Property::Time(time) => time.to_compact_string(),
                Property::Date(day) => show_day(day).into(),
                Property::Text(text) => text,
                Property::List(_) => return None,
            })
        };
        items.iter().map(read).collect()
    }

    pub(super) fn described(&self) -> String {
        match self {
            Self::Null => "null".to_owned(),
            Self::Bool(value) => value.to_string(),
            Self::Number(number) => number.to_string(),
            Self::Whole(number) => number.to_string(),
            Self::Text(text) => format!("`{}`", shortened(text)),
            Self::List(_) => "a list".to_owned(),
            Self::Bytes => "bytes".to_owned(),
            Self::Day(day) => show_day(*day),
            Self::Object => "an object".to_owned(),
        }
    }
}

/// A number of digits with a point between them.
fn decimal(text: &str) -> Option<f64> {
    let is_it = text.bytes().all(|it| it.is_ascii_digit() || it == b'.');
    text.parse().ok().filter(|_| is_it)
}

/// Seconds have fractions where programs keep time in doubles; of any other unit they say nothing.
#[expect(
    clippy::cast_possible_truncation,
    reason = "saturates, and is checked against bounds"
)]
fn fraction_since_1970(number: f64) -> Timestamp {
    let ms = Timestamp((number * 1000.0).round() as i64);
    match TIME_MIN <= ms && ms < TIME_MAX {
        true => ms,
        false => since_1970(number as i128),
    }
}

/// A number since 1970 is one of ms; or else of s, us or ns where that is a time of an event.
fn since_1970(number: i128) -> Timestamp {
    let number = number.clamp(i64::MIN.into(), i64::MAX.into());
    let may_be = |ms: &i128| (i128::from(TIME_MIN.0)..i128::from(TIME_MAX.0)).contains(ms);
    let seconds = number.saturating_mul(1000);
    let (micros, nanos) = (number.div_euclid(1000), number.div_euclid(1_000_000));
    let found = [number, seconds, micros, nanos].into_iter().find(may_be);
    // Of before 1990 and small: seconds, as no ms are so small.
    let old = match number.abs() < i128::from(MISTAKEN_MS) && number.abs() >= YEAR_S {
        true => seconds,
        false => number,
    };
    let ms = i64::try_from(found.unwrap_or(old)).unwrap_or(i64::MAX);
    Timestamp(ms.clamp(Timestamp::MIN.0, Timestamp::MAX.0))
}

/// A value that cannot be read as its type.
#[derive(Debug)]
pub(super) struct Unreadable {
    expected: &'static str,
    found: Text,
}

impl Unreadable {
    /// As a defect of what has this name.
    pub(super) fn of(self, name: &str) -> Defect {
        Defect {
            name: name.into(),
            expected: self.expected,
            found: self.found,
        }
    }
}

impl Defect {
    /// Of what has this name.
    pub(super) fn new(name: &str, expected: &'static str, found: &Scalar<'_>) -> Self {
        let found = found.described().into();
        Unreadable { expected, found }.of(name)
    }
}

impl<'de> Scalar<'de> {
    /// A value of a tree; a list or an object as something that is no plain value.
    pub(super) fn of_json(value: &'de serde_json::Value) -> Self {
        match value {
            serde_json::Value::Null => Self::Null,
            serde_json::Value::Bool(value) => Self::Bool(*value),
            serde_json::Value::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(whole), _) => Self::Whole(whole.into()),
                (None, Some(number)) => Self::of_double(number),
                (None, None) => Self::Object,
            },
            serde_json::Value::String(text) => Self::Text(Cow::Borrowed(text)),
            serde_json::Value::Array(_) => Self::List(Vec::new()),
            serde_json::Value::Object(_) => Self::Object,
        }
    }
}

/// What only Avro has.
impl<'de> Scalar<'de> {
    /// A double. Not a number and infinity are no amounts: nothing can be read of them.
    pub(in crate::decode) fn of_double(number: f64) -> Self {
        if number.is_finite() {
            Self::Number(number)
        } else {
            Self::Object
        }
    }

    /// Bytes: many a producer writes its text so.
    pub(in crate::decode) fn of_bytes(bytes: &'de [u8]) -> Self {
        std::str::from_utf8(bytes).map_or(Self::Bytes, |text| Self::Text(Cow::Borrowed(text)))
    }

    /// A whole number in the two's complement, big-endian, with its point moved. Exact for up to 15 digits, as doubles are.
    pub(in crate::decode) fn of_decimal(digits: &[u8], scale: i32) -> Self {
        let Some(first) = digits.first() else {
            return Self::Object;
        };
        let sign = if *first < 0x80 { 0.0 } else { -1.0 };
        let whole = digits.iter();
        let whole = whole.fold(sign, |whole, digit| whole * 256.0 + f64::from(*digit));
        Self::of_double(whole / 10_f64.powi(scale))
    }

    /// Days since 1970.
    pub(in crate::decode) fn of_days(days: i32) -> Self {
        Self::Day(days)
    }
}

/// The items of a list, as long as all of them can be text.
#[derive(Default)]
pub(in crate::decode) struct Texts {
    texts: Vec<Text>,
    others: bool,
}

impl Texts {
    /// One more item; beyond the bound it is only looked at.
    pub(in crate::decode) fn push(&mut self, item: &Scalar<'_>) {
        match item.text() {
            Some(text) if self.texts.len() < limits::LIST_ITEMS => self.texts.push(cut(text)),
            Some(_) => {}
            None => self.others = true,
        }
    }
}

impl From<Texts> for Scalar<'_> {
    fn from(items: Texts) -> Self {
        match items.others {
            true => Self::Object,
            false => Self::List(items.texts),
        }
    }
}

fn number_text(number: f64) -> Text {
    serde_json::Value::from(&crate::value::Value::Number(number)).to_compact_string()
}

/// Text within its bound, cut between characters.
pub(super) fn cut(text: Text) -> Text {
    if text.len() <= limits::TEXT_BYTES {
        text
    } else {
        Text::from(&text[..text.floor_char_boundary(limits::TEXT_BYTES)])
    }
}

pub(super) fn shortened(text: &str) -> &str {
    &text[..text.floor_char_boundary(40)]
}

impl<'de> Deserialize<'de> for Scalar<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Scalar::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Scalar::Bool(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Scalar::of_double(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Scalar::Whole(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Scalar::Whole(value.into()))
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Borrowed(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Owned(value.to_owned())))
    }

    fn visit_string<E>(self, value: String) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Owned(value)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut texts = Texts::default();
        while let Some(item) = items.next_element::<Scalar<'de>>()? {
            texts.push(&item);
        }
        Ok(texts.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<Skipped, Skipped>()?.is_some() {}
        Ok(Scalar::Object)
    }
}

/// A field name, borrowed where it has no escapes.
pub(in crate::decode) struct Key<'de>(pub(in crate::decode) Cow<'de, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Scalar::deserialize(deserializer)? {
            Scalar::Text(text) => Ok(Self(text)),
            _ => Ok(Self(Cow::Borrowed(""))),
        }
    }
}

/// Passes over a value that means nothing here.
pub(super) fn skip<'de, A: MapAccess<'de>>(map: &mut A) -> Result<(), A::Error> {
    map.next_value::<Skipped>().map(|_| ())
}

/// A value that means nothing here. Unlike serde's `IgnoredAny` it keeps to the reader's limit of
/// nesting, so that a bomb is refused wherever it stands.
pub(in crate::decode) struct Skipped;

impl<'de> Deserialize<'de> for Skipped {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Skipped {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self, A::Error> {
        while items.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        while map.next_entry::<Self, Self>()?.is_some() {}
        Ok(self)
    }
}
