//! What came true at one instant goes through the gates together.

use super::super::Effect;
use super::super::waiting::{Waiting, Waits};
use super::{Came, Fold};
use crate::policy::{self, Asked, Decided, Open};
use crate::profile::{Settled, TailEvent};
use crate::stored::Lazy;
use crate::time::Timestamp;

impl Fold<'_> {
    /// Decides what came true at one instant, the most important first; what is held waits with the customer.
    pub(super) fn decide(
        &mut self,
        mut came: Vec<Came<'_, '_>>,
        (settled, waiting): (&mut Settled, &mut Lazy<Waiting>),
        ahead: &[TailEvent],
        now: Timestamp,
    ) {
        if self.adopting {
            let before = came.len();
            came.retain(|it| it.waited.is_some() || it.trigger.backfill);
            self.let_go |= came.len() < before;
        }
        if came.is_empty() {
            return;
        }
        let plan = self.plan;
        let causes = came.iter().map(|it| (it.trigger, it.cause, it.waited));
        let causes: Vec<_> = causes.collect();
        let asked = came.into_iter().map(|it| Asked {
            trigger: it.trigger,
            moment: it.moment,
            cause: it.cause,
            past: it.past,
        });
        let asked: Vec<Asked<'_>> = asked.collect();
        let gathers = !plan.policy.arbitration_window.is_empty()
            || asked.iter().any(|it| it.trigger.policy.digest_ms.is_some());
        // What waits stays bytes where nobody waits for others.
        let open: Vec<Open<'_>> = match gathers {
            true => waiting.iter().map(Waits::open).collect(),
            false => Vec::new(),
        };
        let decided = policy::decide(plan, settled, (ahead, &open), asked, now);
        drop(open);
        for (decided, (trigger, cause, waited)) in decided.into_iter().zip(causes) {
            let effect = match decided {
                Decided::Now(mut decision) => {
                    self.expose(settled, trigger, &decision);
                    decision.asked_at = waited.unwrap_or(decision.asked_at);
                    Effect::Decided(decision)
                }
                Decided::Held(held) if waiting.is_full() => {
                    let decision = policy::refused(plan, settled, trigger, held, now);
                    Effect::Decided(Box::new(decision))
                }
                Decided::Held(held) => {
                    let reason = held.why.reason();
                    waiting.hold(Waits::new(held, cause));
                    Effect::Held {
                        trigger: trigger.name.clone(),
                        reason,
                    }
                }
            };
            self.effects.push(effect);
        }
    }
}
