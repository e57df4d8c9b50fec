//! A schema registry, by the part of Confluent's HTTP interface that is needed: a schema by its id, and an id for a schema.
//!
//! What it answers is made sense of in [`super::answer`].

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, TlsProvider, parse_pem};
use ureq::{Agent, Body};

use super::answer::{Failure, Lookup, encoded, judged, lookup};
use super::error::RegistryError;
use crate::avro::writer::SCHEMA_BYTES;
use crate::event::record::SchemaId;

/// What registries call their JSON.
const CONTENT_TYPE: &str = "application/vnd.schemaregistry.v1+json";
/// The answer with a schema: its text, escaped.
const ANSWER_BYTES: u64 = 4 * SCHEMA_BYTES as u64;

/// How a registry is reached.
pub struct RegistrySettings {
    /// Base of its paths, without a slash at the end.
    pub url: String,
    /// The certificates to trust, PEM; none: the system's.
    pub ca: Option<String>,
    /// The value of the `Authorization` header.
    pub authorization: Option<String>,
    /// A call may take so long altogether.
    pub timeout: Duration,
}

/// A client of a registry.
pub struct Registry {
    agent: Agent,
    url: String,
    authorization: Option<String>,
}

#[derive(Deserialize)]
struct Registered {
    id: SchemaId,
}

#[derive(Serialize)]
struct Question<'a> {
    schema: &'a str,
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

impl Registry {
    /// A client; nothing is asked yet.
    ///
    /// # Errors
    /// Where the certificates cannot be read.
    pub fn new(settings: RegistrySettings) -> Result<Self, RegistryError> {
        let roots = match &settings.ca {
            None => RootCerts::PlatformVerifier,
            Some(pem) => certificates(pem)?,
        };
        let tls = TlsConfig::builder()
            .provider(TlsProvider::NativeTls)
            .root_certs(roots)
            .build();
        let agent = Agent::config_builder()
            .timeout_global(Some(settings.timeout))
            .http_status_as_error(false)
            .user_agent(concat!("moments/", env!("CARGO_PKG_VERSION")))
            .tls_config(tls)
            .build();
        Ok(Self {
            agent: agent.into(),
            url: settings.url.trim_end_matches('/').to_owned(),
            authorization: settings.authorization,
        })
    }

    /// Whether it answers, and lets us in.
    ///
    /// # Errors
    /// Where it does not.
    pub fn answers(&self) -> Result<(), RegistryError> {
        let path = "/schemas/types";
        match self.get::<serde_json::Value>(path) {
            // One that does not know this answers, too.
            Ok(_) | Err(Failure::NotFound) => Ok(()),
            Err(Failure::Error(error)) => Err(error),
            Err(Failure::Refused(detail)) => {
                let url = self.at(path);
                Err(RegistryError::Refused { url, detail })
            }
        }
    }

    /// The schema of an id.
    ///
    /// # Errors
    /// Where the registry does not say.
    pub fn schema(&self, id: SchemaId) -> Result<Lookup, RegistryError> {
        lookup(&format!("/schemas/ids/{id}"), &|path| self.get(path))
    }

    /// The id of a schema under a subject, registered where it is not yet and `register` says so.
    ///
    /// # Errors
    /// Where the registry does not answer, does not have the schema, or refuses it as incompatible with the subject's.
    pub fn id(
        &self,
        subject: &str,
        schema: &str,
        register: bool,
    ) -> Result<SchemaId, RegistryError> {
        let subject = encoded(subject);
        let path = if register {
            format!("/subjects/{subject}/versions")
        } else {
            format!("/subjects/{subject}")
        };
        let request = self.agent.post(self.at(&path));
        let request = self
            .authorized(request)
            .header("Content-Type", CONTENT_TYPE)
            .send_json(Question { schema });
        self.answer::<Registered>(&path, request)
            .map(|registered| registered.id)
            .map_err(|failure| {
                let detail = match failure {
                    Failure::Error(error) => return error,
                    Failure::NotFound => {
                        "the schema registry answers 404: the subject does not have this schema"
                            .to_owned()
                    }
                    Failure::Refused(detail) => detail,
                };
                let url = self.at(&path);
                RegistryError::Refused { url, detail }
            })
    }

    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    fn authorized<B>(&self, request: ureq::RequestBuilder<B>) -> ureq::RequestBuilder<B> {
        let request = request.header("Accept", CONTENT_TYPE);
        match &self.authorization {
            Some(value) => request.header("Authorization", value),
            None => request,
        }
    }

    fn get<T: for<'de> Deserialize<'de>>(&self, path: &str) -> Result<T, Failure> {
        let response = self.authorized(self.agent.get(self.at(path))).call();
        self.answer(path, response)
    }

    fn answer<T: for<'de> Deserialize<'de>>(
        &self,
        path: &str,
        response: Result<ureq::http::Response<Body>, ureq::Error>,
    ) -> Result<T, Failure> {
        let unreachable = |error: ureq::Error| {
            Failure::Error(RegistryError::Unreachable {
                url: self.url.clone(),
                detail: error.to_string(),
            })
        };
        let mut response = response.map_err(unreachable)?;
        let status = response.status();
        let body = response.body_mut().with_config().limit(ANSWER_BYTES);
        match body.read_to_vec() {
            Ok(body) => judged(self.at(path), status, &body),
            // It would be as large the next time.
            Err(ureq::Error::BodyExceedsLimit(bytes)) if status.is_success() => {
                Err(Failure::Refused(format!(
                    "the schema registry answers with more than {bytes} bytes"
                )))
            }
            Err(error) => Err(unreachable(error)),
        }
    }
}

fn certificates(pem: &str) -> Result<RootCerts, RegistryError> {
    let mut found: Vec<Certificate<'static>> = Vec::new();
    for item in parse_pem(pem.as_bytes()) {
        let item = item.map_err(|error| {
            RegistryError::Settings(format!("ca_file holds no certificates in PEM: {error}"))
        })?;
        if let PemItem::Certificate(certificate) = item {
            found.push(certificate);
        }
    }
    if found.is_empty() {
        let detail = "ca_file holds no certificate; expected PEM, -----BEGIN CERTIFICATE-----";
        return Err(RegistryError::Settings(detail.to_owned()));
    }
    Ok(RootCerts::new_with_certs(&found))
}
