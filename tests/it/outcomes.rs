//! What comes of treatments, as `moments report` tells it: a product person reads these tables.

use std::fs;
use std::process::Command;

use moments::treatment::code::{Form, Key};
use serde_json::Value;
use uuid::Uuid;

/// Triggers that send at once, each with a goal.
const TRIGGERS: &[(&str, &str)] = &[
    (
        "after-review",
        "moment: { event: Product Reviewed }\ntreatments: [{ channel: email, template: thanks, cost: 0.5, code: { prefix: HELLO-, length: 8 } }]\n\
         goal: { event: Order Completed, within: 3d, at_most: 100, margin: 0.4 }\n\
         kpi: { name: recovered, of: converted, per: customers }",
    ),
    (
        "after-share",
        "moment: { event: Content Shared }\ntreatments: [{ channel: email, template: praise, offer: { code: SPRING } }]\n\
         goal: { event: Order Completed, within: 3d }",
    ),
    (
        "after-quiz",
        "moment: { event: Quiz Completed }\ntreatments: [{ channel: email, template: result }]\n\
         goal: { event: { name: Form Submitted, where: event.category == \"newsletter\" }, within: 1d, value: 7.5 + 0.0 }",
    ),
    (
        "withheld",
        "moment: { event: File Downloaded }\ntreatments: [{ channel: email, template: offer }]\npolicy: { hold_out: 100% }\n\
         goal: { event: Order Completed, within: 3d, at_most: 100 }",
    ),
    (
        "path",
        "moment: { event: Signed Up }\njourney: { until: profile.support.open > 0, steps: [{ send: { channel: email, template: hello } }, \
         { wait_for: { event: Product Viewed, within: 1d }, then: [{ branch: [{ if: profile.orders.count > 0, \
         then: [{ send: { channel: sms, template: more } }] }] }] }, { wait: 1d }, { split: weighted, ways: [{ name: a }, { name: b }] }] }\n\
         goal: { event: Cart Viewed, within: 30d }",
    ),
    (
        "withheld-path",
        "moment: { event: Signed Up }\njourney: [{ send: { channel: email, template: hello } }]\npolicy: { hold_out: 100% }",
    ),
    ("segment", "segment: readers\nwhen: profile.known"),
];

const CONFIGURATION: &str = "[policy]\nconsent_by_default = ['email']\nhold_out = '0%'\n[policy.currencies]\nreporting = 'EUR'\nrates = { USD = 0.5 }\n";

/// What was done on each day of March at a time: an event, and its properties.
type Events = &'static [(&'static str, &'static str, &'static str)];

/// Paths into a line, and what stands there.
type Expected = &'static [(&'static str, &'static str)];

/// What it shows, the events, and paths into the line of `after-review` with what stands there.
const CASES: &[(&str, Events, Expected)] = &[
    (
        "an order within the time is a conversion of its value",
        &[
            ("01T10:00:00", "Product Reviewed", ""),
            (
                "02T10:00:00",
                "Order Completed",
                "'order_id': 'o1', 'total': 80, 'currency': 'EUR'",
            ),
        ],
        &[
            ("treated", "1"),
            ("conversions", "1.0"),
            ("value", "80.0"),
            ("cost", "0.5"),
            ("customers/treated/converted", "1"),
            (
                "kpi",
                r#"{"is":"converted / customers","name":"recovered","of":1.0,"per":1.0,"value":1.0}"#,
            ),
        ],
    ),
    (
        "at the last instant it counts",
        &[
            ("01T10:00:00", "Product Reviewed", ""),
            (
                "04T10:00:00",
                "Order Completed",
                "'order_id': 'o1', 'total': 80, 'currency': 'EUR'",
            ),
        ],
        &[
            ("conversions", "1.0"),
            ("customers/treated/customers", "1"),
            ("customers/treated/converted", "1"),
        ],
    ),
    (
        "after it no more",
        &[
            ("01T10:00:00", "Product Reviewed", ""),
            (
                "04T10:00:00.001",
                "Order Completed",
                "'order_id': 'o1', 'total': 80, 'currency': 'EUR'",
            ),
        ],
        &[
            ("conversions", "0.0"),
            ("customers/treated/customers", "1"),
            ("customers/treated/converted", "0"),
        ],
    ),
    (
        "an order before the treatment is none of its",
        &[
            (
                "01T09:00:00",
                "Order Completed",
                "'order_id': 'o1', 'total': 80, 'currency': 'EUR'",
            ),
            ("01T10:00:00", "Product Reviewed", ""),
        ],
        &[("conversions", "0.0"), ("customers/treated/converted", "0")],
    ),
    (
        "an order that is told twice counts once",
        &[
            ("01T10:00:00", "Product Reviewed", ""),
            (
                "02T10:00:00",
                "Order Completed",
                "'order_id': 'o1', 'total': 80, 'currency': 'EUR'",
            ),
            (
                "02T11:00:00",
                "Order Completed",
                "'order_id': 'o1', 'total': 80, 'currency': 'EUR'",
            ),
        ],
        &[("conversions", "1.0"), ("value", "80.0")],
    ),
    (
        "an order in dollars is worth what the rate says, and a customer no more than at_most",
        &[
            ("01T10:00:00", "Product Reviewed", ""),
            (
                "02T10:00:00",
                "Order Completed",
                "'order_id': 'o1', 'total': 300, 'currency': 'USD'",
            ),
        ],
        &[("value", "150.0"), ("customers/treated/value", "150.0")],
    ),
    (
        "what is refunded in part is taken off the value, and stays a conversion",
        &[
            ("01T10:00:00", "Product Reviewed", ""),
            (
                "02T10:00:00",
                "Order Completed",
                "'order_id': 'o1', 'total': 80, 'currency': 'EUR'",
            ),
            (
                "03T10:00:00",
                "Order Refunded",
                "'order_id': 'o1', 'refund_id': 'r1', 'total': 30, 'currency': 'EUR'",
            ),
            (
                "03T11:00:00",
                "Order Refunded",
                "'order_id': 'o1', 'refund_id': 'r1', 'total': 30, 'currency': 'EUR'",
            ),
        ],
        &[
            ("conversions", "1.0"),
            ("value", "50.0"),
            ("linear/value", "50.0"),
        ],
    ),
    (
        "what is cancelled is no conversion, for lift neither while the goal counts",
        &[
            ("01T10:00:00", "Product Reviewed", ""),
            (
                "02T10:00:00",
                "Order Completed",
                "'order_id': 'o1', 'total': 80, 'currency': 'EUR'",
            ),
            ("03T10:00:00", "Order Cancelled", "'order_id': 'o1'"),
        ],
        &[
            ("conversions", "0.0"),
            ("value", "0.0"),
            ("customers/treated/converted", "0"),
            ("linear/conversions", "0.0"),
        ],
    ),
    (
        "the last touch has it, the first touch has it, and both have half",
        &[
            ("01T10:00:00", "Product Reviewed", ""),
            ("01T11:00:00", "Content Shared", ""),
            (
                "02T10:00:00",
                "Order Completed",
                "'order_id': 'o1', 'total': 80, 'currency': 'EUR'",
            ),
        ],
        &[
            ("conversions", "0.0"),
            ("first_touch/conversions", "1.0"),
            ("first_touch/value", "80.0"),
            ("linear/conversions", "0.5"),
            ("linear/value", "40.0"),
            ("customers/treated/converted", "1"),
        ],
    ),
    (
        "a customer counts once for lift, from her first exposure on",
        &[
            ("01T10:00:00", "Product Reviewed", ""),
            ("20T10:00:00", "Product Reviewed", ""),
            (
                "21T10:00:00",
                "Order Completed",
                "'order_id': 'o1', 'total': 80, 'currency': 'EUR'",
            ),
        ],
        &[
            ("treated", "2"),
            ("conversions", "1.0"),
            ("customers/treated/customers", "1"),
            ("customers/treated/converted", "0"),
        ],
    ),
    (
        "each reaction counts once a command; one to a command that nobody knows is no one's",
        &[
            ("01T10:00:00", "Product Reviewed", ""),
            ("01T10:01:00", "Email Delivered", "'treatment_id': 'ID'"),
            ("01T10:02:00", "Email Opened", "'treatment_id': 'ID'"),
            ("01T10:03:00", "Email Opened", "'treatment_id': 'ID'"),
            (
                "01T10:04:00",
                "Email Opened",
                "'treatment_id': '00000000-0000-5000-8000-000000000000'",
            ),
            (
                "01T10:05:00",
                "Unsubscribed",
                "'treatment_id': 'ID', 'channel': 'email'",
            ),
        ],
        &[
            ("reactions/delivered", "1"),
            ("reactions/opened", "1"),
            ("reactions/unsubscribed", "1"),
        ],
    ),
];

/// Of what codes are derived.
const KEY: &str = "what-only-the-shop-knows-0123456789abcdef";

/// The code of a command.
fn code(id: Uuid) -> String {
    let form = Form {
        prefix: "HELLO-".into(),
        length: 8,
    };
    let code = Key::new(KEY.as_bytes()).and_then(|key| key.code(id, &form));
    code.expect("a key").to_string()
}

/// The lines of a report on what one customer did.
fn report(events: &[(&str, &str, &str)]) -> Vec<Value> {
    let report: Value = serde_json::from_str(&reported(events, "json")).expect("JSON");
    assert_eq!(report["currency"], "EUR");
    report["lines"].as_array().expect("lines").clone()
}

/// The report in a format.
fn reported(events: &[(&str, &str, &str)], format: &str) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let triggers = folder.path().join("triggers");
    fs::create_dir(&triggers).expect("a folder");
    for (name, text) in TRIGGERS {
        let head = match text.starts_with("segment") {
            true => String::new(),
            false => format!("trigger: {name}\n"),
        };
        fs::write(
            triggers.join(format!("{name}.yaml")),
            format!("{head}{text}\n"),
        )
        .expect("a file");
    }
    let config = folder.path().join("moments.toml");
    let key = folder.path().join("key");
    fs::write(&key, KEY).expect("a file");
    let codes = format!("{CONFIGURATION}[codes]\nkey_file = '{}'\n", key.display());
    fs::write(&config, codes).expect("a file");
    let id = moments::treatment::command_id("after-review", 1, "ana", "m0");
    let mut lines = String::new();
    for (number, (at, event, properties)) in events.iter().enumerate() {
        let properties = properties
            .replace('\'', "\"")
            .replace("ID", &id.to_string())
            .replace("CODE", &code(id));
        lines += &format!(
            "{{\"type\":\"track\",\"event\":\"{event}\",\"userId\":\"ana\",\"messageId\":\"m{number}\",\
             \"timestamp\":\"2026-03-{at}Z\",\"properties\":{{{properties}}}}}\n"
        );
    }
    // Somebody else moves time on.
    lines += "{\"type\":\"track\",\"event\":\"Page Viewed\",\"userId\":\"ben\",\"timestamp\":\"2026-04-20T10:00:00Z\"}\n";
    lines += "{\"type\":\"track\",\"event\":\"Page Viewed\",\"userId\":\"cid\",\"timestamp\":\"2026-04-20T11:00:00Z\"}\n";
    let events = folder.path().join("events.jsonl");
    fs::write(&events, lines).expect("a file");
    let out = Command::new(env!("CARGO_BIN_EXE_moments"))
        .args(["report", "--format", format, "--config"])
        .arg(&config)
        .arg("--triggers")
        .arg(&triggers)
        .arg(&events)
        .output()
        .expect("moments runs");
    assert!(
        out.status.success(),
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
    String::from_utf8(out.stdout).expect("text")
}

fn line<'l>(
    lines: &'l [Value],
    trigger: &str,
    treatment: Option<&str>,
    segment: Option<&str>,
) -> Option<&'l Value> {
    let is_it = |line: &&Value| {
        line["trigger"] == trigger
            && line["treatment"].as_str() == treatment
            && line["segment"].as_str() == segment
    };
    lines.iter().find(is_it)
}

#[test]
fn what_came_of_treatments_is_counted() {
    for (what, events, expected) in CASES {
        let lines = report(events);
        for treatment in [None, Some("email/thanks")] {
            let line = line(&lines, "after-review", treatment, None).expect(what);
            for (path, value) in *expected {
                let found = line.pointer(&format!("/{path}")).unwrap_or(&Value::Null);
                assert_eq!(found.to_string(), *value, "{what}: {path}\n{line:#}");
            }
        }
    }
}

/// Whose code an order was made with, and what that came to: reviews and shares, of each whether its code was redeemed, and the last touch.
#[test]
fn an_order_is_that_of_the_code_it_was_made_with() {
    let typed = code(moments::treatment::command_id(
        "after-review",
        1,
        "ana",
        "m0",
    ))
    .to_lowercase()
    .replace('0', "o");
    let typed = format!("'order_id': 'o1', 'total': 80, 'currency': 'EUR', 'coupon': '{typed}'");
    for (coupon, of_review, of_share) in [
        ("", ("null", "0.0"), ("null", "1.0")),
        (", 'coupon': 'CODE'", ("1", "1.0"), ("null", "0.0")),
        (", 'coupon': 'SPRING'", ("null", "0.0"), ("1", "1.0")),
        (", 'coupon': 'spring; CODE'", ("1", "0.0"), ("1", "1.0")),
        (
            ", 'coupon': 'HELLO-00000000'",
            ("null", "0.0"),
            ("null", "1.0"),
        ),
        ("typed", ("1", "1.0"), ("null", "0.0")),
    ] {
        let order = match coupon {
            "typed" => typed.clone(),
            coupon => format!("'order_id': 'o1', 'total': 80, 'currency': 'EUR'{coupon}"),
        };
        let lines = report(&[
            ("01T10:00:00", "Product Reviewed", ""),
            ("01T11:00:00", "Content Shared", ""),
            ("02T10:00:00", "Order Completed", &order),
            ("02T11:00:00", "Order Completed", &order),
        ]);
        for (trigger, (redeemed, converted)) in
            [("after-review", of_review), ("after-share", of_share)]
        {
            let line = line(&lines, trigger, None, None).expect("a line");
            assert_eq!(
                line["reactions"]["redeemed"].to_string(),
                redeemed,
                "{trigger}, {order}"
            );
            assert_eq!(
                line["conversions"].to_string(),
                converted,
                "{trigger}, {order}"
            );
        }
    }
    // Too late for the goal, it was redeemed all the same.
    let lines = report(&[
        ("01T10:00:00", "Product Reviewed", ""),
        (
            "20T10:00:00",
            "Order Completed",
            "'order_id': 'o1', 'total': 80, 'coupon': 'CODE'",
        ),
    ]);
    let line = line(&lines, "after-review", None, None).expect("a line");
    assert_eq!(line["reactions"]["redeemed"], 1);
    assert_eq!(line["conversions"], 0.0);
}

#[test]
fn who_is_held_out_is_counted_by_what_she_does_all_the_same() {
    let lines = report(&[
        ("01T10:00:00", "File Downloaded", ""),
        (
            "02T10:00:00",
            "Order Completed",
            "'order_id': 'o1', 'total': 80, 'currency': 'EUR'",
        ),
    ]);
    let line = line(&lines, "withheld", None, None).expect("a line");
    assert_eq!(
        (&line["treated"], &line["held_out"]),
        (&0.into(), &1.into())
    );
    assert_eq!(line["conversions"], 0.0, "nothing was sent: {line:#}");
    let arm = &line["customers"]["held_out"];
    assert_eq!(arm["converted"], 1);
    assert_eq!(arm["value"], 80.0);
    assert_eq!(line["lift"], Value::Null, "nobody was treated");
}

#[test]
fn who_is_held_out_is_counted_though_she_does_nothing_more() {
    let lines = report(&[("01T10:00:00", "File Downloaded", "")]);
    let line = line(&lines, "withheld", None, None).expect("a line");
    let arm = &line["customers"]["held_out"];
    assert_eq!(
        (&arm["customers"], &arm["converted"]),
        (&1.into(), &0.into())
    );
}

/// What is told of an order after two treatments of one trigger, one of another between them, and one that was withheld; and what that
/// comes to: conversions and value by the last touch, both triggers' parts of it (linear), and what the one held out has done.
#[rustfmt::skip]
const OF_AN_ORDER: &[(&str, Events, [f64; 6])] = &[
    ("an order", &[("T12:00", "Order Completed", "'total': 90")], [1.0, 90.0, 60.0, 30.0, 1.0, 90.0]),
    ("told again with more in it", &[("T12:00", "Order Completed", "'total': 90"), ("T13:00", "Order Completed", "'total': 120")], [1.0, 120.0, 80.0, 40.0, 1.0, 120.0]),
    ("told again, of before", &[("T12:00", "Order Completed", "'total': 90"), ("T11:30", "Order Completed", "'total': 120")], [1.0, 90.0, 60.0, 30.0, 1.0, 90.0]),
    ("changed", &[("T12:00", "Order Completed", "'total': 90"), ("T13:00", "Order Updated", "'total': 60")], [1.0, 60.0, 40.0, 20.0, 1.0, 60.0]),
    ("refunded in part", &[("T12:00", "Order Completed", "'total': 90"), ("T13:00", "Order Refunded", "'refund_id': 'r', 'total': 30")], [1.0, 60.0, 40.0, 20.0, 1.0, 60.0]),
    ("the refund told again", &[("T12:00", "Order Completed", "'total': 90"), ("T13:00", "Order Refunded", "'refund_id': 'r', 'total': 30"), ("T14:00", "Order Refunded", "'refund_id': 'r', 'total': 45")], [1.0, 45.0, 30.0, 15.0, 1.0, 45.0]),
    ("a refund that failed", &[("T12:00", "Order Completed", "'total': 90"), ("T13:00", "Order Refunded", "'refund_id': 'r', 'status': 'failed', 'total': 30")], [1.0, 90.0, 60.0, 30.0, 1.0, 90.0]),
    ("a refund that failed after all", &[("T12:00", "Order Completed", "'total': 90"), ("T13:00", "Order Refunded", "'refund_id': 'r', 'total': 30"), ("T14:00", "Order Refunded", "'refund_id': 'r', 'status': 'failed', 'total': 30")], [1.0, 90.0, 60.0, 30.0, 1.0, 90.0]),
    ("a refund below 0", &[("T12:00", "Order Completed", "'total': 90"), ("T13:00", "Order Refunded", "'refund_id': 'r', 'total': -30")], [1.0, 60.0, 40.0, 20.0, 1.0, 60.0]),
    ("refunded in parts, more than was paid", &[("T12:00", "Order Completed", "'total': 90"), ("T13:00", "Order Refunded", "'refund_id': 'r', 'total': 50"), ("T14:00", "Order Refunded", "'refund_id': 's', 'total': 50")], [0.0, 0.0, 0.0, 0.0, 0.0, 0.0]),
    ("a refund told before it", &[("T11:30", "Order Refunded", "'refund_id': 'r', 'total': 30"), ("T12:00", "Order Completed", "'total': 90")], [1.0, 60.0, 40.0, 20.0, 1.0, 60.0]),
    ("cancelled", &[("T12:00", "Order Completed", "'total': 90"), ("T13:00", "Order Cancelled", "")], [0.0, 0.0, 0.0, 0.0, 0.0, 0.0]),
    ("cancelled before it is told", &[("T11:30", "Order Cancelled", ""), ("T12:00", "Order Completed", "'total': 90")], [0.0, 0.0, 0.0, 0.0, 0.0, 0.0]),
    ("for nothing", &[("T12:00", "Order Completed", "'total': 0")], [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]),
    ("below nothing", &[("T12:00", "Order Completed", "'total': -6")], [1.0, -6.0, -4.0, -2.0, 1.0, -6.0]),
    ("in a currency without a rate", &[("T12:00", "Order Completed", "'total': 90, 'currency': 'GBP'")], [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]),
];

#[test]
fn a_conversion_is_worth_what_is_left_of_its_order() {
    for (what, told, expected) in OF_AN_ORDER {
        let touches = [
            ("01T10:00:00", "Product Reviewed", ""),
            ("02T10:00:00", "Content Shared", ""),
            ("03T10:00:00", "Product Reviewed", ""),
            ("03T11:00:00", "File Downloaded", ""),
        ];
        let said = |(at, event, properties): &(&str, &'static str, &str)| {
            let currency = match properties.contains("currency") {
                true => "",
                false => ", 'currency': 'EUR'",
            };
            let more = match properties.is_empty() {
                true => String::new(),
                false => format!(", {properties}{currency}"),
            };
            (
                format!("03{at}:00"),
                *event,
                format!("'order_id': 'o'{more}"),
            )
        };
        let told: Vec<_> = told.iter().map(said).collect();
        let told = told
            .iter()
            .map(|(at, event, said)| (at.as_str(), *event, said.as_str()));
        let lines = report(&touches.into_iter().chain(told).collect::<Vec<_>>());
        let number = |(trigger, path): (&str, &str)| {
            let line = line(&lines, trigger, None, None).expect(what);
            line.pointer(path).and_then(Value::as_f64).expect(path)
        };
        let found = [
            ("after-review", "/conversions"),
            ("after-review", "/value"),
            ("after-review", "/linear/value"),
            ("after-share", "/linear/value"),
            ("withheld", "/customers/held_out/converted"),
            ("withheld", "/customers/held_out/value"),
        ];
        assert_eq!(&found.map(number), expected, "{what}");
        assert_eq!(number(("withheld", "/linear/conversions")), 0.0, "{what}");
    }
}

/// What she does once she has signed up, and paths into the funnel of the journey that it begins.
const PATHS: &[(&str, Events, Expected)] = &[
    (
        "who does nothing goes through it",
        &[("01T10:00:00", "Signed Up", "")],
        &[
            ("entered", "1"),
            ("inside", "0"),
            ("left", r#"{"end":1}"#),
            ("steps/0", r#"{"came":1,"step":"hello","ways":{"sent":1}}"#),
            (
                "steps/1",
                r#"{"came":1,"step":"wait-for","ways":{"else":1}}"#,
            ),
            ("steps/2", r#"{"came":0,"step":"branch","ways":{}}"#),
            ("steps/4", r#"{"came":1,"step":"wait-1d","ways":{}}"#),
            ("steps/5/came", "1"),
        ],
    ),
    (
        "what is waited for comes, and no branch fits",
        &[
            ("01T10:00:00", "Signed Up", ""),
            ("01T11:00:00", "Product Viewed", ""),
        ],
        &[
            ("steps/1/ways", r#"{"then":1}"#),
            ("steps/2/ways", r#"{"else":1}"#),
            ("steps/3/came", "0"),
        ],
    ),
    (
        "what is refused is a way of its step",
        &[
            (
                "01T09:00:00",
                "Order Completed",
                "'order_id': 'o1', 'total': 80",
            ),
            ("01T10:00:00", "Signed Up", ""),
            ("01T11:00:00", "Product Viewed", ""),
        ],
        &[
            ("steps/2/ways", r#"{"1":1}"#),
            (
                "steps/3",
                r#"{"came":1,"step":"more","ways":{"no_consent":1}}"#,
            ),
            ("left", r#"{"end":1}"#),
        ],
    ),
    (
        "the goal ends it",
        &[
            ("01T10:00:00", "Signed Up", ""),
            ("01T11:00:00", "Cart Viewed", ""),
        ],
        &[
            ("left", r#"{"goal":1}"#),
            ("steps/1", r#"{"came":1,"step":"wait-for","ways":{}}"#),
            ("steps/4/came", "0"),
        ],
    ),
    (
        "and so does `until`",
        &[
            ("01T10:00:00", "Signed Up", ""),
            ("02T11:00:00", "Support Ticket Opened", ""),
        ],
        &[("left", r#"{"until":1}"#), ("steps/4/came", "1")],
    ),
    (
        "whoever enters again counts again",
        &[
            ("01T10:00:00", "Signed Up", ""),
            ("10T10:00:00", "Signed Up", ""),
        ],
        &[
            ("entered", "2"),
            ("steps/0/ways", r#"{"sent":2}"#),
            ("left", r#"{"end":2}"#),
        ],
    ),
];

#[test]
fn a_journey_is_a_funnel_of_those_who_are_not_held_out() {
    for (what, events, expected) in PATHS {
        let lines = report(events);
        let whole = line(&lines, "path", None, None).expect(what);
        for (path, value) in *expected {
            let path = format!("/journey/{path}");
            let found = whole.pointer(&path).unwrap_or(&Value::Null);
            assert_eq!(found.to_string(), *value, "{what}: {path}\n{whole:#}");
        }
        let part = line(&lines, "path", Some("email/hello"), None);
        for line in [part, line(&lines, "withheld-path", None, None)] {
            assert_eq!(line.expect("a line")["journey"], Value::Null, "{what}");
        }
    }
    let (_, events, _) = PATHS[3];
    let text = reported(events, "text");
    assert!(
        text.contains("journey of path: 1 entered, 0 inside; left: goal 1\n"),
        "{text}"
    );
    assert!(text.contains("\n  hello            1  sent 1\n"), "{text}");
    let page = reported(events, "html");
    assert!(
        page.contains("<h2>The journey of path</h2><p>1 entered, 0 inside; left: goal 1.</p>"),
        "{page}"
    );
}

#[test]
fn what_it_is_measured_by_stands_under_its_name() {
    let reviews = [("01T10:00:00", "Product Reviewed", "")];
    let lines = reported(&reviews, "text");
    assert!(
        lines.contains("\nafter-review: recovered 0.0000 (converted / customers, 0 / 1)\n"),
        "{lines}"
    );
    let page = reported(&reviews, "html");
    let row = "<td>recovered</td><td>0.0000 (converted / customers, 0 / 1)</td>";
    assert!(page.contains(row), "{page}");
    let nobody = report(&[("20T10:00:00", "Quiz Completed", "")]);
    let line = line(&nobody, "after-quiz", None, None).expect("a line");
    assert_eq!(line["kpi"], Value::Null, "it says none");
}

#[test]
fn a_goal_may_be_any_event_and_segments_are_told_apart() {
    let lines = report(&[
        ("01T10:00:00", "Quiz Completed", ""),
        ("01T11:00:00", "Form Submitted", "'category': 'survey'"),
        ("01T12:00:00", "Form Submitted", "'category': 'newsletter'"),
    ]);
    let whole = line(&lines, "after-quiz", None, None).expect("a line");
    assert_eq!(
        (&whole["conversions"], &whole["value"]),
        (&1.0.into(), &7.5.into())
    );
    let within = line(&lines, "after-quiz", Some("email/result"), Some("readers"));
    assert_eq!(within.expect("by segment")["conversions"], 1.0);
}

/// A folder with a trigger whose commands have codes, events of it, and a configuration with this key.
fn with_codes(key: Option<&str>) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("a file");
    write(
        "trigger.yaml",
        "trigger: thanks\nmoment: { event: Product Reviewed }\ntreatments: [{ channel: email, template: t, code: { prefix: HI- } }]\n",
    );
    write(
        "events.jsonl",
        "{\"event\":\"Product Reviewed\",\"userId\":\"ana\",\"messageId\":\"m0\",\"timestamp\":\"2026-03-01T10:00:00Z\"}\n",
    );
    let path = folder.path().join("key").display().to_string();
    if let Some(key) = key {
        write("key", key);
        write(
            "moments.toml",
            &format!("{CONFIGURATION}[codes]\nkey_file = '{path}'\n"),
        );
    } else {
        write("moments.toml", CONFIGURATION);
    }
    folder
}

/// What a command says, on standard output and error, and whether it succeeds.
fn said(folder: &tempfile::TempDir, arguments: &[&str]) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_moments"));
    let command = command.current_dir(folder.path()).args(arguments);
    let output = command
        .args(["--config", "moments.toml"])
        .output()
        .expect("moments runs");
    let all = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&all).into_owned(),
    )
}

#[test]
fn codes_need_a_key_that_is_shown_nowhere() {
    let rehearse = [
        "rehearse",
        "--triggers",
        "trigger.yaml",
        "--out",
        "out.jsonl",
        "events.jsonl",
    ];
    let code = |key: &str| {
        let folder = with_codes(Some(key));
        let (succeeds, all) = said(&folder, &rehearse);
        let decisions = fs::read_to_string(folder.path().join("out.jsonl")).expect("decisions");
        assert!(
            succeeds && !all.contains(key) && !decisions.contains(key),
            "{all}"
        );
        let decision: Value = serde_json::from_str(decisions.trim()).expect("one decision");
        decision["treatment"]["offer"]["code"].to_string()
    };
    assert_eq!(code(KEY), code(KEY), "the same in every rehearsal");
    let other = "another-secret-of-a-shop-0123456789abcdef";
    assert_ne!(code(KEY), code(other));

    let check = ["check", "--triggers", "trigger.yaml"];
    let (succeeds, all) = said(&with_codes(None), &check);
    assert!(
        !succeeds && all.contains("codes are derived of a key, and none is configured"),
        "{all}"
    );
    assert!(all.contains("[codes] key_file"), "{all}");
    let (succeeds, all) = said(&with_codes(Some("too-short")), &check);
    assert!(
        !succeeds && all.contains("openssl rand -hex 32") && !all.contains("too-short"),
        "{all}"
    );
    let (succeeds, all) = said(&with_codes(Some(KEY)), &check);
    assert!(succeeds && !all.contains(KEY), "{all}");
    let folder = with_codes(Some(KEY));
    let (_, all) = said(&folder, &["show", "--triggers", "trigger.yaml"]);
    assert!(!all.contains(KEY), "{all}");
}
