//! Whether she would recommend us: the net promoter score.

use serde::{Deserialize, Serialize};

use super::section::{Field, Local, Section, field};
use crate::event::{Event, EventName, PropertyId, Type};
use crate::stored::Stored;
use crate::time::Timestamp;
use crate::value::Value;

/// What a customer answered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nps {
    /// The last answer: score and when.
    pub last: Option<(u8, Timestamp)>,
}

impl Stored for Nps {
    const VERSION: u8 = 1;
}

impl Section for Nps {
    const TAG: u16 = 11;
    const WRITTEN_BY: &'static [EventName] = &[EventName::NPS_ANSWERED];
    const FIELDS: &'static [Field<Self>] = &[
        field("nps.at", Type::Time, "last NPS answer", |p, _| {
            Value::time(p.last.map(|(_, at)| at))
        }),
        field(
            "nps.score",
            Type::Number,
            "score (0 to 10) of the last NPS answer",
            |p, _| Value::number(p.last.map(|(score, _)| score.into())),
        ),
    ];

    fn apply(&mut self, event: &Event, _local: Local<'_>) {
        let Some(score) = event
            .number(PropertyId::SCORE)
            .filter(|s| (0.0..=10.0).contains(s))
        else {
            return;
        };
        if self.last.is_none_or(|(_, at)| at <= event.time) {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "between 0 and 10"
            )]
            let score = score.round() as u8;
            self.last = Some((score, event.time));
        }
    }

    fn merge(&mut self, other: Self, _local: Local<'_>) {
        let at = |said: &Option<(u8, Timestamp)>| said.map(|(_, at)| at);
        if at(&other.last) > at(&self.last) {
            self.last = other.last;
        }
    }
}
