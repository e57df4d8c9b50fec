//! Rehearsals beside each other: what another set would have decided, what a value changes, and when what would be sent.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::data::{fixture, open, retail, shared_data};

const CONFIGURATION: &str = "[policy]\nconsent_by_default = ['email']\nhold_out = '0%'\n";

struct Bench {
    dir: TempDir,
}

impl Bench {
    fn new(sets: &[(&str, &[(&str, &str)])]) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        for (set, triggers) in sets {
            fs::create_dir(dir.path().join(set)).expect("a folder");
            for (name, rest) in *triggers {
                let path = dir.path().join(set).join(format!("{name}.yaml"));
                fs::write(path, format!("trigger: {name}\n{rest}\n")).expect("a trigger file");
            }
        }
        fs::write(dir.path().join("moments.toml"), CONFIGURATION).expect("a configuration");
        Self { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn run(&self, events: &Path, set: &str, more: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_moments"));
        command.arg("rehearse").arg(events);
        command.arg("--triggers").arg(self.path(set));
        command.arg("--config").arg(self.path("moments.toml"));
        command.current_dir(self.dir.path()).args(more);
        command.output().expect("the program")
    }

    fn json(&self, events: &Path, set: &str, more: &[&str]) -> Value {
        let output = self.run(events, set, &[more, &["--format", "json"]].concat());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    fn lines(&self, name: &str) -> Vec<Value> {
        let text = fs::read_to_string(self.path(name)).expect("what was written");
        let lines = text
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"));
        lines.collect()
    }

    /// Orders: customer, day of March, hour.
    fn orders(&self, orders: &[(&str, u32, u32)]) -> PathBuf {
        let line = |(i, (customer, day, hour)): (usize, &(&str, u32, u32))| {
            json!({"event": "Order Completed", "userId": customer, "messageId": format!("m{i}"),
                "timestamp": format!("2026-03-{day:02}T{hour:02}:00:00Z"), "properties": {"order_id": format!("o{i}"), "total": 10}})
            .to_string()
        };
        let lines: Vec<String> = orders.iter().enumerate().map(line).collect();
        let path = self.path("orders.jsonl");
        fs::write(&path, lines.join("\n")).expect("events");
        path
    }
}

fn thanks(cap: &str, template: &str) -> String {
    format!(
        "moment: {{ event: Order Completed }}\ntreatments: [{{ channel: email, template: {template} }}]\npolicy: {{ cap: {cap} }}"
    )
}

const ORDERS: &[(&str, u32, u32)] = &[
    ("ana", 1, 10),
    ("ana", 2, 10),
    ("ben", 2, 10),
    ("eva", 2, 11),
    ("ana", 9, 23),
];

#[test]
fn another_set_is_rehearsed_and_what_differs_is_told() {
    let (before, after) = (thanks("1 in 7d", "thanks"), thanks("2 in 7d", "thanks"));
    let other = thanks("1 in 7d", "merci");
    let bench = Bench::new(&[
        ("before", &[("thanks", &before), ("gone", &other)]),
        ("after", &[("thanks", &after), ("new", &other)]),
        ("renamed", &[("thanks", &other), ("gone", &other)]),
    ]);
    let events = bench.orders(ORDERS);
    let more = ["--compare", "after", "--differences", "all.jsonl"];
    let found = bench.json(&events, "before", &more);
    let changes = |of: &Value| of["changes"].clone();
    let [gone, new, thanks] = &found["triggers"].as_array().expect("a list")[..] else {
        panic!("{found}");
    };
    assert_eq!(thanks["moments"], json!([5, 5]));
    assert_eq!(
        (&thanks["treated"], &thanks["same"]),
        (&json!([4, 5]), &json!(4))
    );
    assert_eq!(
        changes(thanks),
        json!([{"from": "capped", "to": "treated, email thanks", "moments": 1, "customers": 1, "examples": ["ana"]}])
    );
    assert_eq!(
        (&gone["moments"], &new["moments"]),
        (&json!([5, 0]), &json!([0, 5]))
    );
    assert_eq!(changes(new)[0]["from"], "nothing");
    let lines = bench.lines("all.jsonl");
    assert_eq!(lines.len(), 11);
    assert_eq!(lines[10]["from"], "capped");
    assert_eq!(lines[10]["moment_at"], "2026-03-02T10:00:00.000Z");
    // What is sent otherwise differs, too; and what is the same does not.
    let renamed = bench.json(&events, "before", &["--compare", "renamed"]);
    assert_eq!(
        changes(&renamed["triggers"][1])[0]["to"],
        "treated, email merci"
    );
    let same = bench.json(&events, "before", &["--compare", "before"]);
    assert_eq!(
        (changes(&same["triggers"][0]), changes(&same["triggers"][1])),
        (json!([]), json!([]))
    );
    let text = bench.run(&events, "before", &["--compare", "after"]);
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    assert!(
        text.contains("1  capped -> treated, email thanks, of 1 customers: ana\n"),
        "{text}"
    );
}

#[test]
fn a_value_is_varied_and_what_it_changes_is_told() {
    let trigger = thanks("1 in 7d", "thanks");
    let bench = Bench::new(&[("set", &[("thanks", &trigger)])]);
    let events = bench.orders(ORDERS);
    let vary = ["--vary", "thanks.policy.cap=once,1 in 7d, 2 in 7d"];
    let found = bench.json(&events, "set", &vary);
    let values = found["values"].as_array().expect("a list");
    let treated = values.iter().map(|it| {
        let value = it["value"].as_str().unwrap_or_default();
        (value, it["triggers"][0]["treatments"].as_u64())
    });
    let expected = [
        ("once", Some(3)),
        ("1 in 7d", Some(4)),
        ("2 in 7d", Some(5)),
    ];
    assert_eq!(treated.collect::<Vec<_>>(), expected);
    for (vary, said) in [
        ("thansk.policy.cap=once", "did you mean `thanks`?"),
        (
            "thanks.policy.good_for=1d",
            "`thanks.policy` has no `good_for`, but `cap`",
        ),
        ("thanks.policy.cap=often", "with often"),
        ("thanks=1", "expected TRIGGER.KEY=A,B"),
    ] {
        let output = bench.run(&events, "set", &["--vary", vary]);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            !output.status.success() && text.contains(said),
            "{vary}: {text}"
        );
    }
}

#[test]
fn what_would_be_sent_when_is_forecast() {
    let trigger = thanks("1 in 7d", "thanks");
    let bench = Bench::new(&[("set", &[("thanks", &trigger)])]);
    let events = bench.orders(ORDERS);
    let found = bench.json(&events, "set", &["--forecast"]);
    let email = &found["forecast"][0];
    assert_eq!(
        (&email["channel"], &email["treatments"], &email["days"]),
        (&json!("email"), &json!(4), &json!(3))
    );
    assert_eq!(email["daily_mean"].as_f64(), Some(4.0 / 9.0));
    assert_eq!(email["busiest_day"], json!(["2026-03-02", 2]));
    let days = email["by_day"].as_array().expect("days");
    assert_eq!(days.len(), 9, "those without one among them");
    assert_eq!(
        (&days[1], &days[2]),
        (&json!(["2026-03-02", 2]), &json!(["2026-03-03", 0]))
    );
    assert_eq!(email["busiest_hour"], json!(["2026-03-01T10", 1]));
    assert_eq!(
        (&email["by_hour_of_day"][10], &email["by_hour_of_day"][23]),
        (&json!(2), &json!(1))
    );
    let text = bench.run(&events, "set", &["--forecast"]);
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    assert!(text.contains("2 on 2026-03-02"), "{text}");
}

/// Of 200 treatments 30 goals were met, as a report tells it.
const MEASURED: &str = r#"{"currency": "EUR", "lines": [{"trigger": "thanks", "treated": 200, "conversions": 30.0, "value": 900.0}]}"#;

#[test]
fn what_treatments_may_bring_follows_from_what_they_have_brought() {
    let (before, after) = (thanks("1 in 7d", "thanks"), thanks("2 in 7d", "thanks"));
    let bench = Bench::new(&[
        ("before", &[("thanks", &before), ("new", &before)]),
        ("after", &[("thanks", &after)]),
    ]);
    let events = bench.orders(ORDERS);
    fs::write(bench.path("report.json"), MEASURED).expect("a report");
    let expected = |trigger: &str, treated: u64, unmeasured: u64, conversions: f64, value: f64| json!({"trigger": trigger, "treated": treated, "unmeasured": unmeasured, "conversions": conversions, "value": value, "cost": 0.0});
    let one = json!([
        expected("new", 4, 4, 0.0, 0.0),
        expected("thanks", 4, 0, 0.6, 18.0)
    ]);
    let url = served(MEASURED);
    for from in ["report.json", &url] {
        let found = bench.json(&events, "before", &["--measured", from]);
        assert_eq!(found["expected"], one, "{from}");
    }
    let more = ["--measured", "report.json", "--compare", "after"];
    let found = bench.json(&events, "before", &more);
    assert_eq!(
        found["expected"],
        json!([one, [expected("thanks", 5, 0, 0.75, 22.5)]])
    );
    fs::write(bench.path("report.json"), "{\n  \"lines\": 3}").expect("no report");
    let output = bench.run(&events, "before", &["--measured", "report.json"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{said}");
    for part in ["report.json: expected a report", "line 2 column"] {
        assert!(said.contains(part), "{said}");
    }
}

/// Where a process answers with a report, once.
fn served(report: &'static str) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("somebody asks");
        let mut asked = BufReader::new(stream.try_clone().expect("the same"));
        let mut line = String::from("-");
        while !line.trim().is_empty() {
            line.clear();
            asked.read_line(&mut line).expect("a line");
        }
        let length = report.len();
        write!(
            stream,
            "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{report}"
        )
        .expect("answered");
    });
    format!("http://{address}/api/v1/report")
}

#[test]
fn a_rehearsal_is_a_page_that_opens_by_itself() {
    let (before, after) = (thanks("1 in 7d", "thanks"), thanks("2 in 7d", "thanks"));
    let bench = Bench::new(&[
        ("before", &[("thanks", &before)]),
        ("after", &[("thanks", &after)]),
    ]);
    let events = bench.orders(ORDERS);
    fs::write(bench.path("report.json"), MEASURED).expect("a report");
    let page = |more: &[&str]| {
        let more = [more, &["--html", "page.html", "--measured", "report.json"]].concat();
        let output = bench.run(&events, "before", &more);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        let page = fs::read_to_string(bench.path("page.html")).expect("a page");
        for elsewhere in ["<script", "src=", "href=", "@import", "url("] {
            assert!(!page.contains(elsewhere), "{elsewhere}: {page}");
        }
        page
    };
    let alone = page(&[]);
    for part in [
        "5 events of 3 customers",
        "<h3>email</h3><p>4 treatments, 0.4 a day; at most 2 on a day, 2026-03-02, and 1 in an hour, 2026-03-01 10h.</p>",
        "<title>2026-03-03: 0</title>",
        "<title>23:00: 1</title>",
        "<td>thanks</td><td>4</td><td>0</td><td>0.6</td><td>18.00</td><td>0.00</td>",
        ">1</text><text x=\"650\" y=\"24\">of 5 moments</text>",
        "<td>thanks</td><td>5</td><td>3</td><td>4</td><td>0</td><td>capped 1</td>",
    ] {
        assert!(alone.contains(part), "{part}: {alone}");
    }
    assert!(!alone.contains("What differs"), "{alone}");
    let both = page(&["--compare", "after"]);
    for part in [
        "<td>thanks</td><td>5</td><td>5</td><td>4</td><td>5</td><td>4</td>",
        "<td>thanks</td><td>capped</td><td>treated, email thanks</td><td>1</td><td>ana</td>",
        "<h2>By the other set</h2>",
        "<h3>email</h3><p>5 treatments",
        "<td>thanks</td><td>5</td><td>0</td><td>0.8</td><td>22.50</td><td>0.00</td>",
    ] {
        assert!(both.contains(part), "{part}: {both}");
    }
}

/// Of a year of real orders, what differs is the symmetric difference of two rehearsals.
#[test]
fn what_is_odd_about_the_events_is_said() {
    let bench = Bench::new(&[("set", &[("thanks", &thanks("1 in 1d", "a"))])]);
    let line = |name: &str, user: &str, total: Value| {
        json!({"event": name, "userId": user, "timestamp": "2026-03-02T10:00:00Z",
            "properties": {"order_id": "o1", "total": total}})
        .to_string()
    };
    let lines = [
        line("Order Completed", "ana", json!("ten")),
        line("Spaceship Boarded", "ana", json!(1)),
        line("Spaceship Boarded", "ben", json!(1)),
        line("Order Completd", "ben", json!(1)),
        line("Order Completed", "undefined", json!(1)),
    ];
    let path = bench.path("orders.jsonl");
    fs::write(&path, lines.join("\n")).expect("events");
    let json = bench.json(&path, "set", &[]);
    let undeclared = json!({"Order Completd": 1, "Spaceship Boarded": 2});
    assert_eq!(json["undeclared_events"], undeclared);
    assert_eq!(json["defects"]["event"]["count"], 3);
    assert_eq!(json["rejected"], json!({"placeholder_customer": 1}));
    let text = bench.run(&path, "set", &[]);
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    for said in [
        "`total` cannot be read, once: `ten`; expected a number",
        "3 events by a name that is neither known nor declared under [events]: `Spaceship Boarded` 2, `Order Completd` 1",
        "1 record is no event: placeholder_customer, such as: ",
    ] {
        assert!(text.contains(said), "{said}: {text}");
    }
}

#[test]
fn lateness_is_said_over_the_configuration() {
    let quiet = "moment: { absence: { of: Order Completed, after: Product Added, within: 30m } }\ntreatments: [{ channel: email, template: a }]";
    let bench = Bench::new(&[("set", &[("basket", quiet)])]);
    // The order that was in time comes behind what another did an hour later.
    let line = |name: &str, user: &str, at: &str| {
        json!({"event": name, "userId": user, "timestamp": format!("2026-03-02T{at}:00Z"),
            "properties": {"product_id": "p", "order_id": "o", "total": 1}})
        .to_string()
    };
    let lines = [
        line("Product Added", "ana", "10:00"),
        line("Product Viewed", "ben", "11:00"),
        line("Product Viewed", "eva", "11:00"),
        line("Order Completed", "ana", "10:10"),
    ];
    let path = bench.path("shop.jsonl");
    fs::write(&path, lines.join("\n")).expect("events");
    for (lateness, moments, late) in [
        (&["--lateness", "1m"][..], 1, 1),
        (&["--lateness", "2h"], 0, 0),
        (&["--lateness", "1m", "--lateness", "shop=2h"], 0, 0),
        (&["--lateness", "shop=2h", "--lateness", "shop=1m"], 1, 1),
    ] {
        let json = bench.json(&path, "set", lateness);
        let found = (&json["triggers"][0]["moments"], &json["late"]);
        assert_eq!(found, (&json!(moments), &json!(late)), "{lateness:?}");
    }
    let wrong = bench.run(&path, "set", &["--lateness", "soon"]);
    assert!(!wrong.status.success());
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("not a duration"));
}

/// A topic that is not there is no word for one that is.
#[test]
fn what_is_said_of_a_topic_that_is_not_there_is_refused() {
    let bench = Bench::new(&[(
        "set",
        &[(
            "once",
            "moment: { event: Order Completed }\ntreatments: none",
        )],
    )]);
    let path = bench.path("shop.jsonl");
    fs::write(&path, "").expect("events");
    let mapping = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/mappings/shopify-orders.yaml");
    let mapping = mapping.display();
    for (option, value, expected) in [
        (
            "--lateness",
            "foo=5s".to_owned(),
            "--lateness foo=...: no topic is called `foo`; expected one of `cart`, `clickstream`, `outcomes`, `profile`, `purchase`, `shop` and `support`",
        ),
        ("--lateness", "shops=5s".to_owned(), "did you mean `shop`?"),
        ("--lateness", "purchase=5s".to_owned(), ""),
        (
            "--mapping",
            format!("foo={mapping}"),
            "--mapping foo=...: no topic is called `foo`; expected one of `cart`,",
        ),
        ("--mapping", format!("shop={mapping}"), ""),
        ("--mapping", format!("cart={mapping}"), ""),
    ] {
        let output = bench.run(&path, "set", &[option, &value]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(
            output.status.success(),
            expected.is_empty(),
            "{value}: {said}"
        );
        assert!(said.contains(expected), "{value}: {said}");
    }
}

/// Real orders under the shipped triggers: whoever shares the customers, every byte is the same.
#[test]
fn what_is_written_does_not_depend_on_the_threads() {
    let bench = Bench::new(&[]);
    let mut lines = Vec::new();
    let orders = open(&fixture(retail::SAMPLE)).expect("data");
    retail::convert(orders, &mut lines).expect("converted");
    let events = bench.path("purchase.jsonl");
    fs::write(&events, lines).expect("events");
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/triggers");
    let shipped = shipped.to_str().expect("text");
    let written = |threads: &str| {
        let more = ["--threads", threads, "--out", "out.jsonl", "--forecast"];
        let mut told = bench.json(&events, shipped, &more);
        told["elapsed_seconds"] = Value::Null;
        (told, fs::read_to_string(bench.path("out.jsonl")))
    };
    let (alone, decided) = written("1");
    let decided = decided.expect("what was decided");
    assert!(decided.lines().count() > 100, "{alone}");
    for threads in ["2", "3", "7"] {
        let (told, same) = written(threads);
        assert!(
            same.expect("what was decided") == decided,
            "{threads} threads"
        );
        assert_eq!(told, alone, "{threads} threads");
    }
}

/// A friend's code leads to another customer, whoever would share them.
#[test]
fn a_friend_is_known_by_a_code_however_many_threads_there_are() {
    let bench = Bench::new(&[]);
    let key = "0123456789abcdef0123456789abcdef";
    fs::write(bench.path("key"), key).expect("a key");
    let configuration = format!("{CONFIGURATION}\n[codes]\nkey_file = 'key'\n");
    fs::write(bench.path("moments.toml"), configuration).expect("a configuration");
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/referral");
    let shipped = shipped.to_str().expect("text");
    let events = bench.path("purchase.jsonl");
    let mut lines = String::new();
    let mut order = |customer: &str, day: u32, coupon: &str| {
        let properties =
            format!(r#"{{"order_id":"{customer}{day}","total":40,"coupon":"{coupon}"}}"#);
        lines += &format!(
            r#"{{"type":"track","event":"Order Completed","messageId":"{customer}{day}","userId":"{customer}","timestamp":"2026-03-{day:02}T10:00:00Z","properties":{properties}}}"#
        );
        lines += "\n";
        fs::write(&events, &lines).expect("events");
    };
    let rehearsed = |threads: &str| {
        let more = ["--threads", threads, "--out", "out.jsonl"];
        bench.json(&events, shipped, &more);
        bench.lines("out.jsonl")
    };
    for day in 1..=3 {
        order("ana", day, "");
    }
    let given = rehearsed("3");
    let code = given
        .iter()
        .find_map(|it| it["treatment"]["offer"]["code"].as_str());
    let code = code.expect("a code for friends").to_owned();
    for friend in 0..8 {
        order(&format!("friend{friend}"), 10 + friend, &code);
    }
    let alone = rehearsed("1");
    let thanked = |it: &&Value| it["trigger"] == "friend-thanks" && it["treatment"].is_object();
    assert_eq!(alone.iter().filter(thanked).count(), 3, "{alone:?}");
    assert_eq!(rehearsed("5"), alone);
}

#[test]
fn of_real_orders_the_differences_are_those_of_two_rehearsals() {
    let orders = shared_data(retail::FILE).unwrap_or_else(|| fixture(retail::SAMPLE));
    let silent = |days: u32| {
        format!(
            "moment: {{ inactivity: {{ of: Order Completed, for: {days}d }} }}\ntreatments: [{{ channel: email, template: x }}]\npolicy: {{ good_for: 1000d }}"
        )
    };
    let (sixty, ninety) = (silent(60), silent(90));
    let bench = Bench::new(&[
        ("sixty", &[("silent", &sixty)]),
        ("ninety", &[("silent", &ninety)]),
    ]);
    let mut lines = Vec::new();
    retail::convert(open(&orders).expect("data"), &mut lines).expect("converted");
    let events = bench.path("purchase.jsonl");
    fs::write(&events, lines).expect("events");
    let mut treated = Vec::new();
    for set in ["sixty", "ninety"] {
        let out = format!("{set}.jsonl");
        bench.json(&events, set, &["--out", &out]);
        let of: BTreeSet<(String, String)> = bench
            .lines(&out)
            .iter()
            .map(|line| (line["customer"].to_string(), line["occurrence"].to_string()))
            .collect();
        treated.push(of);
    }
    bench.json(
        &events,
        "sixty",
        &["--compare", "ninety", "--differences", "all.jsonl"],
    );
    let differing: BTreeSet<_> = bench
        .lines("all.jsonl")
        .iter()
        .map(|line| (line["customer"].to_string(), line["occurrence"].to_string()))
        .collect();
    let expected: BTreeSet<_> = treated[0]
        .symmetric_difference(&treated[1])
        .cloned()
        .collect();
    assert!(expected.len() > 10, "{}", expected.len());
    assert_eq!(differing, expected);
}
