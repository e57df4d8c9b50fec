//! HTTP on bad days: a page in somebody's browser, half a request, more connections than descriptors, everybody at once.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use super::installation::{Installation, LIMIT, Member};
use crate::support::broker::KafkaBroker;
use crate::support::process::ProcessGuard;
use crate::support::{unique, wait_until};

const WELCOME: (&str, &str) = (
    "welcome",
    "trigger: welcome\nmoment: { event: Order Completed }\ntreatments: [{ channel: onsite, template: thanks }]\n\
     policy: { good_for: 3650d }\n",
);
/// How long a stop may take: 5 s for HTTP, and the rest for Kafka.
const STOP: Duration = Duration::from_secs(15);

fn installation(extra: &str) -> Option<Installation> {
    let broker = KafkaBroker::shared()?;
    let extra = format!("[time]\nclock = \"event\"\nidle_delay = \"200ms\"\n{extra}");
    let installation = Installation::new(broker, 1, &[WELCOME], &extra);
    installation.create_topics();
    Some(installation)
}

fn connect(member: &Member) -> TcpStream {
    let mut address = None;
    wait_until("an address", LIMIT, || {
        let output = member.process.output();
        let said = output
            .lines()
            .find_map(|line| line.split("address=").nth(1));
        address = said.map(|said| said.trim().to_owned());
        address.is_some()
    });
    let stream = TcpStream::connect(address.expect("waited for it")).expect("a connection");
    stream.set_read_timeout(Some(LIMIT)).expect("a time-out");
    stream
}

/// The status of the answer to a request, as it stands; none where the connection ended without.
fn status(member: &Member, request: &str) -> Option<u16> {
    let mut stream = connect(member);
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.split(' ').nth(1)?.parse().ok()
}

fn order(customer: &str) -> serde_json::Value {
    json!({"event": "Order Completed", "userId": customer, "messageId": unique("order"),
        "timestamp": "2026-03-02T10:00:00Z", "properties": {"total": 10}})
}

#[test]
fn a_page_in_a_browser_changes_and_reads_nothing() {
    let Some(installation) = installation("") else {
        return;
    };
    let config = std::fs::read_to_string(installation.config()).expect("a configuration");
    let config = config.replace(
        "[http]\n",
        "[http]\nwrite = true\nhosts = [\"moments.internal\"]\n",
    );
    std::fs::write(installation.config(), config).expect("a configuration");
    let mut member = installation.start();
    member.wait_until_ready();
    let erase = |headers: &str| {
        let body = "{}";
        let request = format!(
            "POST /api/v1/customers/ana/erasure HTTP/1.1\r\n{headers}Content-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        status(&member, &request)
    };
    for (what, headers, expected) in [
        ("a name that leads here", "Host: evil.example\r\n", 421),
        ("no name", "", 421),
        (
            "a page of another origin",
            "Host: localhost\r\nOrigin: https://evil.example\r\n",
            403,
        ),
        (
            "a page without an origin",
            "Host: localhost\r\nOrigin: null\r\n",
            403,
        ),
        (
            "a name that leads here, which says it is its own",
            "Host: evil.example\r\nOrigin: http://evil.example\r\n",
            421,
        ),
        ("this machine", "Host: localhost\r\n", 202),
        ("this machine by address", "Host: 127.0.0.1:9464\r\n", 202),
        (
            "a page of its own",
            "Host: localhost:9464\r\nOrigin: http://localhost:9464\r\n",
            202,
        ),
        ("a name of its own", "Host: moments.internal\r\n", 202),
    ] {
        assert_eq!(erase(headers), Some(expected), "{what}");
    }
    let large = format!(
        "POST /api/v1/customers/ana/erasure HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Content-Length: 20000\r\nConnection: close\r\n\r\n{{\"at\":\"{}\"}}",
        "x".repeat(20_000 - 9)
    );
    assert_eq!(
        status(&member, &large),
        Some(400),
        "a body that is too large"
    );
    let log = member.process.output();
    let audited = log
        .lines()
        .filter(|line| line.contains("audit") && line.contains("customers/ana"));
    assert!(
        audited.count() >= 4,
        "who asked for customers is written down: {log}"
    );
    assert!(member.process.terminate(STOP).success());
}

#[test]
fn half_a_request_holds_up_no_stop() {
    let Some(installation) = installation("") else {
        return;
    };
    let mut member = installation.start();
    member.wait_until_ready();
    let mut half = connect(&member);
    half.write_all(b"GET /metrics HTTP/1.1\r\nHost: loc")
        .expect("half a request");
    let mut body = connect(&member);
    body.write_all(
        b"POST /api/v1/customers/ana/erasure HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{",
    )
    .expect("half a body");
    // Both are with the process.
    wait_until("the process to answer", LIMIT, || {
        member.get("/health/live").is_some()
    });
    assert!(member.process.terminate(STOP).success());
}

/// 400 connections where there are 300 descriptors: Kafka's stay, and they end by themselves.
#[test]
fn more_connections_than_descriptors_take_none_of_kafkas() {
    let Some(installation) = installation("") else {
        return;
    };
    let name = unique("moments");
    let mut command = Command::new("sh");
    command.args([
        "-c",
        "ulimit -n 300; exec \"$0\" run --config \"$1\"",
        env!("CARGO_BIN_EXE_moments"),
    ]);
    command.arg(installation.config());
    let member = Member::new(name.clone(), ProcessGuard::spawn(&name, &mut command));
    member.wait_until_ready();
    let crowd: Vec<TcpStream> = (0..400).map(|_| connect(&member)).collect();
    installation.produce("purchase", [order("ana")]);
    installation.wait_for("treatments.onsite", 1);
    let descriptors = format!("/proc/{}/fd", member.process.id());
    let open = std::fs::read_dir(descriptors).expect("descriptors").count();
    assert!(open < 200, "{open} descriptors");
    // Those that say nothing make way, at once.
    let start = Instant::now();
    assert_eq!(
        member.get("/health/live").map(|(status, _)| status),
        Some(200)
    );
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
    drop(crowd);
}

#[test]
fn everybody_at_once_is_answered_or_told_to_come_again() {
    let Some(installation) = installation("") else {
        return;
    };
    let member = installation.start();
    member.wait_until_ready();
    installation.produce("purchase", (0..20).map(|_| order("ana")));
    installation.wait_for("decisions", 20);
    let start = Instant::now();
    let asked: Vec<Option<u16>> = thread::scope(|scope| {
        let ask = || {
            status(
                &member,
                "GET /api/v1/customers/ana/decisions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
            )
        };
        let threads: Vec<_> = (0..600).map(|_| scope.spawn(ask)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("asked"))
            .collect()
    });
    let of = |wanted: &[u16]| {
        asked
            .iter()
            .flatten()
            .filter(|status| wanted.contains(status))
            .count()
    };
    assert_eq!(of(&[200, 503, 429]), 600, "{asked:?}");
    assert!(of(&[200]) > 0, "somebody has an answer: {asked:?}");
    assert!(start.elapsed() < LIMIT, "{:?}", start.elapsed());
}

/// The whole answer to a request, as it stands; empty where the connection ended without.
fn answer(member: &Member, request: &str) -> String {
    let mut stream = connect(member);
    let mut answer = String::new();
    let asked = stream.write_all(request.as_bytes());
    let _ = asked.and_then(|()| stream.read_to_string(&mut answer));
    answer
}

#[test]
fn who_is_slow_large_or_a_stranger_keeps_nobody_out_and_who_asks_for_customers_is_written_down() {
    let Some(installation) = installation("") else {
        return;
    };
    let token = installation.file("token");
    std::fs::write(&token, "open-sesame\n").expect("a file");
    let config = std::fs::read_to_string(installation.config()).expect("a configuration");
    let http = format!(
        "[http]\nwrite = true\ntoken_file = {:?}\n",
        token.display().to_string()
    );
    std::fs::write(installation.config(), config.replace("[http]\n", &http))
        .expect("a configuration");
    let member = installation.start();
    member.wait_until_ready();
    installation.produce("purchase", [order("ana")]);
    installation.wait_for("decisions", 1);
    let start = Instant::now();
    let (mut head, mut body) = (connect(&member), connect(&member));
    head.write_all(b"GET /metrics HTTP/1.1\r\nHost: loc")
        .expect("half a head");
    body.write_all(
        b"POST /api/v1/customers/ana/erasure HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer open-sesame\r\n\
          Content-Type: application/json\r\nContent-Length: 9\r\n\r\n{",
    )
    .expect("half a body");
    let ask = |path: &str, header: &str| {
        answer(
            &member,
            &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{header}Connection: close\r\n\r\n"),
        )
    };
    let large = format!("X-Large: {}\r\n", "x".repeat(20_000));
    let refused = ask("/metrics", &large);
    assert!(
        refused.is_empty() || refused.starts_with("HTTP/1.1 431"),
        "{refused}"
    );
    let mut strangers = (0..10_000).map(|_| ask("/metrics", ""));
    let told = strangers.find(|it| it.starts_with("HTTP/1.1 429"));
    let told = told.expect("a stranger who is told to come again");
    assert!(
        told.to_ascii_lowercase().contains("retry-after: 1"),
        "{told}"
    );
    let known = "Authorization: Bearer open-sesame\r\n";
    for path in ["/metrics", "/api/v1/customers/ana", "/api/v1/customers/ben"] {
        let found = ask(path, known);
        let expected = if path.ends_with("ben") {
            "HTTP/1.1 404"
        } else {
            "HTTP/1.1 200"
        };
        assert!(found.starts_with(expected), "{path}: {found}");
    }
    let log = member.process.output();
    for (customer, status) in [("ana", 200), ("ben", 404)] {
        let line = format!("method=GET path=\"/api/v1/customers/{customer}\" peer=\"127.0.0.1:");
        let line = log
            .lines()
            .find(|it| it.contains(" audit: ") && it.contains(&line));
        assert!(
            line.is_some_and(|it| it.contains(&format!("status={status}"))),
            "{log}"
        );
    }
    are_ended_in_time(head, body, start);
    assert!(!member.process.output().contains("open-sesame"));
}

/// Those that sent half: of a head nothing is said, a body is answered for.
fn are_ended_in_time(mut head: TcpStream, mut body: TcpStream, start: Instant) {
    let mut rest = String::new();
    head.read_to_string(&mut rest).expect("an end");
    let after = start.elapsed();
    assert!(after < Duration::from_secs(25), "{after:?}");
    let mut status = [0; 12];
    body.read_exact(&mut status).expect("an answer");
    assert_eq!(&status, b"HTTP/1.1 503");
    let after = start.elapsed();
    assert!(after < Duration::from_secs(50), "{after:?}");
}
