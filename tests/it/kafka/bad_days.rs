//! What happens around a process: a broker that freezes, topics that change, transactions that nobody ends.

use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions};
use rdkafka::client::DefaultClientContext;
use serde_json::{Value, json};

use super::installation::{Installation, LIMIT, Member};
use crate::support::broker::KafkaBroker;
use crate::support::kafka::NewRecord;
use crate::support::{unique, wait_until};

const WELCOME: (&str, &str) = (
    "welcome",
    "trigger: welcome\nmoment: { event: Order Completed }\ntreatments: [{ channel: onsite, template: thanks }]\n\
     policy: { good_for: 3650d }\n",
);
/// Longer than sessions and requests: a client that was frozen out has to begin anew.
const FROZEN: Duration = Duration::from_secs(35);

fn installation(broker: &'static KafkaBroker) -> Installation {
    let extra = "[time]\nclock = \"event\"\nidle_delay = \"200ms\"\n";
    let installation = Installation::new(broker, 2, &[WELCOME], extra);
    let config = std::fs::read_to_string(installation.config()).expect("a configuration");
    let config = config.replace("[kafka]\n", "[kafka]\nhanging_transaction = \"3s\"\n");
    std::fs::write(installation.config(), config).expect("a configuration");
    installation.create_topics();
    installation
}

fn order(customer: &str) -> Value {
    json!({"event": "Order Completed", "userId": customer, "messageId": unique("order"),
        "timestamp": "2026-03-02T10:00:00Z", "properties": {"total": 10}})
}

/// Why it is not ready; none where it is.
fn reasons(member: &Member) -> Option<String> {
    let (status, body) = member.get("/health/ready").expect("an answer");
    (status != 200).then_some(body)
}

fn wait_for_reason(member: &Member, reason: &str) {
    wait_until(&format!("the reason: {reason}"), LIMIT, || {
        reasons(member).is_some_and(|body| body.contains(reason))
    });
}

/// The value of a metric with these labels.
fn metric(member: &Member, name: &str) -> Option<f64> {
    let (_, text) = member.get("/metrics")?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.rsplit(' ').next()?.parse().ok()
}

#[test]
fn a_broker_that_freezes_for_long_is_found_again() {
    let Some(broker) = KafkaBroker::start() else {
        return;
    };
    // Ended by its pipe, with this process.
    let broker: &'static KafkaBroker = Box::leak(Box::new(broker));
    let installation = installation(broker);
    let member = installation.start();
    member.wait_until_ready();
    installation.produce("purchase", [order("ana")]);
    installation.wait_for("treatments.onsite", 1);
    broker.signal("STOP");
    let frozen = Instant::now();
    wait_for_reason(&member, "no broker has answered for");
    assert_eq!(metric(&member, "moments_brokers_reached"), Some(0.0));
    wait_until("it to be long", LIMIT, || frozen.elapsed() >= FROZEN);
    broker.signal("CONT");
    member.wait_until_ready();
    assert_eq!(metric(&member, "moments_brokers_reached"), Some(1.0));
    installation.produce("purchase", [order("ana")]);
    installation.wait_for("treatments.onsite", 2);
    broker.signal("KILL");
}

#[test]
fn a_topic_that_grows_or_goes_is_said() {
    let Some(broker) = KafkaBroker::shared() else {
        return;
    };
    let installation = installation(broker);
    let member = installation.start();
    member.wait_until_ready();
    let admin: AdminClient<DefaultClientContext> =
        installation.client().create().expect("a client");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let cart = installation.topic("cart");
    let (five, options) = ([NewPartitions::new(&cart, 5)], AdminOptions::new());
    let grown = admin.create_partitions(&five, &options);
    runtime.block_on(grown).expect("an answer");
    wait_for_reason(&member, "has 5 partitions and had 2");
    let unread = format!("moments_partitions_unread{{topic=\"{cart}\"}}");
    assert_eq!(metric(&member, &unread), Some(3.0));
    let support = installation.topic("support");
    let names = [support.as_str()];
    let gone = admin.delete_topics(&names, &options);
    runtime.block_on(gone).expect("an answer");
    wait_for_reason(&member, &format!("topic {support} is not there"));
    let log = member.process.output();
    assert!(log.contains("had 2 when this process started"), "{log}");
}

#[test]
fn a_transaction_that_nobody_ends_is_named() {
    let Some(broker) = KafkaBroker::shared() else {
        return;
    };
    let installation = installation(broker);
    let member = installation.start();
    member.wait_until_ready();
    let cart = installation.topic("cart");
    let hanging = broker.begin(
        &unique("gone"),
        [(cart.as_str(), NewRecord::keyed("ana", "{}").in_partition(1))],
    );
    let gauge = format!("moments_hanging_transactions{{topic=\"{cart}\"}}");
    wait_until("it to be counted", LIMIT, || {
        metric(&member, &gauge) == Some(1.0)
    });
    let log = member.process.output();
    let advice = format!("abort --topic {cart} --partition 1 --start-offset 0");
    assert!(log.contains(&advice), "{log}");
    hanging.abort();
    wait_until("it to be counted no more", LIMIT, || {
        metric(&member, &gauge) == Some(0.0)
    });
    drop(member);

    // In what a task is restored from.
    let changelog = installation.topic("-changelog");
    let hanging = broker.begin(
        &unique("gone"),
        [(
            changelog.as_str(),
            NewRecord::keyed("ana", "x").in_partition(0),
        )],
    );
    let member = installation.start();
    wait_until("it to be said", LIMIT, || {
        member
            .process
            .output()
            .contains(&format!("abort --topic {changelog} --partition 0"))
    });
    assert!(reasons(&member).is_some_and(|body| body.contains("restoring")));
    hanging.abort();
    member.wait_until_ready();
}
