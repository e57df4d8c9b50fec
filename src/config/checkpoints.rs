//! How long customers who changed stay unwritten.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ConfigError, Span};
use crate::task::window::Checkpoint;

/// Input topics are kept for days; what a process that stands still for an hour has open must be there still.
const LONGEST: Span = Span { ms: 3_600_000 };

/// How long customers who changed stay in memory before they are written to the changelog. Who comes again meanwhile is written once;
/// after a crash so much is taken again, as the journal says it. A process that ends by SIGTERM writes all.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Checkpoints {
    /// Until so many records were taken by their task. Default `50000`.
    pub records: u32,
    /// Until so much time passed; `0ms`: everybody is written in the transaction that changes her. Default `5s`.
    pub interval: Span,
    /// Until so many customers are in memory, in all partitions together: each takes some kB. Default `32768`.
    pub customers: u32,
}

impl Default for Checkpoints {
    fn default() -> Self {
        Self {
            records: 50_000,
            interval: Span { ms: 5_000 },
            customers: 32_768,
        }
    }
}

impl Checkpoints {
    /// As each of so many tasks takes them.
    #[must_use]
    pub fn of_task(&self, partitions: i32) -> Checkpoint {
        if self.interval.ms == 0 {
            return Checkpoint::EACH;
        }
        let share = self.customers / partitions.max(1).unsigned_abs();
        Checkpoint {
            records: self.records.into(),
            ms: self.interval.ms,
            customers: usize::try_from(share).unwrap_or(usize::MAX),
        }
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if self.interval > LONGEST {
            let found = self.interval;
            return Err(ConfigError::invalid(
                "checkpoints.interval",
                format!(
                    "`{found}` is too long, for all of it is taken again after a crash, from topics that must have it still; at most \
                     `{LONGEST}`"
                ),
            ));
        }
        Ok(())
    }
}
