//! Who waits for a turn by a channel: everything that is held for its [send rate](crate::policy), in the order in which it is let go.
//!
//! It follows from the customers as they are by now, committed or not, and is kept nowhere else. What must stay true: whoever is changed,
//! comes or goes is looked at anew.

use std::collections::{BTreeMap, BTreeSet};

use super::{Customers, NONE, Slot};
use crate::engine::customer::Customer;
use crate::event::{CustomerId, Text};
use crate::policy::Why;
use crate::profile::journeys::{self, Awaits, Stays};
use crate::time::Timestamp;

/// A place in the queue.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Turn {
    /// The channel.
    pub channel: Text,
    /// The key of the trigger.
    pub trigger: u32,
    /// When the moment came true.
    pub at: Timestamp,
    /// Whose it is.
    pub customer: CustomerId,
    /// What makes the moment this one.
    pub occurrence: Text,
}

/// All places: those of a channel and a trigger in the order of their moments.
#[derive(Debug, Default)]
pub(super) struct Turns {
    places: BTreeMap<Text, BTreeMap<u32, BTreeSet<Turn>>>,
    of: BTreeMap<Slot, Vec<Turn>>,
}

impl Turns {
    /// What a customer waits for is this now.
    fn put(&mut self, slot: Slot, turns: Vec<Turn>) {
        let before = match turns.is_empty() {
            true => self.of.remove(&slot),
            false => self.of.insert(slot, turns.clone()),
        };
        for turn in before.iter().flatten().filter(|it| !turns.contains(it)) {
            self.take_out(turn);
        }
        for turn in turns {
            let channel = self.places.entry(turn.channel.clone()).or_default();
            channel.entry(turn.trigger).or_default().insert(turn);
        }
    }

    fn take_out(&mut self, turn: &Turn) {
        let Some(channel) = self.places.get_mut(&turn.channel) else {
            return;
        };
        if let Some(places) = channel.get_mut(&turn.trigger) {
            places.remove(turn);
        }
        channel.retain(|_, places| !places.is_empty());
        if channel.is_empty() {
            self.places.remove(&turn.channel);
        }
    }
}

impl Customers {
    /// Takes in what a customer waits for, as she is now.
    pub(super) fn queue_up(&mut self, slot: Slot) {
        let entry = &self.entries[slot as usize];
        let turns = match entry.working {
            _ if entry.is_nobodys() => Vec::new(),
            NONE => turns(&self.latest(slot), &entry.id),
            place => turns(self.hot.get(place), &entry.id),
        };
        self.turns.put(slot, turns);
    }

    /// The same, of one who was just restored.
    pub(super) fn restored_queues_up(&mut self, slot: Slot, customer: &Customer) {
        let turns = turns(customer, &self.entries[slot as usize].id);
        self.turns.put(slot, turns);
    }

    /// The same, of the one being worked on.
    pub(super) fn current_queues_up(&mut self) {
        let working = self.hot.at(self.current);
        let id = &working.customer.profile.settled.id;
        let (slot, turns) = (working.slot, turns(&working.customer, id));
        if !turns.is_empty() || self.turns.of.contains_key(&slot) {
            self.turns.put(slot, turns);
        }
    }

    /// Whether anybody waits for a turn.
    pub fn has_turns(&self) -> bool {
        !self.turns.places.is_empty()
    }

    /// The channels by which somebody waits, and when the first of the moments that do came true.
    pub fn queues(&self) -> impl Iterator<Item = (&Text, Timestamp)> {
        self.turns.places.iter().filter_map(|(channel, triggers)| {
            let firsts = triggers.values().filter_map(BTreeSet::first);
            Some((channel, firsts.map(|turn| turn.at).min()?))
        })
    }

    /// Who comes first by a channel of those whose moments came true by `at`: the one of the trigger that comes first by `rank`, which is
    /// least, then whose moment did first.
    pub fn first_in_queue(
        &self,
        channel: &str,
        at: Timestamp,
        rank: impl Fn(u32) -> i32,
    ) -> Option<&Turn> {
        let triggers = self.turns.places.get(channel)?.iter();
        let firsts = triggers.filter_map(|(trigger, places)| Some((*trigger, places.first()?)));
        let came = firsts.filter(|(_, turn)| turn.at <= at);
        let order = |(trigger, turn): &(u32, &Turn)| {
            let of = (turn.customer.clone(), turn.occurrence.clone());
            (rank(*trigger), turn.at, of, *trigger)
        };
        came.min_by_key(order).map(|(_, turn)| turn)
    }

    /// How many wait, by channel.
    pub fn queue_lengths(&self) -> impl Iterator<Item = (&Text, usize)> {
        let places = self.turns.places.iter();
        places.map(|(channel, triggers)| (channel, triggers.values().map(BTreeSet::len).sum()))
    }
}

/// What a customer waits for.
fn turns(customer: &Customer, id: &CustomerId) -> Vec<Turn> {
    let waits = customer.waiting.iter();
    let waits = waits.filter(|it| it.why == Why::SendRate).map(|it| Turn {
        channel: it.channel.clone(),
        trigger: it.trigger,
        at: it.at,
        customer: id.clone(),
        occurrence: it.occurrence.clone(),
    });
    let steps = customer.profile.settled.journeys.open().iter();
    let steps = steps.filter_map(|place| match (&place.stays, &place.step) {
        (Some(Stays::Held(hold)), Some(step)) if hold.awaits == Awaits::Turn => Some(Turn {
            channel: hold.channel.clone(),
            trigger: place.key,
            at: hold.at,
            customer: id.clone(),
            occurrence: journeys::occurrence(&place.began.occurrence, step),
        }),
        _ => None,
    });
    waits.chain(steps).collect()
}
