//! Why something was decided and why something was not, by the command line over files of events.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::process::said;

/// Files by name, beside each other in a folder, and `moments explain` there.
struct Shop {
    folder: tempfile::TempDir,
}

impl Shop {
    fn new(files: &[(&str, &str)], events: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let triggers = folder.path().join("triggers");
        fs::create_dir(&triggers).expect("a folder");
        for (name, text) in files {
            fs::write(triggers.join(format!("{name}.yaml")), text).expect("a file");
        }
        let events: String = events.iter().map(|event| line(event)).collect();
        fs::write(folder.path().join("clickstream.jsonl"), events).expect("a file");
        Self { folder }
    }

    fn run(&self, arguments: &[&str]) -> Result<String, String> {
        said(
            Command::new(env!("CARGO_BIN_EXE_moments"))
                .args([
                    "explain",
                    "--triggers",
                    "triggers",
                    "--set",
                    "topics.clickstream.lateness=0s",
                ])
                .args(arguments)
                .arg("clickstream.jsonl")
                .current_dir(self.folder.path()),
        )
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let arguments = [&["--customer", "ana", "--output", "json"], arguments].concat();
        let said = self
            .run(&arguments)
            .unwrap_or_else(|error| panic!("{error}"));
        serde_json::from_str(&said).expect("JSON")
    }
}

/// `2026-03-02T10:00:00Z Product Added {...}`, as a record; `identify` carries traits.
fn line(event: &str) -> String {
    let (time, rest) = event.split_once(' ').expect("a time");
    let (name, said) = rest
        .split_once(" {")
        .map_or((rest, "{}".to_owned()), |(name, said)| {
            (name, format!("{{{said}"))
        });
    let said: Value = serde_json::from_str(&said).expect("JSON");
    let record = match name {
        "identify" => json!({"type": "identify", "traits": said}),
        name => json!({"event": name, "properties": said}),
    };
    let mut record = record;
    record["userId"] = "ana".into();
    record["timestamp"] = time.into();
    record["messageId"] = time.into();
    format!("{record}\n")
}

fn trigger(moment: &str) -> String {
    format!("trigger: t\nmoment: {moment}\ntreatments: [{{ channel: onsite, template: x }}]\n")
}

const ADDED: &str = r#"2026-03-02T10:00:00Z Product Added {"product_id":"p1"}"#;
const ORDERED: &str = r#"2026-03-02T10:00:00Z Order Completed {"total":40}"#;

/// A moment, what she did, and what is missing an hour later.
#[rustfmt::skip]
const TABLE: &[(&str, &[&str], &str)] = &[
    ("{ event: Order Completed }", &[ADDED], "It comes true at the next Order Completed."),
    ("{ absence: { of: Order Completed, after: Product Added, within: 2h } }", &[ADDED],
        "It comes true at 2026-03-02T12:00:00.000Z, unless Order Completed comes by then: Product Added came at 2026-03-02T10:00:00.000Z."),
    ("{ absence: { of: Order Completed, after: Product Added, within: 2h, per: event.product_id } }", &[ADDED],
        "It comes true for p1 at 2026-03-02T12:00:00.000Z, unless Order Completed comes by then: Product Added came at 2026-03-02T10:00:00.000Z."),
    ("{ absence: { of: Order Completed, after: Product Added, within: 2h } }", &[ORDERED], "Nothing is open: it waits for Product Added."),
    ("{ inactivity: { of: any, for: 7d } }", &[ADDED],
        "It comes true at 2026-03-09T10:00:00.000Z, unless any event comes by then: the last was at 2026-03-02T10:00:00.000Z."),
    ("{ inactivity: { of: any, for: 30m } }", &[ADDED],
        "It came true of her silence since 2026-03-02T10:00:00.000Z: it waits for any event, and for silence after it."),
    ("{ inactivity: { of: Order Completed, for: 7d } }", &[ADDED], "She never did what would have to stop: it waits for Order Completed."),
    ("{ sequence: { steps: [Product Viewed, { of: Product Added, times: 3 }, Order Completed], within: 2h } }", &[ADDED],
        "Nothing has begun: the first step is Product Viewed."),
    ("{ sequence: { steps: [Product Viewed, { of: Product Added, times: 3 }, Order Completed], within: 2h } }",
        &["2026-03-02T09:30:00Z Product Viewed", ADDED],
        "Step 2 of 3 is missing: Product Added by 2026-03-02T11:30:00.000Z, 1 of 3 times so far. It began at 2026-03-02T09:30:00.000Z."),
    ("{ sequence: { steps: [Product Added, Order Completed], within: 30m } }", &[ADDED], "Nothing has begun: the first step is Product Added."),
    ("{ threshold: { of: Order Completed, measure: { sum: event.total }, over: 7d, crosses: { at_least: 100 } } }", &[ORDERED],
        "The sum of `event.total` of Order Completed in 7 days is 40: it has to come to at least 100, 60 away."),
    ("{ threshold: { of: Order Completed, measure: { sum: event.total }, over: 30m, crosses: { at_least: 100 } } }", &[ORDERED],
        "The sum of `event.total` of Order Completed in 30 minutes is 0: it has to come to at least 100, 100 away."),
    ("{ threshold: { of: Order Completed, measure: count, crosses: { at_least: 1 } } }", &[ORDERED],
        "The number of Order Completed is 1, at least 1 already: it comes true when it has been otherwise, and comes to that again."),
    ("{ threshold: { of: Order Completed, measure: { score: { weight: 8, half_life: 1h } }, crosses: { above: 10 } } }", &[ORDERED],
        "The score of Order Completed, by `8` each and halved every 1 hour, is 4: it has to come to above 10, 6 away."),
    ("{ baseline: { of: Order Completed, measure: gap, history_min: 3, deviations: 2 } }", &[ORDERED],
        "0 of 3 are known of her history: it needs 3 more Order Completed."),
    ("{ baseline: { of: Order Completed, measure: gap, history_min: 2, deviations: 0 } }",
        &["2026-02-23T10:00:00Z Order Completed", "2026-02-27T10:00:00Z Order Completed", ORDERED],
        "It comes true at 2026-03-06T00:00:00.000Z, unless Order Completed comes by then: the last was at 2026-03-02T10:00:00.000Z."),
    ("{ calendar: { date: 12-24, at: \"09:00\" } }", &[ADDED], "It comes true at 2026-12-24T09:00:00.000Z, for 2026-12-24."),
    ("{ calendar: { date: profile.last_order, offset: 1d } }", &[ADDED], "`profile.last_order` is not known of her."),
    ("{ calendar: { date: 2025-06-30 } }", &[ADDED], "Its day is past."),
    ("{ broadcast: Spot Aired }", &[ADDED],
        "It comes true at the next Spot Aired that happens to everybody, for whoever is in the audience then."),
    ("{ transition: { enters: buyers } }", &[ADDED], "She is not in buyers, and never was: she has to enter it."),
    ("{ transition: { outstays: { segment: buyers, for: 7d } } }", &[ORDERED],
        "She is in buyers since 2026-03-02T10:00:00.000Z: it comes true at 2026-03-09T10:00:00.000Z, unless she leaves it before."),
    ("{ transition: { leaves: buyers } }", &[ORDERED], "She is in buyers since 2026-03-02T10:00:00.000Z: she has to leave it."),
    ("{ prediction: { model: likely, crosses: { at_least: 0.9 }, evaluate: { on: Order Completed } } }", &[ORDERED],
        "The score of likely would be 0.5 now: it has to come to at least 0.9. It is asked at each Order Completed."),
];

#[test]
fn each_kind_says_what_is_missing() {
    let buyers = "segment: buyers\nwhen: profile.orders.count > 0\n";
    let likely = "model: likely\nlogistic:\n  intercept: -1\n  inputs:\n    orders: { of: profile.orders.count, weight: 1 }\n";
    for (moment, events, expected) in TABLE {
        let files = [
            ("t", &*trigger(moment)),
            ("buyers", buyers),
            ("likely", likely),
        ];
        let said = Shop::new(&files, events).json(&["--at", "2026-03-02T11:00:00Z"]);
        assert_eq!(
            said["triggers"][0]["missing"][0]["says"], *expected,
            "{moment} {events:?}\n{said:#}"
        );
    }
}

const GATED: &str = "trigger: t
moment: { event: { name: Order Completed, where: event.total > 10 } }
audience: profile.orders.count >= 2 && event.total >= 20
treatments: [{ channel: email, template: thanks }]
policy: { cap: 1 in 7d, quiet_hours: hold, hold_out: 0%, good_for: 2d }
";

/// What a gate says.
fn gate<'v>(explained: &'v Value, name: &str) -> &'v Value {
    let gates = explained["triggers"][0]["gates"]
        .as_array()
        .expect("a list");
    let found = gates.iter().find(|gate| gate["gate"] == name);
    found.unwrap_or_else(|| panic!("no {name} in {explained:#}"))
}

#[test]
fn each_gate_says_what_it_would() {
    let events = [
        r#"2026-03-01T10:00:00Z identify {"consent":{"email":true}}"#,
        r#"2026-03-01T11:00:00Z Order Completed {"order_id":"o1","total":15}"#,
        r#"2026-03-01T12:00:00Z Order Completed {"order_id":"o2","total":25}"#,
        r#"2026-03-01T23:00:00Z Order Completed {"order_id":"o3","total":25}"#,
    ];
    let shop = Shop::new(&[("t", GATED)], &events);
    let night = "policy.quiet_hours.email=22:00-08:00";
    let explained = |at: &str| shop.json(&["--set", night, "--at", at]);

    // Before the second order: what the audience asks of her is not true, and what it asks of the event is not known.
    let first = explained("2026-03-01T11:30:00Z");
    let audience = gate(&first, "audience");
    assert_eq!(audience["verdict"], "refuses");
    assert_eq!(
        audience["conditions"],
        json!([
            {"condition": "profile.orders.count >= 2", "holds": false, "values": {"profile.orders.count": 1}},
            {"condition": "event.total >= 20", "values": {"event.total": null}},
        ])
    );
    assert_eq!(gate(&first, "no_consent")["says"], "she said yes to email");
    assert_eq!(first["decided"][0]["reason"], "audience");

    // After it was sent: the cap is used up, and the audience depends on the event.
    let second = explained("2026-03-01T13:00:00Z");
    assert_eq!(gate(&second, "audience")["verdict"], "depends");
    let capped = gate(&second, "capped");
    assert_eq!(
        (&capped["verdict"], &capped["until"]),
        (&json!("refuses"), &json!("2026-03-08T12:00:00.000Z"))
    );
    assert_eq!(second["decided"][0]["decision"], "treat");
    assert_eq!(second["decided"].as_array().map(Vec::len), Some(2));

    // At night: what came true is held, and so would be what comes true now.
    let third = explained("2026-03-01T23:30:00Z");
    let held = &third["held"][0];
    assert_eq!(
        (&held["trigger"], &held["reason"], &held["until"]),
        (
            &json!("t"),
            &json!("quiet_hours"),
            &json!("2026-03-02T08:00:00.000Z")
        )
    );
    let quiet = gate(&third, "quiet_hours");
    assert_eq!(
        (&quiet["verdict"], &quiet["until"]),
        (&json!("holds"), &json!("2026-03-02T08:00:00.000Z"))
    );
    // In the morning it is asked again, and capped.
    assert_eq!(
        explained("2026-03-02T09:00:00Z")["decided"][0]["reason"],
        "capped"
    );

    let order: Vec<&str> = third["triggers"][0]["gates"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|gate| gate["gate"].as_str())
        .collect();
    let all: Vec<&str> = moments::policy::GATES
        .iter()
        .map(|gate| gate.reason.word())
        .collect();
    assert_eq!(order, all);
}

#[test]
fn it_is_told_in_sentences() {
    let shop = Shop::new(&[("t", GATED)], &[ORDERED]);
    let said = shop.run(&["--customer", "ana"]).expect("an explanation");
    for line in [
        "ana at 2026-03-02T10:00:00.000Z, settled up to 2026-03-02T10:00:00.000Z",
        "  2026-03-02T10:00:00.000Z  t: not sent, audience (because of 2026-03-02T10:00:00Z at 2026-03-02T10:00:00.000Z)",
        "t: It comes true at each Order Completed where `event.total > 10`. It is for those of whom `profile.orders.count >= 2` and \
         `event.total >= 20` are true. It sends thanks by email. Its priority is 50; she is sent it at most 1 in 7d; in quiet hours \
         it waits; it makes sense for 2 days; 0% are held out.",
        "  It comes true at the next Order Completed where `event.total > 10`.",
        "    audience           refuses  `profile.orders.count >= 2` is not true: profile.orders.count is 1; `event.total >= 20` is not true: \
         event.total is null.",
        "    no_consent         refuses  She never said yes to email.",
    ] {
        assert!(
            said.lines().any(|it| it == line),
            "{line}\nis not in\n{said}"
        );
    }
    let nobody = shop.run(&["--customer", "bea"]).expect_err("nobody");
    assert!(nobody.contains("no event of `bea`"), "{nobody}");
    let nothing = shop.run(&["--customer", "ana", "--trigger", "u"]);
    let nothing = nothing.expect_err("no such trigger");
    assert!(nothing.contains("no trigger is called `u`"), "{nothing}");
}

/// A command in a folder.
fn moments(folder: &std::path::Path, arguments: &[&str]) -> Result<String, String> {
    said(
        Command::new(env!("CARGO_BIN_EXE_moments"))
            .args(arguments)
            .current_dir(folder),
    )
}

#[test]
fn a_trigger_is_said_back() {
    let birthday = "trigger: t\nstage: engagement\nabout: Her day.\nmoment: { calendar: { date: profile.last_order, at: \"09:00\", offset: -3d } }\n\
        treatments: [{ channel: onsite, template: x }]\n";
    let shop = Shop::new(&[("t", birthday)], &[ORDERED]);
    let folder = shop.folder.path();
    let show = ["show", "t", "--triggers", "triggers"];
    let said = moments(
        folder,
        &[&show[..], &["--events", "clickstream.jsonl"]].concat(),
    );
    assert_eq!(
        said.expect("sentences"),
        "t (engagement)\nHer day.\n\n\
         It comes true at 09:00 her time, 3 days before the day that is on the day of `profile.last_order`, every year.\n\
         It is for everybody.\nIt sends x by onsite.\n\
         Its priority is 50; quiet hours do not concern it; it makes sense for 10 minutes.\n\n\
         ana at 2026-03-02T10:01:05.000Z:\n  It comes true at 2027-02-27T09:00:00.000Z, for 2027-03-02.\n"
    );
    let example = [
        "--for",
        r#"{"timezone":"Europe/Madrid"}"#,
        "--at",
        "2026-03-02T10:00:00Z",
    ];
    let said = moments(folder, &[&show[..], &example].concat()).expect("sentences");
    assert!(
        said.ends_with(
            "example at 2026-03-02T10:00:00.000Z:\n  `profile.last_order` is not known of her.\n"
        ),
        "{said}"
    );
    for (arguments, expected) in [
        (
            &["show", "u", "--triggers", "triggers"][..],
            "no trigger is called `u`",
        ),
        (
            &["show", "t", "--triggers", "triggers", "--for", "[]"],
            "expected an object of traits",
        ),
    ] {
        let error = moments(folder, arguments).expect_err("an error");
        assert!(error.contains(expected), "{error}");
    }
}

/// Every programme can be begun from, in a folder of its own, and what is begun passes its scenarios.
#[test]
fn a_trigger_begins_from_a_programme() {
    let folder = tempfile::tempdir().expect("a folder");
    for (path, _) in moments::demo::programmes::SHIPPED {
        let like = path.split(['/', '.']).nth(1).expect("a name");
        let own = format!("my-{like}");
        let made = moments(folder.path(), &["new", &own, "--like", like, like]);
        let made = made.unwrap_or_else(|error| panic!("{error}"));
        assert!(
            made.starts_with(&format!("{like}/{own}.yaml\n{like}/{own}.test.yaml\n")),
            "{made}"
        );
        let tested = moments(folder.path(), &["test", &format!("{like}/{own}.test.yaml")]);
        assert!(tested.is_ok(), "{like}: {tested:?}");
    }
    for (arguments, expected) in [
        (
            ["new", "x", "--like", "abandoned-baskt"],
            "did you mean `abandoned-basket`?",
        ),
        (
            ["new", "X", "--like", "abandoned-basket"],
            "lower-case letters",
        ),
    ] {
        let error = moments(folder.path(), &arguments).expect_err("an error");
        assert!(error.contains(expected), "{error}");
    }
    let again = ["new", "my-welcome", "--like", "welcome", "welcome"];
    let error = moments(folder.path(), &again).expect_err("it is there");
    assert!(error.contains("is there already"), "{error}");
}

/// The same condition that nobody meets, and one that somebody does.
#[test]
fn a_rehearsal_warns_of_an_audience_that_nobody_met() {
    let warned = |audience: &str| {
        let text = format!(
            "{}audience: {audience}\n",
            trigger("{ event: Order Completed }")
        );
        let shop = Shop::new(&[("t", &text)], &[ORDERED]);
        let rehearse = ["rehearse", "--triggers", "triggers", "clickstream.jsonl"];
        moments(shop.folder.path(), &rehearse).expect("a rehearsal")
    };
    let warning =
        "warning: t: nobody of those for whom it came true, 1 in all, was in its audience";
    assert!(warned("profile.orders.count > 1").contains(warning));
    assert!(!warned("profile.orders.count == 1").contains("warning"));
}
