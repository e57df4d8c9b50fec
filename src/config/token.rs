//! Bearer tokens that servers ask for.

use super::ConfigError;

/// The bearer token in a file, whose name is the field `key`; none where it names none.
pub(super) fn read(key: &str, file: &str) -> Result<Option<String>, ConfigError> {
    if file.is_empty() {
        return Ok(None);
    }
    let text = std::fs::read_to_string(file);
    let text =
        text.map_err(|error| ConfigError::invalid(key, format!("{file} cannot be read: {error}")))?;
    match text.trim() {
        "" => Err(ConfigError::invalid(key, format!("{file} is empty"))),
        token => Ok(Some(token.to_owned())),
    }
}
