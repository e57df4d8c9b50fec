//! What she bought: recency, frequency and monetary value, and her own rhythm and ticket.

use serde::{Deserialize, Serialize};

use super::limits;
use super::money::{Minor, major, minor};
use super::section::{Field, Local, Section, earliest, field};
use crate::event::{Event, EventName, PropertyId, Text, Type};
use crate::stats::deviation;
use crate::stored::Stored;
use crate::time::Timestamp;
use crate::value::Value;

/// Orders: recency, frequency and monetary value, and the customer's own rhythm and ticket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Orders {
    /// How many.
    pub count: u32,
    /// Their value together.
    pub value: Minor,
    /// Currency of the values.
    pub currency: Option<Text>,
    /// The first.
    pub first: Option<Timestamp>,
    /// The last.
    pub last: Option<Timestamp>,
    /// The last few, oldest first: time and value.
    pub recent: Vec<(Timestamp, Minor)>,
    /// Gaps between distinct purchase days.
    pub rhythm: Rhythm,
    /// How many were refunded or cancelled.
    pub undone: u32,
}

/// Running sums of the gaps, in days, between distinct purchase days.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rhythm {
    /// The last purchase day (days since 1970-01-01 in her zone).
    pub last_day: Option<i32>,
    /// Gaps.
    pub gaps: u32,
    /// Their sum.
    pub sum: i64,
    /// The sum of their squares.
    pub squares: i64,
}

impl Orders {
    fn add(&mut self, event: &Event, day: i32) {
        let value = order_value(event);
        self.count = self.count.saturating_add(1);
        self.value = self.value.saturating_add(value);
        if self.currency.is_none() {
            self.currency = event.text(PropertyId::CURRENCY).cloned();
        }
        self.first = earliest(self.first, event.time);
        self.last = self.last.max(Some(event.time));
        let after = self.recent.partition_point(|(at, _)| *at <= event.time);
        self.recent.insert(after, (event.time, value));
        if self.recent.len() > limits::RECENT_ORDERS {
            self.recent.remove(0);
        }
        self.rhythm.add(day);
    }

    fn undo(&mut self, event: &Event) {
        self.undone = self.undone.saturating_add(1);
        if let Some(total) = event.number(PropertyId::TOTAL) {
            self.value = self.value.saturating_sub(minor(total)).max(0);
        }
    }
}

impl Rhythm {
    fn add(&mut self, day: i32) {
        match self.last_day {
            Some(last) if day <= last => {}
            Some(last) => {
                let gap = i64::from(day) - i64::from(last);
                self.gaps = self.gaps.saturating_add(1);
                self.sum = self.sum.saturating_add(gap);
                self.squares = self.squares.saturating_add(gap * gap);
                self.last_day = Some(day);
            }
            None => self.last_day = Some(day),
        }
    }

    /// Mean gap in days.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "days of a lifetime")]
        let sum = self.sum as f64;
        (self.gaps > 0).then(|| sum / f64::from(self.gaps))
    }

    /// Sample standard deviation of the gaps in days.
    #[must_use]
    pub fn deviation(&self) -> Option<f64> {
        deviation(self.gaps, self.sum, self.squares.into())
    }
}

/// Value of an order: `total`, else `revenue`, else `value`, else its products together.
fn order_value(event: &Event) -> Minor {
    [PropertyId::TOTAL, PropertyId::REVENUE, PropertyId::VALUE]
        .into_iter()
        .find_map(|property| event.number(property))
        .map_or_else(
            || {
                let lines = event
                    .products
                    .iter()
                    .filter_map(|p| Some(p.price? * p.quantity.unwrap_or(1.0)));
                minor(lines.sum())
            },
            minor,
        )
}

impl Stored for Orders {
    const VERSION: u8 = 1;
}

impl Section for Orders {
    const TAG: u16 = 9;
    const WRITTEN_BY: &'static [EventName] = &[
        EventName::ORDER_COMPLETED,
        EventName::ORDER_REFUNDED,
        EventName::ORDER_CANCELLED,
    ];
    const FIELDS: &'static [Field<Self>] = &[
        field(
            "last_order",
            Type::Time,
            "last order; the same as orders.last",
            |p, _| Value::time(p.last),
        ),
        field(
            "orders.average",
            Type::Number,
            "average order value, major currency units",
            |p, _| {
                let orders = p;
                Value::number(
                    (orders.count > 0).then(|| major(orders.value) / f64::from(orders.count)),
                )
            },
        ),
        field("orders.count", Type::Number, "orders", |p, _| {
            Value::Number(p.count.into())
        }),
        field(
            "orders.currency",
            Type::Text,
            "currency of the order values",
            |p, _| Value::text(p.currency.as_ref()),
        ),
        field("orders.first", Type::Time, "first order", |p, _| {
            Value::time(p.first)
        }),
        field("orders.last", Type::Time, "last order", |p, _| {
            Value::time(p.last)
        }),
        field(
            "orders.last_value",
            Type::Number,
            "value of the last order, major currency units",
            |p, _| Value::number(p.recent.last().map(|(_, value)| major(*value))),
        ),
        field(
            "orders.undone",
            Type::Number,
            "orders refunded or cancelled",
            |p, _| Value::Number(p.undone.into()),
        ),
        field(
            "orders.value",
            Type::Number,
            "value of all orders, major currency units",
            |p, _| Value::Number(major(p.value)),
        ),
        field(
            "rhythm.deviation",
            Type::Number,
            "sample standard deviation of those gaps, days",
            |p, _| Value::number(p.rhythm.deviation()),
        ),
        field(
            "rhythm.gaps",
            Type::Number,
            "gaps between distinct purchase days",
            |p, _| Value::Number(p.rhythm.gaps.into()),
        ),
        field(
            "rhythm.mean",
            Type::Number,
            "mean gap between purchase days, days",
            |p, _| Value::number(p.rhythm.mean()),
        ),
    ];

    fn apply(&mut self, event: &Event, local: Local<'_>) {
        match event.name {
            EventName::ORDER_COMPLETED => self.add(event, event.time.day(&local())),
            _ => self.undo(event),
        }
    }
}
