//! Her journeys: those that she is inside, with where she stands in each, and when she entered those that she may not enter again.
//!
//! A place is some 200 bytes, and the event that it began with. It is changed where steps are decided, not when an event comes.

use serde::{Deserialize, Serialize};

use super::section::{Field, Local, Section, field};
use crate::event::{CustomerId, Event, EventName, Text, Type};
use crate::stored::{Stored, StoredError};
use crate::time::Timestamp;
use crate::value::Value;

/// Journeys of one customer at a time: nobody wants more of anybody's messages, and each is looked at with each of her events.
pub const OPEN_MAX: usize = 16;
/// Journeys of which it is known when she entered them: of each trigger and thing one, for years.
pub const ENTERED_MAX: usize = 64;

/// Ways of adaptive splits that she took and of which it is not known yet what came of it: those of as many journeys, twice.
pub const WENT_MAX: usize = 2 * OPEN_MAX;

/// What tells a step in an occurrence: `m17#reminder` is the step `reminder` of the journey that the moment `m17` began.
const STEP: char = '#';

/// Where she stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Journeys {
    /// In the order in which she entered.
    open: Vec<Place>,
    /// The same, of those that ask for it.
    entered: Vec<Entered>,
    /// Ways that she took while it may still be seen what comes of it, in that order.
    went: Vec<Went>,
}

/// A way of an adaptive split that she took.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Went {
    /// The key of the trigger.
    pub key: u32,
    /// What the journey is about.
    pub about: Option<Text>,
    /// The key of the step.
    pub step: u32,
    /// That of the way.
    pub way: u32,
    /// When she took it.
    pub at: Timestamp,
    /// The last instant at which the goal counts.
    pub until: Timestamp,
}

/// As version 1 and 2 had them.
#[derive(Deserialize)]
struct WithoutWays {
    open: Vec<Place>,
    entered: Vec<Entered>,
}

/// Where she stands in one journey.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Place {
    /// The key of its trigger.
    pub key: u32,
    /// The name of its trigger.
    pub trigger: Text,
    /// What it is about, where she may have several of one trigger.
    pub about: Option<Text>,
    /// The moment that began it.
    pub began: Began,
    /// She is held out of it: drawn once, when she enters.
    pub held_out: bool,
    /// It holds however the event that began it settles.
    pub stands: bool,
    /// The name of the step at which she stands; none: she leaves.
    pub step: Option<Text>,
    /// The keys of the steps behind it, should it be taken out.
    pub way: Vec<u32>,
    /// Since when she stands there.
    pub since: Timestamp,
    /// What she does there; none: she has come to it, and goes on from it at once.
    pub stays: Option<Stays>,
    /// When time alone may make her leave, or go on.
    pub asks: Option<Timestamp>,
    /// The keys of the steps that were decided.
    pub sent: Vec<u32>,
}

/// A moment that began a journey.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Began {
    /// When it came true.
    pub at: Timestamp,
    /// What makes it this one.
    pub occurrence: Text,
    /// The events that made it true: ids and times.
    pub events: Vec<(Text, Timestamp)>,
    /// Names, and values as JSON.
    pub facts: Vec<(Text, String)>,
    /// The event that made it true by itself.
    pub event: Option<Event>,
}

/// What she does at a step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Stays {
    /// She waits there until then.
    Until(Timestamp),
    /// What is sent there is held back.
    Held(Hold),
}

/// Why what is sent waits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hold {
    /// Until when.
    pub until: Timestamp,
    /// When it should have been sent.
    pub at: Timestamp,
    /// By which channel it would be sent.
    pub channel: Text,
    /// For what.
    pub awaits: Awaits,
    /// The channel of which the window has ended before; empty where none has.
    pub window: Text,
}

/// For what it waits that is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Awaits {
    /// For quiet hours to end.
    Morning,
    /// For others that compete with it for the channel.
    Others,
    /// For its turn among all that are sent by the channel.
    Turn,
}

/// When she entered a journey last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entered {
    key: u32,
    about: Option<Text>,
    at: Timestamp,
}

/// The occurrence of a step of a journey that a moment began.
#[must_use]
pub fn occurrence(began: &str, step: &str) -> Text {
    compact_str::format_compact!("{began}{STEP}{step}")
}

/// Whether an occurrence is a moment's own, or a step's of the journey that it began.
#[must_use]
pub fn is_of(occurrence: &str, began: &str) -> bool {
    let step = occurrence.strip_prefix(began);
    step.is_some_and(|step| step.is_empty() || step.starts_with(STEP))
}

impl Journeys {
    /// Whether she is in none, and none is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.open.is_empty() && self.entered.is_empty() && self.went.is_empty()
    }

    /// Those that she is inside, in the order in which she entered.
    #[must_use]
    pub fn open(&self) -> &[Place] {
        &self.open
    }

    /// The same.
    pub fn open_mut(&mut self) -> impl Iterator<Item = &mut Place> {
        self.open.iter_mut()
    }

    /// Whether she can be in no more.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.open.len() >= OPEN_MAX
    }

    /// Whether she is inside one of a trigger, about this.
    #[must_use]
    pub fn is_inside(&self, key: u32, about: Option<&Text>) -> bool {
        let is_it = |it: &Place| it.key == key && it.about.as_ref() == about;
        self.open.iter().any(is_it)
    }

    /// When she entered one last, where that is remembered.
    #[must_use]
    pub fn entered(&self, key: u32, about: Option<&Text>) -> Option<Timestamp> {
        let is_it = |it: &&Entered| it.key == key && it.about.as_ref() == about;
        self.entered.iter().find(is_it).map(|it| it.at)
    }

    /// The one that a moment began, while she is inside.
    #[must_use]
    pub fn of(&self, key: u32, began: &str) -> Option<&Place> {
        let is_it = |it: &&Place| it.key == key && it.began.occurrence == began;
        self.open.iter().find(is_it)
    }

    /// The same.
    pub fn of_mut(&mut self, key: u32, began: &str) -> Option<&mut Place> {
        let is_it = |it: &&mut Place| it.key == key && it.began.occurrence == began;
        self.open.iter_mut().find(is_it)
    }

    /// When the first is to be looked at, if no event comes before; never where there is none.
    #[must_use]
    pub fn due(&self) -> Option<Timestamp> {
        self.open.iter().map(Place::due).min()
    }

    /// She enters one; whether it is `remembered`. Of too many, the one that she entered longest ago is not.
    pub fn enter(&mut self, place: Place, remembered: bool) {
        if remembered {
            let (key, about, at) = (place.key, place.about.clone(), place.began.at);
            self.entered
                .retain(|it| (it.key, &it.about) != (key, &about));
            if self.entered.len() >= ENTERED_MAX {
                self.entered.remove(0);
            }
            self.entered.push(Entered { key, about, at });
        }
        self.open.push(place);
    }

    /// She leaves those of which `is_it` says so.
    pub fn leave(&mut self, mut is_it: impl FnMut(&Place) -> bool) -> Vec<Place> {
        self.open.extract_if(.., |place| is_it(place)).collect()
    }

    /// Whether triggers have left anything that are in the set no more.
    #[must_use]
    pub fn has_any_of(&self, is_gone: impl Fn(u32) -> bool) -> bool {
        let mut entered = self.entered.iter().map(|it| it.key);
        let mut went = self.went.iter().map(|it| it.key);
        self.open.iter().any(|it| is_gone(it.key)) || entered.any(&is_gone) || went.any(is_gone)
    }

    /// Drops it.
    pub fn forget(&mut self, is_gone: impl Fn(u32) -> bool) {
        self.open.retain(|it| !is_gone(it.key));
        self.entered.retain(|it| !is_gone(it.key));
        self.went.retain(|it| !is_gone(it.key));
    }

    // Ways.

    /// The ways that she took of which it is not known what came of it, in that order.
    #[must_use]
    pub fn went(&self) -> &[Went] {
        &self.went
    }

    /// She takes one; of too many, the first makes way.
    pub fn takes(&mut self, way: Went) -> Option<Went> {
        let first = (self.went.len() >= WENT_MAX).then(|| self.went.remove(0));
        self.went.push(way);
        first
    }

    /// It is known what came of those of which `is_it` says so.
    pub fn is_known(&mut self, is_it: impl Fn(&Went) -> bool) -> Vec<Went> {
        self.went.extract_if(.., |went| is_it(went)).collect()
    }

    /// When the goal counts no more for the first; never where there is none.
    #[must_use]
    pub fn closes(&self) -> Timestamp {
        let ends = self.went.iter().map(|went| went.until.plus(1));
        ends.min().unwrap_or(Timestamp::MAX)
    }

    /// What was another's is hers.
    pub fn are_of(&mut self, id: &CustomerId) {
        let events = self
            .open
            .iter_mut()
            .filter_map(|it| it.began.event.as_mut());
        events.for_each(|event| event.customer.clone_from(id));
    }

    /// All that stays of a customer who is forgotten: what began with these events, which are not settled yet.
    #[must_use]
    pub fn ahead(&self, is_ahead: impl Fn(&str) -> bool) -> Self {
        let began = |it: &&Place| is_ahead(&it.began.occurrence);
        Self {
            open: self.open.iter().filter(began).cloned().collect(),
            entered: Vec::new(),
            went: Vec::new(),
        }
    }
}

impl Began {
    /// Whether an event comes after it: at a later instant, or at this one behind the event that made it true by itself.
    #[must_use]
    pub fn is_before(&self, event: &Event) -> bool {
        let by = self.event.as_ref().filter(|by| by.time == self.at);
        self.at < event.time || by.is_some_and(|by| by.order() < event.order())
    }
}

impl Place {
    /// When it is to be looked at, if no event comes before.
    #[must_use]
    pub fn due(&self) -> Timestamp {
        let own = match &self.stays {
            None => self.since,
            Some(Stays::Until(until)) => *until,
            Some(Stays::Held(hold)) => hold.until,
        };
        self.asks.map_or(own, |asks| asks.min(own))
    }

    /// Comes to a step, or to the end, at an instant.
    pub fn goes(&mut self, step: Option<(Text, Vec<u32>)>, at: Timestamp) {
        let (step, way) = step.unzip();
        (self.step, self.way) = (step, way.unwrap_or_default());
        (self.since, self.stays) = (at, None);
    }
}

impl Stored for Journeys {
    const VERSION: u8 = 3;

    /// Version 1 said whether what is held back competes: written as the first two that it may wait for now.
    fn upcast(version: u8, bytes: &[u8]) -> Result<Self, StoredError> {
        match version {
            1 | 2 => {
                let WithoutWays { open, entered } = postcard::from_bytes(bytes)?;
                Ok(Self {
                    open,
                    entered,
                    went: Vec::new(),
                })
            }
            _ => Err(StoredError::Damaged(format!(
                "there is no version {version} of journeys"
            ))),
        }
    }
}

impl Section for Journeys {
    const TAG: u16 = 43;
    const WRITTEN_BY: &'static [EventName] = &[];
    const FIELDS: &'static [Field<Self>] = &[field(
        "journeys",
        Type::TEXTS,
        "the journeys that she is inside, by their triggers",
        |p, _| Value::List(p.open.iter().map(|it| it.trigger.as_str()).collect()),
    )];

    fn apply(&mut self, _event: &Event, _local: Local<'_>) {}

    /// She is where either was; in one that both were in, where she was under her own id. The last to be entered have no room.
    fn merge(&mut self, other: Self, _local: Local<'_>) {
        for place in other.open {
            if !self.is_inside(place.key, place.about.as_ref()) {
                self.open.push(place);
            }
        }
        self.open.sort_by_key(|it| it.began.at);
        self.open.truncate(OPEN_MAX);
        for entered in other.entered {
            let is_it = |it: &&mut Entered| (it.key, &it.about) == (entered.key, &entered.about);
            match self.entered.iter_mut().find(is_it) {
                Some(own) => own.at = own.at.max(entered.at),
                None => self.entered.push(entered),
            }
        }
        self.entered.sort_by_key(|it| it.at);
        let beyond = self.entered.len().saturating_sub(ENTERED_MAX);
        self.entered.drain(..beyond);
        self.went.extend(other.went);
        self.went.sort_by_key(|it| it.at);
        let beyond = self.went.len().saturating_sub(WENT_MAX);
        self.went.drain(..beyond);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::Currencies;
    use crate::time::Zone;

    fn place(key: u32, about: Option<&str>, at: i64) -> Place {
        Place {
            key,
            trigger: compact_str::format_compact!("t{key}"),
            about: about.map(Text::from),
            began: Began {
                at: Timestamp(at),
                occurrence: compact_str::format_compact!("m{at}"),
                events: Vec::new(),
                facts: Vec::new(),
                event: None,
            },
            held_out: false,
            stands: false,
            step: Some("first".into()),
            way: Vec::new(),
            since: Timestamp(at),
            stays: None,
            asks: None,
            sent: Vec::new(),
        }
    }

    #[test]
    fn a_place_is_due_when_its_step_is_over_or_time_makes_a_condition_true() {
        let mut journeys = Journeys::default();
        assert_eq!(journeys.due(), None);
        journeys.enter(place(1, None, 5), false);
        assert_eq!(journeys.due(), Some(Timestamp(5)), "she goes on at once");
        let own = journeys.of_mut(1, "m5").expect("she is inside");
        own.stays = Some(Stays::Until(Timestamp(40)));
        assert_eq!(own.due(), Timestamp(40));
        own.asks = Some(Timestamp(30));
        assert_eq!(journeys.due(), Some(Timestamp(30)));
    }

    #[test]
    fn so_many_are_remembered_and_the_one_entered_longest_ago_makes_way() {
        let mut journeys = Journeys::default();
        for n in 0..=ENTERED_MAX {
            let at = i64::try_from(n).expect("small");
            let about = compact_str::format_compact!("o{n}");
            journeys.enter(place(1, Some(&about), at), true);
            journeys.leave(|_| true);
        }
        let entered = |about: &str| journeys.entered(1, Some(&about.into()));
        assert_eq!((entered("o0"), entered("o1")), (None, Some(Timestamp(1))));
        assert!(journeys.open().is_empty() && !journeys.is_empty());
        journeys.forget(|key| key == 1);
        assert!(journeys.is_empty());
    }

    #[test]
    fn of_two_ids_she_is_where_either_was() {
        let (mut own, mut other) = (Journeys::default(), Journeys::default());
        own.enter(place(1, None, 10), true);
        other.enter(place(1, None, 20), true);
        other.enter(place(1, Some("o1"), 5), false);
        other.enter(place(2, None, 7), false);
        let (zone, currencies) = (&Zone::default, &Currencies::default());
        let address = &|_| None;
        let local = Local {
            zone,
            currencies,
            address,
        };
        own.merge(other, local);
        let open: Vec<_> = own
            .open()
            .iter()
            .map(|it| (it.key, it.began.at.0))
            .collect();
        assert_eq!(open, [(1, 5), (2, 7), (1, 10)]);
        assert_eq!(
            own.entered(1, None),
            Some(Timestamp(20)),
            "the later counts"
        );
    }

    #[test]
    fn a_steps_occurrence_is_of_its_moment() {
        let step = occurrence("m1", "reminder");
        assert_eq!(step, "m1#reminder");
        assert!(is_of(&step, "m1") && is_of("m1", "m1"));
        assert!(!is_of("m10", "m1") && !is_of("m10#reminder", "m1"));
    }
}
