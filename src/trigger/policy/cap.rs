//! How many commands a customer is sent at most.

use std::fmt;
use std::ops::Range;

use crate::time::{Timestamp, format_duration};

/// At most so many commands in a rolling window (t - window, t].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cap {
    /// Commands, 1 to [`Cap::COUNT_MAX`].
    pub count: u32,
    /// The window, ms.
    pub window_ms: i64,
}

impl Cap {
    /// A profile keeps the times of this many commands for a cap.
    pub const COUNT_MAX: u32 = 100;

    /// Reads the form without the duration: the count, and where the duration stands. `None` where the text has not the form.
    #[must_use]
    pub fn split(text: &str) -> Option<(u32, Range<usize>)> {
        let (count, window) = text.split_once(" in ")?;
        let count = count.trim().parse().ok();
        let count = count.filter(|count| (1..=Self::COUNT_MAX).contains(count));
        Some((count?, text.len() - window.len()..text.len()))
    }

    /// Whether it is used up at `at` by commands at these times.
    #[must_use]
    pub fn is_reached(self, times: &[Timestamp], at: Timestamp) -> bool {
        let after = at.0.saturating_sub(self.window_ms);
        times.iter().filter(|time| time.0 > after).count() >= self.count as usize
    }
}

impl fmt::Display for Cap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {}", self.count, format_duration(self.window_ms))
    }
}
