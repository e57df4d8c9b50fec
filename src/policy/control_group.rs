//! Control group: she is one of those who are sent nothing, whatever the trigger.
//!
//! Asked where everything else was right, so that the group is made of those who would have been sent something. What is not sent
//! uses up caps as if it were, or the groups would drift apart.

use super::{Case, Gate, Verdict};
use crate::treatment::Reason;

pub(super) const GATE: Gate = Gate {
    reason: Reason::ControlGroup,
    about: "The customer is in the control group (`policy.control_group`), which is sent nothing.",
    ask,
    explain,
};

/// What her hash is of, beside her and the draw: no trigger has such a name.
const ALL: &str = "*";

fn ask(case: &Case<'_>, _: &[&Case<'_>]) -> Verdict {
    match is_in(case) {
        true => Verdict::Refuse(Reason::ControlGroup),
        false => Verdict::Pass,
    }
}

fn is_in(case: &Case<'_>) -> bool {
    let policy = case.policy();
    let parts = [policy.draw.as_str(), ALL, &case.scope.profile.id];
    policy.control_group.takes(&parts)
}

fn explain(case: &Case<'_>) -> String {
    let share = case.policy().control_group;
    match is_in(case) {
        _ if share.is_nobody() => "there is no control group".to_owned(),
        true => format!("she is in the control group of {share}"),
        false => format!("she is not in the control group of {share}"),
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::check::check;

    #[test]
    fn the_control_group_is_asked_when_all_else_is_right() {
        for (policy, trigger, customer, outcome) in [
            ("control_group = '100%'", "", "", "control_group"),
            ("control_group = '0%'", "", "", "treat onsite"),
            (
                "control_group = '100%'",
                "policy: { hold_out: 100% }",
                "",
                "control_group",
            ),
            (
                "control_group = '100%'",
                "mode: shadow",
                "",
                "control_group",
            ),
            ("control_group = '100%'", "", "no:onsite", "no_consent"),
            (
                "control_group = '100%'",
                "policy: { cap: once }",
                "sent:a:onsite@2026-03-01T10:00:00Z",
                "capped",
            ),
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

    /// What is not sent takes its place in caps, and in arbitration.
    #[test]
    fn what_is_not_sent_counts_as_if_it_were() {
        let at = "2026-03-02T10:00:00Z";
        let capped = "control_group = '100%'\ncaps = { all = '1 in 1d' }";
        check(capped, &["", ""], "", at, "control_group, capped");
        let competing = "control_group = '100%'\narbitration = 'instant'";
        check(competing, &["", ""], "", at, "control_group, outranked");
    }
}
