//! How events and time become facts and segments: what is declared is taken in where the profile is.

use crate::event::{Event, Text};
use crate::expression::Scope;
use crate::fact::Fact;
use crate::profile::Settled;
use crate::segment::Chosen;
use crate::time::Timestamp;
use crate::trigger::plan::Plan;

impl Plan {
    /// Whether a fact that takes this event asks for the profile before it.
    pub(super) fn measures_previous(&self, event: &Event) -> bool {
        let mut measuring = self.measuring(event.name);
        measuring.any(Fact::uses_previous)
    }

    /// Takes an event into the profile, and into the facts that are measured of it; of which how much had to make way. `previous`:
    /// the profile before it, where a fact asks for that. Whether what it is about was told before: then no fact measures it again.
    pub(super) fn apply(
        &self,
        settled: &mut Settled,
        event: &Event,
        previous: Option<&Settled>,
        mut refused: impl FnMut(&Text, u32),
    ) -> bool {
        self.pass(settled, event.time.plus(-1));
        let again = settled.was_told(event);
        settled.apply(event, &self.policy.currencies, &self.home);
        for fact in self.measuring(event.name).filter(|_| !again) {
            let scope = Scope::of_event(event, settled, previous, &self.rows);
            let mut made_way = 0;
            for (per, said) in fact.said(&scope) {
                made_way += settled.derived.take(&fact.spec, per, event.time, said);
            }
            if made_way > 0 {
                refused(&fact.name, made_way);
            }
        }
        self.ask_segments(settled, event);
        again
    }

    /// Asks the segments again whose answer an event may have changed, which the profile has taken in.
    fn ask_segments(&self, settled: &mut Settled, event: &Event) {
        if self.segments.is_empty() {
            return;
        }
        // All, where nobody was asked about her yet.
        let concerned = settled.segments.begun.then(|| self.concerning(event));
        if concerned.as_ref().is_some_and(Chosen::is_empty) {
            return;
        }
        let is_meant = |number| concerned.as_ref().is_none_or(|it| it.has(number));
        self.ask(settled, event.time, |number, _| is_meant(number));
        if !settled.segments.begun {
            settled.segments.begun = true;
        }
    }

    /// Asks those that are meant, and those that ask where she stands with one of which that changed by it. Whether any did.
    fn ask(
        &self,
        settled: &mut Settled,
        at: Timestamp,
        is_meant: impl Fn(usize, &Settled) -> bool,
    ) -> bool {
        let mut moved = false;
        for (number, segment) in self.segments.iter().enumerate() {
            if (is_meant(number, settled) || (moved && segment.asks_others))
                && let Some(standing) = segment.asked(settled, at, &self.rows)
            {
                settled.segments.keep(standing);
                moved = true;
            }
        }
        moved
    }

    /// Whether where she stands with a segment may change by an event, and somebody asks when it does.
    pub(super) fn moves_segments(&self, event: &Event, settled: &Settled) -> bool {
        self.watches_segments && (!settled.segments.begun || !self.concerning(event).is_empty())
    }

    /// Time passes up to an instant: what enters and leaves segments by time alone does.
    pub(super) fn pass(&self, settled: &mut Settled, until: Timestamp) {
        if self.segments.is_empty() {
            return;
        }
        loop {
            let due = settled.segments.due();
            if due > until {
                return;
            }
            self.pass_one(settled, due);
        }
    }

    /// Asks what is due at an instant.
    pub(super) fn pass_one(&self, settled: &mut Settled, due: Timestamp) {
        self.ask(settled, due, |number, settled| {
            let name = &self.segments[number].name;
            settled.segments.is_due(name, due)
        });
        // What is left of a set that she has not gone over from.
        if settled.segments.due() <= due {
            let declared = |name: &str| self.segments.iter().any(|segment| segment.name == name);
            settled.segments.forget_stale(declared);
        }
    }

    /// Forgets where she stood with segments that are declared no more; whether there was anything.
    pub(super) fn forget_segments(&self, settled: &mut Settled) -> bool {
        let declared = |name: &str| self.segments.iter().any(|segment| segment.name == name);
        let is_stale = settled.segments.is_stale(declared);
        if is_stale {
            settled.segments.forget_stale(declared);
        }
        is_stale
    }

    /// Asks every segment about a customer who goes over to these, as of an instant up to which she is settled; whether anything
    /// changed.
    pub(super) fn ask_all_segments(&self, settled: &mut Settled, at: Timestamp) -> bool {
        if settled.presence.last_seen.is_none() {
            return false;
        }
        let mut any = self.ask(settled, at, |_, _| true);
        if !self.segments.is_empty() && !settled.segments.begun {
            settled.segments.begun = true;
            any = true;
        }
        any
    }

    /// Forgets what was kept of facts that are declared no more, or otherwise; whether there was anything.
    pub(super) fn forget_facts(&self, settled: &mut Settled) -> bool {
        let asked = |key: u32| {
            let mut facts = self.facts.iter();
            facts
                .find(|fact| fact.spec.key == key)
                .map(|fact| fact.spec.digest)
        };
        let is_stale = settled.derived.is_stale(asked);
        if is_stale {
            settled.derived.forget_stale(asked);
        }
        is_stale
    }
}
