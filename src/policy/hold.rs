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
    /// For its turn among all that are sent by its channel.
    SendRate,
}

impl Why {
    /// The reason that stands for it, also where it cannot wait for want of room.
    #[must_use]
    pub const fn reason(self) -> Reason {
        match self {
            Self::QuietHours => Reason::QuietHours,
            Self::Digest => Reason::Digested,
            Self::Window => Reason::Outranked,
            Self::SendRate => Reason::SendRate,
        }
    }
}

/// What a moment has waited for: for digest and window it does so once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Past {
    /// Its digest has ended.
    pub digest: bool,
    /// The window of this channel has ended.
    pub window: Option<Text>,
    /// Its turn by this channel has come, now: whoever is held again has lost it.
    #[serde(skip)]
    pub turn: Option<Text>,
}

impl Past {
    /// The same, having waited once more, by a channel.
    #[must_use]
    pub fn and(mut self, why: Why, channel: &Text) -> Self {
        match why {
            // It is the queue that says whose turn it is.
            Why::QuietHours | Why::SendRate => {}
            Why::Digest => self.digest = true,
            Why::Window => self.window = Some(channel.clone()),
        }
        self
    }

    /// The same, of a moment that is held once more.
    #[must_use]
    pub fn held_again(self) -> Self {
        Self { turn: None, ..self }
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
