//! `moments send` on a real Kafka, with a real mail server and web hooks that answer as they please.

use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use moments::time::Timestamp;
use serde_json::{Value, json};
use sha2::Sha256;
use uuid::Uuid;

use super::installation::{Installation, LIMIT, Member, settled_at_once};
use crate::support::broker::KafkaBroker;
use crate::support::kafka::NewRecord;
use crate::support::process::ProcessGuard;
use crate::support::receivers::{Does, Hook, Mail, Told};
use crate::support::{unique, wait_until};

const SECRET: &[u8; 32] = b"of a test, and of nobody else's.";
const HOUR_MS: i64 = 3_600_000;
/// Under way at a time.
const PARALLEL: usize = 4;

pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    i64::try_from(since.expect("a clock").as_millis()).expect("this era")
}

/// A command of this number to a customer, on a channel, good for an hour.
pub fn command(channel: &str, number: u128, customer: &str) -> Value {
    let at = |ms: i64| Timestamp(now() + ms).to_string();
    json!({
        "type": "treatment", "id": Uuid::from_u128(number), "customer": customer, "trigger": "basket", "generation": 1,
        "occurrence": "o", "channel": channel, "template": "reminder", "offer": {}, "data": { "products": ["teapot", "cup"] },
        "moment_at": at(-1_000), "decided_at": at(-500), "good_from": at(-500), "valid_until": at(HOUR_MS),
        "addresses": { "email": format!("{customer}@example.com") }, "evidence": { "events": [], "facts": {} },
    })
}

pub fn id(number: u128) -> String {
    Uuid::from_u128(number).to_string()
}

/// An installation whose sender has these channels.
struct Sending {
    installation: Installation,
}

impl Sending {
    fn new(broker: &'static KafkaBroker, channels: &str, triggers: &[(&str, &str)]) -> Self {
        let settled = settled_at_once();
        let extra = format!(
            "reports_every = \"100ms\"\n{settled}[send]\nlisten = \"127.0.0.1:0\"\nparallel = {PARALLEL}\n{channels}"
        );
        let installation = Installation::new(broker, 2, triggers, &extra);
        let folder = installation.file("templates");
        fs::create_dir(&folder).expect("a folder");
        let template = "{% block subject %}Still yours, {{ customer }}{% endblock %}\n\
             {% block text %}{{ data.products | join(' and ') }}{% endblock %}\n\
             {% block html %}<p>{{ data.products | join(' & ') }}</p>{% endblock %}\n";
        fs::write(folder.join("reminder.jinja"), template).expect("a template");
        let secret = base64::engine::general_purpose::STANDARD.encode(SECRET);
        fs::write(installation.file("secret"), format!("whsec_{secret}\n")).expect("a secret");
        let config = fs::read_to_string(installation.config()).expect("a configuration");
        let config = config
            .replace(
                "[send]\n",
                &format!("[send]\ntemplates = \"{}\"\n", folder.display()),
            )
            .replace("SECRET", &installation.file("secret").display().to_string());
        fs::write(installation.config(), config).expect("a configuration");
        Self { installation }
    }

    /// The topics of these channels, and that of outcomes.
    fn create(&self, channels: &[&str]) {
        let names = channels
            .iter()
            .map(|channel| format!("treatments.{channel}"));
        for name in names.chain(["outcomes".to_owned()]) {
            let topic = self.installation.topic(&name);
            self.installation.broker().create_topic(&topic, 2, &[]);
        }
    }

    fn start(&self) -> ProcessGuard {
        let config = self.installation.config().display().to_string();
        ProcessGuard::moments(&unique("send"), ["send", "--config", &config])
    }

    fn publish(&self, commands: impl IntoIterator<Item = Value>) {
        let producer = self.installation.broker().producer();
        for command in commands {
            let channel = command["channel"].as_str().expect("a channel");
            let key = command["customer"].as_str().expect("a customer").to_owned();
            let topic = self.installation.topic(&format!("treatments.{channel}"));
            let record = NewRecord::keyed(key, command.to_string());
            producer.send(&topic, [record]);
        }
    }

    /// What was reported: event and id of the command, in order of these.
    fn reported(&self) -> Vec<(String, String)> {
        let events = self
            .installation
            .read("outcomes")
            .into_iter()
            .map(|record| {
                let event: Value = serde_json::from_str(&record.text()).expect("an event");
                assert_eq!(event["anonymousId"], record.key_text());
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                (
                    text(&event["event"]),
                    text(&event["properties"]["treatment_id"]),
                )
            });
        let mut events: Vec<_> = events.collect();
        events.sort();
        events
    }

    /// Waits until so much is reported.
    fn wait_for_reports(&self, count: usize) -> Vec<(String, String)> {
        wait_until(&format!("{count} reports"), LIMIT, || {
            self.reported().len() >= count
        });
        self.reported()
    }
}

fn hook(channel: &str, hook: &Hook, timeout: &str) -> String {
    format!(
        "[send.channels.{channel}.web_hook]\nurl = \"{}\"\nsecret_file = \"SECRET\"\ntimeout = \"{timeout}\"\n",
        hook.url
    )
}

fn smtp(mail: &Mail, more: &str) -> String {
    format!(
        "[send.channels.email.smtp]\nhost = \"localhost\"\nport = {}\nfrom = \"Shop <shop@example.com>\"\n{more}\n",
        mail.port
    )
}

/// Whether a request is signed with the secret, and of now.
fn is_signed(told: &Told) -> bool {
    let at = &told.headers["webhook-timestamp"];
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET).expect("a key");
    mac.update(format!("{}.{at}.", told.id()).as_bytes());
    mac.update(&told.body);
    let signature = told.headers["webhook-signature"].strip_prefix("v1,");
    let signature = base64::engine::general_purpose::STANDARD.decode(signature.unwrap_or_default());
    let age = now() / 1_000 - at.parse::<i64>().unwrap_or_default();
    mac.verify_slice(&signature.unwrap_or_default()).is_ok() && (-5..=60).contains(&age)
}

/// Customers who may be written to put something in their baskets.
fn fill_baskets(installation: &Installation, customers: &[&str]) {
    let at = now();
    installation.produce(
        "profile",
        customers.iter().map(|name| {
            json!({"type": "identify", "userId": name, "timestamp": at - 1000,
        "traits": { "email": format!("{name}@example.com"), "consent": { "email": true } } })
        }),
    );
    installation.produce(
        "cart",
        customers.iter().map(|name| {
            json!({"event": "Product Added", "userId": name, "messageId": unique("added"), "timestamp": at,
                "properties": { "product_id": "teapot", "price": 10, "quantity": 1 } })
        }),
    );
}

/// Two have a message, and Ana's is as it should be: she is given it.
fn hers_is_right(messages: &[Value]) -> &Value {
    let mut to: Vec<&str> = messages
        .iter()
        .filter_map(|message| message["to"][0].as_str())
        .collect();
    to.sort_unstable();
    assert_eq!(to, ["ana@example.com", "busy@example.com"]);
    let hers = messages
        .iter()
        .find(|message| message["to"][0] == "ana@example.com")
        .expect("hers");
    assert_eq!(hers["subject"], "Still yours, ana");
    assert_eq!(hers["from"], "Shop <shop@example.com>");
    assert_eq!(
        hers["parts"],
        json!({"text/plain": "teapot", "text/html": "<p>teapot</p>"})
    );
    assert_eq!(hers["encrypted"], true);
    hers
}

#[test]
fn messages_arrive_by_mail_once_and_what_came_of_them_is_known() {
    let Some(broker) = KafkaBroker::shared() else {
        return;
    };
    let ca = tempfile::NamedTempFile::new().expect("a file");
    let ca = ca.path().display().to_string();
    let login = [
        "--certificate-to",
        &ca,
        "--user",
        "shop",
        "--password",
        "hunter2",
    ];
    let Some(mail) = Mail::start(&login) else {
        return;
    };
    let welcome = "trigger: welcome\nmoment: { event: Product Added }\n\
         treatments: [{ channel: email, template: reminder, data: { products: profile.basket.products } }]\n\
         goal: { event: Order Completed, within: 1d }\n";
    let channel = smtp(
        &mail,
        &format!("ca_file = \"{ca}\"\nuser = \"shop\"\npassword = \"hunter2\""),
    );
    let sending = Sending::new(broker, &channel, &[("welcome", welcome)]);
    let installation = &sending.installation;
    installation.create_topics();
    let member = installation.start();
    member.wait_until_ready();
    let customers = ["ana", "nobody", "filtered", "busy"];
    fill_baskets(installation, &customers);
    let commands = installation.wait_for("treatments.email", customers.len());
    assert_eq!(commands.len(), customers.len());

    let mut sender = sending.start();
    let reported = sending.wait_for_reports(3);
    let events: Vec<&str> = reported.iter().map(|(event, _)| event.as_str()).collect();
    assert_eq!(
        events,
        ["Email Bounced", "Email Delivered", "Email Delivered"]
    );
    let messages = mail.messages();
    let hers = hers_is_right(&messages);
    let ids: BTreeSet<_> = reported.iter().map(|(_, id)| id.as_str()).collect();
    assert!(ids.contains(hers["id"].as_str().expect("an id")));
    let said = sender.output();
    assert!(
        said.contains("554") && !said.contains("@example.com") && !said.contains("hunter2"),
        "{said}"
    );

    // Nothing is sent again by one that starts anew, and what came of it is on her profile.
    assert!(sender.terminate(LIMIT).success());
    let again = sending.start();
    wait_until("the sender to begin", LIMIT, || {
        again.output().contains("assigned")
    });
    sending.publish([command("email", 99, "ida")]);
    sending.wait_for_reports(4);
    assert_eq!(mail.messages().len(), 3);
    // Two in her partition say that time goes on.
    let theirs = moments::runtime::murmur2::partition(b"nobody", 2);
    let viewed = ["ben", "eva"].map(|name| {
        json!({"event": "Product Viewed", "timestamp": now() + 1,
        "userId": super::fault::events::of_partition(name, theirs, 2)})
    });
    installation.produce("clickstream", viewed);
    wait_until("the bounce on her profile", LIMIT, || {
        let profile = member.get("/customers/nobody").map(|(_, body)| body);
        let profile: Value = serde_json::from_str(&profile.unwrap_or_default()).unwrap_or_default();
        profile["profile"]["bounced"] == json!(["email"])
    });
    wait_until("it on the topic of reports", LIMIT, || {
        warehouse(installation) == (customers.len() as u64, 1)
    });
}

/// What the topic of reports says was treated and bounced, of all triggers and partitions.
fn warehouse(installation: &Installation) -> (u64, u64) {
    let mut rows = std::collections::BTreeMap::new();
    for record in installation.read("reports") {
        let row: Value = serde_json::from_str(&record.text()).expect("a row");
        rows.insert(record.key_text(), row);
    }
    let whole = rows.values().filter(|row| row["treatment"].is_null());
    whole.fold((0, 0), |(treated, bounced), row| {
        let count = |value: &Value| value.as_u64().unwrap_or_default();
        (
            treated + count(&row["treated"]),
            bounced + count(&row["reactions"]["bounced"]),
        )
    })
}

#[test]
fn hooks_are_signed_and_tried_again_until_they_take_it_or_never_will() {
    let Some(broker) = KafkaBroker::shared() else {
        return;
    };
    let answers = Hook::start(|told, before| match (told.id(), before) {
        (first, 0) if first == id(1) => Does::Answers(503, "Retry-After: 2\r\n"),
        (busy, 0) if busy == id(2) => Does::Answers(429, ""),
        (wrong, _) if wrong == id(3) => Does::Answers(400, ""),
        (hangs, 0) if hangs == id(4) => Does::Hangs,
        (stuck, _) if stuck == id(5) => Does::Answers(500, "Retry-After: 1\r\n"),
        _ => Does::Answers(200, ""),
    });
    let sending = Sending::new(broker, &hook("push", &answers, "1s"), &[]);
    sending.create(&["push"]);
    let mut commands: Vec<Value> = (1..=8)
        .map(|number| command("push", number, "ana"))
        .collect();
    commands[5]["valid_until"] = Timestamp(now() - 1_000).to_string().into();
    commands[6]["template"] = "written-elsewhere".into();
    // Taken back before it was read, and while it is tried again.
    let withdrawal = |of: u128| json!({"type": "withdrawal", "id": Uuid::from_u128(100 + of), "withdraws": Uuid::from_u128(of), "customer": "ana", "channel": "push"});
    commands.push(withdrawal(8));
    sending.publish(commands);
    let mut sender = Member::new(unique("send"), sending.start());
    let delivered = |number| ("Push Notification Received".to_owned(), id(number));
    let reported = sending.wait_for_reports(4);
    assert_eq!(reported, [1, 2, 4, 7].map(delivered));
    wait_until("one that is stuck to be tried again", LIMIT, || {
        answers.counts()[&id(5)] > 1
    });
    sending.publish([withdrawal(5)]);
    wait_until("it to be taken back", LIMIT, || {
        sender.process.output().matches("end=\"withdrawn\"").count() == 2
    });
    let counts = answers.counts();
    let count = |number| counts.get(&id(number)).copied().unwrap_or_default();
    assert_eq!([1, 2, 3, 4, 6, 7, 8].map(count), [2, 2, 1, 2, 0, 1, 0]);
    for told in answers.told() {
        assert!(is_signed(&told), "{told:?}");
        assert_eq!(told.headers["idempotency-key"], told.id());
        let body: Value = serde_json::from_slice(&told.body).expect("JSON");
        assert_eq!(body["command"]["id"], told.id());
        let subject = (told.id() != id(7)).then_some("Still yours, ana");
        assert_eq!(body["message"]["subject"].as_str(), subject);
    }
    let (_, metrics) = sender.get("/metrics").expect("an answer");
    for line in [
        "moments_send_ended_total{channel=\"push\",end=\"delivered\"} 4",
        "moments_send_ended_total{channel=\"push\",end=\"withdrawn\"} 2",
        "moments_send_partitions{channel=\"push\"} 2",
        "moments_send_open{channel=\"push\"} 0",
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
    assert_eq!(
        sender.get("/health/live").map(|(status, _)| status),
        Some(200)
    );
    assert!(sender.process.terminate(LIMIT).success());
    let said = sender.process.output();
    for word in ["refused", "expired"] {
        assert!(said.contains(&format!("end=\"{word}\"")), "{word}: {said}");
    }
    assert_eq!(sending.reported().len(), 4);
}

#[test]
fn a_receiver_that_hangs_holds_up_no_other_channel_and_loses_nothing() {
    let Some(broker) = KafkaBroker::shared() else {
        return;
    };
    let hangs = Hook::start(|_, before| match before {
        0 => Does::Hangs,
        _ => Does::Answers(200, ""),
    });
    let takes = Hook::start(|_, _| Does::Answers(200, ""));
    let channels = hook("push", &hangs, "5s") + &hook("email", &takes, "5s");
    let sending = Sending::new(broker, &channels, &[]);
    sending.create(&["push", "email"]);
    sending.publish((1..=4).map(|number| command("push", number, "ana")));
    let mut sender = sending.start();
    wait_until("all threads of a channel to hang", LIMIT, || {
        hangs.told().len() == PARALLEL
    });
    sending.publish((11..=20).map(|number| command("email", number, "ana")));
    wait_until("the other channel", LIMIT, || takes.told().len() == 10);
    assert_eq!(hangs.told().len(), PARALLEL, "they still hang");
    // A stop waits for what is under way, and the rest is for the next.
    assert!(sender.terminate(LIMIT).success());
    let _next = sending.start();
    let reported = sending.wait_for_reports(14);
    let ids: BTreeSet<_> = reported.iter().map(|(_, id)| id.clone()).collect();
    assert_eq!(ids.len(), 14);
    assert!(takes.counts().values().all(|count| *count == 1));
}

#[test]
fn a_sender_that_is_killed_repeats_no_more_than_was_under_way() {
    let Some(broker) = KafkaBroker::shared() else {
        return;
    };
    // The first is not taken for as long as the test runs: what stands behind it is done all the same, and not done again.
    let counts = Hook::start(|told, _| match told.id() {
        stuck if stuck == id(1) => Does::Answers(503, "Retry-After: 600\r\n"),
        _ => Does::Answers(200, ""),
    });
    let sending = Sending::new(broker, &hook("push", &counts, "5s"), &[]);
    sending.create(&["push"]);
    let customers = ["ana", "ben", "eva", "ida"];
    let all = 120;
    sending
        .publish((1..=all).map(|number| command("push", number, customers[(number % 4) as usize])));
    for kills in 1..=3 {
        let mut sender = sending.start();
        let enough = 30 * kills;
        wait_until(&format!("{enough} of them"), LIMIT, || {
            counts.counts().len() >= enough
        });
        sender.kill9();
    }
    let mut sender = sending.start();
    let done = usize::try_from(all).expect("a few") - 1;
    let reported = sending.wait_for_reports(done);
    assert!(sender.terminate(Duration::from_secs(40)).success());
    assert_eq!(reported.len(), done, "each is reported once");
    let ids: BTreeSet<_> = reported.iter().map(|(_, id)| id).collect();
    assert_eq!(ids.len(), done);
    let mut told = counts.counts();
    told.remove(&id(1));
    assert_eq!(told.len(), done, "none is missing");
    let repeated: usize = told.values().map(|count| count - 1).sum();
    assert!(
        repeated <= 3 * PARALLEL,
        "{repeated} were told again after three kills"
    );

    // One more, that ends as it should, and the next repeats nothing.
    let before = counts.told().len();
    let mut last = sending.start();
    sending.publish([command("push", 500, "ana")]);
    sending.wait_for_reports(done + 1);
    assert!(last.terminate(LIMIT).success());
    let after: Vec<String> = counts.told()[before..]
        .iter()
        .map(|told| told.id().to_owned())
        .collect();
    let expected = BTreeSet::from([id(1), id(500)]);
    assert_eq!(after.into_iter().collect::<BTreeSet<_>>(), expected);
}

#[test]
fn two_senders_share_a_channel() {
    let Some(broker) = KafkaBroker::shared() else {
        return;
    };
    let takes = Hook::start(|_, _| Does::Answers(200, ""));
    let sending = Sending::new(broker, &hook("push", &takes, "5s"), &[]);
    sending.create(&["push"]);
    let of_both = |from: u128, to: u128| {
        let customers = ["ana", "ben", "eva", "ida"];
        (from..=to).map(move |number| command("push", number, customers[(number % 4) as usize]))
    };
    let mut first = sending.start();
    sending.publish(of_both(1, 8));
    sending.wait_for_reports(8);
    let second = sending.start();
    wait_until("each to have a partition", LIMIT, || {
        let has = |process: &ProcessGuard, partitions: &str| {
            let output = process.output();
            let last = output.lines().rfind(|line| line.contains("assigned"));
            last.is_some_and(|line| line.contains(partitions))
        };
        has(&second, "[0]") && has(&first, "[1]") || has(&second, "[1]") && has(&first, "[0]")
    });
    sending.publish(of_both(9, 16));
    sending.wait_for_reports(16);
    assert!(first.terminate(LIMIT).success());
    sending.publish(of_both(17, 24));
    assert_eq!(sending.wait_for_reports(24).len(), 24);
    assert!(
        takes.counts().values().all(|count| *count == 1),
        "{:?}",
        takes.counts()
    );
}
