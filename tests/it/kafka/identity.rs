//! Visitors who become customers on a real Kafka, with processes that are killed: nobody is reminded who bought, under whatever id,
//! everybody else is once, and the journal replays it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::installation::{Installation, LIMIT, Member};
use crate::support::broker::KafkaBroker;
use crate::support::kafka::OwnedRecord;
use moments::runtime::murmur2::partition;

/// Where who becomes one lives.
#[derive(Clone, Copy, PartialEq)]
enum Where {
    OneTask,
    TwoTasks,
}

impl Where {
    fn partitions(self) -> i32 {
        match self {
            Self::OneTask => 2,
            Self::TwoTasks => 4,
        }
    }
}

const CUSTOMERS: usize = 60;

const REMINDER: (&str, &str) = (
    "reminder",
    "trigger: reminder\nmoment: { absence: { of: Order Completed, after: Product Added, within: 30m } }\n\
     treatments: [{ channel: onsite, template: reminder }]\npolicy: { good_for: 3650d }\n",
);

fn at(minutes: i64) -> String {
    let time = moments::time::Timestamp(1_772_445_600_000).plus(minutes * 60_000);
    time.to_string()
}

fn call(name: &str, ids: &[(&str, &str)], minutes: i64) -> Value {
    let mut call = json!({"type": "track", "event": name, "timestamp": at(minutes),
        "messageId": format!("{name}-{ids:?}-{minutes}"), "properties": {"product_id": "p1", "price": 30}});
    for (field, id) in ids {
        call[field] = json!(id);
    }
    call
}

/// The visitor who becomes a customer: in the same task, or in another.
fn visitor(customer: &str, place: Where) -> String {
    let home = |id: &str| partition(id.as_bytes(), place.partitions());
    let mut ids = (0..).map(|number| format!("device-{customer}-{number}"));
    let found = ids.find(|id| (home(id) == home(customer)) == (place == Where::OneTask));
    found.expect("murmur2 reaches every partition")
}

/// What becomes of a customer, by her number.
fn buys(number: usize) -> bool {
    number.is_multiple_of(3)
}

fn becomes_one(number: usize) -> bool {
    !number.is_multiple_of(5)
}

/// Time goes on in every partition: two customers of each say so.
fn pass(installation: &Installation, partitions: i32, minutes: i64) {
    let ids = (0..).map(|number| format!("later-{number}"));
    for home in 0..partitions {
        let of = |id: &String| partition(id.as_bytes(), partitions) == home;
        for name in ids.clone().filter(of).take(2) {
            let view = json!({"event": "Product Viewed", "userId": name, "timestamp": at(minutes)});
            installation.produce("clickstream", [view]);
        }
    }
}

fn killed(installation: &Installation, mut member: Member) -> Member {
    member.process.kill9();
    installation.start()
}

/// Visitors put something in their baskets; most become customers, some buy; and after each of it the process is killed.
fn live(installation: &Installation, partitions: i32, ids: &[(String, String)]) -> Member {
    let each = || ids.iter().enumerate();
    let member = installation.start();
    let added = each().map(|(_, (device, _))| call("Product Added", &[("anonymousId", device)], 0));
    installation.produce("cart", added.collect::<Vec<_>>());
    let member = killed(installation, member);
    let both = |(device, customer): &(String, String), name: &str, minutes| {
        call(
            name,
            &[("userId", customer), ("anonymousId", device)],
            minutes,
        )
    };
    let logins = each().filter(|(number, _)| becomes_one(*number));
    let logins = logins.map(|(_, ids)| both(ids, "Signed In", 10));
    installation.produce("clickstream", logins.collect::<Vec<_>>());
    let member = killed(installation, member);
    let orders = each().filter(|(number, _)| buys(*number));
    let orders = orders.map(|(number, ids)| match number % 2 {
        // By the device alone, of whoever it is by then.
        0 => call("Order Completed", &[("anonymousId", &ids.0)], 20),
        _ => both(ids, "Order Completed", 20),
    });
    installation.produce("purchase", orders.collect::<Vec<_>>());
    let member = killed(installation, member);
    pass(installation, partitions, 600);
    member
}

#[test]
fn who_registers_and_buys_is_not_reminded_whatever_is_killed() {
    register(Where::OneTask);
}

#[test]
fn who_was_a_visitor_of_another_task_is_not_reminded_whatever_is_killed() {
    register(Where::TwoTasks);
}

fn register(place: Where) {
    let Some(broker) = KafkaBroker::shared() else {
        return;
    };
    let identities = match place {
        Where::OneTask => "",
        Where::TwoTasks => "identities = \"{id}-identities\"\n",
    };
    let extra = format!("{identities}[time]\nclock = \"event\"\nidle_delay = \"200ms\"\n");
    let installation = Installation::new(broker, place.partitions(), &[REMINDER], &extra);
    installation.create_topics();
    let customers = (0..CUSTOMERS).map(|number| format!("customer-{number}"));
    let ids: Vec<(String, String)> = customers.map(|it| (visitor(&it, place), it)).collect();
    let mut member = live(&installation, place.partitions(), &ids);
    let left = ids.iter().enumerate().filter(|(number, _)| !buys(*number));
    let left: BTreeSet<&str> = left
        .map(|(number, (device, customer))| match becomes_one(number) {
            true => customer.as_str(),
            false => device.as_str(),
        })
        .collect();
    let reminded = installation.wait_for("treatments.onsite", left.len());
    let mut reminded: Vec<String> = reminded.iter().map(OwnedRecord::key_text).collect();
    reminded.sort_unstable();
    assert_eq!(
        reminded,
        Vec::from_iter(left),
        "each once, and nobody who bought"
    );

    member.wait_until_ready();
    let (device, customer) = &ids[1];
    let answer = member.get(&format!("/customers/{device}"));
    let shown: Value = serde_json::from_str(&answer.expect("an answer").1).expect("JSON");
    assert_eq!(
        shown["customer"],
        customer.as_str(),
        "the old id says whose it is"
    );
    assert!(member.process.terminate(LIMIT).success());
    let decided = installation.read("decisions");
    let mut decided: Vec<String> = decided.iter().map(OwnedRecord::text).collect();
    let mut replayed = match place {
        Where::OneTask => installation.replayed(),
        Where::TwoTasks => {
            let told = installation.read("-identities");
            assert!(told.iter().any(|record| record.value.is_some()));
            installation.replayed_with(&["-identities"])
        }
    };
    decided.sort_unstable();
    replayed.sort_unstable();
    assert_eq!(decided, replayed, "the journal replays it");
}
