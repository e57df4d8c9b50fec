//! No consent: she did not say yes to the channel, or said no.

use super::{Case, Gate, Verdict};
use crate::event::{Event, Text};
use crate::profile::{Settled, TailEvent};
use crate::treatment::Reason;
use crate::trigger::plan::{Plan, Trigger};
use crate::trigger::policy::reach::ALL;
use crate::trigger::policy::{MARKETING, Policy};

pub(super) const GATE: Gate = Gate {
    reason: Reason::NoConsent,
    about: "She did not say yes to the treatment's channel, or said no.",
    ask,
    explain,
};

fn ask(case: &Case<'_>, _: &[&Case<'_>]) -> Verdict {
    if may_contact(case, case.channel()) {
        return Verdict::Pass;
    }
    Verdict::Refuse(Reason::NoConsent)
}

/// Whether she said yes to a channel, or it needs no yes and she did not say no. A no that lies beyond the moment counts as
/// well: nobody is written to who is known to have said no. What she said of a channel for a purpose, `service:email`, goes before
/// what she said of the channel.
pub(super) fn may_contact(case: &Case<'_>, channel: &str) -> bool {
    let own = of_purpose(Some(case.trigger), channel);
    let said = case.ahead.iter().rev();
    let mut said = said.filter_map(|TailEvent { event, .. }| event.consent_said(&own));
    if said.next() == Some(false) {
        return false;
    }
    if let Some(said) = case.scope.profile.consent.said(&own) {
        return said;
    }
    let left_out = |event: &Event| {
        event.says_all_of_consent() && !is_free(case.policy(), Some(case.trigger), channel)
    };
    let said = |TailEvent { event, .. }: &TailEvent| {
        let said = event.consent_said(channel);
        said.or_else(|| left_out(event).then_some(false))
    };
    if case.ahead.iter().rev().find_map(said) == Some(false) {
        return false;
    }
    let said = case.scope.profile.consent.given(channel);
    said.unwrap_or_else(|| is_free(case.policy(), Some(case.trigger), channel))
}

/// What a treatment is for.
fn purpose(trigger: Option<&Trigger>) -> &str {
    let purpose = trigger.and_then(|trigger| trigger.policy.purpose.as_deref());
    purpose.unwrap_or(MARKETING)
}

/// A channel for that purpose, as consent is said of it.
fn of_purpose(trigger: Option<&Trigger>, channel: &str) -> Text {
    compact_str::format_compact!("{}:{channel}", purpose(trigger))
}

/// Whether an event takes back her yes to a channel for what a trigger sends, as far as is known: it says no, and nothing says yes
/// since. `ahead` is everything beyond the profile.
pub(super) fn closes(
    (plan, trigger): (&Plan, Option<&Trigger>),
    (profile, ahead): (&Settled, &[TailEvent]),
    event: &Event,
    channel: &str,
) -> bool {
    let own = of_purpose(trigger, channel);
    let is_free = is_free(&plan.policy, trigger, channel);
    let of_channel = |event: &Event| {
        let left_out = event.says_all_of_consent() && !is_free;
        let said = event.consent_said(channel);
        said.or_else(|| left_out.then_some(false))
    };
    let of_own = |event: &Event| event.consent_said(&own);
    if of_own(event).or_else(|| of_channel(event)) != Some(false) {
        return false;
    }
    let last = |said: &dyn Fn(&Event) -> Option<bool>| {
        ahead.iter().rev().find_map(|tail| said(&tail.event))
    };
    let said = last(&of_own)
        .or_else(|| profile.consent.said(&own))
        .or_else(|| last(&of_channel))
        .or_else(|| profile.consent.given(channel));
    !said.unwrap_or(is_free)
}

/// Whether a channel needs no yes.
fn is_free(policy: &Policy, trigger: Option<&Trigger>, channel: &str) -> bool {
    let free = policy.purposes.get(purpose(trigger));
    let free = free.unwrap_or(&policy.consent_by_default);
    free.iter().any(|free| free == channel || free == ALL)
}

fn explain(case: &Case<'_>) -> String {
    let channel = case.channel();
    let own = of_purpose(Some(case.trigger), channel);
    match case.scope.profile.consent.said(&own) {
        Some(true) if may_contact(case, channel) => return format!("she said yes to {own}"),
        Some(true) => return format!("she takes back her yes to {own}"),
        Some(false) => return format!("she said no to {own}"),
        None => {}
    }
    match case.scope.profile.consent.given(channel) {
        Some(true) if may_contact(case, channel) => format!("she said yes to {channel}"),
        Some(true) => format!("she takes back her yes to {channel}"),
        Some(false) => format!("she said no to {channel}"),
        None if is_free(case.policy(), Some(case.trigger), channel) => {
            format!("{channel} needs no yes for {}", purpose(Some(case.trigger)))
        }
        None => format!("she never said yes to {channel}"),
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::check::check;

    const SERVICE: &str =
        "treatments: [{ channel: email, template: x }]\npolicy: { purpose: service }";

    const EMAIL: &str = "treatments: [{ channel: email, template: x }]";

    /// The policy, the trigger, the customer, and what becomes of it.
    #[rustfmt::skip]
    const TABLE: &[(&str, &str, &str, &str)] = &[
            ("", EMAIL, "", "no_consent"),
            ("", EMAIL, "yes:email", "treat email"),
            ("", EMAIL, "no:email", "no_consent"),
            ("", EMAIL, "yes:sms", "no_consent"),
            ("consent_by_default = ['email']", EMAIL, "", "treat email"),
            (
                "consent_by_default = ['email']",
                EMAIL,
                "no:email",
                "no_consent",
            ),
            ("consent_by_default = ['all']", EMAIL, "", "treat email"),
            (
                "consent_by_default = ['all']",
                EMAIL,
                "no:email",
                "no_consent",
            ),
            ("purposes = { service = ['all'] }", SERVICE, "", "treat email"),
            ("", "", "", "treat onsite"),
            ("", "", "no:onsite", "no_consent"),
            // By purpose, and what she said of it goes before what she said of the channel.
            (
                "purposes = { service = ['email'] }",
                SERVICE,
                "",
                "treat email",
            ),
            (
                "purposes = { service = ['sms'] }",
                SERVICE,
                "",
                "no_consent",
            ),
            (
                "purposes = { service = ['sms'] }",
                SERVICE,
                "yes:email",
                "treat email",
            ),
            (
                "purposes = { service = ['email'] }",
                SERVICE,
                "no:email",
                "no_consent",
            ),
            (
                "purposes = { service = ['email'] }",
                SERVICE,
                "no:email yes:service:email",
                "treat email",
            ),
            (
                "purposes = { service = ['email'] }",
                SERVICE,
                "yes:service:email no:*",
                "no_consent",
            ),
            (
                "purposes = { service = ['email'] }",
                SERVICE,
                "no:service:email yes:email",
                "no_consent",
            ),
            (
                "purposes = { service = ['email'] }",
                SERVICE,
                "then-no:service:email",
                "no_consent",
            ),
            (
                "purposes = { service = ['email'] }",
                EMAIL,
                "",
                "no_consent",
            ),
            (
                "purposes = { marketing = ['email'] }",
                EMAIL,
                "",
                "treat email",
            ),
            ("", EMAIL, "yes:email no:marketing:email", "no_consent"),
            ("", EMAIL, "yes:marketing:email", "treat email"),
            // A no that is known already counts, a yes does not.
            ("", EMAIL, "yes:email then-no:email", "no_consent"),
            ("", EMAIL, "then-yes:email", "no_consent"),
    ];

    #[test]
    fn a_channel_is_hers_to_open_and_to_close() {
        for (policy, trigger, customer, outcome) in TABLE.iter().copied() {
            check(
                policy,
                &[trigger],
                customer,
                "2026-03-02T10:00:00Z",
                outcome,
            );
        }
    }
}
