//! What came true at one instant goes through the gates together.

use super::super::Effect;
use super::super::waiting::{Waiting, Waits};
use super::{Came, Fold, journeys};
use crate::event::{Event, Text};
use crate::moment::Evidence;
use crate::policy::{self, Asked, Decided, Held, Open};
use crate::profile::contacts::Standing;
use crate::profile::sent::SentCommand;
use crate::profile::{Settled, TailEvent};
use crate::stored::Lazy;
use crate::time::Timestamp;
use crate::treatment::{Decision, Outcome, Reason};
use crate::trigger::plan::Trigger;

impl Fold<'_> {
    /// Decides what came true at one instant, the most important first; what is held waits with the customer.
    pub(super) fn decide(
        &mut self,
        mut came: Vec<Came<'_, '_>>,
        (settled, waiting): (&mut Settled, &mut Lazy<Waiting>),
        ahead: &[TailEvent],
        now: Timestamp,
    ) {
        let before = came.len();
        came.retain(|it| it.waited.is_some() || self.lets_go.spares(it.trigger));
        self.let_go |= came.len() < before;
        if came.is_empty() {
            return;
        }
        let plan = self.plan;
        let causes = came
            .iter()
            .map(|it| (it.trigger, it.cause, (it.waited, it.step.clone())));
        let causes: Vec<_> = causes.collect();
        let asked = came.into_iter().map(|it| Asked {
            trigger: it.trigger,
            moment: it.moment,
            cause: it.cause,
            past: it.past,
            step: it.step.map(|step| step.sends()),
        });
        let asked: Vec<Asked<'_>> = asked.collect();
        let gathers = !plan.policy.arbitration_window.is_empty()
            || asked.iter().any(|it| it.trigger.policy.digest_ms.is_some());
        // What waits stays bytes where nobody waits for others.
        let places = match gathers {
            true => settled.journeys.open().to_vec(),
            false => Vec::new(),
        };
        let open: Vec<Open<'_>> = match gathers {
            true => {
                let held = places.iter().filter_map(journeys::open);
                waiting.iter().map(Waits::open).chain(held).collect()
            }
            false => Vec::new(),
        };
        let mut before = settled.contacts.standing();
        let decided = policy::decide(plan, settled, (ahead, &open), asked, now);
        drop(open);
        for (decided, (trigger, cause, (waited, step))) in decided.into_iter().zip(causes) {
            if let Decided::Now(decision) = &decided {
                let began = step.as_ref().map(|step| step.began_at);
                before = self.note(settled, (trigger, decision, began), before);
                self.note_full(settled, trigger, decision);
                self.enters(settled, trigger, decision);
            }
            if let Some(step) = &step {
                self.stepped(settled, trigger, step, &decided, waited.unwrap_or(now));
            }
            let effect = match decided {
                Decided::Now(mut decision) => {
                    self.expose(settled, trigger, &decision);
                    decision.asked_at = waited.unwrap_or(decision.asked_at);
                    Effect::Decided(decision)
                }
                Decided::Held(held) if step.is_some() => Effect::Held {
                    trigger: trigger.name.clone(),
                    reason: held.why.reason(),
                },
                Decided::Held(held) => self.holds((settled, waiting), (trigger, cause), held, now),
            };
            self.effects.push(effect);
        }
    }

    /// A moment waits with the customer; where there is no room, it is refused.
    fn holds(
        &self,
        (settled, waiting): (&Settled, &mut Lazy<Waiting>),
        (trigger, cause): (&Trigger, Option<(&Event, Option<&Settled>)>),
        held: Held,
        now: Timestamp,
    ) -> Effect {
        if waiting.is_full() {
            let decision = policy::refused(self.plan, settled, trigger, held, now);
            return Effect::Decided(Box::new(decision));
        }
        let reason = held.why.reason();
        waiting.hold(Waits::new(held, cause));
        Effect::Held {
            trigger: trigger.name.clone(),
            reason,
        }
    }

    /// Notes that there was no room for a journey.
    fn note_full(&mut self, settled: &Settled, trigger: &Trigger, decision: &Decision) {
        if decision.outcome == Outcome::Refuse(Reason::NotAgain, None) && settled.journeys.is_full()
        {
            self.effects.push(Effect::OpenLimit {
                trigger: trigger.name.clone(),
                refused: 1,
            });
        }
    }

    /// Notes a command, to be taken back if need be; what was sent until then.
    fn note(
        &mut self,
        settled: &mut Settled,
        (trigger, decision, began): (&Trigger, &Decision, Option<Timestamp>),
        before: Standing,
    ) -> Standing {
        let Some(command) = decision.command() else {
            return before;
        };
        let after = (
            before.0.saturating_add(1),
            Some((decision.decided_at, command.channel.clone())),
        );
        let Evidence { events, .. } = &decision.evidence;
        let per = decision.evidence.fact("per").and_then(|per| per.as_str());
        let made_way = settled.sent.note(SentCommand {
            id: command.id.into_bytes(),
            key: trigger.key,
            text: self.plan.defined(trigger),
            trigger: decision.trigger.clone(),
            generation: decision.generation,
            occurrence: decision.occurrence.clone(),
            channel: command.channel.clone(),
            // What undoes the moment that began a journey undoes its steps.
            moment_at: began.unwrap_or(decision.moment_at),
            decided_at: decision.decided_at,
            valid_until: command.valid_until,
            since: events.first().map(|event| event.time),
            per: per.map(Text::from),
            before,
            stands: false,
        });
        if let Some(command) = made_way.filter(|it| it.valid_until > decision.decided_at) {
            self.effects.push(Effect::OpenLimit {
                trigger: command.trigger,
                refused: 1,
            });
        }
        after
    }
}
