//! No treatment fits: none of the treatments' conditions holds.

use super::{Case, Gate, Verdict};
use crate::treatment::Reason;

pub(super) const GATE: Gate = Gate {
    reason: Reason::NoTreatmentFits,
    about: "None of the treatments' conditions holds.",
    ask,
    explain,
};

fn ask(case: &Case<'_>, _: &[&Case<'_>]) -> Verdict {
    match case.choice() {
        Some(_) => Verdict::Pass,
        None => Verdict::Refuse(Reason::NoTreatmentFits),
    }
}

fn explain(case: &Case<'_>) -> String {
    match case.choice() {
        Some(choice) => format!("it sends {} by {}", choice.template, choice.channel),
        None => "none of its treatments fits".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::check::check;

    #[test]
    fn the_first_that_fits_is_the_one() {
        let trigger = "treatments:\n  - { if: '\"email\" in profile.consent', channel: email, template: x }\n  \
            - { if: profile.orders.count > 3, channel: onsite, template: y }";
        for (customer, outcome) in [("yes:email", "treat email"), ("", "no_treatment_fits")] {
            check("", &[trigger], customer, "2026-03-02T10:00:00Z", outcome);
        }
    }
}
