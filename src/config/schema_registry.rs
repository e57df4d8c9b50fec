//! Where schemas of records in Avro come from.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::secret::holds_login;
use super::{ConfigError, Span};
use crate::registry::{Registry, RegistryError, RegistrySettings, SchemasError, Source};

/// Where schemas of records in Avro come from: a registry with Confluent's HTTP interface, or, without one, `schemas/`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SchemaRegistry {
    /// Base of its paths, `https://registry:8081`; of Apicurio it ends in `/apis/ccompat/v7`. Empty: there is none, and the ids are
    /// those of `schemas/`. Default empty.
    pub url: String,
    /// Certificates to trust, a file in PEM. Empty: the system's. Default empty.
    pub ca_file: PathBuf,
    /// For basic authentication. Default empty.
    pub user: String,
    /// Its password; or, better, in `password_file`. Default empty.
    pub password: Secret,
    /// The file that holds the password. Default empty.
    pub password_file: PathBuf,
    /// For bearer authentication, instead; or, better, in `token_file`. Default empty.
    pub token: Secret,
    /// The file that holds the token. Default empty.
    pub token_file: PathBuf,
    /// How long one call may take. One that takes longer has failed, and is tried again. Default `5s`.
    pub timeout: Span,
    /// A folder of schemas by id, `17.avsc`: read at start, and what the registry gives is kept there, for starts without it and
    /// for replays. Empty: there is none. Default empty.
    pub folder: PathBuf,
    /// Register the schemas of what goes out in Avro; `false`: they must be there. Default `true`.
    pub register: bool,
}

/// A text that is never shown.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() {
            "\"\""
        } else {
            "(not shown)"
        })
    }
}

impl Default for SchemaRegistry {
    fn default() -> Self {
        Self {
            url: String::new(),
            ca_file: PathBuf::new(),
            user: String::new(),
            password: Secret::default(),
            password_file: PathBuf::new(),
            token: Secret::default(),
            token_file: PathBuf::new(),
            timeout: Span { ms: 5_000 },
            folder: PathBuf::new(),
            register: true,
        }
    }
}

impl SchemaRegistry {
    /// Where schemas come from. `times` are the names of properties and attributes that are instants.
    ///
    /// # Errors
    /// Where a file cannot be read, or the settings do not make a client.
    pub fn source(&self, times: impl IntoIterator<Item = String>) -> Result<Source, SchemasError> {
        let folder = (!self.folder.as_os_str().is_empty()).then(|| self.folder.clone());
        Source::new(self.registry()?, folder, times)
    }

    /// A client of the registry, where there is one. Nothing is asked yet.
    ///
    /// # Errors
    /// Where a file cannot be read.
    pub fn registry(&self) -> Result<Option<Registry>, RegistryError> {
        if self.url.is_empty() {
            return Ok(None);
        }
        let ca = match self.ca_file.as_os_str().is_empty() {
            true => None,
            false => Some(read("ca_file", &self.ca_file)?),
        };
        let timeout = Duration::from_millis(self.timeout.ms.unsigned_abs());
        Registry::new(RegistrySettings {
            url: self.url.clone(),
            ca,
            authorization: self.authorization()?,
            timeout,
        })
        .map(Some)
    }

    fn authorization(&self) -> Result<Option<String>, RegistryError> {
        let token = secret("token_file", &self.token, &self.token_file)?;
        if !token.is_empty() {
            return Ok(Some(format!("Bearer {token}")));
        }
        if self.user.is_empty() {
            return Ok(None);
        }
        let password = secret("password_file", &self.password, &self.password_file)?;
        let pair = format!("{}:{password}", self.user);
        let pair = base64::engine::general_purpose::STANDARD.encode(pair);
        Ok(Some(format!("Basic {pair}")))
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let wrong = |field: &str, detail: &str| {
            Err(ConfigError::invalid(
                format!("schema_registry.{field}"),
                detail,
            ))
        };
        let rest = self
            .url
            .strip_prefix("http://")
            .or(self.url.strip_prefix("https://"));
        let is_set =
            |secret: &Secret, file: &Path| !secret.0.is_empty() || !file.as_os_str().is_empty();
        if !self.url.is_empty() && rest.is_none() {
            return wrong("url", "expected http://host:port or https://host:port");
        }
        if holds_login(&self.url) {
            return wrong(
                "url",
                "holds a password, and is shown in the log; use user and password_file",
            );
        }
        if self.timeout.ms < 1 {
            return wrong("timeout", "must be at least 1ms");
        }
        if is_set(&self.token, &self.token_file) && !self.user.is_empty() {
            return wrong("token", "either user and password, or token");
        }
        if is_set(&self.password, &self.password_file) && self.user.is_empty() {
            return wrong("password", "needs user");
        }
        Ok(())
    }
}

fn secret(field: &str, secret: &Secret, file: &Path) -> Result<String, RegistryError> {
    if file.as_os_str().is_empty() {
        return Ok(secret.0.clone());
    }
    let text = read(field, file)?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

fn read(field: &str, file: &Path) -> Result<String, RegistryError> {
    std::fs::read_to_string(file).map_err(|error| {
        RegistryError::Settings(format!("{field} = {:?}: {error}", file.display()))
    })
}
