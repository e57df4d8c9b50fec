//! What is known of the cluster around a process, as [`super::observer`] last saw it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// What the last look found.
#[derive(Debug, Default)]
pub(super) struct Surroundings {
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
pub(super) struct Seen {
    /// When brokers last answered.
    pub reached: Option<Instant>,
    /// Why they did not, since then.
    pub unreached: Option<(Instant, String)>,
    /// Whether the group has this member.
    pub in_group: bool,
    /// Partitions that nobody has.
    pub unowned: Vec<i32>,
    /// Where the member of the group is reached that has a partition.
    pub owners: BTreeMap<i32, String>,
    /// What is not as it was when the process started.
    pub topics: Vec<String>,
    /// Topics on which nothing comes though something should, by number, in a sentence each.
    pub silent: BTreeMap<usize, String>,
    /// Who gets nowhere, and since when.
    pub failing: BTreeMap<String, Instant>,
}

impl Surroundings {
    /// Why the process is not ready, as far as that can be seen from outside: in sentences, none where it is.
    pub fn reasons(&self) -> Vec<String> {
        let seen = self.lock();
        let mut reasons = Vec::new();
        match (&seen.unreached, seen.reached) {
            (Some((since, error)), _) => reasons.push(format!(
                "no broker has answered for {} s: {error}",
                since.elapsed().as_secs()
            )),
            (None, None) => reasons.push("no broker has answered yet".to_owned()),
            (None, Some(_)) => {
                if !seen.in_group {
                    reasons.push("the consumer group does not have this member".to_owned());
                }
                if !seen.unowned.is_empty() {
                    reasons.push(format!(
                        "no member of the group has partitions {:?}",
                        seen.unowned
                    ));
                }
                reasons.extend(seen.topics.iter().cloned());
            }
        }
        reasons
    }

    /// Somebody gets nowhere, or does again.
    pub fn gets_on(&self, who: &str, well: bool) {
        let mut seen = self.lock();
        if well {
            seen.failing.remove(who);
        } else if !seen.failing.contains_key(who) {
            seen.failing.insert(who.to_owned(), Instant::now());
        }
    }

    pub fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
