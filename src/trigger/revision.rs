//! Which set of triggers: `NUMBER-DIGEST` of a set that was published, the digest alone of one that was read from files.
//!
//! The number is the place in the control topic, counted from 1, so that a later set has a higher one; the digest says what the set
//! says.

use crate::event::Text;

/// The number of a revision; 0 of a set that was read from files.
#[must_use]
pub fn number(revision: &str) -> u64 {
    let number = revision.split_once('-').map(|(number, _)| number);
    number.and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// The digest of a revision.
#[must_use]
pub fn digest(revision: &str) -> &str {
    revision
        .split_once('-')
        .map_or(revision, |(_, digest)| digest)
}

/// The revision of a set that was published.
#[must_use]
pub fn numbered(number: u64, digest: &str) -> Text {
    compact_str::format_compact!("{number}-{digest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revision_is_a_number_and_a_digest() {
        for (revision, expected) in [
            ("7-b1f3827cf0680050", (7, "b1f3827cf0680050")),
            ("b1f3827cf0680050", (0, "b1f3827cf0680050")),
            ("", (0, "")),
        ] {
            assert_eq!((number(revision), digest(revision)), expected);
        }
        assert_eq!(numbered(7, "b1"), "7-b1");
    }
}
