//! What happened to everybody is shown to every customer, in [slices](super::sweep).
//!
//! One that is told twice counts once: the ids of the last are kept, and like a profile they belong to the transaction that
//! changes them.

use serde::{Deserialize, Serialize};

use super::customers::Slot;
use super::erasures::Record;
use super::sweep::{Of, Swept};
use super::time::Until;
use super::{Effect, Engine};
use crate::event::{Event, Text};
use crate::stored::StoredError;
use crate::time::Timestamp;
use std::sync::Arc;

/// The changelog key of the ids. No customer id has control characters.
pub const KEY: &[u8] = b"\0broadcasts";

/// Broadcasts that are recognised when they are told again: some a day, for months.
const TOLD_MAX: usize = 256;
/// Version of the value.
const VERSION: u8 = 1;

/// The ids of broadcasts, the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Ids(Vec<Text>);

/// Which broadcasts everybody was shown.
#[derive(Debug, Default)]
pub(super) struct Told {
    committed: Ids,
    sealed: Option<Ids>,
    /// Changed since the last seal.
    open: Option<Ids>,
}

impl Told {
    fn latest(&self) -> &Ids {
        let changed = self.open.as_ref().or(self.sealed.as_ref());
        changed.unwrap_or(&self.committed)
    }

    fn knows(&self, id: &Text) -> bool {
        self.latest().0.contains(id)
    }

    fn remember(&mut self, id: &Text) {
        let mut ids = self.latest().clone();
        ids.0.push(id.clone());
        let spare = ids.0.len().saturating_sub(TOLD_MAX);
        ids.0.drain(..spare);
        self.open = Some(ids);
    }

    // Transactions.

    /// The changelog record of what changed since the last seal.
    pub fn seal(&mut self) -> Option<Record> {
        let ids = self.open.take()?;
        let value = postcard::to_extend(&ids, vec![VERSION]).ok()?;
        self.sealed = Some(ids);
        Some((KEY.to_vec(), Some(value)))
    }

    pub fn committed(&mut self) {
        if let Some(ids) = self.sealed.take() {
            self.committed = ids;
        }
    }

    pub fn rollback(&mut self) {
        (self.sealed, self.open) = (None, None);
    }

    /// Takes the changelog record in.
    pub fn restore(&mut self, value: Option<&[u8]>) -> Result<(), StoredError> {
        self.committed = match value {
            None => Ids::default(),
            Some([VERSION, ids @ ..]) => postcard::from_bytes(ids)
                .map_err(|error| StoredError::Damaged(error.to_string()))?,
            Some([found, ..]) => {
                return Err(StoredError::newer("the broadcasts told", *found, VERSION));
            }
            Some([]) => {
                return Err(StoredError::Damaged(
                    "broadcasts without a version".to_owned(),
                ));
            }
        };
        Ok(())
    }
}

impl Engine {
    /// Shows what happened to everybody to the slice from the `from`-th customer on; up to the `to`-th, for who replays. To be
    /// called until it is done, with nothing in between but transactions. `now` as in [`Engine::step`].
    pub fn broadcast(
        &mut self,
        event: &Event,
        (from, to): (usize, Option<usize>),
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) -> Swept {
        let nobody = Swept {
            to: from,
            done: true,
            changed: false,
        };
        if from == 0 && self.told.knows(&event.id) {
            effects.push(Effect::Duplicate);
            return nobody;
        }
        let first = effects.len();
        let plan = Arc::clone(&self.plan);
        let mut outside = vec![0; plan.triggers.len()];
        let swept = if plan.broadcast(event.name).next().is_some() {
            self.sweep(Of::Broadcast, (from, to), |engine, slot| {
                engine.show(slot, event, now, effects, &mut outside)
            })
        } else {
            nobody
        };
        for (trigger, customers) in plan.triggers.iter().zip(outside) {
            if customers > 0 {
                let trigger = trigger.name.clone();
                effects.push(Effect::OutsideAudience { trigger, customers });
            }
        }
        self.count(first, effects);
        if swept.done {
            self.told.remember(&event.id);
        }
        swept
    }

    /// Shows it to one customer; whether anything was decided.
    fn show(
        &mut self,
        slot: Slot,
        event: &Event,
        now: Timestamp,
        effects: &mut Vec<Effect>,
        outside: &mut [u64],
    ) -> bool {
        // Nobody goes while everybody is numbered.
        let until = Until::reached(self.watermark);
        self.look_and(slot, (until, None), now, effects, |fold, customer| {
            fold.broadcast(customer, event, outside);
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_are_known_as_their_transaction_says() {
        let mut told = Told::default();
        let id = |number: usize| compact_str::format_compact!("b{number}");
        (0..=TOLD_MAX).for_each(|number| told.remember(&id(number)));
        assert!(!told.knows(&id(0)) && told.knows(&id(1)) && told.knows(&id(TOLD_MAX)));
        let (_, value) = told.seal().expect("it changed");
        told.committed();
        assert_eq!(told.seal(), None);
        told.remember(&id(1_000));
        assert!(told.seal().is_some());
        told.remember(&id(1_001));
        told.rollback();
        assert!(!told.knows(&id(1_000)) && !told.knows(&id(1_001)) && told.knows(&id(1)));
        let mut restored = Told::default();
        restored.restore(value.as_deref()).expect("just written");
        assert_eq!(restored.committed, told.committed);
        assert!(restored.restore(Some(&[9])).is_err());
        assert!(restored.restore(Some(&[])).is_err());
    }
}
