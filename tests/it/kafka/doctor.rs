//! What the doctor finds around an installation, and whether a process says of itself that it gets on.

use serde_json::Value;

use super::installation::{Installation, LIMIT};
use crate::support::broker::KafkaBroker;
use crate::support::kafka::NewRecord;
use crate::support::{unique, wait_until};

const WELCOME: (&str, &str) = (
    "welcome",
    "trigger: welcome\nmoment: { event: Order Completed }\ntreatments: [{ channel: onsite, template: thanks }]\n",
);

fn installation(broker: &'static KafkaBroker) -> Installation {
    let extra = "useful_within = \"2s\"\n";
    let installation = Installation::new(broker, 2, &[WELCOME], "");
    let config = std::fs::read_to_string(installation.config()).expect("a configuration");
    let config = config.replace("[http]\n", &format!("[http]\n{extra}"));
    let config = config.replace("[kafka]\n", "[kafka]\nhanging_transaction = \"1s\"\n");
    std::fs::write(installation.config(), config).expect("a configuration");
    installation
}

/// Whether all is well, and the findings about one thing: health, what was found and how to mend it.
fn examined(installation: &Installation, about: &str, more: &[&str]) -> (bool, String) {
    let arguments = [&["doctor", "--json"], more].concat();
    let output = installation.command(&arguments);
    let found: Vec<Value> = serde_json::from_slice(&output.stdout).expect("findings");
    let of = found.iter().filter(|finding| finding["about"] == about);
    let lines: Vec<String> = of
        .map(|finding| {
            let text = |name: &str| finding[name].as_str().expect("text").to_owned();
            format!("{}: {}: {}", text("health"), text("found"), text("mend"))
        })
        .collect();
    (output.status.success(), lines.join("\n"))
}

/// A topic that was just made may not have its leader yet, so it is asked again.
#[track_caller]
fn finds(installation: &Installation, about: &str, more: &[&str], well: bool, expected: &[&str]) {
    wait_until(&format!("{about}: {expected:?}"), LIMIT, || {
        let (success, lines) = examined(installation, about, more);
        success == well && expected.iter().all(|part| lines.contains(part))
    });
}

#[test]
fn each_thing_that_is_wrong_is_found_with_how_to_mend_it() {
    let Some(broker) = KafkaBroker::shared() else {
        return;
    };
    let installation = installation(broker);
    let at = |installation: &Installation, about, expected: &[&str]| {
        finds(installation, about, &[], false, expected);
    };
    let nowhere = ["--set", "kafka.bootstrap=127.0.0.1:1"];
    let short = [&nowhere[..], &["--set", "kafka.call_timeout=2s"]].concat();
    finds(
        &installation,
        "brokers",
        &short,
        false,
        &["problem", "look at kafka.bootstrap"],
    );
    finds(
        &installation,
        "topics",
        &short,
        false,
        &["unasked: no broker answers"],
    );
    at(
        &installation,
        "topics",
        &["problem: missing", "`moments topics create` makes them"],
    );
    at(&installation, "lag", &["unasked: the topics are not fit"]);
    installation.create_topics();
    finds(
        &installation,
        "topics",
        &[],
        true,
        &["well: they are fit, with 2 partitions"],
    );
    finds(
        &installation,
        "group",
        &[],
        true,
        &["warning", "no process runs", "moments run"],
    );
    finds(&installation, "clocks", &[], true, &["well", "agree"]);
    let registry = ["--set", "schema_registry.url=http://127.0.0.1:1"];
    finds(
        &installation,
        "registry",
        &registry,
        false,
        &["problem", "does not answer", "[schema_registry]"],
    );
}

#[test]
fn what_waits_or_hangs_is_found() {
    let Some(broker) = KafkaBroker::shared() else {
        return;
    };
    let installation = installation(broker);
    installation.create_topics();
    installation.produce("cart", [serde_json::json!({"userId": "ana"})]);
    finds(
        &installation,
        "lag",
        &[],
        false,
        &[
            "problem: records wait",
            &installation.topic("cart"),
            "start processes",
        ],
    );
    let member = installation.start();
    member.wait_until_ready();
    wait_until("it to be well", LIMIT, || {
        examined(&installation, "lag", &[]) == (true, "well: no record waits: ".to_owned())
    });
    finds(&installation, "group", &[], true, &["has 1 members"]);
    let cart = installation.topic("cart");
    let open = broker.begin(
        &unique("gone"),
        [(cart.as_str(), NewRecord::keyed("ana", "{}").in_partition(1))],
    );
    let advice = format!("abort --topic {cart} --partition 1 --start-offset");
    wait_until("it to be found", LIMIT, || {
        let (well, lines) = examined(&installation, "transactions", &[]);
        !well && lines.contains(&advice)
    });
    open.abort();
    finds(&installation, "transactions", &[], true, &["well"]);
}

#[test]
fn a_process_that_does_not_get_on_says_so() {
    let Some(broker) = KafkaBroker::shared() else {
        return;
    };
    let installation = installation(broker);
    installation.create_topics();
    let member = installation.start();
    member.wait_until_ready();
    let useful = |member: &super::installation::Member| {
        let (status, body) = member.get("/health/useful")?;
        Some((status, serde_json::from_str::<Value>(&body).ok()?))
    };
    let (status, body) = useful(&member).expect("an answer");
    assert_eq!(
        (status, &body["status"]),
        (200, &Value::from("useful")),
        "{body}"
    );
    assert_eq!(body["tasks"].as_array().map(Vec::len), Some(2));
    drop(member);
    let changelog = installation.topic("-changelog");
    let page = NewRecord::keyed("ana", "x").in_partition(0);
    let open = broker.begin(&unique("gone"), [(changelog.as_str(), page)]);
    let member = installation.start();
    let reason = "task 0 is restoring and has not moved for";
    wait_until("it to be said", LIMIT, || {
        useful(&member)
            .is_some_and(|(status, body)| status == 503 && body.to_string().contains(reason))
    });
    let (_, body) = useful(&member).expect("an answer");
    assert!(!body["reasons"].to_string().contains("task 1"), "{body}");
    open.abort();
    member.wait_until_ready();
    wait_until("it to be useful", LIMIT, || {
        useful(&member).is_some_and(|(status, _)| status == 200)
    });
}

/// What somebody does who has nothing but the doctor's words.
#[test]
fn broken_set_ups_are_mended_as_it_says() {
    let Some(broker) = KafkaBroker::shared() else {
        return;
    };
    let installation = installation(broker);
    let mend = |about: &str, health: &str| {
        let output = installation.command(&["doctor", "--json"]);
        let found: Vec<Value> = serde_json::from_slice(&output.stdout).expect("findings");
        let of = found
            .iter()
            .find(|it| it["about"] == about && it["health"] == health);
        of.map(|it| it["mend"].as_str().expect("text").to_owned())
    };
    let quoted = |text: &str| text.split('`').nth(1).map(str::to_owned);
    // Topics are missing.
    let command = mend("topics", "problem")
        .and_then(|it| quoted(&it))
        .expect("a command");
    let words: Vec<&str> = command.split(' ').collect();
    assert_eq!(words[0], "moments", "{command}");
    installation.succeed(&words[1..]);
    assert_eq!(mend("topics", "problem"), None);
    // The changelog is not compacted.
    let changelog = installation.topic("-changelog");
    let set = |setting: &str| {
        let broker = installation.broker().bootstrap();
        format!(
            "kafka-configs --bootstrap-server {broker} --alter --topic {changelog} --add-config {setting}"
        )
    };
    broker.script(&set("cleanup.policy=delete"));
    let command = mend("topics", "problem")
        .and_then(|it| quoted(&it))
        .expect("a command");
    assert_eq!(command, set("cleanup.policy=compact"));
    broker.script(&command);
    assert_eq!(mend("topics", "problem"), None);
    // A topic that was read is made anew.
    let order = |customer: &str| {
        serde_json::json!({"event": "Order Completed", "userId": customer, "messageId": unique("order"),
        "timestamp": "2026-03-02T10:00:00Z", "properties": {"total": 10}})
    };
    let mut member = installation.start();
    member.wait_until_ready();
    installation.produce("purchase", ["ana", "ben", "eva", "dan"].map(order));
    installation.produce(
        "cart",
        ["ana", "ben", "eva", "dan"].map(|it| serde_json::json!({"userId": it})),
    );
    wait_until("them to be read", LIMIT, || {
        examined(&installation, "lag", &[]) == (true, "well: no record waits: ".to_owned())
    });
    assert!(member.process.terminate(LIMIT).success());
    broker.delete_topic(&installation.topic("purchase"));
    installation.create_topics();
    installation.produce("purchase", ["ana", "ben", "eva", "dan"].map(order));
    let mut advice = None;
    wait_until("the topic to be found", LIMIT, || {
        advice = mend("lag", "warning");
        advice.is_some()
    });
    let advice = advice.expect("waited for it");
    let id = advice
        .split("accept_id = \"")
        .nth(1)
        .and_then(|it| it.split('"').next());
    let accepted = format!("topics.purchase.accept_id={}", id.expect("an id"));
    let member = installation.start_with(&["--set", &accepted]);
    member.wait_until_ready();
    wait_until("it to be read", LIMIT, || mend("lag", "warning").is_none());
}
