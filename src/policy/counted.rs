//! Counted: the trigger has no treatments. Its moments, of whoever is in its audience, are recorded, and nothing else follows.

use super::{Case, Gate, Verdict};
use crate::treatment::Reason;

pub(super) const GATE: Gate = Gate {
    reason: Reason::Counted,
    about: "The trigger has no treatments (`treatments: none`): it counts its moments.",
    ask,
    explain,
};

fn ask(case: &Case<'_>, _: &[&Case<'_>]) -> Verdict {
    if case.trigger.treatments.is_empty() && case.trigger.journey.is_none() {
        return Verdict::Refuse(Reason::Counted);
    }
    Verdict::Pass
}

fn explain(case: &Case<'_>) -> String {
    match case.trigger.treatments.len() {
        _ if case.trigger.journey.is_some() => "it has a journey".to_owned(),
        0 => "it has no treatments, and counts".to_owned(),
        1 => "it has a treatment".to_owned(),
        several => format!("it has {several} treatments"),
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::check::check;

    #[test]
    fn what_has_no_treatments_counts() {
        for (trigger, outcome) in [
            ("treatments: none", "counted"),
            ("treatments: none\nmode: off", "off"),
            (
                "treatments: none\naudience: profile.nps.score > 6",
                "audience",
            ),
            ("", "treat onsite"),
        ] {
            check("", &[trigger], "", "2026-03-02T10:00:00Z", outcome);
        }
    }
}
