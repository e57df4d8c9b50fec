//! Where schemas of records in Avro come from beside ours: a folder, and a schema registry.
//!
//! What they give becomes known in [`Schemas`], by which records are read. [`Source::load`] waits for the registry; it is for
//! commands, and for the thread of the runtime that asks in place of the tasks.

pub mod answer;
pub mod client;
pub mod error;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use self::client::{Registry, RegistrySettings};
pub use self::error::{RegistryError, SchemasError};

use self::answer::Lookup;
use crate::avro::{Schemas, Verdict};
use crate::decode::Decoder;
use crate::event::record::SchemaId;

/// The schemas that are known, and where more of them may be had. Clones share them.
#[derive(Clone, Debug)]
pub struct Source {
    schemas: Schemas,
    registry: Option<Arc<Registry>>,
    folder: Option<PathBuf>,
}

/// What became of the question for a schema.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// It may be another later: the registry does not have it, or not whole, or there was no room.
    pub passing: bool,
    /// Why something that should be kept was not.
    pub trouble: Option<String>,
}

impl Source {
    /// Our own schemas, or those of a registry where there is one, and those of a folder. `times` are the names of properties and
    /// attributes that are instants. The registry is not asked yet.
    ///
    /// # Errors
    /// Where a file cannot be read.
    pub fn new(
        registry: Option<Registry>,
        folder: Option<PathBuf>,
        times: impl IntoIterator<Item = String>,
    ) -> Result<Self, SchemasError> {
        let schemas = match &registry {
            Some(_) => Schemas::growing(times),
            None => Schemas::ours(times),
        };
        if let Some(folder) = &folder {
            read_folder(folder, &schemas)?;
        }
        Ok(Self {
            schemas,
            registry: registry.map(Arc::new),
            folder,
        })
    }

    /// Our own schemas, and no others.
    #[must_use]
    pub fn ours() -> Self {
        Self {
            schemas: Schemas::ours([]),
            registry: None,
            folder: None,
        }
    }

    /// What is known.
    #[must_use]
    pub fn schemas(&self) -> &Schemas {
        &self.schemas
    }

    /// The registry, where there is one.
    #[must_use]
    pub fn registry(&self) -> Option<&Registry> {
        self.registry.as_deref()
    }

    /// Asks the registry for a schema and waits; none where it is known already, or there is no registry.
    ///
    /// # Errors
    /// Where the registry does not say whether there is one.
    pub fn load(&self, id: SchemaId) -> Result<Option<Loaded>, SchemasError> {
        match &self.registry {
            Some(registry) if self.schemas.get(id).is_none() => {
                Ok(Some(self.answered(id, registry.schema(id)?)))
            }
            _ => Ok(None),
        }
    }

    /// Waits for the schema of a record, where it is not had yet.
    ///
    /// # Errors
    /// Where the registry does not say whether there is one.
    pub fn load_for(
        &self,
        decoder: &Decoder,
        topic: &str,
        payload: &[u8],
    ) -> Result<(), SchemasError> {
        match decoder.missing_schema(topic, payload) {
            Some(id) => self.load(id).map(drop),
            None => Ok(()),
        }
    }

    /// Makes known what the registry answered; a schema is kept in the folder too.
    fn answered(&self, id: SchemaId, lookup: Lookup) -> Loaded {
        let mut trouble = None;
        let (kept, passing) = match lookup {
            Lookup::Schema(text) => {
                let written = self
                    .folder
                    .as_ref()
                    .map(|folder| write(folder, id, &text))
                    .and_then(Result::err);
                trouble = written.map(|error| format!("a schema could not be kept: {error}"));
                (self.schemas.found(id, &text), false)
            }
            Lookup::Refused(reason) => {
                (self.schemas.keep(id, Verdict::Refused(reason.into())), true)
            }
            Lookup::Unknown => (self.schemas.keep(id, Verdict::Unknown), true),
        };
        Loaded {
            passing: passing || !kept,
            trouble,
        }
    }
}

fn read_folder(folder: &Path, schemas: &Schemas) -> Result<(), SchemasError> {
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
            schemas.found(id, &text);
        }
    }
    Ok(())
}

/// Under another name first, so that nobody reads half a file.
fn write(folder: &Path, id: SchemaId, text: &str) -> Result<(), SchemasError> {
    let path = folder.join(format!("{id}.avsc"));
    let part = folder.join(format!("{id}.avsc.{}", std::process::id()));
    let written = fs::write(&part, text).and_then(|()| fs::rename(&part, &path));
    written.map_err(|source| SchemasError::File { path, source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::avro::SCHEMAS_MAX;
    use crate::avro::local::newest;
    use std::time::Duration;

    /// A registry that nobody answers for.
    fn silent(folder: Option<PathBuf>) -> Source {
        let registry = Registry::new(RegistrySettings {
            url: "http://127.0.0.1:1".to_owned(),
            ca: None,
            authorization: None,
            timeout: Duration::from_secs(5),
        });
        Source::new(Some(registry.unwrap()), folder, []).unwrap()
    }

    #[test]
    fn what_is_no_schema_is_not_kept_as_one() {
        let folder = tempfile::tempdir().unwrap();
        let source = silent(Some(folder.path().to_owned()));
        let refused = Lookup::Refused("it is of type JSON".to_owned());
        assert!(source.answered(11, refused).passing);
        assert!(source.answered(12, Lookup::Unknown).passing);
        let schema = Lookup::Schema(newest("cart").text.to_owned());
        assert!(!source.answered(13, schema).passing);
        let Some(Verdict::Refused(reason)) = source.schemas.get(11) else {
            panic!("it is refused")
        };
        assert_eq!(&*reason, "it is of type JSON");
        assert!(matches!(source.schemas.get(12), Some(Verdict::Unknown)));
        for id in [11, 12, 13] {
            source.schemas.forget(id);
        }
        assert!(source.schemas.get(11).is_none());
        assert!(matches!(source.schemas.get(13), Some(Verdict::Readable(_))));
        let files = fs::read_dir(folder.path()).unwrap();
        let names = files.map(|file| file.unwrap().file_name());
        assert_eq!(names.collect::<Vec<_>>(), ["13.avsc"]);
    }

    #[test]
    fn too_many_ids_make_way() {
        let source = silent(None);
        let schemas = &source.schemas;
        let id = |number: usize| SchemaId::try_from(number).unwrap();
        schemas.found(0, newest("cart").text);
        for number in 1..=SCHEMAS_MAX {
            assert!(schemas.keep(id(number), Verdict::Unknown));
        }
        assert!(matches!(schemas.get(0), Some(Verdict::Readable(_))));
        assert!(schemas.get(1).is_none());
        assert!(matches!(
            schemas.get(id(SCHEMAS_MAX)),
            Some(Verdict::Unknown)
        ));
        let error = source.load(7).unwrap_err().to_string();
        assert!(error.contains("does not answer"), "{error}");
        assert!(schemas.get(7).is_none());
    }
}
