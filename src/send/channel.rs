//! A channel's thread: reads its topic, hands out attempts, and saves what ended.
//!
//! What must stay true: nothing is begun between an attempt's end and its being saved, so that no more than `parallel` are ever unsaved;
//! what ended is known until it is saved, whatever becomes of the session.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message as _};

use super::SendError;
use super::attempt::{Attempt, Carrier};
use super::book::{Again, Book, End, Ended, Job, Place};
use super::command::Received;
use super::report::Reports;
use super::session::{Rebalance, Session};
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

impl Channel {
    /// Starts the threads that deliver; nothing is read yet.
    pub fn start(
        config: &Arc<Config>,
        name: &str,
        carrier: &Arc<dyn Carrier>,
        (templates, telemetry): (Templates, Telemetry),
    ) -> Result<Self, SendError> {
        let (jobs, taken) = mpsc::channel::<Job>();
        let (told, results) = mpsc::channel();
        let taken = Arc::new(Mutex::new(taken));
        for number in 0..config.send.parallel {
            let (taken, told) = (Arc::clone(&taken), told.clone());
            let (carrier, templates) = (Arc::clone(carrier), templates.clone());
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

    fn session(&mut self, stop: &AtomicBool) -> Result<(), KafkaError> {
        let mut session = Session::join(&self.config, &self.name)?;
        let served = self.serve(&mut session, stop);
        // After an error too: whoever has the partitions next would deliver again what is under way.
        self.settle();
        let saved = self.save(&session);
        served.and(saved)
    }

    fn serve(&mut self, session: &mut Session, stop: &AtomicBool) -> Result<(), KafkaError> {
        while !stop.load(Ordering::Relaxed) {
            self.read(session)?;
            for rebalance in session.rebalances() {
                self.rebalance(session, &rebalance)?;
            }
            while let Ok((job, attempt)) = self.results.try_recv() {
                self.came(&job, attempt);
            }
            self.save(session)?;
            session.pause(self.book.full().collect())?;
            self.telemetry.open(&self.name, self.book.open());
            while let Some(job) = self.book.next(clock()) {
                // Those who take it are there as long as this is.
                let _ = self.jobs.send(job);
            }
        }
        Ok(())
    }

    /// Takes what there is, and waits for it while nothing else is to be done.
    fn read(&mut self, session: &Session) -> Result<(), KafkaError> {
        let mut patience = self.patience();
        for _ in 0..RECORDS {
            match session.poll(patience) {
                None => break,
                Some(Ok(message)) => self.take(&message),
                Some(Err(KafkaError::PartitionEOF(partition))) => self.book.caught_up(partition),
                Some(Err(error)) if ends(&error, session.has_partitions()) => return Err(error),
                Some(Err(error)) => {
                    let error = clients::explained(&error);
                    tracing::warn!(channel = self.name, error, "reading");
                }
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
                tracing::debug!(channel = self.name, %id, trigger, why, attempts, ?after, "{said}");
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
                session.give_up()
            }
            Rebalance::Assigned(partitions) => {
                for (partition, offset, metadata) in session.take_over(partitions)? {
                    self.book.assign(partition, offset, &metadata);
                }
                self.telemetry.partitions(&self.name, partitions.len());
                tracing::info!(channel = self.name, ?partitions, "assigned");
                Ok(())
            }
        }
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
        let (reports, now) = (self.reports.as_ref(), clock());
        let reports = reports.map_or_else(Vec::new, |reports| {
            let made = ended.iter().filter_map(|ended| reports.report(ended, now));
            made.collect()
        });
        if !session.save(&parts, &reports)? {
            return Ok(());
        }
        for ended in self.book.saved() {
            self.telemetry.ended(&self.name, ended.end.word());
            say(&self.name, &ended);
        }
        Ok(())
    }
}

/// Whether an error is the end of a session. The client gets over every other by itself; what it may not read or does not find it
/// looks for seldom, so where nothing is lost by it, another begins.
fn ends(error: &KafkaError, has_partitions: bool) -> bool {
    use RDKafkaErrorCode as Code;
    let is_refused = matches!(
        error.rdkafka_error_code(),
        Some(
            Code::UnknownTopic
                | Code::UnknownTopicOrPartition
                | Code::TopicAuthorizationFailed
                | Code::GroupAuthorizationFailed
        )
    );
    matches!(error, KafkaError::MessageConsumptionFatal(_)) || is_refused && !has_partitions
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
