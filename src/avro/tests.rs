use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;

use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::schema_compatibility::{Compatibility, SchemaCompatibility};
use apache_avro::writer::datum::GenericDatumWriter;
use apache_avro::{Schema, types};
use base64::Engine as _;
use proptest::prelude::{ProptestConfig, any, prop_assert, proptest};
use proptest::{collection, sample};
use serde_json::{Value, json};

use super::local::{INPUTS, OUTPUTS, Version, newest};
use super::*;
use crate::decode::{Decoded, Decoder};
use crate::encode::avro::decision_json;
use crate::encode::cloud_event::Publishing;
use crate::encode::{Encoder, Form};
use crate::event::record::{Origin, Reject};
use crate::event::{PropertyId, Type, Vocabulary};
use crate::moment::{EventRef, Evidence};
use crate::time::Timestamp;
use crate::treatment::{Command, Decision, Fields, Outcome, Undone, Withdrawal};

/// A file of a version: its schema, its sample in Avro or the same in JSON.
fn file(version: &Version, extension: &str) -> Vec<u8> {
    let name = format!("schemas/{}/v{}.{extension}", version.topic, version.number);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn schema(version: &Version) -> Schema {
    Schema::parse_str(version.text).unwrap()
}

/// A decoder of topic `avro`, and the schemas in a folder besides ours.
fn decoder(schemas: &[(SchemaId, &str)]) -> Decoder {
    let mut vocabulary = Vocabulary::standard();
    let own = [
        ("showroom".to_owned(), Type::Text),
        ("campaign".to_owned(), Type::Text),
    ];
    vocabulary.declare("Product Added", &own).unwrap();
    let attributes = BTreeMap::from([("tier".to_owned(), Type::Text)]);
    let decoder = Decoder::new(Arc::new(vocabulary), Arc::new(attributes));
    let known = Schemas::ours(decoder.times());
    for (id, text) in schemas {
        known.found(*id, text);
    }
    decoder.with_avro(BTreeSet::from(["avro".to_owned()]), known)
}

fn decode(decoder: &Decoder, topic: &str, payload: &[u8]) -> Result<Decoded, Reject> {
    let origin = Origin {
        topic,
        ..Origin::default()
    };
    decoder.decode(payload, &origin)
}

fn headed(id: SchemaId, datum: &[u8]) -> Vec<u8> {
    [&wire::head(id)[..], datum].concat()
}

/// The order of properties says nothing.
fn sorted(mut decoded: Decoded) -> Decoded {
    decoded.event.properties.sort_by_key(|(id, _)| *id);
    decoded
}

#[test]
fn every_sample_in_avro_is_the_event_of_its_json() {
    let decoder = decoder(&[]);
    for version in INPUTS {
        let avro = headed(version.id, &file(version, "avro"));
        let from_avro = sorted(decode(&decoder, "avro", &avro).unwrap());
        let from_json = sorted(decode(&decoder, "avro", &file(version, "json")).unwrap());
        assert_eq!(from_avro.defects, []);
        assert_eq!(from_avro, from_json, "{}", version.topic);
    }
}

/// Whether a new version may stand beside an old one: it reads whatever that wrote.
fn succeeds(old: &Schema, new: &Schema) -> bool {
    old.name() == new.name() && SchemaCompatibility::can_read(old, new) == Ok(Compatibility::Full)
}

#[test]
fn every_version_reads_what_older_ones_wrote() {
    for version in INPUTS.iter().chain(OUTPUTS) {
        let (old, sample) = (schema(version), file(version, "avro"));
        let all = INPUTS.iter().chain(OUTPUTS);
        let later =
            all.filter(|other| other.topic == version.topic && other.number >= version.number);
        for later in later {
            let new = schema(later);
            assert!(succeeds(&old, &new), "{} v{}", version.topic, later.number);
            let reader = GenericDatumReader::builder(&old).reader_schema(&new);
            let read = reader.build().unwrap().read_value(&mut sample.as_slice());
            assert!(
                read.is_ok(),
                "{} v{}: {read:?}",
                version.topic,
                later.number
            );
        }
    }
}

/// The cart's newest schema with one field put into its properties, or its timestamp changed.
fn changed(field: Option<&Value>, timestamp: Option<&Value>) -> Schema {
    let mut text: Value = serde_json::from_str(newest("cart").text).unwrap();
    let fields = text["fields"].as_array_mut().unwrap();
    for of_record in fields {
        if of_record["name"] == "properties" {
            let fields = of_record["type"][1]["fields"].as_array_mut().unwrap();
            fields.extend(field.cloned());
        }
        if let (true, Some(other)) = (of_record["name"] == "timestamp", timestamp) {
            of_record["type"] = other.clone();
        }
    }
    Schema::parse_str(&text.to_string()).unwrap()
}

#[test]
fn a_version_that_breaks_the_old_one_is_seen() {
    let old = schema(&newest("cart"));
    let nullable = json!({"name": "gift", "type": ["null", "boolean"], "default": null});
    let evolved = changed(Some(&nullable), None);
    assert!(succeeds(&old, &evolved));
    let reader = GenericDatumReader::builder(&old).reader_schema(&evolved);
    let sample = file(&newest("cart"), "avro");
    let read = reader.build().unwrap().read_value(&mut sample.as_slice());
    let types::Value::Record(fields) = read.unwrap() else {
        panic!("no record")
    };
    assert!(format!("{fields:?}").contains("(\"gift\", Union(0, Null))"));

    let without_default = json!({"name": "gift", "type": "boolean"});
    assert!(!succeeds(&old, &changed(Some(&without_default), None)));
    assert!(!succeeds(&old, &changed(None, Some(&json!("string")))));
}

#[test]
fn the_newest_schemas_have_every_property_of_the_vocabulary() {
    let decoder = decoder(&[]);
    let standard = Vocabulary::standard();
    let mut missing: BTreeSet<String> = standard
        .properties()
        .map(|spec| spec.name.clone())
        .collect();
    for version in INPUTS {
        let Schema::Record(record) = schema(&newest(version.topic)) else {
            panic!("no record")
        };
        let properties = &record.fields[record.lookup["properties"]].schema;
        let Schema::Union(union) = properties else {
            panic!("properties may be null")
        };
        let Schema::Record(properties) = &union.variants()[1] else {
            panic!("properties are a record")
        };
        for field in properties
            .fields
            .iter()
            .filter(|field| field.name != "products")
        {
            let id = decoder.vocabulary().property_named(&field.name);
            let kind = decoder.vocabulary().property(id.unwrap()).kind;
            let Schema::Union(union) = &field.schema else {
                panic!("{} may be null", field.name)
            };
            let typed = match &union.variants()[1] {
                Schema::Boolean => Type::Bool,
                Schema::Double => Type::Number,
                Schema::String => Type::Text,
                Schema::TimestampMillis => Type::Time,
                other => panic!("{}: {other:?}", field.name),
            };
            assert_eq!(typed, kind, "{} of {}", field.name, version.topic);
            missing.remove(&field.name);
        }
    }
    assert_eq!(
        missing,
        BTreeSet::new(),
        "they want a new version of a schema"
    );
}

/// A producer's own schema: other order and types, fields of its own, and some of ours left out.
const FOREIGN: &str = r#"{"type": "record", "name": "Cart", "namespace": "com.example", "fields": [
    {"name": "shard", "type": {"type": "fixed", "name": "Shard", "size": 3}},
    {"name": "timestamp", "type": "long"},
    {"name": "device", "type": {"type": "enum", "name": "DeviceKind", "symbols": ["phone", "desk"]}},
    {"name": "properties", "type": {"type": "record", "name": "CartProperties", "fields": [
        {"name": "price", "type": "int"},
        {"name": "quantity", "type": ["null", "float"]},
        {"name": "showroom", "type": {"type": "enum", "name": "Showroom", "symbols": ["north", "south"]}},
        {"name": "campaign", "type": ["string", "null"]},
        {"name": "tags", "type": {"type": "map", "values": {"type": "array", "items": "bytes"}}},
        {"name": "product_id", "type": "string"}]}},
    {"name": "userId", "type": ["string", "null"]},
    {"name": "event", "type": "string"}]}"#;

fn foreign() -> types::Value {
    use types::Value as Avro;
    let record = |fields: Vec<(&str, Avro)>| {
        let named = fields
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value));
        Avro::Record(named.collect())
    };
    let tags = std::collections::HashMap::from([(
        "a".to_owned(),
        Avro::Array(vec![Avro::Bytes(vec![0xff])]),
    )]);
    record(vec![
        ("shard", Avro::Fixed(3, vec![1, 2, 3])),
        ("timestamp", Avro::Long(1_772_445_600_000)),
        ("device", Avro::Enum(1, "desk".to_owned())),
        (
            "properties",
            record(vec![
                ("price", Avro::Int(30)),
                ("quantity", Avro::Union(1, Box::new(Avro::Float(0.5)))),
                ("showroom", Avro::Enum(0, "north".to_owned())),
                (
                    "campaign",
                    Avro::Union(0, Box::new(Avro::String("spring".to_owned()))),
                ),
                ("tags", Avro::Map(tags)),
                ("product_id", Avro::String("teapot".to_owned())),
            ]),
        ),
        (
            "userId",
            Avro::Union(0, Box::new(Avro::String("ana".to_owned()))),
        ),
        ("event", Avro::String("Product Added".to_owned())),
    ])
}

#[test]
fn a_producers_own_schema_is_resolved() {
    let writer = Schema::parse_str(FOREIGN).unwrap();
    let made = GenericDatumWriter::builder(&writer).build().unwrap();
    let datum = made.write_value_to_vec(foreign()).unwrap();
    let decoder = decoder(&[(17, FOREIGN)]);
    let decoded = sorted(decode(&decoder, "avro", &headed(17, &datum)).unwrap());
    let as_json = json!({"event": "Product Added", "userId": "ana", "timestamp": 1_772_445_600_000_i64, "properties":
        {"price": 30, "quantity": 0.5, "showroom": "north", "campaign": "spring", "product_id": "teapot"}});
    let expected = decode(&decoder, "avro", as_json.to_string().as_bytes()).unwrap();
    assert_eq!(decoded, sorted(expected));
    // What the library resolves to our schema says the same, as far as our schema goes.
    let ours = schema(&newest("cart"));
    let reader = GenericDatumReader::builder(&writer).reader_schema(&ours);
    let resolved = reader.build().unwrap().read_value(&mut datum.as_slice());
    let resolved = format!("{:?}", resolved.unwrap());
    for said in [
        "(\"timestamp\", TimestampMillis(1772445600000))",
        "(\"price\", Union(1, Double(30.0)))",
        "(\"quantity\", Union(1, Double(0.5)))",
        "(\"messageId\", Union(0, Null))",
        "(\"type\", String(\"track\"))",
    ] {
        assert!(resolved.contains(said), "{said} in {resolved}");
    }
    assert_eq!(decoded.event.number(PropertyId::PRICE), Some(30.0));
}

#[test]
fn a_schema_that_cannot_be_read_says_why() {
    let cart =
        |fields: &str| format!(r#"{{"type": "record", "name": "Cart", "fields": [{fields}]}}"#);
    let with = |field: &str| {
        cart(&format!(
            r#"{{"name": "timestamp", "type": "long"}}, {{"name": "x", "type": {field}}}"#
        ))
    };
    let micros =
        r#"{"name": "timestamp", "type": {"type": "long", "logicalType": "timestamp-micros"}}"#;
    let table = [
        ("{".to_owned(), "it is no Avro schema"),
        ("\"string\"".to_owned(), "it is not a record"),
        (
            r#"{"type": "record", "name": "Basket", "fields": []}"#.to_owned(),
            "called `Basket`; expected one of Cart",
        ),
        (
            cart(r#"{"name": "timestamp", "type": "string"}"#),
            "cannot be read as our `Cart`: `timestamp` is string; expected timestamp-millis",
        ),
        (
            cart(""),
            "cannot be read as our `Cart`: it has no field `timestamp`",
        ),
        (
            cart(micros),
            "`timestamp` is timestamp-micros; expected timestamp-millis",
        ),
        (
            cart(r#"{"name": "timestamp", "type": {"type": "int", "logicalType": "date"}}"#),
            "`timestamp` is date; expected timestamp-millis",
        ),
        (with(r#"["null", "Cart"]"#), "it is recursive"),
        (
            with(r#"{"type": "array", "items": "null"}"#),
            "a list of what takes no bytes",
        ),
        (
            with(r#"{"type": "array", "items": {"type": "record", "name": "Void", "fields": []}}"#),
            "takes no bytes",
        ),
        (
            with(&format!(
                r#"{{"type": "array", "items": {{"type": "record", "name": "R", "fields": [{}{{"name": "b", "type": "boolean"}}]}}}}"#,
                (0..40)
                    .map(|i| format!(r#"{{"name": "n{i}", "type": "null"}},"#))
                    .collect::<String>()
            )),
            "fields that take no bytes",
        ),
    ];
    for (text, expected) in table {
        let decoder = decoder(&[(9, &text)]);
        let rejected = decode(&decoder, "avro", &headed(9, &[0])).unwrap_err();
        assert_eq!(
            (rejected.stage(), rejected.word()),
            ("decode", "incompatible_schema")
        );
        assert!(rejected.to_string().contains(expected), "{rejected}");
    }
}

#[test]
fn an_envelope_may_have_avro_in_it() {
    let avro = headed(newest("cart").id, &file(&newest("cart"), "avro"));
    let envelope = |data: &[u8]| {
        let data = base64::engine::general_purpose::STANDARD.encode(data);
        json!({"specversion": "1.0", "id": "1", "source": "/shop", "type": "basket",
            "datacontenttype": "application/avro", "data_base64": data})
        .to_string()
        .into_bytes()
    };
    let plain = decoder(&[]);
    let expected = decode(&plain, "avro", &avro).unwrap();
    assert_eq!(decode(&plain, "avro", &envelope(&avro)).unwrap(), expected);
    for (topic, data, word) in [
        ("json", &avro[..], "bad_json"),
        ("avro", &[0, 0, 0, 0, 9, 1], "unknown_schema"),
        ("avro", &[1], "bad_wire_format"),
    ] {
        let rejected = decode(&plain, topic, &envelope(data)).unwrap_err();
        assert_eq!(rejected.word(), word, "{topic}: {rejected}");
    }
    // Its schema is asked for before it is read.
    let schemas = Schemas::growing([]);
    let waiting = Decoder::new(Arc::default(), Arc::default())
        .with_avro(BTreeSet::from(["avro".to_owned()]), schemas);
    for (topic, payload, missing) in [
        ("avro", avro.clone(), Some(newest("cart").id)),
        ("avro", envelope(&avro), Some(newest("cart").id)),
        ("avro", envelope(b"{}"), None),
        ("avro", envelope(b"{}")[..20].to_vec(), None),
        ("avro", file(&newest("cart"), "json"), None),
        ("avro", headed(0x8000_0001, &avro), None),
        ("json", envelope(&avro), None),
    ] {
        assert_eq!(waiting.missing_schema(topic, &payload), missing, "{topic}");
    }
}

#[test]
fn what_is_not_in_wire_format_says_so() {
    let decoder = decoder(&[]);
    let json = file(&newest("cart"), "json");
    let datum = file(&newest("cart"), "avro");
    let id = newest("cart").id;
    let table: Vec<(&str, Vec<u8>, Result<(), &str>)> = vec![
        ("avro", headed(id, &datum), Ok(())),
        ("avro", json.clone(), Ok(())),
        ("avro", [b" \n", &json[..]].concat(), Ok(())),
        ("avro", datum.clone(), Err("bad_wire_format")),
        ("avro", vec![0, 0, 0], Err("bad_wire_format")),
        ("avro", b"hello".to_vec(), Err("bad_wire_format")),
        ("avro", b"{\"userId\":".to_vec(), Err("bad_json")),
        ("avro", headed(12, &datum), Err("unknown_schema")),
        ("avro", headed(0x8000_0001, &datum), Err("bad_wire_format")),
        (
            "avro",
            headed(id, &[&datum[..], &[0]].concat()),
            Err("bad_avro"),
        ),
        ("avro", headed(id, &[]), Err("bad_avro")),
        ("json", headed(id, &datum), Err("bad_json")),
        ("json", json, Ok(())),
    ];
    for (topic, payload, expected) in table {
        let decoded = decode(&decoder, topic, &payload).map(drop);
        assert_eq!(
            decoded.map_err(|it| it.word()),
            expected,
            "{topic}: {payload:?}"
        );
    }
    let hint = decode(&decoder, "json", &headed(id, &datum)).unwrap_err();
    assert!(
        hint.to_string().contains("set `format = \"avro\"`"),
        "{hint}"
    );
}

#[test]
fn half_a_record_is_no_event() {
    let decoder = decoder(&[(17, FOREIGN)]);
    for version in INPUTS {
        let payload = headed(version.id, &file(version, "avro"));
        for end in 5..payload.len() {
            let word = decode(&decoder, "avro", &payload[..end])
                .unwrap_err()
                .word();
            assert_eq!(word, "bad_avro", "{} up to {end}", version.topic);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Nothing that a producer sends breaks the decoder.
    #[test]
    fn any_bytes_are_an_event_or_refused(
        id in sample::select(vec![101, 201, 301, 401, 501, 601, 17]),
        datum in collection::vec(any::<u8>(), 0..300),
        flips in collection::vec((any::<sample::Index>(), any::<u8>()), 0..4),
    ) {
        let decoder = decoder(&[(17, FOREIGN)]);
        let _ = decode(&decoder, "avro", &headed(id, &datum));
        for version in INPUTS {
            let mut payload = headed(version.id, &file(version, "avro"));
            for (at, byte) in &flips {
                let at = 5 + at.index(payload.len() - 5);
                payload[at] = *byte;
            }
            prop_assert!(decode(&decoder, "avro", &payload).is_ok_and(|it| !it.event.customer.is_empty())
                || decode(&decoder, "avro", &payload).is_err());
        }
    }
}

#[test]
fn what_goes_out_is_the_sample() {
    let [treatments, decisions] = ["treatments", "decisions"].map(|topic| {
        let version = newest(topic);
        Form::avro(&version, version.id)
    });
    let encoder = Encoder::new(Publishing::default(), treatments, decisions);
    let decision = decision();
    let text = |version: &Version| serde_json::from_slice::<Value>(&file(version, "json")).unwrap();
    let [treatments, decisions] = ["treatments", "decisions"].map(newest);
    if std::env::var_os("MOMENTS_UPDATE_DOCS").is_some() {
        let write = |version: &Version, (record, _): (Vec<u8>, _)| {
            let Version { topic, number, .. } = version;
            let root = env!("CARGO_MANIFEST_DIR");
            fs::write(
                format!("{root}/schemas/{topic}/v{number}.avro"),
                &record[5..],
            )
            .unwrap();
        };
        write(&decisions, encoder.decision(&decision));
        write(&treatments, encoder.treatment(&decision).unwrap());
    }
    let as_json = serde_json::from_slice::<Value>(&decision.to_json()).unwrap();
    assert_eq!(as_json, text(&decisions));
    let (written, _) = encoder.decision(&decision);
    assert_eq!(written, headed(802, &file(&decisions, "avro")));
    let mut read = decision_json(&written).unwrap();
    // What is none of the types of the schema is a text there.
    read["treatment"]["data"]["more"] = serde_json::json!({ "a": [1] });
    assert_eq!(read, text(&decisions));
    let (as_json, _) = Encoder::default().treatment(&decision).unwrap();
    let as_json = serde_json::from_slice::<Value>(&as_json).unwrap();
    assert_eq!(as_json, text(&treatments));
    let (written, _) = encoder.treatment(&decision).unwrap();
    assert_eq!(written, headed(702, &file(&treatments, "avro")));
}

#[test]
fn what_is_taken_back_is_said_in_avro_as_in_json() {
    let version = newest("decisions");
    let encoder = Encoder::new(
        Publishing::default(),
        Form::Json,
        Form::avro(&version, version.id),
    );
    let treated = decision();
    let Outcome::Treat(command) = &treated.outcome else {
        panic!("it treats")
    };
    let withdrawal = Withdrawal::of(command.id, "email".into(), Undone::LateEvent);
    let withdrawn = Decision {
        outcome: Outcome::Withdraw(Box::new(withdrawal)),
        ..treated
    };
    let (written, _) = encoder.decision(&withdrawn);
    let as_json = serde_json::from_slice::<Value>(&withdrawn.to_json()).unwrap();
    assert_eq!(decision_json(&written), Some(as_json));
    // And version 1, as it still stands in topics.
    let first = &OUTPUTS
        .iter()
        .find(|it| (it.topic, it.number) == ("decisions", 1));
    let first = first.unwrap();
    let read = decision_json(&headed(801, &file(first, "avro"))).unwrap();
    assert_eq!(read["treatment"]["type"], "treatment");
}

/// What the samples of what goes out say.
fn decision() -> Decision {
    let at = |text: &str| Timestamp::parse(text).unwrap();
    let fields = |value: Value| {
        let fields = value.as_object().unwrap().iter();
        Fields(
            fields
                .map(|(name, value)| (name.as_str().into(), value.clone()))
                .collect(),
        )
    };
    // In the order of the sample: a JSON object here is sorted.
    let mut offer = fields(json!({"kind": "free-shipping", "valid_for": 259_200_000}));
    offer.0.sort_by_key(|(name, _)| name.len());
    let mut data = fields(
        json!({"products": ["teapot", "cup"], "value": 59.9, "cart": null, "first": false, "more": {"a": [1]}}),
    );
    data.0.sort_by_key(|(name, _)| {
        ["products", "value", "cart", "first", "more"]
            .iter()
            .position(|it| it == name)
    });
    let command = Command {
        id: "005fb19a-f8f1-5104-94fc-6368e84aa969".parse().unwrap(),
        channel: "email".into(),
        template: "basket-reminder".into(),
        offer,
        data,
        good_from: at("2026-03-02T12:00:00Z"),
        valid_until: at("2026-03-04T10:50:00Z"),
        addresses: fields(json!({"email": "ana@example.com"})),
        traceparent: "".into(),
    };
    Decision {
        customer: "ana".into(),
        trigger: "abandoned-basket".into(),
        generation: 1,
        occurrence: "2026-03-02T10:20:00.000Z".into(),
        moment_at: at("2026-03-02T10:50:00Z"),
        asked_at: at("2026-03-02T10:50:00Z"),
        decided_at: at("2026-03-02T12:00:00Z"),
        outcome: Outcome::Treat(Box::new(command)),
        evidence: Evidence::of(
            vec![EventRef {
                id: "m-2".into(),
                time: at("2026-03-02T10:20:00Z"),
            }],
            vec![("orders", json!(3))],
        ),
        revision: "b1f3827cf0680050".into(),
        segments: Vec::new(),
    }
}

mod writers;
