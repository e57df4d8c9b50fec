//! The command that a moment which passed every gate becomes.

use super::{Case, consent};
use crate::event::Text;
use crate::expression::Scope;
use crate::treatment::{Command, Fields, addresses, command_id, traceparent};
use crate::trigger::plan::{Fill, TreatmentChoice};

/// Fills the command of a treatment.
pub(super) fn command(case: &Case<'_>, choice: &TreatmentChoice) -> Command {
    let (trigger, scope) = (case.trigger, &case.scope);
    let id = command_id(
        &trigger.name,
        trigger.generation,
        &scope.profile.id,
        &case.moment.occurrence,
    );
    let cause = scope.event.and_then(|event| event.traceparent.as_deref());
    Command {
        id,
        channel: choice.channel.clone(),
        template: choice.template.clone(),
        offer: filled(&choice.offer, scope),
        data: filled(&choice.data, scope),
        good_from: case.decided_at(),
        valid_until: case.valid_until(),
        addresses: addresses(&scope.profile.identity.addresses, |address| {
            let mut channels = case.policy().addresses.channels(address);
            channels.any(|channel| consent::may_contact(case, channel))
        }),
        traceparent: traceparent(id, cause),
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
