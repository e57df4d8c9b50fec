//! Operators: which there are, which types they take, and what they do with values.

use std::cmp::Ordering;

use cel::common::ast::operators as cel;

use crate::event::Type;
use crate::money::Amount;
use crate::value::Value;

/// One row of the reference.
#[derive(Clone, Copy, Debug)]
pub struct OperatorDoc {
    /// As written.
    pub symbol: &'static str,
    /// What it takes and gives.
    pub types: &'static str,
    /// What it does.
    pub about: &'static str,
}

/// Every operator, for the reference.
pub const OPERATORS: &[OperatorDoc] = &[
    OperatorDoc {
        symbol: "&&",
        types: "bool && bool: bool",
        about: "both hold; what is not known does not",
    },
    OperatorDoc {
        symbol: "||",
        types: "bool || bool: bool",
        about: "at least one holds",
    },
    OperatorDoc {
        symbol: "!",
        types: "!bool: bool",
        about: "does not hold, or is not known",
    },
    OperatorDoc {
        symbol: "== !=",
        types: "two of one type (no lists): bool",
        about: "equal, unequal; against null: not known, known",
    },
    OperatorDoc {
        symbol: "< <= > >=",
        types: "two numbers, times or durations: bool",
        about: "order; false where one is not known",
    },
    OperatorDoc {
        symbol: "in",
        types: "text in list, or anything in [a, b, c]: bool",
        about: "is among them; false where it is not known",
    },
    OperatorDoc {
        symbol: "+ -",
        types: "numbers; durations; time and duration; time - time: duration",
        about: "sum, difference",
    },
    OperatorDoc {
        symbol: "* /",
        types: "numbers; duration by number; duration / duration: number",
        about: "product, quotient; by zero: not known",
    },
    OperatorDoc {
        symbol: "%",
        types: "number % number: number",
        about: "remainder; by zero: not known",
    },
    OperatorDoc {
        symbol: "? :",
        types: "bool ? x : x",
        about: "the first where the bool holds, else the second",
    },
];

/// An order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    Less,
    AtMost,
    Greater,
    AtLeast,
}

/// A calculation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

/// Any operator of two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binary {
    And,
    Or,
    Equal,
    Unequal,
    In,
    Order(Order),
    Arithmetic(Arithmetic),
}

impl Binary {
    /// The operator of a call as the parser names it, with its symbol.
    pub fn named(name: &str) -> Option<(Self, &'static str)> {
        Some(match name {
            cel::LOGICAL_AND => (Self::And, "&&"),
            cel::LOGICAL_OR => (Self::Or, "||"),
            cel::EQUALS => (Self::Equal, "=="),
            cel::NOT_EQUALS => (Self::Unequal, "!="),
            cel::IN => (Self::In, "in"),
            cel::LESS => (Self::Order(Order::Less), "<"),
            cel::LESS_EQUALS => (Self::Order(Order::AtMost), "<="),
            cel::GREATER => (Self::Order(Order::Greater), ">"),
            cel::GREATER_EQUALS => (Self::Order(Order::AtLeast), ">="),
            cel::ADD => (Self::Arithmetic(Arithmetic::Add), "+"),
            cel::SUBSTRACT => (Self::Arithmetic(Arithmetic::Subtract), "-"),
            cel::MULTIPLY => (Self::Arithmetic(Arithmetic::Multiply), "*"),
            cel::DIVIDE => (Self::Arithmetic(Arithmetic::Divide), "/"),
            cel::MODULO => (Self::Arithmetic(Arithmetic::Remainder), "%"),
            _ => return None,
        })
    }
}

impl Order {
    /// Whether two values of one type stand in this order; false where one is not known.
    pub fn holds(self, left: &Value<'_>, right: &Value<'_>) -> bool {
        let ordering = match (left, right) {
            (Value::Number(a), Value::Number(b)) => a.partial_cmp(b),
            (Value::Time(a), Value::Time(b)) => Some(a.cmp(b)),
            (Value::Duration(a), Value::Duration(b)) => Some(a.cmp(b)),
            _ => None,
        };
        ordering.is_some_and(|ordering| self.is(ordering))
    }

    /// Whether this is the order that is meant.
    pub fn is(self, ordering: Ordering) -> bool {
        match self {
            Self::Less => ordering.is_lt(),
            Self::AtMost => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::AtLeast => ordering.is_ge(),
        }
    }
}

/// Whether two values are equal; false where one is not known.
pub fn equal(left: &Value<'_>, right: &Value<'_>) -> bool {
    !matches!(left, Value::Null) && left == right
}

impl Arithmetic {
    /// The type of the result; `None` where the types do not go together.
    pub fn kind(self, left: Type, right: Type) -> Option<Type> {
        use Arithmetic::{Add, Divide, Multiply, Subtract};
        use Type::{Duration, Number, Time};
        match (left, self, right) {
            (Number, _, Number) | (Duration, Divide, Duration) => Some(Number),
            (Time, Subtract, Time)
            | (Duration, Add | Subtract, Duration)
            | (Duration, Multiply | Divide, Number)
            | (Number, Multiply, Duration) => Some(Duration),
            (Time, Add | Subtract, Duration) | (Duration, Add, Time) => Some(Time),
            _ => None,
        }
    }

    /// The result; not known where an operand is not, or where there is no finite result.
    pub fn apply<'v>(self, left: &Value<'_>, right: &Value<'_>) -> Value<'v> {
        match (left, right) {
            (Value::Number(a), Value::Number(b)) => {
                let exact = self.decimals(*a, *b);
                finite(exact.unwrap_or_else(|| self.numbers(*a, *b)))
            }
            (Value::Time(a), Value::Time(b)) => Value::Duration(a.0.saturating_sub(b.0)),
            (Value::Time(t), Value::Duration(d)) | (Value::Duration(d), Value::Time(t)) => {
                let by = if self == Self::Subtract {
                    d.saturating_neg()
                } else {
                    *d
                };
                Value::Time(t.plus(by))
            }
            (Value::Duration(a), Value::Duration(b)) => match self {
                Self::Add => Value::Duration(a.saturating_add(*b)),
                Self::Subtract => Value::Duration(a.saturating_sub(*b)),
                _ => finite(milliseconds(*a) / milliseconds(*b)),
            },
            (Value::Duration(d), Value::Number(n)) | (Value::Number(n), Value::Duration(d)) => {
                duration(self.numbers(milliseconds(*d), *n))
            }
            _ => Value::Null,
        }
    }

    /// The result of decimal fractions, as prices are: of doubles 100.1 - 50.1 is less than 50. None where one is no such fraction, or
    /// the result is none; and of whole numbers, which have no need of it.
    fn decimals(self, a: f64, b: f64) -> Option<f64> {
        if a.fract() == 0.0 && b.fract() == 0.0 {
            return None;
        }
        let decimal = |number: f64| Some(Amount::of(number)).filter(|it| it.number() == number);
        let exact = match self {
            Self::Remainder => return None,
            Self::Divide if b == 0.0 => return None,
            Self::Add => decimal(a)? + decimal(b)?,
            Self::Subtract => decimal(a)? - decimal(b)?,
            Self::Multiply => decimal(a)?.times(decimal(b)?),
            Self::Divide => {
                let (whole, part) = (decimal(a)?, decimal(b)?);
                let result = Amount::of(a / b);
                (result.times(part) == whole).then_some(result)?
            }
        };
        Some(exact.number())
    }

    fn numbers(self, a: f64, b: f64) -> f64 {
        match self {
            Self::Add => a + b,
            Self::Subtract => a - b,
            Self::Multiply => a * b,
            Self::Divide => a / b,
            Self::Remainder => a % b,
        }
    }
}

/// A number if it is one; infinities and "not a number" are not known.
pub fn finite<'v>(number: f64) -> Value<'v> {
    if number.is_finite() {
        Value::Number(number)
    } else {
        Value::Null
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "exact up to 285,000 years of milliseconds"
)]
fn milliseconds(duration: i64) -> f64 {
    duration as f64
}

fn duration<'v>(ms: f64) -> Value<'v> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a cast saturates, and it is finite"
    )]
    let whole = ms.round() as i64;
    if ms.is_finite() {
        Value::Duration(whole)
    } else {
        Value::Null
    }
}
