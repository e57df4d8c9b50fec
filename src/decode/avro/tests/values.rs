//! Random values of a schema.

use std::collections::HashMap;

use apache_avro::Schema;
use apache_avro::schema::{InnerDecimalSchema, NamesRef, UuidSchema};
use apache_avro::types::Value as Avro;
use rand::RngExt as _;
use rand::seq::IndexedRandom as _;
use rand_pcg::Pcg64Mcg;

/// Texts that mean something somewhere, and some that do not.
const TEXTS: [&str; 12] = [
    "",
    "ana",
    "12",
    "-3.5",
    "true",
    "denied",
    "Europe/Madrid",
    "Ωμέγα",
    "identify",
    "2026-03-02T10:00:00Z",
    "a text that is longer than what a small string holds",
    "\u{0}",
];

/// When events happen, ms since 1970.
const NOW: i64 = 1_772_445_600_000;

/// A value of a schema, in a field of this name.
pub fn value(rng: &mut Pcg64Mcg, name: &str, schema: &Schema, names: &NamesRef<'_>) -> Avro {
    match schema {
        Schema::Null => Avro::Null,
        Schema::Boolean => Avro::Boolean(rng.random()),
        Schema::Int => Avro::Int(whole(rng) as i32),
        Schema::Date => Avro::Date(rng.random_range(-9..40_000)),
        Schema::TimeMillis => Avro::TimeMillis(rng.random_range(0..86_400_000)),
        Schema::Long if name == "timestamp" => Avro::Long(NOW),
        Schema::Long => Avro::Long(whole(rng)),
        Schema::TimestampMillis => Avro::TimestampMillis(whole(rng)),
        Schema::TimestampMicros => Avro::TimestampMicros(whole(rng)),
        Schema::Float => Avro::Float(whole(rng) as f32 / 8.0),
        Schema::Double => Avro::Double(match rng.random_range(0..12) {
            0 => f64::NAN,
            1 => f64::NEG_INFINITY,
            2 => -1.5,
            _ => f64::from(rng.random_range(0..10_000)) / 100.0,
        }),
        Schema::Bytes => Avro::Bytes(bytes(rng)),
        Schema::String => Avro::String(text(rng, name)),
        Schema::Uuid(UuidSchema::String) => Avro::Uuid(uuid::Uuid::from_u128(rng.random())),
        Schema::Fixed(fixed) => {
            let filled = (0..fixed.size).map(|_| rng.random()).collect();
            Avro::Fixed(fixed.size, filled)
        }
        Schema::Decimal(decimal) => {
            let size = match &decimal.inner {
                InnerDecimalSchema::Bytes => rng.random_range(1..6),
                InnerDecimalSchema::Fixed(fixed) => fixed.size,
            };
            let filled: Vec<u8> = (0..size).map(|_| rng.random()).collect();
            Avro::Decimal(filled.into())
        }
        Schema::Enum(of) => {
            let at = rng.random_range(0..of.symbols.len());
            Avro::Enum(at as u32, of.symbols[at].clone())
        }
        Schema::Union(union) => {
            let at = rng.random_range(0..union.variants().len());
            let inner = value(rng, name, &union.variants()[at], names);
            Avro::Union(at as u32, Box::new(inner))
        }
        Schema::Array(array) => {
            let count = match rng.random_range(0..40) {
                0 => 300,
                _ => rng.random_range(0..4),
            };
            let items = (0..count).map(|_| value(rng, "", &array.items, names));
            Avro::Array(items.collect())
        }
        Schema::Map(map) => {
            let keys = (0..rng.random_range(0..3)).map(|i| format!("Key{i}"));
            let keys: Vec<String> = keys.collect();
            let entries = keys.into_iter().map(|key| {
                let of = value(rng, "", &map.types, names);
                (key, of)
            });
            Avro::Map(entries.collect::<HashMap<_, _>>())
        }
        Schema::Record(record) => {
            let fields = record.fields.iter().map(|field| {
                let of = value(rng, &field.name, &field.schema, names);
                (field.name.clone(), of)
            });
            Avro::Record(fields.collect())
        }
        Schema::Ref { name: of } => value(rng, name, names[of], names),
        other => panic!("no schema of ours has {other:?}"),
    }
}

fn whole(rng: &mut Pcg64Mcg) -> i64 {
    match rng.random_range(0..8) {
        0 => rng.random(),
        1 => -1,
        2 => NOW,
        _ => rng.random_range(0..200),
    }
}

fn bytes(rng: &mut Pcg64Mcg) -> Vec<u8> {
    match rng.random_range(0..4) {
        0 => vec![0xff, 0xfe],
        _ => TEXTS.choose(rng).unwrap().as_bytes().to_vec(),
    }
}

fn text(rng: &mut Pcg64Mcg, name: &str) -> String {
    let usual = match name {
        "event" => "Product Added",
        "userId" => "ana",
        "type" => "track",
        _ => "",
    };
    match rng.random_range(0..8) {
        0..7 if !usual.is_empty() => usual.to_owned(),
        7 => "long ".repeat(300),
        _ => (*TEXTS.choose(rng).unwrap()).to_owned(),
    }
}
