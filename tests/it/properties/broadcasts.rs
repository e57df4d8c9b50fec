//! Broadcasts: each customer who is known and in the audience by a scan of what has come, whatever the order of arrival.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use proptest::collection::vec;
use proptest::prelude::*;

use moments::document::report::Source;
use moments::engine::{Effect, Engine};
use moments::event::{Event, EventName, Vocabulary};
use moments::time::{DAY_MS, Timestamp};
use moments::trigger::plan::{Plan, Policy};
use moments::trigger::set::{self, Basis};

use super::cases;
use super::driver::{Found, Told, found, inputs, tell};
use super::history::{BASE, Grid, arrivals, event, history};

const GRID: Grid = Grid {
    step_ms: DAY_MS / 4,
    steps: 60,
    lateness: 20,
};
/// The topic's index, between those of the history's.
const TOPIC: u8 = 2;

static PLAN: LazyLock<Arc<Plan>> = LazyLock::new(|| {
    let rows = [
        ("all", "Spot Aired", ""),
        (
            "buyers",
            "Spot Aired",
            "audience: profile.orders.count > 0\n",
        ),
        (
            "others",
            "{ name: Spot Aired, where: previous.orders.count == 0 }",
            "",
        ),
        ("elsewhere", "Price Dropped", ""),
    ];
    let source = |(name, of, audience): (&str, &str, &str)| {
        let text = format!(
            "trigger: {name}\nmoment: {{ broadcast: {of} }}\n{audience}treatments: [{{ channel: onsite, template: t }}]\n"
        );
        Source::new(name, text)
    };
    let basis = Basis {
        vocabulary: Arc::new(Vocabulary::standard()),
        attributes: BTreeMap::new(),
        policy: Policy::for_everybody(),
        mappings: Arc::default(),
    };
    Arc::new(set::compile(&rows.map(source), &basis).expect("triggers that can be read"))
});

/// At which step, after how many of the inputs it comes (in hundredths), and whether it is told again.
type Spot = (i64, usize, bool);

fn spot(number: usize, step: i64) -> Event {
    let at = (Timestamp(BASE + step * GRID.step_ms), TOPIC, number);
    Event {
        known: false,
        ..event("", EventName::SPOT_AIRED, format!("spot-{number}"), at)
    }
}

/// The inputs with the spots among them.
fn with_spots(mut told: Vec<(Told, Timestamp)>, spots: &[Spot]) -> Vec<(Told, Timestamp)> {
    for (number, (step, after, again)) in spots.iter().enumerate() {
        let event = Box::new(spot(number, *step));
        let at = told.len() * after / 100;
        let now = at
            .checked_sub(1)
            .map_or(Timestamp::MIN, |before| told[before].1);
        for _ in 0..=usize::from(*again) {
            told.insert(at, (Told::Everybody(event.clone()), now));
        }
    }
    told
}

/// Which moments, and how many were outside of the audience of `buyers`.
fn expected(told: &[(Told, Timestamp)]) -> (Vec<Found>, u64) {
    let (mut arrived, mut watermark): (Vec<Event>, _) = (Vec::new(), Timestamp::MIN);
    let (mut known_spots, mut moments, mut outside) = (Vec::new(), Vec::new(), 0);
    for (told, _) in told {
        match told {
            Told::Event(event) => {
                if !arrived.iter().any(|known| known.id == event.id) {
                    arrived.push((**event).clone());
                }
            }
            Told::Watermark(to) => watermark = watermark.max(*to),
            Told::Everybody(spot) => {
                if known_spots.contains(&spot.id) {
                    continue;
                }
                known_spots.push(spot.id.clone());
                let seen = |event: &&Event| event.order() < spot.order() || event.time <= watermark;
                let mut bought: BTreeMap<String, bool> = BTreeMap::new();
                for event in arrived.iter().filter(seen) {
                    *bought.entry(event.customer.to_string()).or_default() |=
                        event.name == EventName::ORDER_COMPLETED;
                }
                for (customer, bought) in bought {
                    let second = if bought { "buyers" } else { "others" };
                    outside += u64::from(!bought);
                    for trigger in ["all", second] {
                        let id = spot.id.to_string();
                        moments.push((customer.clone(), trigger.to_owned(), spot.time.0, id));
                    }
                }
            }
        }
    }
    moments.sort();
    (moments, outside)
}

proptest! {
    #![proptest_config(cases(1024))]

    #[test]
    fn whoever_is_known_and_meant_is_told(
        history in history(GRID, 40, 0..100),
        spots in vec((0..GRID.steps, 0..=100_usize, any::<bool>()), 1..5),
    ) {
        let told = inputs(&history, &arrivals(&history, GRID), GRID);
        let told = with_spots(told, &spots);
        let (expected, expected_outside) = expected(&told);
        for slice in [1, 2, 4_096] {
            let mut engine = Engine::new(Arc::clone(&PLAN)).in_slices_of(slice);
            let mut effects = Vec::new();
            for (number, input) in told.iter().enumerate() {
                tell(&mut engine, input, &mut effects);
                if number % 3 == 0 {
                    engine.seal();
                    engine.committed();
                }
            }
            prop_assert_eq!(found(&effects), expected.clone());
            let outside = effects.iter().map(|effect| match effect {
                Effect::OutsideAudience { trigger, customers } => {
                    assert_eq!(trigger, "buyers");
                    *customers
                }
                _ => 0,
            });
            prop_assert_eq!(outside.sum::<u64>(), expected_outside);
        }
    }
}
