//! From the tables of keys to JSON Schema.

use serde_json::{Map, Value, json};

use crate::document::keys::{Keys, Known, Need, Shape};

/// Texts longer than this have no bound worth saying.
const LENGTH_MAX: usize = 4096;

/// A mapping with these keys and no others.
fn mapping(keys: &Keys, named: &mut Map<String, Value>) -> Value {
    let properties: Map<String, Value> = keys
        .known
        .iter()
        .map(|known| (known.name.to_owned(), property(known, named)))
        .collect();
    let needed: Vec<_> = keys
        .known
        .iter()
        .filter(|known| known.need == Need::Required)
        .map(|known| known.name)
        .collect();
    let mut schema = json!({
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
    });
    if !needed.is_empty() {
        schema["required"] = needed.into();
    }
    schema
}

fn property(known: &Known, named: &mut Map<String, Value>) -> Value {
    let mut schema = shape(&known.shape, named);
    schema["description"] = known.about.into();
    if let Need::Default(value) = known.need {
        schema["default"] = serde_json::from_str(value).unwrap_or_else(|_| value.into());
    }
    schema
}

/// What a value looks like; shapes with a name go to `named`.
pub fn shape(of: &Shape, named: &mut Map<String, Value>) -> Value {
    match of {
        Shape::Text(bytes_max) if *bytes_max > LENGTH_MAX => {
            json!({ "type": "string", "minLength": 1 })
        }
        Shape::Text(bytes_max) => {
            json!({ "type": "string", "minLength": 1, "maxLength": bytes_max })
        }
        Shape::Form(pattern, example) => {
            json!({ "type": "string", "pattern": pattern, "examples": [example] })
        }
        Shape::Words(words) => json!({ "type": "string", "enum": words }),
        Shape::Bool => json!({ "type": "boolean" }),
        Shape::Whole(min, max) => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Shape::Number(min, max) => json!({ "type": "number", "minimum": min, "maximum": max }),
        Shape::Duration => json!({
            "type": "string",
            "pattern": r"^\s*([0-9]+\s*(ms|s|m|min|h|d|w)\s*)+$",
            "examples": ["30m", "7d"],
        }),
        Shape::Instant => json!({
            "type": "string",
            "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt ].+)?$",
            "examples": ["2026-03-02T10:00:00Z", "2026-03-02"],
        }),
        // `true` is an expression as well, and to YAML it is no text.
        Shape::Expression => json!({ "type": ["string", "boolean"] }),
        Shape::EventName => json!({ "allOf": [{ "$ref": "#/definitions/event" }] }),
        Shape::Values => json!({ "type": "object" }),
        Shape::Mapping(keys) => mapping(keys, named),
        Shape::OneOf(keys) => {
            let mut schema = mapping(keys, named);
            schema["minProperties"] = 1.into();
            schema["maxProperties"] = 1.into();
            schema
        }
        Shape::Open(keys) => {
            let mut schema = mapping(keys, named);
            schema["additionalProperties"] = true.into();
            schema
        }
        Shape::List(item, min, max) => {
            json!({ "type": "array", "items": shape(item, named), "minItems": min, "maxItems": max })
        }
        Shape::Either(shapes) => {
            let any: Vec<_> = shapes.iter().map(|of| shape(of, named)).collect();
            json!({ "anyOf": any })
        }
        Shape::Any => json!({}),
        Shape::Typed(name, schema) => {
            let mut schema = schema();
            if let Some(root) = schema.as_object_mut() {
                root.retain(|key, _| !["$schema", "title"].contains(&key.as_str()));
            }
            named.insert((*name).to_owned(), schema);
            json!({ "allOf": [{ "$ref": format!("#/definitions/{name}") }] })
        }
        Shape::Each(each) => {
            json!({ "type": "object", "additionalProperties": shape(each, named) })
        }
        Shape::Named(name, of) => {
            if !named.contains_key(*name) {
                // Holds the place, should the shape name itself.
                named.insert((*name).to_owned(), Value::Null);
                let made = shape(of, named);
                named.insert((*name).to_owned(), made);
            }
            json!({ "allOf": [{ "$ref": format!("#/definitions/{name}") }] })
        }
    }
}
