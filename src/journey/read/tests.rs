//! Tables: what steps are called and where they lead, and what is said of those that mean nothing.

use std::collections::BTreeMap;

use crate::document::reader::Declared;
use crate::document::report::{Source, rendered};
use crate::event::Vocabulary;
use crate::journey::Journey;
use crate::trigger::definition;

fn reading(journey: &str) -> Result<Journey, Vec<crate::document::report::Report>> {
    let vocabulary = Vocabulary::standard();
    let attributes = BTreeMap::new();
    let text = format!("trigger: t\nmoment: {{ event: Order Completed }}\njourney: {journey}\n");
    let source = Source::new("t.yaml", text);
    let read = definition::read(&source, Declared::new(&vocabulary, &attributes));
    read.map(|read| read.trigger.journey.expect("a journey"))
}

const SEND: &str = "{ send: { channel: onsite, template: Big Sale } }";

/// A journey, and its steps, each with the ones that follow it when nothing is met.
const WAYS: &[(&str, &str)] = &[
    ("[S]", "big-sale"),
    (
        "[S, { wait: 2d }, S, exit]",
        "big-sale wait-2d big-sale-2 exit",
    ),
    (
        "{ steps: [S, { name: second, wait: 1d 12h }] }",
        "big-sale second",
    ),
    ("[{ wait: 1d 12h }]", "wait-1d-12h"),
    ("[{ wait: { at: '10:00' } }, S]", "wait-until-day big-sale"),
    (
        "[{ wait: { until: profile.last_order, plus: 1h } }, S]",
        "wait-until big-sale",
    ),
    (
        "[{ wait_for: { event: Order Delivered, within: 3d }, then: [S, exit], else: [S] }, S]",
        "wait-for big-sale-2 big-sale-3",
    ),
    (
        "[{ branch: [{ if: event.total > 9, then: [S] }], else: [{ wait: 1d }] }, S]",
        "branch wait-1d big-sale-2",
    ),
    (
        "[{ branch: [{ if: event.total > 9, then: [S] }] }, { wait: 1d }]",
        "branch wait-1d",
    ),
];

#[test]
fn steps_are_named_and_lead_on() {
    for (journey, expected) in WAYS {
        let text = steps(journey);
        let journey = reading(&text).unwrap_or_else(|reports| panic!("{}", rendered(&reports)));
        let mut steps = Vec::new();
        let mut at = journey.first();
        while let Some(step) = at {
            steps.push(step.name().to_string());
            // As a customer goes of whom nothing is true.
            at = match &step.own().does {
                crate::journey::Does::Branch(_, otherwise) => journey.at(*otherwise),
                crate::journey::Does::Exit => None,
                _ => step.next(),
            };
        }
        assert_eq!(steps.join(" "), *expected, "{text}");
    }
}

/// A journey, what the error points at, what it says, and what is expected.
#[rustfmt::skip]
const ERRORS: &[(&str, &str, &str, &str)] = &[
    ("[]", "[]", "a list is not valid here", "a list of steps"),
    ("{ until: profile.known }", "", "`steps` is missing", "`send`"),
    ("{ steps: [S], untill: profile.known }", "untill", "a journey has no `untill`", "did you mean `until`?"),
    ("{ steps: [S], re_enter: sometimes }", "sometimes", "`sometimes` is not valid here", "`after 30d`"),
    ("{ steps: [S], re_enter: after 30x }", "after 30x", "not valid here", "`after 30d`"),
    ("{ steps: [S], per: event.totl }", "totl", "`Order Completed` has no property `totl`", "did you mean"),
    ("{ steps: [S], per: profile.country }", "profile.country", "does not tell one journey", "`event.order_id`"),
    ("{ steps: [S], until: profile.orders.count }", "profile.orders.count", "a condition is a bool", "> 0"),
    ("{ steps: [S], until: \"abs(days_between(now, profile.last_order)) > 3\" }", "\"abs(days_between(now, profile.last_order)) > 3\"", "nobody can say when", ""),
    ("[{ sned: { channel: onsite, template: t } }]", "sned", "a step has no `sned`", "did you mean `send`?"),
    ("[{ name: x }]", "{ name: x }", "this step does nothing", "exactly one of"),
    ("[{ wait: 1d, send: { channel: onsite, template: t } }]", "{ wait: 1d, send: { channel: onsite, template: t } }", "a step does one thing; here are 2", ""),
    ("[{ send: { template: t } }]", "", "`channel` is missing", "email"),
    ("[{ send: { channel: email, template: t, data: { x: previous.country } } }]", "previous", "`previous` is the profile before the event", ""),
    ("[{ wait: 3 days }]", "3 days", "`3 days` is not a duration", ""),
    ("[{ wait: until event.arrival - 3d }]", "until event.arrival - 3d", "not valid here", "`{ until: event.arrival, minus: 3d }`"),
    ("[{ exit: true }]", "exit", "is said in another way", "`- exit`"),
    ("[{ wait: 1d, then: [S] }]", "then", "`then` does not go with `wait`", "`wait_for`"),
    ("[{ wait: { minus: 1d, at: '10:00' } }]", "minus", "`minus` without `until`", ""),
    ("[{ wait: { weekdays: [monday] } }]", "", "`at` is missing", "local time"),
    ("[{ wait: { at: '10:00', weekdays: [funday] } }]", "funday", "`funday` is not valid here", "`sunday`"),
    ("[{ wait: { at: '10:00', weekdays: [] } }]", "[]", "not valid here", "at least one weekday"),
    ("[{ wait: { at: '25:00' } }]", "'25:00'", "not valid here", "a local time"),
    ("[{ wait: { until: profile.last_order, weekdays: [monday] } }]", "weekdays", "does not go with `until`", ""),
    ("[{ wait: { until: event.total } }]", "event.total", "until when it lasts is a time", ""),
    ("[{ wait_for: { event: Order Deliverd, within: 3d } }]", "Order Deliverd", "no event is called", "did you mean `Order Delivered`?"),
    ("[{ wait_for: { event: Order Delivered } }]", "", "`within` is missing", "such as 3d"),
    ("[{ wait_for: { within: 3d } }]", "{ within: 3d }", "nothing is waited for", "`when`"),
    ("[{ wait_for: { event: Order Delivered, when: profile.known, within: 3d } }]", "{ event: Order Delivered, when: profile.known, within: 3d }", "two things to wait for", ""),
    ("[{ wait_for: { event: Order Delivered, within: 3d }, then: [] }]", "[]", "a list is not valid here", "a list of steps"),
    ("[exit, S]", "{ send: { channel: onsite, template: Big Sale } }", "never reached", ""),
    ("[{ branch: [{ if: event.total > 9, then: [exit] }], else: [exit] }, S]", "{ send: { channel: onsite, template: Big Sale } }", "never reached", ""),
    ("[{ branch: [] }]", "[]", "a list is not valid here", "1 to 16"),
    ("[{ branch: [{ then: [S] }] }]", "", "`if` is missing", "a condition"),
    ("[{ branch: [{ if: event.total > 9 }] }]", "", "`then` is missing", "a list of steps"),
    ("[{ branch: [{ if: event.total > 9, then: [S] }], then: [S] }]", "then", "`then` does not go with `branch`", ""),
    ("[{ split: weighted }]", "", "`ways` is missing", "at least two"),
    ("[{ split: wieghted, ways: [{ name: a }, { name: b }] }]", "wieghted", "not valid here", "did you mean `weighted`?"),
    ("[{ split: weighted, ways: [{ name: a }] }]", "[{ name: a }]", "a list is not valid here", "2 to 16 ways"),
    ("[{ split: weighted, ways: [{ name: a, weight: 0 }, { name: b }] }]", "0", "`0` is not valid here", "a whole number from 1"),
    ("[{ split: weighted, ways: [{ name: a }, { name: a }] }]", "a", "`a` is the name of two ways", ""),
    ("[{ split: adaptive, ways: [{ name: a, weight: 2 }, { name: b }] }]\ngoal: { event: Order Completed, within: 3d }", "weight", "`weight` does not go with `split: adaptive`", "`split: weighted`"),
    ("[{ split: adaptive, ways: [{ name: a }, { name: b }] }]", "[{ split: adaptive, ways: [{ name: a }, { name: b }] }]", "learns by the `goal` of its trigger, and there is none", "`split: weighted`"),
    ("[{ name: x, wait: 1d }, { name: x, wait: 1d }]", "x", "two steps are called `x`", "another name"),
    ("[{ name: X Y, wait: 1d }]", "X Y", "`X Y` is not a step's name", "second-reminder"),
    ("[S]\ntreatments: none", "treatments", "`treatments` beside `journey`", "one of both"),
    ("[S]\npolicy: { digest: 1d }", "{ digest: 1d }", "a journey's steps are not gathered", "no `digest`"),
    ("[S]\npolicy: { value: previous.orders.count }", "previous", "`previous` is the profile before the event", ""),
];

#[test]
fn errors_stand_at_their_place() {
    for (journey, meant, message, hint) in ERRORS.iter().copied() {
        let text = steps(journey);
        let Err(reports) = reading(&text) else {
            panic!("{text} is fine")
        };
        let shown = rendered(&reports);
        assert_eq!(reports.len(), 1, "{text}: {shown}");
        assert!(reports[0].to_string().contains(message), "{shown}");
        assert!(
            shown.replace("\n  │ ", " ").contains(hint),
            "hint {hint}: {shown}"
        );
        assert_eq!(reports[0].meant(), Some(meant), "{shown}");
    }
}

/// `S`, alone in a list, stands for a step that sends.
fn steps(journey: &str) -> String {
    let alone = |text: &str, before: &str, behind: &str| {
        text.replace(
            &format!("{before}S{behind}"),
            &format!("{before}{SEND}{behind}"),
        )
    };
    let mut text = journey.to_owned();
    for (before, behind) in [("[", "]"), ("[", ","), (" ", "]"), (" ", ",")] {
        text = alone(&text, before, behind);
    }
    text
}

#[test]
fn a_journey_has_an_end() {
    let many = format!("[{}]", vec![SEND; 65].join(", "));
    let reports = reading(&many).expect_err("an error");
    assert_eq!(reports.len(), 1, "said once");
    let said = reports[0].to_string();
    assert!(said.contains("this journey is too long"), "{said}");
}
