//! Records read by plan are the events that they were when apache-avro's own reader read them, field by field and by name.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use apache_avro::Schema;
use apache_avro::schema::ResolvedSchema;
use apache_avro::writer::datum::GenericDatumWriter;
use proptest::prelude::{
    ProptestConfig, any, prop_assert_eq, prop_assert_ne, prop_assume, proptest,
};
use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64Mcg;
use serde_json::{Value, json};

use super::*;
use crate::event::{Type, Vocabulary};

mod raw;
mod reader;
mod values;
mod writers;

/// A decoder of topic `avro` that knows some words of a company's own, and this schema by id 9.
fn decoder(schema: &str) -> Decoder {
    let mut vocabulary = Vocabulary::standard();
    let own = [
        ("tags".to_owned(), Type::TEXTS),
        ("gift".to_owned(), Type::Bool),
        ("since".to_owned(), Type::Time),
    ];
    vocabulary.declare("Product Added", &own).unwrap();
    let attributes = [
        ("tier".to_owned(), Type::Text),
        ("points".to_owned(), Type::Number),
    ];
    let decoder = Decoder::new(Arc::new(vocabulary), Arc::new(BTreeMap::from(attributes)));
    let known = Schemas::ours(decoder.times());
    known.found(9, schema);
    decoder.with_avro(BTreeSet::from(["avro".to_owned()]), known)
}

/// What is made of a datum by plan, and what was made of it before. What apache-avro says of bytes that are not of the schema is
/// its own.
fn both(decoder: &Decoder, schema: &Schema, datum: &[u8]) -> [Result<Decoded, Reject>; 2] {
    let origin = Origin {
        topic: "avro",
        ..Origin::default()
    };
    let payload = [&avro::wire::head(9)[..], datum].concat();
    let now = decoder.decode(&payload, &origin);
    let then = reader::decode(decoder, schema, datum, &origin);
    [now, then].map(|result| {
        result.map_err(|reject| match reject {
            Reject::BadAvro(_) => Reject::BadAvro(String::new()),
            other => other,
        })
    })
}

/// The same bytes, with some of them changed, left out or put in.
fn damaged(rng: &mut Pcg64Mcg, datum: &[u8]) -> Vec<u8> {
    let mut damaged = datum.to_vec();
    for _ in 0..rng.random_range(1..4) {
        let at = rng.random_range(0..=damaged.len());
        let byte = match rng.random_range(0..3) {
            0 => rng.random(),
            1 => rng.random_range(0..6),
            _ => rng.random_range(0xf0..=0xff),
        };
        match rng.random_range(0..8) {
            0 => damaged.truncate(at),
            1 => damaged.insert(at, byte),
            2 if at < damaged.len() => drop(damaged.remove(at)),
            _ if at < damaged.len() => damaged[at] = byte,
            _ => {}
        }
    }
    damaged
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn what_apache_avro_wrote_is_read_as_it_reads_it(seed in any::<u64>()) {
        let mut rng = Pcg64Mcg::seed_from_u64(seed);
        let text = writers::Author::new(&mut rng).call().to_string();
        let schema = Schema::parse_str(&text).unwrap();
        let decoder = decoder(&text);
        let schemas = decoder.avro_of("avro").unwrap();
        prop_assume!(matches!(schemas.get(9), Some(Verdict::Readable(_))));
        let resolved = ResolvedSchema::new(&schema).unwrap();
        let writer = GenericDatumWriter::builder(&schema).build().unwrap();
        for _ in 0..4 {
            let value = values::value(&mut rng, "", &schema, resolved.get_names());
            let datum = writer.write_value_to_vec(value).unwrap();
            let [now, then] = both(&decoder, &schema, &datum);
            prop_assert_eq!(&now, &then, "{}", text);
            prop_assert_ne!(now.map_err(|it| it.word()).err(), Some("bad_avro"));
            for _ in 0..4 {
                let datum = damaged(&mut rng, &datum);
                let [now, then] = both(&decoder, &schema, &datum);
                prop_assert_eq!(now, then, "{:?} of {}", datum, text);
            }
        }
    }
}

/// An order with lists of each kind, some of them read and some not.
fn lists() -> String {
    let array = |items: Value| json!({"type": "array", "items": items});
    let map = |values: Value| json!({"type": "map", "values": values});
    let record =
        |name: &str, fields: Value| json!({"type": "record", "name": name, "fields": fields});
    let product = record("Line", json!([{"name": "sku", "type": "string"}]));
    let properties = json!([
        {"name": "tags", "type": array(json!("string"))},
        {"name": "mystery", "type": map(array(json!("int")))},
        {"name": "products", "type": array(product)},
    ]);
    let consent = json!([{"name": "consent", "type": map(json!("boolean"))}]);
    let fields = json!([
        {"name": "timestamp", "type": "long"},
        {"name": "event", "type": "string"},
        {"name": "userId", "type": "string"},
        {"name": "properties", "type": record("Properties", properties)},
        {"name": "traits", "type": record("Traits", consent)},
    ]);
    record("Cart", fields).to_string()
}

/// What stands before the lists.
fn head() -> Vec<u8> {
    let schema = r#"{"type": "record", "name": "H", "fields": [{"name": "a", "type": "long"},
        {"name": "b", "type": "string"}, {"name": "c", "type": "string"}]}"#;
    let schema = Schema::parse_str(schema).unwrap();
    let writer = GenericDatumWriter::builder(&schema).build().unwrap();
    writer
        .write_ser_to_vec(&(1_772_445_600_000_i64, "Product Added", "ana"))
        .unwrap()
}

#[test]
fn lists_are_written_in_blocks() {
    let text = lists();
    let (decoder, schema) = (decoder(&text), Schema::parse_str(&text).unwrap());
    // One block after another; the second says how many bytes it has, which nobody believes.
    let tags = [2, 2, b'a', 3, 99, 2, b'b', 2, b'c', 0];
    let mystery = [1, 99, 2, b'k', 2, 14, 4, 14, 14, 0, 2, 2, b'l', 0, 0];
    let products = [1, 8, 2, b'p', 2, 2, b'q', 0];
    let consent = [2, 6, b's', b'm', b's', 0, 1, 99, 2, b'E', 1, 0];
    let datum = [&head()[..], &tags, &mystery, &products, &consent].concat();
    let [now, then] = both(&decoder, &schema, &datum);
    assert_eq!(now, then);
    let event = now.unwrap().event;
    let products: Vec<_> = event.products.iter().map(|it| it.id.as_str()).collect();
    assert_eq!(products, ["p", "q"]);
    let consent = [("sms".into(), false), ("e".into(), true)];
    assert_eq!(event.traits.unwrap().consent, consent);
    let tags = decoder.vocabulary.property_named("tags").unwrap();
    let expected = ["a", "b", "c"].map(Into::into);
    let expected = crate::event::Property::List(expected.into());
    assert_eq!(event.properties[..], [(tags, expected)]);
}

#[test]
fn what_a_record_claims_and_has_not_is_refused() {
    let text = lists();
    let (decoder, schema) = (decoder(&text), Schema::parse_str(&text).unwrap());
    let most = [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
    let least = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
    let table: [(&[u8], &[u8]); 9] = [
        // Items, negative items, the bytes of a block, of an item, of a key.
        (&most, &[]),
        (&least, &[0]),
        (&[1], &most),
        (&[2], &most),
        (&[0, 2], &most),
        (&[0, 2, 2, b'k'], &most),
        (&[0, 2, 2, b'k'], &[2, 0x80, 0x80, 0x80, 0x80, 0x10, 0]),
        (&[0, 2, 2], &[0xff]),
        (&[2, 1], &[]),
    ];
    for (before, after) in table {
        let datum = [&head()[..], before, after].concat();
        let [now, then] = both(&decoder, &schema, &datum);
        assert_eq!(now, then, "{before:?} {after:?}");
        assert_eq!(now.map_err(|it| it.word()), Err("bad_avro"), "{before:?}");
    }
}

#[test]
fn what_stands_over_something_does_so_in_any_order() {
    let text = |name: &str| json!({"name": name, "type": "string"});
    let record = |name: &str, fields: Value| {
        let of = format!("Of_{name}");
        json!({"name": name, "type": {"type": "record", "name": of, "fields": fields}})
    };
    let address = record("address", json!([text("city"), text("country")]));
    let device = record("device", json!([text("token")]));
    let context = record("context", json!([device, text("timezone"), text("locale")]));
    let traits = ["country", "push_token", "timezone", "locale"].map(text);
    let traits = [&[address][..], &traits].concat();
    let traits = record("traits", json!(traits));
    let fields = json!([
        {"name": "timestamp", "type": "long"}, text("event"), text("userId"), context, traits,
    ]);
    let schema = json!({"type": "record", "name": "Cart", "fields": fields}).to_string();
    let (decoder, parsed) = (decoder(&schema), Schema::parse_str(&schema).unwrap());
    let said = [
        "tok",
        "Europe/Madrid",
        "es",
        "Madrid",
        "ES",
        "FR",
        "old",
        "Europe/Paris",
        "fr",
    ];
    let said = said.iter().flat_map(|text| {
        let length = u8::try_from(2 * text.len()).unwrap();
        std::iter::once(length).chain(text.bytes())
    });
    let datum: Vec<u8> = head().into_iter().chain(said).collect();
    let [now, then] = both(&decoder, &parsed, &datum);
    assert_eq!(now, then);
    let traits = now.unwrap().event.traits.unwrap();
    for (found, expected) in [
        (traits.push_token, "tok"),
        (traits.timezone, "Europe/Madrid"),
        (traits.locale, "es"),
        (traits.address, "Madrid, ES"),
        (traits.country, "ES"),
    ] {
        assert_eq!(found.unwrap(), expected);
    }
}
