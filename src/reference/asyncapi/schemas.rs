//! JSON Schemas of payloads and headers: of events, from the vocabulary; of what goes out, held to it by a test.

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json, json};

use super::{Basis, reference};
use crate::encode::cloud_event::Mode;
use crate::event::record::{PRODUCT_FIELDS, TRACEPARENT, TRAITS};
use crate::event::vocabulary::{self, EventSpec};
use crate::event::{EventName, PropertyId, Type, Vocabulary, limits};
use crate::treatment::{Reason, Undone};
use crate::trigger::policy::Policy;
use crate::trigger::published;

/// Every schema, by name.
pub(super) fn all(basis: &Basis<'_>) -> Map<String, Json> {
    let vocabulary = basis.vocabulary;
    let named = vocabulary
        .events()
        .map(|spec| (key(&spec.name), call(vocabulary, spec)));
    let mut schemas: Map<String, Json> = named.collect();
    let names: Vec<Json> = schemas
        .keys()
        .map(|name| reference("schemas", name))
        .collect();
    let other = json!({
        "title": "Any other event",
        "description": "One that the vocabulary does not have: a sign of life, no more.",
        "type": "object",
        "required": ["event", "timestamp"],
        "properties": { "event": { "type": "string" } },
    });
    let any: Vec<Json> = names
        .into_iter()
        .chain([reference("schemas", "OtherEvent")])
        .collect();
    for (name, schema) in [
        ("OtherEvent", other),
        ("Event", json!({ "description": EVENT, "anyOf": any })),
        (
            "Id",
            json!({ "type": "string", "minLength": 1, "maxLength": limits::ID_BYTES }),
        ),
        ("Time", time()),
        ("Products", products()),
        ("Context", context()),
        ("Traits", traits(basis)),
        ("Treatment", treatment()),
        ("Withdrawal", withdrawal()),
        ("Decision", decision()),
        ("Evidence", evidence()),
        ("Report", report()),
        ("Journal", journal()),
        ("TriggerSet", set()),
    ] {
        schemas.insert(name.to_owned(), schema);
    }
    schemas
}

const EVENT: &str = "A call in Segment's format: track, identify, page or screen. What is not listed is passed over. Numbers may \
    be texts of numbers, and what cannot be read as its type counts as not known. CloudEvents may be around it.";

/// A name as a key of the document.
fn key(name: &str) -> String {
    let fits = |c: &char| c.is_ascii_alphanumeric();
    name.chars().filter(fits).collect()
}

/// The call that reports an event.
fn call(vocabulary: &Vocabulary, spec: &EventSpec) -> Json {
    let kind = match vocabulary.event_named(&spec.name) {
        Some(EventName::IDENTIFY) => "identify",
        Some(EventName::PAGE_VIEWED) => "page",
        Some(EventName::SCREEN_VIEWED) => "screen",
        _ => "track",
    };
    let mut required = vec!["timestamp"];
    let mut fields = json!({
        "type": { "const": kind },
        "userId": reference("schemas", "Id"),
        "anonymousId": reference("schemas", "Id"),
        "messageId": reference("schemas", "Id"),
        "timestamp": reference("schemas", "Time"),
        "context": reference("schemas", "Context"),
        "traits": reference("schemas", "Traits"),
    });
    if kind == "track" {
        required.push("event");
        fields["event"] = json!({ "const": spec.name });
    } else {
        required.push("type");
    }
    if kind != "identify" {
        let property = |id: &PropertyId| {
            let property = vocabulary.property(*id);
            (property.name.clone(), of(property.kind))
        };
        let mut properties = held(spec.properties.iter().map(property));
        properties.insert("products".to_owned(), reference("schemas", "Products"));
        fields["properties"] = json!({ "type": "object", "properties": properties });
    }
    json!({
        "title": spec.name,
        "type": "object",
        "required": required,
        "anyOf": [{ "required": ["userId"] }, { "required": ["anonymousId"] }],
        "properties": fields,
    })
}

/// What stands in an object, `guest.country`, under the object.
fn held(fields: impl Iterator<Item = (String, Json)>) -> Map<String, Json> {
    let mut all = Map::new();
    for (name, schema) in fields {
        let Some((object, name)) = name.split_once('.') else {
            all.insert(name, schema);
            continue;
        };
        let object = all
            .entry(object)
            .or_insert_with(|| json!({ "type": "object" }));
        object["properties"][name] = schema;
    }
    all
}

/// A type of the vocabulary.
fn of(kind: Type) -> Json {
    match kind {
        Type::Bool => json!({ "type": "boolean" }),
        Type::Number | Type::Duration => json!({ "type": "number" }),
        Type::Text => json!({ "type": "string" }),
        Type::Time => reference("schemas", "Time"),
        Type::Date => json!({ "type": "string", "format": "date" }),
        Type::List(item) => {
            json!({ "type": "array", "items": of(item.kind()), "maxItems": limits::LIST_ITEMS })
        }
    }
}

fn time() -> Json {
    let about = "RFC 3339 with an offset, or milliseconds or seconds since 1970. Of an event from 1990 to 2099; another may be a date.";
    json!({ "description": about, "anyOf": [{ "type": "string", "format": "date-time" }, { "type": "integer" }] })
}

fn products() -> Json {
    let field = |(name, kind): &(&str, Type)| ((*name).to_owned(), of(*kind));
    let fields: Map<String, Json> = PRODUCT_FIELDS.iter().map(field).collect();
    let product = json!({ "type": "object", "properties": fields });
    json!({ "type": "array", "maxItems": limits::PRODUCTS, "items": product })
}

fn context() -> Json {
    let text = || json!({ "type": "string" });
    json!({
        "type": "object",
        "properties": {
            "campaign": { "type": "object", "properties": { "source": text(), "medium": text(), "name": text() } },
            "device": { "type": "object", "properties": { "token": text() } },
            "locale": text(),
            "timezone": text(),
        },
    })
}

fn traits(basis: &Basis<'_>) -> Json {
    let own = TRAITS.iter().map(|name| {
        let schema = match *name {
            "address" => json!({ "type": ["string", "object"] }),
            "consent" => json!({
                "description": "By channel, or a list of the channels consented to.",
                "anyOf": [
                    { "type": "object", "additionalProperties": { "type": "boolean" } },
                    { "type": "array", "items": { "type": "string" } },
                ],
            }),
            _ => json!({ "type": "string" }),
        };
        ((*name).to_owned(), schema)
    });
    let declared = vocabulary::attributes(basis.attributes);
    let declared = declared.map(|(name, kind)| (name.to_owned(), of(kind)));
    let fields = held(own.chain(declared));
    json!({ "type": "object", "description": "Null changes nothing.", "properties": fields })
}

/// An object all of whose fields are there.
fn whole(fields: Json) -> Json {
    let Json::Object(fields) = fields else {
        return fields;
    };
    let names: Vec<&String> = fields.keys().collect();
    json!({ "type": "object", "required": names, "properties": fields })
}

fn instant() -> Json {
    json!({ "type": "string", "format": "date-time" })
}

fn treatment() -> Json {
    let (text, object) = (json!({ "type": "string" }), json!({ "type": "object" }));
    whole(json!({
        "type": { "const": "treatment" },
        "id": { "type": "string", "format": "uuid", "description": "Derived: the same moment has the same id, always." },
        "customer": reference("schemas", "Id"),
        "trigger": text,
        "generation": { "type": "integer" },
        "occurrence": { "type": "string", "description": "What makes the moment this one and no other." },
        "channel": text,
        "template": text,
        "offer": object,
        "data": object,
        "moment_at": instant(),
        "decided_at": instant(),
        "good_from": instant(),
        "valid_until": instant(),
        "addresses": { "type": "object", "description": "Those that consent allows.", "additionalProperties": { "type": "string" } },
        "evidence": reference("schemas", "Evidence"),
    }))
}

fn withdrawal() -> Json {
    let text = json!({ "type": "string" });
    whole(json!({
        "type": { "const": "withdrawal" },
        "id": { "type": "string", "format": "uuid", "description": "Derived from the id that it takes back: a command is taken back once." },
        "withdraws": { "type": "string", "format": "uuid", "description": "The id of the command that is taken back: it is not carried out any more, where it is not yet." },
        "customer": reference("schemas", "Id"),
        "trigger": text,
        "generation": { "type": "integer" },
        "occurrence": text,
        "channel": text,
        "reason": { "enum": Undone::ALL.map(Undone::word) },
        "moment_at": instant(),
        "decided_at": instant(),
        "evidence": reference("schemas", "Evidence"),
    }))
}

fn decision() -> Json {
    let text = json!({ "type": "string" });
    let words = Reason::ALL.map(Reason::word).into_iter();
    let words: BTreeSet<&str> = words.chain(Undone::ALL.map(Undone::word)).collect();
    let reasons: Vec<Json> = words
        .into_iter()
        .map(Json::from)
        .chain([Json::Null])
        .collect();
    whole(json!({
        "customer": reference("schemas", "Id"),
        "trigger": text,
        "generation": { "type": "integer" },
        "occurrence": text,
        "moment_at": instant(),
        "decided_at": instant(),
        "decision": { "enum": ["treat", "refuse", "withdraw"] },
        "reason": { "description": "Of a refusal, or of a withdrawal.", "enum": reasons },
        "treatment": {
            "description": "The command; of a refusal in shadow, the one that would have been sent; of `withdraw`, the command that takes the treatment back.",
            "anyOf": [reference("schemas", "Treatment"), reference("schemas", "Withdrawal"), { "type": "null" }],
        },
        "evidence": reference("schemas", "Evidence"),
        "revision": { "type": "string", "description": "Digest of what decided: triggers, policy, mappings, declared words." },
    }))
}

fn evidence() -> Json {
    let event = whole(json!({ "id": { "type": "string" }, "time": instant() }));
    whole(json!({ "events": { "type": "array", "items": event }, "facts": { "type": "object" } }))
}

fn report() -> Json {
    let count = || json!({ "type": "integer", "minimum": 0 });
    let number = || json!({ "type": "number" });
    let counts = |about: &str| json!({ "type": "object", "description": about, "additionalProperties": count() });
    let credited = || whole(json!({ "conversions": number(), "value": number() }));
    let arm = |about: &str| {
        let mut bounded =
            whole(json!({ "customers": count(), "value": number(), "squares": number() }));
        bounded["description"] = "Each held at the most that one is worth, where the trigger says that; for the interval of a lift in value.".into();
        let mut arm = whole(
            json!({ "customers": count(), "converted": count(), "value": number(), "bounded": bounded }),
        );
        arm["description"] = about.into();
        arm
    };
    let steps = json!({ "type": "object", "additionalProperties": whole(json!({
        "came": count(),
        "ways": counts("Where several lead on, by which."),
    })) });
    let mut journey =
        whole(json!({ "entered": count(), "steps": steps, "left": counts("By why.") }));
    journey["type"] = json!(["object", "null"]);
    journey["description"] =
        "What became of those who entered the journey: of whole triggers alone.".into();
    whole(json!({
        "trigger": { "type": "string" },
        "generation": count(),
        "treatment": { "type": ["string", "null"], "description": "Of the trigger, one treatment: `channel/template`." },
        "segment": { "type": ["string", "null"], "description": "Of those, customers who were in a segment when it was decided." },
        "partition": { "type": "integer", "description": "Of whose customers; sum over partitions." },
        "as_of": reference("schemas", "Time"),
        "moments": count(),
        "treated": count(),
        "withdrawn": count(),
        "refused": counts("By reason."),
        "reactions": counts("What senders and pages reported, and codes that were redeemed, by what it was."),
        "last_touch": credited(),
        "first_touch": credited(),
        "linear": credited(),
        "cost": number(),
        "customers": whole(json!({
            "treated": arm("Whose first exposure is over, treated."),
            "held_out": arm("The same, held out."),
        })),
        "journey": journey,
    }))
}

fn journal() -> Json {
    let ms = || json!({ "type": "integer", "description": "Milliseconds since 1970." });
    let run = json!({
        "description": "Topic, first offset, last offset.",
        "type": "array",
        "items": [{ "type": "string" }, { "type": "integer" }, { "type": "integer" }],
    });
    let mut step =
        whole(json!({ "runs": { "type": "array", "items": run }, "watermark": ms(), "now": ms() }));
    let place = |about| json!({ "type": "integer", "description": about });
    let slice = |about: &str| {
        let mut slice = whole(json!({
            "from": place("The first, counted from 0 in byte order of customers."),
            "to": place("The first that did not."),
        }));
        slice["description"] = about.into();
        slice
    };
    step["properties"]["adopt"] =
        slice("Which customers went over to the triggers of this revision.");
    step["properties"]["everybody"] =
        slice("Which customers were shown the record of the only run.");
    step["properties"]["beyond"] =
        place("Customers decided in the millisecond after the watermark; a later step goes on.");
    let mut line = whole(json!({
        "task": { "type": "integer" },
        "transaction": { "type": "integer" },
        "revision": { "type": "string" },
        "now": ms(),
        "steps": { "type": "array", "items": step },
    }));
    line["properties"]["version"] = place("Of the line; 1 where it is left out.");
    line["properties"]["kept"] = place(
        "Customers who changed in this transaction or later, and not before, were not written yet.",
    );
    line
}

/// What `moments triggers` publishes.
fn set() -> Json {
    let text = || json!({ "type": "string" });
    let file = whole(json!({ "name": text(), "text": text() }));
    whole(json!({
        "version": { "const": published::VERSION },
        "at": { "type": "integer", "description": "Milliseconds since 1970." },
        "what": { "type": "string", "description": "What was done." },
        "files": { "type": "array", "items": file },
        "policy": whole(Policy::schema()["properties"].take()),
    }))
}

/// An envelope around something.
pub(super) fn envelope(name: &str) -> Json {
    let text = json!({ "type": "string" });
    json!({
        "title": "A CloudEvent",
        "type": "object",
        "required": ["specversion", "id", "source", "type", "subject", "time", "datacontenttype", "data"],
        "properties": {
            "specversion": { "const": "1.0" },
            "id": text,
            "source": text,
            "type": text,
            "subject": text,
            "time": instant(),
            "datacontenttype": { "const": "application/json" },
            TRACEPARENT: text,
            "data": reference("schemas", name),
        },
    })
}

fn headers(names: &[(&str, &str)]) -> Json {
    let header = |(name, about): &(&str, &str)| {
        (
            (*name).to_owned(),
            json!({ "type": "string", "description": about }),
        )
    };
    Json::Object(names.iter().map(header).collect())
}

pub(super) fn event_headers() -> Json {
    headers(&[
        (TRACEPARENT, "W3C trace context; goes on to the treatment."),
        (
            "content-type",
            "application/cloudevents+json: the value is an envelope.",
        ),
        (
            "ce_specversion",
            "1.0: the record is a CloudEvent in binary mode.",
        ),
        ("ce_id", "Stands in for messageId."),
        ("ce_time", "Stands in for timestamp."),
        ("ce_subject", "Stands in for userId."),
    ])
}

pub(super) fn treatment_headers(mode: Mode) -> Json {
    let mut all = headers(&[
        ("id", "The command's id."),
        ("trigger", "Its trigger."),
        (TRACEPARENT, "W3C trace context."),
    ]);
    if let (Json::Object(all), Json::Object(more)) = (&mut all, wrapping_headers(mode)) {
        all.extend(more);
    }
    all
}

/// Headers of what goes out as a CloudEvent.
pub(super) fn wrapping_headers(mode: Mode) -> Json {
    match mode {
        Mode::Plain => json!({}),
        Mode::Structured => headers(&[("content-type", "application/cloudevents+json.")]),
        Mode::Binary => headers(&[
            ("content-type", "application/json, or application/avro."),
            ("ce_specversion", "1.0."),
            ("ce_id", "The command's id, which a decision has too."),
            ("ce_source", "Where it was made."),
            ("ce_type", "Treatment or decision."),
            ("ce_subject", "The customer."),
            ("ce_time", "When it was decided."),
            ("ce_traceparent", "Of a treatment."),
        ]),
    }
}

pub(super) fn letter_headers() -> Json {
    headers(&[
        ("__connect.errors.topic", "Where it stood."),
        ("__connect.errors.partition", "Where it stood."),
        ("__connect.errors.offset", "Where it stood."),
        (
            "__connect.errors.stage",
            "read, decode, map, validate, apply or restore.",
        ),
        (
            "__connect.errors.exception.class.name",
            "The reason, one word.",
        ),
        (
            "__connect.errors.exception.message",
            "The reason, a sentence.",
        ),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::moment::{EventRef, Evidence};
    use crate::time::Timestamp;
    use crate::treatment::{Command, Decision, Fields, Outcome, Withdrawal, command_id};
    use crate::trigger::published::Published;

    /// Every object has the fields that its schema names, and no others.
    fn fits(schema: &Json, value: &Json) {
        let names = |value: &Json| {
            value
                .as_object()
                .unwrap()
                .keys()
                .cloned()
                .collect::<Vec<_>>()
        };
        assert_eq!(names(&schema["properties"]), names(value));
    }

    #[test]
    fn what_goes_out_has_the_fields_of_its_schema() {
        let command = Command {
            id: command_id("t", 1, "ana", "m1"),
            channel: "email".into(),
            template: "hello".into(),
            offer: Fields::default(),
            data: Fields::default(),
            good_from: Timestamp(0),
            valid_until: Timestamp(1),
            addresses: Fields::default(),
            traceparent: "00".into(),
        };
        let seen = EventRef {
            id: "m1".into(),
            time: Timestamp(0),
        };
        let evidence = Evidence {
            events: vec![seen],
            facts: Vec::new(),
        };
        let made = Decision {
            customer: "ana".into(),
            trigger: "t".into(),
            generation: 1,
            occurrence: "m1".into(),
            moment_at: Timestamp(0),
            asked_at: Timestamp(0),
            decided_at: Timestamp(0),
            outcome: Outcome::Treat(Box::new(command)),
            evidence,
            revision: "r".into(),
            segments: Vec::new(),
        };
        let value: Json = serde_json::from_slice(&made.to_json()).unwrap();
        fits(&decision(), &value);
        fits(&treatment(), &value["treatment"]);
        let taken_back = Withdrawal::of(made.command().unwrap().id, "email".into(), Undone::Erased);
        let taken_back = Decision {
            outcome: Outcome::Withdraw(Box::new(taken_back)),
            ..made.clone()
        };
        let taken_back: Json = serde_json::from_slice(&taken_back.to_json()).unwrap();
        fits(&decision(), &taken_back);
        fits(&withdrawal(), &taken_back["treatment"]);
        fits(&super::evidence(), &value["evidence"]);
        let event = &super::evidence()["properties"]["events"]["items"];
        fits(event, &value["evidence"]["events"][0]);
        let line: Json = serde_json::from_str(
            r#"{"version":3,"task":0,"transaction":7,"revision":"r","now":1,"steps":[{"runs":[["cart",10,14]],"watermark":1,
                "now":1,"beyond":1,"adopt":{"from":0,"to":2},"everybody":{"from":0,"to":2}}],"kept":6}"#,
        )
        .unwrap();
        let read: crate::task::journal::Line = serde_json::from_value(line).unwrap();
        let value: Json = serde_json::from_slice(&read.to_json()).unwrap();
        fits(&journal(), &value);
        fits(
            &journal()["properties"]["steps"]["items"],
            &value["steps"][0],
        );
        let folder = tempfile::tempdir().unwrap();
        let published = Published::gather(folder.path(), Timestamp(0), Policy::default()).unwrap();
        let value: Json = serde_json::from_slice(&published.to_json()).unwrap();
        fits(&set(), &value);
        fits(&set()["properties"]["policy"], &value["policy"]);
    }
}
