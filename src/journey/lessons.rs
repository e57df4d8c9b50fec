//! What the ways of adaptive splits have brought so far.
//!
//! A way is known by the hashes of three names, its trigger's with the generation, its step's and its own: who renames one begins it
//! anew.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One way of a split.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Way {
    /// The key of its trigger.
    pub trigger: u32,
    /// The key of its step.
    pub step: u32,
    /// The [key](super::key) of its name.
    pub way: u32,
}

/// How many went a way of whom it is known whether they met the goal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lesson {
    /// They did, in time.
    pub met: u64,
    /// They did not.
    pub missed: u64,
}

/// By way; of one that is not there nothing is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lessons(pub BTreeMap<Way, Lesson>);

impl Lessons {
    /// What is known of a way.
    #[must_use]
    pub fn of(&self, way: Way) -> Lesson {
        self.0.get(&way).copied().unwrap_or_default()
    }
}
