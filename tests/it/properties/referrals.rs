//! Customers of three tasks who give each other their codes, against a naive reference that sees all of them at once: the same are told
//! of the same friends, each once, in one task and in three, after restarts as without.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, LazyLock};

use proptest::prelude::*;

use moments::document::report::{Source, rendered};
use moments::engine::{Effect, Engine, Input, Neighbours, Transfer};
use moments::event::{Event, EventName, Property, PropertyId};
use moments::time::Timestamp;
use moments::treatment::Outcome;
use moments::treatment::code::Key;
use moments::trigger::plan::{Plan, Policy};
use moments::trigger::set::{self, Basis};

use super::cases;
use super::history::event;

const CUSTOMERS: usize = 6;
const TASKS: i32 = 3;
/// Friends of one customer who count within so long.
const AT_MOST: usize = 1;
const WINDOW_MS: i64 = 40;
/// Events come so much later than they may be, at most.
const LATENESS_MS: i64 = 8;

const FILES: [&str; 3] = [
    "referral: friends\ncode: { prefix: FRIEND-, length: 8 }\nof: { name: Order Completed, where: event.total >= 5 }\nat_most: 1 in 40ms",
    "trigger: gives\nmoment: { event: Product Reviewed }\ntreatments: [{ channel: onsite, template: t, code: { referral: friends } }]",
    "trigger: told\nmoment: { event: [Friend Referred, Referral Accepted, Referral Refused] }\ntreatments: [{ channel: onsite, template: t, data: { event: event.event, reason: event.reason } }]",
];

static PLAN: LazyLock<Arc<Plan>> = LazyLock::new(|| {
    let source = |text: &&str| Source::new("file.yaml", (*text).to_owned());
    let sources: Vec<Source> = FILES.iter().map(source).collect();
    let basis = Basis {
        policy: Policy {
            code_key: Key::of_scenarios(),
            ..Policy::for_everybody()
        },
        ..Basis::default()
    };
    let plan = set::compile(&sources, &basis);
    Arc::new(plan.unwrap_or_else(|reports| panic!("{}", rendered(&reports))))
});

/// What somebody does: reviews, and is given her code; orders, with the code of another or none; is erased.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Reviews,
    Orders { code: Option<usize>, total: u8 },
    IsErased,
}

#[derive(Clone, Debug)]
struct Happening {
    after_ms: i64,
    who: usize,
    deed: Deed,
    /// The tasks crash and begin anew behind it.
    crash: bool,
    /// So much of what tasks tell each other arrives before the next, where that takes its time.
    arrives: usize,
}

fn history() -> impl Strategy<Value = Vec<Happening>> {
    let code = prop_oneof![1 => Just(None), 5 => (0..CUSTOMERS).prop_map(Some)];
    let orders = (code, 4..8u8).prop_map(|(code, total)| Deed::Orders { code, total });
    let deed = prop_oneof![6 => Just(Deed::Reviews), 12 => orders, 1 => Just(Deed::IsErased)];
    let one = (0..10i64, 0..CUSTOMERS, deed, 0..6u8, 0..4usize);
    let one = one.prop_map(|(after_ms, who, deed, crash, arrives)| Happening {
        after_ms,
        who,
        deed,
        crash: crash == 0,
        arrives,
    });
    prop::collection::vec(one, 1..40)
}

fn name(number: usize) -> String {
    format!("c{number}")
}

fn code(number: usize) -> String {
    let code = PLAN.referrals[0].code(&PLAN.policy.code_key, &name(number));
    code.expect("a key").to_string()
}

fn events(history: &[Happening]) -> Vec<Event> {
    let mut time = 1_000;
    let one = |(place, it): (usize, &Happening)| {
        time += it.after_ms;
        let at = (Timestamp(time), 0, place);
        let mut event = event(
            &name(it.who),
            EventName::PRODUCT_REVIEWED,
            format!("m{place}"),
            at,
        );
        match it.deed {
            Deed::Reviews => {}
            Deed::IsErased => event.name = EventName::CUSTOMER_ERASED,
            Deed::Orders { code: of, total } => {
                event.name = EventName::ORDER_COMPLETED;
                let said = &mut event.properties;
                said.push((PropertyId::TOTAL, Property::Number(total.into())));
                let coupon = of.map(|of| Property::Text(code(of).to_lowercase().into()));
                said.extend(coupon.map(|coupon| (PropertyId::COUPON, coupon)));
            }
        }
        event
    };
    history.iter().enumerate().map(one).collect()
}

/// Who is told what, why, and when.
type Told = (String, String, String, i64);

/// What the naive reference knows of one.
#[derive(Default)]
struct Known {
    has_code: bool,
    has_ordered: bool,
    came_by: Option<usize>,
    friends: Vec<i64>,
    /// What is not later is dropped.
    erased_at: i64,
}

fn reference(history: &[Happening]) -> Vec<Told> {
    let mut all: Vec<Known> = (0..CUSTOMERS).map(|_| Known::default()).collect();
    let (mut told, mut time) = (Vec::new(), 1_000);
    for it in history {
        time += it.after_ms;
        let mut tells = |who: usize, event: &str, reason: &str| {
            told.push((name(who), event.to_owned(), reason.to_owned(), time));
        };
        match it.deed {
            _ if time <= all[it.who].erased_at => {}
            Deed::Reviews => all[it.who].has_code = true,
            Deed::IsErased => {
                all[it.who] = Known {
                    erased_at: time,
                    ..Known::default()
                }
            }
            Deed::Orders { code, total } => {
                let friend = &all[it.who];
                let counts = code.filter(|of| total >= 5 && friend.came_by != Some(*of));
                if let Some(of) = counts {
                    let refused = if !all[of].has_code {
                        "unknown_code"
                    } else if of == it.who {
                        "own_code"
                    } else if friend.came_by.is_some() {
                        "already_referred"
                    } else if friend.has_ordered || !friend.friends.is_empty() {
                        "already_customer"
                    } else {
                        ""
                    };
                    if refused.is_empty() {
                        tells(it.who, "Referral Accepted", "");
                        all[it.who].came_by = Some(of);
                        let lately = all[of].friends.iter().filter(|at| **at > time - WINDOW_MS);
                        if lately.count() >= AT_MOST {
                            tells(of, "Referral Refused", "at_most");
                        } else {
                            tells(of, "Friend Referred", "");
                            all[of].friends.push(time);
                        }
                    } else {
                        tells(it.who, "Referral Refused", refused);
                    }
                }
                all[it.who].has_ordered = true;
            }
        }
    }
    told.sort();
    told
}

fn told(effects: &[Effect]) -> Vec<Told> {
    let told = effects.iter().filter_map(|effect| {
        let Effect::Decided(decision) = effect else {
            return None;
        };
        let Outcome::Treat(command) = &decision.outcome else {
            return None;
        };
        let data: BTreeMap<_, _> = command.data.0.iter().cloned().collect();
        let text = |name: &str| data.get(name)?.as_str().map(str::to_owned);
        let (customer, at) = (decision.customer.to_string(), decision.moment_at.0);
        Some((
            customer,
            text("event")?,
            text("reason").unwrap_or_default(),
            at,
        ))
    });
    let mut told: Vec<Told> = told.collect();
    told.sort();
    told
}

/// The task of an id: of codes, each that there is.
fn task_of(id: &str, tasks: i32) -> i32 {
    id.bytes()
        .fold(0, |sum, byte| (sum + i32::from(byte)) % tasks)
}

/// Tasks, and what they have committed.
struct Run {
    tasks: i32,
    engines: Vec<Engine>,
    committed: Vec<BTreeMap<Vec<u8>, Vec<u8>>>,
    /// What tasks were told by others and have not heard yet.
    told: VecDeque<(i32, Box<Transfer>)>,
    effects: Vec<Effect>,
}

impl Run {
    fn new(tasks: i32) -> Self {
        let mut run = Self {
            tasks,
            engines: Vec::new(),
            committed: (0..tasks).map(|_| BTreeMap::new()).collect(),
            told: VecDeque::new(),
            effects: Vec::new(),
        };
        run.restart(Timestamp::MIN);
        run
    }

    /// All begin anew from what is committed.
    fn restart(&mut self, watermark: Timestamp) {
        self.engines.clear();
        for own in 0..self.tasks {
            let neighbours = Neighbours {
                own,
                tasks: self.tasks,
                of: task_of,
                talk: true,
            };
            let mut engine = Engine::new(Arc::clone(&PLAN)).beside(Some(neighbours));
            let place = usize::try_from(own).expect("few");
            for (key, value) in &self.committed[place] {
                engine.restore(key, Some(value)).expect("just written");
            }
            engine.restored(watermark);
            self.engines.push(engine);
        }
    }

    fn commit(&mut self) {
        for (engine, committed) in self.engines.iter_mut().zip(&mut self.committed) {
            for (key, value) in engine.seal() {
                match value {
                    Some(value) => committed.insert(key, value),
                    None => committed.remove(&key),
                };
            }
            engine.committed();
        }
    }

    fn tell(&mut self, task: i32, input: Input, now: Timestamp) {
        let mut effects = Vec::new();
        self.engines[usize::try_from(task).expect("few")].step(input, now, &mut effects);
        for effect in effects {
            match effect {
                Effect::Transferred { to, transfer } => {
                    let read = Transfer::unpack(&transfer.pack()).expect("just packed");
                    assert_eq!(read, *transfer);
                    self.told.push_back((to, transfer));
                }
                effect => self.effects.push(effect),
            }
        }
    }

    /// So much of what tasks tell each other arrives.
    fn arrives(&mut self, most: usize, now: Timestamp) {
        for _ in 0..most {
            let Some((to, transfer)) = self.told.pop_front() else {
                return;
            };
            self.tell(to, Input::Transferred(transfer), now);
        }
    }

    /// Up to where nothing is under way.
    fn reached(&self, now: Timestamp) -> Timestamp {
        let told = self.told.iter().map(|(_, transfer)| transfer.time());
        let held = self.engines.iter().filter_map(Engine::held);
        let under_way = told.chain(held).min().unwrap_or(now);
        under_way.min(now.plus(-LATENESS_MS)).plus(-1)
    }

    /// All of a history; where tasks do not hear each other at once, as late as it says.
    fn all(mut self, history: &[Happening], at_once: bool) -> Vec<Told> {
        let mut watermark = Timestamp::MIN;
        let mut now = Timestamp::MIN;
        for (event, it) in events(history).into_iter().zip(history) {
            now = event.time;
            let task = task_of(&event.customer, self.tasks);
            self.tell(task, Input::Event(Box::new(event)), now);
            self.arrives(if at_once { usize::MAX } else { it.arrives }, now);
            watermark = self.reached(now).max(watermark);
            for task in 0..self.tasks {
                self.tell(task, Input::Watermark(watermark), now);
            }
            if it.crash {
                self.commit();
                self.restart(watermark);
            }
        }
        self.arrives(usize::MAX, now);
        assert!(self.engines.iter().all(|engine| engine.held().is_none()));
        told(&self.effects)
    }
}

proptest! {
    #![proptest_config(cases(512))]

    #[test]
    fn friends_are_told_as_the_reference_says(history in history()) {
        let expected = reference(&history);
        prop_assert_eq!(Run::new(1).all(&history, true), expected.clone());
        prop_assert_eq!(Run::new(TASKS).all(&history, true), expected);
    }

    #[test]
    fn both_are_told_once_however_late_tasks_hear_each_other(mut history in history()) {
        // Who is erased may come anew, and whose code it was be gone.
        history.retain(|it| !matches!(it.deed, Deed::IsErased));
        let told = Run::new(TASKS).all(&history, false);
        let of = |event: &str, reason: &str| -> Vec<&str> {
            let its = told.iter().filter(|(_, name, why, _)| name == event && why == reason);
            its.map(|(who, ..)| who.as_str()).collect()
        };
        let friends = of("Referral Accepted", "");
        let once: BTreeSet<&&str> = friends.iter().collect();
        prop_assert_eq!(once.len(), friends.len());
        let others = of("Friend Referred", "").len() + of("Referral Refused", "at_most").len();
        prop_assert_eq!(friends.len(), others);
    }
}

/// Else the property shows nothing.
#[test]
fn the_histories_have_every_outcome() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let mut reasons = BTreeSet::new();
    for _ in 0..200 {
        let history = history()
            .new_tree(&mut runner)
            .expect("a history")
            .current();
        reasons.extend(
            reference(&history)
                .into_iter()
                .map(|(_, event, reason, _)| (event, reason)),
        );
    }
    assert_eq!(reasons.len(), 7, "{reasons:?}");
}
