//! Erasure and consent by command, end to end: sent, committed, restored, replayed.

use serde_json::{Value, json};

use super::installation::{Installation, LIMIT, Member};
use crate::support::broker::KafkaBroker;
use crate::support::kafka::OwnedRecord;

const REMINDER: (&str, &str) = (
    "reminder",
    "trigger: reminder\nmoment: { absence: { of: Order Completed, after: Product Added, within: 30m } }\n\
     treatments: [{ channel: email, template: reminder }]\npolicy: { good_for: 3650d }\n",
);

fn at(minutes: i64) -> String {
    let time = moments::time::Timestamp(1_772_445_600_000).plus(minutes * 60_000);
    time.to_string()
}

fn added(customer: &str, minutes: i64) -> Value {
    json!({"type": "track", "event": "Product Added", "userId": customer, "timestamp": at(minutes),
        "messageId": format!("a-{customer}-{minutes}"), "properties": {"product_id": "p1", "price": 30}})
}

fn reasons(installation: &Installation, customer: &str) -> Vec<String> {
    let decisions = installation.read("decisions").into_iter();
    let hers = decisions.filter(|record| record.key_text() == customer);
    let reason = |record: OwnedRecord| {
        let decision: Value = serde_json::from_str(&record.text()).expect("JSON");
        decision["reason"].as_str().unwrap_or("treat").to_owned()
    };
    hers.map(reason).collect()
}

/// Time goes on in every partition.
fn pass(installation: &Installation, minutes: i64) {
    for name in ["later-0", "later-1", "later-2", "later-3"] {
        let view = json!({"event": "Product Viewed", "userId": name, "timestamp": at(minutes)});
        installation.produce("clickstream", [view]);
    }
}

fn status(member: &Member, customer: &str) -> u16 {
    let answer = member.get(&format!("/customers/{customer}"));
    answer.expect("an answer").0
}

/// Three customers with something in their baskets; one takes her consent back, one is erased.
fn begin(installation: &Installation) -> Member {
    for customer in ["ana", "ben", "eva"] {
        let grant = [
            "customers",
            "consent",
            customer,
            "--channel",
            "email",
            "--grant",
        ];
        installation.succeed(&[&grant[..], &["--at", &at(-60)]].concat());
        installation.produce("cart", [added(customer, 0)]);
    }
    let member = installation.start();
    let withdraw = [
        "customers",
        "consent",
        "eva",
        "--channel",
        "email",
        "--withdraw",
    ];
    let said = installation.succeed(&[&withdraw[..], &["--at", &at(9), "--wait"]].concat());
    assert!(said.contains("eva: committed"), "{said}");
    let said = installation.succeed(&["customers", "erase", "ana", "--at", &at(10), "--wait"]);
    assert!(said.contains("ana: committed"), "{said}");
    assert_eq!((status(&member, "ana"), status(&member, "ben")), (404, 200));
    let changelog = installation.read("-changelog");
    let mut hers = changelog
        .iter()
        .rev()
        .filter(|record| record.key_text() == "ana");
    assert_eq!(
        hers.next().map(|record| &record.value),
        Some(&None),
        "a tombstone"
    );
    member
}

#[test]
fn who_is_erased_by_command_is_gone_and_stays_gone() {
    let Some(broker) = KafkaBroker::shared() else {
        return;
    };
    let extra = "[time]\nclock = \"event\"\nidle_delay = \"200ms\"\n";
    let installation = Installation::new(broker, 2, &[REMINDER], extra);
    installation.create_topics();
    let mut member = begin(&installation);

    // What is older does not bring her back, in another process neither.
    assert!(member.process.terminate(LIMIT).success());
    installation.produce("cart", [added("ana", 5)]);
    let member = installation.start();
    pass(&installation, 600);
    let treatments = installation.wait_for("treatments.email", 1);
    let treated: Vec<String> = treatments.iter().map(OwnedRecord::key_text).collect();
    assert_eq!(treated, ["ben"]);
    installation.wait_for("decisions", 2);
    assert_eq!(reasons(&installation, "eva"), ["no_consent"]);
    assert_eq!(reasons(&installation, "ana"), [""; 0]);
    assert_eq!(status(&member, "ana"), 404);
    let metrics = member.get("/metrics").expect("an answer").1;
    let dropped = "moments_events_total{kind=\"dropped_as_erased\"} 1";
    assert!(metrics.contains(dropped), "{metrics}");

    // Afterwards she is a new customer, of whom nobody knows a consent.
    installation.produce("cart", [added("ana", 700)]);
    pass(&installation, 900);
    installation.wait_for("decisions", 3);
    assert_eq!(reasons(&installation, "ana"), ["no_consent"]);
    let decided = installation.read("decisions");
    let mut decided: Vec<String> = decided.iter().map(OwnedRecord::text).collect();
    let mut replayed = installation.replayed();
    decided.sort_unstable();
    replayed.sort_unstable();
    assert_eq!(decided, replayed, "the journal replays it");
}
