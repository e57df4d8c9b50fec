//! Sending stopped: the switch of the policy that stops all of it.

use super::{Case, Gate, Verdict};
use crate::treatment::Reason;

pub(super) const GATE: Gate = Gate {
    reason: Reason::SendingStopped,
    about: "All sending is stopped.",
    ask,
    explain,
};

fn ask(case: &Case<'_>, _: &[&Case<'_>]) -> Verdict {
    if case.policy().is_stopped() {
        return Verdict::Refuse(Reason::SendingStopped);
    }
    Verdict::Pass
}

fn explain(case: &Case<'_>) -> String {
    match case.policy().is_stopped() {
        true => "all sending is stopped".to_owned(),
        false => "sending is not stopped".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::check::check;

    #[test]
    fn the_switch_stops_all() {
        for (policy, outcome) in [
            ("sending = 'live'", "treat onsite"),
            ("sending = 'stopped'", "sending_stopped"),
        ] {
            check(policy, &[""], "", "2026-03-02T10:00:00Z", outcome);
        }
    }
}
