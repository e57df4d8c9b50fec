//! The order of the gates: of the reasons, and as the documentation says it. What no gate says stands behind them.

use super::GATES;
use super::check::check;
use crate::treatment::Reason;

#[test]
fn the_gates_stand_in_the_order_of_the_reasons() {
    let asked: Vec<Reason> = GATES.iter().map(|gate| gate.reason).collect();
    let said = Reason::ALL
        .into_iter()
        .filter(|it| *it != Reason::Withdrawn);
    assert_eq!(asked, said.collect::<Vec<_>>());
    assert!(Reason::ALL.is_sorted());
}

#[test]
fn the_documentation_says_them_in_their_order() {
    let listed = Reason::ALL.map(|reason| format!("`{}`", reason.word()));
    for (page, text) in [
        ("docs/triggers.md", include_str!("../../docs/triggers.md")),
        (
            "docs/treatments.md",
            include_str!("../../docs/treatments.md"),
        ),
    ] {
        let words = text.replace(['\n', ' '], "");
        assert!(
            words.contains(&listed.join(",")),
            "{page} does not list the reasons in their order"
        );
    }
}

/// What every gate but those before would refuse is refused for the first reason.
#[test]
fn a_moment_is_refused_for_the_first_reason() {
    let all = [
        (Reason::Off, "mode: off", "mode: shadow"),
        (Reason::OutOfDates, "until: 2026-03-01", ""),
        (Reason::Expired, "good_for: 1h", "good_for: 30d"),
        (Reason::Audience, "audience: profile.orders.count > 5", ""),
        (
            Reason::NoTreatmentFits,
            "if: profile.orders.count > 6, ",
            "",
        ),
        (Reason::NoConsent, "channel: email", "channel: onsite"),
        (
            Reason::QuietHours,
            "quiet_hours: drop",
            "quiet_hours: ignore",
        ),
        (Reason::Capped, "cap: 1 in 7d", "cap: 2 in 7d"),
    ];
    let hopeless = "mode: off\nuntil: 2026-03-01\naudience: profile.orders.count > 5\n\
        treatments: [{ if: profile.orders.count > 6, channel: email, template: x }]\n\
        policy: { good_for: 1h, cap: 1 in 7d, quiet_hours: drop }";
    let (customer, at) = (
        "sent:a:onsite@2026-03-02T09:00:00Z",
        "2026-03-02T10:00:00Z decided 2026-03-02T12:00:00Z",
    );
    let policy = "quiet_hours = { default = '09:00-17:00' }";
    let mut trigger = hopeless.to_owned();
    for (reason, wrong, right) in all {
        check(policy, &[&trigger], customer, at, reason.word());
        trigger = trigger.replace(wrong, right);
    }
    check("", &[&trigger], customer, at, "shadow");
    check(
        "",
        &[&trigger.replace("shadow", "live")],
        customer,
        at,
        "treat onsite",
    );
    let stopped = hopeless.replace("mode: off\nuntil: 2026-03-01", "mode: shadow");
    check(
        "sending = 'stopped'",
        &[&stopped],
        customer,
        at,
        "sending_stopped",
    );
}
