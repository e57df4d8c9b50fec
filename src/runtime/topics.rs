//! The topics as they should be: created where they are missing, and checked before anything is read.
//!
//! What must stay true: an existing topic is never changed; every problem is said at once, with what to do about it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::clients;
use super::cluster::{Cluster, TopicConfigs};
use super::described::{Described, Right, Topics};
use super::rights;
use super::wanted::Need;
pub use super::wanted::{Report, TopicsError, Wanted};
use crate::config::{Config, InputKind};
use crate::trigger::plan::{Plan, Trigger};

/// A day: a changelog that is never compacted grows with traffic rather than with customers.
const COMPACTION_LAG_MS: &str = "86400000";
/// What is in the segment being written is never compacted, and a restore reads all of it.
const SEGMENT_BYTES: i32 = 16 * 1024 * 1024;
/// The cleaner waits until so large a part of the log is new; by default half, so that a restore reads every customer twice.
const DIRTY_RATIO: &str = "0.1";
/// What was written may be compacted at once: nobody reads the changelog but from its beginning.
const COMPACTION_LAG_MIN_MS: &str = "0";
/// A day.
const RETENTION_MIN_MS: i64 = 86_400_000;
/// Who says when a record was appended, and that it is the broker.
const TIMESTAMP: &str = "message.timestamp.type";
const STAMPED: &str = "LogAppendTime";
/// Key, headers and framing of a record.
const OVERHEAD_BYTES: i32 = 65_536;

/// Every topic that the configuration and the triggers name.
#[must_use]
pub fn wanted(config: &Config, plan: &Plan) -> Vec<Wanted> {
    let topics = &config.topics;
    let bytes = topics.record_bytes_max.saturating_add(OVERHEAD_BYTES);
    let out = |name: String, settings: &[(&'static str, &str)]| Wanted {
        name,
        copartitioned: false,
        optional: false,
        partitions: None,
        rights: &[Right::Write],
        settings: settings
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()))
            .chain([("max.message.bytes", bytes.to_string())])
            .collect(),
        needed: vec![Need::Bytes(bytes)],
    };
    let received = clients::receivable(config) - i64::from(OVERHEAD_BYTES);
    let retention = topics.retention.ms.to_string();
    let kept = |name: String| {
        out(
            name,
            &[("cleanup.policy", "delete"), ("retention.ms", &retention)],
        )
    };
    let input = |name: String| Wanted {
        name,
        copartitioned: true,
        optional: false,
        partitions: None,
        settings: vec![(TIMESTAMP, STAMPED.to_owned())],
        rights: &[Right::Read],
        needed: vec![Need::AppendTime, Need::Retained, Need::Received(received)],
    };
    let inputs = topics.inputs().into_iter();
    let mut all: Vec<Wanted> = inputs.map(|topic| input(topic.name)).collect();
    all.extend(of_everybody(config, input, kept));
    all.extend(between_tasks(config, bytes, kept));
    // A broker refuses a record that is larger than a segment.
    let segment_bytes = SEGMENT_BYTES.max(bytes);
    let compacted = compacted(segment_bytes);
    let compacted: Vec<_> = compacted
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let mut changelog = out(config.changelog(), &compacted);
    changelog.needed.push(Need::Compacted);
    changelog.needed.push(Need::CleanedSoon(segment_bytes));
    all.push(Wanted {
        copartitioned: true,
        rights: &[Right::Read, Right::Write],
        ..changelog
    });
    // Each commit tells what the brokers' clock says.
    let mut journal = kept(config.journal());
    journal.settings.push((TIMESTAMP, STAMPED.to_owned()));
    all.push(Wanted {
        copartitioned: true,
        rights: &[Right::Read, Right::Write],
        ..journal
    });
    // A replay needs the old sets, and a process the newest, however old.
    let forever = [("cleanup.policy", "delete"), ("retention.ms", "-1")];
    all.push(Wanted {
        partitions: Some(1),
        rights: &[Right::Read],
        ..out(config.control(), &forever)
    });
    let treatments = channels(plan).into_iter();
    let treatments = treatments.map(|channel| topics.treatments_of(channel));
    let others = [&topics.decisions, &topics.dead_letters, &topics.late_events].map(String::clone);
    all.extend(treatments.chain(others).map(kept));
    all.extend(reports(config, out));
    with_http(config, &mut all);
    all
}

/// The topic of figures, where there is to be one.
fn reports(
    config: &Config,
    out: impl Fn(String, &[(&'static str, &str)]) -> Wanted,
) -> Option<Wanted> {
    let name = Some(config.topics.reports.clone()).filter(|name| !name.is_empty());
    name.map(|name| {
        let mut topic = out(name, &[("cleanup.policy", "compact")]);
        topic.needed.push(Need::Compacted);
        Wanted {
            optional: true,
            ..topic
        }
    })
}

/// Who asks over HTTP is shown decisions, and whom she erases is told in the profile topic.
fn with_http(config: &Config, all: &mut [Wanted]) {
    let profile = config.topics.input(InputKind::Profile);
    let profile = profile
        .filter(|_| config.http.write)
        .map(|topic| topic.name);
    for topic in all {
        if topic.name == config.topics.decisions || Some(&topic.name) == profile.as_ref() {
            topic.rights = &[Right::Read, Right::Write];
        }
    }
}

fn channels(plan: &Plan) -> BTreeSet<&str> {
    let treatments = plan.triggers.iter().flat_map(Trigger::choices);
    treatments
        .map(|treatment| treatment.channel.as_str())
        .collect()
}

/// The topic between tasks. What is in it is nowhere else until it is read.
fn between_tasks(config: &Config, bytes: i32, kept: impl Fn(String) -> Wanted) -> Option<Wanted> {
    let wanted = |name| Wanted {
        copartitioned: true,
        rights: &[Right::Read, Right::Write],
        needed: vec![Need::Bytes(bytes), Need::Retained],
        ..kept(name)
    };
    config.identities().map(wanted)
}

/// The topics that tell what happened to everybody, those that bring rows, and the one to which that is copied.
fn of_everybody(
    config: &Config,
    input: impl Fn(String) -> Wanted,
    kept: impl Fn(String) -> Wanted,
) -> Vec<Wanted> {
    // They tell of no customer: any number of partitions will do.
    let told = config.topics.everybody.keys().map(|name| Wanted {
        copartitioned: false,
        ..input(name.clone())
    });
    let rows = config.topics.tables.iter().map(|name| {
        let topic = input(name.clone());
        let compacted = [("cleanup.policy", "compact".to_owned())];
        Wanted {
            copartitioned: false,
            settings: topic.settings.into_iter().chain(compacted).collect(),
            needed: vec![Need::Rows],
            ..topic
        }
    });
    let copies = config.broadcasts().map(|name| Wanted {
        copartitioned: true,
        rights: &[Right::Read, Right::Write],
        ..kept(name)
    });
    told.chain(rows).chain(copies).collect()
}

/// Creates what is missing, and says for each topic what was done.
///
/// # Errors
/// Where Kafka does not answer, or refuses.
pub fn create(config: &Config, plan: &Plan) -> Result<Vec<String>, TopicsError> {
    let kafka = Cluster::connect(config)?;
    let existing = kafka.partitions()?;
    let wanted = wanted(config, plan);
    // What exists says how many partitions there are; the configuration only where nothing does.
    let partitions = wanted
        .iter()
        .filter(|topic| topic.copartitioned)
        .find_map(|topic| existing.get(&topic.name).copied())
        .unwrap_or(config.topics.partitions);
    let mut said = Vec::new();
    let missing: Vec<&Wanted> = wanted
        .iter()
        .filter(|topic| !existing.contains_key(&topic.name))
        .collect();
    let results = kafka.create(&missing, partitions, config.topics.replication)?;
    for topic in &wanted {
        let line = match (existing.get(&topic.name), results.get(&topic.name)) {
            (Some(count), _) => {
                format!("{}: exists, {count} partitions, left as it is", topic.name)
            }
            (None, Some(Err(RDKafkaErrorCode::TopicAlreadyExists))) => {
                format!("{}: exists, left as it is", topic.name)
            }
            (None, Some(Err(code))) => {
                let error = KafkaError::AdminOp(*code);
                return Err(TopicsError::Kafka {
                    bootstrap: format!("{} ({})", config.kafka.bootstrap, topic.name),
                    error,
                });
            }
            (None, _) => {
                let count = topic.partitions.unwrap_or(partitions);
                let plural = if count == 1 { "" } else { "s" };
                let mut line = format!("{}: created, {count} partition{plural}", topic.name);
                for (name, value) in &topic.settings {
                    // Writing to a string does not fail.
                    let _ = write!(line, ", {name}={value}");
                }
                line
            }
        };
        said.push(line);
    }
    Ok(said)
}

/// The topics as they were found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Partitions of each of a task's topics.
    pub partitions: i32,
    /// Topics that come in and are compacted: not every record can be read again.
    pub compacted: Vec<String>,
    /// Whether there is a topic of reports.
    pub reports: bool,
    /// The id of each topic, where the brokers say it.
    pub ids: BTreeMap<String, u128>,
    /// What a person should know.
    pub warnings: Vec<String>,
}

/// Checks that the topics are as they must be.
///
/// # Errors
/// Everything that is wrong, at once.
pub fn check(config: &Config, plan: &Plan) -> Result<Found, TopicsError> {
    let kafka = Cluster::connect(config)?;
    let wanted = wanted(config, plan);
    let mut report = Report::default();
    let names: Vec<&str> = wanted.iter().map(|topic| topic.name.as_str()).collect();
    let described = kafka.described(&names)?;
    let there = described
        .iter()
        .filter_map(|(name, found)| Some((name, found.as_ref().ok()?)));
    let existing: BTreeMap<String, i32> = there
        .map(|(name, found)| (name.clone(), found.partitions))
        .collect();
    let missing = wanted.iter().filter(|it| !existing.contains_key(&it.name));
    let missing = missing.filter(|topic| topic.is_needed(&mut report));
    let missing: Vec<&str> = missing.map(|it| it.name.as_str()).collect();
    check_missing(missing.into_iter(), &wanted, &described, &mut report);
    check_rights(&wanted, &described, &mut report);
    let counts: Vec<(&str, i32)> = wanted
        .iter()
        .filter(|topic| topic.copartitioned)
        .filter_map(|topic| Some((topic.name.as_str(), *existing.get(&topic.name)?)))
        .collect();
    check_partitions(&wanted, &existing, &counts, &mut report);
    let partitions = counts.first().map_or(0, |(_, count)| *count);
    let found: Vec<&Wanted> = wanted
        .iter()
        .filter(|topic| existing.contains_key(&topic.name))
        .collect();
    let mut compacted = Vec::new();
    match kafka.settings(&found) {
        Ok((settings, untold)) => {
            compacted = compacted_inputs(config, &settings);
            for topic in untold {
                report.problems.push(format!(
                    "{topic}: this process lacks the right DescribeConfigs on it, so that its settings cannot be checked. `moments topics acls` \
                     prints every right that it needs"
                ));
            }
            for topic in found
                .into_iter()
                .filter(|topic| settings.contains_key(&topic.name))
            {
                for need in &topic.needed {
                    need.check(&topic.name, &settings, &config.kafka.bootstrap, &mut report);
                }
            }
        }
        Err(error) => report.warnings.push(format!(
            "the settings of the topics cannot be read ({error}), and were not checked"
        )),
    }
    let input = wanted.iter().find(|topic| topic.copartitioned);
    let lacking = rights::lacking(config, input.map_or("", |topic| &topic.name));
    for lacking in lacking.map_err(|error| kafka.failed(error))? {
        let advice = "`moments topics acls` prints every right that it needs";
        report.problems.push(format!("{lacking}. {advice}"));
    }
    if report.problems.is_empty() {
        Ok(Found {
            partitions,
            compacted,
            reports: existing.contains_key(&config.topics.reports),
            ids: ids(&described),
            warnings: report.warnings,
        })
    } else {
        Err(TopicsError::Unfit(report))
    }
}

/// What is not there, or not to be seen.
fn check_missing<'a>(
    names: impl Iterator<Item = &'a str>,
    wanted: &[Wanted],
    described: &Topics,
    report: &mut Report,
) {
    let denied = RDKafkaErrorCode::TopicAuthorizationFailed;
    let (unseen, missing): (Vec<&str>, Vec<&str>) =
        names.partition(|name| matches!(described.get(*name), Some(Err(code)) if *code == denied));
    if !unseen.is_empty() {
        let rights = |name: &str| {
            let topic = wanted.iter().find(|topic| topic.name == name);
            let rights = topic.map_or(&[][..], |topic| topic.rights);
            rights.iter().map(|right| right.word()).collect::<Vec<_>>()
        };
        let shown: Vec<String> = unseen
            .iter()
            .map(|name| format!("{name} ({})", rights(name).join(", ")))
            .collect();
        report.problems.push(format!(
            "not to be seen: {}. They are missing, or this process lacks every right on them, of which it needs those in brackets. \
             `moments topics acls` prints all that it needs",
            shown.join(", ")
        ));
    }
    if !missing.is_empty() {
        report.problems.push(format!(
            "missing: {}. `moments topics create` makes them",
            missing.join(", ")
        ));
    }
}

/// Partition p of every topic holds the same customers. `counts`: those of the topics that must have as many.
fn check_partitions(
    wanted: &[Wanted],
    existing: &BTreeMap<String, i32>,
    counts: &[(&str, i32)],
    report: &mut Report,
) {
    for topic in wanted {
        let found = existing.get(&topic.name);
        if let (Some(wanted), Some(found)) = (topic.partitions, found)
            && wanted != *found
        {
            report.problems.push(format!(
                "{} has {found} partitions and must have {wanted}, for its records stand in one order. Make it anew",
                topic.name
            ));
        }
    }
    let partitions = counts.first().map_or(0, |(_, count)| *count);
    if counts.iter().any(|(_, count)| *count != partitions) {
        let shown: Vec<String> = counts
            .iter()
            .map(|(name, count)| format!("{name} has {count}"))
            .collect();
        report.problems.push(format!(
            "the numbers of partitions differ: {}. Partition p of every topic holds the same customers, so all must have as many: \
             make new topics of one size and move the events over, keyed by customer",
            shown.join(", ")
        ));
    }
}

/// What this process may not do though it has to.
fn check_rights(wanted: &[Wanted], described: &Topics, report: &mut Report) {
    for topic in wanted {
        let Some(Ok(Described {
            rights: Some(rights),
            ..
        })) = described.get(&topic.name)
        else {
            continue;
        };
        for right in topic.rights.iter().filter(|right| !rights.contains(right)) {
            report.problems.push(format!(
                "{}: this process lacks the right {} on it. `moments topics acls` prints every right that it needs",
                topic.name,
                right.word()
            ));
        }
    }
}

fn ids(described: &Topics) -> BTreeMap<String, u128> {
    let found = described
        .iter()
        .filter_map(|(name, found)| Some((name, found.as_ref().ok()?.id)));
    let known = found.filter(|(_, id)| *id != 0);
    known.map(|(name, id)| (name.clone(), id)).collect()
}

/// The commands that give this process the rights it needs, and no more: to read and write its topics, as a member of its group and by
/// its transactional ids.
#[must_use]
pub fn acls(config: &Config, plan: &Plan, principal: &str) -> Vec<String> {
    let id = &config.application.id;
    let add = |operations: &[&str], on: &str| {
        let operations: Vec<String> = operations
            .iter()
            .map(|it| format!("--operation {it}"))
            .collect();
        format!(
            "kafka-acls --bootstrap-server {} --add --allow-principal {principal} {} {on}",
            config.kafka.bootstrap,
            operations.join(" ")
        )
    };
    let mut all = Vec::new();
    for topic in wanted(config, plan) {
        // Either of them lets it be seen, too. Its settings are looked at when the process starts.
        let mut operations: Vec<&str> = topic.rights.iter().map(|right| right.word()).collect();
        operations.push("DescribeConfigs");
        all.push(add(&operations, &format!("--topic {}", topic.name)));
    }
    all.push(add(&["Read"], &format!("--group {id}")));
    if config.broadcasts().is_some() {
        all.push(add(&["Read"], &format!("--group {id}-broadcasts")));
    }
    all.push(add(
        &["Write"],
        &format!("--transactional-id {id}- --resource-pattern-type prefixed"),
    ));
    if !config.send.channels.is_empty() {
        all.extend(senders(config).map(|(operation, on)| add(&[operation], &on)));
    }
    all
}

/// What `moments send` may do, and on what: read its channels as a member of their groups, and report in transactions.
fn senders(config: &Config) -> impl Iterator<Item = (&'static str, String)> {
    let channels = config.send.channels.keys();
    let read = channels.map(|channel| {
        let topic = config.topics.treatments_of(channel);
        ("Read", format!("--topic {topic}"))
    });
    let outcomes = config.topics.input(InputKind::Outcomes);
    let report = outcomes.map(|topic| ("Write", format!("--topic {}", topic.name)));
    let prefix = config.send_group();
    let prefixed = [("Read", "--group"), ("Write", "--transactional-id")];
    let prefixed = prefixed.map(|(operation, kind)| {
        (
            operation,
            format!("{kind} {prefix}- --resource-pattern-type prefixed"),
        )
    });
    read.chain(report).chain(prefixed)
}

/// The topics that come in and are compacted.
fn compacted_inputs(config: &Config, settings: &TopicConfigs) -> Vec<String> {
    let is_compacted = |topic: &String| {
        let found = settings.get(topic);
        let policy = found.and_then(|all| all.get("cleanup.policy"));
        policy.is_some_and(|policy| policy.contains("compact"))
    };
    let taken = config.taken().into_iter().map(|topic| topic.name);
    taken.filter(is_compacted).collect()
}

/// Settings of the changelog.
fn compacted(segment_bytes: i32) -> Vec<(&'static str, String)> {
    let mut settings = vec![
        ("cleanup.policy", "compact".to_owned()),
        ("max.compaction.lag.ms", COMPACTION_LAG_MS.to_owned()),
    ];
    settings.extend(cleaned_soon(segment_bytes));
    settings
}

/// Settings by which a log of segments of so many bytes is little longer than its keys are many.
fn cleaned_soon(segment_bytes: i32) -> [(&'static str, String); 3] {
    [
        ("min.compaction.lag.ms", COMPACTION_LAG_MIN_MS.to_owned()),
        ("min.cleanable.dirty.ratio", DIRTY_RATIO.to_owned()),
        ("segment.bytes", segment_bytes.to_string()),
    ]
}

impl Need {
    /// `bootstrap`: where the command that is advised finds brokers.
    fn check(self, topic: &str, settings: &TopicConfigs, bootstrap: &str, report: &mut Report) {
        if self != Self::Rows {
            self.check_other(topic, settings, bootstrap, report);
            return;
        }
        let policy = settings
            .get(topic)
            .and_then(|all| all.get("cleanup.policy"));
        let policy = policy.map_or("", String::as_str);
        if !policy.contains("compact") {
            report.warnings.push(format!(
                "{topic}: cleanup.policy is `{policy}`, so that rows are deleted by age, and an application that begins later never has \
                 them. Set it to compact: {}",
                alter(bootstrap, topic, "cleanup.policy=compact")
            ));
        }
    }

    fn check_other(
        self,
        topic: &str,
        settings: &TopicConfigs,
        bootstrap: &str,
        report: &mut Report,
    ) {
        let value = |name: &str| {
            let found = settings.get(topic).and_then(|all| all.get(name));
            found.map_or("", String::as_str)
        };
        let number = |name: &str| value(name).parse::<i64>().unwrap_or(i64::MAX);
        let set = |setting: &str| alter(bootstrap, topic, setting);
        match self {
            Self::Compacted if value("cleanup.policy") != "compact" => {
                report.problems.push(format!(
                    "{topic}: cleanup.policy is `{}`, so that the state of customers would be deleted by age. Set it to compact: {}",
                    value("cleanup.policy"),
                    set("cleanup.policy=compact")
                ));
            }
            Self::Bytes(bytes) if number("segment.bytes") < i64::from(bytes) => {
                report.problems.push(format!(
                    "{topic}: segment.bytes is {}, so that a large record would stop a task. Set it to {bytes} or more: {}",
                    value("segment.bytes"),
                    set(&format!("segment.bytes={bytes}"))
                ));
            }
            Self::CleanedSoon(bytes) => {
                let other: Vec<String> = cleaned_soon(bytes)
                    .into_iter()
                    .filter(|(name, most)| {
                        let known = value(name).parse::<f64>();
                        known.is_ok_and(|found| most.parse().is_ok_and(|most: f64| found > most))
                    })
                    .map(|(name, most)| format!("{name}={most}"))
                    .collect();
                if !other.is_empty() {
                    report.warnings.push(format!(
                        "{topic}: it is compacted late, so that restoring a task reads every customer many times over. Set what is \
                         less: {}",
                        set(&other.join(","))
                    ));
                }
            }
            Self::Bytes(bytes) if number("max.message.bytes") < i64::from(bytes) => {
                report.problems.push(format!(
                    "{topic}: max.message.bytes is {}, so that a large record would stop a task. Set it to {bytes}: {}",
                    value("max.message.bytes"),
                    set(&format!("max.message.bytes={bytes}"))
                ));
            }
            Self::AppendTime if value(TIMESTAMP) == "CreateTime" => {
                report.warnings.push(format!(
                    "{topic}: message.timestamp.type is CreateTime: where its producers set the event's time, silence leads time \
                     to the present at once, and latency cannot be measured. LogAppendTime is better: {}",
                    set(&format!("{TIMESTAMP}={STAMPED}"))
                ));
            }
            Self::Received(most) if (most..i64::MAX).contains(&number("max.message.bytes")) => {
                report.problems.push(format!(
                    "{topic}: max.message.bytes is {}, more than this process receives, so that one record could stop the topic. Set it to \
                     {most} or less: {}; or set receive.message.max.bytes in [kafka.consumer] to more than it",
                    value("max.message.bytes"),
                    set(&format!("max.message.bytes={most}"))
                ));
            }
            Self::Retained if (0..RETENTION_MIN_MS).contains(&number("retention.ms")) => {
                report.warnings.push(format!(
                    "{topic}: retention.ms is {}, less than a day: an outage as long loses events, and the task then does not start. Keep \
                     them for longer: {}",
                    value("retention.ms"),
                    set("retention.ms=604800000")
                ));
            }
            _ => {}
        }
    }
}

/// The command that sets a topic.
pub(crate) fn alter(bootstrap: &str, topic: &str, setting: &str) -> String {
    format!(
        "`kafka-configs --bootstrap-server {bootstrap} --alter --topic {topic} --add-config {setting}`"
    )
}
