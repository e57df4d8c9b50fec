//! What she looked at, and what interests her.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::limits;
use super::section::{Field, KeyedField, Local, Section, field, push_newest};
use crate::event::{Event, EventName, PropertyId, Text, Type};
use crate::stats::half_life;
use crate::stored::Stored;
use crate::time::{DAY_MS, Timestamp};
use crate::value::Value;

/// An interest halves in a month.
pub const INTEREST_HALF_LIFE_MS: i64 = 30 * DAY_MS;

/// What a customer looked at.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Browsing {
    /// Products viewed lately, newest last.
    pub viewed: Vec<Text>,
    /// Categories by decaying interest.
    pub interests: Vec<Interest>,
}

/// Interest in one category: the score halves every [`INTEREST_HALF_LIFE_MS`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interest {
    /// The category.
    pub category: Text,
    /// The score at `at`.
    pub score: f32,
    /// When it last rose.
    pub at: Timestamp,
}

impl Browsing {
    /// Of each category that it is about, once.
    fn interest(&mut self, event: &Event, weight: f32) {
        let own = event.text(PropertyId::CATEGORY);
        let listed = event.products.iter().filter_map(|it| it.category.as_ref());
        let mut known = SmallVec::<[&Text; 4]>::new();
        for category in own.into_iter().chain(listed) {
            if !known.contains(&category) && known.len() < limits::INTERESTS {
                known.push(category);
                self.rise(category, event.time, weight);
            }
        }
    }

    fn rise(&mut self, category: &Text, time: Timestamp, weight: f32) {
        if let Some(interest) = self.interests.iter_mut().find(|i| i.category == *category) {
            let at = interest.at.max(time);
            interest.score = half_life(interest.score, at.0 - interest.at.0, INTEREST_HALF_LIFE_MS)
                + half_life(weight, at.0 - time.0, INTEREST_HALF_LIFE_MS);
            interest.at = at;
            return;
        }
        if self.interests.len() >= limits::INTERESTS {
            let now = time;
            let scores = self.interests.iter().map(|it| decayed(it, now));
            let weakest = scores.enumerate().min_by(|(_, a), (_, b)| a.total_cmp(b));
            self.interests.remove(weakest.map_or(0, |(at, _)| at));
        }
        self.interests.push(Interest {
            category: category.clone(),
            score: weight,
            at: time,
        });
    }
}

/// The score of an interest as of `now`.
#[must_use]
pub fn decayed(interest: &Interest, now: Timestamp) -> f64 {
    half_life(
        interest.score,
        (now.0 - interest.at.0).max(0),
        INTEREST_HALF_LIFE_MS,
    )
    .into()
}

impl Stored for Browsing {
    const VERSION: u8 = 1;
}

impl Section for Browsing {
    const TAG: u16 = 6;
    const WRITTEN_BY: &'static [EventName] = &[
        EventName::PRODUCT_VIEWED,
        EventName::PRODUCT_CLICKED,
        EventName::PRODUCT_ADDED,
        EventName::PRODUCT_ADDED_TO_WISHLIST,
    ];
    const FIELDS: &'static [Field<Self>] = &[
        field(
            "top_interest",
            Type::Text,
            "category of the highest interest",
            |p, as_of| {
                let best = p
                    .interests
                    .iter()
                    .max_by(|a, b| decayed(a, as_of.now).total_cmp(&decayed(b, as_of.now)));
                Value::text(best.map(|interest| &interest.category))
            },
        ),
        field(
            "viewed",
            Type::TEXTS,
            "products viewed lately, newest last",
            |p, _| Value::texts(&p.viewed),
        ),
    ];
    const KEYED_FIELDS: &'static [KeyedField<Self>] = &[KeyedField {
        path: "interests",
        member: None,
        kind: Some(Type::Number),
        about: "interest in a category: a view adds 1, a product put in the basket 3, and it halves every 30 days",
        keys: |p| {
            let interests = p.interests.iter();
            interests.map(|it| it.category.as_str()).collect()
        },
        read: |p, key, as_of| {
            let found = p.interests.iter().find(|it| it.category == key);
            Value::Number(found.map_or(0.0, |interest| decayed(interest, as_of.now)))
        },
    }];

    fn apply(&mut self, event: &Event, _local: Local<'_>) {
        match event.name {
            EventName::PRODUCT_ADDED => self.interest(event, 3.0),
            EventName::PRODUCT_ADDED_TO_WISHLIST => self.interest(event, 2.0),
            _ => {
                for line in event.lines() {
                    push_newest(&mut self.viewed, line.id, limits::VIEWED_PRODUCTS);
                }
                self.interest(event, 1.0);
            }
        }
    }

    /// What she saw last, she saw under the other id.
    fn merge(&mut self, other: Self, _local: Local<'_>) {
        for product in &other.viewed {
            push_newest(&mut self.viewed, Some(product), limits::VIEWED_PRODUCTS);
        }
        for Interest {
            category,
            score,
            at,
        } in other.interests
        {
            self.rise(&category, at, score);
        }
    }
}
