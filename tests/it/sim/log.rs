//! The log: topics, partitions, transactions with fencing, and what each kind of reader sees of them.
//!
//! It must stay true to Kafka in what a client can observe: a control record takes an offset; a reader of committed records
//! stops at the last stable offset and passes what was aborted; `init` fences the older epoch and aborts what it had
//! open; offsets sent in a transaction appear with its commit and are checked against the group when they are sent; what is decided
//! of a transaction is written to each partition and to the group one after the other, and a producer waits for that before its next.

use super::group::{Group, Membership};
use super::partition::{Content, Entry, Partition};
use std::collections::BTreeMap;
use std::ops::Range;

/// A position in a partition.
pub type Offset = i64;

/// One partition of one topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    pub topic: String,
    pub partition: usize,
}

/// A place by topic name and partition number.
pub fn place(topic: &str, partition: usize) -> Place {
    Place {
        topic: topic.to_owned(),
        partition,
    }
}

/// What a producer appends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, Vec<u8>)>,
    /// When it was appended, milliseconds.
    pub appended: i64,
}

/// Why a call was refused, or that nobody knows whether it was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Somebody initialised the same transactional id after this producer did.
    Fenced,
    /// The group has a later generation than the one given.
    IllegalGeneration,
    /// The group does not know the member (any more).
    UnknownMember,
    /// There is no transaction to do this in, or already one.
    InvalidState,
    /// No answer came: the commit may have been carried out, or not.
    TimedOut,
    /// A transaction that is still open holds an offset for this place.
    Unstable,
}

/// A producer's claim on its transactional id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Producer {
    id: String,
    epoch: u32,
}

/// What becomes of a commit request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Carried out and answered.
    Answered,
    /// Carried out; the answer is lost.
    AnswerLost,
    /// Lost on its way: the transaction stays open until it is fenced or expires.
    RequestLost,
}

/// What a reader got, and where it reads on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    pub records: Vec<(Offset, Record)>,
    pub position: Offset,
}

#[derive(Debug, Default)]
struct Identity {
    epoch: u32,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    serial: u64,
    /// The first offset in each partition it wrote to.
    first: BTreeMap<Place, Offset>,
    offsets: BTreeMap<(String, Place), Offset>,
}

/// A transaction that is decided, but not everywhere yet.
#[derive(Debug)]
struct Deciding {
    id: String,
    open: Open,
    commit: bool,
}

/// The whole cluster.
#[derive(Debug, Default)]
pub struct Log {
    partitions: BTreeMap<Place, Partition>,
    identities: BTreeMap<String, Identity>,
    /// Whether a finished transaction was committed; one that is still open is not in it.
    finished: BTreeMap<u64, bool>,
    serial: u64,
    groups: BTreeMap<String, Group>,
    deciding: Vec<Deciding>,
    /// What the ids begin with whose decisions take their time.
    pub hesitates: Vec<&'static str>,
}

impl Log {
    /// Creates a topic; its name must be new.
    pub fn create(&mut self, topic: &str, partitions: usize) {
        for partition in 0..partitions {
            let before = self
                .partitions
                .insert(place(topic, partition), Partition::default());
            assert!(before.is_none(), "topic {topic} exists");
        }
    }

    /// The group of this name, made when it is first asked for.
    pub fn group(&mut self, name: &str) -> &mut Group {
        self.groups.entry(name.to_owned()).or_default()
    }

    /// Appends outside any transaction.
    pub fn append(&mut self, place: &Place, record: Record) -> Offset {
        self.partition(place).push(Content::Data(record), None)
    }

    // Transactions, in the order they are called.

    /// Claims a transactional id: older producers of that id are fenced, and what they had open is aborted.
    pub fn init(&mut self, id: &str) -> Producer {
        self.finish(id, false);
        self.decide_all(id);
        let identity = self.identities.entry(id.to_owned()).or_default();
        identity.epoch += 1;
        Producer {
            id: id.to_owned(),
            epoch: identity.epoch,
        }
    }

    /// Opens a transaction. As in Kafka, the cluster learns of it with the first record or offset.
    pub fn begin(&mut self, producer: &Producer) -> Result<(), Fault> {
        self.serial += 1;
        let open = Open {
            serial: self.serial,
            first: BTreeMap::new(),
            offsets: BTreeMap::new(),
        };
        if self.claimed(producer)?.open.is_some() {
            return Err(Fault::InvalidState);
        }
        self.decide_all(&producer.id);
        self.claimed(producer)?.open = Some(open);
        Ok(())
    }

    /// Appends in the open transaction.
    pub fn send(
        &mut self,
        producer: &Producer,
        place: &Place,
        record: Record,
    ) -> Result<Offset, Fault> {
        let serial = self.opened(producer)?.serial;
        let offset = self
            .partition(place)
            .push(Content::Data(record), Some(serial));
        self.opened(producer)?
            .first
            .entry(place.clone())
            .or_insert(offset);
        Ok(offset)
    }

    /// Adds consumed offsets to the open transaction, if the group still knows the member in that generation.
    pub fn send_offsets(
        &mut self,
        producer: &Producer,
        group: &str,
        membership: &Membership,
        offsets: &[(Place, Offset)],
    ) -> Result<(), Fault> {
        self.opened(producer)?;
        self.group(group).check(membership)?;
        let open = self.opened(producer)?;
        for (place, offset) in offsets {
            open.offsets
                .insert((group.to_owned(), place.clone()), *offset);
        }
        Ok(())
    }

    /// Commits the open transaction, as far as the fate allows.
    pub fn commit(&mut self, producer: &Producer, fate: Fate) -> Result<(), Fault> {
        if fate == Fate::RequestLost {
            return Err(Fault::TimedOut);
        }
        self.opened(producer)?;
        self.finish(&producer.id, true);
        if fate == Fate::Answered {
            Ok(())
        } else {
            Err(Fault::TimedOut)
        }
    }

    /// Aborts the open transaction.
    pub fn abort(&mut self, producer: &Producer) -> Result<(), Fault> {
        self.opened(producer)?;
        self.finish(&producer.id, false);
        Ok(())
    }

    /// The transaction was open for too long: the cluster aborts it and fences its producer.
    pub fn expire(&mut self, id: &str) {
        self.init(id);
    }

    /// The transactional ids that have a transaction open.
    pub fn open_ids(&self) -> Vec<String> {
        let open = self.identities.iter();
        open.filter(|(_, identity)| identity.open.is_some())
            .map(|(id, _)| id.clone())
            .collect()
    }

    /// Whether no transaction is open, and each that was is decided everywhere.
    pub fn is_decided(&self) -> bool {
        self.undecided().next().is_none()
    }

    /// What is decided of a transaction is written to one more place, or to the group; `which` is any number.
    pub fn decide(&mut self, which: usize) {
        if self.deciding.is_empty() {
            return;
        }
        let number = which % self.deciding.len();
        let Deciding { open, commit, .. } = &mut self.deciding[number];
        let (commit, serial) = (*commit, open.serial);
        let parts = open.first.len() + usize::from(!open.offsets.is_empty());
        let place = open.first.keys().nth(which / 7 % parts.max(1)).cloned();
        let offsets = match &place {
            Some(place) => {
                open.first.remove(place);
                BTreeMap::new()
            }
            None => std::mem::take(&mut open.offsets),
        };
        if open.first.is_empty() && open.offsets.is_empty() {
            self.deciding.remove(number);
        }
        if let Some(place) = place {
            self.partition(&place).push(Content::Control, Some(serial));
        }
        for ((group, place), offset) in offsets.into_iter().filter(|_| commit) {
            self.group(&group).committed.insert(place, offset);
        }
    }

    // Reading.

    /// The end as a reader of uncommitted records is told it.
    pub fn end(&self, place: &Place) -> Offset {
        self.partitions[place].end
    }

    /// The last stable offset: below it every transaction is finished. It is the end that a reader of committed records is told.
    pub fn stable_end(&self, place: &Place) -> Offset {
        let first = self.undecided().filter_map(|open| open.first.get(place));
        let first = first.min();
        first.copied().unwrap_or_else(|| self.end(place))
    }

    /// At most `max` committed records from an offset on.
    pub fn read_committed(&self, place: &Place, from: Offset, max: usize) -> Read {
        self.read(place, from..self.stable_end(place), max, |entry| {
            self.is_committed(entry)
        })
    }

    /// At most `max` records from an offset on, whatever becomes of them.
    pub fn read_uncommitted(&self, place: &Place, from: Offset, max: usize) -> Read {
        self.read(place, from..self.end(place), max, |_| true)
    }

    fn read(
        &self,
        place: &Place,
        Range {
            start: from,
            end: until,
        }: Range<Offset>,
        max: usize,
        is_seen: impl Fn(&Entry) -> bool,
    ) -> Read {
        let mut read = Read {
            records: Vec::new(),
            position: from,
        };
        for (&offset, entry) in self.partitions[place].entries.range(from..until.max(from)) {
            if read.records.len() == max {
                return read;
            }
            read.position = offset + 1;
            if let Content::Data(record) = &entry.content
                && is_seen(entry)
            {
                read.records.push((offset, record.clone()));
            }
        }
        read.position = read.position.max(until);
        read
    }

    /// All committed records of a place.
    pub fn committed_records(&self, place: &Place) -> Vec<(Offset, Record)> {
        self.read_committed(place, 0, usize::MAX).records
    }

    /// The offset a group has committed for a place; while a transaction holds one, there is no answer.
    pub fn committed_offset(
        &mut self,
        group: &str,
        place: &Place,
    ) -> Result<Option<Offset>, Fault> {
        let key = (group.to_owned(), place.clone());
        if self.undecided().any(|open| open.offsets.contains_key(&key)) {
            return Err(Fault::Unstable);
        }
        Ok(self.group(group).committed.get(place).copied())
    }

    /// Compacts a partition below `until`: of each key the last committed record stays; with `tombstones` those go too.
    pub fn compact(&mut self, place: &Place, until: Offset, tombstones: bool) {
        let until = until.min(self.stable_end(place));
        let finished = self.finished.clone();
        let committed = |serial: u64| finished.get(&serial) == Some(&true);
        self.partition(place).compact(until, tombstones, &committed);
    }

    /// What a reader of committed records must wait for.
    fn undecided(&self) -> impl Iterator<Item = &Open> {
        let open = self
            .identities
            .values()
            .filter_map(|identity| identity.open.as_ref());
        open.chain(self.deciding.iter().map(|deciding| &deciding.open))
    }

    /// What is decided of an id's transactions is written everywhere.
    fn decide_all(&mut self, id: &str) {
        while let Some(number) = self.deciding.iter().position(|deciding| deciding.id == id) {
            self.decide(number);
        }
    }

    fn is_committed(&self, entry: &Entry) -> bool {
        entry.is_committed(&|serial| self.finished.get(&serial) == Some(&true))
    }

    fn partition(&mut self, place: &Place) -> &mut Partition {
        self.partitions
            .get_mut(place)
            .unwrap_or_else(|| panic!("no such partition: {place:?}"))
    }

    fn claimed(&mut self, producer: &Producer) -> Result<&mut Identity, Fault> {
        let identity = self.identities.get_mut(&producer.id).expect("initialised");
        if identity.epoch == producer.epoch {
            Ok(identity)
        } else {
            Err(Fault::Fenced)
        }
    }

    fn opened(&mut self, producer: &Producer) -> Result<&mut Open, Fault> {
        self.claimed(producer)?
            .open
            .as_mut()
            .ok_or(Fault::InvalidState)
    }

    fn finish(&mut self, id: &str, commit: bool) {
        let Some(open) = self
            .identities
            .get_mut(id)
            .and_then(|identity| identity.open.take())
        else {
            return;
        };
        self.finished.insert(open.serial, commit);
        self.deciding.push(Deciding {
            id: id.to_owned(),
            open,
            commit,
        });
        if !self.hesitates.iter().any(|start| id.starts_with(start)) {
            self.decide_all(id);
        }
    }
}
