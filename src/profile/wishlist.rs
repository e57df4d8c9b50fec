//! What is on the wish list.

use serde::{Deserialize, Serialize};

use super::limits;
use super::section::{Field, Local, Section, count, field, push_newest};
use crate::event::{Event, EventName, Text, Type};
use crate::stored::Stored;
use crate::value::Value;

/// What a customer wishes for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wishlist {
    /// Products, newest last.
    pub products: Vec<Text>,
}

impl Stored for Wishlist {
    const VERSION: u8 = 1;
}

impl Section for Wishlist {
    const TAG: u16 = 5;
    const WRITTEN_BY: &'static [EventName] = &[
        EventName::PRODUCT_ADDED_TO_WISHLIST,
        EventName::PRODUCT_REMOVED_FROM_WISHLIST,
        EventName::WISHLIST_PRODUCT_ADDED_TO_CART,
        EventName::ORDER_COMPLETED,
    ];
    const FIELDS: &'static [Field<Self>] = &[
        field(
            "wishlist.count",
            Type::Number,
            "products on the wish list",
            |p, _| Value::Number(count(p.products.len())),
        ),
        field(
            "wishlist.products",
            Type::TEXTS,
            "product ids on the wish list, oldest first",
            |p, _| Value::texts(&p.products),
        ),
    ];

    /// What is put in the basket or bought is wished for no more.
    fn apply(&mut self, event: &Event, _local: Local<'_>) {
        let names = |known: &Text| event.lines().any(|line| line.id == Some(known));
        match event.name {
            EventName::PRODUCT_ADDED_TO_WISHLIST => {
                for line in event.lines() {
                    push_newest(&mut self.products, line.id, limits::WISHLIST_PRODUCTS);
                }
            }
            _ => self.products.retain(|known| !names(known)),
        }
    }

    fn merge(&mut self, other: Self, _local: Local<'_>) {
        for product in &other.products {
            push_newest(&mut self.products, Some(product), limits::WISHLIST_PRODUCTS);
        }
    }
}
