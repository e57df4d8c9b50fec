//! Looks at the cluster from outside: whether brokers answer, the group has this member, every partition has an owner, topics are as
//! they were, and transactions end.
//!
//! The clients that do the work do not say when they get nowhere: one that knows no broker any more (librdkafka's issue 5301) waits for
//! ever, and so does a reader before a transaction that nobody ends. So a thread asks with a client of its own, which is made anew
//! whenever it has no answer. What must stay true: nobody is told that the process is ready while the group does not have it; whoever
//! gets nowhere while brokers answer is made anew or ended, and nobody is for want of brokers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::Offset;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;

use super::clients::{self, Logged};
use super::silence::{Heard, Silences};
use super::watchdog::{EndsProcess, STATUS};
use super::{Context, asker, described};

/// Between two looks while all is well.
const LOOK: Duration = Duration::from_secs(5);
/// While it is not.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// An answer takes milliseconds.
const TIMEOUT: Duration = Duration::from_secs(5);
/// A client that had no answer for so long is made anew.
const ANEW: Duration = Duration::from_secs(15);
/// Sessions that a member may be missing from its group: it joins again within one.
const SESSIONS: u32 = 3;
/// The least that this is, whatever the session.
const MISSING: Duration = Duration::from_secs(20);

/// What one look found.
struct Look {
    in_group: bool,
    owned: BTreeSet<i32>,
    owners: BTreeMap<i32, String>,
    topics: Vec<String>,
    unread: BTreeMap<String, i32>,
}

struct Observer {
    context: Arc<Context>,
    client: Option<BaseConsumer<Logged>>,
    /// Since when there was no answer.
    silent: Option<Instant>,
    /// Since when brokers answer without a break.
    answered: Instant,
    /// Since when the group does not have this member though brokers answer.
    missing: Option<Instant>,
    /// How often the member was made anew without being in the group since.
    remade: u32,
    /// Said already.
    said: BTreeSet<String>,
    transactions: Transactions,
    silences: Silences,
}

/// Starts looking; until the process ends.
///
/// # Errors
/// Where the thread cannot be started.
pub(super) fn start(context: &Arc<Context>) -> std::io::Result<()> {
    let context = Arc::clone(context);
    let topics = &context.config.topics;
    let limits = context.names.inputs.iter();
    let limits = limits.map(|name| topics.silence_max_ms(name).map(Duration::from_millis));
    let silences = Silences::new(limits, Instant::now());
    let thread = thread::Builder::new().name("observer".to_owned());
    thread.spawn(move || {
        let _guard = EndsProcess;
        let mut observer = Observer {
            context,
            client: None,
            silent: None,
            answered: Instant::now(),
            missing: None,
            remade: 0,
            said: BTreeSet::new(),
            transactions: Transactions::default(),
            silences,
        };
        loop {
            let well = observer.look();
            thread::park_timeout(if well { LOOK } else { LOOK_AGAIN });
        }
    })?;
    Ok(())
}

impl Observer {
    /// Looks once; whether all is well.
    fn look(&mut self) -> bool {
        match self.asked() {
            Ok(look) => {
                if self.silent.take().is_some() {
                    self.answered = Instant::now();
                    tracing::info!("brokers answer again");
                }
                self.found(&look);
                self.ends_who_gets_nowhere();
                self.context.surroundings.reasons().is_empty()
            }
            Err(error) => {
                self.unanswered(&error);
                false
            }
        }
    }

    fn asked(&mut self) -> Result<Look, KafkaError> {
        let client = match self.client.take() {
            Some(client) => client,
            None => clients::asking(&clients::consumer(&self.context.config, "read_uncommitted"))?,
        };
        let client = self.client.insert(client);
        let _ = client.poll(Duration::ZERO);
        // Nobody else polls these, and a token must not grow old.
        for other in [&self.context.ends, &self.context.offsets] {
            let _ = other.poll(Duration::ZERO);
        }
        let names = &self.context.names;
        let inputs: Vec<&str> = names.inputs.iter().map(String::as_str).collect();
        let described = described::describe(client.client(), &inputs, TIMEOUT)?;
        let (mut topics, mut unread) = (Vec::new(), BTreeMap::new());
        for name in &names.inputs {
            let found = described.get(name).and_then(|found| found.as_ref().ok());
            let count = found.map_or(0, |found| found.partitions);
            let id = found.map(|found| found.id);
            unread.insert(name.clone(), (count - names.partitions).max(0));
            if count == 0 {
                topics.push(format!("topic {name} is not there, or may not be seen"));
            } else if count != names.partitions {
                topics.push(format!(
                    "topic {name} has {count} partitions and had {} when this process started: nobody reads those beyond",
                    names.partitions
                ));
            } else if let (Some(now), Some(then)) = (id, self.context.ids.found.get(name))
                && now != *then
            {
                topics.push(format!(
                    "topic {name} was deleted and made anew while this process ran: it is not read; start again, and it is said what to do"
                ));
            }
        }
        let group = self.context.config.application.id.as_str();
        let groups = client.client().fetch_group_list(Some(group), TIMEOUT)?;
        let own = self.context.member_id();
        let (mut in_group, mut owned) = (false, BTreeSet::new());
        let mut owners = BTreeMap::new();
        for member in groups
            .groups()
            .iter()
            .flat_map(rdkafka::groups::GroupInfo::members)
        {
            in_group |= !own.is_empty() && member.id() == own;
            let partitions = assigned(member.assignment().unwrap_or_default());
            if let Some(address) = clients::reached_at(member.client_id()) {
                let of_member = partitions.iter().map(|it| (*it, address.to_owned()));
                owners.extend(of_member);
            }
            owned.extend(partitions);
        }
        self.transactions.look(&self.context);
        self.hears(&described)?;
        Ok(Look {
            in_group,
            owned,
            owners,
            topics,
            unread,
        })
    }

    /// Looks for topics on which nothing comes.
    fn hears(&mut self, described: &described::Topics) -> Result<(), KafkaError> {
        if !self.silences.any() {
            return Ok(());
        }
        let names = &self.context.names.inputs;
        let count = |name: &String| match described.get(name) {
            Some(Ok(found)) => found.partitions,
            _ => 0,
        };
        let partitions = names
            .iter()
            .flat_map(|name| (0..count(name)).map(move |partition| (name.as_str(), partition)));
        let found = asker::query(&self.context.ends, partitions, Offset::End)?;
        let ends = ends(names, self.context.names.others().as_deref(), &found);
        for (number, heard) in self.silences.look(&ends, Instant::now()) {
            let topic = names[number].as_str();
            let silent = matches!(heard, Heard::Silent(_));
            self.context.awaited.set(number, silent);
            self.context.telemetry.topic_silent(topic, silent);
            let mut seen = self.context.surroundings.lock();
            match heard {
                Heard::Silent(silence) => {
                    let said = format!(
                        "nothing has come on topic {topic} for its silence_max, while others had records: time waits for it"
                    );
                    seen.silent.insert(number, said);
                    tracing::error!(
                        topic,
                        silent_s = silence.as_secs(),
                        "nothing has come on a topic for its silence_max, while others had records: whoever fills it may be broken, so time \
                         waits for it"
                    );
                }
                Heard::Again => {
                    seen.silent.remove(&number);
                    tracing::info!(topic, "something comes on the topic again; time goes on");
                }
            }
        }
        Ok(())
    }

    fn found(&mut self, look: &Look) {
        let unowned =
            (0..self.context.names.partitions).filter(|partition| !look.owned.contains(partition));
        for (topic, count) in &look.unread {
            self.context.telemetry.partitions_unread(topic, *count);
        }
        for problem in &look.topics {
            if self.said.insert(problem.clone()) {
                tracing::error!("{problem}");
            }
        }
        self.said.retain(|problem| look.topics.contains(problem));
        self.context.telemetry.brokers_reached(true);
        let mut seen = self.context.surroundings.lock();
        seen.reached = Some(Instant::now());
        seen.unreached = None;
        seen.in_group = look.in_group;
        seen.unowned = unowned.collect();
        seen.owners.clone_from(&look.owners);
        seen.topics.clone_from(&look.topics);
        drop(seen);
        self.misses(look.in_group);
    }

    /// A member that the group does not have, though brokers answer, is made anew, and then the process.
    fn misses(&mut self, in_group: bool) {
        if in_group || self.context.stopping.load(Ordering::Relaxed) {
            (self.missing, self.remade) = (None, 0);
            return;
        }
        let since = *self.missing.get_or_insert_with(Instant::now);
        let limit = (clients::session(&self.context.config) * SESSIONS).max(MISSING);
        if since.elapsed() < limit {
            return;
        }
        let missing_s = since.elapsed().as_secs();
        if self.remade > 0 {
            tracing::error!(
                missing_s,
                "the group still does not have this member, though brokers answer; this process ends so that another begins afresh"
            );
            std::process::exit(STATUS);
        }
        tracing::error!(
            missing_s,
            "the group does not have this member, though brokers answer: its client gets nowhere, and is made anew"
        );
        (self.missing, self.remade) = (None, self.remade + 1);
        self.context.remake.store(true, Ordering::Relaxed);
    }

    /// Whoever has got nowhere for as long as a call may take, and brokers have answered all the while, never will. But for want of a
    /// topic all get nowhere, and a process that begins afresh would, too.
    fn ends_who_gets_nowhere(&self) {
        let limit = self.context.timeout();
        let seen = self.context.surroundings.lock();
        if !seen.topics.is_empty() {
            return;
        }
        let stuck = seen.failing.iter().find(|(_, since)| {
            let since = (**since).max(self.answered);
            since.elapsed() > limit
        });
        if let Some((who, since)) = stuck {
            let for_s = since.elapsed().as_secs();
            tracing::error!(
                who,
                for_s,
                "it gets nowhere, though brokers answer; this process ends so that another begins afresh"
            );
            std::process::exit(STATUS);
        }
    }

    fn unanswered(&mut self, error: &KafkaError) {
        let since = *self.silent.get_or_insert_with(Instant::now);
        self.missing = None;
        let why = clients::explained(error);
        let mut seen = self.context.surroundings.lock();
        if seen.unreached.is_none() {
            tracing::error!(
                bootstrap = self.context.config.kafka.bootstrap,
                "no broker answers: {why}"
            );
        }
        seen.unreached = Some((since, why));
        drop(seen);
        self.context.telemetry.brokers_reached(false);
        if since.elapsed() > ANEW {
            // It may be the client that gets nowhere.
            self.client = None;
        }
    }
}

/// Where the partitions of each topic end, together. What tasks tell each other is no sign that somebody fills topics: they go on asking
/// where nothing comes.
fn ends(names: &[String], others: Option<&str>, found: &BTreeMap<(String, i32), i64>) -> Vec<i64> {
    let end = |name: &String| {
        let of = found.iter().filter(|((topic, _), _)| topic == name);
        of.map(|(_, end)| end).sum()
    };
    names
        .iter()
        .map(|name| match others == Some(name.as_str()) {
            true => 0,
            false => end(name),
        })
        .collect()
}

/// The partitions in an assignment, as consumers tell it each other: a version, topics, and partitions of each.
fn assigned(mut bytes: &[u8]) -> Vec<i32> {
    fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
        let (first, rest) = bytes.split_first_chunk()?;
        *bytes = rest;
        Some(*first)
    }
    let mut partitions = Vec::new();
    let mut read = || {
        let bytes = &mut bytes;
        take::<2>(bytes)?;
        for _ in 0..i32::from_be_bytes(take(bytes)?) {
            let name = usize::try_from(i16::from_be_bytes(take(bytes)?)).ok()?;
            *bytes = bytes.get(name..)?;
            for _ in 0..i32::from_be_bytes(take(bytes)?) {
                partitions.push(i32::from_be_bytes(take(bytes)?));
            }
        }
        Some(())
    };
    // One that is none yet says nothing.
    let _ = read();
    partitions
}

/// Transactions that nobody ends, by where they stand.
#[derive(Debug, Default)]
struct Transactions {
    asked: Option<Instant>,
    open: BTreeMap<(String, i32), Waits>,
}

/// What is read up to no further than this offset.
#[derive(Debug)]
struct Waits {
    from: i64,
    since: Instant,
    said: bool,
}

impl Transactions {
    /// Compares the last stable offset of everything that is read here with its end.
    fn look(&mut self, context: &Context) {
        if self.asked.is_some_and(|at| at.elapsed() < LOOK) {
            return;
        }
        self.asked = Some(Instant::now());
        let names = &context.names;
        let topics = names.inputs.iter().map(String::as_str);
        let topics: Vec<&str> = topics
            .chain([names.changelog.as_str(), names.journal()])
            .collect();
        let assigned: Vec<i32> = context.lock().keys().copied().collect();
        let partitions = || {
            topics
                .iter()
                .flat_map(|topic| assigned.iter().map(move |partition| (*topic, *partition)))
        };
        let asked = asker::query(&context.offsets, partitions(), Offset::End).and_then(|stable| {
            Ok((
                stable,
                asker::query(&context.ends, partitions(), Offset::End)?,
            ))
        });
        // Who cannot be asked is said otherwise.
        let Ok((stable, ends)) = asked else { return };
        self.open.retain(|at, waits| {
            stable.get(at) == Some(&waits.from) && ends.get(at) > Some(&waits.from)
        });
        let mut hanging: BTreeMap<&str, i64> = topics.iter().map(|topic| (*topic, 0)).collect();
        for (at, from) in &stable {
            if ends.get(at).is_none_or(|end| end <= from) {
                continue;
            }
            let waits = self.open.entry(at.clone()).or_insert_with(|| Waits {
                from: *from,
                since: Instant::now(),
                said: false,
            });
            if waits.since.elapsed() < context.hanging() {
                continue;
            }
            if let Some(count) = hanging.get_mut(at.0.as_str()) {
                *count += 1;
            }
            if !std::mem::replace(&mut waits.said, true) {
                let (topic, partition) = at;
                tracing::error!(
                    topic,
                    partition,
                    offset = from,
                    for_s = waits.since.elapsed().as_secs(),
                    "a transaction hangs: nothing behind it is read until it ends. Where its producer is gone: kafka-transactions \
                     --bootstrap-server {} abort --topic {topic} --partition {partition} --start-offset {from}",
                    context.config.kafka.bootstrap
                );
            }
        }
        for (topic, count) in hanging {
            context.telemetry.hanging(topic, count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tasks_tell_each_other_is_no_sign_that_topics_are_filled() {
        let names = ["cart", "identities", "purchase"].map(str::to_owned);
        let at = |topic: &str, partition| (topic.to_owned(), partition);
        let found = BTreeMap::from([
            (at("cart", 0), 3),
            (at("cart", 1), 4),
            (at("identities", 0), 90),
            (at("purchase", 0), 5),
        ]);
        assert_eq!(ends(&names, Some("identities"), &found), [7, 0, 5]);
        assert_eq!(ends(&names, None, &found), [7, 90, 5]);
    }

    #[test]
    fn an_assignment_is_read_as_far_as_it_goes() {
        let mut bytes = vec![0, 0, 0, 0, 0, 2];
        for (name, partitions) in [("cart", &[0, 3][..]), ("ab", &[3])] {
            bytes.extend(i16::try_from(name.len()).expect("short").to_be_bytes());
            bytes.extend(name.as_bytes());
            bytes.extend(i32::try_from(partitions.len()).expect("few").to_be_bytes());
            partitions
                .iter()
                .for_each(|partition: &i32| bytes.extend(partition.to_be_bytes()));
        }
        assert_eq!(assigned(&bytes), [0, 3, 3]);
        assert_eq!(assigned(&bytes[..bytes.len() - 1]), [0, 3], "cut off");
        assert!(assigned(&[]).is_empty());
    }
}
