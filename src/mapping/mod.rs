//! From foreign records to ours: what a mapping file says, compiled once and applied to each record of a topic.
//!
//! A mapping gives the call that a producer of our own format would have written (`userId`, `timestamp`, `event`,
//! `properties` ...), and that call is read by the same decoder as everybody's: so types, limits and defects are the same.
//! `docs/mapping.md` is its manual.
//!
//! Deliberately absent: one record to several events, and loops. A record is one event of one customer, as everywhere.

pub mod condition;
pub mod path;
mod read;
mod rule;
mod scalar;
pub mod scope;
mod set;
#[cfg(test)]
mod tests;
pub mod time;
pub mod value;

use std::collections::HashMap;

use serde_json::Value as Json;

pub use read::{KEYS, read};
pub use rule::Rule;
pub use set::{Mappings, is_mapping_file};

use self::scope::Scope;
use self::value::Value;
use crate::event::Text;
use crate::event::record::{Origin, Reject};

/// A mapping file, compiled.
#[derive(Clone, Debug)]
pub struct Mapping {
    /// Its name.
    pub name: String,
    /// What a foreign event is called; without it all are one.
    event_name: Option<Value>,
    /// Whether names count by their letters and digits alone.
    any_case: bool,
    /// By foreign name, as it counts; by nothing where all are one.
    by_name: HashMap<Text, Named>,
    /// Texts that stand for null in its records.
    null_values: Vec<String>,
    /// Whether what has no rule is ignored.
    ignores_unmapped: bool,
    /// The file's text, for the revision.
    text: String,
}

/// What becomes of foreign events of a name.
#[derive(Clone, Debug)]
enum Named {
    /// The first whose conditions hold makes an event.
    Rules(Vec<Rule>),
    /// They mean nothing here.
    Ignore,
}

impl Mapping {
    /// The call that stands for a record.
    ///
    /// # Errors
    /// That it is to be ignored, or why it stands for none.
    pub fn apply(&self, record: &Json, origin: &Origin<'_>) -> Result<Json, Reject> {
        let scope = Scope {
            record,
            item: record,
            origin,
            null_values: &self.null_values,
        };
        let name = self.name_of(&scope)?;
        let rule = match self.by_name.get(&name) {
            Some(Named::Rules(rules)) => rules.iter().find(|rule| rule.holds(&scope)),
            Some(Named::Ignore) => return Err(Reject::Ignored(name)),
            None => None,
        };
        match rule {
            Some(rule) => rule.call(&scope),
            None if self.ignores_unmapped => Err(Reject::Ignored(name)),
            None => Err(Reject::Unmapped(name)),
        }
    }

    /// The file's text: what it says is a part of what decided.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The foreign name as it counts; empty where all are one.
    fn name_of(&self, scope: &Scope<'_>) -> Result<Text, Reject> {
        let Some(value) = &self.event_name else {
            return Ok(Text::default());
        };
        let found = value.of(scope).ok().flatten();
        let name = found.as_deref().and_then(scalar::text);
        let name = name.ok_or(Reject::NoForeignName)?;
        let name = &name[..name.floor_char_boundary(NAME_BYTES_MAX)];
        Ok(counted(name, self.any_case))
    }
}

/// A foreign name: beyond this it is a document.
const NAME_BYTES_MAX: usize = 256;

/// A name as it counts: where case does not, by its letters and digits in lower case.
fn counted(name: &str, any_case: bool) -> Text {
    if !any_case {
        return Text::from(name);
    }
    let kept = name.chars().filter(|c| c.is_alphanumeric());
    kept.flat_map(char::to_lowercase).collect()
}
