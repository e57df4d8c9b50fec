//! What one event allocates, from the record to a step of the engine: a table in docs/benchmarks.md, which is held to what is measured
//! here. Counted for one thread, with the system's allocator; growing is an allocation of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use allocation_counter::measure;
use moments::avro::{Schemas, wire};
use moments::decode::Decoder;
use moments::document::report::Source;
use moments::engine::{Effect, Engine, Input};
use moments::event::record::Origin;
use moments::event::{Event, Vocabulary};
use moments::trigger::plan::{Plan, Policy};
use moments::trigger::set::{self, Basis};
use proptest::prelude::{ProptestConfig, any, prop_assert, proptest};
use proptest::{collection, sample};

use crate::support::generated;

#[path = "../../benches/shop.rs"]
mod shop;
#[path = "../../benches/shop_avro.rs"]
mod shop_avro;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
/// The names of the topics: which format they bring.
const JSON: &str = "json";
const AVRO: &str = "avro";
/// Events of a customer between two movements of time.
const BATCH: usize = 64;

/// The events of the benches, and by which words their first of a kind is found.
const EVENTS: [(&str, &str); 6] = [
    ("a view of a product", "Product Viewed"),
    ("a product put into the basket", "Product Added"),
    ("an order of one product", "Order Completed"),
    ("an order delivered", "Order Delivered"),
    ("an answer from 0 to 10", "NPS Answered"),
    ("an identify call with consent", "identify"),
];

/// Allocations and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Allocated {
    count: u64,
    bytes: u64,
}

/// What a closure allocates, whatever it frees.
fn allocated(work: impl FnOnce()) -> Allocated {
    let info = measure(work);
    Allocated {
        count: info.count_total,
        bytes: info.bytes_total,
    }
}

fn decoder() -> Decoder {
    let decoder = Decoder::new(Arc::new(Vocabulary::standard()), Arc::default());
    let schemas = Schemas::ours(decoder.times());
    decoder.with_avro(BTreeSet::from([AVRO.to_owned()]), schemas)
}

/// An event as the engine takes it.
fn typed(decoder: &Decoder, topic: &str, record: &[u8]) -> Box<Event> {
    let origin = Origin {
        topic,
        ..Origin::default()
    };
    Box::new(decoder.decode(record, &origin).expect("an event").event)
}

/// What it allocates to make a record an event.
fn decoding(decoder: &Decoder, topic: &str, record: &[u8]) -> Allocated {
    let mut event = None;
    // The first time, a schema's plan or a table of the process may be made.
    drop(typed(decoder, topic, record));
    let allocated = allocated(|| event = Some(typed(decoder, topic, record)));
    assert!(event.is_some());
    allocated
}

/// The first of the bench's events that has this in it.
fn record(word: &str) -> String {
    let lines = (0..).map(|i| shop::event(i, 100_000, shop::time(i, 20)).2);
    let quoted = format!("\"{word}\"");
    let mut found = lines.filter(|line| line.contains(&quoted));
    found.next().expect("an event of each kind")
}

/// A trigger of an abandoned basket: it names what is put into it, and no views.
fn plan() -> Arc<Plan> {
    let basis = Basis {
        vocabulary: Arc::new(Vocabulary::standard()),
        attributes: BTreeMap::new(),
        policy: Policy::for_everybody(),
        mappings: Arc::default(),
    };
    let shipped = ["abandoned-basket", "propensity"].map(|name| {
        let path = Path::new(ROOT).join(format!("deploy/triggers/engagement/{name}.yaml"));
        Source::load(&path).expect("a shipped file")
    });
    let plan = set::compile(&shipped, &basis);
    Arc::new(
        plan.unwrap_or_else(|reports| panic!("{}", moments::document::report::rendered(&reports))),
    )
}

/// What [`BATCH`] events of a customer allocate while she is at hand, and of one kind: the steps that take them, which settle those
/// before, and the one that moves time.
fn stepping(plan: &Arc<Plan>, word: &str) -> Allocated {
    let decoder = decoder();
    let pattern = typed(&decoder, JSON, record(word).as_bytes());
    let mut engine = Engine::new(Arc::clone(plan));
    let mut effects: Vec<Effect> = Vec::with_capacity(BATCH);
    let mut last = Allocated::default();
    for batch in 0..4 {
        let events = (0..BATCH).map(|i| {
            let number = batch * BATCH + i;
            let mut event = pattern.clone();
            event.time = shop::time(number, 1_000);
            event.id = format!("m-{number}").into();
            event
        });
        let events: Vec<Box<Event>> = events.collect();
        let now = shop::time((batch + 1) * BATCH, 1_000);
        last = allocated(|| {
            for event in events {
                engine.step(Input::Event(event), now, &mut effects);
            }
            engine.step(Input::Watermark(now), now, &mut effects);
        });
        effects.clear();
    }
    last
}

/// The table as the page has it.
fn table() -> String {
    let decoder = decoder();
    let mut table = "| from a record to a boxed event | JSON | Avro |\n|---|---|---|\n".to_owned();
    for (what, word) in EVENTS {
        let json = record(word);
        let avro = shop_avro::records(std::slice::from_ref(&json)).remove(0);
        let json = decoding(&decoder, JSON, json.as_bytes());
        let avro = decoding(&decoder, AVRO, &avro);
        let _ = writeln!(
            table,
            "| {what} | {}, {} bytes | {}, {} bytes |",
            json.count, json.bytes, avro.count, avro.bytes
        );
    }
    let _ = writeln!(
        table,
        "\n| {BATCH} events of a customer who is at hand | |\n|---|---|"
    );
    let plan = plan();
    for (what, word) in [
        ("that no trigger names", "Product Viewed"),
        ("that a trigger names", "Product Added"),
    ] {
        let Allocated { count, bytes } = stepping(&plan, word);
        let _ = writeln!(table, "| {what} | {count}, {bytes} bytes |");
    }
    table
}

#[test]
fn what_an_event_allocates_is_up_to_date() {
    let maker = ("allocations", "tests/it/allocations.rs");
    generated::is_up_to_date("docs/benchmarks.md", maker, &table());
}

/// A view with fields that nobody reads, in a schema of its own, or without them.
fn own_fields(are_there: bool) -> (String, Vec<u8>) {
    let own = serde_json::json!([
        {"name": "notes", "type": {"type": "array", "items": "string"}},
        {"name": "stock", "type": {"type": "map", "values": {"type": "array", "items": "long"}}},
        {"name": "page", "type": ["null", {"type": "record", "name": "Page", "fields": [
            {"name": "template", "type": "string"}, {"name": "digest", "type": {"type": "fixed", "name": "Digest", "size": 4}}]}]},
    ]);
    let mut fields = serde_json::json!([
        {"name": "timestamp", "type": "long"},
        {"name": "event", "type": "string"},
        {"name": "userId", "type": "string"},
    ]);
    if let (true, Some(fields), Some(own)) = (are_there, fields.as_array_mut(), own.as_array()) {
        fields.extend(own.clone());
        fields.push(serde_json::json!({"name": "properties", "type": {"type": "record", "name": "Own", "fields": own}}));
        let within = fields
            .last_mut()
            .and_then(|it| it.pointer_mut("/type/fields/2"));
        *within.expect("a page") = serde_json::json!({"name": "page", "type": ["null", "Page"]});
    }
    let schema = serde_json::json!({"type": "record", "name": "Cart", "fields": fields});
    // The time, two strings, and the fields of its own: a list, a map of a list in a block of a said size, a record. All twice.
    let mut datum = vec![0x80, 0xa4, 0xec, 0xdf, 0x95, 0x67];
    datum.extend(b"\x1aProduct Added\x06ana");
    let own = b"\x04\x02a\x3ca text of more than 24 bytes..\x00\x01\x08\x02k\x02\x05\x00\x00\x02\x06top\x01\x02\x03\x04";
    if are_there {
        datum.extend(own.repeat(2));
    }
    (schema.to_string(), datum)
}

#[test]
fn what_is_passed_over_allocates_nothing() {
    let decoder = decoder();
    let plain = r#"{"event":"Product Added","userId":"ana","timestamp":1772445600000}"#;
    let own = r#""own":{"notes":["a","a text of more than 24 bytes.."],"stock":{"k":[3,1.5]},"page":null,"on":true}"#;
    let fuller = format!(
        r#"{{{own},"event":"Product Added","userId":"ana","timestamp":1772445600000,"properties":{{{own}}}}}"#
    );
    let [plain, fuller] = [plain, &fuller].map(|json| decoding(&decoder, JSON, json.as_bytes()));
    assert_eq!(plain, fuller);
    assert_eq!(plain.count, 1, "the box");
    let [plain, fuller] = [false, true].map(|are_there| {
        let (schema, datum) = own_fields(are_there);
        let decoder = self::decoder();
        let schemas = Schemas::ours(decoder.times());
        assert!(schemas.found(9, &schema));
        let decoder = decoder.with_avro(BTreeSet::from([AVRO.to_owned()]), schemas);
        let record = [&wire::head(9)[..], &datum].concat();
        decoding(&decoder, AVRO, &record)
    });
    assert_eq!(plain, fuller);
    assert_eq!(plain.count, 1, "the box");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// No claim of a length costs more than the bytes that are there: a product of one byte is 80, in a list that doubles.
    #[test]
    fn what_bytes_claim_is_not_allocated(
        kind in 0..EVENTS.len(),
        tail in collection::vec(any::<u8>(), 0..300),
        flips in collection::vec((any::<sample::Index>(), any::<u8>()), 0..4),
    ) {
        let decoder = decoder();
        let json = record(EVENTS[kind].1);
        let mut record = shop_avro::records(&[json]).remove(0);
        record.extend(tail);
        for (at, byte) in &flips {
            let at = 5 + at.index(record.len() - 5);
            record[at] = *byte;
        }
        let origin = Origin { topic: AVRO, ..Origin::default() };
        let Allocated { bytes, .. } = allocated(|| drop(decoder.decode(&record, &origin)));
        prop_assert!(bytes <= 4096 + 400 * record.len() as u64, "{} of {:?}", bytes, record);
    }
}
