//! The AsyncAPI 3 document of all topics: what comes in and what goes out, with keys, headers and payloads.
//!
//! Made from what records are decoded by (the vocabulary, the attributes, the limits) and from the configuration, so that it
//! says what this installation takes. Deliberately absent: servers, as who may reach the brokers is nobody's business here.

mod schemas;

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use crate::config::Config;
use crate::event::decode::cloud_events::STRUCTURED_JSON;
use crate::event::{Type, Vocabulary};
use crate::mapping::Mappings;
use crate::treatment::cloud_event::Mode;

/// What the document is made from.
#[derive(Clone, Copy, Debug)]
pub struct Basis<'a> {
    /// Topics, and how what goes out is wrapped.
    pub config: &'a Config,
    /// Events and properties.
    pub vocabulary: &'a Vocabulary,
    /// The company's own attributes of customers.
    pub attributes: &'a BTreeMap<String, Type>,
    /// Topics whose records are foreign.
    pub mappings: &'a Mappings,
}

/// A topic: its key in the document, its address, what is in it, and whether it is read or written.
struct Channel {
    key: String,
    address: String,
    message: &'static str,
    about: String,
    action: &'static str,
}

/// The document.
#[must_use]
pub fn document(basis: &Basis<'_>) -> Json {
    let all = channels(basis);
    let (mut channels, mut operations) = (Map::new(), Map::new());
    for channel in &all {
        let Channel {
            key,
            address,
            message,
            about,
            action,
        } = channel;
        let mut object = json!({
            "address": address,
            "description": about,
            "messages": { *message: reference("messages", message) },
            "bindings": { "kafka": { "bindingVersion": BINDING } },
        });
        if address.contains("{channel}") {
            let about =
                "Of the treatment: email, push, sms, onsite, or any other that a trigger names.";
            object["parameters"] = json!({ "channel": { "description": about } });
        }
        channels.insert(key.clone(), object);
        operations.insert(
            format!("{action}.{key}"),
            json!({
                "action": action,
                "channel": { "$ref": format!("#/channels/{key}") },
                "messages": [{ "$ref": format!("#/channels/{key}/messages/{message}") }],
            }),
        );
    }
    let used = |name: &str| all.iter().any(|channel| channel.message == name);
    let messages = messages(basis)
        .into_iter()
        .filter(|message| used(message.name));
    let messages = messages.map(|message| (message.name.to_owned(), message.object()));
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "moments",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Customer events in, treatment commands out, each once. Every topic is keyed by customer, and \
                its partition is murmur2 of the key.",
            "license": { "name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0" },
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {
            "messages": messages.collect::<Map<_, _>>(),
            "schemas": schemas::all(basis),
        },
    })
}

/// The same in YAML.
///
/// # Errors
/// Where it cannot be written, which for such a tree does not happen.
pub fn yaml(basis: &Basis<'_>) -> Result<String, serde_saphyr::ser::Error> {
    serde_saphyr::to_string(&document(basis))
}

/// Of AsyncAPI's Kafka bindings.
const BINDING: &str = "0.5.0";
const JSON: &str = "application/json";
const BYTES: &str = "application/octet-stream";

fn reference(kind: &str, name: &str) -> Json {
    json!({ "$ref": format!("#/components/{kind}/{name}") })
}

fn channels(basis: &Basis<'_>) -> Vec<Channel> {
    let topics = &basis.config.topics;
    let inputs = topics.inputs().into_iter().map(|input| {
        let mapping = basis.mappings.of(&input.name);
        let about = match mapping {
            Some(mapping) => format!("Foreign records, by the mapping {}.", mapping.name),
            None if input.drives => "Events of customers. Any event may be in any such topic.".to_owned(),
            None => "Events of customers that do not move time: what is said of them, what senders report.".to_owned(),
        };
        Channel {
            key: format!("{:?}", input.kind).to_lowercase(),
            address: input.name,
            message: if mapping.is_some() { "foreign" } else { "event" },
            about,
            action: "receive",
        }
    });
    let outputs = [
        (
            "treatments",
            format!("{}.{{channel}}", topics.treatments),
            "treatment",
            "The commands of a channel, to be carried out. Read them committed.",
        ),
        (
            "decisions",
            topics.decisions.clone(),
            "decision",
            "Every decision with its reason, one a moment.",
        ),
        (
            "deadLetters",
            topics.dead_letters.clone(),
            "letter",
            "Records that are no event, as they came.",
        ),
        (
            "lateEvents",
            topics.late_events.clone(),
            "letter",
            "Events that came at or behind the watermark, as they came.",
        ),
        (
            "journal",
            basis.config.journal(),
            "journal",
            "What each transaction took, to be replayed; partition p is task p's.",
        ),
        (
            "changelog",
            basis.config.changelog(),
            "state",
            "The state, compacted; for this program alone.",
        ),
    ];
    let output = |(key, address, message, about): (&str, String, &'static str, &str)| Channel {
        key: key.to_owned(),
        address,
        message,
        about: about.to_owned(),
        action: "send",
    };
    inputs.chain(outputs.map(output)).collect()
}

/// What stands in a topic.
struct Message {
    name: &'static str,
    title: &'static str,
    content_type: &'static str,
    headers: Json,
    payload: Json,
}

impl Message {
    fn object(self) -> Json {
        let key = json!({ "type": "string", "description": "The customer: her userId, else her anonymousId." });
        json!({
            "name": self.name,
            "title": self.title,
            "contentType": self.content_type,
            "headers": { "type": "object", "properties": self.headers },
            "payload": self.payload,
            "bindings": { "kafka": { "key": key, "bindingVersion": BINDING } },
        })
    }
}

fn messages(basis: &Basis<'_>) -> Vec<Message> {
    let message = |name, title, content_type, headers, payload| Message {
        name,
        title,
        content_type,
        headers,
        payload,
    };
    let bytes = |about: &str| json!({ "description": about });
    let foreign = bytes("JSON, as the topic's mapping reads it.");
    let letter = bytes("The bytes of the record as it came.");
    let packed = bytes("Packed; none where the customer is gone.");
    let mode = basis.config.publishing().mode;
    let (out, envelope) = match mode {
        Mode::Structured => (STRUCTURED_JSON, true),
        _ => (JSON, false),
    };
    let payload = |name| match envelope {
        true => schemas::envelope(name),
        false => reference("schemas", name),
    };
    let (events, journal) = (
        reference("schemas", "Event"),
        reference("schemas", "Journal"),
    );
    let came = schemas::event_headers;
    let (command, decided) = (
        schemas::treatment_headers(mode),
        schemas::wrapping_headers(mode),
    );
    vec![
        message("event", "An event", JSON, came(), events),
        message("foreign", "A foreign record", JSON, came(), foreign),
        message(
            "treatment",
            "A treatment command",
            out,
            command,
            payload("Treatment"),
        ),
        message("decision", "A decision", out, decided, payload("Decision")),
        message(
            "letter",
            "A record set aside",
            BYTES,
            schemas::letter_headers(),
            letter,
        ),
        message("journal", "A transaction", JSON, json!({}), journal),
        message("state", "A packed profile", BYTES, json!({}), packed),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standard() -> Json {
        let (config, vocabulary) = (Config::default(), Vocabulary::standard());
        document(&Basis {
            config: &config,
            vocabulary: &vocabulary,
            attributes: &BTreeMap::new(),
            mappings: &Mappings::default(),
        })
    }

    /// Every `$ref` of a tree.
    fn references(tree: &Json, found: &mut Vec<String>) {
        match tree {
            Json::Object(fields) => {
                found.extend(fields.get("$ref").and_then(Json::as_str).map(str::to_owned));
                fields.values().for_each(|field| references(field, found));
            }
            Json::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }

    #[test]
    fn what_it_refers_to_is_there_and_what_is_there_is_referred_to() {
        let document = standard();
        let mut found = Vec::new();
        references(&document, &mut found);
        for reference in &found {
            let pointer = reference.trim_start_matches('#');
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
        for kind in ["messages", "schemas"] {
            for name in document["components"][kind].as_object().unwrap().keys() {
                let reference = format!("#/components/{kind}/{name}");
                assert!(found.contains(&reference), "{reference} is used by nobody");
            }
        }
    }

    #[test]
    fn it_says_what_this_installation_has() {
        let mut config = Config::default();
        config.topics.purchase.name = Some("orders".to_owned());
        config.topics.support.name = Some(String::new());
        config.cloudevents.output = crate::config::Output::Structured;
        let attributes = BTreeMap::from([("tier".to_owned(), Type::Text)]);
        let mut vocabulary = Vocabulary::standard();
        vocabulary
            .declare("Test Drive Booked", &[("showroom".to_owned(), Type::Text)])
            .unwrap();
        let document = document(&Basis {
            config: &config,
            vocabulary: &vocabulary,
            attributes: &attributes,
            mappings: &Mappings::default(),
        });
        assert_eq!(document["channels"]["purchase"]["address"], "orders");
        assert!(document["channels"].get("support").is_none());
        let schemas = &document["components"]["schemas"];
        assert_eq!(schemas["Traits"]["properties"]["tier"]["type"], "string");
        let booked = &schemas["TestDriveBooked"]["properties"]["properties"]["properties"];
        assert_eq!(booked["showroom"]["type"], "string");
        let treatment = &document["components"]["messages"]["treatment"];
        assert_eq!(treatment["contentType"], "application/cloudevents+json");
        assert_eq!(
            treatment["payload"]["properties"]["data"]["$ref"],
            "#/components/schemas/Treatment"
        );
    }
}
