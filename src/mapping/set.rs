//! The mappings of an installation: which topic's records are foreign, and in what way.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::{Mapping, read};
use crate::document::reader::Declared;
use crate::document::report::{Report, Source};

/// Mappings by topic.
#[derive(Clone, Debug, Default)]
pub struct Mappings {
    by_topic: BTreeMap<String, Arc<Mapping>>,
    /// For topics that none is named for.
    every: Option<Arc<Mapping>>,
}

/// Whether a file is a mapping: it says so at the beginning of a line.
#[must_use]
pub fn is_mapping_file(path: &Path) -> bool {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().any(|line| line.starts_with("mapping:"))
}

impl Mappings {
    /// Reads files, each for a topic, or without one for all topics that none is named for.
    ///
    /// # Errors
    /// Everything that is wrong with any of them; what is wrong with one file is told once.
    pub fn load<'f>(
        files: impl IntoIterator<Item = (Option<String>, &'f Path)>,
        declared: Declared<'_>,
    ) -> Result<Self, Vec<Report>> {
        let mut read_already: BTreeMap<&Path, Option<Arc<Mapping>>> = BTreeMap::new();
        let (mut mappings, mut reports) = (Self::default(), Vec::new());
        for (topic, path) in files {
            let mapping = read_already.entry(path).or_insert_with(|| {
                let file = Source::load(path).map_err(|report| vec![report]);
                match file.and_then(|file| read(&file, declared)) {
                    Ok(mapping) => Some(Arc::new(mapping)),
                    Err(wrong) => {
                        reports.extend(wrong);
                        None
                    }
                }
            });
            let Some(mapping) = mapping else { continue };
            match topic {
                Some(topic) => drop(mappings.by_topic.insert(topic, Arc::clone(mapping))),
                None => mappings.every = Some(Arc::clone(mapping)),
            }
        }
        if reports.is_empty() {
            Ok(mappings)
        } else {
            Err(reports)
        }
    }

    /// One mapping for all topics.
    #[must_use]
    pub fn one(mapping: Mapping) -> Self {
        Self {
            by_topic: BTreeMap::new(),
            every: Some(Arc::new(mapping)),
        }
    }

    /// The mapping of a topic; none: its records are our own.
    #[must_use]
    pub fn of(&self, topic: &str) -> Option<&Mapping> {
        if self.by_topic.is_empty() {
            return self.every.as_deref();
        }
        self.by_topic
            .get(topic)
            .or(self.every.as_ref())
            .map(Arc::as_ref)
    }

    /// Topics (`*` for the rest) with the mapping of each, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Mapping)> {
        let named = self
            .by_topic
            .iter()
            .map(|(topic, mapping)| (topic.as_str(), &**mapping));
        named.chain(self.every.iter().map(|mapping| ("*", &**mapping)))
    }
}
