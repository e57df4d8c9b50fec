//! How `moments onsite` answers sites.

use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::topics::Format;
use super::{ConfigError, Span, Topics, token};
use crate::treatment::is_channel;

/// How `moments onsite` answers the backends of sites.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Onsite {
    /// Address and port. Another address than the machine's own needs a token. Default `127.0.0.1:9467`.
    #[schemars(with = "String")]
    pub listen: SocketAddr,
    /// A file whose content is asked for as a bearer token by every path but `/health/...`; empty: none is. Default empty.
    pub token_file: String,
    /// The channels whose treatments are shown on pages. Default `["onsite"]`.
    pub channels: Vec<String>,
    /// For how long after it was decided a treatment may be shown, also where it is good for longer; so much of the topics is read at the
    /// start. Default `2d`.
    pub keep: Span,
    /// Treatments that may be shown and are known at a time: a KiB or two each. Of more, those that end first make way. As many that were
    /// shown are known besides. Default 100000.
    pub treatments: usize,
    /// Streams at a time, each of which is a connection; at most an eighth of the file descriptors, whatever is said here. Default 4096.
    pub streams: usize,
    /// The attributes that a page may answer, whose names come from a browser; empty: any. Default empty.
    pub answers: Vec<String>,
    /// Requests that are answered a second. Default 2000.
    pub requests: u32,
}

impl Default for Onsite {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 9467)),
            token_file: String::new(),
            channels: vec!["onsite".to_owned()],
            keep: Span { ms: 2 * 86_400_000 },
            treatments: 100_000,
            streams: 4_096,
            answers: Vec::new(),
            requests: 2_000,
        }
    }
}

impl Onsite {
    /// The bearer token that is asked for, if any.
    ///
    /// # Errors
    /// Where the file cannot be read, or holds nothing.
    pub fn token(&self) -> Result<Option<String>, ConfigError> {
        token::read("onsite.token_file", &self.token_file)
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if !self.listen.ip().is_loopback() && self.token_file.is_empty() {
            let detail = format!(
                "anybody who reaches {} could read what customers are shown; set onsite.token_file, or listen on 127.0.0.1",
                self.listen
            );
            return Err(ConfigError::invalid("onsite.listen", detail));
        }
        if let Some(wrong) = self.channels.iter().find(|it| !is_channel(it)) {
            let detail = format!(
                "`{wrong}` is no name of a channel; expected ASCII letters in lower case, digits, `-` or `_`"
            );
            return Err(ConfigError::invalid("onsite.channels", detail));
        }
        if self.keep.ms < 1 {
            return Err(ConfigError::invalid("onsite.keep", "must be at least 1ms"));
        }
        for (field, is_none) in [
            ("onsite.treatments", self.treatments == 0),
            ("onsite.streams", self.streams == 0),
            ("onsite.requests", self.requests == 0),
        ] {
            if is_none {
                return Err(ConfigError::invalid(field, "must be above 0"));
            }
        }
        Ok(())
    }

    /// What `moments onsite` needs of topics, besides that they are there.
    ///
    /// # Errors
    /// Where it could not read what is published, or what it reports would be read as something else.
    pub fn check_topics(&self, topics: &Topics) -> Result<(), ConfigError> {
        if self.channels.is_empty() {
            let detail = "names no channel; expected those whose treatments are shown on pages, such as [\"onsite\"]";
            return Err(ConfigError::invalid("onsite.channels", detail));
        }
        if topics.treatments_format == Format::Avro {
            let detail = "`moments onsite` reads commands in JSON; expected topics.treatments_format = \"json\"";
            return Err(ConfigError::invalid("onsite.channels", detail));
        }
        if topics.outcomes.name.as_deref() == Some("") {
            let detail = "there is no topic of outcomes, by which it is known what was shown; expected a name in topics.outcomes";
            return Err(ConfigError::invalid("onsite.channels", detail));
        }
        if topics.outcomes.format == Format::Avro || !topics.outcomes.mapping.as_os_str().is_empty()
        {
            let detail = "topics.outcomes is in Avro or has a mapping, and what `moments onsite` reports is JSON of ours; expected neither";
            return Err(ConfigError::invalid("onsite.channels", detail));
        }
        Ok(())
    }
}
