//! Reference tables: what a company knows of things rather than of customers (companions of a product, regions, stores), to be looked
//! up in expressions. The rows of one stand in a file of its set, or come by a [topic](rows).

pub mod rows;

use std::collections::HashMap;

use self::rows::{Cells, Rows};
use crate::event::{Item, Property, Text, Type};
use crate::time::{Timestamp, Zone, parse_day};
use crate::value::Value;

/// Bounds of a table.
pub mod limits {
    /// Rows: a catalogue of everything a shop of some size sells.
    pub const ROWS: usize = 100_000;
    /// Columns.
    pub const COLUMNS: usize = 32;
    /// Of a table's or a column's name: they stand in expressions.
    pub const NAME_BYTES: usize = 64;
}

/// A table: rows by key, the columns of which have a name and a type.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// In the order in which rows have their values.
    columns: Vec<(String, Type)>,
    rows: HashMap<Text, Box<[Option<Property>]>, foldhash::fast::FixedState>,
    /// The topic by which its rows come; none: it has its own.
    topic: Option<Text>,
}

/// By what a value of a row is found.
#[derive(Clone, Copy, Debug)]
pub struct Place<'k> {
    /// The key of the row.
    pub key: &'k str,
    /// Where the value stands in a row.
    pub column: usize,
    /// As of when it is asked.
    pub at: Timestamp,
}

/// A value as it is written.
#[derive(Clone, Debug, PartialEq)]
pub enum Written<'c> {
    /// By itself.
    Text(&'c str),
    /// One of several.
    List(Vec<&'c str>),
}

impl Table {
    /// A table without rows; columns in the order in which rows have their values.
    #[must_use]
    pub fn new(columns: impl IntoIterator<Item = (String, Type)>) -> Self {
        Self {
            columns: columns.into_iter().collect(),
            ..Self::default()
        }
    }

    /// The same, the rows of which come by a topic.
    #[must_use]
    pub fn by_topic(self, topic: Text) -> Self {
        Self {
            topic: Some(topic),
            ..self
        }
    }

    /// The topic by which its rows come; none where it has them itself.
    #[must_use]
    pub fn topic(&self) -> Option<&Text> {
        self.topic.as_ref()
    }

    /// Where the values of a column stand in each row, and their type.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<(usize, Type)> {
        let place = self.columns.iter().position(|(known, _)| known == name)?;
        Some((place, self.columns[place].1))
    }

    /// The names of its columns.
    pub fn columns(&self) -> impl Iterator<Item = &str> + Clone {
        self.columns.iter().map(|(name, _)| name.as_str())
    }

    /// Takes a row in, its values in the order of the columns; whether there was none by this key.
    pub fn insert(&mut self, key: Text, row: Vec<Option<Property>>) -> bool {
        self.rows.insert(key, row.into()).is_none()
    }

    /// How many rows there are that did not come by a topic.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Whether a row of its topic says of each of its columns nothing, or what can be read as its type.
    ///
    /// # Errors
    /// The first that cannot be read, and what was expected.
    pub fn check(&self, cells: &Cells) -> Result<(), String> {
        for (name, kind) in &self.columns {
            if let Some(cell) = cells.get(name)
                && property(&cell.written(), *kind).is_none()
            {
                let expected = kind.described();
                return Err(format!("`{name}` is {cell}; expected {expected}"));
            }
        }
        Ok(())
    }

    /// A value of a row; null where there is no such row or it does not say. A date is its end in `zone`. `rows`: those of topics.
    #[must_use]
    pub fn value<'a>(
        &'a self,
        rows: &'a Rows,
        place: Place<'_>,
        zone: &dyn Fn() -> Zone,
    ) -> Value<'a> {
        match &self.topic {
            None => {
                let row = self.rows.get(place.key);
                let found = row.and_then(|row| row.get(place.column)?.as_ref());
                found.map_or(Value::Null, |found| Value::of(found, zone))
            }
            Some(topic) => {
                let Some((name, kind)) = self.columns.get(place.column) else {
                    return Value::Null;
                };
                let row = rows.of(topic, place.key);
                let cell = row.and_then(|row| row.at(place.at)?.get(name));
                cell.map_or(Value::Null, |cell| cell.value(*kind, zone))
            }
        }
    }
}

/// A value of this type; none where it is not known, or cannot be read as that.
#[must_use]
pub fn property(said: &Written<'_>, kind: Type) -> Option<Property> {
    let text = match said {
        Written::List(items) => return list(items.iter().copied(), kind),
        Written::Text(text) => text.trim(),
    };
    match kind {
        _ if text.is_empty() => None,
        Type::Bool => match text {
            "true" => Some(Property::Bool(true)),
            "false" => Some(Property::Bool(false)),
            _ => None,
        },
        Type::Number => {
            let number = text.parse().ok();
            let number = number.filter(|number: &f64| number.is_finite());
            number.map(Property::Number)
        }
        Type::Text => Some(Property::Text(text.into())),
        Type::Time => Timestamp::parse(text).map(Property::Time),
        Type::Date => parse_day(text).map(Property::Date),
        Type::List(_) => list(items(text), kind),
        Type::Duration => None,
    }
}

/// What stands between bars.
fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split('|').map(str::trim).filter(|it| !it.is_empty())
}

/// A list of this type, each as it is written.
fn list<'t>(items: impl Iterator<Item = &'t str>, kind: Type) -> Option<Property> {
    let Type::List(of) = kind else { return None };
    let read = |text: &'t str| {
        let is_one = of == Item::Text || property(&Written::Text(text), of.kind()).is_some();
        is_one.then(|| Text::from(text))
    };
    items.map(read).collect::<Option<_>>().map(Property::List)
}
