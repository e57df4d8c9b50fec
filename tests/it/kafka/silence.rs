//! A topic on which nothing comes while others flow: what did not come there proves nothing.

use serde_json::{Value, json};

use super::installation::{Installation, LIMIT, Member};
use crate::support::broker::KafkaBroker;
use crate::support::{unique, wait_until};

const REMINDER: (&str, &str) = (
    "reminder",
    "trigger: reminder\nmoment: { absence: { of: Order Completed, after: Product Added, within: 1h } }\n\
     treatments: [{ channel: onsite, template: basket }]\npolicy: { good_for: 3650d }\n",
);

fn event(name: &str, customer: &str, time: &str) -> Value {
    json!({"event": name, "userId": customer, "messageId": unique("message"),
        "timestamp": format!("2026-03-02T{time}:00Z"), "properties": {"product_id": "p", "total": 10}})
}

fn metric(member: &Member, line: &str) -> Option<f64> {
    let (_, text) = member.get("/metrics")?;
    let line = text.lines().find(|it| it.starts_with(line))?;
    line.rsplit(' ').next()?.parse().ok()
}

#[test]
fn time_waits_for_a_topic_whose_connector_died() {
    let Some(broker) = KafkaBroker::shared() else {
        return;
    };
    let extra = "[time]\nclock = \"event\"\nidle_delay = \"200ms\"\n";
    let installation = Installation::new(broker, 1, &[REMINDER], extra);
    let config = std::fs::read_to_string(installation.config()).expect("a configuration");
    let purchase = installation.topic("purchase");
    let name = format!("purchase.name = \"{purchase}\"\n");
    let config = config.replace(&name, &format!("{name}purchase.silence_max = \"2s\"\n"));
    std::fs::write(installation.config(), config).expect("a configuration");
    installation.create_topics();
    let member = installation.start();
    member.wait_until_ready();
    let silent = format!("moments_topic_silent{{topic=\"{purchase}\"}}");
    // One whose order comes in time, as far as anybody can tell, and one who has no order.
    installation.produce(
        "cart",
        [
            event("Product Added", "ana", "10:00"),
            event("Product Added", "ben", "10:00"),
        ],
    );
    wait_until("the topic to be silent while others are not", LIMIT, || {
        installation.produce("clickstream", [event("Product Viewed", "eva", "10:01")]);
        metric(&member, &silent) == Some(1.0)
    });
    installation.produce(
        "clickstream",
        ["dan", "eva"].map(|it| event("Product Viewed", it, "13:00")),
    );
    let taken = |topic: &str| {
        let lag = format!(
            "moments_lag_records{{partition=\"0\",topic=\"{}\"}}",
            installation.topic(topic)
        );
        metric(&member, &lag) == Some(0.0)
    };
    let ends = broker.watermarks(
        &installation.topic("clickstream"),
        crate::support::kafka::Isolation::ReadCommitted,
    );
    let views = format!(
        "moments_events_read_total{{topic=\"{}\"}}",
        installation.topic("clickstream")
    );
    #[expect(clippy::cast_precision_loss, reason = "some dozens")]
    let all = ends[0].1 as f64;
    wait_until("all of it to be taken", LIMIT, || {
        metric(&member, &views) == Some(all) && taken("clickstream")
    });
    assert_eq!(installation.read("decisions").len(), 0, "time went on");
    let (status, body) = member.get("/health/useful").expect("an answer");
    assert!(
        status == 503 && body.contains("nothing has come on topic"),
        "{body}"
    );
    assert_eq!(member.get("/health/ready").map(|it| it.0), Some(200));
    // The connector is back.
    installation.produce("purchase", [event("Order Completed", "ana", "10:30")]);
    let decisions = installation.wait_for("decisions", 1);
    assert_eq!(decisions.len(), 1);
    assert_eq!(decisions[0].key_text(), "ben");
    wait_until("it to be said", LIMIT, || {
        metric(&member, &silent) == Some(0.0)
    });
    let log = member.process.output();
    for line in [
        "nothing has come on a topic for its silence_max",
        "time goes on",
    ] {
        assert_eq!(log.matches(line).count(), 1, "{log}");
    }
}
