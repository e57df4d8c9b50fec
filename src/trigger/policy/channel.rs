//! Channels as keys of a policy.

use schemars::{Schema, json_schema};

use crate::event::Text;
use crate::treatment::{CHANNEL_BYTES, is_channel};

/// Channels that a policy may name: more than there are, and as many lists on a profile for caps.
const CHANNELS: usize = 32;

/// Whether all names can be channels.
pub fn check<'a>(names: impl ExactSizeIterator<Item = &'a Text>) -> Result<(), String> {
    if names.len() > CHANNELS {
        return Err(format!(
            "{} channels are named; at most {CHANNELS} are",
            names.len()
        ));
    }
    for name in names {
        if !is_channel(name) {
            return Err(format!(
                "`{name}` is not a channel: lower-case letters, digits, `-` and `_`, at most {CHANNEL_BYTES} of them"
            ));
        }
    }
    Ok(())
}

/// The schema of such a name.
pub fn schema() -> Schema {
    json_schema!({ "pattern": format!("^[a-z0-9_-]{{1,{CHANNEL_BYTES}}}$") })
}
