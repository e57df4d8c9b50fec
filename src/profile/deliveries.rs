//! Parcels: promised, arrived, late.

use serde::{Deserialize, Serialize};

use super::limits;
use super::section::{Field, Local, Section, count, field};
use crate::event::{Event, EventName, PropertyId, Text, Type};
use crate::stored::Stored;
use crate::time::Timestamp;
use crate::value::Value;

/// Parcels: promised, arrived, late.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deliveries {
    /// On their way: order and the time promised.
    pub under_way: Vec<(Text, Timestamp)>,
    /// Arrived.
    pub delivered: u32,
    /// Of those, after the time promised; and those that failed.
    pub late: u32,
    /// The last that arrived.
    pub last: Option<Timestamp>,
}

impl Stored for Deliveries {
    const VERSION: u8 = 1;
}

impl Section for Deliveries {
    const TAG: u16 = 12;
    const WRITTEN_BY: &'static [EventName] = &[
        EventName::ORDER_SHIPPED,
        EventName::ORDER_DELIVERED,
        EventName::DELIVERY_FAILED,
    ];
    const FIELDS: &'static [Field<Self>] = &[
        field(
            "deliveries.count",
            Type::Number,
            "parcels delivered",
            |p, _| Value::Number(p.delivered.into()),
        ),
        field("deliveries.last", Type::Time, "last delivery", |p, _| {
            Value::time(p.last)
        }),
        field(
            "deliveries.late",
            Type::Number,
            "parcels delivered after the time promised, or failed",
            |p, _| Value::Number(p.late.into()),
        ),
        field(
            "deliveries.under_way",
            Type::Number,
            "parcels shipped and not delivered",
            |p, _| Value::Number(count(p.under_way.len())),
        ),
    ];

    fn apply(&mut self, event: &Event, _local: Local<'_>) {
        let order = event.text(PropertyId::ORDER_ID);
        let known = order.and_then(|order| self.under_way.iter().position(|(id, _)| id == order));
        if event.name == EventName::ORDER_SHIPPED {
            if let (Some(order), None) = (order, known) {
                if self.under_way.len() >= limits::DELIVERIES {
                    self.under_way.remove(0);
                }
                let promised = event
                    .instant(PropertyId::PROMISED_AT)
                    .unwrap_or(Timestamp::MAX);
                self.under_way.push((order.clone(), promised));
            }
            return;
        }
        if event.name == EventName::DELIVERY_FAILED {
            // It is tried again, and what was promised stays promised.
            self.late = self.late.saturating_add(1);
            return;
        }
        let promised = known.map(|i| self.under_way.remove(i).1);
        let promised = event.instant(PropertyId::PROMISED_AT).or(promised);
        let arrived = event
            .instant(PropertyId::DELIVERED_AT)
            .unwrap_or(event.time);
        self.delivered = self.delivered.saturating_add(1);
        self.last = self.last.max(Some(event.time));
        if promised.is_some_and(|promised| arrived > promised) {
            self.late = self.late.saturating_add(1);
        }
    }
}
