//! Deliberate bugs, to test the simulation with: what it does not find of these, it would not find in the program.
//!
//! One at a time is switched on, for some runs on one thread. It lives in what the tests own, not in the program: the hand and the
//! worker, which carry a task's orders out, ask [`Bug::is_on`]; what passes between a hand and its task goes through
//! [`super::between`]; and the customers are within [`super::careless`]. So the program has no switch for it.
//!
//! A bug is in both runs of a history and in the replay of its journal, as it would be in the program. What checks them has none.

use super::careless::Careless;
use super::crash::{self, ENGINE_SEEDS};
use super::group::Membership;
use super::hand::GROUP;
use super::log::{Fault, Log, Offset, Place, Producer, Read, Record};
use super::toy::Toy;
use super::united;
use crate::support::generated;
use moments::task::customers::Customers;
use moments::task::transaction::Sink;
use std::cell::Cell;
use std::fmt::Write as _;
use std::panic;
use std::sync::Once;

/// What is wrong, where it lives, and how it is looked for.
struct Mutant {
    bug: Bug,
    what: &'static str,
    place: &'static str,
    run: fn(u64),
    /// It is found within so many histories.
    within: u64,
}

/// Each bug once.
macro_rules! bugs {
    ($($name:ident: $what:literal, of $place:literal, by $($run:ident)::+ <$customers:ident> within $seeds:literal;)+) => {
        /// What can be wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Bug {
            $(#[doc = $what] $name,)+
        }

        const BUGS: &[Mutant] = &[
            $(Mutant {
                bug: Bug::$name,
                what: $what,
                place: $place,
                run: $($run)::+::<Careless<$customers>>,
                within: $seeds,
            },)+
        ];

        // As many pass without a bug.
        $(const _: () = assert!($seeds <= ENGINE_SEEDS);)+
    };
}

bugs! {
    OffsetsApart: "offsets are committed at once, outside the transaction", of "transaction", by crash::run<Toy> within 20;
    OffsetsOfFetched: "offsets and record say what was fetched, not what was taken", of "transaction", by crash::run<Toy> within 5;
    ChangelogAfterCommit: "the changelog is written after the commit, in a transaction of its own", of "transaction", by crash::run<Toy> within 5;
    DeadLettersApart: "dead letters are sent outside the transaction", of "transaction", by crash::run<Toy> within 5;
    AssignmentsMixed: "what waits of an earlier assignment is not withdrawn, and goes with what is of a later one", of "transaction", by crash::run<Toy> within 60;
    OutcomeGuessed: "a commit of unknown outcome is taken for done", of "transaction", by crash::run<Toy> within 20;
    NoFencing: "offsets are sent without member and generation: nothing fences", of "fencing", by crash::run<Toy> within 20;
    GenerationNotPinned: "offsets are sent in the newest generation, not in that of the assignment", of "fencing", by crash::run<Toy> within 60;
    SessionsIgnored: "answers of an earlier session are believed", of "fencing", by crash::run<Toy> within 20;
    RestoredToStableEnd: "the state is restored to the last stable offset", of "taking over", by crash::run<Toy> within 20;
    RestoredUncommitted: "the changelog is read with uncommitted records", of "taking over", by crash::run<Toy> within 5;
    RestoreCutShort: "a restore that was cut short is taken for done", of "taking over", by crash::run<Toy> within 5;
    NotRestoredAgain: "a process that had a task does not read what others wrote since", of "taking over", by crash::run<Toy> within 5;
    TombstonesIgnored: "tombstones are passed over", of "taking over", by crash::run<Customers> within 60;
    NoOffsetIsZero: "no offset of the group is taken for offset 0", of "taking over", by crash::run<Toy> within 5;
    UnstableOffsets: "the group's offsets are asked while a transaction holds them", of "taking over", by crash::run<Toy> within 60;
    TimerNotRebuilt: "the timers of restored customers are not set", of "customers", by crash::run<Toy> within 5;
    UndoForgotten: "an abort does not undo what customers became", of "customers", by crash::run<Toy> within 5;
    SealedIsCommitted: "what is handed over counts as committed", of "customers", by crash::run<Toy> within 5;
    TimeNotWritten: "customers whom only time changed are not written", of "customers", by crash::run<Toy> within 5;
    NowReadAgain: "a decision reads the clock, not the step's `now`", of "customers", by crash::run<Toy> within 5;
    IdFromClock: "a command's id is made of the clock", of "customers", by crash::run<Customers> within 5;
    IdleNotJournaled: "time that moves without records is not journaled", of "journal and task record", by crash::run<Toy> within 5;
    CrowdNotJournaled: "of a crowded instant the journal does not say how many came true", of "journal and task record", by crash::run<Customers> within 5;
    ReloadNotJournaled: "the journal does not say that customers went over to other triggers", of "journal and task record", by crash::run<Toy> within 5;
    ReloadNotRecorded: "the task record stays with the first triggers", of "journal and task record", by crash::run<Toy> within 5;
    ReloadRecordedEarly: "the task record says so before all have gone over to other triggers", of "journal and task record", by crash::run<Toy> within 5;
    SweepNotRecorded: "the task record does not say how far a broadcast is", of "journal and task record", by crash::run<Toy> within 60;
    MoveNotRecorded: "the task record does not say where time was moving to", of "journal and task record", by crash::run<Customers> within 60;
    SeenNotRecorded: "the task record has no times seen", of "journal and task record", by crash::run<Toy> within 60;
    WatermarkNotRecorded: "the task record has no watermark", of "journal and task record", by crash::run<Toy> within 60;
    StampedLate: "who was written in the transaction before counts as written in this one", of "window", by crash::run<Toy> within 60;
    StampIgnored: "what is taken again is taken by those who were written since, too", of "window", by crash::run<Customers> within 120;
    WindowNotRecorded: "the task record does not say that somebody is not written", of "window", by crash::run<Toy> within 60;
    WindowShort: "the window begins a transaction too late", of "window", by crash::run<Toy> within 60;
    WindowWatermarkLate: "the window begins at the watermark of its end", of "window", by crash::run<Toy> within 60;
    AlwaysKept: "who should be written stays unwritten", of "window", by crash::run<Toy> within 5;
    WatermarkAsMaximum: "topics with unread records do not hold the watermark: it is the largest", of "time", by crash::run<Toy> within 5;
    LatenessIgnored: "the watermark is the largest time seen, without the lateness", of "time", by crash::run<Toy> within 5;
    EndsOfCommitted: "the ends of topics are asked for committed records only", of "time", by crash::run<Toy> within 5;
    TransfersApart: "what a task tells another is sent outside the transaction", of "between tasks", by united::run_across<Customers> within 5;
    WentNotWritten: "where an id went is not written", of "between tasks", by united::run_across<Customers> within 20;
    ClaimsNotHeld: "time passes an event that is under way to another task and back", of "between tasks", by united::run_across<Customers> within 20;
    OthersNotAwaited: "time passes what other tasks may still tell of", of "between tasks", by united::run_across<Customers> within 20;
    EndsOfBefore: "the end of a topic was asked before the record in question came", of "time", by crash::run<Toy> within 60;
}

thread_local! {
    static ON: Cell<Option<Bug>> = const { Cell::new(None) };
}

impl Bug {
    /// Whether it is switched on.
    pub fn is_on(self) -> bool {
        ON.get() == Some(self)
    }

    /// Whether it makes this run fail. What the run panics with is nobody's to read.
    fn fails(self, run: impl FnOnce() + panic::UnwindSafe) -> bool {
        static SILENCE: Once = Once::new();
        SILENCE.call_once(|| {
            let loud = panic::take_hook();
            panic::set_hook(Box::new(move |info| {
                if !is_any_on() {
                    loud(info);
                }
            }));
        });
        ON.set(Some(self));
        let outcome = panic::catch_unwind(run);
        ON.set(None);
        outcome.is_err()
    }

    /// The end of a place; with the bug, as a reader of committed records is told it.
    pub fn end(self, log: &Log, place: &Place) -> Offset {
        if self.is_on() {
            log.stable_end(place)
        } else {
            log.end(place)
        }
    }
}

/// Whether a bug is switched on.
pub fn is_any_on() -> bool {
    ON.get().is_some()
}

/// Reads a changelog.
pub fn read_changelog(log: &Log, place: &Place, from: Offset, max: usize) -> Read {
    if Bug::RestoredUncommitted.is_on() {
        log.read_uncommitted(place, from, max)
    } else {
        log.read_committed(place, from, max)
    }
}

/// Asks for an offset of the group.
pub fn committed_offset(log: &mut Log, place: &Place) -> Result<Option<Offset>, Fault> {
    if Bug::UnstableOffsets.is_on() {
        return Ok(log.group(GROUP).committed.get(place).copied());
    }
    log.committed_offset(GROUP, place)
}

/// Sends a record of a transaction.
pub fn send(
    log: &mut Log,
    producer: &Producer,
    (to, sink): (&Place, &Sink),
    record: Record,
) -> Result<Offset, Fault> {
    let is_apart = match sink {
        Sink::DeadLetters => Bug::DeadLettersApart.is_on(),
        Sink::Transfers(_) => Bug::TransfersApart.is_on(),
        _ => false,
    };
    if is_apart {
        return Ok(log.append(to, record));
    }
    log.send(producer, to, record)
}

/// Sends the offsets of a transaction, in the name of an assignment; `newest` is that of the process.
pub fn send_offsets(
    log: &mut Log,
    producer: &Producer,
    (pinned, newest): (&Membership, &Membership),
    offsets: &[(Place, Offset)],
) -> Result<(), Fault> {
    if Bug::OffsetsApart.is_on() {
        log.group(GROUP).check(pinned)?;
        log.group(GROUP).committed.extend(offsets.iter().cloned());
        return Ok(());
    }
    let nobody = Membership::nobody();
    let membership = match ON.get() {
        Some(Bug::NoFencing) => &nobody,
        Some(Bug::GenerationNotPinned) => newest,
        _ => pinned,
    };
    log.send_offsets(producer, GROUP, membership, offsets)
}

/// The table as the guarantees have it.
fn table() -> String {
    let mut table =
        "| deliberate bug | of | found by seed | within |\n|---|---|---|---|\n".to_owned();
    for Mutant {
        bug,
        what,
        place,
        run,
        within,
    } in BUGS
    {
        let found = (0..*within).find(|seed| bug.fails(|| run(*seed)));
        let found = found.unwrap_or_else(|| panic!("{bug:?} is not found: {what}"));
        let _ = writeln!(table, "| {what} | {place} | {found} | {within} |");
    }
    table
}

#[test]
fn deliberate_bugs_are_found_and_their_table_is_up_to_date() {
    let maker = ("deliberate bugs", "tests/it/sim/bugs.rs");
    generated::is_up_to_date("docs/guarantees.md", maker, &table());
}
