//! What an event does to the facts of a customer.
//!
//! Events normally come in time order, because only settled ones are applied for good. A late one
//! comes out of order: it adds to counts and sums, but does not undo what a younger one said.

use super::facts::{Basket, Consent, Facts, Interest, Line, Minor, Orders, Rhythm};
use super::limits;
use crate::event::{Event, EventName, PropertyId, Text, Traits, UNSUBSCRIBED_CHANNEL};
use crate::stats::{deviation, half_life};
use crate::time::{DAY_MS, Timestamp};

/// Events further apart belong to two visits: the half hour that web analytics has settled on.
const SESSION_GAP_MS: i64 = 30 * 60_000;
/// An interest halves in a month.
pub const INTEREST_HALF_LIFE_MS: i64 = 30 * DAY_MS;
/// Amounts beyond this (10^12 major units) are held at it.
const AMOUNT_MAX: f64 = 1e12;

impl Facts {
    /// Takes one event in.
    pub fn apply(&mut self, event: &Event) {
        self.seen(event);
        if let Some(traits) = &event.traits {
            self.identify(traits, event.time);
        }
        match event.name {
            EventName::SIGNED_UP => self.signed_up = earliest(self.signed_up, event.time),
            EventName::PRODUCT_VIEWED | EventName::PRODUCT_CLICKED => self.view(event),
            EventName::PRODUCT_ADDED => {
                self.basket.add(event);
                self.interest(event, 3.0);
            }
            EventName::WISHLIST_PRODUCT_ADDED_TO_CART => {
                self.basket.add(event);
                self.unwish(event);
            }
            EventName::PRODUCT_REMOVED => self.basket.remove(event),
            EventName::PRODUCT_ADDED_TO_WISHLIST => {
                push_newest(
                    &mut self.wishlist,
                    product(event),
                    limits::WISHLIST_PRODUCTS,
                );
                self.interest(event, 2.0);
            }
            EventName::PRODUCT_REMOVED_FROM_WISHLIST => self.unwish(event),
            EventName::ORDER_COMPLETED => self.order(event),
            EventName::ORDER_REFUNDED | EventName::ORDER_CANCELLED => self.orders.undo(event),
            EventName::ORDER_SHIPPED | EventName::ORDER_DELIVERED | EventName::DELIVERY_FAILED => {
                self.parcel(event);
            }
            EventName::NPS_ANSWERED => self.answer(event),
            EventName::UNSUBSCRIBED => {
                let channel = event
                    .text(PropertyId::CHANNEL)
                    .map_or(UNSUBSCRIBED_CHANNEL, Text::as_str);
                self.consent(&channel.to_ascii_lowercase(), false, event.time);
            }
            EventName::EMAIL_MARKED_AS_SPAM => self.consent("email", false, event.time),
            _ => self.count(event),
        }
    }

    fn count(&mut self, event: &Event) {
        let (support, messages) = (&mut self.support, &mut self.messages);
        match event.name {
            EventName::EMAIL_DELIVERED | EventName::PUSH_NOTIFICATION_RECEIVED => {
                if messages.last.is_none_or(|last| last < event.time) {
                    self.unanswered = self.unanswered.saturating_add(1);
                }
                return;
            }
            EventName::PRODUCT_SHARED | EventName::CART_SHARED | EventName::CONTENT_SHARED => {
                self.shares.count = self.shares.count.saturating_add(1);
                self.shares.last = self.shares.last.max(Some(event.time));
                return;
            }
            EventName::SUPPORT_TICKET_OPENED => support.tickets = support.tickets.saturating_add(1),
            EventName::SUPPORT_TICKET_SOLVED => support.solved = support.solved.saturating_add(1),
            EventName::LIVE_CHAT_CONVERSATION_STARTED => {
                support.chats = support.chats.saturating_add(1);
            }
            EventName::EMAIL_OPENED => messages.opened = messages.opened.saturating_add(1),
            EventName::EMAIL_LINK_CLICKED | EventName::PUSH_NOTIFICATION_TAPPED => {
                messages.clicked = messages.clicked.saturating_add(1);
            }
            _ => return,
        }
        match event.name {
            EventName::SUPPORT_TICKET_OPENED | EventName::LIVE_CHAT_CONVERSATION_STARTED => {
                support.last = support.last.max(Some(event.time));
            }
            EventName::SUPPORT_TICKET_SOLVED => {}
            _ => {
                if messages.last.is_none_or(|last| last <= event.time) {
                    messages.last = Some(event.time);
                    self.unanswered = 0;
                }
            }
        }
    }

    fn seen(&mut self, event: &Event) {
        self.known |= event.known;
        self.first_seen = earliest(self.first_seen, event.time);
        self.last_seen = self.last_seen.max(Some(event.time));
        if is_visit(event.name) {
            let sessions = &mut self.sessions;
            let goes_on = sessions
                .last
                .is_some_and(|last| event.time.0 - last.0 < SESSION_GAP_MS);
            if !goes_on {
                sessions.count = sessions.count.saturating_add(1);
                sessions.started = Some(event.time);
            }
            sessions.last = sessions.last.max(Some(event.time));
        }
        if let Some(touchpoint) = &event.touchpoint {
            let touchpoints = &mut self.touchpoints;
            if touchpoints
                .first
                .as_ref()
                .is_none_or(|(at, _)| event.time < *at)
            {
                touchpoints.first = Some((event.time, (**touchpoint).clone()));
            }
            if touchpoints
                .last
                .as_ref()
                .is_none_or(|(at, _)| event.time >= *at)
            {
                touchpoints.last = Some((event.time, (**touchpoint).clone()));
            }
        }
    }

    /// Traits that are known replace those of before; an older identify changes nothing.
    fn identify(&mut self, traits: &Traits, at: Timestamp) {
        for (channel, given) in &traits.consent {
            self.consent(channel, *given, at);
        }
        if self.identified.is_some_and(|identified| at < identified) {
            return;
        }
        self.identified = Some(at);
        replace(&mut self.addresses.email, traits.email.as_ref());
        replace(&mut self.addresses.phone, traits.phone.as_ref());
        replace(&mut self.addresses.push_token, traits.push_token.as_ref());
        replace(&mut self.addresses.postal, traits.address.as_ref());
        replace(&mut self.timezone, traits.timezone.as_ref());
        replace(&mut self.locale, traits.locale.as_ref());
        replace(&mut self.country, traits.country.as_ref());
        for (name, value) in &traits.attributes {
            let full = self.attributes.len() >= limits::ATTRIBUTES;
            match self.attributes.iter_mut().find(|(known, _)| known == name) {
                Some((_, known)) => known.clone_from(value),
                None if !full => {
                    self.attributes.push((name.clone(), value.clone()));
                }
                None => {}
            }
        }
    }

    fn consent(&mut self, channel: &str, given: bool, at: Timestamp) {
        let known = self.consent.iter_mut().find(|it| it.channel == channel);
        if let Some(consent) = known {
            if consent.at <= at {
                (consent.given, consent.at) = (given, at);
            }
            return;
        }
        if self.consent.len() >= limits::CONSENTS {
            // A no is never lost for want of room: the oldest yes makes way, or else the oldest no.
            let oldest = (0..self.consent.len())
                .min_by_key(|i| (!self.consent[*i].given, self.consent[*i].at));
            match oldest {
                Some(oldest) if !given => self.consent.remove(oldest),
                _ => return,
            };
        }
        self.consent.push(Consent {
            channel: channel.into(),
            given,
            at,
        });
    }

    fn view(&mut self, event: &Event) {
        push_newest(&mut self.viewed, product(event), limits::VIEWED_PRODUCTS);
        self.interest(event, 1.0);
    }

    fn unwish(&mut self, event: &Event) {
        if let Some(product) = product(event) {
            self.wishlist.retain(|known| known != product);
        }
    }

    fn interest(&mut self, event: &Event, weight: f32) {
        let Some(category) = event.text(PropertyId::CATEGORY) else {
            return;
        };
        if let Some(interest) = self.interests.iter_mut().find(|i| i.category == *category) {
            let at = interest.at.max(event.time);
            interest.score = half_life(interest.score, at.0 - interest.at.0, INTEREST_HALF_LIFE_MS)
                + half_life(weight, at.0 - event.time.0, INTEREST_HALF_LIFE_MS);
            interest.at = at;
            return;
        }
        if self.interests.len() >= limits::INTERESTS {
            let now = event.time;
            let weakest = (0..self.interests.len()).min_by(|a, b| {
                decayed(&self.interests[*a], now).total_cmp(&decayed(&self.interests[*b], now))
            });
            self.interests.remove(weakest.unwrap_or(0));
        }
        self.interests.push(Interest {
            category: category.clone(),
            score: weight,
            at: event.time,
        });
    }

    fn order(&mut self, event: &Event) {
        let zone = self.zone();
        self.orders.add(event, event.time.day(&zone));
        for product in &event.products {
            self.wishlist.retain(|known| *known != product.id);
        }
        self.basket.order(event.time);
    }

    fn parcel(&mut self, event: &Event) {
        let deliveries = &mut self.deliveries;
        let order = event.text(PropertyId::ORDER_ID);
        let known =
            order.and_then(|order| deliveries.under_way.iter().position(|(id, _)| id == order));
        if event.name == EventName::ORDER_SHIPPED {
            if let (Some(order), None) = (order, known) {
                if deliveries.under_way.len() >= limits::DELIVERIES {
                    deliveries.under_way.remove(0);
                }
                let promised = event
                    .instant(PropertyId::PROMISED_AT)
                    .unwrap_or(Timestamp::MAX);
                deliveries.under_way.push((order.clone(), promised));
            }
            return;
        }
        if event.name == EventName::DELIVERY_FAILED {
            // It is tried again, and what was promised stays promised.
            deliveries.late = deliveries.late.saturating_add(1);
            return;
        }
        let promised = known.map(|i| deliveries.under_way.remove(i).1);
        let promised = event.instant(PropertyId::PROMISED_AT).or(promised);
        let arrived = event
            .instant(PropertyId::DELIVERED_AT)
            .unwrap_or(event.time);
        deliveries.delivered = deliveries.delivered.saturating_add(1);
        deliveries.last = deliveries.last.max(Some(event.time));
        if promised.is_some_and(|promised| arrived > promised) {
            deliveries.late = deliveries.late.saturating_add(1);
        }
    }

    fn answer(&mut self, event: &Event) {
        let Some(score) = event
            .number(PropertyId::SCORE)
            .filter(|s| (0.0..=10.0).contains(s))
        else {
            return;
        };
        if self.nps.is_none_or(|(_, at)| at <= event.time) {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "between 0 and 10"
            )]
            let score = score.round() as u8;
            self.nps = Some((score, event.time));
        }
    }
}

impl Basket {
    fn add(&mut self, event: &Event) {
        if self.emptied.is_some_and(|emptied| event.time < emptied) {
            return;
        }
        let Some(product) = product(event) else {
            return;
        };
        let quantity = quantity(event).unwrap_or(1);
        match self.lines.iter_mut().find(|line| line.product == *product) {
            Some(line) => {
                line.quantity = line.quantity.saturating_add(quantity);
                if let Some(price) = event.number(PropertyId::PRICE) {
                    line.price = minor(price);
                }
            }
            None => {
                if self.lines.len() >= limits::BASKET_LINES {
                    self.lines.remove(0);
                }
                let price = event.number(PropertyId::PRICE).map_or(0, minor);
                self.lines.push(Line {
                    product: product.clone(),
                    price,
                    quantity,
                });
            }
        }
        self.change(event);
    }

    /// Without a quantity, the whole line goes.
    fn remove(&mut self, event: &Event) {
        let Some(product) = product(event) else {
            return;
        };
        let gone = quantity(event);
        for line in &mut self.lines {
            if line.product == *product {
                line.quantity = gone.map_or(0, |gone| line.quantity.saturating_sub(gone));
            }
        }
        self.lines.retain(|line| line.quantity > 0);
        self.change(event);
    }

    fn change(&mut self, event: &Event) {
        self.changed = self.changed.max(Some(event.time));
        replace(&mut self.cart_id, event.text(PropertyId::CART_ID));
    }

    /// An order empties the basket, unless something was put in after it.
    fn order(&mut self, at: Timestamp) {
        if self.changed.is_none_or(|changed| changed <= at) {
            self.lines.clear();
            self.cart_id = None;
            self.changed = Some(at);
        }
        self.emptied = self.emptied.max(Some(at));
    }
}

impl Orders {
    fn add(&mut self, event: &Event, day: i32) {
        let value = order_value(event);
        self.count = self.count.saturating_add(1);
        self.value = self.value.saturating_add(value);
        if self.currency.is_none() {
            self.currency = event.text(PropertyId::CURRENCY).cloned();
        }
        self.first = earliest(self.first, event.time);
        self.last = self.last.max(Some(event.time));
        let after = self.recent.partition_point(|(at, _)| *at <= event.time);
        self.recent.insert(after, (event.time, value));
        if self.recent.len() > limits::RECENT_ORDERS {
            self.recent.remove(0);
        }
        self.rhythm.add(day);
    }

    fn undo(&mut self, event: &Event) {
        self.undone = self.undone.saturating_add(1);
        if let Some(total) = event.number(PropertyId::TOTAL) {
            self.value = self.value.saturating_sub(minor(total)).max(0);
        }
    }
}

impl Rhythm {
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

/// The score of an interest as of `now`.
#[must_use]
pub fn decayed(interest: &Interest, now: Timestamp) -> f64 {
    half_life(
        interest.score,
        (now.0 - interest.at.0).max(0),
        INTEREST_HALF_LIFE_MS,
    )
    .into()
}

/// Value of an order: `total`, else `revenue`, else `value`, else its products together.
fn order_value(event: &Event) -> Minor {
    [PropertyId::TOTAL, PropertyId::REVENUE, PropertyId::VALUE]
        .into_iter()
        .find_map(|property| event.number(property))
        .map_or_else(
            || {
                let lines = event
                    .products
                    .iter()
                    .filter_map(|p| Some(p.price? * p.quantity.unwrap_or(1.0)));
                minor(lines.sum())
            },
            minor,
        )
}

fn minor(major: f64) -> Minor {
    #[expect(clippy::cast_possible_truncation, reason = "held within AMOUNT_MAX")]
    let minor = (major.clamp(-AMOUNT_MAX, AMOUNT_MAX) * 100.0).round() as Minor;
    minor
}

/// The product of an event: `product_id`, else `sku`.
fn product(event: &Event) -> Option<&Text> {
    event
        .text(PropertyId::PRODUCT_ID)
        .or_else(|| event.text(PropertyId::SKU))
}

fn quantity(event: &Event) -> Option<u32> {
    let quantity = event.number(PropertyId::QUANTITY)?.clamp(0.0, 1e6);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and a million"
    )]
    let quantity = quantity.round() as u32;
    Some(quantity)
}

/// Whether an event shows that she is here: browsing, cart, checkout, order, app.
fn is_visit(name: EventName) -> bool {
    name <= EventName::PRODUCT_REVIEWED
        && !matches!(
            name,
            EventName::ORDER_UPDATED | EventName::ORDER_REFUNDED | EventName::ORDER_CANCELLED
        )
        || matches!(
            name,
            EventName::APPLICATION_OPENED
                | EventName::PAGE_VIEWED
                | EventName::SCREEN_VIEWED
                | EventName::CONTENT_SHARED
                | EventName::FILE_DOWNLOADED
                | EventName::FORM_SUBMITTED
                | EventName::CALCULATOR_USED
                | EventName::QUIZ_COMPLETED
        )
}

fn earliest(known: Option<Timestamp>, time: Timestamp) -> Option<Timestamp> {
    Some(known.map_or(time, |known| known.min(time)))
}

fn replace(known: &mut Option<Text>, new: Option<&Text>) {
    if let Some(new) = new
        && known.as_ref() != Some(new)
    {
        *known = Some(new.clone());
    }
}

/// Puts a product last in a list of distinct ones, the oldest making way.
fn push_newest(list: &mut Vec<Text>, product: Option<&Text>, most: usize) {
    let Some(product) = product else { return };
    if list.last() == Some(product) {
        return;
    }
    list.retain(|known| known != product);
    if list.len() >= most {
        list.remove(0);
    }
    list.push(product.clone());
}
