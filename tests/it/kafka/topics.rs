//! `moments topics create` and `check`: what they say, and with which status they end.

use super::installation::Installation;
use crate::support::broker::KafkaBroker;

const WELCOME: (&str, &str) = (
    "welcome",
    "trigger: welcome\nmoment: { event: Order Completed }\ntreatments: [{ channel: email, template: thanks }]\n",
);

fn check(installation: &Installation) -> (bool, String) {
    let output = installation.command(&["topics", "check"]);
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

#[test]
fn topics_are_created_once_and_then_fit() {
    let Some(broker) = KafkaBroker::shared() else {
        return;
    };
    let installation = Installation::new(broker, 3, &[WELCOME], "");
    let (fit, said) = check(&installation);
    assert!(
        !fit && said.contains("missing: ") && said.contains("`moments topics create` makes them"),
        "{said}"
    );
    for verb in ["created", "exists"] {
        let output = installation.command(&["topics", "create"]);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        for topic in [
            "cart",
            "-changelog",
            "-journal",
            "decisions",
            "treatments.email",
            "dead-letters",
            "late-events",
        ] {
            let line = format!("{}: {verb}", installation.topic(topic));
            assert!(said.contains(&line), "{line} in {said}");
        }
    }
    assert_eq!(
        check(&installation),
        (true, "the topics are fit: 3 partitions\n".to_owned())
    );
}

#[test]
fn every_problem_is_said_at_once() {
    let Some(broker) = KafkaBroker::shared() else {
        return;
    };
    let installation = Installation::new(broker, 3, &[WELCOME], "");
    broker.create_topic(
        &installation.topic("cart"),
        2,
        &[("message.timestamp.type", "CreateTime")],
    );
    broker.create_topic(
        &installation.topic("purchase"),
        3,
        &[("message.timestamp.type", "LogAppendTime")],
    );
    broker.create_topic(
        &installation.topic("-changelog"),
        2,
        &[("cleanup.policy", "delete")],
    );
    broker.create_topic(
        &installation.topic("-journal"),
        3,
        &[("segment.bytes", "1048576")],
    );
    broker.create_topic(
        &installation.topic("dead-letters"),
        1,
        &[("max.message.bytes", "1000000")],
    );
    let (fit, said) = check(&installation);
    assert!(!fit);
    for expected in [
        "missing: ".to_owned(),
        format!("{} has 2", installation.topic("cart")),
        format!("{} has 3", installation.topic("purchase")),
        format!(
            "{}: cleanup.policy is `delete`",
            installation.topic("-changelog")
        ),
        format!(
            "(warning) {}: it is compacted late, so that restoring a task reads every customer many times over. Set what is \
             less: `kafka-configs --bootstrap-server {} --alter --topic {} --add-config min.cleanable.dirty.ratio=0.1,segment.bytes=16777216`",
            installation.topic("-changelog"),
            broker.bootstrap(),
            installation.topic("-changelog")
        ),
        format!(
            "{}: segment.bytes is 1048576, so that a large record",
            installation.topic("-journal")
        ),
        format!(
            "{}: max.message.bytes is 1000000",
            installation.topic("dead-letters")
        ),
        format!(
            "(warning) {}: message.timestamp.type is CreateTime",
            installation.topic("cart")
        ),
    ] {
        assert!(said.contains(&expected), "{expected} in {said}");
    }
    let output = installation.command(&["run"]);
    assert_eq!(output.status.code(), Some(1), "it does not start either");
}

#[test]
fn a_broker_that_is_not_there_is_said_to_be_so() {
    let Some(broker) = KafkaBroker::shared() else {
        return;
    };
    let installation = Installation::new(
        broker,
        1,
        &[WELCOME],
        "[kafka.properties]\n\"socket.timeout.ms\" = 1000\n",
    );
    let output = installation.command(&["topics", "check", "--set", "kafka.bootstrap=127.0.0.1:1"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !output.status.success() && said.contains("Kafka at 127.0.0.1:1 does not answer"),
        "{said}"
    );
}
