//! How an event becomes facts: what is declared to be measured is taken in where the profile is.

use crate::event::{Event, Text};
use crate::expression::Scope;
use crate::fact::Fact;
use crate::profile::Settled;
use crate::trigger::plan::Plan;

impl Plan {
    /// Whether a fact that takes this event asks for the profile before it.
    pub(super) fn measures_previous(&self, event: &Event) -> bool {
        let mut measuring = self.measuring(event.name);
        measuring.any(Fact::uses_previous)
    }

    /// Takes an event into the profile, and into the facts that are measured of it; of which how much had to make way. `previous`:
    /// the profile before it, where a fact asks for that.
    pub(super) fn apply(
        &self,
        settled: &mut Settled,
        event: &Event,
        previous: Option<&Settled>,
        mut refused: impl FnMut(&Text, u32),
    ) {
        settled.apply(event);
        for fact in self.measuring(event.name) {
            let scope = Scope {
                event: Some(event),
                product: None,
                profile: settled,
                previous,
                now: event.time,
            };
            let mut made_way = 0;
            for (per, said) in fact.said(&scope) {
                made_way += settled.derived.take(&fact.spec, per, event.time, said);
            }
            if made_way > 0 {
                refused(&fact.name, made_way);
            }
        }
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
