//! Carries the task protocol out with Kafka.
//!
//! Threads of a process: one polls the consumer group ([`group`]); one asks where topics end ([`asker`]); some workers ([`worker`])
//! own the tasks, task p on worker p modulo workers, take records from partition queues themselves and never wait for Kafka; each
//! worker has a thread that commits for its tasks ([`committer`]), and a task one that fences and restores, as long as that takes
//! ([`takeover`]). A watchdog ends the process when a call hangs.
//!
//! Where topics tell what happened to everybody, one more thread copies that to each task ([`copier`]).
//!
//! Deliberately absent: decisions. What happens when is said by [`crate::task`].

mod asker;
pub mod clients;
mod clock;
mod cluster;
mod committer;
mod copier;
pub mod control;
mod described;
pub mod encoding;
mod feed;
pub(crate) mod group;
mod memory;
mod message;
pub mod murmur2;
mod observer;
mod placement;
mod producer;
mod progress;
mod queue;
mod rights;
mod schemas;
mod silence;
mod slot;
mod surroundings;
mod takeover;
pub(crate) mod tokens;
pub mod topics;
pub mod view;
pub mod watch;
mod wanted;
mod watchdog;
mod worker;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rdkafka::consumer::BaseConsumer;
use rdkafka::error::KafkaError;

use self::clients::Logged;
pub(crate) use self::clock::clock;
use self::committer::Committer;
use self::control::{Control, ControlError, Taken};
use self::memory::Memory;
pub use self::message::Asked;
use self::message::{Question, ToWorker};
use self::placement::Placement;
use self::progress::Progress;
use self::silence::Awaited;
use self::surroundings::Surroundings;
use self::topics::Found;
use self::view::TaskView;
pub(crate) use self::watchdog::EndsProcess;
use self::watchdog::Watchdog;
use crate::config::Config;
use crate::decode::Decoder;
use crate::encode::Encoder;
use crate::engine::{Engine, Neighbours};
use crate::event::record::SchemaId;
use crate::event::{CustomerId, Vocabulary};
use crate::mapping::Mappings;
use crate::registry::{SchemasError, Source};
use crate::tally::Rows;
use crate::task::customers::Customers;
use crate::task::ids::TopicIds;
use crate::task::others::Between;
use crate::task::transaction::Sink;
use crate::task::{Task, TaskSettings};
use crate::telemetry::Telemetry;
use crate::telemetry::traces::{Traces, TracesError};
use crate::trigger::plan::Plan;
use crate::trigger::revision;
use crate::trigger::set::Basis;

/// For so long time in a task waits for another: longer than a restart takes, with a take-over and what is taken again.
const OTHERS_WAIT_MAX_MS: i64 = 300_000;

/// The names of the topics, and what goes with them.
#[derive(Clone, Debug)]
pub struct Names {
    /// The topics that come in, in byte order.
    pub inputs: Vec<String>,
    /// Of them, the one that brings what happened to everybody, and rows of tables.
    pub broadcasts: Option<String>,
    /// The topics that tell either.
    pub everybody: Vec<String>,
    /// Partitions of each of them, of the changelog and of the journal.
    pub partitions: i32,
    /// The state.
    pub changelog: String,
    /// The largest value that dead letters take.
    pub record_bytes_max: usize,
    journal: String,
    /// By which tasks tell each other of ids; empty where they do not.
    transfers: String,
    decisions: String,
    dead_letters: String,
    late_events: String,
    reports: String,
    treatments: String,
}

/// How a task stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It reads its state.
    Restoring,
    /// It takes records.
    Running,
    /// Its state was made by newer triggers than this process has; it waits for them.
    Waiting,
    /// It waits for a person.
    Refused,
}

/// Why the runtime does not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// Kafka.
    #[error("Kafka: {0}")]
    Kafka(#[from] KafkaError),
    /// A thread.
    #[error("a thread cannot be started: {0}")]
    Thread(#[from] std::io::Error),
    /// The collector of traces.
    #[error(transparent)]
    Traces(#[from] TracesError),
    /// The control topic.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// The schemas of what comes in or goes out in Avro.
    #[error(transparent)]
    Schemas(#[from] SchemasError),
}

/// What the threads of a process share.
struct Context {
    config: Arc<Config>,
    names: Arc<Names>,
    /// What triggers are read against.
    basis: Basis,
    /// Topics that come in and are compacted.
    compacted: Vec<String>,
    /// Whether there is a topic of reports.
    reports: bool,
    /// Which topics come in.
    ids: TopicIds,
    /// The triggers in force; tasks take them up between two transactions.
    plan: Mutex<Arc<Plan>>,
    decoder: Decoder,
    encoder: Encoder,
    /// Asks for a schema, without waiting.
    schemas_wanted: Sender<SchemaId>,
    telemetry: Telemetry,
    traces: Option<Arc<Traces>>,
    /// Asks for ends, uncommitted records included.
    ends: Arc<BaseConsumer<Logged>>,
    /// Asks for the group's offsets, those of open transactions excluded.
    offsets: Arc<BaseConsumer<Logged>>,
    questions: Sender<Question>,
    watchdog: Watchdog,
    memory: Memory,
    states: Mutex<BTreeMap<i32, State>>,
    placement: Mutex<Placement>,
    surroundings: Surroundings,
    /// The topics that time waits for.
    awaited: Awaited,
    progress: Progress,
    /// What the group calls this member; empty before it has joined.
    member: Mutex<String>,
    /// How often there was an assignment.
    assignments: AtomicU64,
    /// The member's client gets nowhere.
    remake: AtomicBool,
    /// The process leaves the group.
    stopping: AtomicBool,
    /// Where this process is reached by the others.
    reached_at: OnceLock<String>,
}

/// The tasks of this process, for those who ask from outside.
#[derive(Clone)]
pub struct Tasks {
    context: Arc<Context>,
    workers: Vec<Sender<ToWorker>>,
}

/// The threads of a process, ready to join the group.
pub struct Runtime {
    tasks: Tasks,
    threads: Vec<JoinHandle<()>>,
}

/// The task of a customer's id, of so many: her events have it for their key.
#[must_use]
pub fn task_of(id: &str, tasks: i32) -> i32 {
    murmur2::partition(id.as_bytes(), tasks)
}

impl Names {
    /// As configured, on a cluster where the topics have so many partitions.
    #[must_use]
    pub fn new(config: &Config, partitions: i32) -> Self {
        let topics = &config.topics;
        Self {
            inputs: config.taken().into_iter().map(|topic| topic.name).collect(),
            broadcasts: config.broadcasts(),
            everybody: topics.copied().cloned().collect(),
            partitions,
            changelog: config.changelog(),
            record_bytes_max: usize::try_from(topics.record_bytes_max).unwrap_or(0),
            journal: config.journal(),
            transfers: config.identities().unwrap_or_default(),
            decisions: topics.decisions.clone(),
            dead_letters: topics.dead_letters.clone(),
            late_events: topics.late_events.clone(),
            reports: topics.reports.clone(),
            treatments: topics.treatments.clone(),
        }
    }

    /// Whether the records of a topic that comes in stand where their customers' keys say: not those that go to a task whoever is
    /// meant, which we write ourselves.
    #[must_use]
    pub fn is_keyed_by_customer(&self, topic: &str) -> bool {
        self.broadcasts.as_deref() != Some(topic) && self.transfers != topic
    }

    /// The topic by which tasks tell each other of ids; none where they do not.
    #[must_use]
    pub fn others(&self) -> Option<String> {
        (!self.transfers.is_empty()).then(|| self.transfers.clone())
    }

    /// The topic between tasks, as a task takes it.
    fn between(&self) -> Option<Between> {
        let name = self.others()?;
        Some(Between {
            topic: self.inputs.iter().position(|input| *input == name)?,
            tasks: self.partitions,
            wait_max_ms: OTHERS_WAIT_MAX_MS,
        })
        .filter(|it| it.tasks > 1)
    }

    /// Where ids live that are not a task's own.
    fn neighbours(&self, own: i32) -> Neighbours {
        Neighbours {
            own,
            tasks: self.partitions,
            of: task_of,
            talk: self.others().is_some(),
        }
    }

    /// The journal.
    #[must_use]
    pub fn journal(&self) -> &str {
        &self.journal
    }

    /// The topic that a record goes to.
    #[must_use]
    pub fn of(&self, sink: &Sink) -> Cow<'_, str> {
        Cow::Borrowed(match sink {
            Sink::Treatments(channel) => {
                return Cow::Owned(format!("{}.{channel}", self.treatments));
            }
            Sink::Decisions => &self.decisions,
            Sink::DeadLetters => &self.dead_letters,
            Sink::Late => &self.late_events,
            Sink::Reports => &self.reports,
            Sink::Changelog => &self.changelog,
            Sink::Journal => &self.journal,
            Sink::Transfers(_) => &self.transfers,
        })
    }
}

impl Runtime {
    /// Starts the threads; nothing is read yet. `found`: the topics, as [`topics::check`] found them.
    ///
    /// # Errors
    /// Where a client or a thread cannot be made, or the registry has no id for what goes out in Avro.
    pub fn start(
        config: Config,
        plan: Arc<Plan>,
        basis: Basis,
        found: Found,
    ) -> Result<Self, RuntimeError> {
        let partitions = found.partitions;
        let names = Arc::new(Names::new(&config, partitions));
        let telemetry = Telemetry::new(&names.inputs, &plan);
        telemetry.partitions(partitions);
        let traces = match config.telemetry.otlp_endpoint.as_str() {
            "" => None,
            endpoint => Some(Arc::new(Traces::start(endpoint, &config.application.id)?)),
        };
        let (vocabulary, mappings) = (Arc::clone(&plan.vocabulary), Arc::clone(&basis.mappings));
        let (decoder, source) = decoder(&config, vocabulary, mappings)?;
        let encoder = encoding::encoder(&config, &source)?;
        let asking = |isolation| clients::asking(&clients::consumer(&config, isolation));
        let ends = Arc::new(asking("read_uncommitted")?);
        let offsets = Arc::new(asking("read_committed")?);
        let (questions, asked) = mpsc::channel();
        let (schemas_wanted, wanted) = mpsc::channel();
        let timeout = Duration::from_millis(config.kafka.call_timeout.ms.unsigned_abs());
        let watchdog = Watchdog::start(timeout)?;
        let count = config
            .threads()
            .min(usize::try_from(partitions).unwrap_or(1))
            .max(1);
        let ids = config.topics.ids(found.ids);
        let (config, memory) = memory::limited(config, &names, count);
        let context = Arc::new(Context {
            config: Arc::new(config),
            names: Arc::clone(&names),
            basis,
            compacted: found.compacted,
            reports: found.reports,
            ids,
            plan: Mutex::new(plan),
            decoder,
            encoder,
            schemas_wanted,
            telemetry: telemetry.clone(),
            traces,
            ends,
            offsets,
            questions,
            watchdog,
            memory,
            states: Mutex::default(),
            placement: Mutex::default(),
            surroundings: Surroundings::default(),
            awaited: Awaited::default(),
            progress: Progress::default(),
            member: Mutex::default(),
            assignments: AtomicU64::new(0),
            remake: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            reached_at: OnceLock::new(),
        });
        start_asker(&context, asked)?;
        let (mut workers, mut threads) = (Vec::new(), Vec::new());
        for number in 0..count {
            let (sender, receiver) = mpsc::channel();
            workers.push(sender.clone());
            let context = Arc::clone(&context);
            let committer = Committer::start(number, &context, sender.clone())?;
            let thread = thread::Builder::new().name(format!("worker-{number}"));
            threads
                .push(thread.spawn(move || worker::run(&context, &receiver, sender, committer))?);
        }
        schemas::start(&source, telemetry, wanted, waking(workers.clone()))?;
        Ok(Self {
            tasks: Tasks { context, workers },
            threads,
        })
    }

    /// For those who ask from outside.
    #[must_use]
    pub fn tasks(&self) -> Tasks {
        self.tasks.clone()
    }

    /// Follows the control topic: takes up what is published there.
    ///
    /// # Errors
    /// Where a client or a thread cannot be made.
    pub fn follow(&self) -> Result<(), RuntimeError> {
        let tasks = self.tasks();
        let control = Control::new(&self.tasks.context.config)?;
        let thread = thread::Builder::new().name("control".to_owned());
        thread.spawn(move || tasks.follow(&control))?;
        Ok(())
    }

    /// Is a member of the group until `stop`; then commits what is open, leaves and ends the threads.
    ///
    /// # Errors
    /// What makes going on pointless.
    pub fn run(self, stop: &AtomicBool) -> Result<(), RuntimeError> {
        let context = &self.tasks.context;
        let timeout = context.timeout();
        let traces = context.traces.clone();
        let copier = copier::start(context)?;
        observer::start(context)?;
        memory::start(context)?;
        let result = group::run(context, &self.tasks.workers, timeout, stop);
        for worker in &self.tasks.workers {
            // One that is gone has stopped.
            let _ = worker.send(ToWorker::Stop);
        }
        if let Some(copier) = copier {
            copier.stop();
        }
        for thread in self.threads {
            // One that panicked has said so.
            let _ = thread.join();
        }
        if let Some(traces) = traces {
            traces.stop();
        }
        Ok(result?)
    }
}

impl Tasks {
    /// Every metric.
    #[must_use]
    pub fn telemetry(&self) -> &Telemetry {
        &self.context.telemetry
    }

    /// How each task stands that is assigned here.
    #[must_use]
    pub fn states(&self) -> BTreeMap<i32, State> {
        self.context.lock().clone()
    }

    /// Why this process is not ready whatever its tasks do: in sentences, none where it is.
    #[must_use]
    pub fn reasons(&self) -> Vec<String> {
        self.context.surroundings.reasons()
    }

    /// The topics that time waits for, as nothing comes on them: in sentences.
    #[must_use]
    pub fn awaited(&self) -> Vec<String> {
        self.context
            .surroundings
            .lock()
            .silent
            .values()
            .cloned()
            .collect()
    }

    /// Of each task of this process, for how long it has not moved though it should, and how many records wait for it.
    #[must_use]
    pub fn still(&self) -> BTreeMap<i32, (Duration, i64)> {
        let now = Instant::now();
        let all = self.context.progress.all().into_iter();
        all.map(|(task, moved)| (task, (moved.still(now), moved.waits)))
            .collect()
    }

    /// Whether memory is near its ceiling.
    #[must_use]
    pub fn is_short_of_memory(&self) -> bool {
        self.context.memory.is_short()
    }

    /// The triggers in force.
    #[must_use]
    pub fn plan(&self) -> Arc<Plan> {
        self.context.plan()
    }

    /// There are other triggers: every task takes them up as soon as it has committed.
    pub fn offer(&self, plan: &Arc<Plan>) {
        *self
            .context
            .plan
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Arc::clone(plan);
        self.context.telemetry.triggers(plan);
        for worker in &self.workers {
            // One that is gone has stopped.
            let _ = worker.send(ToWorker::Offer(Arc::clone(plan)));
        }
    }

    fn follow(&self, control: &Control) {
        let _guard = watchdog::EndsProcess;
        let number = revision::number(&self.plan().revision);
        let mut waiting = 0;
        control.follow(number, |entry| {
            let before = self.plan();
            let taken = entry.and_then(|entry| {
                let plan = control::usable(entry, &self.context.config, &self.context.basis, &before)?;
                Ok((plan, &entry.set.what))
            });
            let error = match taken {
                Ok((plan, what)) => {
                    tracing::info!(revision = %plan.revision, what, triggers = plan.triggers.len(), "triggers published");
                    self.offer(&plan);
                    return Taken::Done;
                }
                Err(error) => error,
            };
            if std::mem::replace(&mut waiting, error.number()) != error.number() {
                self.context.telemetry.set_rejected();
                tracing::error!(in_force = %before.revision, "triggers are not taken up: {error}");
            }
            match error {
                ControlError::Topics { .. } => Taken::Later,
                _ => Taken::Done,
            }
        });
    }

    /// Where the process is reached that has a partition, as the group last said; none where that is not known.
    #[must_use]
    pub fn owner(&self, partition: i32) -> Option<String> {
        let seen = self.context.surroundings.lock();
        seen.owners.get(&partition).cloned()
    }

    /// Others reach this process there; said before it joins the group, and once.
    pub fn is_reached_at(&self, address: String) {
        let _ = self.context.reached_at.set(address);
    }

    /// The partition of a customer.
    #[must_use]
    pub fn partition_of(&self, customer: &str) -> i32 {
        task_of(customer, self.context.names.partitions)
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &Arc<Config> {
        &self.context.config
    }

    /// Partitions of each topic that comes in.
    #[must_use]
    pub fn partitions(&self) -> i32 {
        self.context.names.partitions
    }

    /// How a task stands; none where this process does not have it.
    pub async fn view(&self, partition: i32) -> Option<Box<TaskView>> {
        let (reply, answer) = tokio::sync::oneshot::channel();
        let worker = &self.workers[worker_of(partition, self.workers.len())];
        worker.send(ToWorker::View { partition, reply }).ok()?;
        answer.await.ok().flatten()
    }

    /// A customer; none where she is not known, or not here.
    pub async fn customer(&self, customer: &str) -> Option<Asked> {
        let mut customer = CustomerId::from(customer);
        // Of ids that each went to another task, no more than there are tasks are gone after.
        for _ in 0..=self.partitions() {
            let partition = self.partition_of(&customer);
            let (reply, answer) = tokio::sync::oneshot::channel();
            let worker = &self.workers[worker_of(partition, self.workers.len())];
            let question = ToWorker::Customer {
                partition,
                customer: customer.to_string(),
                reply,
            };
            worker.send(question).ok()?;
            match answer.await.ok()? {
                Ok(found) => return Some(found),
                Err(went) => customer = went?,
            }
        }
        None
    }

    /// What the tasks here have counted of triggers so far, by partition.
    pub async fn figures(&self) -> BTreeMap<i32, Rows> {
        let mut all = BTreeMap::new();
        for worker in &*self.workers {
            let (reply, answer) = tokio::sync::oneshot::channel();
            if worker.send(ToWorker::Figures { reply }).is_ok() {
                all.extend(answer.await.unwrap_or_default());
            }
        }
        all
    }
}

impl Context {
    /// How long a call to Kafka may take.
    fn timeout(&self) -> Duration {
        Duration::from_millis(self.config.kafka.call_timeout.ms.unsigned_abs())
    }

    /// What the group calls this member; empty before it has joined.
    fn member_id(&self) -> String {
        self.member
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// How long a transaction may be open before it is said to hang.
    fn hanging(&self) -> Duration {
        Duration::from_millis(self.config.kafka.hanging_transaction.ms.unsigned_abs())
    }

    fn task(&self, partition: i32) -> Task<Customers> {
        let plan = self.plan();
        let engine = Engine::new(Arc::clone(&plan)).salted(self.config.erasure_salt());
        let engine = engine
            .beside(Some(self.names.neighbours(partition)))
            .sharing(partition, self.names.partitions)
            .reporting(self.reports);
        let core = Customers::new(
            engine,
            self.decoder.clone(),
            self.names.inputs.clone(),
            partition,
        )
        .telling_everybody(self.names.broadcasts.clone())
        .told_by_others(self.names.others())
        .with_encoder(self.encoder.clone());
        let revision = plan.revision.to_string();
        Task::new(self.settings(partition), core, revision, plan)
    }

    fn settings(&self, partition: i32) -> TaskSettings {
        let time = &self.config.time;
        TaskSettings {
            partition,
            topics: self.config.taken(),
            clock: time.mode(),
            idle_delay_ms: time.idle_delay.ms,
            future_max_ms: time.future_tolerance.ms,
            delays: self.config.transactions.delays(),
            checkpoint: self.config.checkpoints.of_task(self.names.partitions),
            unrepeatable: self.unrepeatable(),
            ids: self.ids.clone(),
            between: self.names.between(),
            reports_ms: self.reports.then_some(self.config.topics.reports_every.ms),
        }
    }

    /// What is mapped may be mapped otherwise by the next process, and of what is compacted something may be gone.
    fn unrepeatable(&self) -> BTreeSet<usize> {
        let topics = self.names.inputs.iter().enumerate();
        let changes = |topic: &String| {
            self.basis.mappings.of(topic).is_some() || self.compacted.contains(topic)
        };
        let changing = topics.filter(|(_, topic)| changes(topic));
        changing.map(|(number, _)| number).collect()
    }

    fn plan(&self) -> Arc<Plan> {
        Arc::clone(&self.plan.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn state(&self, partition: i32, state: State) {
        self.lock().insert(partition, state);
        self.count_states();
    }

    fn give_up(&self, partition: i32) {
        self.lock().remove(&partition);
        self.progress.forget(partition);
        self.telemetry.forget(partition);
        self.count_states();
    }

    fn count_states(&self) {
        let states = self.lock();
        for (word, state) in [
            ("restoring", State::Restoring),
            ("running", State::Running),
            ("waiting", State::Waiting),
            ("refused", State::Refused),
        ] {
            let count = states.values().filter(|found| **found == state).count();
            self.telemetry.tasks(word, count);
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<i32, State>> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts the thread that asks where topics end.
fn start_asker(context: &Arc<Context>, asked: Receiver<Question>) -> std::io::Result<()> {
    let context = Arc::clone(context);
    let inputs: Arc<[String]> = context.names.inputs.clone().into();
    let thread = thread::Builder::new().name("asker".to_owned());
    thread.spawn(move || {
        let clients = (&*context.ends, &*context.offsets);
        asker::run(&context.surroundings, clients, &inputs, &asked);
    })?;
    Ok(())
}

/// Wakes all workers.
fn waking(workers: Vec<Sender<ToWorker>>) -> impl Fn() + Send + 'static {
    move || {
        for worker in &workers {
            // One that is gone needs no waking.
            let _ = worker.send(ToWorker::Wake);
        }
    }
}

fn worker_of(partition: i32, workers: usize) -> usize {
    usize::try_from(partition).unwrap_or(0) % workers.max(1)
}

/// What reads the records of the topics that come in, mappings and Avro included; and the schemas that it reads Avro by.
///
/// # Errors
/// Where a file of schemas cannot be read, or the registry's settings do not make a client.
pub fn decoder(
    config: &Config,
    vocabulary: Arc<Vocabulary>,
    mappings: Arc<Mappings>,
) -> Result<(Decoder, Source), SchemasError> {
    let decoder = Decoder::new(vocabulary, Arc::new(config.attributes()))
        .with_mappings(mappings)
        .with_tables(config.topics.tables.clone())
        .with_placeholders(config.profiles.placeholder_ids.clone().into());
    let source = config.schema_registry.source(decoder.times())?;
    let decoder = decoder.with_avro(config.in_avro(), source.schemas().clone());
    Ok((decoder, source))
}
