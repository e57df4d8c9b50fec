//! A bound that a number crosses: what is inside of it, and what is outside.

use std::cmp::Ordering;

use crate::document::keys::{Keys, Known, Shape};
use crate::document::reader::Reader;
use crate::document::yaml::Node;

/// Numbers beyond this (10^12) measure nothing of a customer: they would overflow sums.
pub const VALUE_MAX: f64 = 1e12;

/// The keys of `crosses`.
pub const SIDES: Keys = Keys {
    of: "`crosses`",
    known: &[
        Known::optional("at_least", BOUND, "This, or more."),
        Known::optional("above", BOUND, "More than this."),
        Known::optional("at_most", BOUND, "This, or less."),
        Known::optional("below", BOUND, "Less than this."),
    ],
    later: &[],
};
const BOUND: Shape = Shape::Number(-VALUE_MAX, VALUE_MAX);

/// A bound, and on which side of it inside is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Crosses {
    /// On which side.
    pub side: Side,
    /// The bound.
    pub bound: f64,
}

/// On which side of a bound inside is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// At it, and above.
    AtLeast,
    /// Above it.
    Above,
    /// At it, and below.
    AtMost,
    /// Below it.
    Below,
}

impl Crosses {
    /// Whether what stands so to the bound is inside.
    #[must_use]
    pub fn is_inside(self, order: Ordering) -> bool {
        match self.side {
            Side::AtLeast => order != Ordering::Less,
            Side::Above => order == Ordering::Greater,
            Side::AtMost => order != Ordering::Greater,
            Side::Below => order == Ordering::Less,
        }
    }

    /// It, for people: `at least 3`.
    #[must_use]
    pub fn said(self) -> String {
        let side = match self.side {
            Side::AtLeast => "at least",
            Side::Above => "above",
            Side::AtMost => "at most",
            Side::Below => "below",
        };
        format!("{side} {}", self.bound)
    }

    /// Whether a number is inside.
    #[must_use]
    pub fn holds(self, number: f64) -> bool {
        self.is_inside(number.total_cmp(&self.bound))
    }
}

/// Reads what stands under `crosses`.
pub fn crosses(reader: &mut Reader<'_>, node: &Node) -> Option<Crosses> {
    const EXPECTED: &str = "a number from -10^12 to 10^12";
    let (key, value) = reader.only(node, SIDES)?;
    let bound = reader.number(value, EXPECTED)?;
    if bound.abs() > VALUE_MAX {
        reader.unexpected(value, EXPECTED);
        return None;
    }
    let side = match key.text.as_str() {
        "at_least" => Side::AtLeast,
        "above" => Side::Above,
        "at_most" => Side::AtMost,
        _ => Side::Below,
    };
    Some(Crosses { side, bound })
}
