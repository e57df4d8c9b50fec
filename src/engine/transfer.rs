//! Two ids of one person that live in two tasks: what one task tells the other.
//!
//! The task that takes an event with both ids does not go on with it. It *claims* the former id: the event travels to the task of that
//! id, which takes out what it knows, leaves behind whose the id is by now ([`super::forwarding`]), and *grants* the claim: the event
//! comes back with what was known. There the two become one as in one task ([`super::unite`]), and then the event is taken. What comes
//! under the former id later is *forwarded*. Each of these is sent in the transaction that does what it tells of, so it happens once.
//!
//! What must stay true:
//! - While a claim is under way, time does not pass its event ([`Engine::held`]).
//! - No two ids end up each as the other's. Who waits for a claim of hers is claimed only by who stands before her in byte order, and
//!   later by others; so of a circle of claims one is granted.
//! - Nothing is forwarded for ever: after [`HOPS_MAX`] tasks an event is taken where it is.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::customer::Customer;
use super::fold::{Expiry, Fold};
use super::hashed::{Aged, Hash, Hashed};
use super::seed::{Answered, Seed, Seeded};
use super::unite::Apart;
use super::{Effect, Engine, packed};
use crate::event::{CustomerId, Event, Former};
use crate::stored::{self, Stored, StoredError};
use crate::time::Timestamp;

/// What the changelog keys of claims begin with. No customer id has control characters.
pub const KEY: &[u8] = b"\0claimed\0";

/// As many as one may have had ids, one after the other.
const HOPS_MAX: u8 = 32;

/// Version of a claim in the changelog.
const VERSION: u8 = 1;

/// Where ids live.
#[derive(Clone, Copy, Debug)]
pub struct Neighbours {
    /// The engine's own task.
    pub own: i32,
    /// How many tasks there are.
    pub tasks: i32,
    /// The task of an id, of so many.
    pub of: fn(&str, i32) -> i32,
    /// Whether tasks tell each other of ids.
    pub talk: bool,
}

impl Neighbours {
    fn has(self, id: &str) -> bool {
        (self.of)(id, self.tasks) != self.own
    }
}

/// What one task tells another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Transfer {
    /// Through how many tasks it came.
    hops: u8,
    /// What it is.
    kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Kind {
    /// An event says that the first of the former ids was hers: its task is asked for what it knows.
    Claim(Carried),
    /// The answer: the event goes on.
    Grant(Carried, Answer),
    /// An event under an id that became hers.
    Forward(Carried),
    /// Those with these hashes were erased at a time: whoever became them is, too.
    Forget(Vec<Hash>, Timestamp),
    /// A code was given to a customer at a time: see [`super::referral`].
    Given(CustomerId, CustomerId, Timestamp),
    /// An event brings a code, and its task is asked whose that is.
    Ask(Carried, CustomerId),
    /// The answer: the event goes on.
    Answer(Carried, CustomerId, Option<CustomerId>),
    /// What a friend's event is to whoever referred her.
    Reward(Carried),
    /// An event that brings a code, while another of hers is under way: the task tells it itself, to go on with it behind that one.
    PutOff(Carried),
    /// What history says of a customer.
    Seed(Seed),
    /// What became of it, for who has sent it.
    Seeded(Answered),
}

/// An event on its way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Carried {
    pub event: Event,
    /// The former ids that were not acted on yet, and whether each is an alias.
    formers: Vec<(CustomerId, bool)>,
    /// The task that took it.
    pub from: i32,
}

/// What became of a claim.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Answer {
    /// The id is hers; with what was known of it, packed and sealed.
    Hers(Option<Vec<u8>>),
    /// It is somebody else's, or has become hers by way of this one.
    Anothers(CustomerId),
    /// Somebody is known by it herself.
    BothKnown,
    /// It waits for a claim of its own.
    Later,
}

/// Version 1 knew of no codes, version 2 of no seeds.
impl Stored for Transfer {
    const VERSION: u8 = 3;

    fn upcast(version: u8, bytes: &[u8]) -> Result<Self, StoredError> {
        match version {
            1 | 2 => Ok(postcard::from_bytes(bytes)?),
            _ => Err(StoredError::Damaged(format!(
                "there is no version {version} of what a task tells another"
            ))),
        }
    }
}

impl Transfer {
    /// As it is sent: a version and the rest.
    #[must_use]
    pub fn pack(&self) -> Vec<u8> {
        postcard::to_extend(self, vec![Self::VERSION]).unwrap_or_default()
    }

    /// Reads what was sent.
    ///
    /// # Errors
    /// Where a newer build has sent it, or the bytes are damaged.
    pub fn unpack(bytes: &[u8]) -> Result<Self, StoredError> {
        let (version, rest) = bytes
            .split_first()
            .ok_or_else(|| StoredError::Damaged("it is empty".to_owned()))?;
        let read: Self = stored::read(*version, rest)?;
        if let Kind::Grant(carried, Answer::Hers(Some(page))) = &read.kind {
            carried.gone(page)?;
        }
        Ok(read)
    }

    pub(super) fn seed(seed: Seed) -> Self {
        let kind = Kind::Seed(seed);
        Self { hops: 0, kind }
    }

    /// What became of a seed, where that is what it tells.
    #[must_use]
    pub fn answer(&self) -> Option<&Answered> {
        match &self.kind {
            Kind::Seeded(answered) => Some(answered),
            _ => None,
        }
    }

    /// When what it tells of happened.
    #[must_use]
    pub fn time(&self) -> Timestamp {
        match &self.kind {
            Kind::Claim(it)
            | Kind::Grant(it, _)
            | Kind::Forward(it)
            | Kind::Ask(it, _)
            | Kind::Answer(it, ..)
            | Kind::Reward(it)
            | Kind::PutOff(it) => it.event.time,
            Kind::Forget(_, at) | Kind::Given(_, _, at) => *at,
            Kind::Seed(Seed { sent, .. }) | Kind::Seeded(Answered { sent, .. }) => *sent,
        }
    }

    /// Whom it is about, or which code; the key it is sent with. Nobody, where only hashes are known.
    #[must_use]
    pub fn about(&self) -> &str {
        match &self.kind {
            Kind::Claim(it) => it.formers.first().map_or("", |(id, _)| id),
            Kind::Grant(it, _)
            | Kind::Forward(it)
            | Kind::Answer(it, ..)
            | Kind::Reward(it)
            | Kind::PutOff(it) => &it.event.customer,
            Kind::Given(code, ..) | Kind::Ask(_, code) => code,
            Kind::Forget(..) => "",
            Kind::Seed(Seed { customer, .. }) | Kind::Seeded(Answered { customer, .. }) => customer,
        }
    }
}

impl Carried {
    pub fn new(mut event: Event, from: i32) -> Self {
        let formers = std::mem::take(&mut event.formers).into_iter();
        Self {
            formers: formers.map(|it| (it.id, it.is_alias)).collect(),
            event,
            from,
        }
    }

    /// The event, with the former ids that were not acted on.
    pub fn into_event(self) -> Event {
        let mut event = self.event;
        let formers = self.formers.into_iter();
        event.formers = formers
            .map(|(id, is_alias)| Former { id, is_alias })
            .collect();
        event
    }

    /// What was known of the first former id.
    fn gone(&self, page: &[u8]) -> Result<Customer, StoredError> {
        let id = self.formers.first().map_or("", |(id, _)| id);
        let mut gone = packed::check(packed::unsealed(id, page)?)?;
        gone.profile.settled.id = id.into();
        Ok(gone)
    }
}

/// A claim that is under way.
#[derive(Clone, Debug)]
pub(super) struct Claim {
    at: Timestamp,
    whose: Hash,
}

impl Aged for Claim {
    fn at(&self) -> Timestamp {
        self.at
    }

    fn of(&self) -> Option<Hash> {
        Some(self.whose)
    }
}

/// The claims that are under way; each belongs to the transactions that send it and take its answer.
#[derive(Debug, Default)]
pub(super) struct Claims(Hashed<Claim>);

impl Claims {
    // Transactions.

    pub fn seal(&mut self) -> Vec<super::Record> {
        let value = |claim: &Claim| {
            let at = claim.at.0.to_le_bytes();
            [&[VERSION][..], &at, &claim.whose].concat()
        };
        let record =
            |(key, claim): (Hash, Option<&Claim>)| ([KEY, &key].concat(), claim.map(value));
        self.0.seal().into_iter().map(record).collect()
    }

    pub fn committed(&mut self) {
        self.0.committed();
    }

    pub fn rollback(&mut self) {
        self.0.rollback();
    }

    /// Takes a changelog record in; `key` without [`KEY`].
    pub fn restore(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<(), StoredError> {
        let damaged = || StoredError::Damaged("a claim of an id that is cut off".to_owned());
        let key = key.try_into().map_err(|_| damaged())?;
        let claim = match value {
            None => None,
            Some([VERSION, rest @ ..]) => {
                let (at, whose) = rest.split_first_chunk().ok_or_else(damaged)?;
                Some(Claim {
                    at: Timestamp(i64::from_le_bytes(*at)),
                    whose: whose.try_into().map_err(|_| damaged())?,
                })
            }
            Some([found, ..]) => {
                return Err(StoredError::newer("a claim of an id", *found, VERSION));
            }
            Some([]) => return Err(damaged()),
        };
        self.0.put(key, claim);
        Ok(())
    }
}

impl Engine {
    /// The same, beside other tasks, in which ids of its customers may lie.
    #[must_use]
    pub fn beside(mut self, neighbours: Option<Neighbours>) -> Self {
        self.neighbours = neighbours.filter(|it| it.tasks > 1);
        self
    }

    /// The time of the earliest event that is under way to another task and back: it is still expected.
    #[must_use]
    pub fn held(&self) -> Option<Timestamp> {
        self.claims.0.oldest().map(|(at, _)| at)
    }

    /// Another task told something.
    pub(super) fn transferred(
        &mut self,
        transfer: Transfer,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        let hops = transfer.hops;
        match transfer.kind {
            Kind::Claim(carried) => self.claimed(carried, hops, now, effects),
            Kind::Grant(carried, answer) => self.granted(carried, answer, hops, now, effects),
            Kind::Forward(carried) => {
                self.event(Box::new(carried.into_event()), hops, now, effects);
            }
            Kind::Forget(hashes, at) => self.forgets(&hashes, at, effects),
            Kind::Given(code, whose, at) => self.keep_code(&code, &whose, at, effects),
            Kind::Ask(carried, code) => {
                let whose = self.whose_code(&code, carried.event.time);
                let (to, kind) = (carried.from, Kind::Answer(carried, code, whose));
                self.send_to(to, Transfer { hops, kind }, effects);
            }
            Kind::Answer(carried, code, whose) => {
                self.answered(carried, (code, whose), hops, now, effects);
            }
            Kind::Reward(carried) => {
                self.reward(Box::new(carried.into_event()), hops, now, effects);
            }
            Kind::PutOff(carried) => {
                self.is_back(&carried.event);
                self.event(Box::new(carried.into_event()), hops, now, effects);
            }
            Kind::Seed(seed) => self.seeded(&seed, now, effects),
            // For who has sent it.
            Kind::Seeded(_) => {}
        }
    }

    /// Says what became of a seed, where it came from.
    pub(super) fn answer_seed(&self, seed: &Seed, seeded: Seeded, effects: &mut Vec<Effect>) {
        let kind = Kind::Seeded(Answered {
            customer: seed.customer.clone(),
            run: seed.run,
            sent: seed.sent,
            seeded,
        });
        self.send_to(self.own(), Transfer { hops: 0, kind }, effects);
    }

    /// The other tasks, where they can be told.
    fn others(&self) -> Option<Neighbours> {
        self.neighbours.filter(|it| it.talk)
    }

    /// Whether an id is another task's, which can be told.
    pub(super) fn is_elsewhere(&self, id: &str) -> bool {
        self.others().is_some_and(|it| it.has(id))
    }

    /// Whether an id is another task's, which nobody tells.
    pub(super) fn is_out_of_reach(&self, id: &str) -> bool {
        self.neighbours.is_some_and(|it| !it.talk && it.has(id))
    }

    fn send(&self, id: &str, transfer: Transfer, effects: &mut Vec<Effect>) {
        if let Some(it) = self.others() {
            let to = (it.of)(id, it.tasks);
            self.send_to(to, transfer, effects);
        }
    }

    #[expect(clippy::unused_self, reason = "as the others that send")]
    fn send_to(&self, to: i32, transfer: Transfer, effects: &mut Vec<Effect>) {
        let transfer = Box::new(transfer);
        effects.push(Effect::Transferred { to, transfer });
    }

    fn own(&self) -> i32 {
        self.neighbours.map_or(0, |it| it.own)
    }

    /// Sends an event on, where whoever it is about by now is another task's; gives it back where it is taken here.
    pub(super) fn forward(
        &self,
        event: Box<Event>,
        hops: u8,
        effects: &mut Vec<Effect>,
    ) -> Option<Box<Event>> {
        if !self.is_elsewhere(&event.customer) {
            return Some(event);
        }
        let to = event.customer.clone();
        let kind = Kind::Forward(Carried::new(*event, self.own()));
        let hops = hops + 1;
        self.send(&to, Transfer { hops, kind }, effects);
        None
    }

    /// Whether an event may be sent on once more.
    pub(super) fn may_go_on(hops: u8) -> bool {
        hops < HOPS_MAX
    }

    /// Whether a former id has to be asked for elsewhere, before an event is taken.
    pub(super) fn is_claimed(&self, former: &CustomerId, event: &Event) -> bool {
        *former != event.customer
            && self.is_elsewhere(former)
            && self.forwarding.whose(former).is_none()
    }

    /// The first former id of an event is another task's: the event travels there and comes back.
    pub(super) fn claim(&mut self, event: Event, hops: u8, effects: &mut Vec<Effect>) {
        if self.again.is_none() && event.time <= self.watermark {
            let behind_ms = self.watermark.0 - event.time.0;
            effects.push(Effect::Late { behind_ms });
        }
        self.goes_out(&event, &event.customer);
        let to = event.formers.first().map(|it| it.id.clone());
        let kind = Kind::Claim(Carried::new(event, self.own()));
        self.send(&to.unwrap_or_default(), Transfer { hops, kind }, effects);
    }

    /// An event is under way from now on, and time waits for it; so does what else comes of `whose`.
    fn goes_out(&mut self, event: &Event, whose: &str) {
        if self.again.is_none() {
            let (at, whose) = (event.time, self.forwarding.hash(whose));
            let claim = Claim { at, whose };
            self.claims.0.change(self.key_of(event), Some(claim));
        }
    }

    /// An event is back. Where whoever it is about by now is another task's, it goes on to there.
    fn comes_back(&mut self, carried: &mut Carried, hops: u8) -> Option<CustomerId> {
        self.is_back(&carried.event);
        let moved = self.whose(&carried.event.customer);
        carried.event.customer = moved.filter(|_| Self::may_go_on(hops))?;
        let to = &carried.event.customer;
        self.is_elsewhere(to).then(|| to.clone())
    }

    /// What a claim of an event is kept by: one of an event is under way at a time. It is the same in a replay, where topics have other
    /// numbers.
    fn key_of(&self, event: &Event) -> Hash {
        let (id, offset) = (&event.id, event.position.offset);
        let said = format!("{}\0{id}\0{offset}", event.customer);
        self.forwarding.hash(&said)
    }

    /// An event is under way no more.
    fn is_back(&mut self, event: &Event) {
        if self.again.is_some() {
            return;
        }
        let (topic, offset) = (event.position.topic, event.position.offset);
        let by_topic = format!("{}\0{}\0{topic}\0{offset}", event.customer, event.id);
        // A build before this one kept it by the second.
        for key in [self.key_of(event), self.forwarding.hash(&by_topic)] {
            if self.claims.0.get(&key).is_some() {
                self.claims.0.change(key, None);
            }
        }
    }

    fn claimed(&mut self, carried: Carried, hops: u8, now: Timestamp, effects: &mut Vec<Effect>) {
        let Some((id, is_alias)) = carried.formers.first().cloned() else {
            return;
        };
        if self.again.is_some() && self.has_behind(self.customers.find(&id)) {
            return;
        }
        let (to, at) = (&carried.event.customer, carried.event.time);
        let answer = match self.whose(&id) {
            Some(whose) if whose == *to => {
                self.forwarding.used(&id, at);
                Answer::Hers(None)
            }
            Some(whose) => Answer::Anothers(whose),
            None if *to > id && self.waits(&id) => {
                // Whether it waited is not known any more when it is taken again.
                self.writes_all = true;
                Answer::Later
            }
            None if !is_alias && self.is_known(&id) => Answer::BothKnown,
            None => {
                let gone = self.departs(&id, now, effects);
                if self.again.is_none() && self.forwarding.add(&id, to, at) {
                    effects.push(Effect::FormerForgotten);
                }
                let page = |gone| packed::seal(&id, packed::pack(&gone, Timestamp::MAX, 0));
                Answer::Hers(gone.map(page))
            }
        };
        let (to, kind) = (carried.from, Kind::Grant(carried, answer));
        self.send_to(to, Transfer { hops, kind }, effects);
    }

    /// Whether a claim of hers is under way, or a code that she brought.
    pub(super) fn waits(&self, id: &str) -> bool {
        let mut hers = self.claims.0.of(self.forwarding.hash(id));
        hers.next().is_some()
    }

    fn granted(
        &mut self,
        mut carried: Carried,
        answer: Answer,
        hops: u8,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        if let Some(to) = self.comes_back(&mut carried, hops) {
            let (hops, kind) = (hops + 1, Kind::Grant(carried, answer));
            self.send(&to, Transfer { hops, kind }, effects);
            return;
        }
        let (hers, at) = (carried.event.customer.clone(), carried.event.time);
        if self.again.is_some() && self.has_behind(self.customers.find(&hers)) {
            return;
        }
        if self.erasures.covers(&hers, at) {
            // The claim came to the other task behind what erased her, or will.
            let until = self.erasures.until(&hers).unwrap_or(at);
            self.tell_of_erasure(&[self.forwarding.hash(&hers)], until, effects);
            effects.push(Effect::DroppedAsErased);
            return;
        }
        if !matches!(answer, Answer::Later) {
            self.settle_claim(&mut carried, answer, now, effects);
        }
        self.event(Box::new(carried.into_event()), hops, now, effects);
    }

    /// What was answered of the first former id.
    fn settle_claim(
        &mut self,
        carried: &mut Carried,
        answer: Answer,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        let gone = match &answer {
            // It was read when it came.
            Answer::Hers(Some(page)) => carried.gone(page).ok(),
            _ => None,
        };
        let (id, _) = carried.formers.remove(0);
        let (hers, at) = (&carried.event.customer, carried.event.time);
        match answer {
            Answer::Hers(_) => {
                self.knows_whose(&id, hers, at, effects);
                if let Some(mut gone) = gone {
                    self.catches_up(&mut gone, now, effects);
                    gone.profile.settled.presence.known |= carried.event.known;
                    self.arrives(hers, gone, now, effects);
                    effects.push(Effect::United);
                }
            }
            Answer::Anothers(whose) => {
                self.knows_whose(&id, &whose, at, effects);
                if self.forwarding.whose(&id) != Some(hers) {
                    effects.push(Effect::KeptApart(Apart::Anothers));
                }
            }
            Answer::BothKnown => effects.push(Effect::KeptApart(Apart::BothKnown)),
            Answer::Later => {}
        }
    }

    /// What came of another task is settled as far as time has come here, so that what has come true of it is decided.
    fn catches_up(&self, gone: &mut Customer, now: Timestamp, effects: &mut Vec<Effect>) {
        let plan = Arc::clone(&self.plan);
        gone.forget(|key| plan.by_key(key).is_none());
        Fold::new(&plan, now, effects).settle(gone, self.watermark, Expiry::Now);
    }

    /// Whose an id of another task is: who says it again needs not ask again.
    fn knows_whose(
        &mut self,
        id: &str,
        whose: &CustomerId,
        at: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        if self.again.is_some() || id == whose.as_str() {
            return;
        }
        // Who said the same before asked for it, and would not when it is taken again.
        self.writes_all = true;
        if self.forwarding.add(id, whose, at) {
            effects.push(Effect::FormerForgotten);
        }
    }

    // Codes: what is done with them is in [`super::referral`].

    /// Tells the task of a code whose it is.
    pub(super) fn tell_of_code(
        &self,
        code: CustomerId,
        whose: CustomerId,
        at: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        let (to, kind) = (code.clone(), Kind::Given(code, whose, at));
        self.send(&to, Transfer { hops: 0, kind }, effects);
    }

    /// Asks the task of a code that an event brings whose it is.
    pub(super) fn ask(
        &mut self,
        event: Event,
        code: CustomerId,
        hops: u8,
        effects: &mut Vec<Effect>,
    ) {
        self.goes_out(&event, &event.customer);
        let carried = Carried::new(event, self.own());
        let (to, kind) = (code.clone(), Kind::Ask(carried, code));
        self.send(&to, Transfer { hops, kind }, effects);
    }

    /// Puts an event off that brings a code, until what is under way of hers is back. Nobody waits for it meanwhile but time.
    pub(super) fn put_off(&mut self, event: Event, hops: u8, effects: &mut Vec<Effect>) {
        // Whether something was under way is not known any more when it is taken again.
        self.writes_all = true;
        self.goes_out(&event, "");
        let kind = Kind::PutOff(Carried::new(event, self.own()));
        let hops = hops + 1;
        self.send_to(self.own(), Transfer { hops, kind }, effects);
    }

    fn answered(
        &mut self,
        mut carried: Carried,
        (code, whose): (CustomerId, Option<CustomerId>),
        hops: u8,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        if let Some(to) = self.comes_back(&mut carried, hops) {
            let (hops, kind) = (hops + 1, Kind::Answer(carried, code, whose));
            self.send(&to, Transfer { hops, kind }, effects);
            return;
        }
        let event = Box::new(carried.into_event());
        if self.again.is_some() && self.has_behind(self.customers.find(&event.customer)) {
            return;
        }
        if self.erasures.covers(&event.customer, event.time) {
            effects.push(Effect::DroppedAsErased);
            return;
        }
        self.refer(event, &code, whose, now, effects);
    }

    /// Sends on what a friend's event is to whoever referred her.
    pub(super) fn send_reward(&self, event: Event, hops: u8, effects: &mut Vec<Effect>) {
        let to = event.customer.clone();
        let kind = Kind::Reward(Carried::new(event, self.own()));
        let hops = hops + 1;
        self.send(&to, Transfer { hops, kind }, effects);
    }

    /// Somebody was erased: so is, in every task, whoever became her.
    pub(super) fn tell_of_erasure(
        &self,
        hashes: &[Hash],
        at: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        let Some(neighbours) = self.others() else {
            return;
        };
        for to in (0..neighbours.tasks).filter(|to| *to != neighbours.own) {
            let kind = Kind::Forget(hashes.to_vec(), at);
            self.send_to(to, Transfer { hops: 0, kind }, effects);
        }
    }

    fn forgets(&mut self, hashes: &[Hash], at: Timestamp, effects: &mut Vec<Effect>) {
        let forget = |hash: &Hash| self.forwarding.forget_of(*hash);
        let hers: Vec<Hash> = hashes.iter().flat_map(forget).collect();
        for hash in &hers {
            self.erasures.add_hashed(*hash, at);
        }
        if !hers.is_empty() {
            self.tell_of_erasure(&hers, at, effects);
        }
    }
}
