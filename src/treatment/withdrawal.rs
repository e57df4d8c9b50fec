//! A treatment is taken back: the command that tells its sender so.

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};
use uuid::Uuid;

use super::{Decision, Hyphenated, NAMESPACE, Shown};
use crate::event::Text;

/// A command that takes another back, so that a sender that has not sent yet can stop.
#[derive(Clone, Debug, PartialEq)]
pub struct Withdrawal {
    /// Derived from the id that is taken back: UUID version 5.
    pub id: Uuid,
    /// The id of the command that is taken back.
    pub withdraws: Uuid,
    /// Topic `treatments.<channel>`: that of the command.
    pub channel: Text,
    /// Why.
    pub reason: Undone,
    /// W3C trace context, derived from the id.
    pub traceparent: Text,
}

/// Why a moment, or its treatment, holds no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Undone {
    /// An event that came too late proves the moment wrong.
    LateEvent,
    /// When the event of the moment settled, history said otherwise.
    SettledOtherwise,
    /// She took back her consent to the channel.
    NoConsent,
    /// She was erased.
    Erased,
}

impl Undone {
    /// Every reason.
    pub const ALL: [Self; 4] = [
        Self::LateEvent,
        Self::SettledOtherwise,
        Self::NoConsent,
        Self::Erased,
    ];

    /// The word for it in withdrawals, metrics and scenarios.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::LateEvent => "late_event",
            Self::SettledOtherwise => "settled_otherwise",
            Self::NoConsent => "no_consent",
            Self::Erased => "erased",
        }
    }
}

impl Withdrawal {
    /// Takes a command back that went to a channel.
    #[must_use]
    pub fn of(withdraws: Uuid, channel: Text, reason: Undone) -> Self {
        let id = Uuid::new_v5(&NAMESPACE, format!("withdrawal:{withdraws}").as_bytes());
        Self {
            id,
            withdraws,
            channel,
            reason,
            traceparent: super::traceparent(id, None),
        }
    }
}

/// A withdrawal with what it shares with its decision.
pub struct WithdrawalOf<'a> {
    /// The decision.
    pub decision: &'a Decision,
    /// Its withdrawal.
    pub withdrawal: &'a Withdrawal,
}

impl Serialize for WithdrawalOf<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self {
            decision,
            withdrawal,
        } = self;
        let mut object = serializer.serialize_struct("Withdrawal", 12)?;
        object.serialize_field("type", "withdrawal")?;
        object.serialize_field("id", &Hyphenated(withdrawal.id))?;
        object.serialize_field("withdraws", &Hyphenated(withdrawal.withdraws))?;
        object.serialize_field("customer", &decision.customer)?;
        object.serialize_field("trigger", &decision.trigger)?;
        object.serialize_field("generation", &decision.generation)?;
        object.serialize_field("occurrence", &decision.occurrence)?;
        object.serialize_field("channel", &withdrawal.channel)?;
        object.serialize_field("reason", withdrawal.reason.word())?;
        object.serialize_field("moment_at", &Shown(decision.moment_at))?;
        object.serialize_field("decided_at", &Shown(decision.decided_at))?;
        object.serialize_field("evidence", &decision.evidence)?;
        object.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::treatment::command_id;

    #[test]
    fn a_command_is_taken_back_by_one_id() {
        let command = command_id("abandoned-cart", 1, "ana", "o");
        let withdrawal = Withdrawal::of(command, "email".into(), Undone::LateEvent);
        let again = Withdrawal::of(command, "email".into(), Undone::Erased);
        assert_eq!(withdrawal.id, again.id);
        assert_ne!(withdrawal.id, command);
        assert_eq!(withdrawal.id.get_version_num(), 5);
    }
}
