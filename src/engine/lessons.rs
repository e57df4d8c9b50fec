//! What a task has learnt of the ways of adaptive splits ([`crate::journey::lessons`]).
//!
//! Whoever takes such a way, or is counted for one, is written in the transaction in which she is, so that what is taken again asks for
//! nothing that was learnt since. Who goes at an instant goes by what was learnt before it: time moves from instant to instant where a
//! plan has such a split, and what an instant teaches counts when everybody was looked at.

use super::erasures::Record;
use super::undo::Undo;
use super::{Effect, Engine};
use crate::journey::lessons::{Lesson, Lessons, Way};
use crate::stored::StoredError;

/// What the changelog keys of these begin with. No customer id has control characters.
pub const KEY: &[u8] = b"\0way\0";
/// Version of key and value.
const VERSION: u8 = 1;

/// What becomes of who goes a way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turnout {
    /// She takes it.
    Takes,
    /// She met the goal in time.
    Meets,
    /// She did not.
    Misses,
}

impl Turnout {
    /// The word for it in metrics.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Takes => "way_taken",
            Self::Meets => "way_met",
            Self::Misses => "way_missed",
        }
    }
}

/// What was learnt, with what is not committed.
#[derive(Debug, Default)]
pub(super) struct Learning {
    pub learnt: Lessons,
    undo: Undo<Way, Lesson>,
}

impl Learning {
    fn learn(&mut self, way: Way, turnout: Turnout) {
        let before = self.learnt.0.get(&way).copied();
        let mut lesson = before.unwrap_or_default();
        match turnout {
            Turnout::Takes => return,
            Turnout::Meets => lesson.met += 1,
            Turnout::Misses => lesson.missed += 1,
        }
        self.undo.note(way, || before);
        self.learnt.0.insert(way, lesson);
    }

    /// Forgets ways that are there no more.
    pub fn forget(&mut self, is_gone: impl Fn(u32) -> bool) {
        let gone = self.learnt.0.extract_if(.., |way, _| is_gone(way.trigger));
        for (way, lesson) in gone {
            self.undo.note(way, || Some(lesson));
        }
    }

    // Transactions.

    /// The changelog records of what changed since the last seal.
    pub fn seal(&mut self) -> Vec<Record> {
        let learnt = &self.learnt.0;
        let record = |way: &Way| {
            let value = learnt.get(way);
            let value = value.and_then(|it| postcard::to_extend(it, vec![VERSION]).ok());
            let key = postcard::to_extend(way, [KEY, &[VERSION]].concat()).ok()?;
            Some((key, value))
        };
        self.undo.seal().filter_map(record).collect()
    }

    pub fn committed(&mut self) {
        self.undo.committed();
    }

    pub fn rollback(&mut self) {
        self.undo.rollback(&mut self.learnt.0);
    }

    /// Takes a changelog record in; `way` without [`KEY`].
    pub fn restore(&mut self, way: &[u8], value: Option<&[u8]>) -> Result<(), StoredError> {
        let way: Way = read(way)?;
        match value {
            Some(value) => self.learnt.0.insert(way, read(value)?),
            None => self.learnt.0.remove(&way),
        };
        Ok(())
    }
}

fn read<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, StoredError> {
    match bytes {
        [VERSION, rest @ ..] => Ok(postcard::from_bytes(rest)?),
        [found, ..] => Err(StoredError::newer("what a way brought", *found, VERSION)),
        [] => Err(StoredError::Damaged("a way without a version".to_owned())),
    }
}

impl Engine {
    /// What was learnt of the ways of adaptive splits, committed or not.
    #[must_use]
    pub fn lessons(&self) -> &Lessons {
        &self.learning.learnt
    }

    /// Learns from what followed from an input.
    pub(super) fn learn(&mut self, effects: &[Effect]) {
        for effect in effects {
            if let Effect::Went {
                customer,
                way,
                turnout,
                ..
            } = effect
            {
                self.learning.learn(*way, *turnout);
                self.customers.flush.extend(self.customers.find(customer));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAY: Way = Way {
        trigger: 1,
        step: 2,
        way: 3,
    };

    #[test]
    fn what_was_learnt_belongs_to_its_transaction() {
        let mut learning = Learning::default();
        let other = Way { way: 4, ..WAY };
        learning.learn(WAY, Turnout::Takes);
        assert!(learning.seal().is_empty(), "nothing is known of her yet");
        learning.learn(WAY, Turnout::Meets);
        learning.learn(WAY, Turnout::Misses);
        let first = learning.seal();
        learning.committed();
        learning.learn(WAY, Turnout::Meets);
        learning.seal();
        learning.learn(WAY, Turnout::Meets);
        learning.learn(other, Turnout::Misses);
        learning.rollback();
        let mut restored = Learning::default();
        for (key, value) in &first {
            let way = key.strip_prefix(KEY).expect("its key");
            restored
                .restore(way, value.as_deref())
                .expect("just written");
        }
        let known = Lesson { met: 1, missed: 1 };
        for learning in [&learning, &restored] {
            assert_eq!(learning.learnt.0, [(WAY, known)].into());
        }
        learning.forget(|trigger| trigger == 1);
        assert_eq!(learning.learnt, Lessons::default());
        for (key, value) in learning.seal() {
            restored
                .restore(&key[KEY.len()..], value.as_deref())
                .expect("a tombstone");
        }
        assert_eq!(restored.learnt, Lessons::default());
        assert!(restored.restore(&[9], None).is_err());
        assert!(restored.restore(&[], None).is_err());
    }
}
