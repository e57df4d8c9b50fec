//! The task's own record in the changelog: where it stands, committed with everything else that a transaction changes.
//!
//! Its offsets rule; the group's fence and inform ([`compare`]). Version 1 is a byte 1 and the record in postcard; version 2 is a
//! byte 2, the same, and what is [unfinished](Unfinished); version 3 that, and the [window](Window); version 4, which is written, that,
//! the window where there is one, and what is known [beyond](Beyond). A newer version is refused: it knows something that this program
//! does not.

use super::count::Count;
use super::lead::Lead;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The key of the task record. No customer id has control characters.
pub const KEY: &[u8] = b"\0task";

const VERSION: u8 = 4;
/// Of a build in whose time nothing was unfinished, and everybody was written.
const FINISHED: u8 = 1;
/// Of one in whose time everybody was.
const WRITTEN: u8 = 2;
/// Of one that knew nothing beyond that.
const WINDOWED: u8 = 3;

/// Where a task stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskRecord {
    /// How many transactions were committed.
    pub transaction: u64,
    /// The revision of the triggers in the last of them; with a `*` behind it where not every customer has gone over to it yet.
    pub revision: String,
    /// The last clock reading.
    pub now: Timestamp,
    /// The task's watermark.
    pub watermark: Timestamp,
    /// By topic name. A topic that is no longer read keeps its entry, and is read on from there if it comes back.
    pub topics: BTreeMap<String, TopicRecord>,
    /// How many events, duplicates and so on there were, from the beginning.
    pub tallies: BTreeMap<Count, u64>,
    /// What was under way, and is gone on with before anything else.
    #[serde(skip)]
    pub unfinished: Unfinished,
    /// The transactions to be taken again by who restores; none where every customer is written.
    #[serde(skip)]
    pub window: Option<Window>,
    /// What builds did not know at first; none of one of them.
    #[serde(skip)]
    pub beyond: Option<Beyond>,
}

/// What builds did not know at first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beyond {
    /// Whose time runs ahead.
    pub lead: Lead,
    /// The id that Kafka gave each topic when it was created, by name, where it says it.
    pub ids: BTreeMap<String, u128>,
}

/// Where taking again begins: how things stood before a transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// The number of the transaction. Some of the customers that it or a later one changed are not written.
    pub from: u64,
    /// Its line stands in the task's partition of the journal at this offset or after it.
    pub journal: i64,
    /// The watermark before it.
    pub watermark: Timestamp,
    /// By topic name, the offset from which on it took; none of a topic that nothing was read of.
    pub offsets: BTreeMap<String, i64>,
}

/// What takes more than one transaction.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unfinished {
    /// Where time was moving to.
    pub moving_to: Option<Timestamp>,
    /// Work on everybody, in slices: the number of the next customer, in byte order of ids.
    pub sweeps: BTreeMap<Sweep, u64>,
}

/// What is done with everybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Sweep {
    /// They go over to the triggers of the record's revision.
    Adoption,
    /// They are shown the next record of those that tell what happened to everybody.
    Broadcast,
}

/// Where a topic stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicRecord {
    /// The offset to read on from; none where nothing was read yet.
    pub offset: Option<i64>,
    /// The largest event time seen that moved time.
    pub seen: Option<Timestamp>,
    /// The last record that moved time.
    pub last: Option<Last>,
}

/// The two times of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Last {
    /// When it was appended.
    pub appended: Timestamp,
    /// When what it tells of happened.
    pub time: Timestamp,
}

/// Why a task record cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Written by a newer program.
    #[error(
        "the task record has version {0}, this program knows versions up to {VERSION}: run the newer program"
    )]
    Newer(u8),
    /// Not a task record at all.
    #[error("the task record is broken: {0}")]
    Broken(String),
}

impl Default for TaskRecord {
    fn default() -> Self {
        Self {
            transaction: 0,
            revision: String::new(),
            now: Timestamp::MIN,
            watermark: Timestamp::MIN,
            topics: BTreeMap::new(),
            tallies: BTreeMap::new(),
            unfinished: Unfinished::default(),
            window: None,
            beyond: None,
        }
    }
}

impl TaskRecord {
    /// The value of the changelog record.
    #[must_use]
    pub fn pack(&self) -> Vec<u8> {
        const PLAIN: &str = "plain data into memory";
        let nothing = Beyond::default();
        let beyond = self.beyond.as_ref().unwrap_or(&nothing);
        let packed = postcard::to_extend(self, vec![VERSION]).expect(PLAIN);
        postcard::to_extend(&(&self.unfinished, &self.window, beyond), packed).expect(PLAIN)
    }

    /// Reads the value of a changelog record.
    ///
    /// # Errors
    /// A newer version, or bytes that are no task record.
    pub fn unpack(bytes: &[u8]) -> Result<Self, RecordError> {
        let broken = |error: postcard::Error| RecordError::Broken(error.to_string());
        match bytes.split_first() {
            Some((&version @ FINISHED..=VERSION, rest)) => {
                let (mut record, rest): (Self, _) =
                    postcard::take_from_bytes(rest).map_err(broken)?;
                match version {
                    FINISHED => {}
                    WRITTEN => record.unfinished = postcard::from_bytes(rest).map_err(broken)?,
                    WINDOWED => {
                        let windowed = postcard::from_bytes(rest).map_err(broken)?;
                        let window;
                        (record.unfinished, window) = windowed;
                        record.window = Some(window);
                    }
                    _ => {
                        let beyond;
                        (record.unfinished, record.window, beyond) =
                            postcard::from_bytes(rest).map_err(broken)?;
                        record.beyond = Some(beyond);
                    }
                }
                Ok(record)
            }
            Some((&version, _)) if version > VERSION => Err(RecordError::Newer(version)),
            _ => Err(RecordError::Broken("no version".to_owned())),
        }
    }

    /// Where to read a topic on from.
    #[must_use]
    pub fn offset(&self, topic: &str) -> Option<i64> {
        self.topics.get(topic)?.offset
    }
}

/// What the group's offsets say of a task record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Agreement {
    /// The same.
    Agreed,
    /// Of these topics the group has no offset any more, though the task does; the rest is the same. Kafka drops the offsets
    /// of a group that was empty for `offsets.retention.minutes`; the task record stays, and rules.
    Expired(Vec<String>),
    /// Somebody committed or reset offsets without the task's state.
    Disagreed(Disagreement),
}

/// Where the group and the task record contradict each other.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("topic {topic}: the group's offset is {group}, {}", self.advice())]
pub struct Disagreement {
    /// The topic.
    pub topic: String,
    /// The group's offset.
    pub group: i64,
    /// The task record's; none where it has none for this topic.
    pub task: Option<i64>,
    /// Whether there is no task record at all.
    pub no_record: bool,
}

impl Disagreement {
    fn advice(&self) -> String {
        match self.task {
            Some(task) => format!(
                "but the state in the changelog goes up to offset {task}. Treating on from either would lose or repeat \
                 events. With every process stopped, set the group back to what the state says: kafka-consumer-groups \
                 --reset-offsets --to-offset {task} --topic {}:PARTITION --execute",
                self.topic
            ),
            None if self.no_record => "but the changelog holds no state for it: it was emptied, or belongs to another \
                 application id. Restore the changelog; or, to begin afresh and decide everything again, stop every \
                 process and delete the group: kafka-consumer-groups --delete"
                .to_owned(),
            None => format!(
                "but the state in the changelog has never read this topic. Somebody else commits offsets for this group. \
                 With every process stopped, delete that offset: kafka-consumer-groups --delete-offsets --topic {}",
                self.topic
            ),
        }
    }
}

/// Compares the group's offsets, by topic, with the task record, where there is one.
#[must_use]
pub fn compare(record: Option<&TaskRecord>, group: &[(&str, Option<i64>)]) -> Agreement {
    let mut expired = Vec::new();
    for (topic, offset) in group {
        let task = record.and_then(|record| record.offset(topic));
        match (task, *offset) {
            (task, Some(group)) if task != Some(group) => {
                let no_record = record.is_none();
                return Agreement::Disagreed(Disagreement {
                    topic: (*topic).to_owned(),
                    group,
                    task,
                    no_record,
                });
            }
            (Some(_), None) => expired.push((*topic).to_owned()),
            _ => {}
        }
    }
    if expired.is_empty() {
        Agreement::Agreed
    } else {
        Agreement::Expired(expired)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(cart: Option<i64>) -> TaskRecord {
        let last = Some(Last {
            appended: Timestamp(9),
            time: Timestamp(8),
        });
        let cart = TopicRecord {
            offset: cart,
            seen: Some(Timestamp(8)),
            last,
        };
        TaskRecord {
            transaction: 3,
            revision: "r1".to_owned(),
            topics: BTreeMap::from([("cart".to_owned(), cart)]),
            tallies: BTreeMap::from([(Count::Events, 12)]),
            ..TaskRecord::default()
        }
    }

    #[test]
    fn a_record_comes_back_as_it_was() {
        let finished = record(Some(7));
        let unfinished = Unfinished {
            moving_to: Some(Timestamp(9)),
            sweeps: BTreeMap::from([(Sweep::Adoption, 4_096), (Sweep::Broadcast, 9)]),
        };
        let halfway = TaskRecord {
            unfinished,
            ..finished.clone()
        };
        let window = Window {
            from: 2,
            journal: 40,
            watermark: Timestamp(3),
            offsets: BTreeMap::from([("cart".to_owned(), 5)]),
        };
        let kept = TaskRecord {
            window: Some(window),
            ..finished.clone()
        };
        for mut record in [finished, halfway, kept] {
            record.beyond = Some(Beyond::default());
            assert_eq!(TaskRecord::unpack(&record.pack()), Ok(record));
        }
    }

    #[test]
    fn what_is_no_record_is_refused() {
        let mut newer = record(None).pack();
        newer[0] = 5;
        assert_eq!(TaskRecord::unpack(&newer), Err(RecordError::Newer(5)));
        let mut cut_off = record(None).pack();
        cut_off.truncate(cut_off.len() - 1);
        for broken in [&[][..], &[0, 1], &[1, 255], &cut_off] {
            assert!(
                matches!(TaskRecord::unpack(broken), Err(RecordError::Broken(_))),
                "{broken:?}"
            );
        }
    }

    #[test]
    fn the_record_rules_and_the_group_informs() {
        let table = [
            ("the very first start", None, None, "agreed"),
            ("the same", Some(record(Some(7))), Some(7), "agreed"),
            ("nothing read yet", Some(record(None)), None, "agreed"),
            (
                "the group's expired",
                Some(record(Some(7))),
                None,
                "expired cart",
            ),
            (
                "the group is ahead",
                Some(record(Some(7))),
                Some(9),
                "--to-offset 7 --topic cart",
            ),
            (
                "the group is behind",
                Some(record(Some(7))),
                Some(5),
                "--to-offset 7 --topic cart",
            ),
            ("the changelog was emptied", None, Some(5), "--delete"),
            (
                "somebody else commits",
                Some(record(None)),
                Some(5),
                "--delete-offsets --topic cart",
            ),
        ];
        for (what, record, group, expected) in table {
            let said = match compare(record.as_ref(), &[("cart", group)]) {
                Agreement::Agreed => "agreed".to_owned(),
                Agreement::Expired(topics) => format!("expired {}", topics.join(" ")),
                Agreement::Disagreed(disagreement) => disagreement.to_string(),
            };
            assert!(said.contains(expected), "{what}: {said}");
        }
    }
}
