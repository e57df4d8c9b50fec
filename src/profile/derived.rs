//! What is kept of her events for what a company declares to be measured: its facts.
//!
//! Which events, and what of them, the declarations say; whoever takes events in shows them ([`Derived::take`]). What was kept under
//! another definition says nothing of this one: it is not known, and makes way for what comes.

use serde::{Deserialize, Serialize};

use super::section::{Field, Local, Section};
use crate::event::{Event, EventName, Text};
use crate::measure::lots::Lots;
use crate::measure::{Held, Said, Spec, limits};
use crate::stored::{Stored, StoredError};
use crate::time::Timestamp;
use crate::value::Value;

/// What is kept for each fact, in the order of their keys.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Derived {
    facts: Vec<Kept>,
}

/// Of one fact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Kept {
    key: u32,
    digest: u64,
    /// By the value of `per`, the one that was touched last behind; the empty text where there is no `per`.
    by: Vec<(Text, Held)>,
}

/// Version 1: no balances.
#[derive(Deserialize)]
struct DerivedV1 {
    facts: Vec<KeptV1>,
}

#[derive(Deserialize)]
struct KeptV1 {
    key: u32,
    digest: u64,
    by: Vec<(Text, HeldV1)>,
}

#[derive(Deserialize)]
enum HeldV1 {
    Entries(Vec<(Timestamp, Said)>),
    Sum { n: u64, micros: i128 },
    Extreme(i64),
    Score { at: Timestamp, score: f64 },
}

impl From<DerivedV1> for Derived {
    fn from(old: DerivedV1) -> Self {
        let held = |(per, old): (Text, HeldV1)| {
            let held = match old {
                HeldV1::Entries(entries) => Held::Entries(entries),
                HeldV1::Sum { n, micros } => Held::Sum { n, micros },
                HeldV1::Extreme(amount) => Held::Extreme(amount),
                HeldV1::Score { at, score } => Held::Score { at, score },
            };
            (per, held)
        };
        let kept = |old: KeptV1| Kept {
            key: old.key,
            digest: old.digest,
            by: old.by.into_iter().map(held).collect(),
        };
        Self {
            facts: old.facts.into_iter().map(kept).collect(),
        }
    }
}

impl Stored for Derived {
    const VERSION: u8 = 2;

    fn upcast(version: u8, bytes: &[u8]) -> Result<Self, StoredError> {
        match version {
            1 => Ok(postcard::from_bytes::<DerivedV1>(bytes)?.into()),
            _ => Err(StoredError::Damaged(format!(
                "there is no version {version} of what is measured"
            ))),
        }
    }
}

impl Section for Derived {
    const TAG: u16 = 40;
    const WRITTEN_BY: &'static [EventName] = &[];
    const FIELDS: &'static [Field<Self>] = &[];

    /// Nothing by itself: it does not know what is declared.
    fn apply(&mut self, _event: &Event, _local: Local<'_>) {}

    /// Nothing by itself, again: [`Derived::join`] is told what is declared.
    fn merge(&mut self, _other: Self, _local: Local<'_>) {}
}

impl Derived {
    fn of(&self, spec: &Spec) -> Option<&Kept> {
        let place = self.facts.binary_search_by_key(&spec.key, |it| it.key);
        let kept = &self.facts[place.ok()?];
        (kept.digest == spec.digest).then_some(kept)
    }

    fn held(&self, spec: &Spec, per: &str) -> Option<&Held> {
        let mut by = self.of(spec)?.by.iter();
        by.find(|(known, _)| known == per).map(|(_, held)| held)
    }

    /// What a fact comes to as of `now`; `per`: of which value, empty where it has none.
    #[must_use]
    pub fn value(&self, spec: &Spec, per: &str, now: Timestamp) -> Value<'_> {
        spec.value(self.held(spec, per), now)
    }

    /// The next instant after `now` at which something leaves its window, or expires.
    #[must_use]
    pub fn next_change(&self, spec: &Spec, per: &str, now: Timestamp) -> Option<Timestamp> {
        spec.next_change(self.held(spec, per), now)
    }

    /// What is kept of a fact that is a balance; none where nothing was earned or spent.
    #[must_use]
    pub fn lots(&self, spec: &Spec, per: &str) -> Option<&Lots> {
        match self.held(spec, per)? {
            Held::Lots(lots) => Some(lots),
            Held::Entries(_) | Held::Sum { .. } | Held::Extreme(_) | Held::Score { .. } => None,
        }
    }

    /// The values of `per` that are known of a fact, the one that was touched last behind.
    pub fn keys(&self, spec: &Spec) -> impl Iterator<Item = &str> {
        let by = self.of(spec).into_iter().flat_map(|kept| &kept.by);
        by.map(|(per, _)| per.as_str())
    }

    /// Takes an event in; how much had to make way for it that might still have been asked for.
    pub fn take(&mut self, spec: &Spec, per: Text, at: Timestamp, said: Said) -> u32 {
        let begun = || Kept {
            key: spec.key,
            digest: spec.digest,
            by: Vec::new(),
        };
        let place = match self.facts.binary_search_by_key(&spec.key, |it| it.key) {
            Ok(place) => place,
            Err(place) => {
                self.facts.insert(place, begun());
                place
            }
        };
        let kept = &mut self.facts[place];
        if kept.digest != spec.digest {
            *kept = begun();
        }
        let known = kept.by.iter().position(|(known, _)| *known == per);
        let Some(known) = known else {
            kept.by.push((per, spec.begun(at, said)));
            let beyond = kept.by.len().saturating_sub(limits::KEYS);
            kept.by.drain(..beyond);
            return u32::try_from(beyond).unwrap_or(u32::MAX);
        };
        let refused = spec.take(&mut kept.by[known].1, at, said);
        kept.by[known..].rotate_left(1);
        refused
    }

    /// Takes in what was kept of a fact under another id of hers; how much had to make way that might still have been asked for.
    pub fn join(&mut self, spec: &Spec, other: &Self) -> u32 {
        let Some(others) = other.of(spec) else {
            return 0;
        };
        let known = self.facts.binary_search_by_key(&spec.key, |it| it.key);
        let place = match known {
            Ok(place) if self.facts[place].digest == spec.digest => place,
            Ok(place) => {
                self.facts[place] = others.clone();
                return 0;
            }
            Err(place) => {
                self.facts.insert(place, others.clone());
                return 0;
            }
        };
        let by = &mut self.facts[place].by;
        let mut refused = 0;
        for (per, held) in &others.by {
            match by.iter_mut().find(|(known, _)| known == per) {
                Some((_, own)) => refused += spec.join(own, held.clone()),
                None => by.push((per.clone(), held.clone())),
            }
        }
        let beyond = by.len().saturating_sub(limits::KEYS);
        by.drain(..beyond);
        refused + u32::try_from(beyond).unwrap_or(u32::MAX)
    }

    /// Whether something is kept that nobody would ask for: `asked` has the digest of what is declared under a key.
    #[must_use]
    pub fn is_stale(&self, asked: impl Fn(u32) -> Option<u64>) -> bool {
        let stale = |kept: &Kept| asked(kept.key) != Some(kept.digest);
        self.facts.iter().any(stale)
    }

    /// Forgets it.
    pub fn forget_stale(&mut self, asked: impl Fn(u32) -> Option<u64>) {
        self.facts
            .retain(|kept| asked(kept.key) == Some(kept.digest));
    }
}
