//! A record of a channel's topic, as a sender takes it: a command to carry out, or one that takes another back.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use crate::time::Timestamp;

/// What a record says.
#[derive(Clone, Debug, PartialEq)]
pub enum Received {
    /// A command to carry out.
    Treatment(Box<Command>),
    /// The command of this id is not carried out any more.
    Withdrawal(Uuid),
}

/// A command to carry out.
#[derive(Clone, Debug, PartialEq)]
pub struct Command {
    /// Its id, by which a receiver knows it again.
    pub id: Uuid,
    /// Whose it is.
    pub customer: String,
    /// The trigger that decided it.
    pub trigger: String,
    /// The channel.
    pub channel: String,
    /// The template.
    pub template: String,
    /// Not before.
    pub good_from: Timestamp,
    /// Not after.
    pub valid_until: Timestamp,
    /// Where she is reached, as far as consent allows, by what it is: `email`, `phone`, `push_token`, `postal`.
    pub addresses: BTreeMap<String, String>,
    /// All of it, as it stands on the topic: what templates see, and web hooks are told.
    pub whole: Value,
}

/// Why a record is neither.
#[derive(Debug, thiserror::Error)]
#[error("no command: {0}; expected what docs/treatments.md says, in JSON")]
pub struct NoCommand(String);

#[derive(Deserialize)]
struct Fields {
    id: Uuid,
    customer: String,
    trigger: String,
    channel: String,
    template: String,
    good_from: String,
    valid_until: String,
    #[serde(default)]
    addresses: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct TakenBack {
    withdraws: Uuid,
}

impl Received {
    /// Reads a record's value: a command or withdrawal, by itself, as the data of a structured CloudEvent, or as the `treatment` of a
    /// decision.
    ///
    /// # Errors
    /// Where it is none.
    pub fn read(value: &[u8]) -> Result<Self, NoCommand> {
        let mut whole: Value = read(value)?;
        let envelope = if whole.get("specversion").is_some() {
            Some("data")
        } else if whole.get("decision").is_some() {
            Some("treatment")
        } else {
            None
        };
        if let Some(inner) = envelope.and_then(|name| whole.get_mut(name)) {
            whole = inner.take();
        }
        if whole.get("type").and_then(Value::as_str) == Some("withdrawal") {
            let back = TakenBack::deserialize(&whole).map_err(no_command)?;
            return Ok(Self::Withdrawal(back.withdraws));
        }
        let fields = Fields::deserialize(&whole).map_err(no_command)?;
        let instant = |name: &str, text: &str| {
            let wrong = || NoCommand(format!("`{name}` is `{text}`, which is no time"));
            Timestamp::parse(text).ok_or_else(wrong)
        };
        Ok(Self::Treatment(Box::new(Command {
            id: fields.id,
            good_from: instant("good_from", &fields.good_from)?,
            valid_until: instant("valid_until", &fields.valid_until)?,
            customer: fields.customer,
            trigger: fields.trigger,
            channel: fields.channel,
            template: fields.template,
            addresses: fields.addresses,
            whole,
        })))
    }
}

fn read(value: &[u8]) -> Result<Value, NoCommand> {
    serde_json::from_slice(value).map_err(no_command)
}

fn no_command(error: impl std::fmt::Display) -> NoCommand {
    NoCommand(error.to_string())
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;

    /// A command of this number, by e-mail.
    pub(in crate::send) fn command(number: u128) -> Command {
        let id = Uuid::from_u128(number);
        let whole = json!({
            "type": "treatment", "id": id, "customer": "ana", "trigger": "basket", "channel": "email", "template": "reminder",
            "offer": {}, "data": { "products": ["teapot"], "value": 59.9 }, "good_from": "2026-03-02T10:00:00.000Z",
            "valid_until": "2026-03-04T10:00:00.000Z", "addresses": { "email": "ana@example.com" },
        });
        match Received::read(whole.to_string().as_bytes()) {
            Ok(Received::Treatment(command)) => *command,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn commands_and_withdrawals_are_read() {
        let plain = command(7);
        assert_eq!(plain.id, Uuid::from_u128(7));
        assert_eq!(plain.addresses["email"], "ana@example.com");
        let enveloped = [
            json!({ "specversion": "1.0", "type": "a.b", "data": plain.whole }),
            json!({ "decision": "treat", "treatment": plain.whole }),
        ];
        for value in enveloped {
            let read = Received::read(value.to_string().as_bytes()).unwrap();
            assert_eq!(read, Received::Treatment(Box::new(plain.clone())));
        }
        let withdrawal =
            json!({ "type": "withdrawal", "id": Uuid::from_u128(8), "withdraws": plain.id });
        let read = Received::read(withdrawal.to_string().as_bytes()).unwrap();
        assert_eq!(read, Received::Withdrawal(plain.id));
    }

    #[test]
    fn what_is_none_is_said() {
        let mut wrong = command(7).whole;
        wrong["valid_until"] = json!("soon");
        for (value, said) in [
            ("\u{0}avro".to_owned(), "in JSON"),
            ("{}".to_owned(), "missing field `id`"),
            (wrong.to_string(), "`valid_until` is `soon`"),
        ] {
            let error = Received::read(value.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
