//! Audience: she is not one of those for whom the trigger is. Of a journey it is asked when she enters, and not at its steps.

use super::{Case, Gate, Verdict};
use crate::treatment::Reason;

pub(super) const GATE: Gate = Gate {
    reason: Reason::Audience,
    about: "The customer is not in the trigger's `audience`.",
    ask,
    explain,
};

fn ask(case: &Case<'_>, _: &[&Case<'_>]) -> Verdict {
    if case.step.is_some() || case.holds(case.trigger.audience.as_ref()) {
        return Verdict::Pass;
    }
    Verdict::Refuse(Reason::Audience)
}

fn explain(case: &Case<'_>) -> String {
    let Some(audience) = &case.trigger.audience else {
        return "it is for everybody".to_owned();
    };
    if case.step.is_some() {
        return "she is inside the journey".to_owned();
    }
    let parts = audience.conjuncts();
    let fails = parts.iter().filter(|part| !part.holds(&case.scope));
    let fails = fails.map(|part| {
        let values = part.values(&case.scope);
        let values = values
            .iter()
            .map(|(name, value)| format!("{name} is {value}"));
        let values: Vec<String> = values.collect();
        format!("`{}` is not true: {}", part.text, values.join(", "))
    });
    let fails: Vec<String> = fails.collect();
    match fails.is_empty() {
        true => format!("`{}` is true", audience.source()),
        false => fails.join("; "),
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::check::check;

    #[test]
    fn whoever_does_not_meet_it_is_refused() {
        for (trigger, customer, outcome) in [
            ("", "", "treat onsite"),
            (
                "audience: '\"sms\" in profile.consent'",
                "yes:sms",
                "treat onsite",
            ),
            (
                "audience: '\"sms\" in profile.consent'",
                "no:sms",
                "audience",
            ),
            // What is not known is not so.
            ("audience: profile.nps.score > 6", "", "audience"),
        ] {
            check("", &[trigger], customer, "2026-03-02T10:00:00Z", outcome);
        }
    }
}
