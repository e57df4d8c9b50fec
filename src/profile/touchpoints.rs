//! Where she came from, first and last.

use serde::{Deserialize, Serialize};

use super::section::{Field, Local, Section, field};
use crate::event::{Event, EventName, Text, Touchpoint, Type};
use crate::stored::Stored;
use crate::time::Timestamp;
use crate::value::Value;

/// First and last touchpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Touchpoints {
    /// The first that named a source, medium or campaign.
    pub first: Option<(Timestamp, Touchpoint)>,
    /// The last.
    pub last: Option<(Timestamp, Touchpoint)>,
}

type At = Option<(Timestamp, Touchpoint)>;

fn said(at: &At, part: impl Fn(&Touchpoint) -> Option<&Text>) -> Value<'_> {
    Value::text(at.as_ref().and_then(|(_, touchpoint)| part(touchpoint)))
}

impl Stored for Touchpoints {
    const VERSION: u8 = 1;
}

impl Section for Touchpoints {
    const TAG: u16 = 8;
    const WRITTEN_BY: &'static [EventName] = &[];
    const FIELDS: &'static [Field<Self>] = &[
        field(
            "touchpoints.first.campaign",
            Type::Text,
            "campaign of the first touchpoint",
            |p, _| said(&p.first, |it| it.campaign.as_ref()),
        ),
        field(
            "touchpoints.first.medium",
            Type::Text,
            "medium of the first touchpoint",
            |p, _| said(&p.first, |it| it.medium.as_ref()),
        ),
        field(
            "touchpoints.first.source",
            Type::Text,
            "source of the first touchpoint",
            |p, _| said(&p.first, |it| it.source.as_ref()),
        ),
        field(
            "touchpoints.last.campaign",
            Type::Text,
            "campaign of the last touchpoint",
            |p, _| said(&p.last, |it| it.campaign.as_ref()),
        ),
        field(
            "touchpoints.last.medium",
            Type::Text,
            "medium of the last touchpoint",
            |p, _| said(&p.last, |it| it.medium.as_ref()),
        ),
        field(
            "touchpoints.last.source",
            Type::Text,
            "source of the last touchpoint",
            |p, _| said(&p.last, |it| it.source.as_ref()),
        ),
    ];

    fn is_written_by(event: &Event) -> bool {
        event.touchpoint.is_some()
    }

    fn may_be_written_by(event: &Event) -> bool {
        Self::is_written_by(event)
    }

    fn apply(&mut self, event: &Event, _local: Local<'_>) {
        let Some(touchpoint) = &event.touchpoint else {
            return;
        };
        let said = || Some((event.time, (**touchpoint).clone()));
        if self.first.as_ref().is_none_or(|(at, _)| event.time < *at) {
            self.first = said();
        }
        if self.last.as_ref().is_none_or(|(at, _)| event.time >= *at) {
            self.last = said();
        }
    }

    fn merge(&mut self, other: Self, _local: Local<'_>) {
        let at = |said: &At| said.as_ref().map(|(at, _)| *at);
        if at(&other.first).is_some_and(|first| at(&self.first).is_none_or(|own| first < own)) {
            self.first = other.first;
        }
        if at(&other.last) > at(&self.last) {
            self.last = other.last;
        }
    }
}
