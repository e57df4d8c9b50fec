//! Where each trigger stands with one customer.

use smallvec::SmallVec;

use super::State;
use crate::stored::{Part, Piece, StoredError};
use crate::time::Timestamp;

/// Triggers that are in the set no more, of which the last decision is remembered.
pub const GONE_MAX: usize = 16;

/// The states of all triggers that know something of a customer, by the key of trigger and generation, in order of keys: equal
/// states have equal bytes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct States {
    /// Together, as they are searched for each event.
    keys: SmallVec<[u32; 12]>,
    states: Vec<State>,
}

impl States {
    /// What they are stored under.
    pub const TAG: u16 = 65;
    /// The version of the list itself; each state has one of its own.
    const VERSION: u8 = 1;

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &State)> {
        self.keys.iter().copied().zip(&self.states)
    }

    /// The state of one trigger, if it has any.
    #[must_use]
    pub fn get(&self, key: u32) -> Option<&State> {
        let at = self.place(key).ok()?;
        Some(&self.states[at])
    }

    /// The state of one trigger, to be changed.
    pub fn get_mut(&mut self, key: u32) -> Option<&mut State> {
        let at = self.place(key).ok()?;
        Some(&mut self.states[at])
    }

    /// Takes the state of one trigger out.
    pub fn take(&mut self, key: u32) -> Option<State> {
        let at = self.place(key).ok()?;
        self.keys.remove(at);
        Some(self.states.remove(at))
    }

    /// Keeps the state of one trigger, in place of the one it had.
    pub fn keep(&mut self, key: u32, state: State) {
        match self.place(key) {
            Ok(at) => self.states[at] = state,
            Err(at) => {
                self.keys.insert(at, key);
                self.states.insert(at, state);
            }
        }
    }

    fn place(&self, key: u32) -> Result<usize, usize> {
        self.keys.binary_search(&key)
    }

    /// The states of some triggers alone.
    #[must_use]
    pub fn only(&self, of: impl Fn(u32) -> bool) -> Self {
        let some = self.iter().filter(|(key, _)| of(*key));
        some.map(|(key, state)| (key, state.clone())).collect()
    }

    /// Forgets what triggers knew that are in the set no more, but for what the last [`GONE_MAX`] of them decided last. Whether
    /// anything was changed.
    pub fn forget(&mut self, is_gone: impl Fn(u32) -> bool) -> bool {
        if !self.keys.iter().any(|key| is_gone(*key)) {
            return false;
        }
        let kept = |(key, state): (u32, State)| match state.last_decided() {
            _ if !is_gone(key) => Some((key, state)),
            decided => decided.map(|at| (key, State::Gone(at))),
        };
        let before = std::mem::take(self);
        *self = before.clone().into_iter().filter_map(kept).collect();
        let gone = |state: &State| match state {
            State::Gone(at) => Some(*at),
            _ => None,
        };
        let mut times: Vec<Timestamp> = self.states.iter().filter_map(gone).collect();
        if times.len() > GONE_MAX {
            times.sort_unstable();
            let oldest = times[times.len() - GONE_MAX];
            let all = std::mem::take(self).into_iter();
            *self = all
                .filter(|(_, state)| gone(state).is_none_or(|at| at >= oldest))
                .collect();
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
        for (key, state) in self.iter() {
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
        let mut states = Self::default();
        let mut rest = part.bytes;
        while let Some((key, state)) = next(&mut rest)? {
            states.keys.push(key);
            states.states.push(State::from_part(state)?);
        }
        Ok(states)
    }

    /// Whether each of them can be read.
    ///
    /// # Errors
    /// As [`States::read`].
    pub fn check(&self) -> Result<(), StoredError> {
        self.states.iter().try_for_each(State::check)
    }
}

impl IntoIterator for States {
    type Item = (u32, State);
    type IntoIter = std::iter::Zip<smallvec::IntoIter<[u32; 12]>, std::vec::IntoIter<State>>;

    fn into_iter(self) -> Self::IntoIter {
        self.keys.into_iter().zip(self.states)
    }
}

/// In order of keys.
impl FromIterator<(u32, State)> for States {
    fn from_iter<I: IntoIterator<Item = (u32, State)>>(states: I) -> Self {
        let (keys, states) = states.into_iter().unzip();
        Self { keys, states }
    }
}

fn next(rest: &mut Piece) -> Result<Option<(u32, Part)>, StoredError> {
    match rest.take() {
        Some(key) => Ok(Some((u32::from_le_bytes(key), Part::first(rest)?))),
        None if rest.is_empty() => Ok(None),
        None => Err(StoredError::Damaged("a state is cut off".to_owned())),
    }
}
