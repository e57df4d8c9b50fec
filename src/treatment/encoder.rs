//! How decisions and treatments are written for their topics: as JSON, or as Avro with the id that the registry gave our schema;
//! and either as a CloudEvent where asked ([`super::cloud_event`]).

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::cloud_event::{Published, Publishing};
use super::{CommandOf, Decision, avro, json};
use crate::avro::local::{self, Version};
use crate::avro::registry::RegistryError;
use crate::avro::wire::{self, SchemaId};
use crate::avro::{Schemas, SchemasError};
use crate::config::{Config, Format};

/// At start the registry is waited for so long: a machine that starts with it needs some seconds more than we do.
const START_WAIT: Duration = Duration::from_secs(60);
/// Between two asks.
const START_PAUSE: Duration = Duration::from_secs(1);

/// Writes decisions and treatments.
#[derive(Clone, Debug, Default)]
pub struct Encoder {
    publishing: Arc<Publishing>,
    treatments: Form,
    decisions: Form,
}

#[derive(Clone, Debug, Default)]
enum Form {
    #[default]
    Json,
    Avro(Arc<avro::Writer>),
}

impl Form {
    /// The media type of what it writes.
    fn media_type(&self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Avro(_) => "application/avro",
        }
    }
}

impl Encoder {
    /// As configured. Where something goes out in Avro, its schema is registered, or looked up, under `<topic>-value`; the commands
    /// of all channels have one subject, `<prefix>-value`.
    ///
    /// # Errors
    /// Where the registry has no id for a schema: it does not answer for a minute, refuses the schema, or lacks it.
    pub fn new(config: &Config, schemas: &Schemas) -> Result<Self, SchemasError> {
        let topics = &config.topics;
        let form = |format, folder, topic: &str| match format {
            Format::Json => Ok(Form::Json),
            Format::Avro => {
                let version = local::newest(folder);
                let id = id(schemas, config, &format!("{topic}-value"), &version)?;
                Ok::<_, SchemasError>(Form::Avro(Arc::new(avro::Writer::new(&version, id))))
            }
        };
        Ok(Self {
            publishing: Arc::new(config.publishing()),
            treatments: form(topics.treatments_format, "treatments", &topics.treatments)?,
            decisions: form(topics.decisions_format, "decisions", &topics.decisions)?,
        })
    }

    /// In JSON, whatever is configured.
    #[must_use]
    pub fn json(publishing: Publishing) -> Self {
        Self {
            publishing: Arc::new(publishing),
            ..Self::default()
        }
    }

    /// What goes to the decisions topic.
    #[must_use]
    pub fn decision(&self, decision: &Decision) -> Published {
        let value = match &self.decisions {
            Form::Json => decision.to_json(),
            Form::Avro(writer) => writer.decision(decision),
        };
        let media_type = self.decisions.media_type();
        self.publishing.decision(decision, value, media_type)
    }

    /// What goes to the treatments topic, where there is a command.
    #[must_use]
    pub fn treatment(&self, decision: &Decision) -> Option<Published> {
        let command = decision.command()?;
        let value = match &self.treatments {
            Form::Json => json(&CommandOf { decision, command }),
            Form::Avro(writer) => writer.treatment(decision, command),
        };
        let media_type = self.treatments.media_type();
        Some(
            self.publishing
                .treatment(decision, command, value, media_type),
        )
    }
}

/// The id that records of a schema carry.
fn id(
    schemas: &Schemas,
    config: &Config,
    subject: &str,
    version: &Version,
) -> Result<SchemaId, SchemasError> {
    let Some(registry) = schemas.registry() else {
        return Ok(version.id);
    };
    let start = Instant::now();
    loop {
        match registry.id(subject, version.text, config.schema_registry.register) {
            Ok(id) => {
                tracing::info!(subject, id, head = ?wire::head(id), "writing Avro");
                return Ok(id);
            }
            Err(error) if is_passing(&error) && start.elapsed() < START_WAIT => {
                tracing::warn!(subject, %error, "waiting for the schema registry");
                thread::park_timeout(START_PAUSE);
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Whether it may be otherwise in a moment: whatever is not the registry's own word.
fn is_passing(error: &RegistryError) -> bool {
    match error {
        RegistryError::Unreachable { .. } | RegistryError::Answer { .. } => true,
        RegistryError::Refused { .. } | RegistryError::Settings(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_but_the_registrys_own_word_is_waited_out() {
        let answer = |status| RegistryError::Answer {
            url: String::new(),
            status,
            detail: String::new(),
        };
        let detail = "it does not fit".to_owned();
        let url = String::new;
        for (error, expected) in [
            (answer(401), true),
            (answer(403), true),
            (answer(404), true),
            (answer(200), true),
            (answer(503), true),
            (
                RegistryError::Unreachable {
                    url: url(),
                    detail: detail.clone(),
                },
                true,
            ),
            (
                RegistryError::Refused {
                    url: url(),
                    detail: detail.clone(),
                },
                false,
            ),
            (RegistryError::Settings(detail), false),
        ] {
            assert_eq!(is_passing(&error), expected, "{error}");
        }
    }
}
