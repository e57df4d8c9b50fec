//! Held out: she is one of those to whom this trigger is not sent, so that one sees what it does.
//!
//! Drawn by a stable hash of the draw, the trigger's name and the customer: the same on every machine and for ever, and independent
//! from trigger to trigger. Last of all but shadow: whoever is held out is one who would have been sent it, and uses up caps and
//! arbitration as if she were.

use super::{Case, Gate, Verdict};
use crate::treatment::Reason;
use crate::trigger::plan::{Plan, Trigger};
use crate::trigger::policy::Share;

pub(super) const GATE: Gate = Gate {
    reason: Reason::HeldOut,
    about: "The customer is one of those whom the trigger holds out (`hold_out`).",
    ask,
    explain,
};

fn ask(case: &Case<'_>, _: &[&Case<'_>]) -> Verdict {
    match is_in(case) {
        true => Verdict::Refuse(Reason::HeldOut),
        false => Verdict::Pass,
    }
}

fn share(case: &Case<'_>) -> Share {
    case.trigger
        .policy
        .hold_out
        .unwrap_or(case.policy().hold_out)
}

fn is_in(case: &Case<'_>) -> bool {
    match case.step {
        Some(step) => step.held_out,
        None => is_drawn(case.plan, case.trigger, &case.scope.profile.id),
    }
}

/// Whether a customer is one of them.
pub(super) fn is_drawn(plan: &Plan, trigger: &Trigger, customer: &str) -> bool {
    let share = trigger.policy.hold_out.unwrap_or(plan.policy.hold_out);
    share.takes(&[plan.policy.draw.as_str(), &trigger.name, customer])
}

fn explain(case: &Case<'_>) -> String {
    match (share(case), is_in(case)) {
        (share, _) if share.is_nobody() => "nobody is held out".to_owned(),
        (share, true) => format!("she is one of the {share} that are held out"),
        (share, false) => format!("she is not one of the {share} that are held out"),
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::check::check;

    #[test]
    fn who_is_held_out_is_asked_last() {
        let at = "2026-03-02T10:00:00Z";
        for (policy, trigger, customer, outcome) in [
            ("", "policy: { hold_out: 100% }", "", "held_out"),
            ("", "policy: { hold_out: 0% }", "", "treat onsite"),
            // What the trigger says goes before what the policy says.
            ("hold_out = '100%'", "", "", "held_out"),
            (
                "hold_out = '100%'",
                "policy: { hold_out: 0% }",
                "",
                "treat onsite",
            ),
            (
                "",
                "mode: shadow\npolicy: { hold_out: 100% }",
                "",
                "held_out",
            ),
            ("", "policy: { hold_out: 100% }", "no:onsite", "no_consent"),
            (
                "",
                "policy: { hold_out: 100%, cap: once }",
                "sent:a:onsite@2026-03-01T10:00:00Z",
                "capped",
            ),
        ] {
            check(policy, &[trigger], customer, at, outcome);
        }
    }

    /// What is not sent takes its place in caps, its own too, and in arbitration; in shadow as little as what shadow refuses.
    #[test]
    fn what_is_not_sent_counts_as_if_it_were() {
        let at = "2026-03-02T10:00:00Z";
        let all = "caps = { all = '1 in 1d' }";
        let out = "policy: { hold_out: 100% }";
        check(all, &[out, ""], "", at, "held_out, capped");
        check(
            "arbitration = 'instant'",
            &[out, ""],
            "",
            at,
            "held_out, outranked",
        );
        let shadow = format!("mode: shadow\n{out}");
        check(all, &[&shadow, ""], "", at, "held_out, treat onsite");
    }
}
