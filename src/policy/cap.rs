//! Capped: she was sent as much as a cap allows, the trigger's own, one on the channel, or one on all channels together.
//!
//! What counts are commands that were sent, as of the decision; a trigger in shadow counts what it would have sent for its own cap
//! alone. A cap of every n-th counts moments that come to this gate and are refused by it, after a command.

use std::iter;

use xxhash_rust::xxh3::xxh3_64;

use super::{Case, Gate, Verdict};
use crate::event::Text;
use crate::profile::{Contacts, Keep, Of};
use crate::time::Timestamp;
use crate::treatment::Reason;
use crate::trigger::plan::{Mode, Trigger};
use crate::trigger::policy::{Cap, Policy, cap};

pub(super) const GATE: Gate = Gate {
    reason: Reason::Capped,
    about: "A `cap` of the trigger is used up, or one of the policy's `caps` on the channel or on all channels.",
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
    let own = own(trigger, key(case));
    let own = own.flat_map(|(of, caps)| caps.iter().map(move |cap| (of, *cap)));
    let over_all = [Of::Channel(channel), Of::All].into_iter();
    own.chain(over_all.flat_map(|of| caps.on(of).iter().map(move |cap| (of, *cap))))
}

/// The trigger's own caps, by the commands that they count: all of its, and those about one thing.
fn own(trigger: &Trigger, key: Option<u64>) -> impl Iterator<Item = (Of<'static>, &[Cap])> {
    let policy = &trigger.policy;
    let all = (Of::Trigger(trigger.key), &policy.caps[..]);
    let about = key.map(|key| (Of::Key(trigger.key, key), &policy.caps_per[..]));
    iter::once(all)
        .chain(about)
        .filter(|(_, caps)| !caps.is_empty())
}

/// The hash of what the trigger's own caps are counted by; what is not known is a thing of its own.
fn key(case: &Case<'_>) -> Option<u64> {
    let per = case.trigger.policy.cap_per.as_ref()?;
    let text = per.eval(&case.scope).key().unwrap_or_default();
    Some(xxh3_64(text.as_bytes()))
}

fn is_reached(case: &Case<'_>, of: Of<'_>, cap: Cap) -> bool {
    let sent = &case.scope.profile.contacts;
    cap.is_reached(sent, of, case.decided_at(), &case.zone())
}

/// When all of those that are used up let something through again; none where time alone does not bring that.
pub(super) fn free_again(case: &Case<'_>) -> Option<Timestamp> {
    let reached = caps(case).filter(|(of, cap)| is_reached(case, *of, *cap));
    let free: Option<Vec<Timestamp>> = reached.map(|(of, cap)| frees(case, of, cap)).collect();
    free?.into_iter().max()
}

fn frees(case: &Case<'_>, of: Of<'_>, cap: Cap) -> Option<Timestamp> {
    let sent = &case.scope.profile.contacts;
    cap.free_again(sent, of, case.decided_at(), &case.zone())
}

fn explain(case: &Case<'_>) -> String {
    let shown = |(of, cap): (Of<'_>, Cap)| {
        let whose = match of {
            Of::Trigger(_) => "of this trigger".to_owned(),
            Of::Key(..) => "of this trigger about the same".to_owned(),
            Of::Channel(channel) => format!("by {channel}"),
            Of::All => "by all channels together".to_owned(),
        };
        let used = match (is_reached(case, of, cap), frees(case, of, cap)) {
            (true, Some(free)) => format!("used up, free again at {free}"),
            (true, None) => "used up".to_owned(),
            (false, _) => "not used up".to_owned(),
        };
        format!("{cap} {whose} is {used}")
    };
    let shown: Vec<String> = caps(case).map(shown).collect();
    match shown.is_empty() {
        true => "nothing is capped".to_owned(),
        false => format!("the cap {}", shown.join("; the cap ")),
    }
}

/// What caps count of a moment, whatever becomes of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Counted {
    /// The hash of what the trigger's own caps are counted by, where they are by anything.
    key: Option<u64>,
    /// The channel of its treatment; empty where none fits.
    channel: Text,
}

impl Counted {
    pub fn of(case: &Case<'_>) -> Self {
        Self {
            key: key(case),
            channel: case.channel().into(),
        }
    }

    /// A command by a channel, of a trigger whose caps are counted by nothing.
    #[cfg(test)]
    pub fn by(channel: &str) -> Self {
        Self {
            key: None,
            channel: channel.into(),
        }
    }
}

/// Notes a command of the trigger at `at`; one in shadow is not `sent`. Nobody asks as of before `now`.
pub(super) fn note(
    contacts: &mut Contacts,
    policy: &Policy,
    (trigger, counted): (&Trigger, &Counted),
    (at, now): (Timestamp, Timestamp),
    sent: bool,
) {
    if sent {
        note_common(contacts, policy, &counted.channel, (at, now));
    }
    for (of, caps) in own(trigger, counted.key) {
        contacts.pass_over_next(of, cap::passes_over(caps));
        match (cap::keep(caps), of) {
            (Keep { count: 0, .. }, _) => {}
            (keep, Of::Key(trigger, key)) => contacts.sent_about(trigger, key, at, keep),
            (keep, _) => contacts.sent_by(trigger.key, at, keep),
        }
    }
}

/// Notes a command for the caps over all triggers.
pub(super) fn note_common(
    contacts: &mut Contacts,
    policy: &Policy,
    channel: &Text,
    (at, now): (Timestamp, Timestamp),
) {
    contacts.sent(at, channel, now, |of| policy.caps.keep(of));
    for of in [Of::Channel(channel), Of::All] {
        contacts.pass_over_next(of, policy.caps.passes_over(of));
    }
}

/// Notes that a moment was refused here: one fewer is to be passed over.
pub(super) fn pass_over(contacts: &mut Contacts, trigger: &Trigger, counted: &Counted) {
    for (of, _) in own(trigger, counted.key) {
        contacts.pass_over(of);
    }
    // What shadow would not have sent is nobody else's.
    if trigger.mode != Mode::Shadow {
        contacts.pass_over(Of::Channel(&counted.channel));
        contacts.pass_over(Of::All);
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
        ("", "policy: { cap: [2 a day, 3 in 7d] }", "sent:a:email@2026-03-01T22:00:00Z", "2026-03-01T22:59:59Z", "treat onsite"),
        ("", "policy: { cap: [2 a day, 3 in 7d] }", "sent:a:email@2026-03-01T21:00:00Z sent:a:email@2026-03-01T22:00:00Z", "2026-03-01T22:59:59Z", "capped"),
        ("", "policy: { cap: [2 a day, 3 in 7d] }", "sent:a:email@2026-02-26T10:00:00Z sent:a:email@2026-02-27T10:00:00Z sent:a:email@2026-02-28T10:00:00Z", "2026-03-01T22:59:59Z", "capped"),
        ("", "policy: { cap: once }", "sent:a:email@2016-03-01T22:30:00Z", "2026-03-01T22:59:59Z", "capped"),
        ("", "policy: { cap: once }", "sent:b:email@2016-03-01T22:30:00Z", "2026-03-01T22:59:59Z", "treat onsite"),
        // Each that is used up is enough.
        ("caps = { all = '9 in 1d' }", "policy: { cap: once }", "sent:a:email@2026-03-01T22:30:00Z", "2026-03-01T22:59:59Z", "capped"),
        ("caps = { all = '1 in 1d' }", "policy: { cap: 9 in 1d }", "sent:x:email@2026-03-01T22:30:00Z", "2026-03-01T22:59:59Z", "capped"),
        // After a command as many are passed over as are said, however long ago it was.
        ("", "policy: { cap: every 2nd }", "", "2026-03-01T22:59:59Z", "treat onsite"),
        ("", "policy: { cap: every 2nd }", "sent:a:onsite@2016-03-01T22:30:00Z", "2026-03-01T22:59:59Z", "capped"),
        ("", "policy: { cap: every 2nd }", "sent:b:onsite@2016-03-01T22:30:00Z", "2026-03-01T22:59:59Z", "treat onsite"),
        ("caps = { onsite = 'every 3rd' }", "", "sent:b:onsite@2016-03-01T22:30:00Z", "2026-03-01T22:59:59Z", "capped"),
        ("caps = { onsite = 'every 3rd' }", "", "sent:b:email@2016-03-01T22:30:00Z", "2026-03-01T22:59:59Z", "treat onsite"),
        ("caps = { all = 'every 3rd, 9 in 1d' }", "", "sent:b:email@2016-03-01T22:30:00Z", "2026-03-01T22:59:59Z", "capped"),
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
