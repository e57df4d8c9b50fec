//! Ends the process when a call into librdkafka hangs, which nothing can cancel, or a thread panics: another process takes
//! the tasks over.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// The exit status by which a supervisor tells it from others.
pub(super) const STATUS: i32 = 70;
/// How much later than its own time-out a call is taken for hung.
const GRACE: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_secs(1);

/// The calls that are under way. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Watchdog {
    calls: Arc<Mutex<Calls>>,
}

#[derive(Debug, Default)]
struct Calls {
    next: u64,
    under_way: BTreeMap<u64, (String, Instant)>,
}

/// A call under way; it ends with its drop.
#[derive(Debug)]
pub(super) struct Call {
    id: u64,
    watchdog: Watchdog,
}

impl Watchdog {
    /// Looks until the process ends.
    ///
    /// # Errors
    /// If there is no thread for it.
    pub fn start(timeout: Duration) -> std::io::Result<Self> {
        let watchdog = Self::default();
        let watched = watchdog.clone();
        thread::Builder::new()
            .name("watchdog".to_owned())
            .spawn(move || {
                loop {
                    thread::park_timeout(LOOK);
                    if let Some(call) = watched.hung(Instant::now(), timeout + GRACE) {
                        tracing::error!(
                            call,
                            "a call to Kafka hangs; this process ends so that another takes over"
                        );
                        std::process::exit(STATUS);
                    }
                }
            })?;
        Ok(watchdog)
    }

    /// Watches a call until what is given is dropped.
    pub fn watch(&self, call: impl Into<String>) -> Call {
        let mut calls = self.lock();
        let id = calls.next;
        calls.next += 1;
        calls.under_way.insert(id, (call.into(), Instant::now()));
        Call {
            id,
            watchdog: self.clone(),
        }
    }

    fn hung(&self, now: Instant, limit: Duration) -> Option<String> {
        let calls = self.lock();
        let hung = calls
            .under_way
            .values()
            .find(|(_, since)| now.duration_since(*since) > limit);
        hung.map(|(call, _)| call.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Kept by a thread: where it panics the process ends, which would look alive otherwise, and nobody would take over.
pub(crate) struct EndsProcess;

impl Drop for EndsProcess {
    fn drop(&mut self) {
        if thread::panicking() {
            std::process::exit(STATUS);
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.watchdog.lock().under_way.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_call_under_way_hangs() {
        let watchdog = Watchdog::default();
        let limit = Duration::from_secs(60);
        let call = watchdog.watch("commit of task 3");
        assert_eq!(watchdog.hung(Instant::now(), limit), None);
        let later = Instant::now() + Duration::from_secs(61);
        assert_eq!(
            watchdog.hung(later, limit),
            Some("commit of task 3".to_owned())
        );
        drop(call);
        assert_eq!(watchdog.hung(later, limit), None);
    }
}
