//! The core: input in, effects out.
//!
//! [`Engine`] holds every customer of one task. It reads no clock, no environment and no network,
//! logs nothing and draws no random numbers: the same inputs in the same order give the same effects,
//! byte for byte. Kafka, files, HTTP and clocks live in the runtime around it.
//!
//! How it is driven, in this order:
//!
//! 1. [`Engine::new`], then [`Engine::restore`] for each changelog record and [`Engine::restored`];
//! 2. [`Engine::step`] with events, and with the time after each batch of them; or with the time in pieces, by
//!    [`Engine::advance`] until it is done;
//! 3. [`Engine::seal`] at the end of a transaction, or [`Engine::checkpoint`]: the changelog records it must carry;
//! 4. [`Engine::committed`] when it is durable, or [`Engine::rollback`] when it is not. Steps may go
//!    on between sealing and either of them;
//! 5. [`Engine::adopt`] between two transactions, when there are other triggers.

pub mod adoption;
mod ahead;
pub mod belongings;
mod broadcast;
pub mod customer;
mod customers;
mod derived;
mod erasures;
mod fold;
mod forwarding;
mod hashed;
pub mod lessons;
mod looks;
pub mod packed;
mod rates;
mod referral;
mod rows;
pub mod seed;
mod seeding;
pub mod sweep;
mod tallies;
mod time;
pub mod transfer;
mod undo;
pub mod unite;
pub mod waiting;

use std::sync::Arc;

use broadcast::Told;
pub use customer::Customer;
use customers::Customers;
pub use customers::Keep;
use customers::Slot;
use erasures::Erasures;
pub use erasures::Record;
use fold::{Expiry, Fold};
use forwarding::Forwarding;
use hashed::Salt;
use lessons::{Learning, Turnout};
use rates::Rates;
pub use seed::Seeded;
use sweep::Sweeping;
use tallies::Tallies;
pub use time::Moved;
use transfer::Claims;
pub use transfer::{Neighbours, Transfer};
pub use unite::Apart;

use crate::event::record::Reject;
use crate::event::{CustomerId, Event, EventName, Text};
use crate::journey::lessons::Way;
use crate::referral::Refusal;
use crate::stored::StoredError;
use crate::table;
use crate::tally::{Outcome, Reaction};
use crate::time::Timestamp;
use crate::treatment::{Decision, Reason};
use crate::trigger::plan::Plan;

/// Customers who are removed at once because they expired: a step stays some milliseconds, a transaction some hundred KB,
/// even where years of them expire together.
const EXPIRIES: usize = 1_000;
/// Customers who are looked at in one piece of time: what is decided of them is some MB, and a calendar makes everybody of a time
/// zone due at one instant.
const DUE: usize = 1_000;

/// What the engine is told.
#[derive(Debug)]
pub enum Input {
    /// Something happened.
    Event(Box<Event>),
    /// Something happened to everybody.
    Everybody(Box<Event>),
    /// Nothing at or before this time is still expected.
    Watermark(Timestamp),
    /// Another task told something.
    Transferred(Box<Transfer>),
    /// A row of a table was told.
    Row(Box<table::rows::Told>),
}

/// What follows.
#[derive(Debug, PartialEq)]
pub enum Effect {
    /// A moment came true and was decided.
    Decided(Box<Decision>),
    /// A moment came true, and waits to be asked again: nothing of it is decided.
    Held {
        /// Its trigger.
        trigger: Text,
        /// Why it waits.
        reason: Reason,
    },
    /// The event's message id was seen before: nothing else happened.
    Duplicate,
    /// The event came so many ms behind the watermark; it updated the profile all the same.
    Late {
        /// Watermark - event time, at least 0.
        behind_ms: i64,
    },
    /// The customer was erased: nothing is held of her from before.
    Erased,
    /// The record is set aside: it is no row of its table.
    Rejected(Reject),
    /// The event is not after the erasure of its customer: nothing else happened.
    DroppedAsErased,
    /// So many customers were idle for so long that they were removed.
    Expired(u64),
    /// What was known of a former id of the customer is hers.
    United,
    /// A former id of the customer was said, and is not taken for hers.
    KeptApart(Apart),
    /// Somebody's event brought a code of another: it counts, or why it does not.
    Referred(Option<Refusal>),
    /// What history says of a customer came: what became of it.
    Seeded(Seeded),
    /// Another task is told something.
    Transferred {
        /// The task.
        to: i32,
        /// What it is told.
        transfer: Box<Transfer>,
    },
    /// Of too many former ids, the one that nothing came under for longest is not known as somebody's any more.
    FormerForgotten,
    /// The customer has [`limits::TAIL_EVENTS`] events beyond the watermark, or as many as
    /// [`limits::TAIL_BYTES`] hold: this one did not wait for its turn among them, but counted at once.
    TailFull,
    /// What happened to everybody did not apply to so many customers, as they are not in the audience of a trigger.
    OutsideAudience {
        /// The trigger.
        trigger: Text,
        /// How many.
        customers: u64,
    },
    /// Something came of a treatment.
    Came(Box<Outcome>),
    /// Somebody took a way of an adaptive split, or it is known what came of it.
    Went {
        /// Who.
        customer: CustomerId,
        /// The name of the trigger.
        trigger: Text,
        /// The way.
        way: Way,
        /// What it is.
        turnout: Turnout,
    },
    /// A sender reported something of a treatment that is not on the customer's ledger: it is too old, or was never hers.
    Orphaned(Reaction),
    /// For so many deadlines or entries of a window of a trigger there was no place: the customer has too many.
    OpenLimit {
        /// The trigger.
        trigger: Text,
        /// Deadlines not opened, entries that made way.
        refused: u32,
    },
}

/// All customers of one task, and what is due for them.
#[derive(Debug)]
pub struct Engine {
    plan: Arc<Plan>,
    customers: Customers,
    erasures: Erasures,
    forwarding: Forwarding,
    neighbours: Option<Neighbours>,
    claims: Claims,
    told: Told,
    tallies: Tallies,
    rates: Rates,
    learning: Learning,
    watermark: Timestamp,
    /// Every committed customer has gone over to the plan.
    is_adopted: bool,
    /// Only some of them have, or had before that was undone: the others are looked at as of the triggers before.
    is_halfway: bool,
    /// It folds a history: nobody is looked at as time passes.
    gathers: bool,
    sweeping: Sweeping,
    changed_rows: rows::Changed,
    /// What followed from settling at the last seal: said with the next event.
    unsaid: Vec<Effect>,
    /// The transaction that is taken again.
    again: Option<u64>,
    /// Something was taken since the last seal that cannot be taken again as it was.
    writes_all: bool,
    /// [`DUE`], but in tests.
    due_max: usize,
    /// [`EXPIRIES`], but for files.
    expiries_max: usize,
}

impl Engine {
    /// An engine without customers.
    #[must_use]
    pub fn new(plan: Arc<Plan>) -> Self {
        Self {
            plan: Arc::new(Arc::unwrap_or_clone(plan).without_rows()),
            customers: Customers::default(),
            erasures: Erasures::new(Salt::new("")),
            forwarding: Forwarding::new(Salt::new("")),
            neighbours: None,
            claims: Claims::default(),
            told: Told::default(),
            tallies: Tallies::default(),
            rates: Rates::default(),
            learning: Learning::default(),
            watermark: Timestamp::MIN,
            is_adopted: true,
            is_halfway: false,
            gathers: false,
            sweeping: Sweeping::default(),
            changed_rows: rows::Changed::default(),
            unsaid: Vec::new(),
            again: None,
            writes_all: false,
            due_max: DUE,
            expiries_max: EXPIRIES,
        }
    }

    /// The same with so many customers in a slice and in a piece of time: few of them then make many, in tests. It changes no
    /// effect. For an engine that nothing was told yet.
    #[must_use]
    pub fn in_slices_of(mut self, customers: usize) -> Self {
        self.sweeping.slice = customers;
        self.due_max = customers;
        self
    }

    /// The same without the limits that a task has as a whole: customers removed at once, erasures, former ids and rows of figures that
    /// are kept. For files, of which several engines may share the customers: what is decided does not depend on how many do.
    #[must_use]
    pub fn unlimited(mut self) -> Self {
        self.expiries_max = usize::MAX;
        self.erasures.most = usize::MAX;
        self.forwarding.most = usize::MAX;
        self.tallies.is_unlimited = true;
        self
    }

    /// The same with a salt for the hashes of who was erased, and of former ids; it changes no effect. For an engine that nothing was told yet.
    #[must_use]
    pub fn salted(self, salt: &str) -> Self {
        let salt = Salt::new(salt);
        Self {
            erasures: Erasures::new(salt.clone()),
            forwarding: Forwarding::new(salt),
            ..self
        }
    }

    // Restore.

    /// Takes a changelog record in; the last of a key counts. No value is a tombstone.
    ///
    /// # Errors
    /// Where the value was written by a newer build, or is damaged.
    pub fn restore(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<(), StoredError> {
        if let Some(hash) = key.strip_prefix(erasures::KEY) {
            return self.erasures.restore(hash, value);
        }
        if let Some(hash) = key.strip_prefix(forwarding::KEY) {
            return self.forwarding.restore(hash, value);
        }
        if let Some(claim) = key.strip_prefix(transfer::KEY) {
            return self.claims.restore(claim, value);
        }
        if key == broadcast::KEY {
            return self.told.restore(value);
        }
        if let Some(of) = key.strip_prefix(tallies::KEY) {
            return self.tallies.restore(of, value);
        }
        if let Some(channel) = key.strip_prefix(rates::KEY) {
            return self.rates.restore(channel, value);
        }
        if let Some(way) = key.strip_prefix(lessons::KEY) {
            return self.learning.restore(way, value);
        }
        if let Some(of) = key.strip_prefix(rows::KEY) {
            return rows::restore(Arc::make_mut(&mut self.plan), of, value);
        }
        let customer =
            std::str::from_utf8(key).map_err(|error| StoredError::Damaged(error.to_string()))?;
        self.customers.restore(customer, value, &self.plan)
    }

    /// Ends the restore: `watermark` is the one of the task's record.
    pub fn restored(&mut self, watermark: Timestamp) {
        self.watermark = watermark;
    }

    // Inputs.

    /// Takes one input in and adds what follows to `effects`. `now` is the clock, which never goes back.
    pub fn step(&mut self, input: Input, now: Timestamp, effects: &mut Vec<Effect>) {
        match input {
            Input::Event(event) => {
                let first = effects.len();
                self.event(event, 0, now, effects);
                self.count(first, effects);
            }
            Input::Transferred(transfer) => {
                let first = effects.len();
                self.transferred(*transfer, now, effects);
                self.count(first, effects);
            }
            Input::Row(told) => self.row(*told, effects),
            Input::Everybody(event) => self.everybody(&event, now, effects),
            Input::Watermark(watermark) => while !self.advance(watermark, now, effects).done {},
        }
    }

    fn everybody(&mut self, event: &Event, now: Timestamp, effects: &mut Vec<Effect>) {
        let (mut from, mut done) = (0, false);
        while !done {
            let swept = self.broadcast(event, (from, None), now, effects);
            (from, done) = (swept.to, swept.done);
        }
    }

    /// The way of an event to whom it is about.
    fn event(
        &mut self,
        mut event: Box<Event>,
        hops: u8,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        let mut is_erased = false;
        let whose = self.whose(&event.customer);
        if let Some(whose) = whose.filter(|_| Self::may_go_on(hops)) {
            is_erased = self.erasures.covers(&event.customer, event.time);
            self.forwarding.used(&event.customer, event.time);
            event.customer = whose;
            if !is_erased {
                let Some(here) = self.forward(event, hops, effects) else {
                    return;
                };
                event = here;
            }
        }
        if self.again.is_some() && self.has_behind(self.customers.find(&event.customer)) {
            return;
        }
        if is_erased || self.erasures.covers(&event.customer, event.time) {
            effects.push(Effect::DroppedAsErased);
            return;
        }
        if event.name == EventName::CUSTOMER_ERASED {
            self.erase(&event, now, effects);
            effects.push(Effect::Erased);
            return;
        }
        effects.append(&mut self.unsaid);
        while let Some(former) = event.formers.first() {
            if self.is_claimed(&former.id, &event) {
                self.claim(*event, hops, effects);
                return;
            }
            let former = event.formers.remove(0);
            self.unite(&event, &former, now, effects);
        }
        match self.brings(&event) {
            None => {
                self.take(event, now, effects);
            }
            // One after the other, as they came: of two codes the first counts.
            Some(_) if self.waits(&event.customer) && Self::may_go_on(hops) => {
                self.put_off(*event, hops, effects);
            }
            Some(code) if self.is_elsewhere(&code) => self.ask(*event, code, hops, effects),
            Some(code) => {
                let whose = self.whose_code(&code, event.time);
                self.refer(event, &code, whose, now, effects);
            }
        }
    }

    /// Takes an event of a customer of this task; whether it was not seen before.
    fn take(&mut self, event: Box<Event>, now: Timestamp, effects: &mut Vec<Effect>) -> bool {
        let plan = Arc::clone(&self.plan);
        let working = self.customers.open(&event.customer, &plan);
        let customer = &mut *working.customer;
        let watermark = match self.gathers {
            true => seeding::settles_until(&customer.profile.settled, &event).min(self.watermark),
            false => self.watermark,
        };
        if event.has_message_id {
            customer.rest(watermark);
            if customer.profile.settled.seen.knows(&event.id) {
                effects.push(Effect::Duplicate);
                self.customers.leave();
                return false;
            }
            customer.profile.settled.seen.remember(&event.id);
        }
        let look_before = working.look;
        let fold = Fold::new(&plan, now, effects).undue_before(look_before);
        let mut fold = fold.learnt(&self.learning.learnt);
        let speaks = fold.may_speak(customer, &event);
        let can_wait = look_before > watermark
            && event.time > watermark
            && customer.profile.tail.can_wait(&event)
            && !speaks;
        let settled = !can_wait && fold.settle(customer, watermark, Expiry::Now).any;
        // Then nothing was due, and nothing is before.
        let look_holds = !settled || look_before > watermark;
        let seen = &mut customer.profile.settled.seen;
        if settled && event.has_message_id && !seen.knows(&event.id) {
            // Whoever expired meanwhile has forgotten it.
            seen.remember(&event.id);
        }
        let look = if event.time <= watermark {
            fold.effects.push(Effect::Late {
                behind_ms: watermark.0 - event.time.0,
            });
            fold.take_late(customer, &event);
            fold.closes_channels(customer, &event);
            fold.settle(customer, watermark, Expiry::Now);
            None
        } else if customer.profile.tail.is_full(&event) {
            fold.effects.push(Effect::TailFull);
            fold.take_at_once(customer, &event);
            fold.closes_channels(customer, &event);
            None
        } else {
            let look = plan.looks_again(&event, &customer.profile.settled);
            let said = event.says_consent().then(|| event.clone());
            fold.take(customer, event, speaks);
            if let Some(said) = said {
                fold.closes_channels(customer, &said);
            }
            // What it made true may have to wait, or be undone.
            let waits = customer.waiting.due().unwrap_or(Timestamp::MAX);
            let undone = customer.undone_at().unwrap_or(Timestamp::MAX);
            let closes = plan.closes(&customer.profile.settled);
            // Who is inside a journey since now is taken on by what is known beyond.
            let look_holds = look_holds && customer.profile.settled.journeys.open().is_empty();
            look_holds.then_some(look.min(waits).min(undone).min(closes).min(look_before))
        };
        working.dirty = true;
        working.look_is_early = look.is_some() && (settled || working.look_is_early);
        let look = look.unwrap_or_else(|| plan.next_look(&working.customer));
        self.customers.close(look);
        true
    }

    /// Done when it is seen, and not when the watermark has passed: what is still to be decided for her is not.
    fn erase(&mut self, event: &Event, now: Timestamp, effects: &mut Vec<Effect>) {
        self.erasures.add(&event.customer, event.time);
        for former in self.forwarding.forget(&event.customer) {
            self.erasures.add_hashed(former, event.time);
        }
        let hash = self.forwarding.hash(&event.customer);
        self.tell_of_erasure(&[hash], event.time, effects);
        if !self.customers.knows(&event.customer) {
            return;
        }
        let plan = Arc::clone(&self.plan);
        let working = self.customers.open(&event.customer, &plan);
        // What the watermark has passed counts as settled, whether somebody has looked at her since or not.
        let gone = event.time.max(self.watermark);
        Fold::new(&plan, now, effects).erases(&mut working.customer, event);
        working.customer.profile.tail.drop_until(gone);
        working.customer.begin_anew();
        working.dirty = true;
        let look = plan.next_look(&working.customer);
        self.customers.close(look);
    }

    // Transactions.

    /// Ends a transaction, and packs every customer that changed and is not written: the changelog records it carries.
    /// The sealed transaction must be committed or rolled back before the next is sealed.
    pub fn seal(&mut self) -> Vec<Record> {
        self.checkpoint(Keep::NOBODY).0
    }

    /// The same, but some of those who changed stay unpacked; and since which transaction some are that stay. What was done in it and
    /// after it has to be [taken again](Engine::take_again) by who restores.
    ///
    /// What the watermark has passed is settled in those who are packed, whether somebody has looked at them since or not: other
    /// triggers that are adopted later find the same in a state that was restored and in one that was not.
    pub fn checkpoint(&mut self, keep: Keep) -> (Vec<Record>, Option<u64>) {
        let erased = self.erasures.seal();
        let told = self.told.seal();
        let moved = self.forwarding.seal();
        let is_forgotten = moved.iter().any(|(_, entry)| entry.is_none());
        // These are there, or not, from the first moment on when something is taken again.
        let writes_all = std::mem::take(&mut self.writes_all);
        let keep = match erased.is_empty() && told.is_none() && !is_forgotten && !writes_all {
            true => keep,
            false => Keep::NOBODY,
        };
        let (plan, watermark) = (Arc::clone(&self.plan), self.watermark);
        let counted = self.unsaid.len();
        let unsaid = &mut self.unsaid;
        let (mut records, kept_from) = self.customers.seal(keep, |working| {
            let customer = &mut *working.customer;
            let oldest = customer.profile.tail.begins();
            if oldest.is_some_and(|time| time <= watermark) {
                let fold = Fold::new(&plan, Timestamp::MIN, unsaid);
                let mut fold = fold.undue_before(working.look);
                fold.settle_events(customer, watermark);
                // Who has something to be decided was looked at when time moved.
                debug_assert!(fold.has_decided_all());
                debug_assert!(!unsaid.iter().any(|it| matches!(it, Effect::Decided(_))));
                working.look_is_early = true;
            }
            customer.rest(watermark);
            if working.look_is_early {
                working.look = plan.next_look(customer);
                working.look_is_early = false;
            }
        });
        let mut settled = std::mem::take(&mut self.unsaid);
        // Whoever brought these is among those who are written.
        self.count(counted, &mut settled);
        self.customers.flush.clear();
        self.unsaid = settled;
        records.extend(erased);
        records.extend(moved);
        records.extend(self.claims.seal());
        records.extend(told);
        records.extend(self.tallies.seal());
        records.extend(self.rates.seal());
        records.extend(self.learning.seal());
        records.extend(self.seal_rows());
        (records, kept_from)
    }

    /// The open transaction has this number; the first has 0 where nobody says so.
    pub fn begin(&mut self, transaction: u64) {
        self.customers.begin(transaction);
        self.again = None;
    }

    /// What comes next was done before, in the transaction with this number, and is committed: who was written in it or later has it
    /// behind her. To be followed by [`Engine::begin`].
    pub fn take_again(&mut self, transaction: u64) {
        self.customers.begin(transaction);
        self.again = Some(transaction);
    }

    /// Whether a customer has what is taken again behind her.
    fn has_behind(&self, slot: Option<Slot>) -> bool {
        let again = self.again.zip(slot);
        again.is_some_and(|(transaction, slot)| self.customers.is_beyond(slot, transaction))
    }

    /// The sealed transaction is durable.
    pub fn committed(&mut self) {
        self.customers.commit();
        self.erasures.committed();
        self.forwarding.committed();
        self.claims.committed();
        self.told.committed();
        self.tallies.committed();
        self.rates.committed();
        self.learning.committed();
        self.changed_rows.committed();
    }

    /// Neither the sealed transaction nor what came after it has happened.
    pub fn rollback(&mut self, watermark: Timestamp) {
        self.customers.rollback();
        self.again = None;
        self.unsaid.clear();
        self.erasures.rollback();
        self.forwarding.rollback();
        self.claims.rollback();
        self.writes_all = false;
        self.told.rollback();
        self.tallies.rollback();
        self.rates.rollback();
        self.learning.rollback();
        self.rollback_rows();
        self.watermark = watermark;
        self.is_adopted = false;
        self.sweeping.begin_anew();
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
        if self.gathers {
            return None;
        }
        if self.customers.any_expired() {
            return Some(self.watermark);
        }
        let look = self.customers.next_look();
        look.into_iter().chain(self.turn_due()).min()
    }

    /// Customers known, and the bytes that their committed profiles take.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        self.customers.size()
    }

    /// Erasures that still drop what is older.
    #[must_use]
    pub fn erasures(&self) -> usize {
        self.erasures.len()
    }

    /// Former ids of which it is known whose they are.
    #[must_use]
    pub fn former_ids(&self) -> usize {
        self.forwarding.len()
    }

    /// Whose an id is by now, where that is not its own.
    #[must_use]
    pub fn went_to(&self, id: &str) -> Option<CustomerId> {
        self.whose(id)
    }

    /// Customers who are unpacked.
    #[must_use]
    pub fn open_customers(&self) -> usize {
        self.customers.hot()
    }

    /// A customer as of what was taken in so far, committed or not, with her tail settled up to the watermark as far as no
    /// deadline stands in between; of a former id, whose it is by now. `None` where she is not known.
    #[must_use]
    pub fn customer(&self, id: &str) -> Option<Customer> {
        let whose = self.whose(id);
        let customer = self.customers.as_she_is(whose.as_deref().unwrap_or(id))?;
        Some(self.settled(*customer))
    }

    /// Everybody, as [`Engine::customer`] gives one, in no particular order.
    pub fn customers(&self) -> impl Iterator<Item = Customer> {
        let all = self.customers.all_latest();
        let there = all.filter(|customer| !customer.is_blank());
        there.map(|customer| self.settled(*customer))
    }

    /// Every customer as she was last written and committed, which is what the changelog holds, in no particular
    /// order.
    pub fn packed_customers(&self) -> impl Iterator<Item = Customer> {
        self.customers.all_committed().map(|customer| *customer)
    }

    /// A customer as far as is known at `now`: all that she did is taken in, settled or not, and nothing of it is decided.
    #[must_use]
    pub fn as_known(plan: &Plan, customer: &Customer, now: Timestamp) -> Customer {
        let mut effects = Vec::new();
        Fold::new(plan, now, &mut effects).known(customer, now)
    }

    fn settled(&self, mut customer: Customer) -> Customer {
        let mut effects = Vec::new();
        let mut fold = Fold::new(&self.plan, self.watermark, &mut effects);
        fold.settle_events(&mut customer, self.watermark);
        customer.rest(self.watermark);
        customer
    }

    /// Armed deadlines by trigger, in the order of the plan's triggers: those that would come true
    /// if nothing more happened.
    #[must_use]
    pub fn armed(&self) -> Vec<usize> {
        self.settled_all().0
    }

    /// Armed deadlines, and what follows from settling everybody as far as time has come.
    fn settled_all(&self) -> (Vec<usize>, Vec<Effect>) {
        let mut armed = vec![0; self.plan.triggers.len()];
        let mut effects = Vec::new();
        for mut customer in self.customers.all_latest() {
            let mut fold = Fold::new(&self.plan, self.watermark, &mut effects);
            fold.settle(&mut customer, self.watermark, Expiry::Now);
            for (key, state) in customer.states.iter() {
                if let Some(rank) = self.plan.rank(key) {
                    let kind = &self.plan.triggers[rank].kind;
                    armed[rank] += kind.armed(state, &customer.profile.settled);
                }
            }
        }
        (armed, effects)
    }

    // The end.

    /// Ends a run over files, after which nothing is told any more: what is settled by now is in the figures, whether somebody has looked
    /// at whose it is since or not. Gives the armed deadlines, as [`Engine::armed`] does.
    #[must_use]
    pub fn ends(&mut self) -> Vec<usize> {
        let (armed, mut effects) = self.settled_all();
        effects.retain(|it| matches!(it, Effect::Came(_)));
        self.count(0, &mut effects);
        armed
    }
}
