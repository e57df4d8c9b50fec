//! A worker thread: some of the process's tasks, one after the other, for ever.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use super::committer::{Committer, ToCommitter};
use super::message::{About, Asked, Assignment, Question, ToWorker};
use super::queue::Waker;
use super::slot::Slot;
use super::watchdog::EndsProcess;
use super::{Context, State, clock};
use crate::event::CustomerId;
use crate::tally::Rows;
use crate::task::Session;

/// Nothing is due later than this.
const WAIT_MAX: Duration = Duration::from_secs(1);
/// A task that was given up keeps its state this long, for the case that it comes back: a rolling restart. The changelog keeps
/// tombstones for a day, so that what is read after it is enough to catch up.
const STANDBY: Duration = Duration::from_secs(600);
/// How often gauges are set.
const GAUGES: Duration = Duration::from_secs(1);
/// How often topics of which no fetch has come back yet are asked for their ends on behalf of the lag.
const LAG: Duration = Duration::from_secs(5);

struct Worker {
    context: Arc<Context>,
    slots: BTreeMap<i32, Slot>,
    revoking: Vec<(i32, Sender<()>)>,
    sender: Sender<ToWorker>,
    committer: Sender<ToCommitter>,
    waker: Arc<Waker<ToWorker>>,
    stopping: bool,
}

/// Works until it is told to stop.
pub(super) fn run(
    context: &Arc<Context>,
    receiver: &Receiver<ToWorker>,
    sender: Sender<ToWorker>,
    committer: Committer,
) {
    let _guard = EndsProcess;
    let waker = Arc::new(Waker::new(sender.clone(), || ToWorker::Wake));
    let context = Arc::clone(context);
    let mut worker = Worker {
        context,
        slots: BTreeMap::new(),
        revoking: Vec::new(),
        sender,
        committer: committer.sender,
        waker,
        stopping: false,
    };
    let (mut gauges, mut lag) = (Instant::now(), Instant::now());
    while !worker.stopping {
        worker.waker.looked();
        while let Ok(message) = receiver.try_recv() {
            worker.take(message);
        }
        let mut worked = false;
        for slot in worker.slots.values_mut() {
            worked |= slot.round();
        }
        worker.revoked();
        if gauges.elapsed() >= GAUGES {
            gauges = Instant::now();
            worker.gauges();
            worker.forget();
        }
        if lag.elapsed() >= LAG {
            lag = Instant::now();
            worker.ask_lags();
        }
        if !worked {
            match receiver.recv_timeout(worker.wait()) {
                Ok(message) => worker.take(message),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
    }
    for slot in worker.slots.values_mut() {
        slot.end();
    }
    drop(worker);
    // Its producer is gone before the process is. One that panicked has ended the process.
    let _ = committer.thread.join();
}

impl Worker {
    fn customer(&self, partition: i32, customer: &str) -> Result<Asked, Option<CustomerId>> {
        let slot = self.slots.get(&partition).ok_or(None)?;
        let engine = slot.task().core().engine();
        let found = engine.customer(customer);
        let customer = found.ok_or_else(|| engine.went_to(customer))?;
        Ok(Asked {
            customer: Box::new(customer),
            watermark: engine.watermark(),
            plan: Arc::clone(engine.plan()),
        })
    }

    fn figures(&self) -> Vec<(i32, Rows)> {
        let running = self.slots.iter().filter(|(_, slot)| !slot.is_closed());
        let figures = running.map(|(partition, slot)| {
            let rows = slot.task().core().engine().figures();
            let rows = rows.map(|(of, it)| (of.clone(), it.clone()));
            (*partition, rows.collect())
        });
        figures.collect()
    }

    fn take(&mut self, message: ToWorker) {
        match message {
            ToWorker::Wake => {}
            ToWorker::Assign(assignment) => self.assign(*assignment),
            ToWorker::Revoke {
                partition,
                lost,
                done,
            } => {
                if let Some(slot) = self.slots.get_mut(&partition) {
                    slot.revoke(lost);
                    self.revoking.push((partition, done));
                }
            }
            ToWorker::Answer {
                partition,
                session,
                input,
            } => {
                if let Some(slot) = self.slots.get_mut(&partition) {
                    slot.answer(session, input);
                }
            }
            ToWorker::Recall {
                partition,
                revision,
                plan,
            } => {
                if let Some(slot) = self.slots.get_mut(&partition) {
                    slot.recall(&revision, plan.as_ref());
                }
            }
            ToWorker::Begin {
                partition,
                session,
                topic,
                offset,
            } => {
                if let Some(slot) = self.slots.get_mut(&partition) {
                    slot.begin(session, topic, offset);
                }
            }
            ToWorker::Lag { partition, ends } => {
                let ends: Vec<_> = ends.into_iter().map(Some).collect();
                self.lag(partition, &ends);
            }
            ToWorker::Customer {
                partition,
                customer,
                reply,
            } => {
                // Whoever asked may have gone.
                let _ = reply.send(self.customer(partition, &customer));
            }
            ToWorker::Figures { reply } => {
                let _ = reply.send(self.figures());
            }
            ToWorker::Offer(plan) => {
                for slot in self.slots.values_mut() {
                    slot.offer(&plan);
                }
            }
            ToWorker::View { partition, reply } => {
                let slot = self.slots.get(&partition).filter(|slot| !slot.is_closed());
                let view = slot.map(|slot| Box::new(self.context.view(partition, slot.task())));
                let _ = reply.send(view);
            }
            ToWorker::Stop => self.stopping = true,
        }
    }

    fn assign(&mut self, assignment: Assignment) {
        let partition = assignment.partition;
        let context = &self.context;
        let slot = self
            .slots
            .entry(partition)
            .or_insert_with(|| Slot::new(context, partition));
        if let Err(error) = slot.assign(assignment, &self.committer, &self.sender, &self.waker) {
            tracing::error!(partition, %error, "the task does not start");
            self.context.state(partition, State::Refused);
        }
        // What waits is known from the beginning, not only when the state is restored.
        self.ask_lag(partition);
    }

    /// Whoever waits for a revoked task that has committed need not wait any more.
    fn revoked(&mut self) {
        let slots = &self.slots;
        self.revoking
            .retain(|(partition, _)| slots.get(partition).is_some_and(|slot| !slot.is_closed()));
    }

    fn forget(&mut self) {
        self.slots
            .retain(|_, slot| slot.given_up.is_none_or(|at| at.elapsed() < STANDBY));
    }

    fn wait(&self) -> Duration {
        let now = clock();
        let due = self.slots.values().filter_map(Slot::next_wake).min();
        let wait = due.map_or(WAIT_MAX, |due| {
            Duration::from_millis(u64::try_from(due.0 - now.0).unwrap_or(0))
        });
        wait.min(WAIT_MAX)
    }

    fn gauges(&self) {
        let now = clock();
        self.context.telemetry.clock_off(super::clock::off_ms());
        for (partition, slot) in self.slots.iter().filter(|(_, slot)| !slot.is_closed()) {
            let telemetry = &self.context.telemetry;
            let engine = slot.task().core().engine();
            let (count, bytes) = engine.size();
            telemetry.profiles(*partition, count, bytes, engine.open_customers());
            telemetry.kpis(*partition, engine);
            for (topic, rows, _) in engine.plan().rows.sizes() {
                telemetry.table_rows(topic, rows);
            }
            if let (Some(record), Some(lag_ms)) = (slot.task().durable(), slot.task().lag_ms(now)) {
                telemetry.watermark(*partition, record.watermark.0, lag_ms);
            }
            self.lag(*partition, &slot.ends());
            self.context.progress.seen(
                *partition,
                slot.mark(),
                self.context.waits(*partition),
                slot.task().is_running() && self.context.waits(*partition) == 0,
                Instant::now(),
            );
        }
    }

    fn ask_lags(&self) {
        let open = self.slots.iter().filter(|(_, slot)| !slot.is_closed());
        for (partition, _) in open.filter(|(_, slot)| slot.ends().contains(&None)) {
            self.ask_lag(*partition);
        }
    }

    fn ask_lag(&self, partition: i32) {
        let question = Question {
            partition,
            session: Session::default(),
            about: About::Lag,
            after: Instant::now(),
            worker: self.sender.clone(),
        };
        // The asker ends with the process.
        let _ = self.context.questions.send(question);
    }

    /// Says how much waits, of the topics whose end is known.
    fn lag(&self, partition: i32, ends: &[Option<i64>]) {
        let Some(slot) = self.slots.get(&partition).filter(|slot| !slot.is_closed()) else {
            return;
        };
        for (topic, end) in self.context.names.inputs.iter().zip(ends) {
            let Some(end) = end else { continue };
            let taken = slot
                .task()
                .durable()
                .and_then(|record| record.offset(topic))
                .unwrap_or(0);
            self.context
                .telemetry
                .lag(topic, partition, (end - taken).max(0));
        }
    }
}
