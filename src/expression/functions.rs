//! The functions of the language: one table, from which the reference is made.

use super::operators::finite;
use crate::event::{Item, Type};
use crate::time::{WEEKDAYS, Zone, weekday};
use crate::value::Value;

/// A function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    Abs,
    Contains,
    DaysBetween,
    Duration,
    EndsWith,
    Expiring,
    Has,
    Hour,
    Max,
    Min,
    NextExpiry,
    Round,
    Size,
    StartsWith,
    Timestamp,
    Weekday,
}

/// One row of the reference.
#[derive(Clone, Copy, Debug)]
pub struct FunctionDoc {
    /// Its name.
    pub name: &'static str,
    /// How it is written.
    pub call: &'static str,
    /// The types each argument may have. What a call such as `x.startsWith("a")` is made on is the
    /// first argument.
    pub takes: &'static [&'static [Type]],
    /// What it gives.
    pub gives: Type,
    /// What it does.
    pub about: &'static str,
    pub(super) function: Function,
}

const ANY: &[Type] = &[
    Type::Bool,
    Type::Number,
    Type::Text,
    Type::Time,
    Type::Duration,
    Type::TEXTS,
    Type::List(Item::Bool),
    Type::List(Item::Number),
    Type::List(Item::Time),
];
const SIZED: &[Type] = &[
    Type::TEXTS,
    Type::List(Item::Bool),
    Type::List(Item::Number),
    Type::List(Item::Time),
    Type::Text,
];
const NUMBER: &[Type] = &[Type::Number];
const TEXT: &[Type] = &[Type::Text];
const TIME: &[Type] = &[Type::Time];
const DURATION: &[Type] = &[Type::Duration];

/// Every function, sorted by name.
pub const FUNCTIONS: &[FunctionDoc] = &[
    FunctionDoc {
        name: "abs",
        call: "abs(number)",
        takes: &[NUMBER],
        gives: Type::Number,
        about: "the number without its sign",
        function: Function::Abs,
    },
    FunctionDoc {
        name: "contains",
        call: "text.contains(part)",
        takes: &[TEXT, TEXT],
        gives: Type::Bool,
        about: "whether the part stands in the text; upper and lower case differ",
        function: Function::Contains,
    },
    FunctionDoc {
        name: "days_between",
        call: "days_between(a, b)",
        takes: &[TIME, TIME],
        gives: Type::Number,
        about: "whole calendar days from a to b in the customer's time zone: the day of b minus the day of a",
        function: Function::DaysBetween,
    },
    FunctionDoc {
        name: "duration",
        call: "duration(\"7d\")",
        takes: &[TEXT],
        gives: Type::Duration,
        about: "a length of time, written as everywhere in trigger files: ms, s, m, h, d (24 h) or w",
        function: Function::Duration,
    },
    FunctionDoc {
        name: "endsWith",
        call: "text.endsWith(end)",
        takes: &[TEXT, TEXT],
        gives: Type::Bool,
        about: "whether the text ends so",
        function: Function::EndsWith,
    },
    FunctionDoc {
        name: "expiring",
        call: "expiring(facts.points, duration(\"30d\"))",
        takes: &[NUMBER, DURATION],
        gives: Type::Number,
        about: "what of a fact that is a `balance` expires within a length of time from now: later than now, at its end at the latest",
        function: Function::Expiring,
    },
    FunctionDoc {
        name: "has",
        call: "has(x)",
        takes: &[ANY],
        gives: Type::Bool,
        about: "whether x is known",
        function: Function::Has,
    },
    FunctionDoc {
        name: "hour",
        call: "hour(time)",
        takes: &[TIME],
        gives: Type::Number,
        about: "the hour that her clock shows then, 0 to 23, in the customer's time zone",
        function: Function::Hour,
    },
    FunctionDoc {
        name: "max",
        call: "max(a, b)",
        takes: &[NUMBER, NUMBER],
        gives: Type::Number,
        about: "the larger of two numbers; not known where one is not",
        function: Function::Max,
    },
    FunctionDoc {
        name: "min",
        call: "min(a, b)",
        takes: &[NUMBER, NUMBER],
        gives: Type::Number,
        about: "the smaller of two numbers; not known where one is not",
        function: Function::Min,
    },
    FunctionDoc {
        name: "next_expiry",
        call: "next_expiry(facts.points)",
        takes: &[NUMBER],
        gives: Type::Time,
        about: "when something of a fact that is a `balance` expires next; not known where nothing does",
        function: Function::NextExpiry,
    },
    FunctionDoc {
        name: "round",
        call: "round(number)",
        takes: &[NUMBER],
        gives: Type::Number,
        about: "the nearest whole number, halves away from zero",
        function: Function::Round,
    },
    FunctionDoc {
        name: "size",
        call: "size(x)",
        takes: &[SIZED],
        gives: Type::Number,
        about: "how many entries a list has, or characters a text",
        function: Function::Size,
    },
    FunctionDoc {
        name: "startsWith",
        call: "text.startsWith(start)",
        takes: &[TEXT, TEXT],
        gives: Type::Bool,
        about: "whether the text begins so",
        function: Function::StartsWith,
    },
    FunctionDoc {
        name: "timestamp",
        call: "timestamp(\"2026-03-02T10:00:00Z\")",
        takes: &[TEXT],
        gives: Type::Time,
        about: "an instant, in RFC 3339",
        function: Function::Timestamp,
    },
    FunctionDoc {
        name: "weekday",
        call: "weekday(time)",
        takes: &[TIME],
        gives: Type::Text,
        about: "the day of the week that it is then in the customer's time zone: `monday` to `sunday`",
        function: Function::Weekday,
    },
];

impl Function {
    /// Its value; `argument` gives the value of the argument of a number, `zone` where the customer lives. Where one is not known the result is not either, or, for a bool, false.
    pub fn call<'a>(
        self,
        argument: impl Fn(usize) -> Value<'a>,
        zone: &dyn Fn() -> Zone,
    ) -> Value<'a> {
        let number = |apply: fn(f64) -> f64| match argument(0) {
            Value::Number(a) => Value::Number(apply(a)),
            _ => Value::Null,
        };
        let numbers = |apply: fn(f64, f64) -> f64| match (argument(0), argument(1)) {
            (Value::Number(a), Value::Number(b)) => finite(apply(a, b)),
            _ => Value::Null,
        };
        let texts = |holds: fn(&str, &str) -> bool| match (argument(0), argument(1)) {
            (Value::Text(a), Value::Text(b)) => Value::Bool(holds(a, b)),
            _ => Value::Bool(false),
        };
        match self {
            Self::Abs => number(f64::abs),
            Self::Round => number(f64::round),
            Self::Max => numbers(f64::max),
            Self::Min => numbers(f64::min),
            Self::Contains => texts(|text, part| text.contains(part)),
            Self::EndsWith => texts(|text, end| text.ends_with(end)),
            Self::StartsWith => texts(|text, start| text.starts_with(start)),
            Self::Size => match argument(0) {
                Value::List(items) => count(items.len()),
                Value::Items(_, items) => count(items.len()),
                Value::Text(text) => count(text.chars().count()),
                _ => Value::Null,
            },
            Self::DaysBetween => match (argument(0), argument(1)) {
                (Value::Time(a), Value::Time(b)) => {
                    let zone = zone();
                    Value::Number(f64::from(b.day(&zone)) - f64::from(a.day(&zone)))
                }
                _ => Value::Null,
            },
            Self::Hour => match argument(0) {
                Value::Time(time) => Value::Number(time.hour(&zone()).into()),
                _ => Value::Null,
            },
            Self::Weekday => match argument(0) {
                Value::Time(time) => {
                    let day = time.day(&zone());
                    Value::Text(WEEKDAYS[weekday(day)])
                }
                _ => Value::Null,
            },
            // These are constants, or nodes of their own, once checked.
            Self::Has | Self::Duration | Self::Timestamp | Self::Expiring | Self::NextExpiry => {
                Value::Null
            }
        }
    }
}

fn count<'v>(len: usize) -> Value<'v> {
    Value::number(u32::try_from(len).ok().map(f64::from))
}
