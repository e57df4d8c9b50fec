//! Expired: decided so long after the moment that the treatment makes no sense any more.

use super::{Case, Gate, Verdict};
use crate::treatment::Reason;

pub(super) const GATE: Gate = Gate {
    reason: Reason::Expired,
    about: "Decided later than `good_for` after the moment.",
    ask,
    explain,
};

fn ask(case: &Case<'_>, _: &[&Case<'_>]) -> Verdict {
    if case.decided_at() > case.valid_until() {
        return Verdict::Refuse(Reason::Expired);
    }
    Verdict::Pass
}

fn explain(case: &Case<'_>) -> String {
    format!("it makes sense until {}", case.valid_until())
}

#[cfg(test)]
mod tests {
    use crate::policy::check::check;

    #[test]
    fn the_last_instant_is_in_time() {
        let trigger = "policy: { good_for: 10m }";
        for (at, outcome) in [
            (
                "2026-03-02T10:00:00Z decided 2026-03-02T09:00:00Z",
                "treat onsite",
            ),
            (
                "2026-03-02T10:00:00Z decided 2026-03-02T10:10:00Z",
                "treat onsite",
            ),
            (
                "2026-03-02T10:00:00Z decided 2026-03-02T10:10:00.001Z",
                "expired",
            ),
        ] {
            check("", &[trigger], "", at, outcome);
        }
    }
}
