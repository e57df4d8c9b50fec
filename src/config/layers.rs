//! From a file, the environment and flags to one configuration.
//!
//! The file is read by itself first, so that what is wrong with it is said with its line. Each variable is then laid over it,
//! as the first of text, TOML value and list with commas that its field takes.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize as _;
use toml::{Table, Value};

use super::Config;
use crate::document::suggest::meant;

const PREFIX: &str = "MOMENTS__";
const SEPARATOR: &str = "__";

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
    let mut table = path.map_or_else(|| Ok(Table::new()), read)?;
    let mut variables: Vec<(String, String)> = environment
        .into_iter()
        .filter(|(name, _)| name.starts_with(PREFIX))
        .collect();
    variables.sort();
    for (name, text) in variables {
        let keys: Vec<String> = name[PREFIX.len()..]
            .split(SEPARATOR)
            .map(str::to_lowercase)
            .collect();
        table = lay_over(&table, &name, &property_dots(keys), &text)?;
    }
    for (name, text) in overrides {
        let keys: Vec<String> = name.split('.').map(str::to_owned).collect();
        table = lay_over(&table, name, &property_dots(keys), text)?;
    }
    let mut config = deserialize(table)
        .map_err(|error| ConfigError::invalid("configuration", explained(&error)))?;
    config.kafka.read_files()?;
    Ok(config)
}

fn read(path: &Path) -> Result<Table, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
        path: path.to_owned(),
        source,
    })?;
    let wrong = |error: &toml::de::Error| ConfigError::File {
        path: path.to_owned(),
        detail: explained(error),
    };
    toml::from_str::<Config>(&text).map_err(|error| wrong(&error))?;
    toml::from_str(&text).map_err(|error| wrong(&error))
}

/// A Kafka property has dots in its name: the rest of the path is one key.
fn property_dots(mut keys: Vec<String>) -> Vec<String> {
    let sections = ["properties", "consumer", "producer"];
    if keys.len() > 2 && keys[0] == "kafka" && sections.contains(&keys[1].as_str()) {
        let name = keys.split_off(2).join(".").replace('_', ".");
        keys.push(name);
    }
    keys
}

fn lay_over(table: &Table, name: &str, keys: &[String], text: &str) -> Result<Table, ConfigError> {
    let list = || {
        Value::Array(
            text.split(',')
                .map(|item| Value::String(item.trim().to_owned()))
                .collect(),
        )
    };
    let parsed = || {
        let line: Table = toml::from_str(&format!("value = {text}")).ok()?;
        line.get("value").cloned()
    };
    let candidates = [Some(Value::String(text.to_owned())), parsed(), Some(list())];
    let mut first = None;
    for value in candidates.into_iter().flatten() {
        let mut changed = table.clone();
        let done = set(&mut changed, keys, value);
        match done.and_then(|()| deserialize(changed.clone()).map_err(|error| explained(&error))) {
            Ok(_) => return Ok(changed),
            Err(error) => drop(first.get_or_insert(error)),
        }
    }
    Err(ConfigError::Override {
        name: name.to_owned(),
        detail: first.unwrap_or_default(),
    })
}

fn set(table: &mut Table, keys: &[String], value: Value) -> Result<(), String> {
    match keys {
        [] => Err("names no field".to_owned()),
        [key] => {
            table.insert(key.clone(), value);
            Ok(())
        }
        [key, rest @ ..] => {
            let inner = table
                .entry(key.clone())
                .or_insert_with(|| Value::Table(Table::new()));
            let inner = inner
                .as_table_mut()
                .ok_or_else(|| format!("`{key}` is not a section"))?;
            set(inner, rest, value)
        }
    }
}

fn deserialize(table: Table) -> Result<Config, toml::de::Error> {
    Config::deserialize(Value::Table(table))
}

/// The message, and what was probably meant.
fn explained(error: &toml::de::Error) -> String {
    let message = error.to_string();
    let message = message.trim_end();
    match meant(error.message()) {
        Some(meant) => format!("{message}\ndid you mean `{meant}`?"),
        None => message.to_owned(),
    }
}
