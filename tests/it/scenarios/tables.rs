//! Tables and suppression lists that have their rows by topics, asked by triggers.

use std::fs;
use std::sync::Arc;

use moments::decode::Decoder;
use moments::document::report::{Source, rendered};
use moments::engine::{Effect, Engine, Input};
use moments::event::Vocabulary;
use moments::event::record::{Origin, Reject};
use moments::scenario;
use moments::time::Timestamp;
use moments::treatment::Outcome;
use moments::trigger::set::{self, Basis};

const CATALOGUE: &str = "table: catalogue\ntopic: shop.catalogue\ncolumns: { price: number, sizes: list of number, until: date }\n";
const ROBINSON: &str = "suppression: robinson\ntopic: shop.robinson\nby: email\n";
const CHEAP: &str = "trigger: cheap\nmoment: { event: { name: Product Viewed, where: \"tables.catalogue[event.product_id].price < 10.0\" } }\n\
     audience: 38.0 in tables.catalogue[event.product_id].sizes\ntreatments: [{ channel: onsite, template: cheap }]\n";
/// The first asks as the events are, the second as they come by topics.
const TESTS: &str = r#"
- test: a row is seen by an event
  rows: { shop.catalogue: { p1: { price: 5, sizes: [38, 39] }, p2: { price: "50" }, p3: { price: 5, sizes: "39|40" } } }
  events: |
    2026-03-02T10:00:00Z  Product Viewed  { product_id: p1 }
    2026-03-02T10:00:01Z  Product Viewed  { product_id: p2 }
    2026-03-02T10:00:02Z  Product Viewed  { product_id: p3 }
    2026-03-02T10:00:03Z  Product Viewed  { product_id: p4 }
  expect: [{ at: 2026-03-02T10:00:00Z }]
  refused: [{ at: 2026-03-02T10:00:02Z, reason: audience }]
- test: by topics, too
  lateness: 1m
  rows: { shop.catalogue: { p1: { price: 5, sizes: [38] } } }
  events: |
    2026-03-02T10:00:00Z  Product Viewed  { product_id: p1 }
  expect: [{ at: 2026-03-02T10:00:00Z }]
- test: who is on a list that a topic brings is sent nothing
  profile: { email: Ana@Example.com }
  rows: { shop.catalogue: { p1: { price: 5, sizes: [38] } }, shop.robinson: { " ana@example.com": {} } }
  events: |
    2026-03-02T10:00:00Z  Product Viewed  { product_id: p1 }
  expect: []
  refused: [{ reason: suppressed }]
"#;

fn basis() -> Basis {
    Basis {
        vocabulary: Arc::new(Vocabulary::standard()),
        policy: toml::from_str("hold_out = '0%'").expect("a policy"),
        ..Basis::default()
    }
}

#[test]
fn scenarios_say_what_topics_have_brought() {
    let dir = tempfile::tempdir().expect("a folder");
    let files = [
        ("catalogue.yaml", CATALOGUE),
        ("robinson.yaml", ROBINSON),
        ("cheap.yaml", CHEAP),
        ("cheap.test.yaml", TESTS),
    ];
    for (name, text) in files {
        fs::write(dir.path().join(name), text).expect("a file");
    }
    let outcomes = scenario::run(dir.path(), &basis());
    let outcomes = outcomes.unwrap_or_else(|reports| panic!("{}", rendered(&reports)));
    assert_eq!(outcomes.len(), 3);
    for outcome in outcomes {
        assert_eq!(outcome.failure, None, "{}", outcome.test);
    }
}

/// An engine whose watermark is at 10:00, and what it is told.
struct Shop {
    engine: Engine,
    decoder: Decoder,
    effects: Vec<Effect>,
}

const START: i64 = 1_772_445_600_000;

impl Shop {
    fn new(files: &[&str]) -> Self {
        let sources = files.iter().zip(0..);
        let sources =
            sources.map(|(text, n)| Source::new(&format!("{n}.yaml"), (*text).to_owned()));
        let plan = set::compile(&sources.collect::<Vec<_>>(), &basis());
        let plan = plan.unwrap_or_else(|reports| panic!("{}", rendered(&reports)));
        let mut engine = Engine::new(Arc::new(plan));
        let now = Timestamp(START);
        engine.step(Input::Watermark(now), now, &mut Vec::new());
        Self {
            engine,
            decoder: Decoder::new(Arc::new(Vocabulary::standard()), Arc::default()),
            effects: Vec::new(),
        }
    }

    fn tells(&mut self, topic: &str, key: &str, after: i64, value: &str) {
        let at = Timestamp(START + after);
        let origin = Origin {
            topic,
            key: Some(key.as_bytes()),
            appended: Some(at),
            ..Origin::default()
        };
        let told = self.decoder.row(value.as_bytes(), &origin).expect("a key");
        self.engine
            .step(Input::Row(Box::new(told)), at, &mut self.effects);
    }

    /// What is decided when ana looks at a product: `treat`, or why not; nothing where nothing comes true.
    fn sees(&mut self, product: &str, after: i64) -> Option<&'static str> {
        let at = Timestamp(START + after);
        let call = format!(
            r#"{{"event":"Product Viewed","userId":"ana","messageId":"{after}","timestamp":"{at}","properties":{{"product_id":"{product}"}}}}"#
        );
        let decoded = self.decoder.decode(call.as_bytes(), &Origin::default());
        let event = Box::new(decoded.expect("an event").event);
        self.effects.clear();
        self.engine.step(Input::Event(event), at, &mut self.effects);
        self.effects.iter().find_map(|effect| match effect {
            Effect::Decided(decision) => Some(match &decision.outcome {
                Outcome::Treat(_) => "treat",
                Outcome::Refuse(reason, _) => reason.word(),
                Outcome::Withdraw(_) => "withdraw",
            }),
            _ => None,
        })
    }

    fn rejected(&self) -> Option<&Reject> {
        self.effects.iter().find_map(|effect| match effect {
            Effect::Rejected(reject) => Some(reject),
            _ => None,
        })
    }
}

const OPEN: &str = "trigger: cheap\nmoment: { event: { name: Product Viewed, where: \"tables.catalogue[event.product_id].price < 10.0\" } }\n\
     treatments: [{ channel: onsite, template: cheap }]\n";

#[test]
fn the_next_event_sees_the_row_of_its_time() {
    let mut shop = Shop::new(&[CATALOGUE, OPEN]);
    assert_eq!(shop.sees("p1", 1), None);
    shop.tells("shop.catalogue", "p1", 1_000, r#"{"price":5}"#);
    assert_eq!(shop.sees("p1", 2_000), Some("treat"));
    assert_eq!(shop.sees("p1", 999), None, "before it was told");
    shop.tells("shop.catalogue", "p1", 3_000, r#"{"price":50}"#);
    assert_eq!(shop.sees("p1", 3_001), None);
    assert_eq!(shop.sees("p1", 2_999), Some("treat"), "as it was then");
    // Of another topic, or of another key.
    shop.tells("shop.other", "p1", 4_000, r#"{"price":5}"#);
    shop.tells("shop.catalogue", "p2", 4_000, r#"{"price":5}"#);
    assert_eq!(shop.sees("p1", 4_001), None);
    assert_eq!(shop.sees("p2", 4_002), Some("treat"));
    shop.tells("shop.catalogue", "p2", 5_000, "");
    assert_eq!(shop.sees("p2", 5_001), None, "it was taken out");
    // A row that is told late counts from the watermark on.
    shop.tells("shop.catalogue", "p3", -9_000, r#"{"price":5}"#);
    assert_eq!(shop.sees("p3", 6_000), Some("treat"));
}

#[test]
fn what_cannot_be_read_leaves_the_row_as_it_was() {
    let mut shop = Shop::new(&[CATALOGUE, OPEN]);
    shop.tells(
        "shop.catalogue",
        "p1",
        1_000,
        r#"{"price":5,"more":{"a":1}}"#,
    );
    assert_eq!(shop.rejected(), None);
    for value in [
        r#"{"price":"dear"}"#,
        r#"{"sizes":["large"]}"#,
        r#"{"until":"tomorrow"}"#,
        "7",
        "{",
    ] {
        shop.effects.clear();
        shop.tells("shop.catalogue", "p1", 2_000, value);
        assert!(shop.rejected().is_some(), "{value}");
    }
    assert_eq!(shop.sees("p1", 3_000), Some("treat"));
    // A list is another matter: what cannot be read keeps nobody off it.
    let list = ROBINSON.replace("by: email\n", "");
    let mut shop = Shop::new(&[CATALOGUE, &list, OPEN]);
    shop.tells("shop.catalogue", "p1", 1_000, r#"{"price":5}"#);
    for (value, expected) in [("7", "suppressed"), ("", "treat"), ("{}", "suppressed")] {
        shop.tells("shop.robinson", "ana", 2_000, value);
        assert_eq!(shop.rejected(), None);
        assert_eq!(
            shop.sees("p1", 3_000 + value.len() as i64),
            Some(expected),
            "{value}"
        );
    }
}

#[test]
fn who_comes_on_a_list_is_sent_nothing_of_what_waits() {
    let waits = "trigger: waits\nmoment: { event: Product Viewed }\n\
         journey: [{ wait: 1h }, { send: { channel: onsite, template: one } }]\npolicy: { good_for: 9d }\n";
    let list = ROBINSON.replace("by: email\n", "");
    for (is_told, expected) in [(false, "treat"), (true, "suppressed")] {
        let mut shop = Shop::new(&[&list, waits]);
        shop.sees("p1", 1);
        if is_told {
            shop.tells("shop.robinson", "ana", 60_000, "{}");
        }
        let then = Timestamp(START + 2 * 3_600_000);
        shop.effects.clear();
        shop.engine
            .step(Input::Watermark(then), then, &mut shop.effects);
        let decided = shop.effects.iter().find_map(|effect| match effect {
            Effect::Decided(decision) => Some(match &decision.outcome {
                Outcome::Treat(_) => "treat",
                Outcome::Refuse(reason, _) => reason.word(),
                Outcome::Withdraw(_) => "withdraw",
            }),
            _ => None,
        });
        assert_eq!(decided, Some(expected));
    }
}
