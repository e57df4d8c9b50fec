//! What the engine asks of a profile and of the plan: whether anything is left of her, and when to look at her again.

use crate::event::Event;
use crate::moment::MomentState;
use crate::profile::{MessageHash, Profile, limits};
use crate::time::Timestamp;
use crate::trigger::plan::Plan;

/// As few bits of a message id as tell it from the others.
fn message_hash(id: &str) -> MessageHash {
    let hash = xxhash_rust::xxh3::xxh3_64(id.as_bytes()).to_le_bytes();
    [hash[0], hash[1], hash[2], hash[3], hash[4], hash[5]]
}

impl Profile {
    /// Forgets everything but the tail: a new customer, as far as anybody can tell.
    pub(super) fn begin_anew(&mut self) {
        let ids = self.tail.iter().map(|tail| &tail.event);
        let ids = ids.filter(|event| event.has_message_id);
        let mut seen: Vec<MessageHash> = ids.map(|event| message_hash(&event.id)).collect();
        seen.drain(..seen.len().saturating_sub(limits::MESSAGE_IDS));
        *self = Self {
            id: std::mem::take(&mut self.id),
            tail: std::mem::take(&mut self.tail),
            seen,
            ..Self::default()
        };
    }

    /// Whether no event is behind it: every other has a last one, or one in its tail.
    pub(super) fn is_blank(&self) -> bool {
        self.tail.is_empty() && self.facts.last_seen.is_none()
    }

    /// Forgets what triggers knew that are in the set no more, but for what the last [`limits::GONE`] of them decided last.
    pub(super) fn forget(&mut self, is_gone: impl Fn(u32) -> bool) {
        if !self.moments.iter().any(|(key, _)| is_gone(*key)) {
            return;
        }
        self.moments.retain_mut(|(key, state)| {
            if !is_gone(*key) {
                return true;
            }
            let decided = state.last_decided();
            decided.is_some_and(|at| {
                *state = MomentState::Gone(at);
                true
            })
        });
        let gone = |(_, state): &(u32, MomentState)| match state {
            MomentState::Gone(at) => Some(*at),
            _ => None,
        };
        let mut times: Vec<Timestamp> = self.moments.iter().filter_map(gone).collect();
        if times.len() > limits::GONE {
            times.sort_unstable();
            let kept = times[times.len() - limits::GONE];
            self.moments
                .retain(|it| gone(it).is_none_or(|at| at >= kept));
        }
    }

    /// Remembers a message id; whether it was known.
    pub(super) fn remember(&mut self, id: &str) -> bool {
        let hash = message_hash(id);
        if self.seen.contains(&hash) {
            return true;
        }
        if self.seen.len() >= limits::MESSAGE_IDS {
            self.seen.remove(0);
        }
        self.seen.push(hash);
        false
    }
}

impl Plan {
    /// The earliest that a deadline may follow `event`, which is not settled yet. Another time zone
    /// may bring any day nearer.
    pub(super) fn looks_again(&self, event: &Event, profile: &Profile) -> Timestamp {
        let zone = event.traits.as_ref().and_then(|it| it.timezone.as_ref());
        if self.counts_days && zone.is_some() && zone != profile.facts.timezone.as_ref() {
            return event.time;
        }
        let looks = self
            .naming(event.name)
            .filter_map(|trigger| trigger.kind.looks_again(event));
        let expiry = self.policy.expiry(event.time);
        looks.min().unwrap_or(Timestamp::MAX).min(expiry)
    }

    /// When a customer must be looked at next: no deadline of hers is earlier.
    pub(super) fn next_look(&self, profile: &Profile) -> Timestamp {
        let due = profile
            .moments
            .iter()
            .filter_map(|(key, state)| self.by_key(*key)?.kind.due(state, &profile.facts));
        let tail = profile
            .tail
            .iter()
            .map(|tail| self.looks_again(&tail.event, profile));
        let next = due.chain(tail).min().unwrap_or(Timestamp::MAX);
        next.min(self.expiry(profile))
    }

    /// When a customer expires if she does nothing beyond what is settled.
    pub(super) fn expiry(&self, profile: &Profile) -> Timestamp {
        let last = profile.facts.last_seen;
        last.map_or(Timestamp::MAX, |last| self.policy.expiry(last))
    }
}
