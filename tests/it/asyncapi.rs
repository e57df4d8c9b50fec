//! The AsyncAPI document is one by AsyncAPI's own schema.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;

use flate2::read::GzDecoder;
use jsonschema::Validator;
use moments::config::{Config, Format};
use moments::event::Vocabulary;
use moments::mapping::Mappings;
use moments::reference::asyncapi::{Basis, document};
use serde_json::Value;

/// AsyncAPI's JSON Schema of its version 3.0.0.
const SCHEMA: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/fixtures/asyncapi-3.0.0.schema.json.gz"
);

fn validator() -> Validator {
    let mut text = String::new();
    let packed = File::open(SCHEMA).expect("the schema");
    GzDecoder::new(packed)
        .read_to_string(&mut text)
        .expect("a schema of text");
    let schema: Value = serde_json::from_str(&text).expect("JSON");
    jsonschema::validator_for(&schema).expect("a schema")
}

fn document_of(config: &Config) -> Value {
    document(&Basis {
        config,
        vocabulary: &Vocabulary::standard(),
        attributes: &BTreeMap::new(),
        mappings: &Mappings::default(),
    })
}

#[test]
fn the_document_of_all_topics_is_one_of_asyncapi() {
    let validator = validator();
    let errors = |document: &Value| -> Vec<String> {
        let errors = validator.iter_errors(document);
        errors.map(|error| error.to_string()).collect()
    };
    let mut config = Config::default();
    let document = document_of(&config);
    assert_eq!(errors(&document), [""; 0]);
    config.topics.cart.format = Format::Avro;
    config.topics.treatments_format = Format::Avro;
    assert_eq!(errors(&document_of(&config)), [""; 0]);
    // It would not pass what is none.
    let broken = document.to_string().replace("\"receive\"", "\"take\"");
    assert_ne!(
        errors(&serde_json::from_str(&broken).expect("JSON")),
        [""; 0]
    );
}
