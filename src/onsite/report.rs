//! What pages report of treatments, as events on the topic of outcomes.

use rdkafka::error::KafkaError;
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{
    BaseRecord, NoCustomPartitioner, Producer as _, ProducerContext, ThreadedProducer,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::board::Subject;
use crate::config::Config;
use crate::config::topics::InputKind;
use crate::runtime::{clients, tokens};
use crate::send::report::event;
use crate::time::Timestamp;

const VIEWED: &str = "In-App Message Viewed";
const CLICKED: &str = "In-App Message Clicked";
const DISMISSED: &str = "In-App Message Dismissed";
const ANSWERED: &str = "Question Answered";
/// In which the brokers have a record, or whoever reports is told that they have not, ms.
const WRITTEN_MS: &str = "5000";
/// What all three begin with.
const OURS: &[u8] = b"In-App Message ";

/// What a page reports of a treatment.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Report {
    /// It is shown, or asks whether it may be, by whoever calls itself so.
    Shown(String),
    /// Something in it was followed, and where to.
    Clicked(Option<String>),
    /// She wants it gone.
    Dismissed,
    /// She answered what it asked, each answer under the attribute that it is.
    Answered(Map<String, Value>),
}

impl Report {
    /// The word for it in addresses and metrics.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Shown(_) => "shown",
            Self::Clicked(_) => "clicked",
            Self::Dismissed => "dismissed",
            Self::Answered(_) => "answered",
        }
    }

    /// The words.
    pub const WORDS: [&str; 4] = ["shown", "clicked", "dismissed", "answered"];

    /// The events that say so. What can happen once has a message id that is derived, so that it counts once however often it is told.
    pub fn events(&self, id: Uuid, of: &Subject, now: Timestamp) -> Vec<Value> {
        let event = |name: &str, message: String, more: &[(&str, &str)]| {
            let about = (of.customer.as_str(), id, of.trigger.as_str());
            let mut event = event(name, &message, about, now);
            for (name, value) in more {
                event["properties"][*name] = (*value).into();
            }
            event
        };
        match self {
            Self::Shown(by) => {
                let mut event = event(VIEWED, format!("{VIEWED} {id}"), &[]);
                event["context"] = json!({ "device": { "id": by } });
                vec![event]
            }
            Self::Clicked(url) => {
                let url = url.as_deref().map(|url| ("link_url", url));
                let message = format!("{CLICKED} {id} {}", now.0);
                vec![event(CLICKED, message, url.as_slice())]
            }
            Self::Dismissed => vec![event(DISMISSED, format!("{DISMISSED} {id}"), &[])],
            Self::Answered(answers) => {
                let traits = json!({
                    "type": "identify",
                    "anonymousId": of.customer,
                    "messageId": format!("Identify {id}"),
                    "timestamp": now.to_string(),
                    "traits": answers,
                });
                let form = [("form_id", of.template.as_str())];
                let message = format!("Form Submitted {id}");
                let submitted = event("Form Submitted", message, &form);
                let answers = answers.iter().filter(|(name, _)| *name != "consent");
                let answers = answers.map(|(name, answer)| {
                    let said = [("question", name.as_str()), ("answer", &text(answer))];
                    event(ANSWERED, format!("{ANSWERED} {id} {name}"), &said)
                });
                let answers: Vec<Value> = answers.collect();
                [vec![traits], answers, vec![submitted]].concat()
            }
        }
    }
}

/// An answer as an event carries it: of several, with commas.
fn text(answer: &Value) -> String {
    match answer {
        Value::String(text) => text.clone(),
        Value::Array(all) => all.iter().map(text).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// What a record of the topic says of a treatment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// It was shown, by this one.
    Shown(Uuid, String),
    /// She wants it gone.
    Dismissed(Uuid),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    event: String,
    #[serde(default)]
    message_id: String,
    properties: Properties,
    #[serde(default)]
    context: Context,
}

#[derive(Deserialize)]
struct Properties {
    treatment_id: Uuid,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Context {
    device: Device,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Device {
    id: String,
}

/// Reads a record of the topic: of most there is nothing to be known here.
pub(super) fn told(value: &[u8]) -> Option<Told> {
    // Most are of other channels, and are not read whole.
    memchr::memmem::find(value, OURS)?;
    let event: Event = serde_json::from_slice(value).ok()?;
    let id = event.properties.treatment_id;
    match event.event.as_str() {
        VIEWED if event.context.device.id.is_empty() => Some(Told::Shown(id, event.message_id)),
        VIEWED => Some(Told::Shown(id, event.context.device.id)),
        DISMISSED => Some(Told::Dismissed(id)),
        _ => None,
    }
}

/// Writes to the topic of outcomes.
pub(super) struct Reporter {
    producer: ThreadedProducer<Deliveries>,
    topic: String,
}

/// Tells whoever waits for it that a record is there, or is not.
struct Deliveries;

clients::context!(Deliveries);

impl ProducerContext<NoCustomPartitioner> for Deliveries {
    type DeliveryOpaque = Box<oneshot::Sender<Result<(), KafkaError>>>;

    fn delivery(&self, delivered: &DeliveryResult<'_>, waits: Self::DeliveryOpaque) {
        let result = delivered.as_ref().map(drop);
        // Whoever asked may have gone.
        let _ = waits.send(result.map_err(|(error, _)| error.clone()));
    }
}

impl Reporter {
    pub fn new(config: &Config) -> Result<Self, KafkaError> {
        let mut client = clients::outside_producer(config);
        // Somebody waits in front of the page.
        client
            .set("linger.ms", "0")
            .set("message.timeout.ms", WRITTEN_MS);
        let producer: ThreadedProducer<Deliveries> = client.create_with_context(Deliveries)?;
        tokens::let_in(&client, producer.client())?;
        let outcomes = config.topics.input(InputKind::Outcomes);
        let topic = outcomes.map(|it| it.name).unwrap_or_default();
        Ok(Self { producer, topic })
    }

    /// The topic.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// Sends events of a customer; ready when the brokers have them.
    pub async fn send(&self, customer: &str, events: &[Value]) -> Result<(), KafkaError> {
        let mut waiting = Vec::with_capacity(events.len());
        for event in events {
            let value = crate::treatment::json(event);
            let (sender, receiver) = oneshot::channel();
            let record = BaseRecord::with_opaque_to(&self.topic, Box::new(sender));
            let record = record.key(customer.as_bytes()).payload(value.as_slice());
            self.producer.send(record).map_err(|(error, _)| error)?;
            waiting.push(receiver);
        }
        for delivered in waiting {
            // A producer that is gone delivers no more.
            delivered.await.unwrap_or(Err(KafkaError::Canceled))?;
        }
        Ok(())
    }
}
