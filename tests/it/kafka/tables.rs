//! Rows of tables and entries of suppression lists that come by topics, on a real Kafka: the next decision goes by them, they are there
//! after a kill, and the journal replays what was decided.

use std::fs;
use std::time::SystemTime;

use moments::time::Timestamp;
use serde_json::{Value, json};

use super::installation::{Installation, LIMIT};
use crate::support::broker::KafkaBroker;
use crate::support::kafka::{NewRecord, OwnedRecord};
use crate::support::wait_until;

const PARTITIONS: i32 = 2;

const TRIGGERS: [(&str, &str); 2] = [
    (
        "cheap",
        "trigger: cheap\nmoment: { event: { name: Product Viewed, where: \"tables.catalogue[event.product_id].price < 10.0\" } }\n\
         treatments: [{ channel: onsite, template: cheap, data: { price: \"${ tables.catalogue[event.product_id].price }\" } }]\n",
    ),
    // Without consent that is refused, which shows that everything was taken.
    (
        "any",
        "trigger: any\nmoment: { event: Product Viewed }\ntreatments: [{ channel: sms, template: seen }]\n",
    ),
];

/// An installation whose topics bring the rows of `catalogue` and the entries of `robinson`, and how many records they brought.
struct Shop {
    installation: Installation,
    broker: &'static KafkaBroker,
    told: usize,
    views: usize,
}

impl Shop {
    fn new(broker: &'static KafkaBroker) -> Self {
        let installation = Installation::new(broker, PARTITIONS, &TRIGGERS, "");
        let [catalogue, robinson] = ["catalogue", "robinson"].map(|name| installation.topic(name));
        let files = [
            (
                "table",
                format!("table: catalogue\ntopic: {catalogue}\ncolumns: {{ price: number }}\n"),
            ),
            (
                "list",
                format!("suppression: robinson\ntopic: {robinson}\n"),
            ),
        ];
        for (name, text) in files {
            let file = installation.file("triggers").join(format!("{name}.yaml"));
            fs::write(file, text).expect("a file of the set");
        }
        let unfed = installation.succeed(&["check"]);
        for name in ["catalogue", "robinson"] {
            let warning = format!("warning: {name}: nothing comes");
            assert!(unfed.contains(&warning), "{unfed}");
        }
        let config = fs::read_to_string(installation.config()).expect("the configuration");
        let tables = format!("[topics]\ntables = [\"{catalogue}\", \"{robinson}\"]\n");
        fs::write(installation.config(), config.replace("[topics]\n", &tables)).expect("written");
        Self {
            installation,
            broker,
            told: 0,
            views: 0,
        }
    }

    /// A topic of rows brings a record, and each task has its copy.
    fn tell(&mut self, topic: &str, key: &str, value: Option<&str>) {
        let record = NewRecord {
            key: Some(key.into()),
            value: value.map(Vec::from),
            ..NewRecord::default()
        };
        self.broker
            .produce(&self.installation.topic(topic), [record]);
        self.told += 1;
        let copies = self.told * usize::try_from(PARTITIONS).expect("few");
        wait_until("the copies", LIMIT, || {
            self.installation.read("-broadcasts").len() >= copies
        });
    }

    /// Somebody looks at a product, and it is decided: what was decided of the trigger that asks for its price.
    fn sees(&mut self, customer: &str, product: &str) -> Option<Value> {
        self.views += 1;
        let id = format!("v{}", self.views);
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let now = i64::try_from(since.expect("now").as_millis()).expect("now");
        let event = json!({"type": "track", "event": "Product Viewed", "userId": customer, "messageId": id,
            "timestamp": Timestamp(now).to_string(), "properties": {"product_id": product}});
        self.installation.produce("cart", [event]);
        let own = |installation: &Installation| -> Vec<Value> {
            let all = installation.read("decisions").into_iter();
            let all = all.map(|record| serde_json::from_str(&record.text()).expect("JSON"));
            all.filter(|it: &Value| it["occurrence"] == id.as_str())
                .collect()
        };
        wait_until("the decision", LIMIT, || {
            own(&self.installation)
                .iter()
                .any(|it| it["trigger"] == "any")
        });
        let mut own = own(&self.installation).into_iter();
        own.rfind(|it| it["trigger"] == "cheap")
    }
}

#[test]
fn the_next_decision_goes_by_the_rows_that_came() {
    let Some(broker) = KafkaBroker::shared() else {
        return;
    };
    let mut shop = Shop::new(broker);
    let created = shop.installation.succeed(&["topics", "create"]);
    let catalogue = shop.installation.topic("catalogue");
    let line = created.lines().find(|line| line.starts_with(&catalogue));
    assert!(
        line.is_some_and(|line| line.contains("cleanup.policy=compact")),
        "{created}"
    );
    let checked = shop.installation.succeed(&["topics", "check"]);
    assert!(!checked.contains("problem"), "{checked}");
    let mut first = shop.installation.start();

    assert_eq!(shop.sees("ana", "p1"), None, "no row has come");
    shop.tell("catalogue", "p1", Some("{\"price\": 5}"));
    let cheap = shop.sees("ana", "p1").expect("it is cheap");
    assert_eq!(cheap["treatment"]["data"]["price"], 5, "{cheap}");
    // What cannot be read is set aside once, and the row stays.
    shop.tell("catalogue", "p1", Some("{\"price\": \"dear\"}"));
    shop.tell("catalogue", "p2", Some("[]"));
    let letters = shop.installation.wait_for("dead-letters", 2);
    let reason = |letter: &OwnedRecord| {
        let mut headers = letter.headers.iter();
        let reason = headers.find(|(name, _)| name == "__connect.errors.exception.class.name");
        String::from_utf8_lossy(&reason.expect("a reason").1).into_owned()
    };
    assert_eq!(
        letters.iter().map(reason).collect::<Vec<_>>(),
        ["bad_row"; 2]
    );
    assert!(shop.sees("ben", "p1").is_some(), "as before");
    shop.tell("catalogue", "p1", Some("{\"price\": 50}"));
    assert_eq!(shop.sees("eva", "p1"), None, "it is dear now");
    shop.tell("robinson", "gil", Some("x"));
    shop.tell("catalogue", "p3", Some("{\"price\": 1}"));

    first.process.kill9();
    let mut second = shop.installation.start();
    assert_eq!(shop.sees("eva", "p1"), None, "it still is");
    assert!(shop.sees("eva", "p3").is_some(), "and this is not");
    let refused = shop.sees("gil", "p3").expect("a decision");
    assert_eq!(
        (&refused["decision"], &refused["reason"]),
        (&json!("refuse"), &json!("suppressed"))
    );
    shop.tell("robinson", "gil", None);
    let treated = shop.sees("gil", "p3").expect("a decision");
    assert_eq!(treated["decision"], "treat", "{treated}");
    shop.tell("catalogue", "p3", None);
    assert_eq!(
        shop.sees("eva", "p3"),
        None,
        "there is no such product any more"
    );
    second.process.kill9();

    let decided = shop.installation.read("decisions");
    let mut decided: Vec<String> = decided.iter().map(OwnedRecord::text).collect();
    let mut replayed = shop.installation.replayed_with(&["-broadcasts"]);
    decided.sort_unstable();
    replayed.sort_unstable();
    assert!(decided == replayed, "the journal replays it byte for byte");
    assert_eq!(shop.installation.read("dead-letters").len(), 2);
}
