//! Processes that come and go over a simulated log, and what goes wrong with them, by seed.

use super::bugs::Bug;
use super::group::{Beat, Membership};
use super::hand::{GROUP, Hand, Surroundings};
use super::history::{
    EVERYBODY, History, IDENTITIES, LATENESS_MS, PARTITIONS, TOPIC_BETWEEN, is_across, topics,
};
use super::log::{Fate, Log, Producer, place};
use super::random::Random;
use super::subject::Subject;
use super::worker::{self, Assigned, Worker};
use moments::task::TaskSettings;
use moments::task::others::Between;
use moments::task::transaction::Delays;
use moments::task::watermark::{ClockMode, TopicSettings};
use moments::task::window::Checkpoint;
use moments::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// When the world begins.
const START: i64 = 1_772_445_600_000;
/// Steps after which a calm world should long have come to rest.
const PATIENCE: usize = 200_000;
/// For how long a task is waited for: whoever is there answers within it, whatever goes wrong.
const OTHERS_WAIT_MAX_MS: i64 = 120_000;

/// One process.
struct Process<S: Subject> {
    member: String,
    generation: Option<i32>,
    hands: BTreeMap<usize, Hand<S>>,
    /// Task p is the one's of p modulo their number.
    workers: Vec<Worker>,
    /// How often it was assigned tasks.
    assignments: u64,
    owned: BTreeSet<usize>,
    revoking: bool,
    /// It works on, but hears nothing of the group: a zombie, once the group gives its tasks away.
    deaf: bool,
    /// It does nothing at all until then, and does not know.
    frozen_until: i64,
    /// The number of the newest set of triggers that it has heard of.
    triggers: u64,
}

impl<S: Subject> Default for Process<S> {
    fn default() -> Self {
        Self {
            member: String::new(),
            generation: None,
            hands: BTreeMap::new(),
            workers: Vec::new(),
            assignments: 0,
            owned: BTreeSet::new(),
            revoking: false,
            deaf: false,
            frozen_until: START,
            triggers: 1,
        }
    }
}

/// The log, the processes, and time.
pub struct World<S: Subject> {
    pub log: Log,
    pub history: History,
    random: Random,
    clock: i64,
    faults: bool,
    mode: ClockMode,
    processes: Vec<Process<S>>,
    births: usize,
    stalled: Vec<String>,
    adrift: Vec<Producer>,
    /// As [`Surroundings::fences`].
    fences: bool,
    /// Workers of a process.
    workers: usize,
    /// The number of the newest set of triggers.
    published: u64,
    /// Whether they say something else each time.
    varies: bool,
    checkpoint: Checkpoint,
    /// Topics whose records cannot be read again.
    unrepeatable: BTreeSet<usize>,
}

impl<S: Subject> World<S> {
    /// A world with its history; without faults it has one process that nothing ever happens to. Other triggers come now and then.
    pub fn new(seed: u64, faults: bool, varies: bool) -> Self {
        let mut log = Log::default();
        if faults {
            log.hesitates = worker::PREFIXES.to_vec();
        }
        let sinks = [
            "treatments",
            "decisions",
            "dead-letters",
            "late",
            "reports",
            "changelog",
            "journal",
        ];
        topics()
            .iter()
            .chain(&sinks)
            .for_each(|topic| log.create(topic, PARTITIONS));
        log.group(GROUP).subscribe(
            &topics()
                .iter()
                .map(|topic| (*topic, PARTITIONS))
                .collect::<Vec<_>>(),
        );
        let mode = match seed % 3 {
            0 => ClockMode::Event,
            1 => ClockMode::Wall,
            _ => ClockMode::Accelerated {
                origin: Timestamp(START),
                start: Timestamp(START),
                factor: 3.0,
            },
        };
        let history = History::new(&mut Random::new(seed), START, pace(&mode), S::value);
        let processes = (0..if faults { 2 } else { 1 })
            .map(|_| Process::default())
            .collect();
        Self {
            log,
            history,
            random: Random::new(seed ^ 0x5eed),
            clock: START,
            faults,
            mode,
            processes,
            births: 0,
            stalled: Vec::new(),
            adrift: Vec::new(),
            fences: (seed / 3).is_multiple_of(2),
            workers: if (seed / 6).is_multiple_of(4) { 2 } else { 1 },
            published: 1,
            varies,
            checkpoint: checkpoint(seed),
            unrepeatable: (seed / 7)
                .is_multiple_of(3)
                .then_some(1)
                .into_iter()
                .collect(),
        }
    }

    /// Lets everything happen, and then everything come to rest.
    pub fn run(&mut self) {
        while !self.history.is_over() || self.faults && self.clock < START + 60_000 {
            self.clock += self.random.ms(20);
            self.turn();
            if self.faults {
                self.go_wrong();
            }
        }
        self.calm();
        let mut quiet = 0;
        for _ in 0..PATIENCE {
            self.clock += self.random.ms(100);
            self.turn();
            // Of who is gone; who is hit by mistake begins again.
            if self.random.chance(20) {
                self.expire_a_transaction();
            }
            quiet = if self.is_at_rest() { quiet + 1 } else { 0 };
            if quiet == 200 {
                return;
            }
        }
        panic!("it does not come to rest");
    }

    /// The tasks at the end, by partition.
    pub fn tasks(&self) -> impl Iterator<Item = (usize, &Hand<S>)> {
        let of = |process: &Process<S>| -> Vec<usize> { process.owned.iter().copied().collect() };
        self.processes.iter().flat_map(move |process| {
            of(process)
                .into_iter()
                .map(|number| (number, &process.hands[&number]))
        })
    }

    fn settings(&self, partition: usize) -> TaskSettings {
        let topic = |name: &&str| TopicSettings {
            name: (*name).to_owned(),
            lateness_ms: match *name {
                _ if Bug::LatenessIgnored.is_on() => 0,
                EVERYBODY | IDENTITIES => 0,
                _ => LATENESS_MS * pace(&self.mode),
            },
            drives: !["profile", EVERYBODY, IDENTITIES].contains(name),
        };
        TaskSettings {
            partition: i32::try_from(partition).expect("small"),
            topics: topics().iter().map(topic).collect(),
            clock: self.mode,
            // Where time comes from events alone, silence must outlast every pause of the history.
            idle_delay_ms: if self.mode == ClockMode::Event {
                10 * LATENESS_MS
            } else {
                LATENESS_MS
            },
            delays: Delays::default(),
            checkpoint: self.checkpoint,
            unrepeatable: self.unrepeatable.clone(),
            ids: Default::default(),
            between: is_across().then(|| Between {
                topic: TOPIC_BETWEEN,
                tasks: match Bug::OthersNotAwaited.is_on() {
                    true => 1,
                    false => i32::try_from(PARTITIONS).expect("few"),
                },
                wait_max_ms: OTHERS_WAIT_MAX_MS,
            }),
            future_max_ms: 600_000,
            reports_ms: Some(2_000),
        }
    }

    /// A little of everything that is right.
    fn turn(&mut self) {
        self.history.play(&mut self.log, self.clock);
        if self.random.chance(1_000) {
            self.log.decide(self.random.below(1_000));
        }
        if !self.history.is_over() && self.random.below(1_000) == 0 {
            self.published += 1;
        }
        for number in 0..self.processes.len() {
            if self.processes[number].frozen_until > self.clock {
                continue;
            }
            if self.random.chance(2_500) && !self.processes[number].deaf {
                self.hear(number);
            }
            if self.random.chance(100) {
                self.hear_of_triggers(number);
            }
            for _ in 0..self.random.below(12) {
                self.work(number);
            }
        }
    }

    /// A process reads the newest set of triggers.
    fn hear_of_triggers(&mut self, number: usize) {
        let process = &mut self.processes[number];
        if process.triggers < self.published {
            process.triggers = self.published;
            let revision = revision(self.published);
            for hand in process.hands.values_mut() {
                let plan = S::plan(&revision, self.varies);
                hand.task
                    .offer(Timestamp(self.clock), revision.clone(), plan);
            }
        }
    }

    fn work(&mut self, number: usize) {
        let (process, mut around) = self.at(number);
        let (hands, workers) = (process.hands.len(), process.workers.len());
        if hands + workers == 0 {
            return;
        }
        let nth = around.random.below(hands + workers);
        if let Some((partition, hand)) = process.hands.iter_mut().nth(nth) {
            hand.work(&mut process.workers[partition % workers], &mut around);
            return;
        }
        for (partition, session, input) in process.workers[nth - hands].work(&mut around) {
            let partition = usize::try_from(partition).expect("a partition");
            if let Some(hand) = process.hands.get_mut(&partition) {
                hand.answer(session, input);
            }
        }
    }

    /// A process, and what it sees.
    fn at(&mut self, number: usize) -> (&mut Process<S>, Surroundings<'_>) {
        let around = Surroundings {
            log: &mut self.log,
            random: &mut self.random,
            clock: Timestamp(self.clock),
            faults: self.faults,
            stalled: &self.stalled,
            adrift: &mut self.adrift,
            fences: self.fences,
            varies: self.varies,
        };
        (&mut self.processes[number], around)
    }

    /// A process asks the group how things stand, and acts on it.
    fn hear(&mut self, number: usize) {
        let clock = Timestamp(self.clock);
        let process = &mut self.processes[number];
        let owned = |process: &mut Process<S>, act: &mut dyn FnMut(&mut Hand<S>)| {
            let Process { owned, hands, .. } = process;
            owned
                .iter()
                .for_each(|partition| act(hands.get_mut(partition).expect("owned")));
        };
        match self.log.group(GROUP).beat(&process.member) {
            Beat::Unknown => {
                owned(process, &mut |hand| hand.task.revoke(clock, true));
                process.owned.clear();
                process.revoking = false;
                process.generation = None;
                self.births += 1;
                process.member = format!("{}-{}", self.random.below(3), self.births);
                self.log.group(GROUP).join(&process.member);
            }
            Beat::Rebalancing { joined: false } if !process.revoking => {
                owned(process, &mut |hand| hand.task.revoke(clock, false));
                process.revoking = true;
            }
            Beat::Rebalancing { joined: false } => {
                let Process { owned, hands, .. } = process;
                if owned
                    .iter()
                    .all(|partition| hands[partition].task.is_standby())
                {
                    owned.clear();
                    process.revoking = false;
                    self.log.group(GROUP).join(&process.member);
                }
            }
            Beat::Rebalancing { joined: true } => {}
            Beat::Stable { generation, .. } if process.generation == Some(generation) => {
                owned(process, &mut |hand| {
                    assert!(!hand.task.is_standby(), "who has a task works on it");
                });
            }
            Beat::Stable { generation, places } => {
                process.generation = Some(generation);
                let partitions: BTreeSet<usize> =
                    places.iter().map(|place| place.partition).collect();
                self.assigned(number, generation, partitions);
            }
        }
    }

    fn assigned(&mut self, number: usize, generation: i32, partitions: BTreeSet<usize>) {
        let settings: Vec<TaskSettings> = (0..PARTITIONS)
            .map(|partition| self.settings(partition))
            .collect();
        let workers = self.workers;
        let process = &mut self.processes[number];
        process.assignments += 1;
        process.workers.resize_with(workers, Worker::default);
        let membership = Membership {
            member: process.member.clone(),
            generation,
        };
        for worker in &mut process.workers {
            worker.assign(membership.clone());
        }
        let (revision, varies) = (revision(process.triggers), self.varies);
        // Of the tasks that went elsewhere some stay as standbys, with the state they had; all do while something of them may be under
        // way: a task that is made anew counts its sessions anew.
        let random = &mut self.random;
        process.hands.retain(|partition, hand| {
            let answered = process.workers[partition % workers].is_idle();
            let stays = !answered || random.chance(5_000);
            partitions.contains(partition) || hand.task.is_standby() && stays
        });
        for partition in &partitions {
            let of_worker = |other: &&usize| *other % workers == partition % workers;
            let first = partitions.iter().find(of_worker).expect("itself");
            let assigned = Assigned {
                membership: membership.clone(),
                number: process.assignments,
                first: i32::try_from(*first).expect("small"),
            };
            let hand = process.hands.entry(*partition).or_insert_with(|| {
                let plan = S::plan(&revision, varies);
                Hand::new(settings[*partition].clone(), &revision, plan)
            });
            hand.assign(Timestamp(self.clock), assigned);
        }
        process.owned = partitions;
    }

    /// A little of everything that is wrong.
    fn go_wrong(&mut self) {
        let number = self.random.below(self.processes.len());
        match self.random.below(1_000) {
            0..4 => self.crash(number),
            4..8 => self.processes[number].deaf = true,
            8..16 => self.processes[number].deaf = false,
            16..20 => {
                self.processes[number].frozen_until = self.clock + self.random.ms(6 * LATENESS_MS);
            }
            20..40 => self.expire_a_session(number),
            40..60 => self.log.group(GROUP).expel_absent(),
            60..64 => self.log.group(GROUP).remove(&self.processes[number].member),
            64..90 => self.deliver_adrift(),
            90..92 => self.expire_a_transaction(),
            92..96 => {
                let stalled = topics()[self.random.below(topics().len())];
                self.stalled = vec![stalled.to_owned()];
            }
            96..98 => self.stalled.clear(),
            100..110 => {
                let changelog = place("changelog", number % PARTITIONS);
                let end = self.log.end(&changelog);
                self.log.compact(&changelog, self.random.ms(end + 1), false);
            }
            _ => {}
        }
    }

    fn crash(&mut self, number: usize) {
        let (process, mut around) = self.at(number);
        for worker in &mut process.workers {
            worker.abandon(&mut around);
        }
        *process = Process::default();
        // It starts again with what was there a moment ago.
        self.processes[number].triggers = self.published.saturating_sub(1).max(1);
    }

    /// A transaction has been open for too long.
    fn expire_a_transaction(&mut self) {
        let mut open = self.log.open_ids();
        // Those who produce what comes in are well.
        open.retain(|id| {
            id.starts_with(worker::PREFIXES[0]) || id.starts_with(worker::PREFIXES[1])
        });
        if !open.is_empty() {
            self.log.expire(&open[self.random.below(open.len())]);
        }
    }

    /// The group has not heard of a member for too long, because it died or went deaf.
    fn expire_a_session(&mut self, number: usize) {
        let hears = |process: &&Process<S>| !process.deaf && process.frozen_until <= self.clock;
        let heard: Vec<&str> = self
            .processes
            .iter()
            .filter(hears)
            .map(|process| process.member.as_str())
            .collect();
        let members = self.log.group(GROUP).members().map(str::to_owned);
        let silent: Vec<String> = members
            .filter(|member| !heard.contains(&member.as_str()))
            .collect();
        if let Some(member) = silent.get(number % silent.len().max(1)) {
            self.log.group(GROUP).remove(member);
        }
    }

    /// A commit request that was given up arrives after all.
    fn deliver_adrift(&mut self) {
        if let Some(producer) = self.adrift.pop() {
            // Fenced or finished by now, or not: nobody hears the answer.
            let _ = self.log.commit(&producer, Fate::AnswerLost);
        }
    }

    fn calm(&mut self) {
        self.faults = false;
        self.log.hesitates.clear();
        self.stalled.clear();
        for process in &mut self.processes {
            process.deaf = false;
            process.frozen_until = self.clock;
        }
        for number in 0..self.processes.len() {
            self.hear_of_triggers(number);
        }
        while !self.adrift.is_empty() {
            self.deliver_adrift();
        }
        let alive: Vec<&str> = self
            .processes
            .iter()
            .map(|process| process.member.as_str())
            .collect();
        let members: Vec<String> = self.log.group(GROUP).members().map(str::to_owned).collect();
        for member in members
            .iter()
            .filter(|member| !alive.contains(&member.as_str()))
        {
            self.log.group(GROUP).remove(member);
        }
    }

    fn is_at_rest(&self) -> bool {
        let owned: Vec<usize> = self.tasks().map(|(partition, _)| partition).collect();
        owned.len() == PARTITIONS
            && self
                .tasks()
                .all(|(partition, hand)| self.is_done(partition, hand))
            && self
                .processes
                .iter()
                .flat_map(|it| &it.workers)
                .all(Worker::is_idle)
            && self.log.is_decided()
    }

    fn is_done(&self, partition: usize, hand: &Hand<S>) -> bool {
        let offset = |topic: &str| hand.task.durable().and_then(|record| record.offset(topic));
        let read = |topic: &str| {
            let unread = self.log.read_committed(
                &place(topic, partition),
                offset(topic).unwrap_or(0),
                usize::MAX,
            );
            // What tasks ask and promise each other is read with the next event.
            unread
                .records
                .iter()
                .all(|(_, record)| record.value.is_none())
        };
        let newest = hand.task.revision() == revision(self.published);
        newest
            && hand.task.is_running()
            && hand.is_idle(self.clock)
            && topics().iter().all(|topic| read(topic))
    }
}

fn revision(number: u64) -> String {
    format!("{number}-triggers")
}

/// In some histories everybody is written in each transaction; in others some soon, by each of the bounds, or very late.
fn checkpoint(seed: u64) -> Checkpoint {
    let much = Checkpoint {
        records: 1_000,
        ms: 20_000,
        customers: 1_000,
    };
    let customers = |customers| Checkpoint { customers, ..much };
    match (seed / 2) % 6 {
        0 => Checkpoint::EACH,
        1 => Checkpoint {
            records: 12,
            ..much
        },
        2 => Checkpoint { ms: 400, ..much },
        3 => customers(1),
        4 => customers(2),
        _ => much,
    }
}

/// How many times as fast as the clock event time runs.
fn pace(mode: &ClockMode) -> i64 {
    if matches!(mode, ClockMode::Accelerated { .. }) {
        3
    } else {
        1
    }
}
