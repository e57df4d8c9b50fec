//! Tables: what files mean, and what is said of those that mean nothing.

use std::collections::BTreeMap;

use super::*;
use crate::document::report;
use crate::event::{EventName, Type, Vocabulary};
use crate::moment::Per;
use crate::moment::absence::{By, From};
use crate::moment::baseline::{Departure, Measure};
use crate::time::{DAY_MS, Timestamp};
use crate::treatment::choice::Fill;
use crate::trigger::policy::Cap;

const BASKET: &str = r#"# deploy/triggers/engagement/abandoned-cart.yaml
trigger: abandoned-cart
stage: engagement
about: Something was put in the basket and no order followed.
moment:
  absence:
    of: Order Completed
    after: [Product Added, { name: Product Viewed, where: event.price > 10 }]
    within: 30m
    per: event.product_id
    from: first
audience: profile.basket.value >= 20.0 && has(profile.addresses.email)
treatments:
  - if: '"email" in profile.consent'
    channel: email
    template: basket-reminder
    offer: { kind: free-shipping, valid_for: 3d, percent: 10 }
    data:
      products: profile.basket.products
      count: "${ size(profile.basket.products) }"
      greeting: "profile. is where you are"
      since: ${profile.basket.changed}
      colours: [red, { deep: "blue" }]
  - channel: onsite
    template: basket-banner
policy:
  priority: 60
  cap: 1 in 7d
  quiet_hours: ignore
  hold_out: 0%
"#;

fn read_text(text: &str) -> Result<Definition, Vec<Report>> {
    let (vocabulary, attributes) = (
        Vocabulary::standard(),
        BTreeMap::from([("tier".to_owned(), Type::Text)]),
    );
    let source = Source::new("t.yaml", text.to_owned());
    read(&source, Declared::new(&vocabulary, &attributes))
}

/// A file with one part replaced.
fn with(moment: &str, rest: &str) -> String {
    let treatments = "treatments: [{ channel: email, template: t }]";
    let treatments = if rest.contains("treatments:") {
        ""
    } else {
        treatments
    };
    format!("trigger: t\nmoment: {moment}\n{rest}\n{treatments}\n")
}

#[test]
fn a_file_becomes_a_trigger() {
    let definition = read_text(BASKET)
        .map_err(|reports| report::rendered(&reports))
        .unwrap();
    let trigger = &definition.trigger;
    assert_eq!(
        (definition.stage, trigger.name.as_str(), trigger.generation),
        (Some("engagement"), "abandoned-cart", 1)
    );
    assert_eq!(
        (trigger.policy.priority, trigger.mode, trigger.uses_previous),
        (60, Mode::Live, false)
    );
    assert_eq!(
        trigger.policy.caps,
        [Cap::Rolling {
            count: 1,
            window_ms: 7 * DAY_MS
        }]
    );
    assert_eq!(trigger.policy.good_for_ms, DAY_MS);
    let Kind::Absence(absence) = &trigger.kind else {
        panic!("{:?}", trigger.kind)
    };
    assert_eq!(
        (matches!(absence.by, By::Within(1_800_000)), absence.from),
        (true, From::First)
    );
    assert_eq!(
        absence.after.event_names().collect::<Vec<_>>(),
        [EventName::PRODUCT_ADDED, EventName::PRODUCT_VIEWED]
    );
    assert!(matches!(&absence.per, Per::Key(key) if key.source() == "event.product_id"));
    assert_eq!(
        trigger.audience.as_ref().map(Expression::kind),
        Some(Type::Bool)
    );
    let first = &trigger.treatments[0];
    assert!(first.condition.is_some() && trigger.treatments[1].condition.is_none());
    let shown = |fills: &[(Text, Fill)]| -> Vec<String> {
        let fill = |(name, fill): &(Text, Fill)| match fill {
            Fill::Constant(value) => format!("{name} = {value}"),
            Fill::Expression(expression) => format!("{name}: {}", expression.source()),
        };
        fills.iter().map(fill).collect()
    };
    assert_eq!(
        shown(&first.offer),
        [
            r#"kind = "free-shipping""#,
            r#"valid_for = "3d""#,
            "percent = 10"
        ]
    );
    assert_eq!(
        shown(&first.data),
        [
            "products: profile.basket.products",
            "count: size(profile.basket.products)",
            r#"greeting = "profile. is where you are""#,
            "since: profile.basket.changed",
            r#"colours = ["red",{"deep":"blue"}]"#,
        ]
    );
}

#[rustfmt::skip]
const KINDS: &[(&str, &str)] = &[
    ("{ event: Signed Up }", "event"),
    ("{ event: { of: [Signed Up, Identify] } }", "event"),
    ("{ event: { name: Order Completed, where: 'days_between(previous.last_order, event.time) > 90' } }", "event previous"),
    ("{ event: { of: { name: Order Completed, where: previous.orders.count == 0 }, when: settled } }", "event previous"),
    ("{ threshold: { of: { name: Order Completed, where: previous.orders.count == 0 }, measure: count, crosses: { at_least: 3 } } }", "threshold previous"),
    ("{ calendar: { date: profile.signed_up, offset: -1d } }", "calendar"),
    ("{ inactivity: { of: [Order Completed, Product Viewed], for: 90d } }", "inactivity 7776000000"),
    ("{ absence: { of: Signed Up, after: Product Viewed, within: 1d } }", "absence"),
    ("{ baseline: { of: Order Completed, measure: gap, history_min: 4, deviations: 2 } }", "GapDays 4 Deviations(2.0)"),
    ("{ baseline: { of: Order Completed, measure: gap, by: exact, history_min: 4, deviations: 2.5 } }", "GapExact 4 Deviations(2.5)"),
    ("{ baseline: { of: Order Completed, measure: value, value: event.total, history_min: 6, ratio: { last: 3, below: 0.7 } } }", "event.total 6 Ratio { last: 3, below: 0.7 }"),
    ("{ baseline: { of: Order Completed, measure: event.total - event.tax, history_min: 2, deviations: -2 } }", "event.total - event.tax 2 Deviations(-2.0)"),
];

#[test]
fn every_kind_is_read() {
    for (moment, shown) in KINDS.iter().copied() {
        let definition = read_text(&with(moment, ""))
            .map_err(|reports| report::rendered(&reports))
            .unwrap();
        let previous = if definition.trigger.uses_previous {
            " previous"
        } else {
            ""
        };
        // What the others read is tried in their own files.
        let kind = &definition.trigger.kind;
        let kind = if let Kind::Inactivity(kind) = kind {
            format!("inactivity {}", kind.for_ms)
        } else if let Kind::Baseline(kind) = kind {
            let measure = match &kind.measure {
                Measure::Value(value) => value.source().to_owned(),
                other => format!("{other:?}"),
            };
            let departs: Departure = kind.departs;
            format!("{measure} {} {departs:?}", kind.history_min)
        } else {
            kind.word().to_owned()
        };
        assert_eq!(format!("{kind}{previous}"), shown, "{moment}");
    }
}

#[test]
fn the_rest_is_read() {
    let rest = "mode: off\ngeneration: 3\nfrom: 2026-03-01\nuntil: 2026-04-01T00:00:00+02:00\n\
        audience: event.type == \"newsletter\" && !previous.known\n\
        treatments: [{ channel: onsite, template: t, data: { when: event.time, at: now } }]\npolicy: {}";
    let trigger = read_text(&with("{ event: Signed Up }", rest))
        .map_err(|reports| report::rendered(&reports))
        .unwrap()
        .trigger;
    assert_eq!(
        (trigger.mode, trigger.generation, trigger.uses_previous),
        (Mode::Off, 3, true)
    );
    assert_eq!(trigger.from, Timestamp::parse("2026-03-01T00:00:00Z"));
    assert_eq!(trigger.until, Timestamp::parse("2026-03-31T22:00:00Z"));
    assert_eq!(
        (trigger.policy.good_for_ms, trigger.policy.priority),
        (600_000, 50),
        "on the site she is gone soon"
    );
    assert_eq!(trigger.key, key("t", 3));
    assert_ne!(key("t", 3), key("t", 1));
}

const EVENT: &str = "{ event: Signed Up }";

/// Moment, the rest of the file, what the error points at, what it says, and what else is shown.
#[rustfmt::skip]
const ERRORS: &[(&str, &str, &str, &str, &str)] = &[
    (EVENT, "audiense: profile.known", "audiense", "a trigger has no `audiense`", "did you mean `audience`?"),
    (EVENT, "stage: engagment", "engagment", "`engagment` is not valid here", "did you mean `engagement`?"),
    (EVENT, "mode: on", "on", "`on` is not valid here", "one of `live`, `shadow` and `off`"),
    (EVENT, "generation: 0", "0", "`0` is not valid here", "a whole number from 1"),
    (EVENT, "from: soon", "soon", "`soon` is not valid here", "a time such as"),
    (EVENT, "from: 2026-02-02\nuntil: 2026-02-01", "2026-02-01", "`until` is not after `from`", ""),
    (EVENT, "goal: { event: Order Completed }", "", "`within` is missing", "such as 3d"),
    (EVENT, "goal: { event: Order Completed, within: 91d }", "91d", "`91d` is not valid here", "at most 90d"),
    (EVENT, "goal: { event: Order Completed, within: 3d, value: event.order_id }", "event.order_id", "is a text", ""),
    (EVENT, "goal: { event: Order Completed, within: 3d, at_most: 0 }", "0", "not valid here", "above 0"),
    (EVENT, "kpi: { name: sent, of: treatde }", "treatde", "not valid here", "did you mean `treated`?"),
    (EVENT, "kpi: { of: treated }", "", "`name` is missing", "what people call it"),
    (EVENT, "kpi: { name: recovered, of: converted, per: treated }", "converted", "of a trigger with a `goal`, and there is none", "`treated`"),
    (EVENT, "goal: { event: Order Completed, within: 3d }\nkpi: { name: recovered, of: converted, per: treated }", "treated", "`converted` are customers", "`of: conversions`"),
    (EVENT, "kpi: { name: a name that goes on for so long that no table of a report has room for it, of: treated }", "a name that goes on for so long that no table of a report has room for it", "not valid here", "at most 64 bytes"),
    (EVENT, "goal: { event: Order Completed, within: 3d, margin: 40 }", "40", "not valid here", "from 0 to 1"),
    (EVENT, "treatments: [{ channel: email, template: t, cost: free }]", "free", "not valid here", "such as 0.85"),
    (EVENT, "stage: engagement\nstage: retention", "stage", "`stage` stands here a second time", ""),
    (EVENT, "treatments: []", "[]", "a list is not valid here", "1 to 16 treatments"),
    (EVENT, "treatments: [{ channel: email }]", "", "`template` is missing", "template"),
    (EVENT, "treatments: [{ channel: E-Mail, template: t }]", "E-Mail", "`E-Mail` is not a channel", "lower-case"),
    (EVENT, "treatments: [{ channel: email, template: t }, { channel: sms, template: t }]", "{ channel: sms, template: t }", "never reached", ""),
    (EVENT, "treatments: [{ chanel: email, template: t, channel: sms }]", "chanel", "a treatment has no `chanel`", "did you mean `channel`?"),
    // expressions
    (EVENT, "audience: profile.basket.vlaue > 1", "basket.vlaue", "no field `basket.vlaue`", "did you mean `profile.basket.value`?"),
    (EVENT, "audience: '\"a\" == profile.contry'", "contry", "no field `contry`", "did you mean `profile.country`?"),
    (EVENT, "audience: \"\\\"a\\\" == profile.contry\"", "contry", "no field `contry`", ""),
    (EVENT, "audience: >\n  profile.known\n  && profile.contry\n  == \"ES\"", "contry", "no field `contry`", ""),
    (EVENT, "audience: |\n  profile.known &&\n  profile.contry == \"ES\"", "contry", "no field `contry`", ""),
    (EVENT, "audience: profile.known\n  && profile.contry == \"ES\"", "contry", "no field `contry`", ""),
    (EVENT, "audience: profile.basket.value", "profile.basket.value", "a condition is a bool", "> 0"),
    (EVENT, "audience: [1]", "[1]", "a list is not valid here", "an expression"),
    (EVENT, "treatments: [{ channel: a, template: t, data: { x: profile.contry } }]", "contry", "no field `contry`", ""),
    (EVENT, "treatments: [{ channel: a, template: t, data: { x: '${ profile.contry }' } }]", "contry", "no field `contry`", ""),
    (EVENT, "treatments: [{ channel: a, template: t, data: { x: 'to ${ profile.country }' } }]", "'to ${ profile.country }'", "the whole of a value", ""),
    (EVENT, "treatments: [{ channel: a, template: t, data: { x: size(profile.viewed) } }]", "size(profile.viewed)", "would be sent as the text it is", "${ size(profile.viewed) }"),
    (EVENT, "treatments: [{ channel: a, template: t, data: { x: [profile.country] } }]", "profile.country", "the whole of a value", ""),
    (EVENT, "treatments: [{ channel: a, template: t, code: { length: 7 } }]", "7", "of 100,000 two are the same with a probability of 14 %", "from 8 to 24"),
    (EVENT, "treatments: [{ channel: a, template: t, code: { length: 25 } }]", "25", "`25` is not valid here", "from 8 to 24"),
    (EVENT, "treatments: [{ channel: a, template: t, code: { prefix: hello- } }]", "hello-", "`hello-` is not valid here", "capital letters"),
    (EVENT, "treatments: [{ channel: a, template: t, offer: { code: A }, code: { prefix: B } }]", "{ prefix: B }", "the offer has a code already", "one for all"),
    (EVENT, "treatments: [{ channel: a, template: t, offer: { valid_for: 3 days } }]", "3 days", "`3 days` is not valid here", "a duration"),
    ("{ inactivity: { of: Signed Up, for: 90d } }", "audience: event.plan == \"x\"", "event", "`event` is not there", "profile"),
    ("{ inactivity: { of: Signed Up, for: 90d } }", "audience: previous.known", "previous", "`previous` is the profile before the event", ""),
    ("{ calendar: { date: 12-24 } }", "audience: event.plan == \"x\"", "event", "`event` is not there", "profile"),
    ("{ threshold: { of: Signed Up, measure: count, crosses: { at_least: 3 } } }", "audience: event.totl > 1", "totl", "`Signed Up` has no property `totl`", ""),
    // policy
    (EVENT, "policy: { quiet_hours: wait }", "wait", "`wait` is not valid here", "one of `ignore`, `drop` and `hold`"),
    (EVENT, "policy: { hold_out: 101% }", "101%", "`101%` is not valid here", "from 0% to 100%"),
    (EVENT, "policy: { cap: 1 per 7d }", "1 per 7d", "`1 per 7d` is not valid here", "`N in D`"),
    (EVENT, "policy: { cap: 1 in 7days }", "7days", "`7days` is not a duration", ""),
    (EVENT, "policy: { value: profile.country }", "profile.country", "the value of a treatment is a number", ""),
    (EVENT, "policy: { value: event.totl }", "totl", "no property `totl`", ""),
    (EVENT, "policy: { cap: 0 a day }", "0 a day", "`0 a day` is not valid here", "`once`"),
    (EVENT, "policy: { cap: 101 in 7d }", "101 in 7d", "", "`every 3rd`"),
    (EVENT, "policy: { cap: 1 in 7x per event.plan }", "7x", "is not a duration", ""),
    (EVENT, "policy: { cap: once per event.order_id }", "order_id", "`Signed Up` has no property `order_id`", ""),
    (EVENT, "policy: { cap: [1 a day, 2 per 7d] }", "2 per 7d", "`2 per 7d` is not valid here", "`N in D`"),
    (EVENT, "policy: { cap: [] }", "[]", "is not valid here", "a list of 1 to 8"),
    (EVENT, "policy: { cap: [once per event.id, 2 a day, 2 in 7d per event.time] }", "2 in 7d per event.time", "counted by one thing", "`per event.id`"),
    (EVENT, "policy: { send_window: 9-18 }", "send_window", "is said in another way", "`quiet_hours: hold`"),
    (EVENT, "policy: { cap: once per event.products }", "once per event.products", "is not valid here", "`per` a text"),
    (EVENT, "policy: { priority: 101 }", "101", "", "from 0 to 100"),
    (EVENT, "policy: { good_for: 0s }", "0s", "a duration of nothing", ""),
    // moments
    ("{ event: Signed Upp }", "", "Signed Upp", "no event is called `Signed Upp`", "did you mean `Signed Up`?"),
    ("{ event: Customer Erased }", "", "Customer Erased", "`Customer Erased` removes the customer", "another event"),
    ("{ evnt: Signed Up }", "", "evnt", "a moment has no `evnt`", "did you mean `event`?"),
    ("{ prediction: { model: alive, crosses: { below: 0.3 }, evaluate: { every: 7d } } }", "", "alive", "no model is called `alive`", "beside the triggers"),
    ("{}", "", "{}", "a moment has one kind; here are 0", ""),
    ("{ event: { when: settled } }", "", "", "`of` is missing", "an event's name"),
    ("{ event: { of: Signed Up, when: sattled } }", "", "sattled", "`sattled` is not valid here", "did you mean `settled`?"),
    ("{ event: { name: Signed Up, where: event.totl > 1 } }", "", "totl", "`Signed Up` has no property `totl`", ""),
    ("{ absence: { of: Signed Up, after: Identify } }", "", "", "`within` is missing", ""),
    ("{ absence: { of: Order Completed, after: Product Added, within: 1d, per: event.order_id } }", "", "order_id", "`Product Added` has no property `order_id`", ""),
    ("{ absence: { of: Order Completed, after: Product Added, within: 1d, per: profile.country } }", "", "profile.country", "tell one thing", ""),
    ("{ absence: { of: Signed Up, after: Identify, within: 20y } }", "", "20y", "`20y` is not a duration", ""),
    ("{ absence: { of: Signed Up, after: Identify, within: 4000d } }", "", "4000d", "more than ten years", ""),
    ("{ baseline: { of: Order Completed, measure: gap, history_min: 4, ratio: { last: 3, below: 0.7 } } }", "", "{ last: 3, below: 0.7 }", "`ratio` compares values", "deviations"),
    ("{ baseline: { of: Order Completed, measure: value, history_min: 4, deviations: 2 } }", "", "value", "does not say which value", "event.total"),
    ("{ baseline: { of: Order Completed, measure: event.coupon, history_min: 4, deviations: 2 } }", "", "event.coupon", "what is measured is a number", ""),
    ("{ baseline: { of: Order Completed, measure: gap, history_min: 1, deviations: 2 } }", "", "1", "too short", "at least 2"),
    ("{ baseline: { of: Order Completed, measure: gap, history_min: 4 } }", "", "{ of: Order Completed, measure: gap, history_min: 4 }", "nothing says when it has departed", ""),
    ("{ baseline: { of: Order Completed, measure: gap, history_min: 4, deviations: -1 } }", "", "-1", "", "0 to 100"),
];

#[test]
fn errors_stand_at_their_place() {
    for (moment, rest, meant, message, hint) in ERRORS.iter().copied() {
        let text = with(moment, rest);
        let reports = read_text(&text).expect_err(&text);
        let shown = report::rendered(&reports);
        assert_eq!(reports.len(), 1, "{shown}");
        assert!(reports[0].to_string().contains(message), "{shown}");
        assert!(
            shown.replace("\n  │ ", " ").contains(hint),
            "hint {hint}: {shown}"
        );
        assert_eq!(reports[0].meant(), Some(meant), "{shown}");
    }
}

#[test]
fn all_errors_of_a_file_are_told() {
    let text = "trigger: Bad Name\nstage: nowhere\nmoment:\n  absence:\n    of: Order Complete\n    after: Product Added\n    \
        within: 30\naudience: profile.age > 1\ntreatments:\n  - channel: email\n    if: event.total > 1\npolicy:\n  cap: often\n";
    let reports = read_text(text).unwrap_err();
    let lines: Vec<_> = reports
        .iter()
        .filter_map(|report| report.position().map(|(_, line, _)| line))
        .collect();
    assert_eq!(
        lines,
        [1, 2, 5, 7, 8, 11, 10, 13],
        "{}",
        report::rendered(&reports)
    );
}

#[test]
fn files_of_other_systems_are_read() {
    let text = BASKET.replace('\n', "\r\n");
    assert!(read_text(&text).is_ok());
    assert!(read_text(&format!("\u{feff}{BASKET}")).is_ok());
    let wrong = text.replace("profile.basket.value", "profile.basket.valeu");
    assert_eq!(
        read_text(&wrong).unwrap_err()[0].meant(),
        Some("basket.valeu")
    );
}

#[test]
fn what_is_no_yaml_is_told() {
    for (text, message) in [
        ("", "the file is empty"),
        ("# nothing\n", "the file is empty"),
        ("trigger: [", "this is no YAML"),
        ("audience: \"a\" in profile.viewed", "this is no YAML"),
        (
            "trigger: a\n---\ntrigger: b\n",
            "a second document begins here",
        ),
        ("trigger: &a x\nabout: *a\n", "aliases"),
        ("trigger: !!str x\n", "tags"),
        ("[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]", "at most 16 deep"),
        ("- a\n", "a list is not valid here"),
    ] {
        let reports = read_text(text).unwrap_err();
        assert!(
            reports[0].to_string().contains(message),
            "{text}: {}",
            report::rendered(&reports)
        );
    }
    let long = format!("# {}", "x".repeat(yaml::limits::FILE_BYTES));
    assert!(
        read_text(&long).unwrap_err()[0]
            .to_string()
            .contains("bytes; at most")
    );
}

/// What means more to YAML than to whoever wrote it: where it stands, and what is expected there.
#[test]
fn what_yaml_takes_otherwise_is_said() {
    for (text, place, expected) in [
        (
            "audience: !profile.known && true",
            (1, 11),
            "'!profile.known'",
        ),
        (
            "about: a\naudience: !has(profile.country)",
            (2, 11),
            "'!profile.known'",
        ),
        (
            "about: once: twice",
            (1, 12),
            "quotes around a text or an expression that has `: ` in it",
        ),
        (
            "moment:\n\tevent: Signed Up",
            (2, 2),
            "is indented by spaces",
        ),
        (
            "moment:\n  event: Signed Up\n when: seen",
            (3, 2),
            "begin in one column",
        ),
        (
            "audience: \"a\" in profile.viewed",
            (1, 15),
            "stands in quotes of the",
        ),
    ] {
        let reports = read_text(text).unwrap_err();
        let said = report::rendered(&reports);
        let position = reports[0]
            .position()
            .map(|(_, line, column)| (line, column));
        assert_eq!(position, Some(place), "{said}");
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn an_error_is_shown_with_its_line_and_a_caret() {
    let text = with(
        "{ event: Signed Up }",
        "audience: profile.basket.vlaue >= 20",
    );
    insta::assert_snapshot!(report::rendered(&read_text(&text).unwrap_err()), @r"
      × the profile has no field `basket.vlaue`
       ╭─[t.yaml:3:19]
     2 │ moment: { event: Signed Up }
     3 │ audience: profile.basket.vlaue >= 20
       ·                   ──────┬─────
       ·                         ╰── did you mean `profile.basket.value`?
     4 │ treatments: [{ channel: email, template: t }]
       ╰────
      help: expected: `profile.basket` has `cart_id`, `changed`, `currency`, `items`, `products` and `value`
    1 error
    ");
}

proptest::proptest! {
    /// Whatever a file holds, it is a trigger or every error of it has a place in the text.
    #[test]
    fn no_file_is_a_crash(cuts in proptest::collection::vec((0usize..1200, 0usize..30, proptest::sample::select(PIECES)), 1..6)) {
        let mut text = BASKET.to_owned();
        for (at, length, piece) in cuts {
            let at = at.min(text.len());
            let end = (at + length).min(text.len());
            if text.is_char_boundary(at) && text.is_char_boundary(end) {
                text.replace_range(at..end, piece);
            }
        }
        for report in read_text(&text).err().unwrap_or_default() {
            proptest::prop_assert!(report.meant().is_some() && report.position().is_some(), "{report:?}");
            proptest::prop_assert!(report.rendered().contains("t.yaml"), "{}", report.rendered());
        }
    }
}

#[rustfmt::skip]
const PIECES: &[&str] = &[
    "", " ", "\n", "\n  ", ": ", "- ", "{", "}", "[", "]", ",", "\"", "'", "|\n", ">\n", "&a ", "*a", "!!x ", "#", "ö€", "\\", "\t", "---\n", "${", "?",
];
