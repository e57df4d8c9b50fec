//! What happens, counted: each happening is a method here, and nobody else calls Prometheus. Names, labels, units and
//! meanings are in the table [`metrics`].
//!
//! Counters begin at 0 with the process. What a transaction decides is counted once it is committed.

mod kpi;
pub mod metrics;
pub mod onsite;
pub mod sender;
pub mod traces;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use prometheus::core::Collector;
use prometheus::proto::MetricFamily;
use prometheus::{
    Counter, GaugeVec, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec,
    Opts, Registry, TextEncoder,
};

use crate::engine::Engine;
use crate::event::record::Reject;
use crate::task::core::Rejection;
use crate::task::count::Count;
use crate::treatment::Reason;
use crate::trigger::plan::Plan;
use crate::trigger::revision;
use kpi::Kpis;

use metrics::{Kind, Metric};

/// All metrics of a process. Clones share them.
#[derive(Clone, Debug)]
pub struct Telemetry {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    registry: Registry,
    topics: Vec<String>,
    /// At hand, by topic.
    events: Vec<prometheus::IntCounter>,
    taken: IntCounterVec,
    defects: IntCounterVec,
    rejected: IntCounterVec,
    held: IntCounterVec,
    outcomes: IntCounterVec,
    journeys: IntCounterVec,
    kpis: Kpis,
    orphaned: IntCounterVec,
    identities: IntCounterVec,
    referrals: IntCounterVec,
    seeds: IntCounterVec,
    open_limit: IntCounterVec,
    outside_audience: IntCounterVec,
    removed: IntCounterVec,
    sampled: IntCounterVec,
    misplaced: IntCounterVec,
    moments: IntCounterVec,
    refusals: IntCounterVec,
    treatments: IntCounterVec,
    withdrawals: IntCounterVec,
    commands: IntCounterVec,
    arrival: Histogram,
    commit: Histogram,
    transactions: IntCounterVec,
    restore: Histogram,
    restore_remaining: IntGaugeVec,
    lag_records: IntGaugeVec,
    lag_seconds: GaugeVec,
    watermark: GaugeVec,
    profiles: IntGaugeVec,
    profile_bytes: IntGaugeVec,
    profiles_unwritten: IntGaugeVec,
    table_rows: IntGaugeVec,
    partitions: IntGauge,
    brokers_reached: IntGauge,
    partitions_unread: IntGaugeVec,
    topic_silent: IntGaugeVec,
    hanging: IntGaugeVec,
    memory_max: IntGauge,
    memory_short: IntGauge,
    clock_off: GaugeVec,
    sending_stopped: IntGauge,
    tasks: IntGaugeVec,
    build: IntGaugeVec,
    revision: IntGauge,
    sets_rejected: IntCounter,
    schema_requests: IntCounterVec,
    schemas_awaited: IntGaugeVec,
    process: Process,
}

#[derive(Debug)]
struct Process {
    resident: IntGauge,
    cpu: Counter,
    descriptors: IntGauge,
}

/// What was decided by a trigger.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decided {
    /// Moments that came true.
    pub moments: u64,
    /// Those that were treated.
    pub treatments: u64,
    /// Those that were not, by reason.
    pub refusals: BTreeMap<String, u64>,
}

/// How a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Durable.
    Committed,
    /// It did not happen.
    Failed,
    /// Nobody knows until the log is read.
    Unknown,
    /// Another producer or member took over.
    Fenced,
}

impl Outcome {
    const ALL: [Self; 4] = [Self::Committed, Self::Failed, Self::Unknown, Self::Fenced];

    fn word(self) -> &'static str {
        match self {
            Self::Committed => "committed",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
            Self::Fenced => "fenced",
        }
    }
}

struct Maker {
    registry: Registry,
}

impl Maker {
    fn register<C: Collector + Clone + 'static>(&self, made: prometheus::Result<C>) -> C {
        #[expect(
            clippy::expect_used,
            reason = "names are written here, and a test makes them all"
        )]
        let made = made.expect("a name and labels that Prometheus takes");
        #[expect(
            clippy::expect_used,
            reason = "names are written here, and a test makes them all"
        )]
        self.registry
            .register(Box::new(made.clone()))
            .expect("a name of its own");
        made
    }

    fn counter(&self, metric: &Metric) -> IntCounterVec {
        self.register(IntCounterVec::new(options(metric), metric.labels))
    }

    fn gauge(&self, metric: &Metric) -> IntGaugeVec {
        self.register(IntGaugeVec::new(options(metric), metric.labels))
    }

    fn whole(&self, metric: &Metric) -> IntGauge {
        self.register(IntGauge::with_opts(options(metric)))
    }

    fn real(&self, metric: &Metric) -> GaugeVec {
        self.register(GaugeVec::new(options(metric), metric.labels))
    }

    fn histogram(&self, metric: &Metric) -> Histogram {
        let options = HistogramOpts::from(options(metric));
        self.register(Histogram::with_opts(match metric.kind {
            Kind::Histogram(bounds) => options.buckets(bounds.to_vec()),
            Kind::Counter | Kind::Gauge => options,
        }))
    }
}

fn options(metric: &Metric) -> Opts {
    Opts::new(metric.name, metric.help)
}

impl Telemetry {
    /// All metrics at 0; `topics` in the order in which tasks number them.
    #[must_use]
    #[expect(clippy::too_many_lines, reason = "a line for each metric")]
    pub fn new(topics: &[String], plan: &Plan) -> Self {
        let make = Maker {
            registry: Registry::new(),
        };
        let events = make.counter(&metrics::EVENTS_READ);
        let inner = Inner {
            topics: topics.to_vec(),
            events: topics
                .iter()
                .map(|topic| events.with_label_values(&[topic]))
                .collect(),
            taken: make.counter(&metrics::EVENTS),
            defects: make.counter(&metrics::DEFECTS),
            rejected: make.counter(&metrics::REJECTED),
            held: make.counter(&metrics::HELD),
            outcomes: make.counter(&metrics::OUTCOMES),
            journeys: make.counter(&metrics::JOURNEYS),
            kpis: Kpis::new(make.real(&metrics::KPI)),
            orphaned: make.counter(&metrics::ORPHANED),
            identities: make.counter(&metrics::IDENTITIES),
            referrals: make.counter(&metrics::REFERRALS),
            seeds: make.counter(&metrics::SEEDS),
            open_limit: make.counter(&metrics::OPEN_LIMIT),
            outside_audience: make.counter(&metrics::OUTSIDE_AUDIENCE),
            removed: make.counter(&metrics::CUSTOMERS_REMOVED),
            sampled: make.counter(&metrics::SAMPLED_KEYS),
            misplaced: make.counter(&metrics::MISPLACED_KEYS),
            moments: make.counter(&metrics::MOMENTS),
            refusals: make.counter(&metrics::REFUSALS),
            treatments: make.counter(&metrics::TREATMENTS),
            withdrawals: make.counter(&metrics::WITHDRAWALS),
            commands: make.counter(&metrics::COMMANDS),
            arrival: make.histogram(&metrics::ARRIVAL_TO_COMMAND),
            commit: make.histogram(&metrics::COMMIT_DURATION),
            transactions: make.counter(&metrics::TRANSACTIONS),
            restore: make.histogram(&metrics::RESTORE_DURATION),
            restore_remaining: make.gauge(&metrics::RESTORE_REMAINING),
            lag_records: make.gauge(&metrics::LAG_RECORDS),
            lag_seconds: make.real(&metrics::LAG_SECONDS),
            watermark: make.real(&metrics::WATERMARK),
            profiles: make.gauge(&metrics::PROFILES),
            profile_bytes: make.gauge(&metrics::PROFILE_BYTES),
            table_rows: make.gauge(&metrics::TABLE_ROWS),
            profiles_unwritten: make.gauge(&metrics::PROFILES_UNWRITTEN),
            partitions: make.whole(&metrics::PARTITIONS),
            brokers_reached: make.whole(&metrics::BROKERS_REACHED),
            partitions_unread: make.gauge(&metrics::PARTITIONS_UNREAD),
            topic_silent: make.gauge(&metrics::TOPIC_SILENT),
            hanging: make.gauge(&metrics::HANGING),
            memory_max: make.whole(&metrics::MEMORY_MAX),
            memory_short: make.whole(&metrics::MEMORY_SHORT),
            clock_off: make.real(&metrics::CLOCK_OFF),
            sending_stopped: make.whole(&metrics::SENDING_STOPPED),
            tasks: make.gauge(&metrics::TASKS),
            build: make.gauge(&metrics::BUILD_INFO),
            revision: make.whole(&metrics::TRIGGERS_REVISION),
            sets_rejected: make
                .register(IntCounter::with_opts(options(&metrics::TRIGGERS_REJECTED))),
            schema_requests: make.counter(&metrics::SCHEMA_REQUESTS),
            schemas_awaited: make.gauge(&metrics::SCHEMAS_AWAITED),
            process: Process {
                resident: make.whole(&metrics::RESIDENT_MEMORY),
                cpu: make.register(Counter::with_opts(options(&metrics::CPU))),
                descriptors: make.whole(&metrics::OPEN_FDS),
            },
            registry: make.registry,
        };
        // A rise from nothing would not be seen: `rate` needs a value before.
        for topic in topics {
            let _ = inner.misplaced.with_label_values(&[topic]);
        }
        for outcome in Outcome::ALL {
            let _ = inner.transactions.with_label_values(&[outcome.word()]);
        }
        for kind in Count::words() {
            let _ = inner.taken.with_label_values(&[kind]);
        }
        let rejected = Reject::WORDS.into_iter().chain([Rejection::UNREADABLE]);
        for reason in rejected.filter(|it| *it != Rejection::IGNORED) {
            let _ = inner.rejected.with_label_values(&[reason]);
        }
        let this = Self {
            inner: Arc::new(inner),
        };
        this.triggers(plan);
        this
    }

    // What happens.

    /// So many records of a topic were read.
    pub fn read(&self, topic: usize, records: usize) {
        self.inner.events[topic].inc_by(records as u64);
    }

    /// A transaction added so much to what the task counts.
    pub fn counted(&self, count: &Count, more: u64) {
        let inner = &self.inner;
        match count {
            Count::Treated(trigger) => {
                inner.moments.with_label_values(&[trigger]).inc_by(more);
                inner.treatments.with_label_values(&[trigger]).inc_by(more);
            }
            Count::Refused(trigger, reason) => {
                inner.moments.with_label_values(&[trigger]).inc_by(more);
                let refusals = inner.refusals.with_label_values(&[trigger, reason]);
                refusals.inc_by(more);
            }
            Count::Defect(name) => inner.defects.with_label_values(&[name]).inc_by(more),
            Count::Identities(outcome) => {
                inner.identities.with_label_values(&[outcome]).inc_by(more);
            }
            Count::Referrals(outcome) => {
                inner.referrals.with_label_values(&[outcome]).inc_by(more);
            }
            Count::Seeds(outcome) => inner.seeds.with_label_values(&[outcome]).inc_by(more),
            Count::Rejected(reason) => inner.rejected.with_label_values(&[reason]).inc_by(more),
            Count::Held(trigger, reason) => {
                let held = inner.held.with_label_values(&[trigger, reason]);
                held.inc_by(more);
            }
            Count::Outcome(trigger, what) => {
                let outcomes = inner.outcomes.with_label_values(&[trigger, what]);
                outcomes.inc_by(more);
            }
            Count::Journey(trigger, what) => {
                let journeys = inner.journeys.with_label_values(&[trigger, what]);
                journeys.inc_by(more);
            }
            Count::Orphaned(what) => inner.orphaned.with_label_values(&[what]).inc_by(more),
            Count::Withdrawn(trigger, reason) => {
                let withdrawals = &inner.withdrawals;
                withdrawals
                    .with_label_values(&[trigger, reason])
                    .inc_by(more);
            }
            Count::OpenLimit(trigger) => {
                inner.open_limit.with_label_values(&[trigger]).inc_by(more);
            }
            Count::OutsideAudience(trigger) => {
                let outside = &inner.outside_audience;
                outside.with_label_values(&[trigger]).inc_by(more);
            }
            Count::Erased | Count::Expired => {
                let removed = inner.removed.with_label_values(&[&count.to_string()]);
                removed.inc_by(more);
            }
            Count::Events
            | Count::Future
            | Count::SetBack
            | Count::Late
            | Count::Duplicates
            | Count::Defects
            | Count::Ignored
            | Count::TailFull
            | Count::DroppedAsErased
            | Count::Other(_) => {
                let taken = inner.taken.with_label_values(&[&count.to_string()]);
                taken.inc_by(more);
            }
        }
    }

    /// A command was committed.
    pub fn command(&self, channel: &str) {
        self.inner.commands.with_label_values(&[channel]).inc();
    }

    /// A record was looked at; whether it stood in another partition than its key says.
    pub fn sampled(&self, topic: &str, misplaced: bool) {
        self.inner.sampled.with_label_values(&[topic]).inc();
        if misplaced {
            self.inner.misplaced.with_label_values(&[topic]).inc();
        }
    }

    /// A command was committed so many ms after the record that caused it was appended.
    pub fn arrival_to_command(&self, ms: i64) {
        self.inner.arrival.observe(seconds(ms.max(0)));
    }

    /// A transaction ended after this time.
    pub fn transaction(&self, outcome: Outcome, took: Duration) {
        self.inner
            .transactions
            .with_label_values(&[outcome.word()])
            .inc();
        if outcome == Outcome::Committed {
            self.inner.commit.observe(took.as_secs_f64());
        }
    }

    /// A task began to read after this time.
    pub fn restored(&self, took: Duration) {
        self.inner.restore.observe(took.as_secs_f64());
    }

    /// A published set of triggers cannot be used here.
    pub fn set_rejected(&self) {
        self.inner.sets_rejected.inc();
    }

    /// The registry was asked for a schema.
    pub fn schema_asked(&self, outcome: &str) {
        self.inner
            .schema_requests
            .with_label_values(&[outcome])
            .inc();
    }

    // What is.

    /// These triggers are in force.
    pub fn triggers(&self, plan: &Plan) {
        let inner = &self.inner;
        let number = revision::number(&plan.revision);
        inner
            .revision
            .set(i64::try_from(number).unwrap_or(i64::MAX));
        inner.sending_stopped.set(plan.policy.is_stopped().into());
        let expired = Reason::Expired.word();
        for trigger in plan.triggers.iter().map(|trigger| trigger.name.as_str()) {
            let _ = inner.moments.with_label_values(&[trigger]);
            let _ = inner.treatments.with_label_values(&[trigger]);
            let _ = inner.refusals.with_label_values(&[trigger, expired]);
        }
        inner.build.reset();
        inner
            .build
            .with_label_values(&[env!("CARGO_PKG_VERSION"), &plan.revision])
            .set(1);
    }

    /// So many schemas are not to be had, and records wait for them.
    pub fn schemas_awaited(&self, count: usize) {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        let none: [&str; 0] = [];
        self.inner
            .schemas_awaited
            .with_label_values(&none)
            .set(count);
    }

    /// So many changelog offsets are left to read.
    pub fn restore_remaining(&self, partition: i32, remaining: i64) {
        self.inner
            .restore_remaining
            .with_label_values(&[&partition.to_string()])
            .set(remaining);
    }

    /// So many records of a topic are not taken.
    pub fn lag(&self, topic: &str, partition: i32, records: i64) {
        self.inner
            .lag_records
            .with_label_values(&[topic, &partition.to_string()])
            .set(records);
    }

    /// A task's watermark and how far it is behind the clock, ms.
    pub fn watermark(&self, partition: i32, watermark: i64, behind: i64) {
        let partition = partition.to_string();
        self.inner
            .watermark
            .with_label_values(&[&partition])
            .set(seconds(watermark));
        self.inner
            .lag_seconds
            .with_label_values(&[&partition])
            .set(seconds(behind));
    }

    /// A task's customers, and the bytes of their profiles.
    pub fn profiles(&self, partition: i32, count: usize, bytes: usize, unwritten: usize) {
        let partition = partition.to_string();
        let whole = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        self.inner
            .profiles
            .with_label_values(&[&partition])
            .set(whole(count));
        self.inner
            .profile_bytes
            .with_label_values(&[&partition])
            .set(whole(bytes));
        self.inner
            .profiles_unwritten
            .with_label_values(&[&partition])
            .set(whole(unwritten));
    }

    /// A task holds so many rows of a topic, as every other does.
    pub fn table_rows(&self, topic: &str, count: usize) {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        self.inner.table_rows.with_label_values(&[topic]).set(count);
    }

    /// Each topic that comes in has so many partitions.
    pub fn partitions(&self, count: i32) {
        self.inner.partitions.set(count.into());
    }

    /// Whether brokers answer.
    pub fn brokers_reached(&self, reached: bool) {
        self.inner.brokers_reached.set(reached.into());
    }

    /// So many partitions of a topic are read by nobody.
    pub fn partitions_unread(&self, topic: &str, count: i32) {
        let gauge = &self.inner.partitions_unread;
        gauge.with_label_values(&[topic]).set(count.into());
    }

    /// Whether time waits for a topic on which nothing comes.
    pub fn topic_silent(&self, topic: &str, silent: bool) {
        let gauge = &self.inner.topic_silent;
        gauge.with_label_values(&[topic]).set(silent.into());
    }

    /// So many partitions of a topic wait for a transaction that nobody ends.
    pub fn hanging(&self, topic: &str, count: i64) {
        self.inner.hanging.with_label_values(&[topic]).set(count);
    }

    /// The ceiling of memory.
    pub fn memory_max(&self, bytes: u64) {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        self.inner.memory_max.set(bytes);
    }

    /// Whether memory is near its ceiling.
    pub fn memory_short(&self, short: bool) {
        self.inner.memory_short.set(short.into());
    }

    /// The machine's clock is so far ahead of the one that the process goes by, ms.
    pub fn clock_off(&self, ms: i64) {
        #[expect(clippy::cast_precision_loss, reason = "ms of at most years")]
        let seconds = ms as f64 / 1000.0;
        self.inner
            .clock_off
            .with_label_values::<&str>(&[])
            .set(seconds);
    }

    /// How many tasks are in a state.
    pub fn tasks(&self, state: &str, count: usize) {
        self.inner
            .tasks
            .with_label_values(&[state])
            .set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// What triggers are measured by, of a task's customers.
    pub fn kpis(&self, partition: i32, engine: &Engine) {
        self.inner.kpis.tell(partition, engine);
    }

    /// A task is somebody else's now.
    pub fn forget(&self, partition: i32) {
        let label = partition.to_string();
        self.inner.kpis.forget(&label);
        for topic in &self.inner.topics {
            let _ = self
                .inner
                .lag_records
                .remove_label_values(&[topic.as_str(), &label]);
        }
        for gauges in [
            &self.inner.restore_remaining,
            &self.inner.profiles,
            &self.inner.profile_bytes,
            &self.inner.profiles_unwritten,
        ] {
            let _ = gauges.remove_label_values(&[&label]);
        }
        for gauges in [&self.inner.lag_seconds, &self.inner.watermark] {
            let _ = gauges.remove_label_values(&[&label]);
        }
    }

    /// The lag of a topic as last said, records.
    #[must_use]
    pub fn lag_of(&self, topic: &str, partition: i32) -> i64 {
        let labels = [topic, &partition.to_string()];
        self.inner.lag_records.with_label_values(&labels).get()
    }

    /// What was decided by a trigger since the process began.
    #[must_use]
    pub fn decided(&self, trigger: &str) -> Decided {
        let of = |counter: &IntCounterVec| counter.with_label_values(&[trigger]).get();
        // Asked for by its labels, a counter that nobody has counted in would begin to exist.
        let families = self.inner.refusals.collect();
        let counters = families.iter().flat_map(MetricFamily::get_metric);
        let refusals = counters.filter_map(|metric| {
            let label = |name: &str| {
                let found = metric.get_label().iter().find(|label| label.name() == name);
                found.map(|label| label.value().to_owned())
            };
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a count of a whole number of refusals"
            )]
            let count = metric.get_counter().get_value() as u64;
            let counted = count > 0 && label("trigger")? == trigger;
            counted.then_some((label("reason")?, count))
        });
        Decided {
            moments: of(&self.inner.moments),
            treatments: of(&self.inner.treatments),
            refusals: refusals.collect(),
        }
    }

    /// Everything, as Prometheus reads it.
    #[must_use]
    pub fn text(&self) -> String {
        self.inner.process.refresh();
        text(&self.inner.registry)
    }
}

/// All metrics of a registry, as Prometheus reads them.
fn text(registry: &Registry) -> String {
    let mut text = String::new();
    // Writing to memory fails only where a metric is broken, which the tests rule out.
    let _ = TextEncoder::new().encode_utf8(&registry.gather(), &mut text);
    text
}

impl Process {
    /// From /proc, where there is one.
    fn refresh(&self) {
        /// Ticks a second, on every Linux that is built today.
        const TICKS: f64 = 100.0;
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let resident = status.lines().find_map(|line| {
            line.strip_prefix("VmRSS:")?
                .split_whitespace()
                .next()?
                .parse::<i64>()
                .ok()
        });
        if let Some(kib) = resident {
            self.resident.set(kib * 1024);
        }
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
        // After the name in brackets; user and system time are fields 14 and 15 of the line.
        let fields: Vec<f64> = stat
            .rsplit(')')
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .filter_map(|field| field.parse().ok())
            .collect();
        if let [_, _, _, _, _, _, _, _, _, _, user, system, ..] = fields[..] {
            let more = (user + system) / TICKS - self.cpu.get();
            self.cpu.inc_by(more.max(0.0));
        }
        if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
            self.descriptors
                .set(i64::try_from(open.count()).unwrap_or(i64::MAX));
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "instants of this era have 41 bits in ms"
)]
fn seconds(ms: i64) -> f64 {
    ms as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Vocabulary;
    use crate::trigger::plan::Policy;

    /// What a name that is taken says.
    fn plan() -> Plan {
        let vocabulary = Arc::new(Vocabulary::standard());
        Plan::new(
            vocabulary,
            Vec::new(),
            Default::default(),
            Policy::default(),
            "7-r1".into(),
        )
    }

    #[test]
    fn every_metric_of_the_table_is_registered() {
        let telemetry = Telemetry::new(&[], &plan());
        for metric in metrics::METRICS {
            let again = IntCounterVec::new(options(metric), metric.labels).expect("its options");
            let taken = telemetry.inner.registry.register(Box::new(again));
            assert!(
                matches!(taken, Err(prometheus::Error::AlreadyReg)),
                "{}: {taken:?}",
                metric.name
            );
        }
    }

    #[test]
    fn what_happens_is_counted_under_prometheus_names() {
        let telemetry = Telemetry::new(&["cart".to_owned()], &plan());
        telemetry.read(0, 2);
        telemetry.counted(&Count::from("rejected.bad_json"), 1);
        telemetry.counted(&Count::from("events"), 2);
        telemetry.counted(&Count::from("expired"), 5);
        telemetry.counted(&Count::from("decided.abandoned.v2.capped"), 3);
        telemetry.counted(&Count::from("decided.abandoned.v2.treat"), 1);
        telemetry.command("email");
        telemetry.arrival_to_command(40);
        telemetry.lag("cart", 3, 7);
        telemetry.watermark(3, 2_000, 500);
        telemetry.table_rows("catalogue", 12);
        let text = telemetry.text();
        for line in [
            "moments_events_read_total{topic=\"cart\"} 2",
            "moments_events_total{kind=\"events\"} 2",
            "moments_customers_removed_total{reason=\"expired\"} 5",
            "moments_rejected_total{reason=\"bad_json\"} 1",
            "moments_refusals_total{reason=\"capped\",trigger=\"abandoned.v2\"} 3",
            "moments_moments_total{trigger=\"abandoned.v2\"} 4",
            "moments_treatments_total{trigger=\"abandoned.v2\"} 1",
            "moments_arrival_to_command_seconds_bucket{le=\"0.04\"} 1",
            "moments_lag_seconds{partition=\"3\"} 0.5",
            "moments_table_rows{topic=\"catalogue\"} 12",
            "process_open_fds",
            "process_cpu_seconds_total",
        ] {
            assert!(text.contains(line), "{line} in\n{text}");
        }
        telemetry.forget(3);
        assert!(!telemetry.text().contains("partition=\"3\""));
    }
}
