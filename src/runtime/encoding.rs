//! How decisions and treatments are written, as configured; the registry is asked, and at start waited for, for the ids of our
//! schemas.

use std::thread;
use std::time::{Duration, Instant};

use crate::avro::local::{self, Version};
use crate::avro::wire;
use crate::config::{Config, Format};
use crate::encode::{Encoder, Form};
use crate::event::record::SchemaId;
use crate::registry::{RegistryError, SchemasError, Source};

/// At start the registry is waited for so long: a machine that starts with it needs some seconds more than we do.
const START_WAIT: Duration = Duration::from_secs(60);
/// Between two asks.
const START_PAUSE: Duration = Duration::from_secs(1);

/// As configured. Where something goes out in Avro, its schema is registered, or looked up, under `<topic>-value`; the commands of
/// all channels have one subject, `<prefix>-value`.
///
/// # Errors
/// Where the registry has no id for a schema: it does not answer for a minute, refuses the schema, or lacks it.
pub fn encoder(config: &Config, source: &Source) -> Result<Encoder, SchemasError> {
    let topics = &config.topics;
    let form = |format, folder, topic: &str| match format {
        Format::Json => Ok(Form::Json),
        Format::Avro => {
            let version = local::newest(folder);
            let id = id(source, config, &format!("{topic}-value"), &version)?;
            Ok::<_, SchemasError>(Form::avro(&version, id))
        }
    };
    Ok(Encoder::new(
        config.publishing(),
        form(topics.treatments_format, "treatments", &topics.treatments)?,
        form(topics.decisions_format, "decisions", &topics.decisions)?,
    ))
}

/// The id that records of a schema carry.
fn id(
    source: &Source,
    config: &Config,
    subject: &str,
    version: &Version,
) -> Result<SchemaId, SchemasError> {
    let Some(registry) = source.registry() else {
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
