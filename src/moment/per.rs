//! What events of one customer must share to belong together: a product, a cart, an order.

use smallvec::{SmallVec, smallvec};

use super::matcher::Matcher;
use crate::document::reader::Reader;
use crate::document::yaml::Node;
use crate::event::{Text, Type};
use crate::expression::{Expression, Scope, read};

/// What events must share.
#[derive(Debug)]
pub enum Per {
    /// Nothing but the customer.
    Customer,
    /// The value of an expression on the event: what has one value is apart from what has another. Where the event itself
    /// has none but carries products, each product gives one. No value at all: the event is not meant.
    Key(Expression),
}

/// The values that one event has: nearly always one.
pub type PerKeys = SmallVec<[Text; 1]>;

impl Per {
    /// The values that the event of `scope` has; of a customer as a whole, the empty text.
    #[must_use]
    pub fn keys(&self, scope: &Scope<'_>) -> PerKeys {
        let Self::Key(expression) = self else {
            return smallvec![Text::default()];
        };
        if let Some(key) = expression.eval(scope).key() {
            return smallvec![key];
        }
        let products = scope.event.map_or(&[][..], |event| &event.products);
        let mut keys = PerKeys::new();
        for product in products {
            let scope = Scope {
                product: Some(product),
                ..*scope
            };
            if let Some(key) = expression.eval(&scope).key()
                && !keys.contains(&key)
            {
                keys.push(key);
            }
        }
        keys
    }

    /// The expression, where there is one.
    #[must_use]
    pub fn expression(&self) -> Option<&Expression> {
        match self {
            Self::Customer => None,
            Self::Key(expression) => Some(expression),
        }
    }

    /// As its author wrote it.
    #[must_use]
    pub fn source(&self) -> &str {
        match self {
            Self::Customer => "customer",
            Self::Key(expression) => expression.source(),
        }
    }
}

/// Reads `customer`, or an expression that the events of every matcher can answer.
pub fn per(reader: &mut Reader<'_>, node: &Node, matchers: &[&Matcher]) -> Option<Per> {
    let text = reader.text(node, "`customer`, or an expression such as `event.cart_id`")?;
    if text == "customer" {
        return Some(Per::Customer);
    }
    let mut compiled = None;
    for matcher in matchers {
        let names: Vec<_> = matcher.event_names().collect();
        let environment = read::environment_of_products(reader.declared, &names);
        let expression = Expression::compile(text, &environment);
        compiled = Some(read::compiled(reader, node, 0, expression)?);
    }
    let key = compiled
        .filter(|key| key.uses_event() && !matches!(key.kind(), Type::List(_) | Type::Duration));
    if key.is_none() {
        let expected =
            "`customer`, or a text, number or time of the event, such as `event.cart_id`"
                .to_owned();
        reader.fails(
            &node.span,
            "this does not tell one thing of a customer from another",
            expected,
        );
    }
    key.map(Per::Key)
}
