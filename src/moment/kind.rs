//! What a way for a condition to come true is made of.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::document::keys::{Known, Shape};
use crate::document::reader::{Fields, Reader};
use crate::document::yaml::Node;
use crate::event::{Event, EventName, Text};
use crate::expression::{Expression, Scope};
use crate::profile::{Settled, TailEvent};
use crate::stored::{Lazy, Stored};
use crate::table::rows::Rows;
use crate::time::Timestamp;

/// Decided when its deadline is reached.
pub const AFTER_WATERMARK: &str = "when the watermark has reached it";

/// A way for a condition to come true: one file each, with its keys, its reading, its state, its documentation, and one line in
/// [`super::kinds`].
///
/// What is asked of it, in this order: it [begins](MomentKind::begin) for a customer it knows nothing of, takes
/// [events](MomentKind::event) in as they settle, says when its next deadline [is due](MomentKind::due), and
/// [fires](MomentKind::fire) there. One that speaks [`Sees::SoFar`] is shown each event also when it is seen, on a copy of its
/// state to which the events before it that are not settled yet were shown: what it finds there is decided at once, and what it
/// finds when the event settles counts for its state alone.
pub trait MomentKind: Sized {
    /// What it remembers of one customer, once something concerns her.
    type State: Stored + Clone + PartialEq + fmt::Debug;

    /// What its state is stored under; never another kind's again. 0 is nobody's.
    const TAG: u16;
    /// For people.
    const DESCRIBED: Described;
    /// What stands under its word in a trigger file.
    const SHAPE: Shape;

    /// Whether it takes an event that tells once more of what was told before, as an order of an id that is known. To most it would
    /// count twice.
    const TAKES_AGAIN: bool = false;

    /// Reads what stands under its word.
    fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self>;

    /// What may change its state.
    fn concerns(&self) -> Concerns;

    /// The names of which `event` may be when a moment is decided, where one is at hand.
    fn at_hand(&self) -> Vec<EventName> {
        self.concerns().names()
    }

    /// Whether the event is at hand when a moment of it is decided.
    fn has_event(&self) -> bool {
        Self::DESCRIBED.has_event
    }

    /// When its moments are decided.
    fn sees(&self) -> Sees {
        Sees::Settled
    }

    /// Whether it remembers anything from event to event.
    fn remembers(&self) -> bool {
        size_of::<Self::State>() > 0
    }

    /// Whether one of its expressions asks for the profile before the event.
    fn uses_previous(&self) -> bool;

    /// What it knows of a customer whom it was not shown so far, as far as what is settled tells it exactly; none: it begins with
    /// the first event that concerns it. `decided`: what it was about that the trigger decided last, where it was in the set
    /// before.
    fn begin(&self, _settled: &Settled, _decided: Option<Timestamp>) -> Option<Self::State> {
        None
    }

    /// Takes the event of `scope` in, after the profile has.
    fn event(&self, state: &mut Kept<'_, Self::State>, scope: &Scope<'_>, found: &mut Found);

    /// Whether it may come true at an event that concerns it and that nobody has taken in, by what it remembers of what is settled. Of
    /// one that speaks [`Sees::SoFar`]: where this says no, the event is shown to it only when it settles.
    fn may_come_true(&self, _state: Option<&Self::State>, _unseen: Unseen<'_>) -> bool {
        true
    }

    /// The earliest that a deadline, or a decision, may follow an event that concerns it and is not settled yet: when the
    /// customer must be looked at again. `settled` is what is known of her without it. Too early costs a look, too late would
    /// delay a decision.
    fn looks_again(&self, event: &Event, settled: &Settled) -> Option<Timestamp>;

    /// The next deadline.
    fn due(&self, state: &Self::State, settled: &Settled) -> Option<Timestamp>;

    /// What comes true at the next deadline; it is not due again then. `rows`: those of tables that come by topics.
    fn fire(&self, state: &mut Self::State, settled: &Settled, rows: &Rows) -> Option<Moment>;

    /// What the last decision was about, where it might be decided again: the time of the last event before it.
    fn last_decided(_state: &Self::State) -> Option<Timestamp> {
        None
    }

    /// Whether the event of `scope`, which came too late for it, proves a moment wrong: had it come in time, the moment would not have
    /// come true. `state` has taken the event in.
    fn undone(
        &self,
        _state: Option<&Self::State>,
        _past: CameTrue<'_>,
        _scope: &Scope<'_>,
    ) -> bool {
        false
    }

    /// Takes in what it remembers of the same person under another id, which is hers from now on; what is settled of her is merged
    /// already. What is open here and there stays open, unless what happened under the other id ended it; what came true under either
    /// does not again. How much a bound left no place for.
    fn merge(&self, own: &mut Self::State, other: Self::State, both: &Settled) -> u32;

    /// How many deadlines are armed.
    fn armed(&self, state: &Self::State, settled: &Settled) -> usize {
        usize::from(self.due(state, settled).is_some())
    }

    /// When it comes true, for people: half a sentence that begins with `when`, `at` or `each time`.
    fn said(&self) -> String;

    /// Why it is not true of a customer as of the scope's `now`, and what would have to be: one entry for each thing that stands open,
    /// the nearest first. `state` is what it remembers of her; the scope has no event.
    fn explain(&self, state: Option<&Self::State>, scope: &Scope<'_>) -> Vec<Missing>;

    /// The expressions in it, which say what it needs of events and customers.
    fn expressions(&self) -> Vec<&Expression>;

    /// What came true, in a sentence for people; none: what the trigger is for says it.
    fn told(&self, _telling: &Telling<'_>) -> Option<String> {
        None
    }
}

/// A customer's newest event, which nobody has taken in yet.
#[derive(Clone, Copy, Debug)]
pub struct Unseen<'a> {
    /// The event.
    pub event: &'a Event,
    /// What is settled of her.
    pub settled: &'a Settled,
    /// What lies between, in the order of her events.
    pub between: &'a [TailEvent],
    /// The rows of tables that come by topics.
    pub rows: &'a Rows,
}

impl<'a> Unseen<'a> {
    /// The event, and what is settled.
    #[must_use]
    pub fn scope(&self) -> Scope<'a> {
        Scope::of_event(self.event, self.settled, None, self.rows)
    }

    /// The event, and all before it that is not settled.
    pub fn unsettled(&self) -> impl Iterator<Item = &'a Event> {
        let between = self.between.iter().map(|tail| &*tail.event);
        between.chain([self.event])
    }

    /// Each that lies between, as if it were the newest.
    pub fn before(&self) -> impl Iterator<Item = Self> {
        let (whole, between) = (*self, self.between);
        (0..between.len()).map(move |at| Self {
            event: &between[at].event,
            between: &between[..at],
            ..whole
        })
    }
}

/// What a kind remembers of the customer at hand, read only where it is asked for.
#[derive(Debug)]
pub enum Kept<'a, S: Stored> {
    /// As it is stored.
    Known(&'a mut Lazy<S>),
    /// It remembers nothing so far.
    New(&'a mut Option<S>),
}

impl<S: Stored> Kept<'_, S> {
    /// It, if there is any.
    #[must_use]
    pub fn get(&self) -> Option<&S> {
        match self {
            Self::Known(state) => Some(state),
            Self::New(state) => state.as_ref(),
        }
    }

    /// It, to be changed, if there is any.
    #[must_use]
    pub fn get_mut(&mut self) -> Option<&mut S> {
        match self {
            Self::Known(state) => Some(state),
            Self::New(state) => state.as_mut(),
        }
    }

    /// It, to be changed; it begins with `begun` where there is none.
    pub fn get_or_insert_with(&mut self, begun: impl FnOnce() -> S) -> &mut S {
        match self {
            Self::Known(state) => state,
            Self::New(state) => state.get_or_insert_with(begun),
        }
    }

    /// As [`Kept::get_or_insert_with`]; it begins empty.
    pub fn get_or_insert_default(&mut self) -> &mut S
    where
        S: Default,
    {
        self.get_or_insert_with(S::default)
    }
}

/// A kind, for people who declare one.
#[derive(Clone, Copy, Debug)]
pub struct Described {
    /// Its word in trigger files.
    pub word: &'static str,
    /// When it comes true.
    pub comes_true: &'static str,
    /// When it is decided.
    pub decided: &'static str,
    /// What makes a moment this one and no other, within trigger, generation and customer.
    pub occurrence: &'static str,
    /// When it can come true again.
    pub again: &'static str,
    /// Whether the event is at hand when it is decided, for `event` and `previous` in audience and treatments.
    pub has_event: bool,
}

/// What may change the state of a kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Concerns {
    /// Events of these names.
    pub events: Vec<EventName>,
    /// Her time zone: a deadline counts calendar days.
    pub days: bool,
    /// What of these names happened to everybody.
    pub broadcasts: Vec<EventName>,
    /// Every customer, whatever she does: it is shown each of her events, of whatever name, and begins with the first.
    pub everybody: bool,
    /// Where she stands with segments: what may change that is looked at when it has settled.
    pub segments: bool,
}

impl Concerns {
    /// The names that may be at hand as `event` when a moment is decided.
    #[must_use]
    pub fn names(self) -> Vec<EventName> {
        [self.events, self.broadcasts].concat()
    }
}

/// When what an event brings is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sees {
    /// When the event is seen: on what is settled and what is known beyond.
    SoFar,
    /// When the event is settled.
    Settled,
}

/// The key that says when what an event brings is decided; [`when`] reads it.
pub const WHEN: Known = Known::default(
    "when",
    "seen",
    Shape::Words(WORDS),
    "`seen`: decided at once, on what is known then. `settled`: when nothing older is expected any more, history being complete.",
);
const WORDS: &[&str] = &["seen", "settled"];

/// How [`WHEN`] reads for people.
pub const WHEN_SEEN: &str =
    "when the event is seen; with `when: settled`, when the watermark has reached it";

/// Reads [`WHEN`].
pub fn when(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<Sees> {
    let Some(node) = fields.get(WHEN.name) else {
        return Some(Sees::SoFar);
    };
    reader.one_of(node, WORDS).map(|word| match word {
        "settled" => Sees::Settled,
        _ => Sees::SoFar,
    })
}

/// A moment: the condition of a trigger came true for a customer.
#[derive(Clone, Debug, PartialEq)]
pub struct Moment {
    /// When it came true, in event time.
    pub at: Timestamp,
    /// What makes it this one and no other, within (trigger, generation, customer).
    pub occurrence: Text,
    /// The events and facts that made it true.
    pub evidence: Evidence,
}

/// A moment that was decided, as far as what may undo it is asked.
#[derive(Clone, Copy, Debug)]
pub struct CameTrue<'a> {
    /// When it came true.
    pub at: Timestamp,
    /// When the first event of its evidence was.
    pub since: Option<Timestamp>,
    /// What it was about, where its trigger tells one thing from another.
    pub per: Option<&'a str>,
}

impl CameTrue<'_> {
    /// Whether what comes too late lies in it: not before the event that it began with, behind which it is read, and not after it
    /// came true.
    #[must_use]
    pub fn covers(&self, time: Timestamp) -> bool {
        self.since.is_some_and(|since| since <= time) && time <= self.at
    }
}

/// What made a moment true.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evidence {
    /// The events.
    pub events: Vec<EventRef>,
    /// Named facts, such as the bound that was passed.
    pub facts: Vec<(Cow<'static, str>, serde_json::Value)>,
}

impl Evidence {
    /// These events and facts.
    #[must_use]
    pub fn of(events: Vec<EventRef>, facts: Vec<(&'static str, serde_json::Value)>) -> Self {
        let facts = facts.into_iter();
        Self {
            events,
            facts: facts
                .map(|(name, value)| (Cow::Borrowed(name), value))
                .collect(),
        }
    }

    /// A fact by its name.
    #[must_use]
    pub fn fact(&self, name: &str) -> Option<&serde_json::Value> {
        let found = self.facts.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value)
    }
}

/// An event as evidence remembers it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventRef {
    /// Its id.
    pub id: Text,
    /// When it happened.
    pub time: Timestamp,
}

impl EventRef {
    /// An event of which only the time is known.
    #[must_use]
    pub fn at(time: Timestamp) -> Self {
        let id = compact_str::format_compact!("{time}");
        Self { id, time }
    }
}

/// What came of an event.
#[derive(Debug, Default)]
pub struct Found {
    /// The moment that came true at the event itself.
    pub moment: Option<Moment>,
    /// What a bound left no place for: deadlines that were not opened, entries that made way too early.
    pub refused: u32,
}

/// What is missing for a moment to come true.
#[derive(Clone, Debug, PartialEq)]
pub struct Missing {
    /// A sentence.
    pub says: String,
    /// When it comes true if nothing more happens; none: something has to happen.
    pub due: Option<Timestamp>,
    /// What it goes by, by names that stay: `per`, `anchor`, `step`, `measured`, `bound`, ...
    pub facts: Vec<(&'static str, serde_json::Value)>,
}

impl Missing {
    /// Something has to happen.
    #[must_use]
    pub fn event(says: String) -> Self {
        Self {
            says,
            due: None,
            facts: Vec::new(),
        }
    }

    /// Time alone makes it true.
    #[must_use]
    pub fn due(at: Timestamp, says: String) -> Self {
        Self {
            due: Some(at),
            ..Self::event(says)
        }
    }

    /// The same, going by one thing more.
    #[must_use]
    pub fn by(mut self, name: &'static str, value: impl Into<serde_json::Value>) -> Self {
        self.facts.push((name, value.into()));
        self
    }
}

/// A sentence that begins with a capital letter.
#[must_use]
pub fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

/// What a moment is told from: names of events, and what its decision recorded.
pub struct Telling<'a> {
    /// The name of an event.
    pub name: &'a dyn Fn(EventName) -> String,
    /// A fact of the evidence; 0 where it is not there.
    pub fact: &'a dyn Fn(&str) -> f64,
    /// When the first event of the evidence was, in the form of `strftime`; empty where there is none.
    pub since: &'a dyn Fn(&str) -> String,
    /// A length of time in ms, in words.
    pub long: &'a dyn Fn(i64) -> String,
}

impl Moment {
    /// The moment of an event that made it true by itself.
    #[must_use]
    pub fn of_event(event: &Event, facts: Vec<(&'static str, serde_json::Value)>) -> Self {
        Self {
            at: event.time,
            occurrence: event.id.clone(),
            evidence: Evidence::of(vec![EventRef::of(event)], facts),
        }
    }
}

impl EventRef {
    /// An event.
    #[must_use]
    pub fn of(event: &Event) -> Self {
        Self {
            id: event.id.clone(),
            time: event.time,
        }
    }
}

/// What the tests of kinds share.
#[cfg(test)]
pub mod tests {
    use std::collections::BTreeMap;

    use super::MomentKind;
    use crate::document::reader::{Declared, Reader};
    use crate::document::report::{Source, rendered};
    use crate::document::yaml;
    use crate::event::{Event, EventName, Position, Type, Vocabulary};
    use crate::time::Timestamp;

    /// Reads what stands under a kind's word; else what is wrong with it. The attribute `birthday` is a time.
    pub fn reading<K: MomentKind>(text: &str) -> Result<K, String> {
        let source = Source::new("t.yaml", text.to_owned());
        let (vocabulary, attributes) = (
            Vocabulary::standard(),
            BTreeMap::from([("birthday".to_owned(), Type::Time)]),
        );
        let declared = Declared::new(&vocabulary, &attributes);
        let mut reader = Reader::new(&source, declared);
        let node = yaml::parse(&source, &mut reader.reports);
        let kind = node.and_then(|node| K::read(&mut reader, &node));
        let reports = rendered(&reader.reports);
        kind.filter(|_| reader.reports.is_empty()).ok_or(reports)
    }

    /// An event that says nothing but its name.
    pub fn said(name: EventName, time: Timestamp) -> Event {
        Event {
            customer: "ana".into(),
            time,
            position: Position::default(),
            id: compact_str::format_compact!("{time}"),
            has_message_id: false,
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
}
