//! `moments onsite` on a real Kafka: by itself, and with a site in a real browser.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Barrier, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use moments::time::Timestamp;
use serde_json::{Value, json};

use super::installation::{Installation, LIMIT, Member, settled_at_once};
use super::sending::{self, id, now};
use crate::support::broker::KafkaBroker;
use crate::support::browser::Browser;
use crate::support::kafka::NewRecord;
use crate::support::process::ProcessGuard;
use crate::support::receivers::{Does, Hook};
use crate::support::registry::say_skipped;
use crate::support::{unique, wait_until};

const HOUR_MS: i64 = 3_600_000;
const TOKEN: &str = "of a test";

/// A command of this number to a customer, good for so long.
fn command(number: u128, customer: &str, good_ms: i64) -> Value {
    let mut command = sending::command("onsite", number, customer);
    command["data"] = json!({ "code": "SPRING" });
    command["valid_until"] = Timestamp(now() + good_ms).to_string().into();
    command
}

/// A process of `moments onsite`, ready.
fn start(installation: &Installation) -> Member {
    let name = unique("onsite");
    let config = installation.config().display().to_string();
    let process = ProcessGuard::moments(&name, ["onsite", "--config", &config]);
    let member = Member::new(name, process);
    member.wait_until_ready();
    member
}

fn publish(installation: &Installation, commands: impl IntoIterator<Item = Value>) {
    let producer = installation.broker().producer();
    let topic = installation.topic("treatments.onsite");
    for command in commands {
        let key = command["customer"].as_str().unwrap_or("ana").to_owned();
        producer.send(&topic, [NewRecord::keyed(key, command.to_string())]);
    }
}

/// The status and the body of an answer.
fn ask(member: &Member, what: &str, body: &Value) -> (u16, Value) {
    let headers = [
        format!("Authorization: Bearer {TOKEN}"),
        "Content-Type: application/json".to_owned(),
    ];
    let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let (status, _, body) = member.ask(what, &headers, &body).expect("an answer");
    (status, serde_json::from_str(&body).unwrap_or_default())
}

fn report(member: &Member, customer: &str, number: u128, what: &str, body: &Value) -> u16 {
    let path = format!(
        "POST /v1/customers/{customer}/treatments/{}/{what}",
        id(number)
    );
    ask(member, &path, body).0
}

/// The ids of what may be shown to a customer.
fn open(member: &Member, query: &str) -> Vec<String> {
    let (status, body) = ask(member, &format!("GET /v1/customers/{query}"), &Value::Null);
    assert_eq!(status, 200, "{body}");
    let all = body["treatments"].as_array().expect("a list").clone();
    all.iter()
        .map(|it| it["id"].as_str().unwrap_or_default().to_owned())
        .collect()
}

fn wait_until_open(member: &Member, query: &str, numbers: &[u128]) {
    let expected: Vec<String> = numbers.iter().map(|number| id(*number)).collect();
    wait_until("what may be shown", LIMIT, || {
        open(member, query) == expected
    });
}

/// A customer's stream, as it comes: names of events, and their data.
#[derive(Clone)]
struct Stream(Arc<Mutex<Vec<(String, Value)>>>);

impl Stream {
    fn open(member: &Member, query: &str) -> Self {
        let address = member.address().expect("an address");
        let url = format!("http://{address}/v1/customers/{query}");
        let asked = ureq::get(url)
            .header("Authorization", format!("Bearer {TOKEN}"))
            .call();
        let body = asked.expect("a stream").into_body();
        let told: Arc<Mutex<Vec<(String, Value)>>> = Arc::default();
        let known = Arc::clone(&told);
        thread::spawn(move || {
            let mut event = String::new();
            for line in BufReader::new(body.into_reader()).lines() {
                let Ok(line) = line else { return };
                if let Some(name) = line.strip_prefix("event: ") {
                    name.clone_into(&mut event);
                } else if let Some(data) = line.strip_prefix("data: ") {
                    let data = serde_json::from_str(data).expect("JSON");
                    let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
                    known.push((event.clone(), data));
                }
            }
        });
        Self(told)
    }

    fn wait_for(&self, expected: &[(&str, u128)]) {
        let told = || -> Vec<(String, String)> {
            let told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let told = told.iter();
            told.map(|(event, data)| {
                (
                    event.clone(),
                    data["id"].as_str().unwrap_or_default().to_owned(),
                )
            })
            .collect()
        };
        let expected: Vec<_> = expected
            .iter()
            .map(|(event, number)| ((*event).to_owned(), id(*number)))
            .collect();
        wait_until(&format!("{expected:?}"), LIMIT, || told() == expected);
    }
}

fn installation(
    broker: &'static KafkaBroker,
    triggers: &[(&str, &str)],
    extra: &str,
) -> Installation {
    let token = "[onsite]\nlisten = \"127.0.0.1:0\"\ntoken_file = \"TOKEN\"\n";
    let installation = Installation::new(
        broker,
        2,
        triggers,
        &format!("{}{extra}{token}", settled_at_once()),
    );
    fs::write(installation.file("token"), format!("{TOKEN}\n")).expect("a token");
    let config = fs::read_to_string(installation.config()).expect("a configuration");
    let token = installation.file("token").display().to_string();
    fs::write(installation.config(), config.replace("TOKEN", &token)).expect("a configuration");
    installation
}

fn alone(broker: &'static KafkaBroker) -> Installation {
    let installation = installation(broker, &[], "");
    for name in ["treatments.onsite", "outcomes"] {
        broker.create_topic(&installation.topic(name), 2, &[]);
    }
    installation
}

/// What was reported of commands, by event and id.
fn reported(installation: &Installation) -> Vec<Value> {
    let records = installation.read("outcomes");
    records
        .iter()
        .map(|record| serde_json::from_str(&record.text()).expect("an event"))
        .collect()
}

#[test]
fn a_site_is_told_what_may_be_shown_and_what_changes() {
    let Some(broker) = KafkaBroker::shared() else {
        return;
    };
    let installation = alone(broker);
    publish(
        &installation,
        [
            command(1, "ana", HOUR_MS),
            command(2, "ana", -1),
            command(3, "ben", HOUR_MS),
        ],
    );
    let mut member = start(&installation);
    wait_until_open(&member, "ana/treatments", &[1]);
    let (_, body) = ask(
        &member,
        "GET /v1/customers/ana/treatments?channel=onsite",
        &Value::Null,
    );
    let shown = &body["treatments"][0];
    assert_eq!(shown["data"]["code"], "SPRING");
    assert!(shown.get("addresses").is_none(), "nothing for a browser");
    let none = open(&member, "ana/treatments?channel=other");
    assert_eq!(none, Vec::<String>::new());
    let both = open(&member, "ana/treatments?anonymousId=ben");
    assert_eq!(both, [id(1), id(3)]);
    // Whoever has no token is told nothing.
    let refused = member.get("/v1/customers/ana/treatments");
    assert_eq!(refused.expect("an answer").0, 401);

    let stream = Stream::open(&member, "ana/treatments/stream");
    stream.wait_for(&[("treatment", 1)]);
    publish(&installation, [command(4, "ana", HOUR_MS)]);
    let withdrawal =
        json!({ "type": "withdrawal", "id": id(99), "withdraws": id(4), "customer": "ana" });
    publish(&installation, [withdrawal]);
    stream.wait_for(&[("treatment", 1), ("treatment", 4), ("withdrawn", 4)]);
    let by = json!({ "by": "tab" });
    assert_eq!(report(&member, "ana", 4, "shown", &by), 410, "taken back");
    // A stream does not keep it from ending.
    assert!(member.process.terminate(Duration::from_secs(4)).success());
}

/// What a page may not report of the first of Ana's is refused, and each time as a problem.
fn is_refused(member: &Member) {
    let not_asked = json!({ "answers": { "tier": "gold" } });
    assert_eq!(report(member, "ana", 1, "answered", &not_asked), 400);
    let unknown = json!({ "link": "/" });
    assert_eq!(report(member, "ana", 1, "clicked", &unknown), 400);
    let path = format!("/v1/customers/ana/treatments/{}/clicked", id(1));
    let (status, problem) = ask(member, &format!("GET {path}"), &Value::Null);
    assert_eq!((status, &problem["status"]), (405, &json!(405)));
    let path = path.replace("ana", "%ff");
    let (status, problem) = ask(member, &format!("POST {path}"), &Value::Null);
    assert_eq!((status, &problem["status"]), (400, &json!(400)));
}

#[test]
fn what_a_site_reports_is_on_the_topic_and_outlasts_the_process() {
    let Some(broker) = KafkaBroker::shared() else {
        return;
    };
    let installation = alone(broker);
    let config = fs::read_to_string(installation.config()).expect("a configuration");
    let answers = "answers = [\"favourite_colour\", \"a\"]\n";
    fs::write(installation.config(), config + answers).expect("a configuration");
    publish(
        &installation,
        [command(1, "ana", HOUR_MS), command(3, "ben", HOUR_MS)],
    );
    let mut member = start(&installation);
    wait_until_open(&member, "ana/treatments", &[1]);
    let tell = |number, what: &str, body: Value| report(&member, "ana", number, what, &body);
    let by = || json!({ "by": "tab" });
    assert_eq!(tell(3, "shown", by()), 404, "not hers");
    assert_eq!(tell(7, "shown", by()), 404, "there is none");
    assert_eq!(tell(1, "shown", json!({})), 400, "by whom?");
    assert_eq!(tell(1, "shown", by()), 200);
    assert_eq!(tell(1, "shown", by()), 200, "asked again");
    assert_eq!(tell(1, "shown", json!({ "by": "phone" })), 409);
    assert_eq!(
        tell(1, "clicked", json!({ "url": "https://shop/tea" })),
        202
    );
    let answers = json!({ "favourite_colour": "green", "consent": { "print": true } });
    assert_eq!(tell(1, "answered", json!({ "answers": answers })), 202);
    let wrong = json!({ "answers": { "a": { "print": true } } });
    assert_eq!(tell(1, "answered", wrong), 400);
    is_refused(&member);
    assert_eq!(tell(1, "dismissed", json!({})), 202);
    let reported = reported(&installation);
    let what: Vec<_> = reported
        .iter()
        .map(|it| (&it["event"], &it["properties"]["treatment_id"]))
        .collect();
    let (one, none) = (json!(id(1)), Value::Null);
    let names = [
        "In-App Message Viewed",
        "In-App Message Clicked",
        "Question Answered",
        "Form Submitted",
        "In-App Message Dismissed",
    ];
    let [viewed, clicked, answered, submitted, dismissed] = names.map(Value::from);
    let expected = [
        (&viewed, &one),
        (&clicked, &one),
        (&none, &none),
        (&answered, &one),
        (&submitted, &one),
        (&dismissed, &one),
    ];
    assert_eq!(what, expected);
    assert_eq!(reported[2]["traits"], answers);
    assert_eq!(reported[3]["properties"]["question"], "favourite_colour");
    assert_eq!(reported[3]["properties"]["answer"], "green");

    // Whoever starts anew knows what was shown.
    member.process.kill9();
    let next = start(&installation);
    wait_until_open(&next, "ben/treatments", &[3]);
    assert_eq!(open(&next, "ana/treatments"), Vec::<String>::new());
    assert_eq!(report(&next, "ana", 1, "shown", &by()), 410, "dismissed");
    let token = format!("Authorization: Bearer {TOKEN}");
    let (_, _, metrics) = next.ask("GET /metrics", &[&token], "").expect("an answer");
    let refused = "moments_onsite_refused_total{report=\"shown\"} 1";
    assert!(metrics.contains(refused), "{metrics}");
}

#[test]
fn streams_have_their_number_and_are_not_taken_for_idle() {
    let Some(broker) = KafkaBroker::shared() else {
        return;
    };
    let installation = alone(broker);
    let config = fs::read_to_string(installation.config()).expect("a configuration");
    fs::write(installation.config(), config + "streams = 2\n").expect("a configuration");
    let member = start(&installation);
    let streams = [1, 2].map(|_| Stream::open(&member, "ana/treatments/stream"));
    let third = ask(
        &member,
        "GET /v1/customers/ana/treatments/stream",
        &Value::Null,
    );
    assert_eq!(third.0, 503, "{}", third.1);
    // Connections beyond their number, which ask nothing any more, make way, and no stream does.
    let address = member.address().expect("an address");
    let mut idles = Vec::new();
    for _ in 0..6 {
        let mut idle = TcpStream::connect(&address).expect("a connection");
        let asked = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n";
        idle.write_all(asked).expect("a request");
        let mut answer = [0; 12];
        idle.read_exact(&mut answer).expect("an answer");
        assert_eq!(&answer, b"HTTP/1.1 200");
        idles.push(idle);
    }
    publish(&installation, [command(1, "ana", HOUR_MS)]);
    for stream in &streams {
        stream.wait_for(&[("treatment", 1)]);
    }
}

#[test]
fn of_all_who_ask_at_once_one_shows_it() {
    let Some(broker) = KafkaBroker::shared() else {
        return;
    };
    let installation = alone(broker);
    let members = [start(&installation), start(&installation)];
    let commands = 1..=12_u128;
    publish(
        &installation,
        commands
            .clone()
            .map(|number| command(number, "ana", HOUR_MS)),
    );
    let all: Vec<u128> = commands.clone().collect();
    for member in &members {
        wait_until_open(member, "ana/treatments", &all);
    }
    for number in commands {
        let begin = Barrier::new(8);
        let answers = Mutex::new(BTreeMap::new());
        thread::scope(|scope| {
            for device in 0..8 {
                let (begin, answers, member) = (&begin, &answers, &members[device % 2]);
                scope.spawn(move || {
                    begin.wait();
                    let status = report(
                        member,
                        "ana",
                        number,
                        "shown",
                        &json!({ "by": format!("device {device}") }),
                    );
                    let mut answers = answers.lock().unwrap_or_else(PoisonError::into_inner);
                    *answers.entry(status).or_insert(0) += 1;
                });
            }
        });
        let answers = answers.into_inner().expect("all have ended");
        assert_eq!(answers, BTreeMap::from([(200, 1), (409, 7)]), "{number}");
    }
}

const ADVICE: &str = "trigger: advice\nmoment: { event: Product Viewed }\n\
     treatments: [{ channel: onsite, template: offer-advice, data: { product: event.product_id, url: /advice } }]\n\
     policy: { good_for: 1h, quiet_hours: ignore }\ngoal: { event: Order Completed, within: 1d }\n";
const QUESTION: &str = "trigger: question\nmoment: { threshold: { of: Product Viewed, measure: count, over: 1h, crosses: { at_least: 3 } } }\n\
     treatments: [{ channel: onsite, template: what-matters }]\npolicy: { good_for: 1h, quiet_hours: ignore }\n";
const CATALOGUE: &str = "trigger: catalogue\nmoment: { event: Form Submitted }\naudience: has(profile.attributes.favourite_colour)\n\
     treatments: [{ channel: print, template: catalogue, data: { colour: profile.attributes.favourite_colour } }]\n\
     policy: { quiet_hours: ignore }\n";
/// Clicks whose way to the pop-up is measured.
const CLICKS: usize = 40;

/// Node, which runs the backend of the example.
fn backend(installation: &Installation, onsite: &Member) -> Option<(ProcessGuard, String, Hook)> {
    if Command::new("node").arg("--version").output().is_err() {
        let in_ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
        assert!(
            !in_ci,
            "no node, and in CI no test may be skipped; use ./dev test"
        );
        say_skipped("node");
        return None;
    }
    let (producer, topic) = (
        installation.broker().producer(),
        installation.topic("clickstream"),
    );
    let producer = Mutex::new(producer);
    let collector = Hook::start(move |told, _| {
        let event: Value = serde_json::from_slice(&told.body).expect("an event");
        let key = event["anonymousId"].as_str().expect("a visitor").to_owned();
        let producer = producer.lock().unwrap_or_else(PoisonError::into_inner);
        producer.send(&topic, [NewRecord::keyed(key, told.body.clone())]);
        Does::Answers(204, "")
    });
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/site/backend.js");
    let mut command = Command::new("node");
    let command = command
        .arg(script)
        .env("PORT", "0")
        .env("MOMENTS_TOKEN", TOKEN);
    let address = onsite.address().expect("an address");
    let command = command
        .env("MOMENTS", format!("http://{address}"))
        .env("COLLECTOR", &collector.url);
    let process = ProcessGuard::spawn("backend.js", command);
    let mut address = String::new();
    wait_until("the site", LIMIT, || {
        address = process
            .output()
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned();
        !address.is_empty()
    });
    Some((process, address, collector))
}

#[test]
fn a_page_in_a_browser_shows_it_once_and_her_answers_become_hers() {
    let Some(broker) = KafkaBroker::shared() else {
        return;
    };
    let Some(browser) = Browser::start() else {
        return;
    };
    let triggers = [
        ("advice", ADVICE),
        ("question", QUESTION),
        ("catalogue", CATALOGUE),
    ];
    let attributes = "[attributes]\nfavourite_colour = \"text\"\n";
    let installation = installation(broker, &triggers, attributes);
    installation.create_topics();
    let member = installation.start();
    member.wait_until_ready();
    let onsite = start(&installation);
    let Some((_backend, site, _collector)) = backend(&installation, &onsite) else {
        return;
    };

    // Two tabs of one visitor: what she does in one is answered there, and not in the other.
    browser.open(&site);
    let front = browser.handle();
    browser.tab();
    browser.open(&site);
    browser.go_to(&front);
    view(&browser, "teapot-green");
    let link = browser.run("return document.querySelector('dialog.moments a').pathname;");
    assert_eq!(link, "/advice");
    if let Some(folder) = std::env::var_os("MOMENTS_PICTURES") {
        let file = Path::new(&folder).join("onsite.png");
        fs::write(file, browser.picture()).expect("a picture");
    }
    // She closes it, and what she does next has its own.
    dismiss(&browser);
    view(&browser, "teapot-blue");
    browser.run(
        "const escape = new KeyboardEvent('keydown', { key: 'Escape', bubbles: true });
         document.querySelector('dialog.moments').dispatchEvent(escape);",
    );
    browser.wait_for(NONE);

    // The third time she is asked, too, and what she says is on her profile: the catalogue is made for her.
    view(&browser, "teapot-blue");
    browser.click("dialog.moments [data-dismiss]");
    browser.wait_for("document.querySelector('dialog.moments form')");
    browser.click("dialog.moments input[value=green]");
    browser.click("dialog.moments input[name='consent.print']");
    browser.click("dialog.moments [type=submit]");
    browser.wait_for(NONE);
    let printed = installation.wait_for("treatments.print", 1);
    let printed: Value = serde_json::from_str(&printed[0].text()).expect("a command");
    assert_eq!(printed["data"]["colour"], "green");

    // Nothing comes again where it was shown, in either tab.
    browser.open(&site);
    view(&browser, "teapot-green");
    dismiss(&browser);
    let times = measured(&browser);
    let mut ids: Vec<_> = reported(&installation)
        .into_iter()
        .filter(|it| it["event"] == "In-App Message Viewed")
        .map(|it| it["properties"]["treatment_id"].to_string())
        .collect();
    assert_eq!(ids.len(), 5 + CLICKS);
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 5 + CLICKS, "each is shown once");
    println!(
        "from a click to the pop-up, ms: p50 {:.0}, p99 {:.0}, of {CLICKS}",
        times[CLICKS / 2],
        times[CLICKS * 99 / 100]
    );
}

/// No pop-up is on the page.
const NONE: &str = "!document.querySelector('dialog.moments')";

/// Looks at a product, and waits for the pop-up that says so.
#[track_caller]
fn view(browser: &Browser, product: &str) {
    browser.click(&format!("[data-view={product}]"));
    browser.wait_for(&format!(
        "document.querySelector('dialog.moments')?.textContent.includes('looked at {product}')"
    ));
}

#[track_caller]
fn dismiss(browser: &Browser) {
    browser.click("dialog.moments [data-dismiss]");
    browser.wait_for(NONE);
}

/// From each click to the pop-up that it brings, ms, in order of length.
fn measured(browser: &Browser) -> Vec<f64> {
    browser.run(&format!(
        "window.times = []; window.measured = (async () => {{
           for (let n = 0; n < {CLICKS}; n++) {{
             const begun = performance.now();
             document.querySelector('[data-view=teapot-green]').click();
             await new Promise((resolve) => {{
               const seen = new MutationObserver(() => {{
                 const dialog = document.querySelector('dialog.moments[open]');
                 if (dialog) {{ seen.disconnect(); resolve(); }}
               }});
               seen.observe(document.body, {{ childList: true, subtree: true, attributes: true }});
             }});
             window.times.push(performance.now() - begun);
             document.querySelector('dialog.moments [data-dismiss]').click();
             await new Promise((resolve) => setTimeout(resolve, 20));
           }}
         }})();"
    ));
    browser.wait_for(&format!("window.times.length === {CLICKS}"));
    let times = browser.run("return window.times;");
    let mut times: Vec<f64> = times
        .as_array()
        .expect("times")
        .iter()
        .filter_map(Value::as_f64)
        .collect();
    times.sort_by(f64::total_cmp);
    times
}
