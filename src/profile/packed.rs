//! A profile at rest: the bytes in the task's table and in the changelog.
//!
//! | bytes | what |
//! |---|---|
//! | 1 | version of the encoding |
//! | 8 | when the customer must be looked at next, ms, little endian; [`Timestamp::MAX`] for never |
//! | rest | the profile in postcard |
//!
//! A version that is not known is refused; an older one is read by its own types and brought up ([`v1`]).

mod v1;

use super::Profile;
use crate::time::Timestamp;

/// The version this build writes.
pub const VERSION: u8 = 2;
const HEADER: usize = 9;

/// Why bytes are no profile.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PackedError {
    /// Written by a newer build.
    #[error(
        "the profile has version {found}, this build knows up to {VERSION}: run the newer build, or restore the application from before the upgrade"
    )]
    Newer {
        /// Its version.
        found: u8,
    },
    /// Not a profile.
    #[error("the bytes are no profile: {0}")]
    Damaged(String),
}

/// Packs a profile with the time it must be looked at next.
#[must_use]
pub fn pack(profile: &Profile, look: Timestamp) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(256);
    bytes.push(VERSION);
    bytes.extend_from_slice(&look.0.to_le_bytes());
    #[expect(
        clippy::expect_used,
        reason = "a profile has no type that postcard cannot write, and memory grows"
    )]
    let bytes = postcard::to_extend(profile, bytes).expect("postcard writes every profile");
    bytes
}

/// When a packed profile must be looked at next.
///
/// # Errors
/// As [`unpack`].
pub fn look(bytes: &[u8]) -> Result<Timestamp, PackedError> {
    match bytes {
        [1..=VERSION, rest @ ..] => match rest.first_chunk::<8>() {
            Some(look) => Ok(Timestamp(i64::from_le_bytes(*look))),
            None => Err(PackedError::Damaged("it is cut off".to_owned())),
        },
        [found, ..] => Err(PackedError::Newer { found: *found }),
        [] => Err(PackedError::Damaged("it is empty".to_owned())),
    }
}

/// Changes when a packed profile must be looked at next.
pub fn set_look(bytes: &mut [u8], look: Timestamp) {
    if let Some(place) = bytes.get_mut(1..HEADER) {
        place.copy_from_slice(&look.0.to_le_bytes());
    }
}

/// Unpacks a profile.
///
/// # Errors
/// Where the version is newer than this build, or the bytes are damaged.
pub fn unpack(bytes: &[u8]) -> Result<Profile, PackedError> {
    look(bytes)?;
    let rest = &bytes[HEADER..];
    let profile = match bytes[0] {
        1 => postcard::from_bytes::<v1::Profile>(rest).map(Profile::from),
        _ => postcard::from_bytes(rest),
    };
    profile.map_err(|error| PackedError::Damaged(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_comes_back() {
        let mut profile = Profile::default();
        profile.facts.viewed.push("p1".into());
        profile.seen.push([1, 2, 3, 4, 5, 6]);
        let bytes = pack(&profile, Timestamp(17));
        assert_eq!(look(&bytes), Ok(Timestamp(17)));
        assert_eq!(unpack(&bytes).as_ref(), Ok(&profile));
        let mut sooner = bytes.clone();
        set_look(&mut sooner, Timestamp(5));
        assert_eq!(look(&sooner), Ok(Timestamp(5)));
        assert_eq!(unpack(&sooner), Ok(profile));
    }

    #[test]
    fn other_bytes_are_refused() {
        let mut bytes = pack(&Profile::default(), Timestamp::MAX);
        bytes[0] = VERSION + 1;
        assert!(
            unpack(&bytes)
                .unwrap_err()
                .to_string()
                .contains("run the newer build")
        );
        bytes[0] = VERSION;
        assert!(matches!(unpack(&bytes[..20]), Err(PackedError::Damaged(_))));
        assert!(matches!(unpack(&[]), Err(PackedError::Damaged(_))));
        bytes[0] = 0;
        assert!(matches!(unpack(&bytes), Err(PackedError::Newer { .. })));
    }
}
