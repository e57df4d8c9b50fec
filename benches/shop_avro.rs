//! The shop's events as records of our own schemas.

use apache_avro::writer::datum::GenericDatumWriter;
use apache_avro::{Schema, types};
use moments::avro::{local, wire};
use moments::time::Timestamp;
use serde_json::Value;

/// Events in JSON, as [`shop::event`](super::shop::event) makes them, in wire format, with the ids of `schemas/`.
pub fn records(lines: &[String]) -> Vec<Vec<u8>> {
    let topics = ["clickstream", "cart", "purchase", "profile", "support"];
    let schemas = topics.map(|topic| Schema::parse_str(local::newest(topic).text).expect("ours"));
    let writers = schemas.each_ref().map(|schema| {
        let writer = GenericDatumWriter::builder(schema).build();
        writer.expect("ours")
    });
    let encode = |line: &String| {
        let mut event: Value = serde_json::from_str(line).expect("JSON");
        let at = match event["event"].as_str() {
            Some("Product Viewed") => 0,
            Some("Product Added") => 1,
            Some("NPS Answered") => 4,
            Some(_) => 2,
            None => 3,
        };
        let time = event["timestamp"].as_str().and_then(Timestamp::parse);
        event["timestamp"] = time.expect("a time").0.into();
        for name in ["quantity", "score"] {
            if let Some(number) = event["properties"][name].as_f64() {
                event["properties"][name] = number.into();
            }
        }
        // An index would put a null where there are none.
        let products = event.pointer_mut("/properties/products");
        for product in products.and_then(Value::as_array_mut).into_iter().flatten() {
            product["quantity"] = product["quantity"].as_f64().into();
        }
        if at == 3 {
            event
                .as_object_mut()
                .expect("an object")
                .remove("properties");
        }
        let record = types::Value::try_from(event)
            .expect("JSON")
            .resolve(&schemas[at])
            .expect("a record");
        let mut bytes = wire::head(local::newest(topics[at]).id).to_vec();
        bytes.extend(writers[at].write_value_to_vec(record).expect("a datum"));
        bytes
    };
    lines.iter().map(encode).collect()
}
