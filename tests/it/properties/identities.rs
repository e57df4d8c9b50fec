//! Two ids that become one, against a reference that has renamed the whole history first.
//!
//! - A visitor who registers is, in all she was and will be, the customer: the same decisions but for the name that they bear, the
//!   same state, whatever the order of arrival.
//! - Where both ids were used at once, what was not settled when they became one is decided as of one, deadlines that lie ahead are,
//!   and what is counted of things that are known by their ids is. Nothing is decided twice.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, LazyLock};

use proptest::prelude::*;

use moments::engine::{Effect, Engine, Input, Neighbours, Transfer};
use moments::event::{Event, Former};
use moments::time::{DAY_MS, Timestamp};
use moments::trigger::plan::Plan;

use super::cases;
use super::driver::{Found, Told, customers, found, inputs, plan, tell};
use super::history::{Grid, Happening, arrivals, history};
use super::restore::rows;
use crate::support::facts;

const GRID: Grid = Grid {
    step_ms: DAY_MS / 4,
    steps: 60,
    lateness: 8,
};

/// Nothing of a history is settled before its end.
const PATIENT: Grid = Grid {
    lateness: 100,
    ..GRID
};

static ALL: LazyLock<Arc<Plan>> = LazyLock::new(|| plan(&rows()));

/// What waits for a deadline that is hers, whoever she was when it began.
static DEADLINES: LazyLock<Arc<Plan>> = LazyLock::new(|| {
    let row = |name: &str, moment: &str| (name.to_owned(), moment.to_owned());
    plan(&[
        row(
            "cart",
            "absence: { of: Order Completed, after: Product Added, within: 3d }",
        ),
        row(
            "product",
            "absence: { of: Order Completed, after: Product Added, within: 2d, per: event.product_id }",
        ),
        row("lapsed", "inactivity: { of: Order Completed, for: 5d }"),
    ])
});

/// Those that wait for history to be complete.
static SETTLED: LazyLock<Arc<Plan>> = LazyLock::new(|| {
    let waits = |moment: &str| {
        let speaks = ["event", "sequence", "threshold"]
            .iter()
            .any(|kind| moment.starts_with(kind));
        !speaks || moment.contains("when: settled") || moment.contains("without")
    };
    plan(
        &rows()
            .into_iter()
            .filter(|(_, moment)| waits(moment))
            .collect::<Vec<_>>(),
    )
});

type Inputs = Vec<(Told, Timestamp)>;

fn run(plan: &Arc<Plan>, told: &Inputs) -> (Engine, Vec<Effect>) {
    let mut engine = Engine::new(Arc::clone(plan));
    let mut effects = Vec::new();
    for input in told {
        tell(&mut engine, input, &mut effects);
    }
    (engine, effects)
}

fn changed(told: &Inputs, mut change: impl FnMut(usize, &mut Event)) -> Inputs {
    let mut told = told.clone();
    for (place, (told, _)) in told.iter_mut().enumerate() {
        if let Told::Event(event) = told {
            change(place, event);
        }
    }
    told
}

const VISITOR: &str = "visitor";

fn visits(event: &mut Event) {
    event.customer = VISITOR.into();
    event.known = false;
}

fn becomes(event: &mut Event) {
    event.formers.push(Former {
        id: VISITOR.into(),
        is_alias: false,
    });
}

/// The order of a customer's events is by offset, too: the same in both.
fn by_name(found: Vec<Found>, name: &str) -> Vec<Found> {
    let mut renamed: Vec<Found> = found
        .into_iter()
        .map(|(customer, trigger, at, occurrence)| {
            let customer = if customer == VISITOR {
                name.to_owned()
            } else {
                customer
            };
            (customer, trigger, at, occurrence)
        })
        .collect();
    renamed.sort();
    renamed
}

fn state(engine: &mut Engine, id: &str) -> Option<String> {
    let customer = customers(engine).remove(id)?;
    let known = facts(&customer);
    Some(format!(
        "{known:?} {:?} {:?}",
        customer.states, customer.profile.settled.contacts
    ))
}

/// Everything of `c0` up to a place is a visitor's; there she registers; after it some of it still comes from her device alone.
fn registers(told: &Inputs, at: usize) -> Option<(Inputs, Inputs)> {
    let hers = |event: &Event| event.customer == "c0";
    let mut told = told.clone();
    // Whoever is not known is not: her first event says by which name she is known in the renamed history, too.
    told = changed(&told, |_, event| event.known = true);
    let (told_at, _) = told.get(at)?;
    let Told::Event(event) = told_at else {
        return None;
    };
    if !hers(event) {
        return None;
    }
    let visited = changed(&told, |place, event| {
        if !hers(event) {
            return;
        }
        if place < at || place > at && event.position.offset % 3 == 0 {
            visits(event);
        } else if place == at || event.position.offset % 3 == 1 {
            becomes(event);
        }
    });
    Some((told, visited))
}

/// `c1` is `c0`'s visitor until a place, and from then on.
fn uses_both(told: &Inputs, at: usize) -> (Inputs, Inputs) {
    let renamed = changed(told, |_, event| {
        if event.customer == "c1" {
            event.customer = "c0".into();
        }
    });
    let is_hers = |event: &Event| event.customer == "c0";
    let mut united = false;
    let visited = changed(told, |place, event| {
        if event.customer == "c1" {
            visits(event);
        } else if is_hers(event) && place >= at && !united {
            becomes(event);
            united = true;
        }
    });
    (renamed, visited)
}

/// Where the watermark stood when they became one; none: they never did.
fn united_at(plan: &Arc<Plan>, told: &Inputs) -> Option<Timestamp> {
    let mut engine = Engine::new(Arc::clone(plan));
    for input in told {
        let mut effects = Vec::new();
        let before = engine.watermark();
        tell(&mut engine, input, &mut effects);
        if effects.contains(&Effect::United) {
            return Some(before);
        }
    }
    None
}

fn told(history: &[Happening], grid: Grid) -> Inputs {
    inputs(history, &arrivals(history, grid), grid)
}

/// The visitor's task is another than that of all customers.
fn task_of(id: &str, _: i32) -> i32 {
    i32::from(id == VISITOR)
}

/// The same in two tasks, of which one hears at once what the other tells.
fn run_apart(plan: &Arc<Plan>, told: &Inputs) -> (Engine, Vec<Effect>) {
    let engine = |own| {
        let neighbours = Neighbours {
            own,
            tasks: 2,
            of: task_of,
            talk: true,
        };
        Engine::new(Arc::clone(plan)).beside(Some(neighbours))
    };
    let mut engines = [engine(0), engine(1)];
    let mut all = Vec::new();
    for (told, now) in told {
        let mut inputs = match told {
            Told::Event(event) => {
                let task = task_of(&event.customer, 2);
                VecDeque::from([(task, Input::Event(event.clone()))])
            }
            Told::Watermark(to) => [0, 1].map(|task| (task, Input::Watermark(*to))).into(),
            Told::Everybody(_) => panic!("of customers alone"),
        };
        while let Some((task, input)) = inputs.pop_front() {
            let mut effects = Vec::new();
            engines[usize::from(task == 1)].step(input, *now, &mut effects);
            for effect in effects {
                let Effect::Transferred { to, transfer } = effect else {
                    all.push(effect);
                    continue;
                };
                let read = Transfer::unpack(&transfer.pack()).expect("just packed");
                assert_eq!(read, *transfer);
                inputs.push_back((to, Input::Transferred(transfer)));
            }
        }
        assert!(engines.iter().all(|engine| engine.held().is_none()));
    }
    let [customers, _] = engines;
    (customers, all)
}

proptest! {
    #![proptest_config(cases(768))]

    #[test]
    fn a_visitor_of_another_task_is_as_one_of_the_same(history in history(GRID, 40, 0..300), at in 0..60usize) {
        let told = told(&history, GRID);
        for visited in [registers(&told, at).map(|(_, visited)| visited), Some(uses_both(&told, at).1)].into_iter().flatten() {
            let (mut one, expected) = run(&ALL, &visited);
            let (mut apart, got) = run_apart(&ALL, &visited);
            prop_assert_eq!(found(&got), found(&expected));
            prop_assert_eq!(state(&mut apart, "c0"), state(&mut one, "c0"));
        }
    }

    #[test]
    fn a_visitor_who_registers_was_the_customer(history in history(GRID, 40, 0..300), at in 0..60usize) {
        let told = told(&history, GRID);
        if let Some((renamed, visited)) = registers(&told, at) {
            let (mut one, expected) = run(&ALL, &renamed);
            let (mut both, got) = run(&ALL, &visited);
            let got = by_name(found(&got), "c0");
            prop_assert_eq!(got, found(&expected));
            prop_assert_eq!(state(&mut both, "c0"), state(&mut one, "c0"));
            prop_assert_eq!(state(&mut both, VISITOR), None);
        }
    }

    #[test]
    fn what_is_not_settled_is_decided_as_of_one(history in history(PATIENT, 40, 0..100), at in 0..60usize) {
        let (renamed, visited) = uses_both(&told(&history, PATIENT), at);
        if united_at(&SETTLED, &visited).is_some() {
            let (mut one, expected) = run(&SETTLED, &renamed);
            let (mut both, got) = run(&SETTLED, &visited);
            prop_assert_eq!(found(&got), found(&expected));
            prop_assert_eq!(state(&mut both, "c0"), state(&mut one, "c0"));
        }
    }

    #[test]
    fn deadlines_ahead_are_hers(history in history(GRID, 40, 0..100), at in 0..60usize) {
        let (renamed, visited) = uses_both(&told(&history, GRID), at);
        if let Some(watermark) = united_at(&DEADLINES, &visited) {
            let ahead = |effects: &[Effect]| -> Vec<Found> {
                let ahead = found(effects).into_iter().filter(|(_, _, at, _)| *at > watermark.0);
                // Of two orders at one instant either is the last.
                let shown = |(customer, trigger, at, occurrence): Found| {
                    let is_tie = trigger == "lapsed";
                    (customer, trigger, at, if is_tie { String::new() } else { occurrence })
                };
                ahead.map(shown).collect()
            };
            let (mut one, expected) = run(&DEADLINES, &renamed);
            let (mut both, got) = run(&DEADLINES, &visited);
            prop_assert_eq!(ahead(&got), ahead(&expected));
            let orders = |engine: &mut Engine| {
                let profile = customers(engine).remove("c0").expect("she is known").profile;
                let orders = profile.settled.orders.clone();
                (orders.count, orders.value, orders.first, orders.last, orders.rhythm.clone(), orders.totals.clone())
            };
            prop_assert_eq!(orders(&mut both), orders(&mut one));
        }
    }

    #[test]
    fn nothing_is_decided_twice(history in history(GRID, 40, 0..100), at in 0..60usize) {
        let (_, visited) = uses_both(&told(&history, GRID), at);
        let (_, effects) = run(&ALL, &visited);
        let united = effects.iter().position(|effect| *effect == Effect::United);
        let (before, after) = effects.split_at(united.unwrap_or(effects.len()));
        let occurrence = |(_, trigger, _, occurrence): Found| (trigger, occurrence);
        let hers = |effects: &[Effect]| -> Vec<_> {
            let found = found(effects).into_iter();
            found.filter(|(customer, ..)| customer != "c2").map(occurrence).collect()
        };
        let decided: BTreeSet<_> = hers(before).into_iter().collect();
        let mut since = BTreeSet::new();
        for one in hers(after) {
            prop_assert!(!decided.contains(&one), "again: {:?}", one);
            prop_assert!(since.insert(one.clone()), "twice: {:?}", one);
        }
    }
}
