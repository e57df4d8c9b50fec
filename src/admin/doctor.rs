//! What is wrong around an installation, asked from outside: brokers, topics and rights, the group and its lag, transactions that hang,
//! clocks, the registry, the triggers in force.
//!
//! What must stay true: it changes nothing that anybody reads (the record by which clocks are compared is in a transaction that is
//! aborted); each question is asked though others fail, but for what rests on it; and whatever is wrong is said with what to do about it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Serialize;

use super::AdminError;
use super::log::{Log, Range};
use super::producing::{Outgoing, Sender};
use crate::config::Config;
use crate::registry::Source;
use crate::runtime::clients::{self, explained};
use crate::runtime::{clock, control, topics};
use crate::task::ids::shown;
use crate::time::Timestamp;
use crate::trigger::plan::Plan;
use crate::trigger::set::Basis;

/// How long brokers may take to answer at all.
const PATIENCE: Duration = Duration::from_secs(10);
/// How far clocks may be apart: what NTP corrects at once, and less than any lateness.
const CLOCK_MS: i64 = 1_000;
/// So much behind is said, ms: as the alert `MomentsBehind`.
const BEHIND_MS: i64 = 300_000;
/// More of the partitions with the same trouble are not listed.
const LISTED: usize = 5;

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// As it should be.
    Well,
    /// It works, and a person should know.
    Warning,
    /// It keeps moments from being decided, or will.
    Problem,
    /// It could not be asked, because of another problem.
    Unasked,
}

/// What was found in one respect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at: `brokers`, `topics`, `group`, ...
    pub about: &'static str,
    /// How it is.
    pub health: Health,
    /// What was found.
    pub found: String,
    /// What to do about it; empty where nothing is to be done.
    pub mend: String,
}

/// In what it was looked at, in this order.
pub const ABOUT: [&str; 8] = [
    "brokers",
    "topics",
    "group",
    "lag",
    "transactions",
    "clocks",
    "registry",
    "triggers",
];

fn well(about: &'static str, found: impl Into<String>) -> Finding {
    finding(about, Health::Well, found, "")
}

fn problem(about: &'static str, found: impl Into<String>, mend: impl Into<String>) -> Finding {
    finding(about, Health::Problem, found, mend)
}

fn finding(
    about: &'static str,
    health: Health,
    found: impl Into<String>,
    mend: impl Into<String>,
) -> Finding {
    Finding {
        about,
        health,
        found: found.into(),
        mend: mend.into(),
    }
}

/// Asks everything. `triggers`: those of files, which name the channels where none are published.
#[must_use]
pub fn examine(
    config: &Config,
    basis: &Basis,
    triggers: Option<&Plan>,
    schemas: &Source,
) -> Vec<Finding> {
    let mut all = Vec::new();
    let partitions = match reached(config) {
        Ok((brokers, log)) => {
            all.push(well(
                "brokers",
                format!("{brokers} answer at {}", config.kafka.bootstrap),
            ));
            Some(log)
        }
        Err(error) => {
            all.push(problem(
                "brokers",
                said(&error),
                "look at kafka.bootstrap and [kafka.properties], and whether the brokers run",
            ));
            None
        }
    };
    let published = partitions
        .as_ref()
        .map(|_| control::in_force(config, basis));
    let plan = match &published {
        Some(Ok(Some(plan))) => Some(plan),
        _ => triggers,
    };
    match (&partitions, plan) {
        (Some(log), Some(plan)) => match the_topics(config, plan, &mut all) {
            Some(ids) => asked(config, log, &ids, &mut all),
            None => unasked(
                &["group", "lag", "transactions", "clocks"],
                "the topics are not fit",
                &mut all,
            ),
        },
        (Some(_), None) => unasked(
            &ABOUT[1..6],
            "there are no triggers, which name the channels",
            &mut all,
        ),
        (None, _) => unasked(&ABOUT[1..6], "no broker answers", &mut all),
    }
    all.push(the_registry(config, schemas));
    all.push(the_triggers(published, triggers));
    all
}

/// How many brokers answer, and what reads of them.
fn reached(config: &Config) -> Result<(usize, Log), AdminError> {
    let timeout = Duration::from_millis(config.kafka.call_timeout.ms.unsigned_abs());
    let brokers = clients::reach(config, timeout.min(PATIENCE));
    let brokers = brokers.map_err(AdminError::kafka("asking for brokers"))?;
    Ok((brokers, Log::new(config)?))
}

fn said(error: &AdminError) -> String {
    match error {
        AdminError::Kafka { what, error } => format!("{what}: {}", explained(error)),
        other => other.to_string(),
    }
}

fn unasked(about: &[&'static str], why: &str, all: &mut Vec<Finding>) {
    all.extend(
        about
            .iter()
            .map(|about| finding(about, Health::Unasked, why, "")),
    );
}

/// What is said of topics: first what is so, then what to do about it.
fn advised(health: Health, said: &str) -> Finding {
    let (found, mend) = said
        .split_once(". ")
        .unwrap_or((said, "`moments topics check`"));
    finding("topics", health, found, mend)
}

/// Where ids of one person stay two: whoever keys by customer alone wants it so, and nothing else says it.
/// But whoever has referrals does not.
fn kept_apart(config: &Config, plan: &Plan, partitions: i32) -> Option<Finding> {
    let is_apart = partitions > 1 && config.identities().is_none();
    if is_apart && !plan.referrals.is_empty() {
        return Some(finding(
            "topics",
            Health::Warning,
            "a referral's code that a friend in another partition brings is unknown, as topics.identities is empty",
            "set identities = \"{id}-identities\" in [topics]; `moments topics create` makes it",
        ));
    }
    is_apart.then(|| {
        finding(
            "topics",
            Health::Well,
            "ids of one person that lie in two partitions stay apart, as topics.identities is empty",
            "where visitors become customers, set identities = \"{id}-identities\" in [topics]; `moments topics create` makes it",
        )
    })
}

/// The ids of the topics, where these are there with the partitions, settings and rights that `run` needs.
fn the_topics(
    config: &Config,
    plan: &Plan,
    all: &mut Vec<Finding>,
) -> Option<BTreeMap<String, u128>> {
    match topics::check(config, plan) {
        Ok(found) => {
            all.push(well(
                "topics",
                format!("they are fit, with {} partitions", found.partitions),
            ));
            let warnings = found.warnings.into_iter();
            all.extend(warnings.map(|it| advised(Health::Warning, &it)));
            all.extend(kept_apart(config, plan, found.partitions));
            Some(found.ids)
        }
        Err(topics::TopicsError::Unfit(report)) => {
            let problems = report.problems.iter();
            all.extend(problems.map(|it| advised(Health::Problem, it)));
            None
        }
        Err(error) => {
            all.push(problem(
                "topics",
                error.to_string(),
                "`moments topics acls` prints the rights that are needed",
            ));
            None
        }
    }
}

/// What rests on fit topics.
fn asked(config: &Config, log: &Log, ids: &BTreeMap<String, u128>, all: &mut Vec<Finding>) {
    let members = the_group(config, log, all);
    match the_lag(config, log, ids, members) {
        Ok(mut found) => all.append(&mut found),
        Err(error) => all.push(problem(
            "lag",
            said(&error),
            "the user needs Read on the group and Describe on the topics: `moments topics acls`",
        )),
    }
    match transactions(config, log) {
        Ok(mut found) => all.append(&mut found),
        Err(error) => all.push(problem("transactions", said(&error), "look at the brokers")),
    }
    all.push(clocks(config));
}

/// How many members the group has; none where it could not be asked.
fn the_group(config: &Config, log: &Log, all: &mut Vec<Finding>) -> Option<usize> {
    let id = &config.application.id;
    match log.group(id) {
        Ok((_, 0)) => {
            all.push(finding(
                "group",
                Health::Warning,
                format!("group {id} has no members: no process runs"),
                "start one: `moments run`",
            ));
            Some(0)
        }
        Ok((state, members)) if state == "Stable" || state.is_empty() => {
            all.push(well("group", format!("group {id} has {members} members")));
            Some(members)
        }
        Ok((state, members)) => {
            let found = format!("group {id} is {state}, with {members} members");
            all.push(finding("group", Health::Warning, found, "it passes within a session; if not, look for a member that joins and leaves (`kafka-consumer-groups --describe`)"));
            Some(members)
        }
        Err(error) => {
            all.push(problem(
                "group",
                said(&error),
                "the user needs Read on the group: `moments topics acls`",
            ));
            None
        }
    }
}

/// What waits, of all topics that come in.
fn the_lag(
    config: &Config,
    log: &Log,
    ids: &BTreeMap<String, u128>,
    members: Option<usize>,
) -> Result<Vec<Finding>, AdminError> {
    let mut waits: BTreeMap<String, i64> = BTreeMap::new();
    let (mut read, mut unread) = (0, BTreeSet::new());
    let mut oldest: Option<Timestamp> = None;
    for input in config.taken() {
        for Range {
            partition,
            from,
            until,
        } in log.ranges(&input.name, None)?
        {
            let committed = log.committed(&input.name, partition)?;
            match committed {
                Some(_) => read += 1,
                None if until > 0 => drop(unread.insert(input.name.clone())),
                None => {}
            }
            let next = committed.unwrap_or(from).max(from);
            if next >= until {
                continue;
            }
            *waits.entry(input.name.clone()).or_default() += until - next;
            let first = log.first(&input.name, partition, next)?;
            oldest = first
                .map(|record| record.appended)
                .into_iter()
                .chain(oldest)
                .min();
        }
    }
    let behind = oldest.map_or(0, |oldest| clock().0 - oldest.0);
    let shown: Vec<String> = waits
        .iter()
        .map(|(topic, count)| format!("{topic} {count}"))
        .collect();
    if shown.is_empty() {
        return Ok(vec![well("lag", "no record waits")]);
    }
    let found = format!(
        "records wait, the oldest for {} s: {}",
        behind / 1_000,
        shown.join(", ")
    );
    // Where nothing was read yet, all are new.
    let new = unread.iter().filter(|_| read > 0);
    let mut all: Vec<Finding> = new.map(|topic| never_read(topic, ids)).collect();
    all.push(match (members, behind > BEHIND_MS) {
        (Some(0), _) | (_, true) => problem(
            "lag",
            found,
            "start processes, up to the number of partitions; see MomentsBehind in docs/operations.md",
        ),
        _ => well("lag", found),
    });
    Ok(all)
}

/// A topic of which the group has no offset, though it has some of others.
fn never_read(topic: &str, ids: &BTreeMap<String, u128>) -> Finding {
    let id = ids.get(topic).copied().map(shown).unwrap_or_default();
    finding(
        "lag",
        Health::Warning,
        format!(
            "{topic} has records, and the group has read none of them, though it has of other topics"
        ),
        format!(
            "where it is new, it passes; where it was deleted and made anew, the log of `moments run` says so: bring the old one back, or, to \
             read this one from its beginning, set accept_id = \"{id}\" in its section of the configuration"
        ),
    )
}

/// Transactions before which readers stop, and have stopped for too long.
fn transactions(config: &Config, log: &Log) -> Result<Vec<Finding>, AdminError> {
    let uncommitted = Log::uncommitted(config)?;
    let limit = config.kafka.hanging_transaction.ms;
    let names = config.taken().into_iter().map(|input| input.name);
    let mut found = Vec::new();
    for topic in names.chain([config.changelog(), config.journal()]) {
        let ends = uncommitted.ranges(&topic, None)?;
        for (stable, end) in log.ranges(&topic, None)?.into_iter().zip(ends) {
            if stable.until >= end.until {
                continue;
            }
            let (partition, offset) = (stable.partition, stable.until);
            let first = uncommitted.first(&topic, partition, offset)?;
            let open_ms = first.map_or(0, |record| clock().0 - record.appended.0);
            if open_ms > limit {
                found.push(problem(
                    "transactions",
                    format!("a transaction has been open in {topic}/{partition} from offset {offset} on for {} s", open_ms / 1_000),
                    format!(
                        "whoever began it is gone or holds it open: `kafka-transactions.sh --bootstrap-server {} abort --topic {topic} \
                         --partition {partition} --start-offset {offset}`; first see MomentsTransactionHangs in docs/operations.md",
                        config.kafka.bootstrap
                    ),
                ));
            }
        }
    }
    let more = found.len().saturating_sub(LISTED);
    if more > 0 {
        found.truncate(LISTED);
        found.push(problem(
            "transactions",
            format!("{more} more partitions have one"),
            "as before",
        ));
    }
    if found.is_empty() {
        found.push(well("transactions", "none has been open for long"));
    }
    Ok(found)
}

/// The brokers' clock against this machine's: a record that is never committed says when it was appended.
fn clocks(config: &Config) -> Finding {
    let mend = "the user needs Write on the journal and on the transactional ids of the application: `moments topics acls`";
    let sent = || {
        let sender = Sender::transactional(config, &format!("{}-doctor", config.application.id))?;
        let record = Outgoing {
            topic: config.journal(),
            partition: Some(0),
            value: Some(b"{}".to_vec()),
            ..Outgoing::default()
        };
        let before = clock();
        let appended = sender.appended(&record)?;
        Ok::<_, AdminError>((before, appended, clock()))
    };
    match sent() {
        Err(error) => problem("clocks", said(&error), mend),
        Ok((_, None, _)) => finding(
            "clocks",
            Health::Warning,
            format!(
                "{} is not stamped by the brokers, so that their clock is not known",
                config.journal()
            ),
            topics::alter(
                &config.kafka.bootstrap,
                &config.journal(),
                "message.timestamp.type=LogAppendTime",
            ),
        ),
        Ok((before, Some(appended), after)) => compared(before, appended, after),
    }
}

fn compared(before: Timestamp, appended: Timestamp, after: Timestamp) -> Finding {
    // Somewhere between the two it was appended.
    let ahead = (before.0 - appended.0).max(0);
    let behind = (appended.0 - after.0).max(0);
    match (ahead > CLOCK_MS, behind > CLOCK_MS) {
        (false, false) => well("clocks", "this machine's and the brokers' agree"),
        (is_ahead, _) => problem(
            "clocks",
            format!(
                "this machine's clock is {} ms {} the broker's",
                ahead.max(behind),
                if is_ahead { "ahead of" } else { "behind" }
            ),
            "set the one that is wrong, by NTP (`timedatectl`, `chronyc tracking`)",
        ),
    }
}

fn the_registry(config: &Config, schemas: &Source) -> Finding {
    let Some(registry) = schemas.registry() else {
        return well("registry", "none is configured");
    };
    match registry.answers() {
        Ok(()) => well(
            "registry",
            format!("{} answers", config.schema_registry.url),
        ),
        Err(error) => problem(
            "registry",
            error.to_string(),
            "look at [schema_registry], and whether it runs; records in Avro whose schema is not known wait for it",
        ),
    }
}

fn the_triggers(
    published: Option<Result<Option<Plan>, control::ControlError>>,
    files: Option<&Plan>,
) -> Finding {
    match (published, files) {
        (Some(Err(error)), _) => problem(
            "triggers",
            error.to_string(),
            "publish a set that this configuration can use: `moments triggers apply`",
        ),
        (Some(Ok(Some(plan))), _) => well(
            "triggers",
            format!(
                "published, revision {}, {} of them",
                plan.revision,
                plan.triggers.len()
            ),
        ),
        (_, Some(plan)) => well(
            "triggers",
            format!(
                "of files, {} of them, revision {}",
                plan.triggers.len(),
                plan.revision
            ),
        ),
        (_, None) => problem(
            "triggers",
            "none are published, and there are no files",
            "`moments triggers apply`, or triggers.path",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_agree_within_what_the_question_took() {
        let of = |before, appended, after| {
            compared(Timestamp(before), Timestamp(appended), Timestamp(after))
        };
        for (before, appended, after, said) in [
            (0, 500, 1_000, "agree"),
            (0, 1_900, 1_000, "agree"),
            (10_000, 9_100, 10_100, "agree"),
            (0, 2_200, 1_000, "1200 ms behind the broker's"),
            (9_000, 1_000, 9_500, "8000 ms ahead of the broker's"),
        ] {
            let found = of(before, appended, after);
            assert!(found.found.contains(said), "{said}: {found:?}");
            assert_eq!(found.health == Health::Well, said == "agree");
        }
    }
}
