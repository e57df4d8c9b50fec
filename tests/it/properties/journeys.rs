//! Journeys: who enters, what is sent at which step and when is what walking through a sorted history says, whatever the order of
//! arrival.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use proptest::prelude::*;

use moments::document::report::Source;
use moments::trigger::plan::Plan;

use super::cases;
use super::driver::{Found, held_to, plan_of};
use super::history::history;
use super::segments::{GRID, STEP, instants, last, orders};
use crate::reference::RefEvent;

/// Whether something holds of a customer, by what had happened by an instant.
type Holds = fn(&[&RefEvent], i64) -> bool;

/// A step, as a reader of its file understands it; waits are in steps of the grid.
enum Step {
    Send(&'static str),
    Wait(i64),
    /// For an event.
    Event(&'static str, i64, &'static [Step], &'static [Step]),
    /// For a condition.
    When(Holds, i64, &'static [Step], &'static [Step]),
    Branch(Holds, &'static [Step], &'static [Step]),
    Exit,
}
use Step::{Branch, Event, Exit, Send, Wait, When};

/// What a trigger says beside its name, and what that means.
struct Journey {
    said: &'static str,
    goal: Option<&'static str>,
    until: Option<Holds>,
    /// In steps of the grid; none: never.
    again_after: Option<i64>,
    /// Whether there is one of each cart.
    per_cart: bool,
    steps: &'static [Step],
}

const IDLE: Holds = |events, now| last(events).is_some_and(|last| now - last > 3 * STEP);
const TWO: Holds = |events, _| orders(events).count() >= 2;
const ANY: Holds = |events, _| orders(events).count() >= 1;

const JOURNEYS: &[Journey] = &[
    Journey {
        said: "journey: [{ name: a, send: S }, { wait: 12h }, { name: b, send: S }]",
        goal: None,
        until: None,
        again_after: Some(0),
        per_cart: false,
        steps: &[Send("a"), Wait(2), Send("b")],
    },
    Journey {
        said: "journey: { per: event.cart_id, re_enter: after 24h, steps: [{ wait_for: { event: Order Completed, within: 18h }, \
               then: [{ name: a, send: S }], else: [{ name: b, send: S }, { wait: 6h }] }, { name: c, send: S }] }",
        goal: None,
        until: None,
        again_after: Some(4),
        per_cart: true,
        steps: &[
            Event("Order Completed", 3, &[Send("a")], &[Send("b"), Wait(1)]),
            Send("c"),
        ],
    },
    Journey {
        said: "journey: { until: 'now - profile.last_order > duration(\"18h\")', re_enter: never, steps: [{ name: a, send: S }, \
               { wait: 1d }, { branch: [{ if: profile.orders.count >= 1, then: [{ name: b, send: S }, exit] }], \
               else: [{ wait: 6h }, { name: c, send: S }] }, { name: d, send: S }] }",
        goal: None,
        until: Some(IDLE),
        again_after: None,
        per_cart: false,
        steps: &[
            Send("a"),
            Wait(4),
            Branch(ANY, &[Send("b"), Exit], &[Wait(1), Send("c")]),
            Send("d"),
        ],
    },
    Journey {
        said: "journey: [{ wait_for: { when: profile.orders.count >= 2, within: 1d }, then: [{ name: a, send: S }] }, \
               { wait_for: { when: 'now - profile.last_order > duration(\"18h\")', within: 2d }, then: [{ name: b, send: S }], \
               else: [exit] }, { name: c, send: S }]\ngoal: { event: Cart Viewed, within: 9d }",
        goal: Some("Cart Viewed"),
        until: None,
        again_after: Some(0),
        per_cart: false,
        steps: &[
            When(TWO, 4, &[Send("a")], &[]),
            When(IDLE, 8, &[Send("b")], &[Exit]),
            Send("c"),
        ],
    },
];

static PLAN: LazyLock<Arc<Plan>> = LazyLock::new(|| {
    let file = |(n, journey): (usize, &Journey)| {
        let said = journey
            .said
            .replace(" S }", " { channel: onsite, template: t } }");
        let text = format!(
            "trigger: j{n}\nmoment: {{ event: {{ of: Product Added, when: settled }} }}\n{said}\npolicy: {{ good_for: 1000d }}\n"
        );
        Source::new(&format!("j{n}.yaml"), text)
    };
    let sources: Vec<Source> = JOURNEYS.iter().enumerate().map(file).collect();
    let plan = plan_of(&sources);
    Arc::new(plan)
});

/// When she was through or left, and whether that was behind a step that was sent at that instant.
type Ended = Option<(i64, bool)>;

/// One way through a journey.
struct Way<'e> {
    events: &'e [RefEvent],
    journey: &'static Journey,
    cart: Option<&'e str>,
    /// The event by which she entered, or by which she went on at that instant.
    last: &'e RefEvent,
    /// When something makes her leave; never: the largest time.
    leaves: i64,
    /// The steps that were sent, and when.
    sent: Vec<(i64, &'static str)>,
    ended: Ended,
}

fn known(events: &[RefEvent], at: i64) -> Vec<&RefEvent> {
    events
        .iter()
        .take_while(|event| event.time_ms <= at)
        .collect()
}

/// The cart that an event names.
fn cart(event: &RefEvent) -> Option<&str> {
    let names = event.name != "Product Viewed" && !event.key.is_empty();
    names.then_some(event.key.as_str())
}

impl<'e> Way<'e> {
    fn of(
        (journey, events): (&'static Journey, &'e [RefEvent]),
        entered: &'e RefEvent,
        end: i64,
    ) -> Self {
        let cart = cart(entered).filter(|_| journey.per_cart);
        let mut way = Self {
            events,
            journey,
            cart,
            last: entered,
            leaves: i64::MAX,
            sent: Vec::new(),
            ended: None,
        };
        let at = entered.time_ms;
        let goal = events.iter().find(|event| {
            way.is_after(event, at)
                && way.concerns(event)
                && Some(event.name.as_str()) == journey.goal
        });
        let until = journey.until.and_then(|holds| {
            instants(at, end).find(|instant| holds(&known(events, *instant), *instant))
        });
        let goal = goal.map(|event| event.time_ms);
        way.leaves = goal.into_iter().chain(until).min().unwrap_or(i64::MAX);
        if let Some(through) = way.walk(journey.steps, at, end) {
            way.ended = way.ended.or(Some((through, true)));
        }
        if way.leaves < i64::MAX && way.ended.is_none_or(|(at, _)| at >= way.leaves) {
            way.ended = Some((way.leaves, false));
        }
        way
    }

    fn concerns(&self, event: &RefEvent) -> bool {
        !self.journey.per_cart || cart(event).is_none_or(|cart| Some(cart) == self.cart)
    }

    /// Whether an event comes after she came somewhere: later, or at the instant at which she entered behind what brought her on.
    fn is_after(&self, event: &RefEvent, at: i64) -> bool {
        let place = |of: &RefEvent| self.events.iter().position(|it| std::ptr::eq(it, of));
        event.time_ms > at || self.last.time_ms == at && place(event) > place(self.last)
    }

    /// When she is through these steps; none: she has left, or it is not over by the end.
    fn walk(&mut self, steps: &'static [Step], mut at: i64, end: i64) -> Option<i64> {
        for step in steps {
            if at > end || at >= self.leaves {
                return None;
            }
            at = match step {
                Send(name) => {
                    self.sent.push((at, name));
                    at
                }
                Wait(steps) => at + steps * STEP,
                Event(name, within, then, otherwise) => {
                    let until = at + within * STEP;
                    let came = self.events.iter().find(|event| {
                        self.is_after(event, at)
                            && event.time_ms <= until
                            && event.name == *name
                            && self.concerns(event)
                    });
                    match came {
                        Some(came) => {
                            if came.time_ms == self.last.time_ms {
                                self.last = came;
                            }
                            self.walk(then, came.time_ms, end)?
                        }
                        None => self.walk(otherwise, until, end)?,
                    }
                }
                When(holds, within, then, otherwise) => {
                    let until = at + within * STEP;
                    let met = instants(at, until)
                        .filter(|instant| *instant <= until)
                        .find(|instant| holds(&known(self.events, *instant), *instant));
                    match met {
                        Some(met) => self.walk(then, met, end)?,
                        None => self.walk(otherwise, until, end)?,
                    }
                }
                Branch(holds, then, otherwise) => {
                    match at < self.leaves && holds(&known(self.events, at), at) {
                        true => self.walk(then, at, end)?,
                        false => self.walk(otherwise, at, end)?,
                    }
                }
                Exit => {
                    // Behind a send she is out when that is decided; behind a wait, before anything else is.
                    let is_sent = self.sent.last().is_some_and(|(sent, _)| *sent == at);
                    if at <= end && at < self.leaves {
                        self.ended = Some((at, is_sent));
                    }
                    return None;
                }
            };
        }
        (at <= end && at < self.leaves).then_some(at)
    }
}

/// What is decided of a customer's sorted history up to an instant.
fn expected(customer: &str, events: &[RefEvent], until: i64) -> Vec<Found> {
    let mut expected = Vec::new();
    for (n, journey) in JOURNEYS.iter().enumerate() {
        // By cart: when she entered last, and when that ended and how.
        let mut before: BTreeMap<Option<&str>, (i64, Ended)> = BTreeMap::new();
        for entered in events.iter().filter(|it| it.name == "Product Added") {
            let at = entered.time_ms;
            let mut decide = |at: i64, occurrence: String| {
                expected.push((customer.to_owned(), format!("j{n}"), at, occurrence));
            };
            // Whether she enters or not, it is decided.
            decide(at, entered.id.clone());
            let cart = cart(entered).filter(|_| journey.per_cart);
            let is_admitted = match before.get(&cart) {
                None => true,
                Some((_, None)) => false,
                Some((last, Some((ended, is_sent)))) => {
                    // What comes true at one instant is decided together.
                    let is_out = at > *ended || at == *ended && !is_sent && at > *last;
                    let may = journey.again_after.map(|steps| last + steps * STEP <= at);
                    is_out && may == Some(true)
                }
            };
            if !is_admitted {
                continue;
            }
            let way = Way::of((journey, events), entered, until);
            for (sent, step) in &way.sent {
                decide(*sent, format!("{}#{step}", entered.id));
            }
            before.insert(cart, (at, way.ended));
        }
    }
    expected.sort();
    expected
}

proptest! {
    #![proptest_config(cases(512))]

    #[test]
    fn steps_are_what_walking_through_a_sorted_history_says(history in history(GRID, 30, 0..100)) {
        held_to(&PLAN, (&history, GRID), expected, |_| true)?;
    }
}
