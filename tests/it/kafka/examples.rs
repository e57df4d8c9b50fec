//! The examples that a stranger copies, run as they are: producers in Python and Java, and a campaign tool in Python, with real
//! Kafka and a real registry.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::fault::events::of_partition;
use super::installation::{Installation, LIMIT};
use crate::support::broker::KafkaBroker;
use crate::support::process::ProcessGuard;
use crate::support::registry::{TestRegistry, installed, say_skipped};
use crate::support::wait_until;

const TRIGGERS: [(&str, &str); 2] = [
    (
        "basket",
        "trigger: basket\nmoment: { event: Product Added }\n\
         treatments: [{ if: '\"email\" in profile.consent', channel: email, template: in-your-basket, data: { products: profile.basket.products } }]\n",
    ),
    (
        "thanks",
        "trigger: thanks\nmoment: { event: Order Completed }\n\
         treatments: [{ channel: email, template: thanks, data: { total: event.total } }]\n",
    ),
];

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("examples")
        .join(name)
}

/// Runs an example to its end, which must be a good one; what it said.
fn run(name: &str, command: &mut Command) -> String {
    let mut process = ProcessGuard::spawn(name, command);
    let status = process.wait(LIMIT);
    let output = process.output();
    assert!(status.success(), "{name}: {output}");
    output
}

/// Java that runs a source file, which takes its compiler.
fn java_compiles() -> bool {
    let modules = Command::new("java").arg("--list-modules").output();
    let compiles = modules
        .is_ok_and(|modules| String::from_utf8_lossy(&modules.stdout).contains("jdk.compiler"));
    let in_ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(
        compiles || !in_ci,
        "no Java compiler, and in CI no test may be skipped; use ./dev test"
    );
    compiles
}

#[test]
fn producers_and_a_campaign_tool_in_other_languages_work_with_it() {
    let (Some(broker), Some(registry)) = (KafkaBroker::shared(), TestRegistry::shared()) else {
        return;
    };
    let Some(python) = installed("MOMENTS_PYTHON") else {
        return say_skipped("Python with confluent-kafka");
    };
    if !java_compiles() {
        return say_skipped("Java compiler");
    }
    let libs = std::env::var("MOMENTS_KAFKA_LIBS").expect("there is a broker");
    let registry_url = registry.url();
    // What happened a millisecond ago is settled, so that the profile need not be waited for.
    let in_avro = ["cart", "profile", "purchase", "outcomes"]
        .map(|topic| format!("{topic}.format = \"avro\"\n{topic}.lateness = \"1ms\"\n"));
    let configuration = format!(
        "{}clickstream.lateness = \"1ms\"\nsupport.lateness = \"1ms\"\ntreatments_format = \"avro\"\n[schema_registry]\nurl = \"{registry_url}\"\n",
        in_avro.concat()
    );
    let installation = Installation::new(broker, 2, &TRIGGERS, &configuration);
    installation.create_topics();
    let member = installation.start();
    member.wait_until_ready();

    let topic = |name: &str| installation.topic(name);
    run(
        "producer.py",
        Command::new(&python)
            .arg(example("python/producer.py"))
            .args([
                "--bootstrap",
                broker.bootstrap(),
                "--registry",
                &registry_url,
                "--customer",
                "ana",
                "--profile",
                &topic("profile"),
                "--cart",
                &topic("cart"),
            ]),
    );
    run(
        "Producer.java",
        Command::new("java")
            .args(["-cp", &format!("{libs}/*")])
            .arg(example("java/Producer.java"))
            .args([
                broker.bootstrap(),
                &registry_url,
                &topic("purchase"),
                "ana",
                "o-1",
            ]),
    );
    let campaign = |group: &str, delay: &str| {
        let mut campaign = Command::new(&python);
        campaign.arg(example("python/campaign.py")).args([
            "--bootstrap",
            broker.bootstrap(),
            "--registry",
            &registry_url,
            "--treatments",
            &topic("treatments.email"),
            "--outcomes",
            &topic("outcomes"),
            "--group",
            &topic(group),
            "--delay",
            delay,
            "--count",
            "2",
        ]);
        run("campaign.py", &mut campaign)
    };
    let said = campaign("campaign-tool", "0");
    assert!(
        said.contains("to ana@example.com: in-your-basket {'products': ['teapot']}"),
        "{said}"
    );
    assert!(
        said.contains("to ana@example.com: thanks {'total': 59.9}"),
        "{said}"
    );

    // What it acknowledged is known of her, as soon as time moves on.
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("a clock");
    let now = i64::try_from(now.as_millis()).expect("this era");
    // Two in her partition say so: what one says alone is not believed.
    let hers = moments::runtime::murmur2::partition(b"ana", 2);
    let viewed = ["ben", "eva"].map(|name| {
        json!({"event": "Product Viewed", "userId": of_partition(name, hers, 2), "timestamp": now})
    });
    installation.produce("clickstream", viewed);
    wait_until("two messages opened", LIMIT, || {
        let profile = member.get("/customers/ana").map(|(_, body)| body);
        let profile: Value = serde_json::from_str(&profile.unwrap_or_default()).unwrap_or_default();
        profile["profile"]["messages"]["opened"] == 2
    });
    // One that takes its time has sent nothing yet when she is erased, and sends nothing.
    let erased = json!({"event": "Customer Erased", "userId": "ana", "timestamp": now});
    installation.produce("profile", [erased]);
    let said = campaign("slow-campaign-tool", "3600");
    for trigger in ["basket", "thanks"] {
        let line = format!("not sent: {trigger} to ana, erased");
        assert!(said.contains(&line), "{said}");
    }
    assert_eq!(installation.read("dead-letters"), []);
}
