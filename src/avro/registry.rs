//! A schema registry, by the part of Confluent's HTTP interface that is needed: a schema by its id, and an id for a schema.
//!
//! What must stay true: only the registry's own word, error code 40403, means that there is no such schema. Whatever else goes
//! wrong, a proxy's 404 included, is a registry that cannot be reached.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use ureq::http::StatusCode;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, TlsProvider, parse_pem};
use ureq::{Agent, Body};

use super::wire::SchemaId;
use super::writer::SCHEMA_BYTES;

/// What registries call their JSON.
const CONTENT_TYPE: &str = "application/vnd.schemaregistry.v1+json";
/// Confluent's code of a schema that is not there.
const SCHEMA_NOT_FOUND: u32 = 40403;
/// The answer with a schema: its text, escaped.
const ANSWER_BYTES: u64 = 4 * SCHEMA_BYTES as u64;
/// Schemas that a schema refers to, each of which may refer to more.
const REFERENCES: usize = 64;

/// How a registry is reached.
pub struct Settings {
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

/// Why the registry did not answer the question.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// Its settings make no client.
    #[error("schema_registry: {0}")]
    Settings(String),
    /// No answer.
    #[error("the schema registry at {url} does not answer: {detail}")]
    Unreachable {
        /// Where it should be.
        url: String,
        /// What went wrong.
        detail: String,
    },
    /// An answer that is none.
    #[error("the schema registry at {url} answers {status}{detail}")]
    Answer {
        /// What was asked.
        url: String,
        /// The HTTP status.
        status: u16,
        /// What it says.
        detail: String,
    },
}

#[derive(Deserialize)]
struct Found {
    schema: String,
    #[serde(default, rename = "schemaType")]
    kind: Option<String>,
    #[serde(default)]
    references: Vec<Reference>,
}

#[derive(Deserialize)]
struct Reference {
    name: String,
    subject: String,
    version: u32,
}

#[derive(Deserialize)]
struct Registered {
    id: SchemaId,
}

#[derive(Deserialize)]
struct Problem {
    error_code: u32,
    #[serde(default)]
    message: String,
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
    pub fn new(settings: Settings) -> Result<Self, RegistryError> {
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

    /// The schema of an id; none: the registry says that it has none. What it refers to is filled in.
    ///
    /// # Errors
    /// Where the registry does not say.
    pub fn schema(&self, id: SchemaId) -> Result<Option<String>, RegistryError> {
        let path = format!("/schemas/ids/{id}");
        let found: Found = match self.get(&path) {
            Ok(found) => found,
            Err(Failure::NotFound) => return Ok(None),
            Err(Failure::Error(error)) => return Err(error),
        };
        if let Some(kind) = found.kind.as_deref().filter(|kind| *kind != "AVRO") {
            // No schema of Avro's either, and its text says so to whoever reads the dead letter.
            return Ok(Some(format!("a schema of type {kind}")));
        }
        self.whole(found).map(Some)
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
            .map_err(|failure| match failure {
                Failure::Error(error) => error,
                Failure::NotFound => RegistryError::Answer {
                    url: self.at(&path),
                    status: 404,
                    detail: ": the subject does not have this schema".to_owned(),
                },
            })
    }

    /// A schema with what it refers to, in one text.
    fn whole(&self, found: Found) -> Result<String, RegistryError> {
        if found.references.is_empty() {
            return Ok(found.schema);
        }
        let mut texts = Vec::new();
        self.gather(&found.references, &mut Vec::new(), &mut texts)?;
        // What cannot be put together is no schema that anybody could read.
        Ok(inlined(&found.schema, &texts).unwrap_or_else(|error| error))
    }

    /// The texts of what is referred to, what they refer to first.
    fn gather(
        &self,
        references: &[Reference],
        seen: &mut Vec<String>,
        texts: &mut Vec<String>,
    ) -> Result<(), RegistryError> {
        for reference in references {
            if seen.contains(&reference.name) || seen.len() >= REFERENCES {
                continue;
            }
            seen.push(reference.name.clone());
            let subject = encoded(&reference.subject);
            let path = format!("/subjects/{subject}/versions/{}", reference.version);
            let found: Found = self.get(&path).map_err(|failure| match failure {
                Failure::Error(error) => error,
                Failure::NotFound => RegistryError::Answer {
                    url: self.at(&path),
                    status: 404,
                    detail: ": another schema refers to this one".to_owned(),
                },
            })?;
            self.gather(&found.references, seen, texts)?;
            texts.push(found.schema);
        }
        Ok(())
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
        let unreachable = |error: ureq::Error| RegistryError::Unreachable {
            url: self.url.clone(),
            detail: error.to_string(),
        };
        let mut response = response.map_err(unreachable)?;
        let status = response.status();
        let body = response.body_mut().with_config().limit(ANSWER_BYTES);
        let body = body.read_to_vec().map_err(unreachable)?;
        if status.is_success()
            && let Ok(answer) = serde_json::from_slice(&body)
        {
            return Ok(answer);
        }
        let problem = serde_json::from_slice::<Problem>(&body).ok();
        if status == StatusCode::NOT_FOUND
            && problem
                .as_ref()
                .is_some_and(|problem| problem.error_code == SCHEMA_NOT_FOUND)
        {
            return Err(Failure::NotFound);
        }
        let detail = match (problem, status.is_success()) {
            (Some(problem), _) => format!(": {}", problem.message),
            (None, true) => ", but nothing that a schema registry says".to_owned(),
            (None, false) => String::new(),
        };
        Err(Failure::Error(RegistryError::Answer {
            url: self.at(path),
            status: status.as_u16(),
            detail,
        }))
    }
}

enum Failure {
    /// By the registry's own word.
    NotFound,
    Error(RegistryError),
}

impl From<RegistryError> for Failure {
    fn from(error: RegistryError) -> Self {
        Self::Error(error)
    }
}

/// One schema of several, each name in it filled in where it is first used.
fn inlined(schema: &str, references: &[String]) -> Result<String, String> {
    let all = references.iter().map(String::as_str).chain([schema]);
    let parsed = apache_avro::Schema::parse_list(all).map_err(|error| error.to_string())?;
    let (last, references) = parsed.split_last().ok_or("no schema")?;
    let mut whole = last.clone();
    whole
        .denormalize(references)
        .map_err(|error| error.to_string())?;
    serde_json::to_string(&whole).map_err(|error| error.to_string())
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

/// A subject as part of a path.
fn encoded(subject: &str) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(subject.len());
    for byte in subject.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}
