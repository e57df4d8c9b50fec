//! A process stays below the ceiling of memory that it is given, and goes on.

use std::fs;

use serde_json::{Value, json};

use super::installation::{Installation, LIMIT, Member};
use crate::support::broker::KafkaBroker;
use crate::support::wait_until;

const REMINDER: (&str, &str) = (
    "reminder",
    "trigger: reminder\nmoment: { absence: { of: Order Completed, after: Product Added, within: 30m } }\n\
     treatments: [{ channel: onsite, template: reminder }]\npolicy: { good_for: 3650d }\n",
);
const MIB: usize = 1024 * 1024;
const CUSTOMERS: usize = 45_000;
/// Without a ceiling they take 256 MiB.
const MAX_MIB: usize = 192;

/// The most that was ever resident, bytes.
fn peak(member: &Member) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", member.process.id()));
    let status = status.expect("a process that runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<usize>().ok());
    kib.expect("a number") * 1024
}

fn added(customer: usize, minute: usize, padding: &str) -> Value {
    let (day, hour) = (2 + minute / 1_440, minute / 60 % 24);
    let time = format!("2026-03-{day:02}T{hour:02}:{:02}:00Z", minute % 60);
    json!({"event": "Product Added", "userId": format!("c{customer}"), "messageId": format!("{customer}-{minute}"),
        "timestamp": time, "properties": {"product_id": "p1", "price": 10, "quantity": 1, "note": padding}})
}

fn metric(member: &Member, name: &str) -> f64 {
    let text = member.get("/metrics").map_or(String::new(), |it| it.1);
    let of = text.lines().filter(|line| line.starts_with(name));
    of.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum()
}

fn count(number: usize) -> f64 {
    f64::from(u32::try_from(number).expect("below 4 GiB"))
}

/// So many customers leave a basket; `MOMENTS_CUSTOMERS=n` for more.
fn customers() -> usize {
    let said = std::env::var("MOMENTS_CUSTOMERS");
    said.map_or(CUSTOMERS, |text| text.parse().expect("a number"))
}

/// What the test's number of customers takes without a ceiling is a third more; each one more takes a kB.
#[test]
fn it_catches_up_and_time_jumps_below_the_ceiling() {
    let Some(broker) = KafkaBroker::shared() else {
        return;
    };
    let customers = customers();
    let max = MAX_MIB + customers.saturating_sub(CUSTOMERS) * 1_536 / MIB;
    let extra = format!(
        "[time]\nclock = \"event\"\nidle_delay = \"200ms\"\n[memory]\nmax = \"{max}MiB\"\n"
    );
    let installation = Installation::new(broker, 2, &[REMINDER], &extra);
    installation.create_topics();
    let padding = "x".repeat(1_000);
    for minute in 0..3 {
        let all = (0..customers).map(|customer| added(customer, minute, &padding));
        installation.produce("cart", all);
    }
    let member = installation.start();
    member.wait_until_ready();
    let limit = LIMIT * 10;
    wait_until("it to catch up", limit, || {
        metric(&member, "moments_profiles{") >= count(customers)
            && metric(&member, "moments_lag_records") < 1.0
    });
    // Each task sees a day later, and all of its deadlines are due.
    installation.produce(
        "cart",
        (0..9).map(|late| added(customers + late, 24 * 60, "")),
    );
    wait_until("everybody to be reminded", limit, || {
        metric(&member, "moments_treatments_total") >= count(customers)
    });
    let (peak, said) = (
        peak(&member) / MIB,
        metric(&member, "moments_memory_max_bytes"),
    );
    eprintln!("{customers} customers: {peak} of {max} MiB at most");
    assert_eq!(said, count(max * MIB));
    assert!(peak < max, "{peak} of {max} MiB");
}
