//! The expression language of trigger files: CEL as far as a marketer needs it.
//!
//! The `cel` crate parses; what it parses is resolved against the vocabulary and the profile's
//! schema, type-checked, and compiled to a typed tree, so that asking costs no look-up by name and,
//! for scalars, no allocation.
//!
//! # What is not known
//!
//! What is not known is null, empty text included, and null is never an error:
//!
//! - ordering (`<`, `<=`, `>`, `>=`) something unknown is false, and so is `==`: two unknowns are
//!   not equal either;
//! - `!=` is true, and so is "not in": `!(x in y)`, because `x in y` is false;
//! - `has(x)` asks whether x is known; `x == null` and `x != null` ask the same;
//! - wherever a condition is asked for (`!`, `&&`, `||`, `? :`, the whole of a condition), an
//!   unknown bool counts as false: `!profile.attributes.vip` is true of whom nothing is known, and
//!   `!(a < 5)` is true where `a` is not known, while `a >= 5` is not;
//! - arithmetic with something unknown, a division by zero, and any result that is no finite number
//!   are not known.
//!
//! Deliberately absent: text that is put together (an answer borrows, it owns nothing), order of
//! texts ("10" would stand before "9"), regular expressions, and CEL's loops (`all`, `exists`, `map`).

mod change;
mod check;
mod check_operators;
mod conjunct;
mod functions;
mod line;
pub mod model;
mod names;
mod operators;
mod parse;
pub mod read;
mod tree;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

pub use conjunct::Conjunct;
pub use functions::{FUNCTIONS, FunctionDoc};
pub use operators::{OPERATORS, OperatorDoc};

use smallvec::{SmallVec, smallvec};

use crate::event::{Event, EventName, Product, Type, Vocabulary};
use crate::measure::Declarations;
use crate::profile::Settled;
use crate::profile::section::{AsOf, Writer};
use crate::table::rows::Rows;
use crate::time::{Timestamp, Zone};
use crate::value::Value;
use tree::Tree;

/// Bounds of one expression. The text is user input, and the parser recurses over it.
pub mod limits {
    /// Length in bytes: a page of conditions; beyond this it belongs into several triggers.
    pub const TEXT_BYTES: usize = 4096;
    /// Names, literals and operators: bounds the depth of a chain such as `a + b + c ...`.
    pub const TOKENS: usize = 512;
    /// Brackets within brackets: nobody reads deeper, and the stack is spared.
    pub const NESTING: usize = 24;
}

/// What an expression is asked about.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// The event, where there is one.
    pub event: Option<&'a Event>,
    /// The product of the event that is meant: `product_id`, `sku`, `category`, `price` and
    /// `quantity` that the event itself lacks are read from it.
    pub product: Option<&'a Product>,
    /// The customer.
    pub profile: &'a Settled,
    /// The customer as she was before the event.
    pub previous: Option<&'a Settled>,
    /// The instant at which it is asked.
    pub now: Timestamp,
    /// The rows of tables that come by topics.
    pub rows: &'a Rows,
}

impl<'a> Scope<'a> {
    /// Of a customer alone, without an event.
    #[must_use]
    pub fn of(profile: &'a Settled, now: Timestamp, rows: &'a Rows) -> Self {
        Self {
            event: None,
            product: None,
            profile,
            previous: None,
            now,
            rows,
        }
    }

    /// Of an event as of its time, and of its customer with it and before it.
    #[must_use]
    pub fn of_event(
        event: &'a Event,
        profile: &'a Settled,
        previous: Option<&'a Settled>,
        rows: &'a Rows,
    ) -> Self {
        Self {
            event: Some(event),
            previous,
            ..Self::of(profile, event.time, rows)
        }
    }

    /// What the event says by itself; where it does not but carries products, what each of them says.
    pub fn each<T>(&self, one: impl Fn(&Self) -> Option<T>) -> SmallVec<[T; 1]> {
        if let Some(said) = one(self) {
            return smallvec![said];
        }
        let of = |product| {
            one(&Self {
                product: Some(product),
                ..*self
            })
        };
        let products = self.event.into_iter().flat_map(|event| &event.products);
        products.filter_map(of).collect()
    }

    /// The customer's time zone, or `home` where none is known.
    pub(crate) fn zone(&self, home: &Zone) -> Zone {
        self.profile.identity.zone_or(home)
    }

    /// As of when a profile is asked.
    fn as_of<'z>(&self, home: &'z Zone) -> AsOf<'z> {
        AsOf {
            now: self.now,
            home,
        }
    }
}

/// What an expression may name.
#[derive(Clone, Copy, Debug)]
pub struct Environment<'a> {
    /// Events and properties.
    pub vocabulary: &'a Vocabulary,
    /// The company's own attributes, as declared.
    pub attributes: &'a BTreeMap<String, Type>,
    /// What is declared to be measured.
    pub derived: &'a Declarations,
    /// The events that `event` may be; a property is fine if one of them carries it. `None`: there
    /// is no event to ask about.
    pub events: Option<&'a [EventName]>,
    /// Whether the expression is asked for each product of an event that lists several, so that
    /// `event.product_id` and its like are there for any event.
    pub each_product: bool,
    /// Whether there is a `previous`.
    pub previous: bool,
}

impl Environment<'_> {
    /// Where customers live of whom no zone is known.
    fn home(&self) -> Zone {
        self.derived.home.clone()
    }
}

/// Why a text is no expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ExpressionError {
    /// The bytes of the text that are meant.
    pub span: Range<usize>,
    /// What is wrong.
    pub message: String,
    /// What was expected.
    pub expected: Option<String>,
    /// What was probably meant.
    pub suggestion: Option<String>,
}

/// A checked expression.
pub struct Expression {
    text: String,
    kind: Type,
    tree: Tree,
    uses_event: bool,
    uses_previous: bool,
    asks: Vec<String>,
    /// Whether time alone may change its value.
    moves: bool,
    /// The names in it, in order.
    leaves: Vec<conjunct::Leaf>,
    /// Where the parts stand that are joined by `&&`.
    conjuncts: Vec<Range<usize>>,
}

impl Expression {
    /// Checks and compiles a text.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn compile(text: &str, environment: &Environment<'_>) -> Result<Self, ExpressionError> {
        let parsed = parse::parse(text)?;
        let checked = check::check(&parsed, environment)?;
        Ok(Self {
            text: text.to_owned(),
            kind: checked.kind,
            moves: checked.tree.moves(),
            tree: checked.tree,
            uses_event: checked.uses_event,
            uses_previous: checked.uses_previous,
            asks: checked.asks,
            leaves: checked.leaves,
            conjuncts: checked.conjuncts,
        })
    }

    /// Checks and compiles a condition: an expression that is a bool.
    ///
    /// # Errors
    /// As [`Expression::compile`], or that it is no bool.
    pub fn condition(text: &str, environment: &Environment<'_>) -> Result<Self, ExpressionError> {
        Self::of_kind(text, environment, Type::Bool, "a condition")
    }

    /// Checks and compiles an expression of a given type; `role` says in the error what it is for.
    ///
    /// # Errors
    /// As [`Expression::compile`], or that it has another type.
    pub fn of_kind(
        text: &str,
        environment: &Environment<'_>,
        kind: Type,
        role: &str,
    ) -> Result<Self, ExpressionError> {
        let expression = Self::compile(text, environment)?;
        if expression.kind == kind {
            return Ok(expression);
        }
        Err(ExpressionError {
            span: 0..text.len(),
            message: format!(
                "this is {}, and {role} is {}",
                expression.kind.described(),
                kind.described()
            ),
            expected: Some(expected_instead(expression.kind, kind)),
            suggestion: None,
        })
    }

    /// Its value.
    #[must_use]
    pub fn eval<'a>(&'a self, scope: &Scope<'a>) -> Value<'a> {
        self.tree.eval(scope)
    }

    /// Whether it is true; what is not known is not.
    #[must_use]
    pub fn holds(&self, scope: &Scope<'_>) -> bool {
        self.tree.holds(scope)
    }

    /// Its type.
    #[must_use]
    pub fn kind(&self) -> Type {
        self.kind
    }

    /// As its author wrote it.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.text
    }

    /// Whether it asks about the event.
    #[must_use]
    pub fn uses_event(&self) -> bool {
        self.uses_event
    }

    /// What it asks for of the customer: `profile.basket.value`, `facts.views`.
    #[must_use]
    pub fn asks(&self) -> &[String] {
        &self.asks
    }

    /// Whether it asks what was sent to the customer.
    #[must_use]
    pub fn asks_what_was_sent(&self) -> bool {
        self.asks_any(&["profile.contacts"])
    }

    /// Whether it asks for what her events do not say by themselves: [what is exchanged](crate::profile::Settled::swap_sent).
    #[must_use]
    pub fn asks_beyond_events(&self) -> bool {
        self.asks_any(&["profile.contacts", "profile.journeys", "profile.ledger"])
    }

    /// What tells of an event whether it may change what this asks for of the customer, one for each field; `None` where it asks for
    /// what other than her events writes, or what is derived of them.
    #[must_use]
    pub fn written_by(&self) -> Option<Vec<Writer>> {
        let field = |path: &String| Settled::writer_of(path.strip_prefix("profile.")?);
        let written_by = self.asks.iter().map(field).collect();
        if self.uses_previous { None } else { written_by }
    }

    fn asks_any(&self, of: &[&str]) -> bool {
        let mut asks = self.asks.iter();
        asks.any(|path| of.iter().any(|of| path.starts_with(of)))
    }

    /// The earliest instant after that of `scope` at which time alone may change whether it holds; before it, it cannot. Exact where
    /// nothing in it [`is_unforeseen`](Expression::is_unforeseen).
    #[must_use]
    pub fn next_change(&self, scope: &Scope<'_>) -> Option<Timestamp> {
        match self.moves {
            true => self.tree.next_change(scope),
            false => None,
        }
    }

    /// Whether time alone changes something in it in a way that goes to and fro.
    #[must_use]
    pub fn is_unforeseen(&self) -> bool {
        self.tree.is_unforeseen()
    }

    /// Whether it asks about the customer before the event.
    #[must_use]
    pub fn uses_previous(&self) -> bool {
        self.uses_previous
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Expression({:?})", self.text)
    }
}

fn expected_instead(found: Type, wanted: Type) -> String {
    match (wanted, found) {
        (Type::Bool, Type::List(_)) => {
            "a comparison, such as `size(...) > 0` or `\"x\" in ...`".to_owned()
        }
        (Type::Bool, Type::Text) => "a comparison, such as `... == \"x\"` or `has(...)`".to_owned(),
        (Type::Bool, Type::Number) => "a comparison, such as `... > 0`".to_owned(),
        (Type::Bool, _) => "a comparison, or `has(...)`".to_owned(),
        _ => format!("{} here", wanted.described()),
    }
}

#[cfg(test)]
mod tests;
