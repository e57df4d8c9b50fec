//! Rows of a table come by a topic, and events ask for them: by what the row said at their time, whatever crashes, whoever is written
//! when, and whenever somebody is looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use moments::decode::Decoder;
use moments::document::report::{Source, rendered};
use moments::engine::Engine;
use moments::event::Vocabulary;
use moments::event::record::{APPENDED, SOURCE};
use moments::task::core::RawRecord;
use moments::task::customers::Customers;
use moments::task::transaction::Sink;
use moments::task::window::Checkpoint;
use moments::time::Timestamp;
use moments::trigger::plan::Plan;
use moments::trigger::set::{self, Basis};

use super::alone::Alone;
use super::random::Random;

/// 2026-03-02 at 10:00.
const START: i64 = 1_772_445_600_000;
const PRODUCTS: usize = 4;

/// Asked when an event is seen, when it has settled, by a fact that is measured as it settles, and as time passes.
const FILES: [&str; 5] = [
    "table: catalogue\ntopic: catalogue\ncolumns: { price: number }\n",
    "fact: cheap\nmeasure: count\nof: { name: Product Viewed, where: \"tables.catalogue[event.product_id].price < 10.0\" }\n",
    "trigger: seen\nmoment: { event: { name: Product Viewed, where: \"tables.catalogue[event.product_id].price < 10.0\" } }\n\
     treatments: [{ channel: email, template: seen, data: { price: \"${ tables.catalogue[event.product_id].price }\" } }]\n",
    "trigger: settled\nmoment: { event: { of: { name: Product Viewed, where: \"tables.catalogue[event.product_id].price < 10.0\" }, when: settled } }\n\
     treatments: [{ channel: email, template: settled, data: { cheap: \"${ facts.cheap }\" } }]\n",
    "trigger: left\nmoment: { absence: { of: Order Completed, after: { name: Product Viewed, where: \"tables.catalogue[event.product_id].price < 10.0\" }, \
     within: 10s, per: event.product_id } }\ntreatments: [{ channel: email, template: left }]\n",
];

static PLAN: LazyLock<Arc<Plan>> = LazyLock::new(|| {
    let names = ["table", "fact", "seen", "settled", "left"];
    let files = names.into_iter().zip(FILES);
    let files = files.map(|(name, text)| Source::new(&format!("{name}.yaml"), text.to_owned()));
    let basis = Basis {
        vocabulary: Arc::new(Vocabulary::standard()),
        policy: toml::from_str("hold_out = '0%'\nconsent_by_default = ['email']")
            .expect("a policy"),
        ..Basis::default()
    };
    let plan = set::compile(&files.collect::<Vec<_>>(), &basis);
    Arc::new(plan.unwrap_or_else(|reports| panic!("{}", rendered(&reports))))
});

fn fresh() -> Customers {
    let decoder = Decoder::new(Arc::new(Vocabulary::standard()), Arc::default());
    let decoder = decoder.with_tables(["catalogue".to_owned()].into());
    let topics = vec!["cart".to_owned(), "everybody".to_owned()];
    let engine = Engine::new(Arc::clone(&PLAN));
    Customers::new(engine, decoder, topics, 0).telling_everybody(Some("everybody".to_owned()))
}

fn record(offset: usize, key: String, value: Option<String>, time: i64) -> RawRecord {
    RawRecord {
        offset: i64::try_from(offset).expect("small"),
        appended: Timestamp(START + time),
        key: Some(key.into_bytes()),
        value: value.map(String::into_bytes),
        ..RawRecord::default()
    }
}

/// Views at odd times, rows at even ones: of each product a price that changes, and now and then none, and now and then what is no
/// row; each row's time and price.
struct History {
    views: Vec<(i64, usize, usize)>,
    rows: Vec<(i64, usize, Option<u64>)>,
}

impl History {
    fn of(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let mut times = |count: usize, odd: i64| {
            let mut times: Vec<i64> = (0..count).map(|_| random.ms(30_000) * 2 + odd).collect();
            times.sort_unstable();
            times.dedup();
            times
        };
        let (views, rows) = (times(300, 1), times(80, 0));
        Self {
            views: views
                .into_iter()
                .map(|at| (at, random.below(20), random.below(PRODUCTS)))
                .collect(),
            rows: rows
                .into_iter()
                .map(|at| {
                    let price = (!random.chance(1_500)).then(|| random.next() % 20);
                    (at, random.below(PRODUCTS), price)
                })
                .collect(),
        }
    }

    fn topics(&self) -> Vec<(&'static str, Vec<RawRecord>)> {
        let views = self.views.iter().enumerate();
        let views = views.map(|(offset, (at, customer, product))| {
            let time = Timestamp(START + at);
            let value = format!(
                r#"{{"type":"track","event":"Product Viewed","userId":"c{customer}","messageId":"m{offset}","timestamp":"{time}","properties":{{"product_id":"p{product}"}}}}"#
            );
            record(offset, format!("c{customer}"), Some(value), *at)
        });
        let rows = self.rows.iter().enumerate();
        let rows = rows.map(|(offset, (at, product, price))| {
            let value = price.map(|price| format!(r#"{{"price":{price}}}"#));
            let appended = (START + at).to_string().into_bytes();
            let source = format!("catalogue/0/{offset}").into_bytes();
            RawRecord {
                headers: vec![
                    (SOURCE.to_owned(), Some(source)),
                    (APPENDED.to_owned(), Some(appended)),
                ],
                ..record(offset, format!("p{product}"), value, *at)
            }
        });
        vec![("cart", views.collect()), ("everybody", rows.collect())]
    }

    /// The price of a product as of a time: of the last row until then.
    fn price(&self, product: usize, at: i64) -> Option<u64> {
        let own = self.rows.iter().filter(|(_, of, _)| *of == product);
        let until = own.clone().take_while(|(time, ..)| *time <= at).last();
        until.and_then(|(.., price)| *price)
    }

    /// What is decided of views, by trigger and occurrence, with what is sent.
    fn expected(&self) -> BTreeMap<(String, String), String> {
        let mut cheap: BTreeMap<usize, usize> = BTreeMap::new();
        let mut expected = BTreeMap::new();
        for (offset, (at, customer, product)) in self.views.iter().enumerate() {
            let Some(price) = self.price(*product, *at).filter(|price| *price < 10) else {
                continue;
            };
            let count = cheap.entry(*customer).or_default();
            *count += 1;
            let occurrence = format!("m{offset}");
            expected.insert(
                ("seen".to_owned(), occurrence.clone()),
                format!(r#"{{"price":{price}}}"#),
            );
            expected.insert(
                ("settled".to_owned(), occurrence),
                format!(r#"{{"cheap":{count}}}"#),
            );
        }
        expected
    }
}

/// What was decided of views, as [`History::expected`] says it.
fn decided(decisions: &[Vec<u8>]) -> BTreeMap<(String, String), String> {
    let mut decided = BTreeMap::new();
    for decision in decisions {
        let json: serde_json::Value = serde_json::from_slice(decision).expect("JSON");
        let text = |key: &str| json[key].as_str().unwrap_or_default().to_owned();
        assert_eq!(text("decision"), "treat", "{json}");
        if text("trigger") != "left" {
            let data = json["treatment"]["data"].to_string();
            let before = decided.insert((text("trigger"), text("occurrence")), data);
            assert_eq!(before, None, "{json}");
        }
    }
    decided
}

/// What came true, for whom, when, and what was sent.
fn came(decision: &[u8]) -> String {
    let json: serde_json::Value = serde_json::from_slice(decision).expect("JSON");
    let of = ["trigger", "customer", "occurrence", "moment_at"];
    let of = of.map(|key| json[key].as_str().unwrap_or_default());
    format!("{} {}", of.join(" "), json["treatment"]["data"])
}

#[test]
fn an_event_sees_the_row_of_its_time_whatever_crashes() {
    let seeds = std::env::var("MOMENTS_SEEDS").ok();
    let seeds = seeds.and_then(|seeds| seeds.parse().ok()).unwrap_or(6);
    let mut windows = 0;
    for seed in 0..seeds {
        let history = History::of(seed);
        let mut whole: Option<BTreeSet<String>> = None;
        let long = Checkpoint {
            records: 1_000,
            ms: 5_000,
            customers: 1_000,
        };
        for (crashes, checkpoint) in [
            (&[][..], Checkpoint::EACH),
            (&[], long),
            (&[1, 2, 1, 3, 5, 8], Checkpoint::EACH),
            (&[1, 2, 1, 3, 5, 8], long),
        ] {
            let alone = Alone::new(history.topics(), fresh, Arc::clone(&PLAN));
            let mut alone = alone.writing(checkpoint, 7);
            for most in crashes {
                alone.run(*most);
            }
            alone.run(usize::MAX / 2);
            let got = alone.committed(&Sink::Decisions);
            assert_eq!(alone.committed(&Sink::Late).len(), 0);
            let (decided, mut expected) = (decided(&got), history.expected());
            for (of, data) in decided {
                assert_eq!(expected.remove(&of), Some(data), "seed {seed}: {of:?}");
            }
            assert_eq!(expected, BTreeMap::new(), "seed {seed}: not decided");
            assert!(
                got == alone.replayed(),
                "seed {seed}: the journal replays it"
            );
            // Which clock reading a step had depends on where it was cut.
            let came: BTreeSet<String> = got.iter().map(|it| came(it)).collect();
            let whole = whole.get_or_insert_with(|| came.clone());
            assert_eq!(came, *whole, "seed {seed}: the same wherever it was cut");
            windows += alone
                .records()
                .iter()
                .filter(|it| it.window.is_some())
                .count();
        }
    }
    assert!(windows > 0, "somebody stayed unwritten");
}
