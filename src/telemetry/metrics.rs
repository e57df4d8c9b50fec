//! The table of all metrics: name, kind, unit, labels, meaning. The registry, the reference page and whatever else names a
//! metric (dashboards, alerting rules) are made from it or held to it.
//!
//! Labels are bounded by what is configured: topics, partitions, triggers, channels; reasons and states are words of
//! fixed sets. A metric without `partition` is of the process: sum over processes. So is one with it, of which each
//! process shows only the partitions it has.

/// One metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Metric {
    /// Its name, by Prometheus' conventions.
    pub name: &'static str,
    /// What it counts, or how.
    pub kind: Kind,
    /// Of its values.
    pub unit: Unit,
    /// Names of its labels.
    pub labels: &'static [&'static str],
    /// What it says, in a sentence.
    pub help: &'static str,
}

/// How a metric's value is to be read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// It only rises, from 0 at the start of the process.
    Counter,
    /// As it is now.
    Gauge,
    /// Counts by upper bounds, in the metric's unit.
    Histogram(&'static [f64]),
}

/// What a value counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Things: records, moments, customers, tasks; the name says which.
    One,
    /// Seconds; of a timestamp, since 1970.
    Seconds,
    /// Bytes.
    Bytes,
}

impl Kind {
    /// The word that Prometheus has for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram(_) => "histogram",
        }
    }
}

impl Unit {
    /// Its word; none for things that are counted.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::One => "",
            Self::Seconds => "seconds",
            Self::Bytes => "bytes",
        }
    }
}

/// Seconds: from a local commit to a broker that is being replaced.
const COMMIT_SECONDS: &[f64] = &[
    0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0,
];
/// Seconds: from the promised tens of milliseconds to an hour's outage.
const LATENCY_SECONDS: &[f64] = &[
    0.005, 0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.08, 0.1, 0.15, 0.25, 0.5, 1.0, 5.0, 60.0, 3600.0,
];
/// Seconds: from nothing to read to tens of GB.
const RESTORE_SECONDS: &[f64] = &[0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0];

/// Declares each metric as a constant, and a list of them.
macro_rules! metrics {
    ($(#[$about:meta])* $table:ident = $($constant:ident: $name:literal, $kind:expr, $unit:ident, [$($label:literal),*], $help:literal;)*) => {
        $(
            #[doc = $help]
            pub const $constant: Metric = Metric {
                name: $name,
                kind: $kind,
                unit: Unit::$unit,
                labels: &[$($label),*],
                help: $help,
            };
        )*
        $(#[$about])*
        pub const $table: &[Metric] = &[$($constant),*];
    };
}

metrics! {
    /// All metrics of `moments run`, in the order of the reference page.
    METRICS =
    EVENTS_READ: "moments_events_read_total", Kind::Counter, One, ["topic"],
        "Records read, those of transactions that failed too.";
    EVENTS: "moments_events_total", Kind::Counter, One, ["kind"],
        "Events taken (`events`); of them `late`, `duplicates`, `future` (beyond the tolerance), `set_back` (ahead of their own append, where the broker stamps it), `tail_full` (out of their turn, as the customer has too many beyond the watermark), `dropped_as_erased` (from before the erasure of their customer), and `defects` (parts of them that could not be read, by name in `moments_defects_total`). Beside them `ignored`: foreign records that a mapping passes over.";
    DEFECTS: "moments_defects_total", Kind::Counter, One, ["name"],
        "Parts of events that could not be read, by name: of a property, an attribute, or `consent`, `address`, `products` and their like; `event`: of an event by a name that nobody declared. The event is taken without them.";
    REJECTED: "moments_rejected_total", Kind::Counter, One, ["reason"],
        "Records that are no event, by reason; they are dead letters.";
    OUTCOMES: "moments_outcomes_total", Kind::Counter, One, ["trigger", "outcome"],
        "What came of treatments of triggers with a goal: what senders reported of a command (once each), codes that were ordered with (`redeemed`), goals met (`converted`) and taken back by a refund (`taken_back`), customers whose first exposure is over (`closed`); and of adaptive splits how many took a way (`way_taken`) and met the goal after it in time (`way_met`), or did not (`way_missed`).";
    JOURNEYS: "moments_journeys_total", Kind::Counter, One, ["trigger", "passage"],
        "What customers who are not held out did in journeys: how often one was entered (`entered`), a step come to (`step`) and gone on from by one of several ways (`went_on`), and why it was left (`left_end`, `left_goal`, `left_until`, `left_undone`, `left_taken_out`). By step and way it is in the report.";
    KPI: "moments_kpi", Kind::Gauge, One, ["trigger", "kpi", "term", "partition"],
        "What people measure a trigger by, under the name that its `kpi` says, of the customers of a partition since its task began: what is counted (`of`) and, where there is one, per what (`per`). Sum both over partitions, and divide.";
    ORPHANED: "moments_outcomes_orphaned_total", Kind::Counter, One, ["outcome"],
        "Reports of senders on treatments that are not on the customer's ledger: older than a month, or never hers.";
    HELD: "moments_held_total", Kind::Counter, One, ["trigger", "reason"],
        "Moments that were held, to be asked again when the reason is over: nothing of them is decided yet.";
    OPEN_LIMIT: "moments_open_limit_total", Kind::Counter, One, ["trigger"],
        "Deadlines not opened, events that left a window early, and treatments that cannot be taken back any more, as the customer has too many.";
    OUTSIDE_AUDIENCE: "moments_outside_audience_total", Kind::Counter, One, ["trigger"],
        "Customers to whom what happened to everybody did not apply: nothing is decided of them.";
    CUSTOMERS_REMOVED: "moments_customers_removed_total", Kind::Counter, One, ["reason"],
        "Customers of whom nothing is kept any more: `erased`, or `expired`.";
    IDENTITIES: "moments_identities_total", Kind::Counter, One, ["outcome"],
        "Former ids that were said of customers: `united` (what was known of it is hers), `anothers` (it is another's already, as of a device that two share), `both_known` (somebody is known by it herself), `elsewhere` (it is in another partition, and `topics.identities` is empty), `forgotten` (of too many, one makes way), `late` (an event came from another task behind the watermark), `overdue` (time went on without another task).";
    REFERRALS: "moments_referrals_total", Kind::Counter, One, ["outcome"],
        "Codes of others that customers brought: `accepted` (both were told), or why it does not count: `unknown_code`, `own_code`, `already_referred`, `already_customer`; and `at_most` where the friend counts, and whose code it is has brought as many as are declared.";
    SEEDS: "moments_seeds_total", Kind::Counter, One, ["outcome"],
        "Customers of whom `moments backfill` told what history says: `taken`, or why it was not: `behind` (more has settled of her since), `ahead` (its last event has not settled here yet), `history_too_short` (it begins later than what is known of her), `unknown` (nothing is known of her but by history), `erased` (she was since it begins), `other_definition` (a trigger is not here, or means something else), `unreadable` (a newer build has sent it).";
    SAMPLED_KEYS: "moments_sampled_keys_total", Kind::Counter, One, ["topic"],
        "Records whose key was looked at: one of each batch.";
    MISPLACED_KEYS: "moments_misplaced_keys_total", Kind::Counter, One, ["topic"],
        "Of them, those in another partition than murmur2 of their key says, or without a key.";
    MOMENTS: "moments_moments_total", Kind::Counter, One, ["trigger"],
        "Moments that came true and were decided.";
    TREATMENTS: "moments_treatments_total", Kind::Counter, One, ["trigger"],
        "Moments that were treated.";
    REFUSALS: "moments_refusals_total", Kind::Counter, One, ["trigger", "reason"],
        "Moments that were not treated, by reason.";
    WITHDRAWALS: "moments_withdrawals_total", Kind::Counter, One, ["trigger", "reason"],
        "Treatments that were taken back, by reason: `late_event`, `settled_otherwise`, `no_consent`, `erased`.";
    COMMANDS: "moments_commands_total", Kind::Counter, One, ["channel"],
        "Commands published, withdrawals among them.";
    ARRIVAL_TO_COMMAND: "moments_arrival_to_command_seconds", Kind::Histogram(LATENCY_SECONDS), Seconds, [],
        "From the append of a record to the commit of the command it caused.";
    COMMIT_DURATION: "moments_commit_duration_seconds", Kind::Histogram(COMMIT_SECONDS), Seconds, [],
        "From the first record sent to the commit.";
    TRANSACTIONS: "moments_transactions_total", Kind::Counter, One, ["outcome"],
        "Transactions, by how they ended: `committed`, `failed`, `unknown`, `fenced`. Tasks of a worker share them.";
    RESTORE_DURATION: "moments_restore_duration_seconds", Kind::Histogram(RESTORE_SECONDS), Seconds, [],
        "From the assignment of a task to its first read.";
    RESTORE_REMAINING: "moments_restore_remaining_records", Kind::Gauge, One, ["partition"],
        "Changelog offsets not yet read.";
    LAG_RECORDS: "moments_lag_records", Kind::Gauge, One, ["topic", "partition"],
        "Records whose work is not committed yet, up to the end that the last fetch saw.";
    LAG_SECONDS: "moments_lag_seconds", Kind::Gauge, Seconds, ["partition"],
        "Clock, as configured, minus watermark of the last commit: lag in event time. With `clock = \"event\"`, largest time seen minus it.";
    WATERMARK: "moments_watermark_timestamp_seconds", Kind::Gauge, Seconds, ["partition"],
        "Watermark of the last commit: nothing at or before this event time is still expected.";
    PROFILES: "moments_profiles", Kind::Gauge, One, ["partition"],
        "Customers known.";
    PROFILE_BYTES: "moments_profile_bytes", Kind::Gauge, Bytes, ["partition"],
        "Bytes of their packed profiles.";
    TABLE_ROWS: "moments_table_rows", Kind::Gauge, One, ["topic"],
        "Rows that a topic of tables or suppression lists has brought. Each task holds all of them.";
    PROFILES_UNWRITTEN: "moments_profiles_unwritten", Kind::Gauge, One, ["partition"],
        "Customers in memory who changed and are not written to the changelog yet; each takes some kB.";
    PARTITIONS: "moments_partitions", Kind::Gauge, One, [],
        "Partitions of each topic that comes in, and so tasks of all processes together.";
    BROKERS_REACHED: "moments_brokers_reached", Kind::Gauge, One, [],
        "1 while brokers answer, else 0.";
    PARTITIONS_UNREAD: "moments_partitions_unread", Kind::Gauge, One, ["topic"],
        "Partitions that a topic has got since this process started: nobody reads them.";
    TOPIC_SILENT: "moments_topic_silent", Kind::Gauge, One, ["topic"],
        "1 while nothing has come on a topic for its `silence_max` though something came on others, so that time waits for it; else 0.";
    HANGING: "moments_hanging_transactions", Kind::Gauge, One, ["topic"],
        "Partitions of tasks here in which a transaction is open for longer than `kafka.hanging_transaction`: nothing behind it is read.";
    MEMORY_MAX: "moments_memory_max_bytes", Kind::Gauge, Bytes, [],
        "The ceiling of resident memory: `memory.max`, or what the system allows.";
    MEMORY_SHORT: "moments_memory_short", Kind::Gauge, One, [],
        "1 while memory is near its ceiling, so that less is taken in; else 0.";
    CLOCK_OFF: "moments_clock_off_seconds", Kind::Gauge, Seconds, [],
        "How far this machine's clock is ahead of the one that the process goes by: other than 0 while a step of it is not followed.";
    SENDING_STOPPED: "moments_sending_stopped", Kind::Gauge, One, [],
        "1 while all sending is stopped, else 0.";
    TASKS: "moments_tasks", Kind::Gauge, One, ["state"],
        "Tasks assigned to this process, by state: `restoring`, `running`, `waiting` (for triggers as new as its state), `refused`.";
    SCHEMA_REQUESTS: "moments_schema_requests_total", Kind::Counter, One, ["outcome"],
        "Schemas of Avro records asked of the registry: `found`, `refused` (not to be read as ours), `unknown`, `failed` (asked again).";
    SCHEMAS_AWAITED: "moments_schemas_awaited", Kind::Gauge, One, [],
        "Schemas that records wait for, as the registry does not answer; other than 0 for minutes, look at the registry.";
    BUILD_INFO: "moments_build_info", Kind::Gauge, One, ["version", "revision"],
        "1; version of the program, and revision: a digest of triggers, policy and declared words.";
    TRIGGERS_REVISION: "moments_triggers_revision", Kind::Gauge, One, [],
        "Number of the set of triggers in force in this process; 0 of triggers read from files.";
    TRIGGERS_REJECTED: "moments_triggers_rejected_total", Kind::Counter, One, [],
        "Published sets of triggers that this process could not use; the set before stays in force.";
    RESIDENT_MEMORY: "process_resident_memory_bytes", Kind::Gauge, Bytes, [],
        "Resident memory.";
    CPU: "process_cpu_seconds_total", Kind::Counter, Seconds, [],
        "User and system time.";
    OPEN_FDS: "process_open_fds", Kind::Gauge, One, [],
        "Open file descriptors.";
}

metrics! {
    /// All metrics of `moments send`, in the order of the reference page.
    OF_SENDER =
    SENT: "moments_send_ended_total", Kind::Counter, One, ["channel", "end"],
        "Commands that are done with, by how they ended: `delivered`, `bounced`, `refused`, `expired`, `given_up`, `withdrawn`, `unreadable`.";
    SEND_FAILED: "moments_send_failed_attempts_total", Kind::Counter, One, ["channel"],
        "Attempts after which a command is tried again.";
    SEND_OPEN: "moments_send_open", Kind::Gauge, One, ["channel"],
        "Commands that are read and not done with: to be tried again, not good yet, or under way.";
    SEND_PARTITIONS: "moments_send_partitions", Kind::Gauge, One, ["channel"],
        "Partitions of the channel that this process reads; 0 of all processes together: nobody sends.";
}

metrics! {
    /// All metrics of `moments onsite`, in the order of the reference page.
    OF_ONSITE =
    ONSITE_REPORTS: "moments_onsite_reports_total", Kind::Counter, One, ["report"],
        "What pages reported, and the topic of outcomes has: `shown` (also of those that were told that another shows it), `clicked`, `dismissed`, `answered`.";
    ONSITE_REFUSED: "moments_onsite_refused_total", Kind::Counter, One, ["report"],
        "Pages that were told that they may not: another one shows it, or it is good no more.";
    ONSITE_MADE_WAY: "moments_onsite_made_way_total", Kind::Counter, One, [],
        "Treatments that were read while as many were known as may be (`onsite.treatments`, or 64 of one customer): another one is shown no more.";
    ONSITE_TREATMENTS: "moments_onsite_treatments", Kind::Gauge, One, [],
        "Treatments that are known: to be shown, or shown already.";
    ONSITE_STREAMS: "moments_onsite_streams", Kind::Gauge, One, [],
        "Streams that are open.";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Prometheus' conventions: a base unit at the end, and `_total` after it on a counter.
    #[test]
    fn names_say_kind_and_unit() {
        let all = || METRICS.iter().chain(OF_SENDER).chain(OF_ONSITE);
        let names: BTreeSet<_> = all().map(|metric| metric.name).collect();
        assert_eq!(names.len(), all().count(), "a name stands twice");
        for metric in all() {
            let name = metric.name;
            let stem = name.strip_suffix("_total");
            assert_eq!(stem.is_some(), metric.kind == Kind::Counter, "{name}");
            let unit = metric.unit.word();
            assert!(stem.unwrap_or(name).ends_with(unit), "{name}: {unit}");
            assert!(metric.help.ends_with('.'), "{name}");
            if let Kind::Histogram(bounds) = metric.kind {
                assert!(bounds.is_sorted(), "{name}");
            }
        }
    }
}
