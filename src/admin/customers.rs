//! Erasure and consent from outside: events like any other, on the topic of identify calls.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use uuid::Uuid;

use super::producing::Outgoing;
use super::{AdminError, Log, Sender};
use crate::config::{Config, InputKind};
use crate::decode::TIME_MIN;
use crate::event::limits;
use crate::runtime::clock;
use crate::time::Timestamp;
use crate::treatment::is_channel;

/// How often the group is asked how far it is.
const ASK_PAUSE: Duration = Duration::from_millis(100);

/// What is to be said of a customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// She is to be removed.
    Erased,
    /// She gives consent for a channel, or takes it back.
    Consent {
        /// The channel.
        channel: String,
        /// Given, or taken back.
        given: bool,
    },
}

/// Who.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Customer {
    /// Her `userId`, or `anonymousId`.
    pub id: String,
    /// Whether it is an `anonymousId`.
    pub anonymous: bool,
}

/// An event on its topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The topic.
    pub topic: String,
    /// Its partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
}

/// Sends what is said of a customer as of `at`; where the event stands.
///
/// # Errors
/// Where the id, the channel or the time cannot be one, no topic takes such an event, or Kafka does not.
pub fn say(
    config: &Config,
    sender: &Sender,
    customer: &Customer,
    said: &Said,
    at: Timestamp,
) -> Result<Placed, AdminError> {
    check(&customer.id)?;
    if let Said::Consent { channel, .. } = said
        && (channel.is_empty() || !is_channel(channel))
    {
        return Err(AdminError::Refused(format!(
            "{channel:?} is no channel; expected one as triggers write it, in lower-case letters, digits, `-` and `_`, such as email"
        )));
    }
    check_time(config, at)?;
    let topic = topic(config)?;
    let record = Outgoing {
        topic: topic.clone(),
        key: Some(customer.id.clone().into_bytes()),
        value: Some(event(customer, said, at).to_string().into_bytes()),
        ..Outgoing::default()
    };
    let (partition, offset) = sender.send(&record)?;
    Ok(Placed {
        topic,
        partition,
        offset,
    })
}

/// Waits until the processor has committed an event; whether it did within `limit`.
///
/// # Errors
/// Where Kafka does not answer.
pub fn wait(log: &Log, placed: &Placed, limit: Duration) -> Result<bool, AdminError> {
    let start = Instant::now();
    loop {
        let committed = log.committed(&placed.topic, placed.partition)?;
        if committed.is_some_and(|offset| offset > placed.offset) {
            return Ok(true);
        }
        if start.elapsed() >= limit {
            return Ok(false);
        }
        std::thread::park_timeout(ASK_PAUSE);
    }
}

/// The topic of identify calls, or where there is none the first that comes in; none whose records are read by a mapping.
fn topic(config: &Config) -> Result<String, AdminError> {
    let foreign: Vec<String> = config.topics.mappings().map(|(name, _)| name).collect();
    let mut inputs = config.topics.inputs();
    inputs.retain(|input| !foreign.contains(&input.name));
    let profile = inputs.iter().find(|input| input.kind == InputKind::Profile);
    let chosen = profile.or(inputs.first());
    chosen.map(|input| input.name.clone()).ok_or_else(|| {
        AdminError::Refused(
            "every topic that comes in is read by a mapping, which would not know this event; let one have none".to_owned(),
        )
    })
}

/// What lies in the future would be dropped or would drop what she does from now on.
fn check_time(config: &Config, at: Timestamp) -> Result<(), AdminError> {
    let now = config.time.mode().reading(clock()).unwrap_or_else(clock);
    let latest = now.plus(config.time.future_tolerance_ms());
    if at < TIME_MIN || at > latest {
        return Err(AdminError::Refused(format!(
            "{at} is no time at which it happened; expected one from {TIME_MIN} to {latest}"
        )));
    }
    Ok(())
}

fn check(id: &str) -> Result<(), AdminError> {
    if id.is_empty() || id.len() > limits::ID_BYTES || id.chars().any(char::is_control) {
        return Err(AdminError::Refused(format!(
            "{id:?} is no customer's id; expected 1 to {} bytes without control characters",
            limits::ID_BYTES
        )));
    }
    Ok(())
}

fn event(customer: &Customer, said: &Said, at: Timestamp) -> Value {
    let (what, mut event) = match said {
        Said::Erased => (
            "erased".to_owned(),
            json!({"type": "track", "event": "Customer Erased"}),
        ),
        Said::Consent { channel, given } => (
            format!("consent {channel} {given}"),
            json!({"type": "identify", "traits": {"consent": {channel: given}}}),
        ),
    };
    let id = if customer.anonymous {
        "anonymousId"
    } else {
        "userId"
    };
    let name = format!("{} {what} {at}", customer.id);
    event[id] = json!(customer.id);
    event["timestamp"] = json!(at.to_string());
    event["messageId"] = json!(Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()).to_string());
    event
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::decode::Decoder;
    use crate::event::record::Origin;
    use crate::event::{EventName, Vocabulary};

    #[test]
    fn what_is_said_is_an_event() {
        let decoder = Decoder::new(Arc::new(Vocabulary::standard()), Arc::default());
        let at = Timestamp(1_772_445_600_000);
        let customer = |anonymous| Customer {
            id: "ana".to_owned(),
            anonymous,
        };
        let decoded = |said: &Said, anonymous| {
            let text = event(&customer(anonymous), said, at).to_string();
            let decoded = decoder.decode(text.as_bytes(), &Origin::default()).unwrap();
            assert_eq!(decoded.defects, []);
            decoded.event
        };
        let erased = decoded(&Said::Erased, false);
        assert_eq!(
            (
                erased.name,
                erased.customer.as_str(),
                erased.time,
                erased.known
            ),
            (EventName::CUSTOMER_ERASED, "ana", at, true)
        );
        let withdrawn = Said::Consent {
            channel: "email".to_owned(),
            given: false,
        };
        let withdrawn = decoded(&withdrawn, true);
        assert_eq!(withdrawn.consent_said("email"), Some(false));
        assert!(!withdrawn.known);
        assert_ne!(withdrawn.id, erased.id);
        for id in ["", "a\nb", &"a".repeat(257)] {
            assert!(check(id).is_err(), "{id}");
        }
    }

    #[test]
    fn it_goes_where_it_is_understood() {
        let mut config = Config::default();
        assert_eq!(topic(&config).unwrap(), "profile");
        config.topics.profile.mapping = "shop.yaml".into();
        assert_eq!(topic(&config).unwrap(), "cart");
        let topics = &mut config.topics;
        for source in [
            &mut topics.cart,
            &mut topics.clickstream,
            &mut topics.outcomes,
            &mut topics.purchase,
            &mut topics.support,
        ] {
            source.mapping = "shop.yaml".into();
        }
        assert!(matches!(topic(&config), Err(AdminError::Refused(_))));
    }

    #[test]
    fn nothing_is_said_of_the_future_or_of_before_clocks_were_set() {
        let config = Config::default();
        let now = clock();
        for (at, fits) in [
            (now, true),
            (now.plus(60_000), true),
            (now.plus(3_600_000), false),
            (TIME_MIN, true),
            (TIME_MIN.plus(-1), false),
        ] {
            assert_eq!(check_time(&config, at).is_ok(), fits, "{at}");
        }
    }
}
