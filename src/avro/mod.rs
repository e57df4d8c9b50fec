//! The schemas of records in Avro, by their id: what is known of each, and how a record is read by one.
//!
//! A schema that was found is kept for as long as the process lives, so that what is known keeps working whatever becomes of the
//! registry. Whether a record can be read follows from its bytes and from what is known of its schema alone ([`writer`]), and how,
//! by its [`plan`]: nothing
//! here waits, and nothing asks a clock. Who has a registry brings what it answers ([`Schemas::found`], [`Schemas::keep`]) and
//! takes back what it said for a time ([`Schemas::forget`]); a task holds a record whose schema is not known yet.

pub mod cost;
pub mod datum;
pub mod fit;
pub mod layout;
pub mod local;
pub mod plan;
pub mod wire;
pub mod writer;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use self::writer::WriterSchema;
use crate::event::record::SchemaId;

/// Schemas known at once, those refused included: a registry for all of a company's topics has some thousands.
pub const SCHEMAS_MAX: usize = 4096;

/// What is known of a schema.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// Its records can be read.
    Readable(&'static WriterSchema),
    /// They cannot, for this reason.
    Refused(Arc<str>),
    /// Where schemas come from says that there is none of this id.
    Unknown,
}

/// The schemas that a process knows. Clones share them.
#[derive(Clone, Debug)]
pub struct Schemas {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    known: RwLock<HashMap<SchemaId, Verdict>>,
    times: BTreeSet<String>,
    /// Somebody may bring more.
    grows: bool,
}

impl Schemas {
    /// Ours, by their own ids, and no other is ever found. `times` are the names of properties and attributes that are instants.
    #[must_use]
    pub fn ours(times: impl IntoIterator<Item = String>) -> Self {
        let this = Self::with(times, false);
        for version in local::INPUTS {
            this.found(version.id, version.text);
        }
        this
    }

    /// None yet: somebody brings them. `times` as in [`Schemas::ours`].
    #[must_use]
    pub fn growing(times: impl IntoIterator<Item = String>) -> Self {
        Self::with(times, true)
    }

    fn with(times: impl IntoIterator<Item = String>, grows: bool) -> Self {
        Self {
            inner: Arc::new(Inner {
                known: RwLock::default(),
                times: times.into_iter().collect(),
                grows,
            }),
        }
    }

    // What is known.

    /// What is known of an id. None: nothing yet.
    #[must_use]
    pub fn get(&self, id: SchemaId) -> Option<Verdict> {
        let known = self.inner.known.read();
        let known = known.unwrap_or_else(PoisonError::into_inner);
        match known.get(&id) {
            Some(verdict) => Some(verdict.clone()),
            None => (!self.inner.grows).then_some(Verdict::Unknown),
        }
    }

    /// The id of a record whose schema must be had before it can be read.
    #[must_use]
    pub fn missing(&self, payload: &[u8]) -> Option<SchemaId> {
        let (id, _) = wire::split(payload)?;
        self.get(id).is_none().then_some(id)
    }

    // To know more.

    /// A schema was found: it stays known. `false` as in [`Schemas::keep`].
    pub fn found(&self, id: SchemaId, text: &str) -> bool {
        if matches!(self.get(id), Some(Verdict::Readable(_))) {
            return true;
        }
        let verdict = match WriterSchema::parse(text, &self.inner.times) {
            Ok(schema) => Verdict::Readable(Box::leak(Box::new(schema))),
            Err(reason) => Verdict::Refused(reason.into()),
        };
        self.keep(id, verdict)
    }

    /// Keeps a verdict; `false` where there are too many already, and the schema counts as unknown. Whoever sends random ids shall not fill the memory: what is
    /// [`Verdict::Unknown`] makes way.
    pub fn keep(&self, id: SchemaId, verdict: Verdict) -> bool {
        let known = self.inner.known.write();
        let mut known = known.unwrap_or_else(PoisonError::into_inner);
        if known.len() >= SCHEMAS_MAX {
            known.retain(|_, known| !matches!(known, Verdict::Unknown));
        }
        let fits = known.len() < SCHEMAS_MAX;
        known.insert(id, if fits { verdict } else { Verdict::Unknown });
        fits
    }

    /// Forgets a verdict that was good for a time; one that can be read stays.
    pub fn forget(&self, id: SchemaId) {
        let known = self.inner.known.write();
        let mut known = known.unwrap_or_else(PoisonError::into_inner);
        if !matches!(known.get(&id), Some(Verdict::Readable(_))) {
            known.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests;
