//! What she agreed to, by channel.

use serde::{Deserialize, Serialize};

use super::limits;
use super::section::{Field, Local, Section, field};
use crate::event::{Event, EventName, PropertyId, Text, Type, UNSUBSCRIBED_CHANNEL};
use crate::stored::Stored;
use crate::time::Timestamp;
use crate::value::Value;

/// What a customer agreed to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consents {
    /// By channel, in the order in which she first said something of them.
    pub channels: Vec<Consent>,
}

/// Consent for one channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consent {
    /// The channel.
    pub channel: Text,
    /// Given or taken back.
    pub given: bool,
    /// When.
    pub at: Timestamp,
}

impl Consents {
    /// Consent for `channel` as she last said; `None` where she never said.
    #[must_use]
    pub fn given(&self, channel: &str) -> Option<bool> {
        let mut said = self.channels.iter();
        said.find(|it| it.channel == channel).map(|it| it.given)
    }

    fn say(&mut self, channel: &str, given: bool, at: Timestamp) {
        let known = self.channels.iter_mut().find(|it| it.channel == channel);
        if let Some(consent) = known {
            if consent.at <= at {
                (consent.given, consent.at) = (given, at);
            }
            return;
        }
        if self.channels.len() >= limits::CONSENTS {
            // A no is never lost for want of room: the oldest yes makes way, or else the oldest no.
            let oldest = (0..self.channels.len())
                .min_by_key(|i| (!self.channels[*i].given, self.channels[*i].at));
            match oldest {
                Some(oldest) if !given => self.channels.remove(oldest),
                _ => return,
            };
        }
        self.channels.push(Consent {
            channel: channel.into(),
            given,
            at,
        });
    }

    fn named(&self, given: bool) -> Value<'_> {
        let said = self.channels.iter().filter(|it| it.given == given);
        Value::List(said.map(|it| it.channel.as_str()).collect())
    }
}

impl Stored for Consents {
    const VERSION: u8 = 1;
}

impl Section for Consents {
    const TAG: u16 = 3;
    const WRITTEN_BY: &'static [EventName] =
        &[EventName::UNSUBSCRIBED, EventName::EMAIL_MARKED_AS_SPAM];
    const FIELDS: &'static [Field<Self>] = &[
        field(
            "consent",
            Type::List,
            "channels with consent given",
            |p, _| p.named(true),
        ),
        field(
            "consent_refused",
            Type::List,
            "channels with consent refused or taken back",
            |p, _| p.named(false),
        ),
    ];

    fn is_written_by(event: &Event) -> bool {
        let traits = event.traits.as_ref();
        traits.is_some_and(|traits| !traits.consent.is_empty())
            || Self::WRITTEN_BY.contains(&event.name)
    }

    fn apply(&mut self, event: &Event, _local: Local<'_>) {
        for (channel, given) in event.traits.iter().flat_map(|traits| &traits.consent) {
            self.say(channel, *given, event.time);
        }
        match event.name {
            EventName::UNSUBSCRIBED => {
                let channel = event
                    .text(PropertyId::CHANNEL)
                    .map_or(UNSUBSCRIBED_CHANNEL, Text::as_str);
                self.say(&channel.to_ascii_lowercase(), false, event.time);
            }
            EventName::EMAIL_MARKED_AS_SPAM => self.say("email", false, event.time),
            _ => {}
        }
    }
}
