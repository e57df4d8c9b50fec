//! Histories of a few customers, and the order in which they arrive.

use proptest::collection::vec;
use proptest::prelude::*;

use moments::event::{Event, EventName, Position, Product, Property, PropertyId, Text};
use moments::time::Timestamp;

use crate::reference::RefEvent;

/// 2026-03-02T00:00:00Z, a Monday.
pub const BASE: i64 = 1_772_409_600_000;

/// What may happen: name, topic.
const NAMES: [(EventName, &str, u8); 4] = [
    (EventName::PRODUCT_ADDED, "Product Added", 0),
    (EventName::CART_VIEWED, "Cart Viewed", 0),
    (EventName::PRODUCT_VIEWED, "Product Viewed", 1),
    (EventName::ORDER_COMPLETED, "Order Completed", 4),
];

/// The grid that times lie on.
#[derive(Clone, Copy, Debug)]
pub struct Grid {
    /// One step, ms.
    pub step_ms: i64,
    /// Steps of a history.
    pub steps: i64,
    /// How many steps later than a younger event one may come, and more; above 0.
    pub lateness: i64,
}

/// One thing that happens, in steps of a grid.
#[derive(Clone, Debug)]
pub struct Happening {
    customer: u8,
    name: usize,
    step: i64,
    /// 0 for none.
    key: u8,
    half_euros: u8,
    /// By how much it comes later than it happened, in hundredths of the lateness.
    delay: i64,
    /// After it, time moves as far as it may.
    pub advances: bool,
    /// After it, an earlier one comes again: how many places back.
    pub again: Option<usize>,
}

/// A random history; `delays`: in hundredths of the lateness, below 100 for one that is never late.
pub fn history(
    grid: Grid,
    most: usize,
    delays: std::ops::Range<i64>,
) -> impl Strategy<Value = Vec<Happening>> {
    let delay = prop_oneof![Just(0), delays];
    let one = (
        (0..3u8, 0..NAMES.len(), 0..grid.steps, 0..4u8, 0..12u8),
        (
            delay,
            any::<bool>(),
            prop::option::weighted(0.15, 0..5usize),
        ),
    );
    let happening = one.prop_map(|((customer, name, step, key, half_euros), rest)| {
        let (delay, advances, again) = rest;
        Happening {
            customer,
            name,
            step,
            key,
            half_euros,
            delay,
            advances,
            again,
        }
    });
    vec(happening, 1..most)
}

/// An event of a customer that says nothing but its name, at a time, in this topic and place.
pub fn event(
    customer: &str,
    name: EventName,
    id: String,
    (time, topic, place): (Timestamp, u8, usize),
) -> Event {
    Event {
        customer: customer.into(),
        time,
        position: Position {
            topic,
            offset: i64::try_from(place).expect("few"),
        },
        id: id.into(),
        has_message_id: true,
        name,
        known: true,
        properties: Default::default(),
        products: Vec::new(),
        traits: None,
        touchpoint: None,
        traceparent: None,
        formers: Vec::new(),
    }
}

impl Happening {
    pub fn customer(&self) -> Text {
        compact_str::format_compact!("c{}", self.customer)
    }

    /// A first thing, at the beginning.
    pub fn sample() -> Self {
        Self {
            customer: 0,
            name: 0,
            step: 0,
            key: 1,
            half_euros: 2,
            delay: 0,
            advances: false,
            again: None,
        }
    }

    fn time_ms(&self, grid: Grid) -> i64 {
        BASE + self.step * grid.step_ms
    }

    fn key(&self) -> String {
        match self.key {
            0 => String::new(),
            key => format!("k{key}"),
        }
    }

    /// As the engine takes it; `index` is its place in the history.
    pub fn event(&self, index: usize, grid: Grid) -> Event {
        let (name, _, topic) = NAMES[self.name];
        let key: Text = self.key().into();
        let at = (Timestamp(self.time_ms(grid)), topic, index);
        let mut event = event(&self.customer(), name, format!("e{index}"), at);
        let mut say = |id, value| event.properties.push((id, value));
        if name == EventName::ORDER_COMPLETED {
            say(
                PropertyId::TOTAL,
                Property::Number(f64::from(self.half_euros) / 2.0),
            );
        }
        if key.is_empty() {
            return event;
        }
        if name != EventName::PRODUCT_VIEWED {
            say(PropertyId::CART_ID, Property::Text(key.clone()));
        }
        // Of an order the products say which; of anything else the event itself.
        match name {
            EventName::ORDER_COMPLETED => event.products.push(Product {
                id: key,
                ..Product::default()
            }),
            EventName::CART_VIEWED => {}
            _ => say(PropertyId::PRODUCT_ID, Property::Text(key)),
        }
        event
    }

    /// As the reference takes it.
    pub fn reference(&self, index: usize, grid: Grid) -> RefEvent {
        let (_, name, topic) = NAMES[self.name];
        RefEvent {
            time_ms: self.time_ms(grid),
            order: u64::from(topic) * 1_000_000 + index as u64,
            name: name.to_owned(),
            id: format!("e{index}"),
            key: self.key(),
            value: f64::from(self.half_euros) / 2.0,
        }
    }
}

/// The places of a history in their order of arrival.
pub fn arrivals(history: &[Happening], grid: Grid) -> Vec<usize> {
    let mut places: Vec<usize> = (0..history.len()).collect();
    let arrival = |i: &usize| {
        let happening = &history[*i];
        happening.time_ms(grid) * 100 + happening.delay * grid.lateness * grid.step_ms
    };
    places.sort_by_key(arrival);
    places
}

/// The places of a history in their order of time.
pub fn in_order(history: &[Happening], grid: Grid) -> Vec<usize> {
    let mut places: Vec<usize> = (0..history.len()).collect();
    places.sort_by_key(|i| history[*i].event(*i, grid).order());
    places
}
