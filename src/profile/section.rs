//! A family of what is known of a customer: one file each, and one line in [`super::settled`].

use super::address::Address;
use crate::event::{Event, EventName, Text, Type};
use crate::money::Currencies;
use crate::stored::Stored;
use crate::time::{Timestamp, Zone};
use crate::value::Value;

/// As of when, and where, a profile is asked.
#[derive(Clone, Copy, Debug)]
pub struct AsOf<'z> {
    /// The instant.
    pub now: Timestamp,
    /// Where customers live of whom no zone is known.
    pub home: &'z Zone,
}

/// What stands around an event.
#[derive(Clone, Copy)]
pub struct Local<'a> {
    /// Her time zone, looked up only where somebody asks for it.
    pub zone: &'a dyn Fn() -> Zone,
    /// The company's currencies.
    pub currencies: &'a Currencies,
    /// The hash of an address of hers as the event leaves it; none where it is not known.
    pub address: &'a dyn Fn(Address) -> Option<u64>,
}

/// Which of several things with ids of their own: the low 48 bits of the hash of its id. Among the few that are kept of one
/// customer, two are one by chance in one of 10^12 lives.
pub type ThingId = [u8; 6];

/// As few bits of an id as tell it from the others.
#[must_use]
pub fn thing_id(id: &str) -> ThingId {
    let hash = xxhash_rust::xxh3::xxh3_64(id.as_bytes()).to_le_bytes();
    [hash[0], hash[1], hash[2], hash[3], hash[4], hash[5]]
}

/// Whether an event may change a field.
pub type Writer = fn(&Event) -> bool;

/// A family of facts.
pub trait Section: Stored + Default + PartialEq + 'static {
    /// What it is stored under; never another family's again.
    const TAG: u16;
    /// The events that change it, by name.
    const WRITTEN_BY: &'static [EventName];
    /// What expressions may name of it.
    const FIELDS: &'static [Field<Self>];
    /// What expressions may name of it with a key.
    const KEYED_FIELDS: &'static [KeyedField<Self>] = &[];

    /// Whether an event changes it.
    #[must_use]
    fn is_written_by(event: &Event) -> bool {
        Self::WRITTEN_BY.contains(&event.name)
    }

    /// Whether an event may change what it says; where no event by itself does, decisions do, at any.
    #[must_use]
    fn may_be_written_by(event: &Event) -> bool {
        Self::WRITTEN_BY.is_empty() || Self::is_written_by(event)
    }

    /// Takes an event in that changes it. Events normally come in time order, because only settled ones are applied for good. A
    /// late one comes out of order: it adds to counts and sums, but does not undo what a younger one said.
    fn apply(&mut self, event: &Event, local: Local<'_>);

    /// Takes in what is known of the same person under another id, which is hers from now on. Where both say something of one
    /// thing, what stands here goes before it, if nothing else is said of the family; what was counted is counted together.
    fn merge(&mut self, other: Self, local: Local<'_>);
}

/// One field that expressions may name as `profile.PATH` (and `previous.PATH`).
#[derive(Debug)]
pub struct Field<S> {
    /// Path after `profile.`
    pub path: &'static str,
    /// Type.
    pub kind: Type,
    /// What it is, with its unit.
    pub about: &'static str,
    /// How it is read.
    pub read: for<'a> fn(&'a S, AsOf<'_>) -> Value<'a>,
}

/// One family of fields with a key of the author's choice: `profile.PATH["key"]` or `profile.PATH.key`.
#[derive(Debug)]
pub struct KeyedField<S> {
    /// Path after `profile.`
    pub path: &'static str,
    /// What stands behind the key, where that has fields: `profile.PATH["key"].MEMBER`.
    pub member: Option<&'static str>,
    /// Type of every member; `None` where each key has its own, declared in the configuration.
    pub kind: Option<Type>,
    /// What it is, with its unit.
    pub about: &'static str,
    /// The keys that she has.
    pub keys: for<'a> fn(&'a S) -> Vec<&'a str>,
    /// How the member of a key is read.
    pub read: for<'a> fn(&'a S, key: &str, AsOf<'_>) -> Value<'a>,
}

/// One row of a family's fields.
#[must_use]
pub const fn field<S>(
    path: &'static str,
    kind: Type,
    about: &'static str,
    read: for<'a> fn(&'a S, AsOf<'_>) -> Value<'a>,
) -> Field<S> {
    Field {
        path,
        kind,
        about,
        read,
    }
}

/// One row of a family's fields with a key, behind which there may stand another name.
#[must_use]
pub const fn keyed<S>(
    (path, member): (&'static str, Option<&'static str>),
    kind: Type,
    about: &'static str,
    keys: for<'a> fn(&'a S) -> Vec<&'a str>,
    read: for<'a> fn(&'a S, key: &str, AsOf<'_>) -> Value<'a>,
) -> KeyedField<S> {
    KeyedField {
        path,
        member,
        kind: Some(kind),
        about,
        keys,
        read,
    }
}

/// A number of things.
pub(super) fn count(len: usize) -> f64 {
    u32::try_from(len).map_or(f64::MAX, f64::from)
}

pub(super) fn earliest(known: Option<Timestamp>, time: Timestamp) -> Option<Timestamp> {
    Some(known.map_or(time, |known| known.min(time)))
}

/// The earlier of two times, where they are known.
pub(super) fn earlier(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    one.into_iter().chain(other).min()
}

/// What is known here, or else there.
pub(super) fn fill_in<T>(known: &mut Option<T>, other: Option<T>) {
    if known.is_none() {
        *known = other;
    }
}

pub(super) fn replace<T: Clone + PartialEq>(known: &mut Option<T>, new: Option<&T>) {
    if let Some(new) = new
        && known.as_ref() != Some(new)
    {
        *known = Some(new.clone());
    }
}

/// Nothing but the universal time, and no currency of a company's.
#[cfg(test)]
impl Default for Local<'_> {
    fn default() -> Self {
        static NONE: std::sync::LazyLock<Currencies> =
            std::sync::LazyLock::new(Currencies::default);
        Self {
            zone: &Zone::default,
            currencies: &NONE,
            address: &|_| None,
        }
    }
}

/// Puts a product last in a list of distinct ones, the oldest making way.
pub(super) fn push_newest(list: &mut Vec<Text>, product: Option<&Text>, most: usize) {
    let Some(product) = product else { return };
    if list.last() == Some(product) {
        return;
    }
    list.retain(|known| known != product);
    if list.len() >= most {
        list.remove(0);
    }
    list.push(product.clone());
}
