//! The HTTP API of running processes, held to its document; and the document held to OpenAPI 3.1.

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};

use super::installation::{Installation, LIMIT, Member};
use crate::support::broker::KafkaBroker;
use crate::support::wait_until;

/// The schema of OpenAPI 3.1 documents, by the OpenAPI Initiative (Apache-2.0).
const OPENAPI: &str = include_str!("openapi-3.1.schema.json");

const WELCOME: (&str, &str) = (
    "welcome",
    "trigger: welcome\nmoment: { event: Order Completed }\ntreatments: [{ channel: onsite, template: thanks }]\n\
     policy: { good_for: 3650d, cap: 5 in 7d }\n",
);
const SECOND: (&str, &str) = (
    "reminder",
    "trigger: reminder\nmoment: { absence: { of: Order Completed, after: Product Added, within: 30d } }\n\
     treatments: [{ channel: onsite, template: reminder }]\n",
);

/// An API that is asked, and its document.
struct Asked<'a> {
    members: &'a [Member],
    document: Value,
}

/// The status and body of an answer, which is a problem in its own type where it is an error.
fn ask(member: &Member, what: &str, body: &str) -> (u16, Value) {
    let headers = [
        "Authorization: Bearer secret",
        "Content-Type: application/json",
    ];
    let (status, head, text) = member.ask(what, &headers, body).expect("an answer");
    let answer: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{what}: {text}"));
    let is_problem = head.contains("content-type: application/problem+json");
    assert_eq!(is_problem, status >= 400, "{what}: {head}");
    if is_problem {
        assert_eq!(answer["status"], status, "{what}: {text}");
        assert!(
            answer["detail"].as_str().is_some_and(|it| !it.is_empty()),
            "{text}"
        );
    }
    (status, answer)
}

impl Asked<'_> {
    /// Asks a documented operation, and holds the answer to its schema.
    fn check(&self, operation: (&str, &str), member: usize, path: &str, expected: u16) -> Value {
        let (method, documented) = operation;
        let what = format!("{} {path}", method.to_uppercase());
        let (status, answer) = ask(&self.members[member], &what, "{}");
        assert_eq!(status, expected, "{what}: {answer}");
        let response = &self.document["paths"][documented][method]["responses"][status.to_string()];
        let content = response["content"]
            .as_object()
            .expect("a documented status");
        let (_, media) = content.iter().next().expect("a media type");
        let schema = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "components": self.document["components"],
            "allOf": [media["schema"]],
        });
        let validator = jsonschema::validator_for(&schema).expect("a schema");
        let errors: Vec<String> = validator
            .iter_errors(&answer)
            .map(|it| it.to_string())
            .collect();
        assert_eq!(errors, [""; 0], "{what}: {answer}");
        answer
    }
}

/// A document that is one, of operations that all have an id and an answer.
fn document(member: &Member) -> Value {
    let (status, document) = ask(member, "GET /openapi.json", "");
    assert_eq!(status, 200);
    let schema: Value = serde_json::from_str(OPENAPI).expect("JSON");
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let errors: Vec<String> = validator
        .iter_errors(&document)
        .map(|it| it.to_string())
        .collect();
    assert_eq!(errors, [""; 0]);
    let paths = document["paths"].as_object().expect("paths").values();
    let operations = paths.flat_map(|path| path.as_object().expect("operations").values());
    let ids: Vec<&str> = operations
        .map(|operation| operation["operationId"].as_str().expect("an id"))
        .collect();
    let unique: BTreeSet<&str> = ids.iter().copied().collect();
    assert_eq!(unique.len(), ids.len(), "{ids:?}");
    document
}

/// A process that has one of two tasks each, and the customer of each: she has orders.
fn start() -> Option<(Installation, Vec<Member>, [String; 2])> {
    let broker = KafkaBroker::shared()?;
    let extra = "[time]\nclock = \"event\"\nidle_delay = \"200ms\"\n";
    let installation = Installation::new(broker, 2, &[WELCOME, SECOND], extra);
    let token = installation.file("token");
    fs::write(&token, "secret\n").expect("a file");
    let config = fs::read_to_string(installation.config()).expect("a configuration");
    let http = format!(
        "[http]\nwrite = true\ntoken_file = {:?}\n",
        token.display().to_string()
    );
    fs::write(installation.config(), config.replace("[http]\n", &http)).expect("a configuration");
    installation.create_topics();
    let members = vec![installation.start(), installation.start()];
    let has_one = |member: &Member| {
        if member.get("/health/live").is_none() {
            return false;
        }
        let tasks = ask(member, "GET /api/v1/tasks", "").1;
        let items = tasks["items"].as_array().expect("a list");
        items.len() == 1 && items[0]["state"] == "running"
    };
    wait_until("a task each", LIMIT, || members.iter().all(has_one));
    let partition = ask(&members[0], "GET /api/v1/tasks", "").1["items"][0]["partition"].as_i64();
    let of = |partition: Option<i64>| {
        let mut names = (0..).map(|i| format!("cüs/{i}"));
        let fits = |name: &String| {
            let found = moments::runtime::murmur2::partition(name.as_bytes(), 2);
            Some(i64::from(found)) == partition
        };
        names.find(fits).expect("one of many")
    };
    let customers = [of(partition), of(partition.map(|it| 1 - it))];
    for (number, customer) in customers.iter().enumerate() {
        // Somebody else in her partition says the same of time, or it is not believed.
        let mut names = (0..).map(|i| format!("other-{i}"));
        let place = |name: &str| moments::runtime::murmur2::partition(name.as_bytes(), 2);
        let other = names.find(|name| place(name) == place(customer));
        let seen = (10..17).map(|day| {
            json!({"event": "Product Viewed", "userId": other, "messageId": format!("v{number}-{day}"),
            "timestamp": format!("2026-03-{day}T10:00:00Z"), "properties": {"product_id": "p"}})
        });
        installation.produce("clickstream", seen);
        let orders = (10..17).map(|day| {
            json!({"event": "Order Completed", "userId": customer, "messageId": format!("o{day}"),
            "timestamp": format!("2026-03-{day}T10:00:00Z"), "properties": {"total": 10}})
        });
        installation.produce("purchase", orders);
    }
    installation.wait_for("decisions", 14);
    Some((installation, members, customers))
}

/// Her name in a path.
fn path(customer: &str) -> String {
    customer.replace('ü', "%C3%BC").replace('/', "%2F")
}

#[test]
fn every_path_answers_as_its_document_says() {
    let Some((installation, members, customers)) = start() else {
        return;
    };
    let document = document(&members[0]);
    let asked = Asked {
        members: &members,
        document,
    };
    let [mine, theirs] = customers.each_ref().map(|it| path(it));
    let customer = ("get", "/api/v1/customers/{id}");
    let at = |id: &str| format!("/api/v1/customers/{id}");
    wait_until("what she did to be taken in", LIMIT, || {
        ask(&members[0], &format!("GET {}", at(&mine)), "").1["profile"]["orders"]["count"] == 7
    });
    asked.check(customer, 0, &at(&mine), 200);
    wait_until("all but the last to be settled", LIMIT, || {
        let settled = asked.check(customer, 0, &format!("{}?settled", at(&mine)), 200);
        settled["profile"]["orders"]["count"] == 6
    });
    asked.check(customer, 0, &format!("{}?settled=maybe", at(&mine)), 400);
    assert_eq!(
        asked.check(customer, 1, &at(&theirs), 200)["customer"],
        customers[1]
    );
    passed_on(&asked, &theirs);
    let nobody = (0..).map(|i| format!("nobody-{i}")).find(|name| {
        let partition = |name: &str| moments::runtime::murmur2::partition(name.as_bytes(), 2);
        partition(name) == partition(&customers[0])
    });
    asked.check(customer, 0, &at(&nobody.expect("one of many")), 404);

    explanations(&asked, [&mine, &theirs]);

    let triggers = ("get", "/api/v1/triggers");
    let first = asked.check(triggers, 0, "/api/v1/triggers?limit=1", 200);
    let next = first["next"].as_str().expect("a second page");
    let second = asked.check(triggers, 0, next, 200);
    assert_eq!(second.get("next"), None);
    let names = [&first, &second].map(|page| page["items"][0]["name"].clone());
    assert_eq!(names, ["reminder", "welcome"]);
    for query in ["limit=0", "limit=501", "limit=x", "cursor=x", "curser=1"] {
        asked.check(triggers, 0, &format!("/api/v1/triggers?{query}"), 400);
    }
    let trigger = ("get", "/api/v1/triggers/{name}");
    let counts = asked.check(trigger, 0, "/api/v1/triggers/welcome", 200)["counts"].clone();
    assert_eq!(
        counts,
        json!({"moments": 7, "treatments": 5, "refusals": {"capped": 2}})
    );
    asked.check(trigger, 0, "/api/v1/triggers/none", 404);

    let tasks = asked.check(("get", "/api/v1/tasks"), 0, "/api/v1/tasks", 200);
    let partition = tasks["items"][0]["partition"].as_i64().expect("a number");
    let task = ("get", "/api/v1/tasks/{partition}");
    let shown = asked.check(task, 0, &format!("/api/v1/tasks/{partition}"), 200);
    assert_eq!(
        (&shown["customers"], &shown["state"]),
        (&json!(2), &json!("running"))
    );
    let of_the_other = asked.check(task, 0, &format!("/api/v1/tasks/{}", 1 - partition), 200);
    assert_eq!(of_the_other["partition"], 1 - partition);
    asked.check(task, 0, "/api/v1/tasks/2", 404);
    asked.check(task, 0, "/api/v1/tasks/x", 400);
    asked.check(("get", "/health/live"), 0, "/health/live", 200);
    asked.check(("get", "/health/ready"), 0, "/health/ready", 200);

    decisions(&asked, &theirs);
    let erasure = ("post", "/api/v1/customers/{id}/erasure");
    asked.check(erasure, 0, &format!("{}/erasure", at(&mine)), 202);
    wait_until("her to be gone", LIMIT, || {
        ask(&members[0], &format!("GET {}", at(&mine)), "").0 == 404
    });
    strangers(&members[0], &mine);
    drop(installation);
}

/// A customer of another process.
fn passed_on(asked: &Asked<'_>, theirs: &str) {
    let operation = ("get", "/api/v1/customers/{id}");
    let at = &format!("/api/v1/customers/{theirs}");
    // Whoever is asked answers; who was asked by another process only where it has her.
    let other = format!("GET {at}");
    wait_until("where the other is reached to be known", LIMIT, || {
        ask(&asked.members[0], &other, "").0 == 200
    });
    let passed_on = asked.check(operation, 0, at, 200);
    assert_eq!(
        passed_on["via"],
        asked.members[1].address().expect("an address")
    );
    assert_eq!(passed_on["profile"]["orders"]["count"], 7);
    let handed_on = ["Authorization: Bearer secret", "Moments-Handed-On: 1"];
    let (status, ..) = asked.members[0]
        .ask(&other, &handed_on, "")
        .expect("an answer");
    assert_eq!(status, 421);
}

/// Why what was decided for a customer was, and why nothing else is.
fn explanations(asked: &Asked<'_>, [mine, theirs]: [&str; 2]) {
    let operation = ("get", "/api/v1/customers/{id}/explain");
    let at = |id: &str, query: &str| format!("/api/v1/customers/{id}/explain{query}");
    let explained = asked.check(operation, 0, &at(mine, ""), 200);
    let triggers = explained["triggers"].as_array().expect("a list");
    let missing = |it: &Value| it["missing"][0]["says"].clone();
    let said: Vec<Value> = triggers.iter().map(missing).collect();
    assert_eq!(
        said,
        [
            "Nothing is open: it waits for Product Added.",
            "It comes true at the next Order Completed."
        ]
    );
    assert_eq!(
        explained["decided"][0]["moment_at"],
        "2026-03-16T10:00:00.000Z"
    );
    let one = asked.check(operation, 0, &at(mine, "?trigger=welcome"), 200);
    assert_eq!(one["triggers"].as_array().map(Vec::len), Some(1));
    assert_eq!(one["decided"].as_array().map(Vec::len), Some(7));
    let capped = |gate: &&Value| gate["gate"] == "capped";
    let gates = one["triggers"][0]["gates"].as_array().expect("a list");
    assert_eq!(
        gates.iter().find(capped).expect("the gate")["verdict"],
        "refuses"
    );
    asked.check(operation, 0, &at(mine, "?trigger=none"), 404);
    asked.check(operation, 0, &at(mine, "?triger=welcome"), 400);
    let passed_on = asked.check(operation, 0, &at(theirs, "?trigger=welcome"), 200);
    assert_eq!(
        passed_on["via"],
        asked.members[1].address().expect("an address")
    );
    asked.check(operation, 0, &at(theirs, "?trigger=none"), 404);
}

/// Pages of a customer whose task another process has.
fn decisions(asked: &Asked<'_>, customer: &str) {
    let operation = ("get", "/api/v1/customers/{id}/decisions");
    let mut next = Some(json!(format!(
        "/api/v1/customers/{customer}/decisions?limit=3"
    )));
    let (mut pages, mut days) = (Vec::new(), Vec::new());
    while let Some(path) = next {
        let page = asked.check(operation, 0, path.as_str().expect("a path"), 200);
        let items = page["items"].as_array().expect("a list");
        pages.push(items.len());
        days.extend(
            items
                .iter()
                .map(|it| it["moment_at"].as_str().expect("a time")[8..10].to_owned()),
        );
        next = page.get("next").cloned();
    }
    pages.retain(|items| *items > 0);
    assert_eq!(pages, [3, 3, 1]);
    assert_eq!(
        days,
        ["16", "15", "14", "13", "12", "11", "10"],
        "newest first"
    );
    asked.check(
        operation,
        0,
        &format!("/api/v1/customers/{customer}/decisions?limit=-1"),
        400,
    );
}

/// What is not in the document, or not allowed.
fn strangers(member: &Member, customer: &str) {
    assert_eq!(ask(member, "GET /nothing", "").0, 404);
    assert_eq!(ask(member, "DELETE /api/v1/triggers", "").0, 405);
    assert_eq!(
        ask(
            member,
            &format!("POST /api/v1/customers/{customer}/erasure"),
            "{\"when\": 1}"
        )
        .0,
        400
    );
    assert_eq!(
        ask(
            member,
            &format!("POST /api/v1/customers/{customer}/erasure"),
            "{\"at\": \"soon\"}"
        )
        .0,
        400
    );
    assert_eq!(
        ask(member, &format!("GET /customers/{customer}"), "").0,
        404
    );
    assert_eq!(ask(member, "GET /customers/%FF", "").0, 400);
    let (status, links) = ask(member, "GET /", "");
    assert_eq!(
        (status, links["links"][0]["href"].as_str()),
        (200, Some("/api/v1/triggers"))
    );
    let html = ["Authorization: Bearer secret", "Accept: text/html,*/*"];
    let (_, head, page) = member.ask("GET /", &html, "").expect("an answer");
    assert!(
        head.contains("content-type: text/html") && page.contains("<a href=\"/metrics\">"),
        "{page}"
    );
    for headers in [
        &[][..],
        &["Authorization: Bearer wrong"],
        &["Authorization: Basic c2VjcmV0"],
    ] {
        let (status, head, _) = member.ask("GET /metrics", headers, "").expect("an answer");
        assert!(
            status == 401 && head.contains("www-authenticate: bearer"),
            "{head}"
        );
    }
    assert_eq!(member.get("/health/live").expect("an answer").0, 200);
}

#[test]
fn nothing_is_changed_unless_it_is_allowed() {
    let Some(broker) = KafkaBroker::shared() else {
        return;
    };
    let installation = Installation::new(broker, 1, &[WELCOME], "");
    installation.create_topics();
    let member = installation.start();
    member.wait_until_ready();
    let (status, problem) = ask(&member, "POST /api/v1/customers/ana/erasure", "{}");
    assert_eq!((status, &problem["title"]), (403, &json!("read-only")));
    assert_eq!(installation.read("profile").len(), 0);
}
