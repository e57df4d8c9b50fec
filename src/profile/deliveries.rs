//! Parcels: promised, arrived, late; each once by its own id.

use serde::{Deserialize, Serialize};

use super::section::{Field, Local, Section, ThingId, count, field, thing_id};
use crate::event::{Event, EventName, PropertyId, Text, Type};
use crate::stored::{Stored, StoredError};
use crate::time::Timestamp;
use crate::value::Value;

/// Parcels that are known again: the last so many.
const KNOWN_MAX: usize = 16;

/// Parcels: promised, arrived, late.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deliveries {
    /// The last of them, oldest first.
    known: Vec<Parcel>,
    /// Arrived.
    pub delivered: u32,
    /// Arrived after the time promised, or failed.
    pub late: u32,
    /// The last that arrived.
    pub last: Option<Timestamp>,
}

/// A parcel that is known again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Parcel {
    /// Of its `parcel_id`, or else of its order.
    id: ThingId,
    /// The time promised, as it was last said.
    promised: Option<Timestamp>,
    arrived: Option<Timestamp>,
    has_failed: bool,
}

impl Parcel {
    /// What it adds to those delivered, and to those late: once where it failed, and once where it came late. One that failed is
    /// tried again, and what was promised stays promised.
    fn counted(&self) -> (u32, u32) {
        let late = |(arrived, promised)| arrived > promised;
        let late = self.arrived.zip(self.promised).is_some_and(late);
        let failed = u32::from(self.has_failed);
        (self.arrived.is_some().into(), u32::from(late) + failed)
    }

    fn merge(&mut self, other: &Self) {
        self.promised = self.promised.or(other.promised);
        self.arrived = self.arrived.or(other.arrived);
        self.has_failed |= other.has_failed;
    }

    fn tell(&mut self, event: &Event, local: Local<'_>) {
        let promised = event.deadline(PropertyId::PROMISED_AT, local.zone);
        self.promised = promised.or(self.promised);
        match event.name {
            EventName::ORDER_SHIPPED => {}
            EventName::DELIVERY_FAILED => self.has_failed = true,
            _ => {
                let arrived = event.beginning(PropertyId::DELIVERED_AT, local.zone);
                self.arrived = Some(arrived.unwrap_or(event.time));
            }
        }
    }
}

impl Deliveries {
    /// Whether a parcel is known to have arrived.
    #[must_use]
    pub fn was_told(&self, event: &Event) -> bool {
        let id = event.text(PropertyId::PARCEL_ID);
        let id = id
            .or_else(|| event.text(PropertyId::ORDER_ID))
            .map(|id| thing_id(id));
        let mut known = self.known.iter();
        id.is_some_and(|id| known.any(|it| it.id == id && it.arrived.is_some()))
    }

    /// The parcel that an event is about, taken out.
    fn take(&mut self, id: ThingId) -> Parcel {
        match self.known.iter().position(|parcel| parcel.id == id) {
            Some(at) => self.known.remove(at),
            None => Parcel {
                id,
                ..Parcel::default()
            },
        }
    }

    /// Parcels under way make way last.
    fn keep(&mut self, parcel: Parcel) {
        if self.known.len() >= KNOWN_MAX {
            let arrived = self.known.iter().position(|it| it.arrived.is_some());
            self.known.remove(arrived.unwrap_or(0));
        }
        self.known.push(parcel);
    }
}

/// As version 1 kept them: by order, those that are on their way.
#[derive(Serialize, Deserialize)]
struct DeliveriesV1 {
    under_way: Vec<(Text, Timestamp)>,
    delivered: u32,
    late: u32,
    last: Option<Timestamp>,
}

impl Stored for Deliveries {
    const VERSION: u8 = 2;

    fn upcast(version: u8, bytes: &[u8]) -> Result<Self, StoredError> {
        if version != 1 {
            return Err(StoredError::Damaged(format!(
                "there is no version {version} of deliveries"
            )));
        }
        let old: DeliveriesV1 = postcard::from_bytes(bytes)?;
        let under_way = old.under_way.into_iter().map(|(order, promised)| Parcel {
            id: thing_id(&order),
            promised: Some(promised).filter(|promised| *promised < Timestamp::MAX),
            ..Parcel::default()
        });
        Ok(Self {
            known: under_way.collect(),
            delivered: old.delivered,
            late: old.late,
            last: old.last,
        })
    }
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
            "parcels delivered, each `parcel_id` once; without one, each order once",
            |p, _| Value::Number(p.delivered.into()),
        ),
        field("deliveries.last", Type::Time, "last delivery", |p, _| {
            Value::time(p.last)
        }),
        field(
            "deliveries.late",
            Type::Number,
            "parcels delivered after the time promised, and parcels that failed, each once",
            |p, _| Value::Number(p.late.into()),
        ),
        field(
            "deliveries.under_way",
            Type::Number,
            "parcels shipped and not delivered",
            |p, _| {
                let under_way = p.known.iter().filter(|it| it.arrived.is_none());
                Value::Number(count(under_way.count()))
            },
        ),
    ];

    /// Without an id each is another.
    fn apply(&mut self, event: &Event, local: Local<'_>) {
        let id = event.text(PropertyId::PARCEL_ID);
        let id = id.or_else(|| event.text(PropertyId::ORDER_ID));
        let mut parcel = match id {
            Some(id) => self.take(thing_id(id)),
            None => Parcel::default(),
        };
        let before = parcel.counted();
        parcel.tell(event, local);
        let after = parcel.counted();
        self.delivered = self
            .delivered
            .saturating_add(after.0)
            .saturating_sub(before.0);
        self.late = self.late.saturating_add(after.1).saturating_sub(before.1);
        if event.name == EventName::ORDER_DELIVERED {
            self.last = self.last.max(Some(event.time));
        }
        // Nobody knows of what is under way without an id when it arrives.
        if id.is_some() {
            self.keep(parcel);
        }
    }

    /// A parcel that is known under both ids is one.
    fn merge(&mut self, other: Self, _local: Local<'_>) {
        self.delivered = self.delivered.saturating_add(other.delivered);
        self.late = self.late.saturating_add(other.late);
        self.last = self.last.max(other.last);
        for parcel in other.known {
            let mut own = self.take(parcel.id);
            let (here, there) = (own.counted(), parcel.counted());
            own.merge(&parcel);
            let both = own.counted();
            self.delivered = (self.delivered + both.0).saturating_sub(here.0 + there.0);
            self.late = (self.late + both.1).saturating_sub(here.1 + there.1);
            self.keep(own);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::tests::told;

    type Counts = (usize, u32, u32);

    /// What is told, of what, when; then how many are under way, delivered, late.
    const TOLD: &[(&str, &str, i64, Counts)] = &[
        (
            "Order Shipped",
            r#"{"order_id":"o1","promised_at":"2026-03-02T00:10:00Z"}"#,
            1,
            (1, 0, 0),
        ),
        ("Order Shipped", r#"{"order_id":"o1"}"#, 2, (1, 0, 0)),
        ("Order Delivered", r#"{"order_id":"o1"}"#, 11, (0, 1, 1)),
        ("Order Delivered", r#"{"order_id":"o1"}"#, 11, (0, 1, 1)),
        // It was in time after all.
        (
            "Order Delivered",
            r#"{"order_id":"o1","delivered_at":"2026-03-02T00:09:00Z"}"#,
            12,
            (0, 1, 0),
        ),
        // Two parcels of one order.
        (
            "Order Shipped",
            r#"{"order_id":"o2","parcel_id":"a"}"#,
            13,
            (1, 1, 0),
        ),
        (
            "Order Shipped",
            r#"{"order_id":"o2","parcel_id":"b"}"#,
            13,
            (2, 1, 0),
        ),
        (
            "Delivery Failed",
            r#"{"order_id":"o2","parcel_id":"b"}"#,
            14,
            (2, 1, 1),
        ),
        (
            "Delivery Failed",
            r#"{"order_id":"o2","parcel_id":"b"}"#,
            15,
            (2, 1, 1),
        ),
        (
            "Order Delivered",
            r#"{"order_id":"o2","parcel_id":"b"}"#,
            16,
            (1, 2, 1),
        ),
        // It arrives before it is said to be shipped.
        ("Order Delivered", r#"{"order_id":"o3"}"#, 17, (1, 3, 1)),
        ("Order Shipped", r#"{"order_id":"o3"}"#, 16, (1, 3, 1)),
        ("Order Delivered", "{}", 18, (1, 4, 1)),
        // A day that is promised is promised to its end.
        (
            "Order Shipped",
            r#"{"order_id":"o4","promised_at":"2026-03-02"}"#,
            19,
            (2, 4, 1),
        ),
        ("Order Delivered", r#"{"order_id":"o4"}"#, 1439, (1, 5, 1)),
        (
            "Order Shipped",
            r#"{"order_id":"o5","promised_at":"2026-03-01"}"#,
            19,
            (2, 5, 1),
        ),
        ("Order Delivered", r#"{"order_id":"o5"}"#, 20, (1, 6, 2)),
        (
            "Order Delivered",
            r#"{"order_id":"o6","promised_at":"2026-03-01","delivered_at":"2026-03-01"}"#,
            21,
            (1, 7, 2),
        ),
    ];

    #[test]
    fn a_parcel_is_itself_by_its_id() {
        let mut deliveries = Deliveries::default();
        for (name, said, minute, expected) in TOLD {
            deliveries.apply(&told(name, *minute, said), Local::default());
            let under_way = deliveries.known.iter().filter(|it| it.arrived.is_none());
            let found = (under_way.count(), deliveries.delivered, deliveries.late);
            assert_eq!(found, *expected, "{name} {said} {minute}");
        }
    }
}
