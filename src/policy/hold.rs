//! What a moment waits for, and what it has waited for before.

use serde::{Deserialize, Serialize};

use crate::event::Text;
use crate::time::Timestamp;
use crate::treatment::Reason;

/// Why a moment waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Why {
    /// For the quiet hours of its channel to end.
    QuietHours,
    /// For its digest to end.
    Digest,
    /// For the window of its channel, within which moments compete, to end.
    Window,
}

impl Why {
    /// The reason that stands for it, also where it cannot wait for want of room.
    #[must_use]
    pub const fn reason(self) -> Reason {
        match self {
            Self::QuietHours => Reason::QuietHours,
            Self::Digest => Reason::Digested,
            Self::Window => Reason::Outranked,
        }
    }
}

/// What a moment has waited for: it does so once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Past {
    /// Its digest has ended.
    pub digest: bool,
    /// The window of this channel has ended.
    pub window: Option<Text>,
}

impl Past {
    /// The same, having waited once more, by a channel.
    #[must_use]
    pub fn and(mut self, why: Why, channel: &Text) -> Self {
        match why {
            Why::QuietHours => {}
            Why::Digest => self.digest = true,
            Why::Window => self.window = Some(channel.clone()),
        }
        self
    }
}

/// A moment of hers that waits, as others see it.
#[derive(Clone, Copy, Debug)]
pub struct Open<'a> {
    /// The key of its trigger.
    pub trigger: u32,
    /// Its channel, as it was when it was held.
    pub channel: &'a str,
    /// Why it waits.
    pub why: Why,
    /// Until when.
    pub until: Timestamp,
}
