//! What comes of treatments: what the engine has counted is what decisions and events say when they are read afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use moments::decode::Decoder;
use moments::document::report::Source;
use moments::engine::{Effect, Engine, Input};
use moments::event::record::Origin;
use moments::event::{Event, Position, Vocabulary};
use moments::profile::ledger::Arm;
use moments::tally::{Change, Touch, WHOLE};
use moments::time::Timestamp;
use moments::treatment::{Outcome, Reason};
use proptest::collection::vec;
use proptest::prelude::*;

use super::cases;
use super::driver::plan_of;
use super::history::BASE;

const HOUR: i64 = 60 * 60 * 1000;

/// Decided when the event is seen, when it is settled, and when time has passed; the last has a goal that says what it is worth.
const TRIGGERS: [&str; 3] = [
    "trigger: a\nmoment: { event: Product Reviewed }\ngoal: { event: Order Completed, within: 3d }",
    "trigger: b\nmoment: { event: { of: Cart Shared, when: settled } }\n\
     goal: { event: { name: Order Completed, where: event.total >= 20 }, within: 2d }",
    "trigger: c\nmoment: { absence: { of: Cart Viewed, after: Product Added, within: 5h } }\n\
     goal: { event: Form Submitted, within: 1d, value: 3.0 + 4.5 }",
];

/// The goal of each: the event, hours, what it asks of the total, and what it is worth by itself.
const GOALS: [(&str, &str, i64, i64, Option<f64>); 3] = [
    ("a", "Order Completed", 3 * 24, i64::MIN, None),
    ("b", "Order Completed", 2 * 24, 20, None),
    ("c", "Form Submitted", 24, i64::MIN, Some(7.5)),
];

/// What somebody does in an hour.
#[derive(Clone, Debug)]
struct Did {
    hour: i64,
    who: usize,
    event: &'static str,
    /// Of which order.
    order: u8,
    /// In what it is refunded or ordered.
    total: i64,
    /// Afterwards time moves as far as it may.
    advances: bool,
}

impl Did {
    /// Between the hours on which moments lie, so that nothing is as old as a treatment.
    fn at(&self, place: usize) -> i64 {
        let place = i64::try_from(place).expect("few");
        BASE + self.hour * HOUR + place
    }

    fn id(&self) -> String {
        format!("o{}", self.order)
    }

    fn event(&self, place: usize) -> Event {
        let decoder = Decoder::new(Arc::new(Vocabulary::standard()), Arc::default());
        let (at, id, n) = (self.at(place), self.id(), self.order % 2);
        let properties = match self.event {
            "Order Completed" => format!(
                "\"order_id\":\"{id}\",\"total\":{},\"currency\":\"EUR\"",
                self.total
            ),
            "Order Refunded" => format!(
                "\"order_id\":\"{id}\",\"refund_id\":\"r{n}\",\"total\":{},\"currency\":\"EUR\"",
                self.total
            ),
            "Order Cancelled" => format!("\"order_id\":\"{id}\""),
            _ => String::new(),
        };
        let text = format!(
            "{{\"event\":\"{}\",\"userId\":\"u{}\",\"messageId\":\"m{place}\",\"timestamp\":{at},\"properties\":{{{properties}}}}}",
            self.event, self.who
        );
        let origin = Origin {
            position: Position {
                topic: 0,
                offset: i64::try_from(place).expect("few"),
            },
            ..Origin::default()
        };
        decoder
            .decode(text.as_bytes(), &origin)
            .expect("an event")
            .event
    }
}

fn histories() -> impl Strategy<Value = Vec<Did>> {
    let event = prop_oneof![
        3 => Just("Product Reviewed"),
        2 => Just("Cart Shared"),
        3 => Just("Product Added"),
        1 => Just("Cart Viewed"),
        2 => Just("Form Submitted"),
        5 => Just("Order Completed"),
        2 => Just("Order Refunded"),
        1 => Just("Order Cancelled"),
    ];
    let total = prop_oneof![Just(5), Just(10), Just(25), Just(90)];
    let one = (
        0..15 * 24i64,
        0..8usize,
        event,
        0..4u8,
        total,
        any::<bool>(),
    );
    let one = one.prop_map(|(hour, who, event, order, total, advances)| Did {
        hour,
        who,
        event,
        order,
        total,
        advances,
    });
    vec(one, 1..120).prop_map(|mut history| {
        history.sort_by_key(|did| did.hour);
        history
    })
}

/// Of a trigger: conversions and value by the last touch, the first, and in equal parts; of those treated and held out how many count,
/// how many met the goal, and what that was worth.
type Figures = BTreeMap<(String, &'static str), f64>;

fn add(figures: &mut Figures, trigger: &str, what: &'static str, more: f64) {
    *figures.entry((trigger.to_owned(), what)).or_default() += more;
}

/// Decided for whom, when, of which trigger, whether it was sent.
type Exposure = (String, i64, String, bool);

fn lives(history: &[Did]) -> (Vec<Exposure>, Figures) {
    let sources = TRIGGERS.map(|text| {
        let more = "treatments: [{ channel: onsite, template: t }]\npolicy: { hold_out: 40%, good_for: 1000d }";
        Source::new("t", format!("{text}\n{more}\n"))
    });
    let mut engine = Engine::new(Arc::new(plan_of(&sources)));
    let mut effects = Vec::new();
    let mut now = Timestamp(BASE);
    for (place, did) in history.iter().enumerate() {
        let event = did.event(place);
        now = event.time;
        engine.step(Input::Event(Box::new(event)), now, &mut effects);
        if did.advances {
            engine.step(Input::Watermark(now.plus(-HOUR)), now, &mut effects);
        }
    }
    for _ in 0..20 {
        now = now.plus(6 * HOUR);
        engine.step(Input::Watermark(now), now, &mut effects);
    }
    let (mut exposed, mut figures) = (Vec::new(), Figures::new());
    for effect in &effects {
        match effect {
            Effect::Decided(decision) => {
                let is_sent = match &decision.outcome {
                    Outcome::Treat(_) => true,
                    Outcome::Refuse(Reason::HeldOut, Some(_)) => false,
                    other => panic!("{other:?}"),
                };
                exposed.push((
                    decision.customer.to_string(),
                    decision.decided_at.0,
                    decision.trigger.to_string(),
                    is_sent,
                ));
            }
            Effect::Came(outcome) => came(&mut figures, &outcome.trigger.0, &outcome.change),
            _ => {}
        }
    }
    (exposed, figures)
}

fn came(figures: &mut Figures, trigger: &str, change: &Change) {
    match change {
        Change::Credited {
            touch,
            share,
            value,
        } => {
            let [conversions, worth] = match touch {
                Touch::Last => ["last", "last worth"],
                Touch::First => ["first", "first worth"],
                Touch::Linear => ["linear", "linear worth"],
            };
            #[expect(clippy::cast_precision_loss, reason = "millionths of few")]
            let share = *share as f64 / WHOLE as f64;
            add(figures, trigger, conversions, share);
            add(figures, trigger, worth, value.number());
        }
        Change::Closed { arm, customer } => {
            let [count, met, worth] = match arm {
                Arm::Treated => ["treated", "treated met", "treated worth"],
                Arm::HeldOut => ["held out", "held out met", "held out worth"],
            };
            add(figures, trigger, count, 1.0);
            add(
                figures,
                trigger,
                met,
                f64::from(u8::from(customer.converted)),
            );
            add(figures, trigger, worth, customer.value.number());
        }
        Change::Reacted(_) | Change::Passed(_) => panic!("nobody reacted: {change:?}"),
    }
}

/// What is left of an order by an instant; none where nothing is, or was at any time since it was placed.
fn left(history: &[Did], who: usize, order: &str, by: i64) -> Option<f64> {
    let (mut total, mut refunds, mut is_cancelled) = (None, BTreeMap::new(), false);
    for (place, did) in history.iter().enumerate() {
        if did.at(place) > by || did.who != who || did.id() != order {
            continue;
        }
        match did.event {
            "Order Completed" => total = Some(did.total),
            "Order Refunded" => {
                refunds.insert(did.order % 2, did.total);
            }
            "Order Cancelled" => is_cancelled = true,
            _ => {}
        }
        let refunded: i64 = refunds.values().sum();
        if total.is_some_and(|total| is_cancelled || (refunded > 0 && refunded >= total)) {
            return None;
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "small")]
    total.map(|total| (total - refunds.values().sum::<i64>()) as f64)
}

/// When goals may have been met: by what, and of which order.
fn occasions(history: &[Did], who: usize) -> Vec<(i64, &Did, Option<String>)> {
    let mut told = BTreeSet::new();
    let hers = history.iter().enumerate().filter(|(_, did)| did.who == who);
    let occasions = hers.filter_map(|(place, did)| match did.event {
        "Order Completed" if told.insert(did.id()) => Some((did.at(place), did, Some(did.id()))),
        "Form Submitted" => Some((did.at(place), did, None)),
        _ => None,
    });
    occasions.collect()
}

/// What the same says, read afterwards.
fn expected(history: &[Did], exposed: &[Exposure]) -> Figures {
    let mut figures = Figures::new();
    for who in 0..8 {
        let mine: Vec<_> = exposed
            .iter()
            .filter(|it| it.0 == format!("u{who}"))
            .collect();
        let goal = |trigger: &str| GOALS.iter().find(|it| it.0 == trigger).expect("a goal");
        let meets = |at: i64, trigger: &str, (met, did, _): &(i64, &Did, Option<String>)| {
            let (_, event, hours, least, _) = goal(trigger);
            did.event == *event && did.total >= *least && at < *met && *met <= at + hours * HOUR
        };
        let worth = |trigger: &str, order: Option<&String>, by: i64| match order {
            Some(order) => left(history, who, order, by),
            None => goal(trigger).4,
        };
        let occasions = occasions(history, who);
        let mut seen = BTreeSet::new();
        for (_, at, trigger, is_sent) in mine.iter().copied() {
            if !seen.insert(trigger) {
                continue;
            }
            let until = at + goal(trigger).2 * HOUR;
            let met = occasions.iter().filter(|it| meets(*at, trigger, it));
            let met: Vec<f64> = met
                .filter_map(|it| worth(trigger, it.2.as_ref(), until))
                .collect();
            let [count, converted, value] = match is_sent {
                true => ["treated", "treated met", "treated worth"],
                false => ["held out", "held out met", "held out worth"],
            };
            add(&mut figures, trigger, count, 1.0);
            add(
                &mut figures,
                trigger,
                converted,
                f64::from(u8::from(!met.is_empty())),
            );
            add(&mut figures, trigger, value, met.iter().sum());
        }
        for occasion in &occasions {
            let sent = mine
                .iter()
                .filter(|it| it.3 && meets(it.1, &it.2, occasion));
            let sent: Vec<&str> = sent.map(|it| it.2.as_str()).collect();
            for (rank, trigger) in sent.iter().enumerate() {
                let Some(worth) = worth(trigger, occasion.2.as_ref(), i64::MAX) else {
                    continue;
                };
                #[expect(clippy::cast_precision_loss, reason = "few")]
                let part = 1.0 / sent.len() as f64;
                let touches = [
                    ("last", "last worth", rank + 1 == sent.len(), 1.0),
                    ("first", "first worth", rank == 0, 1.0),
                    ("linear", "linear worth", true, part),
                ];
                for (conversions, value, _, share) in touches.into_iter().filter(|it| it.2) {
                    add(&mut figures, trigger, conversions, share);
                    add(&mut figures, trigger, value, worth * share);
                }
            }
        }
    }
    figures
}

proptest! {
    #![proptest_config(cases(200))]

    #[test]
    fn what_is_counted_is_what_can_be_read_afterwards(history in histories()) {
        let (exposed, figures) = lives(&history);
        let expected = expected(&history, &exposed);
        let names: BTreeSet<_> = figures.keys().chain(expected.keys()).collect();
        for name in names {
            let [found, meant] = [&figures, &expected].map(|it| it.get(name).copied().unwrap_or_default());
            // Shares are kept in millionths.
            prop_assert!((found - meant).abs() < 1e-4, "{:?}: {} counted, {} is read", name, found, meant);
        }
    }
}
