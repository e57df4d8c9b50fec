//! Restored state equals live state: commits, aborts and restarts at random points change nothing.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use proptest::collection::vec;
use proptest::prelude::*;

use moments::engine::{Effect, Engine};
use moments::event::{EventName, Former};
use moments::time::{DAY_MS, Timestamp};
use moments::trigger::plan::{Plan, Policy};

use super::cases;
use super::driver::{Told, customers, inputs, plan, plan_with, tell};
use super::history::{Grid, arrivals, history};

const GRID: Grid = Grid {
    step_ms: DAY_MS / 4,
    steps: 60,
    lateness: 8,
};

pub static PLAN: LazyLock<Arc<Plan>> = LazyLock::new(|| plan(&rows()));

/// Triggers of every kind: name, moment.
pub fn rows() -> Vec<(String, String)> {
    let row = |name: &str, moment: &str| (name.to_owned(), moment.to_owned());
    vec![
        row(
            "cart",
            "absence: { of: Order Completed, after: Product Added, within: 3d }",
        ),
        row(
            "product",
            "absence: { of: Order Completed, after: Product Added, within: 2d, per: event.product_id, from: first }",
        ),
        row("lapsed", "inactivity: { of: Order Completed, for: 5d }"),
        row(
            "rhythm",
            "baseline: { of: Order Completed, measure: gap, history_min: 2, deviations: 1 }",
        ),
        row(
            "exact",
            "baseline: { of: Order Completed, measure: gap, by: exact, history_min: 2, deviations: 0 }",
        ),
        row(
            "ticket",
            "baseline: { of: Order Completed, measure: value, value: event.total, history_min: 2, ratio: { last: 2, below: 0.9 } }",
        ),
        row(
            "first",
            "event: { name: Order Completed, where: previous.orders.count == 0 }",
        ),
        row(
            "back",
            "event: { name: Order Completed, where: 'days_between(previous.last_order, event.time) > 3' }",
        ),
        row(
            "third",
            "event: { of: { name: Order Completed, where: previous.orders.count == 2 }, when: settled }",
        ),
        row(
            "eager",
            "threshold: { of: { name: Product Added, where: 'previous.orders.count < 3' }, measure: count, over: 2d, crosses: { at_least: 2 }, when: seen }",
        ),
        row(
            "spender",
            "threshold: { of: Order Completed, measure: { sum: event.total }, over: 4d, crosses: { at_least: 6 }, when: settled }",
        ),
        row(
            "keen",
            "threshold: { of: [Product Added, Order Completed], measure: { score: { weight: 1, half_life: 1d } }, crosses: { above: 1.7 }, when: settled }",
        ),
        row(
            "bought",
            "sequence: { steps: [{ of: Product Viewed, times: 2 }, Product Added, Order Completed], within: 4d }",
        ),
        row(
            "each",
            "sequence: { steps: [Product Viewed, Product Added], without: Order Completed, same: event.product_id }",
        ),
        row(
            "ninth",
            "calendar: { date: { every: month, day: 9 }, at: '06:00' }",
        ),
        row(
            "thursday",
            "calendar: { date: { nth: 1, weekday: thursday }, offset: 1d }",
        ),
        row(
            "year",
            "calendar: { date: profile.last_order, offset: -361d }",
        ),
    ]
}

/// The same with customers who expire after three days.
static EXPIRING: LazyLock<Arc<Plan>> = LazyLock::new(|| {
    plan_with(
        &rows(),
        Policy {
            expire_after_ms: Some(3 * DAY_MS),
            erasure_memory_ms: 4 * DAY_MS,
            ..Policy::for_everybody()
        },
    )
});

/// Every seventh event erases its customer.
fn erasing((told, now): &(Told, Timestamp)) -> (Told, Timestamp) {
    let mut told = told.clone();
    if let Told::Event(event) = &mut told
        && event.position.offset % 7 == 6
    {
        event.name = EventName::CUSTOMER_ERASED;
    }
    (told, *now)
}

/// A visitor and two customers, who become one again and again: by what carries both ids, and by aliases, in chains and circles.
fn uniting((told, now): &(Told, Timestamp)) -> (Told, Timestamp) {
    let mut told = told.clone();
    if let Told::Event(event) = &mut told {
        event.known = event.customer != "c1";
        let former = match (event.customer.as_str(), event.position.offset % 5) {
            ("c0" | "c2", 3) => Some(("c1", false)),
            ("c2", 4) => Some(("c0", true)),
            ("c0", 4) => Some(("c2", true)),
            _ => None,
        };
        event.formers = Vec::from_iter(former.map(|(id, is_alias)| Former {
            id: id.into(),
            is_alias,
        }));
    }
    (told, *now)
}

/// What happens to the task after an input.
#[derive(Clone, Copy, Debug)]
enum Turn {
    GoOn,
    /// A transaction is sealed, and work goes on.
    Seal,
    /// The sealed one is durable.
    Commit,
    /// It is not: back to the last that was.
    Abort,
    /// The process is gone; another restores, in this order of keys or the other.
    Restart(bool),
}

fn turn() -> impl Strategy<Value = Turn> {
    prop_oneof![
        4 => Just(Turn::GoOn),
        3 => Just(Turn::Seal),
        3 => Just(Turn::Commit),
        1 => Just(Turn::Abort),
        1 => any::<bool>().prop_map(Turn::Restart),
    ]
}

type Changelog = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// A task that may lose what it did not commit.
struct Task<'a> {
    told: &'a [(Told, Timestamp)],
    engine: Engine,
    place: usize,
    /// Effects by input.
    effects: Vec<Vec<Effect>>,
    changelog: Changelog,
    committed: (usize, Timestamp),
    sealed: Option<(usize, Timestamp, Changelog)>,
}

impl<'a> Task<'a> {
    fn new(told: &'a [(Told, Timestamp)], plan: &Arc<Plan>) -> Self {
        Self {
            told,
            engine: Engine::new(Arc::clone(plan)),
            place: 0,
            effects: told.iter().map(|_| Vec::new()).collect(),
            changelog: Changelog::new(),
            committed: (0, Timestamp::MIN),
            sealed: None,
        }
    }

    fn step(&mut self) {
        let mut effects = Vec::new();
        tell(&mut self.engine, &self.told[self.place], &mut effects);
        self.effects[self.place] = effects;
        self.place += 1;
    }

    fn turn(&mut self, turn: Turn) {
        match turn {
            Turn::GoOn => {}
            Turn::Seal if self.sealed.is_some() => {}
            Turn::Seal => {
                let records = self.engine.seal().into_iter().collect();
                self.sealed = Some((self.place, self.engine.watermark(), records));
            }
            Turn::Commit => {
                if let Some((place, watermark, records)) = self.sealed.take() {
                    self.engine.committed();
                    self.committed = (place, watermark);
                    self.changelog.extend(records);
                }
            }
            Turn::Abort => {
                self.sealed = None;
                self.engine.rollback(self.committed.1);
                self.place = self.committed.0;
            }
            Turn::Restart(backwards) => {
                self.sealed = None;
                self.engine = Engine::new(Arc::clone(self.engine.plan()));
                let mut records: Vec<_> = self.changelog.iter().collect();
                if backwards {
                    records.reverse();
                }
                for (key, value) in records {
                    let restored = self.engine.restore(key, value.as_deref());
                    restored.expect("what it packed itself");
                }
                self.engine.restored(self.committed.1);
                self.place = self.committed.0;
            }
        }
    }
}

fn check(told: &[(Told, Timestamp)], turns: &[Turn]) -> Result<(), TestCaseError> {
    let plan = &PLAN;
    held(plan, told, turns)?;
    let uniting: Vec<_> = told.iter().map(uniting).collect();
    held(plan, &uniting, turns)?;
    let told = match told.len() % 2 {
        0 => told,
        _ => &uniting,
    };
    // The same with customers who are erased, and who expire.
    let told: Vec<_> = told.iter().map(erasing).collect();
    held(&EXPIRING, &told, turns)
}

fn held(plan: &Arc<Plan>, told: &[(Told, Timestamp)], turns: &[Turn]) -> Result<(), TestCaseError> {
    let mut live = Task::new(told, plan);
    for _ in told {
        live.step();
    }
    let mut tried = Task::new(told, plan);
    let mut turns = turns.iter();
    while tried.place < told.len() {
        tried.step();
        if let Some(turn) = turns.next() {
            tried.turn(*turn);
        }
    }
    if tried.sealed.is_some() {
        tried.turn(Turn::Commit);
    }
    prop_assert_eq!(&tried.effects, &live.effects);
    prop_assert_eq!(tried.engine.armed(), live.engine.armed());
    prop_assert_eq!(customers(&mut tried.engine), customers(&mut live.engine));
    Ok(())
}

proptest! {
    #![proptest_config(cases(1024))]

    #[test]
    fn restored_state_is_live_state(history in history(GRID, 40, 0..100), turns in vec(turn(), 0..120)) {
        check(&inputs(&history, &arrivals(&history, GRID), GRID), &turns)?;
    }

    #[test]
    fn so_it_is_with_late_events(history in history(GRID, 40, 0..600), turns in vec(turn(), 0..120)) {
        check(&inputs(&history, &arrivals(&history, GRID), GRID), &turns)?;
    }
}
