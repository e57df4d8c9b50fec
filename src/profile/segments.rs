//! Where she stands by what a company declares: in which segments, by which labels, at which stage and milestones, and since when.
//!
//! All are segments; those that are not asked as `profile.segments` have a name of two parts, the group and what stands behind it:
//! `rfm.recency.long`, `stage.loyal`, `milestones.first_order`.
//!
//! What each asks, the declarations say; whoever takes events in asks it again where an event or time alone may have changed the
//! answer ([`Segments::stands`]), and is told when to ask next ([`Segments::due`]).

use serde::{Deserialize, Serialize};

use super::section::{Field, KeyedField, Local, Section, field, keyed};
use crate::event::{Event, EventName, Text, Type};
use crate::stored::{Stored, StoredError};
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
    pub due: Option<Timestamp>,
    /// Since when it had held, and when it held no more: what holds again at that instant was not broken. Only where it has to hold
    /// for so long.
    lost: Option<(Timestamp, Timestamp)>,
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

/// Version 1 did not know what was lost.
impl Stored for Segments {
    const VERSION: u8 = 2;

    fn upcast(version: u8, bytes: &[u8]) -> Result<Self, StoredError> {
        match version {
            1 => Ok(postcard::from_bytes::<SegmentsV1>(bytes)?.into()),
            _ => Err(StoredError::Damaged(format!(
                "there is no version {version} of segments"
            ))),
        }
    }
}

#[derive(Deserialize)]
struct SegmentsV1 {
    begun: bool,
    of: Vec<StandingV1>,
}

#[derive(Deserialize)]
struct StandingV1 {
    name: Text,
    digest: u64,
    holds: Option<Timestamp>,
    is_in: bool,
    since: Option<Timestamp>,
    before: Option<Timestamp>,
    due: Option<Timestamp>,
}

impl From<SegmentsV1> for Segments {
    fn from(old: SegmentsV1) -> Self {
        let standing = |old: StandingV1| Standing {
            name: old.name,
            digest: old.digest,
            holds: old.holds,
            is_in: old.is_in,
            since: old.since,
            before: old.before,
            due: old.due,
            lost: None,
        };
        Self {
            begun: old.begun,
            of: old.of.into_iter().map(standing).collect(),
        }
    }
}

impl Section for Segments {
    const TAG: u16 = 41;
    const WRITTEN_BY: &'static [EventName] = &[];
    const FIELDS: &'static [Field<Self>] = &[
        field(
            "segments",
            Type::TEXTS,
            "the segments that she is in, of those that are declared",
            |p, _| Value::List(p.within().map(Text::as_str).collect()),
        ),
        field(
            "rfm.recency",
            Type::Text,
            "how long ago she ordered, by the labels that are declared: recent, medium or long",
            |p, _| p.label("rfm.recency"),
        ),
        field(
            "rfm.frequency",
            Type::Text,
            "how often she orders: casual, regular or often",
            |p, _| p.label("rfm.frequency"),
        ),
        field(
            "rfm.monetary",
            Type::Text,
            "what she spends: saver, average or spender",
            |p, _| p.label("rfm.monetary"),
        ),
        field(
            "stage",
            Type::Text,
            "the stage of the declared path at which she is",
            |p, _| p.label(Standing::STAGE),
        ),
    ];
    const KEYED_FIELDS: &'static [KeyedField<Self>] = &[
        keyed(
            ("milestones", None),
            Type::Time,
            "when she reached a milestone of the declared path, by its name",
            |p| p.of_group(Standing::MILESTONE).map(|it| it.0).collect(),
            |p, name, _| {
                let standing = p.of_name(Standing::MILESTONE, name);
                let reached = standing.filter(|it| it.is_in);
                Value::time(reached.and_then(|it| it.since))
            },
        ),
        keyed(
            (Standing::PERSONAS, None),
            Type::Text,
            "which of a group of personas she is, by the group's name",
            Segments::persona_groups,
            |p, group, _| p.label(&Standing::named(Standing::PERSONAS, group)),
        ),
    ];

    /// Nothing by itself: it does not know what is declared.
    fn apply(&mut self, _event: &Event, _local: Local<'_>) {}

    /// Of a segment that she stands with under both ids, the later change counts. All are asked again with her next event.
    fn merge(&mut self, other: Self, _local: Local<'_>) {
        self.begun = false;
        for standing in other.of {
            match self.place(&standing.name) {
                Ok(place) if standing.since > self.of[place].since => self.of[place] = standing,
                Ok(_) => {}
                Err(place) => self.of.insert(place, standing),
            }
        }
    }
}

impl Standing {
    /// The group of segments, whose names stand alone.
    pub const SEGMENT: &'static str = "";
    /// The group of stages.
    pub const STAGE: &'static str = "stage";
    /// The group of milestones.
    pub const MILESTONE: &'static str = "milestones";
    /// The group of milestones that were not reached in time.
    pub const OVERDUE: &'static str = "overdue";
    /// What the groups of personas begin with.
    pub const PERSONAS: &'static str = "personas";

    /// The name of one of a group.
    #[must_use]
    pub fn named(group: &str, name: &str) -> Text {
        match group {
            Self::SEGMENT => name.into(),
            group => compact_str::format_compact!("{group}.{name}"),
        }
    }

    /// The group of a name, and which of the group it is.
    #[must_use]
    pub fn parts(name: &str) -> (&str, &str) {
        name.rsplit_once('.').unwrap_or((Self::SEGMENT, name))
    }

    /// Whether what stands behind `profile.` is where she stands.
    #[must_use]
    pub fn is_of(path: &str) -> bool {
        let (group, _) = path.split_once('.').unwrap_or((path, ""));
        matches!(
            group,
            "segments" | "rfm" | Self::STAGE | Self::MILESTONE | Self::PERSONAS
        )
    }

    fn of(name: &Text, digest: u64) -> Self {
        Self {
            name: name.clone(),
            digest,
            holds: None,
            is_in: false,
            since: None,
            before: None,
            due: None,
            lost: None,
        }
    }

    /// Once asked at an instant; never before it was asked last, as far as that changed anything.
    fn asked(&self, at: Timestamp, answer: Answer) -> Self {
        let unbroken = self.lost.filter(|(_, lost)| *lost == at).map(|it| it.0);
        let at = at.max(self.holds.max(self.since).unwrap_or(at));
        let holds = answer.holds.then(|| self.holds.or(unbroken).unwrap_or(at));
        let lost = match self.holds {
            Some(since) if !answer.holds && answer.held_ms > 0 => Some((since, at)),
            _ => self.lost.filter(|_| !answer.holds),
        };
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
            lost,
            ..self.clone()
        }
    }

    /// Whether there is nothing to be remembered.
    fn is_blank(&self) -> bool {
        self.holds.is_none() && self.since.is_none() && self.due.is_none() && self.lost.is_none()
    }
}

impl Segments {
    /// Those of a group, by their names.
    pub fn of_group<'a>(&'a self, group: &str) -> impl Iterator<Item = (&'a str, &'a Standing)> {
        let from = self.of.partition_point(|it| it.name.as_str() < group);
        let near = self.of[from..].iter();
        let near = near.take_while(move |it| it.name.starts_with(group));
        near.filter_map(move |it| {
            let (own, name) = Standing::parts(&it.name);
            (own == group).then_some((name, it))
        })
    }

    /// The name that she has of a group of which she has one.
    fn label(&self, group: &str) -> Value<'_> {
        let mut own = self.of_group(group);
        own.find(|(_, it)| it.is_in)
            .map_or(Value::Null, |(name, _)| Value::Text(name))
    }

    fn persona_groups(&self) -> Vec<&str> {
        let parts = self.of.iter().map(|it| Standing::parts(&it.name).0);
        let prefix =
            |group: &&str| group.split_once('.').map(|it| it.0) == Some(Standing::PERSONAS);
        let groups = parts.filter(prefix);
        let mut names: Vec<&str> = groups
            .filter_map(|it| Some(it.split_once('.')?.1))
            .collect();
        names.dedup();
        names
    }

    /// Whether she is in one by this very definition.
    #[must_use]
    pub fn is_in(&self, (name, digest): (&Text, u64)) -> bool {
        let known = self.get(name);
        known.is_some_and(|it| it.is_in && it.digest == digest)
    }

    fn place(&self, name: &str) -> Result<usize, usize> {
        self.of.binary_search_by(|it| it.name.as_str().cmp(name))
    }

    /// The names of the segments that she is in, sorted; no labels and the like among them.
    pub fn within(&self) -> impl Iterator<Item = &Text> {
        let plain = |it: &&Standing| Standing::parts(&it.name).0 == Standing::SEGMENT;
        let within = self.of.iter().filter(|it| it.is_in).filter(plain);
        within.map(|standing| &standing.name)
    }

    /// Where she stands with a segment.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Standing> {
        self.place(name).ok().map(|place| &self.of[place])
    }

    /// The same of one of a group, whose name is made for nobody.
    fn of_name(&self, group: &str, name: &str) -> Option<&Standing> {
        let named = || [group, ".", name].into_iter().flat_map(str::bytes);
        let place = self.of.binary_search_by(|it| it.name.bytes().cmp(named()));
        place.ok().map(|place| &self.of[place])
    }

    /// When an answer changed anything last.
    #[must_use]
    pub fn changed(&self) -> Option<Timestamp> {
        let changes = self.of.iter().map(|it| {
            let lost = it.lost.map(|(_, lost)| lost);
            it.holds.max(it.since).max(lost)
        });
        changes.max().flatten()
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
            // Broken and whole again at one instant is not broken; before that, it is.
            (60, false, None, false, Some(60), None),
            (60, true, None, true, Some(50), None),
            (70, false, None, false, Some(70), None),
            (71, true, None, false, Some(70), Some(81)),
            (81, true, None, true, Some(81), None),
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
        let standing = segments.stands((&gold, 2), Timestamp(90), answer);
        let standing = standing.expect("she left it");
        assert_eq!(
            (standing.is_in, standing.since),
            (false, Some(Timestamp(90)))
        );
    }
}
