//! Dead letters by command: listed, looked into, mended, sent again once, and treated.

use serde_json::{Value, json};

use super::installation::Installation;
use crate::support::broker::KafkaBroker;
use crate::support::kafka::NewRecord;

const WELCOME: (&str, &str) = (
    "welcome",
    "trigger: welcome\nmoment: { event: Order Completed }\ntreatments: [{ channel: onsite, template: thanks }]\npolicy: { good_for: 3650d }\n",
);

fn listed(installation: &Installation, arguments: &[&str]) -> Vec<Value> {
    let arguments = [&["dead-letters", "list", "--format", "json"], arguments].concat();
    let text = installation.succeed(&arguments);
    text.lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

fn order(time: &str) -> Value {
    json!({"event": "Order Completed", "userId": "ana", "messageId": time, "timestamp": time,
        "properties": {"total": 10}})
}

/// One order without a time and some noise become letters; the address of the order's.
fn letters(installation: &Installation) -> String {
    let bad = NewRecord::keyed("ana", order("soon").to_string()).with_header("source", "shop");
    let noise = NewRecord::keyed("ben", b"\xff\x00".to_vec());
    let topic = installation.topic("purchase");
    installation.broker().produce(&topic, [bad, noise]);
    installation.wait_for("dead-letters", 2);
    let found = listed(
        installation,
        &["--reason", "invalid_time", "--stage", "validate"],
    );
    assert_eq!(found.len(), 1);
    let error = &found[0]["error"];
    assert_eq!(error["topic"], installation.topic("purchase"));
    assert_eq!(error["reason"], "invalid_time");
    found[0]["letter"].as_str().expect("an address").to_owned()
}

/// What `list` and `show` print.
fn look(installation: &Installation, letter: &str) {
    assert_eq!(listed(installation, &[]).len(), 2);
    assert_eq!(listed(installation, &["--limit", "1"]).len(), 1);
    let none = listed(installation, &["--since", "2100-01-01T00:00:00Z"]);
    assert_eq!(none, [Value::Null; 0]);
    let shown = installation.succeed(&["dead-letters", "show", letter]);
    assert!(
        shown.contains("invalid_time: `timestamp` is `soon`"),
        "{shown}"
    );
    assert!(shown.contains("source: shop"), "{shown}");
    let text = installation.succeed(&["dead-letters", "list", "--reason", "invalid_utf8"]);
    let noise = text.split(' ').next().expect("an address");
    let shown = installation.succeed(&["dead-letters", "show", noise]);
    assert!(shown.contains("ff00"), "{shown}");
}

/// Mends the letter's time and sends it again, which happens once.
fn mend(installation: &Installation, letter: &str, path: &str) {
    let said = installation.succeed(&["dead-letters", "replay", letter]);
    assert!(said.contains("it would be a dead letter again"), "{said}");
    assert!(said.contains("0 sent again; 1 not fit"), "{said}");
    let mend = ["dead-letters", "replay", letter, "--payload", path];
    let said = installation.succeed(&[&mend[..], &["--dry-run"]].concat());
    assert!(
        said.contains("0 sent again, as this was a dry run"),
        "{said}"
    );
    let said = installation.succeed(&mend);
    assert!(said.contains("1 sent again; 0 not fit"), "{said}");
    let treatments = installation.wait_for("treatments.onsite", 1);
    assert_eq!(treatments[0].key_text(), "ana");
    let said = installation.succeed(&mend);
    assert!(said.contains("0 sent again; 0 not fit"), "{said}");
    assert_eq!(listed(installation, &[]).len(), 1);
    assert_eq!(listed(installation, &["--replayed"]).len(), 2);
}

#[test]
fn a_letter_is_mended_and_sent_again_once() {
    let Some(broker) = KafkaBroker::shared() else {
        return;
    };
    let extra = "[time]\nclock = \"event\"\nidle_delay = \"200ms\"\n";
    let installation = Installation::new(broker, 2, &[WELCOME], extra);
    installation.create_topics();
    let _member = installation.start();
    let letter = letters(&installation);
    look(&installation, &letter);
    let path = installation.file("mended.json");
    std::fs::write(&path, order("2026-03-02T10:00:00Z").to_string()).expect("a file");
    let path = path.display().to_string();
    mend(&installation, &letter, &path);

    let purchases = installation.read("purchase");
    assert_eq!(purchases.len(), 3);
    let again = purchases.iter().find(|record| record.headers.len() == 2);
    let headers = again.expect("the one that was sent again").headers.iter();
    let headers: Vec<(&str, String)> = headers
        .map(|(name, value)| (name.as_str(), String::from_utf8_lossy(value).into_owned()))
        .collect();
    let letters = installation.topic("dead-letters");
    let from = format!("{letters}/{}", letter.replace(':', "/"));
    let source = ("source", "shop".to_owned());
    assert_eq!(headers, [source, ("moments.replayed.from", from)]);

    // With an editor, and once more where it is asked for.
    let edited = std::process::Command::new(env!("CARGO_BIN_EXE_moments"))
        .env("VISUAL", format!("cp {path}"))
        .args([
            "dead-letters",
            "replay",
            &letter,
            "--again",
            "--edit",
            "--config",
        ])
        .arg(installation.config())
        .output()
        .expect("moments runs");
    let said = String::from_utf8_lossy(&edited.stdout);
    assert!(said.contains("1 sent again"), "{edited:?}");
    assert_eq!(installation.read("purchase").len(), 4);
}
