//! Things are counted once by their own ids, and messages once by theirs.

use std::fmt::Write as _;

use moments::trigger::plan::Policy;

use super::{Bench, check, onsite};

/// What the profile says when she answers a survey.
fn told(lines: &[&str], asked: &str) {
    let trigger = onsite(&format!(
        "event: {{ name: NPS Answered, where: '{asked}' }}"
    ));
    let answer = "2026-03-09T10:00:00Z NPS Answered {\"score\":9}";
    let lines: Vec<&str> = lines.iter().copied().chain([answer]).collect();
    check(&trigger, &lines, &["2026-03-09T10:00:00Z treat"]);
}

#[test]
fn an_order_is_one_however_often_it_is_told() {
    let order =
        r#"2026-03-02T10:00:00Z Order Completed {"order_id":"o1","total":30,"currency":"EUR"}"#;
    let again =
        r#"2026-03-02T10:05:00Z Order Completed {"order_id":"o1","total":25,"currency":"EUR"}"#;
    let late =
        r#"2026-03-02T09:55:00Z Order Completed {"order_id":"o1","total":20,"currency":"EUR"}"#;
    let back = r#"2026-03-03T10:00:00Z Order Refunded {"order_id":"o1","total":10}"#;
    let cancelled = r#"2026-03-04T10:00:00Z Order Cancelled {"order_id":"o1"}"#;
    for (lines, asked) in [
        (
            &[order, order][..],
            "profile.orders.count == 1 && profile.orders.value == 30",
        ),
        (
            &[order, again],
            "profile.orders.count == 1 && profile.orders.value == 25",
        ),
        (
            &[order, late],
            "profile.orders.count == 1 && profile.orders.value == 30",
        ),
        (
            &[order, back],
            "profile.orders.value == 20 && profile.orders.refunded == 10",
        ),
        (
            &[order, back, back, back, back],
            "profile.orders.value == 0 && profile.orders.undone == 1",
        ),
        (
            &[order, back, cancelled],
            "profile.orders.value == 0 && profile.orders.undone == 1",
        ),
    ] {
        told(lines, asked);
    }
}

#[test]
fn what_is_told_again_is_no_other_moment() {
    let order = |minute: u32, id: &str| {
        format!(r#"2026-03-02T10:{minute:02}:00Z Order Completed {{"order_id":"{id}","total":30}}"#)
    };
    let (one, again, two, three) = (
        order(0, "o1"),
        order(5, "o1"),
        order(10, "o2"),
        order(15, "o3"),
    );
    check(
        &onsite("event: Order Completed"),
        &[&one, &again, &two],
        &["2026-03-02T10:00:00Z treat", "2026-03-02T10:10:00Z treat"],
    );
    check(
        &onsite(
            "threshold: { of: Order Completed, measure: count, over: 30d, crosses: { at_least: 3 } }",
        ),
        &[&one, &again, &two, &again, &three],
        &["2026-03-02T10:15:00Z treat"],
    );
    let opened = r#"2026-03-02T10:00:00Z Support Ticket Opened {"ticket_id":"t1"}"#;
    let opened_again = r#"2026-03-02T10:05:00Z Support Ticket Opened {"ticket_id":"t1"}"#;
    check(
        &onsite("event: Support Ticket Opened"),
        &[opened, opened_again],
        &["2026-03-02T10:00:00Z treat"],
    );
    // What she bought is bought, however often it is told.
    let added = r#"2026-03-02T10:02:00Z Product Added {"product_id":"p"}"#;
    check(
        &onsite("absence: { of: Order Completed, after: Product Added, within: 30m }"),
        &[&one, added, &again, "until 2026-03-02T12:00:00Z"],
        &[],
    );
}

#[test]
fn euros_and_dollars_are_not_added() {
    let eur =
        r#"2026-03-02T10:00:00Z Order Completed {"order_id":"o1","total":300,"currency":"eur"}"#;
    let usd =
        r#"2026-03-02T11:00:00Z Order Completed {"order_id":"o2","total":300,"currency":"USD"}"#;
    told(
        &[eur, usd],
        r#"profile.orders.value == 300 && profile.orders.currency == "EUR" && profile.orders.unrated == 1 && profile.orders.values["USD"] == 300"#,
    );
    let policy: Policy =
        toml::from_str("hold_out = '0%'\n[currencies]\nreporting = 'EUR'\nrates = { USD = 0.9 }")
            .expect("a policy");
    let trigger = onsite("event: { name: Order Completed, where: profile.orders.value == 570 }");
    super::check_with(
        &trigger,
        &policy,
        &[eur, usd],
        &["2026-03-02T11:00:00Z treat"],
    );
}

#[test]
fn each_moment_speaks_of_the_basket_it_is_of() {
    let trigger = "moment: { absence: { of: Order Completed, after: Product Added, within: 30m, per: event.cart_id } }\n\
        audience: profile.basket.value == 30\n\
        treatments: [{ channel: onsite, template: x }]\npolicy: { good_for: 1000d }";
    let thirty =
        r#"2026-03-02T10:00:00Z Product Added {"cart_id":"c1","product_id":"tea","price":30}"#;
    let ten =
        r#"2026-03-02T10:05:00Z Product Added {"cart_id":"c2","product_id":"cup","price":10}"#;
    check(
        trigger,
        &[thirty, ten, "until 2026-03-02T12:00:00Z"],
        &[
            "2026-03-02T10:30:00Z c1 treat",
            "2026-03-02T10:35:00Z c2 audience",
        ],
    );
    let bought =
        r#"2026-03-02T10:10:00Z Order Completed {"order_id":"o1","cart_id":"c2","total":10}"#;
    check(
        trigger,
        &[thirty, ten, bought, "until 2026-03-02T12:00:00Z"],
        &["2026-03-02T10:30:00Z c1 treat"],
    );
}

/// So many events of a visit, one every second from an instant on, each with an id.
fn visit(from: &str, count: usize) -> Vec<String> {
    let lines = (0..count).map(|n| {
        let mut line = String::new();
        let (minute, second) = (n / 60, n % 60);
        let _ = write!(
            line,
            r#"2026-03-02T{from}:{minute:02}:{second:02}Z Product Viewed {{"product_id":"p"}} #m-{from}-{n}"#
        );
        line
    });
    lines.collect()
}

#[test]
fn a_batch_sent_again_within_a_visit_is_recognised() {
    let counts = |lines: &[String]| {
        let mut bench = Bench::new(&onsite("event: NPS Answered"), Policy::for_everybody());
        for line in lines {
            bench.line(line);
        }
        let duplicates = bench.effects.iter();
        let duplicate =
            |it: &&moments::engine::Effect| matches!(it, moments::engine::Effect::Duplicate);
        duplicates.filter(duplicate).count()
    };
    let once = visit("10", 300);
    assert_eq!(counts(&once), 0);
    let twice = [once.clone(), once.clone()].concat();
    assert_eq!(counts(&twice), 300);
    // Once the visit is over the last 32 are.
    let over = vec!["until 2026-03-02T12:00:00Z".to_owned()];
    let rested = [once.clone(), over, once[300 - 32..].to_vec()].concat();
    assert_eq!(counts(&rested), 32);
}

#[test]
fn what_goes_with_a_product_is_looked_up() {
    let trigger = "moment: { event: { name: Product Added, where: 'tables.companions[event.product_id].margin >= 3' } }\n\
         treatments: [{ channel: onsite, template: x }]\n===\n\
         table: companions\nkey: product_id\ncolumns: { companion: text, margin: number }\n\
         rows: { tent: { companion: pegs, margin: 3 }, 7: { margin: 4 }, lamp: { companion: oil }, cup: { margin: 2.9 } }";
    let added = |minute: usize, product: &str| {
        format!("2026-03-01T10:{minute:02}:00Z Product Added {{\"product_id\":\"{product}\"}}")
    };
    let products = ["tent", "lamp", "cup", "nothing", "7"];
    let lines: Vec<String> = products
        .iter()
        .enumerate()
        .map(|(i, it)| added(i, it))
        .collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    check(
        trigger,
        &lines,
        &["2026-03-01T10:00:00Z treat", "2026-03-01T10:04:00Z treat"],
    );
}
