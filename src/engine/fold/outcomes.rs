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
use crate::profile::orders::{Order, currency_of, has_not_happened, order_id, order_value};
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
                || tells_of_order(event.name))
            && !(settled.ledger.is_empty() && settled.journeys.went().is_empty())
    }
}

/// Whether an event may change what an order was credited with.
fn tells_of_order(name: EventName) -> bool {
    name == EventName::ORDER_COMPLETED || name == EventName::ORDER_UPDATED || takes_off(name)
}

/// Whether an event may take something off an order.
fn takes_off(name: EventName) -> bool {
    name == EventName::ORDER_REFUNDED || name == EventName::ORDER_CANCELLED
}

/// The codes that an order was made with.
fn redeems(event: &Event) -> Option<&str> {
    let is_order = event.name == EventName::ORDER_COMPLETED;
    let codes = event.text(PropertyId::COUPON).filter(|_| is_order)?;
    Some(codes.as_str())
}

impl Fold<'_> {
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
            // A code for friends is not for herself.
            code: match self.plan.referred_by(&settled.id, command) {
                None => command.code().and_then(code::known_by),
                Some(_) => None,
            },
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
        let plan = self.plan;
        let scope = Scope::of_event(event, settled, previous, &plan.rows);
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
        if settled.ledger.is_empty() {
            return;
        }
        if tells_of_order(event.name) {
            self.told_of_order(settled, event, again);
        }
        if again {
            return;
        }
        let redeemed = redeems(event).and_then(|codes| self.redeemed(settled, codes));
        if self.plan.with_goal(event.name).next().is_some() {
            self.met(settled, (event, previous), redeemed);
        }
    }

    /// Notes whose code she ordered with; the place on her ledger of the last of them. An order has several with commas.
    fn redeemed(&mut self, settled: &mut Settled, codes: &str) -> Option<usize> {
        let codes: Vec<u64> = code::several(codes).filter_map(code::known_by).collect();
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
        let order = order_id(event);
        let placed = settled
            .orders
            .of(order)
            .filter(|_| event.name == EventName::ORDER_COMPLETED);
        // It may have been cancelled, by what came before it.
        if placed.is_some_and(Order::is_taken_off) {
            return;
        }
        let left = placed.and_then(|it| it.left_in(&settled.orders.currency));
        let scope = Scope::of_event(event, settled, previous, &plan.rows);
        let open = settled.ledger.entries().enumerate();
        let met: Vec<(usize, Amount)> = open
            .filter(|(_, entry)| entry.counts(event.time))
            .filter_map(|(at, entry)| {
                let goal = plan.by_key(entry.trigger)?.goal.as_ref()?;
                let worth = || match left.filter(|_| goal.is_worth_the_order()) {
                    Some(left) => left,
                    None => self.worth(goal, &scope),
                };
                goal.of.matches(&scope).then(|| (at, worth()))
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
        let mut came = Vec::new();
        for (place, entry) in settled.ledger.entries_mut().enumerate() {
            let Some((_, worth)) = met.iter().find(|(at, _)| *at == place) else {
                continue;
            };
            entry.met = entry.met.saturating_add(1);
            entry.value = entry.value + *worth;
            let rank = sent.iter().position(|at| *at == place);
            let credit = Credit {
                order: order.unwrap_or_default(),
                left: *worth,
                is_first: rank == Some(0),
                is_last: last == Some(place),
                share: rank.map_or(0, |rank| share(rank, sent.len())),
            };
            if order.is_some() {
                entry.credit(credit.clone());
            }
            came.push((entry.clone(), credit));
        }
        for (entry, credit) in came {
            self.credited(settled, &entry, &credit, (WHOLE, Amount::ZERO, credit.left));
        }
    }

    /// More is told of an order, which the profile has taken in: what it was credited with is what is left of it. Of a goal that says
    /// itself what it is worth, what is refunded is taken off; a whole refund or a cancellation takes it back.
    fn told_of_order(&mut self, settled: &mut Settled, event: &Event, again: bool) {
        let (plan, order) = (self.plan, order_id(event));
        let Some(told) = settled.orders.of(order) else {
            return;
        };
        let is_whole = told.is_taken_off();
        let left = told.left_in(&settled.orders.currency);
        let is_refund = takes_off(event.name) && !has_not_happened(event) && !again;
        let refund = order_value(event).filter(|_| is_refund);
        let refund = self.in_main(settled, event, refund.unwrap_or_default().abs());
        let mut came = Vec::new();
        for entry in settled.ledger.entries_mut() {
            let at = entry.credits.iter().position(|it| Some(it.order) == order);
            let Some(at) = at else { continue };
            let credit = entry.credits[at].clone();
            let goal = plan.by_key(entry.trigger).and_then(|it| it.goal.as_ref());
            let is_worth_it = goal.is_some_and(Goal::is_worth_the_order);
            let now = match left.filter(|_| is_worth_it) {
                _ if is_whole => Amount::ZERO,
                Some(left) => left,
                None => credit.left - refund.min(credit.left),
            };
            entry.value = entry.value - credit.left + now;
            if is_whole {
                entry.credits.remove(at);
                entry.met = entry.met.saturating_sub(1);
            } else {
                entry.credits[at].left = now;
            }
            came.push((entry.clone(), credit, now));
        }
        let whole = if is_whole { -WHOLE } else { 0 };
        for (entry, credit, now) in came {
            self.credited(settled, &entry, &credit, (whole, credit.left, now));
        }
    }

    /// Says what a treatment is credited with, by each way of sharing: a goal more or less, and what it was and is worth.
    fn credited(
        &mut self,
        settled: &Settled,
        entry: &Entry,
        credit: &Credit,
        (whole, was, now): (i64, Amount, Amount),
    ) {
        let value = now - was;
        let part = part(now, credit.share) - part(was, credit.share);
        let linear = (whole.signum() * credit.share, part);
        for (touch, is_shared, (share, value)) in [
            (Touch::Last, credit.is_last, (whole, value)),
            (Touch::First, credit.is_first, (whole, value)),
            (Touch::Linear, credit.share > 0, linear),
        ] {
            if is_shared && (share, value) != (0, Amount::ZERO) {
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

/// What goes of a value with a linear share. A third of 90 is 30, though a third in millionths is not whole.
fn part(value: Amount, share: i64) -> Amount {
    let of = (WHOLE + share / 2) / share.max(1);
    let each = value.part_of(u32::try_from(of).unwrap_or(u32::MAX));
    match share > WHOLE / of.max(1) {
        true => (1..of).fold(value, |left, _| left - each),
        false => each,
    }
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
