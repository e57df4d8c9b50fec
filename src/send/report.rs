//! What is reported of commands: the events of senders that the vocabulary knows.

use serde_json::{Value, json};
use uuid::Uuid;

use super::book::{End, Ended};
use crate::config::Config;
use crate::config::topics::InputKind;
use crate::profile::Address;
use crate::time::Timestamp;

/// Where the outcomes of a channel go, and as what.
#[derive(Clone, Debug)]
pub(super) struct Reports {
    topic: String,
    delivered: &'static str,
    bounced: &'static str,
}

/// A record of the topic of outcomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Report {
    /// The topic.
    pub topic: String,
    /// The customer.
    pub key: String,
    /// The event.
    pub value: Vec<u8>,
}

impl Reports {
    /// Those of a channel; none where there is no topic of outcomes, or no event says what came of such messages.
    pub fn of(config: &Config, channel: &str) -> Option<Self> {
        let outcomes = config.topics.input(InputKind::Outcomes)?;
        let (delivered, bounced) = match config.policy.addresses.of(channel)? {
            Address::Email => ("Email Delivered", "Email Bounced"),
            Address::PushToken => ("Push Notification Received", "Push Notification Bounced"),
            Address::Phone | Address::Postal => return None,
        };
        Some(Self {
            topic: outcomes.name,
            delivered,
            bounced,
        })
    }

    /// The report of one that ended, if there is anything to report. Its message id is derived: told twice, it counts once.
    pub fn report(&self, ended: &Ended, now: Timestamp) -> Option<Report> {
        let command = ended.command.as_ref()?;
        let event = match ended.end {
            End::Delivered => self.delivered,
            End::Bounced => self.bounced,
            End::Refused | End::Expired | End::GivenUp | End::Withdrawn | End::Unreadable => {
                return None;
            }
        };
        let about = (
            command.customer.as_str(),
            command.id,
            command.trigger.as_str(),
        );
        let value = self::event(event, &format!("{event} {}", command.id), about, now);
        Some(Report {
            topic: self.topic.clone(),
            key: command.customer.clone(),
            value: crate::treatment::json(&value),
        })
    }
}

/// An event of this name and message id about a command of a customer's, by a trigger.
pub(crate) fn event(
    name: &str,
    message: &str,
    (customer, id, trigger): (&str, Uuid, &str),
    now: Timestamp,
) -> Value {
    json!({
        "type": "track",
        "event": name,
        // Whoever is known stays so, and nobody becomes it by our writing to her.
        "anonymousId": customer,
        "messageId": message,
        "timestamp": now.to_string(),
        "properties": { "treatment_id": id, "campaign_id": trigger },
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use super::super::command::tests::command;
    use super::*;
    use crate::decode::Decoder;
    use crate::event::record::Origin;
    use crate::event::{Event, Vocabulary};

    /// A report as the engine takes it in.
    fn event(end: End) -> Event {
        let reports = Reports::of(&Config::default(), "email").expect("a topic");
        let ended = Ended {
            command: Some(Arc::new(command(7))),
            end,
            why: String::new(),
        };
        let now = Timestamp::parse("2026-03-02T10:00:00Z").unwrap();
        let report = reports.report(&ended, now).expect("a report");
        assert_eq!(
            (report.topic.as_str(), report.key.as_str()),
            ("outcomes", "ana")
        );
        let decoder = Decoder::new(Arc::new(Vocabulary::standard()), Arc::new(BTreeMap::new()));
        let decoded = decoder.decode(&report.value, &Origin::default()).unwrap();
        assert_eq!(decoded.defects, []);
        decoded.event
    }

    #[test]
    fn a_report_is_of_the_customer_and_makes_nobody_known() {
        for end in [End::Delivered, End::Bounced] {
            let event = event(end);
            assert_eq!((event.customer.as_str(), event.known), ("ana", false));
            assert!(event.formers.is_empty());
        }
    }
}
