//! Quiet hours: it is night where she is, and the trigger minds.
//!
//! The zone is her own, else `default_timezone` of the policy. What is held is asked everything again when the hours end, or
//! where its time runs out before, so that a hold never outlives `good_for`.

use super::{Case, Gate, Verdict, Why};
use crate::time::Timestamp;
use crate::treatment::Reason;
use crate::trigger::policy::AtNight;

pub(super) const GATE: Gate = Gate {
    reason: Reason::QuietHours,
    about: "It is within the quiet hours of the channel, her local time, and the trigger says `quiet_hours: drop`.",
    ask,
    explain,
};

fn ask(case: &Case<'_>, _: &[&Case<'_>]) -> Verdict {
    let reason = Reason::QuietHours;
    let end = || end(case);
    match case.trigger.policy.quiet_hours {
        AtNight::Ignore => Verdict::Pass,
        AtNight::Drop if end().is_some() => Verdict::Refuse(reason),
        AtNight::Drop => Verdict::Pass,
        AtNight::Hold => end().map_or(Verdict::Pass, |end| {
            // The instant after the last at which it makes sense: it is refused as expired there.
            let until = end.min(case.valid_until().plus(1));
            Verdict::Hold {
                until,
                why: Why::QuietHours,
            }
        }),
    }
}

/// When the hours end that it is in.
fn end(case: &Case<'_>) -> Option<Timestamp> {
    let hours = case.policy().quiet_hours.of(case.channel());
    hours.end(case.decided_at(), &case.zone())
}

fn explain(case: &Case<'_>) -> String {
    let (channel, hours) = (case.channel(), case.policy().quiet_hours.of(case.channel()));
    let mode = case.trigger.policy.quiet_hours.word();
    match end(case) {
        Some(end) => format!("{channel} is quiet {hours} until {end}, and the trigger says {mode}"),
        None if hours.is_none() => format!("{channel} has no quiet hours"),
        None => format!("{channel} is quiet {hours}, which it is not now"),
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::check::check;

    const HOURS: &str =
        "quiet_hours = { default = '22:00-08:00', email = '21:00-07:00', push = 'none' }";

    /// The trigger's word, its channel, the customer, the moment, and what becomes of it.
    #[rustfmt::skip]
    const TABLE: &[(&str, &str, &str, &str, &str)] = &[
        ("drop", "onsite", "", "2026-03-02T21:59:59.999Z", "treat onsite"),
        ("drop", "onsite", "", "2026-03-02T22:00:00Z", "quiet_hours"),
        ("drop", "onsite", "", "2026-03-03T07:59:59.999Z", "quiet_hours"),
        ("drop", "onsite", "", "2026-03-03T08:00:00Z", "treat onsite"),
        ("ignore", "onsite", "", "2026-03-03T03:00:00Z", "treat onsite"),
        // A channel has its own hours, or none.
        ("drop", "email", "yes:email", "2026-03-02T21:30:00Z", "quiet_hours"),
        ("drop", "push", "yes:push", "2026-03-03T03:00:00Z", "treat push"),
        // Her own clock: 22:30 in Madrid, 16:30 in New York.
        ("drop", "onsite", "zone:Europe/Madrid", "2026-03-02T21:30:00Z", "quiet_hours"),
        ("drop", "onsite", "zone:America/New_York", "2026-03-02T22:30:00Z", "treat onsite"),
        // When it is decided counts, not when it came true.
        ("drop", "onsite", "", "2026-03-02T21:00:00Z decided 2026-03-02T22:00:00Z", "quiet_hours"),
        ("drop", "onsite", "", "2026-03-03T07:59:00Z decided 2026-03-03T08:00:00Z", "treat onsite"),
        ("hold", "onsite", "", "2026-03-02T21:59:59.999Z", "treat onsite"),
        ("hold", "onsite", "", "2026-03-02T22:00:00Z", "quiet_hours until 2026-03-03T08:00:00.000Z"),
        ("hold", "onsite", "", "2026-03-02T21:00:00Z decided 2026-03-03T03:00:00Z", "quiet_hours until 2026-03-03T08:00:00.000Z"),
        ("hold", "onsite", "", "2026-03-02T21:00:00Z decided 2026-03-03T08:00:00Z", "treat onsite"),
        ("hold", "email", "yes:email", "2026-03-02T22:00:00Z", "quiet_hours until 2026-03-03T07:00:00.000Z"),
        ("hold", "onsite", "zone:Europe/Madrid", "2026-03-28T22:00:00Z", "quiet_hours until 2026-03-29T06:00:00.000Z"),
        // No longer than it makes sense.
        ("hold", "onsite", "", "2026-03-02T07:30:00Z decided 2026-03-02T23:00:00Z", "quiet_hours until 2026-03-03T07:30:00.001Z"),
        ("hold", "onsite", "", "2026-03-02T07:30:00Z decided 2026-03-03T07:30:00.001Z", "expired"),
        // Consent is asked before.
        ("drop", "email", "no:email", "2026-03-03T03:00:00Z", "no_consent"),
    ];

    fn trigger(word: &str, channel: &str, rest: &str) -> String {
        format!(
            "treatments: [{{ channel: {channel}, template: x }}]\npolicy: {{ quiet_hours: {word}, good_for: 1d{rest} }}"
        )
    }

    #[test]
    fn at_night_she_is_left_in_peace() {
        for (word, channel, customer, at, outcome) in TABLE.iter().copied() {
            check(HOURS, &[&trigger(word, channel, "")], customer, at, outcome);
        }
        let there = format!("default_timezone = 'America/New_York'\n{HOURS}");
        let night = "2026-03-02T22:30:00Z";
        let drop = trigger("drop", "onsite", "");
        check(&there, &[&drop], "", night, "treat onsite");
        check(&there, &[&drop], "zone:Europe/Madrid", night, "quiet_hours");
        check("", &[&drop], "", night, "treat onsite");
    }
}
