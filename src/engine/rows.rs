//! Rows of tables that come by topics: taken in when they come, and kept with the customers who were decided by them.
//!
//! A row counts from when it was told on, and never before the watermark: what is settled is decided, and is not decided otherwise by
//! a row that comes late. Whoever changed in the transaction of a row, or before it, is written in it. So what is taken again after
//! a crash was decided by the rows as they were written, and no row is taken again.

use std::sync::Arc;

use super::erasures::Record;
use super::undo::Undo;
use super::{Effect, Engine};
use crate::event::Text;
use crate::event::record::Reject;
use crate::stored::StoredError;
use crate::table::rows::{Cells, Row, Told};
use crate::trigger::plan::Plan;

/// What the changelog keys of rows begin with; the topic follows, and behind the same byte the key. No customer id has control
/// characters, nor has the name of a topic.
pub const KEY: &[u8] = b"\0row\0";
/// Version of the value.
const VERSION: u8 = 1;

/// What the rows were, by topic and key, that the open and the sealed transaction have changed.
pub(super) type Changed = Undo<(Text, Text), Row>;

/// Takes a changelog record in; `of` without [`KEY`].
pub(super) fn restore(plan: &mut Plan, of: &[u8], value: Option<&[u8]>) -> Result<(), StoredError> {
    let of = std::str::from_utf8(of).map_err(|error| StoredError::Damaged(error.to_string()))?;
    let (topic, key) = of
        .split_once('\0')
        .ok_or_else(|| StoredError::Damaged("a row without a topic".to_owned()))?;
    let row = value.map(read).transpose()?;
    plan.put_row(&topic.into(), &key.into(), row);
    Ok(())
}

fn read(value: &[u8]) -> Result<Row, StoredError> {
    match value {
        [VERSION, rest @ ..] => Ok(postcard::from_bytes(rest)?),
        [found, ..] => Err(StoredError::newer("a row of a table", *found, VERSION)),
        [] => Err(StoredError::Damaged("a row without a version".to_owned())),
    }
}

impl Engine {
    /// A row was told.
    pub(super) fn row(&mut self, told: Told, effects: &mut Vec<Effect>) {
        let settled = self.watermark;
        while let Some((topic, key)) = self.plan.rows.ended(settled) {
            self.put((topic, key), None);
        }
        let Told {
            topic,
            key,
            at,
            cells,
        } = told;
        let cells = match cells {
            Some(Ok(cells)) => self.checked(&topic, cells).map(Some),
            Some(Err(reject)) => Err(reject),
            None => Ok(None),
        };
        let mut lists = self.plan.suppressions.iter();
        let cells = match cells {
            Ok(cells) => cells,
            // What cannot be read keeps nobody off a list.
            Err(_) if lists.any(|list| list.topic() == Some(&topic)) => Some(Cells::default()),
            Err(reject) => {
                effects.push(Effect::Rejected(reject));
                return;
            }
        };
        let known = self.plan.rows.of(&topic, &key);
        if known.and_then(Row::latest) == cells.as_ref() {
            return;
        }
        let row = Row::told(known, at.max(settled.plus(1)), cells, settled);
        let is_full = |row: &Row| !self.plan.rows.has_place(&topic, &key, row);
        if row.as_ref().is_some_and(is_full) {
            effects.push(Effect::Rejected(Reject::TableFull(topic)));
            return;
        }
        self.put((topic, key), row);
    }

    /// What a row says, where each table that it belongs to can read it.
    fn checked(&self, topic: &Text, cells: Cells) -> Result<Cells, Reject> {
        let tables = self.plan.tables.iter();
        for (_, table) in tables.filter(|(_, table)| table.topic() == Some(topic)) {
            table.check(&cells).map_err(Reject::BadRow)?;
        }
        Ok(cells)
    }

    fn put(&mut self, (topic, key): (Text, Text), row: Option<Row>) {
        // Only for a moment somebody else holds it: who is shown a customer.
        let before = Arc::make_mut(&mut self.plan).put_row(&topic, &key, row);
        self.changed_rows.note((topic, key), || before);
        self.writes_all = true;
    }

    /// The changelog records of the rows that changed since the last seal.
    pub(super) fn seal_rows(&mut self) -> Vec<Record> {
        let rows = &self.plan.rows;
        let record = |(topic, key): &(Text, Text)| {
            let row = rows.of(topic, key);
            let value = row.and_then(|row| postcard::to_extend(row, vec![VERSION]).ok());
            let key = [KEY, topic.as_bytes(), b"\0", key.as_bytes()].concat();
            (key, value)
        };
        self.changed_rows.seal().map(record).collect()
    }

    /// Neither the sealed transaction nor what came after it has happened.
    pub(super) fn rollback_rows(&mut self) {
        let before: Vec<_> = self.changed_rows.undone().collect();
        if before.is_empty() {
            return;
        }
        let plan = Arc::make_mut(&mut self.plan);
        for ((topic, key), row) in before {
            plan.put_row(&topic, &key, row);
        }
    }
}
