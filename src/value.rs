//! What an expression works with: a value, borrowed where it can be.

use crate::event::{Item, Property, Text, Type, limits};
use crate::time::{Timestamp, Zone, parse_day};

/// A value of the trigger language. `Null` is what is not known.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// not known
    Null,
    /// true or false
    Bool(bool),
    /// any number
    Number(f64),
    /// text
    Text(&'a str),
    /// an instant
    Time(Timestamp),
    /// a length of time in ms
    Duration(i64),
    /// a list of texts
    List(Vec<&'a str>),
    /// a list of bools, numbers or times
    Items(Item, Vec<Value<'a>>),
}

impl<'a> Value<'a> {
    /// Its type; `None` for what is not known.
    #[must_use]
    pub fn kind(&self) -> Option<Type> {
        Some(match self {
            Self::Null => return None,
            Self::Bool(_) => Type::Bool,
            Self::Number(_) => Type::Number,
            Self::Text(_) => Type::Text,
            Self::Time(_) => Type::Time,
            Self::Duration(_) => Type::Duration,
            Self::List(_) => Type::TEXTS,
            Self::Items(item, _) => Type::List(*item).in_expressions(),
        })
    }

    /// Borrows a property of an event or an attribute of a profile of somebody in a zone: a day is its end there.
    #[must_use]
    pub fn of(property: &'a Property, zone: &dyn Fn() -> Zone) -> Self {
        match property {
            Property::Bool(value) => Self::Bool(*value),
            Property::Number(value) => Self::Number(*value),
            Property::Text(value) => Self::Text(value),
            Property::Time(value) => Self::Time(*value),
            Property::List(items) => Self::texts(items),
            Property::Date(day) => Self::Time(Timestamp::end_of_day(*day, &zone())),
        }
    }

    /// As what it is declared to be: of a list that is none of texts, each is read from what is written.
    #[must_use]
    pub fn declared(self, kind: Type, zone: &dyn Fn() -> Zone) -> Self {
        match (self, kind) {
            (Self::List(texts), Type::List(item)) if item != Item::Text => {
                let read = texts
                    .into_iter()
                    .filter_map(|text| Self::read(text, item, zone));
                Self::Items(item, read.collect())
            }
            (value, _) => value,
        }
    }

    /// A value of a list as it is written; a day is its end.
    fn read(text: &'a str, item: Item, zone: &dyn Fn() -> Zone) -> Option<Self> {
        Some(match item {
            Item::Bool => Self::Bool(text.parse().ok()?),
            Item::Number => Self::Number(text.parse().ok()?),
            Item::Text => Self::Text(text),
            Item::Time | Item::Date => Self::Time(match parse_day(text) {
                Some(day) => Timestamp::end_of_day(day, &zone()),
                None => Timestamp::parse(text)?,
            }),
        })
    }

    /// A list of texts.
    #[must_use]
    pub fn texts(items: &'a [Text]) -> Self {
        Self::List(items.iter().map(Text::as_str).collect())
    }

    /// A text that may not be known; empty text counts as not known.
    #[must_use]
    pub fn text(value: Option<&'a Text>) -> Self {
        value
            .filter(|text| !text.is_empty())
            .map_or(Self::Null, |text| Self::Text(text))
    }

    /// An instant that may not be known.
    #[must_use]
    pub fn time(value: Option<Timestamp>) -> Self {
        value.map_or(Self::Null, Self::Time)
    }

    /// A number that may not be known.
    #[must_use]
    pub fn number(value: Option<f64>) -> Self {
        value.map_or(Self::Null, Self::Number)
    }

    /// As a key, by which one thing is told from another; none for what is not known.
    #[must_use]
    pub fn key(&self) -> Option<Text> {
        let text = match self {
            Self::Null => return None,
            Self::Text(text) => Text::from(*text),
            other => Text::from(serde_json::Value::from(other).to_string()),
        };
        (!text.is_empty() && text.len() <= limits::TEXT_BYTES).then_some(text)
    }
}

impl From<&Value<'_>> for serde_json::Value {
    fn from(value: &Value<'_>) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(*value),
            // Whole numbers are shown as such: 3, not 3.0.
            Value::Number(value) if value.fract() == 0.0 && value.abs() < 9e15 => {
                #[expect(clippy::cast_possible_truncation, reason = "whole and below 2^53")]
                let whole = *value as i64;
                Self::from(whole)
            }
            Value::Number(value) => Self::from(*value),
            Value::Text(value) => Self::from(*value),
            Value::Time(value) => Self::from(value.to_string()),
            Value::Duration(value) => Self::from(*value),
            Value::List(items) => Self::from(items.clone()),
            Value::Items(_, items) => items.iter().map(Self::from).collect(),
        }
    }
}
