//! What is kept of a customer or a task: parts, each with a tag, a version, and a way up from each version before.
//!
//! A part is written as its tag, its version, the number of its bytes and these. Whoever changes a stored type gives it a new
//! [`Stored::VERSION`] and says in [`Stored::upcast`] what the old one meant; a test holds each type to a golden file of its
//! version (`tests/it/goldens.rs`). A part that nobody touches stays bytes ([`Lazy`]): it is read when somebody asks for it, and
//! written back as it came.

use std::cell::OnceCell;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A type that is kept, as [postcard](https://postcard.jamesmunns.com) writes it.
pub trait Stored: Serialize + DeserializeOwned {
    /// The version that is written. A change of the type, or of a type in it, is another version.
    const VERSION: u8;

    /// Reads what an older version wrote.
    ///
    /// # Errors
    /// A version that never was, or bytes that are not of it.
    fn upcast(version: u8, _bytes: &[u8]) -> Result<Self, StoredError> {
        Err(StoredError::Damaged(format!(
            "there is no version {version} of it"
        )))
    }
}

/// Is shown every stored type, for whoever must know all of them.
pub trait Inventory {
    /// A type, and what it is stored under.
    fn part<S: Stored>(&mut self, tag: u16);
}

/// Why bytes are not what they should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoredError {
    /// Written by a newer build.
    #[error(
        "{part} has version {found}, this build knows up to {known}: run the newer build, or restore the application from before the upgrade"
    )]
    Newer {
        /// What it is.
        part: String,
        /// Its version.
        found: u8,
        /// The newest that is known.
        known: u8,
    },
    /// Not what it should be.
    #[error("the bytes are not what was stored: {0}")]
    Damaged(String),
}

impl StoredError {
    /// A part of a version that this build does not know yet.
    #[must_use]
    pub fn newer(part: impl Into<String>, found: u8, known: u8) -> Self {
        Self::Newer {
            part: part.into(),
            found,
            known,
        }
    }
}

impl From<postcard::Error> for StoredError {
    fn from(error: postcard::Error) -> Self {
        Self::Damaged(error.to_string())
    }
}

/// Reads a part of a version.
///
/// # Errors
/// Where the version is newer than this build, or the bytes are damaged.
pub fn read<S: Stored>(version: u8, bytes: &[u8]) -> Result<S, StoredError> {
    if version == S::VERSION {
        return Ok(postcard::from_bytes(bytes)?);
    }
    if version > S::VERSION {
        let name = std::any::type_name::<S>();
        let part = name.rsplit("::").next().unwrap_or(name);
        return Err(StoredError::newer(part, version, S::VERSION));
    }
    S::upcast(version, bytes)
}

/// Some of the bytes that were stored together: they share one allocation.
#[derive(Clone)]
pub struct Piece {
    whole: Arc<[u8]>,
    from: u32,
    to: u32,
}

impl Piece {
    /// Takes so many bytes off its front. None where there are fewer.
    pub fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let front = *self.first_chunk()?;
        self.advance(N);
        Some(front)
    }

    fn advance(&mut self, by: usize) {
        self.from += u32::try_from(by).unwrap_or(u32::MAX);
    }
}

/// Only the first 4 GiB: what is stored is at most a record, and no broker takes that much in one.
impl From<&[u8]> for Piece {
    fn from(bytes: &[u8]) -> Self {
        Self {
            to: u32::try_from(bytes.len()).unwrap_or(u32::MAX),
            whole: bytes.into(),
            from: 0,
        }
    }
}

impl Deref for Piece {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.whole[self.from as usize..self.to as usize]
    }
}

impl PartialEq for Piece {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Piece {}

impl fmt::Debug for Piece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// A part that was read but for its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// What it is.
    pub tag: u16,
    /// In which version.
    pub version: u8,
    /// As it was written.
    pub bytes: Piece,
}

impl Part {
    /// Writes it behind `out`.
    pub fn write(tag: u16, version: u8, bytes: &[u8], out: &mut Vec<u8>) {
        number(u64::from(tag), out);
        out.push(version);
        number(bytes.len() as u64, out);
        out.extend_from_slice(bytes);
    }

    /// Writes a value behind `out`, in the version that is written.
    pub fn write_value<S: Stored>(tag: u16, value: &S, out: &mut Vec<u8>) {
        number(u64::from(tag), out);
        out.push(S::VERSION);
        // Its length stands before it and is known behind it: nearly always in one byte.
        let at = out.len();
        out.push(0);
        #[expect(
            clippy::expect_used,
            reason = "stored types hold nothing that postcard cannot write, and memory grows"
        )]
        let written = postcard::to_extend(value, std::mem::take(out))
            .expect("postcard writes every stored type");
        *out = written;
        let len = out.len() - at - 1;
        if len < 0x80 {
            out[at] = len.to_le_bytes()[0];
        } else {
            let mut bytes = Vec::with_capacity(10);
            number(len as u64, &mut bytes);
            out.splice(at..=at, bytes);
        }
    }

    /// Reads all parts that stand one behind the other.
    ///
    /// # Errors
    /// Where they are cut off.
    pub fn all(mut bytes: Piece) -> Result<Vec<Self>, StoredError> {
        let mut parts = Vec::with_capacity(16);
        while !bytes.is_empty() {
            parts.push(Self::first(&mut bytes)?);
        }
        Ok(parts)
    }

    /// Takes the first off parts that stand one behind the other.
    ///
    /// # Errors
    /// Where it is cut off.
    pub fn first(bytes: &mut Piece) -> Result<Self, StoredError> {
        Self::next(bytes).ok_or_else(cut_off)
    }

    fn next(bytes: &mut Piece) -> Option<Self> {
        let mut rest = &**bytes;
        let tag = u16::try_from(take_number(&mut rest)?).ok()?;
        let version = *rest.split_off_first()?;
        let len = usize::try_from(take_number(&mut rest)?).ok()?;
        let body = rest.split_off(..len)?.len();
        let mut part = bytes.clone();
        bytes.advance(bytes.len() - rest.len());
        part.to = bytes.from;
        part.advance(part.len() - body);
        Some(Self {
            tag,
            version,
            bytes: part,
        })
    }
}

fn cut_off() -> StoredError {
    StoredError::Damaged("it is cut off".to_owned())
}

/// A number in LEB128: seven bits a byte, the low ones first.
fn number(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    out.push(number.to_le_bytes()[0]);
}

fn take_number(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.split_off_first()?;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

/// A part that stays bytes until somebody asks for it, and is written back as it came unless somebody changed it.
///
/// The bytes must be what [`Lazy::check`] let pass, or what this build wrote.
#[derive(Clone)]
pub struct Lazy<S> {
    raw: Option<(u8, Piece)>,
    value: OnceCell<S>,
}

impl<S: Stored> Lazy<S> {
    /// As it was written.
    #[must_use]
    pub fn from_part(part: Part) -> Self {
        Self {
            raw: Some((part.version, part.bytes)),
            value: OnceCell::new(),
        }
    }

    /// Whether it can be read.
    ///
    /// # Errors
    /// As [`read`].
    pub fn check(&self) -> Result<(), StoredError> {
        match &self.raw {
            Some((version, bytes)) => read::<S>(*version, bytes).map(drop),
            None => Ok(()),
        }
    }

    /// Writes it behind `out`.
    pub fn write(&self, tag: u16, out: &mut Vec<u8>) {
        match &self.raw {
            Some((version, bytes)) => Part::write(tag, *version, bytes, out),
            None => Part::write_value(tag, &**self, out),
        }
    }

    /// What it holds.
    #[must_use]
    pub fn into_inner(self) -> S {
        let _read = &*self;
        #[expect(clippy::expect_used, reason = "read in the line before")]
        let value = self.value.into_inner().expect("it is there");
        value
    }
}

impl<S: Stored + Default + PartialEq> Lazy<S> {
    /// Writes it behind `out`; what holds nothing is not there.
    pub fn write_any(&self, tag: u16, out: &mut Vec<u8>) {
        if self.raw.is_some() || **self != S::default() {
            self.write(tag, out);
        }
    }
}

impl<S: Stored + Default> Default for Lazy<S> {
    fn default() -> Self {
        Self::from(S::default())
    }
}

impl<S: Stored> Deref for Lazy<S> {
    type Target = S;

    fn deref(&self) -> &S {
        self.value.get_or_init(|| {
            #[expect(
                clippy::expect_used,
                reason = "it has bytes or a value, and bytes were checked when they were restored"
            )]
            let value = self
                .raw
                .as_ref()
                .and_then(|(version, bytes)| read(*version, bytes).ok())
                .expect("a part that was checked");
            value
        })
    }
}

impl<S: Stored> DerefMut for Lazy<S> {
    fn deref_mut(&mut self) -> &mut S {
        let _read = &**self;
        self.raw = None;
        #[expect(clippy::expect_used, reason = "read in the line before")]
        let value = self.value.get_mut().expect("it is there");
        value
    }
}

impl<S: Stored> From<S> for Lazy<S> {
    fn from(value: S) -> Self {
        Self {
            raw: None,
            value: OnceCell::from(value),
        }
    }
}

impl<S: Stored + PartialEq> PartialEq for Lazy<S> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<S: Stored + fmt::Debug> fmt::Debug for Lazy<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
    struct Counted {
        times: u32,
        since: i64,
    }

    /// Version 1 did not know since when.
    impl Stored for Counted {
        const VERSION: u8 = 2;

        fn upcast(version: u8, bytes: &[u8]) -> Result<Self, StoredError> {
            match version {
                1 => Ok(Self {
                    times: postcard::from_bytes(bytes)?,
                    since: 0,
                }),
                _ => Err(StoredError::Damaged(format!("version {version}"))),
            }
        }
    }

    fn part(version: u8, bytes: &[u8]) -> Part {
        Part {
            tag: 300,
            version,
            bytes: bytes.into(),
        }
    }

    #[test]
    fn what_nobody_touches_is_written_back_as_it_came() {
        let old = part(1, &[7]);
        let mut kept = Lazy::<Counted>::from_part(old.clone());
        assert_eq!(kept.times, 7);
        let mut out = Vec::new();
        kept.write(300, &mut out);
        assert_eq!(Part::all(out[..].into()), Ok(vec![old]));
        kept.times += 1;
        let mut out = Vec::new();
        kept.write(300, &mut out);
        assert_eq!(Part::all(out[..].into()), Ok(vec![part(2, &[8, 0])]));
    }

    #[test]
    fn what_holds_nothing_is_not_there() {
        let mut out = Vec::new();
        Lazy::<Counted>::default().write_any(1, &mut out);
        Lazy::from(Counted::default()).write_any(1, &mut out);
        assert!(out.is_empty());
    }

    #[test]
    fn other_bytes_are_refused() {
        for (given, expected) in [
            (part(2, &[1, 1]), ""),
            (part(1, &[1]), ""),
            (part(0, &[1]), "version 0"),
            (part(2, &[1]), "not what was stored"),
            (
                part(3, &[1, 1]),
                "Counted has version 3, this build knows up to 2",
            ),
        ] {
            let said = Lazy::<Counted>::from_part(given).check().err();
            let said = said.map_or(String::new(), |error| error.to_string());
            assert!(
                said.contains(expected) && said.is_empty() == expected.is_empty(),
                "{said}"
            );
        }
        let mut out = Vec::new();
        Part::write(300, 1, &[1, 2, 3], &mut out);
        for len in 1..out.len() {
            let cut = Piece::from(&out[..len]);
            assert_eq!(Part::all(cut), Err(cut_off()), "{len}");
        }
    }
}
