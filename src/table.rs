//! Reference tables: what a company knows of things rather than of customers (companions of a product, regions, stores), to be looked
//! up in expressions.

use std::collections::{BTreeMap, HashMap};

use crate::event::{Property, Text, Type};
use crate::time::Zone;
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
    columns: BTreeMap<String, (usize, Type)>,
    rows: HashMap<Text, Box<[Option<Property>]>, foldhash::fast::FixedState>,
}

impl Table {
    /// A table without rows; columns in the order in which rows have their values.
    #[must_use]
    pub fn new(columns: impl IntoIterator<Item = (String, Type)>) -> Self {
        let columns = columns.into_iter().enumerate();
        Self {
            columns: columns.map(|(i, (name, kind))| (name, (i, kind))).collect(),
            rows: HashMap::default(),
        }
    }

    /// Where the values of a column stand in each row, and their type.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<(usize, Type)> {
        self.columns.get(name).copied()
    }

    /// The names of its columns, sorted.
    pub fn columns(&self) -> impl Iterator<Item = &str> + Clone {
        self.columns.keys().map(String::as_str)
    }

    /// Takes a row in, its values in the order of the columns; whether there was none by this key.
    pub fn insert(&mut self, key: Text, row: Vec<Option<Property>>) -> bool {
        self.rows.insert(key, row.into()).is_none()
    }

    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// A value of a row; null where there is no such row or it does not say. A date is its end in `zone`.
    #[must_use]
    pub fn value(&self, key: &str, column: usize, zone: &dyn Fn() -> Zone) -> Value<'_> {
        let found = self.rows.get(key).and_then(|row| row.get(column)?.as_ref());
        found.map_or(Value::Null, |found| Value::of(found, zone))
    }
}
