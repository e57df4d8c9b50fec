//! What is in the basket.

use serde::{Deserialize, Serialize};

use super::limits;
use super::money::{Minor, major, minor};
use super::section::{Field, Local, Section, field, replace};
use crate::event::{Event, EventName, PropertyId, Text, Type};
use crate::stored::Stored;
use crate::time::Timestamp;
use crate::value::Value;

/// The basket as the events since the last order leave it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Basket {
    /// `cart_id` of the last change.
    pub cart_id: Option<Text>,
    /// Lines, oldest first.
    pub lines: Vec<Line>,
    /// Last change.
    pub changed: Option<Timestamp>,
    /// When an order last emptied it; older additions are void.
    pub emptied: Option<Timestamp>,
}

/// One line of the basket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// The product.
    pub product: Text,
    /// Price of one.
    pub price: Minor,
    /// How many.
    pub quantity: u32,
}

impl Basket {
    /// Value of all lines.
    #[must_use]
    pub fn value(&self) -> Minor {
        self.lines.iter().fold(0, |sum: i64, line| {
            sum.saturating_add(line.price.saturating_mul(i64::from(line.quantity)))
        })
    }

    fn add(&mut self, event: &Event) {
        if self.emptied.is_some_and(|emptied| event.time < emptied) {
            return;
        }
        let Some(product) = event.product() else {
            return;
        };
        let quantity = quantity(event).unwrap_or(1);
        match self.lines.iter_mut().find(|line| line.product == *product) {
            Some(line) => {
                line.quantity = line.quantity.saturating_add(quantity);
                if let Some(price) = event.number(PropertyId::PRICE) {
                    line.price = minor(price);
                }
            }
            None => {
                if self.lines.len() >= limits::BASKET_LINES {
                    self.lines.remove(0);
                }
                let price = event.number(PropertyId::PRICE).map_or(0, minor);
                self.lines.push(Line {
                    product: product.clone(),
                    price,
                    quantity,
                });
            }
        }
        self.change(event);
    }

    /// Without a quantity, the whole line goes.
    fn remove(&mut self, event: &Event) {
        let Some(product) = event.product() else {
            return;
        };
        let gone = quantity(event);
        for line in &mut self.lines {
            if line.product == *product {
                line.quantity = gone.map_or(0, |gone| line.quantity.saturating_sub(gone));
            }
        }
        self.lines.retain(|line| line.quantity > 0);
        self.change(event);
    }

    fn change(&mut self, event: &Event) {
        self.changed = self.changed.max(Some(event.time));
        replace(&mut self.cart_id, event.text(PropertyId::CART_ID));
    }

    /// An order empties the basket, unless something was put in after it.
    fn order(&mut self, at: Timestamp) {
        if self.changed.is_none_or(|changed| changed <= at) {
            self.lines.clear();
            self.cart_id = None;
            self.changed = Some(at);
        }
        self.emptied = self.emptied.max(Some(at));
    }
}

fn quantity(event: &Event) -> Option<u32> {
    let quantity = event.number(PropertyId::QUANTITY)?.clamp(0.0, 1e6);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and a million"
    )]
    let quantity = quantity.round() as u32;
    Some(quantity)
}

impl Stored for Basket {
    const VERSION: u8 = 1;
}

impl Section for Basket {
    const TAG: u16 = 4;
    const WRITTEN_BY: &'static [EventName] = &[
        EventName::PRODUCT_ADDED,
        EventName::WISHLIST_PRODUCT_ADDED_TO_CART,
        EventName::PRODUCT_REMOVED,
        EventName::ORDER_COMPLETED,
    ];
    const FIELDS: &'static [Field<Self>] = &[
        field(
            "basket.cart_id",
            Type::Text,
            "id of the cart last changed",
            |p, _| Value::text(p.cart_id.as_ref()),
        ),
        field(
            "basket.changed",
            Type::Time,
            "last change of the basket",
            |p, _| Value::time(p.changed),
        ),
        field(
            "basket.items",
            Type::Number,
            "pieces in the basket",
            |p, _| Value::Number(p.lines.iter().map(|l| f64::from(l.quantity)).sum()),
        ),
        field(
            "basket.products",
            Type::List,
            "product ids in the basket, oldest first",
            |p, _| Value::List(p.lines.iter().map(|l| l.product.as_str()).collect()),
        ),
        field(
            "basket.value",
            Type::Number,
            "value of the basket, major currency units",
            |p, _| Value::Number(major(p.value())),
        ),
    ];

    fn apply(&mut self, event: &Event, _local: Local<'_>) {
        match event.name {
            EventName::PRODUCT_REMOVED => self.remove(event),
            EventName::ORDER_COMPLETED => self.order(event.time),
            _ => self.add(event),
        }
    }
}
