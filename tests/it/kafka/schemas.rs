//! Events and treatments in Avro, with a real registry behind a proxy: each row of the table in `docs/formats.md`.

use std::time::Duration;

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value as Avro;
use apache_avro::writer::datum::GenericDatumWriter;
use moments::avro::local::newest;
use moments::avro::wire;
use serde_json::{Value, json};

use super::installation::{Installation, LIMIT, Member};
use crate::support::broker::KafkaBroker;
use crate::support::kafka::{NewRecord, OwnedRecord};
use crate::support::proxy::{Mode, Proxy};
use crate::support::registry::TestRegistry;
use crate::support::{unique, wait_until};

const THANKS: (&str, &str) = (
    "thanks",
    "trigger: thanks\nmoment: { event: Order Completed }\n\
     treatments: [{ channel: onsite, template: thanks, data: { order: event.order_id, total: event.total } }]\n\
     policy: { good_for: 3650d }\n",
);

/// In the section of topics; then sections of their own.
fn configuration(topics: &str, registry: &str) -> String {
    format!(
        "purchase.format = \"avro\"\n{topics}\n[time]\nclock = \"event\"\nidle_delay = \"200ms\"\n[schema_registry]\n{registry}\n"
    )
}

/// An order of a customer in the newest schema of purchases or one like it.
fn order(schema: &str, customer: &str, order: &str) -> Vec<u8> {
    let schema = Schema::parse_str(schema).expect("a schema");
    let event = json!({"type": "track", "event": "Order Completed", "userId": customer, "messageId": format!("m-{order}"),
        "timestamp": 1_772_445_600_000_i64, "properties": {"order_id": order, "total": 59.9}});
    let record = Avro::try_from(event)
        .expect("JSON")
        .resolve(&schema)
        .expect("a record");
    let writer = GenericDatumWriter::builder(&schema).build();
    let datum = writer.expect("a writer").write_value_to_vec(record);
    datum.expect("a datum")
}

fn headed(id: u32, datum: &[u8]) -> Vec<u8> {
    [&wire::head(id)[..], datum].concat()
}

/// The newest schema of purchases with one more property, so that it has an id of its own.
fn evolved(property: &str) -> String {
    let mut schema: Value = serde_json::from_str(newest("purchase").text).expect("JSON");
    let fields = schema["fields"].as_array_mut().expect("fields");
    for field in fields
        .iter_mut()
        .filter(|field| field["name"] == "properties")
    {
        let more = json!({"name": property, "type": ["null", "string"], "default": null});
        let fields = field["type"][1]["fields"].as_array_mut();
        fields.expect("fields").push(more);
    }
    schema.to_string()
}

fn produce(installation: &Installation, customer: &str, value: Vec<u8>) {
    let record = NewRecord::keyed(customer, value);
    installation
        .broker()
        .produce(&installation.topic("purchase"), [record]);
}

fn customer_of(partition: i32) -> String {
    let is_there =
        |key: &String| moments::runtime::murmur2::partition(key.as_bytes(), 2) == partition;
    (0..)
        .map(|i| format!("c{i}"))
        .find(is_there)
        .expect("some hash there")
}

fn metric(member: &Member, name: &str) -> Option<f64> {
    let (_, text) = member.get("/metrics")?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.rsplit(' ').next()?.parse().ok()
}

fn wait_for_metric(member: &Member, name: &str, least: f64) {
    wait_until(&format!("{name} of {least}"), LIMIT, || {
        metric(member, name).is_some_and(|value| value >= least)
    });
}

fn orders(records: &[OwnedRecord]) -> Vec<String> {
    let data = records.iter().map(|record| {
        let command: Value = serde_json::from_str(&record.text()).expect("JSON");
        command["data"]["order"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    });
    let mut orders: Vec<String> = data.collect();
    orders.sort();
    orders
}

fn reason(letter: &OwnedRecord) -> String {
    let header = letter
        .headers
        .iter()
        .find(|(name, _)| name == "__connect.errors.exception.class.name");
    header.map_or(String::new(), |(_, value)| {
        String::from_utf8_lossy(value).into_owned()
    })
}

/// A schema of its own that the registry has, and its id.
struct Registered {
    schema: String,
    id: u32,
}

impl Registered {
    fn new(registry: &TestRegistry, property: &str) -> Self {
        let schema = evolved(property);
        let id = registry.register(&unique("registered"), &schema);
        Self { schema, id }
    }

    /// A customer orders, in this schema.
    fn order(&self, installation: &Installation, customer: &str, number: &str) {
        let datum = order(&self.schema, customer, number);
        produce(installation, customer, headed(self.id, &datum));
    }
}

/// Waits until exactly these orders are thanked for.
fn wait_for_thanks(installation: &Installation, expected: &[&str]) {
    let found = installation.wait_for("treatments.onsite", expected.len());
    assert_eq!(orders(&found), expected);
}

#[test]
fn a_registry_that_is_down_holds_back_what_needs_it_and_nothing_else() {
    let (Some(broker), Some(registry)) = (KafkaBroker::shared(), TestRegistry::shared()) else {
        return;
    };
    let [known, later] = ["first", "second"].map(|property| Registered::new(registry, property));
    let proxy = Proxy::new(registry.port(), Mode::Down);
    let url = registry.url_through(proxy.port());
    let settings = format!("url = \"{url}\"\ntimeout = \"1s\"");
    let installation = Installation::new(broker, 2, &[THANKS], &configuration("", &settings));
    installation.create_topics();
    let customers = (customer_of(0), customer_of(1));

    known.order(&installation, &customers.0, "o1");
    let mut member = installation.start();
    member.wait_until_ready();
    down_at_start(&installation, &member, &proxy, &customers.1);
    down_later(&installation, &member, &proxy, &customers, [&known, &later]);

    assert_eq!(installation.read("dead-letters"), []);
    member.process.terminate(LIMIT);
    let decisions = installation.read("decisions").into_iter();
    let mut decided: Vec<String> = decisions.map(|record| record.text()).collect();
    let mut replayed = installation.replayed();
    decided.sort();
    replayed.sort();
    assert_eq!(replayed, decided);
    assert_eq!(decided.len(), 5);
}

/// What needs a schema waits; a task that needs none goes on.
fn down_at_start(installation: &Installation, member: &Member, proxy: &Proxy, other: &str) {
    let json = json!({"event": "Order Completed", "userId": other, "timestamp": 1_772_445_600_000_i64,
        "properties": {"order_id": "json", "total": 1}});
    installation.produce("purchase", [json]);
    wait_for_thanks(installation, &["json"]);
    wait_for_metric(member, "moments_schemas_awaited", 1.0);
    let failed = "moments_schema_requests_total{outcome=\"failed\"}";
    wait_for_metric(member, failed, 2.0);

    // A proxy's 404 is not the registry's word.
    proxy.set(Mode::Misrouted);
    wait_until("the page to be seen", LIMIT, || {
        member.process.output().contains("answers 404")
    });
    assert_eq!(installation.read("dead-letters"), []);

    proxy.set(Mode::Open);
    wait_for_thanks(installation, &["json", "o1"]);
}

/// An id that is known keeps working, one that is not waits; slow or hung is down too.
fn down_later(
    installation: &Installation,
    member: &Member,
    proxy: &Proxy,
    (ana, ben): &(String, String),
    [known, later]: [&Registered; 2],
) {
    proxy.set(Mode::Down);
    known.order(installation, ana, "o2");
    wait_for_thanks(installation, &["json", "o1", "o2"]);
    proxy.set(Mode::Hung);
    later.order(installation, ben, "o3");
    wait_until("a time-out", LIMIT, || {
        member.process.output().contains("timeout")
    });
    known.order(installation, ana, "o4");
    wait_for_thanks(installation, &["json", "o1", "o2", "o4"]);
    proxy.set(Mode::Slow(Duration::from_millis(300)));
    wait_for_thanks(installation, &["json", "o1", "o2", "o3", "o4"]);
    wait_until("nothing to be awaited", LIMIT, || {
        metric(member, "moments_schemas_awaited") == Some(0.0)
    });
}

#[test]
fn what_the_registry_does_not_have_or_cannot_be_read_is_set_aside() {
    let (Some(broker), Some(registry)) = (KafkaBroker::shared(), TestRegistry::shared()) else {
        return;
    };
    let id = registry.register(&unique("set-aside"), &evolved("third"));
    let foreign = r#"{"type": "record", "name": "Basket", "fields": [{"name": "timestamp", "type": "long"}]}"#;
    let foreign = registry.register(&unique("set-aside"), foreign);
    let folder = tempfile::tempdir().expect("a folder");
    let proxy = Proxy::new(registry.port(), Mode::Open);
    let settings = format!(
        "url = \"{}\"\nfolder = \"{}\"",
        registry.url_through(proxy.port()),
        folder.path().display()
    );
    let installation = Installation::new(broker, 1, &[THANKS], &configuration("", &settings));
    installation.create_topics();
    let datum = order(&evolved("third"), "ana", "o1");
    let letters = [
        (headed(999_999_999, &datum), "unknown_schema"),
        (headed(foreign, &datum), "incompatible_schema"),
        (datum.clone(), "bad_wire_format"),
        (vec![0, 0, 1], "bad_wire_format"),
        (headed(id, &datum[..datum.len() - 1]), "bad_avro"),
        (b"{\"userId\":\"ana\"}".to_vec(), "no_event_name"),
    ];
    for (value, _) in &letters {
        produce(&installation, "ana", value.clone());
    }
    for number in 0..20 {
        let datum = order(&evolved("third"), "ana", &format!("o{number}"));
        produce(&installation, "ana", headed(id, &datum));
    }
    let mut member = installation.start();
    assert_eq!(installation.wait_for("treatments.onsite", 20).len(), 20);
    let found = installation.wait_for("dead-letters", letters.len());
    for (letter, (value, word)) in found.iter().zip(&letters) {
        assert_eq!(reason(letter), *word);
        assert_eq!(letter.value.as_ref(), Some(value), "{word}");
    }
    assert_eq!(found.len(), letters.len());
    // Each id was asked for once, whatever the number of its records.
    assert_eq!(proxy.requests(), 3);

    // The folder has what was found: a start without the registry knows it.
    member.process.kill9();
    proxy.set(Mode::Down);
    let datum = order(&evolved("third"), "ana", "again");
    produce(&installation, "ana", headed(id, &datum));
    let _member = installation.start();
    assert_eq!(installation.wait_for("treatments.onsite", 21).len(), 21);
}

#[test]
fn treatments_and_decisions_go_out_in_avro_and_secrets_do_not_go_out_at_all() {
    let (Some(broker), Some(registry)) = (KafkaBroker::shared(), TestRegistry::shared()) else {
        return;
    };
    let id = registry.register(&unique("out"), &evolved("fourth"));
    // dXNlcjpzM2NyM3Q= is user:s3cr3t
    let guard = Mode::Guarded("authorization: Basic dXNlcjpzM2NyM3Q=".to_owned());
    let proxy = Proxy::new(registry.port(), guard);
    let secret = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(secret.path(), "s3cr3t\n").expect("written");
    let settings = format!(
        "url = \"{}\"\nuser = \"user\"\npassword_file = \"{}\"",
        registry.url_through(proxy.port()),
        secret.path().display()
    );
    let formats = "treatments_format = \"avro\"\ndecisions_format = \"avro\"";
    let installation = Installation::new(broker, 1, &[THANKS], &configuration(formats, &settings));
    installation.create_topics();
    produce(
        &installation,
        "ana",
        headed(id, &order(&evolved("fourth"), "ana", "o1")),
    );
    let mut member = installation.start();

    let read = |topic: &str, schema: &str| {
        let record = installation.wait_for(topic, 1).remove(0);
        let payload = record.value.expect("a value");
        let (id, mut datum) = wire::split(&payload).expect("wire format");
        let schema = Schema::parse_str(newest(schema).text).expect("a schema");
        let reader = GenericDatumReader::builder(&schema)
            .build()
            .expect("a reader");
        let record = reader.read_value(&mut datum).expect("a record");
        (id, serde_json::Value::try_from(record).expect("JSON"))
    };
    let (_, command) = read("treatments.onsite", "treatments");
    assert_eq!(command["data"], json!({"order": "o1", "total": 59.9}));
    let (decision_id, decision) = read("decisions", "decisions");
    assert_eq!(
        (&decision["decision"], &decision["treatment"]),
        (&json!("treat"), &command)
    );
    // It is registered where consumers look.
    let subject = installation.topic("decisions") + "-value";
    assert_eq!(
        registry.register(&subject, newest("decisions").text),
        decision_id
    );

    member.process.terminate(LIMIT);
    let output = member.process.output();
    assert!(
        !output.contains("s3cr3t") && !output.contains("dXNlcjpzM2NyM3Q="),
        "{output}"
    );
    // The rehearsal gives the same decision, as a line of JSON.
    let replayed: Value = serde_json::from_str(&installation.replayed()[0]).expect("JSON");
    assert_eq!(replayed["treatment"]["id"], command["id"]);
    assert_eq!(replayed["revision"], decision["revision"]);
}

#[test]
fn the_registry_is_reached_over_tls_and_believed_only_by_its_certificate() {
    let (Some(broker), Some(registry)) = (KafkaBroker::shared(), TestRegistry::shared()) else {
        return;
    };
    let id = registry.register(&unique("tls"), &evolved("fifth"));
    let url = format!("url = \"{}\"", registry.secure_url());
    let trusting = format!("{url}\nca_file = \"{}\"", registry.ca_file().display());
    for (settings, trusted) in [(trusting, true), (url, false)] {
        let installation = Installation::new(broker, 1, &[THANKS], &configuration("", &settings));
        installation.create_topics();
        produce(
            &installation,
            "ana",
            headed(id, &order(&evolved("fifth"), "ana", "o1")),
        );
        let member = installation.start();
        if trusted {
            assert_eq!(
                orders(&installation.wait_for("treatments.onsite", 1)),
                ["o1"]
            );
        } else {
            wait_until("the certificate to be refused", LIMIT, || {
                member
                    .process
                    .output()
                    .to_lowercase()
                    .contains("certificate verify failed")
            });
            assert_eq!(installation.read("dead-letters"), []);
        }
    }
}

#[test]
fn a_bearer_that_is_refused_makes_records_wait() {
    let (Some(broker), Some(registry)) = (KafkaBroker::shared(), TestRegistry::shared()) else {
        return;
    };
    let id = registry.register(&unique("bearer"), &evolved("sixth"));
    let guard = |token: &str| Mode::Guarded(format!("authorization: Bearer {token}"));
    let proxy = Proxy::new(registry.port(), guard("other"));
    let settings = format!(
        "url = \"{}\"\ntoken = \"t0k3n\"",
        registry.url_through(proxy.port())
    );
    let installation = Installation::new(broker, 1, &[THANKS], &configuration("", &settings));
    installation.create_topics();
    produce(
        &installation,
        "ana",
        headed(id, &order(&evolved("sixth"), "ana", "o1")),
    );
    let member = installation.start();
    wait_until("401 to be said", LIMIT, || {
        member.process.output().contains("answers 401")
    });
    assert_eq!(installation.read("dead-letters"), []);
    proxy.set(guard("t0k3n"));
    assert_eq!(
        orders(&installation.wait_for("treatments.onsite", 1)),
        ["o1"]
    );
    assert!(!member.process.output().contains("t0k3n"));
}

#[test]
fn a_process_whose_schema_the_registry_refuses_does_not_start() {
    let (Some(broker), Some(registry)) = (KafkaBroker::shared(), TestRegistry::shared()) else {
        return;
    };
    let settings = format!("url = \"{}\"", registry.url());
    let formats = "decisions_format = \"avro\"";
    let installation = Installation::new(broker, 1, &[THANKS], &configuration(formats, &settings));
    installation.create_topics();
    let subject = installation.topic("decisions") + "-value";
    registry.register(
        &subject,
        r#"{"type": "record", "name": "Decision", "fields": []}"#,
    );
    registry.be_strict(&subject);
    let mut member = installation.start();
    assert!(!member.process.wait(LIMIT).success());
    let output = member.process.output();
    assert!(output.contains("answers 409"), "{output}");
    assert_eq!(installation.read("-journal"), []);
}
