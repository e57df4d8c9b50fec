//! This process as a member of the consumer group: which tasks are its own.
//!
//! The group thread only polls: for rebalances, errors and the keeping alive of the membership. Records never pass through it,
//! they are taken from partition queues by the workers. What must stay true: partitions are split off and paused before they are
//! assigned, until their task has restored its state and says where to read; the group's metadata is taken in the
//! callback of the assignment, and is that of a member; a revocation waits until the tasks have committed.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext, ConsumerGroupMetadata};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Offset, TopicPartitionList};
use rdkafka_sys as sys;

use super::message::{Assignment, Member, Membership, ToWorker};
use super::queue::split;
use super::{Context, State, clients, tokens};

/// How soon a stop is noticed.
const POLL: Duration = Duration::from_millis(100);

clients::context!(Member);

impl ConsumerContext for Member {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        code: RDKafkaRespErr,
        list: &mut TopicPartitionList,
    ) {
        let done = if code == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            self.assign(consumer, list)
        } else {
            self.revoke(consumer.assignment_lost());
            consumer.unassign()
        };
        if let Err(error) = done {
            tracing::error!(%error, "rebalancing");
        }
    }
}

impl Member {
    /// Nothing is assigned yet.
    pub fn new(context: &Arc<Context>, workers: Vec<Sender<ToWorker>>, timeout: Duration) -> Self {
        Self {
            context: Arc::clone(context),
            workers,
            timeout,
            owned: Mutex::default(),
            assigned: Mutex::default(),
        }
    }

    fn assign(&self, consumer: &BaseConsumer<Self>, list: &TopicPartitionList) -> KafkaResult<()> {
        let mut paused = TopicPartitionList::with_capacity(list.count());
        let mut topics: BTreeMap<i32, usize> = BTreeMap::new();
        for element in list.elements() {
            let (topic, partition) = (element.topic(), element.partition());
            split(consumer, topic, partition);
            // Where to read is said by the task's seek. A word instead of a number (the beginning, the end) would be looked up, and
            // librdkafka moves a partition that was sought meanwhile to what a late answer says: records would be passed over.
            paused.add_partition_offset(topic, partition, Offset::Offset(0))?;
            *topics.entry(partition).or_default() += 1;
        }
        // Before it is assigned, so that nothing is fetched before it is sought.
        consumer.pause(&paused)?;
        consumer.assign(&paused)?;
        let Some(group) = pinned(consumer).map(Arc::new) else {
            tracing::warn!("the membership was lost while tasks were assigned; joining again");
            return Ok(());
        };
        let assignment = self.context.assignments.fetch_add(1, Ordering::Relaxed) + 1;
        topics.retain(|partition, count| self.is_whole(*partition, *count));
        let worker_of = |partition| super::worker_of(partition, self.workers.len());
        let mut firsts: BTreeMap<usize, i32> = BTreeMap::new();
        for partition in topics.into_keys() {
            let first = *firsts.entry(worker_of(partition)).or_insert(partition);
            self.context.state(partition, State::Restoring);
            let membership = Membership {
                group: Arc::clone(&group),
                assignment,
                first,
            };
            lock(&self.assigned).push((partition, membership));
        }
        Ok(())
    }

    /// Whether a partition of all topics is here.
    fn is_whole(&self, partition: i32, topics: usize) -> bool {
        let of = self.context.names.inputs.len();
        if topics < of {
            tracing::error!(
                partition,
                topics,
                of,
                "the task does not start: not all of its topics' partitions are here; do all topics have the same number of partitions?"
            );
        }
        topics >= of
    }

    /// Takes every task away from its worker, and waits until each has committed what is open.
    fn revoke(&self, lost: bool) {
        for (partition, _) in lock(&self.assigned).drain(..) {
            self.context.give_up(partition);
        }
        let owned = std::mem::take(&mut *lock(&self.owned));
        tracing::info!(tasks = owned.len(), lost, "tasks revoked");
        let (done, all_done) = mpsc::channel();
        for partition in owned {
            let revoke = ToWorker::Revoke {
                partition,
                lost,
                done: done.clone(),
            };
            // A worker that is gone holds nothing.
            let _ = self.worker(partition).send(revoke);
        }
        drop(done);
        let deadline = Instant::now() + self.timeout;
        loop {
            match all_done.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(()) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => return,
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    tracing::error!(
                        "tasks did not commit in time; what they have open will be done again by others"
                    );
                    return;
                }
            }
        }
    }

    fn worker(&self, partition: i32) -> &Sender<ToWorker> {
        &self.workers[super::worker_of(partition, self.workers.len())]
    }
}

/// Is a member until `stop`, then leaves at once. A client that gets nowhere is made anew.
///
/// # Errors
/// What makes going on pointless: no authorisation, no such topic, a fatal error of the client.
pub(super) fn run(
    context: &Arc<Context>,
    workers: &[Sender<ToWorker>],
    timeout: Duration,
    stop: &AtomicBool,
) -> KafkaResult<()> {
    let mut config = clients::member(&context.config);
    if let Some(address) = context.reached_at.get() {
        config.set("client.id", clients::telling(&context.config, address));
    }
    loop {
        let member = Member::new(context, workers.to_vec(), timeout);
        let consumer: Arc<BaseConsumer<Member>> = Arc::new(config.create_with_context(member)?);
        tokens::let_in(&config, consumer.client())?;
        let topics: Vec<&str> = context.names.inputs.iter().map(String::as_str).collect();
        consumer.subscribe(&topics)?;
        let mut result = Ok(());
        while result.is_ok()
            && !stop.load(Ordering::Relaxed)
            && !context.remake.load(Ordering::Relaxed)
        {
            result = poll(&consumer);
            hand_out(&consumer);
            *lock(&context.member) = member_id(&consumer);
        }
        if context.remake.swap(false, Ordering::Relaxed)
            && result.is_ok()
            && !stop.load(Ordering::Relaxed)
        {
            consumer.context().revoke(true);
            bury(consumer);
            continue;
        }
        context.stopping.store(true, Ordering::Relaxed);
        tracing::info!("leaving the group");
        // Revokes, in which the tasks commit, and says goodbye.
        consumer.unsubscribe();
        let deadline = Instant::now() + timeout;
        while !is_unassigned(&consumer) && Instant::now() < deadline {
            poll(&consumer)?;
        }
        return result;
    }
}

/// A client that gets nowhere may not be closed either: a thread of its own waits for that, once nobody has the client any more.
fn bury(consumer: Arc<BaseConsumer<Member>>) {
    let closing = std::thread::Builder::new().name("closing".to_owned());
    let buried = closing.spawn(move || {
        while Arc::strong_count(&consumer) > 1 {
            std::thread::park_timeout(POLL);
        }
        drop(consumer);
    });
    if let Err(error) = buried {
        tracing::warn!(%error, "there is no thread to close a client in");
    }
}

/// What the group calls this member; empty before it has joined.
#[expect(unsafe_code, reason = "rdkafka does not say the member's id")]
fn member_id<C: ConsumerContext>(consumer: &BaseConsumer<C>) -> String {
    let client = consumer.client().native_ptr();
    // SAFETY: the client is alive; what it gives is ours, ends with a zero, and is freed once.
    unsafe {
        let id = sys::rd_kafka_memberid(client);
        if id.is_null() {
            return String::new();
        }
        let text = std::ffi::CStr::from_ptr(id).to_string_lossy().into_owned();
        sys::rd_kafka_mem_free(client, id.cast());
        text
    }
}

fn is_unassigned(consumer: &BaseConsumer<Member>) -> bool {
    consumer
        .assignment()
        .map_or(true, |assignment| assignment.count() == 0)
}

fn poll(consumer: &BaseConsumer<Member>) -> KafkaResult<()> {
    match consumer.poll(POLL) {
        Some(Err(error @ KafkaError::MessageConsumptionFatal(_))) => Err(error),
        Some(Err(error)) => {
            tracing::warn!(%error, "the group");
            Ok(())
        }
        // Every partition has a queue of its own.
        Some(Ok(_)) | None => Ok(()),
    }
}

fn hand_out(consumer: &Arc<BaseConsumer<Member>>) {
    let member = consumer.context();
    let assigned = std::mem::take(&mut *lock(&member.assigned));
    if !assigned.is_empty() {
        let partitions: Vec<i32> = assigned.iter().map(|(partition, _)| *partition).collect();
        tracing::info!(tasks = partitions.len(), ?partitions, "tasks assigned");
    }
    for (partition, membership) in assigned {
        lock(&member.owned).insert(partition);
        let assignment = Assignment {
            partition,
            consumer: Arc::clone(consumer),
            membership,
        };
        let _ = member
            .worker(partition)
            .send(ToWorker::Assign(Box::new(assignment)));
    }
}

/// The group's metadata as of the assignment that is being taken in; none where the membership is lost already. A transaction with
/// such metadata would be let through by any group.
pub(crate) fn pinned<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
) -> Option<ConsumerGroupMetadata> {
    let metadata = consumer.group_metadata()?;
    // Asked after it: a generation that was lost does not come back before the next assignment.
    (generation(consumer)? > 0).then_some(metadata)
}

#[expect(unsafe_code, reason = "rdkafka does not say the generation")]
fn generation<C: ConsumerContext>(consumer: &BaseConsumer<C>) -> Option<i32> {
    // SAFETY: the client is alive, and what it gives is destroyed once.
    unsafe {
        let metadata = sys::rd_kafka_consumer_group_metadata(consumer.client().native_ptr());
        if metadata.is_null() {
            return None;
        }
        let generation = sys::rd_kafka_consumer_group_metadata_generation_id(metadata);
        sys::rd_kafka_consumer_group_metadata_destroy(metadata);
        Some(generation)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
