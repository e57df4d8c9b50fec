//! Publishes what changes in a directory of triggers, for a single process with its files at hand.
//!
//! A change is published once it is whole: when two looks in a row found the same files, and they pass. What does not pass is said
//! once, and the set in force stays.

use std::path::Path;
use std::time::Duration;

use super::control::{self, Control, ControlError};
use super::{topics, watchdog};
use crate::config::Config;
use crate::trigger::published::{Common, File, Published};
use crate::trigger::report::rendered;
use crate::trigger::set::Basis;

/// Between two looks.
const LOOK: Duration = Duration::from_secs(1);

/// Looks until the process ends.
pub fn run(config: &Config, basis: &Basis, path: &Path) {
    let _guard = watchdog::EndsProcess;
    let (mut seen, mut said) = (None, None);
    loop {
        control::pause(LOOK);
        let found = gathered(path, basis);
        if found == seen && found != said {
            if let Some(files) = &found
                && let Err(error) = look(config, basis, path, files)
            {
                tracing::error!("{}: not published: {error}", path.display());
            }
            said.clone_from(&found);
        }
        seen = found;
    }
}

fn gathered(path: &Path, basis: &Basis) -> Option<Vec<File>> {
    let gathered = Published::gather(path, super::clock(), basis.policy.clone().into());
    gathered.ok().map(|set| set.files)
}

/// Publishes the files where they are others than those in force.
fn look(config: &Config, basis: &Basis, path: &Path, files: &[File]) -> Result<(), ControlError> {
    let control = Control::new(config)?;
    let newest = control.newest()?.0.map(|entry| entry.set);
    if newest.as_ref().is_some_and(|set| set.files == files) {
        return Ok(());
    }
    // What was paused or stopped stays so.
    let policy: Common = newest.map_or_else(|| basis.policy.clone().into(), |set| set.policy);
    let number = control.next_number()?;
    let gathered = Published::gather(path, super::clock(), policy);
    let wrong = |reports: Vec<_>| ControlError::Set {
        number,
        reports: rendered(&reports),
    };
    let set = gathered.map_err(wrong)?;
    let plan = set.compile(number, basis).map_err(wrong)?;
    topics::create(config, &plan).map_err(|error| ControlError::Topics { number, error })?;
    let number = control::publish(config, &set)?;
    tracing::info!(number, "{}: published", path.display());
    Ok(())
}
