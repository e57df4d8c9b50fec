//! Seeds: whoever is told what history says stands as if the triggers had been there from the start, whenever they were taken up and
//! whatever has come of her since; told once more, nothing changes, and nothing is decided twice.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use proptest::prelude::*;

use moments::document::report::Source;
use moments::engine::{Customer, Effect, Engine, Input, Seeded, Transfer};
use moments::time::{DAY_MS, Timestamp};
use moments::trigger::plan::Plan;

use super::cases;
use super::driver::{Found, Told, customers, found, inputs, plan, plan_of, tell};
use super::history::{Grid, Happening, arrivals, history};
use super::restore::rows;

const GRID: Grid = Grid {
    step_ms: DAY_MS / 4,
    steps: 60,
    lateness: 8,
};

/// What else is declared: what it reads is as new as the triggers.
const MORE: &[&str] = &[
    "{ fact: spent, of: Order Completed, measure: { sum: event.total } }",
    "{ fact: lately, of: Product Added, measure: count, over: 3d, per: event.product_id }",
    "{ segment: buys, when: facts.spent > 2, held: 18h }",
    "{ segment: gone, when: \"now - profile.last_order > duration('48h')\" }",
    "trigger: enters\nmoment: { transition: { enters: buys } }\ntreatments: none",
    "trigger: stays\nmoment: { transition: { outstays: { segment: gone, for: 18h } } }\ntreatments: none",
    "{ model: keen, logistic: { intercept: -1, inputs: { spent: { of: facts.spent, weight: 1, unknown: 0 } } } }",
    "trigger: scored\nmoment: { prediction: { model: keen, crosses: { at_least: 0.5 }, evaluate: { on: Product Added, every: 2d } } }\ntreatments: none",
    "trigger: rich\nmoment: { sequence: { steps: [{ of: { name: Product Added, where: facts.spent > 1 } }, Product Viewed] } }\ntreatments: none",
];

fn compiled(backfill: bool) -> Arc<Plan> {
    let backfill = if backfill { "backfill: true\n" } else { "" };
    let row = |(name, moment): (String, String)| {
        let text = format!(
            "{backfill}trigger: {name}\nmoment: {{ {moment} }}\ntreatments: none\npolicy: {{ good_for: 1000d }}\n"
        );
        Source::new(&name, text)
    };
    let more = MORE.iter().map(|text| match text.starts_with('{') {
        true => Source::new("more", (*text).to_owned()),
        false => Source::new("more", format!("{backfill}{text}")),
    });
    let sources: Vec<Source> = rows().into_iter().map(row).chain(more).collect();
    Arc::new(plan_of(&sources))
}

static PLAN: LazyLock<Arc<Plan>> = LazyLock::new(|| compiled(false));
static BACKFILLED: LazyLock<Arc<Plan>> = LazyLock::new(|| compiled(true));
static BEFORE: LazyLock<Arc<Plan>> =
    LazyLock::new(|| plan(&[("other".to_owned(), "event: Signed Up".to_owned())]));

/// A run of whoever sends seeds.
const RUN: (u64, Timestamp) = (7, Timestamp(1));

/// Somebody with the history, somebody who works by the triggers from the start, and somebody who takes them up at `adopts`.
struct Three {
    history: Engine,
    always: Engine,
    live: Engine,
    /// What was decided by the last two.
    effects: (Vec<Effect>, Vec<Effect>),
}

impl Three {
    fn new(plan: &Arc<Plan>) -> Self {
        Self {
            history: Engine::new(Arc::clone(plan)).gathering(),
            always: Engine::new(Arc::clone(plan)),
            live: Engine::new(Arc::clone(&BEFORE)),
            effects: Default::default(),
        }
    }

    fn tell(&mut self, input: &(Told, Timestamp)) {
        tell(&mut self.history, input, &mut Vec::new());
        tell(&mut self.always, input, &mut self.effects.0);
        tell(&mut self.live, input, &mut self.effects.1);
    }

    fn adopt(&mut self, plan: &Arc<Plan>, now: Timestamp) {
        self.live.seal();
        self.live.committed();
        let effects = &mut self.effects.1;
        assert!(self.live.adopt(plan, 0, now, effects).done);
    }

    /// Tells everybody what history says of her, as often as it takes; what became of all the seeds.
    fn seed(&mut self, plan: &Plan, now: Timestamp) -> Vec<Seeded> {
        let keys: Vec<u32> = plan.triggers.iter().map(|it| it.key).collect();
        let mut all = Vec::new();
        for id in self.history.ids() {
            let mut until = None;
            for _ in 0..3 {
                let seed = self.history.seed(&id, &keys, until, RUN);
                let seed = seed.expect("live is as far as history");
                let seed = Transfer::unpack(&seed.pack()).expect("just packed");
                let first = self.effects.1.len();
                let input = Input::Transferred(Box::new(seed));
                self.live.step(input, now, &mut self.effects.1);
                let said = self.effects.1.drain(first..).collect::<Vec<_>>();
                let answers = said.iter().filter_map(|it| match it {
                    Effect::Transferred { transfer, .. } => transfer.answer().cloned(),
                    _ => None,
                });
                let answers: Vec<_> = answers.collect();
                let [answer] = &answers[..] else {
                    panic!("{answers:?}");
                };
                assert_eq!((&answer.customer, answer.run), (&id, RUN.0));
                assert!(said.contains(&Effect::Seeded(answer.seeded)));
                self.effects.1.extend(said);
                all.push(answer.seeded);
                let Seeded::Ahead(last) = answer.seeded else {
                    assert_eq!(answer.seeded, Seeded::Taken);
                    break;
                };
                // Of her nothing has settled so far.
                if last == Timestamp::MIN {
                    break;
                }
                until = Some(last);
            }
        }
        all
    }
}

/// What triggers, facts and segments know of each of whom something has settled.
fn known(engine: &mut Engine) -> BTreeMap<String, String> {
    let shown = |it: &Customer| {
        let settled = &it.profile.settled;
        format!(
            "{:?} {:?} {:?}",
            it.states, settled.derived, settled.segments
        )
    };
    let all = customers(engine).into_iter();
    let all = all.filter(|(_, it)| it.profile.settled.presence.last_seen.is_some());
    all.map(|(id, it)| (id, shown(&it))).collect()
}

/// The moments of triggers that wait until all is known.
fn of_settled(effects: &[Effect]) -> Vec<Found> {
    let at_once = ["first", "back", "eager", "bought", "each", "rich"];
    let mut all = found(effects);
    all.retain(|it| !at_once.contains(&it.1.as_str()));
    all
}

/// Where of a history the triggers are taken up, and where the seeds come, in hundredths.
fn run(history: &[Happening], (adopts, seeds): (usize, usize)) -> Result<(), TestCaseError> {
    let told = inputs(history, &arrivals(history, GRID), GRID);
    let place = |hundredths: usize| hundredths * told.len() / 100;
    let mut three = Three::new(&PLAN);
    for (n, input) in told.iter().enumerate() {
        if n == place(adopts) {
            three.adopt(&PLAN, input.1);
        }
        if n == place(seeds) {
            let before = three.effects.1.len();
            three.seed(&PLAN, input.1);
            prop_assert_eq!(found(&three.effects.1[before..]), []);
            let once = known(&mut three.live);
            prop_assert_eq!(&once, &known(&mut three.always));
            three.seed(&PLAN, input.1);
            prop_assert_eq!(once, known(&mut three.live), "once more");
            three.effects = Default::default();
        }
        three.tell(input);
    }
    let (always, live) = &three.effects;
    prop_assert_eq!(of_settled(live), of_settled(always));
    prop_assert_eq!(known(&mut three.live), known(&mut three.always));
    Ok(())
}

fn places() -> impl Strategy<Value = (usize, usize)> {
    (0..100usize, 0..100usize).prop_map(|(a, b)| (a.min(b), a.max(b)))
}

proptest! {
    #![proptest_config(cases(160))]

    #[test]
    fn who_is_seeded_stands_as_if_the_triggers_had_always_been_there(history in history(GRID, 40, 0..100), places in places()) {
        run(&history, places)?;
    }

    #[test]
    fn what_is_filled_in_is_decided_once(history in history(GRID, 40, 0..100), (adopts, seeds) in places()) {
        let told = inputs(&history, &arrivals(&history, GRID), GRID);
        let mut three = Three::new(&BACKFILLED);
        for (n, input) in told.iter().enumerate() {
            if n == adopts * told.len() / 100 {
                three.adopt(&BACKFILLED, input.1);
            }
            if n >= seeds * told.len() / 100 {
                three.seed(&BACKFILLED, input.1);
            }
            three.tell(input);
        }
        let all = found(&three.effects.1);
        let once: BTreeSet<&Found> = all.iter().collect();
        prop_assert_eq!(once.len(), all.len(), "{:?}", all);
    }
}
