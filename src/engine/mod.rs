//! The core: input in, effects out.
//!
//! [`Engine`] holds every customer of one task. It reads no clock, no environment and no network,
//! logs nothing and draws no random numbers: the same inputs in the same order give the same effects,
//! byte for byte. Kafka, files, HTTP and clocks live in the runtime around it.
//!
//! How it is driven, in this order:
//!
//! 1. [`Engine::new`], then [`Engine::restore`] for each changelog record and [`Engine::restored`];
//! 2. [`Engine::step`] with events, and with the time after each batch of them;
//! 3. [`Engine::seal`] at the end of a transaction: the changelog records it must carry;
//! 4. [`Engine::committed`] when it is durable, or [`Engine::rollback`] when it is not. Steps may go
//!    on between sealing and either of them.

mod customers;
mod fold;

use std::sync::Arc;

use customers::Customers;
use fold::Fold;

use crate::event::{CustomerId, Event, Text};
use crate::profile::packed::PackedError;
use crate::profile::{MessageHash, Profile, limits};
use crate::time::Timestamp;
use crate::treatment::Decision;
use crate::trigger::plan::Plan;

/// What the engine is told.
#[derive(Debug)]
pub enum Input {
    /// Something happened.
    Event(Box<Event>),
    /// Nothing at or before this time is still expected.
    Watermark(Timestamp),
}

/// What follows.
#[derive(Debug, PartialEq)]
pub enum Effect {
    /// A moment came true and was decided.
    Decided(Box<Decision>),
    /// The event's message id was seen before: nothing else happened.
    Duplicate,
    /// The event came so many ms behind the watermark; it updated the profile all the same.
    Late {
        /// Watermark - event time, at least 0.
        behind_ms: i64,
    },
    /// The customer has [`limits::TAIL_EVENTS`] events beyond the watermark: this one did not wait
    /// for its turn among them, but counted at once.
    TailFull,
    /// So many deadlines of a trigger were not opened: the customer has too many open.
    OpenLimit {
        /// The trigger.
        trigger: Text,
        /// Deadlines not opened.
        refused: u32,
    },
}

/// All customers of one task, and what is due for them.
#[derive(Debug)]
pub struct Engine {
    plan: Arc<Plan>,
    customers: Customers,
    watermark: Timestamp,
}

impl Engine {
    /// An engine without customers.
    #[must_use]
    pub fn new(plan: Arc<Plan>) -> Self {
        Self {
            plan,
            customers: Customers::default(),
            watermark: Timestamp::MIN,
        }
    }

    // Restore.

    /// Takes a changelog record in; the last of a customer counts. `None` is a tombstone.
    ///
    /// # Errors
    /// Where the profile was written by a newer build, or is damaged.
    pub fn restore(&mut self, customer: &str, packed: Option<&[u8]>) -> Result<(), PackedError> {
        self.customers.restore(customer, packed, &self.plan)
    }

    /// Ends the restore: `watermark` is the one of the task's record.
    pub fn restored(&mut self, watermark: Timestamp) {
        self.watermark = watermark;
    }

    // Inputs.

    /// Takes one input in and adds what follows to `effects`. `now` is the clock, which never goes back.
    pub fn step(&mut self, input: Input, now: Timestamp, effects: &mut Vec<Effect>) {
        match input {
            Input::Event(event) => self.event(*event, now, effects),
            Input::Watermark(watermark) => self.advance(watermark, now, effects),
        }
    }

    fn event(&mut self, event: Event, now: Timestamp, effects: &mut Vec<Effect>) {
        let plan = Arc::clone(&self.plan);
        let watermark = self.watermark;
        let working = self.customers.open(&event.customer, &plan);
        if event.has_message_id && working.profile.remember(&event.id) {
            effects.push(Effect::Duplicate);
            return;
        }
        let mut fold = Fold {
            plan: &plan,
            now,
            effects,
        };
        let settled = fold.settle(&mut working.profile, watermark);
        let look = if event.time <= watermark {
            fold.effects.push(Effect::Late {
                behind_ms: watermark.0 - event.time.0,
            });
            fold.take_late(&mut working.profile, &event);
            fold.settle(&mut working.profile, watermark);
            None
        } else if working.profile.tail.len() >= limits::TAIL_EVENTS {
            fold.effects.push(Effect::TailFull);
            fold.take_at_once(&mut working.profile, &event);
            None
        } else {
            let look = plan.looks_again(&event, &working.profile).min(working.look);
            fold.take(&mut working.profile, event);
            (!settled).then_some(look)
        };
        working.dirty = true;
        let look = look.unwrap_or_else(|| plan.next_look(&working.profile));
        self.customers.close(look);
    }

    fn advance(&mut self, watermark: Timestamp, now: Timestamp, effects: &mut Vec<Effect>) {
        if watermark <= self.watermark {
            return;
        }
        self.watermark = watermark;
        let plan = Arc::clone(&self.plan);
        let first = effects.len();
        for slot in self.customers.due(watermark) {
            let working = self.customers.look_at(slot, &plan);
            let before = effects.len();
            let mut fold = Fold {
                plan: &plan,
                now,
                effects,
            };
            fold.settle(&mut working.profile, watermark);
            // What only folded its tail is folded again when it is next opened: nothing to write.
            working.dirty |= effects.len() > before;
            let look = plan.next_look(&working.profile);
            self.customers.looked_at(look);
        }
        // However the customers were found.
        effects[first..].sort_by(|a, b| a.order().cmp(&b.order()));
    }

    // Transactions.

    /// Packs every customer that changed since the last seal: the changelog records of a transaction.
    /// The sealed transaction must be committed or rolled back before the next is sealed.
    pub fn seal(&mut self) -> Vec<(CustomerId, Vec<u8>)> {
        self.customers.seal()
    }

    /// The sealed transaction is durable.
    pub fn committed(&mut self) {
        self.customers.committed();
    }

    /// Neither the sealed transaction nor what came after it has happened.
    pub fn rollback(&mut self, watermark: Timestamp) {
        self.customers.rollback();
        self.watermark = watermark;
    }

    // Getters.

    /// Nothing at or before this time is still expected.
    #[must_use]
    pub fn watermark(&self) -> Timestamp {
        self.watermark
    }

    /// The triggers and policy it works by.
    #[must_use]
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// The earliest time at which a customer must be looked at; no deadline is earlier.
    #[must_use]
    pub fn next_look(&self) -> Option<Timestamp> {
        self.customers.next_look()
    }

    /// Customers known, and the bytes that their committed profiles take.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        self.customers.size()
    }

    /// Bytes of profiles unpacked or sealed since the last commit, roughly: what a transaction will carry.
    #[must_use]
    pub fn open_customers(&self) -> usize {
        self.customers.dirty()
    }

    /// The committed profile of a customer, with its tail settled up to the watermark as far as no
    /// deadline stands in between. `None` where she is not known.
    #[must_use]
    pub fn profile(&self, customer: &str) -> Option<Profile> {
        let profile = self.customers.committed_profile(customer)?;
        Some(self.settled(profile))
    }

    /// Every committed profile, as [`Engine::profile`] gives one, in no particular order.
    pub fn profiles(&self) -> impl Iterator<Item = Profile> {
        let committed = self.customers.committed_profiles();
        committed.map(|profile| self.settled(profile))
    }

    /// Every committed profile as it was packed, which is what the changelog holds, in no particular
    /// order.
    pub fn packed_profiles(&self) -> impl Iterator<Item = Profile> {
        self.customers.committed_profiles()
    }

    fn settled(&self, mut profile: Profile) -> Profile {
        let mut fold = Fold {
            plan: &self.plan,
            now: self.watermark,
            effects: &mut Vec::new(),
        };
        fold.settle_events(&mut profile, self.watermark);
        profile
    }

    /// Armed deadlines by trigger, in the order of the plan's triggers: those that would come true
    /// if nothing more happened.
    #[must_use]
    pub fn armed(&self) -> Vec<usize> {
        let mut armed = vec![0; self.plan.triggers.len()];
        let mut effects = Vec::new();
        for mut profile in self.customers.latest_profiles() {
            let mut fold = Fold {
                plan: &self.plan,
                now: self.watermark,
                effects: &mut effects,
            };
            fold.settle(&mut profile, self.watermark);
            for (key, state) in &profile.moments {
                let Some(i) = self.plan.triggers.iter().position(|t| t.key == *key) else {
                    continue;
                };
                armed[i] += self.plan.triggers[i].kind.armed(state, &profile.facts);
            }
        }
        armed
    }
}

impl Effect {
    /// Where an effect of an advance stands: decisions by moment and customer, before them what
    /// could not be opened, by trigger and number.
    fn order(&self) -> (Option<Timestamp>, &str, u32) {
        match self {
            Self::Decided(decision) => (Some(decision.moment_at), &decision.customer, 0),
            Self::OpenLimit { trigger, refused } => (None, trigger, *refused),
            _ => (None, "", 0),
        }
    }
}

impl Profile {
    /// Remembers a message id; whether it was known.
    fn remember(&mut self, id: &str) -> bool {
        let hash = xxhash_rust::xxh3::xxh3_64(id.as_bytes()).to_le_bytes();
        let hash: MessageHash = [hash[0], hash[1], hash[2], hash[3], hash[4], hash[5]];
        if self.seen.contains(&hash) {
            return true;
        }
        if self.seen.len() >= limits::MESSAGE_IDS {
            self.seen.remove(0);
        }
        self.seen.push(hash);
        false
    }
}

impl Plan {
    /// The earliest that a deadline may follow `event`, which is not settled yet. Another time zone
    /// may bring any day nearer.
    fn looks_again(&self, event: &Event, profile: &Profile) -> Timestamp {
        let zone = event.traits.as_ref().and_then(|it| it.timezone.as_ref());
        if self.counts_days && zone.is_some() && zone != profile.facts.timezone.as_ref() {
            return event.time;
        }
        let looks = self
            .naming(event.name)
            .filter_map(|trigger| trigger.kind.looks_again(event));
        looks.min().unwrap_or(Timestamp::MAX)
    }

    /// When a customer must be looked at next: no deadline of hers is earlier.
    fn next_look(&self, profile: &Profile) -> Timestamp {
        let due = profile
            .moments
            .iter()
            .filter_map(|(key, state)| self.by_key(*key)?.kind.due(state, &profile.facts));
        let tail = profile
            .tail
            .iter()
            .map(|tail| self.looks_again(&tail.event, profile));
        due.chain(tail).min().unwrap_or(Timestamp::MAX)
    }
}
