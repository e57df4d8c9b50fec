//! Of what coupon codes are derived.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ConfigError;
use crate::treatment::code::{Key, limits};

/// Of what coupon codes are derived.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Codes {
    /// A file with a secret of your own, 32 characters at least, the same at every process: with another one the codes of the same
    /// treatments are others. Empty: no trigger may have a `code`. Default empty.
    pub key_file: PathBuf,
    /// What stands in it.
    #[serde(skip)]
    pub key: Key,
}

impl Codes {
    /// Reads the key.
    pub(super) fn read_file(&mut self) -> Result<(), ConfigError> {
        if self.key_file == Path::new("") {
            return Ok(());
        }
        let wrong = |detail: String| {
            let path = self.key_file.display();
            ConfigError::invalid("codes.key_file", format!("{path} {detail}"))
        };
        let text = std::fs::read_to_string(&self.key_file)
            .map_err(|error| wrong(format!("cannot be read: {error}")))?;
        let too_short = || {
            wrong(format!(
                "holds fewer than {} characters; `openssl rand -hex 32` makes a key",
                limits::KEY_BYTES
            ))
        };
        self.key = Key::new(text.trim().as_bytes()).ok_or_else(too_short)?;
        Ok(())
    }
}
