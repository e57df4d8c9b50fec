//! How far a partition of commands is carried out.
//!
//! Commands end in another order than they stand in, as some are tried again. The group's offset is that of the first that is open;
//! which of those behind it are done stands in the offset's metadata, a bit each, so that a restart begins none of them again. What
//! must stay true: nothing that is done is told open, and what cannot be told is not begun.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// Bounds of a window.
pub mod limits {
    /// Commands of a partition that are read and not done: a few MiB.
    pub const OPEN: usize = 1_000;
    /// Offsets from the first open one that the metadata can tell of: 1,366 characters, of the 4,096 that brokers take.
    pub const SPAN: i64 = 8_192;
}

/// Offsets of one partition that were read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// After the last that was read, or told done.
    end: i64,
    open: BTreeSet<i64>,
    /// Beyond the first that is open.
    done: BTreeSet<i64>,
}

impl Window {
    /// As the group has it: an offset, and its metadata. Metadata of somebody else's tells nothing.
    #[must_use]
    pub fn restored(offset: i64, metadata: &str) -> Self {
        let bytes = STANDARD_NO_PAD.decode(metadata).unwrap_or_default();
        let bits = bytes.iter().enumerate().flat_map(|(at, byte)| {
            let of_byte = (0..8).filter(move |bit| byte & (1 << bit) != 0);
            of_byte.map(move |bit| at * 8 + bit)
        });
        let beyond = |bit: usize| i64::try_from(bit).ok().map(|bit| offset + 1 + bit);
        Self {
            end: offset,
            open: BTreeSet::new(),
            done: bits.filter_map(beyond).collect(),
        }
    }

    /// Whether one is told done.
    #[must_use]
    pub fn is_done(&self, offset: i64) -> bool {
        offset < self.offset() || self.done.contains(&offset)
    }

    /// Takes an offset that was read. Whether it is to be begun: it is not done.
    pub fn take(&mut self, offset: i64) -> bool {
        self.end = self.end.max(offset + 1);
        let is_new = !self.done.contains(&offset);
        if is_new {
            self.open.insert(offset);
        }
        is_new
    }

    /// One that is open is done.
    pub fn finish(&mut self, offset: i64) {
        if self.open.remove(&offset) {
            self.done.insert(offset);
        }
    }

    /// Whether one can be told done: else it is not to be begun yet.
    #[must_use]
    pub fn reaches(&self, offset: i64) -> bool {
        offset - self.offset() <= limits::SPAN
    }

    /// Whether one was read since the window was restored, or is told done.
    #[must_use]
    pub fn has_read(&self, offset: i64) -> bool {
        offset < self.end
    }

    /// Whether no more should be read for now.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.open.len() >= limits::OPEN || self.end - self.offset() >= limits::SPAN
    }

    /// Where the group goes on.
    #[must_use]
    pub fn offset(&self) -> i64 {
        self.open.first().copied().unwrap_or(self.end)
    }

    /// What is done behind that, for the metadata of the offset.
    #[must_use]
    pub fn metadata(&self) -> String {
        let offset = self.offset();
        let mut bytes: Vec<u8> = Vec::new();
        for done in self.done.range(offset + 1..=offset + limits::SPAN) {
            let Ok(bit) = usize::try_from(done - offset - 1) else {
                continue;
            };
            if bytes.len() <= bit / 8 {
                bytes.resize(bit / 8 + 1, 0);
            }
            bytes[bit / 8] |= 1 << (bit % 8);
        }
        STANDARD_NO_PAD.encode(bytes)
    }

    /// Forgets what the group's offset tells by itself.
    pub fn trim(&mut self) {
        self.done = self.done.split_off(&self.offset());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_metadata_fits_what_brokers_take() {
        let mut window = Window::restored(5, "");
        for offset in 5..=5 + limits::SPAN + 10 {
            window.take(offset);
            if offset != 5 && window.reaches(offset) {
                window.finish(offset);
            }
        }
        assert_eq!(window.offset(), 5);
        assert!(window.is_full());
        assert!(window.metadata().len() <= 4_096);
        assert_eq!(window.metadata().len(), 1_366);
        assert!(!window.reaches(5 + limits::SPAN + 1));
        let restored = Window::restored(window.offset(), &window.metadata());
        assert!(restored.done.contains(&(5 + limits::SPAN)));
        assert!(!restored.done.contains(&(5 + limits::SPAN + 1)));
    }

    #[test]
    fn metadata_of_others_tells_nothing() {
        for other in ["", "host-7", "{\"a\":1}"] {
            let mut window = Window::restored(3, other);
            assert!(window.take(3), "{other}");
            assert_eq!(window.offset(), 3);
        }
    }

    proptest! {
        /// Whatever order they end in, and wherever it restarts: nothing is begun twice that was done, and nothing is passed over.
        #[test]
        fn a_restart_begins_just_what_is_open(
            gaps in prop::collection::vec(1i64..40, 1..120),
            ends in prop::collection::vec((0usize..120, any::<bool>()), 0..200),
        ) {
            let offsets: Vec<i64> = gaps.iter().scan(100, |at, gap| { *at += gap; Some(*at) }).collect();
            let mut window = Window::restored(100, "");
            let mut done = BTreeSet::new();
            for offset in &offsets {
                prop_assert!(window.take(*offset));
            }
            for (index, restarts) in ends {
                let offset = offsets[index % offsets.len()];
                window.finish(offset);
                done.insert(offset);
                if restarts {
                    window.trim();
                    let (from, metadata) = (window.offset(), window.metadata());
                    let mut next = Window::restored(from, &metadata);
                    for offset in offsets.iter().filter(|offset| **offset >= from) {
                        prop_assert_eq!(next.take(*offset), !done.contains(offset));
                    }
                    prop_assert!(offsets.iter().filter(|offset| **offset < from).all(|offset| done.contains(offset)));
                    window = next;
                }
            }
        }
    }
}
