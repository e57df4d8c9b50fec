//! How much memory the process may take, who may take how much of it, and what happens near the end of it.
//!
//! What is at rest, packed customers, cannot be put anywhere else. So the rest is divided when the process starts ([`Shares`]); and
//! who is about to take more looks at what is resident: a thread alone would look too late where it is not given the processor.
//! Near the ceiling ([`Memory::is_short`]) tasks take in no more than they work on, customers are
//! written as soon as they change, and HTTP answers its probes and metrics alone. What must stay true: it goes on, however little at a
//! time, as time waits for what is not taken.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Resource, getrlimit};

use super::watchdog::EndsProcess;
use super::{Context, Names};
use crate::config::Config;
use crate::config::memory::{Bytes, Max};

const MIB: u64 = 1024 * 1024;
/// How old a look may be: at 100 MB/s of fetched records far less than a share. It takes 5 µs.
const LOOK: Duration = Duration::from_millis(20);
/// Between two looks of the thread, which gives back and says what there is.
const TEND: Duration = Duration::from_millis(250);
/// Where it comes and goes while a backlog is taken.
const SAY_AGAIN: Duration = Duration::from_secs(60);
/// Of eight parts of the ceiling, those from which on it is short, and those up to which it is not any more.
const SHORT: u64 = 6;
const ENOUGH: u64 = 5;
/// A customer who is unpacked.
const CUSTOMER_BYTES: u64 = 4096;
/// More than a group of cgroups is ever nested.
const NESTED: usize = 32;

/// The ceiling, and whether it is near.
#[derive(Debug)]
pub(super) struct Memory {
    pub max: Bytes,
    /// Where it comes from.
    pub from: &'static str,
    short: AtomicBool,
    since: Instant,
    /// When it was last looked, µs from `since` on.
    looked: AtomicU64,
}

/// What each may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shares {
    /// Fetched by the client and not taken yet, a partition of a topic.
    pub fetched_kib: u64,
    /// Sent and not acknowledged yet, a worker.
    pub sent_kib: u64,
    /// Customers who are unpacked, in all tasks together.
    pub customers: u32,
}

impl Shares {
    /// An eighth of the ceiling each, for `partitions` of `topics` and so many workers; no more than is of use, and no less than a
    /// record needs.
    pub fn of(max: Bytes, topics: usize, partitions: usize, workers: usize) -> Self {
        let eighth = max.bytes / 8;
        let among = |parts: usize| eighth / (parts.max(1) as u64) / 1024;
        Self {
            fetched_kib: among(topics * partitions).clamp(64, 2 * 1024),
            sent_kib: among(workers).clamp(16 * 1024, 1024 * 1024),
            customers: u32::try_from(eighth / CUSTOMER_BYTES).unwrap_or(u32::MAX),
        }
    }
}

impl Shares {
    /// Says them to whoever takes memory, where nobody has said another bound.
    pub fn limit(self, config: &mut Config) {
        let customers = &mut config.checkpoints.customers;
        *customers = self.customers.min(*customers);
        let kafka = &mut config.kafka;
        let own = [
            (
                &mut kafka.consumer,
                "queued.max.messages.kbytes",
                self.fetched_kib,
            ),
            (
                &mut kafka.producer,
                "queue.buffering.max.kbytes",
                self.sent_kib,
            ),
        ];
        for (of, name, kib) in own {
            if !kafka.properties.0.contains_key(name) {
                of.0.entry(name.to_owned()).or_insert(kib.to_string());
            }
        }
    }
}

/// The ceiling, and a configuration in which everybody has a share of it, for tasks on partitions of these topics and so many workers.
pub(super) fn limited(mut config: Config, names: &Names, workers: usize) -> (Config, Memory) {
    let memory = Memory::new(config.memory.max);
    let partitions = usize::try_from(names.partitions).unwrap_or(1);
    Shares::of(memory.max, names.inputs.len(), partitions, workers).limit(&mut config);
    (config, memory)
}

impl Memory {
    /// As configured, or as the system says.
    pub fn new(configured: Max) -> Self {
        let (max, from) = match configured {
            Max::Bytes(bytes) => (bytes, "memory.max"),
            Max::Auto => allowed(),
        };
        Self {
            max,
            from,
            short: AtomicBool::new(false),
            since: Instant::now(),
            looked: AtomicU64::new(0),
        }
    }

    /// Whether the ceiling is near, as of the last [`LOOK`].
    pub fn is_short(&self) -> bool {
        let now = u64::try_from(self.since.elapsed().as_micros()).unwrap_or(u64::MAX);
        let looked = self.looked.load(Ordering::Relaxed);
        let is_due = u128::from(now.saturating_sub(looked)) >= LOOK.as_micros();
        let looks = |from, to| {
            self.looked
                .compare_exchange(from, to, Ordering::Relaxed, Ordering::Relaxed)
        };
        if is_due
            && looks(looked, now).is_ok()
            && let Some(resident) = resident()
        {
            self.found(resident);
        }
        self.short.load(Ordering::Relaxed)
    }

    /// So much is resident.
    fn found(&self, resident: u64) {
        let eighth = self.max.bytes / 8;
        let short = match self.short.load(Ordering::Relaxed) {
            false => resident >= eighth * SHORT,
            true => resident > eighth * ENOUGH,
        };
        self.short.store(short, Ordering::Relaxed);
    }
}

/// Tends to memory until the process ends.
///
/// # Errors
/// Where the thread cannot be started.
pub(super) fn start(context: &Arc<Context>) -> std::io::Result<()> {
    let context = Arc::clone(context);
    let (max, from) = (context.memory.max, context.memory.from);
    tracing::info!(%max, from, "memory has a ceiling");
    context.telemetry.memory_max(max.bytes);
    let thread = thread::Builder::new().name("memory".to_owned());
    thread.spawn(move || {
        let _guard = EndsProcess;
        let mut said = None;
        loop {
            tend(&context, &mut said);
            thread::park_timeout(TEND);
        }
    })?;
    Ok(())
}

/// `said`: when it was last said that memory is short.
fn tend(context: &Context, said: &mut Option<Instant>) {
    let memory = &context.memory;
    let short = memory.is_short();
    context.telemetry.memory_short(short);
    if !short {
        return;
    }
    let (shown, max) = (
        Bytes {
            bytes: resident().unwrap_or(0) / MIB * MIB,
        },
        memory.max,
    );
    give_back();
    if said.is_none_or(|at| at.elapsed() >= SAY_AGAIN) {
        *said = Some(Instant::now());
        tracing::warn!(
            resident = %shown, %max, from = memory.from,
            "memory is near its ceiling: less is taken in until there is some again. Give it more, or run more processes, if that \
             does not pass"
        );
    }
}

/// What is resident, bytes; none where the system does not say.
fn resident() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split(' ').nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

/// What librdkafka has freed goes back to the system: its allocator, the C library's, keeps it otherwise.
#[expect(unsafe_code, reason = "a function of the C library")]
fn give_back() {
    #[cfg(target_env = "gnu")]
    {
        unsafe extern "C" {
            fn malloc_trim(pad: usize) -> i32;
        }
        // SAFETY: it may be called at any time, from any thread.
        unsafe { malloc_trim(0) };
    }
}

/// What the system allows.
fn allowed() -> (Bytes, &'static str) {
    let limits = [
        (of_cgroup(), "the limit of the cgroup"),
        (getrlimit(Resource::As).current, "ulimit -v"),
    ];
    let limits = limits
        .into_iter()
        .filter_map(|(limit, from)| Some((limit?, from)));
    if let Some((limit, from)) = limits.min_by_key(|(limit, _)| *limit) {
        return (
            Bytes {
                bytes: limit / 10 * 9,
            },
            from,
        );
    }
    let half = of_machine().map_or(2048 * MIB, |bytes| bytes / 2);
    (Bytes { bytes: half }, "half of the machine's memory")
}

/// The least limit of the groups that this process is in, one within the other; of version 2 or 1.
fn of_cgroup() -> Option<u64> {
    let groups = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let machine = of_machine().unwrap_or(u64::MAX);
    let limits = groups.lines().flat_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (
            fields.next().unwrap_or_default(),
            fields.next().unwrap_or_default(),
        );
        let (root, file) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max"),
            _ => ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
        };
        let concerns = controllers.is_empty() || controllers.split(',').any(|it| it == "memory");
        let path = path.trim_matches('/').to_owned();
        // Within a container its own group may be the root.
        let outwards = std::path::Path::new(&path).ancestors().take(NESTED);
        let files: Vec<_> = outwards
            .map(|group| std::path::Path::new(root).join(group).join(file))
            .filter(|_| concerns)
            .collect();
        files
    });
    // No limit is `max`, or more than there is.
    let set = limits.filter_map(|file| std::fs::read_to_string(file).ok()?.trim().parse().ok());
    set.filter(|limit: &u64| *limit < machine).min()
}

fn of_machine() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_within_the_ceiling_and_of_use() {
        let of = |mib, topics, partitions, workers| {
            Shares::of(Bytes { bytes: mib * MIB }, topics, partitions, workers)
        };
        let small = of(512, 6, 32, 2);
        assert_eq!(small.fetched_kib, 64 * 1024 / 192);
        assert_eq!(small.sent_kib, 32 * 1024);
        assert_eq!(small.customers, 16_384);
        let large = of(64 * 1024, 6, 4, 2);
        assert_eq!((large.fetched_kib, large.sent_kib), (2 * 1024, 1024 * 1024));
        assert_eq!(of(128, 50, 1_000, 64).fetched_kib, 64);
    }

    #[test]
    fn it_is_short_near_the_ceiling_and_until_some_way_below() {
        let memory = Memory::new(Max::Bytes(Bytes { bytes: 800 }));
        let found = [500, 599, 600, 550, 501, 500, 599, 600].map(|resident| {
            memory.found(resident);
            memory.short.load(Ordering::Relaxed)
        });
        assert_eq!(found, [false, false, true, true, true, false, false, true]);
    }

    #[test]
    fn who_asks_looks() {
        let mut memory = Memory::new(Max::Bytes(Bytes { bytes: 1 }));
        memory.since = Instant::now();
        assert!(!memory.is_short(), "looked just now");
        memory.since -= LOOK;
        assert!(memory.is_short(), "more than a byte is resident");
    }

    #[test]
    fn the_system_says_something() {
        let (max, from) = allowed();
        assert!(max.bytes > 64 * MIB, "{max} of {from}");
        assert!(resident().is_some_and(|bytes| bytes > MIB));
    }
}
