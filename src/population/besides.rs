//! What somebody does besides looking around, buying and waiting for parcels: narrows a list down, takes something home to read, answers
//! questions, comes by a store, rings up, plans a trip, earns points and spends them.
//!
//! It has chance of its own, so that none of it shifts what else she does.

use serde_json::json;

use super::calls::Teller;
use super::days;
use super::person::{Channel, HOMES, Person};
use super::truth::Instant;
use crate::config::InputKind;
use crate::time::Timestamp;

/// So many say when they were born.
const GIVES_BIRTHDAY: f64 = 0.6;
/// How often somebody narrows a list down.
const FILTERS: f64 = 0.3;
/// How often somebody who has not ordered yet takes something from the site, at a visit.
const READS: f64 = 0.4;
/// How often she answers what the site asks her.
const ANSWERS: f64 = 0.02;
/// How often she comes by a store on the way, where her telephone may tell of it.
const PASSES_BY: f64 = 0.04;
/// How often somebody rings up who may not be written to.
const RINGS: f64 = 0.02;
/// How often she plans a trip.
const PLANS: f64 = 0.01;
/// A point is earned for each euro; so often some are spent with an order.
const REDEEMS: f64 = 0.08;
const DESTINATIONS: [&str; 6] = ["ES", "PT", "IT", "US", "JP", "FR"];
const TRANSPORTS: [&str; 4] = ["flight", "car", "train", "ship"];

impl Person {
    /// What she says of herself, beside how to reach her.
    pub(super) fn tells_of_herself(&mut self, traits: &mut serde_json::Value) {
        traits["region"] = HOMES[usize::from(self.home)].region.into();
        let dice = &mut self.besides;
        if dice.chance(GIVES_BIRTHDAY) {
            let (year, month, day) = (dice.whole(1950, 2005), dice.whole(1, 12), dice.whole(1, 28));
            traits["birthday"] = format!("{year}-{month:02}-{day:02}").into();
        }
    }

    /// On her way to a visit.
    pub(super) fn passes_by(&mut self, at: Timestamp, tell: &mut Teller<'_>) {
        if self.known && self.agrees(Channel::Push) && self.besides.chance(PASSES_BY) {
            let of = json!({ "store_id": format!("store-{}", self.home), "name": "Old Town" });
            let near = "Store Region Entered";
            tell.track(at, InputKind::Clickstream, near, &of);
        }
    }

    /// Before a list of a category.
    pub(super) fn narrows_down(&mut self, at: Timestamp, category: &str, tell: &mut Teller<'_>) {
        if self.besides.chance(FILTERS) {
            let of = json!({ "category": category });
            let at = at.plus(2_000);
            tell.track(at, InputKind::Clickstream, "Product List Filtered", &of);
        }
    }

    /// When she has looked at what there is of a category.
    pub(super) fn wonders(&mut self, at: Timestamp, category: &str, tell: &mut Teller<'_>) {
        let at = at.plus(i64::from(self.besides.whole(3, 40)) * 1_000);
        if self.orders == 0 && self.besides.chance(READS) {
            let takes = [
                "File Downloaded",
                "Calculator Used",
                "Quiz Completed",
                "Form Submitted",
            ];
            let of = json!({ "name": "What fits me", "category": category });
            let what = *self.besides.one(&takes);
            tell.track(at, InputKind::Clickstream, what, &of);
        }
        if self.besides.chance(ANSWERS) {
            self.answers(at, tell);
        }
        let is_unasked = !self.agrees(Channel::Email) && !self.agrees(Channel::Sms);
        if self.known && is_unasked && self.besides.chance(RINGS) {
            let long = self.besides.whole(20, 600);
            let id = compact_str::format_compact!("{}-t{}", tell.customer, tell.made);
            let of = json!({ "call_id": id, "topic": "advice", "call_duration": long });
            let end = at.plus(i64::from(long) * 1_000);
            tell.track(end, InputKind::Support, "Call Ended", &of);
        }
        if self.known && self.besides.chance(PLANS) {
            self.plans_a_trip(at, tell);
        }
    }

    fn answers(&mut self, at: Timestamp, tell: &mut Teller<'_>) {
        let answers = [
            ("style", ["modern", "country", "plain"]),
            ("size", ["small", "middling", "large"]),
            ("when", ["this-month", "this-year", "some-day"]),
        ];
        for (seconds, (question, choice)) in (1..).zip(answers) {
            let of = json!({ "question": question, "answer": self.besides.one(&choice) });
            let at = at.plus(seconds * 7_000);
            tell.track(at, InputKind::Clickstream, "Question Answered", &of);
        }
    }

    fn plans_a_trip(&mut self, at: Timestamp, tell: &mut Teller<'_>) {
        let departs = at.plus(days(self.besides.between(1.0, 60.0)));
        let of = json!({
            "trip_id": format!("{}-p{}", tell.customer, tell.made),
            "destination": self.besides.one(&DESTINATIONS),
            "transport": self.besides.one(&TRANSPORTS),
            "departs_at": Instant(departs),
        });
        tell.track(at, InputKind::Clickstream, "Trip Planned", &of);
    }

    /// A point for each euro of an order, `total` in hundredths; now and then she pays with some.
    pub(super) fn points(&mut self, order: &str, at: Timestamp, total: u32, tell: &mut Teller<'_>) {
        let of = json!({ "points": total / 100, "reason": "order", "order_id": order });
        tell.track(at, InputKind::Purchase, "Points Earned", &of);
        if self.besides.chance(REDEEMS) {
            let of = json!({ "points": self.besides.whole(5, 20) * 10, "order_id": order });
            tell.track(at, InputKind::Purchase, "Points Redeemed", &of);
        }
    }
}
