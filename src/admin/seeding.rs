//! Seeds on their way: what history says of customers goes to the tasks by the topic between them, and what became of it comes back.

use std::collections::{BTreeMap, HashSet};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use super::producing::Outgoing;
use super::{AdminError, Log, Range, Sender};
use crate::config::Config;
use crate::engine::seed::Answered;
use crate::engine::{Seeded, Transfer};
use crate::event::CustomerId;

/// How often answers are looked for.
const PAUSE: Duration = Duration::from_millis(50);

/// Whoever sends seeds.
pub struct Seeding {
    sender: Sender,
    log: Log,
    topic: String,
    group: String,
    /// Up to where answers were read, by partition.
    read: BTreeMap<i32, i64>,
}

impl Seeding {
    /// Of those that send seeds of an installation, the last one: it fences the others.
    ///
    /// # Errors
    /// Where there is no topic between tasks, it does not fit the topics that come in, nobody works on them, or Kafka does not answer.
    pub fn new(config: &Config) -> Result<Self, AdminError> {
        let Some(topic) = config.identities() else {
            return Err(AdminError::Refused(
                "topics.identities is empty, and seeds go by that topic; set identities = \"{id}-identities\" in [topics], make it by \
                 `moments topics create`, and start the processor again"
                    .to_owned(),
            ));
        };
        let log = Log::new(config)?;
        let partitions = log.partitions(&topic)?;
        for input in config.topics.inputs() {
            let found = log.partitions(&input.name)?;
            if found != partitions {
                return Err(AdminError::Refused(format!(
                    "{topic} has {partitions} partitions and {} has {found}: a seed would come to another task than its customer; \
                     `moments topics check` says what to mend",
                    input.name
                )));
            }
        }
        let group = config.application.id.clone();
        if log.group(&group)?.1 == 0 {
            return Err(AdminError::Refused(format!(
                "nobody works as `{group}`, and a seed is taken by who does; start `moments run`, and try again"
            )));
        }
        // What another has begun is over from here on.
        let sender = Sender::transactional(config, &format!("{group}-backfill"))?;
        let ends = log.ranges(&topic, None)?.into_iter();
        Ok(Self {
            sender,
            read: ends.map(|end| (end.partition, end.until)).collect(),
            log,
            topic,
            group,
        })
    }

    /// The customers whose seed of this run was taken so far, as far as the topic still has it.
    ///
    /// # Errors
    /// Where Kafka does not answer.
    pub fn taken(&self, run: u64) -> Result<HashSet<CustomerId>, AdminError> {
        let mut taken = HashSet::new();
        for range in self.log.ranges(&self.topic, None)? {
            let until = self.read.get(&range.partition).copied();
            let until = until.unwrap_or(range.until);
            self.each(Range { until, ..range }, |answer| {
                if answer.run == run && answer.seeded == Seeded::Taken {
                    taken.insert(answer.customer.clone());
                }
            })?;
        }
        Ok(taken)
    }

    /// Sends seeds, all of them or none.
    ///
    /// # Errors
    /// Where Kafka does not take them, or another sender has begun since.
    pub fn send(&self, seeds: &[Transfer]) -> Result<(), AdminError> {
        let record = |seed: &Transfer| Outgoing {
            topic: self.topic.clone(),
            key: Some(seed.about().as_bytes().to_vec()),
            value: Some(seed.pack()),
            ..Outgoing::default()
        };
        let records: Vec<Outgoing> = seeds.iter().map(record).collect();
        self.sender.transact(&records)
    }

    /// Waits for so many answers to seeds of a run.
    ///
    /// # Errors
    /// Where none comes for as long as `patience`, or Kafka does not answer.
    pub fn answers(
        &mut self,
        run: u64,
        wanted: usize,
        patience: Duration,
    ) -> Result<Vec<Answered>, AdminError> {
        let mut answers = Vec::new();
        let mut last = Instant::now();
        while answers.len() < wanted {
            let before = answers.len();
            for range in self.log.ranges(&self.topic, None)? {
                let from = self.read.get(&range.partition).copied();
                let from = from.unwrap_or(range.from);
                self.each(Range { from, ..range }, |answer| {
                    answers.extend(Some(answer).filter(|it| it.run == run).cloned());
                })?;
                self.read.insert(range.partition, range.until);
            }
            if answers.len() > before {
                last = Instant::now();
            } else if last.elapsed() > patience {
                return Err(AdminError::Refused(format!(
                    "{} of {wanted} seeds have no answer, none came for {} s: is `{}` held up (`moments doctor`)? What was sent is taken \
                     when it goes on; run the same command again, and it goes on, too",
                    wanted - answers.len(),
                    patience.as_secs(),
                    self.group
                )));
            } else {
                std::thread::park_timeout(PAUSE);
            }
        }
        Ok(answers)
    }

    fn each(&self, range: Range, mut each: impl FnMut(&Answered)) -> Result<(), AdminError> {
        self.log.read(&self.topic, &[range], |read| {
            let value = read.record.value.as_deref();
            let told = value.and_then(|value| Transfer::unpack(value).ok());
            told.as_ref().and_then(Transfer::answer).map(&mut each);
            ControlFlow::Continue(())
        })
    }
}
