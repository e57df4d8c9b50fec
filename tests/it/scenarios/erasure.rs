//! Who is erased or expires is gone, with what was still to be decided for her.

use moments::time::DAY_MS;
use moments::trigger::plan::Policy;

use super::{check, check_with, onsite};

const ABSENCE: &str = "absence: { of: Order Completed, after: Product Added, within: 30m }";
const FIRST: &str = "event: { name: Order Completed, where: previous.orders.count == 0 }";

#[test]
fn what_is_still_to_be_decided_for_her_is_not() {
    let trigger = onsite(ABSENCE);
    let added = "2026-03-02T10:00:00Z Product Added { \"product_id\": \"p\" }";
    let erased = "2026-03-02T10:10:00Z Customer Erased";
    check(
        &trigger,
        &[added, "until 2026-03-02T11:00:00Z"],
        &["2026-03-02T10:30:00Z treat"],
    );
    check(
        &trigger,
        &[added, erased, "until 2026-03-02T11:00:00Z"],
        &[],
    );
    // From before the erasure, and read after it.
    check(
        &trigger,
        &[erased, added, "until 2026-03-02T11:00:00Z"],
        &[],
    );
    let again = "2026-03-02T10:10:01Z Product Added { \"product_id\": \"p\" }";
    check(
        &trigger,
        &[added, erased, again, added, "until 2026-03-02T11:00:00Z"],
        &["2026-03-02T10:40:01Z treat"],
    );
    // Read before the erasure, and from after it.
    check(
        &trigger,
        &[added, again, erased, "until 2026-03-02T11:00:00Z"],
        &["2026-03-02T10:40:01Z treat"],
    );
}

#[test]
fn a_repeated_erasure_removes_nothing_of_the_new_customer() {
    let trigger = onsite(ABSENCE);
    let erased = "2026-03-02T10:00:00Z Customer Erased";
    let added = "2026-03-02T10:00:01Z Product Added { \"product_id\": \"p\" }";
    check(
        &trigger,
        &[erased, added, erased, "until 2026-03-02T11:00:00Z"],
        &["2026-03-02T10:30:01Z treat"],
    );
}

#[test]
fn nothing_is_known_of_her_orders() {
    let order = |time: &str| format!("{time} Order Completed {{ \"total\": 10 }}");
    let (first, second) = (order("2026-03-02T10:00:00Z"), order("2026-03-03T10:00:00Z"));
    let both = ["2026-03-02T10:00:00Z treat", "2026-03-03T10:00:00Z treat"];
    let erased = "2026-03-02T12:00:00Z Customer Erased";
    check(&onsite(FIRST), &[&first, &second], &both[..1]);
    let back = "2026-03-02T10:00:00Z back: erased";
    let both = [both[0], back, both[1]];
    check(&onsite(FIRST), &[&first, erased, &second], &both);
    // Forgotten after its memory: what is older begins a customer again.
    let policy = Policy {
        erasure_memory_ms: DAY_MS,
        ..Policy::for_everybody()
    };
    let wait = "until 2026-03-03T12:00:00Z";
    check_with(
        &onsite(FIRST),
        &policy,
        &[&first, erased, wait, &second],
        &both,
    );
    let wait = "until 2026-03-03T11:59:59Z";
    check_with(&onsite(FIRST), &policy, &[erased, wait, &first], &[]);
    let wait = "until 2026-03-03T12:00:00Z";
    check_with(&onsite(FIRST), &policy, &[erased, wait, &first], &both[..1]);
}

#[test]
fn who_does_nothing_for_long_expires() {
    let policy = Policy {
        expire_after_ms: Some(10 * DAY_MS),
        ..Policy::for_everybody()
    };
    let order = |time: &str| format!("{time} Order Completed {{ \"total\": 10 }}");
    let first = order("2026-03-02T10:00:00Z");
    let (in_time, after) = (order("2026-03-12T10:00:00Z"), order("2026-03-12T10:00:01Z"));
    let trigger = onsite(FIRST);
    check_with(
        &trigger,
        &policy,
        &[&first, &in_time],
        &["2026-03-02T10:00:00Z treat"],
    );
    check_with(
        &trigger,
        &policy,
        &[&first, &after],
        &["2026-03-02T10:00:00Z treat", "2026-03-12T10:00:01Z treat"],
    );
    // A deadline beyond it does not come true, one at the same time does.
    for (days, expected) in [(10, &["2026-03-12T10:00:00Z treat"][..]), (11, &[])] {
        let trigger = onsite(&format!(
            "inactivity: {{ of: Order Completed, for: {days}d }}"
        ));
        check_with(
            &trigger,
            &policy,
            &[&first, "until 2026-04-02T10:00:00Z"],
            expected,
        );
    }
}
