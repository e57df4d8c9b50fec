//! Out of dates: decided before the trigger's `from`, or not before its `until`.

use super::{Case, Gate, Verdict};
use crate::treatment::Reason;

pub(super) const GATE: Gate = Gate {
    reason: Reason::OutOfDates,
    about: "Decided before the trigger's `from`, or not before its `until`.",
    ask,
    explain,
};

fn ask(case: &Case<'_>, _: &[&Case<'_>]) -> Verdict {
    let (trigger, at) = (case.trigger, case.decided_at());
    let early = trigger.from.is_some_and(|from| at < from);
    if early || trigger.until.is_some_and(|until| at >= until) {
        return Verdict::Refuse(Reason::OutOfDates);
    }
    Verdict::Pass
}

fn explain(case: &Case<'_>) -> String {
    let dates = [("from", case.trigger.from), ("until", case.trigger.until)];
    let said = dates
        .into_iter()
        .filter_map(|(word, at)| Some(format!("{word} {}", at?)));
    let said: Vec<String> = said.collect();
    match said.is_empty() {
        true => "it is in force always".to_owned(),
        false => format!("it is in force {}", said.join(" ")),
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::check::check;

    #[test]
    fn the_first_instant_is_in_and_the_last_is_not() {
        let trigger = "from: 2026-03-02\nuntil: 2026-03-03";
        for (at, outcome) in [
            ("2026-03-01T23:59:59.999Z", "out_of_dates"),
            ("2026-03-02T00:00:00Z", "treat onsite"),
            ("2026-03-02T23:59:59.999Z", "treat onsite"),
            ("2026-03-03T00:00:00Z", "out_of_dates"),
            // What counts is when it is decided.
            (
                "2026-03-01T23:59:59Z decided 2026-03-02T00:00:00Z",
                "treat onsite",
            ),
            (
                "2026-03-02T23:59:59Z decided 2026-03-03T00:00:00Z",
                "out_of_dates",
            ),
        ] {
            check("", &[trigger], "", at, outcome);
        }
    }
}
