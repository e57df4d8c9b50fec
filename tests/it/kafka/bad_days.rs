//! What happens around a process: a broker that freezes, topics that change, transactions that nobody ends.

use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions};
use rdkafka::client::DefaultClientContext;
use serde_json::{Value, json};

use moments::runtime::murmur2::partition;

use super::installation::{Installation, LIMIT, Member};
use crate::support::broker::KafkaBroker;
use crate::support::kafka::{NewRecord, OwnedRecord};
use crate::support::producing::Producer;
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
    let Some((status, body)) = member.get("/health/ready") else {
        return Some("it does not answer yet".to_owned());
    };
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

/// Zeros compress a ten thousandfold: a few kB in the log become what no process wants to hold.
#[test]
fn a_record_that_is_too_large_when_it_is_decompressed_is_passed_over() {
    let Some(broker) = KafkaBroker::shared() else {
        return;
    };
    let installation = installation(broker);
    let purchase = installation.topic("purchase");
    let member = installation.start();
    member.wait_until_ready();
    let before = metric(&member, "process_resident_memory_bytes");
    let client = broker.client().set("compression.type", "zstd").clone();
    let producer = Producer::new(&client);
    for _ in 0..8 {
        let bomb = NewRecord::keyed("ana", vec![0; 50 * 1024 * 1024]);
        producer.send(&purchase, [bomb]);
    }
    installation.produce("purchase", [order("ana")]);
    installation.wait_for("treatments.onsite", 1);
    let letters = installation.wait_for("dead-letters", 8);
    let header = |letter: &OwnedRecord, name: &str| {
        let mut headers = letter.headers.iter();
        let found = headers.find(|(known, _)| known.ends_with(name));
        found.map(|(_, value)| String::from_utf8_lossy(value).into_owned())
    };
    for letter in &letters {
        assert_eq!(header(letter, "class.name").as_deref(), Some("unreadable"));
        assert_eq!(header(letter, "errors.topic").as_ref(), Some(&purchase));
    }
    // They have no key, and so no order among partitions.
    let offset = |letter| header(letter, "errors.offset").and_then(|offset| offset.parse().ok());
    let mut offsets: Vec<Option<usize>> = letters.iter().map(offset).collect();
    offsets.sort_unstable();
    assert_eq!(offsets, (0..8).map(Some).collect::<Vec<_>>());
    let grown = metric(&member, "process_resident_memory_bytes").zip(before);
    let grown = grown.map(|(after, before)| after - before);
    assert!(
        grown.is_some_and(|bytes| bytes < 200e6),
        "{grown:?} bytes more"
    );
}

#[test]
fn a_topic_that_was_made_anew_is_refused_until_somebody_accepts_it() {
    let Some(broker) = KafkaBroker::shared() else {
        return;
    };
    let installation = installation(broker);
    let mut member = installation.start();
    member.wait_until_ready();
    installation.produce("purchase", (0..10).map(|_| order("ana")));
    installation.wait_for("treatments.onsite", 10);
    assert!(member.process.terminate(LIMIT).success());

    let purchase = installation.topic("purchase");
    broker.delete_topic(&purchase);
    broker.create_topic(&purchase, 2, &[("message.timestamp.type", "LogAppendTime")]);
    installation.produce("purchase", (0..30).map(|_| order("ana")));

    let mut member = installation.start();
    wait_for_reason(&member, "refused");
    let log = member.process.output();
    let said = log
        .lines()
        .find(|line| line.contains("was deleted and made anew"));
    let id = said.and_then(|line| line.split("accept_id = \"").nth(1)?.split('"').next());
    let id = id.unwrap_or_else(|| panic!("{log}")).to_owned();
    assert!(member.process.terminate(LIMIT).success());
    let member = installation.start_with(&["--set", &format!("topics.purchase.accept_id={id}")]);
    member.wait_until_ready();
    installation.wait_for("treatments.onsite", 40);
}

/// Another customer's page under her key, and then a damaged one, keep her task from starting, until she is set aside.
#[test]
#[expect(
    clippy::too_many_lines,
    reason = "one story, told from its beginning to its end"
)]
fn a_page_that_cannot_be_read_is_set_aside_by_command() {
    let Some(broker) = KafkaBroker::shared() else {
        return;
    };
    let installation = installation(broker);
    let mut member = installation.start();
    member.wait_until_ready();
    // Of one task.
    let ids: Vec<String> = (0..).map(|number| format!("c{number}")).take(9).collect();
    let task = |id: &String| partition(id.as_bytes(), 2);
    let mut of_one = ids.iter().filter(|id| task(id) == 1);
    let (ana, ben) = (of_one.next().expect("one"), of_one.next().expect("one"));
    installation.produce("purchase", [order(ana), order(ben)]);
    installation.wait_for("treatments.onsite", 2);
    assert!(member.process.terminate(LIMIT).success());
    let changelog = installation.topic("-changelog");
    let page = |id: &String| {
        let records = installation.read("-changelog");
        let last = records.into_iter().rfind(|it| it.key_text() == *id);
        last.and_then(|record| record.value).expect("a page")
    };
    let whole = installation.command(&["state", "quarantine", "--customer", ana]);
    let said = String::from_utf8_lossy(&whole.stderr).into_owned();
    assert!(
        !whole.status.success() && said.contains("is whole"),
        "{said}"
    );
    let mut damaged = page(ana);
    *damaged.last_mut().expect("bytes") ^= 1;
    for value in [page(ben), damaged] {
        let bad = NewRecord::keyed(ana.as_bytes(), value).in_partition(1);
        broker.produce(&changelog, [bad]);
        let member = installation.start();
        wait_for_reason(&member, "refused");
        let log = member.process.output();
        let command = log
            .lines()
            .find_map(|line| line.split("`moments ").nth(1)?.split('`').next());
        let command: Vec<String> = command
            .unwrap_or_else(|| panic!("{log}"))
            .split(' ')
            .map(str::to_owned)
            .collect();
        let command: Vec<&str> = command.iter().map(String::as_str).collect();
        drop(member);
        let dry = installation.succeed(&[&command[..], &["--dry-run"]].concat());
        assert!(
            dry.contains("lost with it") && dry.contains("nothing was changed"),
            "{dry}"
        );
        let done = installation.succeed(&command);
        assert!(done.contains("set aside"), "{done}");
    }
    let member = installation.start();
    member.wait_until_ready();
    let asked = |id: &String| member.get(&format!("/customers/{id}")).map(|it| it.0);
    // The one before was killed, and has its tasks for a session still.
    wait_until(
        "the one to be gone and the other to be there",
        LIMIT,
        || (asked(ana), asked(ben)) == (Some(404), Some(200)),
    );
    let letters = installation.wait_for("dead-letters", 2);
    for letter in &letters {
        let header = |name: &str| {
            let found = letter.headers.iter().find(|(it, _)| it.ends_with(name));
            found.map(|(_, value)| String::from_utf8_lossy(value).into_owned())
        };
        assert_eq!(letter.key_text(), *ana);
        assert_eq!(header("errors.topic").as_ref(), Some(&changelog));
        assert_eq!(header("class.name").as_deref(), Some("damaged_page"));
    }
    // She begins anew.
    installation.produce("purchase", [order(ana)]);
    installation.wait_for("treatments.onsite", 3);
    wait_until("her to be back", LIMIT, || asked(ana) == Some(200));
}
