//! One trace from an event to its command, as a collector sees it; and what the log says, and does not.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value as Any};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use serde_json::{Value, json};

use super::installation::{Installation, LIMIT};
use crate::support::broker::KafkaBroker;
use crate::support::kafka::{NewRecord, OwnedRecord};

const THANKS: (&str, &str) = (
    "thanks",
    "trigger: thanks\nmoment: { event: Order Completed }\ntreatments: [{ channel: onsite, template: thanks }]\npolicy: { good_for: 3650d }\n",
);
const ABANDONED: (&str, &str) = (
    "abandoned",
    "trigger: abandoned\nmoment: { absence: { of: Order Completed, after: Product Added, within: 30m } }\n\
     treatments: [{ channel: onsite, template: reminder }]\npolicy: { good_for: 3650d }\n",
);
/// Nobody asks for it here, but it is there to be let out.
const SECRET: &str = "open-sesame-4711";
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SPAN: &str = "b7ad6b7169203331";

/// A span that a collector got, and in whose name.
struct Received {
    service: String,
    span: Span,
}

/// A collector on a free port: its address, and what it gets.
fn collector() -> (String, Receiver<Received>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.set_nonblocking(true).expect("a listener");
    let address = format!("http://{}", listener.local_addr().expect("a port"));
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.expect("a runtime").block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
            let router = Router::new()
                .route("/v1/traces", post(take))
                .with_state(sender);
            axum::serve(listener, router).await
        })
    });
    (address, receiver)
}

async fn take(
    State(sender): State<Sender<Received>>,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    assert_eq!(headers[header::CONTENT_TYPE], "application/x-protobuf");
    let request = ExportTraceServiceRequest::decode(body).expect("protobuf");
    for resource in request.resource_spans {
        let attributes = resource
            .resource
            .map(|resource| resource.attributes)
            .unwrap_or_default();
        let service = attribute(&attributes, "service.name");
        for span in resource
            .scope_spans
            .into_iter()
            .flat_map(|scope| scope.spans)
        {
            // The test may be over.
            let _ = sender.send(Received {
                service: service.clone(),
                span,
            });
        }
    }
    StatusCode::OK
}

fn attribute(attributes: &[KeyValue], key: &str) -> String {
    let found = attributes.iter().find(|attribute| attribute.key == key);
    match found.and_then(|found| found.value.as_ref()) {
        Some(AnyValue {
            value: Some(Any::StringValue(text)),
        }) => text.clone(),
        Some(AnyValue {
            value: Some(Any::IntValue(number)),
        }) => number.to_string(),
        _ => String::new(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn traceparent(record: &OwnedRecord) -> &str {
    let found = record
        .headers
        .iter()
        .find(|(name, _)| name == "traceparent");
    let (_, value) = found.expect("a traceparent");
    std::str::from_utf8(value).expect("text")
}

fn event(name: &str, customer: &str, time: &str) -> Value {
    json!({"type": "track", "event": name, "userId": customer, "messageId": format!("{name}-{customer}"), "timestamp": time,
        "properties": {"order_id": "o1", "product_id": "p1", "total": 30, "price": 30, "quantity": 1}})
}

fn traced(customer: &str, flags: &str) -> NewRecord {
    let value = event("Order Completed", customer, "2026-03-02T10:00:00Z").to_string();
    NewRecord::keyed(customer, value)
        .with_header("traceparent", format!("00-{TRACE}-{SPAN}-{flags}"))
}

#[test]
fn a_trace_goes_from_the_event_to_its_command() {
    let Some(broker) = KafkaBroker::shared() else {
        return;
    };
    let (address, spans) = collector();
    let extra = format!(
        "[time]\nclock = \"event\"\nidle_delay = \"200ms\"\n[telemetry]\notlp_endpoint = \"{address}\"\n\
         [log]\nformat = \"json\"\nlevel = \"debug\"\n[kafka.properties]\n\"sasl.password\" = \"{SECRET}\"\n"
    );
    let installation = Installation::new(broker, 1, &[THANKS, ABANDONED], &extra);
    installation.create_topics();
    let mut member = installation.start();
    let purchase = installation.topic("purchase");
    // Ana's is recorded, Ben's is not. Eva's basket has no trace, and is looked at when an hour has passed.
    broker.produce(&purchase, [traced("ana", "01"), traced("ben", "00")]);
    installation.produce(
        "cart",
        [event("Product Added", "eva", "2026-03-02T10:00:00Z")],
    );
    installation.produce(
        "clickstream",
        [event("Product Viewed", "zoe", "2026-03-02T11:00:00Z")],
    );
    let onsite = installation.topic("treatments.onsite");
    let commands = installation.wait_for("treatments.onsite", 3);
    let of = |customer: &str| {
        let found = commands.iter().find(|record| record.key_text() == customer);
        traceparent(found.unwrap_or_else(|| panic!("no command for {customer}"))).to_owned()
    };

    let mut received: Vec<Received> = Vec::new();
    while received.len() < 3 {
        received.push(spans.recv_timeout(LIMIT).expect("a span"));
    }
    member.process.terminate(LIMIT);
    received.extend(spans.try_iter());
    let names = |found: &Received| found.span.name.clone();
    let mut all: Vec<String> = received.iter().map(names).collect();
    all.sort();
    let (process, send) = (format!("process {purchase}"), format!("send {onsite}"));
    assert_eq!(all, [process.clone(), send.clone(), send.clone()]);
    assert!(
        received
            .iter()
            .all(|found| found.service == installation.application_id())
    );

    // Ana's: producer, process, send; the command goes on from the last.
    let find = |name: &str, trace: &str| {
        let found = received
            .iter()
            .find(|found| found.span.name == name && hex(&found.span.trace_id) == trace);
        &found.unwrap_or_else(|| panic!("no {name} in {trace}")).span
    };
    let (process, sent) = (find(&process, TRACE), find(&send, TRACE));
    assert_eq!(hex(&process.parent_span_id), SPAN);
    assert_eq!(sent.parent_span_id, process.span_id);
    assert_eq!(of("ana"), format!("00-{TRACE}-{}-01", hex(&sent.span_id)));
    assert_eq!(
        attribute(&process.attributes, "messaging.kafka.offset"),
        "0"
    );
    assert_eq!(attribute(&sent.attributes, "moments.trigger"), "thanks");
    assert!(
        process.start_time_unix_nano > 0 && process.end_time_unix_nano >= sent.start_time_unix_nano
    );
    // Ben's goes on too, for whoever comes after, but is not recorded.
    assert!(of("ben").starts_with(&format!("00-{TRACE}-")) && of("ben").ends_with("-00"));
    // Eva's begins here.
    let own = of("eva");
    let own = find(&send, &own[3..35]);
    assert!(own.parent_span_id.is_empty());
    assert_eq!(attribute(&own.attributes, "moments.trigger"), "abandoned");

    the_log_is_json_without_secrets(&member.process.output());
}

fn the_log_is_json_without_secrets(log: &str) {
    assert!(!log.contains(SECRET), "the password is in the log");
    let mut messages = Vec::new();
    for line in log.lines() {
        let line: Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        for key in ["timestamp", "level", "target"] {
            assert!(line[key].is_string(), "no {key} in {line}");
        }
        messages.push(
            line["fields"]["message"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
        );
    }
    assert!(
        messages.iter().any(|message| message == "stopped"),
        "{messages:?}"
    );
}
