//! Customers of four tasks who bring friends of other tasks on a real Kafka, with processes that are killed: both are told once, the
//! journal replays it, and a rehearsal of the same events says the same.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_json::{Value, json};

use super::installation::{Installation, LIMIT, Member};
use crate::support::broker::KafkaBroker;
use crate::support::kafka::OwnedRecord;
use moments::runtime::murmur2::partition;

const PARTITIONS: i32 = 4;
const PAIRS: usize = 40;

const SET: [(&str, &str); 4] = [
    (
        "friends",
        "referral: friends\ncode: { prefix: FRIEND- }\nof: Order Completed\n",
    ),
    (
        "gives",
        "trigger: gives\nmoment: { event: Product Reviewed }\npolicy: { good_for: 3650d, hold_out: 0% }\n\
         treatments: [{ channel: store, template: code, code: { referral: friends } }]\n",
    ),
    (
        "friend",
        "trigger: friend\nmoment: { event: Referral Accepted }\npolicy: { good_for: 3650d, hold_out: 0% }\n\
         treatments: [{ channel: onsite, template: welcome, code: { prefix: HELLO- } }]\n",
    ),
    (
        "thanks",
        "trigger: thanks\nmoment: { event: [Friend Referred, Referral Refused] }\npolicy: { good_for: 3650d, hold_out: 0% }\n\
         treatments: [{ channel: onsite, template: thanks, data: { event: event.event, reason: event.reason } }]\n",
    ),
];

fn call(name: &str, customer: &str, minutes: i64, properties: &Value) -> Value {
    let time = moments::time::Timestamp(1_772_445_600_000).plus(minutes * 60_000);
    json!({"type": "track", "event": name, "userId": customer, "timestamp": time.to_string(),
        "messageId": format!("{name}-{customer}-{minutes}"), "properties": properties})
}

/// A friend of another partition.
fn friend(customer: &str) -> String {
    let home = |id: &str| partition(id.as_bytes(), PARTITIONS);
    let mut ids = (0..).map(|number| format!("friend-of-{customer}-{number}"));
    let found = ids.find(|id| home(id) != home(customer));
    found.expect("murmur2 reaches every partition")
}

fn killed(installation: &Installation, mut member: Member) -> Member {
    member.process.kill9();
    installation.start()
}

fn value(record: &OwnedRecord) -> Value {
    serde_json::from_str(&record.text()).expect("JSON")
}

/// Whose decision it is, and what of: but for when it was decided, the same live and rehearsed.
fn told(decision: &Value) -> String {
    let parts = ["customer", "trigger", "occurrence", "moment_at", "decision"];
    parts.map(|part| decision[part].to_string()).join(" ")
}

#[test]
fn friends_of_other_tasks_are_told_once_whatever_is_killed() {
    let Some(broker) = KafkaBroker::shared() else {
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let key = folder.path().join("key");
    fs::write(&key, "what-only-the-shop-knows-0123456789abcdef").expect("a key");
    let extra = format!(
        "identities = \"{{id}}-identities\"\n[codes]\nkey_file = '{}'\n[time]\nclock = \"event\"\nidle_delay = \"200ms\"\n",
        key.display()
    );
    let installation = Installation::new(broker, PARTITIONS, &SET, &extra);
    installation.create_topics();
    let customers: Vec<String> = (0..PAIRS).map(|it| format!("customer-{it}")).collect();

    let member = installation.start();
    let reviews: Vec<Value> = customers
        .iter()
        .map(|it| call("Product Reviewed", it, 0, &json!({"product_id": "p1"})))
        .collect();
    installation.produce("clickstream", reviews.clone());
    let given = installation.wait_for("treatments.store", PAIRS);
    let codes: BTreeMap<String, Value> = given
        .iter()
        .map(|record| (record.key_text(), value(record)["offer"]["code"].clone()))
        .collect();
    assert_eq!(codes.len(), PAIRS);
    let member = killed(&installation, member);

    // Each brings the code of her friend; then one of another as well, and whose it is her own.
    let order = |customer: &str, minutes, code: &Value| {
        let said =
            json!({"order_id": format!("{customer}-{minutes}"), "total": 30, "coupon": code});
        call("Order Completed", customer, minutes, &said)
    };
    let firsts: Vec<Value> = customers
        .iter()
        .map(|it| order(&friend(it), 10, &codes[it]))
        .collect();
    installation.produce("purchase", firsts.clone());
    let member = killed(&installation, member);
    let other = |number: usize| &codes[&customers[(number + 1) % PAIRS]];
    let seconds: Vec<Value> = customers
        .iter()
        .enumerate()
        .flat_map(|(number, it)| {
            [
                order(&friend(it), 20, other(number)),
                order(it, 20, &codes[it]),
            ]
        })
        .collect();
    installation.produce("purchase", seconds.clone());
    let mut member = killed(&installation, member);
    // A welcome and a thank-you of each pair, and two refusals.
    let sent = installation.wait_for("treatments.onsite", 4 * PAIRS);
    let sent: Vec<Value> = sent.iter().map(value).collect();
    let of = |template: &str, reason: Value| -> BTreeSet<String> {
        let is_it = |it: &&Value| it["template"] == template && it["data"]["reason"] == reason;
        let its = sent.iter().filter(is_it);
        its.map(|it| it["customer"].as_str().expect("text").to_owned())
            .collect()
    };
    let friends: BTreeSet<String> = customers.iter().map(|it| friend(it)).collect();
    let all: BTreeSet<String> = customers.into_iter().collect();
    assert_eq!(sent.len(), 4 * PAIRS);
    assert_eq!(of("welcome", Value::Null), friends);
    assert_eq!(of("thanks", Value::Null), all);
    assert_eq!(of("thanks", json!("already_referred")), friends);
    assert_eq!(of("thanks", json!("own_code")), all);

    member.wait_until_ready();
    assert!(member.process.terminate(LIMIT).success());
    says_the_same(&installation, &[reviews, firsts, seconds].concat());
}

/// The journal replays what was decided of these events, and a rehearsal of them decides the same.
fn says_the_same(installation: &Installation, events: &[Value]) {
    let decided = installation.read("decisions");
    let mut decided: Vec<String> = decided.iter().map(OwnedRecord::text).collect();
    let mut replayed = installation.replayed_with(&["-identities"]);
    decided.sort_unstable();
    replayed.sort_unstable();
    assert_eq!(decided, replayed, "the journal replays it");

    let events: String = events.iter().map(|event| format!("{event}\n")).collect();
    let [file, out] = ["all.jsonl", "out.jsonl"].map(|name| installation.file(name));
    fs::write(&file, events).expect("a file");
    let path = |path: &std::path::Path| path.display().to_string();
    let arguments = ["rehearse", "--out", &path(&out), &path(&file)].map(str::to_owned);
    installation.succeed(&arguments.each_ref().map(String::as_str));
    let lines = |text: &str| -> BTreeSet<String> {
        let decision = |line: &str| serde_json::from_str(line).expect("a decision");
        text.lines().map(|line| told(&decision(line))).collect()
    };
    let rehearsed = lines(&fs::read_to_string(&out).expect("decisions"));
    assert_eq!(lines(&decided.join("\n")), rehearsed, "so a rehearsal says");
}
