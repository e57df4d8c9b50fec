//! Where each trigger stands with one customer.

use bytes::Bytes;

use super::State;
use crate::stored::{Part, StoredError};
use crate::time::Timestamp;

/// Triggers that are in the set no more, of which the last decision is remembered.
pub const GONE_MAX: usize = 16;

/// The states of all triggers that know something of a customer, by the key of trigger and generation, in order of keys: equal
/// states have equal bytes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct States {
    states: Vec<(u32, State)>,
}

impl States {
    /// What they are stored under.
    pub const TAG: u16 = 65;
    /// The version of the list itself; each state has one of its own.
    const VERSION: u8 = 1;

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &State)> {
        self.states.iter().map(|(key, state)| (*key, state))
    }

    /// The state of one trigger, if it has any.
    #[must_use]
    pub fn get(&self, key: u32) -> Option<&State> {
        let at = self.place(key).ok()?;
        Some(&self.states[at].1)
    }

    /// The state of one trigger, to be changed.
    pub fn get_mut(&mut self, key: u32) -> Option<&mut State> {
        let at = self.place(key).ok()?;
        Some(&mut self.states[at].1)
    }

    /// Takes the state of one trigger out.
    pub fn take(&mut self, key: u32) -> Option<State> {
        let at = self.place(key).ok()?;
        Some(self.states.remove(at).1)
    }

    /// Keeps the state of one trigger, in place of the one it had.
    pub fn keep(&mut self, key: u32, state: State) {
        match self.place(key) {
            Ok(at) => self.states[at].1 = state,
            Err(at) => self.states.insert(at, (key, state)),
        }
    }

    fn place(&self, key: u32) -> Result<usize, usize> {
        self.states.binary_search_by_key(&key, |(key, _)| *key)
    }

    /// Changes the state of one trigger, which may begin or end.
    pub fn change(&mut self, key: u32, change: impl FnOnce(&mut Option<State>)) {
        let place = self.place(key);
        let mut state = match place {
            Ok(at) => Some(std::mem::replace(
                &mut self.states[at].1,
                State::Gone(Timestamp::MIN),
            )),
            Err(_) => None,
        };
        change(&mut state);
        match (place, state) {
            (Ok(at), Some(state)) => self.states[at].1 = state,
            (Ok(at), None) => drop(self.states.remove(at)),
            (Err(at), Some(state)) => self.states.insert(at, (key, state)),
            (Err(_), None) => {}
        }
    }

    /// The states of some triggers alone.
    #[must_use]
    pub fn only(&self, of: impl Fn(u32) -> bool) -> Self {
        let some = self.states.iter().filter(|(key, _)| of(*key));
        Self {
            states: some.cloned().collect(),
        }
    }

    /// Forgets what triggers knew that are in the set no more, but for what the last [`GONE_MAX`] of them decided last. Whether
    /// anything was changed.
    pub fn forget(&mut self, is_gone: impl Fn(u32) -> bool) -> bool {
        if !self.states.iter().any(|(key, _)| is_gone(*key)) {
            return false;
        }
        let before = self.clone();
        self.states.retain_mut(|(key, state)| {
            if !is_gone(*key) {
                return true;
            }
            let decided = state.last_decided();
            decided.is_some_and(|at| {
                *state = State::Gone(at);
                true
            })
        });
        let gone = |(_, state): &(u32, State)| match state {
            State::Gone(at) => Some(*at),
            _ => None,
        };
        let mut times: Vec<Timestamp> = self.states.iter().filter_map(gone).collect();
        if times.len() > GONE_MAX {
            times.sort_unstable();
            let kept = times[times.len() - GONE_MAX];
            self.states
                .retain(|it| gone(it).is_none_or(|at| at >= kept));
        }
        *self != before
    }

    // At rest.

    /// Writes them behind `out`; none are not there.
    pub fn write(&self, out: &mut Vec<u8>) {
        if self.states.is_empty() {
            return;
        }
        let mut body = Vec::with_capacity(64 * self.states.len());
        for (key, state) in &self.states {
            body.extend_from_slice(&key.to_le_bytes());
            state.write(&mut body);
        }
        Part::write(Self::TAG, Self::VERSION, &body, out);
    }

    /// Reads them.
    ///
    /// # Errors
    /// Where the list, or a kind of state, is newer than this build, or the bytes are damaged.
    pub fn read(part: Part) -> Result<Self, StoredError> {
        if part.version != Self::VERSION {
            let (found, known) = (part.version, Self::VERSION);
            return Err(StoredError::newer("the list of states", found, known));
        }
        let mut states = Vec::new();
        let mut rest = part.bytes;
        while let Some((key, state)) = next(&mut rest)? {
            states.push((key, State::from_part(state)?));
        }
        Ok(Self { states })
    }

    /// Whether each of them can be read.
    ///
    /// # Errors
    /// As [`States::read`].
    pub fn check(&self) -> Result<(), StoredError> {
        self.states.iter().try_for_each(|(_, state)| state.check())
    }
}

fn next(rest: &mut Bytes) -> Result<Option<(u32, Part)>, StoredError> {
    let Some(key) = rest.first_chunk::<4>() else {
        return if rest.is_empty() {
            Ok(None)
        } else {
            Err(StoredError::Damaged("a state is cut off".to_owned()))
        };
    };
    let key = u32::from_le_bytes(*key);
    let _key = rest.split_to(4);
    Ok(Some((key, Part::first(rest)?)))
}
