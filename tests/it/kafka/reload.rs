//! Other triggers while it runs: taken up by every process between two transactions, and nothing decided by half a set.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use moments::config::Config;
use moments::runtime::control::Control;
use moments::time::Timestamp;
use moments::trigger::policy::Policy;
use moments::trigger::published::Published;
use moments::trigger::revision;
use serde_json::{Value, json};

use super::fault::checks::committed;
use super::fault::events::passers_by;
use super::fault::run::produce;
use super::installation::{Installation, LIMIT, Member};
use crate::support::broker::KafkaBroker;
use crate::support::wait_until;

const PARTITIONS: i32 = 4;
/// Customers with a basket in one half of a round.
const CUSTOMERS: usize = 40;
/// 2026-03-02T10:00:00Z.
const BEGIN_MS: i64 = 1_772_445_600_000;
const MINUTE_MS: i64 = 60_000;

fn abandoned(template: &str) -> String {
    format!(
        "trigger: abandoned-cart\nmoment: {{ absence: {{ of: Order Completed, after: Product Added, within: 30m }} }}\n\
         treatments: [{{ channel: onsite, template: {template} }}]\npolicy: {{ good_for: 30d }}\n"
    )
}

const VIEWED: &str = "trigger: viewed\nmoment: { event: Product Viewed }\n\
    treatments: [{ channel: onsite, template: again }]\npolicy: { good_for: 30d }\n";

fn write(directory: &Path, files: &[(&str, &str)]) {
    fs::create_dir_all(directory).expect("a directory");
    for (name, text) in files {
        fs::write(directory.join(name), text).expect("a trigger file");
    }
}

/// Baskets left at this minute, and somebody who passes by so much later that each is abandoned.
fn shop(installation: &Installation, minute: i64) {
    let time = |minutes: i64| Timestamp(BEGIN_MS + minutes * MINUTE_MS);
    let added = (0..CUSTOMERS).map(|number| {
        json!({"type": "track", "event": "Product Added", "userId": format!("c{number}"), "timestamp": time(minute),
            "messageId": format!("a-{number}-{minute}"), "properties": {"product_id": "p1", "price": 30, "quantity": 1}})
    });
    installation.produce("cart", added);
    produce(
        installation,
        &passers_by(PARTITIONS, time(minute + 60).0),
        false,
    );
}

fn number_in_force(member: &Member) -> Option<u64> {
    let (_, metrics) = member.get("/metrics")?;
    let mut lines = metrics.lines();
    let line = lines.find_map(|line| line.strip_prefix("moments_triggers_revision "));
    line?.parse().ok()
}

/// Publishes something in the middle of a load; gives the number of the set once both processes go by it.
fn publish(installation: &Installation, members: &[Member; 2], arguments: &[&str], number: u64) {
    let said = installation.succeed(&[&["triggers"], arguments].concat());
    assert!(
        said.contains(&format!("published as set {number}")),
        "{said}"
    );
    wait_until(&format!("set {number} in force"), LIMIT, || {
        members.iter().all(|it| number_in_force(it) == Some(number))
    });
}

/// Numbers, triggers and reasons of decisions, by partition in order of offset.
fn decisions(installation: &Installation) -> BTreeMap<i32, Vec<(u64, String, String)>> {
    let mut by_partition: BTreeMap<i32, Vec<_>> = BTreeMap::new();
    for record in installation.read("decisions") {
        let decision: Value = serde_json::from_str(&record.text()).expect("JSON");
        let word = |name: &str| decision[name].as_str().unwrap_or_default().to_owned();
        let number = revision::number(&word("revision"));
        let decided = (number, word("trigger"), word("reason"));
        by_partition
            .entry(record.partition)
            .or_default()
            .push(decided);
    }
    by_partition
}

#[test]
fn other_triggers_are_taken_up_in_the_middle_of_a_load() {
    let Some(broker) = KafkaBroker::shared() else {
        return;
    };
    let first = abandoned("first");
    let config = "[time]\nclock = \"event\"\nidle_delay = \"200ms\"\n";
    let installation = Installation::new(broker, PARTITIONS, &[("abandoned-cart", &first)], config);
    installation.create_topics();
    let mut members = [installation.start(), installation.start()];
    members.iter().for_each(Member::wait_until_ready);
    let directory = installation.file("published");
    write(
        &directory,
        &[
            ("abandoned-cart.yaml", &abandoned("second")),
            ("viewed.yaml", VIEWED),
        ],
    );
    let directory = directory.display().to_string();
    let steps: [&[&str]; 5] = [
        &["apply", &directory],
        &["pause", "abandoned-cart"],
        &["resume", "abandoned-cart"],
        &["stop-all-sending"],
        &["resume-all-sending"],
    ];
    for (round, arguments) in (0u32..).zip(steps) {
        let minute = i64::from(round) * 300;
        shop(&installation, minute);
        publish(&installation, &members, arguments, u64::from(round) + 1);
        shop(&installation, minute + 150);
        if round == 2 {
            // Whoever starts goes by what was published, not by the files it finds.
            members[0] = installation.start();
        }
    }
    let abandoned = 10 * CUSTOMERS;
    wait_until("all baskets to be decided", LIMIT, || {
        let decided = decisions(&installation).into_values().flatten();
        decided
            .filter(|(_, trigger, _)| trigger == "abandoned-cart")
            .count()
            >= abandoned
    });
    check(&installation, abandoned);
    drop(members);
    committed(&installation, &["onsite"]);
    let listed = installation.succeed(&["triggers", "list"]);
    assert!(listed.contains("revision 5-"), "{listed}");
    let history = installation.succeed(&["triggers", "history"]);
    assert!(history.contains("pause abandoned-cart"), "{history}");
}

fn check(installation: &Installation, abandoned: usize) {
    let by_partition = decisions(installation);
    let mut by_number: BTreeMap<u64, BTreeSet<&str>> = BTreeMap::new();
    for (partition, decided) in &by_partition {
        assert!(
            decided.is_sorted_by_key(|it| it.0),
            "partition {partition} never goes back"
        );
        for (number, trigger, reason) in decided {
            if trigger == "abandoned-cart" {
                by_number.entry(*number).or_default().insert(reason);
            }
            assert!(trigger != "viewed" || *number > 0, "not in the first set");
        }
    }
    let reasons: Vec<(u64, Vec<&str>)> = by_number
        .into_iter()
        .map(|(number, reasons)| (number, reasons.into_iter().collect()))
        .collect();
    let expected = [
        (0, ""),
        (1, ""),
        (2, "off"),
        (3, ""),
        (4, "sending_stopped"),
        (5, ""),
    ];
    assert_eq!(
        reasons,
        expected.map(|(number, reason)| (number, vec![reason]))
    );
    let decided = by_partition.values().flatten();
    let decided = decided.filter(|it| it.1 == "abandoned-cart").count();
    assert_eq!(decided, abandoned);
    let mut viewed = by_partition.values().flatten();
    let treats = viewed.any(|(_, trigger, reason)| trigger == "viewed" && reason.is_empty());
    assert!(treats, "the new trigger treats");
}

#[test]
fn what_must_not_be_published_is_refused() {
    let Some(broker) = KafkaBroker::shared() else {
        return;
    };
    let first = abandoned("first");
    let installation = Installation::new(broker, 1, &[("abandoned-cart", &first)], "");
    installation.create_topics();
    let [good, wrong, other] = ["good", "wrong", "other"].map(|name| installation.file(name));
    write(&good, &[("abandoned-cart.yaml", &first)]);
    write(
        &wrong,
        &[(
            "abandoned-cart.yaml",
            "trigger: abandoned-cart\nmoment: { evnt: x }\n",
        )],
    );
    write(&other, &[("viewed.yaml", VIEWED)]);
    let [good, wrong, other] = [good, wrong, other].map(|path| path.display().to_string());
    let refused = |arguments: &[&str], expected: &str| {
        let output = installation.command(&[&["triggers"], arguments].concat());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            !output.status.success() && said.contains(expected),
            "{arguments:?}: {said}"
        );
    };
    refused(&["list"], "nothing was published");
    refused(&["apply", &wrong], "abandoned-cart.yaml:2");
    installation.succeed(&["triggers", "apply", &good]);
    refused(
        &["apply", &other],
        "in force, but not in the directory: abandoned-cart",
    );
    refused(
        &["pause", "abandonned"],
        "no trigger in force is called abandonned",
    );
    refused(
        &["resume", "abandoned-cart"],
        "abandoned-cart is not paused",
    );
    let again = installation.succeed(&["triggers", "apply", &good]);
    assert!(again.contains("set 1 says the same already"), "{again}");
    let diff = installation.succeed(&["triggers", "diff", &other]);
    assert_eq!(diff, "removed: abandoned-cart.yaml\nnew: viewed.yaml\n");
    installation.succeed(&["triggers", "pause", "abandoned-cart"]);
    // An apply leaves what an operator paused as it is.
    installation.succeed(&["triggers", "apply", "--remove", &other]);
    installation.succeed(&["triggers", "apply", "--remove", &good]);
    let listed = installation.succeed(&["triggers", "list"]);
    assert!(listed.contains("paused"), "{listed}");
}

#[test]
fn a_watched_directory_is_published_when_it_changes() {
    let Some(broker) = KafkaBroker::shared() else {
        return;
    };
    let config = "[time]\nclock = \"event\"\nidle_delay = \"200ms\"\n";
    let first = abandoned("first");
    let installation = Installation::new(broker, 1, &[("abandoned-cart", &first)], config);
    installation.create_topics();
    let member = installation.start_with(&["--set", "triggers.watch=true"]);
    member.wait_until_ready();
    wait_until("the files to be published", LIMIT, || {
        number_in_force(&member) == Some(1)
    });
    write(&installation.file("triggers"), &[("viewed.yaml", VIEWED)]);
    wait_until("the new file to be published", LIMIT, || {
        number_in_force(&member) == Some(2)
    });
    // What does not pass is not, and what is in force stays.
    write(
        &installation.file("triggers"),
        &[("broken.yaml", "trigger: [")],
    );
    wait_until("a word of the broken file", LIMIT, || {
        member.process.output().contains("broken.yaml")
    });
    assert_eq!(number_in_force(&member), Some(2));
    // Nor is a trigger removed by a file that is missing.
    for name in ["broken.yaml", "viewed.yaml"] {
        fs::remove_file(installation.file("triggers").join(name)).expect("it was there");
    }
    wait_until("a word of the missing trigger", LIMIT, || {
        let said = member.process.output();
        said.contains("in force, but not in the directory: viewed")
    });
    assert_eq!(number_in_force(&member), Some(2));
}

#[test]
fn a_process_whose_triggers_are_older_than_the_state_waits_and_says_so() {
    let Some(broker) = KafkaBroker::shared() else {
        return;
    };
    let first = abandoned("first");
    let config = "[time]\nclock = \"event\"\nidle_delay = \"200ms\"\n";
    let installation = Installation::new(broker, 1, &[("abandoned-cart", &first)], config);
    installation.create_topics();
    let directory = installation.file("triggers").display().to_string();
    installation.succeed(&["triggers", "apply", &directory]);
    let member = installation.start();
    member.wait_until_ready();
    let api = member.get("/api/v1/triggers/abandoned-cart");
    assert!(api.is_some_and(|(_, trigger)| trigger.contains("\"paused\":false")));
    shop(&installation, 0);
    installation.wait_for("decisions", CUSTOMERS);
    installation.succeed(&["triggers", "pause", "abandoned-cart"]);
    wait_until("the pause", LIMIT, || number_in_force(&member) == Some(2));
    let api = member.get("/api/v1/triggers/abandoned-cart");
    assert!(api.is_some_and(|(_, trigger)| trigger.contains("\"paused\":true")));
    drop(member);
    // The control topic is another one now, with nothing in it.
    let emptied = installation.topic("-emptied");
    let emptied = format!("topics.triggers={emptied}");
    installation.succeed(&["topics", "create", "--set", &emptied]);
    let member = installation.start_with(&["--set", &emptied]);
    wait_until("the task to wait", LIMIT, || {
        let ready = member.get("/health/ready");
        ready.is_some_and(|(status, said)| status == 503 && said.contains("\"waiting\"}"))
    });
    let (_, metrics) = member.get("/metrics").expect("metrics");
    assert!(
        metrics.contains("moments_tasks{state=\"waiting\"} 1"),
        "{metrics}"
    );
    assert!(member.process.output().contains("are newer than"));
}

#[test]
fn who_publishes_at_the_same_moment_undoes_nothing() {
    let Some(broker) = KafkaBroker::shared() else {
        return;
    };
    let first = abandoned("first");
    let triggers = [("abandoned-cart", first.as_str()), ("viewed", VIEWED)];
    let installation = Installation::new(broker, 1, &triggers, "");
    installation.create_topics();
    let directory = installation.file("triggers").display().to_string();
    installation.succeed(&["triggers", "apply", &directory]);
    let changes: [&[&str]; 4] = [
        &["pause", "abandoned-cart"],
        &["pause", "viewed"],
        &["stop-all-sending"],
        &["apply", &directory],
    ];
    std::thread::scope(|scope| {
        let installation = &installation;
        for change in changes {
            scope.spawn(move || installation.succeed(&[&["triggers"], change].concat()));
        }
    });
    let listed = installation.succeed(&["triggers", "list"]);
    assert_eq!(listed.matches("paused").count(), 2, "{listed}");
    assert!(listed.contains("ALL SENDING IS STOPPED"), "{listed}");
}

#[test]
fn a_set_whose_topics_are_not_there_yet_is_taken_up_once_they_are() {
    let Some(broker) = KafkaBroker::shared() else {
        return;
    };
    let first = abandoned("first");
    let triggers = [("abandoned-cart", first.as_str())];
    let installation = Installation::new(broker, 1, &triggers, "");
    installation.create_topics();
    let member = installation.start();
    member.wait_until_ready();
    // As somebody publishes whose broker knows of the topic earlier than the one of the process.
    let config = Config::load_with(Some(&installation.config()), [], &[]).expect("a configuration");
    let directory = installation.file("published");
    let by_sms = first.replace("onsite", "sms");
    write(&directory, &[("abandoned-cart.yaml", &by_sms)]);
    let set =
        Published::gather(&directory, Timestamp(BEGIN_MS), Policy::for_everybody()).expect("a set");
    let control = Control::new(&config).expect("a reader");
    let number = control.publish(&config, &set, 0).expect("taken");
    assert_eq!(number, Some(1));
    assert_eq!(
        control.publish(&config, &set, 0).expect("taken"),
        None,
        "another was first"
    );
    wait_until("a word of what is missing", LIMIT, || {
        member.process.output().contains("treatments.sms")
    });
    assert_eq!(number_in_force(&member), Some(0));
    installation.succeed(&[
        "topics",
        "create",
        "--triggers",
        &directory.display().to_string(),
    ]);
    wait_until("the set", LIMIT, || number_in_force(&member) == Some(1));
}
