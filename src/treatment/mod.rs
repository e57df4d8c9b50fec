//! What should be done now, for this customer, on this channel, with this offer: the command that a
//! campaign tool carries out, the one that takes it back, and the decision that is recorded of every moment.
//!
//! Ids are derived, never random: the same moment gives the same id on every machine, at any restart.

mod channel;
pub mod choice;
pub mod code;
mod reason;
mod trace;
mod withdrawal;

use std::borrow::Cow;

use serde::ser::{SerializeMap, SerializeStruct};
use serde::{Serialize, Serializer};
use uuid::Uuid;

use crate::event::{CustomerId, Text};
use crate::moment::{EventRef, Evidence};
use crate::profile::Address;
use crate::profile::identity::Addresses;
use crate::time::Timestamp;

pub use channel::{CHANNEL_BYTES, is_channel};
pub use reason::Reason;
pub use trace::TraceContext;
pub use withdrawal::{Undone, Withdrawal, WithdrawalOf};

/// Namespace of command ids (itself version 5, of the name `moments` in the namespace of URLs).
const NAMESPACE: Uuid = Uuid::from_u128(0x6d6f_6d65_6e74_5753_8a2d_7472_6561_746d);

/// A treatment command.
#[derive(Clone, Debug, PartialEq)]
pub struct Command {
    /// Derived from (trigger, generation, customer, occurrence): UUID version 5.
    pub id: Uuid,
    /// Topic `treatments.<channel>`.
    pub channel: Text,
    /// The campaign tool's template.
    pub template: Text,
    /// The offer, filled.
    pub offer: Fields,
    /// Data for the template, filled.
    pub data: Fields,
    /// Not before.
    pub good_from: Timestamp,
    /// Not after.
    pub valid_until: Timestamp,
    /// Where she can be reached, as far as consent allows: (name, address).
    pub addresses: Fields,
    /// W3C trace context, of the event that caused it or derived from the id.
    pub traceparent: Text,
}

impl Command {
    /// The code of its offer, if it has one.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        let mut fields = self.offer.0.iter();
        let (_, code) = fields.find(|(name, _)| name == code::FIELD)?;
        code.as_str()
    }
}

/// Named values in the order their author wrote them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fields(pub Vec<(Text, serde_json::Value)>);

/// What was decided of one moment; or, of one that was treated, that the treatment is taken back.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// Whose moment.
    pub customer: CustomerId,
    /// Of which trigger.
    pub trigger: Text,
    /// And which generation of it.
    pub generation: u32,
    /// What makes this moment this one.
    pub occurrence: Text,
    /// When it came true.
    pub moment_at: Timestamp,
    /// As of when it was asked, in event time: that, or when its hold ended, or when it was undone. Moments are asked in this order;
    /// it is not told.
    pub asked_at: Timestamp,
    /// When it was decided: the later of that and now.
    pub decided_at: Timestamp,
    /// To treat, or not.
    pub outcome: Outcome,
    /// What made it true; of a withdrawal the event that undid it.
    pub evidence: Evidence,
    /// Digest of the triggers and policy that decided.
    pub revision: Text,
    /// The segments that she was in, the first by name: what reports are by; it is not told.
    pub segments: Vec<Text>,
}

/// To treat, or not.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// With this command.
    Treat(Box<Command>),
    /// For this reason; in shadow with the command that would have been sent.
    Refuse(Reason, Option<Box<Command>>),
    /// It was treated, and that is taken back.
    Withdraw(Box<Withdrawal>),
}

/// What goes to a channel.
#[derive(Clone, Copy, Debug)]
pub enum Order<'a> {
    /// A command to be carried out.
    Treatment(&'a Command),
    /// One not to be carried out any more.
    Withdrawal(&'a Withdrawal),
}

impl<'a> Order<'a> {
    /// What it is, as its `type` says.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Treatment(_) => "treatment",
            Self::Withdrawal(_) => "withdrawal",
        }
    }

    /// Its own id.
    #[must_use]
    pub fn id(self) -> Uuid {
        match self {
            Self::Treatment(command) => command.id,
            Self::Withdrawal(withdrawal) => withdrawal.id,
        }
    }

    /// Its channel.
    #[must_use]
    pub fn channel(self) -> &'a Text {
        match self {
            Self::Treatment(command) => &command.channel,
            Self::Withdrawal(withdrawal) => &withdrawal.channel,
        }
    }

    /// Its trace context.
    #[must_use]
    pub fn traceparent(self) -> &'a Text {
        match self {
            Self::Treatment(command) => &command.traceparent,
            Self::Withdrawal(withdrawal) => &withdrawal.traceparent,
        }
    }
}

/// The id of a command.
#[must_use]
pub fn command_id(trigger: &str, generation: u32, customer: &str, occurrence: &str) -> Uuid {
    // Lengths keep the parts apart, whatever is in them.
    let name = format!(
        "{}:{trigger}{generation}:{}:{customer}{}:{occurrence}",
        trigger.len(),
        customer.len(),
        occurrence.len()
    );
    Uuid::new_v5(&NAMESPACE, name.as_bytes())
}

/// The id of what is a customer's own beside her commands: of so much (`of`) under a name (`name`).
#[must_use]
pub fn own_id(of: &str, name: &str, customer: &str) -> Uuid {
    let name = format!("{of} {}:{name}{customer}", name.len());
    Uuid::new_v5(&NAMESPACE, name.as_bytes())
}

/// The trace context of a command: the trace of the event that caused it where there is one, recorded where that one is,
/// else a trace of its own; the span is derived from the command.
#[must_use]
pub fn traceparent(id: Uuid, cause: Option<&str>) -> Text {
    let (trace_id, span_id) = (id.as_u128(), id.as_u64_pair().1);
    let context = match cause.and_then(TraceContext::parse) {
        Some(cause) => TraceContext { span_id, ..cause },
        None => TraceContext {
            trace_id,
            span_id,
            flags: 1,
        },
    };
    compact_str::format_compact!("{context}")
}

/// Those of her addresses that may be used.
#[must_use]
pub fn addresses(known: &Addresses, allowed: impl Fn(Address) -> bool) -> Fields {
    let allowed = Address::ALL.into_iter().filter(|address| allowed(*address));
    let shown = |address: Address| {
        let known = known.get(address)?;
        Some((address.word().into(), known.as_str().into()))
    };
    Fields(allowed.filter_map(shown).collect())
}

impl Decision {
    /// The command, where one is to be sent.
    #[must_use]
    pub fn command(&self) -> Option<&Command> {
        match &self.outcome {
            Outcome::Treat(command) => Some(command),
            Outcome::Refuse(..) | Outcome::Withdraw(_) => None,
        }
    }

    /// What goes to a channel, where anything does.
    #[must_use]
    pub fn order(&self) -> Option<Order<'_>> {
        match &self.outcome {
            Outcome::Treat(command) => Some(Order::Treatment(command)),
            Outcome::Refuse(..) => None,
            Outcome::Withdraw(withdrawal) => Some(Order::Withdrawal(withdrawal)),
        }
    }

    /// The decision as one line of JSON, without a line end: the value on the decisions topic and the
    /// line that a rehearsal writes.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        json(self)
    }
}

/// What goes out, as JSON.
#[must_use]
pub fn json(value: &impl Serialize) -> Vec<u8> {
    #[expect(clippy::expect_used, reason = "keys are texts and memory grows")]
    let bytes = serde_json::to_vec(value).expect("every decision is JSON");
    bytes
}

impl Outcome {
    /// The word for it in decisions.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Treat(_) => "treat",
            Self::Refuse(..) => "refuse",
            Self::Withdraw(_) => "withdraw",
        }
    }

    /// Why it was not treated, or is taken back.
    #[must_use]
    pub fn reason(&self) -> Option<&'static str> {
        match self {
            Self::Treat(_) => None,
            Self::Refuse(reason, _) => Some(reason.word()),
            Self::Withdraw(withdrawal) => Some(withdrawal.reason.word()),
        }
    }
}

/// What a decision says that goes out, or would.
#[derive(Serialize)]
#[serde(untagged)]
enum Sent<'a> {
    Treatment(CommandOf<'a>),
    Withdrawal(WithdrawalOf<'a>),
}

/// A command with what it shares with its decision.
pub struct CommandOf<'a> {
    /// The decision.
    pub decision: &'a Decision,
    /// Its command.
    pub command: &'a Command,
}

impl Serialize for Decision {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let treatment = match &self.outcome {
            Outcome::Treat(command) | Outcome::Refuse(_, Some(command)) => {
                Some(Sent::Treatment(CommandOf {
                    decision: self,
                    command,
                }))
            }
            Outcome::Refuse(_, None) => None,
            Outcome::Withdraw(withdrawal) => Some(Sent::Withdrawal(WithdrawalOf {
                decision: self,
                withdrawal,
            })),
        };
        let mut line = serializer.serialize_struct("Decision", 11)?;
        line.serialize_field("customer", &self.customer)?;
        line.serialize_field("trigger", &self.trigger)?;
        line.serialize_field("generation", &self.generation)?;
        line.serialize_field("occurrence", &self.occurrence)?;
        line.serialize_field("moment_at", &Shown(self.moment_at))?;
        line.serialize_field("decided_at", &Shown(self.decided_at))?;
        line.serialize_field("decision", self.outcome.word())?;
        line.serialize_field("reason", &self.outcome.reason())?;
        line.serialize_field("treatment", &treatment)?;
        line.serialize_field("evidence", &self.evidence)?;
        line.serialize_field("revision", &self.revision)?;
        line.end()
    }
}

impl Serialize for CommandOf<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { decision, command } = self;
        let mut object = serializer.serialize_struct("Command", 16)?;
        object.serialize_field("type", "treatment")?;
        object.serialize_field("id", &Hyphenated(command.id))?;
        object.serialize_field("customer", &decision.customer)?;
        object.serialize_field("trigger", &decision.trigger)?;
        object.serialize_field("generation", &decision.generation)?;
        object.serialize_field("occurrence", &decision.occurrence)?;
        object.serialize_field("channel", &command.channel)?;
        object.serialize_field("template", &command.template)?;
        object.serialize_field("offer", &command.offer)?;
        object.serialize_field("data", &command.data)?;
        object.serialize_field("moment_at", &Shown(decision.moment_at))?;
        object.serialize_field("decided_at", &Shown(decision.decided_at))?;
        object.serialize_field("good_from", &Shown(command.good_from))?;
        object.serialize_field("valid_until", &Shown(command.valid_until))?;
        object.serialize_field("addresses", &command.addresses)?;
        object.serialize_field("evidence", &decision.evidence)?;
        object.end()
    }
}

impl Serialize for Fields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl Serialize for Evidence {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Evidence", 2)?;
        let events: Vec<_> = self.events.iter().map(ShownEvent).collect();
        object.serialize_field("events", &events)?;
        object.serialize_field("facts", &Pairs(&self.facts))?;
        object.end()
    }
}

struct Pairs<'a>(&'a [(Cow<'static, str>, serde_json::Value)]);

impl Serialize for Pairs<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

struct ShownEvent<'a>(&'a EventRef);

impl Serialize for ShownEvent<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Event", 2)?;
        object.serialize_field("id", &self.0.id)?;
        object.serialize_field("time", &Shown(self.0.time))?;
        object.end()
    }
}

/// An id as text.
struct Hyphenated(Uuid);

impl Serialize for Hyphenated {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.hyphenated().encode_lower(&mut Uuid::encode_buffer()))
    }
}

/// An instant as text.
struct Shown(Timestamp);

impl Serialize for Shown {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_the_moments_own() {
        let id = command_id("abandoned-cart", 1, "ana", "2026-03-02T10:00:00.000Z");
        assert_eq!(
            id,
            command_id("abandoned-cart", 1, "ana", "2026-03-02T10:00:00.000Z")
        );
        assert_eq!(id.get_version_num(), 5);
        for (trigger, generation, customer, occurrence) in [
            ("abandoned-cart", 2, "ana", "2026-03-02T10:00:00.000Z"),
            ("abandoned-carta", 1, "na", "2026-03-02T10:00:00.000Z"),
            ("abandoned-cart", 1, "an", "a2026-03-02T10:00:00.000Z"),
        ] {
            assert_ne!(id, command_id(trigger, generation, customer, occurrence));
        }
    }

    #[test]
    fn a_trace_goes_on_or_begins() {
        let id = command_id("t", 1, "c", "o");
        let begun = traceparent(id, None);
        assert_eq!(begun.len(), 55);
        assert!(begun.ends_with("-01"));
        let trace = "0af7651916cd43dd8448eb211c80319c";
        let on = traceparent(id, Some(&format!("00-{trace}-b7ad6b7169203331-00")));
        assert!(on.starts_with(&format!("00-{trace}-")));
        assert_eq!(on[36..52], begun[36..52]);
        assert!(on.ends_with("-00"), "what nobody records, nobody records");
        let hostile = format!("00-{}-b7ad6b7169203331-01", "\n".repeat(32));
        assert_eq!(traceparent(id, Some(&hostile)), begun);
    }
}
