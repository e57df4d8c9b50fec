//! What comes of treatments, as `moments report` tells it: a product person reads these tables.

use std::fs;
use std::process::Command;

use serde_json::Value;

/// Triggers that send at once, each with a goal.
const TRIGGERS: &[(&str, &str)] = &[
    (
        "after-review",
        "moment: { event: Product Reviewed }\ntreatments: [{ channel: email, template: thanks, cost: 0.5 }]\n\
         goal: { event: Order Completed, within: 3d, at_most: 100, margin: 0.4 }",
    ),
    (
        "after-share",
        "moment: { event: Content Shared }\ntreatments: [{ channel: email, template: praise }]\n\
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

/// The lines of a report on what one customer did.
fn report(events: Events) -> Vec<Value> {
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
    fs::write(&config, CONFIGURATION).expect("a file");
    let id = moments::treatment::command_id("after-review", 1, "ana", "m0");
    let mut lines = String::new();
    for (number, (at, event, properties)) in events.iter().enumerate() {
        let properties = properties
            .replace('\'', "\"")
            .replace("ID", &id.to_string());
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
        .args(["report", "--format", "json", "--config"])
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
    let report: Value = serde_json::from_slice(&out.stdout).expect("JSON");
    assert_eq!(report["currency"], "EUR");
    report["lines"].as_array().expect("lines").clone()
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
