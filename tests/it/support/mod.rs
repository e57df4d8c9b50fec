//! What the integration tests share: a real broker, its topics, child processes, and waiting.

pub mod acls;
pub mod broker;
pub mod browser;
pub mod generated;
pub mod kafka;
pub mod process;
pub mod producing;
pub mod proxy;
pub mod receivers;
pub mod registry;

use moments::engine::Customer;
use moments::profile::Settled;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Waits until `condition` holds, asking every few milliseconds.
///
/// # Panics
/// If it does not hold within `limit`; `what` says in the message what was waited for.
#[track_caller]
pub fn wait_until(what: &str, limit: Duration, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(
            start.elapsed() < limit,
            "waited {limit:?} in vain for {what}"
        );
        thread::park_timeout(Duration::from_millis(5));
    }
}

/// A name that no other test of this run has: for topics, consumer groups and application names.
pub fn unique(name: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("{name}-{}-{number}", std::process::id())
}

/// What a customer's events say of her: not who she is, what was sent to her, or which messages were seen.
pub fn facts(customer: &Customer) -> Settled {
    Settled {
        id: Default::default(),
        contacts: Default::default(),
        ledger: Default::default(),
        sent: Default::default(),
        seen: Default::default(),
        ..customer.profile.settled.clone()
    }
}
