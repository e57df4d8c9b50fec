//! Capped: she was sent as much as the trigger's `cap` allows.

use super::{Case, Gate, Verdict};
use crate::event::Text;
use crate::profile::Contacts;
use crate::time::Timestamp;
use crate::treatment::Reason;
use crate::trigger::plan::Trigger;

pub(super) const GATE: Gate = Gate {
    reason: Reason::Capped,
    about: "The trigger's `cap` is used up.",
    ask,
    explain,
};

fn ask(case: &Case<'_>, _: &[&Case<'_>]) -> Verdict {
    let sent = case.scope.profile.contacts.by(case.trigger.key);
    let cap = case.trigger.policy.cap;
    if cap.is_some_and(|cap| cap.is_reached(sent, case.decided_at())) {
        return Verdict::Refuse(Reason::Capped);
    }
    Verdict::Pass
}

fn explain(case: &Case<'_>) -> String {
    let Some(cap) = case.trigger.policy.cap else {
        return "it has no cap".to_owned();
    };
    match case.scope.profile.contacts.by(case.trigger.key).last() {
        Some(last) => format!("it may send {cap}, and last did at {last}"),
        None => format!("it may send {cap}, and did not"),
    }
}

/// Notes a command of the trigger; of one in shadow, which would have been `sent` by no channel, only for its own cap, so that its
/// figures are those it would have live.
pub(super) fn note(contacts: &mut Contacts, trigger: &Trigger, at: Timestamp, sent: Option<&Text>) {
    if let Some(channel) = sent {
        contacts.sent(at, channel);
    }
    if let Some(cap) = trigger.policy.cap {
        contacts.keep(trigger.key, at, cap.count);
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::check::check;

    #[test]
    fn a_cap_counts_what_the_trigger_sent_in_the_window_before() {
        let trigger = "policy: { cap: 2 in 7d }";
        let once = "sent:a:onsite@2026-03-01T10:00:00Z";
        let twice = "sent:a:onsite@2026-03-01T10:00:00Z sent:a:onsite@2026-03-02T10:00:00Z";
        for (customer, at, outcome) in [
            ("", "2026-03-02T10:00:00Z", "treat onsite"),
            (once, "2026-03-02T10:00:00Z", "treat onsite"),
            (twice, "2026-03-02T10:00:00Z", "capped"),
            (twice, "2026-03-08T09:59:59.999Z", "capped"),
            // Exactly seven days after the first, that one is out of the window.
            (twice, "2026-03-08T10:00:00Z", "treat onsite"),
            // What another trigger sent is not counted.
            (
                "sent:b:onsite@2026-03-02T09:00:00Z sent:b:onsite@2026-03-02T09:30:00Z",
                "2026-03-02T10:00:00Z",
                "treat onsite",
            ),
        ] {
            check("", &[trigger], customer, at, outcome);
            let shadow = format!("mode: shadow\n{trigger}");
            check(
                "",
                &[&shadow],
                customer,
                at,
                &outcome.replace("treat onsite", "shadow"),
            );
        }
    }
}
