//! What comes after an order: the parcel, and what she says of it.

use serde::Serialize;
use serde_json::json;

use super::calls::Teller;
use super::person::Person;
use super::truth::{Instant, Truth};
use super::{World, days};
use crate::config::InputKind;
use crate::time::{DAY_MS, Timestamp};

/// How many days after an order its parcel is promised.
const PROMISED_AFTER_DAYS: i64 = 3;
/// So many parcels come late,
const LATE: f64 = 0.1;
/// and so many find nobody at home.
const FAILED: f64 = 0.02;

#[derive(Serialize)]
struct ParcelOf<'a> {
    order_id: &'a str,
    carrier: &'static str,
    promised_at: Instant,
    #[serde(skip_serializing_if = "Option::is_none")]
    delivered_at: Option<Instant>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
}

impl Person {
    pub(super) fn parcel(
        &mut self,
        order: &str,
        at: Timestamp,
        world: &World,
        tell: &mut Teller<'_>,
    ) {
        let promised = at.plus(PROMISED_AFTER_DAYS * DAY_MS);
        let mut of = ParcelOf {
            order_id: order,
            carrier: if self.dice.chance(0.7) {
                "post"
            } else {
                "courier"
            },
            promised_at: Instant(promised),
            delivered_at: None,
            reason: None,
        };
        let shipped = at.plus(days(self.dice.between(0.2, 1.1)));
        tell.track(shipped, InputKind::Purchase, "Order Shipped", &of);
        let luck = self.dice.unit();
        let wait = if luck < LATE {
            self.dice.between(3.6, 7.0)
        } else {
            self.dice.between(1.4, 2.4)
        };
        let mut arrives = self.by_day(at, wait, world);
        let failed = luck > 1.0 - FAILED;
        if failed {
            of.reason = Some("nobody at home");
            tell.track(arrives, InputKind::Purchase, "Delivery Failed", &of);
            self.parcel_late(order, arrives, true, tell);
            of.reason = None;
            arrives = self.by_day(arrives, 2.0, world);
        }
        of.delivered_at = Some(Instant(arrives));
        tell.track(arrives, InputKind::Purchase, "Order Delivered", &of);
        let late = arrives > promised;
        if late {
            self.parcel_late(order, arrives, false, tell);
        }
        self.react(order, arrives, late || failed, world, tell);
    }

    fn parcel_late(&self, order: &str, at: Timestamp, failed: bool, tell: &mut Teller<'_>) {
        let truth = Truth::ParcelLate {
            customer: tell.customer.clone(),
            at: Instant(at),
            order_id: order.into(),
            failed,
        };
        tell.truth(at, &truth);
    }

    /// What she says of it.
    fn react(
        &mut self,
        order: &str,
        arrived: Timestamp,
        annoyed: bool,
        world: &World,
        tell: &mut Teller<'_>,
    ) {
        if self.dice.chance(if annoyed { 0.4 } else { 0.2 }) {
            let at = self.by_day(arrived, 1.0, world);
            let score = if annoyed {
                self.dice.whole(0, 7)
            } else {
                self.dice.whole(6, 10)
            };
            let of = json!({ "score": score, "order_id": order, "channel": "email" });
            tell.track(at, InputKind::Support, "NPS Answered", &of);
            if score >= 9 && self.dice.chance(0.2) {
                let of = json!({ "rating": 5, "review_id": format!("{order}-review") });
                let at = self.later(at, 60.0, 900.0);
                tell.track(at, InputKind::Clickstream, "Product Reviewed", &of);
            }
        }
        if self.dice.chance(if annoyed { 0.3 } else { 0.02 }) {
            self.complain(order, arrived, annoyed, world, tell);
        }
    }

    fn complain(
        &mut self,
        order: &str,
        arrived: Timestamp,
        late: bool,
        world: &World,
        tell: &mut Teller<'_>,
    ) {
        let opened = self.by_day(arrived, 0.3, world);
        let solved = self.by_day(opened, 1.2, world);
        let subject = if late {
            "Where is my parcel?"
        } else {
            "It does not fit"
        };
        let of = json!({
            "ticket_id": format!("{order}-ticket"), "order_id": order, "subject": subject, "channel": "phone",
        });
        tell.track(opened, InputKind::Support, "Support Ticket Opened", &of);
        tell.track(solved, InputKind::Support, "Support Ticket Solved", &of);
        if !late {
            let of = json!({ "order_id": order, "currency": "EUR" });
            tell.track(solved, InputKind::Purchase, "Order Refunded", &of);
        }
    }
}
