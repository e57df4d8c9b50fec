//! What others write: CloudEvents and foreign records in, CloudEvents out, on a real broker; and a producer that partitions
//! otherwise than by murmur2.

use std::collections::BTreeMap;

use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use serde_json::{Value, json};

use super::installation::{Installation, LIMIT};
use crate::support::broker::KafkaBroker;
use crate::support::kafka::{NewRecord, OwnedRecord};
use crate::support::wait_until;

const TRIGGERS: [(&str, &str); 1] = [(
    "thanks",
    "trigger: thanks\nmoment: { event: [Order Completed, Product Added] }\n\
     treatments: [{ channel: onsite, template: thanks }]\npolicy: { good_for: 3650d }\n",
)];

fn configuration(output: &str) -> String {
    let mapping = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/deploy/mappings/shopify-orders.yaml"
    );
    format!(
        "purchase.mapping = \"{mapping}\"\n[time]\nclock = \"event\"\nidle_delay = \"200ms\"\n\
         [cloudevents]\noutput = \"{output}\"\ntype_prefix = \"com.example\"\n"
    )
}

fn headers(record: &OwnedRecord) -> BTreeMap<&str, String> {
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    record
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), text(value)))
        .collect()
}

/// A basket in each mode of CloudEvents, an order of a shop, a hook that means nothing, and an order without a time.
fn produce(installation: &Installation) {
    let added = json!({"event": "Product Added", "properties": {"product_id": "p1", "price": 3}});
    let envelope = json!({"specversion": "1.0", "id": "e1", "source": "/shop", "type": "basket", "subject": "ana",
        "time": "2026-03-02T10:00:00Z", "data": added});
    let binary = [
        ("ce_specversion", "1.0"),
        ("ce_id", "e2"),
        ("ce_subject", "bea"),
        ("ce_time", "2026-03-02T10:01:00Z"),
        ("content-type", "application/json"),
    ];
    let binary = binary.iter().fold(
        NewRecord::keyed("bea", added.to_string()),
        |record, (name, value)| record.with_header(name, *value),
    );
    let broker = installation.broker();
    broker.produce(
        &installation.topic("cart"),
        [NewRecord::keyed("ana", envelope.to_string()), binary],
    );
    let hook = |key: &str, topic: &str, record: Value| {
        NewRecord::keyed(key, record.to_string()).with_header("X-Shopify-Topic", topic)
    };
    let order = json!({"id": 450_789_469, "created_at": "2026-03-02T11:02:00+01:00", "total_price": "409.94",
        "customer": {"id": 7}, "line_items": [{"product_id": 1, "price": "409.94", "quantity": 1}]});
    let untimely = json!({"id": 2, "created_at": "soon", "customer": {"id": 7}});
    broker.produce(
        &installation.topic("purchase"),
        [
            hook("7", "orders/create", order),
            hook("7", "inventory_levels/update", json!({"available": 3})),
            hook("7", "orders/create", untimely),
        ],
    );
}

#[test]
fn what_others_write_is_understood_and_what_goes_out_is_wrapped() {
    let Some(broker) = KafkaBroker::shared() else {
        return;
    };
    for output in ["binary", "structured"] {
        let installation = Installation::new(broker, 2, &TRIGGERS, &configuration(output));
        installation.create_topics();
        produce(&installation);
        let member = installation.start();
        let treatments = installation.wait_for("treatments.onsite", 3);
        let letters = installation.wait_for("dead-letters", 1);
        let decisions = installation.wait_for("decisions", 3);

        let mut found: Vec<String> = treatments
            .iter()
            .map(|treatment| checked(&installation, treatment, output))
            .collect();
        found.sort();
        assert_eq!(
            found,
            [
                "7 2026-03-02T10:02:00.000Z",
                "ana 2026-03-02T10:00:00.000Z",
                "bea 2026-03-02T10:01:00.000Z"
            ]
        );
        for decision in &decisions {
            let (subject, kind) = attributes(decision, output);
            assert_eq!(
                (subject, kind.as_str()),
                (decision.key_text(), "com.example.decision")
            );
        }

        let letter = headers(&letters[0]);
        assert_eq!(
            letters[0].text(),
            r#"{"created_at":"soon","customer":{"id":7},"id":2}"#
        );
        assert_eq!(letter["__connect.errors.stage"], "validate");
        assert_eq!(
            letter["__connect.errors.exception.class.name"],
            "invalid_time"
        );
        assert_eq!(letter["X-Shopify-Topic"], "orders/create");
        wait_until("the ignored hook to be counted", LIMIT, || {
            let metrics = member
                .get("/metrics")
                .map(|(_, text)| text)
                .unwrap_or_default();
            metrics.contains("moments_events_total{kind=\"ignored\"} 1")
        });

        let mut decided: Vec<String> = decisions.iter().map(OwnedRecord::text).collect();
        let mut replayed = installation.replayed();
        decided.sort();
        replayed.sort();
        assert_eq!(replayed, decided, "{output}");

        // What stands in headers is known to a rehearsal of the same records, too.
        let recording = installation.file("events.jsonl").display().to_string();
        let rehearsed = installation.command(&["rehearse", "--format", "json", &recording]);
        let summary: Value = serde_json::from_slice(&rehearsed.stdout).expect("a summary");
        assert_eq!(summary["events"], 3, "{summary}");
        assert_eq!(
            summary["rejected"],
            json!({"ignored": 1, "invalid_time": 1}),
            "{summary}"
        );
    }
}

/// Subject and type of a CloudEvent.
fn attributes(record: &OwnedRecord, output: &str) -> (String, String) {
    let headers = headers(record);
    if output == "binary" {
        assert_eq!(headers["content-type"], "application/json");
        return (headers["ce_subject"].clone(), headers["ce_type"].clone());
    }
    assert_eq!(headers["content-type"], "application/cloudevents+json");
    let envelope: Value = serde_json::from_str(&record.text()).expect("an envelope");
    assert!(envelope["data"].is_object());
    let text = |name: &str| envelope[name].as_str().expect("a text").to_owned();
    (text("subject"), text("type"))
}

/// Customer and time of a treatment, whose attributes agree with what is inside.
fn checked(installation: &Installation, treatment: &OwnedRecord, output: &str) -> String {
    let headers = headers(treatment);
    let value: Value = serde_json::from_str(&treatment.text()).expect("JSON");
    let is_binary = output == "binary";
    let attribute = |name: &str| match is_binary {
        true => headers[format!("ce_{name}").as_str()].clone(),
        false => value[name].as_str().unwrap_or_default().to_owned(),
    };
    let command = if is_binary { &value } else { &value["data"] };
    assert_eq!(attribute("specversion"), "1.0");
    assert_eq!(attribute("id"), command["id"].as_str().expect("an id"));
    assert_eq!(attribute("id"), headers["id"]);
    assert_eq!(attribute("type"), "com.example.treatment");
    assert_eq!(
        attribute("source"),
        format!("/moments/{}/treatments", installation.application_id())
    );
    assert_eq!(attribute("subject"), treatment.key_text());
    assert_eq!(
        attribute("time"),
        command["decided_at"].as_str().expect("a time")
    );
    assert_eq!(attribute("traceparent"), headers["traceparent"]);
    format!(
        "{} {}",
        attribute("subject"),
        command["moment_at"].as_str().expect("a time")
    )
}

#[test]
fn a_producer_that_partitions_otherwise_is_told() {
    let Some(broker) = KafkaBroker::shared() else {
        return;
    };
    let extra = "[time]\nclock = \"event\"\nidle_delay = \"200ms\"\n";
    let installation = Installation::new(broker, 4, &TRIGGERS, extra);
    installation.create_topics();
    let member = installation.start();
    member.wait_until_ready();
    // librdkafka's default is CRC32.
    let wrong: BaseProducer = installation.client().create().expect("a producer");
    let topic = installation.topic("purchase");
    let metric = |name: &str, topic: &str| -> u64 {
        let metrics = member
            .get("/metrics")
            .map(|(_, text)| text)
            .unwrap_or_default();
        let line = format!("{name}{{topic=\"{topic}\"}} ");
        let found = metrics
            .lines()
            .find_map(|text| text.strip_prefix(&line)?.parse().ok());
        found.unwrap_or(0)
    };
    let event = |customer: &str| json!({"event": "Order Completed", "userId": customer, "timestamp": "2026-03-02T10:00:00Z"});
    let mut sent = 0;
    wait_until("the alarm", LIMIT, || {
        sent += 1;
        let customer = format!("customer-{sent}");
        installation.produce("cart", [event(&customer)]);
        let value = event(&customer).to_string();
        wrong
            .send(BaseRecord::to(&topic).key(&customer).payload(&value))
            .expect("room in the queue");
        wrong.flush(LIMIT).expect("it is delivered");
        metric("moments_misplaced_keys_total", &topic) > 0
    });
    let cart = installation.topic("cart");
    wait_until("a right record to be looked at", LIMIT, || {
        metric("moments_sampled_keys_total", &cart) > 0
    });
    assert_eq!(metric("moments_misplaced_keys_total", &cart), 0);
    let log = member.process.output();
    let line = log
        .lines()
        .find(|line| line.contains("partitioner=murmur2_random"));
    let line = line.unwrap_or_else(|| panic!("no alarm in the log:\n{log}"));
    assert!(
        line.contains("WARN") && line.contains(&topic) && line.contains("misplaced="),
        "{line}"
    );
}
