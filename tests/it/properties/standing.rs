//! Labels, personas, stages and milestones: every change of them is what looking at every instant of a sorted history says, by events
//! and by time alone, whatever the order of arrival.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use proptest::prelude::*;

use moments::document::report::{Source, rendered};
use moments::event::Vocabulary;
use moments::time::Timestamp;
use moments::trigger::plan::{Plan, Policy};
use moments::trigger::set::{self, Basis};

use super::cases;
use super::driver::{Found, held_to};
use super::history::history;
use super::segments::{GRID, STEP, instants, last, lately, orders, spent};
use crate::reference::RefEvent;

const FILES: &[&str] = &[
    "{ fact: lately, of: Order Completed, measure: count, over: 36h }",
    "{ fact: views, of: Product Viewed, measure: count }",
    "segment: busy\nwhen: facts.lately >= 2",
    "labels: rfm\nrecency: { recent: 12h, medium: 30h }\nfrequency: { regular: 2, often: 4 }\nmonetary: { average: 4, spender: 9.5 }",
    "personas: style\nof:
  - { persona: fresh, when: 'profile.rfm.recency == \"recent\" && profile.rfm.monetary != \"saver\"' }
  - { persona: keen, when: 'profile.rfm.frequency == \"often\" || \"busy\" in profile.segments' }
  - { persona: old, when: 'profile.rfm.recency == \"long\"' }",
    "path: brand\nmilestones:
  - { milestone: looked, reached: facts.views > 0, next: { within: 24h, segments: { busy: 12h } } }
  - { milestone: bought, reached: [profile.orders.count > 0, facts.views >= 4], next: 18h }
  - { milestone: again, reached: 'profile.orders.count > 1 && has(profile.milestones.looked)' }
stages:
  - { stage: here, reached: has(profile.last_seen) }
  - { stage: buyer, reached: has(profile.milestones.bought) }
  - { stage: gone, reached: 'profile.rfm.recency == \"long\"' }",
];

/// Of which labels each value is watched.
const LABELS: &[(&str, &[&str])] = &[
    ("rfm.recency", &["recent", "medium", "long"]),
    ("rfm.frequency", &["casual", "regular", "often"]),
    ("rfm.monetary", &["saver", "average", "spender"]),
    ("personas.style", &["fresh", "keen", "old"]),
    ("stage", &["here", "buyer", "gone"]),
];

static PLAN: LazyLock<Arc<Plan>> = LazyLock::new(|| {
    let mut texts: Vec<String> = FILES.iter().map(|text| (*text).to_owned()).collect();
    let mut watch = |name: String, change: String| {
        texts.push(format!(
            "trigger: {name}\nmoment: {{ transition: {{ {change} }} }}\ntreatments: none\npolicy: {{ good_for: 1000d }}\n"
        ));
    };
    for (label, values) in LABELS {
        for value in *values {
            let name = format!("{}-{value}", label.replace('.', "-"));
            watch(
                format!("enters-{name}"),
                format!("label: {label}, enters: {value}"),
            );
            watch(
                format!("leaves-{name}"),
                format!("label: {label}, leaves: {value}"),
            );
        }
    }
    watch(
        "changes".to_owned(),
        "changes: [rfm.recency, rfm.monetary, stage]".to_owned(),
    );
    for milestone in ["looked", "bought", "again"] {
        watch(
            format!("reached-{milestone}"),
            format!("reached: {milestone}"),
        );
    }
    for milestone in ["bought", "again"] {
        watch(
            format!("overdue-{milestone}"),
            format!("overdue: {milestone}"),
        );
    }
    let sources: Vec<_> = texts
        .into_iter()
        .map(|text| Source::new("file", text))
        .collect();
    let basis = Basis {
        vocabulary: Arc::new(Vocabulary::standard()),
        attributes: BTreeMap::new(),
        policy: Policy::default(),
        mappings: Arc::default(),
    };
    let plan = set::compile(&sources, &basis);
    Arc::new(plan.unwrap_or_else(|reports| panic!("{}", rendered(&reports))))
});

/// What she is by each label at an instant, by what had happened by then and the milestones that she had reached.
fn labels(
    events: &[&RefEvent],
    now: i64,
    reached: &BTreeMap<&str, i64>,
) -> BTreeMap<&'static str, &'static str> {
    let age = last(events).map(|last| (now - last) / STEP);
    let recency = age.map(|age| match age {
        ..2 => "recent",
        2..5 => "medium",
        _ => "long",
    });
    let count = orders(events).count();
    let frequency = match count {
        0 => None,
        1 => Some("casual"),
        2 | 3 => Some("regular"),
        _ => Some("often"),
    };
    let monetary = frequency.map(|_| match spent(events) {
        spent if spent < 4.0 => "saver",
        spent if spent < 9.5 => "average",
        _ => "spender",
    });
    let busy = lately(events, now, 6) >= 2;
    let style = match () {
        () if recency == Some("recent") && monetary != Some("saver") => Some("fresh"),
        () if frequency == Some("often") || busy => Some("keen"),
        () => recency.filter(|it| *it == "long").map(|_| "old"),
    };
    let stage = match () {
        () if recency == Some("long") => "gone",
        () if reached.contains_key("bought") => "buyer",
        () => "here",
    };
    let all = [
        ("rfm.recency", recency),
        ("rfm.frequency", frequency),
        ("rfm.monetary", monetary),
        ("personas.style", style),
        ("stage", Some(stage)),
    ];
    all.into_iter()
        .filter_map(|(label, value)| Some((label, value?)))
        .collect()
}

/// Who has not reached it in time.
fn overdue(events: &[&RefEvent], now: i64, reached: &BTreeMap<&str, i64>) -> Vec<&'static str> {
    let busy = lately(events, now, 6) >= 2;
    let late = |milestone: &str, steps: i64| {
        reached
            .get(milestone)
            .is_some_and(|at| now - at >= steps * STEP)
    };
    let is = |milestone: &str| reached.contains_key(milestone);
    let bought = late("looked", if busy { 2 } else { 4 }) && !is("bought") && !is("again");
    let again = late("bought", 3) && !is("again");
    let all = [(bought, "bought"), (again, "again")];
    all.into_iter().filter(|it| it.0).map(|it| it.1).collect()
}

/// What comes true of a customer's sorted history up to an instant.
fn expected(customer: &str, events: &[RefEvent], until: i64) -> Vec<Found> {
    let mut expected = Vec::new();
    let mut came = |trigger: String, at: i64, what: &str| {
        let occurrence = format!("{what}@{}", Timestamp(at));
        expected.push((customer.to_owned(), trigger, at, occurrence));
    };
    let mut reached: BTreeMap<&str, i64> = BTreeMap::new();
    let (mut was, mut was_overdue) = (BTreeMap::new(), Vec::new());
    for at in instants(events[0].time_ms, until).filter(|at| *at <= until) {
        let known: Vec<&RefEvent> = events.iter().take_while(|e| e.time_ms <= at).collect();
        let views = known.iter().filter(|e| e.name == "Product Viewed").count();
        let count = orders(&known).count();
        for (milestone, is_reached) in [("looked", views > 0), ("bought", count > 0 || views >= 4)]
        {
            if is_reached && !reached.contains_key(milestone) {
                reached.insert(milestone, at);
                came(
                    format!("reached-{milestone}"),
                    at,
                    &format!("milestones.{milestone}"),
                );
            }
        }
        if count > 1 && reached.contains_key("looked") && !reached.contains_key("again") {
            reached.insert("again", at);
            came("reached-again".to_owned(), at, "milestones.again");
        }
        let is = labels(&known, at, &reached);
        for (label, _) in LABELS {
            let (before, now) = (was.get(label), is.get(label));
            if before == now {
                continue;
            }
            for (word, value) in [("leaves", before), ("enters", now)] {
                if let Some(value) = value {
                    let name = label.replace('.', "-");
                    came(
                        format!("{word}-{name}-{value}"),
                        at,
                        &format!("{label}.{value}"),
                    );
                }
            }
        }
        let watched = ["rfm.recency", "rfm.monetary", "stage"];
        if watched.iter().any(|label| was.get(label) != is.get(label)) {
            came("changes".to_owned(), at, &watched.join("+"));
        }
        was = is;
        let is_overdue = overdue(&known, at, &reached);
        for milestone in is_overdue.iter().filter(|it| !was_overdue.contains(*it)) {
            came(
                format!("overdue-{milestone}"),
                at,
                &format!("overdue.{milestone}"),
            );
        }
        was_overdue = is_overdue;
    }
    expected.sort();
    expected
}

proptest! {
    #![proptest_config(cases(384))]

    #[test]
    fn where_she_stands_is_what_looking_at_every_instant_says(history in history(GRID, 30, 0..100)) {
        held_to(&PLAN, (&history, GRID), expected, |_| true)?;
    }
}
