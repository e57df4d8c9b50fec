//! A set of triggers that was published in the control topic: files, and what was said of all of them.
//!
//! One record is one whole set, so nobody ever works by half of one. Its number is its place in the topic, counted from 1. A set
//! says which one it changes; where another came between, it is void for every reader alike ([`Chain`]), so that of two people who
//! publish at the same moment neither undoes what the other did.

mod v1;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use super::plan::Plan;
use super::policy::{Policy, Share};
use super::revision;
use super::set::{self, Basis};
use crate::document::report::{Report, Source};
use crate::time::Timestamp;

/// What this program writes, and the newest it reads.
pub const VERSION: u8 = 3;
/// The last in whose triggers `event.name` was what happened, whatever properties it had.
const OWN_NAMES: u8 = 2;

/// A published set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// Of the record's layout.
    version: u8,
    /// The number of the set that it changes; 0: the first. None: it counts whatever came before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
    /// When it was published.
    pub at: Timestamp,
    /// What was done: `apply`, `pause abandoned-basket`.
    pub what: String,
    /// Trigger files, sorted by name.
    pub files: Vec<File>,
    /// What is common to all of them, as far as it is published.
    pub policy: Policy,
}

/// A published set and its number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its place in the control topic, counted from 1.
    pub number: u64,
    /// The set.
    #[serde(deserialize_with = "of_any_layout")]
    pub set: Published,
}

/// A set as any build wrote it.
fn of_any_layout<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Published, D::Error> {
    let set = serde_json::Value::deserialize(deserializer)?;
    Published::parse(set.to_string().as_bytes()).map_err(D::Error::custom)
}

/// A trigger file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Its path below the directory that was published.
    pub name: String,
    /// What stands in it; of an ONNX file the base64 of that.
    pub text: String,
}

/// The numbers of the sets that count, while they are read in order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Chain {
    /// The number of the newest that counts; 0: none does.
    pub head: u64,
}

/// Why a record is no set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublishedError {
    /// Written by a newer program.
    #[error(
        "it was published by a newer program (layout {0}, this one reads up to {VERSION}): update this one"
    )]
    Newer(u8),
    /// Something else.
    #[error("it is no set of triggers ({0}); `moments triggers apply` publishes one")]
    Broken(String),
}

impl Published {
    /// The trigger files below `path` as a set.
    ///
    /// # Errors
    /// Where a file cannot be read.
    pub fn gather(path: &Path, at: Timestamp, policy: Policy) -> Result<Self, Vec<Report>> {
        let root = if path.is_dir() {
            path
        } else {
            path.parent().unwrap_or(path)
        };
        let read = |file: &std::path::PathBuf| {
            let name = file
                .strip_prefix(root)
                .unwrap_or(file)
                .display()
                .to_string();
            let text = Source::load(file)?.text().to_owned();
            Ok(File { name, text })
        };
        let paths = set::files(path, set::is_set_file).map_err(|report| vec![report])?;
        let files: Result<Vec<File>, Report> = paths.iter().map(read).collect();
        let mut files = files.map_err(|report| vec![report])?;
        files.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Self {
            version: VERSION,
            after: None,
            at,
            what: "apply".to_owned(),
            files,
            policy: policy.published(),
        })
    }

    /// The same set, with something else said of it.
    #[must_use]
    pub fn with(&self, at: Timestamp, what: String, policy: Policy) -> Self {
        Self {
            after: None,
            at,
            what,
            policy: policy.published(),
            ..self.clone()
        }
    }

    /// The same set, as one that changes the `head`-th.
    #[must_use]
    pub fn changing(&self, head: u64) -> Self {
        Self {
            after: Some(head),
            ..self.clone()
        }
    }

    /// The value of the record.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("plain data into memory")
    }

    /// Reads the value of a record.
    ///
    /// # Errors
    /// What is no set, or one of a newer program.
    pub fn parse(value: &[u8]) -> Result<Self, PublishedError> {
        #[derive(Deserialize)]
        struct Versioned {
            version: u8,
        }
        let broken = |error: serde_json::Error| PublishedError::Broken(error.to_string());
        let Versioned { version } = serde_json::from_slice(value).map_err(broken)?;
        if version > VERSION {
            return Err(PublishedError::Newer(version));
        }
        match version {
            0 | 1 => serde_json::from_slice::<v1::Published>(value).map(Self::from),
            _ => serde_json::from_slice(value)
                .map(|set: Self| set.without_what_it_did_not_know(value)),
        }
        .map_err(broken)
    }

    /// Whoever published it held nobody out where it does not say so: there was no such thing.
    fn without_what_it_did_not_know(mut self, value: &[u8]) -> Self {
        #[derive(Deserialize)]
        struct Said {
            policy: BTreeMap<String, serde_json::Value>,
        }
        let said: Result<Said, _> = serde_json::from_slice(value);
        if said.is_ok_and(|said| !said.policy.contains_key("hold_out")) {
            self.policy.hold_out = Share::NOBODY;
        }
        self
    }

    /// The number of the set at this offset of the control topic.
    #[must_use]
    pub fn number(offset: i64) -> u64 {
        u64::try_from(offset).map_or(0, |offset| offset + 1)
    }

    /// Checks and compiles it.
    ///
    /// # Errors
    /// Everything that is wrong with its files.
    pub fn compile(&self, number: u64, basis: &Basis) -> Result<Plan, Vec<Report>> {
        let sources: Vec<Source> = self
            .files
            .iter()
            .map(|file| Source::new(&file.name, file.text.clone()))
            .collect();
        let vocabulary = match self.version <= OWN_NAMES {
            true => Arc::new((*basis.vocabulary).clone().with_own_names()),
            false => Arc::clone(&basis.vocabulary),
        };
        let basis = Basis {
            vocabulary,
            policy: self.policy.clone().over(&basis.policy),
            ..basis.clone()
        };
        let mut plan = set::compile(&sources, &basis)?;
        plan.revision = revision::numbered(number, &plan.revision);
        Ok(plan)
    }
}

impl Entry {
    /// The names of its triggers that `plan` does not have any more.
    #[must_use]
    pub fn lost(&self, plan: &Plan, basis: &Basis) -> Vec<String> {
        let Ok(before) = self.set.compile(self.number, basis) else {
            return Vec::new();
        };
        let gone = before
            .triggers
            .iter()
            .filter(|trigger| plan.by_key(trigger.key).is_none());
        gone.map(|trigger| trigger.name.to_string()).collect()
    }
}

impl Chain {
    /// Behind the set of this number.
    #[must_use]
    pub fn behind(head: u64) -> Self {
        Self { head }
    }

    /// Reads the next record; none where it is void. One that a newer program wrote counts, for all that it cannot be read here.
    pub fn read(&mut self, number: u64, value: &[u8]) -> Option<Result<Published, PublishedError>> {
        #[derive(Deserialize)]
        struct Place {
            after: Option<u64>,
        }
        let place: Result<Place, _> = serde_json::from_slice(value);
        let after = place.as_ref().ok().and_then(|place| place.after);
        if after.is_some_and(|after| after != self.head) {
            return None;
        }
        if place.is_ok() {
            self.head = number;
        }
        Some(Published::parse(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(after: Option<u64>) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let set = Published::gather(folder.path(), Timestamp(0), Policy::default()).unwrap();
        Published { after, ..set }.to_json()
    }

    #[test]
    fn a_set_from_before_there_was_a_hold_out_has_none() {
        let now = String::from_utf8(set(None)).unwrap();
        let before = now.replace(r#""hold_out":"5%","#, "");
        assert_ne!(now, before);
        for (text, hold_out) in [(now, Share::USUAL), (before, Share::NOBODY)] {
            let set = Published::parse(text.as_bytes()).unwrap();
            assert_eq!(set.policy.hold_out, hold_out, "{text}");
        }
    }

    #[test]
    fn a_set_that_changes_another_than_the_newest_is_void() {
        let newer = br#"{"version":9,"after":3,"whatever":1}"#;
        let records = [
            (set(Some(0)), true),
            // Two changed the first at once: the earlier record counts.
            (set(Some(1)), true),
            (set(Some(1)), false),
            (b"no set".to_vec(), true),
            (set(None), true),
            (set(Some(2)), false),
            (set(Some(5)), true),
        ];
        let mut chain = Chain::default();
        for (number, (record, counts)) in (1..).zip(records) {
            assert_eq!(chain.read(number, &record).is_some(), counts, "{number}");
        }
        assert_eq!(chain.head, 7);
        // What a newer program wrote is in its place, although it cannot be read.
        let mut chain = Chain::behind(3);
        assert_eq!(chain.read(4, newer), Some(Err(PublishedError::Newer(9))));
        assert!(chain.read(5, &set(Some(4))).is_some_and(|set| set.is_ok()));
    }
}
