//! The names of channels.

/// A channel is the end of a topic's name.
pub const CHANNEL_BYTES: usize = 32;

/// Whether a text can be the name of a channel.
#[must_use]
pub fn is_channel(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    text.len() <= CHANNEL_BYTES && text.chars().all(fits)
}
