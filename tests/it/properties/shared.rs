//! Customers shared out among threads: whatever their number, a rehearsal decides the same in the same order, counts the same and leaves
//! everybody as she would be.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::{Arc, LazyLock};

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};

use moments::decode::Decoder;
use moments::document::report::{Source as File, rendered};
use moments::engine::{Customer, Engine};
use moments::event::Vocabulary;
use moments::registry;
use moments::rehearsal::{self, Observer, RehearsalSettings, Source, Taken};
use moments::task::watermark::{ClockMode, TopicSettings};
use moments::time::{DAY_MS, Timestamp};
use moments::treatment::Decision;
use moments::trigger::plan::{Plan, Policy};
use moments::trigger::set::{self, Basis};

use super::cases;
use super::history::BASE;
use super::restore::rows;

const STEP_MS: i64 = DAY_MS / 4;
const LATENESS_MS: i64 = DAY_MS;

/// Beside a trigger of every kind: what happened to everybody, a journey, and what is measured.
const MORE: &[&str] = &[
    "trigger: spot\nmoment: { broadcast: Spot Aired }\naudience: profile.orders.count > 0\ntreatments: [{ channel: onsite, template: spot }]\n",
    "trigger: walk\nmoment: { event: Product Added }\ngoal: { event: Order Completed, within: 2d }\n\
     journey: { until: profile.orders.count >= 3, re_enter: after 1d, steps: [{ name: a, send: { channel: onsite, template: a } }, \
     { wait: 18h }, { name: b, send: { channel: onsite, template: b } }] }\n",
    "trigger: thanks\nmoment: { event: Order Completed }\ngoal: { event: Product Added, within: 3d }\n\
     treatments: [{ channel: email, template: thanks }]\npolicy: { hold_out: 30%, cap: 1 in 4d, quiet_hours: hold }\n",
];

/// Where send rates bind customers together, they are not shared out.
const RATES: &str = "trigger: rare\nmoment: { event: Cart Viewed }\ntreatments: [{ channel: print, template: t }]\n";

fn policy(more: &str) -> Policy {
    let policy = format!(
        "consent_by_default = ['email', 'print']\nhold_out = '0%'\nquiet_hours = {{ email = '20:00-08:00' }}\n{more}"
    );
    Policy {
        expire_after_ms: Some(6 * DAY_MS),
        erasure_memory_ms: 4 * DAY_MS,
        ..toml::from_str(&policy).expect("a policy")
    }
}

fn compiled(more: &[&str], policy: Policy) -> Arc<Plan> {
    let row = |(name, moment): (String, String)| {
        let text = format!(
            "trigger: {name}\nmoment: {{ {moment} }}\ntreatments: [{{ channel: onsite, template: t }}]\npolicy: {{ good_for: 1000d, cap: 2 in 10d }}\n"
        );
        File::new(&name, text)
    };
    let rows = rows().into_iter().map(row);
    let more = more
        .iter()
        .map(|text| File::new("more", (*text).to_owned()));
    let files: Vec<_> = rows.chain(more).collect();
    let basis = Basis {
        vocabulary: Arc::new(Vocabulary::standard()),
        attributes: BTreeMap::new(),
        policy,
        mappings: Arc::default(),
    };
    let plan = set::compile(&files, &basis);
    Arc::new(plan.unwrap_or_else(|reports| panic!("{}", rendered(&reports))))
}

static PLAN: LazyLock<Arc<Plan>> = LazyLock::new(|| compiled(MORE, policy("")));

static RATED: LazyLock<Arc<Plan>> = LazyLock::new(|| {
    let policy = policy("send_rates = { print = '1 in 12h' }");
    compiled(&[MORE, &[RATES]].concat(), policy)
});

/// One thing that happens: who, what, when, which product, and by how much it comes late, in hundredths of the lateness.
type Happening = ((u8, u8), u8, i64, u8, i64);

fn happenings() -> impl Strategy<Value = Vec<Happening>> {
    let delay = prop_oneof![Just(0), 0..180i64];
    let one = ((0..6u8, 0..5u8), 0..12u8, 0..60i64, 0..4u8, delay);
    vec(one, 1..60)
}

/// What is written of it; none: it is of everybody.
fn line(number: usize, ((customer, device), what, step, key, _): &Happening) -> (bool, Value) {
    let time = Timestamp(BASE + step * STEP_MS);
    let mut line = json!({"messageId": format!("m{number}"), "timestamp": time.to_string()});
    // Some are visitors, some customers on a device, and some are renamed.
    let (user, visitor) = (format!("c{customer}"), format!("d{device}"));
    match (device, customer) {
        (0 | 1, _) => line["userId"] = user.into(),
        (2, _) => {
            line["userId"] = user.into();
            line["anonymousId"] = visitor.into();
        }
        (_, 0..3) => line["anonymousId"] = visitor.into(),
        _ => {
            line["userId"] = user.into();
            line["anonymousId"] = visitor.into();
        }
    }
    let product = json!({"product_id": format!("p{key}"), "cart_id": format!("k{key}")});
    let (event, properties) = match what {
        0..3 => ("Product Viewed", product),
        3..6 => ("Product Added", product),
        6 => ("Cart Viewed", product),
        7 | 8 => (
            "Order Completed",
            json!({"order_id": format!("o{number}"), "total": f64::from(*key) + 0.5, "currency": "EUR"}),
        ),
        9 => ("Customer Erased", json!({})),
        10 => {
            line["type"] = "alias".into();
            line["previousId"] = format!("c{}", key % 6).into();
            line["userId"] = format!("c{customer}").into();
            return (false, line);
        }
        _ => {
            let spot = json!({"messageId": format!("s{key}"), "timestamp": time.to_string(), "event": "Spot Aired"});
            return (true, spot);
        }
    };
    line["event"] = event.into();
    line["properties"] = properties;
    (false, line)
}

struct Lines(VecDeque<Vec<u8>>);

impl Source for Lines {
    fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        Ok(self.0.pop_front())
    }
}

/// Two topics of customers' and one of everybody's, each in its order of arrival.
fn sources(happenings: &[Happening]) -> Vec<(Taken, Lines)> {
    let mut arrivals: Vec<(i64, usize)> = (0..)
        .zip(happenings)
        .map(|(number, (_, _, step, _, delay))| {
            (step * STEP_MS + delay * LATENESS_MS / 100, number)
        })
        .collect();
    arrivals.sort_unstable();
    let mut topics = [const { VecDeque::new() }; 3];
    for (_, number) in arrivals {
        let happening = &happenings[number];
        let (of_everybody, line) = line(number, happening);
        let topic = match of_everybody {
            true => 1,
            false => usize::from(happening.1 % 2) * 2,
        };
        let line = match number % 17 {
            16 => b"{".to_vec(),
            _ => line.to_string().into_bytes(),
        };
        topics[topic].push_back(line);
    }
    taken(topics)
}

fn taken(lines: [VecDeque<Vec<u8>>; 3]) -> Vec<(Taken, Lines)> {
    let names = [("cart", true), ("everybody", false), ("purchase", true)];
    let taken = |((name, drives), lines): ((&str, bool), _)| {
        let settings = TopicSettings {
            name: name.to_owned(),
            lateness_ms: LATENESS_MS,
            drives,
        };
        let everybody = !drives;
        (
            Taken {
                settings,
                everybody,
            },
            Lines(lines),
        )
    };
    names.into_iter().zip(lines).map(taken).collect()
}

/// All that can be seen of a rehearsal.
#[derive(Debug, Default, PartialEq)]
struct Seen {
    decisions: Vec<String>,
    summary: Value,
    figures: String,
    customers: BTreeMap<String, Customer>,
    now: Option<Timestamp>,
    until: Option<Timestamp>,
}

impl Observer for Seen {
    fn decided(&mut self, decision: &Decision) -> io::Result<()> {
        let json = String::from_utf8(decision.to_json());
        self.decisions.push(json.map_err(io::Error::other)?);
        Ok(())
    }

    fn until(&self) -> Option<Timestamp> {
        self.until
    }

    fn ends(&mut self, engine: &Engine, now: Timestamp) {
        let customers = engine.customers();
        let by_id = customers.map(|it| (it.profile.settled.id.to_string(), it));
        self.customers.extend(by_id);
        self.now = self.now.max(Some(now));
    }
}

/// Rehearsed by so many threads.
fn rehearsed(
    plan: &Arc<Plan>,
    sources: Vec<(Taken, Lines)>,
    (threads, clock, until): (usize, ClockMode, Option<Timestamp>),
) -> Seen {
    let vocabulary = Arc::clone(&plan.vocabulary);
    let settings = RehearsalSettings {
        plan: Arc::clone(plan),
        published: Vec::new(),
        decoder: Decoder::new(vocabulary, Arc::default()),
        schemas: registry::Source::ours(),
        clock,
        idle_delay_ms: DAY_MS / 24,
        threads,
    };
    let mut seen = Seen {
        until,
        ..Seen::default()
    };
    let summary = rehearsal::rehearse(&settings, sources, &mut seen);
    let summary = summary.expect("what is in memory is read");
    seen.summary = serde_json::to_value(&summary).expect("JSON");
    seen.figures = format!("{:#?}", summary.figures);
    seen
}

proptest! {
    #![proptest_config(cases(60))]

    #[test]
    fn the_same_is_decided_by_however_many(
        happenings in happenings(),
        by_events: bool,
        until in prop::option::weighted(0.3, 0..60i64),
    ) {
        let clock = if by_events { ClockMode::Event } else { ClockMode::Wall };
        let until = until.map(|step| Timestamp(BASE + step * STEP_MS));
        for plan in [&*PLAN, &*RATED] {
            let alone = rehearsed(plan, sources(&happenings), (1, clock, until));
            for threads in [2, 3, 7] {
                let shared = rehearsed(plan, sources(&happenings), (threads, clock, until));
                prop_assert_eq!(&shared, &alone, "{} threads", threads);
            }
        }
    }
}

/// More than one piece of time takes: 2,500 leave a basket at one instant, a spot is shown to them all, and all expire at one instant.
#[test]
fn so_it_is_where_thousands_are_due_at_one_instant() {
    let line = |user: &str, id: String, event: &str, step: i64| {
        let time = Timestamp(BASE + step * STEP_MS);
        let properties = json!({"product_id": "p1", "cart_id": "k1"});
        json!({"userId": user, "messageId": id, "event": event, "timestamp": time.to_string(), "properties": properties})
            .to_string()
            .into_bytes()
    };
    // Every other one has ordered, and is shown the spot.
    let come = (0..2_500).map(|n| {
        let event = ["Product Added", "Order Completed"][n % 2];
        line(&format!("u{n}"), format!("a{n}"), event, 0)
    });
    let later = [16, 60].into_iter().flat_map(|step| {
        ["ana", "ben"].map(|user| line(user, format!("{user}{step}"), "Product Viewed", step))
    });
    let cart: VecDeque<_> = come.chain(later).collect();
    let aired = Timestamp(BASE + 15 * STEP_MS).to_string();
    let spot = json!({"messageId": "s1", "timestamp": aired, "event": "Spot Aired"});
    let spot = VecDeque::from([spot.to_string().into_bytes()]);
    let rehearsed = |threads| {
        let sources = taken([cart.clone(), spot.clone(), VecDeque::new()]);
        rehearsed(&PLAN, sources, (threads, ClockMode::Wall, None))
    };
    let alone = rehearsed(1);
    assert_eq!(alone.summary["expired"], 2_502, "{}", alone.summary);
    for (trigger, moments) in [("cart", 1_250), ("spot", 1_250)] {
        let triggers = alone.summary["triggers"].as_array();
        let of = triggers
            .into_iter()
            .flatten()
            .find(|it| it["trigger"] == trigger);
        assert_eq!(of.expect("its row")["moments"], moments, "{trigger}");
    }
    for threads in [2, 7] {
        assert!(rehearsed(threads) == alone, "{threads} threads");
    }
}
