//! Off: the trigger decides nothing, by its own `mode` or because somebody paused it.

use super::{Case, Gate, Verdict};
use crate::treatment::Reason;
use crate::trigger::plan::Mode;

pub(super) const GATE: Gate = Gate {
    reason: Reason::Off,
    about: "The trigger is off, by its `mode`, or paused.",
    ask,
    explain,
};

fn ask(case: &Case<'_>, _: &[&Case<'_>]) -> Verdict {
    if case.trigger.mode == Mode::Off || is_paused(case) {
        return Verdict::Refuse(Reason::Off);
    }
    Verdict::Pass
}

fn explain(case: &Case<'_>) -> String {
    match case.trigger.mode {
        _ if is_paused(case) => "it is paused".to_owned(),
        Mode::Off => "its mode is off".to_owned(),
        Mode::Shadow => "it is in shadow".to_owned(),
        Mode::Live => "it is live".to_owned(),
    }
}

fn is_paused(case: &Case<'_>) -> bool {
    case.policy().paused.contains(&case.trigger.name)
}

#[cfg(test)]
mod tests {
    use crate::policy::check::check;

    #[test]
    fn one_that_is_off_or_paused_decides_nothing() {
        for (policy, trigger, outcome) in [
            ("", "", "treat onsite"),
            ("", "mode: off", "off"),
            ("paused = ['a']", "", "off"),
            ("paused = ['b']", "", "treat onsite"),
            // It is the first that is asked.
            ("sending = 'stopped'", "mode: off\nuntil: 2000-01-01", "off"),
        ] {
            check(policy, &[trigger], "", "2026-03-02T10:00:00Z", outcome);
        }
    }
}
