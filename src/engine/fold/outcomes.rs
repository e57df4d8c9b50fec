//! What comes of treatments: reactions that senders report, goals that are met, and goals that count no more.
//!
//! A goal is credited to the treatments that were sent to her before it and whose goal it meets in time: to the last of them, to the
//! first, and in equal parts to each, which are three ways of counting the same. For lift a customer counts once, whether she was
//! treated or held out: from her first exposure to a trigger until its goal counts no more.

use super::super::Effect;
use super::super::lessons::Turnout;
use super::Fold;
use crate::event::{Event, EventName, PropertyId, Text};
use crate::expression::Scope;
use crate::journey::lessons::Way;
use crate::money::Amount;
use crate::profile::Settled;
use crate::profile::journeys::Went;
use crate::profile::ledger::{Arm, Credit, Entry};
use crate::profile::orders::{currency_of, order_value};
use crate::profile::section::thing_id;
use crate::tally::{Change, One, Outcome, Reaction, Touch, WHOLE};
use crate::time::Timestamp;
use crate::treatment::code;
use crate::treatment::{Command, Decision, Outcome as Decided, Reason};
use crate::trigger::plan::{Goal, Plan, Trigger};
use crate::value::Value;
use uuid::Uuid;

impl Plan {
    /// Whether the goal of a trigger asks for the profile before an event of this name.
    pub(in crate::engine) fn goals_ask_previous(&self, name: EventName) -> bool {
        let goals = self.with_goal(name).filter_map(|it| it.goal.as_ref());
        self.has_goals && goals.into_iter().any(Goal::uses_previous)
    }

    /// Whether something may come of an event for what stands on her ledger.
    pub(in crate::engine) fn may_come_of(&self, event: &Event, settled: &Settled) -> bool {
        self.has_goals
            && (self.with_goal(event.name).next().is_some()
                || !Reaction::of(event.name).is_empty()
                || redeems(event).is_some()
                || takes_back(event.name))
            && !(settled.ledger.is_empty() && settled.journeys.went().is_empty())
    }
}

/// Whether an event may take back what an order was credited with.
fn takes_back(name: EventName) -> bool {
    matches!(name, EventName::ORDER_REFUNDED | EventName::ORDER_CANCELLED)
}

/// The codes that an order was made with.
fn redeems(event: &Event) -> Option<&str> {
    let is_order = event.name == EventName::ORDER_COMPLETED;
    let codes = event.text(PropertyId::COUPON).filter(|_| is_order)?;
    Some(codes.as_str())
}

impl Fold<'_> {
    /// When a goal counts no more; never where none is declared.
    pub(super) fn closes(&self, settled: &Settled) -> Timestamp {
        match self.plan.has_goals {
            true => settled.ledger.due().min(settled.journeys.closes()),
            false => Timestamp::MAX,
        }
    }

    /// Enters what was sent, or withheld by lot, on her ledger.
    pub(super) fn expose(&mut self, settled: &mut Settled, trigger: &Trigger, decision: &Decision) {
        let Some(goal) = &trigger.goal else { return };
        let (arm, command) = match &decision.outcome {
            Decided::Treat(command) => (Arm::Treated, command),
            Decided::Refuse(Reason::HeldOut, Some(command)) => (Arm::HeldOut, command),
            Decided::Refuse(..) | Decided::Withdraw(_) => return,
        };
        let at = decision.decided_at;
        let entry = Entry {
            trigger: trigger.key,
            id: command.id.as_u64_pair().0,
            treatment: treatment(command),
            at,
            until: at.plus(goal.within_ms),
            arm,
            segments: decision.segments.clone(),
            is_first: false,
            met: 0,
            value: Amount::ZERO,
            reactions: 0,
            credits: Vec::new(),
            code: command.code().and_then(code::known_by),
        };
        if let Some(beyond) = settled.ledger.expose(entry)
            && beyond.is_first
        {
            self.closed(settled, &beyond);
        }
    }

    /// What is due by an instant counts no more.
    pub(super) fn close(&mut self, settled: &mut Settled, by: Timestamp) {
        for entry in settled.ledger.close(by) {
            self.closed(settled, &entry);
        }
        if settled.journeys.closes() <= by {
            for went in settled.journeys.is_known(|it| it.until < by) {
                self.went(settled, &went, Turnout::Misses);
            }
        }
    }

    /// What came of who took a way of an adaptive split.
    pub(super) fn went(&mut self, settled: &Settled, went: &Went, turnout: Turnout) {
        if let Some(trigger) = self.plan.by_key(went.key) {
            self.effects.push(Effect::Went {
                customer: settled.id.clone(),
                trigger: trigger.name.clone(),
                way: Way {
                    trigger: went.key,
                    step: went.step,
                    way: went.way,
                },
                turnout,
            });
        }
    }

    /// Who took a way meets the goal in time.
    fn meets(&mut self, settled: &mut Settled, (event, previous): (&Event, Option<&Settled>)) {
        if settled.journeys.went().is_empty() {
            return;
        }
        let scope = Scope::of_event(event, settled, previous);
        let plan = self.plan;
        let meets = |went: &&Went| {
            let trigger = plan.by_key(went.key);
            went.at < event.time
                && event.time <= went.until
                && trigger.is_some_and(|it| {
                    let goal = it.goal.as_ref().is_some_and(|it| it.of.matches(&scope));
                    let journey = it.journey.as_ref();
                    goal && journey.is_none_or(|it| it.concerns(went.about.as_ref(), &scope))
                })
        };
        let met: Vec<Went> = settled
            .journeys
            .went()
            .iter()
            .filter(meets)
            .cloned()
            .collect();
        if met.is_empty() {
            return;
        }
        for went in settled.journeys.is_known(|it| met.contains(it)) {
            self.went(settled, &went, Turnout::Meets);
        }
    }

    fn closed(&mut self, settled: &Settled, entry: &Entry) {
        let trigger = self.plan.by_key(entry.trigger);
        let Some(goal) = trigger.and_then(|it| it.goal.as_ref()) else {
            return;
        };
        let customer = One {
            converted: entry.met > 0,
            value: entry.value,
            bounded: goal
                .at_most
                .map(|most| entry.value.max(Amount::ZERO).min(most)),
        };
        let arm = entry.arm;
        self.came(settled, entry, Change::Closed { arm, customer });
    }

    /// Takes a settled event in, which the profile has taken in. `again`: what it is about was told before.
    pub(super) fn come_of(
        &mut self,
        settled: &mut Settled,
        (event, previous): (&Event, Option<&Settled>),
        again: bool,
    ) {
        for reaction in Reaction::of(event.name) {
            self.reacted(settled, event, *reaction);
        }
        if !again {
            self.meets(settled, (event, previous));
        }
        if settled.ledger.is_empty() || again {
            return;
        }
        if takes_back(event.name) {
            self.taken_back(settled, event);
        }
        let redeemed = redeems(event).and_then(|codes| self.redeemed(settled, codes));
        if self.plan.with_goal(event.name).next().is_some() {
            self.met(settled, (event, previous), redeemed);
        }
    }

    /// Notes whose code she ordered with; the place on her ledger of the last of them. An order has several with commas.
    fn redeemed(&mut self, settled: &mut Settled, codes: &str) -> Option<usize> {
        let codes = codes.split([',', ';']);
        let codes: Vec<u64> = codes.filter_map(code::known_by).collect();
        let mut entries = settled.ledger.entries_mut().enumerate();
        let is_it = |entry: &Entry| {
            let sent = entry.code.filter(|_| entry.arm == Arm::Treated);
            sent.is_some_and(|code| codes.contains(&code))
        };
        let (mut last, mut came) = (None, Vec::new());
        for (place, entry) in entries.by_ref().filter(|(_, entry)| is_it(entry)) {
            last = Some(place);
            if entry.reactions & Reaction::Redeemed.bit() == 0 {
                entry.reactions |= Reaction::Redeemed.bit();
                came.push(entry.clone());
            }
        }
        drop(entries);
        for entry in came {
            self.came(settled, &entry, Change::Reacted(Reaction::Redeemed));
        }
        last
    }

    fn reacted(&mut self, settled: &mut Settled, event: &Event, reaction: Reaction) {
        let id = event.text(PropertyId::TREATMENT_ID);
        let Some(id) = id.and_then(|id| Uuid::try_parse(id).ok()) else {
            return;
        };
        let id = id.as_u64_pair().0;
        let mut entries = settled.ledger.entries_mut();
        let entry = entries.find(|it| it.id == id && it.arm == Arm::Treated);
        let Some(entry) = entry else {
            self.effects.push(Effect::Orphaned(reaction));
            return;
        };
        if entry.reactions & reaction.bit() != 0 {
            return;
        }
        entry.reactions |= reaction.bit();
        let entry = entry.clone();
        drop(entries);
        self.came(settled, &entry, Change::Reacted(reaction));
    }

    /// Credits a goal to those whose it is: as the last of them counts the one whose code was redeemed, if it is among them.
    fn met(
        &mut self,
        settled: &mut Settled,
        (event, previous): (&Event, Option<&Settled>),
        redeemed: Option<usize>,
    ) {
        let plan = self.plan;
        let scope = Scope::of_event(event, settled, previous);
        let open = settled.ledger.entries().enumerate();
        let met: Vec<(usize, Amount)> = open
            .filter(|(_, entry)| entry.counts(event.time))
            .filter_map(|(at, entry)| {
                let goal = plan.by_key(entry.trigger)?.goal.as_ref()?;
                let is_it = goal.of.matches(&scope);
                is_it.then(|| (at, self.worth(goal, &scope)))
            })
            .collect();
        let is_sent = |at: usize| {
            let mut entries = settled.ledger.entries();
            entries.nth(at).is_some_and(|it| it.arm == Arm::Treated)
        };
        let sent: Vec<usize> = met
            .iter()
            .map(|it| it.0)
            .filter(|at| is_sent(*at))
            .collect();
        let of_code = redeemed.filter(|place| sent.contains(place));
        let last = of_code.or(sent.last().copied());
        let order = event.text(PropertyId::ORDER_ID).map(|id| thing_id(id));
        let mut came = Vec::new();
        for (place, entry) in settled.ledger.entries_mut().enumerate() {
            let Some((_, worth)) = met.iter().find(|(at, _)| *at == place) else {
                continue;
            };
            entry.met = entry.met.saturating_add(1);
            entry.value = entry.value + *worth;
            let Some(rank) = sent.iter().position(|at| *at == place) else {
                continue;
            };
            let credit = Credit {
                order: order.unwrap_or_default(),
                left: *worth,
                is_first: rank == 0,
                is_last: last == Some(place),
                share: share(rank, sent.len()),
            };
            if order.is_some() {
                entry.credit(credit.clone());
            }
            came.push((entry.clone(), credit));
        }
        for (entry, credit) in came {
            self.credited(settled, &entry, &credit, (WHOLE, credit.left));
        }
    }

    /// Takes back what an order was credited with that is refunded or cancelled: whole, or so much of its value.
    fn taken_back(&mut self, settled: &mut Settled, event: &Event) {
        let Some(order) = event.text(PropertyId::ORDER_ID).map(|id| thing_id(id)) else {
            return;
        };
        let known = settled.orders.known.iter();
        let known = known.into_iter().find(|it| it.id == Some(order));
        let is_whole = known.is_none_or(crate::profile::orders::Order::is_taken_off);
        let amount = order_value(event).unwrap_or_default().abs();
        let amount = self.in_main(settled, event, amount);
        let mut came = Vec::new();
        for entry in settled.ledger.entries_mut() {
            let at = entry.credits.iter().position(|it| it.order == order);
            let Some(at) = at else { continue };
            let taken = match is_whole {
                true => entry.credits[at].left,
                false => amount.min(entry.credits[at].left),
            };
            let credit = entry.credits[at].clone();
            if is_whole {
                entry.credits.remove(at);
                entry.met = entry.met.saturating_sub(1);
            } else {
                entry.credits[at].left = credit.left - taken;
            }
            entry.value = entry.value - taken;
            came.push((entry.clone(), credit, taken));
        }
        let whole = if is_whole { -WHOLE } else { 0 };
        for (entry, credit, taken) in came {
            self.credited(settled, &entry, &credit, (whole, -taken));
        }
    }

    /// Says what a treatment is credited with, by each way of sharing.
    fn credited(
        &mut self,
        settled: &Settled,
        entry: &Entry,
        credit: &Credit,
        (whole, value): (i64, Amount),
    ) {
        let part = Amount::of_millionths(credit.share);
        for (touch, is_shared, share, value) in [
            (Touch::Last, credit.is_last, whole, value),
            (Touch::First, credit.is_first, whole, value),
            (
                Touch::Linear,
                true,
                whole.signum() * credit.share,
                value.times(part),
            ),
        ] {
            if is_shared {
                let change = Change::Credited {
                    touch,
                    share,
                    value,
                };
                self.came(settled, entry, change);
            }
        }
    }

    fn came(&mut self, settled: &Settled, entry: &Entry, change: Change) {
        let Some(trigger) = self.plan.by_key(entry.trigger) else {
            return;
        };
        self.effects.push(Effect::Came(Box::new(Outcome {
            customer: settled.id.clone(),
            trigger: (trigger.name.clone(), trigger.generation),
            treatment: Some(entry.treatment.clone()),
            segments: entry.segments.clone(),
            change,
        })));
    }

    /// What a goal is worth, in the main currency; nothing where nobody says at which rate.
    fn worth(&self, goal: &Goal, scope: &Scope<'_>) -> Amount {
        let Some(event) = scope.event else {
            return Amount::ZERO;
        };
        let amount = match &goal.value {
            Some(value) => match value.eval(scope) {
                Value::Number(number) => Amount::of(number),
                _ => Amount::ZERO,
            },
            None if event.name == EventName::ORDER_COMPLETED => {
                order_value(event).unwrap_or_default()
            }
            None => Amount::ZERO,
        };
        self.in_main(scope.profile, event, amount)
    }

    fn in_main(&self, settled: &Settled, event: &Event, amount: Amount) -> Amount {
        let currencies = &self.plan.policy.currencies;
        let hers = &settled.orders.currency;
        let rate = currencies.rate(&currency_of(event), hers);
        let places = currencies.main(hers).places();
        amount.times(rate.unwrap_or_default()).rounded(places)
    }
}

/// `channel/template`.
pub(in crate::engine) fn treatment(command: &Command) -> Text {
    compact_str::format_compact!("{}/{}", command.channel, command.template)
}

/// The linear share of one of several, in millionths: what does not divide is the last one's.
fn share(rank: usize, of: usize) -> i64 {
    let of = i64::try_from(of.max(1)).unwrap_or(i64::MAX);
    let each = WHOLE / of;
    let is_last = i64::try_from(rank + 1) == Ok(of);
    if is_last {
        WHOLE - each * (of - 1)
    } else {
        each
    }
}
