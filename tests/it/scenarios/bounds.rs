//! What happens at a bound: it is counted, and nothing false follows.

use moments::engine::Effect;
use moments::moment::absence::OPEN_MAX;
use moments::profile::limits;
use moments::trigger::plan::Policy;

use super::{Bench, onsite};

fn bench(moment: &str) -> Bench {
    Bench::new(&onsite(moment), Policy::for_everybody())
}

#[test]
fn so_many_deadlines_are_open_and_the_next_is_counted() {
    let mut bench = bench(
        "absence: { of: Order Completed, after: Product Added, within: 30m, per: event.product_id }",
    );
    for i in 0..=OPEN_MAX {
        bench.line(&format!(
            r#"2026-03-02T10:00:00Z Product Added {{"product_id":"p{i}"}}"#
        ));
    }
    bench.line("until 2026-03-02T10:01:00Z");
    assert_eq!(bench.engine.armed(), [OPEN_MAX]);
    bench.line("until 2026-03-02T11:00:00Z");
    assert_eq!(bench.decisions().len(), OPEN_MAX);
    let limit = |effect: &&Effect| matches!(effect, Effect::OpenLimit { refused: 1, .. });
    assert_eq!(bench.effects.iter().filter(limit).count(), 1);
}

/// As many events beyond the watermark as are kept, of which the first was put into the basket.
fn full(moment: &str) -> Bench {
    let mut bench = bench(moment);
    bench.line("2026-03-02T10:00:00Z Product Added");
    for _ in 1..limits::TAIL_EVENTS {
        bench.line("2026-03-02T10:00:01Z Product Viewed");
    }
    assert!(bench.effects.is_empty());
    bench
}

#[test]
fn an_order_for_which_the_tail_has_no_place_still_cancels() {
    for from in ["first", "last"] {
        let mut bench = full(&format!(
            "absence: {{ of: Order Completed, after: Product Added, within: 30m, from: {from} }}"
        ));
        bench.line("2026-03-02T10:00:02Z Order Completed");
        assert_eq!(bench.effects, [Effect::TailFull]);
        bench.line("until 2026-03-02T12:00:00Z");
        assert_eq!(bench.decisions(), [""; 0]);
        bench.engine.seal();
        bench.engine.committed();
        let facts = bench
            .engine
            .customer("ana")
            .expect("she is known")
            .profile
            .settled;
        assert_eq!(facts.orders.count, 1);
    }
}

#[test]
fn an_order_for_which_the_tail_has_no_place_is_decided() {
    let mut bench = full("event: { name: Order Completed, where: previous.orders.count == 0 }");
    bench.line("2026-03-02T10:00:02Z Order Completed");
    bench.line("2026-03-02T10:00:03Z Order Completed");
    assert_eq!(bench.decisions(), ["2026-03-02T10:00:02Z treat"]);
}

#[test]
fn a_profile_stays_within_a_record_however_heavy_its_events() {
    let mut bench = bench("inactivity: { of: Order Completed, for: 30m }");
    let id = "x".repeat(1024);
    let products = format!(r#"{{"product_id":"{id}","category":"{id}"}}"#);
    for count in [200, 20, 20, 20, 20, 20, 20, 20, 20] {
        let products = vec![&*products; count].join(",");
        bench.line(&format!(
            r#"2026-03-02T10:00:00Z Order Completed {{"products":[{products}]}}"#
        ));
    }
    let full = |effect: &&Effect| matches!(effect, Effect::TailFull);
    assert_eq!(bench.effects.iter().filter(full).count(), 3);
    let (_, packed) = bench.engine.seal().pop().expect("her profile");
    assert!(packed.as_ref().map_or(0, Vec::len) < limits::TAIL_BYTES + 64 * 1024);
}

#[test]
fn absurd_numbers_harm_nobody() {
    let mut bench = bench(
        "baseline: { of: Order Completed, measure: value, value: event.total, history_min: 2, deviations: 2 }",
    );
    for total in [
        "1e308",
        "1e12",
        "-0.0",
        "999999999999",
        "1e-300",
        "5e11",
        "1e12",
        "1e12",
    ] {
        let more = r#""products":[{"product_id":"a","price":1e308,"quantity":1e308}]"#;
        bench.line(&format!(
            r#"2026-03-02T10:00:00Z Order Completed {{"total":{total},{more}}}"#
        ));
        bench.line(&format!(
            r#"2026-03-02T10:00:00Z Product Added {{"product_id":"a","price":1e308,"quantity":{total}}}"#
        ));
    }
    bench.line("until 2099-12-31T23:59:59Z");
    bench.engine.seal();
    bench.engine.committed();
    let facts = bench
        .engine
        .customer("ana")
        .expect("she is known")
        .profile
        .settled;
    assert_eq!(facts.orders.count, 8);
    assert!(facts.basket.lines().len() <= 1);
}
