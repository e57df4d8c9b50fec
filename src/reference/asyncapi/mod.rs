//! The AsyncAPI 3 document of all topics: what comes in and what goes out, with keys, headers and payloads.
//!
//! Made from what records are decoded by (the vocabulary, the attributes, the limits) and from the configuration, so that it
//! says what this installation takes. Deliberately absent: servers, as who may reach the brokers is nobody's business here.

mod schemas;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value as Json, json};

use crate::avro::local;
use crate::config::{Config, Format, Input, InputKind};
use crate::decode::cloud_events::STRUCTURED_JSON;
use crate::encode::cloud_event::Mode;
use crate::event::{Type, Vocabulary};
use crate::mapping::Mappings;

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
    messages: Vec<String>,
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
            messages,
            about,
            action,
        } = channel;
        let held = messages.iter();
        let held = held.map(|name| (name.clone(), reference("messages", name)));
        let named = messages.iter();
        let named =
            named.map(|name| json!({ "$ref": format!("#/channels/{key}/messages/{name}") }));
        let mut object = json!({
            "address": address,
            "description": about,
            "messages": held.collect::<Map<_, _>>(),
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
                "messages": named.collect::<Vec<_>>(),
            }),
        );
    }
    let used: BTreeSet<&String> = all.iter().flat_map(|channel| &channel.messages).collect();
    let messages = messages(basis).into_iter();
    let messages = messages.filter(|message| used.contains(&message.name));
    let messages = messages.map(|message| (message.name.clone(), message.object()));
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "moments",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Customer events in, treatment commands out, each once. Every topic with customers in it is keyed \
                by customer, and its partition is murmur2 of the key.",
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
const AVRO: &str = "application/avro";
const BYTES: &str = "application/octet-stream";

/// The name of an Avro message of a topic that comes in.
fn in_avro(kind: InputKind) -> String {
    format!("{}InAvro", kind.section())
}

fn reference(kind: &str, name: &str) -> Json {
    json!({ "$ref": format!("#/components/{kind}/{name}") })
}

fn incoming(basis: &Basis<'_>, input: Input) -> Channel {
    let mapping = basis.mappings.of(&input.name);
    let about = match mapping {
        Some(mapping) => format!("Foreign records, by the mapping {}.", mapping.name),
        None if input.drives => {
            "Events of customers. Any event may be in any such topic.".to_owned()
        }
        None => {
            "Events of customers that do not move time: what is said of them, what senders report."
                .to_owned()
        }
    };
    let messages = match (mapping, input.format) {
        (Some(_), _) => vec!["foreign".to_owned()],
        (None, Format::Json) => vec!["event".to_owned()],
        (None, Format::Avro) => vec![in_avro(input.kind), "event".to_owned()],
    };
    Channel {
        key: input.kind.section().to_owned(),
        address: input.name,
        messages,
        about,
        action: "receive",
    }
}

/// The name of a topic; the usual one where it has none.
fn usual(name: &str, usual: &str) -> String {
    if name.is_empty() { usual } else { name }.to_owned()
}

fn channels(basis: &Basis<'_>) -> Vec<Channel> {
    let topics = &basis.config.topics;
    let inputs = topics.inputs().into_iter();
    let inputs = inputs.map(|input| incoming(basis, input));
    let outputs = [
        (
            "treatments",
            format!("{}.{{channel}}", topics.treatments),
            "treatment",
            "The commands of a channel, to be carried out, and those that take one back. Read them committed.",
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
            "reports",
            usual(&topics.reports, "reports"),
            "report",
            "What triggers did and brought, compacted: figures of one partition, which add up over partitions.",
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
    let output = |(key, address, message, about): (&str, String, &str, &str)| Channel {
        key: key.to_owned(),
        address,
        messages: match message {
            "treatment" => vec![message.to_owned(), "withdrawal".to_owned()],
            message => vec![message.to_owned()],
        },
        about: about.to_owned(),
        action: "send",
    };
    let control = Channel {
        key: "triggers".to_owned(),
        address: basis.config.control(),
        messages: vec!["set".to_owned()],
        about:
            "The sets of triggers that were published, which every process follows; one partition."
                .to_owned(),
        action: "receive",
    };
    let (everybody, copies) = of_everybody(basis);
    let all = inputs.chain(everybody).chain(outputs.map(output));
    all.chain(copies).chain([control]).collect()
}

/// The topics that tell what happened to everybody, those that bring rows, and the one to which both are copied.
fn of_everybody(basis: &Basis<'_>) -> (Vec<Channel>, Option<Channel>) {
    let topics = &basis.config.topics;
    let everybody = topics.everybody.iter().map(|(name, topic)| Channel {
        key: format!("everybody_{}", name.replace('.', "_")),
        address: name.clone(),
        messages: vec![match topic.mapping.as_os_str().is_empty() {
            true => "broadcast".to_owned(),
            false => "foreign".to_owned(),
        }],
        about: "What happened to everybody; without a key.".to_owned(),
        action: "receive",
    });
    let rows = topics.tables.iter().map(|name| Channel {
        key: format!("rows_{}", name.replace('.', "_")),
        address: name.clone(),
        messages: vec!["row".to_owned()],
        about: "Rows of reference tables, or entries of suppression lists; compacted.".to_owned(),
        action: "receive",
    });
    let copied = [
        ("broadcast", !topics.everybody.is_empty()),
        ("row", !topics.tables.is_empty()),
    ];
    let copied = copied.into_iter().filter(|(_, is_there)| *is_there);
    let copies = basis.config.broadcasts().map(|address| Channel {
        key: "broadcasts".to_owned(),
        address,
        messages: copied.map(|(name, _)| name.to_owned()).collect(),
        about: "What happened to everybody, and rows of tables, copied to each partition; for this program alone."
            .to_owned(),
        action: "send",
    });
    (everybody.chain(rows).collect(), copies)
}

/// What stands in a topic.
struct Message {
    name: String,
    title: &'static str,
    content_type: &'static str,
    headers: Json,
    payload: Json,
}

impl Message {
    fn object(self) -> Json {
        let key = match self.name.as_str() {
            "report" => {
                "What the row is of, and the partition: a later one of the same key replaces it."
            }
            "row" => {
                "The key of the row, or the entry: a later record of the same key replaces it."
            }
            _ => "The customer: her userId, else her anonymousId.",
        };
        let mut binding = json!({
            "key": { "type": "string", "description": key },
            "bindingVersion": BINDING,
        });
        if ["set", "broadcast"].contains(&self.name.as_str()) {
            binding["key"] = json!({ "type": "null" });
        }
        if self.payload.get("schemaFormat").is_some() {
            binding["schemaIdLocation"] = "payload".into();
            binding["schemaIdPayloadEncoding"] = "confluent".into();
        }
        json!({
            "name": self.name,
            "title": self.title,
            "contentType": self.content_type,
            "headers": { "type": "object", "properties": self.headers },
            "payload": self.payload,
            "bindings": { "kafka": binding },
        })
    }
}

/// The newest Avro schema of a topic.
fn avro(topic: &str) -> Json {
    let schema: Json = serde_json::from_str(local::newest(topic).text).unwrap_or_default();
    json!({ "schemaFormat": "application/vnd.apache.avro;version=1.9.0", "schema": schema })
}

fn messages(basis: &Basis<'_>) -> Vec<Message> {
    let message = |name: &str, title, content_type, headers, payload| Message {
        name: name.to_owned(),
        title,
        content_type,
        headers,
        payload,
    };
    let bytes = |about: &str| json!({ "description": about });
    let foreign = bytes("JSON, as the topic's mapping reads it.");
    let letter = bytes("The bytes of the record as it came.");
    let packed = bytes("Packed; none where the customer is gone.");
    let schema = |name| reference("schemas", name);
    let ours = |name, title, of| message(name, title, JSON, json!({}), schema(of));
    let came = schemas::event_headers;
    let set_aside = schemas::letter_headers();
    let mut messages = vec![
        message("event", "An event", JSON, came(), schema("Event")),
        message("foreign", "A foreign record", JSON, came(), foreign),
        message("letter", "A record set aside", BYTES, set_aside, letter),
        ours(
            "report",
            "Figures of a trigger, or of a part of it",
            "Report",
        ),
        ours("journal", "A transaction", "Journal"),
        message("state", "A packed profile", BYTES, json!({}), packed),
        ours("set", "A set of triggers", "TriggerSet"),
    ];
    let topics = &basis.config.topics;
    if !topics.everybody.is_empty() {
        let payload = schema("Event");
        messages.push(message("broadcast", "A broadcast", JSON, came(), payload));
    }
    if !topics.tables.is_empty() {
        let about =
            "What the row says, by the names of columns; none where there is no such row any more.";
        let payload = json!({ "type": ["object", "null"], "description": about });
        messages.push(message("row", "A row of a table", JSON, json!({}), payload));
    }
    let inputs = topics.inputs().into_iter();
    messages.extend(inputs.map(|input| {
        let (name, payload) = (in_avro(input.kind), avro(input.kind.section()));
        message(&name, "An event in Avro", AVRO, came(), payload)
    }));
    let mode = basis.config.publishing().mode;
    let out = |format, name, folder| match (format, mode) {
        (Format::Avro, _) => (AVRO, avro(folder)),
        (Format::Json, Mode::Structured) => (STRUCTURED_JSON, schemas::envelope(name)),
        (Format::Json, _) => (JSON, schema(name)),
    };
    let (kind, payload) = out(topics.treatments_format, "Treatment", "treatments");
    let headers = schemas::treatment_headers(mode);
    messages.push(message(
        "treatment",
        "A treatment command",
        kind,
        headers.clone(),
        payload,
    ));
    let (kind, payload) = out(topics.treatments_format, "Withdrawal", "treatments");
    let title = "A treatment command is taken back";
    messages.push(message("withdrawal", title, kind, headers, payload));
    let (kind, payload) = out(topics.decisions_format, "Decision", "decisions");
    let headers = schemas::wrapping_headers(mode);
    messages.push(message("decision", "A decision", kind, headers, payload));
    messages
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

    #[test]
    fn what_is_in_avro_has_its_schema() {
        let mut config = Config::default();
        config.topics.cart.format = Format::Avro;
        config.topics.decisions_format = Format::Avro;
        let document = document(&Basis {
            config: &config,
            vocabulary: &Vocabulary::standard(),
            attributes: &BTreeMap::new(),
            mappings: &Mappings::default(),
        });
        let messages = document["channels"]["cart"]["messages"]
            .as_object()
            .unwrap();
        assert_eq!(messages.keys().collect::<Vec<_>>(), ["cartInAvro", "event"]);
        let messages = &document["components"]["messages"];
        assert_eq!(messages["cartInAvro"]["payload"]["schema"]["name"], "Cart");
        assert_eq!(messages["decision"]["contentType"], "application/avro");
        assert_eq!(messages["treatment"]["contentType"], "application/json");
        assert!(messages.get("supportInAvro").is_none());
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
