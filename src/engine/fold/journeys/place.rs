//! Her place in a journey, as the engine works on it: what its moments are, and what it says to others.

use std::borrow::Cow;

use crate::event::Text;
use crate::expression::Scope;
use crate::moment::{CameTrue, EventRef, Evidence, Moment};
use crate::policy::{Open, Past, Why};
use crate::profile::Settled;
use crate::profile::journeys::{self, Awaits, Hold, Place, Stays};
use crate::table::rows::Rows;
use crate::time::Timestamp;

/// What conditions of a journey are asked about.
pub(super) fn scope<'s>(
    place: &'s Place,
    (settled, rows): (&'s Settled, &'s Rows),
    at: Timestamp,
) -> Scope<'s> {
    Scope {
        event: place.began.event.as_ref(),
        ..Scope::of(settled, at, rows)
    }
}

/// The moment of a step: what began the journey made it true.
pub(super) fn moment(place: &Place, step: &Text, at: Timestamp) -> Moment {
    let began = &place.began;
    let events = began.events.iter().map(|(id, time)| EventRef {
        id: id.clone(),
        time: *time,
    });
    let facts = began.facts.iter().map(|(name, value)| {
        let value = serde_json::from_str(value).unwrap_or_default();
        (Cow::Owned(name.to_string()), value)
    });
    let step_fact = (Cow::Borrowed("step"), step.as_str().into());
    Moment {
        at,
        occurrence: journeys::occurrence(&began.occurrence, step),
        evidence: Evidence {
            events: events.collect(),
            facts: facts.chain([step_fact]).collect(),
        },
    }
}

/// What is held back at a place, as others see it.
pub(in crate::engine) fn open(place: &Place) -> Option<Open<'_>> {
    let Some(Stays::Held(hold)) = &place.stays else {
        return None;
    };
    Some(Open {
        trigger: place.key,
        channel: &hold.channel,
        why: hold.why(),
        until: hold.until,
    })
}

/// Whether the moment that began a journey is undone, as `is_undone` says of it.
pub(in crate::engine) fn is_undone(
    place: &Place,
    is_undone: impl Fn(CameTrue<'_>) -> bool,
) -> bool {
    let per = place.began.facts.iter().find(|(name, _)| name == "per");
    let per: Option<String> = per.and_then(|(_, value)| serde_json::from_str(value).ok());
    is_undone(CameTrue {
        at: place.began.at,
        since: place.began.events.first().map(|(_, time)| *time),
        per: per.as_deref(),
    })
}

impl Hold {
    /// Why it waits.
    pub(super) fn why(&self) -> Why {
        match self.awaits {
            Awaits::Morning => Why::QuietHours,
            Awaits::Others => Why::Window,
            Awaits::Turn => Why::SendRate,
        }
    }

    /// What it has waited for before.
    pub(super) fn past(&self) -> Past {
        Past {
            digest: false,
            window: Some(self.window.clone()).filter(|window| !window.is_empty()),
            turn: None,
        }
    }
}

impl Awaits {
    /// What a step waits for; a digest has none.
    pub(super) fn of(why: Why) -> Self {
        match why {
            Why::QuietHours | Why::Digest => Self::Morning,
            Why::Window => Self::Others,
            Why::SendRate => Self::Turn,
        }
    }
}
