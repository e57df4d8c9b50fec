//! What she passed on to others.

use serde::{Deserialize, Serialize};

use super::section::{Field, Local, Section, field};
use crate::event::{Event, EventName, Type};
use crate::stored::Stored;
use crate::time::Timestamp;
use crate::value::Value;

/// Products, baskets and contents passed on to others.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shares {
    /// How many times.
    pub count: u32,
    /// The last.
    pub last: Option<Timestamp>,
}

impl Stored for Shares {
    const VERSION: u8 = 1;
}

impl Section for Shares {
    const TAG: u16 = 14;
    const WRITTEN_BY: &'static [EventName] = &[
        EventName::PRODUCT_SHARED,
        EventName::CART_SHARED,
        EventName::CONTENT_SHARED,
    ];
    const FIELDS: &'static [Field<Self>] = &[
        field(
            "shares.count",
            Type::Number,
            "times she passed a product, a basket or content on to others",
            |p, _| Value::Number(p.count.into()),
        ),
        field("shares.last", Type::Time, "the last of them", |p, _| {
            Value::time(p.last)
        }),
    ];

    fn apply(&mut self, event: &Event, _local: Local<'_>) {
        self.count = self.count.saturating_add(1);
        self.last = self.last.max(Some(event.time));
    }

    fn merge(&mut self, other: Self, _local: Local<'_>) {
        self.count = self.count.saturating_add(other.count);
        self.last = self.last.max(other.last);
    }
}
