//! A consumer group: members, generations, the range assignment, and committed offsets.
//!
//! It must stay true to the classic protocol: a change of members asks everybody to join again; the generation rises only
//! when all have, so until then the old generation may still commit, and afterwards it is refused.

use super::log::{Fault, Offset, Place, place};
use std::collections::{BTreeMap, BTreeSet};

/// Who somebody is in a group, as taken at the assignment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Membership {
    pub member: String,
    pub generation: i32,
}

impl Membership {
    /// Of who does not say who it is; the group lets its transactions through, as those of producers before Kafka 2.5.
    pub fn nobody() -> Self {
        Self {
            member: String::new(),
            generation: -1,
        }
    }
}

/// What a member learns when it asks the group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Beat {
    /// It owns these partitions in this generation.
    Stable {
        generation: i32,
        places: BTreeSet<Place>,
    },
    /// It should give up what it owns and join again (or has, and waits for the others).
    Rebalancing { joined: bool },
    /// The group does not know it: whatever it owned is lost.
    Unknown,
}

#[derive(Debug, Default)]
struct Member {
    joined: bool,
    places: BTreeSet<Place>,
}

/// One group. Every member subscribes to the same topics.
#[derive(Debug, Default)]
pub struct Group {
    generation: i32,
    rebalancing: bool,
    members: BTreeMap<String, Member>,
    topics: BTreeMap<String, usize>,
    /// Committed offsets.
    pub committed: BTreeMap<Place, Offset>,
}

impl Group {
    /// Says which topics the members subscribe to, and how many partitions each has.
    pub fn subscribe(&mut self, topics: &[(&str, usize)]) {
        self.topics = topics
            .iter()
            .map(|(topic, partitions)| ((*topic).to_owned(), *partitions))
            .collect();
    }

    /// A member joins, for the first time or again.
    pub fn join(&mut self, member: &str) {
        self.members.entry(member.to_owned()).or_default();
        self.prepare();
        self.members.get_mut(member).expect("just added").joined = true;
        self.complete_if_all_joined();
    }

    /// A member leaves, or its session expires.
    pub fn remove(&mut self, member: &str) {
        if self.members.remove(member).is_some() {
            self.prepare();
            self.complete_if_all_joined();
        }
    }

    /// The time to join again is up: who has not joined is removed.
    pub fn expel_absent(&mut self) {
        if self.rebalancing {
            self.members.retain(|_, member| member.joined);
            self.complete_if_all_joined();
        }
    }

    /// What a member learns.
    pub fn beat(&self, member: &str) -> Beat {
        match self.members.get(member) {
            None => Beat::Unknown,
            Some(member) if self.rebalancing => Beat::Rebalancing {
                joined: member.joined,
            },
            Some(member) => Beat::Stable {
                generation: self.generation,
                places: member.places.clone(),
            },
        }
    }

    /// Whether a commit of this member and generation is accepted.
    pub fn check(&self, membership: &Membership) -> Result<(), Fault> {
        if *membership == Membership::nobody() {
            return Ok(());
        }
        if !self.members.contains_key(&membership.member) {
            return Err(Fault::UnknownMember);
        }
        if self.generation != membership.generation {
            return Err(Fault::IllegalGeneration);
        }
        Ok(())
    }

    /// The members the group knows.
    pub fn members(&self) -> impl Iterator<Item = &str> {
        self.members.keys().map(String::as_str)
    }

    fn prepare(&mut self) {
        if !self.rebalancing {
            self.rebalancing = true;
            self.members
                .values_mut()
                .for_each(|member| member.joined = false);
        }
    }

    fn complete_if_all_joined(&mut self) {
        if !self.members.values().all(|member| member.joined) {
            return;
        }
        self.rebalancing = false;
        self.generation += 1;
        let count = self.members.len();
        for (index, member) in self.members.values_mut().enumerate() {
            let topics = self.topics.iter();
            member.places = topics
                .flat_map(|(topic, partitions)| {
                    range(index, count, *partitions).map(|number| place(topic, number))
                })
                .collect();
        }
    }
}

/// The partitions that the `index`-th of `count` members gets of one topic: consecutive, the first members one more.
fn range(index: usize, count: usize, partitions: usize) -> std::ops::Range<usize> {
    let (each, more) = (partitions / count, partitions % count);
    let start = index * each + index.min(more);
    start..start + each + usize::from(index < more)
}
