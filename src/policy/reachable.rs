//! Unreachable: no message reaches her by the channel, as its address bounced, or is not known where the policy asks for it.
//!
//! A bounce that lies beyond the moment counts as well: it was known before anything was sent.

use super::{Case, Gate, Verdict};
use crate::profile::{Address, reach};
use crate::treatment::Reason;
use crate::trigger::policy::reach::ALL;

pub(super) const GATE: Gate = Gate {
    reason: Reason::Unreachable,
    about: "The address that the channel needs bounced and is still the same, or is not known and the policy asks for it (`address_required`).",
    ask,
    explain,
};

/// What keeps messages from her.
enum Hindrance {
    Bounced(Address),
    NotKnown(Address),
}

fn ask(case: &Case<'_>, _: &[&Case<'_>]) -> Verdict {
    match hindrance(case) {
        Some(_) => Verdict::Refuse(Reason::Unreachable),
        None => Verdict::Pass,
    }
}

fn hindrance(case: &Case<'_>) -> Option<Hindrance> {
    let address = case.policy().addresses.of(case.channel())?;
    let profile = case.scope.profile;
    let mut ahead = case.ahead.iter().map(|tail| reach::bounced(&tail.event));
    if profile.reach.has_bounced(address) || ahead.any(|bounced| bounced == Some(address)) {
        return Some(Hindrance::Bounced(address));
    }
    let mut required = case.policy().address_required.iter();
    let is_required = required.any(|channel| channel == case.channel() || channel == ALL);
    let known = profile.identity.addresses.get(address).is_some();
    (is_required && !known).then_some(Hindrance::NotKnown(address))
}

fn explain(case: &Case<'_>) -> String {
    let channel = case.channel();
    match (hindrance(case), case.policy().addresses.of(channel)) {
        (Some(Hindrance::Bounced(address)), _) => format!("her {} bounced", address.word()),
        (Some(Hindrance::NotKnown(address)), _) => {
            format!("{channel} needs her {}, which is not known", address.word())
        }
        (None, Some(address)) => format!("nothing is known against her {}", address.word()),
        (None, None) => format!("{channel} needs no address"),
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::check::check;

    /// The policy, the channel, the customer, and what becomes of it.
    #[rustfmt::skip]
    const TABLE: &[(&str, &str, &str, &str)] = &[
        ("", "email", "yes:email", "treat email"),
        ("", "email", "yes:email email:a@b.c", "treat email"),
        ("", "email", "yes:email email:a@b.c told:Email_Bounced", "unreachable"),
        ("", "email", "yes:email email:a@b.c then-told:Email_Bounced", "unreachable"),
        ("", "email", "yes:email email:a@b.c told:Email_Bounced email:a@b.c", "unreachable"),
        ("", "email", "yes:email email:a@b.c told:Email_Bounced email:d@b.c", "treat email"),
        ("", "email", "yes:email email:a@b.c told:Email_Bounced told:Email_Delivered", "treat email"),
        ("", "email", "yes:email told:Push_Notification_Bounced", "treat email"),
        ("", "push", "yes:push told:Push_Notification_Bounced", "unreachable"),
        // What was taken back is no consent, rather.
        ("", "email", "no:email told:Email_Bounced", "no_consent"),
        ("address_required = ['email']", "email", "yes:email", "unreachable"),
        ("address_required = ['email']", "email", "yes:email email:a@b.c", "treat email"),
        ("address_required = ['email']", "push", "yes:push", "treat push"),
        ("address_required = ['all']", "push", "yes:push email:a@b.c", "unreachable"),
        ("address_required = ['all']", "onsite", "", "treat onsite"),
        ("address_required = ['all']\naddresses = { push = 'none' }", "push", "yes:push", "treat push"),
        ("addresses = { letter = 'email' }", "letter", "yes:letter told:Email_Bounced", "unreachable"),
    ];

    #[test]
    fn whom_no_message_reaches_is_sent_none() {
        for (policy, channel, customer, outcome) in TABLE.iter().copied() {
            let trigger = format!("treatments: [{{ channel: {channel}, template: x }}]");
            check(
                policy,
                &[&trigger],
                customer,
                "2026-03-02T10:00:00Z",
                outcome,
            );
        }
    }
}
