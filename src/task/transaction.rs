//! What one transaction gathers, and when it is due.
//!
//! A transaction is due a while after a command was made, a longer while after its first step when nothing more is at hand, longer
//! still when behind, and at a number of bytes ([`Delays`]); one that took nothing does not exist. When behind, a command that is late
//! already waits for an eighth of its lateness: else catching up would commit without end, and pack a customer anew for each of her
//! events.

use super::core::{Effect, Header, RawRecord, Rejection};
use super::inbox;
use super::journal::Step;
use crate::event::record::TRACEPARENT;
use crate::time::Timestamp;
use crate::treatment::TraceContext;

/// What the headers begin with that say what is wrong with a dead letter, as Kafka Connect names them.
pub const ERROR_HEADERS: &str = "__connect.errors.";
/// The header of a dead letter that was cut off: how many bytes it had.
pub const CUT_HEADER: &str = "moments.value.bytes";

/// While records are at hand, a command waits for this part of the time that its event has waited already.
const LATENESS_SHARE: i64 = 8;
/// Bytes taken and made: with 32 tasks, two transactions each, a quarter of a GiB at worst.
const TRANSACTION_BYTES: usize = 4 * 1024 * 1024;

const _: () = assert!(TRANSACTION_BYTES > inbox::QUEUE_BYTES);

/// How long a transaction gathers, milliseconds; each at least the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delays {
    /// A command waits this long for others.
    pub command_ms: i64,
    /// Without a command, from the first record on: state is not urgent, but a crash repeats no more than this.
    pub state_ms: i64,
    /// The longest, while records are at hand: a commit costs milliseconds whatever its size.
    pub behind_ms: i64,
}

impl Default for Delays {
    /// A commit takes some milliseconds: a command is durable within 20 ms of its making.
    fn default() -> Self {
        Self {
            command_ms: 10,
            state_ms: 100,
            behind_ms: 2_000,
        }
    }
}

/// Where a record goes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sink {
    /// The commands of a channel; by key.
    Treatments(String),
    /// Every decision; by key.
    Decisions,
    /// What was no event; by key.
    DeadLetters,
    /// What came too late; by key.
    Late,
    /// Figures of the task; by key.
    Reports,
    /// The task's own partition of the changelog.
    Changelog,
    /// The task's own partition of the journal.
    Journal,
    /// What another task is told: its partition of the topic between tasks.
    Transfers(i32),
}

/// A record to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Out {
    /// Where to.
    pub sink: Sink,
    /// Kafka key.
    pub key: Option<Vec<u8>>,
    /// Kafka value; none is a tombstone.
    pub value: Option<Vec<u8>>,
    /// Kafka headers.
    pub headers: Vec<Header>,
}

/// All of one transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// Counted from 1 over the life of the task.
    pub number: u64,
    /// To be sent in this order.
    pub records: Vec<Out>,
    /// Input offsets, by topic.
    pub offsets: Vec<(usize, i64)>,
    /// For each command, in the order of [`Transaction::records`], what it came of.
    pub causes: Vec<Cause>,
}

/// What a command came of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// When it came: for how long the command took.
    pub arrived: Timestamp,
    /// The record, where the command goes on with its trace.
    pub traced: Option<Traced>,
}

/// A record with a trace context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traced {
    /// Topic name.
    pub topic: String,
    /// Partition number.
    pub partition: i32,
    /// Where it stands there.
    pub offset: i64,
    /// When it was appended there.
    pub appended: Timestamp,
    /// What its producer said.
    pub context: TraceContext,
}

/// Where a record was read.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// Topic name.
    pub topic: &'a str,
    /// Partition number.
    pub partition: i32,
}

/// A transaction that is being gathered.
#[derive(Debug, Default)]
pub struct Open {
    delays: Delays,
    /// When the first thing worth a commit came.
    since: Option<Timestamp>,
    command_at: Option<Timestamp>,
    /// When it would be due by its commands alone, while more records are at hand.
    command_due_behind: Option<Timestamp>,
    bytes: usize,
    /// When what is being worked on came.
    arrived: Timestamp,
    /// When that was appended to its log; none: nothing was worked on yet.
    appended: Option<Timestamp>,
    /// To be sent.
    pub records: Vec<Out>,
    /// Taken so far.
    pub steps: Vec<Step>,
    /// As [`Transaction::causes`].
    pub causes: Vec<Cause>,
    /// Every customer is to be written in it: it cannot be taken again as it was.
    pub writes_all: bool,
}

impl Open {
    /// An empty one, which gathers for so long.
    #[must_use]
    pub fn new(delays: Delays) -> Self {
        Self {
            delays,
            ..Self::default()
        }
    }

    /// When it should be committed; never, while there is nothing in it: time that moved and brought nothing is worth no
    /// commit, and moves again after a crash.
    #[must_use]
    pub fn due(&self, behind: bool) -> Option<Timestamp> {
        let since = self.since?;
        let delay = if behind {
            self.delays.behind_ms
        } else {
            self.delays.state_ms
        };
        let command = if behind {
            self.command_due_behind
        } else {
            self.command_at.map(|at| at.plus(self.delays.command_ms))
        };
        let command = command.unwrap_or(Timestamp::MAX);
        Some(if self.is_full() {
            since
        } else {
            command.min(since.plus(delay))
        })
    }

    /// Whether it may take no more.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.bytes >= TRANSACTION_BYTES
    }

    /// When the first thing worth a commit came.
    #[must_use]
    pub fn since(&self) -> Option<Timestamp> {
        self.since
    }

    /// Whether there is nothing in it but time that moved.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.since.is_none()
    }

    /// A record is taken in, which came at `arrived`.
    pub fn took(&mut self, record: &RawRecord, arrived: Timestamp, clock: Timestamp) {
        self.since.get_or_insert(clock);
        self.bytes += inbox::size(record);
        self.arrived = arrived;
        self.appended = Some(record.appended);
    }

    /// A record is worked on that will be taken in later.
    pub fn works_on(&mut self, record: &RawRecord, arrived: Timestamp) {
        self.arrived = arrived;
        self.appended = Some(record.appended);
    }

    /// A customer was changed by it, whether that is told or not: something of hers may only wait since.
    pub fn changed(&mut self, clock: Timestamp) {
        self.since.get_or_insert(clock);
    }

    /// Time alone moves.
    pub fn waited(&mut self, clock: Timestamp) {
        self.arrived = clock;
        self.appended = Some(clock);
    }

    /// A step is done. Of those in a row that took nothing and brought nothing, the last says it all.
    pub fn end_step(&mut self, step: Step) {
        if self.since.is_none() {
            self.steps.clear();
        }
        self.steps.push(step);
    }

    /// A record was no event.
    pub fn reject(&mut self, origin: Origin<'_>, record: &RawRecord, rejection: &Rejection) {
        self.set_aside(Sink::DeadLetters, origin, record, rejection);
    }

    /// What the core said of a record, or of time.
    pub fn effect(
        &mut self,
        effect: Effect,
        source: Option<(Origin<'_>, &RawRecord)>,
        clock: Timestamp,
    ) {
        match (effect, source) {
            (
                Effect::Decided {
                    customer,
                    decision,
                    headers,
                    treatment,
                    ..
                },
                _,
            ) => {
                let key = Some(customer);
                let decision = Out {
                    sink: Sink::Decisions,
                    key: key.clone(),
                    value: Some(decision),
                    headers,
                };
                self.since.get_or_insert(clock);
                self.push(decision);
                if let Some(treatment) = treatment {
                    self.commanded(clock);
                    self.causes.push(Cause {
                        arrived: self.arrived,
                        traced: source.and_then(|source| traced(source, &treatment.headers)),
                    });
                    let sink = Sink::Treatments(treatment.channel);
                    self.push(Out {
                        sink,
                        key,
                        value: Some(treatment.value),
                        headers: treatment.headers,
                    });
                }
            }
            (Effect::Rejected(rejection), Some((origin, record))) => {
                self.reject(origin, record, &rejection);
            }
            (Effect::Transferred { to, key, value }, _) => {
                let out = Out {
                    sink: Sink::Transfers(to),
                    key: Some(key),
                    value: Some(value),
                    headers: Vec::new(),
                };
                self.tells(out, clock);
            }
            (Effect::Late { behind_ms }, Some((origin, record))) => {
                let detail = format!("{behind_ms} ms behind the watermark when it came");
                let rejection = Rejection {
                    stage: "apply",
                    reason: "late",
                    detail,
                };
                self.set_aside(Sink::Late, origin, record, &rejection);
            }
            // Time alone changed a customer: that is worth a commit.
            (Effect::Counted { .. }, None) => drop(self.since.get_or_insert(clock)),
            (
                Effect::Late { .. }
                | Effect::Duplicate
                | Effect::Counted { .. }
                | Effect::Rejected(_),
                _,
            ) => {}
        }
    }

    /// Another task is told something that it waits for.
    pub fn tells(&mut self, out: Out, clock: Timestamp) {
        self.since.get_or_insert(clock);
        self.commanded(clock);
        self.push(out);
    }

    fn commanded(&mut self, clock: Timestamp) {
        self.command_at.get_or_insert(clock);
        let appended = self.appended.unwrap_or(clock);
        let late_ms = clock.0.saturating_sub(appended.0);
        let Delays {
            command_ms,
            behind_ms,
            ..
        } = self.delays;
        let delay = (late_ms / LATENESS_SHARE).clamp(command_ms, behind_ms);
        let due = clock.plus(delay);
        self.command_due_behind = Some(self.command_due_behind.map_or(due, |known| known.min(due)));
    }

    /// Sends a record on as it was, with where it stood and why in headers.
    fn set_aside(
        &mut self,
        sink: Sink,
        origin: Origin<'_>,
        record: &RawRecord,
        rejection: &Rejection,
    ) {
        self.push(Out {
            sink,
            key: record.key.clone(),
            value: record.value.clone(),
            headers: letter_headers(origin, record, rejection),
        });
    }

    fn push(&mut self, out: Out) {
        let bytes = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(0, Vec::len);
        let headers: usize = out
            .headers
            .iter()
            .map(|(name, value)| name.len() + bytes(value))
            .sum();
        self.bytes += size_of::<Out>() + bytes(&out.key) + bytes(&out.value) + headers;
        self.records.push(out);
    }
}

/// The headers of a record that is set aside: where it stood and why, named as Kafka Connect names them. What another program said of
/// it in such headers makes way.
#[must_use]
pub fn letter_headers(
    origin: Origin<'_>,
    record: &RawRecord,
    rejection: &Rejection,
) -> Vec<Header> {
    let mut headers = record.headers.clone();
    headers.retain(|(name, _)| !name.starts_with(ERROR_HEADERS) && name != CUT_HEADER);
    let mut say = |name: &str, value: String| {
        headers.push((format!("{ERROR_HEADERS}{name}"), Some(value.into_bytes())));
    };
    say("topic", origin.topic.to_owned());
    say("partition", origin.partition.to_string());
    say("offset", record.offset.to_string());
    say("stage", rejection.stage.to_owned());
    say("exception.class.name", rejection.reason.to_owned());
    say("exception.message", rejection.detail.clone());
    headers
}

/// The record, where a command with these headers goes on with its trace.
fn traced((origin, record): (Origin<'_>, &RawRecord), command: &[Header]) -> Option<Traced> {
    let context = context(&record.headers)?;
    (context.trace_id == self::context(command)?.trace_id).then(|| Traced {
        topic: origin.topic.to_owned(),
        partition: origin.partition,
        offset: record.offset,
        appended: record.appended,
        context,
    })
}

/// The trace context among headers.
#[must_use]
pub fn context(headers: &[Header]) -> Option<TraceContext> {
    let (_, value) = headers.iter().find(|(name, _)| name == TRACEPARENT)?;
    TraceContext::parse(std::str::from_utf8(value.as_deref()?).ok()?)
}

#[cfg(test)]
mod tests;
