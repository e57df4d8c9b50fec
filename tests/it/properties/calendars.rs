//! Calendars: the moments of the naive reference, whatever the order of arrival, while customers move and say other birthdays.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use jiff::civil::{Weekday, date};
use proptest::collection::vec;
use proptest::prelude::*;

use moments::document::report::Source;
use moments::engine::{Effect, Engine};
use moments::event::{Event, EventName, Position, Property, Traits, Type, Vocabulary};
use moments::time::{DAY_MS, Timestamp};
use moments::trigger::plan::{Plan, Policy};
use moments::trigger::set::{self, Basis};

use super::cases;
use super::driver::{Found, Told, found, tell};
use crate::reference::calendar::{Calendar, Days, Said, moments as expected_of};

/// Half an hour.
const STEP_MS: i64 = DAY_MS / 48;
/// The days around the changes of clocks, and a leap day.
const BASES: [&str; 4] = [
    "2026-03-27T00:00:00Z",
    "2026-10-23T00:00:00Z",
    "2028-02-27T00:00:00Z",
    "2026-12-30T00:00:00Z",
];
const STEPS: i64 = 48 * 7;
const LATENESS: i64 = 30;

const ZONES: [&str; 4] = [
    "Europe/Madrid",
    "America/New_York",
    "Asia/Tokyo",
    "Australia/Sydney",
];
const BIRTHDAYS: [&str; 8] = [
    "1990-03-29T00:00:00Z",
    "1990-03-28T23:00:00Z",
    "1988-02-29T00:00:00Z",
    "1990-10-25T00:00:00Z",
    "2026-03-30T00:00:00Z",
    "2026-10-24T10:00:00Z",
    "1999-12-31T00:00:00Z",
    "1999-01-01T12:00:00Z",
];

type Row = (&'static str, Calendar, &'static str);

#[rustfmt::skip]
const ROWS: [Row; 13] = [
    ("birthday", row(Days::Own, 0, 0), "date: profile.attributes.birthday"),
    ("before", row(Days::Own, -1, 150), "date: profile.attributes.birthday, offset: -1d, at: '02:30'"),
    ("gap", row(Days::MonthDay(3, 29), 0, 150), "date: 03-29, at: '02:30'"),
    ("twice", row(Days::MonthDay(10, 25), 0, 150), "date: 10-25, at: '02:30'"),
    ("leap", row(Days::MonthDay(2, 29), 1, 540), "date: 02-29, offset: 1d, at: '09:00'"),
    ("sunday", row(Days::Nth(-1, Weekday::Sunday, 3), 0, 60), "date: { nth: -1, weekday: sunday, month: march }, at: '01:00'"),
    ("friday", row(Days::Nth(1, Weekday::Friday, 0), -1, 0), "date: { nth: 1, weekday: friday }, offset: -1d"),
    ("month", row(Days::OfMonth(31), 0, 720), "date: { every: month, day: 31 }, at: '12:00'"),
    ("working", row(Days::Working(-1), 0, 540), "date: { nth: -1, weekday: working-day }, at: '09:00'"),
    ("week", row(Days::Weeks(1, Weekday::Sunday, date(2026, 1, 5)), 0, 150), "date: { every: week, weekday: sunday }, at: '02:30'"),
    ("fortnight", row(Days::Weeks(2, Weekday::Monday, date(2026, 3, 23)), -1, 60), "date: { every: week, nth: 2, weekday: monday, from: 2026-03-25 }, offset: -1d, at: '01:00'"),
    ("once", row(Days::Once(date(2026, 3, 30)), 0, 0), "date: 2026-03-30"),
    ("quarter", row(Days::OfQuarter(1), -2, 120), "date: { every: quarter, day: 1 }, offset: -2d, at: '02:00'"),
];

const fn row(days: Days, offset: i64, at: i64) -> Calendar {
    Calendar { days, offset, at }
}

static PLAN: LazyLock<Arc<Plan>> = LazyLock::new(|| {
    let source = |(name, _, text): &Row| {
        let text = format!(
            "trigger: {name}\nmoment: {{ calendar: {{ {text} }} }}\ntreatments: [{{ channel: onsite, template: t }}]\n"
        );
        Source::new(name, text)
    };
    let sources: Vec<_> = ROWS.iter().map(source).collect();
    let basis = Basis {
        vocabulary: Arc::new(Vocabulary::standard()),
        attributes: BTreeMap::from([("birthday".to_owned(), Type::Time)]),
        policy: Policy::for_everybody(),
        mappings: Arc::default(),
    };
    Arc::new(set::compile(&sources, &basis).expect("triggers that can be read"))
});

/// What a customer does: at which step, what she says, how much later it comes (in steps), and whether time moves after it.
type Done = (u8, i64, Option<usize>, Option<usize>, i64, bool);

fn done() -> impl Strategy<Value = Done> {
    (
        0..2u8,
        0..STEPS,
        prop::option::of(0..ZONES.len()),
        prop::option::of(0..BIRTHDAYS.len()),
        prop_oneof![Just(0), 0..LATENESS],
        any::<bool>(),
    )
}

fn ms(text: &str) -> i64 {
    Timestamp::parse(text).expect("an instant").0
}

fn event(place: usize, base: i64, (customer, step, zone, own, ..): &Done) -> Event {
    let traits = Traits {
        timezone: zone.map(|zone| ZONES[zone].into()),
        attributes: own
            .map(|own| {
                (
                    "birthday".into(),
                    Property::Time(Timestamp(ms(BIRTHDAYS[own]))),
                )
            })
            .into_iter()
            .collect(),
        ..Traits::default()
    };
    let says = zone.is_some() || own.is_some();
    Event {
        customer: compact_str::format_compact!("c{customer}"),
        time: Timestamp(base + step * STEP_MS),
        position: Position {
            topic: 0,
            offset: i64::try_from(place).expect("small"),
        },
        id: compact_str::format_compact!("e{place}"),
        has_message_id: true,
        name: if says {
            EventName::IDENTIFY
        } else {
            // One that nobody declared.
            EventName::OTHER
        },
        known: true,
        properties: Default::default(),
        products: Vec::new(),
        traits: says.then(|| Box::new(traits)),
        touchpoint: None,
        traceparent: None,
        formers: Vec::new(),
    }
}

fn check(base: i64, history: &[Done]) -> Result<(), TestCaseError> {
    let end = base + (STEPS + 2 * LATENESS) * STEP_MS;
    let mut expected: Vec<Found> = Vec::new();
    for customer in 0..2u8 {
        let mut hers: Vec<Event> = (0..)
            .zip(history)
            .filter(|(_, done)| done.0 == customer)
            .map(|(place, done)| event(place, base, done))
            .collect();
        hers.sort_by_key(Event::order);
        let said = |event: &Event| {
            let traits = event.traits.as_ref();
            let own = traits.and_then(|it| it.attributes.first());
            Said {
                time_ms: event.time.0,
                zone: traits.and_then(|it| it.timezone.as_ref().map(ToString::to_string)),
                own: own.and_then(|(_, value)| match value {
                    Property::Time(time) => Some(time.0),
                    _ => None,
                }),
            }
        };
        let said: Vec<Said> = hers.iter().map(said).collect();
        for (name, calendar, _) in &ROWS {
            for (at, date) in expected_of(calendar, &said, end) {
                expected.push((format!("c{customer}"), (*name).to_owned(), at, date));
            }
        }
    }
    expected.sort();
    let mut places: Vec<usize> = (0..history.len()).collect();
    places.sort_by_key(|place| history[*place].1 + history[*place].4);
    let mut engine = Engine::new(Arc::clone(&PLAN));
    let (mut effects, mut seen) = (Vec::new(), Timestamp::MIN);
    for place in places {
        let event = event(place, base, &history[place]);
        seen = seen.max(event.time);
        tell(
            &mut engine,
            &(Told::Event(Box::new(event)), seen),
            &mut effects,
        );
        if history[place].5 {
            let watermark = seen.plus(-LATENESS * STEP_MS - 1);
            tell(
                &mut engine,
                &(Told::Watermark(watermark), seen),
                &mut effects,
            );
        }
    }
    let end = Timestamp(end);
    tell(&mut engine, &(Told::Watermark(end), end), &mut effects);
    let late = effects.iter().any(|it| matches!(it, Effect::Late { .. }));
    prop_assert!(!late, "nothing arrives later than the lateness");
    prop_assert_eq!(found(&effects), expected);
    Ok(())
}

proptest! {
    #![proptest_config(cases(512))]

    #[test]
    fn calendars_are_the_references(base in 0..BASES.len(), history in vec(done(), 1..12)) {
        check(ms(BASES[base]), &history)?;
    }
}
