//! Scenarios about scenarios.

use std::fs;

use super::*;
use crate::document::report;
use crate::event::{Type, Vocabulary};
use crate::trigger::plan::Policy;

const BASKET: &str = "trigger: abandoned-cart
moment:
  absence: { of: Order Completed, after: Product Added, within: 30m }
audience: profile.basket.value >= 20
treatments:
  - { channel: email, template: reminder, data: { products: profile.basket.products, tier: profile.attributes.tier } }
policy: { cap: 1 in 7d, quiet_hours: drop }
";

const GOOD: &str = r#"
- test: nothing was ordered
  profile: { timezone: Europe/Madrid, consent: [email], tier: gold }
  events: |
    # what she put in
    2026-03-02T10:00:00Z  Product Added    { product_id: p1, price: 30.00, quantity: 1 }
  expect:
    - { at: 2026-03-02T10:30:00Z, channel: email, template: reminder, data: { products: [p1] } }
- test: an order just in time cancels the reminder
  profile: { consent: [email] }
  events:
    - "2026-03-02T10:00:00Z  Product Added  { product_id: p1, price: 30.00, quantity: 1 }"
    - { time: 2026-03-02T10:30:00Z, event: Order Completed, properties: { order_id: o1, total: 30 } }
  expect: []
  refused: []
- test: a list of lines needs no quotes
  profile: { consent: [email] }
  events:
    - 2026-03-02T10:00:00Z  Product Added    { product_id: 'p1', price: 30.00, quantity: 1 }
    - 2026-03-02T10:30:00Z  Order Completed  { order_id: o1, total: 30.00 }
  expect: []
  refused: []
- test: one a week, and only for a basket worth it
  profile: { consent: { email: true } }
  events: |
    2026-03-02T10:00:00Z  Product Added  { product_id: p1, price: 1 }
    2026-03-02T12:00:00Z  Product Added  { product_id: p2, price: 30 }
    2026-03-03T12:00:00Z  Product Added  { product_id: p3, price: 30 }
  expect:
    - { data: { products: [p1, p2], tier: null } }
  refused:
    - { at: 2026-03-02T10:30:00Z, reason: audience }
    - { reason: capped }
- test: at night she is left in peace, where the policy says so
  policy: { quiet_hours: { email: 22:00-08:00 } }
  profile: { timezone: Europe/Madrid, consent: [email] }
  events: |
    2026-03-02T20:30:00Z  Product Added  { product_id: p1, price: 30 }
    2026-03-09T06:30:00Z  Product Added  { product_id: p1, price: 30 }
  expect:
    - { at: 2026-03-09T07:00:00Z }
  refused:
    - { at: 2026-03-02T21:00:00Z, reason: quiet_hours }
- test: time stops before the deadline
  events: |
    2026-03-02T10:00:00Z  Product Added  { product_id: p1, price: 30 }
  until: 2026-03-02T10:29:59Z
  expect: []
"#;

/// Events that do not come when they happened.
const ARRIVING: &str = r#"
- test: another customer's clock is five minutes fast, and the broker does not say so
  lateness: 0s
  profile: { consent: [email] }
  events: |
    2026-03-02T10:00:00Z  Product Added  { product_id: p1, price: 30 }
    2026-03-02T10:40:10Z  userId=ben Product Viewed  { product_id: p2 }
    2026-03-02T10:00:30Z  Order Completed  { order_id: o1, total: 30 }
  expect: []
- test: the same, and the broker says so
  profile: { consent: [email] }
  events: |
    2026-03-02T10:00:00Z  Product Added  { product_id: p1, price: 30 }
    2026-03-02T10:40:10Z  appended=2026-03-02T10:00:10Z userId=ben Product Viewed  { product_id: p2 }
    2026-03-02T10:00:30Z  Order Completed  { order_id: o1, total: 30 }
  expect: []
- test: an order that comes late, but within what is allowed
  lateness: 10m
  profile: { consent: [email] }
  events:
    - 2026-03-02T10:00:00Z  Product Added  { product_id: p1, price: 30 }
    - 2026-03-02T10:35:00Z  userId=ben Product Viewed  { product_id: p2 }
    - { time: 2026-03-02T10:29:00Z, appended: 2026-03-02T10:37:00Z, event: Order Completed, properties: { order_id: o1, total: 30 } }
  expect: []
- test: an order that comes later takes the reminder back
  lateness: 1m
  profile: { consent: [email] }
  events: |
    2026-03-02T10:00:00Z  Product Added  { product_id: p1, price: 30 }
    2026-03-02T10:35:00Z  userId=ben Product Viewed  { product_id: p2 }
    2026-03-02T10:29:00Z  appended=2026-03-02T10:37:00Z Order Completed  { order_id: o1, total: 30 }
  expect:
    - { at: 2026-03-02T10:30:00Z, template: reminder }
    - { at: 2026-03-02T10:30:00Z, withdrawn: late_event }
- test: nothing comes any more
  lateness: 10m
  profile: { consent: [email] }
  events: |
    2026-03-02T10:00:00Z  Product Added  { product_id: p1, price: 30 }
  expect:
    - { at: 2026-03-02T10:30:00Z }
- test: time stops before the deadline
  lateness: 10m
  events: |
    2026-03-02T10:00:00Z  Product Added  { product_id: p1, price: 30 }
  until: 2026-03-02T10:39:59Z
  expect: []
"#;

fn basis() -> Basis {
    Basis {
        vocabulary: Arc::new(Vocabulary::standard()),
        attributes: BTreeMap::from([("tier".to_owned(), Type::Text)]),
        policy: Policy::default(),
        mappings: Arc::default(),
    }
}

/// The outcomes of scenarios about a trigger.
fn outcomes(trigger: &str, scenarios: &str) -> Result<Vec<Outcome>, Vec<Report>> {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("basket.yaml"), trigger).unwrap();
    fs::write(directory.path().join("basket.test.yaml"), scenarios).unwrap();
    run(directory.path(), &basis())
}

#[test]
fn scenarios_pass() {
    let shadow = format!("{BASKET}mode: shadow\n");
    for (trigger, scenarios) in [(BASKET, GOOD), (&shadow, GOOD), (BASKET, ARRIVING)] {
        let outcomes = outcomes(trigger, scenarios)
            .map_err(|reports| report::rendered(&reports))
            .unwrap();
        assert_eq!(outcomes.len(), 6);
        for outcome in outcomes {
            assert!(
                outcome.failure.is_none(),
                "{}\n{}",
                outcome.test,
                outcome.failure.unwrap_or_default()
            );
        }
    }
}

#[test]
fn what_is_wrong_with_a_trigger_is_said_once() {
    let wrong = BASKET.replace("absence", "absents");
    let reports = outcomes(&wrong, GOOD).unwrap_err();
    assert_eq!(reports.len(), 1, "{}", report::rendered(&reports));
}

/// What is expected of a time, and what is the same.
#[test]
fn a_time_is_the_instant_that_it_is() {
    let trigger = BASKET.replace("products:", "basket: profile.basket.changed, products:");
    for (at, holds) in [
        ("2026-03-02T10:00:00Z", true),
        ("2026-03-02T11:00:00+01:00", true),
        ("2026-03-02T10:00:01Z", false),
    ] {
        let scenario = format!(
            "- test: t\n  profile: {{ consent: [email] }}\n  events: |\n    2026-03-02T10:00:00Z  Product Added  {{ product_id: p1, price: 30, quantity: 1 }}\n  \
             expect: [{{ at: 2026-03-02T10:30:00Z, data: {{ basket: \"{at}\" }} }}]\n"
        );
        let outcomes = outcomes(&trigger, &scenario)
            .map_err(|reports| report::rendered(&reports))
            .unwrap();
        assert_eq!(outcomes[0].failure.is_none(), holds, "{at}");
    }
}

#[test]
fn a_failure_shows_both_sides() {
    let wrong = GOOD
        .replace("products: [p1] }", "products: [p2], tier: gold }")
        .replace("  refused: []", "");
    let wrong = wrong.replacen(
        "expect: []",
        "expect:\n    - { at: 2026-03-02T10:30:00Z }",
        1,
    );
    let outcomes = outcomes(BASKET, &wrong)
        .map_err(|reports| report::rendered(&reports))
        .unwrap();
    assert_eq!(
        (outcomes[1].line, outcomes[1].test.as_str()),
        (9, "an order just in time cancels the reminder")
    );
    let failures: Vec<_> = outcomes
        .into_iter()
        .filter_map(|outcome| outcome.failure)
        .collect();
    insta::assert_snapshot!(failures.join("---\n"), @r#"
    treatments:
        expected                                                                        got
      ✗ 2026-03-02T10:30:00Z  email  reminder  data {"products":["p2"],"tier":"gold"}   2026-03-02T10:30:00Z  email  reminder
            data.products[0]: expected "p2", got "p1"
    ---
    treatments:
        expected               got
      ✗ 2026-03-02T10:30:00Z   nothing
    "#);
}

#[test]
fn with_others_what_is_expected_is_of_all() {
    let other = "trigger: welcome\nmoment: { event: Product Added }\ntreatments: [{ channel: onsite, template: hello }]\n";
    let directory = tempfile::tempdir().unwrap();
    let run = |scenario: &str| {
        fs::write(directory.path().join("basket.yaml"), BASKET).unwrap();
        fs::write(directory.path().join("welcome.yaml"), other).unwrap();
        fs::write(directory.path().join("basket.test.yaml"), scenario).unwrap();
        run(directory.path(), &basis())
    };
    let outcome = run("- test: t
  with: [welcome]
  events: |
    2026-03-02T10:00:00Z  Product Added  { product_id: p1, price: 30 }
  expect:
    - { trigger: basket, channel: onsite }
  refused:
    - { trigger: abandoned-cart, reason: no_consent }
");
    let failure = outcome.unwrap()[0].failure.clone().unwrap_or_default();
    insta::assert_snapshot!(failure, @r#"
    treatments:
        expected         got
      ✗ basket  onsite   2026-03-02T10:00:00Z  onsite  hello  welcome
            trigger: expected "basket", got "welcome"
    refusals:
        expected                     got
        abandoned-cart  no_consent   2026-03-02T10:30:00Z  no_consent  abandoned-cart
    "#);
    for (with, message) in [
        ("[welcom]", "no trigger is called `welcom`"),
        ("[welcome, welcome]", "`welcome` is here already"),
        ("[abandoned-cart]", "`abandoned-cart` is here already"),
        ("[]", "1 to 20 names of triggers"),
        ("welcome", "a list of names of triggers"),
    ] {
        let wrong = run(&format!(
            "- test: t\n  with: {with}\n  events: |\n    2026-03-02T10:00:00Z  Product Added\n  expect: []\n"
        ));
        let reports = report::rendered(&wrong.unwrap_err());
        assert!(reports.contains(message), "{with}: {reports}");
    }
}

#[rustfmt::skip]
const ERRORS: &[(&str, &str, &str)] = &[
    ("- test: t\n  policy: { quiet_hour: {} }\n  events: |\n    2026-03-02T10:00:00Z  Product Added\n  expect: []", "quiet_hour", "did you mean `quiet_hours`?"),
    ("- test: t\n  policy: { quiet_hours: { email: 9-17 } }\n  events: |\n    2026-03-02T10:00:00Z  Product Added\n  expect: []", "9-17", "`9-17` is not valid here"),
    ("- test: t\n  policy: { caps: { E-Mail: once } }\n  events: |\n    2026-03-02T10:00:00Z  Product Added\n  expect: []", "{ E-Mail: once }", "`E-Mail` is not a channel"),
    ("- test: t\n  policy: { caps: { all: often } }\n  events: |\n    2026-03-02T10:00:00Z  Product Added\n  expect: []", "often", "`often` is not valid here"),
    ("- test: t\n  policy: { arbitration: always }\n  events: |\n    2026-03-02T10:00:00Z  Product Added\n  expect: []", "always", "unknown variant `always`"),
    ("- test: t\n  policy: none\n  events: |\n    2026-03-02T10:00:00Z  Product Added\n  expect: []", "none", "invalid type"),
    ("- test: t\n  events: |\n    2026-03-02T10:00:00Z  Product Aded\n  expect: []", "2026-03-02T10:00:00Z  Product Aded", "did you mean `Product Added`?"),
    ("- test: t\n  events: |\n    yesterday  Product Added\n  expect: []", "yesterday", "`yesterday` is no time"),
    ("- test: t\n  events: |\n    2026-03-02T10:00:00Z  Product Added  { prise: 1 }\n  expect: []", "prise", "did you mean `price`?"),
    ("- test: t\n  events: |\n    2026-03-02T10:00:00Z  Product Added  { price: [\n  expect: []", "", "this is no YAML"),
    ("- test: t\n  events:\n    - '2026-03-02T10:00:00Z Product Added { price: cheap }'\n  expect: []", "2026-03-02T10:00:00Z Product Added { price: cheap }", "`price` cannot be read"),
    ("- test: t\n  events: []\n  expect: []", "[]", "at least one event"),
    ("- test: t\n  events: |\n    2026-03-02T10:00:00Z  Product Added", "", "`expect` is missing"),
    ("- test: t\n  profile: { timzone: UTC }\n  events: |\n    2026-03-02T10:00:00Z  Product Added\n  expect: []", "timzone", "did you mean `timezone`?"),
    ("- test: t\n  events: |\n    2026-03-02T10:00:00Z  Product Added\n  expect: [{ chanel: email }]", "chanel", "did you mean `channel`?"),
    ("- test: t\n  events: |\n    2026-03-02T10:00:00Z  Product Added\n  expect: []\n  refused: [{ reason: caped }]", "caped", "did you mean `capped`?"),
    ("- test: t\n  trigger: abandoned-card\n  events: |\n    2026-03-02T10:00:00Z  Product Added\n  expect: []", "abandoned-card", "did you mean `abandoned-cart`?"),
    ("test: t", "test: t", "a list of 1 to 200 scenarios"),
];

#[test]
fn errors_stand_at_their_place() {
    for (text, meant, message) in ERRORS.iter().copied() {
        let reports = outcomes(BASKET, text).expect_err(text);
        let shown = report::rendered(&reports);
        assert!(
            reports.len() == 1 && shown.contains(message),
            "{text}\n{shown}"
        );
        assert_eq!(reports[0].meant(), Some(meant), "{shown}");
    }
}

/// Trigger, its moment and the rest, and a scenario: each kind comes true when TRIGGERS says.
#[rustfmt::skip]
const KINDS: &[(&str, &str, &str)] = &[
    ("event: { name: Order Completed, where: 'days_between(previous.last_order, event.time) > 60' }", "data: { order: event.order_id }", "
    2026-01-01T10:00:00Z  Order Completed  { order_id: o1, total: 10 }
    2026-03-02T09:00:00Z  Order Completed  { order_id: o2, total: 10 }
    2026-05-02T09:00:00Z  Order Completed  { order_id: o3, total: 10 }
  expect: [{ at: 2026-05-02T09:00:00Z, data: { order: o3 } }]"),
    ("inactivity: { of: [Order Completed, Product Viewed], for: 90d }", "offer: { percent: 10 }", "
    2026-01-01T10:00:00Z  Product Viewed   { product_id: p1 }
    2026-01-02T10:00:00Z  Order Completed  { order_id: o1, total: 10 }
  expect: [{ at: 2026-04-02T10:00:00Z, offer: { percent: 10.0 } }]"),
    ("absence: { of: Order Completed, after: Product Added, within: 1d, per: event.product_id }", "data: { left: profile.orders.count }", "
    2026-01-01T10:00:00Z  Product Added    { product_id: p1 }
    2026-01-01T11:00:00Z  Product Added    { product_id: p2 }
    2026-01-01T12:00:00Z  Order Completed  { order_id: o1, total: 10, products: [{ product_id: p1 }] }
  expect: [{ at: 2026-01-02T11:00:00Z, data: { left: 1 } }]"),
    ("absence: { of: Order Completed, after: Product Added, within: 1h, from: first }", "data: {}", "
    2026-01-01T10:00:00Z  Product Added    { product_id: p1 }
    2026-01-01T10:59:00Z  Product Added    { product_id: p2 }
  expect: [{ at: 2026-01-01T11:00:00Z }]"),
    ("baseline: { of: Order Completed, measure: gap, history_min: 3, deviations: 2 }", "data: { mean: profile.rhythm.mean }", "
    2026-01-01T10:00:00Z  Order Completed  { order_id: o1, total: 10 }
    2026-01-08T10:00:00Z  Order Completed  { order_id: o2, total: 10 }
    2026-01-15T10:00:00Z  Order Completed  { order_id: o3, total: 10 }
    2026-01-22T10:00:00Z  Order Completed  { order_id: o4, total: 10 }
  expect: [{ at: 2026-01-30T00:00:00Z, data: { mean: 7 } }]"),
    ("event: { of: { name: Order Completed, where: previous.orders.count == 1 }, when: settled }", "data: { order: event.order_id, before: previous.orders.count }", "
    2026-01-01T10:00:00Z  Order Completed  { order_id: o1, total: 10 }
    2026-01-02T10:00:00Z  Order Completed  { order_id: o2, total: 10 }
    2026-01-03T10:00:00Z  Order Completed  { order_id: o3, total: 10 }
  expect: [{ at: 2026-01-02T10:00:00Z, data: { order: o2, before: 1 } }]"),
    ("threshold: { of: Product Viewed, measure: { distinct: event.category }, over: 1d, crosses: { at_least: 2 } }", "data: { last: event.category }", "
    2026-01-01T10:00:00Z  Product Viewed  { product_id: p1, category: shoes }
    2026-01-01T11:00:00Z  Product Viewed  { product_id: p2, category: shoes }
    2026-01-01T12:00:00Z  Product Viewed  { product_id: p3, category: hats }
    2026-01-01T13:00:00Z  Product Viewed  { product_id: p4, category: bags }
  expect: [{ at: 2026-01-01T12:00:00Z, data: { last: hats } }]"),
    ("threshold: { of: [Product Viewed, Product Added], measure: { score: { weight: 'event.event == \"Product Added\" ? 5 : 1', half_life: 7d } }, crosses: { above: 6 }, when: settled }", "data: { last: event.product_id }", "
    2026-01-01T10:00:00Z  Product Viewed  { product_id: p1 }
    2026-01-08T10:00:00Z  Product Added   { product_id: p2 }
    2026-01-08T11:00:00Z  Product Viewed  { product_id: p3 }
  expect: [{ at: 2026-01-08T11:00:00Z, data: { last: p3 } }]"),
    ("calendar: { date: { nth: 2, weekday: sunday, month: may }, offset: -2d, at: \"09:00\" }", "data: { orders: profile.orders.count }", "
    2026-01-01T10:00:00Z  Identify         { timezone: Europe/Madrid }
    2026-02-02T10:00:00Z  Order Completed  { order_id: o1, total: 10 }
  until: 2027-01-01T00:00:00Z
  expect: [{ at: 2026-05-08T07:00:00Z, data: { orders: 1 } }]"),
    ("baseline: { of: Order Completed, measure: event.total, history_min: 3, ratio: { last: 2, below: 0.7 } }", "data: { last: profile.orders.last_value }", "
    2026-01-01T10:00:00Z  Order Completed  { order_id: o1, total: 100 }
    2026-01-02T10:00:00Z  Order Completed  { order_id: o2, total: 100 }
    2026-01-03T10:00:00Z  Order Completed  { order_id: o3, total: 80 }
    2026-01-04T10:00:00Z  Order Completed  { order_id: o4, total: 59 }
  expect: [{ at: 2026-01-04T10:00:00Z, data: { last: 59 } }]"),
];

#[test]
fn every_kind_comes_true() {
    for (moment, filled, events) in KINDS {
        let trigger = format!(
            "trigger: t\nmoment:\n  {moment}\ntreatments:\n  - channel: email\n    template: t\n    {filled}\n"
        );
        let scenario =
            format!("- test: {moment:?}\n  profile: {{ consent: [email] }}\n  events: |{events}\n");
        let outcomes = outcomes(&trigger, &scenario)
            .map_err(|reports| report::rendered(&reports))
            .unwrap();
        let failure = outcomes[0].failure.as_deref();
        assert!(
            failure.is_none(),
            "{moment}\n{}",
            failure.unwrap_or_default()
        );
    }
}
