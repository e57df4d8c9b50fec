//! How treatments and decisions are published.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ConfigError, Format, Topics};

/// CloudEvents around what goes out. What comes in is known as a CloudEvent by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CloudEvents {
    /// `none`; `binary`: attributes in headers, values as without; `structured`: an envelope of JSON around each. Default `none`.
    pub output: Output,
    /// What the attribute `source` begins with; `{id}` stands for the application's id, `/treatments` or `/decisions` follows.
    /// Default `/moments/{id}`.
    pub source: String,
    /// What the attribute `type` begins with, best a domain of yours, backwards; `.treatment` or `.decision` follows. Default
    /// `moments`.
    pub type_prefix: String,
}

/// How what goes out is wrapped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Output {
    /// Not at all.
    #[default]
    None,
    /// Attributes in headers.
    Binary,
    /// An envelope around the value.
    Structured,
}

impl Default for CloudEvents {
    fn default() -> Self {
        Self {
            output: Output::None,
            source: "/moments/{id}".to_owned(),
            type_prefix: "moments".to_owned(),
        }
    }
}

impl CloudEvents {
    pub(super) fn check(&self, topics: &Topics) -> Result<(), ConfigError> {
        for (key, value) in [("source", &self.source), ("type_prefix", &self.type_prefix)] {
            if value.is_empty() || value.contains(|c: char| c.is_whitespace() || c.is_control()) {
                let expected = "must not be empty, nor have spaces in it";
                return Err(ConfigError::invalid(format!("cloudevents.{key}"), expected));
            }
        }
        let formats = [topics.treatments_format, topics.decisions_format];
        if self.output == Output::Structured && formats.contains(&Format::Avro) {
            let detail = "`structured` is an envelope of JSON, and topics.treatments_format or topics.decisions_format is \
                          `avro`; expected `binary`";
            return Err(ConfigError::invalid("cloudevents.output", detail));
        }
        Ok(())
    }
}
