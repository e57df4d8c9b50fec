//! What is no event goes to the dead letters as it was, with where it stood and why, and stops nobody.

use std::collections::BTreeMap;

use serde_json::json;

use super::installation::Installation;
use crate::support::broker::KafkaBroker;
use crate::support::kafka::NewRecord;

const WELCOME: (&str, &str) = (
    "welcome",
    "trigger: welcome\nmoment: { event: Order Completed }\ntreatments: [{ channel: onsite, template: thanks }]\npolicy: { good_for: 3650d }\n",
);

/// More than an event may have, less than the test's input topic takes.
const LARGE: usize = 3 * 1024 * 1024;
/// More than the test's dead letters take.
const HUGE: usize = 6 * 1024 * 1024;
const CONFIGURATION: &str = "[time]\nclock = \"event\"\nidle_delay = \"200ms\"\n[kafka.producer]\n\"compression.type\" = \"none\"\n";

fn order(rest: &str) -> Vec<u8> {
    format!(r#"{{"type":"track","event":"Order Completed","userId":"ana"{rest}}}"#).into_bytes()
}

/// Values, and the reason each is refused for.
fn impossible() -> Vec<(Option<Vec<u8>>, &'static str, &'static str)> {
    let nested = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let text = |text: &str| Some(text.as_bytes().to_vec());
    vec![
        (None, "decode", "empty"),
        (text("nonsense"), "decode", "bad_json"),
        (
            Some(b"{\"userId\":\"\xff\"}".to_vec()),
            "decode",
            "invalid_utf8",
        ),
        (text(&nested), "decode", "bad_json"),
        (
            text(r#"{"event":"Order Completed","timestamp":"2026-03-02T10:00:00Z"}"#),
            "validate",
            "no_customer",
        ),
        (Some(order("")), "validate", "no_time"),
        (
            Some(order(r#","timestamp":"9999-01-01T00:00:00Z""#)),
            "validate",
            "absurd_time",
        ),
        (
            Some(order(r#","timestamp":"soon""#)),
            "validate",
            "invalid_time",
        ),
        (Some(vec![b' '; LARGE]), "decode", "oversized"),
        (Some(vec![b'x'; HUGE]), "decode", "oversized"),
    ]
}

#[test]
fn what_is_no_event_is_set_aside_with_its_bytes_and_its_reason() {
    let Some(broker) = KafkaBroker::shared() else {
        return;
    };
    let installation = Installation::new(broker, 1, &[WELCOME], CONFIGURATION);
    // Made before the rest, to take what no producer should send.
    broker.create_topic(
        &installation.topic("purchase"),
        1,
        &[("max.message.bytes", "8388608")],
    );
    installation.create_topics();
    let record = |value: &Option<Vec<u8>>| {
        NewRecord {
            value: value.clone(),
            ..NewRecord::keyed("ana", "")
        }
        .with_header("source", "shop")
    };
    let impossible = impossible();
    broker.produce(
        &installation.topic("purchase"),
        impossible.iter().map(|(value, ..)| record(value)),
    );
    installation.produce(
        "purchase",
        [
            json!({"event": "Order Completed", "userId": "ana", "timestamp": "2026-03-02T10:00:00Z",
        "properties": {"order_id": "o1", "total": 10}}),
        ],
    );

    let member = installation.start();
    // The event after them all is treated.
    assert_eq!(installation.wait_for("treatments.onsite", 1).len(), 1);
    let letters = installation.wait_for("dead-letters", impossible.len());
    assert_eq!(letters.len(), impossible.len());
    for (offset, (letter, (value, stage, reason))) in letters.iter().zip(&impossible).enumerate() {
        let headers: BTreeMap<&str, String> = letter
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), String::from_utf8_lossy(value).into_owned()))
            .collect();
        assert_eq!(headers["source"], "shop");
        assert_eq!(
            headers["__connect.errors.topic"],
            installation.topic("purchase")
        );
        assert_eq!(headers["__connect.errors.partition"], "0");
        assert_eq!(headers["__connect.errors.offset"], offset.to_string());
        assert_eq!(
            (
                headers["__connect.errors.stage"].as_str(),
                headers["__connect.errors.exception.class.name"].as_str()
            ),
            (*stage, *reason)
        );
        assert!(!headers["__connect.errors.exception.message"].is_empty());
        assert_eq!(letter.key_text(), "ana");
        if value.as_ref().is_some_and(|value| value.len() == HUGE) {
            // Cut off, and said so: the letter is more than its topic takes.
            assert_eq!(headers["moments.value.bytes"], HUGE.to_string());
            assert_eq!(letter.value.as_ref().map(Vec::len), Some(5 * 1024 * 1024));
        } else {
            assert_eq!(&letter.value, value, "{reason}");
        }
    }
    let metrics = member.get("/metrics").expect("an answer").1;
    assert!(
        metrics.contains("moments_rejected_total{reason=\"oversized\"} 2"),
        "{metrics}"
    );
}
