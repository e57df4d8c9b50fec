//! The segments that she is in, by what a company declares: who is meant, and since when.
//!
//! What each asks, the declarations say; whoever takes events in asks it again where an event or time alone may have changed the
//! answer ([`Segments::stands`]), and is told when to ask next ([`Segments::due`]).

use serde::{Deserialize, Serialize};

use super::section::{Field, Local, Section, field};
use crate::event::{Event, EventName, Text, Type};
use crate::stored::Stored;
use crate::time::Timestamp;
use crate::value::Value;

/// Where she stands with each segment that she is in, was in, or will be by time alone; in the order of their names.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Segments {
    /// Whether all were asked about her.
    pub begun: bool,
    of: Vec<Standing>,
}

/// Where she stands with one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Standing {
    name: Text,
    digest: u64,
    /// Since when its condition holds without a break.
    holds: Option<Timestamp>,
    /// Whether she is in it: its condition holds, and has held for as long as it asks.
    pub is_in: bool,
    /// When she entered or left it last; none where she was never in it.
    pub since: Option<Timestamp>,
    /// The same before that: what is entered and left at one instant is neither.
    before: Option<Timestamp>,
    /// When to ask again, if no event comes before.
    due: Option<Timestamp>,
}

/// The answer to what a segment asks.
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    /// Whether its condition holds.
    pub holds: bool,
    /// When time alone may change that.
    pub next: Option<Timestamp>,
    /// For how long it has to hold, ms.
    pub held_ms: i64,
}

impl Stored for Segments {
    const VERSION: u8 = 1;
}

impl Section for Segments {
    const TAG: u16 = 41;
    const WRITTEN_BY: &'static [EventName] = &[];
    const FIELDS: &'static [Field<Self>] = &[field(
        "segments",
        Type::List,
        "the segments that she is in, of those that are declared",
        |p, _| Value::List(p.within().map(Text::as_str).collect()),
    )];

    /// Nothing by itself: it does not know what is declared.
    fn apply(&mut self, _event: &Event, _local: Local<'_>) {}
}

impl Standing {
    fn of(name: &Text, digest: u64) -> Self {
        Self {
            name: name.clone(),
            digest,
            holds: None,
            is_in: false,
            since: None,
            before: None,
            due: None,
        }
    }

    /// Once asked at an instant; never before it was asked last, as far as that changed anything.
    fn asked(&self, at: Timestamp, answer: Answer) -> Self {
        let at = at.max(self.holds.max(self.since).unwrap_or(at));
        let holds = answer.holds.then(|| self.holds.unwrap_or(at));
        let enters = holds.map(|since| since.plus(answer.held_ms));
        let is_in = enters.is_some_and(|enters| enters <= at);
        let enters = enters.filter(|_| !is_in);
        let (since, before) = match self.since {
            since if is_in == self.is_in => (since, self.before),
            Some(since) if since == at => (self.before, None),
            since => (Some(at), since),
        };
        Self {
            holds,
            is_in,
            since,
            before,
            due: enters.into_iter().chain(answer.next).min(),
            ..self.clone()
        }
    }

    /// Whether there is nothing to be remembered.
    fn is_blank(&self) -> bool {
        self.holds.is_none() && self.since.is_none() && self.due.is_none()
    }
}

impl Segments {
    fn place(&self, name: &str) -> Result<usize, usize> {
        self.of.binary_search_by(|it| it.name.as_str().cmp(name))
    }

    /// The names of those that she is in, sorted.
    pub fn within(&self) -> impl Iterator<Item = &Text> {
        let within = self.of.iter().filter(|standing| standing.is_in);
        within.map(|standing| &standing.name)
    }

    /// Where she stands with a segment.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Standing> {
        self.place(name).ok().map(|place| &self.of[place])
    }

    /// When the first is to be asked again, if no event comes before.
    #[must_use]
    pub fn due(&self) -> Timestamp {
        let due = self.of.iter().filter_map(|standing| standing.due);
        due.min().unwrap_or(Timestamp::MAX)
    }

    /// Whether this one is to be asked again by then.
    #[must_use]
    pub fn is_due(&self, name: &str, at: Timestamp) -> bool {
        let due = self.get(name).and_then(|standing| standing.due);
        due.is_some_and(|due| due <= at)
    }

    /// Where she stands once a segment was asked at an instant; none where nothing changes. What another definition asked is
    /// forgotten, but for whether she was in it.
    #[must_use]
    pub fn stands(
        &self,
        (name, digest): (&Text, u64),
        at: Timestamp,
        answer: Answer,
    ) -> Option<Standing> {
        let before = self.get(name);
        let known = match before {
            Some(known) if known.digest == digest => known.clone(),
            Some(known) => Standing {
                is_in: known.is_in,
                since: known.since,
                before: known.before,
                ..Standing::of(name, digest)
            },
            None => Standing::of(name, digest),
        };
        let after = known.asked(at, answer);
        (before != Some(&after) && !(before.is_none() && after.is_blank())).then_some(after)
    }

    /// Keeps where she stands.
    pub fn keep(&mut self, standing: Standing) {
        match self.place(&standing.name) {
            Ok(place) if standing.is_blank() => drop(self.of.remove(place)),
            Ok(place) => self.of[place] = standing,
            Err(place) => self.of.insert(place, standing),
        }
    }

    /// Whether she stands anywhere with a segment that is declared no more.
    #[must_use]
    pub fn is_stale(&self, declared: impl Fn(&str) -> bool) -> bool {
        self.of.iter().any(|standing| !declared(&standing.name))
    }

    /// Forgets it.
    pub fn forget_stale(&mut self, declared: impl Fn(&str) -> bool) {
        self.of.retain(|standing| declared(&standing.name));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Instants at which it is asked, whether it holds then, and when that may change next; then whether she is in it, since when,
    /// and when it is asked again. It has to hold for 10.
    #[test]
    fn it_has_to_hold_without_a_break() {
        let mut segments = Segments::default();
        let gold = Text::from("gold");
        for (at, holds, next, is_in, since, due) in [
            (0, false, None, false, None, None),
            (5, true, None, false, None, Some(15)),
            // The same again does not begin it anew.
            (9, true, Some(40), false, None, Some(15)),
            (12, false, None, false, None, None),
            (20, true, Some(25), false, None, Some(25)),
            (25, true, None, false, None, Some(30)),
            (30, true, Some(90), true, Some(30), Some(90)),
            (35, true, None, true, Some(30), None),
            (40, false, Some(50), false, Some(40), Some(50)),
            // What comes late counts as of what was known then.
            (38, true, None, false, Some(40), Some(50)),
            (50, true, None, true, Some(50), None),
        ] {
            let answer = Answer {
                holds,
                next: next.map(Timestamp),
                held_ms: 10,
            };
            if let Some(standing) = segments.stands((&gold, 1), Timestamp(at), answer) {
                segments.keep(standing);
            }
            let stands = segments.get("gold");
            let shown = stands.map(|it| (it.is_in, it.since, it.due));
            let expected = (is_in, since.map(Timestamp), due.map(Timestamp));
            assert_eq!(shown.unwrap_or_default(), expected, "at {at}");
        }
        // Another definition begins anew, and knows that she was in it.
        let answer = Answer {
            holds: false,
            next: None,
            held_ms: 0,
        };
        let standing = segments.stands((&gold, 2), Timestamp(60), answer);
        let standing = standing.expect("she left it");
        assert_eq!(
            (standing.is_in, standing.since),
            (false, Some(Timestamp(60)))
        );
    }
}
