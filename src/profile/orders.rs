//! What she bought: recency, frequency and monetary value, and her own rhythm and ticket.
//!
//! An order is itself by its `order_id`: told again it is the same one, of the later content. What is taken off it again, by refunds
//! and by a cancellation, is never more than it was worth, however often it is told.

use serde::{Deserialize, Serialize};

use super::section::{
    Field, KeyedField, Local, Section, ThingId, earlier, earliest, field, keyed, thing_id,
};
use crate::event::{Event, EventName, PropertyId, Text, Type};
use crate::money::{Amount, Currency};
use crate::stats::deviation;
use crate::stored::{Stored, StoredError};
use crate::time::Timestamp;
use crate::value::Value;

/// Orders that are known again when something more is told of them: the last so many, of some 26 bytes. Of older ones nothing is
/// taken off any more.
const KNOWN_MAX: usize = 32;
/// Refunds of one order that are known again by their ids.
const REFUNDS_MAX: usize = 8;
/// Currencies with a total of their own: those of a life of travelling.
const CURRENCIES_MAX: usize = 8;
/// What a refund says that has not happened, or not yet.
const NOT_REFUNDED: [&str; 12] = [
    "failed",
    "failure",
    "fail",
    "error",
    "declined",
    "denied",
    "rejected",
    "cancelled",
    "canceled",
    "voided",
    "pending",
    "requested",
];

/// Orders: recency, frequency and monetary value, and the customer's own rhythm and ticket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Orders {
    /// How many, each id once.
    pub count: u32,
    /// Their value together, less what was taken off again, of those that have a rate into `currency`.
    pub value: Amount,
    /// What was taken off again.
    pub refunded: Amount,
    /// The currency of both: the company's, or else that of her first order that said one.
    pub currency: Currency,
    /// The first.
    pub first: Option<Timestamp>,
    /// The last.
    pub last: Option<Timestamp>,
    /// Gaps between distinct purchase days.
    pub rhythm: Rhythm,
    /// How many were refunded, be it in part, or cancelled.
    pub undone: u32,
    /// How many are in a currency that has no rate, and so are not in `value`.
    pub unrated: u32,
    /// Less what was taken off again, by currency.
    pub totals: Vec<(Currency, Amount)>,
    /// The last of them, and those of which only something else was told yet, oldest first.
    pub known: Vec<Order>,
}

/// An order that is known again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// None where the shop says none: then it is another each time.
    pub id: Option<ThingId>,
    /// When it was placed, or something else of it was told first.
    pub at: Timestamp,
    /// So much later what is known of it was told, ms.
    later_ms: i64,
    /// Whether it was told that it was placed.
    pub is_placed: bool,
    /// Its value.
    pub value: Amount,
    /// Of this currency.
    pub currency: Currency,
    /// What one unit of that is worth in the main currency; 0 where nobody said it.
    rate: Amount,
    /// Cancelled, or refunded whole.
    is_undone: bool,
    /// Amounts refunded, with the ids of those that have one.
    refunds: Vec<(Option<ThingId>, Amount)>,
}

/// What an order adds to her totals.
#[derive(Clone, Copy, Debug, Default)]
struct Share {
    net: Amount,
    net_in_main: Amount,
    taken_in_main: Amount,
    unrated: u32,
    undone: u32,
}

/// Running sums of the gaps, in days, between distinct purchase days.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rhythm {
    /// The last purchase day (days since 1970-01-01 in her zone).
    pub last_day: Option<i32>,
    /// Gaps.
    pub gaps: u32,
    /// Their sum.
    pub sum: i64,
    /// The sum of their squares.
    pub squares: i64,
}

impl Order {
    /// Whether nothing is left of it: cancelled, or refunded whole.
    #[must_use]
    pub fn is_taken_off(&self) -> bool {
        let is_refunded = self.refunds.iter().any(|it| it.1 > Amount::ZERO);
        let is_placed = self.is_placed && is_refunded;
        self.is_undone || (is_placed && self.taken() >= self.value)
    }

    /// What is left of its value, in the main currency; nothing is known of one that was not placed yet.
    #[must_use]
    pub fn left_in(&self, main: &Currency) -> Option<Amount> {
        self.is_placed.then(|| self.share(main).net_in_main)
    }

    /// What is taken off it again.
    fn taken(&self) -> Amount {
        let whole = self.value.max(Amount::ZERO);
        let told = self.refunds.iter();
        let told = told.fold(Amount::ZERO, |sum, (_, amount)| sum + *amount);
        match self.is_undone {
            true => self.value,
            false => told.min(whole),
        }
    }

    fn share(&self, main: &Currency) -> Share {
        let taken = self.taken();
        let is_undone = self.is_undone || self.refunds.iter().any(|it| it.1 > Amount::ZERO);
        let undone = u32::from(is_undone);
        if !self.is_placed {
            return Share {
                undone,
                ..Share::default()
            };
        }
        let places = main.places();
        let in_main = |amount: Amount| amount.times(self.rate).rounded(places);
        let net_in_main = in_main(self.value - taken);
        Share {
            net: self.value - taken,
            net_in_main,
            taken_in_main: in_main(self.value) - net_in_main,
            unrated: u32::from(self.rate == Amount::ZERO),
            undone,
        }
    }

    /// Its value in the main currency, as it was placed.
    fn in_main(&self, main: &Currency) -> Option<Amount> {
        let value = self.value.times(self.rate).rounded(main.places());
        (self.rate != Amount::ZERO).then_some(value)
    }

    /// Takes in what is known of the same order under another id.
    fn merge(&mut self, other: Self) {
        let told = |order: &Self| order.at.0.saturating_add(order.later_ms);
        let latest = told(self).max(told(&other));
        if told(&other) > told(self) {
            (self.value, self.rate) = (other.value, other.rate);
            self.currency = other.currency;
        }
        self.at = match (self.is_placed, other.is_placed) {
            (false, true) => other.at,
            (true, false) => self.at,
            _ => self.at.min(other.at),
        };
        self.later_ms = latest.saturating_sub(self.at.0);
        self.is_placed |= other.is_placed;
        self.is_undone |= other.is_undone;
        for (id, amount) in other.refunds {
            self.refund(id, amount);
        }
    }

    /// Notes an amount refunded; one of an id that is known stands in its place.
    fn refund(&mut self, id: Option<ThingId>, amount: Amount) {
        let same = |(known, _): &&mut (Option<ThingId>, Amount)| known.is_some() && *known == id;
        if let Some((_, known)) = self.refunds.iter_mut().find(same) {
            *known = amount;
            return;
        }
        if self.refunds.len() >= REFUNDS_MAX {
            // The oldest is one with the next from now on.
            let (_, oldest) = self.refunds.remove(0);
            self.refunds[0] = (None, self.refunds[0].1 + oldest);
        }
        self.refunds.push((id, amount));
    }
}

impl Orders {
    /// An order, where it has an id by which it is known again.
    #[must_use]
    pub fn of(&self, id: Option<ThingId>) -> Option<&Order> {
        self.known.iter().find(|it| id.is_some() && it.id == id)
    }

    /// Whether an order was told before that it was placed, or a refund.
    #[must_use]
    pub fn was_told(&self, event: &Event) -> bool {
        let known = self.of(order_id(event));
        match event.name {
            EventName::ORDER_COMPLETED => known.is_some_and(|it| it.is_placed),
            _ => {
                let refund = event.text(PropertyId::REFUND_ID).map(|id| thing_id(id));
                let mut refunds = known.iter().flat_map(|it| &it.refunds);
                refund.is_some() && refunds.any(|(known, _)| *known == refund)
            }
        }
    }

    /// The order that was placed last.
    fn latest(&self) -> Option<&Order> {
        self.known.iter().rev().find(|order| order.is_placed)
    }

    /// The place of the order that an event is about; a new one where it is of none that is known.
    fn place(&mut self, event: &Event) -> usize {
        let id = order_id(event);
        let known = self.known.iter().position(|it| id.is_some() && it.id == id);
        known.unwrap_or_else(|| {
            if self.known.len() >= KNOWN_MAX {
                self.known.remove(0);
            }
            let order = Order {
                id,
                at: event.time,
                later_ms: i64::MIN,
                ..Order::default()
            };
            let after = self.known.partition_point(|it| it.at <= event.time);
            self.known.insert(after, order);
            after
        })
    }

    /// Changes an order, and her totals by as much as that changes it.
    fn change(&mut self, at: usize, change: impl FnOnce(&mut Order)) {
        let main = self.currency.clone();
        let before = (self.known[at].currency.clone(), self.known[at].share(&main));
        change(&mut self.known[at]);
        let after = (self.known[at].currency.clone(), self.known[at].share(&main));
        let (was, is) = (before.1, after.1);
        self.value = self.value - was.net_in_main + is.net_in_main;
        self.refunded = self.refunded - was.taken_in_main + is.taken_in_main;
        self.unrated = (self.unrated + is.unrated).saturating_sub(was.unrated);
        self.undone = (self.undone + is.undone).saturating_sub(was.undone);
        self.add(&before.0, -was.net);
        self.add(&after.0, is.net);
    }

    /// When she bought, here and there.
    fn merged_times(&self, other: &Self) -> Times {
        let placed = |orders: &Self| -> Vec<(Option<ThingId>, Timestamp)> {
            let placed = orders.known.iter().filter(|order| order.is_placed);
            placed.map(|order| (order.id, order.at)).collect()
        };
        let mut all = placed(self);
        let new = placed(other);
        let is_whole = |placed: &[_], orders: &Self| {
            u32::try_from(placed.len()).is_ok_and(|known| known == orders.count)
        };
        let is_whole = is_whole(&all, self) && is_whole(&new, other);
        let is_known = |id: Option<ThingId>| id.is_some() && all.iter().any(|it| it.0 == id);
        let new: Vec<_> = new.into_iter().filter(|it| !is_known(it.0)).collect();
        all.extend(new);
        Times {
            all: is_whole.then(|| all.into_iter().map(|(_, at)| at).collect()),
            each: [self, other].map(|orders| (orders.first, orders.rhythm.clone())),
        }
    }

    /// Adds other orders of hers to these, none of which is known in both, in the same main currency.
    fn add_up(&mut self, other: Self) {
        self.count = self.count.saturating_add(other.count);
        self.value = self.value + other.value;
        self.refunded = self.refunded + other.refunded;
        self.undone = self.undone.saturating_add(other.undone);
        self.unrated = self.unrated.saturating_add(other.unrated);
        self.first = earlier(self.first, other.first);
        self.last = self.last.max(other.last);
        for (currency, total) in other.totals {
            self.add(&currency, total);
        }
        self.known.extend(other.known);
        self.known.sort_by_key(|order| order.at);
        let spare = self.known.len().saturating_sub(KNOWN_MAX);
        self.known.drain(..spare);
    }

    fn add(&mut self, currency: &Currency, amount: Amount) {
        if amount == Amount::ZERO {
            return;
        }
        let full = self.totals.len() >= CURRENCIES_MAX;
        match self.totals.iter_mut().find(|(known, _)| known == currency) {
            Some((_, total)) => *total = *total + amount,
            None if !full => {
                self.totals.push((currency.clone(), amount));
            }
            None => {}
        }
    }

    /// From now on the values are in the company's currency, or where it has none in the first that is said of her orders.
    fn reckon(&mut self, event: &Event, local: Local<'_>) -> Currency {
        let said = currency_of(event);
        let hers = match self.currency.is_unsaid() {
            true => &said,
            false => &self.currency,
        };
        let main = local.currencies.main(hers).clone();
        if main != self.currency {
            self.go_over(main, local);
        }
        match said.is_unsaid() {
            true => self.currency.clone(),
            false => said,
        }
    }

    fn go_over(&mut self, main: Currency, local: Local<'_>) {
        // What was in a currency of which nothing was said was in this one.
        if self.currency.is_unsaid() {
            let orders = self.known.iter_mut().map(|it| &mut it.currency);
            let totals = self.totals.iter_mut().map(|it| &mut it.0);
            let unsaid = orders.chain(totals).filter(|it| it.is_unsaid());
            unsaid.for_each(|it| it.clone_from(&main));
        }
        let rate = |currency: &Currency| local.currencies.rate(currency, &main);
        let totals = self.totals.iter().filter_map(|(currency, total)| {
            Some(total.times(rate(currency)?).rounded(main.places()))
        });
        self.value = totals.fold(Amount::ZERO, |sum, total| sum + total);
        for order in &mut self.known {
            order.rate = rate(&order.currency).unwrap_or_default();
        }
        let shares = self.known.iter().map(|order| order.share(&main));
        (self.refunded, self.unrated) = shares
            .fold((Amount::ZERO, 0), |(taken, unrated), share| {
                (taken + share.taken_in_main, unrated + share.unrated)
            });
        self.currency = main;
    }

    /// An order was placed, or is told again: then it is the same, of the later content.
    fn placed(&mut self, event: &Event, local: Local<'_>, is_placed: bool) {
        let currency = self.reckon(event, local);
        let rate = local.currencies.rate(&currency, &self.currency);
        let value = order_value(event);
        let at = self.place(event);
        let is_new = is_placed && !self.known[at].is_placed;
        self.change(at, |order| {
            let told = event.time.0.saturating_sub(order.at.0);
            if is_new {
                // It was placed when that was first told, whatever else was told before.
                let later = order.at.0.saturating_add(order.later_ms);
                order.later_ms = later.saturating_sub(event.time.0);
                order.at = event.time;
                order.is_placed = true;
            }
            let told = if is_new { 0 } else { told };
            if told >= order.later_ms {
                order.later_ms = told;
                if let Some(value) = value {
                    order.value = value.rounded(currency.places());
                    order.currency = currency;
                    order.rate = rate.unwrap_or_default();
                } else if order.currency.is_unsaid() {
                    order.currency = currency;
                    order.rate = rate.unwrap_or_default();
                }
            }
        });
        if is_new {
            self.known.sort_by_key(|order| order.at);
            self.count = self.count.saturating_add(1);
            self.first = earliest(self.first, event.time);
            self.last = self.last.max(Some(event.time));
            self.rhythm.add(event.time.day(&(local.zone)()));
        }
    }

    /// Something of an order is taken off again: a part of it, where an amount is told, or else all.
    fn undo(&mut self, event: &Event) {
        let amount = match event.name {
            EventName::ORDER_CANCELLED => None,
            _ => order_value(event).map(Amount::abs),
        };
        let is_none = has_not_happened(event);
        let refund = event.text(PropertyId::REFUND_ID).map(|id| thing_id(id));
        let at = self.undone_by(event);
        let is_cancelled = event.name == EventName::ORDER_CANCELLED;
        self.change(at, |order| match (amount, is_none && !is_cancelled) {
            // A refund that failed is none, be it told before that it would be.
            (_, true) if refund.is_some() => order.refund(refund, Amount::ZERO),
            (_, true) => {}
            (None, false) => order.is_undone = true,
            (Some(amount), false) => {
                let places = order.currency.places();
                order.refund(refund, amount.rounded(places));
            }
        });
    }

    /// The order of which something is taken off: the one of that id; where none is told, the last that was placed.
    fn undone_by(&mut self, event: &Event) -> usize {
        let id = order_id(event);
        let of_its_id = self.known.iter().any(|it| id.is_some() && it.id == id);
        let may_be = |it: &Order| it.is_placed && (id.is_none() || it.id.is_none());
        let last = self.known.iter().rposition(may_be);
        match last {
            Some(last) if !of_its_id => last,
            _ => self.place(event),
        }
    }
}

/// Purchase times under two ids, as far as they are known.
struct Times {
    /// All of them, where none was forgotten.
    all: Option<Vec<Timestamp>>,
    /// Of each id, its first purchase and its rhythm.
    each: [(Option<Timestamp>, Rhythm); 2],
}

impl Times {
    /// The rhythm of both together: exact, where the times are known or one id was hers before the other; or else that of the id by
    /// which more is known.
    fn rhythm(self, local: Local<'_>) -> Rhythm {
        let zone = (local.zone)();
        if let Some(mut times) = self.all {
            times.sort_unstable();
            let mut rhythm = Rhythm::default();
            times.iter().for_each(|time| rhythm.add(time.day(&zone)));
            return rhythm;
        }
        let [(first, own), (others_first, other)] = self.each;
        let begins = |first: Option<Timestamp>| first.map(|first| first.day(&zone));
        let [one, another] = [(begins(first), own), (begins(others_first), other)];
        let follows = |later: &(Option<i32>, Rhythm), before: &(Option<i32>, Rhythm)| {
            later.0.is_some() && later.0 >= before.1.last_day
        };
        if follows(&another, &one) {
            return one.1.followed_by(another);
        }
        if follows(&one, &another) {
            return another.1.followed_by(one);
        }
        let last_day = one.1.last_day.max(another.1.last_day);
        let more = if another.1.gaps > one.1.gaps {
            another.1
        } else {
            one.1
        };
        Rhythm { last_day, ..more }
    }
}

impl Rhythm {
    /// That of purchases from a first day on comes after it.
    fn followed_by(mut self, (first, other): (Option<i32>, Self)) -> Self {
        if let Some(first) = first {
            self.add(first);
        }
        self.gaps = self.gaps.saturating_add(other.gaps);
        self.sum = self.sum.saturating_add(other.sum);
        self.squares = self.squares.saturating_add(other.squares);
        self.last_day = self.last_day.max(other.last_day);
        self
    }

    fn add(&mut self, day: i32) {
        match self.last_day {
            Some(last) if day <= last => {}
            Some(last) => {
                let gap = i64::from(day) - i64::from(last);
                self.gaps = self.gaps.saturating_add(1);
                self.sum = self.sum.saturating_add(gap);
                self.squares = self.squares.saturating_add(gap * gap);
                self.last_day = Some(day);
            }
            None => self.last_day = Some(day),
        }
    }

    /// Mean gap in days.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "days of a lifetime")]
        let sum = self.sum as f64;
        (self.gaps > 0).then(|| sum / f64::from(self.gaps))
    }

    /// Sample standard deviation of the gaps in days.
    #[must_use]
    pub fn deviation(&self) -> Option<f64> {
        deviation(self.gaps, self.sum, self.squares.into())
    }
}

/// By what the order that an event tells of is known again.
#[must_use]
pub fn order_id(event: &Event) -> Option<ThingId> {
    event.text(PropertyId::ORDER_ID).map(|id| thing_id(id))
}

/// Whether a refund says that it failed, or is still to come.
#[must_use]
pub fn has_not_happened(event: &Event) -> bool {
    event
        .text(PropertyId::STATUS)
        .is_some_and(|status| NOT_REFUNDED.contains(&status.trim().to_ascii_lowercase().as_str()))
}

/// The currency that an event says; none said where it says none.
#[must_use]
pub fn currency_of(event: &Event) -> Currency {
    let code = event.text(PropertyId::CURRENCY);
    code.and_then(|code| Currency::read(code))
        .unwrap_or_default()
}

/// What an event of an order says that it is worth: `total`, else `revenue`, else its lines together, else `value`.
#[must_use]
pub fn order_value(event: &Event) -> Option<Amount> {
    let said = |property| event.number(property).map(Amount::of);
    let lines = || {
        let priced = event.products.iter().filter_map(|product| {
            let quantity = product.quantity.map_or(Amount::ONE, Amount::of);
            Some(Amount::of(product.price?).times(quantity))
        });
        priced.reduce(|sum, line| sum + line)
    };
    said(PropertyId::TOTAL)
        .or_else(|| said(PropertyId::REVENUE))
        .or_else(lines)
        .or_else(|| said(PropertyId::VALUE))
}

/// Orders as version 1 kept them: in hundredths, and none known again.
#[derive(Serialize, Deserialize)]
struct OrdersV1 {
    count: u32,
    value: i64,
    currency: Option<Text>,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
    recent: Vec<(Timestamp, i64)>,
    rhythm: Rhythm,
    undone: u32,
}

impl From<OrdersV1> for Orders {
    fn from(old: OrdersV1) -> Self {
        let currency = old.currency.as_deref().and_then(Currency::read);
        let currency = currency.unwrap_or_default();
        let value = Amount::of_hundredths(old.value);
        let known = old.recent.into_iter().map(|(at, value)| Order {
            at,
            is_placed: true,
            value: Amount::of_hundredths(value),
            currency: currency.clone(),
            rate: Amount::ONE,
            ..Order::default()
        });
        Self {
            count: old.count,
            value,
            first: old.first,
            last: old.last,
            rhythm: old.rhythm,
            undone: old.undone,
            known: known.collect(),
            totals: match value == Amount::ZERO {
                true => Vec::new(),
                false => vec![(currency.clone(), value)],
            },
            currency,
            ..Self::default()
        }
    }
}

impl Stored for Orders {
    const VERSION: u8 = 2;

    fn upcast(version: u8, bytes: &[u8]) -> Result<Self, StoredError> {
        match version {
            1 => Ok(postcard::from_bytes::<OrdersV1>(bytes)?.into()),
            _ => Err(StoredError::Damaged(format!(
                "there is no version {version} of orders"
            ))),
        }
    }
}

impl Section for Orders {
    const TAG: u16 = 9;
    const WRITTEN_BY: &'static [EventName] = &[
        EventName::ORDER_COMPLETED,
        EventName::ORDER_UPDATED,
        EventName::ORDER_REFUNDED,
        EventName::ORDER_CANCELLED,
    ];
    const FIELDS: &'static [Field<Self>] = &[
        field(
            "last_order",
            Type::Time,
            "last order; the same as orders.last",
            |p, _| Value::time(p.last),
        ),
        field(
            "orders.average",
            Type::Number,
            "average order value, of those that are in orders.value",
            |p, _| {
                let rated = p.count.saturating_sub(p.unrated);
                Value::number((rated > 0).then(|| p.value.number() / f64::from(rated)))
            },
        ),
        field(
            "orders.count",
            Type::Number,
            "orders, each `order_id` once, those undone too",
            |p, _| Value::Number(p.count.into()),
        ),
        field(
            "orders.currency",
            Type::Text,
            "currency of orders.value: the company's reporting currency, or that of her first order",
            |p, _| Value::text(Some(p.currency.text())),
        ),
        field("orders.first", Type::Time, "first order", |p, _| {
            Value::time(p.first)
        }),
        field("orders.last", Type::Time, "last order", |p, _| {
            Value::time(p.last)
        }),
        field(
            "orders.last_value",
            Type::Number,
            "value of the last order as it was placed, major units of orders.currency",
            |p, _| {
                let latest = p.latest().and_then(|it| it.in_main(&p.currency));
                Value::number(latest.map(Amount::number))
            },
        ),
        field(
            "orders.refunded",
            Type::Number,
            "what was refunded or cancelled of orders.value, major units of orders.currency",
            |p, _| Value::Number(p.refunded.number()),
        ),
        field(
            "orders.undone",
            Type::Number,
            "orders refunded, be it in part, or cancelled",
            |p, _| Value::Number(p.undone.into()),
        ),
        field(
            "orders.unrated",
            Type::Number,
            "orders in a currency that has no rate: they are not in orders.value",
            |p, _| Value::Number(p.unrated.into()),
        ),
        field(
            "orders.value",
            Type::Number,
            "value of all orders less what was refunded or cancelled, major units of orders.currency",
            |p, _| Value::Number(p.value.number()),
        ),
        field(
            "rhythm.deviation",
            Type::Number,
            "sample standard deviation of those gaps, days",
            |p, _| Value::number(p.rhythm.deviation()),
        ),
        field(
            "rhythm.gaps",
            Type::Number,
            "gaps between distinct purchase days",
            |p, _| Value::Number(p.rhythm.gaps.into()),
        ),
        field(
            "rhythm.mean",
            Type::Number,
            "mean gap between purchase days, days",
            |p, _| Value::number(p.rhythm.mean()),
        ),
    ];
    const KEYED_FIELDS: &'static [KeyedField<Self>] = &[keyed(
        ("orders.values", None),
        Type::Number,
        "value of all orders in a currency, by its code, less what was refunded or cancelled, major units",
        |p| p.totals.iter().map(|(it, _)| it.code()).collect(),
        |p, key, _| {
            let found = p.totals.iter().find(|(it, _)| it.code() == key);
            Value::Number(found.map_or(0.0, |(_, total)| total.number()))
        },
    )];

    fn apply(&mut self, event: &Event, local: Local<'_>) {
        match event.name {
            EventName::ORDER_COMPLETED => self.placed(event, local, true),
            // Of an order without an id nobody knows which it is.
            EventName::ORDER_UPDATED if order_id(event).is_some() => {
                self.placed(event, local, false);
            }
            EventName::ORDER_UPDATED => {}
            _ => self.undo(event),
        }
    }

    /// An order that is known under both ids is one, of what was told of it last.
    fn merge(&mut self, mut other: Self, local: Local<'_>) {
        let main = local.currencies.main(match self.currency.is_unsaid() {
            true => &other.currency,
            false => &self.currency,
        });
        let main = main.clone();
        for orders in [&mut *self, &mut other] {
            if orders.currency != main {
                orders.go_over(main.clone(), local);
            }
        }
        let times = self.merged_times(&other);
        for at in 0..other.known.len() {
            let id = other.known[at].id;
            let Some(same) = self.known.iter().position(|it| id.is_some() && it.id == id) else {
                continue;
            };
            if self.known[same].is_placed && other.known[at].is_placed {
                other.count = other.count.saturating_sub(1);
            }
            // It counts for nothing there any more, and here as both say it.
            let mut told = Order::default();
            other.change(at, |order| told = std::mem::take(order));
            self.change(same, |order| order.merge(told));
        }
        other.known.retain(|order| *order != Order::default());
        self.add_up(other);
        self.rhythm = times.rhythm(local);
    }
}

const _: () = assert!(
    REFUNDS_MAX > 1,
    "the oldest of them becomes one with the next"
);

#[cfg(test)]
mod tests;
