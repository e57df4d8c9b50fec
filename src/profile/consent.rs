//! What she agreed to, by channel.

use serde::{Deserialize, Serialize};

use super::limits;
use super::section::{Field, Local, Section, field};
use crate::event::{EVERY_CHANNEL, Event, EventName, OTHER_CHANNELS, Text, Type};
use crate::stored::Stored;
use crate::time::Timestamp;
use crate::value::Value;

/// What a customer agreed to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consents {
    /// By channel, in the order in which she first said something of them; of the rest, under [`EVERY_CHANNEL`] and
    /// [`OTHER_CHANNELS`].
    pub channels: Vec<Consent>,
}

/// The channels that are listed where she said something of all: those that campaign tools have in common.
const USUAL: [&str; 6] = ["email", "phone", "print", "push", "sms", "whatsapp"];

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
        let said = |channel: &str| self.channels.iter().find(|it| it.channel == channel);
        let said = said(channel).or_else(|| said(EVERY_CHANNEL));
        said.map(|it| it.given)
    }

    /// What she last said of just this, and not of all channels.
    #[must_use]
    pub fn said(&self, channel: &str) -> Option<bool> {
        let said = self.channels.iter().find(|it| it.channel == channel);
        said.map(|it| it.given)
    }

    fn say(&mut self, channel: &str, given: bool, at: Timestamp) {
        // What she said of one before holds no more; of those that a list leaves out, a yes does not.
        let mut before = self.channels.iter_mut().filter(|it| it.at <= at);
        match channel {
            EVERY_CHANNEL => before.for_each(|it| (it.given, it.at) = (given, at)),
            OTHER_CHANNELS => before
                .filter(|it| it.given)
                .for_each(|it| (it.given, it.at) = (false, at)),
            _ => drop(before.next()),
        }
        let known = self.channels.iter_mut().find(|it| it.channel == channel);
        if let Some(consent) = known {
            if consent.at <= at {
                (consent.given, consent.at) = (given, at);
            }
            return;
        }
        let mut of_many = self.channels.iter().filter(|it| is_of_many(it));
        if of_many.any(|said| at < said.at && (given || said.channel == EVERY_CHANNEL)) {
            return;
        }
        let is_full = self.channels.len() >= limits::CONSENTS;
        if is_full && (given || !self.make_room()) {
            return;
        }
        self.channels.push(Consent {
            channel: channel.into(),
            given,
            at,
        });
    }

    /// What she said of exactly this channel.
    fn on(&self, channel: &str) -> Option<&Consent> {
        self.channels.iter().find(|it| it.channel == channel)
    }

    /// Whether nothing that she said here stands against a yes that she said elsewhere, at this time at the latest.
    fn allows(&self, channel: &str, at: Timestamp) -> bool {
        if let Some(said) = self.on(channel) {
            return said.given;
        }
        let of_all = self.on(EVERY_CHANNEL);
        let of_others = self.on(OTHER_CHANNELS);
        is_many(channel)
            || of_all.is_none_or(|it| it.given) && of_others.is_none_or(|it| it.given || it.at < at)
    }

    /// A no to each channel to which there is one there, until something later than all of that is said.
    pub fn refuse_as(&mut self, other: &Self) {
        let refused = other.channels.iter().filter(|it| !it.given);
        // What a list left out, it took back of each already.
        for refused in refused.filter(|it| it.channel != OTHER_CHANNELS) {
            self.say(&refused.channel, false, refused.at.plus(1));
        }
    }

    /// Makes room for a no, which is never lost for want of it: the oldest yes makes way, or else the oldest no to one channel.
    fn make_room(&mut self) -> bool {
        let oldest = (0..self.channels.len())
            .filter(|i| !is_of_many(&self.channels[*i]))
            .min_by_key(|i| (!self.channels[*i].given, self.channels[*i].at));
        oldest.map(|oldest| self.channels.remove(oldest)).is_some()
    }

    fn named(&self, given: bool) -> Value<'_> {
        let said = self.channels.iter().filter(|it| it.given == given);
        let said = said.filter(|it| !is_of_many(it));
        let said = said.map(|it| it.channel.as_str());
        let knows = |channel: &str| self.channels.iter().any(|it| it.channel == channel);
        let usual = USUAL.into_iter().filter(|channel| !knows(channel));
        // Of these she said nothing but by what she said of all.
        let usual = usual.filter(|channel| self.given(channel) == Some(given));
        Value::List(said.chain(usual).collect())
    }
}

/// Whether it is not of one channel.
fn is_of_many(consent: &Consent) -> bool {
    is_many(&consent.channel)
}

fn is_many(channel: &str) -> bool {
    [EVERY_CHANNEL, OTHER_CHANNELS].contains(&channel)
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
            Type::TEXTS,
            "channels with consent given",
            |p, _| p.named(true),
        ),
        field(
            "consent_refused",
            Type::TEXTS,
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
        if let Some(channel) = event.refused_channel() {
            self.say(&channel, false, event.time);
        }
    }

    /// The most restrictive: a no under either id stands until she says yes once more.
    fn merge(&mut self, other: Self, _local: Local<'_>) {
        let own = std::mem::take(self);
        for Consent { channel, .. } in own.channels.iter().chain(&other.channels) {
            if self.on(channel).is_some() {
                continue;
            }
            let said = [own.on(channel), other.on(channel)];
            let at = said.into_iter().flatten().map(|it| it.at).max();
            let at = at.unwrap_or(Timestamp::MIN);
            self.channels.push(Consent {
                channel: channel.clone(),
                given: own.allows(channel, at) && other.allows(channel, at),
                at,
            });
        }
        while self.channels.len() > limits::CONSENTS && self.make_room() {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp(minute)
    }

    #[test]
    fn what_is_said_of_all_holds_until_something_is_said_of_one() {
        let mut consents = Consents::default();
        for (channel, given, minute, email, push) in [
            ("email", true, 1, Some(true), None),
            (EVERY_CHANNEL, false, 3, Some(false), Some(false)),
            // What is older changes nothing, of a channel that was never named neither.
            ("email", true, 2, Some(false), Some(false)),
            ("push", true, 2, Some(false), Some(false)),
            ("push", true, 4, Some(false), Some(true)),
            // Of all, but from before she said yes to one.
            (EVERY_CHANNEL, false, 3, Some(false), Some(true)),
            (EVERY_CHANNEL, true, 5, Some(true), Some(true)),
        ] {
            consents.say(channel, given, at(minute));
            let said = (consents.given("email"), consents.given("push"));
            assert_eq!(said, (email, push), "{channel} {given} {minute}");
        }
        assert_eq!(consents.given("fax"), Some(true));
        let usual = ["email", "push", "phone", "print", "sms", "whatsapp"];
        assert_eq!(consents.named(true), Value::List(usual.to_vec()));
        assert_eq!(consents.named(false), Value::List(Vec::new()));
    }

    #[test]
    fn a_list_takes_back_what_it_leaves_out() {
        let mut consents = Consents::default();
        for (channel, given, minute) in [
            ("email", true, 1),
            ("sms", true, 1),
            (OTHER_CHANNELS, false, 3),
            ("email", true, 3),
            // From before it.
            ("push", true, 2),
            ("sms", true, 2),
        ] {
            consents.say(channel, given, at(minute));
        }
        let said = ["email", "sms", "push", "onsite"].map(|channel| consents.given(channel));
        assert_eq!(said, [Some(true), Some(false), None, None]);
    }

    #[test]
    fn a_no_to_all_is_never_lost_for_want_of_room() {
        let mut consents = Consents::default();
        consents.say(EVERY_CHANNEL, false, at(0));
        for n in 1..100 {
            consents.say(&format!("c{n}"), false, at(n));
        }
        assert_eq!(consents.channels.len(), limits::CONSENTS);
        assert_eq!(consents.given("email"), Some(false));
    }
}
