//! The command that a moment which passed every gate becomes.

use uuid::Uuid;

use super::{Case, consent};
use crate::event::Text;
use crate::expression::Scope;
use crate::treatment::choice::{Fill, TreatmentChoice};
use crate::treatment::code::{self, Coded};
use crate::treatment::{Command, Fields, addresses, command_id, traceparent};

/// Fills the command of a treatment; `gathered`: the moments of its digest, where it is of one.
pub(super) fn command(
    case: &Case<'_>,
    choice: &TreatmentChoice,
    gathered: &[&Case<'_>],
) -> Command {
    let (trigger, scope) = (case.trigger, &case.scope);
    let id = command_id(
        &trigger.name,
        trigger.generation,
        &scope.profile.id,
        &case.moment.occurrence,
    );
    let cause = scope.event.and_then(|event| event.traceparent.as_deref());
    let mut offer = filled(&choice.offer, scope);
    if let Some(code) = code_of(case, choice, id) {
        offer.0.push((code::FIELD.into(), code.as_str().into()));
    }
    Command {
        id,
        channel: choice.channel.clone(),
        template: choice.template.clone(),
        offer,
        data: match gathered {
            [] => filled(&choice.data, scope),
            gathered => listed(choice, gathered),
        },
        good_from: case.decided_at(),
        valid_until: case.valid_until(),
        addresses: addresses(&scope.profile.identity.addresses, |address| {
            let mut channels = case.policy().addresses.channels(address);
            channels.any(|channel| consent::may_contact(case, channel))
        }),
        traceparent: traceparent(id, cause),
    }
}

/// The code of its offer.
fn code_of(case: &Case<'_>, choice: &TreatmentChoice, id: Uuid) -> Option<Text> {
    let key = &case.policy().code_key;
    match choice.code.as_ref()? {
        Coded::Own(form) => key.code(id, form),
        Coded::Referral(name) => {
            let mut referrals = case.plan.referrals.iter();
            let referral = referrals.find(|it| it.name == *name)?;
            referral.code(key, &case.scope.profile.id)
        }
    }
}

/// What is said of each of the moments of a digest.
fn listed(choice: &TreatmentChoice, gathered: &[&Case<'_>]) -> Fields {
    let one = |case: &&Case<'_>| {
        let at = ("at".into(), case.moment.at.to_string().into());
        let Fields(data) = filled(&choice.data, &case.scope);
        let fields = data.into_iter().map(|(name, value)| (name.into(), value));
        serde_json::Value::Object([at].into_iter().chain(fields).collect())
    };
    let moments: Vec<serde_json::Value> = gathered.iter().map(one).collect();
    Fields(vec![("moments".into(), moments.into())])
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
