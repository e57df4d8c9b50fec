//! What somebody does in the shop, and what comes of it: visits, baskets, orders, parcels, answers, complaints.

use serde_json::{Value, json};

use super::calls::{Call, of_article};
use super::catalogue::{ARTICLES, Article, category_of, euros};
use super::days;
use super::person::Person;
use crate::config::InputKind;
use crate::time::{DAY_MS, Timestamp};

/// How many days after an order its parcel is promised.
const PROMISED_AFTER_DAYS: i64 = 3;
/// How often a basket that was meant to be bought is left.
const DISTRACTED: f64 = 0.2;

impl Person {
    /// Comes by at `at`. Returns when she will again, if ever.
    pub fn visit(&mut self, at: Timestamp, calls: &mut Vec<Call>) -> Option<Timestamp> {
        if !self.goes_on(at) {
            return None;
        }
        let buys = self
            .next_order
            .is_some_and(|due| due <= at.plus(DAY_MS / 2));
        let (mut now, seen) = self.look_around(at, calls);
        let wanted = if buys {
            self.dice.whole(1, 3)
        } else if self.dice.chance(self.habit.leaves_basket) {
            self.dice.whole(1, 2)
        } else {
            0
        };
        let basket: Vec<_> = seen.into_iter().rev().take(wanted as usize).collect();
        for article in &basket {
            now = self.later(now, 10.0, 90.0);
            let added =
                self.caller
                    .track(now, InputKind::Cart, "Product Added", of_article(article));
            calls.push(added);
        }
        if buys && self.dice.chance(DISTRACTED) {
            // Some come back for it tomorrow.
            let back = if self.dice.chance(0.6) { 1.0 } else { 4.0 };
            self.next_order = Some(now.plus(days(back)));
        } else if buys {
            now = self.later(now, 90.0, 400.0);
            self.order(now, &basket, calls);
        }
        Some(self.next_visit(now))
    }

    /// Looks at things. Returns when she has, and at what.
    fn look_around(
        &mut self,
        at: Timestamp,
        calls: &mut Vec<Call>,
    ) -> (Timestamp, Vec<&'static Article>) {
        let mut now = at;
        let shelf = self.shelf();
        let category = json!({ "category": shelf[0].category });
        let mut list =
            self.caller
                .track(now, InputKind::Clickstream, "Product List Viewed", category);
        if let Some(context) = self.campaign() {
            list.value["context"] = context;
        }
        calls.push(list);
        let mut seen: Vec<&'static Article> = Vec::new();
        for _ in 0..self.dice.whole(2, 7) {
            now = self.later(now, 15.0, 150.0);
            let article = self.dice.one(shelf);
            let viewed = self.caller.track(
                now,
                InputKind::Clickstream,
                "Product Viewed",
                of_article(article),
            );
            calls.push(viewed);
            seen.retain(|other| *other != article);
            seen.push(article);
        }
        (now, seen)
    }

    /// Where she looks: mostly her favourite category, the cheap half of it if she must.
    fn shelf(&mut self) -> &'static [Article] {
        let category = if self.dice.chance(0.7) {
            category_of(self.favourite)
        } else {
            category_of(self.dice.one(&ARTICLES))
        };
        let half = category.len() / 2;
        if self.habit.thrifty {
            &category[..half]
        } else {
            &category[half - 1..]
        }
    }

    fn order(&mut self, at: Timestamp, basket: &[&'static Article], calls: &mut Vec<Call>) {
        self.orders += 1;
        let id = format!("{}-order-{}", self.caller.customer, self.orders);
        let lines: Vec<_> = basket.iter().map(|article| line(article)).collect();
        let total: u32 = basket.iter().map(|article| article.price).sum();
        let of =
            json!({ "order_id": id, "total": euros(total), "currency": "EUR", "products": lines });
        calls.push(
            self.caller
                .track(at, InputKind::Purchase, "Order Completed", of),
        );
        if let Some(every) = self.habit.order_every {
            let wait = self.dice.around(every, every * self.habit.stray);
            self.next_order = Some(at.plus(days(wait.max(1.0))));
        }
        self.parcel(&id, at, calls);
    }

    fn parcel(&mut self, order: &str, at: Timestamp, calls: &mut Vec<Call>) {
        let promised = at.plus(PROMISED_AFTER_DAYS * DAY_MS);
        let shipped = at.plus(days(self.dice.between(0.2, 1.1)));
        let of = |delivered: Option<Timestamp>| {
            let mut of = json!({ "order_id": order, "carrier": "post", "promised_at": promised.to_string() });
            if let Some(at) = delivered {
                of["delivered_at"] = at.to_string().into();
            }
            of
        };
        calls.push(
            self.caller
                .track(shipped, InputKind::Purchase, "Order Shipped", of(None)),
        );
        let luck = self.dice.unit();
        let late = luck >= 0.88;
        let wait = if late {
            self.dice.between(3.5, 7.0)
        } else {
            self.dice.between(1.4, 2.6)
        };
        let arrived = self.by_day(at, wait);
        let call = if luck >= 0.985 {
            let mut failed = of(None);
            failed["reason"] = "nobody at home".into();
            self.caller
                .track(arrived, InputKind::Purchase, "Delivery Failed", failed)
        } else {
            self.caller.track(
                arrived,
                InputKind::Purchase,
                "Order Delivered",
                of(Some(arrived)),
            )
        };
        calls.push(call);
        self.react(order, arrived, late, calls);
    }

    /// What she says of it.
    fn react(&mut self, order: &str, arrived: Timestamp, late: bool, calls: &mut Vec<Call>) {
        if self.dice.chance(if late { 0.4 } else { 0.25 }) {
            let at = self.by_day(arrived, 1.0);
            let score = if late {
                self.dice.whole(0, 7)
            } else {
                self.dice.whole(6, 10)
            };
            let of = json!({ "score": score, "order_id": order, "channel": "email" });
            calls.push(
                self.caller
                    .track(at, InputKind::Support, "NPS Answered", of),
            );
        }
        if self.dice.chance(if late { 0.3 } else { 0.02 }) {
            let opened = self.by_day(arrived, 0.3);
            let solved = self.by_day(opened, 1.2);
            let ticket = |subject: &str| -> Value {
                json!({ "ticket_id": format!("{order}-ticket"), "order_id": order, "subject": subject, "channel": "phone" })
            };
            let subject = if late {
                "Where is my parcel?"
            } else {
                "It does not fit"
            };
            calls.push(self.caller.track(
                opened,
                InputKind::Support,
                "Support Ticket Opened",
                ticket(subject),
            ));
            calls.push(self.caller.track(
                solved,
                InputKind::Support,
                "Support Ticket Solved",
                ticket(subject),
            ));
        }
    }

    /// Some seconds later.
    fn later(&mut self, now: Timestamp, low: f64, high: f64) -> Timestamp {
        now.plus(days(self.dice.between(low, high) / 86_400.0))
    }
}

fn line(article: &Article) -> Value {
    json!({
        "product_id": article.id,
        "name": article.name,
        "category": article.category,
        "price": euros(article.price),
        "quantity": 1,
    })
}
