//! Shadow: everything was right, but the trigger sends nothing. What it would have sent stands in the decision.

use super::{Case, Gate, Verdict};
use crate::treatment::Reason;
use crate::trigger::plan::Mode;

pub(super) const GATE: Gate = Gate {
    reason: Reason::Shadow,
    about: "The trigger runs in shadow: everything was right, but nothing is sent.",
    ask,
    explain,
};

fn ask(case: &Case<'_>, _: &[&Case<'_>]) -> Verdict {
    if case.trigger.mode == Mode::Shadow {
        return Verdict::Refuse(Reason::Shadow);
    }
    Verdict::Pass
}

fn explain(case: &Case<'_>) -> String {
    match case.trigger.mode {
        Mode::Shadow => "it runs in shadow".to_owned(),
        Mode::Live | Mode::Off => "it does not run in shadow".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::check::check;

    #[test]
    fn what_would_be_sent_is_not() {
        for (trigger, customer, outcome) in [
            ("mode: shadow", "", "shadow"),
            // It is the last that is asked.
            ("mode: shadow", "no:onsite", "no_consent"),
            ("mode: live", "", "treat onsite"),
        ] {
            check("", &[trigger], customer, "2026-03-02T10:00:00Z", outcome);
        }
    }
}
