//! Capped: she was sent as much as a cap allows, the trigger's own, one on the channel, or one on all channels together.
//!
//! What counts are commands that were sent, as of the decision; a trigger in shadow counts what it would have sent for its own cap
//! alone.

use xxhash_rust::xxh3::xxh3_64;

use super::{Case, Gate, Verdict};
use crate::event::Text;
use crate::moment::per::key_text;
use crate::profile::{Contacts, Of};
use crate::time::Timestamp;
use crate::treatment::Reason;
use crate::trigger::plan::Trigger;
use crate::trigger::policy::{Cap, Policy};

pub(super) const GATE: Gate = Gate {
    reason: Reason::Capped,
    about: "The `cap` of the trigger is used up, or one of the policy's `caps` on the channel or on all channels.",
    ask,
    explain,
};

fn ask(case: &Case<'_>, _: &[&Case<'_>]) -> Verdict {
    match caps(case).any(|(of, cap)| is_reached(case, of, cap)) {
        true => Verdict::Refuse(Reason::Capped),
        false => Verdict::Pass,
    }
}

/// The caps on a case, and what each counts.
fn caps<'a>(case: &Case<'a>) -> impl Iterator<Item = (Of<'a>, Cap)> {
    let (trigger, channel, caps) = (case.trigger, case.channel(), &case.policy().caps);
    let own = trigger.policy.cap.into_iter();
    let whose = key(case).map_or(Of::Trigger(trigger.key), |key| Of::Key(trigger.key, key));
    let own = own.map(move |cap| (whose, cap));
    let over_all = [Of::Channel(channel), Of::All].into_iter();
    own.chain(over_all.flat_map(|of| caps.on(of).iter().map(move |cap| (of, *cap))))
}

/// The hash of what the trigger's own cap is counted by; what is not known is a thing of its own.
pub(super) fn key(case: &Case<'_>) -> Option<u64> {
    let per = case.trigger.policy.cap_per.as_ref()?;
    let text = key_text(&per.eval(&case.scope)).unwrap_or_default();
    Some(xxh3_64(text.as_bytes()))
}

fn is_reached(case: &Case<'_>, of: Of<'_>, cap: Cap) -> bool {
    let times = case.scope.profile.contacts.times(of);
    cap.is_reached(times, case.decided_at(), &case.zone())
}

fn explain(case: &Case<'_>) -> String {
    let shown = |(of, cap): (Of<'_>, Cap)| {
        let whose = match of {
            Of::Trigger(_) => "by the trigger",
            Of::Key(..) => "by the trigger about the same",
            Of::Channel(channel) => channel,
            Of::All => "by all channels",
        };
        let used_up = if is_reached(case, of, cap) {
            ", used up"
        } else {
            ""
        };
        format!("{cap} {whose}{used_up}")
    };
    let shown: Vec<String> = caps(case).map(shown).collect();
    match shown.is_empty() {
        true => "nothing is capped".to_owned(),
        false => format!("at most {}", shown.join("; ")),
    }
}

/// Notes a command of the trigger at `at`, about what has this `key`, `sent` by a channel; one in shadow is sent by none. Nobody asks
/// as of before `now`.
pub(super) fn note(
    contacts: &mut Contacts,
    policy: &Policy,
    (trigger, key): (&Trigger, Option<u64>),
    (at, now): (Timestamp, Timestamp),
    sent: Option<&Text>,
) {
    if let Some(channel) = sent {
        contacts.sent(at, channel, now, |of| policy.caps.keep(of));
    }
    match (trigger.policy.cap, key) {
        (Some(cap), Some(key)) => contacts.sent_about(trigger.key, key, at, cap.keep()),
        (Some(cap), None) => contacts.sent_by(trigger.key, at, cap.keep()),
        (None, _) => {}
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

    /// The policy, what a's file says, what was sent, when it is asked, and what becomes of it.
    #[rustfmt::skip]
    const CAPS: &[(&str, &str, &str, &str, &str)] = &[
        ("caps = { all = '2 in 1d' }", "", "sent:x:email@2026-03-02T09:00:00Z", "2026-03-02T10:00:00Z", "treat onsite"),
        ("caps = { all = '2 in 1d' }", "", "sent:x:email@2026-03-02T09:00:00Z sent:y:push@2026-03-02T09:30:00Z", "2026-03-02T10:00:00Z", "capped"),
        ("caps = { all = '2 in 1d' }", "", "sent:x:email@2026-03-02T09:00:00Z sent:y:push@2026-03-02T09:30:00Z", "2026-03-03T09:00:00Z", "treat onsite"),
        // Of a channel, only what was sent by it.
        ("caps = { onsite = '1 in 1d' }", "", "sent:x:email@2026-03-02T09:00:00Z", "2026-03-02T10:00:00Z", "treat onsite"),
        ("caps = { onsite = '1 in 1d' }", "", "sent:x:onsite@2026-03-02T09:00:00Z", "2026-03-02T10:00:00Z", "capped"),
        ("caps = { email = '1 in 1d' }", "", "sent:x:email@2026-03-02T09:00:00Z", "2026-03-02T10:00:00Z", "treat onsite"),
        // Several at once.
        ("caps = { all = '1 in 1h, 2 in 1d' }", "", "sent:x:email@2026-03-02T08:00:00Z", "2026-03-02T10:00:00Z", "treat onsite"),
        ("caps = { all = '1 in 1h, 2 in 1d' }", "", "sent:x:email@2026-03-02T09:30:00Z", "2026-03-02T10:00:00Z", "capped"),
        ("caps = { all = '1 in 1h, 2 in 1d' }", "", "sent:x:email@2026-03-02T07:00:00Z sent:x:email@2026-03-02T08:00:00Z", "2026-03-02T10:00:00Z", "capped"),
        // A day is her own.
        ("caps = { all = '1 a day' }", "", "zone:Europe/Madrid sent:x:email@2026-03-01T22:30:00Z", "2026-03-01T22:59:59Z", "capped"),
        ("caps = { all = '1 a day' }", "", "zone:Europe/Madrid sent:x:email@2026-03-01T22:30:00Z", "2026-03-01T23:00:00Z", "treat onsite"),
        ("", "policy: { cap: 1 a day }", "zone:Europe/Madrid sent:a:email@2026-03-01T22:30:00Z", "2026-03-01T22:59:59Z", "capped"),
        ("", "policy: { cap: once }", "sent:a:email@2016-03-01T22:30:00Z", "2026-03-01T22:59:59Z", "capped"),
        ("", "policy: { cap: once }", "sent:b:email@2016-03-01T22:30:00Z", "2026-03-01T22:59:59Z", "treat onsite"),
        // Each that is used up is enough.
        ("caps = { all = '9 in 1d' }", "policy: { cap: once }", "sent:a:email@2026-03-01T22:30:00Z", "2026-03-01T22:59:59Z", "capped"),
        ("caps = { all = '1 in 1d' }", "policy: { cap: 9 in 1d }", "sent:x:email@2026-03-01T22:30:00Z", "2026-03-01T22:59:59Z", "capped"),
    ];

    #[test]
    fn caps_of_the_policy_count_what_all_triggers_sent() {
        for (policy, trigger, customer, at, outcome) in CAPS.iter().copied() {
            check(policy, &[trigger], customer, at, outcome);
            // In shadow it is asked the same.
            let shadow = format!("mode: shadow\n{trigger}");
            check(
                policy,
                &[&shadow],
                customer,
                at,
                &outcome.replace("treat onsite", "shadow"),
            );
        }
    }

    #[test]
    fn what_shadow_would_have_sent_is_no_command() {
        let (policy, at) = ("caps = { all = '1 in 1d' }", "2026-03-02T10:00:00Z");
        check(
            policy,
            &["mode: shadow", "", ""],
            "",
            at,
            "shadow, treat onsite, capped",
        );
    }
}
