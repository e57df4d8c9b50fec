//! The faults, one by one: what is done, and from when on an answer is waited for.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use super::wire::{State, Wire, pause};
use crate::kafka::installation::{Installation, LIMIT, Member};
use crate::support::broker::KafkaBroker;
use crate::support::process::ProcessGuard;
use crate::support::unique;

/// Session 2 s and transactions 6 s, of this installation.
const PAST_SESSION: Duration = Duration::from_secs(4);
const PAST_TRANSACTION: Duration = Duration::from_secs(9);
const LONG: Duration = Duration::from_secs(35);
const NETWORK: Duration = Duration::from_secs(3);

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// A process is killed.
    Killed,
    /// It is stopped in good order.
    Stopped,
    /// It is frozen past its session, and goes on.
    Frozen,
    /// It is frozen past its transaction's time-out, and goes on.
    TransactionTimedOut,
    /// One more comes, and goes.
    Added,
    /// Its connections are cut.
    Cut,
    /// What goes over its connections is late.
    Delayed,
    /// Little goes over its connections.
    Trickling,
    /// Its clock is an hour ahead for a while.
    ClockAhead,
    /// The broker is killed, and starts again.
    BrokerKilled,
    /// The broker is frozen for longer than sessions and requests.
    BrokerFrozen,
}

impl Fault {
    /// All, those that take long last.
    pub const ALL: [Self; 11] = [
        Self::Killed,
        Self::Stopped,
        Self::Frozen,
        Self::Added,
        Self::Cut,
        Self::Delayed,
        Self::Trickling,
        Self::ClockAhead,
        Self::BrokerKilled,
        Self::TransactionTimedOut,
        Self::BrokerFrozen,
    ];

    /// As the report says it, and from when on its unavailability is counted.
    pub fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Killed => ("process killed (kill -9)", "the kill"),
            Self::Stopped => ("process stopped (SIGTERM)", "the signal"),
            Self::Frozen => ("process frozen for 4 s, session 2 s", "the freeze"),
            Self::TransactionTimedOut => ("process frozen for 9 s, transactions 6 s", "the freeze"),
            Self::Added => ("process added, and stopped again", "its stop"),
            Self::Cut => ("network of a process cut for 3 s", "the cut"),
            Self::Delayed => ("network of a process 200 ms late for 3 s", "its beginning"),
            Self::Trickling => ("network of a process at 50 kB/s for 3 s", "its beginning"),
            Self::ClockAhead => ("clock of a process an hour ahead for 3 s", "its beginning"),
            Self::BrokerKilled => ("broker killed, and started again", "its being back"),
            Self::BrokerFrozen => ("broker frozen for 35 s", "its being back"),
        }
    }
}

/// What faults are done to.
pub struct World<'a> {
    broker: &'static KafkaBroker,
    installation: &'a Installation,
    wires: [Wire; 2],
    clock: Clock,
    /// The processes.
    pub members: [Member; 2],
}

impl<'a> World<'a> {
    /// Two processes, each with a network of its own.
    pub fn new(
        broker: &'static KafkaBroker,
        installation: &'a Installation,
        wires: [Wire; 2],
    ) -> Self {
        let clock = Clock::new(installation);
        let members =
            [0, 1].map(|number| start(installation, &clock, Some((number, &wires[number]))));
        Self {
            broker,
            installation,
            wires,
            clock,
            members,
        }
    }

    /// Does it, to one of the two; from when on answers are waited for.
    pub fn suffer(&mut self, fault: Fault, victim: usize) -> Instant {
        let now = Instant::now();
        let (wire, pid) = (&self.wires[victim], self.members[victim].process.id());
        match fault {
            Fault::Killed => {
                self.members[victim].process.kill9();
                self.begin(victim);
            }
            Fault::Stopped => {
                assert!(self.members[victim].process.terminate(LIMIT).success());
                self.begin(victim);
            }
            Fault::Frozen => freeze(pid, PAST_SESSION),
            Fault::TransactionTimedOut => freeze(pid, PAST_TRANSACTION),
            Fault::Added => {
                let mut third = start(self.installation, &self.clock, None);
                third.wait_until_ready();
                let stopped = Instant::now();
                assert!(third.process.terminate(LIMIT).success());
                return stopped;
            }
            Fault::Cut => during(wire, State::Cut),
            Fault::Delayed => during(wire, State::Delayed(Duration::from_millis(200))),
            Fault::Trickling => during(wire, State::Trickling(500)),
            Fault::ClockAhead => {
                self.clock.set(victim, 3_600);
                pause(NETWORK);
                self.clock.set(victim, 0);
            }
            Fault::BrokerKilled => {
                self.broker.kill_and_start_again();
                return Instant::now();
            }
            Fault::BrokerFrozen => {
                self.broker.signal("STOP");
                pause(LONG);
                self.broker.signal("CONT");
                return Instant::now();
            }
        }
        now
    }

    /// A process that ended by itself, as it should where it gets nowhere, is started again.
    pub fn begin_those_that_ended(&mut self) {
        for number in 0..self.members.len() {
            if !self.members[number].process.is_running() {
                eprintln!(
                    "{} ended by itself: {}",
                    number,
                    last_words(&self.members[number])
                );
                self.begin(number);
            }
        }
    }

    fn begin(&mut self, number: usize) {
        let wire = &self.wires[number];
        self.members[number] = start(self.installation, &self.clock, Some((number, wire)));
    }
}

fn last_words(member: &Member) -> String {
    let output = member.process.output();
    output.lines().last().unwrap_or_default().to_owned()
}

fn start(installation: &Installation, clock: &Clock, at: Option<(usize, &Wire)>) -> Member {
    let name = unique("moments");
    let mut command = Command::new(env!("CARGO_BIN_EXE_moments"));
    command
        .arg("run")
        .arg("--config")
        .arg(installation.config());
    if let Some((number, wire)) = at {
        command.args(["--set", &format!("kafka.bootstrap=127.0.0.1:{}", wire.port)]);
        command.env("LD_PRELOAD", &clock.library);
        command.env("MOMENTS_CLOCK_AHEAD", clock.file(number));
    }
    Member::new(name.clone(), ProcessGuard::spawn(&name, &mut command))
}

fn freeze(pid: u32, time: Duration) {
    let send = |name: &str| {
        let sent = Command::new("kill")
            .args(["-s", name, &pid.to_string()])
            .status();
        assert!(sent.is_ok_and(|status| status.success()), "{name}");
    };
    send("STOP");
    pause(time);
    send("CONT");
}

fn during(wire: &Wire, state: State) {
    wire.set(state);
    pause(NETWORK);
    wire.set(State::Whole);
}

/// The clocks of processes: a library before the C library's adds to the time what a file says.
struct Clock {
    library: PathBuf,
    folder: PathBuf,
}

const LIBRARY: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>
static volatile long *ahead;
__attribute__((constructor)) static void begin(void) {
    const char *name = getenv("MOMENTS_CLOCK_AHEAD");
    int file = name ? open(name, O_RDONLY) : -1;
    void *at = file < 0 ? MAP_FAILED : mmap(0, sizeof(long), PROT_READ, MAP_SHARED, file, 0);
    if (at != MAP_FAILED) ahead = at;
}
int clock_gettime(clockid_t id, struct timespec *time) {
    int failed = syscall(SYS_clock_gettime, id, time);
    if (!failed && id == CLOCK_REALTIME && ahead) time->tv_sec += *ahead;
    return failed;
}
/* What waits for an instant waits for that of the system. */
int pthread_cond_timedwait(pthread_cond_t *of, pthread_mutex_t *by, const struct timespec *until) {
    static int (*wait)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
    if (!wait) *(void **)&wait = dlsym(RTLD_NEXT, "pthread_cond_timedwait");
    struct timespec meant = *until;
    if (ahead) meant.tv_sec -= *ahead;
    return wait(of, by, &meant);
}
int cnd_timedwait(cnd_t *of, mtx_t *by, const struct timespec *until) {
    static int (*wait)(cnd_t *, mtx_t *, const struct timespec *);
    if (!wait) *(void **)&wait = dlsym(RTLD_NEXT, "cnd_timedwait");
    struct timespec meant = *until;
    if (ahead) meant.tv_sec -= *ahead;
    return wait(of, by, &meant);
}
int gettimeofday(struct timeval *time, void *zone) {
    struct timespec now;
    int failed = clock_gettime(CLOCK_REALTIME, &now);
    (void)zone;
    time->tv_sec = now.tv_sec;
    time->tv_usec = now.tv_nsec / 1000;
    return failed;
}
"#;

impl Clock {
    fn new(installation: &Installation) -> Self {
        let (source, library) = (installation.file("clock.c"), installation.file("clock.so"));
        fs::write(&source, LIBRARY).expect("a source");
        let made = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .args([&library, &source])
            .status();
        assert!(
            made.is_ok_and(|status| status.success()),
            "a C compiler, which the build needs, too"
        );
        let folder = installation.file("clocks");
        fs::create_dir(&folder).expect("a folder");
        let this = Self { library, folder };
        (0..2).for_each(|number| this.set(number, 0));
        this
    }

    fn file(&self, number: usize) -> PathBuf {
        self.folder.join(number.to_string())
    }

    /// In place: it is mapped.
    fn set(&self, number: usize, ahead_s: i64) {
        let file = fs::OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(self.file(number));
        let written = file.and_then(|mut file| file.write_all(&ahead_s.to_ne_bytes()));
        written.expect("a file of a clock");
    }
}
