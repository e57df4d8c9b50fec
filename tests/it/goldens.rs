//! What is kept outlives the build that wrote it: each stored type is held to a golden of its version, and reads those of the
//! versions before.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use moments::decode::Decoder;
use moments::document::report::Source;
use moments::engine::waiting::Waiting;
use moments::engine::{Customer, Effect, Engine, Input, Neighbours, Transfer, packed};
use moments::event::record::Origin;
use moments::event::{Position, Property, Vocabulary};
use moments::moment::State;
use moments::profile::{Settled, Tail};
use moments::stored::{self, Inventory, Part, Stored};
use moments::table::rows::{self, Cell, Cells};
use moments::tally::funnel::Funnel;
use moments::task::count::Count;
use moments::task::journal::{Between, Line, Slice, Step};
use moments::task::record::{Beyond, Last, Sweep, TaskRecord, TopicRecord, Unfinished, Window};
use moments::task::watermark::{TopicSettings, Watermarks};
use moments::time::Timestamp;
use moments::trigger::set::{self, Basis};
use serde_json::{Value, json};
use serde_reflection::{Samples, Tracer, TracerConfig};

/// A life in which every family of facts, and every kind of moment that is shipped, comes to hold something. The last event is
/// beyond the watermark.
const LIFE: &[&str] = &[
    r#"{"type":"identify","userId":"ana","timestamp":"2026-01-01T09:00:00Z","traits":{"email":"ana@example.com","phone":"+34600",
        "timezone":"Europe/Madrid","locale":"es-ES","country":"ES","consent":{"email":true,"sms":false}},
        "context":{"campaign":{"source":"google","medium":"cpc","name":"spring"}}}"#,
    r#"{"event":"Signed Up","userId":"ana","messageId":"m1","timestamp":"2026-01-01T09:01:00Z"}"#,
    r#"{"event":"Product Viewed","userId":"ana","messageId":"m2","timestamp":"2026-01-02T10:00:00Z",
        "properties":{"product_id":"teapot","category":"kitchen","price":30}}"#,
    r#"{"event":"Product Added to Wishlist","userId":"ana","messageId":"m3","timestamp":"2026-01-02T10:01:00Z",
        "properties":{"product_id":"lamp","category":"light"}}"#,
    r#"{"event":"Order Completed","userId":"ana","messageId":"m4","timestamp":"2026-01-03T10:00:00Z",
        "properties":{"order_id":"o1","total":30.5,"currency":"EUR","products":[{"product_id":"teapot","price":30.5,"quantity":1}]}}"#,
    r#"{"event":"Order Shipped","userId":"ana","messageId":"m5","timestamp":"2026-01-04T10:00:00Z",
        "properties":{"order_id":"o1","promised_at":"2026-01-06T10:00:00Z"}}"#,
    r#"{"event":"Order Completed","userId":"ana","messageId":"m6","timestamp":"2026-01-10T10:00:00Z","properties":{"order_id":"o2","total":20}}"#,
    r#"{"event":"Order Completed","userId":"ana","messageId":"m7","timestamp":"2026-01-18T10:00:00Z","properties":{"order_id":"o3","total":25}}"#,
    r#"{"event":"Order Refunded","userId":"ana","messageId":"m8","timestamp":"2026-01-19T10:00:00Z","properties":{"order_id":"o3","total":5}}"#,
    r#"{"event":"Support Ticket Opened","userId":"ana","messageId":"m9","timestamp":"2026-01-20T10:00:00Z"}"#,
    r#"{"event":"NPS Answered","userId":"ana","messageId":"m10","timestamp":"2026-01-21T10:00:00Z","properties":{"score":9}}"#,
    r#"{"event":"Application Opened","userId":"ana","messageId":"m17","timestamp":"2026-01-21T11:00:00Z","properties":{"from_background":true}}"#,
    r#"{"event":"Email Delivered","userId":"ana","messageId":"m11","timestamp":"2026-01-22T10:00:00Z"}"#,
    r#"{"event":"Email Opened","userId":"ana","messageId":"m12","timestamp":"2026-01-23T10:00:00Z"}"#,
    r#"{"event":"Product Shared","userId":"ana","messageId":"m13","timestamp":"2026-01-24T10:00:00Z","properties":{"product_id":"teapot"}}"#,
    r#"{"event":"Product Reviewed","userId":"ana","messageId":"m16","timestamp":"2026-01-24T11:00:00Z",
        "properties":{"product_id":"teapot","review_id":"r1","rating":4}}"#,
    r#"{"event":"Product Added","userId":"ana","messageId":"m14","timestamp":"2026-01-25T10:00:00Z",
        "properties":{"cart_id":"c1","product_id":"cup","category":"kitchen","price":14.95,"quantity":2}}"#,
    r#"{"event":"Product Added","userId":"ana","messageId":"m15","timestamp":"2026-01-25T10:05:00Z",
        "properties":{"cart_id":"c1","product_id":"plate","price":9,"quantity":1}}"#,
];

/// What no shipped trigger remembers.
const MORE: &[(&str, &str)] = &[
    (
        "window",
        "moment: { threshold: { of: Order Completed, measure: count, over: 30d, crosses: { at_least: 9 } } }",
    ),
    (
        "ever",
        "moment: { threshold: { of: Order Completed, measure: { sum: event.total }, crosses: { at_least: 900 } } }",
    ),
    (
        "score",
        "moment: { threshold: { of: Order Completed, measure: { score: { weight: 1, half_life: 7d } }, crosses: { at_least: 9 } } }",
    ),
    ("enters", "moment: { transition: { enters: buys } }"),
    (
        "hoped",
        "moment: { event: Product Shared }\ngoal: { event: Product Added, within: 30d, value: event.price }",
    ),
    (
        "next",
        "moment: { sequence: { steps: [Product Viewed, Product Removed], same: event.product_id } }",
    ),
    (
        "month",
        "moment: { calendar: { date: { every: month, day: 1 } } }",
    ),
    (
        "every",
        "moment: { event: Order Completed }\npolicy: { cap: every 9th }",
    ),
    (
        "every-one",
        "moment: { event: Order Completed }\npolicy: { cap: every 9th per event.order_id }",
    ),
    (
        "inside",
        "moment: { event: Order Completed }\njourney: { per: event.order_id, re_enter: never, until: 'now - profile.last_order > duration(\"90d\")', \
         steps: [{ send: { channel: email, template: x } }, { wait: 90d }] }",
    ),
    (
        "inside-held",
        "moment: { event: Order Completed }\njourney: [{ send: { channel: onsite, template: x } }]\npolicy: { quiet_hours: hold, good_for: 90d }",
    ),
    (
        "held",
        "moment: { event: { name: Order Completed, where: previous.orders.count > 0 } }\npolicy: { quiet_hours: hold, good_for: 90d }",
    ),
];

/// What she is measured by: whatever can be kept of it.
const FACTS: &[&str] = &[
    "fact: ever\nof: Order Completed\nmeasure: { sum: event.total }",
    "fact: most\nof: Order Completed\nmeasure: { max: event.total }",
    "fact: score\nof: Product Viewed\nmeasure: { score: { weight: 1, half_life: 7d } }",
    "fact: lately\nof: any\nmeasure: count\nover: 90d",
    "fact: spent\nof: Order Completed\nmeasure: { mean: event.total }\nover: 90d",
    "fact: kinds\nof: Product Added\nmeasure: { distinct: event.category }",
    "fact: rated\nof: Product Reviewed\nmeasure: { last: event.rating }",
    "fact: promised\nof: Order Shipped\nmeasure: { last: event.promised_at }",
    "fact: awake\nof: Application Opened\nmeasure: { last: event.from_background }",
    "fact: credit\nof: Order Completed\nmeasure: { balance: { earned: event.total, order: event.order_id, expires: end of next year } }",
    "fact: seen\nof: [Product Viewed, Product Added]\nmeasure: { list: { of: event.product_id } }\nper: event.category",
];

/// Who is meant: she is in one, was in another, and will be in a third by time alone.
const SEGMENTS: &[&str] = &[
    "segment: buys\nwhen: profile.orders.count > 1",
    "segment: browses\nwhen: profile.orders.count == 0 && profile.known",
    "segment: lapses\nwhen: now - profile.last_order > duration(\"60d\")",
];

/// Her parts, by tag: families, the tail, and states of triggers.
fn samples() -> BTreeMap<u16, Vec<Part>> {
    let vocabulary = Arc::new(Vocabulary::standard());
    let basis = Basis {
        vocabulary: Arc::clone(&vocabulary),
        attributes: BTreeMap::new(),
        // Whatever is held waits for long.
        policy: toml::from_str("quiet_hours = { default = '00:00-23:59' }\nhold_out = '0%'")
            .expect("a policy"),
        mappings: Arc::default(),
    };
    let files = set::files(&root().join("deploy/triggers"), set::is_trigger_file);
    let files = files.expect("the shipped triggers");
    let sources = files
        .iter()
        .map(|path| Source::load(path).expect("can be read"));
    let more = MORE.iter().map(|(name, said)| {
        let treatments = match said.contains("journey:") {
            true => "",
            false => "treatments: [{ channel: onsite, template: x }]",
        };
        Source::new(name, format!("trigger: {name}\n{said}\n{treatments}\n"))
    });
    let facts = FACTS.iter().chain(SEGMENTS);
    let facts = facts.map(|text| Source::new(text, (*text).to_owned()));
    let sources: Vec<Source> = sources.chain(more).chain(facts).collect();
    let plan = set::compile(&sources, &basis).expect("triggers that can be read");
    let mut engine = Engine::new(Arc::new(plan));
    let decoder = Decoder::new(vocabulary, Arc::default());
    let mut effects = Vec::new();
    for (offset, line) in (0..).zip(LIFE) {
        let origin = Origin {
            position: Position { topic: 0, offset },
            ..Origin::default()
        };
        let event = decoder
            .decode(line.as_bytes(), &origin)
            .expect("an event")
            .event;
        let time = event.time;
        engine.step(Input::Event(Box::new(event)), time, &mut effects);
        if offset + 1 < LIFE.len() as i64 {
            engine.step(Input::Watermark(time), time, &mut effects);
        }
    }
    let records = engine.seal();
    let hers: Vec<_> = records.iter().filter(|(key, _)| key[0] != 0).collect();
    let [(id, Some(sealed))] = hers.as_slice() else {
        panic!("one customer: {records:?}")
    };
    let id = std::str::from_utf8(id).expect("text");
    let page = packed::unsealed(id, sealed).expect("just sealed");
    let customer: Customer = packed::check(page).expect("just packed");
    let mut parts = Vec::new();
    customer.profile.settled.write(&mut parts);
    customer.profile.tail.write_any(Tail::TAG, &mut parts);
    customer.waiting.write_any(Waiting::TAG, &mut parts);
    let mut states = Vec::new();
    for (_, state) in customer.states.iter() {
        state.write(&mut states);
    }
    let mut found: BTreeMap<u16, Vec<Part>> = BTreeMap::new();
    for (bytes, shift) in [(parts, 0), (states, STATES)] {
        for part in Part::all(bytes[..].into()).expect("just written") {
            found.entry(part.tag + shift).or_default().push(part);
        }
    }
    found
}

/// No enum that is stored has more.
const VARIANTS_MAX: usize = 32;

/// Tags of states, apart from those of families.
const STATES: u16 = 1000;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

struct Goldens {
    samples: BTreeMap<u16, Vec<Part>>,
    shift: u16,
    wrong: Vec<String>,
    seen: usize,
}

impl Inventory for Goldens {
    fn part<S: Stored>(&mut self, tag: u16) {
        self.seen += 1;
        let name = std::any::type_name::<S>()
            .rsplit("::")
            .next()
            .expect("a name");
        let samples = self.samples.get(&(tag + self.shift));
        let shown = golden::<S>(tag, samples.map_or(&[], Vec::as_slice));
        for version in 1..=S::VERSION {
            let path = root().join(format!("tests/fixtures/stored/{name}-v{version}.json"));
            if version == S::VERSION && !path.exists() && updates() {
                std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
                std::fs::write(&path, format!("{shown:#}\n")).expect("written");
            }
            let Ok(text) = std::fs::read(&path) else {
                self.wrong.push(format!(
                    "{name} has no golden of version {version}; MOMENTS_UPDATE_DOCS=1 makes one of a new version"
                ));
                continue;
            };
            let kept: Value = serde_json::from_slice(&text).expect("a golden is JSON");
            if version == S::VERSION && own(&kept["shape"]) != own(&shown["shape"]) {
                self.wrong.push(format!(
                    "{name} is not what version {version} was: give it another version (docs/extending.md)\n{:#}",
                    shown["shape"]
                ));
            }
            for bytes in kept["bytes"].as_array().expect("a list") {
                let bytes = unhex(bytes.as_str().expect("text"));
                if let Err(error) = stored::read::<S>(version, &bytes) {
                    self.wrong.push(format!(
                        "{name} does not read its version {version}: {error}"
                    ));
                }
            }
        }
    }
}

/// What is kept of a type: what it is made of, and what was written of the sample.
fn golden<S: Stored>(tag: u16, samples: &[Part]) -> Value {
    let mut tracer = Tracer::new(TracerConfig::default());
    let property = tracer.trace_simple_type::<Property>();
    property.expect("the values of properties can be traced");
    // Each pass shows another variant of the enums within.
    let mut format = None;
    for _ in 0..VARIANTS_MAX {
        let traced = tracer.trace_simple_type::<S>();
        format = Some(traced.expect("a type that can be traced").0);
    }
    // And the samples show those of enums that stand deeper.
    let mut known = Samples::new();
    for part in samples {
        let value = stored::read::<S>(part.version, &part.bytes).expect("just written");
        let traced = tracer.trace_value(&mut known, &value);
        traced.expect("a value that can be traced");
    }
    let registry = tracer.registry_unchecked();
    let bytes: Vec<String> = samples.iter().map(|part| hex(&part.bytes)).collect();
    json!({ "tag": tag, "shape": [format, registry], "bytes": bytes })
}

/// A shape without the values of properties, where it holds none: they are traced for every type.
fn own(shape: &Value) -> Value {
    let mut own = shape.clone();
    let property = own[1].as_object_mut().and_then(|it| it.remove("Property"));
    let holds_any = own.to_string().contains(r#""TYPENAME":"Property""#);
    if let (true, Some(property)) = (holds_any, property) {
        own[1]["Property"] = property;
    }
    own
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let byte = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).expect("hexadecimal");
    (0..text.len()).step_by(2).map(byte).collect()
}

fn updates() -> bool {
    std::env::var_os("MOMENTS_UPDATE_DOCS").is_some()
}

/// A record of each version, with something in each of its fields. The last is the one that is written.
fn task_records() -> [(&'static str, TaskRecord); 4] {
    let last = Last {
        appended: Timestamp(1_772_445_600_009),
        time: Timestamp(1_772_445_600_008),
    };
    let topic = TopicRecord {
        offset: Some(7),
        seen: Some(Timestamp(1_772_445_600_008)),
        last: Some(last),
    };
    let finished = TaskRecord {
        transaction: 3,
        revision: "5-c0ffee*".to_owned(),
        now: Timestamp(1_772_445_600_010),
        watermark: Timestamp(1_772_445_540_007),
        topics: BTreeMap::from([("cart".to_owned(), topic)]),
        tallies: BTreeMap::from([(Count::Events, 12), (Count::Future, 1)]),
        unfinished: Unfinished::default(),
        window: None,
        beyond: None,
    };
    let unfinished = Unfinished {
        moving_to: Some(Timestamp(1_772_445_550_000)),
        sweeps: BTreeMap::from([(Sweep::Adoption, 4_096), (Sweep::Broadcast, 8_192)]),
    };
    let version_2 = TaskRecord {
        unfinished,
        ..finished.clone()
    };
    let window = Window {
        from: 2,
        journal: 40,
        watermark: Timestamp(1_772_445_540_000),
        offsets: BTreeMap::from([("cart".to_owned(), 5)]),
    };
    let version_3 = TaskRecord {
        window: Some(window),
        ..version_2.clone()
    };
    let cart = TopicSettings {
        name: "cart".to_owned(),
        lateness_ms: 60_000,
        drives: true,
    };
    let mut watermarks = Watermarks::new(vec![cart]);
    for (customer, time) in [(7, last.time), (9, last.time.plus(900_000)), (7, last.time)] {
        watermarks.see(0, customer, time, last.appended);
    }
    let version_4 = TaskRecord {
        beyond: Some(Beyond {
            lead: watermarks.lead(),
            ids: BTreeMap::from([("cart".to_owned(), 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef)]),
        }),
        ..version_3.clone()
    };
    [
        ("TaskRecord-v1", finished),
        ("TaskRecord-v2", version_2),
        ("TaskRecord-v3", version_3),
        ("TaskRecord-v4", version_4),
    ]
}

/// A line of each version that is written, with something in each of its fields.
fn journal_lines() -> [(&'static str, Line); 5] {
    let mut step = Step::begin(Timestamp(1_772_445_600_010));
    step.take("cart", 3);
    step.take("cart", 5);
    step.watermark = Timestamp(1_772_445_540_007);
    let mut adopts = Step::begin(step.now);
    adopts.adopt = Some(Slice { from: 0, to: 9 });
    let mut beyond = Step::begin(step.now);
    beyond.beyond = 3;
    let mut told = Step::begin(step.now);
    told.take("shop-broadcasts", 0);
    told.everybody = Some(Slice { from: 9, to: 12 });
    let line = |steps| Line::new(2, 7, "5-c0ffee".to_owned(), step.now, steps);
    let first = vec![step.clone(), adopts.clone()];
    let second = vec![step.clone(), adopts, beyond, told];
    let third = line(second.clone()).keeping(Some(5));
    let between = Between {
        topic: "shop-identities".to_owned(),
        tasks: 4,
    };
    [
        ("JournalLine-v1", line(first)),
        ("JournalLine-v2", line(second)),
        ("JournalLine-v3", third.clone()),
        ("JournalLine-v4", third.clone().beside(Some(between))),
        ("JournalLine-v5", third.sharing(Some(4))),
    ]
}

/// What was kept of it, or, of what is new, is kept now.
fn kept(name: &str, made: &[u8]) -> Vec<u8> {
    let path = root().join(format!("tests/fixtures/stored/{name}.json"));
    if !path.exists() && updates() {
        let golden = json!({ "bytes": [hex(made)] });
        std::fs::write(&path, format!("{golden:#}\n")).expect("written");
    }
    let text = std::fs::read(&path);
    let text =
        text.unwrap_or_else(|_| panic!("{name} has no golden; MOMENTS_UPDATE_DOCS=1 makes one"));
    let kept: Value = serde_json::from_slice(&text).expect("a golden is JSON");
    unhex(kept["bytes"][0].as_str().expect("text"))
}

/// The goldens of what a task keeps beside customers, in the order of its keys.
const BESIDE: [&str; 6] = [
    "Broadcasts-v1",
    "Claim-v1",
    "Erasure-v1",
    "Row-v1",
    "SendTimes-v1",
    "Lesson-v1",
];

/// What a task keeps beside customers and its record: who was erased, which broadcasts everybody was shown, which former ids were
/// asked for in other tasks, when was sent by a channel with a rate, and what was learnt of a way.
#[test]
fn what_a_task_keeps_beside_customers_is_that_of_its_goldens() {
    let vocabulary = Arc::new(Vocabulary::standard());
    let basis = Basis {
        vocabulary: Arc::clone(&vocabulary),
        attributes: BTreeMap::new(),
        policy: toml::from_str("hold_out = '0%'\nsend_rates = { store = '2 in 1h' }")
            .expect("a policy"),
        mappings: Arc::default(),
    };
    let counter = "trigger: counter\nmoment: { event: Order Completed }\ntreatments: [{ channel: store, template: x }]\n";
    let learns = "trigger: learns\nmoment: { event: Signed Up }\njourney: [{ split: adaptive, ways: [{ name: a }, { name: b }] }]\n\
                  goal: { event: Order Completed, within: 1s }\n";
    let sources = [counter, learns].map(|text| Source::new("t.yaml", text.to_owned()));
    let plan = Arc::new(set::compile(&sources, &basis).expect("a trigger"));
    let neighbours = Neighbours {
        own: 0,
        tasks: 2,
        of: |id, _| i32::from(id == "device"),
        talk: true,
    };
    let engine = Engine::new(Arc::clone(&plan)).salted("salt");
    let mut engine = engine.beside(Some(neighbours));
    let decoder = Decoder::new(vocabulary, Arc::default());
    let event = |text: &str, origin: Origin<'_>| {
        let decoded = decoder.decode(text.as_bytes(), &origin);
        Box::new(decoded.expect("an event").event)
    };
    let erased = r#"{"event":"Customer Erased","userId":"ana","timestamp":"2026-01-02T10:00:00Z"}"#;
    let told = r#"{"event":"Spot Aired","messageId":"b1","timestamp":"2026-01-02T10:00:00Z"}"#;
    let (mut effects, now) = (Vec::new(), Timestamp(1_767_348_000_000));
    let erased = Input::Event(event(erased, Origin::default()));
    engine.step(erased, now, &mut effects);
    let told = Input::Everybody(event(told, Origin::default().of_everybody()));
    engine.step(told, now, &mut effects);
    let claims = r#"{"type":"identify","userId":"ben","anonymousId":"device","timestamp":"2026-01-02T10:00:00Z"}"#;
    let claims = Input::Event(event(claims, Origin::default()));
    engine.step(claims, now, &mut effects);
    for id in ["eva", "dan"] {
        let orders = format!(
            r#"{{"event":"Order Completed","userId":"{id}","timestamp":"2026-01-02T10:00:00Z"}}"#
        );
        let orders = Input::Event(event(&orders, Origin::default()));
        engine.step(orders, now, &mut effects);
    }
    let signs = r#"{"event":"Signed Up","userId":"fay","timestamp":"2026-01-02T10:00:00Z"}"#;
    let signs = Input::Event(event(signs, Origin::default()));
    engine.step(signs, now, &mut effects);
    told_rows(&mut engine, now);
    let then = now.plus(2_000);
    engine.step(Input::Watermark(now), now, &mut effects);
    engine.step(Input::Watermark(then), then, &mut effects);
    let mut records = engine.seal();
    let is_beside = |key: &[u8]| key[0] == 0 && !key.starts_with(FIGURES);
    records.retain(|(key, _)| is_beside(key));
    records.sort();
    assert_eq!(records.len(), BESIDE.len(), "{records:?}");
    let mut restored = Engine::new(plan).salted("salt");
    for (name, (key, value)) in BESIDE.into_iter().zip(records) {
        let value = value.expect("it is kept");
        let kept = kept(name, &value);
        restored.restore(&key, Some(&kept)).expect("it is read");
        assert_eq!(value, kept, "{name}: give it another version");
    }
    assert_eq!(restored.erasures(), 1);
    assert_eq!(restored.lessons(), engine.lessons());
    assert_eq!(restored.plan().rows, engine.plan().rows);
    assert_eq!(restored.held(), Timestamp::parse("2026-01-02T10:00:00Z"));
}

/// A row of a table, and that it ends.
fn told_rows(engine: &mut Engine, now: Timestamp) {
    let said = [
        ("price".into(), Cell::Text("3.50".into())),
        ("sizes".into(), Cell::List(vec!["38".into(), "40".into()])),
    ];
    for (at, cells) in [
        (now, Some(Ok(Cells::new(said.into())))),
        (now.plus(9_000), None),
    ] {
        let (topic, key) = ("catalogue".into(), "p1".into());
        let told = rows::Told {
            topic,
            key,
            at,
            cells,
        };
        engine.step(Input::Row(Box::new(told)), now, &mut Vec::new());
    }
}

/// What the changelog keys of figures begin with.
const FIGURES: &[u8] = b"\0tally";

/// Figures of a trigger with everything in them: it holds somebody out, sends, is answered, has a goal and a journey.
#[test]
fn figures_are_those_of_their_goldens() {
    let vocabulary = Arc::new(Vocabulary::standard());
    let basis = Basis {
        vocabulary: Arc::clone(&vocabulary),
        attributes: BTreeMap::new(),
        policy: toml::from_str("hold_out = '0%'\nconsent_by_default = ['email']")
            .expect("a policy"),
        mappings: Arc::default(),
    };
    let text = "trigger: hello\nmoment: { event: Signed Up }\npolicy: { hold_out: 50% }\n\
                journey: [{ send: { channel: email, template: hello, cost: 0.5 } }, { wait_for: { event: Product Viewed, within: 1d } }]\n\
                goal: { event: Order Completed, within: 3d, at_most: 100 }\n";
    let plan = set::compile(&[Source::new("t.yaml", text.to_owned())], &basis);
    let plan = Arc::new(plan.expect("a trigger"));
    let mut engine = Engine::new(Arc::clone(&plan));
    let decoder = Decoder::new(vocabulary, Arc::default());
    let (mut effects, start) = (Vec::new(), Timestamp(1_767_348_000_000));
    let mut happens = |engine: &mut Engine, after_ms: i64, name: &str, more: &str| {
        let at = start.plus(after_ms);
        for id in ["ana", "ben", "eva", "dan"] {
            let more = more.replace("MOMENT", &treatment_id(&effects, id));
            let text = format!(
                r#"{{"event":"{name}","userId":"{id}","timestamp":"{at}","properties":{{{more}}}}}"#
            );
            let decoded = decoder.decode(text.as_bytes(), &Origin::default());
            let event = Box::new(decoded.expect("an event").event);
            engine.step(Input::Event(event), at, &mut effects);
        }
        engine.step(Input::Watermark(at), at, &mut effects);
    };
    happens(&mut engine, 0, "Signed Up", "");
    happens(&mut engine, 1_000, "Application Opened", "");
    let opened = r#""treatment_id":"MOMENT""#;
    happens(&mut engine, 2_000, "Email Opened", opened);
    happens(&mut engine, 3_000, "Form Submitted", opened);
    happens(
        &mut engine,
        4_000,
        "Product Viewed",
        r#""product_id":"cup""#,
    );
    happens(
        &mut engine,
        5_000,
        "Order Completed",
        r#""order_id":"o1","total":20"#,
    );
    happens(&mut engine, 5 * 86_400_000, "Application Opened", "");
    let records = engine.seal();
    let whole = |(key, _): &&(Vec<u8>, _)| key.starts_with(FIGURES);
    let (key, value) = records.iter().find(whole).expect("a row");
    let value = value.as_deref().expect("figures");
    let kept_now = kept("Figures-v3", value);
    assert_eq!(value, kept_now, "give it another version");
    for (name, journeys) in [("Figures-v2", false), ("Figures-v3", true)] {
        let mut restored = Engine::new(Arc::clone(&plan));
        restored
            .restore(key, Some(&kept(name, value)))
            .expect("it is read");
        let (of, figures) = engine.figures().next().expect("a row");
        let mut expected = figures.clone();
        if !journeys {
            expected.journey = Funnel::default();
        }
        let found: Vec<_> = restored.figures().collect();
        assert_eq!(found, [(of, &expected)], "{name}");
        assert!(!figures.journey.is_empty() && !figures.arms.is_empty());
        assert_eq!(figures.reactions.len(), 2, "{figures:?}");
    }
}

/// The id of the command that was sent to somebody; of who was sent none, one that nobody has.
fn treatment_id(effects: &[Effect], customer: &str) -> String {
    let commands = effects.iter().filter_map(|effect| match effect {
        Effect::Decided(decision) if decision.customer == *customer => decision.command(),
        _ => None,
    });
    let id = commands.map(|command| command.id.to_string()).next();
    id.unwrap_or_else(|| "none".to_owned())
}

#[test]
fn task_records_and_journal_lines_are_those_of_their_goldens() {
    for (name, record) in task_records() {
        let kept = kept(name, &record.pack());
        assert_eq!(TaskRecord::unpack(&kept).as_ref(), Ok(&record), "{name}");
        if record.beyond.is_some() {
            assert_eq!(record.pack(), kept, "{name}: give it another version");
        }
    }
    for (name, line) in journal_lines() {
        let kept = kept(name, &line.to_json());
        assert_eq!(Line::read(&kept).expect("a line"), line, "{name}");
        assert_eq!(line.to_json(), kept, "{name}: give it another version");
    }
}

#[test]
fn stored_types_are_those_of_their_goldens() {
    let mut goldens = Goldens {
        samples: samples(),
        shift: 0,
        wrong: Vec::new(),
        seen: 0,
    };
    Settled::inventory(&mut goldens);
    assert_eq!(goldens.seen, Settled::TAGS.len());
    goldens.part::<Tail>(Tail::TAG);
    goldens.part::<Waiting>(Waiting::TAG);
    goldens.shift = STATES;
    State::inventory(&mut goldens);
    goldens.part::<Timestamp>(0);
    goldens.part::<Transfer>(0);
    assert!(goldens.wrong.is_empty(), "{}", goldens.wrong.join("\n"));
}
