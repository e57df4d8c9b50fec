//! A run with faults: two processes, chunks of events, and a kill -9 of one of the two after another.

use std::env;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::events::{Event, parts};
use super::progress::Progress;
use crate::kafka::installation::{Installation, LIMIT, Member};
use crate::sim::random::Random;
use crate::support::kafka::NewRecord;

/// A number from the environment.
pub fn number(name: &str) -> Option<u64> {
    env::var(name).ok()?.parse().ok()
}

/// Choices by `MOMENTS_SEED`, else by the clock; the seed is printed.
pub fn seeded() -> Random {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let chosen = since.map_or(1, |since| since.as_secs());
    let seed = number("MOMENTS_SEED").unwrap_or(chosen);
    eprintln!("MOMENTS_SEED={seed}");
    Random::new(seed)
}

/// Two processes of an installation, and what happens to them.
pub struct Run<'a> {
    installation: &'a Installation,
    progress: Progress,
    random: Random,
    members: [Member; 2],
    began: Instant,
    chunks: usize,
}

impl<'a> Run<'a> {
    /// Starts both.
    pub fn start(installation: &'a Installation, partitions: i32, random: Random) -> Self {
        Self {
            installation,
            progress: Progress::of(installation, partitions),
            random,
            members: [installation.start(), installation.start()],
            began: Instant::now(),
            chunks: 0,
        }
    }

    /// Produces the events in chunks, kills a process after each, and starts it again: so nothing comes after the last kill.
    pub fn kill_while_producing(&mut self, events: &[Event], kills: usize) {
        for chunk in parts(events, kills) {
            let before = self.progress.written();
            self.chunks += 1;
            produce(self.installation, chunk, self.chunks.is_multiple_of(2));
            self.kill(before);
        }
    }

    /// Kills one of the two at a moment that the seed says, and starts it again.
    pub fn kill(&mut self, written_before: i64) {
        let victim = self.random.below(2);
        let more = i64::try_from(self.random.below(3_000)).expect("small");
        match self.random.below(3) {
            // As soon as the chunk is there, whatever it is about: often a take-over.
            0 => {}
            1 => self.progress.wait_for_more(written_before, more),
            _ => {
                self.members[victim].wait_until_ready();
                self.progress
                    .wait_for_more(self.progress.written(), more / 4);
            }
        }
        self.members[victim].process.kill9();
        eprintln!(
            "{:?}: killed {victim} with {} records written, {} offsets uncommitted",
            self.began.elapsed(),
            self.progress.written(),
            self.progress.uncommitted()
        );
        self.members[victim] = self.installation.start();
    }

    /// Once transactions write, produces the rest, kills both over it, and starts them again. Gives how many decisions were
    /// committed then.
    pub fn kill_in_the_middle(&mut self, rest: &[Event]) -> usize {
        let more = i64::try_from(self.random.below(200)).expect("small");
        self.progress.wait_for_more(0, more);
        produce(self.installation, rest, false);
        for member in &mut self.members {
            member.process.kill9();
        }
        let decided = self.installation.read("decisions").len();
        eprintln!(
            "{:?}: killed both after {decided} decisions",
            self.began.elapsed()
        );
        self.members = [self.installation.start(), self.installation.start()];
        decided
    }

    /// Waits until everything is decided: so many decisions, and what both have of their tasks is restored.
    pub fn settle(&mut self, decisions: usize) {
        self.members.iter().for_each(Member::wait_until_ready);
        self.installation.wait_for("decisions", decisions);
        eprintln!("{:?}: {decisions} decisions", self.began.elapsed());
    }

    /// What the processes say of these customers.
    pub fn customers(&self, ids: &[String]) -> Vec<String> {
        customers(&self.members, ids)
    }

    /// Stops both in good order.
    pub fn stop(mut self) {
        for member in &mut self.members {
            assert!(member.process.terminate(LIMIT).success());
        }
        eprintln!("{:?}: stopped", self.began.elapsed());
    }
}

/// Produces events so that all of them are there at once; `aborted`: after a transaction with the same customers that never was.
pub fn produce(installation: &Installation, events: &[Event], aborted: bool) {
    let id = format!("{}-shop", installation.application_id());
    let topics: Vec<String> = events
        .iter()
        .map(|event| installation.topic(event.topic))
        .collect();
    let records = |suffix: &str| {
        let record = |(event, topic): (&Event, &'_ String)| {
            let line =
                event
                    .line
                    .replacen("\"messageId\":\"", &format!("\"messageId\":\"{suffix}"), 1);
            (
                topic.clone(),
                NewRecord::keyed(event.customer.clone(), line),
            )
        };
        events.iter().zip(&topics).map(record).collect::<Vec<_>>()
    };
    let broker = installation.broker();
    if aborted {
        let never = records("never-");
        let never = never
            .iter()
            .step_by(10)
            .map(|(topic, record)| (topic.as_str(), record.clone()));
        broker.begin(&id, never).abort();
    }
    let records = records("");
    let records = records
        .into_iter()
        .zip(&topics)
        .map(|((_, record), topic)| (topic.as_str(), record));
    broker.begin(&id, records).commit();
}

/// What whoever of the members has a customer says of her.
pub fn customers(members: &[Member], ids: &[String]) -> Vec<String> {
    let said = |id: &String| {
        let body = shown(members, id);
        let mut shown: serde_json::Value = serde_json::from_str(&body).expect("JSON");
        // Which silence moves.
        shown["as_of"].take();
        shown["now"].take();
        // Whoever is asked.
        shown.as_object_mut().map(|it| it.remove("via"));
        shown.to_string()
    };
    ids.iter().map(said).collect()
}

fn shown(members: &[Member], id: &str) -> String {
    let answers = members
        .iter()
        .filter_map(|member| member.get(&format!("/customers/{id}")));
    let known = answers
        .filter(|(status, _)| *status == 200)
        .map(|(_, body)| body)
        .next();
    known.unwrap_or_else(|| panic!("nobody knows customer {id}"))
}
