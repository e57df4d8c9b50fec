//! A channel's thread: reads its topic, hands out attempts, and saves what ended.
//!
//! What must stay true: how far a partition is and what is reported of it are one transaction, of the assignment in which it was read;
//! what is saved is read when older producers are fenced; nothing is begun between an attempt's end and its being saved, so that no more
//! than `parallel` are ever unsaved.

use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext, ConsumerGroupMetadata};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, PurgeConfig};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Offset, TopicPartitionList};

use super::SendError;
use super::attempt::{Attempt, Carrier};
use super::book::{Again, Book, End, Ended, Job, Place};
use super::command::Received;
use super::report::Reports;
use super::template::Templates;
use crate::config::Config;
use crate::runtime::{clients, clock};
use crate::telemetry::sender::Sender as Telemetry;

/// How soon a stop is noticed.
const POLL: Duration = Duration::from_millis(100);
/// How soon the end of an attempt is.
const POLL_BUSY: Duration = Duration::from_millis(5);
/// Records taken in one go, before anything else is looked at.
const RECORDS: usize = 500;
/// Between two sessions, after an error.
const PAUSE: Duration = Duration::from_secs(1);
/// How long attempts under way are waited for where partitions are given up, or at a stop.
const GRACE: Duration = Duration::from_secs(20);
/// Between looks at what is still in flight: `flush` would look each 100 ms.
const IN_FLIGHT_PAUSE: Duration = Duration::from_millis(1);
/// What a transaction that nobody ends any more keeps others from: so long at most.
const TRANSACTION_MS: &str = "10000";

/// A channel that is to be delivered.
pub(super) struct Channel {
    name: String,
    config: Arc<Config>,
    reports: Option<Reports>,
    telemetry: Telemetry,
    book: Book,
    jobs: Sender<Job>,
    results: Receiver<(Job, Attempt)>,
}

/// The membership of its group, and who saves.
struct Session {
    consumer: BaseConsumer<Member>,
    saver: Option<(BaseProducer, ConsumerGroupMetadata)>,
    paused: BTreeSet<i32>,
    topic: String,
}

/// What librdkafka calls back.
#[derive(Default)]
struct Member {
    /// Partitions given and taken, which are answered between two polls.
    rebalances: Mutex<VecDeque<Rebalance>>,
    /// Nobody answers any more.
    closes: AtomicBool,
}

enum Rebalance {
    Assigned(Vec<i32>),
    Revoked,
}

impl Channel {
    /// Starts the threads that deliver; nothing is read yet.
    pub fn start(
        config: &Arc<Config>,
        name: &str,
        carrier: Arc<dyn Carrier>,
        (templates, telemetry): (Templates, Telemetry),
    ) -> Result<Self, SendError> {
        let (jobs, taken) = mpsc::channel::<Job>();
        let (told, results) = mpsc::channel();
        let taken = Arc::new(Mutex::new(taken));
        for number in 0..config.send.parallel {
            let (taken, told) = (Arc::clone(&taken), told.clone());
            let (carrier, templates) = (Arc::clone(&carrier), templates.clone());
            let thread = thread::Builder::new().name(format!("{name}-{number}"));
            thread.spawn(move || {
                let next = || taken.lock().unwrap_or_else(PoisonError::into_inner).recv();
                while let Ok(job) = next() {
                    let attempt = attempt(&*carrier, &templates, &job);
                    if told.send((job, attempt)).is_err() {
                        return;
                    }
                }
            })?;
        }
        let settings = &config.send;
        Ok(Self {
            name: name.to_owned(),
            reports: Reports::of(config, name),
            telemetry,
            book: Book::new(settings.parallel, settings.give_up_after.ms),
            config: Arc::clone(config),
            jobs,
            results,
        })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Delivers until it is told to stop.
    pub fn run(&mut self, stop: &AtomicBool) {
        tracing::info!(channel = self.name, topic = self.topic(), "sending");
        while !stop.load(Ordering::Relaxed) {
            // What ended and is not saved is still known to the book.
            if let Err(error) = self.session(stop) {
                let error = clients::explained(&error);
                tracing::warn!(channel = self.name, error, "sending; it is tried again");
                self.revoke();
                thread::park_timeout(PAUSE);
            }
        }
        tracing::info!(channel = self.name, open = self.book.open(), "stopped");
    }

    fn topic(&self) -> String {
        self.config.topics.treatments_of(&self.name)
    }

    fn group(&self) -> String {
        format!("{}-{}", self.config.send_group(), self.name)
    }

    fn timeout(&self) -> Duration {
        Duration::from_millis(self.config.kafka.call_timeout.ms.unsigned_abs())
    }

    fn session(&mut self, stop: &AtomicBool) -> Result<(), KafkaError> {
        let mut client = clients::consumer(&self.config, "read_committed");
        client.set("group.id", self.group());
        client.set("group.protocol", "classic");
        client.set("partition.assignment.strategy", "range");
        client.set("auto.offset.reset", "earliest");
        client.set("enable.partition.eof", "true");
        let mut session = Session {
            consumer: client.create_with_context(Member::default())?,
            saver: None,
            paused: BTreeSet::new(),
            topic: self.topic(),
        };
        session.consumer.subscribe(&[&session.topic])?;
        while !stop.load(Ordering::Relaxed) {
            self.read(&session)?;
            let rebalances = session.consumer.context().rebalances();
            for rebalance in rebalances {
                self.rebalance(&mut session, &rebalance)?;
            }
            while let Ok((job, attempt)) = self.results.try_recv() {
                self.came(&job, attempt);
            }
            self.save(&session)?;
            session.pause(&self.book)?;
            self.telemetry.open(&self.name, self.book.open());
            while let Some(job) = self.book.next(clock()) {
                // Those who take it are there as long as this is.
                let _ = self.jobs.send(job);
            }
        }
        self.settle();
        self.save(&session)
    }

    /// Takes what there is, and waits for it while nothing else is to be done.
    fn read(&mut self, session: &Session) -> Result<(), KafkaError> {
        let mut patience = self.patience();
        for _ in 0..RECORDS {
            match session.consumer.poll(patience) {
                None => break,
                Some(Ok(message)) => self.take(&message),
                Some(Err(KafkaError::PartitionEOF(partition))) => self.book.caught_up(partition),
                Some(Err(error)) => return Err(error),
            }
            patience = Duration::ZERO;
        }
        Ok(())
    }

    fn patience(&self) -> Duration {
        if self.book.under_way() > 0 {
            return POLL_BUSY;
        }
        let due = self.book.due().map(|at| at.0.saturating_sub(clock().0));
        let due = due.map(|ms| Duration::from_millis(u64::try_from(ms).unwrap_or_default()));
        due.map_or(POLL, |due| due.clamp(POLL_BUSY, POLL))
    }

    fn take(&mut self, message: &BorrowedMessage<'_>) {
        let place = Place {
            partition: message.partition(),
            offset: message.offset(),
        };
        self.book
            .take(place, Received::read(message.payload().unwrap_or_default()));
    }

    fn came(&mut self, job: &Job, attempt: Attempt) {
        let Some(again) = self.book.came(job, attempt, clock()) else {
            return;
        };
        let Again {
            command,
            attempts,
            why,
            after,
        } = again;
        self.telemetry.failed(&self.name);
        let (id, trigger) = (command.id, command.trigger.as_str());
        let said = "not delivered; it is tried again";
        match attempts {
            1 => tracing::warn!(channel = self.name, %id, trigger, why, ?after, "{said}"),
            _ => {
                tracing::debug!(channel = self.name, %id, trigger, why, attempts, ?after, "{said}")
            }
        }
    }

    fn rebalance(
        &mut self,
        session: &mut Session,
        rebalance: &Rebalance,
    ) -> Result<(), KafkaError> {
        match rebalance {
            Rebalance::Revoked => {
                self.settle();
                if let Err(error) = self.save(session) {
                    tracing::warn!(channel = self.name, %error, "not saved; who has the partitions next may deliver again");
                }
                self.revoke();
                session.close();
                session.paused.clear();
                session.consumer.unassign()
            }
            Rebalance::Assigned(partitions) => self.assigned(session, partitions),
        }
    }

    /// Goes on from what is saved, once nobody else can save any more.
    fn assigned(&mut self, session: &mut Session, partitions: &[i32]) -> Result<(), KafkaError> {
        let Some(first) = partitions.iter().min() else {
            return session.consumer.assign(&TopicPartitionList::new());
        };
        let mut client = clients::outside_producer(&self.config);
        client.set("transactional.id", format!("{}-{first}", self.group()));
        client.set("transaction.timeout.ms", TRANSACTION_MS);
        let producer: BaseProducer = client.create()?;
        producer.init_transactions(self.timeout())?;
        let mut asked = TopicPartitionList::with_capacity(partitions.len());
        for partition in partitions {
            asked.add_partition(&session.topic, *partition);
        }
        let begun = session.consumer.committed_offsets(asked, self.timeout())?;
        for partition in partitions {
            let Some(mut saved) = begun.find_partition(&session.topic, *partition) else {
                continue;
            };
            match saved.offset() {
                Offset::Offset(offset) => self.book.assign(*partition, offset, saved.metadata()),
                _ => {
                    self.book.assign(*partition, 0, "");
                    saved.set_offset(Offset::Beginning)?;
                }
            }
        }
        session.consumer.assign(&begun)?;
        let group = session.consumer.group_metadata();
        session.saver = group.map(|group| (producer, group));
        self.telemetry.partitions(&self.name, partitions.len());
        tracing::info!(channel = self.name, ?partitions, "assigned");
        Ok(())
    }

    /// Has no partitions any more.
    fn revoke(&mut self) {
        self.book.revoke();
        self.telemetry.partitions(&self.name, 0);
    }

    /// Waits for what is under way.
    fn settle(&mut self) {
        let start = Instant::now();
        while self.book.under_way() > 0 {
            let left = GRACE.saturating_sub(start.elapsed());
            match self.results.recv_timeout(left) {
                Ok((job, attempt)) => self.came(&job, attempt),
                Err(_) => {
                    let open = self.book.under_way();
                    tracing::warn!(
                        channel = self.name,
                        open,
                        "attempts have not ended; their commands are delivered again"
                    );
                    return;
                }
            }
        }
    }

    /// How far partitions are and what is reported, in one transaction.
    fn save(&mut self, session: &Session) -> Result<(), KafkaError> {
        let Some((parts, ended)) = self.book.unsaved() else {
            return Ok(());
        };
        let Some((producer, group)) = &session.saver else {
            return Ok(());
        };
        let mut offsets = TopicPartitionList::with_capacity(parts.len());
        for part in parts {
            let mut element = offsets.add_partition(&session.topic, part.partition);
            element.set_offset(Offset::Offset(part.window.offset()))?;
            element.set_metadata(part.window.metadata());
        }
        producer.begin_transaction()?;
        if let Some(reports) = &self.reports {
            let now = clock();
            for report in ended.iter().filter_map(|ended| reports.report(ended, now)) {
                let record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(&reports.topic)
                    .key(report.key.as_bytes())
                    .payload(&report.value);
                producer.send(record).map_err(|(error, _)| error)?;
            }
        }
        let start = Instant::now();
        while producer.in_flight_count() > 0 && start.elapsed() < self.timeout() {
            producer.poll(Duration::ZERO);
            thread::park_timeout(IN_FLIGHT_PAUSE);
        }
        producer.send_offsets_to_transaction(&offsets, group, self.timeout())?;
        producer.commit_transaction(self.timeout())?;
        for ended in self.book.saved() {
            self.telemetry.ended(&self.name, ended.end.word());
            say(&self.name, &ended);
        }
        Ok(())
    }
}

/// One attempt, with the message that a template makes of the command.
fn attempt(carrier: &dyn Carrier, templates: &Templates, job: &Job) -> Attempt {
    let message = match carrier.needs_message() {
        true => templates.fill(&job.command).map(Some),
        false => templates.find(&job.command),
    };
    match message {
        Ok(message) => carrier.deliver(&job.command, message.as_ref()),
        // Whoever mends the template has it delivered.
        Err(error) => Attempt::Later(error.to_string(), None),
    }
}

/// Says how a command ended.
fn say(channel: &str, ended: &Ended) {
    let Ended { command, end, why } = ended;
    let id = command.as_ref().map(|command| command.id.to_string());
    let trigger = command.as_ref().map(|command| command.trigger.as_str());
    let (end, is_bad) = (
        end.word(),
        matches!(end, End::Refused | End::GivenUp | End::Unreadable),
    );
    match is_bad {
        true => tracing::error!(channel, id, trigger, end, why, "not delivered, for good"),
        false => tracing::info!(channel, id, trigger, end, why, "ended"),
    }
}

impl Session {
    /// Reads no more where there is no room, and on where there is again.
    fn pause(&mut self, book: &Book) -> Result<(), KafkaError> {
        let full: BTreeSet<i32> = book.full().collect();
        let list = |partitions: &mut dyn Iterator<Item = &i32>| {
            let mut list = TopicPartitionList::new();
            for partition in partitions {
                list.add_partition(&self.topic, *partition);
            }
            list
        };
        let pauses = list(&mut full.difference(&self.paused));
        let resumes = list(&mut self.paused.difference(&full));
        if pauses.count() > 0 {
            self.consumer.pause(&pauses)?;
        }
        if resumes.count() > 0 {
            self.consumer.resume(&resumes)?;
        }
        self.paused = full;
        Ok(())
    }

    /// Lets go of the producer: what it has open is given up.
    fn close(&mut self) {
        if let Some((producer, _)) = self.saver.take() {
            producer.purge(PurgeConfig::default().queue().inflight());
            producer.poll(Duration::ZERO);
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.close();
        self.consumer
            .context()
            .closes
            .store(true, Ordering::Relaxed);
        // One that was not answered yet would keep the consumer from closing.
        let _ = self.consumer.unassign();
    }
}

impl Member {
    fn rebalances(&self) -> VecDeque<Rebalance> {
        let mut rebalances = self
            .rebalances
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *rebalances)
    }
}

impl ClientContext for Member {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        clients::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        // It is asked for.
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::PartitionEOF) {
            clients::failed(&error, reason);
        }
    }
}

impl ConsumerContext for Member {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        code: RDKafkaRespErr,
        list: &mut TopicPartitionList,
    ) {
        if self.closes.load(Ordering::Relaxed) {
            // It ends: what was open is saved by now.
            let _ = consumer.unassign();
            return;
        }
        let partitions = list.elements().iter().map(|it| it.partition()).collect();
        let rebalance = match code {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => Rebalance::Assigned(partitions),
            _ => Rebalance::Revoked,
        };
        let mut rebalances = self
            .rebalances
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        rebalances.push_back(rebalance);
    }
}
