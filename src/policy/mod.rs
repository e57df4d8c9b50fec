//! What stands between a moment and a treatment: allowed, or refused with a reason.
//!
//! The questions are asked in the order of [`Reason`], all of them as of `decided_at`, the later of
//! the moment and now. Here are also the caps, counted on commands.
//!
//! Deliberately absent: quiet hours, arbitration between triggers, hold-out, suppression lists.

use crate::event::{Event, Text};
use crate::expression::{Expression, Scope};
use crate::moment::Moment;
use crate::profile::{Contacts, Profile, TailEvent};
use crate::time::Timestamp;
use crate::treatment::{
    Command, Decision, Fields, Outcome, Reason, addresses, command_id, traceparent,
};
use crate::trigger::plan::{Fill, Mode, Plan, TreatmentChoice, Trigger};
use crate::trigger::policy::{Cap, Policy};

/// What a moment is decided on.
pub struct Asked<'a> {
    /// The trigger.
    pub trigger: &'a Trigger,
    /// The moment.
    pub moment: Moment,
    /// The profile as of the moment.
    pub profile: &'a Profile,
    /// What is known beyond the moment: only a consent taken back there counts.
    pub ahead: &'a [TailEvent],
    /// The event of an immediate moment, and the profile before it where somebody asks for it.
    pub cause: Option<(&'a Event, Option<&'a Profile>)>,
    /// The clock.
    pub now: Timestamp,
}

impl Plan {
    /// Decides one moment. What was sent must then be noted with [`Contacts::note`].
    #[must_use]
    pub fn decide(&self, asked: Asked<'_>) -> Decision {
        let Asked {
            trigger,
            moment,
            profile,
            ahead,
            cause,
            now,
        } = asked;
        let event = cause.map(|(event, _)| event);
        let previous = cause.and_then(|(_, previous)| previous);
        let decided_at = moment.at.max(now);
        let scope = Scope {
            event,
            product: None,
            profile,
            previous,
            now: decided_at,
        };
        let outcome = match self.treatment(trigger, &moment, decided_at, &scope, ahead) {
            Ok(choice) => {
                let command =
                    Box::new(self.command(trigger, choice, &moment, decided_at, &scope, ahead));
                match trigger.mode {
                    Mode::Shadow => Outcome::Refuse(Reason::Shadow, Some(command)),
                    _ => Outcome::Treat(command),
                }
            }
            Err(reason) => Outcome::Refuse(reason, None),
        };
        Decision {
            customer: profile.id.clone(),
            trigger: trigger.name.clone(),
            generation: trigger.generation,
            occurrence: moment.occurrence,
            moment_at: moment.at,
            decided_at,
            outcome,
            evidence: moment.evidence,
            revision: self.revision.clone(),
        }
    }

    fn treatment<'a>(
        &self,
        trigger: &'a Trigger,
        moment: &Moment,
        decided_at: Timestamp,
        scope: &Scope<'_>,
        ahead: &[TailEvent],
    ) -> Result<&'a TreatmentChoice, Reason> {
        if trigger.mode == Mode::Off || self.policy.paused.contains(&trigger.name) {
            return Err(Reason::Off);
        }
        let early = trigger.from.is_some_and(|from| decided_at < from);
        if early || trigger.until.is_some_and(|until| decided_at >= until) {
            return Err(Reason::OutOfDates);
        }
        if self.policy.is_stopped() {
            return Err(Reason::SendingStopped);
        }
        if decided_at > moment.at.plus(trigger.policy.good_for_ms) {
            return Err(Reason::Expired);
        }
        let holds =
            |condition: &Option<Expression>| condition.as_ref().is_none_or(|c| c.holds(scope));
        if !holds(&trigger.audience) {
            return Err(Reason::Audience);
        }
        let fits = trigger
            .treatments
            .iter()
            .find(|choice| holds(&choice.condition));
        let choice = fits.ok_or(Reason::NoTreatmentFits)?;
        if !self
            .policy
            .may_contact(scope.profile, ahead, &choice.channel)
        {
            return Err(Reason::NoConsent);
        }
        if trigger
            .policy
            .cap
            .is_some_and(|cap| scope.profile.contacts.reached(trigger.key, cap, decided_at))
        {
            return Err(Reason::Capped);
        }
        Ok(choice)
    }

    fn command(
        &self,
        trigger: &Trigger,
        choice: &TreatmentChoice,
        moment: &Moment,
        decided_at: Timestamp,
        scope: &Scope<'_>,
        ahead: &[TailEvent],
    ) -> Command {
        let id = command_id(
            &trigger.name,
            trigger.generation,
            &scope.profile.id,
            &moment.occurrence,
        );
        let cause = scope.event.and_then(|event| event.traceparent.as_deref());
        Command {
            id,
            channel: choice.channel.clone(),
            template: choice.template.clone(),
            offer: filled(&choice.offer, scope),
            data: filled(&choice.data, scope),
            good_from: decided_at,
            valid_until: moment.at.plus(trigger.policy.good_for_ms),
            addresses: addresses(&scope.profile.facts, |channel| {
                self.policy.may_contact(scope.profile, ahead, channel)
            }),
            traceparent: traceparent(id, cause),
        }
    }
}

impl Policy {
    /// Whether she said yes to a channel, or it needs no yes and she did not say no. A no that lies
    /// beyond the moment, in `ahead`, counts as well: nobody is written to who is known to have said no.
    #[must_use]
    pub fn may_contact(&self, profile: &Profile, ahead: &[TailEvent], channel: &str) -> bool {
        let said = |tail: &TailEvent| tail.event.consent_said(channel);
        if ahead.iter().rev().find_map(said) == Some(false) {
            return false;
        }
        profile
            .facts
            .consents(channel)
            .unwrap_or_else(|| self.consent_by_default.iter().any(|free| free == channel))
    }
}

impl Contacts {
    /// Whether `cap` is used up for the trigger of `key` at `at`: so many commands in (at - window, at].
    #[must_use]
    pub fn reached(&self, key: u32, cap: Cap, at: Timestamp) -> bool {
        let Some((_, times)) = self.by_trigger.iter().find(|(known, _)| *known == key) else {
            return false;
        };
        cap.is_reached(times, at)
    }

    /// Notes what was decided: a command that is sent; and, for the cap of a trigger in shadow, one
    /// that would have been, so that its figures are those it would have live.
    pub fn note(&mut self, trigger: &Trigger, decision: &Decision) {
        let sent = match &decision.outcome {
            Outcome::Treat(command) => Some(command),
            Outcome::Refuse(Reason::Shadow, Some(_)) => None,
            Outcome::Refuse(..) => return,
        };
        if let Some(command) = sent {
            self.count = self.count.saturating_add(1);
            self.last = Some((decision.decided_at, Text::clone(&command.channel)));
        }
        let Some(cap) = trigger.policy.cap else {
            return;
        };
        let times = match self
            .by_trigger
            .iter()
            .position(|(key, _)| *key == trigger.key)
        {
            Some(i) => &mut self.by_trigger[i].1,
            None => {
                self.by_trigger.push((trigger.key, Vec::new()));
                let last = self.by_trigger.len() - 1;
                &mut self.by_trigger[last].1
            }
        };
        times.push(decision.decided_at);
        if times.len() > cap.count as usize {
            times.remove(0);
        }
    }
}

fn filled(fills: &[(Text, Fill)], scope: &Scope<'_>) -> Fields {
    let value = |fill: &Fill| match fill {
        Fill::Constant(value) => value.clone(),
        Fill::Expression(expression) => serde_json::Value::from(&expression.eval(scope)),
    };
    Fields(
        fills
            .iter()
            .map(|(name, fill)| (name.clone(), value(fill)))
            .collect(),
    )
}
