//! A visit: what somebody looks at, puts in her basket, and orders or leaves.

use serde::Serialize;
use serde_json::json;

use super::calls::{ProductOf, Teller};
use super::catalogue::{Catalogue, Product, euros};
use super::person::{Channel, Person};
use super::truth::{Instant, Truth};
use super::{World, days};
use crate::config::InputKind;
use crate::event::Text;
use crate::time::{DAY_MS, Timestamp};

/// How often a basket that was meant to be bought is left.
const DISTRACTED: f64 = 0.2;
/// How often somebody who buys does so in a store, where nobody sees her look.
const IN_STORE: f64 = 0.08;
/// Whoever was here does not come again sooner.
const PAUSE_MS: i64 = 2 * 3_600_000;
/// Somebody who orders after so many days has returned.
const RETURN_MS: i64 = 60 * DAY_MS;
/// Whoever has lapsed still comes by for so many days, on average.
const LINGERS_DAYS: f64 = 8.0;

#[derive(Serialize)]
struct OrderOf<'a> {
    order_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cart_id: Option<&'a str>,
    total: f64,
    currency: &'static str,
    channel: &'static str,
    products: Vec<ProductOf<'a>>,
}

impl Person {
    /// Comes by at `at`, and knows then when she will again, if ever.
    pub(super) fn visit(&mut self, at: Timestamp, world: &World, tell: &mut Teller<'_>) {
        if at >= self.gone {
            self.next_visit = None;
            return;
        }
        self.passes_by(at, tell);
        let due = at.plus(DAY_MS / 2);
        let buys = self.next_order.is_some_and(|next| next <= due);
        let now = if buys && self.dice.chance(IN_STORE) {
            self.visit_store(at, world, tell)
        } else {
            self.shop(at, buys, world, tell)
        };
        self.busy_until = now.plus(PAUSE_MS);
        self.next_visit = Some(self.another_day(now, world));
    }

    /// Looks around, and perhaps puts something in her basket, and perhaps orders it. Returns when she goes.
    fn shop(
        &mut self,
        at: Timestamp,
        buys: bool,
        world: &World,
        tell: &mut Teller<'_>,
    ) -> Timestamp {
        let (mut now, seen) = self.look_around(at, world, tell);
        let wanted = if buys {
            self.dice.whole(1, 3)
        } else if self.dice.chance(self.leaves_basket) {
            self.dice.whole(1, 2)
        } else {
            self.change_her_mind(now, tell);
            return now;
        };
        let cart = compact_str::format_compact!("{}-c{}", tell.customer, self.carts);
        let wanted: Vec<_> = seen
            .into_iter()
            .rev()
            .take(usize::try_from(wanted).unwrap_or(1))
            .collect();
        for product in &wanted {
            now = self.later(now, 10.0, 90.0);
            self.basket += product.price;
            let of = ProductOf::carted(product, &cart);
            tell.track(now, InputKind::Cart, "Product Added", &of);
        }
        let added = now;
        if buys {
            now = self.later(now, 20.0, 90.0);
            let of = json!({ "cart_id": cart, "value": euros(self.basket), "currency": "EUR" });
            tell.track(now, InputKind::Cart, "Checkout Started", &of);
        }
        if buys && !self.dice.chance(DISTRACTED) {
            now = self.later(now, 60.0, 400.0);
            self.order(now, Some(&cart), &wanted, world, tell);
            return now;
        }
        self.leave_basket(added, cart, tell);
        if buys {
            // Most come back for it tomorrow.
            let back = if self.dice.chance(0.6) { 1.0 } else { 4.0 };
            self.next_order = Some(now.plus(days(back)));
        }
        now
    }

    fn leave_basket(&mut self, added: Timestamp, cart_id: Text, tell: &mut Teller<'_>) {
        let truth = Truth::BasketLeft {
            customer: tell.customer.clone(),
            at: Instant(added),
            cart_id,
            value: euros(self.basket),
        };
        tell.truth(added, &truth);
    }

    /// Looks at things. Returns when she has, and at what.
    fn look_around<'w>(
        &mut self,
        at: Timestamp,
        world: &'w World,
        tell: &mut Teller<'_>,
    ) -> (Timestamp, Vec<&'w Product>) {
        let mut now = at;
        let context = self.campaign();
        let home = json!({ "name": "Home", "path": "/" });
        if self.app {
            let of = json!({ "from_background": false });
            tell.track_from(
                now,
                InputKind::Clickstream,
                "Application Opened",
                &of,
                context,
            );
        } else {
            tell.page(now, false, &home, context);
        }
        let category = self.category(world);
        let name = Catalogue::category_name(category);
        now = self.later(now, 3.0, 30.0);
        if self.dice.chance(0.3) {
            let of = json!({ "query": name });
            tell.track(now, InputKind::Clickstream, "Products Searched", &of);
        } else {
            let of = json!({ "category": name });
            tell.track(now, InputKind::Clickstream, "Product List Viewed", &of);
        }
        self.narrows_down(now, name, tell);
        let mut seen: Vec<&Product> = Vec::new();
        for _ in 0..self.dice.whole(1, 5) {
            now = self.later(now, 15.0, 150.0);
            let product = self.product(category, world);
            let of = ProductOf::seen(product);
            tell.track(now, InputKind::Clickstream, "Product Viewed", &of);
            seen.retain(|other| *other != product);
            seen.push(product);
        }
        if let Some(last) = seen.last() {
            now = self.likes(now, last, tell);
        }
        self.wonders(now, name, tell);
        (now, seen)
    }

    /// Keeps a thing in mind, or tells a friend of it; a visitor without a name takes something home to read.
    fn likes(&mut self, at: Timestamp, product: &Product, tell: &mut Teller<'_>) -> Timestamp {
        let now = self.later(at, 2.0, 20.0);
        match self.dice.unit() {
            share if share < 0.04 => {
                let of = ProductOf::seen(product);
                let wishes = "Product Added to Wishlist";
                tell.track(now, InputKind::Clickstream, wishes, &of);
            }
            share if share < 0.055 && self.known => {
                let of = json!({
                    "share_via": "messenger", "product_id": product.id, "name": product.name,
                    "category": product.category,
                });
                tell.track(now, InputKind::Clickstream, "Product Shared", &of);
            }
            share if share < 0.2 && !self.known => {
                let of = json!({ "name": "Buying guide", "category": product.category });
                tell.track(now, InputKind::Clickstream, "File Downloaded", &of);
            }
            _ => return at,
        }
        now
    }

    /// Goes to a store, and buys. Returns when she goes.
    fn visit_store(&mut self, at: Timestamp, world: &World, tell: &mut Teller<'_>) -> Timestamp {
        let of = json!({ "store_id": format!("store-{}", self.home) });
        tell.track(at, InputKind::Clickstream, "Store Visited", &of);
        let category = self.category(world);
        let products: Vec<_> = (0..self.dice.whole(1, 3))
            .map(|_| self.product(category, world))
            .collect();
        let now = self.later(at, 300.0, 1_500.0);
        self.order(now, None, &products, world, tell);
        now
    }

    /// While she is there: says yes to e-mail after all, no to text messages, asks somebody in a chat or by telephone.
    fn change_her_mind(&mut self, now: Timestamp, tell: &mut Teller<'_>) {
        let at = self.later(now, 5.0, 60.0);
        match self.dice.unit() {
            share if share < 0.01 && self.known && !self.agrees(Channel::Email) => {
                self.consent |= Channel::Email as u8;
                tell.identify(at, &json!({ "consent": { "email": true } }));
            }
            share if share < 0.01 && self.agrees(Channel::Sms) => {
                self.withdraw(at, Channel::Sms, "sms", tell);
                tell.identify(at, &json!({ "consent": { "sms": false } }));
            }
            share if (0.01..0.02).contains(&share) => self.chats(at, tell),
            share if (0.02..0.03).contains(&share) && self.known => {
                let long = self.dice.whole(20, 600);
                let id = compact_str::format_compact!("{}-t{}", tell.customer, tell.made);
                let of = json!({ "call_id": id, "topic": "advice", "call_duration": long });
                let end = at.plus(i64::from(long) * 1000);
                tell.track(end, InputKind::Support, "Call Ended", &of);
            }
            _ => {}
        }
    }

    fn chats(&mut self, at: Timestamp, tell: &mut Teller<'_>) {
        let id = compact_str::format_compact!("{}-t{}", tell.customer, tell.made);
        let of = json!({ "conversation_id": id });
        let end = self.later(at, 60.0, 600.0);
        let (begins, ends) = (
            "Live Chat Conversation Started",
            "Live Chat Conversation Ended",
        );
        tell.track(at, InputKind::Support, begins, &of);
        tell.track(end, InputKind::Support, ends, &of);
    }

    /// Takes back her consent for a channel.
    pub(super) fn withdraw(
        &mut self,
        at: Timestamp,
        channel: Channel,
        name: &str,
        tell: &mut Teller<'_>,
    ) {
        self.consent &= !(channel as u8);
        let truth = Truth::ConsentWithdrawn {
            customer: tell.customer.clone(),
            at: Instant(at),
            channel: name.into(),
        };
        tell.truth(at, &truth);
    }

    /// Where she looks: mostly in her favourite category.
    fn category(&mut self, world: &World) -> u8 {
        if self.dice.chance(0.7) {
            self.taste
        } else {
            world.catalogue.category(&mut self.dice)
        }
    }

    /// A product that people like; the cheapest of four for whoever must look at the price.
    fn product<'w>(&mut self, category: u8, world: &'w World) -> &'w Product {
        let product = world.catalogue.product(category, &mut self.dice);
        if !self.thrifty {
            return product;
        }
        let others = (0..3).map(|_| world.catalogue.product(category, &mut self.dice));
        others.fold(product, |cheapest, other| {
            if other.price < cheapest.price {
                other
            } else {
                cheapest
            }
        })
    }

    /// Orders: from a basket, or in a store.
    fn order(
        &mut self,
        at: Timestamp,
        cart_id: Option<&str>,
        products: &[&Product],
        world: &World,
        tell: &mut Teller<'_>,
    ) {
        self.orders += 1;
        self.basket = 0;
        let id = compact_str::format_compact!("{}-o{}", tell.customer, self.orders);
        let total: u32 = products.iter().map(|product| product.price).sum();
        let of = OrderOf {
            order_id: &id,
            cart_id,
            total: euros(total),
            currency: "EUR",
            channel: match cart_id {
                None => "store",
                Some(_) if self.app => "app",
                Some(_) => "site",
            },
            products: products.iter().map(|p| ProductOf::line(p)).collect(),
        };
        tell.track(at, InputKind::Purchase, "Order Completed", &of);
        self.carts += 1;
        self.points(&id, at, total, tell);
        self.live_on(at, tell);
        if cart_id.is_some() {
            self.parcel(&id, at, world, tell);
        }
    }

    /// When she orders next, or that she will not again.
    fn live_on(&mut self, at: Timestamp, tell: &mut Teller<'_>) {
        let customer = tell.customer.clone();
        if let Some(last) = self.last_order
            && at.0 - last.0 >= RETURN_MS
        {
            let truth = Truth::Returned {
                customer: customer.clone(),
                at: Instant(at),
                last_order: Instant(last),
            };
            tell.truth(at, &truth);
        }
        self.order_before = self.last_order.replace(at);
        if self.orders > 1 && self.rhythm.ends(&mut self.dice) {
            self.next_order = None;
            self.lapsed = Some(at);
            self.gone = at.plus(days(self.dice.waiting(LINGERS_DAYS)));
            tell.truth(
                at,
                &Truth::Lapsed {
                    customer,
                    at: Instant(at),
                },
            );
        } else {
            self.next_order = Some(at.plus(days(self.rhythm.gap(&mut self.dice))));
        }
    }

    /// Some seconds later.
    pub(super) fn later(&mut self, now: Timestamp, low: f64, high: f64) -> Timestamp {
        now.plus(days(self.dice.between(low, high) / 86_400.0))
    }
}
