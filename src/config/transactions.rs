//! How long transactions gather what they commit.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ConfigError, Span};
use crate::task::transaction::Delays;

/// Half of what the group and the brokers allow a transaction by default.
const LONGEST: Span = Span { ms: 30_000 };

/// How long transactions gather what they commit. A commit costs the broker and this process a few milliseconds of CPU whatever
/// is in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Transactions {
    /// How long a command waits for others to be committed with it. `0ms` commits each at once, for the lowest latency. Default `10ms`.
    pub command_delay: Span,
    /// How long what is taken waits where no command follows from it: a crash repeats so much. Default `100ms`.
    pub state_delay: Span,
    /// The longest that anything waits while more records are at hand; a command that is late already waits for an eighth of its
    /// lateness, at most so long. Default `2s`.
    pub behind_delay: Span,
}

impl Default for Transactions {
    fn default() -> Self {
        let Delays {
            command_ms,
            state_ms,
            behind_ms,
        } = Delays::default();
        Self {
            command_delay: Span { ms: command_ms },
            state_delay: Span { ms: state_ms },
            behind_delay: Span { ms: behind_ms },
        }
    }
}

impl Transactions {
    /// As a task takes them. [`super::Config::load`] has checked them.
    #[must_use]
    pub fn delays(&self) -> Delays {
        Delays {
            command_ms: self.command_delay.ms,
            state_ms: self.state_delay.ms,
            behind_ms: self.behind_delay.ms,
        }
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let fields = [
            ("command_delay", self.command_delay),
            ("state_delay", self.state_delay),
            ("behind_delay", self.behind_delay),
        ];
        for pair in fields.windows(2) {
            let [(shorter, least), (longer, most)] = [pair[0], pair[1]];
            if least > most {
                return Err(ConfigError::invalid(
                    format!("transactions.{longer}"),
                    format!(
                        "`{most}` is less than `transactions.{shorter}`, which is `{least}`; it must be at least that"
                    ),
                ));
            }
        }
        if self.behind_delay > LONGEST {
            let found = self.behind_delay;
            return Err(ConfigError::invalid(
                "transactions.behind_delay",
                format!(
                    "`{found}` is too long, for brokers abort what is open for a minute; at most `{LONGEST}`"
                ),
            ));
        }
        Ok(())
    }
}
