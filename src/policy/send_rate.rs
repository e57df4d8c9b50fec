//! Send rate: over everybody so many commands are sent by a channel, and what would be one more waits for its turn.
//!
//! Whatever goes by such a channel and passed every gate before takes its place in a queue, and is asked everything again when its turn
//! comes. Whose turn it is depends on others, and is not asked here: the engine says it. Behind what decides between moments of one
//! customer, and before what withholds: who is held out waits, and takes up a place, as those do who are sent it.

use super::{Case, Gate, Verdict, Why};
use crate::treatment::Reason;

pub(super) const GATE: Gate = Gate {
    reason: Reason::SendRate,
    about: "It waits for its turn by a channel with one of the policy's `send_rates`, and there is no room for one more that waits.",
    ask,
    explain,
};

fn ask(case: &Case<'_>, _: &[&Case<'_>]) -> Verdict {
    match waits(case) {
        // The instant after the last at which it makes sense: it is refused as expired there.
        true => Verdict::Hold {
            until: case.valid_until().plus(1),
            why: Why::SendRate,
        },
        false => Verdict::Pass,
    }
}

/// Whether it is another's turn.
fn waits(case: &Case<'_>) -> bool {
    let has_turn = case.past().turn.as_deref() == Some(case.channel());
    case.policy().send_rates.of(case.channel()).is_some() && !has_turn
}

fn explain(case: &Case<'_>) -> String {
    let channel = case.channel();
    match case.policy().send_rates.of(channel) {
        None => format!("{channel} is sent to without a rate"),
        Some(rate) => format!(
            "over everybody {channel} is sent {rate}, by priority ({}), and then by when moments came true",
            case.trigger.policy.priority
        ),
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::check::check;

    #[test]
    fn it_waits_for_its_turn_as_long_as_it_makes_sense() {
        let at = "2026-03-02T10:00:00Z";
        let rate = "send_rates = { onsite = '20 in 1h' }";
        for (policy, trigger, outcome) in [
            (
                rate,
                "policy: { good_for: 1d }",
                "send_rate until 2026-03-03T10:00:00.001Z",
            ),
            ("send_rates = { print = '20 in 1h' }", "", "treat onsite"),
            // What is refused waits for nothing.
            (rate, "mode: off", "off"),
            // Who is held out waits as the others do, and what is in shadow.
            (
                rate,
                "policy: { good_for: 1d, hold_out: 100% }",
                "send_rate until 2026-03-03T10:00:00.001Z",
            ),
            (
                rate,
                "mode: shadow\npolicy: { good_for: 1d }",
                "send_rate until 2026-03-03T10:00:00.001Z",
            ),
            // At night it waits for the morning first.
            (
                "send_rates = { onsite = '20 in 1h' }\nquiet_hours = { default = '09:00-11:00' }",
                "policy: { good_for: 1d, quiet_hours: hold }",
                "quiet_hours until 2026-03-02T11:00:00.000Z",
            ),
        ] {
            check(policy, &[trigger], "", at, outcome);
        }
    }
}
