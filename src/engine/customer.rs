//! One customer, as the engine works on her.

use super::ahead::Aside;
use super::waiting::Waiting;
use crate::moment::States;
use crate::profile::journeys;
use crate::profile::seen::Seen;
use crate::profile::sessions::SESSION_GAP_MS;
use crate::profile::settled::Settled;
use crate::profile::{Profile, TailEvent};
use crate::stored::Lazy;
use crate::time::Timestamp;

/// Her profile, and where each trigger stands with her.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Customer {
    /// What her events say.
    pub profile: Profile,
    /// What triggers remember of what is settled.
    pub states: States,
    /// The moments that wait to be asked again.
    pub waiting: Lazy<Waiting>,
    /// How those who speak at once see her, as long as nothing but events that were seen has changed her since.
    pub(super) ahead: Aside,
}

impl Customer {
    /// Forgets everything but the tail: a new customer, as far as anybody can tell.
    pub(super) fn begin_anew(&mut self) {
        let events = self.profile.tail.events().iter().map(|tail| &tail.event);
        let ids = events.filter(|event| event.has_message_id);
        let events = || self.profile.tail.events().iter();
        let is_ahead = |id: &str| events().any(|tail| tail.event.id == id);
        let journeys = self.profile.settled.journeys.ahead(is_ahead);
        let seen = Seen::last_of(ids.map(|event| event.id.as_str()));
        self.profile.settled = Settled {
            id: std::mem::take(&mut self.profile.settled.id),
            seen: seen.into(),
            journeys: journeys.into(),
            ..Settled::default()
        };
        self.states = States::default();
        self.waiting = Lazy::default();
        self.ahead.forget();
    }

    /// Forgets what is known of a visit that is over: at `watermark` nothing of hers is expected any more for as long as a visit
    /// pauses. It is the same whenever it is done, as long as it is done before her next event.
    pub(super) fn rest(&mut self, watermark: Timestamp) {
        if !self.profile.settled.seen.is_long() {
            return;
        }
        let ahead = self
            .profile
            .tail
            .events()
            .last()
            .map(|tail| tail.event.time);
        let last = self.profile.settled.presence.last_seen.max(ahead);
        if last.is_none_or(|last| last.plus(SESSION_GAP_MS) <= watermark) {
            self.profile.settled.seen.shorten();
        }
    }

    /// Whether something was sent, or waits, because of an event when it was seen: it is asked again when the event settles.
    pub(super) fn may_be_undone(&self, tail: &TailEvent) -> bool {
        let occurrence = &tail.event.id;
        let is_of = |key: &u32| {
            let mut sent = self.profile.settled.sent.iter();
            sent.any(|it| it.key == *key && journeys::is_of(&it.occurrence, occurrence))
                || self.profile.settled.journeys.of(*key, occurrence).is_some()
                || self.waiting.holds(*key, occurrence)
        };
        tail.fired.iter().any(is_of)
    }

    /// When the first of such events is.
    pub(super) fn undone_at(&self) -> Option<Timestamp> {
        let tail = self.profile.tail.events().iter();
        let mut tail = tail.filter(|tail| self.may_be_undone(tail));
        tail.next().map(|tail| tail.event.time)
    }

    /// Whether no event is behind it: every other has a last one, or one in its tail.
    pub(super) fn is_blank(&self) -> bool {
        self.profile.tail.is_empty() && self.profile.settled.presence.last_seen.is_none()
    }

    /// Forgets what triggers knew that are in the set no more; whether there was anything.
    pub(super) fn forget(&mut self, is_gone: impl Fn(u32) -> bool) -> bool {
        let contacts = &mut self.profile.settled.contacts;
        let counted = contacts.is_stale(&is_gone);
        if counted {
            contacts.forget(&is_gone);
        }
        let entered = self.profile.settled.ledger.has_any_of(&is_gone);
        if entered {
            self.profile.settled.ledger.forget(&is_gone);
        }
        let journeys = &mut self.profile.settled.journeys;
        let inside = journeys.has_any_of(&is_gone);
        if inside {
            journeys.forget(&is_gone);
        }
        let waited = self.waiting.iter().any(|waits| is_gone(waits.trigger));
        if waited {
            self.waiting.forget(&is_gone);
        }
        self.states.forget(is_gone) || counted || waited || entered || inside
    }
}
