//! No consent: she did not say yes to the channel, or said no.

use super::{Case, Gate, Verdict};
use crate::event::Event;
use crate::profile::TailEvent;
use crate::treatment::Reason;

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
/// well: nobody is written to who is known to have said no.
pub(super) fn may_contact(case: &Case<'_>, channel: &str) -> bool {
    let left_out = |event: &Event| event.says_all_of_consent() && !is_free(case, channel);
    let said = |TailEvent { event, .. }: &TailEvent| {
        let said = event.consent_said(channel);
        said.or_else(|| left_out(event).then_some(false))
    };
    if case.ahead.iter().rev().find_map(said) == Some(false) {
        return false;
    }
    let said = case.scope.profile.consent.given(channel);
    said.unwrap_or_else(|| is_free(case, channel))
}

/// Whether a channel needs no yes.
fn is_free(case: &Case<'_>, channel: &str) -> bool {
    let free = &case.policy().consent_by_default;
    free.iter().any(|free| free == channel)
}

fn explain(case: &Case<'_>) -> String {
    let channel = case.channel();
    match case.scope.profile.consent.given(channel) {
        Some(true) if may_contact(case, channel) => format!("she said yes to {channel}"),
        Some(true) => format!("she takes back her yes to {channel}"),
        Some(false) => format!("she said no to {channel}"),
        None if is_free(case, channel) => format!("{channel} needs no yes"),
        None => format!("she never said yes to {channel}"),
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::check::check;

    #[test]
    fn a_channel_is_hers_to_open_and_to_close() {
        let email = "treatments: [{ channel: email, template: x }]";
        for (policy, trigger, customer, outcome) in [
            ("", email, "", "no_consent"),
            ("", email, "yes:email", "treat email"),
            ("", email, "no:email", "no_consent"),
            ("", email, "yes:sms", "no_consent"),
            ("consent_by_default = ['email']", email, "", "treat email"),
            (
                "consent_by_default = ['email']",
                email,
                "no:email",
                "no_consent",
            ),
            ("", "", "", "treat onsite"),
            ("", "", "no:onsite", "no_consent"),
            // A no that is known already counts, a yes does not.
            ("", email, "yes:email then-no:email", "no_consent"),
            ("", email, "then-yes:email", "no_consent"),
        ] {
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
