//! Rows that come by topics: what a company knows of things, as it changes.
//!
//! Of each topic its rows by key, as they were written: who asks says of which type a value is, so no set of files has to be there
//! when a row comes. A row counts from an instant on, and what it said before stays for as long as something of before may still
//! be settled: what is asked as of an event's time is the same whenever it is asked. Which instant that is, is the caller's to say.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Written, items, property};
use crate::event::record::Reject;
use crate::event::{Property, Text, Type};
use crate::time::{Timestamp, Zone};
use crate::value::Value;

/// Bounds of what comes by a topic. Each task holds it all.
pub mod limits {
    /// Rows of a topic: a catalogue of everything that a large shop sells, or whoever is on the list of a country.
    pub const ROWS: usize = 1_000_000;
    /// Bytes of a topic's rows in memory, about.
    pub const BYTES: usize = 64 * 1024 * 1024;
    /// What a row says, columns that nobody declared among it.
    pub const CELLS: usize = 256;
    /// What a row said before, while something of then may still be settled: it changes each second within the lateness, by default.
    pub const VERSIONS: usize = 64;
}

/// What a row takes beside what it says: its place in the table, and its instant.
const ROW_BYTES: usize = 96;

/// Nothing has come by any topic.
pub static NONE: Rows = Rows {
    topics: BTreeMap::new(),
    gone: BTreeSet::new(),
};

/// The rows of all topics.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows {
    topics: BTreeMap<Text, Topic>,
    /// Rows that end, and from when on.
    gone: BTreeSet<(Timestamp, Text, Text)>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Topic {
    rows: HashMap<Text, Row, foldhash::fast::FixedState>,
    bytes: usize,
}

/// A row: what it says since when, the oldest first, at least one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row(Vec<Version>);

/// What a row says from an instant on; nothing: there is none then.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Version {
    from: Timestamp,
    cells: Option<Cells>,
}

/// What a row says, by the names of columns, sorted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cells(Box<[(Text, Cell)]>);

/// What a row says of a column, as it is written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Cell {
    /// By itself.
    Text(Text),
    /// One of several.
    List(Vec<Text>),
}

/// What a record of a topic of rows says.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// The topic.
    pub topic: Text,
    /// The key of the row.
    pub key: Text,
    /// When it was told.
    pub at: Timestamp,
    /// What it says, or why that cannot be read; none: there is no such row any more.
    pub cells: Option<Result<Cells, Reject>>,
}

impl Rows {
    /// A row of a topic.
    #[must_use]
    pub fn of(&self, topic: &str, key: &str) -> Option<&Row> {
        self.topics.get(topic)?.rows.get(key)
    }

    /// The rows of a topic, in no particular order.
    pub fn all(&self, topic: &str) -> impl Iterator<Item = (&Text, &Row)> {
        self.topics
            .get(topic)
            .into_iter()
            .flat_map(|topic| &topic.rows)
    }

    /// How many rows each topic has, and their bytes, about.
    pub fn sizes(&self) -> impl Iterator<Item = (&Text, usize, usize)> {
        let topics = self.topics.iter();
        topics.map(|(name, topic)| (name, topic.rows.len(), topic.bytes))
    }

    /// Whether a topic has a place for a row as it would be.
    #[must_use]
    pub fn has_place(&self, topic: &str, key: &str, row: &Row) -> bool {
        let Some(known) = self.topics.get(topic) else {
            return true;
        };
        let own = known.rows.get(key).map(|row| row.bytes(key));
        let rows = known.rows.len() + usize::from(own.is_none());
        let bytes = known.bytes + row.bytes(key) - own.unwrap_or(0);
        rows <= limits::ROWS && bytes <= limits::BYTES
    }

    /// Puts a row in another's place, or takes it out; what was there.
    pub fn put(&mut self, topic: &Text, key: &Text, row: Option<Row>) -> Option<Row> {
        let of = self.topics.entry(topic.clone()).or_default();
        let ends = |row: &Row| Some((row.ends()?, topic.clone(), key.clone()));
        self.gone.extend(row.as_ref().and_then(ends));
        let before = match row {
            Some(row) => {
                of.bytes += row.bytes(key);
                of.rows.insert(key.clone(), row)
            }
            None => of.rows.remove(key),
        };
        if let Some(before) = &before {
            of.bytes -= before.bytes(key);
            let stays = of.rows.get(key).and_then(Row::ends);
            if let Some(end) = ends(before).filter(|(at, ..)| Some(*at) != stays) {
                self.gone.remove(&end);
            }
        }
        before
    }

    /// A row, by topic and key, that is there no more at an instant nor after it.
    #[must_use]
    pub fn ended(&self, by: Timestamp) -> Option<(Text, Text)> {
        let (at, topic, key) = self.gone.first()?;
        (*at <= by).then(|| (topic.clone(), key.clone()))
    }
}

impl Row {
    /// The row, as `before` said so far, once it was told what it says from an instant on, or that there is none. Up to `settled`
    /// nobody asks any more. None where there is nothing of it.
    #[must_use]
    pub fn told(
        before: Option<&Self>,
        from: Timestamp,
        cells: Option<Cells>,
        settled: Timestamp,
    ) -> Option<Self> {
        let mut versions = before.map_or_else(Vec::new, |row| row.0.clone());
        // Told at one instant, or before the last: the last that is told counts.
        versions.retain(|it| it.from < from);
        versions.push(Version { from, cells });
        let passed = versions.partition_point(|it| it.from <= settled);
        let spare = versions.len().saturating_sub(limits::VERSIONS);
        let spare = spare.max(passed.saturating_sub(1));
        versions.drain(..spare);
        if let Some(first) = versions.first_mut().filter(|_| spare > 0) {
            first.from = Timestamp::MIN;
        }
        let is_nothing = versions.iter().all(|it| it.cells.is_none());
        (!is_nothing).then_some(Self(versions))
    }

    /// What it says as of an instant; of before what is kept, the first that is.
    #[must_use]
    pub fn at(&self, at: Timestamp) -> Option<&Cells> {
        let passed = self.0.iter().rev().find(|it| it.from <= at);
        passed?.cells.as_ref()
    }

    /// What it says by what was told last.
    #[must_use]
    pub fn latest(&self) -> Option<&Cells> {
        self.0.last()?.cells.as_ref()
    }

    /// From when on there is none.
    fn ends(&self) -> Option<Timestamp> {
        let last = self.0.last()?;
        last.cells.is_none().then_some(last.from)
    }

    fn bytes(&self, key: &str) -> usize {
        let said = self.0.iter().flat_map(|it| &it.cells);
        let said = said.flat_map(|cells| &cells.0);
        let said = said.map(|(name, cell)| size_of::<(Text, Cell)>() + name.len() + cell.bytes());
        key.len() + ROW_BYTES * self.0.len() + said.sum::<usize>()
    }
}

impl Cells {
    /// What a row says, by name; of a name twice, the last counts.
    #[must_use]
    pub fn new(said: BTreeMap<Text, Cell>) -> Self {
        Self(said.into_iter().collect())
    }

    /// What it says of a column.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Cell> {
        let place = self
            .0
            .binary_search_by(|(known, _)| known.as_str().cmp(name));
        place.ok().map(|place| &self.0[place].1)
    }
}

impl Cell {
    /// As it is written.
    #[must_use]
    pub fn written(&self) -> Written<'_> {
        match self {
            Self::Text(text) => Written::Text(text),
            Self::List(items) => Written::List(items.iter().map(Text::as_str).collect()),
        }
    }

    /// As a value of a type; null where it cannot be read as that.
    pub(super) fn value(&self, kind: Type, zone: &dyn Fn() -> Zone) -> Value<'_> {
        match (self, kind) {
            (Self::List(texts), Type::List(_)) => Value::texts(texts),
            (Self::List(_), _) => Value::Null,
            (Self::Text(text), Type::List(_)) => Value::List(items(text).collect()),
            (Self::Text(text), Type::Text) => Value::Text(text.trim()),
            (Self::Text(text), _) => match property(&Written::Text(text), kind) {
                Some(Property::Bool(value)) => Value::Bool(value),
                Some(Property::Number(value)) => Value::Number(value),
                Some(Property::Time(value)) => Value::Time(value),
                Some(Property::Date(day)) => Value::Time(Timestamp::end_of_day(day, &zone())),
                Some(Property::Text(_) | Property::List(_)) | None => Value::Null,
            },
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::List(items) => items.iter().map(|it| size_of::<Text>() + it.len()).sum(),
        }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "`{text}`"),
            Self::List(items) => write!(f, "a list of {}", items.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(price: &str) -> Option<Cells> {
        let said = [("price".into(), Cell::Text(price.into()))];
        (!price.is_empty()).then(|| Cells::new(said.into()))
    }

    fn price(row: Option<&Row>, at: i64) -> &str {
        let cell = row.and_then(|row| row.at(Timestamp(at))?.get("price"));
        match cell {
            Some(Cell::Text(text)) => text,
            Some(Cell::List(_)) | None => "",
        }
    }

    type Telling = (i64, i64, &'static str);

    /// What was told: from when on, up to where all is settled, and what; and what it is then at 5, 15 and 25.
    #[rustfmt::skip]
    const TOLD: &[(&[Telling], [&str; 3])] = &[
        (&[(10, 0, "a")], ["", "a", "a"]),
        (&[(10, 0, "a"), (20, 9, "b")], ["", "a", "b"]),
        (&[(10, 0, "a"), (20, 20, "b")], ["b", "b", "b"]),
        (&[(10, 0, "a"), (20, 9, "")], ["", "a", ""]),
        (&[(10, 0, "a"), (20, 9, ""), (25, 9, "c")], ["", "a", "c"]),
        (&[(10, 0, "a"), (20, 20, "")], ["", "", ""]),
        (&[(10, 0, "a"), (10, 0, "b")], ["", "b", "b"]),
        (&[(10, 0, "a"), (20, 9, "b"), (15, 9, "c")], ["", "c", "c"]),
        (&[(10, 0, "")], ["", "", ""]),
    ];

    #[test]
    fn a_row_says_what_it_said_as_of_an_instant() {
        for (told, expected) in TOLD {
            let row = told
                .iter()
                .fold(None, |row: Option<Row>, (from, settled, said)| {
                    let (from, settled) = (Timestamp(*from), Timestamp(*settled));
                    Row::told(row.as_ref(), from, cells(said), settled)
                });
            let found = [5, 15, 25].map(|at| price(row.as_ref(), at));
            assert_eq!(found, *expected, "{told:?}");
        }
    }

    #[test]
    fn it_keeps_so_many_versions() {
        let row = (0..100).fold(None, |row: Option<Row>, at| {
            Row::told(row.as_ref(), Timestamp(at), cells("1"), Timestamp(-1))
        });
        assert_eq!(row.map(|row| row.0.len()), Some(limits::VERSIONS));
    }

    #[test]
    fn what_is_put_and_taken_out_again_leaves_nothing() {
        let (topic, key) = (Text::from("catalogue"), Text::from("p1"));
        let mut rows = Rows::default();
        let told = |before: Option<&Row>, from, said| {
            Row::told(before, Timestamp(from), cells(said), Timestamp(0))
        };
        let first = told(None, 1, "a");
        let ends = told(first.as_ref(), 2, "");
        assert_eq!(rows.put(&topic, &key, first.clone()), None);
        assert_eq!(rows.put(&topic, &key, ends.clone()), first);
        assert_eq!(rows.ended(Timestamp(1)), None);
        assert_eq!(rows.ended(Timestamp(2)), Some((topic.clone(), key.clone())));
        // The same once more, as who restores may say it.
        assert_eq!(rows.put(&topic, &key, ends.clone()), ends);
        assert_eq!(rows.ended(Timestamp(2)), Some((topic.clone(), key.clone())));
        assert_eq!(rows.put(&topic, &key, None), ends);
        assert_eq!(rows.ended(Timestamp(9)), None);
        assert_eq!(rows.sizes().next(), Some((&topic, 0, 0)));
    }

    #[test]
    fn a_topic_has_a_limit() {
        let (topic, key) = (Text::from("catalogue"), Text::from("p1"));
        let mut rows = Rows::default();
        let long = "x".repeat(limits::BYTES / 2);
        let row = Row::told(None, Timestamp(1), cells(&long), Timestamp(0)).expect("a row");
        assert!(rows.has_place(&topic, &key, &row));
        rows.put(&topic, &key, Some(row.clone()));
        assert!(rows.has_place(&topic, &key, &row), "in its own place");
        assert!(!rows.has_place(&topic, "p2", &row));
        assert!(rows.has_place("another", "p2", &row));
    }
}
