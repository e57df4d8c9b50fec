//! Her visits.

use serde::{Deserialize, Serialize};

use super::section::{Field, Local, Section, earlier, field};
use crate::event::{Event, EventName, Type};
use crate::stored::Stored;
use crate::time::Timestamp;
use crate::value::Value;

/// Events further apart belong to two visits: the half hour that web analytics has settled on.
pub const SESSION_GAP_MS: i64 = 30 * 60_000;

/// Visits: events no further apart than half an hour are one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sessions {
    /// How many.
    pub count: u32,
    /// Start of the last one.
    pub started: Option<Timestamp>,
    /// Its last event.
    pub last: Option<Timestamp>,
}

/// Whether an event shows that she is here: browsing, cart, checkout, order, app.
fn is_visit(name: EventName) -> bool {
    name <= EventName::PRODUCT_REVIEWED
        && !matches!(
            name,
            EventName::ORDER_UPDATED | EventName::ORDER_REFUNDED | EventName::ORDER_CANCELLED
        )
        || matches!(
            name,
            EventName::APPLICATION_OPENED
                | EventName::PAGE_VIEWED
                | EventName::SCREEN_VIEWED
                | EventName::CONTENT_SHARED
                | EventName::FILE_DOWNLOADED
                | EventName::FORM_SUBMITTED
                | EventName::CALCULATOR_USED
                | EventName::QUIZ_COMPLETED
        )
}

impl Stored for Sessions {
    const VERSION: u8 = 1;
}

impl Section for Sessions {
    const TAG: u16 = 7;
    const WRITTEN_BY: &'static [EventName] = &[];
    const FIELDS: &'static [Field<Self>] = &[
        field(
            "sessions.count",
            Type::Number,
            "visits; events half an hour apart belong to two",
            |p, _| Value::Number(p.count.into()),
        ),
        field(
            "sessions.last",
            Type::Time,
            "last event of the last visit",
            |p, _| Value::time(p.last),
        ),
        field(
            "sessions.started",
            Type::Time,
            "start of the last visit",
            |p, _| Value::time(p.started),
        ),
    ];

    fn is_written_by(event: &Event) -> bool {
        is_visit(event.name)
    }

    fn may_be_written_by(event: &Event) -> bool {
        Self::is_written_by(event)
    }

    fn apply(&mut self, event: &Event, _local: Local<'_>) {
        let goes_on = self
            .last
            .is_some_and(|last| event.time.0 - last.0 < SESSION_GAP_MS);
        if !goes_on {
            self.count = self.count.saturating_add(1);
            self.started = Some(event.time);
        }
        self.last = self.last.max(Some(event.time));
    }

    /// Two last visits that are no further apart than half an hour are one.
    fn merge(&mut self, other: Self, _local: Local<'_>) {
        let begins_after = |one: &Self, before: &Self| {
            let (started, last) = (one.started, before.last);
            started
                .zip(last)
                .is_none_or(|(started, last)| started.0 - last.0 >= SESSION_GAP_MS)
        };
        let are_two = begins_after(self, &other) || begins_after(&other, self);
        self.count = (self.count.saturating_add(other.count)).saturating_sub(u32::from(!are_two));
        self.started = match are_two {
            true => self.started.max(other.started),
            false => earlier(self.started, other.started),
        };
        self.last = self.last.max(other.last);
    }
}
