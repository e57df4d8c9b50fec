//! The schemas of records in Avro, by their id: ours ([`local`]), those of a folder, and those of a schema registry.
//!
//! A schema that was found is kept for as long as the process lives, so that what is known keeps working whatever becomes of the
//! registry. Whether a record can be read follows from its bytes and its schema alone ([`writer`]). Nothing here waits for the
//! registry but [`Schemas::load`], for commands, and the thread of [`fetcher`]: a task asks ([`Schemas::want`]) and looks
//! again later.

pub mod answer;
mod cost;
pub mod fetcher;
pub mod fit;
pub mod local;
pub mod registry;
pub mod wire;
pub mod writer;

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use self::answer::Lookup;
use self::registry::{Registry, RegistryError};
use self::wire::SchemaId;
use self::writer::WriterSchema;
use crate::config::SchemaRegistry;

/// Schemas known at once, those refused included: a registry for all of a company's topics has some thousands.
pub const SCHEMAS_MAX: usize = 4096;

/// An id whose schema the registry does not have, or not whole, is asked for again after this time, for the case that it has it
/// then.
const AGAIN: Duration = Duration::from_secs(60);

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

/// Why the schemas cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SchemasError {
    /// A file.
    #[error("{}: {source}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The registry.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

/// The schemas that a process knows. Clones share them.
#[derive(Clone, Debug)]
pub struct Schemas {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    known: RwLock<HashMap<SchemaId, Known>>,
    times: BTreeSet<String>,
    registry: Option<Registry>,
    folder: Option<PathBuf>,
    wanted: Sender<SchemaId>,
    /// Until the fetcher takes it.
    asked: Mutex<Option<Receiver<SchemaId>>>,
}

#[derive(Debug)]
struct Known {
    verdict: Verdict,
    /// From then on it is not known any more.
    until: Option<Instant>,
}

impl Schemas {
    /// As configured. `times` are the names of properties and attributes that are instants.
    ///
    /// # Errors
    /// Where a file cannot be read, or the registry's settings do not make a client. The registry itself is not asked.
    pub fn new(
        config: &SchemaRegistry,
        times: impl IntoIterator<Item = String>,
    ) -> Result<Self, SchemasError> {
        let (wanted, asked) = mpsc::channel();
        let registry = config.registry()?;
        let folder = (!config.folder.as_os_str().is_empty()).then(|| config.folder.clone());
        let this = Self {
            inner: Arc::new(Inner {
                known: RwLock::default(),
                times: times.into_iter().collect(),
                registry,
                folder,
                wanted,
                asked: Mutex::new(Some(asked)),
            }),
        };
        if this.inner.registry.is_none() {
            for version in local::INPUTS {
                this.take(version.id, version.text);
            }
        }
        if let Some(folder) = &this.inner.folder {
            this.read_folder(folder)?;
        }
        Ok(this)
    }

    // What is known.

    /// What is known of an id. None: the registry was not asked yet, or has not answered; without one, never.
    #[must_use]
    pub fn get(&self, id: SchemaId) -> Option<Verdict> {
        let known = self.inner.known.read();
        let known = known.unwrap_or_else(PoisonError::into_inner);
        match known.get(&id) {
            Some(known) if known.until.is_none_or(|until| Instant::now() < until) => {
                Some(known.verdict.clone())
            }
            _ if self.inner.registry.is_none() => Some(Verdict::Unknown),
            _ => None,
        }
    }

    /// The id of a record whose schema must be had before it can be read.
    #[must_use]
    pub fn missing(&self, payload: &[u8]) -> Option<SchemaId> {
        let (id, _) = wire::split(payload)?;
        self.get(id).is_none().then_some(id)
    }

    /// The registry, where there is one.
    #[must_use]
    pub fn registry(&self) -> Option<&Registry> {
        self.inner.registry.as_ref()
    }

    // To have more.

    /// Asks for a schema, without waiting.
    pub fn want(&self, id: SchemaId) {
        // The fetcher ends with the process.
        let _ = self.inner.wanted.send(id);
    }

    /// Waits for a schema.
    ///
    /// # Errors
    /// Where the registry does not say whether there is one.
    pub fn load(&self, id: SchemaId) -> Result<(), SchemasError> {
        if self.get(id).is_none()
            && let Some(registry) = &self.inner.registry
        {
            self.answered(id, registry.schema(id)?);
        }
        Ok(())
    }

    fn answered(&self, id: SchemaId, lookup: Lookup) {
        match lookup {
            Lookup::Schema(text) => self.found(id, &text),
            Lookup::Refused(reason) => self.keep(id, Verdict::Refused(reason.into()), Some(AGAIN)),
            Lookup::Unknown => self.keep(id, Verdict::Unknown, Some(AGAIN)),
        }
    }

    /// The registry gave a schema: it is kept, in the folder too.
    fn found(&self, id: SchemaId, text: &str) {
        if let Some(folder) = &self.inner.folder
            && let Err(error) = write(folder, id, text)
        {
            tracing::warn!(%error, "a schema could not be kept");
        }
        self.take(id, text);
    }

    fn take(&self, id: SchemaId, text: &str) {
        if matches!(self.get(id), Some(Verdict::Readable(_))) {
            return;
        }
        let verdict = match WriterSchema::parse(text, &self.inner.times) {
            Ok(schema) => Verdict::Readable(Box::leak(Box::new(schema))),
            Err(reason) => Verdict::Refused(reason.into()),
        };
        self.keep(id, verdict, None);
    }

    /// Keeps a verdict, for good or for a time. What may be another tomorrow makes way when there are too many: whoever sends
    /// random ids shall not fill the memory.
    fn keep(&self, id: SchemaId, verdict: Verdict, time: Option<Duration>) {
        let known = self.inner.known.write();
        let mut known = known.unwrap_or_else(PoisonError::into_inner);
        if known.len() >= SCHEMAS_MAX {
            known.retain(|_, known| known.until.is_none());
        }
        let (verdict, time) = if known.len() < SCHEMAS_MAX {
            (verdict, time)
        } else {
            tracing::error!(
                id,
                "more than {SCHEMAS_MAX} schemas are in use; this one is not taken"
            );
            (Verdict::Unknown, Some(AGAIN))
        };
        let until = time.map(|time| Instant::now() + time);
        known.insert(id, Known { verdict, until });
    }

    fn read_folder(&self, folder: &Path) -> Result<(), SchemasError> {
        let named = |path: &Path, source| SchemasError::File {
            path: path.to_owned(),
            source,
        };
        for entry in fs::read_dir(folder).map_err(|error| named(folder, error))? {
            let path = entry.map_err(|error| named(folder, error))?.path();
            let stem = path.file_stem().and_then(|stem| stem.to_str());
            let is_schema = path
                .extension()
                .is_some_and(|extension| extension == "avsc");
            if let (true, Some(Ok(id))) = (is_schema, stem.map(str::parse)) {
                let text = fs::read_to_string(&path).map_err(|error| named(&path, error))?;
                self.take(id, &text);
            }
        }
        Ok(())
    }
}

/// Under another name first, so that nobody reads half a file.
fn write(folder: &Path, id: SchemaId, text: &str) -> Result<(), SchemasError> {
    let path = folder.join(format!("{id}.avsc"));
    let part = folder.join(format!("{id}.avsc.{}", std::process::id()));
    let written = fs::write(&part, text).and_then(|()| fs::rename(&part, &path));
    written.map_err(|source| SchemasError::File { path, source })
}

#[cfg(test)]
mod tests;
