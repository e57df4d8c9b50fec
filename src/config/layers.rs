//! From a file, the environment and flags to one configuration.
//!
//! `config` lays one over the other. What it loses is kept from before: the file is read by itself first, so that what is
//! wrong with it is said with its line, and each variable and flag is tried as it is laid on, so that an error has its name.

use std::fmt;
use std::path::{Path, PathBuf};

use config::builder::DefaultState;
use config::{ConfigBuilder, Environment, File, FileFormat, Map, Source as _};
use serde::Deserialize as _;
use toml::{Table, Value};

use super::Config;
use super::secret::{holds_login, is_secret};
use crate::document::suggest::meant;

/// What our variables begin with, before `__`.
const PREFIX: &str = "MOMENTS";

/// What is laid over one another, lowest first.
type Layers = ConfigBuilder<DefaultState>;

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is no configuration.
    #[error("{}: {detail}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What, with line and column.
        detail: String,
    },
    /// A variable or a flag does not fit.
    #[error("{name}: {detail}")]
    Override {
        /// Its name; the value may be secret.
        name: String,
        /// What.
        detail: String,
    },
    /// A value is not allowed.
    #[error("{key}: {detail}")]
    Invalid {
        /// The field.
        key: String,
        /// Why.
        detail: String,
    },
}

impl ConfigError {
    pub(super) fn invalid(key: impl Into<String>, detail: impl fmt::Display) -> Self {
        Self::Invalid {
            key: key.into(),
            detail: detail.to_string(),
        }
    }
}

pub(super) fn load(
    path: Option<&Path>,
    environment: impl IntoIterator<Item = (String, String)>,
    overrides: &[(String, String)],
) -> Result<Config, ConfigError> {
    let mut layers = path.map_or_else(|| Ok(Layers::default()), from_file)?;
    let mut variables: Vec<(String, String)> = environment.into_iter().collect();
    variables.sort();
    for (name, text) in variables {
        if let Some(field) = field_of(&name)? {
            layers = lay_over(&layers, &name, &field, &text)?;
        }
    }
    for (field, text) in overrides {
        layers = lay_over(&layers, field, field, text)?;
    }
    let mut config =
        read(&layers).map_err(|detail| ConfigError::invalid("configuration", detail))?;
    config.kafka.read_files()?;
    config.codes.read_file()?;
    Ok(config)
}

/// The file as the lowest layer, once it has been read by itself.
fn from_file(path: &Path) -> Result<Layers, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
        path: path.to_owned(),
        source,
    })?;
    toml::from_str::<Config>(&text).map_err(|error| ConfigError::File {
        path: path.to_owned(),
        detail: explained(&error),
    })?;
    Ok(Layers::default().add_source(File::from_str(&text, FileFormat::Toml)))
}

/// The field that a variable sets, with dots; none, where the variable is not ours.
fn field_of(name: &str) -> Result<Option<String>, ConfigError> {
    let is_ours = name.starts_with(PREFIX);
    let variable = Map::from([(name.to_owned(), String::new())]);
    let variables = Environment::with_prefix(PREFIX).separator("__");
    let fields = variables.source(Some(variable)).collect();
    let field = fields.map_err(|error| ConfigError::invalid(name, error))?;
    Ok(field.into_keys().next().filter(|_| is_ours))
}

/// The keys of a field. A Kafka property has dots in its name: the rest of the path is one key.
fn keys(field: &str) -> Vec<String> {
    let mut keys: Vec<String> = field.split('.').map(str::to_owned).collect();
    let sections = ["properties", "consumer", "producer"];
    if keys.len() > 2 && keys[0] == "kafka" && sections.contains(&keys[1].as_str()) {
        let name = keys.split_off(2).join(".").replace('_', ".");
        keys.push(name);
    }
    keys
}

/// The layers with a text over them, as the first of text, TOML value and list with commas that its field takes.
fn lay_over(layers: &Layers, name: &str, field: &str, text: &str) -> Result<Layers, ConfigError> {
    let list = || text.split(',').map(|item| item.trim().into()).collect();
    let candidates = [
        Some(Value::String(text.to_owned())),
        text.parse().ok(),
        Some(Value::Array(list())),
    ];
    let mut first = None;
    for value in candidates.into_iter().flatten() {
        let line = File::from_str(&line(&keys(field), &value), FileFormat::Toml);
        let changed = layers.clone().add_source(line);
        match read(&changed) {
            Ok(_) => return Ok(changed),
            Err(detail) => drop(first.get_or_insert(detail)),
        }
    }
    let detail = first.unwrap_or_default();
    // A section of Kafka's as a whole may hold a password, too.
    let detail = match is_secret(field) || field.starts_with("kafka.") || holds_login(text) {
        true => detail.replace(text, "(not shown)"),
        false => detail,
    };
    let name = name.to_owned();
    Err(ConfigError::Override { name, detail })
}

/// A layer of one field, as TOML.
fn line(keys: &[String], value: &Value) -> String {
    let keys: Vec<String> = keys
        .iter()
        .map(|key| Value::String(key.clone()).to_string())
        .collect();
    format!("{} = {value}", keys.join("."))
}

/// What the layers come to. Not read by `config` itself, which would take `"3"` for a number, 3 for a text and `on` for both.
fn read(layers: &Layers) -> Result<Config, String> {
    let layered = layers.build_cloned();
    let table: Table = layered
        .and_then(config::Config::try_deserialize)
        .map_err(|error| error.to_string())?;
    Config::deserialize(Value::Table(table)).map_err(|error| explained(&error))
}

/// The message, and what was probably meant.
fn explained(error: &toml::de::Error) -> String {
    let message = without_secrets(&error.to_string());
    let message = message.trim_end();
    match meant(error.message()) {
        Some(meant) => format!("{message}\ndid you mean `{meant}`?"),
        None => message.to_owned(),
    }
}

/// The message, without what may be secret in the line that it shows: its value, and what it says of that.
pub(super) fn without_secrets(message: &str) -> String {
    let source = |line: &str| {
        let (number, text) = line.split_once('|')?;
        number.trim().parse::<u32>().ok()?;
        Some(text.to_owned())
    };
    let hides = |text: &str| {
        let key = text.split('=').next().unwrap_or_default();
        // A line without a key goes on with a value whose key is above it.
        let goes_on = !text.contains('=') && !text.trim_start().starts_with('[');
        goes_on || is_secret(key) || holds_login(text)
    };
    if !message.lines().filter_map(source).any(|text| hides(&text)) {
        return message.to_owned();
    }
    let mut shown = Vec::new();
    for line in message.lines() {
        shown.push(match source(line) {
            Some(text) => {
                let (number, key) = (
                    line.split('|').next().unwrap_or_default(),
                    text.split('=').next(),
                );
                let key = key.filter(|_| text.contains('=')).unwrap_or_default();
                format!("{number}|{} = (not shown)", key.trim_end())
            }
            // What was found may be quoted; what was expected is not.
            None => match line.split_once(", expected ") {
                Some((_, expected)) => format!("expected {expected}"),
                None => line.to_owned(),
            },
        });
    }
    shown.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_secret_is_not_shown() {
        for text in [
            "[kafka.properties]\n\"sasl.password\" = \"hunter2",
            "[kafka.properties]\n\"sasl.password\" = hunter2",
            "[kafka.properties]\n\"ssl.key.pem\" = \"\"\"-----\nhunter2",
            "[schema_registry]\npassword = [\"hunter2\"]",
            "[schema_registry]\ntoken = { hunter2 = 1 }",
            "[kafka.properties]\n\"sasl.password\" = [\"hunter2\"]",
        ] {
            let error = toml::from_str::<Config>(text).expect_err(text);
            let said = explained(&error);
            assert!(!said.contains("hunter2"), "{text}: {said}");
            assert!(said.contains("line "), "{text}: {said}");
        }
        let harmless = toml::from_str::<Config>("[http]\nlisten = 5").expect_err("no address");
        assert!(
            explained(&harmless).contains("listen = 5"),
            "{}",
            explained(&harmless)
        );
    }
}
