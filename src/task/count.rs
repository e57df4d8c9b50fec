//! What a task counts: kept in its record, so that a count is neither lost nor counted twice by a restart.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::event::Text;

/// One thing that is counted. It is stored as its words, as [`fmt::Display`] gives them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", from = "String")]
pub enum Count {
    /// Events taken.
    Events,
    /// Of those, ahead of the clock by more than is believed.
    Future,
    /// Of those, ahead of their own append, and set back to it.
    SetBack,
    /// Of those, behind the watermark.
    Late,
    /// Of those, seen before.
    Duplicates,
    /// Properties that could not be read.
    Defects,
    /// Of those, the ones of a name: of a property, a trait or another part of an event.
    Defect(Text),
    /// Records that mean nothing, by somebody's choice.
    Ignored,
    /// Events for which a customer had no place beyond the watermark.
    TailFull,
    /// Events from before their customer was erased.
    DroppedAsErased,
    /// Customers erased.
    Erased,
    /// Customers who expired.
    Expired,
    /// Former ids that were said of customers, by what became of it.
    Identities(Text),
    /// Codes of others that customers brought, by what became of it.
    Referrals(Text),
    /// What history said of customers, by what became of it.
    Seeds(Text),
    /// Records that are no event, by reason.
    Rejected(Text),
    /// Deadlines that were not opened, by trigger.
    OpenLimit(Text),
    /// Customers to whom what happened to everybody did not apply, by trigger.
    OutsideAudience(Text),
    /// Moments that were treated, by trigger.
    Treated(Text),
    /// Moments that were refused, by trigger and reason.
    Refused(Text, Text),
    /// Moments that were held to be asked again, by trigger and reason.
    Held(Text, Text),
    /// What came of treatments, by trigger and what it was.
    Outcome(Text, Text),
    /// What customers did in journeys, by trigger and what it was.
    Journey(Text, Text),
    /// What senders reported of treatments that nobody knows any more, by what it was.
    Orphaned(Text),
    /// Treatments that were taken back, by trigger and reason.
    Withdrawn(Text, Text),
    /// What another build counts.
    Other(Text),
}

/// Those that are one word.
const WORDS: [(Count, &str); 11] = [
    (Count::Events, "events"),
    (Count::Future, "future"),
    (Count::SetBack, "set_back"),
    (Count::Late, "late"),
    (Count::Duplicates, "duplicates"),
    (Count::Defects, "defects"),
    (Count::Ignored, "ignored"),
    (Count::TailFull, "tail_full"),
    (Count::DroppedAsErased, "dropped_as_erased"),
    (Count::Erased, "erased"),
    (Count::Expired, "expired"),
];

impl Count {
    /// Those of records that were taken, and of customers, in a word.
    pub fn words() -> impl Iterator<Item = &'static str> {
        WORDS.iter().map(|(_, word)| *word)
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Defect(name) => write!(f, "defect.{name}"),
            Self::Identities(outcome) => write!(f, "identities.{outcome}"),
            Self::Referrals(outcome) => write!(f, "referrals.{outcome}"),
            Self::Seeds(outcome) => write!(f, "seeds.{outcome}"),
            Self::Rejected(reason) => write!(f, "rejected.{reason}"),
            Self::OpenLimit(trigger) => write!(f, "open_limit.{trigger}"),
            Self::OutsideAudience(trigger) => write!(f, "outside_audience.{trigger}"),
            Self::Treated(trigger) => write!(f, "decided.{trigger}.treat"),
            Self::Refused(trigger, reason) => write!(f, "decided.{trigger}.{reason}"),
            Self::Held(trigger, reason) => write!(f, "held.{trigger}.{reason}"),
            Self::Outcome(trigger, what) => write!(f, "outcome.{trigger}.{what}"),
            Self::Journey(trigger, what) => write!(f, "journey.{trigger}.{what}"),
            Self::Orphaned(what) => write!(f, "orphaned.{what}"),
            Self::Withdrawn(trigger, reason) => write!(f, "withdrawn.{trigger}.{reason}"),
            Self::Other(words) => f.write_str(words),
            Self::Events
            | Self::Future
            | Self::SetBack
            | Self::Late
            | Self::Duplicates
            | Self::Defects
            | Self::Ignored
            | Self::TailFull
            | Self::DroppedAsErased
            | Self::Erased
            | Self::Expired => {
                let word = WORDS.iter().find(|(count, _)| count == self);
                f.write_str(word.map_or("", |(_, word)| word))
            }
        }
    }
}

impl From<&str> for Count {
    fn from(words: &str) -> Self {
        let (kind, rest) = words.split_once('.').unwrap_or((words, ""));
        match (kind, rest.rsplit_once('.')) {
            ("decided", Some((trigger, "treat"))) => Self::Treated(trigger.into()),
            ("decided", Some((trigger, reason))) => Self::Refused(trigger.into(), reason.into()),
            ("held", Some((trigger, reason))) => Self::Held(trigger.into(), reason.into()),
            ("journey", Some((trigger, what))) => Self::Journey(trigger.into(), what.into()),
            ("outcome", Some((trigger, what))) => Self::Outcome(trigger.into(), what.into()),
            ("orphaned", _) => Self::Orphaned(rest.into()),
            ("withdrawn", Some((trigger, reason))) => {
                Self::Withdrawn(trigger.into(), reason.into())
            }
            ("defect", _) => Self::Defect(rest.into()),
            ("identities", _) => Self::Identities(rest.into()),
            ("referrals", _) => Self::Referrals(rest.into()),
            ("seeds", _) => Self::Seeds(rest.into()),
            ("rejected", _) => Self::Rejected(rest.into()),
            ("open_limit", _) => Self::OpenLimit(rest.into()),
            ("outside_audience", _) => Self::OutsideAudience(rest.into()),
            _ => {
                let word = WORDS.iter().find(|(_, word)| *word == words);
                word.map_or_else(|| Self::Other(words.into()), |(count, _)| count.clone())
            }
        }
    }
}

impl From<String> for Count {
    fn from(words: String) -> Self {
        words.as_str().into()
    }
}

impl From<Count> for String {
    fn from(count: Count) -> Self {
        count.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_stored_as_its_words() {
        for (count, _) in WORDS {
            assert_eq!(Count::from(count.to_string()), count);
        }
        for (count, words) in [
            (Count::Defect("price".into()), "defect.price"),
            (Count::Rejected("bad_json".into()), "rejected.bad_json"),
            (Count::Identities("united".into()), "identities.united"),
            (Count::Referrals("own_code".into()), "referrals.own_code"),
            (Count::Seeds("taken".into()), "seeds.taken"),
            (Count::OpenLimit("basket".into()), "open_limit.basket"),
            (
                Count::OutsideAudience("back".into()),
                "outside_audience.back",
            ),
            (Count::Treated("a.b".into()), "decided.a.b.treat"),
            (
                Count::Refused("a.b".into(), "capped".into()),
                "decided.a.b.capped",
            ),
            (
                Count::Held("a.b".into(), "quiet_hours".into()),
                "held.a.b.quiet_hours",
            ),
            (
                Count::Withdrawn("a.b".into(), "late_event".into()),
                "withdrawn.a.b.late_event",
            ),
            (Count::Other("tomorrows.word".into()), "tomorrows.word"),
        ] {
            assert_eq!(count.to_string(), words);
            assert_eq!(Count::from(words), count);
            let stored = postcard::to_allocvec(&count).unwrap();
            assert_eq!(stored, postcard::to_allocvec(words).unwrap());
        }
    }
}
