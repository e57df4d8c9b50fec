//! What she wrote of products: reviews with a rating.

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::section::{Field, Local, Section, field};
use crate::event::{Event, EventName, PropertyId, Type};
use crate::stored::Stored;
use crate::time::Timestamp;
use crate::value::Value;

/// Reviews that are known again when they are told twice, or changed: the last so many.
const KNOWN_MAX: usize = 16;

/// Reviews of products.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Reviews {
    /// How many.
    pub count: u32,
    /// The last one that was told: when, and its rating where it has one.
    pub last: Option<(Timestamp, Option<f64>)>,
    /// Hashes of the ids of the last of them, the newest behind.
    known: Vec<u64>,
}

impl Reviews {
    /// Whether a review is known.
    #[must_use]
    pub fn was_told(&self, event: &Event) -> bool {
        let id = event.text(PropertyId::REVIEW_ID);
        id.is_some_and(|id| self.known.contains(&xxh3_64(id.as_bytes())))
    }
}

impl Stored for Reviews {
    const VERSION: u8 = 1;
}

impl Section for Reviews {
    const TAG: u16 = 17;
    const WRITTEN_BY: &'static [EventName] = &[EventName::PRODUCT_REVIEWED];
    const FIELDS: &'static [Field<Self>] = &[
        field(
            "reviews.count",
            Type::Number,
            "reviews of products she wrote, each `review_id` once",
            |p, _| Value::Number(p.count.into()),
        ),
        field("reviews.last", Type::Time, "the last of them", |p, _| {
            Value::time(p.last.map(|(at, _)| at))
        }),
        field(
            "reviews.rating",
            Type::Number,
            "`rating` of the last review, as the shop counts it",
            |p, _| Value::number(p.last.and_then(|(_, rating)| rating)),
        ),
    ];

    /// One that is told again, or changed, is the same review; one without an id is another each time.
    fn apply(&mut self, event: &Event, _local: Local<'_>) {
        let id = event.text(PropertyId::REVIEW_ID);
        let id = id.map(|id| xxh3_64(id.as_bytes()));
        if !id.is_some_and(|id| self.known.contains(&id)) {
            self.count = self.count.saturating_add(1);
            if self.known.len() == KNOWN_MAX && id.is_some() {
                self.known.remove(0);
            }
            self.known.extend(id);
        }
        if self.last.is_none_or(|(at, _)| at <= event.time) {
            self.last = Some((event.time, event.number(PropertyId::RATING)));
        }
    }

    /// One that is known under both ids is one.
    fn merge(&mut self, other: Self, _local: Local<'_>) {
        self.count = self.count.saturating_add(other.count);
        for id in other.known {
            if self.known.contains(&id) {
                self.count = self.count.saturating_sub(1);
            } else {
                self.known.push(id);
            }
        }
        let spare = self.known.len().saturating_sub(KNOWN_MAX);
        self.known.drain(..spare);
        let at = |said: &Option<(Timestamp, Option<f64>)>| said.map(|(at, _)| at);
        if at(&other.last) > at(&self.last) {
            self.last = other.last;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Position, Property, Text};

    fn review(at: &str, id: Option<&str>, rating: f64) -> Event {
        let time = Timestamp::parse(at).unwrap();
        let id = id.map(|id| (PropertyId::REVIEW_ID, Property::Text(id.into())));
        let rating = (PropertyId::RATING, Property::Number(rating));
        Event {
            customer: "ana".into(),
            time,
            position: Position::default(),
            id: Text::default(),
            has_message_id: false,
            name: EventName::PRODUCT_REVIEWED,
            known: true,
            properties: id.into_iter().chain([rating]).collect(),
            products: Vec::new(),
            traits: None,
            touchpoint: None,
            traceparent: None,
            formers: Vec::new(),
        }
    }

    #[test]
    fn a_review_counts_once_and_its_last_rating_is_hers() {
        let mut reviews = Reviews::default();
        for (at, id, rating, count, shown) in [
            ("2026-03-02T10:00:00Z", Some("r1"), 2.0, 1, 2.0),
            // She thought better of it.
            ("2026-03-02T11:00:00Z", Some("r1"), 4.0, 1, 4.0),
            ("2026-03-02T12:00:00Z", Some("r2"), 5.0, 2, 5.0),
            // What comes late counts, and the younger one stays the last.
            ("2026-03-01T12:00:00Z", Some("r0"), 1.0, 3, 5.0),
            // Without an id each is another.
            ("2026-03-03T12:00:00Z", None, 3.0, 4, 3.0),
            ("2026-03-03T13:00:00Z", None, 3.0, 5, 3.0),
        ] {
            reviews.apply(&review(at, id, rating), Local::default());
            assert_eq!(reviews.count, count, "{at}");
            assert_eq!(
                reviews.last.and_then(|(_, rating)| rating),
                Some(shown),
                "{at}"
            );
        }
        for more in 0..100 {
            reviews.apply(
                &review("2026-03-04T10:00:00Z", Some(&format!("s{more}")), 1.0),
                Local::default(),
            );
        }
        assert_eq!((reviews.count, reviews.known.len()), (105, KNOWN_MAX));
    }
}
