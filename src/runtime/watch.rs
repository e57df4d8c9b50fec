//! Publishes what changes in a directory of triggers, for a single process with its files at hand.
//!
//! A change is published once it is whole: when two looks in a row found the same files, they pass, and no trigger in force is
//! missing. What keeps it from being published is said once, and it is tried again: Kafka may answer then.

use std::path::Path;
use std::time::Duration;

use super::control::{self, Control, ControlError};
use super::{topics, watchdog};
use crate::config::Config;
use crate::document::report::rendered;
use crate::trigger::published::Published;
use crate::trigger::set::Basis;

/// Between two looks.
const LOOK: Duration = Duration::from_secs(1);

/// Why the files are not published.
#[derive(Debug, thiserror::Error)]
enum WatchError {
    #[error(transparent)]
    Control(#[from] ControlError),
    /// As in `moments triggers apply`.
    #[error(
        "in force, but not in the directory: {0}. Customers would lose what these know of them, open baskets say; where that \
         is meant, `moments triggers apply --remove` publishes it"
    )]
    Lost(String),
    /// Somebody else published meanwhile.
    #[error("somebody else published at the same moment")]
    Overtaken,
}

/// Looks until the process ends.
pub fn run(config: &Config, basis: &Basis, path: &Path) {
    let _guard = watchdog::EndsProcess;
    let (mut seen, mut done, mut said) = (None, None, None);
    loop {
        control::pause(LOOK);
        let gathered = Published::gather(path, super::clock(), basis.policy.clone()).ok();
        let found = gathered.as_ref().map(|set| set.files.clone());
        if found == seen
            && found != done
            && let Some(set) = gathered
        {
            match look(config, basis, path, &set) {
                Ok(()) => (done, said) = (found.clone(), None),
                Err(error) => {
                    if said.replace(error.to_string()) != said {
                        tracing::error!("{}: not published: {error}", path.display());
                    }
                }
            }
        }
        seen = found;
    }
}

/// Publishes the files where they are others than those in force.
fn look(config: &Config, basis: &Basis, path: &Path, found: &Published) -> Result<(), WatchError> {
    let control = Control::new(config)?;
    let newest = control.newest()?;
    let before = newest.entry.as_ref();
    if before.is_some_and(|entry| entry.set.files == found.files) {
        return Ok(());
    }
    // What was paused or stopped stays so.
    let policy = before.map_or_else(|| found.policy.clone(), |entry| entry.set.policy.clone());
    let set = found.with(found.at, found.what.clone(), policy);
    let number = newest.head + 1;
    let wrong = |reports: Vec<_>| ControlError::Set {
        number,
        reports: rendered(&reports),
    };
    let plan = set.compile(number, basis).map_err(wrong)?;
    let lost = before.map_or_else(Vec::new, |entry| entry.lost(&plan, basis));
    if !lost.is_empty() {
        return Err(WatchError::Lost(lost.join(", ")));
    }
    topics::create(config, &plan).map_err(|error| ControlError::Topics { number, error })?;
    let number = control.publish(config, &set, newest.head)?;
    let number = number.ok_or(WatchError::Overtaken)?;
    tracing::info!(number, "{}: published", path.display());
    Ok(())
}
